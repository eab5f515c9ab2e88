/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/* The client up to Server-Start: which mode, which count, which server. */
#include <criterion/criterion.h>

#include "serve.h"
#include "talk.h"

static struct bed bed;
static struct serve s;

static void
begin(void)
{
	bed_init(&bed);
	serve_init(&s, &bed);
}

static void
end(void)
{
	if (s.cli != NULL)
		serve_close(&s);
	bed_fini(&bed);
}

TestSuite(cli_setup, .init = begin, .fini = end);

static void
check_closed(enum tw_ctl_why why)
{
	const struct tw_ctl_cli_event *e = serve_last(&s);

	cr_assert_eq(e->ev, TW_CTL_CLI_EV_CLOSED);
	cr_assert_eq(e->reason.why, why, "%s", tw_ctl_why_name(e->reason.why));
	cr_assert(!e->control_lost && !e->results_invalid);
}

/* R-4656-010, R-4656-013: Mode 0 and nothing else, then the end */
static void
check_left(enum tw_ctl_why why)
{
	static const uint8_t zero[TW_WIRE_SETUP_RESPONSE_LEN];
	uint8_t msg[TW_WIRE_SETUP_RESPONSE_LEN];

	check_closed(why);
	cr_assert_eq(serve_read(&s, msg, sizeof(msg)), sizeof(msg));
	cr_assert_arr_eq(msg, zero, sizeof(msg));
	cr_assert(serve_is_over(&s));
}

/*
 *  client                                   server
 *    | <- Server-Greeting, modes 15 -------- |
 *    | -- Set-Up-Response, Mode 4, Token --> |
 *    | <- Server-Start, Accept 0 ----------- |
 */
Test(cli_setup, takes_the_first_of_its_list)
{
	serve_open(&s, false);
	serve_greet(&s, 15);
	cr_assert(serve_is_silent(&s)); /* the key is being derived */
	cr_assert_eq(bed_derive(&bed), 1);
	cr_assert_eq(s.wake_cnt, 1);
	serve_take_response(&s, BED_SECRET); /* R-4656-016, R-4656-018 */
	cr_assert_eq(s.response.mode, TW_MODE_ENCR);
	cr_assert_str_eq((char *)s.response.key_id, BED_USER);
	cr_assert_eq(s.response.key_id[79], 0);
	serve_start(&s, 0);
	cr_assert_eq(serve_last(&s)->ev, TW_CTL_CLI_EV_READY);
	cr_assert_eq(serve_last(&s)->mode, TW_MODE_ENCR);
	cr_assert_eq(serve_last(&s)->server_start_ntp, 0xeb00000000000000);
	cr_assert_eq(tw_ctl_cli_state_get(s.cli), TW_CTL_CLI_READY);
}

/* R-4656-004: bits it does not know, features it does not want; one bare security bit goes back */
Test(cli_setup, ignores_unknown_bits)
{
	serve_open(&s, false);
	serve_greet(&s, 0xfffffff0 | TW_MODE_AUTH);
	bed_derive(&bed);
	serve_take_response(&s, BED_SECRET);
	cr_assert_eq(s.response.mode, TW_MODE_AUTH);
}

/* Open: everything but Mode is zero */
Test(cli_setup, open_mode)
{
	static const struct tw_wire_setup_response want = {.mode = TW_MODE_OPEN};

	tw_ctl_cli_cfg_mode(&s.cfg, TW_MODE_OPEN);
	serve_open(&s, true);
	serve_greet(&s, 15);
	serve_take_response(&s, NULL);
	cr_assert_arr_eq(&s.response, &want, sizeof(want));
	serve_start(&s, 0);
	cr_assert_eq(serve_last(&s)->ev, TW_CTL_CLI_EV_READY);
}

/* open < mixed < authenticated < encrypted; an offer cannot lower the floor */
Test(cli_setup, floor_holds)
{
	static const struct {
		uint32_t floor, offered, want;
	} row[] = {
		{TW_MODE_AUTH, TW_MODE_OPEN, 0},
		{TW_MODE_AUTH, TW_MODE_OPEN | TW_MODE_MIXED, 0},
		{TW_MODE_AUTH, 15 & ~TW_MODE_ENCR, TW_MODE_AUTH},
		{TW_MODE_ENCR, 15 & ~TW_MODE_ENCR, 0},
		{TW_MODE_MIXED, TW_MODE_OPEN | TW_MODE_MIXED, TW_MODE_MIXED},
		{TW_MODE_MIXED, TW_MODE_OPEN, 0},
	};

	for (size_t i = 0; i < TW_ARRAY_SIZE(row); i++) {
		serve_init(&s, &bed);
		s.cfg.floor = row[i].floor;
		serve_open(&s, false);
		serve_greet(&s, row[i].offered);
		bed_derive(&bed);
		if (row[i].want == 0) {
			check_left(TW_CTL_WHY_NO_ACCEPTABLE_MODE);
		} else {
			serve_take_response(&s, BED_SECRET);
			cr_assert_eq(s.response.mode, row[i].want);
		}
		serve_close(&s);
	}
}

