/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/arp_nd.h"

#include <arpa/inet.h>
#include <assert.h>
#include <netinet/in.h>

#include "lib/checksum.h"

#define ARP_REQUEST  1
#define ARP_REPLY    2
#define RARP_REQUEST 3 /* RFC 903 */
#define RARP_REPLY   4

#define ND_SOLICIT	 135
#define ND_ADVERTISE	 136
#define ND_HOP_LIMIT	 255 /* nothing that was routed has it */
#define ND_OPTION_SOURCE 1
#define ND_OPTION_TARGET 2
#define ND_ROUTER	 0x80
#define ND_SOLICITED	 0x40
#define ND_OVERRIDE	 0x20

/* The shortest frame of a wire, without FCS. */
#define FRAME_MIN 60u

struct nd_header { /* RFC 4861 sections 4.3 and 4.4 */
	uint8_t type, code;
	uint16_t checksum;
	uint8_t flags, reserved[3];
	uint8_t target[16];
} __attribute__((packed));

struct nd_option { /* a link-layer address of Ethernet */
	uint8_t type, len;
	struct mac mac;
} __attribute__((packed));

static struct ipaddr v4(const uint8_t bytes[4])
{
	struct ipaddr addr = {.family = AF_INET};

	memcpy(addr.bytes, bytes, 4);
	return addr;
}

static struct ipaddr v6(const uint8_t bytes[16])
{
	struct ipaddr addr = {.family = AF_INET6};

	memcpy(addr.bytes, bytes, 16);
	return addr;
}

struct ipaddr nd_link_local(const struct mac *mac)
{
	struct ipaddr addr = {.family = AF_INET6, .bytes = {0xfe, 0x80}};

	memcpy(addr.bytes + 8, mac->octet, 3);
	addr.bytes[8] ^= 0x02;
	addr.bytes[11] = 0xff;
	addr.bytes[12] = 0xfe;
	memcpy(addr.bytes + 13, mac->octet + 3, 3);
	return addr;
}

struct ipaddr nd_solicited_node(const struct ipaddr *addr)
{
	struct ipaddr group = {.family = AF_INET6, .bytes = {0xff, 0x02}};

	group.bytes[11] = 1;
	group.bytes[12] = 0xff;
	memcpy(group.bytes + 13, addr->bytes + 13, 3);
	return group;
}

static struct ipaddr all_nodes(void)
{
	struct ipaddr group = {.family = AF_INET6, .bytes = {0xff, 0x02}};

	group.bytes[15] = 1;
	return group;
}

/* ---- reading ---- */

/* A station's address: neither a group's nor nobody's. */
static bool is_station(const struct mac *mac)
{
	return !mac_is_group(mac) && !mac_is_zero(mac);
}

static enum arp_nd_kind parse_arp(const struct frame *frame, const struct packet *packet,
				  struct arp_nd *msg)
{
	struct arp_header arp;
	unsigned operation;

	if (!frame_peek(frame, packet->l3_off, sizeof(arp), &arp) || arp.hardware != htons(1) ||
	    arp.protocol != htons(ETHERTYPE_IPV4) || arp.hardware_len != MAC_LEN ||
	    arp.protocol_len != sizeof(arp.sender_ip) || !is_station(&arp.sender_mac))
		return ARP_ND_BAD;
	operation = ntohs(arp.operation);
	msg->mac = arp.sender_mac;
	msg->asked_mac = arp.target_mac;
	if (packet->ethertype == ETHERTYPE_RARP)
		return operation == RARP_REQUEST || operation == RARP_REPLY ? ARP_ND_RARP
									    : ARP_ND_BAD;
	msg->owner = v4(arp.sender_ip);
	msg->asked = v4(arp.target_ip);
	/* 224.0.0.0 and above are groups, reserved, or broadcast: no station has them. */
	if (arp.sender_ip[0] >= 224 || (operation != ARP_REQUEST && operation != ARP_REPLY))
		return ARP_ND_BAD;
	if (operation == ARP_REPLY)
		return ipaddr_is_unspecified(&msg->owner) ? ARP_ND_BAD : ARP_ND_ANSWER;
	return ARP_ND_ASK;
}

