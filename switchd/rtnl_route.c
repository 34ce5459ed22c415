/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <string.h>

#include "switchd/rtnl_impl.h"

static size_t addr_len(const struct ipaddr *addr)
{
	return addr->family == AF_INET6 ? 16 : 4;
}

/* What the answer to a question for a route says, as far as it matters. */
struct route {
	unsigned oif;
	struct ipaddr via; /* unset: on the link */
	bool plain;	   /* unicast, and nothing is put around it on the way */
};

static void read_address(const struct nlattr *attr, uint16_t family, struct ipaddr *addr)
{
	if (mnl_attr_get_payload_len(attr) != (family == AF_INET6 ? 16u : 4u))
		return;
	memset(addr, 0, sizeof(*addr));
	addr->family = family;
	memcpy(addr->bytes, mnl_attr_get_payload(attr), mnl_attr_get_payload_len(attr));
}

/* RTA_VIA: an address of another family than the route's. */
static void read_via(const struct nlattr *attr, struct ipaddr *addr)
{
	const struct rtvia *via = mnl_attr_get_payload(attr);
	size_t len = mnl_attr_get_payload_len(attr);

	if (len < sizeof(*via) || len - sizeof(*via) != (via->rtvia_family == AF_INET6 ? 16u : 4u))
		return;
	memset(addr, 0, sizeof(*addr));
	addr->family = via->rtvia_family;
	memcpy(addr->bytes, via->rtvia_addr, len - sizeof(*via));
}

static int on_route(const struct nlmsghdr *nlh, void *arg)
{
	const struct rtmsg *info = mnl_nlmsg_get_payload(nlh);
	struct route *route = arg;
	const struct nlattr *attr;

	if (nlh->nlmsg_type != RTM_NEWROUTE)
		return MNL_CB_OK;
	route->plain = info->rtm_type == RTN_UNICAST;
	rtnl_each_attr(attr, nlh, sizeof(*info))
	{
		uint16_t type = mnl_attr_get_type(attr);

		if (type == RTA_OIF && mnl_attr_validate(attr, MNL_TYPE_U32) >= 0)
			route->oif = mnl_attr_get_u32(attr);
		else if (type == RTA_GATEWAY)
			read_address(attr, info->rtm_family, &route->via);
		else if (type == RTA_VIA)
			read_via(attr, &route->via);
		else if (type == RTA_ENCAP || type == RTA_ENCAP_TYPE)
			route->plain = false;
	}
	return MNL_CB_OK;
}

int rtnl_get_via(struct rtnl *rtnl, unsigned ifindex, const struct ipaddr *src,
		 const struct ipaddr *dst, struct ipaddr *via)
{
	char buf[512] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct route route = {.oif = 0};
	struct nlmsghdr *nlh;
	struct rtmsg *info;
	int ret;

	nlh = rtnl_put_header(buf, RTM_GETROUTE, NLM_F_ACK, sizeof(*info), (void **)&info);
	info->rtm_family = (uint8_t)dst->family;
	info->rtm_dst_len = (uint8_t)(8 * addr_len(dst));
	info->rtm_src_len = (uint8_t)(8 * addr_len(src));
	mnl_attr_put(nlh, RTA_DST, addr_len(dst), dst->bytes);
	mnl_attr_put(nlh, RTA_SRC, addr_len(src), src->bytes);
	mnl_attr_put_u32(nlh, RTA_OIF, ifindex);
	ret = rtnl_transact(rtnl, nlh, on_route, &route, NULL);
	if (ret < 0)
		return ret;
	if (!route.plain || route.oif != ifindex)
		return -ENETUNREACH;
	*via = ipaddr_is_set(&route.via) ? route.via : *dst;
	return 0;
}

struct neighbour {
	uint16_t state;
	struct mac mac;
	bool has_mac;
};

static int on_neighbour(const struct nlmsghdr *nlh, void *arg)
{
	const struct ndmsg *info = mnl_nlmsg_get_payload(nlh);
	struct neighbour *neighbour = arg;
	const struct nlattr *attr;

	if (nlh->nlmsg_type != RTM_NEWNEIGH)
		return MNL_CB_OK;
	neighbour->state = info->ndm_state;
	rtnl_each_attr(attr, nlh, sizeof(*info))
	{
		if (mnl_attr_get_type(attr) == NDA_LLADDR &&
		    mnl_attr_get_payload_len(attr) == MAC_LEN) {
			memcpy(&neighbour->mac, mnl_attr_get_payload(attr), MAC_LEN);
			neighbour->has_mac = true;
		}
	}
	return MNL_CB_OK;
}

static struct nlmsghdr *put_neighbour(char *buf, uint16_t type, unsigned ifindex,
				      const struct ipaddr *addr, struct ndmsg **info)
{
	struct nlmsghdr *nlh = rtnl_put_header(buf, type, NLM_F_ACK, sizeof(**info), (void **)info);

	(*info)->ndm_family = (uint8_t)addr->family;
	(*info)->ndm_ifindex = (int)ifindex;
	mnl_attr_put(nlh, NDA_DST, addr_len(addr), addr->bytes);
	return nlh;
}

int rtnl_get_neighbour(struct rtnl *rtnl, unsigned ifindex, const struct ipaddr *addr,
		       struct mac *mac)
{
	char buf[256] __attribute__((aligned(NLMSG_ALIGNTO)));
	struct neighbour neighbour = {.state = NUD_NONE};
	struct nlmsghdr *nlh;
	struct ndmsg *info;
	int ret;

	nlh = put_neighbour(buf, RTM_GETNEIGH, ifindex, addr, &info);
	ret = rtnl_transact(rtnl, nlh, on_neighbour, &neighbour, NULL);
	if (ret < 0)
		return ret;
	if (!neighbour.has_mac || !(neighbour.state & (NUD_REACHABLE | NUD_PERMANENT | NUD_NOARP |
						       NUD_STALE | NUD_DELAY | NUD_PROBE)))
		return -ENOENT;
	/* It is in use, though the kernel sees no packet: it shall ask again. */
	if (neighbour.state & NUD_STALE) {
		nlh = put_neighbour(buf, RTM_NEWNEIGH, ifindex, addr, &info);
		info->ndm_flags = NTF_USE;
		(void)rtnl_transact(rtnl, nlh, NULL, NULL, NULL);
	}
	*mac = neighbour.mac;
	return 0;
}
