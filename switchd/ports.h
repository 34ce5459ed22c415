/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The life of ports: made from a configuration, attached, tried again while they
 * cannot be, and taken away.
 */
#ifndef TVD_PORTS_H
#define TVD_PORTS_H

#include "switchd/switchd.h"

/* What port types call; to be put into switchd.port_host. */
void ports_changed(struct port *port);
void ports_lost(struct port *port, const char *why);
void ports_descriptors_changed(struct port *port);

/*
 * Makes a port with a copy of conf and tries to attach it; if that fails now it is
 * tried again. NULL when out of memory.
 */
struct port *port_create(struct switchd *sw, const struct port_conf *conf);

/* Detaches and frees it; its FDB entries go. NULL is fine. */
void port_destroy(struct port *port);

/* Applies a changed configuration of the same type, by restart if need be. 0, or -ENOMEM
 * with the former still in force. */
int port_reconf(struct port *port, const struct port_conf *conf);

/* Tries to attach it now, if it is not. */
void port_retry(struct port *port);

/* "up", "down" or "locked". */
const char *port_state_name(const struct port *port);

#endif
