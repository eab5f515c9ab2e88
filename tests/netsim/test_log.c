/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The log tells flows and directions apart and numbers packets within them.
 */
#include <criterion/criterion.h>
#include <stdlib.h>

#include "tw_netsim_log.h"

static struct tw_netsim_log *
log_of(uint32_t cnt)
{
	struct tw_netsim_log *log = malloc(tw_netsim_log_size(cnt));

	cr_assert_not_null(log);
	tw_netsim_log_init(log, cnt);
	return log;
}

static struct tw_netsim_addr
addr(uint8_t host, uint16_t port)
{
	return (struct tw_netsim_addr){.b = {10, 0, 0, host}, .port = port, .family = 4};
}

Test(log, numbers_packets_per_flow_and_direction)
{
	const struct tw_netsim_addr a = addr(1, 1000), b = addr(2, 2000), c = addr(1, 1001);
	struct tw_netsim_log *log = log_of(100);
	uint32_t f = tw_netsim_log_flow(log, &a, &b, 0), g = tw_netsim_log_flow(log, &c, &b, 0);
	struct tw_netsim_rec *r;

	cr_assert_neq(f, g);
	cr_assert_eq(tw_netsim_log_flow(log, &b, &a, 1), f, "the way back is the same flow");
	for (unsigned i = 0; i < 10; i++) {
		r = tw_netsim_log_add(log, f, 0, i, 60);
		cr_assert_eq(r->no, i);
		cr_assert_not(r->is_reply);
		r = tw_netsim_log_add(log, f, 1, i, 60);
		cr_assert_eq(r->no, i);
		cr_assert(r->is_reply);
		cr_assert_eq(r->arrive_ns[0], INT64_MIN);
	}
	r = tw_netsim_log_add(log, g, 0, 5, 60);
	cr_assert_eq(r->no, 0);
	cr_assert_eq(tw_netsim_log_cnt(log), 21);
	free(log);
}

Test(log, counts_what_it_cannot_keep)
{
	const struct tw_netsim_addr a = addr(1, 1), b = addr(2, 2);
	struct tw_netsim_log *log = log_of(3);
	uint32_t f = tw_netsim_log_flow(log, &a, &b, 0);

	for (unsigned i = 0; i < 5; i++)
		cr_assert_eq(tw_netsim_log_add(log, f, 0, i, 60) != NULL, i < 3);
	cr_assert_eq(log->missed, 2);
	cr_assert_eq(log->flow[f].cnt[0], 5, "numbers go on");
	free(log);
}

Test(log, too_many_flows_are_refused)
{
	const struct tw_netsim_addr b = addr(2, 2);
	struct tw_netsim_log *log = log_of(1);
	unsigned kept = 0;

	for (unsigned i = 0; i < TW_NETSIM_FLOWS_MAX; i++) {
		const struct tw_netsim_addr a = addr(1, (uint16_t)i);

		kept += tw_netsim_log_flow(log, &a, &b, 0) != TW_NETSIM_NO_FLOW;
	}
	cr_assert_eq(kept, TW_NETSIM_FLOWS_MAX / 2);
	cr_assert_null(tw_netsim_log_add(log, TW_NETSIM_NO_FLOW, 0, 0, 60));
	free(log);
}
