/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The keystore under virtual time: look-ups, supersession and grace, loss of the daemon, bounds.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>

#include "ike_check.h"

#define GRACE (30 * SEC)

static unsigned events[TW_IKE_EV_DOWN + 1];

static void
on_event(void *arg, enum tw_ike_ev ev, const struct tw_ike_sa *sa, const struct tw_ike_spis *old)
{
	(void)arg;
	cr_assert_not_null(sa);
	cr_assert_eq(old != NULL, ev == TW_IKE_EV_REKEYED);
	events[ev]++;
}

static struct tw_ike_store *
store_new(unsigned max)
{
	const struct tw_ike_store_cfg cfg = {.max = max, .grace_ns = GRACE, .event = on_event};
	struct tw_ike_store *st;

	cr_assert_eq(tw_crypto_init_late(TW_CRYPTO_HEAP_MIN, NULL, 0), 0);
	st = tw_ike_store_new(&cfg);
	cr_assert_not_null(st);
	tw_ike_store_linked(st);
	return st;
}

static int
put(struct tw_ike_store *st, uint8_t n, uint8_t old, int64_t now_ns)
{
	struct tw_ike_sa sa = ike_stored(n);
	struct tw_ike_spis spis = ike_spis(old);
	struct tw_secret *key = ike_key(n);
	int ret = tw_ike_store_put(st, &sa, key, old != 0 ? &spis : NULL, now_ns);

	tw_secret_drop(key);
	return ret;
}

static void
down(struct tw_ike_store *st, uint8_t n, uint8_t by, int64_t now_ns)
{
	struct tw_ike_spis spis = ike_spis(n), other = ike_spis(by);

	tw_ike_store_down(st, &spis, by != 0 ? &other : NULL, now_ns);
}

static const struct tw_ike_sa *
find(struct tw_ike_store *st, uint8_t n, int64_t now_ns)
{
	struct tw_ike_spis spis = ike_spis(n);

	return tw_ike_store_find(st, &spis, now_ns, NULL);
}

static const struct tw_ike_sa *
find_peer(struct tw_ike_store *st, uint8_t n, const char *id, int64_t now_ns)
{
	struct tw_addr a = ike_peer(n);

	return tw_ike_store_find_peer(st, &a, id, now_ns, NULL);
}

static bool
knows(struct tw_ike_store *st, uint8_t n, int64_t now_ns)
{
	struct tw_addr a = ike_peer(n);

	return tw_ike_store_knows_peer(st, &a, now_ns);
}

Test(store, finds_by_spis_in_their_order_only)
{
	struct tw_ike_store *st = store_new(0);
	struct tw_ike_spis s = ike_spis(7), swapped;
	const struct tw_ike_sa *sa;
	struct tw_secret *key;

	for (uint8_t n = 1; n < 20; n++)
		cr_assert_eq(put(st, n, 0, 0), 0);
	sa = tw_ike_store_find(st, &s, 0, &key);
	cr_assert_not_null(sa);
	cr_assert_eq(sa->serial, 7);
	cr_assert_str_eq(sa->remote_id, "peer7.lab");
	cr_assert_eq(tw_secret_len(key), 32);
	tw_secret_drop(key);
	memcpy(swapped.i, s.r, sizeof(s.r));
	memcpy(swapped.r, s.i, sizeof(s.i));
	cr_assert_null(tw_ike_store_find(st, &swapped, 0, NULL));
	cr_assert_null(find(st, 20, 0));
	cr_assert_eq(events[TW_IKE_EV_UP], 19);
	tw_ike_store_free(st);
}

Test(store, refuses_what_is_no_sa)
{
	struct tw_ike_store *st = store_new(0);
	struct tw_ike_sa sa = ike_stored(1);
	uint8_t octets[80] = {1};

	for (size_t len = 1; len <= sizeof(octets); len++) {
		struct tw_secret *key = tw_secret_new(octets, len);

		cr_assert_eq(tw_ike_store_put(st, &sa, key, NULL, 0),
			len >= 16 && len <= 64 ? 0 : -EINVAL, "%zu octets", len);
		tw_secret_drop(key);
	}
	memset(sa.spis.r, 0, sizeof(sa.spis.r));
	struct tw_secret *key = ike_key(1);

	cr_assert_eq(tw_ike_store_put(st, &sa, key, NULL, 0), -EINVAL);
	tw_secret_drop(key);
	tw_ike_store_free(st);
}

