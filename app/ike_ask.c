/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Requests to the IKE daemon on behalf of tests and operators: set up an SA, tell of one. A request
 * waits for its turn, and for a daemon that is just not there, until its deadline.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "app.h"
#include "config.h"
#include "io_ike_i.h"

#define NS_PER_MS    INT64_C(1000000)
#define AGAIN_NS     (100 * NS_PER_MS)
#define REFRESH_NS   (3000 * NS_PER_MS)
#define DEADLINE_MAX (TW_IKE_INITIATE_MAX_MS * NS_PER_MS)

static void on_turn(void *arg, int64_t now_ns);

/* ---- the end of a request ---- */

static void
log_end(const struct tw_ike_ask *ask, int res, const char *why, const struct tw_ike_sa *sa)
{
	char addr[TW_ADDR_STR_SIZE], spis[TW_IKE_STR_SIZE];

	if (!ask->is_initiate)
		return;
	tw_addr_str(&ask->want.peer, addr);
	if (res != 0)
		tw_log(TW_LOG_IKE, TW_LOG_WARNING, "no IKE SA with %s: %s", addr, why);
	else if (sa != NULL)
		tw_log(TW_LOG_IKE, TW_LOG_NOTICE, "IKE SA with %s (%s): %s", addr, sa->remote_id,
			tw_ike_spis_str(&sa->spis, spis));
}

static void
finish(struct tw_ike_ask *ask, int res, const char *why, const struct tw_ike_sa *sa)
{
	struct tw_ike_io *io = ask->io;

	LIST_REMOVE(ask, link);
	tw_loop_timer_del(&io->app->loop, &ask->timer);
	io->initiated_done_cnt += ask->is_initiate && res == 0;
	log_end(ask, res, why, sa);
	ask->fn(ask->arg, res, why, sa);
	free(ask);
}

void
tw_ike_io_cancel(struct tw_ike_io *io, struct tw_ike_ask *ask)
{
	if (ask == NULL)
		return;
	LIST_REMOVE(ask, link);
	tw_loop_timer_del(&io->app->loop, &ask->timer);
	free(ask); /* an answer still to come finds nobody */
}

void
tw_ike_ask_end_all(struct tw_ike_io *io)
{
	struct tw_ike_ask *ask;

	while ((ask = LIST_FIRST(&io->asks)) != NULL)
		finish(ask, -ESHUTDOWN, "the appliance is shutting down", NULL);
}

static int
status_errno(unsigned status)
{
	switch (status) {
	case TW_IKE_MSG_OK:
	case TW_IKE_MSG_ALREADY:
		return 0;
	case TW_IKE_MSG_NOT_FOUND:
	case TW_IKE_MSG_NO_CONNECTION:
		return -ENOENT;
	case TW_IKE_MSG_TIMED_OUT:
		return -ETIMEDOUT;
	case TW_IKE_MSG_BUSY:
		return -EAGAIN;
	default:
		return -EIO;
	}
}

static const char *
status_text(unsigned status)
{
	static const char *const texts[TW_IKE_MSG_STATUS_N] = {
		[TW_IKE_MSG_OK] = "set up",
		[TW_IKE_MSG_ALREADY] = "there already",
		[TW_IKE_MSG_NOT_FOUND] = "the IKE daemon has none",
		[TW_IKE_MSG_NO_CONNECTION] =
			("the IKE daemon has no connection to that peer in its "
			 "configuration"),
		[TW_IKE_MSG_FAILED] = "the IKE daemon tried and failed, see its log",
		[TW_IKE_MSG_TIMED_OUT] = "not set up in time",
		[TW_IKE_MSG_BUSY] = "the IKE daemon sets up too many SAs already",
	};

	return status < TW_IKE_MSG_STATUS_N && texts[status] != NULL ? texts[status] : "refused";
}

static void
told(struct tw_ike_ask *ask, const struct tw_ike_answer *a)
{
	char why[TW_IKE_IO_WHY_SIZE];
	int res = status_errno(a->result.status);

	/* done, but its SA did not go into the keystore */
	if (res == 0 && a->sa == NULL) {
		finish(ask, -ENOMEM, "no room for its SA here (ike_sas_max)", NULL);
		return;
	}
	snprintf(why, sizeof(why), "%s%s%s%s", status_text(a->result.status),
		a->result.text[0] != '\0' ? " (" : "", a->result.text,
		a->result.text[0] != '\0' ? ")" : "");
	finish(ask, res, why, a->sa);
}

bool
tw_ike_ask_answer(struct tw_ike_io *io, const struct tw_ike_answer *answer)
{
	struct tw_ike_ask *ask;

	LIST_FOREACH (ask, &io->asks, link) {
		if (ask->id == answer->id)
			break;
	}
	if (ask == NULL)
		return false;
	ask->id = 0;
	if (answer->outcome == TW_IKE_DONE)
		told(ask, answer);
	else if (answer->outcome == TW_IKE_NO_ANSWER)
		finish(ask, -ETIMEDOUT, "the IKE daemon does not answer", NULL);
	else /* it may be back in time */
		tw_loop_timer_set(
			&io->app->loop, &ask->timer, tw_loop_clock() + AGAIN_NS, on_turn, ask);
	return true;
}

/* ---- its beginning ---- */

