/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The accelerator of an uplink with `fast = "bpf"` (encap/accel.h): its helper TAP, its
 * programs and where they hang, from the first try to the last trace of them.
 *
 * It is an offer. What it cannot do, for whatever reason, goes the default way, the reason
 * is logged once and told as an event, and it tries again later. It is for the kernel's
 * bookkeeping that nothing of it is left behind: the helper TAP goes with this process, and
 * so does the XDP program, since it hangs by a link. A filter does not (before Linux 6.6),
 * so it has a name by which the next start finds it; without the XDP program it does
 * nothing. The XDP program is attached first: who has it is the only one who accelerates
 * this interface, so a filter with such a name is then nobody's.
 */
#ifndef TVD_ACCELERATE_H
#define TVD_ACCELERATE_H

#include "switchd/switchd.h"

struct json_t;

/* What names of helper TAPs begin with: they are nobody's ports. */
#define ACCELERATE_TAP "tvdfast"

/* Brings it in line with the uplink's configuration and state, and with what the interface
 * does; due when these change, and each second. Sets uplink->view.accel. */
void accelerate_follow(struct uplink *uplink);

/* Takes it away. There may be none. */
void accelerate_end(struct uplink *uplink);

/* The same until further notice, a second at least: another process wants it. */
void accelerate_yield(struct uplink *uplink);

/* At start: removes filters that a former process of this instance has left anywhere. */
void accelerate_recover(struct switchd *sw);

/* What it does, for `uplink show` and events: an object, or NULL where `fast` is another. */
struct json_t *accelerate_show(const struct uplink *uplink);

/* Of all that were lost or could not be had; and whether there is one. */
struct accelerate_figures {
	bool on;
	uint64_t fallbacks;
	uint64_t overruns; /* packets that found the helper TAP full, up to the last second */
};
/* false where `fast` is another. */
bool accelerate_figures(const struct uplink *uplink, struct accelerate_figures *figures);

#endif
