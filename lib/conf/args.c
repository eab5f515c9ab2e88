/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Arguments: filled by the two faces, read by handlers.
 */
#include <stdio.h>
#include <string.h>

#include "conf_i.h"
#include "tw_args.h"
#include "tw_base.h"

static size_t
key_index(const struct tw_args *args, const struct tw_conf_key *key)
{
	size_t i = (size_t)(key - args->keys);

	TW_ASSERT(i < args->key_cnt);
	return i;
}

void
tw_args_init(struct tw_args *args, const struct tw_conf_key *keys, size_t key_cnt)
{
	TW_ASSERT(key_cnt <= TW_ARGS_KEYS_MAX);
	args->keys = keys;
	args->key_cnt = key_cnt;
	memset(args->slot, 0, sizeof(args->slot));
	args->item_cnt = 0;
	args->arena_len = 0;
}

void
tw_args_wipe(struct tw_args *args)
{
	explicit_bzero(args, sizeof(*args));
}

bool
tw_args_claim(struct tw_args *args, const struct tw_conf_key *key, struct tw_conf_err *err)
{
	size_t i = key_index(args, key);

	if (args->slot[i].is_set)
		return tw_conf_refuse(
			err, TW_CONF_R_DUPLICATE_KEY, key->name, "%s is given twice", key->name);
	args->slot[i].is_set = true;
	args->slot[i].is_given = true;
	args->slot[i].first = args->item_cnt;
	args->slot[i].cnt = 0;
	return true;
}

/* Copy text into the arena with a terminator. @return NULL if it does not fit */
static char *
keep(struct tw_args *args, const char *p, size_t len)
{
	char *out = args->arena + args->arena_len;

	if (len >= sizeof(args->arena) - args->arena_len)
		return NULL;
	memcpy(out, p, len);
	out[len] = '\0';
	args->arena_len += len + 1;
	return out;
}

bool
tw_args_put(struct tw_args *args, const struct tw_conf_key *key, const struct tw_conf_value *v,
	struct tw_conf_err *err)
{
	size_t i = key_index(args, key);
	size_t max = key->is_list ? TW_CONF_LIST_MAX : 1;
	struct tw_conf_value *to = &args->item[args->item_cnt];

	if (!args->slot[i].is_set && !tw_args_claim(args, key, err))
		return false;
	if (args->slot[i].cnt >= max || args->item_cnt == TW_ARGS_ITEMS_MAX)
		return tw_conf_refuse(err, TW_CONF_R_TOO_LONG, key->name,
			"%s may have at most %zu item%s", key->name, max, max == 1 ? "" : "s");
	*to = *v;
	if (conf_is_text(key)) {
		to->str.p = keep(args, v->str.p, v->str.len);
		if (to->str.p == NULL)
			return tw_conf_refuse(err, TW_CONF_R_TOO_LONG, key->name,
				"the arguments are too long together");
	}
	args->slot[i].cnt++;
	args->item_cnt++;
	return true;
}

static bool
put_scalar_text(struct tw_args *args, const struct tw_conf_key *key, const char *text, size_t len,
	struct tw_conf_err *err)
{
	struct tw_conf_value v;

	return tw_conf_parse(key, text, len, &v, err) && tw_args_put(args, key, &v, err);
}

bool
tw_args_put_text(struct tw_args *args, const struct tw_conf_key *key, const char *text, size_t len,
	struct tw_conf_err *err)
{
	if (!tw_args_claim(args, key, err))
		return false;
	if (!key->is_list)
		return put_scalar_text(args, key, text, len, err);
	/* "" and "none" are the empty list */
	if (len == 0 || (len == 4 && memcmp(text, "none", 4) == 0))
		return true;
	for (;;) {
		const char *comma = memchr(text, ',', len);
		size_t n = comma ? (size_t)(comma - text) : len;

		if (!put_scalar_text(args, key, text, n, err))
			return false;
		if (comma == NULL)
			return true;
		text += n + 1;
		len -= n + 1;
	}
}

bool
tw_args_complete(struct tw_args *args, struct tw_conf_err *err)
{
	for (size_t i = 0; i < args->key_cnt; i++) {
		const struct tw_conf_key *key = &args->keys[i];

		if (args->slot[i].is_set)
			continue;
		if (key->def != NULL) {
			if (!tw_args_put_text(args, key, key->def, strlen(key->def), err))
				return false;
			args->slot[i].is_given = false;
		} else if (key->is_required) {
			return tw_conf_refuse(err, TW_CONF_R_MISSING_KEY, key->name,
				"%s is missing: %s", key->name, key->help);
		}
	}
	return true;
}

