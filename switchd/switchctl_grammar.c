/* SPDX-License-Identifier: BSD-2-Clause */
#include "switchd/switchctl_grammar.h"

#include <ctype.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define NAMES_MAX 64 /* candidates of one word */

/* ---- words ---- */

/* Appends a name to a list for a message, as far as there is room. */
static void enumerate(char *list, size_t size, const char *name)
{
	size_t used = strlen(list), len = strlen(name);

	if (len + 3 > size - used)
		return;
	if (used) {
		memcpy(list + used, ", ", 2);
		used += 2;
	}
	memcpy(list + used, name, len + 1);
}

/*
 * Finds the one of `names` that `word` is or begins. Its index; -ENOENT: none;
 * -EINVAL with a message: several.
 */
static int match(const char *word, const char *const *names, struct err *err)
{
	size_t len = strlen(word);
	int found = -ENOENT, hits = 0;
	char list[256] = "";

	if (len == 0)
		return -ENOENT;
	for (int i = 0; names[i]; i++) {
		if (strcmp(names[i], word) == 0)
			return i;
		if (strncmp(names[i], word, len) != 0)
			continue;
		enumerate(list, sizeof(list), names[i]);
		found = i;
		hits++;
	}
	return hits > 1 ? err_set(err, EINVAL, "'%s' is ambiguous: %s", word, list) : found;
}

/* The same where there must be a match. */
static int match_one(const char *word, const char *const *names, const char *what, struct err *err)
{
	int rc = match(word, names, err);
	char list[256] = "";

	if (rc != -ENOENT)
		return rc;
	for (int i = 0; names[i]; i++)
		enumerate(list, sizeof(list), names[i]);
	return err_set(err, EINVAL, "unknown %s '%s' (there are: %s)", what, word, list);
}

/* Adds a string to an object. 0 or -EINVAL with a message. */
static int put(json_t *object, const char *key, const char *value, struct err *err)
{
	if (json_object_get(object, key))
		return err_set(err, EINVAL, "'%s' is given twice", key);
	if (json_object_set_new(object, key, json_string(value)) < 0)
		return err_set(err, EINVAL, "'%s' or its value is not UTF-8", key);
	return 0;
}

/* "guard.arp true" is a key of an object within the object. */
static int put_dotted(json_t *object, const char *key, const char *value, struct err *err)
{
	const char *dot = strchr(key, '.');
	char outer[64];
	json_t *inner;

	if (!dot || dot == key || (size_t)(dot - key) >= sizeof(outer))
		return put(object, key, value, err);
	memcpy(outer, key, (size_t)(dot - key));
	outer[dot - key] = '\0';
	inner = json_object_get(object, outer);
	if (!inner) {
		inner = json_object();
		if (json_object_set_new(object, outer, inner) < 0)
			return err_set(err, EINVAL, "'%s' is not UTF-8", key);
	}
	if (!json_is_object(inner))
		return err_set(err, EINVAL, "'%s' is given twice", outer);
	return put(inner, dot + 1, value, err);
}

static int no_more(char *const *words, struct err *err)
{
	return *words ? err_set(err, EINVAL, "'%s' is one word too many", *words) : 0;
}

static int take_name(struct cli_call *call, char *const **words, const char *what, struct err *err)
{
	const char *word = **words;

	if (!word)
		return err_set(err, EINVAL, "which %s? A name is missing", what);
	(*words)++;
	return put(call->args, "name", word, err);
}

/* ---- shapes of arguments ---- */

static int parse_from_to(struct cli_call *call, char *const *words, struct err *err)
{
	if (!words[0] || !words[1])
		return err_set(err, EINVAL, "two domains are needed: FROM and TO");
	if (put(call->args, "from", words[0], err) < 0 || put(call->args, "to", words[1], err) < 0)
		return -EINVAL;
	return no_more(words + 2, err);
}

static int parse_maybe_port(struct cli_call *call, char *const *words, struct err *err)
{
	if (*words && put(call->args, "port", *words++, err) < 0)
		return -EINVAL;
	return no_more(words, err);
}

static int parse_dot(struct cli_call *call, char *const *words, struct err *err)
{
	if (*words && strcmp(*words, "--dot") == 0) {
		json_object_set_new(call->args, "dot", json_true());
		words++;
	}
	return no_more(words, err);
}

static int parse_name(struct cli_call *call, char *const *words, struct err *err)
{
	int rc = take_name(call, &words, call->command->object, err);

	return rc < 0 ? rc : no_more(words, err);
}

