/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Life of the connection to an IKE daemon:
 *
 *   WAITING -> CONNECTING -> GREETING -> LISTING -> READY -> (lost) WAITING
 *                                HELLO    SUBSCRIBE, LIST...
 *
 * Requests stand in a table in the order of their numbers; answers name the number. SUBSCRIBE and
 * LIST are requests as any other, their answers are for the machine itself.
 */
#include <errno.h>
#include <stdlib.h>

#include "tw_ike_link.h"

#define NS_PER_MS      INT64_C(1000000)
#define BACKOFF_MIN_NS (100 * NS_PER_MS)
#define BACKOFF_MAX_NS (1000 * NS_PER_MS)
#define STABLE_NS      (1000 * NS_PER_MS)
#define ANSWER_NS      (5000 * NS_PER_MS)
#define INITIATE_NS    (1000 * NS_PER_MS) /* on top of its deadline */
#define COMING_NS      (60000 * NS_PER_MS)

struct pending {
	struct tw_ike_req req; /* type 0: free */
	int64_t due_ns;
	bool is_sent;
	struct tw_ike_spis spis; /* of an SA that came with the answer */
	bool has_sa;
};

struct tw_ike_link {
	struct tw_ike_store *st;
	const struct tw_ike_link_ops *ops;
	void *arg;
	struct tw_ike_link_info info;
	int64_t due_ns; /* of the state: next attempt, HELLO */
	int64_t backoff_ns;
	int64_t ready_since_ns;
	bool is_wanted;
	bool is_ready;
	bool has_why; /* info.why tells of this connection's end already */
	bool has_boot_id;
	uint8_t boot_id[TW_IKE_BOOT_ID_LEN];
	uint64_t seq;                                        /* last one given */
	struct pending pending[TW_IKE_LINK_PENDING_MAX + 1]; /* one is kept for SUBSCRIBE, LIST */
	uint8_t out[TW_IKE_MSG_OUT_MAX];
};

const char *
tw_ike_link_state_name(unsigned state)
{
	static const char *const names[TW_IKE_LINK_STATE_N] = {
		[TW_IKE_LINK_OFF] = "off",
		[TW_IKE_LINK_WAITING] = "waiting",
		[TW_IKE_LINK_CONNECTING] = "connecting",
		[TW_IKE_LINK_GREETING] = "greeting",
		[TW_IKE_LINK_LISTING] = "listing",
		[TW_IKE_LINK_READY] = "ready",
		[TW_IKE_LINK_CLOSING] = "closing",
	};

	return state < TW_IKE_LINK_STATE_N && names[state] != NULL ? names[state] : "?";
}

const char *
tw_ike_link_why_text(unsigned why)
{
	static const char *const texts[TW_IKE_LINK_WHY_N] = {
		[TW_IKE_LINK_WHY_NONE] = "no reason",
		[TW_IKE_LINK_WHY_ERRNO] = "no connection",
		[TW_IKE_LINK_WHY_EOF] = "the IKE daemon closed the connection",
		[TW_IKE_LINK_WHY_VERSION] = "the IKE daemon speaks another version of the protocol",
		[TW_IKE_LINK_WHY_RECORD] = "the IKE daemon sent a record that is not valid",
		[TW_IKE_LINK_WHY_ANSWER] = "the IKE daemon sent an answer that fits no request",
		[TW_IKE_LINK_WHY_SILENT] = "the IKE daemon does not answer",
	};

	return why < TW_IKE_LINK_WHY_N ? texts[why] : "?";
}

/* ---- requests under way ---- */

static struct pending *
pending_find(struct tw_ike_link *l, uint64_t seq)
{
	for (size_t i = 0; i < TW_ARRAY_SIZE(l->pending); i++)
		if (l->pending[i].req.type != 0 && l->pending[i].req.seq == seq)
			return &l->pending[i];
	return NULL;
}

static bool
is_own(const struct pending *p)
{
	return p->req.type == TW_IKE_MSG_SUBSCRIBE || p->req.type == TW_IKE_MSG_LIST;
}

static struct pending *
pending_add(struct tw_ike_link *l, const struct tw_ike_req *req, int64_t due_ns)
{
	size_t i = 0;

	while (l->pending[i].req.type != 0)
		if (++i == TW_ARRAY_SIZE(l->pending))
			return NULL;
	l->pending[i] = (struct pending){.req = *req, .due_ns = due_ns};
	l->pending[i].req.seq = ++l->seq;
	return &l->pending[i];
}

