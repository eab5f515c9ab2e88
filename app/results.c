/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Tests and their sessions as fields; the figures of a report come from out_metrics.c.
 */
#include "results.h"

#include <stdio.h>
#include <string.h>

#include "out_metrics.h"
#include "tw_ike.h"
#include "tw_mode.h"

static void
put_time(struct tw_out *out, const char *name, int64_t utc_ns)
{
	if (utc_ns != 0)
		tw_out_time(out, name, utc_ns);
	else
		tw_out_null(out, name);
}

void
tw_results_spis(struct tw_out *out, const uint8_t spis[TW_CTL_SPIS_LEN])
{
	struct tw_ike_spis s;
	char text[TW_IKE_STR_SIZE];

	memcpy(&s, spis, sizeof(s));
	tw_ike_spis_str(&s, text);
	tw_out_strf(out, "spi_i", "%.16s", text);
	tw_out_str(out, "spi_r", text + 17);
}

static void
put_progress(struct tw_out *out, const struct tw_test_view *t)
{
	tw_out_u64(out, "sessions", t->session_cnt, "sessions");
	tw_out_u64(out, "accepted", t->accepted_cnt, "sessions");
	tw_out_u64(out, "ended", t->ended_cnt, "sessions");
	tw_out_u64(out, "sent", t->sent, "packets");
	tw_out_u64(out, "received", t->received, "packets");
	tw_out_u64(out, "lost", t->lost, "packets");
	tw_out_pct(out, "lost_pct", t->lost, t->sent);
}

void
tw_results_test_row(struct tw_out *out, const struct tw_test_view *t)
{
	tw_out_u64(out, "id", t->id, NULL);
	tw_out_str(out, "state", tw_test_state_name(t->state));
	tw_out_addr(out, "host", &t->params->host);
	tw_out_u64(out, "port", t->params->port, NULL);
	tw_out_str(out, "mode", t->mode != 0 ? tw_mode_name(t->mode) : NULL);
	put_progress(out, t);
	tw_out_str(out, "error", t->error->res != 0 ? t->error->text : NULL);
}

static void
put_schedule(struct tw_out *out, const struct tw_test_params *p)
{
	static const char *const laws[TW_SEND_LAW_N] = {
		[TW_SEND_PERIODIC] = "periodic",
		[TW_SEND_POISSON] = "poisson",
		[TW_SEND_BURST] = "burst",
		[TW_SEND_TRACE] = "trace",
	};

	tw_out_str(out, "schedule", laws[p->law]);
	tw_out_ns(out, "interval_ns", (int64_t)p->interval_ns);
	tw_out_u64(out, "burst", p->burst_cnt != 0 ? p->burst_cnt : 1, "packets");
	if (p->trace_file[0] != '\0')
		tw_out_str(out, "trace", p->trace_file);
	else
		tw_out_null(out, "trace");
	if (p->count != 0)
		tw_out_u64(out, "count", p->count, "packets");
	else
		tw_out_null(out, "count");
	if (p->duration_ns != 0)
		tw_out_ns(out, "duration_ns", p->duration_ns);
	else
		tw_out_null(out, "duration_ns");
}

static void
put_type_p(struct tw_out *out, const struct tw_test_view *t)
{
	uint64_t headers = 8 + (t->params->host.family == TW_ADDR_V4 ? 20U : 40U);

	tw_out_strf(out, "type_p", "UDP over IPv%u, %u octets of payload, DSCP %u",
		t->params->host.family, t->size, t->params->dscp);
	tw_out_u64(out, "size", t->size, "octets");
	tw_out_u64(out, "ip_size", t->size + headers, "octets");
	tw_out_u64(out, "dscp", t->params->dscp, NULL);
	tw_out_str(out, "padding", t->params->has_zero_padding ? "zero" : "random");
}

