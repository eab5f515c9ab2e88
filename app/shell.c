/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The shell's terminal: raw mode, one character at a time into librte_cmdline, back to the mode it
 * had at the end, whatever that end is. Without a terminal, plain lines.
 */
/* cmdline_get_rdline() is stable in name and form, but still marked so in 22.11 */
#define ALLOW_EXPERIMENTAL_API

#include <errno.h>
#include <malloc.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

#include <cmdline.h>
#include <cmdline_rdline.h>

#include "config_file.h"
#include "shell_i.h"
#include "tw_crypto.h"

#define PROMPT    "twampline> "
#define CTRL_C    3
#define HISTORY   64
#define POLL_MS   100
#define LINE_SIZE 1024

/* main blocks the signals that end the appliance: here they are looked for, not delivered. */
static bool
is_told_to_end(void)
{
	sigset_t set;

	return sigpending(&set) == 0 &&
	       (sigismember(&set, SIGTERM) == 1 || sigismember(&set, SIGINT) == 1);
}

static bool
is_running(struct tw_shell *sh)
{
	return !sh->is_quitting && !is_told_to_end() &&
	       atomic_load_explicit(&sh->app->state, memory_order_acquire) == TW_APP_RUNNING;
}

/* While an answer is awaited: Ctrl-C, since the terminal sends no signal in raw mode. */
static void
look_for_ctrl_c(struct tw_shell *sh)
{
	struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};
	char c = 0;

	/* what else is typed meanwhile is dropped: it cannot be shown */
	while (poll(&p, 1, 0) == 1 && (p.revents & POLLIN)) {
		if (read(STDIN_FILENO, &c, 1) != 1)
			return;
		if (c == CTRL_C)
			shell_interrupt(sh);
	}
}

/* Take the newest line, which held a secret, out of the history: rewrite it without. */
static void
forget_newest(struct rdline *rdl)
{
	char *items[HISTORY];
	unsigned cnt = 0;

	for (unsigned i = 1; cnt < HISTORY; i++) {
		const char *item = rdline_get_history_item(rdl, i);

		if (item == NULL)
			break;
		items[cnt] = strdup(item);
		if (items[cnt] == NULL)
			break;
		cnt++;
	}
	rdline_clear_history(rdl);
	while (cnt > 0) {
		cnt--;
		rdline_add_history(rdl, items[cnt]);
		free(items[cnt]);
	}
}

static int
feed(struct tw_shell *sh, struct cmdline *cl)
{
	char c;
	ssize_t n = read(STDIN_FILENO, &c, 1);
	int res;

	if (n < 0 && errno == EINTR)
		return 0;
	if (n <= 0)
		return -1;
	sh->was_secret = false;
	res = cmdline_in(cl, &c, 1);
	if (sh->was_secret) {
		forget_newest(cmdline_get_rdline(cl));
		tw_crypto_scrub_stack();
	}
	sh->was_secret = false;
	return res;
}

/*
 * Made while the process is still privileged: afterwards the limit of locked memory may be used up.
 * cmdline_stdin_new() would do, but sets up the terminal at once.
 */
int
shell_terminal_new(struct tw_shell *sh)
{
	if (!isatty(STDIN_FILENO))
		return 0;
	sh->cl = cmdline_new(shell_tokens_init(sh), "", STDIN_FILENO, STDOUT_FILENO);
	if (sh->cl == NULL)
		return -ENOMEM;
	/* line, history and kill buffers of the library are part of this object */
	sh->cl_size = malloc_usable_size(sh->cl);
	return tw_crypto_hide(sh->cl, sh->cl_size);
}

void
shell_terminal_free(struct tw_shell *sh)
{
	if (sh->cl == NULL)
		return;
	tw_crypto_wipe(sh->cl, sh->cl_size); /* no pointer in it owns anything */
	cmdline_free(sh->cl);
	sh->cl = NULL;
}

/* Characters as they are typed, without echo; Ctrl-C is one of them. */
static bool
terminal_raw(struct termios *before)
{
	struct termios raw;

	if (tcgetattr(STDIN_FILENO, before) != 0)
		return false;
	raw = *before;
	raw.c_lflag &= (tcflag_t) ~(ICANON | ECHO | ISIG);
	return tcsetattr(STDIN_FILENO, TCSADRAIN, &raw) == 0;
}

static int
run_terminal(struct tw_shell *sh)
{
	struct pollfd p = {.fd = STDIN_FILENO, .events = POLLIN};
	struct termios before;

	if (!terminal_raw(&before)) {
		fputs("twampline: the terminal cannot be set up for the shell: pipe the lines in, "
		      "or "
		      "use twampctl\n",
			stderr);
		return 1;
	}
	cmdline_set_prompt(sh->cl, PROMPT);
	rdline_newline(cmdline_get_rdline(sh->cl), PROMPT);
	sh->on_idle = look_for_ctrl_c;
	while (is_running(sh)) {
		if (poll(&p, 1, POLL_MS) > 0 && feed(sh, sh->cl) < 0)
			break;
	}
	sh->on_idle = NULL;
	tcsetattr(STDIN_FILENO, TCSADRAIN, &before);
	fputs("\n", stdout);
	fflush(stdout);
	return 0;
}

static bool
pipe_line(void *arg, const char *line, size_t len, unsigned line_no)
{
	struct tw_shell *sh = arg;
	char *text = NULL;
	int res = shell_exec(sh, line, len, &text);

	if (res != 0) {
		sh->has_failed = true;
		fprintf(stderr, "stdin:%u: error: %s\n", line_no, text ? text : strerror(-res));
	} else if (text != NULL) {
		fputs(text, stdout);
	}
	fflush(stdout);
	free(text);
	return is_running(sh);
}

static bool
pipe_goes_on(void *arg)
{
	return is_running(arg);
}

static int
run_pipe(struct tw_shell *sh)
{
	char why[256] = "";
	int res = tw_config_fd_read(
		STDIN_FILENO, "stdin", pipe_line, pipe_goes_on, sh, why, sizeof(why));

	if (res != 0 && res != -ECANCELED) {
		fprintf(stderr, "%s\n", why);
		return 1;
	}
	return sh->has_failed ? 1 : 0;
}

int
tw_shell_run(struct tw_shell *sh)
{
	return sh->cl != NULL ? run_terminal(sh) : run_pipe(sh);
}
