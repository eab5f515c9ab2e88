/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Topics and who listens to them.
 */
#include <errno.h>
#include <string.h>

#include "event.h"
#include "io_rpc.h"
#include "ops.h"

static int
op_show(struct tw_app *app, const struct tw_args *args, struct tw_out *out)
{
	(void)app;
	(void)args;
	tw_out_arr(out, "topics");
	for (unsigned t = TW_EVENT_NONE + 1; t < TW_EVENT_N; t++) {
		tw_out_obj(out, NULL);
		tw_out_str(out, "topic", tw_event_topic_str(t));
		tw_out_str(out, "help", tw_event_topic_help(t));
		tw_out_obj_end(out);
	}
	tw_out_arr_end(out);
	return 0;
}

/* "*", "noun.*" or the topic itself. */
static bool
is_match(const char *pattern, const char *topic)
{
	size_t len = strlen(pattern);

	if (len > 0 && pattern[len - 1] == '*' && (len == 1 || pattern[len - 2] == '.'))
		return strncmp(pattern, topic, len - 1) == 0;
	return strcmp(pattern, topic) == 0;
}

static bool
any_match(const char *pattern)
{
	for (unsigned t = TW_EVENT_NONE + 1; t < TW_EVENT_N; t++) {
		if (is_match(pattern, tw_event_topic_str(t)))
			return true;
	}
	return false;
}

/* All patterns are looked at before any takes effect. */
static int
change(const struct tw_args *args, struct tw_out *out, bool is_wanted)
{
	void *conn = tw_op_caller(out)->conn;
	size_t cnt;
	const struct tw_conf_value *v = tw_args_list(args, "topics", &cnt);

	if (conn == NULL)
		return tw_out_fail(out, -EOPNOTSUPP, NULL, "use `twampctl events`",
			"events are sent over connections of the JSON socket only");
	for (size_t i = 0; i < cnt; i++) {
		if (!any_match(v[i].str.p))
			return tw_out_fail(out, -EINVAL, "topics", "event.show lists the topics",
				"no topic matches '%s'", v[i].str.p);
	}
	for (unsigned t = TW_EVENT_NONE + 1; t < TW_EVENT_N; t++) {
		for (size_t i = 0; i < cnt; i++) {
			if (is_match(v[i].str.p, tw_event_topic_str(t)))
				tw_rpc_io_subscribe(conn, t, is_wanted);
		}
	}
	tw_out_arr(out, "topics");
	for (unsigned t = TW_EVENT_NONE + 1; t < TW_EVENT_N; t++) {
		if (tw_rpc_io_is_subscribed(conn, t))
			tw_out_str(out, NULL, tw_event_topic_str(t));
	}
	tw_out_arr_end(out);
	return 0;
}

static int
op_subscribe(struct tw_app *app, const struct tw_args *args, struct tw_out *out)
{
	(void)app;
	return change(args, out, true);
}

static int
op_unsubscribe(struct tw_app *app, const struct tw_args *args, struct tw_out *out)
{
	(void)app;
	return change(args, out, false);
}

#define TW_FEATURE     event
#define TW_FEATURE_DEF "event/event.def"
#include "../feature.h"
