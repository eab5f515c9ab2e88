/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/* IKEv2-derived keys at the server: what is offered, which SA is taken, who waits for one. */
#include <criterion/criterion.h>

#include "talk.h"

#define PEER  "192.0.2.77"
#define OTHER "198.51.100.1"

static struct bed bed;
static uint8_t key[64];
static const uint8_t spis[16] = {
	1, 1, 1, 1, 1, 1, 1, 1, 0xfe, 0xfe, 0xfe, 0xfe, 0xfe, 0xfe, 0xfe, 0xfe};

static void
begin(void)
{
	bed_init(&bed);
	bed.is_ike_up = true;
	bed_key_octets(key, sizeof(key), 0xf0);
}

static void
end(void)
{
	bed_fini(&bed);
}

TestSuite(srv_ike, .init = begin, .fini = end);

static uint64_t
counter(enum tw_ctl_counter c)
{
	return tw_ctl_srv_counter(bed.srv, c);
}

static uint32_t
waiters(void)
{
	struct tw_ctl_srv_live live;

	tw_ctl_srv_live_get(bed.srv, &live);
	return live.ike_waiters;
}

/* Set up with these SPIs and key. @return Accept, -1 if nothing was said */
static int
name_sa(struct talk *t, uint32_t mode, const uint8_t *named, const uint8_t *with, size_t len)
{
	talk_setup_spis(t, mode, named, 0, with, len);
	bed_derive(&bed);
	return talk_server_start(t);
}

/* R-7717-003, -010: bit 7 beside a mode that has use for it, while the owner and policy say so */
Test(srv_ike, offers_bit_7)
{
	static const struct {
		bool is_up, has_knob, has_keys;
		uint32_t modes, want;
	} row[] = {
		{true, true, true, 15, 15 | 128},
		{true, true, false, 15, 15 | 128}, /* IKE is a key, too */
		{false, true, true, 15, 15},
		{false, true, false, 15, 1},
		{true, false, true, 15, 15},
		{true, true, true, TW_MODE_OPEN, TW_MODE_OPEN},
		{true, true, true, TW_MODE_MIXED, TW_MODE_MIXED | 128},
	};

	for (size_t i = 0; i < TW_ARRAY_SIZE(row); i++) {
		struct talk t;

		bed_fini(&bed);
		bed_init(&bed);
		if (!row[i].has_keys) {
			tw_keyring_free(bed.keys);
			bed.keys = tw_keyring_new(0);
		}
		bed.is_ike_up = row[i].is_up;
		bed.cfg.set[TW_CTL_SET_IKE_OFFER] = row[i].has_knob;
		bed.cfg.modes = row[i].modes;
		bed_serve(&bed);
		talk_open(&t, &bed, PEER);
		cr_expect_eq(t.greeting.modes, row[i].want, "row %zu: %u", i, t.greeting.modes);
		talk_close(&t);
	}
}

/*
 *  client                                             server
 *    | <- Server-Greeting, 15 + 128 ------------------- |
 *    | -- Set-Up-Response, 130 / 132 / 136, SPIs -----> |  key of that SA
 *    | <- Server-Start, Accept 0 ---------------------- |
 *    | -- Request-TW-Session -------------------------> |
 *    | <- Accept-Session, Accept 0 -------------------- |
 * R-7717-018, -019: octets 16..79 of the KeyID are ignored, whatever they hold; A-20: keys of 16 to
 * 64 octets, zeros among them
 */
