/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/* Things by number: never twice the same, lists that go on while things leave. */
#include <criterion/criterion.h>

#include "idtab.h"

#define MANY 5000

static struct tw_idtab tab;
static int thing[MANY];

Test(idtab, numbers_rise_and_find_their_thing)
{
	uint32_t i;

	for (i = 0; i < MANY; i++)
		cr_assert_eq(tw_idtab_add(&tab, &thing[i]), i + 1);
	for (i = 0; i < MANY; i++)
		cr_assert_eq(tw_idtab_find(&tab, i + 1), &thing[i]);
	cr_assert_null(tw_idtab_find(&tab, 0));
	cr_assert_null(tw_idtab_find(&tab, MANY + 1));
	tw_idtab_fini(&tab);
}

Test(idtab, a_number_is_not_used_again)
{
	uint32_t id = tw_idtab_add(&tab, &thing[0]);

	tw_idtab_remove(&tab, id);
	tw_idtab_remove(&tab, id);
	cr_assert_null(tw_idtab_find(&tab, id));
	cr_assert_eq(tw_idtab_add(&tab, &thing[1]), id + 1);
	cr_assert_eq(tab.live, 1);
	tw_idtab_fini(&tab);
}

Test(idtab, a_list_goes_on_while_things_leave)
{
	uint32_t i, id, seen = 0;
	int *p;

	for (i = 0; i < MANY; i++)
		tw_idtab_add(&tab, &thing[i]);
	for (id = 0; (p = tw_idtab_next(&tab, &id)) != NULL; id++) {
		cr_assert_eq(p, &thing[id - 1]);
		seen++;
		tw_idtab_remove(&tab, id);            /* its own */
		tw_idtab_remove(&tab, MANY + 1 - id); /* one ahead, then one that is gone */
	}
	cr_assert_eq(seen, MANY / 2);
	cr_assert_eq(tab.live, 0);
	tw_idtab_fini(&tab);
}
