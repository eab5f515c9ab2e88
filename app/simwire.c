/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The wire of the appliance, its lcore and its ports. The lcore is a thread registered with EAL: it
 * can come and go while the data lcores run.
 */
#include "simwire.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#include <rte_cycles.h>
#include <rte_lcore.h>

#include "clocks.h"
#include "log.h"
#include "ops.h"
#include "ports.h"
#include "privs.h"
#include "simwire_i.h"
#include "tw_dp.h"

#define WATCH_NS     INT64_C(5000000)
#define IDLE_TURNS   16U
#define GAPS_NS      INT64_C(10000000)
#define GAPS_A_TIME  32U
#define DRAIN_POLLS  64
#define LOG_CNT      1048576
#define DESC_CNT     4096
#define MAX_ERROR_NS 1000

void
tw_simwire_defaults(struct tw_simwire_cfg *cfg)
{
	*cfg = (struct tw_simwire_cfg){.port = {"sim0", "sim1"},
		.attach = TW_PORT_SHARED,
		.cpu = -1,
		.log_cnt = LOG_CNT,
		.has_refs = true,
		.seed = 1,
		.ref = {{.is_synced = true, .max_error_ns = MAX_ERROR_NS},
			{.is_synced = true, .max_error_ns = MAX_ERROR_NS}}};
	(void)tw_addr_parse("127.0.2.1", &cfg->addr[0][0]);
	(void)tw_addr_parse("127.0.2.2", &cfg->addr[1][0]);
}

/* The wire's lcore ------------------------------------------------------------ */

static void *
wire_main(void *arg)
{
	struct tw_simwire *w = arg;
	unsigned idle_turns = 0, n;

	tw_log_forbid();
	prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
	(void)rte_thread_register(); /* without it buffers have no cache: slower */
	tw_privs_drop_thread();
	w->gaps->last_tsc = rte_rdtsc();
	while (!atomic_load_explicit(&w->stop, memory_order_relaxed)) {
		n = tw_simdev_turn(w->sim);
		if (n > 0)
			idle_turns = 0;
		else if (++idle_turns == IDLE_TURNS) {
			idle_turns = 0;
			/* control, which shares its CPU, is let in by the kernel in time */
			if (atomic_load_explicit(&w->app->idle, memory_order_relaxed) !=
				TW_IDLE_POLL)
				sched_yield();
			if (tw_spinner_is_asked(&w->spinner)) {
				tw_spinner_run(&w->spinner, w->gaps->limit_tsc);
				w->gaps->last_tsc = rte_rdtsc();
			}
		}
		tw_gaps_turn(w->gaps, rte_rdtsc(), n);
	}
	rte_thread_unregister();
	return NULL;
}

static int
cpus_of(const struct tw_simwire *w, rte_cpuset_t *set)
{
	*set = rte_lcore_cpuset(w->app->ctl_lcore);
	if (w->cfg.cpu < 0)
		return 0;
	CPU_ZERO(set);
	CPU_SET((unsigned)w->cfg.cpu, set);
	return 0;
}

static int
wire_start(struct tw_simwire *w)
{
	sigset_t all, old;
	rte_cpuset_t set;
	int ret;

	(void)cpus_of(w, &set);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	ret = pthread_create(&w->thread, NULL, wire_main, w);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	if (ret != 0)
		return -ret;
	w->is_running = true;
	pthread_setname_np(w->thread, "twamp-wire");
	ret = pthread_setaffinity_np(w->thread, sizeof(set), &set);
	return -ret;
}

static void
wire_stop(struct tw_simwire *w)
{
	if (!w->is_running)
		return;
	atomic_store_explicit(&w->stop, true, memory_order_relaxed);
	pthread_join(w->thread, NULL);
	w->is_running = false;
}

/* Making ------------------------------------------------------------ */

