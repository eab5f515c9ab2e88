/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The data lcores: each runs tw_dp_turn() on its part of the data plane until it is told to stop.
 */
#ifndef TW_LCORE_DATA_H
#define TW_LCORE_DATA_H

#include "gaps.h"

struct tw_app;

/* What a data lcore does when a turn found nothing. */
enum tw_idle {
	TW_IDLE_POLL = 1, /* go on at once: needs a CPU of its own */
	TW_IDLE_YIELD,    /* let others run first */
	TW_IDLE_SLEEP,    /* sleep until something is due, at most 50 us: stamps get later */
	TW_IDLE_N
};

/** "poll", "yield", "sleep". */
const char *tw_idle_name(unsigned idle);

/* Argument of a data lcore; main's memory, as long as the lcore runs. */
struct tw_lcore_data_arg {
	struct tw_app *app;
	unsigned idx;              /* data lcore, 0.. */
	struct tw_spinner spinner; /* looked at in housekeeping */
	uint64_t spin_limit_tsc;   /* w: control, before it asks */
};

/**
 * Body of a data lcore. No system call but those of `idle` and of some devices, no lock, no
 * allocation, no log.
 * Context: a data lcore, by rte_eal_remote_launch(); ends after tw_dp_stop().
 * @param arg  struct tw_lcore_data_arg
 * @return 0 or -errno
 */
int tw_lcore_data_main(void *arg);

#endif /* TW_LCORE_DATA_H */
