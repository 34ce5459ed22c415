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
 */
#ifndef TVD_PORTS_LINKS_H
#define TVD_PORTS_LINKS_H

#include "switchd/switchd.h"

/* Looks at all interfaces and brings ports in line with them. */
void ports_follow_links(struct switchd *sw);

/* After the first commit: see port_ops.recover. */
void ports_recover(struct switchd *sw);

/* For port types; see port_host. */
bool ports_interface_taken(const struct port *port, const char *ifname, char *by, size_t size);

/* ---- for ports.c ---- */

bool port_is_wildcard(const struct port_ops *ops, const struct port_conf *conf);

/* Like port_create(); a port of that wildcard (NULL: none). */
struct port *port_create_of(struct switchd *sw, const struct port_conf *conf,
			    struct port *wildcard);

/* A wildcard goes; has another configuration; has got or lost ports. */
void ports_drop_children(struct port *wildcard);
void ports_reconf_children(struct port *wildcard);
void ports_wildcard_changed(struct port *wildcard);

#endif
