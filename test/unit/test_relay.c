/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A relay in a switch: what crosses, what is learned, and what its successor knows.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "switchd/relay.h"
#include "switchd/saved.h"
#include "test/unit/relay_beacons.h"
#include "test/unit/switch_fixture.h"

static struct fx fx;
static struct segment *seg;
static struct fx_port *a;
static struct fx_encap *lan, *wan, *far;

static const struct mac broadcast = {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}};

static void set_relay(struct fx_encap *encap)
{
	((struct encap_conf *)encap->se->conf)->relay = true;
}

static int fx_setup(void **state)
{
	(void)state;
	fx_open(&fx);
	(void)snprintf(fx.sw.host, sizeof(fx.sw.host), "here");
	seg = fx_segment(&fx, "s", "");
	a = fx_port(&fx, seg, "a", "");
	lan = fx_encap(&fx, seg);
	wan = fx_encap(&fx, seg);
	far = fx_encap(&fx, seg);
	set_relay(wan);
	set_relay(far);
	relay_update(seg);
	return 0;
}

static int fx_teardown(void **state)
{
	(void)state;
	egress_flush(&fx.sw);
	assert_true(fx_pool_empty(&fx));
	fx_close(&fx);
	return 0;
}

/* What the loop would do until then. */
static void wait_ms(uint64_t ms)
{
	for (uint64_t end = fx.sw.now + ms; fx.sw.now < end; fx.sw.now += 10) {
		relay_uplink_changed(seg);
		egress_flush(&fx.sw);
	}
	fx_forget(&fx);
}

static void make_active(void)
{
	wait_ms(3600);
	assert_string_equal(relay_state_text(seg), "active");
}

static void assert_got(unsigned at_port, unsigned at_lan, unsigned at_wan, unsigned at_far)
{
	assert_int_equal(a->log.count, at_port);
	assert_int_equal(lan->log.count, at_lan);
	assert_int_equal(wan->log.count, at_wan);
	assert_int_equal(far->log.count, at_far);
	fx_forget(&fx);
}

static void receive(struct fx_encap *from, unsigned host, struct mac dst, struct mac src)
{
	fx_receive(from, host, fx_ether(&fx, dst, src, 60));
}

static const struct fdb_where *lookup(struct mac mac)
{
	return fdb_lookup(fx.sw.fdb, seg->number, &mac, fx.sw.now);
}

static void until_it_is_active_the_wan_is_closed(void **state)
{
	(void)state;
	fx_send(a, fx_ether(&fx, broadcast, fx_mac(1), 60));
	assert_got(0, 1, 0, 0);
	receive(lan, 1, broadcast, fx_mac(2));
	assert_got(1, 0, 0, 0);
	receive(wan, 2, broadcast, fx_mac(3));
	assert_got(0, 0, 0, 0);
	assert_int_equal(wan->encap->stats.rx_drops[REASON_STANDBY], 1);
	assert_null(lookup(fx_mac(3)));
	make_active();
	fx_send(a, fx_ether(&fx, broadcast, fx_mac(1), 60));
	assert_got(0, 1, 1, 1);
}

static void what_one_side_brings_goes_to_all_others(void **state)
{
	(void)state;
	make_active();
	receive(lan, 1, broadcast, fx_mac(2));
	assert_got(1, 0, 1, 1);
	receive(wan, 2, broadcast, fx_mac(3));
	assert_got(1, 1, 0, 1);
	receive(far, 3, broadcast, fx_mac(4));
	assert_got(1, 1, 1, 0);
	/* Unicast, to where it was learned, as our own; never back to the same side. */
	receive(lan, 1, fx_mac(3), fx_mac(2));
	assert_int_equal(wan->log.sent[0].peer.v4.s_addr, fx_host(2).v4.s_addr);
	assert_got(0, 0, 1, 0);
	receive(far, 3, fx_mac(3), fx_mac(4));
	assert_got(0, 0, 1, 0);
	receive(wan, 5, fx_mac(3), fx_mac(5));
	assert_got(0, 0, 0, 0);
	assert_int_equal(wan->encap->stats.rx_drops[REASON_SPLIT_HORIZON], 1);
	receive(wan, 2, fx_mac(77), fx_mac(3)); /* unknown */
	assert_got(1, 1, 0, 1);
}

