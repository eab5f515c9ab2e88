/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Destinations and who watches them. A notification of the kernel marks destinations as dirty; the
 * work timer looks up a few of them per turn of the loop, so that a routing change on a box with
 * thousands of destinations does not hold up the control lcore.
 */
#include "netlink.h"

#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "log.h"
#include "nl_path.h"

/* the loops of libmnl cast const away; clang counts its macros as ours */
#pragma GCC diagnostic ignored "-Wcast-qual"

#define BUCKETS      1024
#define WORK_PER_RUN 32
#define RETRY_NS     INT64_C(1000000000) /* the kernel itself gives up after three */
#define EVENT_BUF    16384

struct tw_netlink_watch {
	LIST_ENTRY(tw_netlink_watch) next;
	struct dest *dest;
	tw_netlink_fn fn;
	void *arg;
	int64_t deadline_ns;
	bool is_told; /* fn was called with this path */
	bool is_dead; /* fn was called with a failure */
};

LIST_HEAD(watch_list, tw_netlink_watch);

struct dest {
	struct tw_netlink *owner;
	LIST_ENTRY(dest) hash;
	TAILQ_ENTRY(dest) work;
	bool is_dirty; /* in the work list */
	struct tw_addr dst;
	struct tw_addr src;
	unsigned oif;
	struct tw_addr hop; /* whose MAC it is */
	struct tw_netlink_path path;
	bool is_resolved;
	bool is_stale;
	bool is_calling; /* its watchers are being told */
	struct watch_list watches;
	unsigned watch_cnt;
	struct tw_loop_timer timer; /* retry, deadline or refresh */
	char why[TW_NETLINK_WHY_SIZE];
};

LIST_HEAD(dest_list, dest);
TAILQ_HEAD(dest_queue, dest);

struct tw_netlink {
	struct tw_loop *loop;
	struct tw_nl_path look;
	struct mnl_socket *events;
	struct tw_loop_fd events_fd;
	struct dest_list bucket[BUCKETS];
	struct dest_queue dirty;
	struct tw_loop_timer work;

	/* the last scope asked for and the turn of the loop it was found in */
	struct tw_addr scope_peer, scope_local;
	struct tw_netlink_path scope;
	int64_t scope_ns;
};

static void on_dest_timer(void *arg, int64_t now_ns);
static void on_work(void *arg, int64_t now_ns);

static unsigned
bucket_of(const struct tw_addr *dst)
{
	uint32_t h = 2166136261U;
	unsigned i;

	for (i = 0; i < sizeof(dst->b); i++)
		h = (h ^ dst->b[i]) * 16777619U;
	return h % BUCKETS;
}

/*
 * Look a destination up. 0: path complete. -EAGAIN: the neighbour is being resolved. Else it
 * cannot be reached, and `why` tells.
 */
static int
dest_resolve(struct tw_netlink *n, struct dest *d, struct tw_netlink_path *path, char *why)
{
	int ret = tw_nl_path_find(&n->look, &d->dst, &d->src, d->oif, path, &d->hop, why);

	return ret == 0 ? tw_nl_path_neigh(&n->look, &d->hop, path, why) : ret;
}

static void
dest_free(struct tw_netlink *n, struct dest *d)
{
	LIST_REMOVE(d, hash);
	if (d->is_dirty)
		TAILQ_REMOVE(&n->dirty, d, work);
	tw_loop_timer_del(n->loop, &d->timer);
	free(d);
}

/* Call every watcher that `pick` names. Watchers may remove themselves or each other. */
static void
dest_tell(struct tw_netlink *n, struct dest *d, int res, int64_t now_ns)
{
	struct tw_netlink_watch *w;
	bool is_found;

	d->is_calling = true;
	do {
		is_found = false;
		LIST_FOREACH (w, &d->watches, next) {
			if (w->is_dead || (res == 0 && w->is_told))
				continue;
			if (res != 0 && (w->is_told || (res == -EAGAIN && now_ns < w->deadline_ns)))
				continue;
			is_found = true;
			w->is_told = res == 0;
			w->is_dead = res != 0;
			w->fn(w->arg, res == -EAGAIN ? -ETIMEDOUT : res, &d->path, d->why);
			break; /* the list may have changed */
		}
	} while (is_found);
	d->is_calling = false;
	if (LIST_EMPTY(&d->watches))
		dest_free(n, d);
}

