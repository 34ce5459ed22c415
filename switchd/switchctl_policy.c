/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The matrix of flows, for people and for Graphviz.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "switchd/switchctl.h"

static const char *shown(const char *name)
{
	return *name ? name : "(default)";
}

/* The cell of a table: what it says, and in which colour. */
static const struct {
	const char *flow, *colour;
} cells[] = {{"closed", "31"}, {"controlled", "33"}, {"open", "32"}};

static const char *colour_of(const char *flow)
{
	for (size_t i = 0; i < sizeof(cells) / sizeof(cells[0]); i++)
		if (strcmp(cells[i].flow, flow) == 0)
			return cells[i].colour;
	return "0";
}

static void print_cell(const char *text, int width, const char *colour)
{
	if (colour)
		(void)printf("  \033[%sm%-*s\033[0m", colour, width, text);
	else
		(void)printf("  %-*s", width, text);
}

static int width_of(const json_t *rows)
{
	int width = (int)strlen("controlled");
	const json_t *row;
	size_t i;

	json_array_foreach(rows, i, row)
	{
		const char *from = json_string_value(json_object_get(row, "from"));

		if (from && (int)strlen(shown(from)) > width)
			width = (int)strlen(shown(from));
	}
	return width;
}

static void print_table(const json_t *rows)
{
	bool colours = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
	int width = width_of(rows);
	json_t *row, *cell;
	const char *to;
	size_t i;

	if (json_array_size(rows) == 0)
		return;
	(void)printf("%-*s", width, "from \\ to");
	json_object_foreach(json_object_get(json_array_get(rows, 0), "to"), to, cell)
	    print_cell(shown(to), width, colours ? "1" : NULL);
	(void)putchar('\n');
	json_array_foreach(rows, i, row)
	{
		const char *from = json_string_value(json_object_get(row, "from"));

		(void)printf("%-*s", width, shown(from ? from : ""));
		json_object_foreach(json_object_get(row, "to"), to, cell)
		{
			const char *flow = json_string_value(cell);
			bool same = from && strcmp(from, to) == 0;

			print_cell(same	  ? "-"
				   : flow ? flow
					  : "?",
				   width, colours && flow && !same ? colour_of(flow) : NULL);
		}
		(void)putchar('\n');
	}
}

/* Names of domains need no quoting within quotes. */
static void print_dot(const json_t *rows)
{
	json_t *row, *cell;
	const char *to;
	size_t i;

	(void)puts("digraph policy {");
	(void)puts("\tnode [shape=box];");
	json_array_foreach(rows, i, row)(void)
	    printf("\t\"%s\";\n", shown(json_string_value(json_object_get(row, "from"))));
	json_array_foreach(rows, i, row)
	{
		const char *from = json_string_value(json_object_get(row, "from"));

		json_object_foreach(json_object_get(row, "to"), to, cell)
		{
			const char *flow = json_string_value(cell);

			if (!flow || !from || strcmp(from, to) == 0 || strcmp(flow, "closed") == 0)
				continue;
			(void)printf("\t\"%s\" -> \"%s\" [label=\"%s\", color=\"%s\"];\n",
				     shown(from), shown(to), flow,
				     strcmp(flow, "open") == 0 ? "darkgreen" : "orange");
		}
	}
	(void)puts("}");
}

static void keep(void *arg, json_t *item)
{
	(void)json_array_append(arg, item);
}

int run_matrix(struct ctl_client *client, struct cli_call *call, struct output *output,
	       struct err *err)
{
	json_t *rows = json_array();
	int rc = request(client, call->command->wire, NULL, -1, keep, rows, NULL, err);

	if (rc == 0) {
		if (json_is_true(json_object_get(call->args, "dot")))
			print_dot(rows);
		else if (output->json)
			output_json(output, rows);
		else
			print_table(rows);
	}
	json_decref(rows);
	return rc;
}
