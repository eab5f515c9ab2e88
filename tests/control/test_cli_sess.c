/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/* Requests, start, stop and rounds of the client; servers that do not behave. */
#include <criterion/criterion.h>

#include "serve.h"

static struct bed bed;
static struct serve s;

static void
begin(void)
{
	bed_init(&bed);
	serve_init(&s, &bed);
}

static void
end(void)
{
	serve_close(&s);
	bed_fini(&bed);
}

TestSuite(cli_sess, .init = begin, .fini = end);

static void
connect_as(uint32_t mode)
{
	tw_ctl_cli_cfg_mode(&s.cfg, mode);
	serve_open(&s, false);
	serve_setup(&s, mode);
}

static void
ask(uint16_t port)
{
	struct tw_ctl_want want = serve_want(port, port);

	cr_assert_eq(tw_ctl_cli_request(s.cli, &want, NULL, bed.now), 0);
}

/* One session asked for, accepted, started. */
static void
run_one(void)
{
	ask(50000);
	serve_recv_request(&s);
	serve_accept(&s, 0, 50000, 1);
	cr_assert_eq(tw_ctl_cli_start(s.cli, bed.now), 0);
	serve_recv_start(&s);
	serve_start_ack(&s, 0);
	cr_assert_eq(serve_last(&s)->ev, TW_CTL_CLI_EV_STARTED);
}

static void
check_closed(enum tw_ctl_why why, bool control_lost, bool results_invalid)
{
	const struct tw_ctl_cli_event *e = serve_last(&s);

	cr_assert_eq(e->ev, TW_CTL_CLI_EV_CLOSED);
	cr_assert_eq(e->reason.why, why, "%s", tw_ctl_why_name(e->reason.why));
	cr_assert_eq(e->control_lost, control_lost);
	cr_assert_eq(e->results_invalid, results_invalid);
}

/*
 *  client                                   server
 *    | -- Request-TW-Session ------------->  |    every field: R-5357-013, -015, -017,
 *    | <- Accept-Session 0, port, SID -----  |    R-4656-022, R-4656-037
 *    | -- Start-Sessions ----------------->  |
 *    | <- Start-Ack 0 ---------------------  |
 *    | -- Stop-Sessions, 1 --------------->  |    R-5357-028, R-5357-030
 */
Test(cli_sess, one_session)
{
	struct tw_ctl_want want = serve_want(5000, 50000);
	struct tw_wire_request_tw req;
	struct tw_wire_stop_sessions stop;
	const struct tw_ctl_cli_event *e;
	int user;

	connect_as(TW_MODE_ENCR);
	want.dscp = 46;
	want.start_ntp = 0xec00000180000000;
	want.timeout_ns = 2500000000;
	want.sender_addr = bed_addr("192.0.2.77");
	cr_assert_eq(tw_ctl_cli_request(s.cli, &want, &user, bed.now), 0);
	req = serve_recv_request(&s);
	cr_assert(req.ipvn == 4 && req.conf_sender == 0 && req.conf_receiver == 0);
	cr_assert(req.slot_cnt == 0 && req.packet_cnt == 0);
	cr_assert(req.sender_port == 5000 && req.receiver_port == 50000);
	cr_assert(tw_load_be32(req.sender_addr) == 0xc000024d);
	cr_assert(
		tw_load_be64(req.sender_addr + 4) == 0 && tw_load_be32(req.sender_addr + 12) == 0);
	cr_assert(tw_load_be64(req.receiver_addr) == 0);
	cr_assert(tw_load_be64(req.sid) == 0 && tw_load_be64(req.sid + 8) == 0);
	cr_assert_eq(req.padding_len, 64);
	cr_assert_eq(req.start_time, 0xec00000180000000);
	cr_assert_eq(req.timeout, 0x0000000280000000);
	cr_assert_eq(req.type_p, 46U << 24);
	cr_assert(req.reflect_octets == 0 && req.reflect_len == 0);
	serve_accept(&s, 0, 50007, 9); /* another port: taken (R-5357-024) */
	e = serve_last(&s);
	cr_assert_eq(e->ev, TW_CTL_CLI_EV_SESSION);
	cr_assert_eq(e->reason.why, TW_CTL_WHY_NONE);
	cr_assert_eq(e->user, &user);
	cr_assert_eq(e->port, 50007);
	cr_assert(e->sid[0] == 0x51 && e->sid[15] == 9);
	cr_assert_eq(tw_ctl_cli_start(s.cli, bed.now), 0);
	serve_recv_start(&s);
	serve_start_ack(&s, 0);
	cr_assert_eq(serve_last(&s)->ev, TW_CTL_CLI_EV_STARTED);
	cr_assert_eq(tw_ctl_cli_state_get(s.cli), TW_CTL_CLI_ACTIVE);
	cr_assert_eq(tw_ctl_cli_deadline(s.cli), TW_CTL_NO_DEADLINE);
	cr_assert_eq(tw_ctl_cli_stop(s.cli, 0, bed.now), 0);
	stop = serve_recv_stop(&s);
	cr_assert(stop.session_cnt == 1 && stop.accept == 0);
	cr_assert_eq(tw_ctl_cli_state_get(s.cli), TW_CTL_CLI_READY);
	tw_ctl_cli_close(s.cli, bed.now);
	check_closed(TW_CTL_WHY_NONE, false, false);
	cr_assert(serve_is_over(&s));
}

