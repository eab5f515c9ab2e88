/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * See refl_check.h.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "refl_check.h"

struct check_refl_lcore *
check_lcore(const char *engine)
{
	struct check_refl_lcore *lc = check_alloc(sizeof(*lc));

	lc->eng = check_engine(engine);
	lc->ref = check_engine("openssl");
	tw_reflect_init(&lc->rf, lc->eng);
	lc->t2 = check_stamp(CHECK_T0_NS);
	lc->t3 = check_stamp(CHECK_T0_NS + 700);
	return lc;
}

void
check_lcore_free(struct check_refl_lcore *lc)
{
	check_engine_free(lc->eng);
	check_engine_free(lc->ref);
	free(lc);
}

void
check_job(struct check_refl_lcore *lc, unsigned i, struct tw_refl_sess *sess, uint32_t seq,
	size_t len)
{
	const struct tw_tst_fmt *fmt = sess->s.fmt;

	lc->req[i] = (struct tw_tst_req){.seq = seq,
		.t1 = 0xec00002040000000ULL + seq,
		.ee = (uint16_t)(0x8501 + seq % 200)};
	memset(lc->buf[i], 0xee, CHECK_ROOM);
	if (len >= fmt->req_min)
		check_request(lc->ref, fmt, &sess->tkey, &lc->req[i], lc->buf[i], len);
	memcpy(lc->sent[i], lc->buf[i], CHECK_ROOM);
	lc->jobs[i] = (struct tw_reflect_job){.sess = sess,
		.payload = lc->buf[i],
		.rx_len = (uint16_t)len,
		.room = CHECK_ROOM,
		.ttl = (uint8_t)(200 + seq % 50),
		.t2 = &lc->t2};
}

unsigned
check_run(struct check_refl_lcore *lc, unsigned n, unsigned refused)
{
	unsigned ok, sent;

	(void)tw_reflect_verify(&lc->rf, lc->jobs, n);
	ok = tw_reflect_build(&lc->rf, lc->jobs, n);
	cr_assert_eq(tw_reflect_protect(&lc->rf, lc->jobs, n, &lc->t3), ok);
	for (unsigned i = 0; i < n; i++)
		tw_reflect_stamp(&lc->jobs[i], &lc->t3);
	for (unsigned i = n; i-- > 0 && refused > 0;) {
		if (lc->jobs[i].drop == TW_REFL_OK) {
			lc->jobs[i].is_refused = true;
			refused--;
			ok--;
		}
	}
	sent = tw_reflect_finish(&lc->rf, lc->jobs, n);
	cr_assert_eq(sent, ok);
	return sent;
}

/* Padding: lowest octets of the request's kept, highest dropped (PROTOCOL.md 4.7). */
static void
check_padding(const struct check_refl_lcore *lc, unsigned i)
{
	const struct tw_reflect_job *job = &lc->jobs[i];
	const struct tw_tst_fmt *fmt = job->sess->s.fmt;
	size_t len = job->rx_len > fmt->rep_min ? job->rx_len : fmt->rep_min;

	cr_assert_eq(job->rep_len, len);
	cr_assert_arr_eq(lc->buf[i] + fmt->rep_min, lc->sent[i] + fmt->req_min, len - fmt->rep_min);
	for (size_t k = len > job->rx_len ? len : job->rx_len; k < CHECK_ROOM; k++)
		cr_assert_eq(lc->buf[i][k], 0xee, "octet %zu behind the reply", k);
}

void
check_reply(struct check_refl_lcore *lc, unsigned i, uint32_t seq)
{
	const struct tw_reflect_job *job = &lc->jobs[i];
	const struct tw_refl_sess *sess = job->sess;
	struct tw_tst_rep rep;

	cr_assert_eq(job->drop, TW_REFL_OK, "job %u: %s", i, tw_refl_drop_name(job->drop));
	cr_assert(check_open_rep(
		lc->ref, sess->s.fmt, &sess->tkey, job->payload, job->rep_len, &rep));
	cr_assert_eq(rep.seq, seq, "job %u: %u, not %u", i, rep.seq, seq);
	cr_assert_eq(rep.sender_seq, lc->req[i].seq);
	cr_assert_eq(rep.sender_t1, lc->req[i].t1);
	cr_assert_eq(rep.sender_ee, lc->req[i].ee);
	cr_assert_eq(rep.sender_ttl, job->ttl);
	cr_assert_eq(rep.t2, lc->t2.ntp);
	cr_assert_eq(rep.t3, lc->t3.ntp);
	cr_assert_eq(rep.ee, tw_clock_ee_worse(lc->t2.ee, lc->t3.ee));
	cr_assert_neq(rep.ee & 0xff, 0);
	cr_assert_eq(job->rep_tos, sess->s.dscp << 2);
	check_padding(lc, i);
}