Test(store, the_newest_established_sa_of_a_peer_is_found)
{
	struct tw_ike_store *st = store_new(0);
	struct tw_ike_sa sa = ike_stored(3);
	struct tw_secret *key = ike_key(3);

	put(st, 1, 0, 0);
	put(st, 2, 0, 0);
	/* the same address, another identity, older by the daemon's clock though told later */
	sa.remote = ike_peer(2);
	sa.established_s = 1;
	cr_assert_eq(tw_ike_store_put(st, &sa, key, NULL, 0), 0);
	tw_secret_drop(key);
	cr_assert_eq(find_peer(st, 2, NULL, 0)->serial, 2);
	cr_assert_eq(find_peer(st, 2, "", 0)->serial, 2);
	cr_assert_eq(find_peer(st, 2, "peer3.lab", 0)->serial, 3);
	cr_assert_eq(find_peer(st, 2, "*.lab", 0)->serial, 2);
	cr_assert_null(find_peer(st, 2, "peer1.lab", 0));
	cr_assert_null(find_peer(st, 9, NULL, 0));
	tw_ike_store_free(st);
}

Test(store, virtual_ips_and_selectors_are_the_peer_too)
{
	struct tw_ike_store *st = store_new(0);
	struct tw_ike_sa sa = ike_stored(1);
	struct tw_secret *key = ike_key(1);
	static const struct {
		const char *addr;
		bool is_peer;
	} rows[] = {
		{"192.0.2.1", true},
		{"192.0.2.2", false},
		{"10.0.0.7", true},
		{"10.0.0.8", false},
		{"10.1.0.0", true},
		{"10.1.0.255", true},
		{"10.1.1.0", false},
		{"10.0.255.255", false},
		{"2001:db8::1", true},
		{"2001:db8::ffff", true},
		{"2001:db8::1:0", false},
	};

	tw_addr_parse("10.0.0.7", &sa.vips[0]);
	sa.vip_cnt = 1;
	tw_addr_parse("10.1.0.0", &sa.ts[0].lo);
	tw_addr_parse("10.1.0.255", &sa.ts[0].hi);
	tw_addr_parse("2001:db8::", &sa.ts[1].lo);
	tw_addr_parse("2001:db8::ffff", &sa.ts[1].hi);
	sa.ts_cnt = 2;
	cr_assert_eq(tw_ike_store_put(st, &sa, key, NULL, 0), 0);
	tw_secret_drop(key);
	for (size_t i = 0; i < TW_ARRAY_SIZE(rows); i++) {
		struct tw_addr a;

		cr_assert(tw_addr_parse(rows[i].addr, &a));
		cr_assert_eq(tw_ike_store_find_peer(st, &a, NULL, 0, NULL) != NULL, rows[i].is_peer,
			"%s", rows[i].addr);
		cr_assert_eq(tw_ike_store_knows_peer(st, &a, 0), rows[i].is_peer);
	}
	tw_ike_store_free(st);
}

Test(store, an_odd_identity_matches_nothing)
{
	struct tw_ike_sa sa = ike_stored(1);

	cr_assert(tw_ike_sa_has_id(&sa, "peer1.lab"));
	sa.is_remote_id_odd = true;
	cr_assert_not(tw_ike_sa_has_id(&sa, "peer1.lab"));
	cr_assert_not(tw_ike_sa_has_id(&sa, "*"));
}

