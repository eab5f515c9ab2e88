/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Frames that are cut, wrong or not for us: each has one fate and one counter, and only whole,
 * right test packets are answered.
 */
#include <criterion/criterion.h>

#include <rte_ether.h>
#include <rte_ip.h>
#include <rte_udp.h>

#include "bed.h"

/* A frame of a live session whose bytes @p at..@p at+1 become @p v, checksums as they were. */
static void
put_changed(
	struct bed *b, const struct flow *f, const struct tw_refl_sess *s, unsigned at, uint16_t v)
{
	struct rte_mbuf *m = bed_request(b, f, s, 0, 60);

	tw_store_be16(rte_pktmbuf_mtod(m, uint8_t *) + at, v);
	bed_put(b, m);
}

Test(parse, answers_no_frame_that_is_cut)
{
	struct bed *b = bed_new(&(struct bed_cfg){0});

	for (unsigned e = 0; e < FRAME_ENCAPS; e++) {
		const struct flow f = flow_make(e, e);
		struct tw_refl_sess *s = bed_refl(b, &f, &tw_tst_open, e);
		const unsigned whole = flow_hdr_len(&f) + 60;

		for (unsigned len = 0; len < whole; len++) {
			struct rte_mbuf *m = bed_request(b, &f, s, 0, 60);

			rte_pktmbuf_trim(m, (uint16_t)(whole - len));
			bed_put(b, m);
			bed_turns(b, 1);
			cr_assert_null(bed_take(b, 0, 0), "encap %u, %u octets", e, len);
		}
		cr_assert_eq(tw_ctr_get(&s->reflected), 0);
	}
	/* Ethernet or a tag cut; the rest of each sort of header; the payload */
	cr_assert_eq(bed_ctr(b, TW_DP_CTR_SHORT_ETHER), 6 * 14 + 2 * 4 + 2 * 8);
	cr_assert_eq(bed_ctr(b, TW_DP_CTR_SHORT_IP), 3 * 20 + 3 * 40);
	cr_assert_eq(bed_ctr(b, TW_DP_CTR_BAD_IP_LEN), 6 * 68);
	bed_free(b);
}

Test(parse, drops_wrong_lengths_and_versions)
{
	struct bed *b = bed_new(&(struct bed_cfg){0});
	const struct flow v4 = flow_make(FRAME_V4, 1), v6 = flow_make(FRAME_V6, 2);
	struct tw_refl_sess *s4 = bed_refl(b, &v4, &tw_tst_open, 1);
	struct tw_refl_sess *s6 = bed_refl(b, &v6, &tw_tst_open, 2);

	put_changed(b, &v4, s4, 14, 0x5500);      /* version 5 */
	put_changed(b, &v4, s4, 14, 0x4400);      /* header of 16 */
	put_changed(b, &v6, s6, 14, 0x5000);      /* version 5 */
	put_changed(b, &v4, s4, 16, 19);          /* total below the header */
	put_changed(b, &v4, s4, 16, 20 + 8 + 61); /* total beyond the frame */
	put_changed(b, &v6, s6, 18, 8 + 61);      /* payload beyond the frame */
	put_changed(b, &v4, s4, 16, 27);          /* UDP header cut by the IP length */
	put_changed(b, &v6, s6, 18, 7);
	put_changed(b, &v4, s4, 38, 7);      /* UDP length below its header */
	put_changed(b, &v4, s4, 38, 8 + 61); /* beyond the packet */
	put_changed(b, &v6, s6, 58, 0);      /* a jumbogram's */
	bed_turns(b, 1);
	cr_assert_eq(bed_ctr(b, TW_DP_CTR_BAD_IP_HEADER), 3);
	cr_assert_eq(bed_ctr(b, TW_DP_CTR_BAD_IP_LEN), 3);
	cr_assert_eq(bed_ctr(b, TW_DP_CTR_SHORT_UDP), 2);
	cr_assert_eq(bed_ctr(b, TW_DP_CTR_BAD_UDP_LEN), 3);
	cr_assert_eq(bed_ctr(b, TW_DP_CTR_REFLECTED), 0);
	bed_free(b);
}

Test(parse, leaves_to_the_kernel_what_no_test_packet_is)
{
	struct bed *b = bed_new(&(struct bed_cfg){0});
	const struct flow v4 = flow_make(FRAME_V4, 1), v6 = flow_make(FRAME_V6, 2);
	const struct flow q = flow_make(FRAME_QINQ, 3);
	struct tw_refl_sess *s4 = bed_refl(b, &v4, &tw_tst_open, 1);
	struct tw_refl_sess *s6 = bed_refl(b, &v6, &tw_tst_open, 2);
	struct tw_refl_sess *sq = bed_refl(b, &q, &tw_tst_open, 3);

	put_changed(b, &v4, s4, 12, RTE_ETHER_TYPE_ARP);
	put_changed(b, &v4, s4, 12, 46);     /* LLC */
	put_changed(b, &v4, s4, 14, 0x4600); /* options */
	put_changed(b, &v4, s4, 20, 0x2000); /* first fragment */
	put_changed(b, &v4, s4, 20, 0x0001); /* later fragment */
	put_changed(b, &v4, s4, 22, 61 << 8 | IPPROTO_TCP);
	put_changed(b, &v6, s6, 20, IPPROTO_FRAGMENT << 8 | 61);
	put_changed(b, &v6, s6, 20, IPPROTO_HOPOPTS << 8 | 61);
	put_changed(b, &q, sq, 20, RTE_ETHER_TYPE_VLAN); /* a third tag */
	put_changed(b, &v4, s4, 0, 0x0100);              /* multicast */
	put_changed(b, &v4, s4, 36, 863);                /* another port */
	bed_turns(b, 1);
	cr_assert_eq(bed_ctr(b, TW_DP_CTR_IGNORED), 11, "%lu", bed_ctr(b, TW_DP_CTR_IGNORED));
	bed_free(b);
}

