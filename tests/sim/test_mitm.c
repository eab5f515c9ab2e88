/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Our client and our server with an IKEv2-derived key, and somebody between them who alters what no
 * HMAC covers: Greeting, Set-Up-Response, Server-Start. Whatever he does there is no mode without
 * bit 7, no passphrase Token, no session; he can but deny service.
 */
#include <criterion/criterion.h>

#include "sim.h"

#define CLIENT "192.0.2.2"

static struct sim sim;
static struct sim_result r;
static struct sim_plan plan;
static uint8_t key[32];

/* What he does, set by each test. */
static uint32_t modes;
static uint8_t accept_forged, octet;
static size_t at;
static uint32_t count_said;
static unsigned seen;
static uint8_t kept[TW_WIRE_SETUP_RESPONSE_LEN];

static void
begin(void)
{
	bed_key_octets(key, sizeof(key), 0xf8);
}

TestSuite(mitm, .init = begin);

static void
renew(uint64_t seed)
{
	sim_init(&sim, seed);
	sim.bed.is_ike_up = true;
	bed_add_sa(&sim.bed, 1, key, sizeof(key))->peer = bed_addr(CLIENT);
	seen = 0;
	plan = (struct sim_plan){.mode = TW_MODE_ENCR,
		.rounds = 1,
		.sessions = 2,
		.test_ns = BED_NS_PER_S,
		.is_ike = true};
}

/* The client said nothing but 132 with the SPIs of its SA, or that it leaves. */
static void
check_said(void)
{
	static const uint8_t zero[TW_WIRE_SETUP_RESPONSE_LEN];

	for (unsigned i = 0; i < r.response_cnt; i++) {
		uint32_t mode = tw_load_be32(r.response[i]);

		if (mode == 0) {
			cr_assert_arr_eq(r.response[i], zero, sizeof(zero));
			continue;
		}
		cr_assert(mode & TW_MODE_IKEV2);
		cr_assert(tw_mode_rank(mode) >= tw_mode_rank(plan.floor ? plan.floor : plan.mode));
		cr_assert_arr_eq(r.response[i] + 4, sim.bed.sa[0].spis, 16);
		cr_assert_arr_eq(r.response[i] + 20, zero, 64);
	}
	cr_assert_eq(r.fallbacks, 0);
}

static void
check_denied(void)
{
	check_said();
	cr_assert_eq(r.accepted, 0);
	cr_assert_eq(r.started_rounds, 0);
	cr_assert_eq(tw_ctl_srv_counter(sim.bed.srv, TW_CTL_CTR_SESSIONS_STARTED), 0);
	cr_assert_neq(r.closed.reason.why, TW_CTL_WHY_NONE);
}

static void
check_perfect(void)
{
	check_said();
	cr_assert_eq(
		r.closed.reason.why, TW_CTL_WHY_NONE, "%s", tw_ctl_why_name(r.closed.reason.why));
	cr_assert_eq(r.accepted, plan.sessions);
	cr_assert_eq(r.stopped_rounds, 1);
	cr_assert(r.conn.mode & TW_MODE_IKEV2);
	cr_assert_arr_eq(r.conn.spis, sim.bed.sa[0].spis, 16);
}

static void
run(void)
{
	sim_run(&sim, &plan, 1, &r);
}

/* Nobody there: every selection, over links of any kind */
Test(mitm, nobody)
{
	static const uint32_t secs[] = {TW_MODE_AUTH, TW_MODE_ENCR, TW_MODE_MIXED};

	for (uint64_t seed = 0; seed < 60; seed++) {
		renew(seed);
		plan.mode = secs[seed % 3];
		sim.link.piece_max = 1 + seed * 7;
		sim.link.delay_max_ns = (int64_t)seed * 1000000;
		run();
		check_perfect();
		cr_assert_eq(r.conn.mode, secs[seed % 3] | 128);
		sim_fini(&sim);
	}
}

/* --- bits of the greeting --- */

