/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The forwarding database: who is where. One table for all segments, keyed by
 * (segment, MAC). Time is an argument (milliseconds of a monotonic clock), I/O
 * is somebody else's, and nothing here knows what a port or an encap is: a
 * location is a side of the segment with a port number or a remote address.
 *
 * Rules (switchd-forwarding(7)): a station moves with its first frame; static
 * and sticky entries never move; an entry that was silent for the segment's
 * ageing time is gone; a MAC that changes place more than FDB_BOUNCE_LIMIT times
 * within a second is put back to where it last stayed for FDB_SETTLED_MS (or, if it
 * never did, to where it was first), and stays there for FDB_PIN_MS. Each location
 * (local port, or remote host) that holds entries of a segment is a holder. A holder at
 * its own limit loses its own oldest entry; a full segment takes the oldest
 * entry of its largest holder. Only learned entries are evicted.
 */
#ifndef TVD_FDB_H
#define TVD_FDB_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/addr.h"
#include "lib/hash.h"

#define FDB_SEGMENTS_MAX 65536u
#define FDB_BOUNCE_LIMIT 10u	/* moves within a second */
#define FDB_PIN_MS	 60000u /* how long a bouncing MAC is pinned */
#define FDB_SETTLED_MS	 10000u /* who stays that long is at home there */
#define FDB_SIDE_LOCAL	 0u	/* all local ports together; encaps count from 1 */

struct fdb;

struct fdb_where {
	uint32_t side;	      /* FDB_SIDE_LOCAL, or an encap's side number */
	uint32_t port;	      /* local: the port's number; else 0 */
	struct ipaddr remote; /* remote: the host, unset where the encap has no hosts */
};

struct fdb_limits {
	uint32_t ageing_ms;  /* 0: learned entries never age */
	uint32_t max;	     /* entries of the segment */
	uint32_t holder_max; /* entries of one local port */
	uint32_t remote_max; /* entries of one remote host */
	uint32_t wire_max;   /* entries behind an encap that has no hosts; 0: remote_max */
};

enum fdb_state { FDB_LEARNED, FDB_STATIC, FDB_STICKY };

/* What learning a source came to. */
enum fdb_verdict {
	FDB_KNOWN,  /* it was there already; its age is 0 again */
	FDB_NEW,    /* a new entry */
	FDB_MOVED,  /* it was elsewhere, now it is here */
	FDB_FIXED,  /* static or sticky, and elsewhere: nothing changed */
	FDB_PINNED, /* it bounces, and is pinned elsewhere: drop the frame */
	FDB_FULL,   /* no room: only static entries could have made way, or a limit is 0 */
};

struct fdb_counters {
	uint64_t learned, expired, evicted, moved;
};

enum fdb_event {
	FDB_EVENT_LEARNED,
	FDB_EVENT_MOVED,
	FDB_EVENT_EXPIRED,
	FDB_EVENT_EVICTED,
	FDB_EVENT_PINNED,
};

/* One entry as it is shown. */
struct fdb_entry_info {
	struct mac mac;
	uint16_t segment;
	enum fdb_state state;
	bool pinned;
	uint32_t age_ms;
	struct fdb_where where;
};

/*
 * Called for each change that traffic or time makes. For FDB_EVENT_MOVED `from`
 * is the former location, else NULL. An entry that is pinned may have moved by that.
 * It must not change the table.
 */
typedef void fdb_event_fn(void *arg, enum fdb_event event, const struct fdb_entry_info *entry,
			  const struct fdb_where *from);

/*
 * A table for at most `capacity` entries of all segments together; memory that
 * was never used costs nothing. The key must be secret. NULL when out of memory.
 */
struct fdb *fdb_create(const struct hash_key *key, size_t capacity);
void fdb_destroy(struct fdb *fdb);

/* At most one; NULL turns events off (then they cost nothing). */
void fdb_on_event(struct fdb *fdb, fdb_event_fn *fn, void *arg);

/*
 * Begins a segment, or changes the limits of one that is there: entries beyond a
 * smaller limit are evicted by the same rules. 0, or -ENOMEM, -EINVAL.
 */
int fdb_segment_set(struct fdb *fdb, uint16_t segment, const struct fdb_limits *limits);

/* Ends a segment with all its entries, without events. */
void fdb_segment_del(struct fdb *fdb, uint16_t segment);
size_t fdb_segment_count(const struct fdb *fdb, uint16_t segment);
struct fdb_counters fdb_segment_counters(const struct fdb *fdb, uint16_t segment);

