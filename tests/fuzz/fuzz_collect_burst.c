/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * A sender under an attacker's replies, some of them authentic and to packets it did send: every
 * one is counted once, none is written to, and the metrics still add up at the end.
 */
#include "packets.h"
#include "tw_metrics.h"
#include "tw_metrics_report.h"
#include "tw_send.h"

#define SENT       40
#define T0_NS      1780000000000000000LL
#define HAS_OUR_T1 0x20 /* the copied Timestamp is the one sent */

static struct tw_engine *eng;
static struct tw_crypto_keys *keys[FUZZ_SESSIONS];
static void *snd_mem, *metrics_mem[FUZZ_SESSIONS];
static struct tw_send *snd;
static struct tw_send_sess *sess[FUZZ_SESSIONS];
static struct tw_sess_stamp t1;

static const struct tw_metrics_cfg mcfg = {
	.tmax_ns = 1000000000, .timeout_ns = 1000000000, .interval_ns = 10000000};

static struct tw_sess_stamp
stamp(int64_t ns)
{
	const struct tw_stamp at = {.time = {ns},
		.stamp_error_ns = 100,
		.sync_error_ns = 1000,
		.epoch = 1,
		.source = TW_STAMP_TSC_RX,
		.is_synced = true};

	return tw_sess_stamp_of(&at);
}

static void *
aligned(size_t size)
{
	void *p = aligned_alloc(64, (size + 63) / 64 * 64);

	CHECK(p != NULL);
	return p;
}

static void
set_up(void)
{
	eng = fuzz_engine();
	snd_mem = aligned(tw_send_size(FUZZ_SESSIONS));
	for (unsigned i = 0; i < FUZZ_SESSIONS; i++) {
		keys[i] = fuzz_sess_keys(i);
		sess[i] = tw_crypto_map(sizeof(*sess[i]));
		CHECK(sess[i] != NULL);
		metrics_mem[i] = aligned(tw_metrics_size(&mcfg));
	}
}

/* Sessions that have each sent SENT packets at T0. */
static void
start(void)
{
	static const uint64_t seed[4] = {1};
	const struct tw_send_steady steady = {0};

	snd = tw_send_init(snd_mem, FUZZ_SESSIONS, eng, seed);
	t1 = stamp(T0_NS);
	for (unsigned i = 0; i < FUZZ_SESSIONS; i++) {
		const struct tw_send_cfg cfg = {.fmt = fuzz_fmts[i],
			.law = TW_SEND_PERIODIC,
			.size = 112,
			.interval_ns = TW_SEND_INTERVAL_MIN_NS,
			.count = SENT,
			.start = {T0_NS},
			.keys = keys[i],
			.metrics = tw_metrics_init(
				metrics_mem[i], tw_metrics_size(&mcfg), &mcfg, (tw_ns){T0_NS})};

		CHECK(cfg.metrics != NULL && tw_send_sess_init(sess[i], &cfg) == 0);
		CHECK(tw_send_add(snd, sess[i], &steady, T0_NS) == 0);
	}
	for (unsigned n = 1; n != 0;) {
		struct tw_send_job job[TW_BURST_MAX];
		uint8_t buf[TW_BURST_MAX][112];

		n = tw_send_poll(snd, T0_NS + 1000000, job, TW_BURST_MAX);
		for (unsigned i = 0; i < n; i++) {
			job[i].payload = buf[i];
			job[i].room = sizeof(buf[i]);
		}
		tw_send_build(snd, job, n);
		tw_send_protect(snd, job, n, &t1);
		for (unsigned i = 0; i < n; i++)
			tw_send_stamp(&job[i], &t1);
		CHECK(tw_send_finish(snd, job, n, T0_NS + 1000000) == n);
	}
}

