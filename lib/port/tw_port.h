/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Ports: an ethdev brought up from the operator's words and a driver profile, with its queues,
 * buffers, checksum offloads and, if we own the device, the interface through which the kernel
 * sees what is no test traffic.
 *
 * Who runs what. The control lcore opens, closes, reads statistics and moves frames between the
 * rings here and the exception interface. Data lcores use the ethdev queues they were given, put
 * frames on `up` and take frames from `down`; they call nothing of this library. What differs
 * between drivers stands in drivers-cfg/, compiled in as text; the code knows no driver.
 */
#ifndef TW_PORT_H
#define TW_PORT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#include <rte_ethdev.h>
#include <rte_flow.h>
#include <rte_mempool.h>
#include <rte_ring.h>

#include <tw_base.h>

#define TW_PORT_MAX         64 /* ports of a process */
#define TW_PORT_QUEUES_MAX  32 /* queue pairs of a port */
#define TW_PORT_NAME_SIZE   32
#define TW_PORT_IFNAME_SIZE 16
#define TW_PORT_ARGS_SIZE   512
#define TW_PORT_ERR_SIZE    512 /* for messages of what failed and how to mend it */
#define TW_PORT_FRAME_EXTRA 26  /* Ethernet header, two VLAN tags and FCS beside the MTU */

enum tw_port_attach {
	TW_PORT_ATTACH_DEFAULT = 0, /* as the profile says; never of an open port */
	TW_PORT_OWNED,  /* the device is ours; the rest goes to an exception interface */
	TW_PORT_SHARED, /* the kernel keeps the interface and sees its own traffic */
	TW_PORT_ATTACH_N
};

/*
 * What a device can do with time. Results are those of the functions of ethdev with these names,
 * which are the default; a simulated NIC brings its own, since nothing can be added to an ethdev
 * from outside its driver. Call them as port->nic->read_clock(port, &ticks).
 */
struct tw_port;
struct tw_port_nic {
	/** The device is started, nothing else has seen it: MAC and the like. May be NULL. */
	int (*opened)(struct tw_port *p);
	/** It is about to be stopped, no lcore has it. May be NULL. */
	void (*closing)(struct tw_port *p);
	uint64_t rx_offloads; /* capabilities beyond those that ethdev tells */
	uint64_t tx_offloads;
	int (*read_clock)(const struct tw_port *p, uint64_t *ticks);
	int (*timesync_enable)(const struct tw_port *p);
	int (*timesync_disable)(const struct tw_port *p);
	int (*timesync_read_time)(const struct tw_port *p, struct timespec *ts);
	int (*timesync_read_tx_timestamp)(const struct tw_port *p, struct timespec *ts);
	/** Its clock and the TSC at one moment, as PCIe PTM does. May be NULL; ethdev has none. */
	int (*read_cross)(const struct tw_port *p, uint64_t *ticks, uint64_t *tsc);
};

/* How packets are to be stamped: the best that works, or no better than this. */
enum tw_port_stamps {
	TW_PORT_STAMPS_AUTO = 0,
	TW_PORT_STAMPS_SOFTWARE,
	TW_PORT_STAMPS_SAMPLED,   /* departures: software, corrected by stamps of samples */
	TW_PORT_STAMPS_SCHEDULED, /* departures: the NIC sends when we say */
	TW_PORT_STAMPS_N
};

/* How a NIC's clock is read. */
enum tw_port_time {
	TW_PORT_TIME_NONE = 0,
	TW_PORT_TIME_READ_CLOCK, /* rte_eth_read_clock: ticks */
	TW_PORT_TIME_TIMESYNC,   /* rte_eth_timesync_read_time: ns */
};

