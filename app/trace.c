/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Reading traces.
 */
#include "trace.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "config_file.h"
#include "tw_conf.h"
#include "tw_session.h"

static const struct tw_conf_key gap_key = {.name = "gap_ns",
	.type = TW_CONF_DURATION,
	.min = 0,
	.max = TW_SEND_INTERVAL_MAX_NS,
	.help = "time since the packet before"};

struct reading {
	const char *path;
	struct tw_trace *trace; /* room for TW_SEND_TRACE_MAX */
	uint64_t sum_ns;
	char *why;
	size_t why_size;
	int res;
};

static bool
on_line(void *arg, const char *line, size_t len, unsigned line_no)
{
	struct reading *r = arg;
	const char *comment = memchr(line, '#', len);
	struct tw_conf_value v;
	struct tw_conf_err err;

	if (comment != NULL)
		len = (size_t)(comment - line);
	while (len > 0 && (line[len - 1] == ' ' || line[len - 1] == '\t' || line[len - 1] == '\r'))
		len--;
	for (; len > 0 && (*line == ' ' || *line == '\t'); line++)
		len--;
	if (len == 0)
		return true;
	if (r->trace->cnt == TW_SEND_TRACE_MAX) {
		r->res = -E2BIG;
		snprintf(r->why, r->why_size, "%s:%u: more than %u gaps", r->path, line_no,
			TW_SEND_TRACE_MAX);
		return false;
	}
	if (!tw_conf_parse(&gap_key, line, len, &v, &err)) {
		r->res = -EINVAL;
		snprintf(r->why, r->why_size, "%s:%u: %s", r->path, line_no, err.text);
		return false;
	}
	r->trace->gap_ns[r->trace->cnt++] = (uint64_t)v.i64;
	r->sum_ns += (uint64_t)v.i64;
	return true;
}

/* A pipe or a device would keep the control lcore waiting. */
static int
open_regular(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		return fd;
	close(fd);
	return -EINVAL;
}

static int
read_gaps(struct reading *r)
{
	int fd = open_regular(r->path);
	int res;

	if (fd < 0) {
		snprintf(r->why, r->why_size,
			"%s: %s; name a regular file that the appliance may read", r->path,
			fd == -EINVAL ? "no regular file" : strerror(-fd));
		return fd;
	}
	res = tw_config_fd_read(fd, r->path, on_line, NULL, r, r->why, r->why_size);
	close(fd);
	if (res != 0)
		return r->res != 0 ? r->res : res;
	if (r->trace->cnt != 0 && r->sum_ns >= (uint64_t)r->trace->cnt * TW_SEND_INTERVAL_MIN_NS)
		return 0;
	snprintf(r->why, r->why_size, "%s: %s", r->path,
		r->trace->cnt == 0 ? "no gaps in it: write one a line, as 20us or 1.5ms"
				   : "the gaps are below 1 us on average");
	return -EINVAL;
}

int
tw_trace_read(const char *path, struct tw_trace **out, char *why, size_t why_size)
{
	struct reading r = {.path = path, .why = why, .why_size = why_size};
	int res;

	r.trace = calloc(1, sizeof(*r.trace) + TW_SEND_TRACE_MAX * sizeof(r.trace->gap_ns[0]));
	if (r.trace == NULL) {
		snprintf(why, why_size, "%s: no memory to read it into", path);
		return -ENOMEM;
	}
	r.trace->refs = 1;
	res = read_gaps(&r);
	if (res != 0) {
		free(r.trace);
		return res;
	}
	r.trace->mean_ns = (r.sum_ns + r.trace->cnt / 2) / r.trace->cnt;
	*out = r.trace;
	return 0;
}

struct tw_trace *
tw_trace_hold(struct tw_trace *t)
{
	if (t != NULL)
		t->refs++;
	return t;
}

void
tw_trace_drop(void *trace)
{
	struct tw_trace *t = trace;

	if (t != NULL && --t->refs == 0)
		free(t);
}
