/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Folders of sockets. They belong to root and to the group of the service user: both can make and
 * remove sockets there, root even without CAP_DAC_OVERRIDE (a service manager may withhold it).
 * Others may pass through to a socket that lets them in, as the JSON socket does its group.
 * DPDK's parent folder is root's alone, so that the service user cannot even reach its own folder
 * in there: a descriptor taken as root can.
 */
#include "rundir.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <rte_eal.h>

#include "app.h"

#define DIR_MODE    0771
#define EAL_PARENT  "/run/dpdk"
#define SWEEP_AGE_S 60

int
tw_rundir_make(struct tw_app *app, char *err, size_t size)
{
	const char *run_dir = app->options.run_dir;
	int ret;

	if ((mkdir(run_dir, 0755) != 0 && errno != EEXIST) ||
		(mkdir(app->dir, 0750) != 0 && errno != EEXIST)) {
		ret = -errno;
		snprintf(err, size, "cannot make folder %s: %s; name another parent with --run-dir",
			app->dir, strerror(-ret));
		return ret;
	}
	if (chown(app->dir, geteuid(), app->privs.is_dropping ? app->privs.gid : getegid()) != 0 ||
		chmod(app->dir, DIR_MODE) != 0) {
		ret = -errno;
		snprintf(err, size, "cannot give %s to the group of user %s: %s", app->dir,
			app->privs.user, strerror(-ret));
		return ret;
	}
	return 0;
}

void
tw_rundir_clean(const struct tw_app *app)
{
	const struct dirent *de;
	DIR *dir = opendir(app->dir);
	struct stat st;

	if (dir == NULL)
		return;
	while ((de = readdir(dir)) != NULL)
		if (strcmp(de->d_name, TW_RUNDIR_RPC) != 0 &&
			fstatat(dirfd(dir), de->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
			S_ISSOCK(st.st_mode))
			unlinkat(dirfd(dir), de->d_name, 0);
	closedir(dir);
}

/* What devices left in our folder as root (sockets of memif) is the service user's from now on. */
static void
sockets_hand_over(const struct tw_app *app)
{
	const struct dirent *de;
	DIR *dir = opendir(app->dir);

	if (dir == NULL)
		return;
	while ((de = readdir(dir)) != NULL)
		if (de->d_name[0] != '.' && fchownat(dirfd(dir), de->d_name, app->privs.uid,
						    (gid_t)-1, AT_SYMLINK_NOFOLLOW) != 0)
			tw_log(TW_LOG_APP, TW_LOG_WARNING, "cannot give %s/%s to user %s: %s",
				app->dir, de->d_name, app->privs.user, strerror(errno));
	closedir(dir);
}

/* DPDK removes its telemetry socket at the end, when we are root no more: so that we can. */
static void
eal_hand_over(struct tw_app *app)
{
	const char *path = rte_eal_get_runtime_dir();

	app->eal_dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (app->eal_dir < 0 || fchown(app->eal_dir, 0, app->privs.gid) != 0 ||
		fchmod(app->eal_dir, DIR_MODE) != 0)
		tw_log(TW_LOG_APP, TW_LOG_WARNING, "cannot give %s to user %s: %s", path,
			app->privs.user, strerror(errno));
}

void
tw_rundir_hand_over(struct tw_app *app)
{
	sockets_hand_over(app);
	eal_hand_over(app);
}

void
tw_rundir_leave(struct tw_app *app)
{
	const struct dirent *de;
	DIR *dir;

	rmdir(app->dir); /* stays if something else is in it, or its parent is root's */
	dir = app->eal_dir > 0 ? fdopendir(app->eal_dir) : NULL;
	if (dir == NULL)
		return;
	while ((de = readdir(dir)) != NULL)
		if (strncmp(de->d_name, "dpdk_telemetry", 14) == 0)
			unlinkat(dirfd(dir), de->d_name, 0);
	closedir(dir);
}

/* Works as root only: DPDK's folder is root's, and a service user's stays until the next start. */
static void
eal_dir_remove(void)
{
	(void)rmdir(rte_eal_get_runtime_dir());
}

/*
 * Empty folders of those that ended. One that starts made its own just now and will have a socket
 * in it in a moment: only old ones go.
 */
static void
eal_dirs_sweep(void)
{
	const struct dirent *de;
	DIR *dir = opendir(EAL_PARENT);
	struct timespec now;
	struct stat st;

	if (dir == NULL)
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	while ((de = readdir(dir)) != NULL)
		if (strncmp(de->d_name, "twampline-", 10) == 0 &&
			fstatat(dirfd(dir), de->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
			S_ISDIR(st.st_mode) && now.tv_sec - st.st_ctime > SWEEP_AGE_S)
			unlinkat(dirfd(dir), de->d_name, AT_REMOVEDIR); /* if it is empty */
	closedir(dir);
}

void
tw_rundir_prepare(void)
{
	eal_dirs_sweep();
	/* before DPDK's own handler is there, which removes the socket: it is called first */
	(void)atexit(eal_dir_remove);
}
