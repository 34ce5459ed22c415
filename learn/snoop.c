/* SPDX-License-Identifier: BSD-2-Clause */
#include "learn/snoop.h"

#include <stdlib.h>
#include <string.h>

#include "lib/list.h"

#define BUCKETS 256u
#define PLACES	64u

/* A place that wants something until then. */
struct wish {
	struct list link;
	struct snoop_where where;
	uint64_t until;
	bool overflow; /* of a router: see snoop_info */
};

struct snoop_group {
	struct list link; /* in its bucket */
	struct ipaddr address;
	struct list members; /* of struct wish */
};

/* How many groups a place has. There is one for each that has any. */
struct place {
	struct list link; /* in its bucket */
	struct snoop_where where;
	unsigned groups;
};

/* Of one IP version. */
struct family {
	uint64_t since, until; /* there is a querier; 0: there was none */
	uint64_t response_ms, member_ms;
	struct list routers; /* of struct wish */
};

struct snoop {
	struct hash_key key;
	unsigned place_max;
	struct family family[2];
	unsigned members; /* of all groups */
	struct list bucket[BUCKETS];
	struct list places[PLACES];
};

static const struct family *family_of(const struct snoop *snoop, uint8_t ip_version)
{
	return &snoop->family[ip_version == 6];
}

static uint8_t version_of(const struct ipaddr *address)
{
	return address->family == AF_INET6 ? 6 : 4;
}

static bool same_place(const struct snoop_where *a, const struct snoop_where *b)
{
	return a->side == b->side && a->port == b->port;
}

/* What IP itself needs; and nothing that hosts would report. */
static bool is_of_link(const struct ipaddr *address)
{
	if (address->family == AF_INET)
		return address->bytes[0] == 224 && address->bytes[1] == 0 && address->bytes[2] == 0;
	return (address->bytes[1] & 0x0f) <= 2;
}

struct snoop *snoop_create(const struct hash_key *key, unsigned place_max)
{
	struct snoop *snoop = calloc(1, sizeof(*snoop));

	if (!snoop)
		return NULL;
	snoop->key = *key;
	snoop->place_max = place_max;
	for (unsigned i = 0; i < 2; i++) {
		list_init(&snoop->family[i].routers);
		snoop->family[i].response_ms = SNOOP_RESPONSE_MS;
		snoop->family[i].member_ms =
		    (uint64_t)SNOOP_ROBUSTNESS * SNOOP_INTERVAL_MS + SNOOP_RESPONSE_MS;
	}
	for (unsigned i = 0; i < BUCKETS; i++)
		list_init(&snoop->bucket[i]);
	for (unsigned i = 0; i < PLACES; i++)
		list_init(&snoop->places[i]);
	return snoop;
}

/* ---- places ---- */

static struct list *places_of(struct snoop *snoop, const struct snoop_where *where)
{
	return &snoop->places[(where->side + where->port) % PLACES];
}

static struct place *place_find(struct snoop *snoop, const struct snoop_where *where)
{
	list_for_each (places_of(snoop, where), it) {
		struct place *place = container_of(it, struct place, link);

		if (same_place(&place->where, where))
			return place;
	}
	return NULL;
}

/* Counts one more group of a place. false: it has as many as it may have. */
static bool place_take(struct snoop *snoop, const struct snoop_where *where)
{
	struct place *place = place_find(snoop, where);

	if (snoop->members >= SNOOP_MEMBERS_MAX || (place && place->groups >= snoop->place_max))
		return false;
	if (!place) {
		place = calloc(1, sizeof(*place));
		if (!place)
			return false;
		place->where = *where;
		list_add_tail(places_of(snoop, where), &place->link);
	}
	place->groups++;
	snoop->members++;
	return true;
}

static void place_give(struct snoop *snoop, const struct snoop_where *where)
{
	struct place *place = place_find(snoop, where);

	snoop->members--;
	if (--place->groups > 0)
		return;
	list_del(&place->link);
	free(place);
}

/* ---- wishes ---- */

static struct wish *wish_find(const struct list *wishes, const struct snoop_where *where)
{
	list_for_each (wishes, it) {
		struct wish *wish = container_of(it, struct wish, link);

		if (same_place(&wish->where, where))
			return wish;
	}
	return NULL;
}