Test(cli_setup, default_floor_is_authenticated)
{
	struct tw_ctl_cli_cfg cfg;

	tw_ctl_cli_cfg_init(&cfg);
	cr_assert_eq(cfg.floor, TW_MODE_AUTH);
	tw_ctl_cli_cfg_mode(&cfg, TW_MODE_MIXED);
	cr_assert_eq(cfg.floor, TW_MODE_MIXED);
}

/* R-4656-009, A-12 */
Test(cli_setup, server_that_refuses)
{
	serve_open(&s, false);
	serve_greet(&s, 0);
	check_closed(TW_CTL_WHY_SERVER_REFUSES);
	cr_assert(serve_is_over(&s)); /* without a Set-Up-Response */
}

/* A-30, R-5357-057, R-5357-058 */
Test(cli_setup, count_out_of_bounds)
{
	static const uint32_t bad[] = {
		0, 1, 512, 1023, 1025, 3000, 32769, 65536, 1U << 31, UINT32_MAX};

	for (size_t i = 0; i < TW_ARRAY_SIZE(bad); i++) {
		serve_init(&s, &bed);
		s.count = bad[i];
		serve_open(&s, false);
		serve_greet(&s, 15);
		check_closed(TW_CTL_WHY_BAD_COUNT);
		cr_assert_eq(serve_last(&s)->reason.value, bad[i]);
		cr_assert_eq(bed.job_cnt, 0);
		serve_close(&s);
	}
}

Test(cli_setup, count_within_bounds)
{
	static const uint32_t good[] = {1024, 2048, 32768};

	for (size_t i = 0; i < TW_ARRAY_SIZE(good); i++) {
		serve_init(&s, &bed);
		s.count = good[i];
		serve_open(&s, false);
		serve_greet(&s, 15);
		cr_assert_eq(tw_ctl_cli_state_get(s.cli), TW_CTL_CLI_WAIT_KDF);
		serve_close(&s);
		bed_drop_jobs(&bed); /* after the client is gone */
	}
}

/* Nobody looks at the count in open mode. */
Test(cli_setup, count_does_not_matter_in_open_mode)
{
	tw_ctl_cli_cfg_mode(&s.cfg, TW_MODE_OPEN);
	s.count = 0;
	serve_open(&s, false);
	serve_setup(&s, TW_MODE_OPEN);
	cr_assert_eq(serve_last(&s)->ev, TW_CTL_CLI_EV_READY);
}

/*
 * Reflection: somebody greets our client with the Challenge our own server gave him, to be let in
 * there with the Token.
 *
 *   our client         attacker          our server
 *      |                  | --- connect ----> |
 *      |                  | <- Greeting, C -- |
 *      | --- connect ---> |                   |
 *      | <- Greeting, C - |                   |
 *      X closes
 */
Test(cli_setup, reflected_challenge)
{
	struct tw_ctr why_ctr[TW_CTL_WHY_N] = {0};
	struct talk attacker;

	bed_serve(&bed);
	talk_open(&attacker, &bed, "198.51.100.1");
	memcpy(s.challenge, attacker.greeting.challenge, sizeof(s.challenge));
	s.cfg.own = bed.srv;
	s.cfg.why_ctr = why_ctr;
	serve_open(&s, false);
	serve_greet(&s, 15);
	check_closed(TW_CTL_WHY_REFLECTED);
	cr_assert(serve_is_over(&s));
	cr_assert_eq(bed.job_cnt, 0);
	cr_assert_eq(tw_ctr_get(&why_ctr[TW_CTL_WHY_REFLECTED]), 1);
	serve_close(&s);

	/* also when the connection it was issued on is gone */
	talk_close(&attacker);
	serve_init(&s, &bed);
	memcpy(s.challenge, attacker.greeting.challenge, sizeof(s.challenge));
	s.cfg.own = bed.srv;
	serve_open(&s, false);
	serve_greet(&s, 15);
	check_closed(TW_CTL_WHY_REFLECTED);
	serve_close(&s);

	/* any other Challenge is as good as ever */
	serve_init(&s, &bed);
	s.cfg.own = bed.srv;
	serve_open(&s, false);
	serve_setup(&s, TW_MODE_ENCR);
	cr_assert_eq(serve_last(&s)->ev, TW_CTL_CLI_EV_READY);
}

