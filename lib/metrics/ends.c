/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/* See ends.h. */
#include "ends.h"

static int64_t
minus(uint64_t error_ns)
{
	return error_ns < INT64_MAX ? -(int64_t)error_ns : INT64_MIN;
}

/*
 * Both stamps are of one clock: what that is off by cancels. Its error was never less than
 * TW_CLOCK_COMMON_NS, and is as the later stamp says now.
 */
static uint64_t
round_trip_error(const struct ends *e, uint64_t e1_ns, uint64_t e4_ns)
{
	const uint64_t sum_ns = error_sum(e1_ns, e4_ns), common_ns = tw_clock_common_ns(e->t4);

	return sum_ns != UINT64_MAX && sum_ns > common_ns ? sum_ns - common_ns : sum_ns;
}

/* What follows from the errors of all four stamps. */
static void
sum_errors(struct ends *e, uint64_t e1_ns, uint64_t own1_ns, uint64_t own4_ns)
{
	const uint64_t e4_ns = e->t4->stamp_error_ns == TW_CLOCK_ERROR_UNKNOWN
				       ? UINT64_MAX
				       : e->t4->stamp_error_ns;

	e->round_trip_error_ns = round_trip_error(e, e1_ns, e4_ns);
	e->forward_error_ns = error_sum(own1_ns, e->peer.error_ns);
	e->reverse_error_ns = error_sum(own4_ns, e->peer.error_ns);
	e->is_forward_synced = e->is_synced1 && e->peer.is_synced;
	e->is_reverse_synced = e->is_synced4 && e->peer.is_synced;
	e->net_min_ns = -RESIDENCE_SLACK_NS;
	if (e->round_trip_error_ns != UINT64_MAX)
		e->net_min_ns -= (int64_t)e->round_trip_error_ns;
	e->forward_min_ns = e->reverse_min_ns = INT64_MIN;
	if (e->is_forward_synced && e->is_reverse_synced) {
		e->forward_min_ns = minus(e->forward_error_ns);
		e->reverse_min_ns = minus(e->reverse_error_ns);
	}
}

void
tw_metrics_ends_with(const struct tw_metrics *m, struct ends *e, uint16_t t1_error)
{
	const uint64_t e1_ns = error_unpack(t1_error);

	e->t1_error = t1_error;
	sum_errors(e, e1_ns, e->is_synced1 ? error_sum(e1_ns, m->sync_error_max_ns) : UINT64_MAX,
		tw_clock_stamp_error_ns(e->t4));
}

void
tw_metrics_find_ends(struct tw_metrics *m, struct ends *e, const struct tw_metrics_reply *reply,
	uint16_t t1_error, uint8_t t1_synced)
{
	if (reply->ee != m->peer_ee) {
		m->peer_ee = reply->ee;
		m->peer = tw_clock_ee_decode(reply->ee);
	}
	/* each by itself: all are set, and clearing them first would take longer */
	e->t4 = reply->t4;
	e->t1_synced = t1_synced;
	e->ee = reply->ee;
	e->peer = m->peer;
	e->t4_ntp_s = tw_clock_ntp_s(reply->t4->time);
	e->epoch_ntp_s = tw_clock_ntp_s(m->epoch_since);
	e->is_synced1 = t1_synced != 0;
	e->is_synced4 = reply->t4->is_synced;
	e->t1_source = source_unpack(t1_error);
	tw_metrics_ends_with(m, e, t1_error);
}
