/* SPDX-License-Identifier: BSD-2-Clause */
#include "learn/fdb.h"

#include <errno.h>
#include <stdlib.h>

#include "learn/fdb_internal.h"

#define CAPACITY_MAX (UINT32_MAX / 8) /* twice the slots, and twice their buckets, fit 32 bits */

static void entry_set_mark(struct fdb_entry *entry, uint64_t now, uint8_t moves)
{
	entry->mark_low = (uint32_t)now;
	entry->mark_high = (uint16_t)(now >> 32);
	entry->moves = moves;
}

/* Whether one more move would be one too many in this second. */
static bool entry_bounces(const struct fdb_entry *entry, uint64_t now)
{
	return entry->moves != FDB_MOVES_PINNED && entry->moves >= FDB_BOUNCE_LIMIT &&
	       fdb_since(fdb_entry_mark(entry), now) < FDB_SECOND;
}

static_assert(FDB_PIN_MS >= FDB_SECOND, "a pin that is over is no count of this second");

static void entry_count_move(struct fdb_entry *entry, uint64_t now)
{
	if (entry->moves == 0 || fdb_since(fdb_entry_mark(entry), now) >= FDB_SECOND)
		entry_set_mark(entry, now, 1);
	else
		entry->moves++;
}

static void entry_set_home(struct fdb *fdb, struct fdb_entry *entry, uint32_t home)
{
	const uint32_t former = entry->home;

	fdb_holder_ref(fdb, home);
	entry->home = home;
	fdb_holder_unref(fdb, former);
}

static bool entry_has_home(const struct fdb *fdb, const struct fdb_entry *entry)
{
	return entry->home != FDB_NONE && fdb->holder[entry->home].segment != FDB_HOLDER_GONE;
}

/* Whether it was at its holder for so long that this is its home. */
static bool entry_settled(const struct fdb_entry *entry, uint64_t now)
{
	return (uint32_t)now - entry->came >= FDB_SETTLED_MS;
}

static void event_call(struct fdb *fdb, enum fdb_event event, const struct fdb_entry_info *info,
		       const struct fdb_where *from)
{
	fdb->in_event = true;
	fdb->event(fdb->event_arg, event, info, from);
	fdb->in_event = false;
}

static void event_entry(struct fdb *fdb, enum fdb_event event, uint32_t slot,
			const struct fdb_where *from)
{
	struct fdb_entry_info info;

	if (!fdb->event)
		return;
	info = fdb_entry_info(fdb, &fdb->entry[slot], fdb->now);
	event_call(fdb, event, &info, from);
}

/* Everything that changes the table begins here. */
static void change_begin(const struct fdb *fdb)
{
	assert(!fdb->in_event);
}

static void time_passes(struct fdb *fdb, uint64_t now)
{
	if (now > fdb->now)
		fdb->now = now;
}

/* Takes an entry away; its holder goes with its last one, unless somebody has a reference. */
static void entry_remove(struct fdb *fdb, uint32_t slot)
{
	const uint32_t holder = fdb->entry[slot].holder;
	struct fdb_segment *segment = fdb->segment[fdb_key_segment(fdb->entry[slot].key)];

	assert(segment && segment->count > 0);
	fdb_holder_detach(fdb, slot);
	fdb_holder_release(fdb, holder);
	entry_set_home(fdb, &fdb->entry[slot], FDB_NONE);
	fdb_entry_free(fdb, slot);
	segment->count--;
}

/* The same with a count and an event, for what time or a limit removes. */
static void entry_lose(struct fdb *fdb, uint32_t slot)
{
	struct fdb_entry *entry = &fdb->entry[slot];
	struct fdb_counters *counters = &fdb->segment[fdb_key_segment(entry->key)]->counters;
	const bool aged = fdb_entry_aged(fdb, entry, fdb->now);
	struct fdb_entry_info info;

	assert(entry->state == FDB_LEARNED);
	if (aged)
		counters->expired++;
	else
		counters->evicted++;
	if (!fdb->event) {
		entry_remove(fdb, slot);
		return;
	}
	info = fdb_entry_info(fdb, entry, fdb->now);
	entry_remove(fdb, slot);
	event_call(fdb, aged ? FDB_EVENT_EXPIRED : FDB_EVENT_EVICTED, &info, NULL);
}

