/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The memory rule: what is handed out for secrets is locked and undumped, and says so when it
 * cannot be.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "crypto_check.h"

/* Whether the kernel shows this flag for the mapping of p. */
static bool
has_flag(const void *p, const char *flag)
{
	FILE *f = fopen("/proc/self/smaps", "re");
	unsigned long lo, hi;
	bool is_here = false, has = false;
	char line[512];

	cr_assert_not_null(f);
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%lx-%lx ", &lo, &hi) == 2)
			is_here = (uintptr_t)p >= lo && (uintptr_t)p < hi;
		else if (is_here && strncmp(line, "VmFlags:", 8) == 0)
			has = strstr(line, flag) != NULL;
	}
	fclose(f);
	return has;
}

Test(memory, heap_is_locked_undumped_and_zeroed)
{
	static const uint8_t zero[500];
	uint8_t *p;
	size_t used;

	check_init();
	used = tw_crypto_heap_used();
	p = tw_crypto_alloc(500);
	cr_assert_not_null(p);
	cr_assert(has_flag(p, " dd"));
	cr_assert(has_flag(p, " lo"));
	cr_assert_eq((uintptr_t)p % 16, 0);
	cr_assert_eq(memcmp(p, zero, sizeof(zero)), 0);
	cr_assert_gt(tw_crypto_heap_used(), used);
	memset(p, 0xA5, 500);
	tw_crypto_free(p);
	cr_assert_eq(tw_crypto_heap_used(), used);
	tw_crypto_free(NULL);
}

Test(memory, heap_gives_null_when_exhausted_and_recovers)
{
	void *big[64], *p;
	unsigned n = 0;

	check_init();
	while (n < 64 && (big[n] = tw_crypto_alloc(512 << 10)))
		n++;
	cr_assert_lt(n, 64);
	cr_assert_null(tw_crypto_alloc(512 << 10));
	while (n > 0)
		tw_crypto_free(big[--n]);
	p = tw_crypto_alloc(512 << 10);
	cr_assert_not_null(p);
	tw_crypto_free(p);
}

Test(memory, exhausted_heap_is_an_error_of_every_constructor)
{
	struct tw_crypto_keys *keys;
	struct tw_crypto_tkey *tkey = tw_crypto_map(4096);
	uint8_t iv[16] = {0};
	void *held[4096];
	unsigned n = 0;
	size_t size;

	check_init();
	keys = check_keys();
	for (size = 1 << 20; size >= 32; size /= 2)
		while (n < 4096 && (held[n] = tw_crypto_alloc(size)))
			n++;
	cr_assert_lt(n, 4096);
	cr_assert_null(tw_secret_new("x", 1));
	cr_assert_eq(errno, ENOMEM);
	cr_assert_null(tw_crypto_stream_new(keys, iv));
	cr_assert_eq(tw_crypto_tkey_derive(tkey, keys, check_sid), -EIO);
	cr_assert_eq(tkey->enc[0][0], 0);
	while (n > 0)
		tw_crypto_free(held[--n]);
	cr_assert_eq(tw_crypto_tkey_derive(tkey, keys, check_sid), 0);
}

Test(memory, no_heap_no_memory)
{
	cr_assert_null(tw_crypto_alloc(16));
}

Test(memory, init_refuses_sizes_and_may_be_repeated)
{
	char why[200];

	cr_assert_eq(tw_crypto_init_late(3u << 20, why, sizeof(why)), -EINVAL);
	cr_assert_not_null(strstr(why, "power of two"));
	cr_assert_eq(tw_crypto_init_late(1024, NULL, 0), -EINVAL);
	check_init();
	check_init();
}

/* The test driver has used OpenSSL by now, so the strict form must notice. */
Test(memory, init_says_that_openssl_was_used_before)
{
	char why[200] = "";
	int rc = tw_crypto_init(TW_CRYPTO_HEAP_MIN, why, sizeof(why));

	if (rc != 0) {
		cr_assert_eq(rc, -EBUSY);
		cr_assert_not_null(strstr(why, "tw_crypto_init"));
	}
}

