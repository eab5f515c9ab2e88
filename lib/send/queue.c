/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The sessions of a lcore in order of time: what is due to be sent, and what time alone brings
 * (reports, ends of drains). Two heaps, so that housekeeping never stands before a packet.
 */
#include <errno.h>

#include "prng.h"
#include "send_i.h"

/* Visits of sessions that only skip, in one poll: bounds the work after a stall. */
#define SKIP_VISITS_MAX 64

size_t
tw_send_size(uint32_t capacity)
{
	size_t size = sizeof(struct tw_send) + 2 * (size_t)capacity * sizeof(struct heap_item);

	return (size + TW_CACHE_LINE - 1) / TW_CACHE_LINE * TW_CACHE_LINE;
}

struct tw_send *
tw_send_init(void *mem, uint32_t capacity, struct tw_engine *eng, const uint64_t seed[4])
{
	struct tw_send *snd = mem;

	memset(snd, 0, sizeof(*snd));
	snd->eng = eng;
	heap_init(&snd->due, snd->items, capacity, offsetof(struct tw_send_sess, due_pos));
	heap_init(&snd->tick, snd->items + capacity, capacity,
		offsetof(struct tw_send_sess, tick_pos));
	prng_seed(snd->pad_prng, seed);
	for (unsigned i = 0; i < PAD_POOL_SIZE; i += sizeof(uint64_t)) {
		uint64_t v = prng_next(snd->pad_prng);

		memcpy(&snd->pad_pool[i], &v, sizeof(v));
	}
	return snd;
}

void
tw_send_use_pairs(struct tw_send *snd, struct tw_pairs *pairs)
{
	snd->pairs = pairs;
}

uint32_t
tw_send_cnt(const struct tw_send *snd)
{
	return snd->tick.cnt;
}

int64_t
tw_send_next_due(const struct tw_send *snd)
{
	const struct heap_item *due = heap_top(&snd->due), *tick = heap_top(&snd->tick);
	int64_t t = INT64_MAX;

	if (due != NULL)
		t = due->key_ns;
	if (tick != NULL && tick->key_ns < t)
		t = tick->key_ns;
	return t;
}

/* What time alone brings next. INT64_MAX keeps a session without either in the heap. */
static int64_t
tick_key(const struct tw_send_sess *sess)
{
	return sess->report_due_ns < sess->drain_end_ns ? sess->report_due_ns : sess->drain_end_ns;
}

void
send_drain(struct tw_send *snd, struct tw_send_sess *sess)
{
	heap_del(&snd->due, sess);
	sess->drain_end_ns = sess->last_sent_ns + sess->tmax_ns;
	send_state_set(sess, TW_SESS_DRAINING);
	heap_set(&snd->tick, sess, tick_key(sess));
}

static void
queue_due(struct tw_send *snd, struct tw_send_sess *sess)
{
	int64_t due_ns = sess->sched.due_ns;

	heap_set(&snd->due, sess, due_ns > sess->hold_ns ? due_ns : sess->hold_ns);
}

/* Where the schedule says, or to the drain if it says nothing more. */
static void
requeue(struct tw_send *snd, struct tw_send_sess *sess)
{
	if (!sched_is_over(sess))
		queue_due(snd, sess);
	else if (sess->pending != 0)
		heap_del(&snd->due, sess); /* the burst under way may still bring it back */
	else
		send_drain(snd, sess);
}

int
tw_send_add(struct tw_send *snd, struct tw_send_sess *sess, const struct tw_send_steady *steady,
	int64_t now_ns)
{
	int64_t start_ns = tw_send_steady_at(steady, sess->start);

	if (tw_sess_state_get(&sess->s) != TW_SESS_RESERVED)
		return -EINVAL;
	if (snd->tick.cnt == snd->tick.size)
		return -ENOSPC;
	if (start_ns < now_ns)
		start_ns = now_ns;
	sched_start(sess, start_ns);
	sess->last_sent_ns = start_ns;
	sess->drain_end_ns = INT64_MAX;
	sess->report_due_ns = sess->report_ns > 0 ? start_ns + sess->report_ns : INT64_MAX;
	sess->pending = 0;
	sess->hold_ns = start_ns;
	sess->is_probing = false;
	send_state_set(sess, TW_SESS_RUNNING);
	heap_set(&snd->tick, sess, tick_key(sess));
	requeue(snd, sess);
	return 0;
}

