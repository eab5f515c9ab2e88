/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * twampline-load: many TWAMP-Control connections from one process, to find what a Server bears. It
 * sets up connections (Greeting, Set-Up-Response, Server-Start; RFC 4656 3.1) from several source
 * addresses and either holds them or closes each and opens the next, and prints one JSON line. On
 * each it can ask for many test sessions, which are never started.
 *
 * One thread, one epoll; key derivation is done in line, as a client of its own would have to.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <tw_crypto.h>
#include <tw_mode.h>
#include <tw_wire.h>

#define EVENTS       256
#define STALL_NS     10000000000LL /* without any progress: give up */
#define GREETING_LEN 64
#define START_LEN    48
#define ACCEPT_LEN   48
#define BUF_LEN      64
#define REQUEST_LEN  112
#define WINDOW       32   /* requests for sessions under way on a connection */
#define PORT_LO      1024 /* sender ports of the sessions of a connection: 60,000 from here */
#define PORT_CNT     60000
#define RECEIVER_LO  50000

enum state { S_FREE = 0, S_CONNECTING, S_GREETING, S_START, S_SESSIONS, S_HELD };

struct conn {
	int fd;
	enum state state;
	uint32_t asked, granted; /* test sessions */
	size_t len;              /* octets in buf */
	uint8_t buf[BUF_LEN];
};

struct load {
	/* as asked */
	struct sockaddr_in server;
	uint32_t source; /* first source address, host order */
	uint32_t sources;
	uint32_t parallel; /* set-ups under way at once */
	uint32_t sessions; /* test sessions to ask for on each */
	uint32_t hold;     /* hold this many connections; 0: close each, for run_ns */
	int64_t run_ns;
	uint32_t mode;
	const char *user;
	struct tw_secret *secret;

	int ep;
	struct conn *conn;
	uint32_t conn_cnt;
	uint32_t *free_idx; /* conn[] not in use */
	uint32_t free_cnt;
	uint32_t source_next;
	uint32_t pending, held;
	uint64_t done, refused, failed, lost;
	uint64_t granted, sessions_refused;
	uint32_t kdf_count; /* of the last greeting */
	int64_t progress_ns;
};

static int64_t
now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static void
die(const char *what)
{
	fprintf(stderr, "twampline-load: %s: %s\n", what, strerror(errno));
	exit(1);
}

static void
conn_end(struct load *l, struct conn *c)
{
	if (c->state == S_HELD)
		l->held--;
	else
		l->pending--;
	close(c->fd); /* leaves the epoll, too */
	c->state = S_FREE;
	l->free_idx[l->free_cnt++] = (uint32_t)(c - l->conn);
}

static void
conn_begin(struct load *l)
{
	struct conn *c = &l->conn[l->free_idx[--l->free_cnt]];
	struct sockaddr_in src = {.sin_family = AF_INET};
	struct epoll_event ev = {.events = EPOLLIN | EPOLLOUT, .data.ptr = c};
	const int on = 1;

	/* 127.1.x.y, or one after the other from --source on: a source address for each turn, so
	 * that ports do not run out */
	src.sin_addr.s_addr = htonl(l->source + l->source_next);
	l->source_next = l->source_next + 1 < l->sources ? l->source_next + 1 : 0;
	*c = (struct conn){.state = S_CONNECTING};
	l->pending++;
	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		die("socket (raise RLIMIT_NOFILE)");
	(void)setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	(void)setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on));
	if (bind(c->fd, (struct sockaddr *)&src, sizeof(src)) != 0)
		die("bind to a source address");
	if ((connect(c->fd, (struct sockaddr *)&l->server, sizeof(l->server)) != 0 &&
		    errno != EINPROGRESS)) {
		l->failed++;
		conn_end(l, c);
		return;
	}
	if (epoll_ctl(l->ep, EPOLL_CTL_ADD, c->fd, &ev) != 0)
		die("epoll");
}

