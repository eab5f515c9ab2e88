/* SPDX-License-Identifier: BSD-3-Clause */
/* Copyright (c) 2026 The twampline authors */
/*
 * rtnetlink messages with libmnl: build, send, read the one answer.
 */
#include "nl_query.h"

#include <arpa/inet.h>
#include <errno.h>
#include <libmnl/libmnl.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <string.h>
#include <sys/socket.h>

/* the loops of libmnl cast const away; clang counts its macros as ours */
#pragma GCC diagnostic ignored "-Wcast-qual"

#define BUF_SIZE 8192

/* States in which the address of a neighbour may be used, as the kernel itself does. */
#define NUD_USABLE (NUD_PERMANENT | NUD_NOARP | NUD_REACHABLE | NUD_PROBE | NUD_STALE | NUD_DELAY)

int
tw_nl_query_init(struct tw_nl_query *q)
{
	q->seq = 1;
	q->nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);
	if (q->nl == NULL)
		return -errno;
	if (mnl_socket_bind(q->nl, 0, MNL_SOCKET_AUTOPID) == 0)
		return 0;
	tw_nl_query_fini(q);
	return -errno;
}

void
tw_nl_query_fini(struct tw_nl_query *q)
{
	int saved = errno;

	if (q->nl != NULL)
		mnl_socket_close(q->nl);
	q->nl = NULL;
	errno = saved;
}

static int
family_of(const struct tw_addr *a)
{
	return a->family == TW_ADDR_V4 ? AF_INET : AF_INET6;
}

/* Send a request and hand its answer to @p cb. Answers to older requests are skipped. */
static int
ask(struct tw_nl_query *q, struct nlmsghdr *nlh, mnl_cb_t cb, void *arg)
{
	char buf[BUF_SIZE] __attribute__((aligned(8)));
	unsigned portid = mnl_socket_get_portid(q->nl);
	ssize_t len;
	int ret;

	nlh->nlmsg_seq = ++q->seq;
	if (mnl_socket_sendto(q->nl, nlh, nlh->nlmsg_len) < 0)
		return -errno;
	for (;;) {
		len = recv(mnl_socket_get_fd(q->nl), buf, sizeof(buf), MSG_DONTWAIT);
		if (len < 0)
			return errno == EINTR ? -EAGAIN : -errno;
		ret = mnl_cb_run(buf, (size_t)len, q->seq, portid, cb, arg);
		if (ret >= 0)
			return 0;
		if (errno != EPROTO && errno != ESRCH)
			return -errno;
		/* ESRCH is both "not ours" of libmnl and an answer of the kernel */
		if (((const struct nlmsghdr *)(const void *)buf)->nlmsg_seq == q->seq)
			return -errno;
	}
}

static void
put_addr(struct nlmsghdr *nlh, uint16_t type, const struct tw_addr *a)
{
	mnl_attr_put(nlh, type, tw_addr_len(a), a->b);
}

static struct tw_addr
get_addr(int family, const struct nlattr *attr)
{
	struct tw_addr none = {.family = TW_ADDR_NONE};
	uint8_t ours = family == AF_INET ? TW_ADDR_V4 : TW_ADDR_V6;
	size_t len = family == AF_INET ? 4 : 16;

	if (mnl_attr_get_payload_len(attr) != len)
		return none;
	return tw_addr_make(ours, mnl_attr_get_payload(attr));
}

static uint32_t
metrics_mtu(const struct nlattr *nest)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, nest)
	{
		if (mnl_attr_get_type(attr) == RTAX_MTU &&
			mnl_attr_validate(attr, MNL_TYPE_U32) == 0)
			return mnl_attr_get_u32(attr);
	}
	return 0;
}

/* RTA_VIA: a gateway of another family (IPv4 over an IPv6 next hop). */
static struct tw_addr
get_via(const struct nlattr *attr)
{
	const struct rtvia *via = mnl_attr_get_payload(attr);
	struct tw_addr none = {.family = TW_ADDR_NONE};
	size_t len = mnl_attr_get_payload_len(attr);

	if (len == sizeof(*via) + 4 && via->rtvia_family == AF_INET)
		return tw_addr_make(TW_ADDR_V4, via->rtvia_addr);
	if (len == sizeof(*via) + 16 && via->rtvia_family == AF_INET6)
		return tw_addr_make(TW_ADDR_V6, via->rtvia_addr);
	return none;
}

