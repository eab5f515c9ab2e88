/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Feeds the clock discipline: reads CLOCK_REALTIME between two reads of the TSC ten
 * times a second, asks the kernel whether that clock is synchronised and how wrong it may be, and
 * publishes the model to the data lcores.
 *
 * Context: control lcore, except where said.
 */
#ifndef TW_CLOCK_FEED_H
#define TW_CLOCK_FEED_H

#include <stdint.h>

#include "loop.h"
#include "tw_clock.h"
#include "tw_clock_disc.h"

/* Added to the kernel's maxerror, which linuxptp resets to zero. */
#define TW_CLOCK_FEED_FLOOR_NS 1000

struct tw_clock_feed;

/** A model to publish; @p has_changed if S or the epoch differ from the last one. */
typedef void (*tw_clock_feed_fn)(void *arg, const struct tw_clock *model, bool has_changed);

/**
 * Calibrate: takes about 100 ms. Context: main thread, at start.
 * @return NULL with errno set (EAGAIN: somebody steps the clock all the time)
 */
struct tw_clock_feed *tw_clock_feed_new(void);

/** NULL is fine. */
void tw_clock_feed_free(struct tw_clock_feed *f);

/** Begin to follow, and call @p fn with every model. */
void tw_clock_feed_start(
	struct tw_clock_feed *f, struct tw_loop *loop, tw_clock_feed_fn fn, void *arg);

/** No call follows. */
void tw_clock_feed_stop(struct tw_clock_feed *f);

/** Error floor of the reference against UTC. */
void tw_clock_feed_floor(struct tw_clock_feed *f, uint64_t floor_ns);
uint64_t tw_clock_feed_floor_get(const struct tw_clock_feed *f);

/** The model in force; valid until the next turn of the loop. */
const struct tw_clock *tw_clock_feed_model(const struct tw_clock_feed *f);

/** What the kernel said last. */
const struct tw_clock_sync *tw_clock_feed_sync(const struct tw_clock_feed *f);
const struct tw_clock_disc_stats *tw_clock_feed_stats(const struct tw_clock_feed *f);

/** Now, by the same model as the stamps of packets. */
tw_ns tw_clock_feed_now(const struct tw_clock_feed *f);

#endif /* TW_CLOCK_FEED_H */
