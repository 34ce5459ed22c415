/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * `policy verify`: who may send to whom, as the live state has it, and whether the
 * pipeline agrees. Each pair is answered from segments, joints and halves; then a frame
 * that is made up goes through the pipeline as a trace does, up to the queues.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/reason.h"
#include "switchd/control.h"
#include "switchd/forward.h"
#include "switchd/membership.h"
#include "switchd/policy/gateway.h"
#include "switchd/policy/policy.h"

#define PLACES_MAX	2048u
#define PLACES_AT_ONCE	256u /* of the table of stations */
#define STATIONS_MAX	65536u
#define PAIRS_AT_ONCE	4u
#define ETHERTYPE_PROBE 0x88b5 /* IEEE 802 local experimental */

/* Not IP, so that nobody snoops it; no broadcast, so that no limit counts it. */
static const struct mac probe_group = {{0x03, 0x54, 0x56, 0x44, 0x00, 0x01}};

/* Where frames come from and go to: a local port in a segment, or a remote host that was heard
 * in it. Found again each time, since much may happen meanwhile. */
struct place {
	char name[NAME_MAX_LEN + 1]; /* of a port; "": a host */
	char segment[NAME_MAX_LEN + 1];
	struct fdb_where where; /* of a host */
	struct mac mac;		/* of a station there; zero: none is known */
};

struct verify {
	struct switchd *sw;
	struct place *places;
	size_t count, from, to;
	char only[NAME_MAX_LEN + 1]; /* pairs from this port alone; "": all */
	unsigned long long pairs, mismatches;
};

/* A place as it is now. */
struct end {
	const struct place *place;
	struct segment *segment;
	struct port *port;	  /* NULL: a host */
	struct segment_encap *se; /* of a host */
};

/* ---- places ---- */

static struct place *add_place(struct verify *verify, const struct segment *segment)
{
	struct place *place;

	if (verify->count == PLACES_MAX)
		return NULL;
	place = &verify->places[verify->count++];
	memset(place, 0, sizeof(*place));
	(void)snprintf(place->segment, sizeof(place->segment), "%s", segment->conf.name);
	return place;
}

static bool list_ports(struct verify *verify)
{
	list_for_each (&verify->sw->ports, it) {
		struct port_runtime *rt = container_of(it, struct port_runtime, link);
		struct membership *m = membership_next(rt->port, NULL);

		for (; m; m = membership_next(rt->port, m)) {
			struct place *place = add_place(verify, m->segment);

			if (!place)
				return false;
			(void)snprintf(place->name, sizeof(place->name), "%s",
				       rt->port->conf->name);
			place->mac = rt->port->mac;
		}
	}
	return true;
}

static struct place *find_place(struct verify *verify, const struct switchd *sw,
				const struct fdb_entry_info *entry)
{
	const struct segment *segment = sw->segment_by_number[entry->segment];
	const struct port *port = NULL;

	if (!segment)
		return NULL;
	if (entry->where.side == FDB_SIDE_LOCAL) {
		port = sw->port_by_number[entry->where.port];
		if (!port)
			return NULL;
	}
	for (size_t i = 0; i < verify->count; i++) {
		struct place *place = &verify->places[i];

		if (strcmp(place->segment, segment->conf.name) != 0)
			continue;
		if (port ? strcmp(place->name, port->conf->name) == 0
			 : !*place->name &&
			       memcmp(&place->where, &entry->where, sizeof(entry->where)) == 0)
			return place;
	}
	if (!port) {
		struct place *place = add_place(verify, segment);

		if (place)
			place->where = entry->where;
		return place;
	}
	return NULL;
}

/* The hosts that were heard, and a station at each place. */
static void list_stations(struct verify *verify)
{
	struct fdb_entry_info some[PLACES_AT_ONCE];
	const struct switchd *sw = verify->sw;
	uint32_t cursor = 0;
	size_t n, seen = 0;

	while (seen < STATIONS_MAX &&
	       (n = fdb_list(sw->fdb, -1, sw->now, &cursor, some, PLACES_AT_ONCE)) > 0) {
		seen += n;
		for (size_t i = 0; i < n; i++) {
			struct place *place = find_place(verify, sw, &some[i]);

			if (place && mac_is_zero(&place->mac))
				place->mac = some[i].mac;
		}
	}
}

