/* SPDX-License-Identifier: BSD-2-Clause */
#include "switchd/membership.h"

#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "switchd/announce.h"
#include "switchd/segment.h"
#include "switchd/snooping.h"

LOG_MODULE("port");

struct trunk {
	size_t count;
	struct membership *by_vid; /* in the order of their VIDs; those without segment, too */
	/* In the order of the segments' numbers: those with segment. */
	size_t joined;
	struct membership **by_segment;
};

/* ---- looking ---- */

struct membership *membership_next(struct port *port, const struct membership *m)
{
	size_t i = 0;

	if (!m && port->untagged.segment)
		return &port->untagged;
	if (!port->trunk)
		return NULL;
	if (m && m != &port->untagged)
		i = (size_t)(m - port->trunk->by_vid) + 1;
	while (i < port->trunk->count && !port->trunk->by_vid[i].segment)
		i++;
	return i < port->trunk->count ? &port->trunk->by_vid[i] : NULL;
}

struct membership *membership_of_vid(const struct port *port, uint16_t vid)
{
	const struct trunk *trunk = port->trunk;
	size_t low = 0, high = trunk->count;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (trunk->by_vid[middle].vid < vid)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == trunk->count || trunk->by_vid[low].vid != vid || !trunk->by_vid[low].segment)
		return NULL;
	return &trunk->by_vid[low];
}

