/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Making the wire and its ends; changing them while they run.
 */
#include <errno.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_dev.h>
#include <rte_errno.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_malloc.h>
#include <rte_mbuf_dyn.h>

#include "simdev_i.h"

#define RING_CNT     4095
#define FLIGHT_CNT   65536
#define LOG_CNT      1048576
#define NAME_MAX_LEN 15

/* Inside the transmit burst: no more than the ring takes, each stamped. Context: data lcore. */
static uint16_t
on_tx(uint16_t eth_id, uint16_t queue, struct rte_mbuf *pkts[], uint16_t n, void *arg)
{
	const struct tw_simdev_end *e = arg;
	/* first of all: to see what room there is waits for a cache line of the wire's */
	const uint64_t tsc = rte_rdtsc();
	const unsigned room = rte_ring_free_count(e->out);

	(void)eth_id;
	(void)queue;
	if (n > room)
		n = (uint16_t)room;
	for (uint16_t i = 0; i < n; i++)
		*depart_of(e->sim, pkts[i]) = tsc;
	return n;
}

int
end_opened(struct tw_port *port)
{
	struct tw_simdev_end *e = port->cfg.nic_arg;

	e->eth_id = port->eth_id;
	memcpy(port->mac, e->mac, sizeof(port->mac));
	e->tx_cb = rte_eth_add_tx_callback(port->eth_id, 0, on_tx, e);
	return e->tx_cb != NULL ? 0 : -rte_errno;
}

/* A callback outlives its device: the next one with this number would call it. */
void
end_closing(struct tw_port *port)
{
	struct tw_simdev_end *e = port->cfg.nic_arg;

	if (e->tx_cb == NULL)
		return;
	(void)rte_eth_remove_tx_callback(port->eth_id, 0, e->tx_cb);
	rte_free((void *)(uintptr_t)e->tx_cb);
	e->tx_cb = NULL;
}

static int
fields_register(struct tw_simdev *sim)
{
	const struct rte_mbuf_dynfield mark = {
		.name = "tw_simdev_mark", .size = sizeof(uint32_t), .align = alignof(uint32_t)};
	const struct rte_mbuf_dynfield depart = {
		.name = "tw_simdev_depart", .size = sizeof(uint64_t), .align = alignof(uint64_t)};
	int sched_off; /* DPDK has one field for both */

	sim->depart_off = rte_mbuf_dynfield_register(&depart);
	sim->mark_off = rte_mbuf_dynfield_register(&mark);
	if (sim->mark_off < 0 || sim->depart_off < 0 ||
		rte_mbuf_dyn_rx_timestamp_register(&sim->stamp_off, &sim->stamp_flag) != 0 ||
		rte_mbuf_dyn_tx_timestamp_register(&sched_off, &sim->sched_flag) != 0)
		return rte_errno != 0 ? -rte_errno : -ENOSPC;
	return 0;
}

