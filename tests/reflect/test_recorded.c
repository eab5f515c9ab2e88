/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Given the same requests, times and Error Estimates, we answer octet for octet what the reference
 * implementation answered in the recorded sessions, and what the computed vectors say.
 */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "golden.h"
#include "refl_check.h"

#define PAIRS_MAX 20

static const struct tw_tst_fmt *
fmt_of(json_t *v)
{
	return tw_tst_fmt_for_mode((uint32_t)golden_int(v, "mode"));
}

/* The session as the recorded server had it, from the control keys. */
static struct tw_refl_sess *
recorded_sess(json_t *v, uint8_t tos)
{
	struct tw_refl_sess *sess = tw_crypto_map(sizeof(*sess));
	struct tw_crypto_keys *keys = tw_crypto_alloc(sizeof(*keys));
	json_t *test = json_array_get(golden_member(v, "test"), 0);
	struct tw_refl_cfg cfg = {.fmt = fmt_of(v), .dscp = tos >> 2};
	uint8_t sid[TW_CRYPTO_BLOCK_LEN];

	cr_assert(sess != NULL && keys != NULL && cfg.fmt != NULL);
	if (cfg.fmt->prot != TW_TST_PROT_OPEN) {
		golden_hex(v, "aes_key", keys->aes, sizeof(keys->aes));
		golden_hex(v, "hmac_key", keys->hmac, sizeof(keys->hmac));
		golden_hex(test, "sid", sid, sizeof(sid));
		cfg.keys = keys;
		cfg.sid = sid;
	}
	cr_assert_eq(tw_refl_sess_init(sess, &cfg), 0);
	tw_refl_sess_start(sess);
	tw_crypto_free(keys);
	return sess;
}

/* Requests of a capture as jobs, replies as what is expected; returns their number. */
static unsigned
pairs(const struct golden_capture *c, struct check_refl_lcore *lc, struct tw_refl_sess *sess,
	const struct golden_packet *want[PAIRS_MAX])
{
	unsigned requests = 0, replies = 0;

	for (size_t i = 0; i < c->packet_cnt; i++) {
		const struct golden_packet *p = &c->packets[i];

		if (tw_addr_equal(&p->src, &c->server)) {
			cr_assert_lt(replies, PAIRS_MAX);
			want[replies++] = p;
			continue;
		}
		cr_assert_lt(requests, PAIRS_MAX);
		memcpy(lc->buf[requests], p->payload.p, p->payload.len);
		lc->jobs[requests] = (struct tw_reflect_job){.sess = sess,
			.payload = lc->buf[requests],
			.rx_len = (uint16_t)p->payload.len,
			.room = CHECK_ROOM,
			.ttl = p->ttl};
		requests++;
	}
	cr_assert_eq(requests, replies);
	return requests;
}

/* T2, T3 and the Error Estimate of a recorded reply. */
static void
times_of(struct check_refl_lcore *lc, const struct tw_refl_sess *sess,
	const struct golden_packet *p, struct tw_sess_stamp *t2, struct tw_sess_stamp *t3)
{
	struct tw_tst_rep rep;

	cr_assert(check_open_rep(
		lc->ref, sess->s.fmt, &sess->tkey, p->payload.p, p->payload.len, &rep));
	*t2 = (struct tw_sess_stamp){.ntp = rep.t2, .ee = rep.ee};
	*t3 = (struct tw_sess_stamp){.ntp = rep.t3, .ee = rep.ee};
}

static void
answer_recorded(const char *name, const char *engine)
{
	struct check_refl_lcore *lc = check_lcore(engine);
	struct golden_capture *c = golden_capture_load(name);
	const struct golden_packet *want[PAIRS_MAX];
	struct tw_sess_stamp t2[PAIRS_MAX], t3[PAIRS_MAX];
	json_t *v = golden_vectors(name);
	struct tw_refl_sess *sess = recorded_sess(v, c->packets[0].tos);
	unsigned n = pairs(c, lc, sess, want);

	for (unsigned i = 0; i < n; i++) {
		times_of(lc, sess, want[i], &t2[i], &t3[i]);
		lc->jobs[i].t2 = &t2[i];
	}
	cr_assert_eq(tw_reflect_verify(&lc->rf, lc->jobs, n), n);
	tw_reflect_build(&lc->rf, lc->jobs, n);
	for (unsigned i = 0; i < n; i++) /* each left at a time of its own */
		cr_assert_eq(tw_reflect_protect(&lc->rf, &lc->jobs[i], 1, &t3[i]), 1);
	for (unsigned i = 0; i < n; i++)
		tw_reflect_stamp(&lc->jobs[i], &t3[i]);
	cr_assert_eq(tw_reflect_finish(&lc->rf, lc->jobs, n), n);
	for (unsigned i = 0; i < n; i++) {
		cr_assert_eq(lc->jobs[i].rep_len, want[i]->payload.len);
		cr_assert_arr_eq(lc->buf[i], want[i]->payload.p, want[i]->payload.len);
		cr_assert_eq(lc->jobs[i].rep_tos, want[i]->tos);
	}
	check_refl_free(sess);
	json_decref(v);
	golden_capture_free(c);
	check_lcore_free(lc);
}

