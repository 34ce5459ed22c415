/* SPDX-License-Identifier: BSD-2-Clause */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include "lib/checksum.h"
#include "lib/icmp_error.h"
#include "test/unit/craft.h"

static struct frame_pool *pool;
static struct craft c;
static struct ipaddr from4, from6;
static const struct mac router = {{0x02, 0, 0, 0, 0, 0xee}};

static int setup(void **state)
{
	(void)state;
	pool = frame_pool_create(4, 2);
	(void)ipaddr_parse("10.0.0.254", &from4);
	(void)ipaddr_parse("2001:db8::fe", &from6);
	return pool ? 0 : -1;
}

static int teardown(void **state)
{
	(void)state;
	frame_pool_destroy(pool);
	return 0;
}

static void craft_udp4(size_t payload)
{
	craft_eth(&c, ETHERTYPE_IPV4);
	(void)craft_ipv4(&c, IPPROTO_UDP, 0, 8 + payload);
	craft_udp(&c, 1, 2, payload);
	craft_fill(&c, 0x5a, payload);
}

static void craft_udp6(size_t payload)
{
	craft_eth(&c, ETHERTYPE_IPV6);
	(void)craft_ipv6(&c, IPPROTO_UDP, 8 + payload);
	craft_udp(&c, 1, 2, payload);
	craft_fill(&c, 0x5a, payload);
}

static void craft_icmp(unsigned version, unsigned type, unsigned code)
{
	craft_eth(&c, version == 4 ? ETHERTYPE_IPV4 : ETHERTYPE_IPV6);
	if (version == 4)
		(void)craft_ipv4(&c, IPPROTO_ICMP, 0, 40);
	else
		(void)craft_ipv6(&c, IPPROTO_ICMPV6, 40);
	craft_u8(&c, type);
	craft_u8(&c, code);
	craft_fill(&c, 7, 38);
}

static bool may(void)
{
	struct frame *frame = craft_frame(pool, &c);
	struct packet packet;
	bool ret;

	assert_true(packet_parse(frame, &packet));
	ret = icmp_error_may(frame, &packet);
	frame_free(frame);
	return ret;
}

static void test_may(void **state)
{
	(void)state;
	craft_udp4(10);
	assert_true(may());
	c.b[0] = 3; /* to an Ethernet group */
	assert_false(may());
	craft_udp4(10);
	c.b[30] = 239; /* to an IP group */
	assert_false(may());
	craft_udp4(10);
	c.b[26] = 0;
	assert_false(may());
	c.b[26] = 127;
	assert_false(may());
	c.b[26] = 255;
	assert_false(may());
	craft_udp4(10);
	craft_put16(&c, 20, 0x2000); /* a first fragment is as good as whole */
	assert_true(may());
	craft_put16(&c, 20, 1);
	assert_false(may());
	craft_udp6(10);
	assert_true(may());
	c.b[22] = 0xff;
	assert_false(may());
	memset(c.b + 22, 0, 16);
	assert_false(may());
	craft_udp6(10);
	c.b[38] = 0xff;
	assert_false(may());
	craft_eth(&c, ETHERTYPE_ARP);
	assert_false(may());
}

static void test_not_about_errors(void **state)
{
	static const unsigned errors4[] = {3, 4, 5, 11, 12}, fine4[] = {0, 8, 13};
	static const unsigned errors6[] = {1, 2, 3, 4, 127, 137}, fine6[] = {128, 129, 135};

	(void)state;
	for (size_t i = 0; i < sizeof(errors4) / sizeof(errors4[0]); i++) {
		craft_icmp(4, errors4[i], 0);
		assert_false(may());
	}
	for (size_t i = 0; i < sizeof(fine4) / sizeof(fine4[0]); i++) {
		craft_icmp(4, fine4[i], 0);
		assert_true(may());
	}
	for (size_t i = 0; i < sizeof(errors6) / sizeof(errors6[0]); i++) {
		craft_icmp(6, errors6[i], 0);
		assert_false(may());
	}
	for (size_t i = 0; i < sizeof(fine6) / sizeof(fine6[0]); i++) {
		craft_icmp(6, fine6[i], 0);
		assert_true(may());
	}
	/* Nobody can see which it is. */
	craft_eth(&c, ETHERTYPE_IPV4);
	(void)craft_ipv4(&c, IPPROTO_ICMP, 0, 0);
	assert_false(may());
}

