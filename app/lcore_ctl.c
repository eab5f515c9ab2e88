/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The modules of the control lcore, in the order of their start: the table below is the order, the
 * stop goes backwards over what was started.
 */
#include "lcore_ctl.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <rte_alarm.h>

#include "app.h"
#include "clocks.h"
#include "config_server.h"
#include "event.h"
#include "hold.h"
#include "io_ctl.h"
#include "io_ike.h"
#include "io_rpc.h"
#include "kdf_pool.h"
#include "lcores.h"
#include "netlink.h"
#include "ports.h"
#include "rundir.h"
#include "sessions.h"
#include "shell.h"
#include "simwire.h"
#include "telemetry.h"
#include "test_run.h"
#include "tw_control.h"
#include "tw_crypto.h"
#include "tw_dp.h"

#define TICK_NS     INT64_C(1000000)
#define KDF_THREADS 2
/* Jobs of both classes of peers and of our own clients at their default limits. */
#define KDF_POOL_SIZE 4096
#define WAIT_NS       10000000L
#define KEYS_MAX      100000

/* Start returns 0, or -errno with `err` told. */
struct module {
	const char *name;
	int (*start)(struct tw_app *app, char *err, size_t size);
	void (*stop)(struct tw_app *app);
};

static int
out_of_memory(const char *what, char *err, size_t size)
{
	int ret = errno != 0 ? -errno : -ENOMEM;

	snprintf(err, size, "%s: %s", what, strerror(-ret));
	return ret;
}

/* Every turn of the loop: frames for the kernel, answers of the data lcores. */
static void
on_tick(void *arg, int64_t now_ns)
{
	struct tw_app *app = arg;

	if (app->ports != NULL)
		tw_ports_tick(app->ports, now_ns);
	tw_dp_poll(app->dp);
	if (app->tests != NULL)
		tw_tests_tick(app->tests, now_ns);
}

static int
loop_start(struct tw_app *app, char *err, size_t size)
{
	int ret = tw_loop_init(&app->loop, TICK_NS, on_tick, app);

	if (ret != 0)
		snprintf(err, size, "event loop: %s", strerror(-ret));
	return ret;
}

static void
loop_stop(struct tw_app *app)
{
	tw_loop_fini(&app->loop);
}

static int
clocks_start(struct tw_app *app, char *err, size_t size)
{
	(void)err;
	(void)size;
	tw_clocks_start(app->clocks);
	return 0;
}

static void
clocks_stop(struct tw_app *app)
{
	tw_clocks_stop(app->clocks);
}

static int
ports_start(struct tw_app *app, char *err, size_t size)
{
	app->ports = tw_ports_new(app);
	return app->ports != NULL ? 0 : out_of_memory("ports", err, size);
}

static void
ports_stop(struct tw_app *app)
{
	tw_ports_free(app->ports);
	app->ports = NULL;
}

static int
netlink_start(struct tw_app *app, char *err, size_t size)
{
	app->netlink = tw_netlink_new(&app->loop, tw_ports_of_ifindex, app->ports);
	return app->netlink != NULL ? 0 : out_of_memory("rtnetlink", err, size);
}

static void
netlink_stop(struct tw_app *app)
{
	tw_netlink_free(app->netlink);
	app->netlink = NULL;
}

static int
netsim_start(struct tw_app *app, char *err, size_t size)
{
	char text[TW_PORT_ERR_SIZE] = "";
	struct tw_simwire_cfg cfg;
	int ret;

	if (!app->options.has_netsim)
		return 0;
	tw_simwire_defaults(&cfg);
	ret = tw_simwire_add(app, &cfg, text);
	if (ret != 0)
		snprintf(err, size, "--netsim: %s", text);
	return ret;
}

static int
hold_start(struct tw_app *app, char *err, size_t size)
{
	app->hold = tw_hold_new(&app->loop);
	return app->hold != NULL ? 0 : out_of_memory("held ports", err, size);
}

static void
hold_stop(struct tw_app *app)
{
	tw_hold_free(app->hold);
	app->hold = NULL;
}

static int
keys_start(struct tw_app *app, char *err, size_t size)
{
	app->keys = tw_keyring_new(KEYS_MAX);
	return app->keys != NULL ? 0 : out_of_memory("keyring", err, size);
}

static void
keys_stop(struct tw_app *app)
{
	tw_keyring_free(app->keys);
	app->keys = NULL;
}

static void
kdf_run(void *job)
{
	tw_ctl_kdf_run(job);
}

static void
kdf_done(void *arg, void *job)
{
	tw_ctl_kdf_done(job, tw_ctl_io_time(arg));
}

