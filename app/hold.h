/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Held test ports: a UDP socket per address and port with a filter that drops every
 * packet, from reservation until some time after the end. What must stay unanswered (reserved,
 * late, freed) then stays unanswered by the kernel, and no other program gets the port. Sessions
 * that differ in their peer share a port and its socket.
 *
 * Context: control lcore.
 */
#ifndef TW_HOLD_H
#define TW_HOLD_H

#include <stdint.h>

#include "loop.h"
#include "tw_addr.h"

struct tw_hold;
struct tw_hold_port;

/** Ports that may be picked, both ends included; 49152..65535 by default (PROTOCOL.md 1.2). */
#define TW_HOLD_LO_DEFAULT 49152
#define TW_HOLD_HI_DEFAULT 65535

/** @return NULL with errno ENOMEM */
struct tw_hold *tw_hold_new(struct tw_loop *loop);

/** Close every socket. NULL is fine. */
void tw_hold_free(struct tw_hold *h);

/** Range tw_hold_any() picks from. */
void tw_hold_range(struct tw_hold *h, uint16_t lo, uint16_t hi);

/**
 * Hold one port, or share it if it is held already.
 * @return 0; -EADDRINUSE (another program has it), -EADDRNOTAVAIL (no address of this host),
 *         -EMFILE, -ENOMEM, ...
 */
int tw_hold_get(
	struct tw_hold *h, const struct tw_addr *addr, uint16_t port, struct tw_hold_port **out);

/**
 * Hold a port of the range that nobody here holds; none is tried twice in a row.
 * @return 0; -EADDRINUSE (none free), -EADDRNOTAVAIL, -EMFILE, -ENOMEM
 */
int tw_hold_any(struct tw_hold *h, const struct tw_addr *addr, struct tw_hold_port **out);

/** The port number. */
uint16_t tw_hold_number(const struct tw_hold_port *p);

/** How many share it. */
unsigned tw_hold_users(const struct tw_hold_port *p);

/** Let go of it @p linger_ns from now (0: at once). NULL is fine. */
void tw_hold_put(struct tw_hold *h, struct tw_hold_port *p, int64_t linger_ns);

/** Sockets open now. */
unsigned tw_hold_count(const struct tw_hold *h);

#endif /* TW_HOLD_H */
