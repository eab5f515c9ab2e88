/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * What counts as a gap: 5 us more than the work of a turn explains.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "gaps.h"

#define HZ   1000000000 /* a tick is a nanosecond */
#define PAGE 4096

static struct tw_gaps *
fresh(void)
{
	struct tw_gaps *g = tw_gaps_new(HZ);

	cr_assert_not_null(g);
	g->last_tsc = 0;
	return g;
}

/* Regression: the memory of an appliance grew with the gaps, by 1 MB in the first two minutes. */
Test(gaps, every_page_is_there_from_the_start)
{
	static unsigned char there[sizeof(struct tw_gaps) / PAGE + 2];
	struct tw_gaps *g = fresh();
	char *begin = (char *)((uintptr_t)g / PAGE * PAGE);
	const size_t len = (size_t)((char *)(g + 1) - begin);

	cr_assert_eq(mincore(begin, len, there), 0);
	for (size_t i = 0; i < (len + PAGE - 1) / PAGE; i++)
		cr_assert(there[i] & 1, "page %zu", i);
	free(g);
}

Test(gaps, idle_turns_of_five_microseconds_are_gaps)
{
	struct tw_gaps *g = fresh();

	tw_gaps_turn(g, 4999, 0);
	cr_assert_eq(g->cnt, 0);
	tw_gaps_turn(g, 4999 + 5001, 0);
	cr_assert_eq(g->cnt, 1);
	cr_assert_eq(g->gap[0].begin_tsc, 4999);
	cr_assert_eq(g->gap[0].end_tsc, 10000);
	cr_assert_eq(g->lost_tsc, 5001);
	free(g);
}

Test(gaps, work_that_takes_its_time_is_none)
{
	struct tw_gaps *g = fresh();
	uint64_t now = 0;

	for (unsigned i = 0; i < 10000; i++)
		tw_gaps_turn(g, now += 400, 2); /* 200 a packet */
	cr_assert_eq(g->cnt, 0);
	cr_assert(g->cost_tsc > 150 && g->cost_tsc < 250, "%lu", g->cost_tsc);
	tw_gaps_turn(g, now += 32 * 200 + 2000, 32);
	cr_assert_eq(g->cnt, 0, "a full burst");
	tw_gaps_turn(g, now += 32 * 200 + 9000, 32);
	cr_assert_eq(g->cnt, 1);
	free(g);
}

Test(gaps, old_ones_make_room)
{
	struct tw_gaps *g = fresh();

	for (uint64_t i = 1; i <= TW_GAPS_KEPT + 3; i++)
		tw_gaps_turn(g, i * 6000, 0);
	cr_assert_eq(g->cnt, TW_GAPS_KEPT + 3);
	cr_assert_eq(g->gap[2].end_tsc, (TW_GAPS_KEPT + 3) * 6000ULL);
	free(g);
}

Test(gaps, a_spinner_answers)
{
	struct tw_spinner s = {.ask_tsc = 1000000};

	cr_assert(tw_spinner_is_asked(&s));
	tw_spinner_run(&s, 5000);
	cr_assert_not(tw_spinner_is_asked(&s));
	cr_assert_geq(s.spun_tsc, 1000000);
	cr_assert_leq(s.lost_tsc, s.spun_tsc);
}
