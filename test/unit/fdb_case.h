/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What tests of the forwarding database share: a table with one segment, stations by
 * number, and a count of events.
 */
#ifndef TVD_FDB_CASE_H
#define TVD_FDB_CASE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <string.h>

#include "learn/fdb.h"

#define SEG  7
#define MANY 1000000u

static const struct hash_key secret = {{1, 2}};
static const struct fdb_limits roomy = {
    .ageing_ms = 300000, .max = 2000000, .holder_max = 2000000, .remote_max = 2000000};

static unsigned events[FDB_EVENT_PINNED + 1];
static struct fdb_entry_info last_info;
static struct fdb_where last_from;

static inline void count_event(void *arg, enum fdb_event event, const struct fdb_entry_info *entry,
			       const struct fdb_where *from)
{
	(void)arg;
	events[event]++;
	last_info = *entry;
	if (from)
		last_from = *from;
}

static inline struct fdb *make(size_t capacity, const struct fdb_limits *limits)
{
	struct fdb *fdb = fdb_create(&secret, capacity);

	assert_non_null(fdb);
	memset(events, 0, sizeof(events));
	fdb_on_event(fdb, count_event, NULL);
	assert_int_equal(fdb_segment_set(fdb, SEG, limits), 0);
	return fdb;
}

static inline struct mac mac_of(uint32_t n)
{
	return (struct mac){
	    {2, 0, (uint8_t)(n >> 24), (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n}};
}

static inline struct fdb_where port(uint32_t number)
{
	return (struct fdb_where){.side = FDB_SIDE_LOCAL, .port = number};
}

static inline struct fdb_where host(uint32_t side, uint32_t number)
{
	return (struct fdb_where){.side = side,
				  .remote = ipaddr_v4((struct in_addr){htonl(number)})};
}

static inline enum fdb_verdict learn(struct fdb *fdb, uint32_t n, struct fdb_where where,
				     uint64_t now)
{
	const struct mac mac = mac_of(n);

	return fdb_learn(fdb, SEG, &mac, &where, now);
}

static inline bool is_at(const struct fdb *fdb, uint32_t n, struct fdb_where where, uint64_t now)
{
	const struct mac mac = mac_of(n);
	const struct fdb_where *at = fdb_lookup(fdb, SEG, &mac, now);

	return at && memcmp(at, &where, sizeof(where)) == 0;
}

static inline bool is_known(const struct fdb *fdb, uint32_t n, uint64_t now)
{
	const struct mac mac = mac_of(n);

	return fdb_lookup(fdb, SEG, &mac, now) != NULL;
}

static inline int add(struct fdb *fdb, uint32_t n, struct fdb_where where, enum fdb_state state)
{
	const struct mac mac = mac_of(n);

	return fdb_add(fdb, SEG, &mac, &where, state, 0);
}

/* The entries of one holder as it is listed, 0 if there is none. */
static inline uint32_t held(const struct fdb *fdb, struct fdb_where where, uint64_t now)
{
	struct fdb_holder_info info;
	uint32_t cursor = 0;

	while (fdb_list_holders(fdb, now, &cursor, &info, 1) > 0)
		if (memcmp(&info.where, &where, sizeof(where)) == 0)
			return info.entries;
	return 0;
}

#endif