Test(store, a_superseded_key_lives_for_the_grace_period)
{
	struct tw_ike_store *st = store_new(0);

	put(st, 1, 0, 0);
	cr_assert_eq(tw_ike_store_deadline(st), TW_IKE_NO_DEADLINE);
	put(st, 2, 1, 10 * SEC);
	cr_assert_eq(events[TW_IKE_EV_REKEYED], 1);
	cr_assert_eq(find(st, 1, 10 * SEC)->state, TW_IKE_SUPERSEDED);
	cr_assert_eq(find(st, 2, 10 * SEC)->state, TW_IKE_ESTABLISHED);
	/* a client never takes it */
	cr_assert_null(find_peer(st, 1, NULL, 10 * SEC));
	/* the daemon destroys it: that changes nothing */
	down(st, 1, 2, 11 * SEC);
	cr_assert_not_null(find(st, 1, 40 * SEC - 1));
	cr_assert_null(find(st, 1, 40 * SEC)); /* not even where the timer is late */
	cr_assert_eq(tw_ike_store_deadline(st), 40 * SEC);
	tw_ike_store_timer(st, 40 * SEC - 1);
	cr_assert_eq(tw_ike_store_count(st), 2);
	tw_ike_store_timer(st, 40 * SEC);
	cr_assert_eq(tw_ike_store_count(st), 1);
	cr_assert_eq(events[TW_IKE_EV_DOWN], 1);
	cr_assert_eq(tw_ike_store_deadline(st), TW_IKE_NO_DEADLINE);
	tw_ike_store_free(st);
}

Test(store, deletion_of_the_successor_ends_the_grace_of_all_before)
{
	struct tw_ike_store *st = store_new(0);

	put(st, 1, 0, 0);
	put(st, 2, 1, 1 * SEC);
	put(st, 3, 2, 2 * SEC);
	put(st, 4, 0, 2 * SEC);
	down(st, 1, 2, 2 * SEC);
	down(st, 2, 3, 2 * SEC);
	cr_assert_eq(tw_ike_store_count(st), 4);
	down(st, 3, 0, 3 * SEC);
	cr_assert_eq(tw_ike_store_count(st), 1);
	cr_assert_not_null(find(st, 4, 3 * SEC));
	cr_assert_eq(events[TW_IKE_EV_DOWN], 3);
	tw_ike_store_free(st);
}

Test(store, a_deleted_sa_is_gone_at_once)
{
	struct tw_ike_store *st = store_new(0);

	put(st, 1, 0, 0);
	down(st, 1, 0, 0);
	down(st, 9, 0, 0);
	cr_assert_null(find(st, 1, 0));
	cr_assert_null(find_peer(st, 1, NULL, 0));
	tw_ike_store_free(st);
}

static bool
has_ended(struct tw_ike_store *st, uint8_t n)
{
	struct tw_ike_spis spis = ike_spis(n);

	return tw_ike_store_has_ended(st, &spis);
}

Test(store, sas_that_ended_are_told_from_those_never_heard_of)
{
	struct tw_ike_store *st = store_new(0);

	put(st, 1, 0, 0);
	cr_assert_not(has_ended(st, 1));
	down(st, 1, 0, 0);
	cr_assert(has_ended(st, 1));
	cr_assert_not(has_ended(st, 2));
	put(st, 2, 0, 0);
	put(st, 3, 2, 0);
	cr_assert_not(has_ended(st, 2));
	tw_ike_store_timer(st, GRACE);
	cr_assert(has_ended(st, 2));
	/* the daemon was away, and it is there again */
	put(st, 1, 0, 0);
	cr_assert_not(has_ended(st, 1));
	tw_ike_store_free(st);
}

Test(store, a_key_in_use_outlives_its_sa)
{
	struct tw_ike_store *st = store_new(0);
	struct tw_ike_spis s = ike_spis(1);
	uint8_t salt[16] = {1}, tk[16];
	struct tw_secret *key;
	size_t used = tw_crypto_heap_used();

	put(st, 1, 0, 0);
	cr_assert_not_null(tw_ike_store_find(st, &s, 0, &key));
	down(st, 1, 0, 0);
	cr_assert_eq(tw_crypto_kdf(key, salt, 1024, tk), 0);
	tw_secret_drop(key);
	cr_assert_leq(tw_crypto_heap_used(), used);
	tw_ike_store_free(st);
}

