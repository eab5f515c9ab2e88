/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Whole sessions over a simulated path that loses, copies, delays and reorders both ways by a
 * seed, and keeps the truth. What the report calls certain must be true; what it counts exactly
 * must be equal; order and extents are compared with the definitions, computed by brute force.
 */
#include <string.h>

#include "session.h"

#define PACKETS 4000
#define COPIES  (PACKETS * 4)

/* What the path does; shares are in 1/1000. */
struct path {
	const char *name;
	unsigned forward_loss, reverse_loss;
	unsigned forward_dup, reverse_dup;
	int64_t forward_jitter_ns, reverse_jitter_ns;
	unsigned slow; /* share of packets 3 s late, either way */
	uint32_t r_start;
	uint64_t s_start;
};

/* A copy on its way. */
struct copy {
	uint32_t seq; /* from 0 */
	uint32_t r;
	int64_t at_ns; /* reflector, then sender */
	int64_t t2_ns;
};

struct truth {
	uint64_t forward_lost; /* no copy reached the reflector */
	uint64_t reverse_lost; /* some did, no reply came */
	uint64_t received, late;
	uint64_t forward_dup; /* distinct replies beyond the first, seen */
	uint64_t reverse_dup; /* arrivals beyond distinct replies */
	uint64_t forward_replicated, reverse_replicated;
	uint64_t unseen_dup;    /* copies of packets made forward whose reply was lost */
	int64_t last_reflected; /* of those lost in reverse, latest arrival at the reflector */
	uint64_t open_most;     /* unanswered, after the last answered one less the variation */
};

static struct copy there[COPIES], back[COPIES];
static size_t there_cnt, back_cnt;
static struct session s;
static uint64_t seed;

static uint64_t
random_u64(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed;
}

static bool
chance(unsigned per_mille)
{
	return random_u64() % 1000 < per_mille;
}

static int64_t
delay(int64_t jitter_ns, unsigned slow)
{
	int64_t d = 5 * MS;

	if (jitter_ns != 0)
		d += (int64_t)(random_u64() % (uint64_t)jitter_ns);
	return chance(slow) ? d + 3 * S : d;
}

static int
by_time(const void *a, const void *b)
{
	const struct copy *x = a, *y = b;

	if (x->at_ns != y->at_ns)
		return x->at_ns < y->at_ns ? -1 : 1;
	return (x->seq > y->seq) - (x->seq < y->seq);
}

/* How many may be of unknown fate at most, where no packet was copied on the way there. */
static uint64_t
count_open(const bool *is_answered)
{
	int64_t low_ns = INT64_MAX, high_ns = 0, last_ns = 0;
	uint64_t n = 0;

	for (size_t i = 0; i < there_cnt; i++) {
		int64_t delay_ns = there[i].at_ns - there[i].seq * MS;

		low_ns = delay_ns < low_ns ? delay_ns : low_ns;
		high_ns = delay_ns > high_ns ? delay_ns : high_ns;
	}
	for (uint32_t i = 0; i < PACKETS; i++)
		last_ns = is_answered[i] ? i * MS : last_ns;
	for (uint32_t i = 0; i < PACKETS; i++)
		n += !is_answered[i] && i * MS >= last_ns - (high_ns - low_ns);
	return n;
}

/* Runs the path; the interval between packets is 1 ms. */
static struct truth
run_path(const struct path *p)
{
	static unsigned at_reflector[PACKETS], at_sender[PACKETS], replies[COPIES];
	static unsigned numbers[PACKETS];
	static bool is_late[PACKETS], has_first[PACKETS];
	struct truth t = {0};

	memset(at_reflector, 0, sizeof(at_reflector));
	memset(at_sender, 0, sizeof(at_sender));
	memset(numbers, 0, sizeof(numbers));
	memset(replies, 0, sizeof(replies));
	memset(is_late, 0, sizeof(is_late));
	memset(has_first, 0, sizeof(has_first));
	there_cnt = back_cnt = 0;
	for (uint32_t i = 0; i < PACKETS; i++) {
		for (unsigned c = 0; c < 1U + chance(p->forward_dup); c++) {
			if (!chance(p->forward_loss))
				there[there_cnt++] = (struct copy){.seq = i,
					.at_ns = i * MS + delay(p->forward_jitter_ns, p->slow)};
		}
	}
	qsort(there, there_cnt, sizeof(there[0]), by_time);
	for (uint32_t r = 0; r < there_cnt; r++) {
		at_reflector[there[r].seq]++;
		for (unsigned c = 0; c < 1U + chance(p->reverse_dup); c++) {
			struct copy reply = there[r];

			if (chance(p->reverse_loss))
				continue;
			reply.r = r;
			reply.t2_ns = reply.at_ns;
			reply.at_ns += 10 * US + delay(p->reverse_jitter_ns, p->slow);
			back[back_cnt++] = reply;
			replies[r]++;
		}
	}
	qsort(back, back_cnt, sizeof(back[0]), by_time);
	for (size_t i = 0; i < back_cnt; i++) {
		uint32_t seq = back[i].seq;

		at_sender[seq]++;
		if (!has_first[seq])
			is_late[seq] = back[i].at_ns - seq * MS > 2 * S;
		has_first[seq] = true;
	}
	for (uint32_t r = 0; r < there_cnt; r++) {
		t.reverse_dup += replies[r] > 1 ? replies[r] - 1 : 0;
		t.reverse_replicated += replies[r] > 1;
		numbers[there[r].seq] += replies[r] > 0;
		t.unseen_dup += replies[r] == 0 && at_reflector[there[r].seq] > 1;
		if (at_sender[there[r].seq] == 0)
			t.last_reflected = there[r].at_ns;
	}
	for (uint32_t i = 0; i < PACKETS; i++) {
		t.forward_replicated += numbers[i] > 1;
		t.forward_lost += at_reflector[i] == 0;
		t.reverse_lost += at_reflector[i] != 0 && at_sender[i] == 0;
		t.received += has_first[i] && !is_late[i];
		t.late += has_first[i] && is_late[i];
	}
	t.open_most = count_open(has_first);
	t.forward_dup = back_cnt - t.reverse_dup - t.received - t.late;
	return t;
}

