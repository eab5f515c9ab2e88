/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Control's half of talking to lcores: commands and how it learns that they are done, ports given
 * and taken away, sessions bound to an owner. Context of all of it: the control thread.
 */
#include <errno.h>

#include <rte_ring.h>

#include "dp_i.h"

bool
cmd_push(struct tw_dp *dp, unsigned lcore_idx, const struct cmd *cmd, uint64_t *ticket)
{
	struct lc_ctl *c = &dp->lc_ctl[lcore_idx];

	if (!tw_xcore_ring_try_push(dp->lc[lcore_idx]->cmd, cmd)) {
		c->cmd_lost++;
		return false;
	}
	c->cmd_pushed++;
	if (ticket != NULL)
		*ticket = c->cmd_pushed;
	return true;
}

bool
cmd_is_done(const struct tw_dp *dp, unsigned lcore_idx, uint64_t ticket)
{
	return tw_xcore_seq_get(&dp->lc[lcore_idx]->cmd_done) >= ticket;
}

/* Ports ------------------------------------------------------------------------------------ */

/* Tell the lcores of a port's pairs, from where the last attempt stopped. @return all told */
static bool
tell_pairs(struct tw_dp *dp, struct port_ctl *pc, enum cmd_type type, bool is_live)
{
	for (; pc->told < pc->port->queue_cnt; pc->told++) {
		struct cmd cmd = {.type = type,
			.port = pc->port,
			.port_idx = pc->port->idx,
			.queue = (uint16_t)pc->told,
			.is_live = is_live};

		if (!cmd_push(dp, pc->lcore[pc->told], &cmd, &pc->ticket[pc->told]))
			return false;
	}
	return true;
}

static bool
pairs_done(const struct tw_dp *dp, const struct port_ctl *pc)
{
	if (pc->told < pc->port->queue_cnt)
		return false;
	for (unsigned q = 0; q < pc->port->queue_cnt; q++)
		if (!cmd_is_done(dp, pc->lcore[q], pc->ticket[q]))
			return false;
	return true;
}

/* The lcore with the fewest pairs that has none of this port yet. */
static unsigned
least_loaded(const struct tw_dp *dp, const struct port_ctl *pc, unsigned given)
{
	unsigned best = 0;
	uint32_t best_cnt = UINT32_MAX;

	for (unsigned i = 0; i < dp->cfg.lcore_cnt; i++) {
		bool has_one = false;

		for (unsigned q = 0; q < given; q++)
			has_one |= pc->lcore[q] == i;
		if (!has_one && dp->lc_ctl[i].pair_cnt < best_cnt) {
			best = i;
			best_cnt = dp->lc_ctl[i].pair_cnt;
		}
	}
	return best;
}

int
tw_dp_port_add(struct tw_dp *dp, struct tw_port *port)
{
	struct port_ctl *pc;

	if (port->idx >= TW_PORT_MAX || port->queue_cnt > dp->cfg.lcore_cnt)
		return -EINVAL;
	pc = &dp->port[port->idx];
	if (pc->state != PORT_ABSENT)
		return -EEXIST;
	*pc = (struct port_ctl){.state = PORT_ACTIVE, .port = port, .is_live = port->is_started};
	for (unsigned q = 0; q < port->queue_cnt; q++) {
		pc->lcore[q] = (uint8_t)least_loaded(dp, pc, q);
		dp->lc_ctl[pc->lcore[q]].pair_cnt++;
	}
	/* what does not fit the ring now is told by tw_dp_poll() */
	(void)tell_pairs(dp, pc, CMD_QUEUE_ADD, port->is_started);
	return 0;
}

int
tw_dp_port_del(struct tw_dp *dp, unsigned port_idx)
{
	struct port_ctl *pc;

	if (port_idx >= TW_PORT_MAX || dp->port[port_idx].state == PORT_ABSENT)
		return -ENOENT;
	pc = &dp->port[port_idx];
	if (pc->state == PORT_GOING)
		return 0;
	for (unsigned q = 0; q < pc->port->queue_cnt; q++)
		dp->lc_ctl[pc->lcore[q]].pair_cnt--;
	pc->state = PORT_GOING;
	pc->told = 0;
	(void)tell_pairs(dp, pc, CMD_QUEUE_DEL, false);
	return 0;
}

/* Frames on their way from one lcore to another. */
static bool
has_handovers(const struct tw_dp *dp)
{
	for (unsigned i = 0; i < dp->cfg.lcore_cnt; i++)
		for (unsigned j = 0; j < dp->cfg.lcore_cnt; j++)
			if (i != j && rte_ring_count(dp->lc[i]->to[j]) > 0)
				return true;
	return false;
}

bool
tw_dp_port_is_gone(const struct tw_dp *dp, unsigned port_idx)
{
	return port_idx >= TW_PORT_MAX || dp->port[port_idx].state == PORT_ABSENT;
}

int
tw_dp_port_lcore(const struct tw_dp *dp, unsigned port_idx, unsigned queue)
{
	if (tw_dp_port_is_gone(dp, port_idx) || queue >= dp->port[port_idx].port->queue_cnt)
		return -ENOENT;
	return dp->port[port_idx].lcore[queue];
}

