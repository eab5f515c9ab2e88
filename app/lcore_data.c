/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The loop of a data lcore: turn, count, housekeeping every 256 turns, idle as configured.
 */
#include "lcore_data.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <time.h>

#include "app.h"
#include "log.h"
#include "privs.h"
#include "tw_crypto.h"
#include "tw_dp.h"

#define HOUSEKEEP_TURNS 256U
/* Turns without work before the lcore gives way: the next packet of a burst is often near. */
#define IDLE_TURNS   16U
#define SLEEP_MAX_NS 50000
/* Below this a sleep costs more than it saves. */
#define SLEEP_MIN_NS 2000

static const char *const idle_names[TW_IDLE_N] = {
	[TW_IDLE_POLL] = "poll",
	[TW_IDLE_YIELD] = "yield",
	[TW_IDLE_SLEEP] = "sleep",
};

const char *
tw_idle_name(unsigned idle)
{
	return idle < TW_IDLE_N && idle_names[idle] != NULL ? idle_names[idle] : "?";
}

/*
 * All signals go to main. Above all the real-time signals of net_tap, one per frame, which would
 * interrupt the loop.
 */
static void
thread_prepare(void)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, NULL);
	tw_log_forbid();
	prctl(PR_SET_TIMERSLACK, 1UL, 0UL, 0UL, 0UL);
}

static void
sleep_some(struct tw_dp_lcore *lc)
{
	struct timespec ts = {.tv_sec = 0};
	int64_t ns = tw_dp_idle_ns(lc, SLEEP_MAX_NS);

	if (ns < SLEEP_MIN_NS)
		return;
	ts.tv_nsec = (long)ns;
	tw_dp_offline(lc);
	nanosleep(&ts, NULL);
	tw_dp_online(lc);
	tw_dp_housekeep(lc);
}

static void
idle(struct tw_dp_lcore *lc, int how)
{
	if (how == TW_IDLE_SLEEP)
		sleep_some(lc);
	else if (how == TW_IDLE_YIELD)
		sched_yield();
}

int
tw_lcore_data_main(void *arg)
{
	struct tw_lcore_data_arg *a = arg;
	struct tw_dp_lcore *lc = tw_dp_lcore_at(a->app->dp, a->idx);
	unsigned turns = 0, idle_turns = 0;
	int how = TW_IDLE_YIELD;
	int ret;

	thread_prepare();
	ret = tw_dp_enter(lc);
	if (ret != 0)
		return ret;
	tw_privs_drop_thread(); /* locking the stack needed CAP_IPC_LOCK */
	while (!tw_dp_is_stopping(lc)) {
		if (tw_dp_turn(lc) > 0) {
			idle_turns = 0;
		} else if (++idle_turns >= IDLE_TURNS) {
			idle_turns = 0;
			tw_crypto_scrub_registers();
			idle(lc, how);
		}
		if (++turns % HOUSEKEEP_TURNS == 0) {
			tw_dp_housekeep(lc);
			how = atomic_load_explicit(&a->app->idle, memory_order_relaxed);
			if (tw_spinner_is_asked(&a->spinner)) {
				tw_dp_offline(lc);
				tw_spinner_run(&a->spinner, a->spin_limit_tsc);
				tw_dp_online(lc);
			}
		}
	}
	tw_dp_leave(lc);
	return 0;
}
