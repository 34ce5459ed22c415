/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The connections of controlled flows, of which there may be a million: written as text at
 * once and some at a time, like the FDB.
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/json_text.h"
#include "lib/log.h"
#include "switchd/connections.h"
#include "switchd/control.h"

LOG_MODULE("control");

#define CHUNK 128   /* items at once */
#define SLOTS 16384 /* places of the table at once that are looked at */
#define RULE  200   /* characters of a rule: more would not fit */

struct walk {
	struct switchd *sw;
	int segment; /* < 0: all */
	uint32_t cursor;
};

static const char *segment_name(const struct switchd *sw, uint16_t number)
{
	const struct segment *segment = sw->segment_by_number[number];

	return segment ? segment->conf.name : "?";
}

static void put_end(struct json_text *json, const struct conn_info *info,
		    const struct flow_end *end, const char *addr_key, const char *port_key)
{
	char text[INET6_ADDRSTRLEN] = "?";

	(void)inet_ntop(info->family, end->addr, text, sizeof(text));
	json_text_string(json, addr_key, text);
	if (info->kind == FLOW_KIND_TCP || info->kind == FLOW_KIND_UDP)
		json_text_integer(json, port_key, end->port);
}

/* Who began it: the local port, or the host where it is. */
static void put_opener(const struct switchd *sw, struct json_text *json,
		       const struct conn_info *info)
{
	const struct fdb_where *where = &info->where;
	const struct port *port = where->side == FDB_SIDE_LOCAL && where->port < sw->port_numbers
				      ? sw->port_by_number[where->port]
				      : NULL;
	char text[ADDR_STRLEN];

	if (port)
		json_text_string(json, "port", port->conf->name);
	else if (ipaddr_is_set(&where->remote))
		json_text_string(json, "host", ipaddr_format(&where->remote, text));
}

static void put_rule(struct json_text *json, const struct conn_info *info, unsigned half,
		     const char *key)
{
	char text[RULE + 4];

	if (info->word[half] == CONN_WORD_AUDIT) {
		json_text_string(json, key, "audit");
	} else if (info->rule[half]) {
		(void)snprintf(text, sizeof(text), "%.*s%s", RULE, info->rule[half]->filter,
			       strlen(info->rule[half]->filter) > RULE ? "..." : "");
		json_text_string(json, key, text);
	}
}

static void put(const struct switchd *sw, struct ctl_conn *conn, const struct conn_info *info)
{
	struct json_text json;
	char proto[16];

	json_text_begin(&json);
	json_text_string(&json, "segment", segment_name(sw, info->from));
	json_text_string(&json, "to_segment", segment_name(sw, info->to));
	json_text_string(&json, "proto", conn_proto_name(info->kind, info->protocol, proto));
	put_end(&json, info, &info->src, "src", "sport");
	put_end(&json, info, &info->dst, "dst", "dport");
	if (info->kind == FLOW_KIND_ECHO)
		json_text_integer(&json, "id", info->src.port);
	json_text_string(&json, "state", conn_state_name((enum conn_state)info->state));
	json_text_integer(&json, "timeout", (info->timeout_ms + 999) / 1000);
	json_text_integer(&json, "frames", info->frames[0]);
	json_text_integer(&json, "bytes", info->bytes[0]);
	json_text_integer(&json, "answer_frames", info->frames[1]);
	json_text_integer(&json, "answer_bytes", info->bytes[1]);
	put_opener(sw, &json, info);
	put_rule(&json, info, 0, "out");
	put_rule(&json, info, 1, "in");
	if (json_text_end(&json))
		ctl_item_text(conn, json.text, json.len);
	else
		log_limited(LOG_LEVEL_WARN, "a connection is too long to be shown");
}

static bool next(void *state, struct ctl_conn *conn)
{
	struct walk *walk = state;
	struct conn_info list[CHUNK];
	bool end;
	size_t n = conns_list(walk->sw->conns, walk->segment, walk->sw->now, &walk->cursor, list,
			      CHUNK, SLOTS, &end);

	for (size_t i = 0; i < n; i++)
		put(walk->sw, conn, &list[i]);
	return !end;
}

void control_show_connections(struct switchd *sw, struct ctl_conn *conn, json_t *args)
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
	ctl_generate(conn, next, free, walk);
}

void control_flush_connections(struct switchd *sw, struct ctl_conn *conn, json_t *args, int *fd)
{
	const struct segment *segment;

	(void)fd;
	if (control_asked_segment(sw, conn, args, &segment))
		ctl_ok(conn, json_pack("{s:I}", "flushed",
				       (json_int_t)conns_flush(sw->conns,
							       segment ? segment->number : -1)));
}
