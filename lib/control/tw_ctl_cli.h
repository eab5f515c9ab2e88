/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * TWAMP-Control client, PROTOCOL.md 1.5: one object per TCP connection to a server. It sets the
 * connection up, requests sessions (one or many: requests follow each other without waiting, the
 * order of the answers tells which is which), starts and stops them, any number of rounds. Include
 * tw_control.h, which tells how to drive it.
 */
#ifndef TW_CTL_CLI_H
#define TW_CTL_CLI_H

#include "tw_control.h"

/* Where the secret may come from, a floor like that of the modes. */
enum tw_ctl_key_floor {
	/* The KeyID if one is named, else an IKE SA with the server if there is one. */
	TW_CTL_KEY_ANY = 0,
	TW_CTL_KEY_IKEV2, /* an IKE SA alone */
};

/*
 * How often a set-up with an IKEv2-derived key has been tried, each time on a connection of its
 * own. A server that answers Accept 6 may just not have heard of the SA, or of its rekeying.
 */
enum tw_ctl_ike_try {
	TW_CTL_IKE_TRY_FIRST = 0,
	TW_CTL_IKE_TRY_REFRESHED, /* the owner has asked its keystore afresh since */
	TW_CTL_IKE_TRY_FALLBACK,  /* without IKE: only with ike_fallback */
};

struct tw_ctl_cli_cfg {
	/*
	 * Modes wanted, best first: one security bit each (enum tw_mode). The first that is offered
	 * and not below the floor is selected. Default: encrypted, authenticated, mixed, open.
	 */
	uint32_t modes[4];
	size_t modes_cnt;
	/* Lowest protection taken, a mode bit; open < mixed < authenticated < encrypted. Greetings
	 * are not protected: an offer cannot lower this. Default authenticated. */
	uint32_t floor;
	uint32_t count_min; /* PBKDF2 iterations taken, default 1024..32768 */
	uint32_t count_max;
	char key_id[TW_CTL_KEY_ID_MAX + 1]; /* name of the key; "" if none */
	/*
	 * Whether an IKEv2-derived key is used is decided from these and from what the owner knows,
	 * before anything the server says. Then it is that or nothing: an offer without it or
	 * an Accept 6 may be anybody's, and a passphrase Token can be searched at leisure.
	 */
	uint8_t key_floor; /* enum tw_ctl_key_floor */
	/* For this peer alone: where the above ends in nothing, take a mode without IKE, never
	 * below `floor` (RFC 7717 5.1). */
	bool ike_fallback;
	uint8_t ike_try; /* enum tw_ctl_ike_try; as `retry` of the CLOSED event said */
	/* Deadlines of reads: accept to Greeting, Set-Up-Response to Server-Start, command to its
	 * answer; default 10, 30, 10 s. And of writes: last octet the peer took, 10 s. */
	int64_t t_greeting_ns;
	int64_t t_setup_ns;
	int64_t t_answer_ns;
	int64_t t_write_ns;
	bool no_mark;                 /* Client-IV at random, says nothing of the modes */
	uint32_t session_max;         /* requests this object holds, default 100,000 */
	const struct tw_ctl_srv *own; /* our server, for reflected Challenges; or NULL */
	struct tw_ctr *why_ctr;       /* [TW_CTL_WHY_N], counts how connections end; or NULL */
};

/** Defaults everywhere. */
void tw_ctl_cli_cfg_init(struct tw_ctl_cli_cfg *cfg);

/** One explicit mode: it is the whole preference list and the floor. */
void tw_ctl_cli_cfg_mode(struct tw_ctl_cli_cfg *cfg, uint32_t mode);

/** @return 0 or -EINVAL, @p out told what is wrong and how to mend it */
int tw_ctl_cli_cfg_check(const struct tw_ctl_cli_cfg *cfg, char *out, size_t size);

/* A session to ask for. */
struct tw_ctl_want {
	struct tw_addr sender_addr;   /* family NONE: zero on the wire, the connection's address */
	struct tw_addr receiver_addr; /* same; both must then be of the connection's family */
	uint16_t sender_port;
	uint16_t receiver_port;
	uint32_t padding_len;
	uint64_t start_ntp; /* 0: at once */
	int64_t timeout_ns; /* reflector's grace after Stop, default of the product 2 s */
	uint8_t dscp;       /* 0..63 */
};

enum tw_ctl_cli_ev {
	TW_CTL_CLI_EV_READY = 1, /* set up; requests may follow (they may be queued before) */
	TW_CTL_CLI_EV_SESSION,   /* one request answered */
	TW_CTL_CLI_EV_STARTED,   /* Start-Ack: the reflector is armed, send */
	TW_CTL_CLI_EV_FALLBACK,  /* going on without IKE, for `reason`: log it as an error */
	TW_CTL_CLI_EV_CLOSED,    /* last event; reason tells why, NONE after tw_ctl_cli_close() */
};

struct tw_ctl_cli_event {
	enum tw_ctl_cli_ev ev;
	uint32_t mode; /* selected, from READY on; with TW_MODE_IKEV2 spis is set */
	uint8_t spis[TW_CTL_SPIS_LEN];
	uint64_t server_start_ntp; /* READY: Start-Time of the server */
	/* SESSION; reason.why == 0: accepted, then port, sid and keys are set */
	void *user;    /* as given with the request */
	uint16_t port; /* receiver port granted: the one asked or an alternate */
	uint8_t sid[TW_CTL_SID_LEN];
	/* test keys of this session, derived already (PROTOCOL.md 3.5), lent for this call; NULL if
	 * test packets are open */
	const struct tw_crypto_keys *keys;
	/* SESSION, CLOSED, FALLBACK */
	struct tw_ctl_reason reason;
	/* CLOSED: 0, or enum tw_ctl_ike_try: worth another connection with cfg.ike_try set to this.
	 * REFRESHED: the owner first asks its IKE daemon afresh and sees that there is an SA. */
	uint8_t retry;
	/* CLOSED: tests were running, their results are to be flagged "control lost" */
	bool control_lost;
	/* CLOSED: the server failed to authenticate a message; results are worth nothing */
	bool results_invalid;
};

