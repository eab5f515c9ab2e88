/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Listening TCP sockets: which addresses and ports, and accepting from them. What becomes of an
 * accepted connection is the owner's.
 *
 * Context: control lcore.
 */
#ifndef TW_IO_LISTEN_H
#define TW_IO_LISTEN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "loop.h"
#include "tw_addr.h"

#define TW_IO_LISTENERS_MAX 64

struct tw_app;
struct tw_io_listen;

struct tw_io_listen_ops {
	/** A connection: @p fd is non-blocking and now the owner's. */
	void (*accepted)(void *arg, int fd, const struct tw_addr *peer, uint16_t peer_port);
	/** A turn of accepting is over. */
	void (*turn_over)(void *arg);
};

struct tw_io_listener {
	struct tw_io_listen *set;
	struct tw_loop_fd w; /* fd < 0: free */
	struct tw_loop_timer pause;
	struct tw_addr addr;
	uint16_t port;
};

/* Caller's memory; fields are private. */
struct tw_io_listen {
	struct tw_app *app;
	const struct tw_io_listen_ops *ops;
	void *arg;
	struct tw_io_listener listener[TW_IO_LISTENERS_MAX];
};

void tw_io_listen_init(struct tw_io_listen *set, struct tw_app *app,
	const struct tw_io_listen_ops *ops, void *arg);

/** Close all of them. */
void tw_io_listen_fini(struct tw_io_listen *set);

/**
 * Listen on an address (zero: all of its family) and port.
 * @return 0, -EEXIST, -ENOSPC or what the kernel says, with @p err filled
 */
int tw_io_listen_add(struct tw_io_listen *set, const struct tw_addr *addr, uint16_t port, char *err,
	size_t err_size);

/** @return 0 or -ENOENT */
int tw_io_listen_remove(struct tw_io_listen *set, const struct tw_addr *addr, uint16_t port);

/** Listener number @p idx; false past the end. */
bool tw_io_listen_at(
	const struct tw_io_listen *set, unsigned idx, struct tw_addr *addr, uint16_t *port);

#endif /* TW_IO_LISTEN_H */
