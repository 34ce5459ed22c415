/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A naive model of the neighbour table: one array, everything found by looking at all of
 * it. nmodel_run() decodes operations from bytes, does each on a table and on the
 * model, and aborts at the first difference. Who is evicted the model takes from
 * the table and checks that it was allowed: the oldest of the holder that asks for one too
 * many, or of one than which none is larger.
 */
#ifndef TVD_TEST_NEIGHBOUR_MODEL_H
#define TVD_TEST_NEIGHBOUR_MODEL_H

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "learn/neighbour.h"

#define NM_SEGMENTS 3u
#define NM_ADDRS    24u
#define NM_HOLDERS  4u
#define NM_CAPACITY 40u
#define NM_HELD	    30u

#define NM_CHECK(cond)                                                                             \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			(void)fprintf(stderr, "%s:%d: model: %s\n", __FILE__, __LINE__, #cond);    \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

struct nm_entry {
	bool used;
	enum neighbour_state state; /* never STALE: that is a matter of time */
	unsigned holder;
	struct neighbour_where where;
	uint64_t used_at, confirmed, next_try, asked_order;
	uint64_t order; /* in which the table is to consider it old, of its holder, ... */
	unsigned tries, held;
	uint32_t frame[NEIGHBOUR_HELD]; /* the number that each carries */
};

struct nm {
	struct neighbours *table;
	struct frame_pool *pool;
	struct stats stats;
	bool begun[NM_SEGMENTS];
	struct neighbour_limits limits[NM_SEGMENTS];
	struct nm_entry entry[NM_SEGMENTS][NM_ADDRS];
	uint64_t now, order;
	uint32_t frames, dropped;
	const uint8_t *at;
	size_t left;
};

static inline unsigned nm_take(struct nm *m)
{
	if (m->left == 0)
		return 0;
	m->left--;
	return *m->at++;
}

static inline struct ipaddr nm_addr(unsigned n)
{
	struct ipaddr addr = {.family = n % 2 ? AF_INET : AF_INET6};

	addr.bytes[0] = 10;
	addr.bytes[3] = (uint8_t)n;
	return addr;
}

static inline struct neighbour_where nm_where(unsigned n)
{
	return (struct neighbour_where){.mac = {{2, 0, 0, 0, 0, (uint8_t)(n % 4)}}, .port = n / 4};
}

static inline bool nm_stale(const struct nm *m, const struct nm_entry *e)
{
	return e->state == NEIGHBOUR_REACHABLE && m->now - e->confirmed >= NEIGHBOUR_REACHABLE_MS;
}

static inline uint32_t nm_holder_max(const struct nm *m, unsigned s)
{
	const struct neighbour_limits *limits = &m->limits[s];

	if (limits->holder_max)
		return limits->holder_max;
	return limits->max / 4 ? limits->max / 4 : 1;
}

static inline unsigned nm_count(const struct nm *m, unsigned s, unsigned holder)
{
	unsigned n = 0;

	for (unsigned a = 0; a < NM_ADDRS; a++)
		n += m->entry[s][a].used && m->entry[s][a].state != NEIGHBOUR_STATIC &&
		     m->entry[s][a].holder == holder;
	return n;
}

static inline unsigned nm_total(const struct nm *m, unsigned s)
{
	unsigned n = 0;

	for (unsigned a = 0; a < NM_ADDRS; a++)
		n += m->entry[s][a].used;
	return n;
}

static inline unsigned nm_held(const struct nm *m, int s, int holder)
{
	unsigned n = 0;

	for (unsigned i = 0; i < NM_SEGMENTS; i++) {
		for (unsigned a = 0; a < NM_ADDRS; a++) {
			const struct nm_entry *e = &m->entry[i][a];

			if (e->used && (s < 0 || (unsigned)s == i) &&
			    (holder < 0 || e->holder == (unsigned)holder))
				n += e->held;
		}
	}
	return n;
}

/* No entry of its holder is older. */
static inline bool nm_is_oldest(const struct nm *m, unsigned s, const struct nm_entry *e)
{
	for (unsigned a = 0; a < NM_ADDRS; a++) {
		const struct nm_entry *o = &m->entry[s][a];

		if (o->used && o->state != NEIGHBOUR_STATIC && o->holder == e->holder &&
		    o->order < e->order)
			return false;
	}
	return true;
}

