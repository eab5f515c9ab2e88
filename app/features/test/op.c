/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Measurements.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app.h"
#include "config.h"
#include "ops.h"
#include "results.h"
#include "test_run.h"
#include "trace.h"
#include "tw_mode.h"

#define COUNT_DEFAULT 100
/* Sessions of one answer if each comes with its whole report. */
#define REPORTS_MAX 16
#define NS_PER_S    UINT64_C(1000000000)

/* In the order of enum tw_send_law. */
static const char *const test_schedules[] = {"periodic", "poisson", "burst", "trace", NULL};

/* In the order of enum tw_test_ike_missing. */
static const char *const test_ike_missing[] = {"fail", "initiate", "fallback", NULL};

/* In the order of tw_config_modes. */
static const uint32_t mode_bits[] = {TW_MODE_OPEN, TW_MODE_AUTH, TW_MODE_ENCR, TW_MODE_MIXED};

static void
params_modes(const struct tw_args *args, struct tw_test_params *p)
{
	const struct tw_conf_value *v;
	size_t i, cnt;

	v = tw_args_list(args, "mode", &cnt);
	for (i = 0; i < cnt && i < TW_ARRAY_SIZE(p->modes); i++)
		p->modes[p->mode_cnt++] = mode_bits[v[i].choice];
	p->floor = mode_bits[tw_args_enum(args, "floor")];
}

static void
params_schedule(const struct tw_args *args, struct tw_test_params *p)
{
	uint64_t pps = tw_args_u64(args, "rate_pps");

	p->law = (uint8_t)(TW_SEND_PERIODIC + tw_args_enum(args, "schedule"));
	p->count = tw_args_u64(args, "count");
	p->duration_ns = tw_args_ns(args, "duration_ns");
	if (p->count == 0 && p->duration_ns == 0)
		p->count = COUNT_DEFAULT;
	p->interval_ns = (uint64_t)tw_args_ns(args, "interval_ns");
	if (p->law == TW_SEND_BURST)
		p->burst_cnt = (uint16_t)tw_args_u64(args, "burst");
	if (pps != 0) {
		const uint64_t span_ns = NS_PER_S * (p->burst_cnt != 0 ? p->burst_cnt : 1);

		p->interval_ns = span_ns / pps;
		p->interval_frac = (uint32_t)((span_ns % pps << 32) / pps);
	}
}

/* What a law needs beside the interval. */
static int
params_law(const struct tw_args *args, struct tw_out *out, struct tw_test_params *p)
{
	char why[TW_TEST_TEXT_SIZE];
	int ret;

	if (tw_args_has(args, "trace") != (p->law == TW_SEND_TRACE))
		return tw_out_fail(out, -EINVAL, "trace", "give both or none of them",
			"schedule trace and the file trace belong together");
	if (tw_args_is_given(args, "burst") && p->law != TW_SEND_BURST)
		return tw_out_fail(out, -EINVAL, "burst", "add schedule burst",
			"a burst belongs to the schedule burst");
	if (p->law == TW_SEND_BURST && p->interval_ns < p->burst_cnt * TW_SEND_INTERVAL_MIN_NS)
		return tw_out_fail(out, -EINVAL, "burst", "use a longer interval or fewer packets",
			"%u packets in %llu ns are more than 1,000,000 packets/s", p->burst_cnt,
			(unsigned long long)p->interval_ns);
	if (p->law != TW_SEND_TRACE)
		return 0;
	if (tw_args_is_given(args, "interval_ns") || tw_args_has(args, "rate_pps"))
		return tw_out_fail(out, -EINVAL, "trace", "leave out interval and rate",
			"the gaps of a trace are in its file");
	snprintf(p->trace_file, sizeof(p->trace_file), "%s", tw_args_str(args, "trace"));
	ret = tw_trace_read(p->trace_file, &p->trace, why, sizeof(why));
	if (ret != 0)
		return tw_out_fail(out, ret, "trace", NULL, "%s", why);
	p->interval_ns = p->trace->mean_ns;
	return 0;
}

