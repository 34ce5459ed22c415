/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Domains, policy entries and junctions in the configuration: their schemas, and
 * what can be checked of each.
 */
#include "switchd/config_policy.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/names.h"
#include "switchd/config.h"
#include "switchd/policy/rules.h"

#define FILTER_MAX 4096u

/* ---- What keys hold ---- */

static const char *wants_domain(const char *value)
{
	return *value ? config_wants_name(value) : NULL;
}

static const char *wants_filter(const char *value)
{
	if (strspn(value, " ") == strlen(value) || strlen(value) > FILTER_MAX)
		return "a pcap-filter(7) expression of 1 to 4096 characters";
	return NULL;
}

static const char *wants_interface_address(const char *value)
{
	struct ipprefix address;

	if (ipprefix_parse_interface(value, &address) < 0 || address.len == 0 ||
	    ipaddr_is_multicast(&address.addr) || ipaddr_is_unspecified(&address.addr))
		return "an IP address with the length of its subnet (\"address/length\")";
	return NULL;
}

/* ---- Schemas ---- */

const char *const flow_words[] = {"closed", "controlled", "open", NULL};
const char *const flow_side_words[] = {"both", "out", "in", NULL};
const char *const flow_mode_words[] = {"enforce", "audit", NULL};
const char *const junction_type_words[] = {"transparent", "gateway", NULL};

#define KEY(struct_, member, name_, type_)                                                         \
	.name = (name_), .type = (type_), .offset = offsetof(struct struct_, member)

static const struct conf_key domain_keys[] = {
    {KEY(domain_conf, name, "name", CONF_STRING), .required = true, .wants = config_wants_name},
    {KEY(domain_conf, integrity, "integrity", CONF_BOOL)},
    {.name = NULL},
};

const struct conf_schema domain_schema = {"domain", sizeof(struct domain_conf), domain_keys};

static const struct conf_key rule_keys[] = {
    {KEY(rule_conf, filter, "filter", CONF_STRING), .required = true, .wants = wants_filter},
    {KEY(rule_conf, port, "port", CONF_STRING), .wants = config_wants_name},
    {KEY(rule_conf, stateful, "stateful", CONF_BOOL)},
    {KEY(rule_conf, pickup, "pickup", CONF_BOOL)},
    {KEY(rule_conf, log, "log", CONF_BOOL)},
    {.name = NULL},
};

static const struct conf_schema rule_schema = {"rule", sizeof(struct rule_conf), rule_keys};

static const struct conf_key flow_keys[] = {
    {KEY(flow_conf, name, "name", CONF_STRING), .wants = config_wants_name},
    {KEY(flow_conf, from, "from", CONF_STRING), .required = true, .wants = wants_domain},
    {KEY(flow_conf, to, "to", CONF_STRING), .required = true, .wants = wants_domain},
    {KEY(flow_conf, flow, "flow", CONF_ENUM), .required = true, .words = flow_words},
    {KEY(flow_conf, side, "side", CONF_ENUM), .words = flow_side_words},
    {KEY(flow_conf, mode, "mode", CONF_ENUM), .words = flow_mode_words},
    {KEY(flow_conf, log, "log", CONF_BOOL)},
    {KEY(flow_conf, indirect, "indirect", CONF_BOOL)},
    {KEY(flow_conf, allow, "allow", CONF_OBJECTS), .schema = &rule_schema},
    {.name = NULL},
};

const struct conf_schema flow_schema = {"policy", sizeof(struct flow_conf), flow_keys};

static const struct conf_key gateway_keys[] = {
    {KEY(gateway_conf, segment, "segment", CONF_STRING), .required = true,
     .wants = config_wants_name},
    {KEY(gateway_conf, address, "address", CONF_STRING), .required = true,
     .wants = wants_interface_address},
    {.name = NULL},
};

static const struct conf_schema gateway_schema = {"gateway", sizeof(struct gateway_conf),
						  gateway_keys};

