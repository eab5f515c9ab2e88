/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The data lcore: its turn and its housekeeping, and the commands it obeys.
 */
#include <errno.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>
#include <rte_ring.h>

#include "dp_i.h"
#include "gaps.h"
#include "nic.h"

#define EXC_PERIOD_NS 10000000 /* frames to the kernel are limited per period */

/* Commands ----------------------------------------------------------------------------------- */

static uint32_t
exc_tokens(const struct tw_port *port)
{
	uint64_t n = (uint64_t)port->cfg.exception_pps * EXC_PERIOD_NS / 1000000000;

	return n > 0 ? (uint32_t)n : 1;
}

static void
queue_add(struct tw_dp_lcore *lc, const struct cmd *cmd)
{
	struct lc_port *lp = &lc->port[cmd->port_idx];

	if (lp->port == NULL) {
		*lp = (struct lc_port){.port = cmd->port,
			.eth_id = cmd->port->eth_id,
			.queue = cmd->queue,
			.clock_idx = cmd->port->clock_idx,
			.exc_tokens = exc_tokens(cmd->port)};
		lc->pair[lc->pair_cnt++] = (uint8_t)cmd->port_idx;
	}
	lp->is_live = cmd->is_live;
	lp->empty_tsc = rte_rdtsc();
}

static void
queue_del(struct tw_dp_lcore *lc, unsigned port_idx)
{
	for (unsigned i = 0; i < lc->pair_cnt; i++) {
		if (lc->pair[i] != port_idx)
			continue;
		lc->pair[i] = lc->pair[--lc->pair_cnt];
		break;
	}
	lc->port[port_idx] = (struct lc_port){0};
}

static void
send_start(struct tw_dp_lcore *lc, struct dp_sender *sn)
{
	int res = tw_send_add(lc->snd, &sn->s, &lc->steady, steady_at(lc, rte_rdtsc()));

	gap_begin(lc, sn);
	if (res != 0)
		done_push(lc, sn, NULL, true);
}

static void
cmd_run(struct tw_dp_lcore *lc, const struct cmd *cmd)
{
	struct dp_sender *sn = cmd->sender;

	switch (cmd->type) {
	case CMD_QUEUE_ADD:
		queue_add(lc, cmd);
		break;
	case CMD_QUEUE_DEL:
		queue_del(lc, cmd->port_idx);
		break;
	case CMD_QUEUE_LIVE:
		lc->port[cmd->port_idx].is_live = cmd->is_live;
		lc->port[cmd->port_idx].empty_tsc = rte_rdtsc();
		break;
	case CMD_SEND_START:
		send_start(lc, sn);
		break;
	case CMD_SEND_STOP:
		tw_send_stop(lc->snd, &sn->s, steady_at(lc, rte_rdtsc()));
		break;
	case CMD_SEND_PATH:
		sn->hdr = cmd->hdr;
		break;
	case CMD_SEND_FORGET:
		tw_send_remove(lc->snd, &sn->s);
		done_forget(lc, sn);
		break;
	}
}

void
cmds_run(struct tw_dp_lcore *lc)
{
	struct cmd cmd[CMDS_A_TURN];
	unsigned n = tw_xcore_ring_pop(lc->cmd, cmd, CMDS_A_TURN);

	for (unsigned i = 0; i < n; i++)
		cmd_run(lc, &cmd[i]);
	if (n == 0)
		return;
	lc->has_upkeep = true;
	tw_xcore_seq_advance(&lc->cmd_done, n);
}

/* Turns -------------------------------------------------------------------------------------- */

static void
clocks_take(struct tw_dp_lcore *lc, uint64_t tsc)
{
	struct tw_clock next;

	for (unsigned i = 0; i < TW_DP_CLOCKS_MAX; i++) {
		if (!tw_xcore_clock_refresh(lc->dp->clock[i], &lc->clock_seen[i], &next))
			continue;
		if (i == 0 && lc->clock[0].epoch != 0)
			tw_send_steady_swap(&lc->steady, &lc->clock[0], &next, tsc);
		lc->clock[i] = next;
	}
}

int
tw_dp_enter(struct tw_dp_lcore *lc)
{
	int res = tw_crypto_hide_stack();

	if (res != 0)
		return res;
	res = tw_xcore_qsbr_register(&lc->dp->qsbr, lc->idx);
	if (res != 0)
		return res;
	lc->turn_tsc = rte_rdtsc();
	lc->gap_tsc = UINT64_MAX / 4; /* until the first upkeep knows the counter's rate */
	clocks_take(lc, lc->turn_tsc);
	tw_xcore_flag_set(&lc->is_running, true);
	return 0;
}

