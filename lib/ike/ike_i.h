/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The keystore's inside: records by SPIs (sorted, for look-ups) and by serial (a list, for pages
 * and for the newest).
 */
#ifndef IKE_I_H
#define IKE_I_H

#include <sys/queue.h>

#include "tw_ike.h"

#define COMING_MAX 64  /* peers remembered with which an SA is being set up */
#define ENDED_MAX  256 /* SAs remembered that have ended */

struct rec {
	struct tw_ike_sa sa;
	struct tw_secret *key;
	uint64_t list_no; /* listing that saw it last */
	TAILQ_ENTRY(rec) link;
};

TAILQ_HEAD(rec_list, rec);

struct tw_ike_store {
	struct tw_ike_store_cfg cfg;
	struct rec **by_spis;
	unsigned cnt, room;
	struct rec_list list; /* by serial */
	uint64_t list_no;
	unsigned superseded_cnt;
	bool is_lost;
	int64_t lost_until_ns;
	int64_t superseded_until_ns; /* earliest end of a grace period, or before it */
	struct {
		uint64_t serial; /* 0: free */
		struct tw_addr peer;
		int64_t until_ns;
	} coming[COMING_MAX];
	unsigned coming_next;
	struct tw_ike_spis ended[ENDED_MAX]; /* the oldest is overwritten */
	unsigned ended_next;
	struct tw_ike_store_counts counts;
};

/* find.c */
bool ike_is_usable(const struct tw_ike_store *st, const struct rec *r, int64_t now_ns);
/* First index whose SPIs are not below. */
unsigned ike_lower_bound(const struct tw_ike_store *st, const struct tw_ike_spis *spis);
struct rec *ike_rec(const struct tw_ike_store *st, const struct tw_ike_spis *spis);

static inline bool
ike_spis_equal(const struct tw_ike_spis *a, const struct tw_ike_spis *b)
{
	return memcmp(a, b, sizeof(*a)) == 0;
}

#endif /* IKE_I_H */