static const struct conf_key junction_keys[] = {
    {KEY(junction_conf, name, "name", CONF_STRING), .required = true, .wants = config_wants_name},
    {KEY(junction_conf, segments, "segments", CONF_STRINGS), .required = true,
     .wants = config_wants_name},
    {KEY(junction_conf, type, "type", CONF_ENUM), .words = junction_type_words},
    {KEY(junction_conf, gateway, "gateway", CONF_OBJECTS), .schema = &gateway_schema},
    {KEY(junction_conf, at, "at", CONF_STRINGS), .wants = config_wants_name},
    {KEY(junction_conf, foreign, "foreign", CONF_STRING), .wants = config_wants_name},
    {.name = NULL},
};

const struct conf_schema junction_schema = {"junction", sizeof(struct junction_conf),
					    junction_keys};

/* ---- Looking at it ---- */

struct ipprefix gateway_conf_address(const struct gateway_conf *gateway)
{
	struct ipprefix address = {.len = 0};

	(void)ipprefix_parse_interface(gateway->address, &address);
	return address;
}

bool junction_conf_is_here(const struct junction_conf *junction, const char *host)
{
	char *const *at = junction->at.items;

	for (size_t i = 0; i < junction->at.count; i++)
		if (strcmp(at[i], host) == 0)
			return true;
	return junction->at.count == 0;
}

bool config_policy_name(struct desired *desired)
{
	struct flow_conf *flows = desired->policy.items;

	for (size_t i = 0; i < desired->policy.count; i++) {
		struct flow_conf *flow = &flows[i];

		if (flow->name)
			continue;
		if (asprintf(&flow->name, "%s:%s%s%s", flow->from, flow->to,
			     flow->side == FLOW_BOTH ? "" : ":",
			     flow->side == FLOW_BOTH ? "" : flow_side_words[flow->side]) < 0) {
			flow->name = NULL;
			return false;
		}
	}
	return true;
}

/* A segment of a junction that is being completed. */
struct completion {
	struct junction_conf *junction;
	const char *segment;
	bool failed;
};

static void add_gateway(void *arg, const struct ipprefix *address)
{
	struct completion *completion = arg;
	struct conf_list *list = &completion->junction->gateway;
	struct gateway_conf *grown = realloc(list->items, (list->count + 1) * sizeof(*grown));
	char text[ADDR_STRLEN];

	if (!grown) {
		completion->failed = true;
		return;
	}
	list->items = grown;
	grown[list->count] = (struct gateway_conf){
	    .head = {.given = 3, /* both of its keys */
		     .file = completion->junction->head.file,
		     .line = completion->junction->head.line},
	    .segment = strdup(completion->segment),
	    .address = strdup(ipprefix_format(address, text)),
	    .derived = true,
	};
	completion->failed |= !grown[list->count].segment || !grown[list->count].address;
	list->count++;
}

static bool names_gateway(const struct junction_conf *junction, const char *segment)
{
	const struct gateway_conf *gateways = junction->gateway.items;

	for (size_t i = 0; i < junction->gateway.count; i++)
		if (strcmp(gateways[i].segment, segment) == 0)
			return true;
	return false;
}

/* What was filled in before is of segments as they were then. */
static void drop_derived(struct junction_conf *junction)
{
	struct gateway_conf *gateways = junction->gateway.items;
	size_t kept = 0;

	for (size_t i = 0; i < junction->gateway.count; i++) {
		if (gateways[i].derived)
			conf_clear(&gateway_schema, &gateways[i]);
		else
			gateways[kept++] = gateways[i];
	}
	junction->gateway.count = kept;
	if (kept > 0)
		return;
	free(gateways);
	junction->gateway.items = NULL;
}

bool config_policy_complete(struct desired *desired)
{
	struct junction_conf *junctions = desired->junctions.items;
	bool ok = true;

	for (size_t i = 0; i < desired->junctions.count; i++) {
		char *const *segments = junctions[i].segments.items;

		drop_derived(&junctions[i]);
		for (size_t k = 0; k < junctions[i].segments.count; k++) {
			struct completion completion = {&junctions[i], segments[k], false};
			const struct segment_conf *segment = desired_segment(desired, segments[k]);

			if (junctions[i].type != JUNCTION_GATEWAY || !segment ||
			    names_gateway(&junctions[i], segments[k]))
				continue;
			for (size_t n = 0; n < segment->encaps.count; n++) {
				const struct encap_conf *conf = segment_conf_encap(segment, n);
				const struct encap_ops *ops = encap_find(conf->type);

				if (ops && ops->gateways)
					ops->gateways(conf, add_gateway, &completion);
			}
			ok &= !completion.failed;
		}
	}
	return ok;
}

