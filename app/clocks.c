/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * See clocks.h.
 */
#include "clocks.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app.h"
#include "event.h"
#include "sessions.h"

struct tw_clocks {
	struct tw_app *app;
	bool is_started;
	uint64_t floor_ns;
	struct tw_clocks_entry *entry[TW_CLOCKS_MAX];
};

/* The argument of a feed's calls: which clock of which appliance. */
struct slot {
	struct tw_clocks_entry e; /* first: what others see */
	struct tw_clocks *owner;
};

static void
on_model(void *arg, const struct tw_clock *model, bool has_changed)
{
	struct slot *s = arg;
	struct tw_app *app = s->owner->app;
	struct tw_out *out;

	tw_dp_clock_publish(app->dp, s->e.idx, model);
	if (!has_changed)
		return;
	if (app->sessions != NULL)
		tw_sessions_clock_stepped(app->sessions);
	out = tw_event_begin(app, TW_EVENT_CLOCK_STATE);
	tw_out_str(out, "clock", s->e.name);
	tw_out_bool(out, "is_synced", model->is_synced);
	tw_out_u64(out, "epoch", model->epoch, NULL);
	tw_event_send(app, out);
}

static void
entry_free(struct tw_clocks *cs, unsigned idx)
{
	static const struct tw_clock none;
	struct tw_clocks_entry *e = cs->entry[idx];

	if (e == NULL)
		return;
	tw_clock_feed_free(e->feed);
	if (cs->app->dp != NULL)
		tw_dp_clock_publish(cs->app->dp, idx, &none);
	cs->entry[idx] = NULL;
	free(e);
}

static int
entry_new(struct tw_clocks *cs, unsigned idx, const char *name, const struct tw_clock_ref *ref)
{
	struct slot *s = calloc(1, sizeof(*s));

	if (s == NULL) {
		if (ref->close != NULL)
			ref->close(ref->arg);
		return -ENOMEM;
	}
	s->owner = cs;
	s->e.idx = idx;
	snprintf(s->e.name, sizeof(s->e.name), "%s", name);
	s->e.feed = tw_clock_feed_new(s->e.name, ref);
	if (s->e.feed == NULL) {
		free(s);
		return -ENOMEM;
	}
	tw_clock_feed_floor(s->e.feed, cs->floor_ns);
	cs->entry[idx] = &s->e;
	return 0;
}

struct tw_clocks *
tw_clocks_new(struct tw_app *app)
{
	const struct tw_clock_ref kernel = tw_clock_ref_kernel();
	struct tw_clocks *cs = calloc(1, sizeof(*cs));
	int ret;

	if (cs == NULL)
		return NULL;
	cs->app = app;
	cs->floor_ns = TW_CLOCK_FEED_FLOOR_NS;
	ret = entry_new(cs, TW_CLOCKS_SYSTEM, "system", &kernel);
	if (ret == 0)
		ret = tw_clock_feed_calibrate(cs->entry[TW_CLOCKS_SYSTEM]->feed);
	if (ret == 0)
		return cs;
	tw_clocks_free(cs);
	errno = -ret;
	return NULL;
}

void
tw_clocks_free(struct tw_clocks *cs)
{
	if (cs == NULL)
		return;
	for (unsigned i = 0; i < TW_CLOCKS_MAX; i++)
		entry_free(cs, i);
	free(cs);
}

static void
entry_start(struct tw_clocks *cs, struct tw_clocks_entry *e)
{
	tw_clock_feed_start(e->feed, &cs->app->loop, on_model, e);
}

void
tw_clocks_start(struct tw_clocks *cs)
{
	struct tw_clocks_entry *e;

	cs->is_started = true;
	for (e = tw_clocks_next(cs, 0); e != NULL; e = tw_clocks_next(cs, e->idx + 1))
		entry_start(cs, e);
}

