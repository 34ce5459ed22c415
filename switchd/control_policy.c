/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Requests about flow policy and junctions.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "switchd/control.h"
#include "switchd/policy/gateway.h"
#include "switchd/policy/policy.h"

#define ITEMS_AT_ONCE 16u /* of an answer, before the client has to read */
#define MATRIX_MAX    256u

/* A walk over things that are numbered. */
struct walk {
	struct switchd *sw;
	size_t at;
	size_t (*count)(const struct switchd *sw);
	json_t *(*item)(const struct switchd *sw, size_t i);
};

static bool walk_next(void *state, struct ctl_conn *conn)
{
	struct walk *walk = state;

	for (unsigned n = 0; n < ITEMS_AT_ONCE; n++) {
		json_t *item;

		if (walk->at >= walk->count(walk->sw))
			return false;
		item = walk->item(walk->sw, walk->at++);
		if (item)
			ctl_item(conn, item);
	}
	return true;
}

static void walk_start(struct switchd *sw, struct ctl_conn *conn,
		       size_t (*count)(const struct switchd *sw),
		       json_t *(*item)(const struct switchd *sw, size_t i))
{
	struct walk *walk = malloc(sizeof(*walk));

	if (!walk) {
		ctl_fail(conn, "out of memory");
		return;
	}
	*walk = (struct walk){.sw = sw, .count = count, .item = item};
	ctl_generate(conn, walk_next, free, walk);
}

/* ---- entries ---- */

static json_t *integer(uint64_t n)
{
	return json_integer((json_int_t)n);
}

static json_t *rules_json(const struct half *half)
{
	json_t *list = json_array();

	for (size_t i = 0; half && half->rules && i < half->rules->count; i++) {
		const struct rule *rule = half->rules->rule[i];
		json_t *json = json_pack("{s:s, s:s, s:o, s:o, s:b, s:b, s:b}", "verdict", "allow",
					 "filter", rule->filter, "frames", integer(rule->frames),
					 "bytes", integer(rule->bytes), "stateful", rule->stateful,
					 "pickup", rule->pickup, "log", rule->log);

		if (rule->port)
			json_object_set_new(json, "port", json_string(rule->port));
		json_array_append_new(list, json);
	}
	/* What comes behind all rules. */
	if (half && half->rules)
		json_array_append_new(list, json_pack("{s:s, s:s, s:o, s:o}", "verdict",
						      half->audit ? "audit" : "drop", "filter", "",
						      "frames", integer(half->refused_frames),
						      "bytes", integer(half->refused_bytes)));
	return list;
}

static const struct policy_flow *flow_of(const struct switchd *sw, const char *from, const char *to)
{
	const struct matrix *matrix = sw->policy ? sw->policy->plan.matrix : NULL;
	int one = matrix ? matrix_domain_find(matrix, from) : -1;
	int two = matrix ? matrix_domain_find(matrix, to) : -1;
	const struct matrix_flow *flow;

	if (one < 0 || two < 0)
		return NULL;
	flow = matrix_flow_find(matrix, (size_t)one, (size_t)two);
	return flow ? &sw->policy->flows[flow - matrix_flow_at(matrix, 0)] : NULL;
}

static size_t entry_count(const struct switchd *sw)
{
	return sw->desired.policy.count;
}

static json_t *entry_item(const struct switchd *sw, size_t i)
{
	const struct flow_conf *entry = &((const struct flow_conf *)sw->desired.policy.items)[i];
	const struct policy_flow *flow = flow_of(sw, entry->from, entry->to);
	const struct half *half = NULL;
	json_t *json;

	if (flow)
		half = flow->half[entry->side == FLOW_IN ? MATRIX_IN : MATRIX_OUT];
	json = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "name", entry->name, "from",
			 entry->from, "to", entry->to, "flow", flow_words[entry->flow], "side",
			 flow_side_words[entry->side], "mode", flow_mode_words[entry->mode],
			 "owner", entry->owner);
	if (entry->indirect)
		json_object_set_new(json, "indirect", json_true());
	if (flow) {
		json_object_set_new(json, "frames", integer(flow->count.frames));
		json_object_set_new(json, "bytes", integer(flow->count.bytes));
		json_object_set_new(json, "refused", integer(flow->count.refused));
	}
	json_object_set_new(json, "rules", rules_json(half));
	return json;
}

