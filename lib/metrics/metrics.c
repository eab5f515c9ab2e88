/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * A session's metrics from start to end, replies apart: memory, packets sent, packets whose time
 * passes.
 *
 * Two marks run after the newest packet: behind tmax_seq Tmax has passed (a packet is lost so
 * far), behind close_seq Tmax + Timeout (it is closed). They serve progress and memory only:
 * whether a reply is late is told by its stamps.
 */
#include <string.h>

#include "metrics_i.h"

/* Room a Poisson schedule needs above its mean: eight standard deviations, and a little. */
#define POISSON_SIGMAS 8
#define POISSON_SLACK  64

/* Longest Tmax or Timeout: an hour. */
#define WAIT_MAX_NS (3600 * (int64_t)TW_CLOCK_NS_PER_S)

static uint64_t
square_root(uint64_t v)
{
	uint64_t root = 0;

	for (uint64_t bit = 1ULL << 31; bit != 0; bit >>= 1) {
		if ((root + bit) * (root + bit) <= v)
			root += bit;
	}
	return root;
}

/* Slots of the window; 0 if the settings make no sense or need too many. */
static uint32_t
window_of(const struct tw_metrics_cfg *cfg)
{
	uint32_t window = TW_METRICS_WINDOW_MIN;
	uint64_t packets;

	if (cfg->tmax_ns <= 0 || cfg->tmax_ns > WAIT_MAX_NS || cfg->timeout_ns < 0 ||
		cfg->timeout_ns > WAIT_MAX_NS || cfg->interval_ns == 0 || cfg->dscp > 63)
		return 0;
	packets = (uint64_t)(cfg->tmax_ns + cfg->timeout_ns) / cfg->interval_ns + 1;
	if (packets > TW_METRICS_WINDOW_MAX)
		return 0;
	packets += POISSON_SIGMAS * square_root(packets) + POISSON_SLACK;
	while (window < packets)
		window *= 2;
	return window <= TW_METRICS_WINDOW_MAX ? window : 0;
}

static size_t
fixed_size(void)
{
	return (sizeof(struct tw_metrics) + TW_METRICS_ALIGN - 1) / TW_METRICS_ALIGN *
	       TW_METRICS_ALIGN;
}

size_t
tw_metrics_size(const struct tw_metrics_cfg *cfg)
{
	uint32_t window = window_of(cfg);

	if (window == 0)
		return 0;
	return fixed_size() + window * (sizeof(struct slot) + sizeof(uint32_t));
}

static void
init_ipdv(struct ipdv *v)
{
	tw_metrics_hist_init_at_zero(&v->up);
	tw_metrics_hist_init_at_zero(&v->down);
	v->min_ns = INT64_MAX;
	v->max_ns = INT64_MIN;
}

struct tw_metrics *
tw_metrics_init(void *mem, size_t size, const struct tw_metrics_cfg *cfg, tw_ns start)
{
	size_t need = tw_metrics_size(cfg);
	struct tw_metrics *m = mem;

	if (need == 0 || size < need || (uintptr_t)mem % TW_METRICS_ALIGN != 0)
		return NULL;
	memset(mem, 0, need);
	m->cfg = *cfg;
	m->window = window_of(cfg);
	m->mask = m->window - 1;
	m->slot = (struct slot *)(void *)((char *)mem + fixed_size());
	m->rslot = (uint32_t *)(void *)(m->slot + m->window);
	m->next_seq = m->tmax_seq = m->close_seq = cfg->first_seq;
	m->order_forward.next_exp = m->order_round_trip.next_exp = cfg->first_seq;
	m->epoch_since = start;
	m->interval.begin = start;
	m->newest = start;
	m->ttl_forward_min = m->ttl_reverse_min = UINT8_MAX;
	m->forward_longest_ns = INT64_MIN;
	m->answered_t1.ns = INT64_MIN;
	tw_metrics_hist_init(&m->round_trip);
	tw_metrics_hist_init(&m->round_trip_net);
	tw_metrics_hist_init(&m->forward);
	tw_metrics_hist_init(&m->reverse);
	tw_metrics_hist_init(&m->residence);
	init_ipdv(&m->ipdv_round_trip_net);
	init_ipdv(&m->ipdv_forward);
	init_ipdv(&m->ipdv_reverse);
	return m;
}

