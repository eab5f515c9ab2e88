/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/* Commands nobody offered, unknown ones, streams that were tampered with. */
#include <criterion/criterion.h>

#include "talk.h"

static struct bed bed;
static struct talk t;

static void
connect_as(uint32_t mode)
{
	bool is_open = mode == TW_MODE_OPEN;

	bed_init(&bed);
	bed_serve(&bed);
	talk_open(&t, &bed, "192.0.2.77");
	cr_assert_eq(talk_setup(&t, mode, is_open ? NULL : BED_USER, BED_SECRET), 0);
}

static void
end(void)
{
	talk_close(&t);
	bed_fini(&bed);
}

TestSuite(srv_commands, .fini = end);

static void
check_accept_3(void)
{
	uint8_t msg[TW_WIRE_ACCEPT_SESSION_LEN];

	talk_recv(&t, msg, sizeof(msg));
	cr_assert_eq(msg[0], 3);
	cr_assert(msg[2] == 0 && msg[3] == 0);
}

/* R-5357-012, A-35: consumed whole, answered with 3, the stream stays in step */
static void
check_known_commands(uint32_t mode)
{
	static const uint8_t cmds[][16] = {
		{4},
		{7, [15] = 0},
		{7, [15] = 3},
		{9, [15] = 56},
	};
	struct tw_wire_request_tw req = talk_request_of(5000, 50000);
	uint8_t msg[1024];

	connect_as(mode);
	for (size_t i = 0; i < TW_ARRAY_SIZE(cmds); i++) {
		size_t len = cmds[i][0] == 4 ? 48 : 32u + 16u * cmds[i][15];

		memset(msg, 0x5a, sizeof(msg));
		memcpy(msg, cmds[i], 16);
		talk_send(&t, msg, len);
		check_accept_3();
		cr_assert_eq(bed.last.why, TW_CTL_WHY_COMMAND_UNSUPPORTED);
		cr_assert_eq(talk_request(&t, &req).accept, 0);
	}
	cr_assert_eq(tw_ctl_srv_counter(bed.srv, TW_CTL_CTR_REFUSED_COMMANDS), 4);
}

Test(srv_commands, known_but_not_served_open)
{
	check_known_commands(TW_MODE_OPEN);
}

Test(srv_commands, known_but_not_served_secure)
{
	check_known_commands(TW_MODE_ENCR);
}

/* OWAMP Request-Session: two HMACs, one behind 96 octets, one behind the slots */
static void
check_request_ow(uint32_t mode, uint8_t slot_cnt)
{
	size_t len = 128 + 16u * slot_cnt;
	uint8_t msg[1024];

	connect_as(mode);
	memset(msg, 0, sizeof(msg));
	msg[0] = 1;
	msg[1] = 4;
	msg[7] = slot_cnt;
	talk_seal(&t, msg, 112);
	talk_seal(&t, msg + 112, len - 112);
	talk_raw(&t, msg, len);
	check_accept_3();
	cr_assert_eq(talk_start(&t), 1);
}

Test(srv_commands, owamp_request_open)
{
	check_request_ow(TW_MODE_OPEN, 2);
}

Test(srv_commands, owamp_request_secure)
{
	check_request_ow(TW_MODE_AUTH, 2);
}

Test(srv_commands, owamp_request_without_slots)
{
	check_request_ow(TW_MODE_AUTH, 0);
}

Test(srv_commands, owamp_request_with_the_most_slots)
{
	check_request_ow(TW_MODE_AUTH, 56);
}

/* nobody knows how long it is: answered after 16 octets, then closed */
static void
check_unknown(uint32_t mode, uint8_t cmd, uint8_t items)
{
	uint8_t msg[32] = {cmd, [7] = items, [14] = items};

	connect_as(mode);
	talk_seal(&t, msg, sizeof(msg));
	talk_raw(&t, msg, 16);
	check_accept_3();
	cr_assert(talk_is_over(&t));
	cr_assert_eq(talk_why(&t), TW_CTL_WHY_COMMAND_UNKNOWN);
	cr_assert_eq(bed.last.value, cmd);
}

Test(srv_commands, unknown_numbers_open)
{
	static const uint8_t cmds[] = {0, 6, 8, 10, 11, 100, 254, 255};

	for (size_t i = 0; i < TW_ARRAY_SIZE(cmds); i++) {
		check_unknown(TW_MODE_OPEN, cmds[i], 0);
		if (i + 1 < TW_ARRAY_SIZE(cmds))
			end();
	}
}

Test(srv_commands, unknown_number_secure)
{
	check_unknown(TW_MODE_MIXED, 6, 0);
}

/* More SIDs or slots than are read: as good as unknown */
Test(srv_commands, too_many_sids)
{
	check_unknown(TW_MODE_ENCR, 7, 1); /* 256 */
}

Test(srv_commands, too_many_slots)
{
	check_unknown(TW_MODE_ENCR, 1, 57);
}

/* While tests run they go on behind a refused command. */
Test(srv_commands, refused_while_tests_run)
{
	struct tw_wire_request_tw req = talk_request_of(5000, 50000);
	uint8_t msg[48] = {9, [15] = 1};

	connect_as(TW_MODE_AUTH);
	cr_assert_eq(talk_request(&t, &req).accept, 0);
	cr_assert_eq(talk_start(&t), 0);
	talk_send(&t, msg, sizeof(msg));
	check_accept_3();
	cr_assert_eq(bed_sess_count(&bed, BED_STARTED), 1);
	talk_stop(&t, 1);
	cr_assert_eq(talk_state(&t), TW_CTL_CONN_READY);
}

