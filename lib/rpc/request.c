/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * JSON-RPC 2.0 envelopes: a line into requests.
 */
#include <jansson.h>
#include <string.h>

#include "rpc_i.h"
#include "tw_base.h"

/* jansson's own text quotes the input, which may hold a secret: say it in our words. */
static bool
refuse_json(const json_error_t *e, struct tw_rpc_err *err)
{
	const char *hint = "send one JSON object per line, ended by a line feed";

	switch (json_error_code(e)) {
	case json_error_duplicate_key:
		return rpc_refuse(err, TW_RPC_E_PARSE, "duplicate_key",
			"an object names the same key twice", "name each key once");
	case json_error_numeric_overflow:
		return rpc_refuse(err, TW_RPC_E_PARSE, "out_of_bounds",
			"a number does not fit in 64 bits", "send a smaller number");
	case json_error_out_of_memory:
		return rpc_refuse(err, TW_RPC_E_PARSE, "too_long", "the request is too large",
			"send smaller requests");
	case json_error_null_character:
	case json_error_null_byte_in_key:
		return rpc_refuse(err, TW_RPC_E_PARSE, "bad_text",
			"a text holds the character U+0000", "leave it out");
	case json_error_premature_end_of_input:
		return rpc_refuse(
			err, TW_RPC_E_PARSE, "bad_json", "the JSON text ends too early", hint);
	default:
		return rpc_refuse(
			err, TW_RPC_E_PARSE, "bad_json", "the line is not valid JSON", hint);
	}
}

bool
tw_rpc_parse(const char *line, size_t len, struct tw_rpc_msg *msg, struct tw_rpc_err *err)
{
	json_error_t e = {0};
	json_t *root;

	memset(msg, 0, sizeof(*msg));
	if (!rpc_scan(line, len, err))
		return false;
	root = json_loadb(line, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &e);
	if (root == NULL) {
		refuse_json(&e, err);
		goto fail;
	}
	msg->is_batch = json_is_array(root);
	msg->cnt = msg->is_batch ? json_array_size(root) : 1;
	if (msg->cnt == 0) {
		rpc_refuse(err, TW_RPC_E_REQUEST, "bad_request", "the batch is empty",
			"put at least one request in it");
		goto fail;
	}
	if (msg->cnt > TW_RPC_BATCH_MAX) {
		rpc_refuse(err, TW_RPC_E_REQUEST, "too_long", "the batch is too long",
			"send at most 64 requests in a batch");
		goto fail;
	}
	msg->root = root;
	return true;
fail:
	rpc_mem_reset();
	return false;
}

/* JSON-RPC 2.0 section 4: an id is a string, a number or null. */
static bool
read_id(const json_t *obj, struct tw_rpc_req *req)
{
	const json_t *id = json_object_get(obj, "id");
	size_t n;

	memcpy(req->id, "null", 5);
	req->is_notification = id == NULL;
	if (id == NULL || json_is_null(id))
		return true;
	if (!json_is_string(id) && !json_is_number(id))
		return false;
	n = json_dumpb(id, req->id, sizeof(req->id) - 1, JSON_ENCODE_ANY);
	if (n == 0 || n >= sizeof(req->id)) {
		memcpy(req->id, "null", 5);
		return false;
	}
	req->id[n] = '\0';
	return true;
}

bool
tw_rpc_request(
	const struct tw_rpc_msg *msg, size_t i, struct tw_rpc_req *req, struct tw_rpc_err *err)
{
	const json_t *obj = msg->is_batch ? json_array_get(msg->root, i) : msg->root;
	const char *version;
	const json_t *method;

	memset(req, 0, sizeof(*req));
	memcpy(req->id, "null", 5);
	if (!json_is_object(obj))
		return rpc_refuse(err, TW_RPC_E_REQUEST, "bad_request",
			"the request is not a JSON object",
			"send {\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"rpc.methods\"}");
	if (!read_id(obj, req)) {
		req->is_notification = false;
		return rpc_refuse(err, TW_RPC_E_REQUEST, "bad_request",
			"the id is no short string, number or null",
			"use a number, or a string of at most 100 octets");
	}
	version = json_string_value(json_object_get(obj, "jsonrpc"));
	method = json_object_get(obj, "method");
	if (version == NULL || strcmp(version, "2.0") != 0 || !json_is_string(method)) {
		req->is_notification = false;
		return rpc_refuse(err, TW_RPC_E_REQUEST, "bad_request",
			"jsonrpc must be \"2.0\" and method a string",
			"send {\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"rpc.methods\"}");
	}
	req->method = json_string_value(method);
	req->method_len = json_string_length(method);
	req->params = json_object_get(obj, "params");
	return true;
}

void
tw_rpc_done(struct tw_rpc_msg *msg)
{
	msg->root = NULL;
	rpc_mem_reset();
}
