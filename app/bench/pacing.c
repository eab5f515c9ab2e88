/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Pacing: one session at 1,000,000 packets/s, each reply back in the next turn. When a packet left
 * is read by a hook of the device's transmit function; T1s that are further from that than their
 * Error Estimate are counted.
 *
 * Gaps stand apart (app/gaps.h): packets under way in a loop turn that took 5 us more than its
 * work, and those queued up behind them, until one leaves before the next is due. The share of
 * packets set aside may be 1.25 times the share of time that a spinner on this core loses, plus 0.5
 * points. The bound is what a loop that does nothing but keep the schedule is late by.
 *
 * The far end works between the turns, on this lcore: its time counts against the sender. (On a CPU
 * of its own, cache lines that change sides cost more than that.) Of every 64th request it keeps a
 * copy, which the slow path checks after the session: 12 us each would be no light load.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <rte_ethdev.h>
#include <rte_malloc.h>

#include "../gaps.h"
#include "bench.h"
#include "tw_pages.h"

#define INTERVAL_NS   1000
#define PACKETS_QUICK 100000
#define PACKETS       400000
#define WARM_UP       8192      /* first packets of a session: not in the figures */
#define CHECK_EVERY   64        /* packets */
#define START_NS      100000000 /* from a session's making on, which takes half of it */
#define SPIN_NS       100000000
#define BURST_MAX     64
#define KEPT_MIN      100 /* packets */
#define BLOCK         16
#define PAY_OFF       42 /* in a frame */
#define UDP_CKSUM_OFF 40
#define REQ_T         (PAY_OFF + 16) /* in a frame, authenticated: RFC 4656 4.1.2 ... */
#define REP_T         (PAY_OFF + 16) /* ... and RFC 5357 4.2.1 */
#define REP_T2        (PAY_OFF + 32)
#define REP_SSEQ      (PAY_OFF + 48)
#define REP_ST1       (PAY_OFF + 64)
#define REP_SEE       (PAY_OFF + 72)
#define REP_HMAC      (PAY_OFF + 96)

/* What of a reply is made beforehand, since it depends on its number alone. */
struct sealed {
	uint8_t block[BLOCK], hmac[BLOCK + 4]; /* the engine writes 20 octets */
	uint32_t sum;                          /* of both and of the numbers, for the checksum */
};

/* What the far end notes of a request, to be looked at after the session. */
struct seen {
	uint64_t left_tsc;
	uint64_t t1;
	uint32_t slot; /* of the schedule */
	uint16_t ee;
};

struct pacing {
	struct rig *r;
	struct tw_send_sess *sess;
	struct tw_gaps *gaps;
	struct sealed *sealed; /* by Sequence Number, as the next three */
	struct seen *seen;
	int64_t *error_ns; /* departure - due */
	int64_t *due_ns;
	struct rte_mbuf **kept; /* copies of every CHECK_EVERY-th request */
	uint32_t sent, wanted;
	int64_t first_ns; /* the first packet is due */
	uint64_t t1_outside;
	uint8_t reply[PAY_OFF + 112]; /* frame of every reply, where they are alike */
	uint32_t reply_sum;           /* of its UDP part and pseudo header */
	uint64_t left_tsc[BURST_MAX]; /* of the frames of this turn, by the hook */
	unsigned left_cnt;
	struct tw_spinner spinner;
	uint64_t spun_tsc, spin_lost_tsc;
};

static uint16_t
on_transmit(uint16_t port, uint16_t queue, struct rte_mbuf **m, uint16_t n, void *arg)
{
	struct pacing *p = arg;
	const uint64_t tsc = rte_rdtsc();

	(void)port;
	(void)queue;
	(void)m;
	need(p->left_cnt + n <= BURST_MAX, "burst is too long");
	for (unsigned i = 0; i < n; i++)
		p->left_tsc[p->left_cnt++] = tsc;
	return n;
}

/* RFC 1071, for an even number of octets; not folded. */
static uint32_t
sum_of(const void *data, unsigned len)
{
	const uint8_t *p = data;
	uint32_t sum = 0;

	for (unsigned i = 0; i < len; i += 2)
		sum += tw_load_be16(p + i);
	return sum;
}

static uint32_t
sum_of_64(uint64_t v)
{
	return (uint32_t)((v >> 48) + (v >> 32 & 0xffff) + (v >> 16 & 0xffff) + (v & 0xffff));
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
		for (unsigned i = 0; i < n; i++) {
			struct sealed *s = &p->sealed[at + i];

			s->sum = sum_of(s->block, BLOCK) + sum_of(s->hmac, BLOCK) +
				 sum_of_64(at + i);
		}
	}
}

