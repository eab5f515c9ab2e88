/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Inside of the server: the shared object, connections, sessions, and who may do what to them.
 *
 *   conn.c     life of a connection: open, octets in and out, timers, end
 *   setup.c    greeting, Set-Up-Response, key derived, Server-Start;  setup_ike.c  IKE SAs
 *   steps.c    which command is legal when (steps.def), HMAC before anything else
 *   on_*.c     one command each
 *   sess.c     session records: reserve, start, stop, drain, release
 *   policy.c   what a peer is offered, its class, addresses of sessions
 *   source.c   what each source address holds;  sid.c  SIDs in use;  issued.c  Challenges issued
 */
#ifndef SRV_I_H
#define SRV_I_H

#include <sys/queue.h>

#include "control_i.h"

/* After its deadline a session stays known this long: packets that arrived in time may still wait
 * in a receive queue. */
#define DRAIN_SLACK_NS (100 * 1000000LL)

enum timer_kind { TIMER_CONN = 1, TIMER_SESS };

/* --- source.c --- */

/* What one source address (IPv6: one prefix) holds. Freed when it holds nothing. */
struct source {
	SLIST_ENTRY(source) link;
	struct tw_addr addr;
	uint32_t refs; /* connections and sessions and jobs that point here */
	uint32_t conns[TW_CTL_CLASS_N];
	uint32_t sessions[TW_CTL_CLASS_N];
	uint32_t kdf_jobs;
	uint32_t ike_waiters;
};

#define SOURCE_BUCKETS 4096

struct sources {
	SLIST_HEAD(, source) bucket[SOURCE_BUCKETS];
	uint64_t seed[2];
};

/* The source of this address, one reference more; NULL without memory. */
struct source *ctl_source_get(struct sources *s, const struct tw_addr *addr, unsigned bits_v6);
struct source *ctl_source_hold(struct source *src);
void ctl_source_put(struct sources *s, struct source *src);

/* --- issued.c: Challenges --- */

#define ISSUED_WAYS 8

struct issued {
	uint8_t (*way)[ISSUED_WAYS][16];
	uint8_t *next; /* way to be replaced, per set */
};

int ctl_issued_init(struct issued *i);
void ctl_issued_fini(struct issued *i);
void ctl_issued_add(struct issued *i, const uint8_t challenge[16]);
bool ctl_issued_has(const struct issued *i, const uint8_t challenge[16]);

/* --- sid.c: SIDs of live sessions --- */

struct sids {
	struct tw_ctl_sess **bucket;
	size_t size, cnt; /* size: power of 2, 0 before the first */
};

int ctl_sids_reserve(struct sids *s); /* room for one more; 0 or -ENOMEM */
void ctl_sids_add(struct sids *s, struct tw_ctl_sess *sess);
void ctl_sids_del(struct sids *s, struct tw_ctl_sess *sess);
bool ctl_sids_has(const struct sids *s, const uint8_t sid[TW_CTL_SID_LEN]);
void ctl_sids_fini(struct sids *s);

/* --- the objects --- */

enum sess_state { SESS_RESERVED = 1, SESS_RUNNING, SESS_DRAINING };

struct tw_ctl_sess {
	LIST_ENTRY(tw_ctl_sess) link; /* of its connection, or of the orphans */
	struct tw_ctl_sess *sid_next;
	struct tw_ctl_srv *srv;
	struct tw_ctl_conn *conn; /* NULL: the connection is gone */
	struct source *source;
	void *handle; /* the owner's */
	struct timer timer;
	int64_t timeout_ns;
	uint8_t sid[TW_CTL_SID_LEN];
	uint8_t state; /* enum sess_state */
	uint8_t cls;
};

LIST_HEAD(sess_list, tw_ctl_sess);

struct tw_ctl_conn {
	LIST_ENTRY(tw_ctl_conn) link; /* of the server's connections */
	struct tw_ctl_srv *srv;
	struct source *source; /* NULL: refused, not counted */
	void *user;
	struct timer timer;
	struct tw_addr peer, local;
	uint16_t peer_port;
	uint8_t state; /* enum tw_ctl_conn_state */
	uint8_t cls;   /* counted under */
	bool is_preauth;
	bool is_allowed; /* inside an allowed prefix */
	bool has_eof;
	bool has_timer;
	uint32_t offered, count; /* as greeted, whatever the settings become */
	uint32_t mode;
	struct tw_ctl_reason reason;

	int64_t setup_since_ns; /* T_setup runs from here */
	int64_t quiet_since_ns; /* SERVWAIT runs from here */
	int64_t close_since_ns;

