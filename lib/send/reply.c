/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Replies: verified as PROTOCOL.md 4.8 says, then given to the metrics, which match them to what
 * was sent. Nothing of a reply is used before its HMAC has been checked.
 */
#include "send_i.h"

static void
drop(struct tw_send_reply *rp, enum tw_send_drop reason)
{
	rp->drop = (uint8_t)reason;
	tw_ctr_inc(&rp->sess->drops[reason]);
}

/* Drop for a reason that the metrics count too: they make the report. */
static void
drop_invalid(struct tw_send_reply *rp, enum tw_send_drop reason, enum tw_metrics_invalid why)
{
	drop(rp, reason);
	if (rp->sess->metrics != NULL)
		tw_metrics_invalid(rp->sess->metrics, why);
}

static bool
is_live(const struct tw_send_sess *sess)
{
	enum tw_sess_state state = tw_sess_state_get(&sess->s);

	return state == TW_SESS_RUNNING || state == TW_SESS_DRAINING;
}

/* A number that was never sent; once numbers have wrapped, half their space is the past. */
static bool
is_ahead(const struct tw_send_sess *sess, uint32_t sender_seq)
{
	uint64_t next = atomic_load_explicit(&sess->next_seq, memory_order_relaxed);

	if (next <= UINT32_MAX)
		return sender_seq >= next;
	return (int32_t)((uint32_t)next - 1 - sender_seq) < 0;
}

/* What it says. @p clear is the covered part of an authentic reply. */
static inline void
read_reply(struct tw_send_reply *rp, const struct tw_tst_fmt *fmt, const uint8_t *clear)
{
	struct tw_tst_rep rep;

	tw_tst_read_rep(fmt, rp->payload, clear, &rep);
	rp->rec = (struct tw_metrics_reply){.sender_seq = rep.sender_seq,
		.seq = rep.seq,
		.t1_ntp = rep.sender_t1,
		.t2_ntp = rep.t2,
		.t3_ntp = rep.t3,
		.ee = rep.ee,
		.sender_ttl = rep.sender_ttl,
		.ttl = rp->ttl,
		.tos = rp->tos,
		.t4 = &rp->t4->at,
		.sample = rp->sample};
	if (__builtin_expect((rep.ee & 0xff) == 0, 0))
		drop_invalid(rp, TW_SEND_DROP_BAD_MULTIPLIER, TW_METRICS_INVALID_MULTIPLIER);
}

/* A reply of an authenticated session that the engine verified: its number tells where we are. */
static void
note_pair(struct tw_send *snd, const struct tw_send_sess *sess, const uint8_t *clear)
{
	struct tw_pairs_lease *lease = send_lease(snd, sess);

	if (lease != NULL)
		tw_pairs_seen(snd->pairs, lease, tw_load_be32(clear));
}

/* All that the engine has to verify, at once. */
static void
open_burst(struct tw_send *snd, struct tw_send_reply *replies, unsigned n)
{
	if (n == 0)
		return;
	tw_engine_open(snd->eng, snd->eng_job, n);
	for (unsigned k = 0; k < n; k++) {
		const unsigned i = snd->eng_idx[k];

		if (snd->eng_job[k].res != 0) {
			drop_invalid(
				&replies[i], TW_SEND_DROP_AUTH_FAILED, TW_METRICS_INVALID_AUTH);
			continue;
		}
		note_pair(snd, replies[i].sess, snd->clear[i]);
		read_reply(&replies[i], replies[i].sess->s.fmt, snd->clear[i]);
	}
}

/* By pairs, and read. @return false: the engine must look at it */
static inline bool
verify_pair(struct tw_send *snd, struct tw_send_reply *rp, struct tw_pairs_lease *lease)
{
	const struct tw_send_sess *sess = rp->sess;
	uint8_t number[sizeof(uint32_t)]; /* all that read_reply() wants of the block */
	uint32_t seq;

	switch (tw_pairs_verify(snd->pairs, lease, &sess->tkey, rp->payload,
		rp->payload + sess->s.fmt->rep_hmac_off, &seq)) {
	case TW_PAIRS_AUTHENTIC:
		tw_store_be32(number, seq);
		read_reply(rp, sess->s.fmt, number);
		return true;
	case TW_PAIRS_FORGED:
		drop_invalid(rp, TW_SEND_DROP_AUTH_FAILED, TW_METRICS_INVALID_AUTH);
		return true;
	default:
		return false;
	}
}

/* Replies of one session that follow each other, for its metrics at once. */
struct run {
	struct tw_send_sess *sess; /* NULL: none */
	unsigned cnt;
	struct tw_send_reply *reply[TW_BURST_MAX];
	struct tw_metrics_reply *rec[TW_BURST_MAX];
};

