/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Frames as they arrive: parsing and checksums of the data plane, on a frame that ends where the
 * heap block ends. The first octet says what the device and the port claim.
 */
#include "dp_i.h"
#include "fuzz.h"
#include "parse.h"

/* The look at plain frames says what the whole parser says. */
static void
check_plain(const struct tw_port *port, struct rte_mbuf *m, enum tw_dp_ctr why,
	const struct pkt *pkt, const struct tw_sess_key *key)
{
	struct tw_sess_key plain_key = {0};
	struct pkt plain = {0};

	if (!parse_plain_v4(port, m, &plain))
		return;
	plain_key_v4(port, &plain, &plain_key);
	CHECK(why == TW_DP_CTR_N);
	CHECK(memcmp(&plain_key, key, sizeof(plain_key)) == 0);
	CHECK(plain.m == pkt->m && plain.frame == pkt->frame && plain.l3_off == pkt->l3_off &&
		plain.l4_off == pkt->l4_off && plain.pay_len == pkt->pay_len &&
		plain.ttl == pkt->ttl && plain.tos == pkt->tos && plain.is_v6 == pkt->is_v6);
}

/* What a parsed packet must be, by its own words. */
static void
check_packet(const struct pkt *pkt, const struct tw_sess_key *key, const struct tw_port *port,
	size_t size)
{
	CHECK(pkt->l3_off >= 14 && pkt->l3_off <= 14 + 4 * TW_DP_VLANS_MAX);
	CHECK(pkt->l4_off == pkt->l3_off + (pkt->is_v6 ? 40 : 20));
	CHECK((size_t)pkt->l4_off + 8 + pkt->pay_len <= size);
	CHECK(key->scope >> 24 == port->idx);
}

/* With and without the sum of the padding apart the verdict is the same, and that sum is right. */
static void
check_cksum(const struct tw_port *port, struct pkt *pkt, const struct tw_tst_fmt *fmt)
{
	static struct tw_dp_lcore lc;
	const enum tw_dp_ctr why = verify_cksum(&lc, port, pkt, NULL);

	CHECK(why == TW_DP_CTR_N || tw_dp_ctr_desc(why)->kind == TW_DP_KIND_DROP);
	CHECK(verify_cksum(&lc, port, pkt, fmt) == why);
	if (pkt->has_pad_sum)
		CHECK(cksum_fold(pkt->pad_sum) == rte_raw_cksum(pkt_payload(pkt) + fmt->req_min,
							  (size_t)(pkt->pay_len - fmt->rep_min)));
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct tw_port port;
	const uint8_t claim = size > 0 ? data[0] : 0;
	struct tw_sess_key key = {0};
	struct rte_mbuf m;
	struct pkt pkt = {0};
	enum tw_dp_ctr why;
	uint8_t *frame;

	if (size == 0 || size > 9000)
		return 0;
	frame = fuzz_copy(data + 1, --size);
	memset(&m, 0, sizeof(m));
	m.buf_addr = frame;
	m.buf_len = m.data_len = (uint16_t)size;
	m.pkt_len = m.data_len;
	m.nb_segs = 1;
	rte_mbuf_refcnt_set(&m, 1);
	port.idx = 5;
	port.is_mac_checked = claim & 1;
	port.takes_partial_cksum = claim & 2;
	if (claim & 4)
		m.ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_GOOD;
	if (claim & 8)
		m.ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_BAD;
	if (claim & 16)
		m.ol_flags |= RTE_MBUF_F_RX_IP_CKSUM_GOOD;
	why = parse_frame(&port, &m, &pkt, &key);
	CHECK(why == TW_DP_CTR_N || why == TW_DP_CTR_EXCEPTION ||
		tw_dp_ctr_desc(why)->kind == TW_DP_KIND_DROP);
	check_plain(&port, &m, why, &pkt, &key);
	if (why == TW_DP_CTR_N) {
		check_packet(&pkt, &key, &port, size);
		check_cksum(&port, &pkt, claim & 32 ? &tw_tst_auth : &tw_tst_open);
	}
	free(frame);
	return 0;
}
