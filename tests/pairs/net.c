/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * See net.h.
 */
#include "net.h"

#include <string.h>

void
net_init(struct net *net, uint64_t seed, struct tw_engine *ref, unsigned sess_cnt)
{
	memset(net, 0, sizeof(*net));
	net->rnd = seed;
	net->ref = ref;
	net->sess_cnt = sess_cnt;
}

void
net_session(
	struct net *net, unsigned s, const struct tw_tst_fmt *fmt, const struct tw_crypto_tkey *key)
{
	net->fmt[s] = fmt;
	net->key[s] = key;
}

uint32_t
net_rand(struct net *net)
{
	uint64_t z = net->rnd += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return (uint32_t)((z ^ z >> 31) >> 16);
}

/* One in @p n. */
static bool
chance(struct net *net, unsigned n)
{
	return net_rand(net) % n == 0;
}

/* No loss, a little, much: one after the other, so that windows part and join again. */
static void
phase(struct net *net)
{
	static const uint32_t losses[] = {0, 65, 655, 20000};

	if (net->sent++ < net->phase_end)
		return;
	net->loss = losses[net_rand(net) % 4];
	net->phase_end = net->sent + 500 + net_rand(net) % 4000;
}

static void
put(struct net *net, enum net_dir dir, const struct net_packet *p)
{
	if (net->way_cnt[dir] < NET_QUEUE)
		net->way[dir][net->way_cnt[dir]++] = *p;
}

void
net_send(struct net *net, enum net_dir dir, unsigned s, const uint8_t *octets, unsigned len)
{
	struct net_packet p = {.len = (uint16_t)len, .sess = (uint8_t)s};

	phase(net);
	memcpy(p.octets, octets, len);
	net->past[net->past_cnt++ % NET_PAST] = p;
	if (net->gap[dir] > 0) {
		net->gap[dir]--;
		return;
	}
	if (chance(net, 5000))
		net->gap[dir] = net_rand(net) % (chance(net, 4) ? 6000 : 300);
	if ((net_rand(net) & 0xffff) < net->loss)
		return;
	put(net, dir, &p);
	if (chance(net, 200))
		put(net, dir, &p);
}

/* A valid HMAC over a block with octets that ought to be zero: authentic all the same. */
static void
forge_mbz(struct net *net, enum net_dir dir, struct net_packet *p)
{
	const struct tw_tst_fmt *fmt = net->fmt[p->sess];
	struct tw_engine_job job = {.key = net->key[p->sess], .buf = p->octets};

	if (fmt->req_cover == 0)
		return;
	job.cover = dir == NET_FORTH ? fmt->req_cover : fmt->rep_cover;
	job.hmac_off = dir == NET_FORTH ? fmt->req_hmac_off : fmt->rep_hmac_off;
	memset(p->octets, 0, job.cover);
	tw_store_be32(p->octets, net_rand(net) % 5000 - 2500);
	if (chance(net, 2))
		p->octets[4 + net_rand(net) % 12] = (uint8_t)(1 + net_rand(net) % 255);
	if (job.cover > 16)
		p->octets[25] = 1; /* Multiplier */
	(void)tw_engine_seal(net->ref, &job, 1);
}

/* What a path does to a packet under way; mostly nothing. */
static void
tamper(struct net *net, enum net_dir dir, struct net_packet *p)
{
	const uint32_t r = net_rand(net) % 256;

	if (r == 0) {
		p->octets[net_rand(net) % p->len] ^= (uint8_t)(1u << net_rand(net) % 8);
	} else if (r == 1) {
		forge_mbz(net, dir, p);
	} else if (r == 2) {
		*p = net->past[net_rand(net) % NET_PAST]; /* of either direction */
		if (p->len == 0)
			p->len = 48;
	} else if (r == 3) {
		for (unsigned i = 0; i < p->len; i++)
			p->octets[i] = (uint8_t)net_rand(net);
	} else if (r == 4) {
		p->len = (uint16_t)(net_rand(net) % (p->len + 1u));
	} else if (r == 5) {
		/* block and HMAC of two packets */
		memcpy(p->octets, net->past[net_rand(net) % NET_PAST].octets, 16);
	}
}

unsigned
net_arrivals(struct net *net, enum net_dir dir, struct net_packet *p, unsigned max)
{
	unsigned n = 0, kept = 0;

	for (unsigned i = 0; i < net->way_cnt[dir]; i++) {
		struct net_packet *w = &net->way[dir][i];

		if (n == max || (net->loss != 0 && chance(net, 100))) {
			net->way[dir][kept++] = *w; /* later: others overtake it */
			continue;
		}
		p[n] = *w;
		tamper(net, dir, &p[n]);
		n++;
	}
	net->way_cnt[dir] = kept;
	return n;
}
