/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What comes into a segment that has a gateway: who may send, what is for the gateway,
 * what it hears of its neighbours, and what other hosts have routed here.
 */
#include "lib/log.h"
#include "switchd/policy/gateway_impl.h"

LOG_MODULE("gateway");

/* ---- who may send ---- */

static bool is_link_local(const struct ipaddr *addr)
{
	return addr->family == AF_INET6 && addr->bytes[0] == 0xfe &&
	       (addr->bytes[1] & 0xc0) == 0x80;
}

/*
 * A guest's source is an address of its port if that has any, else one of its segment's
 * subnets of that family if there are any; never the gateway's. What has no address yet, or
 * one of the link only, does not leave the segment.
 */
static bool source_allowed(const struct pass *p, const struct ipaddr *src)
{
	const struct gateway_side *side = p->segment->gateway;
	const struct port_conf *conf = p->port->conf;
	const struct ipprefix *own = conf->addresses.items;
	bool any = false;

	if (ipaddr_is_unspecified(src) || is_link_local(src))
		return true;
	if (gateway_address_find(side, src))
		return false;
	for (size_t i = 0; i < conf->addresses.count; i++) {
		if (ipprefix_contains(&own[i], src))
			return true;
	}
	if (conf->addresses.count > 0)
		return false;
	for (size_t i = 0; i < side->address_count; i++) {
		any |= side->addresses[i].addr.family == src->family;
		if (ipprefix_contains(&side->addresses[i].subnet, src))
			return true;
	}
	return !any;
}

enum reason gateway_admits(struct pass *p)
{
	const struct gateway_side *side = p->segment->gateway;
	const struct mac *src = &p->packet.eth.src;
	bool own = mac_equal(src, &side->all->router);
	struct gateway_ends ends;

	if (gateway_mac_is_virtual(src) || (gateway_mac_is_router(src) && (p->port || own))) {
		step(p, "gateway", "source MAC is reserved for gateways");
		if (own && p->se && side->here && !p->trace)
			log_limited(
			    LOG_LEVEL_WARN,
			    "segment %s: a frame of this host's router MAC came from uplink "
			    "%s: does another host have the same name, or does the network "
			    "send back what it gets?",
			    p->segment->conf.name, p->se->uplink->conf.name);
		return REASON_GUARD_MAC;
	}
	if (!side->here)
		return REASON_NONE;
	if (!packet_parse(p->frame, &p->packet))
		return REASON_TOO_SHORT;
	if (!p->port || p->packet.ip_version == 0)
		return REASON_NONE;
	ends = gateway_ends_of(p);
	if (source_allowed(p, &ends.src))
		return REASON_NONE;
	step(p, "gateway", "source IP address is not one of this port's subnet");
	return REASON_GUARD_IP;
}

/* ---- ARP and neighbour discovery ---- */

/* Who says where an address is, and may be believed: for itself, and no other switch. */
static void learn_neighbour(const struct pass *p, const struct arp_nd *msg)
{
	struct gateway_side *side = p->segment->gateway;
	const struct neighbour_where where = {.mac = msg->mac};
	struct frame_batch released = {.count = 0};
	bool moves = msg->kind == ARP_ND_ASK || msg->owner.family == AF_INET || msg->override;

	if (p->trace || !arp_nd_binds(msg) || !mac_equal(&msg->mac, &msg->eth_src) ||
	    gateway_mac_is_router(&msg->mac))
		return;
	(void)neighbours_heard(side->all->table, p->segment->number, &msg->owner, &where,
			       moves ? NEIGHBOUR_MAY_MOVE : NEIGHBOUR_MAY_CONFIRM, 0,
			       side->all->sw->now, &released);
	if (released.count > 0)
		gateway_release(side, &released, false);
}

