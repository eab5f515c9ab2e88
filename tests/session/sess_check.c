/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * See sess_check.h.
 */
#include <criterion/criterion.h>
#include <stdlib.h>
#include <string.h>

#include "sess_check.h"

const struct tw_tst_fmt *const check_fmts[CHECK_FMTS] = {&tw_tst_open, &tw_tst_auth, &tw_tst_encr};
const char *const check_engines[CHECK_ENGINES] = {"openssl", "ipsec-mb", "native"};

void
check_init(void)
{
	char why[256] = "";

	cr_assert_eq(tw_crypto_init_late(4U << 20, why, sizeof(why)), 0, "%s", why);
}

void *
check_alloc(size_t size)
{
	static void *kept[4096];
	static unsigned cnt;
	void *p;

	size = (size + TW_CACHE_LINE - 1) / TW_CACHE_LINE * TW_CACHE_LINE;
	p = aligned_alloc(TW_CACHE_LINE, size);
	cr_assert_not_null(p);
	kept[cnt++ % TW_ARRAY_SIZE(kept)] = p;
	return memset(p, 0, size);
}

/* Engines not ended yet: they own memory of OpenSSL that only they know. */
static struct tw_engine *engines[64];

static void
end_engines(void)
{
	for (unsigned i = 0; i < TW_ARRAY_SIZE(engines); i++)
		tw_engine_fini(engines[i]);
}

static void
replace_engine(struct tw_engine *from, struct tw_engine *to)
{
	unsigned i = 0;

	while (i < TW_ARRAY_SIZE(engines) && engines[i] != from)
		i++;
	cr_assert_lt(i, TW_ARRAY_SIZE(engines));
	engines[i] = to;
}

const char *
check_fast(void)
{
	const char *name = getenv("TW_TEST_ENGINE");

	return name != NULL ? name : "auto";
}

struct tw_engine *
check_engine(const char *name)
{
	const struct tw_engine_ops *ops = tw_engine_pick(name);
	static bool is_watched;
	struct tw_engine *eng;
	void *mem;

	cr_assert_not_null(ops, "%s", name);
	if (!ops->is_supported())
		ops = tw_engine_find("ipsec-mb");
	if (!is_watched)
		cr_assert_eq(atexit(end_engines), 0);
	is_watched = true;
	mem = tw_crypto_map(tw_engine_size(ops));
	cr_assert_not_null(mem);
	cr_assert_eq(tw_engine_init(ops, mem, tw_engine_size(ops), &eng), 0);
	replace_engine(NULL, eng);
	return eng;
}

void
check_engine_free(struct tw_engine *eng)
{
	size_t size = tw_engine_size(eng->ops);

	replace_engine(eng, NULL);
	tw_engine_fini(eng);
	tw_crypto_unmap(eng, size);
}

uint64_t
check_rand(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15ULL;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ z >> 27) * 0x94d049bb133111ebULL;
	return z ^ z >> 31;
}

void
check_fill(uint64_t *state, void *out, size_t len)
{
	uint8_t *p = out;

	for (size_t i = 0; i < len; i++)
		p[i] = (uint8_t)check_rand(state);
}

struct tw_sess_stamp
check_stamp_err(int64_t ns, uint32_t error_ns, bool is_synced)
{
	const struct tw_stamp at = {.time = {ns},
		.stamp_error_ns = error_ns,
		.epoch = 1,
		.source = TW_STAMP_TSC_RX,
		.is_synced = is_synced};

	return tw_sess_stamp_of(&at);
}

struct tw_sess_stamp
check_stamp(int64_t ns)
{
	return check_stamp_err(ns, 1000, true);
}

struct tw_crypto_keys *
check_keys(unsigned n)
{
	struct tw_crypto_keys *keys = tw_crypto_alloc(sizeof(*keys));
	uint64_t seed = 0x1000 + n;

	cr_assert_not_null(keys);
	check_fill(&seed, keys, sizeof(*keys));
	return keys;
}

void
check_sid(unsigned n, uint8_t out[TW_CRYPTO_BLOCK_LEN])
{
	uint64_t seed = 0x2000 + n;

	check_fill(&seed, out, TW_CRYPTO_BLOCK_LEN);
}

static struct tw_sess_key
key_of(uint32_t id)
{
	const uint8_t near[4] = {192, 0, 2, 1}, far[4] = {198, 51, 100, 7};
	struct tw_addr src = tw_addr_make(TW_ADDR_V4, far), dst = tw_addr_make(TW_ADDR_V4, near);

	return tw_sess_key_make(0, &src, (uint16_t)(10000 + id), &dst, 862);
}