static void
strip(struct sim *s, uint8_t *msg)
{
	(void)s;
	tw_store_be32(msg + 12, modes);
}

/* Any offer instead of the real one: what our client saw is in its Token's IV, so that even one
 * that only makes it choose another good mode is found out */
Test(mitm, strips_the_greeting)
{
	static const uint32_t floors[] = {0, TW_MODE_AUTH, TW_MODE_MIXED, TW_MODE_OPEN};

	for (size_t f = 0; f < TW_ARRAY_SIZE(floors); f++) {
		for (modes = 0; modes < 1024; modes += modes == 31 ? 97 : 1) {
			renew(modes);
			plan.floor = floors[f];
			sim.mitm.greeting = strip;
			run();
			if (modes == (15 | 128))
				check_perfect();
			else
				check_denied();
			sim_fini(&sim);
		}
	}
}

/* --- Mode of the Set-Up-Response --- */

static void
flip_mode(struct sim *s, uint8_t *msg)
{
	(void)s;
	tw_store_be32(msg, modes);
}

/* 132 into anything: 136 would open the test packets, 4 would name a passphrase, 1 nothing at all
 */
Test(mitm, flips_mode)
{
	for (modes = 0; modes < 1024; modes += modes >= 256 ? 51 : 1) {
		if (modes == 132)
			continue;
		renew(modes);
		sim.mitm.response = flip_mode;
		run();
		check_denied();
		sim_fini(&sim);
	}
}

/* The same among the modes of passphrases */
Test(mitm, flips_mode_of_a_passphrase)
{
	for (modes = 0; modes < 256; modes++) {
		if (modes == 4)
			continue;
		renew(modes);
		plan.is_ike = false;
		sim.mitm.response = flip_mode;
		run();
		cr_assert_eq(r.accepted, 0);
		cr_assert_eq(r.started_rounds, 0);
		sim_fini(&sim);
	}
}

static void
flip_mode_and_iv(struct sim *s, uint8_t *msg)
{
	flip_mode(s, msg);
	msg[148 + at] ^= octet;
}

/* He may hide the mark, but then garbles the client's first block */
Test(mitm, flips_mode_and_iv)
{
	static const uint32_t to[] = {130, 136};

	for (size_t i = 0; i < TW_ARRAY_SIZE(to); i++) {
		for (at = 0; at < 16; at++) {
			renew(at);
			modes = to[i];
			octet = (uint8_t)(1 << at % 8);
			sim.mitm.response = flip_mode_and_iv;
			run();
			check_denied();
			sim_fini(&sim);
		}
	}
}

/* --- Server-Start --- */

static void
forge_accept(struct sim *s, uint8_t *msg)
{
	(void)s;
	memset(msg, 0, TW_WIRE_SERVER_START_LEN);
	msg[15] = accept_forged;
	seen++;
}

/* 6 makes the client look and connect once more, no more than that; no other does */
Test(mitm, forges_accept)
{
	for (unsigned a = 1; a < 256; a++) {
		renew(a);
		accept_forged = (uint8_t)a;
		sim.mitm.server_start = forge_accept;
		run();
		check_denied();
		cr_assert_eq(seen, a == 6 ? 2 : 1);
		cr_assert_eq(r.closed_events, a == 6 ? 2 : 1);
		if (a == 6)
			cr_assert_eq(r.closed.reason.why, TW_CTL_WHY_SETUP_NO_IKE_SA);
		sim_fini(&sim);
	}
}

static void
forge_once(struct sim *s, uint8_t *msg)
{
	if (seen == 0)
		forge_accept(s, msg);
	seen++;
}

/* Once only: the second connection does */
Test(mitm, forges_accept_6_once)
{
	renew(1);
	accept_forged = 6;
	sim.mitm.server_start = forge_once;
	run();
	check_perfect();
	cr_assert_eq(r.closed_events, 2);
	sim_fini(&sim);
}

static void
say_ok(struct sim *s, uint8_t *msg)
{
	(void)s;
	msg[15] = 0;
}