static void
answer_if_twamp(const char *name, bool is_twamp)
{
	if (!is_twamp)
		return;
	for (unsigned e = 0; e < CHECK_ENGINES; e++)
		answer_recorded(name, check_engines[e]);
}

#define RECORDED(id, name, is_twamp)                                                               \
	Test(recorded, id, .init = check_init)                                                     \
	{                                                                                          \
		answer_if_twamp(name, is_twamp);                                                   \
	}
GOLDEN_SESSIONS(RECORDED)

/* Computed vectors: control keys, SID, request and reply of one packet, without padding. */
static const char vector_keys[] =
	"202122232425262728292a2b2c2d2e2f"
	"303132333435363738393a3b3c3d3e3f404142434445464748494a4b4c4d4e4f";
static const char vector_sid[] = "c0000201ec00001000000000a1b2c3d4";

static const struct {
	const struct tw_tst_fmt *fmt;
	const char *request;
	const char *reply;
} vectors[] = {
	{&tw_tst_auth,
		"9a51250bacbf4b5634a58ca3625d01f4ec000020400000008586000000000000"
		"39c201d8307988f2fa4d22832531aebf",
		"af4bcd302fef6a21172a35090a89f257ec000020480010008586000000000000"
		"ec00002048000000000000000000000000000007000000000000000000000000"
		"ec000020400000008586000000000000fa000000000000000000000000000000"
		"d24551750ef859cf49baee0b13836d01"},
	{&tw_tst_encr,
		"9a51250bacbf4b5634a58ca3625d01f49903144457cbbae0abe611f486daab2a"
		"931bcecbc23fd902f91b1d91d38c7020",
		"af4bcd302fef6a21172a35090a89f25703b3cfd002b6eaf11d1df3acaf83e53b"
		"e3d45207c68e66d8f3ef628c8ff66949725afb8ccc820f21985a70d3f1f582d1"
		"2edacb98c5c69f9ba11572af916f758d99f8a009973b62b626f699be35337006"
		"e1095545143637742ecf153a2424dabb"},
};

Test(recorded, computed_vectors, .init = check_init)
{
	struct tw_refl_sess *sess = tw_crypto_map(sizeof(*sess));
	struct tw_crypto_keys *keys = tw_crypto_alloc(sizeof(*keys));
	const struct tw_sess_stamp t2 = {.ntp = 0xec00002048000000, .ee = 0x8586};
	const struct tw_sess_stamp t3 = {.ntp = 0xec00002048001000, .ee = 0x8586};
	uint8_t sid[16], want[112];

	golden_unhex(vector_keys, (uint8_t *)keys, sizeof(*keys));
	golden_unhex(vector_sid, sid, sizeof(sid));
	for (unsigned k = 0; k < TW_ARRAY_SIZE(vectors) * CHECK_ENGINES; k++) {
		unsigned i = k / CHECK_ENGINES;
		struct check_refl_lcore *lc = check_lcore(check_engines[k % CHECK_ENGINES]);
		const struct tw_refl_cfg cfg = {.fmt = vectors[i].fmt, .keys = keys, .sid = sid};

		cr_assert_eq(tw_refl_sess_init(sess, &cfg), 0);
		tw_refl_sess_start(sess);
		sess->next_seq = 3;
		golden_unhex(vectors[i].request, lc->buf[0], 48);
		golden_unhex(vectors[i].reply, want, sizeof(want));
		lc->jobs[0] = (struct tw_reflect_job){.sess = sess,
			.payload = lc->buf[0],
			.rx_len = 48,
			.room = 112,
			.ttl = 250,
			.t2 = &t2};
		lc->t3 = t3;
		cr_assert_eq(check_run(lc, 1, 0), 1);
		cr_assert_eq(lc->jobs[0].rep_len, 112);
		cr_assert_arr_eq(lc->buf[0], want, sizeof(want));
		check_lcore_free(lc);
	}
}
