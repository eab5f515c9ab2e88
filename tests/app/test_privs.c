/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/* Privileges that can be tested without being root. */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/time.h>
#include <unistd.h>

#include "privs.h"

Test(privs, the_filter_refuses_what_we_never_do)
{
	char *const argv[] = {strdup("true"), NULL};
	struct timeval tv;

	cr_assert_eq(tw_privs_filter_thread(), 0);
	cr_assert_eq(execv("/bin/true", argv), -1);
	cr_assert_eq(errno, EPERM);
	gettimeofday(&tv, NULL);
	cr_assert_eq(settimeofday(&tv, NULL), -1);
	cr_assert_eq(errno, EPERM);
	cr_assert_eq(umount2("/nowhere", 0), -1);
	cr_assert_eq(errno, EPERM);
	cr_assert_geq(getpid(), 1);
}

static void *
exec_in_thread(void *arg)
{
	char *const argv[] = {strdup("true"), NULL};

	execv("/bin/true", argv);
	*(int *)arg = errno;
	return NULL;
}

Test(privs, threads_started_later_have_the_filter)
{
	pthread_t thread;
	int why = 0;

	cr_assert_eq(tw_privs_filter_thread(), 0);
	cr_assert_eq(pthread_create(&thread, NULL, exec_in_thread, &why), 0);
	pthread_join(thread, NULL);
	cr_assert_eq(why, EPERM);
}

Test(privs, an_unknown_user_is_told_with_the_remedy)
{
	struct tw_privs p;
	char err[256] = "";

	if (geteuid() != 0)
		cr_skip("needs root: others do not change their user");
	cr_assert_eq(tw_privs_init(&p, "no-such-user-here", false, err, sizeof(err)), -ENOENT);
	cr_assert_not_null(strstr(err, "no-such-user-here"));
	cr_assert_not_null(strstr(err, "useradd"));
	cr_assert_eq(tw_privs_init(&p, "root", false, err, sizeof(err)), -EINVAL);
	cr_assert_eq(tw_privs_init(&p, NULL, false, err, sizeof(err)), 0);
	cr_assert(p.is_dropping);
	cr_assert_neq(p.uid, 0);
}

Test(privs, root_is_kept_if_asked)
{
	struct tw_privs p;
	char err[256] = "";

	cr_assert_eq(tw_privs_init(&p, NULL, true, err, sizeof(err)), 0);
	cr_assert_not(p.is_dropping);
}
