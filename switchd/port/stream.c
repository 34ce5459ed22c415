/* SPDX-License-Identifier: BSD-2-Clause */
#include "switchd/port/stream.h"

#include <errno.h>
#include <ev.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#include "encap/gso.h"
#include "lib/clock.h"
#include "lib/log.h"
#include "lib/revive.h"
#include "lib/unix_bind.h"
#include "switchd/port/framing.h"
#include "switchd/port/sockets.h"

LOG_MODULE("stream");

/* After a connection: how long until the next, in seconds. Twice as long after each
 * that was short, so that a peer that comes and goes costs little; but only where we
 * connect: who comes and goes where we listen would keep others out. */
#define PAUSE_FIRST 0.1
#define PAUSE_LAST  2.0

#define BACKLOG		16
#define CALLERS_AT_ONCE 64u

/* What waits for a peer that reads slowly, beside what the kernel holds. */
#define QUEUE_BYTES   (256u << 10)
#define SOCKET_BUFFER (1 << 20)

struct stream {
	struct port *port;
	ev_io listening, reading, writing;
	ev_timer pause;
	int listen_fd, fd; /* -1: none */
	bool connecting, broken;
	double pause_seconds;
	uint64_t since; /* of the connection, by clock_ms() */
	struct framing in;
	uint8_t *out; /* QUEUE_BYTES, once it was needed */
	size_t out_begin, out_end;
	char peer[96];
};

/* clang-format off */
static const struct conf_key stream_keys[] = {
	PORT_COMMON_KEYS(struct stream_conf),
	{.name = "path", .type = CONF_STRING, .offset = offsetof(struct stream_conf, path), .wants = socket_wants_path},
	{.name = "local", .type = CONF_STRING, .offset = offsetof(struct stream_conf, local), .wants = socket_wants_place},
	{.name = "remote", .type = CONF_STRING, .offset = offsetof(struct stream_conf, remote), .wants = socket_wants_place},
	{.name = "connect", .type = CONF_BOOL, .offset = offsetof(struct stream_conf, connect)},
	{.name = "mode", .type = CONF_STRING, .offset = offsetof(struct stream_conf, mode), .wants = socket_wants_mode},
	{.name = "group", .type = CONF_STRING, .offset = offsetof(struct stream_conf, group), .wants = socket_wants_group},
	{.name = NULL},
};
/* clang-format on */

static const struct conf_schema stream_schema = {
    .kind = "stream",
    .size = sizeof(struct stream_conf),
    .keys = stream_keys,
};

static const struct stream_conf *conf_of(const struct port_conf *conf)
{
	return (const struct stream_conf *)conf;
}

static bool is_client(const struct stream_conf *conf)
{
	return conf->remote || conf->connect;
}

/* Where it listens, or what it connects to. */
static const char *place_of(const struct stream_conf *conf)
{
	return conf->path ? conf->path : conf->local ? conf->local : conf->remote;
}

/* The file of its UNIX socket, whichever key names it; NULL: TCP. */
static const char *file_of(const struct stream_conf *conf)
{
	const char *place = place_of(conf);

	return conf->path || *place == '/' ? place : NULL;
}

static int stream_check(const struct port_conf *common, struct err *err)
{
	const struct stream_conf *conf = conf_of(common);
	const char *what = NULL;

	if (!!conf->path + !!conf->local + !!conf->remote != 1)
		what = "one of `path`, `local` and `remote` says where, and only one";
	else if (conf->connect && !conf->path)
		what = "`connect` belongs to `path`: `remote` connects, `local` listens";
	else if ((conf->mode || conf->group) && (is_client(conf) || !file_of(conf)))
		what = "`mode` and `group` are for the file of a UNIX socket that listens";
	if (!what)
		return 0;
	conf_fail(conf, err, "port \"%s\": %s", common->name, what);
	return -EINVAL;
}

static bool stream_conflict(const struct port_conf *a, const struct port_conf *b)
{
	const struct stream_conf *one = conf_of(a), *two = conf_of(b);

	return strcmp(place_of(one), place_of(two)) == 0;
}

/* ---- the end of a connection ---- */

static void next_later(struct stream *stream)
{
	ev_io_stop(stream->port->host->loop, &stream->listening);
	ev_timer_set(&stream->pause, stream->pause_seconds, 0.);
	ev_timer_start(stream->port->host->loop, &stream->pause);
	if (is_client(conf_of(stream->port->conf)))
		stream->pause_seconds *= 2;
	if (stream->pause_seconds > PAUSE_LAST)
		stream->pause_seconds = PAUSE_LAST;
}

