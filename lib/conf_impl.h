/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the files of the schema engine share; for nobody else.
 */
#ifndef TVD_CONF_IMPL_H
#define TVD_CONF_IMPL_H

#include "lib/conf.h"

/* Zeroed memory, never of no size; NULL when there is none. */
void *conf_alloc(size_t count, size_t size);

/* The type of one item of a list of scalars, and its size; CONF_PREFIXES stands
 * for one prefix too, since there is no key of a single one. */
enum conf_type conf_item_type(enum conf_type type);
size_t conf_item_size(enum conf_type type);

/*
 * conf_parse, where `loose` says that strings may stand for other scalars and,
 * with commas, for lists of them.
 */
bool conf_parse_group(const struct conf_schema *schema, const config_setting_t *group, bool loose,
		      void *object, struct err *err);

/* Text from outside, fit for a message: short, printable, on one line. */
#define CONF_SHOWN 52
const char *conf_show_text(const char *text, char buf[CONF_SHOWN]);

static inline void *conf_member(const void *object, const struct conf_key *key)
{
	return (char *)(uintptr_t)object + key->offset;
}

#endif
