/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The result of a session: one plain struct with every figure, and a table of its rows from
 * which text and JSON are written (a writer walks tw_metrics_rows(), then the counters).
 *
 * Populations (PROTOCOL.md 6.2): round trip, all packets sent, the lost ones infinite; forward,
 * answered packets (late ones included) and those certainly lost forward; reverse, distinct
 * replies and those certainly lost in reverse; residence, distinct replies. Variation is
 * conditional on arrival. Percentiles other than min and max come from a histogram whose error,
 * at most 0.8 % of the distance from the minimum, is contained in the stated error.
 */
#ifndef TW_METRICS_REPORT_H
#define TW_METRICS_REPORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tw_metrics.h"

/* An error bound that is unknown: shown as such, never as a number. */
#define TW_METRICS_ERROR_UNKNOWN UINT64_MAX

/* A TTL or hop count that was never seen. */
#define TW_METRICS_TTL_NONE (-1)

enum tw_metrics_state {
	TW_METRICS_S_NONE = 0, /* no value: nothing was measured */
	TW_METRICS_S_FINITE,
	TW_METRICS_S_INFINITE, /* percentile falls among the lost packets */
	TW_METRICS_S_N
};

/* Why a figure must not be taken at its value. */
enum tw_metrics_reason {
	TW_METRICS_R_NONE = 0,      /* it may: is_valid */
	TW_METRICS_R_NO_SAMPLES,    /* nothing was measured */
	TW_METRICS_R_UNSYNCED_OWN,  /* S=0 at our end in some or all samples */
	TW_METRICS_R_UNSYNCED_PEER, /* S=0 at the reflector in some or all samples */
	TW_METRICS_R_CONTRADICTED,  /* S=1 at both ends, but delays say otherwise */
	TW_METRICS_R_EPOCH_CHANGED, /* our clock was stepped during the session */
	TW_METRICS_R_STATELESS,     /* the reflector copies numbers: directions cannot be told */
	TW_METRICS_R_ORDER_UNKNOWN, /* reflector numbers jumped beyond the window */
	TW_METRICS_R_N
};

/** Lower-case name of a state or a reason ("unsynchronised-peer"). */
const char *tw_metrics_state_name(unsigned state);
const char *tw_metrics_reason_name(unsigned reason);

/* A figure in ns with everything needed to judge it. */
struct tw_metrics_fig {
	int64_t value_ns;  /* if state is FINITE */
	uint64_t error_ns; /* the truth lies within +- this; TW_METRICS_ERROR_UNKNOWN */
	uint8_t state;     /* enum tw_metrics_state */
	uint8_t reason;    /* enum tw_metrics_reason; 0 if is_valid */
	bool is_valid;     /* an invalid figure may have a value: show it as unsynchronised */
	bool is_below_resolution; /* percentile finer than 1/N */
};

/* A count that may be unknowable. */
struct tw_metrics_count {
	uint64_t value;
	uint8_t reason;
	bool is_valid;
};

struct tw_metrics_delay {
	uint64_t population; /* finite + infinite */
	uint64_t finite;
	uint64_t infinite;
	uint64_t left_out;
	uint64_t negative;
	uint64_t beyond_range;
	struct tw_metrics_fig min, mean, median, p50, p90, p95, p99, p99_9, max, p95_minus_p50;
};

struct tw_metrics_pdv {
	uint64_t samples;
	struct tw_metrics_fig p50, p95, p99, p99_9, range;
};

struct tw_metrics_ipdv {
	uint64_t samples;
	struct tw_metrics_fig min, p5, p50, p95, max, smoothed;
};

struct tw_metrics_order {
	uint64_t reordered;
	uint64_t packets;
	uint64_t extent;
	int64_t late_ns;
	uint64_t tcp_n; /* packets that are 3-reordered (RFC 4737 5.3) */
	uint64_t n_max; /* largest n of an n-reordered packet */
	double ratio_pct;
};

