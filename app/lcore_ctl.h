/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The control lcore: starts the modules in order, runs the loop, stops them in reverse.
 */
#ifndef TW_LCORE_CTL_H
#define TW_LCORE_CTL_H

#include "app.h"

/**
 * Body of the control lcore. Starts the modules and sets app->state to LOADING; after
 * tw_lcore_ctl_loaded() it begins to listen, drops privileges and sets RUNNING; after
 * tw_loop_stop() it stops the modules and sets STOPPED. What fails is told in app->failure, and
 * the state is FAILED.
 * Context: the control lcore, by rte_eal_remote_launch().
 * @param app  struct tw_app
 * @return 0 or -errno
 */
int tw_lcore_ctl_main(void *app);

/** Wait until the state is another than @p state. Context: main lcore. @return enum tw_app_state */
int tw_lcore_ctl_wait(const struct tw_app *app, enum tw_app_state state);

/** The configuration is loaded: serve. Context: main lcore, in state LOADING. */
void tw_lcore_ctl_loaded(struct tw_app *app);

#endif /* TW_LCORE_CTL_H */
