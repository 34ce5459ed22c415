/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The schema engine, with a schema of its own that has a key of every type.
 */
#include "lib/conf.h"

#include <errno.h>
#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct inner {
	struct conf_head head;
	char *name;
	bool on, off;
	int64_t depth;
};

struct cat {
	struct conf_head head;
	char *type;
	int64_t lives;
};

struct dog {
	struct conf_head head;
	char *type, *name;
	struct conf_list friends; /* of struct mac */
};

struct everything {
	struct conf_head head;
	const char *extra; /* no key */
	char *string, *text;
	int64_t number, free_number;
	bool flag;
	int word;
	struct mac mac;
	struct ipaddr addr;
	struct conf_list ints, strings, macs, addrs, prefixes, objects, pets;
	struct inner inner;
};

static const char *wants_short(const char *value)
{
	return strlen(value) <= 5 ? NULL : "at most five characters";
}

static const char *const words[] = {"red", "green", "blue", NULL};

#define KEY(struct_, member, type_)                                                                \
	.name = #member, .type = (type_), .offset = offsetof(struct struct_, member)

static const struct conf_key inner_keys[] = {
    {KEY(inner, name, CONF_STRING)},
    {KEY(inner, on, CONF_BOOL), .initial = true},
    {KEY(inner, off, CONF_BOOL)},
    {KEY(inner, depth, CONF_INT), .initial = 3, .min = 1, .max = 9},
    {.name = NULL},
};
static const struct conf_schema inner_schema = {"inner", sizeof(struct inner), inner_keys};

static const struct conf_key cat_keys[] = {
    {KEY(cat, type, CONF_STRING), .required = true},
    {KEY(cat, lives, CONF_INT), .initial = 9},
    {.name = NULL},
};
static const struct conf_schema cat_schema = {"cat", sizeof(struct cat), cat_keys};

static const struct conf_key dog_keys[] = {
    {KEY(dog, type, CONF_STRING), .required = true},
    {KEY(dog, name, CONF_STRING), .required = true},
    {KEY(dog, friends, CONF_MACS)},
    {.name = NULL},
};
static const struct conf_schema dog_schema = {"dog", sizeof(struct dog), dog_keys};

static const struct conf_schema *pet(const char *type, struct err *err)
{
	if (strcmp(type, "cat") == 0)
		return &cat_schema;
	if (strcmp(type, "dog") == 0)
		return &dog_schema;
	(void)err_set(err, EINVAL, "no pet");
	return NULL;
}

static const struct conf_key keys[] = {
    {KEY(everything, string, CONF_STRING), .required = true},
    {KEY(everything, text, CONF_STRING), .text = "some", .wants = wants_short},
    {KEY(everything, number, CONF_INT), .min = -5, .max = 10, .initial = 7},
    {KEY(everything, free_number, CONF_INT)},
    {KEY(everything, flag, CONF_BOOL), .initial = true},
    {KEY(everything, word, CONF_ENUM), .words = words, .initial = 1},
    {KEY(everything, mac, CONF_MAC)},
    {KEY(everything, addr, CONF_ADDR)},
    {KEY(everything, ints, CONF_INTS), .min = 0, .max = 15},
    {KEY(everything, strings, CONF_STRINGS), .wants = wants_short},
    {KEY(everything, macs, CONF_MACS)},
    {KEY(everything, addrs, CONF_ADDRS)},
    {KEY(everything, prefixes, CONF_PREFIXES)},
    {KEY(everything, objects, CONF_OBJECTS), .schema = &inner_schema},
    {KEY(everything, pets, CONF_VARIANT), .text = "pet", .variant = pet},
    {KEY(everything, inner, CONF_OBJECT), .schema = &inner_schema},
    {.name = "later", .type = CONF_LATER, .text = "comes later"},
    {.name = NULL},
};
static const struct conf_schema schema = {"thing", sizeof(struct everything), keys};