Test(srv_ike, every_selection_and_key_length)
{
	static const uint32_t modes[] = {130, 132, 136};
	static const size_t lens[] = {16, 20, 32, 48, 64};

	bed_serve(&bed);
	for (size_t m = 0; m < TW_ARRAY_SIZE(modes); m++) {
		for (size_t k = 0; k < TW_ARRAY_SIZE(lens); k++) {
			struct tw_wire_request_tw req = talk_request_of(5000, 50000);
			struct tw_ctl_conn_info info;
			struct talk t;

			bed.sa_cnt = 0;
			bed_add_sa(&bed, 1, key, lens[k]);
			talk_open(&t, &bed, PEER);
			talk_setup_spis(&t, modes[m], spis, k % 2 ? 0xff : 0, key, lens[k]);
			bed_derive(&bed);
			cr_assert_eq(talk_server_start(&t), 0);
			cr_assert_eq(talk_request(&t, &req).accept, 0);
			cr_assert_eq(bed_sess_at(&bed, 0)->param.mode, modes[m]);
			tw_ctl_conn_info_get(t.conn, &info);
			cr_assert_eq(info.mode, modes[m]);
			cr_assert(info.has_spis);
			cr_assert_arr_eq(info.spis, spis, 16);
			cr_assert_str_empty(info.key_id);
			talk_close(&t);
		}
	}
	cr_assert_eq(counter(TW_CTL_CTR_SET_UP_IKE), 15);
	cr_assert_eq(counter(TW_CTL_CTR_SET_UP_SECURE), 15);
	cr_assert_eq(counter(TW_CTL_CTR_SET_UP_SUPERSEDED), 0);
}

/* 129 would hide a downgrade; A-15: 128 alone names no mode, the client leaves; 130 unoffered
 */
Test(srv_ike, illegal_selections)
{
	struct talk t;

	bed_serve(&bed);
	bed_add_sa(&bed, 1, key, 32);
	talk_open(&t, &bed, PEER);
	cr_assert_eq(name_sa(&t, 129, spis, key, 32), 3);
	cr_assert_eq(talk_why(&t), TW_CTL_WHY_MODE_ILLEGAL);
	talk_close(&t);
	talk_open(&t, &bed, PEER);
	cr_assert_eq(name_sa(&t, 134, spis, key, 32), 3); /* two modes */
	talk_close(&t);
	talk_open(&t, &bed, PEER);
	cr_assert_eq(name_sa(&t, 128, spis, key, 32), -1);
	cr_assert(talk_is_over(&t));
	cr_assert_eq(talk_why(&t), TW_CTL_WHY_CLIENT_LEFT);
	talk_close(&t);
	bed.is_ike_up = false;
	talk_open(&t, &bed, PEER);
	cr_assert_eq(name_sa(&t, 130, spis, key, 32), 3);
	cr_assert_eq(bed.ike_calls, 0);
	talk_close(&t);
}

/* the Mode alone tells names from SPIs. A key of IKE opens nothing by name, nor the reverse.
 */
Test(srv_ike, names_are_no_spis)
{
	uint8_t name[16] = BED_USER;
	struct talk t;

	bed_serve(&bed);
	bed_add_sa(&bed, 1, key, 32);
	talk_open(&t, &bed, PEER);
	cr_assert_eq(name_sa(&t, TW_MODE_AUTH, spis, key, 32), 1);
	cr_assert_eq(talk_why(&t), TW_CTL_WHY_AUTH_FAILED);
	talk_close(&t);
	talk_open(&t, &bed, PEER);
	cr_assert_eq(name_sa(&t, 130, name, (const uint8_t *)BED_SECRET, strlen(BED_SECRET)), 6);
	talk_close(&t);
}

/* Both kinds of clients at once on one server */
Test(srv_ike, beside_passphrases)
{
	struct tw_wire_request_tw req = talk_request_of(5000, 50000);
	struct talk a, b;

	bed_serve(&bed);
	bed_add_sa(&bed, 1, key, 32);
	talk_open(&a, &bed, PEER);
	talk_open(&b, &bed, OTHER);
	talk_setup_spis(&a, 132, spis, 0, key, 32);
	talk_setup_response(&b, TW_MODE_ENCR, BED_USER, BED_SECRET);
	cr_assert_eq(bed_derive(&bed), 2);
	cr_assert_eq(talk_server_start(&a), 0);
	cr_assert_eq(talk_server_start(&b), 0);
	cr_assert_eq(talk_request(&a, &req).accept, 0);
	cr_assert_eq(talk_request(&b, &req).accept, 0);
	talk_close(&a);
	talk_close(&b);
}