/* With a secret among the rows a stray word may be one: do not repeat it. */
static bool
unknown_word(
	const struct tw_conf_key *keys, size_t key_cnt, const char *word, struct tw_conf_err *err)
{
	size_t used = 0;
	char list[160] = "none";
	bool may_echo = strlen(word) <= 40 && tw_conf_is_utf8(word, strlen(word));

	for (size_t i = 0; i < key_cnt; i++) {
		if (keys[i].type == TW_CONF_SECRET)
			may_echo = false;
		if (used < sizeof(list))
			used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s",
				i ? ", " : "", keys[i].name);
	}
	if (may_echo)
		return tw_conf_refuse(err, TW_CONF_R_UNKNOWN_KEY, word,
			"there is no key '%s' here; keys: %s", word, list);
	return tw_conf_refuse(
		err, TW_CONF_R_UNKNOWN_KEY, "", "a word is no key of this command; keys: %s", list);
}

/* The first positional key that has no value yet, in the order of the rows. */
static const struct tw_conf_key *
next_positional(const struct tw_args *args)
{
	for (size_t i = 0; i < args->key_cnt; i++) {
		if (args->keys[i].is_positional && !args->slot[i].is_set)
			return &args->keys[i];
	}
	return NULL;
}

bool
tw_args_from_words(struct tw_args *args, const struct tw_conf_key *keys, size_t key_cnt,
	const struct tw_args_words *words, size_t first, struct tw_conf_err *err)
{
	size_t i = first;

	tw_args_init(args, keys, key_cnt);
	while (i < words->cnt) {
		const struct tw_conf_key *key = NULL;

		if (!words->w[i].is_quoted)
			key = tw_conf_find(keys, key_cnt, words->w[i].p);
		if (key == NULL) { /* `show session 3` */
			key = next_positional(args);
			if (key == NULL)
				return unknown_word(keys, key_cnt, words->w[i].p, err);
		} else if (++i == words->cnt) {
			return tw_conf_refuse(err, TW_CONF_R_MISSING_VALUE, key->name,
				"%s has no value behind it: %s", key->name, key->help);
		}
		if (!tw_args_put_text(args, key, words->w[i].p, words->w[i].len, err))
			return false;
		i++;
	}
	return tw_args_complete(args, err);
}

static const struct tw_conf_value none;

/* First item of a key. */
static const struct tw_conf_value *
value(const struct tw_args *args, const char *name)
{
	const struct tw_conf_key *key = tw_conf_find(args->keys, args->key_cnt, name);
	size_t i;

	TW_ASSERT(key != NULL);
	i = key_index(args, key);
	return args->slot[i].cnt > 0 ? &args->item[args->slot[i].first] : &none;
}

bool
tw_args_has(const struct tw_args *args, const char *key)
{
	return value(args, key) != &none;
}

bool
tw_args_is_given(const struct tw_args *args, const char *key)
{
	const struct tw_conf_key *k = tw_conf_find(args->keys, args->key_cnt, key);

	TW_ASSERT(k != NULL);
	return args->slot[key_index(args, k)].is_given;
}

uint64_t
tw_args_u64(const struct tw_args *args, const char *key)
{
	return value(args, key)->u64;
}

int64_t
tw_args_i64(const struct tw_args *args, const char *key)
{
	return value(args, key)->i64;
}

int64_t
tw_args_ns(const struct tw_args *args, const char *key)
{
	return value(args, key)->i64;
}

bool
tw_args_bool(const struct tw_args *args, const char *key)
{
	return value(args, key)->b;
}

unsigned
tw_args_enum(const struct tw_args *args, const char *key)
{
	return value(args, key)->choice;
}

const char *
tw_args_str(const struct tw_args *args, const char *key)
{
	const char *p = value(args, key)->str.p;

	return p ? p : "";
}

struct tw_addr
tw_args_addr(const struct tw_args *args, const char *key)
{
	return value(args, key)->addr;
}

struct tw_prefix
tw_args_prefix(const struct tw_args *args, const char *key)
{
	return value(args, key)->prefix;
}

struct tw_conf_range
tw_args_range(const struct tw_args *args, const char *key)
{
	return value(args, key)->range;
}

const char *
tw_args_bytes(const struct tw_args *args, const char *key, size_t *len)
{
	const struct tw_conf_value *v = value(args, key);

	*len = v->str.len;
	return v->str.p;
}

const struct tw_conf_value *
tw_args_list(const struct tw_args *args, const char *key, size_t *cnt)
{
	const struct tw_conf_key *k = tw_conf_find(args->keys, args->key_cnt, key);
	size_t i;

	TW_ASSERT(k != NULL);
	i = key_index(args, k);
	*cnt = args->slot[i].cnt;
	return *cnt > 0 ? &args->item[args->slot[i].first] : NULL;
}
