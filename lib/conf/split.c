/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * A shell or configuration line into words.
 */
#include <string.h>

#include "tw_args.h"

struct split {
	const char *line;
	size_t len;
	size_t at;
	struct tw_args_words *words;
	size_t used; /* of words->buf */
	struct tw_conf_err *err;
};

static bool
bad_line(struct split *s, const char *what)
{
	return tw_conf_refuse(s->err, TW_CONF_R_BAD_LINE, "", "column %zu: %s", s->at + 1, what);
}

static bool
is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static bool
is_control(char c)
{
	return ((unsigned char)c < 0x20 && c != '\t') || c == 0x7f;
}

static bool
put(struct split *s, char c)
{
	if (s->used + 1 >= sizeof(s->words->buf))
		return bad_line(s, "the line is too long");
	s->words->buf[s->used++] = c;
	return true;
}

/* After a backslash inside double quotes; s->at is on the character behind it. */
static bool
put_escape(struct split *s)
{
	static const char from[] = "\"\\nt";
	static const char to[] = "\"\\\n\t";
	const char *hit;

	if (s->at >= s->len)
		return bad_line(s, "the quote is not closed");
	hit = memchr(from, s->line[s->at], sizeof(from) - 1);
	if (hit == NULL)
		return bad_line(s, "only \\\" \\\\ \\n and \\t may follow a backslash");
	s->at++;
	return put(s, to[hit - from]);
}

static bool
put_quoted(struct split *s)
{
	char quote = s->line[s->at++];

	while (s->at < s->len) {
		char c = s->line[s->at];

		if (is_control(c))
			return bad_line(s, "control character");
		s->at++;
		if (c == quote)
			return true;
		if (c == '\\' && quote == '"') {
			if (!put_escape(s))
				return false;
		} else if (!put(s, c)) {
			return false;
		}
	}
	return bad_line(s, "the quote is not closed");
}

static bool
put_word(struct split *s)
{
	struct tw_args_words *w = s->words;

	if (w->cnt == TW_ARGS_WORDS_MAX)
		return bad_line(s, "too many words");
	w->w[w->cnt].p = w->buf + s->used;
	w->w[w->cnt].col = s->at;
	w->w[w->cnt].is_quoted = false;
	while (s->at < s->len && !is_blank(s->line[s->at])) {
		char c = s->line[s->at];

		if (is_control(c))
			return bad_line(s, "control character");
		if (c == '"' || c == '\'') {
			w->w[w->cnt].is_quoted = true;
			if (!put_quoted(s))
				return false;
			continue;
		}
		s->at++;
		if (!put(s, c))
			return false;
	}
	/* put() keeps one octet free, but an empty word ("") has put nothing */
	if (s->used == sizeof(w->buf))
		return bad_line(s, "the line is too long");
	w->w[w->cnt].len = (size_t)(w->buf + s->used - w->w[w->cnt].p);
	w->buf[s->used++] = '\0';
	w->cnt++;
	return true;
}

bool
tw_args_split(const char *line, size_t len, struct tw_args_words *words, struct tw_conf_err *err)
{
	struct split s = {.line = line, .words = words, .err = err};

	words->cnt = 0;
	while (len > 0 && (line[len - 1] == '\n' || line[len - 1] == '\r'))
		len--;
	s.len = len;
	for (;;) {
		while (s.at < s.len && is_blank(line[s.at]))
			s.at++;
		if (s.at == s.len || line[s.at] == '#')
			return true;
		if (!put_word(&s))
			return false;
	}
}
