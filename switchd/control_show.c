/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdlib.h>
#include <string.h>

#include "lib/log.h"
#include "switchd/accelerate.h"
#include "switchd/capture.h"
#include "switchd/control.h"
#include "switchd/port/bulk.h"
#include "switchd/ports.h"
#include "switchd/relay.h"
#include "switchd/snooping.h"

#define CHUNK 32 /* items at once of what may be long */

static json_t *integer(uint64_t value)
{
	return json_integer((json_int_t)value);
}

static json_t *drops_json(const uint64_t drops[REASON_COUNT])
{
	json_t *object = json_object();

	for (unsigned i = 1; i < REASON_COUNT; i++) {
		if (drops[i])
			json_object_set_new(object, reason_name((enum reason)i), integer(drops[i]));
	}
	return object;
}

static json_t *stats_json(const struct stats *stats)
{
	json_t *object = json_object();

	json_object_set_new(object, "rx_frames", integer(stats->rx_frames));
	json_object_set_new(object, "rx_bytes", integer(stats->rx_bytes));
	json_object_set_new(object, "rx_segments", integer(stats->rx_segments));
	json_object_set_new(object, "rx_merged", integer(stats->rx_merged));
	json_object_set_new(object, "tx_frames", integer(stats->tx_frames));
	json_object_set_new(object, "tx_bytes", integer(stats->tx_bytes));
	json_object_set_new(object, "tx_segments", integer(stats->tx_segments));
	json_object_set_new(object, "tx_cut", integer(stats->tx_cut));
	json_object_set_new(object, "tx_summed", integer(stats->tx_summed));
	json_object_set_new(object, "rx_drops", drops_json(stats->rx_drops));
	json_object_set_new(object, "tx_drops", drops_json(stats->tx_drops));
	return object;
}

/* Of all types together. */
static json_t *stray_drops_json(const struct switchd *sw)
{
	uint64_t sum[REASON_COUNT] = {0};

	for (unsigned kind = 0; kind < ENCAP_KINDS; kind++) {
		for (unsigned i = 0; i < REASON_COUNT; i++)
			sum[i] += sw->stray[kind].rx_drops[i];
	}
	return drops_json(sum);
}

static size_t list_length(const struct list *head)
{
	size_t n = 0;

	for (const struct list *it = head->next; it != head; it = it->next)
		n++;
	return n;
}

static json_t *ratio(uint64_t many, uint64_t few)
{
	uint64_t hundredths = few ? many * 100 / few : 0;

	return few ? json_real((double)hundredths / 100) : json_null();
}

/* What there was to do in the last whole second: the more a wakeup has, and the more a
 * frame stands for, the less each costs. */
static json_t *last_second_json(const struct switchd *sw)
{
	const struct work *work = &sw->last_second;
	json_t *object = json_object();

	json_object_set_new(object, "working_wakeups", integer(work->wakeups));
	json_object_set_new(object, "frames", integer(work->frames));
	json_object_set_new(object, "segments", integer(work->segments));
	json_object_set_new(object, "frames_per_wakeup", ratio(work->frames, work->wakeups));
	json_object_set_new(object, "segments_per_frame", ratio(work->segments, work->frames));
	return object;
}

struct sum {
	uint64_t rx_merged, tx_frames, tx_segments, tx_cut, tx_summed, tx_bypassed, drops;
	uint64_t overruns, fallbacks; /* of rings and accelerators */
};

static void add_stats(struct sum *sum, const struct stats *stats)
{
	sum->rx_merged += stats->rx_merged;
	sum->tx_frames += stats->tx_frames;
	sum->tx_segments += stats->tx_segments;
	sum->tx_cut += stats->tx_cut;
	sum->tx_summed += stats->tx_summed;
	for (unsigned i = 1; i < REASON_COUNT; i++)
		sum->drops += stats->rx_drops[i] + stats->tx_drops[i];
}

static void add_ring(void *arg, const char *uplink, unsigned version, const char *name,
		     uint64_t count)
{
	struct sum *sum = arg;

	(void)uplink;
	(void)version;
	if (strcmp(name, "overruns") == 0)
		sum->overruns += count;
	else if (strcmp(name, "fallbacks") == 0)
		sum->fallbacks += count;
}

