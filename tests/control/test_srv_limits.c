/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Every limit of PROTOCOL.md 5.3: both classes, its answer, its counter; and the defaults.
 * R-4656-089, R-4656-090
 */
#include <criterion/criterion.h>

#include "talk.h"

#define INSIDE  "192.0.2.77"
#define OUTSIDE "198.51.100.7"

static struct bed bed;
static struct talk t[16];

static void
begin(void)
{
	bed_init(&bed);
}

static void
end(void)
{
	bed_fini(&bed);
}

TestSuite(srv_limits, .init = begin, .fini = end);

static uint32_t *
limit(enum tw_ctl_class cls, enum tw_ctl_limit l)
{
	return &bed.cfg.limit[cls][l];
}

static void
check_hits(enum tw_ctl_class cls, enum tw_ctl_limit l, uint64_t cnt)
{
	for (unsigned c = 0; c < TW_CTL_CLASS_N; c++) {
		for (unsigned k = 0; k < TW_CTL_LIMIT_N; k++)
			cr_assert_eq(tw_ctl_srv_limit_hits(bed.srv, c, k),
				c == cls && k == l ? cnt : 0, "%s.%s", tw_ctl_class_name(c),
				tw_ctl_limit_knob(c, k).name);
	}
}

static int
open_mode(struct talk *x, const char *peer)
{
	talk_open(x, &bed, peer);
	return x->greeting.modes == 0 ? -1 : talk_setup(x, TW_MODE_OPEN, NULL, NULL);
}

static int
auth_mode(struct talk *x, const char *peer)
{
	talk_open(x, &bed, peer);
	return x->greeting.modes == 0 ? -1 : talk_setup(x, TW_MODE_AUTH, BED_USER, BED_SECRET);
}

static void
close_all(size_t cnt)
{
	for (size_t i = 0; i < cnt; i++)
		talk_close(&t[i]);
}

/* The figures the issue and PROTOCOL.md 5.3 name. */
Test(srv_limits, defaults)
{
	static const uint32_t want[][3] = {
		{TW_CTL_LIMIT_CONNS, 10000, 64},
		{TW_CTL_LIMIT_CONNS_PER_SOURCE, 10000, 8},
		{TW_CTL_LIMIT_PREAUTH, 1024, 32},
		{TW_CTL_LIMIT_KDF_QUEUE, 1024, 8},
		{TW_CTL_LIMIT_SESSIONS, 100000, 1024},
		{TW_CTL_LIMIT_SESSIONS_PER_CONN, 100000, 64},
		{TW_CTL_LIMIT_SESSIONS_PER_SOURCE, 100000, 64},
		{TW_CTL_LIMIT_PACKET_SIZE, 9000, 9000},
		{TW_CTL_LIMIT_TIMEOUT, 900, 900},
		{TW_CTL_LIMIT_SESSION_RATE, 0, 10000},
	};

	tw_ctl_srv_cfg_init(&bed.cfg);
	for (size_t i = 0; i < TW_ARRAY_SIZE(want); i++) {
		cr_assert_eq(*limit(TW_CTL_CLASS_TRUSTED, want[i][0]), want[i][1]);
		cr_assert_eq(*limit(TW_CTL_CLASS_OTHER, want[i][0]), want[i][2]);
		cr_assert_eq(tw_ctl_limit_knob(TW_CTL_CLASS_TRUSTED, want[i][0]).def, want[i][1]);
		cr_assert_eq(tw_ctl_limit_knob(TW_CTL_CLASS_OTHER, want[i][0]).def, want[i][2]);
	}
}