static void a_plain_segment_keeps_its_split_horizon(void **state)
{
	(void)state;
	((struct encap_conf *)wan->se->conf)->relay = false;
	((struct encap_conf *)far->se->conf)->relay = false;
	relay_update(seg);
	receive(lan, 1, broadcast, fx_mac(2));
	assert_got(1, 0, 0, 0);
	fx_send(a, fx_ether(&fx, broadcast, fx_mac(1), 60));
	assert_got(0, 1, 1, 1);
}

static struct frame *beacon(uint32_t number, enum relay_state relay_state, bool on_lan)
{
	return beacon_frame(fx.sw.pool, number, 99, relay_state, on_lan);
}

static void beacons_end_here(void **state)
{
	struct frame *bad;

	(void)state;
	make_active();
	fx_receive(wan, 2, beacon(4000000000, RELAY_ACTIVE, false));
	/* A relay that begins is told who is here; nobody gets the beacon. */
	assert_int_equal(a->log.count + lan->log.count + far->log.count, 0);
	fx_forget(&fx);
	bad = beacon(5, RELAY_ACTIVE, true);
	bad->data[18] = 9; /* another version */
	fx_receive(lan, 1, bad);
	assert_got(0, 0, 0, 0);
	assert_int_equal(lan->encap->stats.rx_drops[REASON_BEACON], 1);
	fx_send(a, beacon(5, RELAY_ACTIVE, true));
	assert_got(0, 0, 0, 0);
	assert_int_equal(a->port->stats.rx_drops[REASON_BEACON], 1);
	assert_string_equal(relay_state_text(seg), "active");
	assert_int_equal(fdb_segment_count(fx.sw.fdb, seg->number), 0);
}

static void who_stands_by_says_so_and_closes_the_wan(void **state)
{
	(void)state;
	make_active();
	receive(wan, 2, broadcast, fx_mac(3));
	receive(lan, 1, broadcast, fx_mac(2));
	fx_forget(&fx);
	fx_receive(lan, 7, beacon(1, RELAY_CLAIMING, true));
	assert_string_equal(relay_state_text(seg), "standby");
	/* At once, on every side. */
	assert_int_equal(lan->log.count, 1);
	assert_int_equal(wan->log.count, 1);
	assert_int_equal(far->log.count, 1);
	assert_int_equal(lan->log.sent[0].bytes[19], RELAY_STANDBY);
	assert_int_equal(lan->log.sent[0].bytes[20], 1);
	assert_int_equal(wan->log.sent[0].bytes[20], 2);
	fx_forget(&fx);
	/* What was behind the WAN is forgotten, what is on the LAN is not. */
	assert_null(lookup(fx_mac(3)));
	assert_non_null(lookup(fx_mac(2)));
	receive(lan, 1, broadcast, fx_mac(2));
	assert_got(1, 0, 0, 0);
	receive(wan, 2, broadcast, fx_mac(3));
	assert_got(0, 0, 0, 0);
}

static void members_forget_what_was_at_a_relay_that_is_gone(void **state)
{
	struct mac other = fx_mac(4), behind = fx_mac(3);

	(void)state;
	((struct encap_conf *)wan->se->conf)->relay = false;
	((struct encap_conf *)far->se->conf)->relay = false;
	relay_update(seg);
	fx_receive(lan, 7, beacon(1, RELAY_ACTIVE, true));
	receive(lan, 7, broadcast, behind);
	receive(lan, 8, broadcast, other);
	wait_ms(2900);
	assert_non_null(lookup(behind));
	wait_ms(200);
	assert_null(lookup(behind));
	assert_non_null(lookup(other));
	/* One that says it stands by may have carried beside another: all is forgotten. */
	fx_receive(lan, 7, beacon(1, RELAY_ACTIVE, true));
	fx_receive(lan, 7, beacon(1, RELAY_STANDBY, true));
	assert_null(lookup(other));
	/* One that goes on so does not have all flooded for ever: the next time comes later. */
	receive(lan, 8, broadcast, other);
	for (unsigned i = 0; i < 100; i++) {
		fx_receive(lan, 7, beacon(1, RELAY_ACTIVE, true));
		fx_receive(lan, 7, beacon(1, RELAY_STANDBY, true));
	}
	assert_non_null(lookup(other));
	wait_ms(1010);
	assert_null(lookup(other));
	receive(lan, 8, broadcast, other);
	wait_ms(1010);
	assert_non_null(lookup(other));
}

