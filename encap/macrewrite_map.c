/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * One frame: where it goes on the wire, and which Ethernet addresses a guest gets to
 * see. No I/O; the table of bindings is only looked at.
 */
#include <arpa/inet.h>
#include <string.h>

#include "encap/gso.h"
#include "encap/macrewrite.h"
#include "lib/checksum.h"

#define DHCP_SERVER 67
#define DHCP_CLIENT 68
#define IP_OFF_TTL  8u
#define ICMP6_FIRST 133 /* router solicitation */
#define ICMP6_LAST  137 /* redirect */

static const struct mac broadcast = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

struct bootp { /* RFC 951, as far as it matters */
	uint8_t op, htype, hlen, hops;
	uint8_t other[24];
	uint8_t chaddr[16];
} __attribute__((packed));

/* ---- addresses ---- */

struct mac macrewrite_group_mac(unsigned farm, unsigned subnet)
{
	return (struct mac){{0x03, 0x54, (uint8_t)(farm >> 8), (uint8_t)farm,
			     (uint8_t)(subnet >> 8), (uint8_t)subnet}};
}

bool macrewrite_is_group(const struct mac *mac)
{
	return mac->octet[0] == 0x03 && mac->octet[1] == 0x54;
}

struct mac macrewrite_stand_in(const struct mac *host)
{
	const uint8_t *o = host->octet;

	return (struct mac){{0x72, 0x55, o[2], o[3], o[4], o[5]}};
}

bool macrewrite_is_stand_in(const struct mac *mac)
{
	return mac->octet[0] == 0x72 && mac->octet[1] == 0x55;
}

struct mac macrewrite_router(const struct mac *host)
{
	const uint8_t *o = host->octet;

	return (struct mac){{0x72, 0x54, o[2], o[3], o[4], o[5]}};
}

bool macrewrite_is_link_local(const struct ipaddr *addr)
{
	if (addr->family == AF_INET)
		return addr->bytes[0] == 169 && addr->bytes[1] == 254;
	return addr->family == AF_INET6 && addr->bytes[0] == 0xfe &&
	       (addr->bytes[1] & 0xc0) == 0x80;
}

bool macrewrite_in_subnet(const struct macrewrite *m, const struct ipaddr *addr)
{
	for (unsigned i = 0; i < m->prefixes; i++) {
		if (ipprefix_contains(&m->prefix[i], addr))
			return true;
	}
	return false;
}

bool macrewrite_has(const struct macrewrite *m, const struct ipaddr *addr)
{
	return macrewrite_in_subnet(m, addr) || macrewrite_is_link_local(addr);
}

bool macrewrite_is_gateway(const struct macrewrite *m, const struct ipaddr *addr)
{
	const struct ipaddr *gateway = m->conf->gateways.items;

	for (size_t i = 0; i < m->conf->gateways.count; i++) {
		if (ipaddr_equal(&gateway[i], addr))
			return true;
	}
	return false;
}

/* 255.255.255.255, and a subnet's own: the last address of a prefix that has room for one. */
bool macrewrite_is_broadcast(const struct macrewrite *m, const struct ipaddr *addr)
{
	uint32_t host = ntohl(addr->v4.s_addr);

	if (addr->family != AF_INET)
		return false;
	if (host == INADDR_BROADCAST)
		return true;
	for (unsigned i = 0; i < m->prefixes; i++) {
		if (m->prefix[i].len <= 30 && ipprefix_contains(&m->prefix[i], addr) &&
		    (host | UINT32_MAX << (32 - m->prefix[i].len)) == UINT32_MAX)
			return true;
	}
	return false;
}

/* ---- looking ---- */

static void look_at_dhcp(const struct frame *frame, struct macrewrite_view *view)
{
	const struct packet *packet = &view->packet;
	struct udp_header udp;
	struct bootp bootp;

	if (packet->protocol != IPPROTO_UDP || packet->fragment ||
	    packet->l4_off == FRAME_OFF_UNSET ||
	    !frame_peek(frame, packet->l4_off, sizeof(udp), &udp))
		return;
	view->from_client = udp.sport == htons(DHCP_CLIENT) && udp.dport == htons(DHCP_SERVER);
	view->to_client = udp.sport == htons(DHCP_SERVER) && udp.dport == htons(DHCP_CLIENT);
	if ((!view->from_client && !view->to_client) ||
	    !frame_peek(frame, packet->l4_off + sizeof(udp), sizeof(bootp), &bootp) ||
	    bootp.htype != 1 || bootp.hlen != MAC_LEN)
		return;
	memcpy(&view->client, bootp.chaddr, MAC_LEN);
	if (mac_is_group(&view->client))
		memset(&view->client, 0, sizeof(view->client));
}

