/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The desired state: what the keys of the contract take and refuse, what is
 * checked between objects, owners, JSON, and size. Mutations of a whole file are
 * in test_config_mutate.c.
 */
#include "switchd/config.h"
#include "switchd/config_integrity.h"

#include <errno.h>
#include <glob.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "switchd/port/tap.h"

static bool parse(const char *text, struct desired *out, struct err *err)
{
	memset(out, 0, sizeof(*out));
	err->text[0] = '\0';
	return desired_parse(out, text, "f", err) == 0;
}

static void must(const char *text, struct desired *out)
{
	struct err err;

	if (!parse(text, out, &err))
		fail_msg("%s\n%s", err.text, text);
}

static void must_not(const char *text, const char *message)
{
	static const struct desired empty;
	struct desired out;
	struct err err;

	if (parse(text, &out, &err))
		fail_msg("accepted: %s", text);
	assert_string_equal(err.text, message);
	assert_memory_equal(&out, &empty, sizeof(out));
}

/* ---- One key at a time ---- */

struct pair {
	const char *key, *value;
};

static const struct pair uplink_base[] = {
    {"name", "\"u\""}, {"interface", "\"eth0\""}, {NULL, NULL}};
static const struct pair segment_base[] = {{"name", "\"s\""}, {NULL, NULL}};
static const struct pair etherip_base[] = {
    {"type", "\"etherip\""}, {"uplink", "\"u\""}, {NULL, NULL}};
static const struct pair port_base[] = {
    {"name", "\"p\""}, {"type", "\"tap\""}, {"segment", "\"s\""}, {NULL, NULL}};

/* The members of one object, with `key` set to `value`. */
static size_t object(char *buf, size_t size, const struct pair *base, const char *key,
		     const char *value)
{
	size_t used = 0;

	for (; base->key; base++)
		if (strcmp(base->key, key) != 0)
			used += (size_t)snprintf(buf + used, size - used, "%s = %s; ", base->key,
						 base->value);
	return used + (size_t)snprintf(buf + used, size - used, "%s%s%s%s", key, *key ? " = " : "",
				       value, *key ? ";" : "");
}

enum where { TOP, UPLINK, SEGMENT, ETHERIP, PORT, WHERES };

static void build(char *buf, size_t size, enum where where, const char *key, const char *value)
{
	char part[WHERES][900];

	(void)object(part[UPLINK], sizeof(part[0]), uplink_base, where == UPLINK ? key : "",
		     where == UPLINK ? value : "");
	(void)object(part[SEGMENT], sizeof(part[0]), segment_base, where == SEGMENT ? key : "",
		     where == SEGMENT ? value : "");
	(void)object(part[ETHERIP], sizeof(part[0]), etherip_base, where == ETHERIP ? key : "",
		     where == ETHERIP ? value : "");
	(void)object(part[PORT], sizeof(part[0]), port_base, where == PORT ? key : "",
		     where == PORT ? value : "");
	(void)snprintf(buf, size,
		       "uplinks = ( { %s } ); segments = ( { %s }, "
		       "{ name = \"e\"; id = 4095; encap = ( { %s } ); } ); ports = ( { %s } );",
		       part[UPLINK], part[SEGMENT], part[ETHERIP], part[PORT]);
	if (where == TOP)
		(void)snprintf(buf + strlen(buf), size - strlen(buf), "%s = %s;", key, value);
}

#define C62 "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
#define C94 C62 C32
#define C32 "/abcdefghijklmnopqrstuvwxyz/abcd"

#define N(interface) "\"netdev\"; interface = \"" interface "\""

