/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Life of sessions as control sees it: borrow a record, publish, start, stop, retire. Nothing
 * here waits: what takes time is a deferred function or a step of tw_dp_poll().
 */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "dp_i.h"
#include "tw_pages.h"

#define POPULATE_MIN (1u << 20) /* a window of more than 25,000 packets */

static struct sess_ctl *
ctl_take(struct tw_dp *dp, struct slab *slab, struct sess_ctl *ctls, void **rec)
{
	uint32_t idx;

	*rec = slab_get(slab, &idx);
	if (*rec == NULL)
		return NULL;
	ctls[idx] = (struct sess_ctl){.dp = dp, .idx = idx};
	return &ctls[idx];
}

/* Reflectors --------------------------------------------------------------------------------- */

static struct sess_ctl *
refl_ctl(const struct tw_dp *dp, const struct tw_refl_sess *s)
{
	return &dp->refl_ctl[slab_idx(&dp->refl_slab, s)];
}

struct tw_refl_sess *
tw_dp_refl_new(struct tw_dp *dp)
{
	void *rec;

	if (ctl_take(dp, &dp->refl_slab, dp->refl_ctl, &rec) == NULL)
		return NULL;
	dp->refl_live++;
	return rec;
}

int
tw_dp_refl_publish(struct tw_dp *dp, struct tw_refl_sess *s, const struct tw_dp_scope *scope)
{
	return bind_session(dp, refl_ctl(dp, s), &s->s, scope);
}

static void
refl_free(struct tw_xcore_defer *d)
{
	struct sess_ctl *c = (struct sess_ctl *)d;
	struct tw_dp *dp = c->dp;

	if (c->fn != NULL)
		c->fn(c->arg);
	dp->refl_retiring--;
	slab_put(&dp->refl_slab, c->idx);
}

void
tw_dp_refl_retire(struct tw_dp *dp, struct tw_refl_sess *s, tw_dp_retired_fn fn, void *arg)
{
	struct sess_ctl *c = refl_ctl(dp, s);

	unbind_session(dp, c, &s->s);
	c->fn = fn;
	c->arg = arg;
	dp->refl_live--;
	dp->refl_retiring++;
	tw_xcore_qsbr_defer(&dp->qsbr, &c->defer, refl_free);
}

void
tw_dp_refl_cnt(const struct tw_dp *dp, uint32_t *live, uint32_t *retiring)
{
	*live = dp->refl_live;
	*retiring = dp->refl_retiring;
}

/* Senders ------------------------------------------------------------------------------------ */

static struct dp_sender *
sender_of(struct tw_send_sess *s)
{
	return (struct dp_sender *)s; /* its first member */
}

static struct sess_ctl *
send_ctl(const struct tw_dp *dp, const struct tw_send_sess *s)
{
	return &dp->send_ctl[slab_idx(&dp->send_slab, s)];
}

struct tw_send_sess *
tw_dp_send_new(struct tw_dp *dp, size_t mem_size, void **mem)
{
	void *m = NULL;
	struct sess_ctl *c;
	void *rec;

	*mem = NULL;
	if (mem_size > 0) {
		m = tw_pages_map(mem_size);
		if (m == NULL)
			return NULL;
		/* a fast session's lcore must not wait for its pages one by one; Linux before
		 * 5.14, which does not know the advice, leaves them to who fills the memory */
		if (mem_size > POPULATE_MIN)
			(void)madvise(m, mem_size, MADV_POPULATE_WRITE);
	}
	c = ctl_take(dp, &dp->send_slab, dp->send_ctl, &rec);
	if (c == NULL) {
		int why = errno;

		if (m != NULL)
			munmap(m, mem_size);
		errno = why;
		return NULL;
	}
	c->mem = m;
	c->mem_size = mem_size;
	dp->send_mem += mem_size;
	dp->send_live++;
	*mem = m;
	return rec;
}

int
tw_dp_send_publish(struct tw_dp *dp, struct tw_send_sess *s, const struct tw_dp_path *path)
{
	struct dp_sender *sn = sender_of(s);
	int res;

	if (path->scope.port_idx >= TW_PORT_MAX || dp->port[path->scope.port_idx].port == NULL)
		return -ENOENT;
	res = header_make(dp->port[path->scope.port_idx].port, path, s, &sn->hdr);
	if (res != 0)
		return res;
	sn->port_idx = path->scope.port_idx;
	return bind_session(dp, send_ctl(dp, s), &s->s, &path->scope);
}