/* The first request shows what all replies have in common. */
static void
reply_learn(struct pacing *p, struct rte_mbuf *m, const struct meta *meta)
{
	struct meta common = *meta;
	uint8_t *f = rte_pktmbuf_mtod(m, uint8_t *);

	frame_turn(p->r, m, &common);
	memset(f + PAY_OFF, 0, BLOCK);
	memset(f + REP_T, 0, 8);
	memset(f + REP_T2, 0, 8);
	memset(f + REP_SSEQ, 0, 4);
	memset(f + REP_ST1, 0, 8);
	memset(f + REP_SEE, 0, 2);
	frame_cksum(m);
	memcpy(p->reply, f, sizeof(p->reply));
	p->reply_sum = (uint16_t)~tw_load_be16(f + UDP_CKSUM_OFF);
}

/* The reply takes the place of its request: 20 us on the way, 10 us at the far end. */
static void
reply_make(const struct pacing *p, struct rte_mbuf *m, uint32_t seq)
{
	const uint64_t us = UINT64_C(4295); /* in units of 2^-32 s */
	const struct sealed *s = &p->sealed[seq];
	const struct seen *seen = &p->seen[seq];
	uint8_t *f = rte_pktmbuf_mtod(m, uint8_t *);
	uint64_t sum = p->reply_sum + s->sum + sum_of_64(seen->t1 + 30 * us) +
		       sum_of_64(seen->t1 + 20 * us) + sum_of_64(seen->t1) + seen->ee;

	m->ol_flags = 0;
	m->port = p->r->port->eth_id;
	memcpy(f, p->reply, sizeof(p->reply));
	memcpy(f + PAY_OFF, s->block, BLOCK);
	tw_store_be64(f + REP_T, seen->t1 + 30 * us);
	tw_store_be64(f + REP_T2, seen->t1 + 20 * us);
	tw_store_be32(f + REP_SSEQ, seq);
	tw_store_be64(f + REP_ST1, seen->t1);
	tw_store_be16(f + REP_SEE, seen->ee);
	memcpy(f + REP_HMAC, s->hmac, BLOCK);
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	tw_store_be16(f + UDP_CKSUM_OFF, sum != 0xffff ? (uint16_t)~sum : 0xffff);
}

/* One request is on the far side. */
static void
request_take(struct pacing *p, struct rte_mbuf *m, uint64_t left_tsc)
{
	const uint8_t *f = rte_pktmbuf_mtod(m, const uint8_t *);
	const uint32_t seq = p->sent++;
	struct meta meta;

	need(seq < p->wanted, "too many packets left");
	p->seen[seq] = (struct seen){.left_tsc = left_tsc,
		.t1 = tw_load_be64(f + REQ_T),
		.slot = seq + (uint32_t)tw_ctr_get(&p->sess->skipped),
		.ee = tw_load_be16(f + REQ_T + 8)};
	if (seq % CHECK_EVERY == 0) {
		p->kept[seq / CHECK_EVERY] = rte_pktmbuf_copy(m, p->r->b->pool, 0, UINT32_MAX);
		need(p->kept[seq / CHECK_EVERY] != NULL, "no packet buffers for copies");
	}
	if (seq == 0) {
		take_request(p->r, m, &meta, false);
		reply_learn(p, m, &meta);
	}
	reply_make(p, m, seq);
}

/* How far behind its schedule each packet left, and whether its T1 says when. */
static void
seen_judge(struct pacing *p)
{
	const struct tw_clock *clock = &p->r->b->clock;

	for (uint32_t i = 0; i < p->sent; i++) {
		const struct seen *s = &p->seen[i];
		const tw_ns left = tw_clock_at(clock, s->left_tsc);
		const int64_t off_ns = tw_clock_ntp_to_ns(s->t1, left).ns - left.ns;

		p->t1_outside += llabs(off_ns) > (int64_t)tw_clock_ee_decode(s->ee).error_ns;
		p->due_ns[i] = p->first_ns + (int64_t)s->slot * INTERVAL_NS;
		p->error_ns[i] = left.ns - p->due_ns[i];
	}
}