static bool find_end(const struct verify *verify, const struct place *place, struct end *end)
{
	*end = (struct end){.place = place};
	end->segment = switchd_segment(verify->sw, place->segment);
	if (!end->segment)
		return false;
	if (*place->name) {
		end->port = switchd_port(verify->sw, place->name);
		return end->port && membership_of(end->port, end->segment);
	}
	for (size_t i = 0; i < end->segment->encap_count; i++)
		if (end->segment->encaps[i]->encap.side == place->where.side)
			end->se = end->segment->encaps[i];
	return end->se != NULL;
}

/* ---- the frame ---- */

static struct mac source_of(const struct end *from)
{
	const struct mac *allowed = from->port ? from->port->conf->macs.items : NULL;

	if (!mac_is_zero(&from->place->mac))
		return from->place->mac;
	if (from->port && from->port->conf->macs.count)
		return *allowed;
	return (struct mac){{0x02, 0x54, 0x56, 0x44, 0x00, 0x01}};
}

/* NULL when out of buffers. */
static struct frame *make_frame(const struct verify *verify, const struct end *from,
				const struct mac *dst)
{
	struct frame *frame = frame_alloc(verify->sw->pool, 60);
	const struct mac src = source_of(from);
	const struct membership *m = from->port ? membership_of(from->port, from->segment) : NULL;

	if (!frame)
		return NULL;
	memset(frame->data, 0, 60);
	memcpy(frame->data, dst, sizeof(*dst));
	memcpy(frame->data + MAC_LEN, &src, sizeof(src));
	frame->data[2 * MAC_LEN] = ETHERTYPE_PROBE >> 8;
	frame->data[2 * MAC_LEN + 1] = ETHERTYPE_PROBE & 0xff;
	frame->len = 60;
	if (m && m->vid)
		frame->tag = (struct frame_tag){ETHERTYPE_CTAG, m->vid};
	return frame;
}

/* ---- what is expected ---- */

static const char *entry_name(const struct switchd *sw, const struct end *from,
			      const struct end *to, char *text, size_t size)
{
	const struct matrix *matrix = sw->policy ? sw->policy->plan.matrix : NULL;
	int one = matrix ? matrix_domain_find(matrix, from->segment->conf.domain) : -1;
	int two = matrix ? matrix_domain_find(matrix, to->segment->conf.domain) : -1;
	const struct matrix_flow *flow =
	    one >= 0 && two >= 0 ? matrix_flow_find(matrix, (size_t)one, (size_t)two) : NULL;
	const struct flow_conf *out = flow ? flow->half[MATRIX_OUT].entry : NULL;
	const struct flow_conf *in = flow ? flow->half[MATRIX_IN].entry : NULL;

	if (!out && !in)
		return NULL;
	(void)snprintf(text, size, "%s%s%s", out ? out->name : "",
		       out && in && out != in ? " and " : "", in && in != out ? in->name : "");
	return text;
}

/* What the halves come to, and whether this very frame may cross. NULL: they do not meet. */
static enum half_kind expect_crossing(const struct verify *verify, const struct end *from,
				      const struct end *to, const struct crossing *crossing,
				      struct frame *frame, bool *passes)
{
	const struct frame_tag tag = frame->tag;
	struct fdb_where where = from->place->where;
	struct packet packet;
	struct crossing_frame cf = {
	    .frame = frame,
	    .packet = &packet,
	    .from = from->segment->number,
	    .to = to->segment->number,
	    .sender = &where,
	    .from_port = from->port ? from->port->conf->name : NULL,
	    .to_port = to->port ? to->port->conf->name : NULL,
	    .now = verify->sw->now,
	    .probe = true,
	};
	enum half_kind kind;

	*passes = false;
	if (!crossing)
		return HALF_CLOSED;
	kind = crossing_kind(crossing->out, crossing->in);
	if (from->port)
		where = (struct fdb_where){.side = FDB_SIDE_LOCAL, .port = from->port->number};
	/* A trunk's tag is gone inside the segment. */
	frame->tag = (struct frame_tag){0, 0};
	*passes =
	    kind == HALF_OPEN || (packet_parse(frame, &packet) &&
				  decide(verify->sw->conns, crossing, &cf).reason == REASON_NONE);
	frame->tag = tag;
	return kind;
}

