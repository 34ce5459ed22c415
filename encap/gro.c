/* SPDX-License-Identifier: BSD-2-Clause */
#include "encap/gro.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "encap/gso.h"
#include "lib/checksum.h"
#include "lib/packet.h"

#define TCP_ACK	     0x10
#define IP_DF	     0x4000
#define IP_TOTAL_MAX 65535u

/* What a segment must be to be merged at all: untagged, IP without options or
 * extension headers, TCP with data and no flags but ACK and PSH. */
struct segment {
	const uint8_t *bytes;
	uint32_t hash;
	uint16_t l4_off, header_len;
	uint16_t payload;
	uint16_t ip_id;
	bool df, push, v6;
	bool sound; /* nobody needs to sum it up */
	uint32_t seq;
};

static uint32_t load32(const uint8_t *p)
{
	uint32_t v;

	memcpy(&v, p, sizeof(v));
	return v;
}

static bool is_v6(const uint8_t *bytes)
{
	return bytes[ETH_HEADER_LEN] >> 4 == 6;
}

/* Only to find a flow fast: a collision costs a merge, no more. */
static uint32_t flow_hash(const uint8_t *addresses, size_t len, const uint8_t *ports)
{
	uint32_t h = load32(ports);

	for (size_t i = 0; i < len; i += 4)
		h = (h ^ load32(addresses + i)) * 0x9e3779b1u;
	return h ^ h >> 15;
}

/* What kind of frame this is for us: of no flow, of a flow but not to be merged, or a segment. */
enum likeness { FOREIGN, OF_A_FLOW, MERGEABLE };

static enum likeness parse_tcp(struct segment *s, size_t l4_len)
{
	const struct tcp_header *tcp = (const struct tcp_header *)(s->bytes + s->l4_off);
	size_t len = (tcp->data_offset >> 4) * 4u;

	s->seq = ntohl(tcp->seq);
	if (len < sizeof(*tcp) || len >= l4_len || (tcp->data_offset & 0x0f) != 0)
		return OF_A_FLOW;
	if ((tcp->flags & ~(unsigned)TCP_PSH) != TCP_ACK || tcp->urgent != 0)
		return OF_A_FLOW;
	s->push = tcp->flags & TCP_PSH;
	s->header_len = (uint16_t)(s->l4_off + len);
	s->payload = (uint16_t)(l4_len - len);
	return MERGEABLE;
}

static enum likeness parse_ipv4(const struct frame *frame, struct segment *s)
{
	const struct ipv4_header *ip = (const struct ipv4_header *)(s->bytes + ETH_HEADER_LEN);
	size_t total = ntohs(ip->total_len), left = frame->len - ETH_HEADER_LEN;
	unsigned fragment = ntohs(ip->fragment);
	enum likeness likeness;

	if (ip->version_ihl != 0x45 || ip->protocol != IPPROTO_TCP || total > left ||
	    total < sizeof(*ip) + sizeof(struct tcp_header) || (fragment & ~(unsigned)IP_DF) != 0)
		return FOREIGN;
	s->l4_off = ETH_HEADER_LEN + sizeof(*ip);
	s->df = fragment & IP_DF;
	s->ip_id = ntohs(ip->id);
	s->hash = flow_hash(ip->src, 8, s->bytes + s->l4_off);
	likeness = parse_tcp(s, total - sizeof(*ip));
	if (likeness == MERGEABLE && checksum(ip, sizeof(*ip)) != 0)
		return OF_A_FLOW;
	return likeness;
}

static enum likeness parse_ipv6(const struct frame *frame, struct segment *s)
{
	const struct ipv6_header *ip = (const struct ipv6_header *)(s->bytes + ETH_HEADER_LEN);
	size_t payload = ntohs(ip->payload_len), left = frame->len - ETH_HEADER_LEN;

	if (left < sizeof(*ip) + sizeof(struct tcp_header) || !is_v6(s->bytes) ||
	    ip->next_header != IPPROTO_TCP || payload > left - sizeof(*ip) ||
	    payload < sizeof(struct tcp_header))
		return FOREIGN;
	s->l4_off = ETH_HEADER_LEN + sizeof(*ip);
	s->df = true;
	s->v6 = true;
	s->hash = flow_hash(ip->src, 32, s->bytes + s->l4_off);
	return parse_tcp(s, payload);
}

