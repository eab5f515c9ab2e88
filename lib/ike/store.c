/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The records of the keystore: how they come, are superseded and go.
 */
#include <errno.h>
#include <stdlib.h>

#include "ike_i.h"

struct tw_ike_store *
tw_ike_store_new(const struct tw_ike_store_cfg *cfg)
{
	struct tw_ike_store *st = calloc(1, sizeof(*st));

	if (st == NULL)
		return NULL;
	st->cfg = *cfg;
	tw_ike_store_limits(st, cfg->max, cfg->grace_ns);
	st->superseded_until_ns = TW_IKE_NO_DEADLINE;
	st->is_lost = true; /* nothing is here that could be used */
	TAILQ_INIT(&st->list);
	return st;
}

void
tw_ike_store_limits(struct tw_ike_store *st, unsigned max, int64_t grace_ns)
{
	st->cfg.max = max != 0 ? max : TW_IKE_SAS_DEFAULT;
	st->cfg.grace_ns = grace_ns;
}

static void
tell(const struct tw_ike_store *st, enum tw_ike_ev ev, const struct rec *r,
	const struct tw_ike_spis *old)
{
	if (st->cfg.event != NULL)
		st->cfg.event(st->cfg.arg, ev, &r->sa, old);
}

/* ---- one record ---- */

static int
make_room(struct tw_ike_store *st)
{
	unsigned room = st->room != 0 ? st->room * 2 : 64;
	struct rec **p;

	if (st->cnt >= st->cfg.max)
		return -ENOSPC;
	if (st->cnt < st->room)
		return 0;
	p = realloc(st->by_spis, room * sizeof(struct rec *));
	if (p == NULL)
		return -ENOMEM;
	st->by_spis = p;
	st->room = room;
	return 0;
}

/* Serials rise: the place is at the end, or near it. */
static void
list_insert(struct tw_ike_store *st, struct rec *r)
{
	struct rec *at = TAILQ_LAST(&st->list, rec_list);

	while (at != NULL && at->sa.serial > r->sa.serial)
		at = TAILQ_PREV(at, rec_list, link);
	if (at != NULL)
		TAILQ_INSERT_AFTER(&st->list, at, r, link);
	else
		TAILQ_INSERT_HEAD(&st->list, r, link);
}

static int
rec_add(struct tw_ike_store *st, const struct tw_ike_sa *sa, struct tw_secret *key,
	struct rec **out)
{
	int ret = make_room(st);
	struct rec *r;
	unsigned at;

	if (ret == 0) {
		r = calloc(1, sizeof(*r));
		ret = r != NULL ? 0 : -ENOMEM;
	}
	if (ret != 0) {
		st->counts.full++;
		return ret;
	}
	r->sa = *sa;
	r->key = tw_secret_hold(key);
	at = ike_lower_bound(st, &sa->spis);
	memmove(&st->by_spis[at + 1], &st->by_spis[at], (st->cnt - at) * sizeof(struct rec *));
	st->by_spis[at] = r;
	st->cnt++;
	list_insert(st, r);
	*out = r;
	return 0;
}

/* Forget it; the last reference wipes the key. */
static void
rec_drop(struct tw_ike_store *st, struct rec *r)
{
	unsigned at = ike_lower_bound(st, &r->sa.spis);

	st->cnt--;
	st->superseded_cnt -= r->sa.state == TW_IKE_SUPERSEDED;
	memmove(&st->by_spis[at], &st->by_spis[at + 1], (st->cnt - at) * sizeof(struct rec *));
	TAILQ_REMOVE(&st->list, r, link);
	tw_secret_drop(r->key);
	free(r);
}

static void
rec_down(struct tw_ike_store *st, struct rec *r)
{
	st->counts.down++;
	st->ended[st->ended_next++ % ENDED_MAX] = r->sa.spis;
	tell(st, TW_IKE_EV_DOWN, r, NULL);
	rec_drop(st, r);
}

/* ---- supersession ---- */

