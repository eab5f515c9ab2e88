/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * What a request holds: every size in every mode with both engines, padding, T1.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "send_check.h"

#define T0 CHECK_T0_NS

static struct tw_send_sess *
of_size(struct check_snd *c, const struct tw_tst_fmt *fmt, uint16_t size, bool zero)
{
	struct tw_send_cfg cfg = check_periodic(MS, 3);
	struct tw_send_sess *sess;

	cfg.fmt = fmt;
	cfg.size = size;
	cfg.has_zero_padding = zero;
	cfg.dscp = 46;
	sess = check_send(&cfg);
	cr_assert_eq(tw_send_add(c->snd, sess, &c->steady, T0), 0);
	return sess;
}

/* Header octets that are neither number, time, estimate nor tag are zero (R-5357-001). */
static void
check_clear(const struct check_snd *c, struct tw_engine *ref, const struct tw_send_job *job,
	uint32_t seq, const struct tw_sess_stamp *t1)
{
	const struct tw_tst_fmt *fmt = job->sess->s.fmt;
	struct tw_tst_req req;

	(void)c;
	cr_assert(check_open_req(ref, fmt, &job->sess->tkey, job->payload, job->sess->size, &req));
	cr_assert_eq(req.seq, seq);
	cr_assert_eq(req.t1, t1->ntp);
	cr_assert_eq(req.ee, t1->ee);
	cr_assert_neq(req.ee & 0xff, 0); /* R-4656-071 */
	cr_assert_eq(job->tos, 46 << 2);
	if (fmt->prot == TW_TST_PROT_AUTH) {
		static const uint8_t zero[6];

		cr_assert_arr_eq(job->payload + 26, zero, sizeof(zero));
	}
}

Test(request, is_right_for_every_size_mode_and_engine, .timeout = 60)
{
	check_init();
	for (unsigned e = 0; e < CHECK_ENGINES; e++) {
		struct check_snd *c = check_snd(check_engines[e], CHECK_CAP);
		struct tw_engine *ref = check_engine("openssl");
		const struct tw_sess_stamp t1 = check_stamp(T0 + 2 * MS);

		for (unsigned f = 0; f < CHECK_FMTS; f++) {
			for (unsigned size = check_fmts[f]->req_min; size <= 1500; size++) {
				struct tw_send_sess *s =
					of_size(c, check_fmts[f], (uint16_t)size, size % 2);

				cr_assert_eq(check_burst(c, T0 + 2 * MS, 8, 0), 3);
				for (unsigned i = 0; i < 3; i++) {
					cr_assert_eq(c->jobs[i].len, size);
					check_clear(c, ref, &c->jobs[i], i, &t1);
					for (unsigned k = size; k < CHECK_ROOM; k++)
						cr_assert_eq(c->buf[i][k], 0xee);
				}
				tw_send_remove(c->snd, s);
				check_send_free(s);
			}
		}
		check_snd_free(c);
	}
}

/* R-4656-079: a switch makes all of it zero. */
Test(request, padding_can_be_zero)
{
	check_init();
	for (unsigned f = 0; f < CHECK_FMTS; f++) {
		struct check_snd *c = check_snd("openssl", CHECK_CAP);
		static const uint8_t zero[1000];

		of_size(c, check_fmts[f], 1000, true);
		cr_assert_eq(check_burst(c, T0 + 2 * MS, 8, 0), 3);
		for (unsigned i = 0; i < 3; i++)
			cr_assert_arr_eq(c->buf[i] + check_fmts[f]->req_min, zero,
				1000U - check_fmts[f]->req_min);
	}
}

/* R-4656-077: octets look random, differ from packet to packet, and repeat with the seed only. */
Test(request, padding_is_pseudo_random)
{
	struct check_snd *a, *b;
	unsigned ones = 0, same = 0;

	check_init();
	a = check_snd("openssl", CHECK_CAP);
	b = check_snd("openssl", CHECK_CAP);
	of_size(a, &tw_tst_open, 1414, false);
	of_size(b, &tw_tst_open, 1414, false);
	cr_assert_eq(check_burst(a, T0 + 2 * MS, 8, 0), 3);
	cr_assert_eq(check_burst(b, T0 + 2 * MS, 8, 0), 3);
	for (unsigned i = 14; i < 1414; i++) {
		ones += (unsigned)__builtin_popcount(a->buf[0][i]);
		same += a->buf[0][i] == a->buf[1][i];
		same += a->buf[1][i] == a->buf[2][i];
		cr_assert_eq(a->buf[0][i], b->buf[0][i]);
	}
	cr_assert(ones > 5600 - 265 && ones < 5600 + 265, "%u", ones); /* five sigma */
	cr_assert_lt(same, 40);
}

static int
by_octets(const void *a, const void *b)
{
	return memcmp(a, b, 16);
}

