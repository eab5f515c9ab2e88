/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Senders: what leaves, what comes back from a reflector on the other end of a wire of rings, and
 * what becomes of both when the device, the path or control does not play along.
 */
#include <criterion/criterion.h>

#include <rte_cycles.h>

#include "bed.h"
#include "tw_metrics_report.h"

#define MS 1000000LL

static struct tw_send_cfg
cfg_make(const struct tw_tst_fmt *fmt, uint32_t id, uint64_t count)
{
	return (struct tw_send_cfg){.fmt = fmt,
		.id = id,
		.dscp = 46,
		.law = TW_SEND_PERIODIC,
		.size = (uint16_t)(fmt->rep_min + 10),
		.interval_ns = 20000,
		.count = count,
		.tmax_ns = 20 * MS,
		.report_ns = -1,
		.seed = {id, 1, 2, 3}};
}

static struct tw_metrics_report
report_of(const struct tw_send_sess *s)
{
	struct tw_metrics_report r;

	tw_metrics_report(s->metrics, &r);
	return r;
}

Test(collect, measures_against_a_reflector_in_every_mode_family_and_tagging)
{
	struct bed *b = bed_new(&(struct bed_cfg){.port_cnt = 2, .is_cross = true});
	uint32_t id = 0;

	for (unsigned e = 0; e < FRAME_ENCAPS; e++) {
		for (unsigned i = 0; i < CHECK_FMTS; i++) {
			const struct flow f = flow_make(e, ++id), far = flow_turn(&f, 1);
			struct tw_send_cfg cfg = cfg_make(check_fmts[i], id, 50);
			struct tw_refl_sess *refl = bed_refl(b, &far, check_fmts[i], id);
			struct tw_send_sess *s;
			struct tw_metrics_report r;
			struct tw_dp_event ev;

			cfg.tmax_ns = 250 * MS; /* longer than a busy machine stalls us */
			s = bed_send(b, &f, &cfg, false);
			cr_assert_eq(tw_dp_send_start(b->dp, s), 0);
			cr_assert(bed_wait_done(b, id, &ev));
			cr_assert_not(ev.is_failed);
			r = report_of(s);
			cr_assert_eq(r.ctr.sent, 50);
			cr_assert_eq(r.ctr.received, 50, "%lu of 50", r.ctr.received);
			cr_assert_eq(r.lost, 0);
			cr_assert_eq(r.hops_forward_min, 0);
			cr_assert_eq(r.hops_reverse_max, 0);
			cr_assert_eq(r.ctr.dscp_changed, 0);
			cr_assert(r.is_synced_own && r.is_synced_peer);
			cr_assert_eq(tw_ctr_get(&refl->reflected), 50);
			tw_dp_send_retire(b->dp, s, NULL, NULL);
			tw_dp_refl_retire(b->dp, refl, NULL, NULL);
		}
	}
	bed_turns(b, 3);
	cr_assert_eq(tw_dp_send_mem(b->dp), 0);
	bed_free(b);
}

Test(collect, sends_what_the_wire_asks)
{
	struct bed *b = bed_new(&(struct bed_cfg){0});

	for (unsigned e = 0; e < FRAME_ENCAPS; e++) {
		for (unsigned i = 0; i < CHECK_FMTS; i++) {
			const struct flow f = flow_make(e, e * 10 + i);
			struct tw_send_cfg cfg = cfg_make(check_fmts[i], e * 10 + i, 1);
			struct tw_send_sess *s;
			struct rte_mbuf *m;
			struct tw_tst_req req;
			unsigned len;

			cfg.size = (uint16_t)(e == 5 ? 1472 - 20 : check_fmts[i]->req_min);
			s = bed_send(b, &f, &cfg, false);
			cr_assert_eq(tw_dp_send_start(b->dp, s), 0);
			bed_turns(b, 2);
			m = bed_take(b, 0, 0);
			cr_assert_not_null(m);
			len = frame_check(m, &f, 46 << 2);
			cr_assert_eq(len, cfg.size);
			cr_assert(check_open_req(
				b->ref, cfg.fmt, &s->tkey, frame_payload(m, &f), len, &req));
			cr_assert_eq(req.seq, 0);
			cr_assert(req.ee & TW_CLOCK_EE_S);
			for (unsigned v = 0; v < f.scope.vlan_cnt; v++)
				cr_assert_eq(
					tw_load_be16(rte_pktmbuf_mtod(m, uint8_t *) + 14 + 4 * v) >>
						13,
					5);
			rte_pktmbuf_free(m);
		}
	}
	bed_free(b);
}

