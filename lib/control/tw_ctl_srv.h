/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * TWAMP-Control Server, PROTOCOL.md 1.4. One server object holds what its connections share:
 * settings, policy, limits, counters, live sessions and all timers. One connection object per TCP
 * connection. Include tw_control.h, which tells how to drive both.
 *
 * A session outlives its connection: after Stop, or after the loss of the connection, the
 * reflector answers for a while; the server object keeps the record and calls `release` when
 * that time is over.
 */
#ifndef TW_CTL_SRV_H
#define TW_CTL_SRV_H

#include "tw_control.h"

struct tw_ctl_conn;
struct tw_ctl_sess;

/* Peers that authenticated or come from an allowed prefix; all others. */
enum tw_ctl_class {
	TW_CTL_CLASS_TRUSTED = 0, /* an index, not a state */
	TW_CTL_CLASS_OTHER,
	TW_CTL_CLASS_N
};

enum tw_ctl_limit {
#define TW_CTL_LIMIT(NAME, name, min, max, trusted, other, unit, help) TW_CTL_LIMIT_##NAME,
#include "limits.def"
	TW_CTL_LIMIT_N
};

enum tw_ctl_setting {
#define TW_CTL_SETTING(NAME, name, min, max, def, unit, help) TW_CTL_SET_##NAME,
#include "settings.def"
	TW_CTL_SET_N
};

enum tw_ctl_counter {
#define TW_CTL_COUNTER(NAME, name, help) TW_CTL_CTR_##NAME,
#include "counters.def"
	TW_CTL_CTR_N
};

/* One row of the address policy: what peers inside the prefix may use. */
struct tw_ctl_allow {
	struct tw_prefix prefix;
	uint32_t modes; /* enum tw_mode bits 0..3 */
};

/*
 * Policy, per mode: a mode named by some row is offered inside the prefixes of such rows only. A
 * mode named by no row is offered to everybody, except the open mode, which is then offered to
 * nobody (see the setting open_to_others).
 */
struct tw_ctl_srv_cfg {
	uint32_t set[TW_CTL_SET_N];                     /* by enum tw_ctl_setting */
	uint32_t limit[TW_CTL_CLASS_N][TW_CTL_LIMIT_N]; /* by enum tw_ctl_limit */
	uint32_t modes;                                 /* offered at most; default all four */
	const struct tw_ctl_allow *allow;               /* copied */
	size_t allow_cnt;
	/* Sender Addresses allowed in open and mixed mode besides the control peer's own. */
	const struct tw_prefix *senders; /* copied */
	size_t senders_cnt;
};

/* A row of settings.def or limits.def, for configuration, help and documentation. */
struct tw_ctl_knob {
	const char *name;
	uint32_t min, max, def; /* def: for limits, of the class asked */
	const char *unit;
	const char *help;
};

/** Rows for i in 0..TW_CTL_SET_N-1 and, per class, 0..TW_CTL_LIMIT_N-1. */
struct tw_ctl_knob tw_ctl_setting_knob(unsigned setting);
struct tw_ctl_knob tw_ctl_limit_knob(unsigned cls, unsigned limit);

/** "trusted", "other". */
const char *tw_ctl_class_name(unsigned cls);

/** Name and help of a counter of counters.def. */
const char *tw_ctl_counter_name(unsigned counter);
const char *tw_ctl_counter_help(unsigned counter);

/** Defaults everywhere, no prefixes. */
void tw_ctl_srv_cfg_init(struct tw_ctl_srv_cfg *cfg);

/**
 * Check bounds and sense (Count a power of 2, port range in order, prefixes with modes).
 * @param out  told what is wrong and how to mend it
 * @return 0 or -EINVAL
 */
int tw_ctl_srv_cfg_check(const struct tw_ctl_srv_cfg *cfg, char *out, size_t size);

/* A session as asked by the client and checked by the server; addresses are never zero. */
struct tw_ctl_sess_param {
	uint8_t sid[TW_CTL_SID_LEN];
	uint32_t mode;                /* selected on the connection; tells the packet format */
	struct tw_addr control_addr;  /* peer of the control connection */
	struct tw_addr sender_addr;   /* the only address answered */
	struct tw_addr receiver_addr; /* ours */
	uint16_t sender_port;
	uint16_t receiver_port; /* the port to take in this call */
	uint8_t dscp;           /* of the replies, RFC 5357 3.5 */
	uint32_t padding_len;
	uint64_t start_ntp; /* Start Time, informative */
	int64_t timeout_ns; /* grace after Stop */
	int64_t refwait_ns;
	uint32_t rate_pps; /* cap of replies for this session, 0: none */
	/* test keys of this session, derived already (PROTOCOL.md 3.5), lent for this call; NULL if
	 * test packets are open */
	const struct tw_crypto_keys *keys;
};

