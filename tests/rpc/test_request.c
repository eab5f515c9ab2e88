/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Envelopes and parameters: what the JSON-RPC 2.0 specification gives as examples, and what a
 * hostile or careless client sends.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tw_rpc.h"

static const char *const modes[] = {"open", "encrypted", NULL};
static const struct tw_conf_key keys[] = {
	TW_KEY("count", U64, "packets", .min = 1, .max = 1000, .def = "10"),
	TW_KEY("host", ADDR, "peer", .is_required = true),
	TW_KEY("mode", ENUM, "mode", .choices = modes, .is_list = true),
	TW_KEY("interval_ms", DURATION, "gap"),
	TW_KEY("ports", RANGE, "ports", .max = 65535),
	TW_KEY("raw", BOOL, "raw"),
	TW_KEY("value", ANY, "anything", .max = 4000),
	TW_KEY("offset", I64, "offset", .min = -10, .max = 10),
	TW_KEY("name", STR, "text", .max = 8),
};
#define KEY_CNT (sizeof(keys) / sizeof(keys[0]))

static const struct tw_conf_key secret_keys[] = {TW_KEY("secret", SECRET, "passphrase")};

static char *mem;
static struct tw_rpc_msg msg;
static struct tw_rpc_req req;
static struct tw_rpc_err err;
static struct tw_conf_err bad;
static struct tw_args args;

static void
start(void)
{
	mem = aligned_alloc(64, TW_RPC_MEM_SIZE);
	memset(mem, 0, TW_RPC_MEM_SIZE);
	tw_rpc_init(mem, TW_RPC_MEM_SIZE, 42);
}

TestSuite(request, .init = start);

static bool
parse(const char *line)
{
	return tw_rpc_parse(line, strlen(line), &msg, &err);
}

static void
refused(const char *line, int code, const char *reason)
{
	bool is_read = parse(line) && tw_rpc_request(&msg, 0, &req, &err);

	cr_assert_not(is_read, "%.60s", line);
	cr_assert_eq((int)err.code, code, "%.60s: %d %s", line, err.code, err.text);
	cr_assert_str_eq(err.reason, reason, "%.60s: %s", line, err.reason);
	if (msg.root)
		tw_rpc_done(&msg);
}

Test(request, reads_an_envelope)
{
	cr_assert(parse("{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"a.b\",\"params\":{}}"));
	cr_assert_not(msg.is_batch);
	cr_assert(tw_rpc_request(&msg, 0, &req, &err));
	cr_assert_eq(req.method_len, 3);
	cr_assert_str_eq(req.id, "7");
	cr_assert_not(req.is_notification);
	tw_rpc_done(&msg);
}

Test(request, keeps_every_kind_of_id)
{
	static const char *const ids[][2] = {{"\"x\\u00e9\\n\"", "\"x\xc3\xa9\\n\""},
		{"null", "null"}, {"-5", "-5"}, {"1.5", "1.5"},
		{"9223372036854775807", "9223372036854775807"}};
	char line[200];

	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		snprintf(line, sizeof(line), "{\"jsonrpc\":\"2.0\",\"id\":%s,\"method\":\"a.b\"}",
			ids[i][0]);
		cr_assert(parse(line));
		cr_assert(tw_rpc_request(&msg, 0, &req, &err));
		cr_assert_str_eq(req.id, ids[i][1]);
		cr_assert_not(req.is_notification);
		tw_rpc_done(&msg);
	}
	cr_assert(parse("{\"jsonrpc\":\"2.0\",\"method\":\"a.b\"}"));
	cr_assert(tw_rpc_request(&msg, 0, &req, &err));
	cr_assert(req.is_notification);
	tw_rpc_done(&msg);
}

