/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Differential test of everything that protects and verifies test packets: the same sessions on
 * several sides, each with an engine, with pairs or without, and the same packets between them. The
 * network loses, repeats, delays, corrupts, forges and replays, devices refuse. Every octet sent,
 * every verdict and every counter must be the same on all sides; the first side is OpenSSL's.
 *
 *	pairs_diff [PACKETS [SEED]]	packets that reach the reflectors, default 20,000
 *
 * The last line says how many packets were compared and how many pairs served them.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net.h"
#include "tw_pairs.h"
#include "tw_reflect.h"
#include "tw_send.h"

#define SIDES    6
#define SESSIONS 8
#define BURST    32
#define REQ_LEN  60
#define ROOM     NET_PACKET_MAX

struct side {
	const char *engine;
	unsigned windows; /* 0: no pairs */
	struct tw_engine *eng;
	struct tw_pairs *pairs;
	struct tw_send *snd;
	struct tw_reflect rf;
	struct tw_send_sess *send[SESSIONS];
	struct tw_refl_sess *refl[SESSIONS];
	struct tw_send_job sjob[BURST];
	struct tw_reflect_job rjob[BURST];
	struct tw_send_reply reply[BURST];
	uint8_t buf[BURST][ROOM];
};

/* Few windows: sessions compete, and one without a second window must do. */
static struct side sides[SIDES] = {
	{.engine = "openssl"},
	{.engine = "native", .windows = 64},
	{.engine = "native", .windows = 5},
	{.engine = "native"},
	{.engine = "ipsec-mb", .windows = 64},
	{.engine = "ipsec-mb"},
};

static struct net net;
static uint64_t compared;
static int64_t now_ns = NET_T0_NS;

#define NEED(cond)                                                                                 \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			printf("%s:%d: %s (packet %" PRIu64 ")\n", __FILE__, __LINE__, #cond,      \
				compared);                                                         \
			exit(1);                                                                   \
		}                                                                                  \
	} while (0)

static void *
secret(size_t size)
{
	void *p = tw_crypto_map(size);

	NEED(p != NULL);
	return p;
}

static const struct tw_tst_fmt *
fmt_of(unsigned s)
{
	return s == 0 ? &tw_tst_open : s == 1 ? &tw_tst_encr : &tw_tst_auth;
}

static void
session_make(struct side *sd, unsigned s, struct tw_crypto_keys *keys)
{
	const struct tw_refl_cfg rc = {.fmt = fmt_of(s),
		.id = s,
		.rate_pps = s == 2 ? 200000 : 0,
		.keys = fmt_of(s)->prot == TW_TST_PROT_OPEN ? NULL : keys};
	const struct tw_send_cfg sc = {.fmt = fmt_of(s),
		.id = s,
		.law = TW_SEND_PERIODIC,
		.has_zero_padding = true,
		.size = REQ_LEN,
		.interval_ns = 1000,
		.start = {now_ns},
		.report_ns = -1,
		.seed = {1},
		.keys = rc.keys};
	const struct tw_send_steady steady = {0};
	const uint32_t first = s % 3 == 0 ? 0 : UINT32_MAX - 200 * s; /* some wrap soon */

	sd->refl[s] = secret(sizeof(*sd->refl[s]));
	NEED(tw_refl_sess_init(sd->refl[s], &rc) == 0);
	sd->refl[s]->next_seq = s % 2 == 0 ? first : first + 30 * s;
	tw_refl_sess_start(sd->refl[s]);
	sd->send[s] = secret(sizeof(*sd->send[s]));
	NEED(tw_send_sess_init(sd->send[s], &sc) == 0);
	atomic_store(&sd->send[s]->next_seq, first);
	NEED(tw_send_add(sd->snd, sd->send[s], &steady, now_ns) == 0);
}

static void
side_make(struct side *sd)
{
	const struct tw_engine_ops *ops = tw_engine_find(sd->engine);
	const uint64_t seed[4] = {1, 2, 3, 4};
	struct tw_crypto_keys *keys = secret(sizeof(*keys));

	if (!ops->is_supported())
		ops = tw_engine_find("ipsec-mb");
	NEED(tw_engine_init(ops, secret(tw_engine_size(ops)), tw_engine_size(ops), &sd->eng) == 0);
	sd->snd = tw_send_init(secret(tw_send_size(SESSIONS)), SESSIONS, sd->eng, seed);
	tw_reflect_init(&sd->rf, sd->eng);
	if (sd->windows != 0) {
		sd->pairs = tw_pairs_init(secret(tw_pairs_size(sd->windows)), sd->windows);
		tw_send_use_pairs(sd->snd, sd->pairs);
		tw_reflect_use_pairs(&sd->rf, sd->pairs);
	}
	for (unsigned s = 0; s < SESSIONS; s++) {
		memset(keys, (int)(0x31 + s), sizeof(*keys));
		session_make(sd, s, keys);
	}
	tw_crypto_unmap(keys, sizeof(*keys));
}

