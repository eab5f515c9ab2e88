/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Declared keys of every type, for the targets of the two faces.
 */
#ifndef FUZZ_KEYS_H
#define FUZZ_KEYS_H

#include "fuzz.h"
#include "tw_args.h"

#define FUZZ_KEY_CNT 13

static const char *const fuzz_words[] = {"open", "authenticated", "on", NULL};

static const struct tw_conf_key fuzz_keys[FUZZ_KEY_CNT] = {
	TW_KEY("u", U64, "number", .min = 1, .max = 1000, .is_positional = true,
		.is_required = true),
	TW_KEY("n", U64, "any number", .is_positional = true),
	TW_KEY("i", I64, "integer", .min = -5, .max = 5),
	TW_KEY("b", BOOL, "switch", .def = "on"),
	TW_KEY("s", STR, "text", .min = 1, .max = 16),
	TW_KEY("p", PATH, "file"),
	TW_KEY("e", ENUM, "words", .choices = fuzz_words, .is_list = true, .def = "open,on"),
	TW_KEY("a", ADDR, "address"),
	TW_KEY("x", PREFIX, "prefixes", .is_list = true),
	TW_KEY("r", RANGE, "ports", .min = 1, .max = 65535),
	TW_KEY("d_us", DURATION, "duration", .min = 0, .max = 3600000000000),
	TW_KEY("v", ANY, "anything", .max = 4000),
	TW_KEY("any_ms", DURATION, "unbounded", .is_list = true),
};

/* Every value reads back from its text as the same text; bounds hold. */
static inline void
fuzz_check_args(const struct tw_args *args)
{
	char text[5000], again[5000];
	struct tw_conf_value v;
	struct tw_conf_err err;

	CHECK(args->slot[0].cnt == 1);
	CHECK(tw_args_u64(args, "u") >= 1 && tw_args_u64(args, "u") <= 1000);
	for (size_t k = 0; k < FUZZ_KEY_CNT; k++) {
		const struct tw_conf_key *key = &fuzz_keys[k];
		size_t cnt = args->slot[k].cnt;
		const struct tw_conf_value *item = &args->item[args->slot[k].first];

		CHECK(cnt <= (key->is_list ? TW_CONF_LIST_MAX : 1U));
		for (size_t i = 0; i < cnt; i++) {
			size_t len = tw_conf_format(key, &item[i], text, sizeof(text));

			CHECK(len < sizeof(text));
			CHECK(tw_conf_parse(key, text, len, &v, &err));
			CHECK(tw_conf_format(key, &v, again, sizeof(again)) == len);
			CHECK(memcmp(text, again, len) == 0);
		}
	}
}

/* A refusal names its reason and says something. */
static inline void
fuzz_check_err(const struct tw_conf_err *err)
{
	CHECK(err->reason > TW_CONF_OK && err->reason < TW_CONF_R_N);
	CHECK(err->text[0] != '\0');
	CHECK(memchr(err->text, '\0', sizeof(err->text)) != NULL);
	CHECK(memchr(err->field, '\0', sizeof(err->field)) != NULL);
}

#endif /* FUZZ_KEYS_H */
