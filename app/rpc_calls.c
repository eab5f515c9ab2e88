/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Requests of a client of the JSON socket: line -> method -> checked arguments -> operation ->
 * answer, now or later, alone or in its batch.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io_rpc_i.h"
#include "tw_base.h"

/* Room for everything of an envelope but the id and the body. */
#define ENVELOPE_SIZE 64

static size_t
write_envelope(
	char *to, size_t size, const char *id, const char *kind, const char *body, size_t body_len)
{
	int n = snprintf(to, size, "{\"jsonrpc\":\"2.0\",\"id\":%s,\"%s\":", id, kind);

	TW_ASSERT(n > 0 && (size_t)n + body_len + 2 <= size);
	memcpy(to + n, body, body_len);
	to[(size_t)n + body_len] = '}';
	return (size_t)n + body_len + 1;
}

static void
send_line(struct rpc_client *c, const char *id, const char *kind, const char *body, size_t body_len)
{
	size_t size = ENVELOPE_SIZE + strlen(id) + body_len;
	struct rpc_chunk *chunk = rpc_chunk_new(c, size);

	if (chunk == NULL)
		return;
	chunk->len = write_envelope(chunk->text, size, id, kind, body, body_len);
	chunk->text[chunk->len++] = '\n';
	rpc_queue_add(c, chunk);
}

/* Add an answer to its batch; kind NULL: a notification, which has none. */
static void
add_to_batch(struct rpc_client *c, struct rpc_batch *b, const char *id, const char *kind,
	const char *body, size_t body_len)
{
	if (kind != NULL) {
		size_t size = ENVELOPE_SIZE + strlen(id) + body_len;
		char *text = realloc(b->text, b->len + 1 + size);

		if (text == NULL) {
			c->is_broken = true;
		} else {
			b->text = text;
			b->text[b->len] = b->len ? ',' : '[';
			b->len++;
			b->len += write_envelope(b->text + b->len, size, id, kind, body, body_len);
		}
	}
	if (--b->waiting > 0)
		return;
	if (b->len > 0 && !c->is_broken) {
		struct rpc_chunk *chunk = rpc_chunk_new(c, b->len + 2);

		if (chunk != NULL) {
			memcpy(chunk->text, b->text, b->len);
			memcpy(chunk->text + b->len, "]\n", 2);
			chunk->len = b->len + 2;
			rpc_queue_add(c, chunk);
		}
	}
	free(b->text);
	free(b);
}

/* Send an answer where it belongs. kind NULL: nothing is to be said. */
static void
answer(struct rpc_client *c, struct rpc_batch *b, const char *id, const char *kind,
	const char *body, size_t body_len)
{
	if (b != NULL)
		add_to_batch(c, b, id, kind, body, body_len);
	else if (kind != NULL)
		send_line(c, id, kind, body, body_len);
}

/* The failure in @p out. @param code 0: the one of the failure */
static void
answer_error(
	struct rpc_client *c, struct rpc_batch *b, const char *id, struct tw_out *out, int code)
{
	static const char no_memory[] =
		"{\"code\":-32018,\"message\":\"out of memory\",\"data\":{\"field\":null,"
		"\"reason\":\"no_memory\",\"hint\":null}}";
	size_t len = 0;
	const char *body = out ? tw_out_error_json(out, code, &len) : NULL;

	c->io->stats.errors++;
	if (body == NULL) {
		body = no_memory;
		len = strlen(no_memory);
	}
	answer(c, b, id, "error", body, len);
}

static void
refuse(struct rpc_client *c, struct rpc_batch *b, const char *id, int code, const char *reason,
	const char *hint, const char *text)
{
	struct tw_out *out = tw_out_new();

	if (out != NULL)
		tw_out_reject(out, reason, hint, text);
	answer_error(c, b, id, out, code);
	tw_out_free(out);
}

static void
refuse_line(struct rpc_client *c, struct rpc_batch *b, const char *id, const struct tw_rpc_err *err)
{
	c->io->stats.bad_lines++;
	refuse(c, b, id, err->code, err->reason, err->hint, err->text);
}

static void
call_free(struct rpc_call *call)
{
	LIST_REMOVE(call, link);
	call->client->call_cnt--;
	free(call);
}

static void
on_done(void *arg, struct tw_out *out, int res)
{
	struct rpc_call *call = arg;
	struct rpc_client *c = call->client;
	size_t len = 0;
	const char *body = NULL;
	bool is_late = call->op != NULL;

	if (res == 0 && !call->is_notification)
		body = tw_out_json(out, &len);
	if (call->is_notification)
		answer(c, call->batch, call->id, NULL, NULL, 0);
	else if (body != NULL)
		answer(c, call->batch, call->id, "result", body, len);
	else
		answer_error(c, call->batch, call->id, out, 0);
	call_free(call);
	if (is_late)
		rpc_client_wake(c);
}

