/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What a peer of a stream may send: bytes in pieces of any size, taken apart into
 * frames. The first byte of the input seeds the sizes. Whatever the pieces, the
 * frames are those of a plain walk over the input, up to the same end.
 */
#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "switchd/port/framing.h"
#include "switchd/port/sockets.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The naive walk: the length of the frame at `at`, 0 if it is not whole, or -1. */
static long expected(const uint8_t *data, size_t size, size_t at)
{
	uint32_t len;

	if (size - at < FRAMING_HEADER)
		return 0;
	len = (uint32_t)data[at] << 24 | (uint32_t)data[at + 1] << 16 |
	      (uint32_t)data[at + 2] << 8 | data[at + 3];
	if (len == 0 || len > FRAMING_MAX)
		return -1;
	return size - at - FRAMING_HEADER < len ? 0 : (long)len;
}

/* Addresses are read from text; what is taken must come back as itself. */
static void endpoint(const uint8_t *data, size_t size)
{
	struct sockaddr_storage ss;
	char text[100], back[200];

	if (size >= sizeof(text))
		return;
	memcpy(text, data, size);
	text[size] = '\0';
	(void)socket_wants_mode(text);
	(void)socket_wants_group(text);
	(void)socket_wants_path(text);
	if (socket_wants_endpoint(text))
		return;
	assert(socket_endpoint(text, &ss) > 0);
	(void)socket_endpoint_format(&ss, back, sizeof(back));
	assert(!socket_wants_endpoint(back));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct framing framing = {0};
	unsigned seed = size ? data[0] : 0;
	size_t at = 1; /* of the next frame */
	bool over = false;

	if (size)
		endpoint(data + 1, size - 1);
	for (size_t fed = 1; fed < size && !over;) {
		const uint8_t *frame;
		size_t room, len, n;
		uint8_t *to = framing_room(&framing, &room);
		int ret;

		assert(to && room > 0);
		seed = seed * 1103515245u + 12345u;
		n = 1 + (seed >> 16) % 3000;
		n = n > room ? room : n;
		n = n > size - fed ? size - fed : n;
		memcpy(to, data + fed, n);
		framing_put(&framing, n);
		fed += n;
		while ((ret = framing_next(&framing, &frame, &len)) > 0) {
			assert(expected(data, fed, at) == (long)len);
			assert(memcmp(frame, data + at + FRAMING_HEADER, len) == 0);
			at += FRAMING_HEADER + len;
		}
		over = ret < 0;
		assert(expected(data, fed, at) == (over ? -1 : 0));
		assert(framing_partial(&framing) == (at < fed));
	}
	framing_clear(&framing);
	return 0;
}
