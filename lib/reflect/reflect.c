/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The phases of a reflected burst. Formats say where things stand (lib/wire), engines protect
 * (lib/crypto), this file keeps the order of PROTOCOL.md 4.8.
 */
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

	if (!sess->s.fmt->read_req(job->payload, job->rx_len, clear, &job->req)) {
		drop(job, TW_REFL_DROP_SHORT);
		return false;
	}
	if ((job->req.ee & 0xff) == 0) {
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

/* Step 4 for all protected packets at once; results in order of arrival. */
static unsigned
open_protected(struct tw_reflect *rf, struct tw_reflect_job *jobs, unsigned n)
{
	unsigned ok = 0;

	if (n == 0)
		return 0;
	tw_engine_open(rf->eng, rf->eng_job, n);
	for (unsigned i = 0; i < n; i++) {
		struct tw_reflect_job *job = &jobs[rf->eng_idx[i]];

		if (rf->eng_job[i].res != 0)
			drop(job, TW_REFL_DROP_AUTH_FAILED);
		else
			ok += accept(job, rf->clear[i]);
	}
	return ok;
}

unsigned
tw_reflect_verify(struct tw_reflect *rf, struct tw_reflect_job *jobs, unsigned n)
{
	unsigned ok = 0, prot_cnt = 0;

	TW_ASSERT(n <= TW_BURST_MAX);
	for (unsigned i = 0; i < n; i++) {
		struct tw_reflect_job *job = &jobs[i];
		const struct tw_tst_fmt *fmt = job->sess->s.fmt;
		enum tw_refl_drop why = check_session(job);

		job->drop = TW_REFL_OK;
		job->is_refused = false;
		if (why != TW_REFL_OK) {
			drop(job, why);
		} else if (fmt->req_cover == 0) {
			ok += accept(job, job->payload);
		} else {
			rf->eng_job[prot_cnt] = (struct tw_engine_job){.key = &job->sess->tkey,
				.buf = job->payload,
				.clear = rf->clear[prot_cnt],
				.cover = fmt->req_cover,
				.hmac_off = fmt->req_hmac_off};
			rf->eng_idx[prot_cnt++] = (uint8_t)i;
		}
	}
	return ok + open_protected(rf, jobs, prot_cnt);
}

void
tw_reflect_build(struct tw_reflect *rf, struct tw_reflect_job *jobs, unsigned n)
{
	(void)rf;
	for (unsigned i = 0; i < n; i++) {
		struct tw_reflect_job *job = &jobs[i];
		struct tw_refl_sess *sess = job->sess;
		struct tw_tst_rep rep;

		if (job->drop != TW_REFL_OK)
			continue;
		job->seq = sess->next_seq++;
		rep = (struct tw_tst_rep){.seq = job->seq,
			.t2 = job->t2->ntp,
			.sender_seq = job->req.seq,
			.sender_t1 = job->req.t1,
			.sender_ee = job->req.ee,
			.sender_ttl = job->ttl};
		job->rep_len = (uint16_t)tw_tst_move_padding(
			sess->s.fmt, job->payload, job->rx_len, job->room);
		sess->s.fmt->write_rep(job->payload, job->room, &rep);
		job->rep_tos = tw_sess_tos(&sess->s);
	}
}

unsigned
tw_reflect_protect(struct tw_reflect *rf, struct tw_reflect_job *jobs, unsigned n,
	const struct tw_sess_stamp *t3)
{
	unsigned ok = 0, prot_cnt = 0;

	for (unsigned i = 0; i < n; i++) {
		struct tw_reflect_job *job = &jobs[i];
		const struct tw_tst_fmt *fmt = job->sess->s.fmt;

		if (job->drop != TW_REFL_OK)
			continue;
		ok++;
		if (fmt->rep_cover == 0)
			continue;
		if (fmt->prot == TW_TST_PROT_ENCR)
			tw_tst_stamp_rep(fmt, job->payload, t3->ntp, tw_reflect_ee(job, t3));
		rf->eng_job[prot_cnt] = (struct tw_engine_job){.key = &job->sess->tkey,
			.buf = job->payload,
			.cover = fmt->rep_cover,
			.hmac_off = fmt->rep_hmac_off};
		rf->eng_idx[prot_cnt++] = (uint8_t)i;
	}
	if (prot_cnt == 0 || tw_engine_seal(rf->eng, rf->eng_job, prot_cnt) == prot_cnt)
		return ok;
	for (unsigned i = 0; i < prot_cnt; i++) {
		if (rf->eng_job[i].res != 0) {
			drop(&jobs[rf->eng_idx[i]], TW_REFL_DROP_SEAL_FAILED);
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

unsigned
tw_reflect_finish(struct tw_reflect_job *jobs, unsigned n)
{
	unsigned sent = 0;

	for (unsigned i = n; i-- > 0;) {
		struct tw_reflect_job *job = &jobs[i];

		if (job->drop == TW_REFL_DROP_SEAL_FAILED) {
			take_back(job);
		} else if (job->drop == TW_REFL_OK && job->is_refused) {
			drop(job, TW_REFL_DROP_TX_REFUSED);
			take_back(job);
		} else if (job->drop == TW_REFL_OK) {
			tw_ctr_inc(&job->sess->reflected);
			sent++;
		}
	}
	return sent;
}
