/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A naive model of the forwarding database: one array for each segment, indexed
 * by MAC, everything else found by looking at all of it. model_run() decodes
 * operations from bytes, does each on a table and on the model, and aborts at
 * the first difference. The unit test feeds it random bytes, the fuzzer its own.
 *
 * Where the rules leave a choice (which of several equally large holders loses
 * an entry), the model takes what the table chose and checks that it was allowed.
 */
#ifndef TVD_TEST_FDB_MODEL_H
#define TVD_TEST_FDB_MODEL_H

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "learn/fdb.h"

#define MODEL_SEGMENTS 4u
#define MODEL_MACS     64u
#define MODEL_WHERES   8u
#define MODEL_CAPACITY 100u
#define MODEL_EVENTS   512u

#define MODEL_CHECK(cond)                                                                          \
	do {                                                                                       \
		if (!(cond)) {                                                                     \
			(void)fprintf(stderr, "%s:%d: model: %s\n", __FILE__, __LINE__, #cond);    \
			abort();                                                                   \
		}                                                                                  \
	} while (0)

struct model_entry {
	bool used, pinned;
	enum fdb_state state;
	unsigned where, moves;
	unsigned home; /* MODEL_WHERES: none */
	uint64_t stamp, mark, came;
	uint64_t order; /* in which the table is to consider it old */
};

struct model_segment {
	bool used;
	struct fdb_limits limits;
	struct fdb_counters counters;
	struct model_entry entry[MODEL_MACS];
	uint64_t heard[MODEL_WHERES];
};

struct model_event {
	enum fdb_event event;
	unsigned segment, mac, where, from, age_ms;
	bool pinned;
};

struct model {
	struct fdb *fdb;
	uint64_t now, order;
	uint64_t told; /* the time that the table was last told */
	unsigned long ops;
	const uint8_t *data;
	size_t left;
	struct model_segment segment[MODEL_SEGMENTS];
	struct model_event event[MODEL_EVENTS];
	unsigned events, taken;
	/* A listing in steps, with changes between. */
	bool walking;
	uint32_t cursor;
	bool stayed[MODEL_SEGMENTS][MODEL_MACS];
	unsigned met[MODEL_SEGMENTS][MODEL_MACS];
};

static const uint16_t model_ids[MODEL_SEGMENTS] = {0, 1, 4095, 65535};

static struct mac model_mac(unsigned i)
{
	struct mac mac = {{2, 0, 0, 0, 0, (uint8_t)i}};

	if (i % 2) /* some that differ only in the first octet */
		mac = (struct mac){{(uint8_t)(4 * i), 0, 0, 0, 0, 1}};
	return mac;
}

static struct fdb_where model_where(unsigned i)
{
	static const struct {
		uint32_t side, port;
		const char *remote;
	} table[MODEL_WHERES] = {{0, 1, NULL},		{0, 2, NULL},	     {0, 70000, NULL},
				 {1, 0, "192.0.2.1"},	{1, 0, "192.0.2.2"}, {2, 0, "192.0.2.1"},
				 {2, 0, "2001:db8::1"}, {3, 0, NULL}};
	struct fdb_where where;

	memset(&where, 0, sizeof(where));
	where.side = table[i].side;
	where.port = table[i].port;
	if (table[i].remote)
		MODEL_CHECK(ipaddr_parse(table[i].remote, &where.remote) == 0);
	return where;
}

static unsigned model_segment_index(uint16_t id)
{
	for (unsigned i = 0; i < MODEL_SEGMENTS; i++)
		if (model_ids[i] == id)
			return i;
	MODEL_CHECK(false && "a known segment");
	return 0;
}

static unsigned model_mac_index(const struct mac *mac)
{
	for (unsigned i = 0; i < MODEL_MACS; i++) {
		const struct mac other = model_mac(i);

		if (mac_equal(mac, &other))
			return i;
	}
	MODEL_CHECK(false && "a known address");
	return 0;
}

static unsigned model_where_index(const struct fdb_where *where)
{
	for (unsigned i = 0; i < MODEL_WHERES; i++) {
		const struct fdb_where other = model_where(i);

		if (memcmp(where, &other, sizeof(other)) == 0)
			return i;
	}
	MODEL_CHECK(false && "a known location");
	return 0;
}

static void model_on_event(void *arg, enum fdb_event event, const struct fdb_entry_info *info,
			   const struct fdb_where *from)
{
	struct model *m = arg;
	struct model_event *seen = &m->event[m->events++];

	MODEL_CHECK(m->events <= MODEL_EVENTS);
	MODEL_CHECK((from != NULL) == (event == FDB_EVENT_MOVED));
	MODEL_CHECK(info->state == FDB_LEARNED);
	seen->event = event;
	seen->segment = model_segment_index(info->segment);
	seen->mac = model_mac_index(&info->mac);
	seen->where = model_where_index(&info->where);
	seen->from = from ? model_where_index(from) : MODEL_WHERES;
	seen->age_ms = info->age_ms;
	seen->pinned = info->pinned;
}

static const struct model_event *model_event_take(struct model *m)
{
	MODEL_CHECK(m->taken < m->events);
	return &m->event[m->taken++];
}

/* Counts, each by looking at everything. */

static unsigned model_count(const struct model *m, unsigned s, unsigned where, bool learned_only)
{
	unsigned count = 0;

	for (unsigned i = 0; i < MODEL_MACS; i++) {
		const struct model_entry *e = &m->segment[s].entry[i];

		if (e->used && (where == MODEL_WHERES || e->where == where) &&
		    (!learned_only || e->state == FDB_LEARNED))
			count++;
	}
	return count;
}

static unsigned model_count_all(const struct model *m)
{
	unsigned count = 0;

	for (unsigned s = 0; s < MODEL_SEGMENTS; s++)
		count += model_count(m, s, MODEL_WHERES, false);
	return count;
}

/* Learned entries of the largest holder, of segment s or of all. */
static unsigned model_largest(const struct model *m, unsigned s)
{
	unsigned largest = 0;

	for (unsigned t = 0; t < MODEL_SEGMENTS; t++)
		for (unsigned w = 0; w < MODEL_WHERES; w++) {
			unsigned count = model_count(m, t, w, true);

			if ((s == MODEL_SEGMENTS || s == t) && count > largest)
				largest = count;
		}
	return largest;
}

static unsigned model_limit(const struct model *m, unsigned s, unsigned where)
{
	const struct fdb_limits *limits = &m->segment[s].limits;

	return model_where(where).side == FDB_SIDE_LOCAL ? limits->holder_max : limits->remote_max;
}

static bool model_aged_at(const struct model *m, unsigned s, unsigned mac, uint64_t now)
{
	const struct model_entry *e = &m->segment[s].entry[mac];
	const uint32_t ageing = m->segment[s].limits.ageing_ms;

	return e->used && e->state == FDB_LEARNED && ageing && now - e->stamp >= ageing;
}

static bool model_aged(const struct model *m, unsigned s, unsigned mac)
{
	return model_aged_at(m, s, mac, m->now);
}

static bool model_pinned(const struct model *m, const struct model_entry *e)
{
	return e->pinned && m->now - e->mark < FDB_PIN_MS;
}

static void model_remove(struct model *m, unsigned s, unsigned mac)
{
	struct model_entry *e = &m->segment[s].entry[mac];

	MODEL_CHECK(e->used);
	e->used = false;
	m->stayed[s][mac] = false;
}

/* Takes an event of loss by time or limit and says of which holder. */
static void model_lose(struct model *m, unsigned *s, unsigned *where)
{
	const struct model_event *seen = model_event_take(m);
	const struct model_entry *e = &m->segment[seen->segment].entry[seen->mac];
	const bool aged = model_aged_at(m, seen->segment, seen->mac, m->told);

	MODEL_CHECK(e->used && e->state == FDB_LEARNED && e->where == seen->where);
	MODEL_CHECK(seen->event == (aged ? FDB_EVENT_EXPIRED : FDB_EVENT_EVICTED));
	MODEL_CHECK(seen->age_ms == m->told - e->stamp);
	if (aged)
		m->segment[seen->segment].counters.expired++;
	else
		m->segment[seen->segment].counters.evicted++;
	*s = seen->segment;
	*where = seen->where;
	model_remove(m, seen->segment, seen->mac);
}

/* The same, when it must have been the oldest of its holder. */
static void model_lose_oldest(struct model *m, unsigned *s, unsigned *where)
{
	const struct model_event *seen = &m->event[m->taken];
	uint64_t order;

	MODEL_CHECK(m->taken < m->events);
	order = m->segment[seen->segment].entry[seen->mac].order;
	for (unsigned i = 0; i < MODEL_MACS; i++) {
		const struct model_entry *e = &m->segment[seen->segment].entry[i];

		MODEL_CHECK(!e->used || e->state != FDB_LEARNED || e->where != seen->where ||
			    e->order >= order);
	}
	model_lose(m, s, where);
}

static bool model_has_room(const struct model *m, unsigned s, unsigned where, bool move)
{
	const struct fdb_limits *limits = &m->segment[s].limits;

	if (limits->max == 0 || model_limit(m, s, where) == 0)
		return false;
	if (model_count(m, s, where, false) >= model_limit(m, s, where))
		return model_count(m, s, where, true) > 0;
	if (move)
		return true;
	if (model_count(m, s, MODEL_WHERES, false) >= limits->max)
		return model_largest(m, s) > 0;
	return model_count_all(m) < MODEL_CAPACITY || model_largest(m, MODEL_SEGMENTS) > 0;
}

/* What had to go for one more entry of (s, where) has gone. */
static void model_make_room(struct model *m, unsigned s, unsigned where, bool move)
{
	const unsigned own = model_count(m, s, where, true);
	unsigned largest, before[MODEL_SEGMENTS][MODEL_WHERES];
	unsigned lost_s, lost_where;

	for (unsigned t = 0; t < MODEL_SEGMENTS; t++)
		for (unsigned w = 0; w < MODEL_WHERES; w++)
			before[t][w] = model_count(m, t, w, true);
	if (model_count(m, s, where, false) >= model_limit(m, s, where)) {
		model_lose_oldest(m, &lost_s, &lost_where);
		MODEL_CHECK(lost_s == s && lost_where == where);
		return;
	}
	if (move)
		return;
	if (model_count(m, s, MODEL_WHERES, false) >= m->segment[s].limits.max)
		largest = model_largest(m, s);
	else if (model_count_all(m) >= MODEL_CAPACITY)
		largest = model_largest(m, MODEL_SEGMENTS);
	else
		return;
	if (model_count(m, s, MODEL_WHERES, false) >= m->segment[s].limits.max)
		MODEL_CHECK(m->event[m->taken].segment == s);
	model_lose_oldest(m, &lost_s, &lost_where);
	MODEL_CHECK(before[lost_s][lost_where] == largest);
	if (own >= largest)
		MODEL_CHECK(lost_s == s && lost_where == where);
}

/* Where an entry that bounces has to stay. */
static unsigned model_pin_where(const struct model *m, unsigned s, const struct model_entry *e)
{
	return e->home < MODEL_WHERES && e->home != e->where && model_has_room(m, s, e->home, true)
		   ? e->home
		   : e->where;
}

static bool model_bounces(const struct model *m, const struct model_entry *e)
{
	return !e->pinned && e->moves >= FDB_BOUNCE_LIMIT && m->now - e->mark < 1000;
}

static enum fdb_verdict model_verdict(const struct model *m, unsigned s, unsigned mac,
				      unsigned where)
{
	const struct model_entry *e = &m->segment[s].entry[mac];

	if (!m->segment[s].used)
		return FDB_FULL;
	if (!e->used || model_aged(m, s, mac))
		return model_has_room(m, s, where, false) ? FDB_NEW : FDB_FULL;
	if (e->where == where)
		return FDB_KNOWN;
	if (e->state != FDB_LEARNED)
		return FDB_FIXED;
	if (model_pinned(m, e))
		return FDB_PINNED;
	if (model_bounces(m, e))
		return model_pin_where(m, s, e) == where ? FDB_MOVED : FDB_PINNED;
	return model_has_room(m, s, where, true) ? FDB_MOVED : FDB_FULL;
}

static void model_place(struct model *m, unsigned s, unsigned mac, unsigned where,
			enum fdb_state state)
{
	struct model_segment *seg = &m->segment[s];
	struct model_entry *e = &seg->entry[mac];
	bool fresh = model_count(m, s, where, false) == 0;

	if (!e->used)
		*e = (struct model_entry){.used = true, .home = MODEL_WHERES, .came = m->now};
	else if (e->where != where)
		e->came = m->now;
	e->state = state;
	e->where = where;
	e->stamp = m->now;
	e->order = ++m->order;
	if (fresh || m->now > seg->heard[where])
		seg->heard[where] = m->now;
}

static void model_refresh(struct model *m, unsigned s, unsigned mac)
{
	struct model_entry *e = &m->segment[s].entry[mac];

	if (e->stamp / 1000 != m->now / 1000)
		e->order = ++m->order;
	e->stamp = m->now;
	m->segment[s].heard[e->where] = m->now;
}

static void model_learn_moved(struct model *m, unsigned s, unsigned mac, unsigned where)
{
	struct model_entry *e = &m->segment[s].entry[mac];
	const unsigned from = e->where;
	const struct model_event *seen;

	if (e->home == MODEL_WHERES || m->now - e->came >= FDB_SETTLED_MS)
		e->home = from;
	model_make_room(m, s, where, true);
	model_place(m, s, mac, where, FDB_LEARNED);
	if (e->moves == 0 || e->pinned || m->now - e->mark >= 1000) {
		e->mark = m->now;
		e->moves = 0;
	}
	e->pinned = false;
	e->moves++;
	m->segment[s].counters.moved++;
	seen = model_event_take(m);
	MODEL_CHECK(seen->event == FDB_EVENT_MOVED && seen->from == from && !seen->pinned);
	MODEL_CHECK(seen->segment == s && seen->mac == mac && seen->where == where);
}

static void model_learn_pinned(struct model *m, unsigned s, unsigned mac)
{
	struct model_entry *e = &m->segment[s].entry[mac];
	const unsigned where = model_pin_where(m, s, e);
	const struct model_event *seen;

	if (e->where != where) {
		model_make_room(m, s, where, true);
		model_place(m, s, mac, where, FDB_LEARNED);
		m->segment[s].counters.moved++;
	}
	e->pinned = true;
	e->mark = m->now;
	seen = model_event_take(m);
	MODEL_CHECK(seen->event == FDB_EVENT_PINNED && seen->pinned);
	MODEL_CHECK(seen->segment == s && seen->mac == mac && seen->where == where);
}

static void model_learn(struct model *m, unsigned s, unsigned mac, unsigned where)
{
	const enum fdb_verdict expected = model_verdict(m, s, mac, where);
	const struct fdb_where at = model_where(where);
	const struct mac address = model_mac(mac);
	struct model_entry *e = &m->segment[s].entry[mac];
	const struct model_event *seen;
	unsigned lost_s, lost_where;

	MODEL_CHECK(fdb_probe(m->fdb, model_ids[s], &address, &at, m->now) == expected);
	MODEL_CHECK(m->events == 0);
	MODEL_CHECK(fdb_learn(m->fdb, model_ids[s], &address, &at, m->now) == expected);
	if (m->segment[s].used)
		m->told = m->now;
	if (m->segment[s].used && model_aged(m, s, mac))
		model_lose(m, &lost_s, &lost_where);
	if (expected == FDB_NEW) {
		model_make_room(m, s, where, false);
		model_place(m, s, mac, where, FDB_LEARNED);
		m->segment[s].counters.learned++;
		seen = model_event_take(m);
		MODEL_CHECK(seen->event == FDB_EVENT_LEARNED && seen->segment == s);
		MODEL_CHECK(seen->mac == mac && seen->where == where);
	} else if (expected == FDB_KNOWN) {
		model_refresh(m, s, mac);
	} else if ((expected == FDB_MOVED || expected == FDB_PINNED) && model_bounces(m, e)) {
		model_learn_pinned(m, s, mac);
	} else if (expected == FDB_MOVED) {
		model_learn_moved(m, s, mac, where);
	}
}

static void model_add(struct model *m, unsigned s, unsigned mac, unsigned where,
		      enum fdb_state state)
{
	struct model_entry *e = &m->segment[s].entry[mac];
	const struct fdb_where at = model_where(where);
	const struct mac address = model_mac(mac);
	int rc = fdb_add(m->fdb, model_ids[s], &address, &at, state, m->now);
	bool same, move;
	unsigned lost_s, lost_where;

	if (!m->segment[s].used) {
		MODEL_CHECK(rc == -ENOENT);
		return;
	}
	m->told = m->now;
	if (model_aged(m, s, mac))
		model_lose(m, &lost_s, &lost_where);
	if (e->used && e->state != FDB_LEARNED) {
		MODEL_CHECK(rc == -EEXIST);
		return;
	}
	same = e->used && e->where == where;
	move = e->used;
	if (!same && !model_has_room(m, s, where, move)) {
		MODEL_CHECK(rc == -ENOSPC);
		return;
	}
	MODEL_CHECK(rc == 0);
	if (!same)
		model_make_room(m, s, where, move);
	model_place(m, s, mac, where, state);
	e->pinned = false;
	e->moves = 0;
	e->home = MODEL_WHERES;
}

static void model_del(struct model *m, unsigned s, unsigned mac)
{
	const struct mac address = model_mac(mac);
	int rc = fdb_del(m->fdb, model_ids[s], &address);

	MODEL_CHECK(rc == (m->segment[s].entry[mac].used ? 0 : -ENOENT));
	if (rc == 0)
		model_remove(m, s, mac);
}

/* where: MODEL_WHERES for all; beyond it, a side with all its hosts. */
static void model_flush(struct model *m, unsigned s, unsigned where, bool fixed_too)
{
	struct fdb_where at = {0};
	size_t count = 0;

	if (where < MODEL_WHERES)
		at = model_where(where);
	else if (where > MODEL_WHERES)
		at.side = 1 + (where - MODEL_WHERES) % 3;
	for (unsigned i = 0; i < MODEL_MACS; i++) {
		struct model_entry *e = &m->segment[s].entry[i];
		bool here = where == MODEL_WHERES || e->where == where ||
			    (where > MODEL_WHERES && model_where(e->where).side == at.side);

		if (e->used && here && (fixed_too || e->state == FDB_LEARNED)) {
			model_remove(m, s, i);
			count++;
		}
		if (e->home < MODEL_WHERES &&
		    (e->home == where ||
		     (where > MODEL_WHERES && model_where(e->home).side == at.side)))
			e->home = MODEL_WHERES;
	}
	MODEL_CHECK(fdb_flush(m->fdb, model_ids[s], where == MODEL_WHERES ? NULL : &at,
			      fixed_too) == count);
}

static void model_age(struct model *m)
{
	size_t expected = 0, count = fdb_age(m->fdb, m->now);
	unsigned s, where;

	m->told = m->now;
	for (unsigned t = 0; t < MODEL_SEGMENTS; t++)
		for (unsigned i = 0; i < MODEL_MACS; i++)
			expected += model_aged(m, t, i);
	MODEL_CHECK(count == expected && m->events == expected);
	while (count-- > 0) {
		MODEL_CHECK(m->event[m->taken].event == FDB_EVENT_EXPIRED);
		model_lose(m, &s, &where);
	}
}

/* Evictions after limits became smaller: own limits first, then the segment's. */
static void model_set(struct model *m, unsigned s, const struct fdb_limits *limits)
{
	unsigned lost_s, lost_where;

	MODEL_CHECK(fdb_segment_set(m->fdb, model_ids[s], limits) == 0);
	m->walking = false;
	m->segment[s].limits = *limits;
	if (!m->segment[s].used)
		m->segment[s].counters = (struct fdb_counters){0};
	m->segment[s].used = true;
	while (m->taken < m->events) {
		const struct model_event *seen = &m->event[m->taken];
		bool over = false;

		for (unsigned w = 0; w < MODEL_WHERES; w++)
			over |= model_count(m, s, w, false) > model_limit(m, s, w) &&
				model_count(m, s, w, true) > 0;
		if (over)
			MODEL_CHECK(model_count(m, s, seen->where, false) >
				    model_limit(m, s, seen->where));
		else
			MODEL_CHECK(model_count(m, s, MODEL_WHERES, false) > limits->max &&
				    model_count(m, s, seen->where, true) == model_largest(m, s));
		model_lose_oldest(m, &lost_s, &lost_where);
		MODEL_CHECK(lost_s == s);
	}
	for (unsigned w = 0; w < MODEL_WHERES; w++)
		MODEL_CHECK(model_count(m, s, w, false) <= model_limit(m, s, w) ||
			    model_count(m, s, w, true) == 0);
	MODEL_CHECK(model_count(m, s, MODEL_WHERES, false) <= limits->max ||
		    model_largest(m, s) == 0);
}

static void model_segment_del(struct model *m, unsigned s)
{
	fdb_segment_del(m->fdb, model_ids[s]);
	for (unsigned i = 0; i < MODEL_MACS; i++)
		if (m->segment[s].entry[i].used)
			model_remove(m, s, i);
	m->segment[s].used = false;
	m->segment[s].counters = (struct fdb_counters){0};
}

static void model_check_info(const struct model *m, const struct fdb_entry_info *info)
{
	const unsigned s = model_segment_index(info->segment);
	const unsigned mac = model_mac_index(&info->mac);
	const struct model_entry *e = &m->segment[s].entry[mac];

	MODEL_CHECK(e->used && !model_aged(m, s, mac));
	MODEL_CHECK(e->state == info->state && e->where == model_where_index(&info->where));
	MODEL_CHECK(info->age_ms == m->now - e->stamp);
	MODEL_CHECK(info->pinned == model_pinned(m, e));
}

static void model_check_list(const struct model *m, int only, size_t step)
{
	unsigned seen[MODEL_SEGMENTS][MODEL_MACS] = {{0}};
	struct fdb_entry_info info[8];
	uint32_t cursor = 0;
	size_t n;

	while ((n = fdb_list(m->fdb, only < 0 ? -1 : model_ids[only], m->now, &cursor, info,
			     step)) > 0) {
		MODEL_CHECK(n <= step);
		for (size_t i = 0; i < n; i++) {
			model_check_info(m, &info[i]);
			seen[model_segment_index(info[i].segment)][model_mac_index(&info[i].mac)]++;
		}
	}
	for (unsigned s = 0; s < MODEL_SEGMENTS; s++)
		for (unsigned i = 0; i < MODEL_MACS; i++)
			MODEL_CHECK(seen[s][i] ==
				    (m->segment[s].entry[i].used && !model_aged(m, s, i) &&
				     (only < 0 || (unsigned)only == s)));
}

static void model_check_holders(const struct model *m, size_t step)
{
	unsigned expected = 0, seen = 0;
	struct fdb_holder_info info[8];
	uint32_t cursor = 0;
	size_t n;

	for (unsigned s = 0; s < MODEL_SEGMENTS; s++)
		for (unsigned w = 0; w < MODEL_WHERES; w++) {
			const uint32_t ageing = m->segment[s].limits.ageing_ms;
			unsigned count = model_count(m, s, w, false);

			expected += count > 0 && (!ageing || count > model_count(m, s, w, true) ||
						  m->now - m->segment[s].heard[w] < ageing);
		}
	while ((n = fdb_list_holders(m->fdb, m->now, &cursor, info, step)) > 0)
		for (size_t i = 0; i < n; i++, seen++) {
			unsigned s = model_segment_index(info[i].segment);
			unsigned w = model_where_index(&info[i].where);

			MODEL_CHECK(info[i].entries == model_count(m, s, w, false));
			MODEL_CHECK(info[i].idle_ms == m->now - m->segment[s].heard[w]);
		}
	MODEL_CHECK(seen == expected);
}

static void model_check_lookups(const struct model *m)
{
	for (unsigned s = 0; s < MODEL_SEGMENTS; s++) {
		const struct model_segment *seg = &m->segment[s];
		const struct fdb_counters got = fdb_segment_counters(m->fdb, model_ids[s]);

		MODEL_CHECK(memcmp(&got, &seg->counters, sizeof(got)) == 0);
		MODEL_CHECK(fdb_segment_count(m->fdb, model_ids[s]) ==
			    model_count(m, s, MODEL_WHERES, false));
		for (unsigned i = 0; i < MODEL_MACS; i++) {
			const struct mac mac = model_mac(i);
			const struct fdb_where *at = fdb_lookup(m->fdb, model_ids[s], &mac, m->now);

			MODEL_CHECK((at != NULL) == (seg->entry[i].used && !model_aged(m, s, i)));
			MODEL_CHECK(!at || model_where_index(at) == seg->entry[i].where);
		}
	}
}

/* A listing goes on while the table changes: who stays is met exactly once. */
static void model_walk(struct model *m, size_t step)
{
	struct fdb_entry_info info[8];
	size_t n;

	if (!m->walking) {
		m->walking = true;
		m->cursor = 0;
		memset(m->met, 0, sizeof(m->met));
		for (unsigned s = 0; s < MODEL_SEGMENTS; s++)
			for (unsigned i = 0; i < MODEL_MACS; i++)
				m->stayed[s][i] = m->segment[s].entry[i].used;
	}
	n = fdb_list(m->fdb, -1, m->now, &m->cursor, info, step);
	for (size_t i = 0; i < n; i++) {
		model_check_info(m, &info[i]);
		m->met[model_segment_index(info[i].segment)][model_mac_index(&info[i].mac)]++;
	}
	if (n > 0)
		return;
	for (unsigned s = 0; s < MODEL_SEGMENTS; s++)
		for (unsigned i = 0; i < MODEL_MACS; i++)
			MODEL_CHECK(!m->stayed[s][i] || model_aged(m, s, i) || m->met[s][i] == 1);
	m->walking = false;
}

static uint8_t model_byte(struct model *m)
{
	if (m->left == 0)
		return 0;
	m->left--;
	return *m->data++;
}

static void model_op_set(struct model *m, unsigned s)
{
	static const uint32_t ageing[8] = {0, 1, 999, 5000, 30000, 30000, 100000, 300000};
	static const uint32_t max[8] = {0, 1, 7, 20, 40, 64, 64, 1000};
	static const uint32_t own[8] = {0, 1, 2, 5, 10, 20, 64, 1000};
	const uint8_t a = model_byte(m), b = model_byte(m);
	struct fdb_limits limits = {.ageing_ms = ageing[a & 7],
				    .max = max[(a >> 3) & 7],
				    .holder_max = own[b & 7],
				    .remote_max = own[(b >> 3) & 7]};

	model_set(m, s, &limits);
}

static void model_op(struct model *m)
{
	const uint8_t op = model_byte(m), a = model_byte(m), b = model_byte(m);
	const unsigned s = a / MODEL_MACS, mac = a % MODEL_MACS, where = b % MODEL_WHERES;

	m->events = m->taken = 0;
	m->ops++;
	if (op < 128) {
		m->now += op & 15;
		model_learn(m, s, mac, where);
	} else if (op < 160) { /* a loop, perhaps */
		for (unsigned i = 0; i < op - 128u; i++) {
			m->now += (b >> 3) * 4u;
			m->events = m->taken = 0;
			model_learn(m, s, mac, (where + i % 2) % MODEL_WHERES);
		}
	} else if (op < 176) {
		model_add(m, s, mac, where, (enum fdb_state)(op % 3));
	} else if (op < 192) {
		model_del(m, s, mac);
	} else if (op < 196) {
		model_flush(m, s, b % 12, b & 128);
	} else if (op < 206) {
		model_age(m);
	} else if (op < 212) {
		model_op_set(m, s);
	} else if (op == 212) {
		model_segment_del(m, s);
	} else if (op < 224) {
		m->now += 100u * a;
	} else if (op == 224) {
		m->now += 1000u * a + b;
	} else if (op < 236) {
		model_walk(m, 1 + b % 8);
	} else if (op < 240) {
		model_check_list(m, op % 2 ? -1 : (int)s, 1 + b % 8);
		model_check_holders(m, 1 + b % 8);
	} else {
		model_check_lookups(m);
	}
	MODEL_CHECK(m->taken == m->events);
	MODEL_CHECK(model_count_all(m) <= MODEL_CAPACITY);
}

/* Runs the operations in `data`; returns how many there were. */
static unsigned long model_run(const uint8_t *data, size_t size)
{
	static const struct hash_key key = {{0x0123456789abcdef, 0xfedcba9876543210}};
	static const struct fdb_limits limits = {
	    .ageing_ms = 300000, .max = 64, .holder_max = 16, .remote_max = 16};
	struct model *m = calloc(1, sizeof(*m));
	unsigned long ops;

	MODEL_CHECK(m);
	m->fdb = fdb_create(&key, MODEL_CAPACITY);
	MODEL_CHECK(m->fdb);
	m->data = data;
	m->left = size;
	m->now = 12345;
	fdb_on_event(m->fdb, model_on_event, m);
	for (unsigned s = 0; s + 1 < MODEL_SEGMENTS; s++)
		model_set(m, s, &limits);
	while (m->left > 0)
		model_op(m);
	model_check_lookups(m);
	model_check_list(m, -1, 8);
	model_check_holders(m, 8);
	for (unsigned s = 0; s < MODEL_SEGMENTS; s++)
		model_segment_del(m, s);
	model_check_list(m, -1, 8);
	model_check_holders(m, 8);
	fdb_destroy(m->fdb);
	ops = m->ops;
	free(m);
	return ops;
}

#endif
