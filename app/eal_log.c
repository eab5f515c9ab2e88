/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * A stdio stream whose write function is our logger. DPDK writes whole lines, one or more a call.
 */
#include "eal_log.h"

#include <stdio.h>
#include <string.h>

#include <rte_log.h>

#include "log.h"

static enum tw_log_level
level_now(void)
{
	switch (rte_log_cur_msg_loglevel()) {
	case RTE_LOG_EMERG:
	case RTE_LOG_ALERT:
	case RTE_LOG_CRIT:
	case RTE_LOG_ERR:
		return TW_LOG_ERROR;
	case RTE_LOG_WARNING:
		return TW_LOG_WARNING;
	case RTE_LOG_NOTICE:
		return TW_LOG_NOTICE;
	case RTE_LOG_INFO:
		return TW_LOG_INFO;
	default:
		return TW_LOG_DEBUG;
	}
}

static ssize_t
on_write(void *cookie, const char *buf, size_t size)
{
	const char *end, *p = buf;
	size_t left = size, len;

	(void)cookie;
	while (left > 0) {
		end = memchr(p, '\n', left);
		len = end != NULL ? (size_t)(end - p) : left;
		if (len > 0)
			tw_log(TW_LOG_EAL, level_now(), "%.*s", (int)len, p);
		len += end != NULL;
		p += len;
		left -= len;
	}
	return (ssize_t)size;
}

void
tw_eal_log_open(void)
{
	FILE *f = fopencookie(NULL, "w", (cookie_io_functions_t){.write = on_write});

	if (f == NULL)
		return;
	setvbuf(f, NULL, _IOLBF, BUFSIZ);
	rte_openlog_stream(f);
}
