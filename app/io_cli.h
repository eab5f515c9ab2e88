/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * A TWAMP-Control client on TCP: connects without blocking, then carries octets between the socket
 * and the client machine of lib/control until that is done.
 *
 * Context: control lcore.
 */
#ifndef TW_IO_CLI_H
#define TW_IO_CLI_H

#include <stdint.h>

#include "tw_control.h"

struct tw_app;
struct tw_io_cli;

struct tw_io_cli_cfg {
	struct tw_addr dst;
	uint16_t port;
	struct tw_addr src; /* unset: as the kernel chooses */
	uint16_t src_port;  /* 0: any */
	uint8_t dscp;
	int64_t connect_ns; /* wait for the connection */
	struct tw_ctl_cli_cfg cli;
};

/* Calls back; none comes from within tw_io_cli_open(). */
struct tw_io_cli_ops {
	/** The TCP connection stands; @p local is our end of it. Requests may be queued. */
	void (*connected)(void *arg, const struct tw_addr *local);
	/** No connection: close it. @p why says what and how to mend it. */
	void (*failed)(void *arg, int res, const char *why, const char *hint);
	/** As tw_ctl_cli_ops.event. CLOSED is the last; close it then, or later. */
	void (*event)(void *arg, const struct tw_ctl_cli_event *event);
	/** As tw_ctl_ops.key; the argument is that of open. */
	struct tw_secret *(*key)(void *arg, const struct tw_keyring_id *id, bool *is_known);
	/** As tw_ctl_cli_ops.ike_key. */
	enum tw_ctl_ike (*ike_key)(void *arg, const struct tw_addr *server,
		uint8_t spis[TW_CTL_SPIS_LEN], struct tw_secret **secret);
};

/**
 * Begin to connect.
 * @param why  on failure what is wrong
 * @return NULL with errno set
 */
struct tw_io_cli *tw_io_cli_open(struct tw_app *app, const struct tw_io_cli_cfg *cfg,
	const struct tw_io_cli_ops *ops, void *arg, char *why, size_t why_size);

/**
 * Let go of the connection, in any state, also from within a callback; no call follows. Sessions
 * still running are stopped, what is queued is sent, then it is gone by itself. NULL is fine.
 */
void tw_io_cli_close(struct tw_io_cli *c);

/** The same at once: what the socket does not take now is not sent. Not from within a callback. */
void tw_io_cli_abort(struct tw_io_cli *c);

/** The machine, for tw_ctl_cli_request() and its like; call tw_io_cli_kick() after them. */
struct tw_ctl_cli *tw_io_cli_machine(struct tw_io_cli *c);

/** Send what the machine has. Fine from within a callback. */
void tw_io_cli_kick(struct tw_io_cli *c);

#endif /* TW_IO_CLI_H */
