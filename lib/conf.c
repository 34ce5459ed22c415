/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The schema engine's parser: one walk over a group, guided by its table.
 */
#include "lib/conf.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/conf_impl.h"

/* What is being parsed, and inside what: messages name the whole path. */
struct context {
	const struct context *outside;
	const char *kind; /* "segment", or the `type` of a variant */
	const char *noun; /* of a variant: "port" */
	const char *name; /* NULL: it has none */
	const char *file; /* NULL: not from a file */
	bool loose;
	struct err *err;
};

/* One scalar as it was written. */
struct value {
	int type; /* CONFIG_TYPE_ */
	int line;
	const char *text; /* CONFIG_TYPE_STRING */
	long long number; /* CONFIG_TYPE_INT and BOOL */
	double real;	  /* CONFIG_TYPE_FLOAT */
};

static bool parse_object(const struct context *outside, const struct conf_schema *schema,
			 const char *noun, const config_setting_t *group, void *object);

static size_t append(char *buf, size_t size, size_t used, const char *fmt, ...)
    __attribute__((format(printf, 4, 5)));

static size_t append(char *buf, size_t size, size_t used, const char *fmt, ...)
{
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(buf + used, size - used, fmt, ap);
	va_end(ap);
	if (n < 0)
		return used;
	return (size_t)n < size - used ? used + (size_t)n : size - 1;
}

const char *conf_show_text(const char *text, char buf[CONF_SHOWN])
{
	size_t i;

	for (i = 0; i < CONF_SHOWN - 4 && text[i]; i++)
		buf[i] = text[i] >= ' ' && text[i] <= '~' ? text[i] : '?';
	memcpy(buf + i, text[i] ? "..." : "", text[i] ? 4 : 1);
	return buf;
}

/* 'segment "alpha": etherip encap: ' */
static size_t describe(const struct context *ctx, char *buf, size_t size)
{
	char shown[CONF_SHOWN];
	size_t used = 0;

	if (!ctx)
		return 0;
	used = describe(ctx->outside, buf, size);
	if (!*ctx->kind && !ctx->noun)
		return used;
	used = append(buf, size, used, "%s", ctx->kind);
	if (ctx->noun)
		used = append(buf, size, used, "%s%s", *ctx->kind ? " " : "", ctx->noun);
	if (ctx->name)
		used = append(buf, size, used, " \"%s\"", conf_show_text(ctx->name, shown));
	return append(buf, size, used, ": ");
}

