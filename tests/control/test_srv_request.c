/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/* Request-TW-Session at the server: what is granted, every way to be refused. */
#include <criterion/criterion.h>

#include "talk.h"

static struct bed bed;
static struct talk t;

static void
connect_as(uint32_t mode)
{
	bool is_open = mode == TW_MODE_OPEN;

	bed_serve(&bed);
	talk_open(&t, &bed, "192.0.2.77");
	cr_assert_eq(talk_setup(&t, mode, is_open ? NULL : BED_USER, BED_SECRET), 0);
}

static void
begin(void)
{
	bed_init(&bed);
	t.conn = NULL;
}

static void
end(void)
{
	if (t.conn != NULL)
		talk_close(&t);
	bed_fini(&bed);
}

TestSuite(srv_request, .init = begin, .fini = end);

/* R-5357-025, R-8545-004, R-4656-042: no port, no SID, and the connection stays */
static void
check_refused(struct tw_wire_request_tw req, uint8_t accept, enum tw_ctl_why why)
{
	static const uint8_t no_sid[TW_WIRE_SID_LEN];
	uint64_t refused = tw_ctl_srv_counter(bed.srv, TW_CTL_CTR_SESSIONS_REFUSED);
	uint64_t counted = tw_ctl_srv_why_cnt(bed.srv, why);
	size_t live = bed.sess_live;
	struct tw_wire_accept_session a = talk_request(&t, &req);

	cr_assert_eq(a.accept, accept, "%s: Accept %u", tw_ctl_why_name(why), a.accept);
	cr_assert_eq(a.port, 0);
	cr_assert_arr_eq(a.sid, no_sid, sizeof(no_sid));
	cr_assert_eq(bed.last.why, why, "%s", tw_ctl_why_name(bed.last.why));
	cr_assert_eq(bed.last.accept, accept);
	cr_assert_eq(tw_ctl_srv_counter(bed.srv, TW_CTL_CTR_SESSIONS_REFUSED), refused + 1);
	cr_assert_eq(tw_ctl_srv_why_cnt(bed.srv, why), counted + 1);
	cr_assert_eq(bed.sess_live, live);
	cr_assert_eq(talk_state(&t), TW_CTL_CONN_READY);
}

/*
 *  client                                       server
 *    | -- Request-TW-Session, port 50000 -------> |
 *    | <- Accept-Session 0, port 50000, SID ----- |     R-5357-011, R-5357-023, R-5357-024
 */
Test(srv_request, grants_the_port_asked)
{
	struct tw_wire_request_tw req = talk_request_of(5000, 50000);
	struct tw_wire_accept_session a;
	struct bed_sess *s;

	connect_as(TW_MODE_AUTH);
	req.type_p = 46U << 24;
	req.padding_len = 64;
	req.start_time = 0xec00000180000000;
	a = talk_request(&t, &req);
	s = bed_sess_at(&bed, 0);
	cr_assert_eq(a.accept, 0);
	cr_assert_eq(a.port, 50000);
	cr_assert_eq(s->state, BED_RESERVED);
	cr_assert_eq(s->param.dscp, 46);
	cr_assert_eq(s->param.padding_len, 64);
	cr_assert_eq(s->param.start_ntp, 0xec00000180000000);
	cr_assert_eq(s->param.timeout_ns, 2 * BED_NS_PER_S);
	cr_assert_eq(s->param.refwait_ns, 900 * BED_NS_PER_S); /* R-5357-044 */
	cr_assert_eq(s->param.rate_pps, 0);                    /* authenticated: no cap */
	cr_assert_arr_eq(a.sid, s->param.sid, sizeof(a.sid));
}

/* R-5357-016, A-45: zero addresses are those of the control connection, each alone */
Test(srv_request, zero_addresses_are_those_of_the_connection)
{
	struct tw_addr ours = bed_addr("192.0.2.1"), peer = bed_addr("192.0.2.77");
	struct tw_addr second = bed_addr("192.0.2.9");
	struct tw_wire_request_tw req = talk_request_of(5000, 50000);

	connect_as(TW_MODE_OPEN);
	cr_assert_eq(talk_request(&t, &req).accept, 0);
	cr_assert(tw_addr_equal(&bed_sess_at(&bed, 0)->param.sender_addr, &peer));
	cr_assert(tw_addr_equal(&bed_sess_at(&bed, 0)->param.receiver_addr, &ours));
	tw_wire_addr_set(req.receiver_addr, &second);
	cr_assert_eq(talk_request(&t, &req).accept, 0);
	cr_assert(tw_addr_equal(&bed_sess_at(&bed, 1)->param.sender_addr, &peer));
	cr_assert(tw_addr_equal(&bed_sess_at(&bed, 1)->param.receiver_addr, &second));
	memset(req.receiver_addr, 0, sizeof(req.receiver_addr));
	tw_wire_addr_set(req.sender_addr, &peer);
	req.receiver_port = 50001;
	cr_assert_eq(talk_request(&t, &req).accept, 0);
	cr_assert(tw_addr_equal(&bed_sess_at(&bed, 2)->param.receiver_addr, &ours));
}

