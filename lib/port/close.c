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

/* A device whose link has just changed may still be at work on it in its own thread. */
static void
let_settle(const struct tw_port *p)
{
	int64_t settle_ns = p->priv->profile.settle_ms * 1000000LL;
	int64_t left_ns = p->priv->link_changed_ns + settle_ns - port_now_ns();
	struct timespec ts = {.tv_nsec = left_ns};

	if (left_ns <= 0 || settle_ns == 0)
		return;
	ts.tv_sec = left_ns / 1000000000;
	ts.tv_nsec = left_ns % 1000000000;
	nanosleep(&ts, NULL);
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
	if (p->is_started) {
		let_settle(p);
		(void)rte_eth_dev_stop(p->eth_id);
		p->is_started = false;
	}
	port_exception_close(p);
	/* removing a device closes it; an adopted one is its maker's to close */
	port_device_remove(p);
	if (p->priv->xdp_prog_id != 0)
		(void)port_xdp_detach(p->ifindex, p->priv->xdp_prog_id);
	pool_free(&p->tap_pool);
	pool_free(&p->pool);
	free(p->priv);
	free(p);
}
