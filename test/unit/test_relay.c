/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Relays: what a beacon is, who becomes active and when, and what crosses. The machines
 * of several relays run here on wires of a test, one millisecond after the other.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>

#include "switchd/relay.h"
#include "switchd/saved.h"
#include "test/unit/switch_fixture.h"

/* ---- beacons ---- */

static struct frame_pool *pool;

static int pool_setup(void **state)
{
	(void)state;
	pool = frame_pool_create(16, 4);
	return pool ? 0 : -1;
}

static int pool_teardown(void **state)
{
	(void)state;
	frame_pool_destroy(pool);
	return 0;
}

static struct frame *beacon_frame(struct frame_pool *from, uint32_t number, uint64_t instance,
				  enum relay_state relay_state, bool lan)
{
	struct relay_beacon beacon = {{number, instance}, relay_state, lan};
	struct frame *frame = frame_alloc(from, RELAY_BEACON_FRAME);

	assert_non_null(frame);
	relay_beacon_write(&beacon, frame);
	return frame;
}

static void a_beacon_has_its_layout(void **state)
{
	static const uint8_t want[RELAY_BEACON_FRAME] = {
	    0x03, 0x52, 0x45, 0x4c, 0x41, 0x59, 0x02, 0x52, 0x88, 0x77, 0x66, 0x55,
	    0x88, 0xb6, 'T',  'V',  'D',  'R',	1,    3,    2,	  0,	0x80, 0,
	    0x01, 0x02, 0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88};
	struct frame *frame =
	    beacon_frame(pool, 0x80000102, 0x1122334455667788u, RELAY_ACTIVE, false);
	struct relay_beacon back;

	(void)state;
	assert_int_equal(frame->len, RELAY_BEACON_FRAME);
	/* The source is made of the instance, and a unicast address in any case. */
	assert_int_equal(frame->data[6], 0x02);
	assert_int_equal(frame->data[7], 0x52);
	memcpy(frame->data + 8, want + 8, 4);
	assert_memory_equal(frame->data, want, sizeof(want));
	assert_true(relay_beacon_is_for(frame));
	assert_true(relay_beacon_read(frame, &back));
	assert_int_equal(back.from.number, 0x80000102);
	assert_true(back.from.instance == 0x1122334455667788u);
	assert_int_equal(back.state, RELAY_ACTIVE);
	assert_false(back.lan);
	frame_free(frame);
}

static void what_is_no_beacon_is_refused(void **state)
{
	/* Offset, and what makes the byte there wrong. */
	static const struct {
		unsigned at;
		uint8_t byte;
	} wrong[] = {
	    {0, 0x01}, {5, 0x58}, {6, 0x03}, {12, 0x08}, {13, 0xb5}, {14, 't'}, {17, 0},
	    {18, 0},   {18, 2},	  {19, 0},   {19, 5},	 {19, 255},  {20, 0},	{20, 3},
	};
	struct relay_beacon beacon;

	(void)state;
	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		struct frame *frame = beacon_frame(pool, 1, 1, RELAY_LISTENING, true);

		frame->data[wrong[i].at] = wrong[i].byte;
		assert_false(relay_beacon_read(frame, &beacon));
		frame_free(frame);
	}
	for (unsigned len = 0; len <= RELAY_BEACON_FRAME; len++) {
		struct frame *frame = beacon_frame(pool, 1, 1, RELAY_LISTENING, true);

		frame->len = len;
		assert_int_equal(relay_beacon_read(frame, &beacon), len >= RELAY_BEACON_LEN);
		assert_int_equal(relay_beacon_is_for(frame), len >= 6);
		frame_free(frame);
	}
	for (unsigned field = 22; field <= 26; field += 4) { /* number, instance */
		struct frame *frame = beacon_frame(pool, 1, 1, RELAY_LISTENING, true);

		memset(frame->data + field, 0, field == 22 ? 4 : 8);
		assert_false(relay_beacon_read(frame, &beacon));
		frame_free(frame);
	}
}

/* ---- machines on wires ---- */

#define RELAYS 4
#define WIRES  4
#define LAN    1u
#define WAN    2u

/* Each relay has a LAN and a WAN, which are wires; -1: none. */
static struct {
	struct relay_machine machine;
	bool there, capable;
	int wire[3]; /* of side LAN and WAN */
	unsigned changes;
} r[RELAYS];

static bool cut[RELAYS]; /* is heard by nobody, and hears nobody */
static unsigned lost;	 /* of 100 beacons */
static uint32_t dice;
static uint64_t now, overlap;
/* Two that may never be active at a time, unless they cannot hear each other. */
static int rivals[2];

