/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The simulated wire between two real ethdevs: truth is in order with what the ends can observe,
 * fates are carried out, and the NIC does what a NIC does.
 */
#include <criterion/criterion.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_ip.h>
#include <rte_mbuf_dyn.h>
#include <rte_udp.h>

#include "bed.h"
#include "tw_simdev.h"

#define FRAME_LEN 80

struct rig {
	struct tw_simdev *sim;
	struct tw_port *port[2];
	struct rte_mempool *pool;
};

static struct tw_clock
model(void)
{
	const double hz = (double)rte_get_tsc_hz();

	return (struct tw_clock){
		.rate = (int64_t)(1e9 / hz * (double)(1ULL << TW_CLOCK_RATE_SHIFT)),
		.ticks_per_ns = (uint64_t)(hz / 1e9 * (double)(1ULL << TW_CLOCK_TICK_SHIFT)),
		.tsc_hz = (uint64_t)hz};
}

static void
port_open(struct rig *r, unsigned end)
{
	const struct tw_port_env env = {.lcore_cnt = 1, .socket_id = SOCKET_ID_ANY};
	struct tw_port_cfg cfg = {.idx = (uint8_t)end,
		.profile = "ring",
		.attach = TW_PORT_SHARED,
		.queue_cnt = 1,
		.desc_cnt = 128,
		.nic = tw_simdev_nic(r->sim, end),
		.nic_arg = tw_simdev_end(r->sim, end)};
	char err[TW_PORT_ERR_SIZE];

	snprintf(cfg.name, sizeof(cfg.name), "p%u", end);
	snprintf(cfg.dev, sizeof(cfg.dev), "%s", tw_simdev_dev(r->sim, end));
	cr_assert_eq(tw_port_open(&cfg, &env, err, &r->port[end]), 0, "%s", err);
}

static struct rig
rig_new(struct tw_simdev_cfg *cfg)
{
	struct rig r = {0};
	char err[256];

	bed_eal();
	cfg->name = "sim";
	cfg->model = model();
	cfg->log_cnt = 4096;
	cfg->flight_cnt = 256;
	cr_assert_eq(tw_simdev_new(cfg, err, sizeof(err), &r.sim), 0, "%s", err);
	for (unsigned i = 0; i < 2; i++)
		port_open(&r, i);
	r.pool = rte_pktmbuf_pool_create(
		"frames", 1023, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);
	cr_assert_not_null(r.pool);
	return r;
}

static void
rig_free(struct rig *r)
{
	tw_simdev_drain(r->sim);
	for (unsigned i = 0; i < 2; i++) {
		cr_assert(rte_mempool_full(r->port[i]->pool));
		tw_port_close(r->port[i]);
	}
	cr_assert(rte_mempool_full(r->pool));
	tw_simdev_free(r->sim);
}

static int64_t
now(const struct rig *r)
{
	return tw_simdev_wire_ns(tw_simdev_wire(r->sim), rte_rdtsc());
}

/* A UDP frame between fixed ends; @p from tells the direction. */
static struct rte_mbuf *
frame(struct rig *r, unsigned from)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(r->pool);
	const struct rte_ipv4_hdr ip = {.version_ihl = RTE_IPV4_VHL_DEF,
		.next_proto_id = IPPROTO_UDP,
		.src_addr = rte_cpu_to_be_32(0x0a000001 + from),
		.dst_addr = rte_cpu_to_be_32(0x0a000002 - from)};
	const struct rte_udp_hdr udp = {.src_port = rte_cpu_to_be_16((uint16_t)(1000 + from)),
		.dst_port = rte_cpu_to_be_16((uint16_t)(1001 - from))};
	uint8_t *p;

	cr_assert_not_null(m);
	p = (uint8_t *)rte_pktmbuf_append(m, FRAME_LEN);
	memset(p, 0, FRAME_LEN);
	p[12] = 8;
	memcpy(p + 14, &ip, sizeof(ip));
	memcpy(p + 34, &udp, sizeof(udp));
	return m;
}

static void
put(struct rig *r, unsigned from, struct rte_mbuf *m)
{
	cr_assert_eq(rte_eth_tx_burst(r->port[from]->eth_id, 0, &m, 1), 1);
}

