/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Binary heap of packets by arrival. Mostly they come in order: then a push costs one compare.
 */
#include "tw_netsim.h"

void
tw_netsim_heap_init(struct tw_netsim_heap *h, struct tw_netsim_item *item, uint32_t size)
{
	*h = (struct tw_netsim_heap){.item = item, .size = size};
}

static bool
is_before(const struct tw_netsim_item *a, const struct tw_netsim_item *b)
{
	return a->due_ns != b->due_ns ? a->due_ns < b->due_ns : a->order < b->order;
}

bool
tw_netsim_heap_push(struct tw_netsim_heap *h, int64_t due_ns, void *ref)
{
	const struct tw_netsim_item x = {.due_ns = due_ns, .order = h->order, .ref = ref};
	uint32_t at = h->cnt;

	if (h->cnt == h->size)
		return false;
	h->order++;
	h->cnt++;
	while (at > 0 && is_before(&x, &h->item[(at - 1) / 2])) {
		h->item[at] = h->item[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	h->item[at] = x;
	return true;
}

bool
tw_netsim_heap_pop(struct tw_netsim_heap *h, int64_t now_ns, struct tw_netsim_item *out)
{
	struct tw_netsim_item x;
	uint32_t at = 0, child;

	if (h->cnt == 0 || h->item[0].due_ns > now_ns)
		return false;
	*out = h->item[0];
	x = h->item[--h->cnt];
	while ((child = 2 * at + 1) < h->cnt) {
		if (child + 1 < h->cnt && is_before(&h->item[child + 1], &h->item[child]))
			child++;
		if (!is_before(&h->item[child], &x))
			break;
		h->item[at] = h->item[child];
		at = child;
	}
	h->item[at] = x;
	return true;
}
