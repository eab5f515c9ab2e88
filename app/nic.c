/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * See nic.h. One turn a millisecond, with each model of the NIC's clock: publish, look for the
 * departure of a sample, and now and then judge.
 */
#include "nic.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "app.h"
#include "clocks.h"
#include "tw_dp.h"

#define JUDGE_TURNS  32 /* between two judgements */
#define RX_GOOD_MIN  8  /* plausible arrivals before they are used ... */
#define RX_BAD_SHARE 16 /* ... of which at most so many are not */
#define TX_SAMPLES   16 /* before they correct anything */
#define SCHED_GOOD   8  /* departures at their time before all are scheduled */
#define SCHED_BAD    4
#define SCHED_TOL_NS 200
#define SAMPLE_TURNS 20 /* a departure not told after so many turns is none */
#define BIAS_SHIFT   4
#define BIAS_FAR     2   /* a sample moves the bias as if at most so many deviations off ... */
#define BIAS_FAR_NS  100 /* ... and this */

struct tw_nic {
	struct tw_app *app;
	const struct tw_port *port;
	char name[64]; /* of its clock, for the log */
	struct tw_clock mono;
	struct tw_clock_feed *feed;
	struct tw_dp_stamps use;
	struct tw_dp_nic_seen judged; /* at the last judgement */
	unsigned turn;
	unsigned waiting; /* turns since the sample was armed */
	bool is_rx_rejected, is_sched_rejected;
	uint64_t samples, samples_lost;
	uint64_t sched_good, sched_bad;
	int64_t sched_off_min_ns, sched_off_max_ns;
};

/* The NIC's clock against a line through the TSC. */
static int
clock_read(void *arg, struct tw_clock_reading *out)
{
	struct tw_nic *n = arg;
	uint64_t tsc;
	int ret = tw_port_time_cross(n->port, &out->tsc_before, &tsc, &out->tsc_after);

	out->ref = tw_clock_fine_at(&n->mono, tsc, &out->ref_frac);
	out->is_fine = true;
	return ret;
}

static void
clock_sync(void *arg, struct tw_clock_sync *out)
{
	(void)arg;
	*out = (struct tw_clock_sync){.is_synced = true};
}

static const struct tw_clock *
utc_of(const struct tw_nic *n)
{
	return tw_clock_feed_model(tw_clocks_get(n->app->clocks, n->port->clock_idx)->feed);
}

/* Software expected it at a counter value: how far off was that? */
static void
bias_learn(struct tw_nic *n, uint64_t expected_tsc, uint64_t ticks)
{
	const struct tw_clock *nic = tw_clock_feed_model(n->feed);
	uint64_t left_tsc = tw_clock_tsc_at(&n->mono, tw_clock_at(nic, ticks));
	int64_t off = (int64_t)(left_tsc - expected_tsc), away;
	/* a gap between stamp and device is no bias */
	int64_t far = (int64_t)(BIAS_FAR * n->use.bias_dev_tsc) +
		      tw_clock_ns_to_tsc(&n->mono, BIAS_FAR_NS);

	if (n->samples++ < TX_SAMPLES) {
		if (n->samples == 1 || llabs(off) < llabs(n->use.bias_tsc)) {
			n->use.bias_tsc = off;
			n->use.bias_dev_tsc = (uint64_t)llabs(off);
		}
		return;
	}
	if (llabs(off - n->use.bias_tsc) > far)
		off = n->use.bias_tsc + (off > n->use.bias_tsc ? far : -far);
	away = llabs(off - n->use.bias_tsc);
	n->use.bias_tsc += (off - n->use.bias_tsc) / (1 << BIAS_SHIFT);
	n->use.bias_dev_tsc += (uint64_t)away >> BIAS_SHIFT;
	n->use.bias_dev_tsc -= n->use.bias_dev_tsc >> BIAS_SHIFT;
}

