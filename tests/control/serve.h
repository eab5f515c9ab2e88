/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * A server that says what the test wants, also what no server should: messages are built with
 * lib/wire and protected with lib/crypto, without the server machine. It talks to one client
 * machine whose owner is a bed.
 */
#ifndef SERVE_H
#define SERVE_H

#include "bed.h"

/* What the client told its owner. */
struct serve_event {
	enum tw_ctl_cli_ev ev;
	struct tw_ctl_cli_event event; /* keys: NULL or `keys` */
	struct tw_crypto_keys keys;
};

struct serve {
	struct bed *bed;
	struct tw_ctl_cli_cfg cfg;
	struct tw_ctl_cli *cli;
	struct serve_event log[64];
	size_t log_cnt;
	unsigned wake_cnt;
	void (*on_event)(struct serve *s, const struct tw_ctl_cli_event *event);

	uint8_t challenge[16], salt[16];
	uint32_t count;
	struct tw_wire_setup_response response;
	struct tw_crypto_keys *keys;
	struct tw_crypto_stream *rx, *tx;
};

/** Configuration of tests: any mode down to open, user alice. */
void serve_init(struct serve *s, struct bed *bed);
/** The client connects to 192.0.2.1 or, with @p is_v6, to 2001:db8::1. */
void serve_open(struct serve *s, bool is_v6);
void serve_close(struct serve *s);

void serve_raw(struct serve *s, const void *octets, size_t len);
size_t serve_read(struct serve *s, void *out, size_t size);
bool serve_is_silent(struct serve *s);
bool serve_is_over(struct serve *s);

void serve_greet(struct serve *s, uint32_t modes);
/** Take the Set-Up-Response; in secure modes open its Token with @p secret. */
void serve_take_response(struct serve *s, const char *secret);
void serve_take_response_of(struct serve *s, const void *secret, size_t secret_len);
void serve_start(struct serve *s, uint8_t accept);
/** All of it: greeting, key derived, Server-Start. */
void serve_setup(struct serve *s, uint32_t mode);

/** A client message, checked and in clear; aborts if it is not there. */
void serve_recv(struct serve *s, uint8_t *msg, size_t len);
struct tw_wire_request_tw serve_recv_request(struct serve *s);
void serve_recv_start(struct serve *s);
struct tw_wire_stop_sessions serve_recv_stop(struct serve *s);
void serve_send(struct serve *s, uint8_t *msg, size_t len);
void serve_accept(struct serve *s, uint8_t accept, uint16_t port, uint8_t sid_tail);
void serve_start_ack(struct serve *s, uint8_t accept);

/** The last event; aborts if there is none. */
struct tw_ctl_cli_event *serve_last(struct serve *s);
/** How often this event came. */
size_t serve_count(const struct serve *s, enum tw_ctl_cli_ev ev);

/** A session to ask for. */
struct tw_ctl_want serve_want(uint16_t sender_port, uint16_t receiver_port);
void serve_wait(struct serve *s, int64_t ns);

#endif /* SERVE_H */
