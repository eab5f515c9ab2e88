/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The event loop of the control lcore: descriptors (epoll), timers and one tick of at most a
 * millisecond in which the rings of the data lcores are drained.
 *
 * One thread runs the loop and calls everything here; only tw_loop_stop() and tw_loop_wake() may
 * be called from others. Handlers run on the loop's thread and must not block. Watchers and
 * timers live in the caller's memory: arming a timer never allocates and never fails, and a
 * handler may remove or free any watcher or timer, its own as well.
 */
#ifndef TW_LOOP_H
#define TW_LOOP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

/* Descriptors reported in one turn; the rest is reported in the next. */
#define TW_LOOP_EVENTS_MAX 256
/* Timers that may fire in one turn, so that descriptors are never starved. */
#define TW_LOOP_TIMERS_MAX 1024

typedef void (*tw_loop_fd_fn)(void *arg, uint32_t events);
typedef void (*tw_loop_timer_fn)(void *arg, int64_t now_ns);
typedef void (*tw_loop_tick_fn)(void *arg, int64_t now_ns);

/* A watched descriptor. `fd` is negative while it is not watched. */
struct tw_loop_fd {
	int fd;
	uint32_t events; /* EPOLLIN, EPOLLOUT wanted now */
	tw_loop_fd_fn fn;
	void *arg;
};

/* A timer: a node of a pairing heap. Zeroed memory is a timer that is not armed. */
struct tw_loop_timer {
	int64_t due_ns; /* on the clock of tw_loop_clock() */
	tw_loop_timer_fn fn;
	void *arg;
	bool is_armed;
	struct tw_loop_timer *child; /* first of the nodes below */
	struct tw_loop_timer *next;  /* right sibling */
	struct tw_loop_timer *prev;  /* left sibling, or the parent of a first child */
};

struct tw_loop {
	int epfd;
	struct tw_loop_fd wake; /* eventfd of tw_loop_wake() */
	struct tw_loop_timer *timers;
	int64_t now_ns;  /* of this turn */
	int64_t tick_ns; /* longest sleep */
	tw_loop_tick_fn tick;
	void *tick_arg;
	struct epoll_event ev[TW_LOOP_EVENTS_MAX];
	int ev_cnt; /* of this turn */
	_Atomic bool is_stopping;
};

/** Nanoseconds of CLOCK_MONOTONIC. Context: any thread. */
int64_t tw_loop_clock(void);

/**
 * Make a loop that calls @p tick every turn and sleeps at most @p tick_ns.
 * @return 0, or -errno; the loop is then unchanged
 */
int tw_loop_init(struct tw_loop *l, int64_t tick_ns, tw_loop_tick_fn tick, void *tick_arg);

/** Close what tw_loop_init() opened. Watched descriptors belong to their owners. */
void tw_loop_fini(struct tw_loop *l);

/** Run until tw_loop_stop(). Context: the loop's thread. */
void tw_loop_run(struct tw_loop *l);

/** One turn that sleeps at most @p wait_ns. Context: the loop's thread. */
void tw_loop_turn(struct tw_loop *l, int64_t wait_ns);

/** Ask the loop to return from tw_loop_run(). Context: any thread, also a signal handler. */
void tw_loop_stop(struct tw_loop *l);

/** End the sleep of the loop early. Context: any thread, also a signal handler. */
void tw_loop_wake(struct tw_loop *l);

/**
 * Watch @p fd for @p events.
 * @return 0, or -errno and @p w->fd is negative
 */
int tw_loop_fd_add(struct tw_loop *l, struct tw_loop_fd *w, int fd, uint32_t events,
	tw_loop_fd_fn fn, void *arg);

/** Change what is wanted; no system call if nothing changes. */
int tw_loop_fd_want(struct tw_loop *l, struct tw_loop_fd *w, uint32_t events);

/** Stop watching; the descriptor stays open. No call for it follows, also not in this turn. */
void tw_loop_fd_del(struct tw_loop *l, struct tw_loop_fd *w);

/** Arm or re-arm a timer; one in the past fires in the next turn. */
void tw_loop_timer_set(
	struct tw_loop *l, struct tw_loop_timer *t, int64_t due_ns, tw_loop_timer_fn fn, void *arg);

/** Disarm; fine if it is not armed. */
void tw_loop_timer_del(struct tw_loop *l, struct tw_loop_timer *t);

#endif /* TW_LOOP_H */
