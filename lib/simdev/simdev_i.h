/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
#ifndef SIMDEV_I_H
#define SIMDEV_I_H

#include <rte_mbuf.h>
#include <rte_mempool.h>
#include <rte_ring.h>

#include <tw_xcore.h>

#include "tw_simdev.h"

#define BURST      32
#define CMD_CNT    64
#define COPY_BIT   (1U << 31) /* in a mark: the second copy of a packet */
#define COPY_CNT   4095       /* buffers for second copies */
#define COPY_ROOM  9728
#define TRACES_MAX 64
#define OVERDUE_NS 1000

/* Departure stamp of the NIC: one at a time. */
enum latch { LATCH_EMPTY = 0, LATCH_SET };

struct __rte_cache_aligned tw_simdev_end {
	/* constant */
	struct tw_simdev *sim;
	unsigned idx;
	uint8_t mac[6];
	struct rte_ring *out; /* from the transmit burst to the wire */
	struct rte_ring *in;  /* from the wire to the receive burst */
	char dev[RTE_ETH_NAME_MAX_LEN];
	struct tw_simdev_nic nic;
	struct tw_port_nic ops;
	struct tw_netsim_clock *nic_clock;
	struct tw_netsim_clock *ref;

	/* w: control */
	struct tw_netsim_imp imp; /* as told last */
	int64_t *trace[TRACES_MAX];
	unsigned trace_cnt;
	_Atomic bool has_latch_on; /* r: wire */
	uint16_t eth_id;
	const struct rte_eth_rxtx_callback *tx_cb;

	/* w: wire */
	struct tw_netsim_dir dir; /* away from this end */
	int64_t last_depart_ns;
	int64_t last_arrive_ns; /* at this end */
	struct tw_simdev_ctr ctr;
	_Atomic int64_t latch_ns; /* reading of the NIC's clock; valid if LATCH_SET */
	_Atomic uint32_t latch;   /* w: wire to LATCH_SET, control to LATCH_EMPTY */
};

struct cmd {
	uint32_t end;      /* TW_SIMDEV_ENDS: restart the log */
	uint32_t restarts; /* the draws */
	struct tw_netsim_imp imp;
};

struct tw_simdev {
	struct tw_simdev_end end[TW_SIMDEV_ENDS];
	struct tw_clock wire; /* counter to wire time */
	bool impairs_all;
	int mark_off;   /* uint32_t of mbufs: 1 + record, COPY_BIT */
	int depart_off; /* uint64_t of mbufs: counter inside the transmit burst */
	int stamp_off;  /* timestamp of DPDK: arrival, or departure asked for */
	uint64_t stamp_flag, sched_flag;
	struct tw_xcore_ring *cmd;
	uint32_t cmds_told;         /* w: control */
	_Atomic uint32_t cmds_done; /* w: wire */
	struct rte_mempool *copies;
	struct tw_netsim_item *items;
	struct tw_netsim_heap heap; /* w: wire */
	struct tw_netsim_log *log;
};

static inline uint32_t *
mark_of(const struct tw_simdev *sim, struct rte_mbuf *m)
{
	return RTE_MBUF_DYNFIELD(m, sim->mark_off, uint32_t *);
}

static inline uint64_t *
depart_of(const struct tw_simdev *sim, struct rte_mbuf *m)
{
	return RTE_MBUF_DYNFIELD(m, sim->depart_off, uint64_t *);
}

static inline uint64_t *
stamp_of(const struct tw_simdev *sim, struct rte_mbuf *m)
{
	return RTE_MBUF_DYNFIELD(m, sim->stamp_off, uint64_t *);
}

/* Ticks of the NIC's clock for a reading of it. */
static inline uint64_t
nic_ticks(const struct tw_simdev_end *e, int64_t read_ns)
{
	if (e->nic.hz == TW_CLOCK_NS_PER_S)
		return (uint64_t)read_ns;
	return (uint64_t)((__int128)read_ns * (int64_t)e->nic.hz / TW_CLOCK_NS_PER_S);
}

static inline int64_t
nic_read_ns(const struct tw_simdev_end *e, uint64_t ticks)
{
	if (e->nic.hz == TW_CLOCK_NS_PER_S)
		return (int64_t)ticks;
	return (int64_t)((__int128)ticks * TW_CLOCK_NS_PER_S / (int64_t)e->nic.hz);
}

/* simdev.c */
int end_opened(struct tw_port *port);
void end_closing(struct tw_port *port);

/* nic.c */
void nic_ops_make(struct tw_simdev_end *e);

/* ends.c: ends of a UDP packet. @return false if it is none */
bool ends_of(struct rte_mbuf *m, struct tw_netsim_addr *src, struct tw_netsim_addr *dst);

#endif /* SIMDEV_I_H */
