/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Domains, policy entries and junctions in the configuration.
 */
#include "switchd/config.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

/* Three domains with a segment each, and one segment of none. */
#define SEGMENTS                                                                                   \
	"host = \"h\"; domains = ( { name = \"far\"; } ); segments = (\n"                          \
	" { name = \"a\"; domain = \"alpha\"; }, { name = \"b\"; domain = \"beta\"; },\n"          \
	" { name = \"c\"; domain = \"gamma\"; }, { name = \"n\"; } );\n"

static bool parse(const char *rest, struct desired *out, struct err *err)
{
	char text[2000];

	(void)snprintf(text, sizeof(text), SEGMENTS "%s", rest);
	memset(out, 0, sizeof(*out));
	err->text[0] = '\0';
	return desired_parse(out, text, "f", err) == 0;
}

static const struct {
	const char *text, *says; /* NULL: it is fine */
} cases[] = {
    {"policy = ( { from = \"alpha\"; to = \"beta\"; flow = \"closed\"; indirect = true; } );",
     NULL},
    {"policy = ( { from = \"alpha\"; to = \"\"; flow = \"closed\"; log = true; } );", NULL},
    {"policy = ( { from = \"far\"; to = \"alpha\"; flow = \"closed\"; side = \"in\"; } );", NULL},
    {"policy = ( { from = \"alpha\"; flow = \"closed\"; } );",
     "f:4: policy: key \"to\" is missing"},
    {"policy = ( { from = \"alpha\"; to = \"beta\"; } );", "f:4: policy: key \"flow\" is missing"},
    {"policy = ( { from = \"alpha\"; to = \"beta\"; flow = \"half\"; } );",
     "f:4: policy: key \"flow\": \"half\" is not one of \"closed\", \"controlled\", \"open\""},
    {"policy = ( { from = \"alpha\"; to = \"delta\"; flow = \"closed\"; } );", NULL},
    {"policy = ( { from = \"x\"; to = \"y\"; flow = \"closed\"; } );", NULL},
    {"policy = ( { from = \"alpha\"; to = \"delta\"; flow = \"open\"; } );",
     "f:4: policy \"alpha:delta\": key \"to\": there is no domain \"delta\": no segment belongs "
     "to it, and \"domains\" does not list it"},
    {"ports = ( { name = \"p\"; type = \"tap\"; segment = \"a\"; } ); policy = ( { from = "
     "\"alpha\"; "
     "to = \"delta\"; flow = \"controlled\"; allow = ( { filter = \"tcp\"; } ); } );",
     NULL},
    {"ports = ( { name = \"p\"; type = \"tap\"; segment = \"a\"; } ); policy = ( { from = "
     "\"alpha\"; "
     "to = \"far\"; flow = \"controlled\"; allow = ( { filter = \"tcp\"; } ); } );",
     "f:4: policy \"alpha:far\": port \"p\" is in domain \"alpha\" here, and so a segment of "
     "domain "
     "\"far\" has to be: each host with ports in one of two joined segments carries both"},
    {"policy = ( { from = \"alpha\"; to = \"alpha\"; flow = \"closed\"; } );",
     "f:4: policy \"alpha:alpha\": a domain is open to itself, always"},
    {"policy = ( { from = \"alpha\"; to = \"beta\"; flow = \"closed\"; mode = \"audit\"; } );",
     "f:4: policy \"alpha:beta\": mode = \"audit\" is for controlled flows, and this one is "
     "closed"},
    {"policy = ( { from = \"alpha\"; to = \"beta\"; flow = \"open\"; allow = ( { filter = \"ip\"; "
     "} ); } );",
     "f:4: policy \"alpha:beta\": key \"allow\" is for controlled flows, and this one is open"},
    {"policy = ( { from = \"alpha\"; to = \"beta\"; flow = \"controlled\"; } );",
     "f:4: policy \"alpha:beta\": a controlled flow without \"allow\" lets nothing through: say "
     "flow = \"closed\""},
    {"policy = ( { name = \"x\"; from = \"alpha\"; to = \"beta\"; flow = \"controlled\";\n"
     "allow = ( { filter = \"ip\"; pickup = true; } ); } );",
     "f:5: policy \"x\": key \"pickup\" is for rules that are stateful"},
    {"policy = ( { from = \"alpha\"; to = \"beta\"; flow = \"controlled\"; allow = ( { filter = \" "
     "\"; } ); } );",
     "f:4: policy: rule: key \"filter\": \" \" is not a pcap-filter(7) expression of 1 to 4096 "
     "characters"},
    {"policy = ( { from = \"alpha\"; to = \"beta\"; flow = \"closed\"; },\n"
     " { from = \"alpha\"; to = \"beta\"; flow = \"closed\"; } );",
     "f:5: policy \"alpha:beta\" is there twice; the other is at f:4"},
    {"junctions = ( { name = \"j\"; segments = [ \"a\" ]; } );",
     "f:4: junction \"j\": key \"segments\": a junction joins two segments or more"},
    {"junctions = ( { name = \"j\"; segments = [ \"a\", \"x\" ]; } );",
     "f:4: junction \"j\": there is no segment \"x\""},
    {"junctions = ( { name = \"j\"; segments = [ \"a\", \"b\", \"a\" ]; } );",
     "f:4: junction \"j\": key \"segments\": \"a\" is there twice"},
    {"junctions = ( { name = \"j\"; segments = [ \"a\", \"b\" ]; type = \"gateway\"; } );",
     "f:4: junction \"j\": key \"gateway\" is missing"},
    {"junctions = ( { name = \"j\"; segments = [ \"a\", \"b\" ];\n"
     " gateway = ( { segment = \"a\"; address = \"10.1.0.1/24\"; } ); } );",
     "f:4: junction \"j\": key \"gateway\" is for type = \"gateway\""},
    {"junctions = ( { name = \"j\"; segments = [ \"a\", \"b\" ]; type = \"gateway\";\n"
     " gateway = ( { segment = \"c\"; address = \"10.1.0.1/24\"; } ); } );",
     "f:5: junction \"j\": key \"gateway\": segment \"c\" is none of its segments"},
    {"junctions = ( { name = \"j\"; segments = [ \"a\", \"b\" ]; type = \"gateway\";\n"
     " gateway = ( { segment = \"a\"; address = \"10.1.0.1/24\"; },\n"
     " { segment = \"a\"; address = \"10.2.0.1/24\"; } ); } );",
     "f:6: junction \"j\": key \"gateway\": segment \"a\" has an address of that family already"},
    {"junctions = ( { name = \"j\"; segments = [ \"a\", \"b\" ]; type = \"gateway\";\n"
     " gateway = ( { segment = \"a\"; address = \"10.1.0.1\"; } ); } );",
     "f:5: junction \"j\": gateway: key \"address\": \"10.1.0.1\" is not an IP address with the "
     "length of its subnet (\"address/length\")"},
    {"junctions = ( { name = \"j\"; segments = [ \"a\", \"b\" ]; type = \"gateway\";\n"
     " gateway = ( { segment = \"a\"; address = \"10.1.0.1/24\"; },\n"
     " { segment = \"b\"; address = \"10.2.0.1/24\"; } ); } );",
     NULL},
    {"junctions = ( { name = \"j\"; segments = [ \"a\", \"b\" ]; type = \"gateway\";\n"
     " gateway = ( { segment = \"a\"; address = \"10.1.0.1/24\"; },\n"
     " { segment = \"b\"; address = \"10.2.0.1/24\"; } ); foreign = \"here\"; } );",
     NULL},
    {"junctions = ( { name = \"j\"; segments = [ \"a\", \"b\" ]; type = \"gateway\";\n"
     " gateway = ( { segment = \"a\"; address = \"10.1.0.1/24\"; } ); } );",
     "f:4: junction \"j\": key \"gateway\": segment \"b\" has no address"},
    {"junctions = ( { name = \"j\"; segments = [ \"a\", \"b\" ]; type = \"gateway\";\n"
     " gateway = ( { segment = \"a\"; address = \"10.1.0.1/16\"; },\n"
     " { segment = \"b\"; address = \"10.1.2.1/24\"; } ); } );",
     "f:6: junction \"j\": key \"gateway\": the subnets 10.1.2.1/24 of segment \"b\" and "
     "10.1.0.1/16 of segment \"a\" overlap"},
    {"junctions = ( { name = \"j\"; segments = [ \"a\", \"b\" ]; type = \"gateway\";\n"
     " gateway = ( { segment = \"a\"; address = \"10.1.0.0/24\"; },\n"
     " { segment = \"b\"; address = \"10.2.0.1/24\"; } ); } );",
     "f:5: junction \"j\": key \"gateway\": no station can have the address 10.1.0.0/24"},
    {"junctions = ( { name = \"j\"; segments = [ \"a\", \"b\" ]; type = \"gateway\";\n"
     " gateway = ( { segment = \"a\"; address = \"10.1.0.1/24\"; },\n"
     " { segment = \"b\"; address = \"10.2.0.255/24\"; } ); } );",
     "f:6: junction \"j\": key \"gateway\": no station can have the address 10.2.0.255/24"},
    {"junctions = ( { name = \"j\"; segments = [ \"a\", \"b\" ]; type = \"gateway\";\n"
     " gateway = ( { segment = \"a\"; address = \"fe80::1/64\"; },\n"
     " { segment = \"b\"; address = \"fd00::1/64\"; } ); } );",
     "f:5: junction \"j\": key \"gateway\": no station can have the address fe80::1/64"},
    {"junctions = ( { name = \"j\"; segments = [ \"a\", \"b\" ]; type = \"gateway\";\n"
     " gateway = ( { segment = \"a\"; address = \"10.1.0.1/24\"; },\n"
     " { segment = \"b\"; address = \"10.2.0.1/24\"; } );\n at = [ \"x\" ]; foreign = \"y\"; } );",
     "f:4: junction \"j\": key \"foreign\": host \"y\" is not in \"at\""},
    {"junctions = ( { name = \"j\"; segments = [ \"a\", \"b\" ]; foreign = \"x\"; } );",
     "f:4: junction \"j\": key \"foreign\" is for type = \"gateway\""},
};

