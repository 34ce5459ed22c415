/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/packet.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include "lib/checksum.h"

/* How many IPv6 extension headers are walked: more are nobody's honest packet. */
#define EXTENSIONS_MAX 8

static bool is_tag_type(uint16_t type)
{
	return type == ETHERTYPE_CTAG || type == ETHERTYPE_STAG;
}

static void parse_ipv4(const struct frame *frame, struct packet *packet)
{
	struct ipv4_header ip;
	size_t left = frame->len - packet->l3_off;
	unsigned header_len, total;

	if (!frame_peek(frame, packet->l3_off, sizeof(ip), &ip))
		return;
	header_len = (ip.version_ihl & 0x0fu) * 4u;
	total = ntohs(ip.total_len);
	/* A superframe of the full 64 KiB may say 0: RFC 791 has no room for it. */
	if (total == 0 && frame->offload.gso != FRAME_GSO_NONE)
		total = (unsigned)left;
	if (ip.version_ihl >> 4 != 4 || header_len < sizeof(ip) || header_len > total ||
	    total > left)
		return;
	packet->ip_version = 4;
	packet->l3_len = total;
	packet->protocol = ip.protocol;
	packet->fragment = (ntohs(ip.fragment) & 0x3fff) != 0;
	if ((ntohs(ip.fragment) & 0x1fff) == 0)
		packet->l4_off = (uint16_t)(packet->l3_off + header_len);
}

/* Walks extension headers (RFC 8200 section 4) to the transport header. */
static void parse_ipv6_chain(const struct frame *frame, struct packet *packet, uint8_t next,
			     size_t off, size_t end)
{
	for (int i = 0; i < EXTENSIONS_MAX; i++) {
		uint8_t ext[8];
		size_t len;

		packet->protocol = next;
		packet->chain_cut = false;
		if (next != IPPROTO_HOPOPTS && next != IPPROTO_ROUTING && next != IPPROTO_DSTOPTS &&
		    next != IPPROTO_FRAGMENT && next != IPPROTO_AH) {
			if (next != IPPROTO_NONE)
				packet->l4_off = (uint16_t)off;
			return;
		}
		packet->chain_cut = true; /* until the next header is reached */
		if (end - off < sizeof(ext) || !frame_peek(frame, off, sizeof(ext), ext))
			return;
		if (next == IPPROTO_FRAGMENT) {
			len = 8;
			packet->fragment = true;
			if ((((unsigned)ext[2] << 8 | ext[3]) & 0xfff8u) != 0) {
				packet->protocol = ext[0];
				packet->chain_cut = false;
				return;
			}
		} else {
			len = next == IPPROTO_AH ? (ext[1] + 2u) * 4u : (ext[1] + 1u) * 8u;
		}
		if (len > end - off)
			return;
		next = ext[0];
		off += len;
	}
}

static void parse_ipv6(const struct frame *frame, struct packet *packet)
{
	struct ipv6_header ip;
	size_t left = frame->len - packet->l3_off;
	size_t total;

	if (!frame_peek(frame, packet->l3_off, sizeof(ip), &ip))
		return;
	total = sizeof(ip) + ntohs(ip.payload_len);
	if (ip.payload_len == 0 && frame->offload.gso != FRAME_GSO_NONE)
		total = left;
	if (ntohl(ip.version_class_label) >> 28 != 6 || total > left)
		return;
	packet->ip_version = 6;
	packet->l3_len = (uint32_t)total;
	parse_ipv6_chain(frame, packet, ip.next_header, packet->l3_off + sizeof(ip),
			 packet->l3_off + total);
}

bool packet_parse(struct frame *frame, struct packet *packet)
{
	size_t off = sizeof(struct eth_header);

	memset(packet, 0, sizeof(*packet));
	packet->l3_off = packet->l4_off = FRAME_OFF_UNSET;
	frame->l3_off = frame->l4_off = FRAME_OFF_UNSET;
	if (!frame_peek(frame, 0, sizeof(packet->eth), &packet->eth))
		return false;
	packet->ethertype = ntohs(packet->eth.type);
	while (is_tag_type(packet->ethertype) && packet->tags < PACKET_TAGS_MAX) {
		struct vlan_header vlan;

		if (!frame_peek(frame, off, sizeof(vlan), &vlan))
			return true;
		packet->ethertype = ntohs(vlan.type);
		packet->tags++;
		off += sizeof(vlan);
	}
	packet->l3_off = (uint16_t)off;
	if (packet->ethertype == ETHERTYPE_IPV4)
		parse_ipv4(frame, packet);
	else if (packet->ethertype == ETHERTYPE_IPV6)
		parse_ipv6(frame, packet);
	frame->l3_off = packet->l3_off;
	frame->l4_off = packet->l4_off;
	return true;
}

bool packet_tag(const struct frame *frame, uint16_t *tpid, uint16_t *tci)
{
	uint16_t type;
	uint16_t value;

	if (frame->tag.tpid != 0) {
		*tpid = frame->tag.tpid;
		*tci = frame->tag.tci;
		return true;
	}
	if (!frame_peek(frame, offsetof(struct eth_header, type), sizeof(type), &type))
		return false;
	type = ntohs(type);
	if (!is_tag_type(type))
		return false;
	*tpid = type;
	*tci = frame_peek(frame, sizeof(struct eth_header), sizeof(value), &value) ? ntohs(value)
										   : 0xffff;
	return true;
}

bool packet_tag_whole(const struct frame *frame)
{
	return frame->tag.tpid || frame->len >= ETH_HEADER_LEN + VLAN_TAG_LEN;
}

bool packet_tag_cut(struct frame *frame)
{
	struct mac macs[2];

	if (frame->tag.tpid) {
		frame->tag.tpid = 0;
		return true;
	}
	if (!frame_writable(frame) || !frame_peek(frame, 0, sizeof(macs), macs))
		return false;
	memcpy(frame->data + VLAN_TAG_LEN, macs, sizeof(macs));
	return frame_pull(frame, VLAN_TAG_LEN);
}

bool packet_tag_put(struct frame *frame)
{
	const uint16_t tag[2] = {htons(frame->tag.tpid), htons(frame->tag.tci)};
	struct mac macs[2];
	uint8_t *data;

	if (!frame_writable(frame) || !frame_peek(frame, 0, sizeof(macs), macs))
		return false;
	data = frame_push(frame, VLAN_TAG_LEN);
	if (!data)
		return false;
	memcpy(data, macs, sizeof(macs));
	memcpy(data + sizeof(macs), tag, sizeof(tag));
	frame->tag.tpid = 0;
	return true;
}

enum reason packet_hop(struct frame *frame, const struct packet *packet)
{
	bool four = packet->ip_version == 4;
	size_t off = packet->l3_off + (four ? offsetof(struct ipv4_header, ttl)
					    : offsetof(struct ipv6_header, hop_limit));
	uint16_t from, to, check;
	uint8_t left;

	if (!frame_peek(frame, off, sizeof(left), &left) || left <= 1)
		return REASON_TTL;
	if (!frame_writable(frame))
		return REASON_NO_BUFFER;
	memcpy(&from, frame->data + off, sizeof(from)); /* with the protocol beside it */
	frame->data[off]--;
	if (!four)
		return REASON_NONE;
	memcpy(&to, frame->data + off, sizeof(to));
	off = packet->l3_off + offsetof(struct ipv4_header, checksum);
	memcpy(&check, frame->data + off, sizeof(check));
	check = checksum_update(check, from, to);
	memcpy(frame->data + off, &check, sizeof(check));
	return REASON_NONE;
}
