/* SPDX-License-Identifier: BSD-2-Clause */
#include "switchd/forward.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdio.h>

#include "encap/gso.h"
#include "lib/packet.h"
#include "switchd/admission.h"
#include "switchd/capture.h"
#include "switchd/egress.h"
#include "switchd/forward_impl.h"
#include "switchd/membership.h"
#include "switchd/policy/gateway.h"
#include "switchd/relay.h"

/* The longest frame that is no superframe: the largest MTU of a TAP with two tags. */
#define FRAME_PLAIN_MAX (65521u + ETH_HEADER_LEN + 2 * VLAN_TAG_LEN)

/* ---- trace ---- */

void forward_trace_step(struct pass *p, const char *stage, const char *fmt, ...)
{
	char what[256];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	json_array_append_new(json_object_get(p->trace, "steps"),
			      json_pack("{s:s, s:s}", "stage", stage, "what", what));
}

void forward_set_verdict(struct pass *p, const char *verdict)
{
	if (p->trace)
		json_object_set_new(p->trace, "verdict", json_string(verdict));
}

/* ---- 1. sanity ---- */

/*
 * Which of a trunk port's segments the frame is in: by its tag, which comes off.
 * A tag of VID 0 carries a priority and nothing else. Tags of 802.1ad are not
 * the trunk's: they belong to the native segment's frame, which may not have any.
 */
static enum reason enter_from_trunk(struct pass *p)
{
	struct frame *frame = p->frame;
	uint16_t tpid = 0, tci = 0, vid = 0;
	bool tagged = packet_tag(frame, &tpid, &tci);

	if (tagged && !packet_tag_whole(frame)) {
		step(p, "sanity", "a tag that is cut off");
		return REASON_TAGGED;
	}
	if (tpid == ETHERTYPE_CTAG)
		vid = tci & 0xfff;
	p->member = vid ? membership_of_vid(p->port, vid) : &p->port->untagged;
	if (vid && !p->member) {
		step(p, "sanity", "tag of VLAN %u, which this trunk port does not list", vid);
		return REASON_TAGGED;
	}
	p->segment = p->member->segment;
	if (!p->segment) {
		step(p, "sanity", "no VLAN, and this trunk port has no native segment");
		return tpid && tpid != ETHERTYPE_CTAG ? REASON_TAGGED : REASON_UNTAGGED;
	}
	if (vid == 0) {
		step(p, "sanity", "no VLAN: native segment %s", p->segment->conf.name);
		return REASON_NONE;
	}
	step(p, "sanity", "VLAN %u: segment %s", vid, p->segment->conf.name);
	return packet_tag_cut(frame) ? REASON_NONE : REASON_NO_BUFFER;
}

static enum reason check_tags(struct pass *p)
{
	struct frame *frame = p->frame;
	uint16_t tpid, tci;

	if (!packet_tag(frame, &tpid, &tci))
		return REASON_NONE;
	/* A tag of VID 0 carries a priority and nothing else: the frame counts as untagged. */
	if (tpid == ETHERTYPE_CTAG && (tci & 0xfff) == 0 && packet_tag_whole(frame)) {
		step(p, "sanity", "priority tag of VLAN 0 taken off");
		if (!packet_tag_cut(frame))
			return REASON_NO_BUFFER;
		if (!packet_tag(frame, &tpid, &tci))
			return REASON_NONE;
	}
	/* VID 4095 is reserved. */
	if (p->segment->conf.tags == TAGS_PASS && (tci & 0xfff) != 0xfff && packet_tag_whole(frame))
		return frame->tag.tpid == 0 || packet_tag_put(frame) ? REASON_NONE
								     : REASON_NO_BUFFER;
	step(p, "sanity", "tag of VLAN %u, and this segment carries none", tci & 0xfffu);
	return REASON_TAGGED;
}

/* 802.1D 7.12.6: link-local groups stay on their link, but for those let through. */
static bool is_reserved(const struct segment *segment, const struct mac *dst)
{
	static const uint8_t prefix[5] = {0x01, 0x80, 0xc2, 0x00, 0x00};
	uint8_t last = dst->octet[5];

	if (memcmp(dst->octet, prefix, sizeof(prefix)) != 0)
		return false;
	if (last <= 0x0f)
		return !(segment->reserved & 1u << last);
	return last == 0x20 || last == 0x21;
}

static enum reason check_sanity(struct pass *p)
{
	struct frame *frame = p->frame;
	char src[MAC_STRLEN], dst[MAC_STRLEN];
	struct eth_header eth;
	enum reason reason;

