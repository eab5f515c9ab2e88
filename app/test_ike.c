/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Tests with a key of an IKE SA (RFC 7717 5.1, PROTOCOL.md 3.7): the SA is seen to before the
 * server is connected to, so that nothing the server says decides whether one is used.
 *
 *   KEYING   the daemon is asked: to set up an SA where there is none, or to tell of the newest
 *            after a server did not know the one we named
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "app.h"
#include "config.h"
#include "io_ike.h"
#include "test_i.h"

static void on_initiated(void *arg, int res, const char *why, const struct tw_ike_sa *sa);

/* Said by the test; else by the setting for this server; else for all. */
static unsigned
on_missing(const struct tw_test *t)
{
	const struct tw_conf_value *v;
	size_t cnt, i;

	if (t->p.ike_missing != 0)
		return t->p.ike_missing;
	v = tw_config_list(t->app->config, TW_CFG_IKE_FALLBACK, &cnt);
	for (i = 0; i < cnt; i++)
		if (tw_prefix_has(&v[i].prefix, &t->p.host))
			return TW_TEST_IKE_FALLBACK;
	return TW_TEST_IKE_FAIL + tw_config_enum(t->app->config, TW_CFG_IKE_ON_MISSING);
}

bool
tw_test_ike_may_fall_back(const struct tw_test *t)
{
	return on_missing(t) == TW_TEST_IKE_FALLBACK;
}

enum tw_ctl_ike
tw_test_ike_key(struct tw_test *t, uint8_t spis[TW_CTL_SPIS_LEN], struct tw_secret **secret)
{
	const struct tw_ike_sa *sa;
	enum tw_ctl_ike ret;

	ret = tw_ike_io_client_key(t->app->ike, &t->p.host, t->p.ike_peer, &sa, secret);
	if (ret != TW_CTL_IKE_OK)
		return ret;
	memcpy(spis, &sa->spis, sizeof(sa->spis));
	snprintf(t->ike_remote_id, sizeof(t->ike_remote_id), "%s", sa->remote_id);
	return ret;
}

bool
tw_test_ike_has_sa(const struct tw_test *t)
{
	return tw_ike_io_client_key(t->app->ike, &t->p.host, t->p.ike_peer, NULL, NULL) ==
	       TW_CTL_IKE_OK;
}

static int
fail_missing(struct tw_test *t, struct tw_test_error *err)
{
	char addr[TW_ADDR_STR_SIZE];

	return tw_test_error_set(err, -EKEYREJECTED,
		"set one up (initiate ike), or let the test do so (ike_on_missing initiate)",
		"no IKE SA with %s%s%s is known here", tw_addr_str(&t->p.host, addr),
		t->p.ike_peer[0] != '\0' ? " as " : "", t->p.ike_peer);
}

/* A name with a star is for us to compare, one without the daemon can choose by. */
static int
initiate(struct tw_test *t, struct tw_test_error *err)
{
	struct tw_ike_io_want want = {.peer = t->p.host, .local = t->p.source};

	if (strchr(t->p.ike_peer, '*') == NULL)
		memcpy(want.remote_id, t->p.ike_peer, sizeof(want.remote_id));
	t->state = TW_TEST_KEYING;
	t->ike_ask = tw_ike_io_initiate(t->app->ike, &want, on_initiated, t);
	return t->ike_ask != NULL ? 0 : tw_test_error_set(err, -ENOMEM, NULL, "no memory");
}

int
tw_test_ike_begin(struct tw_test *t, struct tw_test_error *err)
{
	if (!t->p.has_ike || tw_test_ike_has_sa(t))
		return tw_test_connect(t, err);
	switch (on_missing(t)) {
	case TW_TEST_IKE_INITIATE:
		return initiate(t, err);
	case TW_TEST_IKE_FALLBACK: /* the client machine does so, and says it */
		return tw_test_connect(t, err);
	default:
		return fail_missing(t, err);
	}
}

static void
go_on(struct tw_test *t, int ret)
{
	if (ret != 0)
		tw_test_end(t, TW_TEST_FAILED);
}

static void
on_initiated(void *arg, int res, const char *why, const struct tw_ike_sa *sa)
{
	struct tw_test *t = arg;
	char addr[TW_ADDR_STR_SIZE];

	(void)sa;
	t->ike_ask = NULL;
	if (res == 0 && !tw_test_ike_has_sa(t)) {
		res = -EKEYREJECTED;
		why = "the SA that came up has another identity than the one wanted";
	}
	if (res != 0)
		tw_test_error_set(&t->error, res == -ETIMEDOUT ? res : -EKEYREJECTED,
			"see the IKE daemon's log, and `status ike`", "no IKE SA with %s: %s",
			tw_addr_str(&t->p.host, addr), why);
	go_on(t, res != 0 ? res : tw_test_connect(t, &t->error));
}

/* ---- another connection ---- */

static void
on_refreshed(void *arg, int res, const char *why, const struct tw_ike_sa *sa)
{
	struct tw_test *t = arg;

	(void)res; /* what the keystore says now is what counts */
	(void)why;
	(void)sa;
	t->ike_ask = NULL;
	go_on(t, tw_test_ike_begin(t, &t->error));
}

void
tw_test_ike_retry(struct tw_test *t, uint8_t retry)
{
	tw_netlink_unwatch(t->app->netlink, t->watch);
	t->watch = NULL;
	t->ike_try = retry;
	if (retry == TW_CTL_IKE_TRY_FALLBACK) {
		go_on(t, tw_test_connect(t, &t->error));
		return;
	}
	t->state = TW_TEST_KEYING;
	t->ike_ask = tw_ike_io_refresh(t->app->ike, &t->p.host, on_refreshed, t);
	if (t->ike_ask == NULL)
		go_on(t, tw_test_error_set(&t->error, -ENOMEM, NULL, "no memory"));
}