void
tw_dp_leave(struct tw_dp_lcore *lc)
{
	struct rte_mbuf *m;

	for (unsigned i = 0; i < lc->dp->cfg.lcore_cnt; i++) {
		if (lc->from[i] == NULL)
			continue;
		while (rte_ring_sc_dequeue(lc->from[i], (void **)&m) == 0) {
			count(lc, TW_DP_CTR_HANDOVER_IN, 1);
			drop(lc, m, TW_DP_CTR_PORT_GONE);
		}
	}
	tw_xcore_qsbr_unregister(&lc->dp->qsbr, lc->idx);
	tw_xcore_flag_set(&lc->is_running, false);
}

static void
exc_refill(struct tw_dp_lcore *lc, uint64_t tsc)
{
	if ((int64_t)(tsc - lc->exc_refill_tsc) < 0)
		return;
	lc->exc_refill_tsc = tsc + (uint64_t)tw_clock_ns_to_tsc(&lc->clock[0], EXC_PERIOD_NS);
	for (unsigned i = 0; i < lc->pair_cnt; i++) {
		struct lc_port *lp = &lc->port[lc->pair[i]];

		lp->exc_tokens = exc_tokens(lp->port);
	}
}

unsigned
tw_dp_turn(struct tw_dp_lcore *lc)
{
	const uint64_t tsc = rte_rdtsc();
	int64_t now_ns;
	unsigned work = 0;

	gap_watch(lc, tsc);
	phase_begin(lc, tsc);
	tw_xcore_qsbr_quiescent(&lc->dp->qsbr, lc->idx);
	cmds_run(lc);
	exc_refill(lc, tsc);
	phase_end(lc, PHASE_TURN);
	for (unsigned i = 0; i < lc->pair_cnt; i++) {
		struct lc_port *lp = &lc->port[lc->pair[i]];

		if (!lp->is_live)
			continue;
		work += rx_queue(lc, lp);
		work += exc_from_kernel(lc, lp);
	}
	if (lc->dp->cfg.lcore_cnt > 1)
		work += rx_handover(lc);
	now_ns = steady_at(lc, tsc);
	work += send_due(lc, now_ns);
	/* everything due has left: now crypto for what comes next */
	phase_end(lc, PHASE_TURN);
	tw_pairs_refill(lc->pairs, lc->engine);
	phase_end(lc, PHASE_PAIRS);
	if (now_ns >= lc->tick_due_ns || now_ns < lc->tick_due_ns - TICK_NS)
		send_tick(lc, tsc, now_ns);
	gap_classify(lc, work);
	count(lc, TW_DP_CTR_TURNS, 1);
	if (work == 0)
		count(lc, TW_DP_CTR_IDLE_TURNS, 1);
	return work;
}

static void
ctr_set(struct tw_ctr *c, uint64_t v)
{
	tw_ctr_add(c, v - tw_ctr_get(c));
}

void
tw_dp_housekeep(struct tw_dp_lcore *lc)
{
	const struct est *seal = &lc->est_seal[0];

	clocks_take(lc, rte_rdtsc());
	nic_refresh(lc);
	lc->gap_tsc = (uint64_t)tw_clock_ns_to_tsc(&lc->clock[0], GAP_NS);
	lc->turn_class = TURN_CLASSES - 1; /* this belongs to the turn under way */
	tw_pairs_age(lc->pairs, steady_at(lc, rte_rdtsc()));
	done_flush(lc);
	ctr_set(&lc->sender_cnt, tw_send_cnt(lc->snd));
	ctr_set(&lc->turnaround_ns, residue_ns(&lc->clock[0], seal->mean_tsc));
}

int64_t
tw_dp_idle_ns(const struct tw_dp_lcore *lc, int64_t max_ns)
{
	const int64_t next_ns = RTE_MIN(tw_send_next_due(lc->snd), lc->tick_due_ns);
	const int64_t left_ns = next_ns - steady_at(lc, rte_rdtsc());

	return left_ns < 0 ? 0 : RTE_MIN(left_ns, max_ns);
}

void
tw_dp_offline(struct tw_dp_lcore *lc)
{
	tw_xcore_qsbr_offline(&lc->dp->qsbr, lc->idx);
}

void
tw_dp_online(struct tw_dp_lcore *lc)
{
	tw_xcore_qsbr_online(&lc->dp->qsbr, lc->idx);
	lc->turn_tsc = rte_rdtsc(); /* sleeping was no gap */
}

bool
tw_dp_is_stopping(const struct tw_dp_lcore *lc)
{
	return tw_xcore_flag_get(&lc->dp->stop);
}
