/* SPDX-License-Identifier: BSD-2-Clause */
/* What clients of VDE ask, whole, cut anywhere and wrong; lines of VDE's management; and
 * the keys of vde ports. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "switchd/config.h"
#include "switchd/port/vde_request.h"
#include "switchd/vde_line.h"

/* ---- requests ---- */

#define PATH "/run/vde/.00042-00000"

struct text {
	uint8_t bytes[1024];
	size_t len;
};

static void put(struct text *text, const void *bytes, size_t n)
{
	memcpy(text->bytes + text->len, bytes, n);
	text->len += n;
}

static void put_word(struct text *text, uint32_t word)
{
	put(text, &word, sizeof(word));
}

static struct text request_of(uint32_t magic, uint32_t version, uint32_t type, const char *path,
			      const char *description)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct text text = {.len = 0};

	put_word(&text, magic);
	put_word(&text, version);
	put_word(&text, type);
	/* Without an end, if it is long. */
	memcpy(addr.sun_path, path, strnlen(path, sizeof(addr.sun_path)));
	put(&text, &addr, sizeof(addr));
	put(&text, description, strlen(description));
	return text;
}

static int parse(const struct text *text, struct vde_request *request, const char *why)
{
	struct err err = {""};
	int ret = vde_request_parse(text->bytes, text->len, request, &err);

	if (ret < 0)
		assert_non_null(strstr(err.text, why));
	else
		assert_string_equal(err.text, "");
	return ret;
}

static void good(void **state)
{
	struct text text = request_of(VDE_MAGIC, 3, 0, PATH, "vdeplug: user=me pid=42");
	struct vde_request request;

	(void)state;
	assert_int_equal(parse(&text, &request, ""), 1);
	assert_int_equal(request.number, VDE_NUMBER_ANY);
	assert_string_equal(request.path, PATH);
	assert_string_equal(request.description, "vdeplug: user=me pid=42");
	text = request_of(VDE_MAGIC, 3, 0, PATH, "");
	assert_int_equal(text.len, VDE_REQUEST_MIN);
	assert_int_equal(parse(&text, &request, ""), 1);
	assert_string_equal(request.description, "");
}

static void numbers(void **state)
{
	static const struct {
		uint32_t type;
		int number;
	} cases[] = {
	    {0, VDE_NUMBER_ANY}, {1, 0}, {5 << 8, 5}, {1023 << 8, 1023}, {1 | 7 << 8, 0},
	};
	struct vde_request request;
	struct text text;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		text = request_of(VDE_MAGIC, 3, cases[i].type, PATH, "x");
		assert_int_equal(parse(&text, &request, ""), 1);
		assert_int_equal(request.number, cases[i].number);
	}
	text = request_of(VDE_MAGIC, 3, 1024 << 8, PATH, "x");
	assert_int_equal(parse(&text, &request, "port 1024"), -EPROTO);
	text = request_of(VDE_MAGIC, 3, 0xffffff00, PATH, "x");
	assert_int_equal(parse(&text, &request, "port 16777215"), -EPROTO);
	text = request_of(VDE_MAGIC, 3, 2, PATH, "x");
	assert_int_equal(parse(&text, &request, "type 2"), -EPROTO);
}

/* Of what is cut nothing is believed, and what is wrong is known as soon as it is there. */
static void cut(void **state)
{
	struct text text = request_of(VDE_MAGIC, 3, 0, PATH, "x"), part;
	struct vde_request request;

	(void)state;
	for (size_t len = 0; len < VDE_REQUEST_MIN; len++) {
		part = text;
		part.len = len;
		assert_int_equal(parse(&part, &request, ""), 0);
	}
	for (size_t i = 0; i < 8; i++) {
		part = text;
		part.bytes[i] ^= 1;
		part.len = 4;
		assert_int_equal(parse(&part, &request, "no request"), i < 4 ? -EPROTO : 0);
		part.len = 8;
		assert_int_equal(parse(&part, &request, i < 4 ? "no request" : "version"), -EPROTO);
	}
}

