/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The Applicant of MRP: its table, written down once more and the other way round, and
 * what it says when, against a switch that registers and forgets.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "encap/mrp.h"
#include "test/unit/craft.h"

static const char *const event_names[MRP_EVENTS] = {
    "New", "Join", "Lv",  "rNew",	"rJoinIn",   "rIn", "rJoinMt",
    "rMt", "rLv",  "rLA", "Re-declare", "periodic!", "tx!",
};

/* One line a state; the next states in the order of the events. */
static const struct {
	const char *state, *next;
} shared_table[MRP_STATES] = {
    {"VO", "VN VP VO VO AO VO VO VO VO VO VO VO VO"},
    {"VP", "VN VP VO VP AP VP VP VP VP VP VP VP AA"},
    {"VN", "VN VN LA VN VN VN VN VN VN VN VN VN AN"},
    {"AN", "AN AN LA AN AN AN AN AN VN VN VN AN AA"},
    {"AA", "VN AA LA AA QA AA AA AA VP VP VP AA QA"},
    {"QA", "VN QA LA QA QA QA AA AA VP VP VP AA QA"},
    {"LA", "VN AA LA LA LA LA LA LA LA LA LA LA VO"},
    {"AO", "VN AP AO AO QO AO AO AO VO VO VO AO AO"},
    {"QO", "VN QP QO QO QO QO AO AO VO VO VO QO QO"},
    {"AP", "VN AP AO AP QP AP AP AP VP VP VP AP QA"},
    {"QP", "VN QP QO QP QP QP AP AP VP VP VP AP QP"},
};

static enum mrp_state state_of(const char *name)
{
	for (int i = 0; i < MRP_STATES; i++) {
		if (strncmp(mrp_state_name((enum mrp_state)i), name, 2) == 0)
			return (enum mrp_state)i;
	}
	fail_msg("no state %.2s", name);
	return MRP_STATES;
}

static void the_states_follow_the_table(void **state)
{
	(void)state;
	for (int i = 0; i < MRP_STATES; i++) {
		enum mrp_state from = state_of(shared_table[i].state);

		assert_int_equal(from, i);
		for (int e = 0; e < MRP_EVENTS; e++) {
			enum mrp_state want = state_of(shared_table[i].next + 3 * (size_t)e);
			enum mrp_state got = mrp_next_state(from, (enum mrp_event)e, false);

			if (got != want)
				fail_msg("%s, %s: %s, not %s", shared_table[i].state,
					 event_names[e], mrp_state_name(got), mrp_state_name(want));
			/* Between two stations, three fields are others. */
			if (e == MRP_R_JOIN_IN && (from == MRP_VO || from == MRP_VP))
				want = from;
			if (e == MRP_R_IN && from == MRP_AA)
				want = MRP_QA;
			got = mrp_next_state(from, (enum mrp_event)e, true);
			if (got != want)
				fail_msg("point to point, %s, %s: %s, not %s",
					 shared_table[i].state, event_names[e], mrp_state_name(got),
					 mrp_state_name(want));
		}
	}
	assert_string_equal(mrp_state_name(MRP_STATES), "?");
}

/* Lets a transmission happen in which everything is said; how much that was. */
static unsigned transmit(struct mrp *mrp, uint64_t now)
{
	unsigned said = 0;

	for (unsigned vid = 1; vid <= MRP_VID_MAX; vid++)
		said += mrp_say(mrp, vid) != MRP_SAY_NOTHING;
	assert_int_equal(said, mrp->pending);
	mrp_said(mrp, 1, MRP_VID_MAX);
	mrp_transmitted(mrp, now);
	return said;
}

static void a_declaration_is_said_twice(void **state)
{
	struct mrp *mrp = malloc(sizeof(*mrp));

	(void)state;
	mrp_init(mrp, true, false, 1);
	assert_true(mrp_next(mrp) == MRP_NEVER);
	assert_false(mrp_due(mrp, 1000));
	mrp_join(mrp, 102, 1000);
	mrp_join(mrp, 102, 1000);
	assert_int_equal(mrp->declared, 1);
	assert_true(mrp_is_declared(mrp, 102));
	assert_false(mrp_is_declared(mrp, 103));
	assert_int_equal(mrp_next(mrp), 1000); /* at once, between two */
	assert_true(mrp_due(mrp, 1000));
	assert_int_equal(mrp_say(mrp, 102), MRP_SAY_JOIN);
	assert_int_equal(transmit(mrp, 1000), 1);
	assert_int_equal(mrp_next(mrp), 1200); /* and again after JoinTime */
	assert_false(mrp_due(mrp, 1199));
	assert_true(mrp_due(mrp, 1200));
	assert_int_equal(transmit(mrp, 1200), 1);
	assert_true(mrp_next(mrp) == MRP_NEVER);
	assert_int_equal(mrp->state[102], MRP_QA);
	/* A change soon after waits for JoinTime, and one later does not. */
	mrp_join(mrp, 103, 1250);
	assert_int_equal(mrp_next(mrp), 1400);
	transmit(mrp, 1400);
	transmit(mrp, 1600);
	mrp_join(mrp, 104, 9000);
	assert_int_equal(mrp_next(mrp), 9000);
	free(mrp);
}

