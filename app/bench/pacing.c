/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Pacing: one session at 1,000,000 packets/s, each reply back at once. When a packet left is read
 * by a hook of the device's transmit function; T1s that are further from that than their Error
 * Estimate are counted.
 *
 * Gaps stand apart (app/gaps.h): packets under way in a loop turn that took 5 us more than its
 * work, and those queued up behind them, until one leaves before the next is due. The share of
 * packets set aside may be 1.25 times the share of time that a spinner on this core loses, plus 0.5
 * points.
 *
 * The far end is an lcore of its own, as it is a box of its own in life; where the machine has one
 * CPU only it works between the turns, and its time counts against the sender.
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include <rte_ethdev.h>
#include <rte_launch.h>
#include <rte_malloc.h>
#include <rte_mbuf_dyn.h>

#include "../gaps.h"
#include "bench.h"

#define INTERVAL_NS   1000
#define PACKETS_QUICK 100000
#define PACKETS       400000
#define WARM_UP       8192      /* first packets of a session: not in the figures */
#define CHECK_EVERY   64        /* packets: the slow path takes some 12 us each */
#define START_NS      100000000 /* from a session's making on, which takes half of it */
#define SPIN_NS       100000000
#define REPLIES_NS    1000000000 /* the last ones are in by then */
#define BURST_MAX     64
#define KEPT_MIN      100 /* packets */
#define BLOCK         16
#define HMAC_OFF      96 /* in an authenticated reply */

/* First block of a reply and its HMAC, made beforehand: they depend on its number alone. */
struct sealed {
	uint8_t block[BLOCK], hmac[BLOCK + 4]; /* the engine writes 20 octets */
};

/* What the hook writes into a packet: again if the device refused it, so the last time counts. */
struct left {
	uint64_t tsc;
	uint32_t skipped; /* of the schedule, before this one */
};

struct pacing {
	/* constant while a session runs */
	struct rig *r;
	struct tw_send_sess *sess;
	struct sealed *sealed; /* by Sequence Number */
	uint32_t wanted;
	int64_t first_ns; /* the first packet is due */
	int left_off;     /* of struct left in an mbuf */

	/* w: the sender's lcore */
	struct tw_gaps *gaps;
	struct tw_spinner spinner;
	uint64_t spun_tsc, spin_lost_tsc;
	atomic_bool is_over; /* r: the far end */

	/* w: the far end; read when it has ended */
	int64_t *error_ns; /* departure - due, by Sequence Number */
	int64_t *due_ns;
	uint32_t sent;
	uint64_t t1_outside;
};

static struct left *
left_of(const struct pacing *p, struct rte_mbuf *m)
{
	return RTE_MBUF_DYNFIELD(m, p->left_off, struct left *);
}

static uint16_t
on_transmit(uint16_t port, uint16_t queue, struct rte_mbuf **m, uint16_t n, void *arg)
{
	struct pacing *p = arg;
	const struct left left = {
		.tsc = rte_rdtsc(), .skipped = (uint32_t)tw_ctr_get(&p->sess->skipped)};

	(void)port;
	(void)queue;
	for (unsigned i = 0; i < n; i++)
		*left_of(p, m[i]) = left;
	return n;
}

static void
sealed_make(struct pacing *p)
{
	struct tw_engine_job job[32];

	for (uint32_t at = 0; at < p->wanted; at += TW_ARRAY_SIZE(job)) {
		const unsigned n = RTE_MIN(p->wanted - at, (uint32_t)TW_ARRAY_SIZE(job));

		for (unsigned i = 0; i < n; i++) {
			struct sealed *s = &p->sealed[at + i];

			memset(s, 0, sizeof(*s));
			tw_store_be32(s->block, at + i);
			job[i] = (struct tw_engine_job){.key = &p->r->b->tkey[0],
				.buf = s->block,
				.cover = BLOCK,
				.hmac_off = offsetof(struct sealed, hmac)};
		}
		need(tw_engine_seal(p->r->b->gen[0], job, n) == n, "replies could not be sealed");
	}
}

/* One request is on the far side: how far behind its schedule, and its reply. */
static void
request_take(struct pacing *p, struct rte_mbuf *m)
{
	const struct tw_clock *clock = &p->r->b->clock;
	const uint32_t seq = p->sent++;
	uint8_t *pay = rte_pktmbuf_mtod_offset(m, uint8_t *, 42);
	const struct left left = *left_of(p, m);
	const int64_t left_ns = tw_clock_at(clock, left.tsc).ns;
	struct meta meta;
	int64_t off_ns;

	need(seq < p->wanted, "too many packets left");
	take_request(p->r, m, &meta, seq % CHECK_EVERY == 0);
	off_ns = tw_clock_ntp_to_ns(meta.t1, tw_clock_at(clock, left.tsc)).ns - left_ns;
	p->t1_outside += llabs(off_ns) > (int64_t)tw_clock_ee_decode(meta.ee).error_ns;
	p->due_ns[seq] = p->first_ns + (int64_t)(seq + left.skipped) * INTERVAL_NS;
	p->error_ns[seq] = left_ns - p->due_ns[seq];
	frame_turn(p->r, m, &meta);
	memcpy(pay, p->sealed[seq].block, BLOCK);
	memcpy(pay + HMAC_OFF, p->sealed[seq].hmac, BLOCK);
	frame_cksum(m);
}

