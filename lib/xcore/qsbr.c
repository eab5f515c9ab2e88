/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Quiescent states and what waits for them. Tokens only grow, so the list of deferred things is
 * in order of time and looking at its head is enough.
 */
#include <errno.h>

#include <rte_malloc.h>

#include "tw_xcore.h"

int
tw_xcore_qsbr_init(struct tw_xcore_qsbr *q, unsigned reader_cnt)
{
	*q = (struct tw_xcore_qsbr){0};
	if (reader_cnt == 0 || reader_cnt > RTE_MAX_LCORE)
		return -EINVAL;
	q->var = rte_zmalloc(NULL, rte_rcu_qsbr_get_memsize(reader_cnt), RTE_CACHE_LINE_SIZE);
	if (q->var == NULL)
		return -ENOMEM;
	if (rte_rcu_qsbr_init(q->var, reader_cnt) != 0) {
		rte_free(q->var);
		q->var = NULL;
		return -EINVAL;
	}
	return 0;
}

void
tw_xcore_qsbr_fini(struct tw_xcore_qsbr *q)
{
	struct tw_xcore_defer *d;

	/* a function may defer again: until nothing is left */
	while ((d = q->first) != NULL) {
		q->first = d->next;
		if (q->first == NULL)
			q->last = NULL;
		q->deferred_cnt--;
		d->fn(d);
	}
	rte_free(q->var);
	q->var = NULL;
}

int
tw_xcore_qsbr_register(struct tw_xcore_qsbr *q, unsigned reader_id)
{
	if (rte_rcu_qsbr_thread_register(q->var, reader_id) != 0)
		return -EINVAL;
	rte_rcu_qsbr_thread_online(q->var, reader_id);
	return 0;
}

void
tw_xcore_qsbr_unregister(struct tw_xcore_qsbr *q, unsigned reader_id)
{
	rte_rcu_qsbr_thread_offline(q->var, reader_id);
	(void)rte_rcu_qsbr_thread_unregister(q->var, reader_id);
}

void
tw_xcore_qsbr_defer(
	struct tw_xcore_qsbr *q, struct tw_xcore_defer *d, void (*fn)(struct tw_xcore_defer *self))
{
	d->next = NULL;
	d->fn = fn;
	d->token = rte_rcu_qsbr_start(q->var);
	if (q->last != NULL)
		q->last->next = d;
	else
		q->first = d;
	q->last = d;
	q->deferred_cnt++;
}

unsigned
tw_xcore_qsbr_reclaim(struct tw_xcore_qsbr *q, unsigned max)
{
	struct tw_xcore_defer *d;
	unsigned n = 0;

	while (n < max && (d = q->first) != NULL) {
		if (rte_rcu_qsbr_check(q->var, d->token, false) != 1)
			break;
		q->first = d->next;
		if (q->first == NULL)
			q->last = NULL;
		q->deferred_cnt--;
		n++;
		d->fn(d);
	}
	return n;
}
