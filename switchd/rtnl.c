/* SPDX-License-Identifier: BSD-2-Clause */
#include "switchd/rtnl.h"

#include <errno.h>
#include <ev.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <time.h>

#include "lib/revive.h"
#include "switchd/rtnl_impl.h"

#ifndef IFF_LOWER_UP /* linux/if.h, which cannot stand beside net/if.h */
#define IFF_LOWER_UP 0x10000
#endif

/*
 * @syscall sendmsg recvmsg close
 *
 * Requests go through a socket of their own; the kernel answers them before
 * sendmsg returns, so that reading the answer does not block.
 */
#define REPLY_BYTES 32768

struct rtnl {
	struct mnl_socket *requests, *events;
	struct ev_loop *loop;
	ev_io io;
	rtnl_changed_fn *fn;
	void *arg;
	uint32_t seq;
};

/* What changed is not read from the events: whoever asks gets the present state. */
static void on_event(struct ev_loop *loop, ev_io *io, int events)
{
	struct rtnl *rtnl = io->data;
	char buf[REPLY_BYTES];
	struct iovec iov = {buf, sizeof(buf)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	bool any = false;

	revive(loop, io, events);
	for (;;) {
		ssize_t n = recvmsg(mnl_socket_get_fd(rtnl->events), &msg, MSG_DONTWAIT);

		if (n < 0 && errno == EINTR)
			continue;
		/* ENOBUFS: events were lost, so something has changed too. */
		if (n > 0 || (n < 0 && errno == ENOBUFS))
			any = true;
		if (n <= 0 && errno != ENOBUFS)
			break;
	}
	if (any)
		rtnl->fn(rtnl->arg);
}

static struct mnl_socket *open_bound(unsigned groups)
{
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_ROUTE, SOCK_CLOEXEC);

	if (nl && mnl_socket_bind(nl, groups, MNL_SOCKET_AUTOPID) < 0) {
		mnl_socket_close(nl);
		nl = NULL;
	}
	return nl;
}

int rtnl_open(struct rtnl **out, struct ev_loop *loop, rtnl_changed_fn *fn, void *arg)
{
	struct rtnl *rtnl = calloc(1, sizeof(*rtnl));
	int one = 1;
	int ret;

	if (!rtnl)
		return -ENOMEM;
	rtnl->requests = open_bound(0);
	rtnl->events = open_bound(RTMGRP_LINK | RTMGRP_IPV4_IFADDR | RTMGRP_IPV6_IFADDR);
	if (!rtnl->requests || !rtnl->events) {
		ret = -errno;
		rtnl_close(rtnl);
		return ret;
	}
	(void)mnl_socket_setsockopt(rtnl->requests, NETLINK_EXT_ACK, &one, sizeof(one));
	rtnl->loop = loop;
	rtnl->fn = fn;
	rtnl->arg = arg;
	rtnl->seq = (uint32_t)time(NULL);
	ev_io_init(&rtnl->io, on_event, mnl_socket_get_fd(rtnl->events), EV_READ);
	rtnl->io.data = rtnl;
	ev_io_start(loop, &rtnl->io);
	*out = rtnl;
	return 0;
}

void rtnl_close(struct rtnl *rtnl)
{
	if (!rtnl)
		return;
	if (rtnl->loop)
		ev_io_stop(rtnl->loop, &rtnl->io);
	if (rtnl->requests)
		mnl_socket_close(rtnl->requests);
	if (rtnl->events)
		mnl_socket_close(rtnl->events);
	free(rtnl);
}

/* The kernel's explanation of a refusal, NLMSGERR_ATTR_MSG. */
static void read_explanation(const struct nlmsghdr *nlh, struct err *err)
{
	const struct nlmsgerr *e = mnl_nlmsg_get_payload(nlh);
	size_t off = sizeof(*e);
	const struct nlattr *attr;

	if (!(nlh->nlmsg_flags & NLM_F_ACK_TLVS))
		return;
	if (!(nlh->nlmsg_flags & NLM_F_CAPPED))
		off += mnl_nlmsg_get_payload_len(nlh) > off ? e->msg.nlmsg_len - sizeof(e->msg) : 0;
	if (off > mnl_nlmsg_get_payload_len(nlh))
		return;
	rtnl_each_attr(attr, nlh, off)
	{
		if (mnl_attr_get_type(attr) == NLMSGERR_ATTR_MSG &&
		    mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0)
			(void)err_set(err, 0, "%s", mnl_attr_get_str(attr));
	}
}

