/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Shared by shell.c (terminal), shell_tokens.c (librte_cmdline tokens) and shell_exec.c (running
 * lines).
 */
#ifndef SHELL_I_H
#define SHELL_I_H

#include <cmdline_parse.h>

#include "app.h"
#include "ask.h"
#include "ops.h"
#include "shell.h"

/* `load` within `load` within ... */
#define SHELL_LOAD_DEPTH 8
#define SHELL_CANDIDATES 128

/* What the words before the cursor ask for next. */
struct shell_cursor {
	const char *verb;              /* known verb, or NULL */
	const struct tw_op *op;        /* known operation, or NULL */
	const struct tw_conf_key *key; /* a value of this key is due, or NULL */
	const char *said;              /* the last value, or NULL */
	bool is_help;
	bool is_bad;   /* nothing sensible can follow */
	uint64_t used; /* keys said already, by index */
	unsigned pos;  /* words so far */
};

struct shell_candidate {
	const char *word;
	const char *help;
};

/* All of it in one secret mapping. */
struct tw_shell {
	struct tw_app *app;
	struct tw_args_words words;
	struct tw_args args;
	unsigned load_depth;
	bool is_quitting;
	bool has_failed;                      /* a line of a pipe */
	bool was_secret;                      /* the line just run took a secret */
	bool is_silent;                       /* answers are not printed */
	void (*on_idle)(struct tw_shell *sh); /* called while an answer is awaited, or NULL */

	struct tw_ask ask;
	char *answer; /* malloc'ed text; control's while a request waits */

	/* librte_cmdline */
	struct cmdline *cl; /* NULL: standard input is no terminal */
	size_t cl_size;
	const char *line; /* of the command being matched */
	bool is_eol;      /* the last word matched ends the line */
	struct tw_args_words partial;
	struct shell_candidate cand[SHELL_CANDIDATES];
	size_t cand_cnt;
};

/* Words the shell knows itself. */
struct shell_builtin {
	const char *word;
	const char *help;
};
extern const struct shell_builtin shell_builtins[];
extern const size_t shell_builtin_cnt;

/* ---- shell_exec.c ---- */

/**
 * Run one line and wait for its answer.
 * @param[out] text  answer or failure, malloc'ed, NULL if there is nothing to say
 * @return 0, or -errno with the failure in words
 */
int shell_exec(struct tw_shell *sh, const char *line, size_t len, char **text);

/** Ask the control lcore to abandon what runs. */
void shell_interrupt(struct tw_shell *sh);

/* ---- shell.c ---- */

/** The line editor, in secret memory, if there is a terminal. @return 0 or -errno */
int shell_terminal_new(struct tw_shell *sh);
void shell_terminal_free(struct tw_shell *sh);

/* ---- shell_tokens.c ---- */

/** The context for cmdline_new(): one instance, all tokens made as the words come. */
cmdline_parse_ctx_t *shell_tokens_init(struct tw_shell *sh);

/** Where the words lead. */
void shell_cursor_at(const struct tw_args_words *words, struct shell_cursor *cur);

/** What may follow: words into sh->cand. */
void shell_complete(struct tw_shell *sh, const struct shell_cursor *cur);

#endif /* SHELL_I_H */
