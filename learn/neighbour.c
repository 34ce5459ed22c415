/* SPDX-License-Identifier: BSD-2-Clause */
#include "learn/neighbour.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

#include "lib/list.h"

#define SEGMENTS_MAX   65536u
#define HOLDER_BUCKETS 1024u /* a power of two */
#define EXPIRE_MAX     1024u /* at once */
#define SECOND	       1000u

struct holder;

struct entry {
	/* The oldest first; to the second in which it was used. */
	struct list by_holder; /* static ones have no holder */
	struct list by_use;    /* all but static ones: who expires next */
	struct list asking;    /* in the order in which the next try is due */
	struct holder *holder;
	uint64_t used, confirmed, next_try;
	struct ipaddr addr;
	struct neighbour_where where;
	uint32_t chain; /* next of its bucket, or next free slot; 0: none */
	uint16_t segment;
	uint8_t state; /* enum neighbour_state, but for STALE, which is a matter of time */
	bool live;
	uint8_t tries, held;
	struct frame *frame[NEIGHBOUR_HELD];
};

struct holder {
	struct list by_segment;
	struct holder *chain;
	struct list entries;
	uint64_t id;
	uint32_t count, held;
	uint16_t segment;
};

struct segment {
	struct list link;
	uint16_t number;
	struct list holders;
	struct neighbour_limits limits;
	struct neighbour_counters counters;
	uint32_t count; /* of entries, static ones too */
};

struct neighbours {
	struct hash_key key;
	uint32_t capacity, count, held_max, held;
	uint32_t mask; /* of buckets */
	uint32_t *bucket;
	struct entry *entry; /* slot 0 is none */
	uint32_t free_slot, used_slots;
	struct list by_use, asking, segments;
	struct segment **segment;
	struct holder *holder[HOLDER_BUCKETS];
};

/* ---- finding ---- */

static uint32_t *bucket_of(const struct neighbours *table, uint16_t segment,
			   const struct ipaddr *addr)
{
	uint64_t words[3] = {(uint64_t)addr->family << 16 | segment};

	memcpy(&words[1], addr->bytes, sizeof(addr->bytes));
	return &table->bucket[hash_bytes(&table->key, words, sizeof(words)) & table->mask];
}

static struct entry *find(const struct neighbours *table, uint16_t segment,
			  const struct ipaddr *addr)
{
	for (uint32_t slot = *bucket_of(table, segment, addr); slot;) {
		struct entry *entry = &table->entry[slot];

		if (entry->segment == segment && ipaddr_equal(&entry->addr, addr))
			return entry;
		slot = entry->chain;
	}
	return NULL;
}

static uint32_t holder_bucket(const struct neighbours *table, uint16_t segment, uint64_t id)
{
	uint64_t words[2] = {segment, id};

	return (uint32_t)hash_bytes(&table->key, words, sizeof(words)) % HOLDER_BUCKETS;
}

static struct holder *holder_find(const struct neighbours *table, uint16_t segment, uint64_t id)
{
	struct holder *holder = table->holder[holder_bucket(table, segment, id)];

	while (holder && (holder->segment != segment || holder->id != id))
		holder = holder->chain;
	return holder;
}

static struct holder *holder_get(struct neighbours *table, uint16_t segment, uint64_t id)
{
	struct holder *holder = holder_find(table, segment, id);
	struct holder **head = &table->holder[holder_bucket(table, segment, id)];

	if (holder)
		return holder;
	holder = calloc(1, sizeof(*holder));
	if (!holder)
		return NULL;
	holder->id = id;
	holder->segment = segment;
	list_init(&holder->entries);
	list_add_tail(&table->segment[segment]->holders, &holder->by_segment);
	holder->chain = *head;
	*head = holder;
	return holder;
}

/* A holder of nothing is none. */
static void holder_put(struct neighbours *table, struct holder *holder)
{
	struct holder **link;

	if (holder->count > 0)
		return;
	link = &table->holder[holder_bucket(table, holder->segment, holder->id)];
	while (*link != holder)
		link = &(*link)->chain;
	*link = holder->chain;
	list_del(&holder->by_segment);
	free(holder);
}

