/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/* Copyright (c) 2026 The twampline authors */
/*
 * The socket, its clients and their requests. A client is read from only while nothing waits to be
 * sent to it, so that one who asks and does not read costs a bounded queue; what waits beyond that
 * are events, and too many of them end the connection.
 */
#include <endian.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "ippm_server_i.h"

#define REQUESTS_PER_TURN 8

static struct ippm_hdr
header(uint16_t type, size_t size, uint64_t seq_be)
{
	return (struct ippm_hdr){.version_be = htobe16(IPPM_VERSION),
		.type_be = htobe16(type),
		.size_be = htobe32((uint32_t)size),
		.seq_be = seq_be};
}

/* At least one descriptor of a client is watched at any time: writing while something waits. */
static void
rewatch(struct ippm_client *cl)
{
	const struct ippm_ops *ops = &cl->srv->ops;

	if (cl->first && !cl->writes) {
		cl->writes = true;
		cl->widx ^= 1;
		ops->watch(ops->ctx, IPPM_WATCH_WRITE, cl->wfd[cl->widx], cl);
	}
	if (!cl->first && !cl->reads && !cl->is_dead) {
		cl->reads = true;
		cl->ridx ^= 1;
		ops->watch(ops->ctx, IPPM_WATCH_READ, cl->rfd[cl->ridx], cl);
	}
}

void
ippm_give(struct ippm_client *cl, const void *rec, size_t len)
{
	ippm_client_send(cl, rec, len);
	rewatch(cl);
}

void
ippm_give_sa(struct ippm_client *cl, uint16_t type, uint64_t seq_be, const struct ippm_sa *rec)
{
	struct ippm_sa out = *rec;

	out.hdr = header(type, sizeof(out), seq_be);
	ippm_give(cl, &out, sizeof(out));
	ippm_wipe(&out, sizeof(out));
}

void
ippm_give_result(struct ippm_client *cl, const struct ippm_request *req, enum ippm_status status,
	uint32_t flags, uint32_t cnt, uint64_t cursor, const char *text)
{
	struct ippm_result out = {
		.hdr = header(IPPM_RESULT, sizeof(out), req->seq_be),
		.status_be = htobe16(status),
		.request_be = htobe16(req->type),
		.flags_be = htobe32(flags),
		.cursor_be = htobe64(cursor),
		.cnt_be = htobe32(cnt),
	};

	if (text)
		memcpy(out.text, text, strnlen(text, sizeof(out.text)));
	ippm_give(cl, &out, sizeof(out));
}

static void
give_hello(struct ippm_client *cl, uint64_t seq_be)
{
	const struct ippm_server *srv = cl->srv;
	struct ippm_hello out = srv->hello;

	out.hdr = header(IPPM_HELLO, sizeof(out), seq_be);
	out.sa_cnt_be = htobe32(srv->store.cnt);
	out.not_shown_be = htobe32(srv->not_shown);
	ippm_give(cl, &out, sizeof(out));
}

uint32_t
ippm_flags(const struct ippm_server *srv, const struct ippm_request *req, uint32_t known)
{
	if (ippm_store_setting_up(&srv->store, &req->peer, false))
		known |= IPPM_F_SETTING_UP;
	return known;
}

static void
list(struct ippm_client *cl, const struct ippm_request *req)
{
	struct ippm_node *node = ippm_store_after(&cl->srv->store, req->cursor);
	uint64_t cursor = 0;
	uint32_t cnt = 0;

	for (; node && cnt < IPPM_PAGE_MAX; node = node->next) {
		ippm_give_sa(cl, IPPM_SA, req->seq_be, &node->rec);
		cursor = be64toh(node->rec.serial_be);
		cnt++;
	}
	ippm_give_result(cl, req, IPPM_OK, 0, cnt, node ? cursor : 0, NULL);
}

/* Answer a LOOKUP with what was found. */
static void
found(struct ippm_client *cl, const struct ippm_request *req, const struct ippm_node *node,
	uint32_t flags)
{
	if (node)
		ippm_give_sa(cl, IPPM_SA, req->seq_be, &node->rec);
	ippm_give_result(cl, req, node ? IPPM_OK : IPPM_NOT_FOUND, flags, node ? 1 : 0, 0, NULL);
}

