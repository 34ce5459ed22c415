/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The server end of the control channel.
 *
 * A connection is in one of three states. It *waits* for a request (it may hold a
 * part of one); it *answers*, with bytes in its queue or a generator that will
 * make more, and is not read meanwhile; or, once subscribed or held by a hangup
 * callback, it *streams* and may only hang up. A handler changes nothing but
 * queues and flags; connections are closed in settle() and by timers alone, so
 * that nobody's pointer to one dies under him.
 */
#include "lib/ctl.h"

#include <assert.h>
#include <errno.h>
#include <ev.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/ctl_line.h"
#include "lib/ctl_listen.h"
#include "lib/json_memory.h"
#include "lib/list.h"
#include "lib/log.h"
#include "lib/revive.h"

LOG_MODULE("control");

#define READ_BYTES	 16384u
#define OUT_OF_MEMORY	 "{\"ok\":false,\"error\":\"out of memory\"}\n"
#define GENERATE_BELOW	 (64u * 1024u) /* a generator is asked while less waits */
#define ACCEPTS_A_TURN	 16
#define ACCEPT_PAUSE_S	 1. /* without descriptors to accept with */
#define DESCRIPTORS_MOST 4  /* received in one message; the kernel closes what is more */

struct ctl_server {
	struct ev_loop *loop;
	int fd;
	struct sockaddr_un addr;
	ctl_request_fn *fn;
	void *arg;
	ev_io readable;
	ev_timer pause;
	struct list conns;
	struct ctl_server_counters counters;
	unsigned subscribers;
	bool shared; /* another process listens too */
};

struct ctl_conn {
	struct ctl_server *server;
	struct list by_server;
	int fd;
	int passed; /* the descriptor that came with the request, or -1 */
	pid_t pid;
	ev_io io;
	ev_timer timer;
	uint64_t
	    since; /* of clock_ms(): when the timer was last set: how long it has been silent */
	struct ctl_buffer in, out;
	ctl_next_fn *next;
	void (*done)(void *);
	void *state;
	void (*hangup)(void *);
	void *hangup_arg;
	unsigned long long lost; /* events since the queue was full */
	bool answered;		 /* the request at hand */
	bool short_of_memory;	 /* some of its answer is missing */
	bool subscribed;
	bool closing; /* after what is in the queue */
	bool broken;  /* at once */
};

static bool conn_streams(const struct ctl_conn *conn)
{
	return conn->subscribed || conn->hangup;
}

static bool conn_answers(const struct ctl_conn *conn)
{
	/* The analyzer does not see that list_del() takes a freed connection out. */
	/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc) */
	return conn->next || ctl_buffer_len(&conn->out) > 0;
}

/* Sets the timer to what the state allows, from now on. */
static void conn_patience(struct ctl_conn *conn)
{
	unsigned ms = CTL_IDLE_MS;

	if (conn_answers(conn))
		ms = CTL_STALL_MS;
	else if (conn_streams(conn))
		ms = 0;
	conn->since = clock_ms();
	conn->timer.repeat = ms / 1000.;
	ev_timer_again(conn->server->loop, &conn->timer); /* stops it when 0 */
}

static void close_passed(struct ctl_conn *conn)
{
	if (conn->passed >= 0)
		(void)close(conn->passed); /* @syscall close */
	conn->passed = -1;
}

static void conn_end_generator(struct ctl_conn *conn)
{
	void (*done)(void *) = conn->done;
	void *state = conn->state;

	conn->next = NULL;
	conn->done = NULL;
	conn->state = NULL;
	if (done)
		done(state);
}

static void conn_free(struct ctl_conn *conn)
{
	struct ctl_server *server = conn->server;
	void (*hangup)(void *) = conn->hangup;

	list_del(&conn->by_server);
	server->counters.connections--;
	if (conn->subscribed)
		server->subscribers--;
	conn_end_generator(conn);
	if (hangup)
		hangup(conn->hangup_arg);
	ev_io_stop(server->loop, &conn->io);
	ev_timer_stop(server->loop, &conn->timer);
	close_passed(conn);
	(void)close(conn->fd); /* @syscall close */
	ctl_buffer_clear(&conn->in);
	ctl_buffer_clear(&conn->out);
	free(conn);
}