/* The place is free before the owner hears, who may ask anew at once. */
static void
pending_end(struct tw_ike_link *l, struct pending *p, enum tw_ike_outcome outcome,
	const struct tw_ike_result *result, int64_t now_ns)
{
	struct tw_ike_answer a = {.id = p->req.seq, .outcome = outcome};
	struct pending copy = *p;

	p->req.type = 0;
	if (is_own(&copy))
		return;
	l->info.pending_cnt--;
	if (result != NULL)
		a.result = *result;
	if (copy.has_sa)
		a.sa = tw_ike_store_find(l->st, &copy.spis, now_ns, NULL);
	l->ops->answer(l->arg, &a);
}

uint64_t
tw_ike_link_ask(struct tw_ike_link *l, const struct tw_ike_req *req, int64_t now_ns)
{
	int64_t wait_ns = ANSWER_NS;

	if (l->info.state != TW_IKE_LINK_LISTING && l->info.state != TW_IKE_LINK_READY)
		return 0;
	if (l->info.pending_cnt == TW_IKE_LINK_PENDING_MAX ||
		tw_ike_msg_write(req, l->out, sizeof(l->out)) == 0)
		return 0;
	if (req->type == TW_IKE_MSG_INITIATE)
		wait_ns = req->deadline_ms * NS_PER_MS + INITIATE_NS;
	l->info.pending_cnt++;
	return pending_add(l, req, now_ns + wait_ns)->req.seq;
}

static void
ask_own(struct tw_ike_link *l, uint16_t type, uint64_t cursor, int64_t now_ns)
{
	const struct tw_ike_req req = {.type = type, .cursor = cursor};

	pending_add(l, &req, now_ns + ANSWER_NS);
}

static struct pending *
next_unsent(struct tw_ike_link *l)
{
	struct pending *next = NULL;

	if (l->info.state != TW_IKE_LINK_LISTING && l->info.state != TW_IKE_LINK_READY)
		return NULL;
	for (size_t i = 0; i < TW_ARRAY_SIZE(l->pending); i++) {
		struct pending *p = &l->pending[i];

		if (p->req.type != 0 && !p->is_sent && (next == NULL || p->req.seq < next->req.seq))
			next = p;
	}
	return next;
}

const void *
tw_ike_link_output(struct tw_ike_link *l, size_t *len)
{
	struct pending *next = next_unsent(l);

	if (next == NULL)
		return NULL;
	*len = tw_ike_msg_write(&next->req, l->out, sizeof(l->out));
	return l->out;
}

void
tw_ike_link_sent(struct tw_ike_link *l)
{
	struct pending *next = next_unsent(l);

	if (next != NULL)
		next->is_sent = true;
}

/* ---- life ---- */

struct tw_ike_link *
tw_ike_link_new(struct tw_ike_store *st, const struct tw_ike_link_ops *ops, void *arg)
{
	struct tw_ike_link *l = calloc(1, sizeof(*l));

	if (l == NULL)
		return NULL;
	l->st = st;
	l->ops = ops;
	l->arg = arg;
	l->info.state = TW_IKE_LINK_OFF;
	return l;
}

void
tw_ike_link_free(struct tw_ike_link *l)
{
	free(l);
}

static bool
is_connected(const struct tw_ike_link *l)
{
	return l->info.state >= TW_IKE_LINK_GREETING && l->info.state <= TW_IKE_LINK_READY;
}

static void
close_for(struct tw_ike_link *l, enum tw_ike_link_why why)
{
	l->info.why = (uint8_t)why;
	l->info.res = 0;
	l->has_why = true;
	l->info.state = TW_IKE_LINK_CLOSING;
}

static void
attempt_at(struct tw_ike_link *l, int64_t due_ns)
{
	l->info.state = TW_IKE_LINK_WAITING;
	l->due_ns = due_ns;
}

void
tw_ike_link_on(struct tw_ike_link *l, int64_t now_ns)
{
	l->is_wanted = true;
	l->backoff_ns = BACKOFF_MIN_NS;
	if (is_connected(l))
		close_for(l, TW_IKE_LINK_WHY_NONE);
	else if (l->info.state <= TW_IKE_LINK_WAITING)
		attempt_at(l, now_ns);
}

void
tw_ike_link_off(struct tw_ike_link *l, int64_t now_ns)
{
	(void)now_ns;
	l->is_wanted = false;
	if (is_connected(l))
		close_for(l, TW_IKE_LINK_WHY_NONE);
	else if (l->info.state == TW_IKE_LINK_WAITING)
		l->info.state = TW_IKE_LINK_OFF;
}

enum tw_ike_link_action
tw_ike_link_action(const struct tw_ike_link *l)
{
	if (l->info.state == TW_IKE_LINK_CONNECTING)
		return TW_IKE_LINK_CONNECT;
	return l->info.state == TW_IKE_LINK_CLOSING ? TW_IKE_LINK_CLOSE : TW_IKE_LINK_NONE;
}

