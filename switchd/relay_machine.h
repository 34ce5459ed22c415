/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which of the relays of a segment is active: what one of them has heard of the
 * others, and what it makes of that. No I/O; time (milliseconds of a monotonic
 * clock) is an argument. A switch that is no relay keeps the same list, to forget
 * what it has located at one that is gone.
 *
 * A relay hears for RELAY_LISTEN_MS who is there. Then it claims: it says so, and
 * whoever has to make way stands by; only when nobody is left who is active does it
 * become active itself. So two are active at a time only while they do not hear each
 * other. Of two that meet, the one with the lower number (and among equals the lower
 * instance) prevails. Two meet if they are on one LAN, or hear each other on two sides.
 */
#ifndef TVD_RELAY_MACHINE_H
#define TVD_RELAY_MACHINE_H

#include "switchd/relay_beacon.h"

#define RELAY_LISTEN_MS	      3000u
#define RELAY_SILENCE_MS      3000u /* who was not heard for this long is gone */
#define RELAY_CLAIM_MS	      500u
#define RELAY_BEACON_MS	      1000u
#define RELAY_CLAIM_BEACON_MS 100u /* while it claims */
#define RELAY_HEARD_MAX	      64u
/* Who stands by changes its mind so many times in a row, then once in so long: anybody on the
 * wire can make others seem to come and go. */
#define RELAY_STEPS   8u
#define RELAY_STEP_MS 2000u

/* Why a relay stands by. */
enum relay_why {
	RELAY_WHY_NONE,
	RELAY_WHY_DOWN,	    /* a side of it is down: there is nothing to relay between */
	RELAY_WHY_LOOP,	    /* its own beacon has come back */
	RELAY_WHY_OTHER,    /* another one on its LAN prevails */
	RELAY_WHY_TWICE,    /* one that prevails is heard on two sides */
	RELAY_WHY_UNSTEADY, /* the reasons come and go too often */
	RELAY_WHYS
};

/* One that was heard, on one side. */
struct relay_heard {
	struct relay_id who;
	uint32_t side;
	bool lan; /* the side is its LAN */
	enum relay_state state;
	struct ipaddr from; /* unset where the side has no hosts */
	uint64_t seen;
};

struct relay_machine {
	bool relay; /* else it only keeps the list */
	struct relay_id own;
	uint32_t lan_side; /* 0: none now */
	enum relay_state state;
	enum relay_why why;
	struct relay_id blocker; /* for whom it stands by */
	uint64_t since;		 /* of the state */
	uint64_t hears_since;	 /* nothing was missed since then */
	uint64_t beacon_due;
	uint64_t loop_seen; /* when the own beacon came back; valid if looped */
	bool looped;
	uint64_t steps; /* when all of RELAY_STEPS are free again */
	struct relay_heard heard[RELAY_HEARD_MAX];
	unsigned heard_count;
};

/* One that is no relay. */
void relay_machine_init(struct relay_machine *machine);

/* Makes it a relay, which begins to listen, or one no longer; or changes its LAN, and it
 * listens anew. The same as before: nothing happens. */
void relay_machine_role(struct relay_machine *machine, bool relay, struct relay_id own,
			uint32_t lan_side, uint64_t now);

/* It is what it was in a former process that was active at `then`: at once, if that is not
 * long ago and its number is the same. */
bool relay_machine_resume(struct relay_machine *machine, struct relay_id own, uint64_t then,
			  uint64_t now);

/* What a beacon has told; bits. */
#define RELAY_BEGAN 1u /* one is active that was not */
#define RELAY_ENDED 2u /* one that was active is no longer, and says so */
#define RELAY_OWN   4u /* it was our own */
#define RELAY_TWIN  8u /* another relay has our number */

/* Notes a beacon. When the list is full, it is the one that prevails least that is left out. */
unsigned relay_machine_hear(struct relay_machine *machine, const struct relay_beacon *beacon,
			    uint32_t side, const struct ipaddr *from, uint64_t now);

/* Takes one off the list that was not heard for too long; false if there is none (left). */
bool relay_machine_expire(struct relay_machine *machine, uint64_t now, struct relay_heard *gone);

/* Takes off what was heard on a side that is no more. */
void relay_machine_forget_side(struct relay_machine *machine, uint32_t side);

/*
 * Decides anew; `capable`: the LAN and a WAN are up. Call after each of the above, and
 * when relay_machine_due() says. true if state or reason have changed; then a beacon is due.
 */
bool relay_machine_run(struct relay_machine *machine, bool capable, uint64_t now);

/*
 * Whether frames may cross now: it is active, and has said so lately. One that could not
 * (its process was stopped, say) no longer knows whether another has taken over.
 */
bool relay_machine_carries(const struct relay_machine *machine, uint64_t now);

/* Whether a beacon is to be sent now; the next one is then due later. */
bool relay_machine_beacon(struct relay_machine *machine, uint64_t now);

/* When something will have to happen; UINT64_MAX: never, as things are. */
uint64_t relay_machine_due(const struct relay_machine *machine);

static inline bool relay_id_equal(const struct relay_id *a, const struct relay_id *b)
{
	return a->number == b->number && a->instance == b->instance;
}

/* Whether a prevails over b. */
static inline bool relay_id_lower(const struct relay_id *a, const struct relay_id *b)
{
	return a->number != b->number ? a->number < b->number : a->instance < b->instance;
}

#endif
