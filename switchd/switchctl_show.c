/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Answers as JSON, or as text in the manner of ip(8) and bridge(8). Text begins
 * with the keys that a kind of object is known to have, in their order; whatever
 * else the answer holds follows as "key value", so that nothing is hidden from
 * people that programs see.
 */
#include <stdio.h>
#include <string.h>

#include "switchd/switchctl.h"

/* ---- values ---- */

/* What switchd says may come from a wire: it must not command a terminal. */
static void print_text(const char *text)
{
	for (; *text; text++)
		(void)putchar((unsigned char)*text < ' ' || *text == 0x7f ? '?' : *text);
}

static void print_value(json_t *value);

static void print_array(json_t *array)
{
	size_t i;
	json_t *element;

	json_array_foreach(array, i, element)
	{
		if (i)
			(void)putchar(',');
		print_value(element);
	}
}

static void print_object(json_t *object)
{
	const char *key, *space = "";
	json_t *value;

	json_object_foreach(object, key, value)
	{
		(void)fputs(space, stdout);
		print_text(key);
		(void)putchar(' ');
		print_value(value);
		space = " ";
	}
}

static void print_value(json_t *value)
{
	if (json_is_string(value))
		print_text(json_string_value(value));
	else if (json_is_integer(value))
		(void)printf("%" JSON_INTEGER_FORMAT, json_integer_value(value));
	else if (json_is_real(value))
		(void)printf("%g", json_real_value(value));
	else if (json_is_boolean(value))
		(void)fputs(json_is_true(value) ? "yes" : "no", stdout);
	else if (json_is_array(value))
		print_array(value);
	else if (json_is_object(value))
		print_object(value);
	else
		(void)putchar('-');
}

/* Prints " key value" if the object has it, and takes it out. */
static void show_key(json_t *object, const char *key)
{
	json_t *value = json_object_get(object, key);

	if (!value)
		return;
	if (!json_is_null(value) && !(json_is_array(value) && json_array_size(value) == 0) &&
	    !(json_is_string(value) && json_string_length(value) == 0)) {
		(void)putchar(' ');
		print_text(key);
		(void)putchar(' ');
		print_value(value);
	}
	(void)json_object_del(object, key);
}

/* The same for the value alone. */
static void show_value(json_t *object, const char *key, const char *before, const char *after)
{
	json_t *value = json_object_get(object, key);

	if (!value)
		return;
	(void)fputs(before, stdout);
	print_value(value);
	(void)fputs(after, stdout);
	(void)json_object_del(object, key);
}

/* Prints the named keys, then all others; ends the line. */
static void show_keys(json_t *object, const char *const *keys)
{
	for (; *keys; keys++)
		show_key(object, *keys);
	while (json_object_iter(object)) {
		char key[128];
		const char *name = json_object_iter_key(json_object_iter(object));

		if (strlen(name) >= sizeof(key))
			break;
		memcpy(key, name, strlen(name) + 1);
		show_key(object, key);
	}
	(void)putchar('\n');
}

/* Takes a key's value out of an object: a new reference, or NULL. */
static json_t *take(json_t *object, const char *key)
{
	json_t *value = json_incref(json_object_get(object, key));

	if (value)
		(void)json_object_del(object, key);
	return value;
}

/* ---- kinds ---- */

/* One direction: "    rx frames 3 bytes 180 segments 3 drops storm 3 reserved 1". */
static void show_direction(json_t *stats, const char *way)
{
	static const char *const keys[] = {"frames", "bytes", "segments",
					   "merged", "cut",   "summed"};
	char key[32], frames[32];
	json_t *drops;

	(void)snprintf(key, sizeof(key), "%s_drops", way);
	drops = take(stats, key);
	(void)snprintf(frames, sizeof(frames), "%s_frames", way);
	/* Of what belongs to no segment only drops are counted. */
	if (!json_object_get(stats, frames) && json_object_size(drops) == 0) {
		json_decref(drops);
		return;
	}
	(void)printf("    %s", way);
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		char text[32];

		(void)snprintf(key, sizeof(key), "%s_%s", way, keys[i]);
		(void)snprintf(text, sizeof(text), " %s ", keys[i]);
		show_value(stats, key, text, "");
	}
	if (json_object_size(drops)) {
		(void)fputs(" drops ", stdout);
		print_value(drops);
	}
	(void)putchar('\n');
	json_decref(drops);
}

