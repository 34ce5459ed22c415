/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Reading libconfig's syntax. libconfig 1.5 has habits that a configuration
 * must not depend on: a number beyond 32 bits without a final L loses its upper
 * bits, "\x00" ends a string, a comment that nobody closes swallows the rest,
 * and including a folder calls exit(). One pass over the tokens refuses them
 * before libconfig sees the text; conf_parse sees what libconfig made of it.
 */
#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "lib/conf_impl.h"

#ifdef TVD_SANITIZE
/* It also loses a few bytes with each string that stands where none may be. */
const char *__lsan_default_suppressions(void);

const char *__lsan_default_suppressions(void)
{
	return "leak:strbuf_append\nleak:libconfig_yylex";
}
#endif

struct scan {
	const char *at;
	int line;
	const char *name;
	struct err *err;
};

static bool scan_fail(const struct scan *scan, int line, const char *what)
{
	(void)err_set(scan->err, EINVAL, "%s:%d: %s", scan->name, line, what);
	return false;
}

static bool scan_comment(struct scan *scan)
{
	int line = scan->line;

	for (scan->at += 2; scan->at[0]; scan->at++) {
		if (scan->at[0] == '*' && scan->at[1] == '/') {
			scan->at += 2;
			return true;
		}
		if (scan->at[0] == '\n')
			scan->line++;
	}
	return scan_fail(scan, line, "the comment that starts here has no end");
}

/*
 * libconfig lets strings run over lines; no value may have a newline, and one
 * quote that is missing would turn the rest of the file inside out.
 */
static bool scan_string(struct scan *scan)
{
	for (scan->at++; scan->at[0] && scan->at[0] != '\n'; scan->at++) {
		if (scan->at[0] == '"') {
			scan->at++;
			return true;
		}
		if (scan->at[0] != '\\' || !scan->at[1])
			continue;
		scan->at++;
		if (strncmp(scan->at, "x00", 3) == 0 || strncmp(scan->at, "X00", 3) == 0)
			return scan_fail(scan, scan->line, "a string cannot contain \\x00");
		if (scan->at[0] == '\n')
			break;
	}
	return scan_fail(scan, scan->line, "a string has no end on its line");
}

/* libconfig's own limits, which it does not check: 32 bits, with L 64. */
static bool scan_number(struct scan *scan)
{
	const char *start = scan->at;
	bool sign = *start == '-' || *start == '+';
	bool hex = !sign && start[0] == '0' && (start[1] == 'x' || start[1] == 'X');
	unsigned long long value;
	bool fits;
	char *end;

	errno = 0;
	value = strtoull(start + (sign ? 1 : 0), &end, hex ? 16 : 10);
	fits = errno == 0;
	if (!hex && (*end == '.' || *end == 'e' || *end == 'E')) {
		/* A float, which no key takes: the parser says so. */
		scan->at = end + strspn(end, "0123456789.eE+-");
		return true;
	}
	if (*end == 'L')
		fits = fits && value <= INT64_MAX;
	else
		fits = fits && value <= (hex ? UINT32_MAX : (unsigned long long)INT32_MAX);
	scan->at = end + strspn(end, "L");
	if (!fits)
		return scan_fail(scan, scan->line, "a number beyond 32 bits is out of every range");
	return true;
}

static bool is_name(char c)
{
	return isalnum((unsigned char)c) || c == '-' || c == '_' || c == '*';
}

static bool scan_token(struct scan *scan)
{
	const char *at = scan->at;

	if (at[0] == '/' && at[1] == '*')
		return scan_comment(scan);
	if (at[0] == '"')
		return scan_string(scan);
	if (at[0] == '#' || (at[0] == '/' && at[1] == '/')) {
		scan->at += strcspn(at, "\n");
		return true;
	}
	if (isalpha((unsigned char)at[0]) || at[0] == '*') {
		while (is_name(*scan->at))
			scan->at++;
		return true;
	}
	if (isdigit((unsigned char)at[0]) ||
	    ((at[0] == '-' || at[0] == '+') && isdigit((unsigned char)at[1])))
		return scan_number(scan);
	if (at[0] == '\n')
		scan->line++;
	scan->at++;
	return true;
}

/* ---- what a syntax error comes from ---- */

#define NESTING_MAX 32u

/* libconfig names the line in which it is lost. What people get wrong is mostly before that:
 * another pass over the tokens looks for it. */
struct search {
	struct scan scan;
	struct {
		char bracket;
		int line;
	} open[NESTING_MAX];
	unsigned depth;
	char before;   /* the token before: a sign, 'k' of a key, 'v' of a value, 0 at the start */
	char word[32]; /* of a key */
};

