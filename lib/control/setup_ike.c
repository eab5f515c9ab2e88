/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * IKE SAs that clients of the server name (RFC 7717 5.3, PROTOCOL.md 3.7): which answer of the
 * owner refuses for what reason, and the connections that wait for an SA either end may hear of
 * first. Waiting is bounded in time and number, and granted by the owner alone: octets of a peer
 * never make the server hold on to it.
 */
#include <string.h>

#include "srv_i.h"

enum tw_ctl_ike
ctl_ike_ask(struct tw_ctl_conn *conn, struct tw_secret **secret)
{
	struct tw_ctl_srv *srv = conn->srv;

	*secret = NULL;
	conn->ike = srv->ops.ike_key == NULL
			    ? TW_CTL_IKE_UNKNOWN
			    : (uint8_t)srv->ops.ike_key(srv->app, conn->spis, &conn->peer, secret);
	return conn->ike;
}

enum tw_ctl_why
ctl_ike_why(enum tw_ctl_ike ike)
{
	switch (ike) {
	case TW_CTL_IKE_OK:
	case TW_CTL_IKE_SUPERSEDED:
		return TW_CTL_WHY_NONE;
	case TW_CTL_IKE_ENDED:
		return TW_CTL_WHY_IKE_ENDED;
	case TW_CTL_IKE_ADDRESS:
		return TW_CTL_WHY_IKE_ADDRESS;
	case TW_CTL_IKE_IDENTITY:
		return TW_CTL_WHY_IKE_IDENTITY;
	default:
		return TW_CTL_WHY_IKE_NO_SA;
	}
}

enum tw_ctl_why
ctl_ike_still(struct tw_ctl_conn *conn)
{
	struct tw_secret *secret;
	enum tw_ctl_why why = ctl_ike_why(ctl_ike_ask(conn, &secret));

	tw_secret_drop(secret);
	/* it was there when the derivation began */
	return why == TW_CTL_WHY_IKE_NO_SA ? TW_CTL_WHY_IKE_ENDED : why;
}

bool
ctl_ike_wait(struct tw_ctl_conn *conn)
{
	struct tw_ctl_srv *srv = conn->srv;

	if (setting(srv, TW_CTL_SET_IKE_WAIT) == 0 ||
		!ctl_limit_allows(srv, conn->cls, TW_CTL_LIMIT_IKE_WAITERS, srv->ike_waiters_cnt) ||
		!ctl_limit_allows(srv, conn->cls, TW_CTL_LIMIT_IKE_WAITERS_PER_SOURCE,
			conn->source->ike_waiters))
		return false;
	LIST_INSERT_HEAD(&srv->ike_waiters, conn, ike_waiter);
	srv->ike_waiters_cnt++;
	conn->source->ike_waiters++;
	conn->is_ike_waiter = true;
	tw_ctr_inc(&srv->ctr[TW_CTL_CTR_IKE_WAITS]);
	return true;
}

void
ctl_ike_unwait(struct tw_ctl_conn *conn)
{
	if (!conn->is_ike_waiter)
		return;
	LIST_REMOVE(conn, ike_waiter);
	conn->srv->ike_waiters_cnt--;
	conn->source->ike_waiters--;
	conn->is_ike_waiter = false;
}

void
tw_ctl_srv_ike_changed(
	struct tw_ctl_srv *srv, const uint8_t spis[TW_CTL_SPIS_LEN], struct tw_ctl_time now)
{
	struct tw_ctl_conn *conn, *next;

	/* a connection leaves the list by its own resumption alone: `next` stays */
	for (conn = LIST_FIRST(&srv->ike_waiters); conn != NULL; conn = next) {
		next = LIST_NEXT(conn, ike_waiter);
		if (spis != NULL && memcmp(spis, conn->spis, sizeof(conn->spis)) != 0)
			continue;
		if (!ctl_setup_resume(conn, false, now))
			continue;
		ctl_conn_run(conn, now);
		if (srv->ops.wake != NULL)
			srv->ops.wake(srv->app, conn, conn->user);
	}
}
