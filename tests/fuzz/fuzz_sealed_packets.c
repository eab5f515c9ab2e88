/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Protected test packets of an attacker, with every engine: none verifies, the packet stays as it
 * came and no clear text leaves. And what is sealed opens to what it was.
 */
#include "fuzz.h"
#include "tw_engine.h"
#include "tw_tst.h"

enum { ENGINES_MAX = 4 };

static struct tw_engine *engines[ENGINES_MAX];
static unsigned engine_cnt;
static struct tw_crypto_tkey *tkey;

static void
set_up(void)
{
	struct tw_crypto_keys *keys;
	const struct tw_engine_ops *ops;

	CHECK(tw_crypto_init_late(TW_CRYPTO_HEAP_MIN, NULL, 0) == 0);
	keys = tw_crypto_alloc(sizeof(*keys));
	tkey = tw_crypto_map(sizeof(*tkey));
	CHECK(keys != NULL && tkey != NULL);
	memset(keys, 0x5a, sizeof(*keys));
	CHECK(tw_crypto_tkey_init(tkey, keys) == 0);
	tw_crypto_free(keys);
	for (; (ops = tw_engine_at(engine_cnt)) != NULL && engine_cnt < ENGINES_MAX; engine_cnt++) {
		void *mem = tw_crypto_map(tw_engine_size(ops));

		CHECK(mem != NULL);
		CHECK(tw_engine_init(ops, mem, tw_engine_size(ops), &engines[engine_cnt]) == 0);
	}
}

static void
take(struct tw_engine *eng, const uint8_t *data, size_t size, uint16_t cover, uint16_t hmac_off)
{
	static const uint8_t zero[TW_ENGINE_COVER_MAX];
	uint8_t *clear = malloc(cover);
	uint8_t *pkt = fuzz_copy(data, size);
	struct tw_engine_job job = {
		.key = tkey, .buf = pkt, .clear = clear, .cover = cover, .hmac_off = hmac_off};

	CHECK(clear != NULL);
	CHECK(tw_engine_open(eng, &job, 1) == 0 && job.res != 0);
	CHECK(memcmp(pkt, data, size) == 0 && memcmp(clear, zero, cover) == 0);

	CHECK(tw_engine_seal(eng, &job, 1) == 1);
	CHECK(tw_engine_open(eng, &job, 1) == 1 && job.res == 0);
	CHECK(memcmp(clear, data, cover) == 0);
	CHECK(memcmp(pkt + hmac_off + TW_TST_HMAC_LEN, data + hmac_off + TW_TST_HMAC_LEN,
		      size - hmac_off - TW_TST_HMAC_LEN) == 0);

	pkt[data[0] % cover] ^= (uint8_t)(1U << (data[1] % 8));
	CHECK(tw_engine_open(eng, &job, 1) == 0 && memcmp(clear, zero, cover) == 0);
	free(pkt);
	free(clear);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct tw_tst_fmt *const fmts[] = {
#define TW_TST_FMT(NAME, name, sec, features) &tw_tst_##name,
#include "tst_formats.def"
	};

	if (engine_cnt == 0)
		set_up();
	for (size_t i = 0; i < TW_ARRAY_SIZE(fmts); i++) {
		const struct tw_tst_fmt *f = fmts[i];

		if (f->prot == TW_TST_PROT_OPEN)
			continue;
		for (unsigned e = 0; e < engine_cnt; e++) {
			if (size >= f->req_min)
				take(engines[e], data, size, f->req_cover, f->req_hmac_off);
			if (size >= f->rep_min)
				take(engines[e], data, size, f->rep_cover, f->rep_hmac_off);
		}
	}
	return 0;
}
