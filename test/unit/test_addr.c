/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/addr.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static void mac_text(void **state)
{
	static const struct {
		const char *in, *out;
	} good[] = {
	    {"52:54:00:00:00:01", "52:54:00:00:00:01"},
	    {"AA-bb-CC-dd-EE-ff", "aa:bb:cc:dd:ee:ff"},
	    {"ff:ff:ff:ff:ff:ff", "ff:ff:ff:ff:ff:ff"},
	    {"00:00:00:00:00:00", "00:00:00:00:00:00"},
	};
	static const char *const bad[] = {
	    "",
	    ":",
	    "5",
	    "52:54:00:00:00",
	    "52:54:00:00:00:",
	    "52:54:00:00:00:0",
	    "52:54:00:00:00:01:",
	    "52:54:00:00:00:011",
	    "52:54:00:00:00:01 ",
	    " 52:54:00:00:00:01",
	    "5254.0000.0001",
	    "525400000001",
	    "52:54:00:00:00:0g",
	    "5:54:00:00:00:001",
	    "+2:54:00:00:00:01",
	};
	struct mac mac, kept = {{1, 2, 3, 4, 5, 6}};
	char buf[MAC_STRLEN];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(mac_parse(good[i].in, &mac), 0);
		assert_string_equal(mac_format(&mac, buf), good[i].out);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		mac = kept;
		assert_int_equal(mac_parse(bad[i], &mac), -EINVAL);
		assert_true(mac_equal(&mac, &kept));
	}
}

static void mac_kinds(void **state)
{
	static const struct mac unicast = {{0x52, 0x54, 0, 0, 0, 1}};
	static const struct mac group = {{0x01, 0x00, 0x5e, 0, 0, 1}};
	static const struct mac zero = {{0}};
	static const struct mac all = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};
	static const struct mac nearly = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xfe}};

	(void)state;
	assert_false(mac_is_group(&unicast));
	assert_true(mac_is_group(&group));
	assert_true(mac_is_group(&all));
	assert_true(mac_is_broadcast(&all));
	assert_false(mac_is_broadcast(&nearly));
	assert_false(mac_is_broadcast(&group));
	assert_true(mac_is_zero(&zero));
	assert_false(mac_is_zero(&unicast));
}

static void addr_text(void **state)
{
	static const struct {
		const char *in, *out;
		bool multicast, unspecified;
	} good[] = {
	    {"192.0.2.1", "192.0.2.1", false, false},
	    {"0.0.0.0", "0.0.0.0", false, true},
	    {"255.255.255.255", "255.255.255.255", false, false},
	    {"223.255.255.255", "223.255.255.255", false, false},
	    {"224.0.0.0", "224.0.0.0", true, false},
	    {"239.255.255.255", "239.255.255.255", true, false},
	    {"240.0.0.0", "240.0.0.0", false, false},
	    {"2001:DB8:0:0::1", "2001:db8::1", false, false},
	    {"::", "::", false, true},
	    {"::1", "::1", false, false},
	    {"ff18::5456:1", "ff18::5456:1", true, false},
	    {"fe80::1", "fe80::1", false, false},
	    {"::ffff:192.0.2.1", "::ffff:192.0.2.1", false, false},
	};
	static const char *const bad[] = {
	    "",	       "1",	     "192.0.2",	   "192.0.2.256", "192.0.2.1 ", "192.0.2.1/24",
	    "a.b.c.d", "localhost",  "fe80::1%lo", ":::",	  "1::2::3",	"12345::",
	    "0x7f.1",  "192.0.02.1", "1.2.3.4.5",
	};
	char buf[ADDR_STRLEN];
	struct ipaddr addr;

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(ipaddr_parse(good[i].in, &addr), 0);
		assert_true(ipaddr_is_set(&addr));
		assert_string_equal(ipaddr_format(&addr, buf), good[i].out);
		assert_int_equal(ipaddr_is_multicast(&addr), good[i].multicast);
		assert_int_equal(ipaddr_is_unspecified(&addr), good[i].unspecified);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(ipaddr_parse(bad[i], &addr), -EINVAL);
	memset(&addr, 0, sizeof(addr));
	assert_false(ipaddr_is_set(&addr));
	assert_string_equal(ipaddr_format(&addr, buf), "none");
	assert_false(ipaddr_is_multicast(&addr));
}

/* What a family does not use is zero, whatever was there before. */
static void addr_as_memory(void **state)
{
	struct ipaddr a, b;

	(void)state;
	memset(&a, 0xaa, sizeof(a));
	memset(&b, 0x55, sizeof(b));
	assert_int_equal(ipaddr_parse("192.0.2.1", &a), 0);
	assert_int_equal(ipaddr_parse("192.0.2.1", &b), 0);
	assert_true(ipaddr_equal(&a, &b));
	assert_int_equal(ipaddr_parse("::c000:201", &b), 0);
	assert_false(ipaddr_equal(&a, &b));
}

static void sockaddrs(void **state)
{
	struct sockaddr_storage ss;
	struct ipaddr addr;

	(void)state;
	assert_int_equal(ipaddr_parse("192.0.2.1", &addr), 0);
	assert_int_equal(ipaddr_to_sockaddr(&addr, &ss), sizeof(struct sockaddr_in));
	assert_int_equal(ss.ss_family, AF_INET);
	assert_int_equal(((struct sockaddr_in *)&ss)->sin_addr.s_addr, htonl(0xc0000201));
	assert_int_equal(((struct sockaddr_in *)&ss)->sin_port, 0);
	assert_int_equal(ipaddr_parse("2001:db8::1", &addr), 0);
	assert_int_equal(ipaddr_to_sockaddr(&addr, &ss), sizeof(struct sockaddr_in6));
	assert_int_equal(ss.ss_family, AF_INET6);
	assert_memory_equal(&((struct sockaddr_in6 *)&ss)->sin6_addr, addr.bytes, 16);
	assert_int_equal(((struct sockaddr_in6 *)&ss)->sin6_scope_id, 0);
}