static inline void nm_remove(struct nm *m, struct nm_entry *e)
{
	m->dropped += e->held;
	memset(e, 0, sizeof(*e));
}

/*
 * Takes over which entries the table has evicted so that `s` may have one more of
 * `holder` (NM_HOLDERS: a static one), and checks that each was the right one.
 */
static inline void nm_follow_evictions(struct nm *m, unsigned s, unsigned holder, bool moves)
{
	for (bool again = true; again;) {
		again = false;
		for (unsigned i = 0; i < NM_SEGMENTS; i++) {
			for (unsigned a = 0; a < NM_ADDRS; a++) {
				struct nm_entry *e = &m->entry[i][a];
				struct ipaddr addr = nm_addr(a);
				struct neighbour_info info;
				bool own, fullest, full = true;

				if (!e->used || e->state == NEIGHBOUR_STATIC ||
				    neighbours_info(m->table, (uint16_t)(i + 1), &addr, m->now,
						    &info) ||
				    !nm_is_oldest(m, i, e))
					continue;
				own = i == s && e->holder == holder &&
				      nm_count(m, s, holder) >= nm_holder_max(m, s);
				fullest = true;
				for (unsigned h = 0; h < NM_HOLDERS; h++)
					fullest &= nm_count(m, i, h) <= nm_count(m, i, e->holder);
				if (nm_total(m, s) < m->limits[s].max)
					full = nm_total(m, 0) + nm_total(m, 1) + nm_total(m, 2) >=
					       NM_CAPACITY;
				else
					full = i == s;
				NM_CHECK(own || (fullest && full && !moves));
				nm_remove(m, e);
				again = true;
			}
		}
	}
}

static inline void nm_touch(struct nm *m, struct nm_entry *e)
{
	if (e->used_at / 1000 != m->now / 1000)
		e->order = ++m->order;
	e->used_at = m->now;
}

static inline void nm_ask(struct nm *m, struct nm_entry *e)
{
	e->next_try = m->now + NEIGHBOUR_RETRANS_MS;
	e->asked_order = ++m->order;
}

static inline void nm_new(struct nm *m, struct nm_entry *e, unsigned holder)
{
	memset(e, 0, sizeof(*e));
	e->used = true;
	e->holder = holder;
	e->used_at = e->confirmed = m->now;
	e->order = ++m->order;
}

/* What waited comes out, in its order. */
static inline void nm_released(struct nm_entry *e, struct frame_batch *released)
{
	NM_CHECK(released->count == e->held);
	for (unsigned i = 0; i < e->held; i++) {
		uint32_t number;

		memcpy(&number, released->frame[i]->data, sizeof(number));
		NM_CHECK(number == e->frame[i]);
	}
	e->held = 0;
	frame_batch_free(released);
}

