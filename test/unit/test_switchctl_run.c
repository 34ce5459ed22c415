/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The program switchctl against a switchd that is played here: what it sends,
 * what it writes, and its exit status.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <ev.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/ctl.h"

static struct ev_loop *loop;
static struct ctl_server *server;
static char dir[32], sock[64], out_path[64], err_path[64], in_path[64], file_path[64];
static char program[512];

/* The last requests and what they carried. */
static char log_text[65536];
static int packets = -1; /* where a capture goes */
static char out[262144], err_text[4096];

/* ---- the played switchd ---- */

static bool many_next(void *state, struct ctl_conn *conn)
{
	int *n = state;

	for (int i = 0; i < 100; i++, (*n)++)
		ctl_item(conn, json_pack("{s:s, s:s, s:s, s:s, s:i}", "mac", "52:54:00:00:00:01",
					 "segment", "alpha", "port", "vm1", "state", "learned",
					 "age", *n));
	return *n < 2000;
}

static json_t *port_item(const char *name)
{
	return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:n, s:s, s:{s:i, s:i, s:i, s:{s:i, s:i},"
			 " s:i, s:i, s:{}}, s:s}",
			 "name", name, "type", "tap", "segment", "alpha", "ifname", "tap0", "state",
			 "down", "why", "no such \x1b[2J namespace", "netns", "owner", "file",
			 "stats", "rx_frames", 10, "rx_bytes", 1000, "rx_segments", 12, "rx_drops",
			 "storm", 3, "reserved", 1, "tx_frames", 5, "tx_bytes", 300, "tx_drops",
			 "colour", "blue");
}

static json_t *segment_item(void)
{
	return json_pack("{s:s, s:i, s:s, s:i, s:[{s:s, s:s, s:[s,s]}], s:{s:i, s:i}}", "name",
			 "alpha", "id", 1, "domain", "d", "mtu", 1464, "encap", "type", "etherip",
			 "uplink", "lan", "peers", "192.0.2.2", "192.0.2.3", "fdb", "entries", 1,
			 "max", 8192);
}

static void play_show(struct ctl_conn *conn, const char *command)
{
	if (strcmp(command, "port.show") == 0) {
		ctl_item(conn, port_item("vm1"));
		ctl_item(conn, port_item("vm2"));
	} else if (strcmp(command, "segment.show") == 0) {
		ctl_item(conn, segment_item());
	} else if (strcmp(command, "multicast.show") == 0) {
		ctl_item(conn, json_pack("{s:s, s:s, s:s, s:s, s:i, s:i}", "segment", "s", "group",
					 "239.1.1.1", "port", "p", "why", "member", "version", 4,
					 "expires", 9));
		ctl_item(conn, json_pack("{s:s, s:n, s:s, s:s, s:i}", "segment", "s", "group",
					 "encap", "etherip", "why", "router", "version", 6));
	} else if (strcmp(command, "uplink.show") == 0) {
		ctl_item(conn, json_pack("{s:s, s:{s:b, s:s, s:i}, s:[{s:i}, {s:i}], s:i}", "name",
					 "lan", "accelerator", "sends", 1, "why", "", "stripped", 3,
					 "ring", "ip", 4, "ip", 6, "mtu", 1500));
	} else if (strcmp(command, "policy.verify") == 0) {
		ctl_item(conn, json_pack("{s:s, s:s, s:s, s:s, s:s, s:b, s:b}", "from", "a",
					 "from_segment", "x", "to", "b", "to_segment", "y", "flow",
					 "controlled", "passes", 0, "tested", 1));
		ctl_item(conn,
			 json_pack("{s:s, s:s, s:s, s:s, s:s, s:b, s:b, s:s}", "from", "a",
				   "from_segment", "x", "to", "c", "to_segment", "x", "flow",
				   "controlled", "passes", 0, "tested", 0, "reason", "link_down"));
	} else if (strcmp(command, "encap.show") == 0) {
		ctl_item(conn, json_pack("{s:s, s:s, s:s, s:s, s:i}", "segment", "beta", "type",
					 "dot1q", "uplink", "lan", "state", "up", "vid", 102));
		ctl_item(conn,
			 json_pack("{s:n, s:s, s:n, s:{s:{s:i}, s:{}}}", "segment", "type", "vxlan",
				   "uplink", "stats", "rx_drops", "unknown_id", 5, "tx_drops"));
	}
	ctl_ok(conn, NULL);
}

