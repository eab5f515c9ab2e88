/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Senders: 200,000 packets a second in all, sent as they fall due in batches, answered by the
 * far end (frames.c), collected. Sending and collecting are timed together, as a session costs,
 * or one of them alone.
 */
#include <stdlib.h>
#include <string.h>

#include "bench.h"

#define TOTAL_PPS     1000000
#define PACKETS_QUICK 32768
#define PACKETS       65536
#define CHECK_EVERY   16
#define SEND_BATCH    128       /* requests under way: one window of pairs serves both directions */
#define OUT_MAX       1024      /* what the ring holds */
#define HMAC_OFF      (42 + 96) /* in a protected reply */
#define TMAX_NS       INT64_C(400000000)

/* A published sender; @p count 0: goes on for ever. Its start is so far from now. */
struct tw_send_sess *
rig_sender(struct rig *r, uint32_t sess, uint64_t interval_ns, uint64_t count, int64_t start_in_ns)
{
	const struct tw_dp_scope scope = {.port_idx = 0};
	/* many sessions that get their replies after all have sent, on a busy machine even */
	const int64_t tmax_ns =
		r->c->work == WORK_COLLECT && r->c->sessions > 64 ? 10 * TMAX_NS : TMAX_NS;
	struct tw_send_cfg cfg = {.key = rig_key(sess, 0),
		.fmt = r->c->fmt,
		.id = sess,
		.owner_idx = 0,
		.dscp = 46,
		.law = TW_SEND_PERIODIC,
		.size = (uint16_t)(r->c->frame - 42),
		.interval_ns = interval_ns,
		.count = count,
		.start = tw_ns_add(tw_clock_at(&r->b->clock, rte_rdtsc()), start_in_ns),
		.tmax_ns = tmax_ns,
		.seed = {1, 2, 3, sess + 1},
		.keys = r->c->fmt->prot != TW_TST_PROT_OPEN ? &r->b->keys[sess % KEYS_CNT] : NULL};
	const struct tw_metrics_cfg mcfg = {
		.tmax_ns = tmax_ns, .interval_ns = cfg.interval_ns, .dscp = 46};
	struct tw_dp_path path = {.scope = scope, .next_hop = {2, 0, 0, 0, 0, 7}};
	struct tw_send_sess *s;
	void *mem;

	s = tw_dp_send_new(r->dp, tw_metrics_size(&mcfg), &mem);
	need(s != NULL, "no memory for sessions");
	cfg.metrics = tw_metrics_init(mem, tw_metrics_size(&mcfg), &mcfg, cfg.start);
	need(cfg.metrics != NULL && tw_send_sess_init(s, &cfg) == 0, "session could not be made");
	path.src = path.dst = (struct tw_addr){.family = TW_ADDR_V4};
	memcpy(path.src.b, cfg.key.dst + 12, 4);
	memcpy(path.dst.b, cfg.key.src + 12, 4);
	path.src_port = rte_be_to_cpu_16(cfg.key.dst_port_be);
	path.dst_port = rte_be_to_cpu_16(cfg.key.src_port_be);
	need(tw_dp_send_publish(r->dp, s, &path) == 0, "session could not be published");
	return s;
}

static void
senders_start(struct rig *r, uint64_t count)
{
	const uint64_t interval_ns = UINT64_C(1000000000) / TOTAL_PPS * r->c->sessions;
	struct tw_dp_lcore *lc = tw_dp_lcore_at(r->dp, 0);
	const size_t before = rig_memory();
	const uint64_t begin_tsc = rte_rdtsc();

	memset(r->seq, 0, r->c->sessions * sizeof(*r->seq));
	memset(r->rep_seq, 0, r->c->sessions * sizeof(*r->rep_seq));
	for (uint32_t i = 0; i < r->c->sessions; i++)
		r->send[i] = rig_sender(r, i, interval_ns, count, 0);
	r->create_per_s = r->c->sessions / ((double)(rte_rdtsc() - begin_tsc) / r->b->hz);
	r->session_octets = (double)(rig_memory() - before) / r->c->sessions;
	for (uint32_t i = 0; i < r->c->sessions; i++)
		while (tw_dp_send_start(r->dp, r->send[i]) != 0)
			(void)rig_turn(r, lc);
}