/* Answer of `reserve`. */
enum tw_ctl_reserve {
	TW_CTL_RESERVE_OK = 1,
	TW_CTL_RESERVE_PORT_BUSY, /* this port cannot be had: another one will be tried */
	TW_CTL_RESERVE_TEMPORARY, /* no room now: Accept 5 */
	TW_CTL_RESERVE_PERMANENT, /* can never be served, e.g. no port routes there: Accept 4 */
	TW_CTL_RESERVE_TOO_LONG,  /* its packets do not fit the MTU: Accept 3 */
	TW_CTL_RESERVE_INTERNAL,  /* fault of ours: Accept 2 */
};

/* What the server asks of its owner. All synchronous; none may call back into the server. */
struct tw_ctl_srv_ops {
	struct tw_ctl_ops common;

	/** Some key is there at all: secure modes are offered only then. */
	bool (*has_keys)(void *app);

	/** The address is one of ours. */
	bool (*is_local)(void *app, const struct tw_addr *addr);

	/** A non-loopback IPv4 address of this host, for SIDs (RFC 4656 3.5). May be NULL. */
	bool (*own_v4)(void *app, struct tw_addr *out);

	/**
	 * Build the session and hold its port: everything that can fail, fails here. The 5-tuple
	 * must not be in use (A-65: then TW_CTL_RESERVE_PORT_BUSY). It must not answer yet.
	 * @param sess    for events about it (tw_ctl_sess_silent()); valid until `release` returns
	 * @param handle  out: the owner's, given back in the calls below
	 */
	enum tw_ctl_reserve (*reserve)(void *app, struct tw_ctl_sess *sess,
		const struct tw_ctl_sess_param *param, void **handle);

	/** Answer from now on; returns when it does (Start-Ack follows). @return 0 or -errno */
	int (*start)(void *app, void *handle);

	/** Answer packets that arrive at most @p grace_ns after this call; `release` will follow.
	 */
	void (*stop)(void *app, void *handle, int64_t grace_ns);

	/** Gone, whatever state it was in: never answer again. */
	void (*release)(void *app, void *handle);

	/**
	 * A connection has output, may be read again or is done, for a reason other than the call
	 * just made on it (timer, key derived). Remember it, look at it later. May be NULL.
	 */
	void (*wake)(void *app, struct tw_ctl_conn *conn, void *user);

	/**
	 * IKEv2-derived keys may be offered to this peer: the IKE daemon serves its SAs, policy
	 * allows. NULL: never.
	 */
	bool (*offers_ike)(void *app, const struct tw_addr *peer);

	/**
	 * The key of the IKE SA with these SPIs, for a peer that names it. Asked when the client
	 * does so, while it waits, and once more when the token key has been derived: no
	 * connection is set up with the key of an SA that ended meanwhile. NULL: no SA is known.
	 * @param secret  out: with OK and SUPERSEDED a reference, which the machine drops
	 */
	enum tw_ctl_ike (*ike_key)(void *app, const uint8_t spis[TW_CTL_SPIS_LEN],
		const struct tw_addr *peer, struct tw_secret **secret);

	/** Something was refused or a connection ends: for the log. May be NULL. */
	void (*note)(void *app, const struct tw_ctl_conn *conn, const struct tw_ctl_reason *reason);
};

/* --- the server object --- */

/** Octets of the object; the caller gives zeroed or any memory, aligned as malloc's. */
size_t tw_ctl_srv_size(void);

/**
 * @param now  its NTP time becomes the Start-Time told to every client
 * @return 0, -EINVAL (configuration), -ENOMEM, -EIO (no random octets); nothing is left behind
 */
int tw_ctl_srv_init(struct tw_ctl_srv *srv, const struct tw_ctl_srv_cfg *cfg,
	const struct tw_ctl_srv_ops *ops, void *app, struct tw_ctl_time now);

/** Release every session, forget pending key jobs, wipe. All connections must be gone. */
void tw_ctl_srv_fini(struct tw_ctl_srv *srv);

/**
 * New configuration; running connections and sessions go on under what they were granted.
 * @return 0, -EINVAL or -ENOMEM, the old one then stays
 */
int tw_ctl_srv_set_cfg(struct tw_ctl_srv *srv, const struct tw_ctl_srv_cfg *cfg);

/** The configuration in force; its arrays belong to the server. */
const struct tw_ctl_srv_cfg *tw_ctl_srv_cfg_get(const struct tw_ctl_srv *srv);

/** When tw_ctl_srv_timer() must be called next: covers every connection and session. */
int64_t tw_ctl_srv_deadline(const struct tw_ctl_srv *srv);
void tw_ctl_srv_timer(struct tw_ctl_srv *srv, struct tw_ctl_time now);

/**
 * The reflector saw no valid packet for REFWAIT. `release` is called for it before this returns;
 * its client may still count it at Stop.
 */
void tw_ctl_sess_silent(struct tw_ctl_sess *sess, struct tw_ctl_time now);

/**
 * What the owner knows about IKE SAs changed: look again at the connections that wait for one.
 * Cheap if none does.
 * @param spis  the SA that came or went; NULL: any
 */
