/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Configuration of a client: defaults, bounds.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "cli_i.h"

void
tw_ctl_cli_cfg_init(struct tw_ctl_cli_cfg *cfg)
{
	*cfg = (struct tw_ctl_cli_cfg){
		.modes = {TW_MODE_ENCR, TW_MODE_AUTH, TW_MODE_MIXED, TW_MODE_OPEN},
		.modes_cnt = 4,
		.floor = TW_MODE_AUTH,
		.count_min = TW_CTL_COUNT_MIN,
		.count_max = TW_CTL_COUNT_MAX,
		.t_greeting_ns = 10 * NS_PER_S,
		.t_setup_ns = 30 * NS_PER_S,
		.t_answer_ns = 10 * NS_PER_S,
		.t_write_ns = 10 * NS_PER_S,
		.session_max = 100000,
	};
}

void
tw_ctl_cli_cfg_mode(struct tw_ctl_cli_cfg *cfg, uint32_t mode)
{
	cfg->modes[0] = mode;
	cfg->modes_cnt = 1;
	cfg->floor = mode;
}

/* 2^31 is the RFC 8913 bound of a count; more than the default needs an explicit setting. */
static bool
counts_ok(const struct tw_ctl_cli_cfg *cfg)
{
	return cfg->count_min >= TW_CTL_COUNT_MIN && cfg->count_min <= cfg->count_max &&
	       cfg->count_max <= 1U << 31;
}

static bool
modes_ok(const struct tw_ctl_cli_cfg *cfg)
{
	if (cfg->modes_cnt == 0 || cfg->modes_cnt > TW_ARRAY_SIZE(cfg->modes))
		return false;
	for (size_t i = 0; i < cfg->modes_cnt; i++) {
		if ((cfg->modes[i] & ~TW_MODE_SEC_MASK) || tw_mode_rank(cfg->modes[i]) == 0)
			return false;
	}
	return true;
}

static bool
ike_ok(const struct tw_ctl_cli_cfg *cfg)
{
	uint32_t modes = 0;

	for (size_t i = 0; i < cfg->modes_cnt; i++)
		modes |= cfg->modes[i];
	if (cfg->key_floor > TW_CTL_KEY_IKEV2 || cfg->ike_try > TW_CTL_IKE_TRY_FALLBACK)
		return false;
	if (cfg->ike_try == TW_CTL_IKE_TRY_FALLBACK && !cfg->ike_fallback)
		return false;
	return cfg->key_floor == TW_CTL_KEY_ANY || tw_mode_protects_control(modes);
}

int
tw_ctl_cli_cfg_check(const struct tw_ctl_cli_cfg *cfg, char *out, size_t size)
{
	struct tw_keyring_id id;

	if (!modes_ok(cfg)) {
		snprintf(out, size, "mode: name open, mixed, authenticated or encrypted");
		return -EINVAL;
	}
	if ((cfg->floor & ~TW_MODE_SEC_MASK) || tw_mode_rank(cfg->floor) == 0) {
		snprintf(out, size, "floor: name open, mixed, authenticated or encrypted");
		return -EINVAL;
	}
	if (!ike_ok(cfg)) {
		snprintf(out, size,
			"ike: it needs mode mixed, authenticated or encrypted; a connection "
			"without it needs fallback");
		return -EINVAL;
	}
	if (!counts_ok(cfg)) {
		snprintf(out, size, "count: bounds %u..%u make no sense, use %u..%u",
			cfg->count_min, cfg->count_max, TW_CTL_COUNT_MIN, TW_CTL_COUNT_MAX);
		return -EINVAL;
	}
	if (cfg->key_id[0] != '\0' &&
		tw_keyring_id_make(cfg->key_id, strnlen(cfg->key_id, sizeof(cfg->key_id)), &id)) {
		snprintf(out, size, "user: a KeyID is 1..80 octets of UTF-8");
		return -EINVAL;
	}
	if (cfg->t_greeting_ns <= 0 || cfg->t_setup_ns <= 0 || cfg->t_answer_ns <= 0 ||
		cfg->t_write_ns <= 0 || cfg->session_max == 0) {
		snprintf(out, size, "deadlines and session_max must be positive");
		return -EINVAL;
	}
	return 0;
}
