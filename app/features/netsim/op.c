/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The simulated wire.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>

#include "app.h"
#include "gaps.h"
#include "ops.h"
#include "simwire.h"

#define FILE_MAX 16000000 /* octets of a trace */

/* In the order of enum tw_port_attach, without the default. */
static const char *const netsim_attach[] = {"owned", "shared", NULL};
/* In the order of enum tw_netsim_jitter. */
static const char *const netsim_jitter[] = {"none", "uniform", "normal", "pareto", "trace", NULL};
static const char *const netsim_which[] = {"reference", "nic", NULL};
static const char *const netsim_nic[] = {
	"rx", "timesync", "scheduled", "wrong-rx", "wrong-schedule", NULL};

static int
no_wire(struct tw_out *out)
{
	return tw_out_fail(out, -ENOENT, NULL, "`add netsim`, or start with --netsim",
		"there is no simulated wire");
}

/* Show ------------------------------------------------------------ */

static void
put_imp(struct tw_out *out, const struct tw_netsim_imp *imp)
{
	tw_out_obj(out, "impairments");
	tw_out_ns(out, "delay_ns", imp->delay_ns);
	tw_out_str(out, "jitter", netsim_jitter[imp->jitter]);
	tw_out_ns(out, "jitter_ns", imp->jitter_ns);
	tw_out_u64(out, "shape_milli", imp->shape_milli, NULL);
	tw_out_u64(out, "trace", imp->trace_cnt, "delays");
	tw_out_bool(out, "overtake", imp->may_overtake);
	tw_out_u64(out, "loss_ppm", imp->loss_ppm, "ppm");
	tw_out_u64(out, "loss_every", imp->loss_every, NULL);
	tw_out_u64(out, "burst_begin_ppm", imp->burst_begin_ppm, "ppm");
	tw_out_u64(out, "burst_end_ppm", imp->burst_end_ppm, "ppm");
	tw_out_u64(out, "burst_loss_ppm", imp->burst_loss_ppm, "ppm");
	tw_out_u64(out, "dup_ppm", imp->dup_ppm, "ppm");
	tw_out_ns(out, "dup_ns", imp->dup_ns);
	tw_out_u64(out, "reorder_ppm", imp->reorder_ppm, "ppm");
	tw_out_ns(out, "reorder_ns", imp->reorder_ns);
	tw_out_u64(out, "corrupt_ppm", imp->corrupt_ppm, "ppm");
	tw_out_u64(out, "rate_bps", imp->rate_bps, "bit/s");
	tw_out_u64(out, "queue_octets", imp->queue_octets, "octets");
	tw_out_u64(out, "seed", imp->seed, NULL);
	tw_out_obj_end(out);
}

static void
put_ctr(struct tw_out *out, const struct tw_simdev_ctr *c)
{
	static const struct {
		const char *name;
		unsigned kind;
	} fates[] = {
		{"lost_random", TW_NETSIM_LOST_RANDOM},
		{"lost_burst", TW_NETSIM_LOST_BURST},
		{"lost_every", TW_NETSIM_LOST_EVERY},
		{"lost_trace", TW_NETSIM_LOST_TRACE},
		{"lost_queue", TW_NETSIM_LOST_QUEUE},
		{"lost_full", TW_NETSIM_LOST_FULL},
	};

	tw_out_obj(out, "counters");
	tw_out_u64(out, "taken", tw_ctr_get(&c->taken), "packets");
	tw_out_u64(out, "delivered", tw_ctr_get(&c->delivered), "packets");
	tw_out_u64(out, "unimpaired", tw_ctr_get(&c->passed), "packets");
	for (unsigned i = 0; i < TW_ARRAY_SIZE(fates); i++)
		tw_out_u64(out, fates[i].name, tw_ctr_get(&c->by_fate[fates[i].kind]), "packets");
	tw_out_u64(out, "duplicated", tw_ctr_get(&c->duplicated), "packets");
	tw_out_u64(out, "held", tw_ctr_get(&c->held), "packets");
	tw_out_u64(out, "corrupted", tw_ctr_get(&c->corrupted), "packets");
	tw_out_u64(out, "overdue", tw_ctr_get(&c->overdue), "packets");
	tw_out_u64(out, "no_room", tw_ctr_get(&c->no_room), "packets");
	tw_out_u64(out, "scheduled_late", tw_ctr_get(&c->sched_late), "packets");
	tw_out_obj_end(out);
}

