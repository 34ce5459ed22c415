/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Frames that wait until a guest reads, where each is a datagram: copies, since the
 * frames of the pool are everybody's; in order; and no more than a bounded number of
 * bytes. What does not fit is the sender's to drop.
 */
#ifndef TVD_SENDQ_H
#define TVD_SENDQ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct frame;
struct json_t;

/* With what goes with each frame. About what a TCP connection of a guest has under way. */
#define SENDQ_BYTES (256u << 10)

/* Zeroed: empty. */
struct sendq {
	uint8_t *bytes; /* SENDQ_BYTES once they were needed: lengths and frames */
	size_t begin, end;
};

static inline bool sendq_empty(const struct sendq *queue)
{
	return queue->end == 0;
}

/* Copies a frame behind all others; false when there is no room, or no memory. */
bool sendq_add(struct sendq *queue, const struct frame *frame);

/* The first frames, no more than `max`; how many. They lie there until the next change. */
unsigned sendq_first(const struct sendq *queue, struct iovec *iov, unsigned max);

/* Takes the first `count` off, which are there. */
void sendq_take(struct sendq *queue, unsigned count);

/* Empties it, and gives its memory back; how many frames there were. */
unsigned sendq_clear(struct sendq *queue);

/* All of it for the next process, a new reference or NULL; and back, into an empty one.
 * What is no frame of at most `longest` bytes is left out, and all behind it. */
struct json_t *sendq_to_json(const struct sendq *queue);
void sendq_from_json(struct sendq *queue, const struct json_t *json, size_t longest);

#endif
