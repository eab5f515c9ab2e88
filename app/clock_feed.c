/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Reading the reference clock. The only place of the appliance that reads CLOCK_REALTIME for
 * stamps.
 */
#include "clock_feed.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/timex.h>
#include <time.h>

#include <rte_cycles.h>

#include "log.h"

#define INTERVAL_NS   INT64_C(100000000)
#define AGAIN_NS      INT64_C(1000000) /* after a suspect reading */
#define READINGS      5
#define CALIB_CNT     32
#define CALIB_STEP_NS INT64_C(3000000)
#define CALIB_TRIES   5
#define NS_PER_US     1000U

struct tw_clock_feed {
	struct tw_clock_disc disc;
	struct tw_clock_sync sync;
	uint64_t floor_ns;
	struct tw_loop *loop;
	struct tw_loop_timer timer;
	tw_clock_feed_fn fn;
	void *arg;
	uint32_t last_epoch;
	bool last_synced;
};

static void
reading_take(struct tw_clock_reading *r)
{
	struct timespec ts;

	r->tsc_before = rte_rdtsc_precise();
	clock_gettime(CLOCK_REALTIME, &ts);
	r->tsc_after = rte_rdtsc_precise();
	r->ref.ns = (int64_t)ts.tv_sec * TW_CLOCK_NS_PER_S + ts.tv_nsec;
}

/* adjtimex() without a request: needs no privilege and changes nothing. */
static void
sync_read(struct tw_clock_feed *f)
{
	struct timex tx = {.modes = 0};
	int state = adjtimex(&tx);

	f->sync.is_synced = state >= 0 && state != TIME_ERROR && (tx.status & STA_UNSYNC) == 0;
	f->sync.max_error_ns = f->floor_ns;
	if (tx.maxerror > 0)
		f->sync.max_error_ns += (uint64_t)tx.maxerror * NS_PER_US;
}

static int
calibrate(struct tw_clock_feed *f)
{
	const struct timespec step = {.tv_nsec = CALIB_STEP_NS};
	struct tw_clock_reading r[CALIB_CNT];
	unsigned i;

	for (i = 0; i < CALIB_CNT; i++) {
		reading_take(&r[i]);
		nanosleep(&step, NULL);
	}
	sync_read(f);
	return tw_clock_disc_calibrate(&f->disc, r, CALIB_CNT, &f->sync);
}

struct tw_clock_feed *
tw_clock_feed_new(void)
{
	struct tw_clock_feed *f = calloc(1, sizeof(*f));
	unsigned i;
	int ret = -EAGAIN;

	if (f == NULL)
		return NULL;
	f->floor_ns = TW_CLOCK_FEED_FLOOR_NS;
	tw_clock_disc_init(&f->disc, NULL);
	for (i = 0; i < CALIB_TRIES && ret == -EAGAIN; i++)
		ret = calibrate(f);
	if (ret == 0) {
		f->last_epoch = tw_clock_feed_model(f)->epoch;
		f->last_synced = tw_clock_feed_model(f)->is_synced;
		return f;
	}
	free(f);
	errno = -ret;
	return NULL;
}

void
tw_clock_feed_free(struct tw_clock_feed *f)
{
	if (f == NULL)
		return;
	tw_clock_feed_stop(f);
	free(f);
}

static void
publish(struct tw_clock_feed *f)
{
	const struct tw_clock *model = tw_clock_feed_model(f);
	bool has_changed = model->epoch != f->last_epoch || model->is_synced != f->last_synced;

	if (model->epoch != f->last_epoch)
		tw_log(TW_LOG_CLOCK, TW_LOG_WARNING,
			"the system clock was stepped by %lld ns: epoch %u begins; one-way figures "
			"across the step are not shown",
			(long long)f->disc.stats.last_step_ns, model->epoch);
	else if (has_changed)
		tw_log(TW_LOG_CLOCK, TW_LOG_NOTICE, "clock %s UTC",
			model->is_synced ? "is synchronised to" : "is not synchronised to");
	f->last_epoch = model->epoch;
	f->last_synced = model->is_synced;
	f->fn(f->arg, model, has_changed);
}

static void
on_timer(void *arg, int64_t now_ns)
{
	struct tw_clock_reading r[READINGS];
	struct tw_clock_feed *f = arg;
	enum tw_clock_verdict verdict;
	int64_t due = now_ns + INTERVAL_NS;
	unsigned i;

	for (i = 0; i < READINGS; i++)
		reading_take(&r[i]);
	sync_read(f);
	verdict = tw_clock_disc_sample(&f->disc, r, READINGS, &f->sync);
	if (verdict == TW_CLOCK_V_SUSPECT)
		due = now_ns + AGAIN_NS;
	publish(f); /* a reading that moves nothing may have changed the sync state */
	tw_loop_timer_set(f->loop, &f->timer, due, on_timer, f);
}

void
tw_clock_feed_start(struct tw_clock_feed *f, struct tw_loop *loop, tw_clock_feed_fn fn, void *arg)
{
	f->loop = loop;
	f->fn = fn;
	f->arg = arg;
	tw_loop_timer_set(loop, &f->timer, tw_loop_clock(), on_timer, f);
}

void
tw_clock_feed_stop(struct tw_clock_feed *f)
{
	if (f->loop != NULL)
		tw_loop_timer_del(f->loop, &f->timer);
}

void
tw_clock_feed_floor(struct tw_clock_feed *f, uint64_t floor_ns)
{
	f->floor_ns = floor_ns;
}

uint64_t
tw_clock_feed_floor_get(const struct tw_clock_feed *f)
{
	return f->floor_ns;
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

tw_ns
tw_clock_feed_now(const struct tw_clock_feed *f)
{
	return tw_clock_at(tw_clock_feed_model(f), rte_rdtsc());
}
