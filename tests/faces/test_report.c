/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * A session's report: figures with their bounds, in both renderings.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <string.h>

#include "out_metrics.h"

static struct tw_out *o;

static void
start(void)
{
	o = tw_out_new();
}

static void
stop(void)
{
	tw_out_free(o);
}

TestSuite(report, .init = start, .fini = stop);

static const char *
json(void)
{
	size_t len;

	return tw_out_json(o, &len);
}

static const char *
text(void)
{
	size_t len;

	return tw_out_text(o, &len);
}

Test(report, shows_a_figure_with_its_bound)
{
	struct tw_metrics_fig f = {.value_ns = 12345,
		.error_ns = 1000,
		.state = TW_METRICS_S_FINITE,
		.is_valid = true};

	tw_out_fig(o, "min", &f);
	cr_assert_str_eq(json(),
		"{\"min\":{\"value_ns\":12345,\"error_ns\":1000,\"state\":\"finite\","
		"\"is_valid\":true,\"reason\":null,\"is_below_resolution\":false}}");
	cr_assert_str_eq(text(), "min  12.345 us +- 1.000 us\n");
}

Test(report, says_why_a_figure_is_not_to_be_taken_at_its_value)
{
	struct tw_metrics_fig f = {.value_ns = -5,
		.error_ns = TW_METRICS_ERROR_UNKNOWN,
		.state = TW_METRICS_S_FINITE,
		.reason = TW_METRICS_R_UNSYNCED_PEER};

	tw_out_fig(o, "min", &f);
	f.state = TW_METRICS_S_INFINITE;
	f.is_valid = true;
	tw_out_fig(o, "max", &f);
	cr_assert(strstr(json(), "\"error_ns\":null"));
	cr_assert(strstr(json(), "\"max\":{\"value_ns\":null"));
	cr_assert(strstr(text(), "min  -5 ns +- unknown ("));
	cr_assert(strstr(text(), "max  infinite\n"));
}

Test(report, holds_every_row_once)
{
	static struct tw_metrics_report r;
	size_t cnt;
	const struct tw_metrics_row *rows = tw_metrics_rows(&cnt);
	const char *out;

	tw_out_metrics(o, &r);
	out = json();
	cr_assert_not_null(out);
	for (size_t i = 0; i < cnt; i++) {
		char group[80];
		char name[80];
		const char *p;

		snprintf(group, sizeof(group), "\"%s\":{", rows[i].group);
		snprintf(name, sizeof(name), "\"%s\":", rows[i].name);
		p = strstr(out, group);
		cr_assert_not_null(p, "no group %s", rows[i].group);
		cr_assert_null(strstr(p + 1, group), "group %s twice", rows[i].group);
		cr_assert_not_null(strstr(p, name), "no %s in %s", rows[i].name, rows[i].group);
	}
	cr_assert(strstr(text(), "round trip net:\n"));
}