/* R-4656-038: octets behind an IPv4 address are ignored */
Test(srv_request, octets_behind_ipv4_are_ignored)
{
	struct tw_wire_request_tw req = talk_request_of(5000, 50000);

	connect_as(TW_MODE_OPEN);
	memset(req.sender_addr + 4, 0xee, 12);
	memset(req.receiver_addr + 4, 0xee, 12);
	cr_assert_eq(talk_request(&t, &req).accept, 0);
}

/* another IP version needs both addresses */
Test(srv_request, other_ip_version)
{
	struct tw_addr ours = bed_addr("2001:db8::1"), peer = bed_addr("2001:db8::77");
	struct tw_wire_request_tw req = talk_request_of(5000, 50000);

	connect_as(TW_MODE_AUTH);
	req.ipvn = 6;
	check_refused(req, 3, TW_CTL_WHY_SESSION_IPVN);
	tw_wire_addr_set(req.sender_addr, &peer);
	check_refused(req, 3, TW_CTL_WHY_SESSION_IPVN);
	tw_wire_addr_set(req.receiver_addr, &ours);
	cr_assert_eq(talk_request(&t, &req).accept, 0);
	req.ipvn = 5;
	check_refused(req, 3, TW_CTL_WHY_SESSION_IPVN);
}

/* R-5357-013, R-5357-014, R-5357-015 */
Test(srv_request, owamp_fields_get_3)
{
	struct tw_wire_request_tw req = talk_request_of(5000, 50000);

	connect_as(TW_MODE_OPEN);
	req.conf_sender = 1;
	check_refused(req, 3, TW_CTL_WHY_SESSION_CONF);
	req.conf_sender = 0;
	req.conf_receiver = 255;
	check_refused(req, 3, TW_CTL_WHY_SESSION_CONF);
	req.conf_receiver = 0;
	req.slot_cnt = 1;
	check_refused(req, 3, TW_CTL_WHY_SESSION_SLOTS);
}

/* R-5357-022: a DSCP can be applied, a PHB code cannot */
Test(srv_request, type_p_other_than_dscp_gets_3)
{
	static const uint32_t bad[] = {0x40000000, 0x80000000, 0x00000001, 0x2e000100, 0xffffffff};
	struct tw_wire_request_tw req = talk_request_of(5000, 50000);

	connect_as(TW_MODE_OPEN);
	for (size_t i = 0; i < TW_ARRAY_SIZE(bad); i++) {
		req.type_p = bad[i];
		check_refused(req, 3, TW_CTL_WHY_SESSION_TYPE_P);
	}
	req.type_p = 63U << 24;
	cr_assert_eq(talk_request(&t, &req).accept, 0);
}

/* 9000 octets of IP: 20 + 8 + 14 + padding in open mode, 48 in authenticated */
Test(srv_request, padding_beyond_the_packet_gets_3)
{
	struct tw_wire_request_tw req = talk_request_of(5000, 50000);

	connect_as(TW_MODE_OPEN);
	req.padding_len = 9000 - 20 - 8 - 14 + 1;
	check_refused(req, 3, TW_CTL_WHY_SESSION_PADDING);
	cr_assert_eq(bed.last.value, req.padding_len);
	cr_assert_eq(bed.last.bound, req.padding_len - 1);
	cr_assert_eq(
		tw_ctl_srv_limit_hits(bed.srv, TW_CTL_CLASS_TRUSTED, TW_CTL_LIMIT_PACKET_SIZE), 1);
	req.padding_len = UINT32_MAX;
	check_refused(req, 3, TW_CTL_WHY_SESSION_PADDING);
	req.padding_len = 9000 - 20 - 8 - 14;
	cr_assert_eq(talk_request(&t, &req).accept, 0);
}