static inline void nm_use(struct nm *m, unsigned s, unsigned a, unsigned holder, bool with_frame)
{
	struct frame *frame = with_frame ? frame_alloc(m->pool, sizeof(uint32_t)) : NULL;
	struct nm_entry *e = &m->entry[s][a];
	struct neighbour_where where, probed;
	struct ipaddr addr = nm_addr(a);
	enum neighbour_use use, probe;
	unsigned before = nm_held(m, -1, -1);
	unsigned own = nm_held(m, (int)s, (int)(e->used ? e->holder : holder));
	bool room = !with_frame || (before < NM_HELD && own < NEIGHBOUR_HOLDER_HELD);

	if (frame) {
		frame->len = sizeof(uint32_t);
		frame->origin = &m->stats;
		m->frames++;
		memcpy(frame->data, &m->frames, sizeof(m->frames));
	}
	probe = neighbours_probe(m->table, (uint16_t)(s + 1), &addr, holder, &probed, m->now);
	use = neighbours_use(m->table, (uint16_t)(s + 1), &addr, holder, frame, &where, m->now);
	if (!e->used) {
		nm_follow_evictions(m, s, holder, false);
		if (use == NEIGHBOUR_REFUSED) {
			/* Without room for a frame, or among static entries only. */
			NM_CHECK(!room || nm_total(m, s) >= m->limits[s].max ||
				 nm_total(m, 0) + nm_total(m, 1) + nm_total(m, 2) >= NM_CAPACITY);
			frame_free(frame);
			return;
		}
		NM_CHECK(use == NEIGHBOUR_WAIT_ASK && room && (!with_frame || probe == use));
		nm_new(m, e, holder);
		e->state = NEIGHBOUR_INCOMPLETE;
		e->tries = 1;
		nm_ask(m, e);
		if (frame)
			e->frame[e->held++] = m->frames;
		return;
	}
	nm_touch(m, e);
	NM_CHECK(probe == use || !with_frame);
	if (e->state == NEIGHBOUR_INCOMPLETE) {
		room &= !with_frame || e->held < NEIGHBOUR_HELD;
		NM_CHECK(use == (room ? NEIGHBOUR_WAIT : NEIGHBOUR_REFUSED));
		if (!room)
			frame_free(frame);
		else if (frame)
			e->frame[e->held++] = m->frames;
		return;
	}
	NM_CHECK(use == (nm_stale(m, e) ? NEIGHBOUR_SEND_ASK : NEIGHBOUR_SEND));
	NM_CHECK(memcmp(&where, &e->where, sizeof(where)) == 0);
	frame_free(frame);
	if (use == NEIGHBOUR_SEND_ASK) {
		e->state = NEIGHBOUR_PROBE;
		e->tries = 1;
		nm_ask(m, e);
	}
}

static inline void nm_settle(struct nm *m, struct nm_entry *e, const struct neighbour_where *where)
{
	e->where = *where;
	e->state = NEIGHBOUR_REACHABLE;
	e->confirmed = m->now;
	e->tries = 0;
}

static inline void nm_heard(struct nm *m, unsigned s, unsigned a, unsigned holder, unsigned what)
{
	enum neighbour_may may = (enum neighbour_may)(what % 3);
	struct neighbour_where where = nm_where(what / 3 % 8);
	struct nm_entry *e = &m->entry[s][a];
	struct frame_batch released = {.count = 0};
	struct ipaddr addr = nm_addr(a);
	enum neighbour_news news = neighbours_heard(m->table, (uint16_t)(s + 1), &addr, &where, may,
						    holder, m->now, &released);
	bool same = memcmp(&where, &e->where, sizeof(where)) == 0;

	if (!e->used) {
		nm_follow_evictions(m, s, holder, false);
		NM_CHECK(released.count == 0);
		if (news == NEIGHBOUR_NEW) {
			NM_CHECK(may == NEIGHBOUR_MAY_CREATE);
			nm_new(m, e, holder);
			nm_settle(m, e, &where);
		} else {
			NM_CHECK(news == NEIGHBOUR_UNKNOWN);
		}
		return;
	}
	if (e->state == NEIGHBOUR_INCOMPLETE) {
		NM_CHECK(news == NEIGHBOUR_NEW);
		nm_touch(m, e);
		nm_settle(m, e, &where);
		nm_released(e, &released);
		return;
	}
	NM_CHECK(released.count == 0);
	if (e->state == NEIGHBOUR_STATIC || (!same && may == NEIGHBOUR_MAY_CONFIRM)) {
		NM_CHECK(news == (same ? NEIGHBOUR_SAME : NEIGHBOUR_KEPT));
		return;
	}
	NM_CHECK(news == (same ? NEIGHBOUR_SAME : NEIGHBOUR_MOVED));
	nm_touch(m, e);
	nm_settle(m, e, &where);
	if (!same && may == NEIGHBOUR_MAY_CREATE && e->holder != holder) {
		nm_follow_evictions(m, s, holder, true);
		e->holder = holder;
		e->order = ++m->order;
	}
}