/* Builds one about what was crafted, and checks all but type, code and rest. */
static void about(enum icmp_error error, uint32_t mtu, unsigned type, unsigned code, uint32_t rest,
		  size_t max)
{
	struct frame *frame = craft_frame(pool, &c), *out;
	unsigned version = c.b[14] >> 4;
	size_t ip = version == 4 ? 20 : 40, quoted = c.len - 14;
	struct packet packet;
	const uint8_t *b;

	assert_true(packet_parse(frame, &packet) && icmp_error_may(frame, &packet));
	out = icmp_error_build(pool, frame, &packet, error, mtu, version == 4 ? &from4 : &from6,
			       &router);
	assert_non_null(out);
	if (quoted > max - ip - 8)
		quoted = max - ip - 8;
	b = out->data;
	assert_int_equal(out->len, 14 + ip + 8 + quoted);
	assert_memory_equal(b, c.b + 6, 6);
	assert_memory_equal(b + 6, &router, 6);
	assert_memory_equal(b + 12, c.b + 12, 2);
	assert_memory_equal(b + 14 + ip + 8, c.b + 14, quoted);
	assert_int_equal(b[14 + ip], type);
	assert_int_equal(b[14 + ip + 1], code);
	assert_int_equal(get32(b + 14 + ip + 4), rest);
	if (version == 4) {
		assert_int_equal(get16(b + 16), out->len - 14);
		assert_memory_equal(b + 26, from4.bytes, 4);
		assert_memory_equal(b + 30, c.b + 26, 4);
		assert_int_equal(checksum(b + 14, 20), 0);
		assert_int_equal(checksum(b + 34, 8 + quoted), 0);
	} else {
		uint64_t sum = checksum_pseudo(b + 22, b + 38, 16, 58, (uint32_t)(8 + quoted));

		assert_int_equal(get16(b + 18), 8 + quoted);
		assert_memory_equal(b + 22, from6.bytes, 16);
		assert_memory_equal(b + 38, c.b + 22, 16);
		assert_int_equal(checksum_fold(checksum_add(sum, b + 54, 8 + quoted)), 0xffff);
	}
	frame_free(out);
	assert_memory_equal(frame->data, c.b, c.len);
	frame_free(frame);
}

static void test_build(void **state)
{
	(void)state;
	craft_udp4(10);
	about(ICMP_ERROR_TTL, 0, 11, 0, 0, 576);
	about(ICMP_ERROR_NET, 0, 3, 0, 0, 576);
	about(ICMP_ERROR_HOST, 0, 3, 1, 0, 576);
	about(ICMP_ERROR_ADMIN, 0, 3, 13, 0, 576);
	craft_udp4(1400);
	about(ICMP_ERROR_TOO_BIG, 1280, 3, 4, 1280, 576);
	about(ICMP_ERROR_TOO_BIG, 70000, 3, 4, 65535, 576);
	craft_udp6(11);
	about(ICMP_ERROR_TTL, 0, 3, 0, 0, 1280);
	about(ICMP_ERROR_NET, 0, 1, 0, 0, 1280);
	about(ICMP_ERROR_HOST, 0, 1, 3, 0, 1280);
	about(ICMP_ERROR_ADMIN, 0, 1, 1, 0, 1280);
	craft_udp6(1400);
	about(ICMP_ERROR_TOO_BIG, 1300, 2, 0, 1300, 1280);
}

static void test_no_buffer(void **state)
{
	struct frame *all[16], *frame;
	struct packet packet;
	unsigned n = 0;

	(void)state;
	craft_udp4(10);
	frame = craft_frame(pool, &c);
	assert_true(packet_parse(frame, &packet));
	while (n < 16 && (all[n] = frame_alloc(pool, 10)))
		n++;
	assert_null(icmp_error_build(pool, frame, &packet, ICMP_ERROR_TTL, 0, &from4, &router));
	while (n > 0)
		frame_free(all[--n]);
	frame_free(frame);
}

