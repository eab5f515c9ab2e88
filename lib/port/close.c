/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The way back: everything tw_port_open() did, in reverse, from whatever point it came to.
 */
#include <stdlib.h>
#include <time.h>

#include <rte_ethdev.h>
#include <rte_mempool.h>

#include "port_i.h"

/* A device whose link has just changed may still be in the middle of it. */
static void
let_settle(struct tw_port *p)
{
	const int64_t settle_ns = p->priv->profile.settle_ms * 1000000LL;
	const struct timespec pause = {.tv_nsec = 2000000};
	struct tw_port_link link;

	if (settle_ns == 0)
		return;
	do {
		tw_port_link_get(p, &link);
		if (link.is_up != p->priv->link.is_up) {
			p->priv->link = link;
			p->priv->link_changed_ns = port_now_ns();
		}
	} while (port_now_ns() - p->priv->link_changed_ns < settle_ns &&
		 nanosleep(&pause, NULL) == 0);
}

/* Together, so that no peer can come in between. An adopted device is its maker's to close. */
static int
stop_and_close(struct tw_port *p)
{
	if (p->is_started)
		(void)rte_eth_dev_stop(p->eth_id);
	p->is_started = false;
	return p->is_adopted ? 0 : rte_eth_dev_close(p->eth_id);
}

/* Frames still held somewhere would be returned into freed memory: then the pool stays. */
static void
pool_free(struct rte_mempool **pool)
{
	if (*pool != NULL && rte_mempool_full(*pool))
		rte_mempool_free(*pool);
	*pool = NULL;
}

void
tw_port_close(struct tw_port *p)
{
	if (p == NULL)
		return;
	if (p->eth_id != RTE_MAX_ETHPORTS) {
		if (p->nic->closing != NULL)
			p->nic->closing(p);
		let_settle(p);
		(void)port_call(p, stop_and_close);
	}
	port_exception_close(p);
	port_device_remove(p);
	if (p->priv->xdp_prog_id != 0)
		(void)port_xdp_detach(p->ifindex, p->priv->xdp_prog_id);
	pool_free(&p->tap_pool);
	pool_free(&p->pool);
	free(p->priv);
	free(p);
}
