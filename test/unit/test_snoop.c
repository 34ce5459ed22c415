/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who wants which multicast group: times, routers, what a place may have, and random
 * operations against a model that keeps one line for each (group, place).
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#include "learn/snoop.h"

#define MEMBER_MS 260000u

static const struct hash_key key = {{1, 2}};
static const struct snoop_where here = {0, 1}, there = {0, 2}, wire = {1, 0};
static struct snoop *snoop;

static struct ipaddr group_number(unsigned n)
{
	struct ipaddr group = {.family = AF_INET, .bytes = {239, 0, (uint8_t)(n >> 8), (uint8_t)n}};

	return group;
}

static struct ipaddr address(const char *text)
{
	struct ipaddr addr;

	assert_int_equal(ipaddr_parse(text, &addr), 0);
	return addr;
}

static void query(const struct snoop_where *where, const char *source, const struct ipaddr *group,
		  uint64_t now)
{
	struct mcast_message message = {
	    .kind = MCAST_QUERY,
	    .ip_version = 4,
	    .source = address(source),
	    .group = group ? *group : address("0.0.0.0"),
	    .response_ms = group ? 1000 : 10000,
	    .interval_ms = 125000,
	    .robustness = 2,
	};

	snoop_query(snoop, where, &message, now);
}

static bool record(const struct snoop_where *where, const struct ipaddr *group, bool joins,
		   uint64_t now)
{
	const struct mcast_record said = {*group, joins};

	return snoop_record(snoop, where, &said, now);
}

static bool gets(const struct snoop_where *where, const struct ipaddr *group, uint64_t now)
{
	const struct snoop_group *found;

	return snoop_find(snoop, group, now, &found) == SNOOP_ALL ||
	       snoop_wants(found, where, now) || snoop_has_router(snoop, 4, where, now);
}

static int setup(void **state)
{
	(void)state;
	snoop = snoop_create(&key, 4);
	return snoop ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	snoop_destroy(snoop);
	snoop_destroy(NULL);
	return 0;
}

/* Nothing is held back before all have answered a querier, nor after it has gone. */
static void test_querier(void **state)
{
	struct ipaddr group = group_number(1);

	(void)state;
	assert_true(gets(&here, &group, 1000));
	query(&wire, "10.0.0.1", NULL, 1000);
	(void)record(&here, &group, true, 2000);
	assert_true(gets(&there, &group, 10999));
	assert_false(gets(&there, &group, 11000));
	assert_true(gets(&here, &group, 11000));
	assert_true(gets(&wire, &group, 11000)); /* where the router is */
	/* 2 * 125 s + 10 s / 2 later. */
	assert_false(gets(&there, &group, 1000 + 254999));
	assert_true(gets(&there, &group, 1000 + 255000));
	/* It comes again: a new beginning. */
	query(&wire, "10.0.0.1", NULL, 300000);
	assert_true(gets(&there, &group, 309999));
	assert_false(gets(&there, &group, 310000));
}

/* Who asks from 0.0.0.0 is a querier and no router. */
static void test_switch_as_querier(void **state)
{
	struct ipaddr group = group_number(1);

	(void)state;
	query(&wire, "0.0.0.0", NULL, 1000);
	assert_true(snoop_is_active(snoop, 4, 11000));
	assert_false(snoop_is_active(snoop, 6, 11000));
	assert_false(gets(&wire, &group, 11000));
	query(NULL, "0.0.0.0", NULL, 20000); /* ourselves */
	assert_true(snoop_is_active(snoop, 4, 20000 + 254999));
}

static void test_link_groups(void **state)
{
	static const char *const always[] = {"224.0.0.1",      "224.0.0.251", "ff02::1",
					     "ff02::1:ff00:1", "ff01::1",     "ff12::5"};
	static const char *const held[] = {"224.0.1.1", "239.0.0.1"};
	const struct snoop_group *found;

	(void)state;
	query(NULL, "0.0.0.0", NULL, 1000);
	for (size_t i = 0; i < sizeof(always) / sizeof(always[0]); i++) {
		struct ipaddr group = address(always[i]);

		assert_int_equal(snoop_find(snoop, &group, 20000, &found), SNOOP_ALL);
	}
	for (size_t i = 0; i < sizeof(held) / sizeof(held[0]); i++) {
		struct ipaddr group = address(held[i]);

		assert_int_equal(snoop_find(snoop, &group, 20000, &found), SNOOP_MEMBERS);
		assert_null(found);
	}
}

static void test_leaving(void **state)
{
	struct ipaddr group = group_number(1);

	(void)state;
	query(NULL, "0.0.0.0", NULL, 1000);
	assert_false(record(&here, &group, true, 20000));
	assert_false(record(&there, &group, true, 20000));
	assert_false(record(&wire, &group, false, 20000)); /* it had not joined */
	assert_true(record(&here, &group, false, 21000));
	assert_true(gets(&here, &group, 21000)); /* somebody else there may want it */
	query(NULL, "0.0.0.0", &group, 21000);
	assert_false(record(&there, &group, true, 21500)); /* one answers */
	assert_true(gets(&here, &group, 22999));
	assert_false(gets(&here, &group, 23000));
	assert_true(gets(&there, &group, 23000));
}

