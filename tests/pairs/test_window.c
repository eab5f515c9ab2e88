/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Leases and windows: what they answer, how they follow the numbers of a session, what they cost,
 * and that they are given back wiped.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "sess_check.h"
#include "tw_pairs.h"

#define WINDOWS 4

/* A pool, a session and its peer, who seals with the reference engine. */
struct rig {
	struct tw_engine *eng, *ref;
	struct tw_pairs *p;
	struct tw_refl_sess *sess;
	struct tw_pairs_lease *l;
	uint32_t out;
	uint8_t pkt[32];  /* block, HMAC */
	uint64_t packets; /* authentic ones */
};

static void
lease(struct rig *r, uint32_t in, uint32_t out)
{
	r->sess->pairs = tw_pairs_borrow(r->p, r->sess, in, out);
	r->l = tw_pairs_of(r->p, r->sess->pairs, r->sess);
	r->out = out;
}

static struct rig *
rig(uint32_t in, uint32_t out)
{
	struct rig *r = check_alloc(sizeof(*r));

	check_init();
	r->eng = check_engine(check_fast());
	r->ref = check_engine("openssl");
	r->p = tw_pairs_init(tw_crypto_map(tw_pairs_size(WINDOWS)), WINDOWS);
	r->sess = check_refl(&tw_tst_auth, 1);
	tw_pairs_age(r->p, 1);
	lease(r, in, out);
	cr_assert_not_null(r->l);
	return r;
}

static void
seal(struct rig *r, uint32_t seq, uint8_t mbz)
{
	struct tw_engine_job job = {
		.key = &r->sess->tkey, .buf = r->pkt, .cover = 16, .hmac_off = 16};

	memset(r->pkt, 0, sizeof(r->pkt));
	tw_store_be32(r->pkt, seq);
	r->pkt[15] = mbz;
	cr_assert_eq(tw_engine_seal(r->ref, &job, 1), 1);
}

static enum tw_pairs_verdict
verify(struct rig *r, uint32_t *seq)
{
	return tw_pairs_verify(r->p, r->l, &r->sess->tkey, r->pkt, r->pkt + 16, seq);
}

/* An authentic packet arrives and is answered, as a reflector does it. @return by pairs? */
static bool
arrive(struct rig *r, uint32_t seq)
{
	enum tw_pairs_verdict verdict;
	uint32_t got = ~seq;

	seal(r, seq, 0);
	verdict = verify(r, &got);
	if (verdict == TW_PAIRS_UNKNOWN)
		tw_pairs_seen(r->p, r->l, seq);
	else
		cr_assert(verdict == TW_PAIRS_AUTHENTIC && got == seq);
	tw_pairs_earn(r->p, r->l, &r->sess->tkey, ++r->out, 1);
	r->packets++;
	return verdict == TW_PAIRS_AUTHENTIC;
}

static void
refill(struct rig *r)
{
	tw_pairs_refill(r->p, r->eng);
}

/* Bursts in order. @return packets answered by pairs */
static unsigned
run(struct rig *r, uint32_t first, unsigned cnt, unsigned burst)
{
	unsigned hits = 0;

	for (unsigned i = 0; i < cnt; i++) {
		hits += arrive(r, first + i);
		if (i % burst == burst - 1)
			refill(r);
	}
	refill(r);
	return hits;
}

/* The reply's pair is there, and it is what the reference engine seals. */
static bool
has_out(struct rig *r, uint32_t seq)
{
	const struct tw_engine_pair *pair = tw_pairs_out(r->p, r->l, seq);

	if (pair == NULL)
		return false;
	seal(r, seq, 0);
	cr_assert_eq(memcmp(pair, r->pkt, sizeof(r->pkt)), 0);
	return true;
}

