/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The arguments of one operation, checked against its rows before the handler sees them, and the
 * words of a shell or configuration line. Arguments copy what they need into their own arena, so
 * the line or JSON text may be wiped at once; put the struct itself in secret memory where a row
 * is a SECRET, and wipe it after the call.
 */
#ifndef TW_ARGS_H
#define TW_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tw_conf.h"

#define TW_ARGS_KEYS_MAX  32
#define TW_ARGS_ARENA     16384
#define TW_ARGS_ITEMS_MAX 128
#define TW_ARGS_WORDS_MAX 80

struct tw_args {
	const struct tw_conf_key *keys;
	size_t key_cnt;
	struct {
		uint16_t first; /* into item[] */
		uint16_t cnt;   /* 1, or the length of a list */
		bool is_set;    /* given or defaulted */
		bool is_given;  /* said by the caller */
	} slot[TW_ARGS_KEYS_MAX];
	struct tw_conf_value item[TW_ARGS_ITEMS_MAX];
	uint16_t item_cnt;
	size_t arena_len;
	char arena[TW_ARGS_ARENA];
};

/* A line cut into words: quotes and backslashes resolved, comment (#) dropped. */
struct tw_args_words {
	size_t cnt;
	struct {
		const char *p; /* NUL-terminated, in buf */
		size_t len;
		size_t col; /* octet offset in the line, for messages and completion */
		bool is_quoted;
	} w[TW_ARGS_WORDS_MAX];
	char buf[TW_ARGS_ARENA];
};

/* ---- building: the two faces use these, handlers do not ---- */

/** Start with no value. @p keys must outlive @p args; @p key_cnt <= TW_ARGS_KEYS_MAX. */
void tw_args_init(struct tw_args *args, const struct tw_conf_key *keys, size_t key_cnt);

/** Overwrite everything, so that no optimiser can drop it. */
void tw_args_wipe(struct tw_args *args);

/**
 * Add one checked item to a key (the first one of a scalar, the next one of a list). Text is
 * copied into the arena.
 */
bool tw_args_put(struct tw_args *args, const struct tw_conf_key *key, const struct tw_conf_value *v,
	struct tw_conf_err *err);

/** Mark a key as given, refusing it if it already was. Lists may then have no item. */
bool tw_args_claim(struct tw_args *args, const struct tw_conf_key *key, struct tw_conf_err *err);

/** Add the value of a key in text form: a list is cut at its commas. */
bool tw_args_put_text(struct tw_args *args, const struct tw_conf_key *key, const char *text,
	size_t len, struct tw_conf_err *err);

/** Fill in defaults and refuse if a required key is missing. Call once, after the last put. */
bool tw_args_complete(struct tw_args *args, struct tw_conf_err *err);

/**
 * Cut a line into words. Words are separated by blanks; "double quotes" (with \" \\ \n \t) and
 * 'single quotes' group, # starts a comment at the start of a word.
 * @return false on an unbalanced quote, NUL or other control character, too many words
 */
bool tw_args_split(
	const char *line, size_t len, struct tw_args_words *words, struct tw_conf_err *err);

/** `key value ...` words from @p first on -> arguments, complete. */
bool tw_args_from_words(struct tw_args *args, const struct tw_conf_key *keys, size_t key_cnt,
	const struct tw_args_words *words, size_t first, struct tw_conf_err *err);

/* ---- reading: for handlers; asking for a key that is not in the rows is our own bug ---- */

/** A value is there, by the caller or by default. */
bool tw_args_has(const struct tw_args *args, const char *key);

/** The caller said it (false if it comes from the default). */
bool tw_args_is_given(const struct tw_args *args, const char *key);

/* Scalars; without a value: 0, false, "", the unset address. */
uint64_t tw_args_u64(const struct tw_args *args, const char *key);
int64_t tw_args_i64(const struct tw_args *args, const char *key);
int64_t tw_args_ns(const struct tw_args *args, const char *key); /* DURATION */
bool tw_args_bool(const struct tw_args *args, const char *key);
unsigned tw_args_enum(const struct tw_args *args, const char *key);
const char *tw_args_str(const struct tw_args *args, const char *key);
struct tw_addr tw_args_addr(const struct tw_args *args, const char *key);
struct tw_prefix tw_args_prefix(const struct tw_args *args, const char *key);
struct tw_conf_range tw_args_range(const struct tw_args *args, const char *key);

/** Octets of a text value (SECRET above all). @return NULL and *len = 0 without a value */
const char *tw_args_bytes(const struct tw_args *args, const char *key, size_t *len);

/** Items of a list: *cnt values, in the order given. */
const struct tw_conf_value *tw_args_list(const struct tw_args *args, const char *key, size_t *cnt);

#endif /* TW_ARGS_H */
