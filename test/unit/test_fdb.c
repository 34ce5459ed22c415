/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The forwarding database: each rule by itself with a clock that the test turns,
 * then everything at random against a naive model.
 */
#include "test/unit/fdb_case.h"
#include "test/unit/fdb_model.h"

static void test_ageing_edge(void **state)
{
	struct fdb *fdb = make(10, &roomy);

	(void)state;
	assert_int_equal(learn(fdb, 1, port(1), 1234567), FDB_NEW);
	assert_true(is_at(fdb, 1, port(1), 1234567 + 299999));
	assert_int_equal(fdb_age(fdb, 1234567 + 299999), 0);
	/* at its time it is gone for lookups, whether or not fdb_age ran */
	assert_false(is_known(fdb, 1, 1234567 + 300000));
	assert_int_equal(fdb_segment_count(fdb, SEG), 1);
	assert_int_equal(fdb_age(fdb, 1234567 + 300000), 1);
	assert_int_equal(fdb_segment_count(fdb, SEG), 0);
	assert_int_equal(events[FDB_EVENT_EXPIRED], 1);
	assert_int_equal(last_info.age_ms, 300000);
	assert_int_equal(fdb_segment_counters(fdb, SEG).expired, 1);
	fdb_destroy(fdb);
}

static void test_refresh_starts_age_anew(void **state)
{
	struct fdb *fdb = make(10, &roomy);

	(void)state;
	learn(fdb, 1, port(1), 100);
	learn(fdb, 2, port(1), 101);
	/* of one second, out of order: the list is exact to the second, ageing to 1 ms */
	assert_int_equal(learn(fdb, 1, port(1), 900), FDB_KNOWN);
	assert_int_equal(fdb_age(fdb, 300101), 1);
	assert_true(is_known(fdb, 1, 300101));
	assert_int_equal(learn(fdb, 1, port(1), 300899), FDB_KNOWN);
	assert_int_equal(fdb_age(fdb, 600898), 0);
	assert_int_equal(fdb_age(fdb, 600899), 1);
	fdb_destroy(fdb);
}

/* Aged, then heard elsewhere before fdb_age ran: a new station, not a move. */
static void test_aged_is_new_elsewhere(void **state)
{
	struct fdb *fdb = make(10, &roomy);

	(void)state;
	learn(fdb, 1, port(1), 0);
	assert_int_equal(learn(fdb, 1, port(2), 300000), FDB_NEW);
	assert_int_equal(events[FDB_EVENT_EXPIRED], 1);
	assert_int_equal(events[FDB_EVENT_LEARNED], 2);
	assert_int_equal(events[FDB_EVENT_MOVED], 0);
	assert_int_equal(learn(fdb, 1, port(2), 600000), FDB_NEW);
	fdb_destroy(fdb);
}

static void test_ageing_off(void **state)
{
	struct fdb_limits limits = roomy;
	struct fdb *fdb;

	(void)state;
	limits.ageing_ms = 0;
	fdb = make(10, &limits);
	learn(fdb, 1, port(1), 0);
	assert_int_equal(fdb_age(fdb, (uint64_t)1 << 40), 0);
	assert_true(is_known(fdb, 1, (uint64_t)1 << 40));
	fdb_destroy(fdb);
}

/* Time that steps back ages nothing and loses nothing. */
static void test_clock_steps_back(void **state)
{
	struct fdb *fdb = make(10, &roomy);

	(void)state;
	learn(fdb, 1, port(1), 86400000);
	assert_true(is_at(fdb, 1, port(1), 5));
	assert_int_equal(learn(fdb, 1, port(1), 5), FDB_KNOWN);
	assert_int_equal(learn(fdb, 2, port(1), 5), FDB_NEW);
	assert_true(is_at(fdb, 2, port(1), 6));
	assert_int_equal(learn(fdb, 1, port(2), 5), FDB_MOVED);
	assert_true(is_at(fdb, 1, port(2), 5));
	fdb_destroy(fdb);
}

