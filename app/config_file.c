/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Configuration files, line by line.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "config_file.h"
#include "ops.h"
#include "tw_base.h"
#include "tw_crypto.h"

#define BUF_SIZE 32768
#define GO_ON_MS 100

struct reader {
	const char *path;
	tw_config_line_fn fn;
	void *arg;
	char *buf; /* BUF_SIZE octets of secret memory */
	size_t len;
	unsigned line_no;
	char *why;
	size_t why_size;
	tw_config_go_on_fn go_on; /* or NULL */
};

/* Hand out one line. @return 0 or -ECANCELED, -EMSGSIZE */
static int
take_line(struct reader *r, const char *p, size_t len)
{
	r->line_no++;
	if (len > 0 && p[len - 1] == '\r')
		len--;
	if (len > TW_CONFIG_LINE_MAX) {
		snprintf(r->why, r->why_size, "%s:%u: the line is longer than %d octets", r->path,
			r->line_no, TW_CONFIG_LINE_MAX);
		return -EMSGSIZE;
	}
	return r->fn(r->arg, p, len, r->line_no) ? 0 : -ECANCELED;
}

/* Hand out all whole lines in the buffer and keep the rest. */
static int
take_lines(struct reader *r, bool is_end)
{
	size_t at = 0;
	int res = 0;

	while (res == 0 && at < r->len) {
		char *end = memchr(r->buf + at, '\n', r->len - at);
		size_t n = end ? (size_t)(end - r->buf) - at : r->len - at;

		if (end == NULL && !is_end && n <= TW_CONFIG_LINE_MAX)
			break;
		res = take_line(r, r->buf + at, n);
		at += n + (end != NULL);
	}
	if (at > r->len)
		at = r->len;
	memmove(r->buf, r->buf + at, r->len - at);
	tw_crypto_wipe(r->buf + r->len - at, at);
	r->len -= at;
	return res;
}

/* Wait for input. @return false if told to stop */
static bool
wait_for_input(struct reader *r, int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	while (r->go_on != NULL && r->go_on(r->arg)) {
		if (poll(&p, 1, GO_ON_MS) > 0)
			return true;
	}
	return r->go_on == NULL;
}

static int
read_all(struct reader *r, int fd)
{
	int res = 0;

	while (res == 0 && wait_for_input(r, fd)) {
		ssize_t n = read(fd, r->buf + r->len, BUF_SIZE - r->len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			res = -errno;
			snprintf(r->why, r->why_size, "%s: cannot be read: %s", r->path,
				strerror(-res));
			break;
		}
		r->len += (size_t)n;
		res = take_lines(r, n == 0);
		if (n == 0)
			break;
	}
	return res;
}

int
tw_config_fd_read(int fd, const char *name, tw_config_line_fn fn, tw_config_go_on_fn go_on,
	void *arg, char *why, size_t why_size)
{
	struct reader r = {.path = name,
		.fn = fn,
		.go_on = go_on,
		.arg = arg,
		.why = why,
		.why_size = why_size};
	int res;

	/* from the heap: after the change of user this thread may not lock memory of its own */
	r.buf = tw_crypto_alloc(BUF_SIZE);
	if (r.buf == NULL) {
		snprintf(why, why_size, "%s: no secret memory is left to read it into", name);
		return -ENOMEM;
	}
	res = read_all(&r, fd);
	tw_crypto_free(r.buf);
	return res;
}

int
tw_config_file_read(const char *path, tw_config_line_fn fn, void *arg, char *why, size_t why_size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int res;

	if (fd < 0) {
		res = -errno;
		snprintf(why, why_size,
			"%s: cannot be opened: %s; name an existing file that the appliance may "
			"read",
			path, strerror(-res));
		return res;
	}
	res = tw_config_fd_read(fd, path, fn, NULL, arg, why, why_size);
	close(fd);
	return res;
}

struct preload {
	struct tw_config *cfg;
	const char *path;
	struct {
		struct tw_args_words words;
		struct tw_args args;
	} * mem; /* secret memory: other lines hold secrets */
	char *why;
	size_t why_size;
	int res;
};

/* What is wrong with other lines is said when they are loaded. */
static bool
preload_line(void *arg, const char *line, size_t len, unsigned line_no)
{
	struct preload *p = arg;
	const struct tw_op *op = tw_ops_find("config", 6, "set", 3);
	const struct tw_conf_key *rows = tw_config_rows();
	const struct tw_args_words *w = &p->mem->words;
	const struct tw_conf_key *key;
	struct tw_conf_err err;
	const char *text;
	size_t text_len;

	TW_ASSERT(op != NULL);
	if (!tw_args_split(line, len, &p->mem->words, &err) || w->cnt < 2 ||
		strcmp(w->w[0].p, op->verb) != 0 || strcmp(w->w[1].p, op->noun) != 0 ||
		!tw_args_from_words(&p->mem->args, op->keys, op->key_cnt, w, 2, &err))
		return true;
	key = tw_conf_find(rows, TW_CFG_N, tw_args_str(&p->mem->args, "key"));
	if (key == NULL || tw_config_is_live((enum tw_config_id)(key - rows)))
		return true;
	text = tw_args_bytes(&p->mem->args, "value", &text_len);
	if (tw_config_set(p->cfg, key->name, text, text_len, &err))
		return true;
	snprintf(p->why, p->why_size, "%s:%u: %s", p->path, line_no, err.text);
	p->res = -EINVAL;
	return false;
}

int
tw_config_preload(struct tw_config *cfg, const char *path, char *why, size_t why_size)
{
	struct preload p = {.cfg = cfg, .path = path, .why = why, .why_size = why_size};
	int res;

	p.mem = tw_crypto_map(sizeof(*p.mem));
	if (p.mem == NULL) {
		snprintf(why, why_size,
			"%s: no secret memory to read it into; raise LimitMEMLOCK (ulimit -l)",
			path);
		return -ENOMEM;
	}
	res = tw_config_file_read(path, preload_line, &p, why, why_size);
	tw_crypto_unmap(p.mem, sizeof(*p.mem));
	return p.res ? p.res : res;
}
