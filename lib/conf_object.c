/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The schema engine's objects: freeing, copying and comparing them.
 */
#include <stdlib.h>
#include <string.h>

#include "lib/conf_impl.h"

void *conf_alloc(size_t count, size_t size)
{
	return calloc(count ? count : 1, size);
}

enum conf_type conf_item_type(enum conf_type type)
{
	switch (type) {
	case CONF_INTS:
		return CONF_INT;
	case CONF_STRINGS:
		return CONF_STRING;
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
	case CONF_STRINGS:
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
		} else if (key->type == CONF_STRINGS) {
			free(((char **)list->items)[i]);
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
		case CONF_STRINGS:
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

static bool copy_items(const struct conf_key *key, struct conf_list *to,
		       const struct conf_list *from)
{
	size_t size = key->type == CONF_OBJECTS ? key->schema->size : conf_item_size(key->type);

	if (from->count == 0)
		return true;
	to->items = conf_alloc(from->count, size);
	if (!to->items)
		return false;
	if (key->type != CONF_OBJECTS && key->type != CONF_VARIANT && key->type != CONF_STRINGS) {
		memcpy(to->items, from->items, from->count * size);
		to->count = from->count;
		return true;
	}
	/* Counted one by one, so that conf_clear finds what is there. */
	for (; to->count < from->count; to->count++) {
		const char *source = (const char *)from->items + to->count * size;
		char *copy = (char *)to->items + to->count * size;
		const struct conf_variant *variant = (const void *)source;
		struct conf_variant *made = (void *)copy;

		if (key->type == CONF_STRINGS) {
			char *text = strdup(((char *const *)from->items)[to->count]);

			if (!text)
				return false;
			((char **)to->items)[to->count] = text;
			continue;
		}
		if (key->type == CONF_OBJECTS) {
			if (!conf_copy(key->schema, copy, source))
				return false;
			continue;
		}
		made->schema = variant->schema;
		made->object = conf_alloc(1, variant->schema->size);
		if (!made->object)
			return false;
		if (!conf_copy(variant->schema, made->object, variant->object)) {
			free(made->object);
			made->object = NULL;
			return false;
		}
	}
	return true;
}

static bool copy_key(const struct conf_key *key, void *member, const void *source)
{
	switch (key->type) {
	case CONF_STRING:
		if (!*(char *const *)source)
			return true;
		*(char **)member = strdup(*(char *const *)source);
		return *(char **)member;
	case CONF_OBJECT:
		return conf_copy(key->schema, member, source);
	case CONF_INTS:
	case CONF_STRINGS:
	case CONF_MACS:
	case CONF_ADDRS:
	case CONF_PREFIXES:
	case CONF_OBJECTS:
	case CONF_VARIANT:
		return copy_items(key, member, source);
	default:
		return true;
	}
}

/* Takes from a structure what belongs to another. */
static void disown(const struct conf_schema *schema, void *object)
{
	for (const struct conf_key *key = schema->keys; key->name; key++) {
		void *member = conf_member(object, key);

		switch (key->type) {
		case CONF_STRING:
			*(char **)member = NULL;
			break;
		case CONF_OBJECT:
			disown(key->schema, member);
			break;
		case CONF_INTS:
		case CONF_STRINGS:
		case CONF_MACS:
		case CONF_ADDRS:
		case CONF_PREFIXES:
		case CONF_OBJECTS:
		case CONF_VARIANT:
			memset(member, 0, sizeof(struct conf_list));
			break;
		default:
			break;
		}
	}
}

bool conf_copy(const struct conf_schema *schema, void *to, const void *from)
{
	/* Members that are no keys (an owner) come along; then each key gets its own. */
	memcpy(to, from, schema->size);
	disown(schema, to);
	for (const struct conf_key *key = schema->keys; key->name; key++) {
		if (copy_key(key, conf_member(to, key), conf_member(from, key)))
			continue;
		conf_clear(schema, to);
		return false;
	}
	return true;
}

bool conf_replace(const struct conf_schema *schema, void *object, const void *from)
{
	void *copy = conf_alloc(1, schema->size);

	if (!copy || !conf_copy(schema, copy, from)) {
		free(copy);
		return false;
	}
	conf_clear(schema, object);
	memcpy(object, copy, schema->size);
	free(copy);
	return true;
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
	if (key->type == CONF_STRINGS) {
		for (size_t i = 0; i < a->count; i++)
			if (strcmp(((char *const *)a->items)[i], ((char *const *)b->items)[i]) != 0)
				return false;
		return true;
	}
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
