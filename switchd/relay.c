/* SPDX-License-Identifier: BSD-2-Clause */
#include "switchd/relay.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "encap/gso.h"
#include "lib/log.h"
#include "switchd/announce.h"
#include "switchd/egress.h"
#include "switchd/events.h"

LOG_MODULE("relay");

#define NUMBER_DERIVED	 0x80000000u /* behind all that are configured */
#define ANNOUNCE_AT_ONCE 64u	     /* stations, each a frame */
#define ANNOUNCE_EVERY	 20u	     /* milliseconds; half of what `storm` lets cross by default */
#define AGAIN_MS	 1000u	     /* from what another relay caused to the next of the kind */

struct relay {
	struct segment *segment;
	struct relay_machine machine;
	ev_timer timer;
	uint64_t changes, limited;
	uint64_t announce_next; /* not earlier */
};

static bool is_wan(const struct segment_encap *se)
{
	return se->encap.conf->relay;
}

static bool is_up(const struct segment_encap *se)
{
	return se->open && se->encap.ops->ready(&se->encap);
}

static struct segment_encap *side_of(const struct segment *segment, uint32_t side)
{
	for (size_t i = 0; i < segment->encap_count; i++) {
		if (segment->encaps[i]->encap.side == side)
			return segment->encaps[i];
	}
	return NULL;
}

/* The LAN and one network behind it, at least, can be sent to. */
static bool capable(const struct segment *segment)
{
	bool lan = false, wan = false;

	for (size_t i = 0; i < segment->encap_count; i++) {
		const struct segment_encap *se = segment->encaps[i];

		if (is_wan(se))
			wan |= is_up(se);
		else
			lan |= is_up(se);
	}
	return lan && wan;
}

/* ---- the pipeline ---- */

static const struct relay *role(const struct segment *segment)
{
	return segment->relay && segment->relay->machine.relay ? segment->relay : NULL;
}

static bool carries(const struct relay *relay)
{
	return relay_machine_carries(&relay->machine, relay->segment->sw->now);
}

bool relay_admits(const struct segment_encap *from)
{
	const struct relay *relay = role(from->segment);

	return !is_wan(from) || (relay && carries(relay));
}

enum reason relay_refuses(const struct segment *segment, const struct segment_encap *from,
			  const struct segment_encap *to)
{
	const struct relay *relay = role(segment);

	if (relay && carries(relay))
		return from == to ? REASON_SPLIT_HORIZON : REASON_NONE;
	/* Who stands by is a plain member of its LAN. */
	if (from)
		return REASON_SPLIT_HORIZON;
	return is_wan(to) ? REASON_STANDBY : REASON_NONE;
}

bool relay_over_limit(struct segment_encap *from, const struct frame *frame)
{
	const struct segment *segment = from->segment;
	const uint64_t rate = (uint64_t)segment->conf.storm;

	if (!role(segment) || rate == 0 || !carries(segment->relay) ||
	    bucket_take(&from->crossing, rate, offload_segments(frame), segment->sw->now, false))
		return false;
	segment->relay->limited++;
	return true;
}

const char *relay_state_text(const struct segment *segment)
{
	const struct relay *relay = role(segment);

	return relay ? relay_state_name(relay->machine.state) : "no relay";
}

/* ---- what was located at one that is gone ---- */

/*
 * Who falls silent takes what was behind it along. Who says that it stands by has made way
 * for another, and may have carried frames beside it for a moment, so that stations were
 * seen where they are not: the side begins anew.
 */
static void forget(const struct relay *relay, uint32_t side, const struct ipaddr *at)
{
	struct fdb_where where = {.side = side};

	if (at)
		where.remote = *at;
	(void)fdb_flush(relay->segment->sw->fdb, relay->segment->number, &where, false);
}

/* At once; but one that comes and goes all the time would have everything flooded for ever,
 * so the next time is a while later. true if there is more to forget then. */
static bool forget_sides(const struct relay *relay)
{
	const uint64_t now = relay->segment->sw->now;
	bool more = false;

	for (size_t i = 0; i < relay->segment->encap_count; i++) {
		struct segment_encap *se = relay->segment->encaps[i];

		if (se->forget.wanted && now >= se->forget.next) {
			forget(relay, se->encap.side, NULL);
			se->forget.wanted = false;
			se->forget.next = now + AGAIN_MS;
		}
		more |= se->forget.wanted;
	}
	return more;
}

/* ---- telling others who is where ---- */

