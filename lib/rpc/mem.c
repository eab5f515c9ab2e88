/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Where jansson's memory comes from: a bump allocator over the caller's secret memory, emptied
 * and wiped after each request. jansson has one pair of allocation functions for the process and
 * no argument to them, hence the only static state of the library.
 */
#include <jansson.h>
#include <string.h>

#include "rpc_i.h"
#include "tw_base.h"

#define ALIGN 16U

static struct {
	char *p;
	size_t size;
	size_t used;
} arena;

static void *
arena_alloc(size_t size)
{
	size_t need = (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
	void *out = arena.p + arena.used;

	if (need < size || need > arena.size - arena.used)
		return NULL;
	arena.used += need;
	return out;
}

/* All is freed at once by rpc_mem_reset(). */
static void
arena_free(void *p)
{
	(void)p;
}

void
rpc_mem_reset(void)
{
	explicit_bzero(arena.p, arena.used);
	arena.used = 0;
}

void
tw_rpc_init(void *mem, size_t size, uint64_t seed)
{
	arena.p = mem;
	arena.size = size;
	arena.used = 0;
	TW_ASSERT((uintptr_t)mem % ALIGN == 0);
	json_set_alloc_funcs(arena_alloc, arena_free);
	json_object_seed(seed ? (size_t)seed : 1); /* 0 would make jansson read a device */
}
