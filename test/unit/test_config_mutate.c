/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A whole configuration, broken in every systematic way: each bracket deleted,
 * each key renamed, removed and duplicated, each value of another type, each
 * object there twice or gone, each reference dangling, the text cut anywhere.
 * What must fail fails with one line that begins with FILE:LINE; what is still
 * valid is accepted, and is listed here on purpose.
 */
#include "switchd/config.h"

#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char valid[] =
    "host = \"hostA\";\n"
    "control = \"/tmp/x.sock\";\n"
    "user = \"nobody\";\n"
    "run_dir = \"/tmp/x\";\n"
    "log_level = \"debug\";\n"
    "ids = \"shared\";\n"
    "seccomp = false;\n"
    "uplinks = (\n"
    "  { name = \"lan\"; interface = \"eth0\"; address = \"192.0.2.1\"; fast = \"off\"; },\n"
    "  { name = \"wan\"; interface = \"eth1\"; address = [ \"198.51.100.1\", \"2001:db8::1\" ]; }\n"
    ");\n"
    "segments = (\n"
    "  { name = \"alpha\"; id = 1; domain = \"red\"; ageing = 60; fdb_max = 100;\n"
    "    fdb_port_max = 50; tags = \"pass\"; reserved = [ 0x03, 0x0e ]; isolated = true;\n"
    "    storm = 0; encap = (\n"
    "      { type = \"etherip\"; uplink = \"lan\"; relay = false; group = \"239.192.0.1\";\n"
    "        sources = [ \"192.0.2.0/24\" ]; nibbles = \"rfc\"; ttl = 3; transport = \"ip\";\n"
    "        oversize = \"fragment\"; clamp_mss = false; },\n"
    "      { type = \"etherip\"; uplink = \"wan\"; peers = [ \"198.51.100.2\", \"198.51.100.3\" ]; "
    "}\n"
    "    ); },\n"
    "  { name = \"beta\"; id = 0;\n"
    "    encap = ( { type = \"etherip\"; uplink = \"wan\"; peers = \"198.51.100.9\"; } ); },\n"
    "  { name = \"gamma\"; }\n"
    ");\n"
    "ports = (\n"
    "  { name = \"vm1\"; type = \"tap\"; segment = \"alpha\"; state = \"locked\"; ifname = "
    "\"tap0\";\n"
    "    netns = \"vm1\"; mac = \"52:54:00:00:00:01\"; mtu = 1464; isolated = true;\n"
    "    macs = [ \"52:54:00:00:00:01\" ]; addresses = [ \"10.0.0.1\", \"10.1.0.0/16\" ];\n"
    "    guard = { arp = true; dhcp = false; ra = true; mac = true; ip = false; }; },\n"
    "  { name = \"vm2\"; type = \"tap\"; segment = \"gamma\"; },\n"
    "  { name = \"vm3\"; type = \"tap\"; trunk = ( { vid = 101; segment = \"alpha\"; } ); }\n"
    ");\n";

#define LEN (sizeof(valid) - 1)

/* One `key = value;`, as offsets: of the key, the value, and behind both. */
struct assignment {
	size_t key, key_end, value, value_end, end;
};

static struct assignment assignments[128];
static size_t assignment_count;

/* Groups inside lists: the objects. */
static struct {
	size_t start, end;
} objects[32];
static size_t object_count;

/* Strings, numbers and booleans, in assignments and in lists. */
static struct {
	size_t start, end;
} scalars[160];
static size_t scalar_count;

static unsigned failed, accepted;

static size_t skip_string(size_t at)
{
	for (at++; valid[at] != '"'; at++)
		;
	return at + 1;
}

/* Behind the scalar or the bracketed thing that starts here. */
static size_t skip_value(size_t at)
{
	int depth = 0;

	if (valid[at] == '"')
		return skip_string(at);
	if (!strchr("{([", valid[at])) {
		while (isalnum((unsigned char)valid[at]))
			at++;
		return at;
	}
	do {
		if (valid[at] == '"') {
			at = skip_string(at);
			continue;
		}
		depth += strchr("{([", valid[at]) != NULL;
		depth -= strchr("})]", valid[at]) != NULL;
		at++;
	} while (depth);
	return at;
}

