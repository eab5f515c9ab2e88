/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/* Greeting, Set-Up-Response, Server-Start of the server. */
#include <criterion/criterion.h>

#include "talk.h"

static struct bed bed;

static void
begin(void)
{
	bed_init(&bed);
}

static void
end(void)
{
	bed_fini(&bed);
}

TestSuite(srv_setup, .init = begin, .fini = end);

/*
 *  client                                  server
 *    | <- Server-Greeting, all modes ------- |
 *    | -- Set-Up-Response, Mode 1 ---------> |
 *    | <- Server-Start, Accept 0, clear ---- |
 */
Test(srv_setup, open_mode)
{
	struct talk t;

	bed_serve(&bed);
	talk_open(&t, &bed, "192.0.2.77");
	cr_assert_eq(t.greeting.modes, 15);
	cr_assert_eq(t.greeting.count, 1024);
	cr_assert_eq(talk_setup(&t, TW_MODE_OPEN, NULL, NULL), 0);
	/* R-4656-027: the time this server started */
	cr_assert_eq(t.server_start, 0xec00000080000000);
	cr_assert_eq(talk_state(&t), TW_CTL_CONN_READY);
	cr_assert_eq(tw_ctl_srv_counter(bed.srv, TW_CTL_CTR_SET_UP_OPEN), 1);
	talk_close(&t);
}

/* R-4656-026, R-4656-034, R-5357-009: what follows decrypts and authenticates on both sides. */
Test(srv_setup, secure_modes)
{
	static const uint32_t modes[] = {TW_MODE_AUTH, TW_MODE_ENCR, TW_MODE_MIXED};

	bed_serve(&bed);
	for (size_t i = 0; i < TW_ARRAY_SIZE(modes); i++) {
		struct tw_wire_request_tw req = talk_request_of(5000, 50000);
		struct tw_wire_accept_session answer;
		struct talk t;

		talk_open(&t, &bed, "192.0.2.77");
		cr_assert_eq(talk_setup(&t, modes[i], BED_USER, BED_SECRET), 0);
		cr_assert_eq(t.server_start, 0xec00000080000000);
		answer = talk_request(&t, &req);
		cr_assert_eq(answer.accept, 0);
		answer = talk_request(&t, &req);
		cr_assert_eq(answer.accept, 0);
		talk_close(&t);
	}
	cr_assert_eq(tw_ctl_srv_counter(bed.srv, TW_CTL_CTR_SET_UP_SECURE), 3);
}

/* R-4656-005, R-4656-093, A-32 */
Test(srv_setup, challenge_and_salt_are_fresh)
{
	struct talk a, b;

	bed_serve(&bed);
	talk_open(&a, &bed, "192.0.2.77");
	talk_open(&b, &bed, "192.0.2.77");
	cr_assert_arr_neq(a.greeting.challenge, b.greeting.challenge, 16);
	cr_assert_arr_neq(a.greeting.salt, b.greeting.salt, 16);
	cr_assert_arr_neq(a.greeting.challenge, a.greeting.salt, 16);
	talk_close(&a);
	talk_close(&b);
}

/* A Set-Up-Response captured elsewhere proves nothing: its Token holds another Challenge. */
Test(srv_setup, replayed_response_fails)
{
	struct tw_wire_greeting greeting;
	struct talk a, b;

	bed_serve(&bed);
	talk_open(&a, &bed, "192.0.2.77");
	talk_open(&b, &bed, "192.0.2.77");
	greeting = b.greeting;
	b.greeting = a.greeting; /* answers the other one */
	memcpy(b.greeting.salt, greeting.salt, sizeof(greeting.salt));
	cr_assert_eq(talk_setup(&b, TW_MODE_AUTH, BED_USER, BED_SECRET), 1);
	talk_close(&a);
	talk_close(&b);
}

