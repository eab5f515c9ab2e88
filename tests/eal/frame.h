/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Frames made and taken apart without the code under test: checksums are those of librte_net.
 */
#ifndef FRAME_H
#define FRAME_H

#include <rte_mbuf.h>

#include "tw_dp.h"

enum frame_encap { FRAME_V4 = 0, FRAME_V6 = 1, FRAME_PLAIN = 0, FRAME_VLAN = 2, FRAME_QINQ = 4 };
#define FRAME_ENCAPS 6 /* v4, v6 without, with one, with two tags */

/* One session's addresses. Peer's packets are what we receive. */
struct flow {
	bool is_v6;
	struct tw_dp_scope scope;
	struct tw_addr peer, us;
	uint16_t peer_port, us_port;
	uint8_t peer_mac[6], us_mac[6];
	uint8_t ttl, tos;
};

/** Flow number @p id on port 0: i < FRAME_ENCAPS chooses v4/v6 and the tags. */
struct flow flow_make(unsigned encap, uint32_t id);

/** The same flow seen from the other end, on another port. */
struct flow flow_turn(const struct flow *f, unsigned port_idx);

/** Key of what the peer sends. */
struct tw_sess_key flow_key(const struct flow *f);

/** Octets before the UDP payload. */
unsigned flow_hdr_len(const struct flow *f);

/** A frame from the peer with right lengths and checksums. */
struct rte_mbuf *frame_make(
	struct rte_mempool *pool, const struct flow *f, const void *payload, unsigned len);

/** Where things are in a frame of this flow. */
uint8_t *frame_ip(struct rte_mbuf *m, const struct flow *f);
uint8_t *frame_udp(struct rte_mbuf *m, const struct flow *f);
uint8_t *frame_payload(struct rte_mbuf *m, const struct flow *f);

/** Compute the checksums again, after a change. */
void frame_cksum(struct rte_mbuf *m, const struct flow *f);

/**
 * A frame from us to the peer: addresses, ports, tags, TTL 255, @p tos, Not-ECT, DF, lengths
 * and checksums are right.
 * @return octets of the payload
 */
unsigned frame_check(struct rte_mbuf *m, const struct flow *f, uint8_t tos);

#endif /* FRAME_H */
