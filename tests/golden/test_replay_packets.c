/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Every test packet of every recorded session, with every crypto engine: verified, decrypted, read,
 * and rebuilt from its fields to the octets that were on the wire. A reply is rebuilt twice: over
 * its own octets, and in place over the request that it answers, the way a reflector does.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "golden.h"
#include "tw_engine.h"
#include "tw_wire.h"

enum { PACKET_MAX = 512, PER_DIRECTION = 20 };

struct replay {
	struct golden_capture *cap;
	json_t *v;
	const struct tw_tst_fmt *fmt;
	struct tw_engine *eng; /* NULL: nothing is protected */
	struct tw_crypto_tkey *tkey;
	bool is_twamp;
	/* of the session at hand */
	json_t *test;
	struct golden_packet *requests[PER_DIRECTION];
};

static void
run(struct replay *r, bool is_seal, uint8_t *pkt, uint8_t *clear, uint16_t cover, uint16_t hmac_off)
{
	struct tw_engine_job job = {
		.key = r->tkey, .buf = pkt, .clear = clear, .cover = cover, .hmac_off = hmac_off};
	unsigned done = is_seal ? tw_engine_seal(r->eng, &job, 1) : tw_engine_open(r->eng, &job, 1);

	cr_assert(done == 1 && job.res == 0, "%s: %d", is_seal ? "seal" : "open", job.res);
}

/* Padding is kept, the header is written from fields and protected: must equal what was sent. */
static void
rebuild_request(struct replay *r, const struct golden_span *sent, const struct tw_tst_req *q)
{
	uint8_t pkt[PACKET_MAX];
	struct tw_tst_req early = {.seq = q->seq};

	memset(pkt, 0xa5, r->fmt->req_min);
	memcpy(pkt + r->fmt->req_min, sent->p + r->fmt->req_min, sent->len - r->fmt->req_min);
	cr_assert(r->fmt->write_req(pkt, sent->len, &early));
	tw_tst_stamp_req(r->fmt, pkt, q->t1, q->ee);
	if (r->eng)
		run(r, true, pkt, NULL, r->fmt->req_cover, r->fmt->req_hmac_off);
	cr_assert_arr_eq(pkt, sent->p, sent->len);
}

static void
rebuild_reply(struct replay *r, const struct golden_span *sent, const struct tw_tst_rep *rep)
{
	const struct golden_span *request = &r->requests[rep->sender_seq]->payload;
	uint8_t pkt[PACKET_MAX];
	struct tw_tst_rep early = *rep;
	size_t len;

	memcpy(pkt, request->p, request->len);
	len = tw_tst_move_padding(r->fmt, pkt, request->len, sizeof(pkt));
	cr_assert_eq(len, sent->len);
	early.t3 = 0;
	early.ee = 0;
	cr_assert(tw_tst_write_rep(r->fmt, pkt, len, &early));
	tw_tst_stamp_rep(r->fmt, pkt, rep->t3, rep->ee);
	if (r->eng)
		run(r, true, pkt, NULL, r->fmt->rep_cover, r->fmt->rep_hmac_off);
	cr_assert_arr_eq(pkt, sent->p, sent->len);
}

static void
request(struct replay *r, struct golden_packet *p, size_t idx)
{
	json_t *want = json_array_get(golden_member(r->test, "sender_packets"), idx);
	uint8_t clear[TW_ENGINE_COVER_MAX];
	struct tw_tst_req q;

	cr_assert_leq(p->payload.len, PACKET_MAX);
	if (r->eng)
		run(r, false, p->payload.p, clear, r->fmt->req_cover, r->fmt->req_hmac_off);
	cr_assert(tw_tst_read_req(
		r->fmt, p->payload.p, p->payload.len, r->eng ? clear : p->payload.p, &q));
	cr_assert_eq(q.seq, idx);
	if (want) {
		cr_assert_eq(q.seq, golden_int(want, "seq"));
		cr_assert_eq(q.t1, golden_hex_int(want, "ts"));
		cr_assert_eq(q.ee, golden_hex_int(want, "err"));
	}
	rebuild_request(r, &p->payload, &q);
	r->requests[idx] = p;
}

