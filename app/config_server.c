/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Settings into the configuration of the TWAMP-Control server.
 */
#include <string.h>

#include "config_server.h"
#include "tw_mode.h"

/* In the order of tw_config_modes. */
static const struct {
	uint32_t mode;
	enum tw_config_id allow;
} modes[] = {
	{TW_MODE_OPEN, TW_CFG_SERVER_ALLOW_OPEN},
	{TW_MODE_AUTH, TW_CFG_SERVER_ALLOW_AUTHENTICATED},
	{TW_MODE_ENCR, TW_CFG_SERVER_ALLOW_ENCRYPTED},
	{TW_MODE_MIXED, TW_CFG_SERVER_ALLOW_MIXED},
};

static void
fill_numbers(const struct tw_config *cfg, struct tw_ctl_srv_cfg *out)
{
#define TW_CTL_SETTING(NAME, ...)                                                                  \
	out->set[TW_CTL_SET_##NAME] = (uint32_t)tw_config_u64(cfg, TW_CFG_SERVER_##NAME);
#include "settings.def"
#define TW_CTL_LIMIT(NAME, ...)                                                                    \
	out->limit[TW_CTL_CLASS_TRUSTED][TW_CTL_LIMIT_##NAME] =                                    \
		(uint32_t)tw_config_u64(cfg, TW_CFG_SERVER_TRUSTED_##NAME);                        \
	out->limit[TW_CTL_CLASS_OTHER][TW_CTL_LIMIT_##NAME] =                                      \
		(uint32_t)tw_config_u64(cfg, TW_CFG_SERVER_OTHER_##NAME);
#include "limits.def"
}

void
tw_config_server(
	const struct tw_config *cfg, struct tw_ctl_srv_cfg *out, struct tw_config_server_mem *mem)
{
	const struct tw_conf_value *v;
	size_t cnt;

	memset(out, 0, sizeof(*out));
	fill_numbers(cfg, out);
	v = tw_config_list(cfg, TW_CFG_SERVER_MODES, &cnt);
	for (size_t i = 0; i < cnt; i++)
		out->modes |= modes[v[i].choice].mode;
	for (size_t m = 0; m < TW_ARRAY_SIZE(modes); m++) {
		v = tw_config_list(cfg, modes[m].allow, &cnt);
		for (size_t i = 0; i < cnt; i++)
			mem->allow[out->allow_cnt++] = (struct tw_ctl_allow){
				.prefix = v[i].prefix, .modes = modes[m].mode};
	}
	out->allow = mem->allow;
	v = tw_config_list(cfg, TW_CFG_SERVER_SENDERS, &cnt);
	for (size_t i = 0; i < cnt; i++)
		mem->senders[i] = v[i].prefix;
	out->senders = mem->senders;
	out->senders_cnt = cnt;
}
