/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * A process full of secrets for core_check.py to dump: it takes them on standard input, straight
 * into secret memory, uses every part of lib/crypto on them, keeps all objects and waits.
 *
 * "idle": nothing runs any more and no stack is hidden, so that remnants would show.
 * "busy": a derivation and an engine are at work on hidden stacks while the core is taken.
 * "self": no core; with secrets of its own, for sanitizers: here OpenSSL allocates through us,
 * while under the test driver it was started before.
 */
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tw_crypto.h"
#include "tw_engine.h"
#include "tw_keyring.h"

#define BURST   32
#define THREADS 4
#define ENGINES 3

/* As core_check.py sends it. */
struct input {
	uint8_t pass_len;
	uint8_t pass[64];
	struct tw_crypto_keys keys;
	uint8_t salt[16], challenge[16], iv[16], sid[16];
};

struct probe {
	struct input *in; /* secret memory */
	uint8_t *tk;      /* secret memory */
	struct tw_secret *secret;
	struct tw_keyring *ring;
	struct tw_crypto_keys *opened;
	struct tw_crypto_stream *tx, *rx;
	struct tw_crypto_tkey *tkey;
	struct tw_engine *eng[ENGINES]; /* the last one may be missing */
};

static void
need(int is_ok, const char *what)
{
	if (is_ok)
		return;
	fprintf(stderr, "core_probe: %s failed\n", what);
	exit(1);
}

static void
read_all(void *p, size_t size)
{
	uint8_t *to = p;
	ssize_t got;

	while (size > 0) {
		got = read(STDIN_FILENO, to, size);
		need(got > 0, "read");
		to += got;
		size -= (size_t)got;
	}
}

static void
use_setup(struct probe *p)
{
	struct tw_keyring_id id;
	struct tw_secret *s;
	uint8_t token[64];

	p->secret = tw_secret_new(p->in->pass, p->in->pass_len);
	p->ring = tw_keyring_new(0);
	need(p->secret && p->ring && tw_keyring_id_make("alice", 5, &id) == 0, "keyring");
	need(tw_keyring_set(p->ring, &id, p->secret, false) == 0, "set");
	s = tw_keyring_find(p->ring, &id, NULL);
	p->tk = tw_crypto_alloc(16);
	p->opened = tw_crypto_alloc(sizeof(*p->opened));
	need(tw_crypto_kdf(s, p->in->salt, 1024, p->tk) == 0, "kdf");
	tw_secret_drop(s);
	need(tw_crypto_token_seal(p->tk, p->in->challenge, &p->in->keys, token) == 0, "seal");
	need(tw_crypto_token_open(p->tk, p->in->challenge, token, p->opened) == 0, "open");
}

static void
use_streams(struct probe *p)
{
	uint8_t msg[112] = {5};
	unsigned i;

	p->tx = tw_crypto_stream_new(&p->in->keys, p->in->iv);
	p->rx = tw_crypto_stream_new(p->opened, p->in->iv);
	need(p->tx && p->rx, "stream");
	for (i = 0; i < 3; i++) {
		need(tw_crypto_stream_hmac(p->tx, msg, 96) == 0, "hmac");
		need(tw_crypto_stream_tag(p->tx, msg + 96) == 0, "tag");
		need(tw_crypto_stream_encrypt(p->tx, msg, 112) == 0, "encrypt");
		need(tw_crypto_stream_decrypt(p->rx, msg, 112) == 0, "decrypt");
		need(tw_crypto_stream_hmac(p->rx, msg, 96) == 0, "hmac");
		need(tw_crypto_stream_check(p->rx, msg + 96) == 0, "check");
	}
	/* a message in progress: the HMAC object is alive when the core is taken */
	need(tw_crypto_stream_hmac(p->tx, msg, 96) == 0, "hmac");
}

static void
use_engine(struct probe *p, struct tw_engine *eng)
{
	static const uint16_t cover[3] = {16, 32, 96};
	struct tw_engine_job job[BURST];
	uint8_t buf[BURST][112], clear[BURST][96];
	unsigned n, i;

	memset(buf, 0, sizeof(buf));
	for (n = 1; n <= BURST; n++) {
		for (i = 0; i < n; i++)
			job[i] = (struct tw_engine_job){.key = p->tkey,
				.buf = buf[i],
				.clear = clear[i],
				.cover = cover[i % 3],
				.hmac_off = 96};
		need(tw_engine_seal(eng, job, n) == n, "engine seal");
		need(tw_engine_open(eng, job, n) == n, "engine open");
	}
}