static void
serve_locked(struct ippm_client *cl, const struct ippm_request *req, uint32_t known)
{
	const struct ippm_server *srv = cl->srv;

	switch (req->type) {
	case IPPM_STATUS:
		give_hello(cl, req->seq_be);
		ippm_give_result(cl, req, IPPM_OK, 0, 0, 0, NULL);
		break;
	case IPPM_SUBSCRIBE:
		cl->is_subscribed = true;
		ippm_give_result(cl, req, IPPM_OK, 0, 0, 0, NULL);
		break;
	case IPPM_LIST:
		list(cl, req);
		break;
	case IPPM_LOOKUP_SPI:
		found(cl, req, ippm_store_by_spi(&srv->store, req->spi_i, req->spi_r), 0);
		break;
	case IPPM_LOOKUP_PEER:
		found(cl, req,
			ippm_store_by_peer(&srv->store, &req->peer, NULL, "", req->remote_id),
			ippm_flags(srv, req, known));
		break;
	default:
		break;
	}
}

/* One packet of a client. Context: not under the mutex, the configuration may be slow. */
static void
serve(struct ippm_client *cl, const void *buf, size_t len)
{
	struct ippm_server *srv = cl->srv;
	const struct ippm_ops *ops = &srv->ops;
	struct ippm_request req;
	enum ippm_status status = ippm_parse(buf, len, &req);
	uint32_t known = 0;

	if (status == IPPM_OK && req.peer.family != 0)
		known = ops->peer_flags(ops->ctx, &req.peer);
	if (status == IPPM_OK && req.type == IPPM_INITIATE) {
		ippm_initiate(cl, &req, known);
		return;
	}
	ippm_lock(srv);
	if (status == IPPM_OK) {
		serve_locked(cl, &req, known);
	} else {
		ippm_give_result(cl, &req, status, 0, 0, 0, NULL);
		cl->is_last = true;
		ippm_client_flush(cl);
	}
	ippm_unlock(srv);
}

/* Forget what a client waited for, and the client. */
static void
unlink_client(struct ippm_server *srv, struct ippm_client *cl)
{
	struct ippm_client **link = &srv->clients;

	while (*link != cl)
		link = &(*link)->next;
	*link = cl->next;
	srv->client_cnt--;
	for (unsigned i = 0; i < IPPM_PENDING_MAX; i++)
		if (srv->pending[i].client == cl->id)
			srv->pending[i].ticket = 0;
}

/* The end of a callback: go on watching its descriptor, or not; the last one frees the client. */
static bool
settle(struct ippm_client *cl, bool *watched, bool keep)
{
	struct ippm_server *srv = cl->srv;
	bool is_slow = cl->is_slow, gone;

	*watched = keep && !cl->is_dead;
	if (!*watched)
		rewatch(cl);
	keep = *watched;
	gone = !cl->reads && !cl->writes;
	if (gone)
		unlink_client(srv, cl);
	ippm_unlock(srv);
	if (gone) {
		if (is_slow)
			srv->ops.log(srv->ops.ctx, "a client does not read its events: closed");
		ippm_client_free(cl);
	}
	return keep;
}

bool
ippm_client_read(struct ippm_client *cl)
{
	struct ippm_server *srv = cl->srv;
	uint8_t buf[512];

	static_assert(sizeof(buf) >= sizeof(struct ippm_initiate), "longest request");
	for (unsigned i = 0; i < REQUESTS_PER_TURN; i++) {
		bool ready;
		ssize_t len;

		ippm_lock(srv);
		ready = !cl->is_dead && !cl->is_last && !cl->first;
		ippm_unlock(srv);
		if (!ready)
			break;
		len = recv(cl->rfd[0], buf, sizeof(buf), MSG_DONTWAIT | MSG_TRUNC);
		if (len < 0 && (errno == EAGAIN || errno == EINTR))
			break;
		if (len <= 0) {
			ippm_lock(srv);
			ippm_client_kill(cl);
			ippm_unlock(srv);
			break;
		}
		serve(cl, buf, (size_t)len);
	}
	ippm_lock(srv);
	return settle(cl, &cl->reads, !cl->first);
}

bool
ippm_client_write(struct ippm_client *cl)
{
	ippm_lock(cl->srv);
	ippm_client_flush(cl);
	return settle(cl, &cl->writes, cl->first != NULL);
}

