/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The data plane as a whole: made, freed, polled and counted by control.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <rte_malloc.h>
#include <rte_mbuf_dyn.h>
#include <rte_ring.h>

#include "dp_i.h"

#define RECLAIM_MAX 256 /* sessions freed in one poll */

static const struct tw_dp_ctr_desc ctr_descs[TW_DP_CTR_N] = {
#define X(NAME, name, kind, help) [TW_DP_CTR_##NAME] = {#name, help, TW_DP_KIND_##kind},
#include "drops.def"
#undef X
};

const struct tw_dp_ctr_desc *
tw_dp_ctr_desc(unsigned ctr)
{
	return ctr < TW_DP_CTR_N ? &ctr_descs[ctr] : NULL;
}

static int
ring_make(struct tw_xcore_ring **out, const char *kind, unsigned idx, unsigned size, unsigned cnt)
{
	char name[24];

	snprintf(name, sizeof(name), "tw_dp_%s%u", kind, idx);
	return tw_xcore_ring_new(name, size, cnt, out);
}

static int
engine_make(struct tw_dp_lcore *lc, const char *name)
{
	const struct tw_engine_ops *ops = tw_engine_pick(name);
	void *mem;
	int res;

	if (ops == NULL)
		return -ENOENT;
	lc->engine_size = tw_engine_size(ops);
	mem = tw_crypto_map(lc->engine_size);
	if (mem == NULL)
		return -errno;
	res = tw_engine_init(ops, mem, lc->engine_size, &lc->engine);
	if (res != 0) {
		tw_crypto_unmap(mem, lc->engine_size);
		return res;
	}
	return tw_engine_selftest(lc->engine);
}

/* Before anything was measured the stated error must not be zero. */
static void
ests_seed(struct tw_dp_lcore *lc)
{
	const struct est first = {.mean_tsc = EST_FIRST_TSC,
		.dev_tsc = EST_FIRST_TSC / 2,
		.top = 2 * EST_FIRST_TSC << EST_TOP_SHIFT};

	for (unsigned i = 0; i < EST_CLASSES; i++)
		lc->est_stamp[i] = lc->est_tx[i] = lc->est_seal[i] = first;
	for (unsigned i = 0; i < TURN_CLASSES; i++)
		lc->est_turn[i] = first;
}

static int
pairs_make(struct tw_dp_lcore *lc, unsigned cnt)
{
	void *mem;

	lc->pairs_size = tw_pairs_size(cnt);
	mem = tw_crypto_map(lc->pairs_size);
	if (mem == NULL)
		return -errno;
	lc->pairs = tw_pairs_init(mem, cnt);
	return 0;
}

static int
lcore_new(struct tw_dp *dp, unsigned idx)
{
	struct tw_dp_lcore *lc;
	uint64_t seed[4];
	void *mem;
	int res;

	lc = rte_zmalloc_socket("tw_dp", sizeof(*lc), TW_CACHE_LINE, dp->cfg.socket_id);
	if (lc == NULL)
		return -ENOMEM;
	dp->lc[idx] = lc;
	lc->dp = dp;
	lc->idx = idx;
	lc->table = &dp->table;
	lc->clock[0] = dp->cfg.clock;
	ests_seed(lc);
	lc->scr = rte_zmalloc_socket("tw_dp", sizeof(*lc->scr), TW_CACHE_LINE, dp->cfg.socket_id);
	lc->refl = rte_zmalloc_socket("tw_dp", sizeof(*lc->refl), TW_CACHE_LINE, dp->cfg.socket_id);
	lc->snd_size = tw_send_size(dp->cfg.send_max);
	mem = rte_zmalloc_socket("tw_dp", lc->snd_size, TW_CACHE_LINE, dp->cfg.socket_id);
	if (lc->scr == NULL || lc->refl == NULL || mem == NULL) {
		rte_free(mem);
		return -ENOMEM;
	}
	res = engine_make(lc, dp->cfg.engine);
	if (res == 0)
		res = pairs_make(lc, dp->cfg.pairs_cnt);
	if (res != 0) {
		rte_free(mem);
		return res;
	}
	/* padding differs between lcores */
	memcpy(seed, dp->cfg.seed, sizeof(seed));
	seed[0] += idx;
	lc->snd = tw_send_init(mem, dp->cfg.send_max, lc->engine, seed);
	tw_send_use_pairs(lc->snd, lc->pairs);
	tw_reflect_init(lc->refl, lc->engine);
	tw_reflect_use_pairs(lc->refl, lc->pairs);
	res = ring_make(&lc->cmd, "cmd", idx, sizeof(struct cmd), CMD_CNT);
	if (res == 0)
		res = ring_make(&lc->event, "ev", idx, sizeof(struct tw_dp_event), EVENT_CNT);
	if (res == 0)
		res = ring_make(&lc->raw, "raw", idx, sizeof(struct tw_dp_raw), dp->cfg.raw_cnt);
	return res;
}

