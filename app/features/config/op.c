/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Settings, and the state as lines that make it again.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "app.h"
#include "config.h"
#include "ops.h"

static void
put_value(struct tw_out *out, const struct tw_config *cfg, enum tw_config_id id)
{
	const struct tw_conf_key *key = &tw_config_rows()[id];
	size_t cnt;
	const struct tw_conf_value *v;

	if (!key->is_list) {
		tw_out_value(out, "value", key, tw_config_value(cfg, id));
		return;
	}
	v = tw_config_list(cfg, id, &cnt);
	tw_out_arr(out, "value");
	for (size_t i = 0; i < cnt; i++)
		tw_out_value(out, NULL, key, &v[i]);
	tw_out_arr_end(out);
}

static void
put_setting(struct tw_out *out, const struct tw_config *cfg, enum tw_config_id id)
{
	const struct tw_conf_key *key = &tw_config_rows()[id];

	tw_out_str(out, "key", key->name);
	put_value(out, cfg, id);
	tw_out_str(out, "default", key->def);
	tw_out_str(out, "unit", key->unit);
	tw_out_str(out, "type", tw_conf_type_str(key->type));
	tw_out_bool(out, "is_live", tw_config_is_live(id));
	tw_out_str(out, "help", key->help);
}

static int
show_all(struct tw_app *app, const struct tw_args *args, struct tw_out *out)
{
	uint64_t cursor = tw_args_u64(args, "cursor");
	uint64_t limit = tw_args_u64(args, "limit");
	uint64_t i;

	tw_out_arr(out, "settings");
	for (i = cursor; i < TW_CFG_N && i - cursor < limit; i++) {
		tw_out_obj(out, NULL);
		put_setting(out, app->config, (enum tw_config_id)i);
		tw_out_obj_end(out);
	}
	tw_out_arr_end(out);
	if (i < TW_CFG_N)
		tw_out_u64(out, "next", i, NULL);
	else
		tw_out_null(out, "next");
	return 0;
}

static int
op_show(struct tw_app *app, const struct tw_args *args, struct tw_out *out)
{
	const char *name = tw_args_str(args, "key");
	const struct tw_conf_key *key;
	char *lines;

	if (strcmp(name, "all") == 0)
		return show_all(app, args, out);
	if (name[0] == '\0') {
		lines = tw_ops_config(app);
		if (lines == NULL)
			return tw_out_fail(out, -ENOMEM, NULL, NULL, "out of memory");
		tw_out_block(out, "lines", lines);
		free(lines);
		return 0;
	}
	key = tw_conf_find(tw_config_rows(), TW_CFG_N, name);
	if (key == NULL)
		return tw_out_fail(out, -ENOENT, "key", "`show config all` lists the settings",
			"there is no such setting");
	put_setting(out, app->config, (enum tw_config_id)(key - tw_config_rows()));
	return 0;
}

static int
op_set(struct tw_app *app, const struct tw_args *args, struct tw_out *out)
{
	const char *name = tw_args_str(args, "key");
	const struct tw_conf_key *key = tw_conf_find(tw_config_rows(), TW_CFG_N, name);
	struct tw_conf_err err;
	char *previous;
	size_t len;
	const char *text = tw_args_bytes(args, "value", &len);

	if (key == NULL)
		return tw_out_fail(out, -ENOENT, "key", "`show config all` lists the settings",
			"there is no such setting");
	previous = strdup(tw_config_text(app->config, (enum tw_config_id)(key - tw_config_rows())));
	if (previous == NULL)
		return tw_out_fail(out, -ENOMEM, NULL, NULL, "out of memory");
	if (tw_config_set(app->config, name, text, len, &err)) {
		tw_out_str(out, "key", name);
		tw_out_str(out, "value",
			tw_config_text(app->config, (enum tw_config_id)(key - tw_config_rows())));
		tw_out_str(out, "previous", previous);
	} else {
		tw_out_refuse(out, &err);
	}
	free(previous);
	return tw_out_error(out)->res;
}

static void
config_lines(struct tw_app *app, struct tw_op_lines *lines)
{
	const struct tw_conf_key *rows = tw_config_rows();

	for (unsigned i = 0; i < TW_CFG_N; i++) {
		if (tw_config_is_changed(app->config, i))
			TW_OP_LINE(lines, "set", "config", rows[i].name,
				tw_config_text(app->config, i));
	}
}

#define TW_FEATURE        config
#define TW_FEATURE_DEF    "config/config.def"
#define TW_FEATURE_CONFIG config_lines
#include "../feature.h"
