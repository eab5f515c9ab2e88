/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Bursts of packets out of an input: one octet of choices, two of length, then the payload. Half of
 * them get a right HMAC, since none would ever pass otherwise.
 */
#ifndef FUZZ_PACKETS_H
#define FUZZ_PACKETS_H

#include "fuzz.h"
#include "tw_engine.h"
#include "tw_session.h"

#define FUZZ_SESSIONS    3 /* one of each mode */
#define FUZZ_PAYLOAD_MAX 600

enum {
	FUZZ_IS_SEALED = 0x04, /* HMAC and cipher are right */
	FUZZ_IS_TIGHT = 0x08,  /* no room behind the packet */
	FUZZ_IS_REFUSED = 0x10,
};

static const struct tw_tst_fmt *const fuzz_fmts[FUZZ_SESSIONS] = {
	&tw_tst_open, &tw_tst_auth, &tw_tst_encr};

/* An engine, made once: $TW_TEST_ENGINE, else "auto". */
static inline struct tw_engine *
fuzz_engine(void)
{
	const char *name = getenv("TW_TEST_ENGINE");
	const struct tw_engine_ops *ops = tw_engine_pick(name != NULL ? name : "auto");
	struct tw_engine *eng;
	void *mem;

	CHECK(tw_crypto_init_late(TW_CRYPTO_HEAP_MIN, NULL, 0) == 0);
	CHECK(ops != NULL);
	mem = tw_crypto_map(tw_engine_size(ops));
	CHECK(mem != NULL && tw_engine_init(ops, mem, tw_engine_size(ops), &eng) == 0);
	return eng;
}

/* Keys of session @p i; NULL for the open one. */
static inline struct tw_crypto_keys *
fuzz_sess_keys(unsigned i)
{
	struct tw_crypto_keys *keys;

	if (fuzz_fmts[i]->prot == TW_TST_PROT_OPEN)
		return NULL;
	keys = tw_crypto_alloc(sizeof(*keys));
	CHECK(keys != NULL);
	memset(keys, (int)(0x5a + i), sizeof(*keys));
	return keys;
}

struct fuzz_packet {
	uint8_t choices;
	uint8_t sess; /* 0..FUZZ_SESSIONS-1 */
	size_t len;
	size_t room;
	uint8_t *was; /* as it was received, exactly len octets */
	uint8_t *buf; /* the same in memory of exactly room octets */
};

/* The next packet; false at the end of the input. @p longest reply must fit unless it is tight. */
static inline bool
fuzz_packet_next(struct fuzz_packet *p, const uint8_t **data, size_t *size, size_t longest_header)
{
	size_t have;

	if (*size < 3)
		return false;
	p->choices = (*data)[0];
	p->sess = (uint8_t)((p->choices & 3) % FUZZ_SESSIONS);
	p->len = (((size_t)(*data)[1] << 8) | (*data)[2]) % FUZZ_PAYLOAD_MAX;
	*data += 3;
	*size -= 3;
	have = *size < p->len ? *size : p->len;
	p->room = p->len;
	if (!(p->choices & FUZZ_IS_TIGHT) && p->room < longest_header)
		p->room = longest_header;
	p->was = calloc(1, p->len + 1);
	p->buf = calloc(1, p->room + !p->room);
	CHECK(p->was != NULL && p->buf != NULL);
	memcpy(p->was, *data, have);
	*data += have;
	*size -= have;
	return true;
}

/* Protect it if it is to be authentic and long enough, and fill the second copy. */
static inline void
fuzz_packet_seal(struct fuzz_packet *p, struct tw_engine *eng, const struct tw_crypto_tkey *tkey,
	uint16_t cover, uint16_t hmac_off)
{
	struct tw_engine_job job = {
		.key = tkey, .buf = p->was, .cover = cover, .hmac_off = hmac_off};

	if (cover != 0 && (p->choices & FUZZ_IS_SEALED) && p->len >= hmac_off + 16U)
		CHECK(tw_engine_seal(eng, &job, 1) == 1);
	memcpy(p->buf, p->was, p->len);
}

static inline void
fuzz_packet_free(struct fuzz_packet *p)
{
	free(p->was);
	free(p->buf);
}

#endif /* FUZZ_PACKETS_H */
