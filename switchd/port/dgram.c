/* SPDX-License-Identifier: BSD-2-Clause */
#include "switchd/port/dgram.h"

#include <errno.h>
#include <ev.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "encap/gso.h"
#include "lib/clock.h"
#include "lib/revive.h"
#include "lib/unix_bind.h"
#include "switchd/port/rx.h"
#include "switchd/port/sendq.h"
#include "switchd/port/sockets.h"

#define SOCKET_BUFFER (1 << 20)
#define QUEUE_BURST   32u
#define RETRY_SECONDS 0.001

/* A guest that was found gone is not believed to be back any sooner, in milliseconds: one
 * that comes and goes would fill the log. */
#define BACK_AFTER 1000u

/* Who tells that there is room again; see await(). */
enum room { ROOM_GUEST, ROOM_OWN, ROOM_TIMER };

struct dgram {
	struct port *port;
	ev_io io;
	int fd;
	struct port_rx_pace pace;
	bool named; /* UNIX: the peer's address goes with each datagram */
	struct sockaddr_un to;
	struct sendq out; /* UNIX: until the guest reads */
	enum room room;	  /* who is asked, if there is something in it */
	ev_io writing;
	ev_timer later;
	int probe;	   /* connected with the guest, to wait for room there; -1: not yet */
	uint64_t gone;	   /* when it was last found so, by clock_ms() */
	ev_timer back;	   /* active: it has been there since; up when this is over */
	struct ucred peer; /* who has sent last; pid 0: nobody */
};

/* clang-format off */
static const struct conf_key dgram_keys[] = {
	PORT_COMMON_KEYS(struct dgram_conf),
	{.name = "path", .type = CONF_STRING, .offset = offsetof(struct dgram_conf, path), .wants = socket_wants_path},
	{.name = "local", .type = CONF_STRING, .offset = offsetof(struct dgram_conf, local), .wants = socket_wants_place},
	{.name = "remote", .type = CONF_STRING, .offset = offsetof(struct dgram_conf, remote), .required = true, .wants = socket_wants_path},
	{.name = "mode", .type = CONF_STRING, .offset = offsetof(struct dgram_conf, mode), .wants = socket_wants_mode},
	{.name = "group", .type = CONF_STRING, .offset = offsetof(struct dgram_conf, group), .wants = socket_wants_group},
	{.name = NULL},
};

static const struct conf_key udp_keys[] = {
	PORT_COMMON_KEYS(struct dgram_conf),
	{.name = "local", .type = CONF_STRING, .offset = offsetof(struct dgram_conf, local), .required = true, .wants = socket_wants_endpoint},
	{.name = "remote", .type = CONF_STRING, .offset = offsetof(struct dgram_conf, remote), .required = true, .wants = socket_wants_endpoint},
	{.name = NULL},
};
/* clang-format on */

static const struct conf_schema dgram_schema = {
    .kind = "dgram",
    .size = sizeof(struct dgram_conf),
    .keys = dgram_keys,
};

static const struct conf_schema udp_schema = {
    .kind = "udp",
    .size = sizeof(struct dgram_conf),
    .keys = udp_keys,
};

static const struct dgram_conf *conf_of(const struct port_conf *conf)
{
	return (const struct dgram_conf *)conf;
}

static const char *own_of(const struct dgram_conf *conf)
{
	return conf->path ? conf->path : conf->local;
}

/* The file of our UNIX socket, whichever key names it; NULL: UDP. */
static const char *file_of(const struct dgram_conf *conf)
{
	return conf->path || *conf->local == '/' ? own_of(conf) : NULL;
}

/* What is wrong with it, or NULL. */
static const char *fault_of(const struct dgram_conf *conf)
{
	struct sockaddr_storage local, remote;

	if (!conf->path == !conf->local)
		return "one of `path` and `local` says where, and only one";
	if (strcmp(own_of(conf), conf->remote) == 0)
		return conf->path ? "`path` and `remote` are the same"
				  : "`local` and `remote` are the same";
	if (file_of(conf))
		return NULL;
	if (conf->mode || conf->group)
		return "`mode` and `group` are for the file of a UNIX socket";
	if (socket_wants_endpoint(conf->remote))
		return "`remote` is not ADDRESS:PORT as `local` is";
	(void)socket_endpoint(conf->local, &local);
	(void)socket_endpoint(conf->remote, &remote);
	return local.ss_family == remote.ss_family ? NULL
						   : "`local` and `remote` are of two IP versions";
}

static int dgram_check(const struct port_conf *common, struct err *err)
{
	const char *fault = fault_of(conf_of(common));

	if (!fault)
		return 0;
	conf_fail(common, err, "port \"%s\": %s", common->name, fault);
	return -EINVAL;
}