/* Looks through the options of a message: false if they are not whole. */
static bool read_options(const struct frame *frame, size_t off, size_t end, uint8_t wanted,
			 struct arp_nd *msg)
{
	while (off < end) {
		struct nd_option option;

		if (end - off < sizeof(option) || !frame_peek(frame, off, sizeof(option), &option))
			return false;
		if (option.len == 0 || option.len * 8u > end - off)
			return false;
		if (option.type == wanted) {
			if (option.len != 1 || !is_station(&option.mac))
				return false;
			msg->mac = option.mac;
		}
		off += option.len * 8u;
	}
	return true;
}

/* The checksum over the whole message, or whoever vouches for it. */
static bool checksum_holds(const struct frame *frame, const struct packet *packet,
			   const struct ipv6_header *ip, uint32_t len)
{
	uint64_t sum;

	if (frame->offload.csum_partial || frame->offload.csum_valid)
		return true;
	sum = checksum_pseudo(ip->src, ip->dst, 16, IPPROTO_ICMPV6, len);
	return checksum_fold(checksum_add(sum, frame->data + packet->l4_off, len)) == 0xffff;
}

/* What RFC 4861 section 7.1 says of each. */
static bool nd_allowed(const struct arp_nd *msg, enum arp_nd_kind kind)
{
	struct ipaddr group = nd_solicited_node(&msg->dst);

	if (kind == ARP_ND_ANSWER)
		return !ipaddr_is_unspecified(&msg->src) &&
		       !(msg->solicited && ipaddr_is_multicast(&msg->dst));
	if (!ipaddr_is_unspecified(&msg->src))
		return true;
	return ipaddr_equal(&group, &msg->dst) && mac_is_zero(&msg->mac);
}

static enum arp_nd_kind parse_nd(const struct frame *frame, const struct packet *packet,
				 struct arp_nd *msg)
{
	enum arp_nd_kind kind;
	struct ipv6_header ip;
	struct nd_header nd;
	struct ipaddr target;
	uint32_t len;

	if (packet->ip_version != 6 || packet->protocol != IPPROTO_ICMPV6 ||
	    packet->l4_off == FRAME_OFF_UNSET ||
	    !frame_peek(frame, packet->l3_off, sizeof(ip), &ip) ||
	    !frame_peek(frame, packet->l4_off, 1, &nd.type))
		return ARP_ND_NONE;
	len = packet->l3_len - ((uint32_t)packet->l4_off - packet->l3_off);
	if (len == 0 || (nd.type != ND_SOLICIT && nd.type != ND_ADVERTISE))
		return ARP_ND_NONE;
	kind = nd.type == ND_SOLICIT ? ARP_ND_ASK : ARP_ND_ANSWER;
	if (packet->fragment || frame->offload.gso != FRAME_GSO_NONE || len < sizeof(nd) ||
	    !frame_peek(frame, packet->l4_off, sizeof(nd), &nd) || nd.code != 0 ||
	    ip.hop_limit != ND_HOP_LIMIT || !checksum_holds(frame, packet, &ip, len))
		return ARP_ND_BAD;
	target = v6(nd.target);
	msg->src = v6(ip.src);
	msg->dst = v6(ip.dst);
	msg->owner = kind == ARP_ND_ASK ? msg->src : target;
	msg->asked = kind == ARP_ND_ASK ? target : msg->dst;
	if (kind == ARP_ND_ANSWER) {
		msg->router = nd.flags & ND_ROUTER;
		msg->solicited = nd.flags & ND_SOLICITED;
		msg->override = nd.flags & ND_OVERRIDE;
	}
	if (ipaddr_is_multicast(&target) || ipaddr_is_unspecified(&target) ||
	    ipaddr_is_multicast(&msg->src) ||
	    !read_options(frame, packet->l4_off + sizeof(nd), packet->l4_off + (size_t)len,
			  kind == ARP_ND_ASK ? ND_OPTION_SOURCE : ND_OPTION_TARGET, msg) ||
	    !nd_allowed(msg, kind))
		return ARP_ND_BAD;
	return kind;
}

