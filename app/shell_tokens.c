/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * librte_cmdline as the shell's line editor. Its own tokens are fixed sequences and cannot express
 * optional keys, so there is one instance without tokens: the library then asks for each token as
 * it needs it (as testpmd does for flow rules). Any word matches; whether the line makes sense is
 * decided by shell_exec(), which knows better words than "Bad arguments". What the tokens do is
 * completion and help.
 *
 * The callbacks of the library carry no argument of ours, hence the one static pointer.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmdline.h>
#include <cmdline_parse.h>

#include "shell_i.h"
#include "tw_base.h"

#define LINE_HELP "verb noun [key value]..."

static struct tw_shell *shell; /* main lcore */
static cmdline_parse_inst_t instance;

static const struct tw_op *
find_op(const char *noun, const char *verb)
{
	return tw_ops_find(noun, strlen(noun), verb, strlen(verb));
}

/* @return the table's own copy of the verb, or NULL */
static const char *
find_verb(const char *word)
{
	size_t cnt;
	const struct tw_feature *f = tw_ops_features(&cnt);

	for (size_t i = 0; i < cnt; i++) {
		for (size_t k = 0; k < f[i].rows->op_cnt; k++) {
			const struct tw_op *op = &f[i].rows->ops[k];

			if (strcmp(op->verb, word) == 0 && !(op->flags & TW_OP_NO_SHELL))
				return op->verb;
		}
	}
	return NULL;
}

/* The words behind `verb noun`: which keys are said, is a value due? As tw_args_from_words(). */
static void
follow_keys(const struct tw_args_words *words, struct shell_cursor *cur)
{
	const struct tw_op *op = cur->op;

	for (size_t i = 2; i < words->cnt; i++) {
		const struct tw_conf_key *key = NULL;
		size_t k;

		if (cur->key != NULL) {
			cur->key = NULL;
			cur->said = words->w[i].p;
			continue;
		}
		key = tw_conf_find(op->keys, op->key_cnt, words->w[i].p);
		if (key != NULL && !words->w[i].is_quoted) {
			cur->key = key;
			cur->used |= UINT64_C(1) << (key - op->keys);
			continue;
		}
		for (k = 0; k < op->key_cnt; k++) {
			if (op->keys[k].is_positional && !(cur->used & (UINT64_C(1) << k)))
				break;
		}
		if (k == op->key_cnt) {
			cur->is_bad = true;
			return;
		}
		cur->used |= UINT64_C(1) << k;
		cur->said = words->w[i].p;
	}
}

void
shell_cursor_at(const struct tw_args_words *words, struct shell_cursor *cur)
{
	size_t first = 0;

	memset(cur, 0, sizeof(*cur));
	cur->pos = (unsigned)words->cnt;
	if (words->cnt == 0)
		return;
	if (strcmp(words->w[0].p, "help") == 0) {
		cur->is_help = true;
		first = 1;
		cur->pos--;
	}
	if (words->cnt > first)
		cur->verb = find_verb(words->w[first].p);
	if (words->cnt > first + 1 && cur->verb != NULL)
		cur->op = find_op(words->w[first + 1].p, cur->verb);
	if (words->cnt > first && cur->verb == NULL)
		cur->is_bad = true;
	if (words->cnt > first + 1 && cur->op == NULL)
		cur->is_bad = true;
	if (cur->op != NULL && !cur->is_help)
		follow_keys(words, cur);
	else if (cur->op != NULL)
		cur->is_bad = true; /* nothing follows `help VERB NOUN` */
}

/* Add a word once. */
static void
add(struct tw_shell *sh, const char *word, const char *text)
{
	for (size_t i = 0; i < sh->cand_cnt; i++) {
		if (strcmp(sh->cand[i].word, word) == 0)
			return;
	}
	if (sh->cand_cnt < SHELL_CANDIDATES)
		sh->cand[sh->cand_cnt++] = (struct shell_candidate){.word = word, .help = text};
}

static void
add_values(struct tw_shell *sh, const struct tw_conf_key *key, const char *said)
{
	if (key->row_of != NULL && said != NULL)
		key = key->row_of(said);
	if (key == NULL)
		return;
	if (key->type == TW_CONF_BOOL) {
		add(sh, "on", key->help);
		add(sh, "off", key->help);
	}
	for (const char *const *c = key->choices; c != NULL && *c != NULL; c++)
		add(sh, *c, key->help);
}

static void
add_keys(struct tw_shell *sh, const struct shell_cursor *cur)
{
	bool is_first = true;

	for (size_t k = 0; k < cur->op->key_cnt; k++) {
		const struct tw_conf_key *key = &cur->op->keys[k];

		if (cur->used & (UINT64_C(1) << k))
			continue;
		add(sh, key->name, key->help);
		if (key->is_positional && is_first)
			add_values(sh, key, cur->said);
		is_first = is_first && !key->is_positional;
	}
}

/* Verbs, or the nouns that a verb takes; `help` takes nouns alone too. */
static void
add_table(struct tw_shell *sh, const char *verb, bool with_nouns)
{
	size_t cnt;
	const struct tw_feature *f = tw_ops_features(&cnt);

	for (size_t i = 0; i < cnt; i++) {
		if (with_nouns)
			add(sh, f[i].noun, f[i].help);
		for (size_t k = 0; k < f[i].rows->op_cnt; k++) {
			const struct tw_op *op = &f[i].rows->ops[k];

			if (op->flags & TW_OP_NO_SHELL)
				continue;
			if (verb == NULL)
				add(sh, op->verb, "TAB behind it lists what it goes with");
			else if (strcmp(op->verb, verb) == 0)
				add(sh, op->noun, op->help);
		}
	}
}