/* Not all of it is zero beforehand: only what is set here is read. */
enum reason macrewrite_look(struct frame *frame, struct macrewrite_view *view)
{
	struct packet *packet = &view->packet;
	struct ipv4_header ip4;
	struct ipv6_header ip6;

	view->src = view->dst = (struct ipaddr){.family = 0};
	view->msg.kind = ARP_ND_NONE;
	view->from_client = view->to_client = false;
	view->client = (struct mac){{0}};
	if (!packet_parse(frame, packet))
		return REASON_TOO_SHORT;
	if (packet->tags || frame->tag.tpid)
		return REASON_NOT_IP;
	switch (packet->ethertype) {
	case ETHERTYPE_ARP:
	case ETHERTYPE_RARP:
		return arp_nd_parse(frame, packet, &view->msg) == ARP_ND_BAD ? REASON_BAD_HEADER
									     : REASON_NONE;
	case ETHERTYPE_IPV4:
		if (packet->ip_version != 4 ||
		    !frame_peek(frame, packet->l3_off, sizeof(ip4), &ip4))
			return REASON_BAD_HEADER;
		view->src.family = view->dst.family = AF_INET;
		memcpy(view->src.bytes, ip4.src, sizeof(ip4.src));
		memcpy(view->dst.bytes, ip4.dst, sizeof(ip4.dst));
		look_at_dhcp(frame, view);
		return REASON_NONE;
	case ETHERTYPE_IPV6:
		if (packet->ip_version != 6 ||
		    !frame_peek(frame, packet->l3_off, sizeof(ip6), &ip6))
			return REASON_BAD_HEADER;
		view->src.family = view->dst.family = AF_INET6;
		memcpy(view->src.bytes, ip6.src, sizeof(ip6.src));
		memcpy(view->dst.bytes, ip6.dst, sizeof(ip6.dst));
		if (packet->protocol == IPPROTO_ICMPV6 &&
		    arp_nd_parse(frame, packet, &view->msg) == ARP_ND_BAD)
			return REASON_BAD_HEADER;
		return REASON_NONE;
	default:
		return REASON_NOT_IP;
	}
}

/* Whether a group's packet may leave the subnet: by what its sender says of how far it goes,
 * and only from an address that means something elsewhere. */
static bool goes_far(const struct macrewrite *m, const struct frame *frame,
		     const struct macrewrite_view *view)
{
	uint8_t ttl = 0;

	if (!macrewrite_in_subnet(m, &view->src))
		return false;
	if (view->dst.family == AF_INET6)
		return (view->dst.bytes[1] & 0x0f) > 2;
	if (view->dst.bytes[0] == 224 && view->dst.bytes[1] == 0 && view->dst.bytes[2] == 0)
		return false;
	return frame_peek(frame, view->packet.l3_off + IP_OFF_TTL, 1, &ttl) && ttl > 1;
}

struct macrewrite *macrewrite_demux(const struct macrewrite_table *table,
				    const struct macrewrite_view *view)
{
	const struct arp_nd *msg = &view->msg;
	const struct mac *dst = &view->packet.eth.dst;
	struct macrewrite *m = NULL;

	if (macrewrite_is_group(dst)) {
		m = macrewrite_of_group(table, dst);
		/* The whole farm: whose it is where it came from. */
		return m ? m : macrewrite_of_addr(table, &view->src);
	}
	if (msg->kind == ARP_ND_ASK || msg->kind == ARP_ND_ANSWER) {
		m = macrewrite_of_addr(table, &msg->asked);
		return m ? m : macrewrite_of_addr(table, &msg->owner);
	}
	m = ipaddr_is_multicast(&view->dst) ? NULL : macrewrite_of_addr(table, &view->dst);
	return m ? m : macrewrite_of_addr(table, &view->src);
}

/* ---- messages among switches ---- */

/* What stands in ARP and neighbour discovery for everybody, and among switches. */
static const struct {
	uint16_t hardware;
	uint8_t hops;
} open_form = {1, 255}, veiled_form = {36, 254}; /* HW_EXP1, RFC 5494 */