struct tw_refl_sess *
check_refl(const struct tw_tst_fmt *fmt, uint32_t id)
{
	struct tw_refl_sess *sess = tw_crypto_map(sizeof(*sess));
	struct tw_crypto_keys *keys = check_keys(id);
	uint8_t sid[TW_CRYPTO_BLOCK_LEN];
	struct tw_refl_cfg cfg = {.key = key_of(id), .fmt = fmt, .id = id, .dscp = 46};

	cr_assert_not_null(sess);
	check_sid(id, sid);
	if (fmt->prot != TW_TST_PROT_OPEN) {
		cfg.keys = keys;
		cfg.sid = sid;
	}
	cr_assert_eq(tw_refl_sess_init(sess, &cfg), 0);
	tw_refl_sess_start(sess);
	tw_crypto_free(keys);
	return sess;
}

void
check_refl_free(struct tw_refl_sess *sess)
{
	tw_refl_sess_wipe(sess);
	tw_crypto_unmap(sess, sizeof(*sess));
}

struct tw_send_sess *
check_send(const struct tw_send_cfg *in)
{
	struct tw_send_sess *sess = tw_crypto_map(sizeof(*sess));
	struct tw_crypto_keys *keys = check_keys(in->id);
	uint8_t sid[TW_CRYPTO_BLOCK_LEN];
	struct tw_send_cfg cfg = *in;

	cr_assert_not_null(sess);
	check_sid(in->id, sid);
	cfg.key = key_of(in->id);
	if (cfg.fmt->prot != TW_TST_PROT_OPEN) {
		cfg.keys = keys;
		cfg.sid = sid;
	}
	cr_assert_eq(tw_send_sess_init(sess, &cfg), 0);
	tw_crypto_free(keys);
	return sess;
}

void
check_send_free(struct tw_send_sess *sess)
{
	tw_send_sess_wipe(sess);
	tw_crypto_unmap(sess, sizeof(*sess));
}

void
check_request(struct tw_engine *ref, const struct tw_tst_fmt *fmt,
	const struct tw_crypto_tkey *tkey, const struct tw_tst_req *req, uint8_t *buf, size_t len)
{
	struct tw_engine_job job = {
		.key = tkey, .buf = buf, .cover = fmt->req_cover, .hmac_off = fmt->req_hmac_off};

	cr_assert(fmt->write_req(buf, len, req));
	for (size_t i = fmt->req_min; i < len; i++)
		buf[i] = (uint8_t)(req->seq + i - fmt->req_min);
	if (fmt->req_cover != 0)
		cr_assert_eq(tw_engine_seal(ref, &job, 1), 1);
}

/* Clear text of the covered octets: in @p clear, or @p buf itself. NULL if not authentic. */
static const uint8_t *
open_with(struct tw_engine *ref, const struct tw_crypto_tkey *tkey, const uint8_t *buf,
	uint16_t cover, uint16_t hmac_off, uint8_t clear[TW_TST_COVER_MAX])
{
	struct tw_engine_job job = {.key = tkey,
		.buf = (uint8_t *)(uintptr_t)buf,
		.clear = clear,
		.cover = cover,
		.hmac_off = hmac_off};

	if (cover == 0)
		return buf;
	return tw_engine_open(ref, &job, 1) == 1 ? clear : NULL;
}

bool
check_open_rep(struct tw_engine *ref, const struct tw_tst_fmt *fmt,
	const struct tw_crypto_tkey *tkey, const uint8_t *buf, size_t len, struct tw_tst_rep *out)
{
	uint8_t clear[TW_TST_COVER_MAX];
	const uint8_t *c = open_with(ref, tkey, buf, fmt->rep_cover, fmt->rep_hmac_off, clear);

	return c != NULL && fmt->read_rep(buf, len, c, out);
}

bool
check_open_req(struct tw_engine *ref, const struct tw_tst_fmt *fmt,
	const struct tw_crypto_tkey *tkey, const uint8_t *buf, size_t len, struct tw_tst_req *out)
{
	uint8_t clear[TW_TST_COVER_MAX];
	const uint8_t *c = open_with(ref, tkey, buf, fmt->req_cover, fmt->req_hmac_off, clear);

	return c != NULL && tw_tst_read_req(fmt, buf, len, c, out);
}
