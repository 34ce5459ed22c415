/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/flow.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#define EXTENSIONS_MAX 8 /* inside an ICMPv6 error */

#define ARP_REQUEST 1
#define ARP_REPLY   2

#define ICMP_ECHO_REPLY	   0
#define ICMP_UNREACHABLE   3
#define ICMP_ECHO	   8
#define ICMP_TIME_EXCEEDED 11
#define ICMP_BAD_PARAMETER 12

#define ICMP6_ECHO	 128
#define ICMP6_ECHO_REPLY 129
#define ICMP6_SOLICIT	 135
#define ICMP6_ADVERTISE	 136
#define ICMP6_ERRORS	 4 /* 1 to 4 */

#define TCP_OPTION_END	 0
#define TCP_OPTION_NOP	 1
#define TCP_OPTION_SCALE 3

struct icmp_header {
	uint8_t type, code;
	uint16_t checksum, id, seq;
} __attribute__((packed));

/* Protocols without a name in netinet/in.h of all systems. */
#define PROTO_DCCP    33
#define PROTO_SCTP    132
#define PROTO_UDPLITE 136

static enum flow_kind kind_of(uint8_t protocol, uint8_t family)
{
	switch (protocol) {
	case IPPROTO_TCP:
		return FLOW_KIND_TCP;
	case IPPROTO_UDP:
	case PROTO_DCCP:
	case PROTO_SCTP:
	case PROTO_UDPLITE:
		return FLOW_KIND_UDP;
	case IPPROTO_ICMP:
		return family == AF_INET ? FLOW_KIND_ECHO : FLOW_KIND_IP;
	case IPPROTO_ICMPV6:
		return family == AF_INET6 ? FLOW_KIND_ECHO : FLOW_KIND_IP;
	default:
		return FLOW_KIND_IP;
	}
}

/* ---- TCP ---- */

/* RFC 7323 section 2.2. What is wrong with the options is the receiver's business. */
static uint8_t window_scale(const struct frame *frame, size_t off, size_t end)
{
	uint8_t kind, len, scale;

	while (off < end && frame_peek(frame, off, 1, &kind) && kind != TCP_OPTION_END) {
		if (kind == TCP_OPTION_NOP) {
			off++;
			continue;
		}
		if (end - off < 2 || !frame_peek(frame, off + 1, 1, &len) || len < 2 ||
		    len > end - off)
			break;
		if (kind == TCP_OPTION_SCALE && len == 3 && frame_peek(frame, off + 2, 1, &scale))
			return scale > 14 ? 14 : scale;
		off += len;
	}
	return FLOW_NO_SCALE;
}

/* `left` are the bytes of TCP, as IP says. */
static enum flow_kind parse_tcp(const struct frame *frame, size_t off, size_t left,
				struct flow_info *flow)
{
	struct tcp_header tcp;
	size_t header_len;

	if (left < sizeof(tcp) || !frame_peek(frame, off, sizeof(tcp), &tcp))
		return FLOW_KIND_BROKEN;
	header_len = (tcp.data_offset >> 4) * 4u;
	if (header_len < sizeof(tcp) || header_len > left)
		return FLOW_KIND_BROKEN;
	flow->src.port = ntohs(tcp.sport);
	flow->dst.port = ntohs(tcp.dport);
	flow->tcp_flags = tcp.flags;
	flow->seq = ntohl(tcp.seq);
	flow->ack = ntohl(tcp.ack);
	flow->window = ntohs(tcp.window);
	flow->payload = (uint32_t)(left - header_len);
	if (tcp.flags & TCP_SYN)
		flow->scale = window_scale(frame, off + sizeof(tcp), off + header_len);
	return FLOW_KIND_TCP;
}

/* ---- What is inside an ICMP error ---- */

/* The start of the transport header, which has at least 8 bytes; 0: nobody can tell. */
static size_t inside_ipv4(const struct frame *frame, size_t off, size_t end, struct flow_info *flow)
{
	struct ipv4_header ip;
	size_t header_len;

	if (end - off < sizeof(ip) || !frame_peek(frame, off, sizeof(ip), &ip))
		return 0;
	header_len = (ip.version_ihl & 0x0fu) * 4u;
	if (ip.version_ihl >> 4 != 4 || header_len < sizeof(ip) || header_len > end - off ||
	    (ntohs(ip.fragment) & 0x1fff) != 0)
		return 0;
	flow->protocol = ip.protocol;
	memcpy(flow->src.addr, ip.dst, sizeof(ip.dst));
	memcpy(flow->dst.addr, ip.src, sizeof(ip.src));
	return off + header_len;
}

