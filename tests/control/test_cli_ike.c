/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * IKEv2-derived keys at the client: which SA, which octets, and above all what it does not do,
 * whatever a server or somebody in its place says.
 */
#include <criterion/criterion.h>

#include "serve.h"

static struct bed bed;
static struct serve s;
static uint8_t key[64];

static void
begin(void)
{
	bed_init(&bed);
	serve_init(&s, &bed);
	s.cfg.key_floor = TW_CTL_KEY_IKEV2;
	s.cfg.floor = TW_MODE_AUTH;
	bed_key_octets(key, sizeof(key), 0xf0);
}

static void
end(void)
{
	if (s.cli != NULL)
		serve_close(&s);
	bed_fini(&bed);
}

TestSuite(cli_ike, .init = begin, .fini = end);

static void
again(void)
{
	struct tw_ctl_cli_cfg cfg = s.cfg;

	serve_close(&s);
	serve_init(&s, &bed);
	s.cfg = cfg;
}

/* The end, with nothing said but perhaps that we leave. */
static void
check_gone(enum tw_ctl_why why, enum tw_ctl_ike_try retry)
{
	static const uint8_t zero[TW_WIRE_SETUP_RESPONSE_LEN];
	uint8_t msg[TW_WIRE_SETUP_RESPONSE_LEN + 1];
	const struct tw_ctl_cli_event *e = serve_last(&s);
	size_t len;

	bed_derive(&bed);
	cr_assert_eq(e->ev, TW_CTL_CLI_EV_CLOSED);
	cr_assert_eq(e->reason.why, why, "%s", tw_ctl_why_name(e->reason.why));
	cr_assert_eq(e->retry, retry);
	len = serve_read(&s, msg, sizeof(msg));
	cr_assert(len == 0 || len == sizeof(zero));
	cr_assert_arr_eq(msg, zero, len);
	cr_assert(serve_is_over(&s));
	cr_assert_eq(serve_count(&s, TW_CTL_CLI_EV_READY), 0);
}

/*
 *  client                                        server
 *    | <- Server-Greeting, 15 + 128 ------------- |
 *    | -- Set-Up-Response, Mode base + 128 -----> |  R-7717-012, -013
 *    |    KeyID = SPIi, SPIr, 64 zeros            |  R-7717-014 to -017
 *    | <- Server-Start, Accept 0 ---------------- |
 */
Test(cli_ike, every_selection_and_key_length)
{
	static const uint32_t modes[] = {TW_MODE_AUTH, TW_MODE_ENCR, TW_MODE_MIXED};
	static const size_t lens[] = {16, 20, 32, 48, 64};
	static const uint8_t zero[64];

	for (size_t m = 0; m < TW_ARRAY_SIZE(modes); m++) {
		for (size_t k = 0; k < TW_ARRAY_SIZE(lens); k++) {
			struct tw_ctl_want want = serve_want(5000, 50000);
			const struct bed_sa *sa;

			bed.sa_cnt = 0;
			bed_add_sa(&bed, 7, key, 16); /* an older one */
			sa = bed_add_sa(&bed, 9, key, lens[k]);
			tw_ctl_cli_cfg_mode(&s.cfg, modes[m]);
			serve_open(&s, k % 2);
			serve_greet(&s, 15 | 128);
			bed_derive(&bed);
			serve_take_response_of(&s, key, lens[k]);
			cr_assert_eq(s.response.mode, modes[m] | 128);
			cr_assert_arr_eq(s.response.key_id, sa->spis, 16);
			cr_assert_arr_eq(s.response.key_id + 16, zero, sizeof(zero));
			serve_start(&s, 0);
			cr_assert_eq(serve_last(&s)->ev, TW_CTL_CLI_EV_READY);
			cr_assert_eq(serve_last(&s)->mode, modes[m] | 128);
			cr_assert_arr_eq(serve_last(&s)->spis, sa->spis, 16);
			tw_ctl_cli_request(s.cli, &want, NULL, bed.now);
			serve_recv_request(&s);
			serve_accept(&s, 0, 50000, 1);
			cr_assert_eq(serve_last(&s)->reason.why, TW_CTL_WHY_NONE);
			again();
		}
	}
}

