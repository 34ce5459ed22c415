/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How the forwarding database is built. Entries and holders are slots of two
 * anonymous mappings that are sized for the capacity at the start; pages never
 * touched cost nothing, slots never move, and slot 0 is "none", so that zeroed
 * memory is empty. Both are found through linear hashing: the table of buckets
 * grows by one bucket with each insertion beyond one item a bucket, hence no
 * frame ever waits for a rehash.
 *
 * A holder is a location of one segment. It is there as long as it has entries or is
 * the home of entries that have moved away. It keeps its learned entries in the
 * order in which they were heard, to the second: an entry goes to the end with
 * the first frame of each second, later ones only write its stamp, which is
 * exact. Two heaps of holders, one for each segment and one for the table, have
 * the one with most learned entries on top.
 */
#ifndef TVD_FDB_INTERNAL_H
#define TVD_FDB_INTERNAL_H

#include <assert.h>
#include <string.h>

#include "learn/fdb.h"
#include "lib/list.h"

#define FDB_NONE	 0u
#define FDB_MOVES_PINNED 0xffu /* in place of a number of moves */
#define FDB_SECOND	 1000u

static_assert(FDB_BOUNCE_LIMIT < FDB_MOVES_PINNED, "moves are counted in a byte");

struct fdb_entry {
	uint64_t key;	     /* fdb_key() */
	uint64_t stamp;	     /* when it was heard */
	uint32_t chain;	     /* next of its bucket, or next free slot */
	uint32_t holder;     /* FDB_NONE: a free slot */
	uint32_t prev, next; /* in a list of its holder */
	uint32_t mark_low;   /* 48 bits of time: since when moves are counted, */
	uint16_t mark_high;  /* or since when it is pinned */
	uint8_t moves;	     /* since the mark, or FDB_MOVES_PINNED */
	uint8_t state;	     /* enum fdb_state */
	uint32_t home;	     /* the holder where it last settled, FDB_NONE: nowhere else */
	uint32_t came;	     /* when it came to its holder, modulo 2^32: who mistakes 49
			      * days for a second sends it to the home before */
};

static_assert(sizeof(struct fdb_entry) == 48, "an entry is meant to be small");

/* Learned entries, the oldest first; static and sticky ones, in no order. */
enum fdb_holder_list { FDB_LIST_LEARNED, FDB_LIST_FIXED, FDB_LISTS };

enum fdb_heap_kind { FDB_HEAP_SEGMENT, FDB_HEAP_TABLE, FDB_HEAPS };

struct fdb_holder {
	struct fdb_where where;
	uint32_t segment; /* hashed and compared together with `where`, as memory */
	uint64_t heard;	  /* when the last of its entries was */
	uint32_t chain;	  /* next of its bucket, or next free slot */
	uint32_t hash;
	uint32_t count[FDB_LISTS];
	uint32_t refs; /* entries whose home it is, and whoever is at work on it */
	struct {
		uint32_t first, last;
	} list[FDB_LISTS];
	uint32_t place[FDB_HEAPS]; /* where it is in each heap */
	uint32_t prev, next;	   /* among the holders of its segment */
};

/* In place of a segment: nobody is to be sent home to it, nor to find it. */
#define FDB_HOLDER_GONE UINT32_MAX

static_assert(offsetof(struct fdb_holder, segment) == sizeof(struct fdb_where),
	      "no padding between what is hashed");

/* A binary heap of holders by learned entries, most on top. */
struct fdb_heap {
	enum fdb_heap_kind kind;
	uint32_t count, room;
	uint32_t *slot;
};

struct fdb_segment {
	struct list node; /* of fdb->live */
	uint16_t id;
	uint32_t count; /* of entries */
	uint32_t holders;
	struct fdb_limits limits;
	struct fdb_counters counters;
	struct fdb_heap heap;
};

/* Buckets of linear hashing over the slots of one mapping. */
struct fdb_index {
	uint32_t *bucket;
	uint32_t max;	/* buckets that there is room for */
	uint32_t mask;	/* buckets at the start of this round, minus 1 */
	uint32_t split; /* buckets below it were split in this round */
	uint32_t count; /* of items */
	uint32_t (*hash)(const struct fdb *fdb, uint32_t slot);
	uint32_t *(*chain)(struct fdb *fdb, uint32_t slot);
};

struct fdb {
	struct hash_key key;
	uint32_t capacity;
	uint64_t now; /* the latest that anybody said */
	struct fdb_entry *entry;
	struct fdb_holder *holder;
	struct fdb_index entries, holders;
	uint32_t entry_free, holder_free; /* slots given back */
	uint32_t entry_high, holder_high; /* slots above it were never used */
	struct fdb_heap heap;
	struct list live; /* segments */
	fdb_event_fn *event;
	void *event_arg;
	bool in_event;
	struct fdb_segment *segment[FDB_SEGMENTS_MAX];
};

/* Loads of four and two bytes: both are one instruction, and nothing is masked. */
static inline uint64_t fdb_key(uint16_t segment, const struct mac *mac)
{
	uint32_t head;
	uint16_t tail;

	memcpy(&head, mac->octet, sizeof(head));
	memcpy(&tail, mac->octet + sizeof(head), sizeof(tail));
	return (uint64_t)head << 32 | (uint64_t)tail << 16 | segment;
}

