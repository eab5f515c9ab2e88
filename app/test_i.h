/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * What test_run.c (life of a test, control connection) and test_sess.c (its sender sessions)
 * share.
 */
#ifndef TW_TEST_I_H
#define TW_TEST_I_H

#include <sys/queue.h>

#include "event.h"
#include "hold.h"
#include "idtab.h"
#include "io_cli.h"
#include "io_ike.h"
#include "loop.h"
#include "netlink.h"
#include "raw_file.h"
#include "test_run.h"
#include "tw_dp.h"

struct tw_test_sess {
	struct tw_test *test;
	uint32_t no;      /* 1.. */
	uint32_t send_id; /* number in tw_tests.senders, 0: none */
	uint8_t state;    /* enum tw_test_sess_state */
	bool is_stop_sent;
	uint16_t sender_port;
	uint16_t asked_port;
	uint16_t receiver_port;
	uint32_t path_seen; /* tw_test.path_no it sends with */
	uint8_t sid[TW_CTL_SID_LEN];
	struct tw_hold_port *hold;
	struct tw_crypto_keys *keys; /* test keys until the sender is made; secret heap */
	struct tw_send_sess *send;
	struct tw_metrics *metrics;
	struct tw_ctl_reason reason;
	struct tw_send_counts counts; /* once ended */
	struct tw_metrics_report *report;
	struct tw_metrics_gaps gaps;   /* so far */
	uint64_t sent, received, lost; /* totals of the last interval */
	struct tw_metrics_interval *ring;
	uint32_t ring_len; /* intervals kept */
	uint64_t ring_cnt; /* intervals seen */
};

struct tw_test {
	struct tw_tests *owner;
	struct tw_app *app;
	uint32_t id;
	uint8_t state;
	struct tw_test_params p;
	struct tw_test_error error;
	struct tw_io_cli *cli;
	struct tw_netlink_watch *watch;
	struct tw_netlink_path path;
	uint32_t path_no; /* 0: not known; rises with each change */
	bool has_port;    /* path.port_idx is held */
	bool is_ready;    /* set-up is over */
	bool is_requested;
	bool is_stop_asked;
	bool is_control_lost;
	bool is_results_invalid;
	bool is_ike_fallback;          /* goes on without IKE, by the operator's choice */
	uint8_t ike_try;               /* enum tw_ctl_ike_try */
	uint8_t spis[TW_CTL_SPIS_LEN]; /* of the IKE SA used, with TW_MODE_IKEV2 */
	char ike_remote_id[TW_IKE_ID_SIZE];
	struct tw_ike_ask *ike_ask; /* under way */
	bool is_starting;           /* senders are being made, `next` is the next */
	bool is_soiled;             /* some sender has an old path or is to be stopped */
	struct tw_addr local;
	uint32_t mode;
	const struct tw_tst_fmt *fmt;
	uint16_t size;
	int64_t created_utc_ns;
	int64_t started_utc_ns;
	int64_t ended_utc_ns;
	int64_t first_utc_ns; /* departure of the first session's first packet */
	struct tw_test_sess *sess;
	uint32_t answered_cnt;
	uint32_t accepted_cnt;
	uint32_t made_cnt; /* senders made, or failed to */
	uint32_t ended_cnt;
	uint32_t next;       /* session to be made next */
	uint32_t sweep_next; /* session to be updated next */
	uint64_t sent, received, lost;
	struct tw_raw_file *raw;
	bool is_raw_ending;
	uint64_t raw_lost;
	struct tw_loop_timer progress;
	void (*on_end)(void *arg, struct tw_test *t);
	void *on_end_arg;
};

struct tw_tests {
	struct tw_app *app;
	struct tw_idtab tests;
	struct tw_idtab senders; /* struct tw_test_sess of sessions known to the data plane */
	uint32_t running;
	uint32_t kept;  /* sessions of ended tests */
	bool is_ending; /* the loop turns no more */
};

/* ---- test_sess.c ---- */

/** Hold sender ports. @return 0 or -errno with t->error told */
int tw_test_sess_prepare(struct tw_test *t);

/** The server accepted a session: copy what its sender needs. */
int tw_test_sess_accept(struct tw_test_sess *s, const struct tw_ctl_cli_event *ev);

/** Make and start a sender. @return 0 or -errno (-EAGAIN: again later) */
int tw_test_sess_start(struct tw_test_sess *s);

/** Bring a running sender up to date: path, stop. @return false to try again later */
bool tw_test_sess_update(struct tw_test_sess *s);

/** The data lcore is done with it: counts and report. */
void tw_test_sess_finish(struct tw_test_sess *s, bool is_failed);

/** An interval is over. */
void tw_test_sess_interval(struct tw_test_sess *s, const struct tw_metrics_interval *iv);

/** Let go of everything but the results. */
void tw_test_sess_release(struct tw_test_sess *s);

/** Free the results. */
void tw_test_sess_fini(struct tw_test_sess *s);

/* ---- test_run.c ---- */

/** Connect to the server. @return 0 or -errno with @p err filled */
int tw_test_connect(struct tw_test *t, struct tw_test_error *err);

/** A session has come to its end, one way or other. */
void tw_test_sess_ended(struct tw_test_sess *s);

/** UTC by the clock of the stamps. */
int64_t tw_test_now(const struct tw_test *t);

/** Note a failure; the first counts. @return @p res, or that of the first */
int tw_test_error_set(struct tw_test_error *e, int res, const char *hint, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/** Tell subscribers how the test stands. */
void tw_test_event(struct tw_test *t, enum tw_event_topic topic);

/** Let the control connection end by itself. */
void tw_test_drop(struct tw_test *t);

/** No sender is left: Stop-Sessions, then the end. Nothing happens while some are. */
void tw_test_settle(struct tw_test *t);

/** The test is over: DONE or FAILED. */
void tw_test_end(struct tw_test *t, enum tw_test_state state);

/** A portion of what is to be done for many sessions. */
void tw_test_work(struct tw_test *t);

void tw_test_free(struct tw_test *t);

/* ---- test_ike.c ---- */

/** See to an IKE SA if the test wants one, then connect. @return as tw_test_connect() */
int tw_test_ike_begin(struct tw_test *t, struct tw_test_error *err);

/** The connection has ended for want of an SA on the other end: enum tw_ctl_ike_try. */
void tw_test_ike_retry(struct tw_test *t, uint8_t retry);

/** As tw_io_cli_ops.ike_key. */
enum tw_ctl_ike tw_test_ike_key(
	struct tw_test *t, uint8_t spis[TW_CTL_SPIS_LEN], struct tw_secret **secret);

bool tw_test_ike_has_sa(const struct tw_test *t);
bool tw_test_ike_may_fall_back(const struct tw_test *t);

/* ---- test_ctl.c ---- */

extern const struct tw_io_cli_ops tw_test_cli_ops;

#endif /* TW_TEST_I_H */