static bool found(const struct search *search, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static bool found(const struct search *search, int line, const char *format, ...)
{
	char what[96];
	va_list ap;

	va_start(ap, format);
	(void)vsnprintf(what, sizeof(what), format, ap);
	va_end(ap);
	(void)err_set(search->scan.err, EINVAL, "%s:%d: syntax error: %s", search->scan.name, line,
		      what);
	return true;
}

static char inside(const struct search *search)
{
	return search->depth ? search->open[search->depth - 1].bracket : '{';
}

static bool never_closed(const struct search *search)
{
	return found(search, search->open[search->depth - 1].line,
		     "the '%c' of this line is never closed", inside(search));
}

static bool judge_closing(struct search *search, char sign)
{
	const char pair = sign == ')' ? '(' : sign == ']' ? '[' : '{';
	int line = search->scan.line;

	if (search->depth == 0)
		return found(search, line, "'%c' closes nothing", sign);
	if (inside(search) != pair)
		return found(search, line, "'%c' does not close the '%c' of line %d", sign,
			     inside(search), search->open[search->depth - 1].line);
	if (search->before == ',' && sign != '}')
		return found(search, line, "nothing follows the last comma before '%c'", sign);
	search->depth--;
	search->before = 'v';
	return false;
}

/* A key, or a value that is a word, a number, a text, or what a bracket begins. */
static bool judge_item(struct search *search, const char *at, size_t len)
{
	bool word = isalpha((unsigned char)*at) || *at == '*';
	bool truth = (len == 4 && strncasecmp(at, "true", 4) == 0) ||
		     (len == 5 && strncasecmp(at, "false", 5) == 0);
	int line = search->scan.line;

	if (search->before == 'k')
		return found(search, line, "'=' is missing behind \"%s\"", search->word);
	if (inside(search) != '{' && search->before == 'v')
		return found(search, line, "a comma is missing in the list of line %d",
			     search->open[search->depth - 1].line);
	if (inside(search) == '{' && search->before != '=') {
		(void)snprintf(search->word, sizeof(search->word), "%.*s", (int)len, at);
		search->before = 'k';
		return !word && found(search, line, "a key is missing before a value");
	}
	search->before = 'v';
	if (isdigit((unsigned char)*at) && len < 32 &&
	    memchr(at, '.', len) != memrchr(at, '.', len))
		return found(search, line, "%.*s is no number: a text has \"quotes\"", (int)len,
			     at);
	return word && !truth &&
	       found(search, line, "%.*s stands for nothing: a text has \"quotes\"",
		     len < 32 ? (int)len : 32, at);
}

static bool judge_token(struct search *search, const char *at, size_t len)
{
	if (isspace((unsigned char)*at) || *at == '#' || *at == '/')
		return false;
	if (strchr(")]}", *at))
		return judge_closing(search, *at);
	if (strchr("([{", *at)) {
		if (judge_item(search, at, len))
			return true;
		if (search->depth == NESTING_MAX)
			return found(search, search->scan.line, "brackets are nested too deep");
		search->open[search->depth].bracket = *at;
		search->open[search->depth++].line = search->scan.line;
		search->before = *at;
		return false;
	}
	if (strchr("=:;", *at) && inside(search) != '{')
		return never_closed(search);
	if (strchr("=:", *at) && search->before != 'k')
		return found(search, search->scan.line,
			     "'%c' is not behind a key: a text has \"quotes\"", *at);
	if (strchr("=:;,", *at)) {
		search->before = *at == ':' ? '=' : *at;
		return false;
	}
	if (!isalnum((unsigned char)*at) && !strchr("\"*+-.", *at))
		return found(search, search->scan.line, "a character that means nothing");
	/* Two texts in a row are one. */
	if (*at == '"' && at[len - 1] == '"' && search->before == 't')
		return false;
	if (judge_item(search, at, len))
		return true;
	if (*at == '"' && search->before == 'v')
		search->before = inside(search) == '{' ? 't' : 'v';
	return false;
}

static bool explain(const char *text, const char *name, struct err *err)
{
	struct search search = {.scan = {.at = text, .line = 1, .name = name, .err = err}};

	while (*search.scan.at) {
		const char *at = search.scan.at;

		/* The first pass has found nothing in any token by itself. */
		if (!scan_token(&search.scan))
			return false;
		if (judge_token(&search, at, (size_t)(search.scan.at - at)))
			return true;
	}
	return search.depth && never_closed(&search);
}

/* The line of the first include, or 0. Even one in a comment: better safe than gone. */
static int find_include(const char *text)
{
	for (int line = 1; *text; line++) {
		const char *word = text + strspn(text, " \t");

		if (strncmp(word, "@include", strlen("@include")) == 0)
			return line;
		text += strcspn(text, "\n");
		text += *text == '\n';
	}
	return 0;
}

/* Few names in the life of a process, each kept for the objects that point to it. NULL when
 * out of memory. */
static char *intern(const char *name)
{
	static struct interned {
		struct interned *next;
		char name[];
	} * all;
	struct interned *it;

	for (it = all; it; it = it->next)
		if (strcmp(it->name, name) == 0)
			return it->name;
	it = conf_alloc(1, sizeof(*it) + strlen(name) + 1);
	if (!it)
		return NULL;
	memcpy(it->name, name, strlen(name) + 1);
	it->next = all;
	all = it;
	return it->name;
}

bool conf_read(config_t *config, const char *text, const char *name, struct err *err)
{
	struct scan scan = {.at = text, .line = 1, .name = name, .err = err};
	int line = find_include(text);
	char *kept;

	if (line)
		return scan_fail(&scan, line, "@include is not supported");
	while (*scan.at)
		if (!scan_token(&scan))
			return false;
	if (!config_read_string(config, text)) {
		const char *what = config_error_text(config);

		if (what && strcmp(what, "syntax error") == 0 && explain(text, name, err))
			return false;
		line = config_error_line(config);
		return scan_fail(&scan, line > 0 ? line : 1, what ? what : "syntax error");
	}
	/* libconfig knows no name for text in memory; conf_parse looks here. */
	kept = intern(name);
	if (!kept)
		return err_set(err, ENOMEM, "%s: out of memory", name) == 0;
	config_setting_set_hook(config_root_setting(config), kept);
	return true;
}