static int parse_maybe_name(struct cli_call *call, char *const *words, struct err *err)
{
	return *words ? parse_name(call, words, err) : 0;
}

/*
 * Keys that may be cut, of the contract. What is not among them passes as it is:
 * switchd knows best which keys there are.
 */
static const char *const port_keys[] = {
    "type",	"segment",   "ifname",	  "netns",	"mac",	      "mtu",	  "state",
    "macs",	"addresses", "isolated",  "interface",	"take",	      "path",	  "local",
    "remote",	"mode",	     "group",	  "guard.arp",	"guard.dhcp", "guard.ra", "guard.mac",
    "guard.ip", "trunk",     "native",	  "domain",	"ifindex",    "owner",	  "connect",
    "number",	"mgmt",	     "mgmt_mode", "mgmt_group", "guest",      "indirect", NULL};

static const char *const segment_keys[] = {"id",	   "domain",   "ageing",   "fdb_max",
					   "fdb_port_max", "tags",     "reserved", "isolated",
					   "storm",	   "relay_id", "encap",	   NULL};

static const char *const encap_keys[] = {
    "encap",	 "uplink", "relay",    "group",	    "peers",  "sources",  "nibbles",   "ttl",
    "transport", "port",   "oversize", "clamp_mss", "vid",    "priority", "outer_vid", "outer_tpid",
    "mvrp",	 "gvrp",   "vni",      "farm",	    "subnet", "prefix",	  "gateway",   NULL};

/* One VID=SEGMENT, which is not ended by a NUL, into a list. */
static int put_vlan(json_t *list, const char *item, size_t len, struct err *err)
{
	size_t digits = strspn(item, "0123456789");
	json_t *vlan;

	if (digits == 0 || digits > 4 || digits >= len || item[digits] != '=' || digits + 1 == len)
		return err_set(err, EINVAL,
			       "'%.*s' is not VID=SEGMENT; 'trunk' is a list such as "
			       "101=alpha,102=beta",
			       (int)(len < 80 ? len : 80), item);
	vlan = json_pack("{s:i, s:s%}", "vid", (int)strtol(item, NULL, 10), "segment",
			 item + digits + 1, len - digits - 1);
	if (!vlan || json_array_append_new(list, vlan) < 0)
		return err_set(err, EINVAL, "'%.*s' is not UTF-8", (int)(len < 80 ? len : 80),
			       item);
	return 0;
}

/* "101=alpha,102=beta"; nothing stands for no VLANs. */
static int put_trunk(json_t *object, const char *value, struct err *err)
{
	json_t *list = json_array();
	int rc = 0;

	if (json_object_get(object, "trunk"))
		rc = err_set(err, EINVAL, "'trunk' is given twice");
	while (rc == 0 && *value) {
		size_t len = strcspn(value, ",");

		rc = put_vlan(list, value, len, err);
		value += len;
		if (*value && *++value == '\0' && rc == 0)
			rc = err_set(err, EINVAL, "'trunk' ends with a comma");
	}
	if (rc == 0 && json_object_set(object, "trunk", list) < 0)
		rc = err_set(err, EINVAL, "out of memory");
	json_decref(list);
	return rc;
}

/* One key and its value into an object. Advances by both. */
static int take_pair(json_t *object, const char *const *keys, char *const **words, struct err *err)
{
	const char *key = (*words)[0], *value = (*words)[1];
	int rc = match(key, keys, err);

	if (rc == -EINVAL)
		return rc;
	if (rc >= 0)
		key = keys[rc];
	if (!value)
		return err_set(err, EINVAL, "'%s' needs a value", key);
	*words += 2;
	if (keys == port_keys && strcmp(key, "trunk") == 0)
		return put_trunk(object, value, err);
	return put_dotted(object, key, value, err);
}

static int parse_port_add(struct cli_call *call, char *const *words, struct err *err)
{
	int rc = take_name(call, &words, "port", err);

	/* One word too few is often the key of the type, which was left out. */
	while (rc == 0 && *words &&
	       (words[1] || strcmp(*words, "type") == 0 || json_object_get(call->args, "type")))
		rc = take_pair(call->args, port_keys, &words, err);
	if (rc == 0 && !json_object_get(call->args, "type"))
		rc = err_set(err, EINVAL, "'type' is missing: type tap, for example");
	if (rc == 0 && !json_object_get(call->args, "segment") &&
	    !json_object_get(call->args, "trunk"))
		rc = err_set(err, EINVAL, "'segment' is missing");
	return rc;
}

