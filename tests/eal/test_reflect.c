/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * A reflecting data plane on a port of rings: every mode, address family and tagging, every size,
 * checksums, and a device that refuses.
 */
#include <criterion/criterion.h>

#include <rte_udp.h>

#include "bed.h"

#define TOS (46 << 2)

/* The one reply in the ring answers the request as the standard asks. */
static void
check_one(struct bed *b, const struct flow *f, const struct tw_refl_sess *s, uint32_t sender_seq,
	uint32_t seq, unsigned rx_len)
{
	struct rte_mbuf *m = bed_take(b, f->scope.port_idx, 0);
	struct tw_tst_rep rep;
	unsigned len;

	cr_assert_not_null(m);
	len = frame_check(m, f, TOS);
	cr_assert_eq(len, tw_tst_reply_len(s->s.fmt, rx_len));
	cr_assert(check_open_rep(b->ref, s->s.fmt, &s->tkey, frame_payload(m, f), len, &rep));
	cr_assert_eq(rep.seq, seq);
	cr_assert_eq(rep.sender_seq, sender_seq);
	cr_assert_eq(rep.sender_t1, 0xec00002040000000ULL + sender_seq);
	cr_assert_eq(rep.sender_ee, 0x8505);
	cr_assert_eq(rep.sender_ttl, f->ttl);
	cr_assert_gt(tw_clock_ntp_sub_ns(rep.t3, rep.t2), 0);
	cr_assert_lt(tw_clock_ntp_sub_ns(rep.t3, rep.t2), 1000000000);
	cr_assert_lt(
		llabs(tw_ns_sub(tw_clock_ntp_to_ns(rep.t2, bed_now(b)), bed_now(b))), 1000000000);
	cr_assert(rep.ee & TW_CLOCK_EE_S);
	cr_assert_neq(rep.ee & 0xff, 0);
	rte_pktmbuf_free(m);
}

Test(reflect, answers_in_every_mode_family_and_tagging)
{
	struct bed *b = bed_new(&(struct bed_cfg){0});
	uint32_t id = 0;

	for (unsigned e = 0; e < FRAME_ENCAPS; e++) {
		for (unsigned i = 0; i < CHECK_FMTS; i++) {
			const struct flow f = flow_make(e, ++id);
			struct tw_refl_sess *s = bed_refl(b, &f, check_fmts[i], id);
			unsigned n = 0;

			for (unsigned len = check_fmts[i]->req_min; len <= 600; len += 37) {
				bed_put(b, bed_request(b, &f, s, len, len));
				bed_turns(b, 1);
				check_one(b, &f, s, len, n++, len);
			}
			cr_assert_eq(tw_ctr_get(&s->reflected), n);
		}
	}
	bed_free(b);
}

/* The frame begins so many octets into its buffer. */
static void
set_headroom(struct rte_mbuf *m, unsigned octets)
{
	memmove((uint8_t *)m->buf_addr + octets, rte_pktmbuf_mtod(m, uint8_t *), m->data_len);
	m->data_off = (uint16_t)octets;
}

/* Headers that move forward into the headroom, and padding that has to move where there is none. */
Test(reflect, keeps_padding_with_headroom_and_without)
{
	static const unsigned lens[] = {113, 255, 256, 320, 321, 700, 1398, 1399};
	struct bed *b = bed_new(&(struct bed_cfg){0});

	for (unsigned k = 0; k < FRAME_ENCAPS * CHECK_FMTS; k++) {
		const struct tw_tst_fmt *fmt = check_fmts[k / FRAME_ENCAPS];
		const unsigned more = (unsigned)(fmt->rep_min - fmt->req_min);
		const unsigned rooms[] = {RTE_PKTMBUF_HEADROOM, more, more - 1, 0};
		const struct flow f = flow_make(k % FRAME_ENCAPS, k);
		struct tw_refl_sess *s = bed_refl(b, &f, fmt, k);

		for (unsigned n = 0; n < TW_ARRAY_SIZE(lens) * TW_ARRAY_SIZE(rooms); n++) {
			const unsigned len = lens[n / TW_ARRAY_SIZE(rooms)];
			struct rte_mbuf *m = bed_request(b, &f, s, n, len);

			for (unsigned i = fmt->req_min; i < len; i++)
				frame_payload(m, &f)[i] = (uint8_t)(i * 7 + n);
			frame_cksum(m, &f);
			set_headroom(m, rooms[n % TW_ARRAY_SIZE(rooms)]);
			bed_put(b, m);
			bed_turns(b, 1);
			/* the buffer is the one it came in */
			for (unsigned i = fmt->rep_min; i < len; i++)
				cr_assert_eq(frame_payload(m, &f)[i], (uint8_t)((i - more) * 7 + n),
					"octet %u of %u", i, len);
			check_one(b, &f, s, n, n, len);
		}
	}
	bed_free(b);
}

