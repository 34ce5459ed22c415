/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The neighbours that gateways know.
 */
#include <stdlib.h>

#include "learn/neighbour.h"
#include "lib/json_text.h"
#include "switchd/control.h"
#include "switchd/policy/gateway.h"

#define CHUNK 256 /* neighbours at once */

struct walk {
	struct switchd *sw;
	int segment; /* < 0: all */
	uint32_t cursor;
};

static void put_neighbour(const struct switchd *sw, struct ctl_conn *conn,
			  const struct neighbour_info *info)
{
	const struct segment *segment = sw->segment_by_number[info->segment];
	char addr[ADDR_STRLEN], mac[MAC_STRLEN];
	struct json_text json;

	json_text_begin(&json);
	json_text_string(&json, "address", ipaddr_format(&info->addr, addr));
	json_text_string(&json, "segment", segment ? segment->conf.name : "?");
	json_text_string(&json, "mac",
			 info->state == NEIGHBOUR_INCOMPLETE ? NULL
							     : mac_format(&info->where.mac, mac));
	json_text_string(&json, "state", neighbour_state_name(info->state));
	json_text_integer(&json, "age", info->age_ms / 1000);
	if (info->held)
		json_text_integer(&json, "waiting", info->held);
	if (json_text_end(&json))
		ctl_item_text(conn, json.text, json.len);
}

static bool neighbours_next(void *state, struct ctl_conn *conn)
{
	struct walk *walk = state;
	const struct neighbours *table = gateways_neighbours(walk->sw);
	struct neighbour_info list[CHUNK];
	size_t n =
	    table ? neighbours_list(table, walk->segment, walk->sw->now, &walk->cursor, list, CHUNK)
		  : 0;

	for (size_t i = 0; i < n; i++)
		put_neighbour(walk->sw, conn, &list[i]);
	return n > 0;
}

void control_show_neighbours(struct switchd *sw, struct ctl_conn *conn, json_t *args)
{
	const struct segment *segment;
	struct walk *walk;

	if (!control_asked_segment(sw, conn, args, &segment))
		return;
	walk = control_alloc(conn, sizeof(*walk));
	if (!walk)
		return;
	walk->sw = sw;
	walk->segment = segment ? segment->number : -1;
	ctl_generate(conn, neighbours_next, free, walk);
}

void control_flush_neighbours(struct switchd *sw, struct ctl_conn *conn, json_t *args, int *fd)
{
	const json_t *address = json_object_get(args, "address");
	const char *text = json_string_value(address);
	const struct segment *segment;
	struct ipaddr addr;

	(void)fd;
	if (!control_asked_segment(sw, conn, args, &segment))
		return;
	if (address && (!text || ipaddr_parse(text, &addr) < 0)) {
		ctl_fail(conn, "\"%s\" is not an IP address", text ? text : "");
		return;
	}
	ctl_ok(conn, json_pack("{s:I}", "flushed",
			       (json_int_t)gateways_flush(sw, segment, text ? &addr : NULL)));
}
