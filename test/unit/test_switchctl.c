/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * switchctl's grammar: from words to requests, without a switchd.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "switchd/switchctl_grammar.c" /* NOLINT(bugprone-suspicious-include) */
#include "switchd/switchctl_words.c"   /* NOLINT(bugprone-suspicious-include) */

#define WORDS 64

/* Parses a line as a batch file would have it. */
static int parse(struct cli_call *call, const char *line, char *copy, size_t size, struct err *err)
{
	char *words[WORDS];

	assert_true(strlen(line) < size);
	memcpy(copy, line, strlen(line) + 1);
	assert_true(cli_split(copy, words, WORDS, err) >= 0);
	return cli_parse(call, words, err);
}

static void understood(void **state)
{
	static const struct {
		const char *line, *wire, *args;
	} cases[] = {
	    {"status", "status", "{}"},
	    {"stat", "status", "{}"},
	    {"port", "port.show", "{}"},
	    {"por", "port.show", "{}"},
	    {"port sh vm1", "port.show", "{'name':'vm1'}"},
	    {"port s", NULL, "ambiguous: show, set"},
	    {"port add vm1 type tap segment alpha", "port.add",
	     "{'name':'vm1','type':'tap','segment':'alpha'}"},
	    {"por a vm1 ty tap seg alpha ifname tap0 mtu 1464 guard.arp true guard.mac true",
	     "port.add",
	     "{'name':'vm1','type':'tap','segment':'alpha','ifname':'tap0','mtu':'1464',"
	     "'guard':{'arp':'true','mac':'true'}}"},
	    {"port add vm1 type tap segment alpha new_key x", "port.add",
	     "{'name':'vm1','type':'tap','segment':'alpha','new_key':'x'}"},
	    {"port add r type tap trunk 101=alpha,102=beta native gamma", "port.add",
	     "{'name':'r','type':'tap','native':'gamma','trunk':[{'vid':101,'segment':'alpha'},"
	     "{'vid':102,'segment':'beta'}]}"},
	    {"port set r tr 4095=a=b", "port.set",
	     "{'name':'r','trunk':[{'vid':4095,'segment':'a=b'}]}"},
	    {"port set r trunk '' segment alpha", "port.set",
	     "{'name':'r','trunk':[],'segment':'alpha'}"},
	    {"port set vm1 state locked", "port.set", "{'name':'vm1','state':'locked'}"},
	    {"port set vm1 mac 52:54:00:00:00:01 m 1", NULL, "'m' is ambiguous: mac, mtu, macs"},
	    {"port del vm1", "port.del", "{'name':'vm1'}"},
	    {"port del vm1 own hook", "port.del", "{'name':'vm1','owner':'hook'}"},
	    {"port del vm1 vm2", NULL, "unknown word 'vm2' (there are: owner)"},
	    {"port add vm1 type netdev seg alpha interf vnet0 ifi 7 dom alpha ow hook", "port.add",
	     "{'name':'vm1','type':'netdev','segment':'alpha','interface':'vnet0','ifindex':'7',"
	     "'domain':'alpha','owner':'hook'}"},
	    {"segment add alpha", "segment.add", "{'name':'alpha'}"},
	    {"seg add alpha id 1 domain ''", "segment.add",
	     "{'name':'alpha','id':'1','domain':''}"},
	    {"segment add alpha id 1 encap etherip uplink lan group 239.192.0.1 encap dot1q up w "
	     "vid "
	     "7",
	     "segment.add",
	     "{'name':'alpha','id':'1','encap':[{'type':'etherip','uplink':'lan','group':'239.192."
	     "0."
	     "1'},{'type':'dot1q','uplink':'w','vid':'7'}]}"},
	    {"segment del alpha", "segment.del", "{'name':'alpha'}"},
	    {"uplink", "uplink.show", "{}"},
	    {"uplink show lan", "uplink.show", "{'name':'lan'}"},
	    {"encap show segment alpha", "encap.show", "{'segment':'alpha'}"},
	    {"encap show alpha", "encap.show", "{'segment':'alpha'}"},
	    {"port list", "port.show", "{}"},
	    {"port ls vm1", "port.show", "{'name':'vm1'}"},
	    {"port delete vm1", "port.del", "{'name':'vm1'}"},
	    {"status show", "status", "{}"},
	    {"metrics list", "metrics", "{}"},
	    {"status show now", NULL, "'show' is one word too many"},
	    {"pcap show", NULL, "unknown word 'show'"},
	    {"policy delete", NULL, "unknown verb 'del'"},
	    {"fdb show", "fdb.show", "{}"},
	    {"fdb sh seg alpha", "fdb.show", "{'segment':'alpha'}"},
	    {"fdb show alpha", "fdb.show", "{'segment':'alpha'}"},
	    {"fdb show port p segment a", "fdb.show", "{'segment':'a','port':'p'}"},
	    {"fdb add 52:54:00:00:00:01 segment a port p", "fdb.add",
	     "{'mac':'52:54:00:00:00:01','segment':'a','port':'p','state':'static'}"},
	    {"fdb add 52:54:00:00:00:01 stic p p s", NULL, "'s' is ambiguous"},
	    {"fdb add 52:54:00:00:00:01 stic po p seg a", "fdb.add",
	     "{'mac':'52:54:00:00:00:01','segment':'a','port':'p','state':'sticky'}"},
	    {"fdb del 52:54:00:00:00:01 segment a", "fdb.del",
	     "{'mac':'52:54:00:00:00:01','segment':'a'}"},
	    {"fdb del m", "fdb.del", "{'mac':'m'}"},
	    {"fdb del m port p", "fdb.del", "{'mac':'m','port':'p'}"},
	    {"fdb flush", "fdb.flush", "{}"},
	    {"fdb fl port p segment a", "fdb.flush", "{'port':'p','segment':'a'}"},
	    {"peer", "peer.show", "{}"},
	    {"peer show segment a", "peer.show", "{'segment':'a'}"},
	    {"mirror", "mirror.show", "{}"},
	    {"mirror show m", "mirror.show", "{'name':'m'}"},
	    {"mirror add m file f segment s", "mirror.add", "{'name':'m','segment':'s'}"},
	    {"mirror add m file f port p port q", NULL, "one word too many"},
	    {"mirror add m port p port q", "mirror.add", "{'name':'m','port':'p','to_port':'q'}"},
	    {"mirror del m", "mirror.del", "{'name':'m'}"},
	    {"trace port p 00:11 22-33", "trace", "{'port':'p','frames':['00112233']}"},
	    {"trace port p 0x0011 0X22 33", "trace", "{'port':'p','frames':['00112233']}"},
	    {"pol", "policy.show", "{}"},
	    {"policy check a ''", "policy.check", "{'from':'a','to':''}"},
	    {"policy matrix --dot", "policy.matrix", "{'dot':true}"},
	    {"policy verify", "policy.verify", "{}"},
	    {"policy verify vm1", "policy.verify", "{'port':'vm1'}"},
	    {"junction", "junction.show", "{}"},
	    {"junction show j", "junction.show", "{'name':'j'}"},
	    {"mon", "monitor", "{}"},
	    {"met", "metrics", "{}"},
	    {"reload", "reload", "{}"},
	    {"log", "log.show", "{}"},
	    {"log set d", "log.set", "{'level':'debug'}"},
	    {"log set warn", "log.set", "{'level':'warn'}"},
	    {"log set warning", "log.set", "{'level':'warn'}"},
	    {"version", "version", "{}"},
	    /* Not understood: a NULL command, and a part of the message. */
	    {"", NULL, "a command is missing"},
	    {"''", NULL, "unknown object ''"},
	    {"policy check a", NULL, "two domains are needed: FROM and TO"},
	    {"x", NULL, "unknown object 'x'"},
	    {"x", NULL, "list-commands, version, help)"}, /* nothing of later versions */
	    {"p", NULL, "'p' is ambiguous: port, peer, policy, pcap"},
	    {"status now", NULL, "'now' is one word too many"},
	    {"port vm1", NULL, "unknown verb 'vm1'"},
	    {"port show a b", NULL, "one word too many"},
	    {"port add", NULL, "A name is missing"},
	    {"port add vm1", NULL, "'type' is missing"},
	    {"port add vm1 type tap", NULL, "'segment' is missing"},
	    {"port add vm1 type", NULL, "'type' needs a value"},
	    {"port add vm1 tap segment a", NULL, "'type' is missing: type tap, for example"},
	    {"port add vm1 type tap segment", NULL, "'segment' needs a value"},
	    {"port add vm1 type tap type tap", NULL, "'type' is given twice"},
	    {"port add vm1 name vm2", NULL, "'name' is given twice"},
	    {"port add vm1 x y x.z true", NULL, "'x' is given twice"},
	    {"port set vm1", NULL, "set what?"},
	    {"port set r trunk", NULL, "'trunk' needs a value"},
	    {"port set r trunk 1=a trunk 2=b", NULL, "'trunk' is given twice"},
	    {"port set r trunk alpha", NULL, "'alpha' is not VID=SEGMENT"},
	    {"port set r trunk 1=a,=b", NULL, "'=b' is not VID=SEGMENT"},
	    {"port set r trunk 1=a,2=", NULL, "'2=' is not VID=SEGMENT"},
	    {"port set r trunk 1=a,,2=b", NULL, "'' is not VID=SEGMENT"},
	    {"port set r trunk 1=a,", NULL, "'trunk' ends with a comma"},
	    {"port set r trunk -1=a", NULL, "'-1=a' is not VID=SEGMENT"},
	    {"port set r trunk 0x10=a", NULL, "'0x10=a' is not VID=SEGMENT"},
	    {"port set r trunk 12345=a", NULL, "'12345=a' is not VID=SEGMENT"},
	    {"port set r trunk 1=\xff", NULL, "not UTF-8"},
	    {"port add \xff type tap segment a", NULL, "not UTF-8"},
	    {"segment add a encap", NULL, "'encap' needs a type"},
	    {"segment add a encap etherip uplink", NULL, "'uplink' needs a value"},
	    {"segment add a encap etherip type x", NULL, "'type' is given twice"},
	    {"fdb show segment", NULL, "'segment' needs a name"},
	    {"fdb show segment a segment b", NULL, "given twice"},
	    {"fdb show mac m", NULL, "unknown word 'mac'"},
	    {"fdb add", NULL, "a MAC address is missing"},
	    {"fdb add m port p", NULL, "'segment' is missing"},
	    {"fdb add m segment s", NULL, "'port' is missing"},
	    {"fdb add m segment s port p static sticky", NULL, "given twice"},
	    {"fdb del m static", NULL, "unknown word 'static'"},
	    {"mirror add m", NULL, "of what?"},
	    {"mirror add m port p", NULL, "to where?"},
	    {"mirror add m port p file", NULL, "'file' needs a name"},
	    {"mirror add m port p file f x", NULL, "one word too many"},
	    {"pcap", NULL, "of what?"},
	    {"trace", NULL, "from where?"},
	    {"trace port p", NULL, "which frame?"},
	    {"trace port p 123", NULL, "3 hexadecimal digits"},
	    {"trace port p 12x4", NULL, "'x' is not a hexadecimal digit"},
	    {"trace port p -r", NULL, "'-r' needs a file"},
	    {"log set", NULL, "a level is missing"},
	    {"log set loud", NULL, "unknown level 'loud'"},
	    {"policy check a b c", NULL, "one word too many"},
	    {"policy matrix --svg", NULL, "one word too many"},
	};
	char copy[512];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct cli_call call;
		struct err err = {""};
		int rc = parse(&call, cases[i].line, copy, sizeof(copy), &err);

		if (!cases[i].wire) {
			if (rc >= 0 || !strstr(err.text, cases[i].args))
				fail_msg("%s: %d, %s", cases[i].line, rc, err.text);
			continue;
		}
		if (rc < 0)
			fail_msg("%s: %s", cases[i].line, err.text);
		assert_string_equal(call.command->wire, cases[i].wire);
		{
			char text[512];
			json_t *expected;

			(void)strcpy(text, cases[i].args);
			for (char *c = text; *c; c++)
				*c = *c == '\'' ? '"' : *c;
			expected = json_loads(text, 0, NULL);
			assert_non_null(expected);
			if (!json_equal(call.args, expected))
				fail_msg("%s: %s", cases[i].line, json_dumps(call.args, 0));
			json_decref(expected);
		}
		cli_call_clear(&call);
	}
}

