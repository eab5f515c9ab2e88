/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Ports by index. There are at most TW_PORT_MAX of them, so lists are walked.
 */
#include "ports.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "app.h"
#include "clocks.h"
#include "event.h"
#include "netlink.h"
#include "simwire.h"
#include "tw_dp.h"

#define LINK_CHECK_NS INT64_C(200000000)
#define EXC_ROUNDS    4 /* bursts of one port in one tick */
#define CLOSE_TRIES   1000
#define CLOSE_TRY_NS  1000000L

struct tw_ports {
	struct tw_app *app;
	int64_t link_due_ns;
	struct tw_ports_entry entry[TW_PORT_MAX];
};

struct tw_ports *
tw_ports_new(struct tw_app *app)
{
	struct tw_ports *ps = calloc(1, sizeof(*ps));

	if (ps != NULL)
		ps->app = app;
	return ps;
}

bool
tw_ports_are_gone(struct tw_ports *ps, const int *idx, unsigned cnt)
{
	for (unsigned i = 0; i < cnt; i++)
		if (idx[i] >= 0 && (!ps->entry[idx[i]].is_going ||
					   !tw_dp_port_is_gone(ps->app->dp, (unsigned)idx[i])))
			return false;
	return true;
}

unsigned
tw_ports_exception_poll(struct tw_ports *ps, int idx)
{
	return tw_port_exception_poll(ps->entry[idx].port);
}

static void
entry_close(struct tw_ports *ps, struct tw_ports_entry *e)
{
	const unsigned idx = e->port->idx;

	tw_log(TW_LOG_PORT, TW_LOG_NOTICE, "port %s closed", e->port->cfg.name);
	tw_nic_free(e->nic);
	tw_clocks_get(ps->app->clocks, e->port->clock_idx)->users--;
	tw_port_close(e->port);
	memset(e, 0, sizeof(*e));
	tw_simwire_closed(ps->app, idx);
	if (ps->app->netlink != NULL)
		tw_netlink_refresh(ps->app->netlink);
}

void
tw_ports_free(struct tw_ports *ps)
{
	const struct timespec pause = {.tv_nsec = CLOSE_TRY_NS};
	unsigned i, tries;

	if (ps == NULL)
		return;
	for (i = 0; i < TW_PORT_MAX; i++) {
		if (ps->entry[i].port == NULL || ps->entry[i].is_going)
			continue;
		tw_dp_port_del(ps->app->dp, i);
		ps->entry[i].is_going = true;
	}
	for (i = 0; i < TW_PORT_MAX; i++) {
		if (ps->entry[i].port == NULL)
			continue;
		for (tries = 0; tries < CLOSE_TRIES; tries++) {
			tw_dp_poll(ps->app->dp);
			if (tw_dp_port_is_gone(ps->app->dp, i) &&
				tw_simwire_may_close(ps->app, ps->entry[i].port))
				break;
			nanosleep(&pause, NULL);
		}
		entry_close(ps, &ps->entry[i]);
	}
	free(ps);
}

/* The index of a port that is going stays taken until its last frame has come back. */
static int
free_idx(const struct tw_ports *ps)
{
	int i;

	for (i = 0; i < TW_PORT_MAX; i++)
		if (ps->entry[i].port == NULL)
			return i;
	return -ENOSPC;
}

/* The driver of a shared interface (af_packet) may call it up whatever happens to it. */
static void
link_get(struct tw_ports *ps, const struct tw_port *port, struct tw_port_link *out)
{
	tw_port_link_get(port, out);
	if (port->cfg.attach == TW_PORT_SHARED && port->ifindex != 0 && out->is_up)
		out->is_up = !tw_netlink_is_down(ps->app->netlink, port->ifindex);
}

/* Two ports on an interface would both take its frames; routes lead to one of them. */
static int
open_alone(struct tw_ports *ps, const struct tw_port_cfg *cfg, const struct tw_port_env *env,
	char err[TW_PORT_ERR_SIZE], struct tw_port **out)
{
	int ret = tw_port_open(cfg, env, err, out);
	int other;

	if (ret != 0)
		return ret;
	other = tw_ports_of_ifindex(ps, (*out)->ifindex);
	if (other < 0)
		return 0;
	snprintf(err, TW_PORT_ERR_SIZE, "port %s: interface %s is that of port %s already",
		cfg->name, (*out)->ifname, ps->entry[other].port->cfg.name);
	tw_port_close(*out);
	return -EBUSY;
}