static void show_stats(json_t *stats)
{
	static const char *const none[] = {NULL};

	if (!json_is_object(stats))
		return;
	show_direction(stats, "rx");
	show_direction(stats, "tx");
	if (json_object_size(stats)) {
		(void)fputs("   ", stdout);
		show_keys(stats, none);
	}
}

static void show_state(json_t *item)
{
	show_key(item, "state");
	show_value(item, "why", " (", ")");
}

/* Guards are named, those that are on. */
static void show_guard(json_t *item)
{
	json_t *guard = take(item, "guard"), *on;
	const char *name, *before = " guard ";

	json_object_foreach(guard, name, on)
	{
		if (!json_is_true(on))
			continue;
		(void)printf("%s%s", before, name);
		before = ",";
	}
	json_decref(guard);
}

/* An object that has a line of its own, below that of what it is of: of a list each. */
static void show_below(json_t *value, const char *what)
{
	static const char *const none[] = {NULL};
	json_t *one;
	size_t i;

	if (json_is_array(value)) {
		json_array_foreach(value, i, one) show_below(one, what);
	} else if (json_is_object(value)) {
		(void)printf("    %s", what);
		show_keys(value, none);
	}
}

/* As `port set` takes it. */
static void show_trunk(json_t *item)
{
	json_t *list = take(item, "trunk"), *vlan;
	size_t i;

	json_array_foreach(list, i, vlan)
	{
		(void)fputs(i ? "," : " trunk ", stdout);
		show_value(vlan, "vid", "", "=");
		show_value(vlan, "segment", "", "");
	}
	json_decref(list);
}

static void show_port(json_t *item)
{
	static const char *const keys[] = {"ifname", "netns", "mac", "mtu", "owner", NULL};
	json_t *stats = take(item, "stats");

	show_value(item, "name", "", ":");
	show_key(item, "type");
	if (json_object_get(item, "trunk"))
		(void)json_object_del(item, "segment"); /* that is "native" again */
	show_key(item, "segment");
	show_trunk(item);
	show_key(item, "native");
	show_state(item);
	show_guard(item);
	show_keys(item, keys);
	show_stats(stats);
	json_decref(stats);
}

static void show_segment(json_t *item)
{
	static const char *const keys[] = {"id", "domain", "mtu", "ports", "owner", NULL};
	static const char *const encap_keys[] = {"group",  "peers",  "vid", "farm",
						 "subnet", "prefix", NULL};
	static const char *const fdb_keys[] = {"entries", "max",   "learned", "expired",
					       "evicted", "moved", NULL};
	json_t *encaps = take(item, "encap"), *fdb = take(item, "fdb"), *encap;
	json_t *snooping = take(item, "snooping"), *relay = take(item, "relay");
	size_t i;

	show_value(item, "name", "", ":");
	show_keys(item, keys);
	json_array_foreach(encaps, i, encap)
	{
		(void)fputs("    encap", stdout);
		if (json_is_object(encap)) {
			/* `binding` and `encap` show them. */
			(void)json_object_del(encap, "bindings");
			show_value(encap, "type", " ", "");
			show_key(encap, "uplink");
			show_state(encap);
			show_keys(encap, encap_keys);
		} else {
			(void)putchar(' ');
			print_value(encap);
			(void)putchar('\n');
		}
	}
	if (json_is_object(fdb)) {
		(void)fputs("    fdb", stdout);
		show_keys(fdb, fdb_keys);
	}
	show_below(snooping, "snooping");
	show_below(relay, "relay");
	json_decref(snooping);
	json_decref(relay);
	json_decref(encaps);
	json_decref(fdb);
}

static void show_uplink(json_t *item)
{
	static const char *const keys[] = {"mtu", "address", "encaps", "owner", NULL};
	json_t *stats = take(item, "stats");
	json_t *accelerator = take(item, "accelerator"), *ring = take(item, "ring");

	show_value(item, "name", "", ":");
	show_key(item, "interface");
	show_state(item);
	show_keys(item, keys);
	show_below(accelerator, "accelerator");
	show_below(ring, "ring");
	show_stats(stats);
	json_decref(accelerator);
	json_decref(ring);
	json_decref(stats);
}

