/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of the gateway share; for nobody else. gateway.c has what there is,
 * gateway_in.c what comes in, gateway_route.c the way out, gateway_fit.c what is too long for it,
 * gateway_say.c what it says itself, gateway_show.c what others get to know.
 */
#ifndef TVD_GATEWAY_IMPL_H
#define TVD_GATEWAY_IMPL_H

#include "learn/neighbour.h"
#include "lib/arp_nd.h"
#include "lib/bucket.h"
#include "lib/icmp_error.h"
#include "switchd/forward_impl.h"
#include "switchd/policy/gateway.h"
#include "switchd/policy/policy.h"

/* An address of the gateway in the segment, and the subnet that is there. */
struct gateway_address {
	struct ipaddr addr;
	struct ipprefix subnet;
	bool foreign; /* this host serves those who are no switchd's guests */
};

/* A subnet of another segment that can be reached. */
struct gateway_route {
	struct ipprefix subnet;
	struct ipaddr addr; /* the gateway's there */
	struct ipaddr via;  /* and here, from which complaints come */
	struct segment *to;
	/* From here to there, and from there to here; NULL: closed, nobody states it. */
	struct crossing crossing, inward;
	struct flow_count *count, *inward_count;
	uint64_t frames, bytes;
};

/* The gateway in one segment. */
struct gateway_side {
	struct gateways *all;
	struct segment *segment;
	bool here; /* else only the reserved addresses are guarded */
	struct mac mac;
	struct gateway_address *addresses;
	struct gateway_route *routes;
	size_t address_count, route_count;
	struct bucket errors, asks; /* of who is on a wire */
	struct gateway_counters counters;
};

/* Of a switch. */
struct gateways {
	struct switchd *sw;
	struct mac router;
	struct ipaddr link_local; /* of the router MAC */
	struct neighbours *table;
	struct bucket errors; /* to all */
	ev_timer tick;	      /* while something is being asked for */
};

/* Errors a second to one port, or to all that are on the wires of a segment; and in all. */
#define GATEWAY_ERRORS	   100u
#define GATEWAY_ERRORS_ALL 1000u

/* Seconds between two looks at what is being asked for. */
#define GATEWAY_TICK 0.25

/* On whose account a neighbour is asked for: a port's, or a side's. */
uint64_t gateway_holder(const struct pass *p);

/* The address of the gateway in the segment that it is; NULL if it is none of them. */
const struct gateway_address *gateway_address_find(const struct gateway_side *side,
						   const struct ipaddr *addr);

/* The subnet of this segment that an address is in, or NULL. */
const struct gateway_address *gateway_subnet_find(const struct gateway_side *side,
						  const struct ipaddr *addr);

/* The subnet of another one, or NULL. */
struct gateway_route *gateway_route_find(const struct gateway_side *side,
					 const struct ipaddr *addr);

/* The addresses of a parsed packet of either version. */
struct gateway_ends {
	struct ipaddr src, dst;
};
struct gateway_ends gateway_ends_of(const struct pass *p);

/* A packet for which there is a way. */
struct gateway_way {
	struct gateway_side *here, *there;
	struct gateway_route *route;
	struct ipaddr dst;
	struct neighbour_where neighbour;
	const struct fdb_where *station;
	struct port *port; /* where the station is, if it is here */
	bool again;
	unsigned cut; /* the bytes of a fragment; 0: it goes whole */
};

/*
 * Whether a packet that has a station to go to fits there, perhaps in fragments. Else its
 * sender is told, if it can do something about it.
 */
enum reason gateway_fits(struct pass *p, struct gateway_way *way);

/* Sends a frame, which is ready for the other segment, in fragments. It stays with the caller. */
enum reason gateway_send_cut(struct pass *p, unsigned mtu);

/* Whether an IPv4 packet says itself which way it goes: such are not routed (RFC 7126). */
bool gateway_is_source_routed(const struct pass *p);

/*
 * Routes a frame that is for the gateway: takes it, or says why not. One that is `again`
 * here had waited for a neighbour, and does not do so twice.
 */
enum reason gateway_route_frame(struct pass *p, bool again);

/* A question was asked, whose time runs. */
void gateway_tick_soon(struct gateways *all);

/* What waited can go on its way, or will not. Takes the frames. */
void gateway_release(struct gateway_side *to, struct frame_batch *released, bool failed);

/*
 * Whether policy lets the frame of `p` cross from its segment to that of the route or, inward,
 * from there to its segment. `to` is the port that is to get it; NULL: none of this host, or
 * not known.
 */
struct gateway_question {
	struct gateway_route *route;
	bool inward, probe;
	const struct port *to;
};
enum reason gateway_decide(struct pass *p, const struct gateway_question *question);

/* ---- what it says itself ---- */

/* Asks for an address: everybody, or one station. */
void gateway_ask(struct gateway_side *side, const struct ipaddr *addr, const struct mac *alone);

/* Answers a question for one of its addresses, to who has asked. */
void gateway_answer(struct pass *p, const struct arp_nd *question);

/* Tells the sender why its packet is not delivered, unless that may not be said, or was too
 * often. `from` is the address that says so; NULL: any of this segment. */
void gateway_complain(struct pass *p, enum icmp_error error, uint32_t mtu,
		      const struct ipaddr *from);

/* Makes the answer of an echo request, and sends it. Takes the frame unless it says why not. */
enum reason gateway_echo(struct pass *p);

#endif