/* ---- entries ---- */

/* What waits is no longer the table's. */
static void give_back(struct neighbours *table, struct entry *entry, struct frame_batch *released)
{
	for (unsigned i = 0; i < entry->held; i++) {
		if (released)
			frame_batch_add(released, entry->frame[i]);
		else
			frame_drop(entry->frame[i], REASON_NO_NEIGHBOUR);
	}
	table->held -= entry->held;
	if (entry->holder)
		entry->holder->held -= entry->held;
	entry->held = 0;
}

static void leave_holder(struct neighbours *table, struct entry *entry)
{
	struct holder *holder = entry->holder;

	if (!holder)
		return;
	list_del(&entry->by_holder);
	entry->holder = NULL;
	holder->count--;
	holder->held -= entry->held;
	holder_put(table, holder);
}

static void join_holder(struct entry *entry, struct holder *holder)
{
	entry->holder = holder;
	list_add_tail(&holder->entries, &entry->by_holder);
	holder->count++;
	holder->held += entry->held;
}

/* Drops what waits. */
static void entry_remove(struct neighbours *table, struct entry *entry)
{
	uint32_t slot = (uint32_t)(entry - table->entry);
	uint32_t *link = bucket_of(table, entry->segment, &entry->addr);

	give_back(table, entry, NULL);
	leave_holder(table, entry);
	list_del(&entry->by_use);
	list_del(&entry->asking);
	while (*link != slot)
		link = &table->entry[*link].chain;
	*link = entry->chain;
	table->segment[entry->segment]->count--;
	table->count--;
	entry->live = false;
	entry->chain = table->free_slot;
	table->free_slot = slot;
}

/* Used or heard now: the youngest of its holder, and the last to expire. */
static void touch(struct neighbours *table, struct entry *entry, uint64_t now)
{
	bool same_second = entry->used / SECOND == now / SECOND;

	entry->used = now;
	if (same_second || entry->state == NEIGHBOUR_STATIC)
		return;
	list_del(&entry->by_use);
	list_add_tail(&table->by_use, &entry->by_use);
	list_del(&entry->by_holder);
	list_add_tail(&entry->holder->entries, &entry->by_holder);
}

static void ask_again_later(struct neighbours *table, struct entry *entry, uint64_t now)
{
	entry->next_try = now + NEIGHBOUR_RETRANS_MS;
	list_del(&entry->asking);
	list_add_tail(&table->asking, &entry->asking);
}

static enum neighbour_state state_of(const struct entry *entry, uint64_t now)
{
	if (entry->state == NEIGHBOUR_REACHABLE && now - entry->confirmed >= NEIGHBOUR_REACHABLE_MS)
		return NEIGHBOUR_STALE;
	return entry->state;
}

/* ---- room ---- */

static bool evict_oldest(struct neighbours *table, struct holder *holder)
{
	struct entry *oldest;

	if (!holder || list_empty(&holder->entries))
		return false;
	oldest = container_of(holder->entries.next, struct entry, by_holder);
	table->segment[oldest->segment]->counters.evicted++;
	entry_remove(table, oldest);
	return true;
}

static struct holder *largest_holder(const struct segment *segment)
{
	struct holder *largest = NULL;

	list_for_each (&segment->holders, it) {
		struct holder *holder = container_of(it, struct holder, by_segment);

		if (!largest || holder->count > largest->count)
			largest = holder;
	}
	return largest;
}

/* Of the whole table: where it hurts least is where most is. */
static struct holder *largest_of_all(const struct neighbours *table)
{
	struct segment *fullest = NULL;

	list_for_each (&table->segments, it) {
		struct segment *segment = container_of(it, struct segment, link);

		if (!list_empty(&segment->holders) && (!fullest || segment->count > fullest->count))
			fullest = segment;
	}
	return fullest ? largest_holder(fullest) : NULL;
}

static uint32_t holder_max(const struct segment *segment)
{
	if (segment->limits.holder_max)
		return segment->limits.holder_max;
	return segment->limits.max / 4 ? segment->limits.max / 4 : 1;
}

