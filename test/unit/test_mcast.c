/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Messages about multicast groups: those that a kernel sends, byte by byte; everything
 * that makes them none; and our own queries, read back.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>

#include "lib/checksum.h"
#include "lib/mcast.h"

static struct frame_pool *pool;

static int setup(void **state)
{
	(void)state;
	pool = frame_pool_create(16, 1);
	return pool ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	frame_pool_destroy(pool);
	return 0;
}

/* An Ethernet header, an IP header with router alert, and a message, whose checksums are put in. */
static struct frame *igmp(const uint8_t *message, size_t len, unsigned ttl)
{
	uint8_t b[200] = {0x01, 0, 0x5e, 0, 0, 22, 2, 0, 0, 0, 0, 1, 0x08, 0x00, 0x46, 0xc0};
	struct frame *frame = frame_alloc(pool, sizeof(b));
	uint16_t sum;

	b[17] = (uint8_t)(24 + len);
	b[22] = (uint8_t)ttl;
	b[23] = 2;
	memcpy(b + 26, "\x0a\x00\x00\x01\xe0\x00\x00\x16\x94\x04\x00\x00", 12);
	if (len >= 8 && message[0] == 0x11) { /* to whom it asks */
		memcpy(b + 30, message[4] ? message + 4 : (const uint8_t *)"\xe0\0\0\1", 4);
		memcpy(b + 3, b + 31, 3);
		b[3] &= 0x7f;
	}
	sum = checksum(b + 14, 24);
	memcpy(b + 24, &sum, 2);
	memcpy(b + 38, message, len);
	sum = checksum(message, len);
	memcpy(b + 40, &sum, 2);
	assert_non_null(frame);
	memcpy(frame->data, b, sizeof(b));
	frame->len = (uint32_t)(38 + len);
	return frame;
}

static struct frame *mld(const uint8_t *message, size_t len, unsigned hops, unsigned option)
{
	uint8_t b[250] = {0x33, 0x33, 0, 0, 0, 22, 2, 0, 0, 0, 0, 1, 0x86, 0xdd, 0x60};
	struct frame *frame = frame_alloc(pool, sizeof(b));
	uint16_t sum;

	b[19] = (uint8_t)(8 + len);
	b[20] = 0;
	b[21] = (uint8_t)hops;
	memcpy(b + 22, "\xfe\x80\0\0\0\0\0\0\0\0\0\0\0\0\0\x01", 16);
	memcpy(b + 38, "\xff\x02\0\0\0\0\0\0\0\0\0\0\0\0\0\x16", 16);
	memcpy(b + 54, "\x3a\0\x05\x02\0\0\x01\0", 8);
	b[56] = (uint8_t)option;
	memcpy(b + 62, message, len);
	sum = (uint16_t)~checksum_fold(
	    checksum_add(checksum_pseudo(b + 22, b + 38, 16, 58, (uint32_t)len), message, len));
	memcpy(b + 64, &sum, 2);
	assert_non_null(frame);
	memcpy(frame->data, b, sizeof(b));
	frame->len = (uint32_t)(62 + len);
	return frame;
}

static struct mcast_message read_it(struct frame *frame)
{
	struct mcast_message message;
	struct packet packet;

	assert_true(packet_parse(frame, &packet));
	mcast_parse(frame, &packet, &message);
	return message;
}

static void expect_group(const struct ipaddr *group, const char *text)
{
	char buf[ADDR_STRLEN];

	assert_string_equal(ipaddr_format(group, buf), text);
}

static void test_simple_reports(void **state)
{
	static const struct {
		uint8_t type;
		bool joins;
	} cases[] = {{0x12, true}, {0x16, true}, {0x17, false}};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const uint8_t bytes[8] = {cases[i].type, 0, 0, 0, 239, 1, 2, 3};
		struct frame *frame = igmp(bytes, sizeof(bytes), 1);
		struct mcast_message m = read_it(frame);
		struct mcast_record record;

		assert_int_equal(m.kind, MCAST_REPORT);
		assert_true(mcast_next(frame, &m, &record));
		expect_group(&record.group, "239.1.2.3");
		assert_int_equal(record.joins, cases[i].joins);
		assert_false(mcast_next(frame, &m, &record));
		frame_free(frame);
	}
	for (unsigned type = 131; type <= 132; type++) {
		const uint8_t bytes[24] = {(uint8_t)type, 0, 0, 0, 0, 0, 0, 0, 0xff, 5, [23] = 9};
		struct frame *frame = mld(bytes, sizeof(bytes), 1, 5);
		struct mcast_message m = read_it(frame);
		struct mcast_record record;

		assert_int_equal(m.kind, MCAST_REPORT);
		assert_true(mcast_next(frame, &m, &record));
		expect_group(&record.group, "ff05::9");
		assert_int_equal(record.joins, type == 131);
		frame_free(frame);
	}
}

