/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The table of all nouns: rows of features.def, look-ups, and the lines of `show config`.
 */
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ops.h"
#include "tw_base.h"

#ifndef TW_FEATURES_DEF
#define TW_FEATURES_DEF "features/features.def" /* tests bring their own */
#endif

#define TW_FEATURE_ROW(noun_, help_) extern const struct tw_feature_rows tw_feature_##noun_;
#include TW_FEATURES_DEF
#undef TW_FEATURE_ROW

static const struct tw_feature features[] = {
#define TW_FEATURE_ROW(noun_, help_) {.noun = #noun_, .help = (help_), .rows = &tw_feature_##noun_},
#include TW_FEATURES_DEF
#undef TW_FEATURE_ROW
};

const struct tw_feature *
tw_ops_features(size_t *cnt)
{
	*cnt = TW_ARRAY_SIZE(features);
	return features;
}

static bool
is_word(const char *word, const char *p, size_t len)
{
	return strlen(word) == len && memcmp(word, p, len) == 0;
}

const struct tw_op *
tw_ops_find(const char *noun, size_t noun_len, const char *verb, size_t verb_len)
{
	for (size_t f = 0; f < TW_ARRAY_SIZE(features); f++) {
		const struct tw_feature_rows *rows = features[f].rows;

		if (!is_word(features[f].noun, noun, noun_len))
			continue;
		for (size_t i = 0; i < rows->op_cnt; i++) {
			if (is_word(rows->ops[i].verb, verb, verb_len))
				return &rows->ops[i];
		}
	}
	return NULL;
}

const struct tw_op *
tw_ops_find_method(const char *method, size_t len)
{
	const char *dot = memchr(method, '.', len);

	if (dot == NULL)
		return NULL;
	return tw_ops_find(
		method, (size_t)(dot - method), dot + 1, len - (size_t)(dot - method) - 1);
}

struct tw_op_lines {
	FILE *to;
};

/* A word that needs quotes to be read back as one word. */
static bool
needs_quotes(const char *word)
{
	return word[0] == '\0' || word[0] == '#' || strpbrk(word, " \t\"'\\\n\r") != NULL;
}

static void
put_word(FILE *to, const char *word)
{
	if (!needs_quotes(word)) {
		fputs(word, to);
		return;
	}
	fputc('"', to);
	for (; *word; word++) {
		if (*word == '\n')
			fputs("\\n", to);
		else if (*word == '\t')
			fputs("\\t", to);
		else if (*word == '"' || *word == '\\')
			fprintf(to, "\\%c", *word);
		else
			fputc(iscntrl((unsigned char)*word) ? '?' : *word, to);
	}
	fputc('"', to);
}

void
tw_op_line(struct tw_op_lines *lines, const char *const *words, size_t cnt)
{
	for (size_t i = 0; i < cnt; i++) {
		if (i > 0)
			fputc(' ', lines->to);
		put_word(lines->to, words[i]);
	}
	fputc('\n', lines->to);
}

void
tw_op_remark(struct tw_op_lines *lines, const char *const *words, size_t cnt)
{
	fputs("# ", lines->to);
	tw_op_line(lines, words, cnt);
}

void
tw_op_comment(struct tw_op_lines *lines, const char *fmt, ...)
{
	va_list ap;

	fputs("# ", lines->to);
	va_start(ap, fmt);
	vfprintf(lines->to, fmt, ap);
	va_end(ap);
	fputc('\n', lines->to);
}

char *
tw_ops_config(struct tw_app *app)
{
	char *text = NULL;
	size_t len = 0;
	struct tw_op_lines lines = {.to = open_memstream(&text, &len)};

	if (lines.to == NULL)
		return NULL;
	for (size_t f = 0; f < TW_ARRAY_SIZE(features); f++) {
		if (features[f].rows->config != NULL)
			features[f].rows->config(app, &lines);
	}
	if (fclose(lines.to) != 0) {
		free(text);
		return NULL;
	}
	return text;
}
