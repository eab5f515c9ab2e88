/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The tree as text for people: names aligned, a unit behind every number, lists of equal flat
 * objects as tables. Strings may come from a peer: control characters are shown as '?', so that
 * nobody writes to the operator's terminal.
 */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "out_i.h"
#include "tw_base.h"

#define CELL_SIZE   256
#define TABLE_COLS  24
#define TABLE_WIDTH 200
#define INDENT      2

static bool
is_number(const struct out_node *n)
{
	return n->kind == OUT_U64 || n->kind == OUT_I64 || n->kind == OUT_NUM ||
	       n->kind == OUT_NS || n->kind == OUT_PCT;
}

/* delay_ns -> "delay", max_lag -> "max lag", tsc_hz -> "tsc": the value carries the unit. */
static const char *
label(const struct tw_out *o, const struct out_node *n, char out[CELL_SIZE])
{
	static const char *const suffixes[] = {"_ns", "_us", "_ms", "_s", "_pct", "_mbps"};
	const char *name = out_text_at(o, n->name);
	size_t len;

	snprintf(out, CELL_SIZE, "%s", name ? name : "");
	len = strlen(out);
	for (size_t i = 0; i < TW_ARRAY_SIZE(suffixes) && (is_number(n) || n->kind == OUT_NULL);
		i++) {
		size_t s = strlen(suffixes[i]);

		if (len > s && strcmp(out + len - s, suffixes[i]) == 0) {
			out[len - s] = '\0';
			break;
		}
	}
	if (is_number(n) && n->unit != NULL && len > strlen(n->unit) + 1) {
		char *last = out + len - strlen(n->unit);

		if (last[-1] == '_' && strcasecmp(last, n->unit) == 0)
			last[-1] = '\0';
	}
	for (char *p = out; *p; p++) {
		bool is_decimal = p > out && isdigit((unsigned char)p[-1]) &&
				  isdigit((unsigned char)p[1]); /* p99_9 */

		if (*p == '_')
			*p = is_decimal ? '.' : ' ';
	}
	return out;
}

const char *
tw_out_ns_text(int64_t ns, char out[32])
{
	uint64_t abs = ns < 0 ? 0 - (uint64_t)ns : (uint64_t)ns;
	const char *sign = ns < 0 ? "-" : "";
	uint64_t unit = abs < 1000000 ? 1000 : abs < 1000000000 ? 1000000 : 1000000000;
	const char *word = unit == 1000 ? "us" : unit == 1000000 ? "ms" : "s";
	uint64_t milli;

	if (abs < 1000) {
		snprintf(out, 32, "%s%" PRIu64 " ns", sign, abs);
		return out;
	}
	milli = abs / (unit / 1000) + (abs % (unit / 1000) * 2 >= unit / 1000 && unit > 1000);
	snprintf(out, 32, "%s%" PRIu64 ".%03u %s", sign, milli / 1000, (unsigned)(milli % 1000),
		word);
	return out;
}

/* Append a string without what could steer a terminal: C0, DEL, C1, what is no UTF-8. */
static bool
put_clean(struct out_buf *b, const char *s)
{
	size_t at = b->len;

	if (!out_buf_add_str(b, s))
		return false;
	while (at < b->len) {
		unsigned char c = (unsigned char)b->p[at];
		size_t n = out_utf8_len(b->p + at, b->len - at);
		bool is_c1 = n == 2 && c == 0xc2 && (unsigned char)b->p[at + 1] < 0xa0;

		n = n ? n : 1;
		if (c < 0x20 || c == 0x7f || is_c1 || (n == 1 && c >= 0x80))
			memset(b->p + at, '?', n);
		at += n;
	}
	return true;
}

/*
 * A scalar for measuring and for cells; a string longer than a cell makes its list no table.
 * @param with_unit  false in a table, whose head names it
 */
static const char *
value(const struct tw_out *o, const struct out_node *n, bool with_unit, char out[CELL_SIZE])
{
	const char *unit = n->unit && with_unit ? n->unit : "";
	const char *gap = unit[0] ? " " : "";

	switch (n->kind) {
	case OUT_OBJ:
		snprintf(out, CELL_SIZE, "%s", o->text.p + n->brief);
		break;
	case OUT_STR:
	case OUT_BLOCK:
		snprintf(out, CELL_SIZE, "%s", o->text.p + n->str);
		break;
	case OUT_NUM:
		snprintf(out, CELL_SIZE, "%s%s%s", o->text.p + n->str, gap, unit);
		break;
	case OUT_BOOL:
		snprintf(out, CELL_SIZE, "%s", n->b ? "yes" : "no");
		break;
	case OUT_U64:
		snprintf(out, CELL_SIZE, "%" PRIu64 "%s%s", n->u64, gap, unit);
		break;
	case OUT_I64:
		snprintf(out, CELL_SIZE, "%" PRId64 "%s%s", n->i64, gap, unit);
		break;
	case OUT_NS:
		tw_out_ns_text(n->i64, out);
		break;
	case OUT_PCT:
		snprintf(
			out, CELL_SIZE, "%" PRId64 ".%03d %%", n->i64 / 1000, (int)(n->i64 % 1000));
		break;
	default:
		snprintf(out, CELL_SIZE, "-");
		break;
	}
	return out;
}