/* Secret parts of the answer: Token and IV. */
static bool
answer_keys(struct load *l, const struct tw_wire_greeting *g, struct tw_wire_setup_response *out)
{
	uint8_t *tk = tw_crypto_alloc(TW_CRYPTO_BLOCK_LEN);
	struct tw_crypto_keys *keys = tw_crypto_alloc(sizeof(*keys));
	bool ok = tk != NULL && keys != NULL &&
		  tw_crypto_kdf(l->secret, g->salt, g->count, tk) == 0 &&
		  tw_crypto_keys_random(keys) == 0 &&
		  tw_crypto_token_seal(tk, g->challenge, keys, out->token) == 0 &&
		  tw_crypto_random(out->client_iv, sizeof(out->client_iv)) == 0;

	memcpy(out->key_id, l->user, strlen(l->user));
	tw_crypto_free(tk);
	tw_crypto_free(keys);
	return ok;
}

static bool
answer(struct load *l, struct conn *c)
{
	struct tw_wire_setup_response resp = {.mode = l->mode};
	uint8_t buf[256];
	struct tw_wire_greeting g;
	struct tw_rd rd;
	struct tw_wr wr;

	rd = tw_rd_init(c->buf, c->len);
	wr = tw_wr_init(buf, sizeof(buf));
	if (!tw_wire_greeting_read(&rd, &g) || (g.modes & l->mode) == 0)
		return false;
	l->kdf_count = g.count;
	if (l->secret != NULL && !answer_keys(l, &g, &resp))
		return false;
	return tw_wire_setup_response_write(&wr, &resp) &&
	       send(c->fd, buf, sizeof(buf) - wr.left, MSG_NOSIGNAL) ==
		       (ssize_t)(sizeof(buf) - wr.left);
}

/* Requests up to the window; the ports make each session another one. */
static bool
ask(struct load *l, struct conn *c)
{
	uint8_t buf[WINDOW * REQUEST_LEN];
	struct tw_wr wr = tw_wr_init(buf, sizeof(buf));
	size_t len;

	for (; c->asked < l->sessions && c->asked - c->granted < WINDOW; c->asked++) {
		const struct tw_wire_request_tw req = {.ipvn = 4,
			.sender_port = (uint16_t)(PORT_LO + c->asked % PORT_CNT),
			.receiver_port = (uint16_t)(RECEIVER_LO + c->asked / PORT_CNT),
			.timeout = 1ULL << 32};

		if (!tw_wire_request_tw_write(&wr, &req))
			return false;
	}
	len = sizeof(buf) - wr.left;
	return len == 0 || send(c->fd, buf, len, MSG_NOSIGNAL) == (ssize_t)len;
}

static void
set_up(struct load *l, struct conn *c)
{
	struct epoll_event ev = {.events = EPOLLIN | EPOLLRDHUP, .data.ptr = c};

	l->done++;
	if (l->hold == 0) {
		conn_end(l, c);
		return;
	}
	l->pending--;
	l->held++;
	c->state = S_HELD;
	(void)epoll_ctl(l->ep, EPOLL_CTL_MOD, c->fd, &ev);
}

/* Accept-Session: Accept is its first octet. */
static void
session_step(struct load *l, struct conn *c)
{
	if (c->buf[0] == 0)
		l->granted++;
	else
		l->sessions_refused++;
	l->progress_ns = now_ns();
	c->granted++;
	c->len = 0;
	if (c->granted == l->sessions) {
		set_up(l, c);
	} else if (!ask(l, c)) {
		l->failed++;
		conn_end(l, c);
	}
}

/* A whole message stands in the buffer. */
static void
step(struct load *l, struct conn *c)
{
	/* Accept is the last octet of Server-Start's first block, in the clear */
	const uint8_t accept = c->buf[15];

	if (c->state == S_GREETING) {
		if (!answer(l, c)) {
			l->failed++;
			conn_end(l, c);
			return;
		}
		c->state = S_START;
		c->len = 0;
		return;
	}
	if (accept == 0 && l->sessions > 0) {
		c->state = S_SESSIONS;
		c->len = 0;
		if (ask(l, c))
			return;
		l->failed++;
	} else if (accept == 0) {
		set_up(l, c);
		return;
	} else {
		l->refused++;
	}
	conn_end(l, c);
}

