/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * TWAMP-Control, both ends, without I/O: octets, events and the time go in; octets, calls of the
 * caller's table and the next deadline come out. The same machines serve sockets, tests, fuzzers
 * and the simulation. This header holds what both ends share; tw_ctl_srv.h is the Server,
 * tw_ctl_cli.h the Control-Client.
 *
 * How a caller drives either end of a connection (XXX = conn or cli):
 *
 *   readable:  n = tw_ctl_XXX_want(x)      octets the machine takes now; 0: do not read now
 *              recv up to n; tw_ctl_XXX_input(x, now, octets, len)   takes all of them
 *              end of file: tw_ctl_XXX_eof(x, now)
 *   broken:    tw_ctl_conn_lost(x, now), tw_ctl_cli_eof(x, now)
 *   after each call: p = tw_ctl_XXX_output(x, &len); send; tw_ctl_XXX_sent(x, now, sent)
 *              tw_ctl_XXX_is_done(x): everything is said, close the descriptor and fini
 *   timers:    call ..._timer() when the time reaches ..._deadline()
 *
 * Context: one thread (the control lcore) runs all of it; nothing is shared with others but
 * counters (relaxed reads) and key jobs, see tw_ctl_kdf_run(). Nothing blocks, logs, reads a clock
 * or a descriptor. Secrets live in the crypto library's secure heap alone and are wiped on every
 * way out; they never appear in a reason.
 */
#ifndef TW_CONTROL_H
#define TW_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tw_addr.h"
#include "tw_base.h"
#include "tw_crypto.h"
#include "tw_keyring.h"
#include "tw_wire.h"

#define TW_CTL_PORT        862   /* TWAMP-Control over TCP, RFC 8545 */
#define TW_CTL_COUNT_MIN   1024  /* PBKDF2 iterations, RFC 4656 3.1 */
#define TW_CTL_COUNT_MAX   32768 /* RFC 5357 6 */
#define TW_CTL_SID_LEN     16
#define TW_CTL_KEY_ID_MAX  80
#define TW_CTL_REASON_SIZE 400 /* room for any text of tw_ctl_reason_str() */
#define TW_CTL_NO_DEADLINE INT64_MAX
#define TW_CTL_SPIS_LEN    TW_WIRE_SPIS_LEN /* SPIi then SPIr, as in the IKE header */
#define TW_CTL_SPIS_SIZE   40               /* room for any text of tw_ctl_spis_str() */

struct tw_ctl_srv;
struct tw_ctl_cli;

/* The time of a call. */
struct tw_ctl_time {
	int64_t mono_ns; /* monotonic clock; timers and deadlines count on it */
	uint64_t ntp;    /* UTC as an NTP timestamp, for SIDs and Start-Time; may step */
};

/* Why a request was refused or a connection ended: TW_CTL_WHY_..., rows of reasons.def. */
enum tw_ctl_why {
	TW_CTL_WHY_NONE = 0,
#define TW_CTL_WHY(NAME, name, accept, what, mend) TW_CTL_WHY_##NAME,
#include "reasons.def"
	TW_CTL_WHY_N
};

struct tw_ctl_reason {
	uint8_t why;    /* enum tw_ctl_why */
	uint8_t accept; /* Accept value sent (server) or received, as it was (client); else 0 */
	bool has_value; /* value and bound mean something */
	uint64_t value; /* what was asked or seen */
	uint64_t bound; /* what is allowed */
};

/** Short name of a reason, for counters and JSON: "bad_hmac". "none" for 0. */
const char *tw_ctl_why_name(unsigned why);

/**
 * A line for people: where, what happened, the numbers if there are any, how to mend it.
 * @param where  the other end, "192.0.2.1 port 862", or NULL
 * @return @p out
 */
const char *tw_ctl_reason_str(
	const struct tw_ctl_reason *reason, const char *where, char *out, size_t size);

/*
 * IKEv2-derived keys (RFC 7717, PROTOCOL.md 3.7). The machines know no keystore: their owners are
 * asked for the key of an IKE SA, a binary secret of 16 to 64 octets, and answer with one of these.
 * The key takes the place of the passphrase and nothing else changes.
 */
enum tw_ctl_ike {
	TW_CTL_IKE_OK = 1,     /* here is its key */
	TW_CTL_IKE_SUPERSEDED, /* here is its key, though a newer SA took its place */
	TW_CTL_IKE_UNKNOWN,    /* no such SA */
	/* Not heard of yet, but a connection with this peer is known or an SA with it is being set
	 * up, so that it may come: the server waits. */
	TW_CTL_IKE_EXPECTED,
	TW_CTL_IKE_ENDED,    /* deleted, superseded too long ago, or its daemon is gone too long */
	TW_CTL_IKE_ADDRESS,  /* the TCP peer is at no address that the SA vouches for */
	TW_CTL_IKE_IDENTITY, /* the authenticated identity is not allowed, or not the one wanted */
	TW_CTL_IKE_N
};

/** Both SPIs for people, "0123456789abcdef_i 0123456789abcdef_r". @return @p out */
const char *tw_ctl_spis_str(const uint8_t spis[TW_CTL_SPIS_LEN], char out[TW_CTL_SPIS_SIZE]);

/*
 * A PBKDF2 job: milliseconds of work that must not run on the event loop. In the secure heap;
 * opaque to the caller, who carries the pointer to a worker thread and back.
 */
struct tw_ctl_kdf_job;

/**
 * Do the work.
 * Context: any thread; the job belongs to that thread from the `kdf` call until tw_ctl_kdf_done().
 */
void tw_ctl_kdf_run(struct tw_ctl_kdf_job *job);

/**
 * Hand the result back to the machine that asked, server or client; if it is gone meanwhile the
 * job is just wiped. The job is freed. To be called exactly once for each job taken, also for one
 * that never ran (at shutdown): the connection then ends with an internal error.
 * Context: control lcore, not from within the `kdf` call.
 */
void tw_ctl_kdf_done(struct tw_ctl_kdf_job *job, struct tw_ctl_time now);

/* Callbacks both ends need. They must not call back into the machine unless said. */
struct tw_ctl_ops {
	/** Fill with octets of a CSPRNG. @return false if there are none (Accept 2 follows) */
	bool (*random)(void *app, void *out, size_t len);

	/**
	 * Find the secret of a KeyID: tw_keyring_find() on the application's ring.
	 * @param is_known  out: false if the reference is to a dummy
	 * @return a reference, which the machine drops; NULL without memory
	 */
	struct tw_secret *(*key)(void *app, const struct tw_keyring_id *id, bool *is_known);

	/**
	 * Take a job: run tw_ctl_kdf_run() elsewhere, then tw_ctl_kdf_done().
	 * @return false if the queue is full (Accept 5 follows); the job is then not taken
	 */
	bool (*kdf)(void *app, struct tw_ctl_kdf_job *job);
};

#include "tw_ctl_srv.h"
#include "tw_ctl_cli.h"

#endif /* TW_CONTROL_H */
