/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Whose an address and a group are. Prefixes on one uplink do not overlap, so that
 * the last range that begins at or below an address is the only one that can have it.
 * (While a reload exchanges subnets there may be two of one kind for a moment; either
 * will do.)
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "encap/macrewrite.h"

static int addr_compare(const struct ipaddr *a, const struct ipaddr *b)
{
	if (a->family != b->family)
		return a->family < b->family ? -1 : 1;
	return memcmp(a->bytes, b->bytes, sizeof(a->bytes));
}

static int range_compare(const void *a, const void *b)
{
	const struct macrewrite_range *one = a, *two = b;

	return addr_compare(&one->prefix.addr, &two->prefix.addr);
}

static int group_compare(const void *a, const void *b)
{
	const struct macrewrite_group *one = a, *two = b;

	return (one->key > two->key) - (one->key < two->key);
}

static uint32_t key_of(const struct mac *group)
{
	return (uint32_t)group->octet[2] << 24 | (uint32_t)group->octet[3] << 16 |
	       (uint32_t)group->octet[4] << 8 | group->octet[5];
}

void macrewrite_table_clear(struct macrewrite_table *table)
{
	free(table->ranges);
	free(table->groups);
	memset(table, 0, sizeof(*table));
}

int macrewrite_table_update(struct macrewrite_table *table, const struct list *encaps)
{
	struct macrewrite_table made = {.range_count = 0};
	unsigned ranges = 0, groups = 0;

	list_for_each (encaps, it) {
		ranges += container_of(it, struct macrewrite, by_link)->prefixes;
		groups++;
	}
	made.ranges = calloc(ranges + 1, sizeof(*made.ranges));
	made.groups = calloc(groups + 1, sizeof(*made.groups));
	if (!made.ranges || !made.groups) {
		macrewrite_table_clear(&made);
		return -ENOMEM;
	}
	list_for_each (encaps, it) {
		struct macrewrite *m = container_of(it, struct macrewrite, by_link);

		for (unsigned i = 0; i < m->prefixes; i++)
			made.ranges[made.range_count++] =
			    (struct macrewrite_range){m->prefix[i], m};
		made.groups[made.group_count++] = (struct macrewrite_group){key_of(&m->group), m};
	}
	qsort(made.ranges, made.range_count, sizeof(*made.ranges), range_compare);
	qsort(made.groups, made.group_count, sizeof(*made.groups), group_compare);
	macrewrite_table_clear(table);
	*table = made;
	return 0;
}

struct macrewrite *macrewrite_of_addr(const struct macrewrite_table *table,
				      const struct ipaddr *addr)
{
	unsigned low = 0, high = table->range_count; /* the answer is in front of `high` */

	while (low < high) {
		unsigned middle = (low + high) / 2;

		if (addr_compare(&table->ranges[middle].prefix.addr, addr) <= 0)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0 || !ipprefix_contains(&table->ranges[low - 1].prefix, addr))
		return NULL;
	return table->ranges[low - 1].owner;
}

struct macrewrite *macrewrite_of_group(const struct macrewrite_table *table,
				       const struct mac *group)
{
	const uint32_t key = key_of(group);
	unsigned low = 0, high = table->group_count;

	while (low < high) {
		unsigned middle = (low + high) / 2;

		if (table->groups[middle].key < key)
			low = middle + 1;
		else
			high = middle;
	}
	return low < table->group_count && table->groups[low].key == key ? table->groups[low].owner
									 : NULL;
}