Test(srv_limits, bounds_are_checked)
{
	char why[200];

	bed_serve(&bed);
	for (unsigned c = 0; c < TW_CTL_CLASS_N; c++) {
		for (unsigned l = 0; l < TW_CTL_LIMIT_N; l++) {
			struct tw_ctl_knob k = tw_ctl_limit_knob(c, l);

			bed.cfg.limit[c][l] = k.max + 1;
			cr_assert_eq(tw_ctl_srv_cfg_check(&bed.cfg, why, sizeof(why)), -EINVAL);
			cr_assert(strstr(why, k.name) != NULL);
			bed.cfg.limit[c][l] = k.max;
			cr_assert_eq(tw_ctl_srv_cfg_check(&bed.cfg, why, sizeof(why)), 0);
			bed.cfg.limit[c][l] = k.def;
		}
	}
	for (unsigned s = 0; s < TW_CTL_SET_N; s++) {
		struct tw_ctl_knob k = tw_ctl_setting_knob(s);
		uint32_t was = bed.cfg.set[s];

		bed.cfg.set[s] = k.max + 1;
		cr_assert_eq(tw_ctl_srv_set_cfg(bed.srv, &bed.cfg), -EINVAL, "%s", k.name);
		bed.cfg.set[s] = was;
	}
}

Test(srv_limits, sense_is_checked)
{
	struct tw_ctl_allow row = {.modes = 0};
	char why[200];

	bed.cfg.set[TW_CTL_SET_PORT_LO] = 60000;
	bed.cfg.set[TW_CTL_SET_PORT_HI] = 50000;
	cr_assert_eq(tw_ctl_srv_cfg_check(&bed.cfg, why, sizeof(why)), -EINVAL);
	bed.cfg.set[TW_CTL_SET_PORT_HI] = 60000;
	cr_assert_eq(tw_ctl_srv_cfg_check(&bed.cfg, why, sizeof(why)), 0);
	bed.cfg.modes = 16;
	cr_assert_eq(tw_ctl_srv_cfg_check(&bed.cfg, why, sizeof(why)), -EINVAL);
	bed.cfg.modes = 15;
	bed.cfg.allow = &row;
	bed.cfg.allow_cnt = 1;
	cr_assert_eq(tw_ctl_srv_cfg_check(&bed.cfg, why, sizeof(why)), -EINVAL);
}

/* Greeting with no modes, close */
Test(srv_limits, connections)
{
	*limit(TW_CTL_CLASS_TRUSTED, TW_CTL_LIMIT_CONNS) = 2;
	bed_serve(&bed);
	cr_assert_eq(open_mode(&t[0], "192.0.2.1"), 0);
	cr_assert_eq(open_mode(&t[1], "192.0.2.2"), 0);
	cr_assert_eq(open_mode(&t[2], "192.0.2.3"), -1);
	cr_assert(talk_is_over(&t[2]));
	cr_assert_eq(talk_why(&t[2]), TW_CTL_WHY_CONNS);
	check_hits(TW_CTL_CLASS_TRUSTED, TW_CTL_LIMIT_CONNS, 1);
	/* one goes, one may come */
	talk_close(&t[0]);
	cr_assert_eq(open_mode(&t[0], "192.0.2.3"), 0);
	close_all(3);
}

Test(srv_limits, connections_per_source)
{
	*limit(TW_CTL_CLASS_TRUSTED, TW_CTL_LIMIT_CONNS_PER_SOURCE) = 2;
	bed_serve(&bed);
	cr_assert_eq(open_mode(&t[0], INSIDE), 0);
	cr_assert_eq(open_mode(&t[1], INSIDE), 0);
	cr_assert_eq(open_mode(&t[2], INSIDE), -1);
	cr_assert_eq(talk_why(&t[2]), TW_CTL_WHY_CONNS_PER_SOURCE);
	cr_assert_eq(open_mode(&t[3], "192.0.2.78"), 0);
	check_hits(TW_CTL_CLASS_TRUSTED, TW_CTL_LIMIT_CONNS_PER_SOURCE, 1);
	close_all(4);
}

/* One IPv6 host commands a whole /64. */
Test(srv_limits, ipv6_source_is_a_prefix)
{
	*limit(TW_CTL_CLASS_TRUSTED, TW_CTL_LIMIT_CONNS_PER_SOURCE) = 1;
	bed_serve(&bed);
	cr_assert_eq(open_mode(&t[0], "2001:db8::a"), 0);
	cr_assert_eq(open_mode(&t[1], "2001:db8::b"), -1);
	cr_assert_eq(open_mode(&t[2], "2001:db8:0:1::b"), 0);
	bed.cfg.set[TW_CTL_SET_SOURCE_BITS_V6] = 128;
	cr_assert_eq(tw_ctl_srv_set_cfg(bed.srv, &bed.cfg), 0);
	cr_assert_eq(open_mode(&t[3], "2001:db8::b"), 0);
	close_all(4);
}