static int
kdf_start(struct tw_app *app, char *err, size_t size)
{
	const struct tw_kdf_pool_cfg cfg = {
		.threads = KDF_THREADS,
		.size = KDF_POOL_SIZE,
		.run = kdf_run,
		.done = kdf_done,
		.arg = app,
	};

	app->kdf = tw_kdf_pool_new(&app->loop, &cfg);
	return app->kdf != NULL ? 0 : out_of_memory("key derivation threads", err, size);
}

static void
kdf_stop(struct tw_app *app)
{
	tw_kdf_pool_free(app->kdf);
	app->kdf = NULL;
}

static int
ike_start(struct tw_app *app, char *err, size_t size)
{
	app->ike = tw_ike_io_new(app);
	return app->ike != NULL ? 0 : out_of_memory("IKE keystore", err, size);
}

static void
ike_stop(struct tw_app *app)
{
	tw_ike_io_free(app->ike);
	app->ike = NULL;
}

static int
sessions_start(struct tw_app *app, char *err, size_t size)
{
	app->sessions = tw_sessions_new(app);
	return app->sessions != NULL ? 0 : out_of_memory("sessions", err, size);
}

static void
sessions_stop(struct tw_app *app)
{
	tw_sessions_free(app->sessions);
	app->sessions = NULL;
}

static int
server_start(struct tw_app *app, char *err, size_t size)
{
	app->ctl_io = tw_ctl_io_new(app, err, size);
	return app->ctl_io != NULL ? 0 : -ENOMEM;
}

static void
server_stop(struct tw_app *app)
{
	tw_ctl_io_free(app->ctl_io);
	app->ctl_io = NULL;
}

static int
tests_start(struct tw_app *app, char *err, size_t size)
{
	app->tests = tw_tests_new(app);
	return app->tests != NULL ? 0 : out_of_memory("tests", err, size);
}

static void
tests_stop(struct tw_app *app)
{
	tw_tests_free(app->tests);
	app->tests = NULL;
}

static int
server_configure(struct tw_app *app, char *why, size_t why_size)
{
	struct tw_config_server_mem mem;
	struct tw_ctl_srv_cfg cfg;

	tw_config_server(app->config, &cfg, &mem);
	return tw_ctl_io_configure(app->ctl_io, &cfg, why, why_size);
}

/* The choices are "auto" and enum tw_idle in its order. */
static void
idle_apply(struct tw_app *app)
{
	int idle = (int)tw_config_enum(app->config, TW_CFG_IDLE);

	if (idle == 0)
		idle = tw_lcores_are_shared(app) ? TW_IDLE_YIELD : TW_IDLE_POLL;
	atomic_store_explicit(&app->idle, idle, memory_order_relaxed);
}

/* A setting was changed: who owns what changes applies it. */
static int
on_setting(void *arg, enum tw_config_id id, char *why, size_t why_size)
{
	struct tw_app *app = arg;

	if (tw_config_is_server(id))
		return server_configure(app, why, why_size);
	if (tw_config_is_ike(id))
		tw_ike_io_configure(app->ike);
	else if (id == TW_CFG_IDLE)
		idle_apply(app);
	else if (id == TW_CFG_CLOCK_FLOOR)
		tw_clocks_floor(
			app->clocks, (uint64_t)tw_config_ns(app->config, TW_CFG_CLOCK_FLOOR));
	return 0;
}

static int
settings_start(struct tw_app *app, char *err, size_t size)
{
	int ret = server_configure(app, err, size);

	idle_apply(app);
	on_setting(app, TW_CFG_CLOCK_FLOOR, err, size);
	if (ret == 0)
		tw_config_started(app->config, on_setting, app);
	return ret;
}

/* Group that may connect to the JSON socket. */
static int
rpc_group(const struct tw_app *app, gid_t *gid, char *err, size_t size)
{
	const char *name = tw_config_str(app->config, TW_CFG_RPC_GROUP);
	const struct group *gr;

	*gid = app->privs.is_dropping ? app->privs.gid : getegid();
	if (name[0] == '\0')
		return 0;
	gr = getgrnam(name);
	if (gr == NULL) {
		snprintf(err, size, "rpc_group: there is no group '%s'", name);
		return -ENOENT;
	}
	*gid = gr->gr_gid;
	return 0;
}

static int
rpc_start(struct tw_app *app, char *err, size_t size)
{
	char path[TW_APP_DIR_SIZE + 16];
	gid_t gid;
	int ret;

	ret = tw_rundir_make(app, err, size);
	if (ret == 0)
		ret = rpc_group(app, &gid, err, size);
	if (ret != 0)
		return ret;
	snprintf(path, sizeof(path), "%s/" TW_RUNDIR_RPC, app->dir);
	app->rpc = tw_rpc_io_new(app, path, gid, err, size);
	if (app->rpc == NULL)
		return -(errno != 0 ? errno : EIO);
	tw_rundir_clean(app);
	return 0;
}

static void
rpc_stop(struct tw_app *app)
{
	tw_rpc_io_free(app->rpc);
	app->rpc = NULL;
}

