/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * See bed.h.
 */
#include <criterion/criterion.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_ring.h>

#include "bed.h"

void
bed_eal(void)
{
	static char args[][16] = {"test", "--no-huge", "-m", "192", "--no-pci", "--no-shconf",
		"--no-telemetry", "-l", "0", "--log-level", "error"};
	char *argv[TW_ARRAY_SIZE(args) + 1] = {NULL};

	for (unsigned i = 0; i < TW_ARRAY_SIZE(args); i++)
		argv[i] = args[i];
	cr_assert_geq(rte_eal_init(TW_ARRAY_SIZE(args), argv), 0);
	check_init();
}

/* A model that starts now, with errors known. */
static struct tw_clock
clock_make(void)
{
	const double hz = (double)rte_get_tsc_hz();
	struct tw_clock c = {.tsc0 = rte_rdtsc(),
		.ns0 = CHECK_T0_NS,
		.rate = (int64_t)(1e9 / hz * (double)(1ULL << TW_CLOCK_RATE_SHIFT)),
		.ticks_per_ns = (uint64_t)(hz / 1e9 * (double)(1ULL << TW_CLOCK_TICK_SHIFT)),
		.tsc_hz = (uint64_t)hz,
		.ee_span_tsc = UINT64_MAX >> 2,
		.horizon_tsc = UINT64_MAX >> 2,
		.stamp_error_ns = 100,
		.sync_error_ns = 900,
		.epoch = 1,
		.is_synced = true};

	c.ee = tw_clock_ee_encode(1000, true);
	return c;
}

tw_ns
bed_now(const struct bed *b)
{
	return tw_clock_at(&b->clock, rte_rdtsc());
}

static struct rte_ring *
ring_new(const char *kind, unsigned port, unsigned queue, unsigned cnt)
{
	char name[RTE_RING_NAMESIZE];
	struct rte_ring *r;

	snprintf(name, sizeof(name), "%s%u_%u", kind, port, queue);
	r = rte_ring_create(
		name, cnt, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ | RING_F_EXACT_SZ);
	cr_assert_not_null(r);
	return r;
}

static void
port_new(struct bed *b, unsigned i)
{
	const struct tw_port_env env = {.lcore_cnt = b->cfg.lcore_cnt, .socket_id = SOCKET_ID_ANY};
	struct tw_port_cfg cfg = {.idx = (uint8_t)i,
		.profile = "ring",
		.attach = b->cfg.is_owned ? TW_PORT_OWNED : TW_PORT_SHARED,
		.mtu = (uint16_t)b->cfg.mtu,
		.queue_cnt = (uint16_t)b->cfg.queue_cnt,
		.desc_cnt = 128};
	char err[TW_PORT_ERR_SIZE], name[16];

	snprintf(name, sizeof(name), "bed%u", i);
	cr_assert_geq(rte_eth_from_rings(
			      name, b->in[i], b->cfg.queue_cnt, b->out[i], b->cfg.queue_cnt, 0),
		0);
	snprintf(cfg.name, sizeof(cfg.name), "p%u", i);
	snprintf(cfg.dev, sizeof(cfg.dev), "net_ring_%s", name);
	cr_assert_eq(tw_port_open(&cfg, &env, err, &b->port[i]), 0, "%s", err);
	b->port[i]->takes_partial_cksum = b->cfg.takes_partial;
	if (!b->cfg.is_owned)
		memcpy(b->port[i]->mac, ((uint8_t[]){2, 0, 0, 0, 0, (uint8_t)(i + 1)}), 6);
	cr_assert_eq(tw_dp_port_add(b->dp, b->port[i]), 0);
}

static void
cfg_complete(struct bed_cfg *cfg)
{
	if (cfg->lcore_cnt == 0)
		cfg->lcore_cnt = 1;
	if (cfg->port_cnt == 0)
		cfg->port_cnt = 1;
	if (cfg->queue_cnt == 0)
		cfg->queue_cnt = 1;
	if (cfg->ring_cnt == 0)
		cfg->ring_cnt = 256;
	if (cfg->mtu == 0)
		cfg->mtu = 1500;
	if (cfg->raw_cnt == 0)
		cfg->raw_cnt = 64;
	if (cfg->refl_max == 0)
		cfg->refl_max = 64;
}

static void
dp_new(struct bed *b)
{
	struct tw_dp_cfg cfg = {.lcore_cnt = b->cfg.lcore_cnt,
		.refl_max = b->cfg.refl_max,
		.send_max = 64,
		.handover_cnt = 15,
		.raw_cnt = b->cfg.raw_cnt,
		.engine = check_fast(),
		.clock = b->clock,
		.seed = {1, 2, 3, 4},
		.socket_id = SOCKET_ID_ANY};
	char err[TW_DP_ERR_SIZE];

	cr_assert_eq(tw_dp_new(&cfg, err, &b->dp), 0, "%s", err);
	for (unsigned i = 0; i < b->cfg.lcore_cnt; i++)
		cr_assert_eq(tw_dp_enter(tw_dp_lcore_at(b->dp, i)), 0);
}

