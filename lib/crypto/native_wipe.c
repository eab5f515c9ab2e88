/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * What the kernels of the engine "native" leave on the stack: arrays, and registers that the
 * compiler had no room for. A wipe is called where they were called from, so its frame lies over
 * theirs. tests/crypto/test_remnants.c sees what it does not reach.
 */
#include <immintrin.h>

#include "native_i.h"

#define LINE 64

#ifdef __has_feature
#define IS_SANITIZED __has_feature(address_sanitizer)
#elif defined(__SANITIZE_ADDRESS__)
#define IS_SANITIZED 1
#else
#define IS_SANITIZED 0
#endif

/* How deep the kernels go is up to the compiler. Measured by that test, with something to spare. */
#if !defined(__OPTIMIZE__)
#define DEPTH      (1600 * LINE) /* each variable of each function in line has a place of its own */
#define WIDE_DEPTH (3072 * LINE)
#elif IS_SANITIZED
#define DEPTH      (256 * LINE)
#define WIDE_DEPTH DEPTH
#elif defined(__clang__)
#define DEPTH      (16 * LINE) /* decryption keys: clang makes them all beforehand */
#define WIDE_DEPTH (44 * LINE)
#else
#define DEPTH      (8 * LINE)
#define WIDE_DEPTH (44 * LINE)
#endif

#define WIPE __attribute__((noinline, no_stack_protector, no_sanitize("address", "undefined")))

/*
 * Zeros from @p at down to @p end, after @p first, in one piece: variables of the caller are among
 * what is wiped. Stores in C would be optimised away, or become a call of memset().
 */
#define ZERO_DOWN(first, at, end, mov, zero)                                                       \
	__asm__ volatile(first "1:\n\tsub %3, %0\n\t" mov " %2, (%0)\n\tcmp %1, %0\n\tja 1b"       \
			 : "+r"(at)                                                                \
			 : "r"(end), "v"(zero), "i"(sizeof(zero))                                  \
			 : "memory", "cc")

/* The frame is as large as what is wiped: nothing below the end of the stack is written. */
#define RESERVE(size)                                                                              \
	uint8_t below_[size];                                                                      \
	__asm__ volatile("" : : "r"(below_) : "memory")

WIPE __attribute__((target("sse2"))) void
native_wipe(void)
{
	const __m128i zero = _mm_setzero_si128();
	uint8_t *at = __builtin_frame_address(0);
	uint8_t *end = at - DEPTH;

	RESERVE(DEPTH);
	ZERO_DOWN("", at, end, "movups", zero);
}

/* What is above the first line, then lines. */
WIPE __attribute__((target("avx512f"))) void
native_wide_wipe(void)
{
	const __m512i zero = _mm512_setzero_si512();
	uint8_t *at = __builtin_frame_address(0);
	uint8_t *end = at - (uintptr_t)at % LINE - WIDE_DEPTH;

	RESERVE(WIDE_DEPTH);
	ZERO_DOWN("vmovdqu64 %2, -64(%0)\n\tand $-64, %0\n\t", at, end, "vmovdqa64", zero);
}
