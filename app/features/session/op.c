/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Reflector sessions.
 */
#include <errno.h>
#include <stdio.h>

#include "app.h"
#include "nic.h"
#include "ops.h"
#include "ports.h"
#include "sessions.h"
#include "tw_mode.h"

static void
put_head(struct tw_out *out, const struct tw_session *s, const struct tw_refl_counts *c)
{
	tw_out_u64(out, "id", s->id, NULL);
	tw_out_str(out, "state", tw_sess_state_name(tw_sess_state_get(&s->refl->s)));
	tw_out_str(out, "mode", tw_mode_name(s->param.mode));
	tw_out_addr(out, "sender_addr", &s->param.sender_addr);
	tw_out_u64(out, "sender_port", s->param.sender_port, NULL);
	tw_out_addr(out, "receiver_addr", &s->param.receiver_addr);
	tw_out_u64(out, "receiver_port", s->param.receiver_port, NULL);
	tw_out_u64(out, "reflected", c->reflected, "packets");
	tw_out_u64(out, "dropped", c->dropped, "packets");
}

static void
put_sid(struct tw_out *out, const uint8_t *sid)
{
	char text[2 * TW_CTL_SID_LEN + 1];
	unsigned i;

	for (i = 0; i < TW_CTL_SID_LEN; i++)
		snprintf(text + 2 * i, 3, "%02x", sid[i]);
	tw_out_str(out, "sid", text);
}

static void
put_time(struct tw_out *out, const char *name, int64_t utc_ns)
{
	if (utc_ns != 0)
		tw_out_time(out, name, utc_ns);
	else
		tw_out_null(out, name);
}

/* Of T2 and T3 now. T3 under a cipher is written before the NIC has a say. */
static void
put_sources(struct tw_out *out, const struct tw_session *s, const struct tw_ports_entry *e)
{
	const struct tw_nic *nic = e != NULL ? e->nic : NULL;
	const bool is_sealed = s->refl->s.fmt->prot == TW_TST_PROT_ENCR;

	tw_out_str(out, "t2_source", tw_nic_rx_source(nic));
	tw_out_str(out, "t3_source", tw_nic_tx_source(is_sealed ? NULL : nic));
}

static void
put_session(struct tw_app *app, struct tw_out *out, const struct tw_session *s)
{
	const struct tw_ports_entry *e = tw_ports_get(app->ports, s->port_idx);
	struct tw_refl_counts c;
	unsigned i;

	tw_refl_sess_counts(s->refl, &c);
	put_head(out, s, &c);
	put_sid(out, s->param.sid);
	tw_out_addr(out, "control_addr", &s->param.control_addr);
	tw_out_str(out, "port", e != NULL ? e->port->cfg.name : NULL);
	put_sources(out, s, e);
	tw_out_arr(out, "vlans");
	for (i = 0; i < s->vlan_cnt; i++)
		tw_out_u64(out, NULL, s->vid[i], NULL);
	tw_out_arr_end(out);
	tw_out_u64(out, "data_lcore", s->refl->s.owner_idx, NULL);
	tw_out_u64(out, "dscp", s->param.dscp, NULL);
	tw_out_u64(out, "padding", s->param.padding_len, "octets");
	tw_out_ns(out, "timeout_ns", s->param.timeout_ns);
	tw_out_ns(out, "refwait_ns", s->param.refwait_ns);
	tw_out_u64(out, "rate_pps", s->param.rate_pps, "packets/s");
	put_time(out, "created", s->created_utc_ns);
	put_time(out, "started", s->started_utc_ns);
	put_time(out, "last_valid", c.last_valid.ns);
	tw_out_obj(out, "drops");
	for (i = 1; i < TW_REFL_DROP_N; i++)
		tw_out_u64(out, tw_refl_drop_name(i), c.drops[i], "packets");
	tw_out_obj_end(out);
}

static int
show_list(struct tw_app *app, const struct tw_args *args, struct tw_out *out)
{
	uint64_t limit = tw_args_u64(args, "limit"), cnt = 0;
	uint32_t id = (uint32_t)tw_args_u64(args, "cursor");
	const struct tw_session *s;
	struct tw_refl_counts c;

	tw_out_u64(out, "count", tw_sessions_count(app->sessions), "sessions");
	tw_out_arr(out, "sessions");
	for (s = tw_sessions_next(app->sessions, &id); s != NULL && cnt < limit;
		id++, s = tw_sessions_next(app->sessions, &id), cnt++) {
		tw_refl_sess_counts(s->refl, &c);
		tw_out_obj(out, NULL);
		put_head(out, s, &c);
		tw_out_obj_end(out);
	}
	tw_out_arr_end(out);
	if (s != NULL)
		tw_out_u64(out, "next", id, NULL);
	else
		tw_out_null(out, "next");
	return 0;
}

static int
op_show(struct tw_app *app, const struct tw_args *args, struct tw_out *out)
{
	const struct tw_session *s;

	if (!tw_args_has(args, "id"))
		return show_list(app, args, out);
	s = tw_sessions_find(app->sessions, (uint32_t)tw_args_u64(args, "id"));
	if (s == NULL)
		return tw_out_fail(out, -ENOENT, "id", "`show session` lists those that live",
			"no reflector session %llu", (unsigned long long)tw_args_u64(args, "id"));
	put_session(app, out, s);
	return 0;
}

#define TW_FEATURE     session
#define TW_FEATURE_DEF "session/session.def"
#include "../feature.h"
