/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The management socket of a vde port, in the line protocol of vde_switch: what
 * unixterm, vdeterm and scripts of unixcmd talk to. The commands are in
 * vde_commands.c; what they change goes the way of switchctl's requests.
 */
#ifndef TVD_VDE_MGMT_H
#define TVD_VDE_MGMT_H

#include "switchd/switchd.h"

/* Serves one who has connected; the descriptor is its from now on. */
void vde_mgmt_serve(struct port *port, int fd);

/* Ends all sessions of a port that closes. */
void vde_mgmt_port_gone(const struct port *port);

#endif
