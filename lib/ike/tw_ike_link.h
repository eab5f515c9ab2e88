/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The connection to an IKE daemon, without I/O: packets, events and the time go in; packets, an
 * action and the next deadline come out; SAs go into a keystore. It subscribes, lists, follows,
 * and comes back with backoff after any end; see app/ikeshim/SOCKET.md.
 *
 * How the owner drives it: after each call
 *   a = tw_ike_link_action(l)   CONNECT: connect, then tw_ike_link_connected() or ..._lost();
 *                               CLOSE: close the descriptor, then tw_ike_link_lost(l, 0, now)
 *   p = tw_ike_link_output(l, &len); send one packet; tw_ike_link_sent(l)
 *   packets received: tw_ike_link_input(); end of file or error: tw_ike_link_lost()
 *   tw_ike_link_timer() when the time reaches tw_ike_link_deadline()
 *
 * Context: one thread, the control lcore, as for the store. Requests hold no secret; what is read
 * does, so packets are received into secret memory, which the owner wipes.
 */
#ifndef TW_IKE_LINK_H
#define TW_IKE_LINK_H

#include "tw_ike.h"
#include "tw_ike_msg.h"

struct tw_ike_link;

enum tw_ike_link_state {
	TW_IKE_LINK_OFF = 1,
	TW_IKE_LINK_WAITING,    /* for the next attempt */
	TW_IKE_LINK_CONNECTING, /* the owner is at it */
	TW_IKE_LINK_GREETING,   /* HELLO is to come */
	TW_IKE_LINK_LISTING,
	TW_IKE_LINK_READY,
	TW_IKE_LINK_CLOSING, /* the owner is to close */
	TW_IKE_LINK_STATE_N
};
const char *tw_ike_link_state_name(unsigned state);

enum tw_ike_link_action { TW_IKE_LINK_NONE = 0, TW_IKE_LINK_CONNECT, TW_IKE_LINK_CLOSE };

/* Why there is no connection. */
enum tw_ike_link_why {
	TW_IKE_LINK_WHY_NONE = 0,
	TW_IKE_LINK_WHY_ERRNO, /* connecting or the connection failed: `res` */
	TW_IKE_LINK_WHY_EOF,
	TW_IKE_LINK_WHY_VERSION, /* the daemon speaks others: version_min, version_max */
	TW_IKE_LINK_WHY_RECORD,  /* a record that is not as it must be */
	TW_IKE_LINK_WHY_ANSWER,  /* an answer nobody asked for, or a refusal */
	TW_IKE_LINK_WHY_SILENT,  /* no answer in time */
	TW_IKE_LINK_WHY_N
};
/** A line for people, without end. */
const char *tw_ike_link_why_text(unsigned why);

/* What became of a request. */
enum tw_ike_outcome {
	TW_IKE_DONE = 0,      /* enum tw_ike_msg_status tells */
	TW_IKE_NO_ANSWER,     /* deadline */
	TW_IKE_NOT_CONNECTED, /* lost, or not there in the first place */
};

struct tw_ike_answer {
	uint64_t id; /* as the request returned */
	enum tw_ike_outcome outcome;
	struct tw_ike_result result; /* DONE */
	const struct tw_ike_sa *sa;  /* an SA that came with it, or NULL; it is in the store, too */
};

struct tw_ike_link_ops {
	/** READY; or there is none, lost or never had (`why` of tw_ike_link_info_get()). */
	void (*state)(void *arg, bool is_ready);
	/** Answer of a request; `id` is not used again. */
	void (*answer)(void *arg, const struct tw_ike_answer *answer);
	/** An SA did not go into the store. */
	void (*not_stored)(void *arg, const struct tw_ike_sa *sa, int res);
};

struct tw_ike_link_info {
	uint8_t state; /* enum tw_ike_link_state */
	uint8_t why;   /* enum tw_ike_link_why: of the last end */
	int res;       /* WHY_ERRNO */
	bool has_hello;
	struct tw_ike_hello hello; /* the last one */
	uint32_t pending_cnt;      /* requests without an answer */
	uint64_t connected_cnt, lost_cnt, restart_cnt;
	uint64_t records_in, events_skipped;
};

/**
 * @param ops  stays the caller's
 * @return NULL without memory. It is OFF.
 */
struct tw_ike_link *tw_ike_link_new(
	struct tw_ike_store *st, const struct tw_ike_link_ops *ops, void *arg);

/** Outstanding requests are forgotten without an answer. NULL is fine. */
void tw_ike_link_free(struct tw_ike_link *l);

/** Begin, or begin anew after the settings changed: an attempt follows at once. */
void tw_ike_link_on(struct tw_ike_link *l, int64_t now_ns);
/** Be without a daemon; for the store this is a loss. */
void tw_ike_link_off(struct tw_ike_link *l, int64_t now_ns);

enum tw_ike_link_action tw_ike_link_action(const struct tw_ike_link *l);
void tw_ike_link_connected(struct tw_ike_link *l, int64_t now_ns);
/** @param res  0: end of file, or closed as asked; else negative errno */
void tw_ike_link_lost(struct tw_ike_link *l, int res, int64_t now_ns);
void tw_ike_link_input(struct tw_ike_link *l, const void *packet, size_t len, int64_t now_ns);

/** The next packet to send, NULL if there is none; valid until the next call. */
const void *tw_ike_link_output(struct tw_ike_link *l, size_t *len);
void tw_ike_link_sent(struct tw_ike_link *l);

int64_t tw_ike_link_deadline(const struct tw_ike_link *l);
void tw_ike_link_timer(struct tw_ike_link *l, int64_t now_ns);

/**
 * Ask the daemon: LOOKUP_SPI, LOOKUP_PEER or INITIATE (`seq` is ignored). The answer comes through
 * ops->answer, never from within this call; SAs in it are stored first.
 * @return number of the request; 0: too many are under way (TW_IKE_LINK_PENDING_MAX), or no daemon
 */
uint64_t tw_ike_link_ask(struct tw_ike_link *l, const struct tw_ike_req *req, int64_t now_ns);
#define TW_IKE_LINK_PENDING_MAX 64

void tw_ike_link_info_get(const struct tw_ike_link *l, struct tw_ike_link_info *out);

#endif /* TW_IKE_LINK_H */
