/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * What happens to frames on their way to the plane: loss, reordering, corruption.
 */
#include <string.h>

#include "bench.h"

#define LATE_BY 3 /* places */

bool
is_lost(struct rig *r)
{
	if (r->lose_first > 0) {
		r->lose_first--;
		return true;
	}
	return r->c->loss_pct > 0 && rnd(&r->rng) % 100 < r->c->loss_pct;
}

/* Some packets come three places late. */
void
reorder(struct rig *r, struct rte_mbuf **m, struct meta *meta, unsigned n)
{
	for (unsigned i = 0; i + LATE_BY < n; i++) {
		struct meta late = meta[i];
		struct rte_mbuf *late_m = m[i];

		if (rnd(&r->rng) % 100 >= r->c->reorder_pct)
			continue;
		memmove(&m[i], &m[i + 1], LATE_BY * sizeof(m[0]));
		memmove(&meta[i], &meta[i + 1], LATE_BY * sizeof(meta[0]));
		m[i + LATE_BY] = late_m;
		meta[i + LATE_BY] = late;
		i += LATE_BY;
	}
}

/* A bit of the padding flips on the way, or somebody forges the HMAC there. */
void
corrupt(struct rig *r, struct rte_mbuf *m, struct meta *meta, unsigned hmac_off)
{
	uint8_t *f = rte_pktmbuf_mtod(m, uint8_t *);

	if (rnd(&r->rng) % 1000 >= r->c->corrupt_permille)
		return;
	meta->is_valid = false;
	if (r->c->fmt->prot == TW_TST_PROT_OPEN || rnd(&r->rng) % 2 == 0) {
		f[m->pkt_len - 1] ^= 1;
		return;
	}
	f[hmac_off] ^= 1;
	frame_cksum(m);
}
