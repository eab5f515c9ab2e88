/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Memory outside the secret heap that holds secrets all the same: pages of our own, pages of the
 * caller, stacks. Locked against swapping (pages are locked as they are touched) and left out of
 * core dumps (MADV_DONTDUMP, which gdb's gcore honours too).
 */
#include <errno.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "crypto_i.h"
#include "tw_pages.h"

struct range {
	uintptr_t lo, hi;
};

static size_t
page_size(void)
{
	return (size_t)sysconf(_SC_PAGESIZE);
}

static int
range_hide(struct range r, bool is_locked)
{
	void *p = (void *)r.lo;
	int rc;

	if (is_locked && mlock2(p, r.hi - r.lo, MLOCK_ONFAULT) != 0)
		return -errno;
	if (madvise(p, r.hi - r.lo, MADV_DONTDUMP) == 0)
		return 0;
	rc = -errno;
	if (is_locked)
		munlock(p, r.hi - r.lo);
	return rc;
}

int
tw_crypto_hide(void *p, size_t size)
{
	uintptr_t mask = page_size() - 1;
	struct range r = {
		.lo = (uintptr_t)p & ~mask,
		.hi = ((uintptr_t)p + size + mask) & ~mask,
	};

	return size ? range_hide(r, true) : 0;
}

void *
tw_crypto_map(size_t size)
{
	void *p = tw_pages_map(size);
	int rc;

	if (p == NULL)
		return NULL;
	rc = tw_crypto_hide(p, size);
	if (rc == 0)
		return p;
	munmap(p, size);
	errno = -rc;
	return NULL;
}

void
tw_crypto_unmap(void *p, size_t size)
{
	if (!p)
		return;
	tw_crypto_wipe(p, size);
	munmap(p, size);
}

int
tw_crypto_hide_stack(void)
{
	struct crypto_mapping map = {0};
	struct range r;
	pthread_attr_t attr;
	size_t size;
	void *base;
	int rc;

	rc = crypto_mapping_find(&map, &map);
	if (rc != 0)
		return rc;
	/*
	 * The main thread's stack is a mapping of its own that grows; flags stay when it does. It
	 * is not locked: growth of a locked stack beyond the lock limit is a SIGSEGV.
	 */
	if (getpid() == (pid_t)syscall(SYS_gettid))
		return range_hide((struct range){.lo = map.lo, .hi = map.hi}, false);
	rc = pthread_getattr_np(pthread_self(), &attr);
	if (rc != 0)
		return -rc;
	rc = pthread_attr_getstack(&attr, &base, &size);
	pthread_attr_destroy(&attr);
	if (rc != 0)
		return -rc;
	/* neighbouring mappings of the same kind may have been merged: only our part of them */
	r.lo = (uintptr_t)base & ~(page_size() - 1);
	r.hi = ((uintptr_t)base + size + page_size() - 1) & ~(page_size() - 1);
	if (r.lo < map.lo)
		r.lo = map.lo;
	if (r.hi > map.hi)
		r.hi = map.hi;
	return range_hide(r, true);
}
