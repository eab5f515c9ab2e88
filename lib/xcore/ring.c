/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Rings of records by value: librte_ring in its single-producer, single-consumer mode, with a
 * count of what did not fit.
 */
#include <errno.h>
#include <stdio.h>

#include <rte_common.h>
#include <rte_errno.h>
#include <rte_malloc.h>
#include <rte_ring.h>
#include <rte_ring_elem.h>

#include "tw_xcore.h"

#define ELEMS_MAX (1U << 24)

struct tw_xcore_ring {
	struct rte_ring *ring;
	unsigned elem_size;
	struct tw_ctr lost; /* w: producer */
};

int
tw_xcore_ring_new(
	const char *name, unsigned elem_size, unsigned elem_cnt, struct tw_xcore_ring **out)
{
	struct tw_xcore_ring *r;

	if (elem_size == 0 || elem_size % 4 != 0 || elem_cnt == 0 || elem_cnt > ELEMS_MAX)
		return -EINVAL;
	r = rte_zmalloc(NULL, sizeof(*r), RTE_CACHE_LINE_SIZE);
	if (r == NULL)
		return -ENOMEM;
	r->elem_size = elem_size;
	r->ring = rte_ring_create_elem(name, elem_size, rte_align32pow2(elem_cnt + 1),
		SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
	if (r->ring == NULL) {
		rte_free(r);
		return rte_errno != 0 ? -rte_errno : -ENOMEM;
	}
	*out = r;
	return 0;
}

void
tw_xcore_ring_free(struct tw_xcore_ring *r)
{
	if (r == NULL)
		return;
	rte_ring_free(r->ring);
	rte_free(r);
}

bool
tw_xcore_ring_try_push(struct tw_xcore_ring *r, const void *elem)
{
	/* librte_ring takes a pointer to non-const and only reads it */
	return rte_ring_sp_enqueue_elem(r->ring, (void *)(uintptr_t)elem, r->elem_size) == 0;
}

bool
tw_xcore_ring_push(struct tw_xcore_ring *r, const void *elem)
{
	if (tw_xcore_ring_try_push(r, elem))
		return true;
	tw_ctr_inc(&r->lost);
	return false;
}

unsigned
tw_xcore_ring_pop(struct tw_xcore_ring *r, void *elems, unsigned n)
{
	return rte_ring_sc_dequeue_burst_elem(r->ring, elems, r->elem_size, n, NULL);
}

uint64_t
tw_xcore_ring_lost(const struct tw_xcore_ring *r)
{
	return tw_ctr_get(&r->lost);
}

unsigned
tw_xcore_ring_len(const struct tw_xcore_ring *r)
{
	return rte_ring_count(r->ring);
}
