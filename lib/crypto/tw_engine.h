/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Protection of test packets (PROTOCOL.md 3.5) in bursts, behind one interface: AES-128 over the
 * first `cover` octets (one ECB block of 16, or CBC with IV 0 over 32 or 96; for one block the two
 * are the same) and HMAC-SHA1-128 over their plaintext.
 *
 * Engines: "native" (own kernels, needs SHA and AES instructions) and "ipsec-mb" (multi-buffer
 * lanes) for data lcores, which neither allocate, lock nor make a system call once they are made;
 * "openssl" as the reference for tests and the self-test (it may allocate).
 *
 * Memory: keys and engines hold secrets and their derivatives: put both into tw_crypto_map() memory
 * (tw_crypto.h, the memory rule). "native" leaves nothing on the stack that depends on a key; the
 * vector registers, which the next burst fills again, are for who calls to clear when none comes
 * (tw_crypto_scrub_registers()). "ipsec-mb" is the library's: hide the stack.
 */
#ifndef TW_ENGINE_H
#define TW_ENGINE_H

#include <stdalign.h>
#include <stddef.h>
#include <stdint.h>

#include "tw_crypto.h"

#define TW_ENGINE_ALIGN          64 /* of engine memory */
#define TW_ENGINE_KEY_ALIGN      32 /* of keys */
#define TW_ENGINE_BURST_MAX      64 /* jobs in one call */
#define TW_ENGINE_COVER_MAX      96
#define TW_ENGINE_COVER_AUTH     16 /* authenticated, both directions */
#define TW_ENGINE_COVER_ENCR_REQ 32 /* encrypted, sender's packet */
#define TW_ENGINE_COVER_ENCR_REP 96 /* encrypted, reflector's packet */

/*
 * The keys of one test session, expanded: four cache lines at most. Built once by the control
 * thread, then read only. Decryption keys are not stored: an engine derives them from `enc` faster
 * than three more cache lines per session arrive from memory.
 */
struct tw_crypto_tkey {
	alignas(TW_ENGINE_KEY_ALIGN)
		uint8_t enc[11][16];              /* AES-128 round keys; enc[0] is the key */
	uint32_t ipad[5];                         /* SHA-1 state after K xor ipad, host order */
	uint32_t opad[5];                         /* SHA-1 state after K xor opad, host order */
	uint8_t hmac_key[TW_CRYPTO_HMAC_KEY_LEN]; /* the reference engine only */
};

/**
 * Expand the keys of a test session.
 *
 * Context: any thread but a data lcore.
 * @param tkey secret memory, aligned as the structure says
 * @return 0; -ENOTSUP: the CPU lacks AES instructions (checked here once more, see
 *         tw_engine_supported())
 */
int tw_crypto_tkey_init(struct tw_crypto_tkey *tkey, const struct tw_crypto_keys *keys);

/**
 * tw_crypto_test_keys() and tw_crypto_tkey_init() in one step, nothing left between.
 * @return 0, -EIO, -ENOTSUP; @p tkey is zeroed unless 0
 */
int tw_crypto_tkey_derive(struct tw_crypto_tkey *tkey, const struct tw_crypto_keys *control,
	const uint8_t sid[TW_CRYPTO_BLOCK_LEN]);

/**
 * Decipher one block: the number of an authenticated packet, before anything says it is authentic.
 * Context: data lcore.
 */
void tw_crypto_tkey_open_block(const struct tw_crypto_tkey *tkey,
	const uint8_t block[TW_CRYPTO_BLOCK_LEN], uint8_t clear[TW_CRYPTO_BLOCK_LEN]);

/** One packet. Jobs of one call may differ in key and cover. */
struct tw_engine_job {
	const struct tw_crypto_tkey *key;
	uint8_t *buf;      /* UDP payload; seal writes it, open only reads it */
	uint8_t *clear;    /* open: gets `cover` octets of plaintext, must not overlap buf; seal:
			      unused */
	uint16_t cover;    /* 16, 32 or 96 */
	uint16_t hmac_off; /* where the 16 octets of the HMAC stand; at or after cover */
	int res;           /* out: 0, -EINVAL (cover, hmac_off, a null pointer), -EBADMSG (open: the
			      HMAC differs; clear is then zeroed), -EIO (engine fault) */
};

/*
 * What an authenticated packet with a Sequence Number carries, in either direction: a function of
 * key and number alone (both directions use the same keys), so it can be computed before the
 * packet is there. As secret as a key until it has been sent (tw_crypto.h, the memory rule).
 */
struct tw_engine_pair {
	alignas(32) uint8_t block[16];  /* AES of number || 0^12 */
	uint8_t tag[TW_CRYPTO_TAG_LEN]; /* HMAC of number || 0^12 */
};

struct tw_engine_ops;

/* Head of an engine's memory; the rest belongs to the engine. */
struct tw_engine {
	const struct tw_engine_ops *ops;
};

