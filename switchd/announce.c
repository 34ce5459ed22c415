/* SPDX-License-Identifier: BSD-2-Clause */
#include "switchd/announce.h"

#include <arpa/inet.h>

#include "lib/packet.h"
#include "switchd/egress.h"
#include "switchd/forward.h"

#define RARP_REQUEST 3 /* RFC 903; what QEMU sends for a guest that has moved */
#define LIST_CHUNK   64

/* The shortest frame of a wire, without FCS; what the ARP does not fill is zero. */
#define FRAME_MIN 60u

/* NULL: no buffer. */
static struct frame *announcement(struct switchd *sw, const struct mac *mac)
{
	struct frame *frame = frame_alloc(sw->pool, FRAME_MIN);
	struct eth_header eth = {.src = *mac, .type = htons(ETHERTYPE_RARP)};
	struct arp_header arp = {
	    .hardware = htons(1),
	    .protocol = htons(ETHERTYPE_IPV4),
	    .hardware_len = MAC_LEN,
	    .protocol_len = 4,
	    .operation = htons(RARP_REQUEST),
	    .sender_mac = *mac,
	    .target_mac = *mac,
	};

	if (!frame)
		return NULL;
	memset(&eth.dst, 0xff, sizeof(eth.dst));
	memset(frame->data, 0, FRAME_MIN);
	memcpy(frame->data, &eth, sizeof(eth));
	memcpy(frame->data + sizeof(eth), &arp, sizeof(arp));
	frame->len = FRAME_MIN;
	return frame;
}

void announce_station(struct segment *segment, const struct mac *mac)
{
	struct frame *frame = announcement(segment->sw, mac);

	if (frame)
		forward_announce(segment, frame);
}

void announce_station_through(struct segment_encap *se, const struct ipaddr *to,
			      const struct mac *mac)
{
	struct frame *frame = announcement(se->segment->sw, mac);

	if (!frame)
		return;
	frame->peer = *to;
	egress_encap(se, frame);
}

void announce_segment(struct segment *segment)
{
	struct switchd *sw = segment->sw;
	struct fdb_entry_info list[LIST_CHUNK];
	uint32_t cursor = 0;
	size_t n;

	while ((n = fdb_list(sw->fdb, segment->number, sw->now, &cursor, list, LIST_CHUNK)) > 0) {
		for (size_t i = 0; i < n; i++) {
			if (list[i].where.side == FDB_SIDE_LOCAL)
				announce_station(segment, &list[i].mac);
		}
		egress_flush(sw);
	}
}