Test(request, refuses_what_is_no_json)
{
	refused("{\"jsonrpc\":\"2.0\",\"method\":\"foobar,\"params\":\"bar\",\"baz]", -32700,
		"bad_json");
	refused("garbage", -32700, "bad_json");
	refused("{} {}", -32700, "bad_json");
	refused("{\"a\":1", -32700, "bad_json");
	refused("{\"a\":1,\"a\":2}", -32700, "duplicate_key");
	refused("{\"a\":123456789012345678901234567890}", -32700, "out_of_bounds");
	refused("{\"a\":1e999}", -32700, "out_of_bounds");
	refused("{\"a\":\"\\u0000\"}", -32700, "bad_text");
	refused("{\"a\":\"\xff\"}", -32700, "bad_text");
	refused("{\"a\":\"\xed\xa0\x80\"}", -32700, "bad_text");
	refused("{\"a\":\"\\ud800\"}", -32700, "bad_json");
	refused("NaN", -32700, "bad_json");
	cr_assert_not(tw_rpc_parse("{\"a\"\0:1}", 8, &msg, &err));
	cr_assert_str_eq(err.reason, "bad_text");
}

Test(request, refuses_bad_envelopes_with_the_right_id)
{
	refused("1", -32600, "bad_request");
	refused("\"text\"", -32600, "bad_request");
	refused("[]", -32600, "bad_request");
	refused("[1]", -32600, "bad_request");
	refused("{\"jsonrpc\":\"1.0\",\"id\":4,\"method\":\"a.b\"}", -32600, "bad_request");
	cr_assert_str_eq(req.id, "4");
	refused("{\"jsonrpc\":\"2.0\",\"id\":5,\"method\":1}", -32600, "bad_request");
	cr_assert_str_eq(req.id, "5");
	refused("{\"jsonrpc\":\"2.0\",\"method\":1}", -32600, "bad_request");
	cr_assert_not(req.is_notification);
	refused("{\"jsonrpc\":\"2.0\",\"id\":[1],\"method\":\"a.b\"}", -32600, "bad_request");
	cr_assert_str_eq(req.id, "null");
	refused("{\"id\":1}", -32600, "bad_request");
}

Test(request, refuses_an_id_that_is_too_long)
{
	char line[1024];

	snprintf(line, sizeof(line), "{\"jsonrpc\":\"2.0\",\"id\":\"%0500d\",\"method\":\"a\"}", 1);
	refused(line, -32600, "bad_request");
	cr_assert_str_eq(req.id, "null");
}

Test(request, bounds_depth_tokens_and_batches)
{
	static char text[TW_RPC_LINE_MAX];
	size_t at = 0;

	memset(text, '[', 100000);
	text[100000] = '\0';
	refused(text, -32700, "too_deep");
	for (at = 0; at < 200000;) {
		memcpy(text + at, at ? ",0" : "[0", 3);
		at += 2;
	}
	memcpy(text + at, "]", 2);
	refused(text, -32700, "too_long");
	at = (size_t)snprintf(text, sizeof(text), "[{}");
	for (int i = 0; i < TW_RPC_BATCH_MAX; i++)
		at += (size_t)snprintf(text + at, sizeof(text) - at, ",{}");
	snprintf(text + at, sizeof(text) - at, "]");
	refused(text, -32600, "too_long");
}

Test(request, reads_the_largest_line)
{
	static char text[TW_RPC_LINE_MAX + 1];
	const char *head =
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"a.b\",\"params\":{\"name\":\"";
	size_t n = strlen(head);

	memset(text, 'x', TW_RPC_LINE_MAX);
	memcpy(text, head, n);
	memcpy(text + TW_RPC_LINE_MAX - 3, "\"}}", 3);
	cr_assert(parse(text), "%s", err.text);
	cr_assert(tw_rpc_request(&msg, 0, &req, &err));
	cr_assert_not(tw_rpc_args(&req, keys, KEY_CNT, &args, &bad));
	cr_assert_eq(bad.reason, TW_CONF_R_TOO_LONG);
	tw_rpc_done(&msg);
}

