/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The session table alone: against a model, at its limit, with flows that meet in one bucket, and
 * with a reader beside the writer.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "bed.h"
#include "dp_i.h"
#include "table.h"

#define REACH 65 /* buckets that entries of one may take */

struct flows {
	struct table t;
	struct tw_refl_sess *sess;
	bool *is_in;
	uint32_t cnt;
};

static struct tw_sess_key
key_of(uint32_t src, uint16_t port)
{
	struct tw_addr a = {.family = TW_ADDR_V4}, b = {.family = TW_ADDR_V4};

	tw_store_be32(a.b, src);
	tw_store_be32(b.b, 0xc0000201);
	return tw_sess_key_make(0, &a, port, &b, 862);
}

/* A table for @p max of @p cnt sessions, each with a key of its own. */
static struct flows *
flows_new(uint32_t max, uint32_t cnt)
{
	struct flows *f = calloc(1, sizeof(*f));
	static bool has_eal;

	if (!has_eal)
		bed_eal();
	has_eal = true;
	f->cnt = cnt;
	f->sess = aligned_alloc(TW_CACHE_LINE, cnt * sizeof(*f->sess));
	f->is_in = calloc(cnt, sizeof(*f->is_in));
	cr_assert(f->sess != NULL && f->is_in != NULL);
	memset(f->sess, 0, cnt * sizeof(*f->sess));
	for (uint32_t i = 0; i < cnt; i++) {
		f->sess[i].s.key = key_of(0x0a000000 + i / 7, (uint16_t)(1024 + i % 7));
		f->sess[i].s.role = i % 3 == 0 ? TW_SESS_ROLE_SENDER : TW_SESS_ROLE_REFLECTOR;
		f->sess[i].s.owner_idx = (uint8_t)(i % TW_DP_LCORES_MAX);
	}
	cr_assert_eq(table_init(&f->t, max, SOCKET_ID_ANY), 0);
	return f;
}

static void
flows_free(struct flows *f)
{
	table_fini(&f->t);
	free(f->is_in);
	free(f->sess);
	free(f);
}

static int
flow_add(struct flows *f, uint32_t i)
{
	const int res = table_add(&f->t, &f->sess[i].s);

	if (res == 0)
		f->is_in[i] = true;
	return res;
}

static void
flow_del(struct flows *f, uint32_t i)
{
	table_del(&f->t, &f->sess[i].s);
	f->is_in[i] = false;
}

/* A look-up of @p n sessions says what the model says. */
static void
flows_check(const struct flows *f, const uint32_t *idx, unsigned n)
{
	struct tw_sess_key key[BURST];
	uint64_t entry[BURST];

	for (unsigned i = 0; i < n; i++)
		key[i] = f->sess[idx[i]].s.key;
	table_find(&f->t, key, n, entry);
	for (unsigned i = 0; i < n; i++) {
		const struct tw_sess *s = &f->sess[idx[i]].s;

		if (!f->is_in[idx[i]]) {
			cr_assert_eq(entry[i], ENTRY_NONE, "session %u", idx[i]);
			continue;
		}
		cr_assert_eq(entry_sess(entry[i]), s, "session %u", idx[i]);
		cr_assert_eq(entry_owner(entry[i]), s->owner_idx);
		cr_assert_eq(entry[i] & ENTRY_SENDER, s->role == TW_SESS_ROLE_SENDER);
	}
}

static void
flows_check_all(const struct flows *f)
{
	uint32_t idx[BURST];

	for (uint32_t at = 0; at < f->cnt; at += BURST) {
		const unsigned n = RTE_MIN(f->cnt - at, (uint32_t)BURST);

		for (unsigned i = 0; i < n; i++)
			idx[i] = at + i;
		flows_check(f, idx, n);
	}
}

/* No entry, no mark of one that passed. */
static void
flows_check_empty(const struct flows *f)
{
	cr_assert_eq(f->t.cnt, 0);
	for (uint32_t b = 0; b <= f->t.mask; b++) {
		for (unsigned i = 0; i < TABLE_SLOTS; i++)
			cr_assert_eq(tw_xcore_word_get(&f->t.bucket[b].slot[i]), ENTRY_NONE);
		cr_assert_eq(tw_xcore_word_get(&f->t.bucket[b].passed), 0, "bucket %u", b);
	}
}