Test(collect, tries_again_when_the_device_is_full)
{
	struct bed *b = bed_new(&(struct bed_cfg){.ring_cnt = 3});
	const struct flow f = flow_make(FRAME_V4, 1);
	struct tw_send_cfg cfg = cfg_make(&tw_tst_auth, 1, 100);
	struct tw_send_sess *s;
	struct tw_send_counts c;
	struct tw_tst_req req;
	struct rte_mbuf *m;
	uint32_t seq = 0;

	cfg.interval_ns = 1000;
	s = bed_send(b, &f, &cfg, false);
	cr_assert_eq(tw_dp_send_start(b->dp, s), 0);
	for (unsigned i = 0; i < 2000 && seq < 100; i++) {
		bed_turns(b, 3);
		while ((m = bed_take(b, 0, 0)) != NULL) {
			cr_assert(check_open_req(b->ref, cfg.fmt, &s->tkey, frame_payload(m, &f),
				frame_check(m, &f, 46 << 2), &req));
			cr_assert_eq(req.seq, seq++);
			rte_pktmbuf_free(m);
		}
	}
	cr_assert_eq(seq, 100, "%u", seq);
	tw_send_sess_counts(s, &c);
	cr_assert_eq(c.sent, 100);
	cr_assert_gt(c.tx_refused, 0);
	cr_assert_eq(bed_ctr(b, TW_DP_CTR_SENT), 100);
	cr_assert_gt(bed_ctr(b, TW_DP_CTR_SEND_TX_FULL), 0);
	bed_free(b);
}

Test(collect, takes_a_new_next_hop_while_it_sends)
{
	struct bed *b = bed_new(&(struct bed_cfg){0});
	struct flow f = flow_make(FRAME_VLAN, 1);
	struct tw_send_cfg cfg = cfg_make(&tw_tst_open, 1, 20);
	struct tw_send_sess *s;
	struct tw_dp_path path = {.scope = f.scope,
		.src = f.us,
		.dst = f.peer,
		.src_port = f.us_port,
		.dst_port = f.peer_port};
	struct tw_dp_event ev;
	struct rte_mbuf *m;
	unsigned n = 0, moved = 0;

	cfg.interval_ns =
		20 * MS; /* a busy machine that stalls us must not send them all at once */
	s = bed_send(b, &f, &cfg, false);
	cr_assert_eq(tw_dp_send_start(b->dp, s), 0);
	while (bed_ctr(b, TW_DP_CTR_SENT) < 5)
		bed_turns(b, 1);
	memcpy(path.next_hop, ((uint8_t[]){2, 9, 9, 9, 9, 9}), 6);
	cr_assert_eq(tw_dp_send_path(b->dp, s, &path), 0);
	path.scope.port_idx = 1;
	cr_assert_eq(tw_dp_send_path(b->dp, s, &path), -EINVAL);
	cr_assert(bed_wait_done(b, 1, &ev));
	for (; (m = bed_take(b, 0, 0)) != NULL; n++) {
		moved += rte_pktmbuf_mtod(m, uint8_t *)[1] == 9;
		rte_pktmbuf_free(m);
	}
	cr_assert_eq(n, 20);
	cr_assert_gt(moved, 0);
	cr_assert_lt(moved, 20);
	bed_free(b);
}

Test(collect, refuses_replies_that_prove_nothing)
{
	struct bed *b = bed_new(&(struct bed_cfg){0});
	const struct flow f = flow_make(FRAME_V4, 1);
	const struct tw_send_cfg cfg = cfg_make(&tw_tst_auth, 1, 1);
	struct tw_send_sess *s = bed_send(b, &f, &cfg, false);
	uint8_t junk[112] = {1, 2, 3};

	bed_put(b, frame_make(b->pool, &f, junk, sizeof(junk)));
	bed_turns(b, 1);
	cr_assert_eq(bed_ctr(b, TW_DP_CTR_NOT_LIVE), 1);
	cr_assert_eq(tw_dp_send_start(b->dp, s), 0);
	bed_turns(b, 1);
	bed_put(b, frame_make(b->pool, &f, junk, sizeof(junk)));
	bed_put(b, frame_make(b->pool, &f, junk, sizeof(junk) - 1));
	bed_turns(b, 1);
	cr_assert_eq(bed_ctr(b, TW_DP_CTR_BAD_AUTH), 1);
	cr_assert_eq(bed_ctr(b, TW_DP_CTR_TOO_SHORT), 1);
	cr_assert_eq(bed_ctr(b, TW_DP_CTR_COLLECTED), 0);
	bed_free(b);
}