/* Whether one more may be there: of a holder, or (0 with `fixed`) a static one. */
static bool make_room(struct neighbours *table, uint16_t number, uint64_t id, bool fixed)
{
	struct segment *segment = table->segment[number];
	struct holder *own = fixed ? NULL : holder_find(table, number, id);

	if (own && own->count >= holder_max(segment) && !evict_oldest(table, own))
		return false;
	if (segment->count >= segment->limits.max && !evict_oldest(table, largest_holder(segment)))
		return false;
	return table->count < table->capacity || evict_oldest(table, largest_of_all(table));
}

/* NULL: no room. Neither in a state nor with a place yet. */
static struct entry *entry_create(struct neighbours *table, uint16_t number,
				  const struct ipaddr *addr, uint64_t id, bool fixed, uint64_t now)
{
	struct holder *holder = NULL;
	struct entry *entry;
	uint32_t slot, *bucket;

	if (!make_room(table, number, id, fixed))
		return NULL;
	if (!fixed && !(holder = holder_get(table, number, id)))
		return NULL;
	slot = table->free_slot;
	if (slot)
		table->free_slot = table->entry[slot].chain;
	else
		slot = ++table->used_slots;
	entry = &table->entry[slot];
	memset(entry, 0, sizeof(*entry));
	entry->live = true;
	entry->segment = number;
	entry->addr = *addr;
	entry->used = entry->confirmed = now;
	list_init(&entry->by_holder);
	list_init(&entry->by_use);
	list_init(&entry->asking);
	if (holder) {
		join_holder(entry, holder);
		list_add_tail(&table->by_use, &entry->by_use);
	}
	bucket = bucket_of(table, number, addr);
	entry->chain = *bucket;
	*bucket = slot;
	table->count++;
	table->segment[number]->count++;
	return entry;
}

/* ---- life ---- */

struct neighbours *neighbours_create(const struct hash_key *key, uint32_t capacity, uint32_t held)
{
	struct neighbours *table = calloc(1, sizeof(*table));
	uint32_t buckets = 16;

	if (!table)
		return NULL;
	while (buckets < capacity && buckets < 1u << 30)
		buckets *= 2;
	table->key = *key;
	table->capacity = capacity;
	table->held_max = held;
	table->mask = buckets - 1;
	list_init(&table->by_use);
	list_init(&table->asking);
	list_init(&table->segments);
	/* Large ones are zero pages of the kernel until they are touched. */
	table->bucket = calloc(buckets, sizeof(*table->bucket));
	table->entry = calloc((size_t)capacity + 1, sizeof(*table->entry));
	table->segment = calloc(SEGMENTS_MAX, sizeof(struct segment *));
	if (!table->bucket || !table->entry || !table->segment) {
		neighbours_destroy(table);
		return NULL;
	}
	return table;
}

void neighbours_destroy(struct neighbours *table)
{
	if (!table)
		return;
	list_for_each_safe (&table->segments, it)
		neighbours_segment_del(table, container_of(it, struct segment, link)->number);
	free(table->bucket);
	free(table->entry);
	free(table->segment);
	free(table);
}

int neighbours_segment_set(struct neighbours *table, uint16_t number,
			   const struct neighbour_limits *limits)
{
	struct segment *segment = table->segment[number];

	if (limits->max == 0)
		return -EINVAL;
	if (!segment) {
		segment = calloc(1, sizeof(*segment));
		if (!segment)
			return -ENOMEM;
		segment->number = number;
		list_init(&segment->holders);
		list_add_tail(&table->segments, &segment->link);
		table->segment[number] = segment;
	}
	segment->limits = *limits;
	for (struct holder *holder = largest_holder(segment);
	     holder && (holder->count > holder_max(segment) || segment->count > limits->max);
	     holder = largest_holder(segment))
		(void)evict_oldest(table, holder);
	return 0;
}