/* What the operator asks for. Zero or "" takes the default. */
struct tw_port_cfg {
	char name[TW_PORT_NAME_SIZE]; /* how operations name it; required */
	uint8_t idx;                  /* caller's number, unique among open ports, < TW_PORT_MAX */
	char profile[TW_PORT_NAME_SIZE]; /* drivers-cfg/<profile>.cfg; "" with a PCI address: by
					    driver */
	char dev[64];                    /* kernel interface, PCI address or name of an ethdev */
	char args[TW_PORT_ARGS_SIZE];    /* further device arguments, "key=value,key=value" */
	enum tw_port_attach attach;
	uint16_t mtu;                  /* default: what the device has, else 1500 */
	uint16_t queue_cnt;            /* default: one pair per data lcore, or the profile's */
	uint16_t desc_cnt;             /* default: the profile's */
	char tap[TW_PORT_IFNAME_SIZE]; /* exception interface; default dtap<idx> */
	uint32_t exception_pps;        /* frames/s a data lcore may send there; default 100,000 */
	char clock[TW_PORT_NAME_SIZE]; /* name of its clock: the caller's; gives clock_idx */
	uint8_t rx_stamps;             /* enum tw_port_stamps: AUTO or SOFTWARE */
	uint8_t tx_stamps;             /* enum tw_port_stamps */
	bool is_promisc;
	const struct tw_port_nic *nic; /* default: ethdev's */
	void *nic_arg;                 /* for them */
};

/* What is the same for all ports. */
struct tw_port_env {
	unsigned lcore_cnt; /* data lcores: the most queue pairs that make sense */
	int socket_id;      /* memory; SOCKET_ID_ANY is fine */
	uid_t uid; /* who we will be: owner of socket files that drivers make; 0: leave them */
	gid_t gid;
};

/* Counters of the exception interface. One writer each: the control lcore. */
struct tw_port_exc_ctr {
	struct tw_ctr to_kernel;        /* frames handed to the interface */
	struct tw_ctr to_kernel_lost;   /* refused by it */
	struct tw_ctr from_kernel;      /* frames taken from it */
	struct tw_ctr from_kernel_lost; /* the ring to the data lcore was full */
};

/* An open port. Written by the control lcore while no data lcore has it, then constant. */
struct tw_port {
	struct tw_port_cfg cfg; /* with the defaults filled in */
	uint16_t idx;           /* cfg.idx */
	uint16_t eth_id;        /* ethdev */
	uint16_t queue_cnt;     /* pairs set up and started */
	uint16_t mtu;
	uint8_t clock_idx;              /* of the clock that stamps its packets: the caller's */
	uint8_t mac[6];                 /* all zero if the device has none */
	bool is_mac_checked;            /* frames to other addresses may arrive: compare */
	bool has_rx_cksum;              /* IPv4 and UDP checksums verified by the device */
	bool has_tx_ip_cksum;           /* IPv4 header checksum filled in by the device */
	bool has_tx_udp_cksum;          /* UDP checksum filled in over a pseudo header sum */
	bool takes_partial_cksum;       /* shared: frames of local peers carry partial checksums */
	bool is_adopted;                /* the ethdev was somebody else's: left open on close */
	bool is_started;                /* queues may be polled */
	bool is_steered;                /* only flows of tw_port_steer_add() arrive */
	uint32_t flow_rules;            /* in force */
	uint64_t flow_rules_refused;    /* the device did not take: those flows are handed over */
	char driver[TW_PORT_NAME_SIZE]; /* of the ethdev */
	char dev_name[RTE_ETH_NAME_MAX_LEN]; /* of the ethdev */
	char ifname[TW_PORT_IFNAME_SIZE];    /* kernel interface with our addresses, "" if none */
	unsigned ifindex;                    /* the same, 0 if none */
	struct rte_mempool *pool;            /* received frames and replies */
	const struct tw_port_nic *nic;       /* never NULL */

	/* what the device says it can do with time, with a clock that can be read */
	uint8_t time_by;                       /* enum tw_port_time */
	bool has_rx_stamp;                     /* arrivals, in a field of the buffer */
	bool has_tx_stamp;                     /* departures, one at a time */
	bool has_tx_sched;                     /* departures on schedule, by the same field */
	int stamp_off;                         /* the field */
	uint64_t rx_stamp_flag, tx_sched_flag; /* of the buffer */