/* Which secret authenticated the control connection. */
static void
put_key_source(struct tw_out *out, const struct tw_test_view *t)
{
	bool has_ike = (t->mode & TW_MODE_IKEV2) != 0;

	tw_out_str(out, "key_source",
		has_ike                             ? "ikev2"
		: tw_mode_protects_control(t->mode) ? "passphrase"
						    : NULL);
	if (has_ike) {
		tw_results_spis(out, t->spis);
		tw_out_str(out, "ike_remote_id", t->ike_remote_id);
	}
	if (t->params->has_ike)
		tw_out_bool(out, "is_ike_fallback", t->is_ike_fallback);
}

void
tw_results_test(struct tw_out *out, const struct tw_test_view *t, const char *idle)
{
	tw_out_u64(out, "id", t->id, NULL);
	tw_out_str(out, "state", tw_test_state_name(t->state));
	tw_out_addr(out, "host", &t->params->host);
	tw_out_u64(out, "port", t->params->port, NULL);
	tw_out_str(out, "mode", t->mode != 0 ? tw_mode_name(t->mode) : NULL);
	tw_out_str(out, "user", t->params->user[0] != '\0' ? t->params->user : NULL);
	put_key_source(out, t);
	tw_out_addr(out, "local_addr", &t->local);
	tw_out_str(out, "via_port", t->port_name);
	tw_out_str(out, "interface", t->ifname);
	put_schedule(out, t->params);
	put_type_p(out, t);
	tw_out_str(out, "timestamps", "ntp");
	tw_out_ns(out, "tmax_ns", t->params->tmax_ns);
	tw_out_ns(out, "timeout_ns", t->params->timeout_ns);
	tw_out_ns(out, "max_lag_ns", t->params->max_lag_ns);
	tw_out_str(out, "idle", idle);
	tw_out_time(out, "created", t->created_utc_ns);
	put_time(out, "started", t->started_utc_ns);
	put_time(out, "ended_at", t->ended_utc_ns);
	put_progress(out, t);
	tw_out_bool(out, "is_stopped_early", t->is_stop_asked);
	tw_out_bool(out, "is_control_lost", t->is_control_lost);
	tw_out_bool(out, "is_results_invalid", t->is_results_invalid);
	if (t->params->raw_file[0] != '\0') {
		tw_out_str(out, "raw_file", t->params->raw_file);
		tw_out_u64(out, "raw_lost", t->raw_lost, "records");
	}
	tw_out_str(out, "error", t->error->res != 0 ? t->error->text : NULL);
	tw_out_str(out, "hint", t->error->hint[0] != '\0' ? t->error->hint : NULL);
}

static void
put_sid(struct tw_out *out, const uint8_t *sid)
{
	char text[2 * TW_CTL_SID_LEN + 1];
	unsigned i;

	if (sid == NULL) {
		tw_out_null(out, "sid");
		return;
	}
	for (i = 0; i < TW_CTL_SID_LEN; i++)
		snprintf(text + 2 * i, 3, "%02x", sid[i]);
	tw_out_str(out, "sid", text);
}

static void
put_sender(struct tw_out *out, const struct tw_send_counts *c, const struct tw_metrics_gaps *g)
{
	unsigned i;

	tw_out_obj(out, "sender");
	tw_out_u64(out, "scheduled", c->scheduled, "packets");
	tw_out_u64(out, "sent", c->sent, "packets");
	tw_out_u64(out, "late", c->late, "packets");
	tw_out_u64(out, "skipped", c->skipped, "packets");
	tw_out_u64(out, "tx_refused", c->tx_refused, "packets");
	tw_out_ns(out, "lag_max_ns", c->lag_max_ns);
	tw_out_u64(out, "replies", c->replies, "packets");
	tw_out_u64(out, "invalid", c->invalid, "packets");
	tw_results_gaps(out, g);
	tw_out_obj_end(out);
	tw_out_obj(out, "invalid");
	for (i = 1; i < TW_SEND_DROP_N; i++)
		tw_out_u64(out, tw_send_drop_name(i), c->drops[i], "packets");
	tw_out_obj_end(out);
}