static void helped(void **state)
{
	static const struct {
		const char *line, *object;
	} cases[] = {
	    {"help", NULL},
	    {"h", NULL},
	    {"help help", NULL},
	    {"help port", "port"},
	    {"port help", "port"},
	    {"port h", "port"},
	    {"port add help", "port"},
	    {"fdb help", "fdb"},
	    {"status help", "status"},
	    {"pcap help", "pcap"},
	    {"monitor help", "monitor"},
	};
	struct cli_call call;
	struct err err;
	char copy[64];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(parse(&call, cases[i].line, copy, sizeof(copy), &err), 0);
		assert_int_equal(call.action, CLI_HELP);
		if (cases[i].object)
			assert_string_equal(call.object, cases[i].object);
		else
			assert_null(call.object);
		cli_call_clear(&call);
	}
}

/* Every command can be named in full, has one object's usage, and an action that fits. */
static void table(void **state)
{
	(void)state;
	for (const struct cli_command *command = cli_commands; command->object; command++) {
		assert_ptr_equal(find_command(command->object, command->verb), command);
		assert_true(command->wire || command->action == CLI_LIST);
		if (command->verb && strcmp(command->verb, "show") == 0)
			assert_int_equal(command->action, CLI_SHOW);
	}
}

static void local_parts(void **state)
{
	struct cli_call call;
	struct err err;
	char copy[128];

	(void)state;
	assert_int_equal(parse(&call, "pcap port p", copy, sizeof(copy), &err), 0);
	assert_string_equal(call.filter, "");
	cli_call_clear(&call);
	assert_int_equal(
	    parse(&call, "pcap seg a tcp port 80 'and (ip)'", copy, sizeof(copy), &err), 0);
	assert_string_equal(call.filter, "tcp port 80 and (ip)");
	cli_call_clear(&call);
	assert_int_equal(parse(&call, "mirror add m seg a file 'a file'", copy, sizeof(copy), &err),
			 0);
	assert_string_equal(call.file, "a file");
	assert_null(json_object_get(call.args, "to_port"));
	cli_call_clear(&call);
	assert_int_equal(parse(&call, "trace port p -r x.pcap", copy, sizeof(copy), &err), 0);
	assert_string_equal(call.file, "x.pcap");
	assert_null(json_object_get(call.args, "frames"));
	cli_call_clear(&call);
	assert_int_equal(parse(&call, "list", copy, sizeof(copy), &err), 0);
	assert_int_equal(call.action, CLI_LIST);
	cli_call_clear(&call);
}