static void
sched_learn(struct tw_nic *n, uint64_t due, uint64_t ticks)
{
	const struct tw_clock *nic = tw_clock_feed_model(n->feed);
	int64_t off_ns = tw_clock_tsc_to_ns(nic, (int64_t)(ticks - due));

	if (n->sched_good + n->sched_bad == 0)
		n->sched_off_min_ns = n->sched_off_max_ns = off_ns;
	if (off_ns < n->sched_off_min_ns)
		n->sched_off_min_ns = off_ns;
	if (off_ns > n->sched_off_max_ns)
		n->sched_off_max_ns = off_ns;
	if (llabs(off_ns) <= SCHED_TOL_NS)
		n->sched_good++;
	else
		n->sched_bad++;
}

static void
sample_look(struct tw_nic *n)
{
	uint64_t expected, ticks;
	bool is_scheduled;

	if (!tw_dp_sample_get(n->app->dp, n->port->idx, &expected, &is_scheduled)) {
		n->waiting = 0;
		return;
	}
	if (tw_port_tx_stamp_read(n->port, &ticks) != 0) {
		if (++n->waiting < SAMPLE_TURNS)
			return;
		n->samples_lost++;
	} else if (is_scheduled) { /* the lcore may still be in the mode before */
		sched_learn(n, expected, ticks);
	} else {
		bias_learn(n, expected, ticks);
	}
	n->waiting = 0;
	tw_dp_sample_done(n->app->dp, n->port->idx);
}

static void
judge_rx(struct tw_nic *n, const struct tw_dp_nic_seen *seen)
{
	uint64_t good = seen->good - n->judged.good, bad = seen->bad - n->judged.bad;

	if (n->use.rx == TW_DP_RX_TEST && seen->good + seen->bad >= RX_GOOD_MIN) {
		n->is_rx_rejected = seen->bad * RX_BAD_SHARE > seen->good;
		n->use.rx = n->is_rx_rejected ? TW_DP_RX_SOFTWARE : TW_DP_RX_NIC;
	} else if (n->use.rx == TW_DP_RX_NIC && bad > good && bad > RX_GOOD_MIN) {
		n->is_rx_rejected = true;
		n->use.rx = TW_DP_RX_SOFTWARE;
	} else {
		return;
	}
	tw_log(TW_LOG_PORT, TW_LOG_NOTICE, "port %s: arrivals are stamped by %s%s",
		n->port->cfg.name, n->use.rx == TW_DP_RX_NIC ? "the NIC" : "software",
		n->is_rx_rejected ? ": the NIC's stamps are not plausible" : "");
}

static void
judge_tx(struct tw_nic *n)
{
	enum tw_dp_tx_stamps was = n->use.tx;

	if (n->use.tx == TW_DP_TX_TEST && n->samples >= TX_SAMPLES)
		n->use.tx = TW_DP_TX_SAMPLED;
	if (n->use.tx == TW_DP_TX_SCHED_TEST && n->sched_bad >= SCHED_BAD) {
		n->is_sched_rejected = true;
		n->use.tx = TW_DP_TX_TEST;
	} else if (n->use.tx == TW_DP_TX_SCHED_TEST && n->sched_good >= SCHED_GOOD) {
		n->use.tx = TW_DP_TX_SCHEDULED;
	}
	if (n->use.tx != was)
		tw_log(TW_LOG_PORT, TW_LOG_NOTICE, "port %s: departures are %s", n->port->cfg.name,
			n->use.tx == TW_DP_TX_SCHEDULED ? "scheduled by the NIC"
			: n->is_sched_rejected
				? "stamped by software: the NIC does not keep a schedule"
				: "stamped by software, corrected by samples");
}

static void
on_model(void *arg, const struct tw_clock *model, bool has_changed)
{
	struct tw_nic *n = arg;
	struct tw_dp_nic_seen seen;
	struct tw_clock composed;

	(void)has_changed;
	(void)tw_clock_compose(utc_of(n), &n->mono, model, &composed);
	tw_dp_nic_publish(n->app->dp, n->port->idx, &composed);
	sample_look(n);
	if (++n->turn % JUDGE_TURNS == 0) {
		tw_dp_nic_seen(n->app->dp, n->port->idx, &seen);
		judge_rx(n, &seen);
		judge_tx(n);
		n->judged = seen;
	}
	tw_dp_stamps_set(n->app->dp, n->port->idx, &n->use);
}

