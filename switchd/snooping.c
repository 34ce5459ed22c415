/* SPDX-License-Identifier: BSD-2-Clause */
#include "switchd/snooping.h"

#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>

#include "lib/arp_nd.h"
#include "lib/bucket.h"
#include "lib/log.h"
#include "switchd/egress.h"
#include "switchd/forward.h"

LOG_MODULE("multicast");

#define PLACE_GROUPS_MAX   256u
#define STARTUP_MS	   (SNOOP_INTERVAL_MS / 4) /* between the first queries */
#define STARTUP_QUERIES	   2u
#define OTHER_PRESENT_MS   (SNOOP_ROBUSTNESS * SNOOP_INTERVAL_MS + SNOOP_RESPONSE_MS / 2)
#define ASKED_MAX	   16u /* groups that are asked for at once */
#define QUERIES_PER_SECOND 20u

/* A group that may have lost its last member, and how often it is still asked for. */
struct asked {
	struct ipaddr group;
	unsigned left;
};

/* Our own part as a querier, of one IP version. */
struct asking {
	uint64_t next; /* general query; 0: at once */
	unsigned sent;
	uint64_t other_until; /* a better querier is there; 0: none */
	struct ipaddr other;
};

struct snooping {
	struct snoop *snoop;
	struct mac mac; /* of our queries */
	struct asking asking[2];
	struct asked asked[ASKED_MAX];
	struct bucket bucket;
	uint64_t queries, reports; /* heard */
};

/* ---- asking ---- */

/* Each host has its own, so that of several queriers one can be the best. */
static struct mac query_mac(const char *host)
{
	static const struct hash_key nobody; /* it has to differ, not to be secret */
	uint64_t hash = hash_bytes(&nobody, host, strlen(host));
	struct mac mac = {{0x02, 'T', 'V', 'Q', (uint8_t)(hash >> 8), (uint8_t)hash}};

	return mac;
}

static void send_query(struct segment *segment, const struct ipaddr *group)
{
	struct snooping *s = segment->snooping;
	struct switchd *sw = segment->sw;
	bool general = ipaddr_is_unspecified(group);
	uint32_t response = general ? SNOOP_RESPONSE_MS : SNOOP_LAST_MS;
	struct mcast_message said = {
	    .kind = MCAST_QUERY,
	    .ip_version = group->family == AF_INET ? 4 : 6,
	    .group = *group,
	    .response_ms = response,
	    .interval_ms = SNOOP_INTERVAL_MS,
	    .robustness = SNOOP_ROBUSTNESS,
	};
	/* A switch has no address: RFC 4541 section 2.1.1 has it ask from 0.0.0.0. */
	struct ipaddr source = {.family = AF_INET};
	struct frame *frame;

	/* Guests that join and leave must not keep us from the others, which are few. */
	if (!general && !bucket_take(&s->bucket, QUERIES_PER_SECOND, 1, sw->now, false))
		return;
	frame = frame_alloc(sw->pool, MCAST_QUERY_MAX);
	if (!frame)
		return;
	if (group->family == AF_INET6)
		source = nd_link_local(&s->mac);
	frame->len = (uint32_t)mcast_query(frame->data, &s->mac, &source, group, response,
					   SNOOP_INTERVAL_MS);
	snoop_query(s->snoop, NULL, &said, sw->now);
	list_for_each (&segment->ports, it) {
		const struct membership *to = container_of(it, struct membership, by_segment);
		struct frame *clone;

		if (!to->port->state || to->port->conf->state == PORT_LOCKED)
			continue;
		clone = frame_clone(frame);
		if (!clone)
			continue;
		if (to->vid)
			clone->tag = (struct frame_tag){ETHERTYPE_CTAG, to->vid};
		egress_port(to->port, clone);
	}
	forward_announce(segment, frame); /* takes the frame */
}

static bool asks(const struct segment *segment, unsigned family)
{
	return segment->conf.querier &&
	       segment->snooping->asking[family].other_until <= segment->sw->now;
}

