/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The forwarding database as a table: its size, its growth, and listing it while it
 * changes.
 */
#include "test/unit/fdb_case.h"

static void test_holder_ends_with_last_entry(void **state)
{
	struct fdb *fdb = make(1000, &roomy);
	struct fdb_holder_info info[4];
	uint32_t cursor = 0;

	(void)state;
	learn(fdb, 1, port(1), 1000);
	learn(fdb, 2, host(1, 1), 1500);
	assert_int_equal(fdb_list_holders(fdb, 2000, &cursor, info, 4), 2);
	assert_int_equal(info[0].idle_ms, 1000);
	assert_int_equal(info[1].idle_ms, 500);
	assert_int_equal(fdb_list_holders(fdb, 2000, &cursor, info, 4), 0);
	learn(fdb, 1, host(1, 1), 2000); /* the port's only entry leaves it */
	cursor = 0;
	assert_int_equal(fdb_list_holders(fdb, 2000, &cursor, info, 4), 1);
	assert_int_equal(info[0].entries, 2);
	fdb_age(fdb, 400000);
	cursor = 0;
	assert_int_equal(fdb_list_holders(fdb, 400000, &cursor, info, 4), 0);
	/* holders come and go a million times in a table of few */
	for (uint32_t i = 0; i < MANY; i++)
		learn(fdb, i % 7, port(i), 400000 + 200 * (uint64_t)i);
	assert_true(held(fdb, port(MANY - 1), 400000 + 200 * (uint64_t)MANY) == 1);
	fdb_destroy(fdb);
}

static void test_million_entries(void **state)
{
	struct fdb *fdb = make(MANY, &roomy);

	(void)state;
	for (uint32_t i = 0; i < MANY; i++)
		if (learn(fdb, i, port(i % 64), 0) != FDB_NEW)
			fail();
	assert_int_equal(fdb_segment_count(fdb, SEG), MANY);
	for (uint32_t i = 0; i < MANY; i++)
		if (!is_at(fdb, i, port(i % 64), 1))
			fail();
	assert_false(is_known(fdb, MANY, 1));
	/* the configured size is the capacity, exactly */
	assert_int_equal(events[FDB_EVENT_EVICTED], 0);
	assert_int_equal(learn(fdb, MANY, port(1), 2), FDB_NEW);
	assert_int_equal(events[FDB_EVENT_EVICTED], 1);
	assert_int_equal(fdb_age(fdb, 300000), MANY - 1);
	fdb_destroy(fdb);
}

/* Buckets grow one at a time; at every size everything is found, nothing twice. */
static void test_bucket_growth(void **state)
{
	struct fdb *fdb = make(3000, &roomy);

	(void)state;
	for (uint32_t i = 0; i < 3000; i++) {
		assert_int_equal(learn(fdb, i, port(i), 0), FDB_NEW);
		if (i % 37 == 0 || i < 100)
			for (uint32_t j = 0; j <= i; j++)
				assert_true(is_at(fdb, j, port(j), 0));
		assert_false(is_known(fdb, i + 1, 0));
	}
	for (uint32_t i = 0; i < 3000; i++) {
		const struct mac mac = mac_of(i);

		assert_int_equal(fdb_del(fdb, SEG, &mac), 0);
		assert_false(is_known(fdb, i, 0));
	}
	assert_int_equal(fdb_segment_count(fdb, SEG), 0);
	fdb_destroy(fdb);
}

static void test_cursor_under_growth(void **state)
{
	enum { STAY = 1000 };
	struct fdb *fdb = make(100000, &roomy);
	static unsigned seen[STAY];
	struct fdb_entry_info info[7];
	uint32_t cursor = 0, next = STAY;
	size_t n;

	(void)state;
	memset(seen, 0, sizeof(seen));
	for (uint32_t i = 0; i < 2 * STAY; i++)
		learn(fdb, i < STAY ? i : 50000 + i, port(i % 5), 0);
	while ((n = fdb_list(fdb, SEG, 0, &cursor, info, 7)) > 0) {
		for (size_t i = 0; i < n; i++) {
			uint32_t number =
			    (uint32_t)info[i].mac.octet[4] << 8 | info[i].mac.octet[5];

			if (info[i].mac.octet[3] == 0 && number < STAY)
				seen[number]++;
		}
		/* between two calls: growth, moves, and others go */
		for (unsigned i = 0; i < 5 && next < 20000; i++, next++) {
			const struct mac gone = mac_of(50000 + next);

			learn(fdb, next, port(9), 0);
			learn(fdb, next % STAY, port(next % 11), 0);
			(void)fdb_del(fdb, SEG, &gone);
		}
	}
	for (unsigned i = 0; i < STAY; i++)
		assert_int_equal(seen[i], 1);
	fdb_destroy(fdb);
}

/* A search for the few of one segment ends in time, and finds them all. */
static void test_list_in_parts(void **state)
{
	struct fdb *fdb = make(5000, &roomy);
	const struct fdb_where where = port(1), other = host(1, 1);
	struct fdb_entry_info info[4];
	size_t n, seen = 0, calls = 0;
	uint32_t cursor = 0;
	bool end = false;

	(void)state;
	assert_int_equal(fdb_segment_set(fdb, SEG + 1, &roomy), 0);
	for (uint32_t i = 0; i < 4000; i++) {
		const struct mac mac = mac_of(i);

		assert_int_equal(fdb_learn(fdb, i % 1000 == 999 ? SEG + 1 : SEG, &mac, &where, 1),
				 FDB_NEW);
	}
	while (!end) {
		n = fdb_list_some(fdb, SEG + 1, 1, &cursor, info, 4, 100, &end);
		seen += n;
		calls++;
	}
	assert_int_equal(seen, 4);
	assert_in_range(calls, 40, 42);
	assert_true(fdb_is_heard(fdb, SEG + 1, &where, 1));
	assert_false(fdb_is_heard(fdb, SEG + 1, &other, 1));
	assert_false(fdb_is_heard(fdb, SEG + 1, &where, 1 + roomy.ageing_ms));
	fdb_destroy(fdb);
}

