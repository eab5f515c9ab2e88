/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * What the files of this library share and nobody else sees.
 */
#ifndef CRYPTO_I_H
#define CRYPTO_I_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <openssl/evp.h>

#include "tw_base.h"
#include "tw_crypto.h"
#include "tw_engine.h"

#define SHA1_LEN 20

/* A counted secret: the octets follow the head, in the secret heap. */
struct tw_secret {
	_Atomic unsigned ref_cnt;
	unsigned len;
	uint8_t b[];
};

/**
 * AES-128-CBC over whole blocks; in and out may be the same. The context lives for this call only.
 * @return 0 or -EIO
 */
int crypto_cbc(bool is_encrypt, const uint8_t key[TW_CRYPTO_AES_KEY_LEN],
	const uint8_t iv[TW_CRYPTO_BLOCK_LEN], const uint8_t *in, uint8_t *out, size_t len);

/** HMAC-SHA1 context keyed for a new text, or NULL. Free with EVP_MAC_CTX_free(). */
EVP_MAC_CTX *crypto_hmac_new(const uint8_t key[TW_CRYPTO_HMAC_KEY_LEN]);

#define CRYPTO_CACHE_BLOCKS 24

struct crypto_cache_block {
	void *p;
	size_t size;
	bool is_used;
};

/* Blocks of the secret heap that one thread hands to itself; on the stack of a derivation. */
struct crypto_cache {
	unsigned cnt;
	struct crypto_cache_block block[CRYPTO_CACHE_BLOCKS];
};

/** Put a cache in force for this thread, and end it; not nested. */
void crypto_cache_begin(struct crypto_cache *c);
void crypto_cache_end(struct crypto_cache *c);

/** A block of this size that was given back, or NULL. */
void *crypto_cache_take(size_t size);

/** A new block of the heap, so that it can be given back later; NULL is fine. */
void crypto_cache_note(void *p, size_t size);

/** Wipe and keep a block. @return false if it is none of the cache's: free it */
bool crypto_cache_give(void *p);

/* A mapping of this process as the kernel describes it. */
struct crypto_mapping {
	uintptr_t lo, hi;
	bool is_locked;   /* VM_LOCKED: never swapped */
	bool is_undumped; /* VM_DONTDUMP */
};

/** The mapping around an address. @return 0, -ENOENT, or why /proc/self/smaps cannot be read */
int crypto_mapping_find(const void *at, struct crypto_mapping *out);

/** Put @p fmt into @p why, which may be NULL. */
void crypto_why(char *why, size_t why_size, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* The lines of a key that engines read, into the cache. A null pointer does no harm. */
static inline void
crypto_key_fetch(const struct tw_crypto_tkey *key)
{
	for (unsigned at = 0; at < offsetof(struct tw_crypto_tkey, hmac_key); at += TW_CACHE_LINE)
		__builtin_prefetch((const void *)((uintptr_t)key + at));
}

/* Whether a job can be done at all; what cannot is refused with -EINVAL. */
static inline bool
crypto_job_ok(const struct tw_engine_job *j, bool is_open)
{
	return j->key && j->buf && (!is_open || j->clear) &&
	       (j->cover == TW_ENGINE_COVER_AUTH || j->cover == TW_ENGINE_COVER_ENCR_REQ ||
		       j->cover == TW_ENGINE_COVER_ENCR_REP) &&
	       j->hmac_off >= j->cover;
}

/* Tags are equal; no branch, no early end. */
static inline bool
crypto_tag_equal(const uint8_t *a, const uint8_t *b)
{
	uint64_t x[2], y[2];

	memcpy(x, a, sizeof(x));
	memcpy(y, b, sizeof(y));
	return ((x[0] ^ y[0]) | (x[1] ^ y[1])) == 0;
}

#endif /* CRYPTO_I_H */
