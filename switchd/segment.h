/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Segments with their encaps: made, changed and taken away by commit.c.
 */
#ifndef TVD_SEGMENT_H
#define TVD_SEGMENT_H

#include "switchd/switchd.h"

/*
 * Makes a segment with a copy of conf, opens its encaps, and adds it to the
 * switch. An encap that cannot be opened is tried again later. NULL when out of
 * memory or segment numbers.
 */
struct segment *segment_create(struct switchd *sw, const struct segment_conf *conf);

/* Its ports must have left. NULL is fine. */
void segment_destroy(struct segment *segment);

/* Applies a changed configuration, touching only what differs. 0 or -ENOMEM. */
int segment_reconf(struct segment *segment, const struct segment_conf *conf);

/* Whether a change can be applied at all, or the segment must be made anew (its id changed). */
bool segment_must_restart(const struct segment *segment, const struct segment_conf *conf);

/* Closes the encaps on an uplink that is about to go. */
void segment_encaps_close(struct uplink *uplink);

/* Closes and opens the encaps on an uplink whose address family has changed. */
void segment_encaps_restart(struct uplink *uplink);

/* Closes those that only one process can have open, while a successor starts;
 * segment_encaps_open() opens them again. What was learned stays. */
void segment_encaps_yield(struct segment *segment);

/* Opens what is not open: new encaps, and those that failed before, in part or as a whole. */
void segment_encaps_open(struct segment *segment);

/* Computes the largest guest MTU that fits, and tells the ports if it changed. */
void segment_update_mtu(struct segment *segment);

/* What arrives from wires is merged as long as a port here takes superframes: due when
 * that may have changed. */
void segment_update_merge(struct segment *segment);

/* The MTU to set on a port's interface: 0 leaves the kernel's default. */
unsigned segment_port_mtu(const struct segment *segment);

#endif
