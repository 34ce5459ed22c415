/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Rules of a bridge: who gets a frame, who does not, and what is counted. Each
 * case sees the whole pipeline between fake ports and encaps, byte by byte.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "test/unit/forward_case.h"

/* ---- lengths ---- */

static void frames_without_a_header_are_too_short(void **state)
{
	struct mac macs[2] = {B, A};

	(void)state;
	for (size_t len = 0; len < ETH_HEADER_LEN; len++) {
		assert_dropped(a, fx_frame(&fx, macs, len < 12 ? len : 12), REASON_TOO_SHORT);
		assert_wire_drops(wire, fx_frame(&fx, macs, len < 12 ? len : 12), REASON_TOO_SHORT);
	}
	assert_int_equal(fdb_segment_count(fx.sw.fdb, seg->number), 0);
	assert_int_equal(a->port->stats.rx_frames, 14);
	assert_int_equal(wire->encap->stats.rx_frames, 14);
}

/* From a port to a port and a wire, and from a wire to a port: never padded, never cut. */
static void assert_carried(size_t len)
{
	struct frame *frame = fx_ether(&fx, X, A, len);
	uint8_t *want = malloc(len);

	assert_non_null(want);
	memcpy(want, frame->data, len);
	fx_forget(&fx);
	fx.sw.now += 1000; /* the station moves to and fro */
	fx_send(a, frame);
	assert_got(0, 1, 1, 1);
	assert_int_equal(b->log.sent[0].len, len);
	assert_memory_equal(b->log.sent[0].bytes, want, len);
	assert_int_equal(wire->log.sent[0].len, len);
	assert_memory_equal(wire->log.sent[0].bytes, want, len);
	fx_forget(&fx);
	fx_receive(wire, 1, fx_frame(&fx, want, len));
	assert_got(1, 1, 1, 0);
	assert_int_equal(c->log.sent[0].len, len);
	assert_memory_equal(c->log.sent[0].bytes, want, len);
	free(want);
}

static void every_length_is_carried_byte_exact(void **state)
{
	static const size_t around[] = {128, 1500, 1514, 1518, FRAME_SMALL, 9014, 65535, 65543};

	(void)state;
	for (size_t len = ETH_HEADER_LEN; len <= 70; len++)
		assert_carried(len);
	for (size_t i = 0; i < sizeof(around) / sizeof(around[0]); i++) {
		for (size_t len = around[i] - 2; len <= around[i] + 2 && len <= 65543; len++)
			assert_carried(len);
	}
	assert_int_equal(fx_drops(a->port->stats.rx_drops), 0);
}

static void longer_than_a_frame_can_be_is_too_long(void **state)
{
	(void)state;
	assert_dropped(a, fx_ether(&fx, broadcast, A, 65544), REASON_TOO_LONG);
	assert_dropped(a, fx_ether(&fx, broadcast, A, FRAME_LARGE), REASON_TOO_LONG);
	assert_wire_drops(wire, fx_ether(&fx, broadcast, A, 65544), REASON_TOO_LONG);
	assert_int_equal(fdb_segment_count(fx.sw.fdb, seg->number), 0);
}

/* ---- addresses ---- */