void
tw_results_session(struct tw_out *out, const struct tw_test_view *t,
	const struct tw_test_sess_view *s, bool with_report)
{
	char text[TW_CTL_REASON_SIZE];

	tw_out_u64(out, "session", s->no, NULL);
	tw_out_str(out, "state", tw_test_sess_state_name(s->state));
	tw_out_addr(out, "sender_addr", &t->local);
	tw_out_u64(out, "sender_port", s->sender_port, NULL);
	tw_out_addr(out, "receiver_addr", &t->params->host);
	tw_out_u64(out, "receiver_port", s->receiver_port, NULL);
	tw_out_bool(out, "is_port_alternate", s->is_port_alternate);
	put_sid(out, s->sid);
	tw_out_str(out, "refusal",
		s->reason.why != 0 ? tw_ctl_reason_str(&s->reason, NULL, text, sizeof(text))
				   : NULL);
	if (s->has_counts && !with_report) {
		tw_out_u64(out, "sent", s->counts.sent, "packets");
		tw_out_u64(out, "replies", s->counts.replies, "packets");
		return;
	}
	if (s->has_counts)
		put_sender(out, &s->counts, &s->gaps);
	if (s->report != NULL) {
		tw_out_obj(out, "report");
		tw_out_metrics(out, s->report);
		tw_out_obj_end(out);
	}
}

static void
put_span(struct tw_out *out, const char *name, const struct tw_metrics_span *s)
{
	char field[64];

	snprintf(field, sizeof(field), "%s_min_ns", name);
	if (s->cnt > 0)
		tw_out_ns(out, field, s->min_ns);
	else
		tw_out_null(out, field);
	snprintf(field, sizeof(field), "%s_mean_ns", name);
	if (s->cnt > 0)
		tw_out_ns(out, field, s->mean_ns);
	else
		tw_out_null(out, field);
	snprintf(field, sizeof(field), "%s_max_ns", name);
	if (s->cnt > 0)
		tw_out_ns(out, field, s->max_ns);
	else
		tw_out_null(out, field);
}

void
tw_results_gaps(struct tw_out *out, const struct tw_metrics_gaps *g)
{
	tw_out_u64(out, "gaps", g->cnt, NULL);
	tw_out_ns(out, "gap_total_ns", (int64_t)g->total_ns);
	tw_out_ns(out, "gap_longest_ns", (int64_t)g->longest_ns);
}

void
tw_results_interval(struct tw_out *out, const struct tw_metrics_interval *iv)
{
	tw_out_time(out, "begin", iv->begin.ns);
	tw_out_time(out, "end", iv->end.ns);
	tw_out_u64(out, "sent", iv->sent, NULL);
	tw_out_u64(out, "received", iv->received, NULL);
	tw_out_u64(out, "lost", iv->lost, NULL);
	tw_out_u64(out, "late", iv->late, NULL);
	tw_out_u64(out, "duplicates", iv->duplicates, NULL);
	tw_out_u64(out, "reordered", iv->reordered, NULL);
	tw_out_u64(out, "invalid", iv->invalid, NULL);
	put_span(out, "round_trip", &iv->round_trip);
	put_span(out, "round_trip_net", &iv->round_trip_net);
	put_span(out, "forward", &iv->forward);
	put_span(out, "reverse", &iv->reverse);
	tw_out_bool(out, "is_oneway_valid", iv->forward.is_valid && iv->reverse.is_valid);
	tw_out_u64(out, "epoch", iv->epoch, NULL);
	tw_out_bool(out, "is_stepped", iv->is_stepped);
	tw_out_sources(out, "t1_sources", iv->t1_sources);
	tw_out_sources(out, "t4_sources", iv->t4_sources);
	tw_results_gaps(out, &iv->gaps);
}

int
tw_results_fail(struct tw_out *out, const struct tw_test_error *e)
{
	return tw_out_fail(out, e->res, NULL, e->hint[0] != '\0' ? e->hint : NULL, "%s", e->text);
}
