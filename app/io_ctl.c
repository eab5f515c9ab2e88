/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Server side of TWAMP-Control over TCP. What the machine says outside a call about a connection
 * (a key was derived, a timer ran) comes by `wake`: the connection is put on a list and looked at
 * when the call has returned.
 */
#include "io_ctl.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app.h"
#include "idtab.h"
#include "io_ike.h"
#include "kdf_pool.h"
#include "netlink.h"
#include "sessions.h"

#define SYN_SIZE_MAX 512

struct conn {
	alignas(16) struct tw_io_pipe pipe; /* so that the machine behind it is aligned */
	struct tw_ctl_io *io;
	TAILQ_ENTRY(conn) woken;
	bool is_woken;
	uint32_t id;
	/* the machine follows */
};

TAILQ_HEAD(conn_queue, conn);

struct tw_ctl_io {
	struct tw_app *app;
	struct tw_ctl_srv *srv;
	struct tw_loop_timer timer; /* deadline of the server machine */
	struct tw_loop_timer wake;
	struct conn_queue woken;
	struct tw_idtab conns;
	struct tw_io_listen listeners;
	bool is_listen_decided;
};

static void conn_run(struct conn *c, uint32_t events);
static void deadline_follow(struct tw_ctl_io *io);

static struct tw_ctl_conn *
machine_of(struct conn *c)
{
	return (struct tw_ctl_conn *)(void *)(c + 1);
}

/* ---- the machine's calls ---- */

static bool
ops_random(void *app, void *out, size_t len)
{
	(void)app;
	return tw_crypto_random(out, len) == 0;
}

static struct tw_secret *
ops_key(void *app, const struct tw_keyring_id *id, bool *is_known)
{
	return tw_keyring_find(((struct tw_app *)app)->keys, id, is_known);
}

static bool
ops_kdf(void *app, struct tw_ctl_kdf_job *job)
{
	return tw_kdf_pool_put(((struct tw_app *)app)->kdf, job);
}

static bool
ops_has_keys(void *app)
{
	return tw_keyring_count(((struct tw_app *)app)->keys) > 0;
}

static bool
ops_is_local(void *app, const struct tw_addr *addr)
{
	return tw_netlink_is_local(((struct tw_app *)app)->netlink, addr);
}

static bool
ops_offers_ike(void *app, const struct tw_addr *peer)
{
	return tw_ike_io_offers(((struct tw_app *)app)->ike, peer);
}

static enum tw_ctl_ike
ops_ike_key(void *app, const uint8_t spis[TW_CTL_SPIS_LEN], const struct tw_addr *peer,
	struct tw_secret **secret)
{
	return tw_ike_io_server_key(((struct tw_app *)app)->ike, spis, peer, secret);
}

static void
on_wake(void *arg, int64_t now_ns)
{
	struct tw_ctl_io *io = arg;
	struct conn *c;

	(void)now_ns;
	while ((c = TAILQ_FIRST(&io->woken)) != NULL) {
		TAILQ_REMOVE(&io->woken, c, woken);
		c->is_woken = false;
		conn_run(c, 0);
	}
	deadline_follow(io);
}

static void
ops_wake(void *app, struct tw_ctl_conn *conn, void *user)
{
	struct conn *c = user;

	(void)app;
	(void)conn;
	if (c->is_woken)
		return;
	c->is_woken = true;
	TAILQ_INSERT_TAIL(&c->io->woken, c, woken);
	if (!c->io->wake.is_armed)
		tw_loop_timer_set(&c->io->app->loop, &c->io->wake, tw_loop_clock(), on_wake, c->io);
}

static void
ops_note(void *app, const struct tw_ctl_conn *conn, const struct tw_ctl_reason *reason)
{
	char text[TW_CTL_REASON_SIZE], addr[TW_ADDR_STR_SIZE], spis[TW_CTL_SPIS_SIZE];
	char where[TW_ADDR_STR_SIZE + TW_CTL_SPIS_SIZE + 32];
	enum tw_log_level level = TW_LOG_WARNING;
	struct tw_ctl_conn_info info;

	(void)app;
	if (reason->why == TW_CTL_WHY_PEER_CLOSED || reason->why == TW_CTL_WHY_ABORTED)
		level = TW_LOG_DEBUG;
	if (!tw_log_is_shown(TW_LOG_CONTROL, level))
		return;
	tw_ctl_conn_info_get(conn, &info);
	snprintf(where, sizeof(where), "%s port %u%s%s", tw_addr_str(&info.peer, addr),
		info.peer_port, info.has_spis ? " SPIs " : "",
		info.has_spis ? tw_ctl_spis_str(info.spis, spis) : "");
	tw_log(TW_LOG_CONTROL, level, "%s", tw_ctl_reason_str(reason, where, text, sizeof(text)));
}

