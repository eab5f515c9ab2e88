/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Where a clock's time comes from: a reference that can be read between two reads of the TSC, and
 * somebody who knows how far that reference is from UTC.
 *
 * Context: control lcore (main at start). A reading may make system calls, but must not wait.
 */
#ifndef TW_CLOCK_REF_H
#define TW_CLOCK_REF_H

#include <stddef.h>
#include <stdint.h>

#include "tw_clock_disc.h"

struct tw_clock_ref {
	const char *kind; /* "kernel", "phc", "simulated" */
	/** Counter, reference, counter. @return 0, or -errno: no reading now */
	int (*read)(void *arg, struct tw_clock_reading *out);
	/** What its owner says. max_error_ns without the floor, which is added by the caller. */
	void (*sync)(void *arg, struct tw_clock_sync *out);
	void (*close)(void *arg); /* may be NULL */
	void *arg;
};

/** CLOCK_REALTIME; sync state of the kernel's clock (chrony, ntpd and ptp4l are seen through it).
 */
struct tw_clock_ref tw_clock_ref_kernel(void);

/** A PTP hardware clock of the kernel. */
struct tw_clock_ref_phc_cfg {
	const char *dev;       /* /dev/ptpN */
	int32_t utc_offset_s;  /* what it is ahead of UTC: 37 if it runs on TAI, 0 if on UTC */
	uint64_t max_error_ns; /* of it against UTC, as the operator knows; 0: not synchronised */
};

/**
 * Open one. Nobody in the kernel says whether it is synchronised: the operator does.
 * @param err  told on failure
 * @return 0 or -errno
 */
int tw_clock_ref_phc(
	const struct tw_clock_ref_phc_cfg *cfg, struct tw_clock_ref *out, char *err, size_t size);

#endif /* TW_CLOCK_REF_H */
