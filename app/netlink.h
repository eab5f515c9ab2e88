/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Next hops from the kernel: for a destination the port, the VLAN tags, the source
 * address and the MAC of the next hop, kept fresh while somebody watches it.
 *
 * A destination that several sessions use is asked for once. An unknown neighbour is probed until
 * a deadline. Changes of routes, links, addresses and neighbours are learned by subscription and
 * told to the watchers; a neighbour in use is confirmed every TW_NETLINK_REFRESH_NS, since the
 * kernel does not see our packets.
 *
 * Context: control lcore. Nothing blocks.
 */
#ifndef TW_NETLINK_H
#define TW_NETLINK_H

#include <net/if.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loop.h"
#include "tw_addr.h"

#define TW_NETLINK_REFRESH_NS INT64_C(10000000000)
#define TW_NETLINK_VLANS_MAX  2
#define TW_NETLINK_WHY_SIZE   256

struct tw_netlink;
struct tw_netlink_watch;

/* How packets to a destination travel. */
struct tw_netlink_path {
	unsigned port_idx;
	unsigned vlan_cnt;
	uint16_t vid[TW_NETLINK_VLANS_MAX]; /* outer first */
	uint16_t tpid[TW_NETLINK_VLANS_MAX];
	uint8_t next_hop[6];
	struct tw_addr src; /* address packets should carry */
	unsigned ifindex;   /* interface of the route */
	char ifname[IF_NAMESIZE];
	uint32_t mtu; /* largest IP packet */
};

/** Port whose kernel interface has this index. @return its index, or -ENOENT */
typedef int (*tw_netlink_port_fn)(void *arg, unsigned ifindex);

/**
 * The path is known (first call, res 0), has changed (later calls, res 0), or cannot be found
 * (res < 0 with @p why, only as the first call: remove the watch). Never called from within
 * tw_netlink_watch(). May remove the watch.
 */
typedef void (*tw_netlink_fn)(
	void *arg, int res, const struct tw_netlink_path *path, const char *why);

/** @return NULL with errno set */
struct tw_netlink *tw_netlink_new(struct tw_loop *loop, tw_netlink_port_fn port_of, void *arg);

/** Ask @p wired first (nl_path.h). */
void tw_netlink_wire(struct tw_netlink *n,
	bool (*wired)(void *arg, const struct tw_addr *dst, const struct tw_addr *src,
		struct tw_netlink_path *out),
	void *arg);

/** Watches must be gone. NULL is fine. */
void tw_netlink_free(struct tw_netlink *n);

/**
 * Find the path to @p dst and keep it.
 * @param src      wanted source address, unset: what the kernel prefers
 * @param oif      wanted interface, 0: what the route says
 * @param wait_ns  how long an unknown neighbour may take
 * @return NULL with errno ENOMEM
 */
struct tw_netlink_watch *tw_netlink_watch(struct tw_netlink *n, const struct tw_addr *dst,
	const struct tw_addr *src, unsigned oif, int64_t wait_ns, tw_netlink_fn fn, void *arg);

/** Stop watching; no call follows. NULL is fine. */
void tw_netlink_unwatch(struct tw_netlink *n, struct tw_netlink_watch *w);

/**
 * Where packets of @p peer arrive, taken from the route back: port and VLANs, no neighbour.
 * For reflector sessions.
 * @param why  TW_NETLINK_WHY_SIZE; on failure what and how to mend it
 * @return 0 or -errno
 */
int tw_netlink_scope(struct tw_netlink *n, const struct tw_addr *peer, const struct tw_addr *local,
	struct tw_netlink_path *out, char *why);

/** The address is one of this host. */
bool tw_netlink_is_local(struct tw_netlink *n, const struct tw_addr *addr);

/** The kernel knows interface @p ifindex to be down, or without carrier. */
bool tw_netlink_is_down(struct tw_netlink *n, unsigned ifindex);

/** Ask again about every destination: ports have come or gone. */
void tw_netlink_refresh(struct tw_netlink *n);

/* One destination, for lists. */
struct tw_netlink_info {
	struct tw_addr dst;
	struct tw_netlink_path path; /* if is_resolved */
	struct tw_addr next_hop;     /* address of the neighbour */
	bool is_resolved;
	bool is_stale; /* the last look-up failed: the path is the one before */
	unsigned watch_cnt;
	char why[TW_NETLINK_WHY_SIZE]; /* why not resolved, or stale */
};

/** Destination number @p idx in no order that means anything; false past the end. */
bool tw_netlink_at(const struct tw_netlink *n, unsigned idx, struct tw_netlink_info *out);

#endif /* TW_NETLINK_H */
