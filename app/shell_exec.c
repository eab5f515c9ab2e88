/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * One line of the shell: cut into words and checked on the main lcore, run on the control lcore
 * (ask.h), whose answer the main lcore waits for.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config_file.h"
#include "help.h"
#include "shell_i.h"
#include "tw_base.h"
#include "tw_crypto.h"

const struct shell_builtin shell_builtins[] = {
	{"help", "what can be said: help [NOUN] | [VERB NOUN]"},
	{"load", "run the lines of a file"},
	{"quit", "end the appliance"},
};
const size_t shell_builtin_cnt = TW_ARRAY_SIZE(shell_builtins);

/* Keep a failure for the answer; @return @p res. */
static int
say(char **text, int res, const char *what)
{
	*text = strdup(what);
	return res;
}

/* Context: control lcore. */
static void
on_answer(void *arg, struct tw_out *out, int res)
{
	struct tw_shell *sh = arg;
	size_t len = 0;
	const char *text = NULL;

	if (out != NULL)
		text = res == 0 ? tw_out_text(out, &len) : tw_out_error_text(out, &len);
	else if (res == -ECANCELED)
		text = "interrupted";
	else if (res == -ESHUTDOWN)
		text = "the appliance has stopped";
	sh->answer = text ? strdup(text) : NULL;
}

int
tw_shell_attach(struct tw_shell *sh)
{
	return tw_ask_attach(&sh->ask);
}

void
tw_shell_detach(struct tw_shell *sh)
{
	if (sh != NULL)
		tw_ask_detach(&sh->ask);
}

static void
on_idle(void *arg)
{
	struct tw_shell *sh = arg;

	sh->on_idle(sh);
}

void
shell_interrupt(struct tw_shell *sh)
{
	tw_ask_interrupt(&sh->ask);
}

static int
run_on_control(struct tw_shell *sh, const struct tw_op *op, char **text)
{
	int res;

	sh->answer = NULL;
	res = tw_ask_run(&sh->ask, op, sh->on_idle ? on_idle : NULL, sh);
	*text = sh->answer;
	sh->answer = NULL;
	if (*text == NULL)
		return say(text, res ? res : -ENOMEM,
			res == -ESHUTDOWN ? "the appliance has stopped" : "out of memory");
	return res;
}

/* A word of the line is the key of a secret: of a mistyped command too. */
static bool
names_a_secret(const struct tw_args_words *words)
{
	size_t cnt;
	const struct tw_feature *f = tw_ops_features(&cnt);

	for (size_t i = 0; i < cnt; i++) {
		for (size_t o = 0; o < f[i].rows->op_cnt; o++) {
			const struct tw_op *op = &f[i].rows->ops[o];

			for (size_t k = 0; k < op->key_cnt; k++) {
				if (op->keys[k].type != TW_CONF_SECRET)
					continue;
				for (size_t w = 0; w < words->cnt; w++) {
					if (strcmp(words->w[w].p, op->keys[k].name) == 0)
						return true;
				}
			}
		}
	}
	return false;
}

static int
help(struct tw_shell *sh, char **text)
{
	const struct tw_args_words *w = &sh->words;
	const struct tw_op *op = NULL;
	size_t len = 0;
	FILE *to = open_memstream(text, &len);
	bool is_known = true;

	if (to == NULL)
		return -ENOMEM;
	if (w->cnt >= 3)
		op = tw_ops_find(w->w[2].p, w->w[2].len, w->w[1].p, w->w[1].len);
	if (op != NULL)
		tw_help_op(to, op);
	else if (w->cnt == 1)
		tw_help_overview(to);
	else
		is_known =
			w->cnt == 2 && (tw_help_noun(to, w->w[1].p) || tw_help_verb(to, w->w[1].p));
	if (!is_known)
		fputs("there is no help on that; `help` alone lists nouns and verbs", to);
	fclose(to);
	return is_known ? 0 : -ENOENT;
}

static int load_file(
	struct tw_shell *sh, const char *path, bool is_told, char *why, size_t why_size);

static int
load(struct tw_shell *sh, char **text)
{
	char path[4096];
	char why[1024] = "";
	int res;

	if (sh->words.cnt != 2)
		return say(text, -EINVAL, "load takes one file: load FILE");
	snprintf(path, sizeof(path), "%s", sh->words.w[1].p);
	res = load_file(sh, path, true, why, sizeof(why));
	return res ? say(text, res, why) : 0;
}

