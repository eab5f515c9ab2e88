/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The IKE daemon's socket: the descriptor of lib/ike's machine, the keystore it fills, and what the
 * appliance asks of both. The server asks by SPIs, a test by the address of its server; either may
 * have the daemon set up an SA or tell of one.
 *
 * Context: control lcore. Nothing blocks.
 */
#ifndef TW_IO_IKE_H
#define TW_IO_IKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tw_control.h"
#include "tw_ike_link.h"

#define TW_IKE_IO_WHY_SIZE 320

struct tw_app;
struct tw_ike_io;
struct tw_ike_ask;

/** @return NULL with errno set. Nothing is connected before tw_ike_io_start(). */
struct tw_ike_io *tw_ike_io_new(struct tw_app *app);

/** End asks that are left, forget all keys. NULL is fine. */
void tw_ike_io_free(struct tw_ike_io *io);

/** The configuration is loaded: connect, and again after each loss. */
void tw_ike_io_start(struct tw_ike_io *io);

/** Settings (ike_...) have changed. */
void tw_ike_io_configure(struct tw_ike_io *io);

/* ---- the server ---- */

/** The daemon serves keys: they may be offered. */
bool tw_ike_io_offers(struct tw_ike_io *io, const struct tw_addr *peer);

/** As tw_ctl_srv_ops.ike_key. */
enum tw_ctl_ike tw_ike_io_server_key(struct tw_ike_io *io, const uint8_t spis[TW_CTL_SPIS_LEN],
	const struct tw_addr *peer, struct tw_secret **secret);

/* ---- tests ---- */

/**
 * As tw_ctl_cli_ops.ike_key.
 * @param remote_id  pattern of the identity wanted, "": any
 * @param sa         out: what was found, or NULL; may be NULL itself
 */
enum tw_ctl_ike tw_ike_io_client_key(struct tw_ike_io *io, const struct tw_addr *server,
	const char *remote_id, const struct tw_ike_sa **sa, struct tw_secret **secret);

/**
 * Told once, never from within the call that asked; the ask is then gone.
 * @param res  0: there is an SA now; -ENOENT: there is none, or the daemon has no connection to
 *             that peer; -ETIMEDOUT; -ENOTCONN: no daemon; -EAGAIN: too many; -EIO: it failed
 * @param why  one line for people
 * @param sa   the SA, or NULL
 */
typedef void (*tw_ike_io_fn)(void *arg, int res, const char *why, const struct tw_ike_sa *sa);

struct tw_ike_io_want {
	struct tw_addr peer;
	struct tw_addr local; /* unset: any */
	char conn[TW_IKE_CONN_SIZE];
	char remote_id[TW_IKE_ID_SIZE]; /* exact; "": any */
	int64_t deadline_ns;            /* 0: the setting's */
};

/**
 * Have the daemon set up an IKE SA, if there is none. Attempts for one peer keep a distance of
 * ike_initiate_interval_ns: a later one waits for its turn. Logged.
 * @return NULL without memory
 */
struct tw_ike_ask *tw_ike_io_initiate(
	struct tw_ike_io *io, const struct tw_ike_io_want *want, tw_ike_io_fn fn, void *arg);

/** Have the daemon tell of the newest SA with a peer: the keystore is fresh then. */
struct tw_ike_ask *tw_ike_io_refresh(
	struct tw_ike_io *io, const struct tw_addr *peer, tw_ike_io_fn fn, void *arg);

/** No call follows. NULL is fine. */
void tw_ike_io_cancel(struct tw_ike_io *io, struct tw_ike_ask *ask);

/* ---- operations ---- */

const struct tw_ike_store *tw_ike_io_store(const struct tw_ike_io *io);
void tw_ike_io_info(const struct tw_ike_io *io, struct tw_ike_link_info *out);
/** Initiations asked of the daemon, and of those the ones that ended with an SA. */
void tw_ike_io_initiations(const struct tw_ike_io *io, uint64_t *asked, uint64_t *done);

#endif /* TW_IO_IKE_H */