static const struct {
	enum where where;
	const char *key;
	/* Values that are fine and values that are not, separated by '|'. */
	const char *good, *bad;
} every[] = {
    {TOP, "host", "\"a\"|\"A.b-c_9\"|\"" C62 "_\"",
     "\"\"|\"a b\"|\"" C62 "__\"|\"a/b\"|\"\xc3\xa4\""},
    {TOP, "control", "\"/x\"|\"x.sock\"|\"/" C62 "/" C32 "abcdefghijk\"",
     "\"\"|\"/" C62 "/" C32 "abcdefghijkl\""},
    {TOP, "user", "\"\"|\"nobody\"", "\"a b\"|0"},
    {TOP, "run_dir", "\"/run/x\"|\"" C94 "\"", "\"\"|\"" C94 "a\""},
    {TOP, "log_level", "\"error\"|\"warn\"|\"info\"|\"debug\"", "\"\"|\"Info\"|2"},
    {TOP, "ids", "\"own\"|\"shared\"", "\"other\"|true"},
    {TOP, "seccomp", "true|false|TRUE", "1|\"true\"|\"\""},
    {TOP, "domains", "()|( { name = \"a\"; }, { name = \"b\"; integrity = true; } )",
     "( {} )|( { name = \"\"; } )|( { name = \"a\"; integrity = 1; } )|"
     "( { name = \"a\"; }, { name = \"a\"; } )"},
    {TOP, "policy", "()", "( { from = \"a\"; to = \"b\"; flow = \"open\"; } )"},
    {TOP, "junctions", "()", "( {} )"},
    {TOP, "segment", "", "()"},
    {UPLINK, "name", "\"u\"", "\"x\"|\"\"|1"},
    {UPLINK, "interface", "\"e\"|\"eth0.100\"|\"123456789012345\"",
     "\"\"|\"1234567890123456\"|\"a/b\"|\"a b\"|\".\"|\"..\"|[ \"e\" ]"},
    {UPLINK, "address",
     "\"192.0.2.1\"|[]|[ \"192.0.2.1\" ]|( \"::1\" )|[ \"192.0.2.1\", \"2001:db8::1\" ]|"
     "[ \"2001:db8::1\", \"192.0.2.1\" ]",
     "\"\"|\"192.0.2.1/24\"|\"224.0.0.1\"|\"ff02::1\"|\"0.0.0.0\"|\"::\"|"
     "\"255.255.255.255\"|[ \"192.0.2.1\", \"192.0.2.2\" ]|[ \"::1\", \"::2\" ]|"
     "[ \"192.0.2.1\", \"::1\", \"192.0.2.2\" ]|\"eth0\""},
    {UPLINK, "fast", "\"off\"|\"auto\"|\"xdp\"|\"bpf\"", "\"on\"|true"},
    {UPLINK, "mtu", "", "1500"},
    {SEGMENT, "id", "0|1|255|257|4094|0xffe", "-1|256|0x800|3840|4096|\"1\"|4294967297"},
    {SEGMENT, "domain", "\"\"|\"red\"", "\"a b\"|1"},
    {SEGMENT, "ageing", "0|1|1000000", "-1|1000001|1.0"},
    {SEGMENT, "fdb_max", "1|4194304", "0|4194305"},
    {SEGMENT, "fdb_port_max", "0|1|8192", "-1|8193|4194305"},
    {SEGMENT, "tags", "\"drop\"|\"pass\"", "\"keep\"|false"},
    {SEGMENT, "reserved", "[]|0|0x0f|[ 0x00, 0x02, 0x03, 0x0e, 0x0f ]",
     "1|[ 0x00, 0x01 ]|16|-1|[ \"3\" ]"},
    {SEGMENT, "isolated", "true|false", "0"},
    {SEGMENT, "storm", "0|1|10000000", "-1|10000001"},
    {SEGMENT, "relay_id", "", "0|1|65535|65536|-1"},
    {SEGMENT, "encap", "()|[]",
     "{}|( {} )|( { type = \"dot1q\"; vid = 1; } )|( { type = \"macrewrite\"; } )|"
     "( { type = \"vxlan\"; } )|( { type = \"substrate\"; } )|( { type = \"gre\"; } )|"
     "( { type = \"etherip\"; } )|( { type = \"etherip\"; uplink = \"u\"; } )"},
    {SEGMENT, "policy", "", "\"open\""},
    {ETHERIP, "uplink", "\"u\"", "\"x\"|\"\"|1"},
    {ETHERIP, "relay", "false", "true|0"},
    {ETHERIP, "group", "\"239.192.0.1\"|\"ff18::1\"",
     "\"192.0.2.1\"|\"\"|[ \"239.192.0.1\" ]|\"224.0.0.1\""},
    {ETHERIP, "peers", "\"192.0.2.2\"|[ \"192.0.2.2\", \"2001:db8::2\" ]",
     "\"239.1.1.1\"|\"0.0.0.0\"|[ \"192.0.2.2\", \"192.0.2.2\" ]|\"x\""},
    {ETHERIP, "sources", "\"192.0.2.0/24\"|[ \"10.0.0.1\", \"2001:db8::/32\" ]",
     "\"192.0.2.1/24\"|1"},
    {ETHERIP, "nibbles", "\"rfc\"|\"swapped\"", "\"other\""},
    {ETHERIP, "ttl", "1|255", "0|256"},
    {ETHERIP, "transport", "\"ip\"|\"udp\"", "\"tcp\"|1"},
    {ETHERIP, "transport = \"udp\"; port", "1|49151", "0|49152|\"x\""},
    {ETHERIP, "port", "", "1234"},
    {ETHERIP, "oversize", "\"clip\"|\"fragment\"|\"drop\"", "\"\""},
    {ETHERIP, "clamp_mss", "true|false", "1"},
    {ETHERIP, "vid", "", "1"},
    {PORT, "name", "\"" C62 "_\"", "\"" C62 "__\"|\"\"|\"a b\"|1"},
    {PORT, "type", "\"tap\"", "\"vde\"|\"tun\"|\"\"|1"},
    {PORT, "segment", "\"s\"", "\"x\"|\"\"|1"},
    {PORT, "state", "\"open\"|\"locked\"", "\"up\"|true"},
    {PORT, "macs", "[]|\"52:54:00:00:00:01\"|[ \"52:54:00:00:00:01\", \"52-54-00-00-00-02\" ]",
     "\"01:00:5e:00:00:01\"|\"ff:ff:ff:ff:ff:ff\"|\"00:00:00:00:00:00\"|\"x\""},
    {PORT, "addresses", "[]|\"10.0.0.1\"|[ \"10.0.0.0/8\", \"::/0\" ]", "\"10.0.0.1/8\"|1"},
    {PORT, "guard", "{}|{ arp = true; dhcp = true; ra = true; mac = true; ip = true; }",
     "true|{ arp = 1; }|{ dns = true; }|( {} )"},
    {PORT, "isolated", "true|false", "\"no\""},
    {PORT, "services", "", "()"},
    {PORT, "ifname", "\"tap0\"|\"123456789012345\"", "\"\"|\"1234567890123456\"|\"a/b\"|1"},
    {PORT, "netns", "\"vm1\"|\"/run/netns/x\"", "\"\"|\"a/b\"|\"..\"|1"},
    {PORT, "mac", "\"52:54:00:00:00:01\"|\"02:00:00:00:00:00\"",
     "\"01:00:00:00:00:00\"|\"00:00:00:00:00:00\"|\"x\"|[ \"52:54:00:00:00:01\" ]"},
    {PORT, "mtu", "68|1464|65521", "0|67|65522|\"1500\""},
    {PORT, "trunk", "()|( { vid = 1; segment = \"e\"; } )|( { segment = \"e\"; vid = 4094; } )",
     "1|( 1 )|( { vid = 1; } )|( { segment = \"e\"; } )|( { vid = \"1\"; segment = \"e\"; } )|"
     "( { vid = 0; segment = \"e\"; } )|( { vid = 4095; segment = \"e\"; } )|"
     "( { vid = 1; segment = \"\"; } )|( { vid = 1; segment = \"e\"; mtu = 1; } )"},
    {PORT, "native", "", "\"s\"|\"\"|1"},
    /* A type with the keys that it needs, and more. */
    {PORT, "type", N("veth1") "|" N("vnet*") "|" N("e") "; take = true",
     "\"netdev\"|" N("") "|" N("*") "|" N("a*b") "|" N("a**") "|" N("a/b")},
    {PORT, "type", "",
     N("eth0") "|" N("1234567890123456") "|" N("e") "; take = 1|" N("e") "; ifname = \"f\""},
};