enum arp_nd_kind arp_nd_parse(const struct frame *frame, const struct packet *packet,
			      struct arp_nd *msg)
{
	memset(msg, 0, sizeof(*msg));
	msg->eth_src = packet->eth.src;
	msg->eth_dst = packet->eth.dst;
	if (packet->ethertype == ETHERTYPE_ARP || packet->ethertype == ETHERTYPE_RARP)
		msg->kind = parse_arp(frame, packet, msg);
	else
		msg->kind = parse_nd(frame, packet, msg);
	return msg->kind;
}

bool arp_nd_is_probe(const struct arp_nd *msg)
{
	return msg->kind == ARP_ND_ASK && ipaddr_is_unspecified(&msg->owner);
}

bool arp_nd_binds(const struct arp_nd *msg)
{
	return (msg->kind == ARP_ND_ASK || msg->kind == ARP_ND_ANSWER) &&
	       !ipaddr_is_unspecified(&msg->owner) && !mac_is_zero(&msg->mac);
}

/* ---- composing ---- */

static const struct mac broadcast = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

void arp_nd_ask(struct arp_nd *msg, const struct mac *from, const struct ipaddr *owner,
		const struct ipaddr *asked, const struct mac *to)
{
	memset(msg, 0, sizeof(*msg));
	msg->kind = ARP_ND_ASK;
	msg->eth_src = msg->mac = *from;
	msg->asked = *asked;
	if (asked->family == AF_INET) {
		msg->owner.family = AF_INET;
		if (owner)
			msg->owner = *owner;
		msg->eth_dst = to ? *to : broadcast;
		return;
	}
	msg->owner = msg->src = owner ? *owner : nd_link_local(from);
	msg->dst = to ? *asked : nd_solicited_node(asked);
	msg->eth_dst = to ? *to : ipaddr_group_mac(&msg->dst);
}

void arp_nd_answer(struct arp_nd *msg, const struct arp_nd *question, const struct mac *mac)
{
	memset(msg, 0, sizeof(*msg));
	msg->kind = ARP_ND_ANSWER;
	msg->eth_src = msg->mac = *mac;
	msg->eth_dst = question->eth_src;
	msg->owner = question->asked;
	msg->asked = question->owner;
	if (question->asked.family == AF_INET) {
		msg->asked_mac = question->mac;
		return;
	}
	msg->src = question->asked;
	msg->override = true;
	msg->solicited = !arp_nd_is_probe(question);
	if (!msg->solicited) {
		msg->asked = all_nodes();
		msg->eth_dst = ipaddr_group_mac(&msg->asked);
	}
	msg->dst = msg->asked;
}

void arp_nd_announce(struct arp_nd *msg, const struct mac *mac, const struct ipaddr *addr)
{
	memset(msg, 0, sizeof(*msg));
	msg->eth_src = msg->mac = *mac;
	msg->owner = *addr;
	if (addr->family == AF_INET) {
		msg->kind = ARP_ND_ASK;
		msg->eth_dst = broadcast;
		msg->asked = *addr;
		return;
	}
	msg->kind = ARP_ND_ANSWER;
	msg->src = *addr;
	msg->asked = msg->dst = all_nodes();
	msg->eth_dst = ipaddr_group_mac(&msg->dst);
	msg->override = true;
}

void arp_nd_rarp(struct arp_nd *msg, const struct mac *mac)
{
	memset(msg, 0, sizeof(*msg));
	msg->kind = ARP_ND_RARP;
	msg->eth_src = msg->mac = msg->asked_mac = *mac;
	msg->eth_dst = broadcast;
}

/* ---- writing ---- */

