/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * A stream into lines. The buffer grows with the line and shrinks after it, so that many idle
 * clients cost little.
 */
#include <errno.h>
#include <string.h>

#include "rpc_i.h"

#define LINE_BUF_MIN 4096U
/* One octet more than the longest line, for its end. */
#define LINE_BUF_MAX (TW_RPC_LINE_MAX + LINE_BUF_MIN)

/* Drop what was handed out: wipe it and move the rest to the front. */
static void
compact(struct tw_rpc_lines *l)
{
	size_t gone = l->begin;

	if (gone == 0)
		return;
	memmove(l->buf, l->buf + gone, l->len - gone);
	explicit_bzero(l->buf + l->len - gone, gone);
	l->len -= gone;
	l->scanned -= gone;
	l->begin = 0;
}

static bool
resize(struct tw_rpc_lines *l, size_t size)
{
	char *p = l->resize(l->arg, l->buf, l->size, l->len, size);

	if (p == NULL)
		return false;
	l->buf = p;
	l->size = size;
	return true;
}

char *
tw_rpc_lines_room(struct tw_rpc_lines *l, size_t *room)
{
	compact(l);
	if (l->len == 0 && l->size > LINE_BUF_MIN)
		resize(l, LINE_BUF_MIN); /* failing is harmless: the large one stays */
	if (l->len == l->size) {
		size_t size = l->size ? l->size * 4 : LINE_BUF_MIN;

		if (!resize(l, size < LINE_BUF_MAX ? size : LINE_BUF_MAX))
			return NULL;
	}
	*room = l->size - l->len;
	return l->buf + l->len;
}

void
tw_rpc_lines_received(struct tw_rpc_lines *l, size_t n)
{
	l->len += n;
}

static bool
is_blank_line(const char *p, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (p[i] != ' ' && p[i] != '\t' && p[i] != '\r')
			return false;
	}
	return true;
}

/* No line end yet: is the line too long already? */
static int
wait_for_more(struct tw_rpc_lines *l)
{
	bool was_skipping = l->is_skipping;

	l->scanned = l->len;
	if (l->len - l->begin <= TW_RPC_LINE_MAX && !was_skipping)
		return 0;
	l->begin = l->len; /* nothing of it is needed */
	l->is_skipping = true;
	if (was_skipping)
		return 0;
	l->overlong_cnt++;
	return -EMSGSIZE;
}

int
tw_rpc_lines_next(struct tw_rpc_lines *l, const char **line, size_t *len)
{
	for (;;) {
		const char *p = l->buf + l->begin;
		const char *end = NULL;
		size_t n;

		if (l->len > l->scanned)
			end = memchr(l->buf + l->scanned, '\n', l->len - l->scanned);
		if (end == NULL)
			return wait_for_more(l);
		n = (size_t)(end - p);
		l->begin += n + 1;
		l->scanned = l->begin;
		if (l->is_skipping) {
			l->is_skipping = false;
			continue;
		}
		if (n > TW_RPC_LINE_MAX) {
			l->overlong_cnt++;
			return -EMSGSIZE;
		}
		if (is_blank_line(p, n))
			continue;
		*line = p;
		*len = n - (p[n - 1] == '\r');
		return 1;
	}
}

void
tw_rpc_lines_fini(struct tw_rpc_lines *l)
{
	if (l->buf != NULL) {
		explicit_bzero(l->buf, l->size);
		l->resize(l->arg, l->buf, l->size, 0, 0);
	}
	l->buf = NULL;
	l->size = 0;
	l->begin = 0;
	l->len = 0;
	l->scanned = 0;
}
