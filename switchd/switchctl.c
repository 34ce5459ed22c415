/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * switchctl: asks a running switchd over its control socket. See switchctl(8).
 */
#include "switchd/switchctl.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SOCKET_DEFAULT "/run/tvdswitch/switchd.sock"
#define BATCH_WORDS    512
#define OUTPUT_BYTES   65536 /* written at once, except to a terminal */

/* Exit status, and what functions here return instead of it below zero. */
enum { DONE = 0, FAILED = 1, USAGE = 2 };

struct program {
	const char *socket;
	struct output output;
};

/* ---- requests ---- */

static void take_result(json_t *result, item_fn *item, void *arg, json_t **out)
{
	json_t *element;
	size_t i;

	if (!item && out)
		*out = json_incref(result);
	if (!item || !result)
		return;
	if (!json_is_array(result))
		item(arg, result);
	json_array_foreach(result, i, element) item(arg, element);
}

/* The item of a line that is nothing but an item, as jansson writes it; or NULL. */
static const char *item_of(const char *line, size_t len, size_t *item_len)
{
	static const char head[] = "{\"item\":";
	const size_t n = sizeof(head) - 1;

	if (len < n + 1 || memcmp(line, head, n) != 0 || line[len - 1] != '}')
		return NULL;
	*item_len = len - n - 1;
	return line + n;
}

/* One line of an answer. 0: the last one; 1: there are more; or negative errno. */
static int take_line(json_t *line, item_fn *item, void *arg, json_t **result, struct err *err)
{
	json_t *ok = json_object_get(line, "ok"), *one = json_object_get(line, "item");
	const char *why = json_string_value(json_object_get(line, "error"));

	if (one && item)
		item(arg, one);
	if (!ok)
		return 1;
	if (!json_is_true(ok))
		return err_set(err, ECANCELED, "%s", why ? why : "refused without a reason");
	take_result(json_object_get(line, "result"), item, arg, result);
	return 0;
}

/* What it comes to when there is no further line. */
static int ended(struct err *err)
{
	if (!err->text[0])
		return err_set(err, ECONNRESET, "switchd closed the connection");
	return -EPROTO;
}

int request(struct ctl_client *client, const char *command, json_t *args, int fd, item_fn *item,
	    void *arg, json_t **result, struct err *err)
{
	int rc = ctl_client_send(client, command, args, fd, err);
	json_t *line;

	if (rc < 0)
		return rc;
	while ((line = ctl_client_read(client, err)) != NULL) {
		rc = take_line(line, item, arg, result, err);
		json_decref(line);
		if (rc <= 0)
			return rc;
	}
	return ended(err);
}

struct showing {
	struct output *output;
	const char *kind;
};

static void show_item(void *arg, json_t *item)
{
	const struct showing *showing = arg;

	output_item(showing->output, showing->kind, item);
}

/* Like request() with show_item(), but without objects for items that are plain. */
static int request_show(struct ctl_client *client, const struct cli_call *call,
			struct showing *showing, struct err *err)
{
	int rc = ctl_client_send(client, call->command->wire, json_incref(call->args), -1, err);
	const char *line, *item;
	size_t len, item_len;

	if (rc < 0)
		return rc;
	while ((line = ctl_client_line(client, &len, err)) != NULL) {
		json_t *json;

		item = item_of(line, len, &item_len);
		if (item && output_flat(showing->output, showing->kind, item, item_len))
			continue;
		json = ctl_client_parse(client, line, len, err);
		if (!json)
			return -EPROTO;
		rc = take_line(json, show_item, showing, NULL, err);
		json_decref(json);
		if (rc <= 0)
			return rc;
	}
	return ended(err);
}

static int run_show(struct ctl_client *client, struct cli_call *call, struct output *output,
		    struct err *err)
{
	struct showing showing = {.output = output, .kind = call->command->object};
	int rc = request_show(client, call, &showing, err);

	/* An array that has begun ends, even where the answer did not. */
	if (rc == 0 || output->opened)
		output_end(output);
	return rc;
}

/* One object, or plain success. */
static int run_simple(struct ctl_client *client, struct cli_call *call, int fd,
		      struct output *output, struct err *err)
{
	json_t *result = NULL;
	int rc = request(client, call->command->wire, json_incref(call->args), fd, NULL, NULL,
			 &result, err);

	if (rc == 0 && result)
		output_object(output, call->action == CLI_OBJECT ? call->command->object : "",
			      result);
	json_decref(result);
	return rc;
}

static void print_text_item(void *arg, json_t *item)
{
	(void)arg;
	if (json_is_string(item))
		(void)fputs(json_string_value(item), stdout);
}

static int run_metrics(struct ctl_client *client, struct cli_call *call, struct err *err)
{
	return request(client, call->command->wire, json_incref(call->args), -1, print_text_item,
		       NULL, NULL, err);
}