static int parse_port_set(struct cli_call *call, char *const *words, struct err *err)
{
	int rc = take_name(call, &words, "port", err);

	if (rc == 0 && !*words)
		rc = err_set(err, EINVAL, "set what? 'state locked', for example");
	while (rc == 0 && *words)
		rc = take_pair(call->args, port_keys, &words, err);
	return rc;
}

static int parse_segment_add(struct cli_call *call, char *const *words, struct err *err)
{
	json_t *encaps = json_array(), *encap = NULL;
	int rc = take_name(call, &words, "segment", err);

	while (rc == 0 && *words) {
		int key = match(*words, encap ? encap_keys : segment_keys, err);

		if (key < 0 || strcmp((encap ? encap_keys : segment_keys)[key], "encap") != 0) {
			rc = take_pair(encap ? encap : call->args,
				       encap ? encap_keys : segment_keys, &words, err);
			continue;
		}
		if (!words[1]) {
			rc = err_set(err, EINVAL,
				     "'encap' needs a type: etherip, dot1q, vxlan or macrewrite");
			break;
		}
		encap = json_object();
		if (json_array_append_new(encaps, encap) < 0)
			rc = err_set(err, EINVAL, "out of memory");
		else
			rc = put(encap, "type", words[1], err);
		words += 2;
	}
	if (rc == 0 && encap)
		(void)json_object_set(call->args, "encap", encaps);
	json_decref(encaps);
	return rc;
}

/* Words of a closed list, each with a value. */
static int parse_selectors(struct cli_call *call, char *const *words, const char *const *keys,
			   struct err *err)
{
	while (*words) {
		int key = match_one(*words, keys, "word", err);
		int rc;

		if (key < 0)
			return key;
		if (!words[1])
			return err_set(err, EINVAL, "'%s' needs a name", keys[key]);
		rc = put(call->args, keys[key], words[1], err);
		if (rc < 0)
			return rc;
		words += 2;
	}
	return 0;
}

static int parse_port_del(struct cli_call *call, char *const *words, struct err *err)
{
	static const char *const keys[] = {"owner", NULL};
	int rc = take_name(call, &words, "port", err);

	return rc < 0 ? rc : parse_selectors(call, words, keys, err);
}

/* [segment SEGMENT]; a lone word that is no key is its name. */
static int parse_of_segment(struct cli_call *call, char *const *words, struct err *err)
{
	static const char *const keys[] = {"segment", NULL};

	if (words[0] && !words[1] && match(words[0], keys, err) == -ENOENT)
		return put(call->args, "segment", words[0], err);
	return parse_selectors(call, words, keys, err);
}

static int parse_fdb_show(struct cli_call *call, char *const *words, struct err *err)
{
	static const char *const keys[] = {"segment", "port", NULL};

	return words[0] && !words[1] ? parse_of_segment(call, words, err)
				     : parse_selectors(call, words, keys, err);
}

static int parse_flush(struct cli_call *call, char *const *words, struct err *err)
{
	static const char *const keys[] = {"segment", "port", NULL};

	return parse_selectors(call, words, keys, err);
}

static int parse_neighbour_flush(struct cli_call *call, char *const *words, struct err *err)
{
	static const char *const keys[] = {"segment", "address", NULL};

	return parse_selectors(call, words, keys, err);
}

static int need_key(const struct cli_call *call, const char *key, struct err *err)
{
	if (json_object_get(call->args, key))
		return 0;
	return err_set(err, EINVAL, "'%s' is missing", key);
}

static int take_mac(struct cli_call *call, char *const **words, struct err *err)
{
	const char *mac = **words;

	if (!mac)
		return err_set(err, EINVAL, "a MAC address is missing");
	(*words)++;
	return put(call->args, "mac", mac, err);
}

static int parse_fdb_add(struct cli_call *call, char *const *words, struct err *err)
{
	static const char *const keys[] = {"segment", "port", "static", "sticky", NULL};
	int rc = take_mac(call, &words, err);

	while (rc == 0 && *words) {
		int key = match_one(*words, keys, "word", err);

		if (key < 0)
			return key;
		words++;
		if (key >= 2) {
			rc = put(call->args, "state", keys[key], err);
			continue;
		}
		if (!*words)
			return err_set(err, EINVAL, "'%s' needs a name", keys[key]);
		rc = put(call->args, keys[key], *words++, err);
	}
	if (rc == 0)
		rc = need_key(call, "segment", err);
	if (rc == 0)
		rc = need_key(call, "port", err);
	if (rc == 0 && !json_object_get(call->args, "state"))
		rc = put(call->args, "state", "static", err);
	return rc;
}

