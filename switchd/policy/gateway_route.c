/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * From one segment to another: what a router does to a packet, and what it does not.
 */
#include <arpa/inet.h>

#include "lib/checksum.h"
#include "switchd/membership.h"
#include "switchd/policy/gateway_impl.h"

/* Of IPv4 packets; RFC 791 section 3.1. */
#define OPTION_END    0u
#define OPTION_NOP    1u
#define OPTION_LOOSE  131u /* source routes */
#define OPTION_STRICT 137u

struct gateway_ends gateway_ends_of(const struct pass *p)
{
	struct gateway_ends ends = {.src = {.family = 0}};
	struct ipv4_header ip4;
	struct ipv6_header ip6;

	if (p->packet.ip_version == 4 &&
	    frame_peek(p->frame, p->packet.l3_off, sizeof(ip4), &ip4)) {
		ends.src.family = ends.dst.family = AF_INET;
		memcpy(ends.src.bytes, ip4.src, sizeof(ip4.src));
		memcpy(ends.dst.bytes, ip4.dst, sizeof(ip4.dst));
	} else if (p->packet.ip_version == 6 &&
		   frame_peek(p->frame, p->packet.l3_off, sizeof(ip6), &ip6)) {
		ends.src.family = ends.dst.family = AF_INET6;
		memcpy(ends.src.bytes, ip6.src, sizeof(ip6.src));
		memcpy(ends.dst.bytes, ip6.dst, sizeof(ip6.dst));
	}
	return ends;
}

/* Ports first, then the sides of all segments: 2^20 ports are more than there can be. */
uint64_t gateway_holder(const struct pass *p)
{
	if (p->port)
		return p->port->number;
	return (uint64_t)1 << 32 | (uint64_t)p->segment->number << 16 | p->where.side;
}

/* ---- policy ---- */

enum reason gateway_decide(struct pass *p, const struct gateway_question *question)
{
	struct gateway_route *route = question->route;
	const struct crossing *crossing = question->inward ? &route->inward : &route->crossing;
	struct flow_count *count = question->inward ? route->inward_count : route->count;
	const struct segment *from = question->inward ? route->to : p->segment;
	const struct segment *to = question->inward ? p->segment : route->to;
	struct crossing_frame cf = {
	    .frame = p->frame,
	    .packet = &p->packet,
	    .from = from->number,
	    .to = to->number,
	    .sender = &p->where,
	    .from_port = p->port ? p->port->conf->name : NULL,
	    .to_port = question->to ? question->to->conf->name : NULL,
	    .now = p->segment->sw->now,
	    .probe = question->probe,
	};
	struct decision decision = {.reason = REASON_NONE};
	char text[160];

	if (!crossing_is_free(crossing) || p->trace)
		decision = decide(p->segment->sw->conns, crossing, &cf);
	step(p, "policy", "from segment %s to %s: %s", from->conf.name, to->conf.name,
	     decision_text(&decision, crossing, text, sizeof(text)));
	if (question->probe || !count)
		return decision.reason;
	if (decision.reason != REASON_NONE) {
		count->refused++;
	} else {
		count->frames++;
		count->bytes += p->frame->len;
	}
	return decision.reason;
}

/* ---- where to ---- */

/* The first and the last address of an IPv4 subnet that has room for that: all of its stations
 * (RFC 1122 section 3.2.1.3). */
static bool is_broadcast(const struct ipprefix *subnet, const struct ipaddr *addr)
{
	uint32_t all, host;

	if (addr->family != AF_INET || subnet->len > 30)
		return false;
	all = UINT32_MAX >> subnet->len;
	host = ntohl(addr->v4.s_addr) & all;
	return host == 0 || host == all;
}

bool gateway_is_source_routed(const struct pass *p)
{
	size_t off = p->packet.l3_off + sizeof(struct ipv4_header), end;
	uint8_t byte = 0, option[2];

	if (p->packet.ip_version != 4 || !frame_peek(p->frame, p->packet.l3_off, 1, &byte))
		return false;
	end = p->packet.l3_off + (byte & 0x0fu) * 4u;
	while (off < end && frame_peek(p->frame, off, 1, &byte) && byte != OPTION_END) {
		if (byte == OPTION_LOOSE || byte == OPTION_STRICT)
			return true;
		if (byte == OPTION_NOP) {
			off++;
			continue;
		}
		if (!frame_peek(p->frame, off, sizeof(option), option) || option[1] < 2)
			return false;
		off += option[1];
	}
	return false;
}

