/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Shared secrets as counted objects in the secret heap, and their text forms.
 *
 * Decoding follows the usual constant-time pattern: every character is mapped by arithmetic on all
 * candidate ranges, validity is gathered and looked at once at the end.
 */
#include <errno.h>
#include <stdatomic.h>

#include "crypto_i.h"

static struct tw_secret *
secret_alloc(size_t len)
{
	struct tw_secret *s;

	if (len == 0 || len > TW_CRYPTO_SECRET_MAX) {
		errno = EINVAL;
		return NULL;
	}
	s = tw_crypto_alloc(sizeof(*s) + len);
	if (!s) {
		errno = ENOMEM;
		return NULL;
	}
	atomic_init(&s->ref_cnt, 1);
	s->len = (unsigned)len;
	return s;
}

struct tw_secret *
tw_secret_new(const void *octets, size_t len)
{
	struct tw_secret *s = secret_alloc(len);

	if (s)
		memcpy(s->b, octets, len);
	return s;
}

struct tw_secret *
tw_secret_hold(struct tw_secret *s)
{
	atomic_fetch_add_explicit(&s->ref_cnt, 1, memory_order_relaxed);
	return s;
}

void
tw_secret_drop(struct tw_secret *s)
{
	/* acquire-release: what other holders read comes before the wipe */
	if (s && atomic_fetch_sub_explicit(&s->ref_cnt, 1, memory_order_acq_rel) == 1)
		tw_crypto_free(s);
}

size_t
tw_secret_len(const struct tw_secret *s)
{
	return s->len;
}

int
tw_secret_check_text(const void *text, size_t len, unsigned *warn)
{
	const uint8_t *p = text;
	unsigned found = len < 16 ? TW_SECRET_WARN_SHORT : 0;
	size_t i;

	if (warn)
		*warn = 0;
	if (len == 0)
		return -EINVAL;
	if (len > TW_CRYPTO_SECRET_MAX)
		return -E2BIG;
	for (i = 0; i < len; i++) {
		if (p[i] == '\r' || p[i] == '\n')
			return -EINVAL;
		if (p[i] < 0x20 || p[i] == 0x7F)
			found |= TW_SECRET_WARN_CONTROL;
		if (p[i] > 0x7F)
			found |= TW_SECRET_WARN_NON_ASCII;
	}
	if (warn)
		*warn = found;
	return 0;
}

/* All ones if lo <= c <= hi, else 0; all below 2^31. */
static unsigned
in_range(unsigned c, unsigned lo, unsigned hi)
{
	unsigned outside = ((c - lo) | (hi - c)) >> 31;

	return outside - 1;
}

/* Value of a hexadecimal digit; *bad gets non-zero for anything else. */
static unsigned
hex_value(unsigned c, unsigned *bad)
{
	unsigned num = in_range(c, '0', '9');
	unsigned low = in_range(c | 0x20, 'a', 'f');

	*bad |= ~(num | low);
	return (num & (c - '0')) | (low & ((c | 0x20) - 'a' + 10));
}

/* Value of a base64 digit, as above. */
static unsigned
base64_value(unsigned c, unsigned *bad)
{
	unsigned upper = in_range(c, 'A', 'Z'), lower = in_range(c, 'a', 'z');
	unsigned num = in_range(c, '0', '9');
	unsigned plus = in_range(c, '+', '+'), slash = in_range(c, '/', '/');

	*bad |= ~(upper | lower | num | plus | slash);
	return (upper & (c - 'A')) | (lower & (c - 'a' + 26)) | (num & (c - '0' + 52)) |
	       (plus & 62) | (slash & 63);
}

static struct tw_secret *
secret_finish(struct tw_secret *s, unsigned bad)
{
	if (bad == 0)
		return s;
	tw_secret_drop(s);
	errno = EINVAL;
	return NULL;
}

struct tw_secret *
tw_secret_from_hex(const char *text, size_t len)
{
	const uint8_t *p = (const uint8_t *)text;
	struct tw_secret *s;
	unsigned bad = 0;
	size_t i;

	s = secret_alloc(len % 2 ? 0 : len / 2);
	if (!s)
		return NULL;
	for (i = 0; i < len / 2; i++) {
		unsigned hi = hex_value(p[2 * i], &bad);
		unsigned lo = hex_value(p[2 * i + 1], &bad);

		s->b[i] = (uint8_t)(hi << 4 | lo);
	}
	return secret_finish(s, bad);
}

struct tw_secret *
tw_secret_from_base64(const char *text, size_t len)
{
	const uint8_t *p = (const uint8_t *)text;
	struct tw_secret *s;
	unsigned bad = 0;
	size_t pad = 0, out_len, digits, i;
	uint32_t acc = 0;

	if (len >= 4 && len % 4 == 0)
		pad = text[len - 1] != '=' ? 0 : text[len - 2] != '=' ? 1 : 2;
	out_len = len % 4 ? 0 : len / 4 * 3 - (len ? pad : 0);
	s = secret_alloc(out_len);
	if (!s)
		return NULL;
	digits = len - pad;
	for (i = 0; i < len; i++) {
		acc = acc << 6 | (i < digits ? base64_value(p[i], &bad) : 0);
		if (i % 4 != 3)
			continue;
		for (size_t k = 0; k < 3; k++) {
			uint8_t octet = (uint8_t)(acc >> (16 - 8 * k));

			if (i / 4 * 3 + k < out_len)
				s->b[i / 4 * 3 + k] = octet;
			else
				bad |= octet; /* bits beyond the end must be zero */
		}
		acc = 0;
	}
	return secret_finish(s, bad);
}