/* ---- as a whole ---- */

#define ENTRY(from, to, flow) "{ from = \"" from "\"; to = \"" to "\"; flow = \"" flow "\"; }"
#define MEANT(from, to)                                                                            \
	"{ from = \"" from "\"; to = \"" to "\"; flow = \"closed\"; indirect = true; }"
#define RULED(from, to)                                                                            \
	"{ from = \"" from "\"; to = \"" to                                                        \
	"\"; flow = \"controlled\"; allow = ( { filter = \"arp\"; stateful = true; } ); }"
#define TRUNK                                                                                      \
	"ports = ( { name = \"t\"; type = \"tap\"; trunk = ( { vid = 1; segment = \"a\"; }, { "    \
	"vid = 2; "                                                                                \
	"segment = \"b\"; } ); } );"

#define VM(name, segment, keys)                                                                    \
	"{ name = \"" name "\"; type = \"tap\"; segment = \"" segment "\"; " keys " }"

static const struct {
	const char *text, *says; /* NULL: it is fine */
} wholes[] = {
    {"policy = ( " ENTRY("alpha", "beta", "open") "," ENTRY("beta", "alpha", "open") " );", NULL},
    {"policy = ( " ENTRY("alpha", "beta", "open") ",\n" ENTRY("beta", "gamma", "open") " );",
     "f:5: policy: from \"alpha\" to \"gamma\" is closed, but there is a way: \"alpha\" -> "
     "\"beta\" "
     "(policy \"alpha:beta\") -> \"gamma\" (policy \"beta:gamma\"); if that is meant, say "
     "indirect = true"},
    {"policy = ( " ENTRY("alpha", "beta", "open") "," ENTRY("beta", "gamma", "open") "," MEANT(
	 "alpha", "gamma") " );",
     NULL},
    /* A guest in two domains is a way. */
    {"policy = ( " ENTRY("beta", "gamma", "open") "," ENTRY("gamma", "beta", "open") " );\n" TRUNK,
     "f:5: policy: from \"alpha\" to \"beta\" is closed, but there is a way: \"alpha\" -> \"beta\" "
     "(port \"t\"); if that is meant, say indirect = true"},
    {"policy = ( " MEANT("alpha", "beta") "," MEANT("beta", "alpha") " );\n" TRUNK, NULL},
    {"policy = ( " MEANT("alpha", "beta") "," MEANT("beta", "alpha") "," ENTRY(
	 "beta", "gamma", "open") " );\n" TRUNK,
     "f:4: policy: from \"alpha\" to \"gamma\" is closed, but there is a way: \"alpha\" -> "
     "\"beta\" "
     "(port \"t\") -> \"gamma\" (policy \"beta:gamma\"); if that is meant, say indirect = true"},
    /* So is one with a port in each, whoever says that they are one machine's. */
    {"ports = (" VM("p", "a", "") "," VM("q", "b", "") ");", NULL},
    {"ports = (" VM("p", "a", "guest = \"g\";") "," VM("q", "a", "guest = \"g\";") ");", NULL},
    {"ports = (" VM("p", "a", "guest = \"g\";") ",\n" VM("q", "b", "guest = \"g\";") ");",
     "f:5: policy: from \"alpha\" to \"beta\" is closed, but there is a way: \"alpha\" -> \"beta\" "
     "(guest \"g\"); if that is meant, say indirect = true"},
    {"ports = (" VM("p", "a", "netns = \"n\";") "," VM("q", "b", "netns = \"/run/netns/n\";") ");",
     "\"alpha\" -> \"beta\" (guest \"n\")"},
    {"ports = (" VM("p", "a", "netns = \"n\";") "," VM("q", "b",
						       "netns = \"n\"; guest = \"h\";") ");",
     NULL},
    {"ports = (" VM("p", "a", "guest = \"g\";") "," VM("q", "b",
						       "guest = \"g\"; indirect = true;") ");",
     NULL},
    {"ports = (" VM("p", "a", "guest = \"g\";") "," VM(
	 "q", "b", "guest = \"g\"; indirect = true;") "," VM("r", "c", "guest = \"g\";") ");",
     "\"alpha\" -> \"gamma\" (guest \"g\")"},
    {"policy = ( " ENTRY("beta", "gamma", "open") "," ENTRY(
	 "gamma", "beta",
	 "open") " );\n"
		 "ports = (" VM("p", "a", "guest = \"g\";") "," VM("q", "b", "guest = \"g\";") ");",
     "\"alpha\" -> \"beta\" (guest \"g\")"},
    {"policy = ( " ENTRY("alpha", "beta", "open") "," ENTRY(
	 "beta", "alpha",
	 "open") " );\n"
		 "ports = (" VM("p", "a", "guest = \"g\";") "," VM("q", "b", "guest = \"g\";") ");",
     NULL},
    {"policy = ( " MEANT("alpha", "beta") "," MEANT(
	 "beta", "alpha") " );\n"
			  "ports = (" VM("p", "a", "guest = \"g\";") "," VM("q", "b",
									    "guest = \"g\";") ");",
     NULL},
    {TRUNK, "\"alpha\" -> \"beta\" (port \"t\")"},
    /* Who has a port in one of two joined segments carries the other. */
    {"policy = ( " ENTRY("alpha", "far", "open") " );", NULL},
    {"policy = ( " ENTRY("far", "alpha",
			 "open") " );\n"
				 "ports = ( { name = \"p\"; type = \"tap\"; segment = \"a\"; } );",
     "f:4: policy \"far:alpha\": port \"p\" is in domain \"alpha\" here, and so a segment of "
     "domain "
     "\"far\" has to be: each host with ports in one of two joined segments carries both"},
    {"policy = ( " ENTRY("far", "alpha",
			 "open") " );\n"
				 "junctions = ( { name = \"j\"; segments = [ \"a\", \"elsewhere\" "
				 "]; at = [ \"x\" ]; } );\n"
				 "ports = ( { name = \"p\"; type = \"tap\"; segment = \"a\"; } );",
     NULL},
    {"junctions = ( { name = \"j\"; segments = [ \"a\", \"b\" ]; at = \"h\"; } );", NULL},
    {"junctions = ( { name = \"j\"; segments = [ \"a\", \"b\" ]; },\n"
     " { name = \"k\"; segments = [ \"c\", \"b\", \"a\" ]; } );",
     "segments \"a\" and \"b\" meet in junction"},
    {"policy = ( " ENTRY("alpha", "beta",
			 "open") " );\n"
				 "junctions = ( { name = \"j\"; segments = [ \"a\", \"b\" ]; } );",
     NULL},
};

