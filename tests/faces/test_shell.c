/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The shell: lines run on a loop in another thread, files, completion, and that both faces reach
 * every operation and say the same.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "config.h"
#include "fake.h"
#include "shell_i.h"

#include <cmdline.h>
#include "tw_crypto.h"

static struct tw_app app;
static struct tw_shell *sh;
static pthread_t control;
static char *text;
static char path[64];

static void
tick(void *arg, int64_t now_ns)
{
	(void)arg;
	(void)now_ns;
}

static void *
run_control(void *arg)
{
	(void)arg;
	cr_assert_eq(tw_shell_attach(sh), 0);
	tw_loop_run(&app.loop);
	tw_shell_detach(sh);
	atomic_store(&app.state, TW_APP_STOPPED);
	return NULL;
}

static void
start(void)
{
	char why[256] = "";

	cr_assert_eq(tw_crypto_init_late(TW_CRYPTO_HEAP_MIN, why, sizeof(why)), 0, "%s", why);
	cr_assert_eq(tw_loop_init(&app.loop, 1000000, tick, NULL), 0);
	app.config = tw_config_new();
	atomic_store(&app.state, TW_APP_RUNNING);
	sh = tw_shell_new(&app);
	cr_assert_not_null(sh);
	cr_assert_eq(pthread_create(&control, NULL, run_control, NULL), 0);
	snprintf(path, sizeof(path), "/tmp/tw-test-%d.conf", getpid());
}

static void
stop(void)
{
	tw_loop_stop(&app.loop);
	pthread_join(control, NULL);
	free(text);
	tw_shell_free(sh);
	tw_config_free(app.config);
	tw_loop_fini(&app.loop);
	unlink(path);
}

TestSuite(shell, .init = start, .fini = stop);

static int
run(const char *line)
{
	free(text);
	text = NULL;
	return shell_exec(sh, line, strlen(line), &text);
}

Test(shell, runs_operations)
{
	cr_assert_eq(run("show thing 3"), 0);
	cr_assert_str_eq(text, "id    3\nsent  30 packets\n");
	cr_assert_eq(run("  show   thing id 4  # the fourth\n"), 0);
	cr_assert_eq(fake.shown, 4);
	cr_assert_eq(run(""), 0);
	cr_assert_eq(run("# nothing"), 0);
	cr_assert_null(text);
}

Test(shell, says_what_is_wrong_and_what_would_be_right)
{
	static const char *const rows[][2] = {
		{"show", "show what?"},
		{"show nothing", "nothing of that name"},
		{"fly thing", "unknown command"},
		{"show thing", "id is missing"},
		{"show thing 0", "at least 1"},
		{"show thing 3 colour red", "no key 'colour'"},
		{"show thing 101", "there is no thing 101: list things"},
		{"show thing \"3", "not closed"},
		{"listen thing", "JSON socket"},
		{"break thing", "the operation failed"},
		{"help nothing", "no help"},
		{"load", "load FILE"},
		{"load /nonexistent/file", "cannot be opened"},
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		cr_assert_lt(run(rows[i][0]), 0, "%s", rows[i][0]);
		cr_assert(strstr(text, rows[i][1]), "%s: %s", rows[i][0], text);
	}
}

Test(shell, helps)
{
	cr_assert_eq(run("help"), 0);
	cr_assert(strstr(text, "thing"));
	cr_assert_null(strstr(text, "listen"));
	cr_assert_eq(run("help thing"), 0);
	cr_assert(strstr(text, "show thing"));
	cr_assert_eq(run("help show"), 0);
	cr_assert(strstr(text, "  show thing\n"));
	cr_assert_eq(run("help show thing"), 0);
	cr_assert(strstr(text, "show thing id [limit VALUE] [cursor VALUE]"), "%s", text);
	cr_assert(strstr(text, "number, 1 to 256, default 256"), "%s", text);
}

Test(shell, knows_lines_with_secrets)
{
	cr_assert_eq(run("add thing a secret \"correct horse\""), 0);
	cr_assert_str_eq(fake.secret, "correct horse");
	cr_assert(sh->was_secret);
	cr_assert_eq(run("show thing 1"), 0);
	cr_assert_not(sh->was_secret);
	run("ad thing a secret x");
	cr_assert(sh->was_secret);
	run("add thing a hunter2");
	cr_assert(sh->was_secret);
	cr_assert_null(strstr(text, "hunter2"));
}