/* A row of the table of engines. */
struct tw_engine_ops {
	const char *name;
	bool (*is_supported)(void); /* by this CPU */
	const char *(*variant)(
		const struct tw_engine *eng); /* which code path, for show and logs */
	size_t (*size)(void);
	int (*init)(struct tw_engine *eng);
	void (*fini)(struct tw_engine *eng);
	unsigned (*seal)(struct tw_engine *eng, struct tw_engine_job *job, unsigned n);
	unsigned (*open)(struct tw_engine *eng, struct tw_engine_job *job, unsigned n);
	bool (*pairs)(struct tw_engine *eng, const struct tw_crypto_tkey *key, uint32_t seq,
		struct tw_engine_pair *pair, unsigned n);
};

/** Row by name, NULL if there is none. */
const struct tw_engine_ops *tw_engine_find(const char *name);

/**
 * Row by name, or for "auto" the engine of data lcores that is fastest on this CPU: "native" where
 * the CPU has what it needs, else "ipsec-mb". NULL if there is none of that name.
 */
const struct tw_engine_ops *tw_engine_pick(const char *name);

/** Row by number, NULL past the end: for lists and tests. */
const struct tw_engine_ops *tw_engine_at(unsigned idx);

/** Whether this CPU has the AES instructions that tw_crypto_tkey_init() and every engine need. */
bool tw_engine_supported(void);

/** Octets of memory an engine needs, a multiple of TW_ENGINE_ALIGN (up to some hundred KiB). */
size_t tw_engine_size(const struct tw_engine_ops *ops);

/**
 * Make an engine in the caller's memory, for use by one thread at a time.
 *
 * Context: any thread; after tw_crypto_init().
 * @param mem  64-aligned, tw_engine_size() octets, tw_crypto_map()
 * @param out  the engine: @p mem
 * @return 0, -EINVAL (alignment, size), -ENOTSUP (CPU), -ENOMEM
 */
int tw_engine_init(const struct tw_engine_ops *ops, void *mem, size_t size, struct tw_engine **out);

/** Release and wipe; the memory is the caller's again. NULL is fine. */
void tw_engine_fini(struct tw_engine *eng);

/**
 * Known answers: packets of all three covers are sealed and opened in bursts of several sizes and
 * compared with fixed octets, and corrupted ones must fail. Fewer than 10 ms.
 *
 * Context: as tw_engine_init(), before the engine is used.
 * @return 0, or -EIO if anything differs: do not start
 */
int tw_engine_selftest(struct tw_engine *eng);

/**
 * Self-test of every engine that this CPU supports: known answers as above, then random bursts of
 * every size against "openssl". Some 20 ms.
 *
 * Context: as tw_engine_init().
 * @param which  the engine looked at last: the one that failed
 * @return 0, -EIO (do not start), -ENOMEM, -EPERM, -ENOTSUP (no AES instructions)
 */
int tw_engine_check_all(const char **which);

/**
 * Protect a burst in place: HMAC over buf[0..cover) to buf[hmac_off..+16), then encrypt
 * buf[0..cover).
 *
 * Context: data lcore that owns the engine. Does not block, allocate, lock or log ("openssl" may).
 * @param n 1..TW_ENGINE_BURST_MAX
 * @return number of jobs with res 0; a packet with another res is unchanged (-EINVAL) or must not
 *         be sent (-EIO)
 */
static inline unsigned
tw_engine_seal(struct tw_engine *eng, struct tw_engine_job *job, unsigned n)
{
	return eng->ops->seal(eng, job, n);
}

/**
 * Verify a burst: decrypt buf[0..cover) into clear, compare the HMAC in constant time. buf is not
 * changed.
 *
 * Context: as tw_engine_seal().
 * @param n 1..TW_ENGINE_BURST_MAX
 * @return number of jobs with res 0; only their clear may be used
 */
static inline unsigned
tw_engine_open(struct tw_engine *eng, struct tw_engine_job *job, unsigned n)
{
	return eng->ops->open(eng, job, n);
}

/**
 * Compute the pairs of @p n numbers from @p seq on, which wrap at 2^32.
 *
 * Context: as tw_engine_seal().
 * @param n     1..TW_ENGINE_BURST_MAX; multiples of 16 fill all lanes
 * @param pair  secret memory
 * @return false if the engine failed: @p pair must not be used
 */
static inline bool
tw_engine_pairs(struct tw_engine *eng, const struct tw_crypto_tkey *key, uint32_t seq,
	struct tw_engine_pair *pair, unsigned n)
{
	return eng->ops->pairs(eng, key, seq, pair, n);
}

/** Which code path the engine took for this CPU ("avx512", "sse sha-ni", ...). */
static inline const char *
tw_engine_variant(const struct tw_engine *eng)
{
	return eng->ops->variant(eng);
}

#endif /* TW_ENGINE_H */
