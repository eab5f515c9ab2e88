/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The session table: a lock-free hash from the flow of an arriving packet to a session. The
 * control thread is the only writer; data lcores look up in bulk and hold nothing beyond a turn.
 *
 * A value is the address of the record with role and owner in its low bits, so that a frame for
 * another lcore is handed over without touching the session.
 */
#include <errno.h>

#include <rte_errno.h>
#include <rte_hash.h>
#include <rte_hash_crc.h>

#include "dp_i.h"

static_assert(alignof(struct tw_refl_sess) >= 1u << ENTRY_BITS, "low bits of an entry");
static_assert(alignof(struct dp_sender) >= 1u << ENTRY_BITS, "low bits of an entry");
static_assert(TW_DP_LCORES_MAX << ENTRY_OWNER_SHIFT <= 1u << ENTRY_BITS, "owner fits");

/* Outer tag first: one tag is the same number as the inner of two with an outer of zero. */
uint32_t
tw_dp_scope_id(const struct tw_dp_scope *s)
{
	uint32_t vlans = 0;

	for (unsigned i = 0; i < s->vlan_cnt && i < TW_DP_VLANS_MAX; i++)
		vlans = vlans << 12 | (s->vid[i] & 0xfffu);
	return (uint32_t)s->port_idx << 24 | vlans;
}

int
table_new(struct tw_dp *dp)
{
	struct rte_hash_parameters params = {
		.name = "tw_dp_sessions",
		.entries = RTE_MAX(dp->cfg.refl_max + dp->cfg.send_max, 64u),
		.key_len = sizeof(struct tw_sess_key),
		.hash_func = rte_hash_crc,
		.socket_id = dp->cfg.socket_id,
		.extra_flag =
			RTE_HASH_EXTRA_FLAGS_RW_CONCURRENCY_LF | RTE_HASH_EXTRA_FLAGS_EXT_TABLE,
	};
	struct rte_hash_rcu_config rcu = {
		.v = dp->qsbr.var,
		.mode = RTE_HASH_QSBR_MODE_DQ,
	};

	dp->table = rte_hash_create(&params);
	if (dp->table == NULL)
		return rte_errno != 0 ? -rte_errno : -ENOMEM;
	return rte_hash_rcu_qsbr_add(dp->table, &rcu) == 0 ? 0 : -rte_errno;
}

int
table_add(struct tw_dp *dp, struct tw_sess *s)
{
	uintptr_t e = (uintptr_t)s | (uintptr_t)s->owner_idx << ENTRY_OWNER_SHIFT;
	int res;

	if (s->role == TW_SESS_ROLE_SENDER)
		e |= ENTRY_SENDER;
	if (rte_hash_lookup(dp->table, &s->key) >= 0)
		return -EEXIST;
	res = rte_hash_add_key_data(dp->table, &s->key, (void *)e);
	return res == 0 ? 0 : -ENOSPC;
}

void
table_del(struct tw_dp *dp, const struct tw_sess_key *key)
{
	(void)rte_hash_del_key(dp->table, key);
}
