/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Self-test of all engines at the start of the appliance: known answers (selftest.c), then bursts
 * with keys, covers and plaintexts drawn for this start, which every engine must seal to the same
 * octets as the reference and open again.
 */
#include <errno.h>

#include "crypto_i.h"
#include "engine_i.h"

#define KEYS       5
#define PACKET_MAX (TW_ENGINE_COVER_MAX + TW_CRYPTO_TAG_LEN)

struct packets {
	struct tw_engine_job job[TW_ENGINE_BURST_MAX];
	uint8_t buf[TW_ENGINE_BURST_MAX][PACKET_MAX];
	uint8_t clear[TW_ENGINE_BURST_MAX][TW_ENGINE_COVER_MAX];
	struct tw_engine_pair pair[TW_ENGINE_BURST_MAX];
};

/* In secret memory: the keys protect nothing, but they look like keys. */
struct crosscheck {
	struct tw_crypto_tkey tkey[KEYS];
	struct tw_crypto_keys keys[KEYS];
	uint8_t plain[TW_ENGINE_BURST_MAX][TW_ENGINE_COVER_MAX];
	struct packets ref, got;
};

static void
packets_fill(const struct crosscheck *c, struct packets *p, unsigned n)
{
	static const uint16_t covers[] = {
		TW_ENGINE_COVER_AUTH, TW_ENGINE_COVER_ENCR_REQ, TW_ENGINE_COVER_ENCR_REP};

	memset(p->buf, 0, sizeof(p->buf));
	for (unsigned i = 0; i < n; i++) {
		memcpy(p->buf[i], c->plain[i], sizeof(c->plain[i]));
		p->job[i] = (struct tw_engine_job){.key = &c->tkey[i % KEYS],
			.buf = p->buf[i],
			.clear = p->clear[i],
			.cover = covers[i % 3],
			.hmac_off = TW_ENGINE_COVER_MAX,
			.res = -EIO};
	}
}

/* Bursts of 1..64: the same octets as the reference, which come back as they were. */
static bool
agrees(struct crosscheck *c, struct tw_engine *ref, struct tw_engine *eng)
{
	const uint32_t seq = UINT32_MAX - c->plain[0][0] % TW_ENGINE_BURST_MAX;

	for (unsigned n = 1; n <= TW_ENGINE_BURST_MAX; n++) {
		packets_fill(c, &c->ref, n);
		packets_fill(c, &c->got, n);
		if (tw_engine_seal(ref, c->ref.job, n) != n ||
			tw_engine_seal(eng, c->got.job, n) != n ||
			memcmp(c->ref.buf, c->got.buf, sizeof(c->ref.buf)) != 0 ||
			tw_engine_open(eng, c->got.job, n) != n)
			return false;
		for (unsigned i = 0; i < n; i++)
			if (memcmp(c->got.clear[i], c->plain[i], c->got.job[i].cover) != 0)
				return false;
	}
	return tw_engine_pairs(ref, &c->tkey[0], seq, c->ref.pair, TW_ENGINE_BURST_MAX) &&
	       tw_engine_pairs(eng, &c->tkey[0], seq, c->got.pair, TW_ENGINE_BURST_MAX) &&
	       memcmp(c->ref.pair, c->got.pair, sizeof(c->ref.pair)) == 0;
}

static int
engine_make(const struct tw_engine_ops *ops, struct tw_engine **out)
{
	const size_t size = tw_engine_size(ops);
	void *mem = tw_crypto_map(size);
	int res;

	if (mem == NULL)
		return -errno;
	res = tw_engine_init(ops, mem, size, out);
	if (res != 0)
		tw_crypto_unmap(mem, size);
	return res;
}

static void
engine_end(struct tw_engine *eng)
{
	const size_t size = tw_engine_size(eng->ops);

	tw_engine_fini(eng);
	tw_crypto_unmap(eng, size);
}

static int
engine_check(struct crosscheck *c, struct tw_engine *ref, const struct tw_engine_ops *ops)
{
	struct tw_engine *eng;
	int res = engine_make(ops, &eng);

	if (res != 0)
		return res;
	res = tw_engine_selftest(eng);
	if (res == 0 && !agrees(c, ref, eng))
		res = -EIO;
	engine_end(eng);
	return res;
}

static int
draw(struct crosscheck *c)
{
	int res = tw_crypto_random(c->keys, sizeof(c->keys));

	if (res == 0)
		res = tw_crypto_random(c->plain, sizeof(c->plain));
	for (unsigned i = 0; i < KEYS && res == 0; i++)
		res = tw_crypto_tkey_init(&c->tkey[i], &c->keys[i]);
	return res;
}

int
tw_engine_check_all(const char **which)
{
	struct crosscheck *c = tw_crypto_map(sizeof(*c));
	const struct tw_engine_ops *ops;
	struct tw_engine *ref;
	int res;

	*which = engine_openssl_ops.name;
	if (c == NULL)
		return -errno;
	res = draw(c);
	if (res == 0)
		res = engine_make(&engine_openssl_ops, &ref);
	if (res != 0) {
		tw_crypto_unmap(c, sizeof(*c));
		return res;
	}
	for (unsigned i = 0; res == 0 && (ops = tw_engine_at(i)) != NULL; i++) {
		*which = ops->name;
		if (ops->is_supported())
			res = engine_check(c, ref, ops);
	}
	engine_end(ref);
	tw_crypto_unmap(c, sizeof(*c));
	return res;
}