Test(srv_request, padding_in_a_protected_mode)
{
	struct tw_wire_request_tw req = talk_request_of(5000, 50000);

	connect_as(TW_MODE_ENCR);
	req.padding_len = 9000 - 20 - 8 - 48 + 1;
	check_refused(req, 3, TW_CTL_WHY_SESSION_PADDING);
	req.padding_len--;
	cr_assert_eq(talk_request(&t, &req).accept, 0);
}

/* Replies longer than requests amplify: an operator may refuse them (PROTOCOL.md 5.4) */
Test(srv_request, symmetry_may_be_required)
{
	struct tw_wire_request_tw req = talk_request_of(5000, 50000);

	bed.cfg.set[TW_CTL_SET_REQUIRE_SYMMETRIC] = 1;
	connect_as(TW_MODE_OPEN);
	req.padding_len = 26;
	check_refused(req, 3, TW_CTL_WHY_SESSION_ASYMMETRIC);
	req.padding_len = 27;
	cr_assert_eq(talk_request(&t, &req).accept, 0);
}

Test(srv_request, timeout_beyond_the_limit_gets_3)
{
	struct tw_wire_request_tw req = talk_request_of(5000, 50000);

	connect_as(TW_MODE_OPEN);
	req.timeout = (900ULL << 32) + 1;
	check_refused(req, 3, TW_CTL_WHY_SESSION_TIMEOUT);
	req.timeout = UINT64_MAX;
	check_refused(req, 3, TW_CTL_WHY_SESSION_TIMEOUT);
	cr_assert_eq(tw_ctl_srv_limit_hits(bed.srv, TW_CTL_CLASS_TRUSTED, TW_CTL_LIMIT_TIMEOUT), 2);
	req.timeout = 900ULL << 32;
	cr_assert_eq(talk_request(&t, &req).accept, 0);
	cr_assert_eq(bed_sess_at(&bed, 0)->param.timeout_ns, 900 * BED_NS_PER_S);
	req.receiver_port = 50001;
	req.timeout = 1ULL << 31;
	cr_assert_eq(talk_request(&t, &req).accept, 0);
	cr_assert_eq(bed_sess_at(&bed, 1)->param.timeout_ns, BED_NS_PER_S / 2);
}

Test(srv_request, sender_port_zero_gets_3)
{
	connect_as(TW_MODE_OPEN);
	check_refused(talk_request_of(0, 50000), 3, TW_CTL_WHY_SESSION_SENDER_PORT);
}

/* one or both */
Test(srv_request, link_local_gets_3)
{
	static const char *const pair[][2] = {
		{"fe80::1", "2001:db8::2"}, {"2001:db8::1", "fe80::2"}, {"febf::1", "febf::2"}};
	struct tw_wire_request_tw req = talk_request_of(5000, 50000);
	struct tw_addr addr;

	connect_as(TW_MODE_OPEN);
	req.ipvn = 6;
	for (size_t i = 0; i < TW_ARRAY_SIZE(pair); i++) {
		cr_assert(tw_addr_parse(pair[i][0], &addr));
		memcpy(req.sender_addr, addr.b, 16);
		cr_assert(tw_addr_parse(pair[i][1], &addr));
		memcpy(req.receiver_addr, addr.b, 16);
		check_refused(req, 3, TW_CTL_WHY_SESSION_LINK_LOCAL);
	}
	cr_assert_eq(bed.reserve_calls, 0);
}

/* R-4656-086, R-4656-087: the receiver must be us */
Test(srv_request, foreign_receiver_gets_1)
{
	static const char *const bad[] = {
		"192.0.2.77", "198.51.100.1", "224.0.0.1", "255.255.255.255"};
	struct tw_wire_request_tw req = talk_request_of(5000, 50000);

	connect_as(TW_MODE_AUTH);
	for (size_t i = 0; i < TW_ARRAY_SIZE(bad); i++) {
		struct tw_addr a = bed_addr(bad[i]);

		tw_wire_addr_set(req.receiver_addr, &a);
		check_refused(req, 1, TW_CTL_WHY_SESSION_RECEIVER);
	}
}

