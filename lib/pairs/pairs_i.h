/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/* What the files of this library share. */
#ifndef PAIRS_I_H
#define PAIRS_I_H

#include "tw_pairs.h"

/* An empty window at a number; one must be free. */
static inline uint16_t
pairs_win_take(struct tw_pairs *p, uint32_t at)
{
	const uint16_t idx = p->free_win[--p->free_win_cnt];

	p->win[idx].lo = p->win[idx].hi = at;
	return idx;
}

/* `in` or the windows have changed: where the pairs that are due stand now. */
static inline void
pairs_aim(const struct tw_pairs *p, struct tw_pairs_lease *l)
{
	const struct tw_pairs_window *w = &p->win[l->win[TW_PAIRS_IN]];
	const uint32_t next = l->next[TW_PAIRS_IN];

	l->due = tw_pairs_at(w, next);
	l->due_end = l->due + tw_pairs_row(w, next);
}

/* Wipe it and take it back. */
void pairs_win_put(struct tw_pairs *p, uint16_t idx);

#endif /* PAIRS_I_H */