/* Feeds the session in order of time. */
static void
run_session(const struct path *p)
{
	struct tw_metrics_cfg cfg = {
		.tmax_ns = 2 * S, .timeout_ns = 5 * S, .interval_ns = MS, .first_seq = p->s_start};
	size_t next = 0;

	session_start(&s, &cfg);
	for (uint32_t i = 0; i < PACKETS + 8000; i++) {
		for (; next < back_cnt && back[next].at_ns < i * MS; next++)
			session_reply(&s, p->s_start + back[next].seq, p->r_start + back[next].r,
				back[next].t2_ns, back[next].t2_ns + 10 * US, back[next].at_ns);
		if (i < PACKETS)
			session_send(&s, i * MS);
		if (i % 8 == 0)
			session_expire(&s, i * MS);
	}
	cr_assert_eq(next, back_cnt);
	session_end(&s);
}

/* What RFC 4737 says of a stream. */
struct reordering {
	uint64_t reordered, extent, tcp_n, n_max;
};

/* By its words: NextExp; for each reordered one the smallest j (4.2.1) and the largest n (5.3). */
static struct reordering
brute_order(const uint32_t *seqs, size_t cnt)
{
	struct reordering t = {0};
	uint64_t next_exp = 0;

	for (size_t i = 0; i < cnt; i++) {
		size_t j = 0, n = 0;

		if (seqs[i] >= next_exp) {
			next_exp = (uint64_t)seqs[i] + 1;
			continue;
		}
		t.reordered++;
		while (seqs[j] <= seqs[i])
			j++;
		while (n < i && seqs[i - n - 1] > seqs[i])
			n++;
		t.extent = i - j > t.extent ? i - j : t.extent;
		t.tcp_n += n >= 3;
		t.n_max = n > t.n_max ? n : t.n_max;
	}
	return t;
}

static void
check_stream(const struct path *p, const uint32_t *seqs, size_t n, uint64_t reordered,
	const struct tw_metrics_order *got)
{
	const struct reordering want = brute_order(seqs, n);

	cr_assert_eq(reordered, want.reordered, "%s: %lu, truth %lu", p->name, reordered,
		want.reordered);
	cr_assert_eq(got->packets, n);
	if (s.report.is_extent_at_least)
		return;
	cr_assert_eq(
		got->extent, want.extent, "%s: %lu, truth %lu", p->name, got->extent, want.extent);
	cr_assert_eq(got->tcp_n, want.tcp_n, "%s: %lu, truth %lu", p->name, got->tcp_n, want.tcp_n);
	cr_assert_eq(got->n_max, want.n_max, "%s: %lu, truth %lu", p->name, got->n_max, want.n_max);
}

static void
check_order(const struct path *p)
{
	static uint32_t seqs[COPIES];
	static bool seen[COPIES];
	size_t n = 0;

	/* reverse: distinct r in order of arrival */
	memset(seen, 0, sizeof(seen));
	for (size_t i = 0; i < back_cnt; i++) {
		if (!seen[back[i].r])
			seqs[n++] = back[i].r;
		seen[back[i].r] = true;
	}
	check_stream(p, seqs, n, s.report.ctr.reordered_reverse, &s.report.order_reverse);

	/* round trip: s in order of arrival, first copies in time */
	memset(seen, 0, sizeof(seen));
	n = 0;
	for (size_t i = 0; i < back_cnt; i++) {
		if (!seen[back[i].seq] && back[i].at_ns - back[i].seq * MS <= 2 * S)
			seqs[n++] = back[i].seq;
		seen[back[i].seq] = true;
	}
	check_stream(p, seqs, n, s.report.ctr.reordered_round_trip, &s.report.order_round_trip);

	/* forward: s in order of r, of what was seen, first copies */
	static bool is_back[COPIES];
	memset(seen, 0, sizeof(seen));
	memset(is_back, 0, sizeof(is_back));
	n = 0;
	for (size_t i = 0; i < back_cnt; i++)
		is_back[back[i].r] = true;
	for (uint32_t r = 0; r < there_cnt; r++) {
		if (!is_back[r] || seen[there[r].seq])
			continue;
		seen[there[r].seq] = true;
		seqs[n++] = there[r].seq;
	}
	check_stream(p, seqs, n, s.report.ctr.reordered_forward, &s.report.order_forward);
}