/* How often what is fast had no room, or could not be had. */
static void add_fast(struct sum *sum, const struct switchd *sw)
{
	for (unsigned kind = 0; kind < ENCAP_KINDS; kind++) {
		const struct encap_ops *ops = encap_at((enum encap_kind)kind);

		if (ops && ops->count)
			ops->count((struct encap_host *)&sw->encap_host, add_ring, sum);
	}
	for (const struct list *it = sw->uplinks.next; it != &sw->uplinks; it = it->next) {
		struct accelerate_figures figures;

		if (!accelerate_figures(container_of(it, struct uplink, link), &figures))
			continue;
		sum->overruns += figures.overruns;
		sum->fallbacks += figures.fallbacks;
	}
}

/* Of all ports, encaps and uplinks that there are. */
static json_t *traffic_json(const struct switchd *sw)
{
	json_t *object = json_object();
	struct sum sum = {0};

	for (const struct list *it = sw->ports.next; it != &sw->ports; it = it->next)
		add_stats(&sum, &container_of(it, struct port_runtime, link)->port->stats);
	for (const struct list *it = sw->segments.next; it != &sw->segments; it = it->next) {
		const struct segment *segment = container_of(it, struct segment, link);

		for (size_t i = 0; i < segment->encap_count; i++) {
			add_stats(&sum, &segment->encaps[i]->encap.stats);
			sum.tx_bypassed += segment->encaps[i]->encap.bypassed;
		}
	}
	add_fast(&sum, sw);
	json_object_set_new(object, "working_wakeups", integer(sw->work.wakeups));
	json_object_set_new(object, "frames", integer(sw->work.frames));
	json_object_set_new(object, "segments", integer(sw->work.segments));
	json_object_set_new(object, "merged", integer(sum.rx_merged));
	json_object_set_new(object, "tx_frames", integer(sum.tx_frames));
	json_object_set_new(object, "tx_segments", integer(sum.tx_segments));
	json_object_set_new(object, "cut", integer(sum.tx_cut));
	json_object_set_new(object, "summed", integer(sum.tx_summed));
	json_object_set_new(object, "bypassed", integer(sum.tx_bypassed));
	json_object_set_new(object, "overruns", integer(sum.overruns));
	json_object_set_new(object, "fallbacks", integer(sum.fallbacks));
	json_object_set_new(object, "drops", integer(sum.drops));
	return object;
}

/* NULL: the kernel has no ring, or forbids it. */
static json_t *bulk_json(const struct bulk *bulk)
{
	struct bulk_counters counters = bulk_counters(bulk);

	return bulk ? json_pack("{s:I, s:I}", "calls", (json_int_t)counters.calls, "frames",
				(json_int_t)counters.frames)
		    : json_null();
}

void control_show_status(struct switchd *sw, struct ctl_conn *conn, json_t *args)
{
	struct frame_pool_usage pool = frame_pool_usage(sw->pool);
	struct ctl_server_counters control = ctl_server_counters(sw->control);
	json_t *object = json_object();

	(void)args;
	json_object_set_new(object, "host", json_string(sw->desired.host));
	json_object_set_new(object, "version", json_string(TVD_VERSION));
	json_object_set_new(object, "uptime", integer((sw->now - sw->started) / 1000));
	json_object_set_new(object, "segments", integer(list_length(&sw->segments)));
	json_object_set_new(object, "ports", integer(list_length(&sw->ports)));
	json_object_set_new(object, "uplinks", integer(list_length(&sw->uplinks)));
	json_object_set_new(object, "config", json_string(sw->config_file));
	json_object_set_new(object, "control", json_string(sw->desired.control));
	json_object_set_new(object, "log_level", json_string(log_level_name(log_get_level())));
	json_object_set_new(object, "reloads", integer(sw->reloads));
	json_object_set_new(object, "reload_failures", integer(sw->reload_failures));
	json_object_set_new(object, "wakeups", integer(sw->wakeups));
	json_object_set_new(object, "last_second", last_second_json(sw));
	json_object_set_new(object, "traffic", traffic_json(sw));
	json_object_set_new(object, "stray_drops", stray_drops_json(sw));
	json_object_set_new(object, "buffers",
			    json_pack("{s:i, s:i, s:i, s:i, s:I, s:I}", "small_used",
				      (int)pool.small_used, "small_max", (int)pool.small_max,
				      "large_used", (int)pool.large_used, "large_max",
				      (int)pool.large_max, "exhausted", (json_int_t)pool.exhausted,
				      "copied", (json_int_t)pool.copied));
	json_object_set_new(object, "bulk", bulk_json(sw->port_host.bulk));
	json_object_set_new(object, "clients", integer(control.connections));
	json_object_set_new(object, "requests", integer(control.requests));
	ctl_ok(conn, object);
}

