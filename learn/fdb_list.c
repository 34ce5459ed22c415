/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * What the table holds, for those who look: nothing here changes it.
 */
#include "learn/fdb.h"
#include "learn/fdb_internal.h"

struct fdb_entry_info fdb_entry_info(const struct fdb *fdb, const struct fdb_entry *entry,
				     uint64_t now)
{
	const uint64_t age = fdb_since(entry->stamp, now);
	struct fdb_entry_info info;

	memset(&info, 0, sizeof(info));
	info.mac = fdb_key_mac(entry->key);
	info.segment = fdb_key_segment(entry->key);
	info.state = (enum fdb_state)entry->state;
	info.pinned = fdb_entry_pinned(entry, now);
	info.age_ms = age < UINT32_MAX ? (uint32_t)age : UINT32_MAX;
	info.where = fdb->holder[entry->holder].where;
	return info;
}

bool fdb_info(const struct fdb *fdb, uint16_t id, const struct mac *mac, uint64_t now,
	      struct fdb_entry_info *info)
{
	const uint32_t slot = fdb_find(fdb, fdb_key(id, mac));

	if (slot == FDB_NONE || fdb_entry_aged(fdb, &fdb->entry[slot], now))
		return false;
	*info = fdb_entry_info(fdb, &fdb->entry[slot], now);
	return true;
}

size_t fdb_list_some(const struct fdb *fdb, int id, uint64_t now, uint32_t *cursor,
		     struct fdb_entry_info *out, size_t max, size_t slots, bool *end)
{
	uint32_t slot = *cursor > 0 ? *cursor : 1;
	size_t count = 0;

	for (; slot <= fdb->entry_high && count < max && slots > 0; slot++, slots--) {
		const struct fdb_entry *entry = &fdb->entry[slot];

		if (entry->holder == FDB_NONE || (id >= 0 && fdb_key_segment(entry->key) != id) ||
		    fdb_entry_aged(fdb, entry, now))
			continue;
		out[count++] = fdb_entry_info(fdb, entry, now);
	}
	*cursor = slot;
	*end = slot > fdb->entry_high;
	return count;
}

size_t fdb_list(const struct fdb *fdb, int id, uint64_t now, uint32_t *cursor,
		struct fdb_entry_info *out, size_t max)
{
	bool end;

	return fdb_list_some(fdb, id, now, cursor, out, max, SIZE_MAX, &end);
}

size_t fdb_places(const struct fdb *fdb, uint16_t id, uint32_t *places, size_t max)
{
	const struct fdb_segment *segment = fdb->segment[id];
	size_t count = 0;

	if (!segment)
		return 0;
	for (uint32_t h = segment->holders; h != FDB_NONE; h = fdb->holder[h].next) {
		for (unsigned list = 0; list < FDB_LISTS; list++) {
			uint32_t slot = fdb->holder[h].list[list].first;

			for (; slot != FDB_NONE && count < max; slot = fdb->entry[slot].next)
				places[count++] = slot;
		}
	}
	return count;
}

size_t fdb_list_places(const struct fdb *fdb, uint16_t id, uint64_t now, const uint32_t *places,
		       size_t count, struct fdb_entry_info *out)
{
	size_t found = 0;

	for (size_t i = 0; i < count; i++) {
		const struct fdb_entry *entry = &fdb->entry[places[i]];

		/* Others may be there by now. */
		if (entry->holder != FDB_NONE && fdb_key_segment(entry->key) == id &&
		    !fdb_entry_aged(fdb, entry, now))
			out[found++] = fdb_entry_info(fdb, entry, now);
	}
	return found;
}

/* Static and sticky entries stay, others with the last of them. */
static bool holder_aged(const struct fdb *fdb, const struct fdb_holder *holder, uint64_t now)
{
	const uint32_t ageing = fdb->segment[holder->segment]->limits.ageing_ms;

	return holder->count[FDB_LIST_FIXED] == 0 && ageing > 0 &&
	       fdb_since(holder->heard, now) >= ageing;
}

bool fdb_is_heard(const struct fdb *fdb, uint16_t segment, const struct fdb_where *where,
		  uint64_t now)
{
	const uint32_t slot = fdb_holder_find(fdb, segment, where);
	const struct fdb_holder *holder = &fdb->holder[slot];

	return slot != FDB_NONE && fdb_holder_total(holder) > 0 && !holder_aged(fdb, holder, now);
}

size_t fdb_list_holders_some(const struct fdb *fdb, uint64_t now, uint32_t *cursor,
			     struct fdb_holder_info *out, size_t max, size_t slots, bool *end)
{
	uint32_t slot = *cursor > 0 ? *cursor : 1;
	size_t count = 0;

	for (; slot <= fdb->holder_high && count < max && slots > 0; slot++, slots--) {
		const struct fdb_holder *holder = &fdb->holder[slot];
		const uint64_t idle = fdb_since(holder->heard, now);

		if (fdb_holder_total(holder) == 0 || holder_aged(fdb, holder, now))
			continue;
		memset(&out[count], 0, sizeof(out[count]));
		out[count].segment = (uint16_t)holder->segment;
		out[count].where = holder->where;
		out[count].entries = fdb_holder_total(holder);
		out[count].idle_ms = idle < UINT32_MAX ? (uint32_t)idle : UINT32_MAX;
		count++;
	}
	*cursor = slot;
	*end = slot > fdb->holder_high;
	return count;
}

size_t fdb_list_holders(const struct fdb *fdb, uint64_t now, uint32_t *cursor,
			struct fdb_holder_info *out, size_t max)
{
	bool end;

	return fdb_list_holders_some(fdb, now, cursor, out, max, SIZE_MAX, &end);
}
