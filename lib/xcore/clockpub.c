/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The published clock: a sequence counter around one model. The writer never waits for readers; a
 * reader that meets a write in progress tries again a few times and otherwise keeps its old copy,
 * so that a preempted writer cannot hold a data lcore.
 *
 * The model is copied in words with relaxed atomics: the counter tells whether the words belong
 * together, and no word is ever read while half written.
 */
#include <errno.h>
#include <string.h>

#include <rte_malloc.h>

#include "tw_xcore.h"

#define READ_TRIES  4
#define MODEL_WORDS ((sizeof(struct tw_clock) + 7) / 8)

struct tw_xcore_clock {
	_Atomic uint32_t seq; /* odd while a write is in progress; starts at 2 */
	_Atomic uint64_t word[MODEL_WORDS];
};

static void
store(struct tw_xcore_clock *c, const struct tw_clock *model)
{
	uint64_t w[MODEL_WORDS] = {0};
	unsigned i;

	memcpy(w, model, sizeof(*model));
	for (i = 0; i < MODEL_WORDS; i++)
		atomic_store_explicit(&c->word[i], w[i], memory_order_relaxed);
}

int
tw_xcore_clock_new(const struct tw_clock *first, struct tw_xcore_clock **out)
{
	struct tw_xcore_clock *c = rte_zmalloc(NULL, sizeof(*c), RTE_CACHE_LINE_SIZE);

	if (c == NULL)
		return -ENOMEM;
	store(c, first);
	atomic_store_explicit(&c->seq, 2, memory_order_release);
	*out = c;
	return 0;
}

void
tw_xcore_clock_free(struct tw_xcore_clock *c)
{
	rte_free(c);
}

void
tw_xcore_clock_publish(struct tw_xcore_clock *c, const struct tw_clock *model)
{
	uint32_t seq = atomic_load_explicit(&c->seq, memory_order_relaxed);

	atomic_store_explicit(&c->seq, seq + 1, memory_order_relaxed);
	/* the odd number is seen before any new word */
	atomic_thread_fence(memory_order_release);
	store(c, model);
	atomic_store_explicit(&c->seq, seq + 2, memory_order_release);
}

bool
tw_xcore_clock_refresh(const struct tw_xcore_clock *c, uint32_t *seen, struct tw_clock *out)
{
	uint64_t w[MODEL_WORDS];
	uint32_t seq;
	unsigned i, t;

	for (t = 0; t < READ_TRIES; t++) {
		seq = atomic_load_explicit(&c->seq, memory_order_acquire);
		if (seq == *seen)
			return false;
		if (seq & 1)
			continue;
		for (i = 0; i < MODEL_WORDS; i++)
			w[i] = atomic_load_explicit(&c->word[i], memory_order_relaxed);
		/* all words are read before the number is looked at again */
		atomic_thread_fence(memory_order_acquire);
		if (atomic_load_explicit(&c->seq, memory_order_relaxed) != seq)
			continue;
		memcpy(out, w, sizeof(*out));
		*seen = seq;
		return true;
	}
	return false;
}
