/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Shields keep the host's own stack off an interface that a port has taken: it
 * hears nothing of what the guest sends, answers nothing, and sends nothing of its
 * own. Packet sockets hear frames before a shield drops them, and send past it.
 *
 * A shield is a filter on either side of the interface's clsact qdisc that drops
 * everything. What has to be undone stands in the filter itself, as constants that
 * its program loads for nobody: so it is found again after a kill, by whoever runs
 * as the same instance, and is gone with the interface.
 */
#ifndef TVD_SHIELD_H
#define TVD_SHIELD_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/err.h"

struct rtnl;
struct rtnl_link;

/*
 * Shields an interface and raises it. One that this instance has shielded before
 * (and was killed) is taken over, with what it was like in the beginning. 0, or
 * negative errno with a message and nothing changed: -EBUSY when it is shielded
 * by another instance.
 */
int shield_raise(struct rtnl *rtnl, const struct rtnl_link *link, uint32_t instance,
		 struct err *err);

/* Whether both sides of it are still there. */
bool shield_stands(struct rtnl *rtnl, unsigned ifindex, uint32_t instance);

/* Makes the interface what it was before. Nothing if it, or its shield, is gone. */
void shield_lower(struct rtnl *rtnl, unsigned ifindex, uint32_t instance);

/* Lowers what shields this instance has left behind, but for those still in use. */
typedef bool shield_used_fn(void *arg, unsigned ifindex);
void shield_recover(struct rtnl *rtnl, uint32_t instance, shield_used_fn *used, void *arg);

#endif
