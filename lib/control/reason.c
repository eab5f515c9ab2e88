/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Reasons as names and as lines for people: what, where, how to mend; SPIs as text.
 */
#include <inttypes.h>
#include <stdio.h>

#include "control_i.h"

struct row {
	const char *name;
	uint8_t accept;
	const char *what, *mend;
};

static const struct row rows[TW_CTL_WHY_N] = {
	[TW_CTL_WHY_NONE] = {"none", 0, "nothing happened", "nothing to mend"},
#define TW_CTL_WHY(NAME, name, accept, what, mend)                                                 \
	[TW_CTL_WHY_##NAME] = {#name, accept, what, mend},
#include "reasons.def"
};

static const struct row *
row_of(unsigned why)
{
	return &rows[why < TW_CTL_WHY_N ? why : TW_CTL_WHY_NONE];
}

const char *
tw_ctl_why_name(unsigned why)
{
	return row_of(why)->name;
}

uint8_t
ctl_why_accept(unsigned why)
{
	return row_of(why)->accept;
}

const char *
tw_ctl_reason_str(const struct tw_ctl_reason *reason, const char *where, char *out, size_t size)
{
	const struct row *r = row_of(reason->why);
	char numbers[64] = "";
	char accept[80] = "";

	if (reason->has_value)
		snprintf(numbers, sizeof(numbers), " (%" PRIu64 ", allowed %" PRIu64 ")",
			reason->value, reason->bound);
	if (reason->accept != 0)
		snprintf(accept, sizeof(accept), " [Accept %u: %s]", reason->accept,
			tw_wire_accept_name(reason->accept));
	snprintf(out, size, "%s%s%s%s%s; %s", where ? where : "", where ? ": " : "", r->what,
		numbers, accept, r->mend);
	return out;
}

const char *
tw_ctl_spis_str(const uint8_t spis[TW_CTL_SPIS_LEN], char out[TW_CTL_SPIS_SIZE])
{
	snprintf(out, TW_CTL_SPIS_SIZE, "%016" PRIx64 "_i %016" PRIx64 "_r", tw_load_be64(spis),
		tw_load_be64(spis + 8));
	return out;
}
