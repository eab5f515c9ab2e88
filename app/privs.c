/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Privileges by plain system calls. setresuid() of the C library changes every thread of the
 * process; on the way from root a thread loses its capabilities unless it asked to keep the
 * permitted ones (PR_SET_KEEPCAPS, a flag of the thread): only the control lcore asks.
 */
#include "privs.h"

#include <dirent.h>
#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#define HUGEPAGES_DIR "/sys/kernel/mm/hugepages"
/* Held test ports and control connections of the default limits, both ends. */
#define FILES_WANTED 262144

#define CAP_BIT(c) (UINT64_C(1) << (c))

static const uint64_t control_caps = CAP_BIT(CAP_NET_ADMIN) | CAP_BIT(CAP_NET_RAW) |
				     CAP_BIT(CAP_NET_BIND_SERVICE) | CAP_BIT(CAP_IPC_LOCK);

/*
 * A change of user is to come. The C library makes every thread change its user and aborts if one
 * of them may not: until then none may give up CAP_SETUID.
 */
static _Atomic bool is_drop_pending;

static int
fail(int ret, char *err, size_t size, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(err, size, fmt, ap);
	va_end(ap);
	return ret;
}

static int
caps_set(uint64_t permitted, uint64_t effective)
{
	struct __user_cap_header_struct hdr = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2] = {
		{.effective = (uint32_t)effective, .permitted = (uint32_t)permitted},
		{.effective = (uint32_t)(effective >> 32),
			.permitted = (uint32_t)(permitted >> 32)},
	};

	return syscall(SYS_capset, &hdr, data) == 0 ? 0 : -errno;
}

static int
caps_get(uint64_t *effective)
{
	struct __user_cap_header_struct hdr = {.version = _LINUX_CAPABILITY_VERSION_3};
	struct __user_cap_data_struct data[2];

	memset(data, 0, sizeof(data));
	if (syscall(SYS_capget, &hdr, data) != 0)
		return -errno;
	*effective = (uint64_t)data[1].effective << 32 | data[0].effective;
	return 0;
}

int
tw_privs_init(struct tw_privs *p, const char *user, bool keeps_root, char *err, size_t err_size)
{
	const struct passwd *pw;

	memset(p, 0, sizeof(*p));
	if (keeps_root || geteuid() != 0)
		return 0;
	pw = getpwnam(user != NULL ? user : "twampline");
	if (pw == NULL && user == NULL)
		pw = getpwnam("nobody");
	if (pw == NULL)
		return fail(-ENOENT, err, err_size,
			"no user '%s': create it (useradd --system %s), name another with --user, "
			"or stay root with --keep-root",
			user != NULL ? user : "twampline", user != NULL ? user : "twampline");
	if (pw->pw_uid == 0)
		return fail(-EINVAL, err, err_size,
			"--user '%s' is root: use --keep-root if that is meant", pw->pw_name);
	snprintf(p->user, sizeof(p->user), "%s", pw->pw_name);
	p->uid = pw->pw_uid;
	p->gid = pw->pw_gid;
	p->is_shared = strcmp(pw->pw_name, "nobody") == 0;
	p->is_dropping = true;
	atomic_store(&is_drop_pending, true);
	return 0;
}

/* Free pages of every size, over all nodes. */
static uint64_t
hugepages_free(void)
{
	char path[512];
	unsigned long long cnt;
	uint64_t sum = 0;
	struct dirent *de;
	DIR *dir;
	FILE *f;

	dir = opendir(HUGEPAGES_DIR);
	if (dir == NULL)
		return 0;
	while ((de = readdir(dir)) != NULL) {
		if (strncmp(de->d_name, "hugepages-", 10) != 0)
			continue;
		snprintf(path, sizeof(path), HUGEPAGES_DIR "/%s/free_hugepages", de->d_name);
		f = fopen(path, "re");
		if (f == NULL)
			continue;
		if (fscanf(f, "%llu", &cnt) == 1)
			sum += cnt;
		fclose(f);
	}
	closedir(dir);
	return sum;
}

