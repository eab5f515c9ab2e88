/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Two lcores with a CPU and a queue each, one plane, one session table, while control makes and
 * removes sessions: their rate together against that of one alone, in turns. Each lcore makes the
 * packets of its own queue and times what it works, so preemption by control is inside.
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

#include <rte_launch.h>

#include "bench.h"

#define ROUNDS     5
#define ROUND_MS   200
#define CHURN_CNT  16      /* sessions made and removed at a time, ... */
#define CHURN_NS   4000000 /* ... so often: there is no CPU for control alone here */
#define CHURN_LIVE 512
#define EVERY      64

/* One lcore's side; @p r is a copy of the rig with numbers of its own. */
struct lane {
	struct rig r;
	unsigned queue;
	uint64_t end_tsc;
	uint64_t packets, work_tsc;
};

/* Control's side. */
struct churn {
	struct rig *r;
	atomic_bool stop;
	uint64_t made;
};

static uint64_t
lane_work(struct lane *l)
{
	struct tw_dp_lcore *lc =
		tw_dp_lcore_at(l->r.dp, (unsigned)tw_dp_port_lcore(l->r.dp, 0, l->queue));
	const uint64_t begin_tsc = rte_rdtsc();

	while (rig_turn(&l->r, lc) > 0)
		;
	return rte_rdtsc() - begin_tsc;
}

static int
lane_run(void *arg)
{
	struct lane *l = arg;
	struct tw_dp_lcore *lc =
		tw_dp_lcore_at(l->r.dp, (unsigned)tw_dp_port_lcore(l->r.dp, 0, l->queue));

	tw_dp_online(lc);
	l->packets = l->work_tsc = 0;
	while ((int64_t)(rte_rdtsc() - l->end_tsc) < 0) {
		const unsigned n = batch_make(&l->r, l->queue, BATCH);

		l->work_tsc += lane_work(l);
		batch_check(&l->r, l->queue, n, EVERY);
		l->packets += n;
	}
	tw_dp_offline(lc);
	return 0;
}

static void *
churn_run(void *arg)
{
	const struct timespec pause = {.tv_nsec = CHURN_NS};
	struct tw_refl_sess *s[CHURN_LIVE] = {NULL};
	struct churn *c = arg;
	unsigned at = 0;

	while (!atomic_load(&c->stop)) {
		for (unsigned i = 0; i < CHURN_CNT; i++, at = (at + 1) % CHURN_LIVE) {
			if (s[at] != NULL)
				tw_dp_refl_retire(c->r->dp, s[at], NULL, NULL);
			s[at] = rig_reflector(c->r, 100000 + at, at % QUEUES);
			c->made++;
		}
		(void)tw_dp_poll(c->r->dp);
		nanosleep(&pause, NULL);
	}
	for (unsigned i = 0; i < CHURN_LIVE; i++)
		if (s[i] != NULL)
			tw_dp_refl_retire(c->r->dp, s[i], NULL, NULL);
	return NULL;
}

/* Control may run on any CPU: it is not one of the measured ones' own. */
static void
churn_start(struct churn *c, pthread_t *thread)
{
	cpu_set_t all;

	CPU_ZERO(&all);
	for (int i = 0; i < CPU_SETSIZE; i++)
		CPU_SET(i, &all);
	need(pthread_create(thread, NULL, churn_run, c) == 0, "no thread for control");
	(void)pthread_setaffinity_np(*thread, sizeof(all), &all);
}

static double
pps(const struct lane *l, double hz)
{
	return (double)l->packets * hz / (double)l->work_tsc;
}

/* Packets per second of lane 0 alone, or of both. */
static double
round_run(struct bench *b, struct lane *lane, bool is_both)
{
	const uint64_t end_tsc = rte_rdtsc() + (uint64_t)(b->hz * ROUND_MS / 1000);
	double rate;

	lane[0].end_tsc = lane[1].end_tsc = end_tsc;
	if (is_both)
		need(rte_eal_remote_launch(lane_run, &lane[1], (unsigned)b->lcore2) == 0,
			"second lcore did not start");
	(void)lane_run(&lane[0]);
	rate = pps(&lane[0], b->hz);
	if (is_both) {
		(void)rte_eal_wait_lcore((unsigned)b->lcore2);
		rate += pps(&lane[1], b->hz);
	}
	return rate;
}

void
run_lcores(struct bench *b, const struct bench_case *c, struct bench_result *res)
{
	struct rig *r = rig_new(b, c, QUEUES);
	struct lane *lane = calloc(QUEUES, sizeof(*lane));
	double cyc[ROUNDS], ratio[ROUNDS], one, both;
	struct bench_result ratios = {0};
	struct churn churn = {.r = r};
	uint64_t begin_tsc;
	pthread_t control;

	need(lane != NULL, "no memory");
	for (unsigned q = 0; q < QUEUES; q++) {
		lane[q].r = *r;
		lane[q].queue = q;
		tw_dp_offline(tw_dp_lcore_at(r->dp, q));
	}
	begin_tsc = rte_rdtsc();
	churn_start(&churn, &control);
	(void)round_run(b, lane, true);
	for (unsigned i = 0; i < ROUNDS; i++) {
		one = round_run(b, lane, false);
		both = round_run(b, lane, true);
		cyc[i] = b->hz / both;
		ratio[i] = both / one;
		res->packets += lane[0].packets + lane[1].packets;
	}
	atomic_store(&churn.stop, true);
	(void)pthread_join(control, NULL);
	r->create_per_s = (double)churn.made * b->hz / (double)(rte_rdtsc() - begin_tsc);
	for (unsigned q = 0; q < QUEUES; q++) {
		tw_dp_online(tw_dp_lcore_at(r->dp, q));
		r->checked += lane[q].r.checked;
	}
	runs_sum(cyc, ROUNDS, res);
	runs_sum(ratio, ROUNDS, &ratios);
	res->ratio = ratios.cyc;
	res->ratio_of = "one lcore";
	free(lane);
	rig_free(r, res);
}
