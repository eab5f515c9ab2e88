/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * For kernels without VLAN interfaces (CONFIG_VLAN_8021Q), preloaded into an appliance by
 * dts/api/vlans.py, which makes interfaces that tag in user space: what rtnetlink says of these is
 * completed by what it would say of VLAN interfaces, and nothing else is changed. TW_VLANS names
 * them, as NAME:PARENT:TPID:VID, with commas between.
 */
#include <dlfcn.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <libmnl/libmnl.h>

#define ROOM 256 /* octets of the attributes that are added */

/* What TW_VLANS says of an interface. @return its parent's index, 0 if it says nothing. */
static unsigned
vlan_find(unsigned ifindex, unsigned *tpid, unsigned *vid)
{
	const char *p = getenv("TW_VLANS");
	char name[IF_NAMESIZE], parent[IF_NAMESIZE];

	for (; p != NULL && *p != '\0'; p += *p == ',') {
		if (sscanf(p, "%15[^:]:%15[^:]:%x:%u", name, parent, tpid, vid) == 4 &&
			if_nametoindex(name) == ifindex)
			return if_nametoindex(parent);
		p += strcspn(p, ",");
	}
	return 0;
}

static void
vlan_add(struct nlmsghdr *nlh, unsigned parent, unsigned tpid, unsigned vid)
{
	struct nlattr *info, *data;

	mnl_attr_put_u32(nlh, IFLA_LINK, parent);
	info = mnl_attr_nest_start(nlh, IFLA_LINKINFO);
	mnl_attr_put_strz(nlh, IFLA_INFO_KIND, "vlan");
	data = mnl_attr_nest_start(nlh, IFLA_INFO_DATA);
	mnl_attr_put_u16(nlh, IFLA_VLAN_ID, (uint16_t)vid);
	mnl_attr_put_u16(nlh, IFLA_VLAN_PROTOCOL, htons((uint16_t)tpid));
	mnl_attr_nest_end(nlh, data);
	mnl_attr_nest_end(nlh, info);
}

/* Of libmnl: every answer of the kernel comes by here. */
int
mnl_cb_run(
	const void *buf, size_t size, unsigned int seq, unsigned int portid, mnl_cb_t cb, void *arg)
{
	int (*real)(const void *, size_t, unsigned int, unsigned int, mnl_cb_t, void *);
	const struct nlmsghdr *nlh = buf;
	unsigned parent = 0, tpid, vid;
	struct nlmsghdr *more;
	int ret;

	*(void **)&real = dlsym(RTLD_NEXT, "mnl_cb_run");
	if (size >= sizeof(*nlh) && nlh->nlmsg_type == RTM_NEWLINK && nlh->nlmsg_len == size) {
		const struct ifinfomsg *ifm = mnl_nlmsg_get_payload(nlh);

		parent = vlan_find((unsigned)ifm->ifi_index, &tpid, &vid);
	}
	more = parent != 0 ? malloc(size + ROOM) : NULL;
	if (more == NULL)
		return real(buf, size, seq, portid, cb, arg);
	memcpy(more, buf, size);
	vlan_add(more, parent, tpid, vid);
	ret = real(more, more->nlmsg_len, seq, portid, cb, arg);
	free(more);
	return ret;
}