static void
lcore_free(struct tw_dp_lcore *lc)
{
	if (lc == NULL)
		return;
	for (unsigned i = 0; i < TW_DP_LCORES_MAX; i++)
		rte_ring_free(lc->to[i]);
	tw_xcore_ring_free(lc->raw);
	tw_xcore_ring_free(lc->event);
	tw_xcore_ring_free(lc->cmd);
	if (lc->engine != NULL) {
		void *mem = lc->engine;

		tw_engine_fini(lc->engine);
		tw_crypto_unmap(mem, lc->engine_size);
	}
	tw_crypto_unmap(lc->pairs, lc->pairs_size);
	rte_free(lc->snd);
	rte_free(lc->refl);
	rte_free(lc->scr);
	rte_free(lc);
}

/* A ring of frames from each lcore to each other one. */
static int
handover_make(struct tw_dp *dp)
{
	char name[40];

	for (unsigned i = 0; i < dp->cfg.lcore_cnt; i++) {
		for (unsigned j = 0; j < dp->cfg.lcore_cnt; j++) {
			struct rte_ring *r;

			if (i == j)
				continue;
			snprintf(name, sizeof(name), "tw_dp_ho%u_%u", i, j);
			r = rte_ring_create(name, rte_align32pow2(dp->cfg.handover_cnt + 1),
				dp->cfg.socket_id, RING_F_SP_ENQ | RING_F_SC_DEQ);
			if (r == NULL)
				return -ENOMEM;
			dp->lc[i]->to[j] = r;
			dp->lc[j]->from[i] = r;
		}
	}
	return 0;
}

static int
cfg_complete(struct tw_dp_cfg *cfg, char *err)
{
	if (cfg->lcore_cnt == 0 || cfg->lcore_cnt > TW_DP_LCORES_MAX) {
		snprintf(err, TW_DP_ERR_SIZE,
			"%u data lcores: 1 to %d are possible (EAL option -l or --lcores)",
			cfg->lcore_cnt, TW_DP_LCORES_MAX);
		return -EINVAL;
	}
	if (cfg->refl_max == 0)
		cfg->refl_max = SESS_MAX;
	if (cfg->send_max == 0)
		cfg->send_max = SESS_MAX;
	if (cfg->handover_cnt == 0)
		cfg->handover_cnt = HANDOVER_CNT;
	if (cfg->raw_cnt == 0)
		cfg->raw_cnt = RAW_CNT;
	if (cfg->pairs_cnt == 0 || cfg->pairs_cnt > UINT16_MAX)
		cfg->pairs_cnt = PAIRS_CNT;
	if (cfg->engine == NULL)
		cfg->engine = "auto";
	if (tw_engine_pick(cfg->engine) == NULL || !tw_engine_pick(cfg->engine)->is_supported()) {
		snprintf(err, TW_DP_ERR_SIZE, "crypto engine '%s': %s; 'auto' picks one that works",
			cfg->engine,
			tw_engine_pick(cfg->engine) == NULL ? "there is none of that name"
							    : "this CPU lacks its instructions");
		return -ENOTSUP;
	}
	if ((cfg->seed[0] | cfg->seed[1] | cfg->seed[2] | cfg->seed[3]) == 0)
		return -EINVAL;
	return 0;
}

static int
engines_check(char *err)
{
	const char *which;
	int res = tw_engine_check_all(&which);

	if (res != 0)
		snprintf(err, TW_DP_ERR_SIZE, "self-test of the crypto engine '%s': %s", which,
			res == -EIO ? "wrong results: this CPU or library must not be used"
				    : strerror(-res));
	return res;
}