/* When to look again: refresh, retry, or the earliest deadline of who waits. */
static void
dest_rearm(struct tw_netlink *n, struct dest *d, int res, int64_t now_ns)
{
	int64_t due = now_ns + (res == 0 ? TW_NETLINK_REFRESH_NS : RETRY_NS);
	const struct tw_netlink_watch *w;

	if (res == -EAGAIN)
		LIST_FOREACH (w, &d->watches, next)
			if (!w->is_told && !w->is_dead && w->deadline_ns < due)
				due = w->deadline_ns;
	tw_loop_timer_set(n->loop, &d->timer, due, on_dest_timer, d);
}

static void
dest_update(struct tw_netlink *n, struct dest *d, int64_t now_ns)
{
	char text[TW_ADDR_STR_SIZE], why[TW_NETLINK_WHY_SIZE] = "";
	struct tw_netlink_path path;
	struct tw_netlink_watch *w;
	int res;

	res = dest_resolve(n, d, &path, why);
	if (res == 0) {
		if (!d->is_resolved || memcmp(&path, &d->path, sizeof(path)) != 0)
			LIST_FOREACH (w, &d->watches, next)
				w->is_told = false;
		d->path = path;
		d->is_resolved = true;
	} else if (d->is_resolved && !d->is_stale) {
		tw_log(TW_LOG_ROUTE, TW_LOG_WARNING,
			"path to %s lost, the last one stays in use: %s",
			tw_addr_str(&d->dst, text), why);
	}
	d->is_stale = res != 0 && d->is_resolved;
	memcpy(d->why, why, sizeof(d->why));
	dest_rearm(n, d, res, now_ns);
	dest_tell(n, d, res, now_ns);
}

static void
dest_soil(struct tw_netlink *n, struct dest *d)
{
	if (d->is_dirty)
		return;
	d->is_dirty = true;
	TAILQ_INSERT_TAIL(&n->dirty, d, work);
	if (!n->work.is_armed)
		tw_loop_timer_set(n->loop, &n->work, n->loop->now_ns, on_work, n);
}

static void
on_work(void *arg, int64_t now_ns)
{
	struct tw_netlink *n = arg;
	struct dest *d;
	unsigned i;

	for (i = 0; i < WORK_PER_RUN; i++) {
		d = TAILQ_FIRST(&n->dirty);
		if (d == NULL)
			return;
		TAILQ_REMOVE(&n->dirty, d, work);
		d->is_dirty = false;
		dest_update(n, d, now_ns);
	}
	/* a millisecond for others, then the next few */
	if (!TAILQ_EMPTY(&n->dirty))
		tw_loop_timer_set(n->loop, &n->work, now_ns + 1000000, on_work, n);
}

static void
on_dest_timer(void *arg, int64_t now_ns)
{
	struct dest *d = arg;

	(void)now_ns;
	dest_soil(d->owner, d);
}

void
tw_netlink_refresh(struct tw_netlink *n)
{
	struct dest *d;
	unsigned i;

	for (i = 0; i < BUCKETS; i++)
		LIST_FOREACH (d, &n->bucket[i], hash)
			dest_soil(n, d);
}

struct tw_netlink_watch *
tw_netlink_watch(struct tw_netlink *n, const struct tw_addr *dst, const struct tw_addr *src,
	unsigned oif, int64_t wait_ns, tw_netlink_fn fn, void *arg)
{
	static const struct tw_addr none = {.family = TW_ADDR_NONE};
	const struct tw_addr *from = src != NULL && !tw_addr_is_zero(src) ? src : &none;
	struct dest_list *head = &n->bucket[bucket_of(dst)];
	struct tw_netlink_watch *w = calloc(1, sizeof(*w));
	struct dest *d;

	if (w == NULL)
		return NULL;
	LIST_FOREACH (d, head, hash)
		if (tw_addr_equal(&d->dst, dst) && tw_addr_equal(&d->src, from) && d->oif == oif)
			break;
	if (d == NULL) {
		d = calloc(1, sizeof(*d));
		if (d == NULL) {
			free(w);
			return NULL;
		}
		d->owner = n;
		d->dst = *dst;
		d->src = *from;
		d->oif = oif;
		LIST_INIT(&d->watches);
		LIST_INSERT_HEAD(head, d, hash);
	}
	w->dest = d;
	w->fn = fn;
	w->arg = arg;
	w->deadline_ns = tw_loop_clock() + wait_ns;
	LIST_INSERT_HEAD(&d->watches, w, next);
	d->watch_cnt++;
	dest_soil(n, d);
	return w;
}