Test(collect, tells_raw_records_and_intervals)
{
	struct bed *b = bed_new(&(struct bed_cfg){.port_cnt = 2, .is_cross = true, .raw_cnt = 15});
	const struct flow f = flow_make(FRAME_V6, 1), far = flow_turn(&f, 1);
	struct tw_send_cfg cfg = cfg_make(&tw_tst_encr, 1, 40);
	struct tw_refl_sess *refl = bed_refl(b, &far, cfg.fmt, 1);
	struct tw_send_sess *s;
	struct tw_dp_event ev;
	struct tw_dp_raw raw[64];
	uint64_t received = 0;
	bool done = false;
	unsigned n;

	cfg.interval_ns = MS;
	cfg.report_ns = 5 * MS;
	cfg.tmax_ns = 250 * MS;
	s = bed_send(b, &f, &cfg, true);
	cr_assert_eq(tw_dp_send_start(b->dp, s), 0);
	while (!done) {
		bed_turns(b, 1);
		while (tw_dp_event_pop(b->dp, &ev, 1) == 1) {
			received += ev.interval.received;
			cr_assert_eq(ev.sess_id, 1);
			done |= ev.type == TW_DP_EVENT_SEND_DONE;
		}
	}
	cr_assert_eq(received, 40, "%lu", received);
	n = tw_dp_raw_pop(b->dp, raw, 64);
	cr_assert_eq(n + bed_ctr(b, TW_DP_CTR_RAW_LOST), 40);
	cr_assert_gt(n, 10);
	for (unsigned i = 0; i < n; i++) {
		cr_assert_eq(raw[i].sess_id, 1);
		cr_assert_eq(raw[i].sample.seq, i);
		cr_assert_eq(raw[i].sample.cls, TW_METRICS_C_FIRST);
		/* T1 of an encrypted request is a prediction */
		cr_assert_gt(
			raw[i].sample.round_trip_ns + (int64_t)raw[i].sample.round_trip_error_ns,
			0);
	}
	cr_assert_eq(tw_ctr_get(&refl->reflected), 40);
	bed_free(b);
}

Test(collect, forgets_a_sender_in_any_state)
{
	struct bed *b = bed_new(&(struct bed_cfg){0});
	uint32_t live, retiring;

	for (unsigned state = 0; state < 4; state++) {
		const struct flow f = flow_make(FRAME_V4, state);
		const struct tw_send_cfg cfg = cfg_make(&tw_tst_auth, state, 3);
		struct tw_send_sess *s = bed_send(b, &f, &cfg, false);
		struct tw_dp_event ev;

		if (state >= 1)
			cr_assert_eq(tw_dp_send_start(b->dp, s), 0);
		if (state >= 2)
			bed_turns(b, 2);
		if (state == 3) {
			cr_assert_eq(tw_dp_send_stop(b->dp, s), 0);
			cr_assert(bed_wait_done(b, state, &ev));
		}
		tw_dp_send_retire(b->dp, s, NULL, NULL);
		bed_turns(b, 4);
		tw_dp_send_cnt(b->dp, &live, &retiring);
		cr_assert_eq(live + retiring, 0, "state %u: %u %u", state, live, retiring);
	}
	bed_free(b);
}

