/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who is where by IP address, among what is saved: neighbours of gateways, and bindings of
 * encaps that go by that,
 *
 *	{"neighbour": ADDRESS, "segment": NAME, "id": ID, "mac": MAC, "age": ms, "port": NAME}
 *	{"binding": ADDRESS, "segment": NAME, "id": ID, "mac": MAC, "age": ms, "port": NAME}
 *	{"binding": ... "host": MAC}
 *
 * where "port" is the one on whose account a neighbour is known, perhaps missing, or the one
 * that an address is at.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/array.h"
#include "switchd/membership.h"
#include "switchd/policy/gateway.h"
#include "switchd/saved_impl.h"

struct neighbour {
	bool binding;
	struct ipaddr addr;
	struct mac mac, host; /* the latter zero: here */
	const char *segment, *port;
	int64_t id;
	uint64_t age;
};

struct saved_neighbours {
	size_t count, room;
	struct neighbour *list;
};

void saved_neighbours_destroy(struct saved_neighbours *neighbours)
{
	if (!neighbours)
		return;
	free(neighbours->list);
	free(neighbours);
}

/* ---- to save ---- */

static const struct port *port_of(const struct switchd *sw, uint64_t number)
{
	return number < sw->port_numbers ? sw->port_by_number[number] : NULL;
}

static json_t *to_json(const char *kind, const struct segment *segment,
		       const struct neighbour_info *info, const struct port *port)
{
	char addr[ADDR_STRLEN], mac[MAC_STRLEN];
	json_t *json =
	    json_pack("{s:s, s:s, s:I, s:s, s:I}", kind, ipaddr_format(&info->addr, addr),
		      "segment", segment->conf.name, "id", (json_int_t)segment->conf.id, "mac",
		      mac_format(&info->where.mac, mac), "age", (json_int_t)info->age_ms);

	if (json && port)
		json_object_set_new(json, "port", json_string(port->conf->name));
	if (json && !mac_is_zero(&info->where.host))
		json_object_set_new(json, "host", json_string(mac_format(&info->where.host, mac)));
	return json;
}

static json_t *next_neighbour(struct saved_neighbour_walk *walk, const struct switchd *sw)
{
	const struct neighbours *table = gateways_neighbours(sw);
	struct neighbour_info info;

	while (table && neighbours_list(table, -1, sw->now, &walk->neighbour, &info, 1) == 1) {
		const struct segment *segment = sw->segment_by_number[info.segment];

		if (segment && info.state != NEIGHBOUR_INCOMPLETE)
			return to_json("neighbour", segment, &info, port_of(sw, info.holder));
	}
	return NULL;
}

/* Only where there are some, since all of an uplink are looked at. */
static const struct encap *encap_with_some(const struct segment *segment)
{
	const struct segment_encap *se = segment ? segment->hearer : NULL;
	struct neighbour_counters counters;

	if (!se || !se->open || !se->encap.ops->binding_restore ||
	    se->encap.ops->binding_count(&se->encap, &counters) == 0)
		return NULL;
	return &se->encap;
}

static json_t *next_binding(struct saved_neighbour_walk *walk, const struct switchd *sw)
{
	struct neighbour_info info;

	for (; walk->segment < FDB_SEGMENTS_MAX; walk->segment++, walk->binding = 0) {
		const struct segment *segment = sw->segment_by_number[walk->segment];
		const struct encap *encap = encap_with_some(segment);

		while (encap && encap->ops->bindings(encap, &walk->binding, &info, 1) == 1) {
			const struct port *port =
			    mac_is_zero(&info.where.host) ? port_of(sw, info.where.port) : NULL;

			if (info.state != NEIGHBOUR_INCOMPLETE &&
			    (port || !mac_is_zero(&info.where.host)))
				return to_json("binding", segment, &info, port);
		}
	}
	return NULL;
}

json_t *saved_neighbour_next(struct saved_neighbour_walk *walk, const struct switchd *sw)
{
	json_t *json = next_neighbour(walk, sw);

	return json ? json : next_binding(walk, sw);
}

