/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/* Start and Stop at the server, rounds, and what becomes of sessions. */
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
	cr_assert_eq(talk_setup(&t, TW_MODE_AUTH, BED_USER, BED_SECRET), 0);
}

static void
end(void)
{
	talk_close(&t);
	bed_fini(&bed);
}

TestSuite(srv_rounds, .init = begin, .fini = end);

static void
ask(unsigned cnt)
{
	for (unsigned i = 0; i < cnt; i++) {
		struct tw_wire_request_tw req =
			talk_request_of((uint16_t)(5000 + i), (uint16_t)(50000 + i));

		cr_assert_eq(talk_request(&t, &req).accept, 0);
	}
}

/*
 *  client                                server
 *    | -- Request-TW-Session (3 x) ------> |  reserved: not answered yet
 *    | -- Start-Sessions ----------------> |  started before
 *    | <- Start-Ack 0 -------------------- |           R-4656-045, R-4656-046
 *    | -- Stop-Sessions, 3 --------------> |  no answer, A-40; answered for Timeout
 */
Test(srv_rounds, several_sessions)
{
	ask(3);
	cr_assert_eq(bed_sess_count(&bed, BED_RESERVED), 3);
	cr_assert_eq(talk_start(&t), 0);
	cr_assert_eq(bed_sess_count(&bed, BED_STARTED), 3);
	talk_stop(&t, 3);
	cr_assert(talk_is_silent(&t)); /* R-5357-027 */
	cr_assert_eq(bed_sess_count(&bed, BED_STOPPED), 3);
	cr_assert_eq(bed_sess_at(&bed, 0)->grace_ns, 2 * BED_NS_PER_S); /* R-5357-020 */
	cr_assert_eq(talk_state(&t), TW_CTL_CONN_READY);
	bed_wait(&bed, 2 * BED_NS_PER_S - 1);
	cr_assert_eq(bed.sess_live, 3);
	bed_wait(&bed, BED_NS_PER_S); /* R-5357-021, R-5357-043 */
	cr_assert_eq(bed.sess_live, 0);
	cr_assert_eq(tw_ctl_srv_counter(bed.srv, TW_CTL_CTR_SESSIONS_STOPPED), 3);
}

/* The connection serves any number of rounds; draining sessions do not count in the next. */
Test(srv_rounds, rounds_may_be_repeated)
{
	for (unsigned round = 1; round <= 20; round++) {
		ask(round % 4 + 1);
		cr_assert_eq(talk_start(&t), 0);
		talk_stop(&t, round % 4 + 1);
	}
	bed_wait(&bed, 3 * BED_NS_PER_S);
	cr_assert_eq(bed.sess_live, 0);
}

/* no session, Start-Ack 1, and nothing is lost by it */
Test(srv_rounds, start_without_sessions)
{
	cr_assert_eq(talk_start(&t), 1);
	cr_assert_eq(bed.last.why, TW_CTL_WHY_START_EMPTY);
	ask(1);
	cr_assert_eq(talk_start(&t), 0);
}

/* R-4656-035: only Stop is allowed while tests run; they go on all the same */
Test(srv_rounds, start_while_tests_run)
{
	ask(1);
	cr_assert_eq(talk_start(&t), 0);
	cr_assert_eq(talk_start(&t), 1);
	cr_assert_eq(bed.last.why, TW_CTL_WHY_START_RUNNING);
	cr_assert_eq(bed_sess_count(&bed, BED_STARTED), 1);
	talk_stop(&t, 1);
	cr_assert_eq(talk_state(&t), TW_CTL_CONN_READY);
}

/* */
Test(srv_rounds, request_while_tests_run)
{
	struct tw_wire_request_tw req = talk_request_of(6000, 60000);

	ask(1);
	cr_assert_eq(talk_start(&t), 0);
	cr_assert_eq(talk_request(&t, &req).accept, 3);
	cr_assert_eq(bed.last.why, TW_CTL_WHY_SESSION_WHILE_ACTIVE);
	cr_assert_eq(bed_sess_count(&bed, BED_STARTED), 1);
	talk_stop(&t, 1);
	cr_assert_eq(talk_request(&t, &req).accept, 0);
}

