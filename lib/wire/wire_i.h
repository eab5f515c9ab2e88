/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Inside lib/wire only: how every command begins.
 */
#ifndef TW_WIRE_I_H
#define TW_WIRE_I_H

#include "tw_wire.h"

/* Take the Command octet of a command of `len` octets; fails if it is cut short or another one. */
static inline bool
tw_wire_rd_cmd(struct tw_rd *rd, size_t len, uint8_t cmd)
{
	if (tw_rd_has(rd, len) && rd->p[0] != cmd)
		rd->failed = true;
	return tw_rd_skip(rd, 1);
}

#endif /* TW_WIRE_I_H */
