/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The far end, written for plainness: frames are made and judged octet by octet from the layouts
 * of RFC 4656 4.1.2 and RFC 5357 4.2.1 and the rules of RFC 1071. Nothing here calls lib/wire,
 * lib/reflect, lib/send or lib/dp; what is judged is opened by OpenSSL.
 *
 * Ethernet II, IPv4 without options, UDP: 42 octets before the payload.
 */
#include <stdlib.h>
#include <string.h>

#include "bench.h"

#define IP_OFF    14
#define UDP_OFF   34
#define PAY_OFF   42
#define TTL_OURS  61
#define DSCP_US   46
#define T3_MAX_NS 1000000000 /* a reply stamped later than this is none of this batch */

static const uint8_t mac_us[6] = {2, 0, 0, 0, 0, 1}, mac_peer[6] = {2, 0, 0, 0, 0, 7};

/* Where things stand in a request and in a reply. */
struct layout {
	unsigned req_t, req_len, req_cover;
	unsigned rep_t, rep_t2, rep_sseq, rep_st1, rep_see, rep_ttl, rep_len, rep_cover;
};

static const struct layout layout_open = {4, 14, 0, 4, 16, 24, 28, 36, 40, 41, 0};
static const struct layout layout_auth = {16, 48, 16, 16, 32, 48, 64, 72, 80, 112, 16};
static const struct layout layout_encr = {16, 48, 32, 16, 32, 48, 64, 72, 80, 112, 96};

static const struct layout *
layout_of(const struct bench_case *c)
{
	switch (c->fmt->prot) {
	case TW_TST_PROT_OPEN:
		return &layout_open;
	case TW_TST_PROT_AUTH:
		return &layout_auth;
	default:
		return &layout_encr;
	}
}

/* Checksums ---------------------------------------------------------------------------------- */

static uint32_t
sum16(uint32_t sum, const uint8_t *p, unsigned len)
{
	for (unsigned i = 0; i + 1 < len; i += 2)
		sum += (uint32_t)p[i] << 8 | p[i + 1];
	if (len % 2 != 0)
		sum += (uint32_t)p[len - 1] << 8;
	return sum;
}

static uint16_t
fold(uint32_t sum)
{
	while (sum >> 16 != 0)
		sum = (sum & 0xffff) + (sum >> 16);
	return (uint16_t)sum;
}

/* Of UDP and its pseudo header, over the field as it is. */
static uint16_t
udp_sum(const uint8_t *f)
{
	const unsigned len = tw_load_be16(f + UDP_OFF + 4);
	uint32_t sum = 17 + len;

	sum = sum16(sum, f + IP_OFF + 12, 8);
	return fold(sum16(sum, f + UDP_OFF, len));
}

void
frame_cksum(struct rte_mbuf *m)
{
	uint8_t *f = rte_pktmbuf_mtod(m, uint8_t *);
	uint16_t c;

	tw_store_be16(f + IP_OFF + 10, 0);
	tw_store_be16(f + IP_OFF + 10, (uint16_t)~fold(sum16(0, f + IP_OFF, 20)));
	tw_store_be16(f + UDP_OFF + 6, 0);
	c = (uint16_t)~udp_sum(f);
	tw_store_be16(f + UDP_OFF + 6, c != 0 ? c : 0xffff);
}

/* Making ------------------------------------------------------------------------------------- */

static void
put_headers(uint8_t *f, const struct tw_sess_key *key, unsigned len)
{
	memset(f, 0, PAY_OFF);
	memcpy(f, mac_us, 6);
	memcpy(f + 6, mac_peer, 6);
	tw_store_be16(f + 12, 0x0800);
	f[IP_OFF] = 0x45;
	f[IP_OFF + 1] = DSCP_US << 2;
	tw_store_be16(f + IP_OFF + 2, (uint16_t)(len - IP_OFF));
	f[IP_OFF + 8] = TTL_OURS;
	f[IP_OFF + 9] = 17;
	memcpy(f + IP_OFF + 12, key->src + 12, 4);
	memcpy(f + IP_OFF + 16, key->dst + 12, 4);
	memcpy(f + UDP_OFF, &key->src_port_be, 2);
	memcpy(f + UDP_OFF + 2, &key->dst_port_be, 2);
	tw_store_be16(f + UDP_OFF + 4, (uint16_t)(len - UDP_OFF));
}

