/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * JSON-RPC 2.0 over a stream, one JSON text a line: cutting the stream into lines, reading the
 * envelope, checking parameters against declared keys. Answers are written by the caller, who has
 * the text of the result already; no descriptor is touched here.
 *
 * Everything of a request lives in memory the caller gave to tw_rpc_init(), and is overwritten
 * when the request is done: a passphrase in a parameter leaves no copy behind. Error texts never
 * quote the request.
 *
 * Context: one thread (the control lcore), one request at a time.
 */
#ifndef TW_RPC_H
#define TW_RPC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tw_args.h"

#define TW_RPC_LINE_MAX  (1U << 20) /* octets of a line without its end */
#define TW_RPC_DEPTH_MAX 32         /* nesting of arrays and objects */
#define TW_RPC_TOKEN_MAX 16384      /* values and keys of a line, roughly */
#define TW_RPC_BATCH_MAX 64         /* requests of a batch */
#define TW_RPC_ID_SIZE   160        /* an id as JSON text, with the terminator */

/* Least memory that lets any line within the limits above be read. */
#define TW_RPC_MEM_SIZE (8U << 20)

/* JSON-RPC 2.0 section 5.1. */
enum tw_rpc_code {
	TW_RPC_E_PARSE = -32700,
	TW_RPC_E_REQUEST = -32600,
	TW_RPC_E_METHOD = -32601,
	TW_RPC_E_PARAMS = -32602,
	TW_RPC_E_INTERNAL = -32603,
};

/* A line or envelope that is refused; `text` and `hint` are constants. */
struct tw_rpc_err {
	enum tw_rpc_code code;
	const char *reason; /* documented word */
	const char *text;
	const char *hint;
};

/**
 * Give the library its memory. Call once, before anything else here.
 * @param mem   secret memory (locked, kept out of dumps), for the life of the process
 * @param size  TW_RPC_MEM_SIZE or more
 * @param seed  random, for the hash of object keys
 */
void tw_rpc_init(void *mem, size_t size, uint64_t seed);

/* ---- lines ---- */

/**
 * Resize a line buffer: return memory of @p size octets that starts with the first @p keep octets
 * of @p old, and dispose of @p old. Size 0 only disposes. @return NULL if there is none; @p old
 * then stays.
 */
typedef char *(*tw_rpc_resize_fn)(void *arg, char *old, size_t old_size, size_t keep, size_t size);

/* One stream's reader. Zero it, set resize and arg. */
struct tw_rpc_lines {
	tw_rpc_resize_fn resize;
	void *arg;
	char *buf;
	size_t size;
	size_t begin;     /* first octet not yet handed out */
	size_t len;       /* end of what was received */
	size_t scanned;   /* no line end before this */
	bool is_skipping; /* inside a line that was refused */
	uint64_t overlong_cnt;
};

/** Where to receive into. @return NULL if there is no memory; else *room > 0 */
char *tw_rpc_lines_room(struct tw_rpc_lines *l, size_t *room);

/** @p n octets were received into the room. */
void tw_rpc_lines_received(struct tw_rpc_lines *l, size_t n);

/**
 * Next whole line, without its end ("\n" or "\r\n"); blank lines are passed over. The text stays
 * valid until the next call on @p l, which overwrites it.
 * @return 1 with a line; 0 if there is none yet; -EMSGSIZE once for a line above the limit, whose
 *         rest will be skipped
 */
int tw_rpc_lines_next(struct tw_rpc_lines *l, const char **line, size_t *len);

/** Wipe and give back the memory. */
void tw_rpc_lines_fini(struct tw_rpc_lines *l);

/* ---- requests ---- */

/* One line read: a request, or a batch of them. */
struct tw_rpc_msg {
	void *root;
	bool is_batch;
	size_t cnt; /* requests: 1, or the length of the batch */
};

struct tw_rpc_req {
	const char *method;
	size_t method_len;
	const void *params;      /* NULL if absent */
	bool is_notification;    /* no id: no answer */
	char id[TW_RPC_ID_SIZE]; /* JSON text for the answer; "null" if unknown */
};

/**
 * Read a line. On success tw_rpc_done() must follow; on failure nothing is left behind.
 * @return false with @p err filled: not JSON, too deep, an empty or too long batch
 */
bool tw_rpc_parse(const char *line, size_t len, struct tw_rpc_msg *msg, struct tw_rpc_err *err);

/**
 * The @p i-th request.
 * @return false with @p err filled if it is no valid request; @p req->id is right in any case
 */
bool tw_rpc_request(
	const struct tw_rpc_msg *msg, size_t i, struct tw_rpc_req *req, struct tw_rpc_err *err);

/** Check the parameters against the keys, into @p args (complete, with defaults). */
bool tw_rpc_args(const struct tw_rpc_req *req, const struct tw_conf_key *keys, size_t key_cnt,
	struct tw_args *args, struct tw_conf_err *err);

/** Wipe and forget the line; requests and what they point to are gone. */
void tw_rpc_done(struct tw_rpc_msg *msg);

#endif /* TW_RPC_H */
