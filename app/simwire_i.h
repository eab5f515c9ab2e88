/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
#ifndef SIMWIRE_I_H
#define SIMWIRE_I_H

#include <pthread.h>

#include "app.h"
#include "gaps.h"
#include "loop.h"
#include "simwire.h"

#define CLEARS_MAX 4

/* A file being written by a thread of its own. */
struct dump {
	bool is_running;
	struct tw_op_call *call;
	pthread_t thread;
	FILE *out;
	FILE *gaps; /* or NULL */
	uint32_t cnt;
	_Atomic bool is_done; /* w: thread */
	bool has_failed;
};

struct tw_simwire {
	struct tw_app *app;
	struct tw_simwire_cfg cfg;
	struct tw_simdev *sim;
	int port_idx[TW_SIMDEV_ENDS]; /* negative: closed */
	uint16_t mtu;
	bool has_clock[TW_SIMDEV_ENDS];
	bool is_going;
	bool is_drained;

	struct tw_gaps *gaps;
	struct tw_spinner spinner;                    /* of the wire's lcore */
	struct tw_gaps *data_gaps[TW_APP_LCORES_MAX]; /* taken from lib/dp */
	uint64_t data_next[TW_APP_LCORES_MAX];        /* gap to be taken next */
	struct tw_loop_timer gap_timer;

	pthread_t thread;
	bool is_running;
	_Atomic bool stop; /* w: control  r: wire */

	struct tw_loop_timer timer; /* until a dump or the spinners are done */
	struct dump dump;
	struct tw_op_call *spin_call;
	struct tw_op_call *clear_call[CLEARS_MAX]; /* answered when the log is empty */
	unsigned clear_cnt;
};

/* simwire_file.c */
bool simwire_dump_poll(struct tw_simwire *w);
void simwire_dump_end(struct tw_simwire *w);

/** Look at what is under way, now and then. */
void simwire_watch(struct tw_simwire *w);

#endif /* SIMWIRE_I_H */
