/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Records octet by octet, against a layout written by somebody else (ippm_socket.h).
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "ike_check.h"

static int
read_copy(const void *p, size_t len, struct tw_ike_msg *m)
{
	/* exactly that long, for the sanitizers */
	uint8_t *copy = malloc(len ? len : 1);
	int ret;

	cr_assert_not_null(copy);
	memcpy(copy, p, len);
	ret = tw_ike_msg_read(copy, len, m);
	free(copy);
	return ret;
}

Test(msg, hello_golden)
{
	static const uint8_t octets[120] = {0, 1, 0, 64, 0, 0, 0, 120, 0, 0, 0, 0, 0, 0, 0, 0, /* */
		0, 1, 0, 3, 0, 0, 0, 7, 0xb0, 0xb0, 0xb0, 0xb0, 0xb0, 0xb0, 0xb0, 0xb0,        /* */
		0xb0, 0xb0, 0xb0, 0xb0, 0xb0, 0xb0, 0xb0, 0xb0, 0, 0, 0, 0, 0x65, 0x53, 0xf1,
		0x00, /* */
		's', 't', 'r', 'o', 'n', 'g', 's', 'w', 'a', 'n', [80] = '5', '.', '9', '.',
		'8', [115] = 9};
	struct ippm_hello h = ike_hello(0xb0);
	struct tw_ike_msg m;

	cr_assert_arr_eq(&h, octets, sizeof(octets));
	cr_assert_eq(read_copy(octets, sizeof(octets), &m), 0);
	cr_assert_eq(m.type, TW_IKE_MSG_HELLO);
	cr_assert_eq(m.hello.version_min, 1);
	cr_assert_eq(m.hello.version_max, 3);
	cr_assert_eq(m.hello.sa_cnt, 7);
	cr_assert_eq(m.hello.boot_id[15], 0xb0);
	cr_assert_eq(m.hello.started_s, 1700000000);
	cr_assert_str_eq(m.hello.name, "strongswan");
	cr_assert_str_eq(m.hello.release, "5.9.8");
	cr_assert_eq(m.hello.not_shown_cnt, 9);
}

Test(msg, result_golden)
{
	struct ippm_result r = ike_result(0x0102030405060708, IPPM_LIST, IPPM_OK, 33);
	struct tw_ike_msg m;

	r.flags_be = __builtin_bswap32(IPPM_F_KNOWN_PEER | IPPM_F_SETTING_UP);
	r.cnt_be = __builtin_bswap32(32);
	memcpy(r.text, "all is well", 11);
	cr_assert_eq(read_copy(&r, sizeof(r), &m), 0);
	cr_assert_eq(m.seq, 0x0102030405060708);
	cr_assert_eq(m.result.request, TW_IKE_MSG_LIST);
	cr_assert_eq(m.result.status, TW_IKE_MSG_OK);
	cr_assert_eq(m.result.cursor, 33);
	cr_assert_eq(m.result.flags, TW_IKE_MSG_KNOWN_PEER | TW_IKE_MSG_SETTING_UP);
	cr_assert_eq(m.result.cnt, 32);
	cr_assert_str_eq(m.result.text, "all is well");
	r.status_be = __builtin_bswap16(IPPM_BAD_VERSION + 1);
	cr_assert_eq(read_copy(&r, sizeof(r), &m), -EBADMSG);
}

static struct ippm_sa
full_sa(void)
{
	struct ippm_sa sa = ike_sa(IPPM_SA_REKEYED, IPPM_S_ESTABLISHED, 5);

	memset(sa.old_spi_i, 0x11, 8);
	memset(sa.old_spi_r, 0x22, 8);
	sa.role = IPPM_RESPONDER;
	sa.flags_be = __builtin_bswap32(IPPM_F_PPK | IPPM_F_REMOTE_NAT);
	sa.vip_cnt_be = __builtin_bswap16(2);
	sa.vip[0] = (struct ippm_addr){.family = 4, .addr = {10, 0, 0, 1}};
	sa.vip[1] = (struct ippm_addr){.family = 6, .addr = {0x20, 1, [15] = 1}};
	sa.ts_cnt_be = __builtin_bswap16(1);
	sa.ts[0] = (struct ippm_ts){
		.family = 4, .proto = 6, .from = {10, 1, 0, 0}, .to = {10, 1, 0, 255}};
	return sa;
}

