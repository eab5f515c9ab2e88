/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Ports on real drivers, in a network namespace of their own: opened, used, closed in any order,
 * and refused with words that help.
 */
#include <criterion/criterion.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <rte_cycles.h>
#include <rte_ethdev.h>

#include "bed.h"

static const struct tw_port_env env = {.lcore_cnt = 1, .socket_id = SOCKET_ID_ANY};
static char sock_args[2][TW_PORT_ARGS_SIZE];
static struct rte_mempool *pool;

static void
start(void)
{
	cr_assert_eq(unshare(CLONE_NEWNET), 0, "needs root");
	bed_eal();
	/*
	 * Two spellings of one path: within a process the driver shares what it keeps of a path
	 * between both ends, which those of two processes do not.
	 */
	for (unsigned i = 0; i < 2; i++)
		snprintf(sock_args[i], sizeof(sock_args[i]), "role=%s,id=0,socket=%s/tw_eal_%d",
			i == 0 ? "server" : "client", i == 0 ? "/tmp" : "/tmp/.", getpid());
	pool = rte_pktmbuf_pool_create("frames", 511, 0, 0, 2048 + RTE_PKTMBUF_HEADROOM, 0);
	cr_assert_not_null(pool);
}

static struct tw_port_cfg
memif_cfg(unsigned i)
{
	struct tw_port_cfg cfg = {
		.idx = (uint8_t)i, .profile = "memif", .desc_cnt = 256, .attach = TW_PORT_OWNED};

	snprintf(cfg.name, sizeof(cfg.name), "m%u", i);
	memcpy(cfg.args, sock_args[i], sizeof(cfg.args));
	return cfg;
}

static struct tw_port *
open_port(const struct tw_port_cfg *cfg)
{
	char err[TW_PORT_ERR_SIZE];
	struct tw_port *p = NULL;

	cr_assert_eq(tw_port_open(cfg, &env, err, &p), 0, "%s", err);
	return p;
}

static bool
wait_link(struct tw_port *const *p, unsigned n, bool up)
{
	const uint64_t end_tsc = rte_rdtsc() + 5 * rte_get_tsc_hz();

	while (rte_rdtsc() < end_tsc) {
		unsigned ok = 0;

		for (unsigned i = 0; i < n; i++) {
			struct tw_port_link link;

			tw_port_exception_poll(p[i]);
			if (tw_port_wants_restart(p[i]))
				(void)tw_port_restart(p[i]);
			tw_port_link_get(p[i], &link);
			ok += link.is_up == up;
		}
		if (ok == n)
			return true;
		rte_delay_us_sleep(5000);
	}
	return false;
}

/* One frame from a to b, whole. */
static void
pass_frame(struct tw_port *a, struct tw_port *b, unsigned len)
{
	const uint64_t end_tsc = rte_rdtsc() + 3 * rte_get_tsc_hz();
	struct rte_mbuf *m = rte_pktmbuf_alloc(pool), *got[8];
	uint16_t n = 0;
	bool found = false;
	uint8_t *p;

	cr_assert_not_null(m);
	p = (uint8_t *)rte_pktmbuf_append(m, (uint16_t)len);
	cr_assert_not_null(p);
	for (unsigned i = 0; i < len; i++)
		p[i] = (uint8_t)(i * 7);
	memcpy(p, b->mac, 6);
	tw_store_be16(p + 12, 0x88b5);
	while (!found && rte_rdtsc() < end_tsc) {
		/* memif has no buffers before the other end has polled once */
		if (m != NULL && rte_eth_tx_burst(a->eth_id, 0, &m, 1) == 1)
			m = NULL;
		n = rte_eth_rx_burst(b->eth_id, 0, got, 8);
		for (unsigned i = 0; i < n; i++) {
			const uint8_t *q = rte_pktmbuf_mtod(got[i], const uint8_t *);

			if (got[i]->pkt_len == len && tw_load_be16(q + 12) == 0x88b5) {
				found = got[i]->nb_segs == 1;
				for (unsigned k = 14; k < len; k++)
					found &= q[k] == (uint8_t)(k * 7);
			}
			rte_pktmbuf_free(got[i]);
		}
	}
	cr_assert(found, "%u octets", len);
}