void neighbours_segment_del(struct neighbours *table, uint16_t number)
{
	struct segment *segment = table->segment[number];

	if (!segment)
		return;
	for (uint32_t slot = 1; slot <= table->used_slots && segment->count > 0; slot++) {
		if (table->entry[slot].live && table->entry[slot].segment == number)
			entry_remove(table, &table->entry[slot]);
	}
	list_del(&segment->link);
	table->segment[number] = NULL;
	free(segment);
}

size_t neighbours_segment_count(const struct neighbours *table, uint16_t segment)
{
	return table->segment[segment] ? table->segment[segment]->count : 0;
}

struct neighbour_counters neighbours_segment_counters(const struct neighbours *table,
						      uint16_t segment)
{
	static const struct neighbour_counters none;

	return table->segment[segment] ? table->segment[segment]->counters : none;
}

/* ---- use ---- */

static bool may_hold(const struct neighbours *table, const struct entry *entry,
		     const struct holder *holder)
{
	return table->held < table->held_max && (!entry || entry->held < NEIGHBOUR_HELD) &&
	       (!holder || holder->held < NEIGHBOUR_HOLDER_HELD);
}

static bool hold(struct neighbours *table, struct entry *entry, struct frame *frame)
{
	if (!frame)
		return true;
	if (!may_hold(table, entry, entry->holder))
		return false;
	entry->frame[entry->held++] = frame;
	entry->holder->held++;
	table->held++;
	return true;
}

enum neighbour_use neighbours_use(struct neighbours *table, uint16_t segment,
				  const struct ipaddr *addr, uint64_t holder, struct frame *frame,
				  struct neighbour_where *where, uint64_t now)
{
	struct entry *entry = find(table, segment, addr);

	if (!entry) {
		if (frame && !may_hold(table, NULL, holder_find(table, segment, holder)))
			return NEIGHBOUR_REFUSED;
		entry = entry_create(table, segment, addr, holder, false, now);
		if (!entry)
			return NEIGHBOUR_REFUSED;
		entry->state = NEIGHBOUR_INCOMPLETE;
		entry->tries = 1;
		ask_again_later(table, entry, now);
		(void)hold(table, entry, frame);
		return NEIGHBOUR_WAIT_ASK;
	}
	touch(table, entry, now);
	*where = entry->where;
	switch (state_of(entry, now)) {
	case NEIGHBOUR_INCOMPLETE:
		return hold(table, entry, frame) ? NEIGHBOUR_WAIT : NEIGHBOUR_REFUSED;
	case NEIGHBOUR_STALE:
		entry->state = NEIGHBOUR_PROBE;
		entry->tries = 1;
		ask_again_later(table, entry, now);
		return NEIGHBOUR_SEND_ASK;
	default:
		return NEIGHBOUR_SEND;
	}
}

enum neighbour_use neighbours_probe(const struct neighbours *table, uint16_t segment,
				    const struct ipaddr *addr, uint64_t holder,
				    struct neighbour_where *where, uint64_t now)
{
	const struct entry *entry = find(table, segment, addr);

	if (!entry)
		return may_hold(table, NULL, holder_find(table, segment, holder))
			   ? NEIGHBOUR_WAIT_ASK
			   : NEIGHBOUR_REFUSED;
	*where = entry->where;
	switch (state_of(entry, now)) {
	case NEIGHBOUR_INCOMPLETE:
		return may_hold(table, entry, entry->holder) ? NEIGHBOUR_WAIT : NEIGHBOUR_REFUSED;
	case NEIGHBOUR_STALE:
		return NEIGHBOUR_SEND_ASK;
	default:
		return NEIGHBOUR_SEND;
	}
}

/* ---- news ---- */

static void settle(struct entry *entry, const struct neighbour_where *where, uint64_t now)
{
	entry->where = *where;
	entry->state = NEIGHBOUR_REACHABLE;
	entry->confirmed = now;
	entry->tries = 0;
	list_del(&entry->asking);
}

