/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
#include <criterion/criterion.h>
#include <endian.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fake_daemon.h"

TestSuite(server, .init = fake_start, .fini = fake_stop);

static void
ask(int fd, uint16_t type)
{
	struct ippm_hdr hdr = fake_hdr(type, sizeof(hdr), 77);

	fake_send(fd, &hdr, sizeof(hdr));
}

static int
subscriber(void)
{
	int fd = fake_connect(NULL);

	ask(fd, IPPM_SUBSCRIBE);
	cr_assert_eq(fake_result(fd, NULL), IPPM_OK);
	return fd;
}

static void
up(unsigned n)
{
	struct ippm_sa sa = fake_sa((uint8_t)n);

	ippm_server_up(fake.srv, fake_owner(n), &sa);
}

static void
event(int fd, int type, struct ippm_sa *sa)
{
	cr_assert_eq(fake_recv(fd, sa, sizeof(*sa)), type);
	cr_assert_eq(sa->hdr.seq_be, 0);
}

static void
initiate(int fd, uint8_t peer, uint32_t deadline_ms)
{
	struct ippm_initiate in = {
		.hdr = fake_hdr(IPPM_INITIATE, sizeof(in), 88),
		.peer = fake_addr(peer),
		.deadline_ms_be = htobe32(deadline_ms),
	};

	fake_send(fd, &in, sizeof(in));
}

Test(server, says_hello_with_a_boot_id_on_a_private_socket)
{
	struct ippm_hello a, b;
	struct stat st;

	up(1);
	close(fake_connect(&a));
	close(fake_connect(&b));
	cr_assert_eq(memcmp(a.boot_id, b.boot_id, sizeof(a.boot_id)), 0);
	cr_assert_str_eq(a.name, "fake");
	cr_assert_str_eq(a.release, "1.0");
	cr_assert_eq(be32toh(a.sa_cnt_be), 1);
	cr_assert_eq(stat(fake.path, &st), 0);
	cr_assert_eq(st.st_mode & 0777, 0600);
	fake_turn();
}

Test(server, pages_a_long_list)
{
	struct ippm_list list = {.hdr = fake_hdr(IPPM_LIST, sizeof(list), 5)};
	struct ippm_result res;
	struct ippm_sa sa;
	uint64_t serial = 0;
	int fd = fake_connect(NULL);

	for (unsigned n = 0; n < 100; n++)
		up(n);
	ippm_server_gone(fake.srv, fake_owner(40));
	do {
		unsigned page;

		fake_send(fd, &list, sizeof(list));
		cr_assert_eq(recv(fd, &res, sizeof(res.hdr), MSG_PEEK), sizeof(res.hdr));
		for (page = 0; res.hdr.type_be == htobe16(IPPM_SA); page++) {
			cr_assert_eq(fake_recv(fd, &sa, sizeof(sa)), IPPM_SA);
			cr_assert_eq(sa.hdr.seq_be, htobe64(5));
			cr_assert_eq(be16toh(sa.key_len_be), 32);
			serial += serial == 40 ? 2 : 1;
			cr_assert_eq(be64toh(sa.serial_be), serial);
			cr_assert_eq(recv(fd, &res, sizeof(res.hdr), MSG_PEEK), sizeof(res.hdr));
		}
		cr_assert_eq(fake_result(fd, &res), IPPM_OK);
		cr_assert_eq(be32toh(res.cnt_be), page);
		cr_assert_eq(page, res.cursor_be ? IPPM_PAGE_MAX : 99 % IPPM_PAGE_MAX);
		list.cursor_be = res.cursor_be;
	} while (list.cursor_be);
	cr_assert_eq(serial, 100);
	close(fd);
	fake_turn();
}