#define FULL                                                                                       \
	"string = \"s\"; text = \"five5\"; number = -5; free_number = -9223372036854775807L;\n"    \
	"flag = false; word = \"blue\"; mac = \"52:54:00:00:00:01\"; addr = \"2001:db8::1\";\n"    \
	"ints = [ 0x03, 14 ]; strings = [ \"five5\", \"\" ]; macs = ( \"52:54:00:00:00:02\", "     \
	"\"52:54:00:00:00:03\" );\n"                                                               \
	"addrs = [ \"192.0.2.1\", \"::1\" ]; prefixes = [ \"10.0.0.0/8\", \"::/0\" ];\n"           \
	"objects = ( { name = \"a\"; on = false; }, { depth = 9; } );\n"                           \
	"pets = ( { type = \"cat\"; lives = 1; },\n"                                               \
	"         { type = \"dog\"; name = \"rex\"; friends = \"52:54:00:00:00:04\"; } );\n"       \
	"inner = { off = true; };\n"

static bool parse(const char *text, struct everything *out, struct err *err)
{
	config_t config;
	bool ok;

	memset(out, 0, sizeof(*out));
	err->text[0] = '\0';
	config_init(&config);
	ok = conf_read(&config, text, "f", err) &&
	     conf_parse(&schema, config_root_setting(&config), out, err);
	config_destroy(&config);
	return ok;
}

static void must(const char *text, struct everything *out)
{
	struct err err;

	if (!parse(text, out, &err))
		fail_msg("%s", err.text);
}

static void must_not(const char *text, const char *message)
{
	struct everything out;
	struct err err;

	if (parse(text, &out, &err))
		fail_msg("accepted: %s", text);
	assert_string_equal(err.text, message);
	conf_clear(&schema, &out);
}

static void defaults(void **state)
{
	struct everything out;

	(void)state;
	must("string = \"x\";", &out);
	assert_string_equal(out.string, "x");
	assert_string_equal(out.text, "some");
	assert_int_equal(out.number, 7);
	assert_int_equal(out.free_number, 0);
	assert_true(out.flag);
	assert_int_equal(out.word, 1);
	assert_true(mac_is_zero(&out.mac));
	assert_false(ipaddr_is_set(&out.addr));
	assert_int_equal(out.ints.count + out.macs.count + out.addrs.count + out.prefixes.count, 0);
	assert_int_equal(out.objects.count + out.pets.count, 0);
	assert_true(out.inner.on);
	assert_int_equal(out.inner.depth, 3);
	assert_true(conf_given(&schema, &out, "string"));
	assert_false(conf_given(&schema, &out, "text"));
	assert_false(conf_given(&schema, &out, "inner"));
	conf_clear(&schema, &out);
	assert_null(out.text);
}

static void all_types(void **state)
{
	const struct conf_variant *pets;
	const struct inner *objects;
	const struct dog *dog;
	struct everything out;
	char buf[ADDR_STRLEN];

	(void)state;
	must(FULL, &out);
	assert_string_equal(out.text, "five5");
	assert_int_equal(out.number, -5);
	assert_true(out.free_number == -INT64_MAX);
	assert_false(out.flag);
	assert_int_equal(out.word, 2);
	assert_string_equal(mac_format(&out.mac, buf), "52:54:00:00:00:01");
	assert_string_equal(ipaddr_format(&out.addr, buf), "2001:db8::1");
	assert_int_equal(out.ints.count, 2);
	assert_int_equal(((int64_t *)out.ints.items)[1], 14);
	assert_int_equal(out.strings.count, 2);
	assert_string_equal(((char **)out.strings.items)[0], "five5");
	assert_string_equal(((char **)out.strings.items)[1], "");
	assert_int_equal(out.macs.count, 2);
	assert_int_equal(((struct mac *)out.macs.items)[1].octet[5], 3);
	assert_string_equal(ipaddr_format((struct ipaddr *)out.addrs.items + 1, buf), "::1");
	assert_int_equal(((struct ipprefix *)out.prefixes.items)[0].len, 8);
	assert_int_equal(out.objects.count, 2);
	objects = out.objects.items;
	assert_string_equal(objects[0].name, "a");
	assert_false(objects[0].on);
	assert_true(objects[1].on);
	assert_null(objects[1].name);
	assert_int_equal(objects[1].depth, 9);
	assert_int_equal(objects[1].head.line, 5);
	assert_string_equal(objects[1].head.file, "f");
	assert_int_equal(out.pets.count, 2);
	pets = out.pets.items;
	assert_string_equal(conf_variant_type(&pets[0]), "cat");
	assert_string_equal(conf_variant_type(&pets[1]), "dog");
	dog = pets[1].object;
	assert_int_equal(dog->head.line, 7);
	assert_int_equal(dog->friends.count, 1);
	assert_true(out.inner.off && out.inner.on);
	assert_true(conf_given(&inner_schema, &out.inner, "off"));
	assert_false(conf_given(&inner_schema, &out.inner, "on"));
	conf_clear(&schema, &out);
}

