/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a router says to the sender of a packet that it does not deliver (RFC 792,
 * RFC 1812 section 4.3, RFC 4443), and its answers to echo requests. Pure functions
 * on frames; how often is the caller's to limit (lib/bucket.h).
 */
#ifndef TVD_ICMP_ERROR_H
#define TVD_ICMP_ERROR_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/addr.h"
#include "lib/frame.h"
#include "lib/packet.h"

enum icmp_error {
	ICMP_ERROR_TTL,	    /* time exceeded in transit */
	ICMP_ERROR_NET,	    /* no route to the destination */
	ICMP_ERROR_HOST,    /* the destination does not answer */
	ICMP_ERROR_ADMIN,   /* administratively prohibited */
	ICMP_ERROR_TOO_BIG, /* fragmentation needed; packet too big */
	ICMP_ERROR_COUNT
};

/*
 * Whether an error may be sent about a parsed packet: never about an ICMP error or a
 * redirect, nor about what went to a group on either layer, came from no single
 * host, or is a later fragment whose ICMP type nobody can see (IPv4: any later
 * fragment).
 */
bool icmp_error_may(const struct frame *frame, const struct packet *packet);

/*
 * The error about a packet that icmp_error_may() has let pass, to its sender, from
 * the router's address `from` (of the packet's family) and its MAC. It quotes as much
 * as the RFCs allow: up to 576 bytes of IPv4 packet in all, 1280 of IPv6. `mtu`
 * (of the next link, in bytes of IP packet) is for ICMP_ERROR_TOO_BIG. NULL when out of
 * buffers. The offending frame stays as it was.
 */
struct frame *icmp_error_build(struct frame_pool *pool, const struct frame *frame,
			       const struct packet *packet, enum icmp_error error, uint32_t mtu,
			       const struct ipaddr *from, const struct mac *mac);

/* Whether a parsed packet is an echo request that icmp_echo_answer() can answer: whole,
 * from a single host, without IPv4 options or IPv6 extension headers. */
bool icmp_is_echo(const struct frame *frame, const struct packet *packet);

/*
 * Makes the answer of such a request, in place: back to its sender, from the address
 * that was asked, at `mac`. false when out of buffers for bytes that are shared.
 */
bool icmp_echo_answer(struct frame *frame, const struct packet *packet, const struct mac *mac);

#endif
