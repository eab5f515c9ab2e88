/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Running operations: table, privilege, late answers, abandoned calls, configuration lines.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "errors.h"
#include "fake.h"

static struct tw_args args;
static int done_cnt;
static int done_res;
static char done_json[512];

static void
done(void *arg, struct tw_out *out, int res)
{
	size_t len;

	cr_assert_eq(arg, &fake);
	done_cnt++;
	done_res = res;
	strcpy(done_json, res ? tw_out_error_json(out, 0, &len) : tw_out_json(out, &len));
}

static struct tw_op_call *
run(const char *method, const char *line, unsigned privilege)
{
	static struct tw_args_words words;
	const struct tw_op *op = tw_ops_find_method(method, strlen(method));
	struct tw_conf_err err;

	cr_assert_not_null(op);
	cr_assert(tw_args_split(line, strlen(line), &words, &err));
	cr_assert(
		tw_args_from_words(&args, op->keys, op->key_cnt, &words, 0, &err), "%s", err.text);
	return tw_op_start(
		NULL, op, &args, &(struct tw_op_caller){.privilege = privilege}, done, &fake);
}

Test(ops, finds_rows)
{
	size_t cnt;
	const struct tw_op *op = tw_ops_find("thing", 5, "show", 4);

	cr_assert_eq(tw_ops_features(&cnt)[0].rows->op_cnt, 5);
	cr_assert_eq(cnt, 1);
	cr_assert_str_eq(op->noun, "thing");
	cr_assert_eq(op->key_cnt, 3);
	cr_assert_eq(tw_ops_find_method("thing.break", 11)->key_cnt, 0);
	cr_assert_null(tw_ops_find_method("thing", 5));
	cr_assert_null(tw_ops_find_method("thing.", 6));
	cr_assert_null(tw_ops_find_method(".show", 5));
	cr_assert_null(tw_ops_find_method("thing.shows", 11));
	cr_assert_null(tw_ops_find_method("thing.show.x", 12));
}

Test(ops, answers_at_once)
{
	cr_assert_null(run("thing.show", "3", TW_OP_READ));
	cr_assert_eq(done_cnt, 1);
	cr_assert_eq(done_res, 0);
	cr_assert_str_eq(done_json, "{\"id\":3,\"sent\":30}");
}

Test(ops, says_why_it_failed)
{
	run("thing.show", "101", TW_OP_READ);
	cr_assert_eq(done_res, -ENOENT);
	cr_assert(strstr(done_json, "there is no thing 101"));
	run("thing.break", "", TW_OP_READ);
	cr_assert_eq(done_res, -EIO);
	cr_assert(strstr(done_json, "\"reason\":\"io\""));
	cr_assert_null(strstr(done_json, "half"));
}

Test(ops, checks_privilege)
{
	run("thing.add", "a secret b", TW_OP_OPERATE);
	cr_assert_eq(done_res, -EPERM);
	cr_assert_str_eq(fake.secret, "");
	run("thing.add", "a secret b", TW_OP_ADMIN);
	cr_assert_eq(done_res, 0);
	cr_assert_str_eq(fake.secret, "b");
}

Test(ops, answers_late)
{
	struct tw_op_call *call = run("thing.wait", "", TW_OP_ADMIN);

	cr_assert_not_null(call);
	cr_assert_eq(done_cnt, 0);
	tw_out_u64(tw_op_out(fake.waiting), "after", 1, NULL);
	tw_op_complete(fake.waiting, 0);
	cr_assert_eq(done_cnt, 1);
	cr_assert_str_eq(done_json, "{\"before\":\"deferred\",\"after\":1}");
	cr_assert_null(run("thing.wait", "fail on", TW_OP_ADMIN));
	cr_assert_eq(done_res, -EBUSY);
}

Test(ops, tells_who_waits_that_nobody_listens)
{
	tw_op_abandon(run("thing.wait", "", TW_OP_ADMIN));
	cr_assert(fake.is_abandoned);
	tw_op_complete(fake.waiting, 0);
	cr_assert_eq(done_cnt, 0);
}

Test(ops, writes_configuration_lines_that_read_back)
{
	static struct tw_args_words words;
	struct tw_conf_err err;
	char *text = tw_ops_config(NULL);
	char *line = strchr(text, '\n') + 1;

	cr_assert_eq(strncmp(text, "# things\n", 9), 0);
	cr_assert(tw_args_split(line, strlen(line), &words, &err), "%s", line);
	cr_assert_eq(words.cnt, 7);
	cr_assert_str_eq(words.w[2].p, "a b");
	cr_assert_str_eq(words.w[4].p, "say \"hi\"\\ #1");
	cr_assert_str_eq(words.w[6].p, "");
	free(text);
}

Test(ops, has_one_code_per_reason)
{
	size_t cnt;
	const struct tw_error_row *rows = tw_error_rows(&cnt);

	for (size_t i = 0; i < cnt; i++) {
		cr_assert_eq(tw_error_find(-rows[i].err), &rows[i]);
		cr_assert(rows[i].code == -32602 ||
			  (rows[i].code <= -32000 && rows[i].code > -32100));
		for (size_t k = 0; k < i; k++) {
			cr_assert_neq(rows[i].code, rows[k].code);
			cr_assert_str_neq(rows[i].reason, rows[k].reason);
		}
	}
	cr_assert_eq(tw_error_find(-ENETUNREACH), tw_error_find(-EHOSTUNREACH));
	cr_assert_eq(tw_error_find(-EXDEV)->code, -32603);
}