/* Octets of PROTOCOL.md appendix A: IKE SA with HMAC-SHA2-256, SK_d 80 81 .., Salt 00.., Challenge
 * 10.., session keys 20.. and 30.., Client-IV 50.. */
Test(cli_ike, golden_octets)
{
	static const uint8_t p[32] = {0xcc, 0xb6, 0x96, 0x6c, 0x89, 0xbb, 0xc5, 0xc6, 0x66, 0x73,
		0x18, 0x9e, 0xf7, 0x9b, 0xf1, 0x0e, 0x70, 0xde, 0xb0, 0x2f, 0x0d, 0xd7, 0x20, 0xc3,
		0x12, 0x59, 0x0a, 0x6a, 0xc1, 0xa9, 0x8c, 0xd8};
	/* AES-128-CBC, IV 0, key f10600924f79a6dc2e5f88606d13a07d, of 10, 11, .. 4f (openssl enc)
	 */
	static const uint8_t token[64] = {0xad, 0xdf, 0x82, 0xe7, 0xd5, 0x46, 0xc0, 0x4b, 0xf7,
		0x90, 0x48, 0x51, 0x45, 0x16, 0x95, 0xa4, 0x7f, 0xde, 0x9d, 0x39, 0x3e, 0x7a, 0xc4,
		0x40, 0xc3, 0x46, 0x0c, 0xfd, 0x4f, 0xfd, 0xcf, 0x90, 0x29, 0xce, 0xa7, 0x38, 0x10,
		0x57, 0xf3, 0x05, 0x97, 0xa8, 0xdc, 0xbf, 0xca, 0xa1, 0xa1, 0x2c, 0x0f, 0x66, 0xcb,
		0x66, 0x5a, 0x9c, 0x9b, 0xe1, 0x9e, 0xa4, 0xe9, 0x13, 0xc6, 0xce, 0x26, 0xd0};
	/* HMAC-SHA1, key 30 .. 4f, of "twampline" and of that with 143 and 132 behind it
	 * (Python) */
	static const uint8_t marked[16] = {0x89, 0x26, 0x80, 0xcb, 0xf2, 0xd2, 0x6a, 0x5e, 0x04,
		0x68, 0x57, 0xc2, 0xba, 0x8e, 0x9e, 0x21};
	uint8_t aes[16], hmac[32], iv[16], msg[TW_WIRE_SETUP_RESPONSE_LEN];
	uint8_t want[TW_WIRE_SETUP_RESPONSE_LEN] = {0, 0, 0, 132};

	for (unsigned i = 0; i < 16; i++) {
		s.salt[i] = (uint8_t)i;
		s.challenge[i] = (uint8_t)(0x10 + i);
		aes[i] = (uint8_t)(0x20 + i);
		iv[i] = (uint8_t)(0x50 + i);
	}
	for (unsigned i = 0; i < 32; i++)
		hmac[i] = (uint8_t)(0x30 + i);
	bed_add_sa(&bed, 0x5a, p, sizeof(p));
	memset(want + 4, 0x5a, 8);
	memset(want + 12, 0xa5, 8);
	memcpy(want + 84, token, 64);
	for (int has_mark = 0; has_mark < 2; has_mark++) {
		memcpy(want + 148, has_mark ? marked : iv, 16);
		bed_script(&bed, aes, 16);
		bed_script(&bed, hmac, 32);
		if (!has_mark)
			bed_script(&bed, iv, 16);
		s.cfg.no_mark = !has_mark;
		serve_open(&s, false);
		serve_greet(&s, 15 | 128);
		bed_derive(&bed);
		cr_assert_eq(serve_read(&s, msg, sizeof(msg)), sizeof(msg));
		cr_assert_arr_eq(msg, want, sizeof(msg));
		tw_ctl_cli_fini(s.cli);
		free(s.cli);
		s.cli = NULL;
	}
}

