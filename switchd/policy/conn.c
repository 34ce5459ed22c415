/* SPDX-License-Identifier: BSD-2-Clause */
#include "switchd/policy/conn.h"

#include <stdio.h>
#include <stdlib.h>

#include "switchd/policy/conn_internal.h"

#define SECONDS 1000u

/* RFC 5382 section 5 and RFC 4787 section 4.3 say how long a middlebox has to wait at least. */
static const struct {
	const char *name;
	uint32_t timeout;
	bool established;
} states[CONN_STATES] = {
    [TCP_STATE_SYN_SENT] = {"syn_sent", 60 * SECONDS, false},
    [TCP_STATE_SYN_RECEIVED] = {"syn_received", 60 * SECONDS, false},
    [TCP_STATE_ESTABLISHED] = {"established", 7440 * SECONDS, true},
    [TCP_STATE_CLOSING] = {"closing", 240 * SECONDS, true},
    [TCP_STATE_TIME_WAIT] = {"time_wait", 60 * SECONDS, false},
    [TCP_STATE_CLOSED] = {"closed", 10 * SECONDS, false},
    [CONN_NEW] = {"new", 30 * SECONDS, false},
    [CONN_REPLIED] = {"replied", 180 * SECONDS, true},
    [CONN_ECHO] = {"echo", 30 * SECONDS, false},
    [CONN_ASKED] = {"asked", 5 * SECONDS, false},
};

const char *conn_state_name(enum conn_state state)
{
	return (unsigned)state < CONN_STATES ? states[state].name : "?";
}

uint32_t conn_state_timeout(enum conn_state state)
{
	return states[state].timeout;
}

bool conn_state_is_established(enum conn_state state)
{
	return states[state].established;
}

const char *conn_proto_name(uint8_t kind, uint8_t protocol, char buf[16])
{
	static const struct {
		uint8_t protocol;
		const char *name;
	} names[] = {
	    {IPPROTO_TCP, "tcp"},   {IPPROTO_UDP, "udp"},      {IPPROTO_ICMP, "icmp"},
	    {IPPROTO_SCTP, "sctp"}, {IPPROTO_ICMPV6, "icmp6"}, {IPPROTO_GRE, "gre"},
	    {IPPROTO_ESP, "esp"},   {IPPROTO_DCCP, "dccp"},    {IPPROTO_UDPLITE, "udplite"},
	};

	if (kind == FLOW_KIND_ARP)
		return "arp";
	if (kind == FLOW_KIND_ND)
		return "nd";
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (names[i].protocol == protocol)
			return names[i].name;
	}
	(void)snprintf(buf, 16, "%u", protocol);
	return buf;
}

/* ---- keys ---- */

/*
 * The two ends are in different segments, and the one in the segment of the lower
 * number comes first, so that both directions have one key. In it,
 *
 *	word 0	segments of both ends, kind, family, protocol
 *	word 1	ports of both ends, and in the lowest bit who asked, where two may ask each
 *		other the same at a time
 *	word 2	both addresses of IPv4; else words 2 and 3, 4 and 5
 */
static uint32_t load32(const uint8_t *p)
{
	uint32_t word;

	memcpy(&word, p, sizeof(word));
	return word;
}

static uint64_t load64(const uint8_t *p)
{
	uint64_t word;

	memcpy(&word, p, sizeof(word));
	return word;
}