struct tw_metrics_report {
#define X(name, help) uint64_t name;
	struct {
#include "tw_metrics_ctr.def"
	} ctr;
#undef X
	int64_t tmax_ns;
	int64_t timeout_ns;
	uint64_t window;
	uint64_t lost;
	double lost_pct;
	/* lost_forward + lost_reverse + lost_undetermined = unanswered (PROTOCOL.md 6.4) */
	struct tw_metrics_count lost_forward;
	struct tw_metrics_count lost_reverse;
	struct tw_metrics_count lost_undetermined;
	struct tw_metrics_count missing_replies; /* M */
	uint64_t tail;                           /* H_t */
	struct tw_metrics_order order_forward;
	struct tw_metrics_order order_reverse;
	struct tw_metrics_order order_round_trip;
	double dup_fraction_forward;
	double dup_fraction_reverse;
	double replicated_forward_pct;
	double replicated_reverse_pct;
	int16_t ttl_forward_min, ttl_forward_max; /* or TW_METRICS_TTL_NONE, all eight */
	int16_t ttl_reverse_min, ttl_reverse_max;
	int16_t hops_forward_min, hops_forward_max;
	int16_t hops_reverse_min, hops_reverse_max;
	uint64_t error_own_ns;  /* or TW_METRICS_ERROR_UNKNOWN */
	uint64_t error_peer_ns; /* or TW_METRICS_ERROR_UNKNOWN */
	uint32_t t1_sources;    /* bit per enum tw_stamp_source */
	uint32_t t4_sources;
	bool is_stateless;
	bool is_extent_at_least;
	bool is_synced_own;
	bool is_synced_peer;
	bool is_contradicted;
	struct tw_metrics_delay round_trip;     /* with residence (RFC 2681) */
	struct tw_metrics_delay round_trip_net; /* without residence: the headline */
	struct tw_metrics_delay forward;
	struct tw_metrics_delay reverse;
	struct tw_metrics_delay residence;
	struct tw_metrics_pdv pdv_round_trip;
	struct tw_metrics_pdv pdv_round_trip_net;
	struct tw_metrics_pdv pdv_forward;
	struct tw_metrics_pdv pdv_reverse;
	struct tw_metrics_ipdv ipdv_round_trip_net;
	struct tw_metrics_ipdv ipdv_forward;
	struct tw_metrics_ipdv ipdv_reverse;
};

/* Type of the member a row names. */
enum tw_metrics_kind {
	TW_METRICS_K_NONE = 0,
	TW_METRICS_K_U64,
	TW_METRICS_K_I64,
	TW_METRICS_K_COUNT, /* struct tw_metrics_count */
	TW_METRICS_K_FIG,   /* struct tw_metrics_fig */
	TW_METRICS_K_PCT,   /* double, percent */
	TW_METRICS_K_FRAC,  /* double, plain number */
	TW_METRICS_K_BOOL,
	TW_METRICS_K_TTL,     /* int16_t, TW_METRICS_TTL_NONE: none */
	TW_METRICS_K_ERR,     /* uint64_t ns, TW_METRICS_ERROR_UNKNOWN: unknown */
	TW_METRICS_K_SOURCES, /* uint32_t, bit per enum tw_stamp_source */
	TW_METRICS_K_N
};

struct tw_metrics_row {
	const char *group;
	const char *name;
	const char *help;
	size_t offset; /* of the member in struct tw_metrics_report */
	uint8_t kind;  /* enum tw_metrics_kind */
};

/** All rows: group "counters" first (tw_metrics_ctr.def), then tw_metrics_rows.def in order. */
const struct tw_metrics_row *tw_metrics_rows(size_t *cnt);

/**
 * Compute everything. Context: after tw_metrics_finish() returned true, by whoever owns the
 * memory then. May take milliseconds for a session at a high rate.
 */
void tw_metrics_report(const struct tw_metrics *m, struct tw_metrics_report *out);

#endif /* TW_METRICS_REPORT_H */
