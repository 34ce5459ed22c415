/* SPDX-License-Identifier: BSD-2-Clause */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "encap/gso.h"
#include "lib/checksum.h"
#include "lib/packet.h"

#define OPTION_END     0
#define OPTION_NOP     1
#define OPTION_MSS     2
#define OPTION_MSS_LEN 4

/*
 * Finds a SYN whose TCP header is whole. `limit` is the largest MSS that fits
 * max_len; like every MSS it counts neither IP nor TCP options (RFC 6691).
 */
static bool find_syn(const struct frame *frame, size_t max_len, struct packet *packet,
		     struct tcp_header *tcp, size_t *limit)
{
	struct frame look = *frame; /* parsing notes the offsets in its frame */
	size_t fixed, left;

	if (!packet_parse(&look, packet) || packet->ip_version == 0 || packet->fragment ||
	    packet->l4_off == FRAME_OFF_UNSET || packet->protocol != IPPROTO_TCP)
		return false;
	left = packet->l3_len - ((size_t)packet->l4_off - packet->l3_off);
	if (left < sizeof(*tcp) || !frame_peek(frame, packet->l4_off, sizeof(*tcp), tcp))
		return false;
	if (!(tcp->flags & TCP_SYN) || (tcp->data_offset >> 4) * 4u < sizeof(*tcp) ||
	    (tcp->data_offset >> 4) * 4u > left)
		return false;
	fixed = packet->l3_off + sizeof(*tcp);
	fixed += packet->ip_version == 4 ? sizeof(struct ipv4_header) : sizeof(struct ipv6_header);
	*limit = max_len > fixed ? max_len - fixed : 0;
	return *limit != 0;
}

/* Writes the MSS at offset `off` of the frame; the checksum is part of the frame's own. */
static void write_mss(struct frame *frame, size_t l4_off, size_t off, uint16_t from, uint16_t to)
{
	uint8_t *field = frame->data + l4_off + offsetof(struct tcp_header, checksum);
	const struct frame_offload *offload = &frame->offload;
	uint16_t check;

	memcpy(frame->data + off, &to, sizeof(to));
	/* A partial checksum does not know the options yet. */
	if (offload->csum_partial && offload->csum_start == l4_off &&
	    offload->csum_offset == offsetof(struct tcp_header, checksum))
		return;
	/* At an odd offset the two bytes lie in two words, in the other's half. */
	if ((off - l4_off) % 2) {
		from = (uint16_t)(from << 8 | from >> 8);
		to = (uint16_t)(to << 8 | to >> 8);
	}
	memcpy(&check, field, sizeof(check));
	check = checksum_update(check, from, to);
	memcpy(field, &check, sizeof(check));
}

bool mss_clamp(struct frame *frame, size_t max_len)
{
	struct tcp_header tcp;
	struct packet packet;
	size_t limit, off, end;
	bool changed = false;

	if (frame->offload.gso != FRAME_GSO_NONE)
		return false;
	/* Nearly every frame ends here if it has been parsed before. */
	if (frame->l4_off != FRAME_OFF_UNSET &&
	    (!frame_peek(frame, frame->l4_off, sizeof(tcp), &tcp) || !(tcp.flags & TCP_SYN)))
		return false;
	if (!find_syn(frame, max_len, &packet, &tcp, &limit))
		return false;
	off = packet.l4_off + sizeof(tcp);
	end = packet.l4_off + (tcp.data_offset >> 4) * 4u;
	while (end - off >= 2) {
		uint8_t kind = frame->data[off], len = frame->data[off + 1];
		uint16_t mss, clamped;

		if (kind == OPTION_END)
			break;
		if (kind == OPTION_NOP) {
			off++;
			continue;
		}
		if (len < 2 || len > end - off)
			break;
		if (kind == OPTION_MSS && len == OPTION_MSS_LEN) {
			memcpy(&mss, frame->data + off + 2, sizeof(mss));
			if (ntohs(mss) > limit) {
				clamped = htons((uint16_t)limit);
				if (!frame_writable(frame))
					break;
				write_mss(frame, packet.l4_off, off + 2, mss, clamped);
				changed = true;
			}
		}
		off += len;
	}
	return changed;
}