static void hang_up(struct stream *stream)
{
	const struct port_host *host = stream->port->host;

	if (stream->fd < 0)
		return;
	ev_io_stop(host->loop, &stream->reading);
	ev_io_stop(host->loop, &stream->writing);
	port_close_fd(host, stream->fd);
	stream->fd = -1;
	stream->connecting = stream->broken = false;
	stream->peer[0] = '\0';
	framing_clear(&stream->in);
	free(stream->out);
	stream->out = NULL;
	stream->out_begin = stream->out_end = 0;
}

/* Why, and what comes next. */
static void lose(struct stream *stream, const char *why)
{
	const struct stream_conf *conf = conf_of(stream->port->conf);
	struct port *port = stream->port;
	bool was_up = port->up;

	if (was_up && (double)(clock_ms() - stream->since) / 1000. > PAUSE_LAST)
		stream->pause_seconds = PAUSE_FIRST;
	hang_up(stream);
	port->up = false;
	(void)snprintf(port->why, sizeof(port->why), "%s %.80s: %.50s",
		       is_client(conf) ? "connecting to" : "waiting for a peer at", place_of(conf),
		       why);
	next_later(stream);
	if (!was_up)
		return;
	port->host->changed(port);
	port->host->descriptors_changed(port);
}

/* ---- receiving ---- */

/* Hands on what is whole. false: the peer talks nonsense. */
static bool take_frames(struct stream *stream)
{
	struct frame_batch batch = {.count = 0};
	struct port *port = stream->port;
	const uint8_t *data;
	size_t len;
	int ret;

	while ((ret = framing_next(&stream->in, &data, &len)) > 0) {
		struct frame *frame = frame_alloc(port->host->pool, len);

		if (!frame) {
			port->stats.rx_frames++;
			port->stats.rx_drops[REASON_NO_BUFFER]++;
			continue;
		}
		memcpy(frame->data, data, len);
		frame->len = (uint32_t)len;
		frame->origin = &port->stats;
		frame_batch_add(&batch, frame);
		if (frame_batch_full(&batch))
			port->host->receive(port, &batch);
	}
	if (batch.count)
		port->host->receive(port, &batch);
	return ret == 0;
}

static void read_some(struct stream *stream)
{
	struct port *port = stream->port;
	size_t room;
	uint8_t *at = framing_room(&stream->in, &room);
	ssize_t n;

	if (!at) {
		lose(stream, "out of memory");
		return;
	}
	n = read(stream->fd, at, room); /* @syscall read */
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		lose(stream, n < 0			    ? strerror(errno)
			     : framing_partial(&stream->in) ? "it left in the middle of a frame"
							    : "it has left");
		return;
	}
	framing_put(&stream->in, (size_t)n);
	if (take_frames(stream))
		return;
	port->stats.rx_drops[REASON_BAD_HEADER]++;
	log_limited(LOG_LEVEL_WARN,
		    "port %s: %s sends a frame's length of 0 or more than %u: disconnected",
		    port->conf->name, stream->peer, FRAMING_MAX);
	lose(stream, "it has sent an impossible length");
}

static void on_readable(struct ev_loop *loop, ev_io *io, int events)
{
	struct stream *stream = io->data;

	revive(loop, io, events);
	if (stream->broken)
		lose(stream, "it takes nothing any more");
	else
		read_some(stream);
}

/* ---- sending ---- */

/* The connection is not ended here: its frames may be under way just now. */
static void give_up(struct stream *stream)
{
	stream->broken = true;
	ev_feed_event(stream->port->host->loop, &stream->reading, EV_READ);
}

