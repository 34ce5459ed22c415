// SPDX-License-Identifier: BSD-2-Clause
//
// The table of connections under attack: what is established outlives it, who floods pays
// for it, and nobody can choose where a connection goes in the table.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
// cmocka needs those four first
#include <cmocka.h>

#include "switchd/policy/conn_internal.h"
#include "test/unit/policy_case.h"

#define TABLE	  1000u
#define ATTACKERS 5u
#define VICTIMS	  100u

static const struct hash_key key = {{3, 4}};
static const struct conn_grant grant = {{CONN_WORD_AUDIT, CONN_WORD_AUDIT}, {NULL, NULL}};

static struct flow_info flow_of(uint8_t kind, uint32_t a, uint32_t b, uint16_t aport,
				uint16_t bport)
{
	struct flow_info flow = {.kind = kind,
				 .family = AF_INET,
				 .protocol = kind == FLOW_KIND_TCP ? IPPROTO_TCP : IPPROTO_UDP,
				 .scale = FLOW_NO_SCALE,
				 .window = 1000,
				 .src.port = aport,
				 .dst.port = bport};

	memcpy(flow.src.addr, &a, sizeof(a));
	memcpy(flow.dst.addr, &b, sizeof(b));
	return flow;
}

static struct flow_info reversed(struct flow_info flow)
{
	const struct flow_end end = flow.src;

	flow.src = flow.dst;
	flow.dst = end;
	return flow;
}

static void hear(struct conns *conns, const struct flow_info *flow, bool back, uint64_t now)
{
	bool is_back;
	struct tcp next;
	struct conn *conn =
	    conns_find(conns, flow, back ? SEG_B : SEG_A, back ? SEG_A : SEG_B, now, &is_back);
	enum tcp_verdict verdict;

	assert_non_null(conn);
	assert_int_equal(is_back, back);
	verdict = conn_track(conn, flow, back, &next);
	assert_int_equal(verdict, TCP_PASS);
	conn_note(conns, conn, back, verdict, &next, 60, now);
}

/* A whole handshake from a port. */
static void establish(struct conns *conns, uint32_t port, uint16_t number, uint64_t now)
{
	const struct fdb_where where = {.side = FDB_SIDE_LOCAL, .port = port};
	struct flow_info syn = flow_of(FLOW_KIND_TCP, 1, 2, number, 443);
	struct flow_info answer;

	syn.tcp_flags = TCP_SYN;
	(void)conns_open(conns, &syn, SEG_A, SEG_B, &where, &grant, 60, now);
	answer = reversed(syn);
	answer.tcp_flags = TCP_SYN | TCP_ACK;
	answer.ack = 1;
	hear(conns, &answer, true, now);
	syn.tcp_flags = TCP_ACK;
	syn.seq = syn.ack = 1;
	hear(conns, &syn, false, now);
}

static bool is_there(const struct conns *conns, uint16_t number, uint64_t now)
{
	const struct flow_info flow = flow_of(FLOW_KIND_TCP, 1, 2, number, 443);
	bool back;
	const struct conn *conn = conns_find(conns, &flow, SEG_A, SEG_B, now, &back);

	return conn && conn->state == TCP_STATE_ESTABLISHED;
}

static void established_connections_outlive_a_flood(void **state)
{
	const struct conn_limits limits = {.max = TABLE};
	struct conns *conns = conns_create(&key, &limits);
	uint64_t now = 1000000;

	(void)state;
	assert_non_null(conns);
	for (uint16_t i = 0; i < VICTIMS; i++)
		establish(conns, 99, i, now);
	/* Each alone at ten times the size of the table; and meanwhile somebody connects. */
	for (uint32_t i = 0; i < 10 * TABLE; i++) {
		for (uint32_t k = 0; k < ATTACKERS; k++) {
			const struct fdb_where where = {.side = FDB_SIDE_LOCAL, .port = k};
			struct flow_info syn =
			    flow_of(FLOW_KIND_TCP, 100 + k, i, (uint16_t)(i * 7), 80);

			syn.tcp_flags = TCP_SYN;
			(void)conns_open(conns, &syn, SEG_A, SEG_B, &where, &grant, 60, now);
		}
		now += i % 16 == 0;
		if (i % 100 == 50)
			establish(conns, 99, (uint16_t)(VICTIMS + i / 100), now);
	}
	assert_int_equal(conns_count(conns), TABLE);
	for (uint16_t i = 0; i < VICTIMS + 100; i++)
		assert_true(is_there(conns, i, now));
	conns_destroy(conns);
}