static void
put_clock(struct tw_out *out, const char *name, const struct tw_netsim_clock *c, int64_t wire_ns)
{
	const struct tw_netsim_clock_part *p = tw_netsim_clock_part_at(c, wire_ns);

	tw_out_obj(out, name);
	tw_out_ns(out, "offset_ns", tw_netsim_clock_at(c, wire_ns) - c->origin_ns - wire_ns);
	tw_out_i64(out, "drift_ppb", p->drift_ppb, "ppb");
	tw_out_i64(out, "slew_ppb", p->slew_ppb, "ppb");
	tw_out_u64(out, "wander_ppb", p->wander_ppb, "ppb");
	tw_out_bool(out, "is_synced", p->is_synced);
	tw_out_ns(out, "max_error_ns", p->max_error_ns);
	tw_out_obj_end(out);
}

static void
put_end(struct tw_app *app, struct tw_out *out, unsigned end, int64_t wire_ns)
{
	struct tw_simdev *sim = tw_simwire_sim(app);
	const struct tw_simwire_cfg *cfg = tw_simwire_cfg(app);

	tw_out_obj(out, NULL);
	tw_out_u64(out, "end", end, NULL);
	tw_out_str(out, "port", cfg->port[end]);
	tw_out_arr(out, "addresses");
	for (unsigned i = 0; i < TW_SIMWIRE_ADDRS_MAX; i++)
		if (cfg->addr[end][i].family != TW_ADDR_NONE)
			tw_out_addr(out, NULL, &cfg->addr[end][i]);
	tw_out_arr_end(out);
	put_imp(out, tw_simdev_imp(sim, end));
	put_ctr(out, tw_simdev_ctr(sim, end));
	put_clock(out, "reference", tw_simdev_ref(sim, end), wire_ns);
	put_clock(out, "nic", tw_simdev_nic_clock(sim, end), wire_ns);
	tw_out_obj_end(out);
}

static void
put_gaps(struct tw_app *app, struct tw_out *out, const char *name, const struct tw_gaps *g)
{
	tw_out_obj(out, name);
	tw_out_u64(out, "gaps", atomic_load(&g->cnt), NULL);
	tw_out_ns(out, "gaps_ns", tw_simwire_tsc_ns(app, atomic_load(&g->lost_tsc)));
	tw_out_obj_end(out);
}

static int64_t
wire_now(const struct tw_app *app)
{
	return tw_simdev_wire_ns(tw_simdev_wire(tw_simwire_sim(app)), rte_rdtsc());
}

static void
put_all(struct tw_app *app, struct tw_out *out)
{
	const struct tw_netsim_log *log = tw_simdev_log(tw_simwire_sim(app));
	const int64_t now_ns = wire_now(app);

	tw_out_ns(out, "wire_time_ns", now_ns);
	tw_out_arr(out, "ends");
	for (unsigned i = 0; i < TW_SIMDEV_ENDS; i++)
		put_end(app, out, i, now_ns);
	tw_out_arr_end(out);
	tw_out_obj(out, "log");
	tw_out_u64(out, "packets", tw_netsim_log_cnt(log), "packets");
	tw_out_u64(out, "room", log->size, "packets");
	tw_out_u64(out, "missed", atomic_load(&log->missed), "packets");
	tw_out_obj_end(out);
	put_gaps(app, out, "wire_lcore", tw_simwire_gaps(app));
	tw_out_arr(out, "data_lcores");
	for (unsigned i = 0; i < app->data_lcore_cnt; i++)
		put_gaps(app, out, NULL, tw_simwire_data_gaps(app, i));
	tw_out_arr_end(out);
}

static int
op_show(struct tw_app *app, const struct tw_args *args, struct tw_out *out)
{
	(void)args;
	if (tw_simwire_sim(app) == NULL)
		return no_wire(out);
	put_all(app, out);
	return 0;
}

/* Make and take away ------------------------------------------------------------ */

static int
addrs_fill(const struct tw_args *args, struct tw_out *out, struct tw_simwire_cfg *cfg)
{
	static const char *const keys[] = {"addr0", "addr1"};
	const struct tw_conf_value *v;
	size_t cnt;

	if (!tw_args_has(args, "addr0") && !tw_args_has(args, "addr1") &&
		cfg->attach == TW_PORT_SHARED)
		return 0;
	memset(cfg->addr, 0, sizeof(cfg->addr));
	for (unsigned end = 0; end < TW_SIMDEV_ENDS; end++) {
		if (!tw_args_has(args, keys[end]))
			continue;
		v = tw_args_list(args, keys[end], &cnt);
		if (cnt > TW_SIMWIRE_ADDRS_MAX)
			return tw_out_fail(out, -EINVAL, keys[end], NULL, "more than %d addresses",
				TW_SIMWIRE_ADDRS_MAX);
		for (size_t i = 0; i < cnt; i++)
			cfg->addr[end][i] = v[i].addr;
	}
	return 0;
}

