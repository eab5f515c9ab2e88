/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Look-ups. By SPIs: a binary search, since anybody may ask. By peer: all records, since that is
 * asked for by our own clients, and by peers that name unknown SPIs, of which the caller lets in a
 * bounded number.
 */
#include "ike_i.h"

unsigned
ike_lower_bound(const struct tw_ike_store *st, const struct tw_ike_spis *spis)
{
	unsigned lo = 0, hi = st->cnt;

	while (lo < hi) {
		unsigned mid = lo + (hi - lo) / 2;

		if (memcmp(&st->by_spis[mid]->sa.spis, spis, sizeof(*spis)) < 0)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

struct rec *
ike_rec(const struct tw_ike_store *st, const struct tw_ike_spis *spis)
{
	unsigned at = ike_lower_bound(st, spis);

	if (at < st->cnt && ike_spis_equal(&st->by_spis[at]->sa.spis, spis))
		return st->by_spis[at];
	return NULL;
}

/* The timer forgets what is over; a look-up does not rely on it being in time. */
bool
ike_is_usable(const struct tw_ike_store *st, const struct rec *r, int64_t now_ns)
{
	if (st->is_lost && now_ns >= st->lost_until_ns)
		return false;
	return r->sa.state == TW_IKE_ESTABLISHED ||
	       (r->sa.state == TW_IKE_SUPERSEDED && now_ns < r->sa.until_ns);
}

static int
compare(const struct tw_addr *a, const struct tw_addr *b)
{
	return memcmp(a->b, b->b, tw_addr_len(a));
}

static bool
is_in_range(const struct tw_ike_range *r, const struct tw_addr *a)
{
	return r->lo.family == a->family && compare(&r->lo, a) <= 0 && compare(a, &r->hi) <= 0;
}

bool
tw_ike_sa_has_peer(const struct tw_ike_sa *sa, const struct tw_addr *peer)
{
	unsigned i;

	if (tw_addr_equal(&sa->remote, peer))
		return true;
	for (i = 0; i < sa->vip_cnt; i++)
		if (tw_addr_equal(&sa->vips[i], peer))
			return true;
	for (i = 0; i < sa->ts_cnt; i++)
		if (is_in_range(&sa->ts[i], peer))
			return true;
	return false;
}

bool
tw_ike_sa_has_id(const struct tw_ike_sa *sa, const char *pattern)
{
	return !sa->is_remote_id_odd && tw_ike_id_matches(pattern, sa->remote_id);
}

const struct tw_ike_sa *
tw_ike_store_find(struct tw_ike_store *st, const struct tw_ike_spis *spis, int64_t now_ns,
	struct tw_secret **key)
{
	struct rec *r = ike_rec(st, spis);

	if (r == NULL || !ike_is_usable(st, r, now_ns))
		return NULL;
	if (key != NULL)
		*key = tw_secret_hold(r->key);
	return &r->sa;
}

bool
tw_ike_store_has_ended(const struct tw_ike_store *st, const struct tw_ike_spis *spis)
{
	for (unsigned i = 0; i < ENDED_MAX; i++)
		if (ike_spis_equal(&st->ended[i], spis))
			return ike_rec(st, spis) == NULL;
	return false;
}

/* Of two SAs the one established later; within a second the one the daemon made later. */
static bool
is_newer(const struct rec *a, const struct rec *b)
{
	if (a->sa.established_s != b->sa.established_s)
		return a->sa.established_s > b->sa.established_s;
	return a->sa.serial > b->sa.serial;
}

const struct tw_ike_sa *
tw_ike_store_find_peer(struct tw_ike_store *st, const struct tw_addr *peer, const char *remote_id,
	int64_t now_ns, struct tw_secret **key)
{
	struct rec *r, *best = NULL;

	TAILQ_FOREACH (r, &st->list, link) {
		if (r->sa.state != TW_IKE_ESTABLISHED || !ike_is_usable(st, r, now_ns) ||
			!tw_ike_sa_has_peer(&r->sa, peer))
			continue;
		if (remote_id != NULL && remote_id[0] != '\0' &&
			!tw_ike_sa_has_id(&r->sa, remote_id))
			continue;
		if (best == NULL || is_newer(r, best))
			best = r;
	}
	if (best == NULL)
		return NULL;
	if (key != NULL)
		*key = tw_secret_hold(best->key);
	return &best->sa;
}

bool
tw_ike_store_is_coming(const struct tw_ike_store *st, const struct tw_addr *peer, int64_t now_ns)
{
	for (unsigned i = 0; i < COMING_MAX; i++)
		if (st->coming[i].serial != 0 && now_ns < st->coming[i].until_ns &&
			tw_addr_equal(&st->coming[i].peer, peer))
			return true;
	return false;
}

bool
tw_ike_store_knows_peer(const struct tw_ike_store *st, const struct tw_addr *peer, int64_t now_ns)
{
	struct rec *r;

	if (tw_ike_store_is_coming(st, peer, now_ns))
		return true;
	TAILQ_FOREACH (r, &st->list, link) {
		if (ike_is_usable(st, r, now_ns) && tw_ike_sa_has_peer(&r->sa, peer))
			return true;
	}
	return false;
}

const struct tw_ike_sa *
tw_ike_store_next(const struct tw_ike_store *st, uint64_t serial)
{
	struct rec *r;

	TAILQ_FOREACH (r, &st->list, link) {
		if (r->sa.serial >= serial)
			return &r->sa;
	}
	return NULL;
}

const struct tw_ike_sa *
tw_ike_store_after(const struct tw_ike_sa *sa)
{
	/* the first member of its record */
	const struct rec *r = TAILQ_NEXT((const struct rec *)(const void *)sa, link);

	return r != NULL ? &r->sa : NULL;
}

const struct tw_ike_sa *
tw_ike_store_get(const struct tw_ike_store *st, const struct tw_ike_spis *spis)
{
	const struct rec *r = ike_rec(st, spis);

	return r != NULL ? &r->sa : NULL;
}

unsigned
tw_ike_store_count(const struct tw_ike_store *st)
{
	return st->cnt;
}

const struct tw_ike_store_counts *
tw_ike_store_counts(const struct tw_ike_store *st)
{
	return &st->counts;
}