Test(server, tells_the_life_of_an_sa)
{
	struct ippm_sa first = fake_sa(1), second = fake_sa(2), sa, keyless = fake_sa(1);
	struct ippm_addr moved = fake_addr(99);
	int fd = subscriber();

	keyless.key_len_be = 0;
	memset(keyless.key, 0, sizeof(keyless.key));
	ippm_server_connecting(fake.srv, fake_owner(1), &keyless);
	event(fd, IPPM_SA_CONNECTING, &sa);
	cr_assert_eq(sa.state, IPPM_S_CONNECTING);
	ippm_server_up(fake.srv, fake_owner(1), &first);
	event(fd, IPPM_SA_UP, &sa);
	cr_assert_eq(sa.state, IPPM_S_ESTABLISHED);
	cr_assert_eq(be64toh(sa.serial_be), 1);
	cr_assert_eq(memcmp(sa.key, first.key, sizeof(sa.key)), 0);
	ippm_server_moved(fake.srv, fake_owner(1), &first.local, &moved);
	event(fd, IPPM_SA_MOVED, &sa);
	cr_assert_eq(sa.remote.addr[3], 99);
	ippm_server_moved(fake.srv, fake_owner(1), &first.local, &moved);
	cr_assert_eq(fake_recv(fd, NULL, 0), 0, "nothing changed");
	ippm_server_rekeyed(fake.srv, fake_owner(1), fake_owner(2), &second);
	event(fd, IPPM_SA_REKEYED, &sa);
	cr_assert_eq(memcmp(sa.old_spi_i, first.spi_i, 8), 0);
	cr_assert_eq(memcmp(sa.old_spi_r, first.spi_r, 8), 0);
	cr_assert_eq(be64toh(sa.serial_be), 2);
	ippm_server_gone(fake.srv, fake_owner(1));
	event(fd, IPPM_SA_DOWN, &sa);
	cr_assert_eq(sa.reason, IPPM_R_REKEYED);
	cr_assert_eq(memcmp(sa.new_spi_i, second.spi_i, 8), 0);
	cr_assert_eq(sa.key_len_be, 0);
	for (unsigned i = 0; i < sizeof(sa.key); i++)
		cr_assert_eq(sa.key[i], 0);
	ippm_server_gone(fake.srv, fake_owner(1));
	ippm_server_alert(fake.srv, fake_owner(2), "dead", true);
	ippm_server_gone(fake.srv, fake_owner(2));
	event(fd, IPPM_SA_DOWN, &sa);
	cr_assert_eq(sa.reason, IPPM_R_DEAD);
	cr_assert_eq(fake_recv(fd, NULL, 0), 0, "an end is told once");
	close(fd);
	fake_turn();
}

Test(server, tells_children_only_when_they_change)
{
	struct ippm_sa rec = fake_sa(1), sa;
	int fd = subscriber();

	up(1);
	event(fd, IPPM_SA_UP, &sa);
	rec.ts_cnt_be = htobe16(1);
	rec.ts[0].family = 4;
	rec.flags_be = htobe32(IPPM_F_TS_CUT | IPPM_F_PPK);
	ippm_server_children(fake.srv, fake_owner(1), &rec);
	event(fd, IPPM_SA_CHILD, &sa);
	cr_assert_eq(be16toh(sa.ts_cnt_be), 1);
	cr_assert_eq(be32toh(sa.flags_be), IPPM_F_TS_CUT, "only what is about children");
	ippm_server_children(fake.srv, fake_owner(1), &rec);
	cr_assert_eq(fake_recv(fd, NULL, 0), 0);
	close(fd);
	fake_turn();
}

