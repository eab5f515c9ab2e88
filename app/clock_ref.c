/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * References of the kernel: its clock and its PTP hardware clocks. The only place of the appliance
 * that reads CLOCK_REALTIME for stamps.
 */
#include "clock_ref.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#include <rte_cycles.h>

#define NS_PER_US 1000U

static int
read_clock(clockid_t id, int64_t ahead_ns, struct tw_clock_reading *out)
{
	struct timespec ts;
	int ret;

	out->tsc_before = rte_rdtsc_precise();
	ret = clock_gettime(id, &ts);
	out->tsc_after = rte_rdtsc_precise();
	if (ret != 0)
		return -errno;
	out->ref.ns = (int64_t)ts.tv_sec * TW_CLOCK_NS_PER_S + ts.tv_nsec - ahead_ns;
	return 0;
}

static int
kernel_read(void *arg, struct tw_clock_reading *out)
{
	(void)arg;
	return read_clock(CLOCK_REALTIME, 0, out);
}

/* adjtimex() without a request: needs no privilege and changes nothing. */
static void
kernel_sync(void *arg, struct tw_clock_sync *out)
{
	struct timex tx = {.modes = 0};
	int state = adjtimex(&tx);

	(void)arg;
	*out = (struct tw_clock_sync){
		.is_synced = state >= 0 && state != TIME_ERROR && (tx.status & STA_UNSYNC) == 0};
	if (tx.maxerror > 0)
		out->max_error_ns = (uint64_t)tx.maxerror * NS_PER_US;
	if (state == TIME_INS || state == TIME_OOP)
		out->leap = 1;
	else if (state == TIME_DEL)
		out->leap = -1;
}

struct tw_clock_ref
tw_clock_ref_kernel(void)
{
	return (struct tw_clock_ref){.kind = "kernel", .read = kernel_read, .sync = kernel_sync};
}

struct phc {
	int fd;
	int64_t ahead_ns;
	uint64_t max_error_ns;
};

/* The kernel's number for the clock behind a descriptor (linux/posix-timers.h). */
static clockid_t
clock_of_fd(int fd)
{
	return (clockid_t)(~(unsigned)fd << 3 | 3);
}

static int
phc_read(void *arg, struct tw_clock_reading *out)
{
	const struct phc *phc = arg;

	return read_clock(clock_of_fd(phc->fd), phc->ahead_ns, out);
}

static void
phc_sync(void *arg, struct tw_clock_sync *out)
{
	const struct phc *phc = arg;

	*out = (struct tw_clock_sync){
		.max_error_ns = phc->max_error_ns, .is_synced = phc->max_error_ns != 0};
}

static void
phc_close(void *arg)
{
	struct phc *phc = arg;

	close(phc->fd);
	free(phc);
}

int
tw_clock_ref_phc(
	const struct tw_clock_ref_phc_cfg *cfg, struct tw_clock_ref *out, char *err, size_t size)
{
	struct tw_clock_reading r = {0};
	struct phc *phc;
	int ret;

	phc = malloc(sizeof(*phc));
	if (phc == NULL)
		return -ENOMEM;
	*phc = (struct phc){.fd = open(cfg->dev, O_RDONLY | O_CLOEXEC),
		.ahead_ns = cfg->utc_offset_s * TW_CLOCK_NS_PER_S,
		.max_error_ns = cfg->max_error_ns};
	ret = phc->fd < 0 ? -errno : phc_read(phc, &r);
	if (ret != 0) {
		snprintf(err, size, "%s cannot be read: %s", cfg->dev, strerror(-ret));
		if (phc->fd >= 0)
			close(phc->fd);
		free(phc);
		return ret;
	}
	*out = (struct tw_clock_ref){
		.kind = "phc", .read = phc_read, .sync = phc_sync, .close = phc_close, .arg = phc};
	return 0;
}
