/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The phases of a reflected burst. Formats say where things stand (lib/wire), engines protect
 * (lib/crypto), this file keeps the order of PROTOCOL.md 4.8.
 */
#include <endian.h>

#include "tw_pairs.h"
#include "tw_reflect.h"

static void
drop(struct tw_reflect_job *job, enum tw_refl_drop reason)
{
	job->drop = (uint8_t)reason;
	tw_ctr_inc(&job->sess->drops[reason]);
}

void
tw_reflect_init(struct tw_reflect *rf, struct tw_engine *eng)
{
	memset(rf, 0, sizeof(*rf));
	rf->eng = eng;
}

void
tw_reflect_use_pairs(struct tw_reflect *rf, struct tw_pairs *pairs)
{
	rf->pairs = pairs;
}

/* Steps 2 and 3: nothing of the payload is looked at. */
static enum tw_refl_drop
check_session(const struct tw_reflect_job *job)
{
	const struct tw_sess *s = &job->sess->s;
	enum tw_sess_state state = tw_sess_state_get(s);

	if (state != TW_SESS_RUNNING) {
		if (state != TW_SESS_DRAINING)
			return TW_REFL_DROP_NOT_RUNNING;
		if (job->t2->at.time.ns >
			atomic_load_explicit(&s->deadline_ns, memory_order_relaxed))
			return TW_REFL_DROP_AFTER_TIMEOUT;
	}
	if (job->rx_len < s->fmt->req_min)
		return TW_REFL_DROP_SHORT;
	if (job->room < tw_tst_reply_len(s->fmt, job->rx_len))
		return TW_REFL_DROP_NO_ROOM;
	return TW_REFL_OK;
}

/*
 * At most one packet per interval on average, TW_REFL_RATE_BURST_NS ahead of that. A T2 far behind
 * the time already used up means that the clock was stepped back: start afresh.
 */
static bool
rate_allows(struct tw_refl_sess *sess, tw_ns t2)
{
	const int64_t interval_ns = sess->rate_interval_ns;
	int64_t ahead_ns = sess->rate_tat_ns - t2.ns;

	if (ahead_ns < 0 || ahead_ns > 2 * TW_REFL_RATE_BURST_NS + interval_ns)
		ahead_ns = 0;
	else if (ahead_ns > TW_REFL_RATE_BURST_NS)
		return false;
	sess->rate_tat_ns = t2.ns + ahead_ns + interval_ns;
	return true;
}

/* Step 5 and what follows from a packet that is valid. @p clear is its covered part. */
static bool
accept(struct tw_reflect_job *job, const uint8_t *clear)
{
	struct tw_refl_sess *sess = job->sess;

	tw_tst_read_echo(sess->s.fmt, job->payload, clear, &job->echo);
	if (tw_tst_echo_multiplier(&job->echo) == 0) {
		drop(job, TW_REFL_DROP_BAD_MULTIPLIER);
		return false;
	}
	if (sess->rate_interval_ns != 0 && !rate_allows(sess, job->t2->at.time)) {
		drop(job, TW_REFL_DROP_RATE_LIMITED);
		return false;
	}
	atomic_store_explicit(&sess->last_valid_ns, job->t2->at.time.ns, memory_order_relaxed);
	return true;
}

/*
 * A packet of an authenticated session that the engine verified. Its pair is kept, the reply may
 * have the same number; a session whose packets follow each other closely gets a window.
 */
static void
note_pair(struct tw_reflect *rf, struct tw_reflect_job *job, unsigned i)
{
	struct tw_refl_sess *sess = job->sess;
	const uint8_t *clear = rf->clear[i];
	const int64_t last_ns = atomic_load_explicit(&sess->last_valid_ns, memory_order_relaxed);
	struct tw_pairs_lease *lease;
	uint32_t seq = tw_load_be32(clear);

	/* a pair is of a number and zeros; MBZ is not looked at otherwise */
	if ((tw_load_be32(clear + 4) | tw_load_be64(clear + 8)) == 0) {
		job->pair = &rf->kept[i];
		memcpy(rf->kept[i].block, job->payload, sizeof(rf->kept[i].block));
		memcpy(rf->kept[i].tag, job->payload + sess->s.fmt->req_hmac_off,
			sizeof(rf->kept[i].tag));
	}
	if (rf->pairs == NULL)
		return;
	lease = tw_pairs_of(rf->pairs, sess->pairs, sess);
	if (lease != NULL)
		tw_pairs_seen(rf->pairs, lease, seq);
	else if (last_ns != 0 && job->t2->at.time.ns - last_ns < TW_PAIRS_GAP_NS)
		sess->pairs = tw_pairs_borrow(rf->pairs, sess, seq + 1, sess->next_seq);
}