/* ---- to read it again ---- */

static bool take_mac(const json_t *json, const char *key, struct mac *mac)
{
	const char *text = json_string_value(json_object_get(json, key));

	return text && mac_parse(text, mac) == 0 && !mac_is_group(mac) && !mac_is_zero(mac);
}

static const char *take(struct saved *saved, const json_t *json, struct neighbour *n)
{
	const json_t *binding = json_object_get(json, "binding");
	const json_t *age = json_object_get(json, "age"), *id = json_object_get(json, "id");
	const char *addr =
	    json_string_value(binding ? binding : json_object_get(json, "neighbour"));

	n->binding = binding;
	if (!addr || ipaddr_parse(addr, &n->addr) < 0 || !take_mac(json, "mac", &n->mac))
		return "a neighbour without addresses";
	if (!json_is_integer(age) || json_integer_value(age) < 0 || !json_is_integer(id))
		return "a neighbour without age or id";
	n->age = (uint64_t)json_integer_value(age);
	n->id = json_integer_value(id);
	n->segment = saved_name(saved, json, "segment");
	n->port = saved_name(saved, json, "port");
	if (!n->segment || (json_object_get(json, "port") && !n->port))
		return "a neighbour without a segment";
	if (json_object_get(json, "host") && !take_mac(json, "host", &n->host))
		return "a host without an address";
	return n->binding && !n->port == mac_is_zero(&n->host) ? "a binding without a place" : NULL;
}

const char *saved_neighbour_take(struct saved *saved, struct saved_neighbours **neighbours,
				 const json_t *json)
{
	struct neighbour n = {.segment = NULL};
	const char *wrong = take(saved, json, &n);
	struct saved_neighbours *all = *neighbours;
	struct neighbour *grown;

	if (wrong)
		return wrong;
	if (!all)
		*neighbours = all = calloc(1, sizeof(*all));
	if (!all)
		return "";
	grown = array_grow(all->list, all->count, &all->room, sizeof(*grown));
	if (!grown)
		return "";
	all->list = grown;
	all->list[all->count++] = n;
	return NULL;
}

/* ---- to put it back ---- */

static int oldest_first(const void *a, const void *b)
{
	const struct neighbour *one = a, *two = b;

	return (one->age < two->age) - (one->age > two->age);
}

static bool restore_binding(const struct segment *segment, const struct neighbour_info *info)
{
	struct segment_encap *se = segment->hearer;

	return se && se->open && se->encap.ops->binding_restore &&
	       se->encap.ops->binding_restore(&se->encap, info);
}

size_t saved_neighbours_restore(struct saved_neighbours *neighbours, struct switchd *sw,
				uint64_t then)
{
	const uint64_t since = sw->now - then;
	size_t count = 0;

	/* Saved before the machine was started anew: nothing to go by. */
	if (!neighbours || sw->now < then)
		return 0;
	qsort(neighbours->list, neighbours->count, sizeof(neighbours->list[0]), oldest_first);
	for (size_t i = 0; i < neighbours->count; i++) {
		const struct neighbour *n = &neighbours->list[i];
		const struct segment *segment = switchd_segment(sw, n->segment);
		struct port *port = n->port ? switchd_port(sw, n->port) : NULL;
		struct neighbour_info info = {.addr = n->addr, .where = {n->mac, n->host, 0}};

		if (!segment || segment->conf.id != n->id || since >= NEIGHBOUR_UNUSED_MS ||
		    n->age >= NEIGHBOUR_UNUSED_MS - since)
			continue;
		info.age_ms = (uint32_t)(n->age + since);
		if (!n->binding) {
			info.holder = port ? port->number : 0;
			count += gateway_restore(segment, &info);
		} else if (!n->port || (port && membership_of(port, segment))) {
			info.where.port = port ? port->number : 0;
			count += restore_binding(segment, &info);
		}
	}
	return count;
}
