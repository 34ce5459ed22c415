/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What gateways there are: made of the configuration at each commit.
 */
#include "switchd/policy/gateway.h"

#include <errno.h>
#include <stdlib.h>

#include "lib/hash.h"
#include "lib/packet.h"
#include "switchd/policy/gateway_impl.h"

#define NEIGHBOUR_CAPACITY 65536u
#define NEIGHBOUR_WAITING  128u	 /* frames of all segments together: half the large buffers */
#define SEGMENT_NEIGHBOURS 8192u /* and a quarter of it for each port that asks */

/* ---- addresses ---- */

/* Everybody has to come to the same: the key is no secret. */
static void put_hash(struct mac *mac, const void *data, size_t len)
{
	static const struct hash_key key = {{0x7476647377697463, 0x6820676174657761}};
	uint64_t hash = hash_bytes(&key, data, len);

	for (int i = 0; i < 4; i++)
		mac->octet[2 + i] = (uint8_t)(hash >> (24 - 8 * i));
}

struct mac gateway_router_mac(const char *host)
{
	struct mac mac = {{GATEWAY_ROUTER_0, GATEWAY_ROUTER_1}};

	put_hash(&mac, host, strlen(host));
	return mac;
}

struct mac gateway_virtual_mac(const struct ipaddr *addr)
{
	struct mac mac = {{GATEWAY_VIRTUAL_0, GATEWAY_VIRTUAL_1}};

	if (addr->family == AF_INET)
		memcpy(mac.octet + 2, addr->bytes, 4);
	else
		put_hash(&mac, addr->bytes, sizeof(addr->bytes));
	return mac;
}

const struct gateway_address *gateway_address_find(const struct gateway_side *side,
						   const struct ipaddr *addr)
{
	for (size_t i = 0; i < side->address_count; i++) {
		if (ipaddr_equal(&side->addresses[i].addr, addr))
			return &side->addresses[i];
	}
	return NULL;
}

const struct gateway_address *gateway_subnet_find(const struct gateway_side *side,
						  const struct ipaddr *addr)
{
	for (size_t i = 0; i < side->address_count; i++) {
		if (ipprefix_contains(&side->addresses[i].subnet, addr))
			return &side->addresses[i];
	}
	return NULL;
}

struct gateway_route *gateway_route_find(const struct gateway_side *side, const struct ipaddr *addr)
{
	for (size_t i = 0; i < side->route_count; i++) {
		if (ipprefix_contains(&side->routes[i].subnet, addr))
			return &side->routes[i];
	}
	return NULL;
}

/* ---- making them ---- */

static struct ipprefix subnet_of(struct ipprefix address)
{
	ipprefix_clear_host(&address);
	return address;
}

static void side_free(struct gateway_side *side)
{
	if (!side)
		return;
	free(side->addresses);
	free(side->routes);
	free(side);
}

/* What is being made: the new side of each segment, by its number. */
struct maker {
	struct switchd *sw;
	struct gateway_side **sides;
};

static struct gateway_side *make_side(struct maker *maker, struct segment *segment)
{
	struct gateway_side *side = maker->sides[segment->number];

	if (side)
		return side;
	side = calloc(1, sizeof(*side));
	if (!side)
		return NULL;
	side->all = maker->sw->gateways;
	side->segment = segment;
	maker->sides[segment->number] = side;
	return side;
}

/* The same on every host, in whatever order the addresses are given. */
static void choose_mac(struct gateway_side *side)
{
	const struct ipaddr *lowest = NULL;

	for (size_t i = 0; i < side->address_count; i++) {
		const struct ipaddr *addr = &side->addresses[i].addr;

		if (!lowest || addr->family < lowest->family ||
		    (addr->family == lowest->family &&
		     memcmp(addr->bytes, lowest->bytes, sizeof(addr->bytes)) < 0))
			lowest = addr;
	}
	if (lowest)
		side->mac = gateway_virtual_mac(lowest);
}

static bool add_address(struct gateway_side *side, const struct gateway_address *address)
{
	struct gateway_address *grown =
	    realloc(side->addresses, (side->address_count + 1) * sizeof(*grown));

	if (!grown)
		return false;
	side->addresses = grown;
	grown[side->address_count++] = *address;
	return true;
}