Test(msg, sa_golden)
{
	struct ippm_sa sa = full_sa();
	struct tw_ike_msg m;

	cr_assert_eq(tw_ike_msg_read(&sa, sizeof(sa), &m), 0);
	cr_assert_eq(m.type, TW_IKE_MSG_SA_REKEYED);
	cr_assert_eq(m.state, TW_IKE_MSG_S_ESTABLISHED);
	cr_assert_eq(m.sa.serial, 5);
	cr_assert_eq(m.sa.spis.i[0], 0x05);
	cr_assert_eq(m.sa.spis.r[7], 0x85);
	cr_assert(m.has_old);
	cr_assert_eq(m.old.i[0], 0x11);
	cr_assert_eq(m.old.r[0], 0x22);
	cr_assert_not(m.has_successor);
	cr_assert_not(m.sa.is_initiator);
	cr_assert(m.sa.has_ppk && m.sa.is_remote_nat && !m.sa.is_local_nat);
	cr_assert_eq(m.sa.local_port, 500);
	cr_assert_eq(m.sa.remote_port, 4500);
	cr_assert_eq(m.sa.remote.b[3], 5);
	cr_assert_eq(m.sa.prf, 5);
	cr_assert_eq(m.sa.key_len, 32);
	cr_assert_eq((size_t)(m.key - (const uint8_t *)&sa), offsetof(struct ippm_sa, key));
	cr_assert_str_eq(m.sa.local_id, "me.lab");
	cr_assert_str_eq(m.sa.remote_id, "peer5.lab");
	cr_assert_str_eq(m.sa.conn, "lab");
	cr_assert_eq(m.sa.established_s, 1700000005);
	cr_assert_eq(m.sa.vip_cnt, 2);
	cr_assert_eq(m.sa.vips[1].family, TW_ADDR_V6);
	cr_assert_eq(m.sa.ts_cnt, 1);
	cr_assert_eq(m.sa.ts[0].hi.b[3], 255);
}

static void
no_truncation_passes(const void *p, size_t len)
{
	uint8_t longer[2048] = {0};
	struct tw_ike_msg m;

	cr_assert_eq(tw_ike_msg_read(p, len, &m), 0);
	for (size_t cut = 0; cut < len; cut++) {
		memcpy(longer, p, cut);
		cr_assert_eq(read_copy(longer, cut, &m), -EBADMSG, "%zu octets", cut);
		/* nor with a size that agrees */
		tw_store_be32(longer + 4, (uint32_t)cut);
		if (cut >= 8)
			cr_assert_neq(read_copy(longer, cut, &m), 0, "%zu octets", cut);
	}
	memcpy(longer, p, len);
	cr_assert_eq(read_copy(longer, len + 1, &m), -EBADMSG);
	tw_store_be32(longer + 4, (uint32_t)len + 1);
	cr_assert_eq(read_copy(longer, len + 1, &m), -EBADMSG);
}

Test(msg, every_truncation_is_refused)
{
	struct ippm_hello h = ike_hello(1);
	struct ippm_result r = ike_result(1, IPPM_LIST, IPPM_OK, 0);
	struct ippm_sa sa = full_sa();

	no_truncation_passes(&h, sizeof(h));
	no_truncation_passes(&r, sizeof(r));
	no_truncation_passes(&sa, sizeof(sa));
}