void
tw_dp_send_want_raw(struct tw_dp *dp, struct tw_send_sess *s)
{
	(void)dp;
	sender_of(s)->has_raw = true;
}

static int
send_cmd(struct tw_dp *dp, struct tw_send_sess *s, struct cmd *cmd)
{
	if (!send_ctl(dp, s)->is_published)
		return -EINVAL;
	cmd->sender = sender_of(s);
	return cmd_push(dp, s->s.owner_idx, cmd, NULL) ? 0 : -EAGAIN;
}

int
tw_dp_send_start(struct tw_dp *dp, struct tw_send_sess *s)
{
	struct cmd cmd = {.type = CMD_SEND_START};
	int res = send_cmd(dp, s, &cmd);

	if (res == 0)
		send_ctl(dp, s)->is_started = true;
	return res;
}

int
tw_dp_send_stop(struct tw_dp *dp, struct tw_send_sess *s)
{
	struct cmd cmd = {.type = CMD_SEND_STOP};

	return send_cmd(dp, s, &cmd);
}

int
tw_dp_send_path(struct tw_dp *dp, struct tw_send_sess *s, const struct tw_dp_path *path)
{
	const struct sess_ctl *c = send_ctl(dp, s);
	struct cmd cmd = {.type = CMD_SEND_PATH};
	int res;

	if (!c->is_published || path->scope.port_idx != c->port_idx ||
		dp->port[c->port_idx].port == NULL)
		return -EINVAL;
	res = header_make(dp->port[c->port_idx].port, path, s, &cmd.hdr);
	if (res != 0)
		return res;
	return send_cmd(dp, s, &cmd);
}

static void
send_free(struct tw_xcore_defer *d)
{
	struct sess_ctl *c = (struct sess_ctl *)d;
	struct tw_dp *dp = c->dp;

	if (c->fn != NULL)
		c->fn(c->arg);
	if (c->mem != NULL)
		munmap(c->mem, c->mem_size);
	c->mem = NULL;
	dp->send_mem -= c->mem_size;
	dp->send_retiring--;
	slab_put(&dp->send_slab, c->idx);
}

void
tw_dp_send_retire(struct tw_dp *dp, struct tw_send_sess *s, tw_dp_retired_fn fn, void *arg)
{
	struct sess_ctl *c = send_ctl(dp, s);

	unbind_session(dp, c, &s->s);
	c->fn = fn;
	c->arg = arg;
	dp->send_live--;
	dp->send_retiring++;
	if (!c->is_started) {
		tw_xcore_qsbr_defer(&dp->qsbr, &c->defer, send_free);
		return;
	}
	/* its lcore has it in its schedule: senders_poll() */
	c->ticket = 0;
	c->next = dp->forget_first;
	dp->forget_first = c;
}

/* Have owners forget senders on their way out; what they have forgotten may go. */
unsigned
senders_poll(struct tw_dp *dp)
{
	struct sess_ctl **at = &dp->forget_first;
	unsigned n = 0;

	while (*at != NULL) {
		struct sess_ctl *c = *at;
		struct dp_sender *sn = slab_at(&dp->send_slab, c->idx);
		const unsigned owner = sn->s.s.owner_idx;
		const struct cmd cmd = {.type = CMD_SEND_FORGET, .sender = sn};

		if (c->ticket == 0 && !cmd_push(dp, owner, &cmd, &c->ticket))
			c->ticket = 0;
		if (c->ticket != 0 && cmd_is_done(dp, owner, c->ticket)) {
			*at = c->next;
			tw_xcore_qsbr_defer(&dp->qsbr, &c->defer, send_free);
			n++;
		} else {
			at = &c->next;
		}
	}
	return n;
}

/* Memory of senders that were never retired. */
void
senders_unmap(struct tw_dp *dp)
{
	for (uint32_t i = 0; dp->send_ctl != NULL && i < dp->send_slab.ready_cnt; i++)
		if (dp->send_ctl[i].mem != NULL)
			munmap(dp->send_ctl[i].mem, dp->send_ctl[i].mem_size);
}

void
tw_dp_send_cnt(const struct tw_dp *dp, uint32_t *live, uint32_t *retiring)
{
	*live = dp->send_live;
	*retiring = dp->send_retiring;
}

size_t
tw_dp_send_mem(const struct tw_dp *dp)
{
	return dp->send_mem;
}
