/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The JSON socket: listening, accepting, octets in and out.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "config.h"
#include "io_rpc_i.h"
#include "tw_base.h"
#include "tw_crypto.h"

#define BACKLOG         256
#define ACCEPTS_A_TURN  32
#define ACCEPT_RETRY_NS 100000000

/* lib/rpc's line buffers, in secret memory: lines may hold passphrases. */
static char *
resize_lines(void *arg, char *old, size_t old_size, size_t keep, size_t size)
{
	char *p = NULL;

	(void)arg;
	if (size > 0) {
		p = tw_crypto_map(size);
		if (p == NULL)
			return NULL;
		if (keep > 0)
			memcpy(p, old, keep);
	}
	tw_crypto_unmap(old, old_size);
	return p;
}

static void
client_free(struct rpc_client *c)
{
	struct tw_loop *loop = &c->io->app->loop;
	int fd = c->watch.fd;

	rpc_calls_abandon(c);
	rpc_queue_clear(c);
	tw_rpc_lines_fini(&c->lines);
	tw_loop_timer_del(loop, &c->again);
	tw_loop_fd_del(loop, &c->watch);
	close(fd);
	LIST_REMOVE(c, link);
	c->io->client_cnt--;
	free(c);
}

/* After any change: ask for the right events, or close and free the client. */
static void
client_settle(struct rpc_client *c)
{
	struct tw_loop *loop = &c->io->app->loop;
	const bool was_paused = c->queued >= RPC_REPLY_PAUSE;
	uint32_t events = 0;
	bool is_idle;

	rpc_queue_flush(c);
	/* lines received before the pause would wait for octets that may never come */
	if (was_paused && c->queued < RPC_REPLY_PAUSE)
		rpc_client_wake(c);
	is_idle = STAILQ_EMPTY(&c->queue) && LIST_EMPTY(&c->calls) && !c->again.is_armed;
	if (c->is_broken || (c->is_eof && is_idle && c->topics == 0)) {
		client_free(c);
		return;
	}
	if (!c->is_eof && !c->again.is_armed && c->queued < RPC_REPLY_PAUSE)
		events |= EPOLLIN;
	if (!STAILQ_EMPTY(&c->queue))
		events |= EPOLLOUT;
	if (tw_loop_fd_want(loop, &c->watch, events) != 0)
		client_free(c);
}

/* Run what was received; what is left over goes on in the next turn. */
static void
client_work(struct rpc_client *c)
{
	if (!c->is_broken && rpc_client_run(c))
		rpc_client_wake(c);
	client_settle(c);
}

static void
on_again(void *arg, int64_t now_ns)
{
	(void)now_ns;
	client_work(arg);
}

void
rpc_client_wake(struct rpc_client *c)
{
	tw_loop_timer_set(&c->io->app->loop, &c->again, c->io->app->loop.now_ns, on_again, c);
}

static void
client_read(struct rpc_client *c)
{
	size_t room;
	char *to = tw_rpc_lines_room(&c->lines, &room);
	ssize_t n;

	if (to == NULL) {
		c->is_broken = true;
		return;
	}
	n = recv(c->watch.fd, to, room, MSG_DONTWAIT);
	if (n > 0) {
		tw_rpc_lines_received(&c->lines, (size_t)n);
	} else if (n == 0) {
		c->is_eof = true;
		*to = '\n'; /* a last line without its end still counts */
		tw_rpc_lines_received(&c->lines, 1);
	} else if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
		c->is_broken = true;
	}
}

static void
on_client(void *arg, uint32_t events)
{
	struct rpc_client *c = arg;

	bool is_gone = events & (EPOLLHUP | EPOLLERR);

	if (events & EPOLLOUT)
		rpc_queue_flush(c);
	if (((events & EPOLLIN) || is_gone) && !c->is_eof)
		client_read(c);
	/* both directions gone: what was asked is done, but nobody can read an answer */
	if (is_gone && !rpc_client_run(c) && c->is_eof)
		c->is_broken = true;
	client_work(c);
}

unsigned
rpc_client_privilege(const struct rpc_client *c)
{
	static const unsigned levels[] = {TW_OP_READ, TW_OP_OPERATE, TW_OP_ADMIN};

	if (c->uid == 0 || c->uid == geteuid())
		return TW_OP_ADMIN;
	return levels[tw_config_enum(c->io->app->config, TW_CFG_RPC_GROUP_PRIVILEGE)];
}

static void
turn_away(int fd)
{
	static const char text[] =
		"{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32007,\"message\":"
		"\"the appliance serves no more clients at a time\",\"data\":{\"field\":null,"
		"\"reason\":\"limit\",\"hint\":\"close other clients, or raise the setting "
		"rpc_clients\"}}}\n";

	send(fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT);
	close(fd);
}

