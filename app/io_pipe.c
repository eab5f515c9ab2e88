/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * One non-blocking TCP socket and one machine.
 */
#include "io_pipe.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "app.h"
#include "clocks.h"

#define READ_SIZE 4096

/* Keep-alive: a peer that vanished is noticed after a minute, RFC 4656 leaves it open. */
#define KEEP_IDLE_S  30
#define KEEP_INTVL_S 10
#define KEEP_CNT     3

struct tw_ctl_time
tw_ctl_io_time(const struct tw_app *app)
{
	return (struct tw_ctl_time){
		.mono_ns = tw_loop_clock(),
		.ntp = tw_clock_ns_to_ntp(tw_clocks_now(app->clocks)),
	};
}

/* Once: if there is more the loop tells it again, after the others had their turn. */
static void
pipe_read(struct tw_io_pipe *p)
{
	uint8_t buf[READ_SIZE];
	size_t want = p->ops->want(p->machine);
	ssize_t len;

	if (want == 0)
		return;
	len = recv(p->w.fd, buf, want < sizeof(buf) ? want : sizeof(buf), 0);
	if (len > 0)
		p->ops->input(p->machine, buf, (size_t)len, tw_ctl_io_time(p->app));
	else if (len == 0)
		p->ops->eof(p->machine, tw_ctl_io_time(p->app));
	else if (errno != EAGAIN && errno != EINTR)
		p->ops->lost(p->machine, tw_ctl_io_time(p->app));
}

/* @return true if the socket takes no more for now */
static bool
pipe_write(struct tw_io_pipe *p)
{
	const uint8_t *out;
	size_t len;
	ssize_t sent;

	for (;;) {
		out = p->ops->output(p->machine, &len);
		if (len == 0)
			return false;
		sent = send(p->w.fd, out, len, MSG_NOSIGNAL);
		if (sent > 0) {
			p->ops->sent(p->machine, (size_t)sent, tw_ctl_io_time(p->app));
			continue;
		}
		if (errno == EINTR)
			continue;
		if (errno == EAGAIN)
			return true;
		p->ops->lost(p->machine, tw_ctl_io_time(p->app));
		return false;
	}
}

bool
tw_io_pipe_run(struct tw_io_pipe *p, uint32_t events)
{
	uint32_t wanted = 0;
	bool is_full;

	if ((events & EPOLLIN) != 0)
		pipe_read(p);
	else if ((events & (EPOLLERR | EPOLLHUP)) != 0)
		/* the loop tells it again and again until the descriptor is closed */
		p->ops->lost(p->machine, tw_ctl_io_time(p->app));
	is_full = pipe_write(p);
	if (p->ops->is_done(p->machine))
		return true;
	if (p->ops->want(p->machine) > 0)
		wanted |= EPOLLIN;
	if (is_full)
		wanted |= EPOLLOUT;
	if (tw_loop_fd_want(&p->app->loop, &p->w, wanted) != 0)
		p->ops->lost(p->machine, tw_ctl_io_time(p->app));
	return p->ops->is_done(p->machine);
}

unsigned
tw_io_sockaddr(const struct tw_addr *addr, uint16_t port, void *out, size_t size)
{
	struct sockaddr_in6 sin6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_port = htons(port)};

	memset(out, 0, size);
	if (addr->family == TW_ADDR_V4) {
		memcpy(&sin.sin_addr, addr->b, sizeof(sin.sin_addr));
		memcpy(out, &sin, sizeof(sin));
		return sizeof(sin);
	}
	memcpy(&sin6.sin6_addr, addr->b, sizeof(sin6.sin6_addr));
	memcpy(out, &sin6, sizeof(sin6));
	return sizeof(sin6);
}

bool
tw_io_sockaddr_read(const void *sa, struct tw_addr *addr, uint16_t *port)
{
	const struct sockaddr *any = sa;
	struct sockaddr_in6 sin6;
	struct sockaddr_in sin;

	if (any->sa_family == AF_INET) {
		memcpy(&sin, sa, sizeof(sin));
		*addr = tw_addr_make(TW_ADDR_V4, &sin.sin_addr);
		*port = ntohs(sin.sin_port);
		return true;
	}
	if (any->sa_family != AF_INET6)
		return false;
	memcpy(&sin6, sa, sizeof(sin6));
	if (IN6_IS_ADDR_V4MAPPED(&sin6.sin6_addr))
		*addr = tw_addr_make(TW_ADDR_V4, sin6.sin6_addr.s6_addr + 12);
	else
		*addr = tw_addr_make(TW_ADDR_V6, &sin6.sin6_addr);
	*port = ntohs(sin6.sin6_port);
	return true;
}

void
tw_io_tcp_tune(int fd)
{
	int on = 1, idle = KEEP_IDLE_S, intvl = KEEP_INTVL_S, cnt = KEEP_CNT;

	/* none of these is worth losing a connection for */
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &intvl, sizeof(intvl));
	setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &cnt, sizeof(cnt));
}

void
tw_io_tcp_dscp(int fd, uint8_t family, uint8_t dscp)
{
	int tos = dscp << 2;

	if (family == TW_ADDR_V4)
		setsockopt(fd, IPPROTO_IP, IP_TOS, &tos, sizeof(tos));
	else
		setsockopt(fd, IPPROTO_IPV6, IPV6_TCLASS, &tos, sizeof(tos));
}
