/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The desired state: its schemas, and changing it object by object. What no single
 * object can say is checked in config_check.c; a file is read in config_load.c.
 */
#include "switchd/config.h"

#include <assert.h>
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "lib/log.h"
#include "switchd/port/port.h"

#define SOCKET_PATH_MAX (sizeof(((struct sockaddr_un *)0)->sun_path) - 1)

/* desired_object is how each of them begins. */
#define BEGINS_LIKE_OBJECT(type)                                                                   \
	static_assert(offsetof(type, owner) == offsetof(struct desired_object, owner) &&           \
			  offsetof(type, name) == offsetof(struct desired_object, name),           \
		      #type " does not begin like desired_object")
BEGINS_LIKE_OBJECT(struct uplink_conf);
BEGINS_LIKE_OBJECT(struct segment_conf);
BEGINS_LIKE_OBJECT(struct port_conf);
BEGINS_LIKE_OBJECT(struct domain_conf);
BEGINS_LIKE_OBJECT(struct flow_conf);
BEGINS_LIKE_OBJECT(struct junction_conf);

/* ---- What keys hold ---- */

bool config_name_ok(const char *name)
{
	size_t len = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				  "0123456789_.-");

	return len > 0 && len <= NAME_MAX_LEN && name[len] == '\0';
}

const char *config_owner(const char *name)
{
	static const char *const owners[] = {OWNER_CLI, OWNER_HOOK};

	for (size_t i = 0; i < sizeof(owners) / sizeof(owners[0]); i++) {
		if (strcmp(owners[i], name) == 0)
			return owners[i];
	}
	return NULL;
}

const char *config_wants_name(const char *value)
{
	return config_name_ok(value)
		   ? NULL
		   : "a name (1 to 63 letters, digits, and characters of \"_.-\")";
}

static const char *wants_name_or_nothing(const char *value)
{
	return *value ? config_wants_name(value) : NULL;
}

static const char *wants_interface(const char *value)
{
	size_t len = strlen(value);

	if (len == 0 || len > 15 || strpbrk(value, "/ \t") || strcmp(value, ".") == 0 ||
	    strcmp(value, "..") == 0)
		return "the name of an interface (1 to 15 characters without '/' and blanks)";
	return NULL;
}

static const char *wants_socket_path(const char *value)
{
	if (!*value || strlen(value) > SOCKET_PATH_MAX)
		return "the path of a UNIX socket (1 to 107 characters)";
	return NULL;
}

static const char *wants_run_dir(const char *value)
{
	if (!*value || strlen(value) > SOCKET_PATH_MAX - strlen(CONFIG_SOCKET_NAME))
		return "a folder in which a UNIX socket can be (1 to 94 characters)";
	return NULL;
}

/* ---- Schemas ---- */

const char *const port_admin_words[] = {"open", "locked", NULL};
static const char *const fast_words[] = {"off", "auto", "xdp", "bpf", NULL};
static const char *const tags_words[] = {"drop", "pass", NULL};
static const char *const ids_words[] = {"own", "shared", NULL};
static const char *const level_words[] = {"error", "warn", "info", "debug", NULL};

/* The schema of a kind that is found by a word; `later`: words of the contract. */
static const struct conf_schema *variant_missing(const char *type, const char *const *later,
						 struct err *err)
{
	for (; *later; later++) {
		if (strcmp(type, *later) == 0) {
			(void)err_set(err, EINVAL, "not in this version");
			return NULL;
		}
	}
	(void)err_set(err, EINVAL, "there is no such type");
	return NULL;
}

static const struct conf_schema *encap_variant(const char *type, struct err *err)
{
	static const char *const later[] = {"substrate", NULL};
	const struct encap_ops *ops = encap_find(type);

	return ops ? ops->schema : variant_missing(type, later, err);
}

static const struct conf_schema *port_variant(const char *type, struct err *err)
{
	static const char *const later[] = {NULL};
	const struct port_ops *ops = port_ops_find(type);

	return ops ? ops->schema : variant_missing(type, later, err);
}

#define KEY(struct_, member, name_, type_)                                                         \
	.name = (name_), .type = (type_), .offset = offsetof(struct struct_, member)