static void every_key(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(every) / sizeof(every[0]); i++) {
		for (int good = 0; good < 2; good++) {
			char *values = strdup(good ? every[i].good : every[i].bad);
			char *rest = values, *value;

			assert_non_null(values);
			while (*values && (value = strsep(&rest, "|")) != NULL) {
				char text[4000];
				struct desired out;
				struct err err;

				build(text, sizeof(text), every[i].where, every[i].key, value);
				/* A port of 63 characters needs another name for its TAP. */
				if (every[i].where == PORT && strcmp(every[i].key, "name") == 0)
					(void)snprintf(strstr(text, "type = \"tap\"; "), 200,
						       "type = \"tap\"; segment = \"s\"; "
						       "ifname = \"t\"; name = %s; } );",
						       value);
				if (parse(text, &out, &err) != (good != 0))
					fail_msg("%s: %s\n%s", good ? "refused" : "accepted",
						 err.text, text);
				if (!good && strncmp(err.text, "f:1: ", 5) != 0)
					fail_msg("no place: %s", err.text);
				if (!good && strchr(err.text, '\n'))
					fail_msg("two lines: %s", err.text);
				desired_clear(&out);
			}
			free(values);
		}
	}
}

static void defaults(void **state)
{
	const struct segment_conf *segment;
	const struct uplink_conf *uplink;
	const struct tap_conf *tap;
	struct desired out;

	(void)state;
	must("", &out);
	assert_true(config_name_ok(out.host));
	assert_string_equal(out.control, "/run/tvdswitch/switchd.sock");
	assert_string_equal(out.run_dir, "/run/tvdswitch");
	assert_string_equal(out.user, "");
	assert_int_equal(out.log_level, LOG_LEVEL_INFO);
	assert_int_equal(out.ids, IDS_OWN);
	assert_true(out.seccomp);
	desired_clear(&out);

	must("run_dir = \"/tmp/x\";", &out);
	assert_string_equal(out.control, "/tmp/x/switchd.sock");
	desired_clear(&out);
	must("run_dir = \"/tmp/x\"; control = \"/y\";", &out);
	assert_string_equal(out.control, "/y");
	desired_clear(&out);

	must("uplinks = ( { name = \"u\"; interface = \"eth0\"; } );"
	     "segments = ( { name = \"s\"; } );"
	     "ports = ( { name = \"p\"; type = \"tap\"; segment = \"s\"; } );",
	     &out);
	uplink = desired_uplink(&out, "u");
	assert_int_equal(uplink->fast, FAST_AUTO);
	assert_int_equal(uplink->addresses.count, 0);
	assert_string_equal(uplink->owner, OWNER_FILE);
	segment = desired_segment(&out, "s");
	assert_int_equal(segment->id, -1);
	assert_string_equal(segment->domain, "");
	assert_int_equal(segment->ageing, 300);
	assert_int_equal(segment->fdb_max, 8192);
	assert_int_equal(segment->fdb_port_max, 0);
	assert_int_equal(segment->tags, TAGS_DROP);
	assert_int_equal(segment->storm, 5000);
	assert_false(segment->isolated);
	tap = (const struct tap_conf *)desired_port(&out, "p");
	assert_int_equal(tap->common.state, PORT_OPEN);
	assert_string_equal(tap->common.owner, OWNER_FILE);
	assert_null(tap->ifname);
	assert_null(tap->netns);
	assert_int_equal(tap->mtu, 0);
	assert_ptr_equal(desired_port_at(&out, 0), tap);
	assert_null(desired_port(&out, "s"));
	assert_null(desired_segment(&out, "u"));
	desired_clear(&out);
}

