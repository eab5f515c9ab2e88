/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Logging: the one place of the appliance with file-scope state, since a message may come from any
 * thread before anything else exists. journald is spoken to in its native datagram protocol,
 * which needs no library: FIELD=value lines, a value with line feeds as length and octets.
 */
#include "log.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define JOURNAL_SOCKET "/run/systemd/journal/socket"
#define NS_PER_S       INT64_C(1000000000)

static const char *const area_names[TW_LOG_AREA_N] = {
#define X(id, name, help) [TW_LOG_##id] = name,
#include "log_areas.def"
#undef X
};

static const char *const level_names[] = {
	[TW_LOG_ERROR] = "error",
	[TW_LOG_WARNING] = "warning",
	[TW_LOG_NOTICE] = "notice",
	[TW_LOG_INFO] = "info",
	[TW_LOG_DEBUG] = "debug",
};

/* Token bucket of an area; under `lock`. */
struct bucket {
	int64_t filled_ns;
	uint32_t tokens;
	uint32_t held_back; /* messages not told since the last one that was */
};

static struct {
	_Atomic int level[TW_LOG_AREA_N]; /* w: any thread  r: any thread, relaxed */
	_Atomic uint64_t lost;
	pthread_mutex_t lock; /* over the rest */
	struct bucket bucket[TW_LOG_AREA_N];
	int journal_fd; /* -1: stderr */
	char name[64];
} logger = {
	.level =
		{
#define X(id, name, help) [TW_LOG_##id] = TW_LOG_INFO,
#include "log_areas.def"
#undef X
		},
	.lock = PTHREAD_MUTEX_INITIALIZER,
	.journal_fd = -1,
};

static _Thread_local bool is_forbidden;

/* systemd names the device and inode of the stream it gave us as stderr. */
static bool
stderr_is_journal(void)
{
	const char *env = getenv("JOURNAL_STREAM");
	unsigned long long dev, ino;
	struct stat st;

	return env != NULL && sscanf(env, "%llu:%llu", &dev, &ino) == 2 &&
	       fstat(STDERR_FILENO, &st) == 0 && st.st_dev == dev && st.st_ino == ino;
}

static int
journal_open(void)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX, .sun_path = JOURNAL_SOCKET};
	int fd, ret;

	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) == 0)
		return fd;
	ret = -errno;
	close(fd);
	return ret;
}

int
tw_log_init(enum tw_log_sink sink, const char *name)
{
	int fd = -1, ret = 0;

	if (sink == TW_LOG_TO_JOURNAL || (sink == TW_LOG_TO_AUTO && stderr_is_journal())) {
		fd = journal_open();
		if (fd < 0) {
			ret = fd;
			fd = -1;
		}
	}
	pthread_mutex_lock(&logger.lock);
	if (logger.journal_fd >= 0)
		close(logger.journal_fd);
	logger.journal_fd = fd;
	snprintf(logger.name, sizeof(logger.name), "%s", name);
	pthread_mutex_unlock(&logger.lock);
	return ret;
}

/* One datagram. The message is one line by then, so the simple form of a field will do. */
static bool
journal_send(enum tw_log_area area, enum tw_log_level level, const char *msg)
{
	char buf[TW_LOG_MSG_MAX + 256];
	int len;

	len = snprintf(buf, sizeof(buf),
		"PRIORITY=%d\nSYSLOG_IDENTIFIER=twampline\nTWAMPLINE_NAME=%s\n"
		"TWAMPLINE_AREA=%s\nMESSAGE=%s: %s\n",
		(int)level, logger.name, area_names[area], area_names[area], msg);
	if (len < 0 || (size_t)len >= sizeof(buf))
		return false;
	return send(logger.journal_fd, buf, (size_t)len, MSG_NOSIGNAL) == len;
}

static bool
stderr_send(enum tw_log_area area, enum tw_log_level level, const char *msg)
{
	struct pollfd pfd = {.fd = STDERR_FILENO, .events = POLLOUT};
	char buf[TW_LOG_MSG_MAX + 128];
	struct timespec ts;
	struct tm tm;
	char stamp[32];
	int len;

	clock_gettime(CLOCK_REALTIME, &ts);
	gmtime_r(&ts.tv_sec, &tm);
	strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &tm);
	len = snprintf(buf, sizeof(buf), "%s.%03dZ %s %s: %s\n", stamp, (int)(ts.tv_nsec / 1000000),
		level_names[level], area_names[area], msg);
	if (len < 0)
		return false;
	if ((size_t)len >= sizeof(buf))
		len = sizeof(buf) - 1;
	/* a pipe nobody reads must not stop the control lcore */
	if (poll(&pfd, 1, 0) != 1 || (pfd.revents & POLLOUT) == 0)
		return false;
	return write(STDERR_FILENO, buf, (size_t)len) == len;
}