/* ---- ports, segments, uplinks: one by name, or all, some at a time ---- */

/* Adds those of the keys that the configuration of an object has. */
static void add_given(json_t *object, const struct conf_schema *schema, const void *configured,
		      const char *const *keys, size_t count)
{
	json_t *conf = conf_to_json(schema, configured);

	for (size_t i = 0; i < count; i++) {
		json_t *value = json_object_get(conf, keys[i]);

		if (value)
			json_object_set(object, keys[i], value);
	}
	json_decref(conf);
}

/* Those that are on, by the port or by its domain. */
static void show_guards(json_t *object, const struct guard_conf *guard)
{
	json_t *guards = json_object();

	if (guard->arp)
		json_object_set_new(guards, "arp", json_true());
	if (guard->dhcp)
		json_object_set_new(guards, "dhcp", json_true());
	if (guard->ra)
		json_object_set_new(guards, "ra", json_true());
	if (guard->mac)
		json_object_set_new(guards, "mac", json_true());
	if (guard->ip)
		json_object_set_new(guards, "ip", json_true());
	if (json_object_size(guards))
		json_object_set(object, "guard", guards);
	json_decref(guards);
}

static json_t *port_json(const struct port *port)
{
	/* Shown where they were given. */
	static const char *const restrictions[] = {"macs",   "addresses", "isolated", "trunk",
						   "domain", "guest",	  "indirect"};
	const char *untagged = port_conf_untagged(port->conf);
	json_t *object = json_object();

	json_object_set_new(object, "name", json_string(port->conf->name));
	json_object_set_new(object, "type", json_string(port->ops->type));
	json_object_set_new(object, "segment", untagged ? json_string(untagged) : json_null());
	json_object_set_new(object, "ifname", json_null());
	json_object_set_new(object, "state", json_string(port_state_name(port)));
	if (port->why[0] && !port->up)
		json_object_set_new(object, "why", json_string(port->why));
	if (port->ops->show)
		port->ops->show(port, object);
	json_object_set_new(object, "owner", json_string(port->conf->owner));
	add_given(object, port->ops->schema, port->conf, restrictions,
		  sizeof(restrictions) / sizeof(restrictions[0]));
	show_guards(object, &port->conf->guard);
	if (port->conf->trunk.count)
		json_object_set(object, "native", json_object_get(object, "segment"));
	json_object_set_new(object, "stats", stats_json(&port->stats));
	return object;
}

static json_t *encap_json(const struct segment_encap *se, bool with_stats)
{
	json_t *object = json_object();
	bool ready = se->open && se->encap.ops->ready(&se->encap);

	if (with_stats)
		json_object_set_new(object, "segment", json_string(se->segment->conf.name));
	json_object_set_new(object, "type", json_string(se->encap.ops->type));
	json_object_set_new(object, "uplink", json_string(se->uplink->conf.name));
	json_object_set_new(object, "state", json_string(ready ? "up" : "down"));
	if (!ready)
		json_object_set_new(object, "why",
				    json_string(se->open ? se->uplink->why : se->why));
	if (se->open)
		se->encap.ops->show(&se->encap, object);
	if (se->encap.conf->relay)
		json_object_set_new(object, "relay", json_true());
	if (with_stats)
		json_object_set_new(object, "stats", stats_json(&se->encap.stats));
	return object;
}