int rtnl_transact(struct rtnl *rtnl, struct nlmsghdr *request, mnl_cb_t cb, void *arg,
		  struct err *err)
{
	char buf[REPLY_BYTES] __attribute__((aligned(NLMSG_ALIGNTO)));
	uint32_t seq = ++rtnl->seq;
	unsigned portid = mnl_socket_get_portid(rtnl->requests);
	struct iovec iov = {request, request->nlmsg_len};
	const struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	request->nlmsg_seq = seq;
	/* Without a name it goes to the kernel. */
	if (sendmsg(mnl_socket_get_fd(rtnl->requests), &msg, 0) < 0)
		return -errno;
	for (;;) {
		ssize_t n = mnl_socket_recvfrom(rtnl->requests, buf, sizeof(buf));
		const struct nlmsghdr *nlh = (const struct nlmsghdr *)buf;
		int ret;

		if (n < 0)
			return -errno;
		if (err && mnl_nlmsg_ok(nlh, (int)n) && nlh->nlmsg_type == NLMSG_ERROR &&
		    nlh->nlmsg_seq == seq)
			read_explanation(nlh, err);
		ret = mnl_cb_run(buf, (size_t)n, seq, portid, cb, arg);
		/* An answer to a request that was given up before. */
		if (ret < 0 && (errno == ESRCH || errno == EPROTO) && nlh->nlmsg_seq != seq)
			continue;
		if (ret < 0)
			return -errno;
		if (ret == MNL_CB_STOP)
			return 0;
	}
}

/* IFLA_AF_SPEC holds a nest for each family, and that of IPv6 what we look for. */
static void read_af_spec(const struct nlattr *spec, struct rtnl_link *link)
{
	const struct nlattr *family, *attr;

	rtnl_each_nested(family, spec)
	{
		if (mnl_attr_get_type(family) != AF_INET6)
			continue;
		rtnl_each_nested(attr, family)
		{
			if (mnl_attr_get_type(attr) == IFLA_INET6_ADDR_GEN_MODE &&
			    mnl_attr_validate(attr, MNL_TYPE_U8) >= 0)
				link->addr_gen = mnl_attr_get_u8(attr);
		}
	}
}

static void read_stats(const struct nlattr *attr, struct rtnl_link *link)
{
	struct rtnl_link_stats64 stats = {.tx_dropped = 0};
	size_t len = mnl_attr_get_payload_len(attr);

	memcpy(&stats, mnl_attr_get_payload(attr), len < sizeof(stats) ? len : sizeof(stats));
	link->tx_dropped = stats.tx_dropped;
}

static int on_link(const struct nlmsghdr *nlh, void *arg)
{
	const struct ifinfomsg *info = mnl_nlmsg_get_payload(nlh);
	struct rtnl_link *link = arg;
	const struct nlattr *attr;

	memset(link, 0, sizeof(*link));
	link->ifindex = (unsigned)info->ifi_index;
	link->up = info->ifi_flags & IFF_UP;
	link->carrier = info->ifi_flags & IFF_LOWER_UP;
	link->addr_gen = -1;
	rtnl_each_attr(attr, nlh, sizeof(*info))
	{
		uint16_t type = mnl_attr_get_type(attr);

		if (type == IFLA_MTU && mnl_attr_validate(attr, MNL_TYPE_U32) >= 0)
			link->mtu = mnl_attr_get_u32(attr);
		else if (type == IFLA_ADDRESS && mnl_attr_get_payload_len(attr) == MAC_LEN)
			memcpy(&link->mac, mnl_attr_get_payload(attr), MAC_LEN);
		else if (type == IFLA_MASTER && mnl_attr_validate(attr, MNL_TYPE_U32) >= 0)
			link->master = mnl_attr_get_u32(attr);
		else if (type == IFLA_IFNAME && mnl_attr_validate(attr, MNL_TYPE_NUL_STRING) >= 0)
			(void)snprintf(link->name, sizeof(link->name), "%s",
				       mnl_attr_get_str(attr));
		else if (type == IFLA_AF_SPEC)
			read_af_spec(attr, link);
		else if (type == IFLA_STATS64)
			read_stats(attr, link);
	}
	return MNL_CB_OK;
}

struct each_link {
	rtnl_link_fn *fn;
	void *arg;
};

static int on_each_link(const struct nlmsghdr *nlh, void *arg)
{
	const struct each_link *each = arg;
	struct rtnl_link link;

	if (nlh->nlmsg_type != RTM_NEWLINK)
		return MNL_CB_OK;
	(void)on_link(nlh, &link);
	each->fn(each->arg, &link);
	return MNL_CB_OK;
}

struct nlmsghdr *rtnl_put_header(char *buf, uint16_t type, uint16_t flags, size_t extra,
				 void **payload)
{
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);

	nlh->nlmsg_type = type;
	nlh->nlmsg_flags = (uint16_t)(NLM_F_REQUEST | flags);
	*payload = mnl_nlmsg_put_extra_header(nlh, extra);
	return nlh;
}

/* By its name; or, where that is NULL, its index. */
static int get_link(struct rtnl *rtnl, const char *ifname, unsigned ifindex, struct rtnl_link *link)
{
	char buf[512] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct ifinfomsg *info;
	struct nlmsghdr *nlh;

	memset(link, 0, sizeof(*link));
	nlh = rtnl_put_header(buf, RTM_GETLINK, NLM_F_ACK, sizeof(*info), (void **)&info);
	info->ifi_index = (int)ifindex;
	if (ifname)
		mnl_attr_put_strz(nlh, IFLA_IFNAME, ifname);
	return rtnl_transact(rtnl, nlh, on_link, link, NULL);
}