/* Peers outside the prefixes that stay unauthenticated have the small numbers. */
Test(srv_limits, others_have_their_own)
{
	bed.cfg.set[TW_CTL_SET_OPEN_TO_OTHERS] = 1;
	bed_serve(&bed);
	for (int i = 0; i < 8; i++)
		cr_assert_eq(open_mode(&t[i], OUTSIDE), 0);
	/* the ninth might still authenticate; when it does not, it is one too many */
	cr_assert_eq(open_mode(&t[8], OUTSIDE), 5);
	cr_assert_eq(talk_why(&t[8]), TW_CTL_WHY_CONNS_PER_SOURCE_LATE);
	check_hits(TW_CTL_CLASS_OTHER, TW_CTL_LIMIT_CONNS_PER_SOURCE, 1);
	cr_assert_eq(auth_mode(&t[9], OUTSIDE), 0);
	close_all(10);
}

/* trust_before_auth 0: peers outside the prefixes are others until they have authenticated */
Test(srv_limits, no_trust_before_authentication)
{
	bed.cfg.set[TW_CTL_SET_TRUST_BEFORE_AUTH] = 0;
	*limit(TW_CTL_CLASS_OTHER, TW_CTL_LIMIT_CONNS_PER_SOURCE) = 1;
	bed_serve(&bed);
	talk_open(&t[0], &bed, OUTSIDE);
	talk_open(&t[1], &bed, OUTSIDE);
	cr_assert_eq(t[1].greeting.modes, 0);
	cr_assert_eq(talk_why(&t[1]), TW_CTL_WHY_CONNS_PER_SOURCE);
	/* authenticated it no longer counts there */
	cr_assert_eq(talk_setup(&t[0], TW_MODE_AUTH, BED_USER, BED_SECRET), 0);
	cr_assert_eq(auth_mode(&t[2], OUTSIDE), 0);
	close_all(3);
}

Test(srv_limits, trusted_limit_met_at_authentication)
{
	bed.cfg.set[TW_CTL_SET_TRUST_BEFORE_AUTH] = 0;
	*limit(TW_CTL_CLASS_TRUSTED, TW_CTL_LIMIT_CONNS) = 1;
	bed_serve(&bed);
	cr_assert_eq(auth_mode(&t[0], OUTSIDE), 0);
	cr_assert_eq(auth_mode(&t[1], OUTSIDE), 5);
	cr_assert_eq(talk_why(&t[1]), TW_CTL_WHY_CONNS_LATE);
	close_all(2);
}

Test(srv_limits, connections_before_set_up)
{
	*limit(TW_CTL_CLASS_TRUSTED, TW_CTL_LIMIT_PREAUTH) = 2;
	bed_serve(&bed);
	talk_open(&t[0], &bed, INSIDE);
	talk_open(&t[1], &bed, INSIDE);
	talk_open(&t[2], &bed, INSIDE);
	cr_assert_eq(t[2].greeting.modes, 0);
	cr_assert_eq(talk_why(&t[2]), TW_CTL_WHY_PREAUTH);
	check_hits(TW_CTL_CLASS_TRUSTED, TW_CTL_LIMIT_PREAUTH, 1);
	cr_assert_eq(talk_setup(&t[0], TW_MODE_OPEN, NULL, NULL), 0);
	cr_assert_eq(open_mode(&t[3], INSIDE), 0);
	close_all(4);
}

