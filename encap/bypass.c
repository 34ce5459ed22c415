/* SPDX-License-Identifier: BSD-2-Clause */
#include "encap/bypass.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>

#include "encap/xsk.h"
#include "lib/checksum.h"
#include "lib/list.h"
#include "lib/packet.h"

#define HEADERS_MAX (ETH_HEADER_LEN + sizeof(struct ipv6_header))

struct bypass {
	struct list link;
	unsigned ifindex, refs;
	unsigned mtu; /* that it was opened for */
	struct xsk *xsk;
	unsigned added; /* since it was last flushed */
	uint16_t ip_id;
	/* The headers of the last packet: the next goes the same way, mostly. Only for
	 * as long as a batch lasts, since the way may change. */
	struct ipaddr dst;
	struct bypass_to to;
	uint16_t family; /* 0: there are none */
	uint32_t sum;	 /* of the IPv4 header without length, identification and checksum */
	uint8_t headers[HEADERS_MAX];
};

int bypass_get(struct list *all, const struct encap_uplink *uplink, struct bypass **out)
{
	struct bypass *bypass;
	int ret;

	list_for_each (all, it) {
		bypass = container_of(it, struct bypass, link);
		if (bypass_fits(bypass, uplink)) {
			bypass->refs++;
			*out = bypass;
			return 0;
		}
	}
	bypass = calloc(1, sizeof(*bypass));
	if (!bypass)
		return -ENOMEM;
	ret = xsk_open(&bypass->xsk, uplink->ifindex, uplink->mtu + ETH_HEADER_LEN);
	if (ret < 0) {
		free(bypass);
		return ret;
	}
	bypass->ifindex = uplink->ifindex;
	bypass->mtu = uplink->mtu;
	bypass->refs = 1;
	list_add_tail(all, &bypass->link);
	*out = bypass;
	return 0;
}

bool bypass_fits(const struct bypass *bypass, const struct encap_uplink *uplink)
{
	return bypass->ifindex == uplink->ifindex && bypass->mtu == uplink->mtu;
}

void bypass_put(struct bypass *bypass)
{
	if (!bypass || --bypass->refs > 0)
		return;
	xsk_close(bypass->xsk);
	list_del(&bypass->link);
	free(bypass);
}

static void make_headers(struct bypass *bypass, const struct encap_uplink *uplink,
			 const struct ipaddr *dst, const struct bypass_to *to,
			 const struct mac *mac)
{
	bool v6 = dst->family == AF_INET6;
	struct eth_header eth = {*mac, uplink->mac, htons(v6 ? ETHERTYPE_IPV6 : ETHERTYPE_IPV4)};
	const struct ipaddr *src = &uplink->addr[v6];

	memcpy(bypass->headers, &eth, sizeof(eth));
	if (v6) {
		struct ipv6_header ip = {
		    .version_class_label = htonl(6u << 28),
		    .next_header = to->protocol,
		    .hop_limit = to->ttl,
		};

		memcpy(ip.src, src->bytes, sizeof(ip.src));
		memcpy(ip.dst, dst->bytes, sizeof(ip.dst));
		memcpy(bypass->headers + sizeof(eth), &ip, sizeof(ip));
	} else {
		struct ipv4_header ip = {
		    .version_ihl = 0x45,
		    .ttl = to->ttl,
		    .protocol = to->protocol,
		};

		memcpy(ip.src, src->bytes, sizeof(ip.src));
		memcpy(ip.dst, dst->bytes, sizeof(ip.dst));
		memcpy(bypass->headers + sizeof(eth), &ip, sizeof(ip));
		bypass->sum = checksum_fold(checksum_add(0, &ip, sizeof(ip)));
	}
	bypass->dst = *dst;
	bypass->to = *to;
	bypass->family = dst->family;
}

/* Whether the headers are those for this destination, or can be made. */
static bool aim(struct bypass *bypass, struct encap_host *host, const struct encap_uplink *uplink,
		const struct ipaddr *dst, const struct bypass_to *to)
{
	struct mac mac;

	if (bypass->family && ipaddr_equal(&bypass->dst, dst) && bypass->to.ttl == to->ttl &&
	    bypass->to.protocol == to->protocol)
		return true;
	if (!host->next_hop || mac_is_zero(&uplink->mac) ||
	    !host->next_hop(host, uplink, dst, &mac))
		return false;
	make_headers(bypass, uplink, dst, to, &mac);
	return true;
}

enum bypass_result bypass_add(struct bypass *bypass, struct encap_host *host,
			      const struct encap_uplink *uplink, const struct ipaddr *dst,
			      const struct bypass_to *to, const struct frame *payload)
{
	bool v6 = dst->family == AF_INET6;
	size_t header = v6 ? sizeof(struct ipv6_header) : sizeof(struct ipv4_header);
	uint8_t *out;

	if (header + payload->len > bypass->mtu || !aim(bypass, host, uplink, dst, to))
		return BYPASS_NOT;
	out = xsk_reserve(bypass->xsk);
	if (!out)
		return BYPASS_FULL;
	memcpy(out, bypass->headers, ETH_HEADER_LEN + header);
	memcpy(out + ETH_HEADER_LEN + header, payload->data, payload->len);
	if (v6) {
		struct ipv6_header *ip = (struct ipv6_header *)(out + ETH_HEADER_LEN);

		ip->payload_len = htons((uint16_t)payload->len);
	} else {
		struct ipv4_header *ip = (struct ipv4_header *)(out + ETH_HEADER_LEN);

		ip->total_len = htons((uint16_t)(header + payload->len));
		ip->id = htons(bypass->ip_id++);
		ip->checksum =
		    (uint16_t)~checksum_fold((uint64_t)bypass->sum + ip->total_len + ip->id);
	}
	xsk_commit(bypass->xsk, ETH_HEADER_LEN + header + payload->len);
	bypass->added++;
	return BYPASS_ADDED;
}

int bypass_flush(struct bypass *bypass, unsigned *packets)
{
	*packets = bypass->added;
	bypass->added = 0;
	bypass->family = 0;
	return *packets ? xsk_flush(bypass->xsk) : 0;
}

void bypass_resume(struct bypass *bypass)
{
	if (!xsk_is_idle(bypass->xsk))
		(void)xsk_flush(bypass->xsk);
}
