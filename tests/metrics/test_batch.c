/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Replies in batches say what they say one by one: every class, sample, interval and figure. The
 * stream has all that replies can have: loss, copies, late ones, ones without T2, steps of our
 * clock, changing errors and estimates. In between it is calm, and nobody wants samples: then
 * replies are taken many at once.
 */
#include <string.h>

#include "session.h"

#define PACKETS 20000
#define SHORT   60 /* packets of a session whose largest error is not in every part of it */
#define LIST    64

static struct session one, all;
static struct tw_metrics_reply list[LIST];
static struct tw_metrics_sample single[LIST], batch[LIST];
static struct tw_stamp t4[LIST];
static uint64_t seed;
static bool is_calm; /* little happens */

static uint64_t
dice(uint64_t sides)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % sides;
}

/* Something that calm streams seldom have. */
static bool
happens(uint64_t sides)
{
	return dice(is_calm ? 40 * sides : sides) == 0;
}

static void
send_both(int64_t at_ns)
{
	if (!is_calm || dice(8) == 0)
		one.stamp_error_ns = all.stamp_error_ns =
			dice(10) == 0 ? TW_CLOCK_ERROR_UNKNOWN : 100 + (uint32_t)dice(50) * 8;
	session_send(&one, at_ns);
	session_send(&all, at_ns);
}

static void
make_reply(unsigned i, uint32_t seq, uint32_t r, int64_t t1_ns, const struct tw_stamp *arrival)
{
	static int64_t forward_ns, residence_ns;
	int64_t t2_ns;

	/* many have the stamps of the one before; now and then one contradicts the errors */
	if (dice(3) == 0) {
		forward_ns = (happens(20) ? -4000 : 20000) + (int64_t)dice(5000);
		residence_ns = (int64_t)dice(9000) - (happens(1) ? 50 : 0);
	}
	t2_ns = SESSION_T0 + t1_ns + forward_ns;
	list[i] = (struct tw_metrics_reply){.sender_seq = seq,
		.seq = r,
		.t1_ntp = one.t1_ntp[seq],
		.t2_ntp = happens(200) ? 0 : tw_clock_ns_to_ntp((tw_ns){t2_ns}),
		.t3_ntp = tw_clock_ns_to_ntp((tw_ns){t2_ns + residence_ns}),
		.ee = one.ee,
		.sender_ttl = (uint8_t)(60 + happens(2)),
		.ttl = 61,
		.tos = happens(100) ? 3 : 0,
		.t4 = arrival};
}

static void
feed(unsigned n)
{
	struct tw_metrics_reply *ptr[LIST] = {NULL};
	const bool is_raw = happens(2);

	for (unsigned i = 0; i < n; i++) {
		ptr[i] = &list[i];
		list[i].sample = is_raw ? &batch[i] : NULL;
		cr_assert_lt(tw_metrics_reply(one.m, &list[i], &single[i]), TW_METRICS_C_N);
	}
	tw_metrics_replies(all.m, ptr, n);
	for (unsigned i = 0; i < n; i++) {
		cr_assert_eq(list[i].cls, single[i].cls);
		cr_assert(!is_raw || memcmp(&single[i], &batch[i], sizeof(batch[i])) == 0,
			"reply %u", i);
	}
}

static void
compare_intervals(int64_t now_ns)
{
	struct tw_metrics_interval a, b;

	while (tw_metrics_interval_cut(one.m, &a)) {
		cr_assert(tw_metrics_interval_cut(all.m, &b));
		cr_assert_eq(a.forward.cnt, b.forward.cnt);
		cr_assert_eq(a.forward.max_ns, b.forward.max_ns);
		cr_assert_eq(a.forward.mean_ns, b.forward.mean_ns);
	}
	tw_metrics_interval_take(one.m, (tw_ns){SESSION_T0 + now_ns}, &a);
	tw_metrics_interval_take(all.m, (tw_ns){SESSION_T0 + now_ns}, &b);
#define SAME(span)                                                                                 \
	cr_assert_eq(a.span.cnt, b.span.cnt);                                                      \
	cr_assert_eq(a.span.min_ns, b.span.min_ns);                                                \
	cr_assert_eq(a.span.max_ns, b.span.max_ns);                                                \
	cr_assert_eq(a.span.mean_ns, b.span.mean_ns);                                              \
	cr_assert_eq(a.span.is_valid, b.span.is_valid)
	SAME(round_trip);
	SAME(round_trip_net);
	SAME(forward);
	SAME(reverse);
#undef SAME
	cr_assert_eq(a.received, b.received);
	cr_assert_eq(a.t1_sources, b.t1_sources);
}

