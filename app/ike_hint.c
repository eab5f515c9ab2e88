/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * May a peer that names SPIs nobody here has heard of be waited for? Yes if an SA with it is known
 * or being set up; of others the daemon is asked whether its configuration knows them. Anybody can
 * make the server ask: few questions are under way at a time, so that tests can ask, too, and an
 * answer holds for a while.
 */
#include "io_ike_i.h"

#define ASKED_MAX (TW_IKE_LINK_PENDING_MAX / 2)
#define HOLDS_NS  INT64_C(1000000000)

static struct hint *
find(struct tw_ike_io *io, const struct tw_addr *peer)
{
	for (unsigned i = 0; i < HINTS_MAX; i++)
		if (tw_addr_equal(&io->hint[i].peer, peer))
			return &io->hint[i];
	return NULL;
}

/* A place that waits for no answer: at most ASKED_MAX do. */
static struct hint *
take(struct tw_ike_io *io)
{
	struct hint *h;

	do
		h = &io->hint[io->hint_next++ % HINTS_MAX];
	while (h->id != 0);
	return h;
}

static bool
ask(struct tw_ike_io *io, struct hint *h, int64_t now_ns)
{
	const struct tw_ike_req req = {.type = TW_IKE_MSG_LOOKUP_PEER, .peer = h->peer};

	if (io->hint_asked_cnt >= ASKED_MAX)
		return false;
	h->id = tw_ike_link_ask(io->link, &req, now_ns);
	if (h->id == 0)
		return false;
	io->hint_asked_cnt++;
	tw_ike_io_kick(io);
	return true;
}

bool
tw_ike_hint_is_expected(struct tw_ike_io *io, const struct tw_addr *peer, int64_t now_ns)
{
	struct hint *h;

	if (tw_ike_store_is_coming(io->store, peer, now_ns))
		return true;
	h = find(io, peer);
	if (h == NULL)
		h = take(io);
	else if (h->id != 0)
		return true; /* until the answer is here */
	else if (now_ns < h->until_ns)
		return h->is_expected;
	/* those that wait are asked about at every change: the keystore is searched once */
	*h = (struct hint){.peer = *peer, .until_ns = now_ns + HOLDS_NS};
	h->is_expected = tw_ike_store_knows_peer(io->store, peer, now_ns);
	return h->is_expected || ask(io, h, now_ns);
}

/* A connection that takes any peer says nothing about this one. */
void
tw_ike_hint_answer(struct tw_ike_io *io, const struct tw_ike_answer *answer)
{
	const uint32_t flags = TW_IKE_MSG_KNOWN_PEER | TW_IKE_MSG_SETTING_UP;

	for (unsigned i = 0; i < HINTS_MAX; i++) {
		struct hint *h = &io->hint[i];

		if (h->id != answer->id)
			continue;
		h->id = 0;
		h->is_expected = answer->outcome == TW_IKE_DONE &&
				 (answer->sa != NULL || (answer->result.flags & flags) != 0);
		h->until_ns = tw_loop_clock() + HOLDS_NS;
		io->hint_asked_cnt--;
		io->has_changed = true;
		return;
	}
}