/* Headers are read in place: every length is checked before, and they are bytes. */
static enum likeness parse(const struct frame *frame, struct segment *s)
{
	uint16_t type;

	*s = (struct segment){.bytes = frame->data};
	if (frame->len < ETH_HEADER_LEN + sizeof(struct ipv4_header) + sizeof(struct tcp_header) ||
	    frame->tag.tpid || frame->offload.gso != FRAME_GSO_NONE)
		return FOREIGN;
	memcpy(&type, frame->data + offsetof(struct eth_header, type), sizeof(type));
	if (type == htons(ETHERTYPE_IPV4))
		return parse_ipv4(frame, s);
	return type == htons(ETHERTYPE_IPV6) ? parse_ipv6(frame, s) : FOREIGN;
}

static uint64_t pseudo_sum(const uint8_t *bytes, bool v6, size_t l4_len)
{
	if (v6)
		return checksum_pseudo(bytes + ETH_HEADER_LEN + offsetof(struct ipv6_header, src),
				       bytes + ETH_HEADER_LEN + offsetof(struct ipv6_header, dst),
				       16, IPPROTO_TCP, (uint32_t)l4_len);
	return checksum_pseudo(bytes + ETH_HEADER_LEN + offsetof(struct ipv4_header, src),
			       bytes + ETH_HEADER_LEN + offsetof(struct ipv4_header, dst), 4,
			       IPPROTO_TCP, (uint32_t)l4_len);
}

/*
 * Whether the checksum is right without being summed up: the NIC has done that; or the
 * segment has never been on a wire, and the kernel that sent it has left the sum to
 * whoever needs one, with that of the pseudo-header in its place. Metadata that says
 * anything else of a partial checksum makes no segment of it.
 */
static enum likeness judge_checksum(const struct frame *frame, struct segment *s)
{
	const struct frame_offload *offload = &frame->offload;
	const struct tcp_header *tcp = (const struct tcp_header *)(s->bytes + s->l4_off);
	size_t l4_len = (size_t)s->header_len - s->l4_off + s->payload;

	s->sound = offload->csum_valid || offload->csum_partial;
	if (!offload->csum_partial)
		return MERGEABLE;
	return offload->csum_start == s->l4_off &&
		       offload->csum_offset == offsetof(struct tcp_header, checksum) &&
		       tcp->checksum == checksum_fold(pseudo_sum(s->bytes, s->v6, l4_len))
		   ? MERGEABLE
		   : OF_A_FLOW;
}

/* Headers and payload may lie apart: the payload is summed where it was copied to. */
static bool checksum_holds(const uint8_t *bytes, bool v6, size_t l4_off, size_t header_len,
			   const uint8_t *payload, size_t payload_len)
{
	size_t head = header_len - l4_off;
	uint64_t sum = pseudo_sum(bytes, v6, head + payload_len);

	sum = checksum_add(sum, bytes + l4_off, head);
	sum = checksum_add(sum, payload, payload_len);
	return checksum_fold(sum) == 0xffff;
}

/* ---- flows ---- */

static bool same_flow(const struct frame *first, const struct segment *s, const struct frame *frame)
{
	const uint8_t *a = first->data, *b = frame->data;
	size_t src = ETH_HEADER_LEN + (s->v6 ? offsetof(struct ipv6_header, src)
					     : offsetof(struct ipv4_header, src));

	/* Versions first: the offsets of the rest depend on it. */
	return is_v6(a) == s->v6 &&
	       memcmp(a + src, b + src, s->l4_off - src + 2 * sizeof(uint16_t)) == 0;
}

static void flow_close(struct gro *gro, const struct gro_flow *flow)
{
	gro->used &= ~(1u << (unsigned)(flow - gro->flow));
}

