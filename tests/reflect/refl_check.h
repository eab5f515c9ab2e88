/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * A reflector lcore for tests: engine under test, reference engine, memory for a burst, and a
 * check of a reply against its request.
 */
#ifndef REFL_CHECK_H
#define REFL_CHECK_H

#include "sess_check.h"
#include "tw_reflect.h"

#define CHECK_ROOM 2048

struct check_refl_lcore {
	struct tw_engine *eng; /* under test */
	struct tw_engine *ref; /* makes requests, opens replies */
	struct tw_reflect rf;
	struct tw_reflect_job jobs[TW_BURST_MAX];
	uint8_t buf[TW_BURST_MAX][CHECK_ROOM];
	uint8_t sent[TW_BURST_MAX][CHECK_ROOM]; /* requests as they were sent */
	struct tw_tst_req req[TW_BURST_MAX];
	struct tw_sess_stamp t2, t3;
};

struct check_refl_lcore *check_lcore(const char *engine);
void check_lcore_free(struct check_refl_lcore *lc);

/** Job @p i: request @p seq of @p len octets to @p sess, arriving at lc->t2. */
void check_job(struct check_refl_lcore *lc, unsigned i, struct tw_refl_sess *sess, uint32_t seq,
	size_t len);

/** All phases of a burst; the last @p refused ok jobs are refused. Returns replies that left. */
unsigned check_run(struct check_refl_lcore *lc, unsigned n, unsigned refused);

/** Job @p i was answered as the standard asks, with number @p seq. */
void check_reply(struct check_refl_lcore *lc, unsigned i, uint32_t seq);

#endif /* REFL_CHECK_H */
