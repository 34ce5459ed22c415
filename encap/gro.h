/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Merging what arrives: consecutive TCP segments of one flow become one superframe,
 * as they were before the sender cut them. Cutting it again gives the same segments:
 * what would be lost by merging is not merged. No I/O.
 */
#ifndef TVD_GRO_H
#define TVD_GRO_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/frame.h"

#define GRO_FLOWS 16u

/* A frame of the batch to which more may be added. */
struct gro_flow {
	unsigned index; /* in the batch */
	uint32_t hash;
	uint16_t l4_off, header_len; /* of the first segment, from the Ethernet header on */
	uint16_t size;		     /* payload of every segment but the last */
	uint16_t segments;
	bool sound;	/* the first one's checksum needs no look */
	uint16_t ip_id; /* of the first */
	uint32_t payload, next_seq;
};

/* One for each batch that is being filled; all zero is empty. */
struct gro {
	struct gro_flow flow[GRO_FLOWS];
	uint32_t used;	 /* bit n: flow[n] is open */
	unsigned victim; /* who makes room for a new flow */
};

enum gro_result { GRO_ADDED, GRO_MERGED, GRO_NO_BUFFER };

/*
 * Adds a frame to a batch that is not full, or its payload to a frame of the batch.
 * Takes ownership; a borrowed frame (frame_borrow()) is copied, and GRO_NO_BUFFER is
 * when it cannot be. Frames of one flow stay in order. Every checksum is verified
 * before a merge, because a superframe would hide that it was wrong: what fails goes
 * on as it came, for the receiver to judge. Only what the kernel vouches for is not summed
 * up: a checksum that a NIC has verified, or one that nobody has made yet. Payload is copied once;
 * the pool gives the large buffer, and where it has none nothing is merged.
 */
enum gro_result gro_add(struct gro *gro, struct frame_pool *pool, struct frame_batch *batch,
			struct frame *frame);

/* Completes the superframes of the batch: due before anybody else looks at it. */
void gro_finish(struct gro *gro, struct frame_batch *batch);

#endif
