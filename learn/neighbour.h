/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Which MAC has which IP address: one table for all segments, keyed by (segment,
 * address), for whoever routes. It says when to ask and keeps what waits for
 * an answer; asking, sending and the clock are the caller's (milliseconds of a
 * monotonic clock).
 *
 * An address is INCOMPLETE while its first answer is awaited. Once answered it
 * is REACHABLE for NEIGHBOUR_REACHABLE_MS, then STALE: still used, but the first use
 * makes it PROBE, that is its station is asked alone whether it is still there. An
 * unanswered question is repeated each NEIGHBOUR_RETRANS_MS; after NEIGHBOUR_TRIES
 * the entry fails and is gone. Entries that nobody uses for NEIGHBOUR_UNUSED_MS expire.
 *
 * Each entry counts for a holder, whoever made it be there (a number of the
 * caller's: a port that sent to the address, a host that said it). A holder at
 * its limit loses its own oldest entry; a full segment takes the oldest of its
 * largest holder; static entries stay. So who scans a subnet hurts only itself.
 *
 * Frames: at most NEIGHBOUR_HELD wait for an address, NEIGHBOUR_HOLDER_HELD on
 * account of one holder, and as many as the table was made for in all. The table owns
 * what it holds, and gives it back with the answer or with the failure; what is
 * evicted or removed with its entry is dropped, and counts as no_neighbour where it came in.
 */
#ifndef TVD_NEIGHBOUR_H
#define TVD_NEIGHBOUR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/addr.h"
#include "lib/frame.h"
#include "lib/hash.h"
#include "lib/stats.h"

#define NEIGHBOUR_RETRANS_MS   1000u
#define NEIGHBOUR_TRIES	       3u
#define NEIGHBOUR_REACHABLE_MS 30000u
#define NEIGHBOUR_UNUSED_MS    600000u
#define NEIGHBOUR_HELD	       8u
#define NEIGHBOUR_HOLDER_HELD  64u

struct neighbours;

enum neighbour_state {
	NEIGHBOUR_INCOMPLETE,
	NEIGHBOUR_REACHABLE,
	NEIGHBOUR_STALE,
	NEIGHBOUR_PROBE,
	NEIGHBOUR_STATIC,
	NEIGHBOUR_STATES
};

/* Where an address is. What a caller does not need is zero. */
struct neighbour_where {
	struct mac mac;	 /* of the station itself */
	struct mac host; /* of the host that it is behind */
	uint32_t port;	 /* the local port that it is at */
};

struct neighbour_limits {
	uint32_t max;	     /* entries of the segment */
	uint32_t holder_max; /* of one holder in it; 0: a quarter of max, at least 1 */
};

/* What became of a frame that was to be sent to an address. */
enum neighbour_use {
	NEIGHBOUR_SEND,	    /* *where says where to: the frame stays with the caller */
	NEIGHBOUR_SEND_ASK, /* the same; and the caller asks that station alone */
	NEIGHBOUR_WAIT,	    /* held: the table has the frame now */
	NEIGHBOUR_WAIT_ASK, /* the same; and the caller asks everybody */
	NEIGHBOUR_REFUSED,  /* no room for it: the frame stays with the caller */
};

/* What an answer, or anything else that was heard of an address, came to. */
enum neighbour_news {
	NEIGHBOUR_UNKNOWN, /* nobody wanted to know, or there was no room */
	NEIGHBOUR_SAME,	   /* as it was known */
	NEIGHBOUR_NEW,	   /* it was not known before */
	NEIGHBOUR_MOVED,   /* it was known elsewhere */
	NEIGHBOUR_KEPT,	   /* known elsewhere, and stays there */
};

/* How much one that tells of an address may change. */
enum neighbour_may {
	NEIGHBOUR_MAY_CONFIRM, /* only say that it is where it is known to be, or answer what was
				  asked for the first time */
	NEIGHBOUR_MAY_MOVE,    /* also that it is elsewhere now */
	NEIGHBOUR_MAY_CREATE,  /* also tell of one that nobody asked for */
};

struct neighbour_info {
	uint16_t segment;
	struct ipaddr addr;
	enum neighbour_state state;
	struct neighbour_where where; /* zero while incomplete */
	uint64_t holder;
	uint32_t age_ms; /* since it was last confirmed, or first asked for */
	unsigned held, tries;
};

struct neighbour_counters {
	uint64_t resolved, moved, failed, expired, evicted;
};

/*
 * A table for at most `capacity` entries of all segments and `held` frames. Memory
 * that was never used costs nothing. The key must be secret. NULL when out of
 * memory. Destroying it frees what it holds.
 */
struct neighbours *neighbours_create(const struct hash_key *key, uint32_t capacity, uint32_t held);
void neighbours_destroy(struct neighbours *table);

/* Begins a segment or changes its limits: 0, -ENOMEM or -EINVAL. */
int neighbours_segment_set(struct neighbours *table, uint16_t segment,
			   const struct neighbour_limits *limits);

/* Ends a segment with all its entries; frames that waited in it are dropped. */
void neighbours_segment_del(struct neighbours *table, uint16_t segment);

size_t neighbours_segment_count(const struct neighbours *table, uint16_t segment);
struct neighbour_counters neighbours_segment_counters(const struct neighbours *table,
						      uint16_t segment);

/*
 * Where to send a frame for `addr`, on account of `holder`. The segment must have
 * begun. When this says to ask, that was the first try; neighbours_tick() says when
 * the others are due. A `frame` of NULL asks without anything to send.
 */
enum neighbour_use neighbours_use(struct neighbours *table, uint16_t segment,
				  const struct ipaddr *addr, uint64_t holder, struct frame *frame,
				  struct neighbour_where *where, uint64_t now);

/* What neighbours_use() would say to such a frame if there was room for an entry, without
 * changing anything. */
enum neighbour_use neighbours_probe(const struct neighbours *table, uint16_t segment,
				    const struct ipaddr *addr, uint64_t holder,
				    struct neighbour_where *where, uint64_t now);

/*
 * `addr` is at `where`, as `holder` says (it counts for it if it is new). Frames
 * that waited for it go into `released`, which is empty, in their order; the caller
 * owns them. An entry that says something else than before is REACHABLE anew.
 */
enum neighbour_news neighbours_heard(struct neighbours *table, uint16_t segment,
				     const struct ipaddr *addr, const struct neighbour_where *where,
				     enum neighbour_may may, uint64_t holder, uint64_t now,
				     struct frame_batch *released);

/* What is known of an address; false if nothing is. */
bool neighbours_info(const struct neighbours *table, uint16_t segment, const struct ipaddr *addr,
		     uint64_t now, struct neighbour_info *info);

/* Puts an entry that stays until it is removed. 0, -ENOENT (no such segment) or -ENOSPC. What
 * waited goes to `released`. */
int neighbours_add(struct neighbours *table, uint16_t segment, const struct ipaddr *addr,
		   const struct neighbour_where *where, uint64_t now, struct frame_batch *released);

/* Puts back what was known elsewhere, so many milliseconds (age_ms) after it was confirmed: addr,
 * where, holder. false if something is known of it, or there is no room. */
bool neighbours_restore(struct neighbours *table, uint16_t segment,
			const struct neighbour_info *info, uint64_t now);

/* Removes an entry of any state, and drops what waited for it. 0 or -ENOENT. */
int neighbours_del(struct neighbours *table, uint16_t segment, const struct ipaddr *addr);

/* Forgets what was learned or is being asked for, and drops what waited: in a segment (< 0: in
 * all), of an address (NULL: of all). Static entries stay. How many went. */
size_t neighbours_flush(struct neighbours *table, int segment, const struct ipaddr *addr);

/* Removes what counts for a holder in any segment (a port that is gone): how many. */
size_t neighbours_forget(struct neighbours *table, uint64_t holder);

/* Frames that wait will not count at `origin`, which is about to go. */
void neighbours_origin_gone(struct neighbours *table, const struct stats *origin);

/* What time brings. */
struct neighbour_due {
	uint16_t segment;
	struct ipaddr addr;
	uint64_t holder;
	/* Asked NEIGHBOUR_TRIES times in vain: it is gone, and so many frames of `released`
	 * are the caller's. Else it is to be asked once more, ... */
	bool failed;
	bool alone; /* ... alone, at `where`, or everybody */
	struct neighbour_where where;
};

/*
 * The next question or failure that is due, one at a time: call until it returns
 * false, a few times a second. `released` is empty. Also removes what has expired.
 */
bool neighbours_tick(struct neighbours *table, uint64_t now, struct neighbour_due *due,
		     struct frame_batch *released);

/* Whether anything is being asked for: while not, neighbours_tick() has only ageing to do. */
bool neighbours_are_asked(const struct neighbours *table);

/*
 * Copies up to `max` entries beginning at *cursor (0 for the first) and advances the
 * cursor. Returns how many; 0 at the end. `segment` < 0 stands for all. The table may
 * change between calls: an entry that stays is seen exactly once.
 */
size_t neighbours_list(const struct neighbours *table, int segment, uint64_t now, uint32_t *cursor,
		       struct neighbour_info *out, size_t max);

/* The word for a state. */
const char *neighbour_state_name(enum neighbour_state state);

#endif