/* Keeps what is behind the first `skip` bytes of header and frame. */
static bool keep(struct stream *stream, const struct frame *frame, size_t skip)
{
	size_t need = FRAMING_HEADER + frame->len - skip;
	uint8_t header[FRAMING_HEADER];

	if (!stream->out)
		stream->out = malloc(QUEUE_BYTES);
	if (!stream->out)
		return false;
	if (stream->out_begin && need > QUEUE_BYTES - stream->out_end) {
		memmove(stream->out, stream->out + stream->out_begin,
			stream->out_end - stream->out_begin);
		stream->out_end -= stream->out_begin;
		stream->out_begin = 0;
	}
	if (need > QUEUE_BYTES - stream->out_end)
		return false;
	framing_header(frame->len, header);
	if (skip < FRAMING_HEADER) {
		memcpy(stream->out + stream->out_end, header + skip, FRAMING_HEADER - skip);
		stream->out_end += FRAMING_HEADER - skip;
		skip = FRAMING_HEADER;
	}
	skip -= FRAMING_HEADER;
	memcpy(stream->out + stream->out_end, frame->data + skip, frame->len - skip);
	stream->out_end += frame->len - skip;
	return true;
}

static void count_sent(struct port *port, const struct frame *frame)
{
	port->stats.tx_frames++;
	port->stats.tx_bytes += frame->len;
	port->stats.tx_segments++;
}

/* As much as the kernel takes at once; bytes, 0 if there is something before it. */
static size_t write_batch(struct stream *stream, const struct frame_batch *batch)
{
	uint8_t header[FRAME_BATCH_MAX][FRAMING_HEADER];
	struct iovec iov[2 * FRAME_BATCH_MAX];
	struct msghdr msg = {.msg_iov = iov, .msg_iovlen = 2 * (size_t)batch->count};
	ssize_t n;

	if (stream->out_end)
		return 0;
	for (unsigned i = 0; i < batch->count; i++) {
		struct frame *frame = batch->frame[i];

		framing_header(frame->len, header[i]);
		iov[2 * i] = (struct iovec){header[i], FRAMING_HEADER};
		iov[2 * i + 1] = (struct iovec){frame->data, frame->len};
	}
	do /* @syscall sendmsg */
		n = sendmsg(stream->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL);
	while (n < 0 && errno == EINTR);
	if (n < 0 && errno != EAGAIN && errno != ENOBUFS && errno != ENOMEM)
		give_up(stream);
	return n < 0 ? 0 : (size_t)n;
}

static void stream_send(struct port *port, struct frame_batch *batch)
{
	struct stream *stream = port->state;
	size_t sent = 0;

	if (port->up && !stream->broken)
		sent = write_batch(stream, batch);
	for (unsigned i = 0; i < batch->count; i++) {
		const struct frame *frame = batch->frame[i];
		size_t whole = FRAMING_HEADER + frame->len;

		if (!port->up || stream->broken) {
			port->stats.tx_drops[REASON_LINK_DOWN]++;
		} else if (sent >= whole) {
			count_sent(port, frame);
			sent -= whole;
		} else if (keep(stream, frame, sent)) {
			count_sent(port, frame);
			sent = 0;
		} else {
			port->stats.tx_drops[REASON_QUEUE_FULL]++;
			/* A frame that was cut cannot be dropped any more. */
			if (sent)
				give_up(stream);
			sent = 0;
		}
	}
	frame_batch_free(batch);
	if (stream->out_end)
		ev_io_start(port->host->loop, &stream->writing);
}

static void write_queue(struct stream *stream)
{
	ssize_t n = write(stream->fd, stream->out + stream->out_begin, /* @syscall write */
			  stream->out_end - stream->out_begin);

	if (n < 0 && errno != EAGAIN && errno != EINTR) {
		lose(stream, strerror(errno));
		return;
	}
	stream->out_begin += n > 0 ? (size_t)n : 0;
	if (stream->out_begin < stream->out_end)
		return;
	stream->out_begin = stream->out_end = 0;
	ev_io_stop(stream->port->host->loop, &stream->writing);
}

/* ---- the beginning of a connection ---- */

/* @syscall getsockopt */
static void identify(struct stream *stream, const struct sockaddr_storage *from)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (!file_of(conf_of(stream->port->conf))) {
		(void)socket_endpoint_format(from, stream->peer, sizeof(stream->peer));
		return;
	}
	if (getsockopt(stream->fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0)
		cred = (struct ucred){.pid = 0, .uid = (uid_t)-1};
	(void)snprintf(stream->peer, sizeof(stream->peer), "process %d of user %u", (int)cred.pid,
		       (unsigned)cred.uid);
}

static void established(struct stream *stream, const struct sockaddr_storage *from)
{
	struct port *port = stream->port;

	stream->connecting = false;
	stream->since = clock_ms();
	identify(stream, from);
	log_debug("port %s: connected with %s", port->conf->name, stream->peer);
	ev_io_start(port->host->loop, &stream->reading);
	port->up = true;
	port->why[0] = '\0';
}

