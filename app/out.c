/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The output writer: calls of an operation into a tree. out_json.c and out_text.c render it.
 */
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "errors.h"
#include "out_i.h"
#include "tw_base.h"

/* An answer of a full page stays far below; what exceeds this is a runaway. */
#define OUT_BUF_MAX   (16U << 20)
#define OUT_NODES_MAX (256U << 10)

bool
out_buf_reserve(struct out_buf *b, size_t more)
{
	size_t size = b->size ? b->size : 1024;
	char *p;

	if (more > OUT_BUF_MAX || b->len + more > OUT_BUF_MAX)
		return false;
	if (b->len + more <= b->size)
		return true;
	while (size < b->len + more)
		size *= 2;
	p = realloc(b->p, size);
	if (p == NULL)
		return false;
	b->p = p;
	b->size = size;
	return true;
}

bool
out_buf_add(struct out_buf *b, const char *p, size_t len)
{
	if (!out_buf_reserve(b, len + 1))
		return false;
	memcpy(b->p + b->len, p, len);
	b->len += len;
	b->p[b->len] = '\0';
	return true;
}

bool
out_buf_add_str(struct out_buf *b, const char *s)
{
	return out_buf_add(b, s, strlen(s));
}

bool
out_buf_printf(struct out_buf *b, const char *fmt, ...)
{
	char text[1024];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	return n >= 0 &&
	       out_buf_add(b, text, TW_ARRAY_SIZE(text) > (size_t)n ? (size_t)n : sizeof(text) - 1);
}

size_t
out_utf8_len(const char *s, size_t left)
{
	for (size_t n = 1; n <= 4 && n <= left; n++) {
		if (tw_conf_is_utf8(s, n))
			return n;
	}
	return 0;
}

/* Keep a text. @return its offset, OUT_NO_TEXT for NULL or if out of memory */
static uint32_t
keep(struct tw_out *o, const char *s)
{
	uint32_t off = (uint32_t)o->text.len;

	if (s == NULL)
		return OUT_NO_TEXT;
	if (!out_buf_add(&o->text, s, strlen(s) + 1)) {
		o->is_out_of_memory = true;
		return OUT_NO_TEXT;
	}
	return off;
}

static uint32_t
node_new(struct tw_out *o)
{
	if (o->node_cnt == o->node_size) {
		uint32_t size = o->node_size ? o->node_size * 2 : 64;
		struct out_node *p = NULL;

		if (size <= OUT_NODES_MAX)
			p = realloc(o->nodes, size * sizeof(*p));
		if (p == NULL) {
			o->is_out_of_memory = true;
			return OUT_NONE;
		}
		o->nodes = p;
		o->node_size = size;
	}
	memset(&o->nodes[o->node_cnt], 0, sizeof(o->nodes[0]));
	return o->node_cnt++;
}

/* Append a node to the container open now. @return NULL if nothing is to be written */
static struct out_node *
append(struct tw_out *o, enum out_kind kind, const char *name)
{
	uint32_t parent;
	uint32_t i;
	uint32_t off;

	if (o == NULL || o->is_out_of_memory || o->error.res != 0)
		return NULL;
	TW_ASSERT(o->depth > 0);
	parent = o->open[o->depth - 1];
	TW_ASSERT((name != NULL) == (o->nodes[parent].kind == OUT_OBJ));
	off = keep(o, name);
	i = node_new(o);
	if (o->is_out_of_memory)
		return NULL;
	if (o->nodes[parent].last == OUT_NONE)
		o->nodes[parent].first = i;
	else
		o->nodes[o->nodes[parent].last].next = i;
	o->nodes[parent].last = i;
	o->nodes[parent].cnt++;
	o->nodes[i].kind = (uint8_t)kind;
	o->nodes[i].name = off;
	o->nodes[i].brief = OUT_NO_TEXT;
	return &o->nodes[i];
}

static void
open_container(struct tw_out *o, enum out_kind kind, const char *name)
{
	struct out_node *n = append(o, kind, name);

	if (n == NULL)
		return;
	TW_ASSERT(o->depth < OUT_DEPTH_MAX);
	o->open[o->depth++] = (uint32_t)(n - o->nodes);
}

static void
close_container(struct tw_out *o, enum out_kind kind)
{
	if (o == NULL || o->is_out_of_memory || o->error.res != 0)
		return;
	TW_ASSERT(o->depth > 1 && o->nodes[o->open[o->depth - 1]].kind == kind);
	(void)kind;
	o->depth--;
}