/* R-5357-031: close, results are worth nothing, sessions end at once */
Test(srv_rounds, stop_with_a_wrong_count)
{
	ask(2);
	cr_assert_eq(talk_start(&t), 0);
	talk_stop(&t, 1);
	cr_assert(talk_is_over(&t));
	cr_assert_eq(talk_why(&t), TW_CTL_WHY_STOP_COUNT);
	cr_assert_eq(bed.last.value, 1);
	cr_assert_eq(bed.last.bound, 2);
	cr_assert_eq(bed.sess_live, 0);
	cr_assert_eq(tw_ctl_srv_counter(bed.srv, TW_CTL_CTR_SESSIONS_DROPPED), 2);
}

/* The sessions of the round before drain on. */
Test(srv_rounds, wrong_count_leaves_the_round_before_alone)
{
	ask(1);
	cr_assert_eq(talk_start(&t), 0);
	talk_stop(&t, 1);
	ask(2);
	cr_assert_eq(talk_start(&t), 0);
	talk_stop(&t, 3);
	cr_assert_eq(bed_sess_count(&bed, BED_STOPPED), 1);
	cr_assert_eq(bed.sess_live, 1);
}

/* */
Test(srv_rounds, stop_without_start)
{
	ask(1);
	talk_stop(&t, 1);
	cr_assert(talk_is_over(&t));
	cr_assert_eq(talk_why(&t), TW_CTL_WHY_STOP_WITHOUT_START);
	cr_assert_eq(bed.sess_live, 0);
}

/* R-4656-050, R-5357-029: the client says itself that results are doubtful */
Test(srv_rounds, stop_that_invalidates)
{
	uint8_t msg[TW_WIRE_STOP_SESSIONS_LEN] = {3, 1, 0, 0, 0, 0, 0, 1};

	ask(1);
	cr_assert_eq(talk_start(&t), 0);
	talk_send(&t, msg, sizeof(msg));
	cr_assert_eq(talk_state(&t), TW_CTL_CONN_READY);
	cr_assert_eq(tw_ctl_srv_counter(bed.srv, TW_CTL_CTR_STOP_INVALID), 1);
	cr_assert_eq(bed_sess_count(&bed, BED_STOPPED), 1);
}

/* All or nothing: Start-Ack 2, no session is left behind */
Test(srv_rounds, data_plane_cannot_start)
{
	ask(2);
	bed.start_answer = -EIO;
	cr_assert_eq(talk_start(&t), 2);
	cr_assert_eq(bed.last.why, TW_CTL_WHY_START_FAILED);
	cr_assert_eq(bed.sess_live, 0);
	bed.start_answer = 0;
	ask(1);
	cr_assert_eq(talk_start(&t), 0);
	talk_stop(&t, 1);
	cr_assert_eq(talk_state(&t), TW_CTL_CONN_READY);
}

/*
 * the control connection is lost; sessions go on for min(Timeout, 5 s), and drain after
 * that without a connection.
 */
Test(srv_rounds, connection_lost_while_tests_run)
{
	struct tw_wire_request_tw req = talk_request_of(6000, 60000);

	ask(1); /* Timeout 2 s */
	req.timeout = 100ULL << 32;
	cr_assert_eq(talk_request(&t, &req).accept, 0);
	cr_assert_eq(talk_start(&t), 0);
	tw_ctl_conn_eof(t.conn, bed.now);
	cr_assert(talk_is_over(&t));
	cr_assert_eq(talk_why(&t), TW_CTL_WHY_PEER_CLOSED);
	cr_assert_eq(bed_sess_at(&bed, 0)->grace_ns, 2 * BED_NS_PER_S);
	cr_assert_eq(bed_sess_at(&bed, 1)->grace_ns, 5 * BED_NS_PER_S);
	cr_assert_eq(tw_ctl_srv_counter(bed.srv, TW_CTL_CTR_SESSIONS_LOST), 2);
	talk_close(&t);
	bed_wait(&bed, 3 * BED_NS_PER_S);
	cr_assert_eq(bed.sess_live, 1);
	bed_wait(&bed, 3 * BED_NS_PER_S);
	cr_assert_eq(bed.sess_live, 0);
	talk_open(&t, &bed, "192.0.2.77");
}