static int
params_secret(const struct tw_args *args, struct tw_out *out, struct tw_test_params *p)
{
	const char *octets;
	size_t len;

	if (!tw_args_has(args, "secret"))
		return 0;
	if (p->user[0] == '\0')
		return tw_out_fail(out, -EINVAL, "user", "give user, too",
			"a secret without the KeyID it belongs to");
	octets = tw_args_bytes(args, "secret", &len);
	if (tw_secret_check_text(octets, len, NULL) != 0)
		return tw_out_fail(out, -EINVAL, "secret", "use 1 to 1024 octets on one line",
			"the secret is empty, too long or has a line end in it");
	p->secret = tw_secret_new(octets, len);
	return p->secret != NULL
		       ? 0
		       : tw_out_fail(out, -ENOMEM, NULL, NULL, "no secret memory for the key");
}

static int
params_ike(const struct tw_args *args, struct tw_out *out, struct tw_test_params *p)
{
	bool has_peer = tw_args_has(args, "ike_peer");

	p->has_ike = tw_args_bool(args, "ike") || has_peer;
	if (has_peer && tw_args_is_given(args, "ike") && !tw_args_bool(args, "ike"))
		return tw_out_fail(out, -EINVAL, "ike", "leave out one of them",
			"an identity of an IKE SA that is not to be used");
	if (tw_args_has(args, "ike_on_missing")) {
		if (!p->has_ike)
			return tw_out_fail(out, -EINVAL, "ike_on_missing", "give ike yes, too",
				"no IKE SA is to be used");
		p->ike_missing = (uint8_t)(TW_TEST_IKE_FAIL + tw_args_enum(args, "ike_on_missing"));
	}
	snprintf(p->ike_peer, sizeof(p->ike_peer), "%s", tw_args_str(args, "ike_peer"));
	return 0;
}

static int
params_fill(const struct tw_args *args, struct tw_out *out, struct tw_test_params *p)
{
	memset(p, 0, sizeof(*p));
	if (tw_args_is_given(args, "interval_ns") && tw_args_has(args, "rate_pps"))
		return tw_out_fail(out, -EINVAL, "rate_pps", "give one of them",
			"both an interval and a rate");
	if (tw_args_has(args, "size") && tw_args_has(args, "padding"))
		return tw_out_fail(
			out, -EINVAL, "padding", "give one of them", "both a size and a padding");
	if (params_ike(args, out, p) != 0)
		return tw_out_error(out)->res;
	params_modes(args, p);
	params_schedule(args, p);
	p->host = tw_args_addr(args, "host");
	p->port = (uint16_t)tw_args_u64(args, "port");
	p->source = tw_args_addr(args, "source");
	if (p->source.family != TW_ADDR_NONE && p->source.family != p->host.family)
		return tw_out_fail(out, -EINVAL, "source", NULL,
			"source and host are of different IP versions");
	p->source_port = (uint16_t)tw_args_u64(args, "source_port");
	p->sessions = (uint32_t)tw_args_u64(args, "sessions");
	p->size = (uint32_t)tw_args_u64(args, "size");
	p->padding = (uint32_t)tw_args_u64(args, "padding");
	p->has_padding = tw_args_has(args, "padding");
	p->has_zero_padding = tw_args_bool(args, "zero_padding");
	p->has_nat = tw_args_bool(args, "nat");
	p->dscp = (uint8_t)tw_args_u64(args, "dscp");
	p->control_dscp = (uint8_t)tw_args_u64(args, "control_dscp");
	p->sender_port = (uint16_t)tw_args_u64(args, "sender_port");
	p->receiver_port = (uint16_t)tw_args_u64(args, "receiver_port");
	p->tmax_ns = tw_args_ns(args, "tmax_ns");
	p->timeout_ns = tw_args_ns(args, "timeout_ns");
	p->max_lag_ns = tw_args_ns(args, "max_lag_ns");
	p->connect_ns = tw_args_ns(args, "connect_ns");
	snprintf(p->user, sizeof(p->user), "%s", tw_args_str(args, "user"));
	snprintf(p->raw_file, sizeof(p->raw_file), "%s", tw_args_str(args, "raw_file"));
	if (params_law(args, out, p) != 0)
		return tw_out_error(out)->res;
	if (params_secret(args, out, p) != 0) {
		tw_trace_drop(p->trace);
		return tw_out_error(out)->res;
	}
	return 0;
}

