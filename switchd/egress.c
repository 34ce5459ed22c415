/* SPDX-License-Identifier: BSD-2-Clause */
#include "switchd/egress.h"

#include "encap/gso.h"
#include "lib/packet.h"
#include "switchd/capture.h"

void egress_port(struct port *port, struct frame *frame)
{
	struct port_runtime *rt = port->runtime;

	capture_port(port, frame, CAPTURE_OUT);
	if (frame_batch_full(&port->out))
		egress_flush_port(port);
	if (list_empty(&rt->dirty))
		list_add_tail(&rt->sw->dirty_ports, &rt->dirty);
	frame_batch_add(&port->out, frame);
}

void egress_encap(struct segment_encap *se, struct frame *frame)
{
	if (frame_batch_full(&se->encap.out))
		egress_flush_encap(se);
	if (list_empty(&se->dirty))
		list_add_tail(&se->segment->sw->dirty_encaps, &se->dirty);
	frame_batch_add(&se->encap.out, frame);
}

/* Frames that are finished collect here and go out when the batch is full. */
struct outlet {
	struct port *port;
	struct encap *encap; /* one of the two */
	struct frame_batch batch;
};

static void outlet_send(struct outlet *out)
{
	if (out->batch.count == 0)
		return;
	if (out->port)
		out->port->ops->send(out->port, &out->batch);
	else
		out->encap->ops->send(out->encap, &out->batch);
}

static void outlet_add(struct outlet *out, struct frame *frame)
{
	if (frame_batch_full(&out->batch))
		outlet_send(out);
	frame_batch_add(&out->batch, frame);
}

/* ---- ports ---- */

/* Where a tag stands beside the bytes, the frame goes to a trunk port: guests have it
 * among them, and each has bytes of its own then. */
static inline void outlet_add_tagged(struct outlet *out, struct frame *frame)
{
	if (frame->tag.tpid && !packet_tag_put(frame))
		frame_drop(frame, REASON_NO_BUFFER);
	else
		outlet_add(out, frame);
}

static void emit_to_port(void *arg, struct frame *segment)
{
	outlet_add_tagged(arg, segment);
}

/* Finishes what the guest at the other end does not finish itself. */
static void finish_for_port(struct outlet *out, struct frame *frame)
{
	unsigned missing = offload_needs(frame) & ~out->port->offloads;
	struct frame_pool *pool = out->port->runtime->sw->pool;
	enum reason reason = REASON_NONE;

	if (!missing) {
		outlet_add_tagged(out, frame);
		return;
	}
	if (frame->offload.gso != FRAME_GSO_NONE) {
		out->port->stats.tx_cut++;
		(void)gso_segment(pool, frame, frame->offload.gso_size, emit_to_port, out, &reason);
		if (reason != REASON_NONE)
			out->port->stats.tx_drops[reason]++;
		return;
	}
	out->port->stats.tx_summed++;
	reason = frame_writable(frame) ? offload_complete_checksum(frame) : REASON_NO_BUFFER;
	if (reason != REASON_NONE)
		frame_drop(frame, reason);
	else
		outlet_add_tagged(out, frame);
}

void egress_flush_port(struct port *port)
{
	struct outlet out = {.port = port};

	list_del(&port->runtime->dirty);
	if (port->out.count == 0)
		return;
	if (!port->state) { /* closed since the frames were queued */
		port->stats.tx_drops[REASON_LINK_DOWN] += port->out.count;
		frame_batch_free(&port->out);
		return;
	}
	for (unsigned i = 0; i < port->out.count; i++)
		finish_for_port(&out, port->out.frame[i]);
	port->out.count = 0;
	outlet_send(&out);
}

/* ---- encaps ---- */

/* Puts the headers on and hands the frame to the batch. */
static void push(struct outlet *out, struct frame *frame)
{
	enum reason reason = out->encap->ops->push(out->encap, frame);

	if (reason != REASON_NONE)
		frame_drop(frame, reason);
	else
		outlet_add(out, frame);
}

static void emit_to_encap(void *arg, struct frame *segment)
{
	push(arg, segment);
}

/* Whether smaller segments make a superframe fit. A datagram cannot be cut anywhere
 * without changing what it says. */