static void make_key(uint64_t *key, const struct flow_info *flow, uint16_t from, uint16_t to)
{
	const bool swap = from > to;
	const struct flow_end *lo = swap ? &flow->dst : &flow->src;
	const struct flow_end *hi = swap ? &flow->src : &flow->dst;
	const uint8_t kind = flow->kind == FLOW_KIND_ERROR ? flow->inside : flow->kind;

	key[0] = (uint64_t)(swap ? to : from) << 48 | (uint64_t)(swap ? from : to) << 32 |
		 (uint64_t)kind << 24 | (uint64_t)flow->family << 16 |
		 (uint64_t)flow->protocol << 8;
	key[1] = (uint64_t)lo->port << 48 | (uint64_t)hi->port << 32;
	if (kind == FLOW_KIND_ECHO || kind == FLOW_KIND_ARP || kind == FLOW_KIND_ND)
		key[1] |= swap != flow->answer;
	if (flow->family == AF_INET) {
		key[2] = (uint64_t)load32(lo->addr) << 32 | load32(hi->addr);
		key[3] = key[4] = key[5] = 0;
	} else {
		key[2] = load64(lo->addr);
		key[3] = load64(lo->addr + 8);
		key[4] = load64(hi->addr);
		key[5] = load64(hi->addr + 8);
	}
}

/* What was put into a key, seen from who began. */
static void read_key(const struct conn *conn, struct conn_info *info)
{
	const uint64_t *key = conn->key;
	struct flow_end end[2] = {{.port = (uint16_t)(key[1] >> 48)},
				  {.port = (uint16_t)(key[1] >> 32)}};
	const uint16_t segment[2] = {(uint16_t)(key[0] >> 48), (uint16_t)(key[0] >> 32)};
	const unsigned first = conn->opener;

	info->kind = conn->kind;
	info->family = conn_key_family(key);
	info->protocol = (uint8_t)(key[0] >> 8);
	if (info->family == AF_INET) {
		const uint32_t addr[2] = {(uint32_t)(key[2] >> 32), (uint32_t)key[2]};

		memcpy(end[0].addr, &addr[0], sizeof(addr[0]));
		memcpy(end[1].addr, &addr[1], sizeof(addr[1]));
	} else {
		memcpy(end[0].addr, &key[2], sizeof(end[0].addr));
		memcpy(end[1].addr, &key[4], sizeof(end[1].addr));
	}
	info->src = end[first];
	info->dst = end[!first];
	info->from = segment[first];
	info->to = segment[!first];
}

static void tell(const struct conns *conns, const struct conn *conn, uint64_t now,
		 struct conn_info *info)
{
	uint64_t age = conn_since(conn->stamp, now);
	uint32_t timeout = conn_state_timeout((enum conn_state)conn->state);

	memset(info, 0, sizeof(*info));
	read_key(conn, info);
	info->state = conn->state;
	info->timeout_ms = age < timeout ? timeout - (uint32_t)age : 0;
	memcpy(info->frames, conn->frames, sizeof(info->frames));
	memcpy(info->bytes, conn->bytes, sizeof(info->bytes));
	info->where = conns->holder[conn->holder].where;
	for (unsigned i = 0; i < CONN_HALVES; i++) {
		info->word[i] = conn->word[i];
		info->rule[i] = conn->rule[i];
	}
	info->tcp = conn->tcp;
}

/* Whether the policy lets it in that is in force now. */
static bool is_wanted(const struct conns *conns, const struct conn *conn)
{
	struct conn_info info;

	if (!conns->keep || conn <= &conns->conn[conns->swept])
		return true;
	tell(conns, conn, conn->stamp, &info);
	return conns->keep(conns->keep_arg, &info);
}

/* ---- the table ---- */

static struct conn_limits fill_in(struct conn_limits limits)
{
	if (limits.max == 0)
		limits.max = 1;
	if (limits.guest_max == 0)
		limits.guest_max = limits.max / 4;
	if (limits.guest_max == 0)
		limits.guest_max = 1;
	return limits;
}

struct conns *conns_create(const struct hash_key *key, const struct conn_limits *limits)
{
	struct conns *conns = calloc(1, sizeof(*conns));

	if (!conns)
		return NULL;
	conns->key = *key;
	conns->limits = fill_in(*limits);
	if (conn_store_init(conns) == 0)
		return conns;
	conns_destroy(conns);
	return NULL;
}