/* Options among the words of a command, and what only looks like one. */
static void options_behind(void **state)
{
	static const struct {
		const char *line, *left, *socket;
		bool json, pretty;
	} cases[] = {
	    {"port show vm1", "port show vm1 ", "old", false, false},
	    {"port show -j", "port show ", "old", true, false},
	    {"port -p show vm1", "port show vm1 ", "old", true, true},
	    {"port show -jp", "port show ", "old", true, true},
	    {"-pj port show", "port show ", "old", true, true},
	    {"port --json show --pretty", "port show ", "old", true, true},
	    {"port show -s new -j", "port show ", "new", true, false},
	    {"port show --socket new", "port show ", "new", false, false},
	    {"port show --socket=new", "port show ", "new", false, false},
	    {"port show -s", "port show -s ", "old", false, false},
	    {"trace port p -r f", "trace port p -r f ", "old", false, false},
	    {"policy matrix --dot", "policy matrix --dot ", "old", false, false},
	    {"port show -json -pretty", "port show ", "old", true, true},
	    {"port show -jx -", "port show -jx - ", "old", false, false},
	    {"port del -- -j -- x", "port del -j -- x ", "old", false, false},
	    {"-j -- -j", "-j ", "old", true, false},
	    {"", "", "old", false, false},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct cli_options options = {.socket = "old"};
		char copy[64], left[64] = "", *words[WORDS];
		struct err err;

		(void)strcpy(copy, cases[i].line);
		assert_true(cli_split(copy, words, WORDS, &err) >= 0);
		cli_take_options(words, &options);
		for (int k = 0; words[k]; k++)
			(void)strcat(strcat(left, words[k]), " ");
		assert_string_equal(left, cases[i].left);
		assert_string_equal(options.socket, cases[i].socket);
		assert_int_equal(options.json, cases[i].json);
		assert_int_equal(options.pretty, cases[i].pretty);
	}
}