/* R-4656-006, R-4656-007, R-4656-008: default 32768, powers of two from 1024 on */
Test(srv_setup, count_is_a_setting)
{
	char why[200] = "";
	struct talk t;

	tw_ctl_srv_cfg_init(&bed.cfg);
	cr_assert_eq(bed.cfg.set[TW_CTL_SET_COUNT], 32768);
	bed.cfg.set[TW_CTL_SET_COUNT] = 2048;
	bed_serve(&bed);
	talk_open(&t, &bed, "198.51.100.1");
	cr_assert_eq(t.greeting.count, 2048);
	talk_close(&t);
	bed.cfg.set[TW_CTL_SET_COUNT] = 3000;
	cr_assert_eq(tw_ctl_srv_cfg_check(&bed.cfg, why, sizeof(why)), -EINVAL);
	cr_assert(strstr(why, "3000") && strstr(why, "2048"));
	bed.cfg.set[TW_CTL_SET_COUNT] = 512;
	cr_assert_eq(tw_ctl_srv_set_cfg(bed.srv, &bed.cfg), -EINVAL);
	cr_assert_eq(tw_ctl_srv_cfg_get(bed.srv)->set[TW_CTL_SET_COUNT], 2048);
}

/* A connection keeps the Count it was greeted with. */
Test(srv_setup, count_changed_during_the_set_up)
{
	struct talk t;

	bed_serve(&bed);
	talk_open(&t, &bed, "192.0.2.77");
	bed.cfg.set[TW_CTL_SET_COUNT] = 2048;
	cr_assert_eq(tw_ctl_srv_set_cfg(bed.srv, &bed.cfg), 0);
	cr_assert_eq(talk_setup(&t, TW_MODE_AUTH, BED_USER, BED_SECRET), 0);
	talk_close(&t);
}

/* Default deny: outside the allowed prefixes the open mode is not there. */
Test(srv_setup, open_is_denied_outside_the_prefixes)
{
	struct talk t;

	bed_serve(&bed);
	talk_open(&t, &bed, "198.51.100.1");
	cr_assert_eq(t.greeting.modes, TW_MODE_AUTH | TW_MODE_ENCR | TW_MODE_MIXED);
	/* R-4656-012, A-13: selecting it all the same */
	cr_assert_eq(talk_setup(&t, TW_MODE_OPEN, NULL, NULL), 3);
	cr_assert_eq(t.server_start, 0); /* R-4656-025 */
	cr_assert(talk_is_over(&t));
	cr_assert_eq(talk_why(&t), TW_CTL_WHY_MODE_ILLEGAL);
	talk_close(&t);
}

Test(srv_setup, prefixes_restrict_any_mode)
{
	struct tw_ctl_allow allow[] = {
		{.modes = TW_MODE_OPEN | TW_MODE_ENCR}, {.modes = TW_MODE_AUTH}};
	struct talk t;

	cr_assert(tw_prefix_parse("192.0.2.0/25", &allow[0].prefix));
	cr_assert(tw_prefix_parse("2001:db8::/64", &allow[1].prefix));
	bed.cfg.allow = allow;
	bed.cfg.modes = TW_MODE_OPEN | TW_MODE_AUTH | TW_MODE_ENCR;
	bed_serve(&bed);
	talk_open(&t, &bed, "192.0.2.77");
	cr_assert_eq(t.greeting.modes, TW_MODE_OPEN | TW_MODE_ENCR);
	talk_close(&t);
	talk_open(&t, &bed, "2001:db8::5");
	cr_assert_eq(t.greeting.modes, TW_MODE_AUTH);
	talk_close(&t);
	/* nothing left to offer: refused by the greeting itself */
	talk_open(&t, &bed, "192.0.2.200");
	cr_assert_eq(t.greeting.modes, 0);
	cr_assert(talk_is_over(&t));
	cr_assert_eq(talk_why(&t), TW_CTL_WHY_NO_MODE_OFFERED);
	talk_close(&t);
}

Test(srv_setup, others_may_be_given_open_mode)
{
	struct talk t;

	bed.cfg.set[TW_CTL_SET_OPEN_TO_OTHERS] = 1;
	bed_serve(&bed);
	talk_open(&t, &bed, "198.51.100.1");
	cr_assert_eq(t.greeting.modes, 15);
	cr_assert_eq(talk_setup(&t, TW_MODE_OPEN, NULL, NULL), 0);
	talk_close(&t);
}