static int take_apart(void **state)
{
	char before = '(';

	(void)state;
	for (size_t at = 0; at < LEN;) {
		size_t next = at + 1;

		if (isspace((unsigned char)valid[at])) {
			at++;
			continue;
		}
		if (isalpha((unsigned char)valid[at]) && before != '=') {
			struct assignment *it = &assignments[assignment_count++];

			it->key = at;
			next = at + strspn(valid + at, "abcdefghijklmnopqrstuvwxyz_");
			it->key_end = next;
			it->value = next + strspn(valid + next, " =");
			it->value_end = skip_value(it->value);
			it->end = it->value_end + 1;
		} else if (valid[at] == '"' || isalnum((unsigned char)valid[at])) {
			next = skip_value(at);
			scalars[scalar_count].start = at;
			scalars[scalar_count++].end = next;
		} else if (valid[at] == '{' && before != '=') {
			objects[object_count].start = at;
			objects[object_count++].end = skip_value(at);
		}
		before = valid[next - 1];
		at = next;
	}
	return 0;
}

/* The valid text with [from, to) replaced, given to the parser. */
static void try(size_t from, size_t to, const char *with, bool good)
{
	size_t size = LEN + strlen(with) + 1;
	char *text = malloc(size);
	struct desired out = {.host = NULL};
	struct err err = {""};
	int line = 0, used = 0, lines = 1;

	assert_non_null(text);
	(void)snprintf(text, size, "%.*s%s%s", (int)from, valid, with, valid + to);
	if ((desired_parse(&out, text, "m.conf", &err) == 0) != good)
		fail_msg("%s: %s\n%s", good ? "refused" : "accepted", err.text, text);
	if (!good) {
		for (const char *p = text; *p; p++)
			lines += *p == '\n';
		if (sscanf(err.text, "m.conf:%d: %n", &line, &used) != 1 || used == 0 ||
		    !err.text[used] || line < 1 || line > lines || strchr(err.text, '\n'))
			fail_msg("not one line with a place: %s", err.text);
	}
	*(good ? &accepted : &failed) += 1;
	desired_clear(&out);
	free(text);
}

static void as_it_is(void **state)
{
	(void)state;
	try(0, 0, "", true);
	assert_int_equal(assignment_count, 73);
	assert_int_equal(object_count, 12);
	assert_true(scalar_count > 60);
}

static void without_one_character(void **state)
{
	(void)state;
	for (size_t at = 0; at < LEN; at++) {
		if (valid[at] == '"') {
			try(at, at + 1, "", false);
		} else if (strchr("{}()[],=", valid[at])) {
			try(at, at + 1, "", false);
		} else if (valid[at] == ';') {
			/* libconfig needs no semicolon: the next key ends the value. */
			try(at, at + 1, "", true);
		}
	}
}

static bool is_key(const struct assignment *it, const char *name)
{
	return it->key_end - it->key == strlen(name) &&
	       strncmp(valid + it->key, name, strlen(name)) == 0;
}

/* Which keys cannot be left out: those that their object needs, the identifiers
 * that EtherIP needs, the peers of the segment with identifier 0, and the lists
 * that others refer to. */
static bool is_needed(const struct assignment *it)
{
	static const char *const needed[] = {"name", "interface", "type",     "uplink", "segment",
					     "id",   "uplinks",	  "segments", "vid",	"trunk"};

	for (size_t i = 0; i < sizeof(needed) / sizeof(needed[0]); i++)
		if (is_key(it, needed[i]))
			return true;
	return is_key(it, "peers") && valid[it->value] == '"';
}

static void keys(void **state)
{
	(void)state;
	for (size_t i = 0; i < assignment_count; i++) {
		const struct assignment *it = &assignments[i];
		char again[1200];

		try(it->key_end, it->key_end, "x", false);
		try(it->key, it->key, "x_", false);
		try(it->key, it->key + 1, "*", false);
		(void)snprintf(again, sizeof(again), "%.*s", (int)(it->end - it->key),
			       valid + it->key);
		try(it->end, it->end, again, false);
		try(it->key, it->end, "", !is_needed(it));
	}
}

