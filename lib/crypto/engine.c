/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The table of engines and what is common to all: memory, start and end.
 */
#include <errno.h>

#include "crypto_i.h"
#include "engine_i.h"

static const struct tw_engine_ops *const engines[] = {
	&engine_native_ops,
	&engine_imb_ops,
	&engine_openssl_ops,
};

const struct tw_engine_ops *
tw_engine_at(unsigned idx)
{
	return idx < sizeof(engines) / sizeof(engines[0]) ? engines[idx] : NULL;
}

const struct tw_engine_ops *
tw_engine_find(const char *name)
{
	const struct tw_engine_ops *ops;
	unsigned i;

	for (i = 0; (ops = tw_engine_at(i)); i++)
		if (strcmp(ops->name, name) == 0)
			return ops;
	return NULL;
}

const struct tw_engine_ops *
tw_engine_pick(const char *name)
{
	if (strcmp(name, "auto") != 0)
		return tw_engine_find(name);
	return engine_native_ops.is_supported() ? &engine_native_ops : &engine_imb_ops;
}

bool
engine_pairs_by_seal(struct tw_engine *eng, const struct tw_crypto_tkey *key, uint32_t seq,
	struct tw_engine_pair *pair, unsigned n)
{
	struct tw_engine_job job[TW_ENGINE_BURST_MAX];

	memset(pair, 0, n * sizeof(*pair));
	for (unsigned i = 0; i < n; i++) {
		const uint32_t be = __builtin_bswap32(seq + i);

		memcpy(pair[i].block, &be, sizeof(be));
		job[i] = (struct tw_engine_job){.key = key,
			.buf = pair[i].block,
			.cover = TW_ENGINE_COVER_AUTH,
			.hmac_off = offsetof(struct tw_engine_pair, tag)};
	}
	return tw_engine_seal(eng, job, n) == n;
}

bool
tw_engine_supported(void)
{
	return __builtin_cpu_supports("aes") && __builtin_cpu_supports("sse4.2") &&
	       __builtin_cpu_supports("pclmul");
}

size_t
tw_engine_size(const struct tw_engine_ops *ops)
{
	return (ops->size() + TW_ENGINE_ALIGN - 1) / TW_ENGINE_ALIGN * TW_ENGINE_ALIGN;
}

int
tw_engine_init(const struct tw_engine_ops *ops, void *mem, size_t size, struct tw_engine **out)
{
	struct tw_engine *eng = mem;
	int rc;

	if (!mem || (uintptr_t)mem % TW_ENGINE_ALIGN != 0 || size < tw_engine_size(ops))
		return -EINVAL;
	if (!tw_engine_supported() || !ops->is_supported())
		return -ENOTSUP;
	memset(mem, 0, tw_engine_size(ops));
	eng->ops = ops;
	rc = ops->init(eng);
	if (rc != 0) {
		tw_crypto_wipe(mem, tw_engine_size(ops));
		return rc;
	}
	*out = eng;
	return 0;
}

void
tw_engine_fini(struct tw_engine *eng)
{
	const struct tw_engine_ops *ops;

	if (!eng)
		return;
	ops = eng->ops;
	ops->fini(eng);
	tw_crypto_wipe(eng, tw_engine_size(ops));
}
