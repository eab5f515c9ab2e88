/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Measurements of this appliance: route, control connection, sessions, senders, drain, stop,
 * report. A test is one control connection with one or more sessions.
 *
 * Context: control lcore. Nothing blocks; work over many sessions is done a few per tick.
 */
#ifndef TW_TEST_RUN_H
#define TW_TEST_RUN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tw_addr.h"
#include "tw_control.h"
#include "tw_metrics.h"
#include "tw_metrics_report.h"
#include "tw_session.h"

#define TW_TEST_PATH_SIZE 256
#define TW_TEST_TEXT_SIZE 512
/* Ended sessions whose results are kept; the oldest tests go first. */
#define TW_TEST_KEPT_MAX 20000

#define TW_TEST_IKE_SIZE 253 /* text of an identity */

/* What to do without an IKE SA. */
enum tw_test_ike_missing {
	TW_TEST_IKE_FAIL = 1,
	TW_TEST_IKE_INITIATE,
	TW_TEST_IKE_FALLBACK, /* go on without IKE, never below the floor */
	TW_TEST_IKE_N
};

struct tw_app;
struct tw_tests;
struct tw_test;

/* What a test is told. Zero takes the default where there is one. */
struct tw_test_params {
	struct tw_addr host;
	uint16_t port;
	struct tw_addr source; /* unset: as the route says */
	uint16_t source_port;  /* TCP, 0: any */
	uint32_t modes[4];     /* best first; one mode is its own floor; none: every mode */
	size_t mode_cnt;
	uint32_t floor;
	char user[TW_CTL_KEY_ID_MAX + 1]; /* KeyID */
	struct tw_secret *secret;         /* a reference; NULL: the key of that name */
	bool has_ike;                     /* the key of an IKE SA alone */
	char ike_peer[TW_TEST_IKE_SIZE];  /* identity wanted, * for any text; "": any */
	uint8_t ike_missing;              /* enum tw_test_ike_missing, 0: as the settings say */
	uint32_t sessions;
	uint64_t count; /* packets of a session, 0: no such end */
	int64_t duration_ns;
	uint64_t interval_ns;
	uint32_t interval_frac;
	uint8_t law;            /* enum tw_send_law */
	uint16_t burst_cnt;     /* packets of a burst */
	struct tw_trace *trace; /* a reference; NULL: none */
	char trace_file[TW_TEST_PATH_SIZE];
	uint32_t size; /* UDP payload, 0: as the reply */
	uint32_t padding;
	bool has_padding; /* `padding` says the size */
	bool has_zero_padding;
	bool has_nat; /* requests name no addresses */
	uint8_t dscp;
	uint8_t control_dscp;
	uint16_t sender_port;
	uint16_t receiver_port;
	int64_t tmax_ns;
	int64_t timeout_ns;
	int64_t max_lag_ns;
	int64_t connect_ns;
	char raw_file[TW_TEST_PATH_SIZE];
};

enum tw_test_state {
	TW_TEST_KEYING = 1, /* the IKE daemon is asked for an SA */
	TW_TEST_CONNECTING, /* route and TCP */
	TW_TEST_SETTING_UP, /* greeting to the last Accept-Session */
	TW_TEST_STARTING,   /* Start-Sessions, senders being made */
	TW_TEST_RUNNING,
	TW_TEST_STOPPING, /* senders drained, Stop-Sessions and the connection's end */
	TW_TEST_DONE,
	TW_TEST_FAILED,
	TW_TEST_N
};

const char *tw_test_state_name(unsigned state);

enum tw_test_sess_state {
	TW_TEST_SESS_WANTED = 1,
	TW_TEST_SESS_REFUSED,
	TW_TEST_SESS_ACCEPTED,
	TW_TEST_SESS_RUNNING,
	TW_TEST_SESS_ENDED, /* with a report */
	TW_TEST_SESS_FAILED,
	TW_TEST_SESS_N
};

const char *tw_test_sess_state_name(unsigned state);

/* Why a test failed: what tw_out_fail() wants. */
struct tw_test_error {
	int res; /* 0: it did not */
	char text[TW_TEST_TEXT_SIZE];
	char hint[256];
};

/* One session, for who writes results. */
struct tw_test_sess_view {
	uint32_t no; /* 1.. */
	uint8_t state;
	uint16_t sender_port;
	uint16_t receiver_port;
	bool is_port_alternate; /* the server granted another than asked */
	const uint8_t *sid;     /* NULL before it was accepted */
	struct tw_ctl_reason reason;
	bool has_counts;
	struct tw_send_counts counts;           /* live while it runs */
	struct tw_metrics_gaps gaps;            /* up to the last interval */
	const struct tw_metrics_report *report; /* NULL before it ended */
};

/* A test, for who writes results. */
struct tw_test_view {
	uint32_t id;
	uint8_t state; /* enum tw_test_state */
	const struct tw_test_params *params;
	const struct tw_test_error *error;
	uint32_t mode; /* selected, 0: not yet; with TW_MODE_IKEV2 the next two are set */
	const uint8_t *spis;
	const char *ike_remote_id;
	bool is_ike_fallback;
	uint16_t size; /* UDP payload of requests */
	struct tw_addr local;
	const char *port_name; /* NULL: not known */
	const char *ifname;
	int64_t created_utc_ns;
	int64_t started_utc_ns; /* 0: not yet */
	int64_t ended_utc_ns;   /* 0: not yet */
	uint32_t session_cnt;
	uint32_t accepted_cnt;
	uint32_t ended_cnt;
	uint64_t sent, received, lost; /* as reported so far */
	bool is_stop_asked;
	bool is_control_lost;    /* the connection broke while packets flowed */
	bool is_results_invalid; /* the server failed to authenticate itself */
	uint64_t raw_lost;
};

/** @return NULL with errno ENOMEM */
struct tw_tests *tw_tests_new(struct tw_app *app);

/** Drop all tests. NULL is fine. */
void tw_tests_free(struct tw_tests *ts);

/** Events of the data lcores, work in portions. */
void tw_tests_tick(struct tw_tests *ts, int64_t now_ns);

/**
 * Begin a test. Takes over p->secret, also on failure.
 * @param err  filled on failure
 * @return NULL if it cannot begin
 */
struct tw_test *tw_tests_start(
	struct tw_tests *ts, const struct tw_test_params *p, struct tw_test_error *err);

/** Send no more; the test drains and ends as usual. Fine in any state. */
void tw_tests_stop(struct tw_test *t);

/** Forget an ended test. @return 0 or -EBUSY */
int tw_tests_remove(struct tw_tests *ts, struct tw_test *t);

/** Be told once when the test has ended (NULL: no more). */
void tw_tests_on_end(struct tw_test *t, void (*fn)(void *arg, struct tw_test *t), void *arg);

struct tw_test *tw_tests_find(struct tw_tests *ts, uint32_t id);
struct tw_test *tw_tests_next(struct tw_tests *ts, uint32_t *id);
uint32_t tw_tests_running(const struct tw_tests *ts);

void tw_tests_view(const struct tw_test *t, struct tw_test_view *out);

/** Session number @p no (1..session_cnt). @return false past the end */
bool tw_tests_sess_view(const struct tw_test *t, uint32_t no, struct tw_test_sess_view *out);

/** Interval @p idx still kept of a session, oldest first; NULL past the end. */
const struct tw_metrics_interval *tw_tests_interval(
	const struct tw_test *t, uint32_t no, unsigned idx);

#endif /* TW_TEST_RUN_H */