#define U	 "uplinks = ( { name = \"u\"; interface = \"eth0\"; } );\n"
#define E(rest)	 "encap = ( { type = \"etherip\"; uplink = \"u\"; " rest " } );"
#define E1(rest) "{ type = \"etherip\"; uplink = \"u\"; " rest " }"

static char warned[2][512];
static unsigned warnings;

static void tell(const char *text)
{
	assert_true(warnings < 2);
	(void)snprintf(warned[warnings++], sizeof(warned[0]), "%s", text);
}

static void relays_that_may_not_be_meant(void **state)
{
	static const char text[] =
	    U "segments = ( { name = \"s\"; id = 1; storm = 0;\nencap = ( " E1(
		"relay = true;") ",\n"
				 "{ type = \"dot1q\"; uplink = \"u\"; vid = 5; } ); } );";
	static const char fine[] = U "segments = ( { name = \"s\"; id = 1; encap = ( " E1(
	    "relay = true; ttl = 9;") ","
				      "{ type = \"dot1q\"; uplink = \"u\"; vid = 5; } ); } );";
	struct desired one, two;
	struct err err;

	(void)state;
	memset(&one, 0, sizeof(one));
	memset(&two, 0, sizeof(two));
	assert_int_equal(desired_parse(&one, text, "f", &err), 0);
	assert_int_equal(desired_parse(&two, fine, "f", &err), 0);
	desired_warn(&two, NULL, tell);
	assert_int_equal(warnings, 0);
	desired_warn(&one, &two, tell);
	assert_int_equal(warnings, 2);
	assert_non_null(strstr(warned[0], "f:3: warning: segment \"s\": etherip encap: behind this "
					  "relay is a group with a ttl of 1"));
	assert_non_null(strstr(warned[1], "f:2: warning: segment \"s\": with storm = 0 nothing "));
	desired_warn(&one, &one, tell); /* it is known */
	assert_int_equal(warnings, 2);
	desired_clear(&one);
	desired_clear(&two);
}