Test(server, bounds_what_anybody_can_cause)
{
	struct ippm_sa rec = fake_sa(1), sa;
	struct ippm_hello hello;
	unsigned shown = 0;
	int fd = subscriber();

	for (unsigned n = 0; n < 1000; n++)
		ippm_server_connecting(fake.srv, fake_owner(n), &rec);
	while (fake_recv(fd, NULL, 0) == IPPM_SA_CONNECTING)
		shown++;
	cr_assert_eq(shown, IPPM_CONNECTING_MAX);
	for (unsigned n = 0; n < 1000; n++)
		ippm_server_gone(fake.srv, fake_owner(n));
	while (fake_recv(fd, NULL, 0) == IPPM_SA_FAILED)
		shown--;
	cr_assert_eq(shown, 0, "an end for each that was announced");
	ippm_server_connecting(fake.srv, fake_owner(1), &rec);
	cr_assert_eq(fake_recv(fd, NULL, 0), 0, "no more in this second");
	up(1);
	event(fd, IPPM_SA_UP, &sa);
	fake.now_ms += 1000;
	ippm_server_connecting(fake.srv, fake_owner(2), &rec);
	event(fd, IPPM_SA_CONNECTING, &sa);
	close(fake_connect(&hello));
	cr_assert_eq(be32toh(hello.not_shown_be), 1000 - IPPM_CONNECTING_MAX + 1);
	close(fd);
	fake_turn();
}

Test(server, drops_a_client_that_does_not_read_its_events)
{
	unsigned got = 0;
	int slow = subscriber(), quick = subscriber(), type;

	for (unsigned n = 0; n < 1000; n++) {
		up(n);
		cr_assert_eq(fake_recv(quick, NULL, 0), IPPM_SA_UP);
	}
	while ((type = fake_recv(slow, NULL, 0)) == IPPM_SA_UP)
		got++;
	cr_assert_eq(type, -1, "closed");
	cr_assert_lt(got, 1000);
	cr_assert_eq(fake.logs, 1);
	close(slow);
	close(quick);
	fake_turn();
}

Test(server, slows_down_a_client_that_asks_and_does_not_read)
{
	struct ippm_list list = {.hdr = fake_hdr(IPPM_LIST, sizeof(list), 5)};
	unsigned asked = 0, answered = 0;
	int fd = fake_connect(NULL), type;

	for (unsigned n = 0; n < 40; n++)
		up(n);
	while (send(fd, &list, sizeof(list), MSG_NOSIGNAL | MSG_DONTWAIT) > 0 && asked < 5000) {
		asked++;
		fake_turn();
	}
	while ((type = fake_recv(fd, NULL, 0)) > 0)
		answered += type == IPPM_RESULT;
	cr_assert_eq(type, 0, "still connected");
	cr_assert_eq(answered, asked);
	close(fd);
	fake_turn();
}

Test(server, answers_and_closes_after_a_bad_request)
{
	struct ippm_hdr hdr = fake_hdr(99, sizeof(hdr), 3);
	struct ippm_result res;
	int fd = fake_connect(NULL);

	fake_send(fd, &hdr, sizeof(hdr));
	cr_assert_eq(fake_result(fd, &res), IPPM_BAD_REQUEST);
	cr_assert_eq(res.hdr.seq_be, htobe64(3));
	cr_assert_eq(fake_recv(fd, NULL, 0), -1);
	close(fd);
	fd = fake_connect(NULL);
	hdr.version_be = htobe16(9);
	fake_send(fd, &hdr, sizeof(hdr));
	cr_assert_eq(fake_result(fd, &res), IPPM_BAD_VERSION);
	cr_assert_eq(fake_recv(fd, NULL, 0), -1);
	close(fd);
	fake_turn();
}

Test(server, takes_so_many_clients_and_no_more)
{
	int fds[IPPM_CLIENTS_MAX], more;

	for (unsigned i = 0; i < IPPM_CLIENTS_MAX; i++)
		fds[i] = fake_connect(NULL);
	more = fake_open();
	cr_assert_eq(fake_recv(more, NULL, 0), -1, "closed without a word");
	close(more);
	close(fds[0]);
	fake_turn();
	fds[0] = fake_connect(NULL);
	for (unsigned i = 0; i < IPPM_CLIENTS_MAX; i++)
		close(fds[i]);
	fake_turn();
}