/* Those who cannot authenticate do not crowd out those who can. */
Test(srv_limits, others_before_set_up)
{
	bed.cfg.set[TW_CTL_SET_OPEN_TO_OTHERS] = 1;
	bed.cfg.modes = TW_MODE_OPEN;
	*limit(TW_CTL_CLASS_OTHER, TW_CTL_LIMIT_PREAUTH) = 1;
	bed_serve(&bed);
	talk_open(&t[0], &bed, OUTSIDE);
	talk_open(&t[1], &bed, OUTSIDE);
	cr_assert_eq(talk_why(&t[1]), TW_CTL_WHY_PREAUTH);
	check_hits(TW_CTL_CLASS_OTHER, TW_CTL_LIMIT_PREAUTH, 1);
	cr_assert_eq(open_mode(&t[2], INSIDE), 0);
	close_all(3);
}

/* Server-Start Accept 5, close */
Test(srv_limits, derivations_waiting)
{
	*limit(TW_CTL_CLASS_TRUSTED, TW_CTL_LIMIT_KDF_QUEUE) = 2;
	bed_serve(&bed);
	for (int i = 0; i < 3; i++) {
		talk_open(&t[i], &bed, OUTSIDE);
		talk_setup_response(&t[i], TW_MODE_AUTH, BED_USER, BED_SECRET);
	}
	cr_assert_eq(talk_server_start(&t[2]), 5);
	cr_assert(talk_is_over(&t[2]));
	cr_assert_eq(talk_why(&t[2]), TW_CTL_WHY_KDF_QUEUE);
	check_hits(TW_CTL_CLASS_TRUSTED, TW_CTL_LIMIT_KDF_QUEUE, 1);
	/* one whose connection dies still occupies the queue */
	talk_close(&t[0]);
	talk_open(&t[0], &bed, OUTSIDE);
	talk_setup_response(&t[0], TW_MODE_AUTH, BED_USER, BED_SECRET);
	cr_assert_eq(talk_server_start(&t[0]), 5);
	cr_assert_eq(bed_derive(&bed), 2);
	cr_assert_eq(talk_server_start(&t[1]), 0);
	cr_assert_eq(auth_mode(&t[3], OUTSIDE), 0);
	close_all(4);
}

Test(srv_limits, derivations_per_source)
{
	*limit(TW_CTL_CLASS_TRUSTED, TW_CTL_LIMIT_KDF_PER_SOURCE) = 1;
	bed_serve(&bed);
	for (int i = 0; i < 3; i++) {
		talk_open(&t[i], &bed, i == 2 ? INSIDE : OUTSIDE);
		talk_setup_response(&t[i], TW_MODE_AUTH, BED_USER, BED_SECRET);
	}
	cr_assert_eq(talk_server_start(&t[1]), 5);
	cr_assert_eq(talk_why(&t[1]), TW_CTL_WHY_KDF_PER_SOURCE);
	check_hits(TW_CTL_CLASS_TRUSTED, TW_CTL_LIMIT_KDF_PER_SOURCE, 1);
	cr_assert_eq(bed_derive(&bed), 2);
	close_all(3);
}

/* The pool itself may say no. */
Test(srv_limits, pool_is_full)
{
	bed_serve(&bed);
	bed.kdf_is_full = true;
	cr_assert_eq(auth_mode(&t[0], OUTSIDE), 5);
	cr_assert_eq(talk_why(&t[0]), TW_CTL_WHY_KDF_BUSY);
	close_all(1);
}

/* Accept 5, the connection stays; 4 where no waiting helps */
static void
check_sessions(enum tw_ctl_limit l, enum tw_ctl_why why)
{
	struct tw_wire_request_tw req = talk_request_of(5000, 50000);

	*limit(TW_CTL_CLASS_TRUSTED, l) = 2;
	bed_serve(&bed);
	cr_assert_eq(open_mode(&t[0], INSIDE), 0);
	cr_assert_eq(talk_request(&t[0], &req).accept, 0);
	cr_assert_eq(talk_request(&t[0], &req).accept, 0);
	cr_assert_eq(talk_request(&t[0], &req).accept, 5);
	cr_assert_eq(bed.last.why, why);
	cr_assert_eq(bed.last.value, 2);
	check_hits(TW_CTL_CLASS_TRUSTED, l, 1);
	*limit(TW_CTL_CLASS_TRUSTED, l) = 0;
	cr_assert_eq(tw_ctl_srv_set_cfg(bed.srv, &bed.cfg), 0);
	cr_assert_eq(talk_request(&t[0], &req).accept, 4);
	cr_assert_eq(bed.last.why, TW_CTL_WHY_SESSION_LIMIT_ZERO);
	/* those that run are not touched by the new limit */
	cr_assert_eq(talk_start(&t[0]), 0);
	talk_stop(&t[0], 2);
	cr_assert_eq(talk_state(&t[0]), TW_CTL_CONN_READY);
	close_all(1);
}

