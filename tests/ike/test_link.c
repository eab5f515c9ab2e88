/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The connection to a daemon, record by record under virtual time. Arrows: > daemon to us, < us to
 * the daemon.
 */
#include <criterion/criterion.h>
#include <errno.h>

#include "ike_check.h"

static struct {
	unsigned ready, unready, answers, not_stored;
	struct tw_ike_answer last;
	uint64_t last_serial; /* of the SA in it, 0: none */
	int res;
} seen;

static struct tw_ike_store *st;
static struct tw_ike_link *l;
static int64_t now;

static void
on_state(void *arg, bool is_ready)
{
	(void)arg;
	if (is_ready)
		seen.ready++;
	else
		seen.unready++;
}

static void
on_answer(void *arg, const struct tw_ike_answer *a)
{
	(void)arg;
	seen.answers++;
	seen.last = *a;
	seen.last_serial = a->sa != NULL ? a->sa->serial : 0;
}

static void
on_not_stored(void *arg, const struct tw_ike_sa *sa, int res)
{
	(void)arg;
	(void)sa;
	seen.not_stored++;
	seen.res = res;
}

static const struct tw_ike_link_ops ops = {
	.state = on_state, .answer = on_answer, .not_stored = on_not_stored};

static void
set_up(void)
{
	const struct tw_ike_store_cfg cfg = {.max = 100, .grace_ns = 30 * SEC};

	cr_assert_eq(tw_crypto_init_late(TW_CRYPTO_HEAP_MIN, NULL, 0), 0);
	st = tw_ike_store_new(&cfg);
	l = tw_ike_link_new(st, &ops, NULL);
	cr_assert_not_null(l);
	now = 1000 * SEC;
}

static void
tear_down(void)
{
	tw_ike_link_free(l);
	tw_ike_store_free(st);
}

TestSuite(link, .init = set_up, .fini = tear_down);

static unsigned
state(void)
{
	struct tw_ike_link_info info;

	tw_ike_link_info_get(l, &info);
	return info.state;
}

static unsigned
why(void)
{
	struct tw_ike_link_info info;

	tw_ike_link_info_get(l, &info);
	return info.why;
}

/* What is to be sent next; its type and seq. */
static uint16_t
sent(uint64_t *seq)
{
	size_t len;
	const uint8_t *p = tw_ike_link_output(l, &len);

	if (p == NULL)
		return 0;
	*seq = tw_load_be64(p + 8);
	tw_ike_link_sent(l);
	return tw_load_be16(p + 2);
}

#define GIVE(record)                                                                               \
	do {                                                                                       \
		__typeof__(record) r_ = (record);                                                  \
		tw_ike_link_input(l, &r_, sizeof(r_), now);                                        \
	} while (0)

static void
connect_daemon(uint8_t boot)
{
	cr_assert_eq(tw_ike_link_action(l), TW_IKE_LINK_CONNECT);
	tw_ike_link_connected(l, now);
	GIVE(ike_hello(boot));
	cr_assert_eq(state(), TW_IKE_LINK_LISTING);
}

/* < SUBSCRIBE  > OK  < LIST 0 */
static uint64_t
subscribe(void)
{
	uint64_t seq;

	cr_assert_eq(sent(&seq), IPPM_SUBSCRIBE);
	cr_assert_eq(sent(&seq), 0);
	GIVE(ike_result(seq, IPPM_SUBSCRIBE, IPPM_OK, 0));
	cr_assert_eq(sent(&seq), IPPM_LIST);
	return seq;
}

static void
make_ready(uint8_t boot)
{
	uint64_t seq;

	connect_daemon(boot);
	seq = subscribe();
	GIVE(ike_result(seq, IPPM_LIST, IPPM_OK, 0));
	cr_assert_eq(state(), TW_IKE_LINK_READY);
}

static void
turn_on(void)
{
	tw_ike_link_on(l, now);
	cr_assert_eq(tw_ike_link_deadline(l), now);
	tw_ike_link_timer(l, now);
}

