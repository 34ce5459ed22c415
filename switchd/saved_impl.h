/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the parts of saved.h share.
 */
#ifndef TVD_SAVED_IMPL_H
#define TVD_SAVED_IMPL_H

#include <jansson.h>

#include "switchd/policy/conn.h"
#include "switchd/saved.h"
#include "switchd/switchd.h"

/* A place in a segment by names: a port, or an encap with its uplink. Texts are saved_text()s. */
struct saved_place {
	const char *port, *encap, *uplink;
	bool wan;
	struct ipaddr peer;
};

/* The one copy of a text, of which a million items may speak; NULL when out of memory. */
const char *saved_text(struct saved *saved, const char *value);

/* The same of a name in an object; NULL if it is none, too. */
const char *saved_name(struct saved *saved, const json_t *json, const char *key);

/* Adds the keys of a place to an object. false if the place is gone meanwhile. */
bool saved_place_put(const struct switchd *sw, const struct segment *segment,
		     const struct fdb_where *where, json_t *json);

/* Reads them. NULL, or what is wrong. */
const char *saved_place_take(struct saved *saved, const json_t *json, struct saved_place *place);

/* Where that is now; false if it is no longer anywhere. */
bool saved_place_find(const struct switchd *sw, const struct segment *segment,
		      const struct saved_place *place, struct fdb_where *where);

/* ---- saved_neighbours.c ---- */

struct saved_neighbours;

void saved_neighbours_destroy(struct saved_neighbours *neighbours);

/* The next one; NULL at the end. */
json_t *saved_neighbour_next(struct saved_neighbour_walk *walk, const struct switchd *sw);

/* As saved_connection_take(). */
const char *saved_neighbour_take(struct saved *saved, struct saved_neighbours **neighbours,
				 const json_t *json);

/* Puts back what can still be true, as of `then`. How many. */
size_t saved_neighbours_restore(struct saved_neighbours *neighbours, struct switchd *sw,
				uint64_t then);

/* ---- saved_connections.c ---- */

struct saved_connections;

void saved_connections_destroy(struct saved_connections *connections);

/* NULL if a segment or who began it is gone. */
json_t *saved_connection_json(const struct switchd *sw, const struct conn_info *info);

/* Adds one to *connections, which is made at need. NULL, or what is wrong: "" when out
 * of memory. */
const char *saved_connection_take(struct saved *saved, struct saved_connections **connections,
				  const json_t *json);

/* Puts back those whose rules are in force, as of `then`; `anew`: instead of those that are
 * there. How many. */
size_t saved_connections_restore(struct saved_connections *connections, struct switchd *sw,
				 uint64_t then, bool anew);

#endif
