/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The second half of the pipeline: where a frame goes, and whether it may.
 *
 * On a wire a frame is always in the segment of the port that sent it. It crosses
 * to another when it is handed to a local port; what came from a wire goes to no wire. So
 * there are no loops, however many hosts carry both segments, and each port gets one
 * copy.
 */
#include <stdio.h>

#include "encap/gso.h"
#include "switchd/egress.h"
#include "switchd/forward_impl.h"
#include "switchd/membership.h"
#include "switchd/policy/policy.h"
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

/* Of ports in two segments only those count that are isolated themselves. */
static bool isolated(const struct pass *p, const struct membership *to)
{
	if (!p->port)
		return false;
	return (p->segment->conf.isolated && to->segment == p->segment) ||
	       (p->port->conf->isolated && to->port->conf->isolated);
}

/* Why this port cannot get the frame; REASON_NONE if it can. */
static enum reason port_refuses(const struct pass *p, const struct membership *to)
{
	if (to->port == p->port)
		return REASON_SAME_PORT;
	if (to->port->conf->state == PORT_LOCKED)
		return REASON_LOCKED;
	if (isolated(p, to))
		return REASON_ISOLATED;
	return to->port->state ? REASON_NONE : REASON_LINK_DOWN;
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
		if (to->segment != p->segment)
			json_object_set_new(json, "segment", json_string(to->segment->conf.name));
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

		reason = to ? port_refuses(p, to) : REASON_LINK_DOWN;
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

/* ---- 6. junctions and flow policy ---- */

/* Tags are a segment's own: what has one stays there. */
static bool stays(const struct pass *p)
{
	uint16_t tpid, tci;

	return !p->segment->joints || packet_tag(p->frame, &tpid, &tci);
}

/* Whether the frame may cross; `to` is the port that is to get it, NULL: another host's, or
 * not known. */
static enum reason may_cross(struct pass *p, struct joint *joint, const struct port *to)
{
	struct crossing_frame cf = {
	    .frame = p->frame,
	    .packet = &p->packet,
	    .from = p->segment->number,
	    .to = joint->to->number,
	    .sender = &p->where,
	    .from_port = p->port ? p->port->conf->name : NULL,
	    .to_port = to ? to->conf->name : NULL,
	    .now = p->segment->sw->now,
	    .probe = p->trace != NULL,
	};
	struct decision decision = {.reason = REASON_NONE};
	char text[160];

	if (!joint->free || p->trace) {
		if (!p->parsed)
			p->parsed = packet_parse(p->frame, &p->packet);
		decision = decide(p->segment->sw->conns, &joint->crossing, &cf);
	}
	step(p, "junction", "%s, to segment %s: %s", joint->junction->name, joint->to->conf.name,
	     decision_text(&decision, &joint->crossing, text, sizeof(text)));
	if (p->trace)
		return decision.reason;
	if (decision.reason != REASON_NONE) {
		joint->count->refused++;
	} else {
		joint->count->frames++;
		joint->count->bytes += p->frame->len;
	}
	return decision.reason;
}

/*
 * Where a destination is that the own segment does not know. NULL: nobody knows, or
 * *reason is REASON_AMBIGUOUS. Segments to which nothing can cross count only where
 * no other knows it.
 */
static const struct fdb_where *find_joined(const struct pass *p, struct joint **found,
					   enum reason *reason)
{
	const struct switchd *sw = p->segment->sw;
	const struct joints *joints = p->segment->joints;
	const struct fdb_where *where = NULL;

	*found = NULL;
	*reason = REASON_NONE;
	for (size_t i = 0; i < joints->count; i++) {
		struct joint *joint = (struct joint *)(uintptr_t)&joints->at[i];
		const struct fdb_where *there =
		    fdb_lookup(sw->fdb, joint->to->number, &p->packet.eth.dst, sw->now);

		if (!there || (*found && joint->mute))
			continue;
		if (*found && !(*found)->mute) {
			*reason = REASON_AMBIGUOUS;
			return NULL;
		}
		*found = joint;
		where = there;
	}
	return where;
}

/* To all wires of the own segment that take it. */
static enum reason to_wires(struct pass *p)
{
	static const struct ipaddr everybody;
	enum reason refused = REASON_LINK_DOWN;
	struct segment_encap *last = NULL;

