/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * vectors.json: lookups that end the test when the answer is not there.
 */
#include <criterion/criterion.h>
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "golden.h"

json_t *
golden_vectors(const char *name)
{
	json_error_t err;
	json_t *all = json_load_file(TW_GOLDEN_DIR "/vectors.json", 0, &err);
	json_t *one;

	cr_assert(all, "vectors.json:%d: %s", err.line, err.text);
	one = json_incref(golden_member(all, name));
	json_decref(all);
	return one;
}

json_t *
golden_member(json_t *obj, const char *key)
{
	json_t *v = json_object_get(obj, key);

	cr_assert(v, "vectors.json: no member %s", key);
	return v;
}

uint64_t
golden_int(json_t *obj, const char *key)
{
	json_t *v = golden_member(obj, key);

	cr_assert(json_is_integer(v) && json_integer_value(v) >= 0, "vectors.json: %s", key);
	return (uint64_t)json_integer_value(v);
}

const char *
golden_str(json_t *obj, const char *key)
{
	json_t *v = golden_member(obj, key);

	cr_assert(json_is_string(v), "vectors.json: %s", key);
	return json_string_value(v);
}

static unsigned
digit(char c)
{
	cr_assert(isxdigit((unsigned char)c), "no hex digit: %c", c);
	return (unsigned)(c <= '9' ? c - '0' : tolower((unsigned char)c) - 'a' + 10);
}

void
golden_unhex(const char *text, uint8_t *out, size_t size)
{
	size_t len = 0;

	while (*text != '\0') {
		if (*text == ' ') {
			text++;
			continue;
		}
		cr_assert(text[1] != '\0' && len < size, "hex text is not %zu octets", size);
		out[len++] = (uint8_t)(digit(text[0]) << 4 | digit(text[1]));
		text += 2;
	}
	cr_assert_eq(len, size, "hex text is %zu octets, not %zu", len, size);
}

void
golden_hex(json_t *obj, const char *key, uint8_t *out, size_t len)
{
	golden_unhex(golden_str(obj, key), out, len);
}

struct golden_span
golden_hex_new(json_t *obj, const char *key)
{
	const char *text = golden_str(obj, key);
	struct golden_span s = {.len = strlen(text) / 2};

	s.p = malloc(s.len + 1);
	cr_assert(s.p);
	golden_unhex(text, s.p, s.len);
	return s;
}

uint64_t
golden_hex_int(json_t *obj, const char *key)
{
	const char *text = golden_str(obj, key);
	uint64_t v = 0;

	cr_assert_leq(strlen(text), 16, "vectors.json: %s is too long", key);
	while (*text != '\0')
		v = v << 4 | digit(*text++);
	return v;
}
