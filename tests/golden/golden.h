/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Recorded sessions for tests: the values of vectors.json and the streams and packets of the
 * captures (see README.md here). Every function ends the test if what it is asked for is not there,
 * so callers need not check. A folder uses it with `libs = [..., 'golden']`.
 */
#ifndef GOLDEN_H
#define GOLDEN_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tw_addr.h"

/* G(name as in a C identifier, name of the files, is TWAMP) */
#define GOLDEN_SESSIONS(G)                                                                         \
	G(twamp_unauth, "twamp-unauth", true)                                                      \
	G(twamp_unauth_pad0, "twamp-unauth-pad0", true)                                            \
	G(twamp_unauth_pad200_ef, "twamp-unauth-pad200-ef", true)                                  \
	G(twamp_auth, "twamp-auth", true)                                                          \
	G(twamp_auth_pad200, "twamp-auth-pad200", true)                                            \
	G(twamp_encr, "twamp-encr", true)                                                          \
	G(twamp_encr_v6_pad0_ef, "twamp-encr-v6-pad0-ef", true)                                    \
	G(twamp_mixed, "twamp-mixed", true)                                                        \
	G(owamp_unauth, "owamp-unauth", false)                                                     \
	G(owamp_auth, "owamp-auth", false)                                                         \
	G(owamp_encr, "owamp-encr", false)                                                         \
	G(owamp_encr_poisson_2slot, "owamp-encr-poisson-2slot", false)

/* Octets of somebody. */
struct golden_span {
	uint8_t *p;
	size_t len;
};

struct golden_packet {
	struct tw_addr src, dst;
	uint16_t sport, dport;
	uint8_t ttl, tos;
	int64_t time_ns; /* of the capture, Unix */
	struct golden_span payload;
};

/* One control connection (there is one in each capture) and all UDP packets, in order. */
struct golden_capture {
	struct tw_addr client, server;
	uint16_t client_port, server_port;
	struct golden_span to_server, to_client; /* TCP octets, reassembled */
	struct golden_packet *packets;
	size_t packet_cnt;
	struct golden_span file;
};

/** Read tests/golden/<name>.pcap. Free with golden_capture_free(). */
struct golden_capture *golden_capture_load(const char *name);
void golden_capture_free(struct golden_capture *c);

/** The object of this session in vectors.json, a reference of the caller (json_decref()). */
json_t *golden_vectors(const char *name);

/** Values of an object; the key must exist and have that type. */
json_t *golden_member(json_t *obj, const char *key);
uint64_t golden_int(json_t *obj, const char *key);
const char *golden_str(json_t *obj, const char *key);

/** Hex string as exactly @p len octets. */
void golden_hex(json_t *obj, const char *key, uint8_t *out, size_t len);

/** Hex string as octets of any number, to be freed. */
struct golden_span golden_hex_new(json_t *obj, const char *key);

/** Hex string of up to 16 digits as a number (timestamps, Error Estimates). */
uint64_t golden_hex_int(json_t *obj, const char *key);

/** Hex text as octets, blanks skipped; ends the test unless it fills @p size octets exactly. */
void golden_unhex(const char *text, uint8_t *out, size_t size);

#endif /* GOLDEN_H */
