/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The folders that hold our sockets while we run: RUN_DIR/NAME, and the one DPDK made for its
 * telemetry. They are made as root and left as the service user.
 */
#ifndef TW_RUNDIR_H
#define TW_RUNDIR_H

#include <stddef.h>

#define TW_RUNDIR_RPC "rpc.sock"

struct tw_app;

/**
 * Make RUN_DIR/NAME for the service user; what an earlier run left there is reused.
 * Context: control lcore, as root.
 * @return 0 or -errno with @p err told
 */
int tw_rundir_make(struct tw_app *app, char *err, size_t err_size);

/**
 * Remove sockets that an earlier run of this name left (it was killed): they would be in the way
 * of devices that make them anew. Call when rpc.sock is ours: then nobody uses the others.
 */
void tw_rundir_clean(const struct tw_app *app);

/** Give what is in the folders to the service user. Context: control lcore, before it is that. */
void tw_rundir_hand_over(struct tw_app *app);

/**
 * Remove empty folders that others left among DPDK's, and see to it that ours goes if it can.
 * Context: main lcore, before rte_eal_init().
 */
void tw_rundir_prepare(void);

/** Leave no socket behind. Context: main lcore, after rte_eal_cleanup(). */
void tw_rundir_leave(struct tw_app *app);

#endif /* TW_RUNDIR_H */
