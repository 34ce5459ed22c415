/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What may be a trunk port: its list of VLANs, its native segment, and what is said
 * when it joins domains.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "switchd/config.h"

#define SEGMENTS                                                                                   \
	"segments = ( { name = \"s\"; domain = \"alpha\"; }, { name = \"t\"; domain = \"beta\"; "  \
	"},"                                                                                       \
	" { name = \"u\"; }, { name = \"v\"; }, { name = \"s2\"; domain = \"alpha\"; },"           \
	" { name = \"w\"; domain = \"gamma\"; }, { name = \"p\"; tags = \"pass\"; } );\n"

static void text_of(char *text, size_t size, const char *keys)
{
	(void)snprintf(text, size, SEGMENTS "ports = ( { name = \"r\"; type = \"tap\";\n%s } );",
		       keys);
}

static void load(const char *keys, struct desired *out)
{
	char text[2048];
	struct err err = {""};

	memset(out, 0, sizeof(*out));
	text_of(text, sizeof(text), keys);
	if (desired_parse(out, text, "f", &err) < 0)
		fail_msg("%s: %s", keys, err.text);
}

#define V(vid, segment) "{ vid = " #vid "; segment = \"" segment "\"; }"

static void what_may_be(void **state)
{
	static const struct {
		const char *keys, *untagged;
		size_t vlans;
	} good[] = {
	    {"segment = \"s\";", "s", 0},
	    {"segment = \"s\"; trunk = ();", "s", 0},
	    {"trunk = (" V(1, "s") ");", NULL, 1},
	    {"trunk = (" V(4094, "s") "," V(1, "t") "," V(2, "p") "); indirect = true;", NULL, 3},
	    {"trunk = (" V(1, "s") "); native = \"t\"; indirect = true;", "t", 1},
	    {"trunk = (" V(1, "s") "); segment = \"t\"; indirect = true;", "t", 1},
	    {"trunk = (" V(1, "s") "); native = \"\";", NULL, 1},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		const struct port_conf *port;
		struct desired out;

		load(good[i].keys, &out);
		port = desired_port(&out, "r");
		assert_int_equal(port->trunk.count, good[i].vlans);
		if (good[i].untagged)
			assert_string_equal(port_conf_untagged(port), good[i].untagged);
		else
			assert_null(port_conf_untagged(port));
		desired_clear(&out);
	}
}

