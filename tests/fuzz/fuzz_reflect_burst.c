/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * A reflector under an attacker's packets, some of them authentic: what is answered is answered
 * within bounds, what is not stays as it came, everything is counted, numbers rise by one. A twin
 * without pairs ahead of time, but with octets to be had in front, gives the same answers.
 */
#include "packets.h"
#include "tw_pairs.h"
#include "tw_reflect.h"

#define WINDOWS 2

static struct tw_engine *eng;
static struct tw_pairs *pairs;
static struct tw_reflect rf, twin_rf;
static struct tw_refl_sess *sess[FUZZ_SESSIONS], *twin_sess[FUZZ_SESSIONS];

static struct tw_refl_sess *
session(unsigned i)
{
	struct tw_crypto_keys *keys = fuzz_sess_keys(i);
	const struct tw_refl_cfg cfg = {.fmt = fuzz_fmts[i], .keys = keys};
	struct tw_refl_sess *s = tw_crypto_map(sizeof(*s));

	CHECK(s != NULL && tw_refl_sess_init(s, &cfg) == 0);
	tw_refl_sess_start(s);
	tw_crypto_free(keys);
	return s;
}

static void
set_up(void)
{
	void *mem = tw_crypto_map(tw_pairs_size(WINDOWS));

	CHECK(mem != NULL);
	eng = fuzz_engine();
	pairs = tw_pairs_init(mem, WINDOWS);
	tw_reflect_init(&rf, eng);
	tw_reflect_use_pairs(&rf, pairs);
	tw_reflect_init(&twin_rf, eng);
	for (unsigned i = 0; i < FUZZ_SESSIONS; i++) {
		sess[i] = session(i);
		twin_sess[i] = session(i);
		if (fuzz_fmts[i]->prot == TW_TST_PROT_AUTH)
			sess[i]->pairs = tw_pairs_borrow(pairs, sess[i], 0, 0);
	}
}

/* Octets in front of the twin's packet: too few, enough, or none. */
static unsigned
front_of(const struct fuzz_packet *p)
{
	return (unsigned)(p->len * 7 + p->choices) % 96;
}

static uint8_t *
twin_copy(const struct fuzz_packet *p)
{
	uint8_t *buf = malloc(front_of(p) + p->room);

	CHECK(buf != NULL);
	memcpy(buf + front_of(p), p->buf, p->room);
	return buf;
}

/* The same answer, wherever it begins, within what was given. */
static void
check_twin(const struct tw_reflect_job *job, const struct tw_reflect_job *like,
	const struct fuzz_packet *p, const uint8_t *buf)
{
	const uint8_t *end = buf + front_of(p) + p->room;

	CHECK(job->drop == like->drop);
	if (job->drop != TW_REFL_OK && job->drop != TW_REFL_DROP_TX_REFUSED) {
		CHECK(memcmp(buf + front_of(p), p->buf, p->room) == 0);
		return;
	}
	CHECK(job->rep_len == like->rep_len);
	CHECK(job->payload >= buf && (size_t)(end - job->payload) >= job->rep_len);
	CHECK(memcmp(job->payload, like->payload, job->rep_len) == 0);
}

/* The same burst on the twin. */
static void
twin_burst(const struct fuzz_packet *p, const struct tw_reflect_job *like, uint8_t *const *buf,
	unsigned n, const struct tw_sess_stamp *t3)
{
	struct tw_reflect_job job[TW_BURST_MAX];

	for (unsigned i = 0; i < n; i++) {
		job[i] = (struct tw_reflect_job){.sess = twin_sess[p[i].sess],
			.payload = buf[i] + front_of(&p[i]),
			.rx_len = (uint16_t)p[i].len,
			.room = (uint16_t)p[i].room,
			.front = (uint16_t)front_of(&p[i]),
			.ttl = 1,
			.t2 = like[i].t2};
	}
	tw_reflect_verify(&twin_rf, job, n);
	tw_reflect_build(&twin_rf, job, n);
	tw_reflect_protect(&twin_rf, job, n, t3);
	for (unsigned i = 0; i < n; i++) {
		tw_reflect_stamp(&job[i], t3);
		job[i].is_refused = like[i].is_refused;
	}
	tw_reflect_finish(&twin_rf, job, n);
	for (unsigned i = 0; i < n; i++)
		check_twin(&job[i], &like[i], &p[i], buf[i]);
}