static void announce_to(struct segment_encap *se, const struct ipaddr *to)
{
	/* To two at once: to all. */
	if (se->announce.wanted && !ipaddr_equal(&se->announce.wanted_by, to))
		memset(&se->announce.wanted_by, 0, sizeof(se->announce.wanted_by));
	else
		se->announce.wanted_by = *to;
	se->announce.wanted = true;
}

/* For who asks again and again it is told to the end, and then again after a while. */
static void announce_begin(struct segment_encap *se, uint64_t now)
{
	if (!se->announce.wanted || se->announce.on || now < se->announce.next)
		return;
	se->announce.wanted = false;
	se->announce.on = true;
	se->announce.to = se->announce.wanted_by;
	se->announce.cursor = 0;
	se->announce.next = now + AGAIN_MS;
}

/* Some of the stations of the other sides; each station's network so learns that the way
 * to it is through here. */
static void announce_some(struct segment_encap *se)
{
	struct switchd *sw = se->segment->sw;
	struct fdb_entry_info list[ANNOUNCE_AT_ONCE];
	size_t n = fdb_list(sw->fdb, se->segment->number, sw->now, &se->announce.cursor, list,
			    ANNOUNCE_AT_ONCE);

	se->announce.on = n > 0;
	for (size_t i = 0; i < n; i++) {
		if (list[i].where.side != se->encap.side)
			announce_station_through(se, &se->announce.to, &list[i].mac);
	}
}

/* Whether there is more to tell. */
static bool announce_more(struct relay *relay)
{
	const uint64_t now = relay->segment->sw->now;
	bool ready = now >= relay->announce_next, more = false;

	for (size_t i = 0; i < relay->segment->encap_count; i++) {
		struct segment_encap *se = relay->segment->encaps[i];

		if (!carries(relay) || !is_up(se))
			se->announce.on = se->announce.wanted = false;
		announce_begin(se, now);
		if (se->announce.on && ready) {
			announce_some(se);
			relay->announce_next = now + ANNOUNCE_EVERY;
		}
		more |= se->announce.on || se->announce.wanted;
	}
	return more;
}

/* ---- its own state ---- */

static void report(const struct relay *relay)
{
	const struct relay_machine *machine = &relay->machine;
	const char *name = relay->segment->conf.name;

	event_relay(relay->segment);
	if (machine->state != RELAY_STANDBY) {
		log_info("segment %s: relay %u is %s", name, machine->own.number,
			 relay_state_name(machine->state));
		return;
	}
	switch (machine->why) {
	case RELAY_WHY_DOWN:
		log_info("segment %s: relay %u stands by: its LAN, or all behind it, is down", name,
			 machine->own.number);
		break;
	case RELAY_WHY_LOOP:
		log_warn("segment %s: relay %u stands by: its own beacon has come back, so there "
			 "is a loop in the network",
			 name, machine->own.number);
		break;
	case RELAY_WHY_UNSTEADY:
		log_warn("segment %s: relay %u stands by: other relays, or who says he is one, "
			 "come and go too often",
			 name, machine->own.number);
		break;
	case RELAY_WHY_TWICE:
		log_warn("segment %s: relay %u stands by: relay %u is heard on two sides, which "
			 "would be a loop",
			 name, machine->own.number, machine->blocker.number);
		break;
	default:
		log_info("segment %s: relay %u stands by for relay %u on its LAN", name,
			 machine->own.number, machine->blocker.number);
		break;
	}
}

static void changed(struct relay *relay, bool was_active)
{
	static const struct ipaddr everybody;
	bool active = relay->machine.state == RELAY_ACTIVE;

	relay->changes++;
	report(relay);
	for (size_t i = 0; active != was_active && i < relay->segment->encap_count; i++) {
		struct segment_encap *se = relay->segment->encaps[i];

		if (active)
			announce_to(se, &everybody);
		else if (is_wan(se))
			forget(relay, se->encap.side, NULL);
	}
}

static void send_beacons(const struct relay *relay)
{
	const struct segment *segment = relay->segment;
	struct relay_beacon beacon = {.from = relay->machine.own, .state = relay->machine.state};

	for (size_t i = 0; i < segment->encap_count; i++) {
		struct segment_encap *se = segment->encaps[i];
		struct frame *frame =
		    is_up(se) ? frame_alloc(segment->sw->pool, RELAY_BEACON_FRAME) : NULL;

		if (!frame)
			continue;
		beacon.lan = !is_wan(se);
		relay_beacon_write(&beacon, frame);
		egress_encap(se, frame);
	}
}