struct bed *
bed_new(const struct bed_cfg *cfg)
{
	struct bed *b = calloc(1, sizeof(*b));

	cr_assert_not_null(b);
	b->cfg = *cfg;
	cfg_complete(&b->cfg);
	if (b->cfg.is_owned)
		cr_assert_eq(unshare(CLONE_NEWNET), 0, "needs root");
	bed_eal();
	b->clock = clock_make();
	b->ref = check_engine("openssl");
	b->pool = rte_pktmbuf_pool_create("bed", 2047, 0, 0,
		(uint16_t)(RTE_PKTMBUF_HEADROOM + b->cfg.mtu + 600), SOCKET_ID_ANY);
	cr_assert_not_null(b->pool);
	dp_new(b);
	for (unsigned p = 0; p < b->cfg.port_cnt; p++)
		for (unsigned q = 0; q < b->cfg.queue_cnt; q++) {
			b->in[p][q] = p == 1 && b->cfg.is_cross
					      ? b->out[0][q]
					      : ring_new("in", p, q, b->cfg.ring_cnt);
			b->out[p][q] = p == 1 && b->cfg.is_cross
					       ? b->in[0][q]
					       : ring_new("out", p, q, b->cfg.ring_cnt);
		}
	for (unsigned p = 0; p < b->cfg.port_cnt; p++)
		port_new(b, p);
	bed_turns(b, 1);
	return b;
}

void
bed_turns(struct bed *b, unsigned n)
{
	while (n-- > 0) {
		for (unsigned i = 0; i < b->cfg.lcore_cnt; i++) {
			tw_dp_turn(tw_dp_lcore_at(b->dp, i));
			tw_dp_housekeep(tw_dp_lcore_at(b->dp, i));
		}
		tw_dp_poll(b->dp);
	}
}

void
bed_put_at(struct bed *b, unsigned port, unsigned queue, struct rte_mbuf *m)
{
	m->port = b->port[port]->eth_id;
	cr_assert_eq(rte_ring_enqueue(b->in[port][queue], m), 0);
}

void
bed_put(struct bed *b, struct rte_mbuf *m)
{
	bed_put_at(b, 0, 0, m);
}

struct rte_mbuf *
bed_take(struct bed *b, unsigned port, unsigned queue)
{
	void *m;

	return rte_ring_dequeue(b->out[port][queue], &m) == 0 ? m : NULL;
}

uint64_t
bed_ctr(struct bed *b, enum tw_dp_ctr ctr)
{
	struct tw_dp_stats st;

	tw_dp_stats_get(b->dp, tw_dp_lcore_cnt(b->dp), &st);
	return st.ctr[ctr];
}

void
bed_check_sums(struct bed *b)
{
	for (unsigned i = 0; i < b->cfg.lcore_cnt; i++) {
		struct tw_dp_stats st;
		uint64_t in = 0, out = 0;

		tw_dp_stats_get(b->dp, i, &st);
		for (unsigned c = 0; c < TW_DP_CTR_N; c++) {
			switch (tw_dp_ctr_desc(c)->kind) {
			case TW_DP_KIND_IN:
				in += st.ctr[c];
				break;
			case TW_DP_KIND_OUT:
			case TW_DP_KIND_DROP:
				out += st.ctr[c];
				break;
			default:
				break;
			}
		}
		cr_assert_eq(in, out, "lcore %u: in %lu, out and dropped %lu", i, in, out);
	}
}

static void
drain(struct rte_ring *r)
{
	void *m;

	while (r != NULL && rte_ring_dequeue(r, &m) == 0)
		rte_pktmbuf_free(m);
}

void
bed_free(struct bed *b)
{
	bed_check_sums(b);
	for (unsigned p = 0; p < b->cfg.port_cnt; p++)
		cr_assert_eq(tw_dp_port_del(b->dp, p), 0);
	bed_turns(b, 3);
	for (unsigned p = 0; p < b->cfg.port_cnt; p++) {
		cr_assert(tw_dp_port_is_gone(b->dp, p));
		for (unsigned q = 0; q < b->cfg.queue_cnt; q++) {
			drain(b->in[p][q]);
			drain(b->out[p][q]);
		}
	}
	for (unsigned i = 0; i < b->cfg.lcore_cnt; i++)
		tw_dp_leave(tw_dp_lcore_at(b->dp, i));
	tw_dp_free(b->dp);
	for (unsigned p = 0; p < b->cfg.port_cnt; p++) {
		struct rte_mempool *pool = b->port[p]->pool;

		cr_assert(rte_mempool_full(pool), "port %u: %u buffers missing", p,
			rte_mempool_in_use_count(pool));
		tw_port_close(b->port[p]);
	}
	cr_assert(
		rte_mempool_full(b->pool), "%u frames missing", rte_mempool_in_use_count(b->pool));
	check_engine_free(b->ref);
	free(b);
}

