/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A rate of frames, with a quarter of a second's worth at once, and at least 16.
 * One that is all zero is full. Time is an argument.
 */
#ifndef TVD_BUCKET_H
#define TVD_BUCKET_H

#include <stdbool.h>
#include <stdint.h>

struct bucket {
	uint64_t tokens; /* in thousandths of a frame */
	uint64_t stamp;	 /* in milliseconds */
};

/* Whether `frames` more may pass at `rate` a second. They are taken unless `dry`. */
static inline bool bucket_take(struct bucket *bucket, uint64_t rate, uint64_t frames, uint64_t now,
			       bool dry)
{
	uint64_t depth = rate * 250 < 16000 ? 16000 : rate * 250;
	uint64_t tokens = bucket->tokens + (now - bucket->stamp) * rate;
	/* A superframe costs what it becomes, but never more than there can be. */
	uint64_t cost = frames * 1000 > depth ? depth : frames * 1000;
	bool enough;

	if (tokens > depth)
		tokens = depth;
	enough = tokens >= cost;
	if (!dry) {
		bucket->stamp = now;
		bucket->tokens = enough ? tokens - cost : tokens;
	}
	return enough;
}

#endif
