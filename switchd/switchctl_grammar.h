/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * switchctl's grammar, after iproute2's: OBJECT [VERB] [ARGS], where every word
 * may be cut as long as one meaning is left, and the verb is `show` unless said
 * otherwise. From words to a request; no I/O.
 */
#ifndef TVD_SWITCHCTL_GRAMMAR_H
#define TVD_SWITCHCTL_GRAMMAR_H

#include <jansson.h>
#include <stdbool.h>

#include "lib/err.h"

/* What switchctl does with a command, and with its answer. */
enum cli_action {
	CLI_SHOW,    /* a request answered by items: an array */
	CLI_OBJECT,  /* a request answered by one object */
	CLI_CHANGE,  /* a request answered by "ok" alone, or by an object worth a line */
	CLI_MIRROR,  /* a change; the file at `file`, if any, is opened and passed */
	CLI_PCAP,    /* `filter` is compiled; packets follow */
	CLI_TRACE,   /* frames are in args, or in the capture file at `file` */
	CLI_MATRIX,  /* rows, written as a table or for Graphviz */
	CLI_MONITOR, /* events follow */
	CLI_METRICS, /* the answer is plain text */
	CLI_VERSION, /* an object, and switchctl's own version */
	CLI_HELP,    /* of `object`, or of everything (NULL); local */
	CLI_LIST,    /* every command there is; local */
};

struct cli_call;

struct cli_command {
	const char *object; /* "port" */
	const char *verb;   /* "add"; NULL: the object has no verbs */
	const char *usage;  /* what follows, for people */
	const char *wire;   /* "port.add"; NULL: local */
	enum cli_action action;
	/* Fills call->args and so on from the words after the verb (NULL: there
	 * must be none). 0 or -EINVAL with a message. */
	int (*parse)(struct cli_call *call, char *const *words, struct err *err);
};

/* A command with its arguments; to be cleared. */
struct cli_call {
	const struct cli_command *command; /* NULL for CLI_HELP */
	enum cli_action action;
	const char *object; /* CLI_HELP */
	json_t *args;
	char *filter;	  /* CLI_PCAP, "" for none; owned */
	const char *file; /* one of the words */
};

/*
 * Understands a NULL-terminated list of words. 0; -EINVAL: wrong, with a
 * message; -ENOTSUP: known, and not in this version, with a message.
 */
int cli_parse(struct cli_call *call, char *const *words, struct err *err);
void cli_call_clear(struct cli_call *call);

/* All commands, in the order in which they are shown; the last has no object. */
extern const struct cli_command cli_commands[];

/* Options of switchctl that stand among, or behind, the words of a command. */
struct cli_options {
	const char *socket; /* one of the words; untouched if none is given */
	bool json, pretty;
};

/* Takes them out of a NULL-terminated list of words; those behind "--" are words,
 * whatever they look like. */
void cli_take_options(char **words, struct cli_options *options);

/* Cuts a line of a batch file into words, in place: blanks separate, quotes and
 * backslashes hold together, # begins a comment. How many words (at most max - 1,
 * and a NULL after them), or -EINVAL with a message. */
int cli_split(char *line, char **words, int max, struct err *err);

#endif