Test(port, memif_joins_whoever_comes_first)
{
	for (unsigned first = 0; first < 2; first++) {
		struct tw_port *p[2];
		struct tw_port_cfg cfg;

		if (first == 0)
			start();
		cfg = memif_cfg(first);
		p[first] = open_port(&cfg);
		cr_assert_eq(p[first]->is_started, first == 0);
		cfg = memif_cfg(!first);
		p[!first] = open_port(&cfg);
		cr_assert(wait_link(p, 2, true), "no link");
		cr_assert_neq(if_nametoindex("dtap0"), 0);
		pass_frame(p[0], p[1], 60);
		pass_frame(p[1], p[0], 1514);
		tw_port_close(p[first]);
		cr_assert(wait_link(&p[!first], 1, false));
		tw_port_close(p[!first]);
		cr_assert_eq(if_nametoindex("dtap0"), 0);
		cr_assert_eq(if_nametoindex("dtap1"), 0);
	}
}

/* As a killed server and one that is about to become another user leave it. */
Test(port, memif_takes_a_stale_socket_away_and_gives_its_own_to_the_service_user)
{
	const struct tw_port_env to_user = {
		.lcore_cnt = 1, .socket_id = SOCKET_ID_ANY, .uid = 65534, .gid = 65534};
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	char err[TW_PORT_ERR_SIZE];
	struct tw_port_cfg cfg;
	struct tw_port *p;
	struct stat st;
	int fd;

	start();
	cfg = memif_cfg(0);
	snprintf(sun.sun_path, sizeof(sun.sun_path), "/tmp/tw_eal_%d", getpid());
	fd = socket(AF_UNIX, SOCK_SEQPACKET, 0);
	cr_assert_eq(bind(fd, (struct sockaddr *)&sun, sizeof(sun)), 0);
	close(fd);
	cr_assert_eq(tw_port_open(&cfg, &to_user, err, &p), 0, "%s", err);
	cr_assert_eq(lstat(sun.sun_path, &st), 0);
	cr_assert_eq(st.st_uid, 65534);
	tw_port_close(p);
	cr_assert_neq(lstat(sun.sun_path, &st), 0);
}

Test(port, memif_comes_back_after_its_server)
{
	struct tw_port *p[2];
	struct tw_port_cfg cfg;

	start();
	for (unsigned i = 0; i < 2; i++) {
		cfg = memif_cfg(i);
		p[i] = open_port(&cfg);
	}
	for (unsigned round = 0; round < 3; round++) {
		cr_assert(wait_link(p, 2, true));
		pass_frame(p[0], p[1], 100);
		tw_port_close(p[0]);
		cr_assert(wait_link(&p[1], 1, false));
		cfg = memif_cfg(0);
		p[0] = open_port(&cfg);
	}
	tw_port_close(p[1]);
	tw_port_close(p[0]);
}

/* The driver panics when a device goes while its peer connects: close lets it settle. */
Test(port, memif_may_be_closed_right_after_it_opened)
{
	start();
	for (unsigned round = 0; round < 5; round++) {
		struct tw_port *p[2];
		struct tw_port_cfg cfg;

		for (unsigned i = 0; i < 2; i++) {
			cfg = memif_cfg(i);
			p[i] = open_port(&cfg);
		}
		tw_port_close(p[round & 1]);
		tw_port_close(p[!(round & 1)]);
	}
}

Test(port, memif_carries_jumbo_frames_in_one_piece)
{
	struct tw_port *p[2];
	struct tw_port_cfg cfg;

	start();
	rte_mempool_free(pool);
	pool = rte_pktmbuf_pool_create("jumbo", 63, 0, 0, 9216 + RTE_PKTMBUF_HEADROOM, 0);
	for (unsigned i = 0; i < 2; i++) {
		cfg = memif_cfg(i);
		cfg.mtu = 9000;
		p[i] = open_port(&cfg);
		cr_assert_eq(p[i]->mtu, 9000);
	}
	cr_assert(wait_link(p, 2, true));
	pass_frame(p[0], p[1], 9014);
	pass_frame(p[1], p[0], 9022);
	tw_port_close(p[0]);
	tw_port_close(p[1]);
}

static struct tw_port *
open_iface(unsigned i, const char *profile, const char *dev)
{
	struct tw_port_cfg cfg = {.idx = (uint8_t)i, .desc_cnt = 512};

	snprintf(cfg.name, sizeof(cfg.name), "i%u", i);
	snprintf(cfg.profile, sizeof(cfg.profile), "%s", profile);
	snprintf(cfg.dev, sizeof(cfg.dev), "%s", dev);
	return open_port(&cfg);
}