struct tw_ctl_cli_ops {
	struct tw_ctl_ops common;

	/**
	 * Something happened. May call request, start, stop and close of the same client, not fini.
	 */
	void (*event)(void *app, struct tw_ctl_cli *cli, const struct tw_ctl_cli_event *event);

	/**
	 * The key of the newest usable IKE SA with the server, whose identity is the one wanted.
	 * The owner has seen to an SA before it connects (RFC 7717 5.1: initiating is its
	 * business). Asked at the greeting and once more when the token key has been derived.
	 * NULL: there is none.
	 * @param spis    out: of that SA
	 * @param secret  out: with OK and SUPERSEDED a reference, which the machine drops
	 */
	enum tw_ctl_ike (*ike_key)(void *app, const struct tw_addr *server,
		uint8_t spis[TW_CTL_SPIS_LEN], struct tw_secret **secret);

	/** Output is there or the client is done, for a reason other than the call just made on it
	 *  (key derived, timer). May be NULL. */
	void (*wake)(void *app, struct tw_ctl_cli *cli);
};

enum tw_ctl_cli_state {
	TW_CTL_CLI_WAIT_GREETING = 1,
	TW_CTL_CLI_WAIT_KDF,
	TW_CTL_CLI_WAIT_START, /* Server-Start */
	TW_CTL_CLI_READY,      /* requests may be outstanding */
	TW_CTL_CLI_WAIT_ACK,   /* Start-Ack */
	TW_CTL_CLI_ACTIVE,
	TW_CTL_CLI_CLOSING,
	TW_CTL_CLI_DONE,
	TW_CTL_CLI_N
};
const char *tw_ctl_cli_state_name(unsigned state);

size_t tw_ctl_cli_size(void);

/**
 * The TCP connection is up: wait for the Greeting.
 * @param peer  address of the server (v4-mapped ones turned into v4)
 * @param ops   stays the caller's, must outlive the client
 * @param app   first argument of every callback
 * @return 0, -EINVAL (configuration)
 */
int tw_ctl_cli_open(struct tw_ctl_cli *cli, const struct tw_ctl_cli_cfg *cfg,
	const struct tw_ctl_cli_ops *ops, void *app, const struct tw_addr *peer,
	struct tw_ctl_time now);

/** Forget everything, wipe. No event is called. */
void tw_ctl_cli_fini(struct tw_ctl_cli *cli);

size_t tw_ctl_cli_want(const struct tw_ctl_cli *cli);
void tw_ctl_cli_input(
	struct tw_ctl_cli *cli, const void *octets, size_t len, struct tw_ctl_time now);
void tw_ctl_cli_eof(struct tw_ctl_cli *cli, struct tw_ctl_time now);
const uint8_t *tw_ctl_cli_output(const struct tw_ctl_cli *cli, size_t *len);
void tw_ctl_cli_sent(struct tw_ctl_cli *cli, size_t len, struct tw_ctl_time now);
bool tw_ctl_cli_is_done(const struct tw_ctl_cli *cli);
int64_t tw_ctl_cli_deadline(const struct tw_ctl_cli *cli);
void tw_ctl_cli_timer(struct tw_ctl_cli *cli, struct tw_ctl_time now);
unsigned tw_ctl_cli_state_get(const struct tw_ctl_cli *cli);

/**
 * Ask for a session; a SESSION event will answer, in the order of the requests. Legal from open on
 * (requests wait for the set-up), not between start and stop.
 * @return 0, -EINVAL (dscp, negative timeout, families that differ), -ENOSPC (session_max),
 *         -EBUSY (tests run), -ENOTCONN (closing), -ENOMEM
 */
int tw_ctl_cli_request(
	struct tw_ctl_cli *cli, const struct tw_ctl_want *want, void *user, struct tw_ctl_time now);

/**
 * Start all sessions accepted so far. The STARTED event follows; a refusal closes.
 * @return 0, -EAGAIN (requests unanswered), -ENOENT (none accepted), -EBUSY (running), -ENOTCONN
 */
int tw_ctl_cli_start(struct tw_ctl_cli *cli, struct tw_ctl_time now);

/**
 * Stop all sessions: the caller has stopped its senders and drained. The server does not answer;
 * requests for another round may follow at once.
 * @param accept  0, or a code that tells the server that results are invalid
 * @return 0, -EINVAL (nothing runs), -ENOTCONN
 */
int tw_ctl_cli_stop(struct tw_ctl_cli *cli, uint8_t accept, struct tw_ctl_time now);

/**
 * Send what is in the output, then end; requests still waiting are dropped. Sessions still running
 * are stopped first, with Accept 1.
 */
void tw_ctl_cli_close(struct tw_ctl_cli *cli, struct tw_ctl_time now);

/** Sessions accepted by the server and not yet stopped. */
uint32_t tw_ctl_cli_session_cnt(const struct tw_ctl_cli *cli);

#endif /* TW_CTL_CLI_H */
