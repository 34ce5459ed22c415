/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/vnet.h"

#include <assert.h>
#include <linux/virtio_net.h>
#include <string.h>

/* Since Linux 6.2; older headers lack it. */
#ifndef VIRTIO_NET_HDR_GSO_UDP_L4
#define VIRTIO_NET_HDR_GSO_UDP_L4 5
#endif

static_assert(sizeof(struct vnet_header) == sizeof(struct virtio_net_hdr), "as the kernel has it");

static enum frame_gso gso_of(uint8_t type)
{
	switch (type & ~VIRTIO_NET_HDR_GSO_ECN) {
	case VIRTIO_NET_HDR_GSO_TCPV4:
		return FRAME_GSO_TCP4;
	case VIRTIO_NET_HDR_GSO_TCPV6:
		return FRAME_GSO_TCP6;
	case VIRTIO_NET_HDR_GSO_UDP_L4:
		return FRAME_GSO_UDP;
	default:
		return FRAME_GSO_NONE;
	}
}

bool vnet_read(const uint8_t bytes[sizeof(struct vnet_header)], struct frame *frame)
{
	struct frame_offload *offload = &frame->offload;
	struct vnet_header hdr;

	memcpy(&hdr, bytes, sizeof(hdr));
	offload->csum_partial = hdr.flags & VIRTIO_NET_HDR_F_NEEDS_CSUM;
	offload->csum_valid = hdr.flags & VIRTIO_NET_HDR_F_DATA_VALID;
	offload->csum_start = hdr.csum_start;
	offload->csum_offset = hdr.csum_offset;
	offload->gso = (uint8_t)gso_of(hdr.gso_type);
	offload->gso_ecn = hdr.gso_type & VIRTIO_NET_HDR_GSO_ECN;
	offload->gso_size = hdr.gso_size;
	return offload->gso != FRAME_GSO_NONE || hdr.gso_type == VIRTIO_NET_HDR_GSO_NONE;
}

void vnet_write(const struct frame *frame, unsigned shift, struct vnet_header *hdr)
{
	static const uint8_t types[] = {
	    [FRAME_GSO_NONE] = VIRTIO_NET_HDR_GSO_NONE,
	    [FRAME_GSO_TCP4] = VIRTIO_NET_HDR_GSO_TCPV4,
	    [FRAME_GSO_TCP6] = VIRTIO_NET_HDR_GSO_TCPV6,
	    [FRAME_GSO_UDP] = VIRTIO_NET_HDR_GSO_UDP_L4,
	};
	const struct frame_offload *offload = &frame->offload;

	memset(hdr, 0, sizeof(*hdr));
	if (offload->csum_partial) {
		hdr->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
		hdr->csum_start = (uint16_t)(offload->csum_start + shift);
		hdr->csum_offset = offload->csum_offset;
	} else if (offload->csum_valid) {
		hdr->flags = VIRTIO_NET_HDR_F_DATA_VALID;
	}
	if (offload->gso == FRAME_GSO_NONE)
		return;
	hdr->gso_type = types[offload->gso];
	if (offload->gso_ecn)
		hdr->gso_type |= VIRTIO_NET_HDR_GSO_ECN;
	hdr->gso_size = offload->gso_size;
	/* The kernel copies this much before it looks at headers: up to the
	 * end of the transport header is right, and it finds out if it is more. */
	hdr->hdr_len =
	    (uint16_t)(offload->csum_start + shift + (offload->gso == FRAME_GSO_UDP ? 8 : 20));
}
