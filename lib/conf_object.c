/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The schema engine's objects: freeing, copying and comparing them.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/conf_impl.h"

void *conf_alloc(size_t count, size_t size)
{
	void *memory = calloc(count ? count : 1, size);

	if (!memory)
		abort();
	return memory;
}

enum conf_type conf_item_type(enum conf_type type)
{
	switch (type) {
	case CONF_INTS:
		return CONF_INT;
	case CONF_MACS:
		return CONF_MAC;
	case CONF_ADDRS:
		return CONF_ADDR;
	default:
		return type;
	}
}

size_t conf_item_size(enum conf_type type)
{
	switch (type) {
	case CONF_STRING:
		return sizeof(char *);
	case CONF_INT:
	case CONF_INTS:
		return sizeof(int64_t);
	case CONF_BOOL:
		return sizeof(bool);
	case CONF_ENUM:
		return sizeof(int);
	case CONF_MAC:
	case CONF_MACS:
		return sizeof(struct mac);
	case CONF_ADDR:
	case CONF_ADDRS:
		return sizeof(struct ipaddr);
	case CONF_PREFIXES:
		return sizeof(struct ipprefix);
	case CONF_VARIANT:
		return sizeof(struct conf_variant);
	default:
		return 0;
	}
}

static const struct conf_key *find_key(const struct conf_schema *schema, const char *name)
{
	const struct conf_key *key = schema->keys;

	while (key->name && strcmp(key->name, name) != 0)
		key++;
	/* Names of keys stand in the code; a wrong one is a mistake there. */
	if (!key->name)
		abort();
	return key;
}

bool conf_given(const struct conf_schema *schema, const void *object, const char *name)
{
	const struct conf_head *head = object;

	return head->given & (UINT64_C(1) << (find_key(schema, name) - schema->keys));
}

static void clear_items(const struct conf_key *key, struct conf_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		if (key->type == CONF_OBJECTS) {
			conf_clear(key->schema, (char *)list->items + i * key->schema->size);
		} else if (key->type == CONF_VARIANT) {
			struct conf_variant *variant = (struct conf_variant *)list->items + i;

			/* What failed to parse has an object only if it has a schema. */
			if (variant->object)
				conf_clear(variant->schema, variant->object);
			free(variant->object);
		}
	}
	free(list->items);
}

void conf_clear(const struct conf_schema *schema, void *object)
{
	for (const struct conf_key *key = schema->keys; key->name; key++) {
		void *member = conf_member(object, key);

		switch (key->type) {
		case CONF_STRING:
			free(*(char **)member);
			break;
		case CONF_OBJECT:
			conf_clear(key->schema, member);
			break;
		case CONF_INTS:
		case CONF_MACS:
		case CONF_ADDRS:
		case CONF_PREFIXES:
		case CONF_OBJECTS:
		case CONF_VARIANT:
			clear_items(key, member);
			break;
		default:
			break;
		}
	}
	memset(object, 0, schema->size);
}

static void copy_items(const struct conf_key *key, struct conf_list *to,
		       const struct conf_list *from)
{
	size_t size = key->type == CONF_OBJECTS ? key->schema->size : conf_item_size(key->type);

	to->count = from->count;
	to->items = NULL;
	if (from->count == 0)
		return;
	to->items = conf_alloc(from->count, size);
	if (key->type != CONF_OBJECTS && key->type != CONF_VARIANT) {
		memcpy(to->items, from->items, from->count * size);
		return;
	}
	for (size_t i = 0; i < from->count; i++) {
		if (key->type == CONF_OBJECTS) {
			conf_copy(key->schema, (char *)to->items + i * size,
				  (const char *)from->items + i * size);
		} else {
			const struct conf_variant *source =
			    (const struct conf_variant *)from->items + i;
			struct conf_variant *copy = (struct conf_variant *)to->items + i;

			copy->schema = source->schema;
			copy->object = conf_alloc(1, source->schema->size);
			conf_copy(source->schema, copy->object, source->object);
		}
	}
}

void conf_copy(const struct conf_schema *schema, void *to, const void *from)
{
	/* Members that are no keys (an owner) come along; then each key gets its own. */
	memcpy(to, from, schema->size);
	for (const struct conf_key *key = schema->keys; key->name; key++) {
		const void *source = conf_member(from, key);
		void *member = conf_member(to, key);

		switch (key->type) {
		case CONF_STRING:
			if (!*(char *const *)source)
				break;
			*(char **)member = strdup(*(char *const *)source);
			if (!*(char **)member)
				abort();
			break;
		case CONF_OBJECT:
			conf_copy(key->schema, member, source);
			break;
		case CONF_INTS:
		case CONF_MACS:
		case CONF_ADDRS:
		case CONF_PREFIXES:
		case CONF_OBJECTS:
		case CONF_VARIANT:
			copy_items(key, member, source);
			break;
		default:
			break;
		}
	}
}

static bool string_equal(const char *a, const char *b)
{
	return a && b ? strcmp(a, b) == 0 : a == b;
}

static bool prefixes_equal(const struct ipprefix *a, const struct ipprefix *b, size_t count)
{
	/* Not as memory: a prefix ends with bytes that nobody sets. */
	for (size_t i = 0; i < count; i++)
		if (!ipaddr_equal(&a[i].addr, &b[i].addr) || a[i].len != b[i].len)
			return false;
	return true;
}

static bool items_equal(const struct conf_key *key, const struct conf_list *a,
			const struct conf_list *b)
{
	if (a->count != b->count)
		return false;
	if (a->count == 0)
		return true;
	if (key->type == CONF_PREFIXES)
		return prefixes_equal(a->items, b->items, a->count);
	if (key->type != CONF_OBJECTS && key->type != CONF_VARIANT)
		return memcmp(a->items, b->items, a->count * conf_item_size(key->type)) == 0;
	for (size_t i = 0; i < a->count; i++) {
		if (key->type == CONF_OBJECTS) {
			size_t at = i * key->schema->size;

			if (!conf_equal(key->schema, (const char *)a->items + at,
					(const char *)b->items + at))
				return false;
		} else {
			const struct conf_variant *one = (const struct conf_variant *)a->items + i;
			const struct conf_variant *two = (const struct conf_variant *)b->items + i;

			if (one->schema != two->schema ||
			    !conf_equal(one->schema, one->object, two->object))
				return false;
		}
	}
	return true;
}

static bool key_equal(const struct conf_key *key, const void *a, const void *b)
{
	const void *one = conf_member(a, key), *two = conf_member(b, key);

	switch (key->type) {
	case CONF_STRING:
		return string_equal(*(char *const *)one, *(char *const *)two);
	case CONF_INT:
	case CONF_BOOL:
	case CONF_ENUM:
	case CONF_MAC:
	case CONF_ADDR:
		return memcmp(one, two, conf_item_size(key->type)) == 0;
	case CONF_OBJECT:
		return conf_equal(key->schema, one, two);
	case CONF_LATER:
		return true;
	default:
		return items_equal(key, one, two);
	}
}

bool conf_equal(const struct conf_schema *schema, const void *a, const void *b)
{
	for (const struct conf_key *key = schema->keys; key->name; key++)
		if (!key_equal(key, a, b))
			return false;
	return true;
}

bool conf_key_equal(const struct conf_schema *schema, const void *a, const void *b,
		    const char *name)
{
	return key_equal(find_key(schema, name), a, b);
}
