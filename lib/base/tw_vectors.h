/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * A loop over much at once - samples of a burst, octets of a payload - is plain C that the compiler
 * turns into vectors; functions so marked are compiled for several kinds of CPU, of which the best
 * is picked when the program is loaded.
 */
#ifndef TW_VECTORS_H
#define TW_VECTORS_H

#if defined(__x86_64__) && !defined(__clang__)
#define TW_VECTORS __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))
#else
#define TW_VECTORS
#endif

#endif /* TW_VECTORS_H */