/* After Stop the Timeout holds, also when the client goes at once (R-5357-020) */
Test(srv_rounds, connection_closed_after_stop)
{
	struct tw_wire_request_tw req = talk_request_of(6000, 60000);

	req.timeout = 100ULL << 32;
	cr_assert_eq(talk_request(&t, &req).accept, 0);
	cr_assert_eq(talk_start(&t), 0);
	talk_stop(&t, 1);
	tw_ctl_conn_eof(t.conn, bed.now);
	talk_close(&t);
	bed_wait(&bed, 99 * BED_NS_PER_S);
	cr_assert_eq(bed_sess_count(&bed, BED_STOPPED), 1);
	bed_wait(&bed, 2 * BED_NS_PER_S);
	cr_assert_eq(bed.sess_live, 0);
	talk_open(&t, &bed, "192.0.2.77");
}

/* R-4656-091: what was never started goes with the connection */
Test(srv_rounds, connection_lost_before_start)
{
	ask(2);
	tw_ctl_conn_eof(t.conn, bed.now);
	cr_assert_eq(bed.sess_live, 0);
}

/* REFWAIT ended one; the client counts it all the same */
Test(srv_rounds, silent_session_is_still_counted)
{
	ask(2);
	cr_assert_eq(talk_start(&t), 0);
	tw_ctl_sess_silent(bed_sess_at(&bed, 0)->sess, bed.now);
	cr_assert_eq(bed.sess_live, 1);
	cr_assert_eq(tw_ctl_srv_counter(bed.srv, TW_CTL_CTR_SESSIONS_SILENT), 1);
	talk_stop(&t, 2);
	cr_assert_eq(talk_state(&t), TW_CTL_CONN_READY);
	cr_assert_eq(bed_sess_count(&bed, BED_STOPPED), 1);
}

/* The event was on its way when Stop came. */
Test(srv_rounds, silence_told_after_stop)
{
	ask(1);
	cr_assert_eq(talk_start(&t), 0);
	talk_stop(&t, 1);
	tw_ctl_sess_silent(bed_sess_at(&bed, 0)->sess, bed.now);
	cr_assert_eq(bed_sess_count(&bed, BED_STOPPED), 1);
}

/* An operator ends the connection: as if it were lost */
Test(srv_rounds, abort_is_a_loss)
{
	ask(1);
	cr_assert_eq(talk_start(&t), 0);
	tw_ctl_conn_abort(t.conn, bed.now);
	cr_assert(talk_is_over(&t));
	cr_assert_eq(talk_why(&t), TW_CTL_WHY_ABORTED);
	cr_assert_eq(bed_sess_count(&bed, BED_STOPPED), 1);
}

/* Pipelined: everything at once, in one segment */
Test(srv_rounds, commands_may_follow_each_other)
{
	struct tw_wire_request_tw req = talk_request_of(6000, 60000);
	uint8_t msg[TW_WIRE_REQUEST_TW_LEN + TW_WIRE_START_SESSIONS_LEN];
	struct tw_wr wr = tw_wr_init(msg, sizeof(msg));

	tw_wire_request_tw_write(&wr, &req);
	tw_wire_start_sessions_write(&wr, &(struct tw_wire_start_sessions){{0}});
	talk_seal(&t, msg, TW_WIRE_REQUEST_TW_LEN);
	talk_seal(&t, msg + TW_WIRE_REQUEST_TW_LEN, TW_WIRE_START_SESSIONS_LEN);
	talk_raw(&t, msg, sizeof(msg));
	talk_recv(&t, msg, TW_WIRE_ACCEPT_SESSION_LEN);
	cr_assert_eq(msg[0], 0);
	talk_recv(&t, msg, TW_WIRE_START_ACK_LEN);
	cr_assert_eq(msg[0], 0);
	cr_assert_eq(bed_sess_count(&bed, BED_STARTED), 1);
}
