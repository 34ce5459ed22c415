/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What others get to know of gateways.
 */
#include <jansson.h>

#include "switchd/policy/gateway_impl.h"

const struct mac *gateway_of(const struct segment *segment)
{
	return segment->gateway && segment->gateway->here ? &segment->gateway->all->router : NULL;
}

const struct neighbours *gateways_neighbours(const struct switchd *sw)
{
	return sw->gateways ? sw->gateways->table : NULL;
}

static json_t *counter(uint64_t value)
{
	return json_integer((json_int_t)value);
}

static json_t *routes_json(const struct gateway_side *side)
{
	json_t *array = json_array();
	char text[ADDR_STRLEN];

	for (size_t i = 0; i < side->route_count; i++) {
		const struct gateway_route *route = &side->routes[i];
		json_t *object = json_object();

		json_object_set_new(object, "segment", json_string(route->to->conf.name));
		json_object_set_new(object, "subnet",
				    json_string(ipprefix_format(&route->subnet, text)));
		json_object_set_new(object, "frames", counter(route->frames));
		json_object_set_new(object, "bytes", counter(route->bytes));
		json_array_append_new(array, object);
	}
	return array;
}

json_t *gateway_show(const struct segment *segment)
{
	const struct gateway_side *side = segment->gateway;
	json_t *object;
	char text[MAC_STRLEN];

	if (!side || !side->here)
		return NULL;
	object = json_object();
	json_object_set_new(object, "segment", json_string(segment->conf.name));
	json_object_set_new(object, "mac", json_string(mac_format(&side->mac, text)));
	json_object_set_new(object, "answered", counter(side->counters.answered));
	json_object_set_new(object, "asked", counter(side->counters.asked));
	json_object_set_new(object, "echoed", counter(side->counters.echoed));
	json_object_set_new(object, "errors", counter(side->counters.errors));
	json_object_set_new(object, "muted", counter(side->counters.muted));
	json_object_set_new(object, "delivered", counter(side->counters.delivered));
	json_object_set_new(object, "neighbours",
			    counter(neighbours_segment_count(side->all->table, segment->number)));
	json_object_set_new(object, "routes", routes_json(side));
	return object;
}

/* ---- figures ---- */

bool gateway_figures(const struct segment *segment, struct gateway_figures *figures)
{
	const struct gateway_side *side = segment->gateway;

	if (!side || !side->here)
		return false;
	*figures = (struct gateway_figures){
	    .counters = side->counters,
	    .neighbours = neighbours_segment_count(side->all->table, segment->number),
	    .news = neighbours_segment_counters(side->all->table, segment->number),
	    .routes = side->route_count,
	};
	return true;
}

struct gateway_traffic gateway_traffic(const struct segment *segment, size_t i)
{
	const struct gateway_route *route = &segment->gateway->routes[i];

	return (struct gateway_traffic){
	    .to = route->to,
	    .ip = route->subnet.addr.family == AF_INET ? 4 : 6,
	    .frames = route->frames,
	    .bytes = route->bytes,
	};
}

/* ---- changes from outside ---- */

size_t gateways_flush(struct switchd *sw, const struct segment *segment, const struct ipaddr *addr)
{
	if (!sw->gateways)
		return 0;
	return neighbours_flush(sw->gateways->table, segment ? segment->number : -1, addr);
}

bool gateway_restore(const struct segment *segment, const struct neighbour_info *info)
{
	const struct gateway_side *side = segment->gateway;

	return side && side->here && gateway_subnet_find(side, &info->addr) &&
	       !gateway_address_find(side, &info->addr) &&
	       neighbours_restore(side->all->table, segment->number, info, segment->sw->now);
}