static void between_objects(void **state)
{
	static const struct {
		const char *text, *message;
	} bad[] = {
	    {"uplinks = ( { name = \"u\"; interface = \"eth0\"; },\n"
	     "{ name = \"u\"; interface = \"eth1\"; } );",
	     "f:2: uplink \"u\" is there twice; the other is at f:1"},
	    {"uplinks = ( { name = \"u\"; interface = \"eth0\"; },\n"
	     "{ name = \"v\"; interface = \"eth0\"; } );",
	     "f:2: uplink \"v\": interface \"eth0\" is that of uplink \"u\" already"},
	    {"segments = ( { name = \"s\"; },\n{ name = \"t\"; },\n{ name = \"s\"; } );",
	     "f:3: segment \"s\" is there twice; the other is at f:1"},
	    {"segments = ( { name = \"s\"; id = 1; },\n{ name = \"t\"; id = 1; } );",
	     "f:2: segment \"t\": id 1 is that of \"s\" already; the other is at f:1"},
	    {"segments = ( { name = \"s\"; id = 512; } );",
	     "f:1: segment \"s\": key \"id\": 512 has a zero low byte, which peers that know no "
	     "identifiers take for 0"},
	    {"segments = ( { name = \"s\"; fdb_max = 10;\nfdb_port_max = 11; } );",
	     "f:1: segment \"s\": key \"fdb_port_max\": 11 is more than the segment's fdb_max "
	     "(10)"},
	    {"segments = ( { name = \"s\"; id = 1;\n" E("") " } );",
	     "f:2: segment \"s\": etherip encap: there is no uplink \"u\""},
	    {U "segments = ( { name = \"s\"; id = 1;\n" E("relay = true;") " } );",
	     "f:3: segment \"s\": etherip encap: key \"relay\": it is the only encap, so there is "
	     "nothing to relay to"},
	    {U "segments = ( { name = \"s\"; id = 1; encap = ( " E1("relay = true;") ",\n" E1(
		 "relay = true; peers = \"192.0.2.2\";") " ); } );",
	     "f:2: segment \"s\": etherip encap: key \"relay\": all encaps say it: the one that is "
	     "the relay's LAN must not"},
	    {U "segments = ( { name = \"s\"; id = 1; encap = ( " E1("") ",\n" E1(
		 "relay = true; peers = \"192.0.2.2\";") ",\n"
							 "{ type = \"dot1q\"; uplink = \"u\"; vid "
							 "= 5; } ); } );",
	     "f:4: segment \"s\": dot1q encap: this and the etherip encap are both without relay = "
	     "true: only one can be the relay's LAN"},
	    {U "segments = (\n{ name = \"s\"; id = 1; relay_id = 7; encap = ( " E1("") " ); } );",
	     "f:3: segment \"s\": key \"relay_id\" is for relays, and no encap says relay = true"},
	    {"segments = ( { name = \"s\"; } );\n"
	     "ports = ( { name = \"p\"; type = \"tap\"; segment = \"t\"; } );",
	     "f:2: port \"p\": there is no segment \"t\""},
	    {"segments = ( { name = \"s\"; domain = \"alpha\"; } );\n"
	     "ports = ( { name = \"p\"; type = \"tap\"; segment = \"s\"; domain = \"beta\"; } );",
	     "f:2: port \"p\" is for domain \"beta\", and segment \"s\" belongs to domain "
	     "\"alpha\""},
	    {"segments = ( { name = \"s\"; } );\n"
	     "ports = ( { name = \"p\"; type = \"tap\"; segment = \"s\"; domain = \"beta\"; } );",
	     "f:2: port \"p\" is for domain \"beta\", and segment \"s\" belongs to none"},
	    {"segments = ( { name = \"s\"; domain = \"alpha\"; } );\n"
	     "ports = ( { name = \"p\"; type = \"tap\"; segment = \"s\"; domain = \"\"; } );",
	     "f:2: port \"p\" is for the default domain, and segment \"s\" belongs to domain "
	     "\"alpha\""},
	    {"segments = ( { name = \"s\"; domain = \"alpha\"; }, { name = \"t\"; } );\n"
	     "ports = ( { name = \"p\"; type = \"tap\"; segment = \"s\"; domain = \"alpha\";\n"
	     "trunk = ( { vid = 7; segment = \"t\"; } ); } );",
	     "f:2: port \"p\" is for domain \"alpha\", and segment \"t\" belongs to none"},
	    {"segments = ( { name = \"s\"; } );\n"
	     "ports = ( { name = \"p\"; type = \"netdev\"; segment = \"s\"; interface = \"x*\";\n"
	     "ifindex = 3; } );",
	     "f:2: port \"p\": key \"ifindex\" is for one interface, not for a wildcard"},
	    {"segments = ( { name = \"s\"; } );\n"
	     "ports = ( { name = \"p\"; type = \"netdev\"; segment = \"s\"; interface = \"x\"; },\n"
	     "{ name = \"q\"; type = \"netdev\"; segment = \"s\"; interface = \"x\"; ifindex = 3; "
	     "} );",
	     "f:3: port \"q\" and port \"p\" want the same interface; the other is at f:2"},
	    {"segments = ( { name = \"s\"; } );\n"
	     "ports = ( { name = \"p\"; type = \"stream\"; segment = \"s\"; path = \"/x\"; },\n"
	     "{ name = \"q\"; type = \"stream\"; segment = \"s\"; path = \"/x\"; } );",
	     "f:3: port \"q\" and port \"p\" want the same socket; the other is at f:2"},
	    {"segments = ( { name = \"s\"; } );\n"
	     "ports = ( { name = \"p\"; type = \"tap\"; segment = \"s\"; ifname = \"a\"; },\n"
	     "{ name = \"p\"; type = \"tap\"; segment = \"s\"; ifname = \"b\"; } );",
	     "f:3: port \"p\" is there twice; the other is at f:2"},
	    {"segments = ( { name = \"s\"; } );\n"
	     "ports = ( { name = \"p\"; type = \"tap\"; segment = \"s\"; },\n"
	     "{ name = \"q\"; type = \"tap\"; segment = \"s\"; ifname = \"p\"; } );",
	     "f:3: port \"q\" and port \"p\" want the same interface; the other is at f:2"},
	    {U "segments = ( { name = \"s\"; id = 0; " E(
		 "peers = \"192.0.2.2\";") " },\n"
					   "{ name = \"t\"; id = 0; " E(
					       "peers = \"192.0.2.2\";") " } );",
	     "f:3: segment \"t\": this etherip encap and one of segment \"s\" cannot both be: "
	     "frames could not be told apart"},
	    {U "segments = ( { name = \"s\"; id = 1; encap = ( { type = \"etherip\"; uplink = "
	       "\"u\"; },\n{ type = \"etherip\"; uplink = \"u\"; } ); } );",
	     "f:3: segment \"s\": this etherip encap and one of segment \"s\" cannot both be: "
	     "frames could not be told apart"},
	    {"uplinks = ( { name = \"u\"; interface = \"eth0\"; fast = \"bpf\"; } );\n"
	     "segments = ( { name = \"s\"; encap = (\n{ type = \"dot1q\"; uplink = \"u\"; vid = 5; "
	     "} "
	     "); } );",
	     "f:3: segment \"s\": this dot1q encap cannot be on uplink \"u\": key \"fast\" is "
	     "\"bpf\" "
	     "there"},
	};
	struct desired out;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		must_not(bad[i].text, bad[i].message);
	/* A group for the LAN and peers elsewhere; plain peers that differ; one
	 * name for things of different kinds; one ifname in two namespaces. */
	must(U
	     "segments = ( { name = \"u\"; id = 1; encap = (\n"
	     "{ type = \"etherip\"; uplink = \"u\"; group = \"239.192.0.1\"; },\n"
	     "{ type = \"etherip\"; uplink = \"u\"; peers = [ \"198.51.100.2\" ]; } ); },\n"
	     "{ name = \"s\"; id = 0; " E(
		 "peers = \"192.0.2.2\";") " },\n"
					   "{ name = \"t\"; id = 0; " E(
					       "peers = \"192.0.2.3\";") " } );\n"
									 "ports = ( { name = "
									 "\"u\"; type = \"tap\"; "
									 "segment = \"u\"; ifname "
									 "= \"e\"; netns = "
									 "\"a\"; },\n{ name = "
									 "\"v\"; type = \"tap\"; "
									 "segment = \"u\"; ifname "
									 "= \"e\"; netns = "
									 "\"b\"; } );",
	     &out);
	assert_int_equal(desired_segment(&out, "u")->encaps.count, 2);
	desired_clear(&out);
}