/* The same, in the midst of things. */
static void comes(struct stream *stream, const struct sockaddr_storage *from)
{
	struct port *port = stream->port;

	established(stream, from);
	port->host->changed(port);
	port->host->descriptors_changed(port);
}

static void on_writable(struct ev_loop *loop, ev_io *io, int events)
{
	struct stream *stream = io->data;
	struct sockaddr_storage to = {.ss_family = AF_UNSPEC};
	socklen_t len = sizeof(int);
	int error = 0;

	(void)events;
	if (!stream->connecting) {
		write_queue(stream);
		return;
	}
	ev_io_stop(loop, io);
	/* @syscall getsockopt */
	(void)getsockopt(stream->fd, SOL_SOCKET, SO_ERROR, &error, &len);
	if (error) {
		lose(stream, strerror(error));
		return;
	}
	(void)socket_endpoint(conf_of(stream->port->conf)->remote, &to);
	comes(stream, &to);
}

static void hold(struct stream *stream, int fd)
{
	stream->fd = fd;
	socket_set_buffers(fd, SOCKET_BUFFER);
	if (!file_of(conf_of(stream->port->conf)))
		socket_set_tcp(fd);
	ev_io_set(&stream->reading, fd, EV_READ);
	ev_io_set(&stream->writing, fd, EV_WRITE);
}

/* @syscall socket connect */
static void connect_now(struct stream *stream)
{
	const struct stream_conf *conf = conf_of(stream->port->conf);
	struct sockaddr_storage to;
	socklen_t len = sizeof(struct sockaddr_un);
	int fd;

	if (file_of(conf))
		(void)unix_address((struct sockaddr_un *)&to, file_of(conf));
	else
		len = socket_endpoint(conf->remote, &to);
	fd = socket(to.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0) {
		lose(stream, strerror(errno));
		return;
	}
	hold(stream, fd);
	if (connect(fd, (const struct sockaddr *)&to, len) == 0) {
		comes(stream, &to);
	} else if (errno == EINPROGRESS) {
		stream->connecting = true;
		ev_io_start(stream->port->host->loop, &stream->writing);
	} else {
		lose(stream, strerror(errno));
	}
}

