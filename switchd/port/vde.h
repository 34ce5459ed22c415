/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ports of type vde: a socket directory as a vde_switch has it, for clients of
 * libvdeplug (QEMU's -netdev vde, vde_plug and many more).
 *
 * Without `number` the port listens in the directory and serves many: each client
 * joins with a port of its own, NAME/NUMBER. With `number` it is the port for the
 * client that asks for that number there, configured by itself: it is there also
 * while its client is not.
 *
 *	vde.c		keys, and which of the two it is
 *	vde_listen.c	the directory's control socket: requests and their answers
 *	vde_socket.c	files: the directory, and data sockets at both ends
 *	vde_guest.c	the port of one client
 *	vde_request.c	what a client asks
 */
#ifndef TVD_VDE_H
#define TVD_VDE_H

#include "switchd/port/port.h"

struct vde_conf {
	struct port_conf common;
	char *path;	    /* the directory */
	int64_t number;	    /* VDE_NUMBER_ANY: listens */
	char *mode, *group; /* of the sockets in it */
	char *mgmt, *mgmt_mode, *mgmt_group;
};

extern const struct port_ops vde_ops;

/* A port's configuration, which is of this type. */
static inline const struct vde_conf *vde_conf_of(const struct port *port)
{
	return (const struct vde_conf *)port->conf;
}

/* Of one that listens: how many clients it has turned away. */
uint64_t vde_refused(const struct port *port);

/* Of one with a number: what its client calls itself, or NULL while there is none;
 * `uid` (may be NULL) who it is. */
const char *vde_client(const struct port *port, unsigned *uid);

#endif