static struct tw_test *
test_begin(struct tw_app *app, const struct tw_args *args, struct tw_out *out)
{
	struct tw_test_params p;
	struct tw_test_error err;
	struct tw_test *t;

	if (params_fill(args, out, &p) != 0)
		return NULL;
	t = tw_tests_start(app->tests, &p, &err);
	if (t == NULL)
		tw_results_fail(out, &err);
	return t;
}

static int
op_start(struct tw_app *app, const struct tw_args *args, struct tw_out *out)
{
	struct tw_test *t = test_begin(app, args, out);
	struct tw_test_view v;

	if (t == NULL)
		return tw_out_error(out)->res;
	tw_tests_view(t, &v);
	tw_out_u64(out, "id", v.id, NULL);
	tw_out_str(out, "state", tw_test_state_name(v.state));
	return 0;
}

/* Sessions from number @p no on. @return number of the first not shown, 0 if none is left */
static uint32_t
put_sessions(struct tw_out *out, const struct tw_test *t, const struct tw_test_view *v, uint32_t no,
	uint64_t limit)
{
	bool with_report = limit <= REPORTS_MAX || v->session_cnt <= REPORTS_MAX;
	struct tw_test_sess_view s;
	uint64_t cnt;

	tw_out_arr(out, "results");
	for (cnt = 0; cnt < limit && tw_tests_sess_view(t, no, &s); cnt++, no++) {
		tw_out_obj(out, NULL);
		tw_results_session(out, v, &s, with_report);
		tw_out_obj_end(out);
	}
	tw_out_arr_end(out);
	return no <= v->session_cnt ? no : 0;
}

static void
put_test(struct tw_app *app, struct tw_out *out, const struct tw_test *t, uint64_t cursor,
	uint64_t limit)
{
	struct tw_test_view v;
	uint32_t next;

	tw_tests_view(t, &v);
	tw_results_test(out, &v, tw_idle_name((unsigned)atomic_load(&app->idle)));
	next = put_sessions(out, t, &v, cursor > 0 ? (uint32_t)cursor : 1, limit);
	if (next != 0)
		tw_out_u64(out, "next", next, NULL);
	else
		tw_out_null(out, "next");
}

/* A test.run whose answer waits for the end of the test. */
struct run {
	struct tw_app *app;
	struct tw_op_call *call;
	struct tw_test *test;
};

static void
on_run_end(void *arg, struct tw_test *t)
{
	struct run *r = arg;
	struct tw_out *out = tw_op_out(r->call);
	struct tw_test_view v;
	int res = 0;

	tw_tests_view(t, &v);
	if (v.state == TW_TEST_FAILED)
		res = tw_results_fail(out, v.error);
	else
		put_test(r->app, out, t, 0, TW_PAGE_MAX);
	tw_op_complete(r->call, res);
	free(r);
}

/* Nobody waits for the report any more: packets need not flow on. */
static void
on_run_abandoned(void *arg)
{
	struct run *r = arg;

	tw_tests_stop(r->test);
}

static int
op_run(struct tw_app *app, const struct tw_args *args, struct tw_out *out)
{
	struct run *r = calloc(1, sizeof(*r));

	if (r == NULL)
		return tw_out_fail(out, -ENOMEM, NULL, NULL, "no memory for a test");
	r->app = app;
	r->test = test_begin(app, args, out);
	if (r->test == NULL) {
		free(r);
		return tw_out_error(out)->res;
	}
	r->call = tw_op_defer(out);
	tw_tests_on_end(r->test, on_run_end, r);
	tw_op_on_abandon(r->call, on_run_abandoned, r);
	return TW_OP_DEFERRED;
}

