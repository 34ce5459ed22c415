/* SPDX-License-Identifier: BSD-2-Clause */
#include "switchd/nexthop.h"

#include <errno.h>
#include <ev.h>
#include <linux/netlink.h>
#include <linux/xfrm.h>
#include <stdlib.h>
#include <sys/socket.h>

#include "lib/hash.h"
#include "lib/log.h"
#include "lib/revive.h"
#include "switchd/rtnl_impl.h"
#include "switchd/taps.h"

LOG_MODULE("nexthop");

#define ENTRIES	 1024u /* hosts that share one take turns, each asking again */
#define FRESH_MS 1000u
#define RETRY_MS 50u /* while the kernel looks for a neighbour */
#define TAPS_MS	 10u /* how soon a capture sees everything, and all of it if there was silence */
#define LINKS	 64u

struct nexthop {
	struct ipaddr dst, src;
	unsigned ifindex;
	uint64_t asked; /* 0: never */
	struct mac mac;
	bool good;
};

/* An interface, and whether somebody captures there. */
struct tapped {
	unsigned ifindex;
	uint64_t asked; /* 0: never */
	bool on;
};

struct nexthops {
	struct ev_loop *loop;
	struct rtnl *rtnl;
	const uint64_t *now;
	struct hash_key key;
	/* IPsec policies stand in the kernel's stack alone: with one, nothing goes past it. */
	struct mnl_socket *xfrm; /* NULL: this kernel has no such thing */
	ev_io io;
	bool policies;
	struct tapped tapped[LINKS];
	struct nexthop entry[ENTRIES];
};

/* ---- IPsec ---- */

static int on_spd(const struct nlmsghdr *nlh, void *arg)
{
	struct xfrmu_spdinfo info;
	const struct nlattr *attr;

	if (nlh->nlmsg_type != XFRM_MSG_NEWSPDINFO)
		return MNL_CB_OK;
	/* A word of flags, then attributes. */
	rtnl_each_attr(attr, nlh, sizeof(uint32_t))
	{
		if (mnl_attr_get_type(attr) != XFRMA_SPD_INFO ||
		    mnl_attr_get_payload_len(attr) < sizeof(info))
			continue;
		memcpy(&info, mnl_attr_get_payload(attr), sizeof(info));
		*(bool *)arg = info.outcnt != 0 || info.incnt != 0;
	}
	return MNL_CB_OK;
}

/*
 * Whether a policy could match what is sent or arrives; true also when the kernel would not say.
 *
 * @syscall sendmsg recvmsg close
 */
static bool ask_for_policies(void)
{
	char buf[4096] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct nlmsghdr *nlh = mnl_nlmsg_put_header(buf);
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_XFRM, SOCK_CLOEXEC);
	struct iovec iov = {nlh, 0};
	const struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	bool policies = true;
	ssize_t n;

	if (!nl)
		return true;
	nlh->nlmsg_type = XFRM_MSG_GETSPDINFO;
	nlh->nlmsg_flags = NLM_F_REQUEST;
	*(uint32_t *)mnl_nlmsg_put_extra_header(nlh, sizeof(uint32_t)) = UINT32_MAX;
	iov.iov_len = nlh->nlmsg_len;
	/* The kernel answers before sendmsg returns. */
	if (sendmsg(mnl_socket_get_fd(nl), &msg, 0) >= 0) {
		n = mnl_socket_recvfrom(nl, buf, sizeof(buf));
		if (n > 0)
			(void)mnl_cb_run(buf, (size_t)n, 0, 0, on_spd, &policies);
	}
	mnl_socket_close(nl);
	return policies;
}

static void see_policies(struct nexthops *nexthops)
{
	bool before = nexthops->policies;

	nexthops->policies = ask_for_policies();
	if (nexthops->policies && !before)
		log_info("there are IPsec policies: packets go through the kernel's network stack");
}

static void on_policy(struct ev_loop *loop, ev_io *io, int events)
{
	char buf[4096];
	struct iovec iov = {buf, sizeof(buf)};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	revive(loop, io, events);
	/* Only that something has changed counts; lost events say that, too. */
	while (recvmsg(io->fd, &msg, MSG_DONTWAIT) > 0 || errno == ENOBUFS || errno == EINTR)
		errno = 0;
	see_policies(io->data);
}