void
tw_ike_link_connected(struct tw_ike_link *l, int64_t now_ns)
{
	l->info.state = TW_IKE_LINK_GREETING;
	l->due_ns = now_ns + ANSWER_NS;
	l->has_why = false;
}

/* When to try again; what worked for a while is tried at once. */
static void
back_off(struct tw_ike_link *l, bool was_ready, int64_t now_ns)
{
	if (was_ready && now_ns - l->ready_since_ns > STABLE_NS)
		l->backoff_ns = BACKOFF_MIN_NS;
	attempt_at(l, now_ns + l->backoff_ns);
	l->backoff_ns *= 2;
	if (l->backoff_ns > BACKOFF_MAX_NS)
		l->backoff_ns = BACKOFF_MAX_NS;
}

void
tw_ike_link_lost(struct tw_ike_link *l, int res, int64_t now_ns)
{
	bool was_ready = l->is_ready;

	if (!l->has_why) {
		l->info.why = res == 0 ? TW_IKE_LINK_WHY_EOF : TW_IKE_LINK_WHY_ERRNO;
		l->info.res = res;
	}
	l->has_why = false;
	l->is_ready = false;
	tw_ike_store_lost(l->st, now_ns);
	if (l->is_wanted)
		back_off(l, was_ready, now_ns);
	else
		l->info.state = TW_IKE_LINK_OFF;
	for (size_t i = 0; i < TW_ARRAY_SIZE(l->pending); i++)
		if (l->pending[i].req.type != 0)
			pending_end(l, &l->pending[i], TW_IKE_NOT_CONNECTED, NULL, now_ns);
	l->info.lost_cnt += was_ready;
	l->ops->state(l->arg, false);
}

/* ---- what the daemon says ---- */

static void
on_hello(struct tw_ike_link *l, const struct tw_ike_hello *h, int64_t now_ns)
{
	l->info.hello = *h;
	l->info.has_hello = true;
	if (h->version_min > TW_IKE_MSG_VERSION || h->version_max < TW_IKE_MSG_VERSION) {
		close_for(l, TW_IKE_LINK_WHY_VERSION);
		return;
	}
	if (l->has_boot_id && memcmp(l->boot_id, h->boot_id, sizeof(l->boot_id)) != 0) {
		l->info.restart_cnt++;
		tw_ike_store_flush(l->st);
	}
	memcpy(l->boot_id, h->boot_id, sizeof(l->boot_id));
	l->has_boot_id = true;
	l->info.state = TW_IKE_LINK_LISTING;
	tw_ike_store_linked(l->st);
	tw_ike_store_list_begin(l->st);
	ask_own(l, TW_IKE_MSG_SUBSCRIBE, 0, now_ns);
}

static void
on_own_result(
	struct tw_ike_link *l, struct pending *p, const struct tw_ike_result *r, int64_t now_ns)
{
	uint64_t cursor = p->req.cursor;

	/* a cursor that does not rise would have us list for ever */
	if (r->status != TW_IKE_MSG_OK ||
		(p->req.type == TW_IKE_MSG_LIST && r->cursor != 0 && r->cursor <= cursor)) {
		close_for(l, TW_IKE_LINK_WHY_ANSWER);
		return;
	}
	if (p->req.type == TW_IKE_MSG_SUBSCRIBE || r->cursor != 0) {
		cursor = p->req.type == TW_IKE_MSG_SUBSCRIBE ? 0 : r->cursor;
		p->req.type = 0;
		ask_own(l, TW_IKE_MSG_LIST, cursor, now_ns);
		return;
	}
	p->req.type = 0;
	tw_ike_store_list_end(l->st);
	l->info.state = TW_IKE_LINK_READY;
	l->info.connected_cnt++;
	l->is_ready = true;
	l->ready_since_ns = now_ns;
	l->ops->state(l->arg, true);
}

static void
on_result(struct tw_ike_link *l, const struct tw_ike_msg *m, int64_t now_ns)
{
	const struct tw_ike_result *r = &m->result;
	struct pending *p = pending_find(l, m->seq);

	if (r->status == TW_IKE_MSG_BAD_REQUEST || r->status == TW_IKE_MSG_BAD_VERSION ||
		m->seq > l->seq || (p != NULL && (!p->is_sent || p->req.type != r->request))) {
		close_for(l, TW_IKE_LINK_WHY_ANSWER);
		return;
	}
	if (p == NULL)
		return; /* we did not wait that long */
	if (is_own(p))
		on_own_result(l, p, r, now_ns);
	else
		pending_end(l, p, TW_IKE_DONE, r, now_ns);
}