static void who_comes_again_and_again_is_told_seldom(void **state)
{
	unsigned n = 0;

	(void)state;
	make_active();
	fx_send(a, fx_ether(&fx, broadcast, fx_mac(1), 60));
	wait_ms(1100);
	fx_forget(&fx);
	for (unsigned i = 0; i < 400; i++) {
		fx_receive(wan, 9, beacon(4000000000, RELAY_ACTIVE, false));
		fx_receive(wan, 9, beacon(4000000000, RELAY_STANDBY, false));
		egress_flush(&fx.sw);
		fx.sw.now += 1;
	}
	for (unsigned i = 0; i < wan->log.count; i++)
		n += wan->log.sent[i].bytes[12] == 0x80;
	assert_in_range(n, 1, 2); /* stations, once each */
}

static void who_becomes_active_announces_each_side_to_the_others(void **state)
{
	(void)state;
	wait_ms(3000);
	fx_send(a, fx_ether(&fx, broadcast, fx_mac(1), 60));
	receive(lan, 1, broadcast, fx_mac(2));
	fx_forget(&fx);
	for (uint64_t end = fx.sw.now + 600; fx.sw.now < end; fx.sw.now += 10) {
		relay_uplink_changed(seg);
		egress_flush(&fx.sw);
	}
	assert_string_equal(relay_state_text(seg), "active");
	/* Reverse ARP of both to the WANs, of the port's to the LAN; the rest are beacons. */
	for (unsigned i = 0, n = 0; i <= lan->log.count; i++) {
		if (i == lan->log.count)
			assert_int_equal(n, 1);
		else
			n += lan->log.sent[i].bytes[12] == 0x80;
	}
	for (unsigned i = 0, n = 0; i <= wan->log.count; i++) {
		if (i == wan->log.count)
			assert_int_equal(n, 2);
		else
			n += wan->log.sent[i].bytes[12] == 0x80;
	}
	/* A relay that comes later is told alone. */
	wait_ms(1000);
	fx_forget(&fx);
	fx_receive(wan, 9, beacon(4000000000, RELAY_ACTIVE, false));
	egress_flush(&fx.sw);
	assert_int_equal(wan->log.count, 2);
	assert_int_equal(wan->log.sent[0].peer.v4.s_addr, fx_host(9).v4.s_addr);
	assert_int_equal(lan->log.count, 0);
}

static void a_flood_across_is_limited(void **state)
{
	struct relay_figures figures;

	(void)state;
	make_active();
	seg->conf.storm = 100; /* 25 at once */
	for (int i = 0; i < 100; i++)
		receive(wan, 2, broadcast, fx_mac(3));
	/* Local ports get all of it, as from any wire. */
	assert_got(100, 25, 0, 25);
	assert_true(relay_figures(seg, &figures));
	assert_int_equal(figures.limited, 75);
	/* Another side has its own; known unicast is not limited. */
	receive(lan, 1, broadcast, fx_mac(2));
	assert_got(1, 0, 1, 1);
	for (int i = 0; i < 100; i++)
		receive(wan, 2, fx_mac(2), fx_mac(3));
	assert_got(0, 100, 0, 0);
	fx.sw.now += 100;
	receive(wan, 2, broadcast, fx_mac(3));
	assert_got(1, 1, 0, 1);
}

static void a_side_that_is_down_leaves_nothing_to_relay(void **state)
{
	(void)state;
	make_active();
	far->ready = false;
	relay_uplink_changed(seg);
	assert_string_equal(relay_state_text(seg), "active");
	wan->ready = false;
	relay_uplink_changed(seg);
	assert_string_equal(relay_state_text(seg), "standby");
	wan->ready = true;
	make_active();
	lan->ready = false;
	relay_uplink_changed(seg);
	assert_string_equal(relay_state_text(seg), "standby");
}

static void a_trace_tells_what_the_relay_does(void **state)
{
	json_t *json;
	char *text;

	(void)state;
	json = forward_trace(a->port, fx_ether(&fx, broadcast, fx_mac(1), 60));
	text = json_dumps(json, 0);
	assert_non_null(strstr(text, "the relay is listening"));
	free(text);
	json_decref(json);
	json = forward_trace(a->port, beacon(5, RELAY_ACTIVE, true));
	assert_string_equal(json_string_value(json_object_get(json, "reason")), "beacon");
	json_decref(json);
}

