/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Replies: what is valid reaches the metrics with its values, what is not is counted for its
 * reason at the session and in the metrics.
 */
#include <criterion/criterion.h>
#include <string.h>

#include "send_check.h"

#define T0 CHECK_T0_NS

struct rig {
	struct check_snd *c;
	struct tw_engine *ref;
	struct tw_send_sess *sess;
	struct tw_sess_stamp t1; /* of all requests sent */
	struct tw_sess_stamp t4;
	struct tw_send_reply rp[TW_BURST_MAX];
	struct tw_metrics_sample sample[TW_BURST_MAX];
	uint8_t buf[TW_BURST_MAX][CHECK_ROOM];
	const struct tw_metrics_ctr *ctr;
};

/* A session that has sent @p sent requests at T0. */
static struct rig *
rig(const char *engine, const struct tw_tst_fmt *fmt, unsigned sent)
{
	struct rig *r = check_alloc(sizeof(*r));
	struct tw_send_cfg cfg = check_periodic(MS, 0);

	cfg.fmt = fmt;
	cfg.size = 112;
	cfg.metrics = check_metrics(&cfg);
	r->ctr = tw_metrics_ctr(cfg.metrics);
	r->c = check_snd(engine, CHECK_CAP);
	r->ref = check_engine("openssl");
	r->sess = check_send(&cfg);
	cr_assert_eq(tw_send_add(r->c->snd, r->sess, &r->c->steady, T0), 0);
	cr_assert_eq(check_all_due(r->c, T0 + ((int64_t)sent - 1) * MS), sent);
	r->t1 = check_stamp(T0 + ((int64_t)sent - 1) * MS);
	r->t4 = check_stamp(T0 + 200 * MS);
	return r;
}

static struct tw_tst_rep
good(const struct rig *r, uint32_t s)
{
	return (struct tw_tst_rep){.seq = s,
		.t2 = check_stamp(T0 + 100 * MS).ntp,
		.t3 = check_stamp(T0 + 101 * MS).ntp,
		.ee = r->t1.ee,
		.sender_seq = s,
		.sender_t1 = r->t1.ntp,
		.sender_ee = r->t1.ee,
		.sender_ttl = 250};
}

/* Reply @p i of @p len octets. */
static void
put(struct rig *r, unsigned i, const struct tw_tst_rep *rep, size_t len)
{
	const struct tw_tst_fmt *fmt = r->sess->s.fmt;
	struct tw_engine_job job = {.key = &r->sess->tkey,
		.buf = r->buf[i],
		.cover = fmt->rep_cover,
		.hmac_off = fmt->rep_hmac_off};

	memset(r->buf[i], 0x77, CHECK_ROOM);
	cr_assert(tw_tst_write_rep(fmt, r->buf[i], CHECK_ROOM, rep));
	if (fmt->rep_cover != 0)
		cr_assert_eq(tw_engine_seal(r->ref, &job, 1), 1);
	r->rp[i] = (struct tw_send_reply){.sess = r->sess,
		.payload = r->buf[i],
		.rx_len = (uint16_t)len,
		.ttl = 249,
		.t4 = &r->t4,
		.sample = &r->sample[i]};
}

static enum tw_send_drop
take(struct rig *r, const struct tw_tst_rep *rep)
{
	put(r, 0, rep, 200);
	cr_assert_eq(tw_send_collect(r->c->snd, r->rp, 1), r->rp[0].drop == TW_SEND_OK);
	return (enum tw_send_drop)r->rp[0].drop;
}

#define EACH_MODE_AND_ENGINE(r, sent)                                                              \
	for (unsigned k_ = 0; k_ < CHECK_FMTS * CHECK_ENGINES; k_++)                               \
		for (struct rig *r = rig(                                                          \
			     check_engines[k_ / CHECK_FMTS], check_fmts[k_ % CHECK_FMTS], sent);   \
			r != NULL; check_engine_free(r->ref), check_snd_free(r->c), r = NULL)

Test(reply, valid_ones_reach_the_metrics, .init = check_init)
{
	EACH_MODE_AND_ENGINE(r, 10)
	{
		struct tw_tst_rep rep = good(r, 7);
		const struct tw_send_reply *rp = &r->rp[0];

		cr_assert_eq(take(r, &rep), TW_SEND_OK);
		cr_assert_eq(rp->cls, TW_METRICS_C_FIRST);
		cr_assert_eq(rp->rec.sender_seq, 7);
		cr_assert_eq(rp->rec.t1_ntp, r->t1.ntp);
		cr_assert_eq(rp->rec.t2_ntp, rep.t2);
		cr_assert_eq(rp->rec.t3_ntp, rep.t3);
		cr_assert_eq(rp->rec.sender_ttl, 250);
		cr_assert_eq(rp->rec.ttl, 249);
		cr_assert_eq(r->sample[0].round_trip_ns, 200 * MS - 9 * MS);
		cr_assert_eq(r->sample[0].residence_ns, MS);
		cr_assert_eq(r->sample[0].forward_ns, 100 * MS - 9 * MS);
		cr_assert_eq(r->sample[0].reverse_ns, 99 * MS);
		cr_assert_eq(tw_ctr_get(&r->ctr->received), 1);
		cr_assert_eq(check_counts(r->sess).replies, 1);
	}
}

