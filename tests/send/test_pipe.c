/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Sender and reflector joined by two pipes that lose, duplicate and reorder, under virtual time,
 * with devices that refuse: what is reported is what was done to the packets.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "send_check.h"
#include "tw_reflect.h"

#define T0      CHECK_T0_NS
#define COUNT   2000
#define EVENTS  (16 * COUNT)
#define STEP_NS (20 * US) /* a turn of both lcores */
#define LEN     112

/* What a pipe does. Per mille. */
struct pipe {
	unsigned loss, dup;
	int64_t delay_ns, jitter_ns;
};

struct scenario {
	struct pipe forward, reverse;
	unsigned refuse; /* bursts of which a tail is refused, both ends, per mille */
	uint8_t law;
};

/* A packet on its way. */
struct flight {
	int64_t arrive_ns;
	uint8_t buf[LEN];
	uint32_t order; /* ties arrive in order of sending */
	uint32_t s;     /* which request it is or answers */
	uint32_t r;     /* number of the reply */
	int64_t t1_ns, t2_ns, t3_ns;
};

/* The truth about one request. */
struct truth {
	uint32_t replies;  /* copies of replies that arrived */
	uint32_t distinct; /* different replies of which a copy arrived */
};

struct world {
	const struct scenario *sc;
	uint64_t seed;
	struct check_snd *snd;
	struct tw_engine *refl_eng;
	struct tw_reflect rf;
	struct tw_send_sess *send;
	struct tw_refl_sess *refl;
	struct tw_metrics *metrics;
	struct flight to_refl[EVENTS], to_send[EVENTS];
	unsigned to_refl_cnt, to_send_cnt;
	uint32_t order;
	struct truth truth[COUNT];
	uint8_t r_seen[EVENTS];
	uint64_t reached, reordered, dup_reverse, intervals, iv_sent, iv_received, iv_lost, iv_dup;
	uint32_t next_exp; /* RFC 4737, of first replies */
	bool is_done;
};

static bool
chance(struct world *w, unsigned per_mille)
{
	return check_rand(&w->seed) % 1000 < per_mille;
}

/* Into a pipe: nothing, one or two copies, each with a delay of its own. */
static void
put(struct world *w, const struct pipe *p, struct flight *queue, unsigned *cnt,
	const struct flight *f, int64_t now_ns)
{
	unsigned copies = chance(w, p->loss) ? 0 : chance(w, p->dup) ? 2 : 1;

	for (unsigned i = 0; i < copies; i++) {
		cr_assert_lt(*cnt, EVENTS);
		queue[*cnt] = *f;
		queue[*cnt].arrive_ns = now_ns + p->delay_ns +
					(int64_t)(check_rand(&w->seed) % (uint64_t)p->jitter_ns);
		queue[*cnt].order = w->order++;
		(*cnt)++;
	}
}

static int
by_arrival(const void *a, const void *b)
{
	const struct flight *x = a, *y = b;

	if (x->arrive_ns != y->arrive_ns)
		return x->arrive_ns < y->arrive_ns ? -1 : 1;
	return x->order < y->order ? -1 : 1;
}

/* Up to a burst of what has arrived by @p now_ns, in order of arrival. */
static unsigned
take(struct flight *queue, unsigned *cnt, int64_t now_ns, struct flight out[TW_BURST_MAX])
{
	unsigned n = 0;

	qsort(queue, *cnt, sizeof(*queue), by_arrival);
	while (n < *cnt && n < TW_BURST_MAX && queue[n].arrive_ns <= now_ns) {
		out[n] = queue[n];
		n++;
	}
	*cnt -= n;
	memmove(queue, queue + n, *cnt * sizeof(*queue));
	return n;
}

/* How many of the last of @p n the device refuses. */
static unsigned
refusals(struct world *w, unsigned n)
{
	return chance(w, w->sc->refuse) ? (unsigned)(check_rand(&w->seed) % (n + 1)) : 0;
}

static void
sender_turn(struct world *w, int64_t now_ns)
{
	struct check_snd *c = w->snd;

	check_burst(c, now_ns, TW_BURST_MAX, refusals(w, 2));
	for (unsigned i = 0; i < c->polled; i++) {
		struct flight f = {.s = (uint32_t)c->jobs[i].seq, .t1_ns = now_ns};

		if (c->jobs[i].is_refused)
			continue;
		memcpy(f.buf, c->buf[i], LEN);
		put(w, &w->sc->forward, w->to_refl, &w->to_refl_cnt, &f, now_ns);
	}
}