/* NULL when out of memory: as though it had not been said. */
static struct wish *wish_put(struct list *wishes, const struct snoop_where *where, uint64_t until)
{
	struct wish *wish = wish_find(wishes, where);

	if (!wish) {
		wish = calloc(1, sizeof(*wish));
		if (!wish)
			return NULL;
		wish->where = *where;
		list_add_tail(wishes, &wish->link);
	}
	wish->until = until;
	return wish;
}

/* Whether it is over, or of a place (NULL: of none) that is to be forgotten. */
static bool wish_ends(const struct wish *wish, const struct snoop_where *where, uint64_t now)
{
	return wish->until <= now || (where && same_place(&wish->where, where));
}

static void wish_free(struct wish *wish)
{
	list_del(&wish->link);
	free(wish);
}

/* ---- groups ---- */

static struct list *bucket_of(const struct snoop *snoop, const struct ipaddr *address)
{
	uint64_t hash = hash_bytes(&snoop->key, address, sizeof(*address));

	return (struct list *)&snoop->bucket[hash % BUCKETS];
}

static struct snoop_group *group_find(const struct snoop *snoop, const struct ipaddr *address)
{
	list_for_each (bucket_of(snoop, address), it) {
		struct snoop_group *group = container_of(it, struct snoop_group, link);

		if (ipaddr_equal(&group->address, address))
			return group;
	}
	return NULL;
}

static void group_free(struct snoop_group *group)
{
	list_del(&group->link);
	free(group);
}

static void group_clear(struct snoop *snoop, struct snoop_group *group,
			const struct snoop_where *where, uint64_t now)
{
	list_for_each_safe (&group->members, it) {
		struct wish *wish = container_of(it, struct wish, link);

		if (wish_ends(wish, where, now)) {
			place_give(snoop, &wish->where);
			wish_free(wish);
		}
	}
	if (list_empty(&group->members))
		group_free(group);
}

static void clear(struct snoop *snoop, const struct snoop_where *where, uint64_t now)
{
	for (unsigned i = 0; i < BUCKETS; i++) {
		list_for_each_safe (&snoop->bucket[i], it)
			group_clear(snoop, container_of(it, struct snoop_group, link), where, now);
	}
	for (unsigned i = 0; i < 2; i++) {
		list_for_each_safe (&snoop->family[i].routers, it) {
			struct wish *wish = container_of(it, struct wish, link);

			if (wish_ends(wish, where, now))
				wish_free(wish);
		}
	}
}

void snoop_destroy(struct snoop *snoop)
{
	if (!snoop)
		return;
	clear(snoop, NULL, UINT64_MAX);
	free(snoop);
}

/* ---- what is heard ---- */

void snoop_query(struct snoop *snoop, const struct snoop_where *where,
		 const struct mcast_message *query, uint64_t now)
{
	struct family *family = &snoop->family[query->ip_version == 6];
	uint64_t interval = query->interval_ms ? query->interval_ms : SNOOP_INTERVAL_MS;
	uint64_t robust = query->robustness ? query->robustness : SNOOP_ROBUSTNESS;
	uint64_t present, member;
	struct snoop_group *group;

	if (query->response_ms > SNOOP_RESPONSE_MAX_MS)
		return;
	if (interval > SNOOP_INTERVAL_MAX_MS)
		interval = SNOOP_INTERVAL_MAX_MS;
	present = robust * interval + query->response_ms / 2;
	member = robust * interval;
	if (ipaddr_is_unspecified(&query->group)) {
		/* Who forges short times is not to shorten those of members. */
		if (member < (uint64_t)SNOOP_ROBUSTNESS * SNOOP_INTERVAL_MS)
			member = (uint64_t)SNOOP_ROBUSTNESS * SNOOP_INTERVAL_MS;
		family->response_ms = query->response_ms;
		family->member_ms = member + query->response_ms;
		if (family->until <= now)
			family->since = now;
		family->until = now + present;
		/* 0.0.0.0 asks for a switch, which is no router (RFC 4541 section 2.1.1). */
		if (where && !ipaddr_is_unspecified(&query->source)) {
			struct wish *router = wish_put(&family->routers, where, now + present);

			if (router)
				router->overflow = false;
		}
		return;
	}
	group = group_find(snoop, &query->group);
	if (!group || query->suppress || query->sources)
		return;
	/* Who still wants it will say so: RFC 3376 section 6.6.3. */
	list_for_each (&group->members, it) {
		struct wish *wish = container_of(it, struct wish, link);
		uint64_t until = now + robust * query->response_ms;

		if (wish->until > until)
			wish->until = until;
	}
}