static void values(void **state)
{
	static const char *const others[] = {"1.5",	  "{ }",     "( { } )",	    "( ( ) )",
					     "\"\\x01\"", "[ 1.5 ]", "99999999999", ""};

	(void)state;
	for (size_t i = 0; i < scalar_count; i++) {
		size_t start = scalars[i].start, end = scalars[i].end;
		bool is_bool = valid[start] == 't' || valid[start] == 'f';
		bool in_list = valid[end] != ';';

		for (size_t k = 0; k < sizeof(others) / sizeof(others[0]); k++) {
			/* A list of one may lose its item, and be empty. */
			bool alone = valid[start - 2] == '[' && valid[end + 1] == ']';

			try(start, end, others[k], !*others[k] && in_list && alone);
		}
		if (valid[start] == '"') {
			try(start, end, "77777777", false);
			try(start, end, "true", false);
		} else {
			try(start, end, "\"word\"", false);
			try(start, end, is_bool ? "1" : "true", false);
		}
	}
	/* Lists and groups by each other and by scalars. */
	for (size_t i = 0; i < assignment_count; i++) {
		const struct assignment *it = &assignments[i];
		char open = valid[it->value];
		bool whole = is_key(it, "uplinks") || is_key(it, "segments") || is_key(it, "trunk");

		if (!strchr("{([", open))
			continue;
		try(it->value, it->value_end, "1.5", false);
		try(it->value, it->value_end, "\"word\"", false);
		try(it->value, it->value_end, "false", false);
		try(it->value, it->value_end, open == '{' ? "( )" : "{ x = 1; }", false);
		try(it->value, it->value_end, open == '{' ? "{ }" : "( )", !whole);
		try(it->value, it->value_end, "( ( ) )", false);
	}
}

static void whole_objects(void **state)
{
	(void)state;
	for (size_t i = 0; i < object_count; i++) {
		size_t start = objects[i].start, end = objects[i].end, cut = end;
		char again[1200];
		bool good;

		(void)snprintf(again, sizeof(again), "%.*s, ", (int)(end - start), valid + start);
		try(start, start, again, false);
		try(start, start, "{ }, ", false);
		try(start, start, "1, ", false);
		/* With its comma: nobody misses ports and encaps. */
		if (valid[cut] == ',')
			cut++;
		else
			while (start > 0 && valid[start] != ',' && valid[start] != '(')
				start--;
		if (valid[start] == '(')
			start++;
		good = strncmp(valid + objects[i].start, "{ type", 6) == 0 ||
		       strncmp(valid + objects[i].start, "{ name = \"vm", 12) == 0 ||
		       strncmp(valid + objects[i].start, "{ name = \"beta", 14) == 0;
		try(start, cut, "", good);
	}
}

static void replace(const char *what, const char *with, bool good)
{
	const char *at = strstr(valid, what);

	if (!at)
		fail_msg("not there: %s", what);
	try((size_t)(at - valid), (size_t)(at - valid) + strlen(what), with, good);
}

