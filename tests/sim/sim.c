/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/* The simulation of control connections, see sim.h. */
#include "sim.h"

enum { PIECES_MAX = 4096 };

struct piece {
	int64_t at_ns;
	size_t len;
};

/* One direction: octets on their way, in pieces with their time of arrival. */
struct lane {
	uint8_t *octets;
	size_t head, len, size;
	struct piece piece[PIECES_MAX];
	size_t piece_head, piece_cnt;
	int64_t last_at_ns;
	size_t sent, cut_at; /* all that were put in, all that may be */
	size_t arrived;
	bool is_cut;
};

struct sim_client {
	struct sim *sim;
	const struct sim_plan *plan;
	struct sim_result *result;
	struct tw_ctl_cli *cli;
	struct tw_ctl_conn *conn; /* NULL: closed at the server */
	struct lane to_server, to_client;
	unsigned idx, round, answered, accepted;
	int64_t stop_at_ns;
	bool is_open;   /* the client's descriptor */
	bool is_closed; /* the CLOSED event came */
	uint8_t retry;  /* enum tw_ctl_ike_try of the next connection, 0: this was the last */
};

static uint64_t
draw(struct sim *sim, uint64_t below)
{
	return below == 0 ? 0 : bed_next(&sim->bed.seed) % below;
}

/* --- lanes --- */

static void
lane_init(struct lane *l, const struct sim_link *link, size_t cut_at)
{
	memset(l, 0, sizeof(*l));
	l->size = link->window;
	l->octets = malloc(l->size);
	BED_CHECK(l->octets != NULL);
	l->cut_at = cut_at;
}

/* @return octets taken */
static size_t
lane_put(struct sim *sim, struct lane *l, const uint8_t *p, size_t len)
{
	size_t taken = 0;

	while (taken < len && l->len < l->size && l->piece_cnt < PIECES_MAX && !l->is_cut) {
		size_t n = 1 + draw(sim, sim->link.piece_max);
		struct piece *piece = &l->piece[(l->piece_head + l->piece_cnt++) % PIECES_MAX];

		n = n < len - taken ? n : len - taken;
		n = n < l->size - l->len ? n : l->size - l->len;
		n = n < l->cut_at - l->sent ? n : l->cut_at - l->sent;
		for (size_t i = 0; i < n; i++)
			l->octets[(l->head + l->len + i) % l->size] = p[taken + i];
		piece->len = n;
		piece->at_ns =
			sim->bed.now.mono_ns + (int64_t)draw(sim, (uint64_t)sim->link.delay_max_ns);
		if (piece->at_ns < l->last_at_ns)
			piece->at_ns = l->last_at_ns;
		l->last_at_ns = piece->at_ns;
		l->len += n;
		l->sent += n;
		taken += n;
		l->is_cut = l->sent == l->cut_at;
	}
	return taken;
}

static int64_t
lane_due(const struct lane *l)
{
	return l->piece_cnt == 0 ? TW_CTL_NO_DEADLINE : l->piece[l->piece_head].at_ns;
}

/* Octets that have arrived, at most want. */
static size_t
lane_take(struct lane *l, int64_t now_ns, uint8_t *out, size_t want)
{
	struct piece *piece = &l->piece[l->piece_head];
	size_t n;

	if (l->piece_cnt == 0 || piece->at_ns > now_ns)
		return 0;
	n = piece->len < want ? piece->len : want;
	for (size_t i = 0; i < n; i++)
		out[i] = l->octets[(l->head + i) % l->size];
	l->head = (l->head + n) % l->size;
	l->len -= n;
	l->arrived += n;
	piece->len -= n;
	if (piece->len == 0) {
		l->piece_head = (l->piece_head + 1) % PIECES_MAX;
		l->piece_cnt--;
	}
	return n;
}

/* --- what a client does --- */

static void
ask_for_a_round(struct sim_client *c)
{
	struct sim *sim = c->sim;

	c->answered = 0;
	c->accepted = 0;
	for (unsigned i = 0; i < c->plan->sessions; i++) {
		struct tw_ctl_want want = {
			.sender_port = (uint16_t)(1024 + i),
			.receiver_port = (uint16_t)(50000 + c->idx),
			.padding_len = 64,
			.timeout_ns = (int64_t)draw(sim, 4) * BED_NS_PER_S,
		};

		BED_CHECK(tw_ctl_cli_request(c->cli, &want, c, sim->bed.now) == 0);
	}
}

