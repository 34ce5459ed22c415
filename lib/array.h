/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Arrays that grow one element at a time.
 */
#ifndef TVD_ARRAY_H
#define TVD_ARRAY_H

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#define ARRAY_LEAST 64u

/*
 * Room for one more element of `size` bytes behind the `count` that `list` has, which has
 * room for *room; NULL and 0: nothing yet. Where they are now: the caller's to keep and to
 * free. NULL when out of memory, with all as it was.
 */
static inline void *array_grow(void *list, size_t count, size_t *room, size_t size)
{
	size_t next = *room ? 2 * *room : ARRAY_LEAST;
	void *grown;

	if (count < *room)
		return list;
	grown = next > SIZE_MAX / size ? NULL : realloc(list, next * size);
	if (grown)
		*room = next;
	return grown;
}

#endif