static int wires_setup(void **state)
{
	(void)state;
	memset(r, 0, sizeof(r));
	memset(cut, 0, sizeof(cut));
	lost = 0;
	dice = 1;
	now = 5000000;
	overlap = 0;
	rivals[0] = rivals[1] = -1;
	return 0;
}

static void boot(int i, uint32_t number, uint64_t instance, int lan, int wan)
{
	relay_machine_init(&r[i].machine);
	relay_machine_role(&r[i].machine, true, (struct relay_id){number, instance}, LAN, now);
	r[i].there = r[i].capable = true;
	r[i].wire[LAN] = lan;
	r[i].wire[WAN] = wan;
	r[i].changes = 0;
}

static void broadcast_beacons(int from)
{
	struct ipaddr address = fx_host((unsigned)from);

	for (unsigned side = LAN; side <= WAN; side++) {
		struct relay_beacon beacon = {r[from].machine.own, r[from].machine.state,
					      side == LAN};

		for (int to = 0; to < RELAYS; to++) {
			if (to == from || !r[to].there || cut[from] || cut[to])
				continue;
			for (unsigned at = LAN; at <= WAN; at++) {
				dice = dice * 1103515245u + 12345u;
				if (r[to].wire[at] == r[from].wire[side] && r[to].wire[at] >= 0 &&
				    (dice >> 16) % 100 >= lost)
					(void)relay_machine_hear(&r[to].machine, &beacon, at,
								 &address, now);
			}
		}
	}
}

/* One millisecond at a time; every other one in the other order. */
static void pass(uint64_t ms)
{
	for (uint64_t end = now + ms; now < end; now++) {
		for (int k = 0; k < RELAYS; k++) {
			int i = now % 2 ? k : RELAYS - 1 - k;
			struct relay_heard gone;

			if (!r[i].there)
				continue;
			while (relay_machine_expire(&r[i].machine, now, &gone))
				;
			r[i].changes += relay_machine_run(&r[i].machine, r[i].capable, now);
			if (relay_machine_beacon(&r[i].machine, now))
				broadcast_beacons(i);
		}
		if (rivals[0] >= 0 && r[rivals[0]].there && r[rivals[1]].there)
			overlap += relay_machine_carries(&r[rivals[0]].machine, now) &&
				   relay_machine_carries(&r[rivals[1]].machine, now);
	}
}

static void assert_state(int i, enum relay_state state)
{
	assert_string_equal(relay_state_name(r[i].machine.state), relay_state_name(state));
}

static void one_alone_listens_claims_and_is_active(void **state)
{
	(void)state;
	boot(0, 5, 1, 0, 1);
	pass(2999);
	assert_state(0, RELAY_LISTENING);
	pass(10);
	assert_state(0, RELAY_CLAIMING);
	pass(480);
	assert_state(0, RELAY_CLAIMING);
	pass(20);
	assert_state(0, RELAY_ACTIVE);
	pass(100000);
	assert_int_equal(r[0].changes, 2);
}

static void of_two_on_a_lan_the_lower_is_active(void **state)
{
	(void)state;
	rivals[0] = 0;
	rivals[1] = 1;
	boot(0, 5, 9, 0, 1);
	boot(1, 7, 1, 0, 1);
	pass(10000);
	assert_state(0, RELAY_ACTIVE);
	assert_state(1, RELAY_STANDBY);
	assert_int_equal(r[1].machine.why, RELAY_WHY_OTHER);
	assert_int_equal(r[1].machine.blocker.number, 5);
	/* It dies: silence, a claim, and that is all. */
	r[0].there = false;
	pass(2000);
	assert_state(1, RELAY_STANDBY);
	pass(2000);
	assert_state(1, RELAY_ACTIVE);
	/* It is back: the other makes way when it is about to take over, not before. */
	boot(0, 5, 10, 0, 1);
	pass(2990);
	assert_state(1, RELAY_ACTIVE);
	pass(30);
	assert_state(1, RELAY_STANDBY);
	assert_state(0, RELAY_CLAIMING);
	pass(500);
	assert_state(0, RELAY_ACTIVE);
	pass(20000);
	assert_state(1, RELAY_STANDBY);
	assert_int_equal(overlap, 0);
}