static void
on_answer(struct sim_client *c, const struct tw_ctl_cli_event *e)
{
	bool is_accepted = e->reason.why == TW_CTL_WHY_NONE;

	BED_CHECK(e->user == c);
	c->answered++;
	c->accepted += is_accepted;
	c->result->accepted += is_accepted;
	c->result->refused += !is_accepted;
	if (c->answered < c->plan->sessions)
		return;
	if (c->accepted > 0)
		BED_CHECK(tw_ctl_cli_start(c->cli, c->sim->bed.now) == 0);
	else
		tw_ctl_cli_close(c->cli, c->sim->bed.now);
}

/* Start-Ack: our sessions answer already, whatever else the server has. */
static void
on_started(struct sim_client *c)
{
	struct bed *bed = &c->sim->bed;
	unsigned running = 0;

	for (size_t i = 0; i < bed->sess_cnt; i++) {
		const struct bed_sess *s = bed->sess[i];

		running += s->state == BED_STARTED &&
			   s->param.control_addr.b[3] == (uint8_t)(c->idx + 2) &&
			   s->param.receiver_port != 0;
	}
	/* unless the connection was cut behind the Start-Ack: then they drain already */
	BED_CHECK(running >= c->accepted || c->conn == NULL || c->to_client.is_cut ||
		  c->to_server.is_cut || c->plan->is_v6);
	c->result->started_rounds++;
	c->stop_at_ns = bed->now.mono_ns + c->plan->test_ns;
}

static void
event(void *app, struct tw_ctl_cli *cli, const struct tw_ctl_cli_event *e)
{
	/* the shared callbacks want the bed; the client is found by its machine */
	struct sim *sim = (struct sim *)app;
	struct sim_client *c = sim->client;

	while (c->cli != cli)
		c++;
	BED_CHECK(!c->is_closed);
	switch (e->ev) {
	case TW_CTL_CLI_EV_READY:
		BED_CHECK(
			c->plan->floor != 0 || tw_mode_sec(e->mode) == tw_mode_sec(c->plan->mode));
		BED_CHECK(c->result->fallbacks > 0 ||
			  ((e->mode & TW_MODE_IKEV2) != 0) == c->plan->is_ike);
		ask_for_a_round(c);
		break;
	case TW_CTL_CLI_EV_SESSION:
		on_answer(c, e);
		break;
	case TW_CTL_CLI_EV_STARTED:
		on_started(c);
		break;
	case TW_CTL_CLI_EV_FALLBACK:
		c->result->fallbacks++;
		break;
	case TW_CTL_CLI_EV_CLOSED:
		c->is_closed = true;
		c->retry = e->retry;
		c->result->closed_events++;
		c->result->closed = *e;
		c->stop_at_ns = TW_CTL_NO_DEADLINE;
		break;
	}
}

static const struct tw_ctl_cli_ops cli_ops = {
	/* struct sim begins with its bed */
	.common = {.random = bed_random, .key = bed_key, .kdf = bed_kdf},
	.event = event,
	.ike_key = bed_ike_newest,
};

static void
stop_if_due(struct sim_client *c)
{
	struct sim *sim = c->sim;

	if (sim->bed.now.mono_ns < c->stop_at_ns)
		return;
	c->stop_at_ns = TW_CTL_NO_DEADLINE;
	if (tw_ctl_cli_stop(c->cli, 0, sim->bed.now) != 0)
		return;
	c->result->stopped_rounds++;
	if (++c->round < c->plan->rounds)
		ask_for_a_round(c);
	else
		tw_ctl_cli_close(c->cli, sim->bed.now);
}

/* --- moving octets --- */

/* What the client says, noted; and altered, if somebody is there to do it. */
static size_t
put_to_server(struct sim_client *c, const uint8_t *p, size_t len)
{
	struct sim_result *r = c->result;
	uint8_t msg[TW_WIRE_SETUP_RESPONSE_LEN];

	if (c->to_server.sent > 0 || len < sizeof(msg))
		return lane_put(c->sim, &c->to_server, p, len);
	memcpy(msg, p, sizeof(msg));
	BED_CHECK(r->response_cnt < SIM_TRIES);
	memcpy(r->response[r->response_cnt++], msg, sizeof(msg));
	if (c->sim->mitm.response != NULL)
		c->sim->mitm.response(c->sim, msg);
	return lane_put(c->sim, &c->to_server, msg, sizeof(msg));
}