/*
 * What is broken is not passed on, still less mended on the way (RFC 1812 section 5.2.2). Of
 * superframes the headers are made anew anyway.
 */
static bool header_is_whole(const struct pass *p)
{
	uint8_t header[60];
	size_t len;

	if (p->packet.ip_version != 4 || p->frame->offload.gso != FRAME_GSO_NONE)
		return true;
	if (!frame_peek(p->frame, p->packet.l3_off, 1, header))
		return false;
	len = (header[0] & 0x0fu) * 4u;
	return frame_peek(p->frame, p->packet.l3_off, len, header) && checksum(header, len) == 0;
}

/* Only what comes from a single station of the subnet is ever routed. */
static enum reason check_source(struct pass *p, const struct ipaddr *src)
{
	const struct gateway_address *subnet = gateway_subnet_find(p->segment->gateway, src);

	if (!subnet || gateway_address_find(p->segment->gateway, src) ||
	    is_broadcast(&subnet->subnet, src)) {
		step(p, "gateway", "source is not of this segment's subnet");
		return REASON_GUARD_IP;
	}
	if (!p->port && !subnet->foreign) {
		step(p, "gateway", "from a wire: its own host has to route it");
		return REASON_NOT_HERE;
	}
	return REASON_NONE;
}

/* Why there is no way; the sender is told. */
static enum reason no_way(struct pass *p, const struct ipaddr *dst)
{
	if (gateway_subnet_find(p->segment->gateway, dst)) {
		step(p, "gateway", "destination is in the segment that it comes from");
		return REASON_SAME_PORT;
	}
	step(p, "gateway", "no subnet of a junction: there is no way to it");
	if (!ipaddr_is_multicast(dst))
		gateway_complain(p, ICMP_ERROR_NET, 0, NULL);
	return REASON_POLICY_CLOSED;
}

/*
 * Before anybody is asked for, on behalf of who may not speak to him, nothing is counted
 * unless it is refused. Refusals by policy are told; what does not fit a connection is
 * not.
 */
static enum reason ask_policy(struct pass *p, const struct gateway_way *way, bool before)
{
	struct gateway_question question = {
	    .route = way->route, .probe = before || p->trace, .to = way->port};
	enum reason reason = gateway_decide(p, &question);

	if (reason != REASON_NONE && before && !p->trace) {
		question.probe = false;
		reason = gateway_decide(p, &question);
	}
	if (reason == REASON_POLICY_CLOSED || reason == REASON_POLICY_OUT ||
	    reason == REASON_POLICY_IN)
		gateway_complain(p, ICMP_ERROR_ADMIN, 0, &way->route->via);
	return reason;
}

/* ---- whom to ---- */

/*
 * Who asks for addresses that nobody has pays as for a broadcast, which each question
 * is: the entry then goes again, and with it the frame.
 */
static bool may_ask(struct pass *p)
{
	uint64_t rate = (uint64_t)p->segment->conf.storm;
	struct bucket *bucket = p->member ? &p->member->storm : &p->segment->gateway->asks;

	return rate == 0 || bucket_take(bucket, rate, 1, p->segment->sw->now, p->trace);
}

/* Asks, and lets the frame wait for the answer. */
static enum reason wait_for(struct pass *p, struct gateway_way *way, enum neighbour_use use)
{
	struct neighbours *table = way->here->all->table;

	p->frame = NULL;
	if (use == NEIGHBOUR_WAIT)
		return REASON_NONE;
	if (may_ask(p))
		gateway_ask(way->there, &way->dst, NULL);
	else
		(void)neighbours_del(table, way->route->to->number, &way->dst);
	return REASON_NONE;
}

static void trace_use(struct pass *p, const struct gateway_way *way, enum neighbour_use use)
{
	static const char *const words[] = {
	    [NEIGHBOUR_SEND] = "is known",
	    [NEIGHBOUR_SEND_ASK] = "is known, and would be asked whether it is still there",
	    [NEIGHBOUR_WAIT] = "is being asked for: the frame would wait",
	    [NEIGHBOUR_WAIT_ASK] = "would be asked for, and the frame would wait",
	    [NEIGHBOUR_REFUSED] = "is being asked for, and enough is waiting",
	};
	char text[ADDR_STRLEN];

	step(p, "gateway", "neighbour %s %s", ipaddr_format(&way->dst, text), words[use]);
}

