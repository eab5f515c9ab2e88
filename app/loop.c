/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The event loop. Timers form a pairing heap inside their owners' memory: 100,000 sessions arm
 * and disarm at the price of a few pointers, and there is no allocation that could fail.
 */
#include "loop.h"

#include <errno.h>
#include <stddef.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_S  INT64_C(1000000000)
#define NS_PER_MS INT64_C(1000000)

int64_t
tw_loop_clock(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

static struct tw_loop_timer *
heap_meld(struct tw_loop_timer *a, struct tw_loop_timer *b)
{
	struct tw_loop_timer *low;

	if (a == NULL)
		return b;
	if (b == NULL)
		return a;
	if (b->due_ns < a->due_ns) {
		low = a;
		a = b;
		b = low;
	}
	b->next = a->child;
	b->prev = a;
	if (a->child != NULL)
		a->child->prev = b;
	a->child = b;
	a->next = NULL;
	a->prev = NULL;
	return a;
}

/* Meld a list of siblings: pairs from left to right, then the pairs from right to left. */
static struct tw_loop_timer *
heap_meld_siblings(struct tw_loop_timer *first)
{
	struct tw_loop_timer *pairs = NULL, *root = NULL, *a, *b, *rest;

	for (; first != NULL; first = rest) {
		a = first;
		b = a->next;
		rest = b != NULL ? b->next : NULL;
		a->next = a->prev = NULL;
		if (b != NULL)
			b->next = b->prev = NULL;
		a = heap_meld(a, b);
		a->next = pairs;
		pairs = a;
	}
	for (; pairs != NULL; pairs = rest) {
		rest = pairs->next;
		pairs->next = NULL;
		root = heap_meld(root, pairs);
	}
	return root;
}

static void
heap_remove(struct tw_loop *l, struct tw_loop_timer *t)
{
	struct tw_loop_timer *below = heap_meld_siblings(t->child);

	if (t == l->timers) {
		l->timers = below;
	} else {
		if (t->prev->child == t)
			t->prev->child = t->next;
		else
			t->prev->next = t->next;
		if (t->next != NULL)
			t->next->prev = t->prev;
		l->timers = heap_meld(l->timers, below);
	}
	t->child = t->next = t->prev = NULL;
	t->is_armed = false;
}

void
tw_loop_timer_set(
	struct tw_loop *l, struct tw_loop_timer *t, int64_t due_ns, tw_loop_timer_fn fn, void *arg)
{
	if (t->is_armed)
		heap_remove(l, t);
	t->due_ns = due_ns;
	t->fn = fn;
	t->arg = arg;
	t->child = t->next = t->prev = NULL;
	t->is_armed = true;
	l->timers = heap_meld(l->timers, t);
}

void
tw_loop_timer_del(struct tw_loop *l, struct tw_loop_timer *t)
{
	if (t->is_armed)
		heap_remove(l, t);
}

int
tw_loop_fd_add(struct tw_loop *l, struct tw_loop_fd *w, int fd, uint32_t events, tw_loop_fd_fn fn,
	void *arg)
{
	struct epoll_event ev = {.events = events, .data.ptr = w};

	w->fd = -1;
	if (epoll_ctl(l->epfd, EPOLL_CTL_ADD, fd, &ev) != 0)
		return -errno;
	*w = (struct tw_loop_fd){.fd = fd, .events = events, .fn = fn, .arg = arg};
	return 0;
}

int
tw_loop_fd_want(struct tw_loop *l, struct tw_loop_fd *w, uint32_t events)
{
	struct epoll_event ev = {.events = events, .data.ptr = w};

	if (w->events == events)
		return 0;
	if (epoll_ctl(l->epfd, EPOLL_CTL_MOD, w->fd, &ev) != 0)
		return -errno;
	w->events = events;
	return 0;
}

void
tw_loop_fd_del(struct tw_loop *l, struct tw_loop_fd *w)
{
	int i;

	if (w->fd < 0)
		return;
	epoll_ctl(l->epfd, EPOLL_CTL_DEL, w->fd, NULL);
	w->fd = -1;
	/* an event of this turn may still name the watcher, whose memory may go away now */
	for (i = 0; i < l->ev_cnt; i++)
		if (l->ev[i].data.ptr == w)
			l->ev[i].data.ptr = NULL;
}

static void
on_wake(void *arg, uint32_t events)
{
	struct tw_loop *l = arg;
	uint64_t cnt;

	(void)events;
	if (read(l->wake.fd, &cnt, sizeof(cnt)) < 0)
		return; /* nothing to take: somebody else's turn already did */
}

void
tw_loop_wake(struct tw_loop *l)
{
	uint64_t one = 1;

	if (write(l->wake.fd, &one, sizeof(one)) < 0)
		return; /* the counter is full: the loop is awake already */
}

int
tw_loop_init(struct tw_loop *l, int64_t tick_ns, tw_loop_tick_fn tick, void *tick_arg)
{
	int epfd, evfd, ret;

	epfd = epoll_create1(EPOLL_CLOEXEC);
	if (epfd < 0)
		return -errno;
	evfd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (evfd < 0) {
		ret = -errno;
		goto close_epoll;
	}
	l->epfd = epfd;
	l->timers = NULL;
	l->tick_ns = tick_ns;
	l->tick = tick;
	l->tick_arg = tick_arg;
	l->ev_cnt = 0;
	l->now_ns = tw_loop_clock();
	atomic_init(&l->is_stopping, false);
	ret = tw_loop_fd_add(l, &l->wake, evfd, EPOLLIN, on_wake, l);
	if (ret == 0)
		return 0;
	close(evfd);
close_epoll:
	close(epfd);
	return ret;
}

void
tw_loop_fini(struct tw_loop *l)
{
	int evfd = l->wake.fd;

	tw_loop_fd_del(l, &l->wake);
	close(evfd);
	close(l->epfd);
	l->epfd = -1;
}

static void
run_timers(struct tw_loop *l)
{
	struct tw_loop_timer *t;
	unsigned i;

	for (i = 0; i < TW_LOOP_TIMERS_MAX; i++) {
		t = l->timers;
		if (t == NULL || t->due_ns > l->now_ns)
			break;
		heap_remove(l, t);
		t->fn(t->arg, l->now_ns);
	}
}

/* Milliseconds to sleep, rounded up: a timer must not spin through the last fraction. */
static int
sleep_ms(const struct tw_loop *l, int64_t wait_ns)
{
	int64_t ns = wait_ns;

	if (l->timers != NULL && l->timers->due_ns - tw_loop_clock() < ns)
		ns = l->timers->due_ns - tw_loop_clock();
	if (ns <= 0)
		return 0;
	return (int)((ns + NS_PER_MS - 1) / NS_PER_MS);
}

void
tw_loop_turn(struct tw_loop *l, int64_t wait_ns)
{
	struct tw_loop_fd *w;
	int i, cnt;

	cnt = epoll_wait(l->epfd, l->ev, TW_LOOP_EVENTS_MAX, sleep_ms(l, wait_ns));
	l->now_ns = tw_loop_clock();
	l->ev_cnt = cnt > 0 ? cnt : 0;
	for (i = 0; i < l->ev_cnt; i++) {
		w = l->ev[i].data.ptr;
		if (w != NULL && w->fd >= 0)
			w->fn(w->arg, l->ev[i].events);
	}
	l->ev_cnt = 0;
	run_timers(l);
	if (l->tick != NULL)
		l->tick(l->tick_arg, l->now_ns);
}

void
tw_loop_run(struct tw_loop *l)
{
	while (!atomic_load_explicit(&l->is_stopping, memory_order_relaxed))
		tw_loop_turn(l, l->tick_ns);
}

void
tw_loop_stop(struct tw_loop *l)
{
	atomic_store_explicit(&l->is_stopping, true, memory_order_relaxed);
	tw_loop_wake(l);
}