static void test_station_moves_with_first_frame(void **state)
{
	struct fdb *fdb = make(10, &roomy);
	uint64_t now = 0;

	(void)state;
	learn(fdb, 1, port(1), now);
	for (unsigned i = 0; i < 10000; i++) {
		struct fdb_where to = i % 2 ? port(1) : host(1, 0xc0000201 + i % 3);
		struct fdb_where from = last_info.where;

		now += 100;
		assert_int_equal(learn(fdb, 1, to, now), FDB_MOVED);
		assert_true(is_at(fdb, 1, to, now));
		assert_memory_equal(&last_from, &from, sizeof(from));
	}
	assert_int_equal(fdb_segment_counters(fdb, SEG).moved, 10000);
	assert_int_equal(events[FDB_EVENT_PINNED], 0);
	assert_int_equal(fdb_segment_count(fdb, SEG), 1);
	fdb_destroy(fdb);
}

static void test_static_and_sticky_never_move(void **state)
{
	struct fdb *fdb = make(10, &roomy);

	(void)state;
	assert_int_equal(add(fdb, 1, port(1), FDB_STATIC), 0);
	assert_int_equal(add(fdb, 2, host(1, 9), FDB_STICKY), 0);
	for (unsigned i = 0; i < 10000; i++) {
		assert_int_equal(learn(fdb, 1, port(2), 20 * i), FDB_FIXED);
		assert_int_equal(learn(fdb, 2, port(2), 20 * i), FDB_FIXED);
	}
	assert_int_equal(learn(fdb, 1, port(1), 5), FDB_KNOWN);
	assert_int_equal(fdb_age(fdb, 1u << 30), 0);
	assert_true(is_at(fdb, 1, port(1), 1u << 30));
	assert_true(is_at(fdb, 2, host(1, 9), 1u << 30));
	assert_int_equal(add(fdb, 1, port(3), FDB_STATIC), -EEXIST);
	assert_int_equal(add(fdb, 2, port(3), FDB_LEARNED), -EEXIST);
	fdb_destroy(fdb);
}

static void test_add_replaces_learned(void **state)
{
	const struct mac one = mac_of(1);
	struct fdb *fdb = make(10, &roomy);
	struct fdb_entry_info info;
	uint32_t cursor = 0;

	(void)state;
	learn(fdb, 1, port(1), 0);
	assert_int_equal(add(fdb, 1, port(2), FDB_STICKY), 0);
	assert_int_equal(fdb_list(fdb, SEG, 0, &cursor, &info, 1), 1);
	assert_int_equal(info.state, FDB_STICKY);
	assert_int_equal(info.where.port, 2);
	assert_int_equal(held(fdb, port(1), 0), 0);
	assert_int_equal(fdb_del(fdb, SEG, &one), 0);
	assert_int_equal(fdb_del(fdb, SEG, &one), -ENOENT);
	assert_int_equal(fdb_add(fdb, SEG + 1, &one, &info.where, FDB_STATIC, 0), -ENOENT);
	fdb_destroy(fdb);
}

/* What fdb_lookup returned may be given back, though its holder ends meanwhile. */
static void test_lookup_result_as_argument(void **state)
{
	const struct mac one = mac_of(1), two = mac_of(2);
	struct fdb *fdb = make(10, &roomy);
	const struct fdb_where *at;

	(void)state;
	learn(fdb, 1, port(1), 0);
	at = fdb_lookup(fdb, SEG, &one, 0);
	assert_int_equal(fdb_learn(fdb, SEG, &one, at, 300000), FDB_NEW);
	assert_true(is_at(fdb, 1, port(1), 300000));
	at = fdb_lookup(fdb, SEG, &one, 300000);
	assert_int_equal(fdb_add(fdb, SEG, &two, at, FDB_STATIC, 700000), 0);
	at = fdb_lookup(fdb, SEG, &two, 700000);
	assert_int_equal(fdb_flush(fdb, SEG, at, true), 2);
	fdb_destroy(fdb);
}

static void test_limit_of_segment(void **state)
{
	const struct fdb_limits limits = {.max = 100, .holder_max = 1000, .remote_max = 1000};
	struct fdb *fdb = make(1000, &limits);

	(void)state;
	for (uint32_t i = 0; i < 60; i++)
		learn(fdb, i, port(1), i);
	for (uint32_t i = 100; i < 140; i++)
		learn(fdb, i, port(2), i);
	assert_int_equal(fdb_segment_count(fdb, SEG), 100);
	/* the largest pays, though another one comes */
	assert_int_equal(learn(fdb, 200, port(3), 200), FDB_NEW);
	assert_false(is_known(fdb, 0, 200));
	assert_int_equal(held(fdb, port(1), 200), 59);
	assert_int_equal(held(fdb, port(2), 200), 40);
	/* until all are equal; from then on, who comes pays himself */
	for (uint32_t i = 201; i < 400; i++)
		learn(fdb, i, port(3), i);
	assert_int_equal(held(fdb, port(1), 400), 33);
	assert_int_equal(held(fdb, port(2), 400), 33);
	assert_int_equal(held(fdb, port(3), 400), 34);
	assert_int_equal(fdb_segment_count(fdb, SEG), 100);
	assert_int_equal(events[FDB_EVENT_EVICTED], 200);
	fdb_destroy(fdb);
}

