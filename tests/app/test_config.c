/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Settings: defaults, changes, refusals that leave the old value, files before the start, and what
 * the server is told.
 */
#include <criterion/criterion.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "app.h"
#include "config.h"
#include "config_file.h"
#include "config_server.h"
#include "tw_crypto.h"

static struct tw_config *cfg;
static struct tw_conf_err err;
static char path[64];
static int applied;

/* The table of operations needs it; none is run here. */
void
tw_app_stop(struct tw_app *app)
{
	(void)app;
}

Test(config, tells_the_row_of_a_name)
{
	cr_assert_eq(tw_config_row("idle")->choices, tw_config_idle);
	cr_assert_null(tw_config_row("idl"));
}

static void
start(void)
{
	cr_assert_eq(tw_crypto_init_late(TW_CRYPTO_HEAP_MIN, NULL, 0), 0);
	cfg = tw_config_new();
	cr_assert_not_null(cfg);
	snprintf(path, sizeof(path), "/tmp/tw-test-%d.conf", getpid());
}

static void
stop(void)
{
	tw_config_free(cfg);
	unlink(path);
}

TestSuite(config, .init = start, .fini = stop);

static bool
set(const char *name, const char *text)
{
	return tw_config_set(cfg, name, text, strlen(text), &err);
}

Test(config, starts_at_its_defaults)
{
	for (unsigned i = 0; i < TW_CFG_N; i++) {
		cr_assert_not(tw_config_is_changed(cfg, i), "%s", tw_config_rows()[i].name);
		cr_assert_str_eq(tw_config_names[i], tw_config_rows()[i].name);
	}
	cr_assert_null(tw_config_names[TW_CFG_N]);
	cr_assert_eq(tw_config_u64(cfg, TW_CFG_RPC_CLIENTS), 64);
}

Test(config, takes_values_in_any_spelling_and_keeps_one)
{
	size_t cnt;

	cr_assert(set("rpc_clients", "0x10"), "%s", err.text);
	cr_assert_eq(tw_config_u64(cfg, TW_CFG_RPC_CLIENTS), 16);
	cr_assert_str_eq(tw_config_text(cfg, TW_CFG_RPC_CLIENTS), "16");
	cr_assert(tw_config_is_changed(cfg, TW_CFG_RPC_CLIENTS));
	cr_assert(set("server_allow_open", "10.0.0.0/8,2001:DB8::/32"));
	cr_assert_eq(tw_config_list(cfg, TW_CFG_SERVER_ALLOW_OPEN, &cnt)[1].prefix.len, 32);
	cr_assert_eq(cnt, 2);
	cr_assert_str_eq(tw_config_text(cfg, TW_CFG_SERVER_ALLOW_OPEN), "10.0.0.0/8,2001:db8::/32");
	cr_assert(set("server_allow_open", "none"));
	cr_assert_not(tw_config_is_changed(cfg, TW_CFG_SERVER_ALLOW_OPEN));
}

Test(config, refusals_leave_the_old_value)
{
	cr_assert(set("rpc_clients", "32"));
	cr_assert_not(set("rpc_clients", "0"));
	cr_assert_eq(err.reason, TW_CONF_R_OUT_OF_BOUNDS);
	cr_assert_not(set("rpc_clients", "many"));
	cr_assert_eq(tw_config_u64(cfg, TW_CFG_RPC_CLIENTS), 32);
	cr_assert_not(set("no_such", "1"));
	cr_assert_eq(err.reason, TW_CONF_R_UNKNOWN_KEY);
}

static int
apply(void *arg, enum tw_config_id id, char *why, size_t why_size)
{
	cr_assert_eq(arg, &applied);
	cr_assert_eq(id, TW_CFG_RPC_CLIENTS);
	applied++;
	if (tw_config_u64(cfg, id) != 13)
		return 0;
	snprintf(why, why_size, "13 is unlucky; take 12");
	return -EINVAL;
}