/* A segment's entries without a look at others; who stays is listed once, whatever happens. */
static void test_places(void **state)
{
	enum { FEW = 40 };
	struct fdb *fdb = make(5000, &roomy);
	const struct fdb_where where = port(1);
	struct fdb_entry_info info[FEW];
	uint32_t places[FEW];
	unsigned seen[FEW] = {0};

	(void)state;
	assert_int_equal(fdb_places(fdb, SEG + 1, places, FEW), 0);
	assert_int_equal(fdb_segment_set(fdb, SEG + 1, &roomy), 0);
	for (uint32_t i = 0; i < 4000; i++)
		learn(fdb, i, port(i % 3), 1);
	for (uint32_t i = 0; i < FEW; i++) {
		const struct fdb_where at = i % 2 ? port(i % 5) : host(1, i % 3);
		const struct mac mac = mac_of(i);

		assert_int_equal(fdb_learn(fdb, SEG + 1, &mac, &at, 1), FDB_NEW);
	}
	assert_int_equal(fdb_add(fdb, SEG + 1, &(const struct mac){{2, 9}}, &where, FDB_STATIC, 1),
			 0);
	assert_int_equal(fdb_places(fdb, SEG + 1, places, 7), 7);
	assert_int_equal(fdb_del(fdb, SEG + 1, &(const struct mac){{2, 9}}), 0);
	assert_int_equal(fdb_places(fdb, SEG + 1, places, FEW), FEW);
	/* some move, some go and others of this and of another segment take their places */
	for (uint32_t i = 0; i < FEW; i += 4) {
		const struct mac moves = mac_of(i), goes = mac_of(i + 1), comes = mac_of(5000 + i);

		assert_int_equal(fdb_learn(fdb, SEG + 1, &moves, &where, 2), FDB_MOVED);
		assert_int_equal(fdb_del(fdb, SEG + 1, &goes), 0);
		assert_int_equal(fdb_learn(fdb, i % 8 ? SEG : SEG + 1, &comes, &where, 2), FDB_NEW);
	}
	for (size_t at = 0; at < FEW; at += 8) {
		size_t n = fdb_list_places(fdb, SEG + 1, 2, places + at, 8, info);

		for (size_t i = 0; i < n; i++) {
			uint32_t number =
			    (uint32_t)info[i].mac.octet[4] << 8 | info[i].mac.octet[5];

			assert_int_equal(info[i].segment, SEG + 1);
			if (number < FEW)
				seen[number]++;
		}
	}
	for (uint32_t i = 0; i < FEW; i++)
		assert_int_equal(seen[i], i % 4 != 1);
	assert_int_equal(fdb_list_places(fdb, SEG + 1, 2 + roomy.ageing_ms, places, FEW, info), 0);
	fdb_destroy(fdb);
}

/* The same for holders: a walk over many that are gone ends in time. */
static void test_holders_in_parts(void **state)
{
	struct fdb *fdb = make(5000, &roomy);
	struct fdb_holder_info info[4];
	size_t seen = 0, calls = 0;
	uint32_t cursor = 0;
	bool end = false;

	(void)state;
	for (uint32_t i = 0; i < 1000; i++)
		learn(fdb, i, host(1, i), 1);
	for (uint32_t i = 0; i < 1000; i++) {
		const struct mac mac = mac_of(i);

		if (i % 100 != 99)
			assert_int_equal(fdb_del(fdb, SEG, &mac), 0);
	}
	while (!end) {
		seen += fdb_list_holders_some(fdb, 1, &cursor, info, 4, 50, &end);
		calls++;
	}
	assert_int_equal(seen, 10);
	assert_in_range(calls, 20, 23);
	fdb_destroy(fdb);
}

static void test_create_and_destroy(void **state)
{
	struct fdb *fdb;

	(void)state;
	fdb_destroy(NULL);
	assert_null(fdb_create(&secret, SIZE_MAX));
	/* memory that is not used costs nothing */
	fdb = make(100000000, &roomy);
	assert_int_equal(learn(fdb, 1, port(1), 0), FDB_NEW);
	fdb_segment_del(fdb, SEG);
	fdb_segment_del(fdb, SEG);
	assert_int_equal(fdb_segment_count(fdb, SEG), 0);
	assert_int_equal(fdb_segment_counters(fdb, SEG).learned, 0);
	assert_int_equal(fdb_age(fdb, 1), 0);
	fdb_destroy(fdb);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_holder_ends_with_last_entry),
	    cmocka_unit_test(test_million_entries),
	    cmocka_unit_test(test_bucket_growth),
	    cmocka_unit_test(test_cursor_under_growth),
	    cmocka_unit_test(test_list_in_parts),
	    cmocka_unit_test(test_places),
	    cmocka_unit_test(test_holders_in_parts),
	    cmocka_unit_test(test_create_and_destroy),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
