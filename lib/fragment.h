/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Cutting IPv4 packets into fragments, as a router does (RFC 791 section 3.2, RFC 1812
 * section 4.2.2.7). Pure functions on frames.
 */
#ifndef TVD_FRAGMENT_H
#define TVD_FRAGMENT_H

#include "lib/frame.h"
#include "lib/packet.h"

#define IPV4_DONT_FRAGMENT  0x4000u
#define IPV4_MORE_FRAGMENTS 0x2000u
#define IPV4_OFFSET	    0x1fffu /* in units of 8 bytes */

/* Called for each fragment in order; takes ownership of it. */
typedef void fragment_emit_fn(void *arg, struct frame *fragment);

/*
 * Cuts a parsed IPv4 packet, which may be a fragment itself, into fragments of at most
 * `mtu` bytes; options that are to be copied are in each. The packet has to be no
 * superframe, with its checksum complete; whether it may be cut at all is the caller's to
 * know. It stays with the caller. Fragments carry its Ethernet header, peer and origin.
 * REASON_NONE, or why not all (REASON_NO_BUFFER: the pool ran dry) or none
 * (REASON_OVERSIZE: not even 8 bytes fit, or it would end behind the longest packet) were.
 */
enum reason fragment_ipv4(struct frame_pool *pool, const struct frame *frame,
			  const struct packet *packet, unsigned mtu, fragment_emit_fn *emit,
			  void *arg);

#endif
