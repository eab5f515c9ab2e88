/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/* Held ports: exclusive against others, shared among ours, silent, let go in time. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include "hold.h"

static struct tw_loop loop;
static struct tw_hold *hold;
static struct tw_addr local4, local6;

static void
setup(void)
{
	cr_assert_eq(tw_loop_init(&loop, 1000000, NULL, NULL), 0);
	hold = tw_hold_new(&loop);
	cr_assert_not_null(hold);
	tw_addr_parse("127.0.0.1", &local4);
	tw_addr_parse("::1", &local6);
}

static void
teardown(void)
{
	tw_hold_free(hold);
	tw_loop_fini(&loop);
}

TestSuite(hold, .init = setup, .fini = teardown);

static int
bind_other(uint16_t port)
{
	struct sockaddr_in sin = {.sin_family = AF_INET,
		.sin_port = htons(port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	cr_assert_geq(fd, 0);
	if (bind(fd, (struct sockaddr *)&sin, sizeof(sin)) == 0)
		return fd;
	close(fd);
	return -errno;
}

Test(hold, keeps_others_from_the_port)
{
	struct tw_hold_port *p;

	cr_assert_eq(tw_hold_any(hold, &local4, &p), 0);
	cr_assert_eq(bind_other(tw_hold_number(p)), -EADDRINUSE);
	tw_hold_put(hold, p, 0);
	cr_assert_eq(tw_hold_count(hold), 0);
}

Test(hold, says_so_if_another_program_has_it)
{
	struct tw_hold_port *p;
	uint16_t port;
	int fd;

	cr_assert_eq(tw_hold_any(hold, &local4, &p), 0);
	port = tw_hold_number(p);
	tw_hold_put(hold, p, 0);
	fd = bind_other(port);
	cr_assert_geq(fd, 0);
	cr_assert_eq(tw_hold_get(hold, &local4, port, &p), -EADDRINUSE);
	close(fd);
}

Test(hold, shares_a_port_among_sessions)
{
	struct tw_hold_port *a, *b;

	cr_assert_eq(tw_hold_any(hold, &local4, &a), 0);
	cr_assert_eq(tw_hold_get(hold, &local4, tw_hold_number(a), &b), 0);
	cr_assert_eq(a, b);
	cr_assert_eq(tw_hold_users(a), 2);
	cr_assert_eq(tw_hold_count(hold), 1);
	tw_hold_put(hold, a, 0);
	cr_assert_eq(tw_hold_count(hold), 1);
	tw_hold_put(hold, b, 0);
	cr_assert_eq(tw_hold_count(hold), 0);
}

Test(hold, never_gives_one_port_twice_and_ends)
{
	struct tw_hold_port *p;
	unsigned i;

	tw_hold_range(hold, 50100, 50119);
	for (i = 0; i < 40; i++)
		if (tw_hold_any(hold, &local4, &p) != 0)
			break;
	cr_assert_leq(i, 20);
	cr_assert_eq(tw_hold_count(hold), i);
	cr_assert_eq(tw_hold_any(hold, &local4, &p), -EADDRINUSE);
}

Test(hold, drops_what_arrives)
{
	struct sockaddr_in to = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct tw_hold_port *p;
	char reply[8];
	int fd;

	cr_assert_eq(tw_hold_any(hold, &local4, &p), 0);
	to.sin_port = htons(tw_hold_number(p));
	fd = socket(AF_INET, SOCK_DGRAM, 0);
	cr_assert_eq(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	cr_assert_eq(send(fd, "x", 1, 0), 1);
	/* a closed port would answer with ICMP: ECONNREFUSED */
	cr_assert_eq(recv(fd, reply, sizeof(reply), MSG_DONTWAIT), -1);
	cr_assert_eq(errno, EAGAIN);
	close(fd);
}

Test(hold, lingers_as_long_as_told)
{
	struct tw_hold_port *p;

	cr_assert_eq(tw_hold_any(hold, &local4, &p), 0);
	tw_hold_put(hold, p, 5000000);
	tw_loop_turn(&loop, 0);
	cr_assert_eq(tw_hold_count(hold), 1);
	while (tw_hold_count(hold) > 0)
		tw_loop_turn(&loop, 10000000);
}

Test(hold, refuses_an_address_that_is_not_ours)
{
	struct tw_hold_port *p;
	struct tw_addr far;

	tw_addr_parse("192.0.2.1", &far);
	cr_assert_eq(tw_hold_get(hold, &far, 50000, &p), -EADDRNOTAVAIL);
	cr_assert_eq(tw_hold_count(hold), 0);
}
