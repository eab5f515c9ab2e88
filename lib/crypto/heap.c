/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The secret heap: OpenSSL's secure arena (locked, kept out of core dumps, guard pages on both
 * sides, wiped on free), which is also made the allocator behind every OpenSSL object, so that key
 * schedules, HMAC states, random generators and copies of passphrases inside the library lie there
 * as well. When it is exhausted OpenSSL calls fail and the caller sees an error: nothing falls back
 * to plain memory once the heap exists.
 */
#include <errno.h>
#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#include <openssl/crypto.h>
#include <openssl/err.h>

#include "crypto_i.h"

/* Smallest block of the arena: its bit tables (in plain memory) cost 1/64 of the arena. */
#define HEAP_BLOCK_MIN 32

void
crypto_why(char *why, size_t why_size, const char *fmt, ...)
{
	va_list ap;

	if (!why || why_size == 0)
		return;
	va_start(ap, fmt);
	vsnprintf(why, why_size, fmt, ap);
	va_end(ap);
}

/*
 * OpenSSL's allocator. What it needs to make the arena itself (a lock, the tables) comes before the
 * arena exists and is plain memory; CRYPTO_secure_malloc() would come back here for it.
 */
static void *
ossl_malloc(size_t size, const char *file, int line)
{
	void *p = crypto_cache_take(size);

	if (p || size == 0)
		return p;
	if (!CRYPTO_secure_malloc_initialized())
		return malloc(size);
	p = CRYPTO_secure_malloc(size, file, line);
	crypto_cache_note(p, size);
	return p;
}

static void
ossl_free(void *p, const char *file, int line)
{
	if (!p || crypto_cache_give(p))
		return;
	if (CRYPTO_secure_allocated(p))
		CRYPTO_secure_free(p, file, line);
	else
		free(p);
}

static void *
ossl_realloc(void *p, size_t size, const char *file, int line)
{
	size_t old;
	void *q;

	if (!p)
		return ossl_malloc(size, file, line);
	if (size == 0) {
		ossl_free(p, file, line);
		return NULL;
	}
	if (CRYPTO_secure_allocated(p)) {
		old = CRYPTO_secure_actual_size(p);
		if (size <= old && size > old / 2)
			return p;
	} else {
		old = malloc_usable_size(p);
	}
	q = ossl_malloc(size, file, line);
	if (!q)
		return NULL;
	memcpy(q, p, size < old ? size : old);
	ossl_free(p, file, line);
	return q;
}

static bool
is_routed(void)
{
	CRYPTO_malloc_fn m;
	CRYPTO_realloc_fn r;
	CRYPTO_free_fn f;

	CRYPTO_get_mem_functions(&m, &r, &f);
	return m == ossl_malloc;
}

/* Not what the calls returned counts, but what the kernel made of them. */
static int
heap_check(void)
{
	void *p = CRYPTO_secure_malloc(1, __FILE__, __LINE__);
	struct crypto_mapping m;
	int rc = -EPERM;

	if (p && crypto_mapping_find(p, &m) == 0 && m.is_locked && m.is_undumped)
		rc = 0;
	CRYPTO_secure_free(p, __FILE__, __LINE__);
	return rc;
}

static int
heap_make(size_t size, char *why, size_t why_size)
{
	struct rlimit rl = {0};
	int rc = CRYPTO_secure_malloc_init(size, HEAP_BLOCK_MIN);

	if (rc == 0) {
		ERR_clear_error();
		crypto_why(why, why_size,
			"no address space for %zu KiB of memory for keys: free memory or lower the "
			"size "
			"of the secret heap",
			size >> 10);
		return -ENOMEM;
	}
	if (rc == 1 && heap_check() == 0)
		return 0;
	CRYPTO_secure_malloc_done();
	getrlimit(RLIMIT_MEMLOCK, &rl);
	crypto_why(why, why_size,
		"cannot lock %zu KiB of memory for keys or keep it out of core dumps: the limit is "
		"%llu KiB; "
		"give the process CAP_IPC_LOCK or raise the limit (ulimit -l, LimitMEMLOCK=)",
		size >> 10, (unsigned long long)rl.rlim_cur >> 10);
	return -EPERM;
}

static int
heap_init(size_t size, bool is_late, char *why, size_t why_size)
{
	if (size < TW_CRYPTO_HEAP_MIN || (size & (size - 1)) != 0) {
		crypto_why(why, why_size,
			"secret heap of %zu octets: take a power of two from %u up", size,
			TW_CRYPTO_HEAP_MIN);
		return -EINVAL;
	}
	if (!is_routed() &&
		(CRYPTO_secure_malloc_initialized() ||
			CRYPTO_set_mem_functions(ossl_malloc, ossl_realloc, ossl_free) != 1)) {
		if (!is_late) {
			crypto_why(why, why_size,
				"OpenSSL was used before the secret heap was made, so its copies "
				"of keys cannot be "
				"hidden: call tw_crypto_init() first");
			return -EBUSY;
		}
	}
	if (CRYPTO_secure_malloc_initialized())
		return 0;
	return heap_make(size, why, why_size);
}

int
tw_crypto_init(size_t heap_size, char *why, size_t why_size)
{
	return heap_init(heap_size, false, why, why_size);
}

int
tw_crypto_init_late(size_t heap_size, char *why, size_t why_size)
{
	return heap_init(heap_size, true, why, why_size);
}

size_t
tw_crypto_heap_used(void)
{
	return CRYPTO_secure_used();
}

void *
tw_crypto_alloc(size_t size)
{
	void *p;

	/* without the arena OpenSSL would hand out plain memory */
	if (!CRYPTO_secure_malloc_initialized())
		return NULL;
	p = CRYPTO_secure_malloc(size ? size : 1, __FILE__, __LINE__);
	if (p)
		memset(p, 0, size);
	return p;
}

void
tw_crypto_free(void *p)
{
	if (p)
		CRYPTO_secure_free(p, __FILE__, __LINE__);
}

void
tw_crypto_wipe_free(void *p)
{
	if (p)
		explicit_bzero(p, malloc_usable_size(p));
	free(p);
}
