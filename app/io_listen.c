/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Listening sockets of the TWAMP-Control server. Without descriptors accepting pauses, so that the
 * loop does not spin on a backlog it cannot take.
 */
#include "io_listen.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app.h"
#include "event.h"
#include "io_pipe.h"
#include "log.h"

#define BACKLOG     4096
#define ACCEPTS_MAX 64                 /* of one listener in one turn */
#define PAUSE_NS    INT64_C(100000000) /* without descriptors: let some be closed */

void
tw_io_listen_init(
	struct tw_io_listen *set, struct tw_app *app, const struct tw_io_listen_ops *ops, void *arg)
{
	unsigned i;

	memset(set, 0, sizeof(*set));
	set->app = app;
	set->ops = ops;
	set->arg = arg;
	for (i = 0; i < TW_IO_LISTENERS_MAX; i++) {
		set->listener[i].set = set;
		set->listener[i].w.fd = -1;
	}
}

static void
on_pause_over(void *arg, int64_t now_ns)
{
	struct tw_io_listener *l = arg;

	(void)now_ns;
	tw_loop_fd_want(&l->set->app->loop, &l->w, EPOLLIN);
}

static void
on_listener(void *arg, uint32_t events)
{
	struct tw_io_listener *l = arg;
	struct sockaddr_storage sa;
	struct tw_addr peer;
	uint16_t peer_port;
	socklen_t len;
	unsigned i;
	int fd;

	(void)events;
	for (i = 0; i < ACCEPTS_MAX; i++) {
		len = sizeof(sa);
		fd = accept4(l->w.fd, (struct sockaddr *)&sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
		if (fd >= 0) {
			if (tw_io_sockaddr_read(&sa, &peer, &peer_port))
				l->set->ops->accepted(l->set->arg, fd, &peer, peer_port);
			else
				close(fd);
			continue;
		}
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			tw_log(TW_LOG_CONTROL, TW_LOG_ERROR,
				"cannot accept a connection: %s; raise the limit of open files "
				"(LimitNOFILE) or lower the limit conns",
				strerror(errno));
			tw_loop_fd_want(&l->set->app->loop, &l->w, 0);
			tw_loop_timer_set(&l->set->app->loop, &l->pause, tw_loop_clock() + PAUSE_NS,
				on_pause_over, l);
			break;
		}
		if (errno != ECONNABORTED && errno != EINTR)
			break;
	}
	l->set->ops->turn_over(l->set->arg);
}

static int
listen_open(const struct tw_addr *addr, uint16_t port)
{
	struct sockaddr_storage sa;
	int fd, on = 1, ret;
	unsigned len;

	fd = socket(addr->family == TW_ADDR_V4 ? AF_INET : AF_INET6,
		SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	len = tw_io_sockaddr(addr, port, &sa, sizeof(sa));
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) == 0 &&
		(addr->family == TW_ADDR_V4 ||
			setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) == 0) &&
		setsockopt(fd, IPPROTO_TCP, TCP_SAVE_SYN, &on, sizeof(on)) == 0 &&
		bind(fd, (const struct sockaddr *)&sa, len) == 0) {
		tw_io_tcp_tune(fd); /* what is accepted inherits it */
		if (listen(fd, BACKLOG) == 0)
			return fd;
	}
	ret = -errno;
	close(fd);
	return ret;
}

static struct tw_io_listener *
listener_find(struct tw_io_listen *set, const struct tw_addr *addr, uint16_t port)
{
	unsigned i;

	for (i = 0; i < TW_IO_LISTENERS_MAX; i++)
		if (set->listener[i].w.fd >= 0 && set->listener[i].port == port &&
			tw_addr_equal(&set->listener[i].addr, addr))
			return &set->listener[i];
	return NULL;
}

static struct tw_io_listener *
listener_free_slot(struct tw_io_listen *set)
{
	unsigned i;

	for (i = 0; i < TW_IO_LISTENERS_MAX; i++)
		if (set->listener[i].w.fd < 0)
			return &set->listener[i];
	return NULL;
}

