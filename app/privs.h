/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Privileges . The appliance starts as root, opens ports and sockets, then becomes its
 * service user for good. Capabilities belong to threads: the control lcore keeps what neighbour
 * refresh, run-time ports, port 862 and locked memory need, every other thread keeps nothing.
 */
#ifndef TW_PRIVS_H
#define TW_PRIVS_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* Who the appliance becomes. */
struct tw_privs {
	char user[64];
	uid_t uid;
	gid_t gid;
	bool is_shared;   /* other programs run as this user, too: nobody */
	bool is_dropping; /* false: --keep-root, or not started as root */
};

/**
 * Look the user up (@p user, or the default chain twampline, nobody with NULL).
 * Context: main thread, at start.
 * @return 0, or -errno with a message in @p err
 */
int tw_privs_init(
	struct tw_privs *p, const char *user, bool keeps_root, char *err, size_t err_size);

/**
 * Check what the start needs, before DPDK is started, and say what is missing.
 * Context: main thread.
 * @return 0, -EPERM (capabilities) or -ENOMEM (no free hugepage) with a message in @p err
 */
int tw_privs_check_start(bool needs_hugepages, char *err, size_t err_size);

/** No new privileges by execve() for this thread and all it starts. Context: main, first thing. */
int tw_privs_lock(void);

/**
 * Raise what a box of the advertised size needs while it may: descriptors, locked memory.
 * Core dumps are left as the operator set them: keys are kept out of them page by page.
 */
void tw_privs_raise_limits(void);

/**
 * Become the service user. All threads change at once; the calling one keeps the control lcore's
 * capabilities, all others lose theirs.
 * Context: control lcore, once, after configuration.
 * @return 0, or -errno with a message in @p err; the process must then end
 */
int tw_privs_drop(const struct tw_privs *p, char *err, size_t err_size);

/**
 * Drop every capability of the calling thread; where a change of user is still to come, that does
 * it. Context: any thread that needs none.
 */
int tw_privs_drop_thread(void);

/**
 * Refuse system calls that this program never makes (execve, ptrace, mount, setting the clock ...)
 * to the calling thread and all it starts from now on. Context: any thread but data lcores.
 * @return 0, -ENOTSUP (architecture) or -errno
 */
int tw_privs_filter_thread(void);

#endif /* TW_PRIVS_H */
