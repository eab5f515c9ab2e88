/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Packets come out by time, equal times in the order they went in.
 */
#include <criterion/criterion.h>

#include "tw_netsim.h"

#define N 1000

Test(heap, gives_back_in_order_of_time)
{
	static struct tw_netsim_item mem[N];
	struct tw_netsim_heap h;
	struct tw_netsim_item it;
	uint32_t x = 1;
	int64_t last_ns = -1;
	uint64_t last_order = 0;

	tw_netsim_heap_init(&h, mem, N);
	for (unsigned round = 0; round < 5; round++) {
		for (unsigned i = 0; i < N; i++) {
			x = x * 1664525 + 1013904223;
			cr_assert(tw_netsim_heap_push(&h, x >> 24, NULL));
		}
		cr_assert_not(tw_netsim_heap_push(&h, 0, NULL), "full");
		last_ns = -1;
		for (unsigned i = 0; i < N; i++) {
			cr_assert(tw_netsim_heap_pop(&h, 255, &it));
			cr_assert(it.due_ns > last_ns ||
				  (it.due_ns == last_ns && it.order > last_order));
			last_ns = it.due_ns;
			last_order = it.order;
		}
		cr_assert_not(tw_netsim_heap_pop(&h, INT64_MAX, &it), "empty");
	}
}

Test(heap, keeps_what_is_not_due)
{
	struct tw_netsim_item mem[4], it;
	struct tw_netsim_heap h;
	int a, b;

	tw_netsim_heap_init(&h, mem, 4);
	cr_assert(tw_netsim_heap_push(&h, 20, &b));
	cr_assert(tw_netsim_heap_push(&h, 10, &a));
	cr_assert_not(tw_netsim_heap_pop(&h, 9, &it));
	cr_assert(tw_netsim_heap_pop(&h, 19, &it));
	cr_assert_eq(it.ref, &a);
	cr_assert_not(tw_netsim_heap_pop(&h, 19, &it));
	cr_assert(tw_netsim_heap_pop(&h, 20, &it));
	cr_assert_eq(it.ref, &b);
}
