/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/* The CSV file of raw records: complete when it says so, fields that are unknown left empty. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "raw_file.h"

static char path[64];

static void
setup(void)
{
	snprintf(path, sizeof(path), "/tmp/twampline-raw-%d.csv", (int)getpid());
	unlink(path);
}

static void
teardown(void)
{
	unlink(path);
}

TestSuite(raw_file, .init = setup, .fini = teardown);

static unsigned
commas(const char *line)
{
	unsigned n = 0;

	for (; *line != '\0'; line++)
		n += *line == ',';
	return n;
}

Test(raw_file, holds_a_line_for_each_record)
{
	const struct timespec pause = {.tv_nsec = 1000000};
	struct tw_metrics_sample s = {.seq = 7,
		.round_trip_ns = 1500,
		.round_trip_error_ns = UINT64_MAX,
		.forward_error_ns = UINT64_MAX,
		.cls = TW_METRICS_C_FIRST,
		.has_round_trip = true,
		.ttl = 255};
	struct tw_raw_file *f = tw_raw_file_new(path);
	char head[512], line[512];
	unsigned i, cnt = 0;
	FILE *in;

	cr_assert_not_null(f);
	for (i = 0; i < 1000; i++)
		tw_raw_file_put(f, 1, &s);
	cr_assert_eq(tw_raw_file_lost(f), 0);
	tw_raw_file_end(f);
	while (!tw_raw_file_poll(f))
		nanosleep(&pause, NULL);
	in = fopen(path, "r");
	cr_assert_not_null(fgets(head, sizeof(head), in));
	cr_assert_eq(strncmp(head, "session,seq,", 12), 0);
	while (fgets(line, sizeof(line), in) != NULL) {
		cr_assert_eq(commas(line), commas(head));
		cr_assert_eq(strncmp(line, "1,7,0,first,", 12), 0);
		cr_assert_not_null(strstr(line, ",1500,,,,,,,0,0,255"));
		cnt++;
	}
	cr_assert_eq(cnt, 1000);
	fclose(in);
}

Test(raw_file, counts_what_its_queue_does_not_take)
{
	struct tw_metrics_sample s = {.seq = 1};
	struct tw_raw_file *f = tw_raw_file_new(path);
	unsigned long written = 0;
	uint64_t lost;
	char line[512];
	FILE *in;
	int i;

	for (i = 0; i < 200000; i++)
		tw_raw_file_put(f, 1, &s);
	lost = tw_raw_file_lost(f);
	tw_raw_file_free(f);
	in = fopen(path, "r");
	while (fgets(line, sizeof(line), in) != NULL)
		written++;
	fclose(in);
	cr_assert_eq(written - 1 + lost, 200000);
}

Test(raw_file, never_overwrites)
{
	struct tw_raw_file *f = tw_raw_file_new(path);

	cr_assert_not_null(f);
	cr_assert_null(tw_raw_file_new(path));
	cr_assert_eq(errno, EEXIST);
	tw_raw_file_free(f);
	tw_raw_file_free(NULL);
}
