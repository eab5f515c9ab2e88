/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Shared secrets that come from IKEv2 SAs (RFC 7717, PROTOCOL.md 3.7): the keystore. An IKE daemon
 * computes P = prf(SK_d, "IPPM") for each established SA and hands it over; here the records live,
 * with the rules of who may use which and for how long:
 *
 *   established   usable, found by SPIs and by peer address
 *   superseded    the SA was rekeyed: its key is found by SPIs for a grace period (30 s) more,
 *                 although the daemon destroys it at once; the end of the successor ends that
 * gone          deleted: forgotten at once, its key wiped with the last reference
 *
 * From the loss of the daemon on keys are found for another 30 s, then all are forgotten. Keys that
 * are in use (a derivation that runs) are counted references of their own; connections and test
 * sessions that were set up hold keys of their own and never come back here.
 *
 * Nothing here knows which protocol uses the key: TWAMP names SPIs in its KeyID, and OWAMP will.
 * tw_ike_link.h fills the store from the daemon's socket.
 *
 * Context: one thread, the control lcore; references to secrets may travel. No I/O, no clock: the
 * time of a call is an argument, nanoseconds of a monotonic clock. Errors are negative errno.
 */
#ifndef TW_IKE_H
#define TW_IKE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tw_addr.h"
#include "tw_base.h"
#include "tw_crypto.h"

#define TW_IKE_SPI_LEN     8
#define TW_IKE_KEY_MIN     16  /* output of the shortest PRF (AES-XCBC, AES-CMAC) */
#define TW_IKE_KEY_MAX     64  /* of the longest (HMAC-SHA2-512) */
#define TW_IKE_ID_SIZE     253 /* text of an identity with its end */
#define TW_IKE_CONN_SIZE   65  /* name of a connection with its end */
#define TW_IKE_VIPS_MAX    4
#define TW_IKE_TS_MAX      16
#define TW_IKE_STR_SIZE    34 /* both SPIs as text, with the end */
#define TW_IKE_GRACE_NS    (INT64_C(30) * 1000000000)
#define TW_IKE_SAS_DEFAULT 10000
#define TW_IKE_NO_DEADLINE INT64_MAX

struct tw_ike_store;

/* SPIs of an IKE SA as in its IKE header: that of the SA's initiator first. */
struct tw_ike_spis {
	uint8_t i[TW_IKE_SPI_LEN];
	uint8_t r[TW_IKE_SPI_LEN];
};

/* Addresses of a traffic selector, both ends included. */
struct tw_ike_range {
	struct tw_addr lo, hi;
};

enum tw_ike_state { TW_IKE_ESTABLISHED = 1, TW_IKE_SUPERSEDED, TW_IKE_STATE_N };

/** "established", "superseded". */
const char *tw_ike_state_name(unsigned state);

/* What is known of one IKE SA, without its key. Text is UTF-8 without control characters. */
struct tw_ike_sa {
	struct tw_ike_spis spis;
	uint64_t serial;        /* the daemon's number of it, rising */
	uint64_t established_s; /* UTC, by the daemon's clock */
	uint8_t state;          /* enum tw_ike_state */
	bool is_initiator;      /* this end is the original initiator of this SA */
	bool has_ppk;           /* RFC 8784 */
	bool is_local_nat, is_remote_nat;
	bool is_local_id_odd; /* cut, or not printable: nothing may be decided by it */
	bool is_remote_id_odd;
	uint8_t key_len; /* octets of the key */
	uint16_t prf;    /* transform id of IKEv2 (RFC 7296 3.3.2) */
	struct tw_addr local, remote;
	uint16_t local_port, remote_port;
	char local_id[TW_IKE_ID_SIZE];
	char remote_id[TW_IKE_ID_SIZE]; /* authenticated */
	char conn[TW_IKE_CONN_SIZE];    /* of the daemon's configuration */
	uint8_t vip_cnt;                /* virtual IPs of the remote end */
	uint8_t ts_cnt;                 /* remote traffic selectors of its Child SAs */
	struct tw_addr vips[TW_IKE_VIPS_MAX];
	struct tw_ike_range ts[TW_IKE_TS_MAX];
	/* by the store */
	int64_t until_ns;      /* superseded: end of the grace period */
	struct tw_ike_spis by; /* superseded: the newest SA that took over */
};

/** Name of a PRF: "HMAC_SHA2_256"; NULL if unknown. */
const char *tw_ike_prf_name(unsigned prf);

/** "SPIi_SPIr" in hexadecimal, as daemons log them. @return @p out */
const char *tw_ike_spis_str(const struct tw_ike_spis *spis, char out[TW_IKE_STR_SIZE]);

/** The reverse; '_' or ':' between them. @return false, @p out unchanged, on anything else */
bool tw_ike_spis_parse(const char *text, struct tw_ike_spis *out);

/**
 * An identity against a pattern: octet by octet, '*' stands for any number of any octets.
 */
bool tw_ike_id_matches(const char *pattern, const char *id);

/* --- the store --- */

enum tw_ike_ev {
	TW_IKE_EV_UP = 1,
	TW_IKE_EV_REKEYED, /* `old` tells what it replaces */
	TW_IKE_EV_MOVED,   /* other addresses, virtual IPs or selectors; same key */
	TW_IKE_EV_DOWN,    /* deleted, or its grace period is over */
};

/** Told after a change. @p old is NULL except for REKEYED. Must not call back into the store. */
typedef void (*tw_ike_event_fn)(
	void *arg, enum tw_ike_ev ev, const struct tw_ike_sa *sa, const struct tw_ike_spis *old);