static bool
send(struct tw_ike_ask *ask, int64_t now_ns)
{
	struct tw_ike_req req = {
		.type = ask->is_initiate ? TW_IKE_MSG_INITIATE : TW_IKE_MSG_LOOKUP_PEER,
		.peer = ask->want.peer,
		.local = ask->want.local};
	int64_t left_ms = (ask->due_ns - now_ns) / NS_PER_MS;

	req.deadline_ms = left_ms > 1 ? (uint32_t)left_ms : 1;
	memcpy(req.conn, ask->want.conn, sizeof(req.conn));
	memcpy(req.remote_id, ask->want.remote_id, sizeof(req.remote_id));
	ask->id = tw_ike_link_ask(ask->io->link, &req, now_ns);
	if (ask->id != 0)
		tw_ike_io_kick(ask->io);
	return ask->id != 0;
}

static void
give_up(struct tw_ike_ask *ask)
{
	struct tw_ike_link_info info;

	tw_ike_link_info_get(ask->io->link, &info);
	if (info.state == TW_IKE_LINK_READY)
		finish(ask, -EAGAIN,
			"too many requests wait for the IKE daemon, or the last one for this peer "
			"was just now (ike_initiate_interval_ns)",
			NULL);
	else
		finish(ask, -ENOTCONN,
			info.state == TW_IKE_LINK_OFF
				? "no IKE daemon is used (set config ike_socket)"
				: "there is no connection to the IKE daemon (status ike)",
			NULL);
}

/*
 * When an attempt for this peer may begin; the next may then begin an interval later. One that is
 * under way for the same peer may be joined: the daemon makes one of them.
 */
static int64_t
turn_of(struct tw_ike_ask *ask, int64_t now_ns)
{
	struct tw_ike_io *io = ask->io;
	int64_t interval_ns = tw_config_ns(io->app->config, TW_CFG_IKE_INITIATE_INTERVAL);
	const struct tw_addr *peer = &ask->want.peer;
	const struct tw_ike_ask *other;
	unsigned i = 0;

	LIST_FOREACH (other, &io->asks, link) {
		if (other->is_initiate && other->id != 0 && tw_addr_equal(&other->want.peer, peer))
			return now_ns;
	}
	while (i < RATES_MAX && !tw_addr_equal(&io->rate[i].peer, peer))
		i++;
	if (i < RATES_MAX && now_ns < io->rate[i].last_ns + interval_ns)
		return io->rate[i].last_ns + interval_ns;
	if (i == RATES_MAX)
		i = io->rate_next++ % RATES_MAX;
	io->rate[i].peer = *peer;
	io->rate[i].last_ns = now_ns;
	return now_ns;
}

static void
again_at(struct tw_ike_ask *ask, int64_t at_ns)
{
	tw_loop_timer_set(&ask->io->app->loop, &ask->timer,
		at_ns < ask->due_ns ? at_ns : ask->due_ns, on_turn, ask);
}

static void
on_turn(void *arg, int64_t now_ns)
{
	struct tw_ike_ask *ask = arg;
	struct tw_ike_link_info info;
	char addr[TW_ADDR_STR_SIZE];
	int64_t at_ns;

	tw_ike_link_info_get(ask->io->link, &info);
	at_ns = info.state != TW_IKE_LINK_READY ? now_ns + AGAIN_NS
		: ask->is_initiate              ? turn_of(ask, now_ns)
						: now_ns;
	if (at_ns <= now_ns && send(ask, now_ns)) {
		if (!ask->is_initiate)
			return;
		ask->io->initiated_cnt++;
		tw_log(TW_LOG_IKE, TW_LOG_NOTICE, "asking the IKE daemon for an SA with %s",
			tw_addr_str(&ask->want.peer, addr));
	} else if (now_ns >= ask->due_ns) {
		give_up(ask);
	} else {
		again_at(ask, at_ns > now_ns ? at_ns : now_ns + AGAIN_NS);
	}
}

static struct tw_ike_ask *
ask_new(struct tw_ike_io *io, const struct tw_ike_io_want *want, bool is_initiate, tw_ike_io_fn fn,
	void *arg)
{
	struct tw_ike_ask *ask = calloc(1, sizeof(*ask));
	int64_t now_ns = tw_loop_clock();

	if (ask == NULL)
		return NULL;
	ask->io = io;
	ask->want = *want;
	ask->is_initiate = is_initiate;
	ask->fn = fn;
	ask->arg = arg;
	ask->due_ns = now_ns + want->deadline_ns;
	LIST_INSERT_HEAD(&io->asks, ask, link);
	tw_loop_timer_set(&io->app->loop, &ask->timer, now_ns, on_turn, ask);
	return ask;
}

struct tw_ike_ask *
tw_ike_io_initiate(
	struct tw_ike_io *io, const struct tw_ike_io_want *want, tw_ike_io_fn fn, void *arg)
{
	struct tw_ike_io_want w = *want;

	if (w.deadline_ns == 0)
		w.deadline_ns = tw_config_ns(io->app->config, TW_CFG_IKE_INITIATE);
	if (w.deadline_ns > DEADLINE_MAX)
		w.deadline_ns = DEADLINE_MAX;
	return ask_new(io, &w, true, fn, arg);
}

struct tw_ike_ask *
tw_ike_io_refresh(struct tw_ike_io *io, const struct tw_addr *peer, tw_ike_io_fn fn, void *arg)
{
	const struct tw_ike_io_want want = {.peer = *peer, .deadline_ns = REFRESH_NS};

	return ask_new(io, &want, false, fn, arg);
}