	struct tw_ctl_kdf_job *job;
	LIST_ENTRY(tw_ctl_conn) ike_waiter;
	bool is_ike_waiter;
	uint8_t ike;                   /* enum tw_ctl_ike: last answer about the SA */
	uint8_t spis[TW_CTL_SPIS_LEN]; /* named, with TW_MODE_IKEV2 */
	struct tw_keyring_id key_id;   /* else */
	bool is_authenticated;
	uint8_t challenge[TW_WIRE_CHALLENGE_LEN];
	uint8_t salt[TW_WIRE_SALT_LEN];
	uint8_t token[TW_WIRE_TOKEN_LEN]; /* as received: encrypted */
	uint8_t client_iv[TW_WIRE_IV_LEN];

	struct sess_list sess;
	uint32_t promised_cnt; /* accepted since the last Start, as the client counts */
	uint32_t started_cnt;  /* started since the last Stop, as the client counts */
	uint32_t reserved_cnt, running_cnt, draining_cnt; /* that exist */

	struct io io;
};

struct tw_ctl_srv {
	struct tw_ctl_srv_cfg cfg;
	struct tw_ctl_allow *allow; /* cfg points here */
	struct tw_prefix *senders;
	struct tw_ctl_srv_ops ops;
	void *app;
	uint64_t start_ntp;
	struct tw_crypto_keys *scratch; /* test keys of the session being made */

	struct heap heap;
	struct sources sources;
	struct issued issued;
	struct sids sids;
	LIST_HEAD(, tw_ctl_conn) conns;
	LIST_HEAD(, tw_ctl_kdf_job) jobs;
	LIST_HEAD(, tw_ctl_conn) ike_waiters; /* in TW_CTL_CONN_WAIT_SA */
	struct sess_list orphans;
	uint32_t port_next; /* where the search for a free port goes on */

	/* live */
	uint32_t conns_cnt[TW_CTL_CLASS_N];
	uint32_t preauth_cnt[TW_CTL_CLASS_N];
	uint32_t sessions_cnt[TW_CTL_CLASS_N];
	uint32_t kdf_cnt;
	uint32_t ike_waiters_cnt;
	uint32_t refused_cnt; /* connections that only wait for their end */

	/* w: this thread   r: any, relaxed */
	struct tw_ctr ctr[TW_CTL_CTR_N];
	struct tw_ctr limit_hits[TW_CTL_CLASS_N][TW_CTL_LIMIT_N];
	struct tw_ctr why[TW_CTL_WHY_N];
};

static inline uint32_t
setting(const struct tw_ctl_srv *srv, enum tw_ctl_setting s)
{
	return srv->cfg.set[s];
}

static inline int64_t
setting_ms_as_ns(const struct tw_ctl_srv *srv, enum tw_ctl_setting s)
{
	return srv->cfg.set[s] * NS_PER_MS;
}

/* Of a setting in seconds. */
static inline int64_t
setting_ns(const struct tw_ctl_srv *srv, enum tw_ctl_setting s)
{
	return srv->cfg.set[s] * NS_PER_S;
}

static inline uint32_t
limit(const struct tw_ctl_srv *srv, unsigned cls, enum tw_ctl_limit l)
{
	return srv->cfg.limit[cls][l];
}

/* Room for one more under this limit; counts the hit if there is none. */
bool ctl_limit_allows(struct tw_ctl_srv *srv, unsigned cls, enum tw_ctl_limit l, uint32_t live);

/* --- policy.c --- */

bool ctl_policy_is_allowed(const struct tw_ctl_srv *srv, const struct tw_addr *peer);
uint32_t ctl_policy_offer(const struct tw_ctl_srv *srv, const struct tw_addr *peer);
bool ctl_policy_sender(const struct tw_ctl_conn *conn, const struct tw_addr *sender);
bool ctl_policy_receiver(const struct tw_ctl_conn *conn, const struct tw_addr *receiver);

/* --- conn.c --- */

struct tw_ctl_reason ctl_reason_of(enum tw_ctl_why why);
struct tw_ctl_reason ctl_reason_value(enum tw_ctl_why why, uint64_t value, uint64_t bound);
/* Count and tell of a refusal, which may leave the connection up. */
void ctl_conn_note(struct tw_ctl_conn *conn, const struct tw_ctl_reason *reason);

/* What becomes of running sessions when their connection ends. */
enum conn_end {
	CONN_END_LOST = 1, /* go on for a while */
	CONN_END_DROP,     /* released at once: the client broke the rules of Stop */
};

