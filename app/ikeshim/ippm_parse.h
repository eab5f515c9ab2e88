/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/* Copyright (c) 2026 The twampline authors */
/*
 * Requests of the socket protocol from octets: what a client says is checked here, once, and
 * nowhere else. Context: any thread; no state, no allocation, nothing of charon.
 */
#ifndef IPPM_PARSE_H
#define IPPM_PARSE_H

#include "ippm_socket.h"

/* A request whose every field is within its bounds; what its type does not have is zero. */
struct ippm_request {
	uint16_t type;   /* enum ippm_type, a request */
	uint64_t seq_be; /* as it came, for the answer */
	uint64_t cursor;
	uint8_t spi_i[IPPM_SPI_LEN];
	uint8_t spi_r[IPPM_SPI_LEN];
	struct ippm_addr peer;
	struct ippm_addr local; /* family 0: any */
	uint32_t deadline_ms;
	char connection[IPPM_NAME_MAX + 1]; /* "": any */
	char remote_id[IPPM_ID_MAX + 1];    /* "": any */
};

/**
 * Read a request.
 *
 * @param buf  one packet, any alignment
 * @param len  its octets; more than the buffer took counts as a bad size
 * @param req  the request; after an error only type and seq_be are meant, for the answer
 * @return IPPM_OK, IPPM_BAD_VERSION or IPPM_BAD_REQUEST
 */
enum ippm_status ippm_parse(const void *buf, size_t len, struct ippm_request *req);

#endif
