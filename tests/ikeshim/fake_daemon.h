/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * A server without a daemon: what it watches is kept and called by hand, time is set, set-ups are
 * written down. One per process (each Criterion test is one).
 */
#ifndef FAKE_DAEMON_H
#define FAKE_DAEMON_H

#include "ippm_server.h"

struct fake {
	struct ippm_server *srv;
	uint64_t now_ms;
	uint32_t peer_flags;
	enum ippm_status initiate; /* what the daemon says to a set-up */
	uint64_t ticket;           /* of the last set-up */
	unsigned set_ups, ticks, logs;
	char path[64];
};

extern struct fake fake;

void fake_start(void);
void fake_stop(void);

/* A connection to the server, nothing read yet. */
int fake_open(void);

/* A client of the server with its HELLO read; `hello` may be NULL. */
int fake_connect(struct ippm_hello *hello);

/* Call the server for whatever is ready, until nothing is. */
void fake_turn(void);

/* Send one record and let the server answer. */
void fake_send(int fd, const void *rec, size_t len);

/* The next record: its type, or 0 if there is none, or -1 at the end. */
int fake_recv(int fd, void *rec, size_t size);

/* The next record must be a RESULT; its status. */
int fake_result(int fd, struct ippm_result *res);

/* A header of a request. */
struct ippm_hdr fake_hdr(uint16_t type, size_t size, uint64_t seq);

/* An SA with SPIs, key and addresses made of n. */
struct ippm_sa fake_sa(uint8_t n);

/* What stands for the daemon's object of SA n. */
const void *fake_owner(unsigned n);

/* 192.0.2.n */
struct ippm_addr fake_addr(uint8_t n);

#endif
