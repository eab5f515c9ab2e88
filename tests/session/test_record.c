/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Layout of the records, what their init refuses, what it leaves behind when it does.
 */
#include <criterion/criterion.h>
#include <errno.h>

#include "sess_check.h"

static bool
is_zero(const void *p, size_t size)
{
	const uint8_t *b = p;

	for (size_t i = 0; i < size; i++) {
		if (b[i] != 0)
			return false;
	}
	return true;
}

Test(record, writers_have_lines_of_their_own)
{
	/* head: control; then what the owner lcore writes, and keys, which it alone reads */
	cr_assert_eq(offsetof(struct tw_refl_sess, next_seq), 64);
	cr_assert_eq(offsetof(struct tw_refl_sess, tkey), 96);
	cr_assert_leq(offsetof(struct tw_refl_sess, outer_tpid) + sizeof(uint16_t), 96);
	cr_assert_leq(offsetof(struct tw_refl_sess, tkey.hmac_key),
		(size_t)TW_REFL_HOT_LINES * TW_CACHE_LINE);
	cr_assert_leq(sizeof(struct tw_refl_sess), 512);
	cr_assert_eq(offsetof(struct tw_send_sess, sched) % TW_CACHE_LINE, 0);
	cr_assert_eq(offsetof(struct tw_send_sess, next_seq) % TW_CACHE_LINE, 0);
	cr_assert_eq(offsetof(struct tw_send_sess, tkey) % TW_CACHE_LINE, 0);
}

Test(record, key_of_v4_is_mapped_and_exact)
{
	const uint8_t a[4] = {10, 1, 2, 3}, b[4] = {10, 9, 8, 7};
	struct tw_addr src = tw_addr_make(TW_ADDR_V4, a), dst = tw_addr_make(TW_ADDR_V4, b);
	struct tw_sess_key k = tw_sess_key_make(0x01020304, &src, 0x1234, &dst, 862);
	static const uint8_t want_src[16] = {[10] = 0xff, 0xff, 10, 1, 2, 3};
	static const uint8_t want_dst[16] = {[10] = 0xff, 0xff, 10, 9, 8, 7};

	cr_assert_arr_eq(k.src, want_src, 16);
	cr_assert_arr_eq(k.dst, want_dst, 16);
	cr_assert_eq(k.scope, 0x01020304);
	cr_assert_arr_eq((uint8_t *)&k.src_port_be, ((uint8_t[]){0x12, 0x34}), 2);
	cr_assert_arr_eq((uint8_t *)&k.dst_port_be, ((uint8_t[]){0x03, 0x5e}), 2);
}

Test(record, key_of_v6_keeps_all_octets)
{
	struct tw_addr src, dst;
	struct tw_sess_key k;

	cr_assert(tw_addr_parse("2001:db8::1", &src) && tw_addr_parse("fd99::2", &dst));
	k = tw_sess_key_make(7, &src, 1, &dst, 2);
	cr_assert_arr_eq(k.src, src.b, 16);
	cr_assert_arr_eq(k.dst, dst.b, 16);
}

Test(record, keys_differ_in_every_part)
{
	const uint8_t a4[4] = {10, 1, 2, 3}, b4[4] = {10, 1, 2, 4};
	struct tw_addr a = tw_addr_make(TW_ADDR_V4, a4), b = tw_addr_make(TW_ADDR_V4, b4);
	struct tw_sess_key k = tw_sess_key_make(1, &a, 10, &b, 20), other[5];

	other[0] = tw_sess_key_make(2, &a, 10, &b, 20);
	other[1] = tw_sess_key_make(1, &b, 10, &b, 20);
	other[2] = tw_sess_key_make(1, &a, 11, &b, 20);
	other[3] = tw_sess_key_make(1, &a, 10, &a, 20);
	other[4] = tw_sess_key_make(1, &a, 10, &b, 21);
	for (unsigned i = 0; i < 5; i++)
		cr_assert(memcmp(&k, &other[i], sizeof(k)) != 0, "part %u", i);
}