Test(window, in_order_costs_one_pair_a_packet_for_both_directions)
{
	static const unsigned bursts[] = {1, 8, 32};

	for (unsigned k = 0; k < TW_ARRAY_SIZE(bursts); k++) {
		struct rig *r = rig(0, 0);

		run(r, 0, 64, bursts[k]);
		cr_assert_eq(run(r, 64, 1024, bursts[k]), 1024, "burst of %u", bursts[k]);
		cr_assert(has_out(r, r->out));
		cr_assert_leq(tw_ctr_get(&r->p->filled), r->packets + TW_PAIRS_AHEAD);
		cr_assert_eq(r->l->win[TW_PAIRS_IN], r->l->win[TW_PAIRS_OUT]);
	}
}

/* A row of pairs is what single look-ups find, until the window goes round or ends. */
Test(window, rows_of_pairs_end_where_the_window_does)
{
	struct rig *r = rig(TW_PAIRS_WINDOW - 8, TW_PAIRS_WINDOW - 8);
	unsigned cnt, covered = 0;

	run(r, TW_PAIRS_WINDOW - 8, 4, 1);
	for (uint32_t seq = 0; seq < 2 * TW_PAIRS_WINDOW; seq++) {
		const struct tw_engine_pair *pair = tw_pairs_out_row(r->p, r->l, seq, &cnt);
		uint32_t end = seq;

		while (end < seq + cnt && has_out(r, end) &&
			tw_pairs_out(r->p, r->l, end) == pair + (end - seq))
			end++;
		cr_assert_eq(end, seq + cnt);
		cr_assert(end % TW_PAIRS_WINDOW == 0 || tw_pairs_out(r->p, r->l, end) == NULL);
		covered += cnt > 0;
	}
	cr_assert_geq(covered, TW_PAIRS_AHEAD / 2);
	cr_assert_not_null(tw_pairs_out(r->p, r->l, TW_PAIRS_WINDOW), "both sides of the end");
}

/* In the middle of a burst, where nothing is computed: no packet needs the engine. */
Test(window, goes_round_within_a_burst)
{
	struct rig *r = rig(TW_PAIRS_WINDOW - 24, TW_PAIRS_WINDOW - 24);

	run(r, TW_PAIRS_WINDOW - 24, 16, 1);
	cr_assert_eq(run(r, TW_PAIRS_WINDOW - 8, 16, 16), 16);
}

Test(window, wraps_with_the_number)
{
	struct rig *r = rig(UINT32_MAX - 200, UINT32_MAX - 230);

	run(r, UINT32_MAX - 200, 60, 16);
	cr_assert_eq(run(r, UINT32_MAX - 140, 400, 16), 400);
	cr_assert(has_out(r, r->out));
	cr_assert_lt(r->out, 1000);
	cr_assert_leq(tw_ctr_get(&r->p->filled), r->packets + TW_PAIRS_AHEAD);
}

Test(window, late_and_repeated_packets_are_found)
{
	struct rig *r = rig(0, 0);

	run(r, 0, 400, 8);
	cr_assert(arrive(r, 405)); /* the next ones were lost, or come late */
	cr_assert(arrive(r, 402));
	cr_assert(arrive(r, 405));
	cr_assert(arrive(r, 380));
	cr_assert(arrive(r, 406));
	cr_assert_eq(r->l->next[TW_PAIRS_IN], 407);
	cr_assert_not(arrive(r, 100)); /* too late: for the engine */
	cr_assert_eq(r->l->next[TW_PAIRS_IN], 407);
	cr_assert(arrive(r, 407));
}

