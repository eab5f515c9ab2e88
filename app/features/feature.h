/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Expands the rows of one noun. Included once, at the end of its op.c, with TW_FEATURE (the noun)
 * and TW_FEATURE_DEF (its .def file, relative to this folder) defined, and TW_FEATURE_CONFIG (a
 * tw_op_config_fn) where the noun holds state that `show config` must reproduce; see ops.h.
 */
#include "../ops.h"
#include "tw_base.h"

#define TW_FEATURE_CAT_(a, b, c) a##b##c
#define TW_FEATURE_CAT(a, b, c)  TW_FEATURE_CAT_(a, b, c)
#define TW_FEATURE_STR_(a)       #a
#define TW_FEATURE_STR(a)        TW_FEATURE_STR_(a)

#define TW_OP(verb_, fn_, flags_, help_, result_, ...)                                             \
	static const struct tw_conf_key TW_FEATURE_CAT(verb_, _, keys)[] = {__VA_ARGS__};
#include TW_FEATURE_DEF
#undef TW_OP

#define TW_OP(verb_, fn_, flags_, help_, result_, ...)                                             \
	{.noun = TW_FEATURE_STR(TW_FEATURE),                                                       \
		.verb = #verb_,                                                                    \
		.help = (help_),                                                                   \
		.result = (result_),                                                               \
		.fn = (fn_),                                                                       \
		.flags = (flags_),                                                                 \
		.keys = TW_FEATURE_CAT(verb_, _, keys),                                            \
		.key_cnt = TW_ARRAY_SIZE(TW_FEATURE_CAT(verb_, _, keys))},
static const struct tw_op feature_ops[] = {
#include TW_FEATURE_DEF
};
#undef TW_OP

#ifndef TW_FEATURE_CONFIG
#define TW_FEATURE_CONFIG NULL
#endif

extern const struct tw_feature_rows TW_FEATURE_CAT(tw_feature_, TW_FEATURE, );

const struct tw_feature_rows TW_FEATURE_CAT(tw_feature_, TW_FEATURE, ) = {
	.ops = feature_ops,
	.op_cnt = TW_ARRAY_SIZE(feature_ops),
	.config = TW_FEATURE_CONFIG,
};
