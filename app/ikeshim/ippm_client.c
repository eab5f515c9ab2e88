/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/* Copyright (c) 2026 The twampline authors */
/*
 * Queue and descriptors of a connection. Whatever was sent or is given up is wiped: it may hold
 * keys.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "ippm_client.h"
#include "ippm_store.h"

static void
close_all(const struct ippm_client *cl)
{
	const int fds[] = {cl->rfd[0], cl->rfd[1], cl->wfd[0], cl->wfd[1]};

	for (unsigned i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (fds[i] >= 0)
			close(fds[i]);
}

struct ippm_client *
ippm_client_new(struct ippm_server *srv, uint64_t id, int fd)
{
	struct ippm_client *cl = calloc(1, sizeof(*cl));

	if (!cl) {
		close(fd);
		return NULL;
	}
	cl->srv = srv;
	cl->id = id;
	cl->rfd[0] = fd;
	cl->rfd[1] = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	cl->wfd[0] = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	cl->wfd[1] = fcntl(fd, F_DUPFD_CLOEXEC, 0);
	cl->last = &cl->first;
	if (cl->rfd[1] < 0 || cl->wfd[0] < 0 || cl->wfd[1] < 0) {
		close_all(cl);
		free(cl);
		return NULL;
	}
	return cl;
}

static void
drop_first(struct ippm_client *cl)
{
	struct ippm_packet *p = cl->first;

	cl->first = p->next;
	if (!cl->first)
		cl->last = &cl->first;
	cl->queued--;
	ippm_wipe(p, sizeof(*p) + p->len);
	free(p);
}

void
ippm_client_kill(struct ippm_client *cl)
{
	while (cl->first)
		drop_first(cl);
	if (!cl->is_dead)
		shutdown(cl->rfd[0], SHUT_RDWR);
	cl->is_dead = true;
}

void
ippm_client_free(struct ippm_client *cl)
{
	ippm_client_kill(cl);
	close_all(cl);
	free(cl);
}

/* 1: sent, 0: the socket is full, -1: no more of this client */
static int
send_now(struct ippm_client *cl, const void *rec, size_t len)
{
	ssize_t n;

	do
		n = send(cl->wfd[0], rec, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n == (ssize_t)len)
		return 1;
	return n < 0 && (errno == EAGAIN || errno == ENOBUFS) ? 0 : -1;
}

void
ippm_client_flush(struct ippm_client *cl)
{
	while (cl->first && !cl->is_dead) {
		int sent = send_now(cl, cl->first->data, cl->first->len);

		if (sent == 0)
			return;
		if (sent < 0)
			ippm_client_kill(cl);
		else
			drop_first(cl);
	}
	if (cl->is_last)
		ippm_client_kill(cl);
}

void
ippm_client_send(struct ippm_client *cl, const void *rec, size_t len)
{
	struct ippm_packet *p;
	int sent;

	if (cl->is_dead)
		return;
	sent = cl->first ? 0 : send_now(cl, rec, len);
	if (sent > 0)
		return;
	p = sent < 0 || cl->queued >= IPPM_QUEUE_MAX ? NULL : malloc(sizeof(*p) + len);
	if (!p) {
		cl->is_slow = sent == 0;
		ippm_client_kill(cl);
		return;
	}
	p->next = NULL;
	p->len = len;
	memcpy(p->data, rec, len);
	*cl->last = p;
	cl->last = &p->next;
	cl->queued++;
}
