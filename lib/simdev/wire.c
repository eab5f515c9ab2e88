/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The wire lcore's turn. What a transmit burst put into a ring meets its fate at once, since the
 * fate is a function of the departure; then it waits in the heap for its arrival.
 */
#include <rte_cycles.h>
#include <rte_ethdev.h>

#include "simdev_i.h"

#define ETHER_LEN      14
#define OTHER_CLOCK_NS 1000000 /* a clock that is not the one to be read is ahead by this */

static int64_t
wire_now(const struct tw_simdev *sim)
{
	return tw_simdev_wire_ns(&sim->wire, rte_rdtsc());
}

/* A departure is the time inside the transmit burst, or the one the packet asks the NIC for. */
static int64_t
departure(struct tw_simdev_end *e, struct rte_mbuf *m)
{
	const struct tw_simdev *sim = e->sim;
	int64_t at_ns = tw_simdev_wire_ns(&sim->wire, *depart_of(sim, m));

	if (e->nic.has_sched && !e->nic.is_sched_wrong && (m->ol_flags & sim->sched_flag) != 0) {
		const uint64_t ticks = *stamp_of(sim, m);
		const int64_t sched_ns =
			tw_netsim_clock_when(e->nic_clock, nic_read_ns(e, ticks), at_ns);

		if (sched_ns < at_ns)
			tw_ctr_inc(&e->ctr.sched_late);
		else
			at_ns = sched_ns;
	}
	/* a queue keeps its order */
	if (at_ns < e->last_depart_ns)
		at_ns = e->last_depart_ns;
	e->last_depart_ns = at_ns;
	return at_ns;
}

static void
latch_set(struct tw_simdev_end *e, const struct rte_mbuf *m, int64_t depart_ns)
{
	if ((m->ol_flags & RTE_MBUF_F_TX_IEEE1588_TMST) == 0 || !e->nic.has_timesync ||
		!atomic_load_explicit(&e->has_latch_on, memory_order_relaxed) ||
		atomic_load_explicit(&e->latch, memory_order_acquire) != LATCH_EMPTY)
		return;
	atomic_store_explicit(
		&e->latch_ns, tw_netsim_clock_at(e->nic_clock, depart_ns), memory_order_relaxed);
	atomic_store_explicit(&e->latch, LATCH_SET, memory_order_release);
}

/* The packet is in the log; its mark tells which record. */
static struct tw_netsim_rec *
log_add(struct tw_simdev_end *e, struct rte_mbuf *m, const struct tw_netsim_addr *src,
	const struct tw_netsim_addr *dst, int64_t depart_ns)
{
	struct tw_netsim_log *log = e->sim->log;
	uint32_t *mark = mark_of(e->sim, m), cause = *mark & ~COPY_BIT;
	const uint32_t flow = tw_netsim_log_flow(log, src, dst, (uint8_t)e->idx);
	struct tw_netsim_rec *r =
		tw_netsim_log_add(log, flow, (uint8_t)e->idx, depart_ns, (uint16_t)m->pkt_len);

	*mark = 0;
	if (r == NULL)
		return NULL;
	/* a reflector answers in the buffer of the request; a sender's buffers are new */
	if (r->is_reply && cause != 0 && cause <= tw_netsim_log_cnt(log) &&
		log->rec[cause - 1].flow == flow && !log->rec[cause - 1].is_reply)
		r->cause = cause;
	*mark = (uint32_t)(r - log->rec) + 1;
	return r;
}

static void
bit_turn(struct rte_mbuf *m, uint32_t at)
{
	uint8_t *p = rte_pktmbuf_mtod(m, uint8_t *);

	if (m->data_len <= ETHER_LEN)
		return;
	at %= (m->data_len - ETHER_LEN) * 8u;
	p[ETHER_LEN + at / 8] ^= (uint8_t)(1u << at % 8);
}

static void
launch(struct tw_simdev_end *e, struct rte_mbuf *m, int64_t due_ns)
{
	if (tw_netsim_heap_push(&e->sim->heap, due_ns, m))
		return;
	tw_ctr_inc(&e->ctr.no_room);
	rte_pktmbuf_free(m);
}

