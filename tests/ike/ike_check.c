/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
#include "ike_check.h"

#include <stdio.h>

static uint16_t
be16(uint16_t v)
{
	return __builtin_bswap16(v);
}

static uint32_t
be32(uint32_t v)
{
	return __builtin_bswap32(v);
}

static uint64_t
be64(uint64_t v)
{
	return __builtin_bswap64(v);
}

static struct ippm_hdr
hdr(uint16_t type, size_t size, uint64_t seq)
{
	return (struct ippm_hdr){.version_be = be16(IPPM_VERSION),
		.type_be = be16(type),
		.size_be = be32((uint32_t)size),
		.seq_be = be64(seq)};
}

struct ippm_hello
ike_hello(uint8_t boot)
{
	struct ippm_hello h = {.hdr = hdr(IPPM_HELLO, sizeof(h), 0),
		.version_min_be = be16(1),
		.version_max_be = be16(3),
		.sa_cnt_be = be32(7),
		.started_be = be64(1700000000),
		.name = "strongswan",
		.release = "5.9.8",
		.not_shown_be = be32(9)};

	memset(h.boot_id, boot, sizeof(h.boot_id));
	return h;
}

struct ippm_result
ike_result(uint64_t seq, uint16_t request, uint16_t status, uint64_t cursor)
{
	return (struct ippm_result){.hdr = hdr(IPPM_RESULT, sizeof(struct ippm_result), seq),
		.status_be = be16(status),
		.request_be = be16(request),
		.cursor_be = be64(cursor)};
}

static void
id_set(struct ippm_id *id, const char *text)
{
	id->type = 2;
	id->len_be = be16((uint16_t)strlen(text));
	memcpy(id->text, text, strlen(text));
}

struct tw_ike_spis
ike_spis(uint8_t n)
{
	struct tw_ike_spis s;

	memset(s.i, n, sizeof(s.i));
	memset(s.r, n + 0x80, sizeof(s.r));
	return s;
}

struct tw_addr
ike_peer(uint8_t n)
{
	const uint8_t b[4] = {192, 0, 2, n};

	return tw_addr_make(TW_ADDR_V4, b);
}

struct ippm_sa
ike_sa(uint16_t type, uint8_t state, uint8_t n)
{
	struct ippm_sa sa = {.hdr = hdr(type, sizeof(sa), 0),
		.serial_be = be64(n),
		.established_be = be64(1700000000U + n),
		.state = state,
		.role = IPPM_INITIATOR,
		.local = {.family = 4, .port_be = be16(500), .addr = {192, 0, 2, 254}},
		.remote = {.family = 4, .port_be = be16(4500), .addr = {192, 0, 2, n}},
		.prf_be = be16(5),
		.connection = "lab"};
	struct tw_ike_spis s = ike_spis(n);
	char text[32];

	memcpy(sa.spi_i, s.i, sizeof(sa.spi_i));
	memcpy(sa.spi_r, s.r, sizeof(sa.spi_r));
	id_set(&sa.local_id, "me.lab");
	snprintf(text, sizeof(text), "peer%u.lab", n);
	id_set(&sa.remote_id, text);
	if (state == IPPM_S_ESTABLISHED || state == IPPM_S_SUPERSEDED) {
		sa.key_len_be = be16(32);
		memset(sa.key, n, 32);
	}
	return sa;
}

struct tw_ike_sa
ike_stored(uint8_t n)
{
	struct tw_ike_sa sa;

	memset(&sa, 0, sizeof(sa));
	sa.spis = ike_spis(n);
	sa.serial = n;
	sa.established_s = 1700000000U + n;
	sa.state = TW_IKE_ESTABLISHED;
	sa.prf = 5;
	sa.key_len = 32;
	sa.remote = ike_peer(n);
	snprintf(sa.remote_id, sizeof(sa.remote_id), "peer%u.lab", n);
	return sa;
}

struct tw_secret *
ike_key(uint8_t n)
{
	uint8_t octets[32];

	memset(octets, n, sizeof(octets));
	return tw_secret_new(octets, sizeof(octets));
}
