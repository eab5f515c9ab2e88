/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/* Copyright (c) 2026 The twampline authors */
/*
 * The daemon's side of the socket protocol (SOCKET.md), with nothing of charon in it: the list of
 * SAs, the clients, and what is asked of the daemon through struct ippm_ops.
 *
 * Threads: any number. Hooks of the daemon (ippm_server_up and its kin) and callbacks of watched
 * descriptors may run at the same time; one mutex, held for memory work and non-blocking sends
 * only, orders them. No function of struct ippm_ops but watch and now_ms is called under it.
 */
#ifndef IPPM_SERVER_H
#define IPPM_SERVER_H

#include <stdbool.h>
#include <sys/types.h>

#include "ippm_parse.h"

#define IPPM_CLIENTS_MAX    8
#define IPPM_QUEUE_MAX      256 /* records waiting for a client */
#define IPPM_CONNECTING_MAX 64  /* SAs being set up that are announced, at a time and per second */
#define IPPM_PENDING_MAX    8   /* INITIATE under way */
#define IPPM_TICK_MS        100

struct ippm_server;
struct ippm_client;

enum ippm_watch {
	IPPM_WATCH_ACCEPT, /* fd readable: ippm_server_accept(data) */
	IPPM_WATCH_READ,   /* fd readable: ippm_client_read(data) */
	IPPM_WATCH_WRITE,  /* fd writable: ippm_client_write(data) */
};

/* What the server needs of the daemon. */
struct ippm_ops {
	void *ctx;
	/* Call the function of `what` once fd is ready, and again as long as it returns true. */
	void (*watch)(void *ctx, enum ippm_watch what, int fd, void *data);
	/* What the configuration knows of a peer: IPPM_F_KNOWN_PEER, IPPM_F_ANY_PEER. */
	uint32_t (*peer_flags)(void *ctx, const struct ippm_addr *peer);
	/* Set up an SA without waiting for it. IPPM_OK: under way, ippm_server_claim or
	 * ippm_server_fail follows from some thread. Else: why not. */
	enum ippm_status (*initiate)(void *ctx, uint64_t ticket, const struct ippm_request *req);
	/* Call ippm_server_tick every IPPM_TICK_MS until it returns false. */
	void (*start_ticks)(void *ctx);
	/* Milliseconds of a clock that never steps back. */
	uint64_t (*now_ms)(void *ctx);
	/* A line for the daemon's log, without key material. */
	void (*log)(void *ctx, const char *text);
};

/**
 * Serve on a socket.
 *
 * @param ops      copied
 * @param path     of the socket; a socket file nobody serves is replaced
 * @param owner    uid the socket belongs to; it and root may connect
 * @param name     of the daemon, for HELLO
 * @param release  its version
 * @return NULL with errno: EADDRINUSE if somebody serves there, ENAMETOOLONG, what the system says
 */
struct ippm_server *ippm_server_new(const struct ippm_ops *ops, const char *path, uid_t owner,
	const char *name, const char *release);

/* Close all and wipe all. Context: no callback runs any more and none will. */
void ippm_server_free(struct ippm_server *srv);

/* The next descriptor that is watched, after `fd`, or -1; for whoever stops the watching. */
int ippm_server_next_fd(const struct ippm_server *srv, int fd);

/*
 * Callbacks of watched descriptors. True: go on watching. False: do not; for READ and WRITE the
 * client may be gone.
 */
bool ippm_server_accept(struct ippm_server *srv);
bool ippm_client_read(struct ippm_client *cl);
bool ippm_client_write(struct ippm_client *cl);

/* Deadlines of INITIATE. True: some are left. */
bool ippm_server_tick(struct ippm_server *srv);

/*
 * What happens to SAs; `owner` is the daemon's object of the SA, `rec` all the daemon knows of it
 * but hdr, serial, state and times, which are set here. Context: hooks of the daemon.
 */
void ippm_server_connecting(struct ippm_server *srv, const void *owner, const struct ippm_sa *rec);
void ippm_server_up(struct ippm_server *srv, const void *owner, const struct ippm_sa *rec);
void ippm_server_rekeyed(
	struct ippm_server *srv, const void *old, const void *owner, const struct ippm_sa *rec);
void ippm_server_moved(struct ippm_server *srv, const void *owner, const struct ippm_addr *local,
	const struct ippm_addr *remote);
/* Virtual IPs, traffic selectors and the flags that say they were cut, from `rec`. */
void ippm_server_children(struct ippm_server *srv, const void *owner, const struct ippm_sa *rec);
/* The SA has ended, however often that is said. */
void ippm_server_gone(struct ippm_server *srv, const void *owner);
/* Something went wrong with it; `text` explains a failed INITIATE, `is_dead` an SA_DOWN. */
void ippm_server_alert(struct ippm_server *srv, const void *owner, const char *text, bool is_dead);
/* Whatever ends from now on ends because the daemon stops. */
void ippm_server_stopping(struct ippm_server *srv);

/* The SA of an INITIATE has this owner. */
void ippm_server_claim(struct ippm_server *srv, uint64_t ticket, const void *owner);
/* The INITIATE failed before there was an owner. */
void ippm_server_fail(struct ippm_server *srv, uint64_t ticket, const char *text);

#endif