/* Checksums and the like are what a device would have done by now: these ports offer none. */
static void
travel(struct tw_simdev_end *e, struct rte_mbuf *m, const struct tw_netsim_fate *f)
{
	struct rte_mbuf *copy = NULL;

	m->ol_flags &= RTE_MBUF_F_EXTERNAL | RTE_MBUF_F_INDIRECT;
	m->port = (uint16_t)!e->idx; /* for the moment: the end it arrives at */
	if (f->is_corrupt) {
		bit_turn(m, f->corrupt_at);
		tw_ctr_inc(&e->ctr.corrupted);
	}
	if (f->is_held)
		tw_ctr_inc(&e->ctr.held);
	if (f->copies == 2) {
		copy = rte_pktmbuf_copy(m, e->sim->copies, 0, UINT32_MAX);
		tw_ctr_inc(copy != NULL ? &e->ctr.duplicated : &e->ctr.no_room);
	}
	launch(e, m, f->arrive_ns[0]);
	if (copy == NULL)
		return;
	*mark_of(e->sim, copy) = *mark_of(e->sim, m) | COPY_BIT;
	copy->port = (uint16_t)!e->idx;
	launch(e, copy, f->arrive_ns[1]);
}

static void
take(struct tw_simdev_end *e, struct rte_mbuf *m)
{
	struct tw_netsim_rec *r = NULL;
	struct tw_netsim_addr src, dst;
	struct tw_netsim_fate f;
	const int64_t depart_ns = departure(e, m);
	const bool is_udp = ends_of(m, &src, &dst);

	latch_set(e, m, depart_ns);
	if (is_udp)
		r = log_add(e, m, &src, &dst, depart_ns);
	else
		*mark_of(e->sim, m) = 0;
	if (is_udp || e->sim->impairs_all)
		tw_netsim_fate(&e->dir, depart_ns, m->pkt_len, &f);
	else
		tw_netsim_pass(&e->dir, depart_ns, m->pkt_len, &f);
	tw_ctr_inc(&e->ctr.by_fate[f.kind]);
	if (!is_udp)
		tw_ctr_inc(&e->ctr.passed);
	if (r != NULL) {
		r->due_ns = f.arrive_ns[0];
		r->copies = f.copies;
		r->is_corrupt = f.is_corrupt;
		r->is_held = f.is_held;
		atomic_store_explicit(&r->fate, f.kind, memory_order_relaxed);
	}
	if (f.kind == TW_NETSIM_ARRIVES)
		travel(e, m, &f);
	else
		rte_pktmbuf_free(m);
}

static struct tw_netsim_rec *
rec_of(const struct tw_simdev *sim, uint32_t mark)
{
	mark &= ~COPY_BIT;
	return mark != 0 && mark <= tw_netsim_log_cnt(sim->log) ? &sim->log->rec[mark - 1] : NULL;
}

/* No room at the receiver. */
static void
refuse(struct tw_simdev_end *e, struct rte_mbuf *m)
{
	const uint32_t mark = *mark_of(e->sim, m);
	struct tw_netsim_rec *r = rec_of(e->sim, mark);

	tw_ctr_inc(&e->sim->end[!e->idx].ctr.by_fate[TW_NETSIM_LOST_FULL]);
	if (r != NULL && (mark & COPY_BIT) == 0)
		atomic_store_explicit(&r->fate, TW_NETSIM_LOST_FULL, memory_order_relaxed);
	rte_pktmbuf_free(m);
}

/* Later than any before: the log tells the order in which packets arrived. */
static int64_t
arrival_now(struct tw_simdev_end *e)
{
	const int64_t now_ns = wire_now(e->sim);

	e->last_arrive_ns = now_ns > e->last_arrive_ns ? now_ns : e->last_arrive_ns + 1;
	return e->last_arrive_ns;
}

/*
 * A NIC stamps a packet before the receive burst can see it; without one it has arrived when that
 * can: after the fence the ring's new tail is in this core's cache, for the other to find. Should
 * the wire lose its CPU just there, @p error_ns says so.
 * @return wire time of the arrival
 */
