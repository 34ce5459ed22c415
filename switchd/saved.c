/* SPDX-License-Identifier: BSD-2-Clause */
#include "switchd/saved.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "lib/array.h"
#include "lib/ctl_line.h"
#include "lib/names.h"
#include "switchd/inherit.h"
#include "switchd/membership.h"
#include "switchd/relay.h"
#include "switchd/saved_impl.h"

#define FILE_MOST (1u << 30) /* bytes: some millions of entries */
#define WRITE_AT  65536u
#define TEXT_MOST (2 * NAME_MAX_LEN)

static const char *const states[] = {
    [FDB_LEARNED] = "learned",
    [FDB_STATIC] = "static",
    [FDB_STICKY] = "sticky",
};

#define STATES (sizeof(states) / sizeof(states[0]))

/* ---- to save ---- */

static json_t *object_json(enum desired_kind kind, const struct desired_object *object)
{
	const struct port_conf *port = (const void *)object;
	const struct conf_schema *schema = desired_schema_of(kind);

	if (!schema)
		schema = port_ops_find(port->type)->schema;
	return json_pack("{s:s, s:s, s:o}", "kind", desired_kind_name(kind), "owner", object->owner,
			 "object", conf_to_json(schema, object));
}

static const struct segment_encap *encap_of(const struct segment *segment, uint32_t side)
{
	for (size_t i = 0; i < segment->encap_count; i++) {
		if (segment->encaps[i]->encap.side == side)
			return segment->encaps[i];
	}
	return NULL;
}

bool saved_place_put(const struct switchd *sw, const struct segment *segment,
		     const struct fdb_where *where, json_t *json)
{
	const struct segment_encap *se = NULL;
	const struct port *port = NULL;
	char text[ADDR_STRLEN];

	if (where->side != FDB_SIDE_LOCAL)
		se = encap_of(segment, where->side);
	else if (where->port < sw->port_numbers)
		port = sw->port_by_number[where->port];
	if (port)
		json_object_set_new(json, "port", json_string(port->conf->name));
	if (!se)
		return port;
	json_object_set_new(json, "encap", json_string(se->encap.ops->type));
	json_object_set_new(json, "uplink", json_string(se->uplink->conf.name));
	if (se->encap.conf->relay)
		json_object_set_new(json, "wan", json_true());
	if (ipaddr_is_set(&where->remote))
		json_object_set_new(json, "peer", json_string(ipaddr_format(&where->remote, text)));
	return true;
}

/* NULL if its place is gone meanwhile. */
static json_t *entry_json(const struct switchd *sw, const struct fdb_entry_info *entry)
{
	const struct segment *segment = sw->segment_by_number[entry->segment];
	char text[MAC_STRLEN];
	json_t *json;

	if (!segment)
		return NULL;
	json = json_pack("{s:s, s:s, s:I, s:s, s:I}", "fdb", mac_format(&entry->mac, text),
			 "segment", segment->conf.name, "id", (json_int_t)segment->conf.id, "state",
			 states[entry->state], "age", (json_int_t)entry->age_ms);
	if (json && saved_place_put(sw, segment, &entry->where, json))
		return json;
	json_decref(json);
	return NULL;
}

static json_t *next_object(struct saved_walk *walk, const struct switchd *sw)
{
	for (; walk->kind < DESIRED_KINDS; walk->kind++, walk->index = 0) {
		while (walk->index < desired_count(&sw->desired, walk->kind)) {
			const struct desired_object *object =
			    desired_at(&sw->desired, walk->kind, walk->index++);

			if (strcmp(object->owner, OWNER_FILE) != 0)
				return object_json(walk->kind, object);
		}
	}
	return NULL;
}

static json_t *next_relay(struct saved_walk *walk, const struct switchd *sw)
{
	while (walk->relay < FDB_SEGMENTS_MAX) {
		const struct segment *segment = sw->segment_by_number[walk->relay++];
		struct relay_id who;
		char instance[20];

		if (!segment || !relay_is_active(segment, &who))
			continue;
		(void)snprintf(instance, sizeof(instance), "%016" PRIx64, who.instance);
		return json_pack("{s:s, s:I, s:s}", "relay", segment->conf.name, "number",
				 (json_int_t)who.number, "instance", instance);
	}
	return NULL;
}