static const struct tw_ike_sa *
find(uint8_t n)
{
	struct tw_ike_spis spis = ike_spis(n);

	return tw_ike_store_find(st, &spis, now, NULL);
}

Test(link, subscribes_then_lists_page_by_page)
{
	struct ippm_sa sa;
	uint64_t seq;

	cr_assert_eq(state(), TW_IKE_LINK_OFF);
	turn_on();
	connect_daemon(1);
	seq = subscribe();
	for (uint8_t n = 1; n <= 3; n++) {
		sa = ike_sa(IPPM_SA, IPPM_S_ESTABLISHED, n);
		sa.hdr.seq_be = __builtin_bswap64(seq);
		GIVE(sa);
	}
	GIVE(ike_sa(IPPM_SA_UP, IPPM_S_ESTABLISHED, 9)); /* an event in between */
	GIVE(ike_result(seq, IPPM_LIST, IPPM_OK, 4));
	cr_assert_eq(seen.ready, 0);
	cr_assert_eq(sent(&seq), IPPM_LIST);
	sa = ike_sa(IPPM_SA, IPPM_S_CONNECTING, 4);
	GIVE(sa);
	GIVE(ike_result(seq, IPPM_LIST, IPPM_OK, 0));
	cr_assert_eq(seen.ready, 1);
	cr_assert_eq(state(), TW_IKE_LINK_READY);
	cr_assert_eq(tw_ike_store_count(st), 4);
	cr_assert_not_null(find(2));
	cr_assert_null(find(4));
	struct tw_addr a = ike_peer(4);

	cr_assert(tw_ike_store_knows_peer(st, &a, now));
	cr_assert_eq(tw_ike_link_deadline(l), TW_IKE_NO_DEADLINE);
}

Test(link, follows_rekeying_and_deletion)
{
	struct ippm_sa sa;
	struct tw_ike_spis s1 = ike_spis(1), s2 = ike_spis(2);

	turn_on();
	make_ready(1);
	GIVE(ike_sa(IPPM_SA_CONNECTING, IPPM_S_CONNECTING, 1));
	GIVE(ike_sa(IPPM_SA_UP, IPPM_S_ESTABLISHED, 1));
	sa = ike_sa(IPPM_SA_REKEYED, IPPM_S_ESTABLISHED, 2);
	memcpy(sa.old_spi_i, s1.i, 8);
	memcpy(sa.old_spi_r, s1.r, 8);
	GIVE(sa);
	sa = ike_sa(IPPM_SA_DOWN, IPPM_S_GONE, 1);
	sa.reason = IPPM_R_REKEYED;
	memcpy(sa.new_spi_i, s2.i, 8);
	memcpy(sa.new_spi_r, s2.r, 8);
	GIVE(sa);
	cr_assert_eq(find(1)->state, TW_IKE_SUPERSEDED);
	cr_assert_eq(find(2)->state, TW_IKE_ESTABLISHED);
	sa = ike_sa(IPPM_SA_DOWN, IPPM_S_GONE, 2);
	sa.reason = IPPM_R_DEAD;
	GIVE(sa);
	cr_assert_eq(tw_ike_store_count(st), 0);
}

Test(link, a_rekeying_told_by_the_end_of_the_old_one_alone_counts)
{
	struct tw_ike_spis s2 = ike_spis(2);
	struct ippm_sa sa;

	turn_on();
	make_ready(1);
	GIVE(ike_sa(IPPM_SA_UP, IPPM_S_ESTABLISHED, 1));
	sa = ike_sa(IPPM_SA_DOWN, IPPM_S_GONE, 1);
	sa.reason = IPPM_R_REKEYED;
	memcpy(sa.new_spi_i, s2.i, 8);
	memcpy(sa.new_spi_r, s2.r, 8);
	GIVE(sa);
	cr_assert_eq(find(1)->state, TW_IKE_SUPERSEDED);
}