static const struct conf_key guard_keys[] = {
    {KEY(guard_conf, arp, "arp", CONF_BOOL)}, {KEY(guard_conf, dhcp, "dhcp", CONF_BOOL)},
    {KEY(guard_conf, ra, "ra", CONF_BOOL)},   {KEY(guard_conf, mac, "mac", CONF_BOOL)},
    {KEY(guard_conf, ip, "ip", CONF_BOOL)},   {.name = NULL},
};

const struct conf_schema guard_schema = {"guard", sizeof(struct guard_conf), guard_keys};

/* 0 is no VLAN but a priority alone, and 4095 is reserved. */
static const struct conf_key trunk_keys[] = {
    {KEY(trunk_conf, vid, "vid", CONF_INT), .required = true, .min = 1, .max = 4094},
    {KEY(trunk_conf, segment, "segment", CONF_STRING), .required = true,
     .wants = config_wants_name},
    {.name = NULL},
};

const struct conf_schema trunk_schema = {"trunk", sizeof(struct trunk_conf), trunk_keys};

static const struct conf_key uplink_keys[] = {
    {KEY(uplink_conf, name, "name", CONF_STRING), .required = true, .wants = config_wants_name},
    {KEY(uplink_conf, interface, "interface", CONF_STRING), .required = true,
     .wants = wants_interface},
    {KEY(uplink_conf, addresses, "address", CONF_ADDRS)},
    {KEY(uplink_conf, fast, "fast", CONF_ENUM), .words = fast_words, .initial = FAST_AUTO},
    {.name = NULL},
};

const struct conf_schema uplink_schema = {"uplink", sizeof(struct uplink_conf), uplink_keys};

static const struct conf_key segment_keys[] = {
    {KEY(segment_conf, name, "name", CONF_STRING), .required = true, .wants = config_wants_name},
    {KEY(segment_conf, id, "id", CONF_INT), .max = 4095, .initial = -1},
    {KEY(segment_conf, domain, "domain", CONF_STRING), .text = "", .wants = wants_name_or_nothing},
    {KEY(segment_conf, ageing, "ageing", CONF_INT), .max = 1000000, .initial = 300},
    {KEY(segment_conf, fdb_max, "fdb_max", CONF_INT), .min = 1, .max = 4194304, .initial = 8192},
    {KEY(segment_conf, fdb_port_max, "fdb_port_max", CONF_INT), .max = 4194304},
    {KEY(segment_conf, tags, "tags", CONF_ENUM), .words = tags_words},
    {KEY(segment_conf, reserved, "reserved", CONF_INTS), .max = 0x0f},
    {KEY(segment_conf, isolated, "isolated", CONF_BOOL)},
    {KEY(segment_conf, storm, "storm", CONF_INT), .max = 10000000, .initial = 5000},
    {KEY(segment_conf, snooping, "snooping", CONF_BOOL)},
    {KEY(segment_conf, querier, "querier", CONF_BOOL)},
    {KEY(segment_conf, relay_id, "relay_id", CONF_INT), .min = 1, .max = 65535},
    {KEY(segment_conf, encaps, "encap", CONF_VARIANT), .text = "encap", .variant = encap_variant},
    {.name = NULL},
};

const struct conf_schema segment_schema = {"segment", sizeof(struct segment_conf), segment_keys};

static const struct conf_key desired_keys[] = {
    {KEY(desired, host, "host", CONF_STRING), .wants = config_wants_name},
    {KEY(desired, control, "control", CONF_STRING), .wants = wants_socket_path},
    {KEY(desired, user, "user", CONF_STRING), .text = "", .wants = wants_name_or_nothing},
    {KEY(desired, run_dir, "run_dir", CONF_STRING), .text = RUN_DIR_DEFAULT,
     .wants = wants_run_dir},
    {KEY(desired, log_level, "log_level", CONF_ENUM), .words = level_words,
     .initial = LOG_LEVEL_INFO},
    {KEY(desired, ids, "ids", CONF_ENUM), .words = ids_words},
    {KEY(desired, seccomp, "seccomp", CONF_BOOL), .initial = true},
    {KEY(desired, yield, "yield", CONF_BOOL), .initial = true},
    {KEY(desired, busy_poll, "busy_poll", CONF_INT), .max = 1000},
    {KEY(desired, connections_max, "connections_max", CONF_INT), .min = 1, .max = 4194304,
     .initial = 65536},
    {KEY(desired, connections_guest_max, "connections_guest_max", CONF_INT), .max = 4194304},
    {KEY(desired, uplinks, "uplinks", CONF_OBJECTS), .schema = &uplink_schema},
    {KEY(desired, segments, "segments", CONF_OBJECTS), .schema = &segment_schema},
    {KEY(desired, ports, "ports", CONF_VARIANT), .text = "port", .variant = port_variant},
    {KEY(desired, domains, "domains", CONF_OBJECTS), .schema = &domain_schema},
    {KEY(desired, policy, "policy", CONF_OBJECTS), .schema = &flow_schema},
    {KEY(desired, junctions, "junctions", CONF_OBJECTS), .schema = &junction_schema},
    {.name = NULL},
};