void control_show_policy(struct switchd *sw, struct ctl_conn *conn, json_t *args)
{
	(void)args;
	walk_start(sw, conn, entry_count, entry_item);
}

/* ---- the flow between two domains ---- */

static bool domain_is_there(const struct switchd *sw, const char *name)
{
	const struct segment_conf *segments = sw->desired.segments.items;
	const struct domain_conf *domains = sw->desired.domains.items;

	for (size_t i = 0; i < sw->desired.segments.count; i++)
		if (strcmp(segments[i].domain, name) == 0)
			return true;
	for (size_t i = 0; i < sw->desired.domains.count; i++)
		if (strcmp(domains[i].name, name) == 0)
			return true;
	return !*name;
}

static void tell_half(char *text, size_t size, const struct matrix_half *half, const char *from,
		      const char *to, enum matrix_side side)
{
	char one[MATRIX_DOMAIN_TEXT], two[MATRIX_DOMAIN_TEXT];
	const struct flow_conf *entry = half ? half->entry : NULL;
	size_t used = strlen(text);

	(void)matrix_domain_text(from, one);
	(void)matrix_domain_text(to, two);
	used += (size_t)snprintf(
	    text + used, size - used, "what %s lets %s %s is ", side == MATRIX_OUT ? one : two,
	    side == MATRIX_OUT ? "out to" : "in from", side == MATRIX_OUT ? two : one);
	if (entry)
		(void)snprintf(text + used, size - used, "%s by policy \"%s\" (%s)%s",
			       flow_words[half->flow], entry->name, entry->owner,
			       entry->mode == FLOW_AUDIT ? ", which only audits" : "");
	else
		(void)snprintf(text + used, size - used, "closed, since nobody states it");
}

void control_policy_check(struct switchd *sw, struct ctl_conn *conn, json_t *args)
{
	const char *from = json_string_value(json_object_get(args, "from"));
	const char *to = json_string_value(json_object_get(args, "to"));
	const struct matrix_flow *flow = NULL;
	const struct policy_flow *live;
	enum flow out, in;
	char why[1024] = "";
	size_t used;

	if (!from || !to) {
		ctl_fail(conn, "\"from\" and \"to\" are needed");
		return;
	}
	for (int i = 0; i < 2; i++) {
		if (domain_is_there(sw, i ? to : from))
			continue;
		ctl_fail(conn, "there is no domain \"%.63s\"", i ? to : from);
		return;
	}
	live = flow_of(sw, from, to);
	if (live)
		flow = matrix_flow_at(sw->policy->plan.matrix, (size_t)(live - sw->policy->flows));
	out = flow ? flow->half[MATRIX_OUT].flow : FLOW_CLOSED;
	in = flow ? flow->half[MATRIX_IN].flow : FLOW_CLOSED;
	if (strcmp(from, to) == 0) {
		out = in = FLOW_OPEN;
		(void)snprintf(why, sizeof(why), "a domain is open to itself");
	} else {
		tell_half(why, sizeof(why), flow ? &flow->half[MATRIX_OUT] : NULL, from, to,
			  MATRIX_OUT);
		used = strlen(why);
		(void)snprintf(why + used, sizeof(why) - used, "; ");
		tell_half(why, sizeof(why), flow ? &flow->half[MATRIX_IN] : NULL, from, to,
			  MATRIX_IN);
	}
	ctl_ok(conn, json_pack("{s:s, s:s, s:s, s:s, s:s, s:s}", "from", from, "to", to, "flow",
			       flow_words[out < in ? out : in], "out", flow_words[out], "in",
			       flow_words[in], "why", why));
}

/* ---- the matrix ---- */

/* The domains that there are, in the order of their first mention; the default domain only
 * if a segment is in it. Owned by the state in force. */
static size_t list_domains(const struct switchd *sw, const char **names, size_t max)
{
	const struct segment_conf *segments = sw->desired.segments.items;
	const struct domain_conf *domains = sw->desired.domains.items;
	size_t count = 0, all = sw->desired.segments.count + sw->desired.domains.count;

	for (size_t i = 0; i < all && count < max; i++) {
		const char *name = i < sw->desired.segments.count
				       ? segments[i].domain
				       : domains[i - sw->desired.segments.count].name;
		size_t k = 0;

		while (k < count && strcmp(names[k], name) != 0)
			k++;
		if (k == count)
			names[count++] = name;
	}
	return count;
}

