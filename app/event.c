/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Events: fields into one reused writer, then to the clients of the JSON socket.
 */
#include <stdio.h>
#include <time.h>

#include "app.h"
#include "event.h"
#include "io_rpc.h"
#include "tw_base.h"

static const struct {
	const char *topic;
	const char *help;
} topics[TW_EVENT_N] = {
#define TW_EVENT(id, topic_, help_) [TW_EVENT_##id] = {.topic = (topic_), .help = (help_)},
#include "events.def"
#undef TW_EVENT
};

static_assert(TW_EVENT_N <= 64, "a client's topics are bits of 64");

const char *
tw_event_topic_str(enum tw_event_topic topic)
{
	return topics[topic].topic;
}

const char *
tw_event_topic_help(enum tw_event_topic topic)
{
	return topics[topic].help;
}

struct tw_out *
tw_event_begin(struct tw_app *app, enum tw_event_topic topic)
{
	struct tw_out *out;

	if (app->rpc == NULL || !tw_rpc_io_has_listener(app->rpc, topic))
		return NULL;
	out = tw_out_new();
	if (out != NULL)
		tw_out_set_user(out, (void *)(uintptr_t)topic);
	return out;
}

void
tw_event_send(struct tw_app *app, struct tw_out *out)
{
	struct timespec now;
	struct tm tm;
	char text[32];
	char stamp[48];
	const char *data;
	size_t len;

	if (out == NULL)
		return;
	data = tw_out_json(out, &len);
	if (data != NULL) {
		clock_gettime(CLOCK_REALTIME, &now);
		gmtime_r(&now.tv_sec, &tm);
		strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%S", &tm);
		snprintf(stamp, sizeof(stamp), "%s.%03ldZ", text, now.tv_nsec / 1000000);
		tw_rpc_io_publish(app->rpc, (enum tw_event_topic)(uintptr_t)tw_out_user(out), stamp,
			data, len);
	}
	tw_out_free(out);
}