static int run_version(struct ctl_client *client, struct cli_call *call, struct output *output,
		       struct err *err)
{
	json_t *result = NULL;
	int rc = request(client, call->command->wire, json_incref(call->args), -1, NULL, NULL,
			 &result, err);

	if (json_is_string(result))
		result = json_pack("{s:o}", "version", result);
	if (rc == 0 && json_is_object(result)) {
		(void)json_object_set_new(result, "switchctl", json_string(TVD_VERSION));
		output_object(output, call->command->object, result);
	}
	json_decref(result);
	return rc;
}

/* The file belongs to who asks: it is opened here, and switchd gets the descriptor. */
static int run_mirror(struct ctl_client *client, struct cli_call *call, struct output *output,
		      struct err *err)
{
	char path[PATH_MAX];
	bool made = false;
	int fd = -1, rc;

	if (call->file) {
		const int flags = O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY;

		fd = open(call->file, flags | O_EXCL, 0600);
		made = fd >= 0;
		if (!made && errno == EEXIST)
			fd = open(call->file, flags | O_TRUNC, 0600);
		if (fd < 0)
			return err_set(err, errno, "%s: %s", call->file, strerror(errno));
		/* For display alone: switchd has another working directory. */
		(void)json_object_set_new(
		    call->args, "file",
		    json_string(realpath(call->file, path) ? path : call->file));
	}
	rc = run_simple(client, call, fd, output, err);
	if (fd >= 0)
		(void)close(fd);
	if (rc < 0 && made)
		(void)unlink(call->file);
	return rc;
}

static int run_monitor(struct ctl_client *client, struct cli_call *call, struct output *output,
		       struct err *err)
{
	json_t *line;
	int rc = request(client, call->command->wire, json_incref(call->args), -1, NULL, NULL, NULL,
			 err);

	if (rc < 0)
		return rc;
	while ((line = ctl_client_read(client, err)) != NULL) {
		const json_t *event = json_object_get(line, "event");

		if (event)
			output_event(output, event);
		json_decref(line);
		if (ferror(stdout))
			return 0; /* reported once, at the end */
	}
	return ended(err);
}

/* ---- help ---- */

static void print_usage(FILE *file)
{
	(void)fputs("usage: switchctl [-jp] [-s SOCKET] OBJECT [VERB] [ARGS]\n"
		    "       switchctl [-jp] [-s SOCKET] -b FILE\n"
		    "       switchctl help | OBJECT help | -h | -V\n"
		    "  -s, --socket SOCKET  the control socket (else $TVDSWITCH_SOCKET, else\n"
		    "                       " SOCKET_DEFAULT ")\n"
		    "  -j, --json           JSON; an array for `show`\n"
		    "  -p, --pretty         the same, indented\n"
		    "  -b, --batch FILE     commands from a file, one a line ('-': from stdin)\n"
		    "  -V, --version        switchctl's version\n"
		    "  -h, --help           this, and all commands\n"
		    "Words may be cut while they stay unique; an object alone is shown.\n"
		    "What the commands do is in switchctl(8), their keys are in switchd.conf(5).\n",
		    file);
}

static void print_help(const char *object)
{
	const char *before = object ? "usage: switchctl " : "  ";

	if (!object) {
		print_usage(stdout);
		(void)puts("commands:");
	}
	for (const struct cli_command *command = cli_commands; command->object; command++) {
		if (object && strcmp(object, command->object) != 0)
			continue;
		(void)printf("%s%s%s%s%s%s\n", before, command->object, command->verb ? " " : "",
			     command->verb ? command->verb : "", *command->usage ? " " : "",
			     command->usage);
		if (object)
			before = "       switchctl ";
	}
}

static void print_list(const struct output *output)
{
	json_t *list = json_array();

	for (const struct cli_command *command = cli_commands; command->object; command++) {
		if (output->json)
			(void)json_array_append_new(
			    list, json_pack("{s:s, s:s?, s:s}", "object", command->object, "verb",
					    command->verb, "usage", command->usage));
		else
			(void)printf("%s%s%s%s%s\n", command->object, command->verb ? " " : "",
				     command->verb ? command->verb : "", *command->usage ? " " : "",
				     command->usage);
	}
	if (output->json)
		output_json(output, list);
	json_decref(list);
}

/* ---- running ---- */

static int run_call(struct ctl_client *client, struct cli_call *call, struct output *output,
		    struct err *err)
{
	switch (call->action) {
	case CLI_SHOW:
		return run_show(client, call, output, err);
	case CLI_OBJECT:
	case CLI_CHANGE:
		return run_simple(client, call, -1, output, err);
	case CLI_METRICS:
		return run_metrics(client, call, err);
	case CLI_MIRROR:
		return run_mirror(client, call, output, err);
	case CLI_PCAP:
		return run_pcap(client, call, err);
	case CLI_TRACE:
		return run_trace(client, call, output, err);
	case CLI_MATRIX:
		return run_matrix(client, call, output, err);
	case CLI_MONITOR:
		return run_monitor(client, call, output, err);
	case CLI_VERSION:
		return run_version(client, call, output, err);
	case CLI_HELP:
	case CLI_LIST:
		break; /* local */
	}
	return 0;
}