Test(record, reflector_refuses_what_cannot_work_and_leaves_nothing)
{
	struct tw_refl_sess *sess;
	struct tw_crypto_keys *keys;
	struct tw_refl_cfg good, bad;

	check_init();
	sess = tw_crypto_map(sizeof(*sess));
	keys = check_keys(1);
	good = (struct tw_refl_cfg){.fmt = &tw_tst_auth, .dscp = 63, .keys = keys};
	cr_assert_eq(tw_refl_sess_init(sess, &good), 0);
	for (unsigned i = 0; i < 5; i++) {
		bad = good;
		switch (i) {
		case 0:
			bad.fmt = NULL;
			break;
		case 1:
			bad.dscp = 64;
			break;
		case 2:
			bad.keys = NULL; /* protected without keys */
			break;
		case 3:
			bad.fmt = &tw_tst_open; /* open with keys */
			break;
		default:
			bad.rate_pps = 1000000001;
		}
		memset(sess, 0xa5, sizeof(*sess));
		cr_assert_eq(tw_refl_sess_init(sess, &bad), -EINVAL, "case %u", i);
		cr_assert(is_zero(sess, sizeof(*sess)), "case %u", i);
	}
	tw_crypto_free(keys);
}

static const struct tw_send_cfg send_good = {.fmt = &tw_tst_open,
	.law = TW_SEND_POISSON,
	.size = 14,
	.interval_ns = TW_SEND_INTERVAL_MIN_NS,
	.seed = {1}};

Test(record, sender_takes_the_bounds)
{
	struct tw_send_sess *sess;
	struct tw_send_cfg cfg = send_good;

	check_init();
	sess = tw_crypto_map(sizeof(*sess));
	cr_assert_eq(tw_send_sess_init(sess, &cfg), 0);
	cr_assert_eq(sess->max_lag_ns, TW_SEND_MAX_LAG_NS);
	cr_assert_eq(sess->late_after_ns, TW_SEND_LATE_AFTER_NS);
	cr_assert_eq(sess->tmax_ns, TW_SEND_TMAX_NS);
	cr_assert_eq(sess->report_ns, TW_SEND_REPORT_NS);
	cfg.interval_ns = TW_SEND_INTERVAL_MAX_NS;
	cfg.size = UINT16_MAX;
	cfg.dscp = 63;
	cfg.report_ns = -1;
	cr_assert_eq(tw_send_sess_init(sess, &cfg), 0);
	cr_assert_eq(sess->report_ns, -1);
}

Test(record, sender_refuses_what_cannot_work_and_leaves_nothing)
{
	struct tw_send_sess *sess;
	struct tw_send_cfg bad[12];

	check_init();
	sess = tw_crypto_map(sizeof(*sess));
	for (unsigned i = 0; i < TW_ARRAY_SIZE(bad); i++)
		bad[i] = send_good;
	bad[0].fmt = NULL;
	bad[1].law = 0;
	bad[2].law = TW_SEND_LAW_N;
	bad[3].size = 13;
	bad[4].interval_ns = TW_SEND_INTERVAL_MIN_NS - 1;
	bad[5].interval_ns = TW_SEND_INTERVAL_MAX_NS + 1;
	bad[6].dscp = 64;
	bad[7].duration_ns = -1;
	bad[8].max_lag_ns = -1;
	bad[9].tmax_ns = -1;
	bad[10].late_after_ns = -1;
	bad[11].fmt = &tw_tst_auth; /* without keys */
	for (unsigned i = 0; i < TW_ARRAY_SIZE(bad); i++) {
		memset(sess, 0xa5, sizeof(*sess));
		cr_assert_eq(tw_send_sess_init(sess, &bad[i]), -EINVAL, "case %u", i);
		cr_assert(is_zero(sess, sizeof(*sess)), "case %u", i);
	}
}

Test(record, sender_refuses_bursts_and_traces_that_make_no_schedule)
{
	static const uint64_t none[] = {0, 0, 2999}, longest[] = {TW_SEND_INTERVAL_MAX_NS},
			      beyond[] = {TW_SEND_INTERVAL_MAX_NS + 1};
	const struct tw_send_cfg trace = {.law = TW_SEND_TRACE, .gap_ns = longest, .gap_cnt = 1},
				 burst = {
					 .law = TW_SEND_BURST, .interval_ns = 2000, .burst_cnt = 2};
	struct tw_send_cfg bad[] = {trace, trace, trace, trace, burst, burst, burst};

	cr_assert_gt(tw_send_cfg_window_interval_ns(&trace, 0), 0);
	cr_assert_gt(tw_send_cfg_window_interval_ns(&burst, 0), 0);
	bad[0].gap_ns = NULL;
	bad[1].gap_cnt = 0;
	bad[2].gap_ns = beyond;
	bad[3].gap_ns = none;
	bad[3].gap_cnt = TW_ARRAY_SIZE(none);
	bad[4].burst_cnt = 0;
	bad[5].burst_cnt = 3;
	bad[6].interval_ns = TW_SEND_INTERVAL_MAX_NS + 1;
	for (unsigned i = 0; i < TW_ARRAY_SIZE(bad); i++)
		cr_assert_eq(tw_send_cfg_window_interval_ns(&bad[i], 0), 0, "case %u", i);
}

