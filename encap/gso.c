/* SPDX-License-Identifier: BSD-2-Clause */
#include "encap/gso.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "lib/checksum.h"
#include "lib/packet.h"

/* What each kind of superframe must be made of; version 0: either. */
static const struct kind {
	uint8_t version, protocol;
	uint16_t csum_offset;
	unsigned need;
} kinds[] = {
    [FRAME_GSO_TCP4] = {4, IPPROTO_TCP, offsetof(struct tcp_header, checksum), OFFLOAD_TSO4},
    [FRAME_GSO_TCP6] = {6, IPPROTO_TCP, offsetof(struct tcp_header, checksum), OFFLOAD_TSO6},
    [FRAME_GSO_UDP] = {0, IPPROTO_UDP, offsetof(struct udp_header, checksum), OFFLOAD_USO},
};

/* A superframe whose metadata has been checked against its headers. */
struct superframe {
	size_t l3_off, l4_off;
	size_t header_len; /* from the first byte of the frame to the payload */
	size_t payload;	   /* bytes of it, without Ethernet padding */
	uint8_t version, protocol;
	bool length_known; /* the IP header tells its length: see packet_parse() */
	const uint8_t *src, *dst;
	size_t addr_len;
};

/*
 * The addresses that the transport checksum covers. A routing header that is not
 * used up hides the final destination (RFC 8200 section 8.1). false for headers
 * that cannot be repeated before each segment. The chain has been walked once:
 * it is whole and ends at l4_off.
 */
static bool ipv6_addresses(const struct frame *frame, struct superframe *super)
{
	const uint8_t *ip = frame->data + super->l3_off;
	uint8_t next = ip[offsetof(struct ipv6_header, next_header)];
	size_t off = super->l3_off + sizeof(struct ipv6_header);

	super->src = ip + offsetof(struct ipv6_header, src);
	super->dst = ip + offsetof(struct ipv6_header, dst);
	super->addr_len = 16;
	while (off < super->l4_off) {
		const uint8_t *ext = frame->data + off;
		size_t len = (ext[1] + 1u) * 8u;

		/* AH signs one packet; a jumbogram's length is in an option. */
		if (next == IPPROTO_AH || (next == IPPROTO_HOPOPTS && !super->length_known))
			return false;
		if (next == IPPROTO_ROUTING && ext[3] != 0) {
			bool first = ext[2] == 4; /* RFC 8754: the last segment comes first */

			if (len < 24 || (!first && ext[2] != 0 && ext[2] != 2))
				return false;
			super->dst = first ? ext + 8 : ext + len - 16;
		}
		next = ext[0];
		off += len;
	}
	return off == super->l4_off;
}

static bool addresses(const struct frame *frame, struct superframe *super)
{
	const uint8_t *ip = frame->data + super->l3_off;

	if (super->version == 6) {
		super->length_known = ip[4] != 0 || ip[5] != 0;
		return ipv6_addresses(frame, super);
	}
	super->length_known = ip[2] != 0 || ip[3] != 0;
	super->src = ip + offsetof(struct ipv4_header, src);
	super->dst = ip + offsetof(struct ipv4_header, dst);
	super->addr_len = 4;
	return true;
}

/* The length of the transport header at l4_off, of which `left` bytes are there; 0 if broken. */
static size_t transport_len(const struct frame *frame, const struct superframe *super, size_t left)
{
	struct tcp_header tcp;
	size_t len;

	if (super->protocol == IPPROTO_UDP)
		return left < sizeof(struct udp_header) ? 0 : sizeof(struct udp_header);
	if (left < sizeof(tcp) || !frame_peek(frame, super->l4_off, sizeof(tcp), &tcp))
		return 0;
	len = (tcp.data_offset >> 4) * 4u;
	/* A SYN is one segment by nature. */
	return len < sizeof(tcp) || len > left || (tcp.flags & TCP_SYN) ? 0 : len;
}

/* Finds the layers of a superframe. false when anything that it claims is not so. */
static bool superframe_parse(const struct frame *frame, struct superframe *super)
{
	const struct frame_offload *offload = &frame->offload;
	struct frame look = *frame; /* parsing notes the offsets in its frame */
	const struct kind *kind;
	struct packet packet;
	size_t left, len, one, limit;

	if (offload->gso == FRAME_GSO_NONE || offload->gso > FRAME_GSO_UDP)
		return false;
	kind = &kinds[offload->gso];
	if (!offload->csum_partial || offload->gso_size == 0 || !packet_parse(&look, &packet))
		return false;
	if (packet.ip_version == 0 || packet.fragment || packet.l4_off == FRAME_OFF_UNSET)
		return false;
	if (packet.protocol != kind->protocol ||
	    (kind->version != 0 && packet.ip_version != kind->version))
		return false;
	if (offload->csum_start != packet.l4_off || offload->csum_offset != kind->csum_offset)
		return false;
	super->l3_off = packet.l3_off;
	super->l4_off = packet.l4_off;
	super->version = packet.ip_version;
	super->protocol = packet.protocol;
	left = packet.l3_len - (super->l4_off - super->l3_off);
	len = transport_len(frame, super, left);
	if (len == 0 || !addresses(frame, super))
		return false;
	super->header_len = super->l4_off + len;
	super->payload = left - len;
	/* One segment must be expressible in the length field of its IP header. */
	one = super->payload < offload->gso_size ? super->payload : offload->gso_size;
	limit = UINT16_MAX + (super->version == 6 ? sizeof(struct ipv6_header) : 0u);
	return one <= limit - (super->header_len - super->l3_off);
}

