/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * Flow rules, one per session, to the queue of the lcore that owns it. A bifurcated device that the
 * kernel keeps gives us only what a rule names; elsewhere a rule spares the hand-over between
 * lcores.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include <rte_flow.h>

#include "port_i.h"

#define ITEMS_MAX 6 /* Ethernet, two tags, IP, UDP, end */

int
port_steer_isolate(struct tw_port *p, char *err)
{
	struct rte_flow_error fe = {0};
	int res = rte_flow_isolate(p->eth_id, 1, &fe);

	if (res == 0) {
		p->is_steered = true;
		return 0;
	}
	snprintf(err, TW_PORT_ERR_SIZE,
		"port %s: device %s cannot be shared with the kernel: flow isolation: %s "
		"(attach it owned)",
		p->cfg.name, p->dev_name, fe.message != NULL ? fe.message : rte_strerror(-res));
	return res;
}

static void
item_add(struct rte_flow_item *items, unsigned *n, enum rte_flow_item_type type, const void *spec,
	const void *mask)
{
	items[(*n)++] = (struct rte_flow_item){.type = type, .spec = spec, .mask = mask};
}

/* 5-tuple and tags to a queue. @return NULL with rte_errno */
static struct rte_flow *
rule_make(const struct tw_port *p, const struct tw_port_flow *f)
{
	const struct rte_flow_item_vlan vlan_mask = {.tci = rte_cpu_to_be_16(0x0fff)};
	struct rte_flow_item_vlan vlan[2] = {0};
	struct rte_flow_item_ipv4 v4 = {0}, v4_mask = {0};
	struct rte_flow_item_ipv6 v6 = {0}, v6_mask = {0};
	struct rte_flow_item_udp udp = {0}, udp_mask = {0};
	struct rte_flow_item items[ITEMS_MAX];
	const struct rte_flow_action_queue queue = {.index = f->queue};
	const struct rte_flow_action actions[] = {
		{.type = RTE_FLOW_ACTION_TYPE_QUEUE, .conf = &queue},
		{.type = RTE_FLOW_ACTION_TYPE_END},
	};
	const struct rte_flow_attr attr = {.ingress = 1};
	struct rte_flow_error fe = {0};
	unsigned n = 0;

	rte_errno = 0;
	item_add(items, &n, RTE_FLOW_ITEM_TYPE_ETH, NULL, NULL);
	for (unsigned i = 0; i < f->vlan_cnt && i < 2; i++) {
		vlan[i].tci = rte_cpu_to_be_16(f->vid[i]);
		item_add(items, &n, RTE_FLOW_ITEM_TYPE_VLAN, &vlan[i], &vlan_mask);
	}
	if (f->is_v6) {
		memcpy(v6.hdr.src_addr, f->src, 16);
		memcpy(v6.hdr.dst_addr, f->dst, 16);
		memset(v6_mask.hdr.src_addr, 0xff, 16);
		memset(v6_mask.hdr.dst_addr, 0xff, 16);
		item_add(items, &n, RTE_FLOW_ITEM_TYPE_IPV6, &v6, &v6_mask);
	} else {
		memcpy(&v4.hdr.src_addr, f->src, 4);
		memcpy(&v4.hdr.dst_addr, f->dst, 4);
		v4_mask.hdr.src_addr = UINT32_MAX;
		v4_mask.hdr.dst_addr = UINT32_MAX;
		item_add(items, &n, RTE_FLOW_ITEM_TYPE_IPV4, &v4, &v4_mask);
	}
	udp.hdr.src_port = f->src_port_be;
	udp.hdr.dst_port = f->dst_port_be;
	udp_mask.hdr.src_port = UINT16_MAX;
	udp_mask.hdr.dst_port = UINT16_MAX;
	item_add(items, &n, RTE_FLOW_ITEM_TYPE_UDP, &udp, &udp_mask);
	item_add(items, &n, RTE_FLOW_ITEM_TYPE_END, NULL, NULL);
	return rte_flow_create(p->eth_id, &attr, items, actions, &fe);
}

int
tw_port_steer_add(struct tw_port *p, const struct tw_port_flow *f, struct rte_flow **out)
{
	const bool is_wanted = p->queue_cnt > 1 && p->flow_rules < p->priv->profile.flow_rules;

	*out = NULL;
	if (!p->is_steered && !is_wanted)
		return 0;
	*out = rule_make(p, f);
	if (*out != NULL) {
		p->flow_rules++;
		return 0;
	}
	p->flow_rules_refused++;
	if (!p->is_steered)
		return 0;
	return rte_errno != 0 ? -rte_errno : -EIO;
}

void
tw_port_steer_del(struct tw_port *p, struct rte_flow *flow)
{
	struct rte_flow_error fe;

	if (flow == NULL)
		return;
	(void)rte_flow_destroy(p->eth_id, flow, &fe);
	p->flow_rules--;
}
