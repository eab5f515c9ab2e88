/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/* The histogram against exact sorting, on the kinds of data that break histograms. */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tw_metrics_hist.h"

#define N 20000

static struct tw_metrics_hist h, h2;
static struct tw_metrics_hist_pool pool, pool2;
static int64_t data[N];
static uint64_t seed = 88172645463325252ULL;

static uint64_t
random_u64(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static double
uniform(void)
{
	return (double)(random_u64() >> 11) / (double)(1ULL << 53);
}

static int
compare(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

/* Value and variation within 1 % of the truth at every rank; extremes and mean exact. */
static void
check(const struct tw_metrics_hist *hist, const struct tw_metrics_hist_pool *p, size_t n,
	const char *what)
{
	__int128 sum = 0;

	qsort(data, n, sizeof(data[0]), compare);
	for (size_t i = 0; i < n; i++)
		sum += data[i];
	cr_assert_eq(hist->cnt, n);
	cr_assert_eq(hist->anchor, data[0]);
	cr_assert_eq(hist->max, data[n - 1]);
	cr_assert_leq(llabs(tw_metrics_hist_mean(hist) - (int64_t)(sum / (__int128)n)), 1);
	for (size_t i = 0; i<n; i += n> 2000 ? 1 + random_u64() % 40 : 1) {
		struct tw_metrics_hist_value v = tw_metrics_hist_at(hist, p, i + 1);
		int64_t pdv = data[i] - data[0];
		int64_t off = llabs(v.ns - data[i]);

		cr_assert((double)off <= 0.008 * (double)pdv, "%s: rank %zu: %ld for %ld, min %ld",
			what, i + 1, v.ns, data[i], data[0]);
		cr_assert_leq((uint64_t)off, v.error_ns);
	}
}

static void
fill(size_t n)
{
	pool.used = 0;
	tw_metrics_hist_init(&h);
	for (size_t i = 0; i < n; i++)
		tw_metrics_hist_add(&h, &pool, data[i]);
}

/* A delay of some shape, ns. */
static int64_t
shape(int kind, size_t i)
{
	double x;

	switch (kind) {
	case 0: /* uniform */
		return 20000 + (int64_t)(uniform() * 1e6);
	case 1: /* heavy tail: Pareto, alpha 1/2 */
		x = 30 / (1.0001 - uniform());
		return 20000 + (int64_t)(x * x);
	case 2: /* bimodal, 40 us and 80 ms */
		return (random_u64() & 1 ? 40000 : 80000000) + (int64_t)(uniform() * 500);
	case 3: /* first packet waits for ARP */
		return i == 0 ? 1000000000 : 45000 + (int64_t)(uniform() * 9000);
	case 4: /* drifting down by 20 ns a packet */
		return 50000000 - (int64_t)i * 20 + (int64_t)(uniform() * 300);
	case 5: /* drifting down fast, from one packet to the next */
		return -(int64_t)i * 100000 + (int64_t)(uniform() * 20);
	case 6: /* drifting up */
		return (int64_t)i * 777 + (int64_t)(uniform() * 30000);
	case 7: /* level falls half way */
		return (i < N / 2 ? 50000000 : 20000000) + (int64_t)(uniform() * 2000);
	case 8: /* log-uniform over all levels */
		return 100 + (int64_t)((1 + uniform()) * (double)(1ULL << (random_u64() % 36)));
	case 9: /* constant */
		return 31415;
	case 10: /* both signs around zero */
		return (int64_t)((uniform() - 0.5) * 2e6);
	default: /* staircase down by powers */
		return (int64_t)(1ULL << (35 - i * 35 / N)) + (int64_t)(random_u64() % 64);
	}
}

Test(hist, every_rank_is_within_one_percent)
{
	for (int kind = 0; kind <= 11; kind++) {
		char what[16];

		for (size_t i = 0; i < N; i++)
			data[i] = shape(kind, i);
		fill(N);
		snprintf(what, sizeof(what), "shape %d", kind);
		check(&h, &pool, N, what);
	}
}

Test(hist, a_huge_offset_between_clocks_costs_nothing)
{
	static const int64_t offsets[] = {1700000000000000000LL, -1700000000000000000LL, -30000};

	for (size_t k = 0; k < sizeof(offsets) / sizeof(offsets[0]); k++) {
		for (size_t i = 0; i < N; i++)
			data[i] = offsets[k] + shape(k == 2 ? 3 : 1, i);
		fill(N);
		check(&h, &pool, N, "offset");
	}
}

Test(hist, any_order_gives_the_same_histogram)
{
	for (size_t i = 0; i < N; i++)
		data[i] = shape(1, i) - (int64_t)i * 50;
	fill(N);
	h2 = h;
	qsort(data, N, sizeof(data[0]), compare);
	fill(N);
	cr_assert_arr_eq(h.bin, h2.bin, sizeof(h.bin));
	cr_assert_arr_eq(h.base, h2.base, sizeof(h.base));
}

Test(hist, merging_equals_counting_together)
{
	for (int turn = 0; turn < 2; turn++) {
		tw_metrics_hist_init(&h);
		tw_metrics_hist_init(&h2);
		pool.used = pool2.used = 0;
		for (size_t i = 0; i < N; i++) {
			bool is_first = i < N / 3;

			data[i] = shape(1, i) + (is_first == (turn == 0) ? 0 : 12345678);
			tw_metrics_hist_add(
				is_first ? &h : &h2, is_first ? &pool : &pool2, data[i]);
		}
		tw_metrics_hist_merge(&h, &pool, &h2, &pool2);
		check(&h, &pool, N, "merged");
	}
	tw_metrics_hist_init(&h2);
	tw_metrics_hist_merge(&h, &pool, &h2, &pool2);
	check(&h, &pool, N, "merged with nothing");
	tw_metrics_hist_merge(&h2, &pool2, &h, &pool);
	check(&h2, &pool2, N, "nothing merged with");
}

Test(hist, full_bins_carry)
{
	tw_metrics_hist_init(&h);
	for (int i = 0; i < 300000; i++) {
		tw_metrics_hist_add(&h, &pool, 1000000);
		tw_metrics_hist_add(&h, &pool, 1000000 + (i & 1) * 500000);
	}
	cr_assert_eq(h.cnt, 600000);
	cr_assert_eq(h.unplaced, 0);
	cr_assert_eq(tw_metrics_hist_at(&h, &pool, 450000).ns, 1000000);
	cr_assert_geq(tw_metrics_hist_at(&h, &pool, 450001).ns, 1490000);
	tw_metrics_hist_add(&h, &pool, 0); /* the anchor moves, the carries with it */
	cr_assert_leq(tw_metrics_hist_at(&h, &pool, 450001).ns, 1008000);
	cr_assert_geq(tw_metrics_hist_at(&h, &pool, 450002).ns, 1490000);
	cr_assert_eq(h.cnt, 600001);
}

Test(hist, a_dry_pool_is_admitted)
{
	pool.used = TW_METRICS_HIST_POOL_PAGES;
	tw_metrics_hist_init(&h);
	for (int i = 0; i < 65535 + 10; i++)
		tw_metrics_hist_add(&h, &pool, 5);
	cr_assert_eq(h.cnt, 65545);
	cr_assert_eq(h.unplaced, 10);
}

Test(hist, what_lies_beyond_is_counted)
{
	tw_metrics_hist_init(&h);
	tw_metrics_hist_add(&h, &pool, 0);
	tw_metrics_hist_add(&h, &pool, (1LL << 36) - 1);
	cr_assert_eq(h.beyond, 0);
	tw_metrics_hist_add(&h, &pool, 1LL << 36);
	tw_metrics_hist_add(&h, &pool, 1LL << 60);
	cr_assert_eq(h.beyond, 2);
	cr_assert_eq(h.max, 1LL << 60);
	tw_metrics_hist_add(&h, &pool, -1000); /* the third is lifted out of range */
	cr_assert_eq(h.beyond, 3);
	cr_assert_leq(llabs(tw_metrics_hist_at(&h, &pool, 2).ns), 8);
}

Test(hist, anchored_at_zero_stays_there)
{
	tw_metrics_hist_init_at_zero(&h);
	for (int i = 1; i <= 100; i++)
		tw_metrics_hist_add(&h, &pool, i);
	for (uint64_t i = 1; i <= 100; i++)
		cr_assert_eq(tw_metrics_hist_at(&h, &pool, i).ns, (int64_t)i);
	cr_assert_eq(h.anchor, 0);
}

/*
 * A list of @p n values, few or many, alike or not, some there several times: no more than
 * TW_METRICS_HIST_ADD_MAX samples.
 */
static unsigned
random_list(unsigned round, int64_t *list, uint32_t *times)
{
	const bool is_often = round % 4 == 1;
	const unsigned max = is_often ? 8 : TW_METRICS_HIST_ADD_MAX;
	const unsigned n = 1 + (unsigned)(random_u64() % max);
	const unsigned bits = round % 50 == 0 ? 60 : (unsigned)(random_u64() % 30);

	for (unsigned i = 0; i < n; i++) {
		list[i] = (int64_t)(random_u64() & ((2ULL << bits) - 1)) - (1LL << bits);
		if (round % 3 == 0 && i != 0)
			list[i] = list[0];
		times[i] = is_often ? 1 + (uint32_t)(random_u64() % 8) : 1;
	}
	return n;
}

/* Amounts by sign, as they come and in lists: every bin, the carries, sums and extremes. */
Test(hist, signed_lists_count_as_one_by_one)
{
	static struct tw_metrics_hist up, down, up1, down1;
	int64_t min = 0, max = 0;

	tw_metrics_hist_init_at_zero(&up);
	tw_metrics_hist_init_at_zero(&down);
	up1 = up;
	down1 = down;
	pool.used = pool2.used = 0;
	for (unsigned round = 0; round < 4000; round++) {
		int64_t list[TW_METRICS_HIST_ADD_MAX], low = INT64_MAX, high = INT64_MIN;
		uint32_t times[TW_METRICS_HIST_ADD_MAX];
		const unsigned n = random_list(round, list, times);

		for (unsigned i = 0; i < n; i++) {
			low = list[i] < low ? list[i] : low;
			high = list[i] > high ? list[i] : high;
			for (uint32_t k = 0; k < times[i]; k++)
				tw_metrics_hist_add(list[i] < 0 ? &down1 : &up1, &pool2,
					llabs((long long)list[i]));
		}
		tw_metrics_hist_add_signed(&up, &down, &pool, list, times, n, &min, &max);
		cr_assert(min == low && max == high);
	}
	cr_assert_eq(memcmp(&up, &up1, sizeof(up)), 0);
	cr_assert_eq(memcmp(&down, &down1, sizeof(down)), 0);
	cr_assert_eq(memcmp(&pool, &pool2, sizeof(pool)), 0);
}

/* Delays, whose smallest one moves down now and then: the same. */
Test(hist, lists_count_as_one_by_one)
{
	static struct tw_metrics_hist one;

	tw_metrics_hist_init(&h);
	one = h;
	pool.used = pool2.used = 0;
	for (unsigned round = 0; round < 4000; round++) {
		int64_t list[TW_METRICS_HIST_ADD_MAX], low = INT64_MAX, high = INT64_MIN;
		uint32_t times[TW_METRICS_HIST_ADD_MAX];
		const unsigned n = random_list(round, list, times);
		struct tw_metrics_hist_sums sums;
		__int128 sum = 0;
		uint64_t cnt = 0;

		for (unsigned i = 0; i < n; i++) {
			list[i] = list[i] < 0 ? -list[i] : list[i];
			list[i] += 1000000 / (int64_t)(round + 1);
			low = list[i] < low ? list[i] : low;
			high = list[i] > high ? list[i] : high;
			for (uint32_t k = 0; k < times[i]; k++, cnt++) {
				tw_metrics_hist_add(&one, &pool2, list[i]);
				sum += list[i];
			}
		}
		sums = tw_metrics_hist_add_all(&h, &pool, list, times, n);
		cr_assert(
			sums.min == low && sums.max == high && sums.cnt == cnt && sums.sum == sum);
	}
	cr_assert(h.cnt == one.cnt && h.sum == one.sum && h.max == one.max &&
		  h.anchor == one.anchor && h.beyond == one.beyond && h.unplaced == one.unplaced);
	for (uint64_t rank = 1; rank <= h.cnt; rank += 1 + h.cnt / 5000) {
		const struct tw_metrics_hist_value a = tw_metrics_hist_at(&h, &pool, rank),
						   b = tw_metrics_hist_at(&one, &pool2, rank);

		cr_assert(a.ns == b.ns && a.error_ns == b.error_ns);
	}
}