/* Closed where there is no policy. */
static void find_crossings(struct switchd *sw, const struct segment *from,
			   struct gateway_route *route)
{
	if (!sw->policy)
		return;
	route->count = policy_crossing(sw->policy, from, route->to, &route->crossing);
	route->inward_count = policy_crossing(sw->policy, route->to, from, &route->inward);
}

/* From one of the junction's segments to another, in the family that both have. */
static bool add_route(struct maker *maker, struct gateway_side *side, struct segment *to,
		      struct ipprefix there, const struct ipaddr *via)
{
	struct gateway_route *grown, *former;

	grown = realloc(side->routes, (side->route_count + 1) * sizeof(*grown));
	if (!grown)
		return false;
	side->routes = grown;
	grown = &grown[side->route_count++];
	*grown = (struct gateway_route){
	    .subnet = subnet_of(there),
	    .addr = there.addr,
	    .via = *via,
	    .to = to,
	};
	find_crossings(maker->sw, side->segment, grown);
	former =
	    side->segment->gateway ? gateway_route_find(side->segment->gateway, &there.addr) : NULL;
	if (former && former->to == to) {
		grown->frames = former->frames;
		grown->bytes = former->bytes;
	}
	return true;
}

static bool make_routes(struct maker *maker, const struct junction_conf *conf)
{
	const struct gateway_conf *gateways = conf->gateway.items;

	for (size_t i = 0; i < conf->gateway.count; i++) {
		struct segment *from = switchd_segment(maker->sw, gateways[i].segment);
		struct ipprefix here = gateway_conf_address(&gateways[i]);

		for (size_t k = 0; from && k < conf->gateway.count; k++) {
			struct segment *to = switchd_segment(maker->sw, gateways[k].segment);
			struct ipprefix there = gateway_conf_address(&gateways[k]);

			if (!to || to == from || here.addr.family != there.addr.family)
				continue;
			if (!add_route(maker, maker->sides[from->number], to, there, &here.addr))
				return false;
		}
	}
	return true;
}

static bool make_junction(struct maker *maker, const struct junction_conf *conf)
{
	bool here = junction_conf_is_here(conf, maker->sw->host);
	const struct gateway_conf *gateways = conf->gateway.items;

	for (size_t i = 0; i < conf->gateway.count; i++) {
		struct segment *segment = switchd_segment(maker->sw, gateways[i].segment);
		struct ipprefix address = gateway_conf_address(&gateways[i]);
		struct gateway_side *side = segment ? make_side(maker, segment) : NULL;
		const struct gateway_address own = {
		    .addr = address.addr,
		    .subnet = subnet_of(address),
		    .foreign = conf->foreign && strcmp(conf->foreign, maker->sw->host) == 0,
		};

		if (!segment)
			continue; /* of another host's */
		if (!side || (here && !add_address(side, &own)))
			return false;
		side->here |= here;
	}
	return !here || make_routes(maker, conf);
}

static void on_tick(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct gateways *all = timer->data;

	(void)events;
	gateways_tick(all->sw);
	if (!neighbours_are_asked(all->table))
		ev_timer_stop(loop, timer);
}

void gateway_tick_soon(struct gateways *all)
{
	if (all->sw->loop && !ev_is_active(&all->tick)) {
		ev_timer_set(&all->tick, GATEWAY_TICK, GATEWAY_TICK);
		ev_timer_start(all->sw->loop, &all->tick);
	}
}

static struct gateways *gateways_create(struct switchd *sw)
{
	struct gateways *all = calloc(1, sizeof(*all));
	struct hash_key key;

	if (!all)
		return NULL;
	hash_key_random(&key);
	all->sw = sw;
	ev_timer_init(&all->tick, on_tick, GATEWAY_TICK, GATEWAY_TICK);
	all->tick.data = all;
	all->table = neighbours_create(&key, NEIGHBOUR_CAPACITY, NEIGHBOUR_WAITING);
	if (all->table)
		return all;
	free(all);
	return NULL;
}