static inline void nm_tick(struct nm *m)
{
	struct frame_batch released = {.count = 0};
	struct neighbour_due due;

	while (neighbours_tick(m->table, m->now, &due, &released)) {
		unsigned s = due.segment - 1u, a = due.addr.bytes[3];
		struct nm_entry *e = &m->entry[s][a];

		NM_CHECK(e->used && e->tries > 0 && e->next_try <= m->now);
		NM_CHECK(due.holder == e->holder);
		for (unsigned i = 0; i < NM_SEGMENTS; i++) {
			for (unsigned k = 0; k < NM_ADDRS; k++) {
				const struct nm_entry *o = &m->entry[i][k];

				NM_CHECK(!o->used || o->tries == 0 ||
					 o->asked_order >= e->asked_order);
			}
		}
		NM_CHECK(due.failed == (e->tries >= NEIGHBOUR_TRIES));
		NM_CHECK(due.alone == (e->state == NEIGHBOUR_PROBE));
		NM_CHECK(memcmp(&due.where, &e->where, sizeof(e->where)) == 0);
		if (due.failed) {
			nm_released(e, &released);
			memset(e, 0, sizeof(*e));
		} else {
			NM_CHECK(released.count == 0);
			e->tries++;
			nm_ask(m, e);
		}
	}
	for (unsigned i = 0; i < NM_SEGMENTS; i++) {
		for (unsigned k = 0; k < NM_ADDRS; k++) {
			struct nm_entry *e = &m->entry[i][k];

			if (e->used && e->tries > 0)
				NM_CHECK(e->next_try > m->now);
			if (e->used && e->state != NEIGHBOUR_STATIC &&
			    m->now - e->used_at >= NEIGHBOUR_UNUSED_MS)
				nm_remove(m, e);
		}
	}
}

static inline void nm_add_or_del(struct nm *m, unsigned s, unsigned a, unsigned what)
{
	struct nm_entry *e = &m->entry[s][a];
	struct frame_batch released = {.count = 0};
	struct neighbour_where where = nm_where(what % 8);
	struct ipaddr addr = nm_addr(a);
	int ret;

	if (what & 0x40) {
		NM_CHECK(neighbours_del(m->table, (uint16_t)(s + 1), &addr) ==
			 (e->used ? 0 : -ENOENT));
		nm_remove(m, e);
		return;
	}
	ret = neighbours_add(m->table, (uint16_t)(s + 1), &addr, &where, m->now, &released);
	if (!e->used) {
		nm_follow_evictions(m, s, NM_HOLDERS, false);
		NM_CHECK(ret == 0 || ret == -ENOSPC);
		if (ret < 0)
			return;
		nm_new(m, e, 0);
	}
	NM_CHECK(ret == 0);
	nm_settle(m, e, &where);
	nm_released(e, &released);
	e->holder = 0;
	e->state = NEIGHBOUR_STATIC;
}

static inline void nm_forget(struct nm *m, unsigned holder)
{
	size_t gone = neighbours_forget(m->table, holder);

	for (unsigned s = 0; s < NM_SEGMENTS; s++) {
		for (unsigned a = 0; a < NM_ADDRS; a++) {
			struct nm_entry *e = &m->entry[s][a];

			if (!e->used || e->state == NEIGHBOUR_STATIC || e->holder != holder)
				continue;
			nm_remove(m, e);
			gone--;
		}
	}
	NM_CHECK(gone == 0);
}

/* Of one address or of all, in one segment or in all. */
static inline void nm_flush(struct nm *m, unsigned what)
{
	const unsigned only = what & 1 ? what / 4 % NM_SEGMENTS : NM_SEGMENTS;
	const unsigned one = what & 2 ? what / 4 % NM_ADDRS : NM_ADDRS;
	const struct ipaddr addr = nm_addr(one);
	size_t gone = neighbours_flush(m->table, only == NM_SEGMENTS ? -1 : (int)only + 1,
				       one == NM_ADDRS ? NULL : &addr);

	for (unsigned s = 0; s < NM_SEGMENTS; s++) {
		for (unsigned a = 0; a < NM_ADDRS; a++) {
			struct nm_entry *e = &m->entry[s][a];

			if (!e->used || e->state == NEIGHBOUR_STATIC ||
			    (only != NM_SEGMENTS && only != s) || (one != NM_ADDRS && one != a))
				continue;
			nm_remove(m, e);
			gone--;
		}
	}
	NM_CHECK(gone == 0);
}