Test(link, failed_set_ups_are_no_longer_expected)
{
	struct tw_addr a = ike_peer(1);

	turn_on();
	make_ready(1);
	GIVE(ike_sa(IPPM_SA_CONNECTING, IPPM_S_CONNECTING, 1));
	cr_assert(tw_ike_store_knows_peer(st, &a, now));
	GIVE(ike_sa(IPPM_SA_FAILED, IPPM_S_GONE, 1));
	cr_assert_not(tw_ike_store_knows_peer(st, &a, now));
}

Test(link, comes_back_with_backoff_and_keeps_keys_of_the_same_boot)
{
	int64_t waits[6];

	turn_on();
	make_ready(1);
	GIVE(ike_sa(IPPM_SA_UP, IPPM_S_ESTABLISHED, 1));
	now += 20 * SEC;
	tw_ike_link_lost(l, 0, now);
	cr_assert_eq(why(), TW_IKE_LINK_WHY_EOF);
	cr_assert_eq(seen.unready, 1);
	for (size_t i = 0; i < TW_ARRAY_SIZE(waits); i++) {
		waits[i] = tw_ike_link_deadline(l) - now;
		now += waits[i];
		tw_ike_link_timer(l, now - 1);
		cr_assert_eq(tw_ike_link_action(l), TW_IKE_LINK_NONE);
		tw_ike_link_timer(l, now);
		cr_assert_eq(tw_ike_link_action(l), TW_IKE_LINK_CONNECT);
		tw_ike_link_lost(l, -ECONNREFUSED, now);
		cr_assert_eq(why(), TW_IKE_LINK_WHY_ERRNO);
	}
	cr_assert_eq(waits[0], 100 * MS);
	cr_assert_eq(waits[1], 200 * MS);
	cr_assert_eq(waits[5], 1 * SEC);
	now = tw_ike_link_deadline(l);
	tw_ike_link_timer(l, now);
	cr_assert_not_null(find(1));
	connect_daemon(1);
	cr_assert_not_null(find(1));
	GIVE(ike_result(subscribe(), IPPM_LIST, IPPM_OK, 0)); /* but it is not listed */
	cr_assert_null(find(1));
}

Test(link, another_boot_id_forgets_all)
{
	turn_on();
	make_ready(1);
	GIVE(ike_sa(IPPM_SA_UP, IPPM_S_ESTABLISHED, 1));
	tw_ike_link_lost(l, 0, now);
	now = tw_ike_link_deadline(l);
	tw_ike_link_timer(l, now);
	connect_daemon(2);
	cr_assert_null(find(1));
	cr_assert_eq(tw_ike_store_counts(st)->flushed, 1);
}

Test(link, without_hello_it_leaves)
{
	turn_on();
	tw_ike_link_connected(l, now);
	cr_assert_eq(tw_ike_link_deadline(l), now + 5 * SEC);
	now += 5 * SEC;
	tw_ike_link_timer(l, now);
	cr_assert_eq(tw_ike_link_action(l), TW_IKE_LINK_CLOSE);
	tw_ike_link_lost(l, 0, now);
	cr_assert_eq(why(), TW_IKE_LINK_WHY_SILENT);
	cr_assert_eq(state(), TW_IKE_LINK_WAITING);
}

Test(link, a_daemon_that_stops_answering_is_left)
{
	turn_on();
	connect_daemon(1);
	subscribe();
	now = tw_ike_link_deadline(l);
	tw_ike_link_timer(l, now);
	cr_assert_eq(tw_ike_link_action(l), TW_IKE_LINK_CLOSE);
	cr_assert_eq(why(), TW_IKE_LINK_WHY_SILENT);
}

Test(link, another_version_is_left_and_said)
{
	struct ippm_hello h = ike_hello(1);

	turn_on();
	tw_ike_link_connected(l, now);
	h.version_min_be = __builtin_bswap16(2);
	GIVE(h);
	cr_assert_eq(tw_ike_link_action(l), TW_IKE_LINK_CLOSE);
	cr_assert_eq(why(), TW_IKE_LINK_WHY_VERSION);
	tw_ike_link_lost(l, 0, now);
	cr_assert_eq(why(), TW_IKE_LINK_WHY_VERSION);

	now = tw_ike_link_deadline(l);
	tw_ike_link_timer(l, now);
	tw_ike_link_connected(l, now);
	h = ike_hello(1);
	h.hdr.version_be = __builtin_bswap16(2);
	GIVE(h);
	cr_assert_eq(why(), TW_IKE_LINK_WHY_VERSION);
}

