/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Answers of operations as telemetry data. Its dictionaries hold 256 entries and do not nest in
 * every version: nested names are joined by '_', entries of lists by their index.
 */
#include "telemetry.h"

#include <errno.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_telemetry.h>
#include <rte_version.h>

#include "ask.h"
#include "out_i.h"
#include "tw_base.h"

#define NAME_SIZE 64

struct tw_telemetry {
	struct tw_ask ask;
	struct tw_args args;
	struct tw_args_words words;
	struct rte_tel_data *data; /* of the request that waits */
};

/*
 * DPDK's callbacks carry no argument, and each client has a thread: `gate` guards the pointer and
 * lets one request through at a time.
 */
static struct tw_telemetry *instance;
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

static const struct {
	const char *path;
	const char *noun;
	const char *verb;
} rows[] = {
#define TW_TELEMETRY(path_, noun_, verb_) {path_, noun_, verb_},
#include "telemetry.def"
#undef TW_TELEMETRY
};

static void
add_u64(struct rte_tel_data *d, const char *name, uint64_t v)
{
#if RTE_VERSION >= RTE_VERSION_NUM(23, 3, 0, 0)
	rte_tel_data_add_dict_uint(d, name, v);
#else
	rte_tel_data_add_dict_u64(d, name, v);
#endif
}

static void
add_text(struct rte_tel_data *d, const char *name, const char *fmt, ...)
{
	char text[RTE_TEL_MAX_STRING_LEN];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	rte_tel_data_add_dict_string(d, name, text);
}

static void
add_i64(struct rte_tel_data *d, const char *name, int64_t v)
{
	if (v >= 0)
		add_u64(d, name, (uint64_t)v);
	else if (v >= INT32_MIN)
		rte_tel_data_add_dict_int(d, name, (int)v);
	else /* 22.11 has no larger signed type */
		add_text(d, name, "%lld", (long long)v);
}

static void
add_scalar(
	const struct tw_out *o, struct rte_tel_data *d, const char *name, const struct out_node *n)
{
	switch (n->kind) {
	case OUT_U64:
		add_u64(d, name, n->u64);
		break;
	case OUT_I64:
	case OUT_NS:
		add_i64(d, name, n->i64);
		break;
	case OUT_PCT:
		add_text(d, name, "%lld.%03d", (long long)(n->i64 / 1000), (int)(n->i64 % 1000));
		break;
	case OUT_BOOL:
		add_u64(d, name, n->b);
		break;
	case OUT_NULL:
		rte_tel_data_add_dict_string(d, name, "");
		break;
	default:
		add_text(d, name, "%s", o->text.p + n->str);
		break;
	}
}

/* Recursion is bounded by OUT_DEPTH_MAX. */
static void
add_node(const struct tw_out *o, struct rte_tel_data *d, const char *prefix, uint32_t i)
{
	unsigned idx = 0;

	for (uint32_t c = o->nodes[i].first; c != OUT_NONE; c = o->nodes[c].next, idx++) {
		const struct out_node *n = &o->nodes[c];
		const char *own = out_text_at(o, n->name);
		char name[NAME_SIZE];

		if (own != NULL)
			snprintf(name, sizeof(name), "%s%s%s", prefix, prefix[0] ? "_" : "", own);
		else
			snprintf(name, sizeof(name), "%s_%u", prefix, idx);
		if (out_is_container(n))
			add_node(o, d, name, c);
		else
			add_scalar(o, d, name, n);
	}
}

/* Context: control lcore, while the telemetry thread waits. */
static void
on_answer(void *arg, struct tw_out *out, int res)
{
	struct tw_telemetry *t = arg;

	rte_tel_data_start_dict(t->data);
	if (out != NULL && res == 0) {
		add_node(out, t->data, "", 0);
		return;
	}
	add_text(t->data, "error", "%s", out ? tw_out_error(out)->text : "not available");
	add_text(t->data, "reason", "%s", out ? tw_out_error(out)->reason : "stopping");
}

/* The parameter as the first key of the operation. */
static bool
fill_args(struct tw_telemetry *t, const struct tw_op *op, const char *params)
{
	struct tw_conf_err err;

	if (params == NULL)
		params = "";
	if (tw_args_split(params, strlen(params), &t->words, &err) &&
		tw_args_from_words(&t->args, op->keys, op->key_cnt, &t->words, 0, &err))
		return true;
	rte_tel_data_start_dict(t->data);
	add_text(t->data, "error", "%s", err.text);
	add_text(t->data, "reason", "%s", tw_conf_reason_str(err.reason));
	return false;
}

static int
run(struct tw_telemetry *t, const char *cmd, const char *params, struct rte_tel_data *data)
{
	for (size_t i = 0; i < TW_ARRAY_SIZE(rows); i++) {
		const struct tw_op *op;

		if (strcmp(rows[i].path, cmd) != 0)
			continue;
		op = tw_ops_find(
			rows[i].noun, strlen(rows[i].noun), rows[i].verb, strlen(rows[i].verb));
		if (op == NULL)
			return -ENOENT;
		t->data = data;
		if (fill_args(t, op, params) && tw_ask_run(&t->ask, op, NULL, NULL) == -ESHUTDOWN)
			return -ESHUTDOWN;
		return 0;
	}
	return -ENOENT;
}

static int
on_command(const char *cmd, const char *params, struct rte_tel_data *data)
{
	int res = -ESHUTDOWN;

	pthread_mutex_lock(&gate);
	if (instance != NULL)
		res = run(instance, cmd, params, data);
	pthread_mutex_unlock(&gate);
	return res;
}

struct tw_telemetry *
tw_telemetry_new(struct tw_app *app)
{
	struct tw_telemetry *t = calloc(1, sizeof(*t));
	int res = -ENOMEM;

	if (t != NULL)
		res = tw_ask_init(&t->ask, app, TW_OP_READ, &t->args, on_answer, t);
	if (res != 0) {
		free(t);
		errno = -res;
		return NULL;
	}
	for (size_t i = 0; i < TW_ARRAY_SIZE(rows); i++) {
		const struct tw_op *op = tw_ops_find(
			rows[i].noun, strlen(rows[i].noun), rows[i].verb, strlen(rows[i].verb));

		if (op != NULL)
			rte_telemetry_register_cmd(rows[i].path, on_command, op->help);
	}
	pthread_mutex_lock(&gate);
	instance = t;
	pthread_mutex_unlock(&gate);
	return t;
}

void
tw_telemetry_free(struct tw_telemetry *t)
{
	if (t == NULL)
		return;
	pthread_mutex_lock(&gate);
	instance = NULL;
	pthread_mutex_unlock(&gate);
	tw_ask_fini(&t->ask);
	free(t);
}

int
tw_telemetry_attach(struct tw_telemetry *t)
{
	return tw_ask_attach(&t->ask);
}

void
tw_telemetry_detach(struct tw_telemetry *t)
{
	if (t != NULL)
		tw_ask_detach(&t->ask);
}
