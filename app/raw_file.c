/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * A bounded queue under a lock, taken in batches by a thread of its own. The thread shares
 * control's CPU, perhaps with a simulated wire: it is woken a few times a second, not for each
 * record.
 */
#include "raw_file.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "privs.h"

#define QUEUE_SIZE 16384U
#define BATCH      256U
#define WAKE_AT    2048U /* records; or else: */
#define WAKE_NS    100000000L

struct record {
	uint32_t session;
	struct tw_metrics_sample sample;
};

struct tw_raw_file {
	FILE *out; /* the thread's */
	pthread_t thread;
	_Atomic uint64_t lost;
	_Atomic bool is_complete; /* the thread's last word */
	pthread_mutex_t lock;     /* over the rest */
	pthread_cond_t has_work;
	unsigned head;
	unsigned len;
	bool is_ending;
	struct record queue[QUEUE_SIZE];
};

static const char head_line[] =
	"session,seq,reflector_seq,class,t1_utc_ns,t2_utc_ns,t3_utc_ns,t4_utc_ns,round_trip_ns,"
	"round_trip_net_ns,forward_ns,reverse_ns,residence_ns,round_trip_error_ns,"
	"forward_error_ns,is_synced,sender_ttl,ttl,reverse_error_ns,t1_source,t2_source,t3_source,"
	"t4_source\n";

static void
put_ns(FILE *out, bool is_there, int64_t ns)
{
	if (is_there)
		fprintf(out, "%" PRId64, ns);
	putc(',', out);
}

static void
put_error(FILE *out, uint64_t ns)
{
	if (ns != UINT64_MAX)
		fprintf(out, "%" PRIu64, ns);
	putc(',', out);
}

static void
record_write(FILE *out, const struct record *r)
{
	const struct tw_metrics_sample *s = &r->sample;

	fprintf(out, "%u,%" PRIu64 ",%" PRIu64 ",%s,", r->session, s->seq, s->r,
		tw_metrics_class_name(s->cls));
	put_ns(out, true, s->t1.ns);
	put_ns(out, s->has_peer, s->t2.ns);
	put_ns(out, s->has_peer, s->t3.ns);
	put_ns(out, true, s->t4.ns);
	put_ns(out, s->has_round_trip, s->round_trip_ns);
	put_ns(out, s->has_round_trip && s->has_peer, s->round_trip_net_ns);
	put_ns(out, s->has_peer, s->forward_ns);
	put_ns(out, s->has_peer, s->reverse_ns);
	put_ns(out, s->has_peer, s->residence_ns);
	put_error(out, s->round_trip_error_ns);
	put_error(out, s->forward_error_ns);
	fprintf(out, "%d,%u,%u,", s->is_synced, s->sender_ttl, s->ttl);
	put_error(out, s->reverse_error_ns);
	fprintf(out, "%s,%s,%s,%s\n", tw_clock_source_name(s->t1_source),
		tw_clock_source_name(s->has_peer ? TW_STAMP_PEER : TW_STAMP_NONE),
		tw_clock_source_name(s->has_peer ? TW_STAMP_PEER : TW_STAMP_NONE),
		tw_clock_source_name(s->t4_source));
}

static void
file_free(struct tw_raw_file *f)
{
	if (f->out != NULL)
		fclose(f->out);
	pthread_cond_destroy(&f->has_work);
	pthread_mutex_destroy(&f->lock);
	free(f);
}

static void
wait_a_while(struct tw_raw_file *f)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += WAKE_NS;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000L;
	}
	while (f->len < WAKE_AT && !f->is_ending)
		if (pthread_cond_timedwait(&f->has_work, &f->lock, &until) != 0)
			break;
}

/* @return 0: nothing came */
static unsigned
batch_take(struct tw_raw_file *f, struct record *batch)
{
	unsigned n = 0;

	if (f->len < BATCH && !f->is_ending)
		wait_a_while(f);
	for (; n < BATCH && f->len > 0; n++) {
		batch[n] = f->queue[f->head];
		f->head = (f->head + 1) % QUEUE_SIZE;
		f->len--;
	}
	return n;
}

static void *
thread_main(void *arg)
{
	struct tw_raw_file *f = arg;
	struct record batch[BATCH];
	unsigned i, n;
	bool is_last;

	tw_privs_drop_thread();
	do {
		pthread_mutex_lock(&f->lock);
		n = batch_take(f, batch);
		is_last = f->is_ending && f->len == 0;
		pthread_mutex_unlock(&f->lock);
		for (i = 0; i < n; i++)
			record_write(f->out, &batch[i]);
		if (ferror(f->out)) { /* disk full: count, go on with what comes */
			clearerr(f->out);
			atomic_fetch_add_explicit(&f->lost, n, memory_order_relaxed);
		}
	} while (!is_last);
	if (fclose(f->out) != 0)
		atomic_fetch_add_explicit(&f->lost, 1, memory_order_relaxed);
	f->out = NULL;
	atomic_store_explicit(&f->is_complete, true, memory_order_release);
	return NULL;
}

static int
thread_start(struct tw_raw_file *f)
{
	sigset_t all, old;
	int ret;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	ret = pthread_create(&f->thread, NULL, thread_main, f);
	if (ret == 0)
		pthread_setname_np(f->thread, "twamp-raw");
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -ret;
}

struct tw_raw_file *
tw_raw_file_new(const char *path)
{
	struct tw_raw_file *f = calloc(1, sizeof(*f));
	pthread_condattr_t attr;
	int fd, ret;

	if (f == NULL)
		return NULL;
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);
	f->out = fd >= 0 ? fdopen(fd, "w") : NULL;
	if (f->out == NULL) {
		ret = -errno;
		if (fd >= 0)
			close(fd);
		free(f);
		errno = -ret;
		return NULL;
	}
	fputs(head_line, f->out);
	pthread_mutex_init(&f->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&f->has_work, &attr);
	pthread_condattr_destroy(&attr);
	ret = thread_start(f);
	if (ret == 0)
		return f;
	file_free(f);
	errno = -ret;
	return NULL;
}

void
tw_raw_file_put(struct tw_raw_file *f, uint32_t session, const struct tw_metrics_sample *sample)
{
	pthread_mutex_lock(&f->lock);
	if (f->len < QUEUE_SIZE) {
		f->queue[(f->head + f->len++) % QUEUE_SIZE] =
			(struct record){.session = session, .sample = *sample};
		if (f->len == WAKE_AT)
			pthread_cond_signal(&f->has_work);
	} else {
		atomic_fetch_add_explicit(&f->lost, 1, memory_order_relaxed);
	}
	pthread_mutex_unlock(&f->lock);
}

void
tw_raw_file_end(struct tw_raw_file *f)
{
	pthread_mutex_lock(&f->lock);
	f->is_ending = true;
	pthread_cond_signal(&f->has_work);
	pthread_mutex_unlock(&f->lock);
}

bool
tw_raw_file_poll(struct tw_raw_file *f)
{
	if (!atomic_load_explicit(&f->is_complete, memory_order_acquire))
		return false;
	pthread_join(f->thread, NULL);
	file_free(f);
	return true;
}

void
tw_raw_file_free(struct tw_raw_file *f)
{
	if (f == NULL)
		return;
	tw_raw_file_end(f);
	pthread_join(f->thread, NULL);
	file_free(f);
}

uint64_t
tw_raw_file_lost(const struct tw_raw_file *f)
{
	return atomic_load_explicit(&f->lost, memory_order_relaxed);
}
