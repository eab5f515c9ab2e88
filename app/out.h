/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The output writer. An operation says what it found, once; the JSON socket gets an object, the
 * shell gets aligned text, with the same content. Calls build a small tree; nothing is printed
 * until the operation has ended, so a handler that fails half way leaves no half answer.
 *
 * Names are snake_case; in JSON a number's name must carry its unit (delay_ns, loss_pct), in text
 * the value does. Every call accepts a NULL writer and then does nothing (events nobody listens
 * to). Running out of memory is remembered and turns the answer into an error.
 *
 * Context: one thread at a time; operations and events use it on the control lcore.
 */
#ifndef TW_OUT_H
#define TW_OUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tw_addr.h"
#include "tw_conf.h"

struct tw_out;

/* ---- containers: name is NULL inside an array ---- */

void tw_out_obj(struct tw_out *o, const char *name);
void tw_out_obj_end(struct tw_out *o);

/**
 * An object that text shows as one value: a figure with its error and what else JSON spells out.
 * @p brief says the same as the fields that follow until tw_out_obj_end().
 */
void tw_out_obj_brief(struct tw_out *o, const char *name, const char *brief);

/** A list. Of objects with equal flat fields: text shows a table. */
void tw_out_arr(struct tw_out *o, const char *name);
void tw_out_arr_end(struct tw_out *o);

/* ---- fields; text is copied ---- */

void tw_out_str(struct tw_out *o, const char *name, const char *v); /* v NULL: null */
void tw_out_strf(struct tw_out *o, const char *name, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
void tw_out_bool(struct tw_out *o, const char *name, bool v);
void tw_out_null(struct tw_out *o, const char *name); /* known to be absent; text: "-" */

/** @p unit is for the text form: "packets", "octets"; NULL for identifiers, ports and the like. */
void tw_out_u64(struct tw_out *o, const char *name, uint64_t v, const char *unit);
void tw_out_i64(struct tw_out *o, const char *name, int64_t v, const char *unit);

/** A ratio in percent, three decimals (name ends in _pct); null if @p whole is 0. */
void tw_out_pct(struct tw_out *o, const char *name, uint64_t part, uint64_t whole);

/** A real number, six decimals; null if it is not finite. @p unit as for tw_out_u64(). */
void tw_out_real(struct tw_out *o, const char *name, double v, const char *unit);

/** A duration; the name ends in _ns. JSON: integer ns; text: scaled, three decimals. */
void tw_out_ns(struct tw_out *o, const char *name, int64_t ns);

/** A point in time, UTC ns since the Unix epoch. Both forms: ISO 8601 with nine decimals, "Z". */
void tw_out_time(struct tw_out *o, const char *name, int64_t utc_ns);

void tw_out_addr(struct tw_out *o, const char *name, const struct tw_addr *a);
void tw_out_prefix(struct tw_out *o, const char *name, const struct tw_prefix *p);

/** A value of a declared key, in the JSON type of its row (SECRET: "***"). */
void tw_out_value(struct tw_out *o, const char *name, const struct tw_conf_key *key,
	const struct tw_conf_value *v);

/**
 * A whole text block, line breaks kept: shell text shows it as it is, without its name. For what
 * is text by nature (configuration lines), not for going around the fields.
 */
void tw_out_block(struct tw_out *o, const char *name, const char *text);

/* ---- failure ---- */

/**
 * Say why the operation fails. Replaces whatever was written so far; the first failure stays.
 * @param res   negative errno: decides the JSON error code and reason (errors.def)
 * @param field key at fault, or NULL
 * @param hint  how to mend it, one sentence, or NULL
 * @param fmt   what failed, and where. Never a secret.
 * @return @p res, so that a handler can `return tw_out_fail(...)`
 */
int tw_out_fail(struct tw_out *o, int res, const char *field, const char *hint, const char *fmt,
	...) __attribute__((format(printf, 5, 6)));

/** A duration as the text form shows it: "12.345 us". */
const char *tw_out_ns_text(int64_t ns, char out[32]);

/* ---- for the faces (io_rpc.c, shell.c, event.c) and tests ---- */

struct tw_out_error {
	int res;         /* 0: no failure */
	char field[64];  /* "" if none */
	char reason[32]; /* documented word: "not_found" */
	char text[512];
	char hint[256];
};

/** @return NULL if out of memory. The root is an object. */
struct tw_out *tw_out_new(void);
void tw_out_free(struct tw_out *o);

/** Forget content and failure; keep the memory. */
void tw_out_reset(struct tw_out *o);

/** The failure so far; .res is 0 if none. A parameter refusal has res -EINVAL and its own reason.
 */
const struct tw_out_error *tw_out_error(const struct tw_out *o);

/** The call this writer belongs to; for ops.c. NULL until set. */
void *tw_out_user(const struct tw_out *o);
void tw_out_set_user(struct tw_out *o, void *user);

/** Record a refusal of the table as the failure. */
void tw_out_refuse(struct tw_out *o, const struct tw_conf_err *err);

/** As tw_out_fail(), for what is no errno: an unknown method, a line that is no request. */
void tw_out_reject(struct tw_out *o, const char *reason, const char *hint, const char *text);

/**
 * Render. Containers left open are closed.
 * @param[out] len  octets, without the terminator
 * @return text owned by the writer until the next call on it, NULL if out of memory
 */
const char *tw_out_json(struct tw_out *o, size_t *len);
const char *tw_out_text(struct tw_out *o, size_t *len);

/**
 * The error object of JSON-RPC: {"code","message","data":{"field","reason","hint"}}.
 * @param code  0: the one of the failure (errors.def)
 */
const char *tw_out_error_json(struct tw_out *o, int code, size_t *len);

/** The failure in words, one line: "text: hint". */
const char *tw_out_error_text(struct tw_out *o, size_t *len);

#endif /* TW_OUT_H */