static void group_and_zero_sources_are_dropped_and_never_learned(void **state)
{
	static const struct mac bad[] = {
	    {{0, 0, 0, 0, 0, 0}},	   {{1, 0, 0, 0, 0, 0}},
	    {{0x01, 0x00, 0x5e, 0, 0, 1}}, {{0x33, 0x33, 0, 0, 0, 1}},
	    {{0x01, 0x80, 0xc2, 0, 0, 0}}, {{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_dropped(a, fx_ether(&fx, broadcast, bad[i], 60), REASON_BAD_SOURCE);
		assert_dropped(a, fx_ether(&fx, B, bad[i], 60), REASON_BAD_SOURCE);
		assert_wire_drops(wire, fx_ether(&fx, B, bad[i], 60), REASON_BAD_SOURCE);
	}
	assert_int_equal(fdb_segment_count(fx.sw.fdb, seg->number), 0);
}

static struct mac reserved_group(unsigned last)
{
	return (struct mac){{0x01, 0x80, 0xc2, 0x00, 0x00, (uint8_t)last}};
}

/* To a reserved group: untagged, with a priority tag, with one beside the bytes. */
static struct frame *reserved_frame(unsigned last, unsigned form)
{
	struct frame *frame = fx_ether(&fx, reserved_group(last), A, 64);
	static const uint8_t tag[4] = {0x81, 0x00, 0xe0, 0x00};

	if (form == 1)
		memcpy(frame->data + 12, tag, sizeof(tag));
	if (form == 2)
		frame->tag = (struct frame_tag){ETHERTYPE_CTAG, 0xe000};
	return frame;
}

static void assert_reserved(unsigned last, bool passes)
{
	for (unsigned form = 0; form < 3; form++) {
		fx_forget(&fx);
		fx.sw.now += 1000; /* the station moves to and fro */
		if (!passes) {
			assert_dropped(a, reserved_frame(last, form), REASON_RESERVED);
			assert_wire_drops(wire, reserved_frame(last, form), REASON_RESERVED);
			continue;
		}
		fx_send(a, reserved_frame(last, form));
		assert_got(0, 1, 1, 1);
		fx_forget(&fx);
		fx_receive(wire, 1, reserved_frame(last, form));
		assert_got(1, 1, 1, 0);
	}
}

static void link_local_groups_stay_on_their_link(void **state)
{
	(void)state;
	for (unsigned last = 0; last <= 0x22; last++)
		assert_reserved(last, last > 0x0f && last != 0x20 && last != 0x21);
	fx_forget(&fx);
	fx_send(a, fx_ether(&fx, (struct mac){{0x01, 0x80, 0xc2, 0, 1, 0}}, A, 60));
	fx_send(a, fx_ether(&fx, (struct mac){{0x00, 0x80, 0xc2, 0, 0, 0}}, A, 60));
	assert_got(0, 2, 2, 2);
}

static void reserved_groups_pass_where_they_are_let_through(void **state)
{
	(void)state;
	seg->reserved = 1u << 0x00 | 1u << 0x02 | 1u << 0x03 | 1u << 0x0e | 1u << 0x0f;
	for (unsigned last = 0; last <= 0x0f; last++)
		assert_reserved(last, seg->reserved & 1u << last);
	assert_reserved(0x20, false);
	assert_reserved(0x21, false);
}

static void the_list_of_reserved_groups_comes_from_the_configuration(void **state)
{
	struct segment *lab = fx_segment(&fx, "lab", "{\"reserved\": [0, 3, 14]}");

	(void)state;
	assert_int_equal(seg->reserved, 0);
	assert_int_equal(lab->reserved, 1u << 0 | 1u << 3 | 1u << 14);
}

static void pause_frames_cannot_be_let_through(void **state)
{
	struct desired desired;
	struct err err;

	(void)state;
	memset(&desired, 0, sizeof(desired));
	assert_int_equal(desired_parse(&desired,
				       "segments = ( { name = \"s\"; reserved = [0, 1]; } );", "f",
				       &err),
			 -EINVAL);
	assert_non_null(strstr(err.text, "pause"));
}

/* ---- learning ---- */

static void unknown_destinations_flood_and_known_ones_do_not(void **state)
{
	(void)state;
	fx_send(a, fx_ether(&fx, B, A, 60));
	assert_got(0, 1, 1, 1);
	fx_forget(&fx);
	fx_send(b, fx_ether(&fx, A, B, 60));
	assert_got(1, 0, 0, 0);
	fx_forget(&fx);
	fx_send(a, fx_ether(&fx, B, A, 60));
	assert_got(0, 1, 0, 0);
	assert_int_equal(fdb_segment_count(fx.sw.fdb, seg->number), 2);
}

static void what_is_silent_for_the_ageing_time_is_forgotten(void **state)
{
	(void)state;
	teach(b, B);
	fx.sw.now += 299999;
	fx_send(a, fx_ether(&fx, B, A, 60));
	assert_got(0, 1, 0, 0);
	fx_forget(&fx);
	fx.sw.now += 1;
	fx_send(a, fx_ether(&fx, B, A, 60));
	assert_got(0, 1, 1, 1);
}

static void a_destination_at_the_sender_is_dropped(void **state)
{
	(void)state;
	teach(a, B);
	assert_dropped(a, fx_ether(&fx, B, A, 60), REASON_SAME_PORT);
	assert_dropped(a, fx_ether(&fx, A, A, 60), REASON_SAME_PORT);
	assert_dropped(a, fx_ether(&fx, X, X, 60), REASON_SAME_PORT);
}

static void a_known_remote_gets_unicast_alone_and_everybody_broadcast(void **state)
{
	struct ipaddr host = fx_host(7);

	(void)state;
	teach_remote(7, X);
	fx_send(a, fx_ether(&fx, X, A, 60));
	assert_got(0, 0, 0, 1);
	assert_memory_equal(&wire->log.sent[0].peer, &host, sizeof(host));
	fx_forget(&fx);
	fx_send(a, fx_ether(&fx, broadcast, A, 60));
	fx_send(a, fx_ether(&fx, group, A, 60));
	fx_send(a, fx_ether(&fx, fx_mac(0xdead), A, 60));
	assert_got(0, 3, 3, 3);
	for (unsigned i = 0; i < 3; i++)
		assert_false(ipaddr_is_set(&wire->log.sent[i].peer));
}

static void a_wire_without_hosts_is_one_place(void **state)
{
	(void)state;
	wire->ops.has_hosts = false;
	teach_remote(7, X);
	assert_false(ipaddr_is_set(&lookup(X)->remote));
	assert_int_equal(lookup(X)->side, wire->encap->side);
	teach_remote(8, X);
	assert_int_equal(fdb_segment_counters(fx.sw.fdb, seg->number).moved, 0);
	fx_send(a, fx_ether(&fx, X, A, 60));
	assert_got(0, 0, 0, 1);
	assert_false(ipaddr_is_set(&wire->log.sent[0].peer));
}

static void a_station_moves_with_its_first_frame(void **state)
{
	struct ipaddr host;

	(void)state;
	for (unsigned i = 0; i < 10000; i++) {
		fx.sw.now += 1000; /* ten a second are a loop */
		fx_send(i % 2 ? a : b, fx_ether(&fx, C, X, 60));
		fx_forget(&fx);
		fx_send(c, fx_ether(&fx, X, C, 60));
		assert_got(i % 2, 1 - i % 2, 0, 0);
		fx.sw.now += 1000;
		fx_receive(wire, 1 + i % 3, fx_ether(&fx, C, X, 60));
		fx_forget(&fx);
		fx_send(c, fx_ether(&fx, X, C, 60));
		assert_got(0, 0, 0, 1);
		host = fx_host(1 + i % 3);
		assert_memory_equal(&wire->log.sent[0].peer, &host, sizeof(host));
	}
	assert_int_equal(fdb_segment_counters(fx.sw.fdb, seg->number).moved, 19999);
}

static void a_sticky_station_never_moves(void **state)
{
	struct fdb_where where = {.side = FDB_SIDE_LOCAL, .port = a->port->number};
	struct mac mac = X;

	(void)state;
	assert_int_equal(fdb_add(fx.sw.fdb, seg->number, &mac, &where, FDB_STICKY, fx.sw.now), 0);
	teach(b, X);
	teach_remote(1, X);
	fx_send(c, fx_ether(&fx, X, C, 60));
	assert_got(1, 0, 0, 0);
}

static void a_station_that_bounces_is_pinned_and_its_frames_are_dropped(void **state)
{
	uint64_t drops = 0;

	(void)state;
	for (unsigned i = 0; i < 12; i++)
		fx_send(i % 2 ? a : b, fx_ether(&fx, C, X, 60));
	drops = dropped(a, REASON_LOOP) + dropped(b, REASON_LOOP);
	assert_int_equal(drops, 1); /* the first was no move, then ten were */
	assert_int_equal(lookup(X)->port, b->port->number);
	assert_dropped(a, fx_ether(&fx, C, X, 60), REASON_LOOP);
	assert_wire_drops(wire, fx_ether(&fx, C, X, 60), REASON_LOOP);
	fx_forget(&fx);
	fx_send(b, fx_ether(&fx, C, X, 60)); /* where it is pinned it may speak */
	assert_got(1, 0, 1, 1);
	fx_forget(&fx);
	fx.sw.now += FDB_PIN_MS;
	fx_send(a, fx_ether(&fx, C, X, 60));
	assert_got(0, 1, 1, 1);
}

static void a_full_table_forwards_what_it_does_not_learn(void **state)
{
	struct segment *small = fx_segment(&fx, "small", "{\"fdb_max\": 4, \"fdb_port_max\": 2}");
	struct fx_port *p = fx_port(&fx, small, "p", ""), *q = fx_port(&fx, small, "q", "");

	(void)state;
	fx_send(q, fx_ether(&fx, X, B, 60));
	fx_forget(&fx);
	for (unsigned i = 0; i < 100; i++)
		fx_send(p, fx_ether(&fx, X, fx_mac(0x100 + i), 60));
	assert_int_equal(q->log.count, 100);
	assert_int_equal(fdb_segment_count(fx.sw.fdb, small->number), 3);
	fx_forget(&fx);
	fx_send(p, fx_ether(&fx, B, fx_mac(0x100), 60)); /* who floods hurts only himself */
	assert_int_equal(q->log.count, 1);
}

/* ---- sides ---- */

static void what_a_wire_brings_never_goes_to_a_wire(void **state)
{
	struct fx_encap *other = fx_encap(&fx, seg);

	(void)state;
	fx_receive(wire, 1, fx_ether(&fx, broadcast, X, 60));
	fx_receive(wire, 1, fx_ether(&fx, fx_mac(0xdead), X, 60));
	assert_got(2, 2, 2, 0);
	assert_int_equal(other->log.count, 0);
	/* To a host behind the other wire, and behind the same. */
	assert_wire_drops(other, fx_ether(&fx, X, C, 60), REASON_SPLIT_HORIZON);
	assert_wire_drops(wire, fx_ether(&fx, X, fx_mac(0xf), 60), REASON_SPLIT_HORIZON);
}

static void a_flood_from_a_port_goes_to_every_wire(void **state)
{
	struct fx_encap *other = fx_encap(&fx, seg);

	(void)state;
	fx_send(a, fx_ether(&fx, broadcast, A, 60));
	assert_got(0, 1, 1, 1);
	assert_int_equal(other->log.count, 1);
	fx_receive(other, 9, fx_ether(&fx, A, X, 60));
	assert_got(1, 1, 1, 1);
	fx_forget(&fx);
	fx_send(a, fx_ether(&fx, X, A, 60));
	assert_got(0, 0, 0, 0);
	assert_int_equal(other->log.count, 1);
}

static void nobody_else_in_the_segment_is_no_receiver(void **state)
{
	struct segment *lonely = fx_segment(&fx, "lonely", "");
	struct fx_port *p = fx_port(&fx, lonely, "p", "");
	struct segment *wired = fx_segment(&fx, "wired", "");
	struct fx_encap *w = fx_encap(&fx, wired);

	(void)state;
	assert_dropped(p, fx_ether(&fx, broadcast, A, 60), REASON_NO_RECEIVER);
	assert_dropped(p, fx_ether(&fx, B, A, 60), REASON_NO_RECEIVER);
	assert_wire_drops(w, fx_ether(&fx, broadcast, A, 60), REASON_NO_RECEIVER);
}

static void what_is_down_gets_nothing(void **state)
{
	(void)state;
	teach(b, B);
	teach_remote(1, X);
	b->port->state = NULL;
	wire->ready = false;
	assert_dropped(a, fx_ether(&fx, B, A, 60), REASON_LINK_DOWN);
	assert_dropped(a, fx_ether(&fx, X, A, 60), REASON_LINK_DOWN);
	fx_send(a, fx_ether(&fx, broadcast, A, 60));
	assert_got(0, 0, 1, 0);
	c->port->state = NULL;
	assert_dropped(a, fx_ether(&fx, broadcast, A, 60), REASON_LINK_DOWN);
	b->port->state = b;
	c->port->state = c;
	wire->ready = true;
	wire->se->open = false;
	assert_dropped(a, fx_ether(&fx, X, A, 60), REASON_LINK_DOWN);
	wire->se->open = true;
}

/* ---- storms ---- */

static unsigned burst(struct fx_port *from, struct mac dst, unsigned count)
{
	uint64_t before = dropped(from, REASON_STORM);

	for (unsigned i = 0; i < count; i++)
		fx_send(from, fx_ether(&fx, dst, A, 60));
	fx_forget(&fx);
	return count - (unsigned)(dropped(from, REASON_STORM) - before);
}

static void broadcast_and_unknown_unicast_have_a_limit(void **state)
{
	(void)state;
	seg->conf.storm = 1000; /* a quarter of a second's worth at once */
	teach(b, B);
	assert_int_equal(burst(a, broadcast, 1000), 249 + 1);
	assert_int_equal(burst(a, X, 10), 0);
	fx.sw.now += 1;
	assert_int_equal(burst(a, X, 10), 1);
	fx.sw.now += 100;
	assert_int_equal(burst(a, broadcast, 50) + burst(a, X, 100), 100);
	fx.sw.now += 3600000;
	assert_int_equal(burst(a, X, 1000), 250);
	teach(b, B);
	/* Each port has its own, and known unicast, multicast and wires have none. */
	assert_int_equal(burst(c, broadcast, 300), 250);
	fx.sw.now += 1000;
	assert_int_equal(burst(a, B, 1000), 1000);
	assert_int_equal(burst(a, group, 1000), 1000);
	for (unsigned i = 0; i < 1000; i++)
		fx_receive(wire, 1, fx_ether(&fx, broadcast, X, 60));
	assert_got(1000, 1000, 1000, 0);
	assert_int_equal(fx_drops(wire->encap->stats.rx_drops), 0);
}

/* What becomes many packets costs as many. */
static void a_superframe_counts_as_its_segments_in_a_storm(void **state)
{
	uint64_t before = dropped(a, REASON_STORM);
	struct craft crafted;

	(void)state;
	seg->conf.storm = 1000;
	craft_eth(&crafted, ETHERTYPE_IPV4);
	craft_ipv4(&crafted, IPPROTO_TCP, 0, 20 + 40 * 1000ul);
	craft_tcp(&crafted, 0x10, 0, 1);
	craft_fill(&crafted, 0xa5, 40 * 1000ul);
	for (unsigned i = 0; i < 10; i++) {
		struct frame *frame = craft_frame(fx.sw.pool, &crafted);

		frame->offload = (struct frame_offload){
		    .csum_partial = true,
		    .gso = FRAME_GSO_TCP4,
		    .gso_size = 1000,
		    .csum_start = 34,
		    .csum_offset = 16,
		};
		fx_send(a, frame);
	}
	fx_forget(&fx);
	/* 250 at once are six of forty. */
	assert_int_equal(dropped(a, REASON_STORM) - before, 4);
}

static void a_low_limit_lets_a_few_frames_through_at_once(void **state)
{
	(void)state;
	seg->conf.storm = 1;
	assert_int_equal(burst(a, broadcast, 100), 16);
	fx.sw.now += 999;
	assert_int_equal(burst(a, broadcast, 1), 0);
	fx.sw.now += 1;
	assert_int_equal(burst(a, broadcast, 5), 1);
	seg->conf.storm = 0;
	assert_int_equal(burst(a, broadcast, 5000), 5000);
}

/* ---- isolation, locks, admission ---- */

static void isolated_ports_reach_all_but_each_other(void **state)
{
	struct fx_port *i = fx_port(&fx, seg, "i", "{\"isolated\": true}");
	struct fx_port *j = fx_port(&fx, seg, "j", "{\"isolated\": true}");

	(void)state;
	teach(i, fx_mac(1));
	teach(j, fx_mac(2));
	assert_dropped(i, fx_ether(&fx, fx_mac(2), fx_mac(1), 60), REASON_ISOLATED);
	fx_send(i, fx_ether(&fx, broadcast, fx_mac(1), 60));
	assert_got(1, 1, 1, 1);
	assert_int_equal(j->log.count, 0);
	fx_forget(&fx);
	fx_send(a, fx_ether(&fx, fx_mac(1), A, 60));
	fx_receive(wire, 1, fx_ether(&fx, broadcast, X, 60));
	assert_int_equal(i->log.count, 2);
	assert_int_equal(j->log.count, 1);
}

static void in_an_isolated_segment_ports_reach_only_the_wire(void **state)
{
	(void)state;
	seg->conf.isolated = true;
	teach(b, B);
	assert_dropped(a, fx_ether(&fx, B, A, 60), REASON_ISOLATED);
	fx_send(a, fx_ether(&fx, broadcast, A, 60));
	assert_got(0, 0, 0, 1);
	fx_forget(&fx);
	fx_receive(wire, 1, fx_ether(&fx, B, X, 60));
	assert_got(0, 1, 0, 0);
	wire->ready = false;
	assert_dropped(a, fx_ether(&fx, broadcast, A, 60), REASON_LINK_DOWN);
}

static void a_locked_port_neither_sends_nor_receives(void **state)
{
	struct fx_port *l = fx_port(&fx, seg, "l", "");

	(void)state;
	teach(l, X);
	((struct port_conf *)l->port->runtime->conf)->state = PORT_LOCKED;
	assert_dropped(l, fx_ether(&fx, broadcast, fx_mac(0x77), 60), REASON_LOCKED);
	assert_null(lookup(fx_mac(0x77)));
	assert_dropped(a, fx_ether(&fx, X, A, 60), REASON_LOCKED);
	fx_send(a, fx_ether(&fx, broadcast, A, 60));
	fx_receive(wire, 1, fx_ether(&fx, broadcast, B, 60));
	assert_int_equal(l->log.count, 0);
	assert_got(1, 2, 2, 1);
}

/* Only that admission is asked, before anything is learned; test_admission.c has the rest. */
static void admission_is_asked_before_anything_is_learned(void **state)
{
	struct fx_port *m = fx_port(&fx, seg, "m", "{\"macs\": \"02:00:00:00:00:01\"}");
	struct fx_port *i = fx_port(&fx, seg, "i", "{\"addresses\": \"10.0.0.9\"}");
	struct craft crafted;

	(void)state;
	assert_dropped(m, fx_ether(&fx, broadcast, fx_mac(2), 60), REASON_GUARD_MAC);
	fx_send(m, fx_ether(&fx, broadcast, fx_mac(1), 60));
	assert_got(1, 1, 1, 1);
	craft_eth(&crafted, ETHERTYPE_IPV4);
	craft_ipv4(&crafted, IPPROTO_UDP, 0, 8);
	craft_udp(&crafted, 1, 2, 0);
	crafted.b[11] = 0x33;
	assert_dropped(i, craft_frame(fx.sw.pool, &crafted), REASON_GUARD_IP);
	assert_null(lookup(fx_mac(0x33)));
	assert_null(lookup(fx_mac(2)));
	assert_non_null(lookup(fx_mac(1)));
	/* A wire is not a port. */
	fx_forget(&fx);
	fx_receive(wire, 1, fx_ether(&fx, broadcast, fx_mac(2), 60));
	assert_got(1, 1, 1, 0);
}

static void guard_mac_takes_the_address_of_the_interface(void **state)
{
	struct fx_port *g = fx_port(&fx, seg, "g", "{\"guard\": \"mac\"}");

	(void)state;
	assert_dropped(g, fx_ether(&fx, broadcast, fx_mac(1), 60), REASON_GUARD_MAC);
	g->port->mac = fx_mac(1);
	fx_send(g, fx_ether(&fx, broadcast, fx_mac(1), 60));
	assert_got(1, 1, 1, 1);
	assert_dropped(g, fx_ether(&fx, broadcast, fx_mac(2), 60), REASON_GUARD_MAC);
}

/* ---- counters ---- */

static void frames_and_bytes_are_counted_where_they_come_in(void **state)
{
	(void)state;
	fx_send(a, fx_ether(&fx, broadcast, A, 100));
	fx_send(a, fx_ether(&fx, A, A, 50));
	fx_receive(wire, 1, fx_ether(&fx, broadcast, X, 200));
	assert_int_equal(a->port->stats.rx_frames, 2);
	assert_int_equal(a->port->stats.rx_bytes, 150);
	assert_int_equal(a->port->stats.rx_segments, 2);
	assert_int_equal(wire->encap->stats.rx_frames, 1);
	assert_int_equal(wire->encap->stats.rx_bytes, 200);
	assert_int_equal(wire->encap->stats.tx_frames, 1);
	assert_int_equal(wire->encap->stats.tx_bytes, 100);
	assert_int_equal(b->port->stats.rx_frames, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    CASE(frames_without_a_header_are_too_short),
	    CASE(every_length_is_carried_byte_exact),
	    CASE(longer_than_a_frame_can_be_is_too_long),
	    CASE(group_and_zero_sources_are_dropped_and_never_learned),
	    CASE(link_local_groups_stay_on_their_link),
	    CASE(reserved_groups_pass_where_they_are_let_through),
	    CASE(the_list_of_reserved_groups_comes_from_the_configuration),
	    CASE(pause_frames_cannot_be_let_through),
	    CASE(unknown_destinations_flood_and_known_ones_do_not),
	    CASE(what_is_silent_for_the_ageing_time_is_forgotten),
	    CASE(a_destination_at_the_sender_is_dropped),
	    CASE(a_known_remote_gets_unicast_alone_and_everybody_broadcast),
	    CASE(a_wire_without_hosts_is_one_place),
	    CASE(a_station_moves_with_its_first_frame),
	    CASE(a_sticky_station_never_moves),
	    CASE(a_station_that_bounces_is_pinned_and_its_frames_are_dropped),
	    CASE(a_full_table_forwards_what_it_does_not_learn),
	    CASE(what_a_wire_brings_never_goes_to_a_wire),
	    CASE(a_flood_from_a_port_goes_to_every_wire),
	    CASE(nobody_else_in_the_segment_is_no_receiver),
	    CASE(what_is_down_gets_nothing),
	    CASE(broadcast_and_unknown_unicast_have_a_limit),
	    CASE(a_superframe_counts_as_its_segments_in_a_storm),
	    CASE(a_low_limit_lets_a_few_frames_through_at_once),
	    CASE(isolated_ports_reach_all_but_each_other),
	    CASE(in_an_isolated_segment_ports_reach_only_the_wire),
	    CASE(a_locked_port_neither_sends_nor_receives),
	    CASE(admission_is_asked_before_anything_is_learned),
	    CASE(guard_mac_takes_the_address_of_the_interface),
	    CASE(frames_and_bytes_are_counted_where_they_come_in),
	};

	return cmocka_run_group_tests_name("forward", tests, NULL, NULL);
}
