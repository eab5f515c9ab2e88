/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/* Control connections of the client side: let go of at any moment, none stays. */
#include <arpa/inet.h>
#include <criterion/criterion.h>
#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app.h"
#include "clocks.h"
#include "io_cli.h"

static struct tw_app app;
static unsigned connected_cnt, failed_cnt;
static int listener;

/* main.c stays out of tests. */
void
tw_app_stop(struct tw_app *a)
{
	(void)a;
}

static void
on_connected(void *arg, const struct tw_addr *local)
{
	(void)arg;
	(void)local;
	connected_cnt++;
}

static void
on_failed(void *arg, int res, const char *why, const char *hint)
{
	(void)arg;
	(void)res;
	(void)why;
	(void)hint;
	failed_cnt++;
}

static void
on_event(void *arg, const struct tw_ctl_cli_event *event)
{
	(void)arg;
	(void)event;
}

static const struct tw_io_cli_ops ops = {
	.connected = on_connected, .failed = on_failed, .event = on_event};

static void
setup(void)
{
	cr_assert_eq(tw_loop_init(&app.loop, 1000000, NULL, NULL), 0);
	app.clocks = tw_clocks_new(&app);
	cr_assert_not_null(app.clocks);
}

static void
teardown(void)
{
	tw_clocks_free(app.clocks);
	tw_loop_fini(&app.loop);
}

TestSuite(io_cli, .init = setup, .fini = teardown);

/* A connection attempt to ourselves; the kernel answers at once, the loop has not seen it yet. */
static struct tw_io_cli *
begin(void)
{
	struct sockaddr_in sin = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	struct tw_io_cli_cfg cfg = {.connect_ns = 1000000000};
	socklen_t len = sizeof(sin);
	struct tw_io_cli *c;
	char why[200];

	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	cr_assert_eq(bind(listener, (struct sockaddr *)&sin, sizeof(sin)), 0);
	cr_assert_eq(listen(listener, 1), 0);
	cr_assert_eq(getsockname(listener, (struct sockaddr *)&sin, &len), 0);
	tw_addr_parse("127.0.0.1", &cfg.dst);
	cfg.port = ntohs(sin.sin_port);
	tw_ctl_cli_cfg_init(&cfg.cli);
	tw_ctl_cli_cfg_mode(&cfg.cli, TW_MODE_OPEN);
	c = tw_io_cli_open(&app, &cfg, &ops, NULL, why, sizeof(why));
	cr_assert_not_null(c, "%s", why);
	return c;
}

/* Whether the far end of the connection hears of its end within a second. */
static bool
is_ended(void)
{
	struct pollfd p = {.fd = accept(listener, NULL, NULL), .events = POLLIN};
	bool is_heard = false;
	char octet;

	cr_assert_geq(p.fd, 0);
	for (unsigned i = 0; i < 100 && !is_heard; i++) {
		tw_loop_turn(&app.loop, 0);
		is_heard = poll(&p, 1, 10) == 1 && recv(p.fd, &octet, 1, 0) == 0;
	}
	close(p.fd);
	return is_heard;
}

Test(io_cli, closed_when_connected)
{
	struct tw_io_cli *c = begin();

	while (connected_cnt == 0)
		tw_loop_turn(&app.loop, 1000000);
	tw_io_cli_close(c);
	cr_assert(is_ended());
}

/* In one turn: somebody lets go, then the loop comes to the event that says it is connected. */
Test(io_cli, closed_in_the_turn_in_which_it_connects)
{
	tw_io_cli_close(begin());
	cr_assert(is_ended());
	cr_assert_eq(connected_cnt + failed_cnt, 0);
}
