/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The server_... settings in the form that lib/control takes.
 * Context: as config.h.
 */
#ifndef TW_CONFIG_SERVER_H
#define TW_CONFIG_SERVER_H

#include "config.h"
#include "tw_control.h"

/* Memory that the pointers of the configuration lead to; the server copies it. */
struct tw_config_server_mem {
	struct tw_ctl_allow allow[4 * TW_CONF_LIST_MAX];
	struct tw_prefix senders[TW_CONF_LIST_MAX];
};

/**
 * Fill @p out, all of it, from the settings.
 * @param mem  must stay as long as @p out is used
 */
void tw_config_server(
	const struct tw_config *cfg, struct tw_ctl_srv_cfg *out, struct tw_config_server_mem *mem);

#endif /* TW_CONFIG_SERVER_H */
