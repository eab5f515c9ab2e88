/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/* See tw_pages.h. */
#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tw_pages.h"

static uint8_t *
map(size_t size, int prot, int flags)
{
	uint8_t *p = mmap(NULL, size, prot, MAP_PRIVATE | MAP_ANONYMOUS | flags, -1, 0);

	return p != MAP_FAILED ? p : NULL;
}

/* From a multiple of TW_PAGES_HUGE on: one more is mapped, and what is not at its place given back.
 */
static uint8_t *
map_aligned(size_t size, int prot, int flags)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uint8_t *all, *p, *end;

	if (size > SIZE_MAX - TW_PAGES_HUGE - page) {
		errno = ENOMEM;
		return NULL;
	}
	all = map(size + TW_PAGES_HUGE, prot, flags);
	if (all == NULL)
		return NULL;
	p = (uint8_t *)(((uintptr_t)all + TW_PAGES_HUGE - 1) & ~(uintptr_t)(TW_PAGES_HUGE - 1));
	end = p + (size + page - 1) / page * page;
	if (p != all)
		(void)munmap(all, (size_t)(p - all));
	if (end < all + size + TW_PAGES_HUGE)
		(void)munmap(end, (size_t)(all + size + TW_PAGES_HUGE - end));
	(void)madvise(p, size, MADV_HUGEPAGE); /* small ones serve, too */
	return p;
}

void *
tw_pages_map(size_t size)
{
	const int prot = PROT_READ | PROT_WRITE;

	return size < TW_PAGES_HUGE ? map(size, prot, 0) : map_aligned(size, prot, 0);
}

void *
tw_pages_reserve(size_t size)
{
	return map_aligned(size, PROT_NONE, MAP_NORESERVE);
}