static bool
has_far_lcore(const struct pacing *p)
{
	return p->r->b->lcore2 >= 0;
}

/* The far end answers what has arrived; while the sender's lcore is away its queue may be full. */
static void
far_turn(struct pacing *p)
{
	struct rte_mbuf *m[BURST_MAX];
	const unsigned n = rte_ring_dequeue_burst(p->r->b->out[0], (void **)m, BURST_MAX, NULL);

	for (unsigned i = 0; i < n; i++)
		request_take(p, m[i]);
	while (n > 0 && rte_ring_enqueue_bulk(p->r->b->in[0], (void **)m, n, NULL) == 0)
		need(has_far_lcore(p), "ring is full");
}

static int
far_run(void *arg)
{
	struct pacing *p = arg;

	while (!atomic_load_explicit(&p->is_over, memory_order_acquire))
		far_turn(p);
	return 0;
}

static void
far_start(struct pacing *p)
{
	atomic_store(&p->is_over, false);
	if (has_far_lcore(p))
		need(rte_eal_remote_launch(far_run, p, (unsigned)p->r->b->lcore2) == 0,
			"the far end's lcore did not start");
}

static void
far_end(struct pacing *p)
{
	atomic_store_explicit(&p->is_over, true, memory_order_release);
	if (has_far_lcore(p))
		(void)rte_eal_wait_lcore((unsigned)p->r->b->lcore2);
}

/* A turn of the sender's lcore. */
static void
turn(struct pacing *p)
{
	struct tw_dp_event ev;
	const unsigned n = rig_turn(p->r, tw_dp_lcore_at(p->r->dp, 0));

	if (!has_far_lcore(p))
		far_turn(p);
	tw_gaps_turn(p->gaps, rte_rdtsc(), n);
	if (n == 0)
		(void)tw_dp_event_pop(p->r->dp, &ev, 1);
}

static void
spin(struct pacing *p)
{
	atomic_store(&p->spinner.ask_tsc, (uint64_t)(p->r->b->hz / 1e9 * SPIN_NS));
	tw_spinner_run(&p->spinner, p->gaps->limit_tsc);
	p->spun_tsc += p->spinner.spun_tsc;
	p->spin_lost_tsc += p->spinner.lost_tsc;
	p->gaps->last_tsc = rte_rdtsc();
}

/* Until every packet of the schedule has left and, unless one got lost, is answered. */
static void
session_wait(struct pacing *p, struct tw_send_counts *counts)
{
	const uint64_t patience_tsc = (uint64_t)(p->r->b->hz / 1e9 * REPLIES_NS);
	uint64_t begin_tsc;

	do {
		turn(p);
		tw_send_sess_counts(p->sess, counts);
	} while (counts->scheduled < p->wanted);
	begin_tsc = rte_rdtsc();
	while (counts->replies < counts->sent && rte_rdtsc() - begin_tsc < patience_tsc) {
		turn(p);
		tw_send_sess_counts(p->sess, counts);
	}
}

/* A session from its first packet to its last. */
static void
session_run(struct pacing *p, struct bench_pacing *sum)
{
	struct rig *r = p->r;
	struct tw_send_counts counts;

	r->seq[0] = r->rep_seq[0] = 0;
	p->sent = 0;
	spin(p);
	p->sess = rig_sender(r, 0, INTERVAL_NS, p->wanted, START_NS);
	while (tw_dp_send_start(r->dp, p->sess) != 0)
		turn(p);
	turn(p);
	need(rte_ring_empty(r->b->out[0]), "the schedule began too early");
	p->first_ns = p->sess->sched.due_ns;
	far_start(p);
	session_wait(p, &counts);
	far_end(p);
	if (counts.sent != p->sent || counts.scheduled != p->wanted ||
		counts.sent + counts.skipped != counts.scheduled || counts.replies != p->sent)
		die("%s: %lu scheduled, %lu sent (%u seen), %lu skipped, %lu replies", r->c->name,
			counts.scheduled, counts.sent, p->sent, counts.skipped, counts.replies);
	sum->scheduled += counts.scheduled;
	sum->sent += counts.sent;
	sum->skipped += counts.skipped;
	sum->late += counts.late;
	sum->span_ns += p->due_ns[p->sent - 1] + p->error_ns[p->sent - 1] - p->due_ns[0];
	rig_sender_end(r, p->sess);
}

/* Whether the lcore was away between @p due_ns and @p left_ns. Packets come in order: @p at goes on
 * from gap to gap. */
