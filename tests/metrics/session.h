/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * A sender session whose packets and replies the test writes by hand. Times are ns since the
 * session's start; both clocks are synchronised to 1 us unless a test says otherwise.
 */
#ifndef TEST_SESSION_H
#define TEST_SESSION_H

#include <criterion/criterion.h>
#include <stdlib.h>

#include "tw_metrics_report.h"

#define US 1000LL
#define MS 1000000LL
#define S  1000000000LL

#define SESSION_T0   (1700000000LL * S)
#define SESSION_SENT 100000U

struct session {
	struct tw_metrics *m;
	struct tw_metrics_cfg cfg;
	uint64_t seq;                  /* next to send */
	uint64_t t1_ntp[SESSION_SENT]; /* by number sent */
	struct tw_metrics_report report;
	struct tw_metrics_sample sample; /* of the last reply */
	uint32_t stamp_error_ns;         /* of our stamps */
	uint8_t clock_error_ns, rate_error;
	uint32_t epoch;
	bool is_synced;
	uint16_t ee;            /* of the reflector */
	int64_t peer_offset_ns; /* of the reflector's clock */
	uint8_t sender_ttl, ttl, tos;
};

static inline void
session_start(struct session *s, const struct tw_metrics_cfg *cfg)
{
	static const struct tw_metrics_cfg defaults = {
		.tmax_ns = 2 * S, .timeout_ns = 2 * S, .interval_ns = 10 * MS};
	size_t size;
	void *mem;

	s->cfg = cfg != NULL ? *cfg : defaults;
	s->seq = s->cfg.first_seq;
	s->stamp_error_ns = 100;
	s->clock_error_ns = s->rate_error = 0;
	s->epoch = 1;
	s->is_synced = true;
	s->ee = tw_clock_ee_encode(1000, true);
	s->sender_ttl = 250;
	s->ttl = 249;
	size = tw_metrics_size(&s->cfg);
	mem = aligned_alloc(TW_METRICS_ALIGN, (size + 63) / 64 * 64);
	cr_assert_not_null(mem);
	s->m = tw_metrics_init(mem, size, &s->cfg, (tw_ns){SESSION_T0});
	cr_assert_not_null(s->m);
}

static inline struct tw_stamp
session_stamp(const struct session *s, int64_t at_ns, uint8_t source)
{
	return (struct tw_stamp){.time = {SESSION_T0 + at_ns},
		.stamp_error_ns = s->stamp_error_ns,
		.clock_error_ns = s->clock_error_ns,
		.rate_error = s->rate_error,
		.sync_error_ns = 1000,
		.epoch = s->epoch,
		.source = source,
		.is_synced = s->is_synced};
}

static inline void
session_send(struct session *s, int64_t at_ns)
{
	struct tw_stamp t1 = session_stamp(s, at_ns, TW_STAMP_TSC_TX);
	uint64_t ntp = tw_clock_ns_to_ntp(t1.time);

	s->t1_ntp[(s->seq - s->cfg.first_seq) % SESSION_SENT] = ntp;
	tw_metrics_sent(s->m, (uint32_t)s->seq++, ntp, &t1);
}

/* A reply to packet seq with reflector number r. t2, t3 on the reflector's clock. */
static inline enum tw_metrics_class
session_reply(
	struct session *s, uint64_t seq, uint32_t r, int64_t t2_ns, int64_t t3_ns, int64_t t4_ns)
{
	const struct tw_stamp t4 = session_stamp(s, t4_ns, TW_STAMP_TSC_RX);
	struct tw_metrics_reply reply = {.sender_seq = (uint32_t)seq,
		.seq = r,
		.t1_ntp = s->t1_ntp[(seq - s->cfg.first_seq) % SESSION_SENT],
		.t2_ntp = tw_clock_ns_to_ntp((tw_ns){SESSION_T0 + s->peer_offset_ns + t2_ns}),
		.t3_ntp = tw_clock_ns_to_ntp((tw_ns){SESSION_T0 + s->peer_offset_ns + t3_ns}),
		.ee = s->ee,
		.sender_ttl = s->sender_ttl,
		.ttl = s->ttl,
		.tos = s->tos,
		.t4 = &t4};

	return tw_metrics_reply(s->m, &reply, &s->sample);
}

/* A reply with forward, residence and reverse delay. */
static inline enum tw_metrics_class
session_answer(struct session *s, uint64_t seq, uint32_t r, int64_t t1_ns, int64_t forward_ns,
	int64_t residence_ns, int64_t reverse_ns)
{
	return session_reply(s, seq, r, t1_ns + forward_ns, t1_ns + forward_ns + residence_ns,
		t1_ns + forward_ns + residence_ns + reverse_ns);
}

static inline void
session_expire(struct session *s, int64_t now_ns)
{
	struct tw_stamp now = session_stamp(s, now_ns, TW_STAMP_TSC_RX);

	while (tw_metrics_expire(s->m, &now) == 256)
		;
}

static inline const struct tw_metrics_report *
session_end(struct session *s)
{
	while (!tw_metrics_finish(s->m, 1000))
		;
	tw_metrics_report(s->m, &s->report);
	/* what holds for every session */
	cr_assert_eq(s->report.ctr.sent,
		s->report.ctr.received + s->report.ctr.late + s->report.ctr.unanswered);
	cr_assert_eq(s->report.lost_forward.value + s->report.lost_reverse.value +
			     s->report.lost_undetermined.value,
		s->report.ctr.unanswered);
	return &s->report;
}

static inline void
session_free(struct session *s)
{
	free(s->m);
}

#endif /* TEST_SESSION_H */