/* Stripped of bit 7, or of everything but what is below the floor: we leave. No Token is said, none
 * is even derived, though a passphrase is at hand. */
Test(cli_ike, stripped_offers)
{
	static const struct {
		uint32_t modes;
		enum tw_ctl_why why;
	} row[] = {
		{15, TW_CTL_WHY_IKE_NOT_OFFERED},
		{TW_MODE_ENCR, TW_CTL_WHY_IKE_NOT_OFFERED},
		{TW_MODE_OPEN, TW_CTL_WHY_IKE_NOT_OFFERED},
		{TW_MODE_OPEN | 128, TW_CTL_WHY_NO_ACCEPTABLE_MODE},
		{TW_MODE_MIXED | 128, TW_CTL_WHY_NO_ACCEPTABLE_MODE},
		{128, TW_CTL_WHY_NO_ACCEPTABLE_MODE},
		{0, TW_CTL_WHY_SERVER_REFUSES},
	};

	bed_add_sa(&bed, 1, key, 32);
	for (size_t i = 0; i < TW_ARRAY_SIZE(row); i++) {
		serve_open(&s, false);
		serve_greet(&s, row[i].modes);
		cr_assert_eq(bed.job_cnt, 0);
		check_gone(row[i].why, 0);
		again();
	}
}

/* Which key: decided from what is known here */
Test(cli_ike, key_sources)
{
	static const struct {
		enum tw_ctl_key_floor floor;
		bool has_name, has_sa;
		uint32_t offered, want; /* 0: leaves */
	} row[] = {
		{TW_CTL_KEY_IKEV2, true, true, 15 | 128, 132},
		{TW_CTL_KEY_IKEV2, true, true, 15, 0},
		{TW_CTL_KEY_IKEV2, true, false, 15 | 128, 0},
		{TW_CTL_KEY_ANY, true, true, 15 | 128, 4}, /* asked for by name */
		{TW_CTL_KEY_ANY, false, true, 15 | 128, 132},
		{TW_CTL_KEY_ANY, false, true, 15, 0}, /* there is an SA: it or nothing */
		{TW_CTL_KEY_ANY, false, false, 15 | 128, 0},
	};

	for (size_t i = 0; i < TW_ARRAY_SIZE(row); i++) {
		bed.sa_cnt = 0;
		if (row[i].has_sa)
			bed_add_sa(&bed, 1, key, 32);
		s.cfg.key_floor = row[i].floor;
		strcpy(s.cfg.key_id, row[i].has_name ? BED_USER : "");
		serve_open(&s, false);
		serve_greet(&s, row[i].offered);
		bed_derive(&bed);
		if (row[i].want & 128)
			serve_take_response_of(&s, key, 32);
		else
			serve_take_response(&s, BED_SECRET);
		cr_expect_eq(s.response.mode, row[i].want, "row %zu", i);
		again();
	}
}

/* An open test asked for outright has no use for a key */
Test(cli_ike, open_mode_asks_for_no_sa)
{
	bed_add_sa(&bed, 1, key, 32);
	s.cfg.key_floor = TW_CTL_KEY_ANY;
	s.cfg.key_id[0] = '\0';
	tw_ctl_cli_cfg_mode(&s.cfg, TW_MODE_OPEN);
	serve_open(&s, false);
	serve_greet(&s, 15 | 128);
	serve_take_response(&s, NULL);
	cr_assert_eq(s.response.mode, TW_MODE_OPEN);
	cr_assert_eq(bed.ike_calls, 0);
}

