/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Start in order, wait, stop in reverse. What each step does is in its module; what fails says so
 * on stderr and gives a status that is not 0.
 */
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_eal.h>

#include "app.h"
#include "clocks.h"
#include "config.h"
#include "lcore_ctl.h"
#include "lcore_data.h"
#include "lcores.h"
#include "notify.h"
#include "rundir.h"
#include "shell.h"
#include "start.h"
#include "telemetry.h"
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
	if (tw_privs_lock() != 0 || tw_start_prepare(&app, err, sizeof(err)) != 0 ||
		tw_start_eal(&app, err, sizeof(err)) != 0)
		return fail(err);
	if (tw_start_data_plane(&app, err, sizeof(err)) == 0)
		status = serve(&app, &signals);
	else
		fail(err);
	tw_notify("STOPPING=1");
	tw_lcores_stop(&app);
	tw_dp_free(app.dp);
	app.dp = NULL;
	tw_clocks_free(app.clocks);
	tw_telemetry_free(app.telemetry);
	tw_shell_free(app.shell);
	tw_config_free(app.config);
	/*
	 * No rte_eal_cleanup(): that of 22.11 unmaps the memory of EAL's interrupt thread while it
	 * goes on, and a memif peer that connects just then ends the process with a fault. Ports
	 * are closed by now; the rest goes with the process.
	 */
	tw_rundir_leave(&app);
	return status;
}
