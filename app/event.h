/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Events to whoever subscribed (event.subscribe). A topic is "noun.what" ("test.progress"); topics
 * are declared in events.def, so that they are documented. Publishing never blocks: a client whose
 * queue is full loses the event and sees the loss in the `dropped` count of its next one.
 *
 * Context: the control lcore.
 */
#ifndef TW_EVENT_H
#define TW_EVENT_H

#include "out.h"

struct tw_app;

enum tw_event_topic {
	TW_EVENT_NONE = 0,
#define TW_EVENT(id, topic, help) TW_EVENT_##id,
#include "events.def"
#undef TW_EVENT
	TW_EVENT_N,
};

/** "test.progress". Never NULL for a topic of events.def. */
const char *tw_event_topic_str(enum tw_event_topic topic);

/** What the event tells, one line. */
const char *tw_event_topic_help(enum tw_event_topic topic);

/**
 * Begin an event: write its fields into the returned writer, then call tw_event_send().
 * @return NULL if nobody listens: tw_out_*() and tw_event_send() accept that
 */
struct tw_out *tw_event_begin(struct tw_app *app, enum tw_event_topic topic);

/** Queue the event to every subscriber of its topic; the writer is gone. */
void tw_event_send(struct tw_app *app, struct tw_out *out);

#endif /* TW_EVENT_H */