Test(link, what_is_not_understood_ends_the_connection_and_changes_nothing)
{
	struct ippm_sa sa = ike_sa(IPPM_SA_UP, IPPM_S_ESTABLISHED, 2);

	turn_on();
	make_ready(1);
	GIVE(ike_sa(IPPM_SA_UP, IPPM_S_ESTABLISHED, 1));
	tw_ike_link_input(l, &sa, sizeof(sa) / 2, now); /* half a record */
	cr_assert_eq(tw_ike_link_action(l), TW_IKE_LINK_CLOSE);
	cr_assert_eq(why(), TW_IKE_LINK_WHY_RECORD);
	GIVE(sa); /* what comes behind it is not read */
	cr_assert_eq(tw_ike_store_count(st), 1);
	tw_ike_link_lost(l, 0, now);
	cr_assert_not_null(find(1));
}

Test(link, events_of_later_daemons_are_skipped)
{
	struct ippm_hdr h = ike_hello(1).hdr;
	struct tw_ike_link_info info;

	turn_on();
	make_ready(1);
	h.type_be = __builtin_bswap16(999);
	h.size_be = __builtin_bswap32(sizeof(h));
	GIVE(h);
	tw_ike_link_info_get(l, &info);
	cr_assert_eq(info.events_skipped, 1);
	cr_assert_eq(state(), TW_IKE_LINK_READY);
}

Test(link, a_listing_that_does_not_go_forward_ends)
{
	uint64_t seq;

	turn_on();
	connect_daemon(1);
	seq = subscribe();
	GIVE(ike_result(seq, IPPM_LIST, IPPM_OK, 40));
	cr_assert_eq(sent(&seq), IPPM_LIST);
	GIVE(ike_result(seq, IPPM_LIST, IPPM_OK, 40));
	cr_assert_eq(why(), TW_IKE_LINK_WHY_ANSWER);
	cr_assert_eq(tw_ike_link_action(l), TW_IKE_LINK_CLOSE);
}

Test(link, refusals_end_the_connection)
{
	uint64_t seq;

	turn_on();
	connect_daemon(1);
	cr_assert_eq(sent(&seq), IPPM_SUBSCRIBE);
	GIVE(ike_result(seq, IPPM_SUBSCRIBE, IPPM_BAD_REQUEST, 0));
	cr_assert_eq(why(), TW_IKE_LINK_WHY_ANSWER);
}

Test(link, an_answer_nobody_asked_for_ends_the_connection)
{
	turn_on();
	make_ready(1);
	GIVE(ike_result(99, IPPM_LIST, IPPM_OK, 0));
	cr_assert_eq(why(), TW_IKE_LINK_WHY_ANSWER);
}

static uint64_t
initiate(uint32_t deadline_ms)
{
	const struct tw_ike_req req = {
		.type = TW_IKE_MSG_INITIATE, .peer = ike_peer(1), .deadline_ms = deadline_ms};

	return tw_ike_link_ask(l, &req, now);
}

Test(link, initiates_and_has_the_sa_when_it_is_told)
{
	struct ippm_sa sa;
	uint64_t id, seq;

	cr_assert_eq(initiate(100), 0); /* no daemon */
	turn_on();
	make_ready(1);
	id = initiate(100);
	cr_assert_neq(id, 0);
	cr_assert_eq(sent(&seq), IPPM_INITIATE);
	cr_assert_eq(seq, id);
	GIVE(ike_sa(IPPM_SA_CONNECTING, IPPM_S_CONNECTING, 1));
	GIVE(ike_sa(IPPM_SA_UP, IPPM_S_ESTABLISHED, 1));
	sa = ike_sa(IPPM_SA, IPPM_S_ESTABLISHED, 1);
	sa.hdr.seq_be = __builtin_bswap64(seq);
	GIVE(sa);
	cr_assert_eq(seen.answers, 0);
	GIVE(ike_result(seq, IPPM_INITIATE, IPPM_OK, 0));
	cr_assert_eq(seen.answers, 1);
	cr_assert_eq(seen.last.id, id);
	cr_assert_eq(seen.last.outcome, TW_IKE_DONE);
	cr_assert_eq(seen.last.result.status, TW_IKE_MSG_OK);
	cr_assert_eq(seen.last_serial, 1);
}

