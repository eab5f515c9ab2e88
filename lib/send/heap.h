/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Sessions ordered by a time: a 4-ary heap in memory of fixed size. Keys lie beside the pointers,
 * so that sifting touches only the heap; a session knows its place, so that it can be moved or
 * taken out. Every operation is bounded by the depth: 9 levels for 100,000 sessions.
 */
#ifndef SEND_HEAP_H
#define SEND_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tw_session.h"

#define HEAP_ARITY 4

struct heap_item {
	int64_t key_ns;
	struct tw_send_sess *sess;
};

struct heap {
	struct heap_item *item; /* item[0] is the earliest */
	uint32_t cnt;
	uint32_t size;
	size_t pos_off; /* where a session keeps its place (uint32_t, 0: not in this heap) */
};

void heap_init(struct heap *h, struct heap_item *item, uint32_t size, size_t pos_off);

/* In this heap? */
static inline bool
heap_has(const struct heap *h, const struct tw_send_sess *sess)
{
	return *(const uint32_t *)((const char *)sess + h->pos_off) != 0;
}

/* Put in, or give another key. False, nothing changed, if the heap is full. */
bool heap_set(struct heap *h, struct tw_send_sess *sess, int64_t key_ns);

/* Take out; no effect on a session that is not in. */
void heap_del(struct heap *h, struct tw_send_sess *sess);

/* The earliest, NULL if there is none. */
static inline const struct heap_item *
heap_top(const struct heap *h)
{
	return h->cnt != 0 ? &h->item[0] : NULL;
}

/* Key of the one that is next behind the earliest; INT64_MAX if there is none. */
static inline int64_t
heap_rival_ns(const struct heap *h)
{
	int64_t key_ns = INT64_MAX;

	for (uint32_t i = 1; i < h->cnt && i <= HEAP_ARITY; i++)
		key_ns = h->item[i].key_ns < key_ns ? h->item[i].key_ns : key_ns;
	return key_ns;
}

#endif /* SEND_HEAP_H */