/* Step 4 for all that the engine has to verify, at once. @return those that fail */
static unsigned
open_burst(struct tw_reflect *rf, struct tw_reflect_job *jobs, unsigned n)
{
	unsigned failed = 0;

	if (n == 0)
		return 0;
	tw_engine_open(rf->eng, rf->eng_job, n);
	for (unsigned k = 0; k < n; k++) {
		const unsigned i = rf->eng_idx[k];

		if (rf->eng_job[k].res != 0) {
			drop(&jobs[i], TW_REFL_DROP_AUTH_FAILED);
			failed++;
		} else if (jobs[i].sess->s.fmt->prot == TW_TST_PROT_AUTH) {
			note_pair(rf, &jobs[i], i);
		}
	}
	return failed;
}

/* By pairs, if there are any. @return false: the engine must look at it */
static inline bool
verify_pair(struct tw_reflect *rf, struct tw_reflect_job *job, unsigned i)
{
	struct tw_refl_sess *sess = job->sess;
	enum tw_pairs_verdict verdict;
	struct tw_pairs_lease *lease;

	if (rf->pairs == NULL || sess->s.fmt->prot != TW_TST_PROT_AUTH)
		return false;
	lease = tw_pairs_of(rf->pairs, sess->pairs, sess);
	if (lease == NULL)
		return false;
	job->lease = lease;
	verdict = tw_pairs_match(rf->pairs, lease, &sess->tkey, job->payload,
		job->payload + sess->s.fmt->req_hmac_off, &job->seq, &job->pair);
	if (__builtin_expect(verdict == TW_PAIRS_AUTHENTIC, 1)) {
		/* nothing else of the block is read */
		tw_store_be32(rf->clear[i], job->seq);
		return true;
	}
	if (verdict == TW_PAIRS_UNKNOWN)
		return false;
	drop(job, TW_REFL_DROP_AUTH_FAILED);
	return true;
}

unsigned
tw_reflect_verify(struct tw_reflect *rf, struct tw_reflect_job *jobs, unsigned n)
{
	unsigned ok = n, eng_cnt = 0;

	TW_ASSERT(n <= TW_BURST_MAX);
	for (unsigned i = 0; i < n; i++) {
		struct tw_reflect_job *job = &jobs[i];
		const struct tw_tst_fmt *fmt = job->sess->s.fmt;
		enum tw_refl_drop why = check_session(job);

		job->drop = TW_REFL_OK;
		job->is_refused = false;
		job->lease = NULL;
		job->pair = NULL;
		if (why != TW_REFL_OK) {
			drop(job, why);
		} else if (fmt->req_cover != 0 && !verify_pair(rf, job, i)) {
			rf->eng_job[eng_cnt] = (struct tw_engine_job){.key = &job->sess->tkey,
				.buf = job->payload,
				.clear = rf->clear[i],
				.cover = fmt->req_cover,
				.hmac_off = fmt->req_hmac_off};
			rf->eng_idx[eng_cnt++] = (uint8_t)i;
			tw_refl_fetch(&job->sess->s, TW_REFL_HOT_LINES - 1);
		}
		ok -= job->drop != TW_REFL_OK;
	}
	return ok - open_burst(rf, jobs, eng_cnt);
}

/* Block and HMAC of a reply that has them computed already; NULL: the engine's work. */
static inline const struct tw_engine_pair *
reply_pair(const struct tw_reflect *rf, const struct tw_reflect_job *job)
{
	/* a pair is the same in both directions */
	if (job->pair != NULL && htobe32(job->seq) == job->echo.seq_be)
		return job->pair;
	return job->lease != NULL ? tw_pairs_out(rf->pairs, job->lease, job->seq) : NULL;
}

/* Its header, T3 apart. @return whether it needs no protection any more */
static inline bool
write_header(const struct tw_reflect *rf, const struct tw_tst_fmt *fmt, struct tw_reflect_job *job)
{
	const struct tw_engine_pair *pair;

	if (fmt->prot == TW_TST_PROT_AUTH) {
		pair = reply_pair(rf, job);
		if (__builtin_expect(pair != NULL, 1)) {
			tw_tst_write_auth_echo(job->payload, pair->block, pair->tag, job->t2->ntp,
				&job->echo, job->ttl);
			return true;
		}
	}
	tw_tst_write_echo(fmt, job->payload, job->seq, job->t2->ntp, &job->echo, job->ttl);
	return fmt->rep_cover == 0;
}