static int parse_fdb_del(struct cli_call *call, char *const *words, struct err *err)
{
	static const char *const keys[] = {"segment", "port", NULL};
	int rc = take_mac(call, &words, err);

	return rc < 0 ? rc : parse_selectors(call, words, keys, err);
}

/* {port P | segment S}, what a mirror and a capture look at. */
static int take_place(struct cli_call *call, char *const **words, struct err *err)
{
	static const char *const keys[] = {"port", "segment", NULL};
	int key;

	if (!**words)
		return err_set(err, EINVAL, "of what? 'port NAME' or 'segment NAME' is missing");
	key = match_one(**words, keys, "word", err);
	if (key < 0)
		return key;
	if (!(*words)[1])
		return err_set(err, EINVAL, "'%s' needs a name", keys[key]);
	*words += 2;
	return put(call->args, keys[key], (*words)[-1], err);
}

/* "file FILE" may also stand in front of what is copied. */
static int parse_mirror_add(struct cli_call *call, char *const *words, struct err *err)
{
	static const char *const sinks[] = {"file", "port", NULL};
	int rc = take_name(call, &words, "mirror", err), sink;

	if (rc == 0 && words[0] && words[1] && strcmp(words[0], "file") == 0) {
		call->file = words[1];
		words += 2;
	}
	if (rc == 0)
		rc = take_place(call, &words, err);
	if (rc == 0 && call->file)
		rc = no_more(words, err);
	if (rc < 0 || call->file)
		return rc;
	if (!*words)
		return err_set(err, EINVAL, "to where? 'file FILE' or 'port NAME' is missing");
	sink = match_one(*words, sinks, "word", err);
	if (sink < 0)
		return sink;
	if (!words[1])
		return err_set(err, EINVAL, "'%s' needs a name", sinks[sink]);
	if (sink == 0)
		call->file = words[1];
	else
		rc = put(call->args, "to_port", words[1], err);
	return rc < 0 ? rc : no_more(words + 2, err);
}

static int parse_pcap(struct cli_call *call, char *const *words, struct err *err)
{
	int rc = take_place(call, &words, err);
	size_t len = 1;

	if (rc < 0)
		return rc;
	for (char *const *word = words; *word; word++)
		len += strlen(*word) + 1;
	call->filter = calloc(1, len);
	if (!call->filter)
		return err_set(err, EINVAL, "out of memory");
	for (len = 0; *words; words++) {
		if (len)
			call->filter[len++] = ' ';
		memcpy(call->filter + len, *words, strlen(*words));
		len += strlen(*words);
	}
	return 0;
}

/* Hexadecimal digits in pairs, with whatever dumps have between them. */
static int put_frame(struct cli_call *call, char *const *words, struct err *err)
{
	size_t len = 0, digits = 0;
	char *hex;
	int rc = 0;

	for (char *const *word = words; *word; word++)
		len += strlen(*word);
	hex = malloc(len + 1);
	if (!hex)
		return err_set(err, EINVAL, "out of memory");
	for (; rc == 0 && *words; words++) {
		const bool prefixed = (*words)[0] == '0' && ((*words)[1] | 0x20) == 'x';

		for (const char *c = *words + (prefixed ? 2 : 0); rc == 0 && *c; c++) {
			if (isxdigit((unsigned char)*c))
				hex[digits++] = *c;
			else if (!strchr(":-. \t\n", *c))
				rc = err_set(err, EINVAL, "'%c' is not a hexadecimal digit", *c);
		}
	}
	hex[digits] = '\0';
	if (rc == 0 && (digits == 0 || digits % 2))
		rc = err_set(err, EINVAL, "the frame has %zu hexadecimal digits: two make a byte",
			     digits);
	if (rc == 0 && json_object_set_new(call->args, "frames", json_pack("[s]", hex)) < 0)
		rc = err_set(err, EINVAL, "out of memory");
	free(hex);
	return rc;
}