static void holder_lose_oldest(struct fdb *fdb, uint32_t slot)
{
	assert(fdb->holder[slot].count[FDB_LIST_LEARNED] > 0);
	entry_lose(fdb, fdb->holder[slot].list[FDB_LIST_LEARNED].first);
}

static uint32_t holder_limit(const struct fdb_segment *segment, const struct fdb_where *where)
{
	const struct fdb_limits *limits = &segment->limits;

	if (where->side == FDB_SIDE_LOCAL)
		return limits->holder_max;
	return limits->wire_max && !ipaddr_is_set(&where->remote) ? limits->wire_max
								  : limits->remote_max;
}

/*
 * Who has to lose an entry so that `holder` (FDB_NONE: a new one) can have one
 * more at `where`: *victim, FDB_NONE if nobody. false when there is no room to
 * be made. A `move` adds to the holder only. Between equals the newcomer pays:
 * with its new entry it is the largest.
 */
static bool room_find(const struct fdb *fdb, const struct fdb_segment *segment, uint32_t holder,
		      const struct fdb_where *where, bool move, uint32_t *victim)
{
	const uint32_t limit = holder_limit(segment, where);
	const uint32_t own = fdb->holder[holder].count[FDB_LIST_LEARNED]; /* slot 0 has none */

	*victim = FDB_NONE;
	if (limit == 0 || segment->limits.max == 0)
		return false;
	if (fdb_holder_total(&fdb->holder[holder]) >= limit) {
		*victim = holder;
		return own > 0;
	}
	if (move)
		return true;
	if (segment->count >= segment->limits.max)
		*victim = fdb_heap_top(fdb, &segment->heap);
	else if (fdb->entries.count >= fdb->capacity)
		*victim = fdb_heap_top(fdb, &fdb->heap);
	else
		return true;
	if (*victim == FDB_NONE)
		return false;
	if (own >= fdb->holder[*victim].count[FDB_LIST_LEARNED])
		*victim = holder;
	return true;
}

/*
 * Goes through the holders of a segment while entries are removed. Removing one can
 * free any holder without entries, so the one at hand has a reference. A walk goes
 * to its end, or is left by walk_end().
 */
static uint32_t walk_first(struct fdb *fdb, const struct fdb_segment *segment)
{
	fdb_holder_ref(fdb, segment->holders);
	return segment->holders;
}

static void walk_end(struct fdb *fdb, uint32_t slot)
{
	fdb_holder_unref(fdb, slot);
}

static uint32_t walk_next(struct fdb *fdb, uint32_t slot)
{
	const uint32_t next = fdb->holder[slot].next;

	fdb_holder_ref(fdb, next);
	walk_end(fdb, slot);
	return next;
}

struct place {
	struct fdb_segment *segment;
	const struct fdb_where *where;
	uint64_t key;
	uint32_t slot;	 /* the entry, FDB_NONE: a new one */
	uint32_t holder; /* at `where`, FDB_NONE: a new one */
	uint32_t victim;
	bool pin; /* `holder` is where the entry has to stay from now on */
};