void
tw_out_obj(struct tw_out *o, const char *name)
{
	open_container(o, OUT_OBJ, name);
}

void
tw_out_obj_end(struct tw_out *o)
{
	close_container(o, OUT_OBJ);
}

void
tw_out_obj_brief(struct tw_out *o, const char *name, const char *brief)
{
	uint32_t i;

	open_container(o, OUT_OBJ, name);
	if (o == NULL || o->is_out_of_memory || o->error.res != 0)
		return;
	i = o->open[o->depth - 1];
	o->nodes[i].brief = keep(o, brief);
}

void
tw_out_arr(struct tw_out *o, const char *name)
{
	open_container(o, OUT_ARR, name);
}

void
tw_out_arr_end(struct tw_out *o)
{
	close_container(o, OUT_ARR);
}

static void
put_text(struct tw_out *o, enum out_kind kind, const char *name, const char *v, const char *unit)
{
	struct out_node *n;
	uint32_t off;

	n = append(o, v ? kind : OUT_NULL, name);
	if (n == NULL || v == NULL)
		return;
	n->unit = unit;
	off = keep(o, v);
	n->str = off == OUT_NO_TEXT ? 0 : off;
}

void
tw_out_str(struct tw_out *o, const char *name, const char *v)
{
	put_text(o, OUT_STR, name, v, NULL);
}

void
tw_out_strf(struct tw_out *o, const char *name, const char *fmt, ...)
{
	char text[1024];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	tw_out_str(o, name, text);
}

void
tw_out_block(struct tw_out *o, const char *name, const char *text)
{
	put_text(o, OUT_BLOCK, name, text, NULL);
}

void
tw_out_bool(struct tw_out *o, const char *name, bool v)
{
	struct out_node *n = append(o, OUT_BOOL, name);

	if (n != NULL)
		n->b = v;
}

void
tw_out_null(struct tw_out *o, const char *name)
{
	append(o, OUT_NULL, name);
}

void
tw_out_u64(struct tw_out *o, const char *name, uint64_t v, const char *unit)
{
	struct out_node *n = append(o, OUT_U64, name);

	if (n != NULL) {
		n->u64 = v;
		n->unit = unit;
	}
}

void
tw_out_real(struct tw_out *o, const char *name, double v, const char *unit)
{
	char text[352];

	snprintf(text, sizeof(text), "%.6f", v);
	put_text(o, OUT_NUM, name, isfinite(v) ? text : NULL, unit);
}

static void
put_i64(struct tw_out *o, enum out_kind kind, const char *name, int64_t v, const char *unit)
{
	struct out_node *n = append(o, kind, name);

	if (n != NULL) {
		n->i64 = v;
		n->unit = unit;
	}
}

void
tw_out_i64(struct tw_out *o, const char *name, int64_t v, const char *unit)
{
	put_i64(o, OUT_I64, name, v, unit);
}

void
tw_out_ns(struct tw_out *o, const char *name, int64_t ns)
{
	put_i64(o, OUT_NS, name, ns, NULL);
}

void
tw_out_pct(struct tw_out *o, const char *name, uint64_t part, uint64_t whole)
{
	unsigned __int128 scaled = (unsigned __int128)part * 100000;

	if (whole == 0)
		tw_out_null(o, name);
	else
		put_i64(o, OUT_PCT, name, (int64_t)((scaled + whole / 2) / whole), NULL);
}

void
tw_out_time(struct tw_out *o, const char *name, int64_t utc_ns)
{
	int64_t ns = utc_ns % 1000000000;
	time_t s = (time_t)(utc_ns / 1000000000);
	struct tm tm;
	char text[40];

	if (ns < 0) {
		ns += 1000000000;
		s--;
	}
	gmtime_r(&s, &tm);
	strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
	tw_out_strf(o, name, "%s.%09dZ", text, (int)ns);
}

void
tw_out_addr(struct tw_out *o, const char *name, const struct tw_addr *a)
{
	char text[TW_ADDR_STR_SIZE];

	tw_out_str(o, name, tw_addr_len(a) ? tw_addr_str(a, text) : NULL);
}

void
tw_out_prefix(struct tw_out *o, const char *name, const struct tw_prefix *p)
{
	char text[TW_PREFIX_STR_SIZE];

	tw_out_str(o, name, tw_prefix_str(p, text));
}