static json_t *next_connection(struct saved_walk *walk, const struct switchd *sw)
{
	struct conn_info info;
	json_t *json = NULL;
	bool end = false;

	while (!json && !end) {
		if (conns_list(sw->conns, -1, sw->now, &walk->connection, &info, 1, SIZE_MAX,
			       &end) != 1)
			continue;
		conns_told(sw->conns, walk->connection);
		json = saved_connection_json(sw, &info);
	}
	return json;
}

json_t *saved_next(struct saved_walk *walk, const struct switchd *sw)
{
	json_t *json;

	if (!walk->begun) {
		walk->begun = true;
		return json_pack("{s:i, s:I}", "saved", SAVED_VERSION, "now", (json_int_t)sw->now);
	}
	json = next_object(walk, sw);
	while (!json) {
		if (walk->at == walk->count) {
			walk->at = 0;
			walk->count = fdb_list(sw->fdb, -1, sw->now, &walk->cursor, walk->list,
					       sizeof(walk->list) / sizeof(walk->list[0]));
		}
		if (walk->count == 0)
			break;
		json = entry_json(sw, &walk->list[walk->at++]);
	}
	json = json ? json : next_connection(walk, sw);
	json = json ? json : saved_neighbour_next(&walk->neighbour, sw);
	return json ? json : next_relay(walk, sw);
}

static int write_out(int fd, struct ctl_buffer *buffer)
{
	while (ctl_buffer_len(buffer)) {
		/* @syscall write */
		ssize_t n = write(fd, ctl_buffer_data(buffer), ctl_buffer_len(buffer));

		if (n < 0 && errno != EINTR)
			return -errno;
		if (n > 0)
			ctl_buffer_take(buffer, (size_t)n);
	}
	return 0;
}

/* The state of the next port that has one; NULL at the end. */
static json_t *next_state(const struct switchd *sw, uint32_t *number)
{
	while (*number < sw->port_numbers) {
		const struct port *port = sw->port_by_number[(*number)++];
		struct port_heritage heritage = {.count = 0};
		char name[INHERIT_PORT_NAME];

		if (!port || !port->state || !port->runtime->stored ||
		    !inherit_port_name(port->conf, name))
			continue;
		port->ops->handover(port, &heritage);
		if (heritage.state)
			return json_pack("{s:s, s:o}", "descriptor", name, "state", heritage.state);
	}
	return NULL;
}

int saved_write(const struct switchd *sw, int fd)
{
	struct saved_walk walk = {.begun = false};
	struct ctl_buffer buffer = {0};
	bool walked = false;
	uint32_t number = 0;
	int ret = 0;

	while (ret == 0) {
		json_t *json = walked ? NULL : saved_next(&walk, sw);

		walked = !json;
		if (!json)
			json = next_state(sw, &number);
		if (!json)
			break;
		ret = ctl_buffer_json(&buffer, "", json, "\n");
		json_decref(json);
		if (ret == 0 && ctl_buffer_len(&buffer) >= WRITE_AT)
			ret = write_out(fd, &buffer);
	}
	if (ret == 0)
		ret = write_out(fd, &buffer);
	ctl_buffer_clear(&buffer);
	return ret;
}

/* ---- to read it again ---- */

struct entry {
	struct mac mac;
	enum fdb_state state;
	uint64_t age;
	int64_t id;
	const char *segment; /* of saved.texts */
	struct saved_place place;
};

struct saved {
	bool begun;
	uint64_t then;
	json_t *objects; /* {"kind", "owner", "object"}, in the order in which they came */
	json_t *states;	 /* by name of descriptors */
	json_t *relays;	 /* the same of relays */
	struct entry *entries;
	size_t count, room;
	struct saved_connections *connections;
	struct saved_neighbours *neighbours;
	struct saved_connections *late; /* that are told of again, or that began since */
	uint64_t late_then;
	struct names *texts;
	char **all_texts;
	size_t text_count;
};

struct saved *saved_create(void)
{
	struct saved *saved = calloc(1, sizeof(*saved));

	if (!saved)
		return NULL;
	saved->objects = json_array();
	saved->relays = json_array();
	saved->states = json_object();
	saved->texts = names_create();
	if (saved->objects && saved->relays && saved->states && saved->texts)
		return saved;
	saved_destroy(saved);
	return NULL;
}

void saved_destroy(struct saved *saved)
{
	if (!saved)
		return;
	for (size_t i = 0; i < saved->text_count; i++)
		free(saved->all_texts[i]);
	free(saved->all_texts);
	names_destroy(saved->texts);
	json_decref(saved->objects);
	json_decref(saved->relays);
	json_decref(saved->states);
	saved_connections_destroy(saved->connections);
	saved_neighbours_destroy(saved->neighbours);
	saved_connections_destroy(saved->late);
	free(saved->entries);
	free(saved);
}