/* Play the wire until a frame arrives. */
static struct rte_mbuf *
get(struct rig *r, unsigned at)
{
	const uint64_t end_tsc = rte_rdtsc() + 10 * rte_get_tsc_hz();
	struct rte_mbuf *m;

	while (rte_rdtsc() < end_tsc) {
		tw_simdev_turn(r->sim);
		if (rte_eth_rx_burst(r->port[at]->eth_id, 0, &m, 1) == 1)
			return m;
	}
	cr_assert(false, "nothing arrives");
	return NULL;
}

static const struct tw_netsim_rec *
rec(const struct rig *r, unsigned i)
{
	cr_assert_gt(tw_netsim_log_cnt(tw_simdev_log(r->sim)), i);
	return &tw_simdev_log(r->sim)->rec[i];
}

Test(simdev, truth_lies_between_what_the_ends_see)
{
	struct tw_simdev_cfg cfg = {.imp = {{.delay_ns = 50000}, {.delay_ns = 7000}}};
	struct rig r = rig_new(&cfg);

	for (unsigned i = 0; i < 10; i++) {
		const unsigned from = i % 2;
		const int64_t before = now(&r);
		const struct tw_netsim_rec *t;
		int64_t sent, got;
		struct rte_mbuf *m;

		put(&r, from, frame(&r, from));
		sent = now(&r);
		m = get(&r, !from);
		got = now(&r);
		cr_assert_eq(m->port, r.port[!from]->eth_id);
		rte_pktmbuf_free(m);
		t = rec(&r, i);
		cr_assert(t->depart_ns >= before && t->depart_ns <= sent);
		cr_assert_eq(t->due_ns, t->depart_ns + (from == 0 ? 50000 : 7000));
		cr_assert(t->arrive_ns[0] >= t->due_ns && t->arrive_ns[0] <= got);
		cr_assert_eq(t->no, i / 2);
		cr_assert_eq(t->is_reply, from == 1);
		cr_assert_eq(t->fate, TW_NETSIM_ARRIVES);
	}
	rig_free(&r);
}

Test(simdev, a_reply_knows_its_request)
{
	struct tw_simdev_cfg cfg = {0};
	struct rig r = rig_new(&cfg);
	uint8_t ends[12];
	struct rte_mbuf *m;

	for (unsigned i = 0; i < 5; i++) {
		put(&r, 0, frame(&r, 0));
		m = get(&r, 1);
		/* in place, as the reflector does */
		memcpy(ends, rte_pktmbuf_mtod_offset(m, uint8_t *, 26), 12);
		memcpy(rte_pktmbuf_mtod_offset(m, uint8_t *, 26), ends + 4, 4);
		memcpy(rte_pktmbuf_mtod_offset(m, uint8_t *, 30), ends, 4);
		memcpy(rte_pktmbuf_mtod_offset(m, uint8_t *, 34), ends + 10, 2);
		memcpy(rte_pktmbuf_mtod_offset(m, uint8_t *, 36), ends + 8, 2);
		put(&r, 1, m);
		rte_pktmbuf_free(get(&r, 0));
		cr_assert_eq(rec(&r, 2 * i)->cause, 0, "stale marks of old buffers mean nothing");
		cr_assert_eq(rec(&r, 2 * i + 1)->cause, 2 * i + 1);
	}
	rig_free(&r);
}

Test(simdev, fates_are_carried_out)
{
	struct tw_simdev_cfg cfg = {.imp = {{.loss_every = 3, .dup_ppm = 1000000, .dup_ns = 10}}};
	struct rig r = rig_new(&cfg);
	const struct tw_simdev_ctr *ctr = tw_simdev_ctr(r.sim, 0);

	for (unsigned i = 0; i < 9; i++) {
		put(&r, 0, frame(&r, 0));
		if (i % 3 != 2) {
			rte_pktmbuf_free(get(&r, 1));
			rte_pktmbuf_free(get(&r, 1));
			cr_assert_gt(rec(&r, i)->arrive_ns[1], INT64_MIN);
			continue;
		}
		tw_simdev_turn(r.sim);
		cr_assert_eq(rec(&r, i)->fate, TW_NETSIM_LOST_EVERY);
		cr_assert_eq(rec(&r, i)->arrive_ns[0], INT64_MIN);
	}
	cr_assert_eq(tw_ctr_get(&ctr->taken), 9);
	cr_assert_eq(tw_ctr_get(&ctr->delivered), 12);
	cr_assert_eq(tw_ctr_get(&ctr->duplicated), 6);
	cr_assert_eq(tw_ctr_get(&ctr->by_fate[TW_NETSIM_LOST_EVERY]), 3);
	rig_free(&r);
}

