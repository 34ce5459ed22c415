/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What `switchctl monitor` shows: one JSON object an event. Nothing is built
 * while nobody listens.
 */
#ifndef TVD_EVENTS_H
#define TVD_EVENTS_H

#include <jansson.h>

#include "switchd/switchd.h"

/* For fdb_on_event(); arg is the switch. */
void event_fdb(void *arg, enum fdb_event event, const struct fdb_entry_info *entry,
	       const struct fdb_where *from);

void event_port(const struct port *port, const char *state);
/* So many connections made way for others within a second. */
void event_connections(struct switchd *sw, uint64_t evicted);
void event_relay(const struct segment *segment);
void event_uplink(const struct uplink *uplink);

/* `ended` connections are not let in any more. */
void event_policy(struct switchd *sw, size_t ended);

/* `error` NULL: it succeeded. */
void event_reload(struct switchd *sw, const char *error);

/* Adds "port", or "encap" and "dst", for a location to a JSON object. */
void event_add_where(const struct switchd *sw, uint16_t segment, const struct fdb_where *where,
		     json_t *object);

#endif
