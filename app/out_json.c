/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The tree as JSON text (RFC 8259) in one line.
 */
#include <inttypes.h>
#include <string.h>

#include "errors.h"
#include "out_i.h"

static bool
put_escaped(struct out_buf *b, unsigned char c)
{
	switch (c) {
	case '"':
		return out_buf_add(b, "\\\"", 2);
	case '\\':
		return out_buf_add(b, "\\\\", 2);
	case '\n':
		return out_buf_add(b, "\\n", 2);
	case '\t':
		return out_buf_add(b, "\\t", 2);
	default:
		return out_buf_printf(b, "\\u%04x", c);
	}
}

/* What is not UTF-8 (a name from a peer) becomes U+FFFD: the line must stay JSON. */
static bool
put_string(struct out_buf *b, const char *s)
{
	size_t left = strlen(s);
	bool is_ok = out_buf_add(b, "\"", 1);

	while (is_ok && left > 0) {
		unsigned char c = (unsigned char)*s;
		size_t n = 1;

		if (c < 0x20 || c == '"' || c == '\\' || c == 0x7f) {
			is_ok = put_escaped(b, c);
		} else if (c < 0x80) {
			is_ok = out_buf_add(b, s, 1);
		} else {
			n = out_utf8_len(s, left);
			is_ok = n ? out_buf_add(b, s, n) : out_buf_add(b, "\xef\xbf\xbd", 3);
			n = n ? n : 1;
		}
		s += n;
		left -= n;
	}
	return is_ok && out_buf_add(b, "\"", 1);
}

static bool
put_pct(struct out_buf *b, int64_t v)
{
	return out_buf_printf(b, "%" PRId64 ".%03d", v / 1000, (int)(v % 1000));
}

static bool
put_scalar(struct tw_out *o, const struct out_node *n)
{
	struct out_buf *b = &o->rendered;

	switch (n->kind) {
	case OUT_STR:
	case OUT_BLOCK:
		return put_string(b, o->text.p + n->str);
	case OUT_NUM:
		return out_buf_add_str(b, o->text.p + n->str);
	case OUT_BOOL:
		return out_buf_add_str(b, n->b ? "true" : "false");
	case OUT_U64:
		return out_buf_printf(b, "%" PRIu64, n->u64);
	case OUT_I64:
	case OUT_NS:
		return out_buf_printf(b, "%" PRId64, n->i64);
	case OUT_PCT:
		return put_pct(b, n->i64);
	default:
		return out_buf_add_str(b, "null");
	}
}

/* Recursion is bounded by OUT_DEPTH_MAX. */
static bool
put_node(struct tw_out *o, uint32_t i)
{
	struct out_buf *b = &o->rendered;
	const struct out_node *n = &o->nodes[i];
	bool is_obj = n->kind == OUT_OBJ;

	if (!out_is_container(n))
		return put_scalar(o, n);
	if (!out_buf_add(b, is_obj ? "{" : "[", 1))
		return false;
	for (uint32_t c = n->first; c != OUT_NONE; c = o->nodes[c].next) {
		if (c != n->first && !out_buf_add(b, ",", 1))
			return false;
		if (is_obj && (!put_string(b, out_text_at(o, o->nodes[c].name)) ||
				      !out_buf_add(b, ":", 1)))
			return false;
		if (!put_node(o, c))
			return false;
	}
	return out_buf_add(b, is_obj ? "}" : "]", 1);
}

const char *
tw_out_json(struct tw_out *o, size_t *len)
{
	o->rendered.len = 0;
	*len = 0;
	if (o->is_out_of_memory || !put_node(o, 0))
		return NULL;
	*len = o->rendered.len;
	return o->rendered.p;
}

/* A member whose empty text means null. */
static bool
put_member(struct out_buf *b, const char *name, const char *v)
{
	return out_buf_printf(b, "\"%s\":", name) &&
	       (v[0] ? put_string(b, v) : out_buf_add_str(b, "null"));
}

const char *
tw_out_error_json(struct tw_out *o, int code, size_t *len)
{
	struct out_buf *b = &o->rendered;
	const struct tw_out_error *e = tw_out_error(o);

	b->len = 0;
	*len = 0;
	if (!out_buf_printf(b, "{\"code\":%d,", code ? code : tw_error_find(e->res)->code) ||
		!put_member(b, "message", e->text) || !out_buf_add_str(b, ",\"data\":{") ||
		!put_member(b, "field", e->field) || !out_buf_add_str(b, ",") ||
		!put_member(b, "reason", e->reason) || !out_buf_add_str(b, ",") ||
		!put_member(b, "hint", e->hint) || !out_buf_add_str(b, "}}"))
		return NULL;
	*len = b->len;
	return b->p;
}
