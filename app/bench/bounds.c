/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Baselines, and what a case cannot beat: frames in and out with addresses exchanged and a stamp
 * in each, plus its cryptography alone on the keys of its sessions, in their order.
 */
#include <stdlib.h>
#include <string.h>

#include <rte_ethdev.h>

#include "bench.h"

#define PACKETS     65536
#define OPS         16384
#define JOBS        32
#define BUF_SIZE    128
#define ONE_KEY_MAX 64 /* up to so many sessions blocks are prepared key by key */

static void
swap_5tuple(struct rte_mbuf *m)
{
	uint8_t *f = rte_pktmbuf_mtod(m, uint8_t *);
	uint8_t mac[6], ip[4], port[2];

	memcpy(mac, f, 6);
	memcpy(f, f + 6, 6);
	memcpy(f + 6, mac, 6);
	memcpy(ip, f + 26, 4);
	memcpy(f + 26, f + 30, 4);
	memcpy(f + 30, ip, 4);
	memcpy(port, f + 34, 2);
	memcpy(f + 34, f + 36, 2);
	memcpy(f + 36, port, 2);
}

/* What is in the queue, straight through. */
static uint64_t
forward(struct rig *r, bool is_swapped)
{
	const uint64_t begin_tsc = rte_rdtsc();
	struct rte_mbuf *m[TW_DP_BURST];
	uint16_t n;

	while ((n = rte_eth_rx_burst(r->port->eth_id, 0, m, TW_DP_BURST)) > 0) {
		for (unsigned i = 0; is_swapped && i < n; i++) {
			if (i + 4u < n)
				rte_prefetch0(rte_pktmbuf_mtod(m[i + 4], void *));
			swap_5tuple(m[i]);
		}
		need(rte_eth_tx_burst(r->port->eth_id, 0, m, n) == n, "ring is full");
	}
	return rte_rdtsc() - begin_tsc;
}

static double
forward_run(struct rig *r, bool is_swapped)
{
	struct rte_mbuf *m[BATCH];
	uint64_t tsc = 0;
	unsigned n;

	for (unsigned done = 0; done < PACKETS; done += BATCH) {
		(void)batch_make(r, 0, BATCH);
		tsc += forward(r, is_swapped);
		n = rte_ring_dequeue_burst(r->b->out[0], (void **)m, BATCH, NULL);
		need(n == BATCH, "frames got lost");
		rte_pktmbuf_free_bulk(m, n);
	}
	return (double)tsc / PACKETS;
}

static double
stamp_run(const struct bench *b)
{
	static uint8_t buf[BATCH][BUF_SIZE];
	const uint64_t begin_tsc = rte_rdtsc();

	for (unsigned i = 0; i < PACKETS; i++) {
		const struct tw_sess_stamp st =
			tw_sess_stamp_at(&b->clock, rte_rdtsc(), TW_STAMP_TSC_TX, 0);

		tw_tst_stamp(buf[i % BATCH], 4, st.ntp, st.ee);
	}
	return (double)(rte_rdtsc() - begin_tsc) / PACKETS;
}

void
run_base(struct bench *b, const struct bench_case *c, struct bench_result *res)
{
	double cyc[RUNS_MAX], *kept = &b->stamp_cyc;
	struct rig *r = rig_new(b, c, 1);

	for (unsigned i = 0; i < b->opts.runs; i++)
		cyc[i] =
			c->work == WORK_STAMP ? stamp_run(b) : forward_run(r, c->work == WORK_SWAP);
	runs_sum(cyc, b->opts.runs, res);
	res->packets = (uint64_t)PACKETS * b->opts.runs;
	rig_free(r, res);
	if (c->work == WORK_IO)
		kept = &b->io_cyc;
	else if (c->work == WORK_SWAP)
		kept = &b->swap_cyc;
	*kept = res->cyc;
}

/* Crypto alone -------------------------------------------------------------------------------- */

enum op { OP_PAIR, OP_SEAL, OP_OPEN };

