/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Forgetting and comparing: wipes that stay, compares that take the same time, random octets.
 */
#include <errno.h>
#include <limits.h>

#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/rand.h>

#include "crypto_i.h"

/* Stack below our frames: OpenSSL 3.0 takes 2.2 KiB at most (PBKDF2), libipsec-mb 0.3. */
#define SCRUB_SIZE (8u << 10)

void
tw_crypto_wipe(void *p, size_t size)
{
	explicit_bzero(p, size);
}

/* zmm16..31 exist with AVX-512 only; vzeroall does not reach them. */
__attribute__((noinline, target("avx512f"))) static void
clear_zmm_upper(void)
{
	__asm__ volatile("vpxord %%zmm16, %%zmm16, %%zmm16\n\tvpxord %%zmm17, %%zmm17, %%zmm17\n\t"
			 "vpxord %%zmm18, %%zmm18, %%zmm18\n\tvpxord %%zmm19, %%zmm19, %%zmm19\n\t"
			 "vpxord %%zmm20, %%zmm20, %%zmm20\n\tvpxord %%zmm21, %%zmm21, %%zmm21\n\t"
			 "vpxord %%zmm22, %%zmm22, %%zmm22\n\tvpxord %%zmm23, %%zmm23, %%zmm23\n\t"
			 "vpxord %%zmm24, %%zmm24, %%zmm24\n\tvpxord %%zmm25, %%zmm25, %%zmm25\n\t"
			 "vpxord %%zmm26, %%zmm26, %%zmm26\n\tvpxord %%zmm27, %%zmm27, %%zmm27\n\t"
			 "vpxord %%zmm28, %%zmm28, %%zmm28\n\tvpxord %%zmm29, %%zmm29, %%zmm29\n\t"
			 "vpxord %%zmm30, %%zmm30, %%zmm30\n\tvpxord %%zmm31, %%zmm31, %%zmm31" ::
				 : "xmm16", "xmm17", "xmm18", "xmm19", "xmm20", "xmm21", "xmm22",
			 "xmm23", "xmm24", "xmm25", "xmm26", "xmm27", "xmm28", "xmm29", "xmm30",
			 "xmm31");
}

__attribute__((noinline, target("avx"))) static void
clear_ymm(void)
{
	__asm__ volatile("vzeroall" ::
				 : "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7",
			 "xmm8", "xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
}

static void
clear_xmm(void)
{
	__asm__ volatile(
		"pxor %%xmm0, %%xmm0\n\tpxor %%xmm1, %%xmm1\n\tpxor %%xmm2, %%xmm2\n\t"
		"pxor %%xmm3, %%xmm3\n\tpxor %%xmm4, %%xmm4\n\tpxor %%xmm5, %%xmm5\n\t"
		"pxor %%xmm6, %%xmm6\n\tpxor %%xmm7, %%xmm7\n\tpxor %%xmm8, %%xmm8\n\t"
		"pxor %%xmm9, %%xmm9\n\tpxor %%xmm10, %%xmm10\n\tpxor %%xmm11, %%xmm11\n\t"
		"pxor %%xmm12, %%xmm12\n\tpxor %%xmm13, %%xmm13\n\tpxor %%xmm14, %%xmm14\n\t"
		"pxor %%xmm15, %%xmm15" ::
			: "xmm0", "xmm1", "xmm2", "xmm3", "xmm4", "xmm5", "xmm6", "xmm7", "xmm8",
		"xmm9", "xmm10", "xmm11", "xmm12", "xmm13", "xmm14", "xmm15");
}

void
tw_crypto_scrub_registers(void)
{
	if (__builtin_cpu_supports("avx512f"))
		clear_zmm_upper();
	if (__builtin_cpu_supports("avx"))
		clear_ymm();
	else
		clear_xmm();
}

/*
 * Registers first: the dynamic linker's lazy binding and context switches in signal handlers write
 * them to the stack at any later time.
 */
__attribute__((noinline)) void
tw_crypto_scrub_stack(void)
{
	uint8_t below[SCRUB_SIZE];

	tw_crypto_scrub_registers();
	explicit_bzero(below, sizeof(below));
}

bool
tw_crypto_equal(const void *a, const void *b, size_t len)
{
	return CRYPTO_memcmp(a, b, len) == 0;
}

int
tw_crypto_random(void *out, size_t len)
{
	if (len <= INT_MAX && RAND_priv_bytes(out, (int)len) == 1)
		return 0;
	ERR_clear_error();
	memset(out, 0, len);
	return -EIO;
}
