/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Frames between a data lcore and the kernel behind an owned port: rings that the control lcore
 * empties and fills (lib/port). What is sent up is limited, so that a flood of other traffic
 * costs control a bounded amount of work.
 */
#include <rte_ethdev.h>

#include "dp_i.h"

void
exc_to_kernel(struct tw_dp_lcore *lc, struct lc_port *lp, struct rte_mbuf *m)
{
	struct rte_ring *up = lp->port->up[lp->queue];

	if (lp->exc_tokens == 0) {
		drop(lc, m, TW_DP_CTR_EXC_LIMITED);
		return;
	}
	if (up == NULL || rte_ring_sp_enqueue(up, m) != 0) {
		drop(lc, m, TW_DP_CTR_EXC_FULL);
		return;
	}
	lp->exc_tokens--;
	count(lc, TW_DP_CTR_EXCEPTION, 1);
}

unsigned
exc_from_kernel(struct tw_dp_lcore *lc, struct lc_port *lp)
{
	struct rte_mbuf *m[BURST];
	unsigned n, sent;

	/* one lcore of the port sends for the kernel, so that its frames stay in order */
	if (lp->queue != 0 || lp->port->down == NULL)
		return 0;
	n = rte_ring_sc_dequeue_burst(lp->port->down, (void **)m, BURST, NULL);
	if (n == 0)
		return 0;
	count(lc, TW_DP_CTR_EXC_FROM_KERNEL, n);
	sent = rte_eth_tx_burst(lp->eth_id, lp->queue, m, (uint16_t)n);
	count(lc, TW_DP_CTR_EXC_SENT, sent);
	if (sent < n) {
		count(lc, TW_DP_CTR_EXC_TX_FULL, n - sent);
		rte_pktmbuf_free_bulk(m + sent, n - sent);
	}
	return n;
}
