/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * A short memory for the secret heap. OpenSSL's PBKDF2 frees and takes the same few blocks in each
 * of its thousands of iterations; through the heap's lock and buddy tables that doubles its time
 * and makes derivations on several threads wait for each other. While a cache is in force, blocks
 * freed by this thread are wiped and kept for the next request of the same size.
 */
#include <openssl/crypto.h>

#include "crypto_i.h"

static _Thread_local struct crypto_cache *current;

void
crypto_cache_begin(struct crypto_cache *c)
{
	c->cnt = 0;
	current = c;
}

void
crypto_cache_end(struct crypto_cache *c)
{
	unsigned i;

	current = NULL;
	/* blocks still in use belong to OpenSSL and go back to the heap the usual way */
	for (i = 0; i < c->cnt; i++)
		if (!c->block[i].is_used)
			CRYPTO_secure_free(c->block[i].p, __FILE__, __LINE__);
}

/* Blocks in frequent use come to stand in front: the scans stay short. */
static struct crypto_cache_block *
to_front(struct crypto_cache *c, unsigned i)
{
	struct crypto_cache_block b = c->block[i];

	c->block[i] = c->block[0];
	c->block[0] = b;
	return &c->block[0];
}

void *
crypto_cache_take(size_t size)
{
	struct crypto_cache *c = current;
	struct crypto_cache_block *b;
	unsigned i;

	for (i = 0; c && i < c->cnt; i++) {
		if (c->block[i].is_used || c->block[i].size != size)
			continue;
		b = to_front(c, i);
		b->is_used = true;
		return b->p;
	}
	return NULL;
}

void
crypto_cache_note(void *p, size_t size)
{
	struct crypto_cache *c = current;

	if (p && c && c->cnt < CRYPTO_CACHE_BLOCKS)
		c->block[c->cnt++] =
			(struct crypto_cache_block){.p = p, .size = size, .is_used = true};
}

bool
crypto_cache_give(void *p)
{
	struct crypto_cache *c = current;
	struct crypto_cache_block *b;
	unsigned i;

	for (i = 0; c && i < c->cnt; i++) {
		if (c->block[i].p != p)
			continue;
		b = to_front(c, i);
		explicit_bzero(p, b->size);
		b->is_used = false;
		return true;
	}
	return false;
}