/*
 * Finds the station, or lets the frame wait (it is gone then, without a reason). One whose
 * MAC is at no known place has been silent for long: it is asked for, rather than
 * showing everybody what is for it.
 */
static enum reason find_station(struct pass *p, struct gateway_way *way)
{
	struct switchd *sw = way->here->all->sw;
	struct neighbours *table = way->here->all->table;
	uint16_t to = way->route->to->number;
	enum neighbour_use use;

	if (p->trace)
		use = neighbours_probe(table, to, &way->dst, gateway_holder(p), &way->neighbour,
				       sw->now);
	else
		use = neighbours_use(table, to, &way->dst, gateway_holder(p), p->frame,
				     &way->neighbour, sw->now);
	trace_use(p, way, use);
	if (p->supposed && use != NEIGHBOUR_SEND && use != NEIGHBOUR_SEND_ASK &&
	    ipaddr_equal(&p->supposed->addr, &way->dst)) {
		way->neighbour.mac = p->supposed->mac;
		way->station = &p->supposed->where;
		if (way->station->side == FDB_SIDE_LOCAL)
			way->port = sw->port_by_number[way->station->port];
		return REASON_NONE;
	}
	if (use == NEIGHBOUR_REFUSED)
		return REASON_NO_NEIGHBOUR;
	if (use == NEIGHBOUR_WAIT || use == NEIGHBOUR_WAIT_ASK)
		return p->trace ? REASON_NONE : wait_for(p, way, use);
	if (use == NEIGHBOUR_SEND_ASK && !p->trace)
		gateway_ask(way->there, &way->dst, &way->neighbour.mac);
	way->station = fdb_lookup(sw->fdb, to, &way->neighbour.mac, sw->now);
	if (way->station && way->station->side == FDB_SIDE_LOCAL)
		way->port = sw->port_by_number[way->station->port];
	if (way->station || p->trace)
		return REASON_NONE;
	if (way->again)
		return REASON_NO_NEIGHBOUR;
	(void)neighbours_del(table, to, &way->dst);
	use = neighbours_use(table, to, &way->dst, gateway_holder(p), p->frame, &way->neighbour,
			     sw->now);
	return use == NEIGHBOUR_REFUSED ? REASON_NO_NEIGHBOUR : wait_for(p, way, use);
}

/* ---- sending ---- */

/* Into the other segment, from the router MAC; to who is on this host from the virtual one. */
static enum reason send_on(struct pass *p, struct gateway_way *way)
{
	struct pass out = {.segment = way->route->to, .trace = p->trace, .supposed = p->supposed};
	const struct mac *from = way->port ? &way->there->mac : &way->here->all->router;
	uint32_t len = p->frame->len;
	enum reason reason = packet_hop(p->frame, &p->packet);

	if (reason != REASON_NONE)
		return reason;
	memcpy(p->frame->data, &way->neighbour.mac, MAC_LEN);
	memcpy(p->frame->data + MAC_LEN, from, MAC_LEN);
	out.frame = p->frame;
	out.packet = p->packet;
	out.packet.eth.dst = way->neighbour.mac;
	out.packet.eth.src = *from;
	reason = way->cut ? gateway_send_cut(&out, way->cut) : forward_out(&out);
	p->frame = out.frame;
	p->receivers += out.receivers;
	if (!p->trace && reason == REASON_NONE) {
		way->route->frames++;
		way->route->bytes += len;
	}
	return reason;
}

static enum reason expired(struct pass *p)
{
	step(p, "gateway", "time to live has run out");
	gateway_complain(p, ICMP_ERROR_TTL, 0, NULL);
	return REASON_TTL;
}

/* Whether at least one hop is left. */
static bool is_alive(const struct pass *p)
{
	size_t off = p->packet.l3_off + (p->packet.ip_version == 4
					     ? offsetof(struct ipv4_header, ttl)
					     : offsetof(struct ipv6_header, hop_limit));
	uint8_t left;

	return frame_peek(p->frame, off, sizeof(left), &left) && left > 1;
}