/* References, ranges, and what does not go together. */
static const struct {
	const char *what, *with;
	bool good;
} cases[] = {
    {"uplink = \"lan\"", "uplink = \"nolan\"", false},
    {"uplink = \"wan\"", "uplink = \"Wan\"", false},
    {"segment = \"alpha\"", "segment = \"alph\"", false},
    {"segment = \"gamma\"", "segment = \"lan\"", false},
    {"name = \"lan\"", "name = \"wan\"", false},
    {"name = \"lan\"", "name = \"lan2\"", false},
    {"name = \"alpha\"", "name = \"beta\"", false},
    {"name = \"gamma\"", "name = \"delta\"", false},
    {"name = \"beta\"", "name = \"delta\"", true},
    {"name = \"vm1\"", "name = \"vm2\"", false},
    {"name = \"vm1\"", "name = \"alpha\"", true},
    {"vid = 101", "vid = 0", false},
    {"vid = 101", "vid = 4095", false},
    {"vid = 101", "vid = -1", false},
    {"vid = 101", "vid = 0x65", true},
    {"trunk = (", "trunk = ( { vid = 101; segment = \"gamma\"; },", false},
    {"trunk = (", "trunk = ( { vid = 102; segment = \"alpha\"; },", false},
    {"trunk = (", "trunk = ( { vid = 102; segment = \"gamma\"; },", false},
    {"trunk = (", "indirect = true; trunk = ( { vid = 102; segment = \"gamma\"; },", true},
    {"trunk = (", "indirect = true; native = \"gamma\"; trunk = (", true},
    {"trunk = (", "native = \"gamma\"; trunk = (", false},
    {"trunk = (", "native = \"alpha\"; trunk = (", false},
    {"trunk = (", "native = \"gamma\"; segment = \"gamma\"; trunk = (", false},
    {"name = \"vm2\"", "name = \"has space\"", false},
    {"name = \"vm2\"", "name = \"\"", false},
    {"name = \"vm2\"", "name = \"longer-than-15-characters\"", false},
    {"name = \"vm2\"", "name = \"longer-than-15-characters\"; ifname = \"t\"", true},
    {"interface = \"eth1\"", "interface = \"eth0\"", false},
    {"interface = \"eth1\"", "interface = \"1234567890123456\"", false},
    {"fast = \"off\"", "fast = \"bpf\"", true},
    {"fast = \"off\"", "fast = \"auto\"", true},
    {"\"2001:db8::1\"", "\"198.51.100.7\"", false},
    {"\"2001:db8::1\"", "\"ff02::1\"", false},
    {"\"192.0.2.1\"", "\"192.0.2.1/24\"", false},
    {"\"192.0.2.1\"", "\"192.0.2.256\"", false},
    {"\"192.0.2.1\"", "\"224.0.0.5\"", false},
    {"\"192.0.2.1\"", "\"::\"", false},
    {"id = 1;", "id = 2;", true},
    {"id = 1;", "id = 0x0101;", true},
    {"id = 1;", "id = 256;", false},
    {"id = 1;", "id = 3840;", false},
    {"id = 1;", "id = 4096;", false},
    {"id = 1;", "id = -1;", false},
    {"id = 1;", "id = 0;", false}, /* a group, and plain peers */
    {"id = 1;", "id = 0x100000001;", false},
    {"id = 0;", "id = 1;", false}, /* that of alpha */
    {"id = 0;", "id = 3;", true},
    {"ageing = 60", "ageing = 1000001", false},
    {"ageing = 60", "ageing = -1", false},
    {"ageing = 60", "ageing = 0", true},
    {"fdb_max = 100", "fdb_max = 0", false},
    {"fdb_max = 100", "fdb_max = 4194305", false},
    {"fdb_max = 100", "fdb_max = 49", false}, /* below fdb_port_max */
    {"fdb_max = 100", "fdb_max = 50", true},
    {"fdb_port_max = 50", "fdb_port_max = 101", false},
    {"tags = \"pass\"", "tags = \"allow\"", false},
    {"0x03, 0x0e", "0x03, 0x01", false},
    {"0x03, 0x0e", "0x03, 0x10", false},
    {"[ 0x03, 0x0e ]", "3", true},
    {"storm = 0", "storm = 10000001", false},
    {"relay = false", "relay = true", true},
    {"group = \"239.192.0.1\"", "group = \"10.0.0.1\"", false},
    {"group = \"239.192.0.1\"", "group = \"239.192.0.9\"", true},
    {"\"192.0.2.0/24\"", "\"192.0.2.1/24\"", false},
    {"\"192.0.2.0/24\"", "\"192.0.2.0/33\"", false},
    {"ttl = 3", "ttl = 0", false},
    {"ttl = 3", "ttl = 256", false},
    {"transport = \"ip\"", "transport = \"udp\"", true},
    {"transport = \"ip\"", "transport = \"tcp\"", false},
    {"transport = \"ip\"", "port = 1", false},
    {"\"198.51.100.3\"", "\"198.51.100.2\"", false},
    {"\"198.51.100.3\"", "\"239.1.1.1\"", false},
    {"\"198.51.100.3\"", "\"198.51.100.9\"", true}, /* in beta too, which has id 0 */
    {"type = \"etherip\"", "type = \"vxlan\"", false},
    {"type = \"etherip\"", "type = \"Etherip\"", false},
    {"type = \"tap\"", "type = \"vde\"", false},
    {"type = \"tap\"", "type = \"etherip\"", false},
    {"ifname = \"tap0\"", "ifname = \"a/b\"", false},
    {"ifname = \"tap0\"", "ifname = \"\"", false},
    {"ifname = \"tap0\";\n    netns = \"vm1\"", "ifname = \"vm2\"", false},
    {"ifname = \"tap0\"", "ifname = \"vm2\"", true}, /* in another namespace */
    {"netns = \"vm1\"", "netns = \"../vm1\"", false},
    {"netns = \"vm1\"", "netns = \"/run/netns/vm1\"", true},
    {"mac = \"52", "mac = \"53", false},
    {"mac = \"52:54:00:00:00:01\"", "mac = \"00:00:00:00:00:00\"", false},
    {"mac = \"52:54:00:00:00:01\"", "mac = \"52:54:00:00:00\"", false},
    {"mtu = 1464", "mtu = 67", false},
    {"mtu = 1464", "mtu = 65536", false},
    {"mtu = 1464", "mtu = 68", true},
    {"macs = [ \"52", "macs = [ \"ff", false},
    {"\"10.1.0.0/16\"", "\"10.1.0.0/15\"", false},
    {"arp = true", "dns = true", false},
    {"state = \"locked\"", "state = \"shut\"", false},
    {"isolated = true;\n    macs", "services = ();\n macs", false},
    {"host = \"hostA\"", "host = \"host A\"", false},
    {"user = \"nobody\"", "user = \"no body\"", false},
    {"seccomp = false;", "policy = ( );", true},
    {"seccomp = false;", "junctions = ( );", true},
    {"seccomp = false;", "@include \"/etc\"\n", false},
    {"\nseccomp = false;", "\n@include \"/etc\"\n", false},
    {"seccomp = false;", "/* seccomp = false;", false},
    {"seccomp = false;", "// seccomp = false;", true},
    {"seccomp = false;", "# \"", true},
    {"seccomp = false;", "", true},
};