static const char *dgram_path(const struct port_conf *conf)
{
	return file_of(conf_of(conf));
}

static bool dgram_conflict(const struct port_conf *a, const struct port_conf *b)
{
	return strcmp(own_of(conf_of(a)), own_of(conf_of(b))) == 0;
}

/* ---- whether the guest is there ---- */

static void forget_waiting(struct dgram *dgram)
{
	ev_io_stop(dgram->port->host->loop, &dgram->writing);
	ev_timer_stop(dgram->port->host->loop, &dgram->later);
	dgram->port->stats.tx_drops[REASON_LINK_DOWN] += sendq_clear(&dgram->out);
}

static void is_gone(struct dgram *dgram, int error)
{
	struct port *port = dgram->port;
	bool was_up = port->up;

	forget_waiting(dgram);
	dgram->gone = clock_ms();
	dgram->peer.pid = 0;
	ev_timer_stop(port->host->loop, &dgram->back);
	port->up = false;
	(void)snprintf(port->why, sizeof(port->why), "nobody is at %.100s: %.40s",
		       conf_of(port->conf)->remote, strerror(error));
	if (was_up)
		port->host->changed(port);
}

static void set_up(struct dgram *dgram)
{
	struct port *port = dgram->port;

	port->up = true;
	port->why[0] = '\0';
	port->host->changed(port);
}

static void on_back(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)loop;
	(void)events;
	set_up(timer->data);
}

/* One that comes and goes all the time shall not be told of all the time; but who has
 * come and stays silent is there, too. */
static void is_there(struct dgram *dgram)
{
	struct port *port = dgram->port;
	uint64_t since = clock_ms() - dgram->gone;

	if (port->up || ev_is_active(&dgram->back))
		return;
	if (since >= BACK_AFTER) {
		set_up(dgram);
		return;
	}
	ev_timer_set(&dgram->back, (double)(BACK_AFTER - since) / 1000., 0.);
	ev_timer_start(port->host->loop, &dgram->back);
}

/* ---- receiving ---- */

/* Whether it comes from whom the configuration names; UDP's is connected. */
static bool from_peer(struct dgram *dgram, const struct port_rx *rx, unsigned i)
{
	socklen_t len = rx->hdr[i].msg_hdr.msg_namelen;
	size_t path_len = strlen(dgram->to.sun_path);

	if (!dgram->named)
		return true;
	/* The kernel counts the path's end or not, as the sender has bound it. */
	return len >= offsetof(struct sockaddr_un, sun_path) + path_len &&
	       len <= offsetof(struct sockaddr_un, sun_path) + path_len + 1 &&
	       rx->from[i].sun_family == AF_UNIX &&
	       memcmp(rx->from[i].sun_path, dgram->to.sun_path, path_len) == 0;
}

static void note_sender(struct dgram *dgram, struct msghdr *msg)
{
	for (struct cmsghdr *c = CMSG_FIRSTHDR(msg); c; c = CMSG_NXTHDR(msg, c)) {
		if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_CREDENTIALS &&
		    c->cmsg_len >= CMSG_LEN(sizeof(dgram->peer)))
			memcpy(&dgram->peer, CMSG_DATA(c), sizeof(dgram->peer));
	}
}

static void take(struct dgram *dgram, struct port_rx *rx, unsigned i, struct frame_batch *batch)
{
	struct frame *frame = port_rx_take(rx, i);
	struct port *port = dgram->port;
	enum reason reason = REASON_NONE;

	frame->origin = &port->stats;
	if (!from_peer(dgram, rx, i))
		reason = REASON_FOREIGN_SOURCE;
	else if (rx->hdr[i].msg_hdr.msg_flags & MSG_TRUNC)
		reason = REASON_TOO_LONG;
	if (reason != REASON_NONE) {
		port->stats.rx_frames++;
		frame_drop(frame, reason);
		return;
	}
	note_sender(dgram, &rx->hdr[i].msg_hdr);
	is_there(dgram);
	frame_batch_add(batch, frame);
}

static void on_readable(struct ev_loop *loop, ev_io *io, int events)
{
	struct dgram *dgram = io->data;
	struct port *port = dgram->port;
	struct frame_batch batch = {.count = 0};
	struct port_rx rx;
	int n;

	revive(loop, io, events);
	do {
		n = port_rx_read(&rx, dgram->fd, port->host->pool, &dgram->pace, 0,
				 FRAME_BATCH_MAX - batch.count);
		for (int i = 0; i < n; i++)
			take(dgram, &rx, (unsigned)i, &batch);
	} while (n > 0 && dgram->pace.more && !frame_batch_full(&batch));
	/* UDP hears here that nobody took what it has sent. */
	if (n < 0 && n != -EAGAIN && n != -EINTR)
		is_gone(dgram, -n);
	if (batch.count)
		port->host->receive(port, &batch);
}

