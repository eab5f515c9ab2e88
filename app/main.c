/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Start in order, wait, stop in reverse. What each step does is in its module; what fails says so
 * on stderr and gives a status that is not 0.
 */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_launch.h>
#include <rte_lcore.h>

#include "app.h"
#include "clock_feed.h"
#include "config_file.h"
#include "eal_log.h"
#include "lcore_ctl.h"
#include "lcore_data.h"
#include "lcores.h"
#include "notify.h"
#include "shell.h"
#include "telemetry.h"
#include "tw_crypto.h"
#include "tw_dp.h"
#include "version.h"

#define TEXT_SIZE 512

static int
fail(const char *text)
{
	tw_log(TW_LOG_APP, TW_LOG_ERROR, "cannot start: %s", text);
	return EXIT_FAILURE;
}

/* Signals end the process in one place only: main, when it is ready to. */
static void
signals_block(sigset_t *set)
{
	sigemptyset(set);
	sigaddset(set, SIGINT);
	sigaddset(set, SIGTERM);
	sigaddset(set, SIGHUP);
	pthread_sigmask(SIG_BLOCK, set, NULL);
	signal(SIGPIPE, SIG_IGN);
}

/* What can be checked and had before DPDK is started. */
static int
prepare(struct tw_app *app, char *err, size_t size)
{
	int ret;

	if (tw_log_init(app->options.log_sink, app->options.name) != 0)
		tw_log(TW_LOG_APP, TW_LOG_WARNING, "journald cannot be reached, logging to stderr");
	ret = tw_privs_check_start(!app->options.eal_has_no_huge, err, size);
	if (ret != 0)
		return ret;
	ret = tw_privs_init(&app->privs, app->options.user, app->options.keeps_root, err, size);
	if (ret != 0)
		return ret;
	tw_privs_raise_limits();
	ret = tw_crypto_init(TW_CRYPTO_HEAP_DEFAULT, err, size);
	return ret != 0 ? ret : tw_crypto_hide_stack();
}

static int
config_prepare(struct tw_app *app, char *err, size_t size)
{
	snprintf(app->dir, sizeof(app->dir), "%s/%s", app->options.run_dir, app->options.name);
	app->config = tw_config_new();
	if (app->config == NULL) {
		snprintf(err, size, "no memory for the settings");
		return -ENOMEM;
	}
	if (app->options.config == NULL)
		return 0;
	return tw_config_preload(app->config, app->options.config, err, size);
}

static int
eal_start(struct tw_app *app, char *err, size_t size)
{
	tw_eal_log_open();
	if (rte_eal_init(app->options.eal_argc, app->options.eal_argv) < 0) {
		snprintf(err, size,
			"DPDK did not start (%s): see its messages above; another process may hold "
			"the "
			"hugepages or use the same --file-prefix",
			rte_strerror(rte_errno));
		return -rte_errno;
	}
	return tw_lcores_assign(app, err, size);
}

static int
data_plane_start(struct tw_app *app, char *err, size_t size)
{
	struct tw_dp_cfg cfg = {.lcore_cnt = app->data_lcore_cnt, .socket_id = SOCKET_ID_ANY};
	int ret;

	app->clock_feed = tw_clock_feed_new();
	if (app->clock_feed == NULL) {
		ret = -errno;
		snprintf(err, size,
			"cannot calibrate the clock: %s; is the system clock being set?",
			strerror(errno));
		return ret;
	}
	app->shell = tw_shell_new(app);
	app->telemetry = tw_telemetry_new(app);
	if (app->shell == NULL || app->telemetry == NULL) {
		snprintf(err, size, "no secret memory for the shell (ulimit -l)");
		return -ENOMEM;
	}
	if (tw_crypto_random(cfg.seed, sizeof(cfg.seed)) != 0) {
		snprintf(err, size, "no random octets to be had");
		return -EIO;
	}
	cfg.clock = *tw_clock_feed_model(app->clock_feed);
	app->start_utc_ns = tw_clock_feed_now(app->clock_feed).ns;
	ret = tw_dp_new(&cfg, err, &app->dp);
	return ret != 0 ? ret : tw_lcores_launch(app, err, size);
}

void
tw_app_stop(struct tw_app *app)
{
	pthread_kill(app->main_thread, SIGTERM);
}

/* Load the configuration, go live, serve until told to end. */
static int
serve(struct tw_app *app, const sigset_t *signals)
{
	char err[TEXT_SIZE];
	int sig;

	if (tw_lcore_ctl_wait(app, TW_APP_STARTING) != TW_APP_LOADING)
		return fail(app->failure);
	if (tw_lcores_check(app, err, sizeof(err)) != 0)
		return fail(err);
	if (app->options.config != NULL &&
		tw_shell_load(app->shell, app->options.config, err, sizeof(err)) != 0)
		return fail(err);
	tw_lcore_ctl_loaded(app);
	if (tw_lcore_ctl_wait(app, TW_APP_GOING_LIVE) != TW_APP_RUNNING)
		return fail(app->failure);
	tw_privs_filter_thread(); /* control tells if there is none */
	tw_log(TW_LOG_APP, TW_LOG_NOTICE, "twampline %s '%s' is ready", TW_VERSION,
		app->options.name);
	tw_notify("READY=1");
	if (app->options.is_interactive)
		return tw_shell_run(app->shell);
	if (sigwait(signals, &sig) == 0)
		tw_log(TW_LOG_APP, TW_LOG_NOTICE, "stopping (%s)", strsignal(sig));
	return EXIT_SUCCESS;
}

int
main(int argc, char **argv)
{
	static struct tw_app app;
	char err[TEXT_SIZE] = "";
	int status = EXIT_FAILURE;
	sigset_t signals;

	if (tw_options_parse(&app.options, argc, argv, err, sizeof(err)) != 0)
		return fail(err);
	if (app.options.verb != TW_OPTIONS_RUN) {
		if (app.options.verb == TW_OPTIONS_HELP)
			fputs(tw_options_help(), stdout);
		else
			printf("twampline %s\n", TW_VERSION);
		return EXIT_SUCCESS;
	}
	signals_block(&signals);
	app.main_thread = pthread_self();
	if (tw_privs_lock() != 0 || prepare(&app, err, sizeof(err)) != 0 ||
		config_prepare(&app, err, sizeof(err)) != 0)
		return fail(err);
	if (eal_start(&app, err, sizeof(err)) != 0)
		return fail(err);
	if (data_plane_start(&app, err, sizeof(err)) == 0)
		status = serve(&app, &signals);
	else
		fail(err);
	tw_notify("STOPPING=1");
	tw_lcores_stop(&app);
	tw_dp_free(app.dp);
	tw_clock_feed_free(app.clock_feed);
	tw_telemetry_free(app.telemetry);
	tw_shell_free(app.shell);
	tw_config_free(app.config);
	rte_eal_cleanup();
	return status;
}
