// SPDX-License-Identifier: BSD-2-Clause
//
// Filters: which are understood, which would look up a name, and lists of rules.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka needs those four first
#include <cmocka.h>

#include "switchd/policy/may_match.h"
#include "test/unit/policy_case.h"

static void good_filters(void **state)
{
	static const char *const good[] = {
	    "tcp",
	    "tcp dst port 443 and dst net 10.3.0.0/24",
	    "udp port 53 or udp port 123",
	    "tcp portrange 8000-8010",
	    "ip6 host 2001:db8::1",
	    "dst net 2001:db8::/32 and not icmp6",
	    "net 10.3",
	    "net 10.3.0.0 mask 255.255.0.0",
	    "host ::1 or host ::ffff:10.0.0.1",
	    "ether host 52:54:00:00:00:01",
	    "ether proto 0x88cc",
	    "ether multicast or ether broadcast",
	    "arp or (icmp6 and (ip6[40] = 135 or ip6[40] = 136))",
	    "tcp[tcpflags] & (tcp-syn|tcp-fin) != 0 and tcp[13:1] != 0xff",
	    "icmp[icmptype] = icmp-echo",
	    "icmp6[icmp6type] == icmp6-echo",
	    "(tcp[((tcp[12] & 0xf0) >> 2):4] = 0x47455420)",
	    "len <= 1500 && ! ip multicast || less 64",
	    "ip proto 47",
	    "arp host 10.0.0.1",
	    "src host 10.0.0.1 and dst host 10.0.0.2",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct err err = {""};

		if (filter_try(good[i], &err) < 0)
			fail_msg("%s: %s", good[i], err.text);
	}
}

/* Rules that let guests look for each other, and those that cannot. */
static void may_ask(void **state)
{
	static const char *const may[] = {
	    "arp",
	    "ether proto 0x0806",
	    "icmp6",
	    "ip6",
	    "icmp6 and ip6[40] = 135",
	    "host 10.0.0.1",
	    "net 10.0.0.0/8",
	    "ether host 52:54:00:00:00:01",
	    "len <= 1500",
	    "not tcp",
	    "ether[12:2] & 0x0800 != 0",
	    "ether[len - 1] = 0",
	    "tcp or (icmp6 and (ip6[40] = 135 or ip6[40] = 136))",
	    "ip or ether multicast",
	};
	static const char *const may_not[] = {
	    "tcp",
	    "tcp dst port 443 and dst net 10.0.0.0/24",
	    "udp or icmp",
	    "ip",
	    "icmp6 and ip6[40] = 128",
	    "ip6 and tcp",
	    "ip host 10.0.0.1",
	    "ip6 proto 17",
	    "dst host 10.0.0.53 and (udp dst port 53 or tcp dst port 53)",
	    "port 53",
	    "icmp6[icmp6type] = icmp6-echo",
	    "ether proto 0x88cc",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(may) / sizeof(may[0]); i++)
		if (!filter_may_ask(may[i]))
			fail_msg("%s", may[i]);
	for (size_t i = 0; i < sizeof(may_not) / sizeof(may_not[0]); i++)
		if (filter_may_ask(may_not[i]))
			fail_msg("%s", may_not[i]);
}