static void play(void *arg, struct ctl_conn *conn, const char *command, json_t *args, int *fd)
{
	char *text = json_dumps(args, JSON_COMPACT | JSON_SORT_KEYS);
	size_t used = strlen(log_text);

	(void)arg;
	(void)snprintf(log_text + used, sizeof(log_text) - used, "%s %s\n", command, text);
	free(text);
	if (strcmp(command, "status") == 0) {
		ctl_ok(conn, json_pack("{s:s, s:i, s:{s:i}}", "host", "hostA", "uptime", 7, "pool",
				       "used", 3));
	} else if (strcmp(command, "metrics") == 0) {
		ctl_ok(conn, json_string("# HELP x\nx 1\n"));
	} else if (strcmp(command, "version") == 0) {
		ctl_ok(conn, json_pack("{s:s}", "version", "9.9"));
	} else if (strcmp(command, "fdb.show") == 0) {
		int *n = calloc(1, sizeof(*n));

		ctl_generate(conn, many_next, free, n);
	} else if (strcmp(command, "segment.del") == 0) {
		ctl_item(conn, json_pack("{s:i}", "half", 1));
		ctl_fail(conn, "segment \"beta\" has ports");
	} else if (strcmp(command, "monitor") == 0) {
		ctl_subscribe(conn);
		ctl_publish(server, json_pack("{s:s, s:i}", "event", "moved", "n", 1));
	} else if (strcmp(command, "mirror.add") == 0) {
		assert_true(*fd < 0 || write(*fd, "pcapng", 6) == 6);
		if (strcmp(json_string_value(json_object_get(args, "name")), "bad") == 0)
			ctl_fail(conn, "no");
		else
			ctl_ok(conn, NULL);
	} else if (strcmp(command, "pcap") == 0) {
		packets = *fd;
		*fd = -1;
		assert_int_equal(write(packets, "packets", 7), 7);
		ctl_ok(conn, NULL);
	} else if (strcmp(command, "trace") == 0) {
		for (size_t i = 0; i < json_array_size(json_object_get(args, "frames")); i++)
			ctl_item(conn, json_pack("{s:[{s:s, s:s}], s:s, s:n, s:[s]}", "steps",
						 "stage", "sanity", "what", "60 bytes", "verdict",
						 "forward", "reason", "to", "port vm2"));
		ctl_ok(conn, NULL);
	} else if (strcmp(command, "policy.matrix") == 0) {
		ctl_item(conn, json_pack("{s:s, s:{s:s, s:s, s:s}}", "from", "", "to", "", "open",
					 "a-rather-long-name", "controlled", "b", "closed"));
		ctl_item(conn,
			 json_pack("{s:s, s:{s:s, s:s, s:s}}", "from", "a-rather-long-name", "to",
				   "", "closed", "a-rather-long-name", "open", "b", "open"));
		ctl_item(conn, json_pack("{s:s, s:{s:s}}", "from", "odd", "to", "", "open"));
		ctl_ok(conn, NULL);
	} else if (strcmp(command, "reload") == 0) {
		ctl_fail(conn, "f.conf:7: bad \x07 line");
	} else {
		play_show(conn, command);
	}
}

/* ---- running switchctl ---- */

static void slurp(const char *path, char *text, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = read(fd, text, size - 1);

	assert_true(n >= 0);
	text[n] = '\0';
	(void)close(fd);
}

