/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The ports of the appliance: opened by lib/port, given to the data plane, their exception
 * interfaces pumped on every tick, their links watched.
 *
 * Context: control lcore.
 */
#ifndef TW_PORTS_H
#define TW_PORTS_H

#include <stdbool.h>
#include <stdint.h>

#include "nic.h"
#include "tw_port.h"

struct tw_app;
struct tw_ports;

/** Sessions on a port, so that it is not taken away under them. */
struct tw_ports_entry {
	struct tw_port *port;
	unsigned users;
	bool is_going; /* taken from the data lcores, to be closed when they let go */
	struct tw_port_link link;
	struct tw_nic *nic; /* NULL: software stamps only */
};

/** @return NULL with errno ENOMEM */
struct tw_ports *tw_ports_new(struct tw_app *app);

/** Close all; waits up to a second for data lcores, which must still run. NULL is fine. */
void tw_ports_free(struct tw_ports *ps);

/** Open a port and give it to the data lcores. @return 0 or -errno with @p err filled */
int tw_ports_add(struct tw_ports *ps, const struct tw_port_cfg *cfg, char err[TW_PORT_ERR_SIZE]);

/** Take a port away; it is closed some milliseconds later. @return 0, -ENOENT, -EBUSY (sessions) */
int tw_ports_del(struct tw_ports *ps, const char *name);

/** Entry by name, or NULL. */
struct tw_ports_entry *tw_ports_find(struct tw_ports *ps, const char *name);

/** Entry by index of the port (struct tw_port.idx), or NULL. */
struct tw_ports_entry *tw_ports_get(struct tw_ports *ps, unsigned idx);

/** First entry whose port index is @p idx or higher, NULL past the end: for lists. */
struct tw_ports_entry *tw_ports_next(struct tw_ports *ps, unsigned idx);

/** Index of the port whose kernel interface this is, or -ENOENT. For netlink.h. */
int tw_ports_of_ifindex(void *ports, unsigned ifindex);

/** A session begins or ends to use a port. */
void tw_ports_hold(struct tw_ports *ps, unsigned idx);
void tw_ports_put(struct tw_ports *ps, unsigned idx);

/** All of these ports (negative: none) are taken from the data lcores. For simwire.h. */
bool tw_ports_are_gone(struct tw_ports *ps, const int *idx, unsigned cnt);

/** Move exception frames of one port. @return as tw_port_exception_poll() */
unsigned tw_ports_exception_poll(struct tw_ports *ps, int idx);

/** Move exception frames, notice links, close what is gone. */
void tw_ports_tick(struct tw_ports *ps, int64_t now_ns);

#endif /* TW_PORTS_H */
