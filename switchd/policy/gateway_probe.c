/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Packets that are made up to find out what the gateway does with them: for `policy verify`.
 */
#include <arpa/inet.h>

#include "lib/checksum.h"
#include "switchd/policy/gateway_impl.h"
#include "switchd/segment.h"

#define PROTOCOL_PROBE 253 /* RFC 3692: for experiments */
#define PAYLOAD	       16u
#define TRIES	       64u /* addresses that are looked at for one of nobody */
#define NEIGHBOURS     64u
#define NEIGHBOURS_MAX 4096u

/* ---- addresses ---- */

/* One that the gateway has learned of a station there. */
static bool known_address(const struct gateway_side *side, const struct gateway_end *end,
			  const struct ipprefix *subnet, struct ipaddr *addr)
{
	struct neighbour_info some[NEIGHBOURS];
	const uint16_t segment = side->segment->number;
	const uint64_t now = side->all->sw->now;
	size_t n, seen = 0;
	uint32_t cursor = 0;

	while (seen < NEIGHBOURS_MAX && (n = neighbours_list(side->all->table, segment, now,
							     &cursor, some, NEIGHBOURS)) > 0) {
		seen += n;
		for (size_t i = 0; i < n; i++) {
			if (!mac_equal(&some[i].where.mac, &end->mac) ||
			    !ipprefix_contains(subnet, &some[i].addr))
				continue;
			*addr = some[i].addr;
			return true;
		}
	}
	return false;
}

/* One that the port may use; *any says whether it may use but some. */
static bool allowed_address(const struct gateway_end *end, const struct ipprefix *subnet,
			    struct ipaddr *addr, bool *any)
{
	const struct conf_list *list = end->port ? &end->port->conf->addresses : NULL;
	const struct ipprefix *allowed = list ? list->items : NULL;

	*any = list && list->count > 0;
	for (size_t i = 0; list && i < list->count; i++) {
		const bool whole = allowed[i].len == (allowed[i].addr.family == AF_INET ? 32 : 128);

		if (!whole || !ipprefix_contains(subnet, &allowed[i].addr))
			continue;
		*addr = allowed[i].addr;
		return true;
	}
	return false;
}

/* One of the subnet that nobody has been heard to have: from its end, where few are. */
static bool free_address(const struct gateway_side *side, const struct ipprefix *subnet,
			 struct ipaddr *addr)
{
	struct neighbour_info info;
	struct ipprefix first = *subnet;

	ipprefix_clear_host(&first);
	for (uint32_t n = 2; n < 2 + TRIES; n++) {
		*addr = first.addr;
		if (addr->family == AF_INET) {
			const uint32_t all = subnet->len ? UINT32_MAX >> subnet->len : UINT32_MAX;

			if (subnet->len > 30 || n >= all)
				return false;
			addr->v4.s_addr |= htonl(all - n + 1);
		} else {
			/* A subnet smaller than that is full of stations that are named. */
			if (subnet->len > 112)
				return false;
			addr->bytes[14] = 0xff;
			addr->bytes[15] = (uint8_t)(0xff - n);
		}
		if (!gateway_address_find(side, addr) &&
		    !neighbours_info(side->all->table, side->segment->number, addr,
				     side->all->sw->now, &info))
			return true;
	}
	return false;
}

static bool choose_address(const struct gateway_side *side, const struct gateway_end *end,
			   const struct ipprefix *subnet, struct ipaddr *addr)
{
	bool only;

	if (allowed_address(end, subnet, addr, &only))
		return true;
	if (!mac_is_zero(&end->mac) && known_address(side, end, subnet, addr))
		return true;
	return !only && free_address(side, subnet, addr);
}

/* ---- the packet ---- */