/* Where a segment's membership stands among trunk->by_segment, or would. */
static size_t place_of(const struct trunk *trunk, const struct segment *segment)
{
	size_t low = 0, high = trunk->joined;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (trunk->by_segment[middle]->segment->number < segment->number)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct membership *membership_of_trunk(const struct port *port, const struct segment *segment)
{
	const struct trunk *trunk = port->trunk;
	size_t at = place_of(trunk, segment);

	return at < trunk->joined && trunk->by_segment[at]->segment == segment
		   ? trunk->by_segment[at]
		   : NULL;
}

/* ---- what was learned ---- */

static void forget(const struct port *port, const struct segment *segment, bool all)
{
	struct fdb_where where = {.side = FDB_SIDE_LOCAL, .port = port->number};

	(void)fdb_flush(segment->sw->fdb, segment->number, &where, all);
	snooping_forget((struct segment *)segment, &where);
}

void membership_flush(struct port *port, bool all)
{
	struct membership *m = NULL;

	while ((m = membership_next(port, m)))
		forget(port, m->segment, all);
}

/* ---- MTU ---- */

/* A tag takes no room from what it tags: guests' interfaces carry it on top of their MTU. */
static unsigned fitting_mtu(struct port *port)
{
	struct membership *m = NULL;
	unsigned mtu = 0;

	while ((m = membership_next(port, m))) {
		unsigned fits = segment_port_mtu(m->segment);

		if (fits && (mtu == 0 || fits < mtu))
			mtu = fits;
	}
	return mtu;
}

void membership_update_mtu(struct port *port)
{
	unsigned mtu = fitting_mtu(port);

	if (mtu == port->mtu)
		return;
	port->mtu = mtu;
	if (port->state && port->ops->mtu_changed)
		port->ops->mtu_changed(port);
}

/* ---- joining and leaving ---- */

static void join(struct port *port, struct membership *m, struct segment *segment, uint16_t vid)
{
	*m = (struct membership){
	    .port = port,
	    .segment = segment,
	    .vid = vid,
	};
	list_init(&m->by_segment);
}

static int compare_vids(const void *a, const void *b)
{
	const struct membership *one = a, *two = b;

	return one->vid - two->vid;
}

static void trunk_free(struct trunk *trunk)
{
	if (!trunk)
		return;
	free(trunk->by_vid);
	free(trunk->by_segment);
	free(trunk);
}

/* The memberships of a list, not yet in their segments. NULL: out of memory. */
static struct trunk *trunk_create(struct port *port)
{
	const struct conf_list *list = &port->conf->trunk;
	const struct trunk_conf *conf = list->items;
	struct trunk *trunk = calloc(1, sizeof(*trunk));

	if (!trunk)
		return NULL;
	trunk->count = list->count;
	trunk->by_vid = calloc(list->count, sizeof(*trunk->by_vid));
	trunk->by_segment = calloc(list->count, sizeof(struct membership *));
	if (!trunk->by_vid || !trunk->by_segment) {
		trunk_free(trunk);
		return NULL;
	}
	for (size_t i = 0; i < list->count; i++)
		join(port, &trunk->by_vid[i], switchd_segment(port->runtime->sw, conf[i].segment),
		     (uint16_t)conf[i].vid);
	qsort(trunk->by_vid, trunk->count, sizeof(*trunk->by_vid), compare_vids);
	for (size_t i = 0; i < trunk->count; i++) {
		struct membership *m = &trunk->by_vid[i];
		size_t at;

		list_init(&m->by_segment); /* it has been moved */
		if (!m->segment)
			continue;
		at = place_of(trunk, m->segment);
		memmove(&trunk->by_segment[at + 1], &trunk->by_segment[at],
			(trunk->joined - at) * sizeof(struct membership *));
		trunk->by_segment[at] = m;
		trunk->joined++;
	}
	return trunk;
}

/* The same place in a segment as before, though the tag may be another. */
static void carry_on(struct membership *m, const struct membership *was)
{
	m->storm = was->storm;
}

/* What a segment is told of a port: what it takes, and its station, which is there
 * before it speaks if its address is known. */
static void introduce(struct port *port, struct segment *segment)
{
	segment_update_merge(segment);
	if (!mac_is_zero(&port->mac))
		announce_port(segment, port);
}

/* Goes from where it was (`former`, not listed any more) to where it is now. */
static void move(struct port *port, struct port *former)
{
	struct membership *m = NULL;

	while ((m = membership_next(former, m))) {
		struct membership *now = membership_of(port, m->segment);

		list_del(&m->by_segment);
		if (now) {
			carry_on(now, m);
			continue;
		}
		forget(port, m->segment, true);
		segment_update_merge(m->segment);
	}
	while ((m = membership_next(port, m))) {
		list_add_tail(&m->segment->ports, &m->by_segment);
		if (!membership_of(former, m->segment))
			introduce(port, m->segment);
	}
}

void membership_opened(struct port *port)
{
	struct membership *m = NULL;

	while ((m = membership_next(port, m)))
		introduce(port, m->segment);
}

void membership_update(struct port *port)
{
	const char *name = port_conf_untagged(port->conf);
	struct switchd *sw = port->runtime->sw;
	/* Only for its memberships: what points to them is about to be unlinked. */
	struct port former = {.untagged = port->untagged, .trunk = port->trunk};
	struct trunk *trunk = NULL;

	if (port->conf->trunk.count) {
		trunk = trunk_create(port);
		if (!trunk) {
			log_error("port %s: out of memory: it stays in the segments that it is in",
				  port->conf->name);
			port->runtime->astray = true; /* the next commit goes on */
			return;
		}
	}
	if (port->untagged.segment) {
		list_del(&port->untagged.by_segment);
		list_init(&former.untagged.by_segment);
	}
	join(port, &port->untagged, name ? switchd_segment(sw, name) : NULL, 0);
	port->trunk = trunk;
	port->runtime->astray = false;
	move(port, &former);
	trunk_free(former.trunk);
	membership_update_mtu(port);
}

void membership_leave(struct port *port, const struct segment *segment)
{
	struct membership *m = membership_of(port, segment);

	if (!m)
		return;
	forget(port, segment, true);
	list_del(&m->by_segment);
	if (m != &port->untagged) {
		size_t at = place_of(port->trunk, segment);

		port->trunk->joined--;
		memmove(&port->trunk->by_segment[at], &port->trunk->by_segment[at + 1],
			(port->trunk->joined - at) * sizeof(struct membership *));
	}
	m->segment = NULL;
	port->runtime->astray = true;
}

void membership_clear(struct port *port)
{
	struct membership *m = NULL;

	membership_flush(port, true);
	while ((m = membership_next(port, m))) {
		list_del(&m->by_segment);
		segment_update_merge(m->segment);
	}
	trunk_free(port->trunk);
	port->trunk = NULL;
	port->untagged.segment = NULL;
}
