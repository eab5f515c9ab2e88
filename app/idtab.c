/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * A sorted array with holes: appending is cheap since numbers rise, finding is a binary search,
 * holes are closed when they are the majority.
 */
#include "idtab.h"

#include <stdlib.h>

#define SIZE_MIN 64

/* Position of the first row whose id is not below. */
static size_t
lower_bound(const struct tw_idtab *t, uint32_t id)
{
	size_t lo = 0, hi = t->len, mid;

	while (lo < hi) {
		mid = lo + (hi - lo) / 2;
		if (t->row[mid].id < id)
			lo = mid + 1;
		else
			hi = mid;
	}
	return lo;
}

static void
close_holes(struct tw_idtab *t)
{
	size_t i, to = 0;

	for (i = 0; i < t->len; i++)
		if (t->row[i].p != NULL)
			t->row[to++] = t->row[i];
	t->len = to;
}

uint32_t
tw_idtab_add(struct tw_idtab *t, void *p)
{
	size_t size = t->size > 0 ? t->size * 2 : SIZE_MIN;
	struct tw_idtab_row *row;

	if (t->len == t->size) {
		row = realloc(t->row, size * sizeof(*row));
		if (row == NULL)
			return 0;
		t->row = row;
		t->size = size;
	}
	t->row[t->len++] = (struct tw_idtab_row){.id = ++t->last_id, .p = p};
	t->live++;
	return t->last_id;
}

void *
tw_idtab_find(const struct tw_idtab *t, uint32_t id)
{
	size_t i = lower_bound(t, id);

	return i < t->len && t->row[i].id == id ? t->row[i].p : NULL;
}

void
tw_idtab_remove(struct tw_idtab *t, uint32_t id)
{
	size_t i = lower_bound(t, id);

	if (i == t->len || t->row[i].id != id || t->row[i].p == NULL)
		return;
	t->row[i].p = NULL;
	t->live--;
	if (t->len > SIZE_MIN && t->live < t->len / 2)
		close_holes(t);
}

void *
tw_idtab_next(const struct tw_idtab *t, uint32_t *id)
{
	size_t i;

	for (i = lower_bound(t, *id); i < t->len; i++) {
		if (t->row[i].p == NULL)
			continue;
		*id = t->row[i].id;
		return t->row[i].p;
	}
	return NULL;
}

void
tw_idtab_fini(struct tw_idtab *t)
{
	free(t->row);
	*t = (struct tw_idtab){.row = NULL};
}
