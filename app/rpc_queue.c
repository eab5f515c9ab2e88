/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * What waits to be sent to a client of the JSON socket.
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "io_rpc_i.h"

struct rpc_chunk *
rpc_chunk_new(struct rpc_client *c, size_t size)
{
	struct rpc_chunk *chunk = malloc(sizeof(*chunk) + size);

	if (chunk == NULL) {
		c->is_broken = true; /* an answer cannot be left out: end the connection */
		return NULL;
	}
	chunk->len = 0;
	chunk->sent = 0;
	chunk->is_event = false;
	return chunk;
}

void
rpc_queue_add(struct rpc_client *c, struct rpc_chunk *chunk)
{
	STAILQ_INSERT_TAIL(&c->queue, chunk, link);
	if (chunk->is_event)
		c->events++;
	else
		c->queued += chunk->len;
}

static void
drop_head(struct rpc_client *c)
{
	struct rpc_chunk *chunk = STAILQ_FIRST(&c->queue);

	STAILQ_REMOVE_HEAD(&c->queue, link);
	if (chunk->is_event)
		c->events--;
	else
		c->queued -= chunk->len;
	free(chunk);
}

void
rpc_queue_clear(struct rpc_client *c)
{
	while (!STAILQ_EMPTY(&c->queue))
		drop_head(c);
}

void
rpc_queue_flush(struct rpc_client *c)
{
	struct rpc_chunk *chunk;

	while (!c->is_broken && (chunk = STAILQ_FIRST(&c->queue)) != NULL) {
		ssize_t n = send(c->watch.fd, chunk->text + chunk->sent, chunk->len - chunk->sent,
			MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			return;
		if (n < 0) {
			c->is_broken = true;
			return;
		}
		chunk->sent += (size_t)n;
		if (chunk->sent == chunk->len)
			drop_head(c);
	}
}
