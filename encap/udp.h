/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What backends over UDP share. Receiving: one socket for each family and port, for
 * all segments. Sending: networks that spread packets over paths choose them by ports,
 * and a flow must keep its path; a UDP socket has one port, so there are several, and
 * the flow inside chooses the socket (see sender.h).
 */
#ifndef TVD_UDP_H
#define TVD_UDP_H

#include "encap/receiver.h"
#include "lib/list.h"

/* Where the ports to send from begin: dynamic ports, so no service is among them. */
#define UDP_FIRST_SOURCE_PORT 49152u

/* The owner of its `rx`. */
struct udp_receiver {
	struct list link;
	struct receiver rx;
	uint16_t port;
	unsigned refs;
};

struct udp_receivers {
	struct list list;
	struct encap_host *host;
	enum encap_kind kind;
	struct encap *(*classify)(struct receiver *receiver, struct frame *frame,
				  struct outer *outer, enum reason *reason, struct encap **blame);
};

/* An empty set; kind and classify as in struct receiver. */
void udp_receivers_init(struct udp_receivers *receivers, struct encap_host *host,
			enum encap_kind kind,
			__typeof__(((struct receiver *)0)->classify) classify);

/*
 * Listens at a port for a set of families (bit 0 IPv4, bit 1 IPv6), counted; and no
 * longer. 0, or negative errno with nothing to give back.
 */
int udp_receivers_get(struct udp_receivers *receivers, unsigned families, uint16_t port);
void udp_receivers_put(struct udp_receivers *receivers, unsigned families, uint16_t port);

/*
 * A hash of the flow in a pushed frame, behind `header` bytes of the backend's: equal for
 * all frames of a TCP or UDP flow in one direction, and for all fragments between two
 * addresses.
 */
unsigned udp_flow(const struct frame *frame, size_t header);

#endif
