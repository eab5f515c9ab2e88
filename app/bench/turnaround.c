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

static double turnaround_open_ns; /* for the ratio of the other modes */

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

void
run_turnaround(struct bench *b, const struct bench_case *c, struct bench_result *res)
{
	struct rig *r = rig_new(b, c, 1);
	struct tw_dp_lcore *lc = tw_dp_lcore_at(r->dp, 0);
	double *ns = calloc(ROUNDS, sizeof(*ns)), cyc[RUNS_MAX], p99[RUNS_MAX];

	need(ns != NULL, "no memory");
	for (unsigned i = 0; i < WARM_UP; i += FRAMES)
		some(r, lc, ns);
	for (unsigned k = 0; k < b->opts.runs; k++) {
		for (unsigned i = 0; i < ROUNDS; i += FRAMES)
			some(r, lc, &ns[i]);
		qsort(ns, ROUNDS, sizeof(*ns), by_value);
		cyc[k] = ns[ROUNDS / 2] * b->hz / 1e9;
		p99[k] = ns[ROUNDS - ROUNDS / 100];
	}
	runs_sum(cyc, b->opts.runs, res);
	qsort(p99, b->opts.runs, sizeof(*p99), by_value);
	res->ns = res->cyc * 1e9 / b->hz;
	res->ns_p99 = p99[b->opts.runs / 2];
	res->packets = (uint64_t)ROUNDS * b->opts.runs;
	if (c->fmt->prot == TW_TST_PROT_OPEN) {
		turnaround_open_ns = res->ns;
	} else if (turnaround_open_ns > 0) {
		res->ratio = res->ns / turnaround_open_ns;
		res->ratio_of = "turnaround-open";
	}
	free(ns);
	rig_free(r, res);
}