/* What the owner answers */
Test(cli_ike, no_usable_sa)
{
	static const struct {
		enum tw_ctl_ike answer;
		enum tw_ctl_why why;
	} row[] = {
		{TW_CTL_IKE_UNKNOWN, TW_CTL_WHY_CLIENT_NO_IKE_SA},
		{TW_CTL_IKE_IDENTITY, TW_CTL_WHY_CLIENT_IKE_IDENTITY},
		{TW_CTL_IKE_ENDED, TW_CTL_WHY_CLIENT_IKE_ENDED},
	};

	for (size_t i = 0; i < TW_ARRAY_SIZE(row); i++) {
		bed.sa_cnt = 0;
		bed_add_sa(&bed, 1, key, 32)->answer = row[i].answer;
		serve_open(&s, false);
		serve_greet(&s, 15 | 128);
		check_gone(row[i].why, TW_CTL_IKE_TRY_REFRESHED);
		s.cfg.ike_try = TW_CTL_IKE_TRY_REFRESHED;
		again();
		serve_open(&s, false);
		serve_greet(&s, 15 | 128);
		check_gone(row[i].why, 0);
		s.cfg.ike_try = 0;
		again();
	}
}

/*
 *  client                                server
 *    | -- Set-Up-Response, 132, SPIs --> |
 *    | <- Server-Start, Accept 6 ------- |   anybody's to forge
 *  once more with what the keystore says then, on a new connection; then it is over
 */
Test(cli_ike, accept_6)
{
	bed_add_sa(&bed, 1, key, 32);
	serve_open(&s, false);
	serve_greet(&s, 15 | 128);
	bed_derive(&bed);
	serve_take_response_of(&s, key, 32);
	serve_start(&s, 6);
	check_gone(TW_CTL_WHY_SETUP_NO_IKE_SA, TW_CTL_IKE_TRY_REFRESHED);
	cr_assert_eq(serve_last(&s)->reason.accept, 6);
	s.cfg.ike_try = TW_CTL_IKE_TRY_REFRESHED;
	again();
	bed_add_sa(&bed, 2, key + 16, 32); /* rekeyed meanwhile */
	serve_open(&s, false);
	serve_greet(&s, 15 | 128);
	bed_derive(&bed);
	serve_take_response_of(&s, key + 16, 32);
	cr_assert_eq(s.response.key_id[0], 2);
	serve_start(&s, 6);
	check_gone(TW_CTL_WHY_SETUP_NO_IKE_SA, 0);
}

/* Other refusals are no reason to try again; A-26: 6 without SPIs means 1 */
Test(cli_ike, other_refusals)
{
	static const struct {
		uint8_t accept;
		enum tw_ctl_why why;
	} row[] = {
		{1, TW_CTL_WHY_SETUP_IKE_AUTH},
		{2, TW_CTL_WHY_SETUP_REFUSED},
		{3, TW_CTL_WHY_SETUP_MODE},
		{5, TW_CTL_WHY_SETUP_BUSY},
		{7, TW_CTL_WHY_SETUP_IKE_AUTH},
	};

	bed_add_sa(&bed, 1, key, 32);
	for (size_t i = 0; i < TW_ARRAY_SIZE(row); i++) {
		s.cfg.ike_fallback = i % 2;
		serve_open(&s, false);
		serve_greet(&s, 15 | 128);
		bed_derive(&bed);
		serve_take_response_of(&s, key, 32);
		serve_start(&s, row[i].accept);
		check_gone(row[i].why, 0);
		again();
	}
	s.cfg.key_floor = TW_CTL_KEY_ANY;
	serve_open(&s, false);
	serve_greet(&s, 15);
	bed_derive(&bed);
	serve_take_response(&s, BED_SECRET);
	serve_start(&s, 6);
	check_gone(TW_CTL_WHY_SETUP_AUTH, 0);
}