static void
readable(struct load *l, struct conn *c)
{
	const size_t want = c->state == S_GREETING   ? GREETING_LEN
			    : c->state == S_SESSIONS ? ACCEPT_LEN
						     : START_LEN;
	ssize_t n = recv(c->fd, c->buf + c->len, want - c->len, 0);

	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		l->lost++;
		conn_end(l, c);
		return;
	}
	c->len += (size_t)n;
	if (c->len < want)
		return;
	if (c->state == S_SESSIONS)
		session_step(l, c);
	else
		step(l, c);
}

static void
event(struct load *l, struct conn *c, uint32_t events)
{
	struct epoll_event ev = {.events = EPOLLIN, .data.ptr = c};

	if (c->state == S_CONNECTING) {
		int err = 0;
		socklen_t len = sizeof(err);

		(void)getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &err, &len);
		if (err != 0) {
			l->failed++;
			conn_end(l, c);
			return;
		}
		c->state = S_GREETING;
		(void)epoll_ctl(l->ep, EPOLL_CTL_MOD, c->fd, &ev);
	}
	if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR | EPOLLRDHUP)) != 0)
		readable(l, c);
}

static void
run(struct load *l)
{
	const int64_t start_ns = now_ns();
	struct epoll_event ev[EVENTS];
	double took_s;

	l->progress_ns = start_ns;
	for (;;) {
		const int64_t now = now_ns();
		const uint64_t before = l->done;
		const bool is_over =
			l->hold != 0 ? l->held >= l->hold : now - start_ns >= l->run_ns;
		int n;

		if (is_over || now - l->progress_ns > STALL_NS)
			break;
		while (l->pending < l->parallel && l->free_cnt > 0 &&
			(l->hold == 0 || l->held + l->pending < l->hold))
			conn_begin(l);
		n = epoll_wait(l->ep, ev, EVENTS, 100);
		for (int i = 0; i < n; i++)
			event(l, ev[i].data.ptr, ev[i].events);
		if (l->done != before)
			l->progress_ns = now;
	}
	took_s = (double)(now_ns() - start_ns) / 1e9;
	printf("{\"mode\": \"%s\", \"set_up\": %" PRIu64
	       ", \"seconds\": %.3f, \"per_second\": %.0f, "
	       "\"held\": %u, \"refused\": %" PRIu64 ", \"failed\": %" PRIu64
	       ", \"closed_by_server\": "
	       "%" PRIu64 ", \"sessions\": %" PRIu64 ", \"sessions_refused\": %" PRIu64
	       ", \"kdf_count\": %u, \"sources\": %u}\n",
		l->secret != NULL ? "authenticated" : "open", l->done, took_s,
		(double)l->done / took_s, l->held, l->refused, l->failed, l->lost, l->granted,
		l->sessions_refused, l->kdf_count, l->sources);
}

static struct tw_secret *
secret_of(const char *path)
{
	char *line = tw_crypto_alloc(TW_CRYPTO_SECRET_MAX);
	FILE *f = fopen(path, "r");
	struct tw_secret *s;

	if (f == NULL || line == NULL || fgets(line, TW_CRYPTO_SECRET_MAX, f) == NULL)
		die(path);
	fclose(f);
	s = tw_secret_new(line, strcspn(line, "\r\n"));
	tw_crypto_free(line);
	if (s == NULL)
		die(path);
	return s;
}

static void
usage(void)
{
	fputs("usage: twampline-load --server IPV4 [--port N] [--source IPV4] [--sources N]\n"
	      "           [--parallel N] [--hold N | --seconds N] [--sessions N]\n"
	      "           [--user NAME --key-file FILE]\n"
	      "Sets up TWAMP-Control connections, by turns from so many source addresses (from\n"
	      "127.1.0.1 on); holds N of them until standard input ends, or closes each and opens "
	      "the\n"
	      "next for N seconds; asks for N test sessions on each (open mode). Prints a JSON "
	      "line.\n",
		stderr);
	exit(2);
}

