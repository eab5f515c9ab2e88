/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The JSON socket as clients meet it: honest, slow, vanishing and hostile ones. The loop is turned
 * by hand, client and appliance share the process.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "app.h"
#include "config.h"
#include "fake.h"
#include "io_rpc.h"
#include "tw_crypto.h"
#include "tw_rpc.h"

static struct tw_app app;
static char path[64];

static void
tick(void *arg, int64_t now_ns)
{
	(void)arg;
	(void)now_ns;
}

static void
listen_to_progress(void *conn)
{
	tw_rpc_io_subscribe(conn, TW_EVENT_TEST_PROGRESS, true);
}

static void
start(void)
{
	char why[256] = "";

	cr_assert_eq(tw_crypto_init_late(TW_CRYPTO_HEAP_MIN, why, sizeof(why)), 0, "%s", why);
	snprintf(path, sizeof(path), "/tmp/tw-test-%d.sock", getpid());
	cr_assert_eq(tw_loop_init(&app.loop, 1000000, tick, NULL), 0);
	app.config = tw_config_new();
	app.rpc = tw_rpc_io_new(&app, path, getgid(), why, sizeof(why));
	cr_assert_not_null(app.rpc, "%s", why);
	fake.listen = listen_to_progress;
}

static void
stop(void)
{
	tw_rpc_io_free(app.rpc);
	app.rpc = NULL;
	tw_config_free(app.config);
	tw_loop_fini(&app.loop);
	cr_assert_eq(access(path, F_OK), -1);
}

TestSuite(socket, .init = start, .fini = stop);

static void
turn(int times)
{
	while (times-- > 0)
		tw_loop_turn(&app.loop, 0);
}

static int
open_client(void)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	strcpy(sa.sun_path, path);
	cr_assert_eq(connect(fd, (struct sockaddr *)&sa, sizeof(sa)), 0);
	turn(2);
	return fd;
}

static void
say(int fd, const char *text)
{
	cr_assert_eq(send(fd, text, strlen(text), MSG_NOSIGNAL), (ssize_t)strlen(text));
	turn(3);
}

/* All that has come, as one text. */
static const char *
hear(int fd)
{
	static char text[65536];
	ssize_t n = recv(fd, text, sizeof(text) - 1, MSG_DONTWAIT);

	text[n > 0 ? n : 0] = '\0';
	return text;
}

static bool
is_closed(int fd)
{
	char c;

	return recv(fd, &c, 1, MSG_DONTWAIT) == 0;
}

#define SHOW(id, thing)                                                                            \
	"{\"jsonrpc\":\"2.0\",\"id\":" #id ",\"method\":\"thing.show\",\"params\":{\"id\":" #thing \
	"}}\n"
#define SHOWN_3 "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"id\":3,\"sent\":30}}\n"

Test(socket, is_for_owner_and_group_only)
{
	struct stat st;

	cr_assert_eq(stat(path, &st), 0);
	cr_assert_eq(st.st_mode & 0777, 0660);
}

Test(socket, answers)
{
	int fd = open_client();

	say(fd, SHOW(1, 3));
	cr_assert_str_eq(hear(fd), SHOWN_3);
	say(fd, "{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"method\":\"thing.show\",\"params\":{\"id\":"
		"101}}\n");
	cr_assert_str_eq(hear(fd),
		"{\"jsonrpc\":\"2.0\",\"id\":\"x\",\"error\":{\"code\":-32001,"
		"\"message\":\"there is no thing 101\",\"data\":{\"field\":\"id\","
		"\"reason\":\"not_found\",\"hint\":\"list things with `show "
		"thing`\"}}}\n");
	close(fd);
}

Test(socket, takes_half_lines_and_several_at_once)
{
	int fd = open_client();

	say(fd, "{\"jsonrpc\":\"2.0\",\"id\":1,\"meth");
	cr_assert_str_eq(hear(fd), "");
	say(fd, "od\":\"thing.show\",\"params\":{\"id\":3}}\r\n" SHOW(1, 3) "\n\n" SHOW(1, 3));
	cr_assert_str_eq(hear(fd), SHOWN_3 SHOWN_3 SHOWN_3);
	close(fd);
}

