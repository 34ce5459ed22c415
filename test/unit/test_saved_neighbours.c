/* SPDX-License-Identifier: BSD-2-Clause */
/* Neighbours of gateways, and bindings, that one process leaves to the next. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "switchd/saved.h"
#include "switchd/saved_impl.h"
#include "test/unit/gateway_case.h"

/* Bindings of a wire that keeps some, as a backend would. */
static struct neighbour_info bound[4];
static size_t bound_count;

static size_t bindings(const struct encap *encap, uint32_t *cursor, struct neighbour_info *out,
		       size_t max)
{
	size_t n = 0;

	(void)encap;
	while (n < max && *cursor < bound_count)
		out[n++] = bound[(*cursor)++];
	return n;
}

static size_t binding_count(const struct encap *encap, struct neighbour_counters *counters)
{
	(void)encap;
	memset(counters, 0, sizeof(*counters));
	return bound_count;
}

static bool binding_restore(struct encap *encap, const struct neighbour_info *info)
{
	(void)encap;
	bound[bound_count++] = *info;
	return true;
}

static enum reason hear(struct encap *encap, struct frame *frame, uint32_t number, bool dry)
{
	(void)encap;
	(void)frame;
	(void)number;
	(void)dry;
	return REASON_NONE;
}

static void begin(void)
{
	gc_open("");
	wire_a->ops.hear = hear;
	wire_a->ops.bindings = bindings;
	wire_a->ops.binding_count = binding_count;
	wire_a->ops.binding_restore = binding_restore;
	seg[A]->hearer = seg[A]->encaps[0];
}

static void end(void)
{
	seg[A]->hearer = NULL;
	gc_close();
}

/* All that is saved now, as read again. */
static struct saved *save(void)
{
	struct saved_neighbour_walk walk = {0, 0, 0};
	struct saved *saved = saved_create();
	json_t *json =
	    json_pack("{s:i, s:I}", "saved", SAVED_VERSION, "now", (json_int_t)fx.sw.now);
	struct err err;

	for (; json; json = saved_neighbour_next(&walk, &fx.sw)) {
		assert_int_equal(saved_take(saved, json, &err), 0);
		json_decref(json);
	}
	return saved;
}

/* What the gateway knows of an address of segment b. */
static bool known(const char *text, struct neighbour_info *info)
{
	struct ipaddr addr = ip(text);

	return neighbours_info(gateways_neighbours(&fx.sw), seg[B]->number, &addr, fx.sw.now, info);
}

static struct frame *to_b(const char *to)
{
	return gc_udp(gateway_mac[A], guest(10), "10.1.0.10", to, 64, 10);
}

static void test_they_come_back(void **state)
{
	struct neighbour_info info;
	struct saved *saved;
	uint64_t then;

	(void)state;
	begin();
	fx_send(port[PA], to_b("10.2.0.20"));
	fx_send(port[PB], gc_answer(guest(20), "10.2.0.20", router));
	fx_send(port[PA], to_b("10.2.0.21")); /* nobody answers */
	bound[0] =
	    (struct neighbour_info){.addr = ip("10.1.0.10"),
				    .state = NEIGHBOUR_REACHABLE,
				    .where = {.mac = guest(10), .port = port[PA]->port->number},
				    .age_ms = 7};
	bound[1] = (struct neighbour_info){.addr = ip("2001:db8:1::30"),
					   .state = NEIGHBOUR_STALE,
					   .where = {.mac = guest(30), .host = fx_mac(200)},
					   .age_ms = 40000};
	bound[2] = (struct neighbour_info){.addr = ip("10.1.0.40"), .state = NEIGHBOUR_INCOMPLETE};
	bound_count = 3;
	fx.sw.now += 5000;
	then = fx.sw.now;
	saved = save();
	end();
	bound_count = 0;

	begin();
	fx.sw.now = then + 1000;
	assert_int_equal(saved_neighbours(saved, &fx.sw), 3);
	assert_true(known("10.2.0.20", &info));
	assert_int_equal(info.age_ms, 6000);
	assert_int_equal(info.state, NEIGHBOUR_REACHABLE);
	assert_int_equal(info.holder, port[PA]->port->number);
	assert_memory_equal(&info.where.mac, guest(20).octet, MAC_LEN);
	assert_false(known("10.2.0.21", &info));
	/* Nobody needs to be asked for, where the station is known too. */
	gc_speak(port[PB], 20);
	fx_send(port[PA], to_b("10.2.0.20"));
	assert_int_equal(fx_total(&fx), 1);
	/* The oldest first, so that others go last. */
	assert_int_equal(bound_count, 2);
	assert_int_equal(bound[0].age_ms, 41000);
	assert_memory_equal(&bound[0].where.host, fx_mac(200).octet, MAC_LEN);
	assert_int_equal(bound[1].where.port, port[PA]->port->number);
	assert_true(mac_is_zero(&bound[1].where.host));
	saved_destroy(saved);
	end();
}