static void
nic_fill(const struct tw_args *args, const char *key, struct tw_simdev_nic *nic)
{
	const struct tw_conf_value *v;
	size_t cnt = 0;

	nic->hz = tw_args_u64(args, "nic_hz");
	nic->clock.drift_ppb = (int32_t)tw_args_i64(args, "nic_drift_ppb");
	nic->clock.wander_ppb = (uint32_t)tw_args_u64(args, "nic_wander_ppb");
	if (!tw_args_has(args, key))
		return;
	v = tw_args_list(args, key, &cnt);
	for (size_t i = 0; i < cnt; i++) {
		nic->has_rx_stamp |= v[i].choice == 0 || v[i].choice == 3;
		nic->is_rx_wrong |= v[i].choice == 3;
		nic->is_sched_wrong |= v[i].choice == 4;
		nic->has_timesync |= v[i].choice == 1;
		nic->has_sched |= v[i].choice == 2 || v[i].choice == 4;
	}
}

static void
ref_fill(const struct tw_args *args, struct tw_netsim_clock_cfg ref[TW_SIMDEV_ENDS])
{
	static const char *const offsets[] = {"offset0_ns", "offset1_ns"};
	static const char *const drifts[] = {"drift0_ppb", "drift1_ppb"};

	for (unsigned i = 0; i < TW_SIMDEV_ENDS; i++)
		ref[i] = (struct tw_netsim_clock_cfg){.offset_ns = tw_args_i64(args, offsets[i]),
			.drift_ppb = (int32_t)tw_args_i64(args, drifts[i]),
			.wander_ppb = (uint32_t)tw_args_u64(args, "wander_ppb"),
			.is_synced = tw_args_bool(args, "sync"),
			.max_error_ns = (uint32_t)tw_args_ns(args, "max_error_ns")};
}

static int
cfg_fill(const struct tw_args *args, struct tw_out *out, struct tw_simwire_cfg *cfg)
{
	static const char *const ports[] = {"port0", "port1"}, *const nics[] = {"nic0", "nic1"};

	tw_simwire_defaults(cfg);
	cfg->attach = (enum tw_port_attach)(TW_PORT_OWNED + tw_args_enum(args, "attach"));
	if (tw_args_has(args, "cpu"))
		cfg->cpu = (int)tw_args_u64(args, "cpu");
	cfg->log_cnt = (uint32_t)tw_args_u64(args, "log");
	cfg->impairs_all = tw_args_bool(args, "impair_all");
	cfg->has_refs = tw_args_bool(args, "clocks");
	cfg->seed = tw_args_u64(args, "seed");
	ref_fill(args, cfg->ref);
	for (unsigned i = 0; i < TW_SIMDEV_ENDS; i++) {
		snprintf(cfg->port[i], sizeof(cfg->port[i]), "%s", tw_args_str(args, ports[i]));
		nic_fill(args, nics[i], &cfg->nic[i]);
	}
	return addrs_fill(args, out, cfg);
}

static int
op_add(struct tw_app *app, const struct tw_args *args, struct tw_out *out)
{
	char err[TW_PORT_ERR_SIZE] = "";
	struct tw_simwire_cfg cfg;
	int ret;

	if (cfg_fill(args, out, &cfg) != 0)
		return tw_out_error(out)->res;
	ret = tw_simwire_add(app, &cfg, err);
	if (ret != 0)
		return tw_out_fail(out, ret, NULL, NULL, "%s", err);
	put_all(app, out);
	return 0;
}

static int
op_remove(struct tw_app *app, const struct tw_args *args, struct tw_out *out)
{
	(void)args;
	switch (tw_simwire_remove(app)) {
	case 0:
		return 0;
	case -EBUSY:
		return tw_out_fail(out, -EBUSY, NULL, "stop them first (show session, show test)",
			"the wire carries sessions");
	default:
		return no_wire(out);
	}
}

/* Impairments ------------------------------------------------------------ */

