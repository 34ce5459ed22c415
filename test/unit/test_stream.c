/* SPDX-License-Identifier: BSD-2-Clause */
/* Frames in a stream: whole, cut anywhere, of every length, and nonsense; and what
 * the keys of ports on sockets hold. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "switchd/config.h"
#include "switchd/port/framing.h"
#include "switchd/port/sockets.h"

/* Puts n bytes in, in one piece. */
static void feed(struct framing *framing, const uint8_t *bytes, size_t n)
{
	size_t room;
	uint8_t *at = framing_room(framing, &room);

	assert_non_null(at);
	assert_true(room >= n);
	memcpy(at, bytes, n);
	framing_put(framing, n);
}

static void expect_frame(struct framing *framing, const uint8_t *bytes, size_t n)
{
	const uint8_t *data;
	size_t len;

	assert_int_equal(framing_next(framing, &data, &len), 1);
	assert_int_equal(len, n);
	assert_memory_equal(data, bytes, n);
}

static void expect(struct framing *framing, int ret)
{
	const uint8_t *data;
	size_t len;

	assert_int_equal(framing_next(framing, &data, &len), ret);
}

static void headers(void **state)
{
	uint8_t h[FRAMING_HEADER];

	(void)state;
	framing_header(1, h);
	assert_memory_equal(h, "\0\0\0\1", 4);
	framing_header(0x00012345, h);
	assert_memory_equal(h, "\0\1\x23\x45", 4);
}

static void whole(void **state)
{
	static const uint8_t two[] = {0, 0, 0, 3, 'a', 'b', 'c', 0, 0, 0, 1, 'd'};
	struct framing framing = {0};

	(void)state;
	expect(&framing, 0);
	assert_false(framing_partial(&framing));
	feed(&framing, two, sizeof(two));
	expect_frame(&framing, two + 4, 3);
	assert_true(framing_partial(&framing));
	expect_frame(&framing, two + 11, 1);
	expect(&framing, 0);
	assert_false(framing_partial(&framing));
	framing_clear(&framing);
	assert_false(framing_partial(&framing));
}

static void byte_by_byte(void **state)
{
	static const uint8_t two[] = {0, 0, 0, 3, 'a', 'b', 'c', 0, 0, 0, 1, 'd'};
	struct framing framing = {0};

	(void)state;
	for (size_t i = 0; i < sizeof(two); i++) {
		expect(&framing, 0);
		feed(&framing, two + i, 1);
		if (i == 6)
			expect_frame(&framing, two + 4, 3);
		else if (i == 11)
			expect_frame(&framing, two + 11, 1);
		else
			assert_true(framing_partial(&framing));
	}
	expect(&framing, 0);
	framing_clear(&framing);
}

static void impossible(void **state)
{
	static const uint8_t lengths[][4] = {
	    {0, 0, 0, 0},
	    {0xff, 0xff, 0xff, 0xff},
	    {0x80, 0, 0, 1},
	    {0, 1, 0, 0x41},
	};

	(void)state;
	assert_int_equal(FRAMING_MAX, 0x10040);
	for (size_t i = 0; i < 4; i++) {
		struct framing framing = {0};

		feed(&framing, (const uint8_t *)"\0\0\0\1x", 5);
		feed(&framing, lengths[i], 4);
		expect_frame(&framing, (const uint8_t *)"x", 1);
		expect(&framing, -EPROTO);
		expect(&framing, -EPROTO);
		framing_clear(&framing);
	}
}