/* The server refuses (it has no such SA), and the client hears that all is well */
Test(mitm, forges_accept_0)
{
	renew(1);
	sim.bed.sa[0].is_late = true;
	sim.mitm.server_start = say_ok;
	run();
	check_denied();
	sim_fini(&sim);
}

/* Where fallback is set for this peer he gets what the operator allowed, and not less */
Test(mitm, forges_accept_6_with_fallback)
{
	renew(1);
	plan.has_fallback = true;
	accept_forged = 6;
	sim.mitm.server_start = forge_accept;
	run();
	cr_assert_eq(r.fallbacks, 1);
	cr_assert_eq(r.response_cnt, 3);
	cr_assert_eq(tw_load_be32(r.response[0]), 132);
	cr_assert_eq(tw_load_be32(r.response[1]), 132);
	cr_assert_eq(tw_load_be32(r.response[2]), TW_MODE_ENCR); /* not below the floor */
	sim_fini(&sim);
}

/* --- replays --- */

static void
replay(struct sim *s, uint8_t *msg)
{
	(void)s;
	if (seen++ == 0)
		memcpy(kept, msg, sizeof(kept));
	else
		memcpy(msg, kept, sizeof(kept));
}

/* A good Set-Up-Response on another connection: its Token holds another Challenge */
Test(mitm, replays_a_response)
{
	renew(1);
	sim.mitm.response = replay;
	run();
	check_perfect();
	run();
	check_said();
	cr_assert_eq(r.accepted, 0);
	cr_assert_eq(r.conn.reason.why, TW_CTL_WHY_IKE_AUTH_FAILED);
	cr_assert_eq(r.closed.reason.why, TW_CTL_WHY_SETUP_IKE_AUTH);
	sim_fini(&sim);
}

static void
replay_greeting(struct sim *s, uint8_t *msg)
{
	(void)s;
	if (seen++ == 0)
		memcpy(kept, msg, TW_WIRE_GREETING_LEN);
	else
		memcpy(msg, kept, TW_WIRE_GREETING_LEN);
}

Test(mitm, replays_a_greeting)
{
	renew(1);
	sim.mitm.greeting = replay_greeting;
	run();
	check_perfect();
	run();
	check_said();
	cr_assert_eq(r.accepted, 0);
	sim_fini(&sim);
}

/* --- relay to the client's own box --- */

/* He connects us to our own server, which has the same SA: our Challenge gives him away */
Test(mitm, relays_to_the_own_server)
{
	renew(1);
	plan.is_own = true;
	run();
	check_denied();
	cr_assert_eq(r.response_cnt, 0);
	cr_assert_eq(r.closed.reason.why, TW_CTL_WHY_REFLECTED);
	sim_fini(&sim);
}

/* --- Count --- */

static void
say_count(struct sim *s, uint8_t *msg)
{
	(void)s;
	tw_store_be32(msg + 48, count_said);
}

/* Too low a Count would make the Token cheap to search, too high a one keep us busy: neither is
 * derived. One within bounds makes another key. */
Test(mitm, low_and_huge_count)
{
	static const uint32_t counts[] = {
		0, 1, 2, 512, 1000, 1025, 65536, 1U << 20, 1U << 31, UINT32_MAX, 2048, 32768};

	for (size_t i = 0; i < TW_ARRAY_SIZE(counts); i++) {
		bool is_ok = counts[i] == 2048 || counts[i] == 32768;

		renew(i);
		count_said = counts[i];
		sim.mitm.greeting = say_count;
		run();
		check_denied();
		cr_assert_eq(r.response_cnt, is_ok);
		cr_assert_eq(r.closed.reason.why,
			is_ok ? TW_CTL_WHY_SETUP_IKE_AUTH : TW_CTL_WHY_BAD_COUNT);
		sim_fini(&sim);
	}
}

/* --- any octet --- */

