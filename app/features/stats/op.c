/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Counters of the data plane, from its table.
 */
#include <errno.h>

#include "app.h"
#include "hold.h"
#include "kdf_pool.h"
#include "log.h"
#include "ops.h"
#include "tw_crypto.h"
#include "tw_dp.h"

static const char *const kind_names[TW_DP_KIND_N] = {
	[TW_DP_KIND_IN] = "in",
	[TW_DP_KIND_OUT] = "out",
	[TW_DP_KIND_DROP] = "drop",
	[TW_DP_KIND_TX] = "tx",
	[TW_DP_KIND_INFO] = "info",
};

static void
put_counters(struct tw_out *out, const struct tw_dp_stats *st)
{
	uint64_t sum[TW_DP_KIND_N] = {0};
	unsigned kind, i;

	for (i = 0; i < TW_DP_CTR_N; i++)
		sum[tw_dp_ctr_desc(i)->kind] += st->ctr[i];
	tw_out_u64(out, "in_sum", sum[TW_DP_KIND_IN], "frames");
	tw_out_u64(out, "out_sum", sum[TW_DP_KIND_OUT], "frames");
	tw_out_u64(out, "drop_sum", sum[TW_DP_KIND_DROP], "frames");
	for (kind = TW_DP_KIND_IN; kind < TW_DP_KIND_N; kind++) {
		tw_out_obj(out, kind_names[kind]);
		for (i = 0; i < TW_DP_CTR_N; i++)
			if (tw_dp_ctr_desc(i)->kind == kind)
				tw_out_u64(out, tw_dp_ctr_desc(i)->name, st->ctr[i], NULL);
		tw_out_obj_end(out);
	}
}

static void
put_usage(struct tw_app *app, struct tw_out *out, const struct tw_dp_stats *st)
{
	uint32_t live, retiring;

	tw_out_obj(out, "usage");
	tw_dp_refl_cnt(app->dp, &live, &retiring);
	tw_out_u64(out, "reflector_sessions", live, NULL);
	tw_out_u64(out, "reflector_sessions_going", retiring, NULL);
	tw_dp_send_cnt(app->dp, &live, &retiring);
	tw_out_u64(out, "sender_sessions", live, NULL);
	tw_out_u64(out, "sender_sessions_going", retiring, NULL);
	tw_out_u64(out, "sender_memory", tw_dp_send_mem(app->dp), "octets");
	tw_out_u64(out, "secret_memory", tw_crypto_heap_used(), "octets");
	tw_out_u64(out, "held_ports", tw_hold_count(app->hold), NULL);
	tw_out_u64(out, "key_derivations", tw_kdf_pool_load(app->kdf), NULL);
	tw_out_u64(out, "commands_refused", st->cmd_lost, NULL);
	tw_out_ns(out, "turnaround_ns", (int64_t)st->turnaround_ns);
	tw_out_u64(out, "log_lost", tw_log_lost(), "messages");
	tw_out_obj_end(out);
}

static int
op_show(struct tw_app *app, const struct tw_args *args, struct tw_out *out)
{
	unsigned all = tw_dp_lcore_cnt(app->dp);
	unsigned lcore = tw_args_has(args, "lcore") ? (unsigned)tw_args_u64(args, "lcore") : all;
	struct tw_dp_stats st;

	if (lcore > all || (lcore == all && tw_args_has(args, "lcore")))
		return tw_out_fail(out, -ENOENT, "lcore", "`show lcore` lists them",
			"there is no data lcore %u", lcore);
	tw_dp_stats_get(app->dp, lcore, &st);
	put_counters(out, &st);
	if (lcore == all)
		put_usage(app, out, &st);
	return 0;
}

static int
op_describe(struct tw_app *app, const struct tw_args *args, struct tw_out *out)
{
	unsigned i;

	(void)app;
	(void)args;
	tw_out_arr(out, "counters");
	for (i = 0; i < TW_DP_CTR_N; i++) {
		tw_out_obj(out, NULL);
		tw_out_str(out, "name", tw_dp_ctr_desc(i)->name);
		tw_out_str(out, "kind", kind_names[tw_dp_ctr_desc(i)->kind]);
		tw_out_str(out, "help", tw_dp_ctr_desc(i)->help);
		tw_out_obj_end(out);
	}
	tw_out_arr_end(out);
	return 0;
}

#define TW_FEATURE     stats
#define TW_FEATURE_DEF "stats/stats.def"
#include "../feature.h"