/* What the owner answers, and what the client and the log are told for it */
Test(srv_ike, answers_of_the_owner)
{
	static const struct {
		enum tw_ctl_ike answer;
		int accept;
		enum tw_ctl_why why;
	} row[] = {
		{TW_CTL_IKE_UNKNOWN, 6, TW_CTL_WHY_IKE_NO_SA},
		{TW_CTL_IKE_ENDED, 6, TW_CTL_WHY_IKE_ENDED},
		{TW_CTL_IKE_ADDRESS, 1, TW_CTL_WHY_IKE_ADDRESS},
		{TW_CTL_IKE_IDENTITY, 1, TW_CTL_WHY_IKE_IDENTITY},
	};
	struct bed_sa *sa = bed_add_sa(&bed, 1, key, 32);

	bed_serve(&bed);
	for (size_t i = 0; i < TW_ARRAY_SIZE(row); i++) {
		unsigned notes = bed.note_cnt;
		struct talk t;

		sa->answer = row[i].answer;
		talk_open(&t, &bed, PEER);
		talk_setup_spis(&t, 130, spis, 0, key, 32);
		/* at once, without a derivation; R-7717-020: one line in the log */
		cr_assert_eq(bed.job_cnt, 0);
		cr_assert_eq(talk_server_start(&t), row[i].accept);
		cr_assert_eq(t.server_start, 0);
		cr_assert(talk_is_over(&t));
		cr_assert_eq(talk_why(&t), row[i].why);
		cr_assert_eq(bed.note_cnt, notes + 1);
		talk_close(&t);
	}
}

/* R-7717-021: the peer must be where the SA is; a key of somebody else's SA is of no use */
Test(srv_ike, address_of_the_sa)
{
	struct bed_sa *sa = bed_add_sa(&bed, 1, key, 32);
	struct talk t;

	sa->peer = bed_addr(PEER);
	bed_serve(&bed);
	talk_open(&t, &bed, OTHER);
	cr_assert_eq(name_sa(&t, 130, spis, key, 32), 1);
	cr_assert_eq(talk_why(&t), TW_CTL_WHY_IKE_ADDRESS);
	talk_close(&t);
	talk_open(&t, &bed, PEER);
	cr_assert_eq(name_sa(&t, 130, spis, key, 32), 0);
	talk_close(&t);
}

Test(srv_ike, wrong_key)
{
	uint8_t wrong[32];
	struct talk t;

	bed_serve(&bed);
	bed_add_sa(&bed, 1, key, 32);
	memcpy(wrong, key, sizeof(wrong));
	wrong[31] ^= 1;
	talk_open(&t, &bed, PEER);
	cr_assert_eq(name_sa(&t, 132, spis, wrong, sizeof(wrong)), 1);
	cr_assert_eq(talk_why(&t), TW_CTL_WHY_IKE_AUTH_FAILED);
	talk_close(&t);
}

/* an SA in its grace after a rekey serves on, and is counted */
Test(srv_ike, superseded)
{
	struct talk t;

	bed_serve(&bed);
	bed_add_sa(&bed, 1, key, 32)->answer = TW_CTL_IKE_SUPERSEDED;
	talk_open(&t, &bed, PEER);
	cr_assert_eq(name_sa(&t, 130, spis, key, 32), 0);
	cr_assert_eq(counter(TW_CTL_CTR_SET_UP_SUPERSEDED), 1);
	talk_close(&t);
}

/*
 *  client                                     server
 *    | -- Set-Up-Response, 130, SPIs -------> |  not heard of; the peer may get one: waits
 *    |                                        |  ... the SA arrives, key derived
 *    | <- Server-Start, Accept 0 ------------ |
 */