bool macrewrite_is_discovery(const struct frame *frame, const struct packet *packet)
{
	uint8_t type;

	return packet->ip_version == 6 && packet->protocol == IPPROTO_ICMPV6 &&
	       packet->l4_off != FRAME_OFF_UNSET && frame_peek(frame, packet->l4_off, 1, &type) &&
	       type >= ICMP6_FIRST && type <= ICMP6_LAST;
}

static enum reason set_form(struct frame *frame, uint16_t hardware, uint8_t hops,
			    uint16_t from_hardware, uint8_t from_hops)
{
	struct packet packet;
	struct ipv6_header ip;
	uint16_t type;

	if (!packet_parse(frame, &packet) || packet.tags)
		return REASON_NONE;
	if (packet.ethertype == ETHERTYPE_ARP) {
		if (!frame_peek(frame, packet.l3_off, sizeof(type), &type) ||
		    type != htons(from_hardware))
			return REASON_NONE;
		if (!frame_writable(frame))
			return REASON_NO_BUFFER;
		type = htons(hardware);
		memcpy(frame->data + packet.l3_off, &type, sizeof(type));
		return REASON_NONE;
	}
	if (!macrewrite_is_discovery(frame, &packet) ||
	    !frame_peek(frame, packet.l3_off, sizeof(ip), &ip) || ip.hop_limit != from_hops)
		return REASON_NONE;
	if (!frame_writable(frame))
		return REASON_NO_BUFFER;
	frame->data[packet.l3_off + offsetof(struct ipv6_header, hop_limit)] = hops;
	return REASON_NONE;
}

enum reason macrewrite_veil(struct frame *frame)
{
	return set_form(frame, veiled_form.hardware, veiled_form.hops, open_form.hardware,
			open_form.hops);
}

enum reason macrewrite_unveil(struct frame *frame)
{
	return set_form(frame, open_form.hardware, open_form.hops, veiled_form.hardware,
			veiled_form.hops);
}

/* ---- to the wire ---- */

/* Puts our MAC where a message says the guest's, for a host that would use it. */
static enum reason disguise(const struct macrewrite *m, struct frame *frame,
			    const struct macrewrite_view *view)
{
	const struct mac *own = &m->encap->uplink->mac;
	const struct packet *packet = &view->packet;
	size_t end = packet->l3_off + (size_t)packet->l3_len, off = packet->l4_off + 24u;
	uint16_t from[MAC_LEN / 2], to[MAC_LEN / 2], check;

	if (view->msg.kind == ARP_ND_NONE || mac_is_zero(&view->msg.mac))
		return REASON_NONE;
	if (!frame_writable(frame))
		return REASON_NO_BUFFER;
	if (packet->ethertype == ETHERTYPE_ARP) {
		memcpy(frame->data + packet->l3_off + offsetof(struct arp_header, sender_mac), own,
		       sizeof(*own));
		return REASON_NONE;
	}
	if (frame->offload.csum_partial && offload_complete_checksum(frame) != REASON_NONE)
		return REASON_BAD_OFFLOAD;
	memcpy(to, own, sizeof(to));
	memcpy(&check, frame->data + packet->l4_off + 2, sizeof(check));
	while (off + 8 <= end && frame->data[off + 1] != 0) { /* was parsed: options are whole */
		if (frame->data[off] == 1 || frame->data[off] == 2) {
			memcpy(from, frame->data + off + 2, sizeof(from));
			memcpy(frame->data + off + 2, to, sizeof(to));
			for (unsigned i = 0; i < MAC_LEN / 2; i++)
				check = checksum_update(check, from[i], to[i]);
		}
		off += frame->data[off + 1] * 8u;
	}
	memcpy(frame->data + packet->l4_off + 2, &check, sizeof(check));
	return REASON_NONE;
}

/* The host behind which an address is, if that is known, and whether it is its own: a plain
 * host's, which guests see as it is. */
static bool host_of(const struct macrewrite *m, const struct ipaddr *addr, struct mac *host,
		    bool *plain)
{
	struct neighbour_info info;

	if (!neighbours_info(m->link->bindings, m->number, addr, *m->encap->host->now, &info) ||
	    info.state == NEIGHBOUR_INCOMPLETE || mac_is_zero(&info.where.host))
		return false;
	*host = info.where.host;
	*plain = mac_equal(&info.where.mac, host);
	return true;
}