static int
sim_make(struct tw_simwire *w, char *err)
{
	struct tw_app *app = w->app;
	struct tw_simdev_cfg cfg = {.name = "sim",
		.model = *tw_clock_feed_model(tw_clocks_get(app->clocks, TW_CLOCKS_SYSTEM)->feed),
		.log_cnt = w->cfg.log_cnt,
		.impairs_all = w->cfg.impairs_all};
	const int64_t now_ns = tw_clocks_now(app->clocks).ns;
	unsigned i;

	for (i = 0; i < TW_SIMDEV_ENDS; i++) {
		cfg.nic[i] = w->cfg.nic[i];
		cfg.ref[i] = w->cfg.ref[i];
		cfg.ref[i].origin_ns = now_ns;
		cfg.ref[i].seed = w->cfg.seed + i;
		cfg.nic[i].clock.seed = w->cfg.seed + TW_SIMDEV_ENDS + i;
		cfg.imp[i].seed = w->cfg.seed + 2 * TW_SIMDEV_ENDS + i;
	}
	w->gaps = tw_gaps_new(cfg.model.tsc_hz);
	if (w->gaps == NULL)
		return -ENOMEM;
	for (i = 0; i < app->data_lcore_cnt; i++) {
		w->data_gaps[i] = tw_gaps_new(cfg.model.tsc_hz);
		if (w->data_gaps[i] == NULL)
			return -ENOMEM;
	}
	return tw_simdev_new(&cfg, err, TW_PORT_ERR_SIZE, &w->sim);
}

static int
ref_read(void *arg, struct tw_clock_reading *out)
{
	tw_simdev_ref_read(arg, out);
	return 0;
}

static void
ref_sync(void *arg, struct tw_clock_sync *out)
{
	tw_simdev_ref_sync(arg, out);
}

/* Clocks are named as the ports they belong to. */
static int
clock_make(struct tw_simwire *w, unsigned end, char *err)
{
	const struct tw_clock_ref ref = {.kind = "simulated",
		.read = ref_read,
		.sync = ref_sync,
		.arg = tw_simdev_end(w->sim, end)};
	struct tw_clocks_entry *e;
	int ret;

	if (!w->cfg.has_refs)
		return 0;
	ret = tw_clocks_add(w->app->clocks, w->cfg.port[end], &ref, &e, err, TW_PORT_ERR_SIZE);
	w->has_clock[end] = ret == 0;
	return ret;
}

static int
port_make(struct tw_simwire *w, unsigned end, char *err)
{
	struct tw_port_cfg cfg = {.attach = w->cfg.attach,
		.queue_cnt = 1,
		.desc_cnt = DESC_CNT,
		.nic = tw_simdev_nic(w->sim, end),
		.nic_arg = tw_simdev_end(w->sim, end)};
	int ret;

	snprintf(cfg.name, sizeof(cfg.name), "%s", w->cfg.port[end]);
	snprintf(cfg.profile, sizeof(cfg.profile), "ring");
	snprintf(cfg.dev, sizeof(cfg.dev), "%s", tw_simdev_dev(w->sim, end));
	if (w->cfg.has_refs)
		snprintf(cfg.clock, sizeof(cfg.clock), "%s", w->cfg.port[end]);
	ret = tw_ports_add(w->app->ports, &cfg, err);
	if (ret != 0)
		return ret;
	w->port_idx[end] = tw_ports_find(w->app->ports, cfg.name)->port->idx;
	w->mtu = tw_ports_find(w->app->ports, cfg.name)->port->mtu;
	return 0;
}

/* Take over what gaps a data lcore found of late; @p keeps: earlier ones are of no interest. */
static void
data_gaps_take(struct tw_simwire *w, unsigned lcore, bool keeps)
{
	const struct tw_clock *wire = tw_simdev_wire(w->sim);
	struct tw_dp_gap gap[GAPS_A_TIME];
	unsigned n;

	do {
		n = tw_dp_gaps_get(w->app->dp, lcore, &w->data_next[lcore], gap, GAPS_A_TIME);
		for (unsigned i = 0; i < n && keeps; i++)
			tw_gaps_note(w->data_gaps[lcore], gap[i].begin_tsc, gap[i].end_tsc,
				(uint64_t)tw_clock_ns_to_tsc(wire, (int64_t)gap[i].len_ns));
	} while (n == GAPS_A_TIME);
}