/* Packets of a window, by counting them. */
static uint64_t
densest(const uint64_t *gaps, uint32_t cnt, uint64_t span_ns)
{
	uint64_t most = 0;

	for (uint32_t first = 0; first < cnt; first++) {
		uint64_t at_ns = 0, n = 0;

		for (uint32_t i = first + 1; at_ns <= span_ns; i++, n++)
			at_ns += gaps[i % cnt];
		most = n > most ? n : most;
	}
	return most;
}

Test(record, window_holds_the_densest_part_of_a_schedule)
{
	static const uint64_t gaps[] = {4000000, 0, 0, 1000, 900000, 0, 70000, 2500000, 0};
	struct tw_send_cfg cfg = {.law = TW_SEND_BURST,
		.interval_ns = 1000000,
		.burst_cnt = 50,
		.tmax_ns = 1500000,
		.max_lag_ns = 1};

	/* two bursts may stand in one and a half intervals */
	cr_assert_leq(tw_send_cfg_window_interval_ns(&cfg, 0), 15000);
	cr_assert_geq(tw_send_cfg_window_interval_ns(&cfg, 0), 14990);
	cfg.law = TW_SEND_TRACE;
	cfg.gap_ns = gaps;
	cfg.gap_cnt = TW_ARRAY_SIZE(gaps);
	for (cfg.tmax_ns = 1000; cfg.tmax_ns < 40000000; cfg.tmax_ns += 777777) {
		uint64_t cnt = densest(gaps, cfg.gap_cnt, (uint64_t)cfg.tmax_ns);
		uint64_t interval = tw_send_cfg_window_interval_ns(&cfg, 0);

		cr_assert_leq(interval, (uint64_t)cfg.tmax_ns / cnt, "%ld", cfg.tmax_ns);
		cr_assert_geq(interval + 1 + interval / 100, (uint64_t)cfg.tmax_ns / cnt * 99 / 100,
			"%ld: %lu, %lu packets", cfg.tmax_ns, interval, cnt);
	}
}

Test(record, window_covers_catching_up)
{
	struct tw_send_cfg cfg = {.law = TW_SEND_PERIODIC, .interval_ns = 10000};

	/* 4 s of window may see 5 s of schedule after a stall of 1 s */
	cr_assert_eq(tw_send_cfg_window_interval_ns(&cfg, 2000000000), 8000);
	cfg.interval_ns = 60000000000; /* one a minute */
	cr_assert_eq(tw_send_cfg_window_interval_ns(&cfg, 0), 40000000000);
	cfg.max_lag_ns = INT64_MAX;
	cfg.tmax_ns = 1;
	cr_assert_eq(tw_send_cfg_window_interval_ns(&cfg, 0), 1);
	cfg.interval_ns = 1;
	cr_assert_eq(tw_send_cfg_window_interval_ns(&cfg, 0), 0);
}

Test(record, wiping_leaves_no_octet)
{
	struct tw_refl_sess *refl;
	struct tw_send_sess *snd;

	check_init();
	refl = check_refl(&tw_tst_encr, 3);
	cr_assert_not(is_zero(&refl->tkey, sizeof(refl->tkey)));
	tw_refl_sess_wipe(refl);
	cr_assert(is_zero(refl, sizeof(*refl)));
	snd = check_send(&(struct tw_send_cfg){
		.fmt = &tw_tst_auth, .law = TW_SEND_PERIODIC, .size = 48, .interval_ns = 1000});
	cr_assert_not(is_zero(&snd->tkey, sizeof(snd->tkey)));
	tw_send_sess_wipe(snd);
	cr_assert(is_zero(snd, sizeof(*snd)));
}

Test(record, both_ends_derive_the_same_test_keys)
{
	struct tw_refl_sess *refl;
	struct tw_send_sess *snd;

	check_init();
	refl = check_refl(&tw_tst_auth, 5);
	snd = check_send(&(struct tw_send_cfg){.fmt = &tw_tst_auth,
		.id = 5,
		.law = TW_SEND_PERIODIC,
		.size = 48,
		.interval_ns = 1000});
	cr_assert_arr_eq((uint8_t *)&refl->tkey, (uint8_t *)&snd->tkey, sizeof(refl->tkey));
}