static void wrong_paths(void **state)
{
	char longest[108], endless[109];
	struct vde_request request;
	struct text text;

	(void)state;
	memset(longest, '/', sizeof(longest));
	longest[107] = '\0';
	text = request_of(VDE_MAGIC, 3, 0, longest, "x");
	assert_int_equal(parse(&text, &request, ""), 1);
	assert_string_equal(request.path, longest);
	memset(endless, '/', sizeof(endless));
	endless[108] = '\0';
	text = request_of(VDE_MAGIC, 3, 0, endless, "xyz");
	assert_int_equal(parse(&text, &request, "no end"), -EPROTO);
	text = request_of(VDE_MAGIC, 3, 0, "", "x");
	assert_int_equal(parse(&text, &request, "abstract"), -EPROTO);
	text.bytes[15] = 'a';
	assert_int_equal(parse(&text, &request, "abstract"), -EPROTO);
	text = request_of(VDE_MAGIC, 3, 0, "tmp/x", "x");
	assert_int_equal(parse(&text, &request, "relative"), -EPROTO);
	text = request_of(VDE_MAGIC, 3, 0, "/tmp/\n", "x");
	assert_int_equal(parse(&text, &request, "strange"), -EPROTO);
	text = request_of(VDE_MAGIC, 3, 0, "/tmp/\xc3\xa4", "x");
	assert_int_equal(parse(&text, &request, "strange"), -EPROTO);
	text = request_of(VDE_MAGIC, 3, 0, PATH, "x");
	text.bytes[12] = AF_INET;
	assert_int_equal(parse(&text, &request, "not a UNIX"), -EPROTO);
}

static void descriptions(void **state)
{
	struct vde_request request;
	struct text text;
	char many[301];

	(void)state;
	text = request_of(VDE_MAGIC, 3, 0, PATH, "a\x1b[2J\n\xff");
	assert_int_equal(parse(&text, &request, ""), 1);
	assert_string_equal(request.description, "a?[2J??");
	memset(many, 'd', 300);
	many[300] = '\0';
	text = request_of(VDE_MAGIC, 3, 0, PATH, many);
	assert_int_equal(parse(&text, &request, ""), 1);
	assert_int_equal(strlen(request.description), VDE_DESCRIPTION);
	text = request_of(VDE_MAGIC, 3, 0, PATH, "abc");
	text.len += 3; /* more, behind an end */
	assert_int_equal(parse(&text, &request, ""), 1);
	assert_string_equal(request.description, "abc");
}

/* ---- lines ---- */

static int line_of(const char *text, struct vde_line *line)
{
	static char room[VDE_LINE_MAX + 1];
	size_t len = strlen(text);

	memset(room, 'x', sizeof(room));
	memcpy(room, text, len);
	return vde_line_parse(room, len, line);
}

static void expect(const char *text, int ret, enum vde_word word, unsigned count)
{
	struct vde_line line;

	assert_int_equal(line_of(text, &line), ret);
	if (ret == -ENOSYS) {
		assert_null(line.command);
		return;
	}
	assert_non_null(line.command);
	assert_int_equal(line.command->word, word);
	if (ret == 0)
		assert_int_equal(line.count, count);
}

static void lines(void **state)
{
	struct vde_line line;

	(void)state;
	expect("showinfo", 0, VDE_SHOWINFO, 0);
	expect(" \tshowinfo\t \r", 0, VDE_SHOWINFO, 0);
	expect("showinfo x", -EINVAL, VDE_SHOWINFO, 0);
	expect("port/print", 0, VDE_PORT_PRINT, 0);
	expect("port/print 0007", 0, VDE_PORT_PRINT, 1);
	expect("port/print 7 8", -EINVAL, VDE_PORT_PRINT, 0);
	expect("port/print x", -EINVAL, VDE_PORT_PRINT, 0);
	expect("port/print -1", -EINVAL, VDE_PORT_PRINT, 0);
	expect("port/print 7x", -EINVAL, VDE_PORT_PRINT, 0);
	expect("port/print 1234567890", -EINVAL, VDE_PORT_PRINT, 0);
	expect("port/create", -EINVAL, VDE_PORT_CREATE, 0);
	expect("port/setvlan 3", -EINVAL, VDE_PORT_SETVLAN, 0);
	expect("port/setvlan\t3   5 ", 0, VDE_PORT_SETVLAN, 2);
	expect("hash/find 00:11:22:33:44:55", 0, VDE_HASH_FIND, 0);
	expect("hash/find 00:11:22:33:44:55 5", 0, VDE_HASH_FIND, 1);
	expect("hash/find 00:11:22:33:44 5", -EINVAL, VDE_HASH_FIND, 0);
	expect("port", -ENOSYS, VDE_WORDS, 0);
	expect("showinf", -ENOSYS, VDE_WORDS, 0);
	expect("showinfoo", -ENOSYS, VDE_WORDS, 0);
	expect("plugin/add /tmp/x.so", -ENOSYS, VDE_WORDS, 0);
	assert_int_equal(line_of("", &line), 0);
	assert_null(line.command);
	assert_int_equal(line_of(" \t ", &line), 0);
	assert_null(line.command);
	assert_int_equal(line_of("help  port/ x ", &line), 0);
	assert_string_equal(line.text, "port/ x");
	assert_int_equal(line_of("help", &line), 0);
	assert_string_equal(line.text, "");
	assert_int_equal(line_of("vlan/addport 5 1023", &line), 0);
	assert_int_equal(line.number[0], 5);
	assert_int_equal(line.number[1], 1023);
}

