/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (c) 2026 The twampline authors */
/*
 * The plugin: hooks of charon's bus into calls of the server, the server's descriptors into
 * charon's watcher, and the settings.
 *
 * Hooks run in the thread that has the SA, under the bus mutex: they never wait, and never check an
 * SA out. Keys are derived where SK_d is final and the peer authenticated: ike_updown and
 * ike_rekey.
 */
#include "ippm_charon.h"

#include <errno.h>
#include <pwd.h>
#include <time.h>

#include <plugins/plugin.h>
#include <processing/jobs/callback_job.h>

#include "ippm_abi.h"

#define DEFAULT_SOCKET "/run/charon.ippm"
#define DEFAULT_OWNER  "twampline"

typedef struct {
	plugin_t plugin;
	listener_t listener;
	struct ippm_server *server; /* from plugin_cb to plugin_cb */
} ippm_plugin_t;

/* --- what the server needs: struct ippm_ops --- */

static bool
on_accept(struct ippm_server *srv, int fd, watcher_event_t event)
{
	return ippm_server_accept(srv);
}

static bool
on_read(struct ippm_client *cl, int fd, watcher_event_t event)
{
	return ippm_client_read(cl);
}

static bool
on_write(struct ippm_client *cl, int fd, watcher_event_t event)
{
	return ippm_client_write(cl);
}

static void
ops_watch(void *ctx, enum ippm_watch what, int fd, void *data)
{
	static const struct {
		watcher_event_t event;
		watcher_cb_t cb;
	} table[] = {
		[IPPM_WATCH_ACCEPT] = {WATCHER_READ, (watcher_cb_t)on_accept},
		[IPPM_WATCH_READ] = {WATCHER_READ, (watcher_cb_t)on_read},
		[IPPM_WATCH_WRITE] = {WATCHER_WRITE, (watcher_cb_t)on_write},
	};

	lib->watcher->add(lib->watcher, fd, table[what].event, table[what].cb, data);
}

static enum ippm_status
ops_initiate(void *ctx, uint64_t ticket, const struct ippm_request *req)
{
	ippm_plugin_t *this = ctx;

	return ippm_set_up(this->server, ticket, req);
}

static job_requeue_t
tick(struct ippm_server *srv)
{
	return ippm_server_tick(srv) ? JOB_RESCHEDULE_MS(IPPM_TICK_MS) : JOB_REQUEUE_NONE;
}

static void
ops_start_ticks(void *ctx)
{
	ippm_plugin_t *this = ctx;

	lib->scheduler->schedule_job_ms(lib->scheduler,
		(job_t *)callback_job_create_with_prio(
			(callback_job_cb_t)tick, this->server, NULL, NULL, JOB_PRIO_HIGH),
		IPPM_TICK_MS);
}

static uint64_t
ops_now_ms(void *ctx)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (uint64_t)now.tv_sec * 1000 + (uint64_t)now.tv_nsec / 1000000;
}

static void
ops_log(void *ctx, const char *text)
{
	DBG1(DBG_LIB, "ippm: %s", text);
}

/* --- hooks: listener_t --- */

static struct ippm_server *
server_of(listener_t *listener)
{
	return ((ippm_plugin_t *)((char *)listener - offsetof(ippm_plugin_t, listener)))->server;
}

static bool
is_ours(ike_sa_t *ike_sa)
{
	return ike_sa && ike_sa->get_version(ike_sa) == IKEV2;
}

static bool
hook_state(listener_t *listener, ike_sa_t *ike_sa, ike_sa_state_t state)
{
	struct ippm_sa rec;

	if (!is_ours(ike_sa))
		return TRUE;
	if (state == IKE_CONNECTING) {
		ippm_describe(&rec, ike_sa, NULL, NULL);
		ippm_server_connecting(server_of(listener), ike_sa, &rec);
	} else if (state == IKE_DESTROYING) {
		ippm_server_gone(server_of(listener), ike_sa);
	}
	return TRUE;
}