static void what_is_wrong_as_a_whole(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(wholes) / sizeof(wholes[0]); i++) {
		struct desired out;
		struct err err;
		bool ok = parse(wholes[i].text, &out, &err);

		if (wholes[i].says && (ok || !strstr(err.text, wholes[i].says)))
			fail_msg("%s\n%s", wholes[i].text, ok ? "accepted" : err.text);
		else if (!wholes[i].says && !ok)
			fail_msg("%s\n%s", wholes[i].text, err.text);
		desired_clear(&out);
	}
}

/* ---- what is told ---- */

static char told[1024];

static void tell(const char *text)
{
	size_t used = strlen(told);

	(void)snprintf(told + used, sizeof(told) - used, "%s\n", text);
}

static const char *tellings(const char *text, const char *before)
{
	struct desired out, former;
	struct err err;

	told[0] = '\0';
	assert_true(parse(text, &out, &err));
	assert_true(parse(before ? before : "", &former, &err));
	desired_warn(&out, before ? &former : NULL, tell);
	desired_clear(&out);
	desired_clear(&former);
	return told;
}

static void what_is_told(void **state)
{
	static const char one_way[] = "policy = ( " ENTRY("alpha", "beta", "open") " );";
	static const char idle[] =
	    "junctions = ( { name = \"j\"; segments = [ \"a\", \"b\" ]; } );";
	static const char ruled[] = "policy = ( " RULED("alpha", "beta") "," RULED(
	    "beta", "alpha") "," ENTRY("alpha", "gamma", "closed") " );\n";
	char text[1200], before[1200];

	(void)state;
	assert_string_equal(tellings(one_way, NULL),
			    "f:4: warning: policy \"alpha:beta\": the flow from \"alpha\" to "
			    "\"beta\" is open, and nothing lets answers back\n");
	assert_string_equal(tellings(one_way, one_way), "");
	assert_string_equal(tellings("policy = ( " ENTRY("alpha", "beta", "open") "," ENTRY(
					 "beta", "alpha", "open") " );",
				     NULL),
			    "");
	assert_string_equal(tellings(idle, NULL),
			    "f:4: warning: junction \"j\": segments \"a\" and \"b\" meet, but "
			    "their domains are closed to each other\n");
	/* Who may not ask where the other one is does not get to what he may ask for. */
	assert_string_equal(
	    tellings("policy = ( { from = \"alpha\"; to = \"beta\"; flow = \"controlled\";\n"
		     "allow = ( { filter = \"tcp dst port 443\"; stateful = true; } ); } );",
		     NULL),
	    "f:4: warning: policy \"alpha:beta\": no rule lets ARP or neighbour discovery "
	    "through, so guests of \"alpha\" and \"beta\" do not find each other\n");
	assert_string_equal(
	    tellings("policy = ( { from = \"alpha\"; to = \"beta\"; flow = \"controlled\";\n"
		     "allow = ( { filter = \"tcp dst port 443\"; stateful = true; } ); },\n"
		     "{ from = \"beta\"; to = \"alpha\"; flow = \"controlled\";\n"
		     "allow = ( { filter = \"ip6\"; stateful = true; } ); } );",
		     NULL),
	    "");
	/* Rules do not hold who is on both sides of them. */
	(void)snprintf(before, sizeof(before), "%sports = (%s);", ruled,
		       VM("p", "a", "guest = \"g\";"));
	(void)snprintf(text, sizeof(text), "%sports = (%s,\n%s);", ruled,
		       VM("p", "a", "guest = \"g\";"), VM("q", "b", "guest = \"g\";"));
	assert_string_equal(tellings(before, NULL), "");
	assert_string_equal(tellings(text, before),
			    "f:6: warning: guest \"g\" joins \"alpha\" and \"beta\": it may carry "
			    "anything between them, whatever the rules of their flow say\n");
	assert_string_equal(tellings(text, text), "");
	assert_string_equal(tellings(before, text), "");
}

