/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Time functions of a simulated NIC, as lib/port calls them.
 */
#include <errno.h>

#include <rte_cycles.h>

#include "simdev_i.h"

static int64_t
read_now(const struct tw_simdev_end *e)
{
	return tw_netsim_clock_at(e->nic_clock, tw_simdev_wire_ns(&e->sim->wire, rte_rdtsc()));
}

static struct timespec
timespec_of(const struct tw_simdev_end *e, int64_t read_ns)
{
	const int64_t ns = nic_read_ns(e, nic_ticks(e, read_ns));

	return (struct timespec){
		.tv_sec = ns / TW_CLOCK_NS_PER_S, .tv_nsec = ns % TW_CLOCK_NS_PER_S};
}

static int
read_clock(const struct tw_port *p, uint64_t *ticks)
{
	const struct tw_simdev_end *e = p->cfg.nic_arg;

	if (!e->nic.has_rx_stamp && !e->nic.has_sched)
		return -ENOTSUP;
	*ticks = nic_ticks(e, read_now(e));
	return 0;
}

static int
read_cross(const struct tw_port *p, uint64_t *ticks, uint64_t *tsc)
{
	const struct tw_simdev_end *e = p->cfg.nic_arg;

	*tsc = rte_rdtsc();
	*ticks = nic_ticks(
		e, tw_netsim_clock_at(e->nic_clock, tw_simdev_wire_ns(&e->sim->wire, *tsc)));
	return 0;
}

static int
timesync_set(const struct tw_port *p, bool on)
{
	struct tw_simdev_end *e = p->cfg.nic_arg;

	if (!e->nic.has_timesync)
		return -ENOTSUP;
	atomic_store_explicit(&e->has_latch_on, on, memory_order_relaxed);
	return 0;
}

static int
timesync_enable(const struct tw_port *p)
{
	return timesync_set(p, true);
}

static int
timesync_disable(const struct tw_port *p)
{
	return timesync_set(p, false);
}

static int
timesync_read_time(const struct tw_port *p, struct timespec *ts)
{
	const struct tw_simdev_end *e = p->cfg.nic_arg;

	if (!e->nic.has_timesync)
		return -ENOTSUP;
	*ts = timespec_of(e, read_now(e));
	return 0;
}

/* As igb and i40e: the stamp stays until it is read, packets meanwhile get none. */
static int
timesync_read_tx_timestamp(const struct tw_port *p, struct timespec *ts)
{
	struct tw_simdev_end *e = p->cfg.nic_arg;

	if (!e->nic.has_timesync)
		return -ENOTSUP;
	if (atomic_load_explicit(&e->latch, memory_order_acquire) != LATCH_SET)
		return -EINVAL;
	*ts = timespec_of(e, atomic_load_explicit(&e->latch_ns, memory_order_relaxed));
	atomic_store_explicit(&e->latch, LATCH_EMPTY, memory_order_release);
	return 0;
}

void
nic_ops_make(struct tw_simdev_end *e)
{
	e->ops = (struct tw_port_nic){.opened = end_opened,
		.closing = end_closing,
		.rx_offloads = e->nic.has_rx_stamp ? RTE_ETH_RX_OFFLOAD_TIMESTAMP : 0,
		.tx_offloads = e->nic.has_sched ? RTE_ETH_TX_OFFLOAD_SEND_ON_TIMESTAMP : 0,
		.read_clock = read_clock,
		.read_cross = read_cross,
		.timesync_enable = timesync_enable,
		.timesync_disable = timesync_disable,
		.timesync_read_time = timesync_read_time,
		.timesync_read_tx_timestamp = timesync_read_tx_timestamp};
}
