/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * What people read of an SA: SPIs, PRFs, states; and patterns of identities.
 */
#include <stdio.h>

#include "tw_ike.h"

const char *
tw_ike_state_name(unsigned state)
{
	static const char *const names[TW_IKE_STATE_N] = {
		[TW_IKE_ESTABLISHED] = "established",
		[TW_IKE_SUPERSEDED] = "superseded",
	};

	return state < TW_IKE_STATE_N && names[state] != NULL ? names[state] : "?";
}

/* IANA registry "Transform Type 2 - Pseudorandom Function Transform IDs". */
const char *
tw_ike_prf_name(unsigned prf)
{
	static const char *const names[] = {
		[1] = "HMAC_MD5",
		[2] = "HMAC_SHA1",
		[3] = "HMAC_TIGER",
		[4] = "AES128_XCBC",
		[5] = "HMAC_SHA2_256",
		[6] = "HMAC_SHA2_384",
		[7] = "HMAC_SHA2_512",
		[8] = "AES128_CMAC",
	};

	return prf < TW_ARRAY_SIZE(names) ? names[prf] : NULL;
}

static char *
put_hex(char *out, const uint8_t *p, size_t len)
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < len; i++) {
		*out++ = digits[p[i] >> 4];
		*out++ = digits[p[i] & 15];
	}
	return out;
}

const char *
tw_ike_spis_str(const struct tw_ike_spis *spis, char out[TW_IKE_STR_SIZE])
{
	char *p = put_hex(out, spis->i, TW_IKE_SPI_LEN);

	*p++ = '_';
	p = put_hex(p, spis->r, TW_IKE_SPI_LEN);
	*p = '\0';
	return out;
}

static bool
read_hex(const char *text, uint8_t *out, size_t len)
{
	static const char digits[] = "0123456789abcdef0123456789ABCDEF";

	for (size_t i = 0; i < 2 * len; i++) {
		const char *hit = text[i] != '\0' ? strchr(digits, text[i]) : NULL;
		unsigned v;

		if (hit == NULL)
			return false;
		v = (unsigned)(hit - digits) & 15;
		out[i / 2] = (uint8_t)(i % 2 ? out[i / 2] | v : v << 4);
	}
	return true;
}

bool
tw_ike_spis_parse(const char *text, struct tw_ike_spis *out)
{
	struct tw_ike_spis s;
	const size_t half = 2 * TW_IKE_SPI_LEN;

	if (strlen(text) != 2 * half + 1 || (text[half] != '_' && text[half] != ':') ||
		!read_hex(text, s.i, sizeof(s.i)) || !read_hex(text + half + 1, s.r, sizeof(s.r)))
		return false;
	*out = s;
	return true;
}

/* The last star alone needs to be tried again: an earlier one cannot do what it cannot. */
bool
tw_ike_id_matches(const char *pattern, const char *id)
{
	const char *star = NULL, *again = NULL;

	while (*id != '\0') {
		if (*pattern == '*') {
			star = pattern++;
			again = id;
		} else if (*pattern == *id) {
			pattern++;
			id++;
		} else if (star != NULL) {
			pattern = star + 1;
			id = ++again;
		} else {
			return false;
		}
	}
	while (*pattern == '*')
		pattern++;
	return *pattern == '\0';
}