/* ---- Checks ---- */

struct check {
	const struct desired *desired;
	struct names *domains, *segments;
	struct err *err;
};

static bool check_rule(const struct check *check, const struct flow_conf *flow,
		       const struct rule_conf *rule)
{
	struct err said = {""};

	if (rule->pickup && !rule->stateful)
		return conf_fail(rule, check->err,
				 "policy \"%s\": key \"pickup\" is for rules that are stateful",
				 flow->name);
	if (filter_try(rule->filter, &said) < 0)
		return conf_fail(rule, check->err, "policy \"%s\": key \"filter\": %s", flow->name,
				 said.text);
	return true;
}

/* An entry that lets everything through has to know to whom. Others may be of a matrix
 * that several hosts share: what a host does not have is closed. */
static bool check_flow_domain(const struct check *check, const struct flow_conf *flow,
			      const char *key, const char *domain)
{
	if (!*domain || flow->flow != FLOW_OPEN || names_find(check->domains, domain))
		return true;
	return conf_fail(flow, check->err,
			 "policy \"%s\": key \"%s\": there is no domain \"%s\": no segment "
			 "belongs to it, and \"domains\" does not list it",
			 flow->name, key, domain);
}

static bool check_flow(const struct check *check, const struct flow_conf *flow)
{
	const struct rule_conf *rules = flow->allow.items;

	if (!check_flow_domain(check, flow, "from", flow->from) ||
	    !check_flow_domain(check, flow, "to", flow->to))
		return false;
	if (strcmp(flow->from, flow->to) == 0)
		return conf_fail(flow, check->err,
				 "policy \"%s\": a domain is open to itself, always", flow->name);
	if (flow->flow != FLOW_CONTROLLED && flow->allow.count)
		return conf_fail(flow, check->err,
				 "policy \"%s\": key \"allow\" is for controlled flows, and this "
				 "one is %s",
				 flow->name, flow_words[flow->flow]);
	if (flow->flow != FLOW_CONTROLLED && flow->mode == FLOW_AUDIT)
		return conf_fail(flow, check->err,
				 "policy \"%s\": mode = \"audit\" is for controlled flows, and "
				 "this one is %s",
				 flow->name, flow_words[flow->flow]);
	if (flow->flow == FLOW_CONTROLLED && flow->indirect)
		return conf_fail(flow, check->err,
				 "policy \"%s\": key \"indirect\" is for closed and open flows",
				 flow->name);
	if (flow->flow == FLOW_CONTROLLED && flow->mode == FLOW_ENFORCE && flow->allow.count == 0)
		return conf_fail(flow, check->err,
				 "policy \"%s\": a controlled flow without \"allow\" lets nothing "
				 "through: say flow = \"closed\"",
				 flow->name);
	for (size_t i = 0; i < flow->allow.count; i++)
		if (!check_rule(check, flow, &rules[i]))
			return false;
	return true;
}

/* The place of a name in a list of names, or its count. */
static size_t find_string(const struct conf_list *list, const char *name)
{
	char *const *names = list->items;
	size_t i = 0;

	while (i < list->count && strcmp(names[i], name) != 0)
		i++;
	return i;
}

static bool check_gateway(const struct check *check, const struct junction_conf *junction)
{
	const struct gateway_conf *gateways = junction->gateway.items;

	for (size_t i = 0; i < junction->gateway.count; i++) {
		struct ipprefix address = gateway_conf_address(&gateways[i]);

		if (find_string(&junction->segments, gateways[i].segment) ==
		    junction->segments.count)
			return conf_fail(&gateways[i], check->err,
					 "junction \"%s\": key \"gateway\": segment \"%s\" is none "
					 "of its segments",
					 junction->name, gateways[i].segment);
		for (size_t j = 0; j < i; j++) {
			struct ipprefix other = gateway_conf_address(&gateways[j]);

			if (strcmp(gateways[i].segment, gateways[j].segment) == 0 &&
			    address.addr.family == other.addr.family)
				return conf_fail(&gateways[i], check->err,
						 "junction \"%s\": key \"gateway\": segment \"%s\" "
						 "has an address of that family already",
						 junction->name, gateways[i].segment);
		}
	}
	return true;
}

