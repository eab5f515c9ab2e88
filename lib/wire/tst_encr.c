/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Test packets of encrypted mode: all in front of the HMAC is under AES and HMAC, 32 octets of a
 * request (RFC 4656 4.1.2) and 96 of a reply (RFC 5357 4.2.1).
 */
#include "tst_secure_i.h"

static bool
read_rep(const uint8_t *pkt, size_t len, const uint8_t *clear, struct tw_tst_rep *out)
{
	(void)pkt;
	return tw_tst_secure_read_rep(len, clear, clear, out);
}

static bool
write_req(uint8_t *pkt, size_t room, const struct tw_tst_req *in)
{
	return tw_tst_secure_write_req(pkt, room, in);
}

const struct tw_tst_fmt tw_tst_encr = {
	.name = "encrypted",
	.prot = TW_TST_PROT_ENCR,
	.req_min = TW_TST_SECURE_REQ_LEN,
	.rep_min = TW_TST_SECURE_REP_LEN,
	.req_cover = TW_TST_SECURE_REQ_HMAC,
	.rep_cover = TW_TST_SECURE_REP_HMAC,
	.req_hmac_off = TW_TST_SECURE_REQ_HMAC,
	.rep_hmac_off = TW_TST_SECURE_REP_HMAC,
	.req_t_off = TW_TST_SECURE_T,
	.rep_t_off = TW_TST_SECURE_T,
	.rep_t2_off = TW_TST_SECURE_T2,
	.rep_sender_seq_off = TW_TST_SECURE_SENDER_SEQ,
	.rep_sender_t1_off = TW_TST_SECURE_SENDER_T1,
	.rep_sender_ttl_off = TW_TST_SECURE_SENDER_TTL,
	.read_rep = read_rep,
	.write_req = write_req,
};