static bool can_clip(const struct encap *encap, const struct frame *frame, size_t room)
{
	return encap->oversize == OVERSIZE_CLIP && frame->offload.gso != FRAME_GSO_NONE &&
	       frame->offload.gso != FRAME_GSO_UDP && gso_fit(frame, room) != 0;
}

/* Whether the frame, or a segment of it, is longer than what crosses in one piece. */
static bool too_long(const struct frame *frame, size_t room)
{
	if (room == 0)
		return false;
	if (frame->offload.gso != FRAME_GSO_NONE)
		return gso_fit(frame, room) < frame->offload.gso_size;
	return frame->len > room;
}

enum reason egress_refuses(const struct segment_encap *se, const struct frame *frame,
			   const struct ipaddr *peer)
{
	const struct encap *encap = &se->encap;
	size_t room = encap->ops->room(encap, peer);

	if (!too_long(frame, room))
		return REASON_NONE;
	if (encap->oversize == OVERSIZE_DROP)
		return REASON_OVERSIZE;
	return encap->ops->no_fragments && !can_clip(encap, frame, room) ? REASON_OVERSIZE
									 : REASON_NONE;
}

/* Cuts a superframe so that each outer packet fits, unless `oversize` is to fragment. */
static void segment_for_encap(struct outlet *out, struct frame *frame, size_t room)
{
	struct encap *encap = out->encap;
	unsigned size = frame->offload.gso_size;
	enum reason reason = REASON_NONE;
	bool fits = true;

	if (too_long(frame, room)) {
		fits = can_clip(encap, frame, room);
		size = fits ? gso_fit(frame, room) : size;
	}
	encap->stats.tx_frames++;
	encap->stats.tx_bytes += frame->len;
	if (fits && !(offload_needs(frame) & ~encap_takes(encap, frame))) {
		frame->offload.gso_size = (uint16_t)size; /* the descriptor is ours alone */
		push(out, frame);
		return;
	}
	encap->stats.tx_cut++;
	(void)gso_segment(segment_encap_of(encap)->segment->sw->pool, frame, size, emit_to_encap,
			  out, &reason);
	if (reason != REASON_NONE)
		encap->stats.tx_drops[reason]++;
}

static void finish_for_encap(struct outlet *out, struct frame *frame)
{
	struct encap *encap = out->encap;
	size_t room = encap->ops->room(encap, &frame->peer);
	uint32_t len = frame->len;

	if (encap->clamp_mss && room)
		(void)mss_clamp(frame, room);
	if (egress_refuses(segment_encap_of(encap), frame, &frame->peer) != REASON_NONE) {
		frame_drop(frame, REASON_OVERSIZE);
		return;
	}
	if (frame->offload.gso != FRAME_GSO_NONE) {
		segment_for_encap(out, frame, room);
		return;
	}
	if (offload_needs(frame) & ~encap_offloads(encap)) {
		enum reason reason =
		    frame_writable(frame) ? offload_complete_checksum(frame) : REASON_NO_BUFFER;

		if (reason != REASON_NONE) {
			frame_drop(frame, reason);
			return;
		}
		encap->stats.tx_summed++;
	}
	encap->stats.tx_frames++;
	encap->stats.tx_bytes += len;
	push(out, frame);
}

void egress_flush_encap(struct segment_encap *se)
{
	struct outlet out = {.encap = &se->encap};
	struct frame_batch *queued = &se->encap.out;

	list_del(&se->dirty);
	if (queued->count == 0)
		return;
	if (!se->open || !se->encap.ops->ready(&se->encap)) {
		se->encap.stats.tx_drops[REASON_LINK_DOWN] += queued->count;
		frame_batch_free(queued);
		return;
	}
	for (unsigned i = 0; i < queued->count; i++)
		finish_for_encap(&out, queued->frame[i]);
	queued->count = 0;
	outlet_send(&out);
}

/* Sending can only close and lock, never queue: one walk is enough. */
void egress_flush(struct switchd *sw)
{
	list_for_each_safe (&sw->dirty_encaps, it)
		egress_flush_encap(container_of(it, struct segment_encap, dirty));
	list_for_each_safe (&sw->dirty_ports, it)
		egress_flush_port(container_of(it, struct port_runtime, dirty)->port);
}