static void
on_gap_timer(void *arg, int64_t now_ns)
{
	struct tw_simwire *w = arg;

	for (unsigned i = 0; i < w->app->data_lcore_cnt; i++)
		data_gaps_take(w, i, true);
	tw_loop_timer_set(&w->app->loop, &w->gap_timer, now_ns + GAPS_NS, on_gap_timer, w);
}

static void
wire_free(struct tw_simwire *w)
{
	tw_loop_timer_del(&w->app->loop, &w->timer);
	simwire_dump_end(w);
	if (w->spin_call != NULL) {
		tw_out_fail(tw_op_out(w->spin_call), -ECANCELED, NULL, NULL, "the wire is gone");
		tw_op_complete(w->spin_call, -ECANCELED);
	}
	while (w->clear_cnt > 0)
		tw_op_complete(w->clear_call[--w->clear_cnt], 0);
	tw_loop_timer_del(&w->app->loop, &w->gap_timer);
	wire_stop(w);
	for (unsigned i = 0; i < TW_SIMDEV_ENDS; i++)
		if (w->has_clock[i])
			(void)tw_clocks_del(w->app->clocks, w->cfg.port[i]);
	tw_simdev_free(w->sim);
	free(w->gaps);
	for (unsigned i = 0; i < w->app->data_lcore_cnt; i++)
		free(w->data_gaps[i]);
	w->app->simwire = NULL;
	free(w);
}

int
tw_simwire_add(struct tw_app *app, const struct tw_simwire_cfg *cfg, char *err)
{
	struct tw_simwire *w;
	int ret;

	if (app->simwire != NULL) {
		snprintf(err, TW_PORT_ERR_SIZE,
			"there is a simulated wire already; remove it first");
		return -EEXIST;
	}
	w = calloc(1, sizeof(*w));
	if (w == NULL)
		return -ENOMEM;
	w->app = app;
	w->cfg = *cfg;
	w->port_idx[0] = w->port_idx[1] = -1;
	app->simwire = w;
	ret = sim_make(w, err);
	if (ret == 0)
		ret = wire_start(w);
	for (unsigned i = 0; i < TW_SIMDEV_ENDS && ret == 0; i++) {
		ret = clock_make(w, i, err);
		if (ret == 0)
			ret = port_make(w, i, err);
	}
	if (ret == 0) {
		for (unsigned i = 0; i < app->data_lcore_cnt; i++)
			data_gaps_take(w, i, false);
		on_gap_timer(w, tw_loop_clock());
		tw_netlink_wire(app->netlink, tw_simwire_path, app);
		tw_netlink_refresh(app->netlink);
		tw_log(TW_LOG_PORT, TW_LOG_NOTICE, "simulated wire between ports %s and %s",
			cfg->port[0], cfg->port[1]);
		return 0;
	}
	if (err[0] == '\0')
		snprintf(err, TW_PORT_ERR_SIZE, "no simulated wire: %s", strerror(-ret));
	if (w->port_idx[0] >= 0)
		(void)tw_simwire_remove(app); /* the first port is there: the rest follows it */
	else
		wire_free(w);
	return ret;
}

/* Ending ------------------------------------------------------------ */

int
tw_simwire_remove(struct tw_app *app)
{
	struct tw_simwire *w = app->simwire;
	const struct tw_ports_entry *e;
	unsigned i;

	if (w == NULL || w->is_going)
		return -ENOENT;
	for (i = 0; i < TW_SIMDEV_ENDS; i++) {
		e = tw_ports_find(app->ports, w->cfg.port[i]);
		if (w->port_idx[i] >= 0 && e != NULL && e->users > 0)
			return -EBUSY;
	}
	w->is_going = true;
	for (i = 0; i < TW_SIMDEV_ENDS; i++)
		if (w->port_idx[i] >= 0)
			(void)tw_ports_del(app->ports, w->cfg.port[i]);
	return 0;
}