static void
flip_greeting(struct sim *s, uint8_t *msg)
{
	(void)s;
	if (at < TW_WIRE_GREETING_LEN)
		msg[at] ^= octet;
}

static void
flip_response(struct sim *s, uint8_t *msg)
{
	(void)s;
	if (at >= 64 && at < 64 + TW_WIRE_SETUP_RESPONSE_LEN)
		msg[at - 64] ^= octet;
}

static void
flip_server_start(struct sim *s, uint8_t *msg)
{
	(void)s;
	if (at >= 64 + TW_WIRE_SETUP_RESPONSE_LEN)
		msg[at - 64 - TW_WIRE_SETUP_RESPONSE_LEN] ^= octet;
}

/* Every octet of the set-up altered: what is not ignored by the letter of the RFCs denies service
 */
Test(mitm, any_octet)
{
	for (at = 0; at < 64 + 164 + 48; at++) {
		/* unused and MBZ; bits 10..31 of Mode; KeyID behind the SPIs */
		bool is_ignored = at < 12 || (at >= 52 && at < 67) || (at >= 84 && at < 148) ||
				  (at >= 228 && at < 243);

		renew(at);
		octet = (uint8_t)(1 + at * 37 % 255);
		sim.mitm = (struct sim_mitm){flip_greeting, flip_response, flip_server_start};
		run();
		if (is_ignored)
			check_perfect();
		else
			check_denied();
		sim_fini(&sim);
	}
}

/* --- the SA comes and goes --- */

static void
sa_comes(struct sim *s)
{
	s->bed.sa[0].is_late = false;
	tw_ctl_srv_ike_changed(s->bed.srv, s->bed.sa[0].spis, s->bed.now);
}

/* The server hears of it within the wait: one connection does */
Test(mitm, sa_arrives_during_the_wait)
{
	for (uint64_t seed = 0; seed < 20; seed++) {
		renew(seed);
		sim.bed.sa[0].is_late = true;
		sim.bed.ike_expects = bed_addr(CLIENT);
		sim.at_ns = sim.bed.now.mono_ns + (int64_t)(seed + 1) * 70000000;
		sim.at = sa_comes;
		run();
		check_perfect();
		cr_assert_eq(r.closed_events, 1);
		cr_assert_eq(tw_ctl_srv_counter(sim.bed.srv, TW_CTL_CTR_IKE_WAITS_OVER), 1);
		sim_fini(&sim);
	}
}

/* It hears too late, but before the second connection */
Test(mitm, sa_arrives_behind_the_wait)
{
	renew(1);
	sim.bed.sa[0].is_late = true;
	sim.bed.ike_expects = bed_addr(CLIENT);
	sim.at_ns = sim.bed.now.mono_ns + 2 * BED_NS_PER_S;
	sim.at = sa_comes;
	run();
	check_perfect();
	cr_assert_eq(r.closed_events, 2);
	sim_fini(&sim);
}

static void
sa_goes(struct sim *s)
{
	s->bed.sa[0].answer = TW_CTL_IKE_ENDED;
	tw_ctl_srv_ike_changed(s->bed.srv, s->bed.sa[0].spis, s->bed.now);
}

/* Deleted at any time: before the set-up is done there is none, afterwards all goes on (R-7717-009)
 */
Test(mitm, sa_goes_at_any_time)
{
	unsigned denied = 0, perfect = 0;

	for (uint64_t seed = 0; seed < 120; seed++) {
		renew(seed);
		sim.kdf_max_ns = 40000000;
		sim.link.delay_max_ns = 5000000;
		sim.at_ns = sim.bed.now.mono_ns + (int64_t)seed * 1000000;
		sim.at = sa_goes;
		run();
		check_said();
		if (r.closed.reason.why == TW_CTL_WHY_NONE) {
			check_perfect();
			perfect++;
		} else {
			check_denied();
			denied++;
		}
		sim_fini(&sim);
	}
	cr_assert(denied > 5 && perfect > 5, "%u %u", denied, perfect);
}
