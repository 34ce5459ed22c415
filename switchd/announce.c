/* SPDX-License-Identifier: BSD-2-Clause */
#include "switchd/announce.h"

#include "lib/arp_nd.h"
#include "switchd/egress.h"
#include "switchd/forward.h"
#include "switchd/policy/gateway.h"

#define LIST_CHUNK 64

/* NULL: no buffer. */
static struct frame *announcement(struct switchd *sw, const struct mac *mac)
{
	struct arp_nd msg;

	arp_nd_rarp(&msg, mac);
	return arp_nd_build(sw->pool, &msg);
}

void announce_station(struct segment *segment, const struct mac *mac)
{
	struct frame *frame = announcement(segment->sw, mac);

	if (frame)
		forward_announce(segment, frame);
}

/* Who was elsewhere until now is here, before it says anything. */
static void take_in(struct segment *segment, const struct port *port)
{
	const struct fdb_where here = {.side = FDB_SIDE_LOCAL, .port = port->number};
	struct segment_encap *hearer = segment->hearer;
	struct switchd *sw = segment->sw;
	const struct fdb_where *known = fdb_lookup(sw->fdb, segment->number, &port->mac, sw->now);
	struct frame *frame;

	if (known && known->side != FDB_SIDE_LOCAL)
		(void)fdb_learn(sw->fdb, segment->number, &port->mac, &here, sw->now);
	if (!hearer || !hearer->open)
		return;
	frame = announcement(sw, &port->mac);
	if (frame)
		(void)hearer->encap.ops->hear(&hearer->encap, frame, port->number, false);
	frame_free(frame);
}

void announce_port(struct segment *segment, const struct port *port)
{
	if (port->conf->state != PORT_LOCKED)
		take_in(segment, port);
	announce_station(segment, &port->mac);
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
	const struct mac *router = gateway_of(segment);
	size_t n;

	if (router)
		announce_station(segment, router);
	while ((n = fdb_list(sw->fdb, segment->number, sw->now, &cursor, list, LIST_CHUNK)) > 0) {
		for (size_t i = 0; i < n; i++) {
			if (list[i].where.side == FDB_SIDE_LOCAL)
				announce_station(segment, &list[i].mac);
		}
		egress_flush(sw);
	}
}
