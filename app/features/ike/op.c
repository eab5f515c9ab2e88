/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * IKE SAs of the daemon: what is known of them, never their keys.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app.h"
#include "config.h"
#include "io_ike.h"
#include "ops.h"
#include "results.h"

#define NS_PER_S  INT64_C(1000000000)
#define UTC_S_MAX ((uint64_t)(INT64_MAX / NS_PER_S)) /* that ns can say */

static void
put_spis(struct tw_out *out, const struct tw_ike_sa *sa)
{
	char text[TW_IKE_STR_SIZE];

	tw_out_str(out, "spis", tw_ike_spis_str(&sa->spis, text));
	tw_results_spis(out, (const uint8_t *)&sa->spis);
	tw_out_str(out, "state", tw_ike_state_name(sa->state));
}

/* Seconds of UTC, 0: not told. */
static void
put_time(struct tw_out *out, const char *name, uint64_t utc_s)
{
	if (utc_s != 0 && utc_s <= UTC_S_MAX)
		tw_out_time(out, name, (int64_t)utc_s * NS_PER_S);
	else
		tw_out_null(out, name);
}

static void
put_row(struct tw_out *out, const struct tw_ike_sa *sa)
{
	put_spis(out, sa);
	tw_out_addr(out, "remote_addr", &sa->remote);
	tw_out_str(out, "remote_id", sa->remote_id);
	tw_out_str(out, "connection", sa->conn);
	put_time(out, "established", sa->established_s);
}

static int
op_list(struct tw_app *app, const struct tw_args *args, struct tw_out *out)
{
	const struct tw_ike_store *st = tw_ike_io_store(app->ike);
	uint64_t limit = tw_args_u64(args, "limit"), cnt = 0;
	const struct tw_ike_sa *sa = tw_ike_store_next(st, tw_args_u64(args, "cursor"));

	tw_out_u64(out, "count", tw_ike_store_count(st), "SAs");
	tw_out_arr(out, "sas");
	for (; sa != NULL && cnt < limit; sa = tw_ike_store_after(sa), cnt++) {
		tw_out_obj(out, NULL);
		put_row(out, sa);
		tw_out_obj_end(out);
	}
	tw_out_arr_end(out);
	if (sa != NULL)
		tw_out_u64(out, "next", sa->serial, NULL);
	else
		tw_out_null(out, "next");
	return 0;
}

static void
put_end(struct tw_out *out, const char *name, const struct tw_addr *addr, uint16_t port,
	const char *id, bool is_odd, bool is_nat)
{
	tw_out_obj(out, name);
	tw_out_addr(out, "addr", addr);
	tw_out_u64(out, "port", port, NULL);
	tw_out_str(out, "id", id);
	tw_out_bool(out, "is_id_usable", !is_odd);
	tw_out_bool(out, "is_behind_nat", is_nat);
	tw_out_obj_end(out);
}

static void
put_selectors(struct tw_out *out, const struct tw_ike_sa *sa)
{
	char lo[TW_ADDR_STR_SIZE], hi[TW_ADDR_STR_SIZE];
	unsigned i;

	tw_out_arr(out, "virtual_ips");
	for (i = 0; i < sa->vip_cnt; i++)
		tw_out_addr(out, NULL, &sa->vips[i]);
	tw_out_arr_end(out);
	tw_out_arr(out, "remote_selectors");
	for (i = 0; i < sa->ts_cnt; i++)
		tw_out_strf(out, NULL, "%s-%s", tw_addr_str(&sa->ts[i].lo, lo),
			tw_addr_str(&sa->ts[i].hi, hi));
	tw_out_arr_end(out);
}

static void
put_sa(struct tw_out *out, const struct tw_ike_sa *sa)
{
	char text[TW_IKE_STR_SIZE];

	put_spis(out, sa);
	tw_out_str(out, "role", sa->is_initiator ? "initiator" : "responder");
	put_end(out, "local", &sa->local, sa->local_port, sa->local_id, sa->is_local_id_odd,
		sa->is_local_nat);
	put_end(out, "remote", &sa->remote, sa->remote_port, sa->remote_id, sa->is_remote_id_odd,
		sa->is_remote_nat);
	tw_out_str(out, "connection", sa->conn);
	if (tw_ike_prf_name(sa->prf) != NULL)
		tw_out_str(out, "prf", tw_ike_prf_name(sa->prf));
	else
		tw_out_strf(out, "prf", "%u", sa->prf);
	tw_out_bool(out, "has_ppk", sa->has_ppk);
	tw_out_u64(out, "key_size", sa->key_len, "octets");
	put_time(out, "established", sa->established_s);
	put_selectors(out, sa);
	if (sa->state == TW_IKE_SUPERSEDED) {
		tw_out_str(out, "successor", tw_ike_spis_str(&sa->by, text));
		tw_out_ns(out, "grace_left_ns", sa->until_ns - tw_loop_clock());
	}
}