/* PROTOCOL.md 3.5; none in open and mixed mode */
Test(cli_sess, test_keys)
{
	struct tw_crypto_keys *want = tw_crypto_alloc(sizeof(*want));

	connect_as(TW_MODE_AUTH);
	ask(50000);
	serve_recv_request(&s);
	serve_accept(&s, 0, 50000, 1);
	cr_assert_eq(tw_crypto_test_keys(s.keys, serve_last(&s)->sid, want), 0);
	cr_assert_arr_eq(serve_last(&s)->keys, want, sizeof(*want));
	tw_crypto_free(want);
}

Test(cli_sess, no_test_keys_in_mixed_mode)
{
	connect_as(TW_MODE_MIXED);
	ask(50000);
	serve_recv_request(&s);
	serve_accept(&s, 0, 50000, 1);
	cr_assert_null(serve_last(&s)->keys);
}

/* Many requests behind each other, answers in their order, some refused */
Test(cli_sess, many_sessions)
{
	enum { MANY = 60 };
	unsigned accepted = 0;
	int users[MANY];

	connect_as(TW_MODE_AUTH);
	for (int i = 0; i < MANY; i++) {
		struct tw_ctl_want want = serve_want((uint16_t)(5000 + i), 50000);

		cr_assert_eq(tw_ctl_cli_request(s.cli, &want, &users[i], bed.now), 0);
	}
	cr_assert_eq(tw_ctl_cli_start(s.cli, bed.now), -EAGAIN);
	for (int i = 0; i < MANY; i++)
		cr_assert_eq(serve_recv_request(&s).sender_port, 5000 + i);
	for (int i = 0; i < MANY; i++) {
		uint8_t accept = i % 3 == 1 ? (uint8_t)(i % 6) : 0;

		serve_accept(&s, accept, accept ? 0 : 50000, (uint8_t)i);
		cr_assert_eq(serve_last(&s)->user, &users[i]);
		if (accept == 0)
			accepted++;
		else
			cr_assert_eq(serve_last(&s)->reason.why, TW_CTL_WHY_SESSION_REFUSED);
		cr_assert_eq(serve_last(&s)->reason.accept, accept);
	}
	cr_assert_eq(tw_ctl_cli_session_cnt(s.cli), accepted);
	cr_assert_eq(tw_ctl_cli_start(s.cli, bed.now), 0);
	serve_recv_start(&s);
	serve_start_ack(&s, 0);
	cr_assert_eq(tw_ctl_cli_stop(s.cli, 0, bed.now), 0);
	cr_assert_eq(serve_recv_stop(&s).session_cnt, accepted);
}

