/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Parameters of a request against declared keys. The JSON type must be the one of the row; no
 * text is taken for a number.
 */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

#include "rpc_i.h"

static bool
wrong_type(const struct tw_conf_key *key, const char *want, struct tw_conf_err *err)
{
	return tw_conf_refuse(
		err, TW_CONF_R_WRONG_TYPE, key->name, "%s must be %s", key->name, want);
}

static bool
put_string(struct tw_args *args, const struct tw_conf_key *key, const json_t *v, const char *want,
	struct tw_conf_err *err)
{
	struct tw_conf_value out;

	if (!json_is_string(v))
		return wrong_type(key, want, err);
	return tw_conf_parse(key, json_string_value(v), json_string_length(v), &out, err) &&
	       tw_args_put(args, key, &out, err);
}

static bool
put_integer(struct tw_args *args, const struct tw_conf_key *key, const json_t *v,
	struct tw_conf_err *err)
{
	struct tw_conf_value out = {0};
	json_int_t n;

	if (!json_is_integer(v))
		return wrong_type(key, "a whole number", err);
	n = json_integer_value(v);
	if (key->type == TW_CONF_I64) {
		out.i64 = n;
		return tw_conf_check_i64(key, n, err) && tw_args_put(args, key, &out, err);
	}
	if (n < 0)
		return tw_conf_refuse(err, TW_CONF_R_OUT_OF_BOUNDS, key->name,
			"%s must not be negative", key->name);
	out.u64 = (uint64_t)n;
	return tw_conf_check_u64(key, out.u64, err) && tw_args_put(args, key, &out, err);
}

/* A number as the text that the common parser reads: no exponent, no needless zeros. */
static size_t
number_text(const json_t *v, char *out, size_t size)
{
	int n;

	if (json_is_integer(v)) {
		n = snprintf(out, size, "%" JSON_INTEGER_FORMAT, json_integer_value(v));
		return n > 0 && (size_t)n < size ? (size_t)n : 0;
	}
	n = snprintf(out, size, "%.9f", json_real_value(v));
	if (n <= 0 || (size_t)n >= size)
		return 0;
	while (out[n - 1] == '0')
		n--;
	if (out[n - 1] == '.')
		n--;
	return (size_t)n;
}

/* A number in the unit of the key's name, or text with a unit. */
static bool
put_duration(struct tw_args *args, const struct tw_conf_key *key, const json_t *v,
	struct tw_conf_err *err)
{
	struct tw_conf_value out;
	char text[64];
	size_t len;

	if (!json_is_number(v))
		return put_string(
			args, key, v, "a number, or text with a unit such as \"10ms\"", err);
	len = number_text(v, text, sizeof(text));
	if (len == 0)
		return tw_conf_refuse(
			err, TW_CONF_R_OUT_OF_BOUNDS, key->name, "%s is too large", key->name);
	return tw_conf_parse(key, text, len, &out, err) && tw_args_put(args, key, &out, err);
}

static bool
put_range(struct tw_args *args, const struct tw_conf_key *key, const json_t *v,
	struct tw_conf_err *err)
{
	struct tw_conf_value out;
	char text[64];

	if (!json_is_integer(v))
		return put_string(args, key, v, "a number or \"LOW-HIGH\"", err);
	return tw_conf_parse(key, text, number_text(v, text, sizeof(text)), &out, err) &&
	       tw_args_put(args, key, &out, err);
}

static bool
put_bool(struct tw_args *args, const struct tw_conf_key *key, const json_t *v,
	struct tw_conf_err *err)
{
	struct tw_conf_value out = {.b = json_is_true(v)};

	if (!json_is_boolean(v))
		return wrong_type(key, "true or false", err);
	return tw_args_put(args, key, &out, err);
}