static void meanings(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		replace(cases[i].what, cases[i].with, cases[i].good);
}

/* Cut off at any place: an error, or what was complete until there. */
static void cut_off(void **state)
{
	char text[sizeof(valid)];

	(void)state;
	for (size_t len = 0; len < LEN; len++) {
		struct desired out = {.host = NULL};
		struct err err = {""};
		int depth = 0;
		bool quoted = false;

		memcpy(text, valid, len);
		text[len] = '\0';
		for (size_t i = 0; i < len; i++) {
			quoted ^= text[i] == '"';
			depth += !quoted && strchr("{([", text[i]) != NULL;
			depth -= !quoted && strchr("})]", text[i]) != NULL;
		}
		if (desired_parse(&out, text, "m.conf", &err) == 0) {
			assert_false(quoted);
			assert_int_equal(depth, 0);
			accepted++;
		} else {
			assert_ptr_equal(strstr(err.text, "m.conf:"), err.text);
			failed++;
		}
		desired_clear(&out);
	}
}

/* Random damage: whatever it comes to, there is a verdict and no crash. */
static void noise(void **state)
{
	static const char interesting[] = "{}()[];=\",:\\/*#@-0x9L.+ \nas\x01\xff";

	(void)state;
	srandom(7);
	for (int round = 0; round < 3000; round++) {
		char text[sizeof(valid)];
		struct desired out = {.host = NULL};
		struct err err = {""};

		memcpy(text, valid, sizeof(valid));
		for (long n = 1 + random() % 4; n > 0; n--)
			text[(size_t)random() % LEN] =
			    interesting[(size_t)random() % (sizeof(interesting) - 1)];
		if (desired_parse(&out, text, "m.conf", &err) < 0)
			assert_ptr_equal(strstr(err.text, "m.conf:"), err.text);
		desired_clear(&out);
	}
}

static int count(void **state)
{
	(void)state;
	print_message("%u mutations refused, %u accepted\n", failed, accepted);
	return failed >= 300 ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(as_it_is),	     cmocka_unit_test(without_one_character),
	    cmocka_unit_test(keys),	     cmocka_unit_test(values),
	    cmocka_unit_test(whole_objects), cmocka_unit_test(meanings),
	    cmocka_unit_test(cut_off),	     cmocka_unit_test(noise),
	};

	return cmocka_run_group_tests(tests, take_apart, count);
}