struct tw_ike_store_cfg {
	unsigned max;          /* SAs at most; 0: TW_IKE_SAS_DEFAULT */
	int64_t grace_ns;      /* after a rekey, and after the loss of the daemon */
	tw_ike_event_fn event; /* or NULL */
	void *arg;
};

/** @return NULL without memory */
struct tw_ike_store *tw_ike_store_new(const struct tw_ike_store_cfg *cfg);

/** Drop every key and free. NULL is fine. */
void tw_ike_store_free(struct tw_ike_store *st);

/** New limits; records above a lower maximum stay. */
void tw_ike_store_limits(struct tw_ike_store *st, unsigned max, int64_t grace_ns);

/**
 * An SA is established or superseded, or one that is known has changed. Copies @p sa, takes a
 * reference of its own to @p key.
 * @param sa   spis, state and serial set; superseded: `by` too
 * @param old  the SA this one replaces (rekey); NULL if none
 * @return 0, -EINVAL (zero SPI, length of the key), -ENOSPC (full: counted), -ENOMEM
 */
int tw_ike_store_put(struct tw_ike_store *st, const struct tw_ike_sa *sa, struct tw_secret *key,
	const struct tw_ike_spis *old, int64_t now_ns);

/**
 * The daemon has no such SA any more. One that was superseded stays for the rest of its grace
 * period; any other is forgotten, and what it superseded with it.
 * @param by  the SA that superseded it; NULL: it was deleted
 */
void tw_ike_store_down(struct tw_ike_store *st, const struct tw_ike_spis *spis,
	const struct tw_ike_spis *by, int64_t now_ns);

/**
 * A listing begins; at its end established SAs that were not put meanwhile are taken for deleted.
 * Ended otherwise (loss of the daemon) it changes nothing.
 */
void tw_ike_store_list_begin(struct tw_ike_store *st);
void tw_ike_store_list_end(struct tw_ike_store *st);

/** The daemon is there (again), or lost. Lost for the grace period: every key is forgotten. */
void tw_ike_store_linked(struct tw_ike_store *st);
void tw_ike_store_lost(struct tw_ike_store *st, int64_t now_ns);

/** Forget every SA: another run of the daemon knows none of them. */
void tw_ike_store_flush(struct tw_ike_store *st);

/** When tw_ike_store_timer() has something to do; TW_IKE_NO_DEADLINE: never. */
int64_t tw_ike_store_deadline(const struct tw_ike_store *st);
void tw_ike_store_timer(struct tw_ike_store *st, int64_t now_ns);

/* --- peers with which an SA may be on its way --- */

/**
 * An SA with this peer is being set up (until @p until_ns at most), or that has ended. A bounded
 * number is remembered; the oldest give way.
 */
void tw_ike_store_coming(
	struct tw_ike_store *st, uint64_t serial, const struct tw_addr *peer, int64_t until_ns);
void tw_ike_store_came(struct tw_ike_store *st, uint64_t serial);

/** An SA with it is being set up. */
bool tw_ike_store_is_coming(
	const struct tw_ike_store *st, const struct tw_addr *peer, int64_t now_ns);

/** An SA with it is being set up, or it is an end of some SA that is here: looks at all. */
bool tw_ike_store_knows_peer(
	const struct tw_ike_store *st, const struct tw_addr *peer, int64_t now_ns);

/* --- look-ups --- */

/** Remote address, a virtual IP, or inside a remote traffic selector of the SA. */
bool tw_ike_sa_has_peer(const struct tw_ike_sa *sa, const struct tw_addr *peer);

/** Its authenticated identity matches the pattern; an odd one matches none. */
bool tw_ike_sa_has_id(const struct tw_ike_sa *sa, const char *pattern);

/**
 * By SPIs: what a server does with a KeyID. Established SAs and superseded ones in their grace
 * period.
 * @param key  out: a reference for the caller to drop; may be NULL
 * @return NULL if there is none; valid until the store changes
 */
const struct tw_ike_sa *tw_ike_store_find(struct tw_ike_store *st, const struct tw_ike_spis *spis,
	int64_t now_ns, struct tw_secret **key);

/**
 * The SA was here and is no more: nobody needs to wait for it. Of the last 256 that ended.
 */
bool tw_ike_store_has_ended(const struct tw_ike_store *st, const struct tw_ike_spis *spis);

/**
 * The newest established SA with a peer: what a client does with its server's address.
 * @param remote_id  pattern the authenticated identity must match; NULL or "": any
 * @param key        as above
 */
const struct tw_ike_sa *tw_ike_store_find_peer(struct tw_ike_store *st, const struct tw_addr *peer,
	const char *remote_id, int64_t now_ns, struct tw_secret **key);

/** First SA with this serial or a higher one, NULL past the end; for paging. */
const struct tw_ike_sa *tw_ike_store_next(const struct tw_ike_store *st, uint64_t serial);

/** The SA with the next serial, NULL past the end; @p sa is one that the store returned. */
const struct tw_ike_sa *tw_ike_store_after(const struct tw_ike_sa *sa);

/** By SPIs, whether or not its key may still be used; for operators. */
const struct tw_ike_sa *tw_ike_store_get(
	const struct tw_ike_store *st, const struct tw_ike_spis *spis);

unsigned tw_ike_store_count(const struct tw_ike_store *st);

struct tw_ike_store_counts {
	uint64_t up, rekeyed, moved, down;
	uint64_t full;    /* SAs not taken: the store was full, or memory short */
	uint64_t flushed; /* SAs forgotten because the daemon was lost or restarted */
};
const struct tw_ike_store_counts *tw_ike_store_counts(const struct tw_ike_store *st);

#endif /* TW_IKE_H */