static struct tw_sess_stamp
stamp(int64_t ns)
{
	const struct tw_stamp at = {.time = {ns},
		.stamp_error_ns = 100,
		.epoch = 1,
		.source = TW_STAMP_TSC_RX,
		.is_synced = true};

	return tw_sess_stamp_of(&at);
}

static void
refill(struct side *sd)
{
	if (sd->pairs != NULL)
		tw_pairs_refill(sd->pairs, sd->eng);
}

static unsigned
send_burst(struct side *sd, unsigned max, unsigned refused, const struct tw_sess_stamp *t1)
{
	const unsigned n = tw_send_poll(sd->snd, now_ns, sd->sjob, max);

	for (unsigned i = 0; i < n; i++) {
		memset(sd->buf[i], 0, ROOM);
		sd->sjob[i].payload = sd->buf[i];
		sd->sjob[i].room = ROOM;
	}
	tw_send_build(sd->snd, sd->sjob, n);
	tw_send_protect(sd->snd, sd->sjob, n, t1);
	for (unsigned i = 0; i < n; i++) {
		tw_send_stamp(&sd->sjob[i], t1);
		if (i + refused >= n)
			sd->sjob[i].is_refused = true;
	}
	tw_send_finish(sd->snd, sd->sjob, n, now_ns);
	refill(sd);
	return n;
}

/* Requests of all sides, compared, into the network. */
static void
requests(void)
{
	const unsigned max = 1 + net_rand(&net) % BURST;
	const unsigned refused = net_rand(&net) % 16 == 0 ? net_rand(&net) % BURST : 0;
	const struct tw_sess_stamp t1 = stamp(now_ns);
	unsigned n = 0;

	for (unsigned k = 0; k < SIDES; k++) {
		const unsigned m = send_burst(&sides[k], max, refused, &t1);

		NEED(k == 0 || m == n);
		n = m;
		for (unsigned i = 0; i < n; i++) {
			NEED(sides[k].sjob[i].sess->s.id == sides[0].sjob[i].sess->s.id);
			NEED(sides[k].sjob[i].is_refused == sides[0].sjob[i].is_refused);
			NEED(memcmp(sides[k].buf[i], sides[0].buf[i], ROOM) == 0);
		}
	}
	for (unsigned i = 0; i < n; i++)
		if (!sides[0].sjob[i].is_refused)
			net_send(&net, NET_FORTH, sides[0].sjob[i].sess->s.id, sides[0].buf[i],
				REQ_LEN);
}

static unsigned
reflect_burst(struct side *sd, const struct net_packet *p, unsigned n, unsigned refused,
	const struct tw_sess_stamp *t2, const struct tw_sess_stamp *t3)
{
	for (unsigned i = 0; i < n; i++) {
		memcpy(sd->buf[i], p[i].octets, ROOM);
		sd->rjob[i] = (struct tw_reflect_job){.sess = sd->refl[p[i].sess],
			.payload = sd->buf[i],
			.rx_len = p[i].len,
			.room = ROOM,
			.ttl = 64,
			.t2 = t2};
	}
	tw_reflect_verify(&sd->rf, sd->rjob, n);
	tw_reflect_build(&sd->rf, sd->rjob, n);
	tw_reflect_protect(&sd->rf, sd->rjob, n, t3);
	for (unsigned i = 0; i < n; i++) {
		tw_reflect_stamp(&sd->rjob[i], t3);
		if (i + refused >= n)
			sd->rjob[i].is_refused = true;
	}
	n = tw_reflect_finish(&sd->rf, sd->rjob, n);
	refill(sd);
	return n;
}

/* What arrives at the reflectors, and their replies into the network. */
static void
reflections(void)
{
	const struct tw_sess_stamp t2 = stamp(now_ns + 5000), t3 = stamp(now_ns + 5700);
	const unsigned refused = net_rand(&net) % 16 == 0 ? net_rand(&net) % BURST : 0;
	struct net_packet p[BURST];
	unsigned n = net_arrivals(&net, NET_FORTH, p, BURST);

	if (n == 0)
		return;
	for (unsigned k = 0; k < SIDES; k++) {
		(void)reflect_burst(&sides[k], p, n, refused, &t2, &t3);
		for (unsigned i = 0; i < n; i++) {
			NEED(sides[k].rjob[i].drop == sides[0].rjob[i].drop);
			NEED(memcmp(sides[k].buf[i], sides[0].buf[i], ROOM) == 0);
		}
	}
	for (unsigned i = 0; i < n; i++)
		if (sides[0].rjob[i].drop == TW_REFL_OK)
			net_send(&net, NET_BACK, p[i].sess, sides[0].buf[i],
				sides[0].rjob[i].rep_len);
	compared += n;
}