static struct gro_flow *flow_find(struct gro *gro, const struct frame_batch *batch,
				  const struct segment *s, const struct frame *frame)
{
	for (uint32_t left = gro->used; left; left &= left - 1) {
		struct gro_flow *flow = &gro->flow[__builtin_ctz(left)];

		if (flow->hash == s->hash && same_flow(batch->frame[flow->index], s, frame))
			return flow;
	}
	return NULL;
}

/* ---- superframes ---- */

static void complete_ip(uint8_t *bytes, size_t l3_len)
{
	if (is_v6(bytes)) {
		struct ipv6_header *ip = (struct ipv6_header *)(bytes + ETH_HEADER_LEN);

		ip->payload_len = htons((uint16_t)(l3_len - sizeof(*ip)));
	} else {
		struct ipv4_header *ip = (struct ipv4_header *)(bytes + ETH_HEADER_LEN);

		ip->total_len = htons((uint16_t)l3_len);
		ip->checksum = 0;
		ip->checksum = checksum(ip, sizeof(*ip));
	}
}

/* The first segment's headers stand for all. */
static void flow_complete(const struct gro_flow *flow, struct frame *frame)
{
	struct tcp_header *tcp = (struct tcp_header *)(frame->data + flow->l4_off);
	bool v6 = is_v6(frame->data);

	if (flow->segments < 2)
		return;
	complete_ip(frame->data, frame->len - ETH_HEADER_LEN);
	tcp->checksum = checksum_fold(pseudo_sum(frame->data, v6, frame->len - flow->l4_off));
	frame->offload = (struct frame_offload){
	    .csum_partial = true,
	    .gso = v6 ? FRAME_GSO_TCP6 : FRAME_GSO_TCP4,
	    .gso_size = flow->size,
	    .csum_start = flow->l4_off,
	    .csum_offset = offsetof(struct tcp_header, checksum),
	};
}

/* The first segment moves to a buffer with room for more. */
static bool make_room(struct gro_flow *flow, struct frame_pool *pool, struct frame_batch *batch)
{
	struct frame *first = batch->frame[flow->index], *large;

	if (!flow->sound &&
	    !checksum_holds(first->data, is_v6(first->data), flow->l4_off, flow->header_len,
			    first->data + flow->header_len, flow->payload))
		return false;
	large = frame_alloc(pool, FRAME_LARGE);
	if (!large)
		return false;
	large->len = flow->header_len + flow->payload; /* without Ethernet padding */
	memcpy(large->data, first->data, large->len);
	large->peer = first->peer;
	large->origin = first->origin;
	large->offload = first->offload; /* until it is a superframe */
	batch->frame[flow->index] = large;
	frame_free(first);
	return true;
}

/* Whether all that a superframe says once is the same in both. */
static bool headers_agree(const struct gro_flow *flow, const uint8_t *a, const struct segment *s)
{
	const uint8_t *b = s->bytes;
	const struct tcp_header *ta = (const struct tcp_header *)(a + flow->l4_off);
	const struct tcp_header *tb = (const struct tcp_header *)(b + flow->l4_off);

	/* Ethernet; then version and class (and the flow label); then what is
	 * neither length, identification nor checksum. */
	if (memcmp(a, b, ETH_HEADER_LEN) != 0)
		return false;
	if (s->v6) {
		const struct ipv6_header *ia = (const struct ipv6_header *)(a + ETH_HEADER_LEN);
		const struct ipv6_header *ib = (const struct ipv6_header *)(b + ETH_HEADER_LEN);

		if (ia->version_class_label != ib->version_class_label ||
		    ia->hop_limit != ib->hop_limit)
			return false;
	} else {
		const struct ipv4_header *ia = (const struct ipv4_header *)(a + ETH_HEADER_LEN);
		const struct ipv4_header *ib = (const struct ipv4_header *)(b + ETH_HEADER_LEN);

		if (ia->tos != ib->tos || ia->ttl != ib->ttl || ia->fragment != ib->fragment)
			return false;
		/* RFC 6864: what is never fragmented needs no identification. */
		if (!s->df && (uint16_t)(flow->ip_id + flow->segments) != s->ip_id)
			return false;
	}
	return ta->ack == tb->ack && ta->window == tb->window &&
	       ta->data_offset == tb->data_offset &&
	       memcmp(ta + 1, tb + 1, flow->header_len - flow->l4_off - sizeof(*ta)) == 0;
}