static size_t
put_to_client(struct sim_client *c, const uint8_t *p, size_t len)
{
	const struct sim_mitm *m = &c->sim->mitm;
	uint8_t msg[TW_WIRE_GREETING_LEN];

	if (m->greeting != NULL && c->to_client.sent == 0 && len >= TW_WIRE_GREETING_LEN) {
		memcpy(msg, p, TW_WIRE_GREETING_LEN);
		m->greeting(c->sim, msg);
		return lane_put(c->sim, &c->to_client, msg, TW_WIRE_GREETING_LEN);
	}
	if (m->server_start != NULL && c->to_client.sent == TW_WIRE_GREETING_LEN &&
		len >= TW_WIRE_SERVER_START_LEN) {
		memcpy(msg, p, TW_WIRE_SERVER_START_LEN);
		m->server_start(c->sim, msg);
		return lane_put(c->sim, &c->to_client, msg, TW_WIRE_SERVER_START_LEN);
	}
	return lane_put(c->sim, &c->to_client, p, len);
}

static void
flush_client(struct sim_client *c)
{
	struct sim *sim = c->sim;
	size_t len, n;
	const uint8_t *p = tw_ctl_cli_output(c->cli, &len);

	n = put_to_server(c, p, len);
	if (n > 0)
		tw_ctl_cli_sent(c->cli, n, sim->bed.now);
	if (tw_ctl_cli_is_done(c->cli))
		c->is_open = false;
}

static void
flush_server(struct sim_client *c)
{
	struct sim *sim = c->sim;
	size_t len, n;
	const uint8_t *p;

	if (c->conn == NULL)
		return;
	p = tw_ctl_conn_output(c->conn, &len);
	n = put_to_client(c, p, len);
	if (n > 0)
		tw_ctl_conn_sent(c->conn, n, sim->bed.now);
	if (!tw_ctl_conn_is_done(c->conn))
		return;
	tw_ctl_conn_info_get(c->conn, &c->result->conn);
	tw_ctl_conn_fini(c->conn, sim->bed.now);
	free(c->conn);
	c->conn = NULL;
}

/* @return true if something moved */
static bool
deliver(struct sim_client *c)
{
	struct sim *sim = c->sim;
	int64_t now_ns = sim->bed.now.mono_ns;
	bool is_cut = c->to_server.is_cut || c->to_client.is_cut;
	uint8_t buf[512];
	size_t want, n = 0, m = 0;

	if (c->conn != NULL) {
		want = tw_ctl_conn_want(c->conn);
		n = lane_take(&c->to_server, now_ns, buf, want < sizeof(buf) ? want : sizeof(buf));
		if (n > 0)
			tw_ctl_conn_input(c->conn, buf, n, sim->bed.now);
		else if ((!c->is_open || is_cut) && c->to_server.len == 0)
			tw_ctl_conn_eof(c->conn, sim->bed.now);
		flush_server(c);
	}
	if (c->is_open) {
		want = tw_ctl_cli_want(c->cli);
		m = lane_take(&c->to_client, now_ns, buf, want < sizeof(buf) ? want : sizeof(buf));
		if (m > 0)
			tw_ctl_cli_input(c->cli, buf, m, sim->bed.now);
		else if ((c->conn == NULL || is_cut) && c->to_client.len == 0)
			tw_ctl_cli_eof(c->cli, sim->bed.now);
		tw_ctl_cli_timer(c->cli, sim->bed.now);
		stop_if_due(c);
		flush_client(c);
	}
	flush_server(c);
	return n > 0 || m > 0;
}

static int64_t
earliest(int64_t a, int64_t b)
{
	return a < b ? a : b;
}

static int64_t
next_ns(const struct sim *sim)
{
	int64_t at = tw_ctl_srv_deadline(sim->bed.srv);

	if (sim->at != NULL)
		at = earliest(at, sim->at_ns);
	if (sim->bed.job_cnt > 0)
		at = earliest(at, sim->kdf_due_ns);
	for (size_t i = 0; i < sim->client_cnt; i++) {
		const struct sim_client *c = &sim->client[i];

		if (c->conn != NULL)
			at = earliest(at, lane_due(&c->to_server));
		if (!c->is_open)
			continue;
		at = earliest(at, lane_due(&c->to_client));
		at = earliest(at, tw_ctl_cli_deadline(c->cli));
		at = earliest(at, c->stop_at_ns);
	}
	return at;
}

static bool reopen_if_told(struct sim_client *c);

static bool
turn(struct sim *sim)
{
	bool has_moved = false;

	if (sim->at != NULL && sim->bed.now.mono_ns >= sim->at_ns) {
		sim->at(sim);
		sim->at = NULL;
	}
	tw_ctl_srv_timer(sim->bed.srv, sim->bed.now);
	if (sim->bed.job_cnt > 0 && sim->bed.now.mono_ns >= sim->kdf_due_ns) {
		bed_derive(&sim->bed);
		sim->kdf_due_ns =
			sim->bed.now.mono_ns + (int64_t)draw(sim, (uint64_t)sim->kdf_max_ns);
		has_moved = true;
	}
	for (size_t i = 0; i < sim->client_cnt; i++) {
		has_moved |= deliver(&sim->client[i]);
		has_moved |= reopen_if_told(&sim->client[i]);
	}
	return has_moved;
}