/* A line through the counter that never changes: only its steadiness matters. */
static struct tw_clock
mono_make(const struct tw_app *app)
{
	const struct tw_clock *m =
		tw_clock_feed_model(tw_clocks_get(app->clocks, TW_CLOCKS_SYSTEM)->feed);

	return (struct tw_clock){.tsc0 = m->tsc0,
		.rate = m->rate,
		.ticks_per_ns = m->ticks_per_ns,
		.tsc_hz = m->tsc_hz,
		.epoch = 1,
		.is_synced = true};
}

/*
 * A device without departure stamps cannot be asked whether it keeps a schedule: then its word is
 * taken, and shown as unproven.
 */
static enum tw_dp_tx_stamps
tx_first(const struct tw_port *port)
{
	if (port->has_tx_sched)
		return port->has_tx_stamp ? TW_DP_TX_SCHED_TEST : TW_DP_TX_SCHEDULED;
	return port->has_tx_stamp ? TW_DP_TX_TEST : TW_DP_TX_SOFTWARE;
}

int
tw_nic_new(struct tw_app *app, const struct tw_port *port, struct tw_nic **out)
{
	struct tw_clock_ref ref = {.kind = "nic", .read = clock_read, .sync = clock_sync};
	struct tw_nic *n;

	*out = NULL;
	if (!port->has_rx_stamp && !port->has_tx_sched && !port->has_tx_stamp)
		return 0;
	n = calloc(1, sizeof(*n));
	if (n == NULL)
		return -ENOMEM;
	n->app = app;
	n->port = port;
	n->mono = mono_make(app);
	n->use.rx = port->has_rx_stamp ? TW_DP_RX_TEST : TW_DP_RX_SOFTWARE;
	n->use.tx = tx_first(port);
	tw_dp_nic_seen(app->dp, port->idx, &n->judged);
	snprintf(n->name, sizeof(n->name), "of the NIC of port %s", port->cfg.name);
	ref.arg = n;
	n->feed = tw_clock_feed_new(n->name, &ref);
	if (n->feed == NULL) {
		free(n);
		return -ENOMEM;
	}
	tw_clock_feed_start(n->feed, &app->loop, on_model, n);
	*out = n;
	return 0;
}

void
tw_nic_free(struct tw_nic *n)
{
	static const struct tw_clock none;
	static const struct tw_dp_stamps software;

	if (n == NULL)
		return;
	tw_clock_feed_free(n->feed);
	tw_dp_stamps_set(n->app->dp, n->port->idx, &software);
	tw_dp_nic_publish(n->app->dp, n->port->idx, &none);
	tw_dp_sample_done(n->app->dp, n->port->idx);
	free(n);
}

static const char *
rx_verdict(const struct tw_nic *n)
{
	if (n->is_rx_rejected)
		return "rejected: not plausible";
	return n->use.rx == TW_DP_RX_NIC ? "plausible" : "waiting for packets";
}

static const char *
tx_verdict(const struct tw_nic *n)
{
	switch (n->use.tx) {
	case TW_DP_TX_SCHEDULED:
		return n->port->has_tx_stamp ? "keeps the schedule"
					     : "unproven: it cannot stamp departures";
	case TW_DP_TX_SAMPLED:
		return n->is_sched_rejected ? "does not keep a schedule; samples correct software"
					    : "samples correct software";
	case TW_DP_TX_TEST:
	case TW_DP_TX_SCHED_TEST:
		return "waiting for packets";
	default:
		return "none";
	}
}

static void
put_clock(struct tw_out *out, const struct tw_nic *n)
{
	const struct tw_clock *m = tw_clock_feed_model(n->feed);
	const struct tw_clock_disc_stats *st = tw_clock_feed_stats(n->feed);

	tw_out_obj(out, "nic_clock");
	tw_out_str(out, "read_by",
		n->port->time_by == TW_PORT_TIME_READ_CLOCK ? "read_clock" : "timesync");
	tw_out_bool(out, "is_followed", m->epoch != 0 && m->is_synced);
	tw_out_u64(out, "hz", m->tsc_hz, "Hz");
	tw_out_i64(out, "drift_ppb", st->drift_ppb, "ppb");
	tw_out_ns(out, "error_ns", (int64_t)m->stamp_error_ns + m->clock_error_ns);
	tw_out_ns(out, "residual_ns", (int64_t)st->residual_ns);
	tw_out_ns(out, "width_ns", (int64_t)st->last_width_ns);
	tw_out_u64(out, "readings", st->accepted, NULL);
	tw_out_u64(out, "steps", st->steps, NULL);
	tw_out_obj_end(out);
}