/* Appends a segment's payload; false, with nothing changed, when it does not follow. */
static bool flow_append(struct gro_flow *flow, struct frame_pool *pool, struct frame_batch *batch,
			const struct frame *frame, const struct segment *s)
{
	struct frame *super = batch->frame[flow->index];
	uint8_t *end;

	if (flow->segments == OFFLOAD_SEGMENTS_MAX || s->seq != flow->next_seq ||
	    s->payload > flow->size || s->header_len != flow->header_len ||
	    !ipaddr_equal(&super->peer, &frame->peer) ||
	    flow->header_len - ETH_HEADER_LEN + flow->payload + s->payload > IP_TOTAL_MAX ||
	    !headers_agree(flow, super->data, s))
		return false;
	if (flow->segments == 1 && !make_room(flow, pool, batch))
		return false;
	super = batch->frame[flow->index];
	end = super->data + super->len;
	memcpy(end, s->bytes + s->header_len, s->payload);
	if (!s->sound &&
	    !checksum_holds(s->bytes, s->v6, s->l4_off, s->header_len, end, s->payload))
		return false;
	super->len += s->payload;
	flow->payload += s->payload;
	flow->next_seq += s->payload;
	flow->segments++;
	if (s->push)
		super->data[flow->l4_off + offsetof(struct tcp_header, flags)] |= TCP_PSH;
	return true;
}

/* For the frame that is added to the batch next. */
static void flow_open(struct gro *gro, const struct frame_batch *batch, const struct segment *s)
{
	uint32_t free_ones = ~gro->used & ((1u << GRO_FLOWS) - 1);
	struct gro_flow *flow;

	if (!free_ones) {
		flow = &gro->flow[gro->victim++ % GRO_FLOWS];
		flow_complete(flow, batch->frame[flow->index]);
	} else {
		flow = &gro->flow[__builtin_ctz(free_ones)];
		gro->used |= 1u << __builtin_ctz(free_ones);
	}
	*flow = (struct gro_flow){
	    .index = batch->count,
	    .hash = s->hash,
	    .l4_off = s->l4_off,
	    .header_len = s->header_len,
	    .size = s->payload,
	    .segments = 1,
	    .sound = s->sound,
	    .ip_id = s->ip_id,
	    .payload = s->payload,
	    .next_seq = s->seq + s->payload,
	};
}

enum gro_result gro_add(struct gro *gro, struct frame_pool *pool, struct frame_batch *batch,
			struct frame *frame)
{
	struct segment s;
	enum likeness likeness = parse(frame, &s);
	struct gro_flow *flow = likeness == FOREIGN ? NULL : flow_find(gro, batch, &s, frame);

	if (likeness == MERGEABLE)
		likeness = judge_checksum(frame, &s);
	if (flow) {
		bool done = likeness == MERGEABLE && flow_append(flow, pool, batch, frame, &s);

		if (!done || s.push || s.payload < flow->size) {
			flow_complete(flow, batch->frame[flow->index]);
			flow_close(gro, flow);
		}
		if (done) {
			if (!frame_is_borrowed(frame))
				frame_free(frame);
			return GRO_MERGED;
		}
	}
	if (frame_is_borrowed(frame)) {
		frame = frame_keep(pool, frame);
		if (!frame)
			return GRO_NO_BUFFER;
	}
	/* A segment with PSH is the last of its kind: nothing will follow it. */
	if (likeness == MERGEABLE && !s.push)
		flow_open(gro, batch, &s);
	frame_batch_add(batch, frame);
	return GRO_ADDED;
}

void gro_finish(struct gro *gro, struct frame_batch *batch)
{
	for (uint32_t left = gro->used; left; left &= left - 1) {
		struct gro_flow *flow = &gro->flow[__builtin_ctz(left)];

		flow_complete(flow, batch->frame[flow->index]);
	}
	gro->used = 0;
}