/* Until none is left. */
static void
senders_gone(struct rig *r)
{
	struct tw_dp_lcore *lc = tw_dp_lcore_at(r->dp, 0);
	uint32_t live, retiring;
	struct tw_dp_event ev;

	do {
		(void)rig_turn(r, lc);
		(void)tw_dp_poll(r->dp);
		while (tw_dp_event_pop(r->dp, &ev, 1) > 0)
			;
		tw_dp_send_cnt(r->dp, &live, &retiring);
	} while (live + retiring > 0);
}

static void
senders_end(struct rig *r)
{
	for (uint32_t i = 0; i < r->c->sessions; i++)
		tw_dp_send_retire(r->dp, r->send[i], NULL, NULL);
	senders_gone(r);
}

void
rig_sender_end(struct rig *r, struct tw_send_sess *s)
{
	tw_dp_send_retire(r->dp, s, NULL, NULL);
	senders_gone(r);
}

/* The plane's time for what is due and what has arrived. */
static uint64_t
work(struct rig *r)
{
	struct tw_dp_lcore *lc = tw_dp_lcore_at(r->dp, 0);
	const uint64_t begin_tsc = rte_rdtsc();

	while (rig_turn(r, lc) > 0)
		;
	return rte_rdtsc() - begin_tsc;
}

static void
wait_until(uint64_t tsc)
{
	while ((int64_t)(rte_rdtsc() - tsc) < 0)
		rte_pause();
}

/*
 * What was sent, looked at; what the reflector gets of it is the caller's, the rest is freed.
 * @return requests that left; @p kept: so many got there
 */
static unsigned
requests_take(struct rig *r, struct rte_mbuf **m, struct meta *meta, unsigned *kept)
{
	unsigned n = rte_ring_dequeue_burst(r->b->out[0], (void **)m, OUT_MAX, NULL), k = 0;

	for (unsigned i = 0; i < n; i++) {
		take_request(r, m[i], &meta[k], i % CHECK_EVERY == 0);
		if (is_lost(r)) {
			r->rep_seq[meta[k].sess]--;
			rte_pktmbuf_free(m[i]);
			continue;
		}
		m[k++] = m[i];
	}
	*kept = k;
	return n;
}

/* Replies on their way back. @return how many of them the sender should take */
static unsigned
replies_put(struct rig *r, struct rte_mbuf **m, struct meta *meta, unsigned n)
{
	unsigned valid = n;

	for (unsigned i = 0; i < n; i++)
		frame_turn(r, m[i], &meta[i]);
	frames_seal(r, m, meta, n, 0, false);
	if (r->c->reorder_pct > 0)
		reorder(r, m, meta, n);
	for (unsigned i = 0; r->c->corrupt_permille > 0 && i < n; i++) {
		corrupt(r, m[i], &meta[i], HMAC_OFF);
		valid -= !meta[i].is_valid;
	}
	need(rte_ring_enqueue_bulk(r->b->in[0], (void **)m, n, NULL) == n, "ring is full");
	return valid;
}

static uint64_t
collected(const struct rig *r)
{
	struct tw_dp_stats st;

	tw_dp_stats_get(r->dp, 0, &st);
	return st.ctr[TW_DP_CTR_COLLECTED];
}

/* What left goes to the far end; its replies are there for the next turns. @return requests */
static unsigned
turn_around(struct rig *r, bool has_replies)
{
	static struct meta meta[OUT_MAX];
	struct rte_mbuf *m[OUT_MAX];
	struct tw_dp_event ev;
	unsigned kept;
	const unsigned n = requests_take(r, m, meta, &kept);

	if (has_replies && kept > 0)
		r->replies_due += replies_put(r, m, meta, kept);
	else
		rte_pktmbuf_free_bulk(m, kept);
	while (tw_dp_event_pop(r->dp, &ev, 1) > 0)
		;
	return n;
}

/*
 * Send, and collect if @p has_replies, in full bursts as a busy lcore does: each turn sends some of
 * what fell due and takes replies to what left before. @return cycles per request
 */
