/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * The XDP program on a kernel interface, over rtnetlink: net_af_xdp 22.11 cannot take away what it
 * attached (it asks with a flag that forbids just that), and the interface would stay deaf.
 */
#include <errno.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <sys/types.h>
#include <time.h>

#include <libmnl/libmnl.h>

#include "port_i.h"

struct xdp_state {
	uint32_t prog_id;
	uint8_t attached; /* XDP_ATTACHED_* */
};

static int
on_xdp_attr(const struct nlattr *attr, void *arg)
{
	struct xdp_state *st = arg;

	if (mnl_attr_get_type(attr) == IFLA_XDP_PROG_ID &&
		mnl_attr_validate(attr, MNL_TYPE_U32) >= 0)
		st->prog_id = mnl_attr_get_u32(attr);
	if (mnl_attr_get_type(attr) == IFLA_XDP_ATTACHED &&
		mnl_attr_validate(attr, MNL_TYPE_U8) >= 0)
		st->attached = mnl_attr_get_u8(attr);
	return MNL_CB_OK;
}

static int
on_link_attr(const struct nlattr *attr, void *arg)
{
	if (mnl_attr_get_type(attr) == IFLA_XDP)
		return mnl_attr_parse_nested(attr, on_xdp_attr, arg);
	return MNL_CB_OK;
}

static int
on_link(const struct nlmsghdr *nlh, void *arg)
{
	return mnl_attr_parse(nlh, sizeof(struct ifinfomsg), on_link_attr, arg);
}

/* Send one request and read its answer. */
static int
talk(struct nlmsghdr *nlh, mnl_cb_t fn, void *arg)
{
	char buf[16384];
	struct mnl_socket *nl = mnl_socket_open(NETLINK_ROUTE);
	ssize_t n;
	int res = -EIO;

	if (nl == NULL)
		return -errno;
	nlh->nlmsg_seq = 1;
	if (mnl_socket_bind(nl, 0, MNL_SOCKET_AUTOPID) == 0 &&
		mnl_socket_sendto(nl, nlh, nlh->nlmsg_len) > 0) {
		n = mnl_socket_recvfrom(nl, buf, sizeof(buf));
		if (n > 0)
			res = mnl_cb_run(buf, (size_t)n, 1, mnl_socket_get_portid(nl), fn, arg) < 0
				      ? -errno
				      : 0;
	}
	mnl_socket_close(nl);
	return res;
}

static int
state_get(unsigned ifindex, struct xdp_state *out)
{
	char buf[256];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct ifinfomsg *ifi;

	*out = (struct xdp_state){0};
	nlh->nlmsg_type = RTM_GETLINK;
	nlh->nlmsg_flags = NLM_F_REQUEST;
	ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));
	ifi->ifi_index = (int)ifindex;
	return talk(nlh, on_link, out);
}

uint32_t
port_xdp_prog_id(unsigned ifindex)
{
	struct xdp_state st;

	return state_get(ifindex, &st) == 0 ? st.prog_id : 0;
}

int
port_xdp_detach(unsigned ifindex, uint32_t prog_id)
{
	char buf[256];
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct ifinfomsg *ifi;
	struct nlattr *nest;
	struct xdp_state st;
	int res = state_get(ifindex, &st);

	/* not ours any more: leave it */
	if (res != 0 || st.prog_id != prog_id)
		return res;
	nlh->nlmsg_type = RTM_SETLINK;
	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_ACK;
	ifi = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifi));
	ifi->ifi_index = (int)ifindex;
	nest = mnl_attr_nest_start(nlh, IFLA_XDP);
	mnl_attr_put_u32(nlh, IFLA_XDP_FD, (uint32_t)-1);
	mnl_attr_put_u32(nlh, IFLA_XDP_FLAGS,
		st.attached == XDP_ATTACHED_SKB ? XDP_FLAGS_SKB_MODE : XDP_FLAGS_DRV_MODE);
	mnl_attr_nest_end(nlh, nest);
	return talk(nlh, NULL, NULL);
}