/* R-4656-085: in open and mixed mode only the control peer is answered, or who is configured */
Test(srv_request, foreign_sender_gets_1_unless_tests_are_protected)
{
	static const uint32_t modes[] = {TW_MODE_OPEN, TW_MODE_MIXED, TW_MODE_AUTH, TW_MODE_ENCR};
	struct tw_addr foreign = bed_addr("198.51.100.1"), known = bed_addr("203.0.113.5");
	struct tw_wire_request_tw req = talk_request_of(5000, 50000);
	struct tw_prefix senders[1];

	cr_assert(tw_prefix_parse("203.0.113.0/24", &senders[0]));
	bed.cfg.senders = senders;
	bed.cfg.senders_cnt = 1;
	bed_serve(&bed);
	for (size_t i = 0; i < TW_ARRAY_SIZE(modes); i++) {
		bool is_open = modes[i] == TW_MODE_OPEN;

		talk_open(&t, &bed, "192.0.2.77");
		cr_assert_eq(talk_setup(&t, modes[i], is_open ? NULL : BED_USER, BED_SECRET), 0);
		tw_wire_addr_set(req.sender_addr, &foreign);
		if (tw_mode_protects_test(modes[i]))
			cr_assert_eq(talk_request(&t, &req).accept, 0);
		else
			check_refused(req, 1, TW_CTL_WHY_SESSION_SENDER);
		tw_wire_addr_set(req.sender_addr, &known);
		cr_assert_eq(talk_request(&t, &req).accept, 0);
		talk_close(&t);
	}
	t.conn = NULL;
}

Test(srv_request, nobody_sends_from_a_group)
{
	static const char *const bad[] = {"224.0.0.1", "255.255.255.255", "239.1.2.3"};
	struct tw_wire_request_tw req = talk_request_of(5000, 50000);

	connect_as(TW_MODE_AUTH);
	for (size_t i = 0; i < TW_ARRAY_SIZE(bad); i++) {
		struct tw_addr a = bed_addr(bad[i]);

		tw_wire_addr_set(req.sender_addr, &a);
		check_refused(req, 1, TW_CTL_WHY_SESSION_SENDER);
	}
}

/* R-8545-002: 862 is outside the range and granted all the same, when asked */
Test(srv_request, port_862_when_asked)
{
	connect_as(TW_MODE_OPEN);
	cr_assert_eq(talk_request(&t,
			     &(struct tw_wire_request_tw){
				     .ipvn = 4, .sender_port = 5000, .receiver_port = 862})
			     .port,
		862);
}

/* R-5357-024, R-8545-003, A-65: not in the range, busy, same 5-tuple: another port, Accept 0 */
Test(srv_request, alternate_port)
{
	static const uint16_t asked[] = {1000, 0, 50005, 862};
	struct tw_wire_request_tw req = talk_request_of(5000, 862);
	uint16_t seen[TW_ARRAY_SIZE(asked)];

	bed.cfg.set[TW_CTL_SET_PORT_LO] = 50000;
	bed.cfg.set[TW_CTL_SET_PORT_HI] = 50009;
	bed.busy_lo = 50003;
	bed.busy_hi = 50006;
	connect_as(TW_MODE_OPEN);
	cr_assert_eq(talk_request(&t, &req).port, 862);
	for (size_t i = 0; i < TW_ARRAY_SIZE(asked); i++) {
		struct tw_wire_accept_session a;

		req.receiver_port = asked[i];
		a = talk_request(&t, &req);
		cr_assert_eq(a.accept, 0);
		cr_assert(a.port >= 50000 && a.port <= 50009 &&
			  (a.port < bed.busy_lo || a.port > bed.busy_hi));
		seen[i] = a.port;
		for (size_t k = 0; k < i; k++)
			cr_assert_neq(seen[k], seen[i]);
	}
	cr_assert_eq(tw_ctl_srv_counter(bed.srv, TW_CTL_CTR_PORT_ALTERNATE), 4);
	/* six free ports: two left, then none */
	cr_assert_eq(talk_request(&t, &req).accept, 0);
	cr_assert_eq(talk_request(&t, &req).accept, 0);
	check_refused(req, 5, TW_CTL_WHY_SESSION_NO_PORT);
	/* another Sender Port is another 5-tuple */
	req.sender_port++;
	cr_assert_eq(talk_request(&t, &req).port, 862);
}

Test(srv_request, search_for_a_port_is_bounded)
{
	bed.busy_lo = 1;
	bed.busy_hi = 65535;
	bed.cfg.set[TW_CTL_SET_PORT_TRIES] = 20;
	connect_as(TW_MODE_OPEN);
	check_refused(talk_request_of(5000, 50000), 5, TW_CTL_WHY_SESSION_NO_PORT);
	cr_assert_eq(bed.reserve_calls, 21);
}

