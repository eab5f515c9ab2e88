/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Bring-up: from what the operator asks for and what the device can, to started queues.
 */
#include <ctype.h>
#include <errno.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <rte_ethdev.h>
#include <rte_log.h>
#include <rte_mbuf.h>

#include "port_i.h"

#define RX_CKSUM (RTE_ETH_RX_OFFLOAD_IPV4_CKSUM | RTE_ETH_RX_OFFLOAD_UDP_CKSUM)

int64_t
port_now_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000000000LL + ts.tv_nsec;
}

static int
check_cfg(struct tw_port *p, char *err)
{
	const struct tw_port_profile *prof = &p->priv->profile;
	struct tw_port_cfg *cfg = &p->cfg;

	if (cfg->attach == TW_PORT_ATTACH_DEFAULT)
		cfg->attach = prof->attach;
	if ((cfg->attach == TW_PORT_OWNED && !prof->can_own) ||
		(cfg->attach == TW_PORT_SHARED && !prof->can_share) ||
		cfg->attach >= TW_PORT_ATTACH_N) {
		snprintf(err, TW_PORT_ERR_SIZE, "port %s: profile %s can only be attached %s",
			cfg->name, prof->name, prof->can_own ? "owned" : "shared");
		return -EINVAL;
	}
	if (cfg->mtu > TW_PORT_MTU_MAX || (prof->mtu_max != 0 && cfg->mtu > prof->mtu_max) ||
		(cfg->mtu != 0 && cfg->mtu < 68)) {
		snprintf(err, TW_PORT_ERR_SIZE, "port %s: mtu %u is not within 68..%u", cfg->name,
			cfg->mtu, prof->mtu_max != 0 ? prof->mtu_max : TW_PORT_MTU_MAX);
		return -EINVAL;
	}
	if (cfg->desc_cnt == 0)
		cfg->desc_cnt = (uint16_t)prof->desc_cnt;
	if (cfg->exception_pps == 0)
		cfg->exception_pps = EXC_PPS;
	if (cfg->tap[0] == '\0')
		snprintf(cfg->tap, sizeof(cfg->tap), "dtap%u", p->idx);
	return 0;
}

/* The profile the operator names, or that of the driver behind a PCI address. */
static int
find_profile(struct tw_port *p, char *err)
{
	const char *name = p->cfg.profile;

	if (name[0] == '\0' && p->cfg.dev[0] != '\0' && strchr(p->cfg.dev, ':') != NULL)
		name = "pci";
	if (name[0] == '\0' || tw_port_profile_find(name, NULL, &p->priv->profile) != 0) {
		int n = snprintf(err, TW_PORT_ERR_SIZE,
			"port %s: no driver profile '%s'; there are:", p->cfg.name, name);
		struct tw_port_profile prof;

		for (unsigned i = 0; tw_port_profile_at(i, &prof) == 0; i++)
			n += snprintf(err + n,
				n < TW_PORT_ERR_SIZE ? (size_t)(TW_PORT_ERR_SIZE - n) : 0, " %s",
				prof.name);
		return -EINVAL;
	}
	return 0;
}

/* MTU of the kernel's interface; 0 if it cannot be read. */
static unsigned
iface_mtu(const char *name)
{
	struct ifreq ifr = {0};
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	unsigned mtu = 0;

	if (fd < 0)
		return 0;
	snprintf(ifr.ifr_name, sizeof(ifr.ifr_name), "%.15s", name);
	if (ioctl(fd, SIOCGIFMTU, &ifr) == 0 && ifr.ifr_mtu > 0)
		mtu = (unsigned)ifr.ifr_mtu;
	close(fd);
	return mtu;
}

/* Buffers depend on the MTU and the device's arguments on the buffers: settle it first. */
static int
choose_mtu(struct tw_port *p, char *err)
{
	const struct tw_port_profile *prof = &p->priv->profile;
	unsigned max = prof->mtu_max != 0 ? prof->mtu_max : TW_PORT_MTU_MAX;
	unsigned mtu = p->cfg.mtu != 0 ? p->cfg.mtu : RTE_MIN(1500u, max);
	unsigned dev_mtu = strcmp(prof->dev, "iface") == 0 ? iface_mtu(p->cfg.dev) : 0;

	if (dev_mtu != 0 && p->cfg.mtu > dev_mtu) {
		snprintf(err, TW_PORT_ERR_SIZE,
			"port %s: mtu %u is above that of %s, %u (ip link set %s mtu %u)",
			p->cfg.name, mtu, p->cfg.dev, dev_mtu, p->cfg.dev, mtu);
		return -EINVAL;
	}
	if (dev_mtu != 0 && p->cfg.mtu == 0)
		mtu = RTE_MIN(dev_mtu, max);
	p->mtu = (uint16_t)mtu;
	return 0;
}

