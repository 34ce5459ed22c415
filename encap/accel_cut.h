/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the accelerator (accel.h) sends of a frame: the kernel cuts superframes behind one
 * set of outer headers, in which the length stands. So all segments must have one length;
 * what is shorter, at the end, is a piece of its own. Pure.
 */
#ifndef TVD_ACCEL_CUT_H
#define TVD_ACCEL_CUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "encap/accel_bpf.h"
#include "lib/frame.h"
#include "lib/vnet.h"

/* Ethernet, IP with options, TCP with options. */
#define ACCEL_HEAD_MAX (14u + 60u + 60u)

struct accel_piece {
	struct vnet_header vnet;
	uint8_t head[ACCEL_HEAD_MAX];
	size_t head_len;
	const uint8_t *rest; /* follows the head; in the frame */
	size_t rest_len;
	unsigned segments;
	size_t len; /* of each segment, Ethernet header included */
};

/*
 * Whether a frame, its Ethernet header first, can go this way: TCP with payload, without a
 * tag, not a fragment, in IPv6 without extension headers; its checksum complete unless it
 * is a superframe.
 */
bool accel_takes(const struct frame *frame);

/* Makes one or two pieces of a frame that accel_takes(). How many. */
unsigned accel_cut(const struct frame *frame, struct accel_piece piece[2]);

/* The outer headers for a piece. They forbid fragmentation, since the identification is
 * the same in all. Addresses are IPv4's. */
struct accel_to {
	struct mac mac, own_mac;
	uint8_t src[4], dst[4];
	uint8_t ttl;
	uint8_t etherip[2];
};
void accel_outer(const struct accel_to *to, const struct accel_piece *piece,
		 uint8_t out[ACCEL_OUTER]);

#endif