/* Padding of short Ethernet frames and junk behind the packet belong to nobody. */
Test(parse, takes_lengths_from_the_headers)
{
	struct bed *b = bed_new(&(struct bed_cfg){0});
	const struct flow f = flow_make(FRAME_V4, 1);
	struct tw_refl_sess *s = bed_refl(b, &f, &tw_tst_open, 1);
	struct rte_mbuf *m = bed_request(b, &f, s, 0, 50);

	memset(rte_pktmbuf_append(m, 37), 0xee, 37);
	bed_put(b, m);
	bed_turns(b, 1);
	m = bed_take(b, 0, 0);
	cr_assert_not_null(m);
	cr_assert_eq(frame_check(m, &f, 46 << 2), 50);
	rte_pktmbuf_free(m);
	bed_free(b);
}

Test(parse, checks_the_address_where_others_may_arrive)
{
	struct bed *b = bed_new(&(struct bed_cfg){0});
	const struct flow f = flow_make(FRAME_V4, 1);
	struct tw_refl_sess *s = bed_refl(b, &f, &tw_tst_open, 1);

	b->port[0]->is_mac_checked = true;
	bed_put(b, bed_request(b, &f, s, 0, 50));
	put_changed(b, &f, s, 4, 0x0009);
	bed_turns(b, 1);
	cr_assert_eq(bed_ctr(b, TW_DP_CTR_REFLECTED), 1);
	cr_assert_eq(bed_ctr(b, TW_DP_CTR_IGNORED), 1);
	bed_free(b);
}

Test(parse, joins_segments_that_fit_and_drops_others)
{
	struct bed *b = bed_new(&(struct bed_cfg){0});
	const struct flow f = flow_make(FRAME_V4, 1);
	struct tw_refl_sess *s = bed_refl(b, &f, &tw_tst_open, 1);

	for (unsigned len = 100; len <= 1400; len += 1300) {
		struct rte_mbuf *m = bed_request(b, &f, s, len, len), *tail;
		const uint16_t cut = (uint16_t)(len == 100 ? 40 : 1380);

		tail = rte_pktmbuf_alloc(b->pool);
		cr_assert_not_null(tail);
		memcpy(rte_pktmbuf_append(tail, cut),
			rte_pktmbuf_mtod_offset(m, uint8_t *, m->data_len - cut), cut);
		rte_pktmbuf_trim(m, cut);
		if (len > 100) /* the head holds no more */
			m->data_off = (uint16_t)(m->buf_len - m->data_len);
		if (len > 100)
			memmove(rte_pktmbuf_mtod(m, void *),
				(uint8_t *)m->buf_addr + RTE_PKTMBUF_HEADROOM, m->data_len);
		cr_assert_eq(rte_pktmbuf_chain(m, tail), 0);
		bed_put(b, m);
	}
	bed_turns(b, 1);
	cr_assert_eq(bed_ctr(b, TW_DP_CTR_REFLECTED), 1);
	cr_assert_eq(bed_ctr(b, TW_DP_CTR_SEGMENTED), 1);
	bed_free(b);
}

/* Whatever arrives: no crash, no answer that is no packet, no frame without a fate. */
Test(parse, survives_mutated_frames)
{
	struct bed *b = bed_new(&(struct bed_cfg){.ring_cnt = 1000});
	struct tw_refl_sess *s[FRAME_ENCAPS];
	struct flow f[FRAME_ENCAPS];
	uint64_t rnd = 42;

	for (unsigned e = 0; e < FRAME_ENCAPS; e++) {
		f[e] = flow_make(e, e);
		s[e] = bed_refl(b, &f[e], check_fmts[e % CHECK_FMTS], e);
	}
	for (unsigned n = 0; n < 20000; n++) {
		const unsigned e = (unsigned)(check_rand(&rnd) % FRAME_ENCAPS);
		struct rte_mbuf *m = bed_request(b, &f[e], s[e], n, 48 + n % 100);
		uint8_t *p = rte_pktmbuf_mtod(m, uint8_t *);

		for (unsigned k = (unsigned)(check_rand(&rnd) % 4); k > 0; k--)
			p[check_rand(&rnd) % (k & 1 ? 60 : m->data_len)] =
				(uint8_t)check_rand(&rnd);
		if (check_rand(&rnd) % 4 == 0)
			rte_pktmbuf_trim(m, (uint16_t)(check_rand(&rnd) % m->data_len));
		bed_put(b, m);
		if (n % 16 == 0)
			bed_turns(b, 1);
		while ((m = bed_take(b, 0, 0)) != NULL)
			rte_pktmbuf_free(m);
	}
	bed_turns(b, 10);
	bed_check_sums(b);
	cr_assert_gt(bed_ctr(b, TW_DP_CTR_REFLECTED), 1000);
	bed_free(b);
}