void
shell_complete(struct tw_shell *sh, const struct shell_cursor *cur)
{
	sh->cand_cnt = 0;
	if (cur->is_bad)
		return;
	if (cur->key != NULL) {
		add_values(sh, cur->key, cur->said);
	} else if (cur->op != NULL) {
		add_keys(sh, cur);
	} else if (cur->verb != NULL) {
		add_table(sh, cur->verb, false);
	} else {
		add_table(sh, NULL, cur->is_help);
		for (size_t i = 0; i < shell_builtin_cnt && !cur->is_help; i++)
			add(sh, shell_builtins[i].word, shell_builtins[i].help);
	}
}

/* ---- callbacks of librte_cmdline ---- */

/* Octets of the word at @p p, quotes included. */
static size_t
word_len(const char *p)
{
	char quote = '\0';
	size_t i;

	for (i = 0; p[i] != '\0' && p[i] != '\n' && p[i] != '\r'; i++) {
		if (quote == '\0' && (p[i] == ' ' || p[i] == '\t'))
			break;
		if (quote == '"' && p[i] == '\\' && strchr("\r\n", p[i + 1]) == NULL) {
			i++;
			continue;
		}
		if (quote == '\0' && (p[i] == '"' || p[i] == '\''))
			quote = p[i];
		else if (p[i] == quote)
			quote = '\0';
	}
	return i;
}

static int
tok_parse(cmdline_parse_token_hdr_t *tk, const char *src, void *res, unsigned int size)
{
	size_t len = word_len(src);
	size_t i = len;
	struct tw_conf_err err;

	(void)tk;
	(void)res;
	(void)size;
	if (shell->line == NULL)
		shell->line = src;
	while (src[i] == ' ' || src[i] == '\t')
		i++;
	shell->is_eol = src[i] == '\n' || src[i] == '\r' || src[i] == '#';
	/* all words up to here, for what follows them */
	if (!tw_args_split(shell->line, (size_t)(src - shell->line) + len, &shell->partial, &err))
		shell->partial.cnt = 0;
	return (int)len;
}

static int
tok_complete_cnt(cmdline_parse_token_hdr_t *tk)
{
	struct shell_cursor cur;

	(void)tk;
	if (shell->line == NULL)
		shell->partial.cnt = 0;
	shell_cursor_at(&shell->partial, &cur);
	shell_complete(shell, &cur);
	instance.help_str = cur.key != NULL ? cur.key->help : LINE_HELP;
	return (int)shell->cand_cnt;
}

static int
tok_complete_get(cmdline_parse_token_hdr_t *tk, int i, char *dst, unsigned int size)
{
	(void)tk;
	if (i < 0 || (size_t)i >= shell->cand_cnt)
		return -1;
	snprintf(dst, size, "%s", shell->cand[i].word);
	instance.help_str = shell->cand[i].help; /* shown next, for this candidate */
	return 0;
}

static int
tok_help(cmdline_parse_token_hdr_t *tk, char *dst, unsigned int size)
{
	struct shell_cursor cur;

	(void)tk;
	if (shell->line == NULL)
		shell->partial.cnt = 0;
	shell_cursor_at(&shell->partial, &cur);
	if (cur.key != NULL)
		snprintf(dst, size, "%s: %s", cur.key->name, tw_conf_type_str(cur.key->type));
	else if (cur.op != NULL)
		snprintf(dst, size, "key");
	else
		snprintf(dst, size, "%s", cur.verb ? "noun" : "verb");
	return 0;
}

static struct cmdline_token_ops tok_ops = {
	.parse = tok_parse,
	.complete_get_nb = tok_complete_cnt,
	.complete_get_elt = tok_complete_get,
	.get_help = tok_help,
};

static cmdline_parse_token_hdr_t tok = {.ops = &tok_ops};

static void instance_fn(void *res, struct cmdline *cl, void *data);

static cmdline_parse_inst_t instance = {
	.f = instance_fn,
	.data = NULL,
	.help_str = LINE_HELP,
	.tokens = {NULL}, /* the library then asks instance_fn() for each */
};

static cmdline_parse_ctx_t context[] = {&instance, NULL};

/* A whole line has matched. */
static void
run(struct cmdline *cl)
{
	const char *line = shell->line;
	char *text;
	int res;

	if (line == NULL)
		return;
	res = shell_exec(shell, line, strcspn(line, "\r\n"), &text);
	if (text != NULL && text[0] != '\0')
		cmdline_printf(cl, "%s%s%s", res ? "error: " : "", text,
			text[strlen(text) - 1] == '\n' ? "" : "\n");
	free(text);
	if (shell->is_quitting)
		cmdline_quit(cl);
}

/*
 * Two calls in one, told apart by @p cl as the library has it: with it, run the line; without, put
 * the token for position (data - tokens) into *res, NULL if the line is complete.
 */
static void
instance_fn(void *res, struct cmdline *cl, void *data)
{
	cmdline_parse_token_hdr_t **hdr = res;

	if (cl != NULL) {
		run(cl);
		return;
	}
	if ((cmdline_parse_token_hdr_t **)data == instance.tokens) {
		shell->line = NULL;
		shell->is_eol = false;
	}
	*hdr = shell->is_eol ? NULL : &tok;
}

cmdline_parse_ctx_t *
shell_tokens_init(struct tw_shell *sh)
{
	shell = sh;
	return context;
}
