/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The truth as a file: one line per packet. Written by a thread, since a million lines take
 * seconds; packets may come and go meanwhile.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "ops.h"
#include "privs.h"
#include "simwire_i.h"

static const char head_line[] =
	"flow,is_reply,no,direction,fate,source,source_port,destination,destination_port,length,"
	"depart_ns,due_ns,arrive_ns,arrive_copy_ns,answers,is_held,is_corrupt,"
	"depart_reference_ns,arrive_reference_ns,arrive_error_ns\n";

static void
put_addr(FILE *out, const struct tw_netsim_addr *a)
{
	char text[INET6_ADDRSTRLEN] = "";

	(void)inet_ntop(a->family == 4 ? AF_INET : AF_INET6, a->b, text, sizeof(text));
	fprintf(out, "%s,%u,", text, a->port);
}

static void
put_time(FILE *out, int64_t ns)
{
	if (ns != INT64_MIN)
		fprintf(out, "%" PRId64, ns);
	putc(',', out);
}

static void
put_rec(struct tw_simwire *w, FILE *out, const struct tw_netsim_log *log, uint32_t i)
{
	const struct tw_netsim_rec *r = &log->rec[i];
	const struct tw_netsim_flow *f = &log->flow[r->flow];
	const int64_t arrive_ns = atomic_load_explicit(&r->arrive_ns[0], memory_order_relaxed);
	const uint8_t fate = atomic_load_explicit(&r->fate, memory_order_relaxed);

	fprintf(out, "%u,%d,%" PRIu64 ",%u,%s,", r->flow, r->is_reply, r->no, r->dir,
		fate != 0 ? tw_netsim_fate_name(fate) : "");
	put_addr(out, &f->end[r->is_reply]);
	put_addr(out, &f->end[!r->is_reply]);
	fprintf(out, "%u,", r->len);
	put_time(out, r->depart_ns);
	put_time(out, r->copies > 0 ? r->due_ns : INT64_MIN);
	put_time(out, arrive_ns);
	put_time(out, atomic_load_explicit(&r->arrive_ns[1], memory_order_relaxed));
	if (r->cause != 0)
		fprintf(out, "%" PRIu64, log->rec[r->cause - 1].no);
	fprintf(out, ",%d,%d,%" PRId64 ",", r->is_held, r->is_corrupt,
		tw_netsim_clock_at(tw_simdev_ref(w->sim, r->dir), r->depart_ns));
	if (arrive_ns != INT64_MIN)
		fprintf(out, "%" PRId64,
			tw_netsim_clock_at(tw_simdev_ref(w->sim, !r->dir), arrive_ns));
	fprintf(out, ",%" PRIu32 "\n",
		atomic_load_explicit(&r->arrive_error_ns, memory_order_relaxed));
}

static void
put_gaps(struct tw_simwire *w, FILE *out, const char *name, const struct tw_gaps *g)
{
	const struct tw_clock *wire = tw_simdev_wire(w->sim);
	const uint64_t cnt = atomic_load_explicit(&g->cnt, memory_order_acquire);

	for (uint64_t i = cnt > TW_GAPS_KEPT ? cnt - TW_GAPS_KEPT : 0; i < cnt; i++)
		fprintf(out, "%s,%" PRId64 ",%" PRId64 ",%" PRId64 "\n", name,
			tw_simdev_wire_ns(wire, g->gap[i % TW_GAPS_KEPT].begin_tsc),
			tw_simdev_wire_ns(wire, g->gap[i % TW_GAPS_KEPT].end_tsc),
			tw_clock_tsc_to_ns(wire, (int64_t)g->gap[i % TW_GAPS_KEPT].lost_tsc));
}

static void *
dump_main(void *arg)
{
	struct tw_simwire *w = arg;
	const struct tw_netsim_log *log = tw_simdev_log(w->sim);
	struct dump *d = &w->dump;
	char name[16];

	tw_privs_drop_thread();
	fputs(head_line, d->out);
	for (uint32_t i = 0; i < d->cnt; i++)
		put_rec(w, d->out, log, i);
	d->has_failed = ferror(d->out) != 0;
	d->has_failed |= fclose(d->out) != 0;
	if (d->gaps != NULL) {
		fputs("lcore,begin_ns,end_ns,lost_ns\n", d->gaps);
		put_gaps(w, d->gaps, "wire", w->gaps);
		for (unsigned i = 0; i < w->app->data_lcore_cnt; i++) {
			snprintf(name, sizeof(name), "data%u", i);
			put_gaps(w, d->gaps, name, w->data_gaps[i]);
		}
		d->has_failed |= ferror(d->gaps) != 0;
		d->has_failed |= fclose(d->gaps) != 0;
	}
	atomic_store_explicit(&d->is_done, true, memory_order_release);
	return NULL;
}

static FILE *
file_new(const char *path, char *err, size_t size)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0640);
	FILE *f = fd >= 0 ? fdopen(fd, "w") : NULL;

	if (f == NULL) {
		snprintf(err, size, "cannot make %.200s: %s", path, strerror(errno));
		if (fd >= 0)
			close(fd);
	}
	return f;
}

static int
thread_start(struct tw_simwire *w)
{
	sigset_t all, old;
	int ret;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	ret = pthread_create(&w->dump.thread, NULL, dump_main, w);
	if (ret == 0)
		pthread_setname_np(w->dump.thread, "twamp-truth");
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	return -ret;
}

int
tw_simwire_dump(struct tw_app *app, const char *path, const char *gaps_path, char *err, size_t size)
{
	struct tw_simwire *w = app->simwire;
	struct dump *d = &w->dump;
	int ret = -EIO;

	if (d->is_running) {
		snprintf(err, size, "a file is being written already");
		return -EBUSY;
	}
	*d = (struct dump){.cnt = tw_netsim_log_cnt(tw_simdev_log(w->sim))};
	d->out = file_new(path, err, size);
	if (d->out == NULL)
		return ret;
	if (gaps_path[0] != '\0') {
		d->gaps = file_new(gaps_path, err, size);
		if (d->gaps == NULL)
			goto close_out;
	}
	ret = thread_start(w);
	d->is_running = ret == 0;
	if (ret == 0)
		return 0;
	snprintf(err, size, "no thread to write: %s", strerror(-ret));
	if (d->gaps != NULL)
		fclose(d->gaps);
close_out:
	fclose(d->out);
	return ret;
}

void
tw_simwire_dump_answer(struct tw_app *app, struct tw_op_call *call)
{
	app->simwire->dump.call = call;
	simwire_watch(app->simwire);
}

/* The thread is done, or waited for: answer. */
void
simwire_dump_end(struct tw_simwire *w)
{
	struct dump *d = &w->dump;
	struct tw_out *out;
	int res = 0;

	if (!d->is_running)
		return;
	pthread_join(d->thread, NULL);
	out = tw_op_out(d->call);
	if (d->has_failed) {
		res = tw_out_fail(out, -EIO, NULL, "is the disk full?", "the file is incomplete");
	} else {
		tw_out_u64(out, "records", d->cnt, "packets");
		tw_out_u64(out, "missed", tw_simdev_log(w->sim)->missed, "packets");
	}
	tw_op_complete(d->call, res);
	d->call = NULL;
	d->is_running = false;
}

bool
simwire_dump_poll(struct tw_simwire *w)
{
	if (w->dump.is_running && !atomic_load_explicit(&w->dump.is_done, memory_order_acquire))
		return false;
	simwire_dump_end(w);
	return true;
}