void
tw_clocks_stop(struct tw_clocks *cs)
{
	struct tw_clocks_entry *e;

	cs->is_started = false;
	for (e = tw_clocks_next(cs, 0); e != NULL; e = tw_clocks_next(cs, e->idx + 1))
		tw_clock_feed_stop(e->feed);
}

static int
check_new(struct tw_clocks *cs, const char *name, unsigned *idx, char *err, size_t size)
{
	if (name[0] == '\0' || strlen(name) >= TW_CLOCKS_NAME_SIZE) {
		snprintf(err, size, "a clock's name has 1 to %d characters",
			TW_CLOCKS_NAME_SIZE - 1);
		return -EINVAL;
	}
	if (tw_clocks_find(cs, name) != NULL) {
		snprintf(err, size, "clock %s exists already; choose another name", name);
		return -EEXIST;
	}
	for (*idx = 0; *idx < TW_CLOCKS_MAX; (*idx)++)
		if (cs->entry[*idx] == NULL)
			return 0;
	snprintf(err, size, "there are %d clocks already; remove one first", TW_CLOCKS_MAX);
	return -ENOSPC;
}

int
tw_clocks_add(struct tw_clocks *cs, const char *name, const struct tw_clock_ref *ref,
	struct tw_clocks_entry **out, char *err, size_t size)
{
	unsigned idx;
	int ret = check_new(cs, name, &idx, err, size);

	if (ret != 0) {
		if (ref->close != NULL)
			ref->close(ref->arg);
		return ret;
	}
	ret = entry_new(cs, idx, name, ref);
	if (ret != 0) {
		snprintf(err, size, "no memory for clock %s", name);
		return ret;
	}
	if (cs->is_started)
		entry_start(cs, cs->entry[idx]);
	*out = cs->entry[idx];
	return 0;
}

int
tw_clocks_del(struct tw_clocks *cs, const char *name)
{
	struct tw_clocks_entry *e = tw_clocks_find(cs, name);

	if (e == NULL)
		return -ENOENT;
	if (e->idx == TW_CLOCKS_SYSTEM)
		return -EPERM;
	if (e->users > 0)
		return -EBUSY;
	entry_free(cs, e->idx);
	return 0;
}

struct tw_clocks_entry *
tw_clocks_next(struct tw_clocks *cs, unsigned idx)
{
	for (; idx < TW_CLOCKS_MAX; idx++)
		if (cs->entry[idx] != NULL)
			return cs->entry[idx];
	return NULL;
}

struct tw_clocks_entry *
tw_clocks_get(struct tw_clocks *cs, unsigned idx)
{
	return idx < TW_CLOCKS_MAX ? cs->entry[idx] : NULL;
}

struct tw_clocks_entry *
tw_clocks_find(struct tw_clocks *cs, const char *name)
{
	struct tw_clocks_entry *e;

	for (e = tw_clocks_next(cs, 0); e != NULL; e = tw_clocks_next(cs, e->idx + 1))
		if (strcmp(e->name, name) == 0)
			return e;
	return NULL;
}

void
tw_clocks_floor(struct tw_clocks *cs, uint64_t floor_ns)
{
	struct tw_clocks_entry *e;

	cs->floor_ns = floor_ns;
	for (e = tw_clocks_next(cs, 0); e != NULL; e = tw_clocks_next(cs, e->idx + 1))
		tw_clock_feed_floor(e->feed, floor_ns);
}

tw_ns
tw_clocks_now(const struct tw_clocks *cs)
{
	return tw_clock_feed_now(cs->entry[TW_CLOCKS_SYSTEM]->feed);
}

tw_ns
tw_clocks_now_of(const struct tw_clocks *cs, unsigned idx)
{
	if (idx >= TW_CLOCKS_MAX || cs->entry[idx] == NULL ||
		tw_clock_feed_model(cs->entry[idx]->feed)->epoch == 0)
		return tw_clocks_now(cs);
	return tw_clock_feed_now(cs->entry[idx]->feed);
}