/* Nothing fits: say what would, by the part that is known. */
static int
unknown(const struct tw_args_words *w, char **text)
{
	struct shell_cursor cur;
	char what[160];

	shell_cursor_at(w, &cur);
	if (cur.verb != NULL && w->cnt == 1)
		snprintf(what, sizeof(what), "%s what? `help` lists the nouns", cur.verb);
	else if (cur.verb != NULL)
		snprintf(what, sizeof(what),
			"there is nothing of that name to %s; `help` lists the nouns", cur.verb);
	else
		snprintf(what, sizeof(what),
			"unknown command; `help` lists what there is, in the order VERB NOUN");
	return say(text, -EINVAL, what);
}

static int
run_op(struct tw_shell *sh, char **text)
{
	const struct tw_args_words *w = &sh->words;
	const struct tw_op *op = NULL;
	struct tw_conf_err err;
	int res;

	if (w->cnt >= 2)
		op = tw_ops_find(w->w[1].p, w->w[1].len, w->w[0].p, w->w[0].len);
	if (op == NULL)
		return unknown(w, text);
	if (op->flags & TW_OP_NO_SHELL)
		return say(text, -EOPNOTSUPP,
			"this works over the JSON socket only; try `twampctl events`");
	sh->was_secret |= (op->flags & TW_OP_SECRET) != 0;
	if (!tw_args_from_words(&sh->args, op->keys, op->key_cnt, w, 2, &err)) {
		tw_args_wipe(&sh->args);
		return say(text, -EINVAL, err.text);
	}
	res = run_on_control(sh, op, text);
	tw_args_wipe(&sh->args);
	return res;
}

static bool
is_word(const struct tw_args_words *w, const char *word)
{
	return strcmp(w->w[0].p, word) == 0;
}

int
shell_exec(struct tw_shell *sh, const char *line, size_t len, char **text)
{
	struct tw_conf_err err;
	int res = 0;

	*text = NULL;
	sh->was_secret = false;
	if (!tw_args_split(line, len, &sh->words, &err)) {
		sh->was_secret = true; /* cannot tell */
		tw_crypto_wipe(&sh->words, sizeof(sh->words));
		return say(text, -EINVAL, err.text);
	}
	if (sh->words.cnt == 0)
		return 0;
	sh->was_secret = names_a_secret(&sh->words);
	if (is_word(&sh->words, "quit"))
		sh->is_quitting = true;
	else if (is_word(&sh->words, "help"))
		res = help(sh, text);
	else if (is_word(&sh->words, "load"))
		res = load(sh, text);
	else
		res = run_op(sh, text);
	tw_crypto_wipe(&sh->words, sizeof(sh->words));
	return res;
}

struct loading {
	struct tw_shell *sh;
	bool is_told; /* answers are printed */
	const char *path;
	char *why;
	size_t why_size;
	int res;
};

static bool
load_line(void *arg, const char *line, size_t len, unsigned line_no)
{
	struct loading *l = arg;
	char *text = NULL;

	l->res = shell_exec(l->sh, line, len, &text);
	if (l->res != 0)
		snprintf(l->why, l->why_size, "%s:%u: %s", l->path, line_no,
			text ? text : strerror(-l->res));
	else if (l->is_told && text != NULL)
		fputs(text, stdout);
	free(text);
	return l->res == 0 && !l->sh->is_quitting;
}

static int
load_file(struct tw_shell *sh, const char *path, bool is_told, char *why, size_t why_size)
{
	struct loading l = {
		.sh = sh, .path = path, .why = why, .why_size = why_size, .is_told = is_told};
	int res;

	if (sh->load_depth == SHELL_LOAD_DEPTH) {
		snprintf(why, why_size, "%.512s: files load each other more than %d deep", path,
			SHELL_LOAD_DEPTH);
		return -ELOOP;
	}
	sh->load_depth++;
	res = tw_config_file_read(path, load_line, &l, why, why_size);
	sh->load_depth--;
	if (l.res != 0)
		return l.res;
	fflush(stdout);
	return res == -ECANCELED ? 0 : res; /* quit */
}

int
tw_shell_load(struct tw_shell *sh, const char *path, char *why, size_t why_size)
{
	return load_file(sh, path, false, why, why_size);
}

struct tw_shell *
tw_shell_new(struct tw_app *app)
{
	struct tw_shell *sh = tw_crypto_map(sizeof(*sh));

	if (sh == NULL)
		return NULL;
	sh->app = app;
	if (tw_ask_init(&sh->ask, app, TW_OP_ADMIN, &sh->args, on_answer, sh) != 0)
		goto fail;
	if (!app->options.is_interactive || shell_terminal_new(sh) == 0)
		return sh;
	tw_shell_free(sh);
	return NULL;
fail:
	tw_crypto_unmap(sh, sizeof(*sh));
	return NULL;
}

void
tw_shell_free(struct tw_shell *sh)
{
	if (sh == NULL)
		return;
	shell_terminal_free(sh);
	tw_ask_fini(&sh->ask);
	tw_crypto_unmap(sh, sizeof(*sh));
}