/* Give a reply the T1 and a number that were sent, so that it is taken for one of ours. */
static void
make_ours(struct fuzz_packet *p)
{
	const struct tw_tst_fmt *fmt = fuzz_fmts[p->sess];
	struct tw_tst_rep rep;

	if (!(p->choices & HAS_OUR_T1) || !fmt->read_rep(p->was, p->len, p->was, &rep))
		return;
	rep.sender_t1 = t1.ntp;
	rep.sender_seq %= SENT + 2;
	CHECK(tw_tst_write_rep(fmt, p->was, p->len, &rep));
}

static void
burst(struct fuzz_packet *p, unsigned n, int64_t *now_ns)
{
	struct tw_send_reply rp[TW_BURST_MAX];
	struct tw_metrics_sample sample[TW_BURST_MAX];
	struct tw_sess_stamp t4[TW_BURST_MAX];
	unsigned ok = 0, got;

	for (unsigned i = 0; i < n; i++) {
		*now_ns += (int64_t)p[i].len * 50000;
		t4[i] = stamp(*now_ns);
		rp[i] = (struct tw_send_reply){.sess = sess[p[i].sess],
			.payload = p[i].buf,
			.rx_len = (uint16_t)p[i].len,
			.ttl = p[i].choices,
			.t4 = &t4[i],
			.sample = &sample[i]};
	}
	got = tw_send_collect(snd, rp, n);
	for (unsigned i = 0; i < n; i++) {
		const struct tw_tst_fmt *fmt = rp[i].sess->s.fmt;

		ok += rp[i].drop == TW_SEND_OK;
		CHECK(memcmp(p[i].buf, p[i].was, p[i].len) == 0);
		CHECK(rp[i].drop != TW_SEND_OK || fmt->rep_cover == 0 ||
			(p[i].choices & FUZZ_IS_SEALED));
		CHECK(rp[i].drop != TW_SEND_OK || (p[i].choices & HAS_OUR_T1) ||
			rp[i].rec.t1_ntp == t1.ntp);
	}
	CHECK(got == ok);
}

static void
finish(uint64_t cnt, int64_t now_ns)
{
	const struct tw_stamp now = stamp(now_ns + 10000000000).at;
	uint64_t counted = 0;
	struct tw_send_event ev[FUZZ_SESSIONS * 2];
	unsigned done = 0;

	while (done < FUZZ_SESSIONS) {
		unsigned n = tw_send_tick(snd, now.time.ns, &now, ev, FUZZ_SESSIONS * 2);

		for (unsigned i = 0; i < n; i++)
			done += ev[i].type == TW_SEND_EVENT_DONE;
	}
	for (unsigned i = 0; i < FUZZ_SESSIONS; i++) {
		const struct tw_metrics_ctr *m = tw_metrics_ctr(sess[i]->metrics);
		struct tw_metrics_report report;
		struct tw_send_counts c;

		tw_send_sess_counts(sess[i], &c);
		counted += c.replies + c.invalid;
		CHECK(c.sent == SENT && tw_ctr_get(&m->sent) == SENT);
		CHECK(SENT == tw_ctr_get(&m->received) + tw_ctr_get(&m->late) +
				      tw_ctr_get(&m->unanswered));
		tw_metrics_report(sess[i]->metrics, &report);
	}
	CHECK(counted == cnt);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	int64_t now_ns = T0_NS + 2000000;
	uint64_t cnt = 0;
	bool more = true;

	if (eng == NULL)
		set_up();
	start();
	while (more) {
		struct fuzz_packet p[TW_BURST_MAX];
		unsigned n = 0;

		while (n < TW_BURST_MAX && (more = fuzz_packet_next(&p[n], &data, &size, 0))) {
			const struct tw_tst_fmt *fmt = fuzz_fmts[p[n].sess];

			make_ours(&p[n]);
			fuzz_packet_seal(&p[n], eng, &sess[p[n].sess]->tkey, fmt->rep_cover,
				fmt->rep_hmac_off);
			n++;
		}
		if (n > 0)
			burst(p, n, &now_ns);
		cnt += n;
		while (n > 0)
			fuzz_packet_free(&p[--n]);
	}
	finish(cnt, now_ns);
	return 0;
}
