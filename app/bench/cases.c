/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * What is measured: the baselines, the rows that have a budget, and the matrix of works, modes,
 * sizes, session counts, orders and faults of the input.
 */
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"

#define CASES_MAX 1024
#define OPEN      (&tw_tst_open)
#define AUTH      (&tw_tst_auth)
#define ENCR      (&tw_tst_encr)

/* clang-format off */
static const struct bench_case budgets[] = {
	{"ring-io", WORK_IO, OPEN, 83, 1, false, 0, 0, 0, 0, 0, 0, 0, false},
	{"swap-5tuple", WORK_SWAP, OPEN, 83, 1, false, 0, 0, 0, 0, 0, 0, 0, false},
	{"stamp", WORK_STAMP, OPEN, 83, 1, false, 0, 0, 0, 0, 0, 0, 0, false},
	{"reflect-open-1", WORK_REFLECT, OPEN, 83, 1, false, 0, 0, 0, 110, 85, 0, 0, false},
	{"reflect-auth-1", WORK_REFLECT, AUTH, 154, 1, false, 0, 0, 0, 230, 190, 0, 0, false},
	{"reflect-auth-1-lossy", WORK_REFLECT, AUTH, 154, 1, false, 1, 1, 0, 330, 290, 0, 0, false},
	{"reflect-encr-64", WORK_REFLECT, ENCR, 154, 64, false, 0, 0, 0, 480, 400, 0, 0, false},
	{"reflect-auth-16k", WORK_REFLECT, AUTH, 154, 16384, true, 0, 0, 0, 350, 300, 0, 0, false},
	{"reflect-auth-1m", WORK_REFLECT, AUTH, 154, 1000000, true, 0, 0, 0, 800, 600, 0, 0, false},
	{"send-auth-1", WORK_SEND_COLLECT, AUTH, 154, 1, false, 0, 0, 0, 300, 240, 0, 0, false},
	{"turnaround-open", WORK_TURNAROUND, OPEN, 83, 1, false, 0, 0, 0, 500, 200, 0, 0, false},
	{"turnaround-auth", WORK_TURNAROUND, AUTH, 154, 1, false, 0, 0, 0, 0, 0, 1.1, 1.0, false},
	{"pacing-1mpps", WORK_PACING, AUTH, 154, 1, false, 0, 0, 0, 2000, 500, 0, 0, false},
	{"reflect-2lcores", WORK_LCORES, AUTH, 154, 64, false, 0, 0, 0, 0, 0, 1.8, 1.8, true},
};
/* clang-format on */

const struct tw_tst_fmt *const bench_fmts[BENCH_FMTS] = {OPEN, AUTH, ENCR};
const uint32_t bench_counts[BENCH_COUNTS] = {1, 64, 1024, 16384, 131072, 1000000};
static const uint16_t sizes[] = {83, 154, 512, 1500};
static const enum work works[] = {WORK_REFLECT, WORK_SEND_COLLECT, WORK_SEND, WORK_COLLECT};

/* A sender needs some 70 KiB for its metrics and its window. Many in all works, most in one case.
 */
#define SENDERS_MAX  16384
#define SENDERS_MOST 100000

const char *
case_mode(const struct bench_case *c)
{
	return c->fmt == OPEN ? "open" : c->fmt == AUTH ? "auth" : "encr";
}

static const char *
work_name(enum work w)
{
	switch (w) {
	case WORK_SEND_COLLECT:
		return "sendcollect";
	case WORK_SEND:
		return "send";
	case WORK_COLLECT:
		return "collect";
	default:
		return "reflect";
	}
}

static uint16_t
frame_min(const struct tw_tst_fmt *fmt)
{
	return fmt == OPEN ? 83 : 154;
}