/* Puts an entry where room_find() found room. 0 or -ENOMEM. */
static int entry_place(struct fdb *fdb, struct place *place, enum fdb_state state, uint64_t now)
{
	struct fdb_entry *entry;
	uint32_t former = FDB_NONE;

	if (place->holder == FDB_NONE)
		place->holder = fdb_holder_create(fdb, place->segment, place->where);
	if (place->holder == FDB_NONE)
		return -ENOMEM;
	fdb_holder_ref(fdb, place->holder);
	if (place->victim != FDB_NONE)
		holder_lose_oldest(fdb, place->victim);
	if (place->slot == FDB_NONE) {
		place->slot = fdb_entry_alloc(fdb, place->key);
		place->segment->count++;
	} else {
		former = fdb->entry[place->slot].holder;
		fdb_holder_detach(fdb, place->slot);
	}
	entry = &fdb->entry[place->slot];
	entry->state = (uint8_t)state;
	entry->stamp = now;
	fdb_holder_attach(fdb, place->holder, place->slot);
	fdb_holder_unref(fdb, place->holder);
	if (former != place->holder)
		entry->came = (uint32_t)now;
	if (former != FDB_NONE)
		fdb_holder_release(fdb, former);
	return 0;
}

struct fdb *fdb_create(const struct hash_key *key, size_t capacity)
{
	struct fdb *fdb;

	if (capacity > CAPACITY_MAX)
		return NULL;
	fdb = calloc(1, sizeof(*fdb));
	if (!fdb)
		return NULL;
	fdb->key = *key;
	fdb->capacity = (uint32_t)capacity;
	list_init(&fdb->live);
	if (fdb_store_init(fdb) < 0) {
		fdb_store_fini(fdb);
		free(fdb);
		return NULL;
	}
	return fdb;
}

static void segment_free(struct fdb *fdb, struct fdb_segment *segment)
{
	fdb->segment[segment->id] = NULL;
	list_del(&segment->node);
	free(segment->heap.slot);
	free(segment);
}

void fdb_destroy(struct fdb *fdb)
{
	if (!fdb)
		return;
	change_begin(fdb);
	list_for_each_safe (&fdb->live, it)
		segment_free(fdb, container_of(it, struct fdb_segment, node));
	fdb_store_fini(fdb);
	free(fdb);
}

void fdb_on_event(struct fdb *fdb, fdb_event_fn *fn, void *arg)
{
	fdb->event = fn;
	fdb->event_arg = arg;
}

/* Evicts what is beyond the limits; static and sticky entries stay, however many. */
static void segment_trim(struct fdb *fdb, struct fdb_segment *segment)
{
	for (uint32_t slot = walk_first(fdb, segment); slot != FDB_NONE;
	     slot = walk_next(fdb, slot)) {
		const struct fdb_holder *holder = &fdb->holder[slot];
		const uint32_t limit = holder_limit(segment, &holder->where);

		while (fdb_holder_total(holder) > limit && holder->count[FDB_LIST_LEARNED] > 0)
			holder_lose_oldest(fdb, slot);
	}
	while (segment->count > segment->limits.max) {
		const uint32_t slot = fdb_heap_top(fdb, &segment->heap);

		if (slot == FDB_NONE)
			break;
		holder_lose_oldest(fdb, slot);
	}
}

int fdb_segment_set(struct fdb *fdb, uint16_t id, const struct fdb_limits *limits)
{
	struct fdb_segment *segment = fdb->segment[id];

	change_begin(fdb);
	if (!limits)
		return -EINVAL;
	if (segment) {
		segment->limits = *limits;
		segment_trim(fdb, segment);
		return 0;
	}
	segment = calloc(1, sizeof(*segment));
	if (!segment)
		return -ENOMEM;
	segment->id = id;
	segment->limits = *limits;
	segment->heap.kind = FDB_HEAP_SEGMENT;
	list_add_tail(&fdb->live, &segment->node);
	fdb->segment[id] = segment;
	return 0;
}

void fdb_segment_del(struct fdb *fdb, uint16_t id)
{
	struct fdb_segment *segment = fdb->segment[id];

	change_begin(fdb);
	if (!segment)
		return;
	(void)fdb_flush(fdb, id, NULL, true);
	assert(segment->count == 0 && segment->holders == FDB_NONE);
	segment_free(fdb, segment);
}

size_t fdb_segment_count(const struct fdb *fdb, uint16_t id)
{
	return fdb->segment[id] ? fdb->segment[id]->count : 0;
}