	if (!frame_peek(frame, 0, sizeof(eth), &eth))
		return REASON_TOO_SHORT;
	if (frame->len > FRAME_PLAIN_MAX && frame->offload.gso == FRAME_GSO_NONE)
		return REASON_TOO_LONG;
	step(p, "sanity", "%u bytes from %s to %s, type 0x%04x", frame->len,
	     mac_format(&eth.src, src), mac_format(&eth.dst, dst), ntohs(eth.type));
	if (mac_is_group(&eth.src) || mac_is_zero(&eth.src))
		return REASON_BAD_SOURCE;
	if (p->port && p->port->trunk) {
		reason = enter_from_trunk(p);
		if (reason != REASON_NONE)
			return reason;
	}
	if (is_reserved(p->segment, &eth.dst))
		return REASON_RESERVED;
	if (mac_equal(&eth.dst, &relay_group)) /* those of a wire never get here */
		return REASON_BEACON;
	reason = check_tags(p);
	if (reason != REASON_NONE)
		return reason;
	if (frame->offload.csum_partial || frame->offload.gso != FRAME_GSO_NONE) {
		reason = offload_check(frame);
		if (reason != REASON_NONE)
			return reason;
	}
	p->packet.eth = eth;
	return REASON_NONE;
}

/* ---- 2. admission ---- */

static enum reason check_admission(struct pass *p)
{
	const struct port_conf *conf;
	struct port_conf strict;
	enum reason reason;

	if (!p->port)
		return relay_admits(p->se) ? REASON_NONE : REASON_STANDBY;
	conf = p->port->conf;
	if (!admission_applies(conf)) {
		step(p, "admission", "port %s is open to every address", conf->name);
		return REASON_NONE;
	}
	if (!packet_parse(p->frame, &p->packet))
		return REASON_TOO_SHORT;
	p->parsed = true;
	if (p->segment->hearer && conf->addresses.count) { /* which believes what ARP says */
		strict = *conf;
		strict.guard.arp = true;
		conf = &strict;
	}
	reason = admission_check(conf, mac_is_zero(&p->port->mac) ? NULL : &p->port->mac, p->frame,
				 &p->packet);
	step(p, "admission", "%s", reason == REASON_NONE ? "allowed" : reason_text(reason));
	return reason;
}

/* What a guest sends into a segment whose encapsulation carries not everything. */
static enum reason let_hear(struct pass *p)
{
	struct segment_encap *hearer = p->port ? p->segment->hearer : NULL;
	enum reason reason;

	if (!hearer || !hearer->open)
		return REASON_NONE;
	reason = hearer->encap.ops->hear(&hearer->encap, p->frame, p->port->number, p->trace);
	step(p, "admission", "encap %s: %s", hearer->encap.ops->type,
	     reason == REASON_NONE ? "carries it" : reason_text(reason));
	return reason;
}

/* ---- 4. learn ---- */

static enum reason learn_source(struct pass *p)
{
	static const char *const words[] = {
	    [FDB_KNOWN] = "source is known here",
	    [FDB_NEW] = "source is learned here",
	    [FDB_MOVED] = "source moves here",
	    [FDB_FIXED] = "source is fixed elsewhere, and stays there",
	    [FDB_PINNED] = "source bounces between places, and is pinned elsewhere",
	    [FDB_FULL] = "source is not learned: no room",
	};
	struct switchd *sw = p->segment->sw;
	const struct mac *src = &p->packet.eth.src;
	enum fdb_verdict verdict;

	if (p->trace)
		verdict = fdb_probe(sw->fdb, p->segment->number, src, &p->where, sw->now);
	else
		verdict = fdb_learn(sw->fdb, p->segment->number, src, &p->where, sw->now);
	step(p, "learn", "%s", words[verdict]);
	p->would_learn = p->trace && (verdict == FDB_NEW || verdict == FDB_MOVED);
	return verdict == FDB_PINNED ? REASON_LOOP : REASON_NONE;
}

/* ---- the pipeline ---- */

static enum reason run(struct pass *p)
{
	enum reason reason;

	if (p->port && !p->trace)
		capture_port(p->port, p->frame, CAPTURE_IN);
	reason = check_sanity(p);
	if (reason != REASON_NONE)
		return reason;
	if (!p->trace)
		capture_segment(p->segment, p->frame);
	reason = check_admission(p);
	if (reason == REASON_NONE)
		reason = let_hear(p);
	if (reason != REASON_NONE)
		return reason;
	if (p->segment->gateway) {
		reason = gateway_admits(p);
		if (reason != REASON_NONE)
			return reason;
	}
	reason = learn_source(p);
	if (reason != REASON_NONE)
		return reason;
	if (p->segment->gateway && gateway_takes(p, &reason))
		return reason;
	return forward_out(p);
}