/* Where to look for superseded records: nowhere, most of the time. */
static struct rec *
first_superseded(const struct tw_ike_store *st)
{
	return st->superseded_cnt > 0 ? TAILQ_FIRST(&st->list) : NULL;
}

/* Whatever `old` had superseded is superseded by `by` now: the end of `by` ends all of it. */
static void
supersede(struct tw_ike_store *st, struct rec *old, const struct tw_ike_spis *by, int64_t now_ns)
{
	struct rec *r;

	if (old->sa.state == TW_IKE_SUPERSEDED)
		return;
	for (r = first_superseded(st); r != NULL; r = TAILQ_NEXT(r, link))
		if (r->sa.state == TW_IKE_SUPERSEDED && ike_spis_equal(&r->sa.by, &old->sa.spis))
			r->sa.by = *by;
	st->superseded_cnt++;
	old->sa.state = TW_IKE_SUPERSEDED;
	old->sa.by = *by;
	old->sa.until_ns = now_ns + st->cfg.grace_ns;
	if (old->sa.until_ns < st->superseded_until_ns)
		st->superseded_until_ns = old->sa.until_ns;
}

/* The SA and all that it superseded. */
static void
end(struct tw_ike_store *st, struct rec *r)
{
	struct tw_ike_spis spis = r->sa.spis;
	struct rec *next;

	rec_down(st, r);
	for (r = first_superseded(st); r != NULL; r = next) {
		next = TAILQ_NEXT(r, link);
		if (r->sa.state == TW_IKE_SUPERSEDED && ike_spis_equal(&r->sa.by, &spis))
			rec_down(st, r);
	}
}

/* ---- what the daemon tells ---- */

static bool
is_zero(const uint8_t spi[TW_IKE_SPI_LEN])
{
	static const uint8_t zero[TW_IKE_SPI_LEN];

	return memcmp(spi, zero, sizeof(zero)) == 0;
}

/* A known SA has changed; how far it is in its life is the store's to say. */
static void
update(struct tw_ike_store *st, struct rec *r, const struct tw_ike_sa *sa, struct tw_secret *key)
{
	struct tw_ike_sa new = *sa;
	bool has_changed;

	new.state = r->sa.state;
	new.by = r->sa.by;
	new.until_ns = r->sa.until_ns;
	new.serial = r->sa.serial;
	has_changed = memcmp(&new, &r->sa, sizeof(new)) != 0;
	r->sa = new;
	tw_secret_hold(key);
	tw_secret_drop(r->key);
	r->key = key;
	if (!has_changed)
		return;
	st->counts.moved++;
	tell(st, TW_IKE_EV_MOVED, r, NULL);
}

int
tw_ike_store_put(struct tw_ike_store *st, const struct tw_ike_sa *sa, struct tw_secret *key,
	const struct tw_ike_spis *old, int64_t now_ns)
{
	struct rec *r, *was = old != NULL ? ike_rec(st, old) : NULL;
	size_t key_len = tw_secret_len(key);
	int ret;

	if (is_zero(sa->spis.i) || is_zero(sa->spis.r) || key_len < TW_IKE_KEY_MIN ||
		key_len > TW_IKE_KEY_MAX)
		return -EINVAL;
	tw_ike_store_came(st, sa->serial);
	/* the old key ends its life in time even where the new one is not taken */
	if (was != NULL && !ike_spis_equal(old, &sa->spis))
		supersede(st, was, &sa->spis, now_ns);
	r = ike_rec(st, &sa->spis);
	if (r != NULL) {
		update(st, r, sa, key);
	} else {
		ret = rec_add(st, sa, key, &r);
		if (ret != 0)
			return ret;
		r->sa.state = TW_IKE_ESTABLISHED;
		if (was != NULL)
			st->counts.rekeyed++;
		else
			st->counts.up++;
		tell(st, was != NULL ? TW_IKE_EV_REKEYED : TW_IKE_EV_UP, r, old);
	}
	r->list_no = st->list_no;
	if (sa->state == TW_IKE_SUPERSEDED)
		supersede(st, r, &sa->by, now_ns);
	return 0;
}