/* The record of an SA that is established now; FALSE, with a line in the log, if it has no key. */
static bool
describe_with_key(struct ippm_server *server, struct ippm_sa *rec, ike_sa_t *ike_sa)
{
	ippm_describe(rec, ike_sa, NULL, NULL);
	if (ippm_derive(rec, ike_sa))
		return TRUE;
	ippm_server_alert(server, ike_sa, "no key could be derived", FALSE);
	DBG1(DBG_IKE, "ippm: no key derived for IKE_SA %s[%u]", ike_sa->get_name(ike_sa),
		ike_sa->get_unique_id(ike_sa));
	return FALSE;
}

static bool
hook_updown(listener_t *listener, ike_sa_t *ike_sa, bool up)
{
	struct ippm_sa rec;

	if (!is_ours(ike_sa))
		return TRUE;
	if (up && describe_with_key(server_of(listener), &rec, ike_sa))
		ippm_server_up(server_of(listener), ike_sa, &rec);
	else
		ippm_server_gone(server_of(listener), ike_sa);
	memwipe(&rec, sizeof(rec));
	return TRUE;
}

static bool
hook_rekey(listener_t *listener, ike_sa_t *old, ike_sa_t *new)
{
	struct ippm_sa rec;

	if (is_ours(new) && describe_with_key(server_of(listener), &rec, new))
		ippm_server_rekeyed(server_of(listener), old, new, &rec);
	memwipe(&rec, sizeof(rec));
	return TRUE;
}

static bool
hook_update(listener_t *listener, ike_sa_t *ike_sa, host_t *local, host_t *remote)
{
	struct ippm_addr to_local, to_remote;

	if (is_ours(ike_sa)) {
		ippm_addr_of(&to_local, local);
		ippm_addr_of(&to_remote, remote);
		ippm_server_moved(server_of(listener), ike_sa, &to_local, &to_remote);
	}
	return TRUE;
}

static void
tell_children(listener_t *listener, ike_sa_t *ike_sa, child_sa_t *with, child_sa_t *without)
{
	struct ippm_sa rec;

	if (!is_ours(ike_sa))
		return;
	ippm_describe(&rec, ike_sa, with, without);
	ippm_server_children(server_of(listener), ike_sa, &rec);
}

static bool
hook_child_updown(listener_t *listener, ike_sa_t *ike_sa, child_sa_t *child, bool up)
{
	tell_children(listener, ike_sa, up ? child : NULL, up ? NULL : child);
	return TRUE;
}

static bool
hook_child_rekey(listener_t *listener, ike_sa_t *ike_sa, child_sa_t *old, child_sa_t *new)
{
	tell_children(listener, ike_sa, new, old);
	return TRUE;
}

static bool
hook_vips(listener_t *listener, ike_sa_t *ike_sa, bool assign)
{
	if (assign)
		tell_children(listener, ike_sa, NULL, NULL);
	return TRUE;
}

static bool
hook_alert(listener_t *listener, ike_sa_t *ike_sa, alert_t alert, va_list args)
{
	static const struct {
		alert_t alert;
		const char *text;
	} table[] = {
		{ALERT_LOCAL_AUTH_FAILED, "the peer does not accept our authentication"},
		{ALERT_PEER_AUTH_FAILED, "the peer is not authenticated"},
		{ALERT_PEER_ADDR_FAILED, "no address for the peer"},
		{ALERT_PEER_INIT_UNREACHABLE, "the peer does not answer"},
		{ALERT_RETRANSMIT_SEND_TIMEOUT, "the peer does not answer"},
		{ALERT_HALF_OPEN_TIMEOUT, "the peer did not go on"},
		{ALERT_PROPOSAL_MISMATCH_IKE, "no proposal in common"},
		{ALERT_AUTHORIZATION_FAILED, "the peer is not authorized"},
		{ALERT_CERT_EXPIRED, "a certificate has expired"},
		{ALERT_CERT_REVOKED, "a certificate is revoked"},
		{ALERT_CERT_NO_ISSUER, "a certificate's issuer is unknown"},
		{ALERT_CERT_UNTRUSTED_ROOT, "a certificate's root is not trusted"},
	};

	if (alert == ALERT_SHUTDOWN_SIGNAL)
		ippm_server_stopping(server_of(listener));
	for (int i = 0; ike_sa && i < countof(table); i++)
		if (table[i].alert == alert)
			ippm_server_alert(server_of(listener), ike_sa, table[i].text,
				alert == ALERT_RETRANSMIT_SEND_TIMEOUT);
	return TRUE;
}

