/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The table of tests: what data lcores tell about them, every tick; what others may see of them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "app.h"
#include "ports.h"
#include "test_i.h"

#define EVENTS_MAX 64U
#define RAW_MAX    1024U

static const char *const state_names[TW_TEST_N] = {
	[TW_TEST_KEYING] = "keying",
	[TW_TEST_CONNECTING] = "connecting",
	[TW_TEST_SETTING_UP] = "setting-up",
	[TW_TEST_STARTING] = "starting",
	[TW_TEST_RUNNING] = "running",
	[TW_TEST_STOPPING] = "stopping",
	[TW_TEST_DONE] = "done",
	[TW_TEST_FAILED] = "failed",
};

static const char *const sess_state_names[TW_TEST_SESS_N] = {
	[TW_TEST_SESS_WANTED] = "wanted",
	[TW_TEST_SESS_REFUSED] = "refused",
	[TW_TEST_SESS_ACCEPTED] = "accepted",
	[TW_TEST_SESS_RUNNING] = "running",
	[TW_TEST_SESS_ENDED] = "ended",
	[TW_TEST_SESS_FAILED] = "failed",
};

const char *
tw_test_state_name(unsigned state)
{
	return state < TW_TEST_N && state_names[state] != NULL ? state_names[state] : "?";
}

const char *
tw_test_sess_state_name(unsigned state)
{
	return state < TW_TEST_SESS_N && sess_state_names[state] != NULL ? sess_state_names[state]
									 : "?";
}

static void
events_take(struct tw_tests *ts)
{
	struct tw_dp_event ev[EVENTS_MAX];
	struct tw_test_sess *s;
	unsigned i, n;

	n = tw_dp_event_pop(ts->app->dp, ev, EVENTS_MAX);
	for (i = 0; i < n; i++) {
		s = tw_idtab_find(&ts->senders, ev[i].sess_id);
		if (s == NULL)
			continue;
		if (!ev[i].is_failed)
			tw_test_sess_interval(s, &ev[i].interval);
		if (ev[i].type != TW_DP_EVENT_SEND_DONE)
			continue;
		tw_test_sess_finish(s, ev[i].is_failed);
		tw_test_sess_ended(s);
	}
}

static void
raw_take(struct tw_tests *ts)
{
	struct tw_dp_raw raw[RAW_MAX / 16];
	struct tw_test_sess *s;
	unsigned i, n, total = 0;

	do {
		n = tw_dp_raw_pop(ts->app->dp, raw, TW_ARRAY_SIZE(raw));
		for (i = 0; i < n; i++) {
			s = tw_idtab_find(&ts->senders, raw[i].sess_id);
			if (s != NULL && s->test->raw != NULL)
				tw_raw_file_put(s->test->raw, s->no, &raw[i].sample);
		}
		total += n;
	} while (n == TW_ARRAY_SIZE(raw) && total < RAW_MAX);
}

/* Results are kept within a bound: the oldest go, the latest stays. */
static void
tests_trim(struct tw_tests *ts)
{
	struct tw_test *t;
	uint32_t id;

	for (id = 0; ts->kept > TW_TEST_KEPT_MAX; id++) {
		t = tw_idtab_next(&ts->tests, &id);
		if (t == NULL || id == ts->tests.last_id)
			return;
		tw_tests_remove(ts, t); /* a running one refuses */
	}
}

void
tw_tests_tick(struct tw_tests *ts, int64_t now_ns)
{
	struct tw_test *t;
	uint32_t id = 0;

	(void)now_ns;
	tests_trim(ts);
	if (ts->running == 0)
		return;
	raw_take(ts); /* before the end of the session they belong to */
	events_take(ts);
	for (t = tw_idtab_next(&ts->tests, &id); t != NULL;
		id++, t = tw_idtab_next(&ts->tests, &id))
		if (t->state < TW_TEST_DONE)
			tw_test_work(t);
}

/* ---- the table ---- */

