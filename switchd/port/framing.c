/* SPDX-License-Identifier: BSD-2-Clause */
#include "switchd/port/framing.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

uint8_t *framing_room(struct framing *framing, size_t *room)
{
	size_t held = framing->end - framing->begin;

	if (!framing->bytes) {
		framing->bytes = malloc(FRAMING_ROOM);
		if (!framing->bytes)
			return NULL;
	}
	if (framing->begin) {
		memmove(framing->bytes, framing->bytes + framing->begin, held);
		framing->begin = 0;
		framing->end = held;
	}
	*room = FRAMING_ROOM - held;
	return framing->bytes + held;
}

void framing_put(struct framing *framing, size_t n)
{
	assert(n <= FRAMING_ROOM - framing->end);
	framing->end += n;
}

int framing_next(struct framing *framing, const uint8_t **data, size_t *len)
{
	size_t held = framing->end - framing->begin;
	const uint8_t *at;
	size_t want;

	if (held < FRAMING_HEADER)
		return 0;
	at = framing->bytes + framing->begin;
	want = (size_t)at[0] << 24 | (size_t)at[1] << 16 | (size_t)at[2] << 8 | at[3];
	if (want == 0 || want > FRAMING_MAX)
		return -EPROTO;
	if (held - FRAMING_HEADER < want)
		return 0;
	*data = at + FRAMING_HEADER;
	*len = want;
	framing->begin += FRAMING_HEADER + want;
	return 1;
}

bool framing_partial(const struct framing *framing)
{
	return framing->end > framing->begin;
}

size_t framing_held(const struct framing *framing, const uint8_t **data)
{
	*data = framing->bytes ? framing->bytes + framing->begin : NULL;
	return framing->end - framing->begin;
}

void framing_header(size_t len, uint8_t header[FRAMING_HEADER])
{
	header[0] = (uint8_t)(len >> 24);
	header[1] = (uint8_t)(len >> 16);
	header[2] = (uint8_t)(len >> 8);
	header[3] = (uint8_t)len;
}

void framing_clear(struct framing *framing)
{
	free(framing->bytes);
	memset(framing, 0, sizeof(*framing));
}
