/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Handlers of the fake noun.
 */
#include <errno.h>
#include <stdio.h>

#include "fake.h"
#include "tw_base.h"

struct fake fake;

static int
op_show(struct tw_app *app, const struct tw_args *args, struct tw_out *out)
{
	uint64_t id = tw_args_u64(args, "id");

	(void)app;
	if (id > 100)
		return tw_out_fail(out, -ENOENT, "id", "list things with `show thing`",
			"there is no thing %u", (unsigned)id);
	fake.shown = id;
	tw_out_u64(out, "id", id, NULL);
	tw_out_u64(out, "sent", 10 * id, "packets");
	return 0;
}

static int
op_add(struct tw_app *app, const struct tw_args *args, struct tw_out *out)
{
	size_t len;
	const char *p = tw_args_bytes(args, "secret", &len);

	(void)app;
	snprintf(fake.secret, sizeof(fake.secret), "%.*s", (int)len, p);
	tw_out_str(out, "id", tw_args_str(args, "id"));
	return 0;
}

static void
on_abandon(void *arg)
{
	(void)arg;
	fake.is_abandoned = true;
}

static int
op_wait(struct tw_app *app, const struct tw_args *args, struct tw_out *out)
{
	(void)app;
	if (tw_args_bool(args, "fail"))
		return tw_out_fail(out, -EBUSY, NULL, NULL, "not now");
	fake.waiting = tw_op_defer(out);
	if (fake.all_cnt < TW_ARRAY_SIZE(fake.all))
		fake.all[fake.all_cnt++] = fake.waiting;
	tw_op_on_abandon(fake.waiting, on_abandon, NULL);
	tw_out_str(out, "before", "deferred");
	return TW_OP_DEFERRED;
}

static int
op_break(struct tw_app *app, const struct tw_args *args, struct tw_out *out)
{
	(void)app;
	(void)args;
	tw_out_str(out, "half", "an answer");
	return -EIO;
}

static int
op_listen(struct tw_app *app, const struct tw_args *args, struct tw_out *out)
{
	(void)app;
	(void)args;
	if (fake.listen != NULL)
		fake.listen(tw_op_caller(out)->conn);
	return 0;
}

static void
config(struct tw_app *app, struct tw_op_lines *lines)
{
	(void)app;
	tw_op_comment(lines, "things");
	TW_OP_LINE(lines, "add", "thing", "a b", "note", "say \"hi\"\\ #1", "empty", "");
}

static const struct tw_conf_key *
row_of(const char *name)
{
	static const char *const shapes[] = {"round", "square", NULL};
	static const struct tw_conf_key shape =
		TW_KEY("shape", ENUM, "what it is", .choices = shapes);

	return strcmp(name, "shape") == 0 ? &shape : NULL;
}

#define TW_FEATURE        thing
#define TW_FEATURE_DEF    "thing.def"
#define TW_FEATURE_CONFIG config
#include "features/feature.h"
