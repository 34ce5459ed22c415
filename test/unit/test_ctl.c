/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The control channel: requests, whole and broken; the socket; the client's side.
 */
#include "test/unit/ctl_harness.h"

/* ---- requests ---- */

static void answers(void **state)
{
	int fd = dial();

	(void)state;
	say(fd, "{\"do\":\"echo\",\"args\":{\"a\":[1,\"x\\n\"]}}\n");
	assert_hears(fd, "{\"ok\":true,\"result\":{\"a\":[1,\"x\\n\"]}}");
	say(fd, "{\"do\":\"echo\"}\n");
	assert_hears(fd, "{\"ok\":true,\"result\":{}}");
	say(fd, "{\"do\":\"items\"}\r\n");
	assert_hears(fd, "{\"item\":{\"n\":1}}");
	assert_hears(fd, "{\"item\":{\"n\":2}}");
	assert_hears(fd, "{\"ok\":true}");
	say(fd, "{\"do\":\"nonsense\"}\n");
	assert_hears(fd, "{\"ok\":false,\"error\":\"unknown command 'nonsense'\"}");
	say(fd, "{\"do\":\"vanish\"}\n");
	assert_hears(fd, "{\"ok\":false,\"error\":\"it went away\"}");
	say(fd, "{\"do\":\"bad-utf8\"}\n");
	assert_hears(fd, "{\"ok\":false,\"error\":\"no ?? here\"}");
	assert_int_equal(ctl_server_counters(server).bad_requests, 0);
	assert_int_equal(ctl_server_counters(server).requests, 6);
	(void)close(fd);
	drain();
}

/* A handler's mistakes are logged and do not upset the client's count of answers. */
static void handler_mistakes(void **state)
{
	int fd = dial();
	int log = dup(STDERR_FILENO);

	(void)state;
	(void)!freopen("/dev/null", "w", stderr);
	say(fd, "{\"do\":\"twice\"}\n");
	assert_hears(fd, "{\"ok\":true}");
	say(fd, "{\"do\":\"nothing\"}\n");
	assert_hears_part(fd, "internal error");
	say(fd, "{\"do\":\"echo\"}\n");
	assert_hears(fd, "{\"ok\":true,\"result\":{}}");
	(void)dup2(log, STDERR_FILENO);
	(void)close(log);
	(void)close(fd);
	drain();
}

static void pipelined(void **state)
{
	int fd = dial();

	(void)state;
	say(fd, "{\"do\":\"count\",\"args\":{\"to\":3}}\n{\"do\":\"items\"}\n{\"do\":\"echo\"}\n");
	(void)shutdown(fd, SHUT_WR);
	for (int i = 0; i < 3; i++)
		assert_hears_part(fd, "{\"item\":{\"n\":");
	assert_hears(fd, "{\"ok\":true}");
	assert_hears(fd, "{\"item\":{\"n\":1}}");
	assert_hears(fd, "{\"item\":{\"n\":2}}");
	assert_hears(fd, "{\"ok\":true}");
	assert_hears(fd, "{\"ok\":true,\"result\":{}}");
	assert_null(hear(fd));
	(void)close(fd);
	drain();
}

/* Cut at every byte, a request means the same. */
static void split(void **state)
{
	static const char request[] = "{\"do\":\"echo\",\"args\":{\"k\":\"v\"}}\n";
	int fd = dial();

	(void)state;
	for (size_t cut = 0; cut < sizeof(request) - 1; cut++) {
		assert_int_equal(send(fd, request, cut, 0), cut);
		turn(3);
		say(fd, request + cut);
		assert_hears(fd, "{\"ok\":true,\"result\":{\"k\":\"v\"}}");
	}
	for (const char *c = request; *c; c++) {
		assert_int_equal(send(fd, c, 1, 0), 1);
		turn(2);
	}
	assert_hears(fd, "{\"ok\":true,\"result\":{\"k\":\"v\"}}");
	(void)close(fd);
	drain();
}