static bool fail(const struct context *ctx, int line, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

static bool fail(const struct context *ctx, int line, const char *fmt, ...)
{
	char path[256] = "", what[256];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	(void)describe(ctx, path, sizeof(path));
	if (ctx->file)
		(void)err_set(ctx->err, EINVAL, "%s:%d: %s%s", ctx->file, line > 0 ? line : 1, path,
			      what);
	else
		(void)err_set(ctx->err, EINVAL, "%s%s", path, what);
	return false;
}

bool conf_fail(const void *object, struct err *err, const char *fmt, ...)
{
	const struct conf_head *head = object;
	char what[sizeof(err->text)];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(what, sizeof(what), fmt, ap);
	va_end(ap);
	if (head->file)
		(void)err_set(err, EINVAL, "%s:%d: %s", head->file, head->line > 0 ? head->line : 1,
			      what);
	else
		(void)err_set(err, EINVAL, "%s", what);
	return false;
}

static bool out_of_memory(const struct context *ctx)
{
	(void)err_set(ctx->err, ENOMEM, "out of memory");
	return false;
}

/* What was written, as a message shows it. */
static const char *show(const struct value *value, char buf[CONF_SHOWN + 2])
{
	char shown[CONF_SHOWN];

	switch (value->type) {
	case CONFIG_TYPE_STRING:
		(void)snprintf(buf, CONF_SHOWN + 2, "\"%s\"", conf_show_text(value->text, shown));
		break;
	case CONFIG_TYPE_INT:
		(void)snprintf(buf, CONF_SHOWN, "%lld", value->number);
		break;
	case CONFIG_TYPE_BOOL:
		(void)snprintf(buf, CONF_SHOWN, "%s", value->number ? "true" : "false");
		break;
	case CONFIG_TYPE_FLOAT:
		(void)snprintf(buf, CONF_SHOWN, "%g", value->real);
		break;
	case CONFIG_TYPE_GROUP:
		(void)snprintf(buf, CONF_SHOWN, "a group { ... }");
		break;
	case CONFIG_TYPE_ARRAY:
		(void)snprintf(buf, CONF_SHOWN, "a list [ ... ]");
		break;
	case CONFIG_TYPE_LIST:
		(void)snprintf(buf, CONF_SHOWN, "a list ( ... )");
		break;
	default:
		(void)snprintf(buf, CONF_SHOWN, "nothing");
	}
	return buf;
}

static struct value value_of(const config_setting_t *setting)
{
	struct value value = {
	    .type = config_setting_type(setting),
	    .line = (int)config_setting_source_line(setting),
	};

	switch (value.type) {
	case CONFIG_TYPE_STRING:
		value.text = config_setting_get_string(setting);
		/* libconfig keeps a string that it had no memory for as none. */
		if (!value.text)
			value.type = CONFIG_TYPE_NONE;
		break;
	case CONFIG_TYPE_INT:
		value.number = config_setting_get_int(setting);
		/* libconfig keeps 0x80000000 and above as negative numbers. */
		if (config_setting_get_format(setting) == CONFIG_FORMAT_HEX)
			value.number = (uint32_t)value.number;
		break;
	case CONFIG_TYPE_INT64:
		value.type = CONFIG_TYPE_INT;
		value.number = config_setting_get_int64(setting);
		break;
	case CONFIG_TYPE_BOOL:
		value.number = config_setting_get_bool(setting);
		break;
	case CONFIG_TYPE_FLOAT:
		value.real = config_setting_get_float(setting);
		break;
	default:
		break;
	}
	return value;
}

static bool wrong(const struct context *ctx, const struct conf_key *key, const struct value *value,
		  const char *wanted)
{
	char shown[CONF_SHOWN + 2];

	return fail(ctx, value->line, "key \"%s\": %s is not %s", key->name, show(value, shown),
		    wanted);
}

static bool parse_string(const struct context *ctx, const struct conf_key *key,
			 const struct value *value, char **out)
{
	const char *wanted;

	if (value->type != CONFIG_TYPE_STRING)
		return wrong(ctx, key, value, "a string, which stands in \"quotes\"");
	for (const char *p = value->text; *p; p++)
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			return wrong(ctx, key, value, "text without control characters");
	wanted = key->wants ? key->wants(value->text) : NULL;
	if (wanted)
		return wrong(ctx, key, value, wanted);
	*out = strdup(value->text);
	return *out || out_of_memory(ctx);
}

static bool parse_int(const struct context *ctx, const struct conf_key *key,
		      const struct value *value, int64_t *out)
{
	bool bounded = key->min != 0 || key->max != 0;
	long long number = value->number;
	char shown[CONF_SHOWN + 2];

	if (ctx->loose && value->type == CONFIG_TYPE_STRING) {
		const char *digits = value->text + (value->text[0] == '-');
		bool hex = digits[0] == '0' && (digits[1] == 'x' || digits[1] == 'X');
		char *end;

		errno = 0;
		number = strtoll(value->text, &end, hex ? 16 : 10);
		if (*digits < '0' || *digits > '9' || *end || errno)
			return wrong(ctx, key, value, "an integer");
	} else if (value->type != CONFIG_TYPE_INT) {
		return wrong(ctx, key, value, "an integer");
	}
	if (bounded && (number < key->min || number > key->max))
		return fail(ctx, value->line, "key \"%s\": %s is out of range (%lld to %lld)",
			    key->name, show(value, shown), (long long)key->min,
			    (long long)key->max);
	*out = number;
	return true;
}

/* What people type, and what switchctl shows. */
static bool word_to_bool(const char *word, bool *out)
{
	static const char *const words[][2] = {{"false", "true"}, {"off", "on"}, {"no", "yes"}};

	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		*out = strcmp(word, words[i][1]) == 0;
		if (*out || strcmp(word, words[i][0]) == 0)
			return true;
	}
	return false;
}