	/* exception path, owned attach; NULL and RTE_MAX_ETHPORTS else */
	uint16_t tap_eth_id;
	struct rte_mempool *tap_pool;
	struct rte_ring *up[TW_PORT_QUEUES_MAX]; /* one producer: lcore of queue pair i */
	struct rte_ring *down;                   /* one consumer: lcore of queue pair 0 */
	struct tw_port_exc_ctr exc;

	struct tw_port_priv *priv; /* profile, state of close */
};

/**
 * Bring up a port: create or probe the device, set queues, buffers and offloads, start it and,
 * if owned, make the exception interface with the port's MAC and MTU and set it up.
 *
 * Context: control lcore (or main before it runs); makes system calls and may take some ms.
 * @param err  at least TW_PORT_ERR_SIZE; on failure what, where and how to mend it
 * @param out  the port, to be closed with tw_port_close()
 * @return 0; -EINVAL (configuration), -ENODEV (no such device or driver), -EEXIST (device in use),
 *         -ENOTSUP, -ENOMEM, or what the driver said; nothing is left behind on failure
 */
int tw_port_open(const struct tw_port_cfg *cfg, const struct tw_port_env *env,
	char err[TW_PORT_ERR_SIZE], struct tw_port **out);

/**
 * Stop and close, in any order among ports and at any moment after tw_port_open(). No data lcore
 * may have it any more (tw_dp_port_is_gone()). Detaches what the driver left on the kernel's
 * interface. NULL is fine. Context: as tw_port_open().
 */
void tw_port_close(struct tw_port *p);

/**
 * What has to be done now and then: move frames between the data lcores' rings and the exception
 * interface, a bounded number; look at the link ten times a second.
 *
 * Context: control lcore, on its tick, for every open port;
 * makes system calls.
 * @return frames moved; as long as it is not 0 another call may find more
 */
unsigned tw_port_exception_poll(struct tw_port *p);

/**
 * The device must be started again to get a link: its peer was not there yet or went away. First
 * take it from the data lcores (tw_dp_poll() does), then call tw_port_restart().
 */
bool tw_port_wants_restart(const struct tw_port *p);

/** Stop and start the device. Context: control lcore. @return 0, is_started; or -errno, stopped */
int tw_port_restart(struct tw_port *p);

/** Read the clock of the NIC. Context: control lcore. @return 0 or -errno */
int tw_port_time_read(const struct tw_port *p, uint64_t *ticks);

/**
 * Its clock and the TSC: at one moment if the device can tell them so, else the TSC between two
 * readings. Context: control lcore. @return 0 or -errno
 */
int tw_port_time_cross(
	const struct tw_port *p, uint64_t *ticks_before, uint64_t *tsc, uint64_t *ticks_after);

/**
 * The departure of a packet marked RTE_MBUF_F_TX_IEEE1588_TMST, by the same clock.
 * Context: control lcore. @return 0, or -errno: none there
 */
int tw_port_tx_stamp_read(const struct tw_port *p, uint64_t *ticks);

struct tw_port_link {
	bool is_up;
	uint32_t speed_mbps; /* 0 if unknown */
	bool is_full_duplex;
};

/** Read the link without waiting. Context: control lcore. */
void tw_port_link_get(const struct tw_port *p, struct tw_port_link *out);

struct tw_port_stats {
	uint64_t rx_packets, rx_bytes, rx_missed, rx_errors, rx_nombuf;
	uint64_t tx_packets, tx_bytes, tx_errors;
	uint64_t exc_to_kernel, exc_to_kernel_lost, exc_from_kernel, exc_from_kernel_lost;
};

/** Totals since open. Context: control lcore. */
void tw_port_stats_get(const struct tw_port *p, struct tw_port_stats *out);

/** Driver's own counters: visit each. Context: control lcore. @return how many or -errno */
int tw_port_xstats_each(const struct tw_port *p,
	void (*fn)(void *arg, const char *name, uint64_t value), void *arg);