/* What a backend says against its configuration arrives with place and segment. */
static void backend_says(void **state)
{
	struct desired out;
	struct err err;

	(void)state;
	assert_false(parse(U "segments = ( { name = \"s\";\n" E("") " } );", &out, &err));
	assert_ptr_equal(strstr(err.text, "f:3: segment \"s\": etherip"), err.text);
	assert_false(parse("segments = ( { name = \"s\"; } );\n"
			   "ports = ( { name = \"p\"; type = \"tap\"; segment = \"s\";\n"
			   "mac = \"01:00:00:00:00:00\"; } );",
			   &out, &err));
	assert_ptr_equal(strstr(err.text, "f:2: port \"p\": "), err.text);
	assert_null(strstr(err.text + 15, "port \"p\""));
}

/* ---- Owners, JSON ---- */

static int add(struct desired *desired, const char *kind, const char *text, struct err *err)
{
	json_t *json = json_loads(text, 0, NULL);
	int r;

	assert_non_null(json);
	err->text[0] = '\0';
	r = desired_add(desired, kind, json, OWNER_CLI, err);
	json_decref(json);
	return r;
}

static int set(struct desired *desired, const char *kind, const char *name, const char *keys,
	       struct err *err)
{
	json_t *json = json_loads(keys, 0, NULL);
	int ret;

	assert_non_null(json);
	ret = desired_set(desired, kind, name, json, err);
	json_decref(json);
	return ret;
}

/* An object gets other keys in its place in the list, or stays as it was. */
static void set_keys(void **state)
{
	struct desired desired = {.host = NULL};
	struct err err = {""};

	(void)state;
	assert_int_equal(
	    desired_parse(
		&desired,
		"segments = ( { name = \"a\"; ageing = 7; }, { name = \"b\"; } );"
		"ports = ( { name = \"p\"; type = \"tap\"; segment = \"a\"; mtu = 1400; },"
		" { name = \"q\"; type = \"tap\"; segment = \"b\"; } );",
		"test", &err),
	    0);
	assert_int_equal(set(&desired, "segment", "a", "{\"ageing\": 20}", &err), 0);
	assert_int_equal(desired_segment(&desired, "a")->ageing, 20);
	assert_string_equal(desired_at(&desired, DESIRED_SEGMENT, 0)->name, "a");
	assert_string_equal(desired_segment(&desired, "a")->owner, OWNER_FILE);
	assert_int_equal(set(&desired, "segment", "a", "{\"ageing\": null}", &err), 0);
	assert_int_equal(desired_segment(&desired, "a")->ageing, 300);
	assert_int_equal(set(&desired, "port", "p", "{\"segment\": \"b\"}", &err), 0);
	assert_string_equal(desired_port_at(&desired, 0)->name, "p");
	assert_string_equal(desired_port(&desired, "p")->segment, "b");
	assert_int_equal(set(&desired, "port", "p", "{\"colour\": 1}", &err), -EINVAL);
	assert_string_equal(desired_port(&desired, "p")->segment, "b");
	assert_int_equal(set(&desired, "port", "x", "{\"mtu\": 1}", &err), -ENOENT);
	assert_int_equal(desired_check(&desired, &err), 0);
	desired_clear(&desired);
}

static void add_and_del(void **state)
{
	struct desired out;
	struct err err;

	(void)state;
	must("segments = ( { name = \"s\"; } );", &out);
	assert_int_equal(add(&out, "port",
			     "{\"name\": \"p\", \"type\": \"tap\", \"segment\": \"s\", \"mtu\": "
			     "\"1464\", \"guard\": \"arp,mac\"}",
			     &err),
			 0);
	assert_int_equal(desired_check(&out, &err), 0);
	assert_string_equal(desired_port(&out, "p")->owner, OWNER_CLI);
	assert_int_equal(((const struct tap_conf *)desired_port(&out, "p"))->mtu, 1464);
	assert_true(desired_port(&out, "p")->guard.mac);
	assert_int_equal(
	    add(&out, "port", "{\"name\": \"p\", \"type\": \"tap\", \"segment\": \"s\"}", &err),
	    -EEXIST);
	assert_string_equal(err.text, "port \"p\" exists already");
	assert_int_equal(
	    add(&out, "port", "{\"name\": \"q\", \"type\": \"vde\", \"segment\": \"s\"}", &err),
	    -EINVAL);
	assert_string_equal(err.text, "vde port \"q\": key \"path\" is missing");
	assert_int_equal(add(&out, "port", "{\"name\": \"q\"}", &err), -EINVAL);
	assert_string_equal(err.text, "port \"q\": key \"type\" is missing");
	assert_int_equal(add(&out, "port", "[]", &err), -EINVAL);
	assert_int_equal(add(&out, "host", "{}", &err), -EINVAL);
	assert_string_equal(err.text, "there is no kind of object \"host\"");
	assert_int_equal(out.ports.count, 1);

	/* It parses, but refers to nothing: the check of the whole says so. */
	assert_int_equal(
	    add(&out, "port", "{\"name\": \"q\", \"type\": \"tap\", \"segment\": \"x\"}", &err), 0);
	assert_int_equal(desired_check(&out, &err), -EINVAL);
	assert_string_equal(err.text, "port \"q\": there is no segment \"x\"");
	assert_int_equal(add(&out, "segment", "{\"name\": \"x\", \"id\": \"0x101\"}", &err), 0);
	assert_int_equal(add(&out, "uplink", "{\"name\": \"u\", \"interface\": \"eth0\"}", &err),
			 0);
	assert_int_equal(desired_check(&out, &err), 0);
	assert_int_equal(desired_segment(&out, "x")->id, 257);

	assert_int_equal(desired_del(&out, "port", "nobody", &err), -ENOENT);
	assert_string_equal(err.text, "there is no port \"nobody\"");
	assert_int_equal(desired_del(&out, "ports", "p", &err), -EINVAL);
	assert_int_equal(desired_del(&out, "port", "p", &err), 0);
	assert_null(desired_port(&out, "p"));
	assert_non_null(desired_port(&out, "q"));
	assert_int_equal(desired_del(&out, "segment", "x", &err), -EBUSY);
	assert_string_equal(err.text, "segment \"x\" has ports, \"q\" among them: delete or "
				      "move them first");
	assert_int_equal(desired_del(&out, "port", "q", &err), 0);
	assert_int_equal(desired_del(&out, "segment", "x", &err), 0);
	assert_int_equal(desired_del(&out, "uplink", "u", &err), 0);
	assert_int_equal(desired_check(&out, &err), 0);
	assert_int_equal(out.ports.count + out.uplinks.count, 0);
	desired_clear(&out);
}

