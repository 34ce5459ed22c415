/* SPDX-License-Identifier: BSD-2-Clause */
#include <stdlib.h>

#include "learn/fdb_internal.h"

static uint32_t heap_weight(const struct fdb *fdb, const struct fdb_heap *heap, uint32_t place)
{
	return fdb->holder[heap->slot[place]].count[FDB_LIST_LEARNED];
}

static void heap_put(struct fdb *fdb, struct fdb_heap *heap, uint32_t place, uint32_t slot)
{
	heap->slot[place] = slot;
	fdb->holder[slot].place[heap->kind] = place;
}

static void heap_up(struct fdb *fdb, struct fdb_heap *heap, uint32_t place)
{
	const uint32_t slot = heap->slot[place];
	const uint32_t weight = heap_weight(fdb, heap, place);

	while (place > 0 && heap_weight(fdb, heap, (place - 1) / 2) < weight) {
		heap_put(fdb, heap, place, heap->slot[(place - 1) / 2]);
		place = (place - 1) / 2;
	}
	heap_put(fdb, heap, place, slot);
}

static void heap_down(struct fdb *fdb, struct fdb_heap *heap, uint32_t place)
{
	const uint32_t slot = heap->slot[place];
	const uint32_t weight = heap_weight(fdb, heap, place);

	for (;;) {
		uint32_t child = 2 * place + 1;

		if (child >= heap->count)
			break;
		if (child + 1 < heap->count &&
		    heap_weight(fdb, heap, child + 1) > heap_weight(fdb, heap, child))
			child++;
		if (heap_weight(fdb, heap, child) <= weight)
			break;
		heap_put(fdb, heap, place, heap->slot[child]);
		place = child;
	}
	heap_put(fdb, heap, place, slot);
}

static void heap_add(struct fdb *fdb, struct fdb_heap *heap, uint32_t slot)
{
	assert(heap->count < heap->room);
	heap->slot[heap->count] = slot;
	heap_up(fdb, heap, heap->count++);
}

/* Only of one without learned entries: nothing below it can be larger. */
static void heap_remove(struct fdb *fdb, struct fdb_heap *heap, uint32_t slot)
{
	const uint32_t place = fdb->holder[slot].place[heap->kind];
	uint32_t last;

	assert(place < heap->count && heap->slot[place] == slot);
	assert(heap_weight(fdb, heap, place) == 0);
	last = heap->slot[--heap->count];
	if (last == slot)
		return;
	heap_put(fdb, heap, place, last);
	heap_up(fdb, heap, place);
}

/* Room for one more, so that heap_add() cannot fail. */
static bool heap_reserve(struct fdb_heap *heap)
{
	uint32_t room = heap->room ? 2 * heap->room : 4;
	uint32_t *slot;

	if (heap->count < heap->room)
		return true;
	slot = realloc(heap->slot, room * sizeof(*slot));
	if (!slot)
		return false;
	heap->slot = slot;
	heap->room = room;
	return true;
}

uint32_t fdb_heap_top(const struct fdb *fdb, const struct fdb_heap *heap)
{
	if (heap->count == 0 || heap_weight(fdb, heap, 0) == 0)
		return FDB_NONE;
	return heap->slot[0];
}

static struct fdb_segment *segment_of(struct fdb *fdb, const struct fdb_holder *holder)
{
	struct fdb_segment *segment = fdb->segment[holder->segment];

	assert(segment);
	return segment;
}

/* What identifies a holder, as memory without gaps. */
struct holder_name {
	struct fdb_where where;
	uint32_t segment;
};

static_assert(sizeof(struct holder_name) == sizeof(struct fdb_where) + sizeof(uint32_t),
	      "no padding in what is hashed");

static uint32_t name_hash(const struct fdb *fdb, uint16_t segment, const struct fdb_where *where)
{
	const struct holder_name name = {.where = *where, .segment = segment};

	return (uint32_t)hash_bytes(&fdb->key, &name, sizeof(name));
}

