/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The daemon's side of the socket for IKEv2-derived keys, with no daemon behind it: packets of a
 * client between events of SAs. Input: steps of one octet (what) and, for a packet, one more octet
 * times two (its length) and the packet. Every request gets one RESULT in the right place, answers
 * are of the size they say, and only established SAs carry a key.
 */
#include <endian.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "fuzz.h"
#include "ippm_server_i.h"

static struct ippm_server server;
static uint64_t now_ms, last_ticket;
static bool reads, writes;

static void
watch(void *ctx, enum ippm_watch what, int fd, void *data)
{
	(void)ctx;
	(void)fd;
	(void)data;
	CHECK(what != IPPM_WATCH_ACCEPT);
	*(what == IPPM_WATCH_READ ? &reads : &writes) = true;
}

static uint32_t
peer_flags(void *ctx, const struct ippm_addr *peer)
{
	(void)ctx;
	CHECK(peer->family == 4 || peer->family == 6);
	return peer->addr[0] & 1 ? IPPM_F_KNOWN_PEER : 0;
}

static enum ippm_status
initiate(void *ctx, uint64_t ticket, const struct ippm_request *req)
{
	(void)ctx;
	CHECK(req->deadline_ms > 0 && req->deadline_ms <= IPPM_DEADLINE_MS);
	CHECK(strlen(req->connection) <= IPPM_NAME_MAX && strlen(req->remote_id) <= IPPM_ID_MAX);
	last_ticket = ticket;
	return req->peer.addr[1] & 1 ? IPPM_NO_CONNECTION : IPPM_OK;
}

static void
start_ticks(void *ctx)
{
	(void)ctx;
}

static uint64_t
get_now_ms(void *ctx)
{
	(void)ctx;
	return now_ms;
}

static void
take_log(void *ctx, const char *text)
{
	(void)ctx;
	CHECK(text[0] != '\0');
}

/* Read what the server sent; false at the end of the connection. */
static bool
drain(int fd)
{
	union {
		struct ippm_hdr hdr;
		struct ippm_sa sa;
		struct ippm_result result;
		uint8_t octets[2048];
	} in;
	ssize_t len;

	while ((len = recv(fd, &in, sizeof(in), MSG_DONTWAIT)) > 0) {
		uint16_t type = be16toh(in.hdr.type_be);

		CHECK(be16toh(in.hdr.version_be) == IPPM_VERSION);
		CHECK(be32toh(in.hdr.size_be) == (size_t)len);
		if (type == IPPM_RESULT) {
			CHECK(len == sizeof(in.result));
			CHECK(be32toh(in.result.cnt_be) <= IPPM_PAGE_MAX);
		} else if (type != IPPM_HELLO) {
			CHECK(len == sizeof(in.sa));
			CHECK(be64toh(in.sa.serial_be) > 0);
			CHECK((in.sa.key_len_be != 0) == (in.sa.state == IPPM_S_ESTABLISHED ||
								 in.sa.state == IPPM_S_SUPERSEDED));
		}
	}
	return len < 0;
}

static const void *
owner_of(unsigned n)
{
	static const char owners[8];

	return &owners[n % sizeof(owners)];
}

static void
happen(unsigned what, unsigned n)
{
	struct ippm_sa rec = {
		.role = IPPM_INITIATOR, .remote = {.family = 4, .addr = {(uint8_t)n}}};

	rec.spi_i[0] = (uint8_t)n;
	if (what == 1 || what == 2)
		rec.key_len_be = htobe16(32);
	switch (what) {
	case 0:
		/* a daemon does not set up what is established */
		if (!ippm_store_find(&server.store, owner_of(n)))
			ippm_server_connecting(&server, owner_of(n), &rec);
		break;
	case 1:
		ippm_server_up(&server, owner_of(n), &rec);
		break;
	case 2:
		ippm_server_rekeyed(&server, owner_of(n), owner_of(n + 1), &rec);
		break;
	case 3:
		ippm_server_claim(&server, last_ticket, owner_of(n));
		break;
	case 4:
		now_ms += n * 100;
		ippm_server_tick(&server);
		break;
	case 5:
		rec.ts_cnt_be = htobe16(n % IPPM_TS_MAX);
		ippm_server_children(&server, owner_of(n), &rec);
		break;
	default:
		ippm_server_gone(&server, owner_of(n));
		break;
	}
}

static struct ippm_client *
start(int fd)
{
	struct ippm_client *cl;

	memset(&server, 0, sizeof(server));
	server.ops = (struct ippm_ops){
		NULL, watch, peer_flags, initiate, start_ticks, get_now_ms, take_log};
	pthread_mutex_init(&server.mutex, NULL);
	now_ms = 1000;
	reads = writes = false;
	cl = ippm_client_new(&server, 1, fd);
	CHECK(cl != NULL);
	server.clients = cl;
	server.client_cnt = 1;
	reads = cl->reads = true;
	return cl;
}

/* Callbacks as long as a descriptor is ready; false when the client is gone. */
static bool
turn(struct ippm_client *cl)
{
	while (reads || writes) {
		struct pollfd p[2] = {{.fd = reads ? cl->rfd[0] : -1, .events = POLLIN},
			{.fd = writes ? cl->wfd[0] : -1, .events = POLLOUT}};

		if (poll(p, 2, 0) == 0)
			return true;
		if (p[0].revents)
			reads = false, reads |= ippm_client_read(cl);
		else
			writes = false, writes |= ippm_client_write(cl);
	}
	return false;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *end = data + size;
	struct ippm_client *cl;
	int pair[2];
	bool alive = true;

	CHECK(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair) == 0);
	cl = start(pair[0]);
	while (alive && end - data >= 2) {
		uint8_t what = *data++ & 15, n = *data++;

		if (what < 8) {
			happen(what, n);
		} else {
			size_t len = n * 2u < (size_t)(end - data) ? n * 2u : (size_t)(end - data);

			CHECK(len == 0 || send(pair[1], data, len, MSG_NOSIGNAL) >= 0);
			data += len;
		}
		alive = turn(cl);
		drain(pair[1]);
	}
	close(pair[1]);
	if (alive)
		CHECK(!turn(cl));
	CHECK(server.client_cnt == 0 && !server.clients);
	ippm_store_fini(&server.store);
	pthread_mutex_destroy(&server.mutex);
	return 0;
}
