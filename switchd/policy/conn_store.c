/* SPDX-License-Identifier: BSD-2-Clause */
#include <errno.h>
#include <sys/mman.h>

#include "switchd/policy/conn_internal.h"

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

/* Slot 0 is none; a number of connections has 0 too. */
static size_t slots(const struct conns *conns)
{
	return (size_t)conns->limits.max + 1;
}

int conn_store_init(struct conns *conns)
{
	size_t buckets = 16;

	while (buckets < conns->limits.max)
		buckets *= 2;
	conns->mask = (uint32_t)(buckets - 1);
	conns->conn = area_map(slots(conns), sizeof(*conns->conn));
	conns->holder = area_map(slots(conns), sizeof(*conns->holder));
	conns->conn_bucket = area_map(buckets, sizeof(*conns->conn_bucket));
	conns->holder_bucket = area_map(buckets, sizeof(*conns->holder_bucket));
	conns->in_segment = area_map(FDB_SEGMENTS_MAX, sizeof(*conns->in_segment));
	if (!conns->conn || !conns->holder || !conns->conn_bucket || !conns->holder_bucket ||
	    !conns->in_segment)
		return -ENOMEM;
	for (unsigned i = 0; i < CONN_RANKS; i++) {
		conns->rank[i] = area_map(slots(conns), sizeof(*conns->rank[i]));
		if (!conns->rank[i])
			return -ENOMEM;
	}
	return 0;
}

void conn_store_fini(struct conns *conns)
{
	const size_t buckets = (size_t)conns->mask + 1;

	for (unsigned i = 0; i < CONN_RANKS; i++)
		area_unmap(conns->rank[i], slots(conns), sizeof(*conns->rank[i]));
	conns_unwatch(conns);
	area_unmap(conns->in_segment, FDB_SEGMENTS_MAX, sizeof(*conns->in_segment));
	area_unmap(conns->holder_bucket, buckets, sizeof(*conns->holder_bucket));
	area_unmap(conns->conn_bucket, buckets, sizeof(*conns->conn_bucket));
	area_unmap(conns->holder, slots(conns), sizeof(*conns->holder));
	area_unmap(conns->conn, slots(conns), sizeof(*conns->conn));
}

int conns_watch(struct conns *conns)
{
	conns_unwatch(conns);
	conns->told = area_map(slots(conns), sizeof(*conns->told));
	return conns->told ? 0 : -ENOMEM;
}

void conns_unwatch(struct conns *conns)
{
	area_unmap(conns->told, slots(conns), sizeof(*conns->told));
	conns->told = NULL;
}

static uint32_t slot_of(const struct conns *conns, const struct conn *conn)
{
	return (uint32_t)(conn - conns->conn);
}

static enum conn_own own_of(const struct conn *conn)
{
	return conn_state_is_established((enum conn_state)conn->state) ? CONN_OWN_FIRM
								       : CONN_OWN_LOOSE;
}

/* ---- lists of connections ---- */

static void age_append(struct conns *conns, uint32_t slot)
{
	struct conn *conn = &conns->conn[slot];
	struct conn_list *list = &conns->age[conn->state];

	conn->age_prev = list->last;
	conn->age_next = CONN_NONE;
	if (list->last != CONN_NONE)
		conns->conn[list->last].age_next = slot;
	else
		list->first = slot;
	list->last = slot;
}

static void age_remove(struct conns *conns, uint32_t slot)
{
	const struct conn *conn = &conns->conn[slot];
	struct conn_list *list = &conns->age[conn->state];

	if (conn->age_prev != CONN_NONE)
		conns->conn[conn->age_prev].age_next = conn->age_next;
	else
		list->first = conn->age_next;
	if (conn->age_next != CONN_NONE)
		conns->conn[conn->age_next].age_prev = conn->age_prev;
	else
		list->last = conn->age_prev;
}

static void own_append(struct conns *conns, uint32_t slot)
{
	struct conn *conn = &conns->conn[slot];
	struct conn_list *list = &conns->holder[conn->holder].own[own_of(conn)];

	conn->own_prev = list->last;
	conn->own_next = CONN_NONE;
	if (list->last != CONN_NONE)
		conns->conn[list->last].own_next = slot;
	else
		list->first = slot;
	list->last = slot;
}

static void own_remove(struct conns *conns, uint32_t slot)
{
	const struct conn *conn = &conns->conn[slot];
	struct conn_list *list = &conns->holder[conn->holder].own[own_of(conn)];

	if (conn->own_prev != CONN_NONE)
		conns->conn[conn->own_prev].own_next = conn->own_next;
	else
		list->first = conn->own_next;
	if (conn->own_next != CONN_NONE)
		conns->conn[conn->own_next].own_prev = conn->own_prev;
	else
		list->last = conn->own_prev;
}

