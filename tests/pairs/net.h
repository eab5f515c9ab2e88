/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * A network between senders and reflectors that does to packets whatever a network and an attacker
 * on the path can do, by a seed: loss in phases and in long gaps, copies, delays, corrupt octets,
 * packets with a valid HMAC over octets that ought to be zero, replays, packets of one direction in
 * the other, random ones.
 */
#ifndef NET_H
#define NET_H

#include "tw_engine.h"
#include "tw_tst.h"

#define NET_T0_NS      1780000000000000000LL
#define NET_PACKET_MAX 128
#define NET_SESSIONS   16
#define NET_QUEUE      256 /* packets on the way, of a direction */
#define NET_PAST       64  /* packets remembered for replays */

enum net_dir { NET_FORTH, NET_BACK, NET_DIRS };

struct net_packet {
	uint8_t octets[NET_PACKET_MAX];
	uint16_t len;
	uint8_t sess;
};

struct net {
	uint64_t rnd;
	struct tw_engine *ref; /* forges what must pass */
	unsigned sess_cnt;
	const struct tw_tst_fmt *fmt[NET_SESSIONS];
	const struct tw_crypto_tkey *key[NET_SESSIONS];
	uint32_t loss;      /* of this phase, in 2^-16 */
	uint64_t phase_end; /* in packets sent */
	uint64_t sent;
	unsigned gap[NET_DIRS]; /* packets still to be lost in a row */
	struct net_packet way[NET_DIRS][NET_QUEUE];
	unsigned way_cnt[NET_DIRS];
	struct net_packet past[NET_PAST];
	unsigned past_cnt;
};

void net_init(struct net *net, uint64_t seed, struct tw_engine *ref, unsigned sess_cnt);
void net_session(struct net *net, unsigned s, const struct tw_tst_fmt *fmt,
	const struct tw_crypto_tkey *key);
uint32_t net_rand(struct net *net);
void net_send(struct net *net, enum net_dir dir, unsigned s, const uint8_t *octets, unsigned len);

/** What arrives now: up to @p max packets. */
unsigned net_arrivals(struct net *net, enum net_dir dir, struct net_packet *p, unsigned max);

#endif /* NET_H */
