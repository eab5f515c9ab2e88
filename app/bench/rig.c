/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * EAL, a clock, a port made of rings, and the plane of one case with its sessions.
 */
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_eth_ring.h>
#include <rte_ethdev.h>
#include <rte_malloc.h>

#include "bench.h"
#ifdef TW_DP_PHASES
#include "dp_i.h"
#endif

#define RING_CNT    1024
#define MBUFS       8191
#define MTU         1500
#define HEAP_SIZE   (4u << 20)
#define HZ_WAIT_NS  50000000
#define EE_ERROR_NS 1000
#define PORT_US     862
#define SCOPE_PORT  0

/* EAL -------------------------------------------------------------------------------------- */

/* Data lcores on the last CPUs we may use: the first ones serve most interrupts. */
static unsigned
cpus_pick(char *lcores, size_t size)
{
	int cpu[2] = {0, 0};
	unsigned cnt = 0;
	cpu_set_t set;

	need(sched_getaffinity(0, sizeof(set), &set) == 0, "sched_getaffinity");
	for (int i = CPU_SETSIZE - 1; i >= 0 && cnt < 2; i--)
		if (CPU_ISSET(i, &set))
			cpu[cnt++] = i;
	if (cnt == 2)
		snprintf(lcores, size, "0@%d,1@%d", cpu[0], cpu[1]);
	else
		snprintf(lcores, size, "0@%d", cpu[0]);
	return cnt;
}

static bool
has_hugepages(void)
{
	FILE *f = fopen("/sys/kernel/mm/hugepages/hugepages-2048kB/free_hugepages", "r");
	unsigned n = 0;

	if (f != NULL) {
		if (fscanf(f, "%u", &n) != 1)
			n = 0;
		fclose(f);
	}
	return n >= 128;
}

static void
eal_start(struct bench *b, const char *argv0)
{
	char name[64], lcores[64], huge[] = "--in-memory", none[] = "--no-huge", m[] = "-m",
				   mem[] = "1024";
	char *argv[16] = {name};
	int argc = 1;

	static char args[][16] = {"--no-pci", "--no-telemetry", "--log-level", "error", "--lcores"};
	snprintf(name, sizeof(name), "%s", argv0);
	b->cpus = cpus_pick(lcores, sizeof(lcores));
	if (has_hugepages()) {
		argv[argc++] = huge;
	} else {
		fprintf(stderr, "no 128 free hugepages of 2 MiB: figures will be worse\n");
		argv[argc++] = none;
		argv[argc++] = m;
		argv[argc++] = mem;
	}
	for (unsigned i = 0; i < TW_ARRAY_SIZE(args); i++)
		argv[argc++] = args[i];
	argv[argc++] = lcores;
	need(rte_eal_init(argc, argv) >= 0, "EAL did not start: run as root, with hugepages");
	b->lcore2 = b->cpus > 1 ? 1 : -1;
}

/* The clock ---------------------------------------------------------------------------------- */

static int64_t
mono_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC_RAW, &ts);
	return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

/* rte_get_tsc_hz() is rounded: measure. */
static void
clock_make(struct bench *b)
{
	int64_t ns0 = mono_ns(), ns1;
	uint64_t tsc0 = rte_rdtsc(), tsc1;
	struct timespec utc;

	do {
		ns1 = mono_ns();
		tsc1 = rte_rdtsc();
	} while (ns1 - ns0 < HZ_WAIT_NS);
	b->hz = (double)(tsc1 - tsc0) * 1e9 / (double)(ns1 - ns0);
	clock_gettime(CLOCK_REALTIME, &utc);
	b->clock = (struct tw_clock){.tsc0 = rte_rdtsc(),
		.ns0 = utc.tv_sec * INT64_C(1000000000) + utc.tv_nsec,
		.rate = (int64_t)(1e9 / b->hz * (double)(1ULL << TW_CLOCK_RATE_SHIFT)),
		.growth = (int64_t)(1e-7 * 1e9 / b->hz * (double)(1ULL << TW_CLOCK_RATE_SHIFT)),
		.ticks_per_ns = (uint64_t)(b->hz / 1e9 * (double)(1ULL << TW_CLOCK_TICK_SHIFT)),
		.tsc_hz = (uint64_t)b->hz,
		.ee_span_tsc = UINT64_MAX >> 2,
		.horizon_tsc = UINT64_MAX >> 2,
		.stamp_error_ns = 100,
		.sync_error_ns = EE_ERROR_NS - 100,
		.epoch = 1,
		.is_synced = true};
	b->clock.ee = tw_clock_ee_encode(EE_ERROR_NS, true);
}

