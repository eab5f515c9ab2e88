/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The mailbox between a thread that asks and the control lcore.
 */
#include "ask.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

/* How often a wait looks whether the appliance still lives, and how often it may be idle. */
#define WAIT_MS 100
#define IDLE_MS 10

/* Who may write next stands behind each. */
enum box {
	BOX_IDLE = 1, /* asking thread */
	BOX_ASKED,    /* control */
	BOX_DONE,     /* asking thread */
};

static void
ring(int fd)
{
	uint64_t one = 1;

	while (write(fd, &one, sizeof(one)) < 0 && errno == EINTR)
		;
}

static void
unring(int fd)
{
	uint64_t n;

	while (read(fd, &n, sizeof(n)) < 0 && errno == EINTR)
		;
}

/* ---- control lcore ---- */

static void
done(struct tw_ask *a, struct tw_out *out, int res)
{
	a->answer(a->arg, out, res);
	a->res = res;
	a->call = NULL;
	atomic_store_explicit(&a->box, BOX_DONE, memory_order_release);
	ring(a->done_fd);
}

static void
on_done(void *arg, struct tw_out *out, int res)
{
	done(arg, out, res);
}

static void
on_ask(void *arg, uint32_t events)
{
	struct tw_ask *a = arg;

	(void)events;
	unring(a->ask_fd);
	if (atomic_load_explicit(&a->box, memory_order_acquire) != BOX_ASKED)
		return;
	if (a->call == NULL)
		a->call = tw_op_start(a->app, a->op, a->args, &a->caller, on_done, a);
	if (a->call == NULL || !atomic_load_explicit(&a->is_interrupted, memory_order_acquire))
		return;
	tw_op_abandon(a->call);
	done(a, NULL, -ECANCELED);
}

int
tw_ask_attach(struct tw_ask *a)
{
	int res = tw_loop_fd_add(&a->app->loop, &a->watch, a->ask_fd, EPOLLIN, on_ask, a);

	a->is_attached = res == 0;
	return res;
}

void
tw_ask_detach(struct tw_ask *a)
{
	if (!a->is_attached)
		return;
	a->is_attached = false;
	tw_loop_fd_del(&a->app->loop, &a->watch);
	if (atomic_load_explicit(&a->box, memory_order_acquire) != BOX_ASKED)
		return;
	if (a->call != NULL)
		tw_op_abandon(a->call);
	done(a, NULL, -ESHUTDOWN);
}

/* ---- the asking thread ---- */

int
tw_ask_init(struct tw_ask *a, struct tw_app *app, unsigned privilege, struct tw_args *args,
	tw_ask_answer_fn answer, void *arg)
{
	memset(a, 0, sizeof(*a));
	a->app = app;
	a->caller.privilege = privilege;
	a->args = args;
	a->answer = answer;
	a->arg = arg;
	a->watch.fd = -1;
	atomic_init(&a->box, BOX_IDLE);
	a->ask_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	a->done_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (a->ask_fd >= 0 && a->done_fd >= 0)
		return 0;
	tw_ask_fini(a);
	return -EMFILE;
}

void
tw_ask_fini(struct tw_ask *a)
{
	if (a->ask_fd >= 0)
		close(a->ask_fd);
	if (a->done_fd >= 0)
		close(a->done_fd);
	a->ask_fd = -1;
	a->done_fd = -1;
}

/* Control has ended (it answers what waits before that). */
static bool
is_dead(struct tw_ask *a)
{
	int state = atomic_load_explicit(&a->app->state, memory_order_acquire);

	return state == TW_APP_STOPPED || state == TW_APP_FAILED;
}

int
tw_ask_run(struct tw_ask *a, const struct tw_op *op, tw_ask_idle_fn idle, void *idle_arg)
{
	struct pollfd p = {.fd = a->done_fd, .events = POLLIN};

	a->op = op;
	atomic_store_explicit(&a->is_interrupted, false, memory_order_relaxed);
	atomic_store_explicit(&a->box, BOX_ASKED, memory_order_release);
	ring(a->ask_fd);
	while (atomic_load_explicit(&a->box, memory_order_acquire) != BOX_DONE) {
		if (is_dead(a))
			return -ESHUTDOWN;
		if (idle != NULL)
			idle(idle_arg);
		poll(&p, 1, idle != NULL ? IDLE_MS : WAIT_MS);
	}
	unring(a->done_fd);
	atomic_store_explicit(&a->box, BOX_IDLE, memory_order_relaxed);
	return a->res;
}

void
tw_ask_interrupt(struct tw_ask *a)
{
	atomic_store_explicit(&a->is_interrupted, true, memory_order_release);
	ring(a->ask_fd);
}