Test(reflect, answers_bursts_of_mixed_sessions_in_order)
{
	struct bed *b = bed_new(&(struct bed_cfg){0});
	struct tw_refl_sess *s[FRAME_ENCAPS * CHECK_FMTS];
	struct flow f[FRAME_ENCAPS * CHECK_FMTS];
	const unsigned cnt = TW_ARRAY_SIZE(s);

	for (unsigned i = 0; i < cnt; i++) {
		f[i] = flow_make(i % FRAME_ENCAPS, i);
		s[i] = bed_refl(b, &f[i], check_fmts[i / FRAME_ENCAPS], i);
	}
	for (unsigned n = 0; n < 100; n++)
		bed_put(b, bed_request(b, &f[n % cnt], s[n % cnt], n, 120));
	bed_turns(b, 4);
	for (unsigned n = 0; n < 100; n++)
		check_one(b, &f[n % cnt], s[n % cnt], n, n / cnt, 120);
	cr_assert_eq(bed_ctr(b, TW_DP_CTR_REFLECTED), 100);
	bed_free(b);
}

Test(reflect, answers_up_to_a_jumbo_mtu_and_not_beyond)
{
	struct bed *b = bed_new(&(struct bed_cfg){.mtu = 9000});
	const struct flow f = flow_make(FRAME_QINQ, 1);
	struct tw_refl_sess *s = bed_refl(b, &f, &tw_tst_encr, 1);
	const unsigned most = 9000 - 28;

	bed_put(b, bed_request(b, &f, s, 0, most));
	bed_turns(b, 1);
	check_one(b, &f, s, 0, 0, most);
	bed_put(b, bed_request(b, &f, s, 1, most + 1));
	bed_turns(b, 1);
	cr_assert_null(bed_take(b, 0, 0));
	cr_assert_eq(bed_ctr(b, TW_DP_CTR_NO_ROOM), 1);
	bed_free(b);
}

Test(reflect, verifies_checksums_of_both_headers)
{
	struct bed *b = bed_new(&(struct bed_cfg){0});

	for (unsigned e = 0; e < FRAME_ENCAPS; e++) {
		const struct flow f = flow_make(e, e);
		struct tw_refl_sess *s = bed_refl(b, &f, &tw_tst_open, e);
		struct rte_mbuf *m = bed_request(b, &f, s, 1, 100);

		frame_payload(m, &f)[50] ^= 1;
		bed_put(b, m);
		if (!f.is_v6) {
			m = bed_request(b, &f, s, 2, 100);
			frame_ip(m, &f)[8] ^= 1; /* TTL */
			bed_put(b, m);
		}
		bed_turns(b, 1);
		cr_assert_null(bed_take(b, 0, 0));
	}
	cr_assert_eq(bed_ctr(b, TW_DP_CTR_BAD_UDP_CKSUM), FRAME_ENCAPS);
	cr_assert_eq(bed_ctr(b, TW_DP_CTR_BAD_IP_CKSUM), FRAME_ENCAPS / 2);
	bed_free(b);
}