static void
name_it(struct bench_case *c)
{
	char cnt[16];
	int n;

	if (c->sessions >= 1000000)
		snprintf(cnt, sizeof(cnt), "%um", c->sessions / 1000000);
	else if (c->sessions % 1000 == 0)
		snprintf(cnt, sizeof(cnt), "%uk", c->sessions / 1000);
	else if (c->sessions >= 1024)
		snprintf(cnt, sizeof(cnt), "%uk", c->sessions / 1024);
	else
		snprintf(cnt, sizeof(cnt), "%u", c->sessions);
	n = snprintf(c->name, sizeof(c->name), "%s-%s-%u-%s%s", work_name(c->work), case_mode(c),
		c->frame, cnt,
		c->sessions == 1 ? ""
		: c->is_random   ? "-random"
				 : "-seq");
	if (c->loss_pct + c->reorder_pct + c->corrupt_permille > 0)
		snprintf(c->name + n, sizeof(c->name) - (size_t)n, "-%s",
			c->loss_pct > 0 && c->reorder_pct > 0 ? "lossy"
			: c->loss_pct > 0                     ? "loss"
			: c->reorder_pct > 0                  ? "reorder"
							      : "corrupt");
}

static void
add(struct bench_case *out, unsigned *n, struct bench_case c)
{
	name_it(&c);
	out[(*n)++] = c;
}

/* Clean, and what may happen to the input: 1 % lost, 1 % late, both, 0.1 % corrupt. */
static void
add_faults(struct bench_case *out, unsigned *n, struct bench_case c)
{
	static const struct {
		uint8_t loss_pct, reorder_pct, corrupt_permille;
	} faults[] = {{1, 0, 0}, {0, 1, 0}, {1, 1, 0}, {0, 0, 1}};

	add(out, n, c);
	for (unsigned i = 0; c.work != WORK_SEND && i < TW_ARRAY_SIZE(faults); i++) {
		c.loss_pct = faults[i].loss_pct;
		c.reorder_pct = faults[i].reorder_pct;
		c.corrupt_permille = faults[i].corrupt_permille;
		add(out, n, c);
	}
}

/*
 * All sizes with one session, all counts and orders with the smallest frame; faults wherever there
 * is one session, and with 64. Senders have an order of their own: by schedule.
 */
static void
add_mode(struct bench_case *out, unsigned *n, enum work w, const struct tw_tst_fmt *fmt)
{
	struct bench_case c = {.work = w, .fmt = fmt, .sessions = 1};

	for (unsigned i = 0; i < TW_ARRAY_SIZE(sizes); i++) {
		c.frame = sizes[i];
		if (c.frame >= frame_min(fmt))
			add_faults(out, n, c);
	}
	c.frame = frame_min(fmt);
	c.sessions = 64;
	add_faults(out, n, c);
	for (unsigned i = 1; i < BENCH_COUNTS; i++) {
		c.sessions = bench_counts[i];
		if (w != WORK_REFLECT && c.sessions > SENDERS_MAX)
			continue;
		c.is_random = false;
		if (c.sessions != 64)
			add(out, n, c);
		c.is_random = true;
		if (w == WORK_REFLECT)
			add(out, n, c);
	}
	if (w == WORK_SEND_COLLECT && fmt == AUTH) {
		c.sessions = SENDERS_MOST;
		c.is_random = false;
		add(out, n, c);
	}
}

static bool
is_wanted(const struct bench_opts *o, const struct bench_case *c)
{
	/* baselines are part of every bound */
	return c->work >= WORK_IO || o->filter == NULL || fnmatch(o->filter, c->name, 0) == 0;
}

unsigned
cases_make(const struct bench_opts *opts, struct bench_case **out)
{
	struct bench_case *all = calloc(CASES_MAX, sizeof(*all));
	unsigned n = TW_ARRAY_SIZE(budgets), k = 0;

	need(all != NULL, "no memory for the list of cases");
	memcpy(all, budgets, sizeof(budgets));
	for (unsigned w = 0; !opts->is_quick && w < TW_ARRAY_SIZE(works); w++)
		for (unsigned f = 0; f < BENCH_FMTS; f++)
			add_mode(all, &n, works[w], bench_fmts[f]);
	for (unsigned i = 0; i < n; i++)
		if (is_wanted(opts, &all[i]))
			all[k++] = all[i];
	*out = all;
	return k;
}