static void test_limit_of_port_and_remote_host(void **state)
{
	const struct fdb_limits limits = {.max = 1000, .holder_max = 10, .remote_max = 20};
	struct fdb *fdb = make(1000, &limits);

	(void)state;
	for (uint32_t i = 0; i < 100; i++) {
		learn(fdb, i, port(1), i);
		learn(fdb, 1000 + i, host(1, 5), i);
		learn(fdb, 2000 + i, host(1, 6), i);
		learn(fdb, 3000 + i, host(2, 5), i);
	}
	assert_int_equal(held(fdb, port(1), 100), 10);
	assert_int_equal(held(fdb, host(1, 5), 100), 20);
	assert_int_equal(held(fdb, host(1, 6), 100), 20);
	assert_int_equal(held(fdb, host(2, 5), 100), 20);
	assert_false(is_known(fdb, 89, 100));
	assert_true(is_known(fdb, 90, 100));
	/* a move counts at the new place: its own oldest makes way */
	assert_int_equal(learn(fdb, 1099, port(1), 100), FDB_MOVED);
	assert_int_equal(held(fdb, port(1), 100), 10);
	assert_int_equal(held(fdb, host(1, 5), 100), 19);
	assert_false(is_known(fdb, 90, 100));
	fdb_destroy(fdb);
}

/* Behind a VLAN all hosts are one: it may have more, and pays for itself first. */
static void test_limit_of_a_wire_without_hosts(void **state)
{
	const struct fdb_where vlan = {.side = 3};
	struct fdb_limits limits = {
	    .max = 100, .holder_max = 25, .remote_max = 25, .wire_max = 100};
	struct fdb *fdb = make(1000, &limits);

	(void)state;
	for (uint32_t i = 0; i < 200; i++)
		learn(fdb, i, vlan, i);
	assert_int_equal(held(fdb, vlan, 200), 100);
	for (uint32_t i = 0; i < 50; i++) {
		learn(fdb, 1000 + i, port(1), 200);
		learn(fdb, 2000 + i, host(1, 5), 200);
	}
	assert_int_equal(held(fdb, port(1), 200), 25);
	assert_int_equal(held(fdb, host(1, 5), 200), 25);
	assert_int_equal(held(fdb, vlan, 200), 50);
	/* Where nothing is said, it is as limited as a host. */
	limits.wire_max = 0;
	assert_int_equal(fdb_segment_set(fdb, SEG, &limits), 0);
	assert_int_equal(held(fdb, vlan, 200), 25);
	fdb_destroy(fdb);
}

/* Eviction follows who was heard, not who came first. */
static void test_oldest_is_least_recently_heard(void **state)
{
	const struct fdb_limits limits = {.max = 100, .holder_max = 3, .remote_max = 3};
	struct fdb *fdb = make(100, &limits);

	(void)state;
	learn(fdb, 1, port(1), 0);
	learn(fdb, 2, port(1), 1000);
	learn(fdb, 3, port(1), 2000);
	learn(fdb, 1, port(1), 3000);
	learn(fdb, 4, port(1), 4000);
	assert_false(is_known(fdb, 2, 4000));
	assert_true(is_known(fdb, 1, 4000));
	fdb_destroy(fdb);
}