static struct tw_test *
find(struct tw_app *app, const struct tw_args *args, struct tw_out *out)
{
	uint64_t id = tw_args_u64(args, "id");
	struct tw_test *t = id <= UINT32_MAX ? tw_tests_find(app->tests, (uint32_t)id) : NULL;

	if (t == NULL)
		tw_out_fail(out, -ENOENT, "id", "`show test` lists them", "there is no test %llu",
			(unsigned long long)id);
	return t;
}

static int
op_stop(struct tw_app *app, const struct tw_args *args, struct tw_out *out)
{
	struct tw_test *t = find(app, args, out);
	struct tw_test_view v;

	if (t == NULL)
		return -ENOENT;
	tw_tests_stop(t);
	tw_tests_view(t, &v);
	tw_out_u64(out, "id", v.id, NULL);
	tw_out_str(out, "state", tw_test_state_name(v.state));
	return 0;
}

static int
show_list(struct tw_app *app, const struct tw_args *args, struct tw_out *out)
{
	uint64_t limit = tw_args_u64(args, "limit"), cnt = 0;
	uint32_t id = (uint32_t)tw_args_u64(args, "cursor");
	const struct tw_test *t;
	struct tw_test_view v;

	tw_out_arr(out, "tests");
	for (t = tw_tests_next(app->tests, &id); t != NULL && cnt < limit;
		id++, t = tw_tests_next(app->tests, &id), cnt++) {
		tw_tests_view(t, &v);
		tw_out_obj(out, NULL);
		tw_results_test_row(out, &v);
		tw_out_obj_end(out);
	}
	tw_out_arr_end(out);
	if (t != NULL)
		tw_out_u64(out, "next", id, NULL);
	else
		tw_out_null(out, "next");
	return 0;
}

static int
op_show(struct tw_app *app, const struct tw_args *args, struct tw_out *out)
{
	const struct tw_test *t;

	if (!tw_args_has(args, "id"))
		return show_list(app, args, out);
	t = find(app, args, out);
	if (t == NULL)
		return -ENOENT;
	put_test(app, out, t, tw_args_u64(args, "cursor"), tw_args_u64(args, "limit"));
	return 0;
}

static int
op_intervals(struct tw_app *app, const struct tw_args *args, struct tw_out *out)
{
	uint64_t at = tw_args_u64(args, "cursor"), end = at + tw_args_u64(args, "limit");
	uint64_t no = tw_args_u64(args, "session");
	const struct tw_metrics_interval *iv = NULL;
	const struct tw_test *t = find(app, args, out);
	struct tw_test_sess_view s;

	if (t == NULL)
		return -ENOENT;
	if (no > UINT32_MAX || !tw_tests_sess_view(t, (uint32_t)no, &s))
		return tw_out_fail(out, -ENOENT, "session", "`show test ID` lists them",
			"the test has no session %llu", (unsigned long long)no);
	tw_out_arr(out, "intervals");
	for (; (iv = tw_tests_interval(t, (uint32_t)no, (unsigned)at)) != NULL && at < end; at++) {
		tw_out_obj(out, NULL);
		tw_results_interval(out, iv);
		tw_out_obj_end(out);
	}
	tw_out_arr_end(out);
	if (iv != NULL)
		tw_out_u64(out, "next", at, NULL);
	else
		tw_out_null(out, "next");
	return 0;
}

static int
op_remove(struct tw_app *app, const struct tw_args *args, struct tw_out *out)
{
	struct tw_test *t = find(app, args, out);

	if (t == NULL)
		return -ENOENT;
	if (tw_tests_remove(app->tests, t) != 0)
		return tw_out_fail(
			out, -EBUSY, "id", "stop it first (stop test)", "the test has not ended");
	tw_out_u64(out, "id", tw_args_u64(args, "id"), NULL);
	return 0;
}

#define TW_FEATURE     test
#define TW_FEATURE_DEF "test/test.def"
#include "../feature.h"