/* R-4656-030, R-4656-092: every octet of every command is under the HMAC; no answer, closed */
static void
flip(size_t at)
{
	struct tw_wire_request_tw req = talk_request_of(5000, 50000);
	uint8_t msg[TW_WIRE_REQUEST_TW_LEN];
	struct tw_wr wr = tw_wr_init(msg, sizeof(msg));

	connect_as(TW_MODE_AUTH);
	cr_assert(tw_wire_request_tw_write(&wr, &req));
	talk_seal(&t, msg, sizeof(msg));
	msg[at] ^= 1;
	talk_raw(&t, msg, sizeof(msg));
	cr_assert_eq(bed.sess_live, 0);
	if (at >= 16) { /* in the first block another command may come of it */
		cr_assert(talk_is_over(&t));
		cr_assert_eq(talk_why(&t), TW_CTL_WHY_BAD_HMAC);
	}
}

Test(srv_commands, flipped_bits_are_noticed)
{
	for (size_t at = 0; at < TW_WIRE_REQUEST_TW_LEN; at += 5) {
		flip(at);
		end();
	}
	flip(TW_WIRE_REQUEST_TW_LEN - 1);
}

/* The same command once more is no command: the chain went on (PROTOCOL.md 5.4) */
Test(srv_commands, replayed_command_fails)
{
	struct tw_wire_request_tw req = talk_request_of(5000, 50000);
	uint8_t msg[TW_WIRE_REQUEST_TW_LEN], answer[TW_WIRE_ACCEPT_SESSION_LEN];
	struct tw_wr wr = tw_wr_init(msg, sizeof(msg));

	connect_as(TW_MODE_AUTH);
	cr_assert(tw_wire_request_tw_write(&wr, &req));
	talk_send(&t, msg, sizeof(msg));
	talk_recv(&t, answer, sizeof(answer));
	talk_raw(&t, msg, sizeof(msg));
	cr_assert_eq(bed.sess_live, 0);
	cr_assert_neq(talk_why(&t), TW_CTL_WHY_NONE);
}

/* Token octets 16..63 have no integrity: a modified one opens, the first HMAC fails (3.1) */
Test(srv_commands, modified_token_fails_at_the_first_hmac)
{
	struct tw_wire_request_tw req = talk_request_of(5000, 50000);

	connect_as(TW_MODE_AUTH);
	t.keys->hmac[31] ^= 1;
	tw_crypto_stream_free(t.tx);
	t.tx = tw_crypto_stream_new(t.keys, (const uint8_t[16]){0});
	talk_send_request(&t, &req);
	/* wrong IV as well: what the first block says is noise */
	cr_assert_eq(bed.sess_live, 0);
	cr_assert_neq(talk_why(&t), TW_CTL_WHY_NONE);
}

/* Sessions of a connection that failed: as if it were lost */
Test(srv_commands, running_sessions_survive_an_attack_for_a_while)
{
	struct tw_wire_request_tw req = talk_request_of(5000, 50000);
	uint8_t msg[TW_WIRE_STOP_SESSIONS_LEN] = {3, [7] = 1};

	connect_as(TW_MODE_AUTH);
	cr_assert_eq(talk_request(&t, &req).accept, 0);
	cr_assert_eq(talk_start(&t), 0);
	talk_seal(&t, msg, sizeof(msg));
	msg[20] ^= 0x80;
	talk_raw(&t, msg, sizeof(msg));
	cr_assert(talk_is_over(&t));
	cr_assert_eq(talk_why(&t), TW_CTL_WHY_BAD_HMAC);
	cr_assert_eq(bed_sess_at(&bed, 0)->grace_ns, 2 * BED_NS_PER_S);
}

/* R-4656-031, A-11: in open mode nobody looks at the HMAC field */
Test(srv_commands, hmac_field_is_ignored_in_open_mode)
{
	struct tw_wire_request_tw req = talk_request_of(5000, 50000);

	connect_as(TW_MODE_OPEN);
	memset(req.hmac, 0xff, sizeof(req.hmac));
	cr_assert_eq(talk_request(&t, &req).accept, 0);
}

/* Reasons say what, where, how to mend; and nothing secret (checked by the bed for all). */
Test(srv_commands, reasons_are_sentences)
{
	char text[TW_CTL_REASON_SIZE];

	connect_as(TW_MODE_OPEN);
	for (unsigned why = 1; why < TW_CTL_WHY_N; why++) {
		struct tw_ctl_reason r = {.why = (uint8_t)why,
			.accept = 5,
			.has_value = true,
			.value = UINT64_MAX,
			.bound = UINT64_MAX};
		const char *mend;

		tw_ctl_reason_str(&r, "2001:db8:1111:2222:3333:4444:5555:6666 port 65535", text,
			sizeof(text));
		cr_assert_lt(strlen(text), sizeof(text) - 1, "%s is cut", tw_ctl_why_name(why));
		mend = strstr(text, "; ");
		cr_assert(mend != NULL && strlen(mend) > 5);
		cr_assert(strncmp(text, "2001:db8:", 9) == 0);
	}
	cr_assert_str_eq(tw_ctl_why_name(TW_CTL_WHY_BAD_HMAC), "bad_hmac");
	cr_assert_str_eq(tw_ctl_why_name(0), "none");
	cr_assert_str_eq(tw_ctl_why_name(TW_CTL_WHY_N), "none");
}