/* The unit that a duration's key carries: timeout_s -> "s". */
static const char *
duration_unit(const struct tw_conf_key *key)
{
	switch (tw_conf_unit_ns(key->name)) {
	case 1:
		return "ns";
	case 1000:
		return "us";
	case 1000000:
		return "ms";
	case 1000000000:
		return "s";
	default:
		return NULL;
	}
}

void
tw_out_value(struct tw_out *o, const char *name, const struct tw_conf_key *key,
	const struct tw_conf_value *v)
{
	char text[TW_PREFIX_STR_SIZE + 16];

	switch (key->type) {
	case TW_CONF_U64:
		tw_out_u64(o, name, v->u64, key->unit);
		break;
	case TW_CONF_I64:
		tw_out_i64(o, name, v->i64, key->unit);
		break;
	case TW_CONF_BOOL:
		tw_out_bool(o, name, v->b);
		break;
	case TW_CONF_ADDR:
		tw_out_addr(o, name, &v->addr);
		break;
	case TW_CONF_DURATION:
		tw_conf_format(key, v, text, sizeof(text));
		put_text(o, OUT_NUM, name, text, duration_unit(key));
		break;
	case TW_CONF_STR:
	case TW_CONF_PATH:
	case TW_CONF_ANY:
		tw_out_str(o, name, v->str.p ? v->str.p : "");
		break;
	default:
		tw_conf_format(key, v, text, sizeof(text));
		tw_out_str(o, name, text);
		break;
	}
}

int
tw_out_fail(struct tw_out *o, int res, const char *field, const char *hint, const char *fmt, ...)
{
	struct tw_out_error *e;
	va_list ap;

	TW_ASSERT(res < 0);
	if (o == NULL || o->error.res != 0)
		return res;
	e = &o->error;
	e->res = res;
	snprintf(e->field, sizeof(e->field), "%s", field ? field : "");
	snprintf(e->hint, sizeof(e->hint), "%s", hint ? hint : "");
	snprintf(e->reason, sizeof(e->reason), "%s", tw_error_find(res)->reason);
	va_start(ap, fmt);
	vsnprintf(e->text, sizeof(e->text), fmt, ap);
	va_end(ap);
	return res;
}

void
tw_out_refuse(struct tw_out *o, const struct tw_conf_err *err)
{
	tw_out_fail(o, -EINVAL, err->field[0] ? err->field : NULL, NULL, "%s", err->text);
	snprintf(o->error.reason, sizeof(o->error.reason), "%s", tw_conf_reason_str(err->reason));
}

void
tw_out_reject(struct tw_out *o, const char *reason, const char *hint, const char *text)
{
	int res = strcmp(reason, "limit") == 0 ? -ENOSPC : -EINVAL;

	tw_out_fail(o, res, NULL, hint, "%s", text);
	snprintf(o->error.reason, sizeof(o->error.reason), "%s", reason);
}

struct tw_out *
tw_out_new(void)
{
	struct tw_out *o = calloc(1, sizeof(*o));

	if (o == NULL)
		return NULL;
	tw_out_reset(o);
	if (o->is_out_of_memory) {
		tw_out_free(o);
		return NULL;
	}
	return o;
}

void
tw_out_free(struct tw_out *o)
{
	if (o == NULL)
		return;
	free(o->nodes);
	free(o->text.p);
	free(o->rendered.p);
	free(o);
}

void
tw_out_reset(struct tw_out *o)
{
	uint32_t root;

	o->node_cnt = 0;
	o->text.len = 0;
	o->rendered.len = 0;
	o->is_out_of_memory = false;
	memset(&o->error, 0, sizeof(o->error));
	root = node_new(o);
	if (o->is_out_of_memory)
		return;
	o->nodes[root].kind = OUT_OBJ;
	o->nodes[root].name = OUT_NO_TEXT;
	o->nodes[root].brief = OUT_NO_TEXT;
	o->open[0] = root;
	o->depth = 1;
}

const struct tw_out_error *
tw_out_error(const struct tw_out *o)
{
	static const struct tw_out_error no_memory = {
		.res = -ENOMEM,
		.reason = "no_memory",
		.text = "the answer does not fit in memory",
		.hint = "ask for fewer entries with limit",
	};

	return o->error.res == 0 && o->is_out_of_memory ? &no_memory : &o->error;
}

void *
tw_out_user(const struct tw_out *o)
{
	return o->user;
}

void
tw_out_set_user(struct tw_out *o, void *user)
{
	o->user = user;
}