Test(srv_request, answers_of_the_data_plane)
{
	connect_as(TW_MODE_ENCR);
	bed.reserve_answer = TW_CTL_RESERVE_TEMPORARY;
	check_refused(talk_request_of(5000, 50000), 5, TW_CTL_WHY_SESSION_TEMPORARY);
	bed.reserve_answer = TW_CTL_RESERVE_PERMANENT;
	check_refused(talk_request_of(5000, 50000), 4, TW_CTL_WHY_SESSION_PERMANENT);
	bed.reserve_answer = TW_CTL_RESERVE_TOO_LONG;
	check_refused(talk_request_of(5000, 50000), 3, TW_CTL_WHY_SESSION_TOO_LONG);
	cr_assert_eq(bed.reserve_calls, 3); /* another port would not help */
	bed.reserve_answer = TW_CTL_RESERVE_INTERNAL;
	check_refused(talk_request_of(5000, 50000), 2, TW_CTL_WHY_SESSION_INTERNAL);
	bed.reserve_answer = 0;
	cr_assert_eq(
		talk_request(&t, &(struct tw_wire_request_tw){.ipvn = 4, .sender_port = 1}).accept,
		0);
}

Test(srv_request, without_random_octets_accept_is_2)
{
	connect_as(TW_MODE_OPEN);
	bed.random_fails = true;
	check_refused(talk_request_of(5000, 50000), 2, TW_CTL_WHY_NO_RANDOM);
}

/* R-4656-043, R-4656-044: own IPv4, time, random; no two alike */
Test(srv_request, sid_is_address_time_random)
{
	struct tw_wire_request_tw req = talk_request_of(5000, 50000);
	static const uint8_t ours[] = {192, 0, 2, 1, 0xec, 0, 0, 0, 0x80, 0, 0, 0};
	struct tw_wire_accept_session a, b;

	connect_as(TW_MODE_OPEN);
	a = talk_request(&t, &req);
	b = talk_request(&t, &req);
	cr_assert_arr_eq(a.sid, ours, sizeof(ours));
	cr_assert_arr_neq(a.sid + 12, b.sid + 12, 4);
}

/* The random tail repeats: drawn again */
Test(srv_request, sid_in_use_is_drawn_again)
{
	static const uint8_t same[4] = {1, 2, 3, 4}, other[4] = {5, 6, 7, 8};
	struct tw_wire_request_tw req = talk_request_of(5000, 50000);

	connect_as(TW_MODE_OPEN);
	bed_script(&bed, same, 4);
	bed_script(&bed, same, 4);
	bed_script(&bed, other, 4);
	cr_assert_arr_eq(talk_request(&t, &req).sid + 12, same, 4);
	cr_assert_arr_eq(talk_request(&t, &req).sid + 12, other, 4);
}

/* without IPv4 the end of an IPv6 address */
Test(srv_request, sid_on_ipv6)
{
	static const uint8_t ours[] = {0, 0, 0, 1, 0xec};
	struct tw_wire_request_tw req = talk_request_of(5000, 50000);
	struct tw_wire_accept_session a;

	bed_serve(&bed);
	talk_open(&t, &bed, "2001:db8::77");
	cr_assert_eq(talk_setup(&t, TW_MODE_OPEN, NULL, NULL), 0);
	req.ipvn = 6;
	a = talk_request(&t, &req);
	cr_assert_eq(a.accept, 0);
	cr_assert_arr_eq(a.sid, ours, sizeof(ours));
}

/* R-4656-074, PROTOCOL.md 3.5; A-79: none in open and mixed mode (checked by the bed) */
Test(srv_request, test_keys_follow_from_the_sid)
{
	struct tw_wire_request_tw req = talk_request_of(5000, 50000);
	struct tw_crypto_keys *want = tw_crypto_alloc(sizeof(*want));
	struct tw_wire_accept_session a;

	connect_as(TW_MODE_ENCR);
	a = talk_request(&t, &req);
	cr_assert_eq(tw_crypto_test_keys(t.keys, a.sid, want), 0);
	cr_assert_arr_eq(&bed_sess_at(&bed, 0)->keys, want, sizeof(*want));
	tw_crypto_free(want);
}