/* Duplicates are measured, not refused; which direction made them shows in the number. */
Test(reply, duplicates_are_valid, .init = check_init)
{
	EACH_MODE_AND_ENGINE(r, 10)
	{
		struct tw_tst_rep rep = good(r, 3);

		cr_assert_eq(take(r, &rep), TW_SEND_OK);
		cr_assert_eq(take(r, &rep), TW_SEND_OK);
		cr_assert_eq(r->rp[0].cls, TW_METRICS_C_DUP_REVERSE);
		rep.seq = 8;
		rep.t2 += 1000;
		cr_assert_eq(take(r, &rep), TW_SEND_OK);
		cr_assert_eq(r->rp[0].cls, TW_METRICS_C_DUP_FORWARD);
		cr_assert_eq(check_counts(r->sess).replies, 3);
		cr_assert_eq(tw_ctr_get(&r->ctr->received), 1);
	}
}

Test(reply, every_truncation_is_short, .init = check_init)
{
	EACH_MODE_AND_ENGINE(r, 10)
	{
		unsigned min = r->sess->s.fmt->rep_min;
		struct tw_tst_rep rep = good(r, 1);

		for (unsigned len = 0; len < min; len++) {
			put(r, 0, &rep, len);
			cr_assert_eq(tw_send_collect(r->c->snd, r->rp, 1), 0);
			cr_assert_eq(r->rp[0].drop, TW_SEND_DROP_SHORT);
			cr_assert_eq(r->rp[0].cls, TW_METRICS_C_NONE);
		}
		put(r, 0, &rep, min);
		cr_assert_eq(tw_send_collect(r->c->snd, r->rp, 1), 1);
		cr_assert_eq(check_counts(r->sess).drops[TW_SEND_DROP_SHORT], min);
		cr_assert_eq(tw_ctr_get(&r->ctr->invalid_length), min);
	}
}

Test(reply, every_changed_bit_under_the_hmac, .init = check_init)
{
	EACH_MODE_AND_ENGINE(r, 10)
	{
		const struct tw_tst_fmt *fmt = r->sess->s.fmt;
		struct tw_tst_rep rep = good(r, 1);
		unsigned n = 0, bad = 0;

		for (unsigned bit = 0; fmt->rep_cover != 0 && bit < 8U * fmt->rep_min; bit++) {
			if (bit / 8 >= fmt->rep_cover && bit / 8 < fmt->rep_hmac_off)
				continue;
			put(r, n, &rep, 112);
			r->buf[n][bit / 8] ^= (uint8_t)(1U << bit % 8);
			bad++;
			if (++n == TW_BURST_MAX) {
				cr_assert_eq(tw_send_collect(r->c->snd, r->rp, n), 0);
				for (; n > 0; n--)
					cr_assert_eq(r->rp[n - 1].drop, TW_SEND_DROP_AUTH_FAILED);
			}
		}
		cr_assert_eq(n, 0);
		cr_assert_eq(tw_ctr_get(&r->ctr->invalid_auth), bad);
		cr_assert_eq(tw_ctr_get(&r->ctr->received), 0);
	}
}

Test(reply, multiplier_zero, .init = check_init)
{
	EACH_MODE_AND_ENGINE(r, 10)
	{
		struct tw_tst_rep rep = good(r, 1);

		rep.ee = 0x8500;
		cr_assert_eq(take(r, &rep), TW_SEND_DROP_BAD_MULTIPLIER);
		cr_assert_eq(tw_ctr_get(&r->ctr->invalid_multiplier), 1);
		rep.ee = 0x0001; /* unsynchronised, as the reference implementation says it */
		cr_assert_eq(take(r, &rep), TW_SEND_OK);
	}
}

Test(reply, to_what_was_never_sent, .init = check_init)
{
	static const uint32_t ahead[] = {10, 11, 1000, 0x7fffffff, 0x80000000, UINT32_MAX};

	EACH_MODE_AND_ENGINE(r, 10)
	{
		for (unsigned i = 0; i < TW_ARRAY_SIZE(ahead); i++) {
			struct tw_tst_rep rep = good(r, ahead[i]);

			cr_assert_eq(take(r, &rep), TW_SEND_DROP_SEQ_AHEAD);
		}
		cr_assert_eq(
			check_counts(r->sess).drops[TW_SEND_DROP_SEQ_AHEAD], TW_ARRAY_SIZE(ahead));
		cr_assert_eq(tw_ctr_get(&r->ctr->invalid_seq), TW_ARRAY_SIZE(ahead));
		cr_assert_eq(check_counts(r->sess).replies, 0);
	}
}

