/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The steps of the start that run on the main lcore, before there is a control lcore.
 */
#include "start.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_memory.h>

#include "app.h"
#include "clocks.h"
#include "config_file.h"
#include "eal_log.h"
#include "lcores.h"
#include "rundir.h"
#include "shell.h"
#include "telemetry.h"
#include "tw_crypto.h"
#include "tw_dp.h"

/* What can be checked and had before DPDK is started. */
static int
checks(struct tw_app *app, char *err, size_t size)
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
settings(struct tw_app *app, char *err, size_t size)
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

/* Without the hundred lines of usage that DPDK prints on stdout where an option is wrong. */
static int
eal_init(struct tw_app *app)
{
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
	int out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, 3);
	int ret;

	fflush(stdout);
	if (null >= 0 && out >= 0)
		dup2(null, STDOUT_FILENO);
	ret = rte_eal_init(app->options.eal_argc, app->options.eal_argv) < 0 ? -rte_errno : 0;
	fflush(stdout);
	if (null >= 0 && out >= 0)
		dup2(out, STDOUT_FILENO);
	if (null >= 0)
		close(null);
	if (out >= 0)
		close(out);
	return ret;
}

int
tw_start_eal(struct tw_app *app, char *err, size_t size)
{
	int ret;

	tw_eal_log_open();
	/* of systemd, a list: DPDK takes it for one path; dpdk-telemetry.py looks in /run/dpdk */
	unsetenv("RUNTIME_DIRECTORY");
	tw_rundir_prepare();
	ret = eal_init(app);
	if (ret == -EINVAL) {
		snprintf(err, size,
			"DPDK refuses an EAL option (those before '--'): see its message above; "
			"options of twampline stand after '--', see --help");
		return ret;
	}
	if (ret < 0) {
		snprintf(err, size,
			"DPDK did not start (%s): see its messages above; another process may hold "
			"the hugepages or use the same --file-prefix",
			strerror(-ret));
		return ret;
	}
	return tw_lcores_assign(app, err, size);
}

int
tw_start_data_plane(struct tw_app *app, char *err, size_t size)
{
	struct tw_dp_cfg cfg = {.lcore_cnt = app->data_lcore_cnt,
		.refl_max = app->options.reflectors_max,
		.send_max = app->options.senders_max,
		.socket_id = SOCKET_ID_ANY};
	int ret;

	app->clocks = tw_clocks_new(app);
	if (app->clocks == NULL) {
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
	cfg.engine = tw_config_engines[tw_config_enum(app->config, TW_CFG_ENGINE)];
	cfg.clock = *tw_clock_feed_model(tw_clocks_get(app->clocks, TW_CLOCKS_SYSTEM)->feed);
	app->start_utc_ns = tw_clocks_now(app->clocks).ns;
	ret = tw_dp_new(&cfg, err, &app->dp);
	return ret != 0 ? ret : tw_lcores_launch(app, err, size);
}

int
tw_start_prepare(struct tw_app *app, char *err, size_t err_size)
{
	int ret = checks(app, err, err_size);

	return ret != 0 ? ret : settings(app, err, err_size);
}