/* The next one that waits. false: there is none. */
static bool take_caller(struct stream *stream)
{
	struct sockaddr_storage from;
	socklen_t len = sizeof(from);
	int fd = accept4(stream->listen_fd, (struct sockaddr *)&from, &len, /* @syscall accept4 */
			 SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (fd < 0) {
		if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
			next_later(stream); /* no descriptor is free */
		return false;
	}
	if (socket_is_gone(fd)) {
		close(fd);
		return true;
	}
	if (stream->fd >= 0) { /* one guest, one interface */
		log_limited(LOG_LEVEL_INFO, "port %s: a second peer is turned away: %s is there",
			    stream->port->conf->name, stream->peer);
		close(fd);
		return true;
	}
	hold(stream, fd);
	comes(stream, &from);
	return true;
}

static void on_caller(struct ev_loop *loop, ev_io *io, int events)
{
	struct stream *stream = io->data;

	revive(loop, io, events);
	for (unsigned i = 0; i < CALLERS_AT_ONCE && take_caller(stream); i++)
		;
}

static void on_pause_over(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct stream *stream = timer->data;

	(void)events;
	if (is_client(conf_of(stream->port->conf)))
		connect_now(stream);
	else
		ev_io_start(loop, &stream->listening);
}

/* ---- life ---- */

/* @syscall socket bind listen setsockopt close */
static int listen_tcp(const char *local, struct err *err)
{
	struct sockaddr_storage at;
	socklen_t len = socket_endpoint(local, &at);
	int fd = socket(at.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int one = 1, code;

	if (fd < 0)
		return err_set(err, errno, "socket: %s", strerror(errno));
	(void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (const struct sockaddr *)&at, len) == 0)
		return fd;
	code = errno;
	close(fd);
	return err_set(err, code, "cannot listen at %s: %s", local, strerror(code));
}

static void watch_callers(struct stream *stream, int fd)
{
	stream->listen_fd = fd;
	ev_io_set(&stream->listening, fd, EV_READ);
	ev_io_start(stream->port->host->loop, &stream->listening);
}

static int start_listening(struct stream *stream, struct err *err)
{
	const struct stream_conf *conf = conf_of(stream->port->conf);
	int fd = file_of(conf)
		     ? socket_bind_file(file_of(conf), SOCK_STREAM, conf->mode, conf->group, err)
		     : listen_tcp(conf->local, err);

	if (fd < 0)
		return fd;
	if (listen(fd, BACKLOG) < 0) {
		int code = errno;

		close(fd);
		return err_set(err, code, "cannot listen at %s: %s", place_of(conf),
			       strerror(code));
	}
	watch_callers(stream, fd);
	return 0;
}

/* Without any descriptor. NULL when out of memory. */
static struct stream *create(struct port *port)
{
	struct stream *stream = calloc(1, sizeof(*stream));

	if (!stream)
		return NULL;
	stream->port = port;
	stream->fd = stream->listen_fd = -1;
	stream->pause_seconds = PAUSE_FIRST;
	ev_io_init(&stream->listening, on_caller, -1, EV_READ);
	ev_io_init(&stream->reading, on_readable, -1, EV_READ);
	ev_io_init(&stream->writing, on_writable, -1, EV_WRITE);
	/* That a peer has left is seen before the next one is. */
	ev_set_priority(&stream->reading, 1);
	ev_timer_init(&stream->pause, on_pause_over, 0., 0.);
	stream->listening.data = stream->reading.data = stream->writing.data = stream;
	stream->pause.data = stream;
	return stream;
}

static void start(struct stream *stream)
{
	const struct stream_conf *conf = conf_of(stream->port->conf);
	struct port *port = stream->port;

	port->state = stream;
	port->offloads = OFFLOAD_NONE;
	port->up = false;
	(void)snprintf(port->why, sizeof(port->why), "%s %.120s",
		       is_client(conf) ? "connecting to" : "waiting for a peer at", place_of(conf));
}

static int stream_open(struct port *port)
{
	const struct stream_conf *conf = conf_of(port->conf);
	struct stream *stream = create(port);
	struct err err = {""};
	int ret;

	if (!stream)
		return -ENOMEM;
	if (!is_client(conf)) {
		ret = start_listening(stream, &err);
		if (ret < 0) {
			(void)snprintf(port->why, sizeof(port->why), "%.150s", err.text);
			free(stream);
			return ret;
		}
	}
	start(stream);
	if (is_client(conf))
		connect_now(stream);
	return 0;
}

/* ---- from one process to the next ---- */

/* Which of the descriptors that somebody hands us is which. -1: none. */
struct found {
	int listening, connection;
};

static bool is_listener(int fd, const struct stream_conf *conf)
{
	struct sockaddr_storage at;

	if (is_client(conf))
		return false;
	if (file_of(conf))
		return socket_is_bound_file(fd, SOCK_STREAM, file_of(conf));
	(void)socket_endpoint(conf->local, &at);
	return socket_is_bound(fd, SOCK_STREAM, &at);
}

static struct found sort_out(const struct port_heritage *heritage, const struct stream_conf *conf)
{
	struct found found = {-1, -1};

	for (unsigned i = 0; i < heritage->count; i++) {
		struct sockaddr_storage peer = {.ss_family = AF_UNSPEC};
		int fd = heritage->fd[i], listens = 0;
		socklen_t len = sizeof(listens), peer_len = sizeof(peer);

		if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) < 0)
			continue;
		if (listens && is_listener(fd, conf))
			found.listening = (int)i;
		else if (!listens && getpeername(fd, (struct sockaddr *)&peer, &peer_len) == 0 &&
			 (peer.ss_family == AF_UNIX) == (file_of(conf) != NULL) &&
			 port_is_socket(fd, peer.ss_family, SOCK_STREAM))
			found.connection = (int)i;
	}
	return found;
}

/* What was read and written in part. After a crash there is none: then most likely all
 * frames were whole, and else the connection ends soon. */
static int restore(struct stream *stream, const json_t *state)
{
	const json_t *in = json_object_get(state, "in"), *out = json_object_get(state, "out");
	ssize_t n;

	if (json_string_length(in)) {
		size_t room;
		uint8_t *at = framing_room(&stream->in, &room);

		n = at ? port_bytes_from_json(in, at, room) : -1;
		if (n < 0)
			return -EINVAL;
		framing_put(&stream->in, (size_t)n);
	}
	if (json_string_length(out)) {
		stream->out = malloc(QUEUE_BYTES);
		n = stream->out ? port_bytes_from_json(out, stream->out, QUEUE_BYTES) : -1;
		if (n < 0)
			return -EINVAL;
		stream->out_end = (size_t)n;
	}
	return 0;
}