static void write_arp(uint8_t *at, const struct arp_nd *msg)
{
	struct arp_header arp = {
	    .hardware = htons(1),
	    .protocol = htons(ETHERTYPE_IPV4),
	    .hardware_len = MAC_LEN,
	    .protocol_len = sizeof(arp.sender_ip),
	    .sender_mac = msg->mac,
	    .target_mac = msg->asked_mac,
	};

	if (msg->kind == ARP_ND_RARP)
		arp.operation = htons(RARP_REQUEST);
	else
		arp.operation = htons(msg->kind == ARP_ND_ASK ? ARP_REQUEST : ARP_REPLY);
	memcpy(arp.sender_ip, msg->owner.bytes, sizeof(arp.sender_ip));
	memcpy(arp.target_ip, msg->asked.bytes, sizeof(arp.target_ip));
	memcpy(at, &arp, sizeof(arp));
}

/* Returns the length of the packet. */
static size_t write_nd(uint8_t *at, const struct arp_nd *msg)
{
	bool asks = msg->kind == ARP_ND_ASK;
	bool has_option = !mac_is_zero(&msg->mac) && !arp_nd_is_probe(msg);
	struct nd_option option = {asks ? ND_OPTION_SOURCE : ND_OPTION_TARGET, 1, msg->mac};
	struct nd_header nd = {.type = asks ? ND_SOLICIT : ND_ADVERTISE};
	uint16_t len = sizeof(nd) + (has_option ? sizeof(option) : 0);
	struct ipv6_header ip = {
	    .version_class_label = htonl(6u << 28),
	    .payload_len = htons(len),
	    .next_header = IPPROTO_ICMPV6,
	    .hop_limit = ND_HOP_LIMIT,
	};
	uint16_t check;

	memcpy(ip.src, msg->src.bytes, sizeof(ip.src));
	memcpy(ip.dst, msg->dst.bytes, sizeof(ip.dst));
	memcpy(nd.target, asks ? msg->asked.bytes : msg->owner.bytes, sizeof(nd.target));
	nd.flags = (uint8_t)((msg->router ? ND_ROUTER : 0) | (msg->solicited ? ND_SOLICITED : 0) |
			     (msg->override ? ND_OVERRIDE : 0));
	memcpy(at, &ip, sizeof(ip));
	memcpy(at + sizeof(ip), &nd, sizeof(nd));
	if (has_option)
		memcpy(at + sizeof(ip) + sizeof(nd), &option, sizeof(option));
	check = (uint16_t)~checksum_fold(checksum_add(
	    checksum_pseudo(ip.src, ip.dst, 16, IPPROTO_ICMPV6, len), at + sizeof(ip), len));
	memcpy(at + sizeof(ip) + offsetof(struct nd_header, checksum), &check, sizeof(check));
	return sizeof(ip) + len;
}

struct frame *arp_nd_build(struct frame_pool *pool, const struct arp_nd *msg)
{
	const size_t room = sizeof(struct eth_header) + sizeof(struct ipv6_header) +
			    sizeof(struct nd_header) + sizeof(struct nd_option);
	struct eth_header eth = {.dst = msg->eth_dst, .src = msg->eth_src};
	struct frame *frame = frame_alloc(pool, room);
	bool nd = msg->kind != ARP_ND_RARP && msg->asked.family == AF_INET6;

	assert(msg->kind >= ARP_ND_ASK);
	if (!frame)
		return NULL;
	memset(frame->data, 0, room);
	frame->len = FRAME_MIN;
	if (nd) {
		eth.type = htons(ETHERTYPE_IPV6);
		frame->len = (uint32_t)(sizeof(eth) + write_nd(frame->data + sizeof(eth), msg));
	} else {
		eth.type = htons(msg->kind == ARP_ND_RARP ? ETHERTYPE_RARP : ETHERTYPE_ARP);
		write_arp(frame->data + sizeof(eth), msg);
	}
	memcpy(frame->data, &eth, sizeof(eth));
	return frame;
}