static bool parse_bool(const struct context *ctx, const struct conf_key *key,
		       const struct value *value, bool *out)
{
	if (value->type == CONFIG_TYPE_BOOL) {
		*out = value->number != 0;
		return true;
	}
	if (ctx->loose && value->type == CONFIG_TYPE_STRING && word_to_bool(value->text, out))
		return true;
	return wrong(ctx, key, value, "true or false");
}

static bool parse_enum(const struct context *ctx, const struct conf_key *key,
		       const struct value *value, int *out)
{
	char wanted[160] = "one of ";
	size_t used = strlen(wanted);

	for (int i = 0; key->words[i]; i++) {
		if (value->type == CONFIG_TYPE_STRING && strcmp(value->text, key->words[i]) == 0) {
			*out = i;
			return true;
		}
		used =
		    append(wanted, sizeof(wanted), used, "%s\"%s\"", i ? ", " : "", key->words[i]);
	}
	return wrong(ctx, key, value, wanted);
}

/* One scalar of key's type or, for a list, of its items' type. */
static bool parse_scalar(const struct context *ctx, const struct conf_key *key,
			 const struct value *value, void *out)
{
	const char *text = value->type == CONFIG_TYPE_STRING ? value->text : NULL;

	switch (conf_item_type(key->type)) {
	case CONF_STRING:
		return parse_string(ctx, key, value, out);
	case CONF_INT:
		return parse_int(ctx, key, value, out);
	case CONF_BOOL:
		return parse_bool(ctx, key, value, out);
	case CONF_ENUM:
		return parse_enum(ctx, key, value, out);
	case CONF_MAC:
		return (text && mac_parse(text, out) == 0) ||
		       wrong(ctx, key, value, "a MAC address (\"xx:xx:xx:xx:xx:xx\")");
	case CONF_ADDR:
		return (text && ipaddr_parse(text, out) == 0) ||
		       wrong(ctx, key, value, "an IP address");
	case CONF_PREFIXES:
		return (text && ipprefix_parse(text, out) == 0) ||
		       wrong(ctx, key, value,
			     "an IP prefix (\"address/length\", zero behind the length)");
	default:
		abort();
	}
}

/* Room for all items at once: there may be tens of thousands. */
static bool list_reserve(const struct context *ctx, struct conf_list *list, size_t count,
			 size_t size)
{
	list->items = count ? conf_alloc(count, size) : NULL;
	list->count = 0;
	return list->items || count == 0 || out_of_memory(ctx);
}

/* The next item, zeroed; counted from now on, so that conf_clear finds it. */
static void *list_next(struct conf_list *list, size_t size)
{
	return (char *)list->items + list->count++ * size;
}

/* "a,b,c" where a list is expected; nothing stands for an empty list. */
static bool parse_commas(const struct context *ctx, const struct conf_key *key,
			 const struct value *value, struct conf_list *list)
{
	size_t len = strlen(value->text);
	char *copy = strdup(value->text);
	char *rest = copy, *item;
	size_t commas = 0;
	bool ok;

	if (!copy)
		return out_of_memory(ctx);
	for (const char *p = value->text; *p; p++)
		commas += *p == ',';
	ok = list_reserve(ctx, list, len ? commas + 1 : 0, conf_item_size(key->type));
	while (ok && len && (item = strsep(&rest, ",")) != NULL) {
		struct value one = {.type = CONFIG_TYPE_STRING, .line = value->line, .text = item};

		ok = parse_scalar(ctx, key, &one, list_next(list, conf_item_size(key->type)));
	}
	free(copy);
	return ok;
}

static bool parse_scalars(const struct context *ctx, const struct conf_key *key,
			  const config_setting_t *setting, struct conf_list *list)
{
	struct value value = value_of(setting);
	size_t size = conf_item_size(key->type);
	int count = config_setting_length(setting);

	if (ctx->loose && value.type == CONFIG_TYPE_STRING)
		return parse_commas(ctx, key, &value, list);
	if (value.type != CONFIG_TYPE_ARRAY && value.type != CONFIG_TYPE_LIST) {
		return list_reserve(ctx, list, 1, size) &&
		       parse_scalar(ctx, key, &value, list_next(list, size));
	}
	if (!list_reserve(ctx, list, (size_t)count, size))
		return false;
	for (int i = 0; i < count; i++) {
		struct value item = value_of(config_setting_get_elem(setting, (unsigned)i));

		if (!parse_scalar(ctx, key, &item, list_next(list, size)))
			return false;
	}
	return true;
}

