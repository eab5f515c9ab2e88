/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * See nic.h. A NIC's stamp counts only if it agrees with what software saw: not after the frame
 * was read, and not before the queue was last seen empty, a little for the device's own way apart.
 */
#include <rte_cycles.h>

#include "nic.h"

#define DEVICE_WAY_NS  100000  /* a frame may take this long from the wire to the queue */
#define SAMPLE_NS      1000000 /* between samples of departures */
#define ARMED_SOFT     1       /* a sample under way: `expected` is a counter value ... */
#define ARMED_SCHED    2       /* ... or ticks of the NIC */
#define TEST_AHEAD_NS  3000    /* a sample is held for so long: to be told from not at all */
#define SCHED_AHEAD_NS 1000000 /* a schedule further ahead than this has gone wrong */

static uint64_t *
stamp_field(const struct lc_port *lp, struct rte_mbuf *m)
{
	return RTE_MBUF_DYNFIELD(m, lp->port->stamp_off, uint64_t *);
}

void
nic_refresh(struct tw_dp_lcore *lc)
{
	for (unsigned i = 0; i < lc->pair_cnt; i++) {
		struct nic_pub *pub = &lc->dp->nic[lc->pair[i]];
		struct lc_port *lp = &lc->port[lc->pair[i]];

		lp->rx_stamps = (uint8_t)atomic_load_explicit(&pub->rx, memory_order_relaxed);
		lp->tx_stamps = (uint8_t)atomic_load_explicit(&pub->tx, memory_order_relaxed);
		if ((lp->rx_stamps | lp->tx_stamps) == 0)
			continue;
		lp->bias_tsc = atomic_load_explicit(&pub->bias_tsc, memory_order_relaxed);
		lp->bias_dev_tsc = atomic_load_explicit(&pub->bias_dev_tsc, memory_order_relaxed);
		(void)tw_xcore_clock_refresh(pub->model, &lp->nic_seen, &lp->nic);
	}
}

/* Its stamps can be compared with software's: both models belong to one epoch of the clock. */
static bool
is_usable(const struct tw_dp_lcore *lc, const struct lc_port *lp)
{
	return lp->nic.epoch != 0 && lp->nic.epoch == clock_of(lc, lp)->epoch;
}

static void
note_lag(struct nic_seen *seen, int64_t lag_ns)
{
	const bool is_first = tw_ctr_get(&seen->good) == 0;
	const int64_t sum = atomic_load_explicit(&seen->lag_sum_ns, memory_order_relaxed);

	atomic_store_explicit(&seen->lag_sum_ns, sum + lag_ns, memory_order_relaxed);
	if (is_first || lag_ns < atomic_load_explicit(&seen->lag_min_ns, memory_order_relaxed))
		atomic_store_explicit(&seen->lag_min_ns, lag_ns, memory_order_relaxed);
	if (is_first || lag_ns > atomic_load_explicit(&seen->lag_max_ns, memory_order_relaxed))
		atomic_store_explicit(&seen->lag_max_ns, lag_ns, memory_order_relaxed);
	tw_ctr_inc(&seen->good);
}

/* When the frames of a burst were read, and how long before that they may have come. */
struct reading {
	struct tw_stamp at;
	int64_t room_ns;
	bool is_known; /* the NIC's stamps can be told */
};

static struct reading
reading_of(const struct tw_dp_lcore *lc, const struct lc_port *lp, uint64_t tsc, uint64_t wait_tsc)
{
	const struct tw_clock *clock = clock_of(lc, lp);

	return (struct reading){.at = tw_clock_stamp(clock, tsc, TW_STAMP_TSC_RX),
		.room_ns = (int64_t)residue_ns(clock, wait_tsc) + DEVICE_WAY_NS,
		.is_known = is_usable(lc, lp)};
}

