/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
#include <criterion/criterion.h>
#include <endian.h>
#include <string.h>

#include "fake_daemon.h"

TestSuite(parse);

static struct ippm_initiate
good(void)
{
	struct ippm_initiate in = {
		.hdr = fake_hdr(IPPM_INITIATE, sizeof(in), 0x0102030405060708),
		.peer = fake_addr(9),
		.deadline_ms_be = htobe32(1500),
		.connection = "site-b",
	};

	in.remote_id.len_be = htobe16(5);
	memcpy(in.remote_id.text, "b.lab", 5);
	return in;
}

Test(parse, reads_golden_octets)
{
	static const uint8_t lookup[32] = {0, 1, 0, 4, 0, 0, 0, 32, 1, 2, 3, 4, 5, 6, 7, 8, 0xa0,
		0xa1, 0xa2, 0xa3, 0xa4, 0xa5, 0xa6, 0xa7, 0xb0, 0xb1, 0xb2, 0xb3, 0xb4, 0xb5, 0xb6,
		0xb7};
	static const uint8_t list[24] = {
		0, 1, 0, 3, 0, 0, 0, 24, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 1, 2};
	struct ippm_request req;

	cr_assert_eq(ippm_parse(lookup, sizeof(lookup), &req), IPPM_OK);
	cr_assert_eq(req.type, IPPM_LOOKUP_SPI);
	cr_assert_eq(be64toh(req.seq_be), 0x0102030405060708);
	cr_assert_eq(memcmp(req.spi_i, lookup + 16, 8), 0);
	cr_assert_eq(memcmp(req.spi_r, lookup + 24, 8), 0);
	cr_assert_eq(ippm_parse(list, sizeof(list), &req), IPPM_OK);
	cr_assert_eq(req.cursor, 0x102);
}

Test(parse, reads_initiate)
{
	struct ippm_initiate in = good();
	struct ippm_request req;

	cr_assert_eq(ippm_parse(&in, sizeof(in), &req), IPPM_OK);
	cr_assert_eq(req.deadline_ms, 1500);
	cr_assert_str_eq(req.connection, "site-b");
	cr_assert_str_eq(req.remote_id, "b.lab");
	cr_assert_eq(req.local.family, 0);
	cr_assert_eq(req.peer.addr[3], 9);
}

Test(parse, reads_names_as_long_as_they_may_be)
{
	struct ippm_initiate in = good();
	struct ippm_request req;

	memset(in.connection, 'c', sizeof(in.connection));
	memset(in.remote_id.text, 'i', sizeof(in.remote_id.text));
	in.remote_id.len_be = htobe16(IPPM_ID_MAX);
	cr_assert_eq(ippm_parse(&in, sizeof(in), &req), IPPM_OK);
	cr_assert_eq(strlen(req.connection), IPPM_NAME_MAX);
	cr_assert_eq(strlen(req.remote_id), IPPM_ID_MAX);
}

Test(parse, refuses_every_other_length)
{
	struct ippm_initiate in = good();
	uint8_t longer[sizeof(in) + 1] = {0};
	struct ippm_request req;

	for (size_t len = 0; len < sizeof(in); len++)
		cr_assert_eq(ippm_parse(&in, len, &req), IPPM_BAD_REQUEST, "%zu octets", len);
	memcpy(longer, &in, sizeof(in));
	cr_assert_eq(ippm_parse(longer, sizeof(longer), &req), IPPM_BAD_REQUEST);
	cr_assert_eq(ippm_parse(longer, 100000, &req), IPPM_BAD_REQUEST, "a cut packet");
}

Test(parse, tells_another_version_from_a_bad_request)
{
	struct ippm_hdr hdr = fake_hdr(IPPM_STATUS, sizeof(hdr), 1);
	struct ippm_request req;

	hdr.version_be = htobe16(2);
	cr_assert_eq(ippm_parse(&hdr, sizeof(hdr), &req), IPPM_BAD_VERSION);
	cr_assert_eq(ippm_parse(&hdr, 8, &req), IPPM_BAD_VERSION, "all that never changes");
	cr_assert_eq(ippm_parse(&hdr, 7, &req), IPPM_BAD_REQUEST);
}

Test(parse, refuses_types_that_are_no_requests)
{
	struct ippm_hdr hdr;
	struct ippm_request req;

	for (unsigned type = 0; type < 0x10000; type++) {
		enum ippm_status want =
			type == IPPM_STATUS || type == IPPM_SUBSCRIBE ? IPPM_OK : IPPM_BAD_REQUEST;

		hdr = fake_hdr((uint16_t)type, sizeof(hdr), 1);
		cr_assert_eq(ippm_parse(&hdr, sizeof(hdr), &req), want, "type %u", type);
	}
}

Test(parse, refuses_fields_out_of_bounds)
{
	struct ippm_request req;
	struct ippm_initiate in;

#define REFUSES(change)                                                                            \
	in = good();                                                                               \
	change;                                                                                    \
	cr_assert_eq(ippm_parse(&in, sizeof(in), &req), IPPM_BAD_REQUEST, #change)
	REFUSES(in.hdr.size_be = htobe32(sizeof(in) + 1));
	REFUSES(in.peer.family = 0);
	REFUSES(in.peer.family = 5);
	REFUSES(in.local.family = 6);
	REFUSES(in.local.family = 1);
	REFUSES(in.deadline_ms_be = 0);
	REFUSES(in.deadline_ms_be = htobe32(IPPM_DEADLINE_MS + 1));
	REFUSES(in.deadline_ms_be = 0xffffffff);
	REFUSES(in.remote_id.len_be = htobe16(IPPM_ID_MAX + 1));
	REFUSES(in.remote_id.text[2] = '\0');
	REFUSES(in.connection[0] = '\n');
#undef REFUSES
}

Test(parse, ignores_octets_without_meaning)
{
	struct ippm_initiate in = good();
	struct ippm_request req;

	memset(in.peer.addr + 4, 0xee, 12);
	in.zero = 7;
	in.remote_id.type = 99;
	in.connection[20] = 'x';
	cr_assert_eq(ippm_parse(&in, sizeof(in), &req), IPPM_OK);
	cr_assert_eq(req.peer.addr[4], 0, "so that addresses compare");
	cr_assert_str_eq(req.connection, "site-b");
}