void conns_destroy(struct conns *conns)
{
	if (!conns)
		return;
	for (uint32_t slot = 1; slot <= conns->conn_high; slot++) {
		if (!conns->conn[slot].kind)
			continue;
		for (unsigned i = 0; i < CONN_HALVES; i++)
			rule_unref(conns->conn[slot].rule[i]);
	}
	conn_store_fini(conns);
	free(conns);
}

bool conns_fit(const struct conns *conns, const struct conn_limits *limits)
{
	const struct conn_limits filled = fill_in(*limits);

	return conns->limits.max == filled.max && conns->limits.guest_max == filled.guest_max;
}

size_t conns_count(const struct conns *conns)
{
	return conns->count;
}

struct conn_limits conns_limits(const struct conns *conns)
{
	return conns->limits;
}

struct conn_counters conns_counters(const struct conns *conns)
{
	return conns->counters;
}

bool conn_can_be(const struct flow_info *flow)
{
	return flow->kind >= FLOW_KIND_TCP && flow->kind < FLOW_KINDS;
}

static struct conn *find(const struct conns *conns, const uint64_t *key)
{
	uint32_t slot = conns->conn_bucket[conn_hash(conns, key) & conns->mask];

	while (slot != CONN_NONE && !conn_key_equal(conns->conn[slot].key, key))
		slot = conns->conn[slot].chain;
	return slot != CONN_NONE ? &conns->conn[slot] : NULL;
}

struct conn *conns_find(const struct conns *conns, const struct flow_info *flow, uint16_t from,
			uint16_t to, uint64_t now, bool *back)
{
	struct conn *conn;
	uint64_t key[6];

	make_key(key, flow, from, to);
	conn = find(conns, key);
	if (!conn || conn_has_aged(conn, now) || !is_wanted(conns, conn))
		return NULL;
	*back = conn->opener != (from > to);
	return conn;
}

enum tcp_verdict conn_track(const struct conn *conn, const struct flow_info *flow, bool back,
			    struct tcp *next)
{
	if (flow->kind == FLOW_KIND_ERROR) {
		/* It complains to who sent what is inside: the one it goes to. */
		if (conn->kind == FLOW_KIND_TCP && !tcp_sent(&conn->tcp, !back, flow->seq))
			return TCP_REFUSE;
		return TCP_NEUTRAL;
	}
	if (conn->kind != FLOW_KIND_TCP)
		return conn->kind == FLOW_KIND_ARP || conn->kind == FLOW_KIND_ND
			   ? (back ? TCP_NEUTRAL : TCP_PASS)
			   : TCP_PASS;
	*next = conn->tcp;
	return tcp_track(next, flow, back);
}

void conn_note(struct conns *conns, struct conn *conn, bool back, enum tcp_verdict verdict,
	       const struct tcp *next, uint32_t len, uint64_t now)
{
	enum conn_state state = (enum conn_state)conn->state;

	conn->frames[back]++;
	conn->bytes[back] += len;
	if (verdict != TCP_PASS)
		return;
	if (conn->kind == FLOW_KIND_TCP) {
		conn->tcp = *next;
		state = (enum conn_state)next->state;
	} else if (state == CONN_NEW && back) {
		state = CONN_REPLIED;
	}
	conn_store_touch(conns, conn, state, now);
}

static enum conn_state first_state(const struct flow_info *flow, struct tcp *tcp)
{
	switch (flow->kind) {
	case FLOW_KIND_TCP:
		tcp_open(tcp, flow);
		return (enum conn_state)tcp->state;
	case FLOW_KIND_ECHO:
		return CONN_ECHO;
	case FLOW_KIND_ARP:
	case FLOW_KIND_ND:
		return CONN_ASKED;
	default:
		return CONN_NEW;
	}
}

static void take_grant(struct conn *conn, const struct conn_grant *grant)
{
	for (unsigned i = 0; i < CONN_HALVES; i++) {
		conn->word[i] = (uint8_t)grant->word[i];
		if (grant->word[i] == CONN_WORD_RULE)
			conn->rule[i] = rule_ref(grant->rule[i]);
	}
}