/* Hosts that share a matrix need not have segments of all its domains. */
static void domains_elsewhere(void **state)
{
	struct desired out;
	struct err err;

	(void)state;
	assert_true(parse("policy = ( " ENTRY("alpha", "delta", "closed") "," ENTRY(
			      "delta", "", "closed") "," ENTRY("far", "x", "closed") " );",
			  &out, &err));
	told[0] = '\0';
	config_policy_note(&out, tell);
	assert_string_equal(
	    told, "f:4: note: policy \"alpha:delta\": there is no domain \"delta\" here: no "
		  "segment belongs to it, and \"domains\" does not list it\n"
		  "f:4: note: policy \"delta:\": there is no domain \"delta\" here: no segment "
		  "belongs to it, and \"domains\" does not list it\n"
		  "f:4: note: policy \"far:x\": there is no domain \"x\" here: no segment "
		  "belongs to it, and \"domains\" does not list it\n");
	desired_clear(&out);
	assert_true(parse("policy = ( " ENTRY("alpha", "far", "closed") " );", &out, &err));
	told[0] = '\0';
	config_policy_note(&out, tell);
	assert_string_equal(told, "");
	desired_clear(&out);
}

static void what_is_refused(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct desired out;
		struct err err;
		bool ok = parse(cases[i].text, &out, &err);

		if (cases[i].says) {
			assert_false(ok);
			assert_string_equal(err.text, cases[i].says);
		} else if (!ok) {
			fail_msg("%s", err.text);
		}
		desired_clear(&out);
	}
}