/* A device that must be started again: lcores let go, it is started, they take it back. */
static unsigned
restart_step(struct tw_dp *dp, struct port_ctl *pc)
{
	if (pc->state == PORT_ACTIVE) {
		if (!tw_port_wants_restart(pc->port))
			return 0;
		pc->state = PORT_PAUSING;
		if (pc->is_live) {
			pc->told = 0;
			pc->is_live = false;
			(void)tell_pairs(dp, pc, CMD_QUEUE_LIVE, false);
		}
		return 1;
	}
	(void)tell_pairs(dp, pc, CMD_QUEUE_LIVE, false);
	if (!pairs_done(dp, pc))
		return 0;
	pc->state = PORT_ACTIVE;
	if (tw_port_restart(pc->port) == 0) {
		pc->told = 0;
		pc->is_live = true;
		(void)tell_pairs(dp, pc, CMD_QUEUE_LIVE, true);
	}
	return 1;
}

unsigned
ports_poll(struct tw_dp *dp)
{
	unsigned n = 0;

	for (unsigned i = 0; i < TW_PORT_MAX; i++) {
		struct port_ctl *pc = &dp->port[i];

		switch (pc->state) {
		case PORT_ABSENT:
			break;
		case PORT_ACTIVE:
			/* ADD and LIVE differ in nothing for a pair that is there */
			if (pc->told < pc->port->queue_cnt)
				(void)tell_pairs(dp, pc, CMD_QUEUE_ADD, pc->is_live);
			else
				n += restart_step(dp, pc);
			break;
		case PORT_PAUSING:
			n += restart_step(dp, pc);
			break;
		case PORT_GOING:
			(void)tell_pairs(dp, pc, CMD_QUEUE_DEL, false);
			if (pairs_done(dp, pc) && !has_handovers(dp)) {
				*pc = (struct port_ctl){0};
				n++;
			}
			break;
		}
	}
	return n;
}

/* Sessions --------------------------------------------------------------------------------- */

/* The pair of a port that an lcore serves, or -1. */
static int
pair_of(const struct port_ctl *pc, unsigned lcore_idx)
{
	for (unsigned q = 0; q < pc->port->queue_cnt; q++)
		if (pc->lcore[q] == lcore_idx)
			return (int)q;
	return -1;
}

static bool
is_usable(const struct port_ctl *pc)
{
	return pc->state == PORT_ACTIVE || pc->state == PORT_PAUSING;
}

int
tw_dp_owner_pick(const struct tw_dp *dp, unsigned port_idx)
{
	const struct port_ctl *pc;
	int best = -ENOENT;

	if (port_idx >= TW_PORT_MAX || !is_usable(&dp->port[port_idx]))
		return -ENOENT;
	pc = &dp->port[port_idx];
	for (unsigned q = 0; q < pc->port->queue_cnt; q++) {
		unsigned i = pc->lcore[q];

		if (best < 0 || dp->lc_ctl[i].sess_cnt < dp->lc_ctl[best].sess_cnt)
			best = (int)i;
	}
	return best;
}

static bool
is_mapped_v4(const uint8_t a[16])
{
	static const uint8_t prefix[12] = {[10] = 0xff, [11] = 0xff};

	return memcmp(a, prefix, sizeof(prefix)) == 0;
}

static struct tw_port_flow
flow_of(const struct tw_sess_key *key, const struct tw_dp_scope *scope, unsigned queue)
{
	struct tw_port_flow f = {.is_v6 = !is_mapped_v4(key->dst),
		.vlan_cnt = scope->vlan_cnt,
		.src_port_be = key->src_port_be,
		.dst_port_be = key->dst_port_be,
		.queue = (uint16_t)queue};
	const unsigned from = f.is_v6 ? 0 : 12;

	for (unsigned i = 0; i < TW_DP_VLANS_MAX; i++)
		f.vid[i] = scope->vid[i];
	memcpy(f.src, key->src + from, 16 - from);
	memcpy(f.dst, key->dst + from, 16 - from);
	return f;
}

int
bind_session(
	struct tw_dp *dp, struct sess_ctl *c, struct tw_sess *s, const struct tw_dp_scope *scope)
{
	struct tw_port_flow flow;
	struct port_ctl *pc;
	int q, res;

	if (scope->port_idx >= TW_PORT_MAX || !is_usable(&dp->port[scope->port_idx]))
		return -ENOENT;
	pc = &dp->port[scope->port_idx];
	q = pair_of(pc, s->owner_idx);
	if (q < 0 || s->key.scope != tw_dp_scope_id(scope) || c->is_published)
		return q < 0 ? -ENOENT : -EINVAL;
	flow = flow_of(&s->key, scope, (unsigned)q);
	res = tw_port_steer_add(pc->port, &flow, &c->steer);
	if (res != 0)
		return res;
	c->port_idx = scope->port_idx;
	res = table_add(&dp->table, s);
	if (res != 0) {
		tw_port_steer_del(pc->port, c->steer);
		c->steer = NULL;
		return res;
	}
	c->is_published = true;
	dp->lc_ctl[s->owner_idx].sess_cnt++;
	return 0;
}

void
unbind_session(struct tw_dp *dp, struct sess_ctl *c, const struct tw_sess *s)
{
	const struct port_ctl *pc = &dp->port[c->port_idx];

	if (!c->is_published)
		return;
	table_del(&dp->table, s);
	/* a port that went first took its rules along */
	if (pc->state != PORT_ABSENT)
		tw_port_steer_del(pc->port, c->steer);
	c->steer = NULL;
	c->is_published = false;
	dp->lc_ctl[s->owner_idx].sess_cnt--;
}
