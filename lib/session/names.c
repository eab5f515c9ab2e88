/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The common head of a session: names, the table key, keys of the test packets.
 */
#include <errno.h>

#include "session_i.h"

static const char *
name_of(const char *const *names, unsigned n, unsigned idx)
{
	return idx < n && names[idx] != NULL ? names[idx] : "?";
}

const char *
tw_sess_state_name(unsigned state)
{
	static const char *const names[TW_SESS_N] = {
		[TW_SESS_RESERVED] = "reserved",
		[TW_SESS_RUNNING] = "running",
		[TW_SESS_DRAINING] = "draining",
		[TW_SESS_ENDED] = "ended",
	};

	return name_of(names, TW_ARRAY_SIZE(names), state);
}

const char *
tw_refl_drop_name(unsigned reason)
{
	static const char *const names[TW_REFL_DROP_N] = {
#define TW_REFL_DROP(NAME, name, text) [TW_REFL_DROP_##NAME] = #name,
#include "refl_drops.def"
	};

	return name_of(names, TW_ARRAY_SIZE(names), reason);
}

const char *
tw_send_drop_name(unsigned reason)
{
	static const char *const names[TW_SEND_DROP_N] = {
#define TW_SEND_DROP(NAME, name, text) [TW_SEND_DROP_##NAME] = #name,
#include "send_drops.def"
	};

	return name_of(names, TW_ARRAY_SIZE(names), reason);
}

static void
key_addr(uint8_t out[16], const struct tw_addr *a)
{
	if (a->family == TW_ADDR_V4)
		tw_sess_key_map_v4(out, a->b);
	else
		memcpy(out, a->b, 16);
}

struct tw_sess_key
tw_sess_key_make(uint32_t scope, const struct tw_addr *src, uint16_t src_port,
	const struct tw_addr *dst, uint16_t dst_port)
{
	struct tw_sess_key key = {.scope = scope};

	tw_store_be16((uint8_t *)&key.src_port_be, src_port);
	tw_store_be16((uint8_t *)&key.dst_port_be, dst_port);
	key_addr(key.src, src);
	key_addr(key.dst, dst);
	return key;
}

int
sess_init_common(struct tw_sess *s, struct tw_crypto_tkey *tkey, const struct sess_common *in)
{
	int rc;

	if (in->fmt == NULL || in->dscp > 63)
		return -EINVAL;
	if ((in->fmt->prot == TW_TST_PROT_OPEN) != (in->keys == NULL))
		return -EINVAL;
	if (in->keys != NULL) {
		rc = in->sid != NULL ? tw_crypto_tkey_derive(tkey, in->keys, in->sid)
				     : tw_crypto_tkey_init(tkey, in->keys);
		if (rc != 0)
			return rc;
	}
	s->key = *in->key;
	s->fmt = in->fmt;
	s->id = in->id;
	s->role = in->role;
	s->owner_idx = in->owner_idx;
	s->dscp = in->dscp;
	sess_state_set(s, TW_SESS_RESERVED);
	return 0;
}
