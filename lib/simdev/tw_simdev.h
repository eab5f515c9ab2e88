/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The simulated wire as devices: two ring-backed ethdevs, and between them a wire that an lcore
 * plays by the model of lib/netsim. The wire knows the truth: each packet's departure is stamped
 * inside the transmit burst of the end it leaves by, its arrival when the receive burst of the
 * other end can see it, which is never before the scheduled time. Either end can have a NIC with a
 * clock of its own (arrival stamps, a readable clock, one departure stamp at a time, departures on
 * schedule); a packet has arrived when such a NIC stamps it, a moment before the receive burst can
 * see it. Either end has a simulated reference clock.
 *
 * Use: tw_simdev_new(); per end tw_port_open() with dev = tw_simdev_dev(), profile "ring",
 * queue_cnt = 1, nic = tw_simdev_nic(), nic_arg = tw_simdev_end(); an lcore runs tw_simdev_turn()
 * in a loop. The ports are closed, and the lcore has stopped, before tw_simdev_free().
 *
 * Who runs what. One control thread makes, changes, reads and frees; one wire lcore turns; the
 * data lcores only enter through the ethdevs. Wire time is 0 at the start and runs with the
 * counter at the rate of the model given: the truth by definition.
 */
#ifndef TW_SIMDEV_H
#define TW_SIMDEV_H

#include <stdbool.h>
#include <stdint.h>

#include <tw_base.h>
#include <tw_clock.h>
#include <tw_clock_disc.h>
#include <tw_netsim.h>
#include <tw_netsim_clock.h>
#include <tw_netsim_log.h>
#include <tw_port.h>

#define TW_SIMDEV_ENDS 2

struct tw_simdev;
struct tw_simdev_end;

/* NIC of an end; all zero: none of it. */
struct tw_simdev_nic {
	bool has_rx_stamp;
	bool has_timesync;
	bool has_sched;
	bool is_rx_wrong;    /* stamps arrivals by another clock than it is read by */
	bool is_sched_wrong; /* takes schedules and sends at once */
	uint64_t hz;         /* of its clock; 0: 1 GHz. Its stamps are whole ticks */
	struct tw_netsim_clock_cfg clock;
};

/* Zero takes the default. */
struct tw_simdev_cfg {
	const char *name;      /* required, unique; at most 15 characters */
	struct tw_clock model; /* of the counter: rate and anchor matter; required */
	uint32_t ring_cnt;     /* packets waiting in each ring; 4,095 */
	uint32_t flight_cnt;   /* packets under way; 65,536 */
	uint32_t log_cnt;      /* packets whose truth is kept; 1,048,576 */
	bool impairs_all;      /* control traffic, too; else only UDP */
	struct tw_netsim_imp imp[TW_SIMDEV_ENDS]; /* of the direction away from this end */
	struct tw_simdev_nic nic[TW_SIMDEV_ENDS];
	struct tw_netsim_clock_cfg ref[TW_SIMDEV_ENDS]; /* reference clocks */
};

/** Context: control. @return 0; -EINVAL, -EEXIST (name), -ENOMEM, with @p err told */
int tw_simdev_new(const struct tw_simdev_cfg *cfg, char *err, size_t size, struct tw_simdev **out);

/** NULL is fine. Packets still under way are freed: the ports' pools must still be there. */
void tw_simdev_free(struct tw_simdev *sim);

/** Forget the packets under way and in the rings, so that ports may be closed. Context: control,
 *  no lcore turns the wire or polls its ports. */
void tw_simdev_drain(struct tw_simdev *sim);

/** Name of the ethdev of an end (0, 1). */
const char *tw_simdev_dev(const struct tw_simdev *sim, unsigned end);
struct tw_simdev_end *tw_simdev_end(struct tw_simdev *sim, unsigned end);
const struct tw_port_nic *tw_simdev_nic(const struct tw_simdev *sim, unsigned end);

/** MAC address of an end. */
const uint8_t *tw_simdev_mac(const struct tw_simdev *sim, unsigned end);

/** Change what happens to packets away from @p end; @p restarts: begin the draws anew. Context:
 *  control. The trace, if any, is copied.
 *  @return 0, -EAGAIN (too many changes at once), -ENOMEM; -EINVAL with the field in @p why */
int tw_simdev_impair(struct tw_simdev *sim, unsigned end, const struct tw_netsim_imp *imp,
	bool restarts, const char **why);

/** What happens to packets away from @p end, as told last. Context: control. */
const struct tw_netsim_imp *tw_simdev_imp(const struct tw_simdev *sim, unsigned end);

/** Begin the log anew: packets under way are in none. Context: control. @return 0 or -EAGAIN */
int tw_simdev_log_restart(struct tw_simdev *sim);

/** The wire has done all it was told. Context: control */
bool tw_simdev_is_settled(const struct tw_simdev *sim);
const struct tw_netsim_log *tw_simdev_log(const struct tw_simdev *sim);

/** The reference clock of an end, to be read and scripted by the control thread. */
struct tw_netsim_clock *tw_simdev_ref(struct tw_simdev *sim, unsigned end);

/** The clock of an end's NIC. */
struct tw_netsim_clock *tw_simdev_nic_clock(struct tw_simdev *sim, unsigned end);

/** Read the reference and the counter at one moment. For any one thread. */
void tw_simdev_ref_read(const struct tw_simdev_end *e, struct tw_clock_reading *out);

/** What the owner of the reference says now. */
void tw_simdev_ref_sync(const struct tw_simdev_end *e, struct tw_clock_sync *out);

/** Wire time at a counter value. */
static inline int64_t
tw_simdev_wire_ns(const struct tw_clock *wire, uint64_t tsc)
{
	return tw_clock_at(wire, tsc).ns;
}

/** The model that makes wire time. */
const struct tw_clock *tw_simdev_wire(const struct tw_simdev *sim);

/**
 * Play the wire once: take what was sent, hand over what is due.
 * Context: the wire lcore. No system call, lock or allocation of its own.
 * @return packets moved
 */
unsigned tw_simdev_turn(struct tw_simdev *sim);

/* Counters of a direction, named by the end packets leave. One writer: the wire lcore. */
struct tw_simdev_ctr {
	struct tw_ctr taken;                     /* from the transmit ring */
	struct tw_ctr by_fate[TW_NETSIM_FATE_N]; /* test packets and, with impairs_all, all */
	struct tw_ctr passed;                    /* not impaired */
	struct tw_ctr delivered;                 /* copies the other end could see */
	struct tw_ctr duplicated, held, corrupted;
	struct tw_ctr overdue;    /* delivered more than 1 us after its time */
	struct tw_ctr no_room;    /* lost: too many under way, or no buffer for a copy */
	struct tw_ctr sched_late; /* departures asked for when their time had passed */
};

const struct tw_simdev_ctr *tw_simdev_ctr(const struct tw_simdev *sim, unsigned end);

#endif /* TW_SIMDEV_H */