static void
put_rx(struct tw_out *out, const struct tw_nic *n)
{
	struct tw_dp_nic_seen seen;

	tw_dp_nic_seen(n->app->dp, n->port->idx, &seen);
	tw_out_obj(out, "arrivals");
	tw_out_str(out, "verdict", rx_verdict(n));
	tw_out_u64(out, "plausible", seen.good, "packets");
	tw_out_u64(out, "implausible", seen.bad, "packets");
	tw_out_u64(out, "without_stamp", seen.missing, "packets");
	if (seen.good > 0) {
		tw_out_ns(out, "read_later_min_ns", seen.lag_min_ns);
		tw_out_ns(out, "read_later_mean_ns", seen.lag_sum_ns / (int64_t)seen.good);
		tw_out_ns(out, "read_later_max_ns", seen.lag_max_ns);
	}
	tw_out_obj_end(out);
}

static void
put_tx(struct tw_out *out, const struct tw_nic *n)
{
	const struct tw_clock *m = utc_of(n);
	struct tw_dp_nic_seen seen;

	tw_dp_nic_seen(n->app->dp, n->port->idx, &seen);
	tw_out_obj(out, "departures");
	tw_out_str(out, "verdict", tx_verdict(n));
	tw_out_u64(out, "samples", n->samples + n->sched_good + n->sched_bad, "packets");
	tw_out_u64(out, "samples_lost", n->samples_lost, "packets");
	if (n->samples > 0) {
		tw_out_ns(out, "bias_ns", tw_clock_tsc_to_ns(m, n->use.bias_tsc));
		tw_out_ns(out, "deviation_ns", tw_clock_tsc_to_ns(m, (int64_t)n->use.bias_dev_tsc));
	}
	if (n->sched_good + n->sched_bad > 0) {
		tw_out_u64(out, "on_schedule", n->sched_good, "packets");
		tw_out_u64(out, "off_schedule", n->sched_bad, "packets");
		tw_out_ns(out, "off_schedule_min_ns", n->sched_off_min_ns);
		tw_out_ns(out, "off_schedule_max_ns", n->sched_off_max_ns);
	}
	tw_out_u64(out, "handed_over_late", seen.sched_late, "bursts");
	tw_out_obj_end(out);
}

const char *
tw_nic_rx_source(const struct tw_nic *n)
{
	return tw_clock_source_name(
		n != NULL && n->use.rx == TW_DP_RX_NIC ? TW_STAMP_NIC_RX : TW_STAMP_TSC_RX);
}

const char *
tw_nic_tx_source(const struct tw_nic *n)
{
	if (n != NULL && n->use.tx == TW_DP_TX_SCHEDULED)
		return tw_clock_source_name(TW_STAMP_NIC_TX);
	return tw_clock_source_name(
		n != NULL && n->use.tx == TW_DP_TX_SAMPLED ? TW_STAMP_TSC_CAL : TW_STAMP_TSC_TX);
}

void
tw_nic_show(struct tw_out *out, const struct tw_port *port, const struct tw_nic *n)
{
	static const char *const tx_names[] = {
		"software", "software", "sampled", "software", "scheduled"};

	tw_out_str(out, "port", port->cfg.name);
	tw_out_str(out, "clock", port->cfg.clock);
	tw_out_str(out, "rx", n != NULL && n->use.rx == TW_DP_RX_NIC ? "nic" : "software");
	tw_out_str(out, "tx", n != NULL ? tx_names[n->use.tx] : "software");
	tw_out_bool(out, "offers_rx_stamps", port->has_rx_stamp);
	tw_out_bool(out, "offers_tx_stamps", port->has_tx_stamp);
	tw_out_bool(out, "offers_tx_schedule", port->has_tx_sched);
	if (n == NULL)
		return;
	put_clock(out, n);
	if (port->has_rx_stamp)
		put_rx(out, n);
	if (port->has_tx_stamp || port->has_tx_sched)
		put_tx(out, n);
}
