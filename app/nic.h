/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Stamps by the NICs of ports: what a device says it can do is tried before it is used. Its clock
 * is followed by a discipline of its own against the TSC; arrivals are compared with what software
 * saw of them, departures on schedule with the NIC's own stamps of samples; where only those are
 * to be had they correct what software expects. What fails stays with software.
 *
 * Context: control lcore.
 */
#ifndef TW_NIC_H
#define TW_NIC_H

#include "out.h"
#include "tw_port.h"

struct tw_app;
struct tw_nic;

/**
 * Begin to try what the port offers.
 * @return 0, *out NULL if it offers nothing; -ENOMEM
 */
int tw_nic_new(struct tw_app *app, const struct tw_port *port, struct tw_nic **out);

/** Software stamps from now on. Before the port is closed. NULL is fine. */
void tw_nic_free(struct tw_nic *n);

/** Where arrivals and departures are stamped now: names of sources. @param n  NULL: software */
const char *tw_nic_rx_source(const struct tw_nic *n);
const char *tw_nic_tx_source(const struct tw_nic *n);

/** How the port stamps, why, and the evidence. @param n  NULL: by software only */
void tw_nic_show(struct tw_out *out, const struct tw_port *port, const struct tw_nic *n);

#endif /* TW_NIC_H */
