/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Client machines against the server machine in virtual time, over pipes that hand over octets in
 * pieces, late, and break off. Everything follows from a seed: a failing one is printed and runs
 * again the same way.
 */
#ifndef SIM_H
#define SIM_H

#include "bed.h"

#define SIM_NEVER SIZE_MAX

struct sim;

/* Somebody between both ends: each message of the set-up as it passes, his to alter. NULL: not. */
struct sim_mitm {
	void (*greeting)(struct sim *sim, uint8_t msg[TW_WIRE_GREETING_LEN]);
	void (*response)(struct sim *sim, uint8_t msg[TW_WIRE_SETUP_RESPONSE_LEN]);
	void (*server_start)(struct sim *sim, uint8_t msg[TW_WIRE_SERVER_START_LEN]);
};

/* How octets travel, both ways alike. */
struct sim_link {
	size_t piece_max;     /* octets handed over at once: 1..piece_max */
	int64_t delay_max_ns; /* of each piece, order is kept */
	size_t window;        /* octets on their way at most: a writer sends no more */
	size_t cut_to_server; /* the connection breaks after so many octets, SIM_NEVER: not */
	size_t cut_to_client;
};

/* What a client does. */
struct sim_plan {
	uint32_t mode;
	const char *user; /* NULL: as the mode wants */
	unsigned rounds;
	unsigned sessions; /* in each round */
	int64_t test_ns;   /* from Start-Ack to Stop */
	bool is_v6;
	/* with an IKEv2-derived key, and what goes with it */
	bool is_ike, has_fallback;
	bool is_own;    /* the server is that of the client's own box */
	uint32_t floor; /* 0: `mode` and no other */
};

struct sim_client;

struct sim {
	struct bed bed;
	struct sim_link link;
	struct sim_client *client;
	size_t client_cnt;
	int64_t kdf_max_ns; /* a derivation takes up to this long */
	int64_t kdf_due_ns;
	struct sim_mitm mitm;
	int64_t at_ns; /* something happens then, once */
	void (*at)(struct sim *sim);
};

enum { SIM_TRIES = 4 };

/* What became of a client. */
struct sim_result {
	unsigned accepted, refused, started_rounds, stopped_rounds;
	unsigned fallbacks, closed_events; /* tries: one CLOSED each */
	unsigned response_cnt;
	uint8_t response[SIM_TRIES][TW_WIRE_SETUP_RESPONSE_LEN]; /* as the client said them */
	struct tw_ctl_cli_event closed;
	size_t to_server, to_client;  /* octets that arrived */
	struct tw_ctl_conn_info conn; /* as the server saw it at its end */
};

/** A server with the configuration of tests; change sim->bed.cfg before sim_run(). */
void sim_init(struct sim *sim, uint64_t seed);
void sim_fini(struct sim *sim);

/**
 * Run @p cnt clients by the same plan, each on as many connections as it is told are worth it,
 * until all are done and nothing moves any more, then let the last session drain. Checks on the way
 * what must hold however octets travel: sessions answer before their Start-Ack arrives, at the end
 * nothing is left.
 */
void sim_run(struct sim *sim, const struct sim_plan *plan, size_t cnt, struct sim_result *results);

#endif /* SIM_H */