static struct frame *make_packet(struct switchd *sw, const struct mac *dst, const struct mac *src,
				 const struct ipaddr *from, const struct ipaddr *to)
{
	const bool four = from->family == AF_INET;
	const size_t header = four ? sizeof(struct ipv4_header) : sizeof(struct ipv6_header);
	const size_t len = ETH_HEADER_LEN + header + PAYLOAD;
	struct frame *frame = frame_alloc(sw->pool, len < 60 ? 60 : len);
	struct eth_header eth = {*dst, *src, htons(four ? ETHERTYPE_IPV4 : ETHERTYPE_IPV6)};

	if (!frame)
		return NULL;
	memset(frame->data, 0, len < 60 ? 60 : len);
	memcpy(frame->data, &eth, sizeof(eth));
	if (four) {
		struct ipv4_header ip = {.version_ihl = 0x45,
					 .total_len = htons((uint16_t)(header + PAYLOAD)),
					 .ttl = 64,
					 .protocol = PROTOCOL_PROBE};

		memcpy(ip.src, from->bytes, sizeof(ip.src));
		memcpy(ip.dst, to->bytes, sizeof(ip.dst));
		ip.checksum = checksum(&ip, sizeof(ip));
		memcpy(frame->data + ETH_HEADER_LEN, &ip, sizeof(ip));
	} else {
		struct ipv6_header ip = {.version_class_label = htonl(6u << 28),
					 .payload_len = htons(PAYLOAD),
					 .next_header = PROTOCOL_PROBE,
					 .hop_limit = 64};

		memcpy(ip.src, from->bytes, sizeof(ip.src));
		memcpy(ip.dst, to->bytes, sizeof(ip.dst));
		memcpy(frame->data + ETH_HEADER_LEN, &ip, sizeof(ip));
	}
	frame->len = (uint32_t)(len < 60 ? 60 : len);
	return frame;
}

/* By which encap of the segment what that host has routed would come. */
static struct segment_encap *wire_of(const struct segment *segment, const struct ipaddr *host)
{
	for (size_t i = 0; ipaddr_is_set(host) && i < segment->encap_count; i++) {
		struct segment_encap *se = segment->encaps[i];

		if (se->open && se->encap.ops->reaches && se->encap.ops->reaches(&se->encap, host))
			return se;
	}
	return NULL;
}

static const struct gateway_route *route_of(const struct gateway_side *side,
					    const struct segment *to, uint16_t family)
{
	for (size_t i = 0; i < side->route_count; i++) {
		if (side->routes[i].to == to && side->routes[i].addr.family == family)
			return &side->routes[i];
	}
	return NULL;
}

bool gateway_probe(const struct gateway_end *from, const struct gateway_end *to, uint16_t family,
		   struct gateway_probe *probe)
{
	/* No host's name comes to it, but by that chance. */
	static const struct mac other_router = {
	    {GATEWAY_ROUTER_0, GATEWAY_ROUTER_1, 0, 'v', 'r', 'f'}};
	const struct gateway_side *here = from->segment->gateway, *there = to->segment->gateway;
	const struct gateway_route *out, *back;
	struct ipaddr src;

	memset(probe, 0, sizeof(*probe));
	if (!here || !there || !here->here || !there->here || mac_is_zero(&to->mac))
		return false;
	out = route_of(here, to->segment, family);
	back = route_of(there, from->segment, family);
	probe->supposed = (struct supposed){.mac = to->mac, .where = to->where};
	if (!out || !back || !choose_address(here, from, &back->subnet, &src) ||
	    !choose_address(there, to, &out->subnet, &probe->supposed.addr))
		return false;
	if (from->port) {
		const struct mac nobody = {{0x02, 0x54, 0x56, 0x44, 0x00, 0x01}};

		probe->frame = make_packet(here->all->sw, &here->mac,
					   mac_is_zero(&from->mac) ? &nobody : &from->mac, &src,
					   &probe->supposed.addr);
		return probe->frame != NULL;
	}
	/* That host has routed it already. */
	probe->se = wire_of(to->segment, &from->where.remote);
	if (!probe->se || !to->port)
		return false;
	probe->frame =
	    make_packet(here->all->sw, &to->mac, &other_router, &src, &probe->supposed.addr);
	return probe->frame != NULL;
}
