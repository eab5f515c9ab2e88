/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * What anybody may send to a client that connected to him: octets from the first on, in pieces.
 * First octet: floor and list of modes, and whether the key is an IKEv2-derived one. Whatever
 * comes, the floor holds, a protected connection is not believed without the secret, and a client
 * that wants IKE selects nothing without it.
 */
#include "fuzz.h"
#include "serve.h"

static struct bed bed;
static bool is_ready, has_said;

static void
on_event(struct serve *s, const struct tw_ctl_cli_event *e)
{
	if (e->ev == TW_CTL_CLI_EV_READY) {
		is_ready = true;
		CHECK(tw_mode_rank(e->mode) >= tw_mode_rank(s->cfg.floor));
	}
	if (e->ev == TW_CTL_CLI_EV_SESSION && tw_mode_protects_control(e->mode))
		CHECK(0); /* that needs an HMAC */
	if (e->ev == TW_CTL_CLI_EV_SESSION && e->reason.why == TW_CTL_WHY_NONE)
		CHECK(e->port != 0);
}

/* The first octets a client says are a Set-Up-Response. */
static void
hear(struct serve *s)
{
	uint8_t out[2048];
	size_t len = serve_read(s, out, sizeof(out));
	uint32_t mode;

	if (len == 0 || has_said)
		return;
	has_said = true;
	mode = tw_load_be32(out);
	CHECK(len >= TW_WIRE_SETUP_RESPONSE_LEN);
	CHECK(mode == 0 || tw_mode_rank(mode) >= tw_mode_rank(s->cfg.floor));
	if (mode != 0 && s->cfg.key_floor == TW_CTL_KEY_IKEV2)
		CHECK(mode & TW_MODE_IKEV2 && memcmp(out + 4, bed.sa[0].spis, 16) == 0);
	if (s->cfg.key_floor == TW_CTL_KEY_ANY)
		CHECK(!(mode & TW_MODE_IKEV2));
}

static void
feed(struct serve *s, struct tw_rd *rd)
{
	uint8_t n, buf[255];

	while (tw_rd_u8(rd, &n) && !tw_ctl_cli_is_done(s->cli)) {
		size_t len = n < rd->left ? n : rd->left;

		tw_rd_bytes(rd, buf, len);
		serve_raw(s, buf, len);
		if (n % 4 == 3)
			serve_wait(s, n * BED_NS_PER_S / 16);
		if (n % 4 != 1)
			bed_derive(&bed);
		if (n % 8 != 2)
			hear(s);
		if (n % 16 == 4)
			(void)tw_ctl_cli_start(s->cli, bed.now);
		if (n % 16 == 5)
			(void)tw_ctl_cli_stop(s->cli, 0, bed.now);
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint32_t floors[] = {TW_MODE_OPEN, TW_MODE_MIXED, TW_MODE_AUTH, TW_MODE_ENCR};
	struct tw_ctl_want want = serve_want(5000, 50000);
	struct tw_rd rd = tw_rd_init(data, size);
	uint8_t how = 0;
	struct serve s;

	if (bed.keys == NULL) {
		bed_init(&bed);
		bed_add_sa(&bed, 1, "0123456789abcdef", 16);
	}
	bed.seed = 1;
	is_ready = has_said = false;
	tw_rd_u8(&rd, &how);
	serve_init(&s, &bed);
	s.cfg.floor = floors[how % 4];
	if (how & 8)
		s.cfg.key_floor = TW_CTL_KEY_IKEV2;
	s.on_event = on_event;
	serve_open(&s, how & 4);
	for (int i = 0; i < how >> 4; i++)
		(void)tw_ctl_cli_request(s.cli, &want, NULL, bed.now);
	feed(&s, &rd);
	if (!tw_ctl_cli_is_done(s.cli) && !is_ready)
		tw_ctl_cli_eof(s.cli, bed.now);
	serve_close(&s);
	bed_derive(&bed);
	return 0;
}