uint32_t fdb_holder_find(const struct fdb *fdb, uint16_t segment, const struct fdb_where *where)
{
	const uint32_t hash = name_hash(fdb, segment, where);
	uint32_t slot = fdb->holders.bucket[fdb_index_bucket(&fdb->holders, hash)];

	while (slot != FDB_NONE) {
		const struct fdb_holder *holder = &fdb->holder[slot];

		if (holder->hash == hash && holder->segment == segment &&
		    fdb_where_equal(&holder->where, where))
			break;
		slot = holder->chain;
	}
	return slot;
}

uint32_t fdb_holder_create(struct fdb *fdb, struct fdb_segment *segment,
			   const struct fdb_where *where)
{
	uint32_t slot = fdb->holder_free;
	struct fdb_holder *holder;

	if (!heap_reserve(&segment->heap))
		return FDB_NONE;
	if (slot != FDB_NONE) {
		fdb->holder_free = fdb->holder[slot].chain;
	} else {
		assert(fdb->holder_high <= 2 * fdb->capacity + 1);
		slot = ++fdb->holder_high;
	}
	holder = &fdb->holder[slot];
	memset(holder, 0, sizeof(*holder));
	holder->where = *where;
	holder->segment = segment->id;
	holder->hash = name_hash(fdb, segment->id, where);
	holder->next = segment->holders;
	if (holder->next != FDB_NONE)
		fdb->holder[holder->next].prev = slot;
	segment->holders = slot;
	heap_add(fdb, &segment->heap, slot);
	heap_add(fdb, &fdb->heap, slot);
	fdb_index_insert(fdb, &fdb->holders, slot);
	return slot;
}

/* Out of everything by which it could be found. */
static void holder_unlink(struct fdb *fdb, uint32_t slot)
{
	struct fdb_holder *holder = &fdb->holder[slot];
	struct fdb_segment *segment = segment_of(fdb, holder);

	fdb_index_remove(fdb, &fdb->holders, slot);
	heap_remove(fdb, &segment->heap, slot);
	heap_remove(fdb, &fdb->heap, slot);
	if (holder->prev != FDB_NONE)
		fdb->holder[holder->prev].next = holder->next;
	else
		segment->holders = holder->next;
	if (holder->next != FDB_NONE)
		fdb->holder[holder->next].prev = holder->prev;
}

void fdb_holder_release(struct fdb *fdb, uint32_t slot)
{
	struct fdb_holder *holder = &fdb->holder[slot];

	if (fdb_holder_total(holder) > 0 || holder->refs > 0)
		return;
	if (holder->segment != FDB_HOLDER_GONE)
		holder_unlink(fdb, slot);
	holder->chain = fdb->holder_free;
	fdb->holder_free = slot;
}

void fdb_holder_ref(struct fdb *fdb, uint32_t slot)
{
	if (slot != FDB_NONE)
		fdb->holder[slot].refs++;
}

void fdb_holder_unref(struct fdb *fdb, uint32_t slot)
{
	if (slot == FDB_NONE)
		return;
	assert(fdb->holder[slot].refs > 0);
	fdb->holder[slot].refs--;
	fdb_holder_release(fdb, slot);
}

/*
 * Those who have it as their home cannot be found, so that it is the holder that
 * goes: a new one takes over what entries it has, and the old one waits for the
 * last reference.
 */
void fdb_holder_disown(struct fdb *fdb, uint32_t slot)
{
	struct fdb_holder *old = &fdb->holder[slot], *new;
	struct fdb_segment *segment;
	uint32_t new_slot;

	assert(old->count[FDB_LIST_LEARNED] == 0);
	if (old->refs <= 1 || old->segment == FDB_HOLDER_GONE)
		return;
	segment = segment_of(fdb, old);
	holder_unlink(fdb, slot);
	old->segment = FDB_HOLDER_GONE;
	if (fdb_holder_total(old) == 0)
		return;
	new_slot = fdb_holder_create(fdb, segment, &old->where);
	assert(new_slot != FDB_NONE); /* the heaps have room: it left them just now */
	new = &fdb->holder[new_slot];
	new->heard = old->heard;
	new->list[FDB_LIST_FIXED] = old->list[FDB_LIST_FIXED];
	new->count[FDB_LIST_FIXED] = old->count[FDB_LIST_FIXED];
	old->count[FDB_LIST_FIXED] = 0;
	for (uint32_t it = new->list[FDB_LIST_FIXED].first; it != FDB_NONE;
	     it = fdb->entry[it].next)
		fdb->entry[it].holder = new_slot;
}

