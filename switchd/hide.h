/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Keeps part of what arrives on an uplink from the host's own stack: packet sockets
 * hear it, the host does not. What stays on the interface after a kill is found and
 * removed, or gone on with, at the next start (tc.h).
 */
#ifndef TVD_HIDE_H
#define TVD_HIDE_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/err.h"

struct rtnl;
struct sock_filter;

/*
 * Drops, on their way to the host's stack, frames for which the program returns
 * anything but 0; another program of this instance makes way. 0 or negative errno with
 * a message.
 */
int hide_put(struct rtnl *rtnl, unsigned ifindex, uint32_t instance,
	     const struct sock_filter *program, unsigned count, struct err *err);

/* Nothing is dropped any more. Nothing if the interface, or the program, is gone. */
void hide_end(struct rtnl *rtnl, unsigned ifindex, uint32_t instance);

/* Ends what this instance has left behind, but for interfaces still in use. */
typedef bool hide_used_fn(void *arg, unsigned ifindex);
void hide_recover(struct rtnl *rtnl, uint32_t instance, hide_used_fn *used, void *arg);

#endif