struct tw_tests *
tw_tests_new(struct tw_app *app)
{
	struct tw_tests *ts = calloc(1, sizeof(*ts));

	if (ts != NULL)
		ts->app = app;
	return ts;
}

void
tw_tests_free(struct tw_tests *ts)
{
	struct tw_test *t;
	uint32_t id = 0;

	if (ts == NULL)
		return;
	ts->is_ending = true;
	for (t = tw_idtab_next(&ts->tests, &id); t != NULL;
		id++, t = tw_idtab_next(&ts->tests, &id))
		tw_test_free(t);
	tw_idtab_fini(&ts->tests);
	tw_idtab_fini(&ts->senders);
	free(ts);
}

struct tw_test *
tw_tests_find(struct tw_tests *ts, uint32_t id)
{
	return tw_idtab_find(&ts->tests, id);
}

struct tw_test *
tw_tests_next(struct tw_tests *ts, uint32_t *id)
{
	return tw_idtab_next(&ts->tests, id);
}

uint32_t
tw_tests_running(const struct tw_tests *ts)
{
	return ts->running;
}

void
tw_tests_view(const struct tw_test *t, struct tw_test_view *out)
{
	const struct tw_ports_entry *e = NULL;

	if (t->path_no != 0)
		e = tw_ports_get(t->app->ports, t->path.port_idx);
	*out = (struct tw_test_view){
		.id = t->id,
		.state = t->state,
		.params = &t->p,
		.error = &t->error,
		.mode = t->mode,
		.spis = t->spis,
		.ike_remote_id = t->ike_remote_id,
		.is_ike_fallback = t->is_ike_fallback,
		.size = t->size,
		.local = t->local,
		.port_name = e != NULL ? e->port->cfg.name : NULL,
		.ifname = t->path_no != 0 ? t->path.ifname : NULL,
		.created_utc_ns = t->created_utc_ns,
		.started_utc_ns = t->started_utc_ns,
		.ended_utc_ns = t->ended_utc_ns,
		.session_cnt = t->p.sessions,
		.accepted_cnt = t->accepted_cnt,
		.ended_cnt = t->ended_cnt,
		.sent = t->sent,
		.received = t->received,
		.lost = t->lost,
		.is_stop_asked = t->is_stop_asked,
		.is_control_lost = t->is_control_lost,
		.is_results_invalid = t->is_results_invalid,
		.raw_lost = t->raw_lost + (t->raw != NULL ? tw_raw_file_lost(t->raw) : 0),
	};
}

bool
tw_tests_sess_view(const struct tw_test *t, uint32_t no, struct tw_test_sess_view *out)
{
	const struct tw_test_sess *s;

	if (no < 1 || no > t->p.sessions)
		return false;
	s = &t->sess[no - 1];
	*out = (struct tw_test_sess_view){
		.no = s->no,
		.state = s->state,
		.sender_port = s->sender_port,
		.receiver_port = s->receiver_port != 0 ? s->receiver_port : s->asked_port,
		.is_port_alternate = s->receiver_port != 0 && s->receiver_port != s->asked_port,
		.sid = s->receiver_port != 0 ? s->sid : NULL,
		.reason = s->reason,
		.has_counts = s->send != NULL || s->state == TW_TEST_SESS_ENDED,
		.counts = s->counts,
		.gaps = s->gaps,
		.report = s->report,
	};
	if (s->send != NULL)
		tw_send_sess_counts(s->send, &out->counts);
	return true;
}

const struct tw_metrics_interval *
tw_tests_interval(const struct tw_test *t, uint32_t no, unsigned idx)
{
	const struct tw_test_sess *s;
	uint64_t first;

	if (no < 1 || no > t->p.sessions)
		return NULL;
	s = &t->sess[no - 1];
	if (s->ring == NULL)
		return NULL;
	first = s->ring_cnt > s->ring_len ? s->ring_cnt - s->ring_len : 0;
	if (first + idx >= s->ring_cnt)
		return NULL;
	return &s->ring[(first + idx) % s->ring_len];
}