/*
 * Notes that a frame from `mac` came in at `where`. `mac` must be a valid source
 * (the caller has refused group and zero addresses).
 */
enum fdb_verdict fdb_learn(struct fdb *fdb, uint16_t segment, const struct mac *mac,
			   const struct fdb_where *where, uint64_t now);

/* What fdb_learn() would return, without changing anything. */
enum fdb_verdict fdb_probe(const struct fdb *fdb, uint16_t segment, const struct mac *mac,
			   const struct fdb_where *where, uint64_t now);

/*
 * Where a destination is, or NULL if nobody knows (or what was known has aged).
 * Valid until the table changes. Neither allocates nor changes anything.
 */
const struct fdb_where *fdb_lookup(const struct fdb *fdb, uint16_t segment, const struct mac *mac,
				   uint64_t now);

/* The same with all that is known of it; false if nobody knows. */
bool fdb_info(const struct fdb *fdb, uint16_t segment, const struct mac *mac, uint64_t now,
	      struct fdb_entry_info *info);

/*
 * Puts an entry by hand; it replaces a learned one of that MAC. `state` may be
 * any. 0; -EEXIST if a static or sticky entry is there; -ENOENT without such a
 * segment; -ENOSPC when full.
 */
int fdb_add(struct fdb *fdb, uint16_t segment, const struct mac *mac, const struct fdb_where *where,
	    enum fdb_state state, uint64_t now);

/* Removes an entry of any state. 0 or -ENOENT. */
int fdb_del(struct fdb *fdb, uint16_t segment, const struct mac *mac);

/*
 * Removes entries of a segment, or of one location in it when `where` is not
 * NULL (an unset remote stands for all hosts of that side). Static and sticky
 * entries go only if `fixed_too`. Returns how many went. No events.
 */
size_t fdb_flush(struct fdb *fdb, uint16_t segment, const struct fdb_where *where, bool fixed_too);

/*
 * Removes what has aged, with events. Call about once a second. Returns how many.
 * `some` removes no more than `max`, because a million may age in one second:
 * call it again soon when it returns as many.
 */
size_t fdb_age(struct fdb *fdb, uint64_t now);
size_t fdb_age_some(struct fdb *fdb, uint64_t now, size_t max);

/*
 * Copies up to `max` entries beginning at *cursor (0 for the first), skipping
 * aged ones, and advances the cursor. Returns how many; 0 at the end. `segment`
 * < 0 stands for all. The table may change between calls: an entry that stays
 * is seen exactly once.
 */
size_t fdb_list(const struct fdb *fdb, int segment, uint64_t now, uint32_t *cursor,
		struct fdb_entry_info *out, size_t max);

/*
 * The same for who must not take long: looks at no more than `slots` places of the
 * table, so that 0 is not the end; *end says whether it is.
 */
size_t fdb_list_some(const struct fdb *fdb, int segment, uint64_t now, uint32_t *cursor,
		     struct fdb_entry_info *out, size_t max, size_t slots, bool *end);

/*
 * One segment without a look at all others: where in the table its entries are now, no
 * more than `max` of them, and then what is still there of the segment and has not
 * aged, copied to `out` with room for `count`. Both return how many. The table may
 * change between them: an entry that stays is seen exactly once.
 */
size_t fdb_places(const struct fdb *fdb, uint16_t segment, uint32_t *places, size_t max);
size_t fdb_list_places(const struct fdb *fdb, uint16_t segment, uint64_t now,
		       const uint32_t *places, size_t count, struct fdb_entry_info *out);

/* Whether a location has entries that have not aged. */
bool fdb_is_heard(const struct fdb *fdb, uint16_t segment, const struct fdb_where *where,
		  uint64_t now);

/* Who holds entries, e.g. to list peers. Same cursor rules. */
struct fdb_holder_info {
	uint16_t segment;
	struct fdb_where where;
	uint32_t entries;
	uint32_t idle_ms; /* since the newest of its entries was heard */
};
size_t fdb_list_holders(const struct fdb *fdb, uint64_t now, uint32_t *cursor,
			struct fdb_holder_info *out, size_t max);
size_t fdb_list_holders_some(const struct fdb *fdb, uint64_t now, uint32_t *cursor,
			     struct fdb_holder_info *out, size_t max, size_t slots, bool *end);

#endif
