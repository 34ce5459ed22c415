/* SPDX-License-Identifier: BSD-2-Clause */
/* What the parts of ports of type tap know of each other: tap.c (life), tap_io.c
 * (traffic). */
#ifndef TVD_TAP_IMPL_H
#define TVD_TAP_IMPL_H

#include <ev.h>
#include <stdbool.h>

#include "lib/vnet.h"
#include "switchd/port/tap.h"

#define TAP_HEADER_LEN sizeof(struct vnet_header)

/* How a turn reads: what came in the last ones says. */
struct tap_pace {
	unsigned frames;  /* that are asked for; 0 is 1 */
	unsigned singles; /* turns in a row that asked for one, and got it */
	unsigned in_vain; /* how often in a row asking for two found one */
	bool long_frames; /* copying them costs more than the calls */
};

struct tap {
	struct port *port;
	ev_io io;
	int fd;
	bool host_port; /* still in our own namespace: MTU can follow the segment's */
	bool write_failed;
	bool no_bulk; /* the kernel cannot, or the guest's frames stand for too many packets */
	unsigned ifindex;
	struct tap_pace pace;
};

/* The watcher's callback: one turn of reading. */
void tap_readable(struct ev_loop *loop, ev_io *io, int events);

void tap_send(struct port *port, struct frame_batch *batch);

#endif