static void numbers_are_stable_and_configured_ones_prevail(void **state)
{
	json_t *first = relay_show(seg), *again;

	(void)state;
	assert_true(json_integer_value(json_object_get(first, "relay_id")) >= 0x80000000);
	relay_update(seg);
	again = relay_show(seg);
	assert_true(
	    json_equal(json_object_get(first, "relay_id"), json_object_get(again, "relay_id")));
	json_decref(first);
	json_decref(again);
	seg->conf.relay_id = 7;
	relay_update(seg);
	again = relay_show(seg);
	assert_int_equal(json_integer_value(json_object_get(again, "relay_id")), 7);
	json_decref(again);
}

static void begin_anew(void)
{
	relay_destroy(seg->relay);
	(void)fdb_flush(fx.sw.fdb, seg->number, NULL, true);
	fx.sw.instance++;
	relay_update(seg);
	assert_string_equal(relay_state_text(seg), "listening");
}

static void a_successor_knows_the_sides_and_goes_on(void **state)
{
	struct saved_walk walk = {.begun = false};
	struct saved *saved = saved_create();
	struct relay_id before, after;
	struct err err;
	json_t *json;

	(void)state;
	make_active();
	receive(lan, 1, broadcast, fx_mac(2));
	receive(wan, 2, broadcast, fx_mac(3));
	assert_true(relay_is_active(seg, &before));
	while ((json = saved_next(&walk, &fx.sw))) {
		assert_int_equal(saved_take(saved, json, &err), 0);
		json_decref(json);
	}
	begin_anew();
	fx.sw.now += 1000;
	assert_int_equal(saved_fdb(saved, &fx.sw), 2);
	/* Both encaps have one type and one uplink. */
	assert_int_equal(lookup(fx_mac(2))->side, lan->encap->side);
	assert_int_equal(lookup(fx_mac(3))->side, wan->encap->side);
	saved_relays(saved, &fx.sw);
	assert_true(relay_is_active(seg, &after));
	assert_true(relay_id_equal(&before, &after));
	relay_update(seg); /* a reload */
	assert_string_equal(relay_state_text(seg), "active");
	begin_anew();
	fx.sw.now += 1000;
	saved_relays(saved, &fx.sw);
	assert_false(relay_is_active(seg, &after));
	saved_destroy(saved);
}

static void a_saved_relay_that_is_none_is_refused(void **state)
{
	static const char *const bad[] = {
	    "{\"relay\": 1, \"number\": 1, \"instance\": \"1\"}",
	    "{\"relay\": \"s\", \"number\": 0, \"instance\": \"1\"}",
	    "{\"relay\": \"s\", \"number\": 4294967296, \"instance\": \"1\"}",
	    "{\"relay\": \"s\", \"number\": 1, \"instance\": 1}",
	    "{\"relay\": \"s\", \"number\": 1}",
	};
	struct saved_walk walk = {.begun = false};
	struct saved *saved = saved_create();
	json_t *json = saved_next(&walk, &fx.sw);
	struct err err;

	(void)state;
	assert_int_equal(saved_take(saved, json, &err), 0);
	json_decref(json);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		json = json_loads(bad[i], 0, NULL);
		assert_non_null(json);
		assert_int_equal(saved_take(saved, json, &err), -EINVAL);
		json_decref(json);
	}
	saved_destroy(saved);
}

#define SWITCH(name) cmocka_unit_test_setup_teardown(name, fx_setup, fx_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    SWITCH(until_it_is_active_the_wan_is_closed),
	    SWITCH(what_one_side_brings_goes_to_all_others),
	    SWITCH(a_plain_segment_keeps_its_split_horizon),
	    SWITCH(beacons_end_here),
	    SWITCH(who_stands_by_says_so_and_closes_the_wan),
	    SWITCH(members_forget_what_was_at_a_relay_that_is_gone),
	    SWITCH(who_comes_again_and_again_is_told_seldom),
	    SWITCH(who_becomes_active_announces_each_side_to_the_others),
	    SWITCH(a_flood_across_is_limited),
	    SWITCH(a_side_that_is_down_leaves_nothing_to_relay),
	    SWITCH(a_trace_tells_what_the_relay_does),
	    SWITCH(a_successor_knows_the_sides_and_goes_on),
	    SWITCH(a_saved_relay_that_is_none_is_refused),
	    SWITCH(numbers_are_stable_and_configured_ones_prevail),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
