/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/* See heap.h. Places are counted from 1 in sessions, from 0 here. */
#include "heap.h"

static uint32_t *
pos_of(const struct heap *h, struct tw_send_sess *sess)
{
	return (uint32_t *)((char *)sess + h->pos_off);
}

static void
put(struct heap *h, uint32_t idx, struct heap_item it)
{
	h->item[idx] = it;
	*pos_of(h, it.sess) = idx + 1;
}

static void
sift_up(struct heap *h, uint32_t idx, struct heap_item it)
{
	while (idx != 0) {
		uint32_t parent = (idx - 1) / HEAP_ARITY;

		if (h->item[parent].key_ns <= it.key_ns)
			break;
		put(h, idx, h->item[parent]);
		idx = parent;
	}
	put(h, idx, it);
}

static void
sift_down(struct heap *h, uint32_t idx, struct heap_item it)
{
	for (;;) {
		uint32_t first = idx * HEAP_ARITY + 1, end = first + HEAP_ARITY, best;

		if (first >= h->cnt)
			break;
		if (end > h->cnt)
			end = h->cnt;
		best = first;
		for (uint32_t i = first + 1; i < end; i++) {
			if (h->item[i].key_ns < h->item[best].key_ns)
				best = i;
		}
		if (h->item[best].key_ns > it.key_ns) /* equal ones take turns */
			break;
		put(h, idx, h->item[best]);
		idx = best;
	}
	put(h, idx, it);
}

/* Put an item where a hole is. */
static void
settle(struct heap *h, uint32_t idx, struct heap_item it)
{
	if (idx != 0 && h->item[(idx - 1) / HEAP_ARITY].key_ns > it.key_ns)
		sift_up(h, idx, it);
	else
		sift_down(h, idx, it);
}

void
heap_init(struct heap *h, struct heap_item *item, uint32_t size, size_t pos_off)
{
	*h = (struct heap){.item = item, .size = size, .pos_off = pos_off};
}

bool
heap_set(struct heap *h, struct tw_send_sess *sess, int64_t key_ns)
{
	struct heap_item it = {.key_ns = key_ns, .sess = sess};
	uint32_t pos = *pos_of(h, sess);

	if (pos != 0) {
		settle(h, pos - 1, it);
		return true;
	}
	if (h->cnt == h->size)
		return false;
	sift_up(h, h->cnt++, it);
	return true;
}

void
heap_del(struct heap *h, struct tw_send_sess *sess)
{
	uint32_t pos = *pos_of(h, sess);
	struct heap_item last;

	if (pos == 0)
		return;
	*pos_of(h, sess) = 0;
	last = h->item[--h->cnt];
	if (last.sess != sess)
		settle(h, pos - 1, last);
}