static void split_lines(void **state)
{
	static const struct {
		const char *line;
		int n;
		const char *words[4];
	} cases[] = {
	    {"", 0, {NULL}},
	    {" \t\n", 0, {NULL}},
	    {"# comment", 0, {NULL}},
	    {"a b\tc\n", 3, {"a", "b", "c"}},
	    {"a # b", 1, {"a"}},
	    {"a#b", 1, {"a#b"}},
	    {"'a b' \"c d\"", 2, {"a b", "c d"}},
	    {"a'b c'd", 1, {"ab cd"}},
	    {"'' \"\"", 2, {"", ""}},
	    {"a\\ b \\# '\\'", 3, {"a b", "#", "\\"}},
	    {"\"a\\\"b\"", 1, {"a\"b"}},
	    {"a b c d", -EINVAL, {"more than 3 words"}},
	    {"'a", -EINVAL, {"not closed"}},
	    {"a \"b", -EINVAL, {"not closed"}},
	    {"a\\", -EINVAL, {"backslash"}},
	};
	char copy[64], *words[4];
	struct err err;

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		(void)strcpy(copy, cases[i].line);
		assert_int_equal(cli_split(copy, words, 4, &err), cases[i].n);
		if (cases[i].n < 0)
			assert_non_null(strstr(err.text, cases[i].words[0]));
		for (int k = 0; k < cases[i].n; k++)
			assert_string_equal(words[k], cases[i].words[k]);
		if (cases[i].n >= 0)
			assert_null(words[cases[i].n]);
	}
}