const struct conf_schema desired_schema = {"", sizeof(struct desired), desired_keys};

/* ---- Looking at it ---- */

static const char *const kind_names[] = {"uplink", "segment", "port",
					 "domain", "policy",  "junction"};
static_assert(sizeof(kind_names) / sizeof(kind_names[0]) == DESIRED_KINDS, "a kind has no name");

const char *desired_kind_name(enum desired_kind kind)
{
	return kind_names[kind];
}

static struct conf_list *kind_list(struct desired *desired, enum desired_kind kind)
{
	switch (kind) {
	case DESIRED_UPLINK:
		return &desired->uplinks;
	case DESIRED_SEGMENT:
		return &desired->segments;
	case DESIRED_DOMAIN:
		return &desired->domains;
	case DESIRED_FLOW:
		return &desired->policy;
	case DESIRED_JUNCTION:
		return &desired->junctions;
	default:
		return &desired->ports;
	}
}

const struct conf_schema *desired_schema_of(enum desired_kind kind)
{
	switch (kind) {
	case DESIRED_UPLINK:
		return &uplink_schema;
	case DESIRED_SEGMENT:
		return &segment_schema;
	case DESIRED_DOMAIN:
		return &domain_schema;
	case DESIRED_FLOW:
		return &flow_schema;
	case DESIRED_JUNCTION:
		return &junction_schema;
	default:
		return NULL;
	}
}

size_t desired_count(const struct desired *desired, enum desired_kind kind)
{
	return kind_list((struct desired *)(uintptr_t)desired, kind)->count;
}

const struct desired_object *desired_at(const struct desired *desired, enum desired_kind kind,
					size_t i)
{
	const struct conf_list *list = kind_list((struct desired *)(uintptr_t)desired, kind);
	const struct conf_schema *schema = desired_schema_of(kind);

	if (!schema)
		return ((const struct conf_variant *)list->items)[i].object;
	return (const void *)((const char *)list->items + i * schema->size);
}

static const struct desired_object *find(const struct desired *desired, enum desired_kind kind,
					 const char *name, size_t *at)
{
	for (size_t i = 0; i < desired_count(desired, kind); i++) {
		const struct desired_object *object = desired_at(desired, kind, i);

		if (strcmp(object->name, name) == 0) {
			if (at)
				*at = i;
			return object;
		}
	}
	return NULL;
}

const struct uplink_conf *desired_uplink(const struct desired *desired, const char *name)
{
	return (const void *)find(desired, DESIRED_UPLINK, name, NULL);
}

const struct segment_conf *desired_segment(const struct desired *desired, const char *name)
{
	return (const void *)find(desired, DESIRED_SEGMENT, name, NULL);
}

const struct port_conf *desired_port(const struct desired *desired, const char *name)
{
	return (const void *)find(desired, DESIRED_PORT, name, NULL);
}

const struct port_conf *desired_port_at(const struct desired *desired, size_t i)
{
	return (const void *)desired_at(desired, DESIRED_PORT, i);
}

const char *port_conf_untagged(const struct port_conf *port)
{
	const char *name = port->native ? port->native : port->segment;

	return name && *name ? name : NULL;
}

const struct encap_conf *segment_conf_encap(const struct segment_conf *segment, size_t i)
{
	return ((const struct conf_variant *)segment->encaps.items)[i].object;
}

/* ---- Changing it ---- */

void desired_set_owner(struct desired *desired, const char *owner)
{
	for (int kind = 0; kind < DESIRED_KINDS; kind++) {
		for (size_t i = 0; i < desired_count(desired, (enum desired_kind)kind); i++) {
			const struct desired_object *object =
			    desired_at(desired, (enum desired_kind)kind, i);

			((struct desired_object *)(uintptr_t)object)->owner = owner;
		}
	}
}