/* Requests may come before the set-up is done: they wait. */
Test(cli_sess, requests_before_the_set_up)
{
	tw_ctl_cli_cfg_mode(&s.cfg, TW_MODE_AUTH);
	serve_open(&s, false);
	ask(50000);
	ask(50001);
	cr_assert_eq(tw_ctl_cli_start(s.cli, bed.now), -EAGAIN);
	serve_setup(&s, TW_MODE_AUTH);
	cr_assert_eq(serve_recv_request(&s).receiver_port, 50000);
	cr_assert_eq(serve_recv_request(&s).receiver_port, 50001);
}

Test(cli_sess, rounds)
{
	connect_as(TW_MODE_AUTH);
	for (int i = 0; i < 10; i++) {
		run_one();
		cr_assert_eq(tw_ctl_cli_stop(s.cli, 0, bed.now), 0);
		cr_assert_eq(serve_recv_stop(&s).session_cnt, 1);
	}
}

static void
chain(struct serve *x, const struct tw_ctl_cli_event *e)
{
	switch (e->ev) {
	case TW_CTL_CLI_EV_READY:
		ask(50000);
		break;
	case TW_CTL_CLI_EV_SESSION:
		cr_assert_eq(tw_ctl_cli_start(x->cli, bed.now), 0);
		break;
	case TW_CTL_CLI_EV_STARTED:
		cr_assert_eq(tw_ctl_cli_stop(x->cli, 0, bed.now), 0);
		ask(50001);
		tw_ctl_cli_close(x->cli, bed.now);
		break;
	case TW_CTL_CLI_EV_FALLBACK:
		cr_assert(false, "no IKE here");
		break;
	case TW_CTL_CLI_EV_CLOSED:
		cr_assert_eq(tw_ctl_cli_start(x->cli, bed.now), -ENOTCONN);
		break;
	}
}

/* Everything called from within events */
Test(cli_sess, calls_from_events)
{
	s.on_event = chain;
	connect_as(TW_MODE_ENCR);
	serve_recv_request(&s);
	serve_accept(&s, 0, 50000, 1);
	serve_recv_start(&s);
	serve_start_ack(&s, 0);
	cr_assert_eq(serve_recv_stop(&s).session_cnt, 1);
	cr_assert(serve_is_over(&s)); /* the request was still waiting */
	check_closed(TW_CTL_WHY_NONE, false, false);
}

/* R-4656-057 is the caller's; the count and the Accept are ours: a test broken off */
Test(cli_sess, close_while_tests_run)
{
	struct tw_wire_stop_sessions stop;

	connect_as(TW_MODE_AUTH);
	run_one();
	tw_ctl_cli_close(s.cli, bed.now);
	stop = serve_recv_stop(&s);
	cr_assert(stop.accept == 1 && stop.session_cnt == 1);
	check_closed(TW_CTL_WHY_NONE, false, false);
	cr_assert(serve_is_over(&s));
}

/* R-4656-047, every value */
Test(cli_sess, start_refused)
{
	for (unsigned accept = 1; accept < 8; accept++) {
		serve_init(&s, &bed);
		connect_as(TW_MODE_OPEN);
		ask(50000);
		serve_recv_request(&s);
		serve_accept(&s, 0, 50000, 1);
		cr_assert_eq(tw_ctl_cli_start(s.cli, bed.now), 0);
		serve_recv_start(&s);
		serve_start_ack(&s, (uint8_t)accept);
		check_closed(TW_CTL_WHY_START_REFUSED, false, false);
		cr_assert_eq(serve_last(&s)->reason.accept, accept);
		if (accept < 7)
			serve_close(&s);
	}
}