static json_t *segment_json(const struct segment *segment)
{
	struct switchd *sw = segment->sw;
	struct fdb_counters counters = fdb_segment_counters(sw->fdb, segment->number);
	json_t *object = json_object(), *encaps = json_array(), *fdb = json_object();
	struct relay_figures figures;
	/* Shown where they were given. */
	static const char *const rules[] = {"tags",	"reserved",	"isolated", "storm",
					    "relay_id", "fdb_port_max", "querier"};

	for (size_t i = 0; i < segment->encap_count; i++)
		json_array_append_new(encaps, encap_json(segment->encaps[i], false));
	json_object_set_new(fdb, "entries", integer(fdb_segment_count(sw->fdb, segment->number)));
	json_object_set_new(fdb, "max", json_integer(segment->conf.fdb_max));
	json_object_set_new(fdb, "learned", integer(counters.learned));
	json_object_set_new(fdb, "expired", integer(counters.expired));
	json_object_set_new(fdb, "evicted", integer(counters.evicted));
	json_object_set_new(fdb, "moved", integer(counters.moved));
	json_object_set_new(object, "name", json_string(segment->conf.name));
	json_object_set_new(object, "id",
			    segment->conf.id >= 0 ? json_integer(segment->conf.id) : json_null());
	json_object_set_new(object, "domain", json_string(segment->conf.domain));
	json_object_set_new(object, "mtu", integer(segment->mtu));
	json_object_set_new(object, "ageing", json_integer(segment->conf.ageing));
	json_object_set_new(object, "ports", integer(list_length(&segment->ports)));
	json_object_set_new(object, "owner", json_string(segment->conf.owner));
	add_given(object, &segment_schema, &segment->conf, rules, sizeof(rules) / sizeof(rules[0]));
	snooping_show(segment, object);
	if (relay_figures(segment, &figures))
		json_object_set_new(object, "relay", json_string(relay_state_text(segment)));
	json_object_set_new(object, "encap", encaps);
	json_object_set_new(object, "fdb", fdb);
	return object;
}

/* A long list is walked by name, which survives changes between two chunks. */
struct walk {
	struct switchd *sw;
	char **names;
	size_t count, next;
	bool strays; /* end with what belongs to no segment */
	json_t *(*item)(struct switchd *sw, const char *name);
};

static void walk_free(void *state)
{
	struct walk *walk = state;

	for (size_t i = 0; i < walk->count; i++)
		free(walk->names[i]);
	free(walk->names);
	free(walk);
}

static bool walk_next(void *state, struct ctl_conn *conn)
{
	struct walk *walk = state;
	size_t end = walk->next + CHUNK;

	for (; walk->next < walk->count && walk->next < end; walk->next++) {
		json_t *item = walk->item(walk->sw, walk->names[walk->next]);

		if (item)
			ctl_item(conn, item);
	}
	return walk->next < walk->count;
}

static void walk_names(struct switchd *sw, struct ctl_conn *conn, size_t count,
		       const char *(*name_at)(struct list *), struct list *head,
		       json_t *(*item)(struct switchd *, const char *))
{
	struct walk *walk = calloc(1, sizeof(*walk));

	if (walk)
		walk->names = calloc(count ? count : 1, sizeof(char *));
	if (!walk || !walk->names) {
		free(walk);
		ctl_fail(conn, "out of memory");
		return;
	}
	walk->sw = sw;
	walk->item = item;
	list_for_each (head, it) {
		walk->names[walk->count] = strdup(name_at(it));
		if (!walk->names[walk->count]) {
			walk_free(walk);
			ctl_fail(conn, "out of memory");
			return;
		}
		walk->count++;
	}
	ctl_generate(conn, walk_next, walk_free, walk);
}

static const char *port_name_at(struct list *it)
{
	return container_of(it, struct port_runtime, link)->port->conf->name;
}

static json_t *port_item(struct switchd *sw, const char *name)
{
	const struct port *port = switchd_port(sw, name);

	return port ? port_json(port) : NULL;
}

static const char *segment_name_at(struct list *it)
{
	return container_of(it, struct segment, link)->conf.name;
}

static json_t *segment_item(struct switchd *sw, const char *name)
{
	const struct segment *segment = switchd_segment(sw, name);

	return segment ? segment_json(segment) : NULL;
}

static void show_named(struct switchd *sw, struct ctl_conn *conn, const json_t *args,
		       const char *kind, struct list *head, const char *(*name_at)(struct list *),
		       json_t *(*item)(struct switchd *, const char *))
{
	const char *name = json_string_value(json_object_get(args, "name"));
	json_t *one;

	if (!name) {
		walk_names(sw, conn, list_length(head), name_at, head, item);
		return;
	}
	one = item(sw, name);
	if (!one) {
		ctl_fail(conn, "there is no %s \"%s\"", kind, name);
		return;
	}
	ctl_item(conn, one);
	ctl_ok(conn, NULL);
}

void control_show_ports(struct switchd *sw, struct ctl_conn *conn, json_t *args)
{
	show_named(sw, conn, args, "port", &sw->ports, port_name_at, port_item);
}

void control_show_segments(struct switchd *sw, struct ctl_conn *conn, json_t *args)
{
	show_named(sw, conn, args, "segment", &sw->segments, segment_name_at, segment_item);
}

