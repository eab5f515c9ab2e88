/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Memory of session records.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <tw_crypto.h>

#include "slab.h"

#define CHUNK_SIZE (2u << 20) /* a huge page, where the kernel gives one */

int
slab_init(struct slab *s, size_t cell_size, uint32_t cell_cnt)
{
	size_t need = (size_t)cell_cnt * cell_size;
	uint8_t *p;

	*s = (struct slab){.cell_size = cell_size, .cell_cnt = cell_cnt};
	/* one chunk more, to begin at a multiple of it */
	s->span = (need + 2 * (size_t)CHUNK_SIZE - 1) / CHUNK_SIZE * CHUNK_SIZE;
	s->free_list = calloc(cell_cnt, sizeof(*s->free_list));
	p = mmap(NULL, s->span + CHUNK_SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
		-1, 0);
	if (s->free_list == NULL || p == MAP_FAILED) {
		if (p != MAP_FAILED)
			munmap(p, s->span + CHUNK_SIZE);
		free(s->free_list);
		*s = (struct slab){0};
		return -ENOMEM;
	}
	s->base = (uint8_t *)(((uintptr_t)p + CHUNK_SIZE - 1) & ~(uintptr_t)(CHUNK_SIZE - 1));
	if (s->base != p)
		munmap(p, (size_t)(s->base - p));
	munmap(s->base + s->span, CHUNK_SIZE - (size_t)(s->base - p));
	(void)madvise(s->base, s->span, MADV_HUGEPAGE);
	return 0;
}

void
slab_fini(struct slab *s)
{
	if (s->base == NULL)
		return;
	tw_crypto_wipe(s->base, (size_t)s->ready_cnt * s->cell_size);
	munmap(s->base, s->span);
	free(s->free_list);
	*s = (struct slab){0};
}

/* Memory up to and including cell ready_cnt; cells may lie across chunks. */
static int
grow(struct slab *s)
{
	size_t have = (size_t)s->ready_cnt * s->cell_size;
	size_t end = have + s->cell_size;
	size_t from = (have + CHUNK_SIZE - 1) / CHUNK_SIZE * CHUNK_SIZE;
	size_t to = (end + CHUNK_SIZE - 1) / CHUNK_SIZE * CHUNK_SIZE;
	int res;

	if (to > from) {
		if (mprotect(s->base + from, to - from, PROT_READ | PROT_WRITE) != 0)
			return -errno;
		res = tw_crypto_hide(s->base + from, to - from);
		if (res != 0) {
			(void)mprotect(s->base + from, to - from, PROT_NONE);
			return res;
		}
	}
	s->ready_cnt++;
	return 0;
}

void *
slab_get(struct slab *s, uint32_t *idx)
{
	int res;

	if (s->free_cnt > 0) {
		*idx = s->free_list[--s->free_cnt];
	} else {
		if (s->ready_cnt >= s->cell_cnt) {
			errno = ENOSPC;
			return NULL;
		}
		res = grow(s);
		if (res != 0) {
			errno = -res;
			return NULL;
		}
		*idx = s->ready_cnt - 1;
	}
	s->used_cnt++;
	return slab_at(s, *idx);
}

void
slab_put(struct slab *s, uint32_t idx)
{
	tw_crypto_wipe(slab_at(s, idx), s->cell_size);
	s->free_list[s->free_cnt++] = idx;
	s->used_cnt--;
}
