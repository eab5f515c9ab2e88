/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/* The capture reader against what vectors.json says was on the wire. */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "golden.h"

/* Control messages: each side's `raw` fields, in order, are its TCP stream. */
static void
streams_are_the_messages(struct golden_capture *c, json_t *v)
{
	size_t at[2] = {0, 0};
	size_t i;
	json_t *m;

	json_array_foreach (golden_member(v, "messages"), i, m) {
		bool is_server = strcmp(golden_str(m, "from"), "server") == 0;
		struct golden_span *s = is_server ? &c->to_client : &c->to_server;
		struct golden_span raw = golden_hex_new(m, "raw");

		cr_assert(at[is_server] + raw.len <= s->len, "%s", golden_str(m, "msg"));
		cr_assert_arr_eq(s->p + at[is_server], raw.p, raw.len);
		at[is_server] += raw.len;
		free(raw.p);
	}
	cr_assert_eq(at[0], c->to_server.len);
	cr_assert_eq(at[1], c->to_client.len);
}

/* The packets that the vectors list are the first ones of their direction. */
static void
packets_are_there(struct golden_capture *c, json_t *list, uint64_t sport, bool from_client)
{
	size_t at = 0;
	size_t i;
	json_t *p;

	json_array_foreach (list, i, p) {
		struct golden_span raw = golden_hex_new(p, "raw");

		while (at < c->packet_cnt &&
			(c->packets[at].sport != sport ||
				tw_addr_equal(&c->packets[at].src, &c->client) != from_client))
			at++;
		cr_assert_lt(at, c->packet_cnt);
		cr_assert_eq(c->packets[at].payload.len, raw.len);
		cr_assert_arr_eq(c->packets[at].payload.p, raw.p, raw.len);
		cr_assert_eq(c->packets[at].ttl, golden_int(p, "ip_ttl"));
		cr_assert_eq(c->packets[at].tos, golden_int(p, "ip_tos"));
		at++;
		free(raw.p);
	}
}

static void
check(const char *name, bool is_twamp)
{
	struct golden_capture *c = golden_capture_load(name);
	json_t *v = golden_vectors(name);
	size_t i;
	json_t *t;

	cr_assert_eq(c->server_port, is_twamp ? 862 : 861);
	streams_are_the_messages(c, v);
	json_array_foreach (golden_member(v, "test"), i, t) {
		bool from_client = is_twamp || i == 0;

		packets_are_there(c, golden_member(t, "sender_packets"),
			golden_int(t, "sender_port"), from_client);
		packets_are_there(c, golden_member(t, "reflector_packets"),
			golden_int(t, "receiver_port"), false);
	}
	cr_assert_eq(c->packet_cnt, is_twamp ? 40 : 20 * i);
	json_decref(v);
	golden_capture_free(c);
}

#define CHECK(id, name, is_twamp)                                                                  \
	Test(capture, id)                                                                          \
	{                                                                                          \
		check(name, is_twamp);                                                             \
	}
GOLDEN_SESSIONS(CHECK)
