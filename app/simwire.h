/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The simulated wire of the appliance (lib/simdev): a pair of ports, an lcore that plays what is
 * between them, addresses that are reached over it, its clocks and its truth.
 *
 * Both ends may be in this appliance: then addresses of this host name them, control
 * connections go by loopback, and test packets by the wire. Or the ports are owned like any
 * others, and each end's interface has its addresses and routes from the operator.
 *
 * Context: control lcore, except where said. There is one wire at most.
 */
#ifndef TW_SIMWIRE_H
#define TW_SIMWIRE_H

#include <stdbool.h>
#include <stdint.h>

#include "netlink.h"
#include "tw_addr.h"
#include "tw_port.h"
#include "tw_simdev.h"

#define TW_SIMWIRE_ADDRS_MAX 8

struct tw_app;
struct tw_op_call;
struct tw_out;
struct tw_simwire;

struct tw_simwire_cfg {
	char port[TW_SIMDEV_ENDS][TW_PORT_NAME_SIZE];
	struct tw_addr addr[TW_SIMDEV_ENDS][TW_SIMWIRE_ADDRS_MAX]; /* of the end, unset: none */
	enum tw_port_attach attach;
	uint32_t log_cnt;
	int cpu; /* where the wire's lcore runs; -1: where control does */
	bool impairs_all;
	bool has_refs; /* simulated reference clocks; else the ports keep the system's */
	uint64_t seed;
	struct tw_simdev_nic nic[TW_SIMDEV_ENDS];
	struct tw_netsim_clock_cfg ref[TW_SIMDEV_ENDS]; /* origin: set here */
};

/** What `--netsim` gives: ports sim0 and sim1, 127.0.2.1 and 127.0.2.2. */
void tw_simwire_defaults(struct tw_simwire_cfg *cfg);

/** Make the wire, its ports and its lcore. @return 0, -EEXIST (there is one), or -errno; @p err is
 *  TW_PORT_ERR_SIZE */
int tw_simwire_add(struct tw_app *app, const struct tw_simwire_cfg *cfg, char *err);

/** Take the ports away; the rest follows them. @return 0, -ENOENT, -EBUSY (sessions) */
int tw_simwire_remove(struct tw_app *app);

/** Wire, or NULL. */
struct tw_simdev *tw_simwire_sim(const struct tw_app *app);
const struct tw_simwire_cfg *tw_simwire_cfg(const struct tw_app *app);

/** Where packets between two addresses travel, if that is over the wire. For nl_path.h. */
bool tw_simwire_path(void *app, const struct tw_addr *dst, const struct tw_addr *src,
	struct tw_netlink_path *out);

/** An address of this host that is reached over the wire. */
bool tw_simwire_is_ours(const struct tw_app *app, const struct tw_addr *host);

/**
 * No data lcore has this port any more: may it be closed? Not before both ends of the wire are
 * let go, since buffers of each are at the other.
 */
bool tw_simwire_may_close(struct tw_app *app, const struct tw_port *port);
void tw_simwire_closed(struct tw_app *app, unsigned port_idx);

/** Begin to write the truth and, unless @p gaps_path is "", the gaps.
 *  @return 0, -EBUSY (it is being written), or -errno with @p err told */
int tw_simwire_dump(
	struct tw_app *app, const char *path, const char *gaps_path, char *err, size_t size);

/** Complete @p call when it is written. */
void tw_simwire_dump_answer(struct tw_app *app, struct tw_op_call *call);

/** Begin the log anew; the call of @p out is completed when it is empty. @return 0 or -EAGAIN */
int tw_simwire_clear(struct tw_app *app, struct tw_out *out);

/** Have all polling lcores spin at once, then complete @p call with what they saw. They must not
 *  spin yet. */
void tw_simwire_spin(struct tw_app *app, int64_t spin_ns, struct tw_op_call *call);
bool tw_simwire_is_spinning(const struct tw_app *app);

struct tw_op_lines;
/** Lines that make the wire again. For ops.h. */
void tw_simwire_lines(struct tw_app *app, struct tw_op_lines *lines);

struct tw_gaps;
/** Gaps of the wire's lcore, or of a data lcore; NULL without a wire. */
const struct tw_gaps *tw_simwire_gaps(const struct tw_app *app);
const struct tw_gaps *tw_simwire_data_gaps(const struct tw_app *app, unsigned idx);

/** Ticks of the counter to ns. */
int64_t tw_simwire_tsc_ns(const struct tw_app *app, uint64_t tsc);

#endif /* TW_SIMWIRE_H */