static void test_full_of_static(void **state)
{
	struct fdb_limits limits = {.max = 4, .holder_max = 2, .remote_max = 2};
	const struct fdb_where here = port(1);
	const struct mac five = mac_of(5);
	struct fdb *fdb = make(100, &limits);

	(void)state;
	assert_int_equal(add(fdb, 1, port(1), FDB_STATIC), 0);
	assert_int_equal(add(fdb, 2, port(1), FDB_STATIC), 0);
	assert_int_equal(add(fdb, 3, port(1), FDB_STATIC), -ENOSPC);
	assert_int_equal(fdb_probe(fdb, SEG, &five, &here, 0), FDB_FULL);
	assert_int_equal(learn(fdb, 5, port(1), 0), FDB_FULL);
	/* a station elsewhere cannot be drawn to a place that has no room */
	assert_int_equal(learn(fdb, 5, port(2), 0), FDB_NEW);
	assert_int_equal(learn(fdb, 5, port(1), 0), FDB_FULL);
	assert_true(is_at(fdb, 5, port(2), 0));
	assert_int_equal(add(fdb, 3, port(2), FDB_STATIC), 0);
	/* the segment is full, and a static entry by hand takes a learned one's place */
	assert_int_equal(learn(fdb, 6, port(3), 0), FDB_NEW);
	assert_int_equal(add(fdb, 7, port(3), FDB_STATIC), 0);
	assert_int_equal(fdb_segment_count(fdb, SEG), 4);
	limits.max = 0;
	assert_int_equal(fdb_segment_set(fdb, SEG, &limits), 0);
	assert_int_equal(fdb_segment_count(fdb, SEG), 4);
	assert_int_equal(learn(fdb, 8, port(4), 0), FDB_FULL);
	assert_int_equal(fdb_learn(fdb, SEG + 1, &five, &here, 0), FDB_FULL);
	fdb_destroy(fdb);
}

/* A million source addresses from one port, with and without a limit of its own. */
static void test_flood_hurts_only_itself(void **state)
{
	struct fdb_limits limits = {
	    .ageing_ms = 300000, .max = 8192, .holder_max = 2048, .remote_max = 2048};

	(void)state;
	for (unsigned round = 0; round < 2; round++) {
		struct fdb *fdb = make(10000, &limits);

		for (uint32_t i = 0; i < 4000; i++)
			learn(fdb, i, i % 2 ? port(2 + i % 4) : host(1, 1 + i % 8), 0);
		for (uint32_t i = 0; i < MANY; i++)
			learn(fdb, 0x01000000 + i, port(1), 1 + i / 1000);
		for (uint32_t i = 0; i < 4000; i++)
			assert_true(is_known(fdb, i, 1000));
		assert_int_equal(held(fdb, port(1), 1000), round ? 4192 : 2048);
		assert_true(is_known(fdb, 0x01000000 + MANY - 1, 1000));
		fdb_destroy(fdb);
		limits.holder_max = 8192;
	}
}

/* The table is smaller than its segments together: the largest holder of all pays. */
static void test_table_full(void **state)
{
	const struct fdb_where here = port(1);
	struct fdb *fdb = make(100, &roomy);

	(void)state;
	assert_int_equal(fdb_segment_set(fdb, SEG + 1, &roomy), 0);
	for (uint32_t i = 0; i < 1000; i++)
		learn(fdb, i, port(1), i);
	assert_int_equal(fdb_segment_count(fdb, SEG), 100);
	for (uint32_t i = 0; i < 1000; i++) {
		const struct mac mac = mac_of(i);

		assert_int_equal(fdb_learn(fdb, SEG + 1, &mac, &here, i), FDB_NEW);
	}
	assert_int_equal(fdb_segment_count(fdb, SEG), 50);
	assert_int_equal(fdb_segment_count(fdb, SEG + 1), 50);
	fdb_destroy(fdb);
	fdb = make(0, &roomy);
	assert_int_equal(learn(fdb, 1, port(1), 0), FDB_FULL);
	fdb_destroy(fdb);
}

static void test_same_mac_in_segments(void **state)
{
	enum { SEGMENTS = 10000 };
	const struct mac mac = mac_of(1);
	struct fdb *fdb = make(SEGMENTS, &roomy);
	struct fdb_entry_info info[16];
	uint32_t cursor = 0;
	size_t seen = 0, n;

	(void)state;
	for (uint32_t i = 0; i < SEGMENTS; i++) {
		const struct fdb_where where = port(i + 1);

		assert_int_equal(fdb_segment_set(fdb, (uint16_t)(65535 - i), &roomy), 0);
		assert_int_equal(fdb_learn(fdb, (uint16_t)(65535 - i), &mac, &where, 0), FDB_NEW);
	}
	for (uint32_t i = 0; i < SEGMENTS; i++)
		assert_int_equal(fdb_lookup(fdb, (uint16_t)(65535 - i), &mac, 0)->port, i + 1);
	assert_null(fdb_lookup(fdb, SEG, &mac, 0));
	assert_int_equal(fdb_del(fdb, 65535, &mac), 0);
	assert_null(fdb_lookup(fdb, 65535, &mac, 0));
	assert_non_null(fdb_lookup(fdb, 65534, &mac, 0));
	fdb_segment_del(fdb, 65534);
	assert_null(fdb_lookup(fdb, 65534, &mac, 0));
	while ((n = fdb_list(fdb, -1, 0, &cursor, info, 16)) > 0)
		seen += n;
	assert_int_equal(seen, SEGMENTS - 2);
	assert_int_equal(fdb_age(fdb, 300000), SEGMENTS - 2);
	fdb_destroy(fdb);
}

