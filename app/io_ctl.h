/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The TWAMP-Control server on TCP: listening sockets, accepted connections, the server machine of
 * lib/control and its configuration.
 *
 * Context: control lcore.
 */
#ifndef TW_IO_CTL_H
#define TW_IO_CTL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "io_listen.h"
#include "io_pipe.h"
#include "tw_control.h"

#define TW_CTL_IO_ALLOW_MAX 1024
#define TW_CTL_IO_ERR_SIZE  320

struct tw_app;
struct tw_ctl_io;

/** @return NULL with @p err filled */
struct tw_ctl_io *tw_ctl_io_new(struct tw_app *app, char *err, size_t err_size);

/** Close everything; running sessions end. NULL is fine. */
void tw_ctl_io_free(struct tw_ctl_io *io);

/** Where it listens: io_listen.h. Connections of a removed listener go on. */
struct tw_io_listen *tw_ctl_io_listeners(struct tw_ctl_io *io);

/** Listen on TCP/862 of both families, unless the configuration said where to or not to. */
int tw_ctl_io_listen_default(struct tw_ctl_io *io, char *err, size_t err_size);

/** The operator decided about listening: no default. */
void tw_ctl_io_listen_decided(struct tw_ctl_io *io);
bool tw_ctl_io_is_listen_decided(const struct tw_ctl_io *io);

/** The server machine: for counters and the client's check of reflected Challenges. */
struct tw_ctl_srv *tw_ctl_io_srv(struct tw_ctl_io *io);

/** Configuration in force. Its arrays belong to the server. */
const struct tw_ctl_srv_cfg *tw_ctl_io_cfg(const struct tw_ctl_io *io);

/** Use another one. @return 0, -EINVAL or -ENOMEM with @p err filled; the old one stays */
int tw_ctl_io_configure(
	struct tw_ctl_io *io, const struct tw_ctl_srv_cfg *cfg, char *err, size_t err_size);

/** First connection numbered @p *id or higher. */
const struct tw_ctl_conn *tw_ctl_io_conn_next(const struct tw_ctl_io *io, uint32_t *id);

/** End a connection. @return 0 or -ENOENT */
int tw_ctl_io_conn_abort(struct tw_ctl_io *io, uint32_t id);

#endif /* TW_IO_CTL_H */