/* Runs one command. DONE, FAILED or USAGE with a message. */
static int run_words(const struct program *program, char *const *words, struct err *err)
{
	struct output output = program->output;
	struct ctl_client *client = NULL;
	struct cli_call call;
	int rc = cli_parse(&call, words, err);

	if (rc < 0)
		return USAGE;
	if (call.action == CLI_HELP) {
		print_help(call.object);
	} else if (call.action == CLI_LIST) {
		print_list(&output);
	} else {
		rc = ctl_client_open(&client, program->socket, err);
		if (rc < 0)
			(void)err_set(err, -rc, "cannot reach switchd at %s: %s%s", program->socket,
				      strerror(-rc),
				      rc == -ENOENT || rc == -ECONNREFUSED ? " (is it running?)"
									   : "");
		else
			rc = run_call(client, &call, &output, err);
		ctl_client_close(client);
	}
	cli_call_clear(&call);
	if (fflush(stdout) == EOF && rc == 0)
		rc = err_set(err, errno, "cannot write: %s", strerror(errno));
	return rc < 0 ? FAILED : DONE;
}

/* Runs the commands of a file up to the first that fails. */
static int run_batch(const struct program *program, const char *path)
{
	bool from_stdin = strcmp(path, "-") == 0;
	FILE *file = from_stdin ? stdin : fopen(path, "re");
	char *words[BATCH_WORDS], *line = NULL;
	int number = 0, status = DONE;
	size_t size = 0;
	struct err err;

	if (!file) {
		(void)fprintf(stderr, "switchctl: %s: %s\n", path, strerror(errno));
		return FAILED;
	}
	while (status == DONE && getline(&line, &size, file) >= 0) {
		int n = cli_split(line, words, BATCH_WORDS, &err);

		number++;
		if (n < 0)
			status = USAGE;
		else if (n > 0)
			status = run_words(program, words, &err);
	}
	if (status != DONE) {
		(void)fprintf(stderr, "switchctl: %s:%d: %s\n", from_stdin ? "stdin" : path, number,
			      err.text);
	} else if (ferror(file)) {
		(void)fprintf(stderr, "switchctl: %s: %s\n", path, strerror(errno));
		status = FAILED;
	}
	free(line);
	if (!from_stdin)
		(void)fclose(file);
	return status;
}

static int run_one(const struct program *program, char *const *words)
{
	struct err err;
	int status = run_words(program, words, &err);

	if (status != DONE)
		(void)fprintf(stderr, "switchctl: %s\n", err.text);
	if (status == USAGE)
		(void)fputs("Try 'switchctl help'.\n", stderr);
	return status;
}

/* Options behind the object, as in `switchctl port show -j`. */
static void take_options(struct program *program, char **words)
{
	struct cli_options options = {.socket = program->socket};

	cli_take_options(words, &options);
	program->socket = options.socket;
	program->output.json |= options.json;
	program->output.pretty |= options.pretty;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
	    {"socket", required_argument, NULL, 's'},
	    {"json", no_argument, NULL, 'j'},
	    {"pretty", no_argument, NULL, 'p'},
	    {"batch", required_argument, NULL, 'b'},
	    {"version", no_argument, NULL, 'V'},
	    {"help", no_argument, NULL, 'h'},
	    {NULL, 0, NULL, 0},
	};
	struct program program = {.socket = getenv("TVDSWITCH_SOCKET")};
	const char *batch = NULL;
	int option;

	if (!program.socket || !*program.socket)
		program.socket = SOCKET_DEFAULT;
	if (!isatty(STDOUT_FILENO))
		(void)setvbuf(stdout, NULL, _IOFBF, OUTPUT_BYTES);
	/* "+": options end with the first word, which belongs to a command. Long ones may have
	 * one dash, as those of ip(8). */
	while ((option = getopt_long_only(argc, argv, "+s:jpb:Vh", options, NULL)) != -1) {
		switch (option) {
		case 's':
			program.socket = optarg;
			break;
		case 'p':
			program.output.pretty = true;
			program.output.json = true;
			break;
		case 'j':
			program.output.json = true;
			break;
		case 'b':
			batch = optarg;
			break;
		case 'V':
			(void)puts("switchctl (tvdswitch) " TVD_VERSION);
			return DONE;
		case 'h':
			print_help(NULL);
			return DONE;
		default:
			print_usage(stderr);
			return USAGE;
		}
	}
	/* "--" in front of the object: all behind it are words. */
	if (strcmp(argv[optind - 1], "--") != 0)
		take_options(&program, argv + optind);
	if (batch && !argv[optind])
		return run_batch(&program, batch);
	if (batch || !argv[optind]) {
		print_usage(stderr);
		return USAGE;
	}
	return run_one(&program, argv + optind);
}