int
tw_ports_add(struct tw_ports *ps, const struct tw_port_cfg *cfg, char err[TW_PORT_ERR_SIZE])
{
	struct tw_port_env env = {.lcore_cnt = ps->app->data_lcore_cnt,
		.socket_id = SOCKET_ID_ANY,
		.uid = ps->app->privs.is_dropping ? ps->app->privs.uid : 0,
		.gid = ps->app->privs.is_dropping ? ps->app->privs.gid : 0};
	struct tw_port_cfg mine = *cfg;
	struct tw_clocks_entry *clock;
	struct tw_ports_entry *e;
	struct tw_port *port;
	int ret;

	if (tw_ports_find(ps, cfg->name) != NULL) {
		snprintf(err, TW_PORT_ERR_SIZE, "port %s exists already; choose another name",
			cfg->name);
		return -EEXIST;
	}
	ret = free_idx(ps);
	if (ret < 0) {
		snprintf(err, TW_PORT_ERR_SIZE, "there are %d ports already; remove one first",
			TW_PORT_MAX);
		return ret;
	}
	mine.idx = (uint8_t)ret;
	clock = tw_clocks_find(ps->app->clocks, mine.clock[0] != '\0' ? mine.clock : "system");
	if (clock == NULL) {
		snprintf(err, TW_PORT_ERR_SIZE, "there is no clock %s; `list clock` shows them",
			mine.clock);
		return -ENOENT;
	}
	snprintf(mine.clock, sizeof(mine.clock), "%s", clock->name);
	ret = open_alone(ps, &mine, &env, err, &port);
	if (ret != 0)
		return ret;
	port->clock_idx = (uint8_t)clock->idx;
	ret = tw_dp_port_add(ps->app->dp, port);
	if (ret != 0) {
		snprintf(err, TW_PORT_ERR_SIZE, "the data lcores did not take port %s: %s",
			cfg->name, strerror(-ret));
		tw_port_close(port);
		return ret;
	}
	e = &ps->entry[port->idx];
	memset(e, 0, sizeof(*e));
	e->port = port;
	clock->users++;
	if (tw_nic_new(ps->app, port, &e->nic) != 0)
		tw_log(TW_LOG_PORT, TW_LOG_WARNING, "port %s: no memory to try its NIC's stamps",
			port->cfg.name);
	link_get(ps, port, &e->link);
	tw_log(TW_LOG_PORT, TW_LOG_NOTICE, "port %s open: device %s (%s), interface %s, %u queue%s",
		port->cfg.name, port->dev_name, port->driver,
		port->ifname[0] != '\0' ? port->ifname : "none", port->queue_cnt,
		port->queue_cnt == 1 ? "" : "s");
	tw_netlink_refresh(ps->app->netlink);
	return 0;
}

int
tw_ports_del(struct tw_ports *ps, const char *name)
{
	struct tw_ports_entry *e = tw_ports_find(ps, name);
	int ret;

	if (e == NULL)
		return -ENOENT;
	if (e->users > 0)
		return -EBUSY;
	ret = tw_dp_port_del(ps->app->dp, e->port->idx);
	if (ret == 0)
		e->is_going = true;
	return ret;
}

struct tw_ports_entry *
tw_ports_next(struct tw_ports *ps, unsigned idx)
{
	for (; idx < TW_PORT_MAX; idx++)
		if (ps->entry[idx].port != NULL && !ps->entry[idx].is_going)
			return &ps->entry[idx];
	return NULL;
}

struct tw_ports_entry *
tw_ports_get(struct tw_ports *ps, unsigned idx)
{
	struct tw_ports_entry *e = tw_ports_next(ps, idx);

	return e != NULL && e->port->idx == idx ? e : NULL;
}

struct tw_ports_entry *
tw_ports_find(struct tw_ports *ps, const char *name)
{
	struct tw_ports_entry *e;

	for (e = tw_ports_next(ps, 0); e != NULL; e = tw_ports_next(ps, e->port->idx + 1U))
		if (strcmp(e->port->cfg.name, name) == 0)
			return e;
	return NULL;
}

int
tw_ports_of_ifindex(void *ports, unsigned ifindex)
{
	struct tw_ports *ps = ports;
	const struct tw_ports_entry *e;

	for (e = tw_ports_next(ps, 0); e != NULL; e = tw_ports_next(ps, e->port->idx + 1U))
		if (e->port->ifindex == ifindex && ifindex != 0)
			return e->port->idx;
	return -ENOENT;
}

void
tw_ports_hold(struct tw_ports *ps, unsigned idx)
{
	ps->entry[idx].users++;
}

void
tw_ports_put(struct tw_ports *ps, unsigned idx)
{
	ps->entry[idx].users--;
}

static void
link_check(struct tw_ports *ps, struct tw_ports_entry *e)
{
	struct tw_port_link now;
	struct tw_out *out;

	link_get(ps, e->port, &now);
	if (now.is_up == e->link.is_up && now.speed_mbps == e->link.speed_mbps)
		return;
	if (now.is_up != e->link.is_up) {
		tw_log(TW_LOG_PORT, TW_LOG_NOTICE, "port %s: link is %s", e->port->cfg.name,
			now.is_up ? "up" : "down");
		out = tw_event_begin(ps->app, TW_EVENT_PORT_STATE);
		tw_out_str(out, "port", e->port->cfg.name);
		tw_out_bool(out, "is_up", now.is_up);
		tw_out_u64(out, "speed_mbps", now.speed_mbps, "Mbit/s");
		tw_event_send(ps->app, out);
	}
	e->link = now;
}

void
tw_ports_tick(struct tw_ports *ps, int64_t now_ns)
{
	bool is_link_due = now_ns >= ps->link_due_ns;
	struct tw_ports_entry *e;
	unsigned i, round;

	if (is_link_due)
		ps->link_due_ns = now_ns + LINK_CHECK_NS;
	for (i = 0; i < TW_PORT_MAX; i++) {
		e = &ps->entry[i];
		if (e->port == NULL)
			continue;
		if (e->is_going) {
			if (tw_dp_port_is_gone(ps->app->dp, i) &&
				tw_simwire_may_close(ps->app, e->port))
				entry_close(ps, e);
			continue;
		}
		for (round = 0; round < EXC_ROUNDS; round++)
			if (tw_port_exception_poll(e->port) == 0)
				break;
		if (is_link_due)
			link_check(ps, e);
	}
}
