/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Key derivation off the event loop: a few threads, a bounded queue, results back on
 * the control loop by an eventfd. Who may queue how much is decided by lib/control, per class and
 * source; the bound here is that of the memory.
 *
 * Context: the control lcore calls everything; the threads are private to the file. A job is a
 * pointer into the secret heap; it belongs to a thread from tw_kdf_pool_put() until `done`.
 */
#ifndef TW_KDF_POOL_H
#define TW_KDF_POOL_H

#include <stdbool.h>
#include <stdint.h>

#include "loop.h"

#define TW_KDF_THREADS_MAX 8

struct tw_kdf_pool;

struct tw_kdf_pool_cfg {
	unsigned threads;                   /* 1..TW_KDF_THREADS_MAX */
	unsigned size;                      /* jobs waiting or running at most */
	void (*run)(void *job);             /* on a thread of the pool */
	void (*done)(void *arg, void *job); /* on the control lcore, once for each job put */
	void *arg;
};

/**
 * Start the threads; they hold no capability and their stacks are kept out of dumps.
 * @return NULL with errno set
 */
struct tw_kdf_pool *tw_kdf_pool_new(struct tw_loop *loop, const struct tw_kdf_pool_cfg *cfg);

/** End the threads (each ends its job), then call `done` for all jobs left, run or not. */
void tw_kdf_pool_free(struct tw_kdf_pool *p);

/** Queue a job. @return false if the pool is full: the job is not taken */
bool tw_kdf_pool_put(struct tw_kdf_pool *p, void *job);

/** Jobs waiting or running now. */
unsigned tw_kdf_pool_load(const struct tw_kdf_pool *p);

#endif /* TW_KDF_POOL_H */