/* Who has told that it moved here answers for it from now on, if there is room. */
static void change_holder(struct neighbours *table, struct entry *entry, uint64_t id)
{
	struct holder *holder;

	if (entry->holder->id == id)
		return;
	holder = holder_get(table, entry->segment, id);
	if (!holder)
		return;
	if (holder->count >= holder_max(table->segment[entry->segment]))
		(void)evict_oldest(table, holder);	/* not this one, which is another's */
	holder = holder_get(table, entry->segment, id); /* it may have gone with its last */
	if (!holder)
		return;
	leave_holder(table, entry);
	join_holder(entry, holder);
}

static bool same_place(const struct neighbour_where *a, const struct neighbour_where *b)
{
	return mac_equal(&a->mac, &b->mac) && mac_equal(&a->host, &b->host) && a->port == b->port;
}

enum neighbour_news neighbours_heard(struct neighbours *table, uint16_t segment,
				     const struct ipaddr *addr, const struct neighbour_where *where,
				     enum neighbour_may may, uint64_t holder, uint64_t now,
				     struct frame_batch *released)
{
	struct entry *entry = find(table, segment, addr);

	if (!entry) {
		if (may != NEIGHBOUR_MAY_CREATE)
			return NEIGHBOUR_UNKNOWN;
		entry = entry_create(table, segment, addr, holder, false, now);
		if (!entry)
			return NEIGHBOUR_UNKNOWN;
		settle(entry, where, now);
		table->segment[segment]->counters.resolved++;
		return NEIGHBOUR_NEW;
	}
	if (entry->state == NEIGHBOUR_STATIC)
		return same_place(&entry->where, where) ? NEIGHBOUR_SAME : NEIGHBOUR_KEPT;
	if (entry->state == NEIGHBOUR_INCOMPLETE) {
		touch(table, entry, now);
		settle(entry, where, now);
		give_back(table, entry, released);
		table->segment[segment]->counters.resolved++;
		return NEIGHBOUR_NEW;
	}
	if (same_place(&entry->where, where)) {
		touch(table, entry, now);
		settle(entry, where, now);
		return NEIGHBOUR_SAME;
	}
	if (may == NEIGHBOUR_MAY_CONFIRM)
		return NEIGHBOUR_KEPT;
	touch(table, entry, now);
	settle(entry, where, now);
	if (may == NEIGHBOUR_MAY_CREATE)
		change_holder(table, entry, holder);
	table->segment[segment]->counters.moved++;
	return NEIGHBOUR_MOVED;
}

int neighbours_add(struct neighbours *table, uint16_t segment, const struct ipaddr *addr,
		   const struct neighbour_where *where, uint64_t now, struct frame_batch *released)
{
	struct entry *entry;

	if (!table->segment[segment])
		return -ENOENT;
	entry = find(table, segment, addr);
	if (!entry)
		entry = entry_create(table, segment, addr, 0, true, now);
	if (!entry)
		return -ENOSPC;
	settle(entry, where, now);
	give_back(table, entry, released);
	leave_holder(table, entry);
	list_del(&entry->by_use);
	entry->state = NEIGHBOUR_STATIC;
	return 0;
}

bool neighbours_restore(struct neighbours *table, uint16_t segment,
			const struct neighbour_info *info, uint64_t now)
{
	const uint64_t confirmed = info->age_ms < now ? now - info->age_ms : 0;
	struct entry *entry = NULL;

	if (table->segment[segment] && !find(table, segment, &info->addr))
		entry = entry_create(table, segment, &info->addr, info->holder, false, now);
	if (entry)
		settle(entry, &info->where, confirmed);
	return entry;
}

int neighbours_del(struct neighbours *table, uint16_t segment, const struct ipaddr *addr)
{
	struct entry *entry = find(table, segment, addr);

	if (!entry)
		return -ENOENT;
	entry_remove(table, entry);
	return 0;
}

size_t neighbours_flush(struct neighbours *table, int segment, const struct ipaddr *addr)
{
	size_t gone = 0;

	list_for_each_safe (&table->by_use, it) {
		struct entry *entry = container_of(it, struct entry, by_use);

		if ((segment >= 0 && entry->segment != segment) ||
		    (addr && !ipaddr_equal(&entry->addr, addr)))
			continue;
		entry_remove(table, entry);
		gone++;
	}
	return gone;
}

