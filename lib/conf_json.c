/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The schema engine and JSON. A JSON object becomes settings of libconfig, so
 * that there is one parser with one set of messages.
 */
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "lib/conf_impl.h"

/* Deeper than any schema; what is nested deeper has no key to be for. */
#define JSON_DEPTH 16

static bool add_json(config_setting_t *parent, const char *name, json_t *json, unsigned depth,
		     struct err *err);

static bool add_members(config_setting_t *group, json_t *json, unsigned depth, struct err *err)
{
	const char *name;
	json_t *value;

	json_object_foreach(json, name, value)
	{
		if (!add_json(group, name, value, depth, err))
			return false;
	}
	return true;
}

static bool add_items(config_setting_t *list, json_t *json, unsigned depth, struct err *err)
{
	json_t *value;
	size_t i;

	json_array_foreach(json, i, value)
	{
		if (!add_json(list, NULL, value, depth, err))
			return false;
	}
	return true;
}

static int setting_type(const json_t *json)
{
	switch (json_typeof(json)) {
	case JSON_OBJECT:
		return CONFIG_TYPE_GROUP;
	case JSON_ARRAY:
		return CONFIG_TYPE_LIST;
	case JSON_STRING:
		return CONFIG_TYPE_STRING;
	case JSON_INTEGER:
		return CONFIG_TYPE_INT64;
	case JSON_REAL:
		return CONFIG_TYPE_FLOAT;
	case JSON_TRUE:
	case JSON_FALSE:
		return CONFIG_TYPE_BOOL;
	default:
		return CONFIG_TYPE_NONE;
	}
}

static bool add_json(config_setting_t *parent, const char *name, json_t *json, unsigned depth,
		     struct err *err)
{
	const char *shown_name = name ? name : config_setting_name(parent);
	int type = setting_type(json);
	config_setting_t *setting;
	char shown[CONF_SHOWN];

	shown_name = conf_show_text(shown_name ? shown_name : "", shown);
	if (type == CONFIG_TYPE_NONE || depth == 0)
		return err_set(err, EINVAL, "key \"%s\": %s", shown_name,
			       depth ? "null is not a value" : "nested too deeply") == 0;
	if (type == CONFIG_TYPE_STRING &&
	    strlen(json_string_value(json)) != json_string_length(json))
		return err_set(err, EINVAL, "key \"%s\": text cannot contain \\u0000",
			       shown_name) == 0;
	setting = config_setting_add(parent, name, type);
	/* It refuses names that no file could have, and fails without memory. */
	if (!setting)
		return err_set(err, EINVAL, "unknown key \"%s\"", shown_name) == 0;
	switch (type) {
	case CONFIG_TYPE_GROUP:
		return add_members(setting, json, depth - 1, err);
	case CONFIG_TYPE_LIST:
		return add_items(setting, json, depth - 1, err);
	case CONFIG_TYPE_STRING:
		return config_setting_set_string(setting, json_string_value(json)) ||
		       err_set(err, ENOMEM, "out of memory") == 0;
	case CONFIG_TYPE_INT64:
		return config_setting_set_int64(setting, json_integer_value(json));
	case CONFIG_TYPE_FLOAT:
		return config_setting_set_float(setting, json_real_value(json));
	default:
		return config_setting_set_bool(setting, json_is_true(json));
	}
}

bool conf_parse_json(const struct conf_schema *schema, const struct json_t *json, void *object,
		     struct err *err)
{
	config_t config;
	bool ok;

	if (!json_is_object(json))
		return err_set(err, EINVAL, "a JSON object is expected") == 0;
	config_init(&config);
	/* jansson's iterators want an object that they could change. */
	ok =
	    add_members(config_root_setting(&config), (json_t *)(uintptr_t)json, JSON_DEPTH, err) &&
	    conf_parse_group(schema, config_root_setting(&config), true, object, err);
	config_destroy(&config);
	return ok;
}

/* Configuration text need not be UTF-8; JSON has to be. */
static json_t *text_to_json(const char *text)
{
	json_t *json = json_string(text);
	char *copy;

	if (json)
		return json;
	copy = strdup(text);
	if (!copy)
		return NULL;
	for (char *p = copy; *p; p++)
		if ((unsigned char)*p >= 0x80)
			*p = '?';
	json = json_string(copy);
	free(copy);
	return json;
}

/* Whether a scalar says anything: an address may be unset. */
static bool is_set(const struct conf_key *key, const void *value)
{
	switch (conf_item_type(key->type)) {
	case CONF_STRING:
		return *(char *const *)value;
	case CONF_ADDR:
		return ipaddr_is_set(value);
	default:
		return true;
	}
}

/* One scalar, of key's type or of its items' type. */
static json_t *scalar_to_json(const struct conf_key *key, const void *value)
{
	char buf[ADDR_STRLEN];

	switch (conf_item_type(key->type)) {
	case CONF_STRING:
		return text_to_json(*(char *const *)value);
	case CONF_INT:
		return json_integer(*(const int64_t *)value);
	case CONF_BOOL:
		return json_boolean(*(const bool *)value);
	case CONF_ENUM:
		return json_string(key->words[*(const int *)value]);
	case CONF_MAC:
		return json_string(mac_format(value, buf));
	case CONF_ADDR:
		return json_string(ipaddr_format(value, buf));
	case CONF_PREFIXES:
		return json_string(ipprefix_format(value, buf));
	default:
		return NULL;
	}
}

static json_t *list_to_json(const struct conf_key *key, const struct conf_list *list)
{
	json_t *array = json_array();

	for (size_t i = 0; array && i < list->count; i++) {
		const char *items = list->items;
		json_t *item;

		if (key->type == CONF_OBJECTS) {
			item = conf_to_json(key->schema, items + i * key->schema->size);
		} else if (key->type == CONF_VARIANT) {
			const struct conf_variant *variant =
			    (const struct conf_variant *)list->items + i;

			item = conf_to_json(variant->schema, variant->object);
		} else {
			item = scalar_to_json(key, items + i * conf_item_size(key->type));
		}
		/* Which takes no NULL either. */
		if (json_array_append_new(array, item) < 0) {
			json_decref(array);
			return NULL;
		}
	}
	return array;
}

static json_t *key_to_json(const struct conf_key *key, const void *member)
{
	switch (key->type) {
	case CONF_OBJECT:
		return conf_to_json(key->schema, member);
	case CONF_INTS:
	case CONF_STRINGS:
	case CONF_MACS:
	case CONF_ADDRS:
	case CONF_PREFIXES:
	case CONF_OBJECTS:
	case CONF_VARIANT:
		return list_to_json(key, member);
	default:
		return scalar_to_json(key, member);
	}
}

struct json_t *conf_to_json(const struct conf_schema *schema, const void *object)
{
	const struct conf_head *head = object;
	json_t *json = json_object();

	for (const struct conf_key *key = schema->keys; json && key->name; key++) {
		const void *member = conf_member(object, key);

		if (!(head->given & (UINT64_C(1) << (key - schema->keys))) ||
		    key->type == CONF_LATER || !is_set(key, member))
			continue;
		if (json_object_set_new(json, key->name, key_to_json(key, member)) < 0) {
			json_decref(json);
			return NULL;
		}
	}
	return json;
}
