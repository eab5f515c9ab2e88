/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The Modes field: legal selections, names, protection. RFC 4656 3.1, RFC 5618 3.1,
 * RFC 5938 3.1, RFC 7717 5.1.
 */
#include <string.h>

#include "tw_base.h"
#include "tw_mode.h"

struct sec {
	uint32_t bit;
	unsigned rank;
	const char *name;
};

static const struct sec secs[] = {
#define TW_MODE_SEC(NAME, bit, rank, name, clause) {TW_MODE_##NAME, rank, name},
#include "modes.def"
};

static const struct sec *
find(uint32_t mode)
{
	for (size_t i = 0; i < TW_ARRAY_SIZE(secs); i++) {
		if (secs[i].bit == tw_mode_sec(mode))
			return &secs[i];
	}
	return NULL; /* none or several */
}

bool
tw_mode_is_legal(uint32_t mode, uint32_t offered)
{
	if (find(mode) == NULL)
		return false;
	if (mode & ~offered & TW_MODE_KNOWN_MASK)
		return false;
	/* in open mode nothing would use the key: accepting would hide a downgrade */
	return !(mode & TW_MODE_IKEV2) || tw_mode_protects_control(mode);
}

const char *
tw_mode_name(uint32_t mode)
{
	const struct sec *s = find(mode);

	return s ? s->name : "none";
}

uint32_t
tw_mode_parse(const char *name)
{
	for (size_t i = 0; i < TW_ARRAY_SIZE(secs); i++) {
		if (strcmp(secs[i].name, name) == 0)
			return secs[i].bit;
	}
	return 0;
}

unsigned
tw_mode_rank(uint32_t mode)
{
	const struct sec *s = find(mode);

	return s ? s->rank : 0;
}