/* A structure whose schema its `type` key names. */
static bool parse_variant(const struct context *ctx, const struct conf_key *key,
			  const config_setting_t *group, struct conf_variant *variant)
{
	const config_setting_t *type = config_setting_get_member(group, "type");
	const config_setting_t *name = config_setting_get_member(group, "name");
	struct context here = *ctx;
	struct err err = {""};
	struct value value;

	here.outside = ctx;
	here.kind = "";
	here.noun = key->text;
	here.name = name ? config_setting_get_string(name) : NULL;
	if (!type)
		return fail(&here, (int)config_setting_source_line(group),
			    "key \"type\" is missing");
	value = value_of(type);
	if (value.type != CONFIG_TYPE_STRING) {
		struct conf_key type_key = {.name = "type"};

		return wrong(&here, &type_key, &value, "a string, which stands in \"quotes\"");
	}
	variant->schema = key->variant(value.text, &err);
	if (!variant->schema) {
		char shown[CONF_SHOWN];

		return fail(&here, value.line, "type \"%s\": %s", conf_show_text(value.text, shown),
			    err.text);
	}
	variant->object = conf_alloc(1, variant->schema->size);
	if (!variant->object)
		return out_of_memory(ctx);
	return parse_object(ctx, variant->schema, key->text, group, variant->object);
}

static bool parse_objects(const struct context *ctx, const struct conf_key *key,
			  const config_setting_t *setting, struct conf_list *list)
{
	struct value value = value_of(setting);
	size_t size = key->type == CONF_OBJECTS ? key->schema->size : conf_item_size(key->type);
	int count = config_setting_length(setting);

	/* An empty [ ] is an array to libconfig, and just as empty. */
	if (value.type == CONFIG_TYPE_ARRAY && count == 0)
		return true;
	if (value.type != CONFIG_TYPE_LIST)
		return wrong(ctx, key, &value, "a list ( { ... }, ... )");
	if (!list_reserve(ctx, list, (size_t)count, size))
		return false;
	for (int i = 0; i < count; i++) {
		const config_setting_t *group = config_setting_get_elem(setting, (unsigned)i);
		void *item;

		value = value_of(group);
		if (value.type != CONFIG_TYPE_GROUP)
			return wrong(ctx, key, &value, "a group { ... }");
		item = list_next(list, size);
		if (!(key->type == CONF_VARIANT
			  ? parse_variant(ctx, key, group, item)
			  : parse_object(ctx, key->schema, NULL, group, item)))
			return false;
	}
	return true;
}

/* "a,b" for an object of booleans: those that are true. */
static bool parse_switches(const struct context *ctx, const struct conf_key *key,
			   const struct value *value, void *object)
{
	struct conf_head *head = object;
	size_t len = strlen(value->text);
	char *copy = strdup(value->text);
	char *rest = copy, *item;
	bool ok = true;

	if (!copy)
		return out_of_memory(ctx);
	while (ok && len && (item = strsep(&rest, ",")) != NULL) {
		const struct conf_key *inner = key->schema->keys;
		struct value one = {.type = CONFIG_TYPE_STRING, .line = value->line, .text = item};

		while (inner->name && (strcmp(inner->name, item) != 0 || inner->type != CONF_BOOL))
			inner++;
		ok = inner->name || wrong(ctx, key, &one, "one of its switches");
		if (!ok)
			break;
		*(bool *)conf_member(object, inner) = true;
		head->given |= UINT64_C(1) << (inner - key->schema->keys);
	}
	free(copy);
	return ok;
}