static void show_binding(json_t *item)
{
	static const char *const keys[] = {"segment", "mac", "host", "port", "age", NULL};

	show_value(item, "address", "", "");
	show_value(item, "state", " ", "");
	show_keys(item, keys);
}

static void show_encap(json_t *item)
{
	static const char *const keys[] = {"group",  "peers",  "vid", "farm",
					   "subnet", "prefix", NULL};
	json_t *stats = take(item, "stats"), *bindings = take(item, "bindings"), *binding;
	size_t i;

	/* The last may stand for what belongs to no segment here. */
	if (json_is_null(json_object_get(item, "segment"))) {
		(void)fputs("no segment:", stdout);
		json_object_del(item, "segment");
		json_object_del(item, "uplink");
	}
	show_value(item, "segment", "", ":");
	show_value(item, "type", " ", "");
	show_key(item, "uplink");
	show_state(item);
	show_keys(item, keys);
	show_stats(stats);
	json_array_foreach(bindings, i, binding)
	{
		(void)fputs("    binding ", stdout);
		show_binding(binding);
	}
	json_decref(bindings);
	json_decref(stats);
}

static void show_fdb(json_t *item)
{
	static const char *const keys[] = {NULL};
	json_t *pinned = take(item, "pinned");

	show_value(item, "mac", "", "");
	show_key(item, "segment");
	show_key(item, "port");
	show_key(item, "encap");
	show_key(item, "dst");
	show_value(item, "state", " ", "");
	show_key(item, "age");
	if (json_is_true(pinned))
		(void)fputs(" pinned", stdout);
	show_keys(item, keys);
	json_decref(pinned);
}

static void show_connection(json_t *item)
{
	static const char *const keys[] = {"timeout", "frames", "answer_frames", NULL};

	show_value(item, "proto", "", "");
	show_value(item, "src", " ", "");
	show_value(item, "sport", " port ", "");
	show_value(item, "dst", " to ", "");
	show_value(item, "dport", " port ", "");
	show_key(item, "id");
	show_state(item);
	show_key(item, "segment");
	show_value(item, "to_segment", " to ", "");
	show_keys(item, keys);
}

/* Who wants a group, or where a multicast router is. */
static void show_multicast(json_t *item)
{
	static const char *const keys[] = {"segment", "port", "encap", "version", "expires", NULL};
	json_t *group = take(item, "group"), *why = take(item, "why");

	/* Who wants too many groups, and routers, get all: of them it says so in place of one. */
	print_text(json_is_string(group) ? json_string_value(group) : "*");
	(void)putchar(' ');
	print_value(why);
	show_keys(item, keys);
	json_decref(group);
	json_decref(why);
}

static void show_peer(json_t *item)
{
	static const char *const keys[] = {"segment", "macs", "last_seen", NULL};

	show_value(item, "dst", "", "");
	show_keys(item, keys);
}

static void show_neighbour(json_t *item)
{
	static const char *const keys[] = {"segment", "mac", "age", "waiting", NULL};

	show_value(item, "address", "", "");
	show_value(item, "state", " ", "");
	show_keys(item, keys);
}

static void show_junction(json_t *item)
{
	static const char *const keys[] = {"foreign", "router", NULL};
	json_t *gateways = take(item, "gateway"), *counters = take(item, "counters"), *line;
	json_t *here = take(item, "here"), *implied = take(item, "implied");
	size_t i;

	show_value(item, "name", "", ":");
	show_value(item, "type", " ", "");
	show_key(item, "segments");
	if (json_array_size(json_object_get(item, "at")) > 0)
		show_key(item, "at");
	else
		json_object_del(item, "at");
	if (json_is_true(implied))
		(void)fputs(" implied", stdout);
	if (json_is_false(here))
		(void)fputs(" not here", stdout);
	show_keys(item, keys);
	json_array_foreach(gateways, i, line)
	{
		show_value(line, "address", "    gateway ", "");
		show_keys(line, (const char *const[]){"segment", NULL});
	}
	json_array_foreach(counters, i, line)
	{
		json_t *routes = take(line, "routes"), *route;
		size_t k;

		show_value(line, "segment", "    segment ", ":");
		show_keys(line,
			  (const char *const[]){"mac", "answered", "asked", "echoed", "errors",
						"muted", "delivered", "neighbours", NULL});
		json_array_foreach(routes, k, route)
		{
			show_value(route, "subnet", "        to ", "");
			show_keys(route, (const char *const[]){"segment", "frames", "bytes", NULL});
		}
		json_decref(routes);
	}
	json_decref(gateways);
	json_decref(counters);
	json_decref(here);
	json_decref(implied);
}