struct tw_refl_sess *
bed_refl(struct bed *b, const struct flow *f, const struct tw_tst_fmt *fmt, uint32_t id)
{
	struct tw_crypto_keys *keys = check_keys(id);
	uint8_t sid[TW_CRYPTO_BLOCK_LEN];
	struct tw_refl_cfg cfg = {.key = flow_key(f), .fmt = fmt, .id = id, .dscp = 46};
	struct tw_refl_sess *s = tw_dp_refl_new(b->dp);
	int owner = tw_dp_owner_pick(b->dp, f->scope.port_idx);

	cr_assert_not_null(s);
	cr_assert_geq(owner, 0);
	cfg.owner_idx = (uint8_t)owner;
	check_sid(id, sid);
	if (fmt->prot != TW_TST_PROT_OPEN) {
		cfg.keys = keys;
		cfg.sid = sid;
	}
	cr_assert_eq(tw_refl_sess_init(s, &cfg), 0);
	tw_refl_sess_start(s);
	cr_assert_eq(tw_dp_refl_publish(b->dp, s, &f->scope), 0);
	tw_crypto_free(keys);
	return s;
}

struct rte_mbuf *
bed_request(struct bed *b, const struct flow *f, const struct tw_refl_sess *s, uint32_t seq,
	unsigned len)
{
	const struct tw_tst_req req = {.seq = seq, .t1 = 0xec00002040000000ULL + seq, .ee = 0x8505};
	uint8_t payload[9000];

	cr_assert_leq(len, sizeof(payload));
	check_request(b->ref, s->s.fmt, &s->tkey, &req, payload, len);
	return frame_make(b->pool, f, payload, len);
}

struct tw_send_sess *
bed_send(struct bed *b, const struct flow *f, const struct tw_send_cfg *in, bool has_raw)
{
	struct tw_send_cfg cfg = *in;
	struct tw_dp_path path = {.scope = f->scope,
		.pcp = 5,
		.src = f->us,
		.dst = f->peer,
		.src_port = f->us_port,
		.dst_port = f->peer_port};
	struct tw_metrics_cfg mcfg = {.tmax_ns = cfg.tmax_ns != 0 ? cfg.tmax_ns : TW_SEND_TMAX_NS,
		.interval_ns = cfg.interval_ns,
		.dscp = cfg.dscp};
	struct tw_crypto_keys *keys = check_keys(cfg.id);
	uint8_t sid[TW_CRYPTO_BLOCK_LEN];
	struct tw_send_sess *s;
	void *mem;

	check_sid(cfg.id, sid);
	cfg.key = flow_key(f);
	cfg.owner_idx = (uint8_t)tw_dp_owner_pick(b->dp, f->scope.port_idx);
	if (cfg.fmt->prot != TW_TST_PROT_OPEN) {
		cfg.keys = keys;
		cfg.sid = sid;
	}
	s = tw_dp_send_new(b->dp, tw_metrics_size(&mcfg), &mem);
	cr_assert_not_null(s);
	cfg.metrics = tw_metrics_init(mem, tw_metrics_size(&mcfg), &mcfg, bed_now(b));
	cr_assert_not_null(cfg.metrics);
	cr_assert_eq(tw_send_sess_init(s, &cfg), 0);
	memcpy(path.next_hop, f->peer_mac, 6);
	cr_assert_eq(tw_dp_send_publish(b->dp, s, &path), 0);
	if (has_raw)
		tw_dp_send_want_raw(b->dp, s);
	tw_crypto_free(keys);
	return s;
}

bool
bed_wait_done(struct bed *b, uint32_t id, struct tw_dp_event *ev)
{
	const uint64_t end_tsc = rte_rdtsc() + 10 * rte_get_tsc_hz();

	while (rte_rdtsc() < end_tsc) {
		bed_turns(b, 1);
		while (tw_dp_event_pop(b->dp, ev, 1) == 1)
			if (ev->type == TW_DP_EVENT_SEND_DONE && ev->sess_id == id)
				return true;
	}
	for (unsigned c = 0; c < TW_DP_CTR_N; c++)
		if (bed_ctr(b, c) != 0)
			cr_log_error("%s %lu", tw_dp_ctr_desc(c)->name, bed_ctr(b, c));
	return false;
}
