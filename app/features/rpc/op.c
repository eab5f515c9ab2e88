/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The interface describes itself: methods and their schemas (JSON Schema 2020-12) from the rows.
 */
#include <errno.h>
#include <string.h>

#include "app.h"
#include "errors.h"
#include "io_rpc.h"
#include "ops.h"

static const char *
privilege(const struct tw_op *op)
{
	if (op->flags & TW_OP_ADMIN)
		return "admin";
	return op->flags & TW_OP_OPERATE ? "operate" : "read";
}

static void
schema_any_of(struct tw_out *out, const char *const *types)
{
	tw_out_arr(out, "type");
	for (; *types != NULL; types++)
		tw_out_str(out, NULL, *types);
	tw_out_arr_end(out);
}

static void
schema_integer(struct tw_out *out, const struct tw_conf_key *key)
{
	tw_out_str(out, "type", "integer");
	if (key->type == TW_CONF_U64 || key->min != 0 || key->max != 0)
		tw_out_i64(out, "minimum", key->min, NULL);
	if (key->max != 0)
		tw_out_i64(out, "maximum", key->max, NULL);
}

static void
schema_text(struct tw_out *out, const struct tw_conf_key *key)
{
	tw_out_str(out, "type", "string");
	tw_out_i64(out, "minLength", key->min, NULL);
	tw_out_i64(out, "maxLength", key->max ? key->max : TW_CONF_STR_MAX, NULL);
	if (key->type == TW_CONF_SECRET)
		tw_out_bool(out, "writeOnly", true);
}

static void
schema_scalar(struct tw_out *out, const struct tw_conf_key *key)
{
	switch (key->type) {
	case TW_CONF_U64:
	case TW_CONF_I64:
		schema_integer(out, key);
		break;
	case TW_CONF_BOOL:
		tw_out_str(out, "type", "boolean");
		break;
	case TW_CONF_DURATION:
		schema_any_of(out, (const char *const[]){"number", "string", NULL});
		break;
	case TW_CONF_RANGE:
		schema_any_of(out, (const char *const[]){"string", "integer", NULL});
		break;
	case TW_CONF_ANY:
		schema_any_of(
			out, (const char *const[]){"string", "number", "boolean", "array", NULL});
		break;
	case TW_CONF_ENUM:
		tw_out_str(out, "type", "string");
		tw_out_arr(out, "enum");
		for (const char *const *c = key->choices; *c != NULL; c++)
			tw_out_str(out, NULL, *c);
		tw_out_arr_end(out);
		break;
	case TW_CONF_ADDR:
	case TW_CONF_PREFIX:
		tw_out_str(out, "type", "string");
		tw_out_str(out, "format", key->type == TW_CONF_ADDR ? "ip" : "ip-prefix");
		break;
	default:
		schema_text(out, key);
		break;
	}
}

/* Bounds of a duration, in text: they may be finer than the unit of the key. */
static void
describe_duration(struct tw_out *out, const struct tw_conf_key *key)
{
	char text[40];

	if (key->min == 0 && key->max == 0)
		return;
	tw_conf_format(key, &(struct tw_conf_value){.i64 = key->min}, text, sizeof(text));
	tw_out_str(out, "x-minimum", text);
	tw_conf_format(key, &(struct tw_conf_value){.i64 = key->max}, text, sizeof(text));
	tw_out_str(out, "x-maximum", text);
}

static void
schema_key(struct tw_out *out, const struct tw_conf_key *key)
{
	tw_out_obj(out, key->name);
	tw_out_str(out, "description", key->help);
	if (key->is_list) { /* one item alone is taken as a list of one */
		schema_any_of(out, (const char *const[]){"array", "string", "number", NULL});
		tw_out_i64(out, "maxItems", TW_CONF_LIST_MAX, NULL);
		tw_out_obj(out, "items");
		schema_scalar(out, key);
		tw_out_obj_end(out);
	} else {
		schema_scalar(out, key);
	}
	tw_out_str(out, "x-type", tw_conf_type_str(key->type));
	if (key->unit != NULL)
		tw_out_str(out, "x-unit", key->unit);
	if (key->type == TW_CONF_DURATION)
		describe_duration(out, key);
	if (key->is_positional)
		tw_out_bool(out, "x-positional", true);
	if (key->def != NULL)
		tw_out_str(out, "x-default", key->def);
	tw_out_obj_end(out);
}

static void
schema(struct tw_out *out, const struct tw_op *op)
{
	tw_out_obj(out, "params");
	tw_out_str(out, "type", "object");
	tw_out_obj(out, "properties");
	for (size_t i = 0; i < op->key_cnt; i++)
		schema_key(out, &op->keys[i]);
	tw_out_obj_end(out);
	tw_out_arr(out, "required");
	for (size_t i = 0; i < op->key_cnt; i++) {
		if (op->keys[i].is_required)
			tw_out_str(out, NULL, op->keys[i].name);
	}
	tw_out_arr_end(out);
	tw_out_bool(out, "additionalProperties", false);
	tw_out_obj_end(out);
}

