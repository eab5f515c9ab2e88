/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * When a burst leaves: T1 and T3 are written before it is handed to the device, so they say what
 * is to be expected, from running estimates of how long stamping takes and handing over; half of
 * the latter, since nobody knows where in it a frame goes. What may be wrong with that goes into
 * the stamp's error.
 */
#ifndef DEPART_H
#define DEPART_H

#include <rte_cycles.h>

#include "dp_i.h"
#include "nic.h"

#define DEPART_DEVS  4 /* mean deviations allowed for */
#define DEPART_TRIES 2 /* to have a burst stamped without losing the CPU meanwhile */

/* From half of what is usual to what hardly anything takes longer than. */
static inline uint64_t
beyond_half(const struct est *e)
{
	const uint64_t top_tsc = e->top >> EST_TOP_SHIFT;

	return RTE_MAX(top_tsc, e->mean_tsc) - e->mean_tsc / 2;
}

/**
 * Stamps for the @p n frames in scr->tx[], whose stamping begins now, at @p tsc.
 * @param out  room for @p n
 * @return 1: one for each; 0: one for all
 */
static inline unsigned
departures(struct tw_dp_lcore *lc, struct lc_port *lp, unsigned n, uint64_t tsc,
	struct tw_sess_stamp *out)
{
	const struct tw_clock *clock = clock_of(lc, lp);
	const struct est *stamp = &lc->est_stamp[est_class(n)];
	const struct est *tx = &lc->est_tx[est_class(n)];
	const uint64_t devs_tsc = DEPART_DEVS * stamp->dev_tsc;
	const uint64_t half_tsc = tx->mean_tsc / 2;
	uint64_t at_tsc = tsc + stamp->mean_tsc + half_tsc;
	uint64_t error_tsc = devs_tsc + beyond_half(tx);
	uint64_t ahead_tsc;
	enum tw_stamp_source source = TW_STAMP_TSC_TX;

	lc->scr->hand_by_tsc = tsc + stamp->mean_tsc + devs_tsc;
	lc->scr->tx_by_tsc = at_tsc + error_tsc;
	if (unlikely(lp->tx_stamps != TW_DP_TX_SOFTWARE)) {
		if (lp->tx_stamps == TW_DP_TX_SCHEDULED &&
			nic_schedule(lc, lp, n,
				at_tsc + half_tsc + devs_tsc + DEPART_DEVS * tx->dev_tsc, out))
			return 1;
		ahead_tsc = nic_sample(lc, lp, at_tsc);
		at_tsc += ahead_tsc / 2;
		error_tsc += ahead_tsc;
		if (lp->tx_stamps == TW_DP_TX_SAMPLED) {
			at_tsc += (uint64_t)lp->bias_tsc;
			error_tsc = DEPART_DEVS * lp->bias_dev_tsc;
			source = TW_STAMP_TSC_CAL;
		}
	}
	*out = tw_sess_stamp_at(clock, at_tsc, source, residue_ns(clock, error_tsc));
	return 0;
}

/**
 * The same for one that is still to be protected, at @p seal_tsc. Where others are scheduled it may
 * have to wait behind them.
 */
static inline struct tw_sess_stamp
departure_sealed(
	const struct tw_dp_lcore *lc, const struct lc_port *lp, unsigned n, uint64_t seal_tsc)
{
	const struct tw_clock *clock = clock_of(lc, lp);
	const struct est *seal = &lc->est_seal[est_class(n)];
	const struct est *tx = &lc->est_tx[est_class(n)];

	const uint64_t error_tsc = beyond_half(tx) + DEPART_DEVS * seal->dev_tsc;

	lc->scr->seal_by_tsc = seal_tsc + seal->mean_tsc + error_tsc;
	return tw_sess_stamp_at(clock, seal_tsc + seal->mean_tsc, TW_STAMP_TSC_TX,
		residue_ns(clock, error_tsc) +
			(lp->tx_stamps == TW_DP_TX_SCHEDULED ? 2 * NIC_LEAD_NS : 0));
}

/* Moments of a burst on its way out. */
struct departed {
	uint64_t seal_tsc; /* protection began; 0: nothing was predicted then */
	uint64_t stamp_tsc;
	uint64_t tx_tsc; /* handed to the device */
	uint64_t end_tsc;
};

/**
 * Stamping took so long that the stamps do not hold: they are to be taken again, unless the device
 * was told already when to expect one of them.
 */
static inline bool
departure_is_missed(struct tw_dp_lcore *lc, unsigned n, const struct departed *d)
{
	if (likely((int64_t)(d->tx_tsc - lc->scr->hand_by_tsc) <= 0) ||
		(lc->scr->tx[0]->ol_flags & RTE_MBUF_F_TX_IEEE1588_TMST) != 0)
		return false;
	est_add(&lc->est_stamp[est_class(n)], d->tx_tsc - d->stamp_tsc);
	return true;
}

/** Learn from a burst of @p n that has left; @p sealed of them were protected together. */
static inline void
departure_learn(struct tw_dp_lcore *lc, struct lc_port *lp, unsigned n, unsigned sealed,
	const struct departed *d)
{
	if (unlikely(lp->tx_stamps == TW_DP_TX_SCHEDULED))
		nic_handed_over(lc, lp, d->end_tsc);
	est_add(&lc->est_stamp[est_class(n)], d->tx_tsc - d->stamp_tsc);
	est_add(&lc->est_tx[est_class(n)], d->end_tsc - d->tx_tsc);
	est_top(&lc->est_tx[est_class(n)], d->end_tsc - d->tx_tsc);
	if (d->seal_tsc != 0)
		est_add(&lc->est_seal[est_class(sealed)],
			d->tx_tsc + (d->end_tsc - d->tx_tsc) / 2 - d->seal_tsc);
}

#endif /* DEPART_H */
