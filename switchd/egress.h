/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The way out: queues of ports and encaps, flushed once per turn of the loop,
 * and what a frame needs before its receiver can take it (segmentation,
 * checksums, room, MSS, encapsulation).
 */
#ifndef TVD_EGRESS_H
#define TVD_EGRESS_H

#include "switchd/switchd.h"

/* Queue a frame, which they take, for a port, or for an encap (to `frame->peer`). */
void egress_port(struct port *port, struct frame *frame);
void egress_encap(struct segment_encap *encap, struct frame *frame);

/*
 * Why an encap would not send a frame to this peer (unset: to everybody), as far
 * as that can be known beforehand; else REASON_NONE.
 */
enum reason egress_refuses(const struct segment_encap *encap, const struct frame *frame,
			   const struct ipaddr *peer);

/* Sends what is queued at one place, or everywhere. */
void egress_flush_port(struct port *port);
void egress_flush_encap(struct segment_encap *encap);
void egress_flush(struct switchd *sw);

#endif