static void reload_keeps(void **state)
{
	struct desired live, next;
	struct err err;

	(void)state;
	must("segments = ( { name = \"s\"; }, { name = \"t\"; } );\n"
	     "ports = ( { name = \"p\"; type = \"tap\"; segment = \"s\"; } );",
	     &live);
	assert_int_equal(add(&live, "port",
			     "{\"name\": \"q\", \"type\": \"tap\", \"segment\": \"s\", "
			     "\"macs\": \"52:54:00:00:00:01\"}",
			     &err),
			 0);
	assert_int_equal(add(&live, "segment", "{\"name\": \"c\", \"id\": 7}", &err), 0);

	must("segments = ( { name = \"s\"; } );", &next);
	assert_int_equal(desired_keep(&next, &live, &err), 0);
	assert_int_equal(desired_check(&next, &err), 0);
	assert_int_equal(next.ports.count, 1);
	assert_int_equal(next.segments.count, 2);
	assert_string_equal(desired_port(&next, "q")->owner, OWNER_CLI);
	assert_int_equal(desired_port(&next, "q")->macs.count, 1);
	assert_int_equal(desired_segment(&next, "c")->id, 7);
	desired_clear(&next);

	/* The file now has the name, the identifier, or the interface itself, or
	 * has lost what is referred to. */
	must("segments = ( { name = \"s\"; } );\n\n"
	     "ports = ( { name = \"q\"; type = \"tap\"; segment = \"s\"; } );",
	     &next);
	assert_int_equal(desired_keep(&next, &live, &err), 0);
	assert_int_equal(desired_check(&next, &err), -EINVAL);
	assert_string_equal(
	    err.text, "f:3: port \"q\" is there twice: the one here by file, the other by cli");
	desired_clear(&next);
	must("segments = ( { name = \"s\"; },\n{ name = \"t\"; id = 7; } );", &next);
	assert_int_equal(desired_keep(&next, &live, &err), 0);
	assert_int_equal(desired_check(&next, &err), -EINVAL);
	assert_string_equal(err.text, "f:2: segment \"c\": id 7 is that of \"t\" already: the one "
				      "here by file, the other by cli");
	desired_clear(&next);
	must("segments = ( { name = \"t\"; } );", &next);
	assert_int_equal(desired_keep(&next, &live, &err), 0);
	assert_int_equal(desired_check(&next, &err), -EINVAL);
	assert_string_equal(err.text, "port \"q\": there is no segment \"s\"");
	desired_clear(&next);
	desired_clear(&live);
}

/* ---- Files ---- */

static void examples(void **state)
{
	glob_t found;

	(void)state;
	assert_int_equal(glob("conf/examples/*.conf", 0, NULL, &found), 0);
	assert_true(found.gl_pathc >= 5);
	for (size_t i = 0; i < found.gl_pathc; i++) {
		struct desired a = {.host = NULL}, b = {.host = NULL};
		struct err err = {""};
		json_t *json;

		if (desired_load(&a, found.gl_pathv[i], &err) < 0)
			fail_msg("%s", err.text);
		/* To JSON and back, and a copy: the same in every way. */
		json = conf_to_json(&desired_schema, &a);
		if (!conf_parse_json(&desired_schema, json, &b, &err))
			fail_msg("%s", err.text);
		json_decref(json);
		assert_true(config_policy_name(&b)); /* of those that have none */
		assert_true(config_integrity(&b, &err));
		assert_true(config_policy_complete(&b));
		for (const struct conf_key *key = desired_schema.keys; key->name; key++)
			if (conf_given(&desired_schema, &a, key->name))
				assert_true(conf_key_equal(&desired_schema, &a, &b, key->name));
		desired_clear(&b);
		assert_int_equal(desired_copy(&b, &a, &err), 0);
		assert_true(conf_equal(&desired_schema, &a, &b));
		assert_string_equal(
		    desired_segment(&b, desired_at(&a, DESIRED_SEGMENT, 0)->name)->owner,
		    OWNER_FILE);
		desired_clear(&a);
		assert_int_equal(desired_check(&b, &err), 0);
		desired_clear(&b);
	}
	globfree(&found);
}