static void malformed(void **state)
{
	static const struct {
		const char *line, *why;
	} cases[] = {
	    {"\n", "not JSON"},
	    {"hello\n", "not JSON"},
	    {"{\"do\":\"echo\"\n", "not JSON"},
	    {"{\"do\":\"echo\"} x\n", "not JSON"},
	    {"{\"do\":\"echo\",\"do\":\"echo\"}\n", "not JSON"},
	    {"{\"do\":\"\\ud800\"}\n", "not JSON"},
	    {"{\"do\":\"\xff\"}\n", "not JSON"},
	    {"{\"do\":\"a\\u0000b\"}\n", "not JSON"},
	    {"[]\n", "not a JSON object"},
	    {"\"do\"\n", "not JSON"},
	    {"{}\n", "no \\\"do\\\""},
	    {"{\"do\":7}\n", "no \\\"do\\\""},
	    {"{\"args\":{}}\n", "no \\\"do\\\""},
	    {"{\"do\":\"echo\",\"args\":[]}\n", "not an object"},
	    {"{\"do\":\"echo\",\"args\":null}\n", "not an object"},
	    {"{\"do\":\"echo\",\"arg\":{}}\n", "key other than"},
	};
	int fd = dial();

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		say(fd, cases[i].line);
		assert_hears_part(fd, cases[i].why);
		assert_int_equal(ctl_server_counters(server).bad_requests, i + 1);
	}
	/* The connection is still good. */
	say(fd, "{\"do\":\"echo\"}\n");
	assert_hears(fd, "{\"ok\":true,\"result\":{}}");
	(void)close(fd);
	drain();
}

static void nested(void **state)
{
	char *line = malloc(CTL_REQUEST_MAX + 1);
	int fd = dial();

	(void)state;
	memset(line, '[', CTL_REQUEST_MAX - 1);
	line[CTL_REQUEST_MAX - 1] = '\n';
	line[CTL_REQUEST_MAX] = '\0';
	say(fd, line);
	assert_hears_part(fd, "depth");
	say(fd, "{\"do\":\"echo\"}\n");
	assert_hears(fd, "{\"ok\":true,\"result\":{}}");
	(void)close(fd);
	free(line);
	drain();
}

/* The longest request is served; one byte more is refused, whole or not. */
static void oversized(void **state)
{
	static const char head[] = "{\"do\":\"unknown\",\"args\":{\"k\":\"", tail[] = "\"}}";
	char *line = malloc(CTL_REQUEST_MAX + 2);
	size_t k = CTL_REQUEST_MAX - strlen(head) - strlen(tail);
	int fd = dial();

	(void)state;
	memset(line, 'x', CTL_REQUEST_MAX);
	memcpy(line, head, strlen(head));
	memcpy(line + strlen(head) + k, tail, sizeof(tail));
	say(fd, line);
	say(fd, "\n");
	assert_hears_part(fd, "unknown command");
	say(fd, line);
	say(fd, " \n");
	assert_hears_part(fd, "longer than 262144 bytes");
	assert_null(hear(fd));
	(void)close(fd);
	fd = dial();
	say(fd, line);
	say(fd, " ");
	assert_hears_part(fd, "longer than 262144 bytes");
	assert_null(hear(fd));
	assert_int_equal(ctl_server_counters(server).bad_requests, 2);
	(void)close(fd);
	free(line);
	drain();
}

static void truncated(void **state)
{
	int fd = dial();

	(void)state;
	say(fd, "{\"do\":\"ec");
	(void)shutdown(fd, SHUT_WR);
	assert_hears_part(fd, "without a newline");
	assert_null(hear(fd));
	(void)close(fd);
	fd = dial();
	say(fd, "{\"do\":\"ec");
	(void)close(fd);
	turn(3);
	drain();
	assert_int_equal(ctl_server_counters(server).bad_requests, 2);
}

/* ---- the socket, and the client's functions ---- */

