/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Test packets of open and mixed mode.
 *
 * Request, RFC 4656 4.1.2 (14 octets, then padding):
 *     0 Sequence Number (4)     4 Timestamp (8)     12 Error Estimate (2)
 *
 * Reply, RFC 5357 4.2.1 (41 octets, then padding):
 *     0 Sequence Number (4)     16 Receive Timestamp (8)         36 Sender Error Estimate (2)
 *     4 Timestamp (8)           24 Sender Sequence Number (4)    38 MBZ (2)
 *    12 Error Estimate (2)      28 Sender Timestamp (8)          40 Sender TTL
 *    14 MBZ (2)
 */
#include <assert.h>

#include "tw_tst.h"

enum {
	REQ_SEQ = 0,
	REQ_T1 = 4,
	REQ_EE = 12,
	REQ_LEN = 14,

	REP_SEQ = 0,
	REP_T3 = 4,
	REP_EE = 12,
	REP_T2 = 16,
	REP_SENDER_SEQ = 24,
	REP_SENDER_T1 = 28,
	REP_SENDER_EE = 36,
	REP_SENDER_TTL = 40,
	REP_LEN = 41,
};

static_assert(REQ_EE == REQ_T1 + 8 && REP_EE == REP_T3 + 8, "tw_tst_stamp()");
static_assert(REP_SENDER_EE == REP_SENDER_T1 + 8, "tw_tst_write_echo()");
static_assert(REQ_LEN == TW_TST_OPEN_REQ_LEN && REQ_SEQ == 0, "tw_tst_begin_req()");
static_assert(REP_LEN == TW_TST_OPEN_REP_LEN, "tw_tst_write_echo()");

static bool
write_req(uint8_t *pkt, size_t room, const struct tw_tst_req *in)
{
	if (room < REQ_LEN)
		return false;
	tw_store_be32(pkt + REQ_SEQ, in->seq);
	tw_tst_stamp(pkt, REQ_T1, in->t1, in->ee);
	return true;
}

static bool
read_rep(const uint8_t *pkt, size_t len, const uint8_t *clear, struct tw_tst_rep *out)
{
	(void)clear;
	if (len < REP_LEN)
		return false;
	out->seq = tw_load_be32(pkt + REP_SEQ);
	out->t3 = tw_load_be64(pkt + REP_T3);
	out->ee = tw_load_be16(pkt + REP_EE);
	out->t2 = tw_load_be64(pkt + REP_T2);
	out->sender_seq = tw_load_be32(pkt + REP_SENDER_SEQ);
	out->sender_t1 = tw_load_be64(pkt + REP_SENDER_T1);
	out->sender_ee = tw_load_be16(pkt + REP_SENDER_EE);
	out->sender_ttl = pkt[REP_SENDER_TTL];
	return true;
}

const struct tw_tst_fmt tw_tst_open = {
	.name = "open",
	.prot = TW_TST_PROT_OPEN,
	.req_min = REQ_LEN,
	.rep_min = REP_LEN,
	.req_t_off = REQ_T1,
	.rep_t_off = REP_T3,
	.rep_t2_off = REP_T2,
	.rep_sender_seq_off = REP_SENDER_SEQ,
	.rep_sender_t1_off = REP_SENDER_T1,
	.rep_sender_ttl_off = REP_SENDER_TTL,
	.read_rep = read_rep,
	.write_req = write_req,
};
