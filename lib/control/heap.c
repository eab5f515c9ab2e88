/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Timers in a binary heap, linked both ways so that one can be moved or removed. A timer's room is
 * promised when its owner is made: later no deadline can fail for lack of memory.
 */
#include <errno.h>
#include <stdlib.h>

#include "control_i.h"

static void
place(struct heap *h, struct timer *t, size_t pos)
{
	h->slot[pos] = t;
	t->idx = pos + 1;
}

static void
sift_up(struct heap *h, struct timer *t, size_t pos)
{
	while (pos > 0) {
		size_t parent = (pos - 1) / 2;

		if (h->slot[parent]->at_ns <= t->at_ns)
			break;
		place(h, h->slot[parent], pos);
		pos = parent;
	}
	place(h, t, pos);
}

static void
sift_down(struct heap *h, struct timer *t, size_t pos)
{
	for (size_t child = 2 * pos + 1; child < h->cnt; child = 2 * pos + 1) {
		if (child + 1 < h->cnt && h->slot[child + 1]->at_ns < h->slot[child]->at_ns)
			child++;
		if (t->at_ns <= h->slot[child]->at_ns)
			break;
		place(h, h->slot[child], pos);
		pos = child;
	}
	place(h, t, pos);
}

static void
heap_unset(struct heap *h, struct timer *t)
{
	size_t pos = t->idx - 1;
	struct timer *last;

	if (t->idx == 0)
		return;
	t->idx = 0;
	last = h->slot[--h->cnt];
	if (last == t)
		return;
	if (pos > 0 && last->at_ns < h->slot[(pos - 1) / 2]->at_ns)
		sift_up(h, last, pos);
	else
		sift_down(h, last, pos);
}

int
ctl_heap_promise(struct heap *h)
{
	if (h->promised == h->size) {
		size_t size = h->size == 0 ? 64 : h->size * 2;
		struct timer **slot = realloc(h->slot, size * sizeof(*slot));

		if (slot == NULL)
			return -ENOMEM;
		h->slot = slot;
		h->size = size;
	}
	h->promised++;
	return 0;
}

void
ctl_heap_retire(struct heap *h, struct timer *t)
{
	heap_unset(h, t);
	h->promised--;
}

void
ctl_heap_set(struct heap *h, struct timer *t, int64_t at_ns)
{
	if (t->idx != 0 && t->at_ns == at_ns)
		return;
	heap_unset(h, t);
	if (at_ns == TW_CTL_NO_DEADLINE)
		return;
	t->at_ns = at_ns;
	sift_up(h, t, h->cnt++);
}

struct timer *
ctl_heap_first(const struct heap *h)
{
	return h->cnt == 0 ? NULL : h->slot[0];
}

void
ctl_heap_fini(struct heap *h)
{
	free(h->slot);
	*h = (struct heap){0};
}
