/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/* DPDK's own messages go where ours go. Context: main thread, before rte_eal_init(). */
#ifndef TW_EAL_LOG_H
#define TW_EAL_LOG_H

/** Redirect rte_log(). On failure DPDK logs as it likes. */
void tw_eal_log_open(void);

#endif /* TW_EAL_LOG_H */
