/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The key derivation threads. One lock guards two queues of pointers, each as large as the pool,
 * so that neither can overflow.
 */
#include "kdf_pool.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "privs.h"
#include "tw_crypto.h"

struct queue {
	void **job;
	unsigned head;
	unsigned len;
};

struct tw_kdf_pool {
	struct tw_kdf_pool_cfg cfg;
	struct tw_loop *loop;
	struct tw_loop_fd ready;
	unsigned load; /* control lcore: jobs that have not come back */
	unsigned thread_cnt;
	pthread_t threads[TW_KDF_THREADS_MAX];
	pthread_mutex_t lock; /* over the rest */
	pthread_cond_t has_work;
	struct queue waiting;
	struct queue done;
	bool is_ending;
};

static void
queue_put(const struct tw_kdf_pool *p, struct queue *q, void *job)
{
	q->job[(q->head + q->len++) % p->cfg.size] = job;
}

static void *
queue_take(const struct tw_kdf_pool *p, struct queue *q)
{
	void *job;

	if (q->len == 0)
		return NULL;
	job = q->job[q->head];
	q->head = (q->head + 1) % p->cfg.size;
	q->len--;
	return job;
}

static void *
thread_main(void *arg)
{
	struct tw_kdf_pool *p = arg;
	uint64_t one = 1;
	void *job;

	tw_crypto_hide_stack(); /* with the right to lock it */
	tw_privs_drop_thread();
	tw_privs_filter_thread();
	pthread_mutex_lock(&p->lock);
	for (;;) {
		while (p->waiting.len == 0 && !p->is_ending)
			pthread_cond_wait(&p->has_work, &p->lock);
		if (p->is_ending)
			break;
		job = queue_take(p, &p->waiting);
		pthread_mutex_unlock(&p->lock);
		p->cfg.run(job);
		pthread_mutex_lock(&p->lock);
		queue_put(p, &p->done, job);
		if (write(p->ready.fd, &one, sizeof(one)) < 0)
			continue; /* the counter is full: control is told already */
	}
	pthread_mutex_unlock(&p->lock);
	return NULL;
}

static void
done_drain(struct tw_kdf_pool *p)
{
	void *job;

	for (;;) {
		pthread_mutex_lock(&p->lock);
		job = queue_take(p, &p->done);
		pthread_mutex_unlock(&p->lock);
		if (job == NULL)
			return;
		p->load--;
		p->cfg.done(p->cfg.arg, job);
	}
}

static void
on_ready(void *arg, uint32_t events)
{
	struct tw_kdf_pool *p = arg;
	uint64_t cnt;

	(void)events;
	if (read(p->ready.fd, &cnt, sizeof(cnt)) > 0)
		done_drain(p);
}

/* Threads take no signal: those belong to main. */
static int
threads_start(struct tw_kdf_pool *p)
{
	sigset_t all, old;
	int ret = 0;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	while (p->thread_cnt < p->cfg.threads && ret == 0) {
		ret = pthread_create(&p->threads[p->thread_cnt], NULL, thread_main, p);
		if (ret == 0) {
			pthread_setname_np(p->threads[p->thread_cnt], "twamp-kdf");
			p->thread_cnt++;
		}
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -ret;
}

static void
threads_end(struct tw_kdf_pool *p)
{
	pthread_mutex_lock(&p->lock);
	p->is_ending = true;
	pthread_cond_broadcast(&p->has_work);
	pthread_mutex_unlock(&p->lock);
	while (p->thread_cnt > 0)
		pthread_join(p->threads[--p->thread_cnt], NULL);
}

static void
pool_destroy(struct tw_kdf_pool *p)
{
	pthread_cond_destroy(&p->has_work);
	pthread_mutex_destroy(&p->lock);
	free(p->waiting.job);
	free(p->done.job);
	free(p);
}

struct tw_kdf_pool *
tw_kdf_pool_new(struct tw_loop *loop, const struct tw_kdf_pool_cfg *cfg)
{
	struct tw_kdf_pool *p = calloc(1, sizeof(*p));
	int fd, ret = -ENOMEM;

	if (p == NULL)
		return NULL;
	p->loop = loop;
	p->cfg = *cfg;
	if (p->cfg.threads > TW_KDF_THREADS_MAX)
		p->cfg.threads = TW_KDF_THREADS_MAX;
	p->waiting.job = calloc(cfg->size, sizeof(void *));
	p->done.job = calloc(cfg->size, sizeof(void *));
	pthread_mutex_init(&p->lock, NULL);
	pthread_cond_init(&p->has_work, NULL);
	if (p->waiting.job == NULL || p->done.job == NULL)
		goto destroy;
	fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (fd < 0) {
		ret = -errno;
		goto destroy;
	}
	ret = tw_loop_fd_add(loop, &p->ready, fd, EPOLLIN, on_ready, p);
	if (ret != 0)
		goto close_fd;
	ret = threads_start(p);
	if (ret == 0)
		return p;
	threads_end(p);
	tw_loop_fd_del(loop, &p->ready);
close_fd:
	close(fd);
destroy:
	pool_destroy(p);
	errno = -ret;
	return NULL;
}

void
tw_kdf_pool_free(struct tw_kdf_pool *p)
{
	void *job;
	int fd;

	if (p == NULL)
		return;
	threads_end(p);
	done_drain(p);
	while ((job = queue_take(p, &p->waiting)) != NULL)
		p->cfg.done(p->cfg.arg, job);
	fd = p->ready.fd;
	tw_loop_fd_del(p->loop, &p->ready);
	close(fd);
	pool_destroy(p);
}

bool
tw_kdf_pool_put(struct tw_kdf_pool *p, void *job)
{
	if (p->load == p->cfg.size)
		return false;
	p->load++;
	pthread_mutex_lock(&p->lock);
	queue_put(p, &p->waiting, job);
	pthread_cond_signal(&p->has_work);
	pthread_mutex_unlock(&p->lock);
	return true;
}

unsigned
tw_kdf_pool_load(const struct tw_kdf_pool *p)
{
	return p->load;
}