/* Appends a copy of an object. 0 or -ENOMEM, with nothing appended. */
static int append(struct desired *to, const struct desired *from, enum desired_kind kind, size_t at,
		  struct err *err)
{
	struct conf_list *list = kind_list(to, kind);
	const struct conf_schema *schema = desired_schema_of(kind);
	size_t size = schema ? schema->size : sizeof(struct conf_variant);
	const struct desired_object *source = desired_at(from, kind, at);
	void *items = realloc(list->items, (list->count + 1) * size);
	struct conf_variant variant = {NULL, NULL};
	void *item;

	if (!items)
		return err_set(err, ENOMEM, "out of memory");
	list->items = items;
	item = (char *)items + list->count * size;
	memset(item, 0, size);
	if (schema) {
		if (!conf_copy(schema, item, source))
			return err_set(err, ENOMEM, "out of memory");
	} else {
		variant.schema = ((const struct conf_variant *)from->ports.items)[at].schema;
		variant.object = calloc(1, variant.schema->size);
		if (!variant.object || !conf_copy(variant.schema, variant.object, source)) {
			free(variant.object);
			return err_set(err, ENOMEM, "out of memory");
		}
		memcpy(item, &variant, sizeof(variant));
	}
	list->count++;
	return 0;
}

static void delete_at(struct desired *desired, enum desired_kind kind, size_t at)
{
	struct conf_list *list = kind_list(desired, kind);
	const struct conf_schema *schema = desired_schema_of(kind);
	size_t size = schema ? schema->size : sizeof(struct conf_variant);
	char *item = (char *)list->items + at * size;

	if (schema) {
		conf_clear(schema, item);
	} else {
		struct conf_variant *variant = (void *)item;

		conf_clear(variant->schema, variant->object);
		free(variant->object);
	}
	list->count--;
	memmove(item, item + size, (list->count - at) * size);
}

int desired_copy(struct desired *to, const struct desired *from, struct err *err)
{
	return conf_copy(&desired_schema, to, from) ? 0 : err_set(err, ENOMEM, "out of memory");
}

void desired_clear(struct desired *desired)
{
	conf_clear(&desired_schema, desired);
}

int desired_keep(struct desired *to, const struct desired *from, struct err *err)
{
	int ret = 0;

	for (int k = 0; k < DESIRED_KINDS; k++) {
		enum desired_kind kind = (enum desired_kind)k;

		for (size_t i = 0; ret == 0 && i < desired_count(from, kind); i++)
			if (strcmp(desired_at(from, kind, i)->owner, OWNER_FILE) != 0)
				ret = append(to, from, kind, i, err);
	}
	return ret;
}

/* An enum desired_kind, or -EINVAL. */
static int find_kind(const char *name, struct err *err)
{
	for (int i = 0; i < DESIRED_KINDS; i++)
		if (strcmp(kind_names[i], name) == 0)
			return i;
	return err_set(err, EINVAL, "there is no kind of object \"%.40s\"", name);
}

int desired_add(struct desired *desired, const char *kind_name, const struct json_t *json,
		const char *owner, struct err *err)
{
	static const char *const keys[] = {"uplinks", "segments", "ports",
					   "domains", "policy",	  "junctions"};
	struct desired added = {.host = NULL};
	const struct desired_object *object;
	enum desired_kind kind;
	json_t *whole;
	int r = find_kind(kind_name, err);

	if (r < 0)
		return r;
	kind = (enum desired_kind)r;
	/* Wrapped into a whole configuration, since a port's schema hangs on its type. */
	whole = json ? json_pack("{s:[O]}", keys[kind], json) : NULL;
	if (!whole)
		return json ? err_set(err, ENOMEM, "out of memory")
			    : err_set(err, EINVAL, "%s: a JSON object is expected", kind_name);
	if (!conf_parse_json(&desired_schema, whole, &added, err)) {
		r = -EINVAL;
		goto out;
	}
	desired_set_owner(&added, owner);
	if (!config_policy_name(&added)) {
		r = err_set(err, ENOMEM, "out of memory");
		goto out;
	}
	object = desired_at(&added, kind, 0);
	if (find(desired, kind, object->name, NULL)) {
		r = err_set(err, EEXIST, "%s \"%s\" exists already", kind_name, object->name);
		goto out;
	}
	r = append(desired, &added, kind, 0, err);
out:
	desired_clear(&added);
	json_decref(whole);
	return r;
}