/* Whether a packet goes to all in the subnet, although it may be for one of them. */
static bool names_no_host(const struct macrewrite_view *view, const struct ipaddr *to)
{
	return mac_is_group(&view->packet.eth.dst) || view->msg.kind == ARP_ND_RARP ||
	       macrewrite_is_link_local(to) || view->to_client ||
	       (view->src.family && ipaddr_is_unspecified(&view->src));
}

/*
 * Which host, or group, a frame goes to: `frame->peer`, which the addresses are taken from
 * when it is sent. The bytes stay as they are, since others share them, but for what a
 * host without this software would learn of a guest's MAC.
 */
enum reason macrewrite_push(const struct encap *encap, struct frame *frame)
{
	const struct macrewrite *m = encap->state;
	struct macrewrite_view view;
	enum reason reason = macrewrite_look(frame, &view);
	const struct ipaddr *to = view.dst.family ? &view.dst : &view.msg.asked;
	struct mac host = m->group, known;
	bool plain = false;

	if (reason != REASON_NONE)
		return reason == REASON_BAD_HEADER ? REASON_NOT_IP : reason;
	if (ipaddr_to_mac(&frame->peer, &known) && mac_equal(&known, &view.packet.eth.dst))
		return disguise(m, frame, &view);
	if (ipaddr_is_multicast(to)) {
		if (goes_far(m, frame, &view))
			host = m->farm_group;
	} else if (!names_no_host(&view, to)) {
		if (!macrewrite_in_subnet(m, to) && view.msg.kind == ARP_ND_NONE)
			return REASON_NO_BINDING; /* nobody could tell there whose it is */
		if (ipaddr_to_mac(&frame->peer, &known) || host_of(m, to, &known, &plain))
			host = known;
	}
	if (plain && (reason = disguise(m, frame, &view)) != REASON_NONE)
		return reason;
	frame->peer = ipaddr_of_mac(&host);
	return mac_is_group(&host) ? macrewrite_veil(frame) : REASON_NONE;
}

struct eth_header macrewrite_header(const struct macrewrite *m, const struct frame *frame)
{
	struct eth_header eth;

	memcpy(&eth, frame->data, sizeof(eth));
	if (ipaddr_to_mac(&frame->peer, &eth.dst))
		eth.src = m->encap->uplink->mac;
	return eth;
}

/* ---- from the wire ---- */

static unsigned slot_of(const struct ipaddr *addr)
{
	unsigned sum = 0;

	for (unsigned i = 0; i < sizeof(addr->bytes); i++)
		sum = sum * 31 + addr->bytes[i];
	return sum & (MACREWRITE_QUESTIONS - 1);
}

const struct macrewrite_question *macrewrite_question(const struct macrewrite *m,
						      const struct ipaddr *addr)
{
	const struct macrewrite_question *question = &m->asked[slot_of(addr)];

	return ipaddr_equal(&question->addr, addr) ? question : NULL;
}

struct macrewrite_question *macrewrite_question_slot(struct macrewrite *m,
						     const struct ipaddr *addr)
{
	return &m->asked[slot_of(addr)];
}

static bool find(const struct macrewrite *m, const struct ipaddr *addr, struct neighbour_info *info)
{
	return neighbours_info(m->link->bindings, m->number, addr, *m->encap->host->now, info) &&
	       info->state != NEIGHBOUR_INCOMPLETE;
}

static enum reason source(const struct macrewrite *m, const struct macrewrite_view *view,
			  struct macrewrite_ends *ends)
{
	const struct mac *host = &view->packet.eth.src;
	struct neighbour_info info;

	if (view->msg.kind != ARP_ND_NONE && !mac_is_zero(&view->msg.mac)) {
		ends->src = view->msg.mac;
	} else if (ipaddr_is_unspecified(&view->src)) {
		ends->src = view->from_client && !mac_is_zero(&view->client)
				? view->client
				: macrewrite_stand_in(host);
	} else if (!macrewrite_has(m, &view->src)) {
		/* From another subnet: the host that sent it has routed it. */
		if (!macrewrite_of_addr(&m->link->table, &view->src))
			return REASON_FOREIGN_SOURCE;
		if (!m->encap->routed)
			return REASON_POLICY_CLOSED;
		ends->src = macrewrite_router(host);
	} else if (!find(m, &view->src, &info)) {
		ends->ask_src = true;
	} else if (!mac_equal(&info.where.host, host)) {
		ends->ask_src = ends->moved = true;
	} else {
		ends->src = info.where.mac;
		ends->stale_src = info.state == NEIGHBOUR_STALE;
	}
	return REASON_NONE;
}