static double
run_live(struct rig *r, unsigned packets, bool has_replies)
{
	const uint64_t step_tsc = (uint64_t)(r->b->hz / TOTAL_PPS * SEND_BATCH);
	struct tw_dp_lcore *lc = tw_dp_lcore_at(r->dp, 0);
	uint64_t next_tsc = rte_rdtsc(), tsc = 0, sent = 0;

	while (sent < packets) {
		uint64_t begin_tsc;

		wait_until(next_tsc);
		next_tsc += step_tsc;
		begin_tsc = rte_rdtsc();
		for (unsigned i = 0; i < SEND_BATCH / TW_DP_BURST; i++)
			(void)rig_turn(r, lc);
		tsc += rte_rdtsc() - begin_tsc;
		sent += turn_around(r, has_replies);
	}
	(void)work(r);
	if (has_replies && collected(r) != r->replies_due)
		die("%s: %lu replies collected, not %lu", r->c->name, collected(r), r->replies_due);
	(void)turn_around(r, has_replies);
	return (double)tsc / (double)sent;
}

/* Send all first, then collect. @return cycles per reply */
static double
run_collect(struct rig *r, unsigned packets)
{
	const unsigned each = RTE_MAX(packets / r->c->sessions, 1u), all = each * r->c->sessions;
	struct meta *meta = calloc(all + OUT_MAX, sizeof(*meta));
	struct rte_mbuf *m[OUT_MAX];
	unsigned kept = 0, n;
	uint64_t tsc = 0, due;

	need(meta != NULL, "no memory");
	senders_start(r, each);
	due = collected(r);
	for (unsigned sent = 0; sent < all; kept += n) {
		(void)work(r);
		sent += requests_take(r, m, meta + kept, &n);
		rte_pktmbuf_free_bulk(m, n);
	}
	for (unsigned at = 0; at < kept; at += n) {
		n = RTE_MIN(kept - at, (unsigned)BATCH);

		for (unsigned i = 0; i < n; i++) {
			m[i] = rte_pktmbuf_alloc(r->b->pool);
			need(m[i] != NULL && rte_pktmbuf_append(m[i], r->c->frame) != NULL,
				"no packet buffer left");
		}
		due += replies_put(r, m, meta + at, n);
		tsc += work(r);
	}
	if (collected(r) != due)
		die("%s: %lu replies collected, not %lu", r->c->name, collected(r), due);
	senders_end(r);
	free(meta);
	return (double)tsc / kept;
}

void
run_send(struct bench *b, const struct bench_case *c, struct bench_result *res)
{
	const unsigned packets = b->opts.is_quick ? PACKETS_QUICK : PACKETS;
	const bool is_live = c->work != WORK_COLLECT, has_replies = c->work != WORK_SEND;
	struct rig *r = rig_new(b, c, 1);
	double cyc[RUNS_MAX];
	uint64_t pairs;

	r->send = calloc(c->sessions, sizeof(struct tw_send_sess *));
	need(r->send != NULL, "no memory");
	if (is_live) {
		senders_start(r, 0);
		if (c->loss_pct > 0 && c->sessions == 1) {
			r->lose_first = LAG_FIRST;
			(void)run_live(r, LAG_FIRST, has_replies);
		}
		/* until the first packets' Tmax is over: from then on one expires for each sent */
		(void)run_live(r, RTE_MAX(c->sessions, (unsigned)(TOTAL_PPS * (TMAX_NS / 1e9))),
			has_replies);
	}
	pairs = rig_pairs(r);
	rig_phases(r, 0);
	for (unsigned i = 0; i < b->opts.runs; i++)
		cyc[i] = is_live ? run_live(r, packets, has_replies) : run_collect(r, packets);
	res->pairs = rig_pairs(r) - pairs;
	res->packets = (uint64_t)packets * b->opts.runs;
	rig_phases(r, res->packets);
	runs_sum(cyc, b->opts.runs, res);
	if (is_live && c->sessions == 1)
		res->lag = r->seq[0] - r->rep_seq[0];
	res->bound_cyc = bound_of(r);
	if (is_live)
		senders_end(r);
	rig_drain(r);
	rig_free(r, res);
}
