/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Lines of VDE's management protocol: a command, a blank, and what it is given.
 * Which commands there are, and taking a line apart. No I/O.
 */
#ifndef TVD_VDE_LINE_H
#define TVD_VDE_LINE_H

#include <stdbool.h>
#include <stddef.h>

#include "lib/addr.h"

#define VDE_LINE_MAX 1024u

enum vde_word {
	VDE_DS_SHOWINFO,
	VDE_HELP,
	VDE_LOGOUT,
	VDE_SHUTDOWN,
	VDE_SHOWINFO,
	VDE_HASH_SHOWINFO,
	VDE_HASH_SETEXPIRE,
	VDE_HASH_PRINT,
	VDE_HASH_FIND,
	VDE_PORT_SHOWINFO,
	VDE_PORT_SETVLAN,
	VDE_PORT_CREATEAUTO,
	VDE_PORT_CREATE,
	VDE_PORT_REMOVE,
	VDE_PORT_PRINT,
	VDE_PORT_ALLPRINT,
	VDE_VLAN_CREATE,
	VDE_VLAN_REMOVE,
	VDE_VLAN_ADDPORT,
	VDE_VLAN_DELPORT,
	VDE_VLAN_PRINT,
	VDE_VLAN_ALLPRINT,
	VDE_WORDS
};

/* One command; those with a number above VDE_WORDS are headings of the help. */
struct vde_command {
	enum vde_word word;
	const char *path, *syntax, *help;
	bool data; /* answers with lines before the result */
	/* What it is given: '#' a number, 'm' a MAC address, 't' a text; what stands
	 * behind '?' may be missing. */
	const char *args;
};

struct vde_line {
	const struct vde_command *command; /* NULL: the line is blank */
	unsigned count;			   /* of numbers that were given */
	long number[2];
	struct mac mac;
	const char *text; /* part of the line; "" if not given */
};

/*
 * Takes a line apart, which becomes a text in place; it has room for one byte behind
 * its end. 0; -ENOSYS: there is no such command; -EINVAL: it is not given what it
 * needs (line->command is set).
 */
int vde_line_parse(char *text, size_t len, struct vde_line *line);

/* The i-th of all commands and headings in the order of the help; NULL behind the last. */
const struct vde_command *vde_command_at(size_t i);

#endif