static void
describe(struct tw_out *out, const struct tw_op *op)
{
	tw_out_obj(out, NULL);
	tw_out_strf(out, "name", "%s.%s", op->noun, op->verb);
	if (op->flags & TW_OP_NO_SHELL)
		tw_out_null(out, "shell");
	else
		tw_out_strf(out, "shell", "%s %s", op->verb, op->noun);
	tw_out_str(out, "help", op->help);
	tw_out_str(out, "result", op->result);
	tw_out_str(out, "privilege", privilege(op));
	tw_out_bool(out, "is_async", op->flags & TW_OP_ASYNC);
	schema(out, op);
	tw_out_obj_end(out);
}

static int
op_methods(struct tw_app *app, const struct tw_args *args, struct tw_out *out)
{
	uint64_t cursor = tw_args_u64(args, "cursor");
	uint64_t limit = tw_args_u64(args, "limit");
	const char *noun = tw_args_str(args, "noun");
	uint64_t at = 0;
	size_t cnt;
	const struct tw_feature *f = tw_ops_features(&cnt);
	bool is_known = noun[0] == '\0';

	(void)app;
	tw_out_arr(out, "methods");
	for (size_t i = 0; i < cnt; i++) {
		if (noun[0] != '\0' && strcmp(noun, f[i].noun) != 0)
			continue;
		is_known = true;
		for (size_t k = 0; k < f[i].rows->op_cnt; k++, at++) {
			if (at >= cursor && at - cursor < limit)
				describe(out, &f[i].rows->ops[k]);
		}
	}
	tw_out_arr_end(out);
	if (!is_known)
		return tw_out_fail(out, -ENOENT, "noun", "call rpc.methods without it",
			"there is no noun '%s'", noun);
	if (cursor < at && at - cursor > limit)
		tw_out_u64(out, "next", cursor + limit, NULL);
	else
		tw_out_null(out, "next");
	return 0;
}

static void
put_error(struct tw_out *out, int code, const char *reason, const char *help)
{
	tw_out_obj(out, NULL);
	tw_out_i64(out, "code", code, NULL);
	tw_out_str(out, "reason", reason);
	tw_out_str(out, "help", help);
	tw_out_obj_end(out);
}

static int
op_errors(struct tw_app *app, const struct tw_args *args, struct tw_out *out)
{
	static const struct {
		enum tw_conf_reason reason;
		const char *help;
	} params[] = {
		{TW_CONF_R_UNKNOWN_KEY, "the method has no such key"},
		{TW_CONF_R_DUPLICATE_KEY, "a key is given twice"},
		{TW_CONF_R_MISSING_KEY, "a required key is absent"},
		{TW_CONF_R_MISSING_VALUE, "a key without a value ends the line"},
		{TW_CONF_R_WRONG_TYPE, "the value has the wrong type"},
		{TW_CONF_R_OUT_OF_BOUNDS, "the value lies outside its bounds"},
		{TW_CONF_R_TOO_LONG, "the value, or the list, is too long"},
		{TW_CONF_R_BAD_LINE, "the shell line cannot be cut into words"},
	};
	size_t cnt;
	const struct tw_error_row *rows = tw_error_rows(&cnt);

	(void)app;
	(void)args;
	tw_out_arr(out, "errors");
	put_error(out, -32700, "bad_json", "the line is no JSON text");
	put_error(out, -32700, "bad_text", "the line is no UTF-8, or holds U+0000");
	put_error(out, -32700, "too_deep", "arrays and objects are nested too deeply");
	put_error(out, -32600, "bad_request", "the JSON text is no JSON-RPC 2.0 request");
	put_error(out, -32600, "too_long", "the line or the batch is too long");
	put_error(out, -32601, "unknown_method", "there is no such method");
	for (size_t i = 0; i < sizeof(params) / sizeof(params[0]); i++)
		put_error(out, -32602, tw_conf_reason_str(params[i].reason), params[i].help);
	for (size_t i = 0; i < cnt; i++)
		put_error(out, rows[i].code, rows[i].reason, rows[i].help);
	put_error(out, -32603, "internal", "a fault of the appliance; please report it");
	tw_out_arr_end(out);
	return 0;
}

static int
op_show(struct tw_app *app, const struct tw_args *args, struct tw_out *out)
{
	struct tw_rpc_io_stats s;

	(void)args;
	if (app->rpc == NULL)
		return tw_out_fail(out, -EAGAIN, NULL, NULL, "the JSON socket is not open");
	tw_rpc_io_stats(app->rpc, &s);
	tw_out_u64(out, "accepted", s.accepted, "clients");
	tw_out_u64(out, "refused", s.refused, "clients");
	tw_out_u64(out, "requests", s.requests, "requests");
	tw_out_u64(out, "errors", s.errors, "answers");
	tw_out_u64(out, "bad_lines", s.bad_lines, "lines");
	tw_out_u64(out, "events_sent", s.events_sent, "events");
	tw_out_u64(out, "events_dropped", s.events_dropped, "events");
	tw_rpc_io_show_clients(app->rpc, out);
	return 0;
}

#define TW_FEATURE     rpc
#define TW_FEATURE_DEF "rpc/rpc.def"
#include "../feature.h"