static struct rte_ring *
ring_new(const char *name, unsigned end, const char *kind, uint32_t cnt)
{
	char full[RTE_RING_NAMESIZE];

	snprintf(full, sizeof(full), "%s%u%s", name, end, kind);
	return rte_ring_create(
		full, rte_align32pow2(cnt + 1), SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
}

static struct tw_netsim_clock *
clock_new(const struct tw_netsim_clock_cfg *cfg)
{
	struct tw_netsim_clock *c = calloc(1, sizeof(*c));

	if (c != NULL)
		tw_netsim_clock_init(c, cfg);
	return c;
}

static int
end_make(struct tw_simdev_end *e, const struct tw_simdev_cfg *cfg)
{
	const uint32_t cnt = cfg->ring_cnt != 0 ? cfg->ring_cnt : RING_CNT;
	char name[NAME_MAX_LEN + 2];
	int res;

	e->nic = cfg->nic[e->idx];
	if (e->nic.hz == 0)
		e->nic.hz = TW_CLOCK_NS_PER_S;
	nic_ops_make(e);
	e->imp = cfg->imp[e->idx];
	tw_netsim_dir_init(&e->dir, &e->imp);
	e->nic_clock = clock_new(&e->nic.clock);
	e->ref = clock_new(&cfg->ref[e->idx]);
	e->out = ring_new(cfg->name, e->idx, "out", cnt);
	e->in = ring_new(cfg->name, e->idx, "in", cnt);
	if (e->nic_clock == NULL || e->ref == NULL || e->out == NULL || e->in == NULL)
		return rte_errno == EEXIST ? -EEXIST : -ENOMEM;
	snprintf(name, sizeof(name), "%s%u", cfg->name, e->idx);
	res = rte_eth_from_rings(name, &e->in, 1, &e->out, 1, 0);
	if (res < 0)
		return rte_errno != 0 ? -rte_errno : -ENODEV;
	snprintf(e->dev, sizeof(e->dev), "net_ring_%s", name);
	return 0;
}

static int
make(struct tw_simdev *sim, const struct tw_simdev_cfg *cfg)
{
	const uint32_t flights = cfg->flight_cnt != 0 ? cfg->flight_cnt : FLIGHT_CNT;
	const uint32_t records = cfg->log_cnt != 0 ? cfg->log_cnt : LOG_CNT;
	char name[NAME_MAX_LEN + 8];
	int res;

	res = fields_register(sim);
	for (unsigned i = 0; i < TW_SIMDEV_ENDS && res == 0; i++)
		res = end_make(&sim->end[i], cfg);
	if (res != 0)
		return res;
	snprintf(name, sizeof(name), "%scmd", cfg->name);
	res = tw_xcore_ring_new(name, sizeof(struct cmd), CMD_CNT, &sim->cmd);
	if (res != 0)
		return res;
	snprintf(name, sizeof(name), "%scopy", cfg->name);
	sim->copies = rte_pktmbuf_pool_create(
		name, COPY_CNT, 0, 0, RTE_PKTMBUF_HEADROOM + COPY_ROOM, SOCKET_ID_ANY);
	sim->items = calloc(flights, sizeof(*sim->items));
	sim->log = malloc(tw_netsim_log_size(records));
	if (sim->copies == NULL || sim->items == NULL || sim->log == NULL)
		return -ENOMEM;
	memset(sim->items, 0, flights * sizeof(*sim->items));
	tw_netsim_heap_init(&sim->heap, sim->items, flights);
	tw_netsim_log_init(sim->log, records);
	return 0;
}

/* Wire time: 0 now, at the rate the counter was found to run. */
static struct tw_clock
wire_make(const struct tw_clock *model)
{
	return (struct tw_clock){.tsc0 = rte_rdtsc(),
		.rate = model->rate,
		.ticks_per_ns = model->ticks_per_ns,
		.tsc_hz = model->tsc_hz,
		.epoch = 1};
}

int
tw_simdev_new(const struct tw_simdev_cfg *cfg, char *err, size_t size, struct tw_simdev **out)
{
	struct tw_simdev *sim;
	const char *why;
	int res;

	if (strlen(cfg->name) > NAME_MAX_LEN || cfg->model.rate == 0) {
		snprintf(err, size, "wire '%s': name too long, or no clock", cfg->name);
		return -EINVAL;
	}
	for (unsigned i = 0; i < TW_SIMDEV_ENDS; i++) {
		why = tw_netsim_imp_check(&cfg->imp[i]);
		if (why != NULL) {
			snprintf(err, size, "wire '%s': %s is out of range", cfg->name, why);
			return -EINVAL;
		}
	}
	sim = aligned_alloc(RTE_CACHE_LINE_SIZE, sizeof(*sim));
	if (sim == NULL)
		return -ENOMEM;
	memset(sim, 0, sizeof(*sim));
	sim->impairs_all = cfg->impairs_all;
	sim->wire = wire_make(&cfg->model);
	for (unsigned i = 0; i < TW_SIMDEV_ENDS; i++) {
		sim->end[i].sim = sim;
		sim->end[i].idx = i;
		memcpy(sim->end[i].mac, (const uint8_t[]){2, 0, 0, 'T', 'W', (uint8_t)i}, 6);
	}
	res = make(sim, cfg);
	if (res != 0) {
		snprintf(err, size, "wire '%s' cannot be made: %s", cfg->name, rte_strerror(-res));
		tw_simdev_free(sim);
		return res;
	}
	*out = sim;
	return 0;
}

static void
ring_drain(struct rte_ring *r)
{
	void *m;

	while (r != NULL && rte_ring_sc_dequeue(r, &m) == 0)
		rte_pktmbuf_free(m);
}

void
tw_simdev_drain(struct tw_simdev *sim)
{
	struct tw_netsim_item it;

	for (unsigned i = 0; i < TW_SIMDEV_ENDS; i++) {
		ring_drain(sim->end[i].out);
		ring_drain(sim->end[i].in);
	}
	while (tw_netsim_heap_pop(&sim->heap, INT64_MAX, &it))
		rte_pktmbuf_free(it.ref);
}

void
tw_simdev_free(struct tw_simdev *sim)
{
	if (sim == NULL)
		return;
	tw_simdev_drain(sim);
	for (unsigned i = 0; i < TW_SIMDEV_ENDS; i++) {
		struct tw_simdev_end *e = &sim->end[i];

		if (e->dev[0] != '\0')
			(void)rte_eal_hotplug_remove("vdev", e->dev);
		rte_ring_free(e->in);
		rte_ring_free(e->out);
		free(e->nic_clock);
		free(e->ref);
		for (unsigned k = 0; k < e->trace_cnt; k++)
			free(e->trace[k]);
	}
	tw_xcore_ring_free(sim->cmd);
	rte_mempool_free(sim->copies);
	free(sim->items);
	free(sim->log);
	free(sim);
}

const char *
tw_simdev_dev(const struct tw_simdev *sim, unsigned end)
{
	return sim->end[end].dev;
}

struct tw_simdev_end *
tw_simdev_end(struct tw_simdev *sim, unsigned end)
{
	return &sim->end[end];
}

const uint8_t *
tw_simdev_mac(const struct tw_simdev *sim, unsigned end)
{
	return sim->end[end].mac;
}

const struct tw_port_nic *
tw_simdev_nic(const struct tw_simdev *sim, unsigned end)
{
	return &sim->end[end].ops;
}

/* The wire lcore may read an old trace for a while yet: they are kept until the end. */
static int
trace_copy(struct tw_simdev_end *e, struct tw_netsim_imp *imp)
{
	const size_t size = imp->trace_cnt * sizeof(*imp->trace);
	int64_t *copy;

	if (imp->jitter != TW_NETSIM_JITTER_TRACE || imp->trace == e->imp.trace)
		return 0;
	if (e->trace_cnt == TRACES_MAX)
		return -ENOMEM;
	copy = malloc(size);
	if (copy == NULL)
		return -ENOMEM;
	memcpy(copy, imp->trace, size);
	e->trace[e->trace_cnt++] = copy;
	imp->trace = copy;
	return 0;
}

static bool
tell(struct tw_simdev *sim, const struct cmd *cmd)
{
	if (!tw_xcore_ring_try_push(sim->cmd, cmd))
		return false;
	sim->cmds_told++;
	return true;
}

int
tw_simdev_impair(struct tw_simdev *sim, unsigned end, const struct tw_netsim_imp *imp,
	bool restarts, const char **why)
{
	struct cmd cmd = {.end = end, .restarts = restarts, .imp = *imp};
	int res;

	*why = tw_netsim_imp_check(imp);
	if (*why != NULL)
		return -EINVAL;
	res = trace_copy(&sim->end[end], &cmd.imp);
	if (res != 0)
		return res;
	if (!tell(sim, &cmd))
		return -EAGAIN;
	sim->end[end].imp = cmd.imp;
	return 0;
}

const struct tw_netsim_imp *
tw_simdev_imp(const struct tw_simdev *sim, unsigned end)
{
	return &sim->end[end].imp;
}

bool
tw_simdev_is_settled(const struct tw_simdev *sim)
{
	return atomic_load_explicit(&sim->cmds_done, memory_order_acquire) == sim->cmds_told;
}

int
tw_simdev_log_restart(struct tw_simdev *sim)
{
	const struct cmd cmd = {.end = TW_SIMDEV_ENDS};

	return tell(sim, &cmd) ? 0 : -EAGAIN;
}

const struct tw_netsim_log *
tw_simdev_log(const struct tw_simdev *sim)
{
	return sim->log;
}

struct tw_netsim_clock *
tw_simdev_ref(struct tw_simdev *sim, unsigned end)
{
	return sim->end[end].ref;
}

struct tw_netsim_clock *
tw_simdev_nic_clock(struct tw_simdev *sim, unsigned end)
{
	return sim->end[end].nic_clock;
}

void
tw_simdev_ref_read(const struct tw_simdev_end *e, struct tw_clock_reading *out)
{
	/* both at one moment, as a cross time stamp is (PCIe PTM) */
	out->tsc_before = out->tsc_after = rte_rdtsc();
	out->ref.ns = tw_netsim_clock_at(e->ref, tw_simdev_wire_ns(&e->sim->wire, out->tsc_before));
}

void
tw_simdev_ref_sync(const struct tw_simdev_end *e, struct tw_clock_sync *out)
{
	const struct tw_netsim_clock_part *p =
		tw_netsim_clock_part_at(e->ref, tw_simdev_wire_ns(&e->sim->wire, rte_rdtsc()));

	out->is_synced = p->is_synced;
	out->max_error_ns = p->max_error_ns;
}

const struct tw_clock *
tw_simdev_wire(const struct tw_simdev *sim)
{
	return &sim->wire;
}

const struct tw_simdev_ctr *
tw_simdev_ctr(const struct tw_simdev *sim, unsigned end)
{
	return &sim->end[end].ctr;
}