static int
sessions_make(struct tw_dp *dp)
{
	int res;

	dp->refl_ctl = calloc(dp->cfg.refl_max, sizeof(*dp->refl_ctl));
	dp->send_ctl = calloc(dp->cfg.send_max, sizeof(*dp->send_ctl));
	if (dp->refl_ctl == NULL || dp->send_ctl == NULL)
		return -ENOMEM;
	res = slab_init(&dp->refl_slab, sizeof(struct tw_refl_sess), dp->cfg.refl_max);
	if (res == 0)
		res = slab_init(&dp->send_slab, sizeof(struct dp_sender), dp->cfg.send_max);
	return res;
}

static int
make_all(struct tw_dp *dp, char *err)
{
	static const struct rte_mbuf_dynfield t2_field = {.name = "tw_dp_t2",
		.size = sizeof(struct handover),
		.align = alignof(struct handover)};
	static const struct tw_clock none;
	int res;

	res = cfg_complete(&dp->cfg, err);
	if (res == 0)
		res = engines_check(err);
	if (res != 0)
		return res;
	dp->t2_off = rte_mbuf_dynfield_register(&t2_field);
	if (dp->t2_off < 0) {
		snprintf(err, TW_DP_ERR_SIZE, "no room for a field in packet buffers");
		return -ENOSPC;
	}
	res = tw_xcore_qsbr_init(&dp->qsbr, dp->cfg.lcore_cnt);
	for (unsigned i = 0; i < TW_DP_CLOCKS_MAX && res == 0; i++)
		res = tw_xcore_clock_new(i == 0 ? &dp->cfg.clock : &none, &dp->clock[i]);
	for (unsigned i = 0; i < TW_PORT_MAX && res == 0; i++)
		res = tw_xcore_clock_new(&none, &dp->nic[i].model);
	if (res == 0)
		res = table_init(
			&dp->table, dp->cfg.refl_max + dp->cfg.send_max, dp->cfg.socket_id);
	if (res == 0)
		res = sessions_make(dp);
	for (unsigned i = 0; i < dp->cfg.lcore_cnt && res == 0; i++)
		res = lcore_new(dp, i);
	if (res == 0)
		res = handover_make(dp);
	return res;
}

int
tw_dp_new(const struct tw_dp_cfg *cfg, char err[TW_DP_ERR_SIZE], struct tw_dp **out)
{
	struct tw_dp *dp = calloc(1, sizeof(*dp));
	int res;

	err[0] = '\0';
	if (dp == NULL)
		return -ENOMEM;
	dp->cfg = *cfg;
	res = make_all(dp, err);
	if (res == 0) {
		*out = dp;
		return 0;
	}
	if (err[0] == '\0')
		snprintf(err, TW_DP_ERR_SIZE, "data plane: %s%s", strerror(-res),
			res == -ENOMEM  ? ": reserve more hugepages (/proc/sys/vm/nr_hugepages) or "
					  "allow fewer sessions"
			: res == -EPERM ? ": memory for keys cannot be locked (ulimit -l, or "
					  "CAP_IPC_LOCK)"
			: res == -EIO   ? ": the crypto engine failed its self-test"
					: "");
	tw_dp_free(dp);
	return res;
}

void
tw_dp_free(struct tw_dp *dp)
{
	struct sess_ctl *c;

	if (dp == NULL)
		return;
	/* no lcore is left to forget a sender: it goes as it is */
	while ((c = dp->forget_first) != NULL) {
		dp->forget_first = c->next;
		if (c->fn != NULL)
			c->fn(c->arg);
	}
	if (dp->qsbr.var != NULL)
		tw_xcore_qsbr_fini(&dp->qsbr);
	for (unsigned i = 0; i < dp->cfg.lcore_cnt && i < TW_DP_LCORES_MAX; i++)
		lcore_free(dp->lc[i]);
	senders_unmap(dp);
	table_fini(&dp->table);
	slab_fini(&dp->send_slab);
	slab_fini(&dp->refl_slab);
	free(dp->send_ctl);
	free(dp->refl_ctl);
	for (unsigned i = 0; i < TW_DP_CLOCKS_MAX; i++)
		tw_xcore_clock_free(dp->clock[i]);
	for (unsigned i = 0; i < TW_PORT_MAX; i++)
		tw_xcore_clock_free(dp->nic[i].model);
	free(dp);
}