const struct tw_metrics_ctr *
tw_metrics_ctr(const struct tw_metrics *m)
{
	return &m->ctr;
}

void
tw_metrics_note_epoch(struct tw_metrics *m, const struct tw_stamp *s)
{
	uint64_t error_ns = tw_clock_stamp_error_ns(s);

	if (s->is_synced && s->sync_error_ns > m->sync_error_max_ns)
		m->sync_error_max_ns = s->sync_error_ns;
	if (error_ns != UINT64_MAX && error_ns > m->own_error_max_ns)
		m->own_error_max_ns = error_ns;
	if (s->epoch != m->epoch) {
		if (m->epoch != 0) {
			tw_ctr_inc(&m->ctr.epoch_changes);
			tw_metrics_interval_step(m, s->time);
		}
		m->epoch = s->epoch;
		m->epoch_since = s->time;
	}
	m->newest = s->time;
}

static void
close_unanswered(struct tw_metrics *m, uint64_t seq)
{
	const struct slot *slot = slot_of(m, seq);

	tw_ctr_inc(&m->ctr.unanswered);
	if (m->head_cnt < HEAD_MAX) {
		m->head[m->head_cnt].seq = seq;
		m->head[m->head_cnt].t1 = t1_time(slot->t1_ntp, m->epoch_since);
		m->head_cnt++;
	}
}

/* The time of the packet at the mark has passed: without an answer it is unanswered from now on. */
static void
close_next(struct tw_metrics *m)
{
	const uint64_t seq = m->close_seq++;

	if (!(slot_of(m, seq)->flags & SLOT_ANSWERED))
		close_unanswered(m, seq);
}

void
tw_metrics_reopen(struct tw_metrics *m, uint64_t seq)
{
	tw_ctr_add(&m->ctr.unanswered, (uint64_t)-1);
	for (uint32_t i = 0; i < m->head_cnt; i++) {
		if (m->head[i].seq != seq)
			continue;
		m->head_cnt--;
		memmove(&m->head[i], &m->head[i + 1], (m->head_cnt - i) * sizeof(m->head[0]));
		return;
	}
}

/* The slot of the oldest packet is needed for the next one. */
static void
leave_window(struct tw_metrics *m, uint64_t seq)
{
	struct slot *slot = slot_of(m, seq);
	tw_ns t1;

	if (m->close_seq == seq) {
		if (!(slot->flags & SLOT_ANSWERED))
			tw_ctr_inc(&m->ctr.window_overrun);
		close_next(m);
	}
	if (m->tmax_seq < m->close_seq) {
		if (!(slot->flags & SLOT_ANSWERED) || slot->flags & SLOT_LATE)
			m->lost_so_far++;
		m->tmax_seq = m->close_seq;
	}
	if (slot->flags & SLOT_ANSWERED)
		return;
	t1 = t1_time(slot->t1_ntp, m->epoch_since);
	if (!m->has_r || t1.ns > tail_begin(m).ns) {
		m->out_tail++;
		m->out_tail_t1 = t1;
	}
}

/* The slot of a new number, empty now. */
static inline struct slot *
enter_window(struct tw_metrics *m, uint64_t seq)
{
	struct slot *slot = slot_of(m, seq);

	if (seq - m->cfg.first_seq >= m->window) {
		const uint64_t old = seq - m->window;

		if (__builtin_expect(old >= m->close_seq || !(slot->flags & SLOT_ANSWERED), 0))
			leave_window(m, old);
	}
	__builtin_prefetch(slot_of(m, seq + FETCH_AHEAD), 1);
	return slot;
}

