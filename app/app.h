/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The appliance: what its modules share. One instance, made by main(), passed as an argument;
 * each module has its own header and its own struct, of which this holds the pointer.
 *
 * Who runs what :
 *   main lcore     start and stop, then the shell (-i) or the wait for a signal;
 *   control lcore  the loop: every descriptor, timer, session, key and operation; everything below
 *                  that is not marked otherwise belongs to it;
 *   data lcores    lcore_data.c; they meet control only through lib/xcore and lib/dp.
 *
 * Order of start (main.c): options, log, checks, limits, secret memory, EAL; then on the control
 * lcore (lcore_ctl.c): clock, data plane, netlink, sockets, operations, configuration file, drop
 * of privileges. Stop goes the same way back.
 */
#ifndef TW_APP_H
#define TW_APP_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "lcore_data.h"
#include "log.h"
#include "loop.h"
#include "options.h"
#include "privs.h"

#define TW_APP_LCORES_MAX 128
#define TW_APP_DIR_SIZE   96

struct tw_clocks;    /* clocks.h */
struct tw_config;    /* config.h */
struct tw_ctl_io;    /* io_ctl.h */
struct tw_hold;      /* hold.h */
struct tw_ike_io;    /* io_ike.h */
struct tw_kdf_pool;  /* kdf_pool.h */
struct tw_keyring;   /* lib/crypto */
struct tw_netlink;   /* netlink.h */
struct tw_ports;     /* ports.h */
struct tw_rpc_io;    /* io_rpc.h */
struct tw_sessions;  /* sessions.h */
struct tw_shell;     /* shell.h */
struct tw_telemetry; /* telemetry.h */
struct tw_tests;     /* test_run.h */
struct tw_simwire;   /* simwire.h */
struct tw_dp;        /* lib/dp */

/* How far the control lcore is. */
enum tw_app_state {
	TW_APP_STARTING = 1,
	TW_APP_LOADING,    /* operations are served to main: the configuration is being loaded */
	TW_APP_GOING_LIVE, /* loaded; w: main */
	TW_APP_RUNNING,
	TW_APP_FAILED, /* start failed; app->failure says why */
	TW_APP_STOPPED,
	TW_APP_STATE_N
};

struct tw_app {
	/* written by main before other threads start, then read by all */
	struct tw_options options;
	struct tw_privs privs;
	char dir[TW_APP_DIR_SIZE]; /* RUN_DIR/NAME: sockets of this appliance */
	unsigned ctl_lcore;
	unsigned data_lcores[TW_APP_LCORES_MAX];
	unsigned data_lcore_cnt;
	struct tw_lcore_data_arg data_arg[TW_APP_LCORES_MAX];
	int eal_dir;           /* descriptor of DPDK's folder of sockets; 0: none */
	pthread_t main_thread; /* who takes the signals */
	int64_t start_utc_ns;

	/* between control and main */
	_Atomic int state; /* enum tw_app_state; w: control, GOING_LIVE: main  r: both */
	char failure[512]; /* w: control before FAILED  r: main after it */

	/* from control to the data lcores, relaxed */
	_Atomic int idle; /* enum tw_idle */

	/* control lcore */
	struct tw_loop loop;
	struct tw_config *config; /* main fills it before control starts */
	struct tw_clocks *clocks;
	struct tw_dp *dp;
	struct tw_ports *ports;
	struct tw_netlink *netlink;
	struct tw_simwire *simwire; /* NULL: no simulated wire */
	struct tw_hold *hold;
	struct tw_kdf_pool *kdf;
	struct tw_keyring *keys;
	struct tw_ike_io *ike;
	struct tw_sessions *sessions;
	struct tw_ctl_io *ctl_io;
	struct tw_tests *tests;
	struct tw_rpc_io *rpc;

	struct tw_shell *shell; /* main lcore */
	struct tw_telemetry *telemetry;
};

/** The appliance wants to end (operation system.stop, signal). Context: any thread. */
void tw_app_stop(struct tw_app *app);

#endif /* TW_APP_H */