static void process(struct pass *p, struct frame *frame, struct stats *stats)
{
	enum reason reason;

	p->frame = frame;
	p->receivers = 0;
	p->parsed = false;
	frame->origin = stats;
	stats->rx_frames++;
	stats->rx_bytes += frame->len;
	reason = run(p);
	if (reason != REASON_NONE)
		frame_drop(p->frame, reason);
	else
		frame_free(p->frame); /* whom nobody has taken: its clones live on */
}

/* Frees buffers early when many are waiting: the loop's turn may be long. */
static void relieve(struct switchd *sw)
{
	struct frame_pool_usage usage = frame_pool_usage(sw->pool);

	if (usage.large_used > usage.large_max / 2 || usage.small_used > usage.small_max / 2)
		egress_flush(sw);
}

static void account(struct switchd *sw, unsigned frames, unsigned segments)
{
	sw->work.frames += frames;
	sw->work.segments += segments;
	sw->worked = true;
}

void forward_from_port(struct port *port, struct frame_batch *batch)
{
	struct pass p = {
	    .segment = port->untagged.segment,
	    .port = port,
	    .member = &port->untagged,
	    .where = {.side = FDB_SIDE_LOCAL, .port = port->number},
	};
	unsigned total = 0;

	if (!membership_next(port, NULL)) { /* memory ran out when it was to join */
		frame_batch_drop(batch, REASON_LINK_DOWN);
		return;
	}
	for (unsigned i = 0; i < batch->count; i++) {
		const unsigned segments = offload_segments(batch->frame[i]);

		port->stats.rx_segments += segments;
		total += segments;
		process(&p, batch->frame[i], &port->stats);
	}
	account(port->runtime->sw, batch->count, total);
	batch->count = 0;
	relieve(port->runtime->sw);
}

void forward_from_encap(struct encap *encap, struct frame_batch *batch)
{
	struct segment_encap *se = segment_encap_of(encap);
	struct pass p = {.segment = se->segment, .se = se, .where = {.side = encap->side}};
	unsigned total = 0;

	for (unsigned i = 0; i < batch->count; i++) {
		struct frame *frame = batch->frame[i];
		unsigned segments;

		if (relay_receive(se, frame))
			continue;
		if (encap->ops->has_hosts)
			p.where.remote = frame->peer;
		/* A SYN from a host that does not clamp must not ask for more than
		 * what comes back through here can carry. */
		if (encap->clamp_mss)
			(void)mss_clamp(frame, encap->ops->room(encap, &frame->peer));
		segments = offload_segments(frame);
		encap->stats.rx_segments += segments;
		total += segments;
		process(&p, frame, &encap->stats);
	}
	account(se->segment->sw, batch->count, total);
	batch->count = 0;
	relieve(se->segment->sw);
}

void forward_announce(struct segment *segment, struct frame *frame)
{
	for (size_t i = 0; i < segment->encap_count; i++) {
		struct segment_encap *se = segment->encaps[i];
		struct frame *clone;

		if (!se->open || !se->encap.ops->ready(&se->encap) ||
		    relay_refuses(segment, NULL, se) != REASON_NONE)
			continue;
		clone = frame_clone(frame);
		if (clone)
			egress_encap(se, clone);
	}
	frame_free(frame);
}

/* Takes the frame. */
static json_t *trace(struct pass *p)
{
	enum reason reason;

	p->trace = json_pack("{s:[], s:s, s:n, s:[]}", "steps", "verdict", "drop", "reason", "to");
	if (!p->trace) {
		frame_free(p->frame);
		return NULL;
	}
	reason = run(p);
	if (reason != REASON_NONE) {
		forward_set_verdict(p, "drop");
		json_object_set_new(p->trace, "reason", json_string(reason_name(reason)));
		step(p, "drop", "%s: %s", reason_name(reason), reason_text(reason));
	} else {
		step(p, "send", "%u receiver%s", p->receivers, p->receivers == 1 ? "" : "s");
	}
	frame_free(p->frame);
	return p->trace;
}

json_t *forward_trace_supposing(struct port *port, struct frame *frame,
				const struct supposed *supposed)
{
	struct pass p = {
	    .supposed = supposed,
	    .segment = port->untagged.segment,
	    .port = port,
	    .member = &port->untagged,
	    .frame = frame,
	    .where = {.side = FDB_SIDE_LOCAL, .port = port->number},
	};

	return trace(&p);
}

json_t *forward_trace(struct port *port, struct frame *frame)
{
	return forward_trace_supposing(port, frame, NULL);
}

json_t *forward_trace_wire(struct segment_encap *se, const struct ipaddr *peer, struct frame *frame)
{
	struct pass p = {
	    .segment = se->segment,
	    .se = se,
	    .frame = frame,
	    .where = {.side = se->encap.side, .remote = *peer},
	};

	return trace(&p);
}
