/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Inside lib/wire only: the layout that authenticated and encrypted mode share. They differ in how
 * much of it is covered, so a reader takes covered octets from the clear text and the others from
 * the packet: `head` is where the octets past the first block are.
 *
 * Request, RFC 4656 4.1.2 (48 octets, then padding):
 *     0 Sequence Number (4)     16 Timestamp (8)          26 MBZ (6)
 *     4 MBZ (12)                24 Error Estimate (2)     32 HMAC (16)
 *
 * Reply, RFC 5357 4.2.1 with erratum 5045 (112 octets, then padding):
 *     0 Sequence Number (4)     32 Receive Timestamp (8)         72 Sender Error Estimate (2)
 *     4 MBZ (12)                40 MBZ (8)                       74 MBZ (6)
 *    16 Timestamp (8)           48 Sender Sequence Number (4)    80 Sender TTL
 *    24 Error Estimate (2)      52 MBZ (12)                      81 MBZ (15)
 *    26 MBZ (6)                 64 Sender Timestamp (8)          96 HMAC (16)
 */
#ifndef TW_TST_SECURE_I_H
#define TW_TST_SECURE_I_H

#include <assert.h>

#include "tw_tst.h"

enum {
	TW_TST_SECURE_SEQ = 0,
	TW_TST_SECURE_T = 16,
	TW_TST_SECURE_EE = 24,

	TW_TST_SECURE_REQ_HMAC = 32,
	TW_TST_SECURE_REQ_LEN = 48,

	TW_TST_SECURE_T2 = 32,
	TW_TST_SECURE_SENDER_SEQ = 48,
	TW_TST_SECURE_SENDER_T1 = 64,
	TW_TST_SECURE_SENDER_EE = 72,
	TW_TST_SECURE_SENDER_TTL = 80,
	TW_TST_SECURE_REP_HMAC = 96,
	TW_TST_SECURE_REP_LEN = 112,
};

static_assert(TW_TST_SECURE_EE == TW_TST_SECURE_T + 8, "tw_tst_stamp()");
static_assert(TW_TST_SECURE_SENDER_EE == TW_TST_SECURE_SENDER_T1 + 8, "tw_tst_write_echo()");
static_assert(TW_TST_SECURE_REQ_LEN == TW_TST_SECURED_REQ_LEN && TW_TST_SECURE_SEQ == 0,
	"tw_tst_begin_req()");
static_assert(TW_TST_SECURE_REQ_HMAC + TW_TST_HMAC_LEN == TW_TST_SECURE_REQ_LEN, "request");
static_assert(TW_TST_SECURE_REP_HMAC + TW_TST_HMAC_LEN == TW_TST_SECURE_REP_LEN, "reply");
static_assert(TW_TST_SECURE_REP_LEN == TW_TST_HEADER_MAX, "longest header");
static_assert(TW_TST_SECURE_REP_HMAC == TW_TST_COVER_MAX, "longest cover");

static inline bool
tw_tst_secure_read_rep(
	size_t len, const uint8_t *clear, const uint8_t *head, struct tw_tst_rep *out)
{
	if (len < TW_TST_SECURE_REP_LEN)
		return false;
	out->seq = tw_load_be32(clear + TW_TST_SECURE_SEQ);
	out->t3 = tw_load_be64(head + TW_TST_SECURE_T);
	out->ee = tw_load_be16(head + TW_TST_SECURE_EE);
	out->t2 = tw_load_be64(head + TW_TST_SECURE_T2);
	out->sender_seq = tw_load_be32(head + TW_TST_SECURE_SENDER_SEQ);
	out->sender_t1 = tw_load_be64(head + TW_TST_SECURE_SENDER_T1);
	out->sender_ee = tw_load_be16(head + TW_TST_SECURE_SENDER_EE);
	out->sender_ttl = head[TW_TST_SECURE_SENDER_TTL];
	return true;
}

static inline bool
tw_tst_secure_write_req(uint8_t *pkt, size_t room, const struct tw_tst_req *in)
{
	if (room < TW_TST_SECURE_REQ_LEN)
		return false;
	/* whole words, MBZ included: each octet is written once */
	tw_store_be64(pkt + TW_TST_SECURE_SEQ, (uint64_t)in->seq << 32);
	tw_store_be64(pkt + TW_TST_SECURE_SEQ + 8, 0);
	tw_store_be64(pkt + TW_TST_SECURE_T, in->t1);
	tw_store_be64(pkt + TW_TST_SECURE_EE, (uint64_t)in->ee << 48);
	memset(pkt + TW_TST_SECURE_REQ_HMAC, 0, TW_TST_HMAC_LEN);
	return true;
}

#endif /* TW_TST_SECURE_I_H */
