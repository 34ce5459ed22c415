/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The pipeline: what happens to a frame between where it comes in and the queue
 * of where it goes out. switchd-forwarding(7) has the rules in words.
 */
#ifndef TVD_FORWARD_H
#define TVD_FORWARD_H

#include <jansson.h>

#include "switchd/switchd.h"

/* What a guest sent. Takes the frames. */
void forward_from_port(struct port *port, struct frame_batch *batch);

/* What a wire brought, decapsulated, with `peer` set. Takes the frames. */
void forward_from_encap(struct encap *encap, struct frame_batch *batch);

/*
 * Sends a frame of our own into the segment's encaps (to everybody). Takes it.
 */
void forward_announce(struct segment *segment, struct frame *frame);

/*
 * Walks one frame through the same pipeline as if the port had sent it now, and
 * changes nothing: no counter, no table, no limit, no frame sent. Takes the
 * frame. Returns {"steps", "verdict", "reason", "to"}.
 */
json_t *forward_trace(struct port *port, struct frame *frame);

/* What a trace takes for true of an address, as long as nobody was heard to have it. */
struct supposed {
	struct ipaddr addr;
	struct mac mac;
	struct fdb_where where; /* of the segment to which a gateway routes */
};

/* The same, with that; NULL is nothing. */
json_t *forward_trace_supposing(struct port *port, struct frame *frame,
				const struct supposed *supposed);

/* The same as if a wire had brought it, from `peer` where the wire has hosts. */
json_t *forward_trace_wire(struct segment_encap *se, const struct ipaddr *peer,
			   struct frame *frame);

#endif