/* A turn of the lcore and the far end's answer. */
static void
turn(struct pacing *p)
{
	struct tw_dp_lcore *lc = tw_dp_lcore_at(p->r->dp, 0);
	struct rte_mbuf *m[BURST_MAX];
	struct tw_dp_event ev;
	unsigned n;

	p->left_cnt = 0;
	(void)rig_turn(p->r, lc);
	n = rte_ring_dequeue_burst(p->r->b->out[0], (void **)m, BURST_MAX, NULL);
	need(n == p->left_cnt, "what left is not what arrived");
	for (unsigned i = 0; i < n; i++)
		request_take(p, m[i], p->left_tsc[i]);
	need(n == 0 || rte_ring_enqueue_bulk(p->r->b->in[0], (void **)m, n, NULL) == n,
		"ring is full");
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

static void
kept_check(struct pacing *p)
{
	struct meta meta;

	for (uint32_t i = 0; i * CHECK_EVERY < p->sent; i++) {
		p->r->seq[0] = p->r->rep_seq[0] = i * CHECK_EVERY;
		take_request(p->r, p->kept[i], &meta, true);
		rte_pktmbuf_free(p->kept[i]);
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
	need(p->sent == 0, "the schedule began too early");
	p->first_ns = p->sess->sched.due_ns;
	do {
		turn(p);
		tw_send_sess_counts(p->sess, &counts);
	} while (counts.scheduled < p->wanted);
	for (unsigned i = 0; i < 8; i++)
		turn(p); /* the last replies */
	tw_send_sess_counts(p->sess, &counts);
	if (counts.sent != p->sent || counts.scheduled != p->wanted ||
		counts.sent + counts.skipped != counts.scheduled || counts.replies != p->sent)
		die("%s: %lu scheduled, %lu sent (%u seen), %lu skipped, %lu replies", r->c->name,
			counts.scheduled, counts.sent, p->sent, counts.skipped, counts.replies);
	kept_check(p);
	seen_judge(p);
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

/*
 * What any sender is late by on this core: a loop that reads the clock and does nothing else, with
 * the same interval and the same rule for gaps.
 * @return p99, ns
 */
static double
bare_p99(struct pacing *p)
{
	const uint64_t interval_tsc = (uint64_t)(p->r->b->hz / 1e9 * INTERVAL_NS);
	const uint64_t spin_tsc = (uint64_t)(p->r->b->hz / 1e9 * SPIN_NS);
	const uint64_t begin_tsc = rte_rdtsc();
	uint64_t last_tsc = begin_tsc, now_tsc, due_tsc = begin_tsc;
	bool is_behind = false;
	uint32_t n = 0;

	do {
		now_tsc = rte_rdtsc();
		for (; (int64_t)(now_tsc - due_tsc) >= 0; due_tsc += interval_tsc) {
			is_behind = now_tsc - last_tsc > p->gaps->limit_tsc ||
				    (is_behind && now_tsc - due_tsc >= interval_tsc);
			if (!is_behind && n < p->wanted)
				p->error_ns[n++] =
					(int64_t)((double)(now_tsc - due_tsc) * 1e9 / p->r->b->hz);
		}
		last_tsc = now_tsc;
	} while (now_tsc - begin_tsc < spin_tsc);
	p->gaps->last_tsc = now_tsc;
	if (n == 0)
		return 0;
	qsort(p->error_ns, n, sizeof(*p->error_ns), by_ns);
	return (double)p->error_ns[n - 1 - n / 100];
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

/* What the session writes into as it goes: all there, on as few pages as can be. */
static void *
pages(size_t size)
{
	void *p = tw_pages_map(size);

	need(p != NULL, "no memory");
	memset(p, 0xff, size);
	return p;
}

static struct pacing *
pacing_new(struct bench *b, const struct bench_case *c)
{
	struct pacing *p = calloc(1, sizeof(*p));

	need(p != NULL, "no memory");
	p->r = rig_new(b, c, 1);
	p->wanted = WARM_UP + (b->opts.is_quick ? PACKETS_QUICK : PACKETS);
	p->gaps = tw_gaps_new((uint64_t)b->hz);
	p->sealed = pages(p->wanted * sizeof(*p->sealed));
	p->kept = calloc(p->wanted / CHECK_EVERY + 1, sizeof(struct rte_mbuf *));
	p->seen = pages(p->wanted * sizeof(*p->seen));
	p->error_ns = calloc(p->wanted, sizeof(*p->error_ns));
	p->due_ns = calloc(p->wanted, sizeof(*p->due_ns));
	need(p->gaps != NULL && p->kept != NULL && p->error_ns != NULL && p->due_ns != NULL,
		"no memory");
	sealed_make(p);
	return p;
}

void
run_pacing(struct bench *b, const struct bench_case *c, struct bench_result *res)
{
	struct pacing *p = pacing_new(b, c);
	const struct rte_eth_rxtx_callback *hook =
		rte_eth_add_tx_callback(p->r->port->eth_id, 0, on_transmit, p);
	double p50[RUNS_MAX], p99[RUNS_MAX], bare[RUNS_MAX];
	struct bench_result median = {0}, bound = {0};

	need(hook != NULL, "no hook in the device's transmit function");
	for (unsigned i = 0; i < b->opts.runs; i++) {
		bare[i] = bare_p99(p) * b->hz / 1e9;
		run_once(p, &res->pacing, &p50[i], &p99[i]);
		p99[i] *= b->hz / 1e9;
	}
	runs_sum(p99, b->opts.runs, res);
	runs_sum(p50, b->opts.runs, &median);
	runs_sum(bare, b->opts.runs, &bound);
	res->bound_cyc = bound.cyc;
	res->pacing.bare_p99_ns = bound.cyc * 1e9 / b->hz;
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
	free(p->kept);
	(void)munmap(p->seen, p->wanted * sizeof(*p->seen));
	(void)munmap(p->sealed, p->wanted * sizeof(*p->sealed));
	free(p->gaps);
	free(p);
}