static void who_holds_most_loses(void **state)
{
	const struct conn_limits limits = {.max = 40, .guest_max = 30};
	struct conns *conns = conns_create(&key, &limits);

	(void)state;
	assert_non_null(conns);
	for (uint16_t i = 0; i < 30; i++)
		establish(conns, 1, i, 1000);
	for (uint16_t i = 30; i < 40; i++)
		establish(conns, 2, i, 2000);
	/* All are established: the largest one's oldest goes. */
	establish(conns, 3, 50, 3000);
	assert_int_equal(conns_count(conns), 40);
	assert_false(is_there(conns, 0, 3000));
	for (uint16_t i = 1; i < 40; i++)
		assert_true(is_there(conns, i, 3000));
	/* Who is at the own limit loses the own oldest. */
	establish(conns, 1, 60, 3000);
	establish(conns, 1, 61, 3000);
	assert_int_equal(conns_count(conns), 40);
	for (uint16_t i = 30; i < 40; i++)
		assert_true(is_there(conns, i, 3000));
	conns_destroy(conns);
}

static unsigned longest_chain(const struct conns *conns)
{
	unsigned longest = 0;

	for (uint32_t i = 0; i <= conns->mask; i++) {
		unsigned len = 0;

		for (uint32_t slot = conns->conn_bucket[i]; slot; slot = conns->conn[slot].chain)
			len++;
		if (len > longest)
			longest = len;
	}
	return longest;
}

/* Whatever pattern an attacker picks; and one that would hit under one key misses under another. */
static void no_pattern_collides(void **state)
{
	const struct conn_limits limits = {.max = 1u << 16, .guest_max = 1u << 16};
	const struct fdb_where where = {.side = FDB_SIDE_LOCAL, .port = 1};
	const struct hash_key other = {{3, 5}};
	static uint32_t chosen[256];
	unsigned count = 0;

	(void)state;
	for (unsigned pattern = 0; pattern < 3; pattern++) {
		struct conns *conns = conns_create(&key, &limits);

		assert_non_null(conns);
		for (uint32_t i = 0; i < 1u << 16; i++) {
			const struct flow_info udp =
			    flow_of(FLOW_KIND_UDP, pattern == 0 ? i : 1, pattern == 1 ? i << 16 : 2,
				    pattern == 2 ? (uint16_t)i : 7, 7);

			(void)conns_open(conns, &udp, SEG_A, SEG_B, &where, &grant, 60, 1000);
		}
		assert_int_equal(conns_count(conns), 1u << 16);
		assert_true(longest_chain(conns) < 16);
		if (pattern == 0) { /* all in a few of the buckets under this key */
			for (uint32_t slot = 1; slot <= conns->conn_high && count < 256; slot++) {
				if ((conn_hash(conns, conns->conn[slot].key) & conns->mask) < 256)
					chosen[count++] = slot - 1;
			}
		}
		conns_destroy(conns);
	}
	assert_true(count > 100);
	{
		struct conns *conns = conns_create(&other, &limits);
		unsigned low = 0;

		assert_non_null(conns);
		for (unsigned i = 0; i < count; i++) {
			const struct flow_info udp = flow_of(FLOW_KIND_UDP, chosen[i], 2, 7, 7);
			const struct conn *conn =
			    conns_open(conns, &udp, SEG_A, SEG_B, &where, &grant, 60, 1000);

			low += (conn_hash(conns, conn->key) & conns->mask) < 256;
		}
		assert_true(low < 16);
		conns_destroy(conns);
	}
}

