/* SPDX-License-Identifier: BSD-2-Clause */
#include "switchd/vde_line.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BLANKS	 " \t\r"
#define HEADING	 VDE_WORDS, .syntax = "============"
#define SOME_NUM 9 /* digits that a long holds anywhere */

static const struct vde_command commands[] = {
    {HEADING, .path = "ds", .help = "DATA SOCKET MENU"},
    {VDE_DS_SHOWINFO, "ds/showinfo", "", "where clients connect", true, ""},
    {VDE_HELP, "help", "[arg]", "this help (what begins with arg)", true, "?t"},
    {VDE_LOGOUT, "logout", "", "end this session", false, ""},
    {VDE_SHUTDOWN, "shutdown", "", "remove this vde port (switchd goes on)", false, ""},
    {VDE_SHOWINFO, "showinfo", "", "version and port", true, ""},
    {HEADING, .path = "hash", .help = "HASH TABLE MENU"},
    {VDE_HASH_SHOWINFO, "hash/showinfo", "", "size and ageing time of the FDB", true, ""},
    {VDE_HASH_SETEXPIRE, "hash/setexpire", "N", "set the ageing time in seconds", false, "#"},
    {VDE_HASH_PRINT, "hash/print", "", "stations of all VLANs", true, ""},
    {VDE_HASH_FIND, "hash/find", "MAC [VLAN]", "where a station is", true, "m?#"},
    {HEADING, .path = "port", .help = "PORT STATUS MENU"},
    {VDE_PORT_SHOWINFO, "port/showinfo", "", "how many numbers there are", true, ""},
    {VDE_PORT_SETVLAN, "port/setvlan", "N VLAN", "VLAN of untagged frames of port N", false, "##"},
    {VDE_PORT_CREATEAUTO, "port/createauto", "", "make a port of a free number", true, ""},
    {VDE_PORT_CREATE, "port/create", "N", "make port N", false, "#"},
    {VDE_PORT_REMOVE, "port/remove", "N", "remove port N", false, "#"},
    {VDE_PORT_PRINT, "port/print", "[N]", "ports that have a client", true, "?#"},
    {VDE_PORT_ALLPRINT, "port/allprint", "[N]", "all ports", true, "?#"},
    {HEADING, .path = "vlan", .help = "VLAN MANAGEMENT MENU"},
    {VDE_VLAN_CREATE, "vlan/create", "N", "make VLAN N", false, "#"},
    {VDE_VLAN_REMOVE, "vlan/remove", "N", "remove VLAN N", false, "#"},
    {VDE_VLAN_ADDPORT, "vlan/addport", "N PORT", "add a port to VLAN N (tagged)", false, "##"},
    {VDE_VLAN_DELPORT, "vlan/delport", "N PORT", "take a port out of VLAN N (tagged)", false, "##"},
    {VDE_VLAN_PRINT, "vlan/print", "[N]", "VLANs and their ports that have a client", true, "?#"},
    {VDE_VLAN_ALLPRINT, "vlan/allprint", "[N]", "VLANs and all their ports", true, "?#"},
};

#define COMMANDS (sizeof(commands) / sizeof(commands[0]))

const struct vde_command *vde_command_at(size_t i)
{
	return i < COMMANDS ? &commands[i] : NULL;
}

static const struct vde_command *find(const char *path)
{
	for (size_t i = 0; i < COMMANDS; i++) {
		if (commands[i].word != VDE_WORDS && strcmp(commands[i].path, path) == 0)
			return &commands[i];
	}
	return NULL;
}

static bool take_number(const char *word, struct vde_line *line)
{
	size_t len = strspn(word, "0123456789");

	if (len == 0 || len > SOME_NUM || word[len])
		return false;
	assert(line->count < 2);
	line->number[line->count++] = strtol(word, NULL, 10);
	return true;
}

/* The rest of a line, word by word. */
static bool take_args(char *rest, struct vde_line *line)
{
	bool optional = false;

	for (const char *arg = line->command->args; *arg; arg++) {
		char *word;

		if (*arg == '?') {
			optional = true;
			continue;
		}
		rest += strspn(rest, BLANKS);
		if (!*rest)
			return optional;
		if (*arg == 't') {
			line->text = rest;
			return true;
		}
		word = rest;
		rest += strcspn(rest, BLANKS);
		if (*rest)
			*rest++ = '\0';
		if (*arg == '#' ? !take_number(word, line) : mac_parse(word, &line->mac) < 0)
			return false;
	}
	return rest[strspn(rest, BLANKS)] == '\0';
}

int vde_line_parse(char *text, size_t len, struct vde_line *line)
{
	char *rest;

	memset(line, 0, sizeof(*line));
	line->text = "";
	text[len] = '\0';
	if (memchr(text, '\0', len))
		return -ENOSYS;
	while (len && strchr(BLANKS, text[len - 1]))
		text[--len] = '\0';
	text += strspn(text, BLANKS);
	if (!*text)
		return 0;
	rest = text + strcspn(text, BLANKS);
	if (*rest)
		*rest++ = '\0';
	line->command = find(text);
	if (!line->command)
		return -ENOSYS;
	return take_args(rest, line) ? 0 : -EINVAL;
}
