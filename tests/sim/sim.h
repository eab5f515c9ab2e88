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
};

struct sim_client;

struct sim {
	struct bed bed;
	struct sim_link link;
	struct sim_client *client;
	size_t client_cnt;
	int64_t kdf_max_ns; /* a derivation takes up to this long */
	int64_t kdf_due_ns;
};

/* What became of a client. */
struct sim_result {
	unsigned accepted, refused, started_rounds, stopped_rounds;
	unsigned fallbacks, closed_events;
	struct tw_ctl_cli_event closed;
	size_t to_server, to_client;  /* octets that arrived */
	struct tw_ctl_conn_info conn; /* as the server saw it at its end */
};

/** A server with the configuration of tests; change sim->bed.cfg before sim_run(). */
void sim_init(struct sim *sim, uint64_t seed);
void sim_fini(struct sim *sim);

/**
 * Run @p cnt clients by the same plan until all are done and nothing moves any more, then let the
 * last session drain. Checks on the way what must hold however octets travel: sessions answer
 * before their Start-Ack arrives, at the end nothing is left.
 */
void sim_run(struct sim *sim, const struct sim_plan *plan, size_t cnt, struct sim_result *results);

#endif /* SIM_H */