void
tw_ike_store_down(struct tw_ike_store *st, const struct tw_ike_spis *spis,
	const struct tw_ike_spis *by, int64_t now_ns)
{
	struct rec *r = ike_rec(st, spis);

	if (r == NULL)
		return;
	if (by != NULL)
		supersede(st, r, by, now_ns);
	if (r->sa.state != TW_IKE_SUPERSEDED)
		end(st, r);
}

void
tw_ike_store_list_begin(struct tw_ike_store *st)
{
	st->list_no++;
}

void
tw_ike_store_list_end(struct tw_ike_store *st)
{
	struct rec *r = TAILQ_FIRST(&st->list), *next;
	bool is_lonely;

	while (r != NULL) {
		next = TAILQ_NEXT(r, link);
		if (r->sa.state == TW_IKE_ESTABLISHED && r->list_no != st->list_no) {
			is_lonely = st->superseded_cnt == 0;
			end(st, r);
			if (!is_lonely) /* what it had superseded went, too */
				next = TAILQ_FIRST(&st->list);
		}
		r = next;
	}
}

/* ---- the daemon comes and goes ---- */

void
tw_ike_store_linked(struct tw_ike_store *st)
{
	st->is_lost = false;
}

void
tw_ike_store_lost(struct tw_ike_store *st, int64_t now_ns)
{
	if (st->is_lost)
		return;
	st->is_lost = true;
	st->lost_until_ns = now_ns + st->cfg.grace_ns;
	memset(st->coming, 0, sizeof(st->coming));
}

void
tw_ike_store_flush(struct tw_ike_store *st)
{
	struct rec *r;

	while ((r = TAILQ_FIRST(&st->list)) != NULL) {
		st->counts.flushed++;
		rec_down(st, r);
	}
	st->superseded_until_ns = TW_IKE_NO_DEADLINE;
}

void
tw_ike_store_free(struct tw_ike_store *st)
{
	struct rec *r;

	if (st == NULL)
		return;
	while ((r = TAILQ_FIRST(&st->list)) != NULL)
		rec_drop(st, r);
	free(st->by_spis);
	free(st);
}

/* ---- time ---- */

int64_t
tw_ike_store_deadline(const struct tw_ike_store *st)
{
	int64_t at = st->superseded_until_ns;

	if (st->is_lost && st->cnt > 0 && st->lost_until_ns < at)
		at = st->lost_until_ns;
	return at;
}

void
tw_ike_store_timer(struct tw_ike_store *st, int64_t now_ns)
{
	struct rec *r, *next;

	if (st->is_lost && now_ns >= st->lost_until_ns) {
		tw_ike_store_flush(st);
		return;
	}
	if (now_ns < st->superseded_until_ns)
		return;
	st->superseded_until_ns = TW_IKE_NO_DEADLINE;
	for (r = TAILQ_FIRST(&st->list); r != NULL; r = next) {
		next = TAILQ_NEXT(r, link);
		if (r->sa.state != TW_IKE_SUPERSEDED)
			continue;
		if (now_ns >= r->sa.until_ns)
			rec_down(st, r);
		else if (r->sa.until_ns < st->superseded_until_ns)
			st->superseded_until_ns = r->sa.until_ns;
	}
}

/* ---- SAs on their way ---- */

void
tw_ike_store_coming(
	struct tw_ike_store *st, uint64_t serial, const struct tw_addr *peer, int64_t until_ns)
{
	unsigned at = st->coming_next;

	tw_ike_store_came(st, serial);
	for (unsigned i = 0; i < COMING_MAX; i++)
		if (st->coming[i].serial == 0)
			at = i;
	if (at == st->coming_next)
		st->coming_next = (at + 1) % COMING_MAX;
	st->coming[at].serial = serial;
	st->coming[at].peer = *peer;
	st->coming[at].until_ns = until_ns;
}

void
tw_ike_store_came(struct tw_ike_store *st, uint64_t serial)
{
	for (unsigned i = 0; i < COMING_MAX; i++)
		if (st->coming[i].serial == serial)
			st->coming[i].serial = 0;
}