static void entries(void **state)
{
	const struct flow_conf *flows;
	struct desired out, kept;
	struct err err;
	json_t *json;

	(void)state;
	assert_true(
	    parse("policy = ( { from = \"alpha\"; to = \"\"; flow = \"closed\"; },\n"
		  " { from = \"beta\"; to = \"far\"; flow = \"closed\"; side = \"out\"; },\n"
		  " { name = \"x\"; from = \"far\"; to = \"beta\"; flow = \"closed\"; } );",
		  &out, &err));
	flows = out.policy.items;
	assert_int_equal(out.policy.count, 3);
	assert_string_equal(flows[0].name, "alpha:");
	assert_string_equal(flows[1].name, "beta:far:out");
	assert_string_equal(flows[2].name, "x");
	assert_string_equal(flows[2].owner, OWNER_FILE);
	assert_int_equal(flows[1].side, FLOW_OUT);

	json = json_pack("{s:s, s:s, s:s}", "from", "beta", "to", "gamma", "flow", "closed");
	assert_int_equal(desired_add(&out, "policy", json, OWNER_CLI, &err), 0);
	assert_int_equal(desired_add(&out, "policy", json, OWNER_CLI, &err), -EEXIST);
	json_decref(json);
	memset(&kept, 0, sizeof(kept));
	assert_int_equal(desired_keep(&kept, &out, &err), 0);
	assert_int_equal(kept.policy.count, 1);
	assert_string_equal(((struct flow_conf *)kept.policy.items)->name, "beta:gamma");
	assert_int_equal(desired_del(&out, "policy", "beta:gamma", &err), 0);
	assert_int_equal(out.policy.count, 3);
	desired_clear(&kept);
	desired_clear(&out);
}

