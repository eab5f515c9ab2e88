/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Results of tests through the output writer: one description, text and JSON with the same
 * content.
 *
 * Context: control lcore.
 */
#ifndef TW_RESULTS_H
#define TW_RESULTS_H

#include <stdbool.h>

#include "out.h"
#include "test_run.h"

/** One row of a list of tests: flat. */
void tw_results_test_row(struct tw_out *out, const struct tw_test_view *t);

/** Parameters, context and state of a test (PROTOCOL.md 6.7). @param idle  of the data lcores */
void tw_results_test(struct tw_out *out, const struct tw_test_view *t, const char *idle);

/** Fields spi_i and spi_r. */
void tw_results_spis(struct tw_out *out, const uint8_t spis[TW_CTL_SPIS_LEN]);

/** One session of a test. @param with_report  all its figures, too */
void tw_results_session(struct tw_out *out, const struct tw_test_view *t,
	const struct tw_test_sess_view *s, bool with_report);

/** One interval: flat. */
void tw_results_interval(struct tw_out *out, const struct tw_metrics_interval *iv);

/** Time the data lcore did not run though it should have: three fields. */
void tw_results_gaps(struct tw_out *out, const struct tw_metrics_gaps *g);

/** The failure of a test as that of an operation. @return its res */
int tw_results_fail(struct tw_out *out, const struct tw_test_error *e);

#endif /* TW_RESULTS_H */