struct conn *conns_open(struct conns *conns, const struct flow_info *flow, uint16_t from,
			uint16_t to, const struct fdb_where *sender, const struct conn_grant *grant,
			uint32_t len, uint64_t now)
{
	struct conn *conn;
	struct tcp tcp = {.state = 0};
	uint64_t key[6];

	make_key(key, flow, from, to);
	conn = find(conns, key);
	if (conn)
		conn_store_del(conns, conn);
	conn = conn_store_add(conns, key, from, sender, first_state(flow, &tcp), now);
	conn->opener = from > to;
	conn->tcp = tcp;
	conn->frames[0] = 1;
	conn->bytes[0] = len;
	take_grant(conn, grant);
	conns->counters.opened++;
	return conn;
}

void conns_end(struct conns *conns, struct conn *conn)
{
	conns->counters.ended++;
	conn_store_del(conns, conn);
}

/* ---- all of them ---- */

static bool is_in(const struct conn *conn, int segment)
{
	return segment < 0 || (uint16_t)(conn->key[0] >> 48) == segment ||
	       (uint16_t)(conn->key[0] >> 32) == segment;
}

size_t conns_flush(struct conns *conns, int segment)
{
	size_t count = 0;

	/* Segments go by the thousand, most of them without a connection. */
	for (uint32_t slot = 1; slot <= conns->conn_high; slot++) {
		struct conn *conn = &conns->conn[slot];

		if (segment >= 0 && conns->in_segment[segment] == 0)
			break;
		if (!conn->kind || !is_in(conn, segment))
			continue;
		conns_end(conns, conn);
		count++;
	}
	return count;
}

void conns_recheck(struct conns *conns, conn_keep_fn *keep, void *arg)
{
	conns->keep = keep;
	conns->keep_arg = arg;
	conns->swept = 0;
}

bool conns_sweep(struct conns *conns, size_t max, size_t *ended)
{
	for (; max > 0 && conns->keep && conns->swept < conns->conn_high; max--) {
		struct conn *conn = &conns->conn[conns->swept + 1];

		if (conn->kind && !is_wanted(conns, conn)) {
			conns_end(conns, conn);
			++*ended;
		}
		conns->swept++;
	}
	if (conns->swept >= conns->conn_high)
		conns->keep = NULL;
	return !conns->keep;
}

size_t conns_age(struct conns *conns, uint64_t now, size_t max)
{
	size_t count = 0;

	for (unsigned i = 0; i < CONN_STATES; i++) {
		while (count < max && conns->age[i].first != CONN_NONE) {
			struct conn *conn = &conns->conn[conns->age[i].first];

			if (!conn_has_aged(conn, now))
				break;
			conn_store_del(conns, conn);
			conns->counters.expired++;
			count++;
		}
	}
	return count;
}

size_t conns_list(const struct conns *conns, int segment, uint64_t now, uint32_t *cursor,
		  struct conn_info *out, size_t max, size_t room, bool *end)
{
	size_t count = 0;

	for (; count < max && room > 0 && *cursor < conns->conn_high; room--) {
		const struct conn *conn = &conns->conn[++*cursor];

		if (conn->kind && is_in(conn, segment) && !conn_has_aged(conn, now) &&
		    is_wanted(conns, conn))
			tell(conns, conn, now, &out[count++]);
	}
	*end = *cursor >= conns->conn_high;
	return count;
}

void conns_told(struct conns *conns, uint32_t cursor)
{
	if (conns->told)
		conns->told[cursor] = (uint8_t)(conns->conn[cursor].state + 1);
}

bool conns_late(const struct conns *conns, bool established, uint64_t now, uint32_t *cursor,
		struct conn_info *info)
{
	while (conns->told && *cursor < conns->conn_high) {
		const uint32_t slot = ++*cursor;
		const struct conn *conn = &conns->conn[slot];

		if (!conn->kind || conns->told[slot] == conn->state + 1 ||
		    conn_state_is_established((enum conn_state)conn->state) != established ||
		    conn_has_aged(conn, now) || !is_wanted(conns, conn))
			continue;
		tell(conns, conn, now, info);
		return true;
	}
	return false;
}

