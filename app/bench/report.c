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

/* What a budget is held against: ns where there are any, else cyc. */
static double
value_of(const struct bench_result *res)
{
	return res->ns > 0 ? res->ns : res->cyc;
}

enum verdict {
	VERDICT_NONE = 0, /* no budget */
	VERDICT_MET,
	VERDICT_MISSED,
};

static enum verdict
verdict_of(const struct bench_case *c, const struct bench_result *res)
{
	bool is_met = true;

	if (c->budget == 0 && (c->ratio_budget <= 0 || res->ratio <= 0))
		return VERDICT_NONE;
	if (c->budget > 0)
		is_met = value_of(res) <= c->budget;
	if (c->ratio_budget > 0 && res->ratio > 0)
		is_met = c->is_ratio_min ? res->ratio >= c->ratio_budget
					 : res->ratio <= c->ratio_budget;
	if (c->work == WORK_PACING && res->pacing.apart_pct > res->pacing.apart_max_pct)
		is_met = false;
	return is_met ? VERDICT_MET : VERDICT_MISSED;
}

static double
mpps_of(const struct bench *b, const struct bench_result *res)
{
	return res->mpps > 0 ? res->mpps : b->hz / res->cyc / 1e6;
}

static void
print_pacing(const struct bench_pacing *p, double p99_ns)
{
	printf(" p99 %.0f ns (a bare loop %.0f ns), median %.0f ns, max %ld ns; "
	       "sent %lu + skipped %lu = scheduled %lu, late %lu, T1 off %lu; %lu gaps, apart %.2f "
	       "%% (spinner %.2f %%, allowed %.2f %%)",
		p99_ns, p->bare_p99_ns, p->p50_ns, p->max_ns, p->sent, p->skipped, p->scheduled,
		p->late, p->t1_outside, p->gaps, p->apart_pct, p->spinner_pct, p->apart_max_pct);
}

static void
print_notes(const struct bench_case *c, const struct bench_result *res)
{
	if (c->fmt->prot == TW_TST_PROT_AUTH && res->pairs > 0)
		printf(" pairs/packet %.2f", (double)res->pairs / (double)res->packets);
	if (c->loss_pct > 0 && res->lag > 0)
		printf(" lag %lu", res->lag);
	if (c->work == WORK_PACING)
		print_pacing(&res->pacing, res->ns);
	else if (res->ns > 0)
		printf(" %.0f ns, p99 %.0f ns", res->ns, res->ns_p99);
	if (res->ratio > 0)
		printf(" %.2f x %s", res->ratio, res->ratio_of);
	if (c->work == WORK_LCORES)
		printf(", while %.0f/s sessions were made and removed", res->create_per_s);
	else if (c->sessions >= 1024 && res->session_octets > 0)
		printf(" %.0f octets a session, %.0f/s created", res->session_octets,
			res->create_per_s);
	if (c->sessions >= 1024 && res->delete_per_s > 0)
		printf(", %.0f/s deleted", res->delete_per_s);
	if (verdict_of(c, res) == VERDICT_MISSED)
		printf(" BUDGET MISSED");
}

static void
budget_text(char *out, size_t size, const struct bench_case *c, uint32_t value, double ratio)
{
	if (value > 0)
		snprintf(out, size, "%u%s", value,
			c->work == WORK_REFLECT || c->work == WORK_SEND_COLLECT ? "" : "ns");
	else if (ratio > 0)
		snprintf(out, size, "%.1fx", ratio);
	else
		snprintf(out, size, "-");
}

static void
print_text(const struct bench *b, const struct bench_case *c, const struct bench_result *res)
{
	char range[40], bound[16] = "-", x[16] = "-", budget[16], stretch[16];

	snprintf(range, sizeof(range), "%.1f..%.1f", res->cyc_min, res->cyc_max);
	if (res->bound_cyc > 0) {
		snprintf(bound, sizeof(bound), "%.0f", res->bound_cyc);
		snprintf(x, sizeof(x), "%.2f", res->cyc / res->bound_cyc);
	}
	budget_text(budget, sizeof(budget), c, c->budget, c->ratio_budget);
	budget_text(stretch, sizeof(stretch), c, c->stretch, c->ratio_stretch);
	printf("%-32s %8.1f %17s %8.2f %7s %7s %7s %7s ", c->name, res->cyc, range, mpps_of(b, res),
		bound, x, budget, stretch);
	print_notes(c, res);
	printf("\n");
}

