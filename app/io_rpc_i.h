/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Clients of the JSON socket, for io_rpc.c (descriptors), rpc_calls.c (requests) and rpc_queue.c
 * (what waits to be sent).
 */
#ifndef IO_RPC_I_H
#define IO_RPC_I_H

#include <sys/queue.h>
#include <sys/types.h>

#include "app.h"
#include "io_rpc.h"
#include "ops.h"
#include "tw_rpc.h"

/* Octets of answers above which a client's further requests wait in the socket. */
#define RPC_REPLY_PAUSE (1U << 20)
/* Lines of one client worked off in one turn of the loop. */
#define RPC_LINES_A_TURN 32
/* Answers a client may wait for at a time. */
#define RPC_CALLS_MAX 64

/* A line to be sent. */
struct rpc_chunk {
	STAILQ_ENTRY(rpc_chunk) link;
	size_t len;
	size_t sent;
	bool is_event;
	char text[];
};

/* Answers of one batch, in the order in which they came. */
struct rpc_batch {
	char *text;
	size_t len;
	size_t waiting; /* requests not yet answered */
};

/* A request whose operation runs. */
struct rpc_call {
	LIST_ENTRY(rpc_call) link;
	struct rpc_client *client;
	struct rpc_batch *batch; /* NULL: a line of its own */
	struct tw_op_call *op;   /* set once deferred */
	bool is_notification;
	char id[TW_RPC_ID_SIZE];
};

struct rpc_client {
	LIST_ENTRY(rpc_client) link;
	struct tw_rpc_io *io;
	struct tw_loop_fd watch;
	struct tw_loop_timer again; /* see rpc_client_wake() */
	struct tw_rpc_lines lines;
	STAILQ_HEAD(, rpc_chunk) queue;
	size_t queued;      /* octets of answers */
	unsigned events;    /* in the queue */
	uint64_t event_seq; /* of the last event queued or dropped */
	uint64_t dropped;
	uint64_t requests;
	uint64_t topics; /* bit by enum tw_event_topic */
	LIST_HEAD(, rpc_call) calls;
	unsigned call_cnt;
	uint64_t id;
	uid_t uid;
	pid_t pid;
	bool is_eof;    /* nothing more will be read */
	bool is_broken; /* to be closed in the next turn */
};

struct tw_rpc_io {
	struct tw_app *app;
	struct tw_loop_fd listen;
	struct tw_loop_timer retry; /* of accept, when descriptors ran out */
	LIST_HEAD(, rpc_client) clients;
	unsigned client_cnt;
	uint64_t next_id;
	void *mem;            /* of lib/rpc */
	struct tw_args *args; /* secret memory */
	struct tw_rpc_io_stats stats;
	char path[108];
};

/* ---- rpc_queue.c ---- */

/** Queue a line; a client that is out of memory is broken. Takes over @p chunk. */
void rpc_queue_add(struct rpc_client *c, struct rpc_chunk *chunk);

/** A chunk with room for @p size octets. @return NULL if out of memory; the client is broken */
struct rpc_chunk *rpc_chunk_new(struct rpc_client *c, size_t size);

/** Send what the socket takes. */
void rpc_queue_flush(struct rpc_client *c);

void rpc_queue_clear(struct rpc_client *c);

/* ---- rpc_calls.c ---- */

/** Work off received lines. @return true if lines are left for another turn */
bool rpc_client_run(struct rpc_client *c);

/** Nobody waits for the answers of this client. */
void rpc_calls_abandon(struct rpc_client *c);

/* ---- io_rpc.c ---- */

/**
 * Something was queued, or the client is broken: look after it in the next turn. Not at once: the
 * caller may be in the middle of an operation that ending a client would change.
 */
void rpc_client_wake(struct rpc_client *c);

/** Privilege of this client now: TW_OP_READ, _OPERATE or _ADMIN. */
unsigned rpc_client_privilege(const struct rpc_client *c);

#endif /* IO_RPC_I_H */