static uint16_t
choose_queues(const struct tw_port *p, unsigned lcore_cnt)
{
	unsigned n = p->cfg.queue_cnt;

	if (n == 0)
		n = p->priv->profile.queues_default;
	if (n == 0)
		n = lcore_cnt;
	n = RTE_MIN(n, p->priv->profile.queues_max);
	n = RTE_MIN(n, RTE_MIN(lcore_cnt, (unsigned)TW_PORT_QUEUES_MAX));
	return (uint16_t)RTE_MAX(n, 1u);
}

/* Use what both the profile and the device name; note what the data plane may rely on. */
static void
choose_offloads(struct tw_port *p, const struct rte_eth_dev_info *info, struct rte_eth_conf *conf)
{
	const struct tw_port_profile *prof = &p->priv->profile;

	if (prof->use_rx_cksum && (info->rx_offload_capa & RX_CKSUM) == RX_CKSUM) {
		conf->rxmode.offloads |= RX_CKSUM;
		p->has_rx_cksum = true;
	}
	if (prof->use_tx_cksum && (info->tx_offload_capa & RTE_ETH_TX_OFFLOAD_IPV4_CKSUM)) {
		conf->txmode.offloads |= RTE_ETH_TX_OFFLOAD_IPV4_CKSUM;
		p->has_tx_ip_cksum = true;
	}
	if (prof->use_tx_cksum && (info->tx_offload_capa & RTE_ETH_TX_OFFLOAD_UDP_CKSUM)) {
		conf->txmode.offloads |= RTE_ETH_TX_OFFLOAD_UDP_CKSUM;
		p->has_tx_udp_cksum = true;
	}
	if (p->queue_cnt > 1) {
		conf->rx_adv_conf.rss_conf.rss_hf =
			(RTE_ETH_RSS_IP | RTE_ETH_RSS_UDP) & info->flow_type_rss_offloads;
		if (conf->rx_adv_conf.rss_conf.rss_hf != 0)
			conf->rxmode.mq_mode = RTE_ETH_MQ_RX_RSS;
	}
}

/*
 * Enough for both rings of every pair, a burst in work and a cache per lcore. Lcores may share
 * CPUs: the relaxed tail sync of "ring_mt_rts" keeps one that is preempted inside the pool from
 * holding up the others.
 */
static int
pool_make(struct tw_port *p, const struct tw_port_env *env, uint16_t rx_desc, uint16_t tx_desc,
	char *err)
{
	char name[RTE_MEMPOOL_NAMESIZE];
	unsigned cnt = p->queue_cnt * ((unsigned)rx_desc + tx_desc + 256) + env->lcore_cnt * 1024 +
		       EXC_RING_CNT;

	snprintf(name, sizeof(name), "tw_port%u", p->idx);
	p->pool = rte_pktmbuf_pool_create_by_ops(name, rte_align32pow2(cnt) - 1, 256, 0,
		(uint16_t)(RTE_PKTMBUF_HEADROOM + port_room(p->mtu)), env->socket_id,
		"ring_mt_rts");
	if (p->pool != NULL)
		return 0;
	snprintf(err, TW_PORT_ERR_SIZE,
		"port %s: no memory for %u buffers of %u octets: reserve more hugepages "
		"(/proc/sys/vm/nr_hugepages) or use fewer descriptors",
		p->cfg.name, rte_align32pow2(cnt) - 1, port_room(p->mtu));
	return -ENOMEM;
}