/* A scalar in full. */
static bool
put_value(struct tw_out *o, const struct out_node *n)
{
	char cell[CELL_SIZE];

	if (n->kind == OUT_STR)
		return put_clean(&o->rendered, o->text.p + n->str);
	if (n->kind == OUT_OBJ)
		return put_clean(&o->rendered, o->text.p + n->brief);
	return out_buf_add_str(&o->rendered, value(o, n, true, cell));
}

/* Columns of UTF-8 text, near enough: one per code point. */
static int
width(const char *s)
{
	int n = 0;

	for (; *s; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

static bool
put_padded(struct out_buf *b, const char *s, int to, bool is_right)
{
	int pad = to > width(s) ? to - width(s) : 0;

	return (!is_right || out_buf_printf(b, "%*s", pad, "")) && put_clean(b, s) &&
	       (is_right || out_buf_printf(b, "%*s", pad, ""));
}

struct table {
	size_t cols;
	int width[TABLE_COLS];
	bool is_right[TABLE_COLS];
	char head[TABLE_COLS][CELL_SIZE / 4];
};

static bool
is_same_shape(const struct tw_out *o, const struct out_node *a, const struct out_node *b)
{
	uint32_t i = a->first;
	uint32_t k = b->first;

	if (a->kind != OUT_OBJ || b->kind != OUT_OBJ || a->cnt != b->cnt)
		return false;
	for (; i != OUT_NONE; i = o->nodes[i].next, k = o->nodes[k].next) {
		if (out_is_block(&o->nodes[k]) || strcmp(out_text_at(o, o->nodes[i].name),
							  out_text_at(o, o->nodes[k].name)) != 0)
			return false;
	}
	return true;
}

static void
measure_row(const struct tw_out *o, struct table *t, const struct out_node *row)
{
	char cell[CELL_SIZE];
	size_t col = 0;

	for (uint32_t i = row->first; i != OUT_NONE; i = o->nodes[i].next, col++) {
		int w = width(value(o, &o->nodes[i], false, cell));

		t->width[col] = w > t->width[col] ? w : t->width[col];
		if (is_number(&o->nodes[i]))
			t->is_right[col] = true;
	}
}

/* @return false if the list is no table */
static bool
plan_table(const struct tw_out *o, const struct out_node *arr, struct table *t)
{
	const struct out_node *first = &o->nodes[arr->first];
	int total = 0;

	if (first->kind != OUT_OBJ || !out_is_block(first) || first->cnt == 0 ||
		first->cnt > TABLE_COLS)
		return false;
	memset(t, 0, sizeof(*t));
	t->cols = first->cnt;
	for (uint32_t r = arr->first; r != OUT_NONE; r = o->nodes[r].next) {
		if (!is_same_shape(o, first, &o->nodes[r]))
			return false;
		measure_row(o, t, &o->nodes[r]);
	}
	size_t col = 0;
	for (uint32_t i = first->first; i != OUT_NONE; i = o->nodes[i].next, col++) {
		const struct out_node *n = &o->nodes[i];
		char name[CELL_SIZE];

		label(o, n, name);
		snprintf(t->head[col], sizeof(t->head[col]), n->unit ? "%.40s/%.16s" : "%.40s%s",
			name, n->unit ? n->unit : "");
		if (width(t->head[col]) > t->width[col])
			t->width[col] = width(t->head[col]);
		total += t->width[col] + INDENT;
	}
	return total <= TABLE_WIDTH;
}

static bool
put_indent(struct out_buf *b, int indent)
{
	return out_buf_printf(b, "%*s", indent, "");
}

/* Trailing blanks of the line just written are dropped. */
static bool
end_line(struct out_buf *b)
{
	while (b->len > 0 && b->p[b->len - 1] == ' ')
		b->len--;
	return out_buf_add(b, "\n", 1);
}

static bool
put_table(struct tw_out *o, const struct out_node *arr, const struct table *t, int indent)
{
	struct out_buf *b = &o->rendered;
	bool is_ok = put_indent(b, indent);
	char cell[CELL_SIZE];

	for (size_t c = 0; c < t->cols && is_ok; c++)
		is_ok = put_padded(b, t->head[c], t->width[c], t->is_right[c]) &&
			put_indent(b, INDENT);
	is_ok = is_ok && end_line(b);
	for (uint32_t r = arr->first; r != OUT_NONE && is_ok; r = o->nodes[r].next) {
		size_t c = 0;

		is_ok = put_indent(b, indent);
		for (uint32_t i = o->nodes[r].first; i != OUT_NONE && is_ok;
			i = o->nodes[i].next, c++)
			is_ok = put_padded(b, value(o, &o->nodes[i], false, cell), t->width[c],
					t->is_right[c]) &&
				put_indent(b, INDENT);
		is_ok = is_ok && end_line(b);
	}
	return is_ok;
}

static bool put_object(struct tw_out *o, const struct out_node *n, int indent);

/* A list of scalars on one line, broken at a readable width. */
static bool
put_scalars(struct tw_out *o, const struct out_node *arr, int indent)
{
	struct out_buf *b = &o->rendered;
	char cell[CELL_SIZE];
	int at = 0;

	if (!put_indent(b, indent))
		return false;
	for (uint32_t i = arr->first; i != OUT_NONE; i = o->nodes[i].next) {
		int w = width(value(o, &o->nodes[i], true, cell));

		if (at > 0 && at + w > 90) {
			if (!end_line(b) || !put_indent(b, indent))
				return false;
			at = 0;
		}
		if (!put_value(o, &o->nodes[i]) ||
			(o->nodes[i].next != OUT_NONE && !out_buf_add_str(b, ", ")))
			return false;
		at += w + 2;
	}
	return end_line(b);
}

static bool
put_array(struct tw_out *o, const struct out_node *arr, int indent)
{
	struct out_buf *b = &o->rendered;
	struct table t;
	unsigned no = 1;

	if (plan_table(o, arr, &t))
		return put_table(o, arr, &t, indent);
	if (!out_is_block(&o->nodes[arr->first]))
		return put_scalars(o, arr, indent);
	for (uint32_t i = arr->first; i != OUT_NONE; i = o->nodes[i].next, no++) {
		const struct out_node *n = &o->nodes[i];
		bool is_ok = put_indent(b, indent) && out_buf_printf(b, "[%u]\n", no);

		is_ok = is_ok &&
			(n->kind == OUT_ARR ? n->cnt == 0 || put_array(o, n, indent + INDENT)
					    : put_object(o, n, indent + INDENT));
		if (!is_ok)
			return false;
	}
	return true;
}

static bool
put_block(struct tw_out *o, const struct out_node *n)
{
	struct out_buf *b = &o->rendered;
	const char *s = o->text.p + n->str;

	while (*s != '\0') {
		const char *end = strchrnul(s, '\n');

		for (; s < end; s++) {
			unsigned char c = (unsigned char)*s;

			if (!out_buf_add(b, c < 0x20 && c != '\t' ? "?" : s, 1))
				return false;
		}
		if (!out_buf_add(b, "\n", 1))
			return false;
		s += *s == '\n';
	}
	return true;
}

static bool
put_field(struct tw_out *o, const struct out_node *n, int indent, int name_width)
{
	struct out_buf *b = &o->rendered;
	char name[CELL_SIZE];

	if (n->kind == OUT_BLOCK)
		return put_block(o, n);
	label(o, n, name);
	if (!put_indent(b, indent))
		return false;
	if (out_is_block(n) && n->cnt > 0)
		return out_buf_add_str(b, name) && out_buf_add(b, ":\n", 2) &&
		       (n->kind == OUT_ARR ? put_array(o, n, indent + INDENT)
					   : put_object(o, n, indent + INDENT));
	return put_padded(b, name, name_width + INDENT, false) &&
	       (out_is_block(n) ? out_buf_add_str(b, "none") : put_value(o, n)) && end_line(b);
}

static bool
put_object(struct tw_out *o, const struct out_node *obj, int indent)
{
	char name[CELL_SIZE];
	int name_width = 0;

	for (uint32_t i = obj->first; i != OUT_NONE; i = o->nodes[i].next) {
		const struct out_node *n = &o->nodes[i];
		int w = width(label(o, n, name));

		/* names of containers stand alone on their line */
		if (n->kind != OUT_BLOCK && (n->cnt == 0 || !out_is_block(n)) && w > name_width)
			name_width = w;
	}
	for (uint32_t i = obj->first; i != OUT_NONE; i = o->nodes[i].next) {
		if (!put_field(o, &o->nodes[i], indent, name_width))
			return false;
	}
	return true;
}

const char *
tw_out_text(struct tw_out *o, size_t *len)
{
	o->rendered.len = 0;
	*len = 0;
	if (o->is_out_of_memory || !out_buf_add(&o->rendered, "", 0) ||
		!put_object(o, &o->nodes[0], 0))
		return NULL;
	*len = o->rendered.len;
	return o->rendered.p;
}

const char *
tw_out_error_text(struct tw_out *o, size_t *len)
{
	const struct tw_out_error *e = tw_out_error(o);
	struct out_buf *b = &o->rendered;

	b->len = 0;
	*len = 0;
	if (!put_clean(b, e->text))
		return NULL;
	if (e->hint[0] != '\0' && (!out_buf_add_str(b, ": ") || !put_clean(b, e->hint)))
		return NULL;
	*len = b->len;
	return b->p;
}