#define FARM(subnet, gateway)                                                                      \
	"{\"name\": \"farm\", \"encap\": [{\"type\": \"macrewrite\", \"uplink\": \"lan\", "        \
	"\"farm\": 1, \"subnet\": " subnet ", \"gateway\": \"" gateway "\"}]}"

static void add_farm(struct desired *desired, const char *text)
{
	json_t *json = json_loads(text, 0, NULL);
	struct err err = {""};

	assert_non_null(json);
	if (desired_add(desired, "segment", json, OWNER_CLI, &err) < 0 ||
	    desired_check(desired, &err) < 0)
		fail_msg("%s", err.text);
	json_decref(json);
}

/* The i-th address of the gateway. */
static const struct gateway_conf *gateway_at(const struct desired *desired, size_t i)
{
	const struct junction_conf *junction = desired->junctions.items;

	assert_true(i < junction->gateway.count);
	return &((const struct gateway_conf *)junction->gateway.items)[i];
}

/* What encaps say of gateways counts whoever brings the segment. */
static void gateways_follow_segments(void **state)
{
	struct desired out, copy;
	struct err err;

	(void)state;
	assert_true(parse("uplinks = ( { name = \"lan\"; interface = \"eth0\"; } );"
			  "junctions = ( { name = \"j\"; type = \"gateway\"; at = [ \"other\" ];"
			  " segments = [ \"a\", \"farm\" ];"
			  " gateway = ( { segment = \"a\"; address = \"192.0.2.1/24\"; } ); } );",
			  &out, &err));
	add_farm(&out, FARM("7", "10.1.7.254"));
	assert_string_equal(gateway_at(&out, 1)->segment, "farm");
	assert_string_equal(gateway_at(&out, 1)->address, "10.1.7.254/24");
	/* Not twice, and not what no segment says any more. */
	memset(&copy, 0, sizeof(copy));
	assert_int_equal(desired_copy(&copy, &out, &err), 0);
	assert_int_equal(desired_check(&copy, &err), 0);
	assert_int_equal(((struct junction_conf *)copy.junctions.items)->gateway.count, 2);
	assert_int_equal(desired_del(&copy, "segment", "farm", &err), 0);
	assert_int_equal(desired_check(&copy, &err), 0);
	assert_int_equal(((struct junction_conf *)copy.junctions.items)->gateway.count, 1);
	add_farm(&copy, FARM("8", "10.1.8.1"));
	assert_string_equal(gateway_at(&copy, 1)->address, "10.1.8.1/24");
	desired_clear(&copy);
	desired_clear(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_is_refused),
	    cmocka_unit_test(entries),
	    cmocka_unit_test(gateways_follow_segments),
	    cmocka_unit_test(what_is_wrong_as_a_whole),
	    cmocka_unit_test(what_is_told),
	    cmocka_unit_test(domains_elsewhere),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
