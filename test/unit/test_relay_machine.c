/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Relays among themselves: what a beacon is, and who becomes active and when. The
 * machines of several relays run here on wires of a test, one millisecond after the other.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "switchd/relay_beacon.h"
#include "switchd/relay_machine.h"
#include "test/unit/relay_beacons.h"
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

#define MACHINE(name) cmocka_unit_test_setup(name, wires_setup)

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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