static void show_relay(json_t *item)
{
	static const char *const keys[] = {"relay_id", "since", NULL};
	static const char *const heard_keys[] = {"side", "encap",     "uplink",
						 "dst",	 "last_seen", NULL};
	json_t *list = take(item, "heard"), *heard;
	size_t i;

	show_value(item, "segment", "", ":");
	if (json_is_null(json_object_get(item, "state"))) {
		(void)fputs(" no relay", stdout);
		json_object_del(item, "state");
	}
	show_state(item);
	show_keys(item, keys);
	json_array_foreach(list, i, heard)
	{
		show_value(heard, "id", "    heard ", "");
		show_key(heard, "state");
		show_keys(heard, heard_keys);
	}
	json_decref(list);
}

/* A domain, a port or a host. */
static void show_party(json_t *item, const char *key, const char *before)
{
	json_t *name = take(item, key);

	(void)fputs(before, stdout);
	print_text(json_string_length(name) ? json_string_value(name) : "(default)");
	json_decref(name);
}

/* The verdict first, then what it is about; what is not so of it is left out. */
static void show_rule(json_t *rule)
{
	static const char *const flags[] = {"stateful", "pickup", "log"};
	static const char *const keys[] = {"port", "frames", "bytes", NULL};
	json_t *filter = take(rule, "filter");

	show_value(rule, "verdict", "    ", " ");
	print_text(json_string_length(filter) ? json_string_value(filter) : "everything else");
	for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
		json_t *flag = take(rule, flags[i]);

		if (json_is_true(flag))
			(void)printf(" %s", flags[i]);
		json_decref(flag);
	}
	show_keys(rule, keys);
	json_decref(filter);
}

/* Of `policy verify`. */
static void show_pair(json_t *item)
{
	static const char *const keys[] = {"flow", "entry", "decided_at", "reason", "error", NULL};
	json_t *passes = take(item, "passes"), *tested = take(item, "tested");
	const char *flow = json_string_value(json_object_get(item, "flow"));
	/* The frame that was made up is hardly one that rules are about. */
	bool by_rules = !json_is_true(passes) && flow && strcmp(flow, "controlled") == 0 &&
			!json_object_get(item, "reason") && !json_object_get(item, "error");

	show_party(item, "from", "");
	show_value(item, "from_segment", " (", ")");
	show_party(item, "to", " -> ");
	show_value(item, "to_segment", " (", "): ");
	(void)fputs(json_is_true(passes) ? "passes"
		    : by_rules		 ? "passes by rules alone"
					 : "does not pass",
		    stdout);
	if (!json_is_true(tested))
		(void)fputs(" (untested)", stdout);
	show_keys(item, keys);
	json_decref(passes);
	json_decref(tested);
}

/* An entry, a pair, or what a check found. */
static void show_policy(json_t *item)
{
	static const char *const keys[] = {"out",   "in",      "name",	   "side",
					   "mode",  "owner",   "indirect", "frames",
					   "bytes", "refused", NULL};
	json_t *rules, *why, *rule;
	size_t i;

	if (json_object_get(item, "from_segment")) {
		show_pair(item);
		return;
	}
	rules = take(item, "rules");
	why = take(item, "why");
	show_party(item, "from", "");
	show_party(item, "to", " -> ");
	show_value(item, "flow", ": ", "");
	show_keys(item, keys);
	if (why) {
		(void)fputs("    ", stdout);
		print_text(json_string_value(why));
		(void)putchar('\n');
	}
	json_array_foreach(rules, i, rule) show_rule(rule);
	json_decref(rules);
	json_decref(why);
}

static void show_mirror(json_t *item)
{
	static const char *const keys[] = {"port",   "segment", "file", "to_port",
					   "frames", "drops",	NULL};

	show_value(item, "name", "", ":");
	show_keys(item, keys);
}