void tw_ctl_srv_ike_changed(
	struct tw_ctl_srv *srv, const uint8_t spis[TW_CTL_SPIS_LEN], struct tw_ctl_time now);

/** The Challenge was issued by this server, lately or to a connection not yet set up. */
bool tw_ctl_srv_issued(const struct tw_ctl_srv *srv, const uint8_t challenge[16]);

/** Counters; any thread. */
uint64_t tw_ctl_srv_counter(const struct tw_ctl_srv *srv, unsigned counter);
uint64_t tw_ctl_srv_limit_hits(const struct tw_ctl_srv *srv, unsigned cls, unsigned limit);
uint64_t tw_ctl_srv_why_cnt(const struct tw_ctl_srv *srv, unsigned why);

/** Live now: connections (with those being refused), connections not set up, sessions. */
struct tw_ctl_srv_live {
	uint32_t conns;
	uint32_t preauth;
	uint32_t kdf_jobs;
	uint32_t ike_waiters;
	uint32_t sessions; /* reserved, running and draining */
};
void tw_ctl_srv_live_get(const struct tw_ctl_srv *srv, struct tw_ctl_srv_live *out);

/* --- a connection --- */

enum tw_ctl_conn_state {
	TW_CTL_CONN_WAIT_SETUP = 1, /* greeting sent */
	TW_CTL_CONN_WAIT_SA,        /* for an IKE SA not heard of yet */
	TW_CTL_CONN_WAIT_KDF,       /* key being derived */
	TW_CTL_CONN_READY,
	TW_CTL_CONN_ACTIVE,  /* between Start and Stop */
	TW_CTL_CONN_CLOSING, /* output still to be sent, nothing read any more */
	TW_CTL_CONN_DONE,
	TW_CTL_CONN_N
};

size_t tw_ctl_conn_size(void);

/**
 * A connection was accepted. The greeting is in the output when this returns; if it had to be
 * refused (limits, policy) that greeting offers nothing and the connection is closing.
 * @param peer, local  addresses of the TCP connection (v4-mapped ones turned into v4)
 * @param user         for `wake`
 */
void tw_ctl_conn_open(struct tw_ctl_srv *srv, struct tw_ctl_conn *conn, const struct tw_addr *peer,
	uint16_t peer_port, const struct tw_addr *local, void *user, struct tw_ctl_time now);

/**
 * The descriptor is closed. Sessions still running go on for min(Timeout, loss_grace),
 * stopped ones for the rest of theirs, the others are released.
 */
void tw_ctl_conn_fini(struct tw_ctl_conn *conn, struct tw_ctl_time now);

size_t tw_ctl_conn_want(const struct tw_ctl_conn *conn);
/** @param len  at most tw_ctl_conn_want(); more is a fault of the caller */
void tw_ctl_conn_input(
	struct tw_ctl_conn *conn, const void *octets, size_t len, struct tw_ctl_time now);
/**
 * The peer says no more; it may still read, so what is in the input is served, and nothing more
 * wanted. Told a second time it is lost, see below: a loop that hears of a reset again and again
 * gets rid of the connection either way.
 */
void tw_ctl_conn_eof(struct tw_ctl_conn *conn, struct tw_ctl_time now);
/** The connection is broken (reset, unreachable): nothing can be said any more, done at once. */
void tw_ctl_conn_lost(struct tw_ctl_conn *conn, struct tw_ctl_time now);
const uint8_t *tw_ctl_conn_output(const struct tw_ctl_conn *conn, size_t *len);
void tw_ctl_conn_sent(struct tw_ctl_conn *conn, size_t len, struct tw_ctl_time now);
bool tw_ctl_conn_is_done(const struct tw_ctl_conn *conn);

/** End it from our side (operator, shutdown); counts as a lost connection for its sessions. */
void tw_ctl_conn_abort(struct tw_ctl_conn *conn, struct tw_ctl_time now);

/* For operations and logs. */
struct tw_ctl_conn_info {
	uint8_t state; /* enum tw_ctl_conn_state */
	uint8_t cls;   /* enum tw_ctl_class */
	uint32_t mode; /* selected, 0 before */
	struct tw_addr peer;
	uint16_t peer_port;
	struct tw_addr local;
	uint32_t reserved_cnt; /* accepted, not started */
	uint32_t running_cnt;  /* started, not stopped (silent ones included) */
	uint32_t draining_cnt;
	struct tw_ctl_reason reason;        /* why it ended; why == 0 while it lives */
	char key_id[TW_CTL_KEY_ID_MAX + 1]; /* name that authenticated, else "" */
	bool has_spis;                      /* an IKE SA was named, whether or not it is known */
	uint8_t spis[TW_CTL_SPIS_LEN];
};
void tw_ctl_conn_info_get(const struct tw_ctl_conn *conn, struct tw_ctl_conn_info *out);
const char *tw_ctl_conn_state_name(unsigned state);

#endif /* TW_CTL_SRV_H */
