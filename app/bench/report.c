/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Medians, and what is printed: a table, or one JSON object per line and case.
 */
#include <stdio.h>
#include <stdlib.h>

#include "bench.h"

static int
by_value(const void *a, const void *b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

void
runs_sum(double *cyc, unsigned n, struct bench_result *res)
{
	qsort(cyc, n, sizeof(*cyc), by_value);
	res->cyc = n % 2 != 0 ? cyc[n / 2] : (cyc[n / 2 - 1] + cyc[n / 2]) / 2;
	res->cyc_min = cyc[0];
	res->cyc_max = cyc[n - 1];
}

const char *
bench_engine(const struct bench *b)
{
	const struct tw_engine_ops *ops =
		tw_engine_pick(b->opts.engine != NULL ? b->opts.engine : "auto");

	if (ops == NULL)
		die("no engine '%s'", b->opts.engine);
	return ops->name;
}

void
report_head(const struct bench *b)
{
	if (b->opts.is_json)
		return;
	printf("tsc %.3f MHz, engine %s, %u runs a case; cyc: ticks per packet, median (range)\n\n",
		b->hz / 1e6, bench_engine(b), b->opts.runs);
	printf("%-32s %8s %17s %8s %7s %7s %7s %7s  %s\n", "case", "cyc", "range", "Mpps", "bound",
		"x bound", "budget", "stretch", "");
}

static void
print_notes(const struct bench *b, const struct bench_case *c, const struct bench_result *res)
{
	if (c->fmt->prot == TW_TST_PROT_AUTH && res->pairs > 0)
		printf(" pairs/packet %.2f", (double)res->pairs / (double)res->packets);
	if (c->loss_pct > 0 && res->lag > 0)
		printf(" lag %lu", res->lag);
	if (res->ns > 0)
		printf(" %.0f ns, p99 %.0f ns", res->ns, res->ns_p99);
	if (res->ratio > 0)
		printf(" %.2f x %s", res->ratio, res->ratio_of);
	if (c->sessions >= 1024 && res->session_octets > 0)
		printf(" %.0f octets a session, %.0f/s created, %.0f/s deleted",
			res->session_octets, res->create_per_s, res->delete_per_s);
	if (c->budget > 0 && (res->ns > 0 ? res->ns : res->cyc) > c->budget)
		printf(" ABOVE BUDGET");
	(void)b;
}

static void
print_text(const struct bench *b, const struct bench_case *c, const struct bench_result *res)
{
	char range[40], bound[16] = "-", x[16] = "-", budget[16] = "-", stretch[16] = "-";

	snprintf(range, sizeof(range), "%.1f..%.1f", res->cyc_min, res->cyc_max);
	if (res->bound_cyc > 0) {
		snprintf(bound, sizeof(bound), "%.0f", res->bound_cyc);
		snprintf(x, sizeof(x), "%.2f", res->cyc / res->bound_cyc);
	}
	if (c->budget > 0) {
		snprintf(budget, sizeof(budget), "%u", c->budget);
		snprintf(stretch, sizeof(stretch), "%u", c->stretch);
	}
	printf("%-32s %8.1f %17s %8.2f %7s %7s %7s %7s ", c->name, res->cyc, range,
		b->hz / res->cyc / 1e6, bound, x, budget, stretch);
	print_notes(b, c, res);
	printf("\n");
}

/* Names that go in are ours: nothing to escape. */
static void
print_json(const struct bench *b, const struct bench_case *c, const struct bench_result *res)
{
	const char *unit = c->work == WORK_TURNAROUND ? "ns" : "cyc";

	printf("{\"case\":\"%s\",\"mode\":\"%s\",\"frame\":%u,\"sessions\":%u,\"order\":\"%s\","
	       "\"loss_pct\":%u,\"reorder_pct\":%u,\"corrupt_permille\":%u,\"engine\":\"%s\","
	       "\"tsc_hz\":%.0f,\"runs\":%u,\"packets\":%lu,\"checked\":%lu",
		c->name, case_mode(c), c->frame, c->sessions,
		c->is_random ? "random" : "sequential", c->loss_pct, c->reorder_pct,
		c->corrupt_permille, bench_engine(b), b->hz, b->opts.runs, res->packets,
		res->checked);
	printf(",\"cyc_per_pkt\":%.1f,\"cyc_min\":%.1f,\"cyc_max\":%.1f,\"mpps\":%.3f", res->cyc,
		res->cyc_min, res->cyc_max, b->hz / res->cyc / 1e6);
	if (res->bound_cyc > 0)
		printf(",\"bound_cyc\":%.1f,\"ratio_to_bound\":%.3f", res->bound_cyc,
			res->cyc / res->bound_cyc);
	else
		printf(",\"bound_cyc\":null");
	if (c->budget > 0)
		printf(",\"budget_%s\":%u,\"stretch_%s\":%u,\"ratio_to_budget\":%.3f", unit,
			c->budget, unit, c->stretch,
			(res->ns > 0 ? res->ns : res->cyc) / c->budget);
	if (c->budget == 0 || res->ns > 0)
		printf(",\"budget_cyc\":null,\"stretch_cyc\":null");
	if (c->fmt->prot == TW_TST_PROT_AUTH)
		printf(",\"pairs\":%lu", res->pairs);
	if (c->loss_pct > 0)
		printf(",\"lag\":%lu", res->lag);
	if (res->ns > 0)
		printf(",\"turnaround_ns\":%.1f,\"turnaround_p99_ns\":%.1f", res->ns, res->ns_p99);
	if (c->work == WORK_LCORES)
		printf(",\"budget_ratio\":1.8");
	if (res->ratio > 0)
		printf(",\"ratio\":%.3f,\"ratio_of\":\"%s\"", res->ratio, res->ratio_of);
	if (res->session_octets > 0)
		printf(",\"session_octets\":%.0f,\"create_per_s\":%.0f,\"delete_per_s\":%.0f",
			res->session_octets, res->create_per_s, res->delete_per_s);
	printf("}\n");
}

void
report_case(const struct bench *b, const struct bench_case *c, const struct bench_result *res)
{
	if (b->opts.is_json)
		print_json(b, c, res);
	else
		print_text(b, c, res);
	fflush(stdout);
}