static void equal_numbers_are_told_apart_by_the_instance(void **state)
{
	static const struct ipaddr nobody;
	struct relay_beacon twin = {{5, 3}, RELAY_LISTENING, true};

	(void)state;
	rivals[0] = 0;
	rivals[1] = 1;
	boot(0, 5, 2, 0, 1);
	boot(1, 5, 1, 0, 1);
	pass(10000);
	assert_state(0, RELAY_STANDBY);
	assert_state(1, RELAY_ACTIVE);
	assert_int_equal(overlap, 0);
	boot(0, 5, 2, 0, 1);
	assert_int_equal(relay_machine_hear(&r[0].machine, &twin, LAN, &nobody, now), RELAY_TWIN);
	assert_int_equal(relay_machine_hear(&r[0].machine, &twin, LAN, &nobody, now), 0);
}

static void of_three_the_next_takes_over_alone(void **state)
{
	(void)state;
	rivals[0] = 1;
	rivals[1] = 2;
	boot(0, 1, 1, 0, 1);
	boot(1, 2, 2, 0, 1);
	boot(2, 3, 3, 0, 1);
	pass(10000);
	assert_state(0, RELAY_ACTIVE);
	r[0].there = false;
	pass(10000);
	assert_state(1, RELAY_ACTIVE);
	assert_state(2, RELAY_STANDBY);
	assert_int_equal(overlap, 0);
}

static void relays_of_several_lans_are_all_active(void **state)
{
	(void)state;
	boot(0, 1, 1, 0, 3);
	boot(1, 2, 2, 1, 3);
	boot(2, 3, 3, 2, 3);
	pass(5000);
	for (int i = 0; i < 3; i++)
		assert_state(i, RELAY_ACTIVE);
	assert_int_equal(r[0].machine.heard_count, 2);
}

static void a_lan_behind_a_lan_is_no_conflict(void **state)
{
	(void)state;
	boot(0, 1, 1, 0, 1); /* LAN 0, and network 1 behind it */
	boot(1, 2, 2, 1, 2); /* whose LAN is network 1 */
	pass(5000);
	assert_state(0, RELAY_ACTIVE);
	assert_state(1, RELAY_ACTIVE);
}

static void two_that_share_both_networks_make_a_ring(void **state)
{
	(void)state;
	rivals[0] = 0;
	rivals[1] = 1;
	boot(0, 1, 1, 0, 1);
	boot(1, 2, 2, 1, 0); /* the other way round: no LAN in common */
	pass(10000);
	assert_state(0, RELAY_ACTIVE);
	assert_state(1, RELAY_STANDBY);
	assert_int_equal(r[1].machine.why, RELAY_WHY_TWICE);
	assert_int_equal(overlap, 0);
	r[0].there = false;
	pass(4000);
	assert_state(1, RELAY_ACTIVE);
}

static void who_has_nothing_to_relay_makes_way(void **state)
{
	(void)state;
	rivals[0] = 0;
	rivals[1] = 1;
	boot(0, 1, 1, 0, 1);
	boot(1, 2, 2, 0, 1);
	pass(10000);
	r[0].capable = false;
	pass(600); /* it says so: no waiting for silence */
	assert_state(0, RELAY_STANDBY);
	assert_int_equal(r[0].machine.why, RELAY_WHY_DOWN);
	assert_state(1, RELAY_ACTIVE);
	r[0].capable = true;
	pass(2900); /* it has to listen first */
	assert_state(0, RELAY_LISTENING);
	assert_state(1, RELAY_ACTIVE);
	pass(1000);
	assert_state(0, RELAY_ACTIVE);
	assert_state(1, RELAY_STANDBY);
	assert_int_equal(overlap, 0);
}

static void the_own_beacon_that_comes_back_is_a_loop(void **state)
{
	static const struct ipaddr nobody;
	struct relay_beacon own = {{1, 1}, RELAY_ACTIVE, true};

	(void)state;
	boot(0, 1, 1, 0, 1);
	pass(5000);
	assert_state(0, RELAY_ACTIVE);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(relay_machine_hear(&r[0].machine, &own, WAN, &nobody, now),
				 RELAY_OWN);
		pass(1000);
		assert_state(0, RELAY_STANDBY);
		assert_int_equal(r[0].machine.why, RELAY_WHY_LOOP);
	}
	pass(2100);
	assert_state(0, RELAY_LISTENING);
	pass(3500);
	assert_state(0, RELAY_ACTIVE);
}

static void a_lan_that_was_cut_and_is_whole_again(void **state)
{
	(void)state;
	rivals[0] = 0;
	rivals[1] = 1;
	boot(0, 1, 1, 0, -1);
	boot(1, 2, 2, 0, -1);
	pass(10000);
	cut[1] = true;
	pass(10000);
	assert_state(0, RELAY_ACTIVE);
	assert_state(1, RELAY_ACTIVE);
	cut[1] = false;
	overlap = 0;
	pass(10000);
	assert_state(1, RELAY_STANDBY);
	assert_true(overlap <= RELAY_BEACON_MS);
}