struct rte_mbuf *
frame_request(struct rig *r, uint32_t sess, unsigned queue, uint32_t seq, struct meta *meta)
{
	const struct layout *l = layout_of(r->c);
	const struct tw_sess_key key = rig_key(sess, queue);
	struct rte_mbuf *m = rte_pktmbuf_alloc(r->b->pool);
	uint8_t *f;

	need(m != NULL, "no packet buffer left");
	f = (uint8_t *)rte_pktmbuf_append(m, r->c->frame);
	need(f != NULL, "frame does not fit a buffer");
	m->port = r->port->eth_id;
	put_headers(f, &key, r->c->frame);
	f += PAY_OFF;
	memset(f, 0, l->req_len);
	*meta = (struct meta){.t1 = tw_clock_ns_to_ntp(tw_clock_at(&r->b->clock, rte_rdtsc())),
		.sess = sess,
		.seq = seq,
		.ee = (uint16_t)(0x8500 | (1 + seq % 200)),
		.is_valid = true};
	tw_store_be32(f, seq);
	tw_store_be64(f + l->req_t, meta->t1);
	tw_store_be16(f + l->req_t + 8, meta->ee);
	for (unsigned i = l->req_len; i < (unsigned)r->c->frame - PAY_OFF; i++)
		f[i] = (uint8_t)(seq + i);
	return m;
}

/* Protect and sum up. @p is_request: else replies, as a reflector makes them. */
void
frames_seal(struct rig *r, struct rte_mbuf **m, const struct meta *meta, unsigned n, unsigned queue,
	bool is_request)
{
	const struct layout *l = layout_of(r->c);
	const unsigned cover = is_request ? l->req_cover : l->rep_cover;
	const unsigned hmac_off = (is_request ? l->req_len : l->rep_len) - 16;
	struct tw_engine_job job[64];

	for (unsigned at = 0; at < n && cover != 0; at += TW_ARRAY_SIZE(job)) {
		const unsigned k = RTE_MIN(n - at, (unsigned)TW_ARRAY_SIZE(job));

		for (unsigned i = 0; i < k; i++)
			job[i] = (struct tw_engine_job){
				.key = &r->b->tkey[meta[at + i].sess % KEYS_CNT],
				.buf = rte_pktmbuf_mtod_offset(m[at + i], uint8_t *, PAY_OFF),
				.cover = (uint16_t)cover,
				.hmac_off = (uint16_t)hmac_off};
		need(tw_engine_seal(r->b->gen[queue], job, k) == k, "packets could not be sealed");
	}
	for (unsigned i = 0; i < n; i++)
		frame_cksum(m[i]);
}

/* Judging ------------------------------------------------------------------------------------ */

static _Noreturn void
wrong(const struct rig *r, const struct meta *meta, const char *what)
{
	die("%s: session %u, packet %u: %s is wrong", r->c->name, meta->sess, meta->seq, what);
}

/* All octets zero. */
static bool
is_zero(const uint8_t *p, unsigned len)
{
	for (unsigned i = 0; i < len; i++)
		if (p[i] != 0)
			return false;
	return true;
}

