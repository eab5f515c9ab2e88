/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Memory of session records.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "slab.h"
#include "tw_crypto.h"
#include "tw_pages.h"

#define CHUNK_SIZE TW_PAGES_HUGE /* where the kernel gives one */

int
slab_init(struct slab *s, size_t cell_size, uint32_t cell_cnt)
{
	size_t need = (size_t)cell_cnt * cell_size;

	*s = (struct slab){.cell_size = cell_size, .cell_cnt = cell_cnt};
	s->span = (need + CHUNK_SIZE - 1) / CHUNK_SIZE * CHUNK_SIZE;
	s->free_list = calloc(cell_cnt, sizeof(*s->free_list));
	s->base = s->free_list != NULL ? tw_pages_reserve(s->span) : NULL;
	if (s->base != NULL)
		return 0;
	free(s->free_list);
	*s = (struct slab){0};
	return -ENOMEM;
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