/* A last line to somebody who gets no queue; whether it arrives does not matter. */
static void send_goodbye(int fd, const char *why)
{
	char line[160];
	struct iovec iov = {.iov_base = line};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	int n = snprintf(line, sizeof(line), "{\"ok\":false,\"error\":\"%s\"}\n", why);

	iov.iov_len = (size_t)n;
	(void)sendmsg(fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL); /* @syscall sendmsg */
}

/* ---- answers ---- */

static void append_text(struct ctl_conn *conn, const char *text)
{
	if (ctl_buffer_append(&conn->out, text, strlen(text)) < 0)
		conn->broken = true;
}

/* Whole, or a plain word that it could not be. What is left of an answer is no answer. */
static void append_json(struct ctl_conn *conn, const char *prefix, const json_t *json,
			const char *suffix)
{
	if (json_memory_short() || conn->short_of_memory ||
	    ctl_buffer_json(&conn->out, prefix, json, suffix) < 0)
		append_text(conn, OUT_OF_MEMORY);
	conn->short_of_memory = false;
}

static bool begin_answer(struct ctl_conn *conn)
{
	if (conn->answered) {
		log_error("a request was answered twice; the second answer is not sent");
		return false;
	}
	conn->answered = true;
	return true;
}

void ctl_ok(struct ctl_conn *conn, json_t *result)
{
	if (begin_answer(conn)) {
		if (result || conn->short_of_memory || json_memory_short())
			append_json(conn, "{\"ok\":true,\"result\":", result, "}\n");
		else
			append_text(conn, "{\"ok\":true}\n");
	}
	json_decref(result);
}

void ctl_fail(struct ctl_conn *conn, const char *fmt, ...)
{
	char text[1024];
	json_t *string;
	va_list ap;

	if (!begin_answer(conn))
		return;
	va_start(ap, fmt);
	(void)vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	/* Then what was not found, or was wrong, was perhaps only not to be had. */
	if (json_memory_short())
		(void)snprintf(text, sizeof(text), "out of memory");
	string = json_string(text);
	if (!string) { /* it quotes what is not UTF-8, or was cut within a character */
		for (char *c = text; *c; c++) {
			if ((unsigned char)*c >= 0x80)
				*c = '?';
		}
		string = json_string(text);
	}
	conn->hangup = NULL;
	conn->short_of_memory = false;
	append_json(conn, "{\"ok\":false,\"error\":", string, "}\n");
	json_decref(string);
}

void ctl_item(struct ctl_conn *conn, json_t *item)
{
	/* An item that is missing is told by the end of the answer. */
	if (json_memory_short() || ctl_buffer_json(&conn->out, "{\"item\":", item, "}\n") < 0)
		conn->short_of_memory = true;
	json_decref(item);
}

void ctl_item_text(struct ctl_conn *conn, const char *text, size_t len)
{
	static const char head[] = "{\"item\":", tail[] = "}\n";
	const size_t more = sizeof(head) - 1 + sizeof(tail) - 1;
	char *to = ctl_buffer_reserve(&conn->out, len + more);

	if (!to) {
		conn->short_of_memory = true;
		return;
	}
	memcpy(to, head, sizeof(head) - 1);
	memcpy(to + sizeof(head) - 1, text, len);
	memcpy(to + sizeof(head) - 1 + len, tail, sizeof(tail) - 1);
	ctl_buffer_put(&conn->out, len + more);
}

void ctl_generate(struct ctl_conn *conn, ctl_next_fn *next, void (*done)(void *), void *state)
{
	if (!begin_answer(conn)) {
		if (done)
			done(state);
		return;
	}
	conn->next = next;
	conn->done = done;
	conn->state = state;
}

void ctl_subscribe(struct ctl_conn *conn)
{
	if (!begin_answer(conn))
		return;
	append_text(conn, "{\"ok\":true,\"stream\":true}\n");
	conn->subscribed = true;
	conn->server->subscribers++;
}

