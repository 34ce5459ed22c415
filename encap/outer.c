/* SPDX-License-Identifier: BSD-2-Clause */
#include "encap/outer.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "lib/checksum.h"
#include "lib/packet.h"

#define IP_OFFSET    0x1fffu /* in units of 8 bytes */
#define IP_MORE	     0x2000u
#define IPV6_FRAG    44u
#define IPV6_OFFSET  0xfff8u
#define IPV6_MORE    0x0001u
#define FRAG_HDR_LEN 8u

static enum reason pull_ipv4(struct frame *frame, uint8_t protocol, struct outer *outer)
{
	struct ipv4_header ip;
	struct in_addr addr;
	size_t total;

	if (!frame_peek(frame, 0, sizeof(ip), &ip))
		return REASON_BAD_HEADER;
	total = ntohs(ip.total_len);
	if (ip.version_ihl != 0x45 || ip.protocol != protocol || total < sizeof(ip) ||
	    checksum(&ip, sizeof(ip)) != 0)
		return REASON_BAD_HEADER;
	if (ntohs(ip.fragment) & (IP_OFFSET | IP_MORE))
		return REASON_FRAGMENT;
	if (total > frame->len)
		return REASON_BAD_HEADER;
	memcpy(&addr, ip.src, sizeof(addr));
	outer->src = ipaddr_v4(addr);
	memcpy(&addr, ip.dst, sizeof(addr));
	outer->dst = ipaddr_v4(addr);
	frame->len = (uint32_t)total; /* without Ethernet padding */
	(void)frame_pull(frame, sizeof(ip));
	return REASON_NONE;
}

static enum reason pull_ipv6(struct frame *frame, uint8_t protocol, struct outer *outer)
{
	struct ipv6_header ip;
	struct in6_addr addr;
	size_t payload;

	if (!frame_peek(frame, 0, sizeof(ip), &ip) || ntohl(ip.version_class_label) >> 28 != 6)
		return REASON_BAD_HEADER;
	if (ip.next_header == IPV6_FRAG)
		return REASON_FRAGMENT;
	payload = ntohs(ip.payload_len);
	if (ip.next_header != protocol || payload > frame->len - sizeof(ip))
		return REASON_BAD_HEADER;
	memcpy(&addr, ip.src, sizeof(addr));
	outer->src = ipaddr_v6(&addr);
	memcpy(&addr, ip.dst, sizeof(addr));
	outer->dst = ipaddr_v6(&addr);
	frame->len = (uint32_t)(sizeof(ip) + payload);
	(void)frame_pull(frame, sizeof(ip));
	return REASON_NONE;
}

enum reason outer_pull(struct frame *frame, uint16_t family, uint8_t protocol, struct outer *outer)
{
	return family == AF_INET6 ? pull_ipv6(frame, protocol, outer)
				  : pull_ipv4(frame, protocol, outer);
}

static size_t whole_len_ipv4(const struct frame *fragment)
{
	struct ipv4_header ip;
	unsigned where;
	size_t header;

	if (!frame_peek(fragment, 0, sizeof(ip), &ip))
		return 0;
	header = (ip.version_ihl & 0x0fu) * 4u;
	where = ntohs(ip.fragment);
	if (where & IP_MORE || ntohs(ip.total_len) < header)
		return 0;
	return (where & IP_OFFSET) * 8u + ntohs(ip.total_len);
}

static size_t whole_len_ipv6(const struct frame *fragment)
{
	struct ipv6_header ip;
	uint8_t extension[FRAG_HDR_LEN];
	unsigned where;

	if (!frame_peek(fragment, 0, sizeof(ip), &ip) || ip.next_header != IPV6_FRAG ||
	    !frame_peek(fragment, sizeof(ip), sizeof(extension), extension) ||
	    ntohs(ip.payload_len) < sizeof(extension))
		return 0;
	where = (unsigned)extension[2] << 8 | extension[3];
	if (where & IPV6_MORE)
		return 0;
	/* The extension is gone when the packet is whole. */
	return sizeof(ip) + (where & IPV6_OFFSET) + ntohs(ip.payload_len) - sizeof(extension);
}

size_t outer_whole_len(const struct frame *fragment, uint16_t family)
{
	return family == AF_INET6 ? whole_len_ipv6(fragment) : whole_len_ipv4(fragment);
}
