/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Time functions of a device: those of ethdev.
 */
#include "port_i.h"

static int
read_clock(const struct tw_port *p, uint64_t *ticks)
{
	return rte_eth_read_clock(p->eth_id, ticks);
}

static int
timesync_enable(const struct tw_port *p)
{
	return rte_eth_timesync_enable(p->eth_id);
}

static int
timesync_disable(const struct tw_port *p)
{
	return rte_eth_timesync_disable(p->eth_id);
}

static int
timesync_read_time(const struct tw_port *p, struct timespec *ts)
{
	return rte_eth_timesync_read_time(p->eth_id, ts);
}

static int
timesync_read_tx_timestamp(const struct tw_port *p, struct timespec *ts)
{
	return rte_eth_timesync_read_tx_timestamp(p->eth_id, ts);
}

const struct tw_port_nic port_nic_ethdev = {
	.read_clock = read_clock,
	.timesync_enable = timesync_enable,
	.timesync_disable = timesync_disable,
	.timesync_read_time = timesync_read_time,
	.timesync_read_tx_timestamp = timesync_read_tx_timestamp,
};
