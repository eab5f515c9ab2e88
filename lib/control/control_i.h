/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * What the server and the client machine share inside the library: buffers with the protected
 * stream of each direction, key jobs, a heap of timers.
 */
#ifndef CONTROL_I_H
#define CONTROL_I_H

#include <sys/queue.h>

#include "tw_control.h"

#define NS_PER_S  1000000000LL
#define NS_PER_MS 1000000LL

/*
 * Longest message read whole. Commands that are only refused are bounded by it: schedule slots or
 * SIDs beyond REFUSED_ITEMS_MAX make a command as unreadable as an unknown one.
 */
#define IN_SIZE           1024
#define REFUSED_ITEMS_MAX ((IN_SIZE - 128) / 16)
#define OUT_SIZE          2048
/* Room the handlers may count on: no answer is longer than a Set-Up-Response. */
#define OUT_RESERVE TW_WIRE_SETUP_RESPONSE_LEN
/* What is still to be sent when a connection ends may take this long. */
#define LINGER_NS (5 * NS_PER_S)

#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* --- io.c: octets of one connection, both directions --- */

struct io {
	struct tw_crypto_keys *keys;      /* of the connection; NULL in open mode */
	struct tw_crypto_stream *rx, *tx; /* NULL in open mode */
	size_t in_len, clear_len;         /* octets held, of them decrypted */
	size_t out_off, out_len;          /* octets not yet sent */
	int64_t in_since_ns;              /* arrival of the first octet held */
	int64_t out_since_ns;             /* last time the peer took something */
	uint8_t in[IN_SIZE];
	uint8_t out[OUT_SIZE];
};

void ctl_io_init(struct io *io);
/* Wipe and free what is secret; the octets to be sent stay. */
void ctl_io_forget_keys(struct io *io);
/* Begin to protect; takes io->keys. @return 0 or a negative errno, nothing is protected then */
int ctl_io_protect(struct io *io, const uint8_t rx_iv[16], const uint8_t tx_iv[16]);

void ctl_io_put(struct io *io, const void *octets, size_t len, int64_t mono_ns);
/* First block in clear, or NULL if it is not there yet. *res: 0 or -EIO. */
const uint8_t *ctl_io_block(struct io *io, int *res);
/* First len octets in clear, or NULL. */
const uint8_t *ctl_io_message(struct io *io, size_t len, int *res);
/* The HMAC that follows text: 0, -EBADMSG, -EIO; 0 in open mode. */
int ctl_io_check(struct io *io, const uint8_t *text, size_t len);
void ctl_io_take(struct io *io, size_t len, int64_t mono_ns);

bool ctl_io_has_room(const struct io *io, size_t len);
/* len zeroed octets at the end of the output; the caller has seen that there is room. */
uint8_t *ctl_io_append(struct io *io, size_t len, int64_t mono_ns);
/* Fill in the HMAC (last 16 octets) of the message just appended, and encrypt it. */
int ctl_io_seal(struct io *io, uint8_t *msg, size_t len);
void ctl_io_sent(struct io *io, size_t len, int64_t mono_ns);

static inline int64_t
min_ns(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

/* --- reason.c --- */

/* Accept value a server sends for this reason, 0 if none. */
uint8_t ctl_why_accept(unsigned why);

/* --- kdf.c --- */

struct tw_ctl_kdf_job {
	LIST_ENTRY(tw_ctl_kdf_job) link; /* of the server's jobs */
	struct source *source;           /* the server's, who counts jobs by source */
	void (*done)(void *owner, struct tw_ctl_kdf_job *job, struct tw_ctl_time now);
	void *owner; /* NULL: gone */
	struct tw_secret *secret;
	uint32_t count;
	int res;       /* of tw_ctl_kdf_run(); -ECANCELED if it never ran */
	bool is_known; /* the KeyID has a key */
	uint8_t salt[16];
	uint8_t tk[16]; /* token key */
};

/* @return NULL without memory; the reference to the secret is taken over in any case */
struct tw_ctl_kdf_job *ctl_kdf_new(
	struct tw_secret *secret, const uint8_t salt[16], uint32_t count);
void ctl_kdf_free(struct tw_ctl_kdf_job *job);

/* --- mark.c --- */

/* Client-IV that says what was offered and selected. @return 0 or a negative errno */
int ctl_mark_make(
	const struct tw_crypto_keys *keys, uint32_t offered, uint32_t mode, uint8_t iv[16]);
/* @return 0, also if the IV says nothing; -EBADMSG: it says something else; -ENOMEM, -EIO */
int ctl_mark_check(
	const struct tw_crypto_keys *keys, uint32_t offered, uint32_t mode, const uint8_t iv[16]);

/* --- heap.c: timers, earliest first --- */

struct timer {
	int64_t at_ns;
	size_t idx; /* position + 1; 0: not set */
	uint8_t kind;
};

struct heap {
	struct timer **slot;
	size_t cnt, size;
	size_t promised; /* timers that exist: setting one of them never allocates */
};

/* Make room for one timer more, to be given back by ctl_heap_retire(). @return 0 or -ENOMEM */
int ctl_heap_promise(struct heap *h);
/* Unset the timer if it is set and give its room back. */
void ctl_heap_retire(struct heap *h, struct timer *t);
/* Set, move or (TW_CTL_NO_DEADLINE) unset. */
void ctl_heap_set(struct heap *h, struct timer *t, int64_t at_ns);
struct timer *ctl_heap_first(const struct heap *h);
void ctl_heap_fini(struct heap *h);

#endif /* CONTROL_I_H */
