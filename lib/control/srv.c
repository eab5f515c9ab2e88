/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The server object: what its connections share, and the timers of all of them.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "srv_i.h"

size_t
tw_ctl_srv_size(void)
{
	return sizeof(struct tw_ctl_srv);
}

static void *
copy(const void *rows, size_t cnt, size_t size, int *res)
{
	void *out;

	if (cnt == 0)
		return NULL;
	out = calloc(cnt, size);
	if (out == NULL)
		*res = -ENOMEM;
	else
		memcpy(out, rows, cnt * size);
	return out;
}

int
tw_ctl_srv_set_cfg(struct tw_ctl_srv *srv, const struct tw_ctl_srv_cfg *cfg)
{
	char why[TW_CTL_REASON_SIZE];
	struct tw_ctl_allow *allow;
	struct tw_prefix *senders;
	int res = 0;

	if (tw_ctl_srv_cfg_check(cfg, why, sizeof(why)) != 0)
		return -EINVAL;
	allow = copy(cfg->allow, cfg->allow_cnt, sizeof(*allow), &res);
	senders = copy(cfg->senders, cfg->senders_cnt, sizeof(*senders), &res);
	if (res != 0) {
		free(allow);
		free(senders);
		return res;
	}
	free(srv->allow);
	free(srv->senders);
	srv->cfg = *cfg;
	srv->allow = allow;
	srv->senders = senders;
	srv->cfg.allow = allow;
	srv->cfg.senders = senders;
	return 0;
}

const struct tw_ctl_srv_cfg *
tw_ctl_srv_cfg_get(const struct tw_ctl_srv *srv)
{
	return &srv->cfg;
}

int
tw_ctl_srv_init(struct tw_ctl_srv *srv, const struct tw_ctl_srv_cfg *cfg,
	const struct tw_ctl_srv_ops *ops, void *app, struct tw_ctl_time now)
{
	int res;

	memset(srv, 0, sizeof(*srv));
	srv->ops = *ops;
	srv->app = app;
	srv->start_ntp = now.ntp;
	res = tw_ctl_srv_set_cfg(srv, cfg);
	if (res != 0)
		return res;
	res = -EIO;
	if (!ops->common.random(app, srv->sources.seed, sizeof(srv->sources.seed)) ||
		!ops->common.random(app, &srv->port_next, sizeof(srv->port_next)))
		goto fail;
	res = -ENOMEM;
	srv->scratch = tw_crypto_alloc(sizeof(*srv->scratch));
	if (srv->scratch == NULL || ctl_issued_init(&srv->issued) != 0)
		goto fail;
	return 0;
fail:
	tw_crypto_free(srv->scratch);
	free(srv->allow);
	free(srv->senders);
	return res;
}

void
tw_ctl_srv_fini(struct tw_ctl_srv *srv)
{
	struct tw_ctl_kdf_job *job, *next_job;
	struct tw_ctl_sess *sess, *next;

	TW_ASSERT(LIST_EMPTY(&srv->conns));
	for (sess = LIST_FIRST(&srv->orphans); sess != NULL; sess = next) {
		next = LIST_NEXT(sess, link);
		ctl_sess_free(sess);
	}
	for (job = LIST_FIRST(&srv->jobs); job != NULL; job = next_job) {
		next_job = LIST_NEXT(job, link);
		LIST_REMOVE(job, link);
		job->owner = NULL; /* a worker may have it: tw_ctl_kdf_done() frees it */
		ctl_source_put(&srv->sources, job->source);
	}
	ctl_sids_fini(&srv->sids);
	ctl_heap_fini(&srv->heap);
	ctl_issued_fini(&srv->issued);
	tw_crypto_free(srv->scratch);
	free(srv->allow);
	free(srv->senders);
}

int64_t
tw_ctl_srv_deadline(const struct tw_ctl_srv *srv)
{
	const struct timer *t = ctl_heap_first(&srv->heap);

	return t == NULL ? TW_CTL_NO_DEADLINE : t->at_ns;
}

void
tw_ctl_srv_timer(struct tw_ctl_srv *srv, struct tw_ctl_time now)
{
	struct timer *t;

	while ((t = ctl_heap_first(&srv->heap)) != NULL && t->at_ns <= now.mono_ns) {
		ctl_heap_set(&srv->heap, t, TW_CTL_NO_DEADLINE);
		if (t->kind == TIMER_CONN)
			ctl_conn_timer(CONTAINER_OF(t, struct tw_ctl_conn, timer), now);
		else
			ctl_sess_timer(CONTAINER_OF(t, struct tw_ctl_sess, timer), now);
	}
}

bool
tw_ctl_srv_issued(const struct tw_ctl_srv *srv, const uint8_t challenge[16])
{
	const struct tw_ctl_conn *conn;

	LIST_FOREACH (conn, &srv->conns, link) {
		if (conn->is_preauth &&
			memcmp(conn->challenge, challenge, sizeof(conn->challenge)) == 0)
			return true;
	}
	return ctl_issued_has(&srv->issued, challenge);
}

bool
ctl_limit_allows(struct tw_ctl_srv *srv, unsigned cls, enum tw_ctl_limit l, uint32_t live)
{
	if (live < limit(srv, cls, l))
		return true;
	tw_ctr_inc(&srv->limit_hits[cls][l]);
	return false;
}

uint64_t
tw_ctl_srv_counter(const struct tw_ctl_srv *srv, unsigned counter)
{
	return tw_ctr_get(&srv->ctr[counter]);
}

uint64_t
tw_ctl_srv_limit_hits(const struct tw_ctl_srv *srv, unsigned cls, unsigned limit)
{
	return tw_ctr_get(&srv->limit_hits[cls][limit]);
}

uint64_t
tw_ctl_srv_why_cnt(const struct tw_ctl_srv *srv, unsigned why)
{
	return tw_ctr_get(&srv->why[why]);
}

void
tw_ctl_srv_live_get(const struct tw_ctl_srv *srv, struct tw_ctl_srv_live *out)
{
	*out = (struct tw_ctl_srv_live){.conns = srv->refused_cnt,
		.kdf_jobs = srv->kdf_cnt,
		.ike_waiters = srv->ike_waiters_cnt};
	for (unsigned c = 0; c < TW_CTL_CLASS_N; c++) {
		out->conns += srv->conns_cnt[c];
		out->preauth += srv->preauth_cnt[c];
		out->sessions += srv->sessions_cnt[c];
	}
}