Test(reflect, takes_a_zero_checksum_over_ipv4_only)
{
	struct bed *b = bed_new(&(struct bed_cfg){0});

	for (unsigned e = 0; e < 2; e++) {
		const struct flow f = flow_make(e, e);
		struct tw_refl_sess *s = bed_refl(b, &f, &tw_tst_open, e);
		struct rte_mbuf *m = bed_request(b, &f, s, 7, 41);

		((struct rte_udp_hdr *)frame_udp(m, &f))->dgram_cksum = 0;
		bed_put(b, m);
		bed_turns(b, 1);
		if (e == FRAME_V4)
			check_one(b, &f, s, 7, 0, 41);
		cr_assert_null(bed_take(b, 0, 0));
	}
	cr_assert_eq(bed_ctr(b, TW_DP_CTR_ZERO_CKSUM), 1);
	cr_assert_eq(bed_ctr(b, TW_DP_CTR_NO_UDP_CKSUM), 1);
	bed_free(b);
}

/* What a local sender leaves in the field: the pseudo header's sum, not complemented. */
static struct rte_mbuf *
partial_request(struct bed *b, const struct flow *f, const struct tw_refl_sess *s, uint32_t seq)
{
	struct rte_mbuf *m = bed_request(b, f, s, seq, 200);
	struct rte_udp_hdr *udp = (struct rte_udp_hdr *)frame_udp(m, f);

	udp->dgram_cksum = f->is_v6 ? rte_ipv6_phdr_cksum((void *)frame_ip(m, f), 0)
				    : rte_ipv4_phdr_cksum((void *)frame_ip(m, f), 0);
	return m;
}

Test(reflect, takes_partial_checksums_where_peers_are_local)
{
	struct bed *b = bed_new(&(struct bed_cfg){.takes_partial = true});

	for (unsigned e = 0; e < 2; e++) {
		const struct flow f = flow_make(e, e);
		struct tw_refl_sess *s = bed_refl(b, &f, &tw_tst_auth, e);
		struct rte_mbuf *m = partial_request(b, &f, s, 3);

		bed_put(b, m);
		bed_turns(b, 1);
		check_one(b, &f, s, 3, 0, 200);
		m = bed_request(b, &f, s, 4, 200);
		frame_payload(m, &f)[150] ^= 4;
		bed_put(b, m);
		bed_turns(b, 1);
		cr_assert_null(bed_take(b, 0, 0));
	}
	cr_assert_eq(bed_ctr(b, TW_DP_CTR_PARTIAL_CKSUM), 2);
	cr_assert_eq(bed_ctr(b, TW_DP_CTR_BAD_UDP_CKSUM), 2);
	bed_free(b);
}

Test(reflect, drops_partial_checksums_elsewhere)
{
	struct bed *b = bed_new(&(struct bed_cfg){0});
	const struct flow f = flow_make(FRAME_V4, 0);
	struct tw_refl_sess *s = bed_refl(b, &f, &tw_tst_open, 0);

	bed_put(b, partial_request(b, &f, s, 0));
	bed_turns(b, 1);
	cr_assert_null(bed_take(b, 0, 0));
	cr_assert_eq(bed_ctr(b, TW_DP_CTR_BAD_UDP_CKSUM), 1);
	bed_free(b);
}

/* A device may say "bad" of a right checksum (zero on an 82599) or "good". */
Test(reflect, looks_again_where_a_device_says_bad_and_trusts_good)
{
	struct bed *b = bed_new(&(struct bed_cfg){0});
	const struct flow f = flow_make(FRAME_V4, 0);
	struct tw_refl_sess *s = bed_refl(b, &f, &tw_tst_open, 0);
	struct rte_mbuf *m = bed_request(b, &f, s, 0, 64);

	m->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_BAD | RTE_MBUF_F_RX_IP_CKSUM_BAD;
	bed_put(b, m);
	bed_turns(b, 1);
	check_one(b, &f, s, 0, 0, 64);
	m = bed_request(b, &f, s, 1, 64);
	frame_udp(m, &f)[6] ^= 1;
	m->ol_flags |= RTE_MBUF_F_RX_L4_CKSUM_GOOD | RTE_MBUF_F_RX_IP_CKSUM_GOOD;
	bed_put(b, m);
	bed_turns(b, 1);
	check_one(b, &f, s, 1, 1, 64);
	bed_free(b);
}