Test(simdev, corruption_turns_one_bit)
{
	struct tw_simdev_cfg cfg = {.imp = {{.corrupt_ppm = 1000000}}};
	struct rig r = rig_new(&cfg);
	struct rte_mbuf *a = frame(&r, 0), *b;
	unsigned bits = 0;

	put(&r, 0, frame(&r, 0));
	b = get(&r, 1);
	for (unsigned i = 0; i < FRAME_LEN; i++)
		bits += (unsigned)__builtin_popcount(
			rte_pktmbuf_mtod(a, uint8_t *)[i] ^ rte_pktmbuf_mtod(b, uint8_t *)[i]);
	cr_assert_eq(bits, 1);
	rte_pktmbuf_free(a);
	rte_pktmbuf_free(b);
	rig_free(&r);
}

Test(simdev, a_full_ring_refuses_and_stamps_nothing)
{
	struct tw_simdev_cfg cfg = {.ring_cnt = 7};
	struct rig r = rig_new(&cfg);
	struct rte_mbuf *m[10];

	for (unsigned i = 0; i < 10; i++)
		m[i] = frame(&r, 0);
	cr_assert_eq(rte_eth_tx_burst(r.port[0]->eth_id, 0, m, 10), 7);
	rte_pktmbuf_free_bulk(m + 7, 3);
	for (unsigned i = 0; i < 7; i++)
		rte_pktmbuf_free(get(&r, 1));
	cr_assert_eq(tw_netsim_log_cnt(tw_simdev_log(r.sim)), 7);
	rig_free(&r);
}

Test(simdev, changes_while_it_runs)
{
	struct tw_simdev_cfg cfg = {0};
	struct rig r = rig_new(&cfg);
	struct tw_netsim_imp imp = {.delay_ns = 3000};
	const char *why;

	put(&r, 0, frame(&r, 0));
	rte_pktmbuf_free(get(&r, 1));
	cr_assert_eq(tw_simdev_impair(r.sim, 0, &imp, false, &why), 0);
	put(&r, 0, frame(&r, 0));
	rte_pktmbuf_free(get(&r, 1));
	cr_assert_eq(rec(&r, 0)->due_ns, rec(&r, 0)->depart_ns);
	cr_assert_eq(rec(&r, 1)->due_ns, rec(&r, 1)->depart_ns + 3000);
	imp.loss_ppm = 2000000;
	cr_assert_eq(tw_simdev_impair(r.sim, 0, &imp, false, &why), -EINVAL);
	cr_assert_str_eq(why, "loss_ppm");
	cr_assert_eq(tw_simdev_imp(r.sim, 0)->loss_ppm, 0);
	cr_assert_eq(tw_simdev_log_restart(r.sim), 0);
	put(&r, 0, frame(&r, 0));
	rte_pktmbuf_free(get(&r, 1));
	cr_assert_eq(tw_netsim_log_cnt(tw_simdev_log(r.sim)), 1);
	rig_free(&r);
}

Test(simdev, the_nic_stamps_arrivals_by_its_own_clock)
{
	struct tw_simdev_cfg cfg = {.imp = {{.delay_ns = 1000}},
		.nic = {{0}, {.has_rx_stamp = true,
				     .clock = {.offset_ns = 123456789, .drift_ppb = 20000}}}};
	struct rig r = rig_new(&cfg);
	uint64_t flag, before, after;
	struct rte_mbuf *m;
	int off;

	cr_assert_eq(rte_mbuf_dyn_rx_timestamp_register(&off, &flag), 0);
	cr_assert_eq(r.port[1]->nic->rx_offloads, RTE_ETH_RX_OFFLOAD_TIMESTAMP);
	cr_assert_eq(r.port[0]->nic->rx_offloads, 0);
	for (unsigned i = 0; i < 5; i++) {
		cr_assert_eq(r.port[1]->nic->read_clock(r.port[1], &before), 0);
		put(&r, 0, frame(&r, 0));
		m = get(&r, 1);
		cr_assert_eq(r.port[1]->nic->read_clock(r.port[1], &after), 0);
		cr_assert_neq(m->ol_flags & flag, 0);
		cr_assert_geq(*RTE_MBUF_DYNFIELD(m, off, uint64_t *), before + 1000);
		cr_assert_leq(*RTE_MBUF_DYNFIELD(m, off, uint64_t *), after);
		cr_assert_eq(*RTE_MBUF_DYNFIELD(m, off, uint64_t *),
			(uint64_t)tw_netsim_clock_at(
				tw_simdev_nic_clock(r.sim, 1), rec(&r, i)->arrive_ns[0]));
		rte_pktmbuf_free(m);
	}
	cr_assert_eq(r.port[0]->nic->read_clock(r.port[0], &before), -ENOTSUP);
	rig_free(&r);
}

