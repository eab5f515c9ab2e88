/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The kernel behind an owned port: what is no test packet reaches it through the tap, and what it
 * sends leaves through the port. Each test has a network namespace of its own.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_arp.h>
#include <rte_cycles.h>
#include <rte_ether.h>
#include <rte_icmp.h>
#include <rte_ip.h>

#include "bed.h"

static struct bed *
owned_bed(uint32_t ring_cnt)
{
	struct bed *b = bed_new(&(struct bed_cfg){.is_owned = true, .ring_cnt = ring_cnt});

	cr_assert_str_eq(b->port[0]->ifname, "dtap0");
	cr_assert_neq(b->port[0]->ifindex, 0);
	cr_assert_eq(system("ip addr add 192.0.2.1/24 dev dtap0 &&"
			    "ip neigh add 192.0.2.7 lladdr 02:00:00:00:00:07 dev dtap0"),
		0);
	return b;
}

/* A frame to the port's address. */
static struct rte_mbuf *
icmp_request(struct bed *b)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(b->pool);
	struct rte_ether_hdr eth = {
		.src_addr = {{2, 0, 0, 0, 0, 7}}, .ether_type = RTE_BE16(RTE_ETHER_TYPE_IPV4)};
	struct rte_ipv4_hdr ip = {.version_ihl = RTE_IPV4_VHL_DEF,
		.total_length = RTE_BE16(28),
		.time_to_live = 64,
		.next_proto_id = IPPROTO_ICMP,
		.src_addr = RTE_BE32(RTE_IPV4(192, 0, 2, 7)),
		.dst_addr = RTE_BE32(RTE_IPV4(192, 0, 2, 1))};
	struct rte_icmp_hdr icmp = {.icmp_type = RTE_IP_ICMP_ECHO_REQUEST};
	uint8_t *p;

	cr_assert_not_null(m);
	p = (uint8_t *)rte_pktmbuf_append(m, sizeof(eth) + sizeof(ip) + sizeof(icmp));
	memcpy(&eth.dst_addr, b->port[0]->mac, 6);
	ip.hdr_checksum = rte_ipv4_cksum(&ip);
	icmp.icmp_cksum = (uint16_t)~rte_raw_cksum(&icmp, sizeof(icmp));
	memcpy(p, &eth, sizeof(eth));
	memcpy(p + sizeof(eth), &ip, sizeof(ip));
	memcpy(p + sizeof(eth) + sizeof(ip), &icmp, sizeof(icmp));
	return m;
}

/* Turns until a frame of this protocol leaves, at most 3 s. */
static struct rte_mbuf *
wait_for(struct bed *b, uint8_t proto)
{
	const uint64_t end_tsc = rte_rdtsc() + 3 * rte_get_tsc_hz();

	while (rte_rdtsc() < end_tsc) {
		struct rte_mbuf *m;

		bed_turns(b, 1);
		tw_port_exception_poll(b->port[0]);
		m = bed_take(b, 0, 0);
		if (m == NULL)
			continue;
		if (m->data_len >= 34 && rte_pktmbuf_mtod(m, uint8_t *)[23] == proto)
			return m;
		rte_pktmbuf_free(m);
	}
	return NULL;
}

Test(exception, reaches_the_kernel_and_its_answers_leave)
{
	struct bed *b = owned_bed(0);
	struct tw_port_stats st;
	struct rte_mbuf *m;

	bed_put(b, icmp_request(b));
	m = wait_for(b, IPPROTO_ICMP);
	cr_assert_not_null(m, "no echo reply");
	cr_assert_eq(rte_pktmbuf_mtod(m, uint8_t *)[34], RTE_IP_ICMP_ECHO_REPLY);
	cr_assert_arr_eq(rte_pktmbuf_mtod(m, uint8_t *), ((uint8_t[]){2, 0, 0, 0, 0, 7}), 6);
	cr_assert_arr_eq(rte_pktmbuf_mtod(m, uint8_t *) + 6, b->port[0]->mac, 6);
	rte_pktmbuf_free(m);
	tw_port_stats_get(b->port[0], &st);
	cr_assert_geq(st.exc_to_kernel, 1);
	cr_assert_geq(st.exc_from_kernel, 1);
	cr_assert_geq(bed_ctr(b, TW_DP_CTR_EXCEPTION), 1);
	cr_assert_geq(bed_ctr(b, TW_DP_CTR_EXC_SENT), 1);
	bed_free(b);
}

Test(exception, is_limited_and_what_is_over_is_counted)
{
	struct bed *b = owned_bed(4000);

	/* a limit of 100,000/s lets 1,000 pass in its first 10 ms */
	for (unsigned i = 0; i < 1100; i++)
		bed_put(b, icmp_request(b));
	bed_turns(b, 40);
	cr_assert_gt(bed_ctr(b, TW_DP_CTR_EXCEPTION), 100);
	cr_assert_gt(bed_ctr(b, TW_DP_CTR_EXC_FULL) + bed_ctr(b, TW_DP_CTR_EXC_LIMITED), 0);
	cr_assert_eq(bed_ctr(b, TW_DP_CTR_EXCEPTION) + bed_ctr(b, TW_DP_CTR_EXC_FULL) +
			     bed_ctr(b, TW_DP_CTR_EXC_LIMITED),
		1100);
	while (tw_port_exception_poll(b->port[0]) > 0)
		;
	bed_free(b);
}

Test(exception, leaves_live_sessions_to_the_data_plane)
{
	struct bed *b = owned_bed(0);
	struct flow f = flow_make(FRAME_V4, 1);
	struct tw_refl_sess *s;
	struct rte_mbuf *m;

	memcpy(f.us_mac, b->port[0]->mac, 6);
	s = bed_refl(b, &f, &tw_tst_open, 1);
	bed_put(b, bed_request(b, &f, s, 0, 41));
	bed_turns(b, 1);
	m = bed_take(b, 0, 0);
	cr_assert_not_null(m);
	cr_assert_eq(frame_check(m, &f, 46 << 2), 41);
	rte_pktmbuf_free(m);
	cr_assert_eq(bed_ctr(b, TW_DP_CTR_EXCEPTION), 0);
	f.peer_port++;
	bed_put(b, bed_request(b, &f, s, 0, 41));
	bed_turns(b, 1);
	cr_assert_eq(bed_ctr(b, TW_DP_CTR_EXCEPTION), 1);
	while (tw_port_exception_poll(b->port[0]) > 0)
		;
	bed_free(b);
}