/* The bucket a key belongs to: where it is put when nothing else is there. */
static uint32_t
bucket_of(struct flows *f, uint32_t i)
{
	uint32_t b = 0;

	cr_assert_eq(table_add(&f->t, &f->sess[i].s), 0);
	while (entry_sess(tw_xcore_word_get(&f->t.bucket[b].slot[0])) != &f->sess[i].s)
		b++;
	table_del(&f->t, &f->sess[i].s);
	return b;
}

/* Indices of sessions that belong to bucket @p b; all others are left out. @return how many */
static uint32_t
collide(struct flows *f, uint32_t b, uint32_t *idx, uint32_t max)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < f->cnt && n < max; i++)
		if (bucket_of(f, i) == b)
			idx[n++] = i;
	return n;
}

Test(flows, churn_agrees_with_a_model)
{
	struct flows *f = flows_new(2000, 3000);
	uint64_t rnd = 7;
	uint32_t idx[BURST], in = 0;

	for (unsigned step = 0; step < 200000; step++) {
		const uint32_t i = (uint32_t)(check_rand(&rnd) % f->cnt);

		if (f->is_in[i] && check_rand(&rnd) % 4 == 0) {
			cr_assert_eq(table_add(&f->t, &f->sess[i].s), -EEXIST);
		} else if (f->is_in[i]) {
			flow_del(f, i);
			in--;
		} else {
			cr_assert_eq(flow_add(f, i), in == 2000 ? -ENOSPC : 0);
			in += f->is_in[i];
		}
		cr_assert_eq(f->t.cnt, in);
		if (step % 16 != 0)
			continue;
		/* runs of the same flow in a burst, too */
		for (unsigned k = 0; k < BURST; k++)
			idx[k] = k > 0 && check_rand(&rnd) % 2 == 0
					 ? idx[k - 1]
					 : (uint32_t)(check_rand(&rnd) % f->cnt);
		flows_check(f, idx, 1 + (unsigned)(check_rand(&rnd) % BURST));
	}
	flows_check_all(f);
	for (uint32_t i = 0; i < f->cnt; i++)
		flow_del(f, i);
	flows_check_empty(f);
	flows_free(f);
}

Test(flows, takes_all_it_promises_and_no_more)
{
	/* the fullest buckets there are: five sessions each */
	const uint32_t max = 5 * 4096;
	struct flows *f = flows_new(max, max + 100);

	cr_assert_eq(f->t.mask, 4095);
	for (uint32_t i = 0; i < max; i++)
		cr_assert_eq(flow_add(f, i), 0, "session %u", i);
	for (uint32_t i = max; i < f->cnt; i++)
		cr_assert_eq(flow_add(f, i), -ENOSPC);
	flows_check_all(f);
	flow_del(f, 4711);
	flow_del(f, 4711); /* not there any more: no effect */
	cr_assert_eq(f->t.cnt, max - 1);
	cr_assert_eq(flow_add(f, max), 0);
	flows_check_all(f);
	flows_free(f);
}

/* Flows as an attacker can choose them: neighbours in every field. He does not know the key of the
 * hash, so none of them may crowd: far fewer than a look-up bears lie beyond the next bucket. */
Test(flows, neighbours_do_not_crowd)
{
	for (unsigned kind = 0; kind < 4; kind++) {
		const uint32_t max = 5 * 2048;
		struct flows *f = flows_new(max, max);
		uint64_t passed = 0;

		for (uint32_t i = 0; i < max; i++) {
			const uint32_t src =
				kind == 0 ? 0x0a000001 : 0x0a000000 + (i << 8 * (kind - 1));

			f->sess[i].s.key = key_of(src, kind == 0 ? (uint16_t)(i + 1) : 5000);
			cr_assert_eq(flow_add(f, i), 0, "kind %u, session %u", kind, i);
		}
		flows_check_all(f);
		for (uint32_t b = 0; b <= f->t.mask; b++)
			passed += tw_xcore_word_get(&f->t.bucket[b].passed);
		cr_assert_lt(passed, max / 2, "kind %u: %lu passed", kind, passed);
		flows_free(f);
	}
}