/* A flow of one session, as it arrives. Addresses in network order, IPv4 in the first 4 octets. */
struct tw_port_flow {
	bool is_v6;
	uint8_t vlan_cnt; /* 0..2 */
	uint16_t vid[2];  /* outer first */
	uint8_t src[16], dst[16];
	uint16_t src_port_be, dst_port_be;
	uint16_t queue; /* where it is wanted */
};

/**
 * Have a flow delivered to the queue it is wanted on. Where the device gives us only what we name
 * (is_steered) the rule must be had. Where RSS spreads over several queues it saves the hand-over:
 * a device that takes no more rules (the profile's flow-rules, or a refusal) goes without, and that
 * is counted. Else nothing is done.
 *
 * Context: control lcore.
 * @param out  the rule, NULL if there is none
 * @return 0; is_steered only: what the driver said
 */
int tw_port_steer_add(struct tw_port *p, const struct tw_port_flow *f, struct rte_flow **out);

/** NULL is fine. Context: control lcore. */
void tw_port_steer_del(struct tw_port *p, struct rte_flow *flow);

/* A driver profile: drivers-cfg/<name>.cfg, its keys in drivers-cfg/README.md. */
struct tw_port_profile {
	char name[TW_PORT_NAME_SIZE];
	char help[128];
	char driver[TW_PORT_NAME_SIZE]; /* ethdev driver; "" = any */
	char bus[16];                   /* vdev | pci | ethdev (an existing one is adopted) */
	char devargs[256];              /* base arguments with {dev} {queues} {room} ... */
	char require[128];              /* keys the operator must give in args, space separated */
	char dev[16];                   /* what cfg.dev is: none | iface | pci | name */
	bool can_own, can_share;
	enum tw_port_attach attach; /* default */
	uint32_t queues_max;
	uint32_t queues_default; /* queue pairs if none are asked for; 0: one per data lcore */
	uint32_t desc_cnt;
	uint32_t mtu_max;   /* 0 = ask the device */
	uint32_t settle_ms; /* a link this young is let settle before it is closed */
	uint32_t
		flow_rules; /* several queues: rules "5-tuple to queue" the driver takes; 0: none */
	bool use_rx_cksum, use_tx_cksum; /* use these offloads where the device offers them */
	bool sets_mtu;         /* the device takes an MTU; else it is only a bound of ours */
	bool sees_foreign;     /* frames for other stations may arrive */
	bool is_partial_cksum; /* local peers' frames carry partial checksums */
	bool leaves_xdp;       /* its XDP program stays on cfg.dev: detach it on close */
	bool maps_socket;      /* its rings are mappings of packet sockets: populate them */
	bool is_threaded;      /* works on the device in EAL's interrupt thread, too */
	bool is_bifurcated;    /* shared: only steered flows arrive */
	char restart[32];      /* no | yes | "key=value" in args: starts again for a link */
	char socket_arg[16];   /* argument that names a socket file ... */
	char listens[32];      /* ... which the driver makes if "key=value" is in args */
	char timestamps[64];   /* for people: none | rx | timesync | scheduled */
	char limits[256];      /* known limits, for people */
};

/**
 * Find a profile.
 *
 * @param name    its name; NULL to search by driver
 * @param driver  name of an ethdev driver, if @p name is NULL
 * @return 0, -ENOENT; -EINVAL if the text compiled in is faulty
 */
int tw_port_profile_find(const char *name, const char *driver, struct tw_port_profile *out);

/** Profile by position. @return 0, -ENOENT beyond the last */
int tw_port_profile_at(unsigned i, struct tw_port_profile *out);

/**
 * Read a profile's text.
 * @return 0 or -EINVAL with "line N: ..." in @p err
 */
int tw_port_profile_read(
	const char *text, size_t len, struct tw_port_profile *out, char err[TW_PORT_ERR_SIZE]);

#endif /* TW_PORT_H */
