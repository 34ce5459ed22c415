/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ports of types dgram and udp: each datagram is a frame, on UNIX sockets as QEMU's
 * -netdev dgram has it, or in UDP as QEMU's -netdev dgram and libvirt's <interface
 * type='udp'> have it. Nobody connects, so that either end may be restarted.
 */
#ifndef TVD_DGRAM_H
#define TVD_DGRAM_H

#include "switchd/port/port.h"

/* Of both types. */
struct dgram_conf {
	struct port_conf common;
	char *path;	    /* dgram: ours */
	char *local;	    /* ours; of dgram UNIX from '/' on, else UDP */
	char *remote;	    /* the guest's */
	char *mode, *group; /* dgram: of the file at path */
};

extern const struct port_ops dgram_ops, udp_ops;

#endif