static void test_what_has_changed(void **state)
{
	struct neighbour_info info;
	struct saved *saved;
	uint64_t then;

	(void)state;
	begin();
	bound_count = 0;
	fx_send(port[PA], to_b("10.2.0.20"));
	fx_send(port[PB], gc_answer(guest(20), "10.2.0.20", router));
	then = fx.sw.now;
	saved = save();
	/* Too old; of another boot; with what is newer there already. */
	assert_int_equal(gateways_flush(&fx.sw, NULL, NULL), 1);
	fx.sw.now = then + NEIGHBOUR_UNUSED_MS;
	assert_int_equal(saved_neighbours(saved, &fx.sw), 0);
	fx.sw.now = then - 1;
	assert_int_equal(saved_neighbours(saved, &fx.sw), 0);
	fx.sw.now = then;
	assert_int_equal(saved_neighbours(saved, &fx.sw), 1);
	assert_int_equal(saved_neighbours(saved, &fx.sw), 0);
	/* Its segment is another, or has no gateway any more. */
	assert_int_equal(gateways_flush(&fx.sw, NULL, NULL), 1);
	seg[B]->conf.id++;
	assert_int_equal(saved_neighbours(saved, &fx.sw), 0);
	seg[B]->conf.id--;
	gateway_segment_gone(seg[B]);
	assert_int_equal(saved_neighbours(saved, &fx.sw), 0);
	assert_false(known("10.2.0.20", &info));
	saved_destroy(saved);
	end();
}

#define BASE "\"segment\":\"a\",\"id\":1,\"mac\":\"02:00:00:00:00:01\""

static void test_bad_ones(void **state)
{
	static const char *const bad[] = {
	    "{\"neighbour\":7," BASE ",\"age\":1}",
	    "{\"neighbour\":\"x\"," BASE ",\"age\":1}",
	    "{\"neighbour\":\"10.1.0.1\"," BASE "}",
	    "{\"neighbour\":\"10.1.0.1\"," BASE ",\"age\":-1}",
	    "{\"neighbour\":\"10.1.0.1\"," BASE ",\"age\":1,\"port\":\"a b\"}",
	    "{\"neighbour\":\"10.1.0.1\",\"segment\":\"a\",\"id\":1,\"age\":1}",
	    "{\"neighbour\":\"10.1.0.1\",\"segment\":\"a\",\"id\":1,\"age\":1,"
	    "\"mac\":\"ff:ff:ff:ff:ff:ff\"}",
	    "{\"neighbour\":\"10.1.0.1\",\"id\":1,\"age\":1,\"mac\":\"02:00:00:00:00:01\"}",
	    "{\"binding\":\"10.1.0.1\"," BASE ",\"age\":1}",
	    "{\"binding\":\"10.1.0.1\"," BASE ",\"age\":1,\"host\":7}",
	    "{\"binding\":\"10.1.0.1\"," BASE ",\"age\":1,\"host\":\"02:00:00:00:00:02\","
	    "\"port\":\"p\"}",
	};
	struct saved *saved;

	(void)state;
	begin();
	bound_count = 0;
	saved = save();
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		json_t *json = json_loads(bad[i], 0, NULL);
		struct err err;

		assert_non_null(json);
		if (saved_take(saved, json, &err) == 0)
			fail_msg("%s", bad[i]);
		json_decref(json);
	}
	assert_int_equal(saved_neighbours(saved, &fx.sw), 0);
	saved_destroy(saved);
	end();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_they_come_back),
	    cmocka_unit_test(test_what_has_changed),
	    cmocka_unit_test(test_bad_ones),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