static int parse_trace(struct cli_call *call, char *const *words, struct err *err)
{
	static const char *const keys[] = {"port", NULL};
	int rc;

	if (!*words)
		return err_set(err, EINVAL, "from where? 'port NAME' is missing");
	rc = match_one(*words, keys, "word", err);
	if (rc < 0)
		return rc;
	if (!words[1])
		return err_set(err, EINVAL, "'port' needs a name");
	rc = put(call->args, "port", words[1], err);
	if (rc < 0)
		return rc;
	words += 2;
	if (!*words)
		return err_set(err, EINVAL, "which frame? Digits or '-r FILE' are missing");
	if (strcmp(*words, "-r") != 0)
		return put_frame(call, words, err);
	if (!words[1])
		return err_set(err, EINVAL, "'-r' needs a file");
	call->file = words[1];
	return no_more(words + 2, err);
}

static int parse_level(struct cli_call *call, char *const *words, struct err *err)
{
	/* "warn" is a warning cut short. */
	static const char *const names[] = {"error", "warning", "info", "debug", NULL};
	static const char *const levels[] = {"error", "warn", "info", "debug"};
	int level;

	if (!*words)
		return err_set(err, EINVAL, "a level is missing: error, warn, info or debug");
	level = match_one(*words, names, "level", err);
	if (level < 0)
		return level;
	level = put(call->args, "level", levels[level], err);
	return level < 0 ? level : no_more(words + 1, err);
}

/* ---- the commands ---- */

/* clang-format off */
const struct cli_command cli_commands[] = {
	{"status", NULL, "", "status", CLI_OBJECT, NULL},
	{"port", "show", "[NAME]", "port.show", CLI_SHOW, parse_maybe_name},
	{"port", "add", "NAME type TYPE {segment SEGMENT | trunk VID=SEGMENT,... [native SEGMENT]} [KEY VALUE]...", "port.add", CLI_CHANGE, parse_port_add},
	{"port", "set", "NAME [state {open|locked}] [trunk VID=SEGMENT,...] [KEY VALUE]...", "port.set", CLI_CHANGE, parse_port_set},
	{"port", "del", "NAME [owner OWNER]", "port.del", CLI_CHANGE, parse_port_del},
	{"segment", "show", "[NAME]", "segment.show", CLI_SHOW, parse_maybe_name},
	{"segment", "add", "NAME [KEY VALUE]... [encap TYPE uplink UPLINK [KEY VALUE]...]...", "segment.add", CLI_CHANGE, parse_segment_add},
	{"segment", "del", "NAME", "segment.del", CLI_CHANGE, parse_name},
	{"uplink", "show", "[NAME]", "uplink.show", CLI_SHOW, parse_maybe_name},
	{"encap", "show", "[segment SEGMENT]", "encap.show", CLI_SHOW, parse_of_segment},
	{"fdb", "show", "[segment SEGMENT] [port NAME]", "fdb.show", CLI_SHOW, parse_fdb_show},
	{"fdb", "add", "MAC segment SEGMENT port NAME [static|sticky]", "fdb.add", CLI_CHANGE, parse_fdb_add},
	{"fdb", "del", "MAC [segment SEGMENT] [port NAME]", "fdb.del", CLI_CHANGE, parse_fdb_del},
	{"fdb", "flush", "[segment SEGMENT] [port NAME]", "fdb.flush", CLI_CHANGE, parse_flush},
	{"binding", "show", "[segment SEGMENT]", "binding.show", CLI_SHOW, parse_of_segment},
	{"neighbour", "show", "[segment SEGMENT]", "neighbour.show", CLI_SHOW, parse_of_segment},
	{"neighbour", "flush", "[segment SEGMENT] [address ADDRESS]", "neighbour.flush", CLI_CHANGE, parse_neighbour_flush},
	{"connection", "show", "[segment SEGMENT]", "connection.show", CLI_SHOW, parse_of_segment},
	{"connection", "flush", "[segment SEGMENT]", "connection.flush", CLI_CHANGE, parse_of_segment},
	{"multicast", "show", "[segment SEGMENT]", "multicast.show", CLI_SHOW, parse_of_segment},
	{"peer", "show", "[segment SEGMENT]", "peer.show", CLI_SHOW, parse_of_segment},
	{"relay", "show", "[segment SEGMENT]", "relay.show", CLI_SHOW, parse_of_segment},
	{"policy", "show", "", "policy.show", CLI_SHOW, NULL},
	{"policy", "check", "FROM TO", "policy.check", CLI_OBJECT, parse_from_to},
	{"policy", "matrix", "[--dot]", "policy.matrix", CLI_MATRIX, parse_dot},
	{"policy", "verify", "[PORT]", "policy.verify", CLI_SHOW, parse_maybe_port},
	{"junction", "show", "[NAME]", "junction.show", CLI_SHOW, parse_maybe_name},
	{"mirror", "show", "[NAME]", "mirror.show", CLI_SHOW, parse_maybe_name},
	{"mirror", "add", "NAME {port NAME | segment SEGMENT} {file FILE | port NAME}", "mirror.add", CLI_MIRROR, parse_mirror_add},
	{"mirror", "del", "NAME", "mirror.del", CLI_CHANGE, parse_name},
	{"pcap", NULL, "{port NAME | segment SEGMENT} [FILTER]", "pcap", CLI_PCAP, parse_pcap},
	{"trace", NULL, "port NAME {HEX | -r FILE}", "trace", CLI_TRACE, parse_trace},
	{"monitor", NULL, "", "monitor", CLI_MONITOR, NULL},
	{"metrics", NULL, "", "metrics", CLI_METRICS, NULL},
	{"reload", NULL, "", "reload", CLI_CHANGE, NULL},
	{"log", "show", "", "log.show", CLI_SHOW, NULL},
	{"log", "set", "{error | warn | info | debug}", "log.set", CLI_CHANGE, parse_level},
	{"list-commands", NULL, "", NULL, CLI_LIST, NULL},
	{"version", NULL, "", "version", CLI_VERSION, NULL},
	{NULL, NULL, NULL, NULL, CLI_HELP, NULL},
};
/* clang-format on */