/* What is counted of an uplink, in an object for each IP version. */
struct counts {
	const char *uplink;
	json_t *array;
};

static void add_count(void *arg, const char *uplink, unsigned version, const char *name,
		      uint64_t count)
{
	const struct counts *counts = arg;
	json_t *object = NULL, *element;
	size_t i;

	if (strcmp(uplink, counts->uplink) != 0)
		return;
	json_array_foreach(counts->array, i, element)
	{
		if (json_integer_value(json_object_get(element, "ip")) == version)
			object = element;
	}
	if (!object) {
		object = json_pack("{s:i}", "ip", (int)version);
		json_array_append_new(counts->array, object);
	}
	if (strcmp(name, "open") == 0)
		json_object_set_new(object, name, json_boolean(count));
	else
		json_object_set_new(object, name, integer(count));
}

static json_t *rings_of(struct switchd *sw, const struct uplink *uplink)
{
	struct counts counts = {uplink->conf.name, json_array()};

	for (unsigned kind = 0; kind < ENCAP_KINDS; kind++) {
		const struct encap_ops *ops = encap_at((enum encap_kind)kind);

		if (ops && ops->count)
			ops->count(&sw->encap_host, add_count, &counts);
	}
	return counts.array;
}

/* Whether the request names this object, or none. */
static bool asks_for(const json_t *args, const char *name)
{
	const char *asked = json_string_value(json_object_get(args, "name"));

	return !asked || (name && strcmp(asked, name) == 0);
}

/* The end of a list of those that were asked for. */
static void end_named(struct ctl_conn *conn, const json_t *args, const char *kind, size_t shown)
{
	const char *asked = json_string_value(json_object_get(args, "name"));

	if (asked && shown == 0)
		ctl_fail(conn, "there is no %s \"%s\"", kind, asked);
	else
		ctl_ok(conn, NULL);
}

void control_show_uplinks(struct switchd *sw, struct ctl_conn *conn, json_t *args)
{
	size_t shown = 0;

	list_for_each (&sw->uplinks, it) {
		struct uplink *uplink = container_of(it, struct uplink, link);
		json_t *object, *addresses, *accelerator;
		char text[ADDR_STRLEN];

		if (!asks_for(args, uplink->conf.name))
			continue;
		object = json_object();
		addresses = json_array();
		for (unsigned i = 0; i < 2; i++) {
			if (ipaddr_is_set(&uplink->view.addr[i]))
				json_array_append_new(addresses, json_string(ipaddr_format(
								     &uplink->view.addr[i], text)));
		}
		json_object_set_new(object, "name", json_string(uplink->conf.name));
		json_object_set_new(object, "interface", json_string(uplink->conf.interface));
		json_object_set_new(object, "state", json_string(uplink->view.up ? "up" : "down"));
		if (uplink->why[0])
			json_object_set_new(object, "why", json_string(uplink->why));
		accelerator = accelerate_show(uplink);
		if (accelerator)
			json_object_set_new(object, "accelerator", accelerator);
		json_object_set_new(object, "mtu", integer(uplink->view.mtu));
		json_object_set_new(object, "address", addresses);
		json_object_set_new(object, "encaps", integer(list_length(&uplink->encaps)));
		json_object_set_new(object, "ring", rings_of(sw, uplink));
		json_object_set_new(object, "owner", json_string(uplink->conf.owner));
		ctl_item(conn, object);
		shown++;
	}
	end_named(conn, args, "uplink", shown);
}

/* ---- encaps ---- */

/* What came from the wire for an encapsulation that we speak, and for no segment. */
static json_t *stray_json(const struct switchd *sw, enum encap_kind kind)
{
	json_t *drops = drops_json(sw->stray[kind].rx_drops);

	if (json_object_size(drops) == 0) {
		json_decref(drops);
		return NULL;
	}
	return json_pack("{s:n, s:s, s:n, s:{s:o, s:{}}}", "segment", "type", encap_at(kind)->type,
			 "uplink", "stats", "rx_drops", drops, "tx_drops");
}