/* Whether two prefixes have addresses in common. */
static bool overlap(const struct ipprefix *one, const struct ipprefix *two)
{
	struct ipprefix wider = one->len < two->len ? *one : *two;

	if (one->addr.family != two->addr.family)
		return false;
	ipprefix_clear_host(&wider);
	return ipprefix_contains(&wider, one->len < two->len ? &two->addr : &one->addr);
}

static bool share_segment(const struct junction_conf *one, const struct junction_conf *two)
{
	char *const *segments = one->segments.items;

	for (size_t i = 0; i < one->segments.count; i++)
		if (find_string(&two->segments, segments[i]) < two->segments.count)
			return true;
	return false;
}

/* Where a packet is to go must have one answer. */
static bool check_subnets(const struct check *check, const struct junction_conf *one,
			  const struct junction_conf *two)
{
	const struct gateway_conf *ones = one->gateway.items, *twos = two->gateway.items;

	for (size_t i = 0; i < one->gateway.count; i++) {
		struct ipprefix address = gateway_conf_address(&ones[i]);

		for (size_t k = 0; k < (one == two ? i : two->gateway.count); k++) {
			struct ipprefix other = gateway_conf_address(&twos[k]);

			if (strcmp(ones[i].segment, twos[k].segment) == 0 ||
			    !overlap(&address, &other))
				continue;
			return conf_fail(
			    &ones[i], check->err,
			    "junction \"%s\": key \"gateway\": the subnets %s of segment "
			    "\"%s\" and %s of segment \"%s\" overlap",
			    one->name, ones[i].address, ones[i].segment, twos[k].address,
			    twos[k].segment);
		}
	}
	return true;
}

/* Neither the subnet itself, nor its broadcast address, nor one of the link. */
static bool is_station(const struct ipprefix *address)
{
	struct ipprefix first = *address;
	const uint8_t *b = address->addr.bytes;
	bool all = true;

	if (address->addr.family == AF_INET6)
		return !(b[0] == 0xfe && (b[1] & 0xc0) == 0x80);
	for (unsigned bit = address->len; bit < 32; bit++)
		all &= b[bit / 8] >> (7 - bit % 8) & 1;
	ipprefix_clear_host(&first);
	return address->len > 30 || !(all || ipaddr_equal(&first.addr, &address->addr));
}

static bool check_gateways(const struct check *check, const struct junction_conf *junction)
{
	const struct junction_conf *junctions = check->desired->junctions.items;
	const struct gateway_conf *gateways = junction->gateway.items;
	char *const *segments = junction->segments.items;

	for (size_t i = 0; i < junction->gateway.count; i++) {
		struct ipprefix address = gateway_conf_address(&gateways[i]);

		if (!is_station(&address))
			return conf_fail(
			    &gateways[i], check->err,
			    "junction \"%s\": key \"gateway\": no station can have the "
			    "address %s",
			    junction->name, gateways[i].address);
	}
	for (size_t i = 0; i < junction->segments.count; i++) {
		bool found = false;

		for (size_t k = 0; k < junction->gateway.count; k++)
			found |= strcmp(gateways[k].segment, segments[i]) == 0;
		/* What its encaps say is not known where it is not. */
		if (!found && (names_find(check->segments, segments[i]) ||
			       junction_conf_is_here(junction, check->desired->host)))
			return conf_fail(junction, check->err,
					 "junction \"%s\": key \"gateway\": segment \"%s\" has no "
					 "address",
					 junction->name, segments[i]);
	}
	if (junction->foreign && !junction_conf_is_here(junction, junction->foreign))
		return conf_fail(junction, check->err,
				 "junction \"%s\": key \"foreign\": host \"%s\" is not in \"at\"",
				 junction->name, junction->foreign);
	for (const struct junction_conf *other = junctions; other <= junction; other++)
		if (other->type == JUNCTION_GATEWAY &&
		    (other == junction || share_segment(other, junction)) &&
		    !check_subnets(check, junction, other))
			return false;
	return true;
}

