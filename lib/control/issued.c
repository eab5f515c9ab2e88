/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Challenges issued lately. A peer that greets our client with one of them is relaying our own
 * handshake to us: the client would compute the Token that lets the peer in at our server. Those of
 * connections not yet set up are looked up at the connections themselves; this set remembers
 * those whose connection is gone, the newest 8 in each of its 8192 sets.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "srv_i.h"

#define ISSUED_SETS 8192

static size_t
set_of(const uint8_t challenge[16])
{
	return tw_load_be16(challenge) % ISSUED_SETS; /* random octets: no need to hash */
}

int
ctl_issued_init(struct issued *i)
{
	i->way = calloc(ISSUED_SETS, sizeof(*i->way));
	i->next = calloc(ISSUED_SETS, sizeof(*i->next));
	if (i->way != NULL && i->next != NULL)
		return 0;
	ctl_issued_fini(i);
	return -ENOMEM;
}

void
ctl_issued_fini(struct issued *i)
{
	free(i->way);
	free(i->next);
	*i = (struct issued){0};
}

void
ctl_issued_add(struct issued *i, const uint8_t challenge[16])
{
	size_t set = set_of(challenge);

	memcpy(i->way[set][i->next[set]++ % ISSUED_WAYS], challenge, 16);
}

bool
ctl_issued_has(const struct issued *i, const uint8_t challenge[16])
{
	static const uint8_t zero[16]; /* an empty way, and no Challenge of ours */
	size_t set = set_of(challenge);

	if (memcmp(challenge, zero, sizeof(zero)) == 0)
		return false;
	for (unsigned w = 0; w < ISSUED_WAYS; w++) {
		if (memcmp(i->way[set][w], challenge, 16) == 0)
			return true;
	}
	return false;
}
