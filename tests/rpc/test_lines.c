/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The stream cut into lines, however it arrives.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tw_rpc.h"

static size_t held; /* octets the buffer has now */

static char *
resize(void *arg, char *old, size_t old_size, size_t keep, size_t size)
{
	char *p = size ? malloc(size) : NULL;

	(void)arg;
	(void)old_size;
	if (size && keep)
		memcpy(p, old, keep);
	free(old);
	held = size;
	return p;
}

static struct tw_rpc_lines l = {.resize = resize};

static void
feed(const char *p, size_t len)
{
	while (len > 0) {
		size_t room;
		char *to = tw_rpc_lines_room(&l, &room);

		cr_assert_not_null(to);
		room = room < len ? room : len;
		memcpy(to, p, room);
		tw_rpc_lines_received(&l, room);
		p += room;
		len -= room;
	}
}

static void
expect(const char *want)
{
	const char *line;
	size_t len;
	int res = tw_rpc_lines_next(&l, &line, &len);

	if (want == NULL) {
		cr_assert_eq(res, 0);
		return;
	}
	cr_assert_eq(res, 1);
	cr_assert_eq(len, strlen(want));
	cr_assert_arr_eq(line, want, len);
}

Test(lines, cuts_at_line_feeds_and_passes_over_blank_lines)
{
	feed("one\ntwo\r\n\n \t\r\nthr", 17);
	expect("one");
	expect("two");
	expect(NULL);
	feed("ee\n", 3);
	expect("three");
	expect(NULL);
	tw_rpc_lines_fini(&l);
}

Test(lines, takes_single_octets)
{
	const char *text = "{\"a\":1}\n{}\n";

	for (const char *p = text; *p; p++) {
		feed(p, 1);
		if (p - text == 7)
			expect("{\"a\":1}");
		else if (p[1] == '\0')
			expect("{}");
		else
			expect(NULL);
	}
	tw_rpc_lines_fini(&l);
}

Test(lines, refuses_a_long_line_once_and_goes_on_after_it)
{
	static char big[TW_RPC_LINE_MAX + 2];
	const char *line;
	size_t len;
	int refusals = 0;

	memset(big, 'x', sizeof(big));
	for (int i = 0; i < 3; i++) {
		feed(big, sizeof(big));
		for (;;) {
			int res = tw_rpc_lines_next(&l, &line, &len);

			if (res == 0)
				break;
			cr_assert_eq(res, -EMSGSIZE);
			refusals++;
		}
	}
	cr_assert_eq(refusals, 1);
	feed("\nnext\n", 6);
	expect("next");
	cr_assert_eq(l.overlong_cnt, 1);
	tw_rpc_lines_fini(&l);
}

Test(lines, takes_the_longest_line_and_shrinks_after_it)
{
	static char big[TW_RPC_LINE_MAX + 1];
	const char *line;
	size_t len;

	memset(big, 'x', TW_RPC_LINE_MAX);
	big[TW_RPC_LINE_MAX] = '\n';
	feed(big, sizeof(big));
	cr_assert_eq(tw_rpc_lines_next(&l, &line, &len), 1);
	cr_assert_eq(len, TW_RPC_LINE_MAX);
	expect(NULL);
	cr_assert_gt(held, TW_RPC_LINE_MAX);
	feed("a\n", 2);
	expect("a");
	cr_assert_leq(held, 4096);
	tw_rpc_lines_fini(&l);
	cr_assert_eq(held, 0);
}

Test(lines, overwrites_what_was_handed_out)
{
	bool is_clean = true;

	feed("hunter2\nnext", 12);
	expect("hunter2");
	expect(NULL);
	feed("!\n", 2);
	for (size_t i = 0; i + 7 <= l.size; i++)
		is_clean = is_clean && memcmp(l.buf + i, "hunter2", 7) != 0;
	cr_assert(is_clean);
	expect("next!");
	tw_rpc_lines_fini(&l);
}
