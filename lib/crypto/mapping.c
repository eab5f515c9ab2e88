/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * What the kernel says of a mapping of ours: the only way to see whether memory is really locked
 * and left out of dumps, and the one file of the pure libraries that opens another.
 */
#include <errno.h>
#include <stdio.h>

#include "crypto_i.h"

int
crypto_mapping_find(const void *at, struct crypto_mapping *out)
{
	FILE *f = fopen("/proc/self/smaps", "re");
	unsigned long lo, hi;
	bool is_here = false;
	int rc = -ENOENT;
	char line[512];

	if (!f)
		return -errno;
	while (rc != 0 && fgets(line, sizeof(line), f)) {
		/* a field may begin like a number, so lo and hi count on a match only */
		if (sscanf(line, "%lx-%lx ", &lo, &hi) == 2) {
			is_here = (uintptr_t)at >= lo && (uintptr_t)at < hi;
			out->lo = lo;
			out->hi = hi;
		} else if (is_here && strncmp(line, "VmFlags:", 8) == 0) {
			out->is_locked = strstr(line, " lo") != NULL;
			out->is_undumped = strstr(line, " dd") != NULL;
			rc = 0;
		}
	}
	fclose(f);
	return rc;
}