/* Crypto ------------------------------------------------------------------------------------- */

struct tw_engine *
engine_new(const char *name)
{
	const struct tw_engine_ops *ops = tw_engine_find(name);
	struct tw_engine *eng = NULL;
	void *mem;

	if (ops == NULL)
		die("no engine '%s'", name);
	mem = tw_crypto_map(tw_engine_size(ops));
	need(mem != NULL && tw_engine_init(ops, mem, tw_engine_size(ops), &eng) == 0,
		"crypto engine did not start");
	return eng;
}

static void
keys_make(struct bench *b)
{
	b->keys = tw_crypto_map(KEYS_CNT * sizeof(*b->keys));
	b->tkey = tw_crypto_map(KEYS_CNT * sizeof(*b->tkey));
	need(b->keys != NULL && b->tkey != NULL, "no locked memory for keys (ulimit -l)");
	for (unsigned i = 0; i < KEYS_CNT; i++)
		need(tw_crypto_keys_random(&b->keys[i]) == 0 &&
				tw_crypto_tkey_init(&b->tkey[i], &b->keys[i]) == 0,
			"keys could not be made");
}

/* Rings -------------------------------------------------------------------------------------- */

static void
rings_make(struct bench *b)
{
	char name[32];

	for (unsigned q = 0; q < QUEUES; q++) {
		snprintf(name, sizeof(name), "bench_in%u", q);
		b->in[q] = rte_ring_create(
			name, RING_CNT, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
		snprintf(name, sizeof(name), "bench_out%u", q);
		b->out[q] = rte_ring_create(
			name, RING_CNT, SOCKET_ID_ANY, RING_F_SP_ENQ | RING_F_SC_DEQ);
		need(b->in[q] != NULL && b->out[q] != NULL, "no memory for rings");
	}
	need(rte_eth_from_rings("bench", b->in, QUEUES, b->out, QUEUES, 0) >= 0,
		"ring device could not be made");
	snprintf(b->port_dev, sizeof(b->port_dev), "net_ring_bench");
	b->pool = rte_pktmbuf_pool_create(
		"bench", MBUFS, 512, 0, RTE_PKTMBUF_HEADROOM + 2048, SOCKET_ID_ANY);
	need(b->pool != NULL, "no memory for packet buffers: reserve hugepages");
}

void
bench_init(struct bench *b, const char *argv0)
{
	char why[256] = "";

	need(tw_crypto_init(HEAP_SIZE, why, sizeof(why)) == 0, why);
	eal_start(b, argv0);
	clock_make(b);
	keys_make(b);
	for (unsigned q = 0; q < QUEUES; q++) {
		b->ref[q] = engine_new("openssl");
		b->gen[q] = engine_new("ipsec-mb");
	}
	rings_make(b);
}

/* A case ------------------------------------------------------------------------------------- */

size_t
rig_memory(void)
{
	struct rte_malloc_socket_stats st = {0};
	unsigned long pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");

	if (f != NULL) {
		if (fscanf(f, "%*u %lu", &pages) != 1)
			pages = 0;
		fclose(f);
	}
	(void)rte_malloc_get_socket_stats((int)rte_socket_id(), &st);
	return pages * (size_t)sysconf(_SC_PAGESIZE) + st.heap_allocsz_bytes;
}

static void
port_open(struct rig *r)
{
	const struct tw_port_env env = {.lcore_cnt = r->lcore_cnt, .socket_id = SOCKET_ID_ANY};
	struct tw_port_cfg cfg = {.idx = SCOPE_PORT,
		.name = "bench",
		.profile = "ring",
		.attach = TW_PORT_SHARED,
		.mtu = MTU,
		.queue_cnt = (uint16_t)r->lcore_cnt,
		.desc_cnt = 128};
	char err[TW_PORT_ERR_SIZE];

	snprintf(cfg.dev, sizeof(cfg.dev), "%s", r->b->port_dev);
	if (tw_port_open(&cfg, &env, err, &r->port) != 0)
		die("%s", err);
	need(tw_dp_port_add(r->dp, r->port) == 0, "port could not be added");
}

struct rig *
rig_new(struct bench *b, const struct bench_case *c, unsigned lcore_cnt)
{
	const bool is_refl = c->work != WORK_SEND && c->work != WORK_SEND_COLLECT &&
			     c->work != WORK_COLLECT && c->work != WORK_PACING;
	struct rig *r = calloc(1, sizeof(*r));
	struct tw_dp_cfg cfg = {.lcore_cnt = lcore_cnt,
		.refl_max = is_refl ? c->sessions * lcore_cnt + 4096 : 64,
		.send_max = is_refl ? 64 : c->sessions + 64,
		.engine = b->opts.engine,
		.clock = b->clock,
		.seed = {1, 2, 3, 4},
		.socket_id = SOCKET_ID_ANY};
	char err[TW_DP_ERR_SIZE];
	const size_t before = rig_memory();

	need(r != NULL, "no memory");
	r->b = b;
	r->c = c;
	r->rng = 1;
	r->lcore_cnt = lcore_cnt;
	if (tw_dp_new(&cfg, err, &r->dp) != 0)
		die("%s", err);
	r->seq = calloc((size_t)c->sessions * lcore_cnt, sizeof(*r->seq));
	r->rep_seq = calloc((size_t)c->sessions * lcore_cnt, sizeof(*r->rep_seq));
	need(r->seq != NULL && r->rep_seq != NULL, "no memory");
	for (unsigned i = 0; i < lcore_cnt; i++)
		need(tw_dp_enter(tw_dp_lcore_at(r->dp, i)) == 0, "lcore could not enter");
	port_open(r);
	if (is_refl && c->work < WORK_IO) {
		rig_reflectors(r);
		r->session_octets =
			(double)(rig_memory() - before) / ((double)c->sessions * lcore_cnt);
	}
	return r;
}

struct tw_sess_key
rig_key(uint32_t sess, unsigned queue)
{
	const struct tw_dp_scope scope = {.port_idx = SCOPE_PORT};
	struct tw_addr peer = {.family = TW_ADDR_V4}, us = {.family = TW_ADDR_V4};

	tw_store_be32(peer.b, (10u << 24) + (queue << 22) + sess);
	tw_store_be32(us.b, 0xc0000201);
	return tw_sess_key_make(
		tw_dp_scope_id(&scope), &peer, (uint16_t)(20000 + sess % 1000), &us, PORT_US);
}

struct tw_refl_sess *
rig_reflector(struct rig *r, uint32_t sess, unsigned queue)
{
	const struct tw_dp_scope scope = {.port_idx = SCOPE_PORT};
	const struct tw_refl_cfg cfg = {.key = rig_key(sess, queue),
		.fmt = r->c->fmt,
		.id = sess,
		.dscp = 46,
		.owner_idx = (uint8_t)tw_dp_port_lcore(r->dp, SCOPE_PORT, queue),
		.keys = r->c->fmt->prot != TW_TST_PROT_OPEN ? &r->b->keys[sess % KEYS_CNT] : NULL};
	struct tw_refl_sess *s = tw_dp_refl_new(r->dp);

	need(s != NULL, "no memory for sessions (ulimit -l)");
	need(tw_refl_sess_init(s, &cfg) == 0, "session could not be made");
	tw_refl_sess_start(s);
	need(tw_dp_refl_publish(r->dp, s, &scope) == 0, "session could not be published");
	return s;
}

void
rig_reflectors(struct rig *r)
{
	const uint32_t cnt = r->c->sessions;
	const uint64_t begin_tsc = rte_rdtsc();

	r->refl = calloc((size_t)cnt * r->lcore_cnt, sizeof(struct tw_refl_sess *));
	need(r->refl != NULL, "no memory");
	for (unsigned q = 0; q < r->lcore_cnt; q++)
		for (uint32_t i = 0; i < cnt; i++)
			r->refl[q * cnt + i] = rig_reflector(r, i, q);
	r->create_per_s = cnt * r->lcore_cnt / ((double)(rte_rdtsc() - begin_tsc) / r->b->hz);
}

uint64_t
rig_pairs(const struct rig *r)
{
	struct tw_dp_stats st;

	tw_dp_stats_get(r->dp, tw_dp_lcore_cnt(r->dp), &st);
	return st.pairs_filled;
}

/* Cycles per packet of each phase, on stderr; begin with packets 0. */
void
rig_phases(const struct rig *r, uint64_t packets)
{
#ifdef TW_DP_PHASES
	static const char *const names[PHASE_N] = {"turn", "rx", "parse", "lookup", "cksum",
		"verify", "build", "protect", "headers", "stamp", "tx", "finish", "pairs"};
	struct tw_dp_lcore *lc = tw_dp_lcore_at(r->dp, 0);

	for (unsigned i = 0; i < PHASE_N; i++) {
		if (packets > 0)
			fprintf(stderr, "%s %.1f  ", names[i],
				(double)lc->phases.sum_tsc[i] / (double)packets);
		lc->phases.sum_tsc[i] = 0;
	}
	if (packets > 0)
		fprintf(stderr, "\n");
#else
	(void)r;
	(void)packets;
#endif
}

/* All lcores, driven from here: none of them may be in a thread of its own now. */
static unsigned
turn_all(struct rig *r)
{
	unsigned n = 0;

	for (unsigned i = 0; i < r->lcore_cnt; i++)
		n += rig_turn(r, tw_dp_lcore_at(r->dp, i));
	return n + tw_dp_poll(r->dp);
}

/* Frames nobody is interested in any more. */
void
rig_drain(struct rig *r)
{
	struct rte_mbuf *m;

	for (unsigned q = 0; q < QUEUES; q++) {
		while (rte_ring_dequeue(r->b->in[q], (void **)&m) == 0)
			rte_pktmbuf_free(m);
		while (rte_ring_dequeue(r->b->out[q], (void **)&m) == 0)
			rte_pktmbuf_free(m);
	}
}

/* Everything must have come back: a leak would make the next case another one. */
void
rig_free(struct rig *r, struct bench_result *res)
{
	const uint32_t cnt = r->refl != NULL ? r->c->sessions * r->lcore_cnt : 0;
	const uint64_t begin_tsc = rte_rdtsc();

	for (uint32_t i = 0; i < cnt; i++) {
		tw_dp_refl_retire(r->dp, r->refl[i], NULL, NULL);
		if (i % 256 == 255)
			(void)turn_all(r);
	}
	while (turn_all(r) > 0)
		;
	if (cnt > 0)
		res->delete_per_s = cnt / ((double)(rte_rdtsc() - begin_tsc) / r->b->hz);
	res->create_per_s = r->create_per_s;
	res->session_octets = r->session_octets;
	res->checked += r->checked;
	need(tw_dp_port_del(r->dp, SCOPE_PORT) == 0, "port could not be taken away");
	while (!tw_dp_port_is_gone(r->dp, SCOPE_PORT))
		(void)turn_all(r);
	for (unsigned i = 0; i < r->lcore_cnt; i++)
		tw_dp_leave(tw_dp_lcore_at(r->dp, i));
	tw_dp_free(r->dp);
	tw_port_close(r->port);
	if (!rte_mempool_full(r->b->pool))
		die("%s: %u packet buffers are missing", r->c->name,
			rte_mempool_in_use_count(r->b->pool));
	free(r->rep_seq);
	free(r->seq);
	free(r->send);
	free(r->refl);
	free(r);
}