Test(msg, another_version_is_told_apart)
{
	struct ippm_hello h = ike_hello(1);
	struct tw_ike_msg m;

	h.hdr.version_be = __builtin_bswap16(2);
	cr_assert_eq(tw_ike_msg_read(&h, sizeof(h), &m), -EPROTONOSUPPORT);
	cr_assert_eq(m.version, 2);
}

Test(msg, events_of_later_versions_are_skipped_other_types_not)
{
	struct ippm_hdr h = ike_hello(1).hdr;
	struct tw_ike_msg m;

	h.size_be = __builtin_bswap32(sizeof(h));
	for (unsigned type = 0; type <= 65535; type++) {
		h.type_be = __builtin_bswap16((uint16_t)type);
		cr_assert_eq(tw_ike_msg_read(&h, sizeof(h), &m),
			type > IPPM_SA_FAILED ? 0 : -EBADMSG, "type %u", type);
	}
}

/* One field at a time out of bounds. */
Test(msg, fields_out_of_bounds_are_refused)
{
	static const struct {
		size_t at;
		uint8_t value[2];
		size_t len;
	} rows[] = {
		{offsetof(struct ippm_sa, state), {0}, 1},
		{offsetof(struct ippm_sa, state), {IPPM_S_CONNECTING}, 1}, /* with a key */
		{offsetof(struct ippm_sa, state), {5}, 1}, {offsetof(struct ippm_sa, role), {0}, 1},
		{offsetof(struct ippm_sa, role), {3}, 1},
		{offsetof(struct ippm_sa, reason), {6}, 1},
		{offsetof(struct ippm_sa, key_len_be), {0, 0}, 2},
		{offsetof(struct ippm_sa, key_len_be), {0, 15}, 2},
		{offsetof(struct ippm_sa, key_len_be), {0, 65}, 2},
		{offsetof(struct ippm_sa, key_len_be), {1, 32}, 2},
		{offsetof(struct ippm_sa, remote), {0}, 1},
		{offsetof(struct ippm_sa, remote), {5}, 1},
		{offsetof(struct ippm_sa, local), {7}, 1},
		{offsetof(struct ippm_sa, local_id) + 2, {0, 253}, 2},
		{offsetof(struct ippm_sa, remote_id) + 2, {0xff, 0xff}, 2},
		{offsetof(struct ippm_sa, vip_cnt_be), {0, 5}, 2},
		{offsetof(struct ippm_sa, ts_cnt_be), {0, 17}, 2},
		{offsetof(struct ippm_sa, vip), {9}, 1}, {offsetof(struct ippm_sa, ts), {9}, 1},
		{offsetof(struct ippm_sa, serial_be) + 7, {0}, 1}, /* serial 0 */
	};
	struct tw_ike_msg m;

	for (size_t i = 0; i < TW_ARRAY_SIZE(rows); i++) {
		struct ippm_sa sa = full_sa();

		memcpy((uint8_t *)&sa + rows[i].at, rows[i].value, rows[i].len);
		cr_assert_eq(tw_ike_msg_read(&sa, sizeof(sa), &m), -EBADMSG, "row %zu", i);
	}
}

Test(msg, an_event_has_the_state_its_type_says)
{
	struct tw_ike_msg m;

	for (uint16_t type = IPPM_SA; type <= IPPM_SA_FAILED;
		type = type == IPPM_SA ? IPPM_SA_CONNECTING : (uint16_t)(type + 1)) {
		for (uint8_t state = IPPM_S_CONNECTING; state <= IPPM_S_GONE; state++) {
			struct ippm_sa sa = ike_sa(type, state, 1);
			bool fits = state != IPPM_S_GONE;

			if (type == IPPM_SA_CONNECTING)
				fits = state == IPPM_S_CONNECTING;
			else if (type == IPPM_SA_UP || type == IPPM_SA_REKEYED)
				fits = state == IPPM_S_ESTABLISHED;
			else if (type >= IPPM_SA_DOWN)
				fits = state == IPPM_S_GONE;
			cr_assert_eq(tw_ike_msg_read(&sa, sizeof(sa), &m) == 0, fits,
				"type %u state %u", type, state);
		}
	}
}