/* The longest frame fits at any place, and beside the end of another. */
static void longest(void **state)
{
	uint8_t *bytes = malloc(FRAMING_HEADER + FRAMING_MAX);
	struct framing framing = {0};

	(void)state;
	assert_non_null(bytes);
	framing_header(FRAMING_MAX, bytes);
	for (size_t i = 0; i < FRAMING_MAX; i++)
		bytes[FRAMING_HEADER + i] = (uint8_t)(i * 7);
	for (size_t cut = 1; cut < FRAMING_HEADER + FRAMING_MAX; cut += 9973) {
		feed(&framing, bytes, FRAMING_HEADER + FRAMING_MAX);
		expect_frame(&framing, bytes + FRAMING_HEADER, FRAMING_MAX);
		feed(&framing, bytes, cut);
		expect(&framing, 0);
		feed(&framing, bytes + cut, FRAMING_HEADER + FRAMING_MAX - cut);
		expect_frame(&framing, bytes + FRAMING_HEADER, FRAMING_MAX);
		expect(&framing, 0);
	}
	framing_clear(&framing);
	free(bytes);
}

/* Random frames in random pieces come out as they went in. */
static void random_pieces(void **state)
{
	enum { FRAMES = 3000 };
	static size_t length[FRAMES];
	size_t total = 0, fed = 0, taken = 0;
	struct framing framing = {0};
	uint8_t *bytes;

	(void)state;
	srand(4711);
	for (size_t i = 0; i < FRAMES; i++) {
		length[i] = 1 + (size_t)rand() % (rand() % 50 ? 1600 : FRAMING_MAX);
		total += FRAMING_HEADER + length[i];
	}
	bytes = malloc(total);
	assert_non_null(bytes);
	for (size_t i = 0, at = 0; i < FRAMES; at += FRAMING_HEADER + length[i], i++) {
		framing_header(length[i], bytes + at);
		for (size_t k = 0; k < length[i]; k++)
			bytes[at + FRAMING_HEADER + k] = (uint8_t)(rand() >> 3);
	}
	for (size_t i = 0, at = 0; i < FRAMES;) {
		const uint8_t *data;
		size_t len, room, n = 1 + (size_t)rand() % 5000;

		(void)framing_room(&framing, &room);
		n = n > room ? room : n;
		n = n > total - fed ? total - fed : n;
		feed(&framing, bytes + fed, n);
		fed += n;
		for (int ret; i < FRAMES && (ret = framing_next(&framing, &data, &len));) {
			assert_int_equal(ret, 1);
			assert_int_equal(len, length[i]);
			assert_memory_equal(data, bytes + at + FRAMING_HEADER, len);
			at += FRAMING_HEADER + length[i++];
			taken += len;
		}
	}
	assert_int_equal(taken + FRAMES * FRAMING_HEADER, total);
	framing_clear(&framing);
	free(bytes);
}

static void endpoints(void **state)
{
	static const char *const good[] = {"192.0.2.1:4000", "127.0.0.1:1", "0.0.0.0:65535",
					   "[::1]:4000", "[2001:db8::1]:80"};
	static const char *const bad[] = {
	    "",
	    ":",
	    "192.0.2.1",
	    "192.0.2.1:",
	    "192.0.2.1:0",
	    "192.0.2.1:65536",
	    "192.0.2.1: 80",
	    "192.0.2.1:+80",
	    "::1:4000",
	    "[::1]",
	    "[::1]4000",
	    "[192.0.2.1]:4000",
	    "[::1:4000",
	    "host:4000",
	    "[]:1",
	    "[:1",
	    "224.0.0.1:4000",
	    "192.0.2.1:80x",
	    "[ff02::1]:80",
	    "]:80",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
		struct sockaddr_storage ss;
		char text[100];

		assert_null(socket_wants_endpoint(good[i]));
		assert_true(socket_endpoint(good[i], &ss) > 0);
		assert_string_equal(socket_endpoint_format(&ss, text, sizeof(text)), good[i]);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		if (!socket_wants_endpoint(bad[i]))
			fail_msg("\"%s\" is taken", bad[i]);
	}
}

