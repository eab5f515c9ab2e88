/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * What the files of lib/port share. Context of all of it: the control lcore.
 */
#ifndef PORT_I_H
#define PORT_I_H

#include "tw_port.h"

/* Largest MTU any port may have; a reply of this size still fits one buffer. */
#define TW_PORT_MTU_MAX 9600

#define LINK_POLL_NS    100000000LL
#define RESTART_WAIT_NS 250000000LL  /* between attempts to reach an absent peer */
#define LINK_WAIT_NS    1000000000LL /* for a link after a start that went well */
#define EXC_RING_CNT    2048
#define EXC_BURST       32
#define EXC_ROUNDS      8 /* bursts moved each way in one poll */
#define EXC_PPS         100000

struct profile_text {
	const char *name;
	const char *text;
};

extern const struct profile_text profile_texts[];
extern const unsigned profile_text_cnt;

struct tw_port_priv {
	struct tw_port_profile profile;
	struct tw_port_link link;
	int64_t link_poll_ns;    /* CLOCK_MONOTONIC: when to look at the link again */
	int64_t link_changed_ns; /* when it last went up or down, or when the device was started */
	bool is_probed;          /* we made or probed the device: remove it on close */
	bool is_configured;
	bool is_restarted;                  /* the profile's `restart` applies */
	char tap_dev[RTE_ETH_NAME_MAX_LEN]; /* device of the exception interface, "" if none */
	uint32_t xdp_prog_id;               /* program the driver attached, 0 if none */
};

int64_t port_now_ns(void);

/* device.c: make it be there, tell what it can. */
int port_device_probe(struct tw_port *p, char *err);
int port_socket_give(const struct tw_port *p, const struct tw_port_env *env, char *err);

/** Call @p fn, in the thread in which the driver works on the device. Waits. */
int port_call(struct tw_port *p, int (*fn)(struct tw_port *p));
void port_device_remove(struct tw_port *p);

/* Does a list of arguments hold this "key=value"? */
bool port_args_have(const char *args, const char *key_value);

/* nic.c */
extern const struct tw_port_nic port_nic_ethdev;

/* stamps.c */
void port_stamps_choose(
	struct tw_port *p, const struct rte_eth_dev_info *info, struct rte_eth_conf *conf);
void port_stamps_open(struct tw_port *p);

/* exception.c */
int port_exception_open(struct tw_port *p, int socket_id, char *err);
void port_exception_close(struct tw_port *p);

/* steer.c: the kernel keeps what no rule of ours names */
int port_steer_isolate(struct tw_port *p, char *err);

/* pages.c: rings of packet sockets count as ours from now on */
void port_pages_touch(void);

/* xdp.c: program on a kernel interface; 0 if there is none. */
uint32_t port_xdp_prog_id(unsigned ifindex);
int port_xdp_detach(unsigned ifindex, uint32_t prog_id);

/* Octets of a buffer behind its headroom: a frame of this MTU, in one piece. */
static inline unsigned
port_room(uint16_t mtu)
{
	/* also what a packet socket puts before a frame (TPACKET2_HDRLEN and alignment) */
	unsigned room = RTE_ALIGN(mtu + TW_PORT_FRAME_EXTRA + 90u, 64u);

	return room < 2048 ? 2048 : room;
}

#endif /* PORT_I_H */
