/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Lines into words, words into arguments.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "tw_args.h"

static const char *const modes[] = {"open", "authenticated", "encrypted", "mixed", NULL};

static const struct tw_conf_key keys[] = {
	TW_KEY("id", U64, "session", .min = 1, .is_required = true, .is_positional = true),
	TW_KEY("dscp", U64, "code point", .max = 63),
	TW_KEY("note", STR, "any text"),
	TW_KEY("mode", ENUM, "modes", .choices = modes, .is_list = true, .def = "open,mixed"),
	TW_KEY("wait_ms", DURATION, "wait", .def = "2s"),
};
static const struct tw_conf_key secret_keys[] = {
	TW_KEY("id", STR, "name", .is_required = true, .is_positional = true),
	TW_KEY("secret", SECRET, "passphrase", .is_required = true),
};
static struct tw_args_words words;
static struct tw_args args;
static struct tw_conf_err err;

static bool
split(const char *line)
{
	return tw_args_split(line, strlen(line), &words, &err);
}

static bool
parse(const char *line)
{
	return split(line) && tw_args_from_words(&args, keys, 5, &words, 0, &err);
}

Test(args, splits_words_quotes_and_comments)
{
	cr_assert(split("  add key\t\"a b\" 'c\\d' x\"y z\"w \"q\\\"\\\\\\n\\t\" # more \"\n"));
	cr_assert_eq(words.cnt, 6);
	cr_assert_str_eq(words.w[0].p, "add");
	cr_assert_eq(words.w[0].col, 2);
	cr_assert_str_eq(words.w[2].p, "a b");
	cr_assert(words.w[2].is_quoted);
	cr_assert_str_eq(words.w[3].p, "c\\d");
	cr_assert_str_eq(words.w[4].p, "xy zw");
	cr_assert_str_eq(words.w[5].p, "q\"\\\n\t");
	cr_assert(split("a#b"));
	cr_assert_str_eq(words.w[0].p, "a#b");
	cr_assert(split(""));
	cr_assert_eq(words.cnt, 0);
	cr_assert(split("# only\r\n"));
	cr_assert_eq(words.cnt, 0);
	cr_assert(split("\"\""));
	cr_assert_eq(words.cnt, 1);
	cr_assert_eq(words.w[0].len, 0);
}

Test(args, refuses_bad_lines)
{
	static const char nul[] = "a\0b";
	char many[2 * (TW_ARGS_WORDS_MAX + 1) + 1];

	cr_assert_not(split("say \"x"));
	cr_assert_eq(err.reason, TW_CONF_R_BAD_LINE);
	cr_assert_not(split("say 'x"));
	cr_assert_not(split("say \"x\\"));
	cr_assert_not(split("say \"\\x41\""));
	cr_assert_not(split("a\x01"));
	cr_assert_not(split("a\rb"));
	cr_assert_not(split("'\x7f'"));
	cr_assert_not(tw_args_split(nul, 3, &words, &err));
	for (size_t i = 0; i <= TW_ARGS_WORDS_MAX; i++)
		memcpy(many + 2 * i, "x ", 3);
	cr_assert_not(split(many));
}

Test(args, refuses_a_line_longer_than_its_buffer)
{
	static char line[TW_ARGS_ARENA + 100];

	memset(line, 'x', sizeof(line) - 1);
	cr_assert_not(split(line));
	line[TW_ARGS_ARENA - 1] = '\0';
	cr_assert(split(line));
	/* empty words behind a buffer that is full need room for their ends, too */
	for (size_t i = TW_ARGS_ARENA - 1; i + 3 < sizeof(line); i += 3)
		memcpy(line + i, " \"\"", 4);
	cr_assert_not(split(line));
	cr_assert_eq(err.reason, TW_CONF_R_BAD_LINE);
}

Test(args, reads_key_value_pairs)
{
	cr_assert(parse("3 dscp 46 note \"hello there\""), "%s", err.text);
	cr_assert_eq(tw_args_u64(&args, "id"), 3);
	cr_assert_eq(tw_args_u64(&args, "dscp"), 46);
	cr_assert_str_eq(tw_args_str(&args, "note"), "hello there");
	cr_assert(tw_args_is_given(&args, "dscp"));
	cr_assert(parse("dscp 46 id 3"));
	cr_assert_eq(tw_args_u64(&args, "id"), 3);
	cr_assert(parse("dscp 46 4"));
	cr_assert_eq(tw_args_u64(&args, "id"), 4);
}