/* A frame from us to the peer of @p key. */
static void
check_headers(const struct rig *r, const struct rte_mbuf *m, const struct meta *meta,
	const struct tw_sess_key *key)
{
	const uint8_t *f = rte_pktmbuf_mtod(m, const uint8_t *);

	if (m->pkt_len != r->c->frame || m->nb_segs != 1)
		wrong(r, meta, "length of the frame");
	if (memcmp(f, mac_peer, 6) != 0 || tw_load_be16(f + 12) != 0x0800)
		wrong(r, meta, "Ethernet header");
	if (f[IP_OFF] != 0x45 || f[IP_OFF + 1] != DSCP_US << 2 || f[IP_OFF + 8] != 255 ||
		f[IP_OFF + 9] != 17 || tw_load_be16(f + IP_OFF + 2) != r->c->frame - IP_OFF ||
		memcmp(f + IP_OFF + 12, key->dst + 12, 4) != 0 ||
		memcmp(f + IP_OFF + 16, key->src + 12, 4) != 0)
		wrong(r, meta, "IP header");
	if (fold(sum16(0, f + IP_OFF, 20)) != 0xffff)
		wrong(r, meta, "IP checksum");
	if (memcmp(f + UDP_OFF, &key->dst_port_be, 2) != 0 ||
		memcmp(f + UDP_OFF + 2, &key->src_port_be, 2) != 0 ||
		tw_load_be16(f + UDP_OFF + 4) != r->c->frame - UDP_OFF)
		wrong(r, meta, "UDP header");
	if (tw_load_be16(f + UDP_OFF + 6) == 0 || udp_sum(f) != 0xffff)
		wrong(r, meta, "UDP checksum");
}

/* The header in clear, opened by OpenSSL as far as it is covered. */
static void
open_it(const struct rig *r, unsigned queue, const uint8_t *pay, const struct meta *meta,
	unsigned cover, unsigned len, uint8_t *clear)
{
	struct tw_engine_job job = {.key = &r->b->tkey[meta->sess % KEYS_CNT],
		.buf = (uint8_t *)(uintptr_t)pay,
		.clear = clear,
		.cover = (uint16_t)cover,
		.hmac_off = (uint16_t)(len - 16)};

	memcpy(clear + cover, pay + cover, len - cover);
	if (cover != 0 && tw_engine_open(r->b->ref[queue], &job, 1) != 1)
		wrong(r, meta, "HMAC");
}

static void
check_mbz(const struct rig *r, const uint8_t *p, const struct meta *meta)
{
	if (r->c->fmt->prot == TW_TST_PROT_OPEN) {
		if (!is_zero(p + 14, 2) || !is_zero(p + 38, 2))
			wrong(r, meta, "MBZ");
		return;
	}
	if (!is_zero(p + 4, 12) || !is_zero(p + 26, 6) || !is_zero(p + 40, 8) ||
		!is_zero(p + 52, 12) || !is_zero(p + 74, 6) || !is_zero(p + 81, 15))
		wrong(r, meta, "MBZ");
}

void
check_reply(
	struct rig *r, struct rte_mbuf *m, unsigned queue, const struct meta *meta, bool is_full)
{
	const uint8_t *pay = rte_pktmbuf_mtod_offset(m, const uint8_t *, PAY_OFF);
	const struct layout *l = layout_of(r->c);
	const struct tw_sess_key key = rig_key(meta->sess, queue);
	uint64_t t2, t3, now;
	int64_t error_ns;
	uint8_t p[128];

