/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The vocabulary every other library speaks: a bounds-checked reader and writer for octets in
 * network order, counters with one writer and many readers, small helpers.
 *
 * A read or write that does not fit returns false, changes nothing and stays false: a codec may
 * chain its steps with && and look once. Context of everything here: any thread, on memory the
 * caller owns.
 */
#ifndef TW_BASE_H
#define TW_BASE_H

#include <assert.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define TW_ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* Octets of the machine's cache line; structs shared by threads are grouped by it. */
#define TW_CACHE_LINE 64

/* A value that must not exceed a bound known at compile time; a breach is our own bug. */
#define TW_ASSERT(cond) assert(cond)

static inline uint16_t
tw_load_be16(const uint8_t *p)
{
	uint16_t v;

	memcpy(&v, p, sizeof(v));
	return __builtin_bswap16(v);
}

static inline uint32_t
tw_load_be32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return __builtin_bswap32(v);
}

static inline uint64_t
tw_load_be64(const uint8_t *p)
{
	uint64_t v;

	memcpy(&v, p, sizeof(v));
	return __builtin_bswap64(v);
}

static inline void
tw_store_be16(uint8_t *p, uint16_t v)
{
	v = __builtin_bswap16(v);
	memcpy(p, &v, sizeof(v));
}

static inline void
tw_store_be32(uint8_t *p, uint32_t v)
{
	v = __builtin_bswap32(v);
	memcpy(p, &v, sizeof(v));
}

static inline void
tw_store_be64(uint8_t *p, uint64_t v)
{
	v = __builtin_bswap64(v);
	memcpy(p, &v, sizeof(v));
}

/* Reader over octets that belong to somebody else. */
struct tw_rd {
	const uint8_t *p; /* next octet */
	size_t left;      /* octets still unread */
	bool failed;      /* some read did not fit */
};

static inline struct tw_rd
tw_rd_init(const void *p, size_t len)
{
	return (struct tw_rd){.p = (const uint8_t *)p, .left = len, .failed = false};
}

static inline bool
tw_rd_has(struct tw_rd *rd, size_t len)
{
	if (rd->failed || rd->left < len)
		rd->failed = true;
	return !rd->failed;
}

static inline bool
tw_rd_skip(struct tw_rd *rd, size_t len)
{
	if (!tw_rd_has(rd, len))
		return false;
	rd->p += len;
	rd->left -= len;
	return true;
}

static inline bool
tw_rd_bytes(struct tw_rd *rd, void *out, size_t len)
{
	if (!tw_rd_has(rd, len))
		return false;
	memcpy(out, rd->p, len);
	return tw_rd_skip(rd, len);
}

static inline bool
tw_rd_u8(struct tw_rd *rd, uint8_t *out)
{
	return tw_rd_bytes(rd, out, sizeof(*out));
}

static inline bool
tw_rd_u16(struct tw_rd *rd, uint16_t *out)
{
	if (!tw_rd_has(rd, sizeof(*out)))
		return false;
	*out = tw_load_be16(rd->p);
	return tw_rd_skip(rd, sizeof(*out));
}

static inline bool
tw_rd_u32(struct tw_rd *rd, uint32_t *out)
{
	if (!tw_rd_has(rd, sizeof(*out)))
		return false;
	*out = tw_load_be32(rd->p);
	return tw_rd_skip(rd, sizeof(*out));
}

static inline bool
tw_rd_u64(struct tw_rd *rd, uint64_t *out)
{
	if (!tw_rd_has(rd, sizeof(*out)))
		return false;
	*out = tw_load_be64(rd->p);
	return tw_rd_skip(rd, sizeof(*out));
}

/* Writer into memory of a known size. */
struct tw_wr {
	uint8_t *p;  /* next octet */
	size_t left; /* room left */
	bool failed; /* some write did not fit */
};

static inline struct tw_wr
tw_wr_init(void *p, size_t size)
{
	return (struct tw_wr){.p = (uint8_t *)p, .left = size, .failed = false};
}

static inline bool
tw_wr_has(struct tw_wr *wr, size_t len)
{
	if (wr->failed || wr->left < len)
		wr->failed = true;
	return !wr->failed;
}

static inline bool
tw_wr_advance(struct tw_wr *wr, size_t len)
{
	wr->p += len;
	wr->left -= len;
	return true;
}

static inline bool
tw_wr_bytes(struct tw_wr *wr, const void *in, size_t len)
{
	if (!tw_wr_has(wr, len))
		return false;
	memcpy(wr->p, in, len);
	return tw_wr_advance(wr, len);
}

static inline bool
tw_wr_zero(struct tw_wr *wr, size_t len)
{
	if (!tw_wr_has(wr, len))
		return false;
	memset(wr->p, 0, len);
	return tw_wr_advance(wr, len);
}

static inline bool
tw_wr_u8(struct tw_wr *wr, uint8_t v)
{
	return tw_wr_bytes(wr, &v, sizeof(v));
}

static inline bool
tw_wr_u16(struct tw_wr *wr, uint16_t v)
{
	if (!tw_wr_has(wr, sizeof(v)))
		return false;
	tw_store_be16(wr->p, v);
	return tw_wr_advance(wr, sizeof(v));
}

static inline bool
tw_wr_u32(struct tw_wr *wr, uint32_t v)
{
	if (!tw_wr_has(wr, sizeof(v)))
		return false;
	tw_store_be32(wr->p, v);
	return tw_wr_advance(wr, sizeof(v));
}

static inline bool
tw_wr_u64(struct tw_wr *wr, uint64_t v)
{
	if (!tw_wr_has(wr, sizeof(v)))
		return false;
	tw_store_be64(wr->p, v);
	return tw_wr_advance(wr, sizeof(v));
}

/*
 * Counter with exactly one writing thread. Readers in other threads see a whole, possibly
 * slightly old value; no order against other fields is promised.
 */
struct tw_ctr {
	_Atomic uint64_t v;
};

static inline void
tw_ctr_add(struct tw_ctr *c, uint64_t n)
{
	uint64_t v = atomic_load_explicit(&c->v, memory_order_relaxed);

	atomic_store_explicit(&c->v, v + n, memory_order_relaxed);
}

static inline void
tw_ctr_inc(struct tw_ctr *c)
{
	tw_ctr_add(c, 1);
}

static inline uint64_t
tw_ctr_get(const struct tw_ctr *c)
{
	return atomic_load_explicit(&c->v, memory_order_relaxed);
}

#endif /* TW_BASE_H */