static void rearm(struct relay *relay, bool soon)
{
	struct switchd *sw = relay->segment->sw;
	uint64_t due = relay_machine_due(&relay->machine);

	if (soon && due > sw->now + ANNOUNCE_EVERY)
		due = sw->now + ANNOUNCE_EVERY;
	ev_timer_stop(sw->loop, &relay->timer);
	if (due == UINT64_MAX)
		return;
	/* A little late rather than a little early, when nothing would be due. */
	ev_timer_set(&relay->timer, due > sw->now ? (double)(due - sw->now) / 1000. + 0.001 : 0.001,
		     0.);
	ev_timer_start(sw->loop, &relay->timer);
}

/* Does whatever is due. */
static void run(struct relay *relay)
{
	struct segment *segment = relay->segment;
	const uint64_t now = segment->sw->now;
	bool was_active = relay->machine.state == RELAY_ACTIVE;
	struct relay_heard gone;
	bool more;

	while (relay_machine_expire(&relay->machine, now, &gone)) {
		log_debug("segment %s: relay %u is heard no more", segment->conf.name,
			  gone.who.number);
		if (gone.state == RELAY_ACTIVE)
			forget(relay, gone.side, &gone.from);
	}
	if (relay_machine_run(&relay->machine, capable(segment), now))
		changed(relay, was_active);
	if (relay_machine_beacon(&relay->machine, now))
		send_beacons(relay);
	more = forget_sides(relay);
	rearm(relay, announce_more(relay) || more);
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)loop;
	(void)events;
	run(timer->data);
}

/* ---- beacons that arrive ---- */

static struct relay *make(struct segment *segment)
{
	struct relay *relay = calloc(1, sizeof(*relay));

	if (!relay)
		return NULL;
	relay->segment = segment;
	relay_machine_init(&relay->machine);
	ev_timer_init(&relay->timer, on_timer, 0., 0.);
	relay->timer.data = relay;
	segment->relay = relay;
	return relay;
}

static void heard(struct segment_encap *se, const struct relay_beacon *beacon,
		  const struct ipaddr *from)
{
	struct segment *segment = se->segment;
	struct relay *relay = segment->relay ? segment->relay : make(segment);
	unsigned news;

	if (!relay)
		return;
	news = relay_machine_hear(&relay->machine, beacon, se->encap.side, from, segment->sw->now);
	if (news & RELAY_TWIN)
		log_limited(LOG_LEVEL_WARN,
			    "segment %s: another relay has number %u too: give one of them a "
			    "`relay_id` of its own",
			    segment->conf.name, beacon->from.number);
	if (news & RELAY_ENDED)
		se->forget.wanted = true;
	/* It knows nobody here yet. */
	if (news & RELAY_BEGAN && is_wan(se) && carries(relay))
		announce_to(se, from);
	run(relay);
}

bool relay_receive(struct segment_encap *se, struct frame *frame)
{
	static const struct ipaddr nobody;
	struct relay_beacon beacon;

	if (!relay_beacon_is_for(frame))
		return false;
	se->encap.stats.rx_frames++;
	se->encap.stats.rx_segments++;
	se->encap.stats.rx_bytes += frame->len;
	if (!relay_beacon_read(frame, &beacon)) {
		frame->origin = &se->encap.stats;
		frame_drop(frame, REASON_BEACON);
		return true;
	}
	heard(se, &beacon, se->encap.ops->has_hosts ? &frame->peer : &nobody);
	frame_free(frame);
	return true;
}

/* ---- life ---- */

/* The configured number, or one that stays the same over restarts: of host and segment, so
 * that of two relays on a LAN each has its share of the segments. */
static uint32_t number_of(const struct segment *segment)
{
	static const struct hash_key key; /* it guards nothing */
	char text[2 * NAME_MAX_LEN + 2];
	int n;

	if (segment->conf.relay_id)
		return (uint32_t)segment->conf.relay_id;
	n = snprintf(text, sizeof(text), "%s/%s", segment->sw->host, segment->conf.name);
	return NUMBER_DERIVED | (uint32_t)hash_bytes(&key, text, (size_t)n);
}

int relay_update(struct segment *segment)
{
	struct relay *relay = segment->relay;
	struct relay_id own = {0};
	uint32_t lan_side = 0;
	bool wan = false;

	for (size_t i = 0; i < segment->encap_count; i++) {
		if (is_wan(segment->encaps[i]))
			wan = true;
		else
			lan_side = segment->encaps[i]->encap.side;
	}
	if (!relay && wan)
		relay = make(segment);
	if (!relay)
		return wan ? -ENOMEM : 0;
	/* One that goes on where another process has left off keeps its instance. */
	if (wan)
		own = (struct relay_id){number_of(segment), relay->machine.relay
								? relay->machine.own.instance
								: segment->sw->instance};
	relay_machine_role(&relay->machine, wan, own, wan ? lan_side : 0, segment->sw->now);
	rearm(relay, true);
	return 0;
}

