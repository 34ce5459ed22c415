/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ports of type netdev: an interface of the host that others make, such as the TAP
 * of a guest whose descriptor QEMU holds, a veth, or a NIC. A packet socket on it
 * hears what the guest sends and sends what the guest gets.
 */
#ifndef TVD_NETDEV_H
#define TVD_NETDEV_H

#include "switchd/port/port.h"

struct netdev_conf {
	struct port_conf common;
	char *interface; /* with '*' at its end: all that begin so */
	int64_t ifindex; /* only the one with this number; 0: any of that name */
	bool take;	 /* also one that has addresses */
};

extern const struct port_ops netdev_ops;

#endif
