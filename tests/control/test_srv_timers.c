/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/* T_setup, T_msg, SERVWAIT, age of reservations, peers that do not read (PROTOCOL.md 5.1). */
#include <criterion/criterion.h>

#include "talk.h"

static struct bed bed;
static struct talk t;

static void
begin(void)
{
	bed_init(&bed);
	bed_serve(&bed);
	talk_open(&t, &bed, "192.0.2.77");
}

static void
end(void)
{
	talk_close(&t);
	bed_fini(&bed);
}

TestSuite(srv_timers, .init = begin, .fini = end);

static void
check_open(void)
{
	cr_assert(!tw_ctl_conn_is_done(t.conn));
}

static void
check_ended(enum tw_ctl_why why)
{
	cr_assert(talk_is_over(&t));
	cr_assert_eq(talk_why(&t), why, "%s", tw_ctl_why_name(talk_why(&t)));
	cr_assert_eq(tw_ctl_srv_why_cnt(bed.srv, why), 1);
	cr_assert_eq(bed.woken, t.conn);
}

Test(srv_timers, t_setup)
{
	uint8_t octet = 0;

	bed_wait(&bed, 29 * BED_NS_PER_S);
	talk_raw(&t, &octet, 1); /* a drop of octets does not help */
	bed_wait(&bed, BED_NS_PER_S - 1);
	check_open();
	bed_wait(&bed, 1);
	check_ended(TW_CTL_WHY_T_SETUP);
}

/* A derivation that never comes back */
Test(srv_timers, t_setup_while_the_key_is_derived)
{
	talk_setup_response(&t, TW_MODE_AUTH, BED_USER, BED_SECRET);
	bed_wait(&bed, 30 * BED_NS_PER_S);
	check_ended(TW_CTL_WHY_T_SETUP);
	bed_derive(&bed);
}

/* R-4656-002 */
Test(srv_timers, t_msg)
{
	uint8_t msg[TW_WIRE_START_SESSIONS_LEN] = {2};

	cr_assert_eq(talk_setup(&t, TW_MODE_OPEN, NULL, NULL), 0);
	for (int i = 0; i < 6; i++) {
		talk_raw(&t, msg + i, 1);
		bed_wait(&bed, 10 * BED_NS_PER_S - (i == 5));
		check_open();
	}
	bed_wait(&bed, 1);
	check_ended(TW_CTL_WHY_T_MSG);
}

/* It begins anew with each message. */
Test(srv_timers, t_msg_is_per_message)
{
	uint8_t msg[TW_WIRE_START_SESSIONS_LEN] = {2};

	cr_assert_eq(talk_setup(&t, TW_MODE_OPEN, NULL, NULL), 0);
	for (int i = 0; i < 4; i++) {
		talk_raw(&t, msg, 20);
		bed_wait(&bed, 50 * BED_NS_PER_S);
		talk_raw(&t, msg + 20, 12);
		cr_assert_eq(talk_read(&t, msg, sizeof(msg)), sizeof(msg));
		memset(msg, 0, sizeof(msg));
		msg[0] = 2;
	}
	check_open();
}

/* R-5357-006; any octet keeps the connection */
Test(srv_timers, servwait)
{
	cr_assert_eq(talk_setup(&t, TW_MODE_OPEN, NULL, NULL), 0);
	bed_wait(&bed, 899 * BED_NS_PER_S);
	cr_assert_eq(talk_start(&t), 1);
	bed_wait(&bed, 900 * BED_NS_PER_S - 1);
	check_open();
	bed_wait(&bed, 1);
	check_ended(TW_CTL_WHY_SERVWAIT);
}

/* R-5357-003: suspended from Start to Stop */
Test(srv_timers, servwait_is_suspended_while_tests_run)
{
	struct tw_wire_request_tw req = talk_request_of(5000, 50000);

	cr_assert_eq(talk_setup(&t, TW_MODE_OPEN, NULL, NULL), 0);
	cr_assert_eq(talk_request(&t, &req).accept, 0);
	cr_assert_eq(talk_start(&t), 0);
	bed_wait(&bed, 100000 * BED_NS_PER_S);
	check_open();
	talk_stop(&t, 1);
	bed_wait(&bed, 900 * BED_NS_PER_S - 1);
	check_open();
	bed_wait(&bed, 1);
	check_ended(TW_CTL_WHY_SERVWAIT);
}