static void a_withdrawal_is_said_once(void **state)
{
	struct mrp *mrp = malloc(sizeof(*mrp));

	(void)state;
	mrp_init(mrp, true, false, 1);
	mrp_join(mrp, 5, 0);
	mrp_leave(mrp, 5, 0); /* not yet said: nothing to take back */
	assert_int_equal(mrp->pending, 0);
	assert_false(mrp_due(mrp, 1));
	mrp_join(mrp, 5, 1000);
	transmit(mrp, 1000);
	transmit(mrp, 1200);
	mrp_leave(mrp, 5, 5000);
	assert_int_equal(mrp->declared, 0);
	assert_true(mrp_due(mrp, 5000));
	assert_int_equal(mrp_say(mrp, 5), MRP_SAY_LEAVE);
	assert_int_equal(transmit(mrp, 5000), 1);
	assert_true(mrp_next(mrp) == MRP_NEVER);
	/* One that returns before that was said is declared again. */
	mrp_join(mrp, 5, 6000);
	transmit(mrp, 6000);
	mrp_leave(mrp, 5, 6001);
	mrp_join(mrp, 5, 6002);
	assert_int_equal(mrp_say(mrp, 5), MRP_SAY_JOIN);
	assert_int_equal(mrp->declared, 1);
	free(mrp);
}

static struct mrp *quiet(bool point_to_point, unsigned vids)
{
	struct mrp *mrp = malloc(sizeof(*mrp));

	mrp_init(mrp, point_to_point, false, 7);
	for (unsigned vid = 1; vid <= vids; vid++)
		mrp_join(mrp, vid, 0);
	transmit(mrp, 100);
	transmit(mrp, 300);
	assert_true(mrp_next(mrp) == MRP_NEVER);
	return mrp;
}

static void what_is_heard_is_answered(void **state)
{
	struct mrp *mrp = quiet(true, 10);

	(void)state;
	/* LeaveAll: everything again, within what a switch waits (600 ms). */
	mrp_heard(mrp, MRP_R_LEAVE_ALL, 0, 10000);
	assert_int_equal(mrp->pending, 10);
	assert_true(mrp_next(mrp) < 10000 + 600);
	assert_int_equal(transmit(mrp, 10000), 10);
	assert_int_equal(transmit(mrp, 10200), 10);
	assert_true(mrp_next(mrp) == MRP_NEVER);
	/* Leave and Empty: that one again. */
	mrp_heard(mrp, MRP_R_LEAVE, 3, 20000);
	mrp_heard(mrp, MRP_R_EMPTY, 4, 20000);
	assert_int_equal(mrp->pending, 2);
	assert_int_equal(transmit(mrp, 20000), 2);
	assert_int_equal(transmit(mrp, 20200), 1); /* after Empty once is enough */
	/* In, from the only other one: heard; not said again. */
	mrp_heard(mrp, MRP_R_LEAVE, 3, 30000);
	assert_int_equal(transmit(mrp, 30000), 1);
	mrp_heard(mrp, MRP_R_IN, 3, 30010);
	assert_int_equal(mrp->pending, 0);
	assert_false(mrp_due(mrp, 30200));
	/* VIDs that are not ours are nobody's business here. */
	for (int e = MRP_R_NEW; e <= MRP_R_LEAVE_ALL; e++)
		mrp_heard(mrp, (enum mrp_event)e, 99, 40000);
	assert_int_equal(mrp->pending, 0);
	assert_int_equal(mrp->declared, 10);
	free(mrp);
}

/* Between two, a switch that declares a VLAN before we do has not heard of us. */
static void nobody_elses_join_stands_for_ours(void **state)
{
	struct mrp *mrp = malloc(sizeof(*mrp));

	(void)state;
	mrp_init(mrp, true, false, 1);
	mrp_heard(mrp, MRP_R_JOIN_IN, 7, 0);
	mrp_heard(mrp, MRP_R_JOIN_IN, 7, 0);
	mrp_join(mrp, 7, 0);
	mrp_heard(mrp, MRP_R_JOIN_IN, 7, 0);
	mrp_heard(mrp, MRP_R_JOIN_IN, 7, 0);
	assert_int_equal(mrp->pending, 1);
	/* Where all hear all it does, as long as nobody takes it back. */
	mrp_init(mrp, false, false, 1);
	mrp_heard(mrp, MRP_R_JOIN_IN, 7, 0);
	mrp_heard(mrp, MRP_R_JOIN_IN, 7, 0);
	mrp_join(mrp, 7, 0);
	assert_int_equal(mrp->state[7], MRP_QP);
	assert_int_equal(mrp->pending, 0);
	assert_true(mrp_is_declared(mrp, 7));
	mrp_heard(mrp, MRP_R_LEAVE, 7, 0);
	assert_int_equal(mrp->pending, 1);
	free(mrp);
}