static void nul_inside(void **state)
{
	char text[] = "showinfo\0x";
	struct vde_line line;

	(void)state;
	assert_int_equal(vde_line_parse(text, sizeof(text) - 1, &line), -ENOSYS);
}

/* Each command is found by what the help calls it, once. */
static void commands(void **state)
{
	bool seen[VDE_WORDS] = {false};
	const struct vde_command *command;
	struct vde_line line;

	(void)state;
	for (size_t i = 0; (command = vde_command_at(i)); i++) {
		if (command->word == VDE_WORDS) {
			assert_int_equal(line_of(command->path, &line), -ENOSYS);
			continue;
		}
		assert_false(seen[command->word]);
		seen[command->word] = true;
		(void)line_of(command->path, &line);
		assert_ptr_equal(line.command, command);
	}
	for (unsigned word = 0; word < VDE_WORDS; word++)
		assert_true(seen[word]);
}

/* ---- configurations ---- */

static void config(const char *ports, const char *why)
{
	struct desired desired = {.host = NULL};
	struct err err = {""};
	char text[1024];

	(void)snprintf(text, sizeof(text), "segments = ( { name = \"s\"; } );\nports = ( %s );\n",
		       ports);
	if (desired_parse(&desired, text, "test", &err) == 0) {
		assert_null(why);
		desired_clear(&desired);
		return;
	}
	assert_non_null(why);
	if (!strstr(err.text, why))
		fail_msg("%s", err.text);
}

#define PORT(name, keys) "{ name = \"" name "\"; type = \"vde\"; segment = \"s\"; " keys " }"

static void keys(void **state)
{
	(void)state;
	config(PORT("a", "path = \"/run/v\"; mode = \"0660\"; group = \"kvm\"; mgmt = \"/run/m\"; "
			 "mgmt_mode = \"0600\"; mgmt_group = \"kvm\";"),
	       NULL);
	config(PORT("a", "path = \"/v\";") "," PORT("b", "path = \"/v\"; number = 0;") "," PORT(
		   "c", "path = \"/v\"; number = 1023;"),
	       NULL);
	config(PORT("a", ""), "key \"path\" is missing");
	config(PORT("a", "path = \"v\";"), "directory");
	config(PORT("a", "path = \"/v/\";"), "directory");
	config(PORT("a", "path = \"/v\"; number = 1024;"), "number");
	config(PORT("a", "path = \"/v\"; number = -1;"), "number");
	config(PORT("a", "path = \"/v\"; number = 1; mode = \"0660\";"), "belong to the port");
	config(PORT("a", "path = \"/v\"; number = 1; mgmt = \"/m\";"), "belong to the port");
	config(PORT("a", "path = \"/v\"; mgmt_mode = \"0660\";"), "`mgmt`");
	config(PORT("a", "path = \"/v\"; mode = \"rw\";"), "octal");
	config(PORT("a", "path = \"/v\";") "," PORT("b", "path = \"/v\";"), "want the same");
	config(PORT("a", "path = \"/v\"; number = 2;") "," PORT("b", "path = \"/v\"; number = 2;"),
	       "want the same");
	config(PORT("a", "path = \"/v\"; mgmt = \"/m\";") "," PORT("b",
								   "path = \"/w\"; mgmt = \"/m\";"),
	       "want the same");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(good),	   cmocka_unit_test(numbers),	   cmocka_unit_test(cut),
	    cmocka_unit_test(wrong_paths), cmocka_unit_test(descriptions), cmocka_unit_test(lines),
	    cmocka_unit_test(nul_inside),  cmocka_unit_test(commands),	   cmocka_unit_test(keys),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