static const struct tw_ctl_srv_ops srv_ops = {
	.common = {.random = ops_random, .key = ops_key, .kdf = ops_kdf},
	.has_keys = ops_has_keys,
	.is_local = ops_is_local,
	.reserve = tw_sessions_reserve,
	.start = tw_sessions_start,
	.stop = tw_sessions_stop,
	.release = tw_sessions_release,
	.wake = ops_wake,
	.offers_ike = ops_offers_ike,
	.ike_key = ops_ike_key,
	.note = ops_note,
};

/* ---- connections ---- */

static size_t
pipe_want(const void *m)
{
	return tw_ctl_conn_want(m);
}

static void
pipe_input(void *m, const void *octets, size_t len, struct tw_ctl_time now)
{
	tw_ctl_conn_input(m, octets, len, now);
}

static void
pipe_eof(void *m, struct tw_ctl_time now)
{
	tw_ctl_conn_eof(m, now);
}

static void
pipe_lost(void *m, struct tw_ctl_time now)
{
	tw_ctl_conn_lost(m, now);
}

static const uint8_t *
pipe_output(const void *m, size_t *len)
{
	return tw_ctl_conn_output(m, len);
}

static void
pipe_sent(void *m, size_t len, struct tw_ctl_time now)
{
	tw_ctl_conn_sent(m, len, now);
}

static bool
pipe_is_done(const void *m)
{
	return tw_ctl_conn_is_done(m);
}

static const struct tw_io_pipe_ops pipe_ops = {
	.want = pipe_want,
	.input = pipe_input,
	.eof = pipe_eof,
	.lost = pipe_lost,
	.output = pipe_output,
	.sent = pipe_sent,
	.is_done = pipe_is_done,
};

static void
conn_close(struct conn *c)
{
	struct tw_ctl_io *io = c->io;
	int fd = c->pipe.w.fd;

	tw_loop_fd_del(&io->app->loop, &c->pipe.w);
	close(fd);
	tw_ctl_conn_fini(machine_of(c), tw_ctl_io_time(io->app));
	if (c->is_woken)
		TAILQ_REMOVE(&io->woken, c, woken);
	tw_idtab_remove(&io->conns, c->id);
	free(c);
}

static void
conn_run(struct conn *c, uint32_t events)
{
	if (tw_io_pipe_run(&c->pipe, events))
		conn_close(c);
}

static void
on_conn(void *arg, uint32_t events)
{
	struct conn *c = arg;
	struct tw_ctl_io *io = c->io;

	conn_run(c, events);
	deadline_follow(io);
}

/* The DSCP of the client's SYN marks the whole connection (PROTOCOL.md 1.2). */
static void
dscp_follow(int fd, uint8_t family)
{
	uint8_t syn[SYN_SIZE_MAX];
	socklen_t len = sizeof(syn);
	uint8_t dscp;

	if (getsockopt(fd, IPPROTO_TCP, TCP_SAVED_SYN, syn, &len) != 0 || len < 2)
		return;
	if (syn[0] >> 4 == 4)
		dscp = syn[1] >> 2;
	else
		dscp = (uint8_t)((syn[0] << 4 | syn[1] >> 4) & 0xFF) >> 2;
	if (dscp != 0)
		tw_io_tcp_dscp(fd, family, dscp);
}

static void
conn_accept(struct tw_ctl_io *io, int fd, const struct tw_addr *peer, uint16_t peer_port)
{
	struct conn *c = calloc(1, sizeof(*c) + tw_ctl_conn_size());
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);
	struct tw_addr local;
	uint16_t local_port;

	if (c == NULL || getsockname(fd, (struct sockaddr *)&sa, &len) != 0 ||
		!tw_io_sockaddr_read(&sa, &local, &local_port))
		goto drop;
	c->id = tw_idtab_add(&io->conns, c);
	if (c->id == 0)
		goto drop;
	c->io = io;
	c->pipe.app = io->app;
	c->pipe.ops = &pipe_ops;
	c->pipe.machine = machine_of(c);
	if (tw_loop_fd_add(&io->app->loop, &c->pipe.w, fd, EPOLLIN, on_conn, c) != 0) {
		tw_idtab_remove(&io->conns, c->id);
		goto drop;
	}
	dscp_follow(fd, local.family);
	tw_ctl_conn_open(
		io->srv, machine_of(c), peer, peer_port, &local, c, tw_ctl_io_time(io->app));
	conn_run(c, 0);
	return;
drop:
	free(c);
	close(fd);
}

/* ---- listening ---- */

static void
on_accepted(void *arg, int fd, const struct tw_addr *peer, uint16_t peer_port)
{
	conn_accept(arg, fd, peer, peer_port);
}

static void
on_turn_over(void *arg)
{
	deadline_follow(arg);
}

static const struct tw_io_listen_ops listen_ops = {
	.accepted = on_accepted,
	.turn_over = on_turn_over,
};

