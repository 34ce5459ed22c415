/* SPDX-License-Identifier: BSD-2-Clause */
#include "switchd/port/sendq.h"

#include <assert.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "lib/frame.h"
#include "switchd/port/port.h"

/* Where the next begins; the frame that is at `at` is in *iov. */
static size_t frame_at(const struct sendq *queue, size_t at, struct iovec *iov)
{
	uint32_t len;

	memcpy(&len, queue->bytes + at, sizeof(len));
	*iov = (struct iovec){queue->bytes + at + sizeof(len), len};
	return at + sizeof(len) + len;
}

bool sendq_add(struct sendq *queue, const struct frame *frame)
{
	const uint32_t len = frame->len;

	if (!queue->bytes)
		queue->bytes = malloc(SENDQ_BYTES);
	if (!queue->bytes || len > SENDQ_BYTES - sizeof(len))
		return false;
	if (queue->begin && sizeof(len) + len > SENDQ_BYTES - queue->end) {
		queue->end -= queue->begin;
		memmove(queue->bytes, queue->bytes + queue->begin, queue->end);
		queue->begin = 0;
	}
	if (sizeof(len) + len > SENDQ_BYTES - queue->end)
		return false;
	memcpy(queue->bytes + queue->end, &len, sizeof(len));
	memcpy(queue->bytes + queue->end + sizeof(len), frame->data, len);
	queue->end += sizeof(len) + len;
	return true;
}

unsigned sendq_first(const struct sendq *queue, struct iovec *iov, unsigned max)
{
	unsigned count = 0;

	for (size_t at = queue->begin; at < queue->end && count < max; count++)
		at = frame_at(queue, at, &iov[count]);
	return count;
}

void sendq_take(struct sendq *queue, unsigned count)
{
	struct iovec iov;

	for (unsigned i = 0; i < count; i++) {
		assert(queue->begin < queue->end);
		queue->begin = frame_at(queue, queue->begin, &iov);
	}
	if (queue->begin == queue->end)
		queue->begin = queue->end = 0;
}

unsigned sendq_clear(struct sendq *queue)
{
	struct iovec iov;
	unsigned count = 0;

	for (size_t at = queue->begin; at < queue->end; count++)
		at = frame_at(queue, at, &iov);
	free(queue->bytes);
	*queue = (struct sendq){.bytes = NULL};
	return count;
}

json_t *sendq_to_json(const struct sendq *queue)
{
	return port_bytes_to_json(queue->bytes ? queue->bytes + queue->begin : NULL,
				  queue->end - queue->begin);
}

void sendq_from_json(struct sendq *queue, const json_t *json, size_t longest)
{
	size_t end = 0;
	ssize_t len;

	if (json_string_length(json) == 0)
		return;
	queue->bytes = malloc(SENDQ_BYTES);
	len = queue->bytes ? port_bytes_from_json(json, queue->bytes, SENDQ_BYTES) : -1;
	while (len >= 0 && sizeof(uint32_t) <= (size_t)len - end) {
		uint32_t need;

		memcpy(&need, queue->bytes + end, sizeof(need));
		if (need > longest || need > (size_t)len - end - sizeof(need))
			break;
		end += sizeof(need) + need;
	}
	queue->end = end;
	if (end == 0)
		(void)sendq_clear(queue);
}