static struct ipaddr any_group(unsigned family)
{
	return (struct ipaddr){.family = family ? AF_INET6 : AF_INET};
}

static void ask_in_turn(struct segment *segment)
{
	struct snooping *s = segment->snooping;
	uint64_t now = segment->sw->now;

	for (unsigned family = 0; family < 2; family++) {
		struct asking *asking = &s->asking[family];
		struct ipaddr any = any_group(family);

		if (!asks(segment, family) || now < asking->next)
			continue;
		if (asking->other_until != 0) {
			log_info(
			    "segment %s: the IPv%c querier has fallen silent; asking ourselves",
			    segment->conf.name, family ? '6' : '4');
			*asking = (struct asking){.sent = 0};
		}
		send_query(segment, &any);
		asking->next =
		    now + (asking->sent < STARTUP_QUERIES - 1 ? STARTUP_MS : SNOOP_INTERVAL_MS);
		asking->sent++;
	}
	for (unsigned i = 0; i < ASKED_MAX; i++) {
		struct asked *asked = &s->asked[i];

		if (asked->left == 0)
			continue;
		asked->left--;
		if (asks(segment, asked->group.family == AF_INET6))
			send_query(segment, &asked->group);
	}
}

/* Somebody has left a group: whoever still wants it is to say so. */
static void ask_about(struct segment *segment, const struct ipaddr *group)
{
	struct snooping *s = segment->snooping;
	struct asked *free = NULL;

	if (!asks(segment, group->family == AF_INET6))
		return;
	for (unsigned i = 0; i < ASKED_MAX; i++) {
		if (s->asked[i].left == 0)
			free = &s->asked[i];
		else if (ipaddr_equal(&s->asked[i].group, group))
			return;
	}
	/* Where too many leave at once, what they left goes on until it is over by itself. */
	if (!free)
		return;
	*free = (struct asked){*group, SNOOP_ROBUSTNESS - 1};
	send_query(segment, group);
}

/* ---- hearing ---- */

/*
 * Whether another querier is to ask in our place: a router before a switch, the lower
 * address first (RFC 3376 section 6.6.2); switches, which have none, by their MAC.
 */
static bool is_better(const struct segment *segment, const struct mcast_message *query,
		      const struct mac *mac)
{
	const struct snooping *s = segment->snooping;
	struct ipaddr own;
	int order;

	if (query->ip_version == 4)
		return !ipaddr_is_unspecified(&query->source) ||
		       memcmp(mac, &s->mac, sizeof(*mac)) < 0;
	own = nd_link_local(&s->mac);
	order = memcmp(query->source.bytes, own.bytes, sizeof(own.bytes));
	return order < 0;
}

static void hear_query(struct segment *segment, const struct snoop_where *where,
		       const struct mcast_message *query, const struct mac *mac)
{
	struct snooping *s = segment->snooping;
	struct asking *asking = &s->asking[query->ip_version == 6];
	char text[ADDR_STRLEN];

	s->queries++;
	snoop_query(s->snoop, where, query, segment->sw->now);
	if (!is_better(segment, query, mac))
		return;
	if (segment->conf.querier && asking->other_until <= segment->sw->now)
		log_info("segment %s: %s asks for multicast groups; standing by",
			 segment->conf.name, ipaddr_format(&query->source, text));
	asking->other = query->source;
	asking->other_until = segment->sw->now + OTHER_PRESENT_MS;
}

static void hear_report(struct segment *segment, const struct snoop_where *where,
			const struct frame *frame, struct mcast_message *report)
{
	struct snooping *s = segment->snooping;
	struct mcast_record record;

	s->reports++;
	while (mcast_next(frame, report, &record)) {
		if (snoop_record(s->snoop, where, &record, segment->sw->now))
			ask_about(segment, &record.group);
	}
}

