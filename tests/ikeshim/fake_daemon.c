/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
#include <criterion/criterion.h>
#include <endian.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "fake_daemon.h"

#define WATCHED_MAX 32

struct fake fake;

static struct watched {
	enum ippm_watch what;
	int fd;
	void *data;
	bool on;
} watched[WATCHED_MAX];

static void
watch(void *ctx, enum ippm_watch what, int fd, void *data)
{
	(void)ctx;
	for (unsigned i = 0; i < WATCHED_MAX; i++) {
		if (watched[i].on)
			continue;
		watched[i] = (struct watched){what, fd, data, true};
		return;
	}
	cr_assert_fail("too much is watched");
}

static uint32_t
peer_flags(void *ctx, const struct ippm_addr *peer)
{
	(void)ctx;
	(void)peer;
	return fake.peer_flags;
}

static enum ippm_status
initiate(void *ctx, uint64_t ticket, const struct ippm_request *req)
{
	(void)ctx;
	(void)req;
	fake.ticket = ticket;
	fake.set_ups++;
	return fake.initiate;
}

static void
start_ticks(void *ctx)
{
	(void)ctx;
	fake.ticks++;
}

static uint64_t
now_ms(void *ctx)
{
	(void)ctx;
	return fake.now_ms;
}

static void
count_log(void *ctx, const char *text)
{
	(void)ctx;
	(void)text;
	fake.logs++;
}

void
fake_start(void)
{
	const struct ippm_ops ops = {
		NULL, watch, peer_flags, initiate, start_ticks, now_ms, count_log};

	fake.now_ms = 1000;
	snprintf(fake.path, sizeof(fake.path), "/tmp/ippm-test-%d", (int)getpid());
	fake.srv = ippm_server_new(&ops, fake.path, getuid(), "fake", "1.0");
	cr_assert_not_null(fake.srv);
}

void
fake_stop(void)
{
	ippm_server_free(fake.srv);
	cr_assert_neq(access(fake.path, F_OK), 0);
}

/* Call one watched descriptor if it is ready. */
static bool
call_ready(struct watched *w)
{
	struct watched copy = *w;
	struct pollfd p = {.fd = w->fd, .events = w->what == IPPM_WATCH_WRITE ? POLLOUT : POLLIN};
	bool keep;

	if (!w->on || poll(&p, 1, 0) != 1)
		return false;
	w->on = false; /* as the daemon does while the callback runs */
	switch (copy.what) {
	case IPPM_WATCH_ACCEPT:
		keep = ippm_server_accept(copy.data);
		break;
	case IPPM_WATCH_READ:
		keep = ippm_client_read(copy.data);
		break;
	default:
		keep = ippm_client_write(copy.data);
		break;
	}
	if (keep)
		watch(NULL, copy.what, copy.fd, copy.data);
	return true;
}

void
fake_turn(void)
{
	unsigned turns = 0;

	for (bool any = true; any;) {
		any = false;
		for (unsigned i = 0; i < WATCHED_MAX; i++)
			any |= call_ready(&watched[i]);
		cr_assert_lt(++turns, 10000, "the server spins");
	}
}

int
fake_open(void)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0);

	strcpy(addr.sun_path, fake.path);
	cr_assert_eq(connect(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	fake_turn();
	return fd;
}

int
fake_connect(struct ippm_hello *hello)
{
	struct ippm_hello first;
	int fd = fake_open();

	cr_assert_eq(fake_recv(fd, &first, sizeof(first)), IPPM_HELLO);
	if (hello)
		*hello = first;
	return fd;
}

void
fake_send(int fd, const void *rec, size_t len)
{
	cr_assert_eq(send(fd, rec, len, MSG_NOSIGNAL), (ssize_t)len);
	fake_turn();
}

int
fake_recv(int fd, void *rec, size_t size)
{
	uint8_t buf[2048];
	struct ippm_hdr hdr;
	ssize_t len = recv(fd, buf, sizeof(buf), 0);

	fake_turn();
	if (len < 0)
		return 0;
	if (len == 0)
		return -1;
	memcpy(&hdr, buf, sizeof(hdr));
	cr_assert_eq(be32toh(hdr.size_be), len);
	cr_assert_eq(be16toh(hdr.version_be), IPPM_VERSION);
	if (rec) {
		cr_assert_eq(len, (ssize_t)size);
		memcpy(rec, buf, size);
	}
	return be16toh(hdr.type_be);
}

int
fake_result(int fd, struct ippm_result *res)
{
	struct ippm_result own;

	res = res ? res : &own;
	cr_assert_eq(fake_recv(fd, res, sizeof(*res)), IPPM_RESULT);
	return be16toh(res->status_be);
}

struct ippm_hdr
fake_hdr(uint16_t type, size_t size, uint64_t seq)
{
	return (struct ippm_hdr){
		htobe16(IPPM_VERSION), htobe16(type), htobe32((uint32_t)size), htobe64(seq)};
}

struct ippm_addr
fake_addr(uint8_t n)
{
	return (struct ippm_addr){.family = 4, .port_be = htobe16(500), .addr = {192, 0, 2, n}};
}

struct ippm_sa
fake_sa(uint8_t n)
{
	struct ippm_sa sa = {
		.role = IPPM_INITIATOR,
		.local = fake_addr(250),
		.remote = fake_addr(n),
		.prf_be = htobe16(5),
		.key_len_be = htobe16(32),
	};

	memset(sa.spi_i, n, sizeof(sa.spi_i));
	memset(sa.spi_r, n ^ 0xff, sizeof(sa.spi_r));
	memset(sa.key, n, 32);
	sa.remote_id.type = 2;
	sa.remote_id.len_be = htobe16(
		(uint16_t)snprintf(sa.remote_id.text, sizeof(sa.remote_id.text), "peer-%u", n));
	return sa;
}

const void *
fake_owner(unsigned n)
{
	static const char owners[4096];

	cr_assert_lt(n, sizeof(owners));
	return &owners[n];
}