Test(port, af_packet_shares_an_interface_with_the_kernel)
{
	struct tw_port *p[2];

	start();
	cr_assert_eq(system("ip link add va type veth peer name vb && ip link set va up &&"
			    "ip link set vb mtu 1400 up"),
		0);
	p[0] = open_iface(0, "af_packet", "va");
	p[1] = open_iface(1, "af_packet", "vb");
	cr_assert_eq(p[0]->cfg.attach, TW_PORT_SHARED);
	cr_assert(p[0]->takes_partial_cksum && p[0]->is_mac_checked);
	cr_assert_str_eq(p[0]->ifname, "va");
	cr_assert_eq(p[0]->ifindex, if_nametoindex("va"));
	cr_assert_eq(p[1]->mtu, 1400);
	cr_assert_eq(p[0]->tap_eth_id, RTE_MAX_ETHPORTS);
	pass_frame(p[0], p[1], 1400);
	pass_frame(p[1], p[0], 60);
	tw_port_close(p[0]);
	tw_port_close(p[1]);
	cr_assert_neq(if_nametoindex("va"), 0);
}

Test(port, af_xdp_leaves_no_program_behind)
{
	struct tw_port *p;
	struct tw_port_cfg cfg = {.name = "x", .profile = "af_xdp", .dev = "xa", .desc_cnt = 512};
	char err[TW_PORT_ERR_SIZE];

	start();
	cr_assert_eq(system("ip link add xa type veth peer name xb && ip link set xa up &&"
			    "ip link set xb up"),
		0);
	if (tw_port_open(&cfg, &env, err, &p) != 0)
		cr_skip_test("this kernel has no AF_XDP: %s", err);
	cr_assert_eq(system("ip link show xa | grep -q xdp"), 0);
	tw_port_close(p);
	cr_assert_neq(system("ip link show xa | grep -q xdp"), 0);
}

static void
refused(const struct tw_port_cfg *cfg, int res, const char *word)
{
	char err[TW_PORT_ERR_SIZE] = "";
	struct tw_port *p;
	int got = tw_port_open(cfg, &env, err, &p);

	cr_assert_eq(got, res, "%d: %s", got, err);
	cr_assert_not_null(strstr(err, word), "%s", err);
	cr_assert_not_null(strstr(err, cfg->name), "%s", err);
}

Test(port, refusals_say_what_where_and_how_to_mend_it)
{
	start();
	refused(&(struct tw_port_cfg){.name = "p0", .profile = "nope"}, -EINVAL, "there are:");
	refused(&(struct tw_port_cfg){.name = "p0"}, -EINVAL, "memif");
	refused(&(struct tw_port_cfg){.name = "p0", .profile = "memif", .args = "role=client"},
		-EINVAL, "socket=");
	refused(&(struct tw_port_cfg){.name = "p0", .profile = "af_packet"}, -EINVAL, "needs dev");
	refused(&(struct tw_port_cfg){.name = "p0", .profile = "af_packet", .dev = "nodev"},
		-ENODEV, "ip link");
	refused(
		&(struct tw_port_cfg){
			.name = "p0", .profile = "af_packet", .dev = "lo", .attach = TW_PORT_OWNED},
		-EINVAL, "shared");
	refused(
		&(struct tw_port_cfg){
			.name = "p0", .profile = "af_packet", .dev = "lo", .mtu = 9601},
		-EINVAL, "mtu");
	refused(&(struct tw_port_cfg){.name = "p0", .profile = "ethdev", .dev = "net_none"},
		-ENODEV, "--vdev");
	cr_assert_eq(system("ip link add d0 type veth peer name d1 && ip link set d0 mtu 1300"), 0);
	refused(
		&(struct tw_port_cfg){
			.name = "p0", .profile = "af_packet", .dev = "d0", .mtu = 1400},
		-EINVAL, "ip link set d0 mtu 1400");
	cr_assert_eq(system("ip link add dtap0 type veth peer name d2"), 0);
	{
		struct tw_port_cfg cfg = memif_cfg(0);

		refused(&cfg, -EEXIST, "dtap0");
	}
}