/* ---- sending ---- */

static bool is_full(int error)
{
	return error == EAGAIN || error == ENOBUFS || error == ENOMEM;
}

static enum reason refused(struct dgram *dgram, int error)
{
	enum reason reason = reason_of_errno(error);

	if (reason == REASON_LINK_DOWN)
		is_gone(dgram, error);
	return reason;
}

/*
 * Sends datagrams. How many are dealt with, from the first on: sent, or dropped and
 * counted. To a UNIX socket it may be fewer than all, with the error that is in the way of
 * the next: there is no room, or nobody.
 */
static unsigned send_some(struct dgram *dgram, struct iovec *iov, unsigned count, int *error)
{
	struct port *port = dgram->port;
	struct mmsghdr msg[FRAME_BATCH_MAX];
	unsigned done = 0;

	for (unsigned i = 0; i < count; i++) {
		msg[i].msg_hdr = (struct msghdr){
		    .msg_name = dgram->named ? &dgram->to : NULL,
		    .msg_namelen = dgram->named ? sizeof(dgram->to) : 0,
		    .msg_iov = &iov[i],
		    .msg_iovlen = 1,
		};
	}
	while (done < count) {
		int n = sendmmsg(dgram->fd, msg + done, count - done,
				 MSG_DONTWAIT | MSG_NOSIGNAL); /* @syscall sendmmsg */

		for (int i = 0; i < n; i++, done++) {
			port->stats.tx_frames++;
			port->stats.tx_bytes += iov[done].iov_len;
			port->stats.tx_segments++;
		}
		/* Only a UNIX socket says at once whether somebody is there. */
		if (n > 0 && dgram->named)
			is_there(dgram);
		if (n > 0 || errno == EINTR)
			continue;
		*error = errno;
		if (dgram->named && *error != EMSGSIZE)
			break;
		/* UDP has a long queue in the kernel, and hears of what it has sent before. */
		port->stats.tx_drops[refused(dgram, *error)]++;
		done++;
	}
	return done;
}

/* Makes the probe one of whoever is there now. @syscall socket connect */
static bool probe_guest(struct dgram *dgram)
{
	if (dgram->probe < 0)
		dgram->probe = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	return dgram->probe >= 0 &&
	       connect(dgram->probe, (const struct sockaddr *)&dgram->to, sizeof(dgram->to)) == 0;
}

/*
 * There is no room for one of two reasons: the guest's queue is full (by default it holds
 * ten datagrams), or too much of what we have sent waits anywhere. The loop hears of the
 * second at our own socket; of a guest's queue only a socket hears that is connected with
 * the guest's. Ours is not: then nobody could send to it but that guest's present
 * process. So another one is connected, through which nothing is ever sent. Whoever had
 * to tell and was wrong is not asked again at once, so that nothing spins.
 */
static void await(struct dgram *dgram, enum room room)
{
	struct ev_loop *loop = dgram->port->host->loop;

	ev_io_stop(loop, &dgram->writing);
	ev_timer_stop(loop, &dgram->later);
	if (room == ROOM_GUEST && !probe_guest(dgram))
		room = ROOM_TIMER;
	dgram->room = room;
	if (room == ROOM_TIMER) {
		ev_timer_set(&dgram->later, RETRY_SECONDS, 0.);
		ev_timer_start(loop, &dgram->later);
	} else {
		ev_io_set(&dgram->writing, room == ROOM_OWN ? dgram->fd : dgram->probe, EV_WRITE);
		ev_io_start(loop, &dgram->writing);
	}
}

static enum room room_after(enum room room, int error)
{
	if (error != EAGAIN)
		return ROOM_TIMER;
	return room == ROOM_GUEST ? ROOM_OWN : room == ROOM_OWN ? ROOM_TIMER : ROOM_GUEST;
}

static void send_waiting(struct dgram *dgram)
{
	struct iovec iov[QUEUE_BURST];
	unsigned count = sendq_first(&dgram->out, iov, QUEUE_BURST);
	int error = 0;
	unsigned done = send_some(dgram, iov, count, &error);

	sendq_take(&dgram->out, done);
	if (done < count && !is_full(error)) {
		is_gone(dgram, error);
	} else if (sendq_empty(&dgram->out)) {
		ev_io_stop(dgram->port->host->loop, &dgram->writing);
		ev_timer_stop(dgram->port->host->loop, &dgram->later);
	} else if (done == 0) {
		await(dgram, room_after(dgram->room, error));
	} else if (dgram->room == ROOM_TIMER) {
		await(dgram, ROOM_GUEST);
	}
}

