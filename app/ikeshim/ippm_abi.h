/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Copyright (c) 2026 The twampline authors */
/*
 * Before 6.0.3 charon loads a plugin made for any version and calls through tables that may have
 * moved. So the plugin carries the build ids of the two libraries it was built for.
 */
#ifndef IPPM_ABI_H
#define IPPM_ABI_H

#include <stdbool.h>

/* libstrongswan and libcharon in this process are those the plugin was built for. */
bool ippm_abi_fits(void);

#endif
