/* SPDX-License-Identifier: BSD-2-Clause */
#include "switchd/relay_machine.h"

#include <string.h>

void relay_machine_init(struct relay_machine *machine)
{
	memset(machine, 0, sizeof(*machine));
	machine->state = RELAY_LISTENING;
}

void relay_machine_role(struct relay_machine *machine, bool relay, struct relay_id own,
			uint32_t lan_side, uint64_t now)
{
	if (machine->relay == relay && machine->lan_side == lan_side &&
	    relay_id_equal(&machine->own, &own))
		return;
	machine->relay = relay;
	machine->own = own;
	machine->lan_side = lan_side;
	machine->state = RELAY_LISTENING;
	machine->why = RELAY_WHY_NONE;
	machine->looped = false;
	machine->since = machine->hears_since = machine->beacon_due = now;
}

bool relay_machine_resume(struct relay_machine *machine, struct relay_id own, uint64_t then,
			  uint64_t now)
{
	/* Its last beacon may have been a period earlier. */
	if (!machine->relay || machine->own.number != own.number || own.instance == 0 ||
	    now < then || now - then >= RELAY_SILENCE_MS - RELAY_BEACON_MS)
		return false;
	machine->own = own;
	machine->state = RELAY_ACTIVE;
	machine->why = RELAY_WHY_NONE;
	machine->since = machine->beacon_due = now;
	machine->hears_since = now - RELAY_LISTEN_MS;
	return true;
}

/* ---- what was heard ---- */

static void remove_heard(struct relay_machine *machine, unsigned i)
{
	machine->heard[i] = machine->heard[--machine->heard_count];
}

/*
 * The place of a relay in the list. One that has begun anew, with another instance at
 * the same place, is the same one.
 */
static struct relay_heard *find(struct relay_machine *machine, const struct relay_id *who,
				uint32_t side, const struct ipaddr *from)
{
	for (unsigned i = 0; i < machine->heard_count; i++) {
		struct relay_heard *heard = &machine->heard[i];

		if (heard->side == side && heard->who.number == who->number &&
		    (heard->who.instance == who->instance || ipaddr_equal(&heard->from, from)))
			return heard;
	}
	return NULL;
}

static struct relay_heard *add(struct relay_machine *machine, const struct relay_id *who)
{
	struct relay_heard *last = &machine->heard[0];

	if (machine->heard_count < RELAY_HEARD_MAX)
		return &machine->heard[machine->heard_count++];
	for (unsigned i = 1; i < RELAY_HEARD_MAX; i++) {
		if (relay_id_lower(&last->who, &machine->heard[i].who))
			last = &machine->heard[i];
	}
	return relay_id_lower(who, &last->who) ? last : NULL;
}

/*
 * One claims that has not heard us, since it has to make way for us: it is told at once,
 * for it may be that beacons get lost, and it is about to become active beside us.
 */
static void defend(struct relay_machine *machine, const struct relay_beacon *beacon, uint64_t now)
{
	if (machine->state == RELAY_ACTIVE && beacon->state == RELAY_CLAIMING &&
	    relay_id_lower(&machine->own, &beacon->from) &&
	    machine->beacon_due <= now + RELAY_BEACON_MS - RELAY_CLAIM_BEACON_MS / 2)
		machine->beacon_due = now;
}

unsigned relay_machine_hear(struct relay_machine *machine, const struct relay_beacon *beacon,
			    uint32_t side, const struct ipaddr *from, uint64_t now)
{
	struct relay_heard *heard;
	unsigned news = 0;
	bool was;

	if (machine->relay && relay_id_equal(&beacon->from, &machine->own)) {
		machine->looped = true;
		machine->loop_seen = now;
		return RELAY_OWN;
	}
	defend(machine, beacon, now);
	heard = find(machine, &beacon->from, side, from);
	was = heard && heard->state == RELAY_ACTIVE;
	if (!heard) {
		heard = add(machine, &beacon->from);
		if (!heard)
			return 0;
		if (machine->relay && beacon->from.number == machine->own.number)
			news = RELAY_TWIN;
	}
	*heard = (struct relay_heard){
	    .who = beacon->from,
	    .side = side,
	    .lan = beacon->lan,
	    .state = beacon->state,
	    .from = *from,
	    .seen = now,
	};
	if (!was && beacon->state == RELAY_ACTIVE)
		news |= RELAY_BEGAN;
	if (was && beacon->state != RELAY_ACTIVE)
		news |= RELAY_ENDED;
	return news;
}

bool relay_machine_expire(struct relay_machine *machine, uint64_t now, struct relay_heard *gone)
{
	for (unsigned i = 0; i < machine->heard_count; i++) {
		if (now - machine->heard[i].seen < RELAY_SILENCE_MS)
			continue;
		*gone = machine->heard[i];
		remove_heard(machine, i);
		return true;
	}
	return false;
}

void relay_machine_forget_side(struct relay_machine *machine, uint32_t side)
{
	for (unsigned i = machine->heard_count; i-- > 0;) {
		if (machine->heard[i].side == side)
			remove_heard(machine, i);
	}
}

/* ---- what follows ---- */

static bool heard_elsewhere(const struct relay_machine *machine, const struct relay_heard *heard)
{
	for (unsigned i = 0; i < machine->heard_count; i++) {
		const struct relay_heard *other = &machine->heard[i];

		if (other->side != heard->side && relay_id_equal(&other->who, &heard->who))
			return true;
	}
	return false;
}

/* Why both cannot be active: one LAN has one relay, and two that share two networks
 * make a ring. */