/* PROTOCOL.md 2.4: without any key the secure modes cannot be kept */
Test(srv_setup, no_keys_no_secure_modes)
{
	struct tw_keyring_id id;
	struct talk t;

	cr_assert_eq(tw_keyring_id_make(BED_USER, strlen(BED_USER), &id), 0);
	cr_assert_eq(tw_keyring_remove(bed.keys, &id), 0);
	bed_serve(&bed);
	talk_open(&t, &bed, "192.0.2.77");
	cr_assert_eq(t.greeting.modes, TW_MODE_OPEN);
	talk_close(&t);
}

/* R-4656-015, A-15: no security bit means the client leaves; 128 alone is that too */
Test(srv_setup, client_that_leaves_gets_no_answer)
{
	static const uint32_t modes[] = {0, 128, 16, 0x400};

	bed_serve(&bed);
	for (size_t i = 0; i < TW_ARRAY_SIZE(modes); i++) {
		struct talk t;

		talk_open(&t, &bed, "192.0.2.77");
		cr_assert_eq(talk_setup(&t, modes[i], NULL, NULL), -1);
		cr_assert(talk_is_over(&t));
		cr_assert_eq(talk_why(&t), TW_CTL_WHY_CLIENT_LEFT);
		talk_close(&t);
	}
}

/* R-4656-011, A-13, A-14, A-16: two security bits, features and keys that were not offered */
Test(srv_setup, illegal_modes_get_accept_3)
{
	static const uint32_t modes[] = {3, 6, 9, 12, 15, 129, 130, 132, 136, 17, 34, 258};

	bed_serve(&bed);
	for (size_t i = 0; i < TW_ARRAY_SIZE(modes); i++) {
		struct talk t;

		talk_open(&t, &bed, "192.0.2.77");
		cr_assert_eq(talk_setup(&t, modes[i], NULL, NULL), 3, "mode %u", modes[i]);
		cr_assert(talk_is_over(&t));
		talk_close(&t);
	}
}

/* R-4656-014: bits nobody assigned are ignored */
Test(srv_setup, unassigned_mode_bits_are_ignored)
{
	struct talk t;

	bed_serve(&bed);
	talk_open(&t, &bed, "192.0.2.77");
	cr_assert_eq(talk_setup(&t, 0x80000400 | TW_MODE_OPEN, NULL, NULL), 0);
	talk_close(&t);
}

/* both cost one derivation and get the same 48 octets */
Test(srv_setup, unknown_user_and_wrong_secret_look_alike)
{
	uint8_t answer[2][TW_WIRE_SERVER_START_LEN];
	static const char *const user[] = {"mallory", BED_USER};

	bed_serve(&bed);
	for (int i = 0; i < 2; i++) {
		struct talk t;

		talk_open(&t, &bed, "192.0.2.77");
		talk_setup_response(&t, TW_MODE_AUTH, user[i], "wrong");
		cr_assert_eq(talk_state(&t), TW_CTL_CONN_WAIT_KDF);
		cr_assert(talk_is_silent(&t));
		cr_assert_eq(bed_derive(&bed), 1);
		cr_assert_eq(talk_read(&t, answer[i], sizeof(answer[i])), sizeof(answer[i]));
		cr_assert_eq(answer[i][15], 1);
		cr_assert(talk_is_over(&t));
		cr_assert_eq(talk_why(&t), TW_CTL_WHY_AUTH_FAILED);
		talk_close(&t);
	}
	cr_assert_arr_eq(answer[0], answer[1], sizeof(answer[0]));
	cr_assert_eq(tw_ctl_srv_counter(bed.srv, TW_CTL_CTR_KDF_JOBS), 2);
}

/* No name, a name that is no UTF-8: as unknown as any other */
Test(srv_setup, malformed_key_id_is_unknown)
{
	static const uint8_t bad[][4] = {{0}, {0xc0, 0x80}, {0xff}};

	bed_serve(&bed);
	for (size_t i = 0; i < TW_ARRAY_SIZE(bad); i++) {
		uint8_t msg[TW_WIRE_SETUP_RESPONSE_LEN] = {0, 0, 0, TW_MODE_ENCR};
		struct talk t;

		talk_open(&t, &bed, "192.0.2.77");
		memcpy(msg + 4, bad[i], sizeof(bad[i]));
		talk_raw(&t, msg, sizeof(msg));
		cr_assert_eq(bed_derive(&bed), 1);
		cr_assert_eq(talk_server_start(&t), 1);
		talk_close(&t);
	}
}