struct tw_io_listen *
tw_ctl_io_listeners(struct tw_ctl_io *io)
{
	return &io->listeners;
}

void
tw_ctl_io_listen_decided(struct tw_ctl_io *io)
{
	io->is_listen_decided = true;
}

bool
tw_ctl_io_is_listen_decided(const struct tw_ctl_io *io)
{
	return io->is_listen_decided;
}

int
tw_ctl_io_listen_default(struct tw_ctl_io *io, char *err, size_t err_size)
{
	static const struct tw_addr any4 = {.family = TW_ADDR_V4}, any6 = {.family = TW_ADDR_V6};
	int ret;

	if (io->is_listen_decided)
		return 0;
	ret = tw_io_listen_add(&io->listeners, &any4, TW_CTL_PORT, err, err_size);
	if (ret != 0)
		return ret;
	ret = tw_io_listen_add(&io->listeners, &any6, TW_CTL_PORT, err, err_size);
	/* a host without IPv6 is a host */
	return ret == -EAFNOSUPPORT || ret == -EADDRNOTAVAIL ? 0 : ret;
}

/* ---- the server ---- */

static void
on_deadline(void *arg, int64_t now_ns)
{
	struct tw_ctl_io *io = arg;

	(void)now_ns;
	tw_ctl_srv_timer(io->srv, tw_ctl_io_time(io->app));
	deadline_follow(io);
}

static void
deadline_follow(struct tw_ctl_io *io)
{
	int64_t due = tw_ctl_srv_deadline(io->srv);

	if (due == TW_CTL_NO_DEADLINE)
		tw_loop_timer_del(&io->app->loop, &io->timer);
	else if (!io->timer.is_armed || io->timer.due_ns != due)
		tw_loop_timer_set(&io->app->loop, &io->timer, due, on_deadline, io);
}

struct tw_ctl_io *
tw_ctl_io_new(struct tw_app *app, char *err, size_t err_size)
{
	struct tw_ctl_io *io = calloc(1, sizeof(*io));
	struct tw_ctl_srv_cfg cfg;
	int ret = -ENOMEM;

	if (io == NULL)
		goto fail;
	io->app = app;
	TAILQ_INIT(&io->woken);
	tw_io_listen_init(&io->listeners, app, &listen_ops, io);
	io->srv = calloc(1, tw_ctl_srv_size());
	if (io->srv == NULL)
		goto fail;
	tw_ctl_srv_cfg_init(&cfg);
	ret = tw_ctl_srv_init(io->srv, &cfg, &srv_ops, app, tw_ctl_io_time(app));
	if (ret == 0)
		return io;
	free(io->srv);
fail:
	free(io);
	snprintf(err, err_size, "cannot make the TWAMP-Control server: %s", strerror(-ret));
	return NULL;
}

void
tw_ctl_io_free(struct tw_ctl_io *io)
{
	struct conn *c;
	uint32_t id;

	if (io == NULL)
		return;
	tw_io_listen_fini(&io->listeners);
	for (id = 0; (c = tw_idtab_next(&io->conns, &id)) != NULL; id++)
		conn_close(c);
	tw_loop_timer_del(&io->app->loop, &io->timer);
	tw_loop_timer_del(&io->app->loop, &io->wake);
	tw_ctl_srv_fini(io->srv);
	free(io->srv);
	tw_idtab_fini(&io->conns);
	free(io);
}

struct tw_ctl_srv *
tw_ctl_io_srv(struct tw_ctl_io *io)
{
	return io->srv;
}

const struct tw_ctl_srv_cfg *
tw_ctl_io_cfg(const struct tw_ctl_io *io)
{
	return tw_ctl_srv_cfg_get(io->srv);
}

int
tw_ctl_io_configure(
	struct tw_ctl_io *io, const struct tw_ctl_srv_cfg *cfg, char *err, size_t err_size)
{
	int ret = tw_ctl_srv_cfg_check(cfg, err, err_size);

	if (ret != 0)
		return ret;
	ret = tw_ctl_srv_set_cfg(io->srv, cfg);
	if (ret != 0)
		snprintf(err, err_size, "the server did not take the settings: %s", strerror(-ret));
	deadline_follow(io);
	return ret;
}

const struct tw_ctl_conn *
tw_ctl_io_conn_next(const struct tw_ctl_io *io, uint32_t *id)
{
	struct conn *c = tw_idtab_next(&io->conns, id);

	return c != NULL ? machine_of(c) : NULL;
}

int
tw_ctl_io_conn_abort(struct tw_ctl_io *io, uint32_t id)
{
	struct conn *c = tw_idtab_find(&io->conns, id);

	if (c == NULL)
		return -ENOENT;
	tw_ctl_conn_abort(machine_of(c), tw_ctl_io_time(io->app));
	conn_run(c, 0);
	deadline_follow(io);
	return 0;
}