static bool check_junction(const struct check *check, const struct junction_conf *junction)
{
	char *const *segments = junction->segments.items;

	if (junction->segments.count < 2)
		return conf_fail(junction, check->err,
				 "junction \"%s\": key \"segments\": a junction joins two segments "
				 "or more",
				 junction->name);
	for (size_t i = 0; i < junction->segments.count; i++) {
		if (find_string(&junction->segments, segments[i]) < i)
			return conf_fail(junction, check->err,
					 "junction \"%s\": key \"segments\": \"%s\" is there twice",
					 junction->name, segments[i]);
		if (!names_find(check->segments, segments[i]) &&
		    junction_conf_is_here(junction, check->desired->host))
			return conf_fail(junction, check->err,
					 "junction \"%s\": there is no segment \"%s\"",
					 junction->name, segments[i]);
	}
	if (junction->type == JUNCTION_GATEWAY && junction->gateway.count == 0 &&
	    junction_conf_is_here(junction, check->desired->host))
		return conf_fail(junction, check->err,
				 "junction \"%s\": key \"gateway\" is missing", junction->name);
	if (junction->type != JUNCTION_GATEWAY && junction->gateway.count)
		return conf_fail(junction, check->err,
				 "junction \"%s\": key \"gateway\" is for type = \"gateway\"",
				 junction->name);
	if (junction->type != JUNCTION_GATEWAY && junction->foreign)
		return conf_fail(junction, check->err,
				 "junction \"%s\": key \"foreign\" is for type = \"gateway\"",
				 junction->name);
	if (!check_gateway(check, junction))
		return false;
	return junction->type != JUNCTION_GATEWAY || check_gateways(check, junction);
}

/* An empty name is none. */
static bool add_name(struct names *names, const char *name, const void *object)
{
	int r = !*name ? 0 : names_add(names, name, (void *)(uintptr_t)object);

	return r == 0 || r == -EEXIST;
}

/* All that segments or the list of domains name. NULL when out of memory. */
static struct names *list_domains(const struct desired *desired)
{
	const struct segment_conf *segments = desired->segments.items;
	const struct domain_conf *domains = desired->domains.items;
	struct names *names = names_create();
	bool ok = names != NULL;

	for (size_t i = 0; ok && i < desired->domains.count; i++)
		ok = add_name(names, domains[i].name, &domains[i]);
	for (size_t i = 0; ok && i < desired->segments.count; i++)
		ok = add_name(names, segments[i].domain, &segments[i]);
	if (ok)
		return names;
	names_destroy(names);
	return NULL;
}

static bool list_names(struct check *check)
{
	const struct segment_conf *segments = check->desired->segments.items;
	bool ok;

	check->domains = list_domains(check->desired);
	check->segments = names_create();
	ok = check->domains && check->segments;
	for (size_t i = 0; ok && i < check->desired->segments.count; i++)
		ok = add_name(check->segments, segments[i].name, &segments[i]);
	return ok;
}

bool config_policy_check(const struct desired *desired, struct err *err)
{
	const struct junction_conf *junctions = desired->junctions.items;
	const struct flow_conf *flows = desired->policy.items;
	struct check check = {.desired = desired, .err = err};
	bool ok;

	if (desired->policy.count == 0 && desired->junctions.count == 0)
		return true;
	ok = list_names(&check) || err_set(err, ENOMEM, "out of memory") == 0;
	for (size_t i = 0; ok && i < desired->policy.count; i++)
		ok = check_flow(&check, &flows[i]);
	for (size_t i = 0; ok && i < desired->junctions.count; i++)
		ok = check_junction(&check, &junctions[i]);
	names_destroy(check.domains);
	names_destroy(check.segments);
	return ok;
}

/* ---- What may be a slip ---- */

void config_policy_note(const struct desired *desired, void (*tell)(const char *text))
{
	const struct flow_conf *flows = desired->policy.items;
	struct names *domains = desired->policy.count ? list_domains(desired) : NULL;

	for (size_t i = 0; domains && i < desired->policy.count; i++) {
		const char *const both[] = {flows[i].from, flows[i].to};

		for (int k = 0; k < 2; k++) {
			struct err said = {""};

			if (!*both[k] || names_find(domains, both[k]))
				continue;
			(void)conf_fail(&flows[i], &said,
					"note: policy \"%s\": there is no domain \"%s\" here: no "
					"segment belongs to it, and \"domains\" does not list it",
					flows[i].name, both[k]);
			tell(said.text);
		}
	}
	names_destroy(domains);
}