Test(srv_limits, sessions)
{
	check_sessions(TW_CTL_LIMIT_SESSIONS, TW_CTL_WHY_SESSIONS);
}

Test(srv_limits, sessions_per_connection)
{
	check_sessions(TW_CTL_LIMIT_SESSIONS_PER_CONN, TW_CTL_WHY_SESSIONS_PER_CONN);
}

Test(srv_limits, sessions_per_source)
{
	check_sessions(TW_CTL_LIMIT_SESSIONS_PER_SOURCE, TW_CTL_WHY_SESSIONS_PER_SOURCE);
}

/* Per source: over all its connections, and draining ones count; per connection they do not. */
Test(srv_limits, what_counts_as_a_session)
{
	struct tw_wire_request_tw req = talk_request_of(5000, 50000);

	*limit(TW_CTL_CLASS_TRUSTED, TW_CTL_LIMIT_SESSIONS_PER_CONN) = 1;
	*limit(TW_CTL_CLASS_TRUSTED, TW_CTL_LIMIT_SESSIONS_PER_SOURCE) = 3;
	bed_serve(&bed);
	cr_assert_eq(open_mode(&t[0], INSIDE), 0);
	cr_assert_eq(open_mode(&t[1], INSIDE), 0);
	cr_assert_eq(talk_request(&t[0], &req).accept, 0);
	cr_assert_eq(talk_start(&t[0]), 0);
	talk_stop(&t[0], 1);
	cr_assert_eq(talk_request(&t[0], &req).accept, 0);
	cr_assert_eq(talk_request(&t[1], &req).accept, 0);
	talk_close(&t[1]);
	cr_assert_eq(open_mode(&t[1], INSIDE), 0);
	cr_assert_eq(talk_request(&t[1], &req).accept, 0); /* the one reserved there went */
	cr_assert_eq(open_mode(&t[2], INSIDE), 0);
	cr_assert_eq(talk_request(&t[2], &req).accept, 5);
	bed_wait(&bed, 3 * BED_NS_PER_S);
	cr_assert_eq(talk_request(&t[2], &req).accept, 0);
	close_all(3);
}

/* The cap of the class goes with the session to the data plane. */
Test(srv_limits, packet_rate)
{
	struct tw_wire_request_tw req = talk_request_of(5000, 50000);

	bed.cfg.set[TW_CTL_SET_OPEN_TO_OTHERS] = 1;
	bed_serve(&bed);
	cr_assert_eq(open_mode(&t[0], OUTSIDE), 0);
	cr_assert_eq(talk_request(&t[0], &req).accept, 0);
	cr_assert_eq(open_mode(&t[1], INSIDE), 0);
	cr_assert_eq(talk_request(&t[1], &req).accept, 0);
	cr_assert_eq(bed_sess_at(&bed, 0)->param.rate_pps, 10000);
	cr_assert_eq(bed_sess_at(&bed, 1)->param.rate_pps, 0);
	close_all(2);
}

/* 1,000 set-ups at once from one authenticated source are everyday (issue: 1,000 sessions). */
Test(srv_limits, burst_of_one_source)
{
	static struct talk many[1000];

	bed_serve(&bed);
	for (size_t i = 0; i < TW_ARRAY_SIZE(many); i++) {
		talk_open(&many[i], &bed, OUTSIDE);
		cr_assert_neq(many[i].greeting.modes, 0);
	}
	for (size_t i = 0; i < TW_ARRAY_SIZE(many); i++)
		talk_close(&many[i]);
}
