/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/* Copyright (c) 2026 The twampline authors */
/*
 * Inside of the server: requests (ippm_server.c), INITIATE (ippm_pending.c) and what happens to
 * SAs (ippm_events.c) share its state. Context: under the mutex, unless said otherwise.
 */
#ifndef IPPM_SERVER_I_H
#define IPPM_SERVER_I_H

#include <pthread.h>
#include <time.h>

#include "ippm_client.h"
#include "ippm_store.h"

/* An INITIATE that is not answered yet. */
struct ippm_pending {
	uint64_t ticket; /* 0: free; several may wait for the same */
	uint64_t client;
	const void *owner; /* of the SA, once there is one */
	uint64_t deadline_ms;
	uint32_t flags; /* of the answer */
	struct ippm_request req;
	char text[IPPM_TEXT_MAX]; /* what went wrong last */
};

struct ippm_server {
	struct ippm_ops ops;
	pthread_mutex_t mutex; /* all below */
	struct ippm_store store;
	struct ippm_client *clients;
	unsigned client_cnt;
	uint64_t last_id; /* of clients and tickets */
	struct ippm_pending pending[IPPM_PENDING_MAX];
	bool ticks; /* ippm_server_tick is being called */
	bool is_stopping;
	uint64_t connecting_s; /* second in which connecting_n SAs were announced */
	unsigned connecting_n;
	struct ippm_hello hello; /* but hdr, sa_cnt and not_shown */
	uint32_t not_shown;
	uid_t owner;
	int fd;
	char path[108];
};

static inline void
ippm_lock(struct ippm_server *srv)
{
	pthread_mutex_lock(&srv->mutex);
}

static inline void
ippm_unlock(struct ippm_server *srv)
{
	pthread_mutex_unlock(&srv->mutex);
}

/* Send a record and see that the right descriptors are watched. */
void ippm_give(struct ippm_client *cl, const void *rec, size_t len);

/* Send the record of an SA as `type`. */
void ippm_give_sa(
	struct ippm_client *cl, uint16_t type, uint64_t seq_be, const struct ippm_sa *rec);

/* Send the RESULT of a request; `text` may be NULL. */
void ippm_give_result(struct ippm_client *cl, const struct ippm_request *req,
	enum ippm_status status, uint32_t flags, uint32_t cnt, uint64_t cursor, const char *text);

/* Flags of a result about a peer: those of the configuration and what the list says. */
uint32_t ippm_flags(const struct ippm_server *srv, const struct ippm_request *req, uint32_t known);

/* Serve INITIATE. Context: not under the mutex, which it takes and leaves. */
void ippm_initiate(struct ippm_client *cl, const struct ippm_request *req, uint32_t known);

/* Those waiting for an owner's SA: it is up, or it is gone. */
void ippm_pending_up(struct ippm_server *srv, const struct ippm_node *node);
void ippm_pending_gone(struct ippm_server *srv, const void *owner);

#endif