/* Fallback, where it is set: said as an event, never below the floor */
Test(cli_ike, fallback)
{
	static const struct {
		uint32_t floor, offered, want;
		bool has_sa, has_name;
		enum tw_ctl_why why;
	} row[] = {
		{TW_MODE_AUTH, 15, TW_MODE_ENCR, true, true, TW_CTL_WHY_IKE_NOT_OFFERED},
		{TW_MODE_AUTH, 15 | 128, TW_MODE_ENCR, false, true, TW_CTL_WHY_CLIENT_NO_IKE_SA},
		{TW_MODE_ENCR, 15 & ~TW_MODE_ENCR, 0, true, true, TW_CTL_WHY_IKE_NOT_OFFERED},
		{TW_MODE_AUTH, 15, 0, true, false, TW_CTL_WHY_IKE_NOT_OFFERED},
		{TW_MODE_OPEN, 15, TW_MODE_OPEN, true, false, TW_CTL_WHY_IKE_NOT_OFFERED},
	};

	for (size_t i = 0; i < TW_ARRAY_SIZE(row); i++) {
		bed.sa_cnt = 0;
		if (row[i].has_sa)
			bed_add_sa(&bed, 1, key, 32);
		s.cfg.ike_fallback = true;
		s.cfg.floor = row[i].floor;
		strcpy(s.cfg.key_id, row[i].has_name ? BED_USER : "");
		serve_open(&s, false);
		serve_greet(&s, row[i].offered);
		cr_assert_eq(serve_count(&s, TW_CTL_CLI_EV_FALLBACK), 1);
		cr_assert_eq(s.log[0].ev, TW_CTL_CLI_EV_FALLBACK);
		cr_assert_eq(s.log[0].event.reason.why, row[i].why);
		bed_derive(&bed);
		serve_take_response(&s, BED_SECRET);
		cr_expect_eq(s.response.mode, row[i].want, "row %zu", i);
		again();
	}
}

/* After two times Accept 6, a third connection, without IKE */
Test(cli_ike, fallback_after_accept_6)
{
	bed_add_sa(&bed, 1, key, 32);
	s.cfg.ike_fallback = true;
	for (uint8_t try = TW_CTL_IKE_TRY_FIRST; try < TW_CTL_IKE_TRY_FALLBACK; try++) {
		s.cfg.ike_try = try;
		serve_open(&s, false);
		serve_greet(&s, 15 | 128);
		bed_derive(&bed);
		serve_take_response_of(&s, key, 32);
		serve_start(&s, 6);
		check_gone(TW_CTL_WHY_SETUP_NO_IKE_SA, try + 1);
		cr_assert_eq(serve_count(&s, TW_CTL_CLI_EV_FALLBACK), 0);
		again();
	}
	s.cfg.ike_try = TW_CTL_IKE_TRY_FALLBACK;
	serve_open(&s, false);
	serve_greet(&s, 15 | 128);
	bed_derive(&bed);
	cr_assert_eq(serve_last(&s)->ev, TW_CTL_CLI_EV_FALLBACK);
	serve_take_response(&s, BED_SECRET);
	cr_assert_eq(s.response.mode, TW_MODE_ENCR);
	cr_assert_str_eq((char *)s.response.key_id, BED_USER);
}

static void
close_at_once(struct serve *x, const struct tw_ctl_cli_event *e)
{
	if (e->ev == TW_CTL_CLI_EV_FALLBACK)
		tw_ctl_cli_close(x->cli, bed.now);
}

/* The owner may have second thoughts */
Test(cli_ike, closed_at_the_fallback)
{
	s.cfg.ike_fallback = true;
	s.on_event = close_at_once;
	serve_open(&s, false);
	serve_greet(&s, 15);
	cr_assert_eq(bed.job_cnt, 0);
	cr_assert(serve_is_over(&s));
	cr_assert_eq(serve_last(&s)->reason.why, TW_CTL_WHY_NONE);
}

/* A-30 holds with bit 7: no derivation begins */
Test(cli_ike, count_bounds)
{
	static const uint32_t counts[] = {0, 1, 512, 1023, 1025, 65536, 1U << 31, UINT32_MAX};

	bed_add_sa(&bed, 1, key, 32);
	for (size_t i = 0; i < TW_ARRAY_SIZE(counts); i++) {
		serve_open(&s, false);
		s.count = counts[i];
		serve_greet(&s, 15 | 128);
		cr_assert_eq(bed.job_cnt, 0);
		check_gone(TW_CTL_WHY_BAD_COUNT, 0);
		again();
	}
}