static void show_trace(json_t *item)
{
	static const char *const none[] = {NULL};
	json_t *steps = take(item, "steps"), *to = take(item, "to"), *step, *place;
	const char *reason = json_string_value(json_object_get(item, "reason"));
	size_t i;

	json_array_foreach(steps, i, step)
	{
		const char *stage = json_string_value(json_object_get(step, "stage"));

		(void)printf("    %-10s ", stage ? stage : "");
		print_text(json_is_string(json_object_get(step, "what"))
			       ? json_string_value(json_object_get(step, "what"))
			       : "");
		(void)putchar('\n');
	}
	show_value(item, "verdict", "", "");
	if (reason && strcmp(reason, "none") != 0)
		show_value(item, "reason", " reason ", "");
	(void)json_object_del(item, "reason");
	json_array_foreach(to, i, place)
	{
		(void)fputs(i ? ", " : " to ", stdout);
		if (json_is_null(json_object_get(place, "dst"))) /* what the verdict says */
			(void)json_object_del(place, "dst");
		print_value(place);
	}
	show_keys(item, none);
	json_decref(steps);
	json_decref(to);
}

/* The longest name of a line that show_lines() writes. */
static size_t names_width(json_t *object, const char *prefix)
{
	size_t before = *prefix ? strlen(prefix) + 1 : 0, width = 0;
	const char *key;
	json_t *value;

	json_object_foreach(object, key, value)
	{
		size_t one = json_is_object(value) && !*prefix ? names_width(value, key)
							       : before + strlen(key);

		if (one > width)
			width = one;
	}
	return width;
}

/* One key a line, values below each other; objects spread over "key.key". */
static void show_lines(json_t *object, const char *prefix, size_t width)
{
	const char *key;
	json_t *value;

	json_object_foreach(object, key, value)
	{
		char name[128];

		if (json_is_object(value) && !*prefix) {
			show_lines(value, key, width);
			continue;
		}
		(void)snprintf(name, sizeof(name), "%s%s%s", prefix, *prefix ? "." : "", key);
		(void)printf("%-*s ", (int)width, name);
		print_value(value);
		(void)putchar('\n');
	}
}

static void show_any(const char *kind, json_t *item)
{
	static const struct {
		const char *kind;
		void (*show)(json_t *item);
	} kinds[] = {
	    {"port", show_port},
	    {"segment", show_segment},
	    {"uplink", show_uplink},
	    {"encap", show_encap},
	    {"fdb", show_fdb},
	    {"peer", show_peer},
	    {"binding", show_binding},
	    {"multicast", show_multicast},
	    {"connection", show_connection},
	    {"mirror", show_mirror},
	    {"trace", show_trace},
	    {"relay", show_relay},
	    {"junction", show_junction},
	    {"neighbour", show_neighbour},
	    {"policy", show_policy},
	};

	if (!json_is_object(item)) {
		print_value(item);
		(void)putchar('\n');
		return;
	}
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		if (strcmp(kinds[i].kind, kind) == 0) {
			kinds[i].show(item);
			return;
		}
	}
	show_lines(item, "", names_width(item, ""));
}

/* ---- output ---- */

static void dump(const struct output *output, const json_t *json)
{
	size_t flags = JSON_ENCODE_ANY | (output->pretty ? JSON_INDENT(4) : JSON_COMPACT);

	(void)json_dumpf(json, stdout, flags);
}

void output_json(const struct output *output, const json_t *json)
{
	dump(output, json);
	(void)putchar('\n');
}

/* An array is written as it comes: a large one must not be held in memory. */
void output_item(struct output *output, const char *kind, json_t *item)
{
	if (!output->json) {
		show_any(kind, item);
		return;
	}
	(void)fputs(output->opened ? "," : "[", stdout);
	if (output->pretty)
		(void)putchar(' ');
	dump(output, item);
	output->opened = true;
}

void output_end(struct output *output)
{
	if (!output->json)
		return;
	if (!output->opened)
		(void)puts("[]");
	else
		(void)puts(output->pretty ? " ]" : "]");
	output->opened = false;
}

void output_object(struct output *output, const char *kind, json_t *object)
{
	if (output->json)
		output_json(output, object);
	else
		show_any(kind, object);
}

void output_event(const struct output *output, const json_t *event)
{
	output_json(output, event);
	(void)fflush(stdout);
}
