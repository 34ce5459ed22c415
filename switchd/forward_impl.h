/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of the pipeline share; for nobody else. forward.c has the way of a
 * frame up to the lookup, forward_out.c the rest.
 */
#ifndef TVD_FORWARD_IMPL_H
#define TVD_FORWARD_IMPL_H

#include <jansson.h>

#include "lib/packet.h"
#include "switchd/forward.h"
#include "switchd/snooping.h"
#include "switchd/switchd.h"

/* One frame on its way. It came from a port or from an encap. */
struct pass {
	struct segment *segment;   /* of a trunk port: known once the tag has been seen */
	struct port *port;	   /* NULL: from a wire */
	struct membership *member; /* of the port in the segment */
	struct segment_encap *se;  /* NULL: from a port */
	struct frame *frame;	   /* NULL once somebody has taken it */
	struct packet packet;
	bool parsed; /* the packet, beyond its Ethernet header */
	struct fdb_where where;
	json_t *trace;			 /* NULL in traffic; while it is set nothing may change */
	const struct supposed *supposed; /* of a trace; NULL: nothing */
	bool would_learn;		 /* a trace: the source would now be known here */
	struct snooping_choice choice;	 /* of a frame to a group */
	unsigned receivers;
	enum reason late; /* a trace: why an encap would not send it */
};

/* A trace says what happened at a stage. Through the macro, so that traffic does not pay
 * for what only a trace would say. */
void forward_trace_step(struct pass *p, const char *stage, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#define step(p, ...)                                                                               \
	do {                                                                                       \
		if ((p)->trace)                                                                    \
			forward_trace_step((p), __VA_ARGS__);                                      \
	} while (0)

void forward_set_verdict(struct pass *p, const char *verdict);

/* Steps 5 to 8: where the frame goes, and whether it may. */
enum reason forward_out(struct pass *p);

#endif