bool ctl_has_subscribers(const struct ctl_server *server)
{
	return server && server->subscribers > 0;
}

bool ctl_event_wanted(struct ctl_server *server)
{
	bool wanted = false;

	if (!ctl_has_subscribers(server))
		return false;
	list_for_each (&server->conns, it) {
		const struct ctl_conn *conn = container_of(it, struct ctl_conn, by_server);

		wanted |= conn->subscribed && !conn->broken && !conn->lost;
	}
	if (wanted)
		return true;
	list_for_each (&server->conns, it) {
		struct ctl_conn *conn = container_of(it, struct ctl_conn, by_server);

		if (conn->subscribed) {
			conn->lost++;
			server->counters.events_lost++;
		}
	}
	return false;
}

pid_t ctl_conn_pid(const struct ctl_conn *conn)
{
	return conn->pid;
}

void ctl_on_hangup(struct ctl_conn *conn, void (*fn)(void *), void *arg)
{
	conn->hangup = fn;
	conn->hangup_arg = arg;
	/* Taken back: the client may ask again, or be too silent. */
	if (!fn)
		conn_patience(conn);
}

/* ---- the loop's side ---- */

/* Which events and how long; or, for those that are through, the end. */
static void settle(struct ctl_conn *conn)
{
	struct ctl_server *server = conn->server;
	bool answers = conn_answers(conn);
	int events;

	if (conn->broken || (conn->closing && !answers)) {
		conn_free(conn);
		return;
	}
	events = answers ? EV_WRITE : 0;
	if (!answers || conn_streams(conn))
		events |= EV_READ;
	/* The next request came along with this one: back here in the next turn. */
	if (!answers && ctl_buffer_line(&conn->in, CTL_REQUEST_MAX) != -EAGAIN)
		events = EV_WRITE;
	if (events == (conn->io.events & (EV_READ | EV_WRITE)) && ev_is_active(&conn->io))
		return;
	ev_io_stop(server->loop, &conn->io);
	ev_io_set(&conn->io, conn->fd, events);
	ev_io_start(server->loop, &conn->io);
}

static void serve_request(struct ctl_conn *conn, const char *text, size_t len)
{
	struct ctl_server *server = conn->server;
	struct ctl_request request;
	struct err err;

	server->counters.requests++;
	conn->answered = conn->short_of_memory = false;
	(void)json_memory_short();
	if (ctl_request_parse(&request, text, len, &err) < 0) {
		server->counters.bad_requests++;
		ctl_fail(conn, "%s", err.text);
	} else {
		server->fn(server->arg, conn, request.command, request.args, &conn->passed);
		if (!conn->answered) {
			log_error("request '%s' was left without an answer", request.command);
			ctl_fail(conn, "internal error: no answer");
		}
		ctl_request_clear(&request);
	}
	close_passed(conn);
}

/* Serves one request, if a whole one is there and nothing is being answered. */
static void serve(struct ctl_conn *conn)
{
	ssize_t len;

	if (conn_streams(conn) && ctl_buffer_len(&conn->in)) {
		conn->server->counters.bad_requests++;
		conn->broken = true;
	}
	if (conn->broken || conn->closing || conn_answers(conn))
		return;
	len = ctl_buffer_line(&conn->in, CTL_REQUEST_MAX);
	if (len == -EAGAIN)
		return;
	if (len < 0) {
		conn->server->counters.requests++;
		conn->server->counters.bad_requests++;
		conn->answered = false;
		conn->closing = true;
		ctl_fail(conn, "the request is longer than %u bytes", CTL_REQUEST_MAX);
	} else {
		serve_request(conn, ctl_buffer_data(&conn->in), (size_t)len);
		ctl_buffer_take(&conn->in, (size_t)len + 1);
	}
	conn_patience(conn);
}