/* @return false: software's is to be used */
static bool
take_stamp(struct tw_dp_lcore *lc, const struct lc_port *lp, struct rte_mbuf *m,
	const struct reading *r, struct tw_sess_stamp *out)
{
	struct nic_seen *seen = &lc->nic[lp->port->idx];
	int64_t lag_ns, error_ns;

	if (!r->is_known || (m->ol_flags & lp->port->rx_stamp_flag) == 0) {
		tw_ctr_inc(&seen->missing);
		return false;
	}
	*out = tw_sess_stamp_at(&lp->nic, *stamp_field(lp, m), TW_STAMP_NIC_RX, 0);
	lag_ns = tw_ns_sub(r->at.time, out->at.time);
	error_ns = (int64_t)out->at.stamp_error_ns + r->at.stamp_error_ns;
	if (lag_ns < -error_ns || lag_ns > r->room_ns + error_ns) {
		tw_ctr_inc(&seen->bad);
		return false;
	}
	note_lag(seen, lag_ns);
	return lp->rx_stamps == TW_DP_RX_NIC;
}

void
nic_arrival(struct tw_dp_lcore *lc, struct lc_port *lp, struct rte_mbuf *m,
	const struct tw_sess_stamp *soft, uint64_t tsc, uint64_t wait_tsc,
	struct tw_sess_stamp *out)
{
	const struct reading r = reading_of(lc, lp, tsc, wait_tsc);

	if (!take_stamp(lc, lp, m, &r, out))
		*out = *soft;
}

void
nic_arrivals(struct tw_dp_lcore *lc, struct lc_port *lp, struct rte_mbuf **m, unsigned n,
	const struct tw_sess_stamp *soft, uint64_t tsc, uint64_t wait_tsc)
{
	const struct reading r = reading_of(lc, lp, tsc, wait_tsc);
	const struct tw_sess_stamp mine = *soft;

	for (unsigned i = 0; i < n; i++)
		if (!take_stamp(lc, lp, m[i], &r, &lc->scr->stamp[i]))
			lc->scr->stamp[i] = mine;
}

/* Ticks of the NIC at a counter value: by way of UTC. */
static uint64_t
nic_ticks_at(const struct tw_dp_lcore *lc, const struct lc_port *lp, uint64_t tsc)
{
	return tw_clock_tsc_at(&lp->nic, tw_clock_at(clock_of(lc, lp), tsc));
}

bool
nic_schedule(struct tw_dp_lcore *lc, struct lc_port *lp, unsigned n, uint64_t ready_tsc,
	struct tw_sess_stamp *out)
{
	const uint64_t lead_tsc = (uint64_t)tw_clock_ns_to_tsc(clock_of(lc, lp), NIC_LEAD_NS);
	const uint64_t ahead = (uint64_t)tw_clock_ns_to_tsc(&lp->nic, SCHED_AHEAD_NS);
	struct scratch *scr = lc->scr;
	uint64_t at;

	if (!is_usable(lc, lp))
		return false;
	scr->tx_by_tsc = scr->hand_by_tsc = ready_tsc + lead_tsc;
	at = nic_ticks_at(lc, lp, scr->tx_by_tsc);
	/* one queue keeps its order; a clock that was set back starts anew */
	if ((int64_t)(lp->sched_last - at) > 0 && lp->sched_last - at < ahead)
		at = lp->sched_last;
	for (unsigned k = 0; k < n; k++) {
		out[k] = tw_sess_stamp_at(&lp->nic, at, TW_STAMP_NIC_TX, 0);
		*stamp_field(lp, scr->tx[k]) = at;
		scr->tx[k]->ol_flags |= lp->port->tx_sched_flag;
	}
	lp->sched_last = at;
	return true;
}