/* ---- ranks ---- */

static void rank_enter(struct conns *conns, enum conn_rank rank, uint32_t slot)
{
	struct conn_holder *holder = &conns->holder[slot];
	const uint32_t count = holder->count[rank];
	uint32_t *head = &conns->rank[rank][count];

	holder->rank[rank].prev = CONN_NONE;
	holder->rank[rank].next = *head;
	if (*head != CONN_NONE)
		conns->holder[*head].rank[rank].prev = slot;
	*head = slot;
	if (count > conns->top[rank])
		conns->top[rank] = count;
}

static void rank_leave(struct conns *conns, enum conn_rank rank, uint32_t slot)
{
	const struct conn_holder *holder = &conns->holder[slot];
	const uint32_t prev = holder->rank[rank].prev, next = holder->rank[rank].next;

	if (prev != CONN_NONE)
		conns->holder[prev].rank[rank].next = next;
	else
		conns->rank[rank][holder->count[rank]] = next;
	if (next != CONN_NONE)
		conns->holder[next].rank[rank].prev = prev;
}

static void rank_move(struct conns *conns, enum conn_rank rank, uint32_t slot, bool up)
{
	struct conn_holder *holder = &conns->holder[slot];

	assert(up || holder->count[rank] > 0);
	rank_leave(conns, rank, slot);
	holder->count[rank] = up ? holder->count[rank] + 1 : holder->count[rank] - 1;
	rank_enter(conns, rank, slot);
	if (conns->rank[rank][conns->top[rank]] == CONN_NONE && conns->top[rank] > 0)
		conns->top[rank]--; /* the one that left is there */
}

/* ---- holders ---- */

/* What identifies a holder, as memory without gaps. */
struct holder_name {
	struct fdb_where where;
	uint32_t segment;
};

static_assert(sizeof(struct holder_name) == sizeof(struct fdb_where) + sizeof(uint32_t),
	      "no padding in what is hashed");

static uint32_t holder_find(const struct conns *conns, const struct holder_name *name,
			    uint32_t *bucket)
{
	uint32_t slot;

	*bucket = (uint32_t)hash_bytes(&conns->key, name, sizeof(*name)) & conns->mask;
	slot = conns->holder_bucket[*bucket];
	while (slot != CONN_NONE &&
	       (conns->holder[slot].segment != name->segment ||
		memcmp(&conns->holder[slot].where, &name->where, sizeof(name->where)) != 0))
		slot = conns->holder[slot].chain;
	return slot;
}

static uint32_t holder_create(struct conns *conns, const struct holder_name *name, uint32_t bucket)
{
	uint32_t slot = conns->holder_free;
	struct conn_holder *holder;

	if (slot != CONN_NONE) {
		conns->holder_free = conns->holder[slot].chain;
	} else {
		assert(conns->holder_high < conns->limits.max);
		slot = ++conns->holder_high;
	}
	holder = &conns->holder[slot];
	memset(holder, 0, sizeof(*holder));
	holder->where = name->where;
	holder->segment = name->segment;
	holder->bucket = bucket;
	holder->chain = conns->holder_bucket[bucket];
	conns->holder_bucket[bucket] = slot;
	for (unsigned i = 0; i < CONN_RANKS; i++)
		rank_enter(conns, (enum conn_rank)i, slot);
	return slot;
}

static void holder_free(struct conns *conns, uint32_t slot)
{
	struct conn_holder *holder = &conns->holder[slot];
	uint32_t *link = &conns->holder_bucket[holder->bucket];

	for (unsigned i = 0; i < CONN_RANKS; i++)
		rank_leave(conns, (enum conn_rank)i, slot);
	while (*link != slot)
		link = &conns->holder[*link].chain;
	*link = holder->chain;
	holder->chain = conns->holder_free;
	conns->holder_free = slot;
}

/* ---- connections ---- */

/* Who of this holder makes way for another: the oldest, and established ones last. */
static void evict_of(struct conns *conns, uint32_t slot)
{
	const struct conn_holder *holder = &conns->holder[slot];
	const uint32_t loose = holder->own[CONN_OWN_LOOSE].first;

	conns->counters.evicted++;
	conn_store_del(conns,
		       &conns->conn[loose != CONN_NONE ? loose : holder->own[CONN_OWN_FIRM].first]);
}

