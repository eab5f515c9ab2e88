/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * One look at the kernel's tables: how packets to a destination travel, or why they cannot, in
 * words an operator can act on. Nothing is kept; netlink.h keeps and refreshes.
 *
 * Context: control lcore.
 */
#ifndef TW_NL_PATH_H
#define TW_NL_PATH_H

#include "netlink.h"
#include "nl_query.h"

/* Whom to ask. */
struct tw_nl_path {
	struct tw_nl_query query;
	tw_netlink_port_fn port_of;
	void *port_arg;
	/** Addresses the kernel knows no way to: those behind a simulated wire. NULL: none. @return
	 *  whether it is one, with the path filled in; its ifindex is 0 */
	bool (*wired)(void *arg, const struct tw_addr *dst, const struct tw_addr *src,
		struct tw_netlink_path *out);
	void *wired_arg;
};

/**
 * Port, VLANs, source and MTU from the route to @p dst.
 * @param src  wanted source address, unset or NULL: what the kernel prefers
 * @param oif  wanted interface, 0: what the route says
 * @param hop  whose MAC is needed, or NULL
 * @param why  TW_NETLINK_WHY_SIZE; on failure what and how to mend it
 * @return 0 or -errno
 */
int tw_nl_path_find(struct tw_nl_path *p, const struct tw_addr *dst, const struct tw_addr *src,
	unsigned oif, struct tw_netlink_path *out, struct tw_addr *hop, char *why);

/** The MAC of @p hop, asked for if unknown or stale. @return 0, -EAGAIN (not yet), -errno */
int tw_nl_path_neigh(
	struct tw_nl_path *p, const struct tw_addr *hop, struct tw_netlink_path *path, char *why);

/** The address is one of this host. */
bool tw_nl_path_is_local(struct tw_nl_path *p, const struct tw_addr *addr);

#endif /* TW_NL_PATH_H */