/*
 * Where the bytes under a partial checksum end: Ethernet padding behind an IP
 * packet does not count. 0 when start or field lie where no checksum can be.
 */
static size_t partial_end(const struct frame *frame)
{
	struct frame look = *frame;
	struct packet packet;
	size_t first, end = frame->len, start = frame->offload.csum_start;

	if (!packet_parse(&look, &packet) || packet.l3_off == FRAME_OFF_UNSET)
		return 0;
	first = packet.l3_off;
	if (packet.ip_version != 0) {
		end = first + packet.l3_len;
		if (packet.ip_version == 6)
			first += sizeof(struct ipv6_header);
		else
			first += (frame->data[first] & 0x0fu) * 4u;
	}
	if (start < first || start > end || frame->offload.csum_offset > end - start)
		return 0;
	return end - start - frame->offload.csum_offset < sizeof(uint16_t) ? 0 : end;
}

/*
 * What a kernel has merged it may hand over as summed up, without saying where the sum is:
 * hardware does so (LRO), and lists of packets (rx-gro-list). Like any superframe it then
 * has its sum to be made, by whoever cuts it.
 */
static bool claim_checksum(struct frame *frame)
{
	struct frame_offload *offload = &frame->offload;
	struct frame look = *frame;
	struct packet packet;

	if (!offload->csum_valid || offload->gso > FRAME_GSO_UDP || !packet_parse(&look, &packet))
		return false;
	offload->csum_valid = false;
	offload->csum_partial = true;
	offload->csum_start = packet.l4_off;
	offload->csum_offset = kinds[offload->gso].csum_offset;
	return true;
}

/* A sum that is to be made begins with that of the pseudo-header. */
static enum reason begin_checksum(struct frame *frame, const struct superframe *super)
{
	size_t len = super->header_len - super->l4_off + super->payload;
	size_t src = (size_t)(super->src - frame->data), dst = (size_t)(super->dst - frame->data);
	uint16_t sum;

	if (!frame_writable(frame))
		return REASON_NO_BUFFER;
	sum = checksum_fold(checksum_pseudo(frame->data + src, frame->data + dst, super->addr_len,
					    super->protocol, (uint32_t)len));
	memcpy(frame->data + super->l4_off + frame->offload.csum_offset, &sum, sizeof(sum));
	return REASON_NONE;
}

static enum reason superframe_check(struct frame *frame)
{
	struct frame_offload *offload = &frame->offload;
	bool claimed = !offload->csum_partial && claim_checksum(frame);
	struct superframe super;

	if (!superframe_parse(frame, &super))
		return REASON_BAD_OFFLOAD;
	if (super.payload > (size_t)offload->gso_size * OFFLOAD_SEGMENTS_MAX)
		return REASON_BAD_OFFLOAD;
	if (claimed && begin_checksum(frame, &super) != REASON_NONE)
		return REASON_NO_BUFFER;
	frame->len = (uint32_t)(super.header_len + super.payload);
	/* A length left at zero still has to be filled in, by gso_segment(). */
	if (super.payload <= offload->gso_size && super.length_known) {
		offload->gso = FRAME_GSO_NONE;
		offload->gso_size = 0;
		offload->gso_ecn = false;
	}
	return REASON_NONE;
}

enum reason offload_check(struct frame *frame)
{
	if (frame->offload.gso != FRAME_GSO_NONE)
		return superframe_check(frame);
	if (frame->offload.csum_partial && partial_end(frame) == 0)
		return REASON_BAD_OFFLOAD;
	return REASON_NONE;
}

unsigned offload_needs(const struct frame *frame)
{
	unsigned needs = frame->offload.csum_partial ? OFFLOAD_CSUM : OFFLOAD_NONE;

	if (frame->offload.gso != FRAME_GSO_NONE && frame->offload.gso <= FRAME_GSO_UDP)
		needs |= kinds[frame->offload.gso].need;
	return needs;
}

unsigned offload_segments(const struct frame *frame)
{
	const struct frame_offload *offload = &frame->offload;
	size_t header = offload->csum_start + sizeof(struct udp_header);
	uint8_t data_offset;

	if (offload->gso == FRAME_GSO_NONE || offload->gso_size == 0)
		return 1;
	if (offload->gso != FRAME_GSO_UDP) {
		if (!frame_peek(frame,
				offload->csum_start + offsetof(struct tcp_header, data_offset), 1,
				&data_offset))
			return 1;
		header = offload->csum_start + (data_offset >> 4) * 4u;
	}
	if (header >= frame->len)
		return 1;
	return (unsigned)((frame->len - header + offload->gso_size - 1) / offload->gso_size);
}