Test(store, without_the_daemon_keys_last_for_the_grace_period)
{
	struct tw_ike_store *st = store_new(0);

	put(st, 1, 0, 0);
	put(st, 2, 1, 0);
	tw_ike_store_lost(st, 5 * SEC);
	tw_ike_store_lost(st, 20 * SEC); /* the first loss counts */
	cr_assert_not_null(find(st, 2, 35 * SEC - 1));
	cr_assert_null(find(st, 2, 35 * SEC));
	cr_assert_null(find_peer(st, 2, NULL, 35 * SEC));
	cr_assert_not(knows(st, 2, 35 * SEC));
	cr_assert_eq(tw_ike_store_deadline(st), 30 * SEC); /* the superseded one */
	tw_ike_store_timer(st, 30 * SEC);
	cr_assert_eq(tw_ike_store_deadline(st), 35 * SEC);
	tw_ike_store_timer(st, 35 * SEC);
	cr_assert_eq(tw_ike_store_count(st), 0);
	cr_assert_eq(tw_ike_store_counts(st)->flushed, 1);
	/* back: nothing of before is known, new ones are */
	tw_ike_store_linked(st);
	cr_assert_null(find(st, 2, 36 * SEC));
	put(st, 3, 0, 36 * SEC);
	cr_assert_not_null(find(st, 3, 36 * SEC));
	tw_ike_store_free(st);
}

Test(store, a_daemon_that_comes_back_in_time_keeps_the_keys)
{
	struct tw_ike_store *st = store_new(0);

	put(st, 1, 0, 0);
	tw_ike_store_lost(st, 5 * SEC);
	tw_ike_store_linked(st);
	cr_assert_not_null(find(st, 1, 100 * SEC));
	tw_ike_store_flush(st); /* another boot id */
	cr_assert_null(find(st, 1, 6 * SEC));
	tw_ike_store_free(st);
}

Test(store, a_listing_tells_what_is_gone)
{
	struct tw_ike_store *st = store_new(0);

	for (uint8_t n = 1; n <= 5; n++)
		put(st, n, 0, 0);
	tw_ike_store_list_begin(st);
	put(st, 2, 0, 1 * SEC);
	put(st, 6, 3, 1 * SEC); /* 3 was rekeyed meanwhile: its grace begins now */
	put(st, 5, 4, 1 * SEC); /* both known before */
	tw_ike_store_list_end(st);
	cr_assert_null(find(st, 1, 2 * SEC));
	cr_assert_not_null(find(st, 2, 2 * SEC));
	cr_assert_eq(find(st, 3, 2 * SEC)->state, TW_IKE_SUPERSEDED);
	cr_assert_eq(find(st, 4, 2 * SEC)->state, TW_IKE_SUPERSEDED);
	cr_assert_not_null(find(st, 5, 2 * SEC));
	cr_assert_not_null(find(st, 6, 2 * SEC));
	/* 6 and 5 are gone in the next one, with what they had superseded */
	tw_ike_store_list_begin(st);
	put(st, 2, 0, 3 * SEC);
	tw_ike_store_list_end(st);
	cr_assert_eq(tw_ike_store_count(st), 1);
	tw_ike_store_free(st);
}

Test(store, a_listed_superseded_sa_has_its_grace_and_its_successor)
{
	struct tw_ike_store *st = store_new(0);
	struct tw_ike_sa sa = ike_stored(1);
	struct tw_secret *key = ike_key(1);

	sa.state = TW_IKE_SUPERSEDED;
	sa.by = ike_spis(2);
	cr_assert_eq(tw_ike_store_put(st, &sa, key, NULL, 0), 0);
	put(st, 2, 1, 0);
	cr_assert_eq(find(st, 1, 1)->state, TW_IKE_SUPERSEDED);
	cr_assert_eq(tw_ike_store_deadline(st), GRACE);
	/* told once more: the grace does not begin again */
	cr_assert_eq(tw_ike_store_put(st, &sa, key, NULL, 10 * SEC), 0);
	cr_assert_eq(find(st, 1, 1)->until_ns, GRACE);
	down(st, 2, 0, 0);
	cr_assert_eq(tw_ike_store_count(st), 0);
	tw_secret_drop(key);
	tw_ike_store_free(st);
}