static void on_writable(struct ev_loop *loop, ev_io *io, int events)
{
	(void)loop;
	(void)events;
	send_waiting(io->data);
}

static void on_later(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)loop;
	(void)events;
	send_waiting(timer->data);
}

/* What could not be sent at once. */
static void keep(struct dgram *dgram, const struct frame_batch *batch, unsigned from)
{
	for (unsigned i = from; i < batch->count; i++) {
		if (!sendq_add(&dgram->out, batch->frame[i]))
			dgram->port->stats.tx_drops[REASON_QUEUE_FULL]++;
	}
}

static void dgram_send(struct port *port, struct frame_batch *batch)
{
	struct dgram *dgram = port->state;
	struct iovec iov[FRAME_BATCH_MAX];
	unsigned done;
	int error = 0;

	if (!sendq_empty(&dgram->out)) {
		keep(dgram, batch, 0);
		frame_batch_free(batch);
		return;
	}
	for (unsigned i = 0; i < batch->count; i++)
		iov[i] = (struct iovec){batch->frame[i]->data, batch->frame[i]->len};
	done = send_some(dgram, iov, batch->count, &error);
	if (done < batch->count && is_full(error)) {
		keep(dgram, batch, done);
		if (!sendq_empty(&dgram->out))
			await(dgram, error == EAGAIN ? ROOM_GUEST : ROOM_TIMER);
	} else if (done < batch->count) {
		port->stats.tx_drops[REASON_LINK_DOWN] += batch->count - done;
		is_gone(dgram, error);
	}
	frame_batch_free(batch);
}

/* ---- life ---- */

/* @syscall setsockopt */
static int open_unix(struct dgram *dgram, const struct dgram_conf *conf, struct err *err)
{
	int fd = socket_bind_file(file_of(conf), SOCK_DGRAM, conf->mode, conf->group, err);
	int one = 1;

	dgram->named = true;
	(void)unix_address(&dgram->to, conf->remote);
	if (fd >= 0)
		(void)setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &one, sizeof(one));
	return fd;
}