/* The gateway where two segments meet, which routes IP and hands over no frame; NULL: none. */
static const char *gateway_between(const struct switchd *sw, const struct segment *one,
				   const struct segment *two)
{
	for (size_t i = 0; sw->policy && i < sw->policy->plan.count; i++) {
		const struct plan_junction *junction = &sw->policy->plan.junctions[i];
		unsigned found = 0;

		for (size_t k = 0; k < junction->count; k++)
			found += strcmp(junction->segments[k]->name, one->conf.name) == 0 ||
				 strcmp(junction->segments[k]->name, two->conf.name) == 0;
		if (junction->here && junction->type == JUNCTION_GATEWAY && found == 2)
			return junction->name;
	}
	return NULL;
}

/* Whether the ports themselves stand in the way. */
static bool ports_allow(const struct end *from, const struct end *to)
{
	bool same = from->segment == to->segment;

	if (from->port && from->port->conf->state == PORT_LOCKED)
		return false;
	if (!to->port)
		return true;
	if (to->port->conf->state == PORT_LOCKED || !to->port->state)
		return false;
	if (!from->port)
		return true;
	return !(same && from->segment->conf.isolated) &&
	       !(from->port->conf->isolated && to->port->conf->isolated);
}

/* ---- what the pipeline says ---- */

static bool gets_it(const struct end *from, const struct end *to, bool routed,
		    const json_t *receiver)
{
	const char *port = json_string_value(json_object_get(receiver, "port"));
	const char *segment = json_string_value(json_object_get(receiver, "segment"));

	if (!to->port)
		return json_object_get(receiver, "encap") != NULL;
	if (!port || strcmp(port, to->port->conf->name) != 0)
		return false;
	/* What was routed comes out of the segment itself. */
	return from->segment == to->segment || routed
		   ? !segment
		   : segment && strcmp(segment, to->segment->conf.name) == 0;
}

/* Whether the frame of that trace, which it takes, would reach `to`; else why not, "" for no
 * reason. */
static bool pipeline_passes(const struct end *from, const struct end *to, bool routed,
			    json_t *trace, char *why, size_t size)
{
	const char *reason = json_string_value(json_object_get(trace, "reason"));
	const json_t *receiver;
	bool passes = false;
	size_t i;

	json_array_foreach(json_object_get(trace, "to"), i, receiver)
	{
		passes = passes || gets_it(from, to, routed, receiver);
	}
	(void)snprintf(why, size, "%s", passes || !reason ? "" : reason);
	json_decref(trace);
	return passes;
}

/* Whether a frame was dropped for what policy says: what else may hold it up (a guard, a limit, a
 * wire that is down) is not in question. */
static bool is_policy(const char *reason)
{
	return !*reason || strncmp(reason, "policy_", 7) == 0 || strcmp(reason, "state") == 0;
}

/* Whether a frame to that station would go there and nowhere else. */
static bool has_address(const struct verify *verify, const struct end *from, const struct end *to)
{
	const struct fdb *fdb = verify->sw->fdb;
	const struct mac *mac = &to->place->mac;
	const struct fdb_where *where;

	if (mac_is_zero(mac) || mac_equal(mac, &from->place->mac))
		return false;
	where = fdb_lookup(fdb, to->segment->number, mac, verify->sw->now);
	if (!where || where->side != (to->port ? FDB_SIDE_LOCAL : to->place->where.side) ||
	    (to->port && where->port != to->port->number))
		return false;
	return from->segment == to->segment ||
	       (policy_joint(from->segment, to->segment) &&
		!fdb_lookup(fdb, from->segment->number, mac, verify->sw->now));
}

/* What is found out of a pair. */
struct answer {
	enum half_kind kind;
	bool passes, tested;
	char held[64];	 /* the reason, where something else than policy is in the way */
	char error[200]; /* the pipeline says otherwise; "": it does not */
};