void
tw_send_stop(struct tw_send *snd, struct tw_send_sess *sess, int64_t now_ns)
{
	if (tw_sess_state_get(&sess->s) != TW_SESS_RUNNING)
		return;
	if (sess->last_sent_ns > now_ns) /* stopped before its start time: nothing to wait for */
		sess->last_sent_ns = now_ns - sess->tmax_ns;
	send_drain(snd, sess);
}

void
tw_send_remove(struct tw_send *snd, struct tw_send_sess *sess)
{
	heap_del(&snd->due, sess);
	heap_del(&snd->tick, sess);
	send_state_set(sess, TW_SESS_ENDED);
}

static void
fill_job(struct tw_send_job *job, struct tw_send_sess *sess, uint64_t seq)
{
	job->sess = sess;
	job->len = sess->size;
	job->tos = tw_sess_tos(&sess->s);
	job->room = 0;
	job->payload = NULL;
	job->is_refused = false;
	job->seq = seq;
	job->t1 = NULL;
	sched_save(sess, &job->was);
}

/*
 * The packets of one session that is due. It gives way to others that are due after each packet;
 * where there are none it goes on, and the queue sees only the outcome.
 */
static unsigned
take_due(struct tw_send *snd, struct tw_send_sess *sess, int64_t now_ns, struct tw_send_job *jobs,
	unsigned max)
{
	const uint64_t seq = atomic_load_explicit(&sess->next_seq, memory_order_relaxed);
	unsigned n = 0;

	if (sess->is_probing || heap_rival_ns(&snd->due) <= now_ns)
		max = 1;
	do {
		fill_job(&jobs[n], sess, seq + n);
		sched_advance(sess);
		n++;
	} while (n < max && sess->sched.due_ns <= now_ns && !sched_is_over(sess));
	sess->hold_ns = sess->is_probing ? now_ns + TW_SEND_RETRY_NS : now_ns;
	sess->pending += n;
	atomic_store_explicit(&sess->next_seq, seq + n, memory_order_relaxed);
	return n;
}

unsigned
tw_send_poll(struct tw_send *snd, int64_t now_ns, struct tw_send_job *jobs, unsigned max)
{
	unsigned n = 0, skip_visits = 0;

	TW_ASSERT(max <= TW_BURST_MAX);
	while (n < max && skip_visits < SKIP_VISITS_MAX) {
		const struct heap_item *top = heap_top(&snd->due);
		struct tw_send_sess *sess;

		if (top == NULL || top->key_ns > now_ns)
			break;
		sess = top->sess;
		if (now_ns - sess->sched.due_ns > sess->max_lag_ns) {
			tw_ctr_add(&sess->skipped, sched_skip(sess, now_ns - sess->max_lag_ns));
			skip_visits++;
		} else {
			n += take_due(snd, sess, now_ns, &jobs[n], max - n);
		}
		requeue(snd, sess);
	}
	return n;
}

/* A window is closed piece by piece while it is filled. */
#define EXPIRE_EVERY 32