/* Names, and those that stand for one of many: "NAME/INTERFACE". */
static bool text_ok(const char *text)
{
	size_t len = 0;

	while (text[len] > ' ' && text[len] <= '~')
		len++;
	return len > 0 && len <= TEXT_MOST && text[len] == '\0';
}

const char *saved_text(struct saved *saved, const char *value)
{
	char **grown, *text = names_find(saved->texts, value);

	if (text)
		return text;
	grown = realloc(saved->all_texts, (saved->text_count + 1) * sizeof(char *));
	if (!grown)
		return NULL;
	saved->all_texts = grown;
	text = strdup(value);
	if (!text || names_add(saved->texts, text, text) < 0) {
		free(text);
		return NULL;
	}
	saved->all_texts[saved->text_count++] = text;
	return text;
}

const char *saved_name(struct saved *saved, const json_t *json, const char *key)
{
	const char *value = json_string_value(json_object_get(json, key));

	return value && text_ok(value) ? saved_text(saved, value) : NULL;
}

/* A host by its IP address, or by its MAC address. */
static bool read_peer(const char *text, struct ipaddr *peer)
{
	struct mac mac;

	if (mac_parse(text, &mac) == 0)
		*peer = ipaddr_of_mac(&mac);
	else if (ipaddr_parse(text, peer) < 0)
		return false;
	return true;
}

static int fail(struct err *err, const char *what)
{
	return err_set(err, EINVAL, "the saved state is not as this version writes it: %s", what);
}

const char *saved_place_take(struct saved *saved, const json_t *json, struct saved_place *place)
{
	const char *peer = json_string_value(json_object_get(json, "peer"));

	place->port = saved_name(saved, json, "port");
	place->encap = saved_name(saved, json, "encap");
	place->uplink = saved_name(saved, json, "uplink");
	place->wan = json_is_true(json_object_get(json, "wan"));
	if (!place->port && !(place->encap && place->uplink))
		return "an entry without a place";
	if (json_object_get(json, "peer") && (!peer || !read_peer(peer, &place->peer)))
		return "a peer without an address";
	return NULL;
}

static int take_entry(struct saved *saved, const json_t *json, struct err *err)
{
	const char *mac = json_string_value(json_object_get(json, "fdb"));
	const char *state = json_string_value(json_object_get(json, "state"));
	const json_t *age = json_object_get(json, "age"), *id = json_object_get(json, "id");
	struct entry entry = {.state = FDB_LEARNED}, *grown;
	const char *wrong;

	if (!mac || mac_parse(mac, &entry.mac) < 0 || mac_is_group(&entry.mac) ||
	    mac_is_zero(&entry.mac))
		return fail(err, "an FDB entry without a station");
	while (entry.state < STATES && (!state || strcmp(states[entry.state], state) != 0))
		entry.state++;
	if (entry.state == STATES || !json_is_integer(age) || json_integer_value(age) < 0 ||
	    !json_is_integer(id))
		return fail(err, "an FDB entry without state, age or id");
	entry.age = (uint64_t)json_integer_value(age);
	entry.id = json_integer_value(id);
	entry.segment = saved_name(saved, json, "segment");
	wrong = saved_place_take(saved, json, &entry.place);
	if (!entry.segment || wrong)
		return fail(err, wrong ? wrong : "an FDB entry without a segment");
	grown = array_grow(saved->entries, saved->count, &saved->room, sizeof(*grown));
	if (!grown)
		return err_set(err, ENOMEM, "out of memory");
	saved->entries = grown;
	saved->entries[saved->count++] = entry;
	return 0;
}

/* Who made an object. NULL: nobody who could. */
static const char *owner_of(const json_t *json)
{
	const json_t *owner = json_object_get(json, "owner");

	return json_is_string(owner) ? config_owner(json_string_value(owner)) : NULL;
}

static int take_connection(struct saved *saved, struct saved_connections **connections,
			   const json_t *json, struct err *err)
{
	const char *wrong = saved_connection_take(saved, connections, json);

	if (!wrong)
		return 0;
	return *wrong ? fail(err, wrong) : err_set(err, ENOMEM, "out of memory");
}

static int take_neighbour(struct saved *saved, const json_t *json, struct err *err)
{
	const char *wrong = saved_neighbour_take(saved, &saved->neighbours, json);

	if (!wrong)
		return 0;
	return *wrong ? fail(err, wrong) : err_set(err, ENOMEM, "out of memory");
}