/* --- the plugin: plugin_t --- */

static char *
get_name(plugin_t *plugin)
{
	return "ippm";
}

/* The uid of `owner`, a name or a number; FALSE if there is none. */
static bool
find_uid(const char *owner, uid_t *uid)
{
	struct passwd pw, *found = NULL;
	char buf[4096], *end;
	unsigned long number = strtoul(owner, &end, 10);

	if (*owner && !*end && number < UINT_MAX) {
		*uid = number;
		return TRUE;
	}
	if (getpwnam_r(owner, &pw, buf, sizeof(buf), &found) != 0 || !found)
		return FALSE;
	*uid = pw.pw_uid;
	return TRUE;
}

static bool
open_server(ippm_plugin_t *this)
{
	const struct ippm_ops ops = {
		.ctx = this,
		.watch = ops_watch,
		.peer_flags = ippm_peer_flags,
		.initiate = ops_initiate,
		.start_ticks = ops_start_ticks,
		.now_ms = ops_now_ms,
		.log = ops_log,
	};
	char *path = lib->settings->get_str(
		lib->settings, "%s.plugins.ippm.socket", DEFAULT_SOCKET, lib->ns);
	char *owner = lib->settings->get_str(
		lib->settings, "%s.plugins.ippm.owner", DEFAULT_OWNER, lib->ns);
	uid_t uid;

	if (!find_uid(owner, &uid)) {
		DBG1(DBG_LIB, "ippm: no user '%s' to serve keys to (plugins.ippm.owner)", owner);
		return FALSE;
	}
	this->server = ippm_server_new(&ops, path, uid, "strongswan", VERSION);
	if (!this->server) {
		DBG1(DBG_LIB, "ippm: cannot serve on %s: %s", path, strerror(errno));
		return FALSE;
	}
	DBG1(DBG_LIB, "ippm: IKEv2-derived keys on %s for uid %u", path, (unsigned)uid);
	return TRUE;
}

static void
close_server(ippm_plugin_t *this)
{
	for (int fd = -1; (fd = ippm_server_next_fd(this->server, fd)) >= 0;)
		lib->watcher->remove(lib->watcher, fd);
	ippm_server_free(this->server);
	this->server = NULL;
}

static bool
plugin_cb(ippm_plugin_t *this, plugin_feature_t *feature, bool reg, void *data)
{
	if (reg) {
		if (!open_server(this))
			return FALSE;
		charon->bus->add_listener(charon->bus, &this->listener);
	} else {
		charon->bus->remove_listener(charon->bus, &this->listener);
		close_server(this);
	}
	return TRUE;
}

static int
get_features(ippm_plugin_t *this, plugin_feature_t *features[])
{
	static plugin_feature_t f[] = {
		PLUGIN_CALLBACK((plugin_feature_callback_t)plugin_cb, NULL),
		PLUGIN_PROVIDE(CUSTOM, "ippm"),
		PLUGIN_DEPENDS(RNG, RNG_WEAK),
	};

	*features = f;
	return countof(f);
}

static void
destroy(ippm_plugin_t *this)
{
	free(this);
}

__attribute__((visibility("default"))) plugin_t *ippm_plugin_create(void);

plugin_t *
ippm_plugin_create(void)
{
	ippm_plugin_t *this;

	/* nothing of charon's objects may be touched before this */
	if (!ippm_abi_fits()) {
		DBG1(DBG_LIB, "ippm: built for other libraries than those that run: build and "
			      "install it again (scripts/ikeshim)");
		return NULL;
	}
	INIT(this,
		.plugin =
			{
				.get_name = get_name,
				.get_features = (void *)get_features,
				.destroy = (void *)destroy,
			},
		.listener = {
			.ike_state_change = hook_state,
			.ike_updown = hook_updown,
			.ike_rekey = hook_rekey,
			.ike_update = hook_update,
			.child_updown = hook_child_updown,
			.child_rekey = hook_child_rekey,
			.assign_vips = hook_vips,
			.alert = hook_alert,
		}, );
	return &this->plugin;
}