/* Loss drives the directions apart: two windows, two pairs a packet, and both still hit. */
Test(window, drifting_apart_takes_a_second_window)
{
	struct rig *r = rig(0, 0);
	uint32_t seq = 0;
	unsigned hits = 0, outs = 0;

	for (unsigned i = 0; i < 20000; i++, seq++) {
		seq += i % 50 == 49; /* 2 % loss */
		hits += arrive(r, seq);
		if (i % 16 == 15) {
			refill(r);
			outs += has_out(r, r->out);
		}
	}
	cr_assert_gt(seq - r->out, 300);
	cr_assert_neq(r->l->win[TW_PAIRS_IN], r->l->win[TW_PAIRS_OUT]);
	cr_assert_gt(hits, 19900);
	cr_assert_gt(outs, 1240);
	cr_assert_leq(tw_ctr_get(&r->p->filled), 2 * (uint64_t)seq + 2 * TW_PAIRS_AHEAD);
	/* and back: so many duplicates that the replies catch up */
	while (r->out != seq) {
		cr_assert(arrive(r, seq - 1));
		refill(r);
	}
	cr_assert_eq(r->l->win[TW_PAIRS_IN], r->l->win[TW_PAIRS_OUT]);
	cr_assert_eq(r->p->free_win_cnt, WINDOWS - 1);
}

Test(window, mbz_octets_are_for_the_engine)
{
	struct rig *r = rig(0, 0);
	uint32_t seq;

	run(r, 0, 64, 8);
	seal(r, 64, 1);
	cr_assert_eq(verify(r, &seq), TW_PAIRS_UNKNOWN);
	cr_assert(arrive(r, 64));
}

Test(window, forged_packets_move_nothing)
{
	struct rig *r = rig(0, 0);
	uint64_t rnd = 5, filled;
	uint32_t seq;

	run(r, 0, 64, 8);
	filled = tw_ctr_get(&r->p->filled);
	for (unsigned bit = 0; bit < 128; bit++) {
		seal(r, 64 + bit % 8, 0);
		r->pkt[16 + bit / 8] ^= (uint8_t)(1u << bit % 8);
		cr_assert_eq(verify(r, &seq), TW_PAIRS_FORGED);
	}
	for (unsigned i = 0; i < 10000; i++) {
		check_fill(&rnd, r->pkt, sizeof(r->pkt));
		cr_assert_eq(verify(r, &seq), TW_PAIRS_UNKNOWN);
		seal(r, (uint32_t)check_rand(&rnd), 0); /* a number from anywhere, HMAC wrong */
		r->pkt[20] ^= 1;
		cr_assert_neq(verify(r, &seq), TW_PAIRS_AUTHENTIC);
		refill(r);
	}
	cr_assert_eq(tw_ctr_get(&r->p->filled), filled);
	cr_assert_eq(r->l->next[TW_PAIRS_IN], 64);
	cr_assert_eq(run(r, 64, 64, 8), 64);
}

/* Authentic packets with numbers from anywhere: each earns so many pairs and no more. */
Test(window, numbers_that_jump_cost_no_more_than_they_earn)
{
	struct rig *r = rig(0, 0);
	uint64_t rnd = 9;

	run(r, 0, 64, 8);
	for (unsigned i = 0; i < 5000; i++) {
		arrive(r, (uint32_t)check_rand(&rnd));
		refill(r);
	}
	cr_assert_eq(r->l->next[TW_PAIRS_IN], 64, "one packet far away moves nothing");
	for (unsigned i = 0; i < 5000; i++) { /* near enough to follow each time */
		arrive(r, r->l->next[TW_PAIRS_IN] + 4000);
		refill(r);
	}
	cr_assert_leq(tw_ctr_get(&r->p->filled), TW_PAIRS_CREDIT * r->packets + 100);
	/* in sequence it is where the session now is */
	cr_assert_gt(run(r, 0x70000000, 64, 8), 24);
	cr_assert_eq(run(r, 0x70000040, 64, 8), 64);
}

Test(window, sessions_do_not_starve_each_other_within_a_turn)
{
	struct rig *r = rig(0, 0);
	struct tw_pairs_lease *other;
	uint16_t ref = tw_pairs_borrow(r->p, &ref, 0, 0);

	other = tw_pairs_of(r->p, ref, &ref);
	for (unsigned i = 0; i < 64; i++) {
		arrive(r, i);
		tw_pairs_earn(r->p, other, &r->sess->tkey, i, 1);
		refill(r);
	}
	cr_assert_geq(tw_pairs_of(r->p, ref, &ref)->next[TW_PAIRS_OUT], 63);
	cr_assert_not_null(tw_pairs_out(r->p, other, 64));
	cr_assert(has_out(r, r->out));
}