static int
queues_make(struct tw_port *p, const struct tw_port_env *env, const struct rte_eth_dev_info *info,
	char *err)
{
	uint16_t rx_desc = p->cfg.desc_cnt, tx_desc = p->cfg.desc_cnt;
	struct rte_eth_txconf txconf = info->default_txconf;
	struct rte_eth_rxconf rxconf = info->default_rxconf;
	int res = rte_eth_dev_adjust_nb_rx_tx_desc(p->eth_id, &rx_desc, &tx_desc);

	if (res == 0)
		res = pool_make(p, env, rx_desc, tx_desc, err);
	if (res == -ENOMEM)
		return res;
	rxconf.offloads = 0;
	txconf.offloads = 0;
	for (uint16_t q = 0; q < p->queue_cnt && res == 0; q++) {
		res = rte_eth_rx_queue_setup(
			p->eth_id, q, rx_desc, (unsigned)env->socket_id, &rxconf, p->pool);
		if (res == 0)
			res = rte_eth_tx_queue_setup(
				p->eth_id, q, tx_desc, (unsigned)env->socket_id, &txconf);
	}
	if (res != 0)
		snprintf(err, TW_PORT_ERR_SIZE,
			"port %s: %s refused %u queue pairs of %u descriptors: %s", p->cfg.name,
			p->dev_name, p->queue_cnt, rx_desc, rte_strerror(-res));
	return res;
}

static void
identify(struct tw_port *p, const struct rte_eth_dev_info *info)
{
	struct rte_ether_addr mac = {0};

	snprintf(p->driver, sizeof(p->driver), "%s", info->driver_name);
	if (rte_eth_macaddr_get(p->eth_id, &mac) == 0)
		memcpy(p->mac, mac.addr_bytes, sizeof(p->mac));
	p->is_mac_checked = !rte_is_zero_ether_addr(&mac) &&
			    (p->priv->profile.sees_foreign || p->cfg.is_promisc ||
				    p->cfg.attach == TW_PORT_SHARED);
	p->takes_partial_cksum =
		p->priv->profile.is_partial_cksum && p->cfg.attach == TW_PORT_SHARED;
	if (p->cfg.attach == TW_PORT_SHARED && info->if_index != 0) {
		p->ifindex = info->if_index;
		if (if_indextoname(p->ifindex, p->ifname) == NULL)
			p->ifname[0] = '\0';
	}
}

static int
configure(struct tw_port *p, const struct tw_port_env *env, char *err)
{
	struct rte_eth_conf conf = {0};
	struct rte_eth_dev_info info;
	int res;

	res = rte_eth_dev_info_get(p->eth_id, &info);
	if (res != 0) {
		snprintf(err, TW_PORT_ERR_SIZE, "port %s: device %s does not answer: %s",
			p->cfg.name, p->dev_name, rte_strerror(-res));
		return res;
	}
	/* what is known of the very driver is better than what holds for any */
	if (p->priv->profile.driver[0] == '\0' && p->cfg.profile[0] == '\0')
		(void)tw_port_profile_find(NULL, info.driver_name, &p->priv->profile);
	p->queue_cnt =
		(uint16_t)RTE_MIN(p->queue_cnt, RTE_MIN(info.max_rx_queues, info.max_tx_queues));
	info.rx_offload_capa |= p->nic->rx_offloads;
	info.tx_offload_capa |= p->nic->tx_offloads;
	choose_offloads(p, &info, &conf);
	port_stamps_choose(p, &info, &conf);
	/* what only the NIC beside the ethdev can is none of the ethdev's business */
	conf.rxmode.offloads &= ~p->nic->rx_offloads;
	conf.txmode.offloads &= ~p->nic->tx_offloads;
	if (p->priv->profile.sets_mtu)
		conf.rxmode.mtu = RTE_MIN(p->mtu, info.max_mtu);
	if (p->priv->profile.sets_mtu)
		p->mtu = (uint16_t)conf.rxmode.mtu;
	res = p->queue_cnt == 0
		      ? -ENOTSUP
		      : rte_eth_dev_configure(p->eth_id, p->queue_cnt, p->queue_cnt, &conf);
	if (res != 0) {
		snprintf(err, TW_PORT_ERR_SIZE, "port %s: device %s cannot be configured: %s%s",
			p->cfg.name, p->dev_name, rte_strerror(-res),
			res == -EBUSY ? " (in use?)" : "");
		return res;
	}
	p->priv->is_configured = true;
	identify(p, &info);
	return queues_make(p, env, &info, err);
}

static int
start_device(struct tw_port *p)
{
	return rte_eth_dev_start(p->eth_id);
}

