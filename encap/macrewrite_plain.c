/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Hosts of a subnet that do not run this software are in none of its Ethernet groups. What
 * is for all or for an IP group, they get as a copy each, addressed to them alone: with the
 * group's own address on Ethernet, other subnets' hosts would hear it, too.
 */
#include <string.h>

#include "encap/macrewrite.h"

void macrewrite_note_plain(struct macrewrite *m, const struct mac *host)
{
	struct macrewrite_plain *oldest = &m->plain[0];

	for (unsigned i = 0; i < MACREWRITE_PLAIN; i++) {
		struct macrewrite_plain *plain = &m->plain[i];

		if (mac_equal(&plain->mac, host)) {
			plain->heard = *m->encap->host->now;
			return;
		}
		if (plain->heard < oldest->heard)
			oldest = plain;
	}
	*oldest = (struct macrewrite_plain){*host, *m->encap->host->now};
}

/* Whether any can be there: others need not be looked at. */
static bool is_live(const struct macrewrite *m, const struct macrewrite_plain *plain)
{
	return !mac_is_zero(&plain->mac) &&
	       *m->encap->host->now - plain->heard < NEIGHBOUR_UNUSED_MS;
}

static bool has_any(const struct macrewrite *m)
{
	for (unsigned i = 0; i < MACREWRITE_PLAIN; i++) {
		if (is_live(m, &m->plain[i]))
			return true;
	}
	return false;
}

/*
 * Questions, answers and announcements have their own way to such hosts, which shows them no
 * guest's MAC; and who has no address yet would be answered at his.
 */
static bool is_for_all(const struct macrewrite *m, struct frame *frame)
{
	struct macrewrite_view view;

	if (macrewrite_look(frame, &view) != REASON_NONE || !view.src.family ||
	    view.msg.kind != ARP_ND_NONE || !macrewrite_in_subnet(m, &view.src) ||
	    macrewrite_is_discovery(frame, &view.packet))
		return false;
	return ipaddr_is_multicast(&view.dst) || macrewrite_is_broadcast(m, &view.dst);
}

void macrewrite_to_plain(struct macrewrite *m, struct frame *frame)
{
	if (!has_any(m) || !is_for_all(m, frame))
		return;
	for (unsigned i = 0; i < MACREWRITE_PLAIN; i++) {
		struct frame *copy;

		if (!is_live(m, &m->plain[i]))
			continue;
		copy = frame_copy(frame);
		if (!copy) {
			m->encap->stats.tx_drops[REASON_NO_BUFFER]++;
			continue;
		}
		memcpy(copy->data, &m->plain[i].mac, MAC_LEN);
		memcpy(copy->data + MAC_LEN, &m->encap->uplink->mac, MAC_LEN);
		m->link->send(m, copy);
	}
}