/* With no window left the trailing direction is the engine's; nothing else changes. */
Test(window, pool_is_bounded_and_leases_are_taken_back_when_idle)
{
	struct rig *r = rig(0, 0);
	int owner[WINDOWS];
	uint16_t ref[WINDOWS];
	int64_t now_ns = 1;
	const uint8_t *octets;

	for (unsigned i = 0; i < WINDOWS; i++)
		ref[i] = tw_pairs_borrow(r->p, &owner[i], 0, 0);
	cr_assert_eq(ref[WINDOWS - 1], 0);
	cr_assert_eq(tw_ctr_get(&r->p->leases), WINDOWS);
	run(r, 0, 64, 8);
	run(r, 1000, 200, 8); /* `out` is left behind */
	cr_assert_eq(run(r, 1200, 64, 8), 64);
	cr_assert_not(has_out(r, r->out));
	/* ours stays in use, the others idle out */
	for (unsigned i = 0; i < 100; i++) {
		now_ns += TW_PAIRS_IDLE_NS / 20;
		tw_pairs_age(r->p, now_ns);
		arrive(r, 1264 + i);
		refill(r);
	}
	cr_assert_eq(tw_ctr_get(&r->p->leases), 1);
	cr_assert_null(tw_pairs_of(r->p, ref[0], &owner[0]));
	cr_assert(has_out(r, r->out), "a window came free");
	for (unsigned i = 0; i < 4; i++)
		tw_pairs_age(r->p, now_ns + 2 * TW_PAIRS_IDLE_NS);
	cr_assert_null(tw_pairs_of(r->p, r->sess->pairs, r->sess));
	cr_assert_eq(r->p->free_win_cnt, WINDOWS);
	octets = (const uint8_t *)r->p->win;
	for (size_t i = 0; i < WINDOWS * sizeof(struct tw_pairs_window); i++)
		cr_assert_eq(octets[i], 0, "octet %zu of the windows", i);
}

/* A record that was freed and used for another session does not find the old lease. */
Test(window, lease_of_a_gone_session_is_nobodys)
{
	struct rig *r = rig(0, 0);
	uint16_t old = r->sess->pairs;
	int other;

	cr_assert_null(tw_pairs_of(r->p, old, &other));
	cr_assert_null(tw_pairs_of(r->p, 0, r->sess));
	tw_pairs_age(r->p, 10 * TW_PAIRS_IDLE_NS);
	tw_pairs_age(r->p, 20 * TW_PAIRS_IDLE_NS);
	cr_assert_null(tw_pairs_of(r->p, old, r->sess));
	cr_assert_eq(tw_pairs_borrow(r->p, &other, 0, 0), old);
	cr_assert_null(tw_pairs_of(r->p, old, r->sess));
}

static bool
no_pairs(struct tw_engine *eng, const struct tw_crypto_tkey *key, uint32_t seq,
	struct tw_engine_pair *pair, unsigned n)
{
	(void)eng;
	(void)key;
	(void)seq;
	memset(pair, 0x55, n * sizeof(*pair));
	return false;
}

Test(window, what_a_broken_engine_computed_is_not_used)
{
	struct rig *r = rig(0, 0);
	const struct tw_engine_ops *good = r->eng->ops;
	struct tw_engine_ops bad = *good;

	run(r, 0, 64, 8);
	bad.pairs = no_pairs;
	r->eng->ops = &bad;
	for (unsigned i = 64; i < 400; i++) {
		arrive(r, i);
		refill(r);
	}
	cr_assert_null(tw_pairs_out(r->p, r->l, r->out));
	cr_assert_not(arrive(r, 400));
	r->eng->ops = good;
}