Test(link, an_initiation_without_an_answer_ends_a_second_after_its_deadline)
{
	uint64_t id, seq;

	turn_on();
	make_ready(1);
	id = initiate(500);
	cr_assert_eq(sent(&seq), IPPM_INITIATE);
	cr_assert_eq(tw_ike_link_deadline(l), now + 1500 * MS);
	now += 1500 * MS;
	tw_ike_link_timer(l, now);
	cr_assert_eq(seen.answers, 1);
	cr_assert_eq(seen.last.id, id);
	cr_assert_eq(seen.last.outcome, TW_IKE_NO_ANSWER);
	cr_assert_eq(state(), TW_IKE_LINK_READY);
	GIVE(ike_result(seq, IPPM_INITIATE, IPPM_TIMED_OUT, 0)); /* late: nobody cares */
	cr_assert_eq(seen.answers, 1);
	cr_assert_eq(state(), TW_IKE_LINK_READY);
}

Test(link, loss_answers_all_that_is_under_way)
{
	uint64_t seq;

	turn_on();
	make_ready(1);
	initiate(500);
	initiate(500);
	cr_assert_eq(sent(&seq), IPPM_INITIATE);
	tw_ike_link_lost(l, -EPIPE, now);
	cr_assert_eq(seen.answers, 2);
	cr_assert_eq(seen.last.outcome, TW_IKE_NOT_CONNECTED);
}

Test(link, the_number_of_requests_is_bounded)
{
	uint64_t seq, first = 0;

	turn_on();
	connect_daemon(1); /* SUBSCRIBE has its place all the same */
	for (unsigned i = 0; i < TW_IKE_LINK_PENDING_MAX; i++) {
		cr_assert_neq(initiate(500), 0);
	}
	cr_assert_eq(initiate(500), 0);
	cr_assert_eq(sent(&seq), IPPM_SUBSCRIBE);
	GIVE(ike_result(seq, IPPM_SUBSCRIBE, IPPM_OK, 0));
	/* in the order they were asked */
	for (unsigned i = 0; i <= TW_IKE_LINK_PENDING_MAX; i++) {
		cr_assert_neq(sent(&seq), 0);
		cr_assert_gt(seq, first);
		first = seq;
	}
	cr_assert_eq(sent(&seq), 0);
}

Test(link, off_closes_and_stays_off)
{
	turn_on();
	make_ready(1);
	tw_ike_link_off(l, now);
	cr_assert_eq(tw_ike_link_action(l), TW_IKE_LINK_CLOSE);
	tw_ike_link_lost(l, 0, now);
	cr_assert_eq(state(), TW_IKE_LINK_OFF);
	cr_assert_eq(tw_ike_link_deadline(l), TW_IKE_NO_DEADLINE);
	cr_assert_eq(tw_ike_link_action(l), TW_IKE_LINK_NONE);
	turn_on();
	make_ready(1);
}

Test(link, sas_beyond_the_bound_are_told)
{
	turn_on();
	make_ready(1);
	tw_ike_store_limits(st, 2, 30 * SEC);
	for (uint8_t n = 1; n <= 4; n++)
		GIVE(ike_sa(IPPM_SA_UP, IPPM_S_ESTABLISHED, n));
	cr_assert_eq(tw_ike_store_count(st), 2);
	cr_assert_eq(seen.not_stored, 2);
	cr_assert_eq(seen.res, -ENOSPC);
	cr_assert_eq(state(), TW_IKE_LINK_READY);
}