static int
client_new(struct tw_rpc_io *io, int fd)
{
	struct ucred cred = {.uid = (uid_t)-1};
	socklen_t len = sizeof(cred);
	struct rpc_client *c = calloc(1, sizeof(*c));
	int res;

	if (c == NULL)
		return -ENOMEM;
	c->io = io;
	c->lines.resize = resize_lines;
	STAILQ_INIT(&c->queue);
	LIST_INIT(&c->calls);
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0) {
		c->uid = cred.uid;
		c->pid = cred.pid;
	} else {
		c->uid = (uid_t)-1;
	}
	res = tw_loop_fd_add(&io->app->loop, &c->watch, fd, EPOLLIN, on_client, c);
	if (res != 0) {
		free(c);
		return res;
	}
	c->id = ++io->next_id;
	LIST_INSERT_HEAD(&io->clients, c, link);
	io->client_cnt++;
	io->stats.accepted++;
	return 0;
}

static void
on_retry(void *arg, int64_t now_ns)
{
	struct tw_rpc_io *io = arg;

	(void)now_ns;
	tw_loop_fd_want(&io->app->loop, &io->listen, EPOLLIN);
}

/* @return false if there is nobody more to accept now */
static bool
accept_one(struct tw_rpc_io *io)
{
	int fd = accept4(io->listen.fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0) {
		/* out of descriptors or memory: the client stays in the backlog; do not spin */
		if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
			tw_loop_fd_want(&io->app->loop, &io->listen, 0);
			tw_loop_timer_set(&io->app->loop, &io->retry,
				io->app->loop.now_ns + ACCEPT_RETRY_NS, on_retry, io);
		}
		return false;
	}
	if (io->client_cnt >= tw_config_u64(io->app->config, TW_CFG_RPC_CLIENTS)) {
		io->stats.refused++;
		turn_away(fd);
	} else if (client_new(io, fd) != 0) {
		close(fd);
	}
	return true;
}

static void
on_listen(void *arg, uint32_t events)
{
	(void)events;
	for (unsigned i = 0; i < ACCEPTS_A_TURN && accept_one(arg); i++)
		;
}

/* @return 1 somebody answers, 0 nobody does, -EACCES it cannot be told */
static int
answers(const struct sockaddr_un *sa)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int res;

	if (fd < 0)
		return -errno;
	res = connect(fd, (const struct sockaddr *)sa, sizeof(*sa)) == 0 || errno == EAGAIN;
	if (res == 0 && errno == EACCES)
		res = -EACCES;
	close(fd);
	return res;
}

/*
 * A socket file that nobody answers at is left over from an earlier run. It was the service user's;
 * root without CAP_DAC_OVERRIDE must own it to ask.
 */
static int
clear_path(const struct sockaddr_un *sa)
{
	int res = answers(sa);
	struct stat st;

	if (res == -EACCES && lstat(sa->sun_path, &st) == 0 && S_ISSOCK(st.st_mode) &&
		lchown(sa->sun_path, geteuid(), (gid_t)-1) == 0) {
		res = answers(sa);
		if (res != 0 && lchown(sa->sun_path, st.st_uid, (gid_t)-1) != 0)
			return -errno;
	}
	if (res != 0)
		return res > 0 ? -EADDRINUSE : res;
	return unlink(sa->sun_path) == 0 || errno == ENOENT ? 0 : -errno;
}

static int
open_socket(const char *path, unsigned gid, char *why, size_t why_size)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	mode_t mask;
	int fd;
	int res;

	if (strlen(path) >= sizeof(sa.sun_path)) {
		snprintf(why, why_size,
			"%s: the path of the JSON socket is too long; take a shorter "
			"--name",
			path);
		return -ENAMETOOLONG;
	}
	memcpy(sa.sun_path, path, strlen(path) + 1);
	res = clear_path(&sa);
	if (res == -EADDRINUSE) {
		snprintf(why, why_size,
			"%s: another appliance answers there; stop it, or give this "
			"one another --name",
			path);
		return res;
	}
	fd = res == 0 ? socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0) : -1;
	mask = umask(0117); /* no moment with a looser mode than 0660 */
	if (res == 0 && (fd < 0 || bind(fd, (struct sockaddr *)&sa, sizeof(sa)) != 0))
		res = -errno;
	umask(mask);
	if (res == 0 && (chown(path, (uid_t)-1, (gid_t)gid) != 0 || listen(fd, BACKLOG) != 0))
		res = -errno;
	if (res == 0)
		return fd;
	snprintf(why, why_size,
		"%s: cannot open the JSON socket: %s; is the folder there and "
		"writable?",
		path, strerror(-res));
	if (fd >= 0)
		close(fd);
	return res;
}

struct tw_rpc_io *
tw_rpc_io_new(struct tw_app *app, const char *path, unsigned gid, char *why, size_t why_size)
{
	struct tw_rpc_io *io = calloc(1, sizeof(*io));
	uint64_t seed = 0;
	int fd = -1;
	int res = -ENOMEM;

	if (io == NULL)
		goto fail;
	io->app = app;
	LIST_INIT(&io->clients);
	io->mem = tw_crypto_map(TW_RPC_MEM_SIZE);
	io->args = tw_crypto_map(sizeof(*io->args));
	if (io->mem == NULL || io->args == NULL || tw_crypto_random(&seed, sizeof(seed)) != 0)
		goto fail;
	tw_rpc_init(io->mem, TW_RPC_MEM_SIZE, seed);
	fd = open_socket(path, gid, why, why_size);
	if (fd < 0) {
		res = fd;
		goto fail_said;
	}
	snprintf(io->path, sizeof(io->path), "%s", path);
	res = tw_loop_fd_add(&app->loop, &io->listen, fd, EPOLLIN, on_listen, io);
	if (res == 0)
		return io;
	close(fd);
	unlink(path);
fail:
	snprintf(why, why_size,
		"the JSON socket needs 8 MiB of locked memory: raise LimitMEMLOCK "
		"(ulimit -l)");
fail_said:
	if (io != NULL) {
		tw_crypto_unmap(io->mem, TW_RPC_MEM_SIZE);
		tw_crypto_unmap(io->args, sizeof(*io->args));
		free(io);
	}
	errno = -res;
	return NULL;
}

