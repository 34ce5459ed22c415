/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Multicast snooping in the pipeline: who gets a group's frames and who hears reports,
 * on local ports and on wires; our own queries, and when another querier asks.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "lib/checksum.h"
#include "lib/mcast.h"
#include "switchd/snooping.h"
#include "test/unit/switch_fixture.h"

static struct fx fx;
static struct segment *alpha;
static struct fx_port *a, *b, *c;
static struct fx_encap *wire;

static int setup(void **state)
{
	(void)state;
	fx_open(&fx);
	strcpy(fx.sw.host, "hostA");
	alpha = fx_segment(&fx, "alpha", "{\"querier\": true}");
	a = fx_port(&fx, alpha, "a", "");
	b = fx_port(&fx, alpha, "b", "");
	c = fx_port(&fx, alpha, "c", "");
	wire = fx_encap(&fx, alpha);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	assert_true(fx_pool_empty(&fx));
	fx_close(&fx);
	return 0;
}

/* An IPv4 packet to a group, of a protocol, with TTL 1. */
static struct frame *to_group(unsigned from, const uint8_t group[4], unsigned protocol,
			      const uint8_t *payload, size_t len)
{
	uint8_t ip[20] = {0x45, [8] = 1, [9] = (uint8_t)protocol, [12] = 10, 0, 0, (uint8_t)from};
	struct mac dst = {{0x01, 0, 0x5e, group[1] & 0x7f, group[2], group[3]}};
	struct frame *frame = fx_ether(&fx, dst, fx_mac(from), 14 + 20 + len);

	ip[3] = (uint8_t)(20 + len);
	memcpy(ip + 16, group, 4);
	frame->data[12] = 0x08;
	frame->data[13] = 0;
	memcpy(frame->data + 14, ip, sizeof(ip));
	memcpy(frame->data + 34, payload, len);
	return frame;
}

static struct frame *report(unsigned from, unsigned type, const uint8_t group[4])
{
	uint8_t igmp[8] = {(uint8_t)type, 0, 0, 0, group[0], group[1], group[2], group[3]};
	uint16_t sum = checksum(igmp, sizeof(igmp));

	memcpy(igmp + 2, &sum, sizeof(sum));
	return to_group(from, group, 2, igmp, sizeof(igmp));
}

static struct frame *query_from(const char *source, unsigned mac)
{
	struct frame *frame = frame_alloc(fx.sw.pool, MCAST_QUERY_MAX);
	struct ipaddr from, any = {.family = AF_INET};
	struct mac src = fx_mac(mac);

	FX_CHECK(frame && ipaddr_parse(source, &from) == 0);
	frame->len = (uint32_t)mcast_query(frame->data, &src, &from, &any, 10000, 125000);
	return frame;
}

static void assert_got(unsigned at_a, unsigned at_b, unsigned at_c, unsigned at_wire)
{
	assert_int_equal(a->log.count, at_a);
	assert_int_equal(b->log.count, at_b);
	assert_int_equal(c->log.count, at_c);
	assert_int_equal(wire->log.count, at_wire);
	fx_forget(&fx);
}

static void pass_time(unsigned seconds)
{
	for (unsigned i = 0; i < seconds; i++) {
		fx.sw.now += 1000;
		snooping_second(&fx.sw);
		egress_flush(&fx.sw);
	}
}

static const uint8_t music[4] = {239, 1, 2, 3}, film[4] = {239, 1, 2, 4},
		     mdns[4] = {224, 0, 0, 251};
static const uint8_t data[8] = {1, 2, 3};

#define DATA(from, group) to_group((from), (group), 17, data, sizeof(data))

static void test_members(void **state)
{
	(void)state;
	pass_time(1); /* IGMP and MLD queries to everybody */
	assert_got(2, 2, 2, 2);
	fx_send(b, report(2, 0x16, music));
	assert_got(1, 0, 1, 1); /* the first seconds: flooded */
	pass_time(10);
	fx_send(a, DATA(1, music));
	assert_got(0, 1, 0, 0);
	fx_send(a, DATA(1, film));
	assert_got(0, 0, 0, 0);
	fx_send(a, DATA(1, mdns));
	assert_got(0, 1, 1, 1);
	/* A member on another host, whose switch has passed the report on. */
	fx_receive(wire, 1, report(9, 0x16, film));
	assert_got(0, 0, 0, 0);
	fx_send(a, DATA(1, film));
	assert_got(0, 0, 0, 1);
	fx_receive(wire, 1, DATA(9, music));
	assert_got(0, 1, 0, 0);
	/* Reports go to other switches and not to other hosts, whom they would silence. */
	fx_send(c, report(3, 0x16, film));
	assert_got(0, 0, 0, 1);
	fx_receive(wire, 1, DATA(9, film));
	assert_got(0, 0, 1, 0);
	assert_int_equal(fx_drops(a->port->stats.rx_drops), 1); /* the film that nobody wanted */
}