/* The new sides take the place of the former. */
static int put_in_force(struct maker *maker)
{
	const struct neighbour_limits limits = {.max = SEGMENT_NEIGHBOURS};
	struct gateways *all = maker->sw->gateways;

	list_for_each (&maker->sw->segments, it) {
		struct segment *segment = container_of(it, struct segment, link);
		const struct gateway_side *side = maker->sides[segment->number];

		if (side && side->here &&
		    neighbours_segment_set(all->table, segment->number, &limits) < 0)
			return -ENOMEM;
	}
	list_for_each (&maker->sw->segments, it) {
		struct segment *segment = container_of(it, struct segment, link);
		struct gateway_side *side = maker->sides[segment->number];

		if (side && segment->gateway)
			side->counters = segment->gateway->counters;
		if (side)
			choose_mac(side);
		if (all && !(side && side->here))
			neighbours_segment_del(all->table, segment->number);
		side_free(segment->gateway);
		segment->gateway = side;
		for (size_t i = 0; i < segment->encap_count; i++)
			segment->encaps[i]->encap.routed = side && side->here;
		maker->sides[segment->number] = NULL;
	}
	return 0;
}

static bool wants_any(const struct desired *desired)
{
	const struct junction_conf *junctions = desired->junctions.items;

	for (size_t i = 0; i < desired->junctions.count; i++) {
		if (junctions[i].type == JUNCTION_GATEWAY)
			return true;
	}
	return false;
}

/* What is in force refers to a policy that is gone, and must not even where the new ones cannot
 * be made. */
static void follow_policy(struct switchd *sw)
{
	list_for_each (&sw->segments, it) {
		struct segment *segment = container_of(it, struct segment, link);
		struct gateway_side *side = segment->gateway;

		for (size_t i = 0; side && i < side->route_count; i++)
			find_crossings(sw, segment, &side->routes[i]);
	}
}

int gateways_update(struct switchd *sw, const struct desired *desired)
{
	const struct junction_conf *junctions = desired->junctions.items;
	struct maker maker = {.sw = sw};
	bool wanted = wants_any(desired);
	int ret = -ENOMEM;

	follow_policy(sw);
	if (!wanted && !sw->gateways)
		return 0;
	if (!sw->gateways && !(sw->gateways = gateways_create(sw)))
		return -ENOMEM;
	sw->gateways->router = gateway_router_mac(sw->host);
	sw->gateways->link_local = nd_link_local(&sw->gateways->router);
	maker.sides = calloc(FDB_SEGMENTS_MAX, sizeof(struct gateway_side *));
	if (!maker.sides)
		goto out;
	for (size_t i = 0; i < desired->junctions.count; i++) {
		if (junctions[i].type == JUNCTION_GATEWAY && !make_junction(&maker, &junctions[i]))
			goto out;
	}
	ret = put_in_force(&maker);
out:
	for (size_t i = 0; maker.sides && i < FDB_SEGMENTS_MAX; i++)
		side_free(maker.sides[i]);
	free(maker.sides);
	return ret;
}

void gateways_destroy(struct switchd *sw)
{
	if (!sw->gateways)
		return;
	if (sw->loop)
		ev_timer_stop(sw->loop, &sw->gateways->tick);
	neighbours_destroy(sw->gateways->table);
	free(sw->gateways);
	sw->gateways = NULL;
}

/* ---- what goes ---- */

static void cut_routes(struct gateway_side *side, const struct segment *to)
{
	size_t left = 0;

	for (size_t i = 0; i < side->route_count; i++) {
		if (side->routes[i].to != to)
			side->routes[left++] = side->routes[i];
	}
	side->route_count = left;
}

void gateway_segment_gone(struct segment *segment)
{
	struct switchd *sw = segment->sw;

	if (!sw->gateways)
		return;
	neighbours_segment_del(sw->gateways->table, segment->number);
	list_for_each (&sw->segments, it) {
		struct gateway_side *side = container_of(it, struct segment, link)->gateway;

		if (side)
			cut_routes(side, segment);
	}
	side_free(segment->gateway);
	segment->gateway = NULL;
}

void gateway_port_gone(struct port *port)
{
	const struct pass p = {.port = port};
	struct gateways *all = port->runtime->sw->gateways;

	if (!all)
		return;
	(void)neighbours_forget(all->table, gateway_holder(&p));
	neighbours_origin_gone(all->table, &port->stats);
}

void gateway_encap_gone(struct segment_encap *se)
{
	struct gateways *all = se->segment->sw->gateways;

	if (all)
		neighbours_origin_gone(all->table, &se->encap.stats);
}
