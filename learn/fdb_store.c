/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <sys/mman.h>

#include "learn/fdb_internal.h"

#define BUCKETS_MIN 16u

/*
 * Swap is not reserved: the size is that of a full table, and most never fill.
 */
static void *area_map(size_t count, size_t size)
{
	void *area = mmap(NULL, count * size, PROT_READ | PROT_WRITE, /* @syscall mmap */
			  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return area == MAP_FAILED ? NULL : area;
}

static void area_unmap(void *area, size_t count, size_t size)
{
	if (area)
		munmap(area, count * size); /* @syscall munmap */
}

static uint32_t entry_hash(const struct fdb *fdb, uint32_t slot)
{
	return (uint32_t)hash_u64(&fdb->key, fdb->entry[slot].key);
}

static uint32_t *entry_chain(struct fdb *fdb, uint32_t slot)
{
	return &fdb->entry[slot].chain;
}

static uint32_t holder_hash(const struct fdb *fdb, uint32_t slot)
{
	return fdb->holder[slot].hash;
}

static uint32_t *holder_chain(struct fdb *fdb, uint32_t slot)
{
	return &fdb->holder[slot].chain;
}

static int index_init(struct fdb_index *index, uint32_t capacity)
{
	index->max = capacity > BUCKETS_MIN ? capacity : BUCKETS_MIN;
	index->mask = BUCKETS_MIN - 1;
	index->bucket = area_map(index->max, sizeof(*index->bucket));
	return index->bucket ? 0 : -ENOMEM;
}

static size_t entry_slots(const struct fdb *fdb)
{
	return (size_t)fdb->capacity + 1;
}

/*
 * Slot 0 is none. Each entry has a holder and may have another as its home; one may
 * be made before the one it replaces is gone, and one is worked on.
 */
static size_t holder_slots(const struct fdb *fdb)
{
	return 2 * (size_t)fdb->capacity + 3;
}

int fdb_store_init(struct fdb *fdb)
{
	fdb->entries.hash = entry_hash;
	fdb->entries.chain = entry_chain;
	fdb->holders.hash = holder_hash;
	fdb->holders.chain = holder_chain;
	fdb->heap.kind = FDB_HEAP_TABLE;
	fdb->heap.room = (uint32_t)holder_slots(fdb);
	fdb->entry = area_map(entry_slots(fdb), sizeof(*fdb->entry));
	fdb->holder = area_map(holder_slots(fdb), sizeof(*fdb->holder));
	fdb->heap.slot = area_map(fdb->heap.room, sizeof(*fdb->heap.slot));
	if (!fdb->entry || !fdb->holder || !fdb->heap.slot)
		return -ENOMEM;
	if (index_init(&fdb->entries, fdb->capacity) < 0)
		return -ENOMEM;
	return index_init(&fdb->holders, 2 * fdb->capacity);
}

void fdb_store_fini(struct fdb *fdb)
{
	area_unmap(fdb->holders.bucket, fdb->holders.max, sizeof(*fdb->holders.bucket));
	area_unmap(fdb->entries.bucket, fdb->entries.max, sizeof(*fdb->entries.bucket));
	area_unmap(fdb->heap.slot, fdb->heap.room, sizeof(*fdb->heap.slot));
	area_unmap(fdb->holder, holder_slots(fdb), sizeof(*fdb->holder));
	area_unmap(fdb->entry, entry_slots(fdb), sizeof(*fdb->entry));
}

/* Deals the next bucket of this round out to itself and to one new bucket. */
static void index_split(struct fdb *fdb, struct fdb_index *index)
{
	const uint32_t bit = index->mask + 1;
	const uint32_t to = index->split + bit;
	uint32_t *stay = &index->bucket[index->split];
	uint32_t *go = &index->bucket[to];
	uint32_t slot = *stay;

	assert(to < index->max && *go == FDB_NONE);
	while (slot != FDB_NONE) {
		uint32_t *chain = index->chain(fdb, slot);
		uint32_t **tail = index->hash(fdb, slot) & bit ? &go : &stay;

		**tail = slot;
		*tail = chain;
		slot = *chain;
	}
	*stay = *go = FDB_NONE;
	if (++index->split == bit) {
		index->mask = 2 * index->mask + 1;
		index->split = 0;
	}
}

void fdb_index_insert(struct fdb *fdb, struct fdb_index *index, uint32_t slot)
{
	uint32_t buckets = index->mask + 1 + index->split;
	uint32_t *bucket;

	if (index->count >= buckets && buckets < index->max)
		index_split(fdb, index);
	bucket = &index->bucket[fdb_index_bucket(index, index->hash(fdb, slot))];
	*index->chain(fdb, slot) = *bucket;
	*bucket = slot;
	index->count++;
}

void fdb_index_remove(struct fdb *fdb, struct fdb_index *index, uint32_t slot)
{
	uint32_t *link = &index->bucket[fdb_index_bucket(index, index->hash(fdb, slot))];

	while (*link != slot) {
		assert(*link != FDB_NONE);
		link = index->chain(fdb, *link);
	}
	*link = *index->chain(fdb, slot);
	assert(index->count > 0);
	index->count--;
}

uint32_t fdb_entry_alloc(struct fdb *fdb, uint64_t key)
{
	uint32_t slot = fdb->entry_free;

	if (slot != FDB_NONE) {
		fdb->entry_free = fdb->entry[slot].chain;
	} else {
		assert(fdb->entry_high < fdb->capacity);
		slot = ++fdb->entry_high;
	}
	memset(&fdb->entry[slot], 0, sizeof(fdb->entry[slot]));
	fdb->entry[slot].key = key;
	fdb_index_insert(fdb, &fdb->entries, slot);
	return slot;
}

void fdb_entry_free(struct fdb *fdb, uint32_t slot)
{
	struct fdb_entry *entry = &fdb->entry[slot];

	assert(entry->holder == FDB_NONE);
	fdb_index_remove(fdb, &fdb->entries, slot);
	entry->chain = fdb->entry_free;
	fdb->entry_free = slot;
}
