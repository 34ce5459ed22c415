/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ports on interfaces that others make: told when interfaces come, change and go.
 *
 * A wildcard is a port whose `interface` ends in '*'. It is never attached itself.
 * For each interface that begins so it has a port of its own, NAME/INTERFACE, with
 * the wildcard's configuration, which is there as long as the interface is. Those
 * ports belong to no desired state (owner "wildcard"). They are locked unless the
 * wildcard says `state`: whoever can make an interface of a fitting name would
 * otherwise be let in. Interfaces that an uplink or another port names are not
 * the wildcard's.
 *
 * Likewise a port that serves many guests has a port of its own for each of them,
 * NAME/NUMBER (owner "client"), which is there as long as the guest is.
 */
#ifndef TVD_PORTS_LINKS_H
#define TVD_PORTS_LINKS_H

#include "switchd/switchd.h"

/* Looks at all interfaces and brings ports in line with them. */
void ports_follow_links(struct switchd *sw);

/* After the first commit: see port_ops.recover. */
void ports_recover(struct switchd *sw);

/* For port types; see port_host. */
struct port *ports_find(const struct port_host *host,
			bool (*match)(const struct port *port, void *arg), void *arg);
int ports_join(struct port *many, const char *suffix, void *guest);
void ports_leave(struct port *port);
bool ports_interface_taken(const struct port *port, const char *ifname, char *by, size_t size);

/* ---- for ports.c ---- */

bool port_is_wildcard(const struct port_ops *ops, const struct port_conf *conf);
bool port_serves_many(const struct port_ops *ops, const struct port_conf *conf);

/* Like port_create(); a port of that wildcard, or of that which serves many and for
 * that guest (both NULL: none). */
struct port *port_create_of(struct switchd *sw, const struct port_conf *conf, struct port *of,
			    void *guest);

/* A wildcard, or a port that serves many, goes; has another configuration; a wildcard
 * has got or lost ports. */
void ports_drop_children(struct port *parent);
void ports_reconf_children(struct port *parent);
void ports_wildcard_changed(struct port *wildcard);

#endif
