/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Inside of the client.
 *
 *   cli.c        life of a client: open, octets in and out, timers, end
 *   cli_setup.c  Greeting, choice of the mode, Server-Start
 *   cli_key.c    the secret, by KeyID or of an IKE SA; key derived, Set-Up-Response
 *   cli_sess.c   requests, start and stop, and what the server answers
 *   cli_cfg.c    defaults and bounds
 */
#ifndef CLI_I_H
#define CLI_I_H

#include "control_i.h"

/* A request, from tw_ctl_cli_request() to its answer. */
struct cli_req {
	STAILQ_ENTRY(cli_req) link;
	struct tw_ctl_want want;
	void *user;
};

STAILQ_HEAD(cli_reqs, cli_req);

struct tw_ctl_cli {
	struct tw_ctl_cli_cfg cfg;
	const struct tw_ctl_cli_ops *ops;
	void *app;
	struct tw_addr peer;
	uint8_t state; /* enum tw_ctl_cli_state */
	bool has_eof;
	bool is_running;        /* guards against running inside its own event */
	uint32_t offered, mode; /* mode: selected */

	struct tw_ctl_kdf_job *job;
	uint8_t spis[TW_CTL_SPIS_LEN]; /* of the SA used, with TW_MODE_IKEV2 */
	uint8_t challenge[TW_WIRE_CHALLENGE_LEN];
	uint8_t client_iv[TW_WIRE_IV_LEN];
	uint64_t server_start_ntp;

	int64_t wait_since_ns; /* the deadline of the read that is due runs from here */
	int64_t close_since_ns;

	struct cli_reqs queued; /* not yet on their way */
	struct cli_reqs asked;  /* unanswered, in order */
	uint32_t req_cnt;       /* of both */
	uint32_t accepted_cnt;  /* accepted, not stopped */

	struct io io;
};

/* --- cli.c --- */

struct cli_end {
	struct tw_ctl_reason reason;
	bool results_invalid;
	uint8_t retry; /* enum tw_ctl_ike_try */
};

/* Say no more than what is in the output, then be done; the CLOSED event. */
void ctl_cli_close(struct tw_ctl_cli *cli, enum tw_ctl_why why, struct tw_ctl_time now);
void ctl_cli_close_for(struct tw_ctl_cli *cli, const struct cli_end *end, struct tw_ctl_time now);
/* An error of ctl_io_message() or ctl_io_check(). */
void ctl_cli_fail(struct tw_ctl_cli *cli, int res, struct tw_ctl_time now);
void ctl_cli_run(struct tw_ctl_cli *cli, struct tw_ctl_time now);
struct tw_ctl_cli_event ctl_cli_event(const struct tw_ctl_cli *cli, enum tw_ctl_cli_ev ev);
struct tw_ctl_reason ctl_cli_reason(enum tw_ctl_why why, uint8_t accept);

/* --- cli_key.c --- */

/* The newest IKE SA of the owner. @return 0: *secret is a reference; or the reason why there is
 * none
 */
enum tw_ctl_why ctl_key_of_sa(
	struct tw_ctl_cli *cli, uint8_t spis[TW_CTL_SPIS_LEN], struct tw_secret **secret);
/* The secret of the KeyID. @return as above */
enum tw_ctl_why ctl_key_of_name(struct tw_ctl_cli *cli, struct tw_secret **secret);
/* Have the token key derived; takes the reference. @return 0 or the reason */
enum tw_ctl_why ctl_key_derive(struct tw_ctl_cli *cli, struct tw_secret *secret,
	const uint8_t salt[TW_WIRE_SALT_LEN], uint32_t count);
void ctl_key_abandon(struct tw_ctl_cli *cli);
void ctl_key_response(
	struct tw_ctl_cli *cli, const struct tw_wire_setup_response *resp, struct tw_ctl_time now);
/* Close for a reason of IKE; tells whether another connection is worth it. */
void ctl_key_close_ike(struct tw_ctl_cli *cli, struct tw_ctl_reason reason, struct tw_ctl_time now);

/* --- cli_setup.c: each serves one message of the input; false if there is no whole one --- */

bool ctl_setup_greeting(struct tw_ctl_cli *cli, struct tw_ctl_time now);
bool ctl_setup_server_start(struct tw_ctl_cli *cli, struct tw_ctl_time now);

/* --- cli_sess.c --- */

bool ctl_sess_answer(struct tw_ctl_cli *cli, struct tw_ctl_time now);
bool ctl_sess_start_ack(struct tw_ctl_cli *cli, struct tw_ctl_time now);
/* Requests that wait, as far as the output has room. */
void ctl_sess_pump(struct tw_ctl_cli *cli, struct tw_ctl_time now);
void ctl_sess_forget(struct tw_ctl_cli *cli);

#endif /* CLI_I_H */
