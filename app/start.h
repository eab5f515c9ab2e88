/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The steps of the start on the main lcore, in the order they are called. Each returns 0, or
 * -errno with @p err told: what, where, how to mend it. Nothing is undone: the process ends.
 */
#ifndef TW_START_H
#define TW_START_H

#include <stddef.h>

struct tw_app;

/** Log, privileges, limits, secret memory, settings that are fixed from the start on. */
int tw_start_prepare(struct tw_app *app, char *err, size_t err_size);

/** DPDK, and who runs on which lcore. */
int tw_start_eal(struct tw_app *app, char *err, size_t err_size);

/** Clock, data plane, then the lcores: control is on its own from here. */
int tw_start_data_plane(struct tw_app *app, char *err, size_t err_size);

#endif /* TW_START_H */
