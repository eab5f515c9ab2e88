/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Configuration lines: words, then arguments. The line stands in memory of exactly its size.
 */
#include "fuzz_keys.h"

static void
take_line(const char *line, size_t len)
{
	static struct tw_args_words words;
	static struct tw_args args;
	struct tw_conf_err err = {0};

	if (!tw_args_split(line, len, &words, &err)) {
		fuzz_check_err(&err);
		return;
	}
	for (size_t i = 0; i < words.cnt; i++) {
		CHECK(words.w[i].col < len);
		CHECK(strlen(words.w[i].p) == words.w[i].len);
	}
	if (tw_args_from_words(&args, fuzz_keys, FUZZ_KEY_CNT, &words, 0, &err))
		fuzz_check_args(&args);
	else
		fuzz_check_err(&err);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint8_t *p = fuzz_copy(data, size);
	size_t at = 0;

	while (at < size) {
		uint8_t *end = memchr(p + at, '\n', size - at);
		size_t n = end ? (size_t)(end - p) - at : size - at;

		take_line((const char *)p + at, n);
		at += n + 1;
	}
	free(p);
	return 0;
}