static void the_socket(void **state)
{
	struct ctl_server *second = NULL;
	struct stat st;
	struct err err;
	char longer[200], plain[160];
	int leftover;

	(void)state;
	assert_int_equal(stat(path, &st), 0);
	assert_true(S_ISSOCK(st.st_mode));
	assert_int_equal(st.st_mode & 0777, 0600);
	/* One that answers is not replaced; something else than a socket neither. */
	assert_int_equal(ctl_server_open(&second, loop, path, handle, NULL, &err), -EADDRINUSE);
	assert_non_null(strstr(err.text, "in use"));
	(void)snprintf(plain, sizeof(plain), "%s/plain", dir);
	(void)close(open(plain, O_CREAT | O_WRONLY, 0600));
	assert_int_equal(ctl_server_open(&second, loop, plain, handle, NULL, &err), -EEXIST);
	assert_non_null(strstr(err.text, "not a socket"));
	(void)unlink(plain);
	memset(longer, 'a', sizeof(longer));
	longer[sizeof(longer) - 1] = '\0';
	assert_int_equal(ctl_server_open(&second, loop, longer, handle, NULL, &err), -ENAMETOOLONG);
	assert_int_equal(ctl_server_open(&second, loop, "", handle, NULL, &err), -ENAMETOOLONG);
	assert_int_equal(ctl_server_open(&second, loop, "/nonexistent/x", handle, NULL, &err),
			 -ENOENT);
	assert_null(second);
	/* A leftover is. */
	ctl_server_close(server);
	leftover = socket(AF_UNIX, SOCK_STREAM, 0);
	{
		struct sockaddr_un addr = {.sun_family = AF_UNIX};

		(void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", path);
		assert_int_equal(bind(leftover, (struct sockaddr *)&addr, sizeof(addr)), 0);
	}
	(void)close(leftover);
	assert_int_equal(ctl_server_open(&server, loop, path, handle, &server, &err), 0);
	ctl_server_close(NULL);
}

static void client(void **state)
{
	struct ctl_client *client = NULL;
	json_t *line;
	struct err err;
	int pipes[2];
	char *big;

	(void)state;
	assert_int_equal(ctl_client_open(&client, "/nonexistent/x", &err), -ENOENT);
	assert_int_equal(ctl_client_open(&client, "", &err), -ENAMETOOLONG);
	assert_int_equal(ctl_client_open(&client, path, &err), 0);
	assert_int_equal(ctl_client_send(client, "echo", json_pack("{s:s}", "a", "b"), -1, &err),
			 0);
	turn(10);
	line = ctl_client_read(client, &err);
	assert_non_null(line);
	assert_true(json_is_true(json_object_get(line, "ok")));
	json_decref(line);
	assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
	assert_int_equal(ctl_client_send(client, "fd", NULL, pipes[1], &err), 0);
	idle_ms = 100;
	turn(10);
	line = ctl_client_read(client, &err);
	assert_true(json_is_true(json_object_get(line, "result")));
	json_decref(line);
	(void)close(pipes[0]);
	(void)close(pipes[1]);
	big = calloc(1, CTL_REQUEST_MAX + 1);
	memset(big, 'x', CTL_REQUEST_MAX);
	assert_int_equal(ctl_client_send(client, "echo", json_pack("{s:s}", "a", big), -1, &err),
			 -EMSGSIZE);
	free(big);
	/* The server's last line is read even when sending has failed by then. */
	while (server->counters.connections)
		turn(1);
	assert_int_equal(ctl_client_send(client, "echo", NULL, -1, &err), 0);
	line = ctl_client_read(client, &err);
	assert_non_null(strstr(json_string_value(json_object_get(line, "error")), "silent"));
	json_decref(line);
	assert_null(ctl_client_read(client, &err));
	assert_string_equal(err.text, "");
	ctl_client_close(client);
	ctl_client_close(NULL);
}

/* The server goes while everything is under way. */
static void close_amidst(void **state)
{
	int count = dial(), half = dial(), hold = dial(), sub = dial();
	struct err err;

	(void)state;
	say(count, "{\"do\":\"count\",\"args\":{\"to\":100000}}\n");
	say(half, "{\"do\":");
	say(hold, "{\"do\":\"hold\"}\n");
	say(sub, "{\"do\":\"subscribe\"}\n");
	turn(30);
	ctl_server_close(server);
	assert_int_equal(done_calls, 1);
	assert_int_equal(hangup_calls, 1);
	assert_hears(sub, "{\"ok\":true,\"stream\":true}");
	assert_null(hear(sub));
	(void)close(count);
	(void)close(half);
	(void)close(hold);
	(void)close(sub);
	assert_int_equal(ctl_server_open(&server, loop, path, handle, &server, &err), 0);
}

/* Random bytes that are almost requests, in random pieces. */
static void noise(void **state)
{
	static const char letters[] = "{}[]\",:\n\\ doargsecho\"do\":\"echo\"";
	unsigned seed = 1;
	int fd = dial();
	char text[64], sink[4096];

	(void)state;
	for (int i = 0; i < 20000; i++) {
		size_t n = (size_t)(rand_r(&seed) % (int)sizeof(text));

		for (size_t k = 0; k < n; k++)
			text[k] = letters[rand_r(&seed) % (int)(sizeof(letters) - 1)];
		if (send(fd, text, n, MSG_NOSIGNAL) < 0 && errno == EPIPE) {
			(void)close(fd);
			fd = dial();
		}
		turn(1);
		while (recv(fd, sink, sizeof(sink), 0) > 0)
			;
	}
	assert_true(ctl_server_counters(server).bad_requests > 1000);
	(void)close(fd);
	drain();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    TEST(answers),    TEST(handler_mistakes), TEST(pipelined),	  TEST(split),
	    TEST(malformed),  TEST(nested),	      TEST(oversized),	  TEST(truncated),
	    TEST(the_socket), TEST(client),	      TEST(close_amidst), TEST(noise),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
