/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The descriptor of the IKE daemon's socket. Whatever happens to the machine, drive() follows: it
 * connects, closes, sends, sets the timer, and has the server look again at connections that wait
 * for an SA. Others ask for it by tw_ike_io_kick(), so that a callback never meets a caller half
 * way.
 */
#include "io_ike.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "app.h"
#include "config.h"
#include "event.h"
#include "io_ctl.h"
#include "io_ike_i.h"

#define PACKETS_MAX 64 /* in one turn */

static void drive(struct tw_ike_io *io);

/* ---- what happens, told ---- */

static void
put_spis(struct tw_out *out, const char *i, const char *r, const struct tw_ike_spis *spis)
{
	char text[TW_IKE_STR_SIZE];

	tw_ike_spis_str(spis, text);
	tw_out_strf(out, i, "%.16s", text);
	tw_out_str(out, r, text + 17);
}

static void
event_send(struct tw_ike_io *io, enum tw_event_topic topic, const struct tw_ike_sa *sa,
	const struct tw_ike_spis *old)
{
	struct tw_out *out = tw_event_begin(io->app, topic);

	if (out == NULL)
		return;
	put_spis(out, "spi_i", "spi_r", &sa->spis);
	if (old != NULL)
		put_spis(out, "old_spi_i", "old_spi_r", old);
	tw_out_addr(out, "remote_addr", &sa->remote);
	tw_out_str(out, "remote_id", sa->remote_id);
	tw_out_str(out, "connection", sa->conn);
	tw_event_send(io->app, out);
}

static void
on_store(void *arg, enum tw_ike_ev ev, const struct tw_ike_sa *sa, const struct tw_ike_spis *old)
{
	static const struct {
		enum tw_event_topic topic;
		const char *text;
	} rows[] = {
		[TW_IKE_EV_UP] = {TW_EVENT_IKE_SA_UP, "is up"},
		[TW_IKE_EV_REKEYED] = {TW_EVENT_IKE_SA_REKEYED, "takes over from"},
		[TW_IKE_EV_MOVED] = {TW_EVENT_IKE_SA_MOVED, "has changed its addresses"},
		[TW_IKE_EV_DOWN] = {TW_EVENT_IKE_SA_DOWN, "has ended"},
	};
	char addr[TW_ADDR_STR_SIZE], spis[TW_IKE_STR_SIZE], other[TW_IKE_STR_SIZE];
	struct tw_ike_io *io = arg;

	io->has_changed = true;
	event_send(io, rows[ev].topic, sa, old);
	if (tw_log_is_shown(TW_LOG_IKE, TW_LOG_INFO))
		tw_log(TW_LOG_IKE, TW_LOG_INFO, "IKE SA %s with %s (%s) %s%s%s",
			tw_ike_spis_str(&sa->spis, spis), tw_addr_str(&sa->remote, addr),
			sa->remote_id, rows[ev].text, old != NULL ? " " : "",
			old != NULL ? tw_ike_spis_str(old, other) : "");
}

/* A failure is said once, until it is another or the daemon was there again. */
static bool
is_news(struct tw_ike_io *io, const struct tw_ike_link_info *info)
{
	bool is_same = io->logged_why == info->why && io->logged_res == info->res;

	io->logged_why = info->why;
	io->logged_res = info->res;
	return !is_same;
}

static void
log_down(struct tw_ike_io *io, const struct tw_ike_link_info *info)
{
	const char *hint = "";

	if (info->why == TW_IKE_LINK_WHY_VERSION) {
		tw_log(TW_LOG_IKE, TW_LOG_ERROR,
			"%s: the IKE daemon speaks versions %u to %u of the protocol, this "
			"appliance "
			"version %u: update its plugin or the appliance",
			io->path, info->hello.version_min, info->hello.version_max,
			TW_IKE_MSG_VERSION);
	} else if (info->why != TW_IKE_LINK_WHY_ERRNO) {
		tw_log(TW_LOG_IKE, TW_LOG_WARNING, "%s: %s; trying again", io->path,
			tw_ike_link_why_text(info->why));
	} else {
		if (info->res == -EACCES || info->res == -EPERM)
			hint = ": the socket must belong to the user of this appliance";
		tw_log(TW_LOG_IKE, info->res == -ENOENT ? TW_LOG_INFO : TW_LOG_WARNING,
			"no IKE daemon at %s: %s%s; trying again", io->path, strerror(-info->res),
			hint);
	}
}