/* Whether the message ends here: with *reason, or because it was for the gateway alone. */
static bool hear(struct pass *p, const struct arp_nd *msg, enum reason *reason)
{
	const struct gateway_side *side = p->segment->gateway;
	bool foreign = gateway_mac_is_router(&msg->eth_src);
	const struct gateway_address *asked;

	*reason = REASON_NONE;
	if (arp_nd_binds(msg) && gateway_address_find(side, &msg->owner)) {
		step(p, "gateway", "says that the gateway's address is its own");
		*reason = REASON_GUARD_ARP;
		return true;
	}
	learn_neighbour(p, msg);
	asked = msg->kind == ARP_ND_ASK ? gateway_address_find(side, &msg->asked) : NULL;
	if (asked && (p->port || (asked->foreign && !foreign))) {
		gateway_answer(p, msg);
		return true;
	}
	if (asked) {
		step(p, "gateway", "asks for the gateway from a wire: another host answers");
		*reason = REASON_NOT_HERE;
		return true;
	}
	if (!gateway_mac_is_virtual(&msg->eth_dst) && !mac_equal(&msg->eth_dst, &side->all->router))
		return false;
	/* Stations that were asked ask back, where the router is by itself. */
	if (msg->kind == ARP_ND_ASK && ipaddr_equal(&msg->asked, &side->all->link_local)) {
		gateway_answer(p, msg);
		return true;
	}
	forward_set_verdict(p, "consume");
	step(p, "gateway", "an answer for the gateway");
	return true;
}

/* ---- what other hosts have routed here ---- */

/* Checks it once more, for the receiver, to whom it shows the virtual MAC. */
static enum reason deliver(struct pass *p)
{
	struct gateway_side *side = p->segment->gateway;
	struct switchd *sw = side->all->sw;
	bool group = mac_is_group(&p->packet.eth.dst);
	const struct fdb_where *where =
	    group ? NULL : fdb_lookup(sw->fdb, p->segment->number, &p->packet.eth.dst, sw->now);
	struct gateway_question question;
	struct gateway_route *route;
	struct gateway_ends ends;
	enum reason reason;

	/* To groups only encaps that are for IP subnets let anything be routed. */
	if (!where && !(group && p->se->encap.ops->gateways)) {
		step(p, "gateway", "routed by another host, to nobody who is here");
		return REASON_NOT_HERE;
	}
	if (where && where->side != FDB_SIDE_LOCAL)
		return REASON_NONE; /* to be relayed, or refused by the split horizon */
	if (p->frame->tag.tpid || p->packet.tags)
		return REASON_TAGGED;
	if (p->packet.ip_version == 0)
		return REASON_NOT_IP;
	ends = gateway_ends_of(p);
	route = gateway_route_find(side, &ends.src);
	if (!route) {
		step(p, "gateway", "routed by another host, from no subnet that may come here");
		return REASON_GUARD_IP;
	}
	step(p, "gateway", "routed by another host, from segment %s", route->to->conf.name);
	if (gateway_is_source_routed(p)) {
		step(p, "gateway", "would be routed by its source");
		return REASON_GUARD_IP;
	}
	question = (struct gateway_question){.route = route,
					     .inward = true,
					     .probe = p->trace || group, /* makes no state */
					     .to = where ? sw->port_by_number[where->port] : NULL};
	reason = gateway_decide(p, &question);
	if (reason != REASON_NONE)
		return reason;
	if (!frame_writable(p->frame))
		return REASON_NO_BUFFER;
	p->packet.eth.src = side->mac;
	memcpy(p->frame->data + MAC_LEN, &side->mac, MAC_LEN);
	if (!p->trace)
		side->counters.delivered++;
	return REASON_NONE;
}

bool gateway_takes(struct pass *p, enum reason *reason)
{
	const struct gateway_side *side = p->segment->gateway;
	const struct mac *dst = &p->packet.eth.dst;
	bool own = mac_equal(dst, &side->all->router), routed;
	struct arp_nd msg;

	if (!side->here)
		return false;
	routed = p->se && gateway_mac_is_router(&p->packet.eth.src);
	if (p->frame->tag.tpid == 0 && p->packet.tags == 0 &&
	    arp_nd_parse(p->frame, &p->packet, &msg) >= ARP_ND_ASK) {
		if (hear(p, &msg, reason))
			return true;
		/* Other hosts ask the guests here, and get their answers. */
		return false;
	}
	if ((p->port && gateway_mac_is_virtual(dst)) || (p->se && own && !routed)) {
		*reason = gateway_route_frame(p, false);
		return true;
	}
	if (gateway_mac_is_virtual(dst) || own || (p->port && gateway_mac_is_router(dst))) {
		step(p, "gateway", "for a router that is none for its sender");
		*reason = REASON_NOT_HERE;
		return true;
	}
	if (!routed)
		return false;
	*reason = deliver(p);
	return *reason != REASON_NONE;
}
