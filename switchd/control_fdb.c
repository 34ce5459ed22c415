/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who is where, and who holds whom: lists of which each may have a million items. They
 * are written as text at once and some at a time, so that no turn of the loop takes
 * much longer than one that forwards.
 */
#include <stdlib.h>
#include <string.h>

#include "encap/remotes.h"
#include "lib/json_text.h"
#include "lib/log.h"
#include "switchd/control.h"

LOG_MODULE("control");

#define CHUNK  256   /* items at once */
#define SLOTS  16384 /* places of the table at once that are looked at */
#define PLACES 16384 /* entries of a segment to be found without a look at all others */

static const char *segment_name(const struct switchd *sw, uint16_t number)
{
	const struct segment *segment = sw->segment_by_number[number];

	return segment ? segment->conf.name : "?";
}

static void item(struct ctl_conn *conn, struct json_text *json)
{
	if (json_text_end(json))
		ctl_item_text(conn, json->text, json->len);
	else
		log_limited(LOG_LEVEL_WARN, "an item is too long to be shown");
}

/* ---- the FDB ---- */

struct fdb_walk {
	struct switchd *sw;
	int segment;	  /* < 0: all */
	int64_t port;	  /* of which local port alone; < 0: of all, and behind encaps */
	uint32_t cursor;  /* of the table, or of the places */
	uint32_t *places; /* of the entries of a segment that has few; else NULL */
	uint32_t count;
};

static void fdb_walk_free(void *state)
{
	struct fdb_walk *walk = state;

	free(walk->places);
	free(walk);
}

static void put_where(const struct switchd *sw, const struct fdb_entry_info *entry,
		      struct json_text *json)
{
	const struct segment *segment = sw->segment_by_number[entry->segment];
	const struct fdb_where *where = &entry->where;
	char text[ADDR_STRLEN];

	if (where->side == FDB_SIDE_LOCAL) {
		const struct port *port = sw->port_by_number[where->port];

		json_text_string(json, "port", port ? port->conf->name : "?");
		return;
	}
	for (size_t i = 0; segment && i < segment->encap_count; i++) {
		if (segment->encaps[i]->encap.side == where->side)
			json_text_string(json, "encap", segment->encaps[i]->encap.ops->type);
	}
	json_text_string(json, "dst",
			 ipaddr_is_set(&where->remote) ? ipaddr_format(&where->remote, text)
						       : NULL);
}

static void put_entry(const struct switchd *sw, struct ctl_conn *conn,
		      const struct fdb_entry_info *entry)
{
	static const char *const states[] = {
	    [FDB_LEARNED] = "learned",
	    [FDB_STATIC] = "static",
	    [FDB_STICKY] = "sticky",
	};
	struct json_text json;
	char mac[MAC_STRLEN];

	json_text_begin(&json);
	json_text_string(&json, "mac", mac_format(&entry->mac, mac));
	json_text_string(&json, "segment", segment_name(sw, entry->segment));
	put_where(sw, entry, &json);
	json_text_string(&json, "state", states[entry->state]);
	json_text_integer(&json, "age", entry->age_ms / 1000);
	if (entry->pinned)
		json_text_true(&json, "pinned");
	item(conn, &json);
}

static bool fdb_next(void *state, struct ctl_conn *conn)
{
	struct fdb_walk *walk = state;
	struct switchd *sw = walk->sw;
	struct fdb_entry_info list[CHUNK];
	size_t n;
	bool end;

	if (walk->places) {
		const uint32_t left = walk->count - walk->cursor;
		const uint32_t some = left < CHUNK ? left : CHUNK;

		n = fdb_list_places(sw->fdb, (uint16_t)walk->segment, sw->now,
				    walk->places + walk->cursor, some, list);
		walk->cursor += some;
		end = walk->cursor == walk->count;
	} else {
		n = fdb_list_some(sw->fdb, walk->segment, sw->now, &walk->cursor, list, CHUNK,
				  SLOTS, &end);
	}
	for (size_t i = 0; i < n; i++) {
		const struct fdb_where *where = &list[i].where;

		if (walk->port < 0 || (where->side == FDB_SIDE_LOCAL && where->port == walk->port))
			put_entry(sw, conn, &list[i]);
	}
	return !end;
}

/* Without memory the whole table is looked through. */
static void find_places(struct fdb_walk *walk)
{
	const size_t count = fdb_segment_count(walk->sw->fdb, (uint16_t)walk->segment);

	if (count > PLACES)
		return;
	walk->places = calloc(count + 1, sizeof(*walk->places));
	if (walk->places)
		walk->count = (uint32_t)fdb_places(walk->sw->fdb, (uint16_t)walk->segment,
						   walk->places, count);
}

void control_show_fdb(struct switchd *sw, struct ctl_conn *conn, json_t *args)
{
	const char *name = json_string_value(json_object_get(args, "port"));
	const struct port *port = name ? switchd_port(sw, name) : NULL;
	const struct segment *segment;
	struct fdb_walk *walk;

	if (!control_asked_segment(sw, conn, args, &segment))
		return;
	if (name && !port) {
		ctl_fail(conn, "there is no port \"%s\"", name);
		return;
	}
	walk = control_alloc(conn, sizeof(*walk));
	if (!walk)
		return;
	walk->sw = sw;
	walk->segment = segment ? segment->number : -1;
	walk->port = port ? (int64_t)port->number : -1;
	if (segment)
		find_places(walk);
	ctl_generate(conn, fdb_next, fdb_walk_free, walk);
}

