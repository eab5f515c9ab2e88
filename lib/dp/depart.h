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

#define DEPART_DEVS 4 /* mean deviations allowed for */

/** Stamp for a burst of @p n frames whose stamping begins now, at @p tsc. */
static inline struct tw_sess_stamp
departure(const struct tw_dp_lcore *lc, const struct tw_clock *clock, unsigned n, uint64_t tsc)
{
	const struct est *stamp = &lc->est_stamp[est_class(n)];
	const struct est *tx = &lc->est_tx[est_class(n)];
	const uint64_t half_tsc = tx->mean_tsc / 2;

	return tw_sess_stamp_at(clock, tsc + stamp->mean_tsc + half_tsc, TW_STAMP_TSC_TX,
		residue_ns(clock, half_tsc + DEPART_DEVS * (stamp->dev_tsc + tx->dev_tsc)));
}

/** The same for one that is still to be protected, at @p seal_tsc. */
static inline struct tw_sess_stamp
departure_sealed(
	const struct tw_dp_lcore *lc, const struct tw_clock *clock, unsigned n, uint64_t seal_tsc)
{
	const struct est *seal = &lc->est_seal[est_class(n)];
	const struct est *tx = &lc->est_tx[est_class(n)];

	return tw_sess_stamp_at(clock, seal_tsc + seal->mean_tsc, TW_STAMP_TSC_TX,
		residue_ns(clock, tx->mean_tsc / 2 + DEPART_DEVS * seal->dev_tsc));
}

/* Moments of a burst on its way out. */
struct departed {
	uint64_t seal_tsc; /* protection began; 0: nothing was predicted then */
	uint64_t stamp_tsc;
	uint64_t tx_tsc; /* handed to the device */
	uint64_t end_tsc;
};

/** Learn from a burst of @p n that has left; @p sealed of them were protected together. */
static inline void
departure_learn(struct tw_dp_lcore *lc, unsigned n, unsigned sealed, const struct departed *d)
{
	est_add(&lc->est_stamp[est_class(n)], d->tx_tsc - d->stamp_tsc);
	est_add(&lc->est_tx[est_class(n)], d->end_tsc - d->tx_tsc);
	if (d->seal_tsc != 0)
		est_add(&lc->est_seal[est_class(sealed)],
			d->tx_tsc + (d->end_tsc - d->tx_tsc) / 2 - d->seal_tsc);
}

#endif /* DEPART_H */
