/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * What io_ike.c (descriptor, logs, events), ike_ask.c (requests of tests and operators) and
 * ike_hint.c (peers that name SAs nobody has heard of) share.
 */
#ifndef TW_IO_IKE_I_H
#define TW_IO_IKE_I_H

#include <sys/queue.h>
#include <sys/un.h>

#include "io_ike.h"
#include "loop.h"

#define RATES_MAX 64
#define HINTS_MAX 128

struct tw_ike_ask {
	struct tw_ike_io *io;
	struct tw_ike_io_want want;
	bool is_initiate;
	uint64_t id; /* of the request under way, 0: none */
	int64_t due_ns;
	struct tw_loop_timer timer;
	tw_ike_io_fn fn;
	void *arg;
	LIST_ENTRY(tw_ike_ask) link;
};

/* What the daemon says of a peer. */
struct hint {
	struct tw_addr peer; /* family NONE: free */
	uint64_t id;         /* of the request under way, 0: none */
	bool is_expected;
	int64_t until_ns;
};

struct tw_ike_io {
	struct tw_app *app;
	struct tw_ike_store *store;
	struct tw_ike_link *link;
	struct tw_loop_fd w;
	struct tw_loop_timer timer; /* deadlines of machine and keystore, or at once */
	uint8_t *in;                /* a packet, in secret memory */
	bool is_started;
	bool has_changed; /* the server is to look again at who waits */
	char path[sizeof(((struct sockaddr_un *)0)->sun_path)];
	int logged_why; /* what was said last of a connection that failed; -1: nothing */
	int logged_res;
	uint64_t initiated_cnt, initiated_done_cnt;
	LIST_HEAD(, tw_ike_ask) asks;
	struct {
		struct tw_addr peer;
		int64_t last_ns; /* beginning of the last attempt */
	} rate[RATES_MAX];
	unsigned rate_next;
	struct hint hint[HINTS_MAX];
	unsigned hint_next;
	unsigned hint_asked_cnt;
};

/* io_ike.c: something is to be sent, or a deadline has changed: see to it from the loop. */
void tw_ike_io_kick(struct tw_ike_io *io);

/* ike_ask.c. @return whether it was the answer of an ask */
bool tw_ike_ask_answer(struct tw_ike_io *io, const struct tw_ike_answer *answer);
/* The appliance ends: all asks do. */
void tw_ike_ask_end_all(struct tw_ike_io *io);

/* ike_hint.c */
bool tw_ike_hint_is_expected(struct tw_ike_io *io, const struct tw_addr *peer, int64_t now_ns);
void tw_ike_hint_answer(struct tw_ike_io *io, const struct tw_ike_answer *answer);

#endif /* TW_IO_IKE_I_H */