static void one_that_was_stopped_does_not_go_on(void **state)
{
	(void)state;
	rivals[0] = 0;
	rivals[1] = 1;
	boot(0, 1, 1, 0, 1);
	boot(1, 2, 2, 0, 1);
	pass(10000);
	r[0].there = false;
	pass(5000);
	assert_state(1, RELAY_ACTIVE);
	r[0].there = true; /* the same process: it thinks that it is active */
	assert_false(relay_machine_carries(&r[0].machine, now));
	pass(1);
	assert_state(0, RELAY_LISTENING);
	pass(10000);
	assert_state(0, RELAY_ACTIVE);
	assert_state(1, RELAY_STANDBY);
	assert_int_equal(overlap, 0);
}

static void beacons_that_are_lost_seldom_make_two_active(void **state)
{
	(void)state;
	rivals[0] = 0;
	rivals[1] = 1;
	boot(0, 1, 1, 0, -1);
	boot(1, 2, 2, 0, -1);
	pass(10000);
	lost = 30;
	pass(1000000);
	lost = 0;
	pass(5000);
	assert_state(0, RELAY_ACTIVE);
	assert_state(1, RELAY_STANDBY);
	assert_true(overlap <= 1000); /* of a million milliseconds */
}

static void one_that_claims_is_told_who_is_active(void **state)
{
	struct relay_beacon claim = {{2, 2}, RELAY_CLAIMING, true};
	struct ipaddr from = fx_host(1);

	(void)state;
	boot(0, 1, 1, 0, 1);
	pass(5000);
	while (!relay_machine_beacon(&r[0].machine, now))
		now++;
	now += 100;
	assert_false(relay_machine_beacon(&r[0].machine, now));
	(void)relay_machine_hear(&r[0].machine, &claim, LAN, &from, now);
	assert_true(relay_machine_beacon(&r[0].machine, now));
	/* But not as often as anybody likes. */
	(void)relay_machine_hear(&r[0].machine, &claim, LAN, &from, now);
	assert_false(relay_machine_beacon(&r[0].machine, now));
}

static void a_restarted_process_goes_on(void **state)
{
	struct relay_id former;

	(void)state;
	rivals[0] = 0;
	rivals[1] = 1;
	boot(0, 1, 1, 0, 1);
	boot(1, 2, 2, 0, 1);
	pass(10000);
	former = r[0].machine.own;
	r[0].there = false;
	pass(1500);
	boot(0, 1, 77, 0, 1);
	assert_false(relay_machine_resume(&r[0].machine, (struct relay_id){2, 1}, now - 1500, now));
	assert_false(relay_machine_resume(&r[0].machine, (struct relay_id){1, 0}, now - 1500, now));
	assert_false(relay_machine_resume(&r[0].machine, former, now + 1, now));
	assert_false(relay_machine_resume(&r[0].machine, former, now - 2000, now));
	assert_state(0, RELAY_LISTENING);
	assert_true(relay_machine_resume(&r[0].machine, former, now - 1500, now));
	pass(1);
	assert_state(0, RELAY_ACTIVE);
	pass(10000);
	assert_state(0, RELAY_ACTIVE);
	assert_state(1, RELAY_STANDBY);
	assert_int_equal(r[1].changes, 1);
	assert_int_equal(overlap, 0);
}

static void random_comings_and_goings_leave_one_active(void **state)
{
	uint32_t random = 12345;

	(void)state;
	rivals[0] = 0;
	rivals[1] = 1;
	for (int round = 0; round < 200; round++) {
		for (int i = 0; i < 3; i++) {
			random = random * 1103515245u + 12345u;
			switch (random >> 16 & 7) {
			case 0:
				r[i].there = false;
				break;
			case 1:
				boot(i, (uint32_t)i + 1, random, 0, 1);
				break;
			case 2:
				r[i].capable = !r[i].capable;
				break;
			default:
				break;
			}
		}
		pass(random >> 20 & 0x7ff);
	}
	for (int i = 0; i < 3; i++)
		boot(i, (uint32_t)i + 1, (uint64_t)i + 1, 0, 1);
	pass(12000);
	assert_state(0, RELAY_ACTIVE);
	assert_state(1, RELAY_STANDBY);
	assert_state(2, RELAY_STANDBY);
	assert_int_equal(overlap, 0);
}