/* Should he know it: a bucket's flows fill so many buckets, then are refused; the rest goes on. */
Test(flows, a_crowded_bucket_stays_bounded)
{
	struct flows *f = flows_new(5 * 128, 80000);
	uint32_t idx[REACH * TABLE_SLOTS + 10], n;
	uint64_t rnd = 3;

	n = collide(f, 5, idx, TW_ARRAY_SIZE(idx));
	cr_assert_eq(n, TW_ARRAY_SIZE(idx));
	for (uint32_t k = 0; k < n; k++)
		cr_assert_eq(flow_add(f, idx[k]), k < REACH * TABLE_SLOTS ? 0 : -ENOSPC, "%u", k);
	for (uint32_t k = 0; k < n; k++)
		flows_check(f, &idx[k], 1);
	/* others of the same region find room behind, in any order of coming and going */
	for (unsigned step = 0; step < 5000; step++) {
		const uint32_t k = (uint32_t)(check_rand(&rnd) % n);

		if (f->is_in[idx[k]])
			flow_del(f, idx[k]);
		else
			(void)flow_add(f, idx[k]);
		flows_check(f, &idx[check_rand(&rnd) % n], 1);
	}
	for (uint32_t k = 0; k < n; k++)
		flow_del(f, idx[k]);
	flows_check_empty(f);
	flows_free(f);
}

/* The smallest table: chains go round its end and may come back to where they began. */
Test(flows, the_smallest_table_wraps)
{
	struct flows *f = flows_new(40, 4000);
	uint32_t idx[48], n;

	cr_assert_eq(f->t.mask, 7);
	n = collide(f, 6, idx, TW_ARRAY_SIZE(idx));
	cr_assert_eq(n, TW_ARRAY_SIZE(idx));
	for (uint32_t k = 0; k < n; k++)
		cr_assert_eq(flow_add(f, idx[k]), k < 40 ? 0 : -ENOSPC);
	flows_check_all(f);
	for (uint32_t k = 0; k < n; k += 2)
		flow_del(f, idx[k]);
	flows_check_all(f);
	for (uint32_t k = 0; k < n; k++)
		flow_del(f, idx[k]);
	flows_check_empty(f);
	flows_free(f);
}

struct reader {
	struct flows *f;
	atomic_bool stop;
	uint32_t stays; /* a session that is there all the time */
	uint64_t looked_up, missed;
};

static void *
reader_run(void *arg)
{
	struct reader *r = arg;
	struct tw_sess_key key = r->f->sess[r->stays].s.key;
	uint64_t entry;
	cpu_set_t all;

	/* the test itself runs on one CPU */
	memset(&all, 0xff, sizeof(all));
	(void)pthread_setaffinity_np(pthread_self(), sizeof(all), &all);
	while (!atomic_load(&r->stop)) {
		table_find(&r->f->t, &key, 1, &entry);
		r->missed += entry_sess(entry) != &r->f->sess[r->stays].s;
		r->looked_up++;
	}
	return NULL;
}

/* One that lies behind others of its bucket is found while those come and go. */
Test(flows, a_reader_never_misses_one_that_stays)
{
	struct flows *f = flows_new(5 * 128, 20000);
	struct reader r = {.f = f};
	uint32_t idx[3 * TABLE_SLOTS], n;
	pthread_t thread;
	uint64_t rnd = 5;

	n = collide(f, 9, idx, TW_ARRAY_SIZE(idx));
	cr_assert_eq(n, TW_ARRAY_SIZE(idx));
	for (uint32_t k = 0; k < n; k++)
		cr_assert_eq(flow_add(f, idx[k]), 0);
	r.stays = idx[n - 1];
	cr_assert_eq(pthread_create(&thread, NULL, reader_run, &r), 0);
	for (unsigned step = 0; step < 1000000; step++) {
		const uint32_t k = (uint32_t)(check_rand(&rnd) % (n - 1));

		if (f->is_in[idx[k]])
			flow_del(f, idx[k]);
		else
			cr_assert_eq(flow_add(f, idx[k]), 0);
	}
	atomic_store(&r.stop, true);
	pthread_join(thread, NULL);
	cr_assert_eq(r.missed, 0, "%lu of %lu", r.missed, r.looked_up);
	cr_assert_gt(r.looked_up, 0);
	flows_free(f);
}
