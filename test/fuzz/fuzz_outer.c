/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Packets as a ring shows them, past the kernel's stack: one byte says which IP version
 * the ring is for, the rest is the packet from its IP header on. What is accepted must be
 * what another reading of the standards accepts, byte by byte, and its rest the packet's;
 * what is not accepted stays as it was.
 */
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#include "encap/outer.h"

#define PROTOCOL 97

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define CHECK(what)                                                                                \
	do {                                                                                       \
		if (!(what))                                                                       \
			abort();                                                                   \
	} while (0)

static unsigned word(const uint8_t *at)
{
	return (unsigned)at[0] << 8 | at[1];
}

/* What it must be, and where its payload begins and ends. */
struct expected {
	enum reason reason;
	size_t begin, end;
	size_t whole; /* of a last fragment: how long the packet was */
};

static struct expected expect_ipv4(const uint8_t *p, size_t len)
{
	struct expected e = {.reason = REASON_BAD_HEADER};
	uint32_t sum = 0;

	if (len < 20)
		return e;
	if (!(p[6] & 0x20) && word(p + 2) >= (p[0] & 15u) * 4)
		e.whole = (word(p + 6) & 0x1fff) * 8 + word(p + 2);
	for (unsigned i = 0; i < 20; i += 2)
		sum += word(p + i);
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	if (p[0] != 0x45 || p[9] != PROTOCOL || word(p + 2) < 20 || sum != 0xffff)
		return e;
	if (word(p + 6) & 0x3fff) {
		e.reason = REASON_FRAGMENT;
	} else if (word(p + 2) <= len) {
		e.reason = REASON_NONE;
		e.begin = 20;
		e.end = word(p + 2);
	}
	return e;
}

static struct expected expect_ipv6(const uint8_t *p, size_t len)
{
	struct expected e = {.reason = REASON_BAD_HEADER};

	if (len < 40)
		return e;
	if (p[6] == 44 && len >= 48 && word(p + 4) >= 8 && !(p[43] & 1))
		e.whole = 40 + (word(p + 42) & 0xfff8) + word(p + 4) - 8;
	if (p[0] >> 4 != 6)
		return e;
	if (p[6] == 44) {
		e.reason = REASON_FRAGMENT;
	} else if (p[6] == PROTOCOL && 40 + word(p + 4) <= len) {
		e.reason = REASON_NONE;
		e.begin = 40;
		e.end = 40 + word(p + 4);
	}
	return e;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct expected e;
	struct outer outer;
	struct frame frame;
	enum reason reason;
	uint8_t *packet;
	uint16_t family;
	size_t len;

	if (size < 1 || size > 70000)
		return 0;
	family = data[0] & 1 ? AF_INET6 : AF_INET;
	len = size - 1;
	packet = malloc(len ? len : 1); /* exact: ASan sees the end */
	CHECK(packet);
	memcpy(packet, data + 1, len);
	e = family == AF_INET6 ? expect_ipv6(packet, len) : expect_ipv4(packet, len);

	frame_borrow(&frame, packet, len);
	CHECK(outer_whole_len(&frame, family) == e.whole);
	CHECK(frame.len == len && frame.data == packet);
	memset(&outer, 0, sizeof(outer));
	reason = outer_pull(&frame, family, PROTOCOL, &outer);
	CHECK(reason == e.reason);
	if (reason == REASON_NONE) {
		const size_t addr = family == AF_INET6 ? 16 : 4;
		const size_t at = family == AF_INET6 ? 8 : 12;

		CHECK(frame.data == packet + e.begin && frame.len == e.end - e.begin);
		CHECK(outer.src.family == family && outer.dst.family == family);
		CHECK(memcmp(outer.src.bytes, packet + at, addr) == 0);
		CHECK(memcmp(outer.dst.bytes, packet + at + addr, addr) == 0);
	} else {
		CHECK(frame.data == packet && frame.len == len);
	}
	CHECK(memcmp(packet, data + 1, len) == 0);
	free(packet);
	return 0;
}
