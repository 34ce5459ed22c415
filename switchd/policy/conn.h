/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The connections that rules let in: one table for all segments, keyed by the
 * addresses, protocol and ports of both ends and the segment in which each of them is.
 * One lookup finds a connection from either side. Time is an argument, and there is no
 * I/O.
 *
 * Who opens connections (a local port, or a remote host) is a holder. A holder that has as
 * many as a guest may have loses its own oldest one for the next. Where the table is full,
 * the holder with most connections that are not established loses its oldest of those;
 * where there are none, the holder with most connections its oldest. So what is
 * established outlives a flood of what is not, and who floods pays for it.
 */
#ifndef TVD_CONN_H
#define TVD_CONN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "learn/fdb.h"
#include "lib/flow.h"
#include "lib/hash.h"
#include "switchd/policy/rules.h"
#include "switchd/policy/tcp.h"

struct conns;

/* The first ones are those of enum tcp_state. */
enum conn_state {
	CONN_NEW = TCP_STATES, /* of UDP and other protocols: nobody answered yet */
	CONN_REPLIED,
	CONN_ECHO,  /* of ICMP */
	CONN_ASKED, /* who has this address? */
	CONN_STATES
};

/* What the domain of one half has said when the connection began. */
enum conn_word {
	CONN_WORD_NONE,	 /* nothing that lasts: ask it for each frame */
	CONN_WORD_RULE,	 /* a stateful rule */
	CONN_WORD_AUDIT, /* it would have refused, but is in audit mode */
};

#define CONN_HALVES 2 /* enum decision_half */

struct conn {
	uint64_t key[6]; /* see conn.c */
	uint64_t stamp;	 /* when it was last heard */
	uint32_t chain, holder;
	uint32_t age_prev, age_next, own_prev, own_next;
	uint8_t state;			/* enum conn_state */
	uint8_t kind;			/* enum flow_kind; 0: a free slot */
	uint8_t opener;			/* 0: the end in the segment of the lower number began */
	uint8_t word[CONN_HALVES];	/* enum conn_word */
	struct rule *rule[CONN_HALVES]; /* NULL unless CONN_WORD_RULE */
	uint64_t frames[2], bytes[2];	/* from who began; to it */
	struct tcp tcp;
};

struct conn_limits {
	uint32_t max;	    /* of all */
	uint32_t guest_max; /* of one local port, or remote host; 0: a quarter of max */
};

struct conn_counters {
	uint64_t opened, expired, evicted, ended; /* ended: rule revoked, or flushed */
};

/* What is shown of a connection. */
struct conn_info {
	uint16_t from, to; /* numbers of segments: of who began, and of the other */
	uint8_t kind, family, protocol;
	uint8_t state; /* enum conn_state */
	struct flow_end src, dst;
	uint32_t timeout_ms; /* left */
	uint64_t frames[2], bytes[2];
	struct fdb_where where; /* of the holder */
	uint8_t word[CONN_HALVES];
	const struct rule *rule[CONN_HALVES];
	struct tcp tcp;
};

/* A table; memory that was never used costs nothing. The key must be secret. NULL when
 * out of memory. */
struct conns *conns_create(const struct hash_key *key, const struct conn_limits *limits);
void conns_destroy(struct conns *conns);

/*
 * A table with other limits in place of one, of which it has the key, counters, and those
 * connections for which there is room. NULL when out of memory: the one is as it was.
 */
struct conns *conns_resize(struct conns *conns, const struct conn_limits *limits, uint64_t now);

/* Whether a table has these limits. */
bool conns_fit(const struct conns *conns, const struct conn_limits *limits);

/* Those that a recheck will end count until then. */
size_t conns_count(const struct conns *conns);
struct conn_limits conns_limits(const struct conns *conns);
struct conn_counters conns_counters(const struct conns *conns);

/* Whether a frame of this kind can be a part of a connection. */
bool conn_can_be(const struct flow_info *flow);

/*
 * The connection of a frame from one segment to another, or NULL. *back says whether it
 * goes to who began. Changes nothing.
 */