/* Keeps the first descriptor of a request and closes any other. */
static void take_descriptors(struct ctl_conn *conn, struct msghdr *msg)
{
	for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg); cmsg; cmsg = CMSG_NXTHDR(msg, cmsg)) {
		if (cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS)
			continue;
		for (size_t off = CMSG_LEN(0); cmsg->cmsg_len - off >= sizeof(int);
		     off += sizeof(int)) {
			int fd;

			memcpy(&fd, (const char *)cmsg + off, sizeof(fd));
			if (conn->passed < 0)
				conn->passed = fd;
			else
				(void)close(fd); /* @syscall close */
		}
	}
}

/* The client has hung up, or at least has nothing more to say. */
static void hung_up(struct ctl_conn *conn)
{
	if (conn_streams(conn) || ctl_buffer_len(&conn->in) == 0) {
		conn->broken = true;
		return;
	}
	conn->server->counters.requests++;
	conn->server->counters.bad_requests++;
	conn->answered = false;
	conn->closing = true;
	ctl_fail(conn, "the request ends without a newline");
}

static void receive(struct ctl_conn *conn)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int) * DESCRIPTORS_MOST)];
	} control;
	struct iovec iov = {.iov_len = READ_BYTES};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = &control,
			     .msg_controllen = sizeof(control)};
	bool first = ctl_buffer_len(&conn->in) == 0;
	ssize_t n;

	iov.iov_base = ctl_buffer_reserve(&conn->in, READ_BYTES);
	if (!iov.iov_base) {
		conn->broken = true;
		return;
	}
	n = recvmsg(conn->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC); /* @syscall recvmsg */
	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR)
			conn->broken = true;
		return;
	}
	take_descriptors(conn, &msg);
	if (n == 0) {
		hung_up(conn);
	} else {
		ctl_buffer_put(&conn->in, (size_t)n);
		/* Half a request has its time from its first byte; more of it wins none. */
		if (first)
			conn_patience(conn);
	}
}

static void generate(struct ctl_conn *conn)
{
	bool more;

	if (!conn->next || ctl_buffer_len(&conn->out) >= GENERATE_BELOW)
		return;
	conn->answered = false;
	(void)json_memory_short();
	more = conn->next(conn->state, conn);
	conn->short_of_memory |= json_memory_short();
	if (more && !conn->short_of_memory)
		return;
	if (!conn->answered)
		ctl_ok(conn, NULL);
	conn_end_generator(conn);
}

/* Once there is room again, says how many events there was none for. */
static void tell_lost(struct ctl_conn *conn)
{
	char line[96];

	if (!conn->lost || ctl_buffer_len(&conn->out) > CTL_QUEUE_MAX / 2)
		return;
	(void)snprintf(line, sizeof(line), "{\"event\":{\"event\":\"lost\",\"count\":%llu}}\n",
		       conn->lost);
	conn->lost = 0;
	append_text(conn, line);
}

static void transmit(struct ctl_conn *conn)
{
	struct iovec iov;
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
	ssize_t n;

	generate(conn);
	iov.iov_len = ctl_buffer_len(&conn->out);
	if (iov.iov_len == 0)
		return;
	iov.iov_base = ctl_buffer_data(&conn->out);
	n = sendmsg(conn->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL); /* @syscall sendmsg */
	if (n < 0) {
		if (errno != EAGAIN && errno != EINTR)
			conn->broken = true;
		return;
	}
	ctl_buffer_take(&conn->out, (size_t)n);
	tell_lost(conn);
	conn_patience(conn);
}

static void on_conn(struct ev_loop *loop, ev_io *watcher, int events)
{
	struct ctl_conn *conn = watcher->data;

	(void)loop;
	if (events & EV_READ)
		receive(conn);
	if (events & EV_WRITE)
		transmit(conn);
	serve(conn);
	settle(conn);
}

static void on_timer(struct ev_loop *loop, ev_timer *watcher, int events)
{
	struct ctl_conn *conn = watcher->data;

	(void)loop;
	(void)events;
	conn->server->counters.timeouts++;
	if (conn_answers(conn)) {
		log_limited(LOG_LEVEL_INFO,
			    "a client (process %d) does not read its answer: disconnected",
			    (int)conn->pid);
	} else if (ctl_buffer_len(&conn->in)) {
		conn->server->counters.bad_requests++;
		send_goodbye(conn->fd, "the request did not arrive in time");
	} else {
		send_goodbye(conn->fd, "the connection was silent for too long");
	}
	conn_free(conn);
}

