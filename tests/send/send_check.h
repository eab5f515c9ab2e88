/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * A sending lcore under virtual time: steady time is UTC here unless a test steps the clock.
 */
#ifndef SEND_CHECK_H
#define SEND_CHECK_H

#include "sess_check.h"
#include "tw_send.h"

#define CHECK_ROOM 2048
#define CHECK_CAP  64 /* sessions a sender takes */

#define US 1000LL
#define MS 1000000LL
#define S  1000000000LL

struct check_snd {
	struct tw_engine *eng;
	struct tw_send *snd;
	struct tw_send_steady steady;
	struct tw_send_job jobs[TW_BURST_MAX];
	uint8_t buf[TW_BURST_MAX][CHECK_ROOM];
	unsigned polled; /* jobs of the last burst */
};

struct check_snd *check_snd(const char *engine, uint32_t capacity);
void check_snd_free(struct check_snd *c);

/** A periodic open session of @p count packets of 41 octets, not yet added. */
struct tw_send_cfg check_periodic(uint64_t interval_ns, uint64_t count);

/**
 * One burst at @p now_ns: poll, build, protect, stamp; the device takes all but the last
 * @p refused of at most @p max jobs. Returns what left; c->polled and c->jobs tell the rest.
 */
unsigned check_burst(struct check_snd *c, int64_t now_ns, unsigned max, unsigned refused);

/** Bursts at @p now_ns until nothing is due. Returns what left. */
uint64_t check_all_due(struct check_snd *c, int64_t now_ns);

/** Metrics for a session, in memory that is never returned. */
struct tw_metrics *check_metrics(const struct tw_send_cfg *cfg);

struct tw_send_counts check_counts(const struct tw_send_sess *sess);

#endif /* SEND_CHECK_H */
