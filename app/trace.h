/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Schedules from a file: one gap a line, as a duration (20us, 1.5ms; a number alone is ns); empty
 * lines and what follows `#` are left out. All sessions of a test share one; its memory must
 * outlive the records that point to it, hence the counted references.
 *
 * Context: the control lcore.
 */
#ifndef TW_TRACE_H
#define TW_TRACE_H

#include <stddef.h>
#include <stdint.h>

struct tw_trace {
	unsigned refs;
	uint32_t cnt;
	uint64_t mean_ns; /* of the gaps, rounded */
	uint64_t gap_ns[];
};

/**
 * Read a file: a regular one, at most TW_SEND_TRACE_MAX gaps, on average at least
 * TW_SEND_INTERVAL_MIN_NS each.
 * @param why  on failure: "FILE:LINE: what and how to mend it"
 * @return 0, -EINVAL, -E2BIG, -ENOMEM, or what opening or reading gave
 */
int tw_trace_read(const char *path, struct tw_trace **out, char *why, size_t why_size);

/** One reference more; NULL is fine. */
struct tw_trace *tw_trace_hold(struct tw_trace *t);

/** One reference less; the last one frees. Fits tw_dp_retired_fn. NULL is fine. */
void tw_trace_drop(void *trace);

#endif /* TW_TRACE_H */