Test(reflect, puts_back_a_tag_the_device_took_off)
{
	struct bed *b = bed_new(&(struct bed_cfg){0});
	const struct flow f = flow_make(FRAME_VLAN, 0);
	struct flow bare = f;
	struct tw_refl_sess *s = bed_refl(b, &f, &tw_tst_auth, 0);
	struct rte_mbuf *m;

	bare.scope.vlan_cnt = 0;
	m = bed_request(b, &bare, s, 9, 112);
	m->vlan_tci = (uint16_t)(3 << 13 | f.scope.vid[0]);
	m->ol_flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
	bed_put(b, m);
	bed_turns(b, 1);
	check_one(b, &f, s, 9, 0, 112);
	bed_free(b);
}

/* net_af_packet puts every tag back as one of 802.1Q */
Test(reflect, gives_the_outer_tag_of_the_session_its_kind)
{
	struct bed *b = bed_new(&(struct bed_cfg){0});
	const struct flow f = flow_make(FRAME_QINQ, 0);
	struct flow inner = f;
	struct tw_refl_sess *s = bed_refl(b, &f, &tw_tst_auth, 0);
	struct rte_mbuf *m;

	s->outer_tpid = RTE_ETHER_TYPE_QINQ;
	inner.scope.vlan_cnt = 1;
	inner.scope.vid[0] = f.scope.vid[1];
	m = bed_request(b, &inner, s, 9, 112);
	m->vlan_tci = (uint16_t)(3 << 13 | f.scope.vid[0]);
	m->ol_flags |= RTE_MBUF_F_RX_VLAN | RTE_MBUF_F_RX_VLAN_STRIPPED;
	bed_put(b, m);
	bed_turns(b, 1);
	check_one(b, &f, s, 9, 0, 112);
	bed_free(b);
}

Test(reflect, takes_numbers_back_when_the_device_is_full)
{
	struct bed *b = bed_new(&(struct bed_cfg){.ring_cnt = 7});
	const struct flow f = flow_make(FRAME_V6, 0);
	struct tw_refl_sess *s = bed_refl(b, &f, &tw_tst_auth, 0);
	uint32_t seq = 0, sent = 0;

	for (unsigned round = 0; round < 3; round++) {
		/* two bursts of 7 into a ring of 7 */
		for (unsigned k = 0; k < 2; k++) {
			for (unsigned i = 0; i < 7; i++)
				bed_put(b, bed_request(b, &f, s, sent++, 150));
			bed_turns(b, 1);
		}
		for (unsigned i = 0; i < 7; i++)
			check_one(b, &f, s, round * 14 + i, seq++, 150);
		cr_assert_null(bed_take(b, 0, 0));
	}
	cr_assert_eq(bed_ctr(b, TW_DP_CTR_REPLY_TX_FULL), 21);
	cr_assert_eq(bed_ctr(b, TW_DP_CTR_REFLECTED), 21);
	bed_free(b);
}

Test(reflect, names_why_it_does_not_answer)
{
	struct bed *b = bed_new(&(struct bed_cfg){0});
	const struct flow f = flow_make(FRAME_V4, 0);
	struct tw_refl_sess *s = bed_refl(b, &f, &tw_tst_auth, 0);
	struct rte_mbuf *m = bed_request(b, &f, s, 0, 48);

	frame_payload(m, &f)[40] ^= 1; /* HMAC */
	frame_cksum(m, &f);
	bed_put(b, m);
	bed_put(b, frame_make(b->pool, &f, "short", 5));
	m = bed_request(b, &f, s, 0, 48);
	frame_payload(m, &f)[25] = 0; /* Multiplier */
	frame_cksum(m, &f);
	bed_put(b, m);
	bed_turns(b, 1);
	/* a stamp may lie some microseconds before the frame was found */
	tw_refl_sess_drain(s, tw_ns_add(bed_now(b), -10000));
	bed_put(b, bed_request(b, &f, s, 0, 48));
	bed_turns(b, 1);
	cr_assert_null(bed_take(b, 0, 0));
	cr_assert_eq(bed_ctr(b, TW_DP_CTR_BAD_AUTH), 1);
	cr_assert_eq(bed_ctr(b, TW_DP_CTR_TOO_SHORT), 1);
	cr_assert_eq(bed_ctr(b, TW_DP_CTR_BAD_ERROR_EST), 1);
	cr_assert_eq(bed_ctr(b, TW_DP_CTR_NOT_LIVE), 1);
	bed_free(b);
}
