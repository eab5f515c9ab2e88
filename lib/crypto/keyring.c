/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Shared secrets by KeyID: an array sorted by name, so that lists page in a stable order. Names are
 * added by the operator, never by peers; a look-up is at most 14 compares at 10,000 keys, which
 * drowns in the milliseconds of the derivation that follows it.
 */
#include <errno.h>
#include <stdlib.h>

#include "crypto_i.h"
#include "tw_keyring.h"

#define DUMMY_LEN 32

struct entry {
	struct tw_keyring_id id;
	struct tw_secret *secret;
};

struct tw_keyring {
	struct entry *entries; /* sorted by id */
	unsigned cnt, room, max;
	struct tw_secret *dummy; /* random, stands in for unknown names */
};

/* One sequence of RFC 3629; octets taken, 0 if malformed. */
static size_t
utf8_step(const uint8_t *p, size_t len)
{
	uint8_t lo = 0x80, hi = 0xBF;
	size_t more, i;

	if (p[0] < 0x80)
		return 1;
	if (p[0] >= 0xC2 && p[0] <= 0xDF) {
		more = 1;
	} else if (p[0] >= 0xE0 && p[0] <= 0xEF) {
		more = 2;
		if (p[0] == 0xE0)
			lo = 0xA0; /* shorter forms exist below */
		else if (p[0] == 0xED)
			hi = 0x9F; /* surrogates */
	} else if (p[0] >= 0xF0 && p[0] <= 0xF4) {
		more = 3;
		if (p[0] == 0xF0)
			lo = 0x90;
		else if (p[0] == 0xF4)
			hi = 0x8F; /* above U+10FFFF */
	} else {
		return 0;
	}
	if (len <= more || p[1] < lo || p[1] > hi)
		return 0;
	for (i = 2; i <= more; i++)
		if (p[i] < 0x80 || p[i] > 0xBF)
			return 0;
	return more + 1;
}

static bool
is_utf8(const uint8_t *p, size_t len)
{
	size_t at = 0, step;

	while (at < len) {
		step = utf8_step(p + at, len - at);
		if (step == 0)
			return false;
		at += step;
	}
	return true;
}

bool
tw_keyring_id_read(const uint8_t field[TW_KEYRING_ID_MAX], struct tw_keyring_id *out)
{
	size_t len = 0;

	while (len < TW_KEYRING_ID_MAX && field[len] != 0)
		len++;
	memset(out, 0, sizeof(*out));
	memcpy(out->b, field, len);
	out->len = (uint8_t)len;
	return len > 0 && is_utf8(field, len);
}

int
tw_keyring_id_make(const void *text, size_t len, struct tw_keyring_id *out)
{
	if (len == 0 || len > TW_KEYRING_ID_MAX || memchr(text, 0, len) || !is_utf8(text, len))
		return -EINVAL;
	memset(out, 0, sizeof(*out));
	memcpy(out->b, text, len);
	out->len = (uint8_t)len;
	return 0;
}

void
tw_keyring_id_write(const struct tw_keyring_id *id, uint8_t field[TW_KEYRING_ID_MAX])
{
	memset(field, 0, TW_KEYRING_ID_MAX);
	memcpy(field, id->b, id->len);
}

struct tw_keyring *
tw_keyring_new(unsigned max)
{
	struct tw_keyring *kr = calloc(1, sizeof(*kr));
	uint8_t *seed = tw_crypto_alloc(DUMMY_LEN);

	if (kr && seed && tw_crypto_random(seed, DUMMY_LEN) == 0)
		kr->dummy = tw_secret_new(seed, DUMMY_LEN);
	tw_crypto_free(seed);
	if (!kr || !kr->dummy) {
		free(kr);
		return NULL;
	}
	kr->max = max ? max : TW_KEYRING_DEFAULT;
	return kr;
}

void
tw_keyring_free(struct tw_keyring *kr)
{
	unsigned i;

	if (!kr)
		return;
	for (i = 0; i < kr->cnt; i++)
		tw_secret_drop(kr->entries[i].secret);
	tw_secret_drop(kr->dummy);
	free(kr->entries);
	free(kr);
}

static int
id_compare(const struct tw_keyring_id *a, const struct tw_keyring_id *b)
{
	/* both are zero behind their ends and hold no zero octet: a prefix sorts first */
	return memcmp(a->b, b->b, sizeof(a->b));
}

/* First index whose name is not below id. */
static unsigned
lower_bound(const struct tw_keyring *kr, const struct tw_keyring_id *id)
{
	unsigned lo = 0, hi = kr->cnt;

	while (lo < hi) {
		unsigned mid = lo + (hi - lo) / 2;

		if (id_compare(&kr->entries[mid].id, id) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static bool
is_at(const struct tw_keyring *kr, unsigned idx, const struct tw_keyring_id *id)
{
	return idx < kr->cnt && id_compare(&kr->entries[idx].id, id) == 0;
}

static int
make_room(struct tw_keyring *kr)
{
	unsigned room = kr->room ? kr->room * 2 : 16;
	struct entry *e;

	if (kr->cnt >= kr->max)
		return -ENOSPC;
	if (kr->cnt < kr->room)
		return 0;
	e = realloc(kr->entries, room * sizeof(*e));
	if (!e)
		return -ENOMEM;
	kr->entries = e;
	kr->room = room;
	return 0;
}

int
tw_keyring_set(struct tw_keyring *kr, const struct tw_keyring_id *id, struct tw_secret *secret,
	bool replace)
{
	unsigned at = lower_bound(kr, id);
	bool has = is_at(kr, at, id);
	int rc;

	if (has != replace)
		return has ? -EEXIST : -ENOENT;
	if (replace) {
		tw_secret_hold(secret);
		tw_secret_drop(kr->entries[at].secret);
		kr->entries[at].secret = secret;
		return 0;
	}
	rc = make_room(kr);
	if (rc != 0)
		return rc;
	memmove(&kr->entries[at + 1], &kr->entries[at], (kr->cnt - at) * sizeof(kr->entries[0]));
	kr->entries[at].id = *id;
	kr->entries[at].secret = tw_secret_hold(secret);
	kr->cnt++;
	return 0;
}

int
tw_keyring_remove(struct tw_keyring *kr, const struct tw_keyring_id *id)
{
	unsigned at = lower_bound(kr, id);

	if (!is_at(kr, at, id))
		return -ENOENT;
	tw_secret_drop(kr->entries[at].secret);
	kr->cnt--;
	memmove(&kr->entries[at], &kr->entries[at + 1], (kr->cnt - at) * sizeof(kr->entries[0]));
	return 0;
}

struct tw_secret *
tw_keyring_find(struct tw_keyring *kr, const struct tw_keyring_id *id, bool *is_known)
{
	unsigned at = lower_bound(kr, id);
	bool has = is_at(kr, at, id);

	if (is_known)
		*is_known = has;
	return tw_secret_hold(has ? kr->entries[at].secret : kr->dummy);
}

bool
tw_keyring_has(const struct tw_keyring *kr, const struct tw_keyring_id *id)
{
	return is_at(kr, lower_bound(kr, id), id);
}

unsigned
tw_keyring_count(const struct tw_keyring *kr)
{
	return kr->cnt;
}

const struct tw_keyring_id *
tw_keyring_at(const struct tw_keyring *kr, unsigned idx)
{
	return idx < kr->cnt ? &kr->entries[idx].id : NULL;
}

unsigned
tw_keyring_after(const struct tw_keyring *kr, const struct tw_keyring_id *id)
{
	unsigned at = lower_bound(kr, id);

	return is_at(kr, at, id) ? at + 1 : at;
}