/* @p n packets of one session, in order of their numbers, with one T1. */
static void
count_sent(const struct tw_send_job *jobs, unsigned n, int64_t left_ns)
{
	struct tw_send_sess *sess = jobs[0].sess;
	const int64_t lag_ns = left_ns - jobs[0].was.due_ns; /* the others are less behind */
	const struct tw_send_job *last = &jobs[n - 1];
	unsigned late = 0;

	sess->last_sent_ns = left_ns;
	while (late < n && left_ns - jobs[late].was.due_ns > sess->late_after_ns)
		late++;
	if (late > 0)
		tw_ctr_add(&sess->late, late);
	if (lag_ns > atomic_load_explicit(&sess->lag_max_ns, memory_order_relaxed))
		atomic_store_explicit(&sess->lag_max_ns, lag_ns, memory_order_relaxed);
	if (sess->metrics == NULL)
		return;
	tw_metrics_sent_all(
		sess->metrics, (uint32_t)jobs[0].seq, n, jobs[0].t1->ntp, &jobs[0].t1->at);
	if (jobs[0].seq / EXPIRE_EVERY != (last->seq + 1) / EXPIRE_EVERY)
		tw_metrics_expire(sess->metrics, &jobs[0].t1->at);
}

/* Jobs from the first on that left as one. */
static unsigned
run_of(const struct tw_send_job *jobs, unsigned n)
{
	unsigned k = 1;

	while (k < n && jobs[k].sess == jobs[0].sess && !jobs[k].is_refused &&
		jobs[k].seq == jobs[0].seq + k && jobs[k].t1 == jobs[0].t1)
		k++;
	return k;
}

/* The next job after jobs[0], of the same session, that left. */
static const struct tw_send_job *
later_one(const struct tw_send_job *jobs, unsigned n)
{
	for (unsigned i = 1; i < n; i++) {
		if (jobs[i].sess == jobs[0].sess && !jobs[i].is_refused)
			return &jobs[i];
	}
	return NULL;
}

/* A refused one whose number cannot be taken back, since a later one left: it counts as sent. */
static void
count_gap(struct tw_send_job *jobs, unsigned n, int64_t left_ns)
{
	const struct tw_send_job *later = later_one(jobs, n);

	if (later == NULL)
		return;
	if (jobs[0].t1 == NULL) /* refused before it was stamped */
		jobs[0].t1 = later->t1;
	count_sent(jobs, 1, left_ns);
}

/* The packet is due again and its number free, unless the number had to count as sent. */
static void
take_back(struct tw_send *snd, const struct tw_send_job *job, int64_t left_ns)
{
	struct tw_send_sess *sess = job->sess;

	tw_ctr_inc(&sess->tx_refused);
	if (atomic_load_explicit(&sess->next_seq, memory_order_relaxed) != job->seq + 1)
		return;
	atomic_store_explicit(&sess->next_seq, job->seq, memory_order_relaxed);
	sched_restore(sess, &job->was);
	sess->is_probing = true;
	sess->hold_ns = left_ns + TW_SEND_RETRY_NS;
	queue_due(snd, sess);
}

/* The device takes packets of the session again: on as the schedule says. */
static void
end_probing(struct tw_send *snd, struct tw_send_sess *sess, int64_t left_ns)
{
	sess->is_probing = false;
	sess->hold_ns = left_ns;
	if (!sched_is_over(sess))
		queue_due(snd, sess);
}

/* @p n packets of a session are out of the burst. */
static void
settle_burst(struct tw_send *snd, struct tw_send_sess *sess, unsigned n)
{
	sess->pending -= n;
	if (sess->pending == 0 && sched_is_over(sess))
		send_drain(snd, sess);
}

/* Some were refused: from the last one back, so that numbers are given back in order. */
static void
finish_refused(struct tw_send *snd, const struct tw_send_job *jobs, unsigned n, int64_t left_ns)
{
	for (unsigned i = n; i-- > 0;) {
		if (jobs[i].is_refused)
			take_back(snd, &jobs[i], left_ns);
		settle_burst(snd, jobs[i].sess, 1);
	}
}