static int
shell_start(struct tw_app *app, char *err, size_t size)
{
	int ret = tw_shell_attach(app->shell);

	if (ret == 0)
		ret = tw_telemetry_attach(app->telemetry);
	if (ret != 0)
		snprintf(err, size, "shell and telemetry: %s", strerror(-ret));
	return ret;
}

static void
shell_stop(struct tw_app *app)
{
	tw_telemetry_detach(app->telemetry);
	tw_shell_detach(app->shell);
}

static const struct module modules[] = {
	{"loop", loop_start, loop_stop},
	{"ports", ports_start, ports_stop},
	{"netlink", netlink_start, netlink_stop},
	{"hold", hold_start, hold_stop},
	{"clocks", clocks_start, clocks_stop},
	{"keys", keys_start, keys_stop},
	{"kdf", kdf_start, kdf_stop},
	{"ike", ike_start, ike_stop},
	{"sessions", sessions_start, sessions_stop},
	{"server", server_start, server_stop},
	{"tests", tests_start, tests_stop},
	{"settings", settings_start, NULL},
	{"netsim", netsim_start, NULL},
	{"shell", shell_start, shell_stop},
	{"rpc", rpc_start, rpc_stop},
};

static void
modules_stop(struct tw_app *app, unsigned cnt)
{
	while (cnt-- > 0)
		if (modules[cnt].stop != NULL)
			modules[cnt].stop(app);
}

/* In DPDK's interrupt thread, where drivers such as memif read what their peers write. */
static void
filter_interrupts(void *arg)
{
	(void)arg;
	(void)tw_privs_filter_thread(); /* control tells if there is none */
}

/* The configuration file is loaded: what waited for it, and privileges go. */
static int
go_live(struct tw_app *app, char *err, size_t size)
{
	int ret;

	ret = tw_ctl_io_listen_default(app->ctl_io, err, size);
	if (ret == 0 && app->privs.is_dropping)
		tw_rundir_hand_over(app);
	if (ret == 0)
		ret = tw_privs_drop(&app->privs, err, size);
	if (ret == 0 && tw_privs_filter_thread() != 0)
		tw_log(TW_LOG_APP, TW_LOG_WARNING, "no seccomp filter: %s", strerror(errno));
	if (ret == 0)
		(void)rte_eal_alarm_set(1, filter_interrupts, NULL);
	if (ret == 0)
		tw_ike_io_start(app->ike); /* as the user that may */
	if (ret == 0 && app->privs.is_dropping)
		tw_log(TW_LOG_APP, TW_LOG_NOTICE, "running as user %s", app->privs.user);
	return ret;
}

static void
state_set(struct tw_app *app, enum tw_app_state state)
{
	atomic_store_explicit(&app->state, (int)state, memory_order_release);
}

/* Run the loop while the state is @p state. */
static void
loop_while(struct tw_app *app, enum tw_app_state state)
{
	while (atomic_load_explicit(&app->state, memory_order_acquire) == (int)state &&
		!atomic_load_explicit(&app->loop.is_stopping, memory_order_relaxed))
		tw_loop_turn(&app->loop, app->loop.tick_ns);
}

int
tw_lcore_ctl_main(void *arg)
{
	struct tw_app *app = arg;
	unsigned i;
	int ret = 0;

	tw_crypto_hide_stack();
	for (i = 0; i < TW_ARRAY_SIZE(modules) && ret == 0; i++) {
		errno = 0;
		ret = modules[i].start(app, app->failure, sizeof(app->failure));
	}
	if (ret != 0) {
		modules_stop(app, i - 1);
		state_set(app, TW_APP_FAILED);
		return ret;
	}
	state_set(app, TW_APP_LOADING);
	loop_while(app, TW_APP_LOADING);
	if (!atomic_load_explicit(&app->loop.is_stopping, memory_order_relaxed)) {
		ret = go_live(app, app->failure, sizeof(app->failure));
		state_set(app, ret == 0 ? TW_APP_RUNNING : TW_APP_FAILED);
	}
	if (ret == 0)
		tw_loop_run(&app->loop);
	modules_stop(app, TW_ARRAY_SIZE(modules));
	if (ret == 0)
		state_set(app, TW_APP_STOPPED);
	return ret;
}

int
tw_lcore_ctl_wait(const struct tw_app *app, enum tw_app_state state)
{
	const struct timespec pause = {.tv_nsec = WAIT_NS};
	int now;

	while ((now = atomic_load_explicit(&app->state, memory_order_acquire)) == (int)state)
		nanosleep(&pause, NULL);
	return now;
}

void
tw_lcore_ctl_loaded(struct tw_app *app)
{
	state_set(app, TW_APP_GOING_LIVE);
	tw_loop_wake(&app->loop);
}