static void segments_go(void **state)
{
	const struct conn_limits limits = {.max = 100};
	struct conns *conns = conns_create(&key, &limits);

	(void)state;
	assert_non_null(conns);
	establish(conns, 1, 1, 1000);
	establish(conns, 1, 2, 1000);
	assert_int_equal(conns_flush(conns, 99), 0);
	assert_int_equal(conns_flush(conns, SEG_B), 2);
	assert_int_equal(conns_count(conns), 0);
	assert_int_equal(conns_counters(conns).ended, 2);
	conns_destroy(conns);
	conns_destroy(NULL);
}

static void a_smaller_table_keeps_the_newest(void **state)
{
	const struct conn_limits limits = {.max = 100, .guest_max = 100};
	const struct conn_limits less = {.max = 10, .guest_max = 10};
	struct conns *conns = conns_create(&key, &limits);

	(void)state;
	assert_non_null(conns);
	for (uint16_t i = 0; i < 50; i++)
		establish(conns, 1, i, 1000u * i);
	assert_true(conns_fit(conns, &limits));
	assert_false(conns_fit(conns, &less));
	conns = conns_resize(conns, &less, 60000);
	assert_non_null(conns);
	assert_int_equal(conns_count(conns), 10);
	for (uint16_t i = 0; i < 50; i++)
		assert_int_equal(is_there(conns, i, 60000), i >= 40);
	assert_int_equal(conns_counters(conns).opened, 50);
	conns_destroy(conns);
}

static bool keeps_even(void *arg, const struct conn_info *info)
{
	++*(unsigned *)arg;
	return info->src.port % 2 == 0;
}

/* What a change of policy ends is not there any more, before anybody has walked over it. */
static void a_change_holds_before_the_walk(void **state)
{
	const struct conn_limits limits = {.max = TABLE, .guest_max = TABLE};
	struct conns *conns = conns_create(&key, &limits);
	struct conn_info some[TABLE];
	uint64_t now = 1000000;
	uint32_t cursor = 0;
	unsigned asked = 0;
	size_t ended = 0;
	bool end;

	(void)state;
	assert_non_null(conns);
	for (uint16_t i = 0; i < TABLE; i++)
		establish(conns, 1, i, now);
	conns_recheck(conns, keeps_even, &asked);
	assert_int_equal(asked, 0);
	assert_false(conns_sweep(conns, TABLE / 2, &ended));
	assert_int_equal(ended, TABLE / 4);
	assert_int_equal(asked, TABLE / 2);
	for (uint16_t i = 0; i < TABLE; i++)
		assert_true(is_there(conns, i, now) == (i % 2 == 0));
	/* Who was looked at is not asked about again. */
	assert_int_equal(asked, TABLE);
	assert_int_equal(conns_list(conns, -1, now, &cursor, some, TABLE, SIZE_MAX, &end),
			 TABLE / 2);
	/* A table of another size has none of those that are gone. */
	conns = conns_resize(conns, &(struct conn_limits){.max = 2 * TABLE}, now);
	assert_non_null(conns);
	assert_int_equal(conns_count(conns), TABLE / 2);
	conns_recheck(conns, keeps_even, &asked);
	assert_true(conns_sweep(conns, SIZE_MAX, &ended));
	assert_int_equal(ended, TABLE / 4);
	conns_destroy(conns);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(established_connections_outlive_a_flood),
	    cmocka_unit_test(who_holds_most_loses),
	    cmocka_unit_test(no_pattern_collides),
	    cmocka_unit_test(segments_go),
	    cmocka_unit_test(a_smaller_table_keeps_the_newest),
	    cmocka_unit_test(a_change_holds_before_the_walk),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