unsigned
tw_send_finish(struct tw_send *snd, struct tw_send_job *jobs, unsigned n, int64_t left_ns)
{
	unsigned sent = 0, k = 0;

	for (unsigned i = 0; i < n; i += k) {
		if (jobs[i].is_refused) {
			k = 1;
			count_gap(&jobs[i], n - i, left_ns);
			continue;
		}
		k = run_of(&jobs[i], n - i);
		sent += k;
		count_sent(&jobs[i], k, left_ns);
		if (jobs[i].sess->is_probing)
			end_probing(snd, jobs[i].sess, left_ns);
	}
	if (sent < n) {
		finish_refused(snd, jobs, n, left_ns);
		return sent;
	}
	if (n > 0 && k == n) { /* one run, as mostly */
		settle_burst(snd, jobs[0].sess, n);
		return sent;
	}
	for (unsigned i = 0; i < n; i += k) {
		for (k = 1; i + k < n && jobs[i + k].sess == jobs[i].sess;)
			k++;
		settle_burst(snd, jobs[i].sess, k);
	}
	return sent;
}

static void
report_next(struct tw_send_sess *sess, int64_t now_ns)
{
	sess->report_due_ns += sess->report_ns;
	if (sess->report_due_ns <= now_ns) /* missed some: the next whole one */
		sess->report_due_ns = now_ns + sess->report_ns;
}

/* Packets settled in one visit of a session (some 20 us), and visits in one tick. */
#define SETTLE_BUDGET   4096
#define TICK_VISITS_MAX 64

/* The drain is over. False: its metrics need another visit. */
static bool
end_session(struct tw_send *snd, struct tw_send_sess *sess, const struct tw_stamp *now,
	struct tw_send_event *ev)
{
	send_state_set(sess, TW_SESS_ENDED); /* what comes now would come too late */
	if (sess->metrics != NULL) {
		if (!tw_metrics_finish(sess->metrics, SETTLE_BUDGET))
			return false;
		tw_metrics_interval_take(sess->metrics, now[sess->clock_idx].time, &ev->interval);
	}
	ev->type = TW_SEND_EVENT_DONE;
	tw_send_remove(snd, sess);
	return true;
}

static void
report(struct tw_send *snd, struct tw_send_sess *sess, int64_t now_ns, const struct tw_stamp *now,
	struct tw_send_event *ev)
{
	if (sess->metrics != NULL) {
		tw_metrics_expire(sess->metrics, &now[sess->clock_idx]);
		tw_metrics_interval_take(sess->metrics, now[sess->clock_idx].time, &ev->interval);
	}
	ev->type = TW_SEND_EVENT_REPORT;
	report_next(sess, now_ns);
	heap_set(&snd->tick, sess, tick_key(sess));
}

/* A step of the clock cut an interval short: that comes first, what was due stays due. */
static bool
take_cut(const struct tw_send_sess *sess, struct tw_send_event *ev)
{
	if (sess->metrics == NULL || sess->report_ns <= 0)
		return false;
	ev->type = TW_SEND_EVENT_REPORT;
	return tw_metrics_interval_cut(sess->metrics, &ev->interval);
}

unsigned
tw_send_tick(struct tw_send *snd, int64_t now_ns, const struct tw_stamp *now,
	struct tw_send_event *ev, unsigned max)
{
	unsigned n = 0;

	for (unsigned visits = 0; n < max && visits < TICK_VISITS_MAX; visits++) {
		const struct heap_item *top = heap_top(&snd->tick);
		struct tw_send_sess *sess;

		if (top == NULL || top->key_ns > now_ns)
			break;
		sess = top->sess;
		ev[n] = (struct tw_send_event){.sess = sess, .due_ns = top->key_ns};
		if (take_cut(sess, &ev[n])) {
			n++;
		} else if (sess->drain_end_ns > now_ns) {
			report(snd, sess, now_ns, now, &ev[n++]);
		} else if (end_session(snd, sess, now, &ev[n])) {
			n++;
		} else {
			/* behind the others that wait, so that one big session cannot hold them up
			 */
			sess->drain_end_ns = now_ns;
			sess->report_due_ns = INT64_MAX;
			heap_set(&snd->tick, sess, now_ns);
			break;
		}
	}
	return n;
}
