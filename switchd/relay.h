/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Relays: a segment that has a LAN and, behind encaps that say `relay = true`, other
 * networks to which its frames are sent anew. relay_machine.h decides whether this one
 * is active; here it is joined with segments, wires, the FDB and the loop. A switch that
 * is no relay hears beacons too, to forget what was at one that is gone.
 */
#ifndef TVD_RELAY_H
#define TVD_RELAY_H

#include <jansson.h>

#include "switchd/relay_machine.h"
#include "switchd/switchd.h"

/* Brings a segment's relay in line with its configuration and encaps: made, changed, or no
 * longer one. 0, or -ENOMEM; then its WANs are closed. */
int relay_update(struct segment *segment);

/* With its segment. NULL is fine. */
void relay_destroy(struct relay *relay);

/* An uplink of the segment has changed: decides anew. */
void relay_uplink_changed(struct segment *segment);

/* An encap is about to go, with what was heard through it. */
void relay_encap_gone(struct segment_encap *se);

/* Whether it is active, and as whom. */
bool relay_is_active(const struct segment *segment, struct relay_id *who);

/*
 * Goes on where a former process has left off: as that one, and active, if that was so
 * a moment ago (at `then`), when nobody can have missed it yet.
 */
void relay_resume(struct segment *segment, struct relay_id who, uint64_t then);

/* ---- for the pipeline ---- */

/* Whether what comes from this wire counts: not from a WAN without an active relay. */
bool relay_admits(const struct segment_encap *from);

/*
 * Why a frame from `from` (NULL: from a local port, or our own) does not go on through
 * `to`: REASON_SPLIT_HORIZON, REASON_STANDBY, or REASON_NONE if it does.
 */
enum reason relay_refuses(const struct segment *segment, const struct segment_encap *from,
			  const struct segment_encap *to);

/* Whether this is one frame too many to be flooded across from this wire; counts it. */
bool relay_over_limit(struct segment_encap *from, const struct frame *frame);

/* Takes a frame from a wire if it is for the relays' group. */
bool relay_receive(struct segment_encap *se, struct frame *frame);

/* The state as a word; "no relay" if it is none. */
const char *relay_state_text(const struct segment *segment);

/* ---- for people ---- */

/* For `relay show`; NULL for a segment that is no relay and has heard of none. */
json_t *relay_show(const struct segment *segment);

/* Figures for metrics; false if the segment is no relay. */
struct relay_figures {
	bool active;
	unsigned heard;
	uint64_t changes, limited;
};
bool relay_figures(const struct segment *segment, struct relay_figures *figures);

#endif