static void a_new_link_hears_it_all(void **state)
{
	struct mrp *mrp = quiet(true, 3);

	(void)state;
	mrp_redeclare(mrp, 5000);
	assert_int_equal(mrp->pending, 3);
	assert_int_equal(transmit(mrp, 5000), 3);
	assert_int_equal(transmit(mrp, 5200), 3);
	assert_int_equal(transmit(mrp, 5400), 0);
	free(mrp);
}

static void each_second_it_says_so(void **state)
{
	struct mrp *mrp = malloc(sizeof(*mrp));
	unsigned said = 0, turns = 0;
	uint64_t now = 5000;

	(void)state;
	mrp_init(mrp, true, true, 1);
	assert_true(mrp_next(mrp) == MRP_NEVER);
	mrp_join(mrp, 9, now);
	for (; now < 15000; now = mrp_next(mrp)) {
		turns++;
		if (mrp_due(mrp, now))
			said += transmit(mrp, now);
		assert_true(mrp_next(mrp) > now);
	}
	assert_int_equal(said, 2 + 9);
	assert_int_equal(turns, said);
	mrp_leave(mrp, 9, now);
	assert_true(mrp_due(mrp, now));
	transmit(mrp, now);
	assert_true(mrp_next(mrp) == MRP_NEVER); /* it does not wake for nothing */
	free(mrp);
}

/* Whatever is heard, and however often: no more than five transmissions a second. */
static void nobody_makes_it_talk(void **state)
{
	uint64_t seed = 99;

	(void)state;
	for (int shared = 0; shared < 2; shared++) {
		struct mrp *mrp = quiet(!shared, 100);
		unsigned sent = 0;

		for (uint64_t now = 1000; now < 11000; now++) {
			for (int k = 0; k < 5; k++) {
				enum mrp_event e = (enum mrp_event)(
				    MRP_R_NEW +
				    craft_below(&seed, MRP_R_LEAVE_ALL - MRP_R_NEW + 1));

				mrp_heard(mrp, e,
					  e == MRP_R_LEAVE_ALL ? 0 : 1 + craft_below(&seed, 4094),
					  now);
			}
			if (mrp_due(mrp, now)) {
				transmit(mrp, now);
				sent++;
			}
			assert_int_equal(mrp->declared, 100);
		}
		/* At random where many share the link: a hundred milliseconds on average. */
		assert_true(sent >= 45 && sent <= (shared ? 130u : 51u));
		free(mrp);
	}
}

/* A switch on the other end that registers what it hears, sends LeaveAll and forgets who
 * did not answer in time; frames of either side are lost. Declared is what is registered
 * in the end, whatever was asked for on the way. */
static void a_switch_knows_in_the_end(void **state)
{
	uint64_t seed = 4242;

	(void)state;
	for (int round = 0; round < 20; round++) {
		struct mrp *mrp = malloc(sizeof(*mrp));
		bool registered[MRP_VID_MAX + 1] = {false}, leaving[MRP_VID_MAX + 1] = {false};
		bool lossy = round % 2;
		uint64_t now, leave_at = MRP_NEVER;

		mrp_init(mrp, round % 4 < 2, round % 3 == 0, (uint32_t)round);
		for (now = 1000; now < 90000; now += 20) {
			unsigned vid = 1 + craft_below(&seed, 30);

			if (now < 60000 && craft_below(&seed, 20) == 0)
				mrp_join(mrp, vid, now);
			else if (now < 60000 && craft_below(&seed, 20) == 0)
				mrp_leave(mrp, vid, now);
			if (now % 10000 == 0) { /* the last ones are not lost */
				leave_at = now + 600;
				memcpy(leaving, registered, sizeof(leaving));
				if (!lossy || now >= 65000 || craft_below(&seed, 2))
					mrp_heard(mrp, MRP_R_LEAVE_ALL, 0, now);
			}
			if (now >= leave_at) {
				for (unsigned v = 1; v <= MRP_VID_MAX; v++)
					registered[v] = registered[v] && !leaving[v];
				leave_at = MRP_NEVER;
			}
			if (!mrp_due(mrp, now))
				continue;
			for (unsigned v = 1; v <= MRP_VID_MAX; v++) {
				enum mrp_say say = mrp_say(mrp, v);

				if (say == MRP_SAY_NOTHING ||
				    (lossy && now < 65000 && craft_below(&seed, 3) == 0))
					continue;
				registered[v] = say != MRP_SAY_LEAVE;
				leaving[v] = false;
			}
			transmit(mrp, now);
		}
		for (unsigned v = 1; v <= MRP_VID_MAX; v++) {
			if (registered[v] != mrp_is_declared(mrp, v))
				fail_msg("round %d, VID %u: %d", round, v, registered[v]);
		}
		free(mrp);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_states_follow_the_table),
	    cmocka_unit_test(a_declaration_is_said_twice),
	    cmocka_unit_test(a_withdrawal_is_said_once),
	    cmocka_unit_test(what_is_heard_is_answered),
	    cmocka_unit_test(nobody_elses_join_stands_for_ours),
	    cmocka_unit_test(a_new_link_hears_it_all),
	    cmocka_unit_test(each_second_it_says_so),
	    cmocka_unit_test(nobody_makes_it_talk),
	    cmocka_unit_test(a_switch_knows_in_the_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