bool
tw_simwire_may_close(struct tw_app *app, const struct tw_port *port)
{
	struct tw_simwire *w = app->simwire;
	unsigned i, k;

	if (w == NULL || w->sim == NULL || port->cfg.nic_arg == NULL)
		return true;
	if (!tw_ports_are_gone(app->ports, w->port_idx, TW_SIMDEV_ENDS))
		return false;
	if (w->is_drained)
		return true;
	wire_stop(w);
	/* frames for the kernel hold buffers of either port */
	for (i = 0; i < TW_SIMDEV_ENDS; i++)
		for (k = 0; k < DRAIN_POLLS && w->port_idx[i] >= 0; k++)
			if (tw_ports_exception_poll(app->ports, w->port_idx[i]) == 0)
				break;
	tw_simdev_drain(w->sim);
	w->is_drained = true;
	return true;
}

void
tw_simwire_closed(struct tw_app *app, unsigned port_idx)
{
	struct tw_simwire *w = app->simwire;
	unsigned i, left = 0;

	if (w == NULL)
		return;
	for (i = 0; i < TW_SIMDEV_ENDS; i++) {
		if (w->port_idx[i] == (int)port_idx)
			w->port_idx[i] = -1;
		left += w->port_idx[i] >= 0;
	}
	if (left == 0 && w->is_drained)
		wire_free(w);
}

/* Asking ------------------------------------------------------------ */

struct tw_simdev *
tw_simwire_sim(const struct tw_app *app)
{
	return app->simwire != NULL && !app->simwire->is_going ? app->simwire->sim : NULL;
}

const struct tw_simwire_cfg *
tw_simwire_cfg(const struct tw_app *app)
{
	return &app->simwire->cfg;
}

static bool
is_at(const struct tw_simwire *w, unsigned end, const struct tw_addr *addr)
{
	for (unsigned i = 0; i < TW_SIMWIRE_ADDRS_MAX; i++)
		if (w->cfg.addr[end][i].family != TW_ADDR_NONE &&
			tw_addr_equal(&w->cfg.addr[end][i], addr))
			return true;
	return false;
}

bool
tw_simwire_is_ours(const struct tw_app *app, const struct tw_addr *host)
{
	const struct tw_simwire *w = app->simwire;

	return w != NULL && (is_at(w, 0, host) || is_at(w, 1, host)) &&
	       tw_netlink_is_local(app->netlink, host);
}

bool
tw_simwire_path(void *arg, const struct tw_addr *dst, const struct tw_addr *src,
	struct tw_netlink_path *out)
{
	const struct tw_app *app = arg;
	const struct tw_simwire *w = app->simwire;
	unsigned end;

	if (w == NULL || w->is_going || w->port_idx[0] < 0 || w->port_idx[1] < 0)
		return false;
	/* by the destination; on the way back to anywhere, by who is asked */
	if (is_at(w, 1, dst))
		end = 0;
	else if (is_at(w, 0, dst))
		end = 1;
	else if (src != NULL && is_at(w, 0, src))
		end = 0;
	else if (src != NULL && is_at(w, 1, src))
		end = 1;
	else
		return false;
	*out = (struct tw_netlink_path){.port_idx = (unsigned)w->port_idx[end], .mtu = w->mtu};
	memcpy(out->next_hop, tw_simdev_mac(w->sim, !end), sizeof(out->next_hop));
	snprintf(out->ifname, sizeof(out->ifname), "%.*s", (int)sizeof(out->ifname) - 1,
		w->cfg.port[end]);
	if (src != NULL && src->family != TW_ADDR_NONE)
		out->src = *src;
	else
		for (unsigned i = 0; i < TW_SIMWIRE_ADDRS_MAX && tw_addr_is_zero(&out->src); i++)
			if (w->cfg.addr[end][i].family == dst->family)
				out->src = w->cfg.addr[end][i];
	return true;
}

const struct tw_gaps *
tw_simwire_gaps(const struct tw_app *app)
{
	return app->simwire != NULL ? app->simwire->gaps : NULL;
}

const struct tw_gaps *
tw_simwire_data_gaps(const struct tw_app *app, unsigned idx)
{
	return app->simwire != NULL ? app->simwire->data_gaps[idx] : NULL;
}