static void test_loop_is_pinned_for_a_minute(void **state)
{
	struct fdb *fdb = make(10, &roomy);
	const struct fdb_where away = port(1);
	const struct mac mac = mac_of(1);
	struct fdb_entry_info info;
	uint32_t cursor = 0;
	uint64_t now = 777;

	(void)state;
	learn(fdb, 1, port(0), now);
	for (unsigned i = 0; i < FDB_BOUNCE_LIMIT; i++)
		assert_int_equal(learn(fdb, 1, port(1 - i % 2), now + i), FDB_MOVED);
	now += 999; /* still within the second */
	assert_true(is_at(fdb, 1, port(0), now));
	assert_int_equal(fdb_probe(fdb, SEG, &mac, &away, now), FDB_PINNED);
	assert_int_equal(events[FDB_EVENT_PINNED], 0);
	assert_int_equal(learn(fdb, 1, away, now), FDB_PINNED);
	assert_int_equal(events[FDB_EVENT_PINNED], 1);
	assert_int_equal(fdb_list(fdb, SEG, now, &cursor, &info, 1), 1);
	assert_true(info.pinned);
	for (unsigned i = 0; i < FDB_PIN_MS; i += 10) {
		assert_int_equal(learn(fdb, 1, host(1, i), now + i), FDB_PINNED);
		assert_int_equal(learn(fdb, 1, port(0), now + i), FDB_KNOWN);
	}
	assert_int_equal(learn(fdb, 1, away, now + FDB_PIN_MS - 1), FDB_PINNED);
	assert_true(is_at(fdb, 1, port(0), now + FDB_PIN_MS - 1));
	assert_int_equal(events[FDB_EVENT_PINNED], 1);
	/* free again, and counted anew */
	now += FDB_PIN_MS;
	for (unsigned i = 0; i < FDB_BOUNCE_LIMIT; i++)
		assert_int_equal(learn(fdb, 1, port(1 - i % 2), now), FDB_MOVED);
	assert_int_equal(learn(fdb, 1, away, now), FDB_PINNED);
	assert_int_equal(events[FDB_EVENT_PINNED], 2);
	fdb_destroy(fdb);
}

/* However the second of the count falls, a MAC is pinned to where it has lived, and not to
 * where somebody else has just used it. */
static void test_thief_does_not_win(void **state)
{
	(void)state;
	for (unsigned pace = 20; pace < 60; pace++) {
		struct fdb *fdb = make(10, &roomy);
		uint64_t now = 1000;

		learn(fdb, 1, port(0), now);
		now += FDB_SETTLED_MS;
		/* The thief first, the owner after it; two thieves take turns for odd counts. */
		for (unsigned i = 0; events[FDB_EVENT_PINNED] == 0; i++) {
			assert_true(i < 1000);
			learn(fdb, 1, port(i % 3), now);
			now += i % 17 == 0 ? 800 : pace;
		}
		assert_true(is_at(fdb, 1, port(0), now));
		assert_true(last_info.pinned);
		assert_int_equal(last_info.where.port, 0);
		assert_int_equal(learn(fdb, 1, port(1), now), FDB_PINNED);
		assert_int_equal(learn(fdb, 1, port(0), now), FDB_KNOWN);
		fdb_destroy(fdb);
	}
}

/* Who really moved, and stayed, is pinned to where it is now. */
static void test_new_home(void **state)
{
	struct fdb *fdb = make(10, &roomy);
	uint64_t now = 1000;

	(void)state;
	learn(fdb, 1, port(0), now);
	now += FDB_SETTLED_MS;
	learn(fdb, 1, port(1), now);
	now += FDB_SETTLED_MS;
	for (unsigned i = 0; i < FDB_BOUNCE_LIMIT; i++)
		assert_int_equal(learn(fdb, 1, port(2 + i % 2), now), FDB_MOVED);
	assert_int_equal(learn(fdb, 1, port(2), now), FDB_PINNED);
	assert_true(is_at(fdb, 1, port(1), now));
	assert_int_equal(held(fdb, port(1), now), 1);
	fdb_destroy(fdb);
}