static void test_leave_is_asked_about(void **state)
{
	(void)state;
	pass_time(1);
	fx_send(b, report(2, 0x16, music));
	fx_send(c, report(3, 0x16, music));
	pass_time(10);
	fx_forget(&fx);
	fx_send(b, report(2, 0x17, music));
	assert_got(1, 1, 1, 2); /* a query about it; the wire gets the report, too */
	fx_send(c, report(3, 0x16, music));
	pass_time(1); /* the second query */
	assert_got(1, 1, 1, 2);
	fx_send(c, report(3, 0x16, music));
	pass_time(3);
	fx_forget(&fx);
	fx_send(a, DATA(1, music));
	assert_got(0, 0, 1, 0);
}

static void test_other_querier(void **state)
{
	(void)state;
	pass_time(1);
	fx_forget(&fx);
	/* A router is better than a switch, and gets everything. */
	fx_send(c, query_from("10.0.0.3", 3));
	assert_got(1, 1, 0, 1);
	pass_time(130);
	assert_got(1, 1, 1, 1); /* of IPv6 alone: 31 s after the first, then 125 s later */
	fx_send(a, DATA(1, film));
	assert_got(0, 0, 1, 0);
	fx_send(b, report(2, 0x16, music));
	assert_got(0, 0, 1, 1);
	pass_time(126);
	assert_true(a->log.count >= 2); /* it is silent: ours again, of both */
	fx_forget(&fx);
	/* Of switches the one with the lower MAC asks. Ours begins with 02-54-56-51. */
	fx_receive(wire, 1, query_from("0.0.0.0", 1));
	fx_forget(&fx);
	pass_time(126);
	assert_int_equal(a->log.count, 1);
	fx_forget(&fx);
	fx_send(a, DATA(1, film)); /* a switch is no router */
	assert_got(0, 0, 0, 0);
}

/* What an isolated guest asks, not all hear: it is no querier to whom they would answer. */
static void test_isolated_querier(void **state)
{
	struct segment *beta = fx_segment(&fx, "beta", "{\"snooping\": true}");
	struct fx_port *d = fx_port(&fx, beta, "d", "{\"isolated\": true}");
	struct fx_port *e = fx_port(&fx, beta, "e", "{\"isolated\": true}");
	struct fx_port *f = fx_port(&fx, beta, "f", "");

	(void)state;
	fx_send(d, query_from("10.0.0.3", 3));
	assert_int_equal(e->log.count, 0);
	pass_time(11);
	fx_forget(&fx);
	fx_send(f, DATA(6, music));
	assert_int_equal(d->log.count, 1);
	assert_int_equal(e->log.count, 1);
	fx_send(f, query_from("10.0.0.6", 6));
	pass_time(11);
	fx_forget(&fx);
	fx_send(f, DATA(6, music));
	assert_int_equal(e->log.count, 0);
}

/* Whoever joins and leaves all the time does not keep the switch from asking everybody. */
static void test_storm_of_leaves(void **state)
{
	const struct ipaddr any = {.family = AF_INET};
	unsigned general = 0;

	(void)state;
	pass_time(1);
	for (unsigned second = 0; second < 160; second++) {
		fx.sw.now += 1000; /* the storm comes right before the switch's own turn */
		for (uint8_t n = 0; n < 100; n++) {
			const uint8_t group[4] = {239, 1, 2, n};

			fx_send(b, report(2, 0x16, group));
			fx_send(b, report(2, 0x17, group));
		}
		fx_forget(&fx);
		snooping_second(&fx.sw);
		egress_flush(&fx.sw);
		for (unsigned i = 0; i < a->log.count; i++) {
			const uint8_t *bytes = a->log.sent[i].bytes;

			general += bytes[12] == 0x08 && memcmp(bytes + 42, any.bytes, 4) == 0;
		}
		assert_in_range(a->log.count, 0, 40);
	}
	assert_int_equal(general, 2); /* 31 s after the first, and then 125 s later */
}

static void test_port_goes(void **state)
{
	(void)state;
	pass_time(1);
	fx_send(b, report(2, 0x16, music));
	pass_time(10);
	membership_flush(b->port, true);
	fx_forget(&fx);
	fx_send(a, DATA(1, music));
	assert_got(0, 0, 0, 0);
}

static void test_off(void **state)
{
	struct segment *beta = fx_segment(&fx, "beta", "");
	struct fx_port *d = fx_port(&fx, beta, "d", ""), *e = fx_port(&fx, beta, "e", "");

	(void)state;
	pass_time(20);
	fx_forget(&fx);
	fx_send(d, DATA(1, music));
	assert_int_equal(e->log.count, 1);
	assert_int_equal(d->log.count, 0);
}

/* A trace neither notes what a frame says nor goes elsewhere than traffic. */
static void test_trace(void **state)
{
	json_t *trace;

	(void)state;
	pass_time(11);
	fx_forget(&fx);
	trace = forward_trace(b->port, report(2, 0x16, music));
	json_decref(trace);
	fx_send(a, DATA(1, music));
	assert_got(0, 0, 0, 0);
	fx_send(b, report(2, 0x16, music));
	fx_forget(&fx);
	trace = forward_trace(a->port, DATA(1, music));
	assert_int_equal(json_array_size(json_object_get(trace, "to")), 1);
	assert_string_equal(json_string_value(json_object_get(
				json_array_get(json_object_get(trace, "to"), 0), "port")),
			    "b");
	json_decref(trace);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_members, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_leave_is_asked_about, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_other_querier, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_isolated_querier, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_storm_of_leaves, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_port_goes, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_off, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_trace, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