static bool port_conf_uses(const struct port_conf *port, const char *segment)
{
	const struct trunk_conf *trunk = port->trunk.items;
	const char *untagged = port_conf_untagged(port);

	if (untagged && strcmp(untagged, segment) == 0)
		return true;
	for (size_t i = 0; i < port->trunk.count; i++) {
		if (strcmp(trunk[i].segment, segment) == 0)
			return true;
	}
	return false;
}

/* Says it of the object that is to go, and not of the first that would miss it. */
static int refuse_in_use(const struct desired *desired, enum desired_kind kind, const char *name,
			 struct err *err)
{
	const struct segment_conf *segments = desired->segments.items;

	for (size_t i = 0; kind == DESIRED_SEGMENT && i < desired->ports.count; i++) {
		const struct port_conf *port = desired_port_at(desired, i);

		if (port_conf_uses(port, name))
			return err_set(err, EBUSY,
				       "segment \"%s\" has ports, \"%s\" among them: delete or "
				       "move them first",
				       name, port->name);
	}
	for (size_t i = 0; kind == DESIRED_UPLINK && i < desired->segments.count; i++) {
		for (size_t k = 0; k < segments[i].encaps.count; k++) {
			if (strcmp(segment_conf_encap(&segments[i], k)->uplink, name) == 0)
				return err_set(err, EBUSY, "segment \"%s\" uses uplink \"%s\"",
					       segments[i].name, name);
		}
	}
	return 0;
}

int desired_del(struct desired *desired, const char *kind_name, const char *name, struct err *err)
{
	enum desired_kind kind;
	size_t at;
	int r = find_kind(kind_name, err);

	if (r < 0)
		return r;
	kind = (enum desired_kind)r;
	if (!find(desired, kind, name, &at))
		return err_set(err, ENOENT, "there is no %s \"%.63s\"", kind_name, name);
	r = refuse_in_use(desired, kind, name, err);
	if (r == 0)
		delete_at(desired, kind, at);
	return r;
}

static const struct conf_schema *schema_at(const struct desired *desired, enum desired_kind kind,
					   size_t at)
{
	const struct conf_schema *schema = desired_schema_of(kind);

	return schema ? schema : ((const struct conf_variant *)desired->ports.items)[at].schema;
}

/* Exchanges two objects of one kind. */
static void exchange(struct desired *a, size_t i, struct desired *b, size_t k,
		     enum desired_kind kind)
{
	const struct conf_schema *schema = desired_schema_of(kind);
	size_t size = schema ? schema->size : sizeof(struct conf_variant);
	char *one = (char *)kind_list(a, kind)->items + i * size;
	char *two = (char *)kind_list(b, kind)->items + k * size;

	for (size_t n = 0; n < size; n++) {
		char byte = one[n];

		one[n] = two[n];
		two[n] = byte;
	}
}

int desired_set(struct desired *desired, const char *kind_name, const char *name,
		const struct json_t *keys, struct err *err)
{
	struct desired one = {.host = NULL};
	const struct desired_object *object;
	json_t *json, *value;
	enum desired_kind kind;
	const char *key;
	size_t at;
	int r = find_kind(kind_name, err);

	if (r < 0)
		return r;
	object = find(desired, (enum desired_kind)r, name, &at);
	if (!object)
		return err_set(err, ENOENT, "there is no %s \"%.63s\"", kind_name, name);
	json = conf_to_json(schema_at(desired, (enum desired_kind)r, at), object);
	if (!json || json_object_update(json, (json_t *)(uintptr_t)keys) < 0) {
		json_decref(json);
		return err_set(err, ENOMEM, "out of memory");
	}
	json_object_foreach((json_t *)(uintptr_t)keys, key, value)
	{
		if (json_is_null(value))
			json_object_del(json, key);
	}
	kind = (enum desired_kind)r;
	r = desired_add(&one, kind_name, json, object->owner, err);
	json_decref(json);
	if (r == 0)
		exchange(desired, at, &one, 0, kind);
	desired_clear(&one);
	return r;
}
