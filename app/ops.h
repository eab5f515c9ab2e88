/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Operations: everything a user can ask of the appliance, declared once. From a row come the
 * JSON-RPC method `noun.verb` with its schema, the shell command `verb noun [key value]...`, its
 * help and completion, and the manual page; scripts/check-docs refuses a row without words.
 *
 * How to add an operation to a noun:
 *   1. app/features/<noun>/<noun>.def: one row
 *        TW_OP(show, op_show, TW_OP_READ, "Show one session, or a page of them",
 *              "state, peers, counters",
 *              TW_KEY("id", U64, "session", .min = 1, .is_positional = true),
 *              TW_KEY_PAGE)
 *      (an operation without keys ends after the result);
 *   2. app/features/<noun>/op.c: the handler
 *        static int op_show(struct tw_app *app, const struct tw_args *args, struct tw_out *out)
 *      Arguments are checked already; emit fields through tw_out_*(), return 0, or
 *      tw_out_fail(...) with what failed, where, and how to mend it. Print nothing, log no
 *      secret, do not block.
 * A new noun also needs the lines at the end of its op.c
 *        #define TW_FEATURE     session
 *        #define TW_FEATURE_DEF "session/session.def"
 *        #include "../feature.h"
 * (before them TW_FEATURE_CONFIG, the function that emits its lines of `show config`, if any),
 * one row TW_FEATURE_ROW(session, "help") in features/features.def, the file in meson.build.
 *
 * An operation that must wait returns TW_OP_DEFERRED after taking tw_op_defer(): the answer is
 * sent by tw_op_complete(), later, from the control lcore.
 *
 * Context: the control lcore, except where said.
 */
#ifndef TW_OPS_H
#define TW_OPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "out.h"
#include "tw_args.h"

struct tw_app;
struct tw_op_call;

/* Handler result: neither 0 nor a negative errno. */
#define TW_OP_DEFERRED 1

/* Flags of a row. The highest privilege named counts. */
#define TW_OP_READ     0x01U /* changes nothing; mirrored for readers */
#define TW_OP_OPERATE  0x02U /* starts and stops measurements */
#define TW_OP_ADMIN    0x04U /* keys, ports, configuration */
#define TW_OP_ASYNC    0x08U /* may answer late (TW_OP_DEFERRED) */
#define TW_OP_SECRET   0x10U /* takes a secret: the line is kept out of every history */
#define TW_OP_CONFIG   0x20U /* makes state that `show config` must reproduce */
#define TW_OP_NO_SHELL 0x40U /* bound to a JSON connection: event.subscribe */

typedef int (*tw_op_fn)(struct tw_app *app, const struct tw_args *args, struct tw_out *out);

struct tw_op {
	const char *noun;
	const char *verb;
	const char *help;   /* one line */
	const char *result; /* what the answer holds, one line */
	tw_op_fn fn;
	unsigned flags;
	const struct tw_conf_key *keys;
	size_t key_cnt;
};

/* Lines of `show config`, in the order in which they must be loaded again. */
struct tw_op_lines;

/**
 * Add one shell line that reproduces a piece of state. Give words, not a format: each is quoted
 * as needed. A secret has no line: say so with tw_op_comment().
 */
void tw_op_line(struct tw_op_lines *lines, const char *const *words, size_t cnt);
#define TW_OP_LINE(lines, ...)                                                                     \
	tw_op_line((lines), (const char *const[]){__VA_ARGS__},                                    \
		sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))

/** The same as a comment: a line that needs something from the operator before it can be run. */
void tw_op_remark(struct tw_op_lines *lines, const char *const *words, size_t cnt);

/** Add a comment line. No text of users or peers: a line feed in it would begin a line to run. */
void tw_op_comment(struct tw_op_lines *lines, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

typedef void (*tw_op_config_fn)(struct tw_app *app, struct tw_op_lines *lines);

/* What one noun brings: made by features/feature.h. */
struct tw_feature_rows {
	const struct tw_op *ops;
	size_t op_cnt;
	tw_op_config_fn config; /* or NULL */
};

/* One noun. */
struct tw_feature {
	const char *noun;
	const char *help;
	const struct tw_feature_rows *rows;
};

/* A list answer is paged: at most 256 entries; `next` of the answer is the next cursor. */
#define TW_PAGE_MAX 256
#define TW_KEY_PAGE                                                                                \
	TW_KEY("limit", U64, "entries an answer holds at most", .min = 1, .max = TW_PAGE_MAX,      \
		.def = "256"),                                                                     \
		TW_KEY("cursor", U64, "where to go on: `next` of the last answer", .def = "0")

/* ---- late answers ---- */

/**
 * Take the call out of a handler that will return TW_OP_DEFERRED. The writer stays usable (get it
 * by tw_op_out()) until tw_op_complete(); arguments do not: copy what is needed.
 */
struct tw_op_call *tw_op_defer(struct tw_out *out);

/** The writer of a deferred call; what the handler wrote before deferring is still in it. */
struct tw_out *tw_op_out(struct tw_op_call *call);

/** Answer. @p res 0, or a negative errno after tw_out_fail(). The call is gone afterwards. */
void tw_op_complete(struct tw_op_call *call, int res);

/**
 * Be told when nobody waits for the answer any more (client gone, Ctrl-C in the shell).
 * tw_op_complete() must still be called, once; its answer goes nowhere.
 */
void tw_op_on_abandon(struct tw_op_call *call, void (*fn)(void *arg), void *arg);

/* ---- running one: for io_rpc.c and shell.c ---- */

/* Who asks. */
struct tw_op_caller {
	unsigned privilege; /* the highest of TW_OP_READ, _OPERATE, _ADMIN that it has */
	void *conn;         /* JSON connection for event.subscribe, or NULL */
};

/**
 * The answer is there. @p res is 0 or a negative errno, then tw_out_error() says why. The writer
 * is freed when this returns.
 */
typedef void (*tw_op_done_fn)(void *arg, struct tw_out *out, int res);

/**
 * Run an operation on checked arguments. @p done is called once: before this returns, or later if
 * the operation defers.
 * @param caller  copied
 * @return the call if it was deferred, else NULL
 */
struct tw_op_call *tw_op_start(struct tw_app *app, const struct tw_op *op,
	const struct tw_args *args, const struct tw_op_caller *caller, tw_op_done_fn done,
	void *arg);

/** Nobody waits any more: @p done will not be called. */
void tw_op_abandon(struct tw_op_call *call);

/** Who asked; for handlers. */
const struct tw_op_caller *tw_op_caller(const struct tw_out *out);

/**
 * The lines of `show config` of every noun, into a NUL-terminated text the caller frees.
 * @return NULL if out of memory
 */
char *tw_ops_config(struct tw_app *app);

/* ---- the table ---- */

/** All nouns, in the order of features.def. */
const struct tw_feature *tw_ops_features(size_t *cnt);

/** @return NULL if there is none. Text need not be terminated. */
const struct tw_op *tw_ops_find(
	const char *noun, size_t noun_len, const char *verb, size_t verb_len);

/** "noun.verb" -> row, or NULL. */
const struct tw_op *tw_ops_find_method(const char *method, size_t len);

#endif /* TW_OPS_H */
