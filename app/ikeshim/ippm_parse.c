/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/* Copyright (c) 2026 The twampline authors */
/*
 * Requests of the socket protocol: size by table, then each field by its own reader.
 */
#include <endian.h>
#include <stdbool.h>
#include <string.h>

#include "ippm_parse.h"

union request {
	struct ippm_hdr hdr;
	struct ippm_list list;
	struct ippm_lookup_spi lookup_spi;
	struct ippm_lookup_peer lookup_peer;
	struct ippm_initiate initiate;
};

static const uint16_t sizes[] = {
	[IPPM_STATUS] = sizeof(struct ippm_hdr),
	[IPPM_SUBSCRIBE] = sizeof(struct ippm_hdr),
	[IPPM_LIST] = sizeof(struct ippm_list),
	[IPPM_LOOKUP_SPI] = sizeof(struct ippm_lookup_spi),
	[IPPM_LOOKUP_PEER] = sizeof(struct ippm_lookup_peer),
	[IPPM_INITIATE] = sizeof(struct ippm_initiate),
};

/* An address without the octets its family does not use. */
static bool
read_addr(struct ippm_addr *out, const struct ippm_addr *in)
{
	if (in->family != 4 && in->family != 6)
		return false;
	out->family = in->family;
	out->port_be = in->port_be;
	memcpy(out->addr, in->addr, in->family == 4 ? 4 : 16);
	return true;
}

/* Text that may be logged and compared: no control characters, no zero inside. */
static bool
read_text(char *out, const char *in, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((uint8_t)in[i] < 0x20 || in[i] == 0x7f)
			return false;
	memcpy(out, in, len);
	out[len] = '\0';
	return true;
}

static bool
read_id(char *out, const struct ippm_id *in)
{
	size_t len = be16toh(in->len_be);

	return len <= sizeof(in->text) && read_text(out, in->text, len);
}

static bool
read_initiate(struct ippm_request *req, const struct ippm_initiate *in)
{
	req->deadline_ms = be32toh(in->deadline_ms_be);
	return read_addr(&req->peer, &in->peer) &&
	       (in->local.family == 0 || (in->local.family == in->peer.family &&
						 read_addr(&req->local, &in->local))) &&
	       req->deadline_ms > 0 && req->deadline_ms <= IPPM_DEADLINE_MS &&
	       read_text(req->connection, in->connection,
		       strnlen(in->connection, sizeof(in->connection))) &&
	       read_id(req->remote_id, &in->remote_id);
}

enum ippm_status
ippm_parse(const void *buf, size_t len, struct ippm_request *req)
{
	union request in;
	bool ok = true;

	memset(req, 0, sizeof(*req));
	if (len < offsetof(struct ippm_hdr, seq_be) || len > sizeof(in))
		return IPPM_BAD_REQUEST;
	memset(&in, 0, sizeof(in));
	memcpy(&in, buf, len);
	if (len >= sizeof(in.hdr))
		req->seq_be = in.hdr.seq_be;
	req->type = be16toh(in.hdr.type_be);
	if (be16toh(in.hdr.version_be) != IPPM_VERSION)
		return IPPM_BAD_VERSION;
	if (req->type == 0 || req->type >= sizeof(sizes) / sizeof(sizes[0]) ||
		len != sizes[req->type] || be32toh(in.hdr.size_be) != len)
		return IPPM_BAD_REQUEST;
	switch (req->type) {
	case IPPM_LIST:
		req->cursor = be64toh(in.list.cursor_be);
		break;
	case IPPM_LOOKUP_SPI:
		memcpy(req->spi_i, in.lookup_spi.spi_i, sizeof(req->spi_i));
		memcpy(req->spi_r, in.lookup_spi.spi_r, sizeof(req->spi_r));
		break;
	case IPPM_LOOKUP_PEER:
		ok = read_addr(&req->peer, &in.lookup_peer.peer) &&
		     read_id(req->remote_id, &in.lookup_peer.remote_id);
		break;
	case IPPM_INITIATE:
		ok = read_initiate(req, &in.initiate);
		break;
	default:
		break;
	}
	return ok ? IPPM_OK : IPPM_BAD_REQUEST;
}