static bool parse_key(const struct context *ctx, const struct conf_key *key,
		      const config_setting_t *setting, void *object)
{
	struct value value = value_of(setting);
	void *member = conf_member(object, key);

	switch (key->type) {
	case CONF_LATER:
		return fail(ctx, value.line, "key \"%s\": %s", key->name, key->text);
	case CONF_INTS:
	case CONF_STRINGS:
	case CONF_MACS:
	case CONF_ADDRS:
	case CONF_PREFIXES:
		return parse_scalars(ctx, key, setting, member);
	case CONF_OBJECT:
		if (ctx->loose && value.type == CONFIG_TYPE_STRING)
			return parse_switches(ctx, key, &value, member);
		if (value.type != CONFIG_TYPE_GROUP)
			return wrong(ctx, key, &value, "a group { ... }");
		return parse_object(ctx, key->schema, NULL, setting, member);
	case CONF_OBJECTS:
	case CONF_VARIANT:
		return parse_objects(ctx, key, setting, member);
	default:
		return parse_scalar(ctx, key, &value, member);
	}
}

/* Numbers and words first; strings only once it is known that they are not given. */
static void set_defaults(const struct conf_schema *schema, void *object)
{
	for (const struct conf_key *key = schema->keys; key->name; key++) {
		void *member = conf_member(object, key);

		if (key->type == CONF_INT)
			*(int64_t *)member = key->initial;
		else if (key->type == CONF_BOOL)
			*(bool *)member = key->initial != 0;
		else if (key->type == CONF_ENUM)
			*(int *)member = (int)key->initial;
		else if (key->type == CONF_OBJECT)
			set_defaults(key->schema, member);
	}
}

static bool set_default_strings(const struct conf_schema *schema, void *object)
{
	for (const struct conf_key *key = schema->keys; key->name; key++) {
		char **member = conf_member(object, key);

		if (key->type == CONF_OBJECT) {
			if (!set_default_strings(key->schema, member))
				return false;
		} else if (key->type == CONF_STRING && key->text && !*member) {
			*member = strdup(key->text);
			if (!*member)
				return false;
		}
	}
	return true;
}

static bool parse_members(const struct context *ctx, const struct conf_schema *schema,
			  const config_setting_t *group, void *object)
{
	struct conf_head *head = object;

	for (int i = 0; i < config_setting_length(group); i++) {
		const config_setting_t *setting = config_setting_get_elem(group, (unsigned)i);
		const char *name = config_setting_name(setting);
		const struct conf_key *key = schema->keys;
		char shown[CONF_SHOWN];

		while (key->name && strcmp(key->name, name) != 0)
			key++;
		if (!key->name)
			return fail(ctx, (int)config_setting_source_line(setting),
				    "unknown key \"%s\"", conf_show_text(name, shown));
		if (!parse_key(ctx, key, setting, object))
			return false;
		head->given |= UINT64_C(1) << (key - schema->keys);
	}
	return true;
}

static bool parse_object(const struct context *outside, const struct conf_schema *schema,
			 const char *noun, const config_setting_t *group, void *object)
{
	const config_setting_t *name = config_setting_get_member(group, "name");
	struct conf_head *head = object;
	struct context ctx = *outside;

	ctx.outside = outside;
	ctx.kind = schema->kind;
	ctx.noun = noun;
	ctx.name = name ? config_setting_get_string(name) : NULL;
	head->file = ctx.file;
	head->line = (int)config_setting_source_line(group);
	set_defaults(schema, object);
	if (!parse_members(&ctx, schema, group, object))
		return false;
	for (const struct conf_key *key = schema->keys; key->name; key++) {
		assert(key - schema->keys < 64);
		if (key->required && !(head->given & (UINT64_C(1) << (key - schema->keys))))
			return fail(&ctx, head->line, "key \"%s\" is missing", key->name);
	}
	return set_default_strings(schema, object) || out_of_memory(&ctx);
}

bool conf_parse_group(const struct conf_schema *schema, const config_setting_t *group, bool loose,
		      void *object, struct err *err)
{
	const config_setting_t *root = config_root_setting(group->config);
	struct context ctx = {.kind = "", .loose = loose, .err = err};

	ctx.file = config_setting_get_hook(root);
	return parse_object(&ctx, schema, NULL, group, object);
}

bool conf_parse(const struct conf_schema *schema, const config_setting_t *group, void *object,
		struct err *err)
{
	return conf_parse_group(schema, group, false, object, err);
}
