/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * A client whose server authenticated: steps, one octet what, one octet how much, protected with
 * the keys of the session. Its owner asks, starts, stops whenever it may.
 */
#include "fuzz.h"
#include "serve.h"

static struct bed bed;

static void
say(struct serve *s, struct tw_rd *rd, size_t len)
{
	uint8_t msg[64] = {0};
	size_t n = rd->left < len - 16 ? rd->left : len - 16;

	tw_rd_bytes(rd, msg, n);
	serve_send(s, msg, len);
}

static void
step(struct serve *s, struct tw_rd *rd, uint8_t what, uint8_t arg)
{
	struct tw_ctl_want want = serve_want(5000, 50000);
	uint8_t out[2048];

	switch (what % 10) {
	case 0:
		say(s, rd, TW_WIRE_ACCEPT_SESSION_LEN);
		break;
	case 1:
		serve_accept(s, arg & 7, arg, arg);
		break;
	case 2:
		serve_start_ack(s, arg & 3);
		break;
	case 3:
		say(s, rd, TW_WIRE_START_ACK_LEN);
		break;
	case 4:
		for (int i = 0; i < arg; i++)
			(void)tw_ctl_cli_request(s->cli, &want, NULL, bed.now);
		break;
	case 5:
		(void)tw_ctl_cli_start(s->cli, bed.now);
		break;
	case 6:
		(void)tw_ctl_cli_stop(s->cli, arg, bed.now);
		break;
	case 7:
		serve_wait(s, arg * BED_NS_PER_S / 8);
		break;
	case 8:
		serve_raw(s, &arg, 1); /* out of step from here on */
		break;
	default:
		serve_read(s, out, sizeof(out));
		break;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint32_t modes[] = {TW_MODE_AUTH, TW_MODE_ENCR, TW_MODE_MIXED};
	struct tw_rd rd = tw_rd_init(data, size);
	uint8_t what, arg;
	struct serve s;

	if (bed.keys == NULL) {
		bed_init(&bed);
		bed_add_sa(&bed, 1, BED_SECRET, strlen(BED_SECRET));
	}
	bed.seed = 1;
	serve_init(&s, &bed);
	tw_ctl_cli_cfg_mode(&s.cfg, modes[size % TW_ARRAY_SIZE(modes)]);
	if (size / TW_ARRAY_SIZE(modes) % 2)
		s.cfg.key_floor = TW_CTL_KEY_IKEV2;
	serve_open(&s, false);
	serve_setup(&s, s.cfg.floor | (s.cfg.key_floor == TW_CTL_KEY_IKEV2 ? TW_MODE_IKEV2 : 0));
	for (int i = 0; i < 200 && tw_rd_u8(&rd, &what) && tw_rd_u8(&rd, &arg); i++) {
		if (tw_ctl_cli_is_done(s.cli))
			break;
		step(&s, &rd, what, arg);
	}
	serve_close(&s);
	return 0;
}
