/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Running operations: privilege, the handler, and answers that come later. Everything here runs
 * on the control lcore.
 */
#include <errno.h>
#include <stdlib.h>

#include "ops.h"
#include "tw_base.h"

struct tw_op_call {
	struct tw_out *out;
	struct tw_op_caller caller;
	tw_op_done_fn done; /* NULL once abandoned */
	void *arg;
	void (*abandoned)(void *arg);
	void *abandoned_arg;
	bool is_deferred;
};

static void
call_free(struct tw_op_call *call)
{
	tw_out_free(call->out);
	free(call);
}

static void
finish(struct tw_op_call *call, int res)
{
	struct tw_out *out = call->out;

	/* a handler that fails without words: say at least what the errno means */
	if (res < 0 && tw_out_error(out)->res == 0)
		tw_out_fail(out, res, NULL, NULL, "the operation failed");
	if (res >= 0)
		res = tw_out_error(out)->res;
	if (call->done != NULL)
		call->done(call->arg, out, res);
	call_free(call);
}

static unsigned
privilege_of(const struct tw_op *op)
{
	if (op->flags & TW_OP_ADMIN)
		return TW_OP_ADMIN;
	return op->flags & TW_OP_OPERATE ? TW_OP_OPERATE : TW_OP_READ;
}

struct tw_op_call *
tw_op_start(struct tw_app *app, const struct tw_op *op, const struct tw_args *args,
	const struct tw_op_caller *caller, tw_op_done_fn done, void *arg)
{
	struct tw_op_call *call = calloc(1, sizeof(*call));
	int res;

	if (call != NULL)
		call->out = tw_out_new();
	if (call == NULL || call->out == NULL) {
		free(call);
		done(arg, NULL, -ENOMEM);
		return NULL;
	}
	call->caller = *caller;
	call->done = done;
	call->arg = arg;
	tw_out_set_user(call->out, call);
	if (caller->privilege < privilege_of(op))
		res = tw_out_fail(call->out, -EPERM, NULL,
			"ask as root, as the service user, or have the setting "
			"rpc_group_privilege raised",
			"%s.%s is not permitted to this client", op->noun, op->verb);
	else
		res = op->fn(app, args, call->out);
	if (res == TW_OP_DEFERRED) {
		TW_ASSERT(call->is_deferred);
		return call;
	}
	finish(call, res);
	return NULL;
}

struct tw_op_call *
tw_op_defer(struct tw_out *out)
{
	struct tw_op_call *call = tw_out_user(out);

	TW_ASSERT(call != NULL);
	call->is_deferred = true;
	return call;
}

struct tw_out *
tw_op_out(struct tw_op_call *call)
{
	return call->out;
}

void
tw_op_complete(struct tw_op_call *call, int res)
{
	TW_ASSERT(call->is_deferred && res <= 0);
	finish(call, res);
}

void
tw_op_on_abandon(struct tw_op_call *call, void (*fn)(void *arg), void *arg)
{
	call->abandoned = fn;
	call->abandoned_arg = arg;
}

void
tw_op_abandon(struct tw_op_call *call)
{
	call->done = NULL;
	if (call->abandoned != NULL)
		call->abandoned(call->abandoned_arg);
}

const struct tw_op_caller *
tw_op_caller(const struct tw_out *out)
{
	const struct tw_op_call *call = tw_out_user(out);

	TW_ASSERT(call != NULL);
	return &call->caller;
}
