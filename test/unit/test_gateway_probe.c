// SPDX-License-Identifier: BSD-2-Clause
//
// Packets that are made up to ask what a gateway does with them.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka needs those four first
#include <cmocka.h>

#include "test/unit/gateway_case.h"

static int setup(void **state)
{
	(void)state;
	gc_open("");
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	gc_close();
	return 0;
}

/* What `policy verify` makes up goes the whole way, with nobody known yet, and leaves nothing. */
static void test_probe(void **state)
{
	static const uint16_t families[] = {AF_INET, AF_INET6};
	struct gateway_end from = {.segment = seg[A], .port = port[PA]->port, .mac = guest(10)};
	struct gateway_end to = {
	    .segment = seg[B],
	    .port = port[PB]->port,
	    .mac = guest(20),
	    .where = {.side = FDB_SIDE_LOCAL, .port = port[PB]->port->number},
	};
	struct neighbour_info info;
	struct gateway_probe probe;
	uint32_t cursor = 0;

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		const json_t *receiver;
		json_t *trace;

		assert_true(gateway_probe(&from, &to, families[i], &probe));
		trace = forward_trace_supposing(port[PA]->port, probe.frame, &probe.supposed);
		assert_int_equal(json_array_size(json_object_get(trace, "to")), 1);
		receiver = json_array_get(json_object_get(trace, "to"), 0);
		assert_string_equal(json_string_value(json_object_get(receiver, "port")), "pb");
		json_decref(trace);
	}
	/* Closed: to gamma. */
	to = (struct gateway_end){
	    .segment = seg[C],
	    .port = port[PC]->port,
	    .mac = guest(30),
	    .where = {.side = FDB_SIDE_LOCAL, .port = port[PC]->port->number},
	};
	for (unsigned i = 0; i < 2; i++) {
		json_t *trace;

		/* It has no subnet of IPv6. */
		assert_int_equal(gateway_probe(&from, &to, families[i], &probe), i == 0);
		if (!probe.frame)
			continue;
		trace = forward_trace_supposing(port[PA]->port, probe.frame, &probe.supposed);
		assert_string_equal(json_string_value(json_object_get(trace, "reason")),
				    "policy_closed");
		json_decref(trace);
	}
	assert_int_equal(neighbours_list(gateways_neighbours(&fx.sw), -1, 0, &cursor, &info, 1), 0);
	for (unsigned i = 0; i < SEGMENTS; i++)
		assert_int_equal(fdb_segment_count(fx.sw.fdb, seg[i]->number), 0);
	assert_int_equal(port[PA]->port->stats.rx_frames, 0);
	egress_flush(&fx.sw);
	assert_int_equal(fx_total(&fx), 0);
	assert_true(fx_pool_empty(&fx));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_probe, setup, teardown),
	};

	return cmocka_run_group_tests_name("gateway_probe", tests, NULL, NULL);
}
