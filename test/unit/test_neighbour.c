/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "test/unit/neighbour_model.h"

#define SEG 7u

static struct neighbours *table;
static struct frame_pool *pool;
static struct stats stats;
static struct frame_batch released;
static struct neighbour_where where;
static const struct neighbour_where here = {.mac = {{2, 0, 0, 0, 0, 1}}};
static const struct neighbour_where there = {.mac = {{2, 0, 0, 0, 0, 2}}};

static int setup(void **state)
{
	static const struct hash_key key = {{3, 4}};
	static const struct neighbour_limits limits = {.max = 8, .holder_max = 4};

	(void)state;
	memset(&stats, 0, sizeof(stats));
	pool = frame_pool_create(256, 0);
	table = neighbours_create(&key, 100, 100);
	return table && pool ? neighbours_segment_set(table, SEG, &limits) : -1;
}

static int teardown(void **state)
{
	(void)state;
	neighbours_destroy(table);
	frame_pool_destroy(pool); /* aborts if one has leaked */
	return 0;
}

static struct frame *new_frame(void)
{
	struct frame *frame = frame_alloc(pool, 60);

	assert_non_null(frame);
	frame->len = 60;
	frame->origin = &stats;
	return frame;
}

static enum neighbour_use use(unsigned a, uint64_t holder, uint64_t now)
{
	struct frame *frame = new_frame();
	struct ipaddr addr = nm_addr(a);
	enum neighbour_use ret = neighbours_use(table, SEG, &addr, holder, frame, &where, now);

	if (ret != NEIGHBOUR_WAIT && ret != NEIGHBOUR_WAIT_ASK)
		frame_free(frame);
	return ret;
}

static enum neighbour_news heard(unsigned a, const struct neighbour_where *at,
				 enum neighbour_may may, uint64_t now)
{
	struct ipaddr addr = nm_addr(a);

	frame_batch_free(&released);
	return neighbours_heard(table, SEG, &addr, at, may, 9, now, &released);
}

static enum neighbour_state state_at(unsigned a, uint64_t now)
{
	struct ipaddr addr = nm_addr(a);
	struct neighbour_info info;

	assert_true(neighbours_info(table, SEG, &addr, now, &info));
	return info.state;
}

static void test_ask_hold_release(void **state)
{
	(void)state;
	assert_int_equal(use(1, 1, 1000), NEIGHBOUR_WAIT_ASK);
	for (unsigned i = 1; i < NEIGHBOUR_HELD; i++)
		assert_int_equal(use(1, 1, 1000), NEIGHBOUR_WAIT);
	assert_int_equal(use(1, 1, 1000), NEIGHBOUR_REFUSED);
	assert_int_equal(heard(1, &here, NEIGHBOUR_MAY_CONFIRM, 1500), NEIGHBOUR_NEW);
	assert_int_equal(released.count, NEIGHBOUR_HELD);
	frame_batch_free(&released);
	assert_int_equal(use(1, 1, 1500), NEIGHBOUR_SEND);
	assert_memory_equal(&where, &here, sizeof(where));
	assert_false(neighbours_are_asked(table));
}

static void test_three_tries(void **state)
{
	struct neighbour_due due;

	(void)state;
	(void)use(1, 1, 1000);
	assert_false(neighbours_tick(table, 1999, &due, &released));
	for (uint64_t now = 2000; now < 4000; now += 1000) {
		assert_true(neighbours_tick(table, now, &due, &released));
		assert_false(due.failed || due.alone);
		assert_false(neighbours_tick(table, now, &due, &released));
	}
	assert_true(neighbours_tick(table, 4000, &due, &released));
	assert_true(due.failed);
	assert_int_equal(released.count, 1);
	frame_batch_free(&released);
	assert_int_equal(neighbours_segment_counters(table, SEG).failed, 1);
	assert_int_equal(neighbours_segment_count(table, SEG), 0);
}

static void test_stale_is_probed(void **state)
{
	uint64_t now = 1000 + NEIGHBOUR_REACHABLE_MS;
	struct neighbour_due due;

	(void)state;
	(void)use(1, 1, 1000);
	(void)heard(1, &here, NEIGHBOUR_MAY_CONFIRM, 1000);
	frame_batch_free(&released);
	assert_int_equal(state_at(1, now - 1), NEIGHBOUR_REACHABLE);
	assert_int_equal(state_at(1, now), NEIGHBOUR_STALE);
	assert_int_equal(use(1, 1, now), NEIGHBOUR_SEND_ASK);
	assert_int_equal(use(1, 1, now), NEIGHBOUR_SEND);
	assert_int_equal(state_at(1, now), NEIGHBOUR_PROBE);
	assert_true(neighbours_tick(table, now + 1000, &due, &released));
	assert_true(due.alone && !due.failed);
	assert_memory_equal(&due.where, &here, sizeof(here));
	assert_int_equal(heard(1, &here, NEIGHBOUR_MAY_CONFIRM, now + 1100), NEIGHBOUR_SAME);
	assert_int_equal(state_at(1, now + 1100), NEIGHBOUR_REACHABLE);
	assert_false(neighbours_are_asked(table));
}