Test(srv_ike, waits_for_an_sa_that_may_come)
{
	struct tw_wire_request_tw req = talk_request_of(5000, 50000);
	uint8_t other[16] = {2};
	struct talk t;

	bed.ike_expects = bed_addr(PEER);
	bed_serve(&bed);
	talk_open(&t, &bed, PEER);
	talk_setup_spis(&t, 130, spis, 0, key, 32);
	cr_assert_eq(talk_state(&t), TW_CTL_CONN_WAIT_SA);
	cr_assert_str_eq(tw_ctl_conn_state_name(talk_state(&t)), "wait-ike-sa");
	cr_assert_eq(waiters(), 1);
	cr_assert(talk_is_silent(&t));
	bed_wait(&bed, BED_NS_PER_S);
	tw_ctl_srv_ike_changed(bed.srv, other, bed.now); /* of somebody else */
	tw_ctl_srv_ike_changed(bed.srv, NULL, bed.now);  /* still not there */
	cr_assert_eq(talk_state(&t), TW_CTL_CONN_WAIT_SA);
	bed_add_sa(&bed, 1, key, 32);
	bed.wake_cnt = 0;
	tw_ctl_srv_ike_changed(bed.srv, spis, bed.now);
	cr_assert_eq(talk_state(&t), TW_CTL_CONN_WAIT_KDF);
	cr_assert_eq(bed.wake_cnt, 1);
	cr_assert_eq(waiters(), 0);
	bed_derive(&bed);
	cr_assert_eq(talk_server_start(&t), 0);
	cr_assert_eq(talk_request(&t, &req).accept, 0);
	cr_assert_eq(counter(TW_CTL_CTR_IKE_WAITS), 1);
	cr_assert_eq(counter(TW_CTL_CTR_IKE_WAITS_OVER), 1);
	talk_close(&t);
}

/* Nobody told of it, but at the end of the wait it is there */
Test(srv_ike, looks_once_more_at_the_end_of_the_wait)
{
	struct talk t;

	bed.ike_expects = bed_addr(PEER);
	bed_serve(&bed);
	talk_open(&t, &bed, PEER);
	talk_setup_spis(&t, 132, spis, 0, key, 32);
	bed_add_sa(&bed, 1, key, 32);
	bed_wait(&bed, 1500 * 1000000LL);
	cr_assert_eq(bed_derive(&bed), 1);
	cr_assert_eq(talk_server_start(&t), 0);
	talk_close(&t);
}

/* 1.5 s by default, to the nanosecond; then Accept 6 and one line */
Test(srv_ike, the_wait_ends)
{
	static const uint32_t waits_ms[] = {1500, 1, 10000};

	for (size_t i = 0; i < TW_ARRAY_SIZE(waits_ms); i++) {
		struct talk t;

		bed_fini(&bed);
		bed_init(&bed);
		bed.is_ike_up = true;
		bed.ike_expects = bed_addr(PEER);
		if (i > 0)
			bed.cfg.set[TW_CTL_SET_IKE_WAIT] = waits_ms[i];
		bed_serve(&bed);
		talk_open(&t, &bed, PEER);
		talk_setup_spis(&t, 130, spis, 0, key, 32);
		bed_wait(&bed, waits_ms[i] * 1000000LL - 1);
		cr_assert_eq(talk_state(&t), TW_CTL_CONN_WAIT_SA);
		cr_assert_eq(bed.note_cnt, 0);
		bed_wait(&bed, 1);
		cr_assert_eq(talk_server_start(&t), 6);
		cr_assert(talk_is_over(&t));
		cr_assert_eq(talk_why(&t), TW_CTL_WHY_IKE_NO_SA);
		cr_assert_eq(bed.note_cnt, 1);
		cr_assert_eq(waiters(), 0);
		talk_close(&t);
	}
}

/* The owner says that nothing will come after all: at once; it came, but not for this peer: too */
Test(srv_ike, the_wait_is_in_vain)
{
	struct bed_sa *sa;
	struct talk a, b;

	bed.ike_expects = bed_addr(PEER);
	bed_serve(&bed);
	talk_open(&a, &bed, PEER);
	talk_setup_spis(&a, 130, spis, 0, key, 32);
	bed.ike_expects = bed_addr(OTHER);
	tw_ctl_srv_ike_changed(bed.srv, NULL, bed.now);
	cr_assert_eq(talk_server_start(&a), 6);
	talk_open(&b, &bed, OTHER);
	talk_setup_spis(&b, 130, spis, 0, key, 32);
	cr_assert_eq(waiters(), 1);
	sa = bed_add_sa(&bed, 1, key, 32);
	sa->peer = bed_addr(PEER);
	tw_ctl_srv_ike_changed(bed.srv, spis, bed.now);
	cr_assert_eq(talk_server_start(&b), 1);
	talk_close(&a);
	talk_close(&b);
}