unsigned
tw_dp_poll(struct tw_dp *dp)
{
	return ports_poll(dp) + senders_poll(dp) + tw_xcore_qsbr_reclaim(&dp->qsbr, RECLAIM_MAX);
}

void
tw_dp_clock_publish(struct tw_dp *dp, unsigned clock_idx, const struct tw_clock *model)
{
	TW_ASSERT(clock_idx < TW_DP_CLOCKS_MAX);
	tw_xcore_clock_publish(dp->clock[clock_idx], model);
}

void
tw_dp_stop(struct tw_dp *dp)
{
	tw_xcore_flag_set(&dp->stop, true);
}

const char *
tw_dp_engine(const struct tw_dp *dp, unsigned lcore_idx, const char **variant)
{
	const struct tw_engine *eng = dp->lc[lcore_idx]->engine;

	*variant = tw_engine_variant(eng);
	return eng->ops->name;
}

unsigned
tw_dp_lcore_cnt(const struct tw_dp *dp)
{
	return dp->cfg.lcore_cnt;
}

struct tw_dp_lcore *
tw_dp_lcore_at(struct tw_dp *dp, unsigned lcore_idx)
{
	return lcore_idx < dp->cfg.lcore_cnt ? dp->lc[lcore_idx] : NULL;
}

/* Each lcore in turn, beginning with another one every time, so that none is starved. */
unsigned
tw_dp_event_pop(struct tw_dp *dp, struct tw_dp_event *ev, unsigned n)
{
	unsigned got = 0;

	for (unsigned i = 0; i < dp->cfg.lcore_cnt && got < n; i++)
		got += tw_xcore_ring_pop(
			dp->lc[(dp->event_next + i) % dp->cfg.lcore_cnt]->event, ev + got, n - got);
	dp->event_next = (dp->event_next + 1) % dp->cfg.lcore_cnt;
	return got;
}

unsigned
tw_dp_raw_pop(struct tw_dp *dp, struct tw_dp_raw *raw, unsigned n)
{
	unsigned got = 0;

	for (unsigned i = 0; i < dp->cfg.lcore_cnt && got < n; i++)
		got += tw_xcore_ring_pop(
			dp->lc[(dp->event_next + i) % dp->cfg.lcore_cnt]->raw, raw + got, n - got);
	return got;
}

static void
stats_add(const struct tw_dp *dp, unsigned idx, struct tw_dp_stats *out)
{
	const struct tw_dp_lcore *lc = dp->lc[idx];
	uint64_t turnaround_ns = tw_ctr_get(&lc->turnaround_ns);

	for (unsigned i = 0; i < TW_DP_CTR_N; i++)
		out->ctr[i] += tw_ctr_get(&lc->ctr[i]);
	out->cmd_lost += dp->lc_ctl[idx].cmd_lost;
	out->turnaround_ns = RTE_MAX(out->turnaround_ns, turnaround_ns);
	out->gap_total_ns += tw_ctr_get(&lc->gap_total_ns);
	out->gap_longest_ns = RTE_MAX(out->gap_longest_ns, tw_ctr_get(&lc->gap_longest_ns));
	out->pairs_filled += tw_ctr_get(&lc->pairs->filled);
	out->pairs_used += (uint32_t)tw_ctr_get(&lc->pairs->leases);
	out->sender_cnt += (uint32_t)tw_ctr_get(&lc->sender_cnt);
	out->queue_cnt += dp->lc_ctl[idx].pair_cnt;
	out->is_running &= tw_xcore_flag_get(&lc->is_running);
}

void
tw_dp_stats_get(const struct tw_dp *dp, unsigned lcore_idx, struct tw_dp_stats *out)
{
	*out = (struct tw_dp_stats){.is_running = true};
	for (unsigned i = 0; i < dp->cfg.lcore_cnt; i++)
		if (i == lcore_idx || lcore_idx >= dp->cfg.lcore_cnt)
			stats_add(dp, i, out);
}