/* Whether all hosts get a query, and have to answer soon: else it says nothing of who does not. */
static bool counts(const struct segment *segment, const struct fdb_where *from,
		   const struct mcast_message *query)
{
	if (query->response_ms > SNOOP_RESPONSE_MAX_MS)
		return false;
	return from->side != FDB_SIDE_LOCAL ||
	       !(segment->conf.isolated || segment->sw->port_by_number[from->port]->conf->isolated);
}

static struct snoop_where place_of(const struct fdb_where *where)
{
	return (struct snoop_where){where->side, where->port};
}

/* The IP group that a frame is to; false: it is to none. */
static bool group_of(const struct frame *frame, const struct packet *packet, struct ipaddr *group)
{
	struct ipv4_header ip4;
	struct ipv6_header ip6;

	if (packet->ip_version == 4 && frame_peek(frame, packet->l3_off, sizeof(ip4), &ip4)) {
		*group = (struct ipaddr){.family = AF_INET};
		memcpy(group->bytes, ip4.dst, sizeof(ip4.dst));
	} else if (packet->ip_version == 6 &&
		   frame_peek(frame, packet->l3_off, sizeof(ip6), &ip6)) {
		*group = (struct ipaddr){.family = AF_INET6};
		memcpy(group->bytes, ip6.dst, sizeof(ip6.dst));
	} else {
		return false;
	}
	return ipaddr_is_multicast(group);
}

struct snooping_choice snooping_choose(struct segment *segment, const struct fdb_where *from,
				       struct frame *frame)
{
	struct snooping_choice choice = {.scope = SNOOPING_ALL};
	struct snooping *s = segment->snooping;
	struct mcast_message message;
	struct packet packet;
	struct ipaddr group;

	if (!s || !packet_parse(frame, &packet) || packet.tags > 0)
		return choice;
	mcast_parse(frame, &packet, &message);
	choice.ip_version = packet.ip_version;
	if (from && message.kind != MCAST_NONE) {
		struct snoop_where where = place_of(from);

		if (message.kind == MCAST_QUERY && counts(segment, from, &message))
			hear_query(segment, &where, &message, &packet.eth.src);
		if (message.kind == MCAST_REPORT)
			hear_report(segment, &where, frame, &message);
	}
	if (message.kind == MCAST_REPORT &&
	    snoop_is_active(s->snoop, packet.ip_version, segment->sw->now))
		choice.scope = SNOOPING_REPORT;
	if (message.kind == MCAST_NONE && group_of(frame, &packet, &group) &&
	    snoop_find(s->snoop, &group, segment->sw->now, &choice.group) == SNOOP_MEMBERS)
		choice.scope = SNOOPING_MEMBERS;
	return choice;
}

const char *snooping_scope_text(const struct snooping_choice *choice)
{
	static const char *const texts[] = {
	    [SNOOPING_ALL] = "everybody",
	    [SNOOPING_MEMBERS] = "who has asked for it, and multicast routers,",
	    [SNOOPING_REPORT] = "multicast routers and other hosts",
	};

	return texts[choice->scope];
}

static bool gets(const struct segment *segment, const struct snooping_choice *choice,
		 const struct snoop_where *where)
{
	uint64_t now = segment->sw->now;

	if (choice->scope == SNOOPING_ALL ||
	    snoop_has_router(segment->snooping->snoop, choice->ip_version, where, now))
		return true;
	return choice->scope == SNOOPING_MEMBERS && snoop_wants(choice->group, where, now);
}

bool snooping_to_port(const struct segment *segment, const struct snooping_choice *choice,
		      const struct port *port)
{
	const struct snoop_where where = {FDB_SIDE_LOCAL, port->number};

	return gets(segment, choice, &where);
}

bool snooping_to_encap(const struct segment *segment, const struct snooping_choice *choice,
		       const struct segment_encap *se)
{
	const struct snoop_where where = {se->encap.side, 0};

	/* Every switch has to know who wants what, whoever asks. */
	return choice->scope == SNOOPING_REPORT || gets(segment, choice, &where);
}