/* The client is gone when its key is there. */
Test(srv_setup, key_derived_after_the_connection_died)
{
	struct tw_ctl_srv_live live;
	struct talk t;

	bed_serve(&bed);
	talk_open(&t, &bed, "192.0.2.77");
	talk_setup_response(&t, TW_MODE_AUTH, BED_USER, BED_SECRET);
	tw_ctl_conn_eof(t.conn, bed.now);
	cr_assert(talk_is_over(&t));
	talk_close(&t);
	tw_ctl_srv_live_get(bed.srv, &live);
	cr_assert_eq(live.kdf_jobs, 1);
	cr_assert_eq(live.conns, 0);
	cr_assert_eq(bed_derive(&bed), 1);
	tw_ctl_srv_live_get(bed.srv, &live);
	cr_assert_eq(live.kdf_jobs, 0);
	cr_assert_eq(tw_ctl_srv_counter(bed.srv, TW_CTL_CTR_KDF_ORPHANS), 1);
}

/* The server is gone when the key is there (bed_fini() hands the job back). */
Test(srv_setup, key_derived_after_the_server_died)
{
	struct talk t;

	bed_serve(&bed);
	talk_open(&t, &bed, "192.0.2.77");
	talk_setup_response(&t, TW_MODE_AUTH, BED_USER, BED_SECRET);
	talk_close(&t);
}

/* A worker that could not do its work: Accept 2 */
Test(srv_setup, derivation_that_never_ran)
{
	struct talk t;

	bed_serve(&bed);
	talk_open(&t, &bed, "192.0.2.77");
	talk_setup_response(&t, TW_MODE_AUTH, BED_USER, BED_SECRET);
	bed_drop_jobs(&bed);
	cr_assert_eq(talk_server_start(&t), 2);
	cr_assert_eq(bed.woken, t.conn);
	talk_close(&t);
}

/* Commands may follow the Set-Up-Response at once: they wait for the key. */
Test(srv_setup, commands_may_come_before_the_answer)
{
	struct tw_wire_request_tw req = talk_request_of(5000, 50000);
	uint8_t msg[TW_WIRE_ACCEPT_SESSION_LEN];
	struct talk t;

	bed_serve(&bed);
	talk_open(&t, &bed, "192.0.2.77");
	talk_setup_response(&t, TW_MODE_ENCR, BED_USER, BED_SECRET);
	talk_send_request(&t, &req);
	bed_derive(&bed);
	cr_assert_eq(talk_server_start(&t), 0);
	talk_recv(&t, msg, sizeof(msg));
	cr_assert_eq(msg[0], 0);
	talk_close(&t);
}

Test(srv_setup, without_random_octets_nothing_is_offered)
{
	struct talk t;

	bed_serve(&bed);
	bed.random_fails = true;
	talk_open(&t, &bed, "192.0.2.77");
	cr_assert_eq(t.greeting.modes, 0);
	cr_assert_eq(talk_why(&t), TW_CTL_WHY_NO_RANDOM);
	talk_close(&t);
}

Test(srv_setup, without_random_octets_for_the_iv_accept_is_2)
{
	struct talk t;

	bed_serve(&bed);
	talk_open(&t, &bed, "192.0.2.77");
	talk_setup_response(&t, TW_MODE_AUTH, BED_USER, BED_SECRET);
	bed.random_fails = true;
	bed_derive(&bed);
	cr_assert_eq(talk_server_start(&t), 2);
	talk_close(&t);
}

/* Names are shown once they authenticated, never before. */
Test(srv_setup, only_an_authenticated_name_is_shown)
{
	struct tw_ctl_conn_info info;
	struct talk t;

	bed_serve(&bed);
	talk_open(&t, &bed, "192.0.2.77");
	talk_setup_response(&t, TW_MODE_AUTH, BED_USER, BED_SECRET);
	tw_ctl_conn_info_get(t.conn, &info);
	cr_assert_str_eq(info.key_id, "");
	bed_derive(&bed);
	tw_ctl_conn_info_get(t.conn, &info);
	cr_assert_str_eq(info.key_id, BED_USER);
	cr_assert_eq(info.mode, TW_MODE_AUTH);
	cr_assert_eq(info.peer_port, 40000);
	talk_close(&t);
}
