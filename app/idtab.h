/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Things by number: numbers rise and are never used again within a run, so that a list can be
 * paged while it changes and a stale number finds nothing rather than somebody else.
 *
 * Context: one thread; plain memory.
 */
#ifndef TW_IDTAB_H
#define TW_IDTAB_H

#include <stddef.h>
#include <stdint.h>

/* Zeroed memory is an empty table. */
struct tw_idtab {
	struct tw_idtab_row {
		uint32_t id;
		void *p; /* NULL: removed */
	} * row;         /* by rising id */
	size_t len;      /* rows in use, removed ones included */
	size_t size;
	size_t live;
	uint32_t last_id;
};

/** @return the number, 1 or more; 0 without memory */
uint32_t tw_idtab_add(struct tw_idtab *t, void *p);

/** @return NULL if there is none */
void *tw_idtab_find(const struct tw_idtab *t, uint32_t id);

/** Fine if it is not there. */
void tw_idtab_remove(struct tw_idtab *t, uint32_t id);

/** First thing whose number is @p *id or higher, its number in @p *id; NULL past the end. */
void *tw_idtab_next(const struct tw_idtab *t, uint32_t *id);

/** Free the table; the things are the caller's. */
void tw_idtab_fini(struct tw_idtab *t);

#endif /* TW_IDTAB_H */
