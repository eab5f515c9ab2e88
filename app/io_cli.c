/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Client side of TWAMP-Control over TCP. Everything that may call the owner runs from the loop, so
 * that a callback never meets a caller half way.
 */
#include "io_cli.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app.h"
#include "io_ctl.h"
#include "io_pipe.h"
#include "kdf_pool.h"

#define WHERE_SIZE (TW_ADDR_STR_SIZE + 16)

struct tw_io_cli {
	alignas(16) struct tw_io_pipe pipe; /* so that the machine behind it is aligned */
	struct tw_app *app;
	struct tw_io_cli_cfg cfg;
	const struct tw_io_cli_ops *ops;
	void *arg;
	struct tw_loop_timer deadline; /* of the connection attempt, then of the machine */
	struct tw_loop_timer kick;
	bool is_connected;
	bool is_closed; /* the owner is gone */
			/* the machine follows */
};

static void run(struct tw_io_cli *c, uint32_t events);
static void on_kick(void *arg, int64_t now_ns);

static struct tw_ctl_cli *
machine_of(struct tw_io_cli *c)
{
	return (struct tw_ctl_cli *)(void *)(c + 1);
}

struct tw_ctl_cli *
tw_io_cli_machine(struct tw_io_cli *c)
{
	return machine_of(c);
}

/* ---- the machine's calls ---- */

static bool
ops_random(void *app, void *out, size_t len)
{
	(void)app;
	return tw_crypto_random(out, len) == 0;
}

static struct tw_secret *
ops_key(void *arg, const struct tw_keyring_id *id, bool *is_known)
{
	struct tw_io_cli *c = arg;

	*is_known = false;
	return c->is_closed ? NULL : c->ops->key(c->arg, id, is_known);
}

static enum tw_ctl_ike
ops_ike_key(void *arg, const struct tw_addr *server, uint8_t spis[TW_CTL_SPIS_LEN],
	struct tw_secret **secret)
{
	struct tw_io_cli *c = arg;

	return c->is_closed ? TW_CTL_IKE_UNKNOWN : c->ops->ike_key(c->arg, server, spis, secret);
}

static bool
ops_kdf(void *arg, struct tw_ctl_kdf_job *job)
{
	struct tw_io_cli *c = arg;

	return tw_kdf_pool_put(c->app->kdf, job);
}

static void
ops_event(void *arg, struct tw_ctl_cli *cli, const struct tw_ctl_cli_event *event)
{
	struct tw_io_cli *c = arg;

	(void)cli;
	if (!c->is_closed)
		c->ops->event(c->arg, event);
}

static void
ops_wake(void *arg, struct tw_ctl_cli *cli)
{
	(void)cli;
	tw_io_cli_kick(arg);
}

static const struct tw_ctl_cli_ops cli_ops = {
	.common = {.random = ops_random, .key = ops_key, .kdf = ops_kdf},
	.event = ops_event,
	.ike_key = ops_ike_key,
	.wake = ops_wake,
};

static size_t
pipe_want(const void *m)
{
	return tw_ctl_cli_want(m);
}

static void
pipe_input(void *m, const void *octets, size_t len, struct tw_ctl_time now)
{
	tw_ctl_cli_input(m, octets, len, now);
}

static void
pipe_eof(void *m, struct tw_ctl_time now)
{
	tw_ctl_cli_eof(m, now);
}

static const uint8_t *
pipe_output(const void *m, size_t *len)
{
	return tw_ctl_cli_output(m, len);
}

static void
pipe_sent(void *m, size_t len, struct tw_ctl_time now)
{
	tw_ctl_cli_sent(m, len, now);
}

static bool
pipe_is_done(const void *m)
{
	return tw_ctl_cli_is_done(m);
}

static const struct tw_io_pipe_ops pipe_ops = {
	.want = pipe_want,
	.input = pipe_input,
	.eof = pipe_eof,
	.lost = pipe_eof,
	.output = pipe_output,
	.sent = pipe_sent,
	.is_done = pipe_is_done,
};