Test(msg, text_is_made_fit_to_show_and_then_decides_nothing)
{
	static const struct {
		const char *in;
		size_t len;
		const char *out;
		bool is_odd;
	} rows[] = {
		{"plain", 5, "plain", false},
		{"J\xc3\xbcrgen", 7, "J\xc3\xbcrgen", false},
		{"\xf0\x9f\x94\x91", 4, "\xf0\x9f\x94\x91", false},
		{"a\nb", 3, "a?b", true},
		{"a\0b", 3, "a?b", true},
		{"\x7f", 1, "?", true},
		{"\xc2\x85", 2, "??", true}, /* NEL */
		{"\xed\xa0\x80", 3, "???", true},
		{"\xf0\x9f\x94", 3, "???", true},
		{"", 0, "", false},
	};
	struct tw_ike_msg m;

	for (size_t i = 0; i < TW_ARRAY_SIZE(rows); i++) {
		struct ippm_sa sa = full_sa();

		memset(&sa.remote_id, 0, sizeof(sa.remote_id));
		memcpy(sa.remote_id.text, rows[i].in, rows[i].len);
		sa.remote_id.len_be = __builtin_bswap16((uint16_t)rows[i].len);
		cr_assert_eq(tw_ike_msg_read(&sa, sizeof(sa), &m), 0);
		cr_assert_str_eq(m.sa.remote_id, rows[i].out);
		cr_assert_eq(m.sa.is_remote_id_odd, rows[i].is_odd, "row %zu", i);
		cr_assert_not(m.sa.is_local_id_odd);
	}
	struct ippm_sa sa = full_sa();

	sa.flags_be = __builtin_bswap32(IPPM_F_REMOTE_ID_CUT);
	cr_assert_eq(tw_ike_msg_read(&sa, sizeof(sa), &m), 0);
	cr_assert(m.sa.is_remote_id_odd);
	memset(sa.remote_id.text, 'x', sizeof(sa.remote_id.text));
	sa.remote_id.len_be = __builtin_bswap16(IPPM_ID_MAX);
	memset(sa.connection, 'y', sizeof(sa.connection));
	cr_assert_eq(tw_ike_msg_read(&sa, sizeof(sa), &m), 0);
	cr_assert_eq(strlen(m.sa.remote_id), IPPM_ID_MAX);
	cr_assert_eq(strlen(m.sa.conn), IPPM_NAME_MAX);
}

