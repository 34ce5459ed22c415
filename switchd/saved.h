/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a switch knows beyond its configuration file, as a sequence of JSON
 * objects: for a successor that takes over, and for the same service after a
 * restart. First {"saved": 3, "now": ms}, then
 *
 *	{"object": {...}, "kind": "port", "owner": "cli"}	what the file does not have
 *	{"fdb": MAC, "segment": NAME, "id": ID, "state": "learned", "age": ms, ...}
 *	{"connection": STATE, ...}	of a controlled flow, see saved_connections.c
 *	{"neighbour": ADDRESS, ...}	of a gateway, see saved_neighbours.c
 *	{"binding": ADDRESS, ...}	with MAC rewriting, see there
 *	{"relay": NAME, "number": N, "instance": HEX}	a relay that is active
 *	{"descriptor": NAME, "state": {...}}	what goes with those descriptors, see inherit.h
 *
 * the second with "port": NAME, or with "encap": TYPE, "uplink": NAME and, where
 * the encap knows hosts, "peer": ADDRESS; the last in a file alone: a successor gets
 * it with the descriptors. Captures and mirrors are not in it: they belong to their
 * readers.
 */
#ifndef TVD_SAVED_H
#define TVD_SAVED_H

#include <jansson.h>

#include "switchd/switchd.h"

/* Of all that one process tells the next, the states of ports included. */
#define SAVED_VERSION 3

/* ---- to save ---- */

/* Of neighbours of gateways, then of bindings, segment by segment. */
struct saved_neighbour_walk {
	uint32_t neighbour, segment, binding;
};

struct saved_walk {
	bool begun;
	enum desired_kind kind;
	size_t index;
	uint32_t relay;	     /* number of the next segment that may have one */
	uint32_t connection; /* the same of connections */
	struct saved_neighbour_walk neighbour;
	uint32_t cursor;
	struct fdb_entry_info list[32];
	size_t count, at;
};

/*
 * The next object of a switch, a new reference; NULL at the end. The walk begins
 * as all zero. The switch may go on meanwhile; its desired state must not change.
 */
json_t *saved_next(struct saved_walk *walk, const struct switchd *sw);

/* Writes all of it to a file, an object a line, and the states of ports. Not before the
 * loop has ended. 0 or negative errno. */
int saved_write(const struct switchd *sw, int fd);

/* ---- to read it again ---- */

struct saved;

struct saved *saved_create(void); /* NULL when out of memory */
void saved_destroy(struct saved *saved);

/* Takes in one object, which is checked; 0 or -EINVAL with a message. */
int saved_take(struct saved *saved, const json_t *json, struct err *err);

/* Takes in a connection of which was told once more, later; it takes the place of what was told
 * before. */
int saved_take_late(struct saved *saved, const json_t *json, uint64_t now, struct err *err);

/* Takes in a whole file from its beginning. 0, also for an empty one; negative errno. */
int saved_read(struct saved *saved, int fd, struct err *err);

/* Puts the states of ports to the descriptors that they belong to. */
void saved_states(const struct saved *saved, struct inherit *inherit);

/* Adds what was made by others than the file, and checks the whole. 0, or negative
 * errno with `desired` as it was. */
int saved_objects(const struct saved *saved, struct desired *desired, struct err *err);

struct conn_info;

/* What saved_take_late() takes; NULL if it has no place any more, or no memory. */
json_t *saved_late(const struct switchd *sw, const struct conn_info *info);

/* Fills the FDB of a switch that has its segments and ports: with what is still
 * true there. Returns how many entries came in. */
size_t saved_fdb(struct saved *saved, struct switchd *sw);

/* The same of connections, whose rules must be in force. */
size_t saved_connections(struct saved *saved, struct switchd *sw);

/* The same of neighbours of gateways and of bindings: best before anything is heard. */
size_t saved_neighbours(struct saved *saved, struct switchd *sw);

/* Lets relays that were active a moment ago go on being it. */
void saved_relays(const struct saved *saved, struct switchd *sw);

#endif