Test(server, initiates_once_for_all_who_ask)
{
	struct ippm_result res;
	struct ippm_sa sa = fake_sa(9), got;
	int a = fake_connect(NULL), b = fake_connect(NULL);

	fake.peer_flags = IPPM_F_KNOWN_PEER;
	initiate(a, 9, 5000);
	initiate(b, 9, 5000);
	cr_assert_eq(fake.set_ups, 1);
	cr_assert_eq(fake.ticks, 1);
	cr_assert_eq(fake_recv(a, NULL, 0), 0, "not through yet");
	ippm_server_claim(fake.srv, fake.ticket, fake_owner(9));
	ippm_server_up(fake.srv, fake_owner(9), &sa);
	cr_assert_eq(fake_recv(a, &got, sizeof(got)), IPPM_SA);
	cr_assert_eq(fake_result(a, &res), IPPM_OK);
	cr_assert_eq(res.hdr.seq_be, htobe64(88));
	cr_assert_eq(be32toh(res.flags_be), IPPM_F_KNOWN_PEER);
	cr_assert_eq(fake_recv(b, &got, sizeof(got)), IPPM_SA);
	cr_assert_eq(fake_result(b, &res), IPPM_OK);
	initiate(a, 9, 5000);
	cr_assert_eq(fake_recv(a, &got, sizeof(got)), IPPM_SA);
	cr_assert_eq(fake_result(a, &res), IPPM_ALREADY);
	cr_assert_eq(fake.set_ups, 1);
	cr_assert_not(ippm_server_tick(fake.srv));
	close(a);
	close(b);
	fake_turn();
}

Test(server, says_why_an_initiation_failed)
{
	struct ippm_result res;
	int fd = fake_connect(NULL);

	fake.initiate = IPPM_NO_CONNECTION;
	initiate(fd, 1, 5000);
	cr_assert_eq(fake_result(fd, &res), IPPM_NO_CONNECTION);
	fake.initiate = IPPM_OK;
	initiate(fd, 2, 5000);
	ippm_server_claim(fake.srv, fake.ticket, fake_owner(2));
	ippm_server_alert(fake.srv, fake_owner(2), "no proposal in common", false);
	ippm_server_gone(fake.srv, fake_owner(2));
	cr_assert_eq(fake_result(fd, &res), IPPM_FAILED);
	cr_assert_str_eq(res.text, "no proposal in common");
	initiate(fd, 3, 5000);
	ippm_server_fail(fake.srv, fake.ticket, "no route");
	cr_assert_eq(fake_result(fd, &res), IPPM_FAILED);
	cr_assert_str_eq(res.text, "no route");
	close(fd);
	fake_turn();
}

Test(server, keeps_deadlines_and_bounds_of_initiations)
{
	struct ippm_result res;
	int fd = fake_connect(NULL);

	for (uint8_t n = 1; n <= IPPM_PENDING_MAX; n++)
		initiate(fd, n, 1000 * n);
	initiate(fd, 100, 1000);
	cr_assert_eq(fake_result(fd, &res), IPPM_BUSY);
	cr_assert_eq(fake.set_ups, IPPM_PENDING_MAX);
	fake.now_ms += 999;
	cr_assert(ippm_server_tick(fake.srv));
	cr_assert_eq(fake_recv(fd, NULL, 0), 0);
	fake.now_ms += 1;
	cr_assert(ippm_server_tick(fake.srv));
	cr_assert_eq(fake_result(fd, &res), IPPM_TIMED_OUT);
	fake.now_ms += 100000;
	cr_assert_not(ippm_server_tick(fake.srv));
	for (unsigned n = 1; n < IPPM_PENDING_MAX; n++)
		cr_assert_eq(fake_result(fd, &res), IPPM_TIMED_OUT);
	initiate(fd, 100, 1000);
	cr_assert_eq(fake.ticks, 2, "ticks are asked for again");
	close(fd);
	fake_turn();
}

Test(server, forgets_what_a_client_that_left_waited_for)
{
	struct ippm_sa sa = fake_sa(9);
	int fd = fake_connect(NULL);

	initiate(fd, 9, 5000);
	close(fd);
	fake_turn();
	cr_assert_not(ippm_server_tick(fake.srv));
	ippm_server_claim(fake.srv, fake.ticket, fake_owner(9));
	ippm_server_up(fake.srv, fake_owner(9), &sa);
}