/* Holds what the pipeline says, `seen`, against what is expected. */
static void compare(struct answer *answer, bool seen, const char *why)
{
	answer->tested = true;
	if (seen == answer->passes)
		return;
	/* Where only IP is carried, what is made up is not in question. */
	if (!seen && strcmp(why, reason_name(REASON_NOT_IP)) == 0) {
		answer->tested = false;
		return;
	}
	if (!seen && !is_policy(why)) {
		answer->passes = false;
		(void)snprintf(answer->held, sizeof(answer->held), "%s", why);
		return;
	}
	(void)snprintf(answer->error, sizeof(answer->error),
		       "by the state a frame %s, in the pipeline it %s%s%s",
		       answer->passes ? "passes" : "does not pass", seen ? "passes" : "does not",
		       *why ? ": " : "", why);
}

static void try_frame(const struct verify *verify, const struct end *from, const struct end *to,
		      const struct mac *dst, bool test, struct answer *answer)
{
	const struct joint *joint = policy_joint(from->segment, to->segment);
	struct frame *frame = make_frame(verify, from, dst);
	json_t *trace;
	bool seen;
	char why[64];

	answer->passes = true;
	answer->kind = HALF_OPEN;
	if (!frame)
		return;
	if (from->segment != to->segment)
		answer->kind = expect_crossing(verify, from, to, joint ? &joint->crossing : NULL,
					       frame, &answer->passes);
	answer->passes = answer->passes && ports_allow(from, to);
	if (!test) {
		frame_free(frame);
		return;
	}
	trace = from->port ? forward_trace(from->port, frame)
			   : forward_trace_wire(from->se, &from->place->where.remote, frame);
	seen = pipeline_passes(from, to, false, trace, why, sizeof(why));
	compare(answer, seen, why);
}

/* ---- across a gateway ---- */

static struct gateway_end gateway_end_of(const struct end *end)
{
	struct gateway_end made = {
	    .segment = end->segment,
	    .port = end->port,
	    .mac = end->place->mac,
	    .where = end->place->where,
	};

	if (end->port)
		made.where = (struct fdb_where){.side = FDB_SIDE_LOCAL, .port = end->port->number};
	return made;
}

/* A packet of one family; false if there is none to try it with. */
static bool try_packet(const struct verify *verify, const struct end *from, const struct end *to,
		       const struct crossing *crossing, uint16_t family, struct answer *answer)
{
	const struct gateway_end one = gateway_end_of(from), two = gateway_end_of(to);
	const struct membership *m = from->port ? membership_of(from->port, from->segment) : NULL;
	struct gateway_probe probe;
	json_t *trace;
	bool seen;
	char why[64];

	if (!gateway_probe(&one, &two, family, &probe))
		return false;
	(void)expect_crossing(verify, from, to, crossing, probe.frame, &answer->passes);
	answer->passes = answer->passes && ports_allow(from, to);
	if (m && m->vid)
		probe.frame->tag = (struct frame_tag){ETHERTYPE_CTAG, m->vid};
	trace = from->port ? forward_trace_supposing(from->port, probe.frame, &probe.supposed)
			   : forward_trace_wire(probe.se, &from->place->where.remote, probe.frame);
	seen = pipeline_passes(from, to, true, trace, why, sizeof(why));
	compare(answer, seen, why);
	return true;
}

/* Packets of both families, as far as the two have both; where nothing can be tried the halves
 * alone answer. What passes in one family passes. */
static void try_gateway(const struct verify *verify, const struct end *from, const struct end *to,
			struct answer *answer)
{
	static const uint16_t families[] = {AF_INET, AF_INET6};
	struct crossing crossing;
	bool passes = false;

	(void)policy_crossing(verify->sw->policy, from->segment, to->segment, &crossing);
	answer->kind = crossing_kind(crossing.out, crossing.in);
	for (size_t i = 0; i < sizeof(families) / sizeof(families[0]) && !answer->error[0]; i++)
		if (try_packet(verify, from, to, &crossing, families[i], answer))
			passes = passes || answer->passes;
	if (!answer->tested)
		passes = answer->kind != HALF_CLOSED && ports_allow(from, to);
	answer->passes = passes;
	if (passes)
		answer->held[0] = '\0';
}

/* ---- pairs ---- */