struct conn *conns_find(const struct conns *conns, const struct flow_info *flow, uint16_t from,
			uint16_t to, uint64_t now, bool *back);

/* What a frame means for its connection, of which TCP then is as *next says. Changes nothing. */
enum tcp_verdict conn_track(const struct conn *conn, const struct flow_info *flow, bool back,
			    struct tcp *next);

/* Notes that a frame of `len` bytes passes of which conn_track() has said `verdict`, TCP_PASS or
 * TCP_NEUTRAL, and `next`. The former begins the connection's age anew. */
void conn_note(struct conns *conns, struct conn *conn, bool back, enum tcp_verdict verdict,
	       const struct tcp *next, uint32_t len, uint64_t now);

/* What lets a connection in. */
struct conn_grant {
	enum conn_word word[CONN_HALVES];
	struct rule *rule[CONN_HALVES];
};

/*
 * Opens a connection with its first frame, which is not an answer; one that is there for the
 * same ends makes way. Never fails: somebody else's makes way, too.
 */
struct conn *conns_open(struct conns *conns, const struct flow_info *flow, uint16_t from,
			uint16_t to, const struct fdb_where *sender, const struct conn_grant *grant,
			uint32_t len, uint64_t now);

/* Ends one. */
void conns_end(struct conns *conns, struct conn *conn);

/* Ends those of a segment, which is about to go or to be emptied; < 0: all. How many. */
size_t conns_flush(struct conns *conns, int segment);

/*
 * Whether a policy that has changed still lets a connection in; it says the same of the same
 * connection until the next conns_recheck().
 */
typedef bool conn_keep_fn(void *arg, const struct conn_info *info);

/*
 * From now on there are only connections that `keep` wants: for a change of policy (rules that
 * are not in force any more, segments that have changed their domain). Nothing is walked over:
 * one that has not been looked at since is when it is found, and conns_sweep() ends the others.
 */
void conns_recheck(struct conns *conns, conn_keep_fn *keep, void *arg);

/* Looks at `max` more places of the table, and ends what is not wanted; SIZE_MAX: all of them.
 * Adds to *ended how many. false: there are more. */
bool conns_sweep(struct conns *conns, size_t max, size_t *ended);

/* Ends what is too old, at most `max`; call about once a second. Returns how many. */
size_t conns_age(struct conns *conns, uint64_t now, size_t max);

/* Copies like fdb_list_some(); `segment` < 0: all, else those with an end there. */
size_t conns_list(const struct conns *conns, int segment, uint64_t now, uint32_t *cursor,
		  struct conn_info *out, size_t max, size_t slots, bool *end);

/*
 * For who copies the table while it changes: from now on it is noted of which connections was told,
 * and in what state. conns_told() notes it of the one that conns_list() told last, one of them at
 * a time. conns_late() then tells of the next one of which was not, or not in the state that it is
 * in now, established ones or the others; false at the end. 0 or -ENOMEM, with which nothing is
 * ever late.
 */
int conns_watch(struct conns *conns);
void conns_unwatch(struct conns *conns);
void conns_told(struct conns *conns, uint32_t cursor);
bool conns_late(const struct conns *conns, bool established, uint64_t now, uint32_t *cursor,
		struct conn_info *info);

/* Puts a connection back that conns_list() told of some time ago; false: it is too old,
 * contradicts itself, or one with these ends is there, unless that is to make way (`anew`). */
bool conns_restore(struct conns *conns, const struct conn_info *info,
		   const struct conn_grant *grant, bool anew, uint64_t now);

/* "syn_sent", "new", ... */
const char *conn_state_name(enum conn_state state);
/* How long a connection stays in that state without a frame, in milliseconds. */
uint32_t conn_state_timeout(enum conn_state state);
/* Whether it counts as established when there is no room. */
bool conn_state_is_established(enum conn_state state);
/* "tcp", "udp", "icmp", "icmp6", "arp", "nd", ... or the number; returns buf. */
const char *conn_proto_name(uint8_t kind, uint8_t protocol, char buf[16]);

#endif
