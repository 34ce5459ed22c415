/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lib/hash.h"

#define BUCKETS_MIN 64u

struct entry {
	struct entry *next;
	void *object;
	char name[];
};

struct names {
	struct hash_key key;
	struct entry **buckets;
	size_t mask, count;
};

struct names *names_create(void)
{
	struct names *names = calloc(1, sizeof(*names));

	if (!names)
		return NULL;
	hash_key_random(&names->key);
	names->mask = BUCKETS_MIN - 1;
	names->buckets = calloc(BUCKETS_MIN, sizeof(struct entry *));
	if (!names->buckets) {
		free(names);
		return NULL;
	}
	return names;
}

void names_destroy(struct names *names)
{
	if (!names)
		return;
	for (size_t i = 0; i <= names->mask; i++) {
		while (names->buckets[i]) {
			struct entry *entry = names->buckets[i];

			names->buckets[i] = entry->next;
			free(entry);
		}
	}
	free(names->buckets);
	free(names);
}

/* Where the name's entry hangs, or the end of its chain. */
static struct entry **slot(const struct names *names, const char *name)
{
	struct entry **p =
	    &names->buckets[hash_bytes(&names->key, name, strlen(name)) & names->mask];

	while (*p && strcmp((*p)->name, name) != 0)
		p = &(*p)->next;
	return p;
}

/* Twice the buckets; without memory for them chains just get longer. */
static void grow(struct names *names)
{
	size_t mask = names->mask * 2 + 1;
	struct entry **buckets = calloc(mask + 1, sizeof(struct entry *));

	if (!buckets)
		return;
	for (size_t i = 0; i <= names->mask; i++) {
		while (names->buckets[i]) {
			struct entry *entry = names->buckets[i];
			struct entry **to =
			    &buckets[hash_bytes(&names->key, entry->name, strlen(entry->name)) &
				     mask];

			names->buckets[i] = entry->next;
			entry->next = *to;
			*to = entry;
		}
	}
	free(names->buckets);
	names->buckets = buckets;
	names->mask = mask;
}

int names_add(struct names *names, const char *name, void *object)
{
	size_t size = strlen(name) + 1;
	struct entry *entry;
	struct entry **p;

	if (names->count > names->mask)
		grow(names);
	p = slot(names, name);
	if (*p)
		return -EEXIST;
	entry = malloc(sizeof(*entry) + size);
	if (!entry)
		return -ENOMEM;
	entry->next = NULL;
	entry->object = object;
	memcpy(entry->name, name, size);
	*p = entry;
	names->count++;
	return 0;
}

void *names_find(const struct names *names, const char *name)
{
	struct entry *entry = *slot(names, name);

	return entry ? entry->object : NULL;
}

void *names_del(struct names *names, const char *name)
{
	struct entry **p = slot(names, name);
	struct entry *entry = *p;
	void *object;

	if (!entry)
		return NULL;
	*p = entry->next;
	object = entry->object;
	free(entry);
	names->count--;
	return object;
}