static void
on_state(void *arg, bool is_ready)
{
	struct tw_ike_io *io = arg;
	struct tw_ike_link_info info;
	struct tw_out *out;

	io->has_changed = true;
	tw_ike_link_info_get(io->link, &info);
	if (is_ready) {
		io->logged_why = -1;
		tw_log(TW_LOG_IKE, TW_LOG_NOTICE, "IKE daemon %s %s at %s serves %u SAs",
			info.hello.name, info.hello.release, io->path,
			tw_ike_store_count(io->store));
	} else if (info.why != TW_IKE_LINK_WHY_NONE && is_news(io, &info)) {
		log_down(io, &info);
	} else {
		return;
	}
	out = tw_event_begin(io->app, TW_EVENT_IKE_DAEMON);
	tw_out_bool(out, "is_connected", is_ready);
	tw_out_str(out, "socket", io->path);
	tw_event_send(io->app, out);
}

static void
on_answer(void *arg, const struct tw_ike_answer *answer)
{
	struct tw_ike_io *io = arg;

	if (!tw_ike_ask_answer(io, answer))
		tw_ike_hint_answer(io, answer);
}

static void
on_not_stored(void *arg, const struct tw_ike_sa *sa, int res)
{
	char addr[TW_ADDR_STR_SIZE], spis[TW_IKE_STR_SIZE];

	(void)arg;
	tw_log(TW_LOG_IKE, TW_LOG_WARNING, "IKE SA %s with %s is not taken: %s",
		tw_ike_spis_str(&sa->spis, spis), tw_addr_str(&sa->remote, addr),
		res == -ENOSPC ? "as many as ike_sas_max are here" : strerror(-res));
}

static const struct tw_ike_link_ops link_ops = {
	.state = on_state,
	.answer = on_answer,
	.not_stored = on_not_stored,
};

/* ---- the descriptor ---- */

static void
socket_close(struct tw_ike_io *io)
{
	int fd = io->w.fd;

	if (fd < 0)
		return;
	tw_loop_fd_del(&io->app->loop, &io->w);
	close(fd);
}

/* Packets hold keys: they are read into secret memory and wiped. */
static void
receive(struct tw_ike_io *io)
{
	ssize_t len;
	int i;

	for (i = 0; i < PACKETS_MAX && io->w.fd >= 0; i++) {
		len = recv(io->w.fd, io->in, TW_IKE_MSG_IN_MAX + 1, MSG_DONTWAIT);
		if (len < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (len > 0) {
			tw_ike_link_input(io->link, io->in, (size_t)len, tw_loop_clock());
			tw_crypto_wipe(io->in, (size_t)len);
			if (tw_ike_link_action(io->link) == TW_IKE_LINK_CLOSE)
				return;
			continue;
		}
		len = len < 0 ? -errno : 0;
		socket_close(io);
		tw_ike_link_lost(io->link, (int)len, tw_loop_clock());
	}
}

static void
on_ready(void *arg, uint32_t events)
{
	struct tw_ike_io *io = arg;

	if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0)
		receive(io);
	drive(io);
}

static int
socket_open(struct tw_ike_io *io)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd, ret = 0;

	memcpy(sa.sun_path, io->path, sizeof(sa.sun_path));
	fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) != 0)
		ret = -errno;
	if (ret == 0)
		ret = tw_loop_fd_add(&io->app->loop, &io->w, fd, EPOLLIN, on_ready, io);
	if (ret != 0)
		close(fd);
	return ret;
}

