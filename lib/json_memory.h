/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whether jansson got all the memory it asked for. What builds an object looks at no
 * single call: a key that found no memory is simply missing. Whoever sends the object
 * asks here first, and says rather that there was none.
 */
#ifndef TVD_JSON_MEMORY_H
#define TVD_JSON_MEMORY_H

#include <stdbool.h>

/* From now on it is noted. As often as one likes, with objects about or not. */
void json_memory_watch(void);

/* Whether an allocation has failed since this was asked last. */
bool json_memory_short(void);

#endif
