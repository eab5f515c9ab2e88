/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/* What the two kinds of record have in common inside the library. */
#ifndef SESSION_I_H
#define SESSION_I_H

#include "tw_session.h"

/* Values both configurations carry. */
struct sess_common {
	const struct tw_sess_key *key;
	const struct tw_tst_fmt *fmt;
	const struct tw_crypto_keys *keys;
	const uint8_t *sid;
	uint32_t id;
	uint8_t role;
	uint8_t owner_idx;
	uint8_t dscp;
};

/* Check and fill a zeroed head and its keys: 0, -EINVAL, -EIO, -ENOTSUP. */
int sess_init_common(struct tw_sess *s, struct tw_crypto_tkey *tkey, const struct sess_common *in);

/* Store a state after what it needs. */
static inline void
sess_state_set(struct tw_sess *s, enum tw_sess_state state)
{
	atomic_store_explicit(&s->state, (uint8_t)state, memory_order_release);
}

#endif /* SESSION_I_H */
