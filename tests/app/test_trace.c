/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/* Schedules from files: what is read, what is refused with its line. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "app.h"
#include "trace.h"
#include "tw_crypto.h"
#include "tw_session.h"

static char path[] = "/tmp/twampline-trace-XXXXXX";
static char why[256];
static struct tw_trace *trace;

/* main.c's, which is not in the library */
void
tw_app_stop(struct tw_app *app)
{
	(void)app;
}

static int
read_text(const char *text)
{
	int fd = mkstemp(path);
	int ret;

	cr_assert_eq(tw_crypto_init_late(TW_CRYPTO_HEAP_MIN, why, sizeof(why)), 0, "%s", why);
	cr_assert_geq(fd, 0);
	cr_assert_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	ret = tw_trace_read(path, &trace, why, sizeof(why));
	unlink(path);
	strcpy(path + strlen(path) - 6, "XXXXXX");
	return ret;
}

Test(trace, takes_durations_and_leaves_out_comments)
{
	cr_assert_eq(read_text("# gaps\n0\n\n  20us # twenty\r\n1.5ms\n\t1000000"), 0, "%s", why);
	cr_assert_eq(trace->cnt, 4);
	cr_assert_eq(trace->gap_ns[0], 0);
	cr_assert_eq(trace->gap_ns[1], 20000);
	cr_assert_eq(trace->gap_ns[2], 1500000);
	cr_assert_eq(trace->gap_ns[3], 1000000);
	cr_assert_eq(trace->mean_ns, 630000);
	cr_assert_eq(tw_trace_hold(trace), trace);
	tw_trace_drop(trace);
	tw_trace_drop(trace);
	tw_trace_drop(NULL);
}

Test(trace, refuses_with_file_and_line)
{
	static const struct {
		const char *text, *word;
	} bad[] = {
		{"", "no gaps"},
		{"#\n\n", "no gaps"},
		{"1ms\nsoon\n", ":2:"},
		{"-1ms\n", ":1:"},
		{"1ms\n1ms\n3601s\n", ":3:"},
		{"0\n0\n0\n", "below 1 us"},
		{"1ms 2ms\n", ":1:"},
	};

	for (unsigned i = 0; i < TW_ARRAY_SIZE(bad); i++) {
		why[0] = '\0';
		cr_assert_eq(read_text(bad[i].text), -EINVAL, "case %u", i);
		cr_assert_not_null(strstr(why, bad[i].word), "case %u: %s", i, why);
	}
}

Test(trace, takes_so_many_gaps_and_no_more)
{
	static char text[4 * (TW_SEND_TRACE_MAX + 1) + 1];

	for (unsigned i = 0; i < TW_SEND_TRACE_MAX; i++)
		strcpy(text + 4 * i, "1ms\n");
	cr_assert_eq(read_text(text), 0, "%s", why);
	cr_assert_eq(trace->cnt, TW_SEND_TRACE_MAX);
	tw_trace_drop(trace);
	strcat(text, "1ms\n");
	cr_assert_eq(read_text(text), -E2BIG);
	cr_assert_not_null(strstr(why, ":65537:"), "%s", why);
}

Test(trace, reads_regular_files_only)
{
	char fifo[64];

	cr_assert_eq(tw_trace_read("/nowhere/at/all", &trace, why, sizeof(why)), -ENOENT);
	cr_assert_eq(tw_trace_read("/dev/zero", &trace, why, sizeof(why)), -EINVAL);
	cr_assert_eq(tw_trace_read("/tmp", &trace, why, sizeof(why)), -EINVAL);
	cr_assert_eq(mkdtemp(path), path);
	snprintf(fifo, sizeof(fifo), "%s/fifo", path);
	cr_assert_eq(mkfifo(fifo, 0600), 0);
	cr_assert_eq(
		tw_trace_read(fifo, &trace, why, sizeof(why)), -EINVAL); /* and does not wait */
	unlink(fifo);
	rmdir(path);
}