static enum relay_why conflict(const struct relay_machine *machine, const struct relay_heard *heard)
{
	if (heard->lan && heard->side == machine->lan_side)
		return RELAY_WHY_OTHER;
	return heard_elsewhere(machine, heard) ? RELAY_WHY_TWICE : RELAY_WHY_NONE;
}

/* Whether another's state counts: who is active makes way only when the other is about
 * to take over, so that the gap is short. */
static bool counts(const struct relay_machine *machine, enum relay_state state)
{
	switch (state) {
	case RELAY_LISTENING:
		return machine->state != RELAY_ACTIVE;
	case RELAY_CLAIMING:
	case RELAY_ACTIVE:
		return true;
	default:
		return false;
	}
}

static enum relay_why find_blocker(struct relay_machine *machine)
{
	for (unsigned i = 0; i < machine->heard_count; i++) {
		const struct relay_heard *heard = &machine->heard[i];
		enum relay_why why;

		if (!relay_id_lower(&heard->who, &machine->own) || !counts(machine, heard->state))
			continue;
		why = conflict(machine, heard);
		if (why != RELAY_WHY_NONE) {
			machine->blocker = heard->who;
			return why;
		}
	}
	return RELAY_WHY_NONE;
}

/* Whether one that has to make way has not yet. */
static bool rival_active(const struct relay_machine *machine)
{
	for (unsigned i = 0; i < machine->heard_count; i++) {
		const struct relay_heard *heard = &machine->heard[i];

		if (heard->state == RELAY_ACTIVE && conflict(machine, heard) != RELAY_WHY_NONE)
			return true;
	}
	return false;
}

bool relay_machine_carries(const struct relay_machine *machine, uint64_t now)
{
	return machine->relay && machine->state == RELAY_ACTIVE &&
	       now < machine->beacon_due + (RELAY_SILENCE_MS - RELAY_BEACON_MS);
}

static enum relay_state decide(const struct relay_machine *machine, uint64_t now)
{
	if (machine->why != RELAY_WHY_NONE)
		return RELAY_STANDBY;
	if (machine->state == RELAY_ACTIVE)
		return RELAY_ACTIVE;
	if (now - machine->hears_since < RELAY_LISTEN_MS)
		return RELAY_LISTENING;
	if (machine->state != RELAY_CLAIMING || now - machine->since < RELAY_CLAIM_MS)
		return RELAY_CLAIMING;
	return rival_active(machine) ? RELAY_CLAIMING : RELAY_ACTIVE;
}

static uint64_t next_step(const struct relay_machine *machine)
{
	const uint64_t in_a_row = (RELAY_STEPS - 1) * (uint64_t)RELAY_STEP_MS;

	return machine->steps > in_a_row ? machine->steps - in_a_row : 0;
}

/* To stand by is always safe, and for another reason, or no longer, is never urgent: so this
 * is what waits when it happens too often. */
static enum relay_why steadily(struct relay_machine *machine, enum relay_why why, uint64_t now)
{
	if (machine->state != RELAY_STANDBY || why == machine->why)
		return why;
	if (now < next_step(machine))
		return RELAY_WHY_UNSTEADY;
	machine->steps = (machine->steps > now ? machine->steps : now) + RELAY_STEP_MS;
	return why;
}

bool relay_machine_run(struct relay_machine *machine, bool capable, uint64_t now)
{
	const enum relay_state state = machine->state;
	const enum relay_why why = machine->why;

	if (!machine->relay)
		return false;
	if (machine->looped && now - machine->loop_seen >= RELAY_SILENCE_MS)
		machine->looped = false;
	machine->why = steadily(machine,
				!capable	  ? RELAY_WHY_DOWN
				: machine->looped ? RELAY_WHY_LOOP
						  : find_blocker(machine),
				now);
	/* Afterwards it has to hear first what it has missed. */
	if (machine->why == RELAY_WHY_DOWN || machine->why == RELAY_WHY_LOOP)
		machine->hears_since = now;
	if (machine->state == RELAY_ACTIVE && !relay_machine_carries(machine, now)) {
		machine->hears_since = now;
		machine->state = RELAY_LISTENING;
	}
	machine->state = decide(machine, now);
	if (machine->state == state && machine->why == why)
		return false;
	if (machine->state != state)
		machine->since = now;
	machine->beacon_due = now;
	return true;
}

bool relay_machine_beacon(struct relay_machine *machine, uint64_t now)
{
	if (!machine->relay || now < machine->beacon_due)
		return false;
	machine->beacon_due =
	    now + (machine->state == RELAY_CLAIMING ? RELAY_CLAIM_BEACON_MS : RELAY_BEACON_MS);
	return true;
}

static void sooner(uint64_t *due, uint64_t other)
{
	if (other < *due)
		*due = other;
}

uint64_t relay_machine_due(const struct relay_machine *machine)
{
	uint64_t due = UINT64_MAX;

	for (unsigned i = 0; i < machine->heard_count; i++)
		sooner(&due, machine->heard[i].seen + RELAY_SILENCE_MS);
	if (!machine->relay)
		return due;
	sooner(&due, machine->beacon_due);
	if (machine->looped)
		sooner(&due, machine->loop_seen + RELAY_SILENCE_MS);
	if (machine->state == RELAY_LISTENING)
		sooner(&due, machine->hears_since + RELAY_LISTEN_MS);
	if (machine->why == RELAY_WHY_UNSTEADY)
		sooner(&due, next_step(machine));
	return due;
}