/* ---- peers: remote hosts that were heard, and configured ones that were not ---- */

struct peer_walk {
	struct switchd *sw;
	int only;	 /* of which segment; < 0: of all */
	uint32_t cursor; /* of who is heard */
	bool silent;	 /* these are through; next are those of segments */
	char **segments; /* their names, which survive changes between two chunks */
	size_t segment_count, segment, encap;
	struct ipaddr last; /* of the encap's peers that was looked at; unset: none */
};

static void peer_walk_free(void *state)
{
	struct peer_walk *walk = state;

	for (size_t i = 0; i < walk->segment_count; i++)
		free(walk->segments[i]);
	free(walk->segments);
	free(walk);
}

static void put_peer(struct ctl_conn *conn, const char *segment, const struct ipaddr *peer,
		     const struct fdb_holder_info *heard)
{
	struct json_text json;
	char text[ADDR_STRLEN];

	json_text_begin(&json);
	json_text_string(&json, "segment", segment);
	json_text_string(&json, "dst", ipaddr_format(peer, text));
	if (heard)
		json_text_integer(&json, "last_seen", heard->idle_ms / 1000);
	else
		json_text_string(&json, "last_seen", NULL);
	json_text_integer(&json, "macs", heard ? heard->entries : 0);
	item(conn, &json);
}

static void heard_peers(struct peer_walk *walk, struct ctl_conn *conn)
{
	struct switchd *sw = walk->sw;
	struct fdb_holder_info list[CHUNK];
	size_t n = fdb_list_holders_some(sw->fdb, sw->now, &walk->cursor, list, CHUNK, SLOTS,
					 &walk->silent);

	for (size_t i = 0; i < n; i++) {
		if (list[i].where.side != FDB_SIDE_LOCAL && ipaddr_is_set(&list[i].where.remote) &&
		    (walk->only < 0 || list[i].segment == walk->only))
			put_peer(conn, segment_name(sw, list[i].segment), &list[i].where.remote,
				 &list[i]);
	}
}

/* The first peer behind the last that was looked at: peers may come and go meanwhile. */
static size_t peer_after(const struct ipaddr *peers, size_t count, const struct ipaddr *last)
{
	size_t low = 0, high = count;

	if (!ipaddr_is_set(last))
		return 0;
	while (low < high) {
		const size_t middle = low + (high - low) / 2;

		if (remotes_compare(&peers[middle], last) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* Looks at no more than `most` peers of an encap that nobody may have heard. Returns at
 * how many; fewer: these were the last. */
static size_t silent_peers(struct peer_walk *walk, struct ctl_conn *conn,
			   const struct segment_encap *se, size_t most)
{
	const struct ipaddr *peers = NULL;
	size_t count = 0, done = 0;

	if (se->open && se->encap.ops->peers)
		peers = se->encap.ops->peers(&se->encap, &count);
	for (size_t i = peer_after(peers, count, &walk->last); i < count && done < most; i++) {
		const struct fdb_where where = {.side = se->encap.side, .remote = peers[i]};

		/* Else it was listed from the FDB. */
		if (!fdb_is_heard(walk->sw->fdb, se->segment->number, &where, walk->sw->now))
			put_peer(conn, se->segment->conf.name, &peers[i], NULL);
		walk->last = peers[i];
		done++;
	}
	return done;
}

static bool peers_next(void *state, struct ctl_conn *conn)
{
	struct peer_walk *walk = state;
	size_t left = CHUNK;

	if (!walk->silent) {
		heard_peers(walk, conn);
		return true;
	}
	while (walk->segment < walk->segment_count && left > 0) {
		const struct segment *segment =
		    switchd_segment(walk->sw, walk->segments[walk->segment]);
		size_t done;

		left--;
		if (!segment || walk->encap >= segment->encap_count) {
			walk->segment++;
			walk->encap = 0;
			continue;
		}
		done = silent_peers(walk, conn, segment->encaps[walk->encap], left);
		if (done < left) {
			walk->encap++;
			walk->last = (struct ipaddr){0};
		}
		left -= done;
	}
	return walk->segment < walk->segment_count;
}

void control_show_peers(struct switchd *sw, struct ctl_conn *conn, json_t *args)
{
	const struct segment *only;
	struct peer_walk *walk;
	size_t count = 0;

	if (!control_asked_segment(sw, conn, args, &only))
		return;
	walk = calloc(1, sizeof(*walk));
	list_for_each (&sw->segments, it)
		count++;
	if (walk)
		walk->segments = calloc(count + 1, sizeof(*walk->segments));
	if (!walk || !walk->segments)
		goto fail;
	walk->sw = sw;
	walk->only = only ? only->number : -1;
	list_for_each (&sw->segments, it) {
		const struct segment *segment = container_of(it, struct segment, link);
		char *name = only && segment != only ? NULL : strdup(segment->conf.name);

		if (only && segment != only)
			continue;
		if (!name)
			goto fail;
		walk->segments[walk->segment_count++] = name;
	}
	ctl_generate(conn, peers_next, peer_walk_free, walk);
	return;
fail:
	if (walk)
		peer_walk_free(walk);
	ctl_fail(conn, "out of memory");
}