static int
on_route(const struct nlmsghdr *nlh, void *arg)
{
	const struct rtmsg *rtm = mnl_nlmsg_get_payload(nlh);
	struct tw_nl_route *out = arg;
	const struct nlattr *attr;

	if (nlh->nlmsg_type != RTM_NEWROUTE)
		return MNL_CB_OK;
	out->type = rtm->rtm_type;
	mnl_attr_for_each(attr, nlh, sizeof(*rtm))
	{
		switch (mnl_attr_get_type(attr)) {
		case RTA_OIF:
			out->ifindex = mnl_attr_get_u32(attr);
			break;
		case RTA_GATEWAY:
			out->gateway = get_addr(rtm->rtm_family, attr);
			break;
		case RTA_VIA:
			out->gateway = get_via(attr);
			break;
		case RTA_PREFSRC:
			out->src = get_addr(rtm->rtm_family, attr);
			break;
		case RTA_METRICS:
			out->mtu = metrics_mtu(attr);
			break;
		default:
			break;
		}
	}
	return MNL_CB_STOP;
}

int
tw_nl_query_route(struct tw_nl_query *q, const struct tw_addr *dst, const struct tw_addr *src,
	unsigned oif, struct tw_nl_route *out)
{
	char buf[512] __attribute__((aligned(8)));
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct rtmsg *rtm;

	memset(out, 0, sizeof(*out));
	nlh->nlmsg_type = RTM_GETROUTE;
	nlh->nlmsg_flags = NLM_F_REQUEST;
	rtm = mnl_nlmsg_put_extra_header(nlh, sizeof(*rtm));
	rtm->rtm_family = (unsigned char)family_of(dst);
	rtm->rtm_dst_len = (unsigned char)(tw_addr_len(dst) * 8);
	put_addr(nlh, RTA_DST, dst);
	if (src != NULL && src->family == dst->family && !tw_addr_is_zero(src)) {
		rtm->rtm_src_len = (unsigned char)(tw_addr_len(src) * 8);
		put_addr(nlh, RTA_SRC, src);
	}
	if (oif != 0)
		mnl_attr_put_u32(nlh, RTA_OIF, oif);
	return ask(q, nlh, on_route, out);
}

static int
on_neigh(const struct nlmsghdr *nlh, void *arg)
{
	const struct ndmsg *ndm = mnl_nlmsg_get_payload(nlh);
	struct tw_nl_neigh *out = arg;
	const struct nlattr *attr;

	if (nlh->nlmsg_type != RTM_NEWNEIGH)
		return MNL_CB_OK;
	mnl_attr_for_each(attr, nlh, sizeof(*ndm))
	{
		if (mnl_attr_get_type(attr) != NDA_LLADDR ||
			mnl_attr_get_payload_len(attr) != sizeof(out->mac))
			continue;
		memcpy(out->mac, mnl_attr_get_payload(attr), sizeof(out->mac));
		out->is_known = (ndm->ndm_state & NUD_USABLE) != 0;
		out->is_stale = (ndm->ndm_state & (NUD_STALE | NUD_DELAY | NUD_PROBE)) != 0;
	}
	return MNL_CB_STOP;
}

static struct nlmsghdr *
neigh_request(char *buf, uint16_t type, unsigned ifindex, const struct tw_addr *addr)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct ndmsg *ndm;

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = NLM_F_REQUEST;
	ndm = mnl_nlmsg_put_extra_header(nlh, sizeof(*ndm));
	ndm->ndm_family = (uint8_t)family_of(addr);
	ndm->ndm_ifindex = (int)ifindex;
	put_addr(nlh, NDA_DST, addr);
	return nlh;
}