void
tw_metrics_sent_all(
	struct tw_metrics *m, uint32_t seq, unsigned n, uint64_t t1_ntp, const struct tw_stamp *t1)
{
	const struct slot fresh = {.t1_ntp = t1_ntp,
		.t1_error = error_pack(t1->stamp_error_ns, t1->source),
		.epoch = (uint8_t)t1->epoch,
		.flags = t1->is_synced ? SLOT_SYNCED : 0};
	const uint64_t first = m->next_seq;

	TW_ASSERT(n > 0 && seq == (uint32_t)first);
	(void)seq;
	for (unsigned i = 0; i < n; i++) {
		struct slot *slot = enter_window(m, first + i);

		if (i == 0)
			tw_metrics_note_epoch(m, t1);
		*slot = fresh;
	}
	m->next_seq = first + n;
	m->t1_sources |= 1U << t1->source;
	tw_ctr_add(&m->ctr.sent, n);
}

void
tw_metrics_sent(struct tw_metrics *m, uint32_t seq, uint64_t t1_ntp, const struct tw_stamp *t1)
{
	tw_metrics_sent_all(m, seq, 1, t1_ntp, t1);
}

void
tw_metrics_skipped(struct tw_metrics *m, uint32_t seq, const struct tw_stamp *at)
{
	struct slot *slot = enter_window(m, m->next_seq);

	TW_ASSERT(seq == (uint32_t)m->next_seq);
	(void)seq;
	m->next_seq++;
	tw_metrics_note_epoch(m, at);
	*slot = (struct slot){.t1_ntp = tw_clock_ns_to_ntp(at->time),
		.epoch = (uint8_t)at->epoch,
		.flags = SLOT_SKIPPED | SLOT_ANSWERED};
	tw_ctr_inc(&m->ctr.skipped);
}

void
tw_metrics_invalid(struct tw_metrics *m, enum tw_metrics_invalid why)
{
	switch (why) {
	case TW_METRICS_INVALID_LENGTH:
		tw_ctr_inc(&m->ctr.invalid_length);
		break;
	case TW_METRICS_INVALID_AUTH:
		tw_ctr_inc(&m->ctr.invalid_auth);
		break;
	case TW_METRICS_INVALID_MULTIPLIER:
		tw_ctr_inc(&m->ctr.invalid_multiplier);
		break;
	case TW_METRICS_INVALID_NONE:
	case TW_METRICS_INVALID_N:
		TW_ASSERT(false);
		break;
	}
}

/* Which packets were sent more than some time ago. */
struct waited {
	uint64_t t1_ntp;       /* those of this epoch: before this T1 */
	bool is_all_of_before; /* those of an epoch before: from the step on they have waited, too
				*/
};

/* The first T1 that tw_clock_ntp_to_ns(), which rounds to nearest, reads as @p t or later. */
static uint64_t
first_ntp(tw_ns t)
{
	int64_t s = t.ns / TW_CLOCK_NS_PER_S - 1; /* a second back: what rounds up to t counts */
	int64_t rest = t.ns % TW_CLOCK_NS_PER_S + TW_CLOCK_NS_PER_S;

	if (rest < TW_CLOCK_NS_PER_S) { /* before 1970 */
		s--;
		rest += TW_CLOCK_NS_PER_S;
	}
	return ((uint64_t)(s + TW_CLOCK_NTP_UNIX_S) << 32) +
	       (((uint64_t)rest << 32) - (1U << 31) + TW_CLOCK_NS_PER_S - 1) / TW_CLOCK_NS_PER_S;
}

/* One sent before a step of the clock counts from the step: its own stamp says nothing now. */
static struct waited
waited_since(const struct tw_metrics *m, tw_ns now, int64_t wait_ns)
{
	return (struct waited){.t1_ntp = first_ntp(tw_ns_add(now, -wait_ns)),
		.is_all_of_before = tw_ns_sub(now, m->epoch_since) > wait_ns};
}

static inline bool
has_waited(const struct tw_metrics *m, const struct slot *slot, const struct waited *w)
{
	if (__builtin_expect(slot->epoch != (uint8_t)m->epoch, 0))
		return w->is_all_of_before;
	return (int64_t)(slot->t1_ntp - w->t1_ntp) < 0;
}