size_t neighbours_forget(struct neighbours *table, uint64_t id)
{
	size_t gone = 0;

	list_for_each_safe (&table->by_use, it) {
		struct entry *entry = container_of(it, struct entry, by_use);

		if (entry->holder->id != id)
			continue;
		entry_remove(table, entry);
		gone++;
	}
	return gone;
}

void neighbours_origin_gone(struct neighbours *table, const struct stats *origin)
{
	list_for_each (&table->asking, it) {
		struct entry *entry = container_of(it, struct entry, asking);

		for (unsigned i = 0; i < entry->held; i++) {
			if (entry->frame[i]->origin == origin)
				entry->frame[i]->origin = NULL;
		}
	}
}

/* ---- time ---- */

static void expire(struct neighbours *table, uint64_t now)
{
	for (unsigned i = 0; i < EXPIRE_MAX && !list_empty(&table->by_use); i++) {
		struct entry *entry = container_of(table->by_use.next, struct entry, by_use);

		if (now - entry->used < NEIGHBOUR_UNUSED_MS)
			return;
		table->segment[entry->segment]->counters.expired++;
		entry_remove(table, entry);
	}
}

bool neighbours_tick(struct neighbours *table, uint64_t now, struct neighbour_due *due,
		     struct frame_batch *released)
{
	struct entry *entry;

	if (!list_empty(&table->asking)) {
		entry = container_of(table->asking.next, struct entry, asking);
		if (entry->next_try <= now) {
			memset(due, 0, sizeof(*due));
			due->segment = entry->segment;
			due->addr = entry->addr;
			due->holder = entry->holder->id;
			due->where = entry->where;
			due->alone = entry->state == NEIGHBOUR_PROBE;
			due->failed = entry->tries >= NEIGHBOUR_TRIES;
			if (!due->failed) {
				entry->tries++;
				ask_again_later(table, entry, now);
				return true;
			}
			table->segment[entry->segment]->counters.failed++;
			give_back(table, entry, released);
			entry_remove(table, entry);
			return true;
		}
	}
	expire(table, now);
	return false;
}

bool neighbours_are_asked(const struct neighbours *table)
{
	return !list_empty(&table->asking);
}

/* ---- showing ---- */

static void fill_info(const struct entry *entry, uint64_t now, struct neighbour_info *info)
{
	*info = (struct neighbour_info){
	    .segment = entry->segment,
	    .addr = entry->addr,
	    .state = state_of(entry, now),
	    .where = entry->where,
	    .holder = entry->holder ? entry->holder->id : 0,
	    .age_ms = (uint32_t)(now - entry->confirmed),
	    .held = entry->held,
	    .tries = entry->tries,
	};
}

bool neighbours_info(const struct neighbours *table, uint16_t segment, const struct ipaddr *addr,
		     uint64_t now, struct neighbour_info *info)
{
	const struct entry *entry = find(table, segment, addr);

	if (entry)
		fill_info(entry, now, info);
	return entry;
}

size_t neighbours_list(const struct neighbours *table, int segment, uint64_t now, uint32_t *cursor,
		       struct neighbour_info *out, size_t max)
{
	size_t n = 0;

	while (n < max && *cursor < table->used_slots) {
		const struct entry *entry = &table->entry[++*cursor];

		if (entry->live && (segment < 0 || entry->segment == segment))
			fill_info(entry, now, &out[n++]);
	}
	return n;
}

const char *neighbour_state_name(enum neighbour_state state)
{
	static const char *const names[] = {
	    [NEIGHBOUR_INCOMPLETE] = "incomplete", [NEIGHBOUR_REACHABLE] = "reachable",
	    [NEIGHBOUR_STALE] = "stale",	   [NEIGHBOUR_PROBE] = "probe",
	    [NEIGHBOUR_STATIC] = "static",
	};

	static_assert(sizeof(names) / sizeof(names[0]) == NEIGHBOUR_STATES, "a word for each");
	return names[state];
}
