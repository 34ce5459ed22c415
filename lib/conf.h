/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Configuration objects described by tables. One table per kind of object says
 * which keys it has; from it come the parser, unknown-key and range errors with
 * file and line, defaults, comparison (what a reload changes), copying, freeing,
 * and conversion to and from JSON (what switchctl sends).
 *
 * An object is a C structure; each key is a member of the type given in enum
 * conf_type. "key was given" is kept in `given`, one bit a key, in the
 * structure's first member, struct conf_head.
 */
#ifndef TVD_CONF_H
#define TVD_CONF_H

#include <libconfig.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/addr.h"
#include "lib/err.h"

struct json_t;

enum conf_type {
	CONF_STRING, /* char *, owned, NULL when not given and without default */
	CONF_INT,    /* int64_t */
	CONF_BOOL,   /* bool */
	CONF_ENUM,   /* int, index into key->words */
	CONF_MAC,    /* struct mac */
	CONF_ADDR,   /* struct ipaddr, unset when not given */
	/* Lists: struct conf_list. A single value stands for a list of one. */
	CONF_INTS,     /* of int64_t */
	CONF_STRINGS,  /* of char *, owned */
	CONF_MACS,     /* of struct mac */
	CONF_ADDRS,    /* of struct ipaddr */
	CONF_PREFIXES, /* of struct ipprefix */
	CONF_OBJECT,   /* a nested structure in place, described by key->schema */
	CONF_OBJECTS,  /* struct conf_list of structures, each described by key->schema */
	CONF_VARIANT,  /* struct conf_list of struct conf_variant: structures whose schema
			* depends on their `type` key, see key->variant */
	CONF_LATER,    /* a key of the contract that this version does not have: an error
			* that says key->text; no member */
};

struct conf_list {
	size_t count;
	void *items;
};

/* First member of every object. */
struct conf_head {
	uint64_t given;	  /* bit i: key i of the schema was given */
	const char *file; /* where it came from; NULL: not from a file. Interned, never freed */
	int line;
};

struct conf_schema;

/* A structure of one of several kinds. */
struct conf_variant {
	const struct conf_schema *schema; /* NULL until parsed */
	void *object;			  /* calloc'ed, starts with struct conf_head */
};

struct conf_key {
	const char *name;
	enum conf_type type;
	size_t offset;
	bool required;
	int64_t min, max;	  /* CONF_INT and CONF_INTS; both 0: no limits but int64_t's */
	int64_t initial;	  /* default of CONF_INT, CONF_BOOL, CONF_ENUM */
	const char *text;	  /* default of CONF_STRING; the message of CONF_LATER;
				   * CONF_VARIANT: what one is called ("port"), for messages */
	const char *const *words; /* CONF_ENUM: NULL-terminated */
	const struct conf_schema *schema; /* CONF_OBJECT, CONF_OBJECTS */
	/* CONF_STRING(S): NULL when the (given) value is fine, else what it has to be:
	 * "1 to 63 letters". May itself be NULL. */
	const char *(*wants)(const char *value);
	/* CONF_VARIANT: the schema for a `type` word. NULL, with a message in err
	 * when the word is known but not available in this version. */
	const struct conf_schema *(*variant)(const char *type, struct err *err);
};

struct conf_schema {
	const char *kind;	     /* "segment", for messages; "": the root of a file */
	size_t size;		     /* of the structure */
	const struct conf_key *keys; /* ends with a NULL name; at most 64 */
};

/*
 * Reads libconfig's syntax into an initialised config_t; `name` is what messages
 * call it. false with "name:line: message" in err; the config_t is to be
 * destroyed either way. What libconfig would silently change is an error here:
 * numbers that do not fit, strings cut by \x00, comments without an end; so is
 * @include, since an included folder would end the process.
 */
bool conf_read(config_t *config, const char *text, const char *name, struct err *err);

/*
 * Fills a zeroed object from a group. false with "file:line: message" (without
 * a file: "message") in err; the object is then still to be cleared.
 */
bool conf_parse(const struct conf_schema *schema, const config_setting_t *group, void *object,
		struct err *err);

/*
 * The same from a JSON object as switchctl sends it. Values may be of their own
 * JSON type or strings: "1464" or "0x10", "true", "on" or "yes",
 * "10.0.0.1,10.0.0.2" for lists of scalars, "arp,mac" for the booleans of a
 * CONF_OBJECT that are true.
 */
bool conf_parse_json(const struct conf_schema *schema, const struct json_t *json, void *object,
		     struct err *err);

/* Writes "file:line: message" for an object (as far as known) and returns false. */
bool conf_fail(const void *object, struct err *err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

/* Whether key `name` was given (rather than its default taken). */
bool conf_given(const struct conf_schema *schema, const void *object, const char *name);

/* Frees what the object owns and zeroes it. */
void conf_clear(const struct conf_schema *schema, void *object);

/* A deep copy into a zeroed object. false when out of memory: the object is zeroed then. */
bool conf_copy(const struct conf_schema *schema, void *to, const void *from)
    __attribute__((warn_unused_result));

/* A deep copy in place of what the object has. false when out of memory: it stays as it is. */
bool conf_replace(const struct conf_schema *schema, void *object, const void *from)
    __attribute__((warn_unused_result));

/* Whether two objects say the same; conf_head is not compared. */
bool conf_equal(const struct conf_schema *schema, const void *a, const void *b);

/* Whether they say the same for one key. */
bool conf_key_equal(const struct conf_schema *schema, const void *a, const void *b,
		    const char *name);

/* A new JSON object with the keys that were given; conf_parse_json reads it back. NULL when
 * out of memory. */
struct json_t *conf_to_json(const struct conf_schema *schema, const void *object);

/* The type behind CONF_VARIANT: its `type` word (the schema's kind). */
static inline const char *conf_variant_type(const struct conf_variant *variant)
{
	return variant->schema ? variant->schema->kind : "";
}

#endif