void control_policy_matrix(struct switchd *sw, struct ctl_conn *conn, json_t *args)
{
	const char *names[MATRIX_MAX + 1];
	size_t count = list_domains(sw, names, MATRIX_MAX + 1);

	(void)args;
	if (count > MATRIX_MAX) {
		ctl_fail(conn, "there are more than %u domains: see `policy show`", MATRIX_MAX);
		return;
	}
	for (size_t i = 0; i < count; i++) {
		json_t *row = json_object();

		for (size_t k = 0; k < count; k++) {
			const struct policy_flow *flow = flow_of(sw, names[i], names[k]);
			int kind = i == k ? FLOW_OPEN : FLOW_CLOSED;

			if (flow)
				kind = (int)crossing_kind(flow->half[MATRIX_OUT],
							  flow->half[MATRIX_IN]);
			json_object_set_new(row, names[k], json_string(flow_words[kind]));
		}
		ctl_item(conn, json_pack("{s:s, s:o}", "from", names[i], "to", row));
	}
	ctl_ok(conn, NULL);
}

/* ---- junctions ---- */

static size_t junction_count(const struct switchd *sw)
{
	return sw->policy ? sw->policy->plan.count : 0;
}

static json_t *strings(const struct conf_list *list)
{
	char *const *items = list->items;
	json_t *json = json_array();

	for (size_t i = 0; i < list->count; i++)
		json_array_append_new(json, json_string(items[i]));
	return json;
}

/* What only a gateway has. */
static void add_gateway(const struct switchd *sw, const struct plan_junction *junction,
			const char *foreign, json_t *json)
{
	json_t *counters = json_array(), *router = json_null();
	char text[MAC_STRLEN];

	for (size_t i = 0; junction->here && i < junction->count; i++) {
		const struct segment *segment = switchd_segment(sw, junction->segments[i]->name);
		json_t *side = segment ? gateway_show(segment) : NULL;

		if (!side)
			continue;
		json_array_append_new(counters, side);
		if (json_is_null(router))
			router = json_string(mac_format(gateway_of(segment), text));
	}
	json_object_set_new(json, "foreign", foreign ? json_string(foreign) : json_null());
	json_object_set_new(json, "router", router);
	json_object_set_new(json, "counters", counters);
}

static json_t *junction_item(const struct switchd *sw, size_t i)
{
	const struct plan_junction *junction = &sw->policy->plan.junctions[i];
	const struct junction_conf *conf = junction->conf;
	const struct gateway_conf *gateways = conf ? conf->gateway.items : NULL;
	json_t *json = json_pack("{s:s, s:s, s:b, s:b}", "name", junction->name, "type",
				 junction_type_words[junction->type], "implied", conf == NULL,
				 "here", junction->here);
	json_t *segments = json_array(), *gateway = json_array();

	for (size_t k = 0; k < junction->count; k++)
		json_array_append_new(segments, json_string(junction->segments[k]->name));
	if (conf && !junction->here) {
		json_decref(segments);
		segments = strings(&conf->segments);
	}
	for (size_t k = 0; conf && k < conf->gateway.count; k++)
		json_array_append_new(gateway,
				      json_pack("{s:s, s:s}", "segment", gateways[k].segment,
						"address", gateways[k].address));
	json_object_set_new(json, "segments", segments);
	json_object_set_new(json, "gateway", gateway);
	json_object_set_new(json, "at", conf ? strings(&conf->at) : json_array());
	json_object_set_new(json, "owner", json_string(conf ? conf->owner : OWNER_FILE));
	if (conf && junction->type == JUNCTION_GATEWAY)
		add_gateway(sw, junction, conf->foreign, json);
	return json;
}

void control_show_junctions(struct switchd *sw, struct ctl_conn *conn, json_t *args)
{
	const char *asked = json_string_value(json_object_get(args, "name"));

	if (!asked) {
		walk_start(sw, conn, junction_count, junction_item);
		return;
	}
	for (size_t i = 0; i < junction_count(sw); i++) {
		if (strcmp(sw->policy->plan.junctions[i].name, asked) != 0)
			continue;
		ctl_item(conn, junction_item(sw, i));
		ctl_ok(conn, NULL);
		return;
	}
	ctl_fail(conn, "there is no junction \"%s\"", asked);
}