/* PROTOCOL.md 4.8: the copied T1 tells stale and forged replies. */
Test(reply, with_a_time_that_was_not_sent, .init = check_init)
{
	EACH_MODE_AND_ENGINE(r, 10)
	{
		struct tw_tst_rep rep = good(r, 4);

		rep.sender_t1 ^= 1;
		cr_assert_eq(take(r, &rep), TW_SEND_DROP_STALE);
		cr_assert_eq(r->rp[0].cls, TW_METRICS_C_FORGED);
		cr_assert_eq(tw_ctr_get(&r->ctr->invalid_t1), 1);
		cr_assert_eq(tw_ctr_get(&r->ctr->received), 0);
		rep = good(r, 4);
		cr_assert_eq(take(r, &rep), TW_SEND_OK);
		cr_assert_eq(r->rp[0].cls, TW_METRICS_C_FIRST);
	}
}

Test(reply, outside_the_life_of_a_session, .init = check_init)
{
	EACH_MODE_AND_ENGINE(r, 10)
	{
		struct tw_tst_rep rep = good(r, 4);

		tw_send_stop(r->c->snd, r->sess, T0 + S);
		cr_assert_eq(take(r, &rep), TW_SEND_OK); /* draining */
		tw_send_remove(r->c->snd, r->sess);
		cr_assert_eq(take(r, &rep), TW_SEND_DROP_NOT_RUNNING);
		atomic_store(&r->sess->s.state, TW_SESS_RESERVED);
		cr_assert_eq(take(r, &rep), TW_SEND_DROP_NOT_RUNNING);
		cr_assert_eq(check_counts(r->sess).drops[TW_SEND_DROP_NOT_RUNNING], 2);
	}
}

/* Numbers beyond 2^32: the low half is on the wire. */
Test(reply, numbers_wrap, .init = check_init)
{
	struct rig *r = rig(check_fast(), &tw_tst_auth, 1);
	struct tw_tst_rep rep;

	r->sess->metrics = NULL;
	atomic_store(&r->sess->next_seq, (1ULL << 32) + 5);
	rep = good(r, 4); /* number 2^32 + 4 */
	cr_assert_eq(take(r, &rep), TW_SEND_OK);
	rep = good(r, UINT32_MAX);
	cr_assert_eq(take(r, &rep), TW_SEND_OK);
	rep = good(r, 5);
	cr_assert_eq(take(r, &rep), TW_SEND_DROP_SEQ_AHEAD);
	atomic_store(&r->sess->next_seq, UINT32_MAX - 1ULL);
	rep = good(r, UINT32_MAX - 2);
	cr_assert_eq(take(r, &rep), TW_SEND_OK);
	rep = good(r, UINT32_MAX - 1);
	cr_assert_eq(take(r, &rep), TW_SEND_DROP_SEQ_AHEAD);
	rep = good(r, 0);
	cr_assert_eq(take(r, &rep), TW_SEND_OK);
}

/* Bursts of good and bad ones, of every size. */
Test(reply, bursts_judge_each_alone, .init = check_init)
{
	EACH_MODE_AND_ENGINE(r, 64)
	{
		uint64_t seed = 1, want = 0;

		for (unsigned n = 1; n <= TW_BURST_MAX; n++) {
			enum tw_send_drop expect[TW_BURST_MAX];

			for (unsigned i = 0; i < n; i++) {
				struct tw_tst_rep rep = good(r, (uint32_t)(check_rand(&seed) % 64));

				rep.seq = (uint32_t)(want + i);
				expect[i] = TW_SEND_OK;
				switch (check_rand(&seed) % 4) {
				case 0:
					rep.ee = 0;
					expect[i] = TW_SEND_DROP_BAD_MULTIPLIER;
					break;
				case 1:
					rep.sender_seq = 64;
					expect[i] = TW_SEND_DROP_SEQ_AHEAD;
					break;
				}
				put(r, i, &rep, 112 + i);
				if (check_rand(&seed) % 4 == 0) {
					r->rp[i].rx_len = 40;
					expect[i] = TW_SEND_DROP_SHORT;
				}
			}
			tw_send_collect(r->c->snd, r->rp, n);
			for (unsigned i = 0; i < n; i++) {
				cr_assert_eq(r->rp[i].drop, expect[i]);
				want += expect[i] == TW_SEND_OK;
			}
		}
		cr_assert_eq(check_counts(r->sess).replies, want);
	}
}