/* The header becomes longer: in front, if it may, and the padding stays, else the padding moves. */
static inline void
place(const struct tw_tst_fmt *fmt, struct tw_reflect_job *job)
{
	const unsigned more = (unsigned)(fmt->rep_min - fmt->req_min);

	if (job->rx_len > fmt->rep_min && job->front >= more) {
		job->payload -= more;
		job->rep_len = job->rx_len;
		return;
	}
	job->rep_len = (uint16_t)tw_tst_move_padding(fmt, job->payload, job->rx_len, job->room);
}

unsigned
tw_reflect_build(struct tw_reflect *rf, struct tw_reflect_job *jobs, unsigned n)
{
	unsigned ok = 0;

	rf->unsealed = 0;
	/* in order of arrival, whoever verified it */
	for (unsigned i = 0; i < n; i++) {
		struct tw_reflect_job *job = &jobs[i];
		const struct tw_tst_fmt *fmt = job->sess->s.fmt;

		if (job->drop != TW_REFL_OK || !accept(job, rf->clear[i]))
			continue;
		job->seq = job->sess->next_seq++;
		place(fmt, job);
		job->rep_tos = tw_sess_tos(&job->sess->s);
		job->is_sealed = write_header(rf, fmt, job);
		rf->unsealed += !job->is_sealed;
		ok++;
	}
	return ok;
}

unsigned
tw_reflect_protect(struct tw_reflect *rf, struct tw_reflect_job *jobs, unsigned n,
	const struct tw_sess_stamp *t3)
{
	unsigned ok = 0, eng_cnt = 0;

	for (unsigned i = 0; i < n; i++) {
		struct tw_reflect_job *job = &jobs[i];
		const struct tw_tst_fmt *fmt = job->sess->s.fmt;

		if (job->drop != TW_REFL_OK)
			continue;
		ok++;
		if (job->is_sealed)
			continue;
		if (fmt->prot == TW_TST_PROT_ENCR)
			tw_tst_stamp_rep(fmt, job->payload, t3->ntp, tw_reflect_ee(job, t3));
		rf->eng_job[eng_cnt] = (struct tw_engine_job){.key = &job->sess->tkey,
			.buf = job->payload,
			.cover = fmt->rep_cover,
			.hmac_off = fmt->rep_hmac_off};
		rf->eng_idx[eng_cnt++] = (uint8_t)i;
	}
	if (eng_cnt == 0 || tw_engine_seal(rf->eng, rf->eng_job, eng_cnt) == eng_cnt)
		return ok;
	for (unsigned k = 0; k < eng_cnt; k++) {
		if (rf->eng_job[k].res != 0) {
			drop(&jobs[rf->eng_idx[k]], TW_REFL_DROP_SEAL_FAILED);
			ok--;
		}
	}
	return ok;
}

/* The number of a reply that did not leave is free again if no later one was used. */
static void
take_back(struct tw_reflect_job *job)
{
	if (job->sess->next_seq == job->seq + 1)
		job->sess->next_seq = job->seq;
}

/* Jobs of one session that follow each other, settled at once. */
struct run {
	struct tw_refl_sess *sess; /* NULL: none */
	unsigned verified, sent;
};

static void
settle(struct tw_reflect *rf, const struct run *run)
{
	struct tw_refl_sess *sess = run->sess;
	struct tw_pairs_lease *lease;

	if (run->sent > 0)
		tw_ctr_add(&sess->reflected, run->sent);
	if (run->verified == 0 || rf->pairs == NULL || sess->s.fmt->prot != TW_TST_PROT_AUTH)
		return;
	lease = tw_pairs_of(rf->pairs, sess->pairs, sess);
	if (lease != NULL)
		tw_pairs_earn(rf->pairs, lease, &sess->tkey, sess->next_seq, run->verified);
}

unsigned
tw_reflect_finish(struct tw_reflect *rf, struct tw_reflect_job *jobs, unsigned n)
{
	struct run run = {0};
	unsigned sent = 0;

	for (unsigned i = n; i-- > 0;) {
		struct tw_reflect_job *job = &jobs[i];

		if (job->sess != run.sess) {
			if (run.sess != NULL)
				settle(rf, &run);
			run = (struct run){.sess = job->sess};
		}
		run.verified += job->drop == TW_REFL_OK;
		if (job->is_refused && job->drop == TW_REFL_OK) {
			drop(job, TW_REFL_DROP_TX_REFUSED);
			take_back(job);
		}
		if (job->drop != TW_REFL_OK) {
			if (job->drop == TW_REFL_DROP_SEAL_FAILED)
				take_back(job);
			continue;
		}
		run.sent++;
		sent++;
	}
	if (run.sess != NULL)
		settle(rf, &run);
	return sent;
}