/* A Challenge of our own server: somebody relays us to ourselves */
Test(cli_ike, reflected)
{
	bed_add_sa(&bed, 1, key, 32);
	bed_serve(&bed);
	s.cfg.own = bed.srv;
	{
		struct tw_ctl_conn *conn = malloc(tw_ctl_conn_size());
		struct tw_addr a = bed_addr("192.0.2.1");
		size_t len;
		const uint8_t *p;

		bed.is_ike_up = true;
		tw_ctl_conn_open(bed.srv, conn, &a, 1, &a, NULL, bed.now);
		p = tw_ctl_conn_output(conn, &len);
		cr_assert_eq(len, TW_WIRE_GREETING_LEN);
		serve_open(&s, false);
		serve_raw(&s, p, len);
		check_gone(TW_CTL_WHY_REFLECTED, 0);
		tw_ctl_conn_fini(conn, bed.now);
		free(conn);
	}
}

/* While PBKDF2 runs the SA is deleted, or rekeyed */
Test(cli_ike, sa_ends_while_its_key_is_derived)
{
	bed_add_sa(&bed, 1, key, 32);
	serve_open(&s, false);
	serve_greet(&s, 15 | 128);
	bed.sa[0].answer = TW_CTL_IKE_ENDED;
	bed_derive(&bed);
	check_gone(TW_CTL_WHY_CLIENT_IKE_ENDED, TW_CTL_IKE_TRY_REFRESHED);
	again();
	bed.sa[0].answer = TW_CTL_IKE_OK;
	serve_open(&s, false);
	serve_greet(&s, 15 | 128);
	bed.sa_cnt = 0; /* and forgotten */
	bed_derive(&bed);
	check_gone(TW_CTL_WHY_CLIENT_IKE_ENDED, TW_CTL_IKE_TRY_REFRESHED);
}

/* always the newest */
Test(cli_ike, sa_is_rekeyed_while_its_key_is_derived)
{
	bed_add_sa(&bed, 1, key, 32);
	serve_open(&s, false);
	serve_greet(&s, 15 | 128);
	bed.sa[0].answer = TW_CTL_IKE_SUPERSEDED;
	bed_add_sa(&bed, 2, key + 16, 32);
	cr_assert_eq(bed_derive(&bed), 2); /* once more, with the new key */
	serve_take_response_of(&s, key + 16, 32);
	cr_assert_eq(s.response.key_id[0], 2);
	serve_start(&s, 0);
	cr_assert_eq(serve_last(&s)->ev, TW_CTL_CLI_EV_READY);
	cr_assert_eq(serve_last(&s)->spis[0], 2);
}

Test(cli_ike, bounds_of_the_configuration)
{
	char why[TW_CTL_REASON_SIZE];
	struct tw_ctl_cli_cfg cfg;

	tw_ctl_cli_cfg_init(&cfg);
	cr_assert_eq(cfg.key_floor, TW_CTL_KEY_ANY);
	cr_assert(!cfg.ike_fallback && cfg.ike_try == 0 && !cfg.no_mark);
	cfg.key_floor = TW_CTL_KEY_IKEV2;
	cr_assert_eq(tw_ctl_cli_cfg_check(&cfg, why, sizeof(why)), 0);
	tw_ctl_cli_cfg_mode(&cfg, TW_MODE_OPEN);
	cr_assert_eq(tw_ctl_cli_cfg_check(&cfg, why, sizeof(why)), -EINVAL);
	tw_ctl_cli_cfg_init(&cfg);
	cfg.key_floor = 2;
	cr_assert_eq(tw_ctl_cli_cfg_check(&cfg, why, sizeof(why)), -EINVAL);
	tw_ctl_cli_cfg_init(&cfg);
	cfg.ike_try = TW_CTL_IKE_TRY_FALLBACK; /* nobody allowed that */
	cr_assert_eq(tw_ctl_cli_cfg_check(&cfg, why, sizeof(why)), -EINVAL);
	cfg.ike_fallback = true;
	cr_assert_eq(tw_ctl_cli_cfg_check(&cfg, why, sizeof(why)), 0);
}