/* Somebody who may read keys. */
static bool
is_allowed(const struct ippm_server *srv, int fd)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) == 0 &&
	       (cred.uid == srv->owner || cred.uid == 0);
}

bool
ippm_server_accept(struct ippm_server *srv)
{
	int fd = accept4(srv->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct ippm_client *cl;

	if (fd < 0)
		return true;
	ippm_lock(srv);
	if (srv->client_cnt >= IPPM_CLIENTS_MAX || !is_allowed(srv, fd)) {
		close(fd);
	} else if ((cl = ippm_client_new(srv, ++srv->last_id, fd)) != NULL) {
		cl->next = srv->clients;
		srv->clients = cl;
		srv->client_cnt++;
		give_hello(cl, 0);
	}
	ippm_unlock(srv);
	return true;
}

/* A socket file that nobody serves may go. */
static int
clear_path(const struct sockaddr_un *addr)
{
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
	int err;

	if (fd < 0)
		return -1;
	err = connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0 ? EADDRINUSE : errno;
	close(fd);
	if (err == ECONNREFUSED)
		return unlink(addr->sun_path);
	if (err == ENOENT)
		return 0;
	errno = EADDRINUSE;
	return -1;
}

/* Nobody can connect before listen(), so mode and owner are right from the start. */
static int
open_socket(const char *path, uid_t owner)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd, err;

	if (strlen(path) >= sizeof(addr.sun_path)) {
		errno = ENAMETOOLONG;
		return -1;
	}
	memcpy(addr.sun_path, path, strlen(path));
	if (clear_path(&addr) < 0)
		return -1;
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	if (bind(fd, (struct sockaddr *)&addr, sizeof(addr)) < 0)
		goto no_bind;
	if (chmod(path, 0600) < 0 || chown(path, owner, (gid_t)-1) < 0 || listen(fd, 8) < 0)
		goto no_listen;
	return fd;

no_listen:
	err = errno;
	unlink(path);
	errno = err;
no_bind:
	err = errno;
	close(fd);
	errno = err;
	return -1;
}

struct ippm_server *
ippm_server_new(const struct ippm_ops *ops, const char *path, uid_t owner, const char *name,
	const char *release)
{
	struct ippm_server *srv = calloc(1, sizeof(*srv));

	if (!srv)
		return NULL;
	srv->ops = *ops;
	srv->owner = owner;
	srv->hello.version_min_be = htobe16(IPPM_VERSION);
	srv->hello.version_max_be = htobe16(IPPM_VERSION);
	srv->hello.started_be = htobe64((uint64_t)time(NULL));
	memcpy(srv->hello.name, name, strnlen(name, sizeof(srv->hello.name)));
	memcpy(srv->hello.release, release, strnlen(release, sizeof(srv->hello.release)));
	if (getrandom(srv->hello.boot_id, sizeof(srv->hello.boot_id), 0) !=
		(ssize_t)sizeof(srv->hello.boot_id))
		goto failed;
	srv->fd = open_socket(path, owner);
	if (srv->fd < 0)
		goto failed;
	snprintf(srv->path, sizeof(srv->path), "%s", path);
	pthread_mutex_init(&srv->mutex, NULL);
	ops->watch(ops->ctx, IPPM_WATCH_ACCEPT, srv->fd, srv);
	return srv;

failed:
	free(srv);
	return NULL;
}

int
ippm_server_next_fd(const struct ippm_server *srv, int fd)
{
	int next = srv->fd > fd ? srv->fd : -1;

	for (const struct ippm_client *cl = srv->clients; cl; cl = cl->next) {
		const int fds[] = {cl->rfd[0], cl->rfd[1], cl->wfd[0], cl->wfd[1]};

		for (unsigned i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
			if (fds[i] > fd && (next < 0 || fds[i] < next))
				next = fds[i];
	}
	return next;
}

void
ippm_server_free(struct ippm_server *srv)
{
	if (!srv)
		return;
	while (srv->clients) {
		struct ippm_client *cl = srv->clients;

		srv->clients = cl->next;
		ippm_client_free(cl);
	}
	ippm_store_fini(&srv->store);
	close(srv->fd);
	unlink(srv->path);
	pthread_mutex_destroy(&srv->mutex);
	free(srv);
}