static void prefix_text(void **state)
{
	static const struct {
		const char *in, *out;
	} good[] = {
	    {"0.0.0.0/0", "0.0.0.0/0"},
	    {"10.0.0.0/8", "10.0.0.0/8"},
	    {"192.0.2.1", "192.0.2.1/32"},
	    {"192.0.2.1/32", "192.0.2.1/32"},
	    {"192.0.2.0/31", "192.0.2.0/31"},
	    {"192.0.2.128/25", "192.0.2.128/25"},
	    {"::/0", "::/0"},
	    {"2001:db8::/32", "2001:db8::/32"},
	    {"2001:db8::1", "2001:db8::1/128"},
	};
	static const char *const bad[] = {
	    "",
	    "/",
	    "/8",
	    "10.0.0.0/",
	    "10.0.0.0/33",
	    "10.0.0.0/-1",
	    "10.0.0.0/+8",
	    "10.0.0.0/8 ",
	    "10.0.0.0/ 8",
	    "10.0.0.0/0x8",
	    "10.0.0.1/8",
	    "192.0.2.1/31",
	    "::/129",
	    "2001:db8::/16",
	    "::1/127",
	    "10.0.0.0/8/8",
	    "10.0.0.0/4294967304",
	    "name/8",
	    "1234567890123456789012345678901234567890123456789012345678901234567890/8",
	};
	struct ipprefix prefix;
	char buf[ADDR_STRLEN];

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		assert_int_equal(ipprefix_parse(good[i].in, &prefix), 0);
		assert_string_equal(ipprefix_format(&prefix, buf), good[i].out);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		assert_int_equal(ipprefix_parse(bad[i], &prefix), -EINVAL);
	/* An interface's address has bits behind the length, and needs the length. */
	assert_int_equal(ipprefix_parse_interface("10.1.0.1/24", &prefix), 0);
	assert_string_equal(ipprefix_format(&prefix, buf), "10.1.0.1/24");
	assert_int_equal(ipprefix_parse_interface("2001:db8::1/64", &prefix), 0);
	assert_string_equal(ipprefix_format(&prefix, buf), "2001:db8::1/64");
	assert_int_equal(ipprefix_parse_interface("10.1.0.1", &prefix), -EINVAL);
	assert_int_equal(ipprefix_parse_interface("10.1.0.1/33", &prefix), -EINVAL);
	assert_int_equal(ipprefix_parse_interface("10.1.0.1/", &prefix), -EINVAL);
}

static bool bit(const struct ipaddr *addr, unsigned i)
{
	return addr->bytes[i / 8] >> (7 - i % 8) & 1;
}

/* Against the definition: every bit in front of the length is equal. */
static void prefix_contains(void **state)
{
	unsigned inside = 0;

	(void)state;
	srandom(1);
	for (unsigned round = 0; round < 20000; round++) {
		unsigned bits = round % 2 ? 32 : 128;
		struct ipprefix prefix;
		struct ipaddr addr;
		bool wanted = true;

		memset(&prefix, 0, sizeof(prefix));
		prefix.addr.family = bits == 32 ? AF_INET : AF_INET6;
		prefix.len = (uint8_t)((unsigned)random() % (bits + 1));
		for (unsigned i = 0; i < prefix.len; i++)
			if (random() & 1)
				prefix.addr.bytes[i / 8] |= (uint8_t)(0x80 >> (i % 8));
		addr = prefix.addr;
		for (unsigned flips = (unsigned)random() % 3; flips > 0; flips--) {
			unsigned at = (unsigned)random() % bits;

			addr.bytes[at / 8] ^= (uint8_t)(0x80 >> (at % 8));
		}
		for (unsigned i = 0; i < prefix.len; i++)
			wanted = wanted && bit(&prefix.addr, i) == bit(&addr, i);
		assert_int_equal(ipprefix_contains(&prefix, &addr), wanted);
		inside += wanted;
		addr.family = bits == 32 ? AF_INET6 : AF_INET;
		assert_false(ipprefix_contains(&prefix, &addr));
	}
	assert_in_range(inside, 2000, 18000);
}

static void group_mac(void **state)
{
	static const char *const cases[][2] = {
	    {"224.0.0.1", "01:00:5e:00:00:01"},	      {"239.192.0.1", "01:00:5e:40:00:01"},
	    {"239.255.255.255", "01:00:5e:7f:ff:ff"}, {"ff02::1", "33:33:00:00:00:01"},
	    {"ff18::5456:3", "33:33:54:56:00:03"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char text[MAC_STRLEN];
		struct ipaddr group;
		struct mac mac;

		assert_int_equal(ipaddr_parse(cases[i][0], &group), 0);
		mac = ipaddr_group_mac(&group);
		assert_string_equal(mac_format(&mac, text), cases[i][1]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(mac_text),	       cmocka_unit_test(mac_kinds),
	    cmocka_unit_test(addr_text),       cmocka_unit_test(addr_as_memory),
	    cmocka_unit_test(sockaddrs),       cmocka_unit_test(prefix_text),
	    cmocka_unit_test(prefix_contains), cmocka_unit_test(group_mac),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