int
tw_nl_query_neigh(struct tw_nl_query *q, unsigned ifindex, const struct tw_addr *addr,
	struct tw_nl_neigh *out)
{
	char buf[512] __attribute__((aligned(8)));
	int ret;

	memset(out, 0, sizeof(*out));
	ret = ask(q, neigh_request(buf, RTM_GETNEIGH, ifindex, addr), on_neigh, out);
	return ret == -ENOENT ? 0 : ret;
}

int
tw_nl_query_probe(struct tw_nl_query *q, unsigned ifindex, const struct tw_addr *addr)
{
	char buf[512] __attribute__((aligned(8)));
	struct nlmsghdr *nlh = neigh_request(buf, RTM_NEWNEIGH, ifindex, addr);
	struct ndmsg *ndm = mnl_nlmsg_get_payload(nlh);

	nlh->nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_ACK;
	ndm->ndm_flags = NTF_USE;
	return ask(q, nlh, NULL, NULL);
}

static void
vlan_read(const struct nlattr *data, struct tw_nl_link *out)
{
	const struct nlattr *attr;

	mnl_attr_for_each_nested(attr, data)
	{
		if (mnl_attr_get_type(attr) == IFLA_VLAN_ID)
			out->vid = mnl_attr_get_u16(attr);
		else if (mnl_attr_get_type(attr) == IFLA_VLAN_PROTOCOL)
			out->tpid = ntohs(mnl_attr_get_u16(attr));
	}
}

static void
linkinfo_read(const struct nlattr *info, struct tw_nl_link *out)
{
	const struct nlattr *attr, *data = NULL;

	mnl_attr_for_each_nested(attr, info)
	{
		if (mnl_attr_get_type(attr) == IFLA_INFO_KIND)
			out->is_vlan = strcmp(mnl_attr_get_str(attr), "vlan") == 0;
		else if (mnl_attr_get_type(attr) == IFLA_INFO_DATA)
			data = attr;
	}
	if (out->is_vlan && data != NULL)
		vlan_read(data, out);
}

static int
on_link(const struct nlmsghdr *nlh, void *arg)
{
	const struct ifinfomsg *ifm = mnl_nlmsg_get_payload(nlh);
	struct tw_nl_link *out = arg;
	const struct nlattr *attr;
	bool is_elsewhere = false;

	if (nlh->nlmsg_type != RTM_NEWLINK)
		return MNL_CB_OK;
	out->is_up = (ifm->ifi_flags & IFF_UP) != 0;
	out->has_carrier = out->is_up && (ifm->ifi_flags & IFF_RUNNING) != 0;
	mnl_attr_for_each(attr, nlh, sizeof(*ifm))
	{
		switch (mnl_attr_get_type(attr)) {
		case IFLA_IFNAME:
			strncpy(out->name, mnl_attr_get_str(attr), sizeof(out->name) - 1);
			break;
		case IFLA_MTU:
			out->mtu = mnl_attr_get_u32(attr);
			break;
		case IFLA_LINK:
			out->parent = mnl_attr_get_u32(attr);
			break;
		case IFLA_LINK_NETNSID:
			is_elsewhere = true;
			break;
		case IFLA_LINKINFO:
			linkinfo_read(attr, out);
			break;
		default:
			break;
		}
	}
	if (is_elsewhere || !out->is_vlan)
		out->parent = 0;
	return MNL_CB_STOP;
}

int
tw_nl_query_link(struct tw_nl_query *q, unsigned ifindex, struct tw_nl_link *out)
{
	char buf[512] __attribute__((aligned(8)));
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct ifinfomsg *ifm;

	memset(out, 0, sizeof(*out));
	nlh->nlmsg_type = RTM_GETLINK;
	nlh->nlmsg_flags = NLM_F_REQUEST;
	ifm = mnl_nlmsg_put_extra_header(nlh, sizeof(*ifm));
	ifm->ifi_family = AF_UNSPEC;
	ifm->ifi_index = (int)ifindex;
	/* without statistics the answer fits the buffer on any interface */
	mnl_attr_put_u32(nlh, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	return ask(q, nlh, on_link, out);
}
