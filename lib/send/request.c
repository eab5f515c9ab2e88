/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Requests: header, padding, protection. Padding is copied from a pool of pseudo-random octets at a
 * random place; the pool is renewed piece by piece, a cache line a burst, so that a packet costs a
 * copy and one draw whatever its size.
 */
#include "prng.h"
#include "send_i.h"

#define PAD_PIECE 32

/* Whole pieces in line: most paddings are short, and a call would cost as much again. */
static inline void
pad_copy(uint8_t *out, const uint8_t *from, size_t len)
{
	for (; len >= PAD_PIECE; len -= PAD_PIECE, out += PAD_PIECE, from += PAD_PIECE)
		memcpy(out, from, PAD_PIECE);
	if (len != 0)
		memcpy(out, from, len);
}

/*
 * Copy @p len octets of the pool from a random place on, around its end. The first eight are drawn
 * afresh: two packets that start at the same place are still different.
 */
static inline void
pad_random(const uint8_t *pool, uint64_t prng[4], uint8_t *out, size_t len)
{
	uint64_t draw;
	uint8_t *at = out;
	size_t from;

	if (len == 0)
		return;
	draw = prng_next(prng);
	from = (size_t)(draw >> 32) % PAD_POOL_SIZE;
	for (size_t left = len; left != 0;) {
		const size_t piece = left < PAD_POOL_SIZE - from ? left : PAD_POOL_SIZE - from;

		pad_copy(at, &pool[from], piece);
		at += piece;
		left -= piece;
		from = 0;
	}
	if (__builtin_expect(len >= sizeof(draw), 1))
		memcpy(out, &draw, sizeof(draw));
	else
		memcpy(out, &draw, len);
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

/* The packet must not leave, nor those of its session after it: they would leave a gap. */
static void
refuse_from(struct tw_send_job *jobs, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		if (jobs[i].sess == jobs[0].sess)
			jobs[i].is_refused = true;
	}
}

/* The pairs that a session sends from, @p seq being the next number. NULL: the engine protects. */
static struct tw_pairs_lease *
lease_for(struct tw_send *snd, struct tw_send_sess *sess, uint32_t seq)
{
	struct tw_pairs_lease *lease = send_lease(snd, sess);

	if (lease != NULL || snd->pairs == NULL || sess->s.fmt->prot != TW_TST_PROT_AUTH ||
		sess->interval_ns > TW_PAIRS_GAP_NS)
		return lease;
	/* replies have numbers of their own, from 0 on like ours */
	sess->pairs = tw_pairs_borrow(snd->pairs, sess, seq, seq);
	return tw_pairs_of(snd->pairs, sess->pairs, sess);
}

/* Pairs that a session sends from. */
struct source {
	const struct tw_pairs_lease *lease; /* NULL: none */
	const struct tw_engine_pair *pair;  /* of number `seq`, and those after it ... */
	unsigned cnt;                       /* ... so many */
	uint32_t seq;
};

static inline const struct tw_engine_pair *
pair_of(const struct tw_send *snd, struct source *from, uint32_t seq)
{
	if (__builtin_expect(from->cnt == 0 || from->seq != seq, 0)) {
		from->cnt = 0;
		if (from->lease != NULL)
			from->pair = tw_pairs_out_row(snd->pairs, from->lease, seq, &from->cnt);
		if (from->cnt == 0)
			return NULL;
	}
	from->cnt--;
	from->seq = seq + 1;
	return from->pair++;
}

/* Header, without T1. @return whether it is as it leaves, T1 apart */
static inline bool
build_header(const struct tw_send *snd, struct source *from, const struct tw_tst_fmt *fmt,
	const struct tw_send_job *job)
{
	const struct tw_engine_pair *pair = pair_of(snd, from, (uint32_t)job->seq);

	if (__builtin_expect(pair != NULL, 1)) {
		tw_tst_begin_auth_req(job->payload, pair->block, pair->tag);
		return true;
	}
	tw_tst_begin_req(fmt, job->payload, (uint32_t)job->seq);
	return fmt->req_cover == 0;
}

/* Requests of one session in a row, from @p i on. @return the first one behind them */
static unsigned
build_run(struct tw_send *snd, struct tw_send_job *jobs, unsigned i, unsigned n, uint64_t prng[4])
{
	struct tw_send_sess *sess = jobs[i].sess;
	const struct tw_tst_fmt *fmt = sess->s.fmt;
	const size_t head_len = fmt->req_min;
	struct tw_pairs_lease *lease = lease_for(snd, sess, (uint32_t)jobs[i].seq);
	struct source from = {.lease = lease};
	uint32_t next = 0;
	unsigned cnt = 0;

	for (; i < n && jobs[i].sess == sess; i++) {
		struct tw_send_job *job = &jobs[i];

		if (job->is_refused)
			continue;
		if (__builtin_expect(job->room < job->len, 0)) {
			refuse_from(job, n - i);
			continue;
		}
		if (!build_header(snd, &from, fmt, job))
			snd->unsealed |= UINT64_C(1) << i;
		if (sess->has_zero_padding)
			memset(job->payload + head_len, 0, job->len - head_len);
		else
			pad_random(
				snd->pad_pool, prng, job->payload + head_len, job->len - head_len);
		next = (uint32_t)job->seq + 1;
		cnt++;
	}
	if (lease != NULL && cnt > 0)
		tw_pairs_earn(snd->pairs, lease, &sess->tkey, next, cnt);
	return i;
}

void
tw_send_build(struct tw_send *snd, struct tw_send_job *jobs, unsigned n)
{
	uint64_t prng[4];

	_Static_assert(TW_BURST_MAX <= 64, "bits of unsealed");
	pad_renew(snd);
	memcpy(prng, snd->pad_prng, sizeof(prng));
	for (unsigned i = 0; i < n;)
		i = build_run(snd, jobs, i, n, prng);
	memcpy(snd->pad_prng, prng, sizeof(prng));
}

void
tw_send_protect(
	struct tw_send *snd, struct tw_send_job *jobs, unsigned n, const struct tw_sess_stamp *t1)
{
	unsigned eng_cnt = 0;

	for (uint64_t left = snd->unsealed; left != 0; left &= left - 1) {
		const unsigned i = (unsigned)__builtin_ctzll(left);
		struct tw_send_job *job = &jobs[i];
		const struct tw_tst_fmt *fmt = job->sess->s.fmt;

		if (job->is_refused)
			continue;
		if (fmt->prot == TW_TST_PROT_ENCR) {
			job->t1 = &t1[job->sess->clock_idx];
			tw_tst_stamp_req(fmt, job->payload, job->t1->ntp, job->t1->ee);
		}
		snd->eng_job[eng_cnt] = (struct tw_engine_job){.key = &job->sess->tkey,
			.buf = job->payload,
			.cover = fmt->req_cover,
			.hmac_off = fmt->req_hmac_off};
		snd->eng_idx[eng_cnt++] = (uint8_t)i;
	}
	snd->unsealed = 0;
	if (eng_cnt == 0 || tw_engine_seal(snd->eng, snd->eng_job, eng_cnt) == eng_cnt)
		return;
	for (unsigned i = 0; i < eng_cnt; i++) {
		if (snd->eng_job[i].res != 0)
			refuse_from(&jobs[snd->eng_idx[i]], n - snd->eng_idx[i]);
	}
}