int rtnl_get_link(struct rtnl *rtnl, const char *ifname, struct rtnl_link *link)
{
	return get_link(rtnl, ifname, 0, link);
}

int rtnl_get_link_at(struct rtnl *rtnl, unsigned ifindex, struct rtnl_link *link)
{
	return get_link(rtnl, NULL, ifindex, link);
}

int rtnl_each_link(struct rtnl *rtnl, rtnl_link_fn *fn, void *arg)
{
	char buf[256] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct each_link each = {fn, arg};
	struct ifinfomsg *info;
	struct nlmsghdr *nlh;

	nlh = rtnl_put_header(buf, RTM_GETLINK, NLM_F_DUMP, sizeof(*info), (void **)&info);
	/* Half of what a link says of itself is its counters. */
	mnl_attr_put_u32(nlh, IFLA_EXT_MASK, RTEXT_FILTER_SKIP_STATS);
	return rtnl_transact(rtnl, nlh, on_each_link, &each, NULL);
}

static void put_addr_gen(struct nlmsghdr *nlh, uint8_t mode)
{
	struct nlattr *spec = mnl_attr_nest_start(nlh, IFLA_AF_SPEC);
	struct nlattr *family = mnl_attr_nest_start(nlh, AF_INET6);

	mnl_attr_put_u8(nlh, IFLA_INET6_ADDR_GEN_MODE, mode);
	mnl_attr_nest_end(nlh, family);
	mnl_attr_nest_end(nlh, spec);
}

int rtnl_set_link(struct rtnl *rtnl, unsigned ifindex, const struct rtnl_change *change,
		  struct err *err)
{
	char buf[1024] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct ifinfomsg *info;
	struct nlmsghdr *nlh;
	struct err why = {""};
	int ret;

	nlh = rtnl_put_header(buf, RTM_NEWLINK, NLM_F_ACK, sizeof(*info), (void **)&info);
	info->ifi_index = (int)ifindex;
	if (change->up || change->down) {
		info->ifi_flags = change->up ? IFF_UP : 0;
		info->ifi_change = IFF_UP;
	}
	if (change->netns_fd >= 0)
		mnl_attr_put_u32(nlh, IFLA_NET_NS_FD, (uint32_t)change->netns_fd);
	if (change->name)
		mnl_attr_put_strz(nlh, IFLA_IFNAME, change->name);
	if (change->mac)
		mnl_attr_put(nlh, IFLA_ADDRESS, sizeof(*change->mac), change->mac);
	if (change->mtu)
		mnl_attr_put_u32(nlh, IFLA_MTU, change->mtu);
	if (change->set_addr_gen)
		put_addr_gen(nlh, change->addr_gen);
	ret = rtnl_transact(rtnl, nlh, NULL, NULL, &why);
	if (ret < 0)
		return err_set(err, -ret, "%s", why.text[0] ? why.text : strerror(-ret));
	return 0;
}

struct each_addr {
	rtnl_addr_fn *fn;
	void *arg;
};

static int on_addr(const struct nlmsghdr *nlh, void *arg)
{
	const struct ifaddrmsg *info = mnl_nlmsg_get_payload(nlh);
	const struct each_addr *each = arg;
	const struct nlattr *attr;
	struct ipaddr addr = {.family = 0};
	uint32_t flags = info->ifa_flags;
	bool local = false;

	if (info->ifa_family != AF_INET && info->ifa_family != AF_INET6)
		return MNL_CB_OK;
	rtnl_each_attr(attr, nlh, sizeof(*info))
	{
		uint16_t type = mnl_attr_get_type(attr);
		size_t len = mnl_attr_get_payload_len(attr);

		if (type == IFA_FLAGS && len == sizeof(flags))
			flags = mnl_attr_get_u32(attr);
		/* IFA_LOCAL is the own address where the two differ (point to point). */
		if ((type != IFA_LOCAL && type != IFA_ADDRESS) || (type == IFA_ADDRESS && local) ||
		    len != (info->ifa_family == AF_INET ? 4u : 16u))
			continue;
		memset(&addr, 0, sizeof(addr));
		addr.family = info->ifa_family;
		memcpy(addr.bytes, mnl_attr_get_payload(attr), len);
		local = type == IFA_LOCAL;
	}
	if (addr.family && !(flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED)))
		each->fn(each->arg, info->ifa_index, &addr, info->ifa_prefixlen);
	return MNL_CB_OK;
}

int rtnl_each_addr(struct rtnl *rtnl, rtnl_addr_fn *fn, void *arg)
{
	char buf[256] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct each_addr each = {fn, arg};
	struct ifaddrmsg *info;
	struct nlmsghdr *nlh;

	nlh = rtnl_put_header(buf, RTM_GETADDR, NLM_F_DUMP, sizeof(*info), (void **)&info);
	return rtnl_transact(rtnl, nlh, on_addr, &each, NULL);
}