Test(simdev, the_nic_keeps_one_departure_stamp)
{
	struct tw_simdev_cfg cfg = {.nic = {{.has_timesync = true, .hz = 156250000}}};
	struct rig r = rig_new(&cfg);
	const struct tw_port *p = r.port[0];
	struct timespec ts;
	int64_t ns;

	cr_assert_eq(p->nic->timesync_enable(p), 0);
	cr_assert_neq(p->nic->timesync_read_tx_timestamp(p, &ts), 0);
	for (unsigned i = 0; i < 3; i++) {
		struct rte_mbuf *m = frame(&r, 0);

		m->ol_flags |= RTE_MBUF_F_TX_IEEE1588_TMST;
		put(&r, 0, m);
		rte_pktmbuf_free(get(&r, 1));
	}
	cr_assert_eq(p->nic->timesync_read_tx_timestamp(p, &ts), 0);
	ns = ts.tv_sec * 1000000000L + ts.tv_nsec;
	/* the first of the three, in whole ticks of 6.4 ns */
	cr_assert(ns <= rec(&r, 0)->depart_ns && ns > rec(&r, 0)->depart_ns - 8);
	cr_assert_neq(p->nic->timesync_read_tx_timestamp(p, &ts), 0);
	rig_free(&r);
}

Test(simdev, the_nic_sends_on_schedule_and_in_order)
{
	struct tw_simdev_cfg cfg = {.nic = {{.has_sched = true, .clock = {.offset_ns = 5000000}}}};
	struct rig r = rig_new(&cfg);
	const struct tw_port *p = r.port[0];
	struct rte_mbuf *m = frame(&r, 0);
	uint64_t flag, at;
	int off;

	cr_assert_eq(rte_mbuf_dyn_tx_timestamp_register(&off, &flag), 0);
	cr_assert_eq(p->nic->read_clock(p, &at), 0);
	at += 2000000;
	m->ol_flags |= flag;
	*RTE_MBUF_DYNFIELD(m, off, uint64_t *) = at;
	put(&r, 0, m);
	put(&r, 0, frame(&r, 0)); /* waits behind it */
	rte_pktmbuf_free(get(&r, 1));
	rte_pktmbuf_free(get(&r, 1));
	cr_assert_eq(rec(&r, 0)->depart_ns, (int64_t)at - 5000000);
	cr_assert_eq(rec(&r, 1)->depart_ns, (int64_t)at - 5000000);
	cr_assert_geq(rec(&r, 0)->arrive_ns[0], rec(&r, 0)->depart_ns);
	rig_free(&r);
}

Test(simdev, references_read_what_their_script_says)
{
	struct tw_simdev_cfg cfg = {
		.ref = {{.origin_ns = 1000, .is_synced = true, .max_error_ns = 5},
			{.origin_ns = 1000, .offset_ns = 3000000}}};
	struct rig r = rig_new(&cfg);
	struct tw_clock_reading a = {0}, b = {0};
	struct tw_clock_sync sync;
	int64_t before, after;

	before = now(&r);
	tw_simdev_ref_read(tw_simdev_end(r.sim, 0), &a);
	tw_simdev_ref_read(tw_simdev_end(r.sim, 1), &b);
	after = now(&r);
	cr_assert_eq(a.tsc_before, a.tsc_after); /* a cross time stamp */
	cr_assert(a.ref.ns >= before + 1000 && a.ref.ns <= after + 1000);
	cr_assert(b.ref.ns >= before + 3001000 && b.ref.ns <= after + 3001000);
	tw_simdev_ref_sync(tw_simdev_end(r.sim, 0), &sync);
	cr_assert(sync.is_synced && sync.max_error_ns == 5);
	tw_simdev_ref_sync(tw_simdev_end(r.sim, 1), &sync);
	cr_assert_not(sync.is_synced);
	rig_free(&r);
}
