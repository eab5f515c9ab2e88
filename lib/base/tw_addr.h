/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * IP addresses and prefixes as values. Context: any thread, on the caller's memory.
 */
#ifndef TW_ADDR_H
#define TW_ADDR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Longest text of an address or prefix, with the terminator. */
#define TW_ADDR_STR_SIZE   46
#define TW_PREFIX_STR_SIZE (TW_ADDR_STR_SIZE + 4)

enum tw_addr_family {
	TW_ADDR_NONE = 0, /* unset */
	TW_ADDR_V4 = 4,
	TW_ADDR_V6 = 6,
};

/* An address in network order. v4: octets 0..3, the rest zero. Compare with tw_addr_equal(). */
struct tw_addr {
	uint8_t family; /* enum tw_addr_family */
	uint8_t b[16];
};

struct tw_prefix {
	struct tw_addr addr; /* host bits zero */
	uint8_t len;         /* bits, 0..32 or 0..128 */
};

/** Octets of an address of this family: 4, 16, or 0 if unset. */
size_t tw_addr_len(const struct tw_addr *a);

/** Make an address from 4 or 16 octets in network order. @p family is TW_ADDR_V4 or _V6. */
struct tw_addr tw_addr_make(uint8_t family, const void *octets);

/** Same family and octets. */
bool tw_addr_equal(const struct tw_addr *a, const struct tw_addr *b);

/** Unset, 0.0.0.0 or ::. */
bool tw_addr_is_zero(const struct tw_addr *a);

/**
 * Read a numeric address ("192.0.2.1", "2001:db8::1").
 * @return false if @p text is neither; @p out is then unchanged
 */
bool tw_addr_parse(const char *text, struct tw_addr *out);

/** Write the numeric form into @p out ("-" if unset) and return it. */
const char *tw_addr_str(const struct tw_addr *a, char out[TW_ADDR_STR_SIZE]);

/**
 * Read "ADDRESS" (a host prefix) or "ADDRESS/BITS". Host bits must be zero.
 * @return false on anything else; @p out is then unchanged
 */
bool tw_prefix_parse(const char *text, struct tw_prefix *out);

/** Write "ADDRESS/BITS" into @p out and return it. */
const char *tw_prefix_str(const struct tw_prefix *p, char out[TW_PREFIX_STR_SIZE]);

/** The address lies inside the prefix (false if the families differ). */
bool tw_prefix_has(const struct tw_prefix *p, const struct tw_addr *a);

#endif /* TW_ADDR_H */