static void files(void **state)
{
	static const char with_nul[] = "host = \"a\";\n\0host = 1;";
	char dir[] = "/tmp/test_config.XXXXXX", path[64], wanted[200];
	struct desired out = {.host = NULL};
	struct err err;
	FILE *file;

	(void)state;
	assert_non_null(mkdtemp(dir));
	(void)snprintf(path, sizeof(path), "%s/c.conf", dir);
	assert_int_equal(desired_load(&out, path, &err), -ENOENT);
	(void)snprintf(wanted, sizeof(wanted),
		       "%s: cannot read the configuration: No such file or directory", path);
	assert_string_equal(err.text, wanted);
	assert_int_equal(desired_load(&out, dir, &err), -EISDIR);
	(void)snprintf(wanted, sizeof(wanted), "%s: cannot read the configuration: Is a directory",
		       dir);
	assert_string_equal(err.text, wanted);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(with_nul, 1, sizeof(with_nul), file), sizeof(with_nul));
	assert_int_equal(fclose(file), 0);
	assert_int_equal(desired_load(&out, path, &err), -EINVAL);
	(void)snprintf(wanted, sizeof(wanted), "%s:2: a NUL byte: this is no text file", path);
	assert_string_equal(err.text, wanted);
	/* An empty file is a configuration: nothing is desired. */
	assert_int_equal(truncate(path, 0), 0);
	assert_int_equal(desired_load(&out, path, &err), 0);
	desired_clear(&out);
	assert_int_equal(chmod(path, 0), 0);
	if (access(path, R_OK) < 0)
		assert_int_equal(desired_load(&out, path, &err), -EACCES);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(dir), 0);
}

/* ---- Size ---- */

#define SEGMENTS 10000u
#define PORTS	 1000u

static char *large(unsigned segments, unsigned ports)
{
	size_t size = 1000 + segments * 200ul + ports * 120ul, used = 0;
	char *text = malloc(size);
	unsigned id = 0;

	assert_non_null(text);
	used += (size_t)snprintf(text, size, U "segments = (");
	for (unsigned i = 0; i < segments; i++) {
		used += (size_t)snprintf(text + used, size - used, "%s\n{ name = \"s%u\"; ",
					 i ? "," : "", i);
		/* All identifiers first, then plain peers. */
		id += id < 4096;
		id += (id & 0xff) == 0;
		if (id < 4096)
			used +=
			    (size_t)snprintf(text + used, size - used, "id = %u; " E("") " }", id);
		else
			used += (size_t)snprintf(text + used, size - used,
						 "id = 0; " E("peers = \"10.%u.%u.%u\";") " }",
						 i >> 16, i >> 8 & 0xff, i & 0xff);
	}
	used += (size_t)snprintf(text + used, size - used, ");\nports = (");
	for (unsigned i = 0; i < ports; i++)
		used +=
		    (size_t)snprintf(text + used, size - used,
				     "%s\n{ name = \"p%u\"; type = \"tap\"; segment = \"s%u\"; }",
				     i ? "," : "", i, i * 7 % segments);
	(void)snprintf(text + used, size - used, ");\n");
	return text;
}

static void many(void **state)
{
	char *text = large(SEGMENTS, PORTS);
	struct desired out;
	uint64_t start;

	(void)state;
	start = clock_ms();
	must(text, &out);
	/* A fifth of a second without sanitizers; much more would be a loop too many. */
	print_message("%u segments and %u ports: %u ms\n", SEGMENTS, PORTS,
		      (unsigned)(clock_ms() - start));
	assert_int_equal(out.segments.count, SEGMENTS);
	assert_int_equal(out.ports.count, PORTS);
	assert_int_equal(desired_segment(&out, "s9999")->head.line, 10002);
	desired_clear(&out);
	free(text);
}

static void too_many(void **state)
{
	size_t size = 65536ul * 24 + 100, used;
	char *text = malloc(size);
	struct desired out;

	(void)state;
	assert_non_null(text);
	used = (size_t)snprintf(text, size, "segments = ({name=\"x\";}");
	for (unsigned i = 1; i < 65535; i++)
		used += (size_t)snprintf(text + used, size - used, ",\n{name=\"%u\";}", i);
	(void)snprintf(text + used, size - used, ");");
	must(text, &out);
	desired_clear(&out);
	(void)snprintf(text + used, size - used, ",\n{name=\"last\";});");
	must_not(text, "f:65536: segment \"last\": more than 65535 segments");
	free(text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(every_key),
	    cmocka_unit_test(defaults),
	    cmocka_unit_test(relays_that_may_not_be_meant),
	    cmocka_unit_test(between_objects),
	    cmocka_unit_test(backend_says),
	    cmocka_unit_test(add_and_del),
	    cmocka_unit_test(set_keys),
	    cmocka_unit_test(reload_keeps),
	    cmocka_unit_test(examples),
	    cmocka_unit_test(files),
	    cmocka_unit_test(many),
	    cmocka_unit_test(too_many),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
