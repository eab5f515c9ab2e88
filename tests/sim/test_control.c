/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/* Our client against our server: any mode, however octets travel, wherever the connection breaks.
 */
#include <criterion/criterion.h>

#include "sim.h"

static const uint32_t modes[] = {TW_MODE_OPEN, TW_MODE_AUTH, TW_MODE_ENCR, TW_MODE_MIXED};

static const struct sim_plan small = {.mode = TW_MODE_ENCR, .rounds = 2, .sessions = 3};

/* Octets of `small`, to the server and to the client. */
enum {
	SMALL_TO_SERVER = 164 + 2 * (3 * 112 + 32 + 32),
	SMALL_TO_CLIENT = 64 + 48 + 2 * (3 * 48 + 32),
};

static void
check_perfect(const struct sim_plan *plan, const struct sim_result *r, uint64_t seed)
{
	cr_assert_eq(r->closed.reason.why, TW_CTL_WHY_NONE, "seed %lu: %s", seed,
		tw_ctl_why_name(r->closed.reason.why));
	cr_assert_eq(r->accepted, plan->rounds * plan->sessions, "seed %lu", seed);
	cr_assert_eq(r->refused, 0, "seed %lu", seed);
	cr_assert_eq(r->stopped_rounds, plan->rounds, "seed %lu", seed);
	cr_assert_eq(r->conn.reason.why, TW_CTL_WHY_PEER_CLOSED, "seed %lu: %s", seed,
		tw_ctl_why_name(r->conn.reason.why));
	cr_assert_not(r->closed.control_lost || r->closed.results_invalid);
}

Test(control, every_mode_v4_and_v6)
{
	for (unsigned i = 0; i < 8; i++) {
		struct sim_plan plan = small;
		struct sim_result r;
		struct sim sim;

		plan.mode = modes[i / 2];
		plan.is_v6 = i % 2;
		plan.test_ns = 10 * BED_NS_PER_S;
		sim_init(&sim, i + 1);
		sim_run(&sim, &plan, 1, &r);
		check_perfect(&plan, &r, i + 1);
		cr_assert_eq(r.to_server, SMALL_TO_SERVER);
		cr_assert_eq(r.to_client, SMALL_TO_CLIENT);
		sim_fini(&sim);
	}
}

/* One octet at a time, each with a delay of its own */
Test(control, octet_by_octet)
{
	for (unsigned i = 0; i < TW_ARRAY_SIZE(modes); i++) {
		struct sim_plan plan = small;
		struct sim_result r;
		struct sim sim;

		plan.mode = modes[i];
		sim_init(&sim, 100 + i);
		sim.link.piece_max = 1;
		sim.link.delay_max_ns = 5000000;
		sim_run(&sim, &plan, 1, &r);
		check_perfect(&plan, &r, 100 + i);
		sim_fini(&sim);
	}
}

/* Pieces of any size, small windows: both ends must wait for each other again and again */
Test(control, any_pieces_and_windows)
{
	struct sim sim;

	sim_init(&sim, 7);
	for (uint64_t seed = 1; seed <= 150; seed++) {
		struct sim_plan plan = {.mode = modes[seed % 4], .rounds = 3, .sessions = 30};
		struct sim_result r;

		sim.bed.seed = seed;
		sim.link.piece_max = 1 + seed * 37 % 300;
		sim.link.window = 1 + seed * 101 % 700;
		sim.link.delay_max_ns = (int64_t)(seed * 999983 % 3000000);
		sim_run(&sim, &plan, 1, &r);
		check_perfect(&plan, &r, seed);
	}
	sim_fini(&sim);
}

/* What must hold when the connection breaks anywhere */
static void
check_cut(const struct sim_result *r, const char *way, size_t at)
{
	cr_assert_eq(r->closed_events, 1);
	cr_assert_not(r->closed.results_invalid, "%s %zu", way, at);
	/* running tests are flagged, others are not */
	cr_assert(r->closed.control_lost <= (r->started_rounds > r->stopped_rounds) ||
			  r->closed.reason.why == TW_CTL_WHY_PEER_CLOSED,
		"%s %zu", way, at);
	cr_assert_eq(r->conn.running_cnt, 0);
	cr_assert_eq(r->conn.reserved_cnt, 0);
}

