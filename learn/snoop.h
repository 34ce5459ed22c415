/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who wants which multicast group in one segment, from what hosts report and routers
 * ask (RFC 4541). No I/O, and time is an argument (milliseconds of a monotonic clock).
 *
 * Nothing is held back until a querier has been heard long enough that all hosts have
 * answered it, nor when it falls silent: each IP version for itself. Groups of the
 * link (224.0.0.0/24, ff02::/16 and narrower) always go to everybody; they are what
 * IP itself needs. Other groups go to who wants them and to multicast routers, which
 * nobody else wants: to routers alone.
 *
 * A place (local port, or all that is behind an encap) has as many groups as the limit
 * says; one that wants more gets every group, which harms nobody else.
 */
#ifndef TVD_SNOOP_H
#define TVD_SNOOP_H

#include "lib/addr.h"
#include "lib/hash.h"
#include "lib/mcast.h"

struct snoop;
struct snoop_group;

struct snoop_where {
	uint32_t side; /* as in the FDB: 0 is local */
	uint32_t port; /* local: the port's number; else 0 */
};

/* Where a frame of a group may go. */
enum snoop_scope {
	SNOOP_ALL,     /* everywhere: nothing is known, or it is IP's own */
	SNOOP_MEMBERS, /* to the group's members and to routers */
};

/* RFC 3376 section 8, RFC 3810 section 9: what holds where a query does not say other. */
#define SNOOP_INTERVAL_MS 125000u
#define SNOOP_RESPONSE_MS 10000u
#define SNOOP_LAST_MS	  1000u /* what a query about one group gives hosts */
#define SNOOP_ROBUSTNESS  2u

/*
 * What is believed of a query: longer intervals count as this one, and a query that gives
 * hosts more time to answer (more than IGMPv2 could say) does not count at all. Who forges
 * queries could else cut members off, until they answer.
 */
#define SNOOP_INTERVAL_MAX_MS 600000u
#define SNOOP_RESPONSE_MAX_MS 25500u

/* Of all places of a segment together. */
#define SNOOP_MEMBERS_MAX 8192u

/* At most so many groups of one place. NULL when out of memory. */
struct snoop *snoop_create(const struct hash_key *key, unsigned place_max);
void snoop_destroy(struct snoop *snoop);

/* A query was heard there, or (where NULL) was sent by ourselves. All hosts must have it: who
 * does not answer is no member any more. */
void snoop_query(struct snoop *snoop, const struct snoop_where *where,
		 const struct mcast_message *query, uint64_t now);

/* What a host there reports. true: it may have been the last that wanted the group, so a
 * querier asks. */
bool snoop_record(struct snoop *snoop, const struct snoop_where *where,
		  const struct mcast_record *record, uint64_t now);

/* Whether there is a querier of that IP version: heard, or (where NULL in snoop_query())
 * ourselves. */
bool snoop_is_active(const struct snoop *snoop, uint8_t ip_version, uint64_t now);

/* Where frames to an IP group may go; *group is for snoop_wants(), NULL: nobody wants it. */
enum snoop_scope snoop_find(const struct snoop *snoop, const struct ipaddr *address, uint64_t now,
			    const struct snoop_group **group);

/* Whether a place wants a group that was found. */
bool snoop_wants(const struct snoop_group *group, const struct snoop_where *where, uint64_t now);

/* Whether a multicast router of that IP version, or who gets everything, is there. */
bool snoop_has_router(const struct snoop *snoop, uint8_t ip_version,
		      const struct snoop_where *where, uint64_t now);

/* Forgets a place, or everything that is over. */
void snoop_forget(struct snoop *snoop, const struct snoop_where *where);
void snoop_age(struct snoop *snoop, uint64_t now);

/* For lists: each group at each place, and (group NULL) each router. */
struct snoop_info {
	const struct ipaddr *group;
	struct snoop_where where;
	uint32_t expires_ms;
	uint8_t ip_version;
	bool overflow; /* no router, but one that wants more groups than the limit */
};

void snoop_each(const struct snoop *snoop, uint64_t now,
		void (*tell)(void *arg, const struct snoop_info *info), void *arg);

#endif
