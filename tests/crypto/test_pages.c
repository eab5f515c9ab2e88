/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/* Memory of whole pages: where it begins, where it ends, what it stands on. */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tw_pages.h"

static bool
is_mapped(const uint8_t *p)
{
	unsigned char in_core;

	return mincore((void *)(uintptr_t)p, 1, &in_core) == 0;
}

/* A line of smaps of the mapping that begins at @p p, in KiB; -1: none. */
static long
smaps_kb(const void *p, const char *field)
{
	FILE *f = fopen("/proc/self/smaps", "re");
	bool is_it = false;
	long kb = -1;
	char line[256];

	cr_assert_not_null(f);
	while (kb < 0 && fgets(line, sizeof(line), f) != NULL) {
		unsigned long begin, end;

		if (sscanf(line, "%lx-%lx ", &begin, &end) == 2)
			is_it = begin == (uintptr_t)p;
		else if (is_it && strncmp(line, field, strlen(field)) == 0)
			cr_assert_eq(sscanf(line + strlen(field), " %ld", &kb), 1);
	}
	(void)fclose(f);
	return kb;
}

static bool
has_huge_pages(void)
{
	FILE *f = fopen("/sys/kernel/mm/transparent_hugepage/enabled", "re");
	char line[64] = "";

	if (f != NULL) {
		(void)!fgets(line, sizeof(line), f);
		(void)fclose(f);
	}
	return line[0] != '\0' && strstr(line, "[never]") == NULL;
}

Test(pages, is_zeroed_and_has_exactly_the_pages_asked_for)
{
	static const size_t sizes[] = {1, 4096, 4097, TW_PAGES_HUGE - 1, TW_PAGES_HUGE,
		TW_PAGES_HUGE + 1, 3 * TW_PAGES_HUGE + 5000};
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);

	for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
		const size_t size = sizes[i], span = (size + page - 1) / page * page;
		uint8_t *p = tw_pages_map(size);
		uint8_t any = 0;

		cr_assert_not_null(p);
		cr_assert_eq((uintptr_t)p % (size < TW_PAGES_HUGE ? page : TW_PAGES_HUGE), 0);
		for (size_t k = 0; k < span; k++)
			any |= p[k];
		cr_assert_eq(any, 0);
		memset(p, 0xa5, span);
		cr_assert_eq(munmap(p, size), 0);
		/* nothing of it stays, nor of what was mapped around it */
		cr_assert(!is_mapped(p) && !is_mapped(p + span - page));
	}
}

/* Pages of address space. */
static long
mapped_pages(void)
{
	FILE *f = fopen("/proc/self/statm", "re");
	long n = 0;

	cr_assert_not_null(f);
	cr_assert_eq(fscanf(f, "%ld", &n), 1);
	(void)fclose(f);
	return n;
}

Test(pages, gives_back_what_alignment_cost)
{
	const long page = sysconf(_SC_PAGESIZE);
	long before;
	void *p;

	(void)mapped_pages(); /* what stdio wants is there */
	before = mapped_pages();
	p = tw_pages_map(2 * TW_PAGES_HUGE + 1);
	cr_assert_not_null(p);
	cr_assert_eq(mapped_pages() - before, (long)(2 * TW_PAGES_HUGE) / page + 1);
	cr_assert_eq(munmap(p, 2 * TW_PAGES_HUGE + 1), 0);
	cr_assert_eq(mapped_pages(), before);
}

Test(pages, stands_on_huge_pages_where_the_kernel_has_them)
{
	const size_t size = 4 * TW_PAGES_HUGE + 4096;
	uint8_t *p;

	if (!has_huge_pages())
		cr_skip_test("transparent huge pages are off in this kernel");
	p = tw_pages_map(size);
	cr_assert_not_null(p);
	memset(p, 1, size);
	/* one that is not to be had at the moment is no fault of ours */
	cr_assert_geq(smaps_kb(p, "AnonHugePages:"), (long)(TW_PAGES_HUGE / 1024));
	cr_assert_eq(munmap(p, size), 0);
}

Test(pages, what_cannot_be_is_told)
{
	errno = 0;
	cr_assert_null(tw_pages_map(SIZE_MAX));
	cr_assert_eq(errno, ENOMEM);
	errno = 0;
	cr_assert_null(tw_pages_map(SIZE_MAX / 4));
	cr_assert_eq(errno, ENOMEM);
}