/* Text of a scalar for an ANY key. @return false if it is none or does not fit */
static bool
scalar_text(const json_t *v, char *out, size_t size, size_t *len)
{
	char number[64];
	const char *p = number;
	size_t n;

	if (json_is_string(v)) {
		p = json_string_value(v);
		n = json_string_length(v);
	} else if (json_is_boolean(v)) {
		p = json_is_true(v) ? "on" : "off";
		n = strlen(p);
	} else if (json_is_number(v)) {
		n = number_text(v, number, sizeof(number));
		if (n == 0)
			return false;
	} else {
		return false;
	}
	if (n >= size - *len)
		return false;
	memcpy(out + *len, p, n);
	*len += n;
	out[*len] = '\0';
	return true;
}

/* Any scalar, or a list of them, as the text that a shell would have. */
static bool
put_any(struct tw_args *args, const struct tw_conf_key *key, const json_t *v,
	struct tw_conf_err *err)
{
	struct tw_conf_value out;
	char text[4096] = "";
	size_t len = 0;
	size_t i;
	json_t *item;

	if (!json_is_array(v)) {
		if (!scalar_text(v, text, sizeof(text), &len))
			return wrong_type(
				key, "text, a number, true, false, or a list of those", err);
	}
	json_array_foreach (v, i, item) {
		if (i > 0 && len + 2 < sizeof(text))
			text[len++] = ',';
		if (!scalar_text(item, text, sizeof(text), &len))
			return wrong_type(key, "a list of text, numbers, true or false", err);
	}
	return tw_conf_parse(key, text, len, &out, err) && tw_args_put(args, key, &out, err);
}

static bool
put_item(struct tw_args *args, const struct tw_conf_key *key, const json_t *v,
	struct tw_conf_err *err)
{
	switch (key->type) {
	case TW_CONF_U64:
	case TW_CONF_I64:
		return put_integer(args, key, v, err);
	case TW_CONF_BOOL:
		return put_bool(args, key, v, err);
	case TW_CONF_DURATION:
		return put_duration(args, key, v, err);
	case TW_CONF_RANGE:
		return put_range(args, key, v, err);
	case TW_CONF_ANY:
		return put_any(args, key, v, err);
	default:
		return put_string(args, key, v, "text", err);
	}
}

static bool
put_param(struct tw_args *args, const struct tw_conf_key *key, const json_t *v,
	struct tw_conf_err *err)
{
	size_t i;
	json_t *item;

	if (!key->is_list || !json_is_array(v))
		return put_item(args, key, v, err);
	if (!tw_args_claim(args, key, err))
		return false;
	json_array_foreach (v, i, item) {
		if (!put_item(args, key, item, err))
			return false;
	}
	return true;
}

/* Where a secret is taken, a misspelt key may be one: do not repeat it. */
static bool
unknown_key(
	const struct tw_conf_key *keys, size_t key_cnt, const char *name, struct tw_conf_err *err)
{
	bool may_echo = strlen(name) <= 40;

	for (size_t i = 0; i < key_cnt; i++) {
		if (keys[i].type == TW_CONF_SECRET)
			may_echo = false;
	}
	if (may_echo)
		return tw_conf_refuse(err, TW_CONF_R_UNKNOWN_KEY, name,
			"this method has no key '%s'; see rpc.methods", name);
	return tw_conf_refuse(err, TW_CONF_R_UNKNOWN_KEY, "",
		"the parameters hold a key that this method does not have; see "
		"rpc.methods");
}

bool
tw_rpc_args(const struct tw_rpc_req *req, const struct tw_conf_key *keys, size_t key_cnt,
	struct tw_args *args, struct tw_conf_err *err)
{
	/* jansson's iterators take a plain pointer; nothing is changed */
	json_t *params = (json_t *)(uintptr_t)req->params;
	const char *name;
	json_t *v;

	tw_args_init(args, keys, key_cnt);
	if (params != NULL && !json_is_object(params))
		return tw_conf_refuse(err, TW_CONF_R_WRONG_TYPE, "",
			"params must be an object: {\"key\": value}");
	json_object_foreach (params, name, v) {
		const struct tw_conf_key *key = tw_conf_find(keys, key_cnt, name);

		if (key == NULL)
			return unknown_key(keys, key_cnt, name, err);
		if (!put_param(args, key, v, err))
			return false;
	}
	return tw_args_complete(args, err);
}