/* The state of its kind, and no other. */
static bool state_fits(const struct conn_info *info)
{
	switch (info->kind) {
	case FLOW_KIND_TCP:
		return info->state < TCP_STATES && info->tcp.state == info->state;
	case FLOW_KIND_ECHO:
		return info->state == CONN_ECHO;
	case FLOW_KIND_ARP:
	case FLOW_KIND_ND:
		return info->state == CONN_ASKED;
	case FLOW_KIND_UDP:
	case FLOW_KIND_IP:
		return info->state == CONN_NEW || info->state == CONN_REPLIED;
	default:
		return false;
	}
}

bool conns_restore(struct conns *conns, const struct conn_info *info,
		   const struct conn_grant *grant, bool anew, uint64_t now)
{
	const struct flow_info flow = {
	    .kind = info->kind,
	    .family = info->family,
	    .protocol = info->protocol,
	    .src = info->src,
	    .dst = info->dst,
	};
	const enum conn_state state = (enum conn_state)info->state;
	struct conn *conn, *former;
	uint64_t key[6], age;

	if (!state_fits(info) || info->from == info->to || info->timeout_ms == 0 ||
	    (info->family != AF_INET && info->family != AF_INET6) ||
	    info->timeout_ms > conn_state_timeout(state))
		return false;
	make_key(key, &flow, info->from, info->to);
	former = find(conns, key);
	if (former && !anew)
		return false;
	if (former)
		conn_store_del(conns, former);
	age = conn_state_timeout(state) - info->timeout_ms;
	conn =
	    conn_store_add(conns, key, info->from, &info->where, state, now > age ? now - age : 0);
	conn->opener = info->from > info->to;
	conn->tcp = info->tcp;
	memcpy(conn->frames, info->frames, sizeof(conn->frames));
	memcpy(conn->bytes, info->bytes, sizeof(conn->bytes));
	take_grant(conn, grant);
	return true;
}

/* The one of all lists that was heard first, whose slot is taken out of `heads`; NULL at the end.
 */
static const struct conn *next_oldest(const struct conns *conns, uint32_t *heads)
{
	const struct conn *oldest = NULL;
	unsigned from = 0;

	for (unsigned i = 0; i < CONN_STATES; i++) {
		const struct conn *conn = &conns->conn[heads[i]];

		if (heads[i] != CONN_NONE && (!oldest || conn->stamp < oldest->stamp)) {
			oldest = conn;
			from = i;
		}
	}
	if (oldest)
		heads[from] = oldest->age_next;
	return oldest;
}

/* In the order in which they were heard, so that it is the oldest that make way. */
struct conns *conns_resize(struct conns *conns, const struct conn_limits *limits, uint64_t now)
{
	struct conns *resized = conns_create(&conns->key, limits);
	uint32_t heads[CONN_STATES];
	const struct conn *conn;

	if (!resized)
		return NULL;
	for (unsigned i = 0; i < CONN_STATES; i++)
		heads[i] = conns->age[i].first;
	while ((conn = next_oldest(conns, heads)) != NULL) {
		struct conn_grant grant;
		struct conn_info info;

		tell(conns, conn, now, &info);
		for (unsigned k = 0; k < CONN_HALVES; k++) {
			grant.word[k] = (enum conn_word)conn->word[k];
			grant.rule[k] = conn->rule[k];
		}
		if (is_wanted(conns, conn))
			(void)conns_restore(resized, &info, &grant, false, now);
	}
	resized->counters.opened += conns->counters.opened;
	resized->counters.expired += conns->counters.expired;
	resized->counters.evicted += conns->counters.evicted;
	resized->counters.ended += conns->counters.ended;
	conns_destroy(conns);
	return resized;
}