static void test_moves(void **state)
{
	(void)state;
	assert_int_equal(heard(1, &here, NEIGHBOUR_MAY_MOVE, 1000), NEIGHBOUR_UNKNOWN);
	assert_int_equal(heard(1, &here, NEIGHBOUR_MAY_CREATE, 1000), NEIGHBOUR_NEW);
	assert_int_equal(heard(1, &there, NEIGHBOUR_MAY_CONFIRM, 1000), NEIGHBOUR_KEPT);
	assert_int_equal(heard(1, &there, NEIGHBOUR_MAY_MOVE, 1000), NEIGHBOUR_MOVED);
	assert_int_equal(use(1, 1, 1000), NEIGHBOUR_SEND);
	assert_memory_equal(&where, &there, sizeof(where));
}

static void test_static(void **state)
{
	struct ipaddr addr = nm_addr(1);

	(void)state;
	(void)use(1, 1, 1000);
	assert_int_equal(neighbours_add(table, SEG, &addr, &here, 1000, &released), 0);
	assert_int_equal(released.count, 1);
	assert_int_equal(heard(1, &there, NEIGHBOUR_MAY_CREATE, 1000), NEIGHBOUR_KEPT);
	assert_int_equal(use(1, 1, 1000 + 10 * NEIGHBOUR_UNUSED_MS), NEIGHBOUR_SEND);
	assert_int_equal(neighbours_add(table, SEG + 1, &addr, &here, 0, &released), -ENOENT);
	assert_int_equal(neighbours_del(table, SEG, &addr), 0);
	assert_int_equal(neighbours_del(table, SEG, &addr), -ENOENT);
}

/* Who scans loses its own, and what waits counts where it came in. */
static void test_scan(void **state)
{
	(void)state;
	(void)use(0, 1, 1000);
	(void)use(1, 1, 1000);
	for (unsigned i = 0; i < 8; i++)
		assert_int_equal(use(2 + i, 2, 1000), NEIGHBOUR_WAIT_ASK);
	assert_int_equal(neighbours_segment_count(table, SEG), 6);
	assert_int_equal(state_at(0, 1000), NEIGHBOUR_INCOMPLETE);
	assert_int_equal(stats.rx_drops[REASON_NO_NEIGHBOUR], 4);
	assert_int_equal(use(10, 3, 1000), NEIGHBOUR_WAIT_ASK);
	assert_int_equal(use(11, 3, 1000), NEIGHBOUR_WAIT_ASK);
	assert_int_equal(use(12, 3, 1000), NEIGHBOUR_WAIT_ASK); /* full: the largest gives way */
	assert_int_equal(neighbours_segment_count(table, SEG), 8);
	assert_int_equal(state_at(0, 1000), NEIGHBOUR_INCOMPLETE);
	assert_int_equal(neighbours_forget(table, 1), 2);
}

static void test_origin_gone(void **state)
{
	(void)state;
	(void)use(1, 1, 1000);
	neighbours_origin_gone(table, &stats);
	neighbours_segment_del(table, SEG);
	assert_int_equal(stats.rx_drops[REASON_NO_NEIGHBOUR], 0);
}

static void test_expiry(void **state)
{
	struct neighbour_due due;

	(void)state;
	(void)heard(1, &here, NEIGHBOUR_MAY_CREATE, 1000);
	assert_false(neighbours_tick(table, 999 + NEIGHBOUR_UNUSED_MS, &due, &released));
	assert_int_equal(neighbours_segment_count(table, SEG), 1);
	assert_false(neighbours_tick(table, 1000 + NEIGHBOUR_UNUSED_MS, &due, &released));
	assert_int_equal(neighbours_segment_count(table, SEG), 0);
	assert_int_equal(neighbours_segment_counters(table, SEG).expired, 1);
}

static void test_limits_shrink(void **state)
{
	const struct neighbour_limits small = {.max = 2};
	const struct neighbour_limits none = {.max = 0};

	(void)state;
	for (unsigned i = 0; i < 4; i++)
		(void)use(i, 1, 1000);
	assert_int_equal(neighbours_segment_set(table, SEG, &none), -EINVAL);
	assert_int_equal(neighbours_segment_set(table, SEG, &small), 0);
	assert_int_equal(neighbours_segment_count(table, SEG), 1);
	neighbours_destroy(NULL);
}

static void test_model(void **state)
{
	static uint8_t ops[4000];

	(void)state;
	srandom(2026);
	for (unsigned round = 0; round < 200; round++) {
		for (size_t i = 0; i < sizeof(ops); i++)
			ops[i] = (uint8_t)random();
		(void)nmodel_run(ops, sizeof(ops));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_ask_hold_release, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_three_tries, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_stale_is_probed, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_moves, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_static, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_scan, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_origin_gone, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_expiry, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_limits_shrink, setup, teardown),
	    cmocka_unit_test(test_model),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