	for (size_t i = 0; i < p->segment->encap_count; i++) {
		struct segment_encap *to = p->segment->encaps[i];
		enum reason reason = encap_refuses(p, to);

		if (reason != REASON_NONE) {
			refused = reason;
			continue;
		}
		if (last)
			to_encap(p, last, &everybody, false);
		last = to;
	}
	if (last)
		to_encap(p, last, &everybody, true);
	if (p->late != REASON_NONE)
		refused = p->late;
	return p->receivers ? REASON_NONE : refused;
}

/* The own encap by which that host is reached, if there is one: rather over the uplink
 * over which it was heard. */
static struct segment_encap *encap_to_host(struct pass *p, const struct segment_encap *heard,
					   const struct ipaddr *host)
{
	struct segment_encap *found = NULL;

	for (size_t i = 0; ipaddr_is_set(host) && i < p->segment->encap_count; i++) {
		struct segment_encap *se = p->segment->encaps[i];

		if (encap_refuses(p, se) != REASON_NONE || !se->encap.ops->reaches ||
		    !se->encap.ops->reaches(&se->encap, host))
			continue;
		if (!found || (heard && se->uplink == heard->uplink))
			found = se;
	}
	return found;
}

/* On the wire the frame stays in its own segment; the receiver's host lets it cross. */
static enum reason to_host_of(struct pass *p, struct joint *joint, const struct fdb_where *where)
{
	const struct segment_encap *heard = encap_of_side(joint->to, where->side);
	struct segment_encap *se;
	enum reason reason;

	if (p->se) {
		/* But a relay sends on what it has received, wherever the receiver is. */
		reason = to_wires(p);
		return reason == REASON_SPLIT_HORIZON || reason == REASON_LINK_DOWN
			   ? REASON_NOT_HERE
			   : reason;
	}
	reason = may_cross(p, joint, NULL);
	if (reason != REASON_NONE)
		return reason;
	se = encap_to_host(p, heard, &where->remote);
	if (!se)
		return to_wires(p);
	to_encap(p, se, &where->remote, true);
	return p->late;
}

static enum reason forward_joined(struct pass *p, struct joint *joint,
				  const struct fdb_where *where)
{
	struct switchd *sw = p->segment->sw;
	const struct membership *to;
	struct port *port;
	enum reason reason;

	if (where->side != FDB_SIDE_LOCAL)
		return to_host_of(p, joint, where);
	port = sw->port_by_number[where->port];
	to = membership_of(port, joint->to);
	reason = to ? port_refuses(p, to) : REASON_LINK_DOWN;
	if (reason == REASON_NONE)
		reason = may_cross(p, joint, port);
	if (reason == REASON_NONE)
		to_port(p, to, true);
	return reason;
}

/* ---- to everybody ---- */

/* Each receiver is served when the next one is found, so that the last gets the original
 * instead of a clone. */
struct flood {
	const struct membership *port;
	struct segment_encap *encap;
	enum reason refused; /* why the last one did not get it */
};

static void flood_port(struct pass *p, struct flood *flood, const struct membership *to)
{
	if (flood->port)
		to_port(p, flood->port, false);
	flood->port = to;
}

static void flood_ports(struct pass *p, struct flood *flood)
{
	list_for_each (&p->segment->ports, it) {
		const struct membership *to = container_of(it, struct membership, by_segment);
		enum reason reason = port_refuses(p, to);

		if (reason != REASON_NONE) {
			if (reason != REASON_SAME_PORT)
				flood->refused = reason;
			continue;
		}
		if (snooping_to_port(p->segment, &p->choice, to->port))
			flood_port(p, flood, to);
	}
}

static void flood_encaps(struct pass *p, struct flood *flood)
{
	static const struct ipaddr everybody;
	bool over = p->se && !p->trace && relay_over_limit(p->se, p->frame);

	for (size_t i = 0; i < p->segment->encap_count; i++) {
		struct segment_encap *to = p->segment->encaps[i];
		enum reason reason = encap_refuses(p, to);

		if (reason == REASON_NONE && over)
			reason = REASON_STORM;
		if (reason != REASON_NONE) {
			if (reason != REASON_SPLIT_HORIZON)
				flood->refused = reason;
			continue;
		}
		/* Elsewhere there may be members in joined segments, of whom this one knows
		 * nothing. */
		if (!p->segment->joints && !snooping_to_encap(p->segment, &p->choice, to))
			continue;
		if (flood->encap)
			to_encap(p, flood->encap, &everybody, false);
		flood->encap = to;
	}
}

/* Whether a trunk port gets the frame already, in its own segment or a joined one before `joint`.
 */
static bool has_it(const struct pass *p, struct port *port, const struct joint *joint)
{
	const struct joints *joints = p->segment->joints;

	if (!port->trunk)
		return false;
	if (membership_of(port, p->segment))
		return true;
	for (const struct joint *before = joints->at; before < joint; before++)
		if (before->passes && membership_of(port, before->to))
			return true;
	return false;
}

/* Where the frame came in it is asked of every joined segment, ports or none: others may have
 * the receiver, whose answers have to find what their request has left behind here. */
static void flood_joint(struct pass *p, struct flood *flood, struct joint *joint)
{
	struct snooping_choice choice = {.scope = SNOOPING_ALL};
	bool alone = list_empty(&joint->to->ports);
	enum reason reason = REASON_NONE;

	joint->passes = false;
	if ((p->port || !alone) && (!joint->per_port || alone))
		reason = may_cross(p, joint, NULL);
	joint->passes = reason == REASON_NONE;
	if (reason != REASON_NONE)
		flood->refused = reason;
	if (joint->passes && joint->to->snooping && mac_is_group(&p->packet.eth.dst))
		choice = snooping_choose(joint->to, NULL, p->frame);
	list_for_each (&joint->to->ports, it) {
		const struct membership *to = container_of(it, struct membership, by_segment);

		if (!joint->passes)
			break;
		reason = port_refuses(p, to);
		if (reason == REASON_SAME_PORT || has_it(p, to->port, joint) ||
		    !snooping_to_port(joint->to, &choice, to->port))
			continue;
		if (reason == REASON_NONE && joint->per_port)
			reason = may_cross(p, joint, to->port);
		if (reason == REASON_NONE)
			flood_port(p, flood, to);
		else
			flood->refused = reason;
	}
}

/*
 * To every local port but the sender, here and in joined segments, and, unless it came from a
 * wire, to every encap; from a wire to those encaps that a relay joins with it.
 */
static enum reason flood(struct pass *p)
{
	static const struct ipaddr everybody;
	struct flood flood = {.refused = REASON_NO_RECEIVER};