static void empty_lists(void **state)
{
	struct everything out;

	(void)state;
	must("string = \"x\"; ints = []; macs = (); addrs = []; prefixes = ();"
	     "objects = (); pets = []; inner = {};",
	     &out);
	assert_int_equal(out.ints.count + out.macs.count + out.addrs.count + out.prefixes.count, 0);
	assert_int_equal(out.objects.count + out.pets.count, 0);
	assert_true(conf_given(&schema, &out, "ints"));
	conf_clear(&schema, &out);
}

static void ends_of_ranges(void **state)
{
	struct everything out;

	(void)state;
	must("string = \"x\"; number = 10; free_number = 9223372036854775807L; ints = 15;", &out);
	assert_int_equal(out.number, 10);
	assert_true(out.free_number == INT64_MAX);
	assert_int_equal(*(int64_t *)out.ints.items, 15);
	conf_clear(&schema, &out);
	must("string = \"x\"; number = 0xA; free_number = 0xfFfFfFfF; ints = [0];", &out);
	assert_int_equal(out.number, 10);
	assert_true(out.free_number == UINT32_MAX);
	conf_clear(&schema, &out);
	must("string = \"x\"; free_number = -2147483647;", &out);
	assert_int_equal(out.free_number, -2147483647);
	conf_clear(&schema, &out);
}

