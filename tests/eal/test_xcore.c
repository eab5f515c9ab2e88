/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * What lcores talk through: rings, the published clock, quiescent states.
 */
#include <criterion/criterion.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "bed.h"

Test(xcore, rings_pass_records_by_value_and_count_what_they_refuse)
{
	struct tw_xcore_ring *r, *again;
	uint32_t in[3], out[3 * 20];
	unsigned n = 0;

	bed_eal();
	cr_assert_eq(tw_xcore_ring_new("r", sizeof(in), 5, &r), 0);
	cr_assert_eq(tw_xcore_ring_new("r", sizeof(in), 5, &again), -EEXIST);
	cr_assert_eq(tw_xcore_ring_new("s", 5, 5, &again), -EINVAL);
	cr_assert_eq(tw_xcore_ring_new("s", 4, 0, &again), -EINVAL);
	for (;;) {
		in[0] = in[1] = in[2] = n;
		if (!tw_xcore_ring_push(r, in))
			break;
		n++;
	}
	cr_assert_geq(n, 5);
	cr_assert_eq(tw_xcore_ring_len(r), n);
	cr_assert_not(tw_xcore_ring_try_push(r, in));
	cr_assert_eq(tw_xcore_ring_lost(r), 1);
	cr_assert_eq(tw_xcore_ring_pop(r, out, 20), n);
	for (unsigned i = 0; i < 3 * n; i++)
		cr_assert_eq(out[i], i / 3);
	cr_assert_eq(tw_xcore_ring_pop(r, out, 20), 0);
	tw_xcore_ring_free(r);
	tw_xcore_ring_free(NULL);
}

struct reader {
	struct tw_xcore_clock *clock;
	struct tw_xcore_flag stop;
	_Atomic uint64_t taken;
	uint64_t torn;
};

static void *
read_clocks(void *arg)
{
	struct reader *rd = arg;
	struct tw_clock c = {0};
	uint32_t seen = 0;
	cpu_set_t all;

	/* the EAL bound its thread, and so this one, to one CPU: there the two only take turns */
	memset(&all, 0xFF, sizeof(all));
	sched_setaffinity(0, sizeof(all), &all);
	while (!tw_xcore_flag_get(&rd->stop)) {
		if (!tw_xcore_clock_refresh(rd->clock, &seen, &c))
			continue;
		rd->taken++;
		rd->torn += c.tsc0 != (uint64_t)c.ns0 || c.tsc0 != c.horizon_tsc ||
			    c.epoch != (uint32_t)c.tsc0;
	}
	return NULL;
}

Test(xcore, a_clock_is_taken_whole_or_not_at_all)
{
	struct reader rd = {0};
	struct tw_clock c = {.tsc0 = 1, .ns0 = 1, .horizon_tsc = 1, .epoch = 1}, got = {0};
	uint32_t seen = 0;
	pthread_t th;

	bed_eal();
	cr_assert_eq(tw_xcore_clock_new(&c, &rd.clock), 0);
	cr_assert(tw_xcore_clock_refresh(rd.clock, &seen, &got));
	cr_assert_not(tw_xcore_clock_refresh(rd.clock, &seen, &got));
	cr_assert_eq(got.epoch, 1);
	cr_assert_eq(pthread_create(&th, NULL, read_clocks, &rd), 0);
	/* until it was read meanwhile, however late the reader gets a CPU: one read a turn at worst
	 */
	for (uint64_t i = 2; i < 2000000 || rd.taken < 20; i++) {
		c.tsc0 = c.horizon_tsc = i;
		c.ns0 = (int64_t)i;
		c.epoch = (uint32_t)i;
		tw_xcore_clock_publish(rd.clock, &c);
	}
	tw_xcore_flag_set(&rd.stop, true);
	pthread_join(th, NULL);
	cr_assert_eq(rd.torn, 0);
	cr_assert_gt(rd.taken, 0);
	tw_xcore_clock_free(rd.clock);
}

struct thing {
	struct tw_xcore_defer defer;
	unsigned *order;
	unsigned place;
};

static void
on_free(struct tw_xcore_defer *d)
{
	struct thing *t = (struct thing *)d;

	t->place = ++*t->order;
}

Test(xcore, what_is_deferred_waits_for_every_reader_and_goes_in_order)
{
	struct tw_xcore_qsbr q;
	struct thing t[3];
	unsigned order = 0;

	bed_eal();
	cr_assert_eq(tw_xcore_qsbr_init(&q, 0), -EINVAL);
	cr_assert_eq(tw_xcore_qsbr_init(&q, 2), 0);
	cr_assert_eq(tw_xcore_qsbr_register(&q, 0), 0);
	cr_assert_eq(tw_xcore_qsbr_register(&q, 1), 0);
	for (unsigned i = 0; i < 3; i++) {
		t[i] = (struct thing){.order = &order};
		tw_xcore_qsbr_defer(&q, &t[i].defer, on_free);
	}
	cr_assert_eq(tw_xcore_qsbr_reclaim(&q, 10), 0);
	tw_xcore_qsbr_quiescent(&q, 0);
	cr_assert_eq(tw_xcore_qsbr_reclaim(&q, 10), 0);
	tw_xcore_qsbr_offline(&q, 1);
	cr_assert_eq(tw_xcore_qsbr_reclaim(&q, 2), 2);
	cr_assert_eq(q.deferred_cnt, 1);
	tw_xcore_qsbr_online(&q, 1);
	tw_xcore_qsbr_unregister(&q, 0);
	tw_xcore_qsbr_unregister(&q, 1);
	tw_xcore_qsbr_fini(&q);
	for (unsigned i = 0; i < 3; i++)
		cr_assert_eq(t[i].place, i + 1);
}