/* A segment ends, and begins with other limits. */
static inline void nm_restart(struct nm *m, unsigned s, unsigned what)
{
	neighbours_segment_del(m->table, (uint16_t)(s + 1));
	for (unsigned a = 0; a < NM_ADDRS; a++)
		nm_remove(m, &m->entry[s][a]);
	m->limits[s] = (struct neighbour_limits){.max = 1 + what % 20, .holder_max = what / 32};
	NM_CHECK(neighbours_segment_set(m->table, (uint16_t)(s + 1), &m->limits[s]) == 0);
}

static inline void nm_compare(struct nm *m)
{
	struct neighbour_info list[4];
	unsigned listed = 0, total = 0;
	uint32_t cursor = 0;
	bool asked = false;
	size_t n;

	for (unsigned s = 0; s < NM_SEGMENTS; s++) {
		NM_CHECK(neighbours_segment_count(m->table, (uint16_t)(s + 1)) == nm_total(m, s));
		total += nm_total(m, s);
		for (unsigned a = 0; a < NM_ADDRS; a++) {
			const struct nm_entry *e = &m->entry[s][a];
			struct ipaddr addr = nm_addr(a);
			struct neighbour_info info;

			NM_CHECK(neighbours_info(m->table, (uint16_t)(s + 1), &addr, m->now,
						 &info) == e->used);
			if (!e->used)
				continue;
			asked |= e->tries > 0;
			NM_CHECK(info.state == (nm_stale(m, e) ? NEIGHBOUR_STALE : e->state));
			NM_CHECK(info.held == e->held && info.tries == e->tries);
			NM_CHECK(info.holder == e->holder);
			NM_CHECK(info.age_ms == m->now - e->confirmed);
			NM_CHECK(memcmp(&info.where, &e->where, sizeof(e->where)) == 0);
		}
	}
	while ((n = neighbours_list(m->table, -1, m->now, &cursor, list, 4)) > 0)
		listed += (unsigned)n;
	NM_CHECK(listed == total && total <= NM_CAPACITY);
	NM_CHECK(asked == neighbours_are_asked(m->table));
	NM_CHECK(frame_pool_usage(m->pool).frames_used == nm_held(m, -1, -1));
	NM_CHECK(m->stats.rx_drops[REASON_NO_NEIGHBOUR] == m->dropped);
}

/* Returns how many operations there were. */
static inline unsigned nmodel_run(const uint8_t *data, size_t size)
{
	static const struct hash_key key = {{1, 2}};
	struct nm *m = calloc(1, sizeof(*m));
	unsigned done = 0;

	NM_CHECK(m);
	m->at = data;
	m->left = size;
	m->now = 5000;
	m->table = neighbours_create(&key, NM_CAPACITY, NM_HELD);
	m->pool = frame_pool_create(64, 0);
	NM_CHECK(m->table && m->pool);
	for (unsigned s = 0; s < NM_SEGMENTS; s++)
		nm_restart(m, s, nm_take(m));
	while (m->left > 0) {
		unsigned what = nm_take(m), s = what / 16 % NM_SEGMENTS, a = nm_take(m) % NM_ADDRS;
		unsigned holder = what / 64;

		switch (what % 16) {
		case 0:
			m->now += nm_take(m) * 4u;
			break;
		case 1:
			m->now += nm_take(m) * 4000u;
			break;
		case 2:
			nm_add_or_del(m, s, a, nm_take(m));
			break;
		case 3:
			if (a == 0)
				nm_forget(m, holder);
			else if (a == 1)
				nm_restart(m, s, nm_take(m));
			else if (a == 2)
				nm_flush(m, nm_take(m));
			break;
		case 4:
		case 5:
			nm_tick(m);
			break;
		case 6:
		case 7:
		case 8:
		case 9:
			nm_heard(m, s, a, holder, nm_take(m));
			break;
		default:
			nm_use(m, s, a, holder, what % 16 != 10);
			break;
		}
		nm_compare(m);
		done++;
	}
	neighbours_destroy(m->table);
	NM_CHECK(frame_pool_usage(m->pool).frames_used == 0);
	frame_pool_destroy(m->pool);
	free(m);
	return done;
}

#endif