void ctl_publish(struct ctl_server *server, json_t *event)
{
	struct ctl_buffer line = {0};
	bool whole =
	    !json_memory_short() && ctl_buffer_json(&line, "{\"event\":", event, "}\n") == 0;

	if (ctl_has_subscribers(server)) {
		list_for_each (&server->conns, it) {
			struct ctl_conn *conn = container_of(it, struct ctl_conn, by_server);
			bool was_empty = !conn_answers(conn);

			if (!conn->subscribed || conn->broken)
				continue;
			if (!whole || conn->lost ||
			    ctl_buffer_len(&line) > CTL_QUEUE_MAX - ctl_buffer_len(&conn->out) ||
			    ctl_buffer_append(&conn->out, ctl_buffer_data(&line),
					      ctl_buffer_len(&line)) < 0) {
				conn->lost++;
				server->counters.events_lost++;
			}
			if (was_empty && conn_answers(conn)) {
				conn_patience(conn);
				settle(conn);
			}
		}
	}
	ctl_buffer_clear(&line);
	json_decref(event);
}

/* ---- coming and going ---- */

static void conn_create(struct ctl_server *server, int fd)
{
	struct ctl_conn *conn = calloc(1, sizeof(*conn));
	struct ucred peer = {.pid = 0};
	socklen_t len = sizeof(peer);

	if (!conn) {
		server->counters.refused++;
		send_goodbye(fd, "out of memory");
		(void)close(fd); /* @syscall close */
		return;
	}
	(void)getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len); /* @syscall getsockopt */
	conn->server = server;
	conn->fd = fd;
	conn->passed = -1;
	conn->pid = peer.pid;
	list_add_tail(&server->conns, &conn->by_server);
	server->counters.accepted++;
	server->counters.connections++;
	ev_io_init(&conn->io, on_conn, fd, EV_READ);
	conn->io.data = conn;
	ev_init(&conn->timer, on_timer);
	conn->timer.data = conn;
	conn_patience(conn);
	settle(conn);
}

/* Makes room for one more: the connection that has been silent longest goes. */
static bool make_room(struct ctl_server *server)
{
	struct ctl_conn *oldest = NULL;
	uint64_t now = clock_ms();

	if (server->counters.connections < CTL_CONNECTIONS_MAX)
		return true;
	list_for_each (&server->conns, it) {
		struct ctl_conn *conn = container_of(it, struct ctl_conn, by_server);

		if (conn_answers(conn) || conn_streams(conn))
			continue;
		if (now - conn->since >= CTL_SPARE_MS && (!oldest || conn->since < oldest->since))
			oldest = conn;
	}
	if (!oldest)
		return false;
	server->counters.refused++;
	send_goodbye(oldest->fd, "silent, and another connection needed the room");
	conn_free(oldest);
	return true;
}

static void on_listen(struct ev_loop *loop, ev_io *watcher, int events)
{
	struct ctl_server *server = watcher->data;

	revive(loop, watcher, events);
	for (int i = 0; i < ACCEPTS_A_TURN; i++) {
		/* @syscall accept4 */
		int fd = accept4(server->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0 && (errno == EINTR || errno == ECONNABORTED))
			continue;
		if (fd < 0 && errno == EAGAIN)
			return;
		if (fd < 0) {
			/* The socket stays readable: asking again at once would spin. */
			log_limited(LOG_LEVEL_WARN, "cannot accept a connection: %s",
				    strerror(errno));
			ev_io_stop(loop, watcher);
			ev_timer_again(loop, &server->pause);
			return;
		}
		if (make_room(server)) {
			conn_create(server, fd);
		} else {
			server->counters.refused++;
			log_limited(LOG_LEVEL_WARN, "more than %u connections: one refused",
				    CTL_CONNECTIONS_MAX);
			send_goodbye(fd, "too many connections");
			(void)close(fd); /* @syscall close */
		}
	}
}

