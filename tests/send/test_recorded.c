/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The recorded sessions as if we had been their sender: with the recorded times our requests are
 * the recorded ones (padding apart, which is random), and the recorded replies are accepted.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "golden.h"
#include "send_check.h"

#define PACKETS 20

struct session {
	struct golden_capture *c;
	json_t *v;
	struct check_snd *snd;
	struct tw_engine *ref;
	struct tw_send_sess *sess;
	struct tw_metrics *metrics;
};

static struct tw_send_sess *
recorded_sess(json_t *v, const struct golden_packet *first, struct tw_metrics *metrics)
{
	struct tw_send_sess *sess = tw_crypto_map(sizeof(*sess));
	struct tw_crypto_keys *keys = tw_crypto_alloc(sizeof(*keys));
	json_t *test = json_array_get(golden_member(v, "test"), 0);
	struct tw_send_cfg cfg = check_periodic(MS, PACKETS);
	uint8_t sid[TW_CRYPTO_BLOCK_LEN];

	cr_assert(sess != NULL && keys != NULL);
	cfg.fmt = tw_tst_fmt_for_mode((uint32_t)golden_int(v, "mode"));
	cfg.size = (uint16_t)first->payload.len;
	cfg.dscp = first->tos >> 2;
	cfg.metrics = metrics;
	if (cfg.fmt->prot != TW_TST_PROT_OPEN) {
		golden_hex(v, "aes_key", keys->aes, sizeof(keys->aes));
		golden_hex(v, "hmac_key", keys->hmac, sizeof(keys->hmac));
		golden_hex(test, "sid", sid, sizeof(sid));
		cfg.keys = keys;
		cfg.sid = sid;
	}
	cr_assert_eq(tw_send_sess_init(sess, &cfg), 0);
	tw_crypto_free(keys);
	return sess;
}

/* The next request of ours, with the time and estimate of the recorded one. */
static void
send_one(struct session *x, unsigned i, const struct golden_packet *p)
{
	const struct tw_tst_fmt *fmt = x->sess->s.fmt;
	struct tw_send_job *job = &x->snd->jobs[0];
	struct tw_sess_stamp t1 = check_stamp(CHECK_T0_NS);
	struct tw_tst_req req;

	cr_assert(check_open_req(x->ref, fmt, &x->sess->tkey, p->payload.p, p->payload.len, &req));
	cr_assert_eq(req.seq, i);
	t1.at.time = tw_clock_ntp_to_ns(req.t1, (tw_ns){p->time_ns});
	t1.ntp = req.t1;
	t1.ee = req.ee;
	cr_assert_eq(tw_send_poll(x->snd->snd, CHECK_T0_NS + i * MS, job, 1), 1);
	job->payload = x->snd->buf[0];
	job->room = CHECK_ROOM;
	tw_send_build(x->snd->snd, job, 1);
	tw_send_protect(x->snd->snd, job, 1, &t1);
	tw_send_stamp(job, &t1);
	cr_assert_eq(tw_send_finish(x->snd->snd, job, 1, CHECK_T0_NS + i * MS), 1);
	cr_assert_eq(job->len, p->payload.len);
	cr_assert_eq(job->tos, p->tos);
	cr_assert_arr_eq(job->payload, p->payload.p, fmt->req_min);
}

static void
collect_one(struct session *x, const struct golden_packet *p)
{
	struct tw_sess_stamp t4 = check_stamp(p->time_ns);
	struct tw_send_reply rp = {.sess = x->sess,
		.payload = p->payload.p,
		.rx_len = (uint16_t)p->payload.len,
		.ttl = p->ttl,
		.tos = p->tos,
		.t4 = &t4};

	cr_assert_eq(tw_send_collect(x->snd->snd, &rp, 1), 1, "%s", tw_send_drop_name(rp.drop));
	cr_assert_eq(rp.cls, TW_METRICS_C_FIRST);
}

static void
play(const char *name, const char *engine)
{
	const struct tw_send_cfg cfg = check_periodic(MS, PACKETS);
	struct session x = {.c = golden_capture_load(name),
		.v = golden_vectors(name),
		.snd = check_snd(engine, CHECK_CAP),
		.ref = check_engine("openssl"),
		.metrics = check_metrics(&cfg)};
	unsigned sent = 0;

	x.sess = recorded_sess(x.v, &x.c->packets[0], x.metrics);
	cr_assert_eq(tw_send_add(x.snd->snd, x.sess, &x.snd->steady, CHECK_T0_NS), 0);
	for (size_t i = 0; i < x.c->packet_cnt; i++) {
		if (tw_addr_equal(&x.c->packets[i].src, &x.c->client))
			send_one(&x, sent++, &x.c->packets[i]);
		else
			collect_one(&x, &x.c->packets[i]);
	}
	cr_assert_eq(sent, PACKETS);
	cr_assert_eq(tw_ctr_get(&tw_metrics_ctr(x.metrics)->received), PACKETS);
	cr_assert_eq(check_counts(x.sess).invalid, 0);
	check_send_free(x.sess);
	check_engine_free(x.ref);
	check_snd_free(x.snd);
	json_decref(x.v);
	golden_capture_free(x.c);
}

static void
play_if_twamp(const char *name, bool is_twamp)
{
	if (!is_twamp)
		return;
	for (unsigned e = 0; e < CHECK_ENGINES; e++)
		play(name, check_engines[e]);
}

#define RECORDED(id, name, is_twamp)                                                               \
	Test(recorded, id, .init = check_init)                                                     \
	{                                                                                          \
		play_if_twamp(name, is_twamp);                                                     \
	}
GOLDEN_SESSIONS(RECORDED)