static void
reply(struct replay *r, struct golden_packet *p, size_t idx)
{
	json_t *want = json_array_get(golden_member(r->test, "reflector_packets"), idx);
	uint8_t clear[TW_ENGINE_COVER_MAX];
	struct tw_tst_rep rep;

	if (r->eng)
		run(r, false, p->payload.p, clear, r->fmt->rep_cover, r->fmt->rep_hmac_off);
	cr_assert(r->fmt->read_rep(
		p->payload.p, p->payload.len, r->eng ? clear : p->payload.p, &rep));
	cr_assert_eq(rep.seq, idx);
	cr_assert_lt(rep.sender_seq, PER_DIRECTION);
	cr_assert_not_null(r->requests[rep.sender_seq]);
	if (want) {
		cr_assert_eq(rep.t3, golden_hex_int(want, "ts"));
		cr_assert_eq(rep.ee, golden_hex_int(want, "err"));
		cr_assert_eq(rep.t2, golden_hex_int(want, "rts"));
		cr_assert_eq(rep.sender_seq, golden_int(want, "sseq"));
		cr_assert_eq(rep.sender_t1, golden_hex_int(want, "sts"));
		cr_assert_eq(rep.sender_ee, golden_hex_int(want, "serr"));
		cr_assert_eq(rep.sender_ttl, golden_int(want, "sttl"));
	}
	rebuild_reply(r, &p->payload, &rep);
}

static void
session_keys(struct replay *r)
{
	struct tw_crypto_keys *control = tw_crypto_alloc(2 * sizeof(*control));
	struct tw_crypto_keys *test = control + 1;
	uint8_t sid[TW_WIRE_SID_LEN];
	uint8_t want[TW_CRYPTO_HMAC_KEY_LEN];

	cr_assert(control);
	golden_hex(r->v, "aes_key", control->aes, sizeof(control->aes));
	golden_hex(r->v, "hmac_key", control->hmac, sizeof(control->hmac));
	golden_hex(r->test, "sid", sid, sizeof(sid));
	cr_assert_eq(tw_crypto_test_keys(control, sid, test), 0);
	golden_hex(r->test, "test_aes_key", want, sizeof(test->aes));
	cr_assert_arr_eq(test->aes, want, sizeof(test->aes));
	golden_hex(r->test, "test_hmac_key", want, sizeof(test->hmac));
	cr_assert_arr_eq(test->hmac, want, sizeof(test->hmac));
	cr_assert_eq(tw_crypto_tkey_derive(r->tkey, control, sid), 0);
	tw_crypto_free(control);
}

/* All packets of one test session; of OWAMP the second session is sent by the server. */
static void
session(struct replay *r, size_t idx)
{
	uint64_t sender_port = golden_int(r->test, "sender_port");
	const struct tw_addr *sender = r->is_twamp || idx == 0 ? &r->cap->client : &r->cap->server;
	size_t request_cnt = 0;
	size_t reply_cnt = 0;

	memset(r->requests, 0, sizeof(r->requests));
	if (r->eng)
		session_keys(r);
	for (size_t i = 0; i < r->cap->packet_cnt; i++) {
		struct golden_packet *p = &r->cap->packets[i];

		if (tw_addr_equal(&p->src, sender) && p->sport == sender_port)
			request(r, p, request_cnt++);
		else if (r->is_twamp)
			reply(r, p, reply_cnt++);
	}
	cr_assert_eq(request_cnt, PER_DIRECTION);
	cr_assert_eq(reply_cnt, r->is_twamp ? PER_DIRECTION : 0);
}

static void
sessions(struct replay *r)
{
	size_t i;

	json_array_foreach (golden_member(r->v, "test"), i, r->test)
		session(r, i);
}

static void
replay(const char *name, bool is_twamp)
{
	struct replay r = {.is_twamp = is_twamp};
	const struct tw_engine_ops *ops;
	char why[256] = "";

	cr_assert_eq(tw_crypto_init_late(TW_CRYPTO_HEAP_MIN, why, sizeof(why)), 0, "%s", why);
	r.cap = golden_capture_load(name);
	r.v = golden_vectors(name);
	r.fmt = tw_tst_fmt_for_mode((uint32_t)golden_int(r.v, "mode"));
	cr_assert(r.fmt);
	if (r.fmt->prot == TW_TST_PROT_OPEN)
		sessions(&r);
	for (unsigned i = 0; r.fmt->prot != TW_TST_PROT_OPEN && (ops = tw_engine_at(i)); i++) {
		void *mem = tw_crypto_map(tw_engine_size(ops));

		r.tkey = tw_crypto_map(sizeof(*r.tkey));
		cr_assert(mem && r.tkey);
		cr_assert_eq(
			tw_engine_init(ops, mem, tw_engine_size(ops), &r.eng), 0, "%s", ops->name);
		sessions(&r);
		tw_engine_fini(r.eng);
		tw_crypto_unmap(r.tkey, sizeof(*r.tkey));
		tw_crypto_unmap(mem, tw_engine_size(ops));
	}
	json_decref(r.v);
	golden_capture_free(r.cap);
}

#define REPLAY(id, name, is_twamp)                                                                 \
	Test(replay_packets, id)                                                                   \
	{                                                                                          \
		replay(name, is_twamp);                                                            \
	}
GOLDEN_SESSIONS(REPLAY)