struct fdb_counters fdb_segment_counters(const struct fdb *fdb, uint16_t id)
{
	return fdb->segment[id] ? fdb->segment[id]->counters : (struct fdb_counters){0};
}

/*
 * Where an entry that bounces has to stay: its home, if there is one still and it has
 * room. The frame may be from there.
 */
static enum fdb_verdict decide_pin(const struct fdb *fdb, struct place *place)
{
	const struct fdb_entry *entry = &fdb->entry[place->slot];
	const struct fdb_holder *home = &fdb->holder[entry->home];

	place->pin = true;
	place->holder = entry->home;
	if (!entry_has_home(fdb, entry) ||
	    (entry->home != entry->holder &&
	     !room_find(fdb, place->segment, entry->home, &home->where, true, &place->victim)))
		place->holder = entry->holder;
	return fdb_where_equal(&fdb->holder[place->holder].where, place->where) ? FDB_MOVED
										: FDB_PINNED;
}

/*
 * What becomes of a frame from elsewhere than where the entry is (slot), or from
 * an unknown source (FDB_NONE). For FDB_NEW and FDB_MOVED, who makes room.
 */
static enum fdb_verdict decide(const struct fdb *fdb, struct place *place, uint64_t now)
{
	const struct fdb_entry *entry = &fdb->entry[place->slot];
	const bool known = place->slot != FDB_NONE;

	if (known && entry->state != FDB_LEARNED)
		return FDB_FIXED;
	if (known && fdb_entry_pinned(entry, now))
		return FDB_PINNED;
	if (known && entry_bounces(entry, now))
		return decide_pin(fdb, place);
	place->holder = fdb_holder_find(fdb, fdb_key_segment(place->key), place->where);
	if (!room_find(fdb, place->segment, place->holder, place->where, known, &place->victim))
		return FDB_FULL;
	return known ? FDB_MOVED : FDB_NEW;
}

/*
 * Where it was is kept until it is elsewhere: perhaps that is its home from now on. Its
 * former home is left only then, since that may be where it goes.
 */
static enum fdb_verdict learn_move(struct fdb *fdb, struct place *place, uint64_t now)
{
	struct fdb_entry *entry = &fdb->entry[place->slot];
	const uint32_t from = entry->holder;
	const bool new_home = !entry_has_home(fdb, entry) || entry_settled(entry, now);
	const struct fdb_where from_where = fdb->holder[from].where;
	int rc;

	fdb_holder_ref(fdb, from);
	rc = entry_place(fdb, place, FDB_LEARNED, now);
	if (rc == 0 && new_home)
		entry_set_home(fdb, entry, from);
	fdb_holder_unref(fdb, from);
	if (rc < 0)
		return FDB_FULL;
	entry_count_move(entry, now);
	place->segment->counters.moved++;
	event_entry(fdb, FDB_EVENT_MOVED, place->slot, &from_where);
	return FDB_MOVED;
}

/* Puts a MAC that bounces where it has to stay. */
static void learn_pin(struct fdb *fdb, struct place *place, uint64_t now)
{
	if (place->holder != fdb->entry[place->slot].holder) {
		(void)entry_place(fdb, place, FDB_LEARNED, now); /* a holder is there */
		place->segment->counters.moved++;
	}
	entry_set_mark(&fdb->entry[place->slot], now, FDB_MOVES_PINNED);
	event_entry(fdb, FDB_EVENT_PINNED, place->slot, NULL);
}

