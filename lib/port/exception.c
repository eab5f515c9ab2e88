/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The exception interface: a tap device that carries the port's MAC, through which the kernel
 * sees everything that is no live test packet, and sends its own.
 *
 * net_tap makes system calls and is driven by one real-time signal per frame, so only the control
 * lcore touches it; data lcores are reached over rings of frames, one up per queue pair, one down.
 */
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>

#include <rte_dev.h>
#include <rte_ethdev.h>
#include <rte_log.h>
#include <rte_mbuf.h>
#include <rte_ring.h>

#include "port_i.h"

#define TAP_DESC_CNT 64
#define TAP_POOL_CNT 4095 /* what the rings and the device's transmit queue may hold */

static int
rings_make(struct tw_port *p, int socket_id)
{
	char name[RTE_RING_NAMESIZE];

	for (unsigned q = 0; q <= p->queue_cnt; q++) {
		struct rte_ring *r;

		snprintf(name, sizeof(name), "tw_exc%u_%u", p->idx, q);
		r = rte_ring_create(name, EXC_RING_CNT, socket_id, RING_F_SP_ENQ | RING_F_SC_DEQ);
		if (r == NULL)
			return -ENOMEM;
		if (q < p->queue_cnt)
			p->up[q] = r;
		else
			p->down = r;
	}
	return 0;
}

static int
device_make(struct tw_port *p)
{
	static const uint8_t none[6];
	char args[64], mac[32] = "";
	int res;

	if (memcmp(p->mac, none, sizeof(none)) != 0)
		snprintf(mac, sizeof(mac), ",mac=%02x:%02x:%02x:%02x:%02x:%02x", p->mac[0],
			p->mac[1], p->mac[2], p->mac[3], p->mac[4], p->mac[5]);
	snprintf(args, sizeof(args), "iface=%s%s", p->cfg.tap, mac);
	snprintf(p->priv->tap_dev, sizeof(p->priv->tap_dev), "net_tap_exc%u", p->idx);
	res = rte_eal_hotplug_add("vdev", p->priv->tap_dev, args);
	if (res != 0) {
		p->priv->tap_dev[0] = '\0';
		return res;
	}
	return rte_eth_dev_get_port_by_name(p->priv->tap_dev, &p->tap_eth_id);
}

static int
device_start(struct tw_port *p, int socket_id)
{
	struct rte_eth_conf conf = {0};
	char name[RTE_MEMPOOL_NAMESIZE];
	struct rte_ether_addr mac;
	/* net_tap 22.11 takes at most 1504; the kernel then just sends smaller packets */
	const uint16_t mtu = (uint16_t)RTE_MIN(p->mtu, 1500);
	int res;

	snprintf(name, sizeof(name), "tw_exc%u", p->idx);
	p->tap_pool = rte_pktmbuf_pool_create_by_ops(name, TAP_POOL_CNT, 64, 0,
		(uint16_t)(RTE_PKTMBUF_HEADROOM + port_room(mtu)), socket_id, "ring_mt_rts");
	if (p->tap_pool == NULL)
		return -ENOMEM;
	res = rte_eth_dev_configure(p->tap_eth_id, 1, 1, &conf);
	if (res == 0)
		res = rte_eth_rx_queue_setup(
			p->tap_eth_id, 0, TAP_DESC_CNT, (unsigned)socket_id, NULL, p->tap_pool);
	if (res == 0)
		res = rte_eth_tx_queue_setup(
			p->tap_eth_id, 0, TAP_DESC_CNT, (unsigned)socket_id, NULL);
	if (res == 0)
		res = rte_eth_dev_set_mtu(p->tap_eth_id, mtu);
	if (res == 0)
		res = rte_eth_dev_start(p->tap_eth_id);
	if (res != 0)
		return res;
	/* a port without an address of its own takes that of the interface */
	if (rte_eth_macaddr_get(p->tap_eth_id, &mac) == 0)
		memcpy(p->mac, mac.addr_bytes, sizeof(p->mac));
	snprintf(p->ifname, sizeof(p->ifname), "%s", p->cfg.tap);
	p->ifindex = if_nametoindex(p->ifname);
	return p->ifindex != 0 ? 0 : -ENODEV;
}

