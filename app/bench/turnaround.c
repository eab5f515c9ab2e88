/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Turnaround at light load: one request at a time, idle turns between, T3 - T2 as the peer reads
 * it from the reply.
 */
#include <stdlib.h>

#include "bench.h"

#define ROUNDS     8192
#define WARM_UP    1024
#define IDLE_TURNS 64
#define FRAMES     32
#define OPEN_FRAME 83 /* octets, as in turnaround-open */

static int
by_value(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

/* ns from T2 to T3 of one reply, which takes the place of its request. */
static double
one(struct rig *r, struct tw_dp_lcore *lc, struct rte_mbuf **m)
{
	const unsigned t3_off = r->c->fmt->prot == TW_TST_PROT_OPEN ? 42 + 4 : 42 + 16;
	const unsigned t2_off = r->c->fmt->prot == TW_TST_PROT_OPEN ? 42 + 16 : 42 + 32;
	const uint8_t *f;

	for (unsigned i = 0; i < IDLE_TURNS; i++)
		(void)rig_turn(r, lc);
	need(rte_ring_enqueue(r->b->in[0], *m) == 0, "ring is full");
	while (rte_ring_empty(r->b->out[0]))
		(void)rig_turn(r, lc);
	need(rte_ring_dequeue(r->b->out[0], (void **)m) == 0, "no reply");
	f = rte_pktmbuf_mtod(*m, const uint8_t *);
	return (double)(tw_load_be64(f + t3_off) - tw_load_be64(f + t2_off)) * 1e9 / 4294967296.0;
}

/*
 * FRAMES of them, made before and judged after: the far end's cryptography would leave nothing of
 * the plane in the caches, between two packets that nothing comes between.
 */
static void
some(struct rig *r, struct tw_dp_lcore *lc, double *ns)
{
	struct rte_mbuf *m[FRAMES];
	struct meta meta[FRAMES];

	for (unsigned i = 0; i < FRAMES; i++) {
		m[i] = frame_request(r, 0, 0, r->seq[0]++, &meta[i]);
		meta[i].rep_seq = r->rep_seq[0]++;
	}
	frames_seal(r, m, meta, FRAMES, 0, true);
	for (unsigned i = 0; i < FRAMES; i++)
		ns[i] = one(r, lc, &m[i]);
	for (unsigned i = 0; i < FRAMES; i++)
		check_reply(r, m[i], 0, &meta[i], i == 0);
	rte_pktmbuf_free_bulk(m, FRAMES);
}

/* Median and p99 of ROUNDS requests, ns, on a rig of its own. */
static double
measure(struct bench *b, const struct bench_case *c, double *p99, struct bench_result *res)
{
	struct rig *r = rig_new(b, c, 1);
	static double ns[ROUNDS];

	for (unsigned i = 0; i < WARM_UP; i += FRAMES)
		some(r, tw_dp_lcore_at(r->dp, 0), ns);
	for (unsigned i = 0; i < ROUNDS; i += FRAMES)
		some(r, tw_dp_lcore_at(r->dp, 0), &ns[i]);
	rig_free(r, res);
	qsort(ns, ROUNDS, sizeof(*ns), by_value);
	*p99 = ns[ROUNDS - ROUNDS / 100];
	return ns[ROUNDS / 2];
}

/*
 * Other modes are compared with open mode run by run, each of them first by turns: what a busy host
 * does to both is not in the ratio.
 */
void
run_turnaround(struct bench *b, const struct bench_case *c, struct bench_result *res)
{
	const bool is_open = c->fmt->prot == TW_TST_PROT_OPEN;
	double cyc[RUNS_MAX], p99[RUNS_MAX], ratio[RUNS_MAX], unused_p99;
	struct bench_result ratios = {0}, unused = {0};
	struct bench_case open = *c;

	open.fmt = &tw_tst_open;
	open.frame = OPEN_FRAME;
	for (unsigned k = 0; k < b->opts.runs; k++) {
		double ns, open_ns = 0;

		if (!is_open && k % 2 == 0)
			open_ns = measure(b, &open, &unused_p99, &unused);
		ns = measure(b, c, &p99[k], res);
		if (!is_open && k % 2 != 0)
			open_ns = measure(b, &open, &unused_p99, &unused);
		cyc[k] = ns * b->hz / 1e9;
		ratio[k] = is_open ? 1 : ns / open_ns;
	}
	runs_sum(cyc, b->opts.runs, res);
	qsort(p99, b->opts.runs, sizeof(*p99), by_value);
	res->ns = res->cyc * 1e9 / b->hz;
	res->ns_p99 = p99[b->opts.runs / 2];
	res->packets = (uint64_t)ROUNDS * b->opts.runs;
	if (is_open)
		return;
	runs_sum(ratio, b->opts.runs, &ratios);
	res->ratio = ratios.cyc;
	res->ratio_of = "turnaround-open";
}