enum reason gateway_route_frame(struct pass *p, bool again)
{
	struct gateway_way way = {.here = p->segment->gateway, .again = again};
	struct gateway_ends ends = gateway_ends_of(p);
	enum reason reason;

	if (p->frame->tag.tpid || p->packet.tags)
		return REASON_TAGGED;
	if (p->packet.ip_version == 0)
		return REASON_NOT_IP;
	way.dst = ends.dst;
	reason = check_source(p, &ends.src);
	if (reason != REASON_NONE)
		return reason;
	if (!header_is_whole(p)) {
		step(p, "gateway", "wrong IP header checksum");
		return REASON_BAD_HEADER;
	}
	if (gateway_is_source_routed(p)) {
		step(p, "gateway", "would be routed by its source");
		return REASON_GUARD_IP;
	}
	if (gateway_address_find(way.here, &ends.dst))
		return gateway_echo(p);
	if (!is_alive(p))
		return expired(p);
	way.route = gateway_route_find(way.here, &ends.dst);
	if (!way.route)
		return no_way(p, &ends.dst);
	if (is_broadcast(&way.route->subnet, &ends.dst)) {
		step(p, "gateway", "to all of a subnet: that does not cross");
		return REASON_POLICY_CLOSED;
	}
	way.there = way.route->to->gateway;
	step(p, "gateway", "to segment %s", way.route->to->conf.name);
	/* Nobody is asked for on behalf of who may not speak to him. */
	reason = ask_policy(p, &way, true);
	if (reason != REASON_NONE)
		return reason;
	if (ipaddr_equal(&ends.dst, &way.route->addr))
		return gateway_echo(p);
	reason = find_station(p, &way);
	if (reason != REASON_NONE || !p->frame || !way.station)
		return reason;
	reason = gateway_fits(p, &way);
	reason = reason ? reason : ask_policy(p, &way, false);
	return reason ? reason : send_on(p, &way);
}

/* ---- what has waited ---- */

/* Where a frame that waited came in, which its source says: that was checked then. */
static bool find_origin(struct gateway_side *to, struct pass *p)
{
	const struct gateway_route *back;
	struct switchd *sw = to->all->sw;
	const struct fdb_where *where;
	struct gateway_ends ends;

	if (!packet_parse(p->frame, &p->packet))
		return false;
	ends = gateway_ends_of(p);
	back = gateway_route_find(to, &ends.src);
	if (!back)
		return false;
	p->segment = back->to;
	where = fdb_lookup(sw->fdb, p->segment->number, &p->packet.eth.src, sw->now);
	if (!where)
		return false;
	p->where = *where;
	if (where->side == FDB_SIDE_LOCAL) {
		p->port = sw->port_by_number[where->port];
		p->member = membership_of(p->port, p->segment);
		return p->member != NULL;
	}
	for (size_t i = 0; i < p->segment->encap_count; i++) {
		if (p->segment->encaps[i]->encap.side == where->side)
			p->se = p->segment->encaps[i];
	}
	return p->se != NULL;
}

void gateway_release(struct gateway_side *to, struct frame_batch *released, bool failed)
{
	for (unsigned i = 0; i < released->count; i++) {
		struct pass p = {.frame = released->frame[i]};
		enum reason reason = REASON_NO_NEIGHBOUR;

		if (find_origin(to, &p)) {
			if (failed)
				gateway_complain(&p, ICMP_ERROR_HOST, 0, NULL);
			else
				reason = gateway_route_frame(&p, true);
		}
		if (reason != REASON_NONE)
			frame_drop(p.frame, reason);
		else
			frame_free(p.frame);
	}
	released->count = 0;
}

void gateways_tick(struct switchd *sw)
{
	struct frame_batch released = {.count = 0};
	struct gateways *all = sw->gateways;
	struct neighbour_due due;

	while (all && neighbours_tick(all->table, sw->now, &due, &released)) {
		struct gateway_side *side = sw->segment_by_number[due.segment]->gateway;

		if (due.failed)
			gateway_release(side, &released, true);
		else
			gateway_ask(side, &due.addr, due.alone ? &due.where.mac : NULL);
	}
}