/* The names of all objects, or of all verbs of one, each once. */
static void collect(const char *object, const char **names)
{
	int n = 0;

	for (const struct cli_command *command = cli_commands; command->object; command++) {
		const char *name = object ? command->verb : command->object;
		bool seen = false;

		if (!name || (object && strcmp(command->object, object) != 0))
			continue;
		for (int i = 0; i < n; i++)
			seen |= strcmp(names[i], name) == 0;
		if (!seen && n < NAMES_MAX - 8)
			names[n++] = name;
	}
	names[n++] = "help";
	names[n] = NULL;
}

/* Verbs that ip(8) also knows by another name. */
static const char *plain_verb(const char *verb)
{
	static const char *const others[][2] = {
	    {"list", "show"}, {"lst", "show"}, {"ls", "show"}, {"delete", "del"}};

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (strcmp(verb, others[i][0]) == 0)
			return others[i][1];
	return verb;
}

static int help(struct cli_call *call, const char *object)
{
	call->action = CLI_HELP;
	call->object = object;
	return 0;
}

static const struct cli_command *find_command(const char *object, const char *verb)
{
	const struct cli_command *command = cli_commands;

	while (command->object && (strcmp(command->object, object) != 0 ||
				   (command->verb && verb && strcmp(command->verb, verb) != 0)))
		command++;
	return command->object ? command : NULL;
}

int cli_parse(struct cli_call *call, char *const *words, struct err *err)
{
	const char *names[NAMES_MAX], *object, *verb = NULL;
	int rc;

	*call = (struct cli_call){0};
	if (!*words)
		return err_set(err, EINVAL, "a command is missing");
	collect(NULL, names);
	rc = match_one(*words++, names, "object", err);
	if (rc < 0)
		return rc;
	object = names[rc];
	if (strcmp(object, "help") == 0) {
		if (!*words || strcmp(*words, "help") == 0)
			return help(call, NULL);
		rc = match_one(*words, names, "object", err);
		if (rc < 0)
			return rc;
		return help(call, names[rc]);
	}
	/* A lone "help" explains, wherever it stands. */
	if (*words && strcmp(*words, "help") == 0 && !words[1])
		return help(call, object);
	call->command = find_command(object, NULL);
	if (call->command->verb) {
		verb = "show";
		if (*words) {
			collect(object, names);
			rc = match_one(plain_verb(*words++), names, "verb", err);
			if (rc < 0)
				return rc;
			verb = names[rc];
		}
		if (strcmp(verb, "help") == 0 ||
		    (*words && strcmp(*words, "help") == 0 && !words[1]))
			return help(call, object);
		call->command = find_command(object, verb);
	}
	/* What has nothing but a show needs no verb, and may have that. */
	if (!call->command->verb && !call->command->parse && *words && !words[1] &&
	    strcmp(plain_verb(*words), "show") == 0)
		words++;
	call->action = call->command->action;
	call->args = json_object();
	rc = call->command->parse ? call->command->parse(call, words, err) : no_more(words, err);
	if (rc < 0)
		cli_call_clear(call);
	return rc;
}

void cli_call_clear(struct cli_call *call)
{
	json_decref(call->args);
	free(call->filter);
	*call = (struct cli_call){0};
}
