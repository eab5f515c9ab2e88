/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Questions to the kernel's routing, neighbour and link tables over rtnetlink, one message each.
 * The kernel answers within the send call, so asking does not wait for anybody.
 *
 * Context: control lcore.
 */
#ifndef TW_NL_QUERY_H
#define TW_NL_QUERY_H

#include <net/if.h>
#include <stdbool.h>
#include <stdint.h>

#include "tw_addr.h"

struct mnl_socket;

struct tw_nl_query {
	struct mnl_socket *nl;
	uint32_t seq;
};

/* Where packets to a destination leave. */
struct tw_nl_route {
	uint8_t type;           /* RTN_UNICAST, RTN_LOCAL ... */
	unsigned ifindex;       /* interface they leave by */
	struct tw_addr gateway; /* next hop; unset: the destination itself is on the link */
	struct tw_addr src;     /* preferred source, unset if the kernel names none */
	uint32_t mtu;           /* of the route, 0: that of the interface */
};

struct tw_nl_neigh {
	bool is_known; /* `mac` may be used */
	bool is_stale; /* known, but to be confirmed */
	uint8_t mac[6];
};

struct tw_nl_link {
	char name[IF_NAMESIZE];
	bool is_up;
	bool has_carrier; /* up, and the other end is there */
	bool is_vlan;
	uint16_t vid; /* VLAN: identifier and protocol of the tag */
	uint16_t tpid;
	unsigned parent; /* VLAN: interface below, 0 if it is in another namespace */
	uint32_t mtu;
};

/** @return 0 or -errno */
int tw_nl_query_init(struct tw_nl_query *q);
void tw_nl_query_fini(struct tw_nl_query *q);

/**
 * Route to @p dst.
 * @param src  wanted source address, or NULL
 * @param oif  wanted interface, or 0
 * @return 0; -ENETUNREACH, -EHOSTUNREACH, -EACCES, -EINVAL as the kernel says
 */
int tw_nl_query_route(struct tw_nl_query *q, const struct tw_addr *dst, const struct tw_addr *src,
	unsigned oif, struct tw_nl_route *out);

/** Entry of the neighbour table. @return 0 (also where there is none: not known) or -errno */
int tw_nl_query_neigh(struct tw_nl_query *q, unsigned ifindex, const struct tw_addr *addr,
	struct tw_nl_neigh *out);

/** Have the kernel resolve or confirm a neighbour (NTF_USE). Needs CAP_NET_ADMIN. */
int tw_nl_query_probe(struct tw_nl_query *q, unsigned ifindex, const struct tw_addr *addr);

/** @return 0 or -errno (-ENODEV) */
int tw_nl_query_link(struct tw_nl_query *q, unsigned ifindex, struct tw_nl_link *out);

#endif /* TW_NL_QUERY_H */
