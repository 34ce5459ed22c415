/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What fits the link to the next station, and what becomes of the rest.
 */
#include <arpa/inet.h>

#include "encap/gso.h"
#include "lib/fragment.h"
#include "switchd/egress.h"
#include "switchd/policy/gateway_impl.h"
#include "switchd/segment.h"

/* The longest packet that the next link takes; 0: any. */
static unsigned link_mtu(const struct gateway_way *way)
{
	unsigned mtu = segment_port_mtu(way->route->to);

	if (!way->port)
		return mtu;
	return way->port->ops->mtu ? way->port->ops->mtu(way->port) : mtu;
}

/* The encap by which the station is reached, or NULL. */
static const struct segment_encap *encap_to(const struct gateway_way *way)
{
	const struct segment *to = way->route->to;

	for (size_t i = 0; way->station && i < to->encap_count; i++) {
		if (to->encaps[i]->encap.side == way->station->side)
			return to->encaps[i];
	}
	return NULL;
}

/* Whether it gets there as it is, although it is long: in fragments of a tunnel, or, a TCP
 * superframe, in smaller segments. */
static bool wire_takes(const struct pass *p, const struct gateway_way *way)
{
	const struct segment_encap *se = encap_to(way);

	return se && se->open && egress_refuses(se, p->frame, &way->station->remote) == REASON_NONE;
}

static bool may_cut(const struct pass *p)
{
	struct ipv4_header ip;

	return p->packet.ip_version == 4 &&
	       frame_peek(p->frame, p->packet.l3_off, sizeof(ip), &ip) &&
	       !(ntohs(ip.fragment) & IPV4_DONT_FRAGMENT);
}

enum reason gateway_fits(struct pass *p, struct gateway_way *way)
{
	const struct frame_offload *offload = &p->frame->offload;
	bool super = offload->gso != FRAME_GSO_NONE,
	     stream = super && offload->gso != FRAME_GSO_UDP;
	unsigned mtu = link_mtu(way);

	if (mtu == 0)
		return REASON_NONE;
	if (super ? gso_fit(p->frame, mtu + ETH_HEADER_LEN) >= offload->gso_size
		  : p->packet.l3_len <= mtu)
		return REASON_NONE;
	if (stream && !way->port) /* cut smaller on the way out */
		return REASON_NONE;
	if (may_cut(p) && !way->port && wire_takes(p, way))
		return REASON_NONE;
	if (may_cut(p)) {
		step(p, "gateway", "cut into pieces of at most %u bytes", mtu);
		way->cut = mtu;
		return REASON_NONE;
	}
	step(p, "gateway", "longer than the %u bytes that segment %s takes", mtu,
	     way->route->to->conf.name);
	gateway_complain(p, ICMP_ERROR_TOO_BIG, mtu, &way->route->via);
	return REASON_OVERSIZE;
}

/* ---- cutting ---- */

struct cutting {
	struct pass *p;
	unsigned mtu;
	enum reason reason; /* of the last that did not go */
	unsigned failed;    /* that did not */
	bool any;	    /* went */
};

static void failed(struct cutting *cutting, enum reason reason)
{
	cutting->reason = reason;
	cutting->failed++;
}

/* A trace looks at the first: the others go the same way. */
static void send_piece(void *arg, struct frame *piece)
{
	struct cutting *cutting = arg;
	struct pass one = *cutting->p;
	enum reason reason = REASON_NONE;

	one.frame = piece;
	one.packet.fragment = true; /* but for a short datagram, of which nobody asks it */
	if (!one.trace || !cutting->any)
		reason = forward_out(&one);
	cutting->p->receivers = one.receivers;
	cutting->p->late = one.late;
	frame_free(one.frame);
	if (reason == REASON_NONE)
		cutting->any = true;
	else
		failed(cutting, reason);
}

/* A whole packet, or one datagram of a superframe. */
static void cut_packet(struct cutting *cutting, const struct frame *frame,
		       const struct packet *packet)
{
	enum reason reason = fragment_ipv4(cutting->p->segment->sw->pool, frame, packet,
					   cutting->mtu, send_piece, cutting);

	if (reason != REASON_NONE)
		failed(cutting, reason);
}

static void cut_datagram(void *arg, struct frame *datagram)
{
	struct cutting *cutting = arg;
	struct packet packet;

	if (!packet_parse(datagram, &packet) || packet.l3_len <= cutting->mtu) {
		send_piece(cutting, datagram); /* the last may be short */
		return;
	}
	cut_packet(cutting, datagram, &packet);
	frame_free(datagram);
}

/* Segments of a stream need no fragments: they can be shorter. */
static enum reason cut_stream(struct pass *p, unsigned mtu)
{
	const unsigned size = gso_fit(p->frame, mtu + ETH_HEADER_LEN);

	if (size == 0)
		return REASON_OVERSIZE;
	p->frame->offload.gso_size = (uint16_t)size;
	return forward_out(p);
}

enum reason gateway_send_cut(struct pass *p, unsigned mtu)
{
	struct cutting cutting = {.p = p, .mtu = mtu, .reason = REASON_OVERSIZE};
	struct frame *frame = p->frame, *clone;
	enum reason reason = REASON_NONE;

	if (frame->offload.gso == FRAME_GSO_UDP) {
		clone = frame_clone(frame);
		if (!clone)
			return REASON_NO_BUFFER;
		(void)gso_segment(p->segment->sw->pool, clone, frame->offload.gso_size,
				  cut_datagram, &cutting, &reason);
	} else if (frame->offload.gso != FRAME_GSO_NONE) {
		return cut_stream(p, mtu);
	} else {
		reason = offload_complete_checksum(frame); /* it is ours alone */
		if (reason == REASON_NONE)
			cut_packet(&cutting, frame, &p->packet);
	}
	if (reason != REASON_NONE)
		failed(&cutting, reason);
	if (!cutting.any)
		return cutting.reason; /* and the packet counts as one */
	if (cutting.failed && frame->origin && !p->trace)
		frame->origin->rx_drops[cutting.reason] += cutting.failed;
	return REASON_NONE;
}