/* @syscall socket bind connect close */
static int open_udp(const struct dgram_conf *conf, struct err *err)
{
	struct sockaddr_storage local, remote;
	socklen_t len = socket_endpoint(conf->local, &local);
	int fd = socket(local.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int code;

	if (fd < 0)
		return err_set(err, errno, "socket: %s", strerror(errno));
	(void)socket_endpoint(conf->remote, &remote);
	if (bind(fd, (const struct sockaddr *)&local, len) == 0 &&
	    connect(fd, (const struct sockaddr *)&remote, len) == 0)
		return fd;
	code = errno;
	close(fd);
	return err_set(err, code, "cannot send from %s to %s: %s", conf->local, conf->remote,
		       strerror(code));
}

static void start(struct port *port, struct dgram *dgram)
{
	dgram->port = port;
	ev_io_init(&dgram->io, on_readable, dgram->fd, EV_READ);
	dgram->io.data = dgram;
	ev_io_start(port->host->loop, &dgram->io);
	ev_timer_init(&dgram->back, on_back, 0., 0.);
	ev_io_init(&dgram->writing, on_writable, -1, EV_WRITE);
	ev_timer_init(&dgram->later, on_later, 0., 0.);
	dgram->back.data = dgram->writing.data = dgram->later.data = dgram;
	dgram->probe = -1;
	port->state = dgram;
	port->offloads = OFFLOAD_NONE;
	port->up = false;
	(void)snprintf(port->why, sizeof(port->why), "nobody has been heard at %.100s yet",
		       conf_of(port->conf)->remote);
}

static int dgram_open(struct port *port)
{
	const struct dgram_conf *conf = conf_of(port->conf);
	struct dgram *dgram = calloc(1, sizeof(*dgram));
	struct err err = {""};

	if (!dgram)
		return -ENOMEM;
	dgram->fd = file_of(conf) ? open_unix(dgram, conf, &err) : open_udp(conf, &err);
	if (dgram->fd < 0) {
		int ret = dgram->fd;

		(void)snprintf(port->why, sizeof(port->why), "%.150s", err.text);
		free(dgram);
		return ret;
	}
	socket_set_buffers(dgram->fd, SOCKET_BUFFER);
	start(port, dgram);
	return 0;
}

/* What must hold of a socket that somebody hands us: it is bound where we would be. */
static int examine(int fd, const struct dgram_conf *conf)
{
	struct sockaddr_storage local;

	if (file_of(conf))
		return socket_is_bound_file(fd, SOCK_DGRAM, file_of(conf)) ? 0 : -EINVAL;
	(void)socket_endpoint(conf->local, &local);
	return socket_is_bound(fd, SOCK_DGRAM, &local) ? 0 : -EINVAL;
}

/* What waits in the socket is not lost, and its peer never finds nobody there. */
static int dgram_adopt(struct port *port, struct port_heritage *heritage)
{
	const struct dgram_conf *conf = conf_of(port->conf);
	int pid = 0, uid = 0, up = false, ret = examine(heritage->fd[0], conf);
	struct dgram *dgram;

	if (ret < 0)
		return ret;
	dgram = calloc(1, sizeof(*dgram));
	if (!dgram)
		return -ENOMEM;
	dgram->named = file_of(conf) != NULL;
	if (dgram->named)
		(void)unix_address(&dgram->to, conf->remote);
	dgram->fd = port_heritage_take(heritage, 0);
	start(port, dgram);
	if (dgram->named)
		sendq_from_json(&dgram->out, json_object_get(heritage->state, "out"), FRAME_LARGE);
	if (!sendq_empty(&dgram->out))
		await(dgram, ROOM_TIMER);
	if (json_unpack(heritage->state, "{s:b, s:i, s:i}", "up", &up, "pid", &pid, "uid", &uid) <
	    0)
		return 0;
	dgram->peer = (struct ucred){.pid = pid, .uid = (uid_t)uid};
	if (up)
		is_there(dgram);
	return 0;
}

static void dgram_handover(const struct port *port, struct port_heritage *heritage)
{
	const struct dgram *dgram = port->state;

	heritage->fd[heritage->count++] = dgram->fd;
	heritage->state =
	    json_pack("{s:b, s:i, s:i, s:o}", "up", port->up, "pid", (int)dgram->peer.pid, "uid",
		      (int)dgram->peer.uid, "out", sendq_to_json(&dgram->out));
}

static const char *const dgram_identity[] = {"path", "local", "remote", "mode", "group", NULL};
static const char *const udp_identity[] = {"local", "remote", NULL};

static void dgram_close(struct port *port)
{
	const struct dgram_conf *conf = conf_of(port->conf);
	struct dgram *dgram = port->state;

	ev_io_stop(port->host->loop, &dgram->io);
	ev_timer_stop(port->host->loop, &dgram->back);
	forget_waiting(dgram);
	if (dgram->probe >= 0)
		close(dgram->probe);
	if (file_of(conf) && !port->shared)
		socket_remove_file(file_of(conf));
	port_close_fd(port->host, dgram->fd);
	free(dgram);
	port->state = NULL;
}

static int dgram_reconf(struct port *port, const struct port_conf *now)
{
	return port_own_keys_equal(port, now) ? 0 : PORT_RESTART;
}

static void dgram_show(const struct port *port, json_t *object)
{
	const struct dgram_conf *conf = conf_of(port->conf);
	const struct dgram *dgram = port->state;
	char peer[64];

	if (conf->path)
		json_object_set_new(object, "path", json_string(conf->path));
	if (conf->local)
		json_object_set_new(object, "local", json_string(conf->local));
	json_object_set_new(object, "remote", json_string(conf->remote));
	if (!dgram || dgram->peer.pid == 0)
		return;
	(void)snprintf(peer, sizeof(peer), "process %d of user %u", (int)dgram->peer.pid,
		       (unsigned)dgram->peer.uid);
	json_object_set_new(object, "peer", json_string(peer));
}

const struct port_ops dgram_ops = {
    .type = "dgram",
    .schema = &dgram_schema,
    .check = dgram_check,
    .conflict = dgram_conflict,
    .datagrams_at = dgram_path,
    .open = dgram_open,
    .adopt = dgram_adopt,
    .handover = dgram_handover,
    .identity = dgram_identity,
    .storable = true,
    .reconf = dgram_reconf,
    .close = dgram_close,
    .send = dgram_send,
    .show = dgram_show,
};

const struct port_ops udp_ops = {
    .type = "udp",
    .schema = &udp_schema,
    .check = dgram_check,
    .conflict = dgram_conflict,
    .open = dgram_open,
    .adopt = dgram_adopt,
    .handover = dgram_handover,
    .identity = udp_identity,
    .storable = true,
    .reconf = dgram_reconf,
    .close = dgram_close,
    .send = dgram_send,
    .show = dgram_show,
};