int64_t
tw_simwire_tsc_ns(const struct tw_app *app, uint64_t tsc)
{
	return tw_clock_tsc_to_ns(tw_simdev_wire(app->simwire->sim), (int64_t)tsc);
}

/* Spinners ------------------------------------------------------------ */

static void
put_spinner(struct tw_simwire *w, struct tw_out *out, const char *role, unsigned idx,
	const struct tw_spinner *s)
{
	tw_out_obj(out, NULL);
	tw_out_str(out, "role", role);
	tw_out_u64(out, "idx", idx, NULL);
	tw_out_ns(out, "spun_ns", tw_simwire_tsc_ns(w->app, s->spun_tsc));
	tw_out_u64(out, "gaps", s->gap_cnt, NULL);
	tw_out_ns(out, "gaps_ns", tw_simwire_tsc_ns(w->app, s->lost_tsc));
	tw_out_pct(out, "share_pct", s->lost_tsc, s->spun_tsc);
	tw_out_obj_end(out);
}

static bool
spin_poll(struct tw_simwire *w)
{
	struct tw_out *out;
	unsigned i;

	if (w->spin_call == NULL)
		return true;
	if (tw_spinner_is_asked(&w->spinner))
		return false;
	for (i = 0; i < w->app->data_lcore_cnt; i++)
		if (tw_spinner_is_asked(&w->app->data_arg[i].spinner))
			return false;
	out = tw_op_out(w->spin_call);
	tw_out_arr(out, "spinners");
	for (i = 0; i < w->app->data_lcore_cnt; i++)
		put_spinner(w, out, "data", i, &w->app->data_arg[i].spinner);
	put_spinner(w, out, "wire", 0, &w->spinner);
	tw_out_arr_end(out);
	tw_op_complete(w->spin_call, 0);
	w->spin_call = NULL;
	return true;
}

static bool
clear_poll(struct tw_simwire *w)
{
	if (w->clear_cnt > 0 && !tw_simdev_is_settled(w->sim))
		return false;
	while (w->clear_cnt > 0)
		tw_op_complete(w->clear_call[--w->clear_cnt], 0);
	return true;
}

static void
on_watch(void *arg, int64_t now_ns)
{
	struct tw_simwire *w = arg;
	const bool is_spun = spin_poll(w), is_dumped = simwire_dump_poll(w);
	const bool is_cleared = clear_poll(w);

	if (!is_spun || !is_dumped || !is_cleared)
		tw_loop_timer_set(&w->app->loop, &w->timer, now_ns + WATCH_NS, on_watch, w);
}

void
simwire_watch(struct tw_simwire *w)
{
	tw_loop_timer_set(&w->app->loop, &w->timer, tw_loop_clock() + WATCH_NS, on_watch, w);
}

int
tw_simwire_clear(struct tw_app *app, struct tw_out *out)
{
	struct tw_simwire *w = app->simwire;

	if (w->clear_cnt == CLEARS_MAX || tw_simdev_log_restart(w->sim) != 0)
		return -EAGAIN;
	w->clear_call[w->clear_cnt++] = tw_op_defer(out);
	simwire_watch(w);
	return 0;
}

static void
spin_ask(struct tw_spinner *s, uint64_t tsc)
{
	atomic_store_explicit(&s->ask_tsc, tsc, memory_order_release);
}

bool
tw_simwire_is_spinning(const struct tw_app *app)
{
	return app->simwire->spin_call != NULL;
}

void
tw_simwire_spin(struct tw_app *app, int64_t spin_ns, struct tw_op_call *call)
{
	struct tw_simwire *w = app->simwire;
	const uint64_t tsc = (uint64_t)tw_clock_ns_to_tsc(tw_simdev_wire(w->sim), spin_ns);

	w->spin_call = call;
	spin_ask(&w->spinner, tsc);
	for (unsigned i = 0; i < app->data_lcore_cnt; i++) {
		app->data_arg[i].spin_limit_tsc = w->gaps->limit_tsc;
		spin_ask(&app->data_arg[i].spinner, tsc);
	}
	simwire_watch(w);
}