static void
listener_event(
	struct tw_io_listen *set, const struct tw_addr *addr, uint16_t port, bool is_listening)
{
	char text[TW_ADDR_STR_SIZE];
	struct tw_out *out;

	tw_log(TW_LOG_CONTROL, TW_LOG_NOTICE, "%s on %s port %u",
		is_listening ? "listening" : "no longer listening", tw_addr_str(addr, text), port);
	out = tw_event_begin(set->app, TW_EVENT_SERVER_STATE);
	tw_out_addr(out, "addr", addr);
	tw_out_u64(out, "port", port, NULL);
	tw_out_bool(out, "is_listening", is_listening);
	tw_event_send(set->app, out);
}

static void
listen_refusal(struct tw_io_listen *set, const struct tw_addr *addr, uint16_t port, int ret,
	char *err, size_t size)
{
	const struct tw_addr any = {.family = addr->family};
	const char *hint = "";
	char text[TW_ADDR_STR_SIZE];

	if (ret == -EADDRINUSE && listener_find(set, &any, port) != NULL)
		hint = "; this server listens on all addresses: unlisten that one first";
	else if (ret == -EADDRINUSE)
		hint = "; see who does (ss -ltnp)";
	else if (ret == -EADDRNOTAVAIL)
		hint = "; give the address to an interface first";
	snprintf(err, size, "cannot listen on %s port %u: %s%s", tw_addr_str(addr, text), port,
		strerror(-ret), hint);
}

int
tw_io_listen_add(struct tw_io_listen *set, const struct tw_addr *addr, uint16_t port, char *err,
	size_t err_size)
{
	struct tw_io_listener *l = listener_free_slot(set);
	char text[TW_ADDR_STR_SIZE];
	int fd, ret;

	if (listener_find(set, addr, port) != NULL) {
		snprintf(err, err_size, "already listening on %s port %u", tw_addr_str(addr, text),
			port);
		return -EEXIST;
	}
	if (l == NULL) {
		snprintf(err, err_size, "more than %d listening sockets", TW_IO_LISTENERS_MAX);
		return -ENOSPC;
	}
	fd = listen_open(addr, port);
	ret = fd < 0 ? fd : tw_loop_fd_add(&set->app->loop, &l->w, fd, EPOLLIN, on_listener, l);
	if (ret < 0) {
		if (fd >= 0)
			close(fd);
		listen_refusal(set, addr, port, ret, err, err_size);
		return ret;
	}
	l->addr = *addr;
	l->port = port;
	listener_event(set, addr, port, true);
	return 0;
}

static void
listener_close(struct tw_io_listen *set, struct tw_io_listener *l)
{
	int fd = l->w.fd;

	tw_loop_timer_del(&set->app->loop, &l->pause);
	tw_loop_fd_del(&set->app->loop, &l->w);
	close(fd);
}

int
tw_io_listen_remove(struct tw_io_listen *set, const struct tw_addr *addr, uint16_t port)
{
	struct tw_io_listener *l = listener_find(set, addr, port);

	if (l == NULL)
		return -ENOENT;
	listener_close(set, l);
	listener_event(set, addr, port, false);
	return 0;
}

void
tw_io_listen_fini(struct tw_io_listen *set)
{
	unsigned i;

	for (i = 0; i < TW_IO_LISTENERS_MAX; i++)
		if (set->listener[i].w.fd >= 0)
			listener_close(set, &set->listener[i]);
}

bool
tw_io_listen_at(const struct tw_io_listen *set, unsigned idx, struct tw_addr *addr, uint16_t *port)
{
	unsigned i;

	for (i = 0; i < TW_IO_LISTENERS_MAX; i++) {
		if (set->listener[i].w.fd < 0 || idx-- > 0)
			continue;
		*addr = set->listener[i].addr;
		*port = set->listener[i].port;
		return true;
	}
	return false;
}