/* Say no more than what is in the output, then be done. */
void ctl_conn_close(struct tw_ctl_conn *conn, enum tw_ctl_why why, struct tw_ctl_time now);
void ctl_conn_close_for(struct tw_ctl_conn *conn, struct tw_ctl_reason reason, enum conn_end end,
	struct tw_ctl_time now);
void ctl_conn_arm(struct tw_ctl_conn *conn);
void ctl_conn_timer(struct tw_ctl_conn *conn, struct tw_ctl_time now);
/* The peer is what cls says: count it there, no longer as one before authentication. @return 0, or
 * the limit that has no room; nothing is changed then */
enum tw_ctl_why ctl_conn_set_up(struct tw_ctl_conn *conn, unsigned cls);
/* Serve what the input holds. */
void ctl_conn_run(struct tw_ctl_conn *conn, struct tw_ctl_time now);

/* --- setup.c --- */

void ctl_setup_greet(struct tw_ctl_conn *conn, struct tw_ctl_time now);
void ctl_setup_refuse(struct tw_ctl_conn *conn, enum tw_ctl_why why, struct tw_ctl_time now);
void ctl_setup_response(struct tw_ctl_conn *conn, struct tw_ctl_time now);
/*
 * A connection that waits for an IKE SA: the owner knows more, or (@p is_over) the wait is over.
 * @return false if it goes on waiting
 */
bool ctl_setup_resume(struct tw_ctl_conn *conn, bool is_over, struct tw_ctl_time now);
/* The job outlives the connection; it waits no more. */
void ctl_setup_forget(struct tw_ctl_conn *conn);

/* --- setup_ike.c --- */

/* What the owner says about the SA that the client named; remembered in conn->ike. */
enum tw_ctl_ike ctl_ike_ask(struct tw_ctl_conn *conn, struct tw_secret **secret);
/* The reason to refuse, or 0. */
enum tw_ctl_why ctl_ike_why(enum tw_ctl_ike ike);
/* The key that was derived may still be used; the reason if not. */
enum tw_ctl_why ctl_ike_still(struct tw_ctl_conn *conn);
/* @return false if there is no room to wait */
bool ctl_ike_wait(struct tw_ctl_conn *conn);
void ctl_ike_unwait(struct tw_ctl_conn *conn);

/* --- steps.c --- */

/* Serve one command of the input. @return false if there is no whole one */
bool ctl_step(struct tw_ctl_conn *conn, struct tw_ctl_time now);
/* Accept-Session, sealed. */
void ctl_reply_session(struct tw_ctl_conn *conn, uint8_t accept, uint16_t port, const uint8_t *sid,
	struct tw_ctl_time now);
void ctl_reply_start(struct tw_ctl_conn *conn, uint8_t accept, struct tw_ctl_time now);

/* A command of the client, checked and in clear. */
typedef void (*step_fn)(struct tw_ctl_conn *conn, const uint8_t *msg, struct tw_ctl_time now);

#define STEP(NAME, states, fn)                                                                     \
	void fn(struct tw_ctl_conn *conn, const uint8_t *msg, struct tw_ctl_time now);
#include "steps.def"

/* --- sess.c --- */

/* Make a session of what was asked and checked; fills in SID and port. @return 0 or the reason */
enum tw_ctl_why ctl_sess_reserve(
	struct tw_ctl_conn *conn, struct tw_ctl_sess_param *param, struct tw_ctl_time now);
/* Start what is reserved. @return 0 or the first errno; all of them are then released */
int ctl_sess_start_all(struct tw_ctl_conn *conn);
/* Running sessions: answer for their Timeout (RFC 5357 3.8). */
void ctl_sess_stop_all(struct tw_ctl_conn *conn, struct tw_ctl_time now);
/* The same after the loss of the connection: for less, if loss_grace says so. */
void ctl_sess_stop_lost(struct tw_ctl_conn *conn, struct tw_ctl_time now);
enum sess_sel { SESS_SEL_RESERVED = 1, SESS_SEL_RUNNING };
void ctl_sess_release_all(struct tw_ctl_conn *conn, enum sess_sel sel);
/* The connection goes; what still drains stays with the server. */
void ctl_sess_orphan_all(struct tw_ctl_conn *conn);
void ctl_sess_free(struct tw_ctl_sess *sess);
void ctl_sess_timer(struct tw_ctl_sess *sess, struct tw_ctl_time now);

#endif /* SRV_I_H */
