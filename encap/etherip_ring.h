/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Receiving EtherIP past the kernel's network stack: for each uplink and family a ring
 * (rxring.h), where that is allowed and possible. While it is open it alone delivers what
 * etherip_filter.h says that it takes, the host keeps that out of the stack, where it would
 * cost as much again, and the raw socket delivers the rest.
 */
#ifndef TVD_ETHERIP_RING_H
#define TVD_ETHERIP_RING_H

#include <ev.h>

#include "encap/etherip_filter.h"
#include "encap/inbox.h"
#include "encap/rxring.h"

struct etherip_shared;

struct etherip_ring {
	struct list link;  /* in etherip_shared.rings */
	struct list users; /* of struct etherip_ring_user */
	struct etherip_shared *shared;
	const struct encap_uplink *uplink;
	uint16_t family;
	struct rxring *ring; /* NULL: the socket takes all */
	ev_io io;
	struct etherip_take take; /* while it is open */
	struct sock_filter code[FILTER_RING_LEN];
	unsigned code_len; /* 0: to be made */
	struct inbox inbox;
	uint64_t tried, made, not_before; /* in ms; made: the programs */
	int error;			  /* why it could not be opened, the last time */
	uint64_t packets, wakeups, overruns, fragments, fallbacks;
};

/* An encap's place in each of the two families' rings. */
struct etherip_ring_user {
	struct list link; /* not in a list: it has none */
	struct etherip_ring *ring;
	const struct etherip *etherip;
};

/* Lets an encap receive by rings, as soon as they can be opened. 0, or -ENOMEM with
 * nothing to give back. The filters are the caller's to update. */
int etherip_rings_join(struct etherip_shared *shared, struct etherip *etherip);
void etherip_rings_leave(struct etherip *etherip);

/* The uplink's state or addresses may have changed, or a reason why there is no ring:
 * opens and closes those of an encap, and updates filters then. */
void etherip_rings_follow(struct etherip *etherip);

/* Brings the filters of open rings in line with their encaps and, where identifiers are
 * filtered, with the table. */
void etherip_rings_update(struct etherip_shared *shared);

/* A successor may change what is filtered for all: it has to be looked at again. */
void etherip_rings_yield(struct etherip *etherip);

#endif