void
tw_rpc_io_free(struct tw_rpc_io *io)
{
	int fd;

	if (io == NULL)
		return;
	while (!LIST_EMPTY(&io->clients)) {
		struct rpc_client *c = LIST_FIRST(&io->clients);

		rpc_queue_flush(c);
		client_free(c);
	}
	fd = io->listen.fd;
	tw_loop_timer_del(&io->app->loop, &io->retry);
	tw_loop_fd_del(&io->app->loop, &io->listen);
	close(fd);
	unlink(io->path);
	tw_crypto_unmap(io->mem, TW_RPC_MEM_SIZE);
	tw_crypto_unmap(io->args, sizeof(*io->args));
	free(io);
}

void
tw_rpc_io_stats(const struct tw_rpc_io *io, struct tw_rpc_io_stats *out)
{
	*out = io->stats;
}

void
tw_rpc_io_show_clients(const struct tw_rpc_io *io, struct tw_out *out)
{
	const struct rpc_client *c;

	tw_out_arr(out, "clients");
	LIST_FOREACH (c, &io->clients, link) {
		tw_out_obj(out, NULL);
		tw_out_u64(out, "id", c->id, NULL);
		tw_out_i64(out, "pid", c->pid, NULL);
		tw_out_u64(out, "uid", c->uid, NULL);
		tw_out_str(out, "privilege",
			rpc_client_privilege(c) == TW_OP_ADMIN     ? "admin"
			: rpc_client_privilege(c) == TW_OP_OPERATE ? "operate"
								   : "read");
		tw_out_u64(out, "requests", c->requests, "requests");
		tw_out_u64(out, "waiting", c->call_cnt, "requests");
		tw_out_u64(out, "queued", c->queued, "octets");
		tw_out_u64(out, "events_queued", c->events, "events");
		tw_out_u64(out, "events_dropped", c->dropped, "events");
		tw_out_obj_end(out);
	}
	tw_out_arr_end(out);
}

void
tw_rpc_io_subscribe(void *conn, enum tw_event_topic topic, bool is_wanted)
{
	struct rpc_client *c = conn;

	if (is_wanted)
		c->topics |= UINT64_C(1) << topic;
	else
		c->topics &= ~(UINT64_C(1) << topic);
}

bool
tw_rpc_io_is_subscribed(const void *conn, enum tw_event_topic topic)
{
	const struct rpc_client *c = conn;

	return c->topics & (UINT64_C(1) << topic);
}

bool
tw_rpc_io_has_listener(const struct tw_rpc_io *io, enum tw_event_topic topic)
{
	const struct rpc_client *c;

	LIST_FOREACH (c, &io->clients, link) {
		if (tw_rpc_io_is_subscribed(c, topic))
			return true;
	}
	return false;
}

static void
queue_event(struct rpc_client *c, enum tw_event_topic topic, const char *time_utc, const char *data,
	size_t data_len)
{
	size_t size = data_len + 256;
	struct rpc_chunk *chunk;
	int n;

	c->event_seq++;
	if (c->events >= tw_config_u64(c->io->app->config, TW_CFG_RPC_EVENT_QUEUE)) {
		c->dropped++;
		c->io->stats.events_dropped++;
		return;
	}
	chunk = rpc_chunk_new(c, size);
	if (chunk == NULL)
		return;
	n = snprintf(chunk->text, size,
		"{\"jsonrpc\":\"2.0\",\"method\":\"event\",\"params\":{\"topic\":\"%s\","
		"\"seq\":%llu,\"dropped\":%llu,\"time\":\"%s\",\"data\":%.*s}}\n",
		tw_event_topic_str(topic), (unsigned long long)c->event_seq,
		(unsigned long long)c->dropped, time_utc, (int)data_len, data);
	TW_ASSERT(n > 0 && (size_t)n < size);
	chunk->len = (size_t)n;
	chunk->is_event = true;
	rpc_queue_add(c, chunk);
	c->io->stats.events_sent++;
}

void
tw_rpc_io_publish(struct tw_rpc_io *io, enum tw_event_topic topic, const char *time_utc,
	const char *data, size_t data_len)
{
	struct rpc_client *c;

	LIST_FOREACH (c, &io->clients, link) {
		if (tw_rpc_io_is_subscribed(c, topic)) {
			queue_event(c, topic, time_utc, data, data_len);
			rpc_client_wake(c);
		}
	}
}
