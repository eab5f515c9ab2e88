/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The tree behind the output writer, for out.c and its two renderers.
 */
#ifndef OUT_I_H
#define OUT_I_H

#include "out.h"

/* Deepest nesting an operation may open; more is our own bug. */
#define OUT_DEPTH_MAX 16
/* No node: index 0 is the root, which is nobody's child. */
#define OUT_NONE 0U
/* No text. */
#define OUT_NO_TEXT UINT32_MAX

enum out_kind {
	OUT_OBJ = 1,
	OUT_ARR,
	OUT_STR,
	OUT_BLOCK,
	OUT_BOOL,
	OUT_NULL,
	OUT_U64,
	OUT_I64,
	OUT_NUM, /* decimal number as text */
	OUT_NS,
	OUT_PCT, /* i64: thousandths of a percent */
};

struct out_node {
	uint8_t kind;
	uint32_t name;  /* offset in text, OUT_NO_TEXT inside an array */
	uint32_t next;  /* sibling */
	uint32_t first; /* child */
	uint32_t last;
	uint32_t cnt;   /* children */
	uint32_t brief; /* text form of an object, OUT_NO_TEXT: its fields */
	const char *unit;
	union {
		uint64_t u64;
		int64_t i64;
		bool b;
		uint32_t str; /* offset in text */
	};
};

struct out_buf {
	char *p;
	size_t len;
	size_t size;
};

struct tw_out {
	struct out_node *nodes;
	uint32_t node_cnt;
	uint32_t node_size;
	struct out_buf text; /* names and strings, each NUL-terminated */
	struct out_buf rendered;
	uint32_t open[OUT_DEPTH_MAX];
	unsigned depth; /* open containers */
	bool is_out_of_memory;
	void *user;
	struct tw_out_error error;
};

/** Make room for @p more octets. @return false if out of memory */
bool out_buf_reserve(struct out_buf *b, size_t more);
bool out_buf_add(struct out_buf *b, const char *p, size_t len);
bool out_buf_add_str(struct out_buf *b, const char *s);
bool out_buf_printf(struct out_buf *b, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/** Octets of the UTF-8 sequence at @p s, 0 if it is none. */
size_t out_utf8_len(const char *s, size_t left);

static inline const char *
out_text_at(const struct tw_out *o, uint32_t off)
{
	return off == OUT_NO_TEXT ? NULL : o->text.p + off;
}

/** A container that text shows as such. */
static inline bool
out_is_block(const struct out_node *n)
{
	return (n->kind == OUT_OBJ || n->kind == OUT_ARR) && n->brief == OUT_NO_TEXT;
}

static inline bool
out_is_container(const struct out_node *n)
{
	return n->kind == OUT_OBJ || n->kind == OUT_ARR;
}

#endif /* OUT_I_H */
