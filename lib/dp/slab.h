/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Session records: one stretch of addresses for all that may ever be, of which only what is used
 * becomes memory, a chunk at a time; locked and kept out of core dumps, since records hold keys.
 * Context: control thread.
 */
#ifndef DP_SLAB_H
#define DP_SLAB_H

#include <stddef.h>
#include <stdint.h>

struct slab {
	uint8_t *base;
	size_t span;         /* octets reserved */
	size_t cell_size;    /* a multiple of 64 */
	uint32_t cell_cnt;   /* at most */
	uint32_t ready_cnt;  /* cells whose memory is there */
	uint32_t used_cnt;   /* cells in use */
	uint32_t *free_list; /* cells given back, a stack */
	uint32_t free_cnt;
};

/** @return 0 or -ENOMEM */
int slab_init(struct slab *s, size_t cell_size, uint32_t cell_cnt);

/** Wipe and release. A zeroed slab is fine. */
void slab_fini(struct slab *s);

/** A zeroed cell; NULL with errno ENOSPC (all in use), ENOMEM or EPERM (cannot be locked). */
void *slab_get(struct slab *s, uint32_t *idx);

/** Wipe a cell and take it back. */
void slab_put(struct slab *s, uint32_t idx);

static inline void *
slab_at(const struct slab *s, uint32_t idx)
{
	return s->base + (size_t)idx * s->cell_size;
}

static inline uint32_t
slab_idx(const struct slab *s, const void *cell)
{
	return (uint32_t)((size_t)((const uint8_t *)cell - s->base) / s->cell_size);
}

#endif /* DP_SLAB_H */