/* A copy of `where`: the caller's may be what fdb_lookup() gave him. */
static enum fdb_verdict learn_change(struct fdb *fdb, struct place place, struct fdb_where where,
				     uint64_t now)
{
	enum fdb_verdict verdict;

	place.where = &where;
	if (place.slot != FDB_NONE && fdb_entry_aged(fdb, &fdb->entry[place.slot], now)) {
		entry_lose(fdb, place.slot);
		place.slot = FDB_NONE;
	}
	verdict = decide(fdb, &place, now);
	if (place.pin) {
		learn_pin(fdb, &place, now);
	} else if (verdict == FDB_MOVED) {
		verdict = learn_move(fdb, &place, now);
	} else if (verdict == FDB_NEW) {
		if (entry_place(fdb, &place, FDB_LEARNED, now) < 0)
			return FDB_FULL;
		place.segment->counters.learned++;
		event_entry(fdb, FDB_EVENT_LEARNED, place.slot, NULL);
	}
	return verdict;
}

/* Whether an entry is alive, and at `where`. */
static bool entry_is_at(const struct fdb *fdb, uint32_t slot, const struct fdb_where *where,
			uint64_t now)
{
	const struct fdb_entry *entry = &fdb->entry[slot];

	return slot != FDB_NONE && !fdb_entry_aged(fdb, entry, now) &&
	       fdb_where_equal(&fdb->holder[entry->holder].where, where);
}

enum fdb_verdict fdb_learn(struct fdb *fdb, uint16_t id, const struct mac *mac,
			   const struct fdb_where *where, uint64_t now)
{
	struct place place = {.segment = fdb->segment[id], .key = fdb_key(id, mac)};

	change_begin(fdb);
	assert(!mac_is_group(mac));
	if (!place.segment)
		return FDB_FULL;
	time_passes(fdb, now);
	place.slot = fdb_find(fdb, place.key);
	if (!entry_is_at(fdb, place.slot, where, now))
		return learn_change(fdb, place, *where, now);
	fdb_holder_refresh(fdb, place.slot, now);
	return FDB_KNOWN;
}

enum fdb_verdict fdb_probe(const struct fdb *fdb, uint16_t id, const struct mac *mac,
			   const struct fdb_where *where, uint64_t now)
{
	struct place place = {.segment = fdb->segment[id], .where = where, .key = fdb_key(id, mac)};

	if (!place.segment)
		return FDB_FULL;
	place.slot = fdb_find(fdb, place.key);
	if (entry_is_at(fdb, place.slot, where, now))
		return FDB_KNOWN;
	if (place.slot != FDB_NONE && fdb_entry_aged(fdb, &fdb->entry[place.slot], now))
		place.slot = FDB_NONE;
	return decide(fdb, &place, now);
}

const struct fdb_where *fdb_lookup(const struct fdb *fdb, uint16_t id, const struct mac *mac,
				   uint64_t now)
{
	const uint32_t slot = fdb_find(fdb, fdb_key(id, mac));

	if (slot == FDB_NONE || fdb_entry_aged(fdb, &fdb->entry[slot], now))
		return NULL;
	return &fdb->holder[fdb->entry[slot].holder].where;
}

int fdb_add(struct fdb *fdb, uint16_t id, const struct mac *mac, const struct fdb_where *where,
	    enum fdb_state state, uint64_t now)
{
	const struct fdb_where copy = *where;
	struct place place = {.segment = fdb->segment[id], .where = &copy, .key = fdb_key(id, mac)};
	int rc;

	change_begin(fdb);
	assert(state <= FDB_STICKY);
	if (!place.segment)
		return -ENOENT;
	time_passes(fdb, now);
	place.slot = fdb_find(fdb, place.key);
	if (place.slot != FDB_NONE && fdb_entry_aged(fdb, &fdb->entry[place.slot], now)) {
		entry_lose(fdb, place.slot);
		place.slot = FDB_NONE;
	}
	if (place.slot != FDB_NONE && fdb->entry[place.slot].state != FDB_LEARNED)
		return -EEXIST;
	place.holder = fdb_holder_find(fdb, id, &copy);
	/* One that stays where it is takes no room. */
	if ((place.slot == FDB_NONE || fdb->entry[place.slot].holder != place.holder) &&
	    !room_find(fdb, place.segment, place.holder, &copy, place.slot != FDB_NONE,
		       &place.victim))
		return -ENOSPC;
	rc = entry_place(fdb, &place, state, now);
	if (rc == 0) {
		entry_set_mark(&fdb->entry[place.slot], 0, 0);
		entry_set_home(fdb, &fdb->entry[place.slot], FDB_NONE);
	}
	return rc;
}