static int take_relay(struct saved *saved, const json_t *json, struct err *err)
{
	const json_t *number = json_object_get(json, "number");

	if (!json_is_string(json_object_get(json, "relay")) || !json_is_integer(number) ||
	    json_integer_value(number) <= 0 || json_integer_value(number) > UINT32_MAX ||
	    !json_is_string(json_object_get(json, "instance")))
		return fail(err, "a relay without name, number or instance");
	if (json_array_append(saved->relays, (json_t *)(uintptr_t)json) < 0)
		return err_set(err, ENOMEM, "out of memory");
	return 0;
}

static int take_state(struct saved *saved, const json_t *json, struct err *err)
{
	const char *name = json_string_value(json_object_get(json, "descriptor"));
	json_t *state = json_object_get(json, "state");

	if (!name || !json_is_object(state))
		return fail(err, "a state without a name");
	if (json_object_set(saved->states, name, state) < 0)
		return err_set(err, ENOMEM, "out of memory");
	return 0;
}

int saved_take(struct saved *saved, const json_t *json, struct err *err)
{
	const json_t *version = json_object_get(json, "saved"), *now = json_object_get(json, "now");

	if (!saved->begun) {
		if (json_integer_value(version) != SAVED_VERSION)
			return fail(err, "another version");
		if (!json_is_integer(now) || json_integer_value(now) < 0)
			return fail(err, "it has no time");
		saved->then = (uint64_t)json_integer_value(now);
		saved->begun = true;
		return 0;
	}
	if (json_object_get(json, "fdb"))
		return take_entry(saved, json, err);
	if (json_object_get(json, "connection"))
		return take_connection(saved, &saved->connections, json, err);
	if (json_object_get(json, "neighbour") || json_object_get(json, "binding"))
		return take_neighbour(saved, json, err);
	if (json_object_get(json, "relay"))
		return take_relay(saved, json, err);
	if (json_object_get(json, "descriptor"))
		return take_state(saved, json, err);
	if (!json_is_object(json_object_get(json, "object")) ||
	    !json_is_string(json_object_get(json, "kind")) || !owner_of(json))
		return fail(err, "neither an object with an owner nor an FDB entry");
	if (json_array_append(saved->objects, (json_t *)(uintptr_t)json) < 0)
		return err_set(err, ENOMEM, "out of memory");
	return 0;
}

json_t *saved_late(const struct switchd *sw, const struct conn_info *info)
{
	return saved_connection_json(sw, info);
}

int saved_take_late(struct saved *saved, const json_t *json, uint64_t now, struct err *err)
{
	if (!json_object_get(json, "connection"))
		return fail(err, "no connection");
	saved->late_then = now;
	return take_connection(saved, &saved->late, json, err);
}

static int take_lines(struct saved *saved, struct ctl_buffer *buffer, struct err *err)
{
	ssize_t len;
	int ret = 0;

	while (ret == 0 && (len = ctl_buffer_line(buffer, FILE_MOST)) >= 0) {
		json_t *json = json_loadb(ctl_buffer_data(buffer), (size_t)len, 0, NULL);

		ret = json ? saved_take(saved, json, err) : fail(err, "a line that is not JSON");
		json_decref(json);
		ctl_buffer_take(buffer, (size_t)len + 1);
	}
	return ret;
}

int saved_read(struct saved *saved, int fd, struct err *err)
{
	struct ctl_buffer buffer = {0};
	struct stat st;
	off_t at = 0;
	int ret = 0;

	if (fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size > (off_t)FILE_MOST)
		return fail(err, "no file");
	while (ret == 0) {
		char *to = ctl_buffer_reserve(&buffer, WRITE_AT);
		ssize_t n = to ? pread(fd, to, WRITE_AT, at) : -1;

		if (n < 0)
			ret = err_set(err, to ? errno : ENOMEM, "the saved state cannot be read");
		if (n <= 0)
			break;
		at += n;
		ctl_buffer_put(&buffer, (size_t)n);
		ret = take_lines(saved, &buffer, err);
	}
	if (ret == 0 && ctl_buffer_len(&buffer))
		ret = fail(err, "it ends in the middle of a line");
	ctl_buffer_clear(&buffer);
	return ret;
}

void saved_states(const struct saved *saved, struct inherit *inherit)
{
	const char *name;
	json_t *state;

	json_object_foreach(saved->states, name, state) inherit_set_state(inherit, name, state);
}