/* ---- life ---- */

int snooping_update(struct segment *segment)
{
	struct snooping *s = segment->snooping;
	struct hash_key key;

	if (!segment->conf.snooping && !segment->conf.querier) {
		snooping_destroy(segment);
		return 0;
	}
	if (s)
		return 0;
	s = calloc(1, sizeof(*s));
	if (!s)
		return -ENOMEM;
	hash_key_random(&key);
	s->snoop = snoop_create(&key, PLACE_GROUPS_MAX);
	if (!s->snoop) {
		free(s);
		return -ENOMEM;
	}
	s->mac = query_mac(segment->sw->host);
	segment->snooping = s;
	return 0;
}

void snooping_destroy(struct segment *segment)
{
	if (!segment->snooping)
		return;
	snoop_destroy(segment->snooping->snoop);
	free(segment->snooping);
	segment->snooping = NULL;
}

void snooping_forget(struct segment *segment, const struct fdb_where *where)
{
	struct snoop_where place = place_of(where);

	if (segment->snooping)
		snoop_forget(segment->snooping->snoop, &place);
}

void snooping_second(struct switchd *sw)
{
	list_for_each (&sw->segments, it) {
		struct segment *segment = container_of(it, struct segment, link);

		if (!segment->snooping)
			continue;
		ask_in_turn(segment);
		snoop_age(segment->snooping->snoop, sw->now);
	}
}

/* ---- showing ---- */

void snooping_show(const struct segment *segment, json_t *object)
{
	const struct snooping *s = segment->snooping;
	uint64_t now = segment->sw->now;
	json_t *queriers, *snooping;
	char text[ADDR_STRLEN];

	if (!s)
		return;
	queriers = json_object();
	for (unsigned family = 0; family < 2; family++) {
		const struct asking *asking = &s->asking[family];
		json_t *who = json_null();

		if (asking->other_until > now)
			who = json_string(ipaddr_format(&asking->other, text));
		else if (segment->conf.querier)
			who = json_string("self");
		json_object_set_new(queriers, family ? "ipv6" : "ipv4", who);
	}
	snooping = json_pack("{s:o, s:b, s:b, s:I, s:I}", "querier", queriers, "active_ipv4",
			     snoop_is_active(s->snoop, 4, now), "active_ipv6",
			     snoop_is_active(s->snoop, 6, now), "queries", (json_int_t)s->queries,
			     "reports", (json_int_t)s->reports);
	json_object_set_new(object, "snooping", snooping);
}

struct listing {
	const struct segment *segment;
	json_t *array;
};

static void list_one(void *arg, const struct snoop_info *info)
{
	const struct listing *listing = arg;
	const struct segment *segment = listing->segment;
	char text[ADDR_STRLEN];
	json_t *item = json_pack("{s:s}", "segment", segment->conf.name);

	json_object_set_new(item, "group",
			    info->group ? json_string(ipaddr_format(info->group, text))
					: json_null());
	if (info->where.side == FDB_SIDE_LOCAL) {
		const struct port *port = segment->sw->port_by_number[info->where.port];

		json_object_set_new(item, "port", json_string(port->conf->name));
	}
	for (size_t i = 0; i < segment->encap_count; i++) {
		const struct encap *encap = &segment->encaps[i]->encap;

		if (encap->side == info->where.side)
			json_object_set_new(item, "encap", json_string(encap->ops->type));
	}
	json_object_set_new(item, "why",
			    json_string(info->group	 ? "member"
					: info->overflow ? "overflow"
							 : "router"));
	json_object_set_new(item, "version", json_integer(info->ip_version));
	json_object_set_new(item, "expires", json_integer(info->expires_ms / 1000));
	json_array_append_new(listing->array, item);
}

void snooping_list(const struct segment *segment, json_t *array)
{
	struct listing listing = {segment, array};

	if (segment->snooping)
		snoop_each(segment->snooping->snoop, segment->sw->now, list_one, &listing);
}
