/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Pseudo-random numbers of the schedule and of the padding: xoshiro256++ (Blackman and Vigna,
 * 2018), unrelated to keys, SIDs and to each other (R-4656-078), and exponential deviates by the
 * integer method of RFC 4656 section 5: no libm, no division, the same on every machine.
 */
#ifndef SEND_PRNG_H
#define SEND_PRNG_H

#include <stdint.h>

static inline uint64_t
prng_rotl(uint64_t v, unsigned n)
{
	return v << n | v >> (64 - n);
}

/* Next 64 bits. The state must not be all zero. */
static inline uint64_t
prng_next(uint64_t s[4])
{
	uint64_t out = prng_rotl(s[0] + s[3], 23) + s[0];
	uint64_t t = s[1] << 17;

	s[2] ^= s[0];
	s[3] ^= s[1];
	s[1] ^= s[2];
	s[0] ^= s[3];
	s[2] ^= t;
	s[3] = prng_rotl(s[3], 45);
	return out;
}

/* Finaliser of splitmix64: a bijection, 0 to 0. */
static inline uint64_t
prng_mix(uint64_t z)
{
	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

/*
 * A state from any four numbers: taken as they are, small or similar ones would give small or
 * similar first numbers, zeros nothing else. The four results differ, so one is not zero.
 */
static inline void
prng_seed(uint64_t s[4], const uint64_t seed[4])
{
	const uint64_t gamma = 0x9e3779b97f4a7c15ULL;
	uint64_t x = 0;

	for (unsigned i = 0; i < 4; i++)
		x = prng_mix(x ^ seed[i]) + gamma;
	for (unsigned i = 0; i < 4; i++)
		s[i] = prng_mix(x += gamma);
}

/* Uniform 32 bits: a source for exp_deviate(). */
static inline uint32_t
prng_draw(void *state)
{
	return (uint32_t)(prng_next((uint64_t *)state) >> 32);
}

/* Q[k] of RFC 4656 section 5, k = 1..11, in 2^-32. Q[1] is ln 2. */
static const uint64_t exp_q[12] = {0, 0xb17217f8, 0xeef193f7, 0xfd271862, 0xff9d6dd0, 0xfff4cfd0,
	0xfffee819, 0xffffe7ff, 0xfffffe2b, 0xffffffe0, 0xfffffffe, 0xffffffff};

/*
 * Exponential deviate of mean 1, in 2^-32 (Knuth's algorithm S as RFC 4656 fixes it).
 * The source is an argument so that the RFC's own sums can be checked with its AES source; the
 * compiler inlines both. Takes 2 draws on average, at most 12.
 */
static inline uint64_t
exp_deviate(uint32_t (*draw)(void *), void *state)
{
	uint32_t u = draw(state), v;
	unsigned j = u == UINT32_MAX ? 32 : (unsigned)__builtin_clz(~u);
	unsigned k = 2;

	/* j leading ones and the zero after them go */
	u = j >= 31 ? 0 : u << (j + 1);
	if (u < exp_q[1])
		return j * exp_q[1] + u;
	while (k < 11 && u >= exp_q[k])
		k++;
	v = draw(state);
	for (unsigned i = 1; i < k; i++) {
		uint32_t w = draw(state);

		v = w < v ? w : v;
	}
	return (uint64_t)(((unsigned __int128)(((uint64_t)j << 32) + v) * exp_q[1]) >> 32);
}

#endif /* SEND_PRNG_H */