uint64_t
nic_sample(struct tw_dp_lcore *lc, struct lc_port *lp, uint64_t expected_tsc)
{
	struct nic_pub *pub = &lc->dp->nic[lp->port->idx];
	const uint64_t now_tsc = rte_rdtsc();
	uint64_t expected = expected_tsc, ahead_tsc = 0;

	if (lp->queue != 0 || (int64_t)(now_tsc - lp->sample_due_tsc) < 0 ||
		atomic_load_explicit(&pub->is_armed, memory_order_acquire) != 0)
		return 0;
	lp->sample_due_tsc = now_tsc + (uint64_t)tw_clock_ns_to_tsc(clock_of(lc, lp), SAMPLE_NS);
	if (lp->tx_stamps == TW_DP_TX_SCHED_TEST) {
		if (!is_usable(lc, lp))
			return 0;
		ahead_tsc = (uint64_t)tw_clock_ns_to_tsc(clock_of(lc, lp), TEST_AHEAD_NS);
		expected = nic_ticks_at(lc, lp, expected_tsc + ahead_tsc);
		*stamp_field(lp, lc->scr->tx[0]) = expected;
		lc->scr->tx[0]->ol_flags |= lp->port->tx_sched_flag;
	}
	lc->scr->tx[0]->ol_flags |= RTE_MBUF_F_TX_IEEE1588_TMST;
	atomic_store_explicit(&pub->expected, expected, memory_order_relaxed);
	atomic_store_explicit(
		&pub->is_armed, ahead_tsc != 0 ? ARMED_SCHED : ARMED_SOFT, memory_order_release);
	return ahead_tsc;
}

void
nic_handed_over(struct tw_dp_lcore *lc, struct lc_port *lp, uint64_t end_tsc)
{
	if ((int64_t)(nic_ticks_at(lc, lp, end_tsc) - lp->sched_last) > 0)
		tw_ctr_inc(&lc->nic[lp->port->idx].sched_late);
}

/* Control's side --------------------------------------------------------------------------- */

void
tw_dp_stamps_set(struct tw_dp *dp, unsigned port_idx, const struct tw_dp_stamps *s)
{
	struct nic_pub *pub = &dp->nic[port_idx];

	atomic_store_explicit(&pub->bias_tsc, s->bias_tsc, memory_order_relaxed);
	atomic_store_explicit(&pub->bias_dev_tsc, s->bias_dev_tsc, memory_order_relaxed);
	atomic_store_explicit(&pub->rx, (uint32_t)s->rx, memory_order_relaxed);
	atomic_store_explicit(&pub->tx, (uint32_t)s->tx, memory_order_relaxed);
}

void
tw_dp_nic_publish(struct tw_dp *dp, unsigned port_idx, const struct tw_clock *model)
{
	tw_xcore_clock_publish(dp->nic[port_idx].model, model);
}

bool
tw_dp_sample_get(const struct tw_dp *dp, unsigned port_idx, uint64_t *expected, bool *is_scheduled)
{
	const struct nic_pub *pub = &dp->nic[port_idx];
	const uint32_t armed = atomic_load_explicit(&pub->is_armed, memory_order_acquire);

	if (armed == 0)
		return false;
	*is_scheduled = armed == ARMED_SCHED;
	*expected = atomic_load_explicit(&pub->expected, memory_order_relaxed);
	return true;
}

void
tw_dp_sample_done(struct tw_dp *dp, unsigned port_idx)
{
	atomic_store_explicit(&dp->nic[port_idx].is_armed, 0, memory_order_release);
}

void
tw_dp_nic_seen(const struct tw_dp *dp, unsigned port_idx, struct tw_dp_nic_seen *out)
{
	*out = (struct tw_dp_nic_seen){.lag_min_ns = INT64_MAX, .lag_max_ns = INT64_MIN};
	for (unsigned i = 0; i < dp->cfg.lcore_cnt; i++) {
		const struct nic_seen *s = &dp->lc[i]->nic[port_idx];
		const uint64_t good = tw_ctr_get(&s->good);
		int64_t min, max;

		out->bad += tw_ctr_get(&s->bad);
		out->missing += tw_ctr_get(&s->missing);
		out->sched_late += tw_ctr_get(&s->sched_late);
		if (good == 0)
			continue;
		out->good += good;
		min = atomic_load_explicit(&s->lag_min_ns, memory_order_relaxed);
		max = atomic_load_explicit(&s->lag_max_ns, memory_order_relaxed);
		out->lag_sum_ns += atomic_load_explicit(&s->lag_sum_ns, memory_order_relaxed);
		out->lag_min_ns = RTE_MIN(out->lag_min_ns, min);
		out->lag_max_ns = RTE_MAX(out->lag_max_ns, max);
	}
}
