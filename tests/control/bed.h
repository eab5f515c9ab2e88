/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * What the suites of the control machines, the simulation and the fuzz targets stand on: an owner
 * of both machines without a data plane (it checks that every session is reserved, started,
 * stopped and released in order, once), deterministic random octets, keys derived when the test
 * says so, a clock that moves when the test says so.
 *
 * A broken promise of a machine aborts: a crash to Criterion and to libFuzzer alike.
 */
#ifndef BED_H
#define BED_H

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tw_control.h"

#define BED_CHECK(cond)                                                                            \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #cond);                 \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

#define BED_NS_PER_S 1000000000LL
#define BED_USER     "alice"
#define BED_SECRET   "correct horse battery staple"

enum bed_state { BED_FREE = 0, BED_RESERVED, BED_STARTED, BED_STOPPED };

/* A session as the data plane would have it. */
struct bed_sess {
	enum bed_state state;
	struct tw_ctl_sess *sess;
	struct tw_ctl_sess_param param; /* keys: NULL or `keys` */
	struct tw_crypto_keys keys;
	int64_t stopped_ns, grace_ns;
};

/* An IKE SA as the keystore would have it; the newest one last. */
struct bed_sa {
	uint8_t spis[TW_CTL_SPIS_LEN];
	enum tw_ctl_ike answer;
	struct tw_addr peer; /* the only one let in; family 0: any */
	bool is_late;        /* the server has not heard of it */
	size_t key_len;
	uint8_t key[64];
};

struct bed_script {
	const uint8_t *octets;
	size_t len;
};

struct bed {
	struct tw_ctl_time now;
	struct tw_ctl_srv_cfg cfg;
	struct tw_ctl_srv *srv;
	struct tw_keyring *keys;
	size_t heap_used; /* secret memory before the bed was made */

	/* random octets: of the script while it lasts, then of a generator */
	uint64_t seed;
	struct bed_script script[8];
	size_t script_idx, script_cnt;
	bool random_fails;

	/* derivations asked for and not yet done */
	struct tw_ctl_kdf_job **job;
	size_t job_cnt, job_size;
	bool kdf_is_full;

	/* IKE */
	bool is_ike_up; /* bit 7 is offered */
	struct bed_sa sa[8];
	size_t sa_cnt;
	struct tw_addr ike_expects; /* an SA with this peer may come */
	unsigned ike_calls;

	/* the data plane */
	struct bed_sess **sess;
	size_t sess_cnt, sess_size; /* live: sess_live */
	size_t sess_live;
	enum tw_ctl_reserve reserve_answer; /* 0: as the port allows */
	uint16_t busy_lo, busy_hi;          /* ports somebody else has */
	int start_answer;
	unsigned reserve_calls;

	/* the log */
	struct tw_ctl_reason last;
	unsigned note_cnt, wake_cnt;
	struct tw_ctl_conn *woken;
};

extern const struct tw_ctl_srv_ops bed_srv_ops;

/* Addresses: ours, and a peer inside and outside what tests allow. */
struct tw_addr bed_addr(const char *text);

/** Configuration of tests: Count 1024, open mode for 192.0.2.0/24 and 2001:db8::/32. */
void bed_init(struct bed *bed);
/** The server, from bed->cfg. */
void bed_serve(struct bed *bed);
/** Ends the server; checks that no session and no job is left. */
void bed_fini(struct bed *bed);

/** Derive all keys asked for. @return how many */
size_t bed_derive(struct bed *bed);
/** Hand jobs back without having run them. */
void bed_drop_jobs(struct bed *bed);

/** Let time pass, timer by timer. */
void bed_wait(struct bed *bed, int64_t ns);

/** Live session number @p idx in order of reservation, NULL if there are fewer. */
struct bed_sess *bed_sess_at(struct bed *bed, size_t idx);
size_t bed_sess_count(const struct bed *bed, enum bed_state state);

/** Callbacks both machines share; app is a struct bed. */
bool bed_random(void *app, void *out, size_t len);
struct tw_secret *bed_key(void *app, const struct tw_keyring_id *id, bool *is_known);
bool bed_kdf(void *app, struct tw_ctl_kdf_job *job);

/** Token key of the peer a test plays; remembers the last one, derivations are slow. */
void bed_token_key(const char *secret, const uint8_t salt[16], uint32_t count, uint8_t tk[16]);

bool bed_offers_ike(void *app, const struct tw_addr *peer);
enum tw_ctl_ike bed_ike_of_spis(void *app, const uint8_t spis[TW_CTL_SPIS_LEN],
	const struct tw_addr *peer, struct tw_secret **secret);
enum tw_ctl_ike bed_ike_newest(void *app, const struct tw_addr *server,
	uint8_t spis[TW_CTL_SPIS_LEN], struct tw_secret **secret);

/** An SA with SPIi = @p spi eight times, SPIr its complement; binary key. */
struct bed_sa *bed_add_sa(struct bed *bed, uint8_t spi, const void *key, size_t len);
/** A key to tell from others: first, first + 1, ... with a zero in the middle. */
void bed_key_octets(uint8_t *key, size_t len, uint8_t first);

/** Token key of the peer a test plays, of a binary secret. */
void bed_token_key_of(
	const void *secret, size_t len, const uint8_t salt[16], uint32_t count, uint8_t tk[16]);

void bed_add_key(struct bed *bed, const char *name, const char *secret);
/** These octets come next from bed_random(), each call takes one entry and must fit it. */
void bed_script(struct bed *bed, const uint8_t *octets, size_t len);

static inline uint64_t
bed_next(uint64_t *state)
{
	uint64_t x = *state += 0x9e3779b97f4a7c15ULL;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9ULL;
	x = (x ^ x >> 27) * 0x94d049bb133111ebULL;
	return x ^ x >> 31;
}

#endif /* BED_H */