/* A zero Challenge is no Challenge of ours. */
Test(cli_setup, zero_challenge_is_not_reflected)
{
	bed_serve(&bed);
	memset(s.challenge, 0, sizeof(s.challenge));
	s.cfg.own = bed.srv;
	serve_open(&s, false);
	serve_setup(&s, TW_MODE_ENCR);
	cr_assert_eq(serve_last(&s)->ev, TW_CTL_CLI_EV_READY);
}

Test(cli_setup, key_that_is_not_there)
{
	strcpy(s.cfg.key_id, "mallory");
	serve_open(&s, false);
	serve_greet(&s, 15);
	check_left(TW_CTL_WHY_NO_KEY);
}

/* Without a KeyID the secure modes cannot be taken; open can, if the floor allows. */
Test(cli_setup, no_key_id)
{
	strcpy(s.cfg.key_id, "");
	serve_open(&s, false);
	serve_setup(&s, TW_MODE_OPEN);
	serve_close(&s);
	serve_init(&s, &bed);
	strcpy(s.cfg.key_id, "");
	s.cfg.floor = TW_MODE_AUTH;
	serve_open(&s, false);
	serve_greet(&s, 15);
	check_left(TW_CTL_WHY_NO_KEY);
}

Test(cli_setup, derivation_threads_busy)
{
	bed.kdf_is_full = true;
	serve_open(&s, false);
	serve_greet(&s, 15);
	check_closed(TW_CTL_WHY_CLIENT_KDF_BUSY);
}

Test(cli_setup, derivation_that_never_ran)
{
	serve_open(&s, false);
	serve_greet(&s, 15);
	bed_drop_jobs(&bed);
	check_closed(TW_CTL_WHY_CRYPTO);
}

Test(cli_setup, no_random_octets)
{
	serve_open(&s, false);
	serve_greet(&s, 15);
	bed.random_fails = true;
	bed_derive(&bed);
	check_closed(TW_CTL_WHY_NO_RANDOM);
	cr_assert(serve_is_over(&s));
}

/* R-4656-019, R-4656-020, R-4656-028: drawn anew, independent */
Test(cli_setup, keys_and_iv_are_fresh)
{
	struct tw_crypto_keys first;
	uint8_t iv[16];

	serve_open(&s, false);
	serve_setup(&s, TW_MODE_ENCR);
	first = *s.keys;
	memcpy(iv, s.response.client_iv, sizeof(iv));
	serve_close(&s);
	serve_init(&s, &bed);
	serve_open(&s, false);
	serve_setup(&s, TW_MODE_ENCR);
	cr_assert_arr_neq(s.keys->aes, first.aes, sizeof(first.aes));
	cr_assert_arr_neq(s.keys->hmac, first.hmac, sizeof(first.hmac));
	cr_assert_arr_neq(s.response.client_iv, iv, sizeof(iv));
	cr_assert_arr_neq(s.keys->aes, s.keys->hmac, sizeof(first.aes));
}

/* R-4656-024, R-4656-033, A-26: every value, as it is to be understood; 48 octets or just 16 */
Test(cli_setup, refusals)
{
	static const struct {
		uint8_t accept;
		enum tw_ctl_why why;
	} row[] = {
		{1, TW_CTL_WHY_SETUP_AUTH},
		{2, TW_CTL_WHY_SETUP_REFUSED},
		{3, TW_CTL_WHY_SETUP_MODE},
		{4, TW_CTL_WHY_SETUP_BUSY},
		{5, TW_CTL_WHY_SETUP_BUSY},
		{6, TW_CTL_WHY_SETUP_AUTH},
		{7, TW_CTL_WHY_SETUP_AUTH},
		{255, TW_CTL_WHY_SETUP_AUTH},
	};

	for (size_t i = 0; i < TW_ARRAY_SIZE(row); i++) {
		for (int is_short = 0; is_short < 2; is_short++) {
			uint8_t first[16] = {[15] = row[i].accept};

			serve_init(&s, &bed);
			serve_open(&s, false);
			serve_greet(&s, TW_MODE_AUTH);
			bed_derive(&bed);
			serve_take_response(&s, BED_SECRET);
			if (is_short)
				serve_raw(&s, first, sizeof(first));
			else
				serve_start(&s, row[i].accept);
			check_closed(row[i].why);
			cr_assert_eq(serve_last(&s)->reason.accept, row[i].accept);
			cr_assert(serve_is_over(&s));
			serve_close(&s);
		}
	}
}

