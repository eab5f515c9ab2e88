/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Settings of the appliance: one row each (config.def), one value each. A new setting is a row
 * and the place that reads it; parser, help, JSON, `show config` and the manual page follow.
 *
 * Context: main before the control lcore starts, the control lcore afterwards. Data lcores never
 * read settings: what they need is given to them in their own structs.
 */
#ifndef TW_CONFIG_H
#define TW_CONFIG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tw_conf.h"

struct tw_config;

extern const char *const tw_config_modes[];       /* open, authenticated, encrypted, mixed */
extern const char *const tw_config_engines[];     /* as tw_engine_pick() knows them */
extern const char *const tw_config_idle[];        /* auto, then enum tw_idle */
extern const char *const tw_config_ike_missing[]; /* fail, initiate */
extern const char *const tw_config_privileges[];  /* read, operate, admin */

enum tw_config_id {
#define TW_SETTING(ID, ...) TW_CFG_##ID,
#include "config.def"
#undef TW_SETTING
#define TW_CTL_SETTING(NAME, ...) TW_CFG_SERVER_##NAME,
#include "settings.def"
#define TW_CTL_LIMIT(NAME, ...) TW_CFG_SERVER_TRUSTED_##NAME,
#include "limits.def"
#define TW_CTL_LIMIT(NAME, ...) TW_CFG_SERVER_OTHER_##NAME,
#include "limits.def"
	TW_CFG_N
};

/** Names of all settings, NULL-terminated; for completion. */
extern const char *const tw_config_names[];

/** All rows, by enum tw_config_id; TW_CFG_N of them. */
const struct tw_conf_key *tw_config_rows(void);

/** The row of a setting. @return NULL if there is none of this name */
const struct tw_conf_key *tw_config_row(const char *name);

/** The setting may change while the appliance runs. */
bool tw_config_is_live(enum tw_config_id id);

/** All settings at their defaults. @return NULL if out of memory */
struct tw_config *tw_config_new(void);
void tw_config_free(struct tw_config *cfg);

/**
 * Told after a change, by the owner of what changes: apply it, or refuse it.
 * @param why  on refusal: one line, what is wrong and how to mend it
 * @return 0, or -errno; the old value is then put back
 */
typedef int (*tw_config_apply_fn)(void *arg, enum tw_config_id id, char *why, size_t why_size);

/** From now on settings of START are fixed, and changes of the others are told to @p fn. */
void tw_config_started(struct tw_config *cfg, tw_config_apply_fn fn, void *arg);

/**
 * Set from text. The refusal says what would be right.
 * @return false with @p err filled; the old value then stays
 */
bool tw_config_set(struct tw_config *cfg, const char *name, const char *text, size_t len,
	struct tw_conf_err *err);

/** Canonical text of a setting: reads back to the same value. */
const char *tw_config_text(const struct tw_config *cfg, enum tw_config_id id);

/** The value differs from the default. */
bool tw_config_is_changed(const struct tw_config *cfg, enum tw_config_id id);

/* Values; the type must be the one of the row. */
uint64_t tw_config_u64(const struct tw_config *cfg, enum tw_config_id id);
bool tw_config_bool(const struct tw_config *cfg, enum tw_config_id id);
int64_t tw_config_ns(const struct tw_config *cfg, enum tw_config_id id);
unsigned tw_config_enum(const struct tw_config *cfg, enum tw_config_id id);
const char *tw_config_str(const struct tw_config *cfg, enum tw_config_id id);
struct tw_conf_range tw_config_range(const struct tw_config *cfg, enum tw_config_id id);
struct tw_addr tw_config_addr(const struct tw_config *cfg, enum tw_config_id id);

/** The value of a setting that is no list; NULL for an empty text. */
const struct tw_conf_value *tw_config_value(const struct tw_config *cfg, enum tw_config_id id);

/** Items of a list setting; *cnt may be 0. Valid until the setting changes. */
const struct tw_conf_value *tw_config_list(
	const struct tw_config *cfg, enum tw_config_id id, size_t *cnt);

/** The setting belongs to the IKE daemon's connection: tw_ike_io_configure(). */
bool tw_config_is_ike(enum tw_config_id id);

/** The setting belongs to the TWAMP-Control server: tw_config_server() must be applied again. */
bool tw_config_is_server(enum tw_config_id id);

#endif /* TW_CONFIG_H */
