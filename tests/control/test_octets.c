/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/* What stands on the wire, octet by octet: zeros, protected fields, the mixed mode. */
#include <criterion/criterion.h>

#include "serve.h"
#include "talk.h"

static struct bed bed;

static void
begin(void)
{
	bed_init(&bed);
}

static void
end(void)
{
	bed_fini(&bed);
}

TestSuite(octets, .init = begin, .fini = end);

static void
check_zero(const uint8_t *p, size_t len, const char *what)
{
	for (size_t i = 0; i < len; i++)
		cr_assert_eq(p[i], 0, "%s, octet %zu", what, i);
}

/*
 * Whole session with a server in open mode, read raw. R-4656-003, R-5618-005, R-4656-021,
 * R-4656-022, R-4656-036, R-5357-001, R-4656-031
 */
Test(octets, server_writes_zeros)
{
	struct tw_wire_request_tw req = talk_request_of(5000, 50000);
	struct tw_addr peer = bed_addr("192.0.2.77"), local = bed_addr("192.0.2.1");
	uint8_t msg[TW_WIRE_ACCEPT_SESSION_LEN], start[32] = {2};
	const uint8_t *p;
	struct talk t;
	size_t len;

	bed_serve(&bed);
	t = (struct talk){.bed = &bed, .conn = malloc(tw_ctl_conn_size())};
	tw_ctl_conn_open(bed.srv, t.conn, &peer, 40000, &local, &t, bed.now);
	p = tw_ctl_conn_output(t.conn, &len);
	cr_assert_eq(len, 64);
	check_zero(p, 12, "greeting, unused");
	cr_assert_eq(tw_load_be32(p + 12), 15); /* no bit above those served */
	check_zero(p + 52, 12, "greeting, MBZ");
	tw_ctl_conn_sent(t.conn, len, bed.now);

	talk_setup_response(&t, TW_MODE_OPEN, NULL, NULL);
	p = tw_ctl_conn_output(t.conn, &len);
	cr_assert_eq(len, 48);
	check_zero(p, 16, "Server-Start, MBZ and Accept");
	check_zero(p + 16, 16, "Server-Start, Server-IV");
	check_zero(p + 40, 8, "Server-Start, MBZ");
	tw_ctl_conn_sent(t.conn, len, bed.now);

	talk_send_request(&t, &req);
	cr_assert_eq(talk_read(&t, msg, sizeof(msg)), sizeof(msg));
	check_zero(msg, 2, "Accept-Session, Accept and MBZ");
	check_zero(msg + 20, 12, "Accept-Session, MBZ");
	check_zero(msg + 32, 16, "Accept-Session, HMAC in open mode");

	talk_send(&t, start, sizeof(start));
	cr_assert_eq(talk_read(&t, msg, sizeof(msg)), 32);
	check_zero(msg, 32, "Start-Ack");
	talk_close(&t);
}

/* R-4656-023: whatever stands in fields that must be zero */
Test(octets, server_ignores_what_must_be_zero)
{
	struct tw_wire_request_tw req = talk_request_of(5000, 50000);
	uint8_t msg[TW_WIRE_REQUEST_TW_LEN];
	struct tw_wr wr = tw_wr_init(msg, sizeof(msg));
	struct talk t;

	bed_serve(&bed);
	talk_open(&t, &bed, "192.0.2.77");
	memset(msg, 0xff, sizeof(msg));
	memset(msg, 0, 3);
	msg[3] = TW_MODE_OPEN; /* KeyID, Token, Client-IV are noise in open mode */
	talk_raw(&t, msg, sizeof(msg));
	talk_raw(&t, msg + 4, TW_WIRE_SETUP_RESPONSE_LEN - sizeof(msg));
	cr_assert_eq(talk_server_start(&t), 0);

	tw_wire_request_tw_write(&wr, &req);
	msg[1] |= 0xf0;                 /* MBZ beside IPVN */
	memset(msg + 8, 0xff, 4);       /* Number of Packets */
	memset(msg + 48, 0xff, 16);     /* SID */
	memset(msg + 88, 0xff, 16 + 8); /* MBZ without feature bits, HMAC */
	talk_raw(&t, msg, sizeof(msg));
	cr_assert_eq(talk_read(&t, msg, TW_WIRE_ACCEPT_SESSION_LEN), TW_WIRE_ACCEPT_SESSION_LEN);
	cr_assert_eq(msg[0], 0);

	memset(msg, 0xff, 32);
	msg[0] = 2;
	talk_raw(&t, msg, 32);
	cr_assert_eq(talk_read(&t, msg, 32), 32);
	cr_assert_eq(msg[0], 0);

	memset(msg, 0xff, 32);
	memcpy(msg, (const uint8_t[]){3, 0, 0xff, 0xff, 0, 0, 0, 1}, 8);
	talk_raw(&t, msg, 32);
	cr_assert_eq(talk_state(&t), TW_CTL_CONN_READY);
	cr_assert_eq(bed_sess_count(&bed, BED_STOPPED), 1);
	talk_close(&t);
}

