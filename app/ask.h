/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * A mailbox through which another thread has an operation run on the control lcore and waits for
 * the answer: the shell on the main lcore, the telemetry thread of DPDK.
 *
 * One request at a time. The asking thread fills op and args, sets box to ASKED (release) and
 * rings ask_fd; control runs the operation, hands its output to the answer function, sets box to
 * DONE (release) and rings done_fd. An interrupt rings ask_fd again: control abandons what runs.
 */
#ifndef TW_ASK_H
#define TW_ASK_H

#include <stdatomic.h>
#include <stdbool.h>

#include "app.h"
#include "ops.h"

/**
 * The operation has ended: keep what is needed of the writer, which is freed afterwards.
 * @param out  NULL if there was no memory for one, or if the operation was abandoned
 * @param res  0 or -errno (-ECANCELED interrupted, -ESHUTDOWN the control lcore ends)
 * Context: control lcore; the asking thread waits.
 */
typedef void (*tw_ask_answer_fn)(void *arg, struct tw_out *out, int res);

/** Called by the asking thread now and then while it waits. */
typedef void (*tw_ask_idle_fn)(void *arg);

struct tw_ask {
	struct tw_app *app;
	struct tw_op_caller caller;
	tw_ask_answer_fn answer;
	void *arg;
	struct tw_args *args;   /* the asking thread's, control reads it while ASKED */
	const struct tw_op *op; /* same */
	_Atomic int box;
	_Atomic bool is_interrupted; /* w: asking thread  r: control */
	int res;                     /* w: control before DONE */
	int ask_fd;                  /* eventfd: to control */
	int done_fd;                 /* eventfd: from control */
	/* control lcore only */
	struct tw_loop_fd watch;
	struct tw_op_call *call; /* deferred */
	bool is_attached;
};

/**
 * @param args  where the asking thread puts the arguments of a request
 * @return 0 or -errno. Context: before control starts
 */
int tw_ask_init(struct tw_ask *a, struct tw_app *app, unsigned privilege, struct tw_args *args,
	tw_ask_answer_fn answer, void *arg);
void tw_ask_fini(struct tw_ask *a);

/** Serve requests on the loop of the appliance. @return 0 or -errno. Context: control lcore */
int tw_ask_attach(struct tw_ask *a);

/** Serve no more; a request that waits is told so. Context: control lcore. */
void tw_ask_detach(struct tw_ask *a);

/**
 * Run an operation on a->args and wait.
 * @param idle  may be NULL
 * @return result of the operation; -ESHUTDOWN if the control lcore is gone
 */
int tw_ask_run(struct tw_ask *a, const struct tw_op *op, tw_ask_idle_fn idle, void *idle_arg);

/** Have what runs abandoned. Context: the asking thread, from its idle function. */
void tw_ask_interrupt(struct tw_ask *a);

#endif /* TW_ASK_H */