static int
trace_read(const char *path, struct tw_out *out, struct tw_netsim_imp *imp, int64_t **trace)
{
	FILE *f = fopen(path, "re");
	char line[64], *end;
	uint32_t cnt = 0;
	int64_t *v;

	if (f == NULL)
		return tw_out_fail(out, -errno, "trace_file", NULL, "cannot read %s: %s", path,
			strerror(errno));
	v = malloc(TW_NETSIM_TRACE_MAX * sizeof(*v));
	while (v != NULL && cnt < TW_NETSIM_TRACE_MAX && fgets(line, sizeof(line), f) != NULL) {
		if (line[0] == '#' || line[0] == '\n')
			continue;
		v[cnt] = strtoll(line, &end, 10);
		if (end == line || (*end != '\n' && *end != '\0') ||
			v[cnt] > TW_NETSIM_DELAY_MAX_NS)
			break;
		cnt++;
	}
	end = feof(f) ? NULL : line;
	fclose(f);
	if (v == NULL || end != NULL || cnt == 0) {
		free(v);
		return tw_out_fail(out, v == NULL ? -ENOMEM : -EINVAL, "trace_file",
			"one delay in ns a line, at most 10 s; negative: lost",
			"line %u of %s is no delay, or there are too many", cnt + 1, path);
	}
	*trace = v;
	imp->trace = v;
	imp->trace_cnt = cnt;
	imp->jitter = TW_NETSIM_JITTER_TRACE;
	return 0;
}

static void
u32_take(const struct tw_args *args, const char *key, uint32_t *out)
{
	if (tw_args_has(args, key))
		*out = (uint32_t)tw_args_u64(args, key);
}

static void
u64_take(const struct tw_args *args, const char *key, uint64_t *out)
{
	if (tw_args_has(args, key))
		*out = tw_args_u64(args, key);
}

static void
ns_take(const struct tw_args *args, const char *key, int64_t *out)
{
	if (tw_args_has(args, key))
		*out = tw_args_ns(args, key);
}

static void
imp_take(const struct tw_args *args, struct tw_netsim_imp *imp)
{
	ns_take(args, "delay_ns", &imp->delay_ns);
	ns_take(args, "jitter_ns", &imp->jitter_ns);
	ns_take(args, "dup_ns", &imp->dup_ns);
	ns_take(args, "reorder_ns", &imp->reorder_ns);
	u32_take(args, "shape_milli", &imp->shape_milli);
	u32_take(args, "loss_ppm", &imp->loss_ppm);
	u32_take(args, "loss_every", &imp->loss_every);
	u32_take(args, "burst_begin_ppm", &imp->burst_begin_ppm);
	u32_take(args, "burst_end_ppm", &imp->burst_end_ppm);
	u32_take(args, "burst_loss_ppm", &imp->burst_loss_ppm);
	u32_take(args, "dup_ppm", &imp->dup_ppm);
	u32_take(args, "reorder_ppm", &imp->reorder_ppm);
	u32_take(args, "corrupt_ppm", &imp->corrupt_ppm);
	u32_take(args, "queue_octets", &imp->queue_octets);
	u64_take(args, "rate_bps", &imp->rate_bps);
	u64_take(args, "seed", &imp->seed);
	if (tw_args_has(args, "jitter"))
		imp->jitter = (uint8_t)tw_args_enum(args, "jitter");
	if (tw_args_has(args, "overtake"))
		imp->may_overtake = tw_args_bool(args, "overtake");
}

static int
op_impair(struct tw_app *app, const struct tw_args *args, struct tw_out *out)
{
	const unsigned end = (unsigned)tw_args_u64(args, "end");
	struct tw_simdev *sim = tw_simwire_sim(app);
	struct tw_netsim_imp imp;
	const char *why = NULL;
	int64_t *trace = NULL;
	int ret;

	if (sim == NULL)
		return no_wire(out);
	imp = *tw_simdev_imp(sim, end);
	imp_take(args, &imp);
	if (tw_args_has(args, "trace_file") &&
		trace_read(tw_args_str(args, "trace_file"), out, &imp, &trace) != 0)
		return tw_out_error(out)->res;
	ret = tw_simdev_impair(sim, end, &imp, tw_args_is_given(args, "seed"), &why);
	free(trace);
	if (ret != 0)
		return tw_out_fail(out, ret, why, NULL, "%s",
			why != NULL      ? "out of range, or it lacks what goes with it"
			: ret == -EAGAIN ? "too many changes at once: try again"
					 : "no memory, or too many traces");
	put_imp(out, tw_simdev_imp(sim, end));
	return 0;
}

/* Clocks ------------------------------------------------------------ */