Test(msg, requests_golden)
{
	struct tw_ike_req req = {.type = TW_IKE_MSG_SUBSCRIBE, .seq = 3};
	static const uint8_t subscribe[] = {0, 1, 0, 2, 0, 0, 0, 16, 0, 0, 0, 0, 0, 0, 0, 3};
	union {
		uint8_t octets[TW_IKE_MSG_OUT_MAX];
		struct ippm_list list;
		struct ippm_lookup_spi spi;
		struct ippm_lookup_peer peer;
		struct ippm_initiate initiate;
	} u;

	cr_assert_eq(tw_ike_msg_write(&req, &u, sizeof(u)), sizeof(subscribe));
	cr_assert_arr_eq(&u, subscribe, sizeof(subscribe));

	req = (struct tw_ike_req){.type = TW_IKE_MSG_LIST, .cursor = 0x1122334455667788};
	cr_assert_eq(tw_ike_msg_write(&req, &u, sizeof(u)), sizeof(u.list));
	cr_assert_eq(u.list.cursor_be, __builtin_bswap64(req.cursor));

	req = (struct tw_ike_req){.type = TW_IKE_MSG_LOOKUP_SPI, .spis = ike_spis(4)};
	cr_assert_eq(tw_ike_msg_write(&req, &u, sizeof(u)), sizeof(u.spi));
	cr_assert_arr_eq(u.spi.spi_i, &req.spis, 16);

	req = (struct tw_ike_req){
		.type = TW_IKE_MSG_LOOKUP_PEER, .peer = ike_peer(9), .remote_id = "b.lab"};
	cr_assert_eq(tw_ike_msg_write(&req, &u, sizeof(u)), sizeof(u.peer));
	cr_assert_eq(u.peer.peer.family, 4);
	cr_assert_eq(u.peer.peer.addr[3], 9);
	cr_assert_eq(u.peer.remote_id.len_be, __builtin_bswap16(5));
	cr_assert_arr_eq(u.peer.remote_id.text, "b.lab\0", 6);

	req.type = TW_IKE_MSG_INITIATE;
	req.deadline_ms = 2500;
	snprintf(req.conn, sizeof(req.conn), "cert");
	cr_assert_eq(tw_ike_msg_write(&req, &u, sizeof(u)), sizeof(u.initiate));
	cr_assert_eq(u.initiate.deadline_ms_be, __builtin_bswap32(2500));
	cr_assert_eq(u.initiate.local.family, 0);
	cr_assert_str_eq(u.initiate.connection, "cert");
	cr_assert_eq(u.initiate.hdr.size_be, __builtin_bswap32(sizeof(u.initiate)));
	for (size_t size = 0; size < sizeof(u.initiate); size++)
		cr_assert_eq(tw_ike_msg_write(&req, &u, size), 0);
}

Test(msg, requests_out_of_bounds_are_not_written)
{
	struct tw_ike_req req = {.type = TW_IKE_MSG_INITIATE, .peer = ike_peer(1)};
	uint8_t out[TW_IKE_MSG_OUT_MAX];

	cr_assert_eq(tw_ike_msg_write(&req, out, sizeof(out)), 0);
	req.deadline_ms = TW_IKE_INITIATE_MAX_MS + 1;
	cr_assert_eq(tw_ike_msg_write(&req, out, sizeof(out)), 0);
	req.deadline_ms = 1;
	cr_assert_neq(tw_ike_msg_write(&req, out, sizeof(out)), 0);
	req.type = TW_IKE_MSG_HELLO;
	cr_assert_eq(tw_ike_msg_write(&req, out, sizeof(out)), 0);
}

Test(msg, numbers_are_those_of_the_socket)
{
	cr_assert_eq(TW_IKE_MSG_IN_MAX, sizeof(struct ippm_sa));
	cr_assert_eq(TW_IKE_MSG_OUT_MAX, sizeof(struct ippm_initiate));
	cr_assert_eq(TW_IKE_ID_SIZE, IPPM_ID_MAX + 1);
	cr_assert_eq(TW_IKE_CONN_SIZE, IPPM_NAME_MAX + 1);
	cr_assert_eq(TW_IKE_MSG_TEXT_SIZE, IPPM_TEXT_MAX + 1);
	cr_assert_eq(TW_IKE_VIPS_MAX, IPPM_VIP_MAX);
	cr_assert_eq(TW_IKE_TS_MAX, IPPM_TS_MAX);
	cr_assert_eq(TW_IKE_INITIATE_MAX_MS, IPPM_DEADLINE_MS);
	cr_assert_eq((int)TW_IKE_MSG_SA_FAILED, (int)IPPM_SA_FAILED);
	cr_assert_eq((int)TW_IKE_MSG_BAD_VERSION, (int)IPPM_BAD_VERSION);
	cr_assert_eq((int)TW_IKE_MSG_R_FAILED, (int)IPPM_R_FAILED);
	cr_assert_str_eq(tw_ike_msg_status_name(IPPM_NO_CONNECTION), "no_connection");
	cr_assert_str_eq(tw_ike_msg_status_name(99), "?");
	cr_assert_str_eq(tw_ike_msg_reason_name(IPPM_R_DEAD), "dead");
	cr_assert_str_eq(tw_ike_msg_reason_name(99), "?");
}