/* Member by member: what lies between them is nobody's. */
static bool
is_same_reply(const struct tw_metrics_reply *a, const struct tw_metrics_reply *b)
{
	return a->sender_seq == b->sender_seq && a->seq == b->seq && a->t1_ntp == b->t1_ntp &&
	       a->t2_ntp == b->t2_ntp && a->t3_ntp == b->t3_ntp && a->ee == b->ee &&
	       a->sender_ttl == b->sender_ttl && a->ttl == b->ttl && a->tos == b->tos &&
	       a->t4 == b->t4;
}

static void
collections(void)
{
	const struct tw_sess_stamp t4 = stamp(now_ns + 9000);
	struct net_packet p[BURST];
	unsigned n = net_arrivals(&net, NET_BACK, p, BURST);

	if (n == 0)
		return;
	for (unsigned k = 0; k < SIDES; k++) {
		struct side *sd = &sides[k];

		for (unsigned i = 0; i < n; i++)
			sd->reply[i] = (struct tw_send_reply){.sess = sd->send[p[i].sess],
				.payload = p[i].octets,
				.rx_len = p[i].len,
				.ttl = 60,
				.t4 = &t4};
		(void)tw_send_collect(sd->snd, sd->reply, n);
		refill(sd);
		for (unsigned i = 0; i < n; i++) {
			NEED(sd->reply[i].drop == sides[0].reply[i].drop);
			NEED(is_same_reply(&sd->reply[i].rec, &sides[0].reply[i].rec));
		}
	}
}

/* Time goes on; now and then long enough for leases to idle out. */
static void
pass_time(void)
{
	now_ns += net_rand(&net) % 4096 == 0 ? 2 * TW_PAIRS_IDLE_NS : 5000;
	for (unsigned k = 0; k < SIDES; k++)
		if (sides[k].pairs != NULL)
			tw_pairs_age(sides[k].pairs, now_ns);
}

static void
compare_counters(void)
{
	for (unsigned s = 0; s < SESSIONS; s++) {
		struct tw_refl_counts a, b;
		struct tw_send_counts x, y;

		tw_refl_sess_counts(sides[0].refl[s], &a);
		tw_send_sess_counts(sides[0].send[s], &x);
		for (unsigned k = 1; k < SIDES; k++) {
			tw_refl_sess_counts(sides[k].refl[s], &b);
			tw_send_sess_counts(sides[k].send[s], &y);
			NEED(memcmp(&a, &b, sizeof(a)) == 0);
			NEED(memcmp(&x, &y, sizeof(x)) == 0);
		}
		NEED(a.reflected > 0 && x.replies > 0);
		printf("session %u: %" PRIu64 " sent, %" PRIu64 " reflected, %" PRIu64
		       " dropped there, %" PRIu64 " replies, %" PRIu64 " dropped here\n",
			s, x.sent, a.reflected, a.dropped, x.replies, x.invalid);
	}
}

int
main(int argc, char **argv)
{
	const uint64_t count = argc > 1 ? strtoull(argv[1], NULL, 10) : 20000;
	const uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
	uint64_t filled = 0;
	char why[256] = "";

	if (tw_crypto_init_late(TW_CRYPTO_HEAP_MIN, why, sizeof(why)) != 0) {
		printf("%s\n", why);
		return 1;
	}
	for (unsigned k = 0; k < SIDES; k++)
		side_make(&sides[k]);
	net_init(&net, seed, sides[0].eng, SESSIONS);
	for (unsigned s = 0; s < SESSIONS; s++)
		net_session(&net, s, fmt_of(s), &sides[0].refl[s]->tkey);
	while (compared < count) {
		requests();
		reflections();
		collections();
		pass_time();
	}
	compare_counters();
	for (unsigned k = 0; k < SIDES; k++)
		filled += sides[k].pairs != NULL ? tw_ctr_get(&sides[k].pairs->filled) : 0;
	NEED(filled > compared / 4);
	printf("%" PRIu64 " packets on %d sides, %" PRIu64 " pairs, no difference\n", compared,
		SIDES, filled);
	return 0;
}