Test(store, a_move_changes_addresses_and_nothing_else)
{
	struct tw_ike_store *st = store_new(0);
	struct tw_ike_sa sa = ike_stored(1);
	struct tw_secret *key = ike_key(1);

	put(st, 1, 0, 0);
	put(st, 1, 0, 0); /* the same again is no event */
	cr_assert_eq(events[TW_IKE_EV_MOVED], 0);
	sa.remote = ike_peer(77);
	cr_assert_eq(tw_ike_store_put(st, &sa, key, NULL, 1), 0);
	tw_secret_drop(key);
	cr_assert_eq(events[TW_IKE_EV_MOVED], 1);
	cr_assert_null(find_peer(st, 1, NULL, 1));
	cr_assert_not_null(find_peer(st, 77, NULL, 1));
	cr_assert_eq(tw_ike_store_count(st), 1);
	tw_ike_store_free(st);
}

Test(store, the_number_of_sas_is_bounded_and_what_was_left_out_counted)
{
	struct tw_ike_store *st = store_new(3);

	for (uint8_t n = 1; n <= 3; n++)
		cr_assert_eq(put(st, n, 0, 0), 0);
	cr_assert_eq(put(st, 4, 0, 0), -ENOSPC);
	cr_assert_eq(tw_ike_store_counts(st)->full, 1);
	/* a successor that does not fit: the old one ends its grace all the same */
	cr_assert_eq(put(st, 5, 1, 0), -ENOSPC);
	cr_assert_eq(find(st, 1, 0)->state, TW_IKE_SUPERSEDED);
	tw_ike_store_limits(st, 2, GRACE);
	cr_assert_eq(tw_ike_store_count(st), 3); /* what is there stays */
	down(st, 2, 0, 0);
	cr_assert_eq(put(st, 6, 0, 0), -ENOSPC);
	tw_ike_store_limits(st, 4, GRACE);
	cr_assert_eq(put(st, 6, 0, 0), 0);
	tw_ike_store_free(st);
}

Test(store, peers_on_their_way_are_known_for_a_while)
{
	struct tw_ike_store *st = store_new(0);
	struct tw_addr a = ike_peer(1);

	cr_assert_not(knows(st, 1, 0));
	tw_ike_store_coming(st, 50, &a, 10 * SEC);
	cr_assert(tw_ike_store_is_coming(st, &a, 10 * SEC - 1));
	cr_assert_not(tw_ike_store_is_coming(st, &a, 10 * SEC));
	cr_assert(knows(st, 1, 10 * SEC - 1));
	cr_assert_not(knows(st, 1, 10 * SEC));
	tw_ike_store_came(st, 50);
	cr_assert_not(knows(st, 1, 0));
	tw_ike_store_coming(st, 51, &a, 10 * SEC);
	tw_ike_store_lost(st, 0);
	cr_assert_not(knows(st, 1, 0));
	tw_ike_store_free(st);
}

Test(store, a_flood_of_peers_on_their_way_takes_the_place_of_the_oldest)
{
	struct tw_ike_store *st = store_new(0);
	struct tw_addr a;

	for (unsigned n = 1; n <= 200; n++) {
		a = ike_peer((uint8_t)n);
		tw_ike_store_coming(st, n, &a, 10 * SEC);
		cr_assert(knows(st, (uint8_t)n, 0));
	}
	cr_assert_not(knows(st, 1, 0));
	tw_ike_store_free(st);
}

Test(store, pages_go_by_serial)
{
	struct tw_ike_store *st = store_new(0);
	static const uint8_t order[] = {5, 9, 2, 7, 1};
	const struct tw_ike_sa *sa;
	uint64_t last = 0;
	unsigned cnt = 0;

	for (size_t i = 0; i < TW_ARRAY_SIZE(order); i++)
		put(st, order[i], 0, 0);
	for (sa = tw_ike_store_next(st, 0); sa != NULL; sa = tw_ike_store_next(st, last + 1)) {
		cr_assert_gt(sa->serial, last);
		last = sa->serial;
		cnt++;
	}
	cr_assert_eq(cnt, 5);
	tw_ike_store_free(st);
}