static void
start_call(struct rpc_client *c, struct rpc_batch *b, const struct tw_rpc_req *req,
	const struct tw_op *op)
{
	struct tw_op_caller caller = {.privilege = rpc_client_privilege(c), .conn = c};
	struct rpc_call *call = calloc(1, sizeof(*call));
	struct tw_op_call *deferred;

	if (call == NULL) {
		answer_error(c, b, req->id, NULL, 0);
		return;
	}
	call->client = c;
	call->batch = b;
	call->is_notification = req->is_notification;
	memcpy(call->id, req->id, sizeof(call->id));
	LIST_INSERT_HEAD(&c->calls, call, link);
	c->call_cnt++;
	deferred = tw_op_start(c->io->app, op, c->io->args, &caller, on_done, call);
	if (deferred != NULL)
		call->op = deferred;
}

/* One request, of a line or a batch. */
static void
run_request(struct rpc_client *c, const struct tw_rpc_msg *msg, size_t i, struct rpc_batch *b)
{
	struct tw_rpc_req req;
	struct tw_rpc_err err;
	struct tw_conf_err bad;
	const struct tw_op *op;

	c->io->stats.requests++;
	c->requests++;
	if (!tw_rpc_request(msg, i, &req, &err)) {
		refuse_line(c, b, req.id, &err);
		return;
	}
	op = tw_ops_find_method(req.method, req.method_len);
	if (op != NULL && c->call_cnt < RPC_CALLS_MAX &&
		tw_rpc_args(&req, op->keys, op->key_cnt, c->io->args, &bad)) {
		start_call(c, b, &req, op);
	} else if (req.is_notification) { /* JSON-RPC 2.0 section 4.1: not even an error */
		c->io->stats.errors++;
		answer(c, b, req.id, NULL, NULL, 0);
	} else if (op == NULL) {
		refuse(c, b, req.id, TW_RPC_E_METHOD, "unknown_method",
			"rpc.methods lists what there is", "there is no such method");
	} else if (c->call_cnt >= RPC_CALLS_MAX) {
		refuse(c, b, req.id, 0, "limit", "wait for answers before asking more",
			"too many requests of this client wait for their answers");
	} else {
		struct tw_out *out = tw_out_new();

		if (out != NULL)
			tw_out_refuse(out, &bad);
		answer_error(c, b, req.id, out, TW_RPC_E_PARAMS);
		tw_out_free(out);
	}
	tw_args_wipe(c->io->args);
}

static void
run_line(struct rpc_client *c, const char *line, size_t len)
{
	struct tw_rpc_msg msg;
	struct tw_rpc_err err;
	struct rpc_batch *b = NULL;

	if (!tw_rpc_parse(line, len, &msg, &err)) {
		refuse_line(c, NULL, "null", &err);
		return;
	}
	if (msg.is_batch) {
		b = calloc(1, sizeof(*b));
		if (b == NULL) {
			c->is_broken = true;
			tw_rpc_done(&msg);
			return;
		}
		b->waiting = msg.cnt;
	}
	for (size_t i = 0; i < msg.cnt; i++)
		run_request(c, &msg, i, b);
	tw_rpc_done(&msg);
}

bool
rpc_client_run(struct rpc_client *c)
{
	static const struct tw_rpc_err overlong = {
		.code = TW_RPC_E_REQUEST,
		.reason = "too_long",
		.text = "the line is longer than 1 MiB",
		.hint = "send smaller requests",
	};
	int res = 0;

	for (unsigned n = 0; n < RPC_LINES_A_TURN && !c->is_broken; n++) {
		const char *line;
		size_t len;

		res = c->queued < RPC_REPLY_PAUSE ? tw_rpc_lines_next(&c->lines, &line, &len) : 0;
		if (res == 0)
			break;
		if (res < 0)
			refuse_line(c, NULL, "null", &overlong);
		else
			run_line(c, line, len);
	}
	return res != 0;
}

void
rpc_calls_abandon(struct rpc_client *c)
{
	while (!LIST_EMPTY(&c->calls)) {
		struct rpc_call *call = LIST_FIRST(&c->calls);

		tw_op_abandon(call->op);
		if (call->batch != NULL && --call->batch->waiting == 0) {
			free(call->batch->text);
			free(call->batch);
		}
		call_free(call);
	}
}