static void
emit(enum tw_log_area area, enum tw_log_level level, const char *msg)
{
	bool ok = logger.journal_fd >= 0 ? journal_send(area, level, msg)
					 : stderr_send(area, level, msg);

	if (!ok)
		atomic_fetch_add_explicit(&logger.lost, 1, memory_order_relaxed);
}

/* Take a token; false: over the rate. */
static bool
bucket_take(struct bucket *b)
{
	struct timespec ts;
	int64_t now, fresh;

	clock_gettime(CLOCK_MONOTONIC_COARSE, &ts);
	now = (int64_t)ts.tv_sec * NS_PER_S + ts.tv_nsec;
	if (b->filled_ns == 0) {
		b->filled_ns = now;
		b->tokens = TW_LOG_BURST;
	}
	fresh = (now - b->filled_ns) * TW_LOG_RATE / NS_PER_S;
	if (fresh > 0) {
		b->filled_ns = now;
		b->tokens = fresh + b->tokens > TW_LOG_BURST ? TW_LOG_BURST
							     : b->tokens + (uint32_t)fresh;
	}
	if (b->tokens == 0) {
		b->held_back++;
		return false;
	}
	b->tokens--;
	return true;
}

/* Peers choose some of the text (KeyIDs): no control character may forge a line or a terminal. */
static void
clean(char *msg)
{
	for (; *msg != '\0'; msg++)
		if ((unsigned char)*msg < 0x20 || *msg == 0x7F)
			*msg = ' ';
}

void
tw_log(enum tw_log_area area, enum tw_log_level level, const char *fmt, ...)
{
	char msg[TW_LOG_MSG_MAX], note[64];
	int saved = errno;
	va_list ap;
	uint32_t held_back;

	if (is_forbidden) {
		atomic_fetch_add_explicit(&logger.lost, 1, memory_order_relaxed);
		return;
	}
	if (!tw_log_is_shown(area, level))
		return;
	va_start(ap, fmt);
	vsnprintf(msg, sizeof(msg), fmt, ap);
	va_end(ap);
	clean(msg);
	pthread_mutex_lock(&logger.lock);
	if (bucket_take(&logger.bucket[area])) {
		held_back = logger.bucket[area].held_back;
		logger.bucket[area].held_back = 0;
		if (held_back > 0) {
			snprintf(note, sizeof(note), "%u messages not shown (rate)", held_back);
			emit(area, TW_LOG_NOTICE, note);
		}
		emit(area, level, msg);
	} else {
		atomic_fetch_add_explicit(&logger.lost, 1, memory_order_relaxed);
	}
	pthread_mutex_unlock(&logger.lock);
	errno = saved;
}

bool
tw_log_is_shown(enum tw_log_area area, enum tw_log_level level)
{
	return (int)level <= atomic_load_explicit(&logger.level[area], memory_order_relaxed);
}

void
tw_log_level_set(enum tw_log_area area, enum tw_log_level level)
{
	unsigned i;

	for (i = 0; i < TW_LOG_AREA_N; i++)
		if (area == TW_LOG_AREA_N || area == i)
			atomic_store_explicit(&logger.level[i], (int)level, memory_order_relaxed);
}

enum tw_log_level
tw_log_level_get(enum tw_log_area area)
{
	return (enum tw_log_level)atomic_load_explicit(&logger.level[area], memory_order_relaxed);
}

const char *
tw_log_area_name(enum tw_log_area area)
{
	return area_names[area];
}

const char *
tw_log_level_name(enum tw_log_level level)
{
	return level_names[level];
}

int
tw_log_area_find(const char *name)
{
	int i;

	for (i = 0; i < TW_LOG_AREA_N; i++)
		if (strcmp(area_names[i], name) == 0)
			return i;
	return -ENOENT;
}

int
tw_log_level_find(const char *name)
{
	int i;

	for (i = TW_LOG_ERROR; i <= TW_LOG_DEBUG; i++)
		if (strcmp(level_names[i], name) == 0)
			return i;
	return -ENOENT;
}

uint64_t
tw_log_lost(void)
{
	return atomic_load_explicit(&logger.lost, memory_order_relaxed);
}

void
tw_log_forbid(void)
{
	is_forbidden = true;
}