static void answer_echo(unsigned version)
{
	size_t ip = version == 4 ? 20 : 40;
	struct frame *frame, *clone;
	struct packet packet;
	uint16_t check;
	const uint8_t *b;

	craft_icmp(version, version == 4 ? 8 : 128, 0);
	craft_put16(&c, 14 + ip + 2, 0);
	if (version == 4) {
		check = checksum(c.b + 34, 40);
	} else {
		uint64_t sum = checksum_pseudo(c.b + 22, c.b + 38, 16, 58, 40);

		check = (uint16_t)~checksum_fold(checksum_add(sum, c.b + 54, 40));
	}
	memcpy(c.b + 14 + ip + 2, &check, 2);
	frame = craft_frame(pool, &c);
	clone = frame_clone(frame);
	assert_true(clone && packet_parse(clone, &packet) && icmp_is_echo(clone, &packet));
	assert_true(icmp_echo_answer(clone, &packet, &router));
	assert_memory_equal(frame->data, c.b, c.len); /* the other one sees nothing of it */
	b = clone->data;
	assert_memory_equal(b, c.b + 6, 6);
	assert_memory_equal(b + 6, &router, 6);
	assert_int_equal(b[14 + ip], version == 4 ? 0 : 129);
	assert_memory_equal(b + 14 + ip + 4, c.b + 14 + ip + 4, 36);
	if (version == 4) {
		assert_memory_equal(b + 26, c.b + 30, 4);
		assert_memory_equal(b + 30, c.b + 26, 4);
		assert_int_equal(checksum(b + 14, 20), 0);
		assert_int_equal(checksum(b + 34, 40), 0);
	} else {
		uint64_t sum = checksum_pseudo(b + 22, b + 38, 16, 58, 40);

		assert_memory_equal(b + 22, c.b + 38, 16);
		assert_int_equal(checksum_fold(checksum_add(sum, b + 54, 40)), 0xffff);
	}
	frame_free(clone);
	frame_free(frame);
}

static void test_echo(void **state)
{
	struct frame *frame;
	struct packet packet;

	(void)state;
	answer_echo(4);
	answer_echo(6);
	/* What is not answered: an answer, a fragment, options. */
	craft_icmp(4, 0, 0);
	frame = craft_frame(pool, &c);
	assert_true(packet_parse(frame, &packet) && !icmp_is_echo(frame, &packet));
	frame_free(frame);
	craft_icmp(4, 8, 0);
	craft_put16(&c, 20, 0x2000);
	frame = craft_frame(pool, &c);
	assert_true(packet_parse(frame, &packet) && !icmp_is_echo(frame, &packet));
	frame_free(frame);
	craft_eth(&c, ETHERTYPE_IPV4);
	(void)craft_ipv4(&c, IPPROTO_ICMP, 1, 40);
	craft_u8(&c, 8);
	craft_fill(&c, 0, 39);
	frame = craft_frame(pool, &c);
	assert_true(packet_parse(frame, &packet) && !icmp_is_echo(frame, &packet));
	frame_free(frame);
}

static void test_hop(void **state)
{
	struct frame *frame;
	struct packet packet;

	(void)state;
	for (unsigned ttl = 0; ttl < 256; ttl++) {
		uint16_t check;

		craft_udp4(5);
		c.b[22] = (uint8_t)ttl;
		check = checksum(c.b + 14, 20);
		memcpy(c.b + 24, &check, 2);
		frame = craft_frame(pool, &c);
		assert_true(packet_parse(frame, &packet));
		assert_int_equal(packet_hop(frame, &packet), ttl > 1 ? REASON_NONE : REASON_TTL);
		assert_int_equal(frame->data[22], ttl > 1 ? ttl - 1 : ttl);
		assert_int_equal(checksum(frame->data + 14, 20), 0);
		frame_free(frame);
	}
	craft_udp6(5);
	c.b[21] = 2;
	frame = craft_frame(pool, &c);
	assert_true(packet_parse(frame, &packet));
	assert_int_equal(packet_hop(frame, &packet), REASON_NONE);
	assert_int_equal(frame->data[21], 1);
	assert_int_equal(packet_hop(frame, &packet), REASON_TTL);
	frame_free(frame);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(test_may),	  cmocka_unit_test(test_not_about_errors),
	    cmocka_unit_test(test_build), cmocka_unit_test(test_no_buffer),
	    cmocka_unit_test(test_echo),  cmocka_unit_test(test_hop),
	};

	return cmocka_run_group_tests(tests, setup, teardown);
}