/* An unauthentic packet of a protected session is never answered. */
static void
check_job(const struct tw_reflect_job *job, const struct fuzz_packet *p)
{
	const struct tw_tst_fmt *fmt = job->sess->s.fmt;

	if (job->drop == TW_REFL_OK || job->drop == TW_REFL_DROP_TX_REFUSED) {
		CHECK(job->rep_len == (p->len > fmt->rep_min ? p->len : fmt->rep_min));
		CHECK(job->rep_len <= p->room);
		CHECK(fmt->req_cover == 0 || (p->choices & FUZZ_IS_SEALED));
		CHECK(memcmp(p->buf + fmt->rep_min, p->was + fmt->req_min,
			      job->rep_len - fmt->rep_min) == 0);
	} else {
		CHECK(memcmp(p->buf, p->was, p->len) == 0);
	}
}

static void
burst(struct fuzz_packet *p, unsigned n)
{
	const struct tw_sess_stamp t2 = {.at = {.time = {1}}, .ntp = 1, .ee = 1};
	const struct tw_sess_stamp t3 = {.at = {.time = {2}}, .ntp = 2, .ee = 0x8501};
	struct tw_reflect_job job[TW_BURST_MAX];
	uint8_t *twin[TW_BURST_MAX];
	unsigned ok, sent = 0, left;

	for (unsigned i = 0; i < n; i++) {
		twin[i] = twin_copy(&p[i]);
		job[i] = (struct tw_reflect_job){.sess = sess[p[i].sess],
			.payload = p[i].buf,
			.rx_len = (uint16_t)p[i].len,
			.room = (uint16_t)p[i].room,
			.ttl = 1,
			.t2 = &t2};
	}
	(void)tw_reflect_verify(&rf, job, n);
	ok = tw_reflect_build(&rf, job, n);
	CHECK(tw_reflect_protect(&rf, job, n, &t3) == ok);
	for (unsigned i = 0; i < n; i++)
		tw_reflect_stamp(&job[i], &t3);
	for (unsigned i = n; i-- > 0 && (p[i].choices & FUZZ_IS_REFUSED);)
		job[i].is_refused = true; /* a tail */
	for (unsigned i = 0; i < n; i++)
		sent += job[i].drop == TW_REFL_OK && !job[i].is_refused;
	left = tw_reflect_finish(&rf, job, n);
	CHECK(left == sent);
	tw_pairs_refill(pairs, eng);
	for (unsigned i = 0; i < n; i++)
		check_job(&job[i], &p[i]);
	twin_burst(p, job, twin, n, &t3);
	for (unsigned i = 0; i < n; i++)
		free(twin[i]);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	uint64_t before = 0, after = 0, cnt = 0;
	struct tw_refl_counts c;
	bool more = true;

	if (eng == NULL)
		set_up();
	for (unsigned i = 0; i < FUZZ_SESSIONS; i++) {
		tw_refl_sess_counts(sess[i], &c);
		before += c.reflected + c.dropped;
	}
	while (more) {
		struct fuzz_packet p[TW_BURST_MAX];
		unsigned n = 0;

		while (n < TW_BURST_MAX &&
			(more = fuzz_packet_next(&p[n], &data, &size, TW_TST_HEADER_MAX))) {
			const struct tw_tst_fmt *fmt = fuzz_fmts[p[n].sess];

			fuzz_packet_seal(&p[n], eng, &sess[p[n].sess]->tkey, fmt->req_cover,
				fmt->req_hmac_off);
			n++;
		}
		if (n > 0)
			burst(p, n);
		cnt += n;
		while (n > 0)
			fuzz_packet_free(&p[--n]);
	}
	for (unsigned i = 0; i < FUZZ_SESSIONS; i++) {
		tw_refl_sess_counts(sess[i], &c);
		after += c.reflected + c.dropped;
		CHECK(sess[i]->next_seq == (uint32_t)c.reflected);
	}
	CHECK(after - before == cnt);
	return 0;
}