	if (!is_full) {
		if (m->pkt_len != r->c->frame)
			wrong(r, meta, "length of the frame");
		return;
	}
	r->checked++;
	check_headers(r, m, meta, &key);
	open_it(r, queue, pay, meta, l->rep_cover, l->rep_len, p);
	if (tw_load_be32(p) != meta->rep_seq)
		wrong(r, meta, "Sequence Number");
	if (tw_load_be32(p + l->rep_sseq) != meta->seq ||
		tw_load_be64(p + l->rep_st1) != meta->t1 ||
		tw_load_be16(p + l->rep_see) != meta->ee || p[l->rep_ttl] != TTL_OURS)
		wrong(r, meta, "what is copied from the request");
	check_mbz(r, p, meta);
	now = tw_clock_ns_to_ntp(tw_clock_at(&r->b->clock, rte_rdtsc()));
	t2 = tw_load_be64(p + l->rep_t2);
	t3 = tw_load_be64(p + l->rep_t);
	/* T2 is the middle of the time in which the frame may have come */
	error_ns = (int64_t)tw_clock_ee_decode(tw_load_be16(p + l->rep_t + 8)).error_ns;
	if (tw_clock_ntp_sub_ns(meta->t1, t2) > error_ns || t3 < t2 ||
		tw_clock_ntp_sub_ns(now, t3) > T3_MAX_NS || t3 > now + (1 << 20))
		wrong(r, meta, "time");
	if ((tw_load_be16(p + l->rep_t + 8) & 0xff) == 0 ||
		(tw_load_be16(p + l->rep_t + 8) & 0x8000) == 0)
		wrong(r, meta, "Error Estimate");
	for (unsigned i = l->rep_len; i < (unsigned)r->c->frame - PAY_OFF; i++)
		if (pay[i] != (uint8_t)(meta->seq + i - l->rep_len + l->req_len))
			wrong(r, meta, "padding");
}

/* Senders: the far end is a reflector -------------------------------------------------------- */

/* A request of ours, as the peer sees it: whose, which and when. */
void
take_request(struct rig *r, struct rte_mbuf *m, struct meta *meta, bool is_full)
{
	const uint8_t *f = rte_pktmbuf_mtod(m, const uint8_t *), *pay = f + PAY_OFF;
	const struct layout *l = layout_of(r->c);
	struct tw_sess_key key;
	uint8_t p[128];

	*meta = (struct meta){
		.sess = tw_load_be32(f + IP_OFF + 16) - (10u << 24), .is_valid = true};
	if (meta->sess >= r->c->sessions)
		wrong(r, meta, "destination");
	meta->seq = r->seq[meta->sess]++;
	meta->rep_seq = r->rep_seq[meta->sess]++;
	key = rig_key(meta->sess, 0);
	if (is_full || r->c->fmt->prot == TW_TST_PROT_ENCR) {
		open_it(r, 0, pay, meta, l->req_cover, l->req_len, p);
	} else {
		memcpy(p, pay, l->req_len);
	}
	meta->t1 = tw_load_be64(p + l->req_t);
	meta->ee = tw_load_be16(p + l->req_t + 8);
	if (!is_full)
		return;
	r->checked++;
	check_headers(r, m, meta, &key);
	if (tw_load_be32(p) != meta->seq)
		wrong(r, meta, "Sequence Number");
	if ((meta->ee & 0x8000) == 0 || (meta->ee & 0xff) == 0)
		wrong(r, meta, "Error Estimate");
	if (r->c->fmt->prot != TW_TST_PROT_OPEN && (!is_zero(p + 4, 12) || !is_zero(p + 26, 6)))
		wrong(r, meta, "MBZ");
}

/* The request becomes its reply, 20 us on the way and 10 us at the peer; to be sealed. */
void
frame_turn(struct rig *r, struct rte_mbuf *m, struct meta *meta)
{
	const uint64_t us = UINT64_C(4295); /* in units of 2^-32 s */
	const struct layout *l = layout_of(r->c);
	const struct tw_sess_key key = rig_key(meta->sess, 0);
	uint8_t *f = rte_pktmbuf_mtod(m, uint8_t *), *p = f + PAY_OFF;

	m->ol_flags = 0;
	m->port = r->port->eth_id;
	put_headers(f, &key, r->c->frame);
	memset(p, 0, l->rep_len);
	tw_store_be32(p, meta->rep_seq);
	tw_store_be64(p + l->rep_t, meta->t1 + 30 * us);
	tw_store_be16(p + l->rep_t + 8, 0x8505);
	tw_store_be64(p + l->rep_t2, meta->t1 + 20 * us);
	tw_store_be32(p + l->rep_sseq, meta->seq);
	tw_store_be64(p + l->rep_st1, meta->t1);
	tw_store_be16(p + l->rep_see, meta->ee);
	p[l->rep_ttl] = TTL_OURS;
}
