/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/* See tw_map.h. */
#include <errno.h>
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tw_map.h"

static uint8_t *
map(size_t size)
{
	uint8_t *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	return p != MAP_FAILED ? p : NULL;
}

void *
tw_map(size_t size)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	uint8_t *all, *p, *end;

	if (size < TW_MAP_HUGE)
		return map(size);
	if (size > SIZE_MAX - TW_MAP_HUGE - page) {
		errno = ENOMEM;
		return NULL;
	}
	/* a huge page more than needed: what is not at its place goes back */
	all = map(size + TW_MAP_HUGE);
	if (all == NULL)
		return NULL;
	p = (uint8_t *)(((uintptr_t)all + TW_MAP_HUGE - 1) & ~(uintptr_t)(TW_MAP_HUGE - 1));
	end = p + (size + page - 1) / page * page;
	if (p != all)
		(void)munmap(all, (size_t)(p - all));
	if (end < all + size + TW_MAP_HUGE)
		(void)munmap(end, (size_t)(all + size + TW_MAP_HUGE - end));
	(void)madvise(p, size, MADV_HUGEPAGE); /* small ones serve, too */
	return p;
}
