/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Held ports by hash on (address, port), counted references. A reference that lingers has a small
 * record with a timer.
 */
#include "hold.h"

#include <errno.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#define BUCKETS 16384

struct tw_hold_port {
	LIST_ENTRY(tw_hold_port) hash;
	struct tw_addr addr;
	uint16_t number;
	int fd;
	unsigned users;
};

/* A reference on its way out. */
struct leaving {
	LIST_ENTRY(leaving) next;
	struct tw_hold *hold;
	struct tw_hold_port *port;
	struct tw_loop_timer timer;
};

LIST_HEAD(port_list, tw_hold_port);
LIST_HEAD(leaving_list, leaving);

struct tw_hold {
	struct tw_loop *loop;
	uint16_t lo;
	uint16_t hi;
	uint16_t next; /* where tw_hold_any() looks next */
	unsigned cnt;
	struct port_list bucket[BUCKETS];
	struct leaving_list leaving;
};

static unsigned
bucket_of(const struct tw_addr *addr, uint16_t number)
{
	uint32_t h = 2166136261U ^ number;
	unsigned i;

	for (i = 0; i < sizeof(addr->b); i++)
		h = (h ^ addr->b[i]) * 16777619U;
	return (h ^ h >> 16) % BUCKETS;
}

static struct tw_hold_port *
find(struct tw_hold *h, const struct tw_addr *addr, uint16_t number)
{
	struct tw_hold_port *p;

	LIST_FOREACH (p, &h->bucket[bucket_of(addr, number)], hash)
		if (p->number == number && tw_addr_equal(&p->addr, addr))
			return p;
	return NULL;
}

static int
bind_addr(int fd, const struct tw_addr *addr, uint16_t number)
{
	struct sockaddr_in6 sin6 = {.sin6_family = AF_INET6, .sin6_port = htons(number)};
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons(number)};
	int on = 1, ret;

	if (addr->family == TW_ADDR_V4) {
		memcpy(&sin.sin_addr, addr->b, sizeof(sin.sin_addr));
		ret = bind(fd, (const struct sockaddr *)&sin, sizeof(sin));
	} else {
		if (setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on)) != 0)
			return -errno;
		memcpy(&sin6.sin6_addr, addr->b, sizeof(sin6.sin6_addr));
		ret = bind(fd, (const struct sockaddr *)&sin6, sizeof(sin6));
	}
	return ret == 0 ? 0 : -errno;
}

/* A bound socket that takes nothing: the filter runs before any packet is queued. */
static int
socket_open(const struct tw_addr *addr, uint16_t number)
{
	struct sock_filter drop = BPF_STMT(BPF_RET | BPF_K, 0);
	struct sock_fprog prog = {.len = 1, .filter = &drop};
	int fd, ret;

	fd = socket(addr->family == TW_ADDR_V4 ? AF_INET : AF_INET6,
		SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &prog, sizeof(prog)) != 0)
		ret = -errno;
	else
		ret = bind_addr(fd, addr, number);
	if (ret == 0)
		return fd;
	close(fd);
	return ret;
}

static int
open_port(struct tw_hold *h, const struct tw_addr *addr, uint16_t number, struct tw_hold_port **out)
{
	struct tw_hold_port *p;
	int fd;

	fd = socket_open(addr, number);
	if (fd < 0)
		return fd;
	p = calloc(1, sizeof(*p));
	if (p == NULL) {
		close(fd);
		return -ENOMEM;
	}
	p->addr = *addr;
	p->number = number;
	p->fd = fd;
	p->users = 1;
	LIST_INSERT_HEAD(&h->bucket[bucket_of(addr, number)], p, hash);
	h->cnt++;
	*out = p;
	return 0;
}

static void
drop(struct tw_hold *h, struct tw_hold_port *p)
{
	if (--p->users > 0)
		return;
	LIST_REMOVE(p, hash);
	close(p->fd);
	free(p);
	h->cnt--;
}

struct tw_hold *
tw_hold_new(struct tw_loop *loop)
{
	struct tw_hold *h = calloc(1, sizeof(*h));
	unsigned i;

	if (h == NULL)
		return NULL;
	h->loop = loop;
	for (i = 0; i < BUCKETS; i++)
		LIST_INIT(&h->bucket[i]);
	LIST_INIT(&h->leaving);
	tw_hold_range(h, TW_HOLD_LO_DEFAULT, TW_HOLD_HI_DEFAULT);
	return h;
}

void
tw_hold_free(struct tw_hold *h)
{
	struct tw_hold_port *p;
	struct leaving *l;
	unsigned i;

	if (h == NULL)
		return;
	while ((l = LIST_FIRST(&h->leaving)) != NULL) {
		LIST_REMOVE(l, next);
		tw_loop_timer_del(h->loop, &l->timer);
		free(l);
	}
	for (i = 0; i < BUCKETS; i++)
		while ((p = LIST_FIRST(&h->bucket[i])) != NULL) {
			p->users = 1;
			drop(h, p);
		}
	free(h);
}

void
tw_hold_range(struct tw_hold *h, uint16_t lo, uint16_t hi)
{
	h->lo = lo;
	h->hi = hi;
	h->next = lo;
}

int
tw_hold_get(struct tw_hold *h, const struct tw_addr *addr, uint16_t port, struct tw_hold_port **out)
{
	struct tw_hold_port *p = find(h, addr, port);

	if (p == NULL)
		return open_port(h, addr, port, out);
	p->users++;
	*out = p;
	return 0;
}

int
tw_hold_any(struct tw_hold *h, const struct tw_addr *addr, struct tw_hold_port **out)
{
	unsigned i, cnt = (unsigned)h->hi - h->lo + 1;
	uint16_t number;
	int ret = -EADDRINUSE;

	for (i = 0; i < cnt; i++) {
		number = h->next;
		h->next = number == h->hi ? h->lo : (uint16_t)(number + 1);
		if (find(h, addr, number) != NULL)
			continue;
		ret = open_port(h, addr, number, out);
		if (ret != -EADDRINUSE)
			break;
	}
	return ret;
}

uint16_t
tw_hold_number(const struct tw_hold_port *p)
{
	return p->number;
}

unsigned
tw_hold_users(const struct tw_hold_port *p)
{
	return p->users;
}

static void
on_linger(void *arg, int64_t now_ns)
{
	struct leaving *l = arg;

	(void)now_ns;
	LIST_REMOVE(l, next);
	drop(l->hold, l->port);
	free(l);
}

void
tw_hold_put(struct tw_hold *h, struct tw_hold_port *p, int64_t linger_ns)
{
	struct leaving *l;

	if (p == NULL)
		return;
	l = linger_ns > 0 ? calloc(1, sizeof(*l)) : NULL;
	if (l == NULL) {
		drop(h, p);
		return;
	}
	l->hold = h;
	l->port = p;
	LIST_INSERT_HEAD(&h->leaving, l, next);
	tw_loop_timer_set(h->loop, &l->timer, tw_loop_clock() + linger_ns, on_linger, l);
}

unsigned
tw_hold_count(const struct tw_hold *h)
{
	return h->cnt;
}