static void
json_budget(const struct bench_case *c, const struct bench_result *res)
{
	if (c->budget > 0 && res->ns <= 0)
		printf(",\"budget_cyc\":%u,\"stretch_cyc\":%u", c->budget, c->stretch);
	else
		printf(",\"budget_cyc\":null,\"stretch_cyc\":null");
	if (c->budget > 0 && res->ns > 0)
		printf(",\"budget_ns\":%u,\"stretch_ns\":%u", c->budget, c->stretch);
	if (c->budget > 0)
		printf(",\"ratio_to_budget\":%.3f", value_of(res) / c->budget);
	if (c->ratio_budget > 0)
		printf(",\"budget_ratio\":%.1f,\"stretch_ratio\":%.1f", c->ratio_budget,
			c->ratio_stretch);
	if (verdict_of(c, res) != VERDICT_NONE)
		printf(",\"ok\":%s", verdict_of(c, res) == VERDICT_MET ? "true" : "false");
}

static void
json_pacing(const struct bench_pacing *p, double p99_ns)
{
	printf(",\"p50_ns\":%.1f,\"p99_ns\":%.1f,\"bare_p99_ns\":%.1f,\"max_ns\":%ld,"
	       "\"scheduled\":%lu,\"sent\":%lu,\"skipped\":%lu,\"late\":%lu,"
	       "\"t1_outside\":%lu,\"gaps\":%lu,\"apart\":%lu,"
	       "\"apart_pct\":%.3f,\"spinner_pct\":%.3f,\"apart_max_pct\":%.3f",
		p->p50_ns, p99_ns, p->bare_p99_ns, p->max_ns, p->scheduled, p->sent, p->skipped,
		p->late, p->t1_outside, p->gaps, p->apart, p->apart_pct, p->spinner_pct,
		p->apart_max_pct);
}

static void
json_more(const struct bench_case *c, const struct bench_result *res)
{
	if (c->fmt->prot == TW_TST_PROT_AUTH)
		printf(",\"pairs\":%lu", res->pairs);
	if (c->loss_pct > 0)
		printf(",\"lag\":%lu", res->lag);
	if (c->work == WORK_PACING)
		json_pacing(&res->pacing, res->ns);
	else if (res->ns > 0)
		printf(",\"turnaround_ns\":%.1f,\"turnaround_p99_ns\":%.1f", res->ns, res->ns_p99);
	if (res->ratio > 0)
		printf(",\"ratio\":%.3f,\"ratio_of\":\"%s\"", res->ratio, res->ratio_of);
	if (c->work == WORK_LCORES)
		printf(",\"create_per_s\":%.0f", res->create_per_s);
	else if (res->session_octets > 0)
		printf(",\"session_octets\":%.0f,\"create_per_s\":%.0f", res->session_octets,
			res->create_per_s);
	if (res->delete_per_s > 0)
		printf(",\"delete_per_s\":%.0f", res->delete_per_s);
}

