/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * What a port says of itself: link and counters.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <rte_ethdev.h>

#include "port_i.h"

void
tw_port_link_get(const struct tw_port *p, struct tw_port_link *out)
{
	struct rte_eth_link link = {0};

	*out = (struct tw_port_link){0};
	if (!p->is_started || rte_eth_link_get_nowait(p->eth_id, &link) != 0)
		return;
	out->is_up = link.link_status == RTE_ETH_LINK_UP;
	if (link.link_speed != RTE_ETH_SPEED_NUM_UNKNOWN)
		out->speed_mbps = link.link_speed;
	out->is_full_duplex = link.link_duplex == RTE_ETH_LINK_FULL_DUPLEX;
}

void
tw_port_stats_get(const struct tw_port *p, struct tw_port_stats *out)
{
	struct rte_eth_stats st = {0};

	*out = (struct tw_port_stats){0};
	if (rte_eth_stats_get(p->eth_id, &st) == 0) {
		out->rx_packets = st.ipackets;
		out->rx_bytes = st.ibytes;
		out->rx_missed = st.imissed;
		out->rx_errors = st.ierrors;
		out->rx_nombuf = st.rx_nombuf;
		out->tx_packets = st.opackets;
		out->tx_bytes = st.obytes;
		out->tx_errors = st.oerrors;
	}
	out->exc_to_kernel = tw_ctr_get(&p->exc.to_kernel);
	out->exc_to_kernel_lost = tw_ctr_get(&p->exc.to_kernel_lost);
	out->exc_from_kernel = tw_ctr_get(&p->exc.from_kernel);
	out->exc_from_kernel_lost = tw_ctr_get(&p->exc.from_kernel_lost);
}

int
tw_port_xstats_each(
	const struct tw_port *p, void (*fn)(void *arg, const char *name, uint64_t value), void *arg)
{
	struct rte_eth_xstat_name *names = NULL;
	struct rte_eth_xstat *values = NULL;
	int n = rte_eth_xstats_get_names(p->eth_id, NULL, 0);
	int res = n;

	if (n <= 0)
		return n;
	names = calloc((size_t)n, sizeof(*names));
	values = calloc((size_t)n, sizeof(*values));
	if (names == NULL || values == NULL) {
		res = -ENOMEM;
		goto out;
	}
	/* the set may change between the calls: then there is nothing to show this time */
	if (rte_eth_xstats_get_names(p->eth_id, names, (unsigned)n) != n ||
		rte_eth_xstats_get(p->eth_id, values, (unsigned)n) != n) {
		res = -EAGAIN;
		goto out;
	}
	for (int i = 0; i < n; i++)
		if (values[i].id < (uint64_t)n)
			fn(arg, names[values[i].id].name, values[i].value);
out:
	free(values);
	free(names);
	return res;
}
