/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Settings, limits and counters of the server as rows: names, bounds, defaults, sense.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "srv_i.h"

static const struct tw_ctl_knob settings[] = {
#define TW_CTL_SETTING(NAME, name, min, max, def, unit, help) {#name, min, max, def, unit, help},
#include "settings.def"
};

static const struct tw_ctl_knob limits[TW_CTL_CLASS_N][TW_CTL_LIMIT_N] = {
	{
#define TW_CTL_LIMIT(NAME, name, min, max, trusted, other, unit, help)                             \
	{#name, min, max, trusted, unit, help},
#include "limits.def"
	},
	{
#define TW_CTL_LIMIT(NAME, name, min, max, trusted, other, unit, help)                             \
	{#name, min, max, other, unit, help},
#include "limits.def"
	},
};

static const char *const counters[][2] = {
#define TW_CTL_COUNTER(NAME, name, help) {#name, help},
#include "counters.def"
};

static const char *const class_names[TW_CTL_CLASS_N] = {"trusted", "other"};

struct tw_ctl_knob
tw_ctl_setting_knob(unsigned setting)
{
	return settings[setting];
}

struct tw_ctl_knob
tw_ctl_limit_knob(unsigned cls, unsigned limit)
{
	return limits[cls][limit];
}

const char *
tw_ctl_class_name(unsigned cls)
{
	return cls < TW_CTL_CLASS_N ? class_names[cls] : "?";
}

const char *
tw_ctl_counter_name(unsigned counter)
{
	return counters[counter][0];
}

const char *
tw_ctl_counter_help(unsigned counter)
{
	return counters[counter][1];
}

void
tw_ctl_srv_cfg_init(struct tw_ctl_srv_cfg *cfg)
{
	memset(cfg, 0, sizeof(*cfg));
	cfg->modes = TW_MODE_SEC_MASK;
	for (unsigned s = 0; s < TW_CTL_SET_N; s++)
		cfg->set[s] = settings[s].def;
	for (unsigned c = 0; c < TW_CTL_CLASS_N; c++) {
		for (unsigned l = 0; l < TW_CTL_LIMIT_N; l++)
			cfg->limit[c][l] = limits[c][l].def;
	}
}

static int
check_knob(const struct tw_ctl_knob *k, const char *cls, uint32_t value, char *out, size_t size)
{
	if (value >= k->min && value <= k->max)
		return 0;
	snprintf(out, size, "%s%s%s: %u is out of bounds, use %u..%u%s%s", cls ? cls : "",
		cls ? "." : "", k->name, value, k->min, k->max, *k->unit ? " " : "", k->unit);
	return -EINVAL;
}

static int
check_knobs(const struct tw_ctl_srv_cfg *cfg, char *out, size_t size)
{
	int res = 0;

	for (unsigned s = 0; s < TW_CTL_SET_N && res == 0; s++)
		res = check_knob(&settings[s], NULL, cfg->set[s], out, size);
	for (unsigned c = 0; c < TW_CTL_CLASS_N && res == 0; c++) {
		for (unsigned l = 0; l < TW_CTL_LIMIT_N && res == 0; l++)
			res = check_knob(
				&limits[c][l], class_names[c], cfg->limit[c][l], out, size);
	}
	return res;
}

int
tw_ctl_srv_cfg_check(const struct tw_ctl_srv_cfg *cfg, char *out, size_t size)
{
	uint32_t count = cfg->set[TW_CTL_SET_COUNT];

	if (check_knobs(cfg, out, size) != 0)
		return -EINVAL;
	if (count & (count - 1)) {
		snprintf(out, size, "count: %u is no power of 2, use 1024, 2048, .. 32768", count);
		return -EINVAL;
	}
	if (cfg->set[TW_CTL_SET_PORT_LO] > cfg->set[TW_CTL_SET_PORT_HI]) {
		snprintf(out, size, "port_lo: %u is above port_hi %u, swap them",
			cfg->set[TW_CTL_SET_PORT_LO], cfg->set[TW_CTL_SET_PORT_HI]);
		return -EINVAL;
	}
	if (cfg->modes & ~TW_MODE_SEC_MASK) {
		snprintf(out, size, "modes: %u holds bits that are not served, use 0..15",
			cfg->modes);
		return -EINVAL;
	}
	for (size_t i = 0; i < cfg->allow_cnt; i++) {
		if ((cfg->allow[i].modes & TW_MODE_SEC_MASK) == 0 ||
			(cfg->allow[i].modes & ~TW_MODE_SEC_MASK)) {
			snprintf(out, size, "allow: row %zu names no mode, or one not served", i);
			return -EINVAL;
		}
	}
	return 0;
}