/* R-4656-092: the first HMAC also proves that the server knew the secret */
Test(cli_sess, server_that_does_not_know_the_secret)
{
	connect_as(TW_MODE_AUTH);
	ask(50000);
	serve_recv_request(&s);
	s.keys->hmac[0] ^= 1;
	tw_crypto_stream_free(s.tx);
	s.tx = tw_crypto_stream_new(s.keys, s.salt);
	serve_accept(&s, 0, 50000, 1);
	check_closed(TW_CTL_WHY_BAD_HMAC, false, true);
	cr_assert(serve_is_over(&s));
}

/* R-5357-009: the Start-Time block is under the first HMAC: changed, it shows there */
Test(cli_sess, changed_start_time)
{
	struct tw_wire_server_start start = {.start_time = 0xeb00000000000001};
	uint8_t msg[TW_WIRE_SERVER_START_LEN];
	struct tw_wr wr = tw_wr_init(msg, sizeof(msg));

	tw_ctl_cli_cfg_mode(&s.cfg, TW_MODE_AUTH);
	serve_open(&s, false);
	serve_greet(&s, TW_MODE_AUTH);
	bed_derive(&bed);
	serve_take_response(&s, BED_SECRET);
	memset(start.server_iv, 0x77, sizeof(start.server_iv));
	cr_assert(tw_wire_server_start_write(&wr, &start));
	s.tx = tw_crypto_stream_new(s.keys, start.server_iv);
	s.rx = tw_crypto_stream_new(s.keys, s.response.client_iv);
	cr_assert_eq(tw_crypto_stream_encrypt(s.tx, msg + 32, 16), 0); /* without its HMAC */
	serve_raw(&s, msg, sizeof(msg));
	ask(50000);
	serve_recv_request(&s);
	serve_accept(&s, 0, 50000, 1);
	check_closed(TW_CTL_WHY_BAD_HMAC, false, true);
}

/* While tests run: what was measured is flagged */
Test(cli_sess, tampering_while_tests_start)
{
	uint8_t msg[TW_WIRE_START_ACK_LEN] = {0};

	connect_as(TW_MODE_AUTH);
	ask(50000);
	serve_recv_request(&s);
	serve_accept(&s, 0, 50000, 1);
	cr_assert_eq(tw_ctl_cli_start(s.cli, bed.now), 0);
	serve_recv_start(&s);
	serve_raw(&s, msg, sizeof(msg));
	check_closed(TW_CTL_WHY_BAD_HMAC, true, true);
}

/* results are kept, flagged */
Test(cli_sess, control_lost_while_tests_run)
{
	connect_as(TW_MODE_AUTH);
	run_one();
	tw_ctl_cli_eof(s.cli, bed.now);
	check_closed(TW_CTL_WHY_PEER_CLOSED, true, false);
	cr_assert(serve_is_over(&s));
	cr_assert_eq(tw_ctl_cli_stop(s.cli, 0, bed.now), -ENOTCONN);
}

Test(cli_sess, connection_lost_between_tests)
{
	connect_as(TW_MODE_AUTH);
	tw_ctl_cli_eof(s.cli, bed.now);
	check_closed(TW_CTL_WHY_PEER_CLOSED, false, false);
}

/* R-5357-027: a server never sends unasked */
Test(cli_sess, unexpected_octets)
{
	connect_as(TW_MODE_AUTH);
	run_one();
	serve_start_ack(&s, 0);
	check_closed(TW_CTL_WHY_UNEXPECTED, true, false);
}

Test(cli_sess, unexpected_octets_between_tests)
{
	connect_as(TW_MODE_OPEN);
	serve_raw(&s, "", 1);
	check_closed(TW_CTL_WHY_UNEXPECTED, false, false);
}

/* One answer too many */
Test(cli_sess, unexpected_answer)
{
	connect_as(TW_MODE_OPEN);
	ask(50000);
	serve_recv_request(&s);
	serve_accept(&s, 0, 50000, 1);
	serve_accept(&s, 0, 50000, 2);
	check_closed(TW_CTL_WHY_UNEXPECTED, false, false);
}