// libpcap would ask somebody for each of the names, or loop, or find nothing.
static void bad_filters(void **state)
{
	static const struct {
		const char *text, *says;
	} bad[] = {
	    {"tcp port https", "\"https\""},
	    {"host www.example.com", "\"www.example.com\""},
	    {"host localhost", "\"localhost\""},
	    {"net loopback", "\"loopback\""},
	    {"ip proto \\icmp", "0x5c"},
	    {"ether host de:ad", "\"de:ad\""},
	    {"host 10.0.0.256", "\"10.0.0.256\""},
	    {"host 1.2.3.4.5", "\"1.2.3.4.5\""},
	    {"port 10-20", "portrange"},
	    {"host 10-20", "portrange"},
	    {"portrange http-https", "\"http-https\""},
	    {"host deadbeef", "\"deadbeef\""},
	    {"TCP", "\"TCP\""},
	    {"vlan 5", "tag"},
	    {"vlan", "tag"},
	    {"ip6 protochain 6", "bound"},
	    {"gateway 10.0.0.1", "name"},
	    {"inbound", "meaning"},
	    {"ifname eth0", "\"ifname\""},
	    {"", "empty"},
	    {"  ", "empty"},
	    {"()", "empty"},
	    {"tcp port 80; udp", "0x3b"},
	    {"\"host\"", "0x22"},
	    {"tcp port", "syntax"},
	    {"tcp port 70000", ""},
	    {"ip host 2001:db8::1", ""},
	    {"ip broadcast", ""},
	    {"tcp and (udp", "syntax"},
	    {"host 10.0.0.0/24", ""},
	    {"tcp and udp and ip and ip6", ""},
	};
	char deep[400];

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct err err = {""};

		if (filter_try(bad[i].text, &err) == 0)
			fail_msg("\"%s\" is taken", bad[i].text);
		if (!strstr(err.text, bad[i].says))
			fail_msg("\"%s\": %s", bad[i].text, err.text);
	}
	memset(deep, '(', sizeof(deep));
	memcpy(deep + sizeof(deep) - 4, "tcp", 4);
	assert_int_equal(filter_try(deep, NULL), -EINVAL);
}

// As long as may be, and too long; what is not shortened any more still says the same.
static void long_filters(void **state)
{
	char text[4096];

	(void)state;
	for (unsigned hosts = 20; hosts <= 65; hosts++) {
		const struct rule_spec spec = {.filter = text};
		uint8_t frame[60] = {[12] = 8, [14] = 0x45, [26] = 10, 9, 9, 9, 10, 0, 0, 0};
		struct rules *rules;
		size_t used = 0;

		for (unsigned i = 0; i < hosts; i++)
			used += (size_t)snprintf(text + used, sizeof(text) - used,
						 "%shost 10.0.0.%u", i ? " or " : "", i + 1);
		rules = rules_create(&spec, 1, NULL);
		if (3 * hosts - 1 > 192) { // "or" is a word, too
			assert_null(rules);
			continue;
		}
		assert_non_null(rules);
		for (unsigned i = 0; i < 70; i++) {
			frame[33] = (uint8_t)i;
			assert_int_equal(rules_match(rules, frame, 60, 60, NULL, NULL) != NULL,
					 i >= 1 && i <= hosts);
		}
		rules_destroy(rules);
	}
}

// Every word that is let through is one to libpcap, too: else it would be a name.
static void words_are_words(void **state)
{
	static const char *const types[] = {
	    "icmp-echo",
	    "icmp-echoreply",
	    "icmp-unreach",
	    "icmp-sourcequench",
	    "icmp-redirect",
	    "icmp-timxceed",
	    "icmp-paramprob",
	    "icmp-tstamp",
	    "icmp-tstampreply",
	    "icmp-ireq",
	    "icmp-ireqreply",
	    "icmp-maskreq",
	    "icmp-maskreply",
	    "icmp-routeradvert",
	    "icmp-routersolicit",
	    "tcp-syn",
	    "tcp-ack",
	    "tcp-fin",
	    "tcp-rst",
	    "tcp-push",
	    "tcp-urg",
	    "tcp-ece",
	    "tcp-cwr",
	    "icmp6-echo",
	    "icmp6-echoreply",
	    "icmp6-neighborsolicit",
	    "icmp6-neighboradvert",
	    "icmp6-routersolicit",
	    "icmp6-routeradvert",
	    "icmp6-packettoobig",
	    "icmp6-timeexceeded",
	    "icmp6-parameterproblem",
	    "icmp6-destinationunreach",
	    "icmp6-redirect",
	    "icmp6-multicastlistenerquery",
	    "icmp6-multicastlistenerreportv1",
	    "icmp6-multicastlistenerdone",
	    "icmp6-routerrenum",
	    "icmp6-nodeinformationquery",
	    "icmp6-nodeinformationresponse",
	    "icmp6-multicastlistenerreportv2",
	};
	static const char *const protocols[] = {
	    "aarp",  "ah",   "arp",  "atalk", "carp", "esp", "icmp",
	    "icmp6", "igmp", "igrp", "ip",    "ip6",  "ipx", "netbeui",
	    "pim",   "rarp", "sctp", "stp",   "tcp",  "udp", "vrrp",
	};
	char text[128];

	(void)state;
	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		struct err err = {""};

		(void)snprintf(text, sizeof(text), "ip[0] = %s", types[i]);
		if (filter_try(text, &err) < 0)
			fail_msg("%s: %s", text, err.text);
	}
	for (size_t i = 0; i < sizeof(protocols) / sizeof(protocols[0]); i++) {
		struct err err = {""};

		if (filter_try(protocols[i], &err) < 0)
			fail_msg("%s: %s", protocols[i], err.text);
	}
}