static uint32_t
number(const char *text, uint32_t max)
{
	char *end;
	unsigned long v = strtoul(text, &end, 10);

	if (*text == '\0' || *end != '\0' || v == 0 || v > max)
		usage();
	return (uint32_t)v;
}

static void
options(struct load *l, int argc, char **argv)
{
	static const struct option opts[] = {{"server", 1, NULL, 's'}, {"port", 1, NULL, 'p'},
		{"sources", 1, NULL, 'n'}, {"parallel", 1, NULL, 'c'}, {"source", 1, NULL, 'a'},
		{"sessions", 1, NULL, 'm'}, {"hold", 1, NULL, 'h'}, {"seconds", 1, NULL, 't'},
		{"user", 1, NULL, 'u'}, {"key-file", 1, NULL, 'k'}, {0}};
	struct in_addr source;
	int opt;

	*l = (struct load){.server = {.sin_family = AF_INET, .sin_port = htons(862)},
		.source = 0x7f010001,
		.sources = 16,
		.parallel = 64,
		.run_ns = 5000000000LL,
		.mode = TW_MODE_OPEN};
	while ((opt = getopt_long(argc, argv, "", opts, NULL)) != -1) {
		if (opt == 's' && inet_pton(AF_INET, optarg, &l->server.sin_addr) == 1)
			continue;
		else if (opt == 'p')
			l->server.sin_port = htons((uint16_t)number(optarg, UINT16_MAX));
		else if (opt == 'a' && inet_pton(AF_INET, optarg, &source) == 1)
			l->source = ntohl(source.s_addr);
		else if (opt == 'm')
			l->sessions = number(optarg, PORT_CNT * 200);
		else if (opt == 'n')
			l->sources = number(optarg, 60000);
		else if (opt == 'c')
			l->parallel = number(optarg, 100000);
		else if (opt == 'h')
			l->hold = number(optarg, 100000);
		else if (opt == 't')
			l->run_ns = number(optarg, 3600) * 1000000000LL;
		else if (opt == 'u' && strlen(optarg) <= TW_WIRE_KEY_ID_LEN)
			l->user = optarg;
		else if (opt == 'k')
			l->secret = secret_of(optarg);
		else
			usage();
	}
	if (optind != argc || (l->sessions > 0 && l->secret != NULL) ||
		l->server.sin_addr.s_addr == 0 || (l->user == NULL) != (l->secret == NULL))
		usage();
	if (l->secret != NULL)
		l->mode = TW_MODE_AUTH;
}

int
main(int argc, char **argv)
{
	struct rlimit nofile;
	struct load l;
	char why[256], c;

	if (tw_crypto_init(TW_CRYPTO_HEAP_MIN, why, sizeof(why)) != 0) {
		fprintf(stderr, "twampline-load: %s\n", why);
		return 1;
	}
	options(&l, argc, argv);
	if (getrlimit(RLIMIT_NOFILE, &nofile) == 0) {
		nofile.rlim_cur = nofile.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &nofile);
	}
	l.conn_cnt = l.hold != 0 ? l.hold : l.parallel;
	l.conn = calloc(l.conn_cnt, sizeof(*l.conn));
	l.free_idx = calloc(l.conn_cnt, sizeof(*l.free_idx));
	l.ep = epoll_create1(EPOLL_CLOEXEC);
	if (l.conn == NULL || l.free_idx == NULL || l.ep < 0)
		die("start");
	while (l.free_cnt < l.conn_cnt) {
		l.free_idx[l.free_cnt] = l.free_cnt;
		l.free_cnt++;
	}
	run(&l);
	fflush(stdout);
	/* held connections stay until whoever started us has looked at the server */
	if (l.hold != 0)
		while (read(STDIN_FILENO, &c, 1) > 0)
			;
	tw_secret_drop(l.secret);
	free(l.conn);
	free(l.free_idx);
	return l.done > 0 && l.refused + l.failed + l.lost == 0 ? 0 : 1;
}
