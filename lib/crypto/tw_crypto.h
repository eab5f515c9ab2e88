/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Control-plane cryptography of RFC 4656 section 3 (PROTOCOL.md 3): the memory that secrets live
 * in, the key derivation, the Token, the encrypted and authenticated control stream, and the keys
 * of a test session. What protects test packets is in tw_engine.h, who owns which secret in
 * tw_keyring.h.
 *
 * The memory rule. A secret is a passphrase, a token key, a session key (AESK, HMACK), a test key
 * and whatever can be computed from those alone (expanded keys, HMAC states). A secret lives
 *   1. in memory of tw_crypto_alloc() or in one of the objects made here (the secret heap), or
 *   2. in memory of tw_crypto_map(), or in other memory given to tw_crypto_hide(),
 * and nowhere else: both are locked (never swapped) and left out of core dumps, and are wiped when
 * freed. tw_crypto_init() makes OpenSSL keep its own objects in the secret heap too. The functions
 * here wipe their temporaries and the stack they used.
 *
 * What a caller must hide or wipe:
 *   - struct tw_crypto_tkey (a session record): tw_crypto_map() or tw_crypto_hide();
 *   - the memory of an engine (tw_engine_init): tw_crypto_map();
 *   - the stack of every thread that calls an engine or derives keys: tw_crypto_hide_stack() as the
 *     first thing the thread does (registers are spilled there by anyone's compiler);
 *   - the buffer a passphrase was read into (file, socket, JSON text): read it into
 *     tw_crypto_alloc() memory, or wipe it with tw_crypto_wipe(); a parser that copies strings
 *     must free through tw_crypto_wipe_free();
 *   - a message on a ring never carries a key, only a pointer into the secret heap.
 *
 * Context: control plane; any thread unless it says otherwise. Allocates and locks: never on a data
 * lcore, where only tw_crypto_equal(), tw_crypto_wipe() and tw_crypto_scrub_registers() may be
 * called. Errors are negative errno.
 */
#ifndef TW_CRYPTO_H
#define TW_CRYPTO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TW_CRYPTO_BLOCK_LEN     16 /* AES block, IV, Challenge, Salt, SID, token key */
#define TW_CRYPTO_AES_KEY_LEN   16
#define TW_CRYPTO_HMAC_KEY_LEN  32
#define TW_CRYPTO_TAG_LEN       16   /* HMAC-SHA1 truncated to 128 bits, RFC 4656 3.2 */
#define TW_CRYPTO_TOKEN_LEN     64   /* Challenge, AES Session-key, HMAC Session-key */
#define TW_CRYPTO_SECRET_MAX    1024 /* octets of a shared secret that we accept */
#define TW_CRYPTO_HEAP_DEFAULT  (32u << 20)
#define TW_CRYPTO_HEAP_MIN      (1u << 20)
#define TW_CRYPTO_KDF_COUNT_MIN 1024u  /* RFC 4656 3.1 */
#define TW_CRYPTO_KDF_COUNT_MAX 32768u /* RFC 5357 6, the client's default cap */

/* --- memory ------------------------------------------------------------------------------- */

/**
 * Set up the secret heap and route OpenSSL's own allocations into it.
 *
 * Call it first thing in main(), before any other use of OpenSSL and before any thread starts; a
 * second call returns 0 and changes nothing. The size counts against RLIMIT_MEMLOCK (unless the
 * process has CAP_IPC_LOCK) but pages are taken only as they are used.
 *
 * @param heap_size octets, a power of two, TW_CRYPTO_HEAP_MIN or more
 * @param why       on failure: what went wrong and how to mend it, one line; may be NULL
 * @return 0; -EINVAL (size); -EBUSY (OpenSSL was used before: its objects cannot be hidden);
 *         -EPERM (the memory cannot be locked or kept out of dumps; checked against
 *         /proc/self/smaps, not believed); -ENOMEM
 */
int tw_crypto_init(size_t heap_size, char *why, size_t why_size);

/**
 * As tw_crypto_init(), for programs that cannot be first (unit tests): where OpenSSL was used
 * before, its objects stay outside the heap and the call still succeeds.
 */
int tw_crypto_init_late(size_t heap_size, char *why, size_t why_size);

/** Octets of the secret heap in use; for statistics. */
size_t tw_crypto_heap_used(void);

/** Octets from the secret heap, zeroed, 16-aligned at least; NULL if it is exhausted. */
void *tw_crypto_alloc(size_t size);

/** Wipe and free memory of tw_crypto_alloc(). NULL is fine. */
void tw_crypto_free(void *p);

/**
 * Wipe and free() memory of malloc(). Same signature as free(), so that a parser can be told to use
 * it (json_set_alloc_funcs(malloc, tw_crypto_wipe_free)).
 */
void tw_crypto_wipe_free(void *p);

/**
 * Whole pages, zeroed, locked, not in core dumps; 4096-aligned, or as tw_pages_map() says. For
 * large regions: session records, engines.
 * @return NULL with errno set if memory or the lock limit does not allow it
 */
void *tw_crypto_map(size_t size);

/** Wipe and return memory of tw_crypto_map() of the same size. NULL is fine. */
void tw_crypto_unmap(void *p, size_t size);

/**
 * Lock memory the caller owns and keep it out of core dumps. Whole pages: the range is widened to
 * page bounds, so neighbours on the first and last page are hidden too.
 * @return 0 or negative errno (-EPERM, -ENOMEM: lock limit; -EINVAL: a huge page needs its own
 *         alignment)
 */
int tw_crypto_hide(void *p, size_t size);

/**
 * Keep the calling thread's stack out of core dumps and swap, its growth included.
 * @return 0 or negative errno
 */
int tw_crypto_hide_stack(void);

/** Overwrite with zeros; never optimised away. */
void tw_crypto_wipe(void *p, size_t size);

/**
 * Overwrite the stack below the caller (a few KiB) and the vector registers that a call may
 * clobber: what earlier calls left there. Functions of this library do it themselves.
 */
void tw_crypto_scrub_stack(void);

/**
 * Clear the vector registers that a call may clobber. For a data lcore that finds nothing to do:
 * what the last burst left in them would stand in a core's register notes.
 * Context: any thread. Some ten nanoseconds.
 */
void tw_crypto_scrub_registers(void);

/** Equal octets, in a time that depends on len only. */
bool tw_crypto_equal(const void *a, const void *b, size_t len);

/** Octets from the CSPRNG. @return 0 or -EIO; on -EIO @p out is zeroed and must not be used */
int tw_crypto_random(void *out, size_t len);

/* --- shared secrets ----------------------------------------------------------------------- */

/*
 * A passphrase, or the output of prf(SK_d, "IPPM"): octets with an explicit length, zero
 * octets allowed. Counted references, so that a key can be replaced while a derivation runs.
 */
struct tw_secret;

/** @return a secret with one reference, or NULL: errno EINVAL (len not 1..TW_CRYPTO_SECRET_MAX),
 *  ENOMEM */
struct tw_secret *tw_secret_new(const void *octets, size_t len);

/**
 * Decode a secret given as text; the text is the caller's to wipe. Hexadecimal: pairs of digits,
 * any case. Base64 (RFC 4648 section 4): padding required, no white space. Neither has branches or
 * look-ups that depend on the digits of a well-formed text.
 * @return as tw_secret_new(); errno EINVAL if the text is malformed
 */
struct tw_secret *tw_secret_from_hex(const char *text, size_t len);
struct tw_secret *tw_secret_from_base64(const char *text, size_t len);

/** One reference more; returns @p s. */
struct tw_secret *tw_secret_hold(struct tw_secret *s);

/** One reference less; the last one wipes and frees. NULL is fine. */
void tw_secret_drop(struct tw_secret *s);

/** Octets of the secret: for the length check of a rule (128 bits of RFC 8913), not for print. */
size_t tw_secret_len(const struct tw_secret *s);

/** What is unusual about a passphrase given as text; none of it is an error. */
enum tw_secret_warn {
	TW_SECRET_WARN_CONTROL = 1 << 0,   /* control characters, which RFC 5357 advises against */
	TW_SECRET_WARN_NON_ASCII = 1 << 1, /* peers must agree on the encoding */
	TW_SECRET_WARN_SHORT = 1 << 2,     /* fewer than 16 octets (RFC 8913: 128 bits) */
};

/**
 * Check a passphrase given as text (typed, or a line of a file without its end).
 * @param warn set of enum tw_secret_warn; may be NULL
 * @return 0; -EINVAL: empty, or holds CR or LF (RFC 4656 3.1); -E2BIG: above TW_CRYPTO_SECRET_MAX
 */
int tw_secret_check_text(const void *text, size_t len, unsigned *warn);

/* --- set-up: PBKDF2 and Token (RFC 4656 3.1) ---------------------------------------------- */

/* AESK and HMACK of a control connection, or TAESK and THMACK of a test session. Secret memory. */
struct tw_crypto_keys {
	uint8_t aes[TW_CRYPTO_AES_KEY_LEN];
	uint8_t hmac[TW_CRYPTO_HMAC_KEY_LEN];
};

/** A power of two, TW_CRYPTO_KDF_COUNT_MIN..max: the Count a client may accept. */
bool tw_crypto_kdf_count_ok(uint32_t count, uint32_t max);

/**
 * Token key: PBKDF2-HMAC-SHA1 over the whole secret, 16 octets.
 *
 * Context: a thread that may be busy for milliseconds (1.1 ms at Count 2048), not the event loop.
 * @param tk_out secret memory
 * @return 0, -EINVAL (count 0), -EIO (OpenSSL failed; @p tk_out zeroed)
 */
int tw_crypto_kdf(const struct tw_secret *secret, const uint8_t salt[TW_CRYPTO_BLOCK_LEN],
	uint32_t count, uint8_t tk_out[TW_CRYPTO_BLOCK_LEN]);

/** Draw AES and HMAC Session-keys, independently (RFC 4656 3.2). @p keys is secret memory. */
int tw_crypto_keys_random(struct tw_crypto_keys *keys);

/**
 * Client: Token = AES-CBC(TK, IV 0, Challenge || AESK || HMACK).
 * @return 0 or -EIO (@p token_out zeroed)
 */
int tw_crypto_token_seal(const uint8_t tk[TW_CRYPTO_BLOCK_LEN],
	const uint8_t challenge[TW_CRYPTO_BLOCK_LEN], const struct tw_crypto_keys *keys,
	uint8_t token_out[TW_CRYPTO_TOKEN_LEN]);

/**
 * Server: decrypt a Token and compare its Challenge in constant time. Octets 16..63 carry no
 * integrity: a Token modified there opens, and the first HMAC fails.
 * @param keys secret memory; zeroed unless 0 is returned
 * @return 0, -EBADMSG (wrong secret or Challenge), -EIO
 */
int tw_crypto_token_open(const uint8_t tk[TW_CRYPTO_BLOCK_LEN],
	const uint8_t challenge[TW_CRYPTO_BLOCK_LEN], const uint8_t token[TW_CRYPTO_TOKEN_LEN],
	struct tw_crypto_keys *keys);

/**
 * Keys of one test session (PROTOCOL.md 3.5): AES with key SID over the control keys. Not made in
 * open and mixed mode.
 * @param out secret memory; zeroed on failure
 * @return 0 or -EIO
 */
int tw_crypto_test_keys(const struct tw_crypto_keys *control,
	const uint8_t sid[TW_CRYPTO_BLOCK_LEN], struct tw_crypto_keys *out);

/* --- one direction of a control connection ------------------------------------------------ */

/*
 * One CBC chain over the whole connection and the HMAC over the plaintext since the previous
 * HMAC. One object per direction, in the secret heap, used by one thread at a time.
 *
 * Sending:   tw_crypto_stream_hmac(text), tw_crypto_stream_tag(place in the message),
 *            tw_crypto_stream_encrypt(message with its tag).
 * Receiving: tw_crypto_stream_decrypt(message), tw_crypto_stream_hmac(text),
 *            tw_crypto_stream_check(the tag received); only then use the message.
 * Pieces may be decrypted as they come, in order: the chain is continuous.
 */
struct tw_crypto_stream;

/** @return a stream that starts with this IV, or NULL (secret heap exhausted) */
struct tw_crypto_stream *tw_crypto_stream_new(
	const struct tw_crypto_keys *keys, const uint8_t iv[TW_CRYPTO_BLOCK_LEN]);

/** Wipe and free. NULL is fine. */
void tw_crypto_stream_free(struct tw_crypto_stream *s);

/**
 * Encrypt or decrypt whole blocks in place and advance the chain.
 * @param len a multiple of 16; 0 does nothing
 * @return 0, -EINVAL (len), -EIO (the stream is then unusable: close the connection)
 */
int tw_crypto_stream_encrypt(struct tw_crypto_stream *s, uint8_t *buf, size_t len);
int tw_crypto_stream_decrypt(struct tw_crypto_stream *s, uint8_t *buf, size_t len);

/** Add plaintext to the running HMAC. @return 0 or -EIO (unusable, as above) */
int tw_crypto_stream_hmac(struct tw_crypto_stream *s, const uint8_t *text, size_t len);

/** The HMAC over what was added; the next text starts empty. @return 0 or -EIO (@p tag zeroed) */
int tw_crypto_stream_tag(struct tw_crypto_stream *s, uint8_t tag[TW_CRYPTO_TAG_LEN]);

/**
 * As tw_crypto_stream_tag(), compared in constant time with the tag received.
 * @return 0, -EBADMSG (differs), -EIO
 */
int tw_crypto_stream_check(struct tw_crypto_stream *s, const uint8_t tag[TW_CRYPTO_TAG_LEN]);

#endif /* TW_CRYPTO_H */