static json_t *place_text(const struct end *end)
{
	char text[ADDR_STRLEN];

	if (end->port)
		return json_string(end->port->conf->name);
	return json_string(ipaddr_is_set(&end->place->where.remote)
			       ? ipaddr_format(&end->place->where.remote, text)
			       : "wire");
}

static json_t *judge(struct verify *verify, const struct end *from, const struct end *to)
{
	bool unicast = has_address(verify, from, to);
	/* One that is in several segments may get what is for a group in another of them. */
	bool group = to->port && !to->port->trunk;
	char entry[2 * NAME_MAX_LEN + 160], at[ADDR_STRLEN];
	struct answer answer = {.kind = HALF_CLOSED};
	const char *gateway = NULL;
	json_t *json;

	if (from->segment != to->segment && !policy_joint(from->segment, to->segment))
		gateway = gateway_between(verify->sw, from->segment, to->segment);
	if (gateway)
		try_gateway(verify, from, to, &answer);
	else
		try_frame(verify, from, to, &probe_group, group, &answer);
	if (unicast && !gateway && !answer.error[0])
		try_frame(verify, from, to, &to->place->mac, true, &answer);
	json = json_pack("{s:o, s:s, s:o, s:s, s:s, s:b, s:s?, s:s, s:b}", "from", place_text(from),
			 "from_segment", from->segment->conf.name, "to", place_text(to),
			 "to_segment", to->segment->conf.name, "flow", flow_words[answer.kind],
			 "passes", answer.passes, "entry",
			 entry_name(verify->sw, from, to, entry, sizeof(entry)), "decided_at",
			 to->port || !ipaddr_is_set(&to->place->where.remote)
			     ? verify->sw->host
			     : ipaddr_format(&to->place->where.remote, at),
			 "tested", answer.tested);
	if (gateway)
		json_object_set_new(json, "gateway", json_string(gateway));
	if (answer.held[0])
		json_object_set_new(json, "reason", json_string(answer.held));
	if (answer.error[0]) {
		json_object_set_new(json, "error", json_string(answer.error));
		verify->mismatches++;
	}
	verify->pairs++;
	return json;
}

/* Goes on to the next pair. false: there is none. */
static bool step_on(struct verify *verify)
{
	if (++verify->to < verify->count)
		return true;
	verify->to = 0;
	return ++verify->from < verify->count;
}

static bool verify_next(void *state, struct ctl_conn *conn)
{
	struct verify *verify = state;

	for (unsigned n = 0; n < PAIRS_AT_ONCE && verify->from < verify->count;) {
		const struct place *one = &verify->places[verify->from];
		struct end from, to;

		if (*verify->only && strcmp(verify->only, one->name) != 0) {
			verify->to = verify->count - 1;
		} else if (find_end(verify, one, &from) &&
			   find_end(verify, &verify->places[verify->to], &to) &&
			   (from.port || to.port) && from.port != to.port) {
			ctl_item(conn, judge(verify, &from, &to));
			n++;
		}
		(void)step_on(verify);
	}
	if (verify->from < verify->count)
		return true;
	if (!verify->mismatches)
		return false;
	ctl_fail(conn, "the pipeline disagrees on %llu of %llu pairs", verify->mismatches,
		 verify->pairs);
	return false;
}

static void verify_done(void *state)
{
	struct verify *verify = state;

	free(verify->places);
	free(verify);
}

void control_policy_verify(struct switchd *sw, struct ctl_conn *conn, json_t *args)
{
	const char *only = json_string_value(json_object_get(args, "port"));
	struct verify *verify;

	if (only && !switchd_port(sw, only)) {
		ctl_fail(conn, "there is no port \"%.63s\"", only);
		return;
	}
	verify = calloc(1, sizeof(*verify));
	if (verify)
		verify->places = calloc(PLACES_MAX, sizeof(*verify->places));
	if (!verify || !verify->places) {
		free(verify);
		ctl_fail(conn, "out of memory");
		return;
	}
	verify->sw = sw;
	(void)snprintf(verify->only, sizeof(verify->only), "%s", only ? only : "");
	if (!list_ports(verify)) {
		verify_done(verify);
		ctl_fail(conn, "more than %u ports", PLACES_MAX);
		return;
	}
	list_stations(verify);
	ctl_generate(conn, verify_next, verify_done, verify);
}