static int64_t
arrive(struct tw_simdev_end *e, struct rte_mbuf *m, uint32_t *error_ns)
{
	const struct tw_simdev *sim = e->sim;
	int64_t at_ns, begin_ns;

	*error_ns = 0;

	if (e->nic.has_rx_stamp) {
		at_ns = arrival_now(e);
		*stamp_of(sim, m) = nic_ticks(e, tw_netsim_clock_at(e->nic_clock, at_ns) +
							 (e->nic.is_rx_wrong ? OTHER_CLOCK_NS : 0));
		m->ol_flags |= sim->stamp_flag;
		(void)rte_ring_sp_enqueue(e->in, m);
		return at_ns;
	}
	begin_ns = wire_now(sim);
	(void)rte_ring_sp_enqueue(e->in, m);
	rte_mb();
	at_ns = arrival_now(e);
	*error_ns = (uint32_t)RTE_MIN(at_ns - begin_ns, (int64_t)UINT32_MAX);
	return at_ns;
}

/* @p e: where it arrives. One by one, as on a line: each is there at a time of its own. */
static void
deliver(struct tw_simdev_end *e, struct rte_mbuf *m, int64_t due_ns)
{
	struct tw_simdev_ctr *ctr = &e->sim->end[!e->idx].ctr;
	const uint32_t mark = *mark_of(e->sim, m); /* it is not ours any more soon */
	struct tw_netsim_rec *r = rec_of(e->sim, mark);
	uint32_t error_ns;
	int64_t at_ns;

	/* only we put in: what room there is stays */
	if (rte_ring_full(e->in)) {
		refuse(e, m);
		return;
	}
	m->port = e->eth_id;
	at_ns = arrive(e, m, &error_ns);
	if (r != NULL) {
		/* of either copy */
		if (error_ns > atomic_load_explicit(&r->arrive_error_ns, memory_order_relaxed))
			atomic_store_explicit(&r->arrive_error_ns, error_ns, memory_order_relaxed);
		atomic_store_explicit(
			&r->arrive_ns[(mark & COPY_BIT) != 0], at_ns, memory_order_relaxed);
	}
	if (at_ns - due_ns > OVERDUE_NS)
		tw_ctr_inc(&ctr->overdue);
	tw_ctr_inc(&ctr->delivered);
}

static unsigned
deliver_due(struct tw_simdev *sim)
{
	struct tw_netsim_item it;
	unsigned n = 0;
	int64_t now_ns;

	if (sim->heap.cnt == 0)
		return 0;
	now_ns = wire_now(sim);
	for (; n < BURST && tw_netsim_heap_pop(&sim->heap, now_ns, &it); n++) {
		struct rte_mbuf *m = it.ref;

		deliver(&sim->end[m->port], m, it.due_ns);
	}
	return n;
}

static void
cmd_run(struct tw_simdev *sim, const struct cmd *cmd)
{
	if (cmd->end < TW_SIMDEV_ENDS) {
		tw_netsim_dir_set(&sim->end[cmd->end].dir, &cmd->imp);
		if (cmd->restarts)
			tw_netsim_dir_restart(&sim->end[cmd->end].dir);
		return;
	}
	/* what is under way has no record any more */
	for (uint32_t i = 0; i < sim->heap.cnt; i++)
		*mark_of(sim, sim->heap.item[i].ref) = 0;
	for (uint32_t i = 0; i < TW_NETSIM_FLOWS_MAX; i++)
		sim->log->flow[i].cnt[0] = sim->log->flow[i].cnt[1] = 0;
	atomic_store_explicit(&sim->log->missed, 0, memory_order_relaxed);
	atomic_store_explicit(&sim->log->cnt, 0, memory_order_release);
}

static void
cmds_run(struct tw_simdev *sim)
{
	struct cmd cmd;

	while (tw_xcore_ring_pop(sim->cmd, &cmd, 1) == 1) {
		cmd_run(sim, &cmd);
		atomic_fetch_add_explicit(&sim->cmds_done, 1, memory_order_release);
	}
}

unsigned
tw_simdev_turn(struct tw_simdev *sim)
{
	struct rte_mbuf *m[BURST];
	unsigned n, total = 0;

	cmds_run(sim);
	for (unsigned i = 0; i < TW_SIMDEV_ENDS; i++) {
		n = rte_ring_sc_dequeue_burst(sim->end[i].out, (void **)m, BURST, NULL);
		if (n == 0)
			continue;
		tw_ctr_add(&sim->end[i].ctr.taken, n);
		for (unsigned k = 0; k < n; k++)
			rte_prefetch0(rte_pktmbuf_mtod(m[k], void *));
		for (unsigned k = 0; k < n; k++)
			take(&sim->end[i], m[k]);
		total += n;
	}
	return total + deliver_due(sim);
}