static void what_may_not_be(void **state)
{
	static const struct {
		const char *keys, *message;
	} bad[] = {
	    {"", "port \"r\": key \"segment\" is missing"},
	    {"trunk = ();", "port \"r\": key \"segment\" is missing"},
	    {"native = \"s\";", "port \"r\": key \"native\" is for trunk ports: without \"trunk\" "
				"it is \"segment\""},
	    {"trunk = (); native = \"s\";",
	     "port \"r\": key \"native\" is for trunk ports: without "
	     "\"trunk\" it is \"segment\""},
	    {"trunk = (" V(1, "t") "); native = \"s\"; segment = \"s\";",
	     "port \"r\": on a trunk port, \"segment\" and \"native\" both name the segment of "
	     "frames "
	     "without a tag: give one of them"},
	    {"trunk = (" V(1, "s") "," V(1, "t") ");",
	     "port \"r\": key \"trunk\": VID 1 is there twice"},
	    {"trunk = (" V(1, "s") "," V(2, "s") ");",
	     "port \"r\": key \"trunk\": VID 2: the port is in segment \"s\" already"},
	    {"trunk = (" V(1, "s") "); native = \"s\";",
	     "port \"r\": key \"trunk\": VID 1: the port is in segment \"s\" already"},
	    {"trunk = (" V(1, "x") ");",
	     "port \"r\": key \"trunk\": VID 1: there is no segment \"x\""},
	    {"trunk = (" V(1, "s") "); native = \"x\";", "port \"r\": there is no segment \"x\""},
	    {"trunk = (" V(1, "s") "); native = \"p\";",
	     "port \"r\": segment \"p\" passes tags and cannot be native: its tagged frames would "
	     "look like those of the trunk's VLANs"},
	    {"trunk = (" V(0, "s") ");",
	     "tap port \"r\": trunk: key \"vid\": 0 is out of range (1 to 4094)"},
	    {"trunk = (" V(4095, "s") ");",
	     "tap port \"r\": trunk: key \"vid\": 4095 is out of range (1 to 4094)"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct desired out;
		struct err err = {""};
		char text[2048];

		memset(&out, 0, sizeof(out));
		text_of(text, sizeof(text), bad[i].keys);
		assert_int_equal(desired_parse(&out, text, "f", &err), -EINVAL);
		assert_memory_equal(err.text, "f:", 2);
		if (strcmp(strchr(err.text, ' ') + 1, bad[i].message) != 0)
			fail_msg("%s: %s", bad[i].keys, err.text);
	}
}

/* 4094 VLANs at one port, the segments in an order of their own. */
static void all_vlans_at_once(void **state)
{
	static char text[1 << 20];
	struct desired out;
	struct err err = {""};
	FILE *file = fmemopen(text, sizeof(text), "w");

	(void)state;
	assert_non_null(file);
	(void)fputs("segments = ( { name = \"s0\"; }", file);
	for (unsigned i = 1; i <= 4094; i++)
		(void)fprintf(file, ", { name = \"s%u\"; }", i * 1024 % 4095);
	(void)fputs("); ports = ( { name = \"r\"; type = \"tap\"; native = \"s0\"; trunk = (",
		    file);
	for (unsigned i = 1; i <= 4094; i++)
		(void)fprintf(file, "%s{ vid = %u; segment = \"s%u\"; }", i == 1 ? "" : ", ", i, i);
	(void)fputs("); } );", file);
	assert_int_equal(fclose(file), 0);
	memset(&out, 0, sizeof(out));
	if (desired_parse(&out, text, "f", &err) < 0)
		fail_msg("%s", err.text);
	assert_int_equal(desired_port(&out, "r")->trunk.count, 4094);
	desired_clear(&out);
}

/* ---- from switchctl ---- */

static void requests_have_lists_of_objects(void **state)
{
	json_t *json =
	    json_loads("{\"name\": \"q\", \"type\": \"tap\", \"native\": \"u\", \"trunk\": "
		       "[{\"vid\": 5, \"segment\": \"s\"}, {\"vid\": \"6\", \"segment\": "
		       "\"t\"}], \"indirect\": true}",
		       0, NULL);
	const struct trunk_conf *vlans;
	struct err err = {""};
	struct desired out;

	(void)state;
	assert_non_null(json);
	load("segment = \"s\";", &out);
	assert_int_equal(desired_add(&out, "port", json, OWNER_CLI, &err), 0);
	assert_int_equal(desired_check(&out, &err), 0);
	vlans = desired_port(&out, "q")->trunk.items;
	assert_int_equal(vlans[0].vid, 5);
	assert_int_equal(vlans[1].vid, 6);
	assert_string_equal(vlans[1].segment, "t");
	json_decref(json);
	/* Nothing of it can be deleted before the port. */
	assert_int_equal(desired_del(&out, "segment", "t", &err), -EBUSY);
	assert_string_equal(err.text,
			    "segment \"t\" has ports, \"q\" among them: delete or move them "
			    "first");
	assert_int_equal(desired_del(&out, "segment", "u", &err), -EBUSY);
	assert_int_equal(desired_del(&out, "segment", "v", &err), 0);
	assert_int_equal(desired_del(&out, "port", "q", &err), 0);
	assert_int_equal(desired_del(&out, "segment", "t", &err), 0);
	desired_clear(&out);
}

/* ---- domains ---- */

#define CLOSED(from, to)                                                                           \
	"f:2: policy: from " from " to " to " is closed, but there is a way: " from " -> " to      \
	" (port \"r\"); if that is meant, say indirect = true"

/* They are closed to each other where nothing says otherwise, also where nothing says anything. */
static void who_joins_domains_is_refused(void **state)
{
	static const struct {
		const char *keys, *says; /* NULL: nothing */
	} cases[] = {
	    {"segment = \"s\";", NULL},
	    {"trunk = (" V(1, "s") ");", NULL},
	    {"trunk = (" V(1, "s") "," V(2, "s2") ");", NULL},
	    {"trunk = (" V(1, "u") "); native = \"v\";", NULL},
	    {"trunk = (" V(1, "s") "," V(2, "t") "); indirect = true;", NULL},
	    {"trunk = (" V(1, "s") "," V(2, "t") ");", CLOSED("\"alpha\"", "\"beta\"")},
	    {"trunk = (" V(1, "s") "); native = \"t\";", CLOSED("\"alpha\"", "\"beta\"")},
	    {"trunk = (" V(1, "u") "," V(2, "t") ");", CLOSED("the default domain", "\"beta\"")},
	    {"trunk = (" V(1, "s") "," V(2, "s2") "," V(3, "w") ");",
	     CLOSED("\"alpha\"", "\"gamma\"")},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[2048];
		struct err err = {""};
		struct desired out;

		memset(&out, 0, sizeof(out));
		text_of(text, sizeof(text), cases[i].keys);
		(void)desired_parse(&out, text, "f", &err);
		assert_string_equal(err.text, cases[i].says ? cases[i].says : "");
		desired_clear(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(what_may_be),
	    cmocka_unit_test(what_may_not_be),
	    cmocka_unit_test(all_vlans_at_once),
	    cmocka_unit_test(requests_have_lists_of_objects),
	    cmocka_unit_test(who_joins_domains_is_refused),
	};

	return cmocka_run_group_tests_name("config_trunk", tests, NULL, NULL);
}
