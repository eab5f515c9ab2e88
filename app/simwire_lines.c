/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/* The simulated wire as lines of `show config`. */
#include <inttypes.h>
#include <stdio.h>

#include "app.h"
#include "ops.h"
#include "simwire.h"
#include "tw_base.h"

/* A line that is put together piece by piece, with room for the texts of numbers. */
struct line {
	const char *w[64];
	char text[32][280];
	unsigned cnt, used;
};

static void
line_put(struct line *l, const char *key, const char *value)
{
	if (l->used == TW_ARRAY_SIZE(l->text) || l->cnt + 2 > TW_ARRAY_SIZE(l->w))
		return;
	snprintf(l->text[l->used], sizeof(l->text[0]), "%s", value);
	l->w[l->cnt++] = key;
	l->w[l->cnt++] = l->text[l->used++];
}

static void
line_num(struct line *l, const char *key, int64_t v, int64_t def)
{
	char text[24];

	if (v == def)
		return;
	snprintf(text, sizeof(text), "%" PRId64, v);
	line_put(l, key, text);
}

static void
line_seed(struct line *l, uint64_t seed)
{
	char text[24];

	snprintf(text, sizeof(text), "%" PRIu64, seed);
	line_put(l, "seed", text);
}

static void
line_addrs(struct line *l, const char *key, const struct tw_addr *a)
{
	char text[280] = "", one[TW_ADDR_STR_SIZE];
	size_t at = 0;

	for (unsigned i = 0; i < TW_SIMWIRE_ADDRS_MAX; i++)
		if (a[i].family != TW_ADDR_NONE && at + sizeof(one) < sizeof(text))
			at += (size_t)snprintf(text + at, sizeof(text) - at, "%s%s",
				at > 0 ? "," : "", tw_addr_str(&a[i], one));
	if (at > 0)
		line_put(l, key, text);
}

static void
line_nic(struct line *l, const char *key, const struct tw_simdev_nic *nic)
{
	char text[48];

	snprintf(text, sizeof(text), "%s%s%s",
		nic->is_rx_wrong    ? ",wrong-rx"
		: nic->has_rx_stamp ? ",rx"
				    : "",
		nic->has_timesync ? ",timesync" : "",
		nic->is_sched_wrong ? ",wrong-schedule"
		: nic->has_sched    ? ",scheduled"
				    : "");
	if (text[0] != '\0')
		line_put(l, key, text + 1);
}

static void
add_line(const struct tw_simwire_cfg *c, struct tw_op_lines *lines)
{
	struct line l = {.w = {"add", "netsim"}, .cnt = 2};

	line_put(&l, "port0", c->port[0]);
	line_put(&l, "port1", c->port[1]);
	line_addrs(&l, "addr0", c->addr[0]);
	line_addrs(&l, "addr1", c->addr[1]);
	line_put(&l, "attach", c->attach == TW_PORT_OWNED ? "owned" : "shared");
	line_num(&l, "cpu", c->cpu, -1);
	line_num(&l, "log", c->log_cnt, -1);
	line_put(&l, "impair_all", c->impairs_all ? "yes" : "no");
	line_nic(&l, "nic0", &c->nic[0]);
	line_nic(&l, "nic1", &c->nic[1]);
	line_num(&l, "nic_hz", (int64_t)c->nic[0].hz, 0);
	line_num(&l, "nic_drift_ppb", c->nic[0].clock.drift_ppb, 0);
	line_num(&l, "nic_wander_ppb", c->nic[0].clock.wander_ppb, 0);
	line_put(&l, "clocks", c->has_refs ? "yes" : "no");
	line_num(&l, "offset0_ns", c->ref[0].offset_ns, 0);
	line_num(&l, "offset1_ns", c->ref[1].offset_ns, 0);
	line_num(&l, "drift0_ppb", c->ref[0].drift_ppb, 0);
	line_num(&l, "drift1_ppb", c->ref[1].drift_ppb, 0);
	line_num(&l, "wander_ppb", c->ref[0].wander_ppb, 0);
	line_put(&l, "sync", c->ref[0].is_synced ? "yes" : "no");
	line_num(&l, "max_error_ns", c->ref[0].max_error_ns, -1);
	line_seed(&l, c->seed);
	tw_op_line(lines, l.w, l.cnt);
}

static void
impair_line(unsigned end, const struct tw_netsim_imp *imp, struct tw_op_lines *lines)
{
	struct line l = {.w = {"impair", "netsim"}, .cnt = 2};

	line_num(&l, "end", end, -1);
	line_num(&l, "delay_ns", imp->delay_ns, 0);
	if (imp->jitter != TW_NETSIM_JITTER_NONE && imp->jitter != TW_NETSIM_JITTER_TRACE)
		line_put(&l, "jitter", tw_netsim_jitter_name(imp->jitter));
	line_num(&l, "jitter_ns", imp->jitter_ns, 0);
	line_num(&l, "shape_milli", imp->shape_milli, 0);
	line_put(&l, "overtake", imp->may_overtake ? "yes" : "no");
	line_num(&l, "loss_ppm", imp->loss_ppm, 0);
	line_num(&l, "loss_every", imp->loss_every, 0);
	line_num(&l, "burst_begin_ppm", imp->burst_begin_ppm, 0);
	line_num(&l, "burst_end_ppm", imp->burst_end_ppm, 0);
	line_num(&l, "burst_loss_ppm", imp->burst_loss_ppm, 0);
	line_num(&l, "dup_ppm", imp->dup_ppm, 0);
	line_num(&l, "dup_ns", imp->dup_ns, 0);
	line_num(&l, "reorder_ppm", imp->reorder_ppm, 0);
	line_num(&l, "reorder_ns", imp->reorder_ns, 0);
	line_num(&l, "corrupt_ppm", imp->corrupt_ppm, 0);
	line_num(&l, "rate_bps", (int64_t)imp->rate_bps, 0);
	line_num(&l, "queue_octets", imp->queue_octets, 0);
	line_seed(&l, imp->seed);
	tw_op_line(lines, l.w, l.cnt);
	if (imp->jitter == TW_NETSIM_JITTER_TRACE)
		tw_op_comment(lines,
			"the delays of end %u come from a file: impair netsim %u "
			"trace_file ...",
			end, end);
}

void
tw_simwire_lines(struct tw_app *app, struct tw_op_lines *lines)
{
	const struct tw_simdev *sim = tw_simwire_sim(app);

	if (sim == NULL)
		return;
	add_line(tw_simwire_cfg(app), lines);
	for (unsigned i = 0; i < TW_SIMDEV_ENDS; i++)
		impair_line(i, tw_simdev_imp(sim, i), lines);
}