static void make_room(struct conns *conns, uint32_t holder)
{
	const enum conn_rank rank = conns->top[CONN_RANK_LOOSE] ? CONN_RANK_LOOSE : CONN_RANK_ALL;

	if (holder != CONN_NONE &&
	    conns->holder[holder].count[CONN_RANK_ALL] >= conns->limits.guest_max)
		evict_of(conns, holder);
	else if (conns->count >= conns->limits.max)
		evict_of(conns, conns->rank[rank][conns->top[rank]]);
}

static void enter_lists(struct conns *conns, uint32_t slot)
{
	struct conn *conn = &conns->conn[slot];

	age_append(conns, slot);
	own_append(conns, slot);
	rank_move(conns, CONN_RANK_ALL, conn->holder, true);
	if (own_of(conn) == CONN_OWN_LOOSE)
		rank_move(conns, CONN_RANK_LOOSE, conn->holder, true);
}

struct conn *conn_store_add(struct conns *conns, const uint64_t *key, uint16_t segment,
			    const struct fdb_where *where, enum conn_state state, uint64_t now)
{
	const struct holder_name name = {.where = *where, .segment = segment};
	uint32_t bucket, slot, holder;
	struct conn *conn;

	make_room(conns, holder_find(conns, &name, &bucket));
	/* What made way may have been the last one of this holder. */
	holder = holder_find(conns, &name, &bucket);
	if (holder == CONN_NONE)
		holder = holder_create(conns, &name, bucket);
	slot = conns->conn_free;
	if (slot != CONN_NONE) {
		conns->conn_free = conns->conn[slot].chain;
	} else {
		assert(conns->conn_high < conns->limits.max);
		slot = ++conns->conn_high;
	}
	conn = &conns->conn[slot];
	memset(conn, 0, sizeof(*conn));
	memcpy(conn->key, key, sizeof(conn->key));
	conn->kind = (uint8_t)(key[0] >> 24);
	conn->state = (uint8_t)state;
	conn->stamp = now;
	conn->holder = holder;
	bucket = conn_hash(conns, key) & conns->mask;
	conn->chain = conns->conn_bucket[bucket];
	conns->conn_bucket[bucket] = slot;
	conns->count++;
	conns->in_segment[key[0] >> 48]++;
	conns->in_segment[(uint16_t)(key[0] >> 32)]++;
	enter_lists(conns, slot);
	return conn;
}

void conn_store_del(struct conns *conns, struct conn *conn)
{
	const uint32_t slot = slot_of(conns, conn), holder = conn->holder;
	uint32_t *link = &conns->conn_bucket[conn_hash(conns, conn->key) & conns->mask];

	assert(slot != CONN_NONE && conn->kind && conns->count > 0);
	while (*link != slot) {
		assert(*link != CONN_NONE);
		link = &conns->conn[*link].chain;
	}
	*link = conn->chain;
	age_remove(conns, slot);
	own_remove(conns, slot);
	if (own_of(conn) == CONN_OWN_LOOSE)
		rank_move(conns, CONN_RANK_LOOSE, holder, false);
	rank_move(conns, CONN_RANK_ALL, holder, false);
	if (conns->holder[holder].count[CONN_RANK_ALL] == 0)
		holder_free(conns, holder);
	for (unsigned i = 0; i < CONN_HALVES; i++)
		rule_unref(conn->rule[i]);
	conns->in_segment[conn->key[0] >> 48]--;
	conns->in_segment[(uint16_t)(conn->key[0] >> 32)]--;
	if (conns->told)
		conns->told[slot] = 0;
	conn->kind = 0;
	conn->rule[0] = conn->rule[1] = NULL;
	conn->chain = conns->conn_free;
	conns->conn_free = slot;
	conns->count--;
}

void conn_store_touch(struct conns *conns, struct conn *conn, enum conn_state state, uint64_t now)
{
	const uint32_t slot = slot_of(conns, conn);
	const uint64_t then = conn->stamp;
	const enum conn_own before = own_of(conn);

	if (now > then)
		conn->stamp = now;
	if (state == conn->state) {
		/* Frames of one second would only shuffle the lists, a cache miss each. */
		if (now <= then || then / CONN_SECOND == now / CONN_SECOND)
			return;
		if (conn->age_next != CONN_NONE) {
			age_remove(conns, slot);
			age_append(conns, slot);
		}
		if (conn->own_next != CONN_NONE) {
			own_remove(conns, slot);
			own_append(conns, slot);
		}
		return;
	}
	age_remove(conns, slot);
	own_remove(conns, slot);
	conn->state = (uint8_t)state;
	age_append(conns, slot);
	own_append(conns, slot);
	if (own_of(conn) != before)
		rank_move(conns, CONN_RANK_LOOSE, conn->holder, own_of(conn) == CONN_OWN_LOOSE);
}