static void
check_path(const struct path *p)
{
	for (uint64_t k = 1; k <= 6; k++) {
		const struct tw_metrics_report *r = &s.report;
		struct truth t;

		seed = k * 0x9e3779b97f4a7c15ULL;
		t = run_path(p);
		run_session(p);
		cr_assert_eq(r->ctr.sent, PACKETS);
		cr_assert_eq(r->ctr.received, t.received, "%s seed %lu", p->name, k);
		cr_assert_eq(r->ctr.late, t.late, "%s seed %lu", p->name, k);
		cr_assert_eq(r->ctr.unanswered, t.forward_lost + t.reverse_lost);
		cr_assert_eq(r->ctr.duplicates_forward, t.forward_dup, "%s seed %lu", p->name, k);
		cr_assert_eq(r->ctr.duplicates_reverse, t.reverse_dup, "%s seed %lu", p->name, k);
		cr_assert_eq(r->ctr.replicated_forward, t.forward_replicated);
		cr_assert_eq(r->ctr.replicated_reverse, t.reverse_replicated);
		cr_assert_eq(r->ctr.r_unplaced, 0);
		cr_assert_eq(r->lost, PACKETS - t.received);
		cr_assert(r->lost_forward.is_valid && r->lost_reverse.is_valid);
		cr_assert_leq(r->lost_forward.value, t.forward_lost, "%s seed %lu: %lu > %lu",
			p->name, k, r->lost_forward.value, t.forward_lost);
		if (t.unseen_dup == 0)
			cr_assert_leq(
				r->lost_reverse.value, t.reverse_lost, "%s seed %lu", p->name, k);
		/* without copies only the tail is open */
		if (p->forward_dup == 0) {
			cr_assert_leq(r->lost_undetermined.value, r->tail);
			cr_assert_leq(r->lost_undetermined.value, t.open_most,
				"%s seed %lu: %lu > %lu", p->name, k, r->lost_undetermined.value,
				t.open_most);
		}
		check_order(p);
		cr_assert_eq(r->forward.population, t.received + t.late + r->lost_forward.value,
			"%s", p->name);
		cr_assert_eq(r->reverse.finite + r->reverse.left_out - r->lost_undetermined.value +
				     r->reverse.infinite - r->lost_reverse.value,
			r->order_reverse.packets);
		session_free(&s);
	}
}

Test(truth, perfect)
{
	check_path(&(struct path){.name = "perfect"});
	cr_assert_eq(s.report.lost_undetermined.value, 0);
}

Test(truth, loss_forward)
{
	check_path(&(struct path){.name = "forward", .forward_loss = 30});
}

Test(truth, loss_reverse)
{
	check_path(&(struct path){.name = "reverse", .reverse_loss = 30});
}

Test(truth, heavy_loss_both_ways)
{
	check_path(&(struct path){.name = "both", .forward_loss = 300, .reverse_loss = 400});
}

Test(truth, reordering_with_loss)
{
	check_path(&(struct path){.name = "reordering",
		.forward_loss = 20,
		.reverse_loss = 20,
		.forward_jitter_ns = 8 * MS,
		.reverse_jitter_ns = 12 * MS});
}

Test(truth, heavy_reordering)
{
	check_path(&(struct path){.name = "heavy reordering",
		.forward_loss = 10,
		.forward_jitter_ns = 300 * MS,
		.reverse_jitter_ns = 500 * MS});
}

Test(truth, copies_both_ways)
{
	check_path(&(struct path){.name = "copies",
		.forward_dup = 50,
		.reverse_dup = 50,
		.forward_jitter_ns = 5 * MS,
		.reverse_jitter_ns = 5 * MS});
}

Test(truth, copies_and_loss)
{
	check_path(&(struct path){.name = "copies and loss",
		.forward_loss = 30,
		.reverse_loss = 30,
		.forward_dup = 20,
		.reverse_dup = 20});
}

Test(truth, late_by_either_way)
{
	check_path(
		&(struct path){.name = "late", .forward_loss = 10, .reverse_loss = 10, .slow = 20});
}

Test(truth, everything_at_once_across_both_wraps)
{
	check_path(&(struct path){.name = "everything",
		.forward_loss = 40,
		.reverse_loss = 40,
		.forward_dup = 30,
		.reverse_dup = 30,
		.forward_jitter_ns = 20 * MS,
		.reverse_jitter_ns = 20 * MS,
		.slow = 10,
		.s_start = (1ULL << 32) - 2000});
	check_path(&(struct path){.name = "numbers from anywhere",
		.forward_jitter_ns = 20 * MS,
		.reverse_jitter_ns = 20 * MS,
		.r_start = 0xfffff800,
		.s_start = (7ULL << 32) - 1000});
}