static const struct tw_crypto_tkey *
key_of(struct rig *r, uint32_t n)
{
	const uint32_t cnt = r->c->sessions;
	const uint32_t i = r->c->is_random ? (uint32_t)((rnd(&r->rng) >> 32) * cnt >> 32) : n % cnt;

	return r->refl != NULL ? &r->refl[i]->tkey : &r->b->tkey[i % KEYS_CNT];
}

/* Cycles per operation over @p cover octets, each with the key of the next session; OP_PAIR: one
 * key per burst. */
static double
crypto_run(struct rig *r, struct tw_engine *eng, enum op op, uint16_t cover)
{
	static uint8_t buf[JOBS][BUF_SIZE], clear[JOBS][BUF_SIZE];
	struct tw_engine_job job[JOBS];
	uint64_t tsc = 0, begin_tsc;
	uint32_t n = 0;

	for (unsigned done = 0; done < OPS; done += JOBS) {
		for (unsigned i = 0; i < JOBS; i++) {
			const struct tw_crypto_tkey *key = key_of(r, n);

			job[i] = (struct tw_engine_job){.key = key,
				.buf = buf[i],
				.clear = clear[i],
				.cover = cover,
				.hmac_off = cover};
			n += op != OP_PAIR || i == JOBS - 1;
		}
		begin_tsc = rte_rdtsc();
		for (unsigned i = 0; i < JOBS && r->c->sessions > ONE_KEY_MAX; i++)
			for (unsigned at = 0; at < sizeof(*job->key); at += 64)
				rte_prefetch0((const uint8_t *)job[i].key + at);
		if (op == OP_OPEN)
			(void)tw_engine_open(eng, job, JOBS);
		else
			(void)tw_engine_seal(eng, job, JOBS);
		tsc += rte_rdtsc() - begin_tsc;
	}
	return (double)tsc / OPS;
}

static double
median3(struct rig *r, struct tw_engine *eng, enum op op, uint16_t cover)
{
	double a = crypto_run(r, eng, op, cover), b = crypto_run(r, eng, op, cover),
	       c = crypto_run(r, eng, op, cover);

	return RTE_MAX(RTE_MIN(a, b), RTE_MIN(RTE_MAX(a, b), c));
}

/*
 * Blocks with their HMAC that a packet needs: one serves both directions as long as nothing gets
 * lost; with more keys than fit a burst each, both directions are computed.
 */
static double
auth_bound(struct rig *r, struct tw_engine *eng)
{
	const struct bench_case *c = r->c;

	if (c->work == WORK_COLLECT)
		return 0; /* what was sent is expected back */
	if (c->sessions > ONE_KEY_MAX)
		return median3(r, eng, OP_OPEN, 16) + median3(r, eng, OP_SEAL, 16);
	return median3(r, eng, OP_PAIR, 16) * (c->loss_pct > 0 ? 2 : 1);
}

static double
encr_bound(struct rig *r, struct tw_engine *eng)
{
	switch (r->c->work) {
	case WORK_SEND:
		return median3(r, eng, OP_SEAL, 32);
	case WORK_COLLECT:
		return median3(r, eng, OP_OPEN, 96);
	case WORK_SEND_COLLECT:
		return median3(r, eng, OP_SEAL, 32) + median3(r, eng, OP_OPEN, 96);
	default:
		return median3(r, eng, OP_OPEN, 32) + median3(r, eng, OP_SEAL, 96);
	}
}

double
bound_of(struct rig *r)
{
	const double open = r->b->swap_cyc + r->b->stamp_cyc;
	struct tw_engine *eng = engine_new(bench_engine(r->b));
	size_t size = tw_engine_size(eng->ops);
	double crypto = 0;

	if (r->c->fmt->prot == TW_TST_PROT_AUTH)
		crypto = auth_bound(r, eng);
	else if (r->c->fmt->prot == TW_TST_PROT_ENCR)
		crypto = encr_bound(r, eng);
	tw_engine_fini(eng);
	tw_crypto_unmap(eng, size);
	return open + crypto;
}
