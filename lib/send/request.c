/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Requests: header, padding, protection. Padding is copied from a pool of pseudo-random octets at a
 * random place; the pool is renewed piece by piece, a cache line a burst, so that a packet costs a
 * copy and one draw whatever its size.
 */
#include "prng.h"
#include "send_i.h"

/*
 * Copy @p len octets of the pool from a random place on, around its end. The first eight are drawn
 * afresh: two packets that start at the same place are still different.
 */
static inline void
pad_random(const uint8_t *pool, uint64_t draw, uint8_t *out, size_t len)
{
	size_t from = (size_t)(draw >> 32) % PAD_POOL_SIZE;
	uint8_t *at = out;

	for (size_t left = len; left != 0;) {
		const size_t piece = left < PAD_POOL_SIZE - from ? left : PAD_POOL_SIZE - from;

		memcpy(at, &pool[from], piece);
		at += piece;
		left -= piece;
		from = 0;
	}
	memcpy(out, &draw, len < sizeof(draw) ? len : sizeof(draw));
}

static void
pad_renew(struct tw_send *snd)
{
	for (unsigned i = 0; i < TW_CACHE_LINE; i += sizeof(uint64_t)) {
		uint64_t v = prng_next(snd->pad_prng);

		memcpy(&snd->pad_pool[snd->pad_next_idx + i], &v, sizeof(v));
	}
	snd->pad_next_idx = (snd->pad_next_idx + TW_CACHE_LINE) % PAD_POOL_SIZE;
}

/* False if the request does not fit. */
static inline bool
build_one(struct tw_send *snd, struct tw_send_job *job, uint64_t prng[4])
{
	const struct tw_send_sess *sess = job->sess;
	const struct tw_tst_fmt *fmt = sess->s.fmt;
	size_t pad_len = (size_t)job->len - fmt->req_min;

	if (job->room < job->len)
		return false;
	tw_tst_begin_req(fmt, job->payload, (uint32_t)job->seq);
	if (sess->has_zero_padding)
		memset(job->payload + fmt->req_min, 0, pad_len);
	else
		pad_random(snd->pad_pool, prng_next(prng), job->payload + fmt->req_min, pad_len);
	return true;
}

/* The packet must not leave, nor those of its session after it: they would leave a gap. */
static void
refuse_from(struct tw_send_job *jobs, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (jobs[i].sess == jobs[0].sess)
			jobs[i].is_refused = true;
	}
}

void
tw_send_build(struct tw_send *snd, struct tw_send_job *jobs, unsigned n)
{
	uint64_t prng[4];

	pad_renew(snd);
	memcpy(prng, snd->pad_prng, sizeof(prng));
	for (unsigned i = 0; i < n; i++) {
		if (!jobs[i].is_refused && !build_one(snd, &jobs[i], prng))
			refuse_from(&jobs[i], n - i);
	}
	memcpy(snd->pad_prng, prng, sizeof(prng));
}

/* Block and HMAC of an authenticated request without the engine. @return false: none is there */
static bool
protect_pair(struct tw_send *snd, struct tw_send_job *job)
{
	struct tw_send_sess *sess = job->sess;
	const uint32_t seq = (uint32_t)job->seq;
	struct tw_pairs_lease *lease = send_lease(snd, sess);
	const struct tw_engine_pair *pair;

	if (lease == NULL) {
		if (snd->pairs == NULL || sess->s.fmt->prot != TW_TST_PROT_AUTH ||
			sess->interval_ns > TW_PAIRS_GAP_NS)
			return false;
		/* replies have numbers of their own, from 0 on like ours */
		sess->pairs = tw_pairs_borrow(snd->pairs, sess, seq, seq);
		lease = tw_pairs_of(snd->pairs, sess->pairs, sess);
		if (lease == NULL)
			return false;
	}
	pair = tw_pairs_out(snd->pairs, lease, seq);
	tw_pairs_earn(snd->pairs, lease, &sess->tkey, seq + 1);
	if (pair == NULL)
		return false;
	memcpy(job->payload, pair->block, sizeof(pair->block));
	memcpy(job->payload + sess->s.fmt->req_hmac_off, pair->tag, sizeof(pair->tag));
	return true;
}

void
tw_send_protect(
	struct tw_send *snd, struct tw_send_job *jobs, unsigned n, const struct tw_sess_stamp *t1)
{
	unsigned prot_cnt = 0;

	for (unsigned i = 0; i < n; i++) {
		struct tw_send_job *job = &jobs[i];
		const struct tw_tst_fmt *fmt = job->sess->s.fmt;

		if (job->is_refused || fmt->req_cover == 0 || protect_pair(snd, job))
			continue;
		if (fmt->prot == TW_TST_PROT_ENCR) {
			job->t1 = t1[job->sess->clock_idx];
			tw_tst_stamp_req(fmt, job->payload, job->t1.ntp, job->t1.ee);
		}
		snd->eng_job[prot_cnt] = (struct tw_engine_job){.key = &job->sess->tkey,
			.buf = job->payload,
			.cover = fmt->req_cover,
			.hmac_off = fmt->req_hmac_off};
		snd->eng_idx[prot_cnt++] = (uint8_t)i;
	}
	if (prot_cnt == 0 || tw_engine_seal(snd->eng, snd->eng_job, prot_cnt) == prot_cnt)
		return;
	for (unsigned i = 0; i < prot_cnt; i++) {
		if (snd->eng_job[i].res != 0)
			refuse_from(&jobs[snd->eng_idx[i]], n - snd->eng_idx[i]);
	}
}
