/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * How the table of connections is built. Connections and holders are slots of
 * anonymous mappings sized for the limit at the start; pages never touched cost nothing,
 * slots never move, and slot 0 is none, so that zeroed memory is empty.
 *
 * A connection is in the chain of its bucket, in the list of its state (the oldest first:
 * who has aged is at the head) and in one of two lists of its holder (the same
 * order: who makes way is at the head). It goes to the end of both with the first frame of
 * each second; later ones only write its stamp, which is exact.
 *
 * Holders are ranked twice, by how many connections they have that are not established and
 * by how many they have at all: a list of holders for each number. Numbers change
 * by one, so that the largest is always at hand.
 */
#ifndef TVD_CONN_INTERNAL_H
#define TVD_CONN_INTERNAL_H

#include <assert.h>

#include "switchd/policy/conn.h"

#define CONN_NONE   0u
#define CONN_SECOND 1000u

struct conn_list {
	uint32_t first, last;
};

enum conn_rank { CONN_RANK_LOOSE, CONN_RANK_ALL, CONN_RANKS };

/* The lists of a holder: established connections, and the others. */
enum conn_own { CONN_OWN_LOOSE, CONN_OWN_FIRM, CONN_OWNS };

struct conn_holder {
	struct fdb_where where;
	uint32_t segment; /* hashed and compared together with `where`, as memory */
	uint32_t chain;	  /* next of its bucket, or next free slot */
	uint32_t bucket;
	uint32_t count[CONN_RANKS];
	struct {
		uint32_t prev, next;
	} rank[CONN_RANKS];
	struct conn_list own[CONN_OWNS];
};

struct conns {
	struct hash_key key;
	struct conn_limits limits;
	struct conn_counters counters;
	uint32_t mask; /* buckets of each kind, minus 1 */
	uint32_t count;
	struct conn *conn;
	struct conn_holder *holder;
	uint32_t *conn_bucket, *holder_bucket;
	uint32_t conn_free, holder_free; /* slots given back */
	uint32_t conn_high, holder_high; /* slots above it were never used */
	uint32_t *rank[CONN_RANKS];	 /* holders with so many */
	uint32_t top[CONN_RANKS];
	struct conn_list age[CONN_STATES];
	/* After a change of policy: places up to `swept` have been looked at, what is behind is not
	 * to be believed before keep() was asked. NULL: nothing is behind. */
	conn_keep_fn *keep;
	void *keep_arg;
	uint32_t swept;
	uint8_t *told; /* by slot: 1 and the state in which it was told of; NULL: nobody asks */
	uint32_t *in_segment; /* ends of connections in each, by its number */
};

static inline bool conn_key_equal(const uint64_t *a, const uint64_t *b)
{
	return ((a[0] ^ b[0]) | (a[1] ^ b[1]) | (a[2] ^ b[2]) | (a[3] ^ b[3]) | (a[4] ^ b[4]) |
		(a[5] ^ b[5])) == 0;
}

static inline uint8_t conn_key_family(const uint64_t *key)
{
	return (uint8_t)(key[0] >> 16);
}

/* IPv4 needs half of the words; the others are 0. */
static inline uint32_t conn_hash(const struct conns *conns, const uint64_t *key)
{
	return (uint32_t)hash_words(&conns->key, key, conn_key_family(key) == AF_INET ? 3 : 6);
}

static inline uint64_t conn_since(uint64_t then, uint64_t now)
{
	return now > then ? now - then : 0;
}

static inline bool conn_has_aged(const struct conn *conn, uint64_t now)
{
	return conn_since(conn->stamp, now) >= conn_state_timeout((enum conn_state)conn->state);
}

/* conn_store.c */

/* Maps everything. 0 or -ENOMEM; conn_store_fini() undoes any part. */
int conn_store_init(struct conns *conns);
void conn_store_fini(struct conns *conns);

/*
 * A slot for a connection of that holder, with its key, state and stamp, in all lists. Somebody
 * else's makes way if need be. It has no rules yet.
 */
struct conn *conn_store_add(struct conns *conns, const uint64_t *key, uint16_t segment,
			    const struct fdb_where *where, enum conn_state state, uint64_t now);

/* Gives it back, with its rules. */
void conn_store_del(struct conns *conns, struct conn *conn);

/* Notes that it was heard, and its state. */
void conn_store_touch(struct conns *conns, struct conn *conn, enum conn_state state, uint64_t now);

#endif
