/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Who runs on which lcore: main is EAL's, control the first worker, data lcores the rest; starting
 * and joining them.
 *
 * Context: main lcore.
 */
#ifndef TW_LCORES_H
#define TW_LCORES_H

#include <stddef.h>

struct tw_app;

/** Give out the lcores. @return 0, or -EINVAL with @p err: too few or too many */
int tw_lcores_assign(struct tw_app *app, char *err, size_t err_size);

/** Start the data lcores, then control. */
int tw_lcores_launch(struct tw_app *app, char *err, size_t err_size);

/** Wait until every data lcore runs its loop. @return 0, or -errno with @p err: one left it */
int tw_lcores_check(struct tw_app *app, char *err, size_t err_size);

/** Stop control, then the data lcores, and join all. Fine if they never started. */
void tw_lcores_stop(struct tw_app *app);

/**
 * Whether data lcores have to share a CPU, with each other, control or main: a poll loop that
 * never yields would then starve the rest.
 */
int tw_lcores_are_shared(const struct tw_app *app);

#endif /* TW_LCORES_H */