/* R-5357-004: it resumes when REFWAIT ended every session */
Test(srv_timers, servwait_resumes_after_refwait)
{
	struct tw_wire_request_tw req = talk_request_of(5000, 50000);

	cr_assert_eq(talk_setup(&t, TW_MODE_OPEN, NULL, NULL), 0);
	cr_assert_eq(talk_request(&t, &req).accept, 0);
	cr_assert_eq(talk_request(&t, &req).accept, 0);
	cr_assert_eq(talk_start(&t), 0);
	bed_wait(&bed, 2000 * BED_NS_PER_S);
	tw_ctl_sess_silent(bed_sess_at(&bed, 0)->sess, bed.now);
	bed_wait(&bed, 2000 * BED_NS_PER_S);
	check_open();
	tw_ctl_sess_silent(bed_sess_at(&bed, 0)->sess, bed.now);
	bed_wait(&bed, 900 * BED_NS_PER_S - 1);
	check_open();
	bed_wait(&bed, 1);
	check_ended(TW_CTL_WHY_SERVWAIT);
}

/* The expiry takes what was reserved along. */
Test(srv_timers, servwait_frees_reservations)
{
	struct tw_wire_request_tw req = talk_request_of(5000, 50000);

	cr_assert_eq(talk_setup(&t, TW_MODE_OPEN, NULL, NULL), 0);
	cr_assert_eq(talk_request(&t, &req).accept, 0);
	bed_wait(&bed, 900 * BED_NS_PER_S);
	cr_assert_eq(bed.sess_live, 0);
}

/* A reservation does not live for ever on a connection that is kept alive (PROTOCOL.md 5.3);
 * the client still counts it. */
Test(srv_timers, old_reservation_is_freed)
{
	struct tw_wire_request_tw req = talk_request_of(5000, 50000);

	cr_assert_eq(talk_setup(&t, TW_MODE_OPEN, NULL, NULL), 0);
	cr_assert_eq(talk_request(&t, &req).accept, 0);
	bed_wait(&bed, 600 * BED_NS_PER_S);
	cr_assert_eq(talk_request(&t, &req).accept, 0);
	bed_wait(&bed, 300 * BED_NS_PER_S);
	cr_assert_eq(bed.sess_live, 1);
	cr_assert_eq(talk_start(&t), 0);
	talk_stop(&t, 2);
	check_open();
}

Test(srv_timers, only_old_reservations_left)
{
	struct tw_wire_request_tw req = talk_request_of(5000, 50000);

	cr_assert_eq(talk_setup(&t, TW_MODE_OPEN, NULL, NULL), 0);
	cr_assert_eq(talk_request(&t, &req).accept, 0);
	bed_wait(&bed, 800 * BED_NS_PER_S);
	req.conf_sender = 1; /* refused, but a sign of life */
	cr_assert_eq(talk_request(&t, &req).accept, 3);
	bed_wait(&bed, 200 * BED_NS_PER_S);
	cr_assert_eq(bed.sess_live, 0);
	cr_assert_eq(talk_start(&t), 1);
	check_open();
}

/* A peer that asks and never reads: output is bounded, then time is up. */
Test(srv_timers, peer_that_does_not_read)
{
	struct tw_wire_request_tw req = talk_request_of(5000, 50000);
	size_t len, served;

	cr_assert_eq(talk_setup(&t, TW_MODE_OPEN, NULL, NULL), 0);
	for (int i = 0; i < 1000; i++)
		talk_send_request(&t, &req);
	cr_assert_eq(tw_ctl_conn_want(t.conn), 0);
	(void)tw_ctl_conn_output(t.conn, &len);
	served = bed.sess_live;
	cr_assert_eq(len, served * TW_WIRE_ACCEPT_SESSION_LEN);
	bed_wait(&bed, 60 * BED_NS_PER_S);
	cr_assert_eq(talk_why(&t), TW_CTL_WHY_T_WRITE);
	check_open(); /* a little time for what is left to be sent */
	bed_wait(&bed, 5 * BED_NS_PER_S);
	cr_assert(tw_ctl_conn_is_done(t.conn));
	cr_assert_eq(bed.sess_live, 0);
}

/* A reset while the output is full: nobody will ever take it, so there is nothing to wait for. A
 * loop that is told of the reset again and again must get rid of the connection. */