/* The frame that is one too many may be the owner's: it is let in. */
static void test_owner_is_let_in(void **state)
{
	struct fdb *fdb = make(10, &roomy);
	const struct fdb_where home = port(0);
	const struct mac mac = mac_of(1);

	(void)state;
	learn(fdb, 1, home, 0);
	for (unsigned i = 0; i < FDB_BOUNCE_LIMIT; i++)
		assert_int_equal(learn(fdb, 1, port(1 + i % 2), 5), FDB_MOVED);
	assert_int_equal(fdb_probe(fdb, SEG, &mac, &home, 5), FDB_MOVED);
	assert_int_equal(learn(fdb, 1, home, 5), FDB_MOVED);
	assert_int_equal(events[FDB_EVENT_PINNED], 1);
	assert_true(is_at(fdb, 1, home, 5));
	assert_int_equal(learn(fdb, 1, port(1), 5), FDB_PINNED);
	fdb_destroy(fdb);
}

/* A home that was flushed is none, with static entries left there or not. */
static void test_home_is_forgotten(void **state)
{
	const struct fdb_where home = port(0);

	(void)state;
	for (unsigned fixed = 0; fixed < 2; fixed++) {
		struct fdb *fdb = make(10, &roomy);

		if (fixed)
			assert_int_equal(add(fdb, 9, home, FDB_STATIC), 0);
		learn(fdb, 1, home, 0);
		learn(fdb, 1, port(1), 1);
		assert_int_equal(fdb_flush(fdb, SEG, &home, false), 0);
		assert_int_equal(held(fdb, home, 1), fixed);
		assert_int_equal(learn(fdb, 2, home, 1), FDB_NEW); /* another is there now */
		for (unsigned i = 1; i < FDB_BOUNCE_LIMIT; i++)
			assert_int_equal(learn(fdb, 1, port(1 + i % 2), 2), FDB_MOVED);
		assert_int_equal(learn(fdb, 1, port(3), 2), FDB_PINNED);
		assert_true(is_at(fdb, 1, port(1), 2));
		if (fixed)
			assert_true(is_at(fdb, 9, home, 2));
		fdb_segment_del(fdb, SEG);
		fdb_destroy(fdb);
	}
}

/* Ten moves a second, for long, are no loop. */
static void test_slow_moves_are_no_loop(void **state)
{
	struct fdb *fdb = make(10, &roomy);

	(void)state;
	for (unsigned i = 0; i < 1000; i++)
		assert_int_not_equal(learn(fdb, 1, port(i % 2), 100 * i), FDB_PINNED);
	fdb_destroy(fdb);
}

static void test_smaller_limits_evict(void **state)
{
	struct fdb_limits limits = roomy;
	struct fdb *fdb = make(1000, &limits);

	(void)state;
	for (uint32_t i = 0; i < 300; i++)
		learn(fdb, i, i % 3 ? port(1) : host(1, 1), i);
	add(fdb, 1000, port(2), FDB_STATIC);
	limits.holder_max = 50;
	assert_int_equal(fdb_segment_set(fdb, SEG, &limits), 0);
	assert_int_equal(held(fdb, port(1), 300), 50);
	assert_int_equal(held(fdb, host(1, 1), 300), 100);
	limits.max = 61;
	assert_int_equal(fdb_segment_set(fdb, SEG, &limits), 0);
	assert_int_equal(fdb_segment_count(fdb, SEG), 61);
	assert_int_equal(held(fdb, port(1), 300), 30);
	assert_int_equal(held(fdb, host(1, 1), 300), 30);
	assert_int_equal(held(fdb, port(2), 300), 1);
	assert_int_equal(events[FDB_EVENT_EVICTED], 240);
	assert_int_equal(fdb_segment_counters(fdb, SEG).evicted, 240);
	assert_int_equal(fdb_segment_set(fdb, SEG, NULL), -EINVAL);
	fdb_destroy(fdb);
}

