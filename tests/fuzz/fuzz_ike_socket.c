/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * What an IKE daemon (or whoever holds its socket) may send. An input is a list of steps:
 *
 *   'p' LEN(2) octets   a packet of the daemon
 *   't' N               time passes: N * 100 ms
 *   'c'                 the connection the machine wants stands
 *   'x'                 it breaks
 *   'i' N, 'l' N        ask to initiate, look up peer number N
 *   'o'                 send what there is to send
 *
 * Whatever comes: the number of SAs stays bounded, look-ups agree with the list, no key is left
 * behind, and a machine that wants a connection asks for it by a deadline.
 */
#include "fuzz.h"
#include "ike_check.h"

#define SAS_MAX 8

struct bed {
	struct tw_ike_store *st;
	struct tw_ike_link *l;
	int64_t now;
	bool is_connected;
	unsigned asked, answered;
};

static void
on_state(void *arg, bool is_ready)
{
	(void)arg;
	(void)is_ready;
}

static void
on_answer(void *arg, const struct tw_ike_answer *a)
{
	struct bed *b = arg;

	CHECK(a->id != 0);
	CHECK(a->outcome != TW_IKE_DONE || a->result.status < TW_IKE_MSG_STATUS_N);
	b->answered++;
}

static const struct tw_ike_link_ops ops = {.state = on_state, .answer = on_answer};

static void
check_store(struct bed *b)
{
	const struct tw_ike_sa *sa;
	uint64_t last = 0;
	unsigned cnt = 0;

	CHECK(tw_ike_store_count(b->st) <= SAS_MAX);
	for (sa = tw_ike_store_next(b->st, 0); sa != NULL;
		sa = tw_ike_store_next(b->st, last + 1)) {
		const struct tw_ike_sa *found = tw_ike_store_find(b->st, &sa->spis, b->now, NULL);

		CHECK(found == NULL || found->key_len >= 16);
		CHECK(sa->vip_cnt <= TW_IKE_VIPS_MAX && sa->ts_cnt <= TW_IKE_TS_MAX);
		CHECK(strlen(sa->remote_id) < sizeof(sa->remote_id));
		CHECK(sa->serial > last);
		last = sa->serial;
		if (++cnt > SAS_MAX || last == UINT64_MAX)
			break;
	}
}

/* What an owner does after each call. */
static void
follow(struct bed *b)
{
	if (tw_ike_link_action(b->l) == TW_IKE_LINK_CLOSE) {
		b->is_connected = false;
		tw_ike_link_lost(b->l, 0, b->now);
	}
	CHECK(tw_ike_link_action(b->l) == TW_IKE_LINK_CONNECT || b->is_connected ||
		tw_ike_link_deadline(b->l) != TW_IKE_NO_DEADLINE);
}

static void
pass(struct bed *b, unsigned n)
{
	b->now += n * 100 * MS;
	if (tw_ike_link_deadline(b->l) <= b->now)
		tw_ike_link_timer(b->l, b->now);
	if (tw_ike_store_deadline(b->st) <= b->now) {
		tw_ike_store_timer(b->st, b->now);
		CHECK(tw_ike_store_deadline(b->st) > b->now);
	}
}

static void
ask(struct bed *b, uint16_t type, uint8_t n)
{
	const struct tw_ike_req req = {.type = type, .peer = ike_peer(n), .deadline_ms = 100};

	if (tw_ike_link_ask(b->l, &req, b->now) != 0)
		b->asked++;
}

/* @return octets of the step's argument that were used */
static size_t
packet(struct bed *b, const uint8_t *data, size_t size)
{
	size_t len = size >= 2 ? tw_load_be16(data) : 0;
	uint8_t *copy;

	if (size < 2)
		return size;
	if (len > size - 2)
		len = size - 2;
	copy = fuzz_copy(data + 2, len);
	if (b->is_connected)
		tw_ike_link_input(b->l, copy, len, b->now);
	free(copy);
	return len + 2;
}

static size_t
step(struct bed *b, const uint8_t *data, size_t size)
{
	uint8_t arg = size > 1 ? data[1] : 0;
	size_t len;

	switch (data[0]) {
	case 'p':
		return 1 + packet(b, data + 1, size - 1);
	case 't':
		pass(b, arg);
		return 2;
	case 'c':
		if (tw_ike_link_action(b->l) == TW_IKE_LINK_CONNECT) {
			tw_ike_link_connected(b->l, b->now);
			b->is_connected = true;
		}
		return 1;
	case 'x':
		if (b->is_connected || tw_ike_link_action(b->l) == TW_IKE_LINK_CONNECT)
			tw_ike_link_lost(b->l, -1, b->now);
		b->is_connected = false;
		return 1;
	case 'i':
		ask(b, TW_IKE_MSG_INITIATE, arg);
		return 2;
	case 'l':
		ask(b, TW_IKE_MSG_LOOKUP_PEER, arg);
		return 2;
	case 'o':
		if (tw_ike_link_output(b->l, &len) != NULL) {
			CHECK(len >= 16 && len <= TW_IKE_MSG_OUT_MAX);
			tw_ike_link_sent(b->l);
		}
		return 1;
	default:
		return 1;
	}
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct tw_ike_store_cfg cfg = {.max = SAS_MAX, .grace_ns = 30 * SEC};
	struct bed b = {.now = SEC};
	size_t used, n;

	CHECK(tw_crypto_init_late(TW_CRYPTO_HEAP_MIN, NULL, 0) == 0);
	used = tw_crypto_heap_used();
	b.st = tw_ike_store_new(&cfg);
	b.l = tw_ike_link_new(b.st, &ops, &b);
	CHECK(b.st != NULL && b.l != NULL);
	tw_ike_link_on(b.l, b.now);
	tw_ike_link_timer(b.l, b.now);
	while (size > 0) {
		n = step(&b, data, size);
		if (n > size)
			n = size;
		data += n;
		size -= n;
		follow(&b);
		check_store(&b);
	}
	CHECK(b.answered <= b.asked);
	tw_ike_link_free(b.l);
	tw_ike_store_free(b.st);
	CHECK(tw_crypto_heap_used() == used);
	return 0;
}