Test(args, fills_defaults)
{
	size_t cnt;
	const struct tw_conf_value *v;

	cr_assert(parse("1"));
	v = tw_args_list(&args, "mode", &cnt);
	cr_assert_eq(cnt, 2);
	cr_assert_eq(v[1].choice, 3);
	cr_assert_eq(tw_args_ns(&args, "wait_ms"), 2000000000);
	cr_assert(tw_args_has(&args, "wait_ms"));
	cr_assert_not(tw_args_is_given(&args, "wait_ms"));
	cr_assert_not(tw_args_has(&args, "dscp"));
	cr_assert_eq(tw_args_u64(&args, "dscp"), 0);
	cr_assert_str_eq(tw_args_str(&args, "note"), "");
}

Test(args, reads_lists)
{
	size_t cnt;

	cr_assert(parse("1 mode encrypted"));
	cr_assert_eq(tw_args_list(&args, "mode", &cnt)[0].choice, 2);
	cr_assert_eq(cnt, 1);
	cr_assert(parse("1 mode none"));
	cr_assert_null(tw_args_list(&args, "mode", &cnt));
	cr_assert_eq(cnt, 0);
	cr_assert(tw_args_is_given(&args, "mode"));
	cr_assert_not(parse("1 mode open,"));
	cr_assert_not(parse("1 mode open,,mixed"));
}

static void
refuses(const char *line, enum tw_conf_reason reason, const char *field)
{
	cr_assert_not(parse(line), "%s", line);
	cr_assert_eq(err.reason, reason, "%s: %s", line, err.text);
	cr_assert_str_eq(err.field, field);
}

Test(args, refuses_by_table)
{
	refuses("", TW_CONF_R_MISSING_KEY, "id");
	refuses("1 dscp", TW_CONF_R_MISSING_VALUE, "dscp");
	refuses("1 dscp 64", TW_CONF_R_OUT_OF_BOUNDS, "dscp");
	refuses("1 colour red", TW_CONF_R_UNKNOWN_KEY, "colour");
	refuses("1 2", TW_CONF_R_UNKNOWN_KEY, "2");
	refuses("1 id 2", TW_CONF_R_DUPLICATE_KEY, "id");
	refuses("1 dscp 1 dscp 2", TW_CONF_R_DUPLICATE_KEY, "dscp");
	refuses("0", TW_CONF_R_OUT_OF_BOUNDS, "id");
}

Test(args, does_not_repeat_a_word_where_a_secret_is_taken)
{
	cr_assert(split("alice hunter2"));
	cr_assert_not(tw_args_from_words(&args, secret_keys, 2, &words, 0, &err));
	cr_assert_eq(err.reason, TW_CONF_R_UNKNOWN_KEY);
	cr_assert_null(strstr(err.text, "hunter2"));
	cr_assert_str_eq(err.field, "");
}

Test(args, keeps_text_apart_from_the_line_and_wipes_it)
{
	char line[] = "alice secret \"correct horse\"";
	const char *p;
	size_t len;
	bool is_clean = true;

	cr_assert(split(line));
	cr_assert(tw_args_from_words(&args, secret_keys, 2, &words, 0, &err));
	memset(line, 0, sizeof(line));
	memset(&words, 0, sizeof(words));
	p = tw_args_bytes(&args, "secret", &len);
	cr_assert_eq(len, 13);
	cr_assert_arr_eq(p, "correct horse", 13);
	tw_args_wipe(&args);
	for (size_t i = 0; i < sizeof(args); i++)
		is_clean = is_clean && ((const char *)&args)[i] == 0;
	cr_assert(is_clean);
}

Test(args, bounds_the_arena)
{
	static const struct tw_conf_key big[] = {TW_KEY("a", STR, "h", .max = TW_ARGS_ARENA)};
	static char text[TW_ARGS_ARENA];

	memset(text, 'x', sizeof(text));
	tw_args_init(&args, big, 1);
	cr_assert_not(tw_args_put_text(&args, &big[0], text, sizeof(text), &err));
	cr_assert_eq(err.reason, TW_CONF_R_TOO_LONG);
	tw_args_init(&args, big, 1);
	cr_assert(tw_args_put_text(&args, &big[0], text, sizeof(text) - 1, &err));
}
