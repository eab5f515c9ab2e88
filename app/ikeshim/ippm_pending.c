/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/* Copyright (c) 2026 The twampline authors */
/*
 * INITIATE from request to answer. Who asks for what is already under way waits for the same SA;
 * the answer comes with the SA, its end, or the deadline.
 */
#include <endian.h>
#include <string.h>

#include "ippm_server_i.h"

static void
done(struct ippm_server *srv, struct ippm_pending *p, enum ippm_status status,
	const struct ippm_node *node, const char *text)
{
	struct ippm_client *cl = srv->clients;

	while (cl && cl->id != p->client)
		cl = cl->next;
	p->ticket = 0;
	if (!cl)
		return;
	if (node)
		ippm_give_sa(cl, IPPM_SA, p->req.seq_be, &node->rec);
	ippm_give_result(cl, &p->req, status, p->flags, node ? 1 : 0, 0, text);
}

static bool
is_same(const struct ippm_request *a, const struct ippm_request *b)
{
	return ippm_addr_equal(&a->peer, &b->peer) && ippm_addr_equal(&a->local, &b->local) &&
	       strcmp(a->connection, b->connection) == 0 && strcmp(a->remote_id, b->remote_id) == 0;
}

/* What is under way and may be what is asked for: ticket and owner of it, or no ticket. */
static void
join(const struct ippm_server *srv, struct ippm_pending *p, uint64_t ticket)
{
	const struct ippm_request *req = &p->req;
	const struct ippm_node *node = ippm_store_setting_up(&srv->store, &req->peer, true);

	for (unsigned i = 0; i < IPPM_PENDING_MAX; i++) {
		const struct ippm_pending *other = &srv->pending[i];

		if (other->ticket && is_same(&other->req, req)) {
			p->ticket = other->ticket;
			p->owner = other->owner;
			return;
		}
	}
	if (node &&
		(!*req->connection ||
			strncmp(node->rec.connection, req->connection, IPPM_NAME_MAX) == 0) &&
		(req->local.family == 0 || ippm_addr_equal(&node->rec.local, &req->local))) {
		p->ticket = ticket;
		p->owner = node->owner;
	}
}

static struct ippm_pending *
free_slot(struct ippm_server *srv)
{
	for (unsigned i = 0; i < IPPM_PENDING_MAX; i++)
		if (!srv->pending[i].ticket)
			return &srv->pending[i];
	return NULL;
}

/* Put a request among those that wait. Its ticket if the daemon has to be asked, else 0. */
static uint64_t
enter(struct ippm_server *srv, const struct ippm_client *cl, struct ippm_pending *slot,
	const struct ippm_request *req, uint32_t flags)
{
	uint64_t ticket = ++srv->last_id;
	struct ippm_pending p = {
		.client = cl->id,
		.deadline_ms = srv->ops.now_ms(srv->ops.ctx) + req->deadline_ms,
		.flags = flags,
		.req = *req,
	};

	join(srv, &p, ticket);
	if (p.ticket) {
		*slot = p;
		return 0;
	}
	p.ticket = ticket;
	*slot = p;
	return ticket;
}

/* Answer all that wait for a ticket. */
static void
refuse(struct ippm_server *srv, uint64_t ticket, enum ippm_status status, const char *text)
{
	ippm_lock(srv);
	for (unsigned i = 0; i < IPPM_PENDING_MAX; i++)
		if (srv->pending[i].ticket == ticket)
			done(srv, &srv->pending[i], status, NULL, text);
	ippm_unlock(srv);
}

void
ippm_initiate(struct ippm_client *cl, const struct ippm_request *req, uint32_t known)
{
	struct ippm_server *srv = cl->srv;
	const struct ippm_ops *ops = &srv->ops;
	struct ippm_pending *slot;
	const struct ippm_node *node;
	enum ippm_status status;
	uint64_t ticket = 0;
	bool start = false;

	ippm_lock(srv);
	known = ippm_flags(srv, req, known);
	slot = free_slot(srv);
	node = ippm_store_by_peer(
		&srv->store, &req->peer, &req->local, req->connection, req->remote_id);
	if (node) {
		ippm_give_sa(cl, IPPM_SA, req->seq_be, &node->rec);
		ippm_give_result(cl, req, IPPM_ALREADY, known, 1, 0, NULL);
	} else if (!slot) {
		ippm_give_result(cl, req, IPPM_BUSY, known, 0, 0, "too many at a time");
	} else {
		ticket = enter(srv, cl, slot, req, known);
		start = !srv->ticks;
		srv->ticks = true;
	}
	ippm_unlock(srv);
	if (start)
		ops->start_ticks(ops->ctx);
	if (!ticket)
		return;
	status = ops->initiate(ops->ctx, ticket, req);
	if (status != IPPM_OK)
		refuse(srv, ticket, status, NULL);
}

void
ippm_server_claim(struct ippm_server *srv, uint64_t ticket, const void *owner)
{
	ippm_lock(srv);
	for (unsigned i = 0; i < IPPM_PENDING_MAX; i++)
		if (srv->pending[i].ticket == ticket)
			srv->pending[i].owner = owner;
	ippm_unlock(srv);
}

void
ippm_server_fail(struct ippm_server *srv, uint64_t ticket, const char *text)
{
	refuse(srv, ticket, IPPM_FAILED, text);
}

void
ippm_pending_up(struct ippm_server *srv, const struct ippm_node *node)
{
	const struct ippm_sa *rec = &node->rec;
	size_t len = be16toh(rec->remote_id.len_be);

	for (unsigned i = 0; i < IPPM_PENDING_MAX; i++) {
		struct ippm_pending *p = &srv->pending[i];
		const char *wanted = p->req.remote_id;

		if (!p->ticket || p->owner != node->owner)
			continue;
		if (*wanted &&
			(strlen(wanted) != len || memcmp(wanted, rec->remote_id.text, len) != 0))
			done(srv, p, IPPM_FAILED, NULL, "the peer has another identity");
		else
			done(srv, p, IPPM_OK, node, NULL);
	}
}

void
ippm_pending_gone(struct ippm_server *srv, const void *owner)
{
	for (unsigned i = 0; i < IPPM_PENDING_MAX; i++) {
		struct ippm_pending *p = &srv->pending[i];

		if (p->ticket && p->owner == owner)
			done(srv, p, IPPM_FAILED, NULL, p->text);
	}
}

bool
ippm_server_tick(struct ippm_server *srv)
{
	uint64_t now_ms = srv->ops.now_ms(srv->ops.ctx);
	bool left = false;

	ippm_lock(srv);
	for (unsigned i = 0; i < IPPM_PENDING_MAX; i++) {
		struct ippm_pending *p = &srv->pending[i];

		if (p->ticket && p->deadline_ms <= now_ms)
			done(srv, p, IPPM_TIMED_OUT, NULL, "not established at the deadline");
		left |= p->ticket != 0;
	}
	srv->ticks = left;
	ippm_unlock(srv);
	return left;
}