/* Tmax of the packet at the mark is over. @return whether it was answered in time */
static inline bool
pass_tmax(struct tw_metrics *m, struct slot *slot)
{
	m->tmax_seq++;
	if (__builtin_expect((slot->flags & (SLOT_ANSWERED | SLOT_LATE)) == SLOT_ANSWERED, 1))
		return true;
	slot->flags |= SLOT_LOST;
	m->lost_so_far++;
	return false;
}

/*
 * All packets of the block from @p seq on were answered in time: there is nothing to count about
 * them, and the last one tells for all whether they have waited.
 */
static inline bool
is_block_answered(const struct tw_metrics *m, uint64_t seq)
{
	return seq >= m->run_seq && seq + BLOCK <= m->run_end;
}

/* Packets from @p seq on, below @p end, that have waited: none, one by itself, or a block. */
static inline unsigned
waited_from(
	struct tw_metrics *m, uint64_t seq, uint64_t end, unsigned budget, const struct waited *w)
{
	const unsigned n =
		budget >= BLOCK && end - seq >= BLOCK && is_block_answered(m, seq) ? BLOCK : 1;

	return has_waited(m, slot_of(m, seq + n - 1), w) ? n : 0;
}

/* What the next call will look at is far back, and in no cache. */
static inline void
fetch_slots(struct tw_metrics *m, uint64_t seq)
{
	if (is_block_answered(m, seq)) {
		__builtin_prefetch(slot_of(m, seq + BLOCK - 1));
		__builtin_prefetch(slot_of(m, seq + 2 * BLOCK - 1));
		return;
	}
	for (unsigned i = 0; i < FETCH_AHEAD; i += TW_CACHE_LINE / sizeof(struct slot))
		__builtin_prefetch(slot_of(m, seq + i));
}

/* Those that wait longer than Tmax by the timeout, too. */
static void
close_waited(struct tw_metrics *m, tw_ns now)
{
	const struct waited w = waited_since(m, now, m->cfg.tmax_ns + m->cfg.timeout_ns);

	for (unsigned i = 0, n; i < EXPIRE_BUDGET && m->close_seq < m->tmax_seq; i += n) {
		n = waited_from(m, m->close_seq, m->tmax_seq, EXPIRE_BUDGET - i, &w);
		if (n == 0)
			break;
		if (n == 1)
			close_next(m);
		else
			m->close_seq += n;
	}
	if (m->close_seq != m->tmax_seq)
		fetch_slots(m, m->close_seq);
}

unsigned
tw_metrics_expire(struct tw_metrics *m, const struct tw_stamp *now)
{
	const uint64_t close_seq = m->close_seq;
	bool are_equal = m->tmax_seq == close_seq && m->cfg.timeout_ns == 0;
	struct waited w;

	tw_metrics_note_epoch(m, now);
	w = waited_since(m, now->time, m->cfg.tmax_ns);
	for (unsigned i = 0, n; i < EXPIRE_BUDGET && m->tmax_seq < m->next_seq; i += n) {
		n = waited_from(m, m->tmax_seq, m->next_seq, EXPIRE_BUDGET - i, &w);
		if (n == 0)
			break;
		if (n == 1)
			are_equal &= pass_tmax(m, slot_of(m, m->tmax_seq));
		else
			m->tmax_seq += n;
	}
	fetch_slots(m, m->tmax_seq);
	if (are_equal) /* all answered: nothing to close about them */
		m->close_seq = m->tmax_seq;
	else
		close_waited(m, now->time);
	return (unsigned)(m->close_seq - close_seq);
}

bool
tw_metrics_finish(struct tw_metrics *m, unsigned budget)
{
	while (m->close_seq < m->next_seq) {
		if (budget-- == 0)
			return false;
		if (m->tmax_seq == m->close_seq)
			(void)pass_tmax(m, slot_of(m, m->tmax_seq));
		close_next(m);
	}
	return tw_metrics_r_order(m, m->r_max + 1, budget);
}
