/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The queue of sessions: order, removal from any place, capacity, a hundred thousand of them.
 */
#include <criterion/criterion.h>

#include "heap.h"
#include "send_check.h"

/* Only what a heap touches: sessions are large. */
struct fixture {
	struct heap h;
	struct heap_item *item;
	struct tw_send_sess *sess;
	uint32_t size;
};

static void
fixture_init(struct fixture *f, uint32_t size, uint32_t sessions)
{
	f->size = size;
	f->item = check_alloc(size * sizeof(*f->item));
	f->sess = check_alloc(sessions * sizeof(*f->sess));
	heap_init(&f->h, f->item, size, offsetof(struct tw_send_sess, due_pos));
}

static void
check_order(const struct heap *h)
{
	for (uint32_t i = 0; i < h->cnt; i++) {
		cr_assert_eq(h->item[i].sess->due_pos, i + 1);
		if (i != 0)
			cr_assert_leq(h->item[(i - 1) / 4].key_ns, h->item[i].key_ns);
	}
}

Test(heap, random_operations_keep_the_order)
{
	struct fixture f;
	uint64_t seed = 5;

	fixture_init(&f, 50, 60);
	for (unsigned round = 0; round < 20000; round++) {
		struct tw_send_sess *s = &f.sess[check_rand(&seed) % 60];
		bool was_in = heap_has(&f.h, s), full = f.h.cnt == f.size;

		if (check_rand(&seed) % 3 == 0) {
			heap_del(&f.h, s);
			cr_assert_not(heap_has(&f.h, s));
		} else {
			bool ok = heap_set(&f.h, s, (int64_t)(check_rand(&seed) % 100) - 50);

			cr_assert_eq(ok, was_in || !full);
		}
		check_order(&f.h);
	}
}

Test(heap, gives_back_in_order)
{
	const uint32_t n = 100000;
	struct fixture f;
	uint64_t seed = 9;
	int64_t last = INT64_MIN;

	fixture_init(&f, n, n);
	for (uint32_t i = 0; i < n; i++)
		cr_assert(heap_set(&f.h, &f.sess[i], (int64_t)check_rand(&seed)));
	for (uint32_t i = 0; i < n; i += 3)
		heap_del(&f.h, &f.sess[i]);
	for (uint32_t left = f.h.cnt; left > 0; left--) {
		const struct heap_item *top = heap_top(&f.h);

		cr_assert_geq(top->key_ns, last);
		last = top->key_ns;
		heap_del(&f.h, top->sess);
	}
	cr_assert_null(heap_top(&f.h));
}