static void
reflector_turn(struct world *w, int64_t now_ns)
{
	struct flight in[TW_BURST_MAX];
	struct tw_reflect_job jobs[TW_BURST_MAX] = {0};
	struct tw_sess_stamp t2[TW_BURST_MAX];
	unsigned n = take(w->to_refl, &w->to_refl_cnt, now_ns, in), refused;
	const int64_t t3_ns = now_ns + 1500;
	const struct tw_sess_stamp t3 = check_stamp(t3_ns);

	for (unsigned i = 0; i < n; i++) {
		t2[i] = check_stamp(in[i].arrive_ns);
		jobs[i] = (struct tw_reflect_job){.sess = w->refl,
			.payload = in[i].buf,
			.rx_len = LEN,
			.room = LEN,
			.ttl = 250,
			.t2 = &t2[i]};
	}
	w->reached += n;
	cr_assert_eq(tw_reflect_verify(&w->rf, jobs, n), n);
	tw_reflect_build(&w->rf, jobs, n);
	cr_assert_eq(tw_reflect_protect(&w->rf, jobs, n, &t3), n);
	refused = refusals(w, n);
	for (unsigned i = 0; i < n; i++) {
		tw_reflect_stamp(&jobs[i], &t3);
		jobs[i].is_refused = i >= n - refused;
	}
	cr_assert_eq(tw_reflect_finish(&w->rf, jobs, n), n - refused);
	for (unsigned i = 0; i < n - refused; i++) {
		in[i].t2_ns = in[i].arrive_ns;
		in[i].t3_ns = t3_ns;
		in[i].r = jobs[i].seq;
		put(w, &w->sc->reverse, w->to_send, &w->to_send_cnt, &in[i], t3_ns);
	}
}

/* What a reply must have been taken for. */
static enum tw_metrics_class
expected(struct world *w, const struct flight *f)
{
	struct truth *t = &w->truth[f->s];
	enum tw_metrics_class cls = TW_METRICS_C_FIRST;

	if (w->r_seen[f->r]) {
		w->dup_reverse++;
		cls = TW_METRICS_C_DUP_REVERSE;
	} else if (t->replies > 0) {
		cls = TW_METRICS_C_DUP_FORWARD;
	} else if (f->s >= w->next_exp) {
		w->next_exp = f->s + 1;
	} else {
		w->reordered++;
	}
	t->replies++;
	t->distinct += !w->r_seen[f->r];
	w->r_seen[f->r] = 1;
	return cls;
}

static void
check_sample(const struct flight *f, const struct tw_metrics_sample *m)
{
	cr_assert_eq(m->seq, f->s);
	cr_assert_leq(llabs(m->round_trip_ns - (f->arrive_ns - f->t1_ns)), 1);
	cr_assert_leq(llabs(m->forward_ns - (f->t2_ns - f->t1_ns)), 1);
	cr_assert_leq(llabs(m->reverse_ns - (f->arrive_ns - f->t3_ns)), 1);
	cr_assert_leq(llabs(m->residence_ns - (f->t3_ns - f->t2_ns)), 1);
}

static void
collector_turn(struct world *w, int64_t now_ns)
{
	struct flight in[TW_BURST_MAX];
	struct tw_send_reply rp[TW_BURST_MAX] = {0};
	struct tw_metrics_sample sample[TW_BURST_MAX];
	struct tw_sess_stamp t4[TW_BURST_MAX];
	unsigned n = take(w->to_send, &w->to_send_cnt, now_ns, in);

	for (unsigned i = 0; i < n; i++) {
		t4[i] = check_stamp(in[i].arrive_ns);
		rp[i] = (struct tw_send_reply){.sess = w->send,
			.payload = in[i].buf,
			.rx_len = LEN,
			.ttl = 251,
			.t4 = &t4[i],
			.sample = &sample[i]};
	}
	cr_assert_eq(tw_send_collect(w->snd->snd, rp, n), n);
	for (unsigned i = 0; i < n; i++) {
		enum tw_metrics_class want = expected(w, &in[i]);

		cr_assert_eq(rp[i].cls, want, "s %u r %u: %s", in[i].s, in[i].r,
			tw_metrics_class_name(rp[i].cls));
		if (want == TW_METRICS_C_FIRST)
			check_sample(&in[i], &sample[i]);
	}
}

static void
tick_turn(struct world *w, int64_t now_ns)
{
	struct tw_send_event ev[4];
	struct tw_stamp now = check_stamp(now_ns).at;
	unsigned n = tw_send_tick(w->snd->snd, now_ns, &now, ev, 4);

	for (unsigned i = 0; i < n; i++) {
		w->intervals++;
		w->iv_sent += ev[i].interval.sent;
		w->iv_received += ev[i].interval.received;
		w->iv_lost += ev[i].interval.lost;
		w->iv_dup += ev[i].interval.duplicates;
		w->is_done |= ev[i].type == TW_SEND_EVENT_DONE;
	}
}

static struct world *
world_new(
	const struct scenario *sc, const struct tw_tst_fmt *fmt, const char *engine, uint64_t seed)
{
	struct world *w = check_alloc(sizeof(*w));
	struct tw_send_cfg cfg = check_periodic(50 * US, COUNT);

	w->sc = sc;
	w->seed = seed;
	cfg.law = sc->law;
	cfg.fmt = fmt;
	cfg.size = LEN;
	cfg.report_ns = 25 * MS;
	w->metrics = cfg.metrics = check_metrics(&cfg);
	w->snd = check_snd(engine, CHECK_CAP);
	w->refl_eng = check_engine(engine);
	tw_reflect_init(&w->rf, w->refl_eng);
	w->send = check_send(&cfg);
	w->refl = check_refl(fmt, cfg.id);
	cr_assert_eq(tw_send_add(w->snd->snd, w->send, &w->snd->steady, T0 - MS), 0);
	return w;
}