static void
store(struct tw_ike_link *l, struct tw_ike_msg *m, int64_t now_ns)
{
	struct tw_secret *key = tw_secret_new(m->key, m->sa.key_len);
	int res = -ENOMEM;

	m->sa.state = m->state == TW_IKE_MSG_S_SUPERSEDED ? TW_IKE_SUPERSEDED : TW_IKE_ESTABLISHED;
	if (key != NULL)
		res = tw_ike_store_put(l->st, &m->sa, key, m->has_old ? &m->old : NULL, now_ns);
	tw_secret_drop(key);
	if (res != 0 && l->ops->not_stored != NULL)
		l->ops->not_stored(l->arg, &m->sa, res);
}

static void
on_sa(struct tw_ike_link *l, struct tw_ike_msg *m, int64_t now_ns)
{
	struct pending *p;

	switch (m->state) {
	case TW_IKE_MSG_S_CONNECTING:
		if (m->sa.remote.family != TW_ADDR_NONE)
			tw_ike_store_coming(l->st, m->sa.serial, &m->sa.remote, now_ns + COMING_NS);
		break;
	case TW_IKE_MSG_S_GONE:
		tw_ike_store_came(l->st, m->sa.serial);
		if (m->type == TW_IKE_MSG_SA_DOWN)
			tw_ike_store_down(l->st, &m->sa.spis,
				m->reason == TW_IKE_MSG_R_REKEYED && m->has_successor
					? &m->successor
					: NULL,
				now_ns);
		break;
	default:
		store(l, m, now_ns);
		break;
	}
	p = m->type == TW_IKE_MSG_SA ? pending_find(l, m->seq) : NULL;
	if (p != NULL) {
		p->spis = m->sa.spis;
		p->has_sa = true;
	}
}

static void
take(struct tw_ike_link *l, struct tw_ike_msg *m, int64_t now_ns)
{
	if (m->type == TW_IKE_MSG_HELLO) {
		if (l->info.state == TW_IKE_LINK_GREETING)
			on_hello(l, &m->hello, now_ns);
	} else if (l->info.state == TW_IKE_LINK_GREETING) {
		close_for(l, TW_IKE_LINK_WHY_RECORD);
	} else if (m->type == TW_IKE_MSG_RESULT) {
		on_result(l, m, now_ns);
	} else if (m->type <= TW_IKE_MSG_SA_FAILED) {
		on_sa(l, m, now_ns);
	} else {
		l->info.events_skipped++;
	}
}

void
tw_ike_link_input(struct tw_ike_link *l, const void *packet, size_t len, int64_t now_ns)
{
	struct tw_ike_msg m;
	int res;

	if (!is_connected(l))
		return;
	l->info.records_in++;
	res = tw_ike_msg_read(packet, len, &m);
	if (res == 0)
		take(l, &m, now_ns);
	else
		close_for(l,
			res == -EPROTONOSUPPORT ? TW_IKE_LINK_WHY_VERSION : TW_IKE_LINK_WHY_RECORD);
}

/* ---- time ---- */

int64_t
tw_ike_link_deadline(const struct tw_ike_link *l)
{
	int64_t at = TW_IKE_NO_DEADLINE;

	if (l->info.state == TW_IKE_LINK_WAITING || l->info.state == TW_IKE_LINK_GREETING)
		return l->due_ns;
	if (!is_connected(l))
		return at;
	for (size_t i = 0; i < TW_ARRAY_SIZE(l->pending); i++)
		if (l->pending[i].req.type != 0 && l->pending[i].due_ns < at)
			at = l->pending[i].due_ns;
	return at;
}

void
tw_ike_link_timer(struct tw_ike_link *l, int64_t now_ns)
{
	if (l->info.state == TW_IKE_LINK_WAITING && now_ns >= l->due_ns)
		l->info.state = TW_IKE_LINK_CONNECTING;
	else if (l->info.state == TW_IKE_LINK_GREETING && now_ns >= l->due_ns)
		close_for(l, TW_IKE_LINK_WHY_SILENT);
	for (size_t i = 0; i < TW_ARRAY_SIZE(l->pending) && is_connected(l); i++) {
		struct pending *p = &l->pending[i];

		if (p->req.type == 0 || now_ns < p->due_ns)
			continue;
		if (is_own(p))
			close_for(l, TW_IKE_LINK_WHY_SILENT);
		else
			pending_end(l, p, TW_IKE_NO_ANSWER, NULL, now_ns);
	}
}

void
tw_ike_link_info_get(const struct tw_ike_link *l, struct tw_ike_link_info *out)
{
	*out = l->info;
}