static pid_t start(const char *const *argv)
{
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		(void)dup2(open(out_path, O_CREAT | O_TRUNC | O_WRONLY, 0600), STDOUT_FILENO);
		(void)dup2(open(err_path, O_CREAT | O_TRUNC | O_WRONLY, 0600), STDERR_FILENO);
		(void)dup2(open(in_path, O_CREAT | O_RDONLY, 0600), STDIN_FILENO);
		execv(program, (char *const *)(uintptr_t)argv);
		_exit(127);
	}
	return pid;
}

/* Runs the loop until the process has ended: its status, or -signal. */
static int finish(pid_t pid)
{
	ev_tstamp until = ev_time() + 20;
	int status;

	while (waitpid(pid, &status, WNOHANG) == 0) {
		assert_true(ev_time() < until);
		(void)ev_run(loop, EVRUN_NOWAIT);
	}
	slurp(out_path, out, sizeof(out));
	slurp(err_path, err_text, sizeof(err_text));
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

static int run(const char *first, ...)
{
	const char *argv[16] = {"switchctl", "-s", sock, first};
	int n = 4;
	va_list ap;

	va_start(ap, first);
	while ((argv[n] = va_arg(ap, const char *)) != NULL)
		n++;
	va_end(ap);
	log_text[0] = '\0';
	return finish(start(argv));
}

#define RUN(...) run(__VA_ARGS__, NULL)

static void put_file(const char *path, const void *data, size_t size)
{
	int fd = open(path, O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);

	assert_int_equal(write(fd, data, size), size);
	(void)close(fd);
}

/* ---- tests ---- */

static void text(void **state)
{
	(void)state;
	assert_int_equal(RUN("port"), 0);
	assert_string_equal(
	    out, "vm1: type tap segment alpha state down (no such ?[2J namespace) ifname tap0"
		 " owner file colour blue\n"
		 "    rx frames 10 bytes 1000 segments 12 drops storm 3 reserved 1\n"
		 "    tx frames 5 bytes 300\n"
		 "vm2: type tap segment alpha state down (no such ?[2J namespace) ifname tap0"
		 " owner file colour blue\n"
		 "    rx frames 10 bytes 1000 segments 12 drops storm 3 reserved 1\n"
		 "    tx frames 5 bytes 300\n");
	assert_string_equal(log_text, "port.show {}\n");
	assert_int_equal(RUN("segment"), 0);
	assert_string_equal(out, "alpha: id 1 domain d mtu 1464\n"
				 "    encap etherip uplink lan peers 192.0.2.2,192.0.2.3\n"
				 "    fdb entries 1 max 8192\n");
	assert_int_equal(RUN("encap"), 0);
	assert_string_equal(out, "beta: dot1q uplink lan state up vid 102\n"
				 "no segment: vxlan\n"
				 "    rx drops unknown_id 5\n");
	assert_int_equal(RUN("status"), 0);
	assert_string_equal(out, "host      hostA\n"
				 "uptime    7\n"
				 "pool.used 3\n");
	assert_int_equal(RUN("metrics"), 0);
	assert_string_equal(out, "# HELP x\nx 1\n");
	assert_int_equal(RUN("relay"), 0);
	assert_string_equal(out, "");
	assert_int_equal(RUN("uplink"), 0);
	assert_string_equal(out, "lan: mtu 1500\n"
				 "    accelerator sends yes stripped 3\n"
				 "    ring ip 4\n"
				 "    ring ip 6\n");
	assert_int_equal(RUN("multicast"), 0);
	assert_string_equal(out, "239.1.1.1 member segment s port p version 4 expires 9\n"
				 "* router segment s encap etherip version 6\n");
	assert_int_equal(RUN("policy", "verify"), 0);
	assert_string_equal(out, "a (x) -> b (y): passes by rules alone flow controlled\n"
				 "a (x) -> c (x): does not pass (untested) flow controlled reason "
				 "link_down\n");
	assert_string_equal(err_text, "");
}

static void json(void **state)
{
	json_t *array;

	(void)state;
	assert_int_equal(RUN("-j", "relay", "show"), 0);
	assert_string_equal(out, "[]\n");
	assert_int_equal(RUN("-j", "status"), 0);
	assert_string_equal(out, "{\"host\":\"hostA\",\"uptime\":7,\"pool\":{\"used\":3}}\n");
	assert_int_equal(RUN("-j", "fdb"), 0);
	array = json_loads(out, 0, NULL);
	assert_int_equal(json_array_size(array), 2000);
	json_decref(array);
	assert_int_equal(RUN("-jp", "port"), 0);
	array = json_loads(out, 0, NULL);
	assert_int_equal(json_array_size(array), 2);
	assert_non_null(strstr(out, "\n    \"name\": \"vm1\""));
	json_decref(array);
	assert_int_equal(RUN("-j", "version"), 0);
	array = json_loads(out, 0, NULL);
	assert_string_equal(json_string_value(json_object_get(array, "version")), "9.9");
	json_decref(array);
	assert_int_equal(RUN("-j", "list-commands"), 0);
	array = json_loads(out, 0, NULL);
	assert_true(json_array_size(array) > 20);
	json_decref(array);
}

/* As wide as it must be, without blanks at the ends of lines or colours in a file. */
static void matrix(void **state)
{
	(void)state;
	assert_int_equal(RUN("policy", "matrix"), 0);
	assert_string_equal(out, "from \\ to           (default)  a-rather-long-name  b\n"
				 "(default)           -          controlled          closed\n"
				 "a-rather-long-name  closed     -                   open\n");
	assert_int_equal(RUN("policy", "matrix", "--dot"), 0);
	assert_non_null(strstr(out, "\t\"(default)\" -> \"a-rather-long-name\" [label="));
	assert_null(strstr(out, "-> \"b\" [label=\"closed"));
}

static void failures(void **state)
{
	const char *argv[] = {"switchctl", "-s", "/nonexistent/sock", "status", NULL};
	const char *empty[] = {"switchctl", NULL};

	(void)state;
	assert_int_equal(finish(start(argv)), 1);
	assert_string_equal(err_text, "switchctl: cannot reach switchd at /nonexistent/sock: No "
				      "such file or directory (is it running?)\n");
	assert_int_equal(finish(start(empty)), 2);
	assert_int_equal(RUN("reload"), 1);
	assert_non_null(strstr(err_text, "switchctl: f.conf:7: bad"));
	assert_int_equal(RUN("-j", "segment", "del", "beta"), 1);
	assert_string_equal(err_text, "switchctl: segment \"beta\" has ports\n");
	assert_string_equal(out, "");
	assert_int_equal(RUN("port", "frobnicate"), 2);
	assert_int_equal(RUN("--nonsense"), 2);
	assert_int_equal(RUN("-V"), 0);
	assert_int_equal(RUN("policy", "help"), 0);
	assert_string_equal(out, "usage: switchctl policy show\n"
				 "       switchctl policy check FROM TO\n"
				 "       switchctl policy matrix [--dot]\n"
				 "       switchctl policy verify [PORT]\n");
	assert_int_equal(RUN("pcap", "port", "vm1", "tcp", "port"), 1);
	assert_non_null(strstr(err_text, "filter 'tcp port'"));
	assert_string_equal(log_text, "");
}

static void batch(void **state)
{
	static const char lines[] = "# a comment\n"
				    "port show vm1 # one\n"
				    "\n"
				    "port add 'v 2' type tap segment alpha\n"
				    "reload\n"
				    "port del vm1\n";

	(void)state;
	put_file(file_path, lines, sizeof(lines) - 1);
	assert_int_equal(RUN("-b", file_path), 1);
	assert_string_equal(log_text,
			    "port.show {\"name\":\"vm1\"}\n"
			    "port.add {\"name\":\"v 2\",\"segment\":\"alpha\",\"type\":\"tap\"}\n"
			    "reload {}\n");
	assert_non_null(strstr(err_text, ":5: f.conf:7"));
	put_file(in_path, "status\nport frob\nstatus", 23);
	assert_int_equal(RUN("-b", "-"), 2);
	assert_non_null(strstr(err_text, "switchctl: stdin:2: unknown verb 'frob'"));
	assert_string_equal(log_text, "status {}\n");
	put_file(in_path, "status\nstatus", 13);
	assert_int_equal(RUN("-b", "-"), 0);
	assert_string_equal(log_text, "status {}\nstatus {}\n");
	assert_int_equal(RUN("-b", "/nonexistent"), 1);
	assert_int_equal(RUN("-b", file_path, "status"), 2);
}

static void mirror(void **state)
{
	char name[512], content[64];

	(void)state;
	(void)unlink(file_path);
	assert_int_equal(RUN("mirror", "add", "m", "port", "p", "file", file_path), 0);
	slurp(file_path, content, sizeof(content));
	assert_string_equal(content, "pcapng");
	(void)snprintf(name, sizeof(name),
		       "mirror.add {\"file\":\"%s\",\"name\":\"m\",\"port\":"
		       "\"p\"}\n",
		       file_path);
	assert_string_equal(log_text, name);
	(void)unlink(file_path);
	assert_int_equal(RUN("mirror", "add", "bad", "port", "p", "file", file_path), 1);
	assert_int_equal(access(file_path, F_OK), -1);
	assert_int_equal(RUN("mirror", "add", "m", "port", "p", "file", "/nonexistent/x"), 1);
	assert_string_equal(log_text, "");
	assert_int_equal(RUN("mirror", "add", "m", "segment", "s", "port", "q"), 0);
}

/* Runs a capture until its first bytes are out, then ends it in one of three ways. */
static void capture(void **state)
{
	const char *argv[] = {"switchctl", "-s", sock, "pcap", "segment", "a", "ip", NULL};

	(void)state;
	for (int way = 0; way < 3; way++) {
		ev_tstamp until = ev_time() + 20;
		pid_t pid;

		log_text[0] = out[0] = '\0';
		(void)unlink(out_path);
		pid = start(argv);
		while (strcmp(out, "packets") != 0) {
			assert_true(ev_time() < until);
			(void)ev_run(loop, EVRUN_NOWAIT);
			if (access(out_path, F_OK) == 0)
				slurp(out_path, out, sizeof(out));
		}
		if (way == 0)
			(void)kill(pid, SIGINT);
		else if (way == 1)
			(void)kill(pid, SIGTERM);
		(void)close(packets);
		assert_int_equal(finish(pid), 0);
		assert_string_equal(out, "packets");
		/* ldh [12]; jeq #0x800; ret #262144; ret #0 */
		assert_string_equal(log_text,
				    "pcap {\"filter\":[[40,0,0,12],[21,0,1,2048],[6,0,0,262144],[6,"
				    "0,0,0]],\"segment\":\"a\"}\n");
	}
}

static void monitor(void **state)
{
	const char *argv[] = {"switchctl", "-s", sock, "monitor", NULL};
	ev_tstamp until = ev_time() + 20;
	pid_t pid;

	(void)state;
	(void)unlink(out_path);
	out[0] = '\0';
	pid = start(argv);
	while (!strchr(out, '\n')) {
		assert_true(ev_time() < until);
		(void)ev_run(loop, EVRUN_NOWAIT);
		if (access(out_path, F_OK) == 0)
			slurp(out_path, out, sizeof(out));
	}
	assert_string_equal(out, "{\"event\":\"moved\",\"n\":1}\n");
	ctl_server_close(server);
	assert_int_equal(finish(pid), 1);
	assert_string_equal(err_text, "switchctl: switchd closed the connection\n");
	assert_int_equal(ctl_server_open(&server, loop, sock, play, NULL, NULL), 0);
}

static void put32(uint8_t **to, uint32_t value)
{
	memcpy(*to, &value, sizeof(value));
	*to += sizeof(value);
}

/* A capture file with frames of 60 bytes; each `cut` of them in fact longer. */
static size_t make_pcap(uint8_t *file, unsigned frames, unsigned cut, uint32_t link)
{
	uint8_t *to = file;

	put32(&to, 0xa1b2c3d4);
	put32(&to, 2 | 4 << 16);
	put32(&to, 0);
	put32(&to, 0);
	put32(&to, 65535);
	put32(&to, link);
	for (unsigned i = 0; i < frames; i++) {
		put32(&to, i);
		put32(&to, 0);
		put32(&to, 60);
		put32(&to, cut && i % cut == cut - 1 ? 61 : 60);
		memset(to, (int)i, 60);
		to += 60;
	}
	return (size_t)(to - file);
}

static void trace(void **state)
{
	static uint8_t file[80000];
	json_t *array;

	(void)state;
	assert_int_equal(RUN("trace", "port", "vm1", "0011"), 0);
	assert_string_equal(out, "    sanity     60 bytes\nforward to port vm2\n");
	assert_int_equal(RUN("-j", "trace", "port", "vm1", "0011"), 0);
	array = json_loads(out, 0, NULL);
	assert_true(json_is_object(array));
	json_decref(array);
	put_file(file_path, file, make_pcap(file, 1000, 0, 1));
	assert_int_equal(RUN("-j", "trace", "port", "vm1", "-r", file_path), 0);
	array = json_loads(out, 0, NULL);
	assert_int_equal(json_array_size(array), 1000);
	json_decref(array);
	put_file(file_path, file, make_pcap(file, 0, 0, 1));
	assert_int_equal(RUN("-j", "trace", "port", "vm1", "-r", file_path), 0);
	assert_string_equal(out, "[]\n");
	put_file(file_path, file, make_pcap(file, 3, 2, 1));
	assert_int_equal(RUN("trace", "port", "vm1", "-r", file_path), 1);
	assert_non_null(strstr(err_text, "frame 2 of the file is cut"));
	put_file(file_path, file, make_pcap(file, 3, 0, 113));
	assert_int_equal(RUN("trace", "port", "vm1", "-r", file_path), 1);
	assert_non_null(strstr(err_text, "no Ethernet"));
	put_file(file_path, "nonsense", 8);
	assert_int_equal(RUN("trace", "port", "vm1", "-r", file_path), 1);
}

static int begin(void **state)
{
	ssize_t n = readlink("/proc/self/exe", program, sizeof(program) - 32);
	char *slash;

	(void)state;
	assert_true(n > 0);
	program[n] = '\0';
	for (int up = 0; up < 2; up++) {
		slash = strrchr(program, '/');
		if (slash)
			*slash = '\0';
	}
	(void)strcat(program, "/bin/switchctl");
	if (access(program, X_OK) < 0) {
		(void)printf("skipped: %s is not built\n", program);
		exit(77);
	}
	(void)snprintf(dir, sizeof(dir), "/tmp/test_ctl.XXXXXX");
	assert_non_null(mkdtemp(dir));
	(void)snprintf(sock, sizeof(sock), "%s/sock", dir);
	(void)snprintf(out_path, sizeof(out_path), "%s/out", dir);
	(void)snprintf(err_path, sizeof(err_path), "%s/err", dir);
	(void)snprintf(in_path, sizeof(in_path), "%s/in", dir);
	(void)snprintf(file_path, sizeof(file_path), "%s/file", dir);
	loop = ev_loop_new(EVFLAG_AUTO);
	return ctl_server_open(&server, loop, sock, play, NULL, NULL);
}

static int end(void **state)
{
	(void)state;
	ctl_server_close(server);
	ev_loop_destroy(loop);
	(void)unlink(out_path);
	(void)unlink(err_path);
	(void)unlink(in_path);
	(void)unlink(file_path);
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(text),    cmocka_unit_test(json),	 cmocka_unit_test(failures),
	    cmocka_unit_test(batch),   cmocka_unit_test(mirror), cmocka_unit_test(capture),
	    cmocka_unit_test(monitor), cmocka_unit_test(trace),	 cmocka_unit_test(matrix),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