Test(request, reads_batches)
{
	cr_assert(parse("[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"a.b\"},7,"
			"{\"jsonrpc\":\"2.0\",\"method\":\"c.d\"}]"));
	cr_assert(msg.is_batch);
	cr_assert_eq(msg.cnt, 3);
	cr_assert(tw_rpc_request(&msg, 0, &req, &err));
	cr_assert_not(tw_rpc_request(&msg, 1, &req, &err));
	cr_assert(tw_rpc_request(&msg, 2, &req, &err));
	cr_assert(req.is_notification);
	tw_rpc_done(&msg);
}

static bool
with_params(const char *params)
{
	char line[4096];
	bool is_ok;

	snprintf(line, sizeof(line),
		"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"a.b\",\"params\":%s}", params);
	cr_assert(parse(line), "%s: %s", params, err.text);
	cr_assert(tw_rpc_request(&msg, 0, &req, &err));
	is_ok = tw_rpc_args(&req, keys, KEY_CNT, &args, &bad);
	tw_rpc_done(&msg);
	return is_ok;
}

Test(request, checks_parameters_by_table)
{
	size_t cnt;
	const struct tw_conf_value *v;

	cr_assert(with_params("{\"host\":\"::1\",\"mode\":[\"open\",\"encrypted\"],\"raw\":true,"
			      "\"interval_ms\":0.25,\"ports\":\"5-9\",\"offset\":-3,"
			      "\"name\":\"abc\",\"value\":[1,\"x\",false,1.5]}"),
		"%s", bad.text);
	cr_assert_eq(tw_args_u64(&args, "count"), 10);
	v = tw_args_list(&args, "mode", &cnt);
	cr_assert_eq(cnt, 2);
	cr_assert_eq(v[1].choice, 1);
	cr_assert(tw_args_bool(&args, "raw"));
	cr_assert_eq(tw_args_ns(&args, "interval_ms"), 250000);
	cr_assert_eq(tw_args_range(&args, "ports").hi, 9);
	cr_assert_eq(tw_args_i64(&args, "offset"), -3);
	cr_assert_str_eq(tw_args_str(&args, "name"), "abc");
	cr_assert_str_eq(tw_args_str(&args, "value"), "1,x,off,1.5");
	cr_assert(with_params("{\"host\":\"::1\",\"mode\":\"open\",\"interval_ms\":\"2s\","
			      "\"ports\":7,\"value\":true}"));
	cr_assert_eq(tw_args_ns(&args, "interval_ms"), 2000000000);
	cr_assert_eq(tw_args_range(&args, "ports").lo, 7);
	cr_assert_str_eq(tw_args_str(&args, "value"), "on");
}

