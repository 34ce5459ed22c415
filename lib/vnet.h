/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The virtio-net header that TAPs and packet sockets put in front of a frame: what
 * the sender left undone, and what we leave to the receiver.
 */
#ifndef TVD_VNET_H
#define TVD_VNET_H

#include <stdbool.h>
#include <stdint.h>

#include "lib/frame.h"

/* struct virtio_net_hdr of the legacy kind: ten bytes, in the host's byte order. */
struct vnet_header {
	uint8_t flags, gso_type;
	uint16_t hdr_len, gso_size, csum_start, csum_offset;
};

/*
 * Reads a header into the frame's metadata, which is not checked here (see
 * offload_check). false for a kind of superframe that was never agreed on.
 */
bool vnet_read(const uint8_t bytes[sizeof(struct vnet_header)], struct frame *frame);

/* Writes the header for a frame in front of whose bytes `shift` more are sent. */
void vnet_write(const struct frame *frame, unsigned shift, struct vnet_header *hdr);

#endif
