/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Reflector sessions: what the TWAMP-Control server asks for (tw_ctl_srv.h), put into the data
 * plane, with the port held, REFWAIT watched and a number for people.
 *
 * Context: control lcore.
 */
#ifndef TW_SESSIONS_H
#define TW_SESSIONS_H

#include <stdint.h>

#include "hold.h"
#include "loop.h"
#include "tw_control.h"
#include "tw_session.h"

struct tw_app;
struct tw_sessions;

/* A reflector session. Read only outside sessions.c. */
struct tw_session {
	uint32_t id;
	struct tw_app *app;
	struct tw_ctl_sess *ctl;        /* of the server; NULL after release */
	struct tw_refl_sess *refl;      /* of the data plane */
	struct tw_ctl_sess_param param; /* without its keys */
	struct tw_hold_port *hold;
	unsigned port_idx;
	unsigned vlan_cnt;
	uint16_t vid[2];
	uint16_t outer_tpid; /* 0: no tags */
	int64_t created_utc_ns;
	int64_t started_utc_ns;  /* 0: not yet */
	int64_t drain_end_ns;    /* loop clock; 0: not draining */
	int64_t last_valid_seen; /* REFWAIT: T2 of the last valid packet at the last look */
	struct tw_loop_timer refwait;
};

/** @return NULL with errno ENOMEM */
struct tw_sessions *tw_sessions_new(struct tw_app *app);

/** All sessions must be released (the server is gone). NULL is fine. */
void tw_sessions_free(struct tw_sessions *ss);

/* The four calls of struct tw_ctl_srv_ops; the first argument is the struct tw_app. */
enum tw_ctl_reserve tw_sessions_reserve(
	void *app, struct tw_ctl_sess *sess, const struct tw_ctl_sess_param *param, void **handle);
int tw_sessions_start(void *app, void *handle);
void tw_sessions_stop(void *app, void *handle, int64_t grace_ns);
void tw_sessions_release(void *app, void *handle);

/** The clock was stepped: deadlines of draining sessions follow. */
void tw_sessions_clock_stepped(struct tw_sessions *ss);

/** By number, NULL if there is none. */
struct tw_session *tw_sessions_find(struct tw_sessions *ss, uint32_t id);

/** First session numbered @p *id or higher, for paged lists. */
struct tw_session *tw_sessions_next(struct tw_sessions *ss, uint32_t *id);

uint32_t tw_sessions_count(const struct tw_sessions *ss);

#endif /* TW_SESSIONS_H */