Test(shell, leaves_no_secret_in_its_memory)
{
	bool is_clean = true;

	run("add thing a secret correct-horse");
	for (size_t i = 0; i + 13 <= sizeof(*sh); i++)
		is_clean = is_clean && memcmp((const char *)sh + i, "correct-horse", 13) != 0;
	cr_assert(is_clean);
}

static void
write_file(const char *lines)
{
	FILE *f = fopen(path, "w");

	cr_assert_not_null(f);
	fputs(lines, f);
	fclose(f);
}

Test(shell, loads_files_until_the_first_failure)
{
	char why[256];
	char want[128];

	write_file("# set up\r\n\nshow thing 7\nshow thing 8");
	cr_assert_eq(tw_shell_load(sh, path, why, sizeof(why)), 0);
	cr_assert_eq(fake.shown, 8);
	write_file("show thing 5\n\nshow thing 101\nshow thing 6\n");
	cr_assert_eq(tw_shell_load(sh, path, why, sizeof(why)), -ENOENT);
	snprintf(want, sizeof(want), "%s:3: there is no thing 101", path);
	cr_assert_eq(strncmp(why, want, strlen(want)), 0, "%s", why);
	cr_assert_eq(fake.shown, 5);
	write_file("show thing 5\nquit\nshow thing 6\n");
	cr_assert_eq(tw_shell_load(sh, path, why, sizeof(why)), 0);
	cr_assert_eq(fake.shown, 5);
	cr_assert(sh->is_quitting);
}

Test(shell, bounds_files_that_load_themselves)
{
	char line[100];
	char why[512];

	snprintf(line, sizeof(line), "load %s\n", path);
	write_file(line);
	cr_assert_eq(tw_shell_load(sh, path, why, sizeof(why)), -ELOOP);
	cr_assert(strstr(why, "load each other"), "%s", why);
}

Test(shell, refuses_long_lines_and_takes_long_files)
{
	static char big[40000];
	char why[256];

	memset(big, 'x', sizeof(big) - 1);
	write_file(big);
	cr_assert_eq(tw_shell_load(sh, path, why, sizeof(why)), -EMSGSIZE);
	cr_assert(strstr(why, ":1: "), "%s", why);
	for (size_t i = 0; i + 14 < sizeof(big); i += 13)
		memcpy(big + i, "show thing 1\n", 14);
	write_file(big);
	cr_assert_eq(tw_shell_load(sh, path, why, sizeof(why)), 0, "%s", why);
}

static void *
complete_later(void *arg)
{
	(void)arg;
	while (__atomic_load_n(&fake.waiting, __ATOMIC_RELAXED) == NULL)
		usleep(1000);
	usleep(20000);
	tw_op_complete(fake.waiting, 0);
	return NULL;
}

Test(shell, waits_for_late_answers)
{
	pthread_t t;

	cr_assert_eq(pthread_create(&t, NULL, complete_later, NULL), 0);
	cr_assert_eq(run("wait thing"), 0);
	cr_assert_str_eq(text, "before  deferred\n");
	pthread_join(t, NULL);
}

Test(shell, can_be_interrupted)
{
	sh->on_idle = shell_interrupt;
	cr_assert_eq(run("wait thing"), -ECANCELED);
	cr_assert_str_eq(text, "interrupted");
	cr_assert(fake.is_abandoned);
	sh->on_idle = NULL;
	cr_assert_eq(run("show thing 3"), 0);
	tw_op_complete(fake.waiting, 0);
}

static void
stop_control(struct tw_shell *s)
{
	(void)s;
	/* only once it waits: the request may not have been looked at yet */
	if (__atomic_load_n(&fake.waiting, __ATOMIC_RELAXED) != NULL)
		tw_loop_stop(&app.loop);
}