/* No event may be lost with DONE: more sessions end at once than the ring of events holds. */
Test(collect, keeps_done_until_control_takes_it)
{
	struct bed *b = bed_new(&(struct bed_cfg){0});
	struct tw_send_sess *s[64];
	struct tw_dp_event ev;
	uint64_t seen = 0, end_tsc;

	for (unsigned i = 0; i < 64; i++) {
		const struct flow f = flow_make(FRAME_V4, i);
		struct tw_send_cfg cfg = cfg_make(&tw_tst_open, i, 0);

		/* reports enough to fill the ring */
		cfg.interval_ns = MS;
		cfg.report_ns = 100000;
		s[i] = bed_send(b, &f, &cfg, false);
		cr_assert_eq(tw_dp_send_start(b->dp, s[i]), 0);
	}
	while (bed_ctr(b, TW_DP_CTR_REPORT_LOST) == 0) {
		struct rte_mbuf *m;

		bed_turns(b, 1);
		while ((m = bed_take(b, 0, 0)) != NULL)
			rte_pktmbuf_free(m);
	}
	for (unsigned i = 0; i < 64; i++)
		cr_assert_eq(tw_dp_send_stop(b->dp, s[i]), 0);
	rte_delay_us_sleep(30000);
	bed_turns(b, 100);
	end_tsc = rte_rdtsc() + 10 * rte_get_tsc_hz();
	while (seen != UINT64_MAX && rte_rdtsc() < end_tsc) {
		bed_turns(b, 1);
		while (tw_dp_event_pop(b->dp, &ev, 1) == 1)
			if (ev.type == TW_DP_EVENT_SEND_DONE)
				seen |= 1ULL << ev.sess_id;
	}
	cr_assert_eq(seen, UINT64_MAX, "%lx", seen);
	bed_free(b);
}

/* Do nothing for so long, as if the CPU had been given away. */
static void
stall(uint64_t us)
{
	const uint64_t end_tsc = rte_rdtsc() + rte_get_tsc_hz() * us / 1000000;

	while (rte_rdtsc() < end_tsc)
		;
}

Test(collect, attaches_gaps_to_the_interval_in_which_they_fell)
{
	struct bed *b = bed_new(&(struct bed_cfg){.port_cnt = 2, .is_cross = true});
	const struct flow f = flow_make(FRAME_V4, 1), far = flow_turn(&f, 1);
	struct tw_send_cfg cfg = cfg_make(&tw_tst_open, 1, 0);
	const uint64_t end_tsc = rte_rdtsc() + 10 * rte_get_tsc_hz();
	struct tw_dp_gap gap[256];
	struct tw_send_sess *s;
	struct tw_dp_stats st;
	struct tw_dp_event ev;
	uint64_t next = 0;
	unsigned n;

	cfg.interval_ns = 1000000;
	cfg.report_ns = 20 * MS;
	(void)bed_refl(b, &far, &tw_tst_open, 1);
	s = bed_send(b, &f, &cfg, false);
	cr_assert_eq(tw_dp_send_start(b->dp, s), 0);
	bed_turns(b, 2000); /* usual turns become known */
	stall(3000);
	do {
		bed_turns(b, 1);
		ev.type = 0;
		(void)tw_dp_event_pop(b->dp, &ev, 1);
	} while ((ev.type == 0 || ev.interval.gaps.longest_ns < 2900000) && rte_rdtsc() < end_tsc);
	cr_assert_eq(ev.type, TW_DP_EVENT_SEND_REPORT);
	cr_assert_geq(ev.interval.gaps.cnt, 1);
	cr_assert_geq(ev.interval.gaps.total_ns, ev.interval.gaps.longest_ns);
	cr_assert_geq(ev.interval.gaps_so_far.total_ns, ev.interval.gaps.total_ns);
	cr_assert_geq(ev.interval.gaps_so_far.longest_ns, ev.interval.gaps.longest_ns);
	tw_dp_stats_get(b->dp, 0, &st);
	cr_assert_geq(st.gap_longest_ns, 2900000);
	cr_assert_geq(st.gap_total_ns, ev.interval.gaps_so_far.total_ns);
	cr_assert_geq(st.ctr[TW_DP_CTR_GAPS], ev.interval.gaps_so_far.cnt);
	n = tw_dp_gaps_get(b->dp, 0, &next, gap, TW_ARRAY_SIZE(gap));
	cr_assert_eq(next, st.ctr[TW_DP_CTR_GAPS]);
	cr_assert_gt(n, 0);
	for (unsigned i = 0; i < n; i++) /* the turn holds the gap */
		cr_assert_geq(gap[i].end_tsc - gap[i].begin_tsc,
			(uint64_t)tw_clock_ns_to_tsc(&b->clock, (int64_t)gap[i].len_ns) * 99 / 100);
	cr_assert_eq(tw_dp_gaps_get(b->dp, 0, &next, gap, TW_ARRAY_SIZE(gap)), 0);
	bed_free(b);
}
