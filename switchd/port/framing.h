/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Frames in a stream of bytes, as QEMU's -netdev stream has them: four bytes of
 * length, the highest first, and the frame. Taking them apart again, from pieces
 * of any size, without I/O.
 */
#ifndef TVD_FRAMING_H
#define TVD_FRAMING_H

#include <stddef.h>
#include <stdint.h>

#include "lib/frame.h"

#define FRAMING_HEADER 4u
#define FRAMING_MAX    FRAME_LARGE /* the longest frame */
#define FRAMING_ROOM   (2 * (FRAMING_HEADER + FRAMING_MAX))

/* Zeroed, it is empty and holds no memory. */
struct framing {
	uint8_t *bytes; /* FRAMING_ROOM of them */
	size_t begin, end;
};

/* Where to put what comes next: at least as much as makes the frame under way whole.
 * NULL when out of memory. */
uint8_t *framing_room(struct framing *framing, size_t *room);

/* n bytes have been put there. */
void framing_put(struct framing *framing, size_t n);

/*
 * The next whole frame: 1, and where it lies until the next framing_room(); 0 when
 * there is none yet; -EPROTO when the length is 0 or more than FRAMING_MAX, and there
 * will be no other.
 */
int framing_next(struct framing *framing, const uint8_t **data, size_t *len);

/* Whether it holds the beginning of a frame; and how many bytes of it, at *data. */
bool framing_partial(const struct framing *framing);
size_t framing_held(const struct framing *framing, const uint8_t **data);

/* What stands in front of a frame of that length. */
void framing_header(size_t len, uint8_t header[FRAMING_HEADER]);

/* Frees and empties it. */
void framing_clear(struct framing *framing);

#endif
