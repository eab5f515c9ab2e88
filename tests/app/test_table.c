/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The appliance's own table: both faces reach every operation, under the same keys.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "shell_i.h"

void
tw_app_stop(struct tw_app *app)
{
	(void)app;
}

typedef void (*visit_fn)(const struct tw_op *op);

static void
each(visit_fn fn)
{
	size_t cnt;
	const struct tw_feature *f = tw_ops_features(&cnt);

	cr_assert_gt(cnt, 8);
	for (size_t i = 0; i < cnt; i++)
		for (size_t k = 0; k < f[i].rows->op_cnt; k++)
			fn(&f[i].rows->ops[k]);
}

static void
is_found_once(const struct tw_op *op)
{
	char method[64];

	snprintf(method, sizeof(method), "%s.%s", op->noun, op->verb);
	cr_assert_eq(tw_ops_find_method(method, strlen(method)), op, "%s stands twice", method);
	/* a word of the shell's own would hide the verb */
	for (size_t i = 0; i < shell_builtin_cnt; i++)
		cr_assert_str_neq(op->verb, shell_builtins[i].word, "%s", method);
}

Test(table, names_each_operation_once)
{
	each(is_found_once);
}

/* Completion walks the same tables as the parser: every key must be offered. */
static void
shell_offers_every_key(const struct tw_op *op)
{
	static struct tw_shell sh;
	static struct tw_args_words words;
	struct shell_cursor cur;
	struct tw_conf_err err;
	char line[64];

	if (op->flags & TW_OP_NO_SHELL) {
		cr_assert_str_eq(op->noun, "event");
		return;
	}
	snprintf(line, sizeof(line), "%s %s", op->verb, op->noun);
	cr_assert(tw_args_split(line, strlen(line), &words, &err));
	shell_cursor_at(&words, &cur);
	cr_assert_eq(cur.op, op, "%s", line);
	shell_complete(&sh, &cur);
	for (size_t k = 0; k < op->key_cnt; k++) {
		bool is_offered = false;

		for (size_t i = 0; i < sh.cand_cnt; i++)
			is_offered |= strcmp(sh.cand[i].word, op->keys[k].name) == 0;
		cr_assert(is_offered, "%s: %s", line, op->keys[k].name);
	}
}

Test(table, the_shell_offers_every_operation_and_key)
{
	each(shell_offers_every_key);
}

/* A page of a list is bounded, and whoever can be paged says so by the same keys. */
static void
pages_are_bounded(const struct tw_op *op)
{
	const struct tw_conf_key *limit = tw_conf_find(op->keys, op->key_cnt, "limit");
	const struct tw_conf_key *cursor = tw_conf_find(op->keys, op->key_cnt, "cursor");

	cr_assert_eq(limit == NULL, cursor == NULL, "%s.%s", op->noun, op->verb);
	if (limit != NULL)
		cr_assert_eq(limit->max, TW_PAGE_MAX, "%s.%s", op->noun, op->verb);
}

Test(table, bounds_every_page)
{
	each(pages_are_bounded);
}

/* What holds a secret is kept out of histories; readers never take one. */
static void
secrets_are_marked(const struct tw_op *op)
{
	for (size_t k = 0; k < op->key_cnt; k++) {
		if (op->keys[k].type != TW_CONF_SECRET)
			continue;
		cr_assert(op->flags & TW_OP_SECRET, "%s.%s", op->noun, op->verb);
		cr_assert(op->flags & (TW_OP_OPERATE | TW_OP_ADMIN), "%s.%s", op->noun, op->verb);
		cr_assert_not(op->keys[k].is_positional, "%s.%s", op->noun, op->verb);
	}
}

Test(table, marks_what_takes_secrets)
{
	each(secrets_are_marked);
}

static void
state_is_reproduced(const struct tw_op *op)
{
	size_t cnt;
	const struct tw_feature *f = tw_ops_features(&cnt);

	for (size_t i = 0; i < cnt; i++) {
		if (op->flags & TW_OP_CONFIG && strcmp(f[i].noun, op->noun) == 0)
			cr_assert_not_null(f[i].rows->config, "%s", op->noun);
	}
}

Test(table, show_config_knows_every_noun_with_state)
{
	each(state_is_reproduced);
}

Test(table, telemetry_mirrors_only_what_reads)
{
	static const char *const rows[][2] = {
#define TW_TELEMETRY(path, noun, verb) {noun, verb},
#include "telemetry.def"
#undef TW_TELEMETRY
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		const struct tw_op *op =
			tw_ops_find(rows[i][0], strlen(rows[i][0]), rows[i][1], strlen(rows[i][1]));

		cr_assert_not_null(op, "%s.%s", rows[i][0], rows[i][1]);
		cr_assert(op->flags & TW_OP_READ);
		for (size_t k = 0; k < op->key_cnt; k++)
			cr_assert_not(op->keys[k].is_required, "%s.%s", op->noun, op->verb);
	}
}
