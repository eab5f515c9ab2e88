/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * What a device can do with time, as far as opening it can tell. Whether it does so is for whoever
 * uses it to find out.
 */
#include <errno.h>

#include <rte_cycles.h>
#include <rte_mbuf_dyn.h>

#include "port_i.h"

#define TIME_NS_PER_S 1000000000ULL
#define SAME_MAX_NS   100000000 /* two readings of one clock, one after the other */

void
port_stamps_choose(
	struct tw_port *p, const struct rte_eth_dev_info *info, struct rte_eth_conf *conf)
{
	if (p->cfg.rx_stamps != TW_PORT_STAMPS_SOFTWARE &&
		(info->rx_offload_capa & RTE_ETH_RX_OFFLOAD_TIMESTAMP) != 0 &&
		rte_mbuf_dyn_rx_timestamp_register(&p->stamp_off, &p->rx_stamp_flag) == 0) {
		conf->rxmode.offloads |= RTE_ETH_RX_OFFLOAD_TIMESTAMP;
		p->has_rx_stamp = true;
	}
	if ((p->cfg.tx_stamps == TW_PORT_STAMPS_AUTO ||
		    p->cfg.tx_stamps == TW_PORT_STAMPS_SCHEDULED) &&
		(info->tx_offload_capa & RTE_ETH_TX_OFFLOAD_SEND_ON_TIMESTAMP) != 0 &&
		rte_mbuf_dyn_tx_timestamp_register(&p->stamp_off, &p->tx_sched_flag) == 0) {
		conf->txmode.offloads |= RTE_ETH_TX_OFFLOAD_SEND_ON_TIMESTAMP;
		p->has_tx_sched = true;
	}
}

static uint64_t
ns_of(const struct timespec *ts)
{
	return (uint64_t)ts->tv_sec * TIME_NS_PER_S + (uint64_t)ts->tv_nsec;
}

int
tw_port_time_read(const struct tw_port *p, uint64_t *ticks)
{
	struct timespec ts;
	int res;

	switch (p->time_by) {
	case TW_PORT_TIME_READ_CLOCK:
		return p->nic->read_clock(p, ticks);
	case TW_PORT_TIME_TIMESYNC:
		res = p->nic->timesync_read_time(p, &ts);
		*ticks = ns_of(&ts);
		return res;
	default:
		return -ENOTSUP;
	}
}

int
tw_port_time_cross(
	const struct tw_port *p, uint64_t *ticks_before, uint64_t *tsc, uint64_t *ticks_after)
{
	int res;

	if (p->nic->read_cross != NULL) {
		res = p->nic->read_cross(p, ticks_before, tsc);
		*ticks_after = *ticks_before;
		return res;
	}
	res = tw_port_time_read(p, ticks_before);
	*tsc = rte_rdtsc_precise();
	return res != 0 ? res : tw_port_time_read(p, ticks_after);
}

int
tw_port_tx_stamp_read(const struct tw_port *p, uint64_t *ticks)
{
	struct timespec ts;
	int res = p->has_tx_stamp ? p->nic->timesync_read_tx_timestamp(p, &ts) : -ENOTSUP;

	if (res == 0)
		*ticks = ns_of(&ts);
	return res;
}

/* Departure stamps are in ns: of the clock that is read, or they cannot be used. */
static bool
is_one_clock(const struct tw_port *p)
{
	struct timespec ts;
	uint64_t ticks;
	int64_t away;

	if (p->time_by == TW_PORT_TIME_TIMESYNC)
		return true;
	if (tw_port_time_read(p, &ticks) != 0 || p->nic->timesync_read_time(p, &ts) != 0)
		return false;
	away = (int64_t)(ns_of(&ts) - ticks);
	return away > -SAME_MAX_NS && away < SAME_MAX_NS;
}

void
port_stamps_open(struct tw_port *p)
{
	const bool wants_tx = p->cfg.tx_stamps != TW_PORT_STAMPS_SOFTWARE;
	bool has_timesync;
	struct timespec ts;
	uint64_t ticks;

	if (p->cfg.rx_stamps == TW_PORT_STAMPS_SOFTWARE && !wants_tx)
		return;
	has_timesync = p->nic->timesync_enable(p) == 0;
	if (p->nic->read_clock(p, &ticks) == 0)
		p->time_by = TW_PORT_TIME_READ_CLOCK;
	else if (has_timesync && p->nic->timesync_read_time(p, &ts) == 0)
		p->time_by = TW_PORT_TIME_TIMESYNC;
	p->has_tx_stamp = has_timesync && wants_tx && p->time_by != 0 && is_one_clock(p);
	if (has_timesync && !p->has_tx_stamp && p->time_by != TW_PORT_TIME_TIMESYNC)
		(void)p->nic->timesync_disable(p);
	if (p->time_by == 0) /* without its clock its stamps say nothing */
		p->has_rx_stamp = p->has_tx_sched = false;
}