static void messages(void **state)
{
	static const struct {
		const char *text, *message;
	} bad[] = {
	    {"", "f:1: thing: key \"string\" is missing"},
	    {"strin = 1;", "f:1: thing: unknown key \"strin\""},
	    {"string = 1;",
	     "f:1: thing: key \"string\": 1 is not a string, which stands in \"quotes\""},
	    {"\nstring = true;",
	     "f:2: thing: key \"string\": true is not a string, which stands in \"quotes\""},
	    {"string = 1.5;",
	     "f:1: thing: key \"string\": 1.5 is not a string, which stands in \"quotes\""},
	    {"string = {};", "f:1: thing: key \"string\": a group { ... } is not a string, which "
			     "stands in \"quotes\""},
	    {"string = ();", "f:1: thing: key \"string\": a list ( ... ) is not a string, which "
			     "stands in \"quotes\""},
	    {"string = \"a\\nb\";",
	     "f:1: thing: key \"string\": \"a?b\" is not text without control characters"},
	    {"text = \"sixsix\";",
	     "f:1: thing: key \"text\": \"sixsix\" is not at most five characters"},
	    {"number = \"1\";", "f:1: thing: key \"number\": \"1\" is not an integer"},
	    {"number = 1.0;", "f:1: thing: key \"number\": 1 is not an integer"},
	    {"number = 11;", "f:1: thing: key \"number\": 11 is out of range (-5 to 10)"},
	    {"number = -6;", "f:1: thing: key \"number\": -6 is out of range (-5 to 10)"},
	    {"number = 0xffffffff;",
	     "f:1: thing: key \"number\": 4294967295 is out of range (-5 to 10)"},
	    {"number = 5000000000L;",
	     "f:1: thing: key \"number\": 5000000000 is out of range (-5 to 10)"},
	    {"number = 5000000000;", "f:1: a number beyond 32 bits is out of every range"},
	    {"\nnumber = 0x100000001;", "f:2: a number beyond 32 bits is out of every range"},
	    {"number = 9223372036854775808L;",
	     "f:1: a number beyond 32 bits is out of every range"},
	    {"flag = 1;", "f:1: thing: key \"flag\": 1 is not true or false"},
	    {"flag = \"on\";", "f:1: thing: key \"flag\": \"on\" is not true or false"},
	    {"word = \"Red\";",
	     "f:1: thing: key \"word\": \"Red\" is not one of \"red\", \"green\", \"blue\""},
	    {"word = 0;", "f:1: thing: key \"word\": 0 is not one of \"red\", \"green\", \"blue\""},
	    {"mac = \"1\";",
	     "f:1: thing: key \"mac\": \"1\" is not a MAC address (\"xx:xx:xx:xx:xx:xx\")"},
	    {"addr = \"10.0.0.0/8\";",
	     "f:1: thing: key \"addr\": \"10.0.0.0/8\" is not an IP address"},
	    {"addr = [ \"10.0.0.1\" ];",
	     "f:1: thing: key \"addr\": a list [ ... ] is not an IP address"},
	    {"ints = [ 1,\n16 ];", "f:2: thing: key \"ints\": 16 is out of range (0 to 15)"},
	    {"ints = ( 1, \"x\" );", "f:1: thing: key \"ints\": \"x\" is not an integer"},
	    {"ints = \"1,2\";", "f:1: thing: key \"ints\": \"1,2\" is not an integer"},
	    {"ints = {};", "f:1: thing: key \"ints\": a group { ... } is not an integer"},
	    {"prefixes = \"10.0.0.1/8\";",
	     "f:1: thing: key \"prefixes\": \"10.0.0.1/8\" is not an IP prefix "
	     "(\"address/length\", zero behind the length)"},
	    {"objects = {};",
	     "f:1: thing: key \"objects\": a group { ... } is not a list ( { ... }, ... )"},
	    {"objects = [ 1 ];",
	     "f:1: thing: key \"objects\": a list [ ... ] is not a list ( { ... }, ... )"},
	    {"objects = ( 1 );", "f:1: thing: key \"objects\": 1 is not a group { ... }"},
	    {"objects = ( {},\n{ name = \"b\"; x = 1; } );",
	     "f:2: thing: inner \"b\": unknown key \"x\""},
	    {"inner = ( {} );", "f:1: thing: key \"inner\": a list ( ... ) is not a group { ... }"},
	    {"inner = { depth = 0; };",
	     "f:1: thing: inner: key \"depth\": 0 is out of range (1 to 9)"},
	    {"pets = ( {} );", "f:1: thing: pet: key \"type\" is missing"},
	    {"pets = ( { type = 1; } );",
	     "f:1: thing: pet: key \"type\": 1 is not a string, which stands in \"quotes\""},
	    {"pets = ( { name = \"x\"; type = \"fish\"; } );",
	     "f:1: thing: pet \"x\": type \"fish\": no pet"},
	    {"pets = ( { type = \"dog\"; } );", "f:1: thing: dog pet: key \"name\" is missing"},
	    {"pets = ( { type = \"cat\"; lives = \"9\"; } );",
	     "f:1: thing: cat pet: key \"lives\": \"9\" is not an integer"},
	    {"later = 1;", "f:1: thing: key \"later\": comes later"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		must_not(bad[i].text, bad[i].message);
}

static void syntax(void **state)
{
	static const struct {
		const char *text, *message;
	} bad[] = {
	    {"string = ", "f:1: syntax error"},
	    {"string = \"x\";\n}", "f:2: syntax error: '}' closes nothing"},
	    {"objects = (\n{ name = \"a\"; },\n);",
	     "f:3: syntax error: nothing follows the last comma before ')'"},
	    {"objects = (\n{ name = \"a\"; }\n{ name = \"b\"; } );",
	     "f:3: syntax error: a comma is missing in the list of line 1"},
	    {"objects = (\n{ name = \"a\";\n);",
	     "f:3: syntax error: ')' does not close the '{' of line 2"},
	    {"objects = (\n{ name = \"a\"; }\n;\nstring = \"x\";\n",
	     "f:1: syntax error: the '(' of this line is never closed"},
	    {"string = x;", "f:1: syntax error: x stands for nothing: a text has \"quotes\""},
	    {"string \"x\";", "f:1: syntax error: '=' is missing behind \"string\""},
	    {"string = \"x\" \"y\" /* one text */ ; # and\ninner = { on = true; \"x\"; };",
	     "f:2: syntax error: a key is missing before a value"},
	    {"ints = [ 1 2 ];", "f:1: syntax error: a comma is missing in the list of line 1"},
	    {"string = ;", "f:1: syntax error"},
	    {"string = \"x\"; string = \"y\";", "f:1: duplicate setting name"},
	    {"ints = [ 1, \"x\" ];", "f:1: mismatched element type in array"},
	    {"\nstring = \"x\n;\n", "f:2: a string has no end on its line"},
	    {"string = \"x\\\n\";\n", "f:1: a string has no end on its line"},
	    {"string = \"x\\", "f:1: a string has no end on its line"},
	    {"string = \"x;\ntext = \"y\";\nword = \"red\";\n",
	     "f:1: a string has no end on its line"},
	    {"string = x\";\ntext = \"y\";\n", "f:1: a string has no end on its line"},
	    {"string = \"x\"; /* comment\n\n", "f:1: the comment that starts here has no end"},
	    {"string = \"a\\x00b\";", "f:1: a string cannot contain \\x00"},
	    {"\n  @include \"/etc\"\n", "f:2: @include is not supported"},
	    {"@include \"/dev/zero\"\n", "f:1: @include is not supported"},
	    {"\x01", "f:1: syntax error: a character that means nothing"},
	    {"ints = [ 10.0.0.1 ];",
	     "f:1: syntax error: 10.0.0.1 is no number: a text has \"quotes\""},
	    {"mac = 52:54:00;",
	     "f:1: syntax error: ':' is not behind a key: a text has \"quotes\""},
	    {"string == \"x\";",
	     "f:1: syntax error: '=' is not behind a key: a text has \"quotes\""},
	};
	struct everything out;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		must_not(bad[i].text, bad[i].message);
	/* None of this means anything inside comments and strings. */
	must("# 99999999999 \"\n// 99999999999 /*\n/* \" 99999999999 ' */\n"
	     "string : \"99999999999 # // /* \\\" \\\\\" \"more\";",
	     &out);
	conf_clear(&schema, &out);
}

static void quoting(void **state)
{
	static const char k48[] = "kkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkkk";
	char text[200], wanted[200];

	(void)state;
	(void)snprintf(text, sizeof(text), "%s%s = 1;", k48, k48);
	(void)snprintf(wanted, sizeof(wanted), "f:1: thing: unknown key \"%s...\"", k48);
	must_not(text, wanted);
	must_not("mac = \"\\x1b[31m\\xff\\n\";",
		 "f:1: thing: key \"mac\": \"?[31m??\" is not a MAC address "
		 "(\"xx:xx:xx:xx:xx:xx\")");
}

/* What a test of equality must notice, one key at a time. */
static void copy_and_equal(void **state)
{
	static const struct {
		const char *key, *from, *to;
	} changes[] = {
	    {"string", "\"s\"", "\"t\""},
	    {"text", "five5", "five6"},
	    {"number", "number = -5", "number = -4"},
	    {"free_number", "775807L", "775806L"},
	    {"flag", "flag = false", "flag = true"},
	    {"word", "blue", "red"},
	    {"mac", "00:01", "00:ff"},
	    {"addr", "db8::1", "db8::2"},
	    {"ints", "14", "13"},
	    {"ints", ", 14", ""},
	    {"strings", "[ \"five5\", ", "[ \"five\", "},
	    {"strings", ", \"\"", ""},
	    {"macs", "00:03", "01:03"},
	    {"addrs", "\"::1\"", "\"::2\""},
	    {"prefixes", "10.0.0.0/8", "10.0.0.0/9"},
	    {"prefixes", "::/0", "0.0.0.0/0"},
	    {"objects", "on = false", "on = true"},
	    {"objects", "depth = 9", "depth = 8"},
	    {"pets", "lives = 1", "lives = 2"},
	    {"pets", "00:04", "00:05"},
	    {"pets", "\"cat\"; lives = 1", "\"dog\"; name = \"cat\""},
	    {"inner", "off = true", "off = false"},
	};
	struct everything a, b;

	(void)state;
	must(FULL, &a);
	a.extra = "kept";
	memset(&b, 0, sizeof(b));
	assert_true(conf_copy(&schema, &b, &a));
	assert_true(conf_equal(&schema, &a, &b));
	assert_string_equal(b.extra, "kept");
	assert_ptr_not_equal(a.string, b.string);
	assert_ptr_not_equal(a.ints.items, b.ints.items);
	assert_int_equal(a.head.given, b.head.given);
	conf_clear(&schema, &b);
	for (size_t i = 0; i < sizeof(changes) / sizeof(changes[0]); i++) {
		char text[1500];
		const char *at = strstr(FULL, changes[i].from);

		assert_non_null(at);
		(void)snprintf(text, sizeof(text), "%.*s%s%s", (int)(at - FULL), FULL,
			       changes[i].to, at + strlen(changes[i].from));
		must(text, &b);
		assert_false(conf_equal(&schema, &a, &b));
		for (const struct conf_key *key = keys; key->name; key++)
			assert_int_equal(conf_key_equal(&schema, &a, &b, key->name),
					 strcmp(key->name, changes[i].key) != 0);
		conf_clear(&schema, &b);
	}
	/* Given or default: it is the value that counts. */
	must("string = \"x\";", &b);
	conf_clear(&schema, &a);
	must("string = \"x\"; number = 7; flag = true; text = \"some\"; inner = { on = true; };",
	     &a);
	assert_true(conf_equal(&schema, &a, &b));
	conf_clear(&schema, &a);
	conf_clear(&schema, &b);
}

/* Every scalar as a string, and lists of them with commas: what switchctl may send. */
static json_t *loosen(const json_t *json)
{
	char buf[512] = "";
	size_t used = 0, i;
	const char *name;
	json_t *value, *out;

	switch (json_typeof(json)) {
	case JSON_OBJECT:
		out = json_object();
		json_object_foreach((json_t *)(uintptr_t)json, name, value)(void)
		    json_object_set_new(out, name, loosen(value));
		return out;
	case JSON_ARRAY:
		out = json_array();
		json_array_foreach(json, i, value)
		{
			if (json_is_object(value)) {
				(void)json_array_append_new(out, loosen(value));
			} else {
				json_t *text = loosen(value);

				used += (size_t)snprintf(buf + used, sizeof(buf) - used, "%s%s",
							 i ? "," : "", json_string_value(text));
				json_decref(text);
			}
		}
		if (!used)
			return out;
		json_decref(out);
		return json_string(buf);
	case JSON_INTEGER:
		(void)snprintf(buf, sizeof(buf), "%lld", (long long)json_integer_value(json));
		return json_string(buf);
	case JSON_TRUE:
		return json_string("on");
	case JSON_FALSE:
		return json_string("off");
	default:
		return json_string(json_string_value(json));
	}
}

static void json_round_trip(void **state)
{
	struct everything a, b;
	json_t *json, *loose;
	struct err err;

	(void)state;
	must(FULL, &a);
	json = conf_to_json(&schema, &a);
	assert_int_equal(json_object_size(json), 16);
	assert_int_equal(json_object_size(json_object_get(json, "inner")), 1);
	loose = loosen(json);
	for (int i = 0; i < 2; i++) {
		json_t *again;

		memset(&b, 0, sizeof(b));
		if (!conf_parse_json(&schema, i ? loose : json, &b, &err))
			fail_msg("%s", err.text);
		assert_true(conf_equal(&schema, &a, &b));
		assert_int_equal(a.head.given, b.head.given);
		assert_null(b.head.file);
		again = conf_to_json(&schema, &b);
		assert_true(json_equal(json, again));
		json_decref(again);
		conf_clear(&schema, &b);
	}
	json_decref(loose);
	json_decref(json);
	conf_clear(&schema, &a);
	/* Only what was given is written. */
	must("string = \"x\";", &a);
	json = conf_to_json(&schema, &a);
	assert_int_equal(json_object_size(json), 1);
	json_decref(json);
	conf_clear(&schema, &a);
}

static void json_input(void **state)
{
	static const struct {
		const char *json, *message; /* NULL: fine */
	} cases[] = {
	    {"{\"string\": \"x\", \"number\": \"0x0a\"}", NULL},
	    {"{\"string\": \"x\", \"number\": \"-5\", \"flag\": \"true\"}", NULL},
	    {"{\"string\": \"x\", \"flag\": \"yes\", \"inner\": {\"on\": \"no\", \"off\": "
	     "\"off\"}}",
	     NULL},
	    {"{\"string\": \"x\", \"ints\": \"\", \"addrs\": \"10.0.0.1,::1\"}", NULL},
	    {"{\"string\": \"x\", \"ints\": [\"1\", 2], \"macs\": []}", NULL},
	    {"{\"string\": \"x\", \"inner\": \"on,off\"}", NULL},
	    {"{\"string\": \"x\", \"inner\": \"\"}", NULL},
	    {"[]", "a JSON object is expected"},
	    {"{}", "thing: key \"string\" is missing"},
	    {"{\"string\": null}", "key \"string\": null is not a value"},
	    {"{\"string\": 1}",
	     "thing: key \"string\": 1 is not a string, which stands in \"quotes\""},
	    {"{\"string\": \"a\\u0000b\"}", "key \"string\": text cannot contain \\u0000"},
	    {"{\"string\": \"a\\nb\"}",
	     "thing: key \"string\": \"a?b\" is not text without control characters"},
	    {"{\"\": 1}", "unknown key \"\""},
	    {"{\"a b\": 1}", "unknown key \"a b\""},
	    {"{\"ab\": 1}", "thing: unknown key \"ab\""},
	    {"{\"number\": \"\"}", "thing: key \"number\": \"\" is not an integer"},
	    {"{\"number\": \" 1\"}", "thing: key \"number\": \" 1\" is not an integer"},
	    {"{\"number\": \"+1\"}", "thing: key \"number\": \"+1\" is not an integer"},
	    {"{\"number\": \"1x\"}", "thing: key \"number\": \"1x\" is not an integer"},
	    {"{\"number\": \"0x\"}", "thing: key \"number\": \"0x\" is not an integer"},
	    {"{\"number\": \"11\"}", "thing: key \"number\": \"11\" is out of range (-5 to 10)"},
	    {"{\"free_number\": \"9223372036854775808\"}",
	     "thing: key \"free_number\": \"9223372036854775808\" is not an integer"},
	    {"{\"number\": 1.5}", "thing: key \"number\": 1.5 is not an integer"},
	    {"{\"number\": true}", "thing: key \"number\": true is not an integer"},
	    {"{\"flag\": \"maybe\"}", "thing: key \"flag\": \"maybe\" is not true or false"},
	    {"{\"flag\": 1}", "thing: key \"flag\": 1 is not true or false"},
	    {"{\"ints\": \"1,,2\"}", "thing: key \"ints\": \"\" is not an integer"},
	    {"{\"ints\": \"1,\"}", "thing: key \"ints\": \"\" is not an integer"},
	    {"{\"inner\": \"depth\"}",
	     "thing: key \"inner\": \"depth\" is not one of its switches"},
	    {"{\"inner\": \"on,\"}", "thing: key \"inner\": \"\" is not one of its switches"},
	    {"{\"inner\": []}", "thing: key \"inner\": a list ( ... ) is not a group { ... }"},
	    {"{\"pets\": {\"type\": \"cat\"}}",
	     "thing: key \"pets\": a group { ... } is not a list ( { ... }, ... )"},
	    {"{\"pets\": [{\"type\": \"dog\", \"name\": \"r\", \"x\": 1}]}",
	     "thing: dog pet \"r\": unknown key \"x\""},
	    {"{\"pets\": [[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]}", "key \"\": nested too deeply"},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		json_t *json = json_loads(cases[i].json, JSON_ALLOW_NUL, NULL);
		struct everything out;
		struct err err = {""};
		bool ok;

		assert_non_null(json);
		memset(&out, 0, sizeof(out));
		ok = conf_parse_json(&schema, json, &out, &err);
		assert_string_equal(err.text, cases[i].message ? cases[i].message : "");
		assert_int_equal(ok, cases[i].message == NULL);
		conf_clear(&schema, &out);
		json_decref(json);
	}
}

static void fail_says_where(void **state)
{
	struct conf_head head = {.file = "f", .line = 12};
	struct err err;

	(void)state;
	assert_false(conf_fail(&head, &err, "%s %d", "what", 1));
	assert_string_equal(err.text, "f:12: what 1");
	head.line = 0;
	assert_false(conf_fail(&head, &err, "what"));
	assert_string_equal(err.text, "f:1: what");
	head.file = NULL;
	assert_false(conf_fail(&head, &err, "what"));
	assert_string_equal(err.text, "what");
	assert_false(conf_fail(&head, NULL, "what"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(defaults),	       cmocka_unit_test(all_types),
	    cmocka_unit_test(empty_lists),     cmocka_unit_test(ends_of_ranges),
	    cmocka_unit_test(messages),	       cmocka_unit_test(syntax),
	    cmocka_unit_test(quoting),	       cmocka_unit_test(copy_and_equal),
	    cmocka_unit_test(json_round_trip), cmocka_unit_test(json_input),
	    cmocka_unit_test(fail_says_where),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
