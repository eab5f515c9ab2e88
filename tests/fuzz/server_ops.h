/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * A server connection under a fuzzer that speaks as a client which completed its set-up. The input
 * is a list of steps, one octet what, one octet how much, then octets as the step takes them: the
 * fuzzer reaches every command with a right HMAC, every timer, every answer of the data plane.
 */
#ifndef SERVER_OPS_H
#define SERVER_OPS_H

#include "fuzz.h"
#include "talk.h"

static struct bed ops_bed;
static bool ops_ike; /* an IKE daemon is there, with one SA */

/* The connection of one input; the server lives on. */
static inline void
ops_begin(struct talk *t, const char *peer)
{
	if (ops_bed.srv == NULL) {
		bed_init(&ops_bed);
		bed_add_sa(&ops_bed, 1, BED_SECRET, strlen(BED_SECRET));
		bed_serve(&ops_bed);
	}
	ops_bed.is_ike_up = ops_ike;
	ops_bed.sa[0].is_late = false;
	ops_bed.ike_expects = (struct tw_addr){0};
	ops_bed.seed = 1;
	ops_bed.reserve_answer = 0;
	ops_bed.start_answer = 0;
	ops_bed.random_fails = false;
	ops_bed.kdf_is_full = false;
	talk_open(t, &ops_bed, peer);
}

/* Nothing of it may be left when its last session has drained. */
static inline void
ops_end(struct talk *t)
{
	struct tw_ctl_srv_live live;

	talk_close(t);
	bed_derive(&ops_bed);
	bed_wait(&ops_bed, 1000 * BED_NS_PER_S);
	tw_ctl_srv_live_get(ops_bed.srv, &live);
	CHECK(live.conns == 0 && live.preauth == 0 && live.sessions == 0 && live.kdf_jobs == 0);
	CHECK(live.ike_waiters == 0);
	CHECK(ops_bed.sess_live == 0);
	CHECK(tw_ctl_srv_deadline(ops_bed.srv) == TW_CTL_NO_DEADLINE);
}

/* Answers are read, and are whole messages. */
static inline void
ops_drain(struct talk *t)
{
	uint8_t out[2048];

	CHECK(talk_read(t, out, sizeof(out)) % 16 == 0);
}

static inline size_t
ops_take(struct tw_rd *rd, uint8_t *out, size_t len)
{
	size_t n = len < rd->left ? len : rd->left;

	memset(out, 0, len);
	tw_rd_bytes(rd, out, n);
	return n;
}

/* A good request with some of its octets replaced */
static inline void
ops_request(struct talk *t, struct tw_rd *rd, uint8_t arg)
{
	struct tw_wire_request_tw req = talk_request_of(5000, 50000);
	uint8_t msg[TW_WIRE_REQUEST_TW_LEN], patch[16];
	struct tw_wr wr = tw_wr_init(msg, sizeof(msg));
	size_t n, at = 1 + arg % 95;

	tw_wire_request_tw_write(&wr, &req);
	n = ops_take(rd, patch, sizeof(patch));
	n = n < 96 - at ? n : 96 - at;
	memcpy(msg + at, patch, n);
	talk_send(t, msg, sizeof(msg));
}

/* Any octets as a command of arg blocks, with its HMAC, in pieces */
static inline void
ops_command(struct talk *t, struct tw_rd *rd, uint8_t arg)
{
	uint8_t msg[64 * 16 + 16];
	size_t len = (arg % 64 + 2u) * 16;

	ops_take(rd, msg, len - 16);
	talk_seal(t, msg, len);
	talk_raw(t, msg, len / 3);
	talk_raw(t, msg + len / 3, len - len / 3);
}

static inline void
ops_simple(struct talk *t, uint8_t cmd, uint8_t arg)
{
	uint8_t msg[32] = {cmd};

	if (cmd == TW_WIRE_CMD_STOP_SESSIONS) {
		msg[1] = arg >> 7;
		msg[7] = arg & 0x7f;
	}
	talk_send(t, msg, sizeof(msg));
}

static inline void
ops_raw(struct talk *t, struct tw_rd *rd, uint8_t arg)
{
	uint8_t buf[256];

	talk_raw(t, buf, ops_take(rd, buf, arg));
}

static inline void
ops_silent(uint8_t arg)
{
	struct bed_sess *s = bed_sess_at(&ops_bed, arg);

	if (s != NULL && s->state == BED_STARTED)
		tw_ctl_sess_silent(s->sess, ops_bed.now);
}

static inline void
ops_step(struct talk *t, struct tw_rd *rd, uint8_t what, uint8_t arg)
{
	switch (what % 12) {
	case 0:
	case 1:
		ops_request(t, rd, arg);
		break;
	case 2:
		ops_command(t, rd, arg);
		break;
	case 3:
		ops_simple(t, TW_WIRE_CMD_START_SESSIONS, 0);
		break;
	case 4:
		ops_simple(t, TW_WIRE_CMD_STOP_SESSIONS, arg);
		break;
	case 5:
		ops_raw(t, rd, arg);
		break;
	case 6:
		bed_wait(&ops_bed, arg * BED_NS_PER_S);
		break;
	case 7:
		ops_bed.reserve_answer = arg % (TW_CTL_RESERVE_INTERNAL + 1);
		if (ops_bed.reserve_answer == TW_CTL_RESERVE_OK)
			ops_bed.reserve_answer = 0; /* then there must be a session */
		break;
	case 8:
		ops_bed.start_answer = arg & 1 ? -5 : 0;
		ops_bed.random_fails = arg & 2;
		break;
	case 9:
		ops_silent(arg);
		break;
	case 10:
		tw_ctl_conn_eof(t->conn, ops_bed.now);
		break;
	default:
		ops_drain(t);
		break;
	}
}

static inline void
ops_run(struct talk *t, const uint8_t *data, size_t size)
{
	struct tw_rd rd = tw_rd_init(data, size);
	uint8_t what, arg;

	for (int i = 0; i < 200 && tw_rd_u8(&rd, &what) && tw_rd_u8(&rd, &arg); i++) {
		if (tw_ctl_conn_is_done(t->conn))
			return;
		ops_step(t, &rd, what, arg);
	}
	ops_drain(t);
}

#endif /* SERVER_OPS_H */
