/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The report of a session through the output writer: one object per group of figures, from the
 * rows of lib/metrics, so that text and JSON cannot differ in content.
 * Context: as out.h.
 */
#ifndef TW_OUT_METRICS_H
#define TW_OUT_METRICS_H

#include "out.h"
#include "tw_metrics_report.h"

/**
 * All groups, into the object open now. A figure is an object {value_ns, error_ns, state,
 * is_valid, reason, is_below_resolution}: value_ns is null if none or infinite (state tells),
 * error_ns is null if unknown, reason is null if the figure is valid. A count that cannot be known
 * is null, with its reason in NAME_reason.
 */
void tw_out_metrics(struct tw_out *o, const struct tw_metrics_report *r);

/** One figure. */
void tw_out_fig(struct tw_out *o, const char *name, const struct tw_metrics_fig *f);

/** Names of stamp sources, one bit each (enum tw_stamp_source), as an array. */
void tw_out_sources(struct tw_out *o, const char *name, uint32_t sources);

#endif /* TW_OUT_METRICS_H */