enum reason offload_complete_checksum(struct frame *frame)
{
	struct frame_offload *offload = &frame->offload;
	size_t end;
	uint16_t check;

	if (!offload->csum_partial)
		return REASON_NONE;
	end = offload->gso == FRAME_GSO_NONE ? partial_end(frame) : 0;
	if (end == 0)
		return REASON_BAD_OFFLOAD;
	/* The field holds the sum over the pseudo-header and is summed with the rest. */
	check = checksum(frame->data + offload->csum_start, end - offload->csum_start);
	/* UDP says "none" by 0. Nothing else that is summed like this has its field there. */
	if (check == 0 && offload->csum_offset == offsetof(struct udp_header, checksum))
		check = 0xffff;
	memcpy(frame->data + offload->csum_start + offload->csum_offset, &check, sizeof(check));
	offload->csum_partial = false;
	return REASON_NONE;
}

unsigned gso_fit(const struct frame *frame, size_t max_len)
{
	unsigned size = frame->offload.gso_size;
	struct superframe super;

	if (!superframe_parse(frame, &super) || max_len <= super.header_len)
		return 0;
	if (size <= max_len - super.header_len)
		return size;
	/* A stream can be cut anywhere; a datagram means what it means as a whole. */
	return super.protocol == IPPROTO_TCP ? (unsigned)(max_len - super.header_len) : 0;
}

static void finish_ip(uint8_t *l3, const struct superframe *super, size_t len, unsigned index)
{
	if (super->version == 6) {
		struct ipv6_header *ip = (struct ipv6_header *)l3;

		ip->payload_len = htons((uint16_t)(len - sizeof(*ip)));
	} else {
		struct ipv4_header *ip = (struct ipv4_header *)l3;

		ip->total_len = htons((uint16_t)len);
		ip->id = htons((uint16_t)(ntohs(ip->id) + index));
		ip->checksum = 0;
		ip->checksum = checksum(ip, (ip->version_ihl & 0x0fu) * 4u);
	}
}

/* `pseudo` is the sum over the pseudo-header but for the length. */
static void finish_tcp(uint8_t *l4, size_t len, uint64_t pseudo, size_t done, bool last)
{
	struct tcp_header *tcp = (struct tcp_header *)l4;

	tcp->seq = htonl((uint32_t)(ntohl(tcp->seq) + done));
	if (done != 0)
		tcp->flags &= (uint8_t)~TCP_CWR;
	if (!last)
		tcp->flags &= (uint8_t) ~(TCP_FIN | TCP_PSH);
	tcp->checksum = 0;
	pseudo += htons((uint16_t)len);
	tcp->checksum = (uint16_t)~checksum_fold(checksum_add(pseudo, l4, len));
}

static void finish_udp(uint8_t *l4, size_t len, uint64_t pseudo)
{
	struct udp_header *udp = (struct udp_header *)l4;

	udp->len = htons((uint16_t)len);
	udp->checksum = 0;
	pseudo += htons((uint16_t)len);
	udp->checksum = (uint16_t)~checksum_fold(checksum_add(pseudo, l4, len));
	if (udp->checksum == 0)
		udp->checksum = 0xffff;
}

unsigned gso_segment(struct frame_pool *pool, struct frame *frame, unsigned size, gso_emit_fn *emit,
		     void *arg, enum reason *reason)
{
	struct superframe super;
	unsigned count = 0;
	uint64_t pseudo;

	*reason = REASON_BAD_OFFLOAD;
	if (!superframe_parse(frame, &super))
		goto out;
	*reason = REASON_OVERSIZE;
	if (size == 0 || (super.protocol == IPPROTO_UDP && size < frame->offload.gso_size))
		goto out;
	if (size > frame->offload.gso_size)
		size = frame->offload.gso_size;
	*reason = REASON_NONE;
	pseudo = checksum_pseudo(super.src, super.dst, super.addr_len, super.protocol, 0);
	for (size_t done = 0, n; done < super.payload || count == 0; done += n, count++) {
		struct frame *segment;

		n = super.payload - done < size ? super.payload - done : size;
		segment = frame_alloc(pool, super.header_len + n);
		if (!segment) {
			*reason = REASON_NO_BUFFER;
			break;
		}
		memcpy(segment->data, frame->data, super.header_len);
		memcpy(segment->data + super.header_len, frame->data + super.header_len + done, n);
		segment->len = (uint32_t)(super.header_len + n);
		segment->l3_off = (uint16_t)super.l3_off;
		segment->l4_off = (uint16_t)super.l4_off;
		segment->tag = frame->tag;
		segment->peer = frame->peer;
		segment->origin = frame->origin;
		segment->offload.csum_valid = true; /* made from the bytes, here */
		finish_ip(segment->data + super.l3_off, &super, segment->len - super.l3_off, count);
		if (super.protocol == IPPROTO_TCP)
			finish_tcp(segment->data + super.l4_off, segment->len - super.l4_off,
				   pseudo, done, done + n == super.payload);
		else
			finish_udp(segment->data + super.l4_off, segment->len - super.l4_off,
				   pseudo);
		emit(arg, segment);
	}
out:
	frame_free(frame);
	return count;
}