void
tw_netlink_unwatch(struct tw_netlink *n, struct tw_netlink_watch *w)
{
	struct dest *d;

	if (w == NULL)
		return;
	d = w->dest;
	LIST_REMOVE(w, next);
	d->watch_cnt--;
	free(w);
	if (d->watch_cnt == 0 && !d->is_calling)
		dest_free(n, d);
}

int
tw_netlink_scope(struct tw_netlink *n, const struct tw_addr *peer, const struct tw_addr *local,
	struct tw_netlink_path *out, char *why)
{
	int ret;

	/* requests of one connection come many in a turn, all between the same two: two queries of
	 * the kernel each would be a third of what a session costs */
	if (n->scope_ns == n->loop->now_ns && n->scope_ns != 0 &&
		tw_addr_equal(peer, &n->scope_peer) && tw_addr_equal(local, &n->scope_local)) {
		*out = n->scope;
		return 0;
	}
	ret = tw_nl_path_find(&n->look, peer, local, 0, out, NULL, why);
	n->scope_ns = ret == 0 ? n->loop->now_ns : 0;
	n->scope_peer = *peer;
	n->scope_local = *local;
	n->scope = *out;
	return ret;
}

void
tw_netlink_wire(struct tw_netlink *n,
	bool (*wired)(void *arg, const struct tw_addr *dst, const struct tw_addr *src,
		struct tw_netlink_path *out),
	void *arg)
{
	n->look.wired = wired;
	n->look.wired_arg = arg;
}

bool
tw_netlink_is_local(struct tw_netlink *n, const struct tw_addr *addr)
{
	return tw_nl_path_is_local(&n->look, addr);
}

bool
tw_netlink_is_down(struct tw_netlink *n, unsigned ifindex)
{
	struct tw_nl_link link;

	return tw_nl_query_link(&n->look.query, ifindex, &link) == 0 && !link.has_carrier;
}

bool
tw_netlink_at(const struct tw_netlink *n, unsigned idx, struct tw_netlink_info *out)
{
	const struct dest *d;
	unsigned i;

	for (i = 0; i < BUCKETS; i++)
		LIST_FOREACH (d, &n->bucket[i], hash) {
			if (idx-- > 0)
				continue;
			out->dst = d->dst;
			out->path = d->path;
			out->next_hop = d->hop;
			out->is_resolved = d->is_resolved;
			out->is_stale = d->is_stale;
			out->watch_cnt = d->watch_cnt;
			memcpy(out->why, d->why, sizeof(out->why));
			return true;
		}
	return false;
}

/* A neighbour changed: look again at who sends through it. */
static void
on_neigh_event(struct tw_netlink *n, const struct nlmsghdr *nlh)
{
	const struct ndmsg *ndm = mnl_nlmsg_get_payload(nlh);
	uint8_t family = ndm->ndm_family == AF_INET ? TW_ADDR_V4 : TW_ADDR_V6;
	struct tw_addr addr = {.family = TW_ADDR_NONE};
	const struct nlattr *attr;
	struct dest *d;
	unsigned i;

	mnl_attr_for_each(attr, nlh, sizeof(*ndm))
	{
		if (mnl_attr_get_type(attr) == NDA_DST &&
			mnl_attr_get_payload_len(attr) == (family == TW_ADDR_V4 ? 4 : 16))
			addr = tw_addr_make(family, mnl_attr_get_payload(attr));
	}
	if (addr.family == TW_ADDR_NONE)
		return;
	for (i = 0; i < BUCKETS; i++)
		LIST_FOREACH (d, &n->bucket[i], hash)
			if (tw_addr_equal(&d->hop, &addr))
				dest_soil(n, d);
}

