/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The outer IP header of a packet that came past the kernel's network stack: what the
 * stack would have checked is checked here. No I/O.
 */
#ifndef TVD_OUTER_H
#define TVD_OUTER_H

#include "encap/remotes.h"

/*
 * Checks the header of a packet that must carry `protocol`, without options or extension
 * headers, and takes it off; fills outer->src and outer->dst, and cuts what follows the
 * packet. REASON_NONE; REASON_BAD_HEADER; or REASON_FRAGMENT, with nothing changed, for
 * a part of a packet.
 */
enum reason outer_pull(struct frame *frame, uint16_t family, uint8_t protocol, struct outer *outer);

/* How long the whole packet is of which this is the last fragment; 0: it is another one. */
size_t outer_whole_len(const struct frame *fragment, uint16_t family);

#endif