static int
stop_device(struct tw_port *p)
{
	return rte_eth_dev_stop(p->eth_id);
}

static int
start(struct tw_port *p)
{
	const struct tw_port_profile *prof = &p->priv->profile;
	int level = -1, res;

	/* an absent peer is a normal state, not an error a second */
	if (p->priv->is_restarted) {
		char area[64];

		snprintf(area, sizeof(area), "pmd.net.%s", prof->name);
		level = rte_log_get_level(rte_log_register(area));
		rte_log_set_level_pattern(area, RTE_LOG_ALERT);
		res = port_call(p, start_device);
		if (level >= 0)
			rte_log_set_level_pattern(area, (uint32_t)level);
	} else {
		res = port_call(p, start_device);
	}
	p->is_started = res == 0;
	p->priv->link_changed_ns = port_now_ns();
	if (res != 0)
		return res;
	if (p->cfg.is_promisc)
		(void)rte_eth_promiscuous_enable(p->eth_id);
	/* neighbour discovery of the kernel behind us is multicast; not every device filters */
	if (p->cfg.attach == TW_PORT_OWNED)
		(void)rte_eth_allmulticast_enable(p->eth_id);
	return 0;
}

int
tw_port_restart(struct tw_port *p)
{
	if (p->is_started) {
		p->is_started = false;
		(void)port_call(p, stop_device);
	}
	return start(p);
}

static int
bring_up(struct tw_port *p, const struct tw_port_env *env, char *err)
{
	int res;

	res = find_profile(p, err);
	if (res == 0)
		res = check_cfg(p, err);
	if (res == 0)
		res = choose_mtu(p, err);
	if (res != 0)
		return res;
	p->queue_cnt = choose_queues(p, env->lcore_cnt);
	res = port_device_probe(p, err);
	if (res == 0)
		res = configure(p, env, err);
	if (res == 0 && p->cfg.attach == TW_PORT_SHARED && p->priv->profile.is_bifurcated)
		res = port_steer_isolate(p, err);
	if (res != 0)
		return res;
	p->priv->is_restarted = strcmp(p->priv->profile.restart, "yes") == 0 ||
				port_args_have(p->cfg.args, p->priv->profile.restart);
	res = start(p);
	if (res != 0 && !p->priv->is_restarted) {
		snprintf(err, TW_PORT_ERR_SIZE, "port %s: device %s does not start: %s",
			p->cfg.name, p->dev_name, rte_strerror(-res));
		return res;
	}
	if (p->priv->profile.maps_socket)
		port_pages_touch();
	res = port_socket_give(p, env, err);
	if (res == 0 && p->nic->opened != NULL)
		res = p->nic->opened(p);
	if (res == 0)
		port_stamps_open(p);
	if (res != 0)
		return res;
	if (p->priv->profile.leaves_xdp)
		p->priv->xdp_prog_id = port_xdp_prog_id(p->ifindex);
	return p->cfg.attach == TW_PORT_OWNED ? port_exception_open(p, env->socket_id, err) : 0;
}

int
tw_port_open(const struct tw_port_cfg *cfg, const struct tw_port_env *env,
	char err[TW_PORT_ERR_SIZE], struct tw_port **out)
{
	struct tw_port *p;
	int res;

	err[0] = '\0';
	if (cfg->idx >= TW_PORT_MAX || env->lcore_cnt == 0)
		return -EINVAL;
	p = calloc(1, sizeof(*p));
	if (p == NULL)
		return -ENOMEM;
	p->priv = calloc(1, sizeof(*p->priv));
	if (p->priv == NULL) {
		free(p);
		return -ENOMEM;
	}
	p->cfg = *cfg;
	p->nic = cfg->nic != NULL ? cfg->nic : &port_nic_ethdev;
	p->idx = cfg->idx;
	p->eth_id = RTE_MAX_ETHPORTS;
	p->tap_eth_id = RTE_MAX_ETHPORTS;
	res = bring_up(p, env, err);
	if (res != 0) {
		if (err[0] == '\0')
			snprintf(err, TW_PORT_ERR_SIZE, "port %s: %s", cfg->name,
				rte_strerror(-res));
		tw_port_close(p);
		return res;
	}
	*out = p;
	return 0;
}