static void
compare_reports(void)
{
	const char *a = (const char *)session_end(&one), *b = (const char *)session_end(&all);
	const struct tw_metrics_row *row;
	size_t cnt;

	row = tw_metrics_rows(&cnt);
	for (size_t i = 0; i < cnt; i++) {
		const bool is_fig = row[i].kind == TW_METRICS_K_FIG;
		const struct tw_metrics_fig *x = (const void *)(a + row[i].offset);
		const struct tw_metrics_fig *y = (const void *)(b + row[i].offset);

		if (is_fig)
			cr_assert(x->value_ns == y->value_ns && x->error_ns == y->error_ns &&
					  x->state == y->state && x->reason == y->reason,
				"%s %s", row[i].group, row[i].name);
		else
			cr_assert_eq(*(const uint8_t *)x, *(const uint8_t *)y, "%s %s",
				row[i].group, row[i].name);
	}
	cr_assert_eq(memcmp(&one.report.ctr, &all.report.ctr, sizeof(one.report.ctr)), 0);
}

/* Some 20 packets, and the replies to them and to earlier ones. */
static void
play_round(int64_t now_ns, uint32_t *r)
{
	const uint32_t first = (uint32_t)one.seq;
	const unsigned n = 1 + (unsigned)dice(LIST / 2);
	unsigned cnt = 0;

	is_calm = dice(20) != 0 ? is_calm : dice(3) != 0;
	for (unsigned i = 0; i < n; i++)
		send_both(now_ns);
	if (happens(40))
		one.epoch = ++all.epoch;
	if (happens(10))
		one.is_synced = all.is_synced = dice(3) != 0;
	if (happens(10))
		one.ee = tw_clock_ee_encode(500 + dice(2000), dice(4) != 0);
	for (unsigned i = 0; i < n; i++) {
		const bool is_old = first > 100 && happens(50);
		const uint32_t seq = is_old ? first - (uint32_t)dice(100) : first + i;

		*r += happens(30); /* lost on the way back */
		if (happens(30))
			continue; /* lost on the way there */
		if (i == 0 || happens(8))
			t4[cnt] = session_stamp(&one,
				now_ns + 60000 + (int64_t)dice(is_calm ? 2 : 50) * MS,
				TW_STAMP_TSC_RX);
		else
			t4[cnt] = t4[cnt > 0 ? cnt - 1 : 0];
		make_reply(cnt, seq, happens(60) && *r > 5 ? *r - 3 : (*r)++, now_ns, &t4[cnt]);
		if (cnt > 0 && !happens(4))
			list[cnt].t4 = list[cnt - 1].t4;
		cnt++;
	}
	feed(cnt);
}

static void
play(uint64_t game, uint64_t packets)
{
	const struct tw_metrics_cfg cfg = {
		.tmax_ns = 40 * MS, .timeout_ns = (int64_t)(game % 2) * S, .interval_ns = 50000};
	uint32_t r = 0;

	seed = game;
	session_start(&one, &cfg);
	session_start(&all, &cfg);
	for (int64_t now_ns = 0; one.seq < packets; now_ns += MS) {
		play_round(now_ns, &r);
		if (dice(100) == 0)
			compare_intervals(now_ns);
		session_expire(&one, now_ns);
		session_expire(&all, now_ns);
	}
	compare_intervals(100 * S);
	compare_reports();
	session_free(&one);
	session_free(&all);
}

Test(batch, says_what_single_replies_say)
{
	for (uint64_t game = 1; game <= 8; game++)
		play(game, PACKETS);
	for (uint64_t game = 9; game <= 2000; game++)
		play(game, SHORT);
}
