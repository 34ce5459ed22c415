/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The second half of the pipeline: where a frame goes, and whether it may.
 */
#include <stdio.h>

#include "encap/gso.h"
#include "switchd/egress.h"
#include "switchd/forward_impl.h"
#include "switchd/membership.h"
#include "switchd/relay.h"

/* ---- trace ---- */

static void trace_to(struct pass *p, json_t *to)
{
	json_array_append_new(json_object_get(p->trace, "to"), to);
}

static const char *where_text(const struct pass *p, const struct fdb_where *where, char *buf,
			      size_t size)
{
	const struct switchd *sw = p->segment->sw;
	char addr[ADDR_STRLEN];

	if (where->side == FDB_SIDE_LOCAL)
		(void)snprintf(buf, size, "port %s", sw->port_by_number[where->port]->conf->name);
	else if (ipaddr_is_set(&where->remote))
		(void)snprintf(buf, size, "host %s", ipaddr_format(&where->remote, addr));
	else
		(void)snprintf(buf, size, "the wire");
	return buf;
}

/* ---- 5. look up and hand over ---- */

/* Broadcast and unknown unicast cost everybody: a port has a rate of them. */
static enum reason take_storm_token(struct pass *p)
{
	uint64_t rate = (uint64_t)p->segment->conf.storm;

	if (!p->port || rate == 0)
		return REASON_NONE;
	step(p, "lookup", "counts against the storm limit of %llu frames a second",
	     (unsigned long long)rate);
	return bucket_take(&p->member->storm, rate, offload_segments(p->frame), p->segment->sw->now,
			   p->trace)
		   ? REASON_NONE
		   : REASON_STORM;
}

static bool isolated(const struct pass *p, const struct port *to)
{
	if (!p->port)
		return false;
	return p->segment->conf.isolated || (p->port->conf->isolated && to->conf->isolated);
}

/* Why this port cannot get the frame; REASON_NONE if it can. */
static enum reason port_refuses(const struct pass *p, const struct port *to)
{
	if (to == p->port)
		return REASON_SAME_PORT;
	if (to->conf->state == PORT_LOCKED)
		return REASON_LOCKED;
	if (isolated(p, to))
		return REASON_ISOLATED;
	return to->state ? REASON_NONE : REASON_LINK_DOWN;
}

static enum reason encap_refuses(struct pass *p, const struct segment_encap *to)
{
	enum reason reason = relay_refuses(p->segment, p->se, to);

	if (reason == REASON_STANDBY)
		step(p, "relay", "not through uplink %s: the relay is %s", to->uplink->conf.name,
		     relay_state_text(p->segment));
	if (reason != REASON_NONE)
		return reason;
	return to->open && to->encap.ops->ready(&to->encap) ? REASON_NONE : REASON_LINK_DOWN;
}

/* The frame for one more receiver; the original itself for the last. */
static struct frame *frame_for(struct pass *p, bool last)
{
	struct frame *frame;

	if (!last)
		return frame_clone(p->frame);
	frame = p->frame;
	p->frame = NULL;
	return frame;
}

/* The tag of a trunk port's VLAN stands beside the bytes: others may share them. */
static void to_port(struct pass *p, const struct membership *to, bool last)
{
	struct frame *frame;

	p->receivers++;
	if (p->trace) {
		json_t *json = json_pack("{s:s}", "port", to->port->conf->name);

		if (to->vid)
			json_object_set_new(json, "vid", json_integer(to->vid));
		trace_to(p, json);
		return;
	}
	frame = frame_for(p, last);
	if (!frame) {
		to->port->stats.tx_drops[REASON_NO_BUFFER]++;
		return;
	}
	if (to->vid)
		frame->tag = (struct frame_tag){ETHERTYPE_CTAG, to->vid};
	egress_port(to->port, frame);
}

static void to_encap(struct pass *p, struct segment_encap *to, const struct ipaddr *dst, bool last)
{
	struct frame *frame;

	if (p->trace) {
		enum reason late = egress_refuses(to, p->frame, dst);

		if (late != REASON_NONE) {
			step(p, "send", "not through uplink %s: %s", to->uplink->conf.name,
			     reason_text(late));
			p->late = late;
			return;
		}
	}
	p->receivers++;
	if (p->trace) {
		char text[ADDR_STRLEN];
		json_t *json = json_pack("{s:s, s:s}", "encap", to->encap.ops->type, "uplink",
					 to->uplink->conf.name);

		json_object_set_new(json, "dst",
				    ipaddr_is_set(dst) ? json_string(ipaddr_format(dst, text))
						       : json_null());
		trace_to(p, json);
		return;
	}
	frame = frame_for(p, last);
	if (!frame) {
		to->encap.stats.tx_drops[REASON_NO_BUFFER]++;
		return;
	}
	frame->peer = *dst;
	egress_encap(to, frame);
}