/* ---- life ---- */

static void
socket_close(struct tw_io_cli *c)
{
	int fd = c->pipe.w.fd;

	if (fd < 0)
		return;
	tw_loop_fd_del(&c->app->loop, &c->pipe.w);
	close(fd);
}

static void
destroy(struct tw_io_cli *c)
{
	tw_loop_timer_del(&c->app->loop, &c->deadline);
	tw_loop_timer_del(&c->app->loop, &c->kick);
	socket_close(c);
	if (c->is_connected)
		tw_ctl_cli_fini(machine_of(c));
	free(c);
}

/*
 * The owner is told nothing any more. What the machine still has to say (Stop-Sessions) is sent
 * first: the object lives on by itself until that is done or the machine's deadline for writing
 * is over.
 */
void
tw_io_cli_close(struct tw_io_cli *c)
{
	if (c == NULL)
		return;
	c->is_closed = true;
	if (c->is_connected && c->pipe.w.fd >= 0)
		tw_ctl_cli_close(machine_of(c), tw_ctl_io_time(c->app));
	if (!c->kick.is_armed)
		tw_loop_timer_set(&c->app->loop, &c->kick, tw_loop_clock(), on_kick, c);
}

void
tw_io_cli_abort(struct tw_io_cli *c)
{
	if (c == NULL)
		return;
	c->is_closed = true;
	if (c->is_connected && c->pipe.w.fd >= 0) {
		tw_ctl_cli_close(machine_of(c), tw_ctl_io_time(c->app));
		tw_io_pipe_run(&c->pipe, 0);
	}
	destroy(c);
}

static void
on_deadline(void *arg, int64_t now_ns)
{
	struct tw_io_cli *c = arg;

	(void)now_ns;
	tw_ctl_cli_timer(machine_of(c), tw_ctl_io_time(c->app));
	run(c, 0);
}

static void
on_kick(void *arg, int64_t now_ns)
{
	(void)now_ns;
	run(arg, 0);
}

void
tw_io_cli_kick(struct tw_io_cli *c)
{
	if (c->is_connected && !c->kick.is_armed)
		tw_loop_timer_set(&c->app->loop, &c->kick, tw_loop_clock(), on_kick, c);
}

/* Octets both ways, then the next deadline. May end in the object's end. */
static void
run(struct tw_io_cli *c, uint32_t events)
{
	int64_t due;

	if (c->is_connected && c->pipe.w.fd >= 0 && tw_io_pipe_run(&c->pipe, events))
		socket_close(c);
	if (c->is_closed && (!c->is_connected || c->pipe.w.fd < 0)) {
		destroy(c);
		return;
	}
	due = c->pipe.w.fd >= 0 ? tw_ctl_cli_deadline(machine_of(c)) : TW_CTL_NO_DEADLINE;
	if (due == TW_CTL_NO_DEADLINE)
		tw_loop_timer_del(&c->app->loop, &c->deadline);
	else
		tw_loop_timer_set(&c->app->loop, &c->deadline, due, on_deadline, c);
}

static void
on_ready(void *arg, uint32_t events)
{
	run(arg, events);
}

/* ---- connecting ---- */

static void
connect_failed(struct tw_io_cli *c, int res)
{
	char addr[TW_ADDR_STR_SIZE], why[TW_ADDR_STR_SIZE + 128];
	const char *hint = "check address and port, and filters on the way";

	if (res == -ECONNREFUSED)
		hint = "check that a TWAMP server listens there";
	else if (res == -ENETUNREACH || res == -EHOSTUNREACH)
		hint = "check the routes of both hosts (ip route get)";
	snprintf(why, sizeof(why), "no control connection to %s port %u: %s",
		tw_addr_str(&c->cfg.dst, addr), c->cfg.port,
		res == -ETIMEDOUT ? "no answer in time" : strerror(-res));
	tw_loop_timer_del(&c->app->loop, &c->deadline);
	socket_close(c);
	if (!c->is_closed)
		c->ops->failed(c->arg, res, why, hint);
}

