/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Routes and neighbours in use.
 */
#include <stdio.h>

#include "app.h"
#include "netlink.h"
#include "ops.h"
#include "ports.h"

static void
put_path(struct tw_app *app, struct tw_out *out, const struct tw_netlink_path *p)
{
	const struct tw_ports_entry *e = tw_ports_get(app->ports, p->port_idx);
	char vlans[32] = "";
	unsigned i;
	int len = 0;

	for (i = 0; i < p->vlan_cnt; i++)
		len += snprintf(vlans + len, sizeof(vlans) - (size_t)len, "%s%u", i > 0 ? "." : "",
			p->vid[i]);
	tw_out_str(out, "via_port", e != NULL ? e->port->cfg.name : NULL);
	tw_out_str(out, "interface", p->ifname);
	tw_out_str(out, "vlans", p->vlan_cnt > 0 ? vlans : NULL);
	tw_out_addr(out, "source", &p->src);
	tw_out_u64(out, "mtu", p->mtu, "octets");
}

static void
put_dest(struct tw_app *app, struct tw_out *out, const struct tw_netlink_info *d)
{
	const uint8_t *mac = d->path.next_hop;

	tw_out_obj(out, NULL);
	tw_out_addr(out, "host", &d->dst);
	tw_out_str(out, "state", d->is_stale ? "lost" : d->is_resolved ? "resolved" : "resolving");
	tw_out_addr(out, "next_hop", &d->next_hop);
	tw_out_strf(out, "next_hop_mac", "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2],
		mac[3], mac[4], mac[5]);
	put_path(app, out, &d->path);
	tw_out_u64(out, "tests", d->watch_cnt, NULL);
	tw_out_str(out, "why", d->why[0] != '\0' ? d->why : NULL);
	tw_out_obj_end(out);
}

static int
op_show(struct tw_app *app, const struct tw_args *args, struct tw_out *out)
{
	uint64_t at = tw_args_u64(args, "cursor"), end = at + tw_args_u64(args, "limit");
	struct tw_netlink_info d;
	bool is_more = false;

	tw_out_arr(out, "routes");
	for (; (is_more = tw_netlink_at(app->netlink, (unsigned)at, &d)) && at < end; at++)
		put_dest(app, out, &d);
	tw_out_arr_end(out);
	if (is_more)
		tw_out_u64(out, "next", at, NULL);
	else
		tw_out_null(out, "next");
	return 0;
}

static int
op_find(struct tw_app *app, const struct tw_args *args, struct tw_out *out)
{
	struct tw_addr host = tw_args_addr(args, "host");
	struct tw_addr source = tw_args_addr(args, "source");
	char why[TW_NETLINK_WHY_SIZE];
	struct tw_netlink_path path;
	int ret;

	ret = tw_netlink_scope(app->netlink, &host, &source, &path, why);
	if (ret != 0)
		return tw_out_fail(
			out, ret == -ENETUNREACH ? -EHOSTUNREACH : ret, "host", NULL, "%s", why);
	tw_out_addr(out, "host", &host);
	put_path(app, out, &path);
	return 0;
}

#define TW_FEATURE     route
#define TW_FEATURE_DEF "route/route.def"
#include "../feature.h"