int
tw_privs_check_start(bool needs_hugepages, char *err, size_t err_size)
{
	uint64_t caps = 0;
	int ret;

	ret = caps_get(&caps);
	if (ret != 0)
		return fail(ret, err, err_size, "cannot read the capabilities of this process: %s",
			strerror(-ret));
	if ((caps & control_caps) != control_caps)
		return fail(-EPERM, err, err_size,
			"started without the privileges it needs (uid %u; CAP_NET_ADMIN, "
			"CAP_NET_RAW, "
			"CAP_NET_BIND_SERVICE and CAP_IPC_LOCK are wanted): start it as root, with "
			"sudo "
			"or by its systemd unit; it drops root by itself",
			(unsigned)geteuid());
	if (needs_hugepages && hugepages_free() == 0)
		return fail(-ENOMEM, err, err_size,
			"no free hugepage in " HUGEPAGES_DIR
			": reserve some, e.g. echo 256 > /proc/sys/vm/nr_hugepages, or start with "
			"EAL "
			"options --no-huge -m 512");
	return 0;
}

int
tw_privs_lock(void)
{
	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 ? 0 : -errno;
}

static void
limit_raise(int resource, rlim_t wanted)
{
	struct rlimit rl;

	if (getrlimit(resource, &rl) != 0 || rl.rlim_cur == RLIM_INFINITY ||
		(wanted != RLIM_INFINITY && rl.rlim_cur >= wanted))
		return;
	if (rl.rlim_max != RLIM_INFINITY && (wanted == RLIM_INFINITY || rl.rlim_max < wanted)) {
		struct rlimit all = {.rlim_cur = wanted, .rlim_max = wanted};

		/* needs CAP_SYS_RESOURCE, which a container may lack */
		if (setrlimit(resource, &all) == 0)
			return;
		wanted = rl.rlim_max;
	}
	rl.rlim_cur = wanted;
	setrlimit(resource, &rl);
}

void
tw_privs_raise_limits(void)
{
	limit_raise(RLIMIT_NOFILE, FILES_WANTED);
	limit_raise(RLIMIT_MEMLOCK, RLIM_INFINITY);
}

int
tw_privs_drop(const struct tw_privs *p, char *err, size_t err_size)
{
	if (!p->is_dropping) {
		/* root by choice, or a user given capabilities: keep no more than is used */
		if (geteuid() != 0 && caps_set(control_caps, control_caps) != 0)
			return fail(-EPERM, err, err_size, "cannot reduce capabilities: %s",
				strerror(errno));
		return 0;
	}
	if (setgroups(0, NULL) != 0 || setresgid(p->gid, p->gid, p->gid) != 0)
		return fail(-errno, err, err_size, "cannot take the group of user '%s': %s",
			p->user, strerror(errno));
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) != 0 || setresuid(p->uid, p->uid, p->uid) != 0)
		return fail(-errno, err, err_size, "cannot become user '%s': %s", p->user,
			strerror(errno));
	atomic_store(&is_drop_pending, false);
	if (prctl(PR_SET_KEEPCAPS, 0, 0, 0, 0) != 0 || caps_set(control_caps, control_caps) != 0)
		return fail(-errno, err, err_size, "cannot keep CAP_NET_ADMIN and its like: %s",
			strerror(errno));
	/* a change of user made the process undumpable. With a user of its own that is undone: core
	 * dumps are the operator's choice and keys are kept out of them page by page. A user shared
	 * with others ("nobody") must not be able to attach a debugger, so there it stays. */
	if (!p->is_shared && prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) != 0)
		return fail(-errno, err, err_size, "cannot stay dumpable: %s", strerror(errno));
	return 0;
}

int
tw_privs_drop_thread(void)
{
	return atomic_load(&is_drop_pending) ? 0 : caps_set(0, 0);
}
