/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The values of the settings.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "tw_args.h"
#include "tw_base.h"

enum when { LIVE, START };

const char *const tw_config_modes[] = {"open", "authenticated", "encrypted", "mixed", NULL};
const char *const tw_config_ike_missing[] = {"fail", "initiate", NULL};
const char *const tw_config_privileges[] = {"read", "operate", "admin", NULL};
const char *const tw_config_engines[] = {"auto", "ipsec-mb", "native", NULL};
const char *const tw_config_idle[] = {"auto", "poll", "yield", "sleep", NULL};

static const struct tw_conf_key rows[TW_CFG_N] = {
#define TW_SETTING(ID, name_, type_, when_, def_, help_, ...)                                      \
	{.name = (name_), .type = TW_CONF_##type_, .def = (def_), .help = (help_), ##__VA_ARGS__},
#include "config.def"
#undef TW_SETTING
#define ROW(name_, min_, max_, def_, unit_, help_)                                                 \
	{.name = "server_" name_,                                                                  \
		.type = TW_CONF_U64,                                                               \
		.def = #def_,                                                                      \
		.help = (help_),                                                                   \
		.unit = (unit_)[0] ? (unit_) : NULL,                                               \
		.min = (min_),                                                                     \
		.max = (max_)},
#define TW_CTL_SETTING(NAME, name, min, max, def, unit, help) ROW(#name, min, max, def, unit, help)
#include "settings.def"
#define TW_CTL_LIMIT(NAME, name, min, max, trusted, other, unit, help)                             \
	ROW("trusted_" #name, min, max, trusted, unit, help)
#include "limits.def"
#define TW_CTL_LIMIT(NAME, name, min, max, trusted, other, unit, help)                             \
	ROW("other_" #name, min, max, other, unit, help)
#include "limits.def"
};

const char *const tw_config_names[] = {
#define TW_SETTING(ID, name_, ...) name_,
#include "config.def"
#undef TW_SETTING
#define TW_CTL_SETTING(NAME, name, ...) "server_" #name,
#include "settings.def"
#define TW_CTL_LIMIT(NAME, name, ...) "server_trusted_" #name,
#include "limits.def"
#define TW_CTL_LIMIT(NAME, name, ...) "server_other_" #name,
#include "limits.def"
	NULL,
};

/* Those of lib/control are all live. */
static const uint8_t when[TW_CFG_N] = {
#define TW_SETTING(ID, name_, type_, when_, ...) [TW_CFG_##ID] = when_,
#include "config.def"
#undef TW_SETTING
};

struct slot {
	struct tw_args *args; /* the value, as the argument of its own row */
	char *text;           /* canonical */
};

struct tw_config {
	struct slot slot[TW_CFG_N];
	bool is_started;
	tw_config_apply_fn apply;
	void *apply_arg;
};

const struct tw_conf_key *
tw_config_rows(void)
{
	return rows;
}

const struct tw_conf_key *
tw_config_row(const char *name)
{
	return tw_conf_find(rows, TW_CFG_N, name);
}

bool
tw_config_is_live(enum tw_config_id id)
{
	return when[id] == LIVE;
}

/* Canonical text of all items of a value. @return NULL if out of memory */
static char *
canonical(const struct tw_args *args, const struct tw_conf_key *key)
{
	size_t cnt;
	const struct tw_conf_value *v = tw_args_list(args, key->name, &cnt);
	char item[TW_CONF_STR_MAX + 1];
	char *text = NULL;
	size_t len;
	FILE *to = open_memstream(&text, &len);

	if (to == NULL)
		return NULL;
	if (cnt == 0 && key->is_list)
		fputs("none", to);
	for (size_t i = 0; i < cnt; i++) {
		tw_conf_format(key, &v[i], item, sizeof(item));
		fprintf(to, "%s%s", i ? "," : "", item);
	}
	if (fclose(to) != 0) {
		free(text);
		return NULL;
	}
	return text;
}

static void
slot_clear(struct slot *s)
{
	free(s->args);
	free(s->text);
	memset(s, 0, sizeof(*s));
}

/* Read a text into a new slot. */
static bool
slot_read(struct slot *s, const struct tw_conf_key *key, const char *text, size_t len,
	struct tw_conf_err *err)
{
	memset(s, 0, sizeof(*s));
	s->args = calloc(1, sizeof(*s->args));
	if (s->args == NULL)
		return tw_conf_refuse(err, TW_CONF_R_TOO_LONG, key->name, "out of memory");
	tw_args_init(s->args, key, 1);
	if (!tw_args_put_text(s->args, key, text, len, err))
		goto fail;
	s->text = canonical(s->args, key);
	if (s->text != NULL)
		return true;
	tw_conf_refuse(err, TW_CONF_R_TOO_LONG, key->name, "out of memory");
fail:
	slot_clear(s);
	return false;
}

struct tw_config *
tw_config_new(void)
{
	struct tw_config *cfg = calloc(1, sizeof(*cfg));
	struct tw_conf_err err;

	for (size_t i = 0; cfg != NULL && i < TW_CFG_N; i++) {
		if (slot_read(&cfg->slot[i], &rows[i], rows[i].def, strlen(rows[i].def), &err))
			continue;
		tw_config_free(cfg);
		return NULL;
	}
	return cfg;
}

void
tw_config_free(struct tw_config *cfg)
{
	for (size_t i = 0; cfg != NULL && i < TW_CFG_N; i++)
		slot_clear(&cfg->slot[i]);
	free(cfg);
}

void
tw_config_started(struct tw_config *cfg, tw_config_apply_fn fn, void *arg)
{
	cfg->is_started = true;
	cfg->apply = fn;
	cfg->apply_arg = arg;
}

bool
tw_config_set(struct tw_config *cfg, const char *name, const char *text, size_t len,
	struct tw_conf_err *err)
{
	const struct tw_conf_key *key = tw_conf_find(rows, TW_CFG_N, name);
	enum tw_config_id id;
	struct slot old;
	char why[256] = "";

	if (key == NULL)
		return tw_conf_refuse(err, TW_CONF_R_UNKNOWN_KEY, "key",
			"there is no such setting; `show config` lists them");
	id = (enum tw_config_id)(key - rows);
	old = cfg->slot[id];
	if (!slot_read(&cfg->slot[id], key, text, len, err)) {
		cfg->slot[id] = old;
		if (id == TW_CFG_IKE_ON_MISSING)
			tw_conf_refuse(err, err->reason, key->name,
				"%s must be fail or initiate; fallback is said per server "
				"(ike_fallback) or per test",
				key->name);
		return false;
	}
	if (strcmp(old.text, cfg->slot[id].text) == 0) {
		slot_clear(&old);
		return true;
	}
	if (cfg->is_started && !tw_config_is_live(id))
		tw_conf_refuse(err, TW_CONF_R_BAD_VALUE, key->name,
			"%s is fixed while the appliance runs: set it in the file of "
			"--config and start again",
			key->name);
	else if (cfg->apply != NULL && cfg->apply(cfg->apply_arg, id, why, sizeof(why)) != 0)
		tw_conf_refuse(err, TW_CONF_R_BAD_VALUE, key->name, "%s", why);
	else {
		slot_clear(&old);
		return true;
	}
	slot_clear(&cfg->slot[id]);
	cfg->slot[id] = old;
	return false;
}

const char *
tw_config_text(const struct tw_config *cfg, enum tw_config_id id)
{
	return cfg->slot[id].text;
}

bool
tw_config_is_changed(const struct tw_config *cfg, enum tw_config_id id)
{
	struct tw_conf_err err;
	struct slot def;
	bool is_changed = true;

	if (slot_read(&def, &rows[id], rows[id].def, strlen(rows[id].def), &err)) {
		is_changed = strcmp(def.text, cfg->slot[id].text) != 0;
		slot_clear(&def);
	}
	return is_changed;
}

uint64_t
tw_config_u64(const struct tw_config *cfg, enum tw_config_id id)
{
	TW_ASSERT(rows[id].type == TW_CONF_U64);
	return tw_args_u64(cfg->slot[id].args, rows[id].name);
}

bool
tw_config_bool(const struct tw_config *cfg, enum tw_config_id id)
{
	TW_ASSERT(rows[id].type == TW_CONF_BOOL);
	return tw_args_bool(cfg->slot[id].args, rows[id].name);
}

int64_t
tw_config_ns(const struct tw_config *cfg, enum tw_config_id id)
{
	TW_ASSERT(rows[id].type == TW_CONF_DURATION);
	return tw_args_ns(cfg->slot[id].args, rows[id].name);
}

unsigned
tw_config_enum(const struct tw_config *cfg, enum tw_config_id id)
{
	TW_ASSERT(rows[id].type == TW_CONF_ENUM && !rows[id].is_list);
	return tw_args_enum(cfg->slot[id].args, rows[id].name);
}

const char *
tw_config_str(const struct tw_config *cfg, enum tw_config_id id)
{
	TW_ASSERT(rows[id].type == TW_CONF_STR || rows[id].type == TW_CONF_PATH);
	return tw_args_str(cfg->slot[id].args, rows[id].name);
}

struct tw_conf_range
tw_config_range(const struct tw_config *cfg, enum tw_config_id id)
{
	TW_ASSERT(rows[id].type == TW_CONF_RANGE);
	return tw_args_range(cfg->slot[id].args, rows[id].name);
}

struct tw_addr
tw_config_addr(const struct tw_config *cfg, enum tw_config_id id)
{
	TW_ASSERT(rows[id].type == TW_CONF_ADDR);
	return tw_args_addr(cfg->slot[id].args, rows[id].name);
}

const struct tw_conf_value *
tw_config_value(const struct tw_config *cfg, enum tw_config_id id)
{
	size_t cnt;

	TW_ASSERT(!rows[id].is_list);
	return tw_args_list(cfg->slot[id].args, rows[id].name, &cnt);
}

const struct tw_conf_value *
tw_config_list(const struct tw_config *cfg, enum tw_config_id id, size_t *cnt)
{
	TW_ASSERT(rows[id].is_list);
	return tw_args_list(cfg->slot[id].args, rows[id].name, cnt);
}

bool
tw_config_is_server(enum tw_config_id id)
{
	return strncmp(rows[id].name, "server_", strlen("server_")) == 0;
}

bool
tw_config_is_ike(enum tw_config_id id)
{
	return strncmp(rows[id].name, "ike_", strlen("ike_")) == 0;
}
