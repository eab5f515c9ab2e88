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

/* Wipe it and take it back. */
void pairs_win_put(struct tw_pairs *p, uint16_t idx);

#endif /* PAIRS_I_H */