static int
op_show(struct tw_app *app, const struct tw_args *args, struct tw_out *out)
{
	const char *text = tw_args_str(args, "spis");
	const struct tw_ike_sa *sa;
	struct tw_ike_spis spis;

	if (!tw_ike_spis_parse(text, &spis))
		return tw_out_fail(out, -EINVAL, "spis",
			"give 16 hexadecimal digits, '_', 16 hexadecimal digits",
			"these are no SPIs");
	sa = tw_ike_store_get(tw_ike_io_store(app->ike), &spis);
	if (sa == NULL)
		return tw_out_fail(out, -ENOENT, "spis", "`list ike` lists them",
			"there is no IKE SA %s", text);
	put_sa(out, sa);
	return 0;
}

/* ---- initiate ---- */

struct initiation {
	struct tw_app *app;
	struct tw_op_call *call;
};

static void
on_initiated(void *arg, int res, const char *why, const struct tw_ike_sa *sa)
{
	struct initiation *n = arg;
	struct tw_out *out = tw_op_out(n->call);

	if (res != 0)
		tw_out_fail(out, res == -ENOTCONN ? -EAGAIN : res, NULL,
			"see the IKE daemon's log and configuration", "no IKE SA: %s", why);
	else if (sa != NULL)
		put_sa(out, sa);
	tw_op_complete(n->call, res == -ENOTCONN ? -EAGAIN : res);
	free(n);
}

static int
op_initiate(struct tw_app *app, const struct tw_args *args, struct tw_out *out)
{
	struct tw_ike_io_want want = {
		.peer = tw_args_addr(args, "peer"),
		.local = tw_args_addr(args, "source"),
		.deadline_ns = tw_args_ns(args, "deadline_ns"),
	};
	struct initiation *n = calloc(1, sizeof(*n));

	if (n == NULL)
		return tw_out_fail(out, -ENOMEM, NULL, NULL, "no memory");
	snprintf(want.conn, sizeof(want.conn), "%s", tw_args_str(args, "connection"));
	snprintf(want.remote_id, sizeof(want.remote_id), "%s", tw_args_str(args, "remote_id"));
	n->app = app;
	if (tw_ike_io_initiate(app->ike, &want, on_initiated, n) == NULL) {
		free(n);
		return tw_out_fail(out, -ENOMEM, NULL, NULL, "no memory");
	}
	n->call = tw_op_defer(out);
	return TW_OP_DEFERRED;
}

/* ---- status ---- */

static void
put_daemon(struct tw_out *out, const struct tw_ike_link_info *info)
{
	tw_out_str(out, "daemon", info->has_hello ? info->hello.name : NULL);
	tw_out_str(out, "release", info->has_hello ? info->hello.release : NULL);
	put_time(out, "daemon_started", info->has_hello ? info->hello.started_s : 0);
}

static int
op_status(struct tw_app *app, const struct tw_args *args, struct tw_out *out)
{
	const struct tw_ike_store_counts *c = tw_ike_store_counts(tw_ike_io_store(app->ike));
	struct tw_ike_link_info info;
	uint64_t asked, done;

	(void)args;
	tw_ike_io_info(app->ike, &info);
	tw_ike_io_initiations(app->ike, &asked, &done);
	tw_out_str(out, "socket", tw_config_text(app->config, TW_CFG_IKE_SOCKET));
	tw_out_str(out, "state", tw_ike_link_state_name(info.state));
	tw_out_bool(out, "is_connected", info.state == TW_IKE_LINK_READY);
	tw_out_str(out, "reason",
		info.state == TW_IKE_LINK_READY || info.why == TW_IKE_LINK_WHY_NONE ? NULL
		: info.why == TW_IKE_LINK_WHY_ERRNO ? strerror(-info.res)
						    : tw_ike_link_why_text(info.why));
	put_daemon(out, &info);
	tw_out_u64(out, "sas", tw_ike_store_count(tw_ike_io_store(app->ike)), "SAs");
	tw_out_obj(out, "counters");
	tw_out_u64(out, "connected", info.connected_cnt, NULL);
	tw_out_u64(out, "lost", info.lost_cnt, NULL);
	tw_out_u64(out, "restarts", info.restart_cnt, NULL);
	tw_out_u64(out, "records", info.records_in, NULL);
	tw_out_u64(out, "events_skipped", info.events_skipped, NULL);
	tw_out_u64(out, "sa_up", c->up, NULL);
	tw_out_u64(out, "sa_rekeyed", c->rekeyed, NULL);
	tw_out_u64(out, "sa_moved", c->moved, NULL);
	tw_out_u64(out, "sa_down", c->down, NULL);
	tw_out_u64(out, "sa_not_taken", c->full, NULL);
	tw_out_u64(out, "sa_flushed", c->flushed, NULL);
	tw_out_u64(out, "initiations", asked, NULL);
	tw_out_u64(out, "initiations_done", done, NULL);
	tw_out_obj_end(out);
	return 0;
}

#define TW_FEATURE     ike
#define TW_FEATURE_DEF "ike/ike.def"
#include "../feature.h"
