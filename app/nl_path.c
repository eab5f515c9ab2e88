/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/* Route, port and neighbour of a destination, and the words for what is wrong with them. */
#include "nl_path.h"

#include <errno.h>
#include <linux/rtnetlink.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "log.h"

static int
say(int ret, char *why, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, TW_NETLINK_WHY_SIZE, fmt, ap);
	va_end(ap);
	return ret;
}

/* Follow VLAN interfaces down to the interface of a port, collecting their tags. */
static int
port_find(struct tw_nl_path *p, unsigned ifindex, struct tw_netlink_path *path, char *why)
{
	uint16_t vid[TW_NETLINK_VLANS_MAX], tpid[TW_NETLINK_VLANS_MAX];
	struct tw_nl_link link;
	unsigned i, cnt = 0, at = ifindex;
	int port, ret;

	for (;;) {
		ret = tw_nl_query_link(&p->query, at, &link);
		if (ret != 0)
			return say(ret, why, "cannot read interface %u: %s", at, strerror(-ret));
		if (at == ifindex) {
			memcpy(path->ifname, link.name, sizeof(path->ifname));
			if (path->mtu == 0)
				path->mtu = link.mtu;
		}
		port = p->port_of(p->port_arg, at);
		if (port >= 0)
			break;
		if (!link.is_vlan || link.parent == 0 || cnt == TW_NETLINK_VLANS_MAX)
			return say(-ENETUNREACH, why,
				"the route leaves by interface %s, which belongs to no port: add a "
				"port "
				"for it (add port), or route the destination over a port's "
				"interface",
				path->ifname);
		vid[cnt] = link.vid;
		tpid[cnt++] = link.tpid;
		at = link.parent;
	}
	if (!link.is_up)
		return say(-ENETDOWN, why, "interface %s is down: ip link set %s up", link.name,
			link.name);
	path->port_idx = (unsigned)port;
	path->vlan_cnt = cnt;
	for (i = 0; i < cnt; i++) { /* found inner first */
		path->vid[i] = vid[cnt - 1 - i];
		path->tpid[i] = tpid[cnt - 1 - i];
	}
	return 0;
}

static int
route_find(struct tw_nl_path *p, const struct tw_addr *dst, const struct tw_addr *src, unsigned oif,
	struct tw_nl_route *rt, char *why)
{
	char text[TW_ADDR_STR_SIZE], from[TW_ADDR_STR_SIZE];
	int ret;

	tw_addr_str(dst, text);
	ret = tw_nl_query_route(&p->query, dst, src, oif, rt);
	if (ret != 0 && src != NULL && !tw_addr_is_zero(src) && !tw_nl_path_is_local(p, src))
		return say(-EADDRNOTAVAIL, why,
			"%s is no address of this host: give it to a port's interface (ip address "
			"add)",
			tw_addr_str(src, from));
	if (ret != 0)
		return say(ret, why, "no route to %s (%s): see ip route get %s", text,
			strerror(-ret), text);
	switch (rt->type) {
	case RTN_UNICAST:
		return 0;
	case RTN_LOCAL:
		return say(-EHOSTUNREACH, why,
			"%s is an address of this host, whose packets never reach a port: name "
			"one of another host",
			text);
	case RTN_UNREACHABLE:
	case RTN_BLACKHOLE:
	case RTN_PROHIBIT:
		return say(-EHOSTUNREACH, why, "the routing table refuses %s: see ip route get %s",
			text, text);
	default:
		return say(-EHOSTUNREACH, why, "%s is no unicast destination", text);
	}
}

int
tw_nl_path_find(struct tw_nl_path *p, const struct tw_addr *dst, const struct tw_addr *src,
	unsigned oif, struct tw_netlink_path *out, struct tw_addr *hop, char *why)
{
	struct tw_nl_route rt;
	int ret;

	memset(out, 0, sizeof(*out));
	if (p->wired != NULL && p->wired(p->wired_arg, dst, src, out)) {
		if (hop != NULL)
			*hop = *dst;
		return 0;
	}
	ret = route_find(p, dst, src, oif, &rt, why);
	if (ret != 0)
		return ret;
	out->ifindex = rt.ifindex;
	out->mtu = rt.mtu;
	out->src = src != NULL && !tw_addr_is_zero(src) ? *src : rt.src;
	if (hop != NULL)
		*hop = rt.gateway.family != TW_ADDR_NONE ? rt.gateway : *dst;
	return port_find(p, rt.ifindex, out, why);
}

int
tw_nl_path_neigh(
	struct tw_nl_path *p, const struct tw_addr *hop, struct tw_netlink_path *path, char *why)
{
	char text[TW_ADDR_STR_SIZE];
	struct tw_nl_neigh neigh;
	int ret;

	if (path->ifindex == 0)
		return 0; /* wired */

	if (tw_addr_is_zero(&path->src))
		return say(-EADDRNOTAVAIL, why,
			"interface %s has no source address for this destination: ip address add "
			"... dev %s",
			path->ifname, path->ifname);
	ret = tw_nl_query_neigh(&p->query, path->ifindex, hop, &neigh);
	if (ret != 0)
		return say(ret, why, "cannot read the neighbour table: %s", strerror(-ret));
	if (!neigh.is_known || neigh.is_stale) {
		ret = tw_nl_query_probe(&p->query, path->ifindex, hop);
		if (ret != 0)
			tw_log(TW_LOG_ROUTE, TW_LOG_WARNING, "cannot probe neighbour %s on %s: %s",
				tw_addr_str(hop, text), path->ifname, strerror(-ret));
	}
	if (!neigh.is_known)
		return say(-EAGAIN, why,
			"neighbour %s on %s does not answer: is it up, and is the link right?",
			tw_addr_str(hop, text), path->ifname);
	memcpy(path->next_hop, neigh.mac, sizeof(path->next_hop));
	return 0;
}

bool
tw_nl_path_is_local(struct tw_nl_path *p, const struct tw_addr *addr)
{
	struct tw_nl_route rt;

	return tw_nl_query_route(&p->query, addr, NULL, 0, &rt) == 0 && rt.type == RTN_LOCAL;
}
