/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Items of lists that may have a million of them, without an object of jansson for
 * each: a flat object of plain texts, numbers and words is read where it lies. Whatever
 * is not as plain as that is left to the general way.
 */
#include <stdio.h>
#include <string.h>

#include "switchd/switchctl.h"

#define FIELDS_MAX 12u
#define LINE_BYTES 1024u

struct slice {
	const char *at;
	size_t len;
};

struct field {
	struct slice key, value; /* a text without its quotes */
	bool text;
};

struct flat {
	struct field field[FIELDS_MAX];
	unsigned count;
};

/* ---- reading ---- */

/* A text that stands for itself, and is safe on a terminal. */
static bool read_text(struct slice *rest, struct slice *text)
{
	size_t n = 0;

	if (rest->len < 2 || rest->at[0] != '"')
		return false;
	text->at = rest->at + 1;
	while (n < rest->len - 1 && text->at[n] != '"') {
		if (text->at[n] < ' ' || text->at[n] >= 0x7f || text->at[n] == '\\')
			return false;
		n++;
	}
	if (n == rest->len - 1)
		return false;
	text->len = n;
	rest->at += n + 2;
	rest->len -= n + 2;
	return true;
}

/* A whole number that is not negative, or true; null is what the general way omits. */
static bool read_word(struct slice *rest, struct slice *word)
{
	static const char *const words[] = {"true", "null"};
	size_t n = 0;

	word->at = rest->at;
	while (n < rest->len && n < 18 && rest->at[n] >= '0' && rest->at[n] <= '9')
		n++;
	if (n > 1 && rest->at[0] == '0')
		return false;
	for (unsigned i = 0; i < 2 && n == 0; i++) {
		if (rest->len >= 4 && memcmp(rest->at, words[i], 4) == 0)
			n = 4;
	}
	word->len = n;
	rest->at += n;
	rest->len -= n;
	return n > 0;
}

static bool read_byte(struct slice *rest, char byte)
{
	if (rest->len == 0 || *rest->at != byte)
		return false;
	rest->at++;
	rest->len--;
	return true;
}

static bool read_flat(struct flat *flat, const char *text, size_t len)
{
	struct slice rest = {text, len};

	flat->count = 0;
	if (!read_byte(&rest, '{'))
		return false;
	do {
		struct field *field = &flat->field[flat->count];

		if (flat->count == FIELDS_MAX || !read_text(&rest, &field->key) ||
		    !read_byte(&rest, ':'))
			return false;
		field->text = rest.len > 0 && *rest.at == '"';
		if (!(field->text ? read_text(&rest, &field->value)
				  : read_word(&rest, &field->value)))
			return false;
		flat->count++;
	} while (read_byte(&rest, ','));
	return read_byte(&rest, '}') && rest.len == 0;
}

/* ---- writing ---- */

struct line {
	char bytes[LINE_BYTES];
	size_t len;
};

static void put(struct line *line, const char *bytes, size_t n)
{
	memcpy(line->bytes + line->len, bytes, n);
	line->len += n;
}

static bool is(const struct slice *slice, const char *word)
{
	return slice->len == strlen(word) && memcmp(slice->at, word, slice->len) == 0;
}

/*
 * How an item of the FDB is written: the values of these keys in this order, each with
 * its key in front where that is said.
 */
struct column {
	const char *key;
	bool named;
};

static const struct column fdb_columns[] = {
    {"mac", false}, {"segment", true}, {"port", true}, {"encap", true},
    {"dst", true},  {"state", false},  {"age", true},
};

#define FDB_COLUMNS (sizeof(fdb_columns) / sizeof(fdb_columns[0]))

/* All keys must be such columns, else others would be hidden. */
static bool put_fdb(struct line *line, const struct flat *flat)
{
	unsigned shown = 0;

	for (size_t c = 0; c < FDB_COLUMNS; c++) {
		for (unsigned i = 0; i < flat->count; i++) {
			const struct field *field = &flat->field[i];

			if (!is(&field->key, fdb_columns[c].key))
				continue;
			shown++;
			if (!field->text && is(&field->value, "true"))
				return false;
			if (field->value.len == 0 || (!field->text && is(&field->value, "null")))
				continue;
			if (c)
				put(line, " ", 1);
			if (fdb_columns[c].named) {
				put(line, field->key.at, field->key.len);
				put(line, " ", 1);
			}
			put(line, field->value.at, field->value.len);
		}
	}
	put(line, "\n", 1);
	return shown == flat->count;
}

bool output_flat(struct output *output, const char *kind, const char *text, size_t len)
{
	struct line line = {.len = 0};
	struct flat flat;

	/* With a little room for blanks and what is around it. */
	if (output->pretty || len > LINE_BYTES - 64 || !read_flat(&flat, text, len))
		return false;
	if (output->json) {
		put(&line, output->opened ? "," : "[", 1);
		put(&line, text, len);
		output->opened = true;
	} else if (strcmp(kind, "fdb") != 0 || !put_fdb(&line, &flat)) {
		return false;
	}
	(void)fwrite(line.bytes, 1, line.len, stdout);
	return true;
}