static void test_flush(void **state)
{
	const struct fdb_where side = {.side = 1};
	const struct fdb_where peer = host(1, 2), local = port(1), none = {0};
	struct fdb *fdb = make(1000, &roomy);

	(void)state;
	for (uint32_t i = 0; i < 10; i++) {
		learn(fdb, i, port(1), 0);
		learn(fdb, 100 + i, host(1, i), 0);
		learn(fdb, 200 + i, host(2, i), 0);
	}
	add(fdb, 300, host(1, 2), FDB_STATIC);
	memset(events, 0, sizeof(events));
	assert_int_equal(fdb_flush(fdb, SEG, &none, true), 0);
	assert_int_equal(fdb_flush(fdb, SEG, &peer, false), 1);
	assert_int_equal(fdb_flush(fdb, SEG, &peer, true), 1);
	assert_int_equal(fdb_flush(fdb, SEG, &peer, true), 0);
	assert_int_equal(fdb_flush(fdb, SEG, &side, true), 9);
	assert_int_equal(fdb_flush(fdb, SEG, &local, false), 10);
	assert_int_equal(fdb_segment_count(fdb, SEG), 10);
	assert_int_equal(fdb_flush(fdb, SEG, NULL, false), 10);
	assert_int_equal(fdb_flush(fdb, SEG + 1, NULL, true), 0);
	for (unsigned i = 0; i <= FDB_EVENT_PINNED; i++)
		assert_int_equal(events[i], 0);
	fdb_destroy(fdb);
}

static void test_ageing_in_parts(void **state)
{
	struct fdb *fdb = make(100, &roomy);

	(void)state;
	for (uint32_t i = 0; i < 20; i++)
		learn(fdb, i, port(i % 3), 1000 + i);
	learn(fdb, 20, port(0), 5000);
	assert_int_equal(fdb_age_some(fdb, 302000, 8), 8);
	assert_int_equal(fdb_segment_count(fdb, SEG), 13);
	assert_int_equal(fdb_age_some(fdb, 302000, 8), 8);
	assert_int_equal(fdb_age_some(fdb, 302000, 8), 4);
	assert_int_equal(fdb_age_some(fdb, 302000, 8), 0);
	assert_true(is_at(fdb, 20, port(0), 302000));
	assert_int_equal(events[FDB_EVENT_EXPIRED], 20);
	fdb_destroy(fdb);
}

static void test_model(void **state)
{
	enum { BYTES = 300000 };
	uint8_t *data = malloc(BYTES);
	uint64_t seed = 42;
	unsigned long ops = 0;

	(void)state;
	assert_non_null(data);
	for (unsigned run = 0; run < 4; run++) {
		for (size_t i = 0; i < BYTES; i++) {
			seed = seed * 6364136223846793005u + 1442695040888963407u;
			data[i] = (uint8_t)(seed >> 56);
		}
		ops += model_run(data, BYTES);
	}
	free(data);
	assert_true(ops > 300000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_ageing_edge),
	    cmocka_unit_test(test_ageing_in_parts),
	    cmocka_unit_test(test_refresh_starts_age_anew),
	    cmocka_unit_test(test_aged_is_new_elsewhere),
	    cmocka_unit_test(test_ageing_off),
	    cmocka_unit_test(test_clock_steps_back),
	    cmocka_unit_test(test_station_moves_with_first_frame),
	    cmocka_unit_test(test_static_and_sticky_never_move),
	    cmocka_unit_test(test_add_replaces_learned),
	    cmocka_unit_test(test_lookup_result_as_argument),
	    cmocka_unit_test(test_limit_of_segment),
	    cmocka_unit_test(test_limit_of_port_and_remote_host),
	    cmocka_unit_test(test_limit_of_a_wire_without_hosts),
	    cmocka_unit_test(test_oldest_is_least_recently_heard),
	    cmocka_unit_test(test_full_of_static),
	    cmocka_unit_test(test_flood_hurts_only_itself),
	    cmocka_unit_test(test_table_full),
	    cmocka_unit_test(test_same_mac_in_segments),
	    cmocka_unit_test(test_loop_is_pinned_for_a_minute),
	    cmocka_unit_test(test_thief_does_not_win),
	    cmocka_unit_test(test_new_home),
	    cmocka_unit_test(test_owner_is_let_in),
	    cmocka_unit_test(test_home_is_forgotten),
	    cmocka_unit_test(test_slow_moves_are_no_loop),
	    cmocka_unit_test(test_smaller_limits_evict),
	    cmocka_unit_test(test_flush),
	    cmocka_unit_test(test_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
