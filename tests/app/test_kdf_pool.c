/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/* The threads that derive keys: each job comes back once, on the loop's thread, also at the end. */
#include <criterion/criterion.h>
#include <pthread.h>
#include <stdatomic.h>
#include <time.h>

#include "kdf_pool.h"

#define JOBS 100

static struct tw_loop loop;
static struct {
	_Atomic int run;
	int done;
} job[JOBS];
static int done_cnt;
static pthread_t loop_thread;
static _Atomic bool is_slow;

static void
run(void *p)
{
	const struct timespec pause = {.tv_nsec = 20000000};

	cr_assert_not(pthread_equal(pthread_self(), loop_thread));
	if (atomic_load(&is_slow))
		nanosleep(&pause, NULL);
	atomic_fetch_add((_Atomic int *)p, 1);
}

static void
done(void *arg, void *p)
{
	(void)arg;
	cr_assert(pthread_equal(pthread_self(), loop_thread));
	job[(int)(((char *)p - (char *)job) / (ptrdiff_t)sizeof(job[0]))].done++;
	done_cnt++;
}

static struct tw_kdf_pool *
pool_new(unsigned size)
{
	const struct tw_kdf_pool_cfg cfg = {.threads = 2, .size = size, .run = run, .done = done};
	struct tw_kdf_pool *p;

	loop_thread = pthread_self();
	cr_assert_eq(tw_loop_init(&loop, 1000000, NULL, NULL), 0);
	p = tw_kdf_pool_new(&loop, &cfg);
	cr_assert_not_null(p);
	return p;
}

Test(kdf_pool, every_job_comes_back_once)
{
	struct tw_kdf_pool *p = pool_new(JOBS);
	int i;

	for (i = 0; i < JOBS; i++)
		cr_assert(tw_kdf_pool_put(p, &job[i]));
	while (done_cnt < JOBS)
		tw_loop_turn(&loop, 1000000000);
	for (i = 0; i < JOBS; i++) {
		cr_assert_eq(atomic_load(&job[i].run), 1);
		cr_assert_eq(job[i].done, 1);
	}
	cr_assert_eq(tw_kdf_pool_load(p), 0);
	tw_kdf_pool_free(p);
	tw_loop_fini(&loop);
}

Test(kdf_pool, refuses_what_exceeds_its_size)
{
	struct tw_kdf_pool *p = pool_new(3);

	atomic_store(&is_slow, true);
	cr_assert(tw_kdf_pool_put(p, &job[0]));
	cr_assert(tw_kdf_pool_put(p, &job[1]));
	cr_assert(tw_kdf_pool_put(p, &job[2]));
	cr_assert_not(tw_kdf_pool_put(p, &job[3]));
	while (done_cnt < 3)
		tw_loop_turn(&loop, 1000000000);
	cr_assert(tw_kdf_pool_put(p, &job[3]));
	tw_kdf_pool_free(p);
	cr_assert_eq(done_cnt, 4);
}

Test(kdf_pool, the_end_brings_back_jobs_that_never_ran)
{
	struct tw_kdf_pool *p = pool_new(10);
	int i;

	atomic_store(&is_slow, true);
	for (i = 0; i < 10; i++)
		cr_assert(tw_kdf_pool_put(p, &job[i]));
	tw_kdf_pool_free(p);
	cr_assert_eq(done_cnt, 10);
	tw_kdf_pool_free(NULL);
}
