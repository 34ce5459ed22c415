/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Ports of type tap: switchd creates the TAP, holds its descriptor, and may move
 * the interface into a guest's network namespace.
 */
#ifndef TVD_TAP_H
#define TVD_TAP_H

#include "switchd/port/port.h"

struct tap_conf {
	struct port_conf common;
	char *ifname; /* default: the port's name */
	char *netns;  /* NULL: a host port */
	struct mac mac;
	int64_t mtu; /* 0: what fits the segment */
};

extern const struct port_ops tap_ops;

#endif
