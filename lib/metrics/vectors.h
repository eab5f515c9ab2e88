/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Loops over all samples of a burst are plain C that the compiler turns into vectors; they are
 * compiled for several kinds of CPU, of which the best is picked when the program is loaded.
 */
#ifndef METRICS_VECTORS_H
#define METRICS_VECTORS_H

#if defined(__x86_64__) && !defined(__clang__)
#define VECTORS __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))
#else
#define VECTORS
#endif

#endif /* METRICS_VECTORS_H */