/* Regression: two packets that took their padding from the same place of the pool were alike. */
Test(request, no_two_paddings_are_alike)
{
	static uint8_t seen[2048][16];
	struct tw_send_cfg cfg = check_periodic(MS, TW_ARRAY_SIZE(seen));
	struct check_snd *c;

	check_init();
	c = check_snd("openssl", CHECK_CAP);
	cfg.size = 400;
	cr_assert_eq(tw_send_add(c->snd, check_send(&cfg), &c->steady, T0), 0);
	for (unsigned i = 0; i < TW_ARRAY_SIZE(seen); i++) {
		cr_assert_eq(check_burst(c, T0 + i * MS, 1, 0), 1);
		memcpy(seen[i], c->buf[0] + 14, sizeof(seen[i]));
	}
	qsort(seen, TW_ARRAY_SIZE(seen), sizeof(seen[0]), by_octets);
	for (unsigned i = 1; i < TW_ARRAY_SIZE(seen); i++)
		cr_assert(by_octets(seen[i - 1], seen[i]) != 0);
}

/* The longest datagram: the pool of padding is shorter and goes round. */
Test(request, padding_of_the_largest_datagram)
{
	static uint8_t buf[65507];
	struct tw_send_cfg cfg = check_periodic(MS, 1);
	struct check_snd *c;
	unsigned zeros = 0;

	check_init();
	c = check_snd("openssl", CHECK_CAP);
	cfg.size = sizeof(buf);
	cr_assert_eq(tw_send_add(c->snd, check_send(&cfg), &c->steady, T0), 0);
	cr_assert_eq(tw_send_poll(c->snd, T0, c->jobs, 1), 1);
	c->jobs[0].payload = buf;
	c->jobs[0].room = sizeof(buf);
	tw_send_build(c->snd, c->jobs, 1);
	tw_send_finish(c->snd, c->jobs, 1, T0);
	for (unsigned i = 14; i < sizeof(buf); i++)
		zeros += buf[i] == 0;
	cr_assert(zeros > 150 && zeros < 370, "%u", zeros);
}

/* Encrypted: T1 is the prediction, a later stamp does not touch what is sealed. */
Test(request, encrypted_t1_is_the_predicted_departure)
{
	struct check_snd *c;
	struct tw_engine *ref;
	struct tw_sess_stamp predicted = check_stamp(T0 + 900), late = check_stamp(T0 + 5000);
	uint8_t sealed[112];

	check_init();
	c = check_snd(check_fast(), CHECK_CAP);
	ref = check_engine("openssl");
	of_size(c, &tw_tst_encr, 112, false);
	cr_assert_eq(tw_send_poll(c->snd, T0, c->jobs, 1), 1);
	c->jobs[0].payload = c->buf[0];
	c->jobs[0].room = CHECK_ROOM;
	tw_send_build(c->snd, c->jobs, 1);
	tw_send_protect(c->snd, c->jobs, 1, &predicted);
	memcpy(sealed, c->buf[0], sizeof(sealed));
	tw_send_stamp(&c->jobs[0], &late);
	cr_assert_arr_eq(c->buf[0], sealed, sizeof(sealed));
	check_clear(c, ref, &c->jobs[0], 0, &predicted);
	cr_assert_eq(c->jobs[0].t1, &predicted);
}

/* Authenticated: T1 written after sealing, each packet its own. */
Test(request, authenticated_t1_is_written_last)
{
	struct check_snd *c;
	struct tw_engine *ref;
	struct tw_sess_stamp early = check_stamp(T0), own[3];

	check_init();
	c = check_snd(check_fast(), CHECK_CAP);
	ref = check_engine("openssl");
	of_size(c, &tw_tst_auth, 112, false);
	cr_assert_eq(tw_send_poll(c->snd, T0 + 2 * MS, c->jobs, 8), 3);
	for (unsigned i = 0; i < 3; i++) {
		c->jobs[i].payload = c->buf[i];
		c->jobs[i].room = CHECK_ROOM;
	}
	tw_send_build(c->snd, c->jobs, 3);
	tw_send_protect(c->snd, c->jobs, 3, &early);
	for (unsigned i = 0; i < 3; i++) {
		own[i] = check_stamp(T0 + 2 * MS + 40 * i);
		tw_send_stamp(&c->jobs[i], &own[i]);
	}
	for (unsigned i = 0; i < 3; i++)
		check_clear(c, ref, &c->jobs[i], i, &own[i]);
}

/* A burst of all modes. */
Test(request, modes_mix_in_a_burst)
{
	check_init();
	for (unsigned e = 0; e < CHECK_ENGINES; e++) {
		struct check_snd *c = check_snd(check_engines[e], CHECK_CAP);
		struct tw_engine *ref = check_engine("openssl");
		const struct tw_sess_stamp t1 = check_stamp(T0 + 2 * MS);
		uint32_t next[CHECK_FMTS] = {0};
		struct tw_send_sess *sess[CHECK_FMTS];

		for (unsigned f = 0; f < CHECK_FMTS; f++)
			sess[f] = of_size(c, check_fmts[f], (uint16_t)(100 + f), false);
		cr_assert_eq(check_burst(c, T0 + 2 * MS, TW_BURST_MAX, 0), 9);
		for (unsigned i = 0; i < 9; i++) {
			for (unsigned f = 0; f < CHECK_FMTS; f++) {
				if (c->jobs[i].sess == sess[f])
					check_clear(c, ref, &c->jobs[i], next[f]++, &t1);
			}
		}
		cr_assert(next[0] == 3 && next[1] == 3 && next[2] == 3);
		check_snd_free(c);
	}
}
