/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * A client that says what the test wants, also what no client should: messages are built with
 * lib/wire and protected with lib/crypto, without the client machine. It talks to one server
 * connection of a bed.
 */
#ifndef TALK_H
#define TALK_H

#include "bed.h"

struct talk {
	struct bed *bed;
	struct tw_ctl_conn *conn;
	struct tw_wire_greeting greeting;
	struct tw_crypto_keys *keys;
	struct tw_crypto_stream *rx, *tx;
	uint32_t mode;
	uint8_t accept; /* of the last Server-Start */
	uint64_t server_start;
};

/** Connect from @p peer to 192.0.2.1 or 2001:db8::1; takes the greeting. */
void talk_open(struct talk *t, struct bed *bed, const char *peer);
void talk_close(struct talk *t);

/** Octets as they are; the server takes as much as it wants at once. */
void talk_raw(struct talk *t, const void *octets, size_t len);
/** Everything the server has to say, at most @p size octets. @return how many */
size_t talk_read(struct talk *t, void *out, size_t size);
/** The server has nothing to say. */
bool talk_is_silent(struct talk *t);
/** The connection is done, after everything was read. */
bool talk_is_over(struct talk *t);
/** Why it ended, or 0. */
unsigned talk_why(struct talk *t);
unsigned talk_state(struct talk *t);

/** Set-Up-Response; key derived, Server-Start read. @return its Accept, or -1 if there is none */
int talk_setup(struct talk *t, uint32_t mode, const char *user, const char *secret);
/** The same up to the derivation. */
void talk_setup_response(struct talk *t, uint32_t mode, const char *user, const char *secret);
/** Set-Up-Response that names SPIs, with octets behind them as given; Token from a binary key. */
void talk_setup_spis(struct talk *t, uint32_t mode, const uint8_t spis[16], uint8_t behind,
	const void *key, size_t len);
/** The rest. */
int talk_server_start(struct talk *t);

/** A message with its HMAC (last 16 octets), protected as the mode wants; not yet sent. */
void talk_seal(struct talk *t, uint8_t *msg, size_t len);
/** The same, sent. */
void talk_send(struct talk *t, uint8_t *msg, size_t len);
/** A server message, checked and in clear; aborts if it is not there. */
void talk_recv(struct talk *t, uint8_t *msg, size_t len);

/** A request that the server accepts: zero addresses, no padding, Timeout 2 s. */
struct tw_wire_request_tw talk_request_of(uint16_t sender_port, uint16_t receiver_port);
void talk_send_request(struct talk *t, const struct tw_wire_request_tw *req);
/** Request-TW-Session -> Accept-Session. */
struct tw_wire_accept_session talk_request(struct talk *t, const struct tw_wire_request_tw *req);
/** Start-Sessions -> Start-Ack. @return its Accept */
uint8_t talk_start(struct talk *t);
/** Stop-Sessions. */
void talk_stop(struct talk *t, uint32_t session_cnt);

#endif /* TALK_H */
