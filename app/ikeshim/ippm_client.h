/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-or-later */
/* Copyright (c) 2026 The twampline authors */
/*
 * One connection: descriptors of one socket to read from and to write to, and what waits to be
 * sent. Each way is watched by itself, and each time by the other one of a pair: charon's watcher
 * finds what it watches by number only, and may still be busy with the last time. Context: under
 * the server's mutex.
 */
#ifndef IPPM_CLIENT_H
#define IPPM_CLIENT_H

#include "ippm_server.h"

struct ippm_packet {
	struct ippm_packet *next;
	size_t len;
	uint8_t data[];
};

struct ippm_client {
	struct ippm_client *next;
	struct ippm_server *srv;
	uint64_t id; /* never used again */
	int rfd[2], wfd[2];
	unsigned ridx, widx; /* which of them was watched last */
	bool reads, writes;  /* it is watched */
	bool is_dead;        /* shut down; freed when no descriptor is watched any more */
	bool is_last;        /* close when the queue is empty */
	bool is_slow;        /* killed because too much was waiting */
	bool is_subscribed;
	struct ippm_packet *first, **last; /* waiting to be sent */
	unsigned queued;
};

/* A client on an accepted socket, or NULL; fd is taken in either case. */
struct ippm_client *ippm_client_new(struct ippm_server *srv, uint64_t id, int fd);

/* Close and free. Context: nothing is watched. */
void ippm_client_free(struct ippm_client *cl);

/* No more of this client: what waits is wiped, the descriptors wake up to be closed. */
void ippm_client_kill(struct ippm_client *cl);

/* Send or queue one record; a client with too much waiting is killed. */
void ippm_client_send(struct ippm_client *cl, const void *rec, size_t len);

/* Send what waits, as far as the socket takes it. */
void ippm_client_flush(struct ippm_client *cl);

#endif