static void
cut_everywhere(uint32_t mode, bool is_to_server)
{
	size_t end = is_to_server ? SMALL_TO_SERVER : SMALL_TO_CLIENT;
	struct sim sim;

	sim_init(&sim, mode);
	for (size_t at = 0; at < end; at++) {
		struct sim_plan plan = small;
		struct sim_result r;

		plan.mode = mode;
		sim.link.cut_to_server = is_to_server ? at + 1 : SIM_NEVER;
		sim.link.cut_to_client = is_to_server ? SIM_NEVER : at + 1;
		sim.link.piece_max = 1 + at % 200;
		sim_run(&sim, &plan, 1, &r);
		check_cut(&r, is_to_server ? "to the server" : "to the client", at);
	}
	sim_fini(&sim);
}

Test(control, cut_at_every_octet_to_the_server_open)
{
	cut_everywhere(TW_MODE_OPEN, true);
}

Test(control, cut_at_every_octet_to_the_client_open)
{
	cut_everywhere(TW_MODE_OPEN, false);
}

Test(control, cut_at_every_octet_to_the_server_secure)
{
	cut_everywhere(TW_MODE_ENCR, true);
}

Test(control, cut_at_every_octet_to_the_client_secure)
{
	cut_everywhere(TW_MODE_AUTH, false);
}

/* 40 clients at once, 6,000 sessions a round, three rounds */
Test(control, thousands_of_sessions)
{
	static struct sim_result r[40];
	struct sim_plan plan = {
		.mode = TW_MODE_OPEN, .rounds = 3, .sessions = 150, .test_ns = BED_NS_PER_S};
	struct sim sim;

	sim_init(&sim, 11);
	sim.link.piece_max = 1500;
	sim.link.window = 16384;
	sim_run(&sim, &plan, TW_ARRAY_SIZE(r), r);
	for (size_t i = 0; i < TW_ARRAY_SIZE(r); i++)
		check_perfect(&plan, &r[i], 11);
	cr_assert_eq(tw_ctl_srv_counter(sim.bed.srv, TW_CTL_CTR_SESSIONS_STOPPED), 40 * 150 * 3);
	sim_fini(&sim);
}

/* 200 secure connections, all derivations at once */
Test(control, many_secure_connections)
{
	static struct sim_result r[200];
	struct sim_plan plan = {.mode = TW_MODE_AUTH, .rounds = 1, .sessions = 5};
	struct sim sim;

	sim_init(&sim, 12);
	sim_run(&sim, &plan, TW_ARRAY_SIZE(r), r);
	for (size_t i = 0; i < TW_ARRAY_SIZE(r); i++)
		check_perfect(&plan, &r[i], 12);
	sim_fini(&sim);
}

/* More sessions than the server grants: refused ones are told, the others run */
Test(control, limit_met_on_the_way)
{
	struct sim_plan plan = {.mode = TW_MODE_ENCR, .rounds = 2, .sessions = 20};
	struct sim_result r;
	struct sim sim;

	sim_init(&sim, 13);
	sim.bed.cfg.limit[TW_CTL_CLASS_TRUSTED][TW_CTL_LIMIT_SESSIONS_PER_CONN] = 7;
	sim_run(&sim, &plan, 1, &r);
	cr_assert_eq(r.accepted, 14);
	cr_assert_eq(r.refused, 26);
	cr_assert_eq(r.stopped_rounds, 2);
	cr_assert_eq(r.closed.reason.why, TW_CTL_WHY_NONE);
	sim_fini(&sim);
}

/* Refusals arrive as what they are. */
Test(control, refused_connections)
{
	static struct sim_result r[3];
	struct sim_plan plan = small;
	struct sim sim;

	sim_init(&sim, 14);
	sim.bed.cfg.modes = TW_MODE_AUTH;
	sim_run(&sim, &plan, 1, r); /* encrypted is not offered */
	cr_assert_eq(r[0].closed.reason.why, TW_CTL_WHY_NO_ACCEPTABLE_MODE);
	cr_assert_eq(r[0].conn.reason.why, TW_CTL_WHY_CLIENT_LEFT);
	sim_fini(&sim);
	sim_init(&sim, 15);
	sim.bed.cfg.limit[TW_CTL_CLASS_TRUSTED][TW_CTL_LIMIT_CONNS] = 1;
	sim_run(&sim, &plan, 3, r);
	check_perfect(&plan, &r[0], 15);
	for (int i = 1; i < 3; i++) {
		cr_assert_eq(r[i].closed.reason.why, TW_CTL_WHY_SERVER_REFUSES);
		cr_assert_eq(r[i].conn.reason.why, TW_CTL_WHY_CONNS);
	}
	sim_fini(&sim);
}