/* --- set-up --- */

static void
connect_client(struct sim_client *c, uint8_t ike_try)
{
	const struct sim_plan *plan = c->plan;
	struct sim *sim = c->sim;
	struct tw_addr server = bed_addr(plan->is_v6 ? "2001:db8::1" : "192.0.2.1");
	struct tw_addr peer = bed_addr(plan->is_v6 ? "2001:db8::2" : "192.0.2.2");
	struct tw_ctl_cli_cfg cfg;

	peer.b[plan->is_v6 ? 15 : 3] = (uint8_t)(c->idx + 2);
	tw_ctl_cli_cfg_init(&cfg);
	if (plan->floor != 0)
		cfg.floor = plan->floor;
	else
		tw_ctl_cli_cfg_mode(&cfg, plan->mode);
	strcpy(cfg.key_id, plan->user != NULL ? plan->user : BED_USER);
	if (plan->is_ike)
		cfg.key_floor = TW_CTL_KEY_IKEV2;
	cfg.ike_fallback = plan->has_fallback;
	cfg.ike_try = ike_try;
	cfg.own = plan->is_own ? sim->bed.srv : NULL;
	c->is_closed = false;
	c->retry = 0;
	c->is_open = true;
	c->stop_at_ns = TW_CTL_NO_DEADLINE;
	lane_init(&c->to_server, &sim->link, sim->link.cut_to_server);
	lane_init(&c->to_client, &sim->link, sim->link.cut_to_client);
	c->cli = malloc(tw_ctl_cli_size());
	c->conn = malloc(tw_ctl_conn_size());
	BED_CHECK(c->cli != NULL && c->conn != NULL);
	tw_ctl_conn_open(sim->bed.srv, c->conn, &peer, 40000, &server, c, sim->bed.now);
	BED_CHECK(tw_ctl_cli_open(c->cli, &cfg, &cli_ops, sim, &server, sim->bed.now) == 0);
	flush_server(c);
}

static void
disconnect_client(struct sim_client *c)
{
	c->result->to_server += c->to_server.arrived;
	c->result->to_client += c->to_client.arrived;
	tw_ctl_cli_fini(c->cli);
	free(c->cli);
	free(c->to_server.octets);
	free(c->to_client.octets);
}

static bool
reopen_if_told(struct sim_client *c)
{
	uint8_t retry = c->retry;

	if (retry == 0 || c->is_open || c->conn != NULL)
		return false;
	disconnect_client(c);
	connect_client(c, retry);
	return true;
}

void
sim_init(struct sim *sim, uint64_t seed)
{
	memset(sim, 0, sizeof(*sim));
	bed_init(&sim->bed);
	sim->bed.seed = seed;
	sim->kdf_max_ns = 20000000;
	sim->link = (struct sim_link){.piece_max = 4096,
		.delay_max_ns = 1000000,
		.window = 65536,
		.cut_to_server = SIM_NEVER,
		.cut_to_client = SIM_NEVER};
}

void
sim_run(struct sim *sim, const struct sim_plan *plan, size_t cnt, struct sim_result *results)
{
	memset(results, 0, cnt * sizeof(*results));
	if (sim->bed.srv == NULL)
		bed_serve(&sim->bed);
	sim->client = calloc(cnt, sizeof(*sim->client));
	BED_CHECK(sim->client != NULL);
	sim->client_cnt = cnt;
	for (size_t i = 0; i < cnt; i++) {
		sim->client[i].sim = sim;
		sim->client[i].plan = plan;
		sim->client[i].idx = (unsigned)i;
		sim->client[i].result = &results[i];
		connect_client(&sim->client[i], 0);
	}
	for (;;) {
		int64_t at;

		while (turn(sim))
			;
		at = next_ns(sim);
		if (at == TW_CTL_NO_DEADLINE)
			break;
		if (at > sim->bed.now.mono_ns)
			sim->bed.now.mono_ns = at;
	}
	for (size_t i = 0; i < cnt; i++) {
		struct sim_client *c = &sim->client[i];

		BED_CHECK(!c->is_open && c->conn == NULL);
		BED_CHECK(c->is_closed && results[i].closed_events >= 1);
		disconnect_client(c);
	}
	BED_CHECK(sim->bed.sess_live == 0);
	free(sim->client);
	sim->client = NULL;
	sim->client_cnt = 0;
}

void
sim_fini(struct sim *sim)
{
	bed_fini(&sim->bed);
}