static int
clock_change(const struct tw_args *args, struct tw_netsim_clock *c, int64_t at_ns)
{
	const struct tw_netsim_clock_part *p = tw_netsim_clock_part_at(c, at_ns);
	int32_t drift_ppb = p->drift_ppb;
	uint32_t wander_ppb = p->wander_ppb;
	uint32_t max_error_ns = p->max_error_ns;
	bool is_synced = p->is_synced;
	int ret = 0;

	u32_take(args, "wander_ppb", &wander_ppb);
	if (tw_args_has(args, "drift_ppb"))
		drift_ppb = (int32_t)tw_args_i64(args, "drift_ppb");
	if (tw_args_has(args, "sync"))
		is_synced = tw_args_bool(args, "sync");
	if (tw_args_has(args, "max_error_ns"))
		max_error_ns = (uint32_t)tw_args_ns(args, "max_error_ns");
	if (tw_args_has(args, "drift_ppb") || tw_args_has(args, "wander_ppb"))
		ret = tw_netsim_clock_rate(c, at_ns, drift_ppb, wander_ppb);
	if (ret == 0 && (tw_args_has(args, "sync") || tw_args_has(args, "max_error_ns")))
		ret = tw_netsim_clock_sync(c, at_ns, is_synced, max_error_ns);
	if (ret == 0 && tw_args_has(args, "step_ns"))
		ret = tw_netsim_clock_step(c, at_ns, tw_args_i64(args, "step_ns"));
	if (ret == 0 && tw_args_has(args, "slew_ns"))
		ret = tw_netsim_clock_slew(
			c, at_ns, tw_args_i64(args, "slew_ns"), tw_args_ns(args, "over_ns"));
	return ret;
}

static int
op_clock(struct tw_app *app, const struct tw_args *args, struct tw_out *out)
{
	const unsigned end = (unsigned)tw_args_u64(args, "end");
	struct tw_simdev *sim = tw_simwire_sim(app);
	struct tw_netsim_clock *c;
	int64_t at_ns;

	if (sim == NULL)
		return no_wire(out);
	c = tw_args_enum(args, "which") == 0 ? tw_simdev_ref(sim, end)
					     : tw_simdev_nic_clock(sim, end);
	at_ns = wire_now(app) + tw_args_ns(args, "after_ns");
	switch (clock_change(args, c, at_ns)) {
	case 0:
		break;
	case -EINVAL:
		return tw_out_fail(out, -EINVAL, "after_ns", "write the script in order of time",
			"there are changes after that moment already");
	case -ERANGE:
		return tw_out_fail(out, -EINVAL, NULL, "drift, wander and slew: 1000 ppm in all",
			"no clock runs so fast or so slow");
	default:
		return tw_out_fail(out, -ENOSPC, NULL, NULL, "the script is full");
	}
	tw_out_ns(out, "at_wire_time_ns", at_ns);
	put_clock(out, "clock", c, at_ns);
	return 0;
}

/* Truth ------------------------------------------------------------ */

static int
op_dump(struct tw_app *app, const struct tw_args *args, struct tw_out *out)
{
	char err[256] = "";
	int ret;

	if (tw_simwire_sim(app) == NULL)
		return no_wire(out);
	ret = tw_simwire_dump(
		app, tw_args_str(args, "file"), tw_args_str(args, "gaps_file"), err, sizeof(err));
	if (ret != 0)
		return tw_out_fail(out, ret, "file", NULL, "%s", err);
	tw_simwire_dump_answer(app, tw_op_defer(out));
	return TW_OP_DEFERRED;
}

static int
op_clear(struct tw_app *app, const struct tw_args *args, struct tw_out *out)
{
	(void)args;
	if (tw_simwire_sim(app) == NULL)
		return no_wire(out);
	if (tw_simwire_clear(app, out) != 0)
		return tw_out_fail(out, -EAGAIN, NULL, NULL, "too many changes at once: try again");
	return TW_OP_DEFERRED;
}

static int
op_spin(struct tw_app *app, const struct tw_args *args, struct tw_out *out)
{
	if (tw_simwire_sim(app) == NULL)
		return no_wire(out);
	if (tw_simwire_is_spinning(app))
		return tw_out_fail(out, -EBUSY, NULL, NULL, "they spin already");
	tw_simwire_spin(app, tw_args_ns(args, "duration_ns"), tw_op_defer(out));
	return TW_OP_DEFERRED;
}

#define TW_FEATURE        netsim
#define TW_FEATURE_DEF    "netsim/netsim.def"
#define TW_FEATURE_CONFIG tw_simwire_lines
#include "../feature.h"