struct event_ctx {
	struct tw_netlink *n;
	bool is_all; /* something changed that may touch any destination */
};

static int
on_event_msg(const struct nlmsghdr *nlh, void *arg)
{
	struct event_ctx *ctx = arg;

	switch (nlh->nlmsg_type) {
	case RTM_NEWNEIGH:
	case RTM_DELNEIGH:
		on_neigh_event(ctx->n, nlh);
		break;
	case RTM_NEWROUTE:
	case RTM_DELROUTE:
	case RTM_NEWLINK:
	case RTM_DELLINK:
	case RTM_NEWADDR:
	case RTM_DELADDR:
		ctx->is_all = true;
		break;
	default:
		break;
	}
	return MNL_CB_OK;
}

static void
on_events(void *arg, uint32_t events)
{
	struct event_ctx ctx = {.n = arg, .is_all = false};
	char buf[EVENT_BUF] __attribute__((aligned(8)));
	ssize_t len;
	unsigned i;

	(void)events;
	for (i = 0; i < 64; i++) {
		len = recv(ctx.n->events_fd.fd, buf, sizeof(buf), MSG_DONTWAIT);
		if (len < 0 && errno == ENOBUFS) {
			ctx.is_all = true; /* some were lost: trust nothing */
			continue;
		}
		if (len <= 0)
			break;
		mnl_cb_run(buf, (size_t)len, 0, 0, on_event_msg, &ctx);
	}
	if (ctx.is_all)
		tw_netlink_refresh(ctx.n);
}

static int
events_open(struct tw_netlink *n)
{
	static const int groups[] = {RTNLGRP_LINK, RTNLGRP_NEIGH, RTNLGRP_IPV4_IFADDR,
		RTNLGRP_IPV6_IFADDR, RTNLGRP_IPV4_ROUTE, RTNLGRP_IPV6_ROUTE};
	unsigned i;
	int ret;

	n->events = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (n->events == NULL)
		return -errno;
	if (mnl_socket_bind(n->events, 0, MNL_SOCKET_AUTOPID) != 0)
		goto fail;
	for (i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		int group = groups[i];

		if (mnl_socket_setsockopt(
			    n->events, NETLINK_ADD_MEMBERSHIP, &group, sizeof(group)) != 0)
			goto fail;
	}
	ret = tw_loop_fd_add(
		n->loop, &n->events_fd, mnl_socket_get_fd(n->events), EPOLLIN, on_events, n);
	if (ret == 0)
		return 0;
	errno = -ret;
fail:
	ret = -errno;
	mnl_socket_close(n->events);
	n->events = NULL;
	return ret;
}

struct tw_netlink *
tw_netlink_new(struct tw_loop *loop, tw_netlink_port_fn port_of, void *arg)
{
	struct tw_netlink *n = calloc(1, sizeof(*n));
	unsigned i;
	int ret;

	if (n == NULL)
		return NULL;
	n->loop = loop;
	n->look.port_of = port_of;
	n->look.port_arg = arg;
	for (i = 0; i < BUCKETS; i++)
		LIST_INIT(&n->bucket[i]);
	TAILQ_INIT(&n->dirty);
	ret = tw_nl_query_init(&n->look.query);
	if (ret != 0)
		goto free_all;
	ret = events_open(n);
	if (ret == 0)
		return n;
	tw_nl_query_fini(&n->look.query);
free_all:
	free(n);
	errno = -ret;
	return NULL;
}

void
tw_netlink_free(struct tw_netlink *n)
{
	struct dest *d;
	unsigned i;

	if (n == NULL)
		return;
	for (i = 0; i < BUCKETS; i++)
		while ((d = LIST_FIRST(&n->bucket[i])) != NULL)
			dest_free(n, d);
	tw_loop_timer_del(n->loop, &n->work);
	tw_loop_fd_del(n->loop, &n->events_fd);
	mnl_socket_close(n->events);
	tw_nl_query_fini(&n->look.query);
	free(n);
}