bool relay_is_active(const struct segment *segment, struct relay_id *who)
{
	const struct relay *relay = role(segment);

	if (!relay || !carries(relay))
		return false;
	*who = relay->machine.own;
	return true;
}

void relay_resume(struct segment *segment, struct relay_id who, uint64_t then)
{
	struct relay *relay = segment->relay;

	if (!relay || !relay_machine_resume(&relay->machine, who, then, segment->sw->now))
		return;
	log_info("segment %s: relay %u goes on", segment->conf.name, who.number);
	run(relay);
}

void relay_destroy(struct relay *relay)
{
	if (!relay)
		return;
	ev_timer_stop(relay->segment->sw->loop, &relay->timer);
	relay->segment->relay = NULL;
	free(relay);
}

void relay_uplink_changed(struct segment *segment)
{
	if (segment->relay)
		run(segment->relay);
}

void relay_encap_gone(struct segment_encap *se)
{
	if (se->segment->relay)
		relay_machine_forget_side(&se->segment->relay->machine, se->encap.side);
}

/* ---- for people ---- */

static json_t *heard_json(const struct relay *relay, const struct relay_heard *heard)
{
	const struct segment_encap *se = side_of(relay->segment, heard->side);
	json_t *object = json_object();
	char text[ADDR_STRLEN];

	json_object_set_new(object, "id", json_integer(heard->who.number));
	json_object_set_new(object, "state", json_string(relay_state_name(heard->state)));
	json_object_set_new(object, "encap", json_string(se ? se->encap.ops->type : "?"));
	json_object_set_new(object, "uplink", json_string(se ? se->uplink->conf.name : "?"));
	json_object_set_new(object, "side", json_string(se && is_wan(se) ? "wan" : "lan"));
	json_object_set_new(object, "dst",
			    ipaddr_is_set(&heard->from)
				? json_string(ipaddr_format(&heard->from, text))
				: json_null());
	json_object_set_new(
	    object, "last_seen",
	    json_integer((json_int_t)((relay->segment->sw->now - heard->seen) / 1000)));
	return object;
}

json_t *relay_show(const struct segment *segment)
{
	static const char *const whys[] = {
	    [RELAY_WHY_DOWN] = "a side is down",
	    [RELAY_WHY_LOOP] = "its own beacon came back: a loop",
	    [RELAY_WHY_OTHER] = "another relay is on its LAN",
	    [RELAY_WHY_TWICE] = "another relay is heard on two sides: a loop",
	    [RELAY_WHY_UNSTEADY] = "other relays, or who says he is one, come and go too often",
	};
	static_assert(sizeof(whys) / sizeof(whys[0]) == RELAY_WHYS, "a cause without its words");
	const struct relay *relay = segment->relay;
	const struct relay_machine *machine;
	json_t *object, *list;

	if (!relay || (!relay->machine.relay && relay->machine.heard_count == 0))
		return NULL;
	machine = &relay->machine;
	object = json_object();
	list = json_array();
	json_object_set_new(object, "segment", json_string(segment->conf.name));
	json_object_set_new(object, "state",
			    machine->relay ? json_string(relay_state_name(machine->state))
					   : json_null());
	if (machine->relay && machine->why != RELAY_WHY_NONE)
		json_object_set_new(object, "why", json_string(whys[machine->why]));
	if (machine->relay) {
		json_object_set_new(object, "relay_id", json_integer(machine->own.number));
		json_object_set_new(
		    object, "since",
		    json_integer((json_int_t)((segment->sw->now - machine->since) / 1000)));
		json_object_set_new(object, "changes", json_integer((json_int_t)relay->changes));
		json_object_set_new(object, "limited", json_integer((json_int_t)relay->limited));
	}
	for (unsigned i = 0; i < machine->heard_count; i++)
		json_array_append_new(list, heard_json(relay, &machine->heard[i]));
	json_object_set_new(object, "heard", list);
	return object;
}

bool relay_figures(const struct segment *segment, struct relay_figures *figures)
{
	const struct relay *relay = role(segment);

	if (!relay)
		return false;
	figures->active = relay->machine.state == RELAY_ACTIVE;
	figures->heard = relay->machine.heard_count;
	figures->changes = relay->changes;
	figures->limited = relay->limited;
	return true;
}