static void modes_and_groups(void **state)
{
	(void)state;
	assert_null(socket_wants_mode("0660"));
	assert_null(socket_wants_mode("600"));
	assert_non_null(socket_wants_mode(""));
	assert_non_null(socket_wants_mode("66"));
	assert_non_null(socket_wants_mode("4755"));
	assert_non_null(socket_wants_mode("0680"));
	assert_non_null(socket_wants_mode("rw-"));
	assert_null(socket_wants_group("kvm"));
	assert_null(socket_wants_group("0"));
	assert_non_null(socket_wants_group(""));
	assert_non_null(socket_wants_group("a:b"));
	assert_non_null(socket_wants_path(""));
	assert_null(socket_wants_path("/run/x"));
}

/* A key may name a UNIX socket or an address, where either can be. */
static void keys(void **state)
{
	static const struct {
		const char *keys;
		const char *says; /* NULL: fine */
	} cases[] = {
	    {"type = \"stream\"; path = \"s\"; mode = \"0660\";", NULL},
	    {"type = \"stream\"; path = \"/s\"; connect = true;", NULL},
	    {"type = \"stream\"; local = \"/s\"; mode = \"0660\";", NULL},
	    {"type = \"stream\"; local = \"127.0.0.1:1\";", NULL},
	    {"type = \"stream\"; remote = \"/s\";", NULL},
	    {"type = \"stream\"; remote = \"[::1]:1\";", NULL},
	    {"type = \"stream\"; remote = \"/s\"; mode = \"0660\";", "`mode` and `group`"},
	    {"type = \"stream\"; local = \"127.0.0.1:1\"; mode = \"0660\";", "`mode` and `group`"},
	    {"type = \"stream\"; local = \"/s\"; connect = true;", "`connect` belongs to `path`"},
	    {"type = \"stream\"; local = \"/s\"; remote = \"/t\";", "and only one"},
	    {"type = \"stream\"; local = \"s\";", "or a path that begins with '/'"},
	    {"type = \"dgram\"; path = \"s\"; remote = \"t\";", NULL},
	    {"type = \"dgram\"; local = \"/s\"; remote = \"/t\"; mode = \"0660\";", NULL},
	    {"type = \"dgram\"; local = \"127.0.0.1:1\"; remote = \"127.0.0.1:2\";", NULL},
	    {"type = \"dgram\"; local = \"127.0.0.1:1\"; remote = \"[::1]:2\";", "two IP versions"},
	    {"type = \"dgram\"; local = \"127.0.0.1:1\"; remote = \"/t\";",
	     "`remote` is not ADDRESS:PORT"},
	    {"type = \"dgram\"; local = \"127.0.0.1:1\"; remote = \"127.0.0.1:2\"; mode = "
	     "\"0600\";",
	     "`mode` and `group`"},
	    {"type = \"dgram\"; local = \"/s\"; remote = \"/s\";", "are the same"},
	    {"type = \"dgram\"; path = \"/s\"; remote = \"/s\";", "are the same"},
	    {"type = \"dgram\"; path = \"/s\"; local = \"/u\"; remote = \"/t\";", "and only one"},
	    {"type = \"dgram\"; remote = \"/t\";", "and only one"},
	    {"type = \"udp\"; local = \"/s\"; remote = \"/t\";", "is not ADDRESS:PORT"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct desired desired;
		struct err err = {""};
		char text[300];
		int ret;

		(void)snprintf(text, sizeof(text),
			       "segments = ( { name = \"a\"; } );\n"
			       "ports = ( { name = \"p\"; segment = \"a\"; %s } );",
			       cases[i].keys);
		memset(&desired, 0, sizeof(desired));
		ret = desired_parse(&desired, text, "f", &err);
		if (!cases[i].says ? ret < 0 : ret == 0 || !strstr(err.text, cases[i].says))
			fail_msg("%s: %s", cases[i].keys, err.text);
		desired_clear(&desired);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(headers),	    cmocka_unit_test(whole),
	    cmocka_unit_test(byte_by_byte), cmocka_unit_test(impossible),
	    cmocka_unit_test(longest),	    cmocka_unit_test(random_pieces),
	    cmocka_unit_test(endpoints),    cmocka_unit_test(modes_and_groups),
	    cmocka_unit_test(keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
