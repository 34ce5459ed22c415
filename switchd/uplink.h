/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Uplinks: physical interfaces, followed by netlink as they come, go, and change
 * address.
 */
#ifndef TVD_UPLINK_H
#define TVD_UPLINK_H

#include "switchd/switchd.h"

/* Makes an uplink with a copy of conf and adds it to the switch. NULL when out of memory. */
struct uplink *uplink_create(struct switchd *sw, const struct uplink_conf *conf);

/* No encap may use it any more. NULL is fine. */
void uplink_destroy(struct uplink *uplink);

/* Applies a changed configuration. 0, or -ENOMEM with the former still in force. */
int uplink_reconf(struct uplink *uplink, const struct uplink_conf *conf);

/* Looks at the interface and tells the encaps what has changed. */
void uplink_refresh(struct uplink *uplink);

/* The same for all. */
void uplinks_refresh(struct switchd *sw);

/* Lets the host's stack hear again what a former process kept from it, where no encap does
 * so now. */
void uplinks_recover(struct switchd *sw);

#endif