static void on_pause(struct ev_loop *loop, ev_timer *watcher, int events)
{
	struct ctl_server *server = watcher->data;

	(void)events;
	ev_timer_stop(loop, watcher);
	ev_io_start(loop, &server->readable);
}

/* Whether it is a socket that listens at that path; then accepting does not block. */
static bool listens_at(int fd, const struct sockaddr_un *addr)
{
	struct sockaddr_un own = {.sun_family = AF_UNSPEC};
	socklen_t len = sizeof(own), int_len = sizeof(int);
	int listens = 0;

	return fcntl(fd, F_SETFL, O_RDWR | O_NONBLOCK) == 0 &&
	       getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &int_len) == 0 && listens &&
	       getsockname(fd, (struct sockaddr *)&own, &len) == 0 && own.sun_family == AF_UNIX &&
	       strncmp(own.sun_path, addr->sun_path, sizeof(own.sun_path)) == 0;
}

/* With a socket that listens already, or -1. */
static int server_make(struct ctl_server **out, struct ev_loop *loop, const char *path, int fd,
		       ctl_request_fn *fn, void *arg, struct err *err)
{
	struct ctl_server *server = calloc(1, sizeof(*server));
	size_t len = strlen(path);
	int rc;

	if (!server)
		return err_set(err, ENOMEM, "out of memory");
	/* jansson would read its seed from a file at the first object; no file can
	 * be opened once the system calls are filtered. */
	json_object_seed(0);
	json_memory_watch();
	server->addr.sun_family = AF_UNIX;
	if (len == 0 || len >= sizeof(server->addr.sun_path)) {
		rc = err_set(err, ENAMETOOLONG, "control socket: '%s' is empty or longer than %zu",
			     path, sizeof(server->addr.sun_path) - 1);
		goto fail;
	}
	memcpy(server->addr.sun_path, path, len + 1);
	if (fd < 0)
		rc = ctl_listen(&server->addr, err);
	else
		rc = listens_at(fd, &server->addr)
			 ? fd
			 : err_set(err, EINVAL, "%s: another descriptor came", path);
	if (rc < 0)
		goto fail;
	server->fd = rc;
	server->loop = loop;
	server->fn = fn;
	server->arg = arg;
	list_init(&server->conns);
	ev_io_init(&server->readable, on_listen, server->fd, EV_READ);
	server->readable.data = server;
	ev_init(&server->pause, on_pause);
	server->pause.repeat = ACCEPT_PAUSE_S;
	server->pause.data = server;
	ev_io_start(loop, &server->readable);
	*out = server;
	return 0;
fail:
	free(server);
	return rc;
}

int ctl_server_open(struct ctl_server **server, struct ev_loop *loop, const char *path,
		    ctl_request_fn *fn, void *arg, struct err *err)
{
	return server_make(server, loop, path, -1, fn, arg, err);
}

int ctl_server_adopt(struct ctl_server **server, struct ev_loop *loop, const char *path, int fd,
		     ctl_request_fn *fn, void *arg, struct err *err)
{
	return server_make(server, loop, path, fd, fn, arg, err);
}

int ctl_server_fd(const struct ctl_server *server)
{
	return server->fd;
}

void ctl_server_share(struct ctl_server *server, bool shared)
{
	server->shared = shared;
}

void ctl_server_close(struct ctl_server *server)
{
	if (!server)
		return;
	/* While this one still listens nobody else takes the path for a leftover. It
	 * may fail: the folder can be another user's by now. */
	if (!server->shared)
		(void)unlinkat(AT_FDCWD, server->addr.sun_path, 0); /* @syscall unlinkat */
	list_for_each_safe (&server->conns, it)
		conn_free(container_of(it, struct ctl_conn, by_server));
	ev_io_stop(server->loop, &server->readable);
	ev_timer_stop(server->loop, &server->pause);
	(void)close(server->fd); /* @syscall close */
	free(server);
}

struct ctl_server_counters ctl_server_counters(const struct ctl_server *server)
{
	return server->counters;
}
