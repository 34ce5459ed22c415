/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who is where by IP address, as encaps know it that go by that: some at a time.
 */
#include <stdlib.h>

#include "learn/neighbour.h"
#include "lib/json_text.h"
#include "switchd/control.h"

#define CHUNK 256 /* bindings at once */

/* Segments may come and go meanwhile: they are known by their numbers alone. */
struct walk {
	struct switchd *sw;
	uint32_t segment, last;
	uint32_t cursor;
};

static void put(const struct segment *segment, struct ctl_conn *conn,
		const struct neighbour_info *info)
{
	bool known = info->state != NEIGHBOUR_INCOMPLETE, local = mac_is_zero(&info->where.host);
	const struct switchd *sw = segment->sw;
	char addr[ADDR_STRLEN], mac[MAC_STRLEN], host[MAC_STRLEN];
	struct json_text json;

	json_text_begin(&json);
	json_text_string(&json, "address", ipaddr_format(&info->addr, addr));
	json_text_string(&json, "segment", segment->conf.name);
	json_text_string(&json, "mac", known ? mac_format(&info->where.mac, mac) : NULL);
	json_text_string(&json, "host",
			 known && !local ? mac_format(&info->where.host, host) : NULL);
	if (known && local && info->where.port < sw->port_numbers &&
	    sw->port_by_number[info->where.port])
		json_text_string(&json, "port", sw->port_by_number[info->where.port]->conf->name);
	json_text_string(&json, "state", neighbour_state_name(info->state));
	json_text_integer(&json, "age", info->age_ms / 1000);
	if (info->held)
		json_text_integer(&json, "waiting", info->held);
	if (json_text_end(&json))
		ctl_item_text(conn, json.text, json.len);
}

static bool next(void *state, struct ctl_conn *conn)
{
	struct neighbour_info list[CHUNK];
	struct walk *walk = state;

	for (; walk->segment <= walk->last; walk->segment++, walk->cursor = 0) {
		const struct segment *segment = walk->sw->segment_by_number[walk->segment];
		const struct segment_encap *se = segment ? segment->hearer : NULL;
		size_t n = 0;

		if (se && se->open && se->encap.ops->bindings)
			n = se->encap.ops->bindings(&se->encap, &walk->cursor, list, CHUNK);
		for (size_t i = 0; i < n; i++)
			put(segment, conn, &list[i]);
		if (n > 0)
			return true;
	}
	return false;
}

void control_show_bindings(struct switchd *sw, struct ctl_conn *conn, json_t *args)
{
	const struct segment *segment;
	struct walk *walk;

	if (!control_asked_segment(sw, conn, args, &segment))
		return;
	walk = control_alloc(conn, sizeof(*walk));
	if (!walk)
		return;
	walk->sw = sw;
	walk->segment = segment ? segment->number : 1;
	walk->last = segment ? segment->number : FDB_SEGMENTS_MAX - 1;
	ctl_generate(conn, next, free, walk);
}
