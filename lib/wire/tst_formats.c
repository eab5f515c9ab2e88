/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Which test-packet format belongs to a mode.
 */
#include <endian.h>

#include "tw_mode.h"
#include "tw_tst.h"

/* Mode bits that change test packets, security bits apart. */
#define FEATURES (TW_MODE_REFLECT | TW_MODE_SYMMETRICAL | TW_MODE_DSCP_ECN | TW_MODE_PTPV2)

struct row {
	uint32_t sec;
	uint32_t features;
	const struct tw_tst_fmt *fmt;
};

static const struct row rows[] = {
#define TW_TST_FMT(NAME, name, sec, features) {sec, features, &tw_tst_##name},
#include "tst_formats.def"
};

const struct tw_tst_fmt *
tw_tst_fmt_for_mode(uint32_t mode)
{
	if (tw_mode_rank(mode) == 0)
		return NULL;
	for (size_t i = 0; i < TW_ARRAY_SIZE(rows); i++) {
		if ((mode & rows[i].sec) && (mode & FEATURES) == rows[i].features)
			return rows[i].fmt;
	}
	return NULL;
}

bool
tw_tst_read_req(const struct tw_tst_fmt *fmt, const uint8_t *pkt, size_t len, const uint8_t *clear,
	struct tw_tst_req *out)
{
	struct tw_tst_echo e;

	if (len < fmt->req_min)
		return false;
	tw_tst_read_echo(fmt, pkt, clear, &e);
	out->seq = be32toh(e.seq_be);
	out->t1 = be64toh(e.t1_be);
	out->ee = be16toh(e.ee_be);
	return true;
}

bool
tw_tst_write_rep(
	const struct tw_tst_fmt *fmt, uint8_t *pkt, size_t room, const struct tw_tst_rep *in)
{
	const struct tw_tst_echo e = {.t1_be = htobe64(in->sender_t1),
		.seq_be = htobe32(in->sender_seq),
		.ee_be = htobe16(in->sender_ee)};

	if (room < fmt->rep_min)
		return false;
	tw_tst_write_echo(fmt, pkt, in->seq, in->t2, &e, in->sender_ttl);
	tw_tst_stamp_rep(fmt, pkt, in->t3, in->ee);
	return true;
}