/* Into or out of a list; the counts and heaps are the caller's. */
static void list_append(struct fdb *fdb, struct fdb_holder *holder, uint32_t entry_slot)
{
	struct fdb_entry *entry = &fdb->entry[entry_slot];
	const enum fdb_holder_list list = fdb_entry_list(entry);
	const uint32_t last = holder->list[list].last;

	entry->prev = last;
	entry->next = FDB_NONE;
	if (last != FDB_NONE)
		fdb->entry[last].next = entry_slot;
	else
		holder->list[list].first = entry_slot;
	holder->list[list].last = entry_slot;
}

static void list_remove(struct fdb *fdb, struct fdb_holder *holder, uint32_t entry_slot)
{
	const struct fdb_entry *entry = &fdb->entry[entry_slot];
	const enum fdb_holder_list list = fdb_entry_list(entry);

	if (entry->prev != FDB_NONE)
		fdb->entry[entry->prev].next = entry->next;
	else
		holder->list[list].first = entry->next;
	if (entry->next != FDB_NONE)
		fdb->entry[entry->next].prev = entry->prev;
	else
		holder->list[list].last = entry->prev;
}

void fdb_holder_attach(struct fdb *fdb, uint32_t slot, uint32_t entry_slot)
{
	struct fdb_holder *holder = &fdb->holder[slot];
	struct fdb_entry *entry = &fdb->entry[entry_slot];

	assert(entry->holder == FDB_NONE);
	assert(fdb_key_segment(entry->key) == holder->segment);
	entry->holder = slot;
	if (entry->stamp > holder->heard)
		holder->heard = entry->stamp;
	list_append(fdb, holder, entry_slot);
	holder->count[fdb_entry_list(entry)]++;
	if (entry->state == FDB_LEARNED) {
		heap_up(fdb, &segment_of(fdb, holder)->heap, holder->place[FDB_HEAP_SEGMENT]);
		heap_up(fdb, &fdb->heap, holder->place[FDB_HEAP_TABLE]);
	}
}

void fdb_holder_detach(struct fdb *fdb, uint32_t entry_slot)
{
	struct fdb_entry *entry = &fdb->entry[entry_slot];
	struct fdb_holder *holder = &fdb->holder[entry->holder];

	assert(entry->holder != FDB_NONE && holder->count[fdb_entry_list(entry)] > 0);
	list_remove(fdb, holder, entry_slot);
	holder->count[fdb_entry_list(entry)]--;
	if (entry->state == FDB_LEARNED) {
		heap_down(fdb, &segment_of(fdb, holder)->heap, holder->place[FDB_HEAP_SEGMENT]);
		heap_down(fdb, &fdb->heap, holder->place[FDB_HEAP_TABLE]);
	}
	entry->holder = FDB_NONE;
}

void fdb_holder_refresh(struct fdb *fdb, uint32_t entry_slot, uint64_t now)
{
	struct fdb_entry *entry = &fdb->entry[entry_slot];
	struct fdb_holder *holder = &fdb->holder[entry->holder];
	const uint64_t then = entry->stamp;

	if (now <= then)
		return;
	entry->stamp = now;
	if (now > holder->heard)
		holder->heard = now;
	/* Frames of one second would only shuffle the list, a cache miss each. */
	if (then / FDB_SECOND == now / FDB_SECOND || entry->next == FDB_NONE ||
	    entry->state != FDB_LEARNED)
		return;
	list_remove(fdb, holder, entry_slot);
	list_append(fdb, holder, entry_slot);
}