static void a_flood_of_strangers_does_not_hide_who_prevails(void **state)
{
	struct relay_beacon beacon = {{0, 1}, RELAY_ACTIVE, true};
	struct ipaddr from = fx_host(1);

	(void)state;
	boot(0, 100, 1, 0, 1);
	beacon.from.number = 50;
	(void)relay_machine_hear(&r[0].machine, &beacon, LAN, &from, now);
	for (uint32_t n = 0; n < 10000; n++) {
		beacon.from.number = 1000000 - n;
		(void)relay_machine_hear(&r[0].machine, &beacon, LAN, &from, now);
	}
	assert_int_equal(r[0].machine.heard_count, RELAY_HEARD_MAX);
	(void)relay_machine_run(&r[0].machine, true, now);
	assert_state(0, RELAY_STANDBY);
	assert_int_equal(r[0].machine.blocker.number, 50);
}

/* Whoever can forge beacons can seem to be a relay that comes and goes. */
static void comings_and_goings_without_end_cost_little(void **state)
{
	static const enum relay_state pairs[][2] = {{RELAY_ACTIVE, RELAY_STANDBY},
						    {RELAY_CLAIMING, RELAY_STANDBY},
						    {RELAY_LISTENING, RELAY_ACTIVE}};
	struct ipaddr from = fx_host(1);

	(void)state;
	for (unsigned k = 0; k < 3; k++) {
		unsigned beacons = 0;

		boot(0, 100, 1, 0, 1);
		pass(5000);
		assert_state(0, RELAY_ACTIVE);
		r[0].changes = 0;
		for (unsigned i = 0; i < 200000; i++) { /* for ten seconds */
			struct relay_beacon beacon = {{50, 1}, pairs[k][i & 1], true};

			now += i % 20 == 0;
			(void)relay_machine_hear(&r[0].machine, &beacon, LAN, &from, now);
			r[0].changes += relay_machine_run(&r[0].machine, true, now);
			beacons += relay_machine_beacon(&r[0].machine, now);
		}
		assert_true(r[0].changes <= 3 * (RELAY_STEPS + 10000 / RELAY_STEP_MS));
		assert_true(beacons <= 11 + r[0].changes);
		/* That it is over is seen soon. */
		pass(RELAY_SILENCE_MS + RELAY_STEP_MS + RELAY_LISTEN_MS + RELAY_CLAIM_MS);
		assert_state(0, RELAY_ACTIVE);
	}
}

static void it_is_never_late_for_what_is_due(void **state)
{
	(void)state;
	boot(0, 5, 9, 0, 1);
	boot(1, 7, 1, 0, 1);
	for (int i = 0; i < 10000; i++) {
		pass(1);
		assert_true(relay_machine_due(&r[0].machine) >= now);
		assert_true(relay_machine_due(&r[0].machine) <= now + RELAY_BEACON_MS);
	}
	relay_machine_init(&r[0].machine);
	assert_true(relay_machine_due(&r[0].machine) == UINT64_MAX);
}

/* ---- the pipeline ---- */

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

#define MACHINE(name) cmocka_unit_test_setup(name, wires_setup)
#define SWITCH(name)  cmocka_unit_test_setup_teardown(name, fx_setup, fx_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(a_beacon_has_its_layout, pool_setup, pool_teardown),
	    cmocka_unit_test_setup_teardown(what_is_no_beacon_is_refused, pool_setup,
					    pool_teardown),
	    MACHINE(one_alone_listens_claims_and_is_active),
	    MACHINE(of_two_on_a_lan_the_lower_is_active),
	    MACHINE(equal_numbers_are_told_apart_by_the_instance),
	    MACHINE(of_three_the_next_takes_over_alone),
	    MACHINE(relays_of_several_lans_are_all_active),
	    MACHINE(a_lan_behind_a_lan_is_no_conflict),
	    MACHINE(two_that_share_both_networks_make_a_ring),
	    MACHINE(who_has_nothing_to_relay_makes_way),
	    MACHINE(the_own_beacon_that_comes_back_is_a_loop),
	    MACHINE(a_lan_that_was_cut_and_is_whole_again),
	    MACHINE(one_that_was_stopped_does_not_go_on),
	    MACHINE(beacons_that_are_lost_seldom_make_two_active),
	    MACHINE(one_that_claims_is_told_who_is_active),
	    MACHINE(a_restarted_process_goes_on),
	    MACHINE(random_comings_and_goings_leave_one_active),
	    MACHINE(a_flood_of_strangers_does_not_hide_who_prevails),
	    MACHINE(comings_and_goings_without_end_cost_little),
	    MACHINE(it_is_never_late_for_what_is_due),
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