static struct segment_encap *encap_of_side(const struct segment *segment, uint32_t side)
{
	for (size_t i = 0; i < segment->encap_count; i++) {
		if (segment->encaps[i]->encap.side == side)
			return segment->encaps[i];
	}
	return NULL;
}

static enum reason forward_unicast(struct pass *p, const struct fdb_where *where)
{
	struct switchd *sw = p->segment->sw;
	struct segment_encap *se;
	enum reason reason;

	if (where->side == FDB_SIDE_LOCAL) {
		struct port *port = sw->port_by_number[where->port];
		const struct membership *to = membership_of(port, p->segment);

		reason = to ? port_refuses(p, port) : REASON_LINK_DOWN;
		if (reason == REASON_NONE)
			to_port(p, to, true);
		return reason;
	}
	se = encap_of_side(p->segment, where->side);
	reason = se ? encap_refuses(p, se) : REASON_LINK_DOWN;
	if (reason != REASON_NONE)
		return reason;
	to_encap(p, se, &where->remote, true);
	return p->late;
}

/*
 * To every local port but the sender and, unless it came from a wire, to every
 * encap; from a wire to those encaps that a relay joins with it. Each receiver is served when the
 * next one is found, so that the last gets the original instead of a clone.
 */
static enum reason flood(struct pass *p)
{
	static const struct ipaddr everybody;
	enum reason refused = REASON_NO_RECEIVER;
	struct segment_encap *last_encap = NULL;
	const struct membership *last_port = NULL;
	bool over = p->se && relay_over_limit(p->se, p->frame);

	list_for_each (&p->segment->ports, it) {
		const struct membership *to = container_of(it, struct membership, by_segment);
		enum reason reason = port_refuses(p, to->port);

		if (reason != REASON_NONE) {
			if (reason != REASON_SAME_PORT)
				refused = reason;
			continue;
		}
		if (!snooping_to_port(p->segment, &p->choice, to->port))
			continue;
		if (last_port)
			to_port(p, last_port, false);
		last_port = to;
	}
	for (size_t i = 0; i < p->segment->encap_count; i++) {
		struct segment_encap *to = p->segment->encaps[i];
		enum reason reason = encap_refuses(p, to);

		if (reason == REASON_NONE && over)
			reason = REASON_STORM;
		if (reason != REASON_NONE) {
			if (reason != REASON_SPLIT_HORIZON)
				refused = reason;
			continue;
		}
		if (!snooping_to_encap(p->segment, &p->choice, to))
			continue;
		if (last_encap)
			to_encap(p, last_encap, &everybody, false);
		last_encap = to;
	}
	if (last_port)
		to_port(p, last_port, !last_encap);
	if (last_encap)
		to_encap(p, last_encap, &everybody, true);
	if (p->late != REASON_NONE)
		refused = p->late;
	return p->receivers ? REASON_NONE : refused;
}

enum reason forward_out(struct pass *p)
{
	struct switchd *sw = p->segment->sw;
	const struct mac *dst = &p->packet.eth.dst;
	const struct fdb_where *where;
	enum reason reason;
	char text[96];

	forward_set_verdict(p, "flood");
	p->choice = (struct snooping_choice){.scope = SNOOPING_ALL};
	if (mac_is_group(dst)) {
		if (p->segment->snooping)
			p->choice =
			    snooping_choose(p->segment, p->trace ? NULL : &p->where, p->frame);
		step(p, "lookup", "group address: to %s in segment %s",
		     snooping_scope_text(&p->choice), p->segment->conf.name);
		reason = mac_is_broadcast(dst) ? take_storm_token(p) : REASON_NONE;
		return reason == REASON_NONE ? flood(p) : reason;
	}
	if (p->would_learn && mac_equal(dst, &p->packet.eth.src))
		where = &p->where;
	else
		where = fdb_lookup(sw->fdb, p->segment->number, dst, sw->now);
	if (!where) {
		step(p, "lookup", "unknown destination: to everybody in segment %s",
		     p->segment->conf.name);
		reason = take_storm_token(p);
		return reason == REASON_NONE ? flood(p) : reason;
	}
	forward_set_verdict(p, "forward");
	step(p, "lookup", "destination is at %s", where_text(p, where, text, sizeof(text)));
	return forward_unicast(p, where);
}
