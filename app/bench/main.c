/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Options and the order of things.
 */
#include <errno.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_eal.h>

#include "bench.h"

void
die(const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fprintf(stderr, "twampline-bench: ");
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fprintf(stderr, "\n");
	exit(1);
}

static _Noreturn void
usage(int status)
{
	fprintf(status == 0 ? stdout : stderr,
		"usage: twampline-bench [options]\n"
		"  -q, --quick         only the cases that have a budget, within 50 s\n"
		"  -j, --json          one JSON object per line and case\n"
		"  -c, --case PATTERN  only cases of this name (shell pattern)\n"
		"  -e, --engine NAME   crypto engine of the plane\n"
		"  -n, --runs N        runs of a case, 3 to %d; the median counts\n"
		"  -l, --list          names of the cases\n"
		"  -h, --help\n",
		RUNS_MAX);
	exit(status);
}

static void
options_read(int argc, char **argv, struct bench_opts *o)
{
	static const struct option opts[] = {{"quick", no_argument, NULL, 'q'},
		{"json", no_argument, NULL, 'j'}, {"case", required_argument, NULL, 'c'},
		{"engine", required_argument, NULL, 'e'}, {"runs", required_argument, NULL, 'n'},
		{"list", no_argument, NULL, 'l'}, {"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0}};
	char *end;
	int c;

	while ((c = getopt_long(argc, argv, "qjc:e:n:lh", opts, NULL)) != -1) {
		switch (c) {
		case 'q':
			o->is_quick = true;
			break;
		case 'j':
			o->is_json = true;
			break;
		case 'c':
			o->filter = optarg;
			break;
		case 'e':
			o->engine = optarg;
			break;
		case 'n':
			o->runs = (unsigned)strtoul(optarg, &end, 10);
			if (*end != '\0' || o->runs < 3 || o->runs > RUNS_MAX)
				usage(2);
			break;
		case 'l':
			o->has_list = true;
			break;
		default:
			usage(c == 'h' ? 0 : 2);
		}
	}
	if (optind < argc)
		usage(2);
	if (o->runs == 0)
		o->runs = o->is_quick ? 7 : 9;
}

static void
case_run(struct bench *b, const struct bench_case *c, struct bench_result *res)
{
	switch (c->work) {
	case WORK_REFLECT:
		run_reflect(b, c, res);
		break;
	case WORK_SEND_COLLECT:
	case WORK_SEND:
	case WORK_COLLECT:
		run_send(b, c, res);
		break;
	case WORK_TURNAROUND:
		run_turnaround(b, c, res);
		break;
	case WORK_PACING:
		run_pacing(b, c, res);
		break;
	case WORK_LCORES:
		if (b->cpus < 2) {
			fprintf(stderr, "%s: skipped, one CPU only\n", c->name);
			return;
		}
		run_lcores(b, c, res);
		break;
	default:
		run_base(b, c, res);
		break;
	}
	report_case(b, c, res);
}

int
main(int argc, char **argv)
{
	static struct bench b;
	struct bench_result *res;
	struct bench_case *cases;
	unsigned n;

	options_read(argc, argv, &b.opts);
	n = cases_make(&b.opts, &cases);
	if (b.opts.has_list) {
		for (unsigned i = 0; i < n; i++)
			puts(cases[i].name);
		return 0;
	}
	res = calloc(n, sizeof(*res));
	need(res != NULL, "no memory for results");
	bench_init(&b, argv[0]);
	report_head(&b);
	for (unsigned i = 0; i < n; i++)
		case_run(&b, &cases[i], &res[i]);
	report_tail(&b, cases, res, n);
	free(res);
	free(cases);
	rte_eal_cleanup();
	return 0;
}
