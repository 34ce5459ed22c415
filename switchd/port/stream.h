/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ports of type stream: one connection, UNIX or TCP, in which each frame has its
 * length in front of it, as QEMU's -netdev stream and -netdev socket have it. The
 * switch listens, or connects and connects again.
 */
#ifndef TVD_STREAM_H
#define TVD_STREAM_H

#include "switchd/port/port.h"

struct stream_conf {
	struct port_conf common;
	char *path;	      /* UNIX: where to listen, or to connect to */
	char *local, *remote; /* where to listen; what to connect to: TCP, or UNIX from '/' on */
	bool connect;	      /* to path */
	char *mode, *group;   /* of the file at path */
};

extern const struct port_ops stream_ops;

#endif
