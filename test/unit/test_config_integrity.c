/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Domains that ask for integrity: which guards are on at whose ports, what such a port
 * has to say, and that all of it goes with the wish.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

#include "switchd/config.h"

#define SEGMENTS                                                                                   \
	"segments = ( { name = \"a\"; domain = \"high\"; }, { name = \"b\"; domain = \"low\"; },"  \
	" { name = \"c\"; } );"
#define HIGH "domains = ( { name = \"high\"; integrity = true; } );"

static struct desired desired;

static int load(const char *domains, const char *ports, struct err *err)
{
	char text[2000];

	(void)snprintf(text, sizeof(text), "%s\n" SEGMENTS "\nports = ( %s );", domains, ports);
	return desired_parse(&desired, text, "test", err);
}

/* The guards of the first port, one letter each. */
static const char *guards(void)
{
	static char text[6];
	const struct guard_conf *guard = &desired_port_at(&desired, 0)->guard;

	(void)snprintf(text, sizeof(text), "%s%s%s%s%s", guard->arp ? "a" : "",
		       guard->dhcp ? "d" : "", guard->ra ? "r" : "", guard->mac ? "m" : "",
		       guard->ip ? "i" : "");
	return text;
}

static void test_guards(void **state)
{
	static const struct {
		const char *domains, *port, *guards;
	} cases[] = {
	    {HIGH, "type = \"tap\"; segment = \"a\"; addresses = [\"10.0.0.1\"];", "adrmi"},
	    {HIGH, "type = \"tap\"; segment = \"b\"; addresses = [\"10.0.0.1\"];", ""},
	    {HIGH, "type = \"tap\"; segment = \"c\";", ""},
	    {HIGH, "type = \"tap\"; segment = \"b\"; guard = { ra = true; };", "r"},
	    {"", "type = \"tap\"; segment = \"a\";", ""},
	    {"domains = ( { name = \"high\"; } );", "type = \"tap\"; segment = \"a\";", ""},
	    {HIGH, "type = \"tap\"; segment = \"a\"; guard = { ip = false; dhcp = false; };",
	     "arm"},
	    {HIGH,
	     "type = \"netdev\"; interface = \"x\"; segment = \"a\"; addresses = [\"10.0.0.1\"]; "
	     "macs = [\"52:54:00:00:00:01\"];",
	     "adrmi"},
	    {HIGH,
	     "type = \"tap\"; addresses = [\"10.0.0.1\"]; native = \"c\"; indirect = true; trunk = "
	     "( { vid = 5; "
	     "segment = \"b\"; }, { vid = 6; segment = \"a\"; } );",
	     "adrmi"},
	    {HIGH,
	     "type = \"tap\"; native = \"c\"; indirect = true; trunk = ( { vid = 5; segment = "
	     "\"b\"; } );",
	     ""},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char port[500];
		struct err err = {""};

		(void)snprintf(port, sizeof(port), "{ name = \"p\"; %s }", cases[i].port);
		if (load(cases[i].domains, port, &err) < 0)
			fail_msg("%s: %s", cases[i].port, err.text);
		assert_string_equal(guards(), cases[i].guards);
		desired_clear(&desired);
	}
}

static void test_what_is_missing(void **state)
{
	static const struct {
		const char *port, *message;
	} cases[] = {
	    {"type = \"tap\"; segment = \"a\";", "test:3: port \"p\": domain \"high\" asks for "
						 "integrity, so the port needs addresses, or says "
						 "guard.ip = false"},
	    {"type = \"netdev\"; interface = \"x\"; segment = \"a\"; addresses = [\"10.0.0.1\"];",
	     "test:3: port \"p\": domain \"high\" asks for integrity, so the port needs macs, or "
	     "says guard.mac = false"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char port[500];
		struct err err = {""};

		(void)snprintf(port, sizeof(port), "{ name = \"p\"; %s }", cases[i].port);
		assert_int_equal(load(HIGH, port, &err), -22);
		assert_string_equal(err.text, cases[i].message);
	}
}

/* A state that is checked again, with another wish, has the guards of that. */
static void test_again(void **state)
{
	struct domain_conf *domain;
	struct err err = {""};

	(void)state;
	assert_int_equal(load(HIGH,
			      "{ name = \"p\"; type = \"tap\"; segment = \"a\"; guard = { ra = "
			      "true; }; addresses = [\"10.0.0.1\"]; }",
			      &err),
			 0);
	assert_string_equal(guards(), "adrmi");
	domain = desired.domains.items;
	domain->integrity = false;
	assert_int_equal(desired_check(&desired, &err), 0);
	assert_string_equal(guards(), "r");
	domain->integrity = true;
	assert_int_equal(desired_check(&desired, &err), 0);
	assert_string_equal(guards(), "adrmi");
	desired_clear(&desired);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_guards),
	    cmocka_unit_test(test_what_is_missing),
	    cmocka_unit_test(test_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