static size_t inside_ipv6(const struct frame *frame, size_t off, size_t end, struct flow_info *flow)
{
	struct ipv6_header ip;
	uint8_t next;

	if (end - off < sizeof(ip) || !frame_peek(frame, off, sizeof(ip), &ip) ||
	    ntohl(ip.version_class_label) >> 28 != 6)
		return 0;
	memcpy(flow->src.addr, ip.dst, sizeof(ip.dst));
	memcpy(flow->dst.addr, ip.src, sizeof(ip.src));
	off += sizeof(ip);
	next = ip.next_header;
	for (int i = 0; i < EXTENSIONS_MAX; i++) {
		uint8_t ext[8];
		size_t len;

		flow->protocol = next;
		if (next != IPPROTO_HOPOPTS && next != IPPROTO_ROUTING && next != IPPROTO_DSTOPTS &&
		    next != IPPROTO_AH)
			return off;
		if (end - off < sizeof(ext) || !frame_peek(frame, off, sizeof(ext), ext))
			return 0;
		len = next == IPPROTO_AH ? (ext[1] + 2u) * 4u : (ext[1] + 1u) * 8u;
		if (len > end - off)
			return 0;
		next = ext[0];
		off += len;
	}
	return 0;
}

static bool is_echo(uint8_t family, uint8_t type, bool *reply)
{
	*reply = type == (family == AF_INET ? ICMP_ECHO_REPLY : ICMP6_ECHO_REPLY);
	return *reply || type == (family == AF_INET ? ICMP_ECHO : ICMP6_ECHO);
}

/*
 * Only what comes to the sender of the packet inside is an error about it. Whose inside
 * cannot be told is no part of any conversation.
 */
static enum flow_kind parse_error(const struct frame *frame, size_t off, size_t end,
				  struct flow_info *flow)
{
	struct flow_info inside = {.family = flow->family, .scale = FLOW_NO_SCALE};
	struct tcp_header tcp;
	struct icmp_header icmp;
	bool reply;
	size_t at = flow->family == AF_INET ? inside_ipv4(frame, off, end, &inside)
					    : inside_ipv6(frame, off, end, &inside);

	if (at == 0 || end - at < sizeof(icmp) ||
	    memcmp(inside.dst.addr, flow->dst.addr, sizeof(inside.dst.addr)) != 0)
		return FLOW_KIND_OTHER;
	inside.inside = (uint8_t)kind_of(inside.protocol, flow->family);
	switch (inside.inside) {
	case FLOW_KIND_TCP:
	case FLOW_KIND_UDP:
		if (!frame_peek(frame, at, offsetof(struct tcp_header, ack), &tcp))
			return FLOW_KIND_OTHER;
		inside.dst.port = ntohs(tcp.sport);
		inside.src.port = ntohs(tcp.dport);
		inside.seq = ntohl(tcp.seq);
		break;
	case FLOW_KIND_ECHO:
		if (!frame_peek(frame, at, sizeof(icmp), &icmp) ||
		    !is_echo(flow->family, icmp.type, &reply))
			return FLOW_KIND_OTHER;
		inside.src.port = inside.dst.port = ntohs(icmp.id);
		inside.answer = !reply; /* about a request it travels as the reply would */
		break;
	default:
		break;
	}
	inside.moved = flow->moved;
	*flow = inside;
	return FLOW_KIND_ERROR;
}

/* ---- ICMP ---- */

static enum flow_kind parse_icmp4(const struct frame *frame, size_t off, size_t end,
				  struct flow_info *flow)
{
	struct icmp_header icmp;

	if (end - off < sizeof(icmp) || !frame_peek(frame, off, sizeof(icmp), &icmp))
		return FLOW_KIND_BROKEN;
	switch (icmp.type) {
	case ICMP_ECHO:
	case ICMP_ECHO_REPLY:
		flow->answer = icmp.type == ICMP_ECHO_REPLY;
		flow->src.port = flow->dst.port = ntohs(icmp.id);
		return FLOW_KIND_ECHO;
	case ICMP_UNREACHABLE:
	case ICMP_TIME_EXCEEDED:
	case ICMP_BAD_PARAMETER:
		return parse_error(frame, off + sizeof(icmp), end, flow);
	default:
		return FLOW_KIND_OTHER;
	}
}

/*
 * RFC 4861: who solicits waits for an advertisement of that target, sent to it or,
 * if it has no address yet, to everybody.
 */
static enum flow_kind parse_nd(const struct frame *frame, size_t off, size_t end, bool answer,
			       struct flow_info *flow)
{
	uint8_t target[16];

	if (end - off < sizeof(struct icmp_header) + sizeof(target) ||
	    !frame_peek(frame, off + sizeof(struct icmp_header), sizeof(target), target))
		return FLOW_KIND_BROKEN;
	flow->answer = answer;
	if (answer) {
		memcpy(flow->src.addr, target, sizeof(target));
		if (flow->dst.addr[0] == 0xff)
			memset(flow->dst.addr, 0, sizeof(flow->dst.addr));
	} else {
		memcpy(flow->dst.addr, target, sizeof(target));
	}
	return FLOW_KIND_ND;
}

static enum flow_kind parse_icmp6(const struct frame *frame, size_t off, size_t end,
				  struct flow_info *flow)
{
	struct icmp_header icmp;