Test(srv_ike, no_wait_where_the_setting_says_so)
{
	struct talk t;

	bed.ike_expects = bed_addr(PEER);
	bed.cfg.set[TW_CTL_SET_IKE_WAIT] = 0;
	bed_serve(&bed);
	talk_open(&t, &bed, PEER);
	talk_setup_spis(&t, 130, spis, 0, key, 32);
	cr_assert_eq(talk_server_start(&t), 6);
	talk_close(&t);
}

/* Peer gone, connection aborted, server ended while one waits: nothing is left of it */
Test(srv_ike, waiters_that_leave)
{
	struct talk a, b, c;

	bed.ike_expects = bed_addr(PEER);
	bed_serve(&bed);
	talk_open(&a, &bed, PEER);
	talk_open(&b, &bed, PEER);
	talk_open(&c, &bed, PEER);
	talk_setup_spis(&a, 130, spis, 0, key, 32);
	talk_setup_spis(&b, 130, spis, 0, key, 32);
	talk_setup_spis(&c, 130, spis, 0, key, 32);
	cr_assert_eq(waiters(), 3);
	tw_ctl_conn_eof(a.conn, bed.now);
	tw_ctl_conn_lost(b.conn, bed.now);
	cr_assert_eq(waiters(), 1);
	talk_close(&c);
	cr_assert_eq(waiters(), 0);
	bed_add_sa(&bed, 1, key, 32);
	tw_ctl_srv_ike_changed(bed.srv, NULL, bed.now);
	cr_assert_eq(bed.job_cnt, 0);
	talk_close(&a);
	talk_close(&b);
}

/* Room to wait is bounded, of all and of one source: who finds none is told at once */
Test(srv_ike, cap_on_waiters)
{
	enum { CAP = 3, N = 5 };
	struct talk t[N];

	for (int per_source = 0; per_source < 2; per_source++) {
		enum tw_ctl_limit l =
			per_source ? TW_CTL_LIMIT_IKE_WAITERS_PER_SOURCE : TW_CTL_LIMIT_IKE_WAITERS;

		bed_fini(&bed);
		bed_init(&bed);
		bed.is_ike_up = true;
		bed.ike_expects = bed_addr(PEER);
		bed.cfg.limit[TW_CTL_CLASS_TRUSTED][l] = CAP;
		bed_serve(&bed);
		for (int i = 0; i < N; i++) {
			talk_open(&t[i], &bed, PEER);
			talk_setup_spis(&t[i], 130, spis, 0, key, 32);
			cr_assert_eq(talk_server_start(&t[i]), i < CAP ? -1 : 6);
		}
		cr_assert_eq(waiters(), CAP);
		cr_assert_eq(tw_ctl_srv_limit_hits(bed.srv, TW_CTL_CLASS_TRUSTED, l), N - CAP);
		/* room again as soon as one is gone */
		talk_close(&t[0]);
		talk_open(&t[0], &bed, PEER);
		talk_setup_spis(&t[0], 130, spis, 0, key, 32);
		cr_assert_eq(talk_server_start(&t[0]), -1);
		for (int i = 0; i < N; i++)
			talk_close(&t[i]);
	}
}

/*
 * The SA ends while PBKDF2 runs with its key: no new connection. (One that is set up stays: it has
 * keys of its own.)
 */
