/* SPDX-License-Identifier: BSD-2-Clause */
#include "switchd/vde_mgmt.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/revive.h"
#include "switchd/port/vde.h"
#include "switchd/vde_session.h"

LOG_MODULE("vde");

#define SESSIONS_MAX 16u /* of one port */
#define READ_SIZE    4096u
#define LIST_UNTIL   (32u << 10) /* a long list goes on once less than this waits */
#define LONGEST	     300	 /* of what is said in a line */

#define PROMPT	   "\nvde$ "
#define DATA_BEGIN "0000 DATA END WITH '.'\n"
#define DATA_END   ".\n"
#define GOODBYE	   "9999 END OF SESSION"

struct console {
	struct list link; /* in switchd.consoles */
	struct vde_session session;
	int fd;
	bool busy; /* inside a command: it is freed after it */
	ev_io reading, writing;
	struct ctl_buffer in;
};

static struct console *console_at(struct list *it)
{
	return container_of(it, struct console, link);
}

static void console_free(struct console *console)
{
	struct ev_loop *loop = console->session.sw->loop;

	ev_io_stop(loop, &console->reading);
	ev_io_stop(loop, &console->writing);
	list_del(&console->link);
	close(console->fd);
	ctl_buffer_clear(&console->in);
	ctl_buffer_clear(&console->session.out);
	free(console);
}

/* ---- what is said ---- */

static void say_text(struct vde_session *session, const char *text)
{
	if (ctl_buffer_append(&session->out, text, strlen(text)) < 0)
		session->ending = true;
}

void vde_say(struct vde_session *session, const char *fmt, ...)
{
	char line[LONGEST + 2];
	va_list ap;
	int n;

	va_start(ap, fmt);
	n = vsnprintf(line, sizeof(line) - 1, fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	if ((size_t)n > sizeof(line) - 2)
		n = (int)sizeof(line) - 2;
	line[n] = '\n';
	line[n + 1] = '\0';
	say_text(session, line);
}

/* A message of ours is one line. */
static void say_result(struct vde_session *session, int ret, const char *why)
{
	if (ret == 0)
		vde_say(session, "1000 Success");
	else
		vde_say(session, "1%03d %.*s", -ret, (int)strcspn(why, "\n"), why);
	say_text(session, PROMPT);
}

static void run_line(struct vde_session *session, char *text, size_t len)
{
	struct vde_line line;
	struct err err = {""};
	int ret = vde_line_parse(text, len, &line);

	if (ret == 0 && !line.command) {
		say_text(session, PROMPT);
		return;
	}
	if (line.command && line.command->data) /* also before an error, as vde_switch has it */
		say_text(session, DATA_BEGIN);
	if (ret == 0)
		ret = vde_command_run(session, &line, &err);
	if (session->ending) {
		say_text(session, GOODBYE);
		return;
	}
	if (session->listing)
		return; /* its end and result come when all is said */
	if (line.command && line.command->data)
		say_text(session, DATA_END);
	say_result(session, ret, err.text[0] ? err.text : strerror(-ret));
}

/* ---- the socket ---- */

/* What there is to say and to do, as far as the client reads it. */
static void go_on(struct console *console)
{
	struct vde_session *session = &console->session;

	while (!session->ending && ctl_buffer_len(&session->out) < LIST_UNTIL) {
		ssize_t len;

		if (session->listing) {
			vde_command_more(session);
			if (session->listing)
				continue;
			say_text(session, DATA_END);
			say_result(session, 0, "");
			continue;
		}
		len = ctl_buffer_line(&console->in, VDE_LINE_MAX);
		if (len == -EAGAIN)
			return;
		if (len < 0) {
			session->ending = true;
			return;
		}
		console->busy = true;
		run_line(session, ctl_buffer_data(&console->in), (size_t)len);
		console->busy = false;
		ctl_buffer_take(&console->in, (size_t)len + 1);
	}
}

/* Frees the console when it is at its end. */
static void flush(struct console *console)
{
	struct vde_session *session = &console->session;
	struct ev_loop *loop = session->sw->loop;
	size_t len;

	go_on(console);
	while ((len = ctl_buffer_len(&session->out))) { /* @syscall write */
		ssize_t n = write(console->fd, ctl_buffer_data(&session->out), len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && errno != EAGAIN) {
			console_free(console);
			return;
		}
		if (n < 0)
			break;
		ctl_buffer_take(&session->out, (size_t)n);
		go_on(console);
	}
	if (len == 0 && session->ending) {
		console_free(console);
		return;
	}
	/* Who does not read is not listened to. */
	if (len) {
		ev_io_stop(loop, &console->reading);
		ev_io_start(loop, &console->writing);
	} else {
		ev_io_stop(loop, &console->writing);
		ev_io_start(loop, &console->reading);
	}
}

static void on_writable(struct ev_loop *loop, ev_io *io, int events)
{
	(void)loop;
	(void)events;
	flush(io->data);
}

static void on_readable(struct ev_loop *loop, ev_io *io, int events)
{
	struct console *console = io->data;
	char *to = ctl_buffer_reserve(&console->in, READ_SIZE);
	ssize_t n = to ? read(console->fd, to, READ_SIZE) : -1; /* @syscall read */

	revive(loop, io, events);
	if (n < 0 && to && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		console_free(console);
		return;
	}
	ctl_buffer_put(&console->in, (size_t)n);
	flush(console);
}

/* ---- life ---- */

static unsigned count_sessions(const struct port *port)
{
	unsigned count = 0;

	list_for_each (&port->runtime->sw->consoles, it)
		count += console_at(it)->session.port == port;
	return count;
}

void vde_mgmt_serve(struct port *port, int fd)
{
	struct switchd *sw = port->runtime->sw;
	struct console *console = NULL;

	if (count_sessions(port) < SESSIONS_MAX)
		console = calloc(1, sizeof(*console));
	if (!console) {
		log_limited(LOG_LEVEL_WARN, "port %s: no more than %u manage it at a time",
			    port->conf->name, SESSIONS_MAX);
		close(fd);
		return;
	}
	console->fd = fd;
	console->session.sw = sw;
	console->session.port = port;
	list_add_tail(&sw->consoles, &console->link);
	ev_io_init(&console->reading, on_readable, fd, EV_READ);
	ev_io_init(&console->writing, on_writable, fd, EV_WRITE);
	console->reading.data = console->writing.data = console;
	vde_say(&console->session, "VDE switch V.2.3.2");
	vde_say(&console->session, "(tvdswitch %s, port %s)", TVD_VERSION, port->conf->name);
	say_text(&console->session, PROMPT);
	flush(console);
}

void vde_mgmt_port_gone(const struct port *port)
{
	list_for_each_safe (&port->runtime->sw->consoles, it) {
		struct console *console = console_at(it);

		if (console->session.port != port)
			continue;
		console->session.port = NULL;
		console->session.ending = true;
		if (!console->busy)
			console_free(console);
	}
}
