/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Multicast snooping of a segment (`snooping`, `querier` in its configuration): what
 * hosts report and routers ask is noted as it passes, and decides where frames of a
 * group go. As a querier the switch asks itself when no better one does.
 */
#ifndef TVD_SNOOPING_H
#define TVD_SNOOPING_H

#include "learn/snoop.h"
#include "lib/packet.h"
#include "switchd/switchd.h"

struct json_t;

/* Where a frame of a group goes. One that is all zero: everywhere. */
struct snooping_choice {
	enum {
		SNOOPING_ALL,
		SNOOPING_MEMBERS, /* who wants the group, and routers */
		SNOOPING_REPORT,  /* routers, and the switches of other hosts */
	} scope;
	uint8_t ip_version;
	const struct snoop_group *group; /* good until anything is noted */
};

/* Begins, changes or ends it as the segment's configuration says. 0 or -ENOMEM: then
 * everything is flooded. */
int snooping_update(struct segment *segment);
void snooping_destroy(struct segment *segment);

/*
 * Decides about a frame to a group address, and notes what it says as heard from there.
 * `from` NULL notes nothing: a trace, or a frame of another segment.
 */
struct snooping_choice snooping_choose(struct segment *segment, const struct fdb_where *from,
				       struct frame *frame);

/* Who that is, in words. */
const char *snooping_scope_text(const struct snooping_choice *choice);

/* Whether a local port, or an encap, gets it. */
bool snooping_to_port(const struct segment *segment, const struct snooping_choice *choice,
		      const struct port *port);
bool snooping_to_encap(const struct segment *segment, const struct snooping_choice *choice,
		       const struct segment_encap *se);

/* A port or encap leaves the segment, or its guest has gone. */
void snooping_forget(struct segment *segment, const struct fdb_where *where);

/* Once a second: asks where that is due, forgets what is over. */
void snooping_second(struct switchd *sw);

/* Adds `snooping` to a segment's JSON; nothing where it is off. */
void snooping_show(const struct segment *segment, struct json_t *object);

/* Appends who wants what in a segment to a JSON array. */
void snooping_list(const struct segment *segment, struct json_t *array);

#endif
