/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which segments a port is in. An access port is in one, with frames that have no
 * tag. A trunk port is in one for each VLAN of its list, and in its native segment
 * with frames that have no tag, if it has one: inside a segment nobody can tell
 * where a frame had a tag. A wildcard is in none.
 *
 * In the FDB, stations are at the port, whatever the VLAN: a port is in a segment
 * only once.
 */
#ifndef TVD_MEMBERSHIP_H
#define TVD_MEMBERSHIP_H

#include "switchd/switchd.h"

/*
 * Puts the port where its configuration says: joins, leaves, and goes on where it
 * is the same. What was learned stays behind in what it leaves, and the segments
 * that it joins are told of its station. Out of memory it stays where it was.
 */
void membership_update(struct port *port);

/* The port has been opened: its segments are told what it takes, and of its station. */
void membership_opened(struct port *port);

/* Takes the port out of one segment that goes: to be joined again, see port_runtime.astray. */
void membership_leave(struct port *port, const struct segment *segment);

/* Takes the port out of all. */
void membership_clear(struct port *port);

/* Forgets who is at the port, in all its segments; also what was said by hand if `all`. */
void membership_flush(struct port *port, bool all);

/* Computes the largest MTU that fits everywhere, and tells the port if it changed. */
void membership_update_mtu(struct port *port);

/* Of the walk over a port's memberships: the one behind `m`, the first behind NULL; NULL: no more.
 */
struct membership *membership_next(struct port *port, const struct membership *m);

/* A trunk port's membership for a VID of 1 to 4095, or NULL. */
struct membership *membership_of_vid(const struct port *port, uint16_t vid);

/* The rest of membership_of(). */
struct membership *membership_of_trunk(const struct port *port, const struct segment *segment);

/* A port's membership in a segment, or NULL. */
static inline struct membership *membership_of(struct port *port, const struct segment *segment)
{
	if (port->untagged.segment == segment)
		return &port->untagged;
	return port->trunk ? membership_of_trunk(port, segment) : NULL;
}

#endif
