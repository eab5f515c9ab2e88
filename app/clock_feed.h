/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Feeds the discipline of one clock: reads its reference a thousand times a second, asks
 * a hundred times whether that is synchronised and how wrong it may be, publishes the model, keeps
 * a history.
 *
 * Context: control lcore, except where said.
 */
#ifndef TW_CLOCK_FEED_H
#define TW_CLOCK_FEED_H

#include <stdint.h>

#include "clock_ref.h"
#include "loop.h"
#include "tw_clock.h"
#include "tw_clock_disc.h"

/* Added to what the reference's owner says: linuxptp resets the kernel's maxerror to zero. */
#define TW_CLOCK_FEED_FLOOR_NS 1000

/* Seconds of history kept. */
#define TW_CLOCK_FEED_HISTORY 300

/* One second of a clock. */
struct tw_clock_second {
	tw_ns at;                             /* its end, by this clock */
	int64_t offset_min_ns, offset_max_ns; /* reference - model, at the readings */
	int64_t drift_ppb;                    /* at its end */
	uint32_t stamp_error_ns;              /* largest */
	uint32_t sync_error_ns;               /* largest */
	uint32_t epoch;                       /* at its end */
	uint16_t readings;                    /* accepted */
	uint16_t bends;                       /* changes of the reference's rate */
	uint16_t steps;
	bool is_synced; /* throughout */
};

struct tw_clock_feed;

/** A model to publish; @p has_changed if S or the epoch differ from the last one. */
typedef void (*tw_clock_feed_fn)(void *arg, const struct tw_clock *model, bool has_changed);

/**
 * Make a feed. It has no model yet (epoch 0).
 * @param name  for the log; must outlive the feed
 * @param ref   taken over, also on failure
 * @return NULL with errno set
 */
struct tw_clock_feed *tw_clock_feed_new(const char *name, const struct tw_clock_ref *ref);

/** Closes the reference. NULL is fine. */
void tw_clock_feed_free(struct tw_clock_feed *f);

/**
 * Make the first model at once: sleeps for some 100 ms. Context: main thread, at start. Others
 * leave it to tw_clock_feed_start(), which takes the same time without waiting.
 * @return 0 or -errno (-EAGAIN: somebody steps the reference all the time)
 */
int tw_clock_feed_calibrate(struct tw_clock_feed *f);

/** Begin to follow, and call @p fn with every model. */
void tw_clock_feed_start(
	struct tw_clock_feed *f, struct tw_loop *loop, tw_clock_feed_fn fn, void *arg);

/** No call follows. */
void tw_clock_feed_stop(struct tw_clock_feed *f);

/** Error floor of the reference against UTC. */
void tw_clock_feed_floor(struct tw_clock_feed *f, uint64_t floor_ns);
uint64_t tw_clock_feed_floor_get(const struct tw_clock_feed *f);

/** "kernel", "phc", ... */
const char *tw_clock_feed_kind(const struct tw_clock_feed *f);

/** The model in force; valid until the next turn of the loop. */
const struct tw_clock *tw_clock_feed_model(const struct tw_clock_feed *f);

/** What the owner of the reference said last, floor included. */
const struct tw_clock_sync *tw_clock_feed_sync(const struct tw_clock_feed *f);
const struct tw_clock_disc_stats *tw_clock_feed_stats(const struct tw_clock_feed *f);

/** Readings that failed, and why the last one did (0: it did not). */
uint64_t tw_clock_feed_failed(const struct tw_clock_feed *f, int *why);

/** Second @p i of the history, the newest is 0; NULL beyond the last. */
const struct tw_clock_second *tw_clock_feed_second(const struct tw_clock_feed *f, uint64_t i);

/** Now, by the same model as the stamps of packets. 0 without a model. */
tw_ns tw_clock_feed_now(const struct tw_clock_feed *f);

#endif /* TW_CLOCK_FEED_H */
