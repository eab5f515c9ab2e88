/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The JSON socket: RUN_DIR/NAME/rpc.sock, JSON-RPC 2.0, one JSON text a line. Descriptors and
 * octets are handled here; lib/rpc reads requests, ops.h runs them.
 *
 * A slow or hostile client costs bounded memory and never a wait: requests of a client whose
 * answers pile up are left in the socket, events for it are dropped and counted.
 *
 * Context: the control lcore.
 */
#ifndef TW_IO_RPC_H
#define TW_IO_RPC_H

#include <stddef.h>
#include <stdint.h>

#include "event.h"
#include "out.h"

struct tw_app;
struct tw_rpc_io;

/**
 * Open the socket at @p path, mode 0660, and serve it on the loop of @p app. Call before
 * privileges are dropped.
 * @param gid  group that may connect
 * @param why  on failure: what, where and how to mend it
 * @return the object, or NULL with errno set and @p why filled
 */
struct tw_rpc_io *tw_rpc_io_new(
	struct tw_app *app, const char *path, unsigned gid, char *why, size_t why_size);

/** Answers still queued are sent as far as the sockets take them; the socket file is removed. */
void tw_rpc_io_free(struct tw_rpc_io *io);

/* What clients cost, for rpc.show. */
struct tw_rpc_io_stats {
	uint64_t accepted; /* clients since the start */
	uint64_t refused;  /* clients above the limit */
	uint64_t requests;
	uint64_t errors;    /* requests answered with an error */
	uint64_t bad_lines; /* lines that were no request */
	uint64_t events_sent;
	uint64_t events_dropped; /* for slow clients */
};

void tw_rpc_io_stats(const struct tw_rpc_io *io, struct tw_rpc_io_stats *out);

/** One object per client: who it is, its queues and drops. */
void tw_rpc_io_show_clients(const struct tw_rpc_io *io, struct tw_out *out);

/** Subscribe the connection of a call (tw_op_caller) to a topic, or end that. */
void tw_rpc_io_subscribe(void *conn, enum tw_event_topic topic, bool is_wanted);
bool tw_rpc_io_is_subscribed(const void *conn, enum tw_event_topic topic);

/* ---- for event.c ---- */

/** Somebody wants the topic. */
bool tw_rpc_io_has_listener(const struct tw_rpc_io *io, enum tw_event_topic topic);

/** Queue an event for its subscribers. @p data is a JSON object. */
void tw_rpc_io_publish(struct tw_rpc_io *io, enum tw_event_topic topic, const char *time_utc,
	const char *data, size_t data_len);

#endif /* TW_IO_RPC_H */
