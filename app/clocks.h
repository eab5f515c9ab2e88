/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The clocks of the appliance. Each has a reference of its own and a model that the data lcores
 * stamp with; every port names one. Clock 0, "system", is the kernel's: it is there from the start,
 * is the default of ports, paces the senders and dates what the appliance tells.
 *
 * Context: control lcore, except where said.
 */
#ifndef TW_CLOCKS_H
#define TW_CLOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "clock_feed.h"
#include "clock_ref.h"
#include "tw_dp.h"

#define TW_CLOCKS_MAX       TW_DP_CLOCKS_MAX
#define TW_CLOCKS_NAME_SIZE 32
#define TW_CLOCKS_SYSTEM    0

struct tw_app;
struct tw_clocks;

/* One clock. The words that made it, for `show config`; "" or 0: not given. */
struct tw_clocks_entry {
	char name[TW_CLOCKS_NAME_SIZE];
	unsigned idx;
	struct tw_clock_feed *feed;
	unsigned users; /* ports */
	char dev[64];
	int32_t utc_offset_s;
	uint64_t max_error_ns;
};

/**
 * With the system clock calibrated: takes about 100 ms. Context: main thread, at start.
 * @return NULL with errno set (EAGAIN: somebody steps the clock all the time)
 */
struct tw_clocks *tw_clocks_new(struct tw_app *app);

/** NULL is fine. Context: main, after the control lcore has ended. */
void tw_clocks_free(struct tw_clocks *cs);

/** Begin to follow and publish; stop it. */
void tw_clocks_start(struct tw_clocks *cs);
void tw_clocks_stop(struct tw_clocks *cs);

/**
 * Add a clock. It has no time for some 100 ms.
 * @param ref  taken over, also on failure
 * @param err  told on failure
 * @return 0; -EEXIST (name), -ENOSPC (TW_CLOCKS_MAX), -EINVAL (name), -ENOMEM
 */
int tw_clocks_add(struct tw_clocks *cs, const char *name, const struct tw_clock_ref *ref,
	struct tw_clocks_entry **out, char *err, size_t size);

/** @return 0, -ENOENT, -EBUSY (ports use it), -EPERM (the system clock) */
int tw_clocks_del(struct tw_clocks *cs, const char *name);

/** By name, or by index; NULL if there is none. */
struct tw_clocks_entry *tw_clocks_find(struct tw_clocks *cs, const char *name);
struct tw_clocks_entry *tw_clocks_get(struct tw_clocks *cs, unsigned idx);

/** First one whose index is @p idx or higher, NULL past the end. */
struct tw_clocks_entry *tw_clocks_next(struct tw_clocks *cs, unsigned idx);

/** Error floor of all clocks (setting clock_floor_ns). */
void tw_clocks_floor(struct tw_clocks *cs, uint64_t floor_ns);

/** UTC by the system clock. */
tw_ns tw_clocks_now(const struct tw_clocks *cs);

/** UTC by clock @p idx; by the system clock while it has no model. */
tw_ns tw_clocks_now_of(const struct tw_clocks *cs, unsigned idx);

#endif /* TW_CLOCKS_H */
