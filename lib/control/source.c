/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * What each source address holds: connections, sessions, key jobs. An IPv6 host commands a whole
 * prefix, so that one counts as one source. Peers choose their addresses, hence the keyed hash.
 */
#include <stdlib.h>
#include <string.h>

#include "srv_i.h"

static uint64_t
mix(uint64_t x)
{
	x ^= x >> 32;
	x *= 0xd6e8feb86659fd93ULL;
	x ^= x >> 32;
	x *= 0xd6e8feb86659fd93ULL;
	return x ^ x >> 32;
}

static size_t
bucket_of(const struct sources *s, const struct tw_addr *a)
{
	uint64_t lo, hi;

	memcpy(&lo, a->b, sizeof(lo));
	memcpy(&hi, a->b + sizeof(lo), sizeof(hi));
	return mix(mix(lo ^ s->seed[0]) + (hi ^ s->seed[1]) + a->family) % SOURCE_BUCKETS;
}

static struct tw_addr
masked(const struct tw_addr *addr, unsigned bits_v6)
{
	struct tw_addr a = *addr;

	if (a.family != TW_ADDR_V6)
		return a;
	for (unsigned bit = bits_v6; bit < 128; bit++)
		a.b[bit / 8] &= (uint8_t) ~(0x80u >> bit % 8);
	return a;
}

struct source *
ctl_source_get(struct sources *s, const struct tw_addr *addr, unsigned bits_v6)
{
	struct tw_addr a = masked(addr, bits_v6);
	size_t b = bucket_of(s, &a);
	struct source *src;

	SLIST_FOREACH(src, &s->bucket[b], link)
	{
		if (tw_addr_equal(&src->addr, &a))
			return ctl_source_hold(src);
	}
	src = calloc(1, sizeof(*src));
	if (src == NULL)
		return NULL;
	src->addr = a;
	SLIST_INSERT_HEAD(&s->bucket[b], src, link);
	return ctl_source_hold(src);
}

struct source *
ctl_source_hold(struct source *src)
{
	src->refs++;
	return src;
}

void
ctl_source_put(struct sources *s, struct source *src)
{
	if (src == NULL || --src->refs > 0)
		return;
	SLIST_REMOVE(&s->bucket[bucket_of(s, &src->addr)], src, source, link);
	free(src);
}