static void
world_free(struct world *w)
{
	check_send_free(w->send);
	check_refl_free(w->refl);
	check_snd_free(w->snd);
	check_engine_free(w->refl_eng);
	free(w);
}

/* Everything that is known for certain must be reported so. */
static void
check_report(struct world *w)
{
	const struct tw_metrics_ctr *m = tw_metrics_ctr(w->metrics);
	struct tw_send_counts sc = check_counts(w->send);
	struct tw_refl_counts rc;
	uint64_t answered = 0, dup_forward = 0;

	for (unsigned i = 0; i < COUNT; i++) {
		answered += w->truth[i].replies > 0;
		dup_forward += w->truth[i].distinct > 1 ? w->truth[i].distinct - 1 : 0;
	}
	cr_assert_eq(sc.sent, COUNT);
	cr_assert_eq(sc.skipped, 0);
	cr_assert_eq(tw_ctr_get(&m->sent), COUNT);
	cr_assert_eq(tw_ctr_get(&m->received), answered);
	cr_assert_eq(tw_ctr_get(&m->late), 0);
	cr_assert_eq(tw_ctr_get(&m->unanswered), COUNT - answered);
	cr_assert_eq(tw_ctr_get(&m->duplicates_forward), dup_forward);
	cr_assert_eq(tw_ctr_get(&m->duplicates_reverse), w->dup_reverse);
	cr_assert_eq(tw_ctr_get(&m->reordered_round_trip), w->reordered);
	cr_assert_eq(sc.invalid, 0);
	cr_assert_eq(sc.replies, answered + dup_forward + w->dup_reverse);
	tw_refl_sess_counts(w->refl, &rc);
	cr_assert_eq(rc.reflected + rc.dropped, w->reached);
	cr_assert_eq(rc.dropped, rc.drops[TW_REFL_DROP_TX_REFUSED]);
	cr_assert_eq(w->refl->next_seq, rc.reflected);
	if (w->sc->refuse != 0)
		cr_assert(sc.tx_refused > 0 && rc.dropped > 0);
	/* intervals add up */
	cr_assert_geq(w->intervals, 5);
	cr_assert_eq(w->iv_sent, COUNT);
	cr_assert_eq(w->iv_received, answered);
	cr_assert_eq(w->iv_dup, dup_forward + w->dup_reverse);
	cr_assert_eq(w->iv_lost, COUNT - answered, "%lu %lu", w->iv_lost, COUNT - answered);
}

static void
play(const struct scenario *sc)
{
	check_init();
	for (unsigned k = 0; k < CHECK_FMTS * CHECK_ENGINES; k++) {
		struct world *w = world_new(
			sc, check_fmts[k % CHECK_FMTS], check_engines[k / CHECK_FMTS], 1000 + k);
		int64_t t = T0 - MS;

		while (!w->is_done) {
			sender_turn(w, t);
			reflector_turn(w, t);
			collector_turn(w, t);
			tick_turn(w, t);
			t += tw_send_next_due(w->snd->snd) > t + 20 * MS && w->to_refl_cnt == 0 &&
					     w->to_send_cnt == 0
				     ? 10 * MS
				     : STEP_NS;
			cr_assert_lt(t, T0 + 10 * S);
		}
		check_report(w);
		world_free(w);
	}
}

Test(pipe, clean)
{
	play(&(struct scenario){.forward = {0, 0, 100 * US, 1},
		.reverse = {0, 0, 100 * US, 1},
		.law = TW_SEND_PERIODIC});
}

Test(pipe, loses_both_ways)
{
	play(&(struct scenario){.forward = {50, 0, 300 * US, 1},
		.reverse = {70, 0, 200 * US, 1},
		.law = TW_SEND_POISSON});
}

Test(pipe, duplicates_both_ways)
{
	play(&(struct scenario){.forward = {0, 60, 300 * US, 1},
		.reverse = {0, 40, 200 * US, 1},
		.law = TW_SEND_PERIODIC});
}

Test(pipe, reorders_both_ways)
{
	play(&(struct scenario){.forward = {0, 0, 300 * US, 400 * US},
		.reverse = {0, 0, 200 * US, 300 * US},
		.law = TW_SEND_PERIODIC});
}

Test(pipe, devices_refuse)
{
	play(&(struct scenario){.forward = {0, 0, 300 * US, 1},
		.reverse = {0, 0, 200 * US, 1},
		.refuse = 200,
		.law = TW_SEND_POISSON});
}

Test(pipe, does_everything_at_once)
{
	play(&(struct scenario){.forward = {30, 30, 300 * US, 500 * US},
		.reverse = {40, 20, 200 * US, 300 * US},
		.refuse = 100,
		.law = TW_SEND_POISSON});
}
