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

static const char head[] = "from \\ to";

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

static const char *name_of(const json_t *row)
{
	const char *from = json_string_value(json_object_get(row, "from"));

	return shown(from ? from : "");
}

static const char *flow_of(const json_t *cell)
{
	const char *flow = json_string_value(cell);

	return flow ? flow : "?";
}

static void widen(int *width, const char *text)
{
	if ((int)strlen(text) > *width)
		*width = (int)strlen(text);
}

/*
 * How wide each column is, and behind them the first one, of rows' names: as wide as the
 * longest text in it. An array to free, or NULL.
 */
static int *widths_of(const json_t *rows)
{
	size_t count = json_object_size(json_object_get(json_array_get(rows, 0), "to"));
	int *widths = calloc(count + 1, sizeof(*widths));
	const char *to;
	json_t *row, *cell;
	size_t i;

	if (!widths)
		return NULL;
	widen(&widths[count], head);
	json_array_foreach(rows, i, row)
	{
		size_t n = 0;

		widen(&widths[count], name_of(row));
		json_object_foreach(json_object_get(row, "to"), to, cell)
		{
			if (n == count)
				break;
			widen(&widths[n], shown(to));
			widen(&widths[n++], flow_of(cell));
		}
	}
	return widths;
}

/* Nothing is filled up behind the last of a line. */
static void print_cell(const char *text, int width, const char *colour, bool last)
{
	int fill = last ? 0 : width - (int)strlen(text);

	if (colour)
		(void)printf("  \033[%sm%s\033[0m%*s", colour, text, fill, "");
	else
		(void)printf("  %s%*s", text, fill, "");
}

/* The row of a domain, or the head line, which is that of none. */
static void print_row(const json_t *row, json_t *to_all, const int *widths, bool colours)
{
	size_t n = 0, count = json_object_size(to_all);
	const char *from = row ? name_of(row) : head, *to;
	json_t *cell;

	(void)printf("%-*s", widths[count], from);
	json_object_foreach(to_all, to, cell)
	{
		bool last = n + 1 == count;
		const char *flow = flow_of(cell);
		int width = widths[n++];

		if (!row)
			print_cell(shown(to), width, colours ? "1" : NULL, last);
		else if (strcmp(from, shown(to)) == 0)
			print_cell("-", width, NULL, last);
		else
			print_cell(flow, width, colours ? colour_of(flow) : NULL, last);
	}
	(void)putchar('\n');
}

static void print_table(const json_t *rows)
{
	bool colours = isatty(STDOUT_FILENO) && !getenv("NO_COLOR");
	int *widths = json_array_size(rows) ? widths_of(rows) : NULL;
	json_t *row;
	size_t i;

	if (!widths)
		return;
	print_row(NULL, json_object_get(json_array_get(rows, 0), "to"), widths, colours);
	json_array_foreach(rows, i, row)
	{
		json_t *to_all = json_object_get(row, "to");

		/* Each row has the same domains; another form is not ours to draw. */
		if (json_object_size(to_all) ==
		    json_object_size(json_object_get(json_array_get(rows, 0), "to")))
			print_row(row, to_all, widths, colours);
	}
	free(widths);
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