static void
on_connect_timeout(void *arg, int64_t now_ns)
{
	(void)now_ns;
	connect_failed(arg, -ETIMEDOUT);
}

static void
on_connected(void *arg, uint32_t events)
{
	struct tw_io_cli *c = arg;
	struct sockaddr_storage sa;
	socklen_t len = sizeof(int);
	struct tw_addr local;
	uint16_t local_port;
	int res = 0;

	(void)events;
	/* let go of earlier in this turn: nobody would end what is set up now */
	if (c->is_closed) {
		destroy(c);
		return;
	}
	if (getsockopt(c->pipe.w.fd, SOL_SOCKET, SO_ERROR, &res, &len) != 0)
		res = errno;
	len = sizeof(sa);
	if (res == 0 && getsockname(c->pipe.w.fd, (struct sockaddr *)&sa, &len) != 0)
		res = errno;
	if (res != 0) {
		connect_failed(c, -res);
		return;
	}
	tw_io_sockaddr_read(&sa, &local, &local_port);
	res = tw_ctl_cli_open(
		machine_of(c), &c->cfg.cli, &cli_ops, c, &c->cfg.dst, tw_ctl_io_time(c->app));
	if (res != 0) {
		connect_failed(c, res);
		return;
	}
	c->is_connected = true;
	c->pipe.w.fn = on_ready;
	c->ops->connected(c->arg, &local);
	run(c, 0);
}

/* @return descriptor of a connection under way, or -errno */
static int
connect_begin(const struct tw_io_cli_cfg *cfg)
{
	struct sockaddr_storage sa;
	int fd, on = 1, ret = 0;
	unsigned len;

	fd = socket(cfg->dst.family == TW_ADDR_V4 ? AF_INET : AF_INET6,
		SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	tw_io_tcp_tune(fd);
	tw_io_tcp_dscp(fd, cfg->dst.family, cfg->dscp);
	if (!tw_addr_is_zero(&cfg->src) || cfg->src_port != 0) {
		struct tw_addr src = cfg->src;

		src.family = cfg->dst.family;
		len = tw_io_sockaddr(&src, cfg->src_port, &sa, sizeof(sa));
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		if (bind(fd, (const struct sockaddr *)&sa, len) != 0)
			ret = -errno;
	}
	len = tw_io_sockaddr(&cfg->dst, cfg->port, &sa, sizeof(sa));
	if (ret == 0 && connect(fd, (const struct sockaddr *)&sa, len) != 0 && errno != EINPROGRESS)
		ret = -errno;
	if (ret == 0)
		return fd;
	close(fd);
	return ret;
}

struct tw_io_cli *
tw_io_cli_open(struct tw_app *app, const struct tw_io_cli_cfg *cfg, const struct tw_io_cli_ops *ops,
	void *arg, char *why, size_t why_size)
{
	struct tw_io_cli *c = calloc(1, sizeof(*c) + tw_ctl_cli_size());
	char addr[TW_ADDR_STR_SIZE];
	int fd, ret;

	if (c == NULL) {
		snprintf(why, why_size, "no memory for a control connection");
		return NULL;
	}
	c->app = app;
	c->cfg = *cfg;
	c->ops = ops;
	c->arg = arg;
	c->pipe.app = app;
	c->pipe.ops = &pipe_ops;
	c->pipe.machine = machine_of(c);
	c->pipe.w.fd = -1;
	fd = connect_begin(cfg);
	ret = fd < 0 ? fd : tw_loop_fd_add(&app->loop, &c->pipe.w, fd, EPOLLOUT, on_connected, c);
	if (ret == 0) {
		tw_loop_timer_set(&app->loop, &c->deadline, tw_loop_clock() + cfg->connect_ns,
			on_connect_timeout, c);
		return c;
	}
	if (fd >= 0)
		close(fd);
	snprintf(why, why_size, "no control connection to %s port %u: %s",
		tw_addr_str(&cfg->dst, addr), cfg->port, strerror(-ret));
	free(c);
	errno = -ret;
	return NULL;
}