/* A place that wants more than it may want gets everything for a while. */
static void want_all(struct family *family, const struct snoop_where *where, uint64_t now)
{
	struct wish *wish;

	if (wish_find(&family->routers, where))
		return;
	wish = wish_put(&family->routers, where, now + family->member_ms);
	if (wish)
		wish->overflow = true;
}

bool snoop_record(struct snoop *snoop, const struct snoop_where *where,
		  const struct mcast_record *record, uint64_t now)
{
	struct family *family = &snoop->family[record->group.family == AF_INET6];
	struct snoop_group *group = group_find(snoop, &record->group);
	struct wish *wish = group ? wish_find(&group->members, where) : NULL;

	if (!record->joins || is_of_link(&record->group))
		return wish != NULL;
	if (wish) {
		wish->until = now + family->member_ms;
		return false;
	}
	if (!place_take(snoop, where)) {
		want_all(family, where, now);
		return false;
	}
	if (!group) {
		group = calloc(1, sizeof(*group));
		if (group) {
			group->address = record->group;
			list_init(&group->members);
			list_add_tail(bucket_of(snoop, &record->group), &group->link);
		}
	}
	if (group && wish_put(&group->members, where, now + family->member_ms))
		return false;
	place_give(snoop, where);
	if (group && list_empty(&group->members))
		group_free(group);
	return false;
}

/* ---- what is asked ---- */

bool snoop_is_active(const struct snoop *snoop, uint8_t ip_version, uint64_t now)
{
	const struct family *family = family_of(snoop, ip_version);

	return family->until > now && now - family->since >= family->response_ms;
}

enum snoop_scope snoop_find(const struct snoop *snoop, const struct ipaddr *address, uint64_t now,
			    const struct snoop_group **group)
{
	*group = NULL;
	if (is_of_link(address) || !snoop_is_active(snoop, version_of(address), now))
		return SNOOP_ALL;
	*group = group_find(snoop, address);
	return SNOOP_MEMBERS;
}

bool snoop_wants(const struct snoop_group *group, const struct snoop_where *where, uint64_t now)
{
	const struct wish *wish = group ? wish_find(&group->members, where) : NULL;

	return wish && wish->until > now;
}

bool snoop_has_router(const struct snoop *snoop, uint8_t ip_version,
		      const struct snoop_where *where, uint64_t now)
{
	const struct wish *wish = wish_find(&family_of(snoop, ip_version)->routers, where);

	return wish && wish->until > now;
}

void snoop_forget(struct snoop *snoop, const struct snoop_where *where)
{
	clear(snoop, where, 0);
}

void snoop_age(struct snoop *snoop, uint64_t now)
{
	clear(snoop, NULL, now);
}

static void tell_of(const struct list *wishes, struct snoop_info *info, uint64_t now,
		    void (*tell)(void *arg, const struct snoop_info *info), void *arg)
{
	list_for_each (wishes, it) {
		const struct wish *wish = container_of(it, struct wish, link);

		if (wish->until <= now)
			continue;
		info->where = wish->where;
		info->expires_ms = (uint32_t)(wish->until - now);
		info->overflow = wish->overflow;
		tell(arg, info);
	}
}

void snoop_each(const struct snoop *snoop, uint64_t now,
		void (*tell)(void *arg, const struct snoop_info *info), void *arg)
{
	struct snoop_info info = {.group = NULL};

	for (unsigned i = 0; i < 2; i++) {
		info.ip_version = i == 0 ? 4 : 6;
		tell_of(&snoop->family[i].routers, &info, now, tell, arg);
	}
	for (unsigned i = 0; i < BUCKETS; i++) {
		list_for_each (&snoop->bucket[i], it) {
			const struct snoop_group *group =
			    container_of(it, struct snoop_group, link);

			info.group = &group->address;
			info.ip_version = version_of(&group->address);
			tell_of(&group->members, &info, now, tell, arg);
		}
	}
}
