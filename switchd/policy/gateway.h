/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Gateways: junctions of segments that are IP subnets of their own. No router runs
 * anywhere: the host of the sending port routes, and the host of the receiving one
 * decides once more. switchd-forwarding(7), "Gateways", has the rules in words.
 *
 * Two kinds of MAC addresses are reserved for them. Guests see the gateway of their
 * segment at a virtual one, which never is on a wire; on the wire, and where it asks for
 * neighbours, each host uses its router MAC.
 */
#ifndef TVD_GATEWAY_H
#define TVD_GATEWAY_H

#include <stdbool.h>

#include "learn/neighbour.h"
#include "lib/addr.h"
#include "switchd/forward.h"
#include "switchd/switchd.h"

struct pass;

/* Locally administered, of the quadrant that 802c leaves to administrators. */
#define GATEWAY_ROUTER_0  0x72
#define GATEWAY_ROUTER_1  0x54 /* and a hash of the host's name */
#define GATEWAY_VIRTUAL_0 0x72
#define GATEWAY_VIRTUAL_1 0x56 /* and the gateway's IPv4 address, or a hash of its IPv6 one */

static inline bool gateway_mac_is_router(const struct mac *mac)
{
	return mac->octet[0] == GATEWAY_ROUTER_0 && mac->octet[1] == GATEWAY_ROUTER_1;
}

static inline bool gateway_mac_is_virtual(const struct mac *mac)
{
	return mac->octet[0] == GATEWAY_VIRTUAL_0 && mac->octet[1] == GATEWAY_VIRTUAL_1;
}

/* The router MAC of the host of this name: the same in every process, and another for
 * each other name but by a chance of one in four billion. */
struct mac gateway_router_mac(const char *host);

/* Where guests see a gateway of this address: the same on every host. */
struct mac gateway_virtual_mac(const struct ipaddr *addr);

/*
 * Makes the gateways that a configuration wants of the segments that are there, which
 * are those of the configuration. What is known of neighbours, and counters, stay where a
 * gateway stays. Due behind policy_apply(). 0, or -ENOMEM with the former ones still in force.
 */
int gateways_update(struct switchd *sw, const struct desired *desired);
void gateways_destroy(struct switchd *sw);

/* A segment is about to go: its gateway and all ways there go first. */
void gateway_segment_gone(struct segment *segment);

/* What came from a port, or from an encap, and waits for a neighbour counts there no more. */
void gateway_port_gone(struct port *port);
void gateway_encap_gone(struct segment_encap *se);

/* Asks again, and gives up; due about once a second, and by itself more often while anything is
 * being asked for, so that three tries take three seconds. */
void gateways_tick(struct switchd *sw);

/* The router MAC, if this host routes from or to the segment; else NULL. */
const struct mac *gateway_of(const struct segment *segment);

/*
 * Steps of the pipeline, for segments that have a gateway. Before learning: nobody but
 * the switch itself sends from reserved addresses, and a guest only from addresses of its
 * subnet.
 */
enum reason gateway_admits(struct pass *p);

/*
 * Before the lookup: whether the gateway has taken what becomes of the frame upon itself:
 * it was asked for, has routed, or refuses, as *reason says. If not, the frame goes on in its
 * segment, and shows the virtual MAC if it was routed here.
 */
bool gateway_takes(struct pass *p, enum reason *reason);

/* ---- for `policy verify` ---- */

/* A port in a segment, or a remote host that was heard in it, and a station there. */
struct gateway_end {
	struct segment *segment;
	const struct port *port; /* NULL: a host */
	struct mac mac;		 /* zero: none is known */
	struct fdb_where where;
};

struct gateway_probe {
	struct frame *frame;	  /* owned */
	struct segment_encap *se; /* that brings it; NULL: the port */
	struct supposed supposed;
};

/*
 * Makes up a packet of that family from one end to the other, which meet in a gateway here: as
 * the guest would send it, or as the other host would, which has routed it. false if there is none,
 * since no station is known that it could go to, or the family is not that of both.
 */
bool gateway_probe(const struct gateway_end *from, const struct gateway_end *to, uint16_t family,
		   struct gateway_probe *probe);

/* ---- for `switchctl` ---- */

struct gateway_counters {
	uint64_t answered;  /* questions for the gateway's addresses */
	uint64_t asked;	    /* questions for neighbours */
	uint64_t echoed;    /* echo requests answered */
	uint64_t errors;    /* ICMP errors sent */
	uint64_t muted;	    /* and not sent, because there were too many */
	uint64_t delivered; /* frames that another host has routed here */
};

/* What there is to count of the gateway in a segment. false: it has none here. */
struct gateway_figures {
	struct gateway_counters counters;
	size_t neighbours;
	struct neighbour_counters news;
	size_t routes;
};
bool gateway_figures(const struct segment *segment, struct gateway_figures *figures);

/* What this host has routed from there to a subnet of another segment, the i-th of `routes`. */
struct gateway_traffic {
	const struct segment *to;
	unsigned ip; /* its version */
	uint64_t frames, bytes;
};
struct gateway_traffic gateway_traffic(const struct segment *segment, size_t i);

/* The table, or NULL. */
const struct neighbours *gateways_neighbours(const struct switchd *sw);

/* Puts one back that a former process has known: addr, where, holder, age_ms. */
bool gateway_restore(const struct segment *segment, const struct neighbour_info *info);

/* Forgets neighbours: in a segment or all (NULL), of an address or all (NULL). How many. */
size_t gateways_flush(struct switchd *sw, const struct segment *segment, const struct ipaddr *addr);

/* What is counted in a segment, as a JSON object; NULL where it has no gateway here. */
struct json_t *gateway_show(const struct segment *segment);

#endif
