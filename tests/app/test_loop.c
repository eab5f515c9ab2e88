/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/* The event loop: order of timers, removal inside handlers, wake from outside. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <unistd.h>

#include "loop.h"

#define TIMERS 2000

static struct tw_loop loop;
static struct tw_loop_timer timer[TIMERS];
static int64_t last_due;
static unsigned fired;

static void
setup(void)
{
	cr_assert_eq(tw_loop_init(&loop, 1000000, NULL, NULL), 0);
	last_due = INT64_MIN;
	fired = 0;
}

static void
on_timer(void *arg, int64_t now_ns)
{
	const struct tw_loop_timer *t = arg;

	cr_assert_not(t->is_armed);
	cr_assert_geq(t->due_ns, last_due);
	cr_assert_leq(t->due_ns, now_ns);
	last_due = t->due_ns;
	fired++;
}

TestSuite(loop, .init = setup);

Test(loop, fires_timers_in_order_of_their_time)
{
	int64_t now = tw_loop_clock();
	unsigned i, gone = 0;

	srand(1);
	for (i = 0; i < TIMERS; i++)
		tw_loop_timer_set(&loop, &timer[i], now - rand() % 100000, on_timer, &timer[i]);
	for (i = 0; i < TIMERS; i += 3) { /* some move, some go */
		tw_loop_timer_set(&loop, &timer[i], now - rand() % 100000, on_timer, &timer[i]);
		if (i % 2 == 0) {
			tw_loop_timer_del(&loop, &timer[i]);
			gone++;
		}
	}
	while (loop.timers != NULL)
		tw_loop_turn(&loop, 0);
	cr_assert_eq(fired, TIMERS - gone);
}

Test(loop, keeps_a_timer_that_is_not_due)
{
	tw_loop_timer_set(&loop, &timer[0], tw_loop_clock() + 3600000000000, on_timer, &timer[0]);
	tw_loop_turn(&loop, 0);
	cr_assert_eq(fired, 0);
	tw_loop_timer_del(&loop, &timer[0]);
	tw_loop_timer_del(&loop, &timer[0]);
	cr_assert_null(loop.timers);
}

Test(loop, sleeps_no_longer_than_to_the_next_timer)
{
	int64_t before = tw_loop_clock();

	tw_loop_timer_set(&loop, &timer[0], before + 2000000, on_timer, &timer[0]);
	tw_loop_turn(&loop, 10000000000);
	cr_assert_eq(fired, 1);
	cr_assert_lt(tw_loop_clock() - before, 1000000000);
}

struct pair {
	struct tw_loop_fd w[2];
	unsigned calls;
};

static void
on_either(void *arg, uint32_t events)
{
	struct pair *p = arg;

	(void)events;
	p->calls++;
	tw_loop_fd_del(&loop, &p->w[0]);
	tw_loop_fd_del(&loop, &p->w[1]);
}

Test(loop, calls_no_watcher_removed_in_the_same_turn)
{
	struct pair p = {.calls = 0};
	int fd[2][2], i;

	for (i = 0; i < 2; i++) {
		cr_assert_eq(pipe(fd[i]), 0);
		cr_assert_eq(tw_loop_fd_add(&loop, &p.w[i], fd[i][0], EPOLLIN, on_either, &p), 0);
		cr_assert_eq(write(fd[i][1], "x", 1), 1);
	}
	tw_loop_turn(&loop, 0);
	tw_loop_turn(&loop, 0);
	cr_assert_eq(p.calls, 1);
}

Test(loop, refuses_a_descriptor_that_is_none)
{
	struct tw_loop_fd w;

	cr_assert_lt(tw_loop_fd_add(&loop, &w, 999, EPOLLIN, on_either, NULL), 0);
	cr_assert_lt(w.fd, 0);
}

Test(loop, ends_when_asked)
{
	tw_loop_stop(&loop);
	tw_loop_run(&loop);
	tw_loop_fini(&loop);
}
