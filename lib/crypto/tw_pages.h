/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Anonymous memory of whole pages. Large regions stand on huge pages (2 MiB): a data lcore goes
 * through megabytes, packet by packet, and each small page costs it a walk of the page tables - or,
 * in a virtual machine, now and then a fault of the host's that takes 100 us and more.
 */
#ifndef TW_PAGES_H
#define TW_PAGES_H

#include <stddef.h>

#define TW_PAGES_HUGE ((size_t)2 << 20) /* octets of a huge page */

/**
 * Map zeroed memory, page-aligned. From TW_PAGES_HUGE octets on it begins at a multiple of that,
 * and the kernel is asked for huge pages (transparent_hugepage "madvise" or "always"); where it has
 * none there are small ones. What is left at the end stands on small ones. Nothing is touched.
 * Context: any thread; may block for memory.
 * @param size  octets; 1 or more
 * @return NULL with errno ENOMEM; else to be given to munmap() with the same size
 */
void *tw_pages_map(size_t size);

/**
 * The same of addresses alone: mprotect() makes memory of them, piece by piece, and they begin at a
 * multiple of TW_PAGES_HUGE whatever their size.
 */
void *tw_pages_reserve(size_t size);

#endif /* TW_PAGES_H */