/* R-5357-010, R-4656-029: the HMAC field is encrypted too, and part of the chain */
Test(octets, hmac_fields_are_encrypted)
{
	struct tw_wire_request_tw req = talk_request_of(5000, 50000);
	uint8_t raw[2][TW_WIRE_ACCEPT_SESSION_LEN], clear[TW_WIRE_ACCEPT_SESSION_LEN];
	struct talk t;

	bed_serve(&bed);
	talk_open(&t, &bed, "192.0.2.77");
	cr_assert_eq(talk_setup(&t, TW_MODE_AUTH, BED_USER, BED_SECRET), 0);
	req.conf_sender = 1; /* the same refusal twice */
	for (int i = 0; i < 2; i++) {
		talk_send_request(&t, &req);
		cr_assert_eq(talk_read(&t, raw[i], sizeof(raw[i])), sizeof(raw[i]));
		memcpy(clear, raw[i], sizeof(clear));
		cr_assert_eq(tw_crypto_stream_decrypt(t.rx, clear, sizeof(clear)), 0);
		cr_assert_eq(tw_crypto_stream_hmac(t.rx, clear, 32), 0);
		cr_assert_eq(tw_crypto_stream_check(t.rx, clear + 32), 0);
		cr_assert_arr_neq(raw[i] + 32, clear + 32, 16);
	}
	for (size_t at = 0; at < sizeof(raw[0]); at += 16)
		cr_assert_arr_neq(raw[0] + at, raw[1] + at, 16);
	talk_close(&t);
}

/* R-5618-001, R-5618-002, R-5618-004: control protected, sessions without keys and in open format
 */
Test(octets, mixed_mode)
{
	struct tw_wire_request_tw req = talk_request_of(5000, 50000);
	struct talk t;

	bed_serve(&bed);
	talk_open(&t, &bed, "198.51.100.1");
	cr_assert_eq(talk_setup(&t, TW_MODE_MIXED, BED_USER, BED_SECRET), 0);
	cr_assert_not_null(t.rx);
	cr_assert_eq(talk_request(&t, &req).accept, 0);
	cr_assert_null(bed_sess_at(&bed, 0)->param.keys);
	cr_assert_eq(bed_sess_at(&bed, 0)->param.mode, TW_MODE_MIXED);
	talk_close(&t);
}

/* R-5357-005: every session comes with its REFWAIT, the setting of the time */
Test(octets, refwait_goes_with_the_session)
{
	struct tw_wire_request_tw req = talk_request_of(5000, 50000);
	struct talk t;

	bed.cfg.set[TW_CTL_SET_REFWAIT] = 7;
	bed_serve(&bed);
	talk_open(&t, &bed, "192.0.2.77");
	cr_assert_eq(talk_setup(&t, TW_MODE_OPEN, NULL, NULL), 0);
	cr_assert_eq(talk_request(&t, &req).accept, 0);
	cr_assert_eq(bed_sess_at(&bed, 0)->param.refwait_ns, 7 * BED_NS_PER_S);
	talk_close(&t);
}

/* The client, read raw; and noise in what must be zero of a server */
Test(octets, client_writes_zeros_and_ignores_noise)
{
	struct tw_ctl_want want = serve_want(5000, 50000);
	uint8_t msg[TW_WIRE_REQUEST_TW_LEN], noise[64];
	struct serve s;

	serve_init(&s, &bed);
	tw_ctl_cli_cfg_mode(&s.cfg, TW_MODE_OPEN);
	serve_open(&s, false);
	memset(noise, 0xff, sizeof(noise));
	serve_raw(&s, noise, 64); /* Modes all ones, Count too: open mode all the same */
	serve_take_response(&s, NULL);
	cr_assert_eq(s.response.mode, TW_MODE_OPEN);
	noise[15] = 0;
	serve_raw(&s, noise, 48);
	cr_assert_eq(serve_last(&s)->ev, TW_CTL_CLI_EV_READY);

	cr_assert_eq(tw_ctl_cli_request(s.cli, &want, NULL, bed.now), 0);
	cr_assert_eq(serve_read(&s, msg, sizeof(msg)), sizeof(msg));
	cr_assert_eq(msg[0], 5);
	cr_assert_eq(msg[1], 4);
	check_zero(msg + 2, 10, "Conf, slots, packets");
	check_zero(msg + 16, 48, "addresses left out, SID");
	check_zero(msg + 84, 28, "Type-P, feature fields, MBZ, HMAC");
	memcpy(noise, (const uint8_t[]){0, 0xff, 0xc3, 0x50}, 4);
	serve_raw(&s, noise, 48);
	cr_assert_eq(serve_last(&s)->port, 50000);

	cr_assert_eq(tw_ctl_cli_start(s.cli, bed.now), 0);
	cr_assert_eq(serve_read(&s, msg, 32), 32);
	cr_assert_eq(msg[0], 2);
	check_zero(msg + 1, 31, "Start-Sessions");
	serve_raw(&s, noise, 32);
	cr_assert_eq(serve_last(&s)->ev, TW_CTL_CLI_EV_STARTED);

	cr_assert_eq(tw_ctl_cli_stop(s.cli, 0, bed.now), 0);
	cr_assert_eq(serve_read(&s, msg, 32), 32);
	cr_assert_eq(msg[0], 3);
	check_zero(msg + 1, 6, "Stop-Sessions, Accept and MBZ");
	cr_assert_eq(msg[7], 1);
	check_zero(msg + 8, 24, "Stop-Sessions, MBZ and HMAC");
	serve_close(&s);
}