static inline struct mac fdb_key_mac(uint64_t key)
{
	const uint32_t head = (uint32_t)(key >> 32);
	const uint16_t tail = (uint16_t)(key >> 16);
	struct mac mac;

	memcpy(mac.octet, &head, sizeof(head));
	memcpy(mac.octet + sizeof(head), &tail, sizeof(tail));
	return mac;
}

static inline uint16_t fdb_key_segment(uint64_t key)
{
	return (uint16_t)key;
}

/* Without a branch: which half of the round a bucket is in is a coin toss. */
static inline uint32_t fdb_index_bucket(const struct fdb_index *index, uint32_t hash)
{
	const uint32_t was_split = (hash & index->mask) < index->split;

	return hash & (index->mask << was_split | was_split);
}

/* The slot of a key, or FDB_NONE. */
static inline uint32_t fdb_find(const struct fdb *fdb, uint64_t key)
{
	const uint32_t hash = (uint32_t)hash_u64(&fdb->key, key);
	uint32_t slot = fdb->entries.bucket[fdb_index_bucket(&fdb->entries, hash)];

	while (slot != FDB_NONE && fdb->entry[slot].key != key)
		slot = fdb->entry[slot].chain;
	return slot;
}

/* A clock that steps back makes nothing old. */
static inline uint64_t fdb_since(uint64_t then, uint64_t now)
{
	return now > then ? now - then : 0;
}

static inline bool fdb_where_equal(const struct fdb_where *a, const struct fdb_where *b)
{
	return a->side == b->side && a->port == b->port && ipaddr_equal(&a->remote, &b->remote);
}

static inline uint32_t fdb_holder_total(const struct fdb_holder *holder)
{
	return holder->count[FDB_LIST_LEARNED] + holder->count[FDB_LIST_FIXED];
}

static inline enum fdb_holder_list fdb_entry_list(const struct fdb_entry *entry)
{
	return entry->state == FDB_LEARNED ? FDB_LIST_LEARNED : FDB_LIST_FIXED;
}

static inline bool fdb_entry_aged(const struct fdb *fdb, const struct fdb_entry *entry,
				  uint64_t now)
{
	uint32_t ageing;

	if (entry->state != FDB_LEARNED)
		return false;
	ageing = fdb->segment[fdb_key_segment(entry->key)]->limits.ageing_ms;
	return ageing > 0 && fdb_since(entry->stamp, now) >= ageing;
}

/* Since when moves are counted; 48 bits of milliseconds are nine thousand years. */
static inline uint64_t fdb_entry_mark(const struct fdb_entry *entry)
{
	return (uint64_t)entry->mark_high << 32 | entry->mark_low;
}

static inline bool fdb_entry_pinned(const struct fdb_entry *entry, uint64_t now)
{
	return entry->moves == FDB_MOVES_PINNED &&
	       fdb_since(fdb_entry_mark(entry), now) < FDB_PIN_MS;
}

/* fdb_list.c: an entry as it is shown */

struct fdb_entry_info fdb_entry_info(const struct fdb *fdb, const struct fdb_entry *entry,
				     uint64_t now);

/* fdb_store.c: memory and buckets */

/* Maps everything for fdb->capacity. 0 or -ENOMEM; fdb_store_fini() undoes any part. */
int fdb_store_init(struct fdb *fdb);
void fdb_store_fini(struct fdb *fdb);

void fdb_index_insert(struct fdb *fdb, struct fdb_index *index, uint32_t slot);
void fdb_index_remove(struct fdb *fdb, struct fdb_index *index, uint32_t slot);

/* A slot, in the index and in no list. The caller has seen to it that there is one. */
uint32_t fdb_entry_alloc(struct fdb *fdb, uint64_t key);
void fdb_entry_free(struct fdb *fdb, uint32_t slot);

/* fdb_holder.c */

uint32_t fdb_holder_find(const struct fdb *fdb, uint16_t segment, const struct fdb_where *where);

/* One without entries. FDB_NONE when out of memory. */
uint32_t fdb_holder_create(struct fdb *fdb, struct fdb_segment *segment,
			   const struct fdb_where *where);

/* Frees a holder that has no entries and no references; leaves any other alone. */
void fdb_holder_release(struct fdb *fdb, uint32_t slot);

/* Keeps a holder while it is worked on, or as a home; FDB_NONE is fine. */
void fdb_holder_ref(struct fdb *fdb, uint32_t slot);
void fdb_holder_unref(struct fdb *fdb, uint32_t slot);

/* It is nobody's home any more. Only of one without learned entries, to which the caller
 * has a reference. */
void fdb_holder_disown(struct fdb *fdb, uint32_t slot);

/* Puts an entry at the end of the list for its state, or takes it out. */
void fdb_holder_attach(struct fdb *fdb, uint32_t slot, uint32_t entry_slot);
void fdb_holder_detach(struct fdb *fdb, uint32_t entry_slot);

/* Its entry was heard: the stamp becomes `now`, and its place the last. */
void fdb_holder_refresh(struct fdb *fdb, uint32_t entry_slot, uint64_t now);

/* The holder with most learned entries, FDB_NONE if none has any. */
uint32_t fdb_heap_top(const struct fdb *fdb, const struct fdb_heap *heap);

#endif