static void
make_engines(struct probe *p)
{
	static const char *const names[ENGINES] = {"ipsec-mb", "openssl", "native"};
	unsigned i;

	p->tkey = tw_crypto_map(sizeof(*p->tkey));
	need(p->tkey && tw_crypto_tkey_derive(p->tkey, p->opened, p->in->sid) == 0, "tkey");
	for (i = 0; i < ENGINES; i++) {
		const struct tw_engine_ops *ops = tw_engine_find(names[i]);
		size_t size = tw_engine_size(ops);

		if (!ops->is_supported())
			continue;
		need(tw_engine_init(ops, tw_crypto_map(size), size, &p->eng[i]) == 0, "engine");
		need(tw_engine_selftest(p->eng[i]) == 0, "selftest");
	}
}

static void *
run_kdf(void *arg)
{
	struct probe *p = arg;

	need(tw_crypto_hide_stack() == 0, "hide stack");
	tw_crypto_kdf(p->secret, p->in->salt, 1u << 30, p->tk); /* outlives the test */
	return NULL;
}

static void *
run_engine(void *arg)
{
	struct probe *p = arg;

	need(tw_crypto_hide_stack() == 0, "hide stack");
	for (;;)
		use_engine(p, p->eng[0]);
	return NULL;
}

/* The same derivation on several threads at once, each several times. */
static void *
run_same_kdf(void *arg)
{
	struct probe *p = arg;
	uint8_t *tk = tw_crypto_alloc(16);
	unsigned i;

	for (i = 0; i < 4; i++) {
		need(tk && tw_crypto_kdf(p->secret, p->in->salt, 1024, tk) == 0, "kdf");
		need(memcmp(tk, p->tk, 16) == 0, "equal token keys");
	}
	tw_crypto_free(tk);
	return NULL;
}

static void
run_self(struct probe *p)
{
	pthread_t t[THREADS];
	size_t used = 0;
	unsigned i, round;

	for (round = 0; round < 8; round++) {
		for (i = 0; i < THREADS; i++)
			need(pthread_create(&t[i], NULL, run_same_kdf, p) == 0, "thread");
		for (i = 0; i < THREADS; i++)
			need(pthread_join(t[i], NULL) == 0, "join");
		if (round == 0)
			used = tw_crypto_heap_used();
	}
	/* OpenSSL's tables of threads grow by a block or two; a derivation that leaks takes 3 KiB
	 */
	need(tw_crypto_heap_used() <= used + 1024, "return of all memory");
}

/* The secrets: from core_check.py, or random. */
static void
take_input(struct input *in, bool is_self)
{
	if (!is_self) {
		read_all(in, sizeof(*in));
		return;
	}
	need(tw_crypto_random(in, sizeof(*in)) == 0, "random");
	in->pass_len = sizeof(in->pass);
}

int
main(int argc, char **argv)
{
	static struct probe probe, *p = &probe;
	uint8_t *canary;
	bool is_self, is_busy;
	char why[256] = "";
	pthread_t t;

	need(argc == 2, "usage: core_probe idle|busy|self; start");
	is_self = strcmp(argv[1], "self") == 0;
	is_busy = strcmp(argv[1], "busy") == 0;
	need(tw_crypto_init(TW_CRYPTO_HEAP_DEFAULT, why, sizeof(why)) == 0, why);
	p->in = tw_crypto_alloc(sizeof(*p->in));
	canary = malloc(16);
	need(p->in && canary, "memory");
	if (!is_self)
		read_all(canary, 16);
	take_input(p->in, is_self);
	if (is_busy)
		need(tw_crypto_hide_stack() == 0, "hide stack");
	use_setup(p);
	use_streams(p);
	make_engines(p);
	for (unsigned i = 0; i < ENGINES; i++) {
		if (p->eng[i])
			use_engine(p, p->eng[i]);
		tw_crypto_scrub_stack();
	}
	if (is_self) {
		run_self(p);
		free(canary);
		return 0;
	}
	if (is_busy) {
		need(pthread_create(&t, NULL, run_kdf, p) == 0, "thread");
		need(pthread_create(&t, NULL, run_engine, p) == 0, "thread");
		usleep(100 * 1000);
	}
	printf("ready %zu\n", tw_crypto_heap_used());
	fflush(stdout);
	while (read(STDIN_FILENO, why, 1) < 0 && errno == EINTR)
		;
	return 0;
}