/* To one station, by its address. */
static enum reason station(const struct macrewrite *m, const struct macrewrite_view *view,
			   const struct ipaddr *to, struct macrewrite_ends *ends)
{
	struct neighbour_info info;
	bool known = find(m, to, &info);

	if (known && mac_is_zero(&info.where.host)) {
		ends->dst = info.where.mac;
		ends->stale_dst = info.state == NEIGHBOUR_STALE;
	} else if (view->to_client && !mac_is_zero(&view->client)) {
		ends->dst = view->client; /* it has no address yet */
	} else if (known && mac_equal(&info.where.host, &view->packet.eth.src)) {
		ends->sent_away = true;
	} else if (known || !macrewrite_has(m, to)) {
		return REASON_NOT_HERE;
	} else {
		ends->ask_dst = true;
	}
	return REASON_NONE;
}

static enum reason destination(const struct macrewrite *m, const struct macrewrite_view *view,
			       struct macrewrite_ends *ends)
{
	const struct arp_nd *msg = &view->msg;
	const struct ipaddr *to = view->dst.family ? &view->dst : &msg->asked;
	const struct macrewrite_question *question;
	struct neighbour_info info;

	if (msg->kind == ARP_ND_RARP || (msg->kind == ARP_ND_ASK && !view->dst.family)) {
		ends->dst = broadcast;
		return REASON_NONE;
	}
	if (ipaddr_is_multicast(to)) {
		ends->dst = ipaddr_group_mac(to);
		return REASON_NONE;
	}
	if (macrewrite_is_broadcast(m, to)) {
		ends->dst = broadcast;
		return REASON_NONE;
	}
	if (msg->kind != ARP_ND_ANSWER)
		return station(m, view, to, ends);
	/* An answer may be for somebody who has no address, or none that is known. */
	question = macrewrite_question(m, &msg->owner);
	if (find(m, to, &info) && mac_is_zero(&info.where.host))
		ends->dst = info.where.mac;
	else if (!mac_is_zero(&msg->asked_mac) && !mac_is_group(&msg->asked_mac) &&
		 !mac_equal(&msg->asked_mac, &m->encap->uplink->mac))
		ends->dst = msg->asked_mac;
	else if (question)
		ends->dst = question->mac;
	else
		return REASON_NOT_HERE;
	return REASON_NONE;
}

enum reason macrewrite_ends(const struct macrewrite *m, const struct macrewrite_view *view,
			    struct macrewrite_ends *ends)
{
	enum reason reason;

	memset(ends, 0, sizeof(*ends));
	reason = source(m, view, ends);
	return reason == REASON_NONE ? destination(m, view, ends) : reason;
}

enum reason macrewrite_rewrite(const struct macrewrite *m, struct frame *frame,
			       const struct macrewrite_view *view,
			       const struct macrewrite_ends *ends)
{
	struct mac *target;

	if (!frame_writable(frame))
		return REASON_NO_BUFFER;
	frame->peer = ipaddr_of_mac(&view->packet.eth.src);
	memcpy(frame->data, &ends->dst, sizeof(ends->dst));
	memcpy(frame->data + sizeof(ends->dst), &ends->src, sizeof(ends->src));
	/* A plain host knows its partner by our MAC. */
	if (view->packet.ethertype == ETHERTYPE_ARP &&
	    mac_equal(&view->msg.asked_mac, &m->encap->uplink->mac)) {
		target = (struct mac *)(frame->data + view->packet.l3_off +
					offsetof(struct arp_header, target_mac));
		*target = view->msg.kind == ARP_ND_ANSWER ? ends->dst : (struct mac){{0}};
	}
	return REASON_NONE;
}

enum reason macrewrite_pop(const struct encap *encap, struct frame *frame)
{
	const struct macrewrite *m = encap->state;
	struct macrewrite_view view;
	struct macrewrite_ends ends;
	enum reason reason = macrewrite_unveil(frame);

	if (reason == REASON_NONE)
		reason = macrewrite_look(frame, &view);
	if (reason == REASON_NONE)
		reason = macrewrite_ends(m, &view, &ends);
	if (reason == REASON_NONE && (ends.ask_src || ends.ask_dst || ends.sent_away))
		reason = REASON_NO_BINDING;
	return reason == REASON_NONE ? macrewrite_rewrite(m, frame, &view, &ends) : reason;
}
