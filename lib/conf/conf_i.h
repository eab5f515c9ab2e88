/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Shared by the files of this library only.
 */
#ifndef CONF_I_H
#define CONF_I_H

#include "tw_conf.h"

/** Greatest length of a text value of this row, in octets. */
static inline size_t
conf_text_max(const struct tw_conf_key *key)
{
	return key->max > 0 ? (size_t)key->max : TW_CONF_STR_MAX;
}

/** The value is text and lives outside the value struct. */
static inline bool
conf_is_text(const struct tw_conf_key *key)
{
	return key->type == TW_CONF_STR || key->type == TW_CONF_SECRET ||
	       key->type == TW_CONF_PATH || key->type == TW_CONF_ANY;
}

#endif /* CONF_I_H */