Test(socket, goes_on_after_garbage)
{
	static const char *const lines[][2] = {
		{"\xff\xfe\n", "-32700"},
		{"{\n", "-32700"},
		{"null\n", "-32600"},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"no.such\"}\n", "-32601"},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"thing.show\"}\n", "-32602"},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"thing.show\",\"params\":[3]}\n",
			"-32602"},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"thing.show\",\"params\":{\"id\":\"3\"}"
		 "}\n",
			"wrong_type"},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"thing.show\",\"params\":{\"id\":0}}\n",
			"out_of_bounds"},
		{"{\"jsonrpc\":\"2.0\",\"id\":1,\"id\":2,\"method\":\"thing.show\"}\n",
			"duplicate_key"},
	};
	int fd = open_client();

	for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		const char *got;

		say(fd, lines[i][0]);
		got = hear(fd);
		cr_assert(strstr(got, lines[i][1]), "%s -> %s", lines[i][0], got);
		cr_assert_eq(strchr(got, '\n'), got + strlen(got) - 1);
	}
	cr_assert_eq(send(fd, "\0\n", 2, 0), 2);
	turn(3);
	cr_assert(strstr(hear(fd), "bad_text"));
	say(fd, SHOW(1, 3));
	cr_assert_str_eq(hear(fd), SHOWN_3);
	close(fd);
}

Test(socket, answers_batches_and_no_notifications)
{
	int fd = open_client();

	say(fd, "[{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"thing.show\",\"params\":{\"id\":3}},1,"
		"{\"jsonrpc\":\"2.0\",\"method\":\"thing.show\",\"params\":{\"id\":4}}]\n");
	cr_assert(strstr(hear(fd),
		"[{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"id\":3,\"sent\":30}},"
		"{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32600"));
	cr_assert_eq(fake.shown, 4);
	say(fd, "{\"jsonrpc\":\"2.0\",\"method\":\"thing.show\",\"params\":{\"id\":5}}\n");
	say(fd, "[{\"jsonrpc\":\"2.0\",\"method\":\"thing.show\",\"params\":{\"id\":6}}]\n");
	say(fd, "{\"jsonrpc\":\"2.0\",\"method\":\"no.such\"}\n");
	cr_assert_str_eq(hear(fd), "");
	cr_assert_eq(fake.shown, 6);
	close(fd);
}

#define WAIT(id) "{\"jsonrpc\":\"2.0\",\"id\":" #id ",\"method\":\"thing.wait\"}"

Test(socket, answers_late_and_out_of_order)
{
	int fd = open_client();

	say(fd, WAIT(7) "\n" SHOW(1, 3));
	cr_assert_str_eq(hear(fd), SHOWN_3);
	tw_op_complete(fake.waiting, 0);
	turn(3);
	cr_assert_str_eq(
		hear(fd), "{\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{\"before\":\"deferred\"}}\n");
	say(fd, "[" WAIT(8) "," WAIT(9) "]\n");
	cr_assert_str_eq(hear(fd), "");
	close(fd);
	turn(3);
	cr_assert(fake.is_abandoned);
	tw_op_complete(fake.all[1], 0);
	tw_op_complete(fake.all[2], 0);
	turn(2);
}

Test(socket, completes_a_batch_with_its_last_answer)
{
	int fd = open_client();

	say(fd, "[" WAIT(8) ",{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"thing.show\","
			    "\"params\":{\"id\":3}}]\n");
	cr_assert_str_eq(hear(fd), "");
	tw_op_complete(fake.waiting, 0);
	turn(3);
	cr_assert_str_eq(hear(fd),
		"[{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"id\":3,\"sent\":30}},"
		"{\"jsonrpc\":\"2.0\",\"id\":8,\"result\":{\"before\":"
		"\"deferred\"}}]\n");
	close(fd);
}

Test(socket, serves_who_shuts_down_writing)
{
	int fd = open_client();

	say(fd, WAIT(7) "\n" SHOW(1, 3));
	fd = dup(fd);
	say(fd, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"thing.show\",\"params\":{\"id\":3}}");
	shutdown(fd, SHUT_WR);
	turn(3);
	cr_assert_str_eq(hear(fd), SHOWN_3 SHOWN_3);
	tw_op_complete(fake.waiting, 0);
	turn(3);
	cr_assert(strstr(hear(fd), "deferred"));
	cr_assert(is_closed(fd));
}

Test(socket, does_what_a_client_asked_before_it_left)
{
	int fd = open_client();

	cr_assert_gt(send(fd, SHOW(1, 9), strlen(SHOW(1, 9)), 0), 0);
	close(fd);
	turn(3);
	cr_assert_eq(fake.shown, 9);
}

Test(socket, bounds_requests_that_wait)
{
	int fd = open_client();

	for (int i = 0; i < 64; i++)
		say(fd, WAIT(7) "\n");
	cr_assert_str_eq(hear(fd), "");
	say(fd, WAIT(8) "\n");
	cr_assert(strstr(hear(fd), "\"reason\":\"limit\""));
	close(fd);
	turn(3);
	while (fake.all_cnt > 0)
		tw_op_complete(fake.all[--fake.all_cnt], 0);
}

