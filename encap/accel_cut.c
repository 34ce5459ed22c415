/* SPDX-License-Identifier: BSD-2-Clause */
#include "encap/accel_cut.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "encap/etherip.h"
#include "lib/checksum.h"
#include "lib/packet.h"

#define DONT_FRAGMENT 0x4000

/* The layers of a frame that can go this way. */
struct layers {
	bool v6;
	size_t l3, l4;
	size_t header; /* up to the payload */
	size_t payload;
};

static bool look(const struct frame *frame, struct layers *at)
{
	struct frame view = *frame; /* parsing notes the offsets in its frame */
	struct tcp_header tcp;
	struct packet packet;
	size_t len;

	if (frame->tag.tpid || !packet_parse(&view, &packet) || packet.tags || packet.fragment ||
	    packet.ip_version == 0 || packet.protocol != IPPROTO_TCP ||
	    packet.l4_off == FRAME_OFF_UNSET ||
	    !frame_peek(frame, packet.l4_off, sizeof(tcp), &tcp))
		return false;
	at->v6 = packet.ip_version == 6;
	at->l3 = packet.l3_off;
	at->l4 = packet.l4_off;
	if (at->v6 && at->l4 - at->l3 != sizeof(struct ipv6_header))
		return false;
	len = (tcp.data_offset >> 4) * 4u;
	at->header = at->l4 + len;
	/* Padding behind the packet would become payload. */
	if (len < sizeof(tcp) || at->l3 + packet.l3_len != frame->len || at->header >= frame->len ||
	    at->header > ACCEL_HEAD_MAX)
		return false;
	at->payload = frame->len - at->header;
	return true;
}

bool accel_takes(const struct frame *frame)
{
	struct layers at;

	if (frame->offload.gso == FRAME_GSO_UDP)
		return false;
	return look(frame, &at) &&
	       (frame->offload.gso != FRAME_GSO_NONE ? frame->offload.gso_size != 0
						     : !frame->offload.csum_partial);
}

static void set_ip(uint8_t *l3, const struct layers *at, size_t len, unsigned index)
{
	if (at->v6) {
		struct ipv6_header *ip = (struct ipv6_header *)l3;

		ip->payload_len = htons((uint16_t)(len - sizeof(*ip)));
	} else {
		struct ipv4_header *ip = (struct ipv4_header *)l3;

		ip->total_len = htons((uint16_t)len);
		ip->id = htons((uint16_t)(ntohs(ip->id) + index));
		ip->checksum = 0;
		ip->checksum = checksum(ip, at->l4 - at->l3);
	}
}

/* The checksum becomes the sum over the pseudo-header: the kernel adds the rest. */
static void set_tcp(uint8_t *head, const struct layers *at, size_t len, size_t done, bool last)
{
	struct tcp_header *tcp = (struct tcp_header *)(head + at->l4);
	const uint8_t *addresses =
	    head + at->l3 +
	    (at->v6 ? offsetof(struct ipv6_header, src) : offsetof(struct ipv4_header, src));
	size_t addr_len = at->v6 ? 16 : 4;

	tcp->seq = htonl((uint32_t)(ntohl(tcp->seq) + done));
	if (done)
		tcp->flags &= (uint8_t)~TCP_CWR;
	if (!last)
		tcp->flags &= (uint8_t) ~(TCP_FIN | TCP_PSH);
	tcp->checksum = checksum_fold(
	    checksum_pseudo(addresses, addresses + addr_len, addr_len, IPPROTO_TCP, (uint32_t)len));
}

/* `count` bytes of the payload from `done` on. */
static void make_piece(const struct frame *frame, const struct layers *at, size_t done,
		       size_t count, unsigned index, struct accel_piece *piece)
{
	struct frame whole = *frame; /* what its header is to say */
	unsigned size = frame->offload.gso_size;

	memcpy(piece->head, frame->data, at->header);
	piece->head_len = at->header;
	piece->rest = frame->data + at->header + done;
	piece->rest_len = count;
	piece->segments = (unsigned)(count > size ? count / size : 1);
	piece->len = at->header + count / piece->segments;
	set_ip(piece->head + at->l3, at, at->header - at->l3 + count, index);
	set_tcp(piece->head, at, at->header - at->l4 + count, done, done + count == at->payload);
	whole.offload.csum_partial = true;
	whole.offload.csum_start = (uint16_t)at->l4;
	whole.offload.csum_offset = offsetof(struct tcp_header, checksum);
	if (piece->segments == 1)
		whole.offload.gso = FRAME_GSO_NONE;
	if (done)
		whole.offload.gso_ecn = false;
	vnet_write(&whole, 0, &piece->vnet);
}

unsigned accel_cut(const struct frame *frame, struct accel_piece piece[2])
{
	unsigned size = frame->offload.gso_size, full, n = 0;
	struct layers at;

	if (!look(frame, &at))
		return 0;
	if (frame->offload.gso == FRAME_GSO_NONE) {
		memcpy(piece->head, frame->data, at.header);
		piece->head_len = at.header;
		piece->rest = frame->data + at.header;
		piece->rest_len = at.payload;
		piece->segments = 1;
		piece->len = frame->len;
		vnet_write(frame, 0, &piece->vnet);
		return 1;
	}
	full = (unsigned)(at.payload / size);
	if (full)
		make_piece(frame, &at, 0, (size_t)full * size, 0, &piece[n++]);
	if (at.payload % size)
		make_piece(frame, &at, (size_t)full * size, at.payload % size, full, &piece[n++]);
	return n;
}

void accel_outer(const struct accel_to *to, const struct accel_piece *piece,
		 uint8_t out[ACCEL_OUTER])
{
	struct eth_header eth = {to->mac, to->own_mac, htons(ETHERTYPE_IPV4)};
	struct ipv4_header ip = {
	    .version_ihl = 0x45,
	    .total_len = htons((uint16_t)(sizeof(ip) + ETHERIP_HEADER_LEN + piece->len)),
	    .fragment = htons(DONT_FRAGMENT),
	    .ttl = to->ttl,
	    .protocol = ETHERIP_PROTOCOL,
	};

	memcpy(ip.src, to->src, sizeof(ip.src));
	memcpy(ip.dst, to->dst, sizeof(ip.dst));
	ip.checksum = checksum(&ip, sizeof(ip));
	memcpy(out, &eth, sizeof(eth));
	memcpy(out + sizeof(eth), &ip, sizeof(ip));
	memcpy(out + sizeof(eth) + sizeof(ip), to->etherip, ETHERIP_HEADER_LEN);
}
