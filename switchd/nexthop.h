/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The way to other hosts, for packets that are sent past the kernel's network stack:
 * what the kernel knows of routes and neighbours, asked for at most once a second for
 * each host. So a change moves traffic within a second.
 */
#ifndef TVD_NEXTHOP_H
#define TVD_NEXTHOP_H

#include "encap/encap.h"

struct ev_loop;
struct nexthops;
struct rtnl;

/* 0 and *nexthops, or negative errno. `now` is the time of the loop's turn, in ms. */
int nexthops_open(struct nexthops **nexthops, struct ev_loop *loop, struct rtnl *rtnl,
		  const uint64_t *now);
void nexthops_close(struct nexthops *nexthops);

/* Whether there are IPsec policies, or could be: then only the kernel's network stack knows
 * what to do with packets. */
bool nexthops_policies(const struct nexthops *nexthops);

/* Whether somebody captures on an uplink's interface, who is to see what is on the wire. */
bool nexthops_tapped(struct nexthops *nexthops, const struct encap_host *host,
		     const struct encap_uplink *uplink);

/* encap_host.next_hop() */
bool nexthops_get(struct nexthops *nexthops, const struct encap_host *host,
		  const struct encap_uplink *uplink, const struct ipaddr *dst, struct mac *mac);

#endif