Test(memory, init_says_that_the_lock_limit_forbids)
{
	struct rlimit rl = {.rlim_cur = 64 << 10, .rlim_max = 64 << 10};
	char why[200] = "";

	cr_assert_eq(setrlimit(RLIMIT_MEMLOCK, &rl), 0);
	if (geteuid() == 0)
		cr_assert_eq(setuid(65534), 0); /* CAP_IPC_LOCK goes with it */
	cr_assert_eq(tw_crypto_init_late(TW_CRYPTO_HEAP_MIN, why, sizeof(why)), -EPERM);
	cr_assert_not_null(strstr(why, "the limit is 64 KiB"), "%s", why);
	cr_assert_not_null(strstr(why, "CAP_IPC_LOCK"));
	cr_assert_null(tw_crypto_alloc(16));
	cr_assert_null(tw_crypto_map(1 << 20));
	cr_assert(errno == ENOMEM || errno == EPERM || errno == EAGAIN);
}

Test(memory, map_is_locked_undumped_aligned_and_zeroed)
{
	uint8_t *p = tw_crypto_map(100000);

	cr_assert_not_null(p);
	cr_assert_eq((uintptr_t)p % 4096, 0);
	cr_assert_eq(p[0] | p[99999], 0);
	cr_assert(has_flag(p, " dd"));
	cr_assert(has_flag(p + 99999, " lo"));
	tw_crypto_unmap(p, 100000);
	tw_crypto_unmap(NULL, 1);
}

Test(memory, hide_widens_to_pages)
{
	uint8_t *p =
		mmap(NULL, 4 * 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	cr_assert_neq(p, MAP_FAILED);
	cr_assert_eq(tw_crypto_hide(p + 4095, 2), 0);
	cr_assert(has_flag(p, " dd"));
	cr_assert(has_flag(p + 4096, " dd"));
	cr_assert_not(has_flag(p + 2 * 4096, " dd"));
	cr_assert_eq(tw_crypto_hide(p, 0), 0);
	munmap(p, 4 * 4096);
	cr_assert_lt(tw_crypto_hide(p, 4096), 0);
}

static void *
stack_thread(void *arg)
{
	int here;

	(void)arg;
	if (tw_crypto_hide_stack() != 0)
		return NULL;
	return has_flag(&here, " dd") && has_flag(&here, " lo") ? (void *)1 : NULL;
}

Test(memory, stacks_can_be_hidden)
{
	pthread_t t;
	void *res;
	int here;

	cr_assert_eq(pthread_create(&t, NULL, stack_thread, NULL), 0);
	pthread_join(t, &res);
	cr_assert_not_null(res);
	cr_assert_not(has_flag(&here, " dd"));
	cr_assert_eq(tw_crypto_hide_stack(), 0);
	cr_assert(has_flag(&here, " dd"));
}

Test(memory, wipes_and_compares)
{
	uint8_t a[33], b[33];
	char *s = malloc(64);

	memset(a, 7, sizeof(a));
	memset(b, 7, sizeof(b));
	cr_assert(tw_crypto_equal(a, b, sizeof(a)));
	b[32] ^= 0x80;
	cr_assert_not(tw_crypto_equal(a, b, sizeof(a)));
	cr_assert(tw_crypto_equal(a, b, 32));
	cr_assert(tw_crypto_equal(a, b, 0));
	tw_crypto_wipe(a, sizeof(a));
	memset(b, 0, sizeof(b));
	cr_assert(tw_crypto_equal(a, b, sizeof(a)));
	tw_crypto_scrub_stack();
	tw_crypto_wipe_free(s);
	tw_crypto_wipe_free(NULL);
}

Test(memory, random_octets_differ)
{
	uint8_t a[32], b[32];

	check_init();
	cr_assert_eq(tw_crypto_random(a, sizeof(a)), 0);
	cr_assert_eq(tw_crypto_random(b, sizeof(b)), 0);
	cr_assert_neq(memcmp(a, b, sizeof(a)), 0);
}
