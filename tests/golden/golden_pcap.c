/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Captures: classic pcap, little endian, Ethernet, one TCP connection without holes, any UDP. No
 * more than the files here need; anything else ends the test.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "golden.h"
#include "tw_base.h"

enum { PCAP_MAGIC_US = 0xa1b2c3d4, PCAP_HEADER = 24, RECORD_HEADER = 16, ETHER = 14 };
enum { TCP = 6, UDP = 17, TCP_SYN = 0x02, TCP_ACK = 0x10 };

/* One frame, down to the transport header. */
struct frame {
	struct golden_packet ip; /* payload: transport header and what follows */
	uint8_t proto;
};

static uint32_t
le32(const uint8_t *p)
{
	return __builtin_bswap32(tw_load_be32(p));
}

static struct golden_span
read_file(const char *name)
{
	char path[512];
	struct golden_span s = {0};
	long len;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s.pcap", TW_GOLDEN_DIR, name);
	f = fopen(path, "rb");
	cr_assert(f, "%s: cannot open", path);
	cr_assert(fseek(f, 0, SEEK_END) == 0 && (len = ftell(f)) > PCAP_HEADER);
	rewind(f);
	s.len = (size_t)len;
	s.p = malloc(s.len);
	cr_assert(s.p && fread(s.p, 1, s.len, f) == s.len, "%s: cannot read", path);
	fclose(f);
	cr_assert_eq(le32(s.p), PCAP_MAGIC_US, "%s: no classic pcap", path);
	cr_assert_eq(le32(s.p + 20), 1, "%s: not Ethernet", path);
	return s;
}

static bool
parse_v4(uint8_t *p, size_t len, struct frame *f)
{
	size_t head = (p[0] & 15) * 4U;
	size_t total = tw_load_be16(p + 2);

	cr_assert(head <= total && total <= len, "bad IPv4 header");
	f->ip.tos = p[1];
	f->ip.ttl = p[8];
	f->proto = p[9];
	f->ip.src = tw_addr_make(TW_ADDR_V4, p + 12);
	f->ip.dst = tw_addr_make(TW_ADDR_V4, p + 16);
	f->ip.payload = (struct golden_span){p + head, total - head};
	return true;
}

static bool
parse_v6(uint8_t *p, size_t len, struct frame *f)
{
	size_t payload = tw_load_be16(p + 4);

	cr_assert(40 + payload <= len, "bad IPv6 header");
	f->ip.tos = (uint8_t)(tw_load_be16(p) >> 4);
	f->proto = p[6];
	f->ip.ttl = p[7];
	f->ip.src = tw_addr_make(TW_ADDR_V6, p + 8);
	f->ip.dst = tw_addr_make(TW_ADDR_V6, p + 24);
	f->ip.payload = (struct golden_span){p + 40, payload};
	return true;
}

/* The next frame at *off; false at the end of the file. Frames that are no IP have proto 0. */
static bool
next_frame(const struct golden_span *file, size_t *off, struct frame *f)
{
	uint8_t *r = file->p + *off;
	uint32_t len;

	if (*off + RECORD_HEADER > file->len)
		return false;
	len = le32(r + 8);
	cr_assert(len == le32(r + 12) && *off + RECORD_HEADER + len <= file->len, "cut frame");
	*off += RECORD_HEADER + len;
	*f = (struct frame){.ip.time_ns = le32(r) * 1000000000LL + le32(r + 4) * 1000LL};
	r += RECORD_HEADER;
	if (len > ETHER + 20 && tw_load_be16(r + 12) == 0x0800)
		return parse_v4(r + ETHER, len - ETHER, f);
	if (len > ETHER + 40 && tw_load_be16(r + 12) == 0x86dd)
		return parse_v6(r + ETHER, len - ETHER, f);
	return true;
}

static void
add_udp(struct golden_capture *c, const struct frame *f)
{
	const struct golden_span *l4 = &f->ip.payload;
	struct golden_packet *p;

	cr_assert(l4->len >= 8 && tw_load_be16(l4->p + 4) == l4->len, "bad UDP header");
	c->packets = realloc(c->packets, (c->packet_cnt + 1) * sizeof(*p));
	cr_assert(c->packets);
	p = &c->packets[c->packet_cnt++];
	*p = f->ip;
	p->sport = tw_load_be16(l4->p);
	p->dport = tw_load_be16(l4->p + 2);
	p->payload = (struct golden_span){l4->p + 8, l4->len - 8};
}

/* Put the octets of a segment where its sequence number says. */
static void
add_data(struct golden_span *s, uint32_t at, const uint8_t *p, size_t len)
{
	cr_assert(at <= s->len, "hole in a TCP stream");
	if (at + len > s->len) {
		s->p = realloc(s->p, at + len);
		cr_assert(s->p);
		s->len = at + len;
	}
	memcpy(s->p + at, p, len);
}

static void
add_tcp(struct golden_capture *c, const struct frame *f, uint32_t isn[2])
{
	const struct golden_span *l4 = &f->ip.payload;
	uint16_t sport = tw_load_be16(l4->p);
	uint32_t seq = tw_load_be32(l4->p + 4);
	size_t head = (l4->p[12] >> 4) * 4U;
	uint8_t flags = l4->p[13];
	bool is_client;

	cr_assert(l4->len >= 20 && head <= l4->len, "bad TCP header");
	if ((flags & TCP_SYN) && !(flags & TCP_ACK)) {
		cr_assert_eq(c->client_port, 0, "two connections in one capture");
		c->client = f->ip.src;
		c->server = f->ip.dst;
		c->client_port = sport;
		c->server_port = tw_load_be16(l4->p + 2);
	}
	is_client = sport == c->client_port && tw_addr_equal(&f->ip.src, &c->client);
	if (flags & TCP_SYN)
		isn[is_client] = seq + 1;
	else if (l4->len > head)
		add_data(is_client ? &c->to_server : &c->to_client, seq - isn[is_client],
			l4->p + head, l4->len - head);
}

struct golden_capture *
golden_capture_load(const char *name)
{
	struct golden_capture *c = calloc(1, sizeof(*c));
	size_t off = PCAP_HEADER;
	uint32_t isn[2] = {0};
	struct frame f;

	cr_assert(c);
	c->file = read_file(name);
	while (next_frame(&c->file, &off, &f)) {
		if (f.proto == UDP)
			add_udp(c, &f);
		else if (f.proto == TCP)
			add_tcp(c, &f, isn);
	}
	cr_assert(c->client_port != 0 && c->packet_cnt != 0, "%s: no session", name);
	return c;
}

void
golden_capture_free(struct golden_capture *c)
{
	free(c->to_server.p);
	free(c->to_client.p);
	free(c->packets);
	free(c->file.p);
	free(c);
}
