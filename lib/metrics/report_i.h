/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/* Pieces of the report: figures from histograms, and loss by direction. */
#ifndef METRICS_REPORT_I_H
#define METRICS_REPORT_I_H

#include "metrics_i.h"
#include "tw_metrics_report.h"

/* What the figures of one measure have in common. */
struct basis {
	const struct tw_metrics_hist *hist;
	const struct tw_metrics_hist_pool *pool;
	uint64_t infinite;
	uint64_t error_ns; /* of one sample, UINT64_MAX: unknown */
	uint64_t rate_ppb; /* error in proportion to the value, for durations on one clock */
	uint8_t reason;    /* enum tw_metrics_reason for all of them */
};

/** Delay figures of a measure; population and left_out are completed by the caller. */
void tw_metrics_fill_delay(const struct basis *b, struct tw_metrics_delay *out);

/** Variation against the minimum; received packets only. */
void tw_metrics_fill_pdv(const struct basis *b, struct tw_metrics_pdv *out);

/** Variation between neighbours. @param error_ns, rate_ppb, reason  as in a basis */
void tw_metrics_fill_ipdv(const struct ipdv *v, const struct basis *b, struct tw_metrics_ipdv *out);

/** Loss by direction, PROTOCOL.md 6.4: the lost_*, missing_replies, tail and is_stateless rows. */
void tw_metrics_fill_loss(const struct tw_metrics *m, struct tw_metrics_report *out);

#endif /* METRICS_REPORT_I_H */