Test(socket, refuses_a_long_line_and_reads_on)
{
	static char big[65536];
	int fd = open_client();

	memset(big, 'x', sizeof(big));
	for (int sent = 0; sent < (2 << 20);) {
		ssize_t n = send(fd, big, sizeof(big), MSG_DONTWAIT);

		sent += n > 0 ? (int)n : 0;
		turn(2);
	}
	turn(50);
	cr_assert(strstr(hear(fd), "-32600"));
	say(fd, "\n" SHOW(1, 3));
	cr_assert_str_eq(hear(fd), SHOWN_3);
	close(fd);
}

Test(socket, leaves_requests_of_a_slow_reader_in_the_socket)
{
	int fd = open_client();
	int other = open_client();
	int blocked = 0;
	size_t answers = 0;

	/* never reads: its answers pile up, then its requests do */
	for (int i = 0; blocked < 50; i++) {
		ssize_t n = send(fd, SHOW(1, 3), strlen(SHOW(1, 3)), MSG_DONTWAIT);

		cr_assert_lt(i, 1000000);
		cr_assert(n == -1 || n == (ssize_t)strlen(SHOW(1, 3)));
		blocked += n < 0;
		turn(1);
	}
	say(other, SHOW(1, 3));
	cr_assert_str_eq(hear(other), SHOWN_3);
	for (int idle = 0; idle < 50;) {
		const char *got = hear(fd);

		idle = *got ? 0 : idle + 1;
		for (; *got; got++)
			answers += *got == '\n';
		turn(2);
	}
	cr_assert_gt(answers, 1000);
	close(fd);
	close(other);
}

Test(socket, turns_away_clients_above_the_limit)
{
	struct tw_conf_err err;
	struct tw_rpc_io_stats stats;
	int fd[3];

	cr_assert(tw_config_set(app.config, "rpc_clients", "2", 1, &err));
	for (int i = 0; i < 3; i++)
		fd[i] = open_client();
	cr_assert(strstr(hear(fd[2]), "rpc_clients"));
	cr_assert(is_closed(fd[2]));
	say(fd[1], SHOW(1, 3));
	cr_assert_str_eq(hear(fd[1]), SHOWN_3);
	tw_rpc_io_stats(app.rpc, &stats);
	cr_assert_eq(stats.refused, 1);
	close(fd[0]);
	turn(2);
	close(fd[2]);
	fd[2] = open_client();
	say(fd[2], SHOW(1, 3));
	cr_assert_str_eq(hear(fd[2]), SHOWN_3);
}

Test(socket, drops_events_of_a_slow_client_and_says_so)
{
	struct tw_conf_err err;
	struct tw_out *out;
	int fd = open_client();
	int drops = 0;
	struct tw_rpc_io_stats stats;

	cr_assert_null(tw_event_begin(&app, TW_EVENT_TEST_PROGRESS));
	cr_assert(tw_config_set(app.config, "rpc_event_queue", "4", 1, &err));
	say(fd, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"thing.listen\"}\n");
	hear(fd);
	for (int i = 0; i < 20000; i++) {
		out = tw_event_begin(&app, TW_EVENT_TEST_PROGRESS);
		cr_assert_not_null(out);
		tw_out_u64(out, "i", (uint64_t)i, NULL);
		tw_event_send(&app, out);
		if (i % 8 == 0)
			turn(1);
	}
	tw_rpc_io_stats(app.rpc, &stats);
	drops = (int)stats.events_dropped;
	cr_assert_gt(drops, 100);
	cr_assert_eq(stats.events_sent + stats.events_dropped, 20000);
	for (int i = 0; i < 100; i++) {
		hear(fd);
		turn(2);
	}
	out = tw_event_begin(&app, TW_EVENT_TEST_PROGRESS);
	tw_event_send(&app, out);
	turn(3);
	{
		char want[64];
		const char *got = hear(fd);

		snprintf(want, sizeof(want), "\"seq\":20001,\"dropped\":%d,", drops);
		cr_assert(strstr(got, want), "%s lacks %s", got, want);
	}
	close(fd);
}

Test(socket, keeps_secrets_out_of_errors)
{
	int fd = open_client();

	say(fd, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"thing.add\",\"params\":{\"id\":\"a\","
		"\"secret\":\"hunter2\",\"sceret\":\"hunter2\"}}\n");
	cr_assert_null(strstr(hear(fd), "hunter2"));
	say(fd, "{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"thing.add\",\"params\":{\"id\":\"a\","
		"\"secret\":\"hunter2\"}}\n");
	cr_assert_str_eq(hear(fd), "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{\"id\":\"a\"}}\n");
	cr_assert_str_eq(fake.secret, "hunter2");
	close(fd);
}

Test(socket, takes_over_a_dead_socket_but_not_a_live_one)
{
	char why[256];

	cr_assert_null(tw_rpc_io_new(&app, path, getgid(), why, sizeof(why)));
	cr_assert_eq(errno, EADDRINUSE);
	cr_assert(strstr(why, "another appliance"), "%s", why);
}