Test(srv_timers, reset_of_a_peer_that_does_not_read)
{
	struct tw_wire_request_tw req = talk_request_of(5000, 50000);
	size_t len;

	cr_assert_eq(talk_setup(&t, TW_MODE_OPEN, NULL, NULL), 0);
	for (int i = 0; i < 1000; i++)
		talk_send_request(&t, &req);
	cr_assert_eq(tw_ctl_conn_want(t.conn), 0);
	tw_ctl_conn_lost(t.conn, bed.now);
	cr_assert(tw_ctl_conn_is_done(t.conn));
	cr_assert_eq(talk_why(&t), TW_CTL_WHY_PEER_CLOSED);
	(void)tw_ctl_conn_output(t.conn, &len);
	cr_assert_eq(len, 0);
	cr_assert_eq(bed.sess_live, 0);
	cr_assert_eq(tw_ctl_srv_deadline(bed.srv), TW_CTL_NO_DEADLINE);
	tw_ctl_conn_lost(t.conn, bed.now); /* again: no harm */
	cr_assert_eq(tw_ctl_srv_why_cnt(bed.srv, TW_CTL_WHY_PEER_CLOSED), 1);
}

/* The end of file alone: answers still owed are given, to a peer that reads after all. */
Test(srv_timers, half_closed_peer_that_reads_late)
{
	struct tw_wire_request_tw req = talk_request_of(5000, 50000);
	uint8_t msg[TW_WIRE_ACCEPT_SESSION_LEN];
	unsigned answers = 0, asked = 0;

	cr_assert_eq(talk_setup(&t, TW_MODE_OPEN, NULL, NULL), 0);
	while (tw_ctl_conn_want(t.conn) >= TW_WIRE_REQUEST_TW_LEN) {
		talk_send_request(&t, &req);
		asked++;
	}
	tw_ctl_conn_eof(t.conn, bed.now);
	check_open();
	cr_assert_eq(tw_ctl_conn_want(t.conn), 0);
	while (talk_read(&t, msg, sizeof(msg)) == sizeof(msg))
		answers++;
	cr_assert_eq(answers, asked);
	cr_assert(talk_is_over(&t));
}

/* The end of file told twice, as a loop does that hears of a reset again and again */
Test(srv_timers, end_of_file_told_twice)
{
	struct tw_wire_request_tw req = talk_request_of(5000, 50000);

	cr_assert_eq(talk_setup(&t, TW_MODE_OPEN, NULL, NULL), 0);
	for (int i = 0; i < 1000; i++)
		talk_send_request(&t, &req);
	tw_ctl_conn_eof(t.conn, bed.now);
	check_open();
	tw_ctl_conn_eof(t.conn, bed.now);
	cr_assert(tw_ctl_conn_is_done(t.conn));
	cr_assert_eq(bed.sess_live, 0);
}

/* Running sessions go on for a while, as after any loss. */
Test(srv_timers, reset_while_tests_run)
{
	struct tw_wire_request_tw req = talk_request_of(5000, 50000);

	cr_assert_eq(talk_setup(&t, TW_MODE_OPEN, NULL, NULL), 0);
	cr_assert_eq(talk_request(&t, &req).accept, 0);
	cr_assert_eq(talk_start(&t), 0);
	tw_ctl_conn_lost(t.conn, bed.now);
	cr_assert(tw_ctl_conn_is_done(t.conn));
	cr_assert_eq(bed_sess_count(&bed, BED_STOPPED), 1);
}

/* ... and goes on where it stopped when the peer reads after all. */
Test(srv_timers, peer_that_reads_late)
{
	struct tw_wire_request_tw req = talk_request_of(5000, 50000);
	uint8_t msg[TW_WIRE_ACCEPT_SESSION_LEN];
	unsigned answers = 0, asked = 0;

	cr_assert_eq(talk_setup(&t, TW_MODE_OPEN, NULL, NULL), 0);
	while (tw_ctl_conn_want(t.conn) >= TW_WIRE_REQUEST_TW_LEN) {
		talk_send_request(&t, &req);
		asked++;
	}
	bed_wait(&bed, 50 * BED_NS_PER_S);
	while (talk_read(&t, msg, sizeof(msg)) == sizeof(msg))
		answers++;
	cr_assert_eq(answers, asked);
	cr_assert_eq(tw_ctl_conn_want(t.conn), 1024);
}

/* Nothing is due when nothing is there. */
Test(srv_timers, no_deadline_without_connections)
{
	talk_close(&t);
	cr_assert_eq(tw_ctl_srv_deadline(bed.srv), TW_CTL_NO_DEADLINE);
	talk_open(&t, &bed, "192.0.2.77");
	cr_assert_eq(tw_ctl_srv_deadline(bed.srv), bed.now.mono_ns + 30 * BED_NS_PER_S);
}
