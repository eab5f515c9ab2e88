/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The rings of packet sockets are mapped whole and at once, but the kernel takes a page for clean,
 * and tools for none of ours, until somebody wrote into it: the memory of an appliance would seem
 * to grow for as long as frames come to pages they have not been in. Populated for writing when the
 * port is opened, a ring counts from the beginning, and whatever grows after that is a leak.
 */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "port_i.h"

void
port_pages_touch(void)
{
	FILE *maps = fopen("/proc/self/maps", "re");
	unsigned long begin, end;
	char line[512];

	if (maps == NULL)
		return;
	while (fgets(line, sizeof(line), maps) != NULL) {
		if (strstr(line, " rw-s ") == NULL || strstr(line, " socket:[") == NULL ||
			sscanf(line, "%lx-%lx ", &begin, &end) != 2)
			continue;
		/* changes no octet: lcores may be at work in the rings of other ports. Linux
		 * before 5.14 does not know the advice, and nothing but the figure depends on it */
		(void)madvise((void *)begin, end - begin, MADV_POPULATE_WRITE);
	}
	(void)fclose(maps);
}