Test(srv_ike, sa_ends_while_its_key_is_derived)
{
	static const struct {
		enum tw_ctl_ike answer;
		int accept;
		enum tw_ctl_why why;
	} row[] = {
		{TW_CTL_IKE_ENDED, 6, TW_CTL_WHY_IKE_ENDED},
		{TW_CTL_IKE_UNKNOWN, 6, TW_CTL_WHY_IKE_ENDED}, /* and already forgotten */
		{TW_CTL_IKE_EXPECTED, 6, TW_CTL_WHY_IKE_ENDED},
		{TW_CTL_IKE_IDENTITY, 1, TW_CTL_WHY_IKE_IDENTITY}, /* policy changed */
		{TW_CTL_IKE_ADDRESS, 1, TW_CTL_WHY_IKE_ADDRESS},   /* MOBIKE moved it */
		{TW_CTL_IKE_SUPERSEDED, 0, TW_CTL_WHY_NONE},       /* rekeyed: its grace */
	};
	struct tw_wire_request_tw req = talk_request_of(5000, 50000);
	struct bed_sa *sa = bed_add_sa(&bed, 1, key, 32);
	struct talk lives;

	bed_serve(&bed);
	talk_open(&lives, &bed, PEER);
	cr_assert_eq(name_sa(&lives, 132, spis, key, 32), 0);
	for (size_t i = 0; i < TW_ARRAY_SIZE(row); i++) {
		struct talk t;

		sa->answer = TW_CTL_IKE_OK;
		talk_open(&t, &bed, PEER);
		talk_setup_spis(&t, 132, spis, 0, key, 32);
		cr_assert_eq(bed.job_cnt, 1);
		sa->answer = row[i].answer;
		tw_ctl_srv_ike_changed(bed.srv, spis, bed.now);
		bed_derive(&bed);
		cr_assert_eq(talk_server_start(&t), row[i].accept);
		cr_assert_eq(talk_why(&t), row[i].why);
		talk_close(&t);
	}
	/* R-7717-009 */
	sa->answer = TW_CTL_IKE_ENDED;
	cr_assert_eq(talk_request(&lives, &req).accept, 0);
	cr_assert_eq(talk_start(&lives), 0);
	talk_stop(&lives, 1);
	cr_assert_eq(talk_state(&lives), TW_CTL_CONN_READY);
	talk_close(&lives);
}

/* The queue of derivations bounds these too; a refusal leaves nothing behind */
Test(srv_ike, no_room_to_derive)
{
	struct talk t;

	bed_serve(&bed);
	bed_add_sa(&bed, 1, key, 32);
	bed.kdf_is_full = true;
	talk_open(&t, &bed, PEER);
	cr_assert_eq(name_sa(&t, 130, spis, key, 32), 5);
	talk_close(&t);
	bed.kdf_is_full = false;
	talk_open(&t, &bed, PEER);
	talk_setup_spis(&t, 130, spis, 0, key, 32);
	bed_drop_jobs(&bed); /* at shutdown */
	cr_assert_eq(talk_server_start(&t), 2);
	talk_close(&t);
}

/* Random SPIs from everywhere cost no derivation and no waiting; a good client is served meanwhile
 */
Test(srv_ike, flood_of_random_spis)
{
	struct tw_wire_request_tw req = talk_request_of(5000, 50000);
	struct talk good, t;
	uint8_t named[16];

	bed.ike_expects = bed_addr(PEER);
	bed_serve(&bed);
	bed_add_sa(&bed, 1, key, 32);
	talk_open(&good, &bed, PEER);
	for (int i = 0; i < 2000; i++) {
		for (size_t j = 0; j < sizeof(named); j++)
			named[j] = (uint8_t)bed_next(&bed.seed);
		talk_open(&t, &bed, i % 2 ? OTHER : "203.0.113.9");
		talk_setup_spis(&t, 130, named, 0, key, 32);
		cr_assert_eq(talk_server_start(&t), 6);
		cr_assert(talk_is_over(&t));
		cr_assert_eq(bed.job_cnt, 0);
		talk_close(&t);
		if (i == 1000)
			cr_assert_eq(name_sa(&good, 130, spis, key, 32), 0);
	}
	cr_assert_eq(waiters(), 0);
	cr_assert_eq(counter(TW_CTL_CTR_KDF_JOBS), 1);
	cr_assert_eq(tw_ctl_srv_why_cnt(bed.srv, TW_CTL_WHY_IKE_NO_SA), 2000);
	cr_assert_eq(talk_request(&good, &req).accept, 0);
	talk_close(&good);
}

/* Both SPIs in hexadecimal, for the line of the log */
Test(srv_ike, spis_as_text)
{
	uint8_t some[16] = {0, 1, 2, 3, 4, 5, 6, 7, 0xf8, 0xf9, 0xfa, 0xfb, 0xfc, 0xfd, 0xfe, 0xff};
	char text[TW_CTL_SPIS_SIZE];

	cr_assert_str_eq(tw_ctl_spis_str(some, text), "0001020304050607_i f8f9fafbfcfdfeff_r");
}