int
port_exception_open(struct tw_port *p, int socket_id, char *err)
{
	const int level = rte_log_get_level(rte_log_register("pmd.net.tap"));
	int res;

	if (if_nametoindex(p->cfg.tap) != 0) {
		snprintf(err, TW_PORT_ERR_SIZE,
			"port %s: interface %s exists already; choose another name with tap, or "
			"remove it (ip link del %s)",
			p->cfg.name, p->cfg.tap, p->cfg.tap);
		return -EEXIST;
	}
	/* it complains of qdiscs for flow rules and of secondary processes: we use neither */
	rte_log_set_level_pattern("pmd.net.tap", RTE_LOG_CRIT);
	res = rings_make(p, socket_id);
	if (res == 0)
		res = device_make(p);
	if (res == 0)
		res = device_start(p, socket_id);
	if (level >= 0)
		rte_log_set_level_pattern("pmd.net.tap", (uint32_t)level);
	if (res == -ENOMEM)
		snprintf(err, TW_PORT_ERR_SIZE,
			"port %s: no memory for the exception interface: reserve more hugepages "
			"(/proc/sys/vm/nr_hugepages)",
			p->cfg.name);
	else if (res != 0)
		snprintf(err, TW_PORT_ERR_SIZE,
			"port %s: exception interface %s cannot be made: %s (needs CAP_NET_ADMIN "
			"and /dev/net/tun: modprobe tun)",
			p->cfg.name, p->cfg.tap, rte_strerror(-res));
	return res;
}

static void
ring_free(struct rte_ring **r)
{
	void *m;

	if (*r == NULL)
		return;
	while (rte_ring_sc_dequeue(*r, &m) == 0)
		rte_pktmbuf_free(m);
	rte_ring_free(*r);
	*r = NULL;
}

void
port_exception_close(struct tw_port *p)
{
	if (p->tap_eth_id != RTE_MAX_ETHPORTS) {
		(void)rte_eth_dev_stop(p->tap_eth_id);
		p->tap_eth_id = RTE_MAX_ETHPORTS;
	}
	for (unsigned q = 0; q < p->queue_cnt; q++)
		ring_free(&p->up[q]);
	ring_free(&p->down);
	if (p->priv->tap_dev[0] != '\0')
		(void)rte_eal_hotplug_remove("vdev", p->priv->tap_dev);
	p->priv->tap_dev[0] = '\0';
}

/* Frames of the data lcores to the kernel. What it does not take is lost: waiting would hold up
 * control. */
static unsigned
to_kernel(struct tw_port *p, unsigned q)
{
	struct rte_mbuf *m[EXC_BURST];
	unsigned n = rte_ring_sc_dequeue_burst(p->up[q], (void **)m, EXC_BURST, NULL);
	unsigned sent;

	if (n == 0)
		return 0;
	sent = rte_eth_tx_burst(p->tap_eth_id, 0, m, (uint16_t)n);
	tw_ctr_add(&p->exc.to_kernel, sent);
	if (sent < n) {
		tw_ctr_add(&p->exc.to_kernel_lost, n - sent);
		rte_pktmbuf_free_bulk(m + sent, n - sent);
	}
	return n;
}

static unsigned
from_kernel(struct tw_port *p)
{
	struct rte_mbuf *m[EXC_BURST];
	unsigned n = rte_eth_rx_burst(p->tap_eth_id, 0, m, EXC_BURST);
	unsigned kept;

	if (n == 0)
		return 0;
	kept = rte_ring_sp_enqueue_burst(p->down, (void **)m, n, NULL);
	tw_ctr_add(&p->exc.from_kernel, kept);
	if (kept < n) {
		tw_ctr_add(&p->exc.from_kernel_lost, n - kept);
		rte_pktmbuf_free_bulk(m + kept, n - kept);
	}
	return n;
}

static unsigned
move_frames(struct tw_port *p)
{
	unsigned total = 0, n;

	for (unsigned i = 0; i < EXC_ROUNDS; i++) {
		n = from_kernel(p);
		for (unsigned q = 0; q < p->queue_cnt; q++)
			n += to_kernel(p, q);
		if (n == 0)
			break;
		total += n;
	}
	return total;
}

unsigned
tw_port_exception_poll(struct tw_port *p)
{
	struct tw_port_priv *priv = p->priv;
	int64_t now_ns = port_now_ns();
	struct tw_port_link link;

	if (now_ns >= priv->link_poll_ns) {
		priv->link_poll_ns = now_ns + LINK_POLL_NS;
		tw_port_link_get(p, &link);
		if (link.is_up != priv->link.is_up)
			priv->link_changed_ns = now_ns;
		priv->link = link;
	}
	return p->tap_eth_id != RTE_MAX_ETHPORTS ? move_frames(p) : 0;
}

bool
tw_port_wants_restart(const struct tw_port *p)
{
	const struct tw_port_priv *priv = p->priv;

	if (!priv->is_restarted || (p->is_started && priv->link.is_up))
		return false;
	return port_now_ns() - priv->link_changed_ns >
	       (p->is_started ? LINK_WAIT_NS : RESTART_WAIT_NS);
}