/* It believes that we have a session there: the counts could never agree again. */
Test(cli_sess, accepted_without_a_port)
{
	connect_as(TW_MODE_OPEN);
	ask(50000);
	serve_recv_request(&s);
	serve_accept(&s, 0, 0, 1);
	check_closed(TW_CTL_WHY_SESSION_PORT_ZERO, false, false);
}

/* some bad requests get no answer, the connection stays open */
Test(cli_sess, request_never_answered)
{
	connect_as(TW_MODE_AUTH);
	ask(50000);
	ask(50001);
	serve_recv_request(&s);
	serve_recv_request(&s);
	serve_wait(&s, 9 * BED_NS_PER_S);
	serve_accept(&s, 0, 50000, 1);
	serve_wait(&s, 10 * BED_NS_PER_S - 1); /* from the answer before */
	cr_assert_eq(serve_count(&s, TW_CTL_CLI_EV_CLOSED), 0);
	serve_wait(&s, 1);
	check_closed(TW_CTL_WHY_T_ANSWER, false, false);
}

Test(cli_sess, start_never_answered)
{
	connect_as(TW_MODE_AUTH);
	ask(50000);
	serve_recv_request(&s);
	serve_accept(&s, 0, 50000, 1);
	cr_assert_eq(tw_ctl_cli_start(s.cli, bed.now), 0);
	serve_recv_start(&s);
	serve_wait(&s, 10 * BED_NS_PER_S);
	check_closed(TW_CTL_WHY_T_ANSWER, true, false);
}

Test(cli_sess, what_may_not_be_asked)
{
	struct tw_ctl_want want = serve_want(5000, 50000);

	s.cfg.session_max = 1;
	connect_as(TW_MODE_OPEN);
	want.dscp = 64;
	cr_assert_eq(tw_ctl_cli_request(s.cli, &want, NULL, bed.now), -EINVAL);
	want = serve_want(0, 50000);
	cr_assert_eq(tw_ctl_cli_request(s.cli, &want, NULL, bed.now), -EINVAL);
	want = serve_want(5000, 50000);
	want.timeout_ns = -1;
	cr_assert_eq(tw_ctl_cli_request(s.cli, &want, NULL, bed.now), -EINVAL);
	want.timeout_ns = 0;
	want.receiver_addr = bed_addr("2001:db8::1"); /* the sender would be IPv4 */
	cr_assert_eq(tw_ctl_cli_request(s.cli, &want, NULL, bed.now), -EINVAL);
	want.sender_addr = bed_addr("192.0.2.77");
	cr_assert_eq(tw_ctl_cli_request(s.cli, &want, NULL, bed.now), -EINVAL);
	want.sender_addr = bed_addr("2001:db8::77"); /* both: another IP version */
	cr_assert_eq(tw_ctl_cli_stop(s.cli, 0, bed.now), -EINVAL);
	cr_assert_eq(tw_ctl_cli_start(s.cli, bed.now), -ENOENT);
	cr_assert_eq(tw_ctl_cli_request(s.cli, &want, NULL, bed.now), 0);
	cr_assert_eq(tw_ctl_cli_request(s.cli, &want, NULL, bed.now), -ENOSPC);
	cr_assert_eq(serve_recv_request(&s).ipvn, 6);
	serve_accept(&s, 0, 50000, 1);
	cr_assert_eq(tw_ctl_cli_request(s.cli, &want, NULL, bed.now), -ENOSPC);
	cr_assert_eq(tw_ctl_cli_start(s.cli, bed.now), 0);
	cr_assert_eq(tw_ctl_cli_start(s.cli, bed.now), -EBUSY);
	/* R-4656-035 */
	cr_assert_eq(tw_ctl_cli_request(s.cli, &want, NULL, bed.now), -EBUSY);
	serve_recv_start(&s);
	serve_start_ack(&s, 0);
	cr_assert_eq(tw_ctl_cli_request(s.cli, &want, NULL, bed.now), -EBUSY);
	cr_assert_eq(tw_ctl_cli_start(s.cli, bed.now), -EBUSY);
}
