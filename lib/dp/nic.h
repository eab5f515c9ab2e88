/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The NIC's part in stamps. Data lcores read no clock of a NIC: stamps come in the buffers, control
 * publishes the model, and asks for the departures of samples.
 */
#ifndef NIC_H
#define NIC_H

#include "dp_i.h"

#define NIC_LEAD_NS 1000 /* spare time for a burst to be there when it is to leave */

/** Take over what control published for the ports of this lcore. Housekeeping. */
void nic_refresh(struct tw_dp_lcore *lc);

/**
 * Arrivals of n frames of one port by their NIC: into scr->stamp[], software's where the NIC's is
 * none, not plausible or only tested.
 * @param soft  software's stamp of them
 * @param tsc   when they were read, @p wait_tsc after the queue was last seen empty
 */
void nic_arrivals(struct tw_dp_lcore *lc, struct lc_port *lp, struct rte_mbuf **m, unsigned n,
	const struct tw_sess_stamp *soft, uint64_t tsc, uint64_t wait_tsc);

/** One of them; @p out may be @p soft. */
void nic_arrival(struct tw_dp_lcore *lc, struct lc_port *lp, struct rte_mbuf *m,
	const struct tw_sess_stamp *soft, uint64_t tsc, uint64_t wait_tsc,
	struct tw_sess_stamp *out);

/**
 * Departures on schedule of the n frames in scr->tx[]: into @p out and the buffers.
 * @param ready_tsc  when the device will have them
 * @return false: not now, software stamps them
 */
bool nic_schedule(struct tw_dp_lcore *lc, struct lc_port *lp, unsigned n, uint64_t ready_tsc,
	struct tw_sess_stamp *out);

/**
 * Mark the first frame in scr->tx[] for a departure stamp, if it is time for a sample.
 * @return by how much it may leave later, since the NIC is asked to hold it
 */
uint64_t nic_sample(struct tw_dp_lcore *lc, struct lc_port *lp, uint64_t expected_tsc);

/** The device has a burst that was to leave on schedule. */
void nic_handed_over(struct tw_dp_lcore *lc, struct lc_port *lp, uint64_t end_tsc);

#endif /* NIC_H */