	if (end - off < sizeof(icmp) || !frame_peek(frame, off, sizeof(icmp), &icmp))
		return FLOW_KIND_BROKEN;
	switch (icmp.type) {
	case ICMP6_ECHO:
	case ICMP6_ECHO_REPLY:
		flow->answer = icmp.type == ICMP6_ECHO_REPLY;
		flow->src.port = flow->dst.port = ntohs(icmp.id);
		return FLOW_KIND_ECHO;
	case ICMP6_SOLICIT:
	case ICMP6_ADVERTISE:
		return parse_nd(frame, off, end, icmp.type == ICMP6_ADVERTISE, flow);
	default:
		if (icmp.type >= 1 && icmp.type <= ICMP6_ERRORS)
			return parse_error(frame, off + sizeof(icmp), end, flow);
		return FLOW_KIND_OTHER;
	}
}

/* ---- IP ---- */

static bool take_addresses(const struct frame *frame, const struct packet *packet,
			   struct flow_info *flow)
{
	struct ipv4_header ip4;
	struct ipv6_header ip6;

	if (packet->ip_version == 4) {
		flow->family = AF_INET;
		if (!frame_peek(frame, packet->l3_off, sizeof(ip4), &ip4))
			return false;
		memcpy(flow->src.addr, ip4.src, sizeof(ip4.src));
		memcpy(flow->dst.addr, ip4.dst, sizeof(ip4.dst));
		return true;
	}
	flow->family = AF_INET6;
	if (!frame_peek(frame, packet->l3_off, sizeof(ip6), &ip6))
		return false;
	memcpy(flow->src.addr, ip6.src, sizeof(ip6.src));
	memcpy(flow->dst.addr, ip6.dst, sizeof(ip6.dst));
	return true;
}

static enum flow_kind parse_ip(const struct frame *frame, const struct packet *packet,
			       struct flow_info *flow)
{
	const size_t end = packet->l3_off + (size_t)packet->l3_len;
	const size_t off = packet->l4_off;
	struct udp_header udp;
	enum flow_kind kind;

	if (!take_addresses(frame, packet, flow))
		return FLOW_KIND_BROKEN;
	flow->protocol = packet->protocol;
	if (packet->fragment)
		return FLOW_KIND_FRAGMENT;
	if (packet->chain_cut)
		return FLOW_KIND_BROKEN;
	if (off == FRAME_OFF_UNSET) /* "no next header" */
		return FLOW_KIND_IP;
	if (off > end)
		return FLOW_KIND_BROKEN;
	flow->moved = packet->ip_version == 6 && off != packet->l3_off + sizeof(struct ipv6_header);
	kind = kind_of(packet->protocol, flow->family);
	switch (kind) {
	case FLOW_KIND_TCP:
		return parse_tcp(frame, off, end - off, flow);
	case FLOW_KIND_UDP:
		if (end - off < sizeof(udp) || !frame_peek(frame, off, sizeof(udp), &udp))
			return FLOW_KIND_BROKEN;
		flow->src.port = ntohs(udp.sport);
		flow->dst.port = ntohs(udp.dport);
		return kind;
	case FLOW_KIND_ECHO:
		return packet->ip_version == 4 ? parse_icmp4(frame, off, end, flow)
					       : parse_icmp6(frame, off, end, flow);
	default:
		return kind;
	}
}

/* RFC 826. Who announces its own address (RFC 5227) does not ask. */
static enum flow_kind parse_arp(const struct frame *frame, const struct packet *packet,
				struct flow_info *flow)
{
	struct arp_header arp;

	if (!frame_peek(frame, packet->l3_off, sizeof(arp), &arp))
		return FLOW_KIND_BROKEN;
	if (ntohs(arp.hardware) != 1 || ntohs(arp.protocol) != ETHERTYPE_IPV4 ||
	    arp.hardware_len != MAC_LEN || arp.protocol_len != sizeof(arp.sender_ip) ||
	    memcmp(arp.sender_ip, arp.target_ip, sizeof(arp.sender_ip)) == 0 ||
	    (ntohs(arp.operation) != ARP_REQUEST && ntohs(arp.operation) != ARP_REPLY))
		return FLOW_KIND_OTHER;
	flow->answer = ntohs(arp.operation) == ARP_REPLY;
	flow->family = AF_INET;
	memcpy(flow->src.addr, arp.sender_ip, sizeof(arp.sender_ip));
	memcpy(flow->dst.addr, arp.target_ip, sizeof(arp.target_ip));
	return FLOW_KIND_ARP;
}

void flow_parse(const struct frame *frame, const struct packet *packet, struct flow_info *flow)
{
	memset(flow, 0, sizeof(*flow));
	flow->scale = FLOW_NO_SCALE;
	if (packet->ip_version)
		flow->kind = (uint8_t)parse_ip(frame, packet, flow);
	else if (packet->ethertype == ETHERTYPE_IPV4 || packet->ethertype == ETHERTYPE_IPV6)
		flow->kind = FLOW_KIND_BROKEN;
	else if (packet->ethertype == ETHERTYPE_ARP)
		flow->kind = (uint8_t)parse_arp(frame, packet, flow);
	else
		flow->kind = FLOW_KIND_OTHER;
}
