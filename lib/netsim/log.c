/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Records in one array, flows in a table with open addressing. A flow is found from either of its
 * ends: the hash does not tell them apart.
 */
#include "tw_netsim_log.h"

#include <string.h>

#include "tw_netsim.h"

size_t
tw_netsim_log_size(uint32_t rec_cnt)
{
	return sizeof(struct tw_netsim_log) + rec_cnt * sizeof(struct tw_netsim_rec);
}

void
tw_netsim_log_init(struct tw_netsim_log *log, uint32_t rec_cnt)
{
	memset(log, 0, tw_netsim_log_size(rec_cnt));
	log->size = rec_cnt;
}

static uint32_t
hash_addr(const struct tw_netsim_addr *a)
{
	uint64_t v[2], h;

	memcpy(v, a->b, sizeof(v));
	h = (v[0] ^ (v[1] * 3)) + a->port;
	h *= 0x9e3779b97f4a7c15ULL;
	return (uint32_t)(h >> 32);
}

static bool
is_same(const struct tw_netsim_addr *a, const struct tw_netsim_addr *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

uint32_t
tw_netsim_log_flow(struct tw_netsim_log *log, const struct tw_netsim_addr *src,
	const struct tw_netsim_addr *dst, uint8_t dir)
{
	uint32_t at = (hash_addr(src) + hash_addr(dst)) % TW_NETSIM_FLOWS_MAX;
	struct tw_netsim_flow *f;

	for (uint32_t i = 0; i < TW_NETSIM_FLOWS_MAX; i++, at = (at + 1) % TW_NETSIM_FLOWS_MAX) {
		f = &log->flow[at];
		if (!f->is_used)
			break;
		if ((is_same(src, &f->end[0]) && is_same(dst, &f->end[1])) ||
			(is_same(src, &f->end[1]) && is_same(dst, &f->end[0])))
			return at;
	}
	/* half full is full: look-ups stay short */
	if (log->flow_cnt >= TW_NETSIM_FLOWS_MAX / 2)
		return TW_NETSIM_NO_FLOW;
	log->flow_cnt++;
	log->flow[at] =
		(struct tw_netsim_flow){.end = {*src, *dst}, .first_dir = dir, .is_used = true};
	return at;
}

struct tw_netsim_rec *
tw_netsim_log_add(
	struct tw_netsim_log *log, uint32_t flow, uint8_t dir, int64_t depart_ns, uint16_t len)
{
	const uint32_t cnt = atomic_load_explicit(&log->cnt, memory_order_relaxed);
	struct tw_netsim_rec *r;
	bool is_reply;

	if (flow == TW_NETSIM_NO_FLOW || cnt == log->size) {
		uint64_t missed = atomic_load_explicit(&log->missed, memory_order_relaxed);

		atomic_store_explicit(&log->missed, missed + 1, memory_order_relaxed);
		if (flow != TW_NETSIM_NO_FLOW)
			log->flow[flow].cnt[dir != log->flow[flow].first_dir]++;
		return NULL;
	}
	is_reply = dir != log->flow[flow].first_dir;
	r = &log->rec[cnt];
	r->depart_ns = depart_ns;
	atomic_store_explicit(&r->arrive_ns[0], INT64_MIN, memory_order_relaxed);
	atomic_store_explicit(&r->arrive_ns[1], INT64_MIN, memory_order_relaxed);
	atomic_store_explicit(&r->arrive_error_ns, 0, memory_order_relaxed);
	r->no = log->flow[flow].cnt[is_reply]++;
	r->flow = flow;
	r->cause = 0;
	r->len = len;
	r->dir = dir;
	r->is_reply = is_reply;
	atomic_store_explicit(&log->cnt, cnt + 1, memory_order_release);
	return r;
}