static void resume(struct stream *stream, int fd)
{
	struct ev_loop *loop = stream->port->host->loop;
	struct sockaddr_storage peer = {.ss_family = AF_UNSPEC};
	socklen_t len = sizeof(peer);

	hold(stream, fd);
	(void)getpeername(fd, (struct sockaddr *)&peer, &len);
	established(stream, &peer);
	if (stream->out_end)
		ev_io_start(loop, &stream->writing);
}

static int stream_adopt(struct port *port, struct port_heritage *heritage)
{
	const struct stream_conf *conf = conf_of(port->conf);
	struct found found = sort_out(heritage, conf);
	struct stream *stream;
	struct err err = {""};
	int ret = -EINVAL;

	if (found.listening < 0 && found.connection < 0)
		return ret;
	stream = create(port);
	if (!stream)
		return -ENOMEM;
	ret = found.connection >= 0 ? restore(stream, heritage->state) : 0;
	if (ret == 0 && found.listening >= 0)
		watch_callers(stream, heritage->fd[found.listening]);
	else if (ret == 0 && !is_client(conf))
		ret = start_listening(stream, &err);
	if (ret < 0) {
		framing_clear(&stream->in);
		free(stream->out);
		free(stream);
		return ret;
	}
	if (found.listening >= 0)
		(void)port_heritage_take(heritage, (unsigned)found.listening);
	start(stream);
	if (found.connection >= 0)
		resume(stream, port_heritage_take(heritage, (unsigned)found.connection));
	return 0;
}

static void stream_handover(const struct port *port, struct port_heritage *heritage)
{
	const struct stream *stream = port->state;
	size_t unsent = stream->out_end - stream->out_begin, held;
	const uint8_t *data;

	if (stream->listen_fd >= 0)
		heritage->fd[heritage->count++] = stream->listen_fd;
	if (!port->up || stream->broken)
		return;
	heritage->fd[heritage->count++] = stream->fd;
	held = framing_held(&stream->in, &data);
	heritage->state = json_pack(
	    "{s:o, s:o}", "in", port_bytes_to_json(data, held), "out",
	    port_bytes_to_json(stream->out ? stream->out + stream->out_begin : NULL, unsent));
}

static const char *const stream_identity[] = {"path", "local", "remote", "connect",
					      "mode", "group", NULL};

/* ---- the end ---- */

static void stream_close(struct port *port)
{
	const struct stream_conf *conf = conf_of(port->conf);
	struct stream *stream = port->state;

	hang_up(stream);
	ev_timer_stop(port->host->loop, &stream->pause);
	ev_io_stop(port->host->loop, &stream->listening);
	if (stream->listen_fd >= 0) {
		/* While it still listens nobody takes the file for a leftover. */
		if (file_of(conf) && !port->shared)
			socket_remove_file(file_of(conf));
		port_close_fd(port->host, stream->listen_fd);
	}
	free(stream);
	port->state = NULL;
}

static int stream_reconf(struct port *port, const struct port_conf *now)
{
	return port_own_keys_equal(port, now) ? 0 : PORT_RESTART;
}

static void stream_show(const struct port *port, json_t *object)
{
	const struct stream_conf *conf = conf_of(port->conf);
	const struct stream *stream = port->state;

	if (conf->path)
		json_object_set_new(object, "path", json_string(conf->path));
	if (conf->local)
		json_object_set_new(object, "local", json_string(conf->local));
	if (conf->remote)
		json_object_set_new(object, "remote", json_string(conf->remote));
	if (stream && stream->peer[0])
		json_object_set_new(object, "peer", json_string(stream->peer));
}

const struct port_ops stream_ops = {
    .type = "stream",
    .schema = &stream_schema,
    .check = stream_check,
    .conflict = stream_conflict,
    .open = stream_open,
    .adopt = stream_adopt,
    .handover = stream_handover,
    .identity = stream_identity,
    .storable = true,
    .reconf = stream_reconf,
    .close = stream_close,
    .send = stream_send,
    .show = stream_show,
};