int fdb_del(struct fdb *fdb, uint16_t id, const struct mac *mac)
{
	const uint32_t slot = fdb_find(fdb, fdb_key(id, mac));

	change_begin(fdb);
	if (slot == FDB_NONE)
		return -ENOENT;
	entry_remove(fdb, slot);
	return 0;
}

/* Empties one list of a holder, but leaves the holder. */
static size_t holder_clear(struct fdb *fdb, uint32_t slot, enum fdb_holder_list list)
{
	size_t count = 0;

	while (fdb->holder[slot].list[list].first != FDB_NONE) {
		entry_remove(fdb, fdb->holder[slot].list[list].first);
		count++;
	}
	return count;
}

static bool where_matches(const struct fdb_where *where, const struct fdb_where *pattern)
{
	if (pattern->side != FDB_SIDE_LOCAL && !ipaddr_is_set(&pattern->remote))
		return where->side == pattern->side;
	return fdb_where_equal(where, pattern);
}

size_t fdb_flush(struct fdb *fdb, uint16_t id, const struct fdb_where *where, bool fixed_too)
{
	const struct fdb_segment *segment = fdb->segment[id];
	const struct fdb_where pattern = where ? *where : (struct fdb_where){0};
	size_t count = 0;
	uint32_t next;

	change_begin(fdb);
	if (!segment)
		return 0;
	for (uint32_t slot = walk_first(fdb, segment); slot != FDB_NONE; slot = next) {
		const bool matches = !where || where_matches(&fdb->holder[slot].where, &pattern);

		if (matches)
			count += holder_clear(fdb, slot, FDB_LIST_LEARNED);
		if (matches && fixed_too)
			count += holder_clear(fdb, slot, FDB_LIST_FIXED);
		next = fdb->holder[slot].next;
		fdb_holder_ref(fdb, next);
		/* Without `where` all who could call it their home go, too. */
		if (matches && where)
			fdb_holder_disown(fdb, slot);
		walk_end(fdb, slot);
	}
	return count;
}

/*
 * Removes the aged entries of a holder. They are at the front, but within the
 * second in which the first live one was heard the order is not exact.
 */
static size_t holder_age(struct fdb *fdb, uint32_t slot, uint64_t deadline, size_t max)
{
	uint32_t next, entry_slot = fdb->holder[slot].list[FDB_LIST_LEARNED].first;
	size_t count = 0;

	for (; entry_slot != FDB_NONE && count < max; entry_slot = next) {
		const struct fdb_entry *entry = &fdb->entry[entry_slot];

		next = entry->next;
		if (entry->stamp / FDB_SECOND > deadline / FDB_SECOND)
			break;
		if (entry->stamp > deadline)
			continue;
		entry_lose(fdb, entry_slot);
		count++;
	}
	return count;
}

size_t fdb_age_some(struct fdb *fdb, uint64_t now, size_t max)
{
	size_t count = 0;

	change_begin(fdb);
	time_passes(fdb, now);
	now = fdb->now;
	list_for_each (&fdb->live, it) {
		const struct fdb_segment *segment = container_of(it, struct fdb_segment, node);
		const uint32_t ageing = segment->limits.ageing_ms;
		uint32_t slot;

		if (ageing == 0 || now < ageing)
			continue;
		for (slot = walk_first(fdb, segment); slot != FDB_NONE && count < max;
		     slot = walk_next(fdb, slot))
			count += holder_age(fdb, slot, now - ageing, max - count);
		walk_end(fdb, slot);
	}
	return count;
}

size_t fdb_age(struct fdb *fdb, uint64_t now)
{
	return fdb_age_some(fdb, now, SIZE_MAX);
}
