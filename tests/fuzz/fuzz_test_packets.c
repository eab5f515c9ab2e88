/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Test packets of every format, the way a reflector and a sender take them: read, move the
 * padding, write the reply, in a buffer with exactly the room that the first octet gives it.
 */
#include "fuzz.h"
#include "tw_tst.h"

static void
reflect(const struct tw_tst_fmt *fmt, const uint8_t *data, size_t size, size_t room)
{
	uint8_t *pkt = fuzz_copy(data, size);
	struct tw_tst_req q;
	struct tw_tst_rep r = {.seq = 1};
	size_t len;
	bool is_read;

	pkt = realloc(pkt, size + room ? size + room : 1);
	CHECK(pkt != NULL);
	is_read = tw_tst_read_req(fmt, pkt, size, pkt, &q);
	CHECK(is_read == (size >= fmt->req_min));
	len = tw_tst_move_padding(fmt, pkt, size, size + room);
	CHECK(is_read || len == 0);
	if (len != 0) {
		CHECK(len <= size + room && len >= fmt->rep_min && len >= size);
		r.sender_seq = q.seq;
		r.sender_t1 = q.t1;
		r.sender_ee = q.ee;
		CHECK(tw_tst_write_rep(fmt, pkt, len, &r));
		tw_tst_stamp_rep(fmt, pkt, 3, 4);
		CHECK(fmt->read_rep(pkt, len, pkt, &r));
		CHECK(r.sender_seq == q.seq && r.sender_t1 == q.t1 && r.sender_ee == q.ee);
		CHECK(r.t3 == 3 && r.ee == 4);
		if (size > fmt->rep_min)
			CHECK(memcmp(pkt + fmt->rep_min, data + fmt->req_min,
				      size - fmt->rep_min) == 0);
	} else {
		CHECK(size == 0 || memcmp(pkt, data, size) == 0);
	}
	free(pkt);
}

static void
collect(const struct tw_tst_fmt *fmt, const uint8_t *data, size_t size)
{
	uint8_t once[TW_TST_HEADER_MAX];
	struct tw_tst_rep r;

	if (!fmt->read_rep(data, size, data, &r)) {
		CHECK(size < fmt->rep_min);
		return;
	}
	CHECK(tw_tst_write_rep(fmt, once, sizeof(once), &r));
	CHECK(memcmp(once, data, 4) == 0); /* the sequence number leads in all formats */
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct tw_tst_fmt *const fmts[] = {
#define TW_TST_FMT(NAME, name, sec, features) &tw_tst_##name,
#include "tst_formats.def"
	};

	if (size < 1)
		return 0;
	for (size_t i = 0; i < TW_ARRAY_SIZE(fmts); i++) {
		reflect(fmts[i], data + 1, size - 1, data[0]);
		collect(fmts[i], data + 1, size - 1);
	}
	if (size >= 5)
		tw_tst_fmt_for_mode(tw_load_be32(data + 1));
	return 0;
}