/* Names that go in are ours: nothing to escape. */
static void
print_json(const struct bench *b, const struct bench_case *c, const struct bench_result *res)
{
	printf("{\"case\":\"%s\",\"mode\":\"%s\",\"frame\":%u,\"sessions\":%u,\"order\":\"%s\","
	       "\"loss_pct\":%u,\"reorder_pct\":%u,\"corrupt_permille\":%u,\"engine\":\"%s\","
	       "\"tsc_hz\":%.0f,\"runs\":%u,\"packets\":%lu,\"checked\":%lu",
		c->name, case_mode(c), c->frame, c->sessions,
		c->is_random ? "random" : "sequential", c->loss_pct, c->reorder_pct,
		c->corrupt_permille, bench_engine(b), b->hz, b->opts.runs, res->packets,
		res->checked);
	printf(",\"cyc_per_pkt\":%.1f,\"cyc_min\":%.1f,\"cyc_max\":%.1f,\"mpps\":%.3f", res->cyc,
		res->cyc_min, res->cyc_max, mpps_of(b, res));
	if (res->bound_cyc > 0)
		printf(",\"bound_cyc\":%.1f,\"ratio_to_bound\":%.3f", res->bound_cyc,
			res->cyc / res->bound_cyc);
	else
		printf(",\"bound_cyc\":null");
	json_budget(c, res);
	json_more(c, res);
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

/* Growth: clean input, smallest frames, by number of sessions. */
static bool
is_growth(
	const struct bench_case *c, uint32_t sessions, const struct tw_tst_fmt *fmt, bool is_random)
{
	return c->work == WORK_REFLECT && c->sessions == sessions && c->fmt == fmt &&
	       (c->is_random == is_random || sessions == 1) && c->frame <= 154 &&
	       (c->frame == 83 || fmt->prot != TW_TST_PROT_OPEN) &&
	       c->loss_pct + c->reorder_pct + c->corrupt_permille == 0;
}

/* One cell: the case of so many sessions in this mode and order. @return octets of a session */
static double
print_cell(const struct bench_case *c, const struct bench_result *res, unsigned n,
	uint32_t sessions, unsigned column)
{
	for (unsigned i = 0; i < n; i++) {
		if (!is_growth(&c[i], sessions, bench_fmts[column / 2], column % 2 != 0))
			continue;
		printf("%10.0f", res[i].cyc);
		return res[i].session_octets;
	}
	printf("%10s", "-");
	return 0;
}

static void
print_growth(const struct bench_case *c, const struct bench_result *res, unsigned n)
{
	static const char *const heads[] = {
		"open seq", "random", "auth seq", "random", "encr seq", "random", "octets"};
	double octets, more;

	printf("\n%-20s", "reflect, cyc");
	for (unsigned i = 0; i < TW_ARRAY_SIZE(heads); i++)
		printf("%10s", heads[i]);
	for (unsigned k = 0; k < BENCH_COUNTS; k++) {
		octets = 0;
		printf("\n%11u sessions", bench_counts[k]);
		for (unsigned f = 0; f < 2 * BENCH_FMTS; f++) {
			more = print_cell(c, res, n, bench_counts[k], f);
			octets = RTE_MAX(octets, more);
		}
		if (bench_counts[k] >= 1024)
			printf("%10.0f", octets);
	}
	puts("\nWhat grows are misses of the caches: table, record and key of a session lie in L2, "
	     "L3 "
	     "or memory.\nAuthenticated, blocks are computed ahead for 512 sessions of an lcore; "
	     "with "
	     "more, twice a packet.");
}

/* Enough of the rows were run. */
static bool
has_growth(const struct bench_case *c, unsigned n)
{
	unsigned rows = 0;

	for (unsigned i = 0; i < n; i++)
		for (unsigned f = 0; f < 2 * BENCH_FMTS; f++)
			rows += c[i].sessions > 1 &&
				is_growth(&c[i], c[i].sessions, bench_fmts[f / 2], f % 2 != 0);
	return rows >= BENCH_COUNTS - 1;
}

/* After the last case. */
void
report_tail(const struct bench *b, const struct bench_case *c, const struct bench_result *res,
	unsigned n)
{
	unsigned met = 0, missed = 0;

	if (b->opts.is_json)
		return;
	for (unsigned i = 0; i < n; i++) {
		met += verdict_of(&c[i], &res[i]) == VERDICT_MET;
		missed += verdict_of(&c[i], &res[i]) == VERDICT_MISSED;
	}
	if (!b->opts.is_quick && has_growth(c, n))
		print_growth(c, res, n);
	if (met + missed == 0)
		return;
	printf("\nbudgets: %u met, %u missed:", met, missed);
	for (unsigned i = 0; i < n; i++)
		if (verdict_of(&c[i], &res[i]) == VERDICT_MISSED)
			printf(" %s", c[i].name);
	printf("%s\n", missed == 0 ? " none" : "");
}
