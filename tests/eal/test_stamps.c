/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Stamps are taken at the device: T1 and T3 after all other work on a packet, T2 when the device
 * hands it over. The device is slow here, so that a stamp taken elsewhere is off by more than any
 * rounding: between hand-over and departure lies a known moment.
 */
#include <criterion/criterion.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>

#include "bed.h"

#define SLOW_US  200
#define ROUND_NS 3 /* NTP and model */
/* A stamp may lie ahead by what the burst is expected to take. */
#define PREDICTED_NS (SLOW_US * 1000 / 2)

/* Counter values of one turn. */
struct seen {
	uint64_t rx_tsc;               /* the device was asked for frames ... */
	uint64_t after_tsc;            /* ... and was done so much later */
	uint64_t tx_after_tsc, tx_tsc; /* as frames were handed to it: the same, and now */
};

static uint16_t
slow_rx(uint16_t port, uint16_t queue, struct rte_mbuf *m[], uint16_t n, uint16_t max, void *arg)
{
	struct seen *s = arg;

	(void)port, (void)queue, (void)m, (void)max;
	s->rx_tsc = rte_rdtsc();
	rte_delay_us_block(SLOW_US);
	s->after_tsc = rte_rdtsc();
	return n;
}

static uint16_t
note_tx(uint16_t port, uint16_t queue, struct rte_mbuf *m[], uint16_t n, void *arg)
{
	struct seen *s = arg;

	(void)port, (void)queue, (void)m;
	s->tx_tsc = rte_rdtsc();
	s->tx_after_tsc = s->after_tsc;
	return n;
}

static void
watch(struct bed *b, struct seen *s)
{
	cr_assert_not_null(rte_eth_add_rx_callback(b->port[0]->eth_id, 0, slow_rx, s));
	cr_assert_not_null(rte_eth_add_tx_callback(b->port[0]->eth_id, 0, note_tx, s));
}

static int64_t
utc_at(struct bed *b, uint64_t tsc)
{
	return tw_clock_at(&b->clock, tsc).ns;
}

/* The stamp at @p off of the UDP payload. */
static int64_t
stamp_of(struct bed *b, struct rte_mbuf *m, const struct flow *f, unsigned off)
{
	return tw_clock_ntp_to_ns(tw_load_be64(frame_payload(m, f) + off), bed_now(b)).ns;
}

static void
expect_between(int64_t low_ns, int64_t ns, int64_t high_ns, const char *what)
{
	cr_assert_geq(ns, low_ns - ROUND_NS, "%s: %ld ns too early", what, low_ns - ns);
	cr_assert_leq(ns, high_ns + ROUND_NS, "%s: %ld ns too late", what, ns - high_ns);
}

static struct rte_mbuf *
frame_wait(struct bed *b)
{
	struct rte_mbuf *m = NULL;

	for (unsigned i = 0; m == NULL && i < 1000; i++) {
		bed_turns(b, 1);
		m = bed_take(b, 0, 0);
	}
	cr_assert_not_null(m);
	return m;
}

static void
request_is_stamped_last(const struct tw_tst_fmt *fmt)
{
	struct bed *b = bed_new(&(struct bed_cfg){0});
	const struct flow f = flow_make(0, 1);
	const struct tw_send_cfg cfg = {.fmt = fmt,
		.id = 1,
		.law = TW_SEND_PERIODIC,
		.size = fmt->rep_min,
		.interval_ns = 1000000,
		.count = 1,
		.report_ns = -1,
		.seed = {1, 2, 3, 4}};
	struct tw_send_sess *s = bed_send(b, &f, &cfg, false);
	struct seen seen = {0};
	struct rte_mbuf *m;

	watch(b, &seen);
	cr_assert_eq(tw_dp_send_start(b->dp, s), 0);
	m = frame_wait(b);
	expect_between(utc_at(b, seen.tx_after_tsc), stamp_of(b, m, &f, fmt->req_t_off),
		utc_at(b, seen.tx_tsc) + PREDICTED_NS, "T1");
	rte_pktmbuf_free(m);
}

static void
reply_is_stamped_last(const struct tw_tst_fmt *fmt, unsigned t2_off)
{
	struct bed *b = bed_new(&(struct bed_cfg){0});
	const struct flow f = flow_make(0, 1);
	struct tw_refl_sess *s = bed_refl(b, &f, fmt, 1);
	struct seen seen = {0};
	struct rte_mbuf *m;
	int64_t t2, t3;

	watch(b, &seen);
	bed_put(b, bed_request(b, &f, s, 0, fmt->rep_min));
	m = frame_wait(b);
	t2 = stamp_of(b, m, &f, t2_off);
	t3 = stamp_of(b, m, &f, fmt->rep_t_off);
	expect_between(utc_at(b, seen.tx_after_tsc), t2, t3, "T2");
	expect_between(
		utc_at(b, seen.tx_after_tsc), t3, utc_at(b, seen.tx_tsc) + PREDICTED_NS, "T3");
	rte_pktmbuf_free(m);
}

Test(stamps, t1_is_the_last_thing_in_open_mode)
{
	request_is_stamped_last(&tw_tst_open);
}

Test(stamps, t1_is_the_last_thing_in_authenticated_mode)
{
	request_is_stamped_last(&tw_tst_auth);
}

Test(stamps, t2_and_t3_are_those_of_the_device_in_open_mode)
{
	reply_is_stamped_last(&tw_tst_open, 16); /* RFC 5357 4.2.1: Receive Timestamp */
}

Test(stamps, t2_and_t3_are_those_of_the_device_in_authenticated_mode)
{
	reply_is_stamped_last(&tw_tst_auth, 32);
}