Test(request, names_the_parameter_at_fault)
{
	static const struct {
		const char *params;
		enum tw_conf_reason reason;
		const char *field;
	} rows[] = {
		{"{}", TW_CONF_R_MISSING_KEY, "host"},
		{"[1]", TW_CONF_R_WRONG_TYPE, ""},
		{"7", TW_CONF_R_WRONG_TYPE, ""},
		{"{\"host\":\"::1\",\"colour\":1}", TW_CONF_R_UNKNOWN_KEY, "colour"},
		{"{\"host\":7}", TW_CONF_R_WRONG_TYPE, "host"},
		{"{\"host\":null}", TW_CONF_R_WRONG_TYPE, "host"},
		{"{\"host\":\"x\"}", TW_CONF_R_BAD_VALUE, "host"},
		{"{\"host\":[\"::1\"]}", TW_CONF_R_WRONG_TYPE, "host"},
		{"{\"host\":\"::1\",\"count\":\"5\"}", TW_CONF_R_WRONG_TYPE, "count"},
		{"{\"host\":\"::1\",\"count\":5.0}", TW_CONF_R_WRONG_TYPE, "count"},
		{"{\"host\":\"::1\",\"count\":0}", TW_CONF_R_OUT_OF_BOUNDS, "count"},
		{"{\"host\":\"::1\",\"count\":-1}", TW_CONF_R_OUT_OF_BOUNDS, "count"},
		{"{\"host\":\"::1\",\"count\":9223372036854775807}", TW_CONF_R_OUT_OF_BOUNDS,
			"count"},
		{"{\"host\":\"::1\",\"raw\":1}", TW_CONF_R_WRONG_TYPE, "raw"},
		{"{\"host\":\"::1\",\"mode\":[\"open\",3]}", TW_CONF_R_WRONG_TYPE, "mode"},
		{"{\"host\":\"::1\",\"mode\":\"shut\"}", TW_CONF_R_BAD_VALUE, "mode"},
		{"{\"host\":\"::1\",\"interval_ms\":1e300}", TW_CONF_R_OUT_OF_BOUNDS,
			"interval_ms"},
		{"{\"host\":\"::1\",\"interval_ms\":1e17}", TW_CONF_R_BAD_VALUE, "interval_ms"},
		{"{\"host\":\"::1\",\"interval_ms\":{}}", TW_CONF_R_WRONG_TYPE, "interval_ms"},
		{"{\"host\":\"::1\",\"ports\":70000}", TW_CONF_R_OUT_OF_BOUNDS, "ports"},
		{"{\"host\":\"::1\",\"offset\":11}", TW_CONF_R_OUT_OF_BOUNDS, "offset"},
		{"{\"host\":\"::1\",\"name\":\"123456789\"}", TW_CONF_R_TOO_LONG, "name"},
		{"{\"host\":\"::1\",\"value\":{}}", TW_CONF_R_WRONG_TYPE, "value"},
		{"{\"host\":\"::1\",\"value\":[[1]]}", TW_CONF_R_WRONG_TYPE, "value"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		cr_assert_not(with_params(rows[i].params), "%s", rows[i].params);
		cr_assert_eq(bad.reason, rows[i].reason, "%s: %s", rows[i].params, bad.text);
		cr_assert_str_eq(bad.field, rows[i].field);
	}
}

static bool
memory_holds(const char *text)
{
	size_t n = strlen(text);

	for (size_t i = 0; i + n <= TW_RPC_MEM_SIZE; i++) {
		if (mem[i] == text[0] && memcmp(mem + i, text, n) == 0)
			return true;
	}
	return false;
}

Test(request, leaves_no_secret_behind)
{
	const char *line = "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"key.add\","
			   "\"params\":{\"secret\":\"correct horse\"}}";
	size_t len;

	cr_assert(parse(line));
	cr_assert(tw_rpc_request(&msg, 0, &req, &err));
	cr_assert(tw_rpc_args(&req, secret_keys, 1, &args, &bad));
	cr_assert(memory_holds("correct horse"));
	tw_rpc_done(&msg);
	cr_assert_not(memory_holds("correct horse"));
	cr_assert_arr_eq(tw_args_bytes(&args, "secret", &len), "correct horse", 13);
	cr_assert_not(parse("{\"secret\":\"correct horse\" hunter2"));
	cr_assert_not(memory_holds("correct horse"));
	cr_assert_null(strstr(err.text, "hunter2"));
}

Test(request, does_not_repeat_a_misspelt_key_beside_a_secret)
{
	cr_assert(parse("{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"key.add\","
			"\"params\":{\"hunter2\":\"secret\"}}"));
	cr_assert(tw_rpc_request(&msg, 0, &req, &err));
	cr_assert_not(tw_rpc_args(&req, secret_keys, 1, &args, &bad));
	cr_assert_eq(bad.reason, TW_CONF_R_UNKNOWN_KEY);
	cr_assert_null(strstr(bad.text, "hunter2"));
	cr_assert_str_eq(bad.field, "");
	tw_rpc_done(&msg);
}
