/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Preloaded into an appliance by dts/tests/test_syscalls.py: counts calls of allocators and locks,
 * of the C library and of DPDK, by thread. $TW_WATCH names a file of WATCH_THREADS records, mapped
 * shared: thread id, then a count per kind. A thread takes a record with its first counted call.
 *
 * What the compiler puts in line is not seen: rte_spinlock, rings, per-lcore caches of mempools.
 */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define WATCH_THREADS 256

enum { ALLOC, FREE, LOCK, KINDS };

struct record {
	_Atomic uint64_t tid;
	_Atomic uint64_t cnt[KINDS];
};

static struct record *records;
static _Atomic unsigned record_cnt;
static __thread struct record *own;

__attribute__((constructor)) static void
watch_open(void)
{
	const char *path = getenv("TW_WATCH");
	const size_t size = WATCH_THREADS * sizeof(struct record);
	int fd = path != NULL ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600) : -1;
	void *p;

	if (fd < 0)
		return;
	if (ftruncate(fd, (off_t)size) == 0) {
		p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
		if (p != MAP_FAILED)
			records = p;
	}
	close(fd);
}

static void
count(unsigned kind)
{
	if (records == NULL)
		return;
	if (own == NULL) {
		const unsigned at = atomic_fetch_add(&record_cnt, 1);

		own = &records[at < WATCH_THREADS ? at : WATCH_THREADS - 1];
		atomic_store(&own->tid, (uint64_t)gettid());
	}
	atomic_fetch_add(&own->cnt[kind], 1);
}

/* What the C library calls itself, so that nothing is looked up in the midst of an allocation. */
extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t size);
extern void *__libc_memalign(size_t align, size_t size);
extern void __libc_free(void *p);

void *
malloc(size_t size)
{
	count(ALLOC);
	return __libc_malloc(size);
}

void *
calloc(size_t n, size_t size)
{
	count(ALLOC);
	return __libc_calloc(n, size);
}

void *
realloc(void *p, size_t size)
{
	count(ALLOC);
	return __libc_realloc(p, size);
}

void *
aligned_alloc(size_t align, size_t size)
{
	count(ALLOC);
	return __libc_memalign(align, size);
}

int
posix_memalign(void **out, size_t align, size_t size)
{
	count(ALLOC);
	*out = __libc_memalign(align, size);
	return *out != NULL ? 0 : ENOMEM;
}

void
free(void *p)
{
	count(FREE);
	__libc_free(p);
}

/* The rest has the same shape: count, then the real one. */
#define WATCH(kind, type, name, params, args)                                                      \
	type name params                                                                           \
	{                                                                                          \
		static type(*_Atomic real) params;                                                 \
                                                                                                   \
		count(kind);                                                                       \
		if (real == NULL)                                                                  \
			real = (type(*) params)dlsym(RTLD_NEXT, #name);                            \
		return real args;                                                                  \
	}

WATCH(LOCK, int, pthread_mutex_lock, (pthread_mutex_t * m), (m))
WATCH(LOCK, int, pthread_mutex_trylock, (pthread_mutex_t * m), (m))
WATCH(LOCK, int, pthread_rwlock_rdlock, (pthread_rwlock_t * l), (l))
WATCH(LOCK, int, pthread_rwlock_wrlock, (pthread_rwlock_t * l), (l))
WATCH(LOCK, int, pthread_spin_lock, (pthread_spinlock_t * l), (l))
WATCH(LOCK, int, pthread_cond_signal, (pthread_cond_t * c), (c))
WATCH(LOCK, int, pthread_cond_broadcast, (pthread_cond_t * c), (c))
WATCH(LOCK, int, sem_wait, (sem_t * s), (s))
WATCH(LOCK, int, sem_post, (sem_t * s), (s))

/* DPDK's, declared here: a test needs no headers of it */
void *rte_malloc(const char *type, size_t size, unsigned align);
void *rte_zmalloc(const char *type, size_t size, unsigned align);
void *rte_calloc(const char *type, size_t n, size_t size, unsigned align);
void *rte_realloc(void *p, size_t size, unsigned align);
void *rte_malloc_socket(const char *type, size_t size, unsigned align, int socket);
void *rte_zmalloc_socket(const char *type, size_t size, unsigned align, int socket);
void *rte_calloc_socket(const char *type, size_t n, size_t size, unsigned align, int socket);
void rte_free(void *p);

WATCH(ALLOC, void *, rte_malloc, (const char *type, size_t size, unsigned align),
	(type, size, align))
WATCH(ALLOC, void *, rte_zmalloc, (const char *type, size_t size, unsigned align),
	(type, size, align))
WATCH(ALLOC, void *, rte_calloc, (const char *type, size_t n, size_t size, unsigned align),
	(type, n, size, align))
WATCH(ALLOC, void *, rte_realloc, (void *p, size_t size, unsigned align), (p, size, align))
WATCH(ALLOC, void *, rte_malloc_socket, (const char *type, size_t size, unsigned align, int socket),
	(type, size, align, socket))
WATCH(ALLOC, void *, rte_zmalloc_socket,
	(const char *type, size_t size, unsigned align, int socket), (type, size, align, socket))
WATCH(ALLOC, void *, rte_calloc_socket,
	(const char *type, size_t n, size_t size, unsigned align, int socket),
	(type, n, size, align, socket))
WATCH(FREE, void, rte_free, (void *p), (p))