static void
send_all(struct tw_ike_io *io)
{
	const void *p;
	size_t len;
	int res;

	while (io->w.fd >= 0 && (p = tw_ike_link_output(io->link, &len)) != NULL) {
		if (send(io->w.fd, p, len, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) {
			tw_ike_link_sent(io->link);
			continue;
		}
		res = -errno;
		if (res == -EAGAIN || res == -EINTR) {
			tw_loop_fd_want(&io->app->loop, &io->w, EPOLLIN | EPOLLOUT);
			return;
		}
		socket_close(io);
		tw_ike_link_lost(io->link, res, tw_loop_clock());
	}
	if (io->w.fd >= 0)
		tw_loop_fd_want(&io->app->loop, &io->w, EPOLLIN);
}

/* What the machine wants done: connect, close. */
static void
act(struct tw_ike_io *io)
{
	enum tw_ike_link_action action;
	int ret;

	while ((action = tw_ike_link_action(io->link)) != TW_IKE_LINK_NONE) {
		ret = 0;
		if (action == TW_IKE_LINK_CLOSE)
			socket_close(io);
		else
			ret = socket_open(io);
		if (action == TW_IKE_LINK_CONNECT && ret == 0)
			tw_ike_link_connected(io->link, tw_loop_clock());
		else
			tw_ike_link_lost(io->link, ret, tw_loop_clock());
	}
}

/* Once for all that was heard: those that wait for an SA are looked at again. */
static void
server_tell(struct tw_ike_io *io)
{
	bool has_changed = io->has_changed;

	io->has_changed = false;
	if (has_changed && io->app->ctl_io != NULL)
		tw_ctl_srv_ike_changed(
			tw_ctl_io_srv(io->app->ctl_io), NULL, tw_ctl_io_time(io->app));
}

static void
on_timer(void *arg, int64_t now_ns)
{
	struct tw_ike_io *io = arg;

	tw_ike_link_timer(io->link, now_ns);
	tw_ike_store_timer(io->store, now_ns);
	drive(io);
}

static void
drive(struct tw_ike_io *io)
{
	int64_t due, store_due;

	do {
		act(io);
		server_tell(io);
		send_all(io);
	} while (io->has_changed || tw_ike_link_action(io->link) != TW_IKE_LINK_NONE);
	due = tw_ike_link_deadline(io->link);
	store_due = tw_ike_store_deadline(io->store);
	if (store_due < due)
		due = store_due;
	if (due == TW_IKE_NO_DEADLINE)
		tw_loop_timer_del(&io->app->loop, &io->timer);
	else
		tw_loop_timer_set(&io->app->loop, &io->timer, due, on_timer, io);
}

void
tw_ike_io_kick(struct tw_ike_io *io)
{
	tw_loop_timer_set(&io->app->loop, &io->timer, tw_loop_clock(), on_timer, io);
}

/* ---- life ---- */

static void
settings_take(struct tw_ike_io *io)
{
	const struct tw_config *cfg = io->app->config;

	snprintf(io->path, sizeof(io->path), "%s", tw_config_str(cfg, TW_CFG_IKE_SOCKET));
	tw_ike_store_limits(io->store, (unsigned)tw_config_u64(cfg, TW_CFG_IKE_SAS_MAX),
		tw_config_ns(cfg, TW_CFG_IKE_GRACE));
}

struct tw_ike_io *
tw_ike_io_new(struct tw_app *app)
{
	struct tw_ike_io *io = calloc(1, sizeof(*io));
	const struct tw_ike_store_cfg cfg = {
		.grace_ns = TW_IKE_GRACE_NS, .event = on_store, .arg = io};

	if (io == NULL)
		return NULL;
	io->app = app;
	io->w.fd = -1;
	io->logged_why = -1;
	LIST_INIT(&io->asks);
	io->store = tw_ike_store_new(&cfg);
	io->link = io->store != NULL ? tw_ike_link_new(io->store, &link_ops, io) : NULL;
	io->in = tw_crypto_alloc(TW_IKE_MSG_IN_MAX + 1);
	if (io->link == NULL || io->in == NULL) {
		tw_ike_io_free(io);
		errno = ENOMEM;
		return NULL;
	}
	settings_take(io);
	return io;
}

void
tw_ike_io_free(struct tw_ike_io *io)
{
	if (io == NULL)
		return;
	tw_ike_ask_end_all(io);
	tw_loop_timer_del(&io->app->loop, &io->timer);
	socket_close(io);
	tw_ike_link_free(io->link);
	tw_ike_store_free(io->store);
	tw_crypto_free(io->in);
	free(io);
}

static void
turn_on(struct tw_ike_io *io)
{
	if (io->path[0] != '\0')
		tw_ike_link_on(io->link, tw_loop_clock());
	else
		tw_ike_link_off(io->link, tw_loop_clock());
	tw_ike_io_kick(io);
}

void
tw_ike_io_start(struct tw_ike_io *io)
{
	io->is_started = true;
	turn_on(io);
}

void
tw_ike_io_configure(struct tw_ike_io *io)
{
	char old[sizeof(io->path)];

	memcpy(old, io->path, sizeof(old));
	settings_take(io);
	io->has_changed = true;
	if (!io->is_started)
		return;
	if (strcmp(old, io->path) != 0)
		turn_on(io);
	else
		tw_ike_io_kick(io);
}

/* ---- look-ups ---- */

bool
tw_ike_io_offers(struct tw_ike_io *io, const struct tw_addr *peer)
{
	struct tw_ike_link_info info;

	(void)peer;
	tw_ike_link_info_get(io->link, &info);
	return info.state == TW_IKE_LINK_READY || tw_ike_store_count(io->store) > 0;
}

/* The identities allowed; none named: whoever the IKE daemon lets in. */
static bool
is_allowed(const struct tw_ike_io *io, const struct tw_ike_sa *sa)
{
	const struct tw_conf_value *v;
	size_t i, cnt;

	v = tw_config_list(io->app->config, TW_CFG_IKE_IDS, &cnt);
	for (i = 0; i < cnt; i++)
		if (tw_ike_sa_has_id(sa, v[i].str.p))
			return true;
	return cnt == 0;
}

enum tw_ctl_ike
tw_ike_io_server_key(struct tw_ike_io *io, const uint8_t spis[TW_CTL_SPIS_LEN],
	const struct tw_addr *peer, struct tw_secret **secret)
{
	const struct tw_ike_sa *sa;
	int64_t now_ns = tw_loop_clock();
	struct tw_ike_spis s;

	memcpy(&s, spis, sizeof(s));
	sa = tw_ike_store_find(io->store, &s, now_ns, NULL);
	if (sa == NULL && tw_ike_store_has_ended(io->store, &s))
		return TW_CTL_IKE_ENDED;
	if (sa == NULL)
		return tw_ike_hint_is_expected(io, peer, now_ns) ? TW_CTL_IKE_EXPECTED
								 : TW_CTL_IKE_UNKNOWN;
	if (tw_config_bool(io->app->config, TW_CFG_IKE_CHECK_PEER) && !tw_ike_sa_has_peer(sa, peer))
		return TW_CTL_IKE_ADDRESS;
	if (!is_allowed(io, sa))
		return TW_CTL_IKE_IDENTITY;
	tw_ike_store_find(io->store, &s, now_ns, secret);
	return sa->state == TW_IKE_SUPERSEDED ? TW_CTL_IKE_SUPERSEDED : TW_CTL_IKE_OK;
}

enum tw_ctl_ike
tw_ike_io_client_key(struct tw_ike_io *io, const struct tw_addr *server, const char *remote_id,
	const struct tw_ike_sa **sa, struct tw_secret **secret)
{
	int64_t now_ns = tw_loop_clock();
	const struct tw_ike_sa *found;

	found = tw_ike_store_find_peer(io->store, server, remote_id, now_ns, secret);
	if (sa != NULL)
		*sa = found;
	if (found != NULL)
		return TW_CTL_IKE_OK;
	found = tw_ike_store_find_peer(io->store, server, NULL, now_ns, NULL);
	return found != NULL ? TW_CTL_IKE_IDENTITY : TW_CTL_IKE_UNKNOWN;
}

const struct tw_ike_store *
tw_ike_io_store(const struct tw_ike_io *io)
{
	return io->store;
}

void
tw_ike_io_info(const struct tw_ike_io *io, struct tw_ike_link_info *out)
{
	tw_ike_link_info_get(io->link, out);
}

void
tw_ike_io_initiations(const struct tw_ike_io *io, uint64_t *asked, uint64_t *done)
{
	*asked = io->initiated_cnt;
	*done = io->initiated_done_cnt;
}
