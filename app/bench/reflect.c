/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Reflectors: requests made in batches, answered by the plane, replies judged.
 */
#include <string.h>

#include "bench.h"

#define PACKETS_QUICK 32768
#define PACKETS       131072
#define CHECK_EVERY   16
#define HMAC_OFF      (42 + 32) /* in a protected request */

static uint32_t
session_next(struct rig *r)
{
	if (r->c->is_random)
		return (uint32_t)((rnd(&r->rng) >> 32) * r->c->sessions >> 32);
	r->next = r->next + 1 < r->c->sessions ? r->next + 1 : 0;
	return r->next;
}

/* n requests to the plane's queue. Sessions of queue q are q * sessions on. */
unsigned
batch_make(struct rig *r, unsigned queue, unsigned n)
{
	const uint32_t base = queue * r->c->sessions;
	struct rte_mbuf *m[BATCH];

	for (unsigned i = 0; i < n; i++) {
		const uint32_t s = session_next(r);
		uint32_t *seq = &r->seq[base + s];

		while (is_lost(r))
			(*seq)++;
		m[i] = frame_request(r, s, queue, (*seq)++, &r->meta[i]);
	}
	frames_seal(r, m, r->meta, n, queue, true);
	if (r->c->reorder_pct > 0)
		reorder(r, m, r->meta, n);
	for (unsigned i = 0; i < n; i++) {
		if (r->c->corrupt_permille > 0)
			corrupt(r, m[i], &r->meta[i], HMAC_OFF);
		if (r->meta[i].is_valid)
			r->meta[i].rep_seq = r->rep_seq[base + r->meta[i].sess]++;
	}
	need(rte_ring_enqueue_bulk(r->b->in[queue], (void **)m, n, NULL) == n, "ring is full");
	return n;
}

/* Every request answered, in order; one in @p every judged. */
void
batch_check(struct rig *r, unsigned queue, unsigned n, unsigned every)
{
	struct rte_mbuf *m[BATCH];
	unsigned got = rte_ring_dequeue_burst(r->b->out[queue], (void **)m, BATCH, NULL), k = 0;

	for (unsigned i = 0; i < n; i++) {
		if (!r->meta[i].is_valid)
			continue;
		if (k == got)
			die("%s: session %u, packet %u: no reply", r->c->name, r->meta[i].sess,
				r->meta[i].seq);
		check_reply(r, m[k++], queue, &r->meta[i], i % every == 0);
	}
	if (k != got)
		die("%s: %u replies too many", r->c->name, got - k);
	rte_pktmbuf_free_bulk(m, got);
}

/* The plane's time for what is in its queue and for what it prepares when it is done. */
static uint64_t
batch_work(struct rig *r)
{
	struct tw_dp_lcore *lc = tw_dp_lcore_at(r->dp, 0);
	const uint64_t begin_tsc = rte_rdtsc();

	while (rig_turn(r, lc) > 0)
		;
	return rte_rdtsc() - begin_tsc;
}

static uint64_t
run(struct rig *r, unsigned packets, unsigned every)
{
	uint64_t tsc = 0;

	for (unsigned done = 0; done < packets; done += BATCH) {
		const unsigned n = batch_make(r, 0, BATCH);

		tsc += batch_work(r);
		batch_check(r, 0, n, every);
	}
	return tsc;
}

/* Every session has been seen, numbers have drifted apart if they are to. */
static void
warm_up(struct rig *r)
{
	const unsigned sessions = r->c->sessions;

	(void)run(r, 8 * BATCH, 1);
	if (r->c->loss_pct > 0) {
		for (uint32_t s = 0; s < sessions; s++)
			r->seq[s] += LAG_FIRST;
		(void)run(r, 32 * BATCH, CHECK_EVERY);
	}
	(void)run(r, RTE_MAX(sessions, 16u * BATCH), CHECK_EVERY);
}

void
run_reflect(struct bench *b, const struct bench_case *c, struct bench_result *res)
{
	const unsigned packets = b->opts.is_quick ? PACKETS_QUICK : PACKETS;
	struct rig *r = rig_new(b, c, 1);
	double cyc[RUNS_MAX];
	uint64_t pairs;

	warm_up(r);
	pairs = rig_pairs(r);
	for (unsigned i = 0; i < b->opts.runs; i++) {
		rig_phases(r, 0);
		cyc[i] = (double)run(r, packets, CHECK_EVERY) / packets;
		rig_phases(r, packets);
	}
	res->pairs = rig_pairs(r) - pairs;
	res->packets = (uint64_t)packets * b->opts.runs;
	runs_sum(cyc, b->opts.runs, res);
	if (c->sessions == 1)
		res->lag = r->seq[0] - r->rep_seq[0];
	res->bound_cyc = bound_of(r);
	rig_free(r, res);
}