Test(config, asks_who_has_to_apply_a_change)
{
	tw_config_started(cfg, apply, &applied);
	cr_assert(set("rpc_clients", "12"));
	cr_assert(set("rpc_clients", "12"));
	cr_assert_eq(applied, 1);
	cr_assert_not(set("rpc_clients", "13"));
	cr_assert_str_eq(err.text, "13 is unlucky; take 12");
	cr_assert_eq(tw_config_u64(cfg, TW_CFG_RPC_CLIENTS), 12);
	cr_assert_not(set("rpc_group", "staff"));
	cr_assert(strstr(err.text, "--config"), "%s", err.text);
	cr_assert_str_eq(tw_config_str(cfg, TW_CFG_RPC_GROUP), "");
}

static void
write_file(const char *text)
{
	FILE *f = fopen(path, "w");

	cr_assert_not_null(f);
	fputs(text, f);
	fclose(f);
}

Test(config, takes_settings_of_the_start_from_the_file_before_it)
{
	char why[256] = "";

	write_file("# first\nset config rpc_group \"staff\"\nset config key rpc_clients value 3\n"
		   "add key a passphrase \"x y\nnonsense\n");
	cr_assert_eq(tw_config_preload(cfg, path, why, sizeof(why)), 0, "%s", why);
	cr_assert_str_eq(tw_config_str(cfg, TW_CFG_RPC_GROUP), "staff");
	cr_assert_eq(tw_config_u64(cfg, TW_CFG_RPC_CLIENTS), 64, "live ones come later");
}

Test(config, says_where_a_setting_of_the_start_is_wrong)
{
	char why[256] = "", want[160], line[200];

	memset(line, 'x', sizeof(line) - 1);
	line[sizeof(line) - 1] = '\0';
	write_file("\nset config rpc_group ");
	cr_assert_eq(tw_config_preload(cfg, path, why, sizeof(why)), 0);
	{
		FILE *f = fopen(path, "w");

		fprintf(f, "\n\nset config rpc_group %s\n", line);
		fclose(f);
	}
	cr_assert_eq(tw_config_preload(cfg, path, why, sizeof(why)), -EINVAL);
	snprintf(want, sizeof(want), "%s:3: rpc_group may hold at most 64", path);
	cr_assert_eq(strncmp(why, want, strlen(want)), 0, "%s", why);
	cr_assert_eq(tw_config_preload(cfg, "/nonexistent", why, sizeof(why)), -ENOENT);
	cr_assert(strstr(why, "cannot be opened"));
}

Test(config, agrees_with_the_defaults_of_the_server)
{
	struct tw_ctl_srv_cfg ours, theirs;
	struct tw_config_server_mem mem;
	char why[256];

	tw_config_server(cfg, &ours, &mem);
	tw_ctl_srv_cfg_init(&theirs);
	cr_assert_eq(memcmp(ours.set, theirs.set, sizeof(ours.set)), 0);
	cr_assert_eq(memcmp(ours.limit, theirs.limit, sizeof(ours.limit)), 0);
	cr_assert_eq(ours.modes, theirs.modes);
	cr_assert_eq(ours.allow_cnt, 0);
	cr_assert_eq(ours.senders_cnt, 0);
	cr_assert_eq(tw_ctl_srv_cfg_check(&ours, why, sizeof(why)), 0, "%s", why);
}

Test(config, tells_the_server_its_prefixes)
{
	struct tw_ctl_srv_cfg out;
	struct tw_config_server_mem mem;

	cr_assert(set("server_allow_open", "10.0.0.0/8"));
	cr_assert(set("server_allow_encrypted", "10.0.0.0/8,::/0"));
	cr_assert(set("server_modes", "open,encrypted"));
	cr_assert(set("server_senders", "192.0.2.1/32"));
	cr_assert(set("server_other_sessions", "7"));
	tw_config_server(cfg, &out, &mem);
	cr_assert_eq(out.allow_cnt, 3);
	cr_assert_eq(out.allow[0].modes, 1);
	cr_assert_eq(out.allow[2].modes, 4);
	cr_assert_eq(out.modes, 5);
	cr_assert_eq(out.senders_cnt, 1);
	cr_assert_eq(out.limit[TW_CTL_CLASS_OTHER][TW_CTL_LIMIT_SESSIONS], 7);
}