Test(store, thousands_come_and_go_without_a_trace)
{
	struct tw_ike_store *st = store_new(0);
	struct tw_ike_sa sa = ike_stored(1);
	size_t used = tw_crypto_heap_used();

	for (uint32_t i = 1; i <= 3000; i++) {
		struct tw_secret *key = ike_key((uint8_t)i);

		sa.serial = i;
		memcpy(sa.spis.i, &i, sizeof(i));
		cr_assert_eq(tw_ike_store_put(st, &sa, key, NULL, 0), 0);
		tw_secret_drop(key);
	}
	cr_assert_eq(tw_ike_store_count(st), 3000);
	tw_ike_store_list_begin(st);
	tw_ike_store_list_end(st);
	cr_assert_eq(tw_ike_store_count(st), 0);
	cr_assert_leq(tw_crypto_heap_used(), used);
	tw_ike_store_free(st);
}

Test(names, spis_read_back)
{
	struct tw_ike_spis s = ike_spis(0x1a), t;
	char text[TW_IKE_STR_SIZE];

	cr_assert_str_eq(tw_ike_spis_str(&s, text), "1a1a1a1a1a1a1a1a_9a9a9a9a9a9a9a9a");
	cr_assert(tw_ike_spis_parse(text, &t));
	cr_assert_arr_eq(&s, &t, sizeof(s));
	cr_assert(tw_ike_spis_parse("1A1A1A1A1A1A1A1A:9a9a9a9a9a9a9a9a", &t));
	cr_assert_arr_eq(&s, &t, sizeof(s));
	for (size_t len = 0; len < strlen(text); len++) {
		char cut[TW_IKE_STR_SIZE];

		snprintf(cut, sizeof(cut), "%.*s", (int)len, text);
		cr_assert_not(tw_ike_spis_parse(cut, &t));
	}
	cr_assert_not(tw_ike_spis_parse("1a1a1a1a1a1a1a1a_9a9a9a9a9a9a9a9a0", &t));
	cr_assert_not(tw_ike_spis_parse("1a1a1a1a1a1a1a1ag9a9a9a9a9a9a9a9a", &t));
	cr_assert_not(tw_ike_spis_parse("1a1a1a1a1a1a1a1_a9a9a9a9a9a9a9a9a", &t));
	cr_assert_not(tw_ike_spis_parse("xa1a1a1a1a1a1a1a_9a9a9a9a9a9a9a9a", &t));
}

Test(names, identities_match_patterns)
{
	static const struct {
		const char *pattern, *id;
		bool does;
	} rows[] = {
		{"", "", true},
		{"", "a", false},
		{"*", "", true},
		{"*", "anything", true},
		{"a.lab", "a.lab", true},
		{"a.lab", "a.labs", false},
		{"a.labs", "a.lab", false},
		{"*.lab", "a.lab", true},
		{"*.lab", ".lab", true},
		{"*.lab", "lab", false},
		{"a*c", "abbc", true},
		{"a*c", "abcb", false},
		{"a*b*c", "a-b-b-c", true},
		{"**", "x", true},
		{"*a*", "bab", true},
		{"*a*", "bb", false},
		{"A.lab", "a.lab", false},
		{"C=CH, O=lab, CN=*", "C=CH, O=lab, CN=b", true},
		{"*ab", "aaaaaaaaaaaaaaaaab", true},
	};

	for (size_t i = 0; i < TW_ARRAY_SIZE(rows); i++)
		cr_assert_eq(tw_ike_id_matches(rows[i].pattern, rows[i].id), rows[i].does,
			"'%s' '%s'", rows[i].pattern, rows[i].id);
}

Test(names, registry_names)
{
	cr_assert_str_eq(tw_ike_prf_name(2), "HMAC_SHA1");
	cr_assert_str_eq(tw_ike_prf_name(5), "HMAC_SHA2_256");
	cr_assert_str_eq(tw_ike_prf_name(8), "AES128_CMAC");
	cr_assert_null(tw_ike_prf_name(0));
	cr_assert_null(tw_ike_prf_name(9));
	cr_assert_str_eq(tw_ike_state_name(TW_IKE_SUPERSEDED), "superseded");
	cr_assert_str_eq(tw_ike_state_name(99), "?");
}