/* All encaps of one segment are one step of the walk; last come the strays. */
static bool encaps_next(void *state, struct ctl_conn *conn)
{
	struct walk *walk = state;
	size_t end = walk->next + CHUNK;

	for (; walk->next < walk->count && walk->next < end; walk->next++) {
		const struct segment *segment = switchd_segment(walk->sw, walk->names[walk->next]);

		for (size_t i = 0; segment && i < segment->encap_count; i++)
			ctl_item(conn, encap_json(segment->encaps[i], true));
	}
	if (walk->next < walk->count)
		return true;
	for (unsigned kind = 0; walk->strays && kind < ENCAP_KINDS; kind++) {
		json_t *stray = stray_json(walk->sw, (enum encap_kind)kind);

		if (stray)
			ctl_item(conn, stray);
	}
	return false;
}

void *control_alloc(struct ctl_conn *conn, size_t size)
{
	void *memory = calloc(1, size);

	if (!memory)
		ctl_fail(conn, "out of memory");
	return memory;
}

bool control_asked_segment(const struct switchd *sw, struct ctl_conn *conn, json_t *args,
			   const struct segment **segment)
{
	const char *name = json_string_value(json_object_get(args, "segment"));

	*segment = name ? switchd_segment(sw, name) : NULL;
	if (!name || *segment)
		return true;
	ctl_fail(conn, "there is no segment \"%s\"", name);
	return false;
}

/* Walks all segments, or the one that the request names, a step for each. */
static void walk_segments(struct switchd *sw, struct ctl_conn *conn, json_t *args,
			  bool (*next)(void *state, struct ctl_conn *conn))
{
	const struct segment *only;
	struct walk *walk;

	if (!control_asked_segment(sw, conn, args, &only))
		return;
	walk = calloc(1, sizeof(*walk));
	if (walk)
		walk->names = calloc(list_length(&sw->segments) + 1, sizeof(char *));
	if (!walk || !walk->names) {
		free(walk);
		ctl_fail(conn, "out of memory");
		return;
	}
	walk->sw = sw;
	walk->strays = !only;
	list_for_each (&sw->segments, it) {
		const char *name = segment_name_at(it);

		if (only && strcmp(only->conf.name, name) != 0)
			continue;
		walk->names[walk->count] = strdup(name);
		if (!walk->names[walk->count]) {
			walk_free(walk);
			ctl_fail(conn, "out of memory");
			return;
		}
		walk->count++;
	}
	ctl_generate(conn, next, walk_free, walk);
}

void control_show_encaps(struct switchd *sw, struct ctl_conn *conn, json_t *args)
{
	walk_segments(sw, conn, args, encaps_next);
}

/* ---- multicast groups ---- */

/* All of one segment are one step. */
static bool groups_next(void *state, struct ctl_conn *conn)
{
	struct walk *walk = state;
	const struct segment *segment;
	json_t *array, *item;
	size_t i;

	if (walk->next == walk->count)
		return false;
	segment = switchd_segment(walk->sw, walk->names[walk->next++]);
	array = json_array();
	if (segment)
		snooping_list(segment, array);
	json_array_foreach(array, i, item) ctl_item(conn, json_incref(item));
	json_decref(array);
	return walk->next < walk->count;
}

void control_show_multicast(struct switchd *sw, struct ctl_conn *conn, json_t *args)
{
	walk_segments(sw, conn, args, groups_next);
}

/* ---- relays, mirrors ---- */

static json_t *relay_item(struct switchd *sw, const char *name)
{
	const struct segment *segment = switchd_segment(sw, name);

	return segment ? relay_show(segment) : NULL;
}

void control_show_relays(struct switchd *sw, struct ctl_conn *conn, json_t *args)
{
	const char *only = json_string_value(json_object_get(args, "segment"));
	json_t *one;

	if (!only) {
		walk_names(sw, conn, list_length(&sw->segments), segment_name_at, &sw->segments,
			   relay_item);
		return;
	}
	if (!switchd_segment(sw, only)) {
		ctl_fail(conn, "there is no segment \"%s\"", only);
		return;
	}
	one = relay_item(sw, only);
	if (one)
		ctl_item(conn, one);
	ctl_ok(conn, NULL);
}

void control_show_mirrors(struct switchd *sw, struct ctl_conn *conn, json_t *args)
{
	size_t shown = 0;

	list_for_each (&sw->captures, it) {
		json_t *object = capture_show(capture_of_link(it));

		if (!object ||
		    !asks_for(args, json_string_value(json_object_get(object, "name")))) {
			json_decref(object);
			continue;
		}
		ctl_item(conn, object);
		shown++;
	}
	end_named(conn, args, "mirror", shown);
}
