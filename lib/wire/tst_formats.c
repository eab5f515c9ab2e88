/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Which test-packet format belongs to a mode.
 */
#include "tw_mode.h"
#include "tw_tst.h"

/* Mode bits that change test packets, security bits apart. */
#define FEATURES (TW_MODE_REFLECT | TW_MODE_SYMMETRICAL | TW_MODE_DSCP_ECN | TW_MODE_PTPV2)

struct row {
	uint32_t sec;
	uint32_t features;
	const struct tw_tst_fmt *fmt;
};

static const struct row rows[] = {
#define TW_TST_FMT(NAME, name, sec, features) {sec, features, &tw_tst_##name},
#include "tst_formats.def"
};

const struct tw_tst_fmt *
tw_tst_fmt_for_mode(uint32_t mode)
{
	if (tw_mode_rank(mode) == 0)
		return NULL;
	for (size_t i = 0; i < TW_ARRAY_SIZE(rows); i++) {
		if ((mode & rows[i].sec) && (mode & FEATURES) == rows[i].features)
			return rows[i].fmt;
	}
	return NULL;
}