Test(shell, is_told_when_the_appliance_ends)
{
	sh->on_idle = stop_control;
	cr_assert_eq(run("wait thing"), -ESHUTDOWN);
	cr_assert(strstr(text, "stopped"));
	cr_assert_eq(run("show thing 3"), -ESHUTDOWN);
	tw_op_complete(fake.waiting, 0);
}

/* Words that may follow a line, as one text. */
static const char *
after(const char *line)
{
	static char out[1024];
	struct tw_conf_err err;
	struct shell_cursor cur;

	cr_assert(tw_args_split(line, strlen(line), &sh->words, &err));
	shell_cursor_at(&sh->words, &cur);
	shell_complete(sh, &cur);
	out[0] = '\0';
	for (size_t i = 0; i < sh->cand_cnt; i++) {
		strcat(out, i ? " " : "");
		strcat(out, sh->cand[i].word);
	}
	return out;
}

Test(shell, completes)
{
	cr_assert_str_eq(after(""), "show add wait break help load quit");
	cr_assert_str_eq(after("show"), "thing");
	cr_assert_str_eq(after("fly"), "");
	cr_assert_str_eq(after("show nothing"), "");
	cr_assert_str_eq(after("show thing"), "id limit cursor");
	cr_assert_str_eq(after("show thing 3"), "limit cursor");
	cr_assert_str_eq(after("show thing limit"), "");
	cr_assert_str_eq(after("show thing limit 3"), "id cursor");
	cr_assert_str_eq(after("show thing 3 4"), "");
	cr_assert_str_eq(after("wait thing fail"), "on off");
	cr_assert_str_eq(after("wait thing of shape shape"), "round square");
	cr_assert_str_eq(after("wait thing of nothing shape"), "");
	cr_assert_str_eq(after("wait thing shape"), "");
	cr_assert_str_eq(after("help"), "thing show add wait break");
	cr_assert_str_eq(after("help show"), "thing");
	cr_assert_str_eq(after("help show thing"), "");
}

/* librte_cmdline itself over a pipe: what is typed comes back, then the answer. */
static const char *
type(const char *keys)
{
	static char out[8192];
	int to[2];
	int from[2];
	struct cmdline *cl;
	ssize_t n;

	cr_assert_eq(pipe(to), 0);
	cr_assert_eq(pipe(from), 0);
	cl = cmdline_new(shell_tokens_init(sh), "> ", to[0], from[1]);
	cr_assert_not_null(cl);
	cr_assert_geq(cmdline_in(cl, keys, (int)strlen(keys)), -1);
	n = read(from[0], out, sizeof(out) - 1);
	out[n > 0 ? n : 0] = '\0';
	cmdline_free(cl);
	close(to[1]);
	close(from[0]);
	return out;
}

Test(shell, runs_what_is_typed)
{
	cr_assert(strstr(type("show thing 12 limit 3\n"), "120 packets"));
	cr_assert(strstr(type("show thing 101\n"), "error: there is no thing 101"));
	cr_assert(strstr(type("nonsense and more\n"), "error: unknown command"));
	cr_assert(strstr(type("add thing \"a b\" secret 'x # y'\n"), "a b"));
	cr_assert_str_eq(fake.secret, "x # y");
	type("sh\tth\tid 9\n");
	cr_assert_eq(fake.shown, 9);
	cr_assert(strstr(type("wait thing fail o\t\t"), "off"));
	type("quit\n");
	cr_assert(sh->is_quitting);
}

Test(shell, reaches_every_operation_that_json_reaches)
{
	size_t cnt;
	const struct tw_feature *f = tw_ops_features(&cnt);

	for (size_t i = 0; i < cnt; i++) {
		for (size_t k = 0; k < f[i].rows->op_cnt; k++) {
			const struct tw_op *op = &f[i].rows->ops[k];
			char method[64];
			char line[64];

			snprintf(method, sizeof(method), "%s.%s", op->noun, op->verb);
			snprintf(line, sizeof(line), "%s %s", op->verb, op->noun);
			cr_assert_eq(tw_ops_find_method(method, strlen(method)), op);
			if (op->flags & TW_OP_NO_SHELL)
				continue;
			after(line);
			cr_assert_eq(sh->cand_cnt > 0, op->key_cnt > 0, "%s", line);
		}
	}
}
