/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * See clock_feed.h. A feed without a model collects readings until they make one.
 */
#include "clock_feed.h"

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include <rte_cycles.h>

#include "log.h"

#define INTERVAL_NS   INT64_C(1000000)
#define FAILED_NS     INT64_C(100000000) /* after a reading that failed */
#define READINGS      5
#define SYNC_EVERY    10 /* readings */
#define CALIB_CNT     32
#define CALIB_STEP_NS INT64_C(3000000)
#define CALIB_TRIES   5

struct tw_clock_feed {
	const char *name;
	struct tw_clock_ref ref;
	struct tw_clock_disc disc;
	struct tw_clock_sync sync;
	uint64_t floor_ns;
	struct tw_loop *loop;
	struct tw_loop_timer timer;
	tw_clock_feed_fn fn;
	void *arg;
	uint32_t last_epoch;
	bool last_synced;
	unsigned turn;
	unsigned calib_cnt;
	struct tw_clock_reading calib[CALIB_CNT];
	uint64_t failed;
	int why_failed;

	struct tw_clock_second now; /* the second under way */
	struct tw_clock_disc_stats begin;
	int64_t second_due_ns;
	unsigned history_next, history_cnt;
	struct tw_clock_second history[TW_CLOCK_FEED_HISTORY];
};

static void
sync_read(struct tw_clock_feed *f)
{
	f->ref.sync(f->ref.arg, &f->sync);
	f->sync.max_error_ns += f->floor_ns;
}

struct tw_clock_feed *
tw_clock_feed_new(const char *name, const struct tw_clock_ref *ref)
{
	struct tw_clock_feed *f = calloc(1, sizeof(*f));

	if (f == NULL) {
		if (ref->close != NULL)
			ref->close(ref->arg);
		return NULL;
	}
	f->name = name;
	f->ref = *ref;
	f->floor_ns = TW_CLOCK_FEED_FLOOR_NS;
	tw_clock_disc_init(&f->disc, NULL);
	sync_read(f);
	return f;
}

void
tw_clock_feed_free(struct tw_clock_feed *f)
{
	if (f == NULL)
		return;
	tw_clock_feed_stop(f);
	if (f->ref.close != NULL)
		f->ref.close(f->ref.arg);
	free(f);
}

/* What a reference does not tell is 0. */
static int
read_once(struct tw_clock_feed *f, struct tw_clock_reading *r)
{
	*r = (struct tw_clock_reading){0};
	return f->ref.read(f->ref.arg, r);
}

/* One more reading of the first model. @return 0: there it is; -EAGAIN: more; or why not */
static int
calibrate_step(struct tw_clock_feed *f)
{
	int ret = read_once(f, &f->calib[f->calib_cnt]);

	if (ret != 0)
		return ret;
	if (++f->calib_cnt < CALIB_CNT)
		return -EAGAIN;
	f->calib_cnt = 0;
	sync_read(f);
	return tw_clock_disc_calibrate(&f->disc, f->calib, CALIB_CNT, &f->sync);
}

int
tw_clock_feed_calibrate(struct tw_clock_feed *f)
{
	const struct timespec step = {.tv_nsec = CALIB_STEP_NS};
	int ret = -EAGAIN;

	for (unsigned i = 0; i < CALIB_TRIES * CALIB_CNT && ret == -EAGAIN; i++) {
		ret = calibrate_step(f);
		nanosleep(&step, NULL);
	}
	f->last_epoch = tw_clock_feed_model(f)->epoch;
	f->last_synced = tw_clock_feed_model(f)->is_synced;
	return ret;
}

static void
publish(struct tw_clock_feed *f)
{
	const struct tw_clock *model = tw_clock_feed_model(f);
	bool has_changed = model->epoch != f->last_epoch || model->is_synced != f->last_synced;

	if (model->epoch != f->last_epoch && f->last_epoch != 0)
		tw_log(TW_LOG_CLOCK, TW_LOG_WARNING,
			"clock %s was stepped by %lld ns: epoch %u begins; one-way figures across "
			"the step are not shown",
			f->name, (long long)f->disc.stats.last_step_ns, model->epoch);
	else if (has_changed)
		tw_log(TW_LOG_CLOCK, TW_LOG_NOTICE, "clock %s %s UTC", f->name,
			model->is_synced ? "is synchronised to" : "is not synchronised to");
	f->last_epoch = model->epoch;
	f->last_synced = model->is_synced;
	f->fn(f->arg, model, has_changed);
}

static void
second_begin(struct tw_clock_feed *f, int64_t now_ns)
{
	f->second_due_ns = now_ns + TW_CLOCK_NS_PER_S;
	f->begin = f->disc.stats;
	f->now = (struct tw_clock_second){
		.offset_min_ns = INT64_MAX, .offset_max_ns = INT64_MIN, .is_synced = true};
}

static void
second_end(struct tw_clock_feed *f)
{
	const struct tw_clock_disc_stats *st = &f->disc.stats;

	f->now.at = tw_clock_feed_now(f);
	f->now.drift_ppb = st->drift_ppb;
	f->now.epoch = tw_clock_feed_model(f)->epoch;
	f->now.readings = (uint16_t)(st->accepted - f->begin.accepted);
	f->now.bends = (uint16_t)(st->bends - f->begin.bends);
	f->now.steps = (uint16_t)(st->steps - f->begin.steps);
	if (f->now.readings == 0)
		f->now.offset_min_ns = f->now.offset_max_ns = 0;
	f->history[f->history_next] = f->now;
	f->history_next = (f->history_next + 1) % TW_CLOCK_FEED_HISTORY;
	if (f->history_cnt < TW_CLOCK_FEED_HISTORY)
		f->history_cnt++;
}

