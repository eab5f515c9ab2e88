/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Control streams of good clients with octets changed, lost, doubled and moved, against a server
 * where a session of somebody else runs: that one loses nothing, and nothing of the others stays.
 */
#include <criterion/criterion.h>

#include "talk.h"

enum { STREAM_MAX = 4096 };

struct stream {
	uint8_t octets[STREAM_MAX];
	size_t len;
};

static struct bed bed;

static uint64_t
draw(uint64_t below)
{
	return bed_next(&bed.seed) % below;
}

/* --- a good client's octets behind its Set-Up-Response --- */

static void
add(struct talk *t, struct stream *s, uint8_t *msg, size_t len)
{
	talk_seal(t, msg, len);
	memcpy(s->octets + s->len, msg, len);
	s->len += len;
}

static void
make_stream(struct talk *t, struct stream *s)
{
	for (unsigned round = 0; round < 3; round++) {
		struct tw_wire_request_tw req =
			talk_request_of((uint16_t)(1 + draw(65535)), (uint16_t)draw(65536));
		uint8_t msg[TW_WIRE_REQUEST_TW_LEN] = {0};
		struct tw_wr wr = tw_wr_init(msg, sizeof(msg));

		tw_wire_request_tw_write(&wr, &req);
		add(t, s, msg, sizeof(msg));
		memset(msg, 0, 32);
		msg[0] = TW_WIRE_CMD_START_SESSIONS;
		add(t, s, msg, 32);
		memset(msg, 0, 32);
		msg[0] = TW_WIRE_CMD_STOP_SESSIONS;
		msg[7] = 1;
		add(t, s, msg, 32);
	}
}

/* --- what happens to them --- */

static void
mutate_once(struct stream *s)
{
	size_t at = draw(s->len), n = 1 + draw(40);

	n = n < s->len - at ? n : s->len - at;
	switch (draw(6)) {
	case 0:
		s->octets[at] ^= (uint8_t)(1u << draw(8));
		break;
	case 1:
		s->octets[at] = (uint8_t)draw(256);
		break;
	case 2: /* lost */
		memmove(s->octets + at, s->octets + at + n, s->len - at - n);
		s->len -= n;
		break;
	case 3: /* doubled */
		if (s->len + n > STREAM_MAX)
			break;
		memmove(s->octets + at + n, s->octets + at, s->len - at);
		s->len += n;
		break;
	case 4: /* cut */
		s->len = at;
		break;
	default: /* a block from elsewhere */
		memmove(s->octets + at, s->octets + draw(s->len - n + 1), n);
		break;
	}
}

static void
send_in_pieces(struct talk *t, const struct stream *s)
{
	uint8_t out[2048];

	for (size_t at = 0; at < s->len;) {
		size_t n = 1 + draw(200);

		n = n < s->len - at ? n : s->len - at;
		talk_raw(t, s->octets + at, n);
		if (draw(4) != 0)
			talk_read(t, out, sizeof(out));
		at += n;
	}
	if (draw(3) == 0)
		bed_wait(&bed, (int64_t)draw(100) * BED_NS_PER_S);
}

static void
attack(uint32_t mode)
{
	bool is_open = mode == TW_MODE_OPEN;
	struct stream s = {.len = 0};
	struct talk t;

	talk_open(&t, &bed, is_open ? "192.0.2.66" : "198.51.100.66");
	cr_assert_eq(talk_setup(&t, mode, is_open ? NULL : BED_USER, BED_SECRET), 0);
	make_stream(&t, &s);
	for (uint64_t i = 0, cnt = 1 + draw(4); i < cnt && s.len > 0; i++)
		mutate_once(&s);
	send_in_pieces(&t, &s);
	talk_close(&t);
}

/* Set-Up-Responses too, as anybody may send them */
static void
attack_set_up(void)
{
	struct stream s = {.len = TW_WIRE_SETUP_RESPONSE_LEN};
	static const uint8_t modes[] = {0, 1, 2, 4, 8, 3, 130};
	struct talk t;

	talk_open(&t, &bed, "192.0.2.66");
	s.octets[3] = modes[draw(sizeof(modes))];
	for (size_t i = 4; i < s.len; i++)
		s.octets[i] = (uint8_t)draw(256);
	for (uint64_t i = 0, cnt = draw(3); i < cnt && s.len > 0; i++)
		mutate_once(&s);
	send_in_pieces(&t, &s);
	if (draw(8) == 0)
		bed_derive(&bed);
	else
		bed_drop_jobs(&bed);
	talk_close(&t);
}

static void
run(unsigned open_cnt, unsigned secure_cnt, unsigned set_up_cnt)
{
	struct tw_wire_request_tw req = talk_request_of(5000, 50000);
	struct bed_sess *mine;
	struct talk t;

	bed_init(&bed);
	bed_serve(&bed);
	talk_open(&t, &bed, "192.0.2.77");
	cr_assert_eq(talk_setup(&t, TW_MODE_ENCR, BED_USER, BED_SECRET), 0);
	cr_assert_eq(talk_request(&t, &req).accept, 0);
	cr_assert_eq(talk_start(&t), 0);
	mine = bed_sess_at(&bed, 0);
	for (unsigned i = 0; i < open_cnt; i++)
		attack(TW_MODE_OPEN);
	for (unsigned i = 0; i < secure_cnt; i++)
		attack(i % 2 ? TW_MODE_AUTH : TW_MODE_MIXED);
	for (unsigned i = 0; i < set_up_cnt; i++)
		attack_set_up();
	bed_wait(&bed, 1000 * BED_NS_PER_S);
	cr_assert_eq(bed.sess_live, 1);
	cr_assert_eq(bed_sess_at(&bed, 0), mine);
	cr_assert_eq(mine->state, BED_STARTED);
	talk_stop(&t, 1);
	cr_assert_eq(talk_state(&t), TW_CTL_CONN_READY);
	talk_close(&t);
	bed_fini(&bed);
}

Test(mutations, open_streams)
{
	run(20000, 0, 0);
}

Test(mutations, secure_streams)
{
	run(0, 1000, 0);
}

Test(mutations, set_up)
{
	run(0, 0, 5000);
}
