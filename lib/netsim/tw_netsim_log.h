/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The truth: when each packet of each flow left one end of the wire and arrived at the other, and
 * what became of it. A packet's number is its place in its flow and direction; a reply knows the
 * record of the packet it answers.
 *
 * Who runs what: the lcore that plays the wire writes. Others may read a record once
 * tw_netsim_log_cnt() has counted it; what is still to happen to it follows later, each field
 * whole.
 */
#ifndef TW_NETSIM_LOG_H
#define TW_NETSIM_LOG_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TW_NETSIM_FLOWS_MAX 4096
#define TW_NETSIM_NO_FLOW   UINT32_MAX

/* Ends of a flow: address in network order, IPv4 in the first four octets. */
struct tw_netsim_addr {
	uint8_t b[16];
	uint16_t port;
	uint8_t family; /* 4 or 6 */
	uint8_t zero;
};

struct tw_netsim_flow {
	struct tw_netsim_addr end[2]; /* the first packet came from 0 */
	uint64_t cnt[2];              /* packets from 0 and from 1 */
	uint8_t first_dir;            /* direction on the wire of packets from 0 */
	bool is_used;
};

struct tw_netsim_rec {
	_Atomic int64_t arrive_ns[2];     /* wire time, INT64_MIN: not (yet) */
	int64_t depart_ns;                /* wire time */
	int64_t due_ns;                   /* arrival as scheduled */
	_Atomic uint32_t arrive_error_ns; /* it may have arrived earlier by so much */
	uint64_t no;                      /* in its flow and direction, from 0 */
	uint32_t flow;
	uint32_t cause; /* 1 + record of the packet this one answers; 0: none */
	uint16_t len;   /* of the frame */
	uint8_t dir;
	_Atomic uint8_t fate; /* enum tw_netsim_fate_kind */
	uint8_t copies;
	bool is_reply; /* goes against the flow's first packet */
	bool is_corrupt;
	bool is_held;
};

struct tw_netsim_log {
	struct tw_netsim_flow flow[TW_NETSIM_FLOWS_MAX];
	uint32_t flow_cnt;
	uint32_t size;
	_Atomic uint32_t cnt;    /* w: wire  r: any */
	_Atomic uint64_t missed; /* packets without a record: log or table of flows full */
	struct tw_netsim_rec rec[];
};

size_t tw_netsim_log_size(uint32_t rec_cnt);

/** @param log  tw_netsim_log_size() octets; touched throughout, so that none is missing later */
void tw_netsim_log_init(struct tw_netsim_log *log, uint32_t rec_cnt);

/** Flow of a packet from @p src to @p dst, made if it is new. @return TW_NETSIM_NO_FLOW if full */
uint32_t tw_netsim_log_flow(struct tw_netsim_log *log, const struct tw_netsim_addr *src,
	const struct tw_netsim_addr *dst, uint8_t dir);

/**
 * A packet of a flow leaves in direction @p dir.
 * @return its record, filled in but for fate, due time and cause; NULL if there is no room
 */
struct tw_netsim_rec *tw_netsim_log_add(
	struct tw_netsim_log *log, uint32_t flow, uint8_t dir, int64_t depart_ns, uint16_t len);

static inline uint32_t
tw_netsim_log_cnt(const struct tw_netsim_log *log)
{
	return atomic_load_explicit(&log->cnt, memory_order_acquire);
}

#endif /* TW_NETSIM_LOG_H */