/* A kernel without IPsec has no policies; else to be told of them is a condition. */
static void follow_policies(struct nexthops *nexthops)
{
	struct mnl_socket *nl = mnl_socket_open2(NETLINK_XFRM, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (!nl) {
		nexthops->policies = errno != EPROTONOSUPPORT;
		return;
	}
	nexthops->policies = true;
	if (mnl_socket_bind(nl, XFRMGRP_POLICY, MNL_SOCKET_AUTOPID) < 0) {
		mnl_socket_close(nl);
		return;
	}
	nexthops->xfrm = nl;
	ev_io_init(&nexthops->io, on_policy, mnl_socket_get_fd(nl), EV_READ);
	nexthops->io.data = nexthops;
	ev_set_priority(&nexthops->io, EV_MAXPRI); /* before what arrives is taken */
	ev_io_start(nexthops->loop, &nexthops->io);
	see_policies(nexthops);
}

bool nexthops_policies(const struct nexthops *nexthops)
{
	return nexthops->policies;
}

/* ---- routes and neighbours ---- */

int nexthops_open(struct nexthops **out, struct ev_loop *loop, struct rtnl *rtnl,
		  const uint64_t *now)
{
	struct nexthops *nexthops = calloc(1, sizeof(*nexthops));

	if (!nexthops)
		return -ENOMEM;
	nexthops->loop = loop;
	nexthops->rtnl = rtnl;
	nexthops->now = now;
	hash_key_random(&nexthops->key);
	follow_policies(nexthops);
	*out = nexthops;
	return 0;
}

void nexthops_close(struct nexthops *nexthops)
{
	if (!nexthops)
		return;
	if (nexthops->xfrm) {
		ev_io_stop(nexthops->loop, &nexthops->io);
		mnl_socket_close(nexthops->xfrm);
	}
	free(nexthops);
}

static void ask(struct nexthops *nexthops, struct nexthop *hop, const struct encap_uplink *uplink)
{
	struct ipaddr via;

	hop->good =
	    rtnl_get_via(nexthops->rtnl, uplink->ifindex, &hop->src, &hop->dst, &via) == 0 &&
	    rtnl_get_neighbour(nexthops->rtnl, uplink->ifindex, &via, &hop->mac) == 0 &&
	    !mac_is_group(&hop->mac) && !mac_is_zero(&hop->mac);
	hop->asked = *nexthops->now;
}

/* What goes past the stack is seen by nobody there; so while somebody looks, nothing does. */
bool nexthops_tapped(struct nexthops *nexthops, const struct encap_host *host,
		     const struct encap_uplink *uplink)
{
	struct tapped *tapped = &nexthops->tapped[uplink->ifindex % LINKS];
	bool before = tapped->ifindex == uplink->ifindex && tapped->on;

	if (uplink->unseen)
		return false;
	if (tapped->ifindex == uplink->ifindex && tapped->asked &&
	    *nexthops->now - tapped->asked < TAPS_MS)
		return tapped->on;
	*tapped = (struct tapped){uplink->ifindex, *nexthops->now, taps_on(host, uplink->ifindex)};
	if (tapped->on != before)
		log_info("uplink %s: %s %s: packets go %s", uplink->name,
			 tapped->on ? "somebody captures on" : "nobody captures any more on",
			 uplink->interface,
			 tapped->on ? "through the kernel's stack, to be seen"
				    : "past the kernel's stack");
	return tapped->on;
}

bool nexthops_get(struct nexthops *nexthops, const struct encap_host *host,
		  const struct encap_uplink *uplink, const struct ipaddr *dst, struct mac *mac)
{
	const struct ipaddr *src = &uplink->addr[dst->family == AF_INET6];
	struct nexthop *hop;

	if (nexthops->policies || nexthops_tapped(nexthops, host, uplink))
		return false;
	if (ipaddr_is_multicast(dst)) {
		*mac = ipaddr_group_mac(dst);
		return true;
	}
	hop = &nexthops->entry[hash_bytes(&nexthops->key, dst, sizeof(*dst)) % ENTRIES];
	if (hop->asked == 0 || *nexthops->now - hop->asked >= (hop->good ? FRESH_MS : RETRY_MS) ||
	    hop->ifindex != uplink->ifindex || !ipaddr_equal(&hop->dst, dst) ||
	    !ipaddr_equal(&hop->src, src)) {
		hop->dst = *dst;
		hop->src = *src;
		hop->ifindex = uplink->ifindex;
		ask(nexthops, hop, uplink);
	}
	if (hop->good)
		*mac = hop->mac;
	return hop->good;
}