int saved_objects(const struct saved *saved, struct desired *desired, struct err *err)
{
	struct desired next;
	int ret = 0;
	json_t *json;
	size_t i;

	memset(&next, 0, sizeof(next));
	ret = desired_copy(&next, desired, err);
	json_array_foreach(saved->objects, i, json)
	{
		if (ret < 0)
			break;
		ret = desired_add(&next, json_string_value(json_object_get(json, "kind")),
				  json_object_get(json, "object"), owner_of(json), err);
		if (ret < 0)
			break;
	}
	if (ret == 0)
		ret = desired_check(&next, err);
	if (ret < 0) {
		desired_clear(&next);
		return ret;
	}
	desired_clear(desired);
	*desired = next;
	return 0;
}

bool saved_place_find(const struct switchd *sw, const struct segment *segment,
		      const struct saved_place *place, struct fdb_where *where)
{
	if (place->port) {
		struct port *port = switchd_port(sw, place->port);

		*where = (struct fdb_where){.side = FDB_SIDE_LOCAL};
		if (!port || !membership_of(port, segment))
			return false;
		where->port = port->number;
		return true;
	}
	for (size_t i = 0; i < segment->encap_count; i++) {
		const struct segment_encap *se = segment->encaps[i];

		if (strcmp(se->encap.ops->type, place->encap) != 0 ||
		    strcmp(se->uplink->conf.name, place->uplink) != 0 ||
		    se->encap.conf->relay != place->wan)
			continue;
		*where = (struct fdb_where){.side = se->encap.side, .remote = place->peer};
		return true;
	}
	return false;
}

/* A locked port has sent nothing that could have been learned since. */
static bool entry_place(const struct switchd *sw, const struct segment *segment,
			const struct entry *entry, struct fdb_where *where)
{
	if (!saved_place_find(sw, segment, &entry->place, where))
		return false;
	return !entry->place.port || entry->state != FDB_LEARNED ||
	       sw->port_by_number[where->port]->conf->state != PORT_LOCKED;
}

static int oldest_first(const void *a, const void *b)
{
	const struct entry *one = a, *two = b;

	return (one->age < two->age) - (one->age > two->age);
}

size_t saved_fdb(struct saved *saved, struct switchd *sw)
{
	uint64_t since = sw->now - saved->then;
	size_t count = 0;

	/* Saved before the machine was started anew: nothing to go by. */
	if (sw->now < saved->then)
		return 0;
	if (saved->count)
		qsort(saved->entries, saved->count, sizeof(*saved->entries), oldest_first);
	for (size_t i = 0; i < saved->count; i++) {
		const struct entry *entry = &saved->entries[i];
		const struct segment *segment = switchd_segment(sw, entry->segment);
		uint64_t stamp, ageing;
		struct fdb_where where;

		if (!segment || segment->conf.id != entry->id ||
		    !entry_place(sw, segment, entry, &where))
			continue;
		ageing = (uint64_t)segment->conf.ageing * 1000u;
		if (entry->age > sw->now - since)
			stamp = 0;
		else
			stamp = sw->now - since - entry->age;
		if (entry->state == FDB_LEARNED && ageing && sw->now - stamp >= ageing)
			continue;
		count += fdb_add(sw->fdb, segment->number, &entry->mac, &where, entry->state,
				 stamp) == 0;
	}
	return count;
}

void saved_relays(const struct saved *saved, struct switchd *sw)
{
	json_t *json;
	size_t i;

	json_array_foreach(saved->relays, i, json)
	{
		struct segment *segment =
		    switchd_segment(sw, json_string_value(json_object_get(json, "relay")));
		const char *text = json_string_value(json_object_get(json, "instance"));
		struct relay_id who = {
		    .number = (uint32_t)json_integer_value(json_object_get(json, "number")),
		    .instance = strtoull(text, NULL, 16),
		};

		if (segment)
			relay_resume(segment, who, saved->then);
	}
}

size_t saved_connections(struct saved *saved, struct switchd *sw)
{
	size_t before = conns_count(sw->conns);

	(void)saved_connections_restore(saved->connections, sw, saved->then, false);
	(void)saved_connections_restore(saved->late, sw, saved->late_then, true);
	return conns_count(sw->conns) - before;
}

size_t saved_neighbours(struct saved *saved, struct switchd *sw)
{
	return saved_neighbours_restore(saved->neighbours, sw, saved->then);
}