/* Whatever times a forged query has, members that answer others in time stay members. */
static void test_forged_times(void **state)
{
	struct ipaddr group = group_number(1);
	struct mcast_message message = {
	    .kind = MCAST_QUERY,
	    .ip_version = 4,
	    .source = address("10.0.0.9"),
	    .group = address("0.0.0.0"),
	    .response_ms = 100,
	    .interval_ms = 1000,
	    .robustness = 1,
	};

	(void)state;
	query(NULL, "0.0.0.0", NULL, 1000);
	snoop_query(snoop, &there, &message, 20000);
	(void)record(&here, &group, true, 20050);
	query(NULL, "0.0.0.0", NULL, 20500);
	assert_true(gets(&here, &group, 20050 + 250000));
	/* Hosts that may take an hour would seem to have left. */
	message.response_ms = 3174400;
	snoop_query(snoop, &there, &message, 600000);
	assert_false(snoop_is_active(snoop, 4, 600000 + 3174400));
	/* And nobody asks again for days. */
	message.response_ms = 100;
	message.interval_ms = 31744000;
	message.robustness = 7;
	snoop_query(snoop, &there, &message, 600000);
	assert_true(snoop_is_active(snoop, 4, 600000 + 3600000));
	assert_false(snoop_is_active(snoop, 4, 600000 + 4300000));
}

/* A place with more groups than it may have gets all, and others do not. */
static void test_place_limit(void **state)
{
	(void)state;
	query(NULL, "0.0.0.0", NULL, 1000);
	for (unsigned n = 0; n < 5; n++) {
		struct ipaddr group = group_number(n);

		(void)record(&here, &group, true, 20000);
	}
	for (unsigned n = 0; n < 8; n++) {
		struct ipaddr group = group_number(n);

		assert_true(gets(&here, &group, 20000));
		assert_false(gets(&there, &group, 20000));
	}
	/* Those that it has count no more once it has gone. */
	snoop_forget(snoop, &here);
	for (unsigned n = 0; n < 4; n++) {
		struct ipaddr group = group_number(n);

		assert_false(gets(&here, &group, 21000));
		(void)record(&here, &group, true, 21000);
	}
	for (unsigned n = 0; n < 8; n++) {
		struct ipaddr group = group_number(n);

		assert_int_equal(gets(&here, &group, 21000), n < 4);
	}
}

static void count(void *arg, const struct snoop_info *info)
{
	unsigned *counts = arg;

	counts[info->group ? 0 : 1]++;
	assert_in_range(info->expires_ms, 1, MEMBER_MS);
}

#define GROUPS 6u
#define PLACES 3u

static void test_model(void **state)
{
	static const struct snoop_where places[PLACES] = {{0, 1}, {0, 2}, {1, 0}};
	uint64_t until[GROUPS][PLACES] = {{0}}, now = 1000;
	unsigned seed = 4711, total = 0;

	(void)state;
	snoop_destroy(snoop);
	snoop = snoop_create(&key, GROUPS);
	query(NULL, "0.0.0.0", NULL, now);
	now += 10000;
	for (unsigned step = 0; step < 200000; step++) {
		unsigned g, p, counts[2] = {0, 0}, want = 0;
		struct ipaddr group;

		seed = seed * 1103515245u + 12345u;
		g = (seed >> 16) % GROUPS;
		p = (seed >> 20) % PLACES;
		group = group_number(g);
		switch ((seed >> 24) % 8) {
		case 0:
		case 1:
		case 2:
			assert_false(record(&places[p], &group, true, now));
			until[g][p] = now + MEMBER_MS;
			break;
		case 3:
			if (until[g][p] > now)
				assert_true(record(&places[p], &group, false, now));
			break;
		case 4:
			query(NULL, "0.0.0.0", &group, now);
			for (unsigned i = 0; i < PLACES; i++) {
				if (until[g][i] > now + 2000)
					until[g][i] = now + 2000;
			}
			break;
		case 5:
			if (seed % 16 == 0) {
				snoop_forget(snoop, &places[p]);
				for (unsigned i = 0; i < GROUPS; i++)
					until[i][p] = 0;
			}
			break;
		case 6:
			now += seed % 3000;
			query(NULL, "0.0.0.0", NULL, now);
			break;
		default:
			snoop_age(snoop, now);
			break;
		}
		for (unsigned i = 0; i < PLACES; i++)
			assert_int_equal(gets(&places[i], &group, now), until[g][i] > now);
		if (step % 100 != 0)
			continue;
		for (unsigned i = 0; i < GROUPS * PLACES; i++)
			want += until[i / PLACES][i % PLACES] > now;
		snoop_each(snoop, now, count, counts);
		assert_int_equal(counts[0], want);
		assert_int_equal(counts[1], 0);
		total += want;
	}
	assert_true(total > 1000); /* it was about something */
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_querier, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_switch_as_querier, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_link_groups, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_leaving, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_forged_times, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_place_limit, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_model, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