	flood_ports(p, &flood);
	if (!stays(p))
		for (size_t i = 0; i < p->segment->joints->count; i++)
			flood_joint(p, &flood, &p->segment->joints->at[i]);
	flood_encaps(p, &flood);
	if (flood.port)
		to_port(p, flood.port, !flood.encap);
	if (flood.encap)
		to_encap(p, flood.encap, &everybody, true);
	if (p->late != REASON_NONE)
		flood.refused = p->late;
	return p->receivers ? REASON_NONE : flood.refused;
}

/* The own segment does not know the destination. */
static enum reason forward_unknown(struct pass *p)
{
	const struct fdb_where *where = NULL;
	struct joint *joint = NULL;
	enum reason reason;
	char text[96];

	if (!stays(p)) {
		where = find_joined(p, &joint, &reason);
		if (reason != REASON_NONE) {
			step(p, "lookup", "destination is in two joined segments");
			return reason;
		}
	}
	if (where) {
		forward_set_verdict(p, "forward");
		step(p, "lookup", "destination is in segment %s, at %s", joint->to->conf.name,
		     where_text(p, where, text, sizeof(text)));
		return forward_joined(p, joint, where);
	}
	step(p, "lookup", "unknown destination: to everybody in segment %s", p->segment->conf.name);
	reason = take_storm_token(p);
	return reason == REASON_NONE ? flood(p) : reason;
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
	if (!where && p->supposed && mac_equal(dst, &p->supposed->mac))
		where = &p->supposed->where;
	if (!where)
		return forward_unknown(p);
	forward_set_verdict(p, "forward");
	step(p, "lookup", "destination is at %s", where_text(p, where, text, sizeof(text)));
	return forward_unicast(p, where);
}
