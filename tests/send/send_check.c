/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * See send_check.h.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "send_check.h"

struct check_snd *
check_snd(const char *engine, uint32_t capacity)
{
	static const uint64_t seed[4] = {1, 2, 3, 4};
	struct check_snd *c = check_alloc(sizeof(*c));

	c->eng = check_engine(engine);
	c->snd = tw_send_init(check_alloc(tw_send_size(capacity)), capacity, c->eng, seed);
	return c;
}

void
check_snd_free(struct check_snd *c)
{
	check_engine_free(c->eng);
	free(c->snd);
	free(c);
}

struct tw_send_cfg
check_periodic(uint64_t interval_ns, uint64_t count)
{
	return (struct tw_send_cfg){.fmt = &tw_tst_open,
		.id = 1,
		.law = TW_SEND_PERIODIC,
		.size = 41,
		.interval_ns = interval_ns,
		.count = count,
		.start = {CHECK_T0_NS},
		.report_ns = -1,
		.seed = {1, 2, 3, 4}};
}

unsigned
check_burst(struct check_snd *c, int64_t now_ns, unsigned max, unsigned refused)
{
	struct tw_sess_stamp t1 = check_stamp(now_ns + c->steady.steps_ns);
	unsigned n = tw_send_poll(c->snd, now_ns, c->jobs, max);

	for (unsigned i = 0; i < n; i++) {
		c->jobs[i].payload = c->buf[i];
		c->jobs[i].room = CHECK_ROOM;
		memset(c->buf[i], 0xee, CHECK_ROOM);
	}
	if (n != 0)
		tw_send_build(c->snd, c->jobs, n);
	tw_send_protect(c->snd, c->jobs, n, &t1);
	for (unsigned i = 0; i < n; i++)
		tw_send_stamp(&c->jobs[i], &t1);
	for (unsigned i = n; i-- > 0 && refused > 0; refused--)
		c->jobs[i].is_refused = true;
	c->polled = n;
	return tw_send_finish(c->snd, c->jobs, n, now_ns);
}

uint64_t
check_all_due(struct check_snd *c, int64_t now_ns)
{
	uint64_t sent = 0;

	do {
		sent += check_burst(c, now_ns, TW_BURST_MAX, 0);
	} while (c->polled != 0);
	return sent;
}

struct tw_metrics *
check_metrics(const struct tw_send_cfg *cfg)
{
	const struct tw_metrics_cfg mc = {
		.tmax_ns = cfg->tmax_ns != 0 ? cfg->tmax_ns : TW_SEND_TMAX_NS,
		.timeout_ns = 2 * S,
		.interval_ns = tw_send_cfg_window_interval_ns(cfg, 2 * S),
		.dscp = cfg->dscp};
	size_t size = tw_metrics_size(&mc);
	struct tw_metrics *m;

	static_assert(TW_METRICS_ALIGN <= TW_CACHE_LINE, "check_alloc()");
	cr_assert_neq(size, 0);
	m = tw_metrics_init(check_alloc(size), size, &mc, cfg->start);
	cr_assert_not_null(m);
	return m;
}

struct tw_send_counts
check_counts(const struct tw_send_sess *sess)
{
	struct tw_send_counts c;

	tw_send_sess_counts(sess, &c);
	return c;
}