/* Replies verified earn their session pairs for the next ones. */
static void
earn(struct tw_send *snd, const struct run *run)
{
	const struct tw_send_sess *sess = run->sess;
	struct tw_pairs_lease *lease = send_lease(snd, sess);

	if (lease != NULL)
		tw_pairs_earn(snd->pairs, lease, &sess->tkey,
			(uint32_t)atomic_load_explicit(&sess->next_seq, memory_order_relaxed),
			run->cnt);
}

/* What becomes of a reply that the metrics have seen, or of one without metrics. */
static inline bool
is_accepted(struct tw_send_reply *rp)
{
	const unsigned cls = rp->rec.cls;

	rp->cls = (uint8_t)cls;
	if (__builtin_expect(cls >= TW_METRICS_C_FIRST && cls <= TW_METRICS_C_DUP_REVERSE, 1))
		return true; /* it answers a packet, so its number is none of the future */
	if (is_ahead(rp->sess, rp->rec.sender_seq)) {
		drop(rp, TW_SEND_DROP_SEQ_AHEAD);
		return false;
	}
	if (cls == TW_METRICS_C_INVALID || cls == TW_METRICS_C_FORGED) {
		drop(rp, TW_SEND_DROP_STALE);
		return false;
	}
	return true;
}

/* @return replies accepted */
static unsigned
settle(struct tw_send *snd, struct run *run)
{
	unsigned ok = 0;

	if (run->cnt == 0)
		return 0;
	earn(snd, run);
	if (run->sess->metrics != NULL)
		tw_metrics_replies(run->sess->metrics, run->rec, run->cnt);
	for (unsigned i = 0; i < run->cnt; i++)
		ok += is_accepted(run->reply[i]);
	tw_ctr_add(&run->sess->replies, ok);
	run->cnt = 0;
	return ok;
}

/* Verified replies in order of arrival, whoever verified them. @return those accepted */
static unsigned
record(struct tw_send *snd, struct tw_send_reply *replies, unsigned n)
{
	struct run run;
	unsigned ok = 0;

	run.sess = NULL;
	run.cnt = 0;
	for (unsigned i = 0; i < n; i++) {
		struct tw_send_reply *rp = &replies[i];

		if (rp->drop != TW_SEND_OK)
			continue;
		if (rp->sess != run.sess) {
			ok += settle(snd, &run);
			run.sess = rp->sess;
		}
		run.reply[run.cnt] = rp;
		run.rec[run.cnt++] = &rp->rec;
	}
	return ok + settle(snd, &run);
}

/*
 * Replies of one session in a row, from @p i on: what can be told without the engine.
 * @param eng_cnt  in and out: jobs for the engine
 * @return the first reply behind them
 */
static unsigned
check_run(struct tw_send *snd, struct tw_send_reply *replies, unsigned i, unsigned n,
	unsigned *eng_cnt)
{
	struct tw_send_sess *sess = replies[i].sess;
	const struct tw_tst_fmt *fmt = sess->s.fmt;
	struct tw_pairs_lease *lease = send_lease(snd, sess);
	const bool is_on = is_live(sess);

	for (; i < n && replies[i].sess == sess; i++) {
		struct tw_send_reply *rp = &replies[i];

		rp->drop = TW_SEND_OK;
		rp->cls = TW_METRICS_C_NONE;
		if (!is_on) {
			drop(rp, TW_SEND_DROP_NOT_RUNNING);
		} else if (rp->rx_len < fmt->rep_min) {
			drop_invalid(rp, TW_SEND_DROP_SHORT, TW_METRICS_INVALID_LENGTH);
		} else if (fmt->rep_cover == 0) {
			read_reply(rp, fmt, NULL);
		} else if (lease == NULL || !verify_pair(snd, rp, lease)) {
			/* the engine only reads buf when it opens */
			snd->eng_job[*eng_cnt] = (struct tw_engine_job){.key = &sess->tkey,
				.buf = (uint8_t *)(uintptr_t)rp->payload,
				.clear = snd->clear[i],
				.cover = fmt->rep_cover,
				.hmac_off = fmt->rep_hmac_off};
			snd->eng_idx[(*eng_cnt)++] = (uint8_t)i;
		}
	}
	return i;
}

unsigned
tw_send_collect(struct tw_send *snd, struct tw_send_reply *replies, unsigned n)
{
	unsigned eng_cnt = 0;

	TW_ASSERT(n <= TW_BURST_MAX);
	for (unsigned i = 0; i < n;)
		i = check_run(snd, replies, i, n, &eng_cnt);
	open_burst(snd, replies, eng_cnt);
	return record(snd, replies, n);
}