static void the_first_that_matches(void **state)
{
	const struct rule_spec specs[] = {
	    {.filter = "udp dst port 53"},
	    {.filter = "udp", .port = "vm1"},
	    {.filter = "udp dst port 54"},
	};
	struct rules *rules = rules_create(specs, 3, NULL);
	struct say s = {.family = 4, .protocol = IPPROTO_UDP, .src = 1, .dst = 2, .dport = 54};
	struct packet packet;
	struct frame *frame;

	(void)state;
	assert_non_null(rules);
	assert_true(rules->has_ports);
	frame = say_frame(&s, &packet);
	assert_ptr_equal(rules_match(rules, frame->data, frame->len, frame->len, NULL, NULL),
			 rules->rule[2]);
	assert_ptr_equal(rules_match(rules, frame->data, frame->len, frame->len, "vm1", NULL),
			 rules->rule[1]);
	assert_ptr_equal(rules_match(rules, frame->data, frame->len, frame->len, "vm2", "vm1"),
			 rules->rule[1]);
	/* Cut off where a filter looks: no match, and nothing is read. */
	assert_null(rules_match(rules, frame->data, 30, 30, NULL, NULL));
	rules_destroy(rules);
}

static void lists_take_over(void **state)
{
	const struct rule_spec before[] = {
	    {.filter = "tcp", .stateful = true}, {.filter = "udp"}, {.filter = "arp"}};
	const struct rule_spec after[] = {
	    {.filter = "arp", .log = true}, {.filter = "tcp"}, {.filter = "arp"}};
	struct rules *old = rules_create(before, 3, NULL), *new = rules_create(after, 3, NULL);
	struct rule *kept, *gone;

	(void)state;
	assert_non_null(old);
	assert_non_null(new);
	old->rule[2]->frames = 7;
	gone = rule_ref(old->rule[0]);
	rules_adopt(new, old);
	kept = new->rule[0];
	assert_ptr_equal(kept, old->rule[2]);
	assert_true(kept->log);
	assert_int_equal(kept->frames, 7);
	/* Another rule, since it is not stateful; and one is taken over once. */
	assert_ptr_not_equal(new->rule[1], old->rule[0]);
	assert_ptr_not_equal(new->rule[2], kept);
	rules_destroy(old);
	assert_int_equal(gone->lists, 0);
	assert_int_equal(kept->lists, 1);
	assert_true(rules_have(new, kept));
	assert_false(rules_have(new, gone));
	rule_unref(gone);
	rules_destroy(new);
	rules_destroy(NULL);
	rule_unref(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(good_filters),
	    cmocka_unit_test(bad_filters),
	    cmocka_unit_test(long_filters),
	    cmocka_unit_test(words_are_words),
	    cmocka_unit_test(the_first_that_matches),
	    cmocka_unit_test(lists_take_over),
	    cmocka_unit_test(may_ask),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