/* Every record type, with and without sources, and what is behind a record. */
static void test_records(void **state)
{
	static const uint8_t bytes[] = {
	    0x22, 0, 0, 0, 0,	0, 0, 8, 1, 0, 0, 0, 239, 0, 0, 1, /* IS_IN {}: has left */
	    1,	  0, 0, 1, 239, 0, 0, 2, 1, 1, 1, 1,		   /* IS_IN {S}: wants it */
	    2,	  0, 0, 0, 239, 0, 0, 3,			   /* IS_EX {} */
	    3,	  0, 0, 0, 239, 0, 0, 4,			   /* TO_IN {}: leaves */
	    4,	  1, 0, 0, 239, 0, 0, 5, 9, 9, 9, 9, /* TO_EX {}, with auxiliary data */
	    5,	  0, 0, 0, 239, 0, 0, 6,	     /* ALLOW {}: says nothing */
	    6,	  0, 0, 1, 239, 0, 0, 7, 1, 1, 1, 1, /* BLOCK {S}: nothing, either */
	    4,	  0, 0, 0, 10,	0, 0, 1,	     /* no group */
	};
	static const struct {
		const char *group;
		bool joins;
	} want[] = {{"239.0.0.1", false},
		    {"239.0.0.2", true},
		    {"239.0.0.3", true},
		    {"239.0.0.4", false},
		    {"239.0.0.5", true}};
	struct frame *frame = igmp(bytes, sizeof(bytes), 1);
	struct mcast_message m = read_it(frame);
	struct mcast_record record;

	(void)state;
	assert_int_equal(m.kind, MCAST_REPORT);
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		assert_true(mcast_next(frame, &m, &record));
		expect_group(&record.group, want[i].group);
		assert_int_equal(record.joins, want[i].joins);
	}
	assert_false(mcast_next(frame, &m, &record));
	frame_free(frame);
}

/* A count of records or sources past the end ends the walk, at every length. */
static void test_cut_records(void **state)
{
	static const uint8_t bytes[] = {0x22, 0, 0, 0, 0, 0, 0xff, 0xff, 4,   0, 0, 0,
					239,  0, 0, 1, 4, 0, 0xff, 0xff, 239, 0, 0, 2};

	(void)state;
	for (size_t len = 0; len <= sizeof(bytes); len++) {
		struct frame *frame = igmp(bytes, len, 1);
		struct mcast_message m = read_it(frame);
		struct mcast_record record;
		unsigned found = 0;

		while (mcast_next(frame, &m, &record))
			found++;
		assert_int_equal(m.kind, len < 8 ? MCAST_NONE : MCAST_REPORT);
		assert_int_equal(found, len >= 16 ? 1 : 0);
		frame_free(frame);
	}
}

/* What is wrong about a message makes it an ordinary frame. */
static void test_wrong(void **state)
{
	static const uint8_t report[8] = {0x16, 0, 0, 0, 239, 1, 2, 3};
	static const uint8_t unicast[8] = {0x16, 0, 0, 0, 10, 1, 2, 3};
	static const uint8_t query9[9] = {0x11};
	static const uint8_t done[24] = {132, [8] = 0xff, 5, [23] = 9};
	struct frame *frame = igmp(report, sizeof(report), 2);

	(void)state;
	assert_int_equal(read_it(frame).kind, MCAST_NONE); /* TTL 2: it has been routed */
	frame_free(frame);
	frame = igmp(report, sizeof(report), 1);
	frame->data[44] ^= 1;
	assert_int_equal(read_it(frame).kind, MCAST_NONE); /* checksum */
	frame_free(frame);
	frame = igmp(unicast, sizeof(unicast), 1);
	assert_int_equal(read_it(frame).kind, MCAST_NONE);
	frame_free(frame);
	frame = igmp(query9, sizeof(query9), 1);
	assert_int_equal(read_it(frame).kind, MCAST_NONE); /* neither version 2 nor 3 */
	frame_free(frame);
	frame = mld(done, sizeof(done), 2, 5);
	assert_int_equal(read_it(frame).kind, MCAST_NONE);
	frame_free(frame);
	frame = mld(done, sizeof(done), 1, 1);
	assert_int_equal(read_it(frame).kind, MCAST_NONE); /* no router alert */
	frame_free(frame);
	frame = mld(done, sizeof(done), 1, 5);
	assert_int_equal(read_it(frame).kind, MCAST_REPORT);
	frame->data[22] = 0x20; /* not link-local; the checksum is made good */
	frame->data[24] = (uint8_t)(0xfe - 0x20);
	assert_int_equal(read_it(frame).kind, MCAST_NONE);
	frame_free(frame);
}