/* some servers just close */
Test(cli_setup, server_that_closes)
{
	serve_open(&s, false);
	tw_ctl_cli_eof(s.cli, bed.now);
	check_closed(TW_CTL_WHY_CLOSED_AT_GREETING);
	serve_close(&s);
	serve_init(&s, &bed);
	serve_open(&s, false);
	serve_greet(&s, 15);
	bed_derive(&bed);
	tw_ctl_cli_eof(s.cli, bed.now);
	check_closed(TW_CTL_WHY_CLOSED_AT_SETUP);
	cr_assert(serve_is_over(&s));
}

/* The key arrives when the client is gone: the job is just wiped (bed_fini() hands it back). */
Test(cli_setup, client_gone_before_its_key)
{
	serve_open(&s, false);
	serve_greet(&s, 15);
	serve_close(&s);
	cr_assert_eq(bed_derive(&bed), 1);
}

Test(cli_setup, octets_before_their_time)
{
	serve_open(&s, false);
	serve_greet(&s, 15);
	serve_raw(&s, "x", 1); /* nothing may come before the Set-Up-Response */
	check_closed(TW_CTL_WHY_UNEXPECTED);
	bed_derive(&bed);
}

/* Own deadlines on every read */
Test(cli_setup, deadlines)
{
	serve_open(&s, false);
	cr_assert_eq(tw_ctl_cli_deadline(s.cli), bed.now.mono_ns + 10 * BED_NS_PER_S);
	serve_wait(&s, 10 * BED_NS_PER_S - 1);
	cr_assert_eq(s.log_cnt, 0);
	serve_wait(&s, 1);
	check_closed(TW_CTL_WHY_T_GREETING);
	cr_assert_eq(tw_ctl_cli_deadline(s.cli), TW_CTL_NO_DEADLINE);
	serve_close(&s);

	serve_init(&s, &bed);
	serve_open(&s, false);
	serve_greet(&s, 15);
	serve_wait(&s, 29 * BED_NS_PER_S);
	bed_derive(&bed); /* our own time does not count against the server's */
	serve_take_response(&s, BED_SECRET);
	serve_wait(&s, 30 * BED_NS_PER_S - 1);
	cr_assert_eq(s.log_cnt, 0);
	serve_wait(&s, 1);
	check_closed(TW_CTL_WHY_T_START);
}

Test(cli_setup, server_that_does_not_read)
{
	serve_open(&s, false);
	serve_greet(&s, 15);
	bed_derive(&bed);
	serve_wait(&s, 10 * BED_NS_PER_S);
	check_closed(TW_CTL_WHY_T_WRITE);
	cr_assert(!tw_ctl_cli_is_done(s.cli));
	serve_wait(&s, 5 * BED_NS_PER_S);
	cr_assert(tw_ctl_cli_is_done(s.cli));
}

Test(cli_setup, configuration_is_checked)
{
	struct tw_addr to = bed_addr("192.0.2.1");
	struct tw_ctl_cli_cfg cfg = s.cfg;
	char why[200];

	cr_assert_eq(tw_ctl_cli_cfg_check(&cfg, why, sizeof(why)), 0);
	cfg.modes[0] = 6;
	cr_assert_eq(tw_ctl_cli_cfg_check(&cfg, why, sizeof(why)), -EINVAL);
	cfg = s.cfg;
	cfg.floor = 0;
	cr_assert_eq(tw_ctl_cli_cfg_check(&cfg, why, sizeof(why)), -EINVAL);
	cfg = s.cfg;
	cfg.count_min = 512;
	cr_assert_eq(tw_ctl_cli_cfg_check(&cfg, why, sizeof(why)), -EINVAL);
	cfg = s.cfg;
	strcpy(cfg.key_id, "\xff");
	cr_assert_eq(tw_ctl_cli_cfg_check(&cfg, why, sizeof(why)), -EINVAL);
	cfg = s.cfg;
	cfg.t_answer_ns = 0;
	cr_assert_eq(tw_ctl_cli_cfg_check(&cfg, why, sizeof(why)), -EINVAL);
	serve_open(&s, false);
	cr_assert_eq(tw_ctl_cli_open(s.cli, &cfg, NULL, NULL, &to, bed.now), -EINVAL);
	cr_assert_str_eq(tw_ctl_cli_state_name(TW_CTL_CLI_WAIT_GREETING), "wait-greeting");
	cr_assert_str_eq(tw_ctl_conn_state_name(TW_CTL_CONN_READY), "ready");
}