/* Random words, cut and mixed: an answer, and nothing that leaks or crashes. */
static void noise(void **state)
{
	static const char *const some[] = {
	    "port", "add", "set", "show",   "segment", "encap", "etherip", "uplink", "fdb",
	    "p",    "s",   "",	  "static", "mirror",  "file",	"trace",   "-r",     "00",
	    "help", "log", "id",  "1",	    "guard.",  ".",	"guard.a", "type",   "name",
	};
	unsigned seed = 7;

	(void)state;
	for (int i = 0; i < 200000; i++) {
		const char *words[9];
		int n = rand_r(&seed) % 9;
		struct cli_call call;
		struct err err = {""};

		for (int k = 0; k < n; k++)
			words[k] = some[(size_t)rand_r(&seed) % (sizeof(some) / sizeof(some[0]))];
		words[n] = NULL;
		if (cli_parse(&call, (char *const *)(uintptr_t)words, &err) < 0)
			assert_true(err.text[0] != '\0');
		else
			assert_true(call.command || call.action == CLI_HELP);
		cli_call_clear(&call);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(understood),  cmocka_unit_test(helped),
	    cmocka_unit_test(table),	   cmocka_unit_test(local_parts),
	    cmocka_unit_test(split_lines), cmocka_unit_test(options_behind),
	    cmocka_unit_test(noise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