static bool
is_in_gap(const struct pacing *p, uint64_t *at, int64_t due_ns, int64_t left_ns)
{
	const uint64_t cnt = atomic_load_explicit(&p->gaps->cnt, memory_order_relaxed);
	const struct tw_clock *clock = &p->r->b->clock;
	const struct tw_gap *g;

	for (; *at < cnt; (*at)++) {
		g = &p->gaps->gap[*at % TW_GAPS_KEPT];
		if (tw_clock_at(clock, g->end_tsc).ns >= due_ns)
			return tw_clock_at(clock, g->begin_tsc).ns <= left_ns;
	}
	return false;
}

/* Errors of what no gap touched, moved to the front, those of the warm-up left out. @return how
 * many */
static uint32_t
errors_keep(struct pacing *p, uint64_t gap_at)
{
	bool is_behind = false;
	uint32_t k = 0;

	for (uint32_t i = WARM_UP; i < p->sent; i++) {
		const int64_t error_ns = p->error_ns[i];

		is_behind = is_in_gap(p, &gap_at, p->due_ns[i], p->due_ns[i] + error_ns) ||
			    (is_behind && error_ns >= INTERVAL_NS);
		if (!is_behind)
			p->error_ns[k++] = error_ns;
	}
	return k;
}

static int
by_ns(const void *a, const void *b)
{
	const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

static void
run_once(struct pacing *p, struct bench_pacing *sum, double *p50, double *p99)
{
	const uint64_t gap_at = atomic_load_explicit(&p->gaps->cnt, memory_order_relaxed);
	int64_t *error_ns = p->error_ns;
	uint32_t n;

	session_run(p, sum);
	sum->gaps += atomic_load_explicit(&p->gaps->cnt, memory_order_relaxed) - gap_at;
	n = errors_keep(p, gap_at);
	sum->apart += p->sent - WARM_UP - n;
	if (n < KEPT_MIN) {
		/* nothing but gaps: all of it then, which is far too much to stand apart anyway */
		error_ns += WARM_UP;
		n = p->sent - WARM_UP;
	}
	qsort(error_ns, n, sizeof(*error_ns), by_ns);
	*p50 = (double)error_ns[n / 2];
	*p99 = (double)error_ns[n - 1 - n / 100];
	sum->max_ns = RTE_MAX(sum->max_ns, error_ns[n - 1]);
}

static const struct rte_mbuf_dynfield left_field = {
	.name = "bench_left", .size = sizeof(struct left), .align = __alignof__(struct left)};

static struct pacing *
pacing_new(struct bench *b, const struct bench_case *c)
{
	struct pacing *p = calloc(1, sizeof(*p));

	need(p != NULL, "no memory");
	p->r = rig_new(b, c, 1);
	p->wanted = WARM_UP + (b->opts.is_quick ? PACKETS_QUICK : PACKETS);
	p->gaps = tw_gaps_new((uint64_t)b->hz);
	p->sealed = malloc(p->wanted * sizeof(*p->sealed));
	p->error_ns = calloc(p->wanted, sizeof(*p->error_ns));
	p->due_ns = calloc(p->wanted, sizeof(*p->due_ns));
	p->left_off = rte_mbuf_dynfield_register(&left_field);
	need(p->gaps != NULL && p->sealed != NULL && p->error_ns != NULL && p->due_ns != NULL,
		"no memory");
	need(p->left_off >= 0, "no room in packet buffers for the time of departure");
	sealed_make(p);
	return p;
}

void
run_pacing(struct bench *b, const struct bench_case *c, struct bench_result *res)
{
	struct pacing *p = pacing_new(b, c);
	const struct rte_eth_rxtx_callback *hook =
		rte_eth_add_tx_callback(p->r->port->eth_id, 0, on_transmit, p);
	double p50[RUNS_MAX], p99[RUNS_MAX];
	struct bench_result median = {0};

	need(hook != NULL, "no hook in the device's transmit function");
	for (unsigned i = 0; i < b->opts.runs; i++) {
		run_once(p, &res->pacing, &p50[i], &p99[i]);
		p99[i] *= b->hz / 1e9;
	}
	runs_sum(p99, b->opts.runs, res);
	runs_sum(p50, b->opts.runs, &median);
	res->ns = res->ns_p99 = res->cyc * 1e9 / b->hz;
	res->pacing.p50_ns = median.cyc;
	res->pacing.t1_outside = p->t1_outside;
	res->packets = (uint64_t)(p->wanted - WARM_UP) * b->opts.runs;
	res->mpps = 1e3 * (double)res->pacing.sent / (double)res->pacing.span_ns;
	res->pacing.apart_pct = 100.0 * (double)res->pacing.apart / (double)res->packets;
	res->pacing.spinner_pct = 100.0 * (double)p->spin_lost_tsc / (double)p->spun_tsc;
	res->pacing.apart_max_pct = 1.25 * res->pacing.spinner_pct + 0.5;
	need(rte_eth_remove_tx_callback(p->r->port->eth_id, 0, hook) == 0, "hook stays");
	rig_drain(p->r);
	rig_free(p->r, res);
	rte_free((void *)(uintptr_t)hook);
	free(p->due_ns);
	free(p->error_ns);
	free(p->sealed);
	free(p->gaps);
	free(p);
}