static void
second_note(struct tw_clock_feed *f, enum tw_clock_verdict v, int64_t now_ns)
{
	const struct tw_clock *m = tw_clock_feed_model(f);
	int64_t offset_ns = f->disc.stats.last_offset_ns;

	if (v == TW_CLOCK_V_ACCEPTED && offset_ns < f->now.offset_min_ns)
		f->now.offset_min_ns = offset_ns;
	if (v == TW_CLOCK_V_ACCEPTED && offset_ns > f->now.offset_max_ns)
		f->now.offset_max_ns = offset_ns;
	if (m->stamp_error_ns + m->clock_error_ns > f->now.stamp_error_ns)
		f->now.stamp_error_ns = m->stamp_error_ns + m->clock_error_ns;
	if (m->sync_error_ns > f->now.sync_error_ns)
		f->now.sync_error_ns = m->sync_error_ns;
	f->now.is_synced &= m->is_synced;
	if (now_ns < f->second_due_ns)
		return;
	second_end(f);
	second_begin(f, now_ns);
}

/* Read and follow. @return ns until the next time */
static int64_t
follow(struct tw_clock_feed *f, int64_t now_ns)
{
	struct tw_clock_reading r[READINGS];
	enum tw_clock_verdict verdict;
	int ret = 0;

	for (unsigned i = 0; i < READINGS && ret == 0; i++)
		ret = read_once(f, &r[i]);
	f->why_failed = ret;
	if (ret != 0) { /* the model gets old, and says so */
		f->failed++;
		return FAILED_NS;
	}
	if (f->turn++ % SYNC_EVERY == 0)
		sync_read(f);
	verdict = tw_clock_disc_sample(&f->disc, r, READINGS, &f->sync);
	publish(f); /* a reading that moves nothing may have changed the sync state */
	second_note(f, verdict, now_ns);
	return INTERVAL_NS;
}

/* Collect what makes the first model. @return ns until the next time */
static int64_t
begin(struct tw_clock_feed *f, int64_t now_ns)
{
	int ret = calibrate_step(f);

	if (ret == -EAGAIN)
		return CALIB_STEP_NS;
	if (ret == 0) {
		publish(f);
		second_begin(f, now_ns);
		return INTERVAL_NS;
	}
	f->why_failed = ret;
	f->failed++;
	f->calib_cnt = 0;
	return FAILED_NS;
}

static void
on_timer(void *arg, int64_t now_ns)
{
	struct tw_clock_feed *f = arg;
	int64_t wait_ns;

	wait_ns = tw_clock_feed_model(f)->epoch == 0 ? begin(f, now_ns) : follow(f, now_ns);
	/* all feeds in one turn of the loop: each wake-up may cost a data lcore its CPU */
	tw_loop_timer_set(
		f->loop, &f->timer, (now_ns / INTERVAL_NS) * INTERVAL_NS + wait_ns, on_timer, f);
}

void
tw_clock_feed_start(struct tw_clock_feed *f, struct tw_loop *loop, tw_clock_feed_fn fn, void *arg)
{
	f->loop = loop;
	f->fn = fn;
	f->arg = arg;
	second_begin(f, tw_loop_clock());
	tw_loop_timer_set(loop, &f->timer, tw_loop_clock(), on_timer, f);
}

void
tw_clock_feed_stop(struct tw_clock_feed *f)
{
	if (f->loop != NULL)
		tw_loop_timer_del(f->loop, &f->timer);
	f->loop = NULL;
}

void
tw_clock_feed_floor(struct tw_clock_feed *f, uint64_t floor_ns)
{
	f->floor_ns = floor_ns;
	sync_read(f);
}

uint64_t
tw_clock_feed_floor_get(const struct tw_clock_feed *f)
{
	return f->floor_ns;
}

const char *
tw_clock_feed_kind(const struct tw_clock_feed *f)
{
	return f->ref.kind;
}

const struct tw_clock *
tw_clock_feed_model(const struct tw_clock_feed *f)
{
	return tw_clock_disc_model(&f->disc);
}

const struct tw_clock_sync *
tw_clock_feed_sync(const struct tw_clock_feed *f)
{
	return &f->sync;
}

const struct tw_clock_disc_stats *
tw_clock_feed_stats(const struct tw_clock_feed *f)
{
	return &f->disc.stats;
}

uint64_t
tw_clock_feed_failed(const struct tw_clock_feed *f, int *why)
{
	*why = f->why_failed;
	return f->failed;
}

const struct tw_clock_second *
tw_clock_feed_second(const struct tw_clock_feed *f, uint64_t i)
{
	if (i >= f->history_cnt)
		return NULL;
	return &f->history[(f->history_next + TW_CLOCK_FEED_HISTORY - 1 - i) %
			   TW_CLOCK_FEED_HISTORY];
}

tw_ns
tw_clock_feed_now(const struct tw_clock_feed *f)
{
	return tw_clock_at(tw_clock_feed_model(f), rte_rdtsc());
}