/* A query that hosts do not get, or drop, asks nobody. */
static void test_queries_unheard(void **state)
{
	static const uint8_t general[8] = {0x11, 100}, about[8] = {0x11, 10, 0, 0, 239, 1, 2, 3};
	static const struct {
		const uint8_t *query;
		unsigned at;	   /* in the frame: of the first of the bytes that differ */
		const char *bytes; /* up to a zero */
		bool summed;	   /* the IP header's checksum is made good */
	} cases[] = {
	    {general, 0, "\x02", true},		     /* to a MAC address of one */
	    {general, 5, "\x02", true},		     /* to another group's */
	    {general, 33, "\x02", true},	     /* to another group */
	    {about, 33, "\x04", true},		     /* to another group than it is about */
	    {about, 5, "\x04", true},		     /* the same by its MAC address */
	    {general, 24, "\x55\x55", false},	     /* checksum of the IP header */
	    {general, 26, "\x7f", true},	     /* from loopback */
	    {general, 26, "\xe9", true},	     /* from a group */
	    {general, 26, "\xff\xff\xff\xff", true}, /* from everybody */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct frame *frame = igmp(cases[i].query, 8, 1);
		uint16_t sum;

		assert_int_equal(read_it(frame).kind, MCAST_QUERY);
		memcpy(frame->data + cases[i].at, cases[i].bytes, strlen(cases[i].bytes));
		if (cases[i].summed) {
			memset(frame->data + 24, 0, 2);
			sum = checksum(frame->data + 14, 24);
			memcpy(frame->data + 24, &sum, 2);
		}
		assert_int_equal(read_it(frame).kind, MCAST_NONE);
		frame_free(frame);
	}
}

static void test_old_queries(void **state)
{
	static const uint8_t v1[8] = {0x11, 0, 0, 0, 0, 0, 0, 0};
	static const uint8_t v2[8] = {0x11, 100, 0, 0, 239, 1, 2, 3};
	static const uint8_t v3[12] = {0x11, 0x8f, 0, 0, 0, 0, 0, 0, 0x0a, 0x8f, 0, 0};
	struct frame *frame = igmp(v1, sizeof(v1), 1);
	struct mcast_message m = read_it(frame);

	(void)state;
	assert_int_equal(m.kind, MCAST_QUERY);
	assert_int_equal(m.response_ms, 10000);
	frame_free(frame);
	frame = igmp(v2, sizeof(v2), 1);
	m = read_it(frame);
	assert_int_equal(m.response_ms, 10000);
	expect_group(&m.group, "239.1.2.3");
	frame_free(frame);
	frame = igmp(v3, sizeof(v3), 1); /* 0x8f: (15 | 16) << 3 = 248 */
	m = read_it(frame);
	assert_int_equal(m.response_ms, 24800);
	assert_int_equal(m.interval_ms, 248000);
	assert_int_equal(m.robustness, 2);
	assert_true(m.suppress);
	frame_free(frame);
}

/* Our queries are read as they were meant, whatever the times; rounded down at most. */
static void test_own_queries(void **state)
{
	static const char *const groups[] = {"0.0.0.0", "239.1.2.3", "::", "ff05::9"};
	static const uint32_t times[] = {1000, 10000, 12700, 12800, 31000, 100000, 125000, 3174400};
	const struct mac mac = {{2, 0, 0, 0, 0, 7}};

	(void)state;
	for (size_t i = 0; i < sizeof(groups) / sizeof(groups[0]); i++) {
		for (size_t t = 0; t < sizeof(times) / sizeof(times[0]); t++) {
			struct frame *frame = frame_alloc(pool, MCAST_QUERY_MAX);
			struct ipaddr group, source = {.family = AF_INET};
			struct mcast_message m;

			assert_int_equal(ipaddr_parse(groups[i], &group), 0);
			if (group.family == AF_INET6)
				(void)ipaddr_parse("fe80::7", &source);
			frame->len = (uint32_t)mcast_query(frame->data, &mac, &source, &group,
							   times[t], times[t]);
			assert_in_range(frame->len, 60, MCAST_QUERY_MAX);
			m = read_it(frame);
			assert_int_equal(m.kind, MCAST_QUERY);
			assert_true(ipaddr_equal(&m.group, &group));
			assert_true(ipaddr_equal(&m.source, &source));
			assert_in_range(m.response_ms, times[t] - times[t] / 16, times[t]);
			assert_in_range(m.interval_ms, times[t] - times[t] / 16, times[t]);
			assert_int_equal(m.robustness, 2);
			frame_free(frame);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test_setup_teardown(test_simple_reports, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_records, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_cut_records, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_wrong, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_queries_unheard, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_old_queries, setup, teardown),
	    cmocka_unit_test_setup_teardown(test_own_queries, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
