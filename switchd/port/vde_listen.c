/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The control socket of a vde port: callers, each of which asks once. Who is granted
 * a port keeps the connection for as long as it wants it; everybody else loses it.
 */
#include <errno.h>
#include <ev.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/revive.h"
#include "switchd/port/sockets.h"
#include "switchd/port/vde_impl.h"

LOG_MODULE("vde");

#define ASK_SECONDS   5.0  /* for a whole request */
#define DEAD_SECONDS  0.25 /* after which a caller that was killed has let go of all */
#define PAUSE_SECONDS 0.2  /* when no descriptor is free */
#define CALLERS_MAX   64u  /* without a request yet; of more, the oldest goes */
#define CALLS_AT_ONCE 16u
#define DATA_BUFFER   (1 << 20)

struct listener {
	struct port *port;
	struct vde_dir dir;
	int ctl, mgmt; /* mgmt -1: none */
	ev_io calling, managing;
	ev_timer pause;
	struct list callers; /* the oldest first */
	unsigned caller_count;
	uint64_t refused;
};

struct caller {
	struct list link;
	struct listener *listener;
	int fd; /* -1: it is gone, and what it has left is removed soon */
	ev_io io;
	ev_timer timer;
	struct ucred peer;
	uint8_t bytes[VDE_REQUEST_MAX];
	size_t len;
};

static const char *name_of(const struct listener *listener)
{
	return listener->port->conf->name;
}

/* ---- the end of a call ---- */

static void caller_free(struct caller *caller)
{
	struct listener *listener = caller->listener;

	ev_io_stop(listener->port->host->loop, &caller->io);
	ev_timer_stop(listener->port->host->loop, &caller->timer);
	if (caller->fd >= 0)
		close(caller->fd);
	list_del(&caller->link);
	listener->caller_count--;
	free(caller);
}

/* The descriptor is closed now, or is somebody else's. */
static void end_call(struct caller *caller, bool granted)
{
	struct ev_loop *loop = caller->listener->port->host->loop;

	if (granted) {
		caller->fd = -1;
		caller_free(caller);
		return;
	}
	ev_io_stop(loop, &caller->io);
	close(caller->fd);
	caller->fd = -1;
	ev_timer_stop(loop, &caller->timer);
	ev_timer_set(&caller->timer, DEAD_SECONDS, 0.);
	ev_timer_start(loop, &caller->timer);
}

static void refuse(struct caller *caller, const char *why)
{
	caller->listener->refused++;
	log_limited(LOG_LEVEL_WARN, "port %s: process %d of user %u is refused: %s",
		    name_of(caller->listener), (int)caller->peer.pid, (unsigned)caller->peer.uid,
		    why);
	end_call(caller, false);
}

/* ---- a port for a client ---- */

struct search {
	const char *path;
	int number; /* of one; VDE_NUMBER_ANY: all are marked in `used` */
	bool used[VDE_NUMBER_MAX + 1];
};

static bool match_number(const struct port *port, void *arg)
{
	struct search *search = arg;
	int64_t number;

	if (port->ops != &vde_ops || strcmp(vde_conf_of(port)->path, search->path) != 0)
		return false;
	number = vde_conf_of(port)->number;
	if (number == VDE_NUMBER_ANY)
		return false;
	search->used[number] = true;
	return number == search->number;
}

/*
 * The number for a client, and in *port the port that has it already, if there is one:
 * those that were made for a number are for who asks for it. -1 when all are taken.
 */
static int find_number(const struct listener *listener, int wanted, struct port **port)
{
	struct search search = {.path = listener->dir.path, .number = wanted};

	*port = listener->port->host->find(listener->port->host, match_number, &search);
	if (wanted != VDE_NUMBER_ANY)
		return wanted;
	for (int number = 1; number <= VDE_NUMBER_MAX; number++) {
		if (!search.used[number])
			return number;
	}
	return -1;
}

/* Where the client finds its port. It reads nothing else, ever. @syscall write */
static bool answer(int fd, const struct sockaddr_un *own)
{
	return write(fd, own, sizeof(*own)) == (ssize_t)sizeof(*own);
}

/* Both sockets and what is known of the client; NULL with a message. */
static struct vde_client *make_client(const struct caller *caller,
				      const struct vde_request *request, unsigned number,
				      struct err *err)
{
	struct vde_client *client = calloc(1, sizeof(*client));

	if (!client) {
		(void)err_set(err, ENOMEM, "out of memory");
		return NULL;
	}
	client->data = vde_data_open(&caller->listener->dir, caller->listener->port, request,
				     &caller->peer, number, &client->own, err);
	if (client->data < 0) {
		free(client);
		return NULL;
	}
	client->ctl = caller->fd;
	client->peer = caller->peer;
	memcpy(client->description, request->description, sizeof(client->description));
	socket_set_buffers(client->data, DATA_BUFFER);
	return client;
}

/* Plugs it in; takes it if that succeeds. */
static int plug_in(struct listener *listener, struct port *port, unsigned number,
		   struct vde_client *client)
{
	char suffix[16];

	if (port) {
		vde_guest_attach(port, client);
		return 0;
	}
	(void)snprintf(suffix, sizeof(suffix), "%u", number);
	return listener->port->host->join(listener->port, suffix, client);
}

static void grant(struct caller *caller, const struct vde_request *request)
{
	struct listener *listener = caller->listener;
	struct vde_client *client;
	struct err err = {""};
	struct port *port;
	int number = find_number(listener, request->number, &port), ret;

	if (number < 0) {
		refuse(caller, "all ports are taken");
		return;
	}
	if (port && !vde_guest_waits(port)) {
		(void)err_set(&err, EBUSY, "port %d is in use", number);
		refuse(caller, err.text);
		return;
	}
	client = make_client(caller, request, (unsigned)number, &err);
	if (!client) {
		refuse(caller, err.text);
		return;
	}
	if (!answer(caller->fd, &client->own)) {
		(void)err_set(&err, errno, "it does not take the answer: %s", strerror(errno));
		ret = -1;
	} else {
		ret = plug_in(listener, port, (unsigned)number, client);
		if (ret < 0)
			(void)err_set(&err, -ret, "it gets no port: %s", strerror(-ret));
	}
	if (ret == 0) {
		end_call(caller, true);
		return;
	}
	/* The caller's connection is still its own. */
	socket_remove_file(client->own.sun_path);
	close(client->data);
	free(client);
	refuse(caller, err.text);
}

/* ---- calls ---- */

static void on_request(struct ev_loop *loop, ev_io *io, int events)
{
	struct caller *caller = io->data;
	struct vde_request request;
	struct err err = {""};
	ssize_t n = read(caller->fd, caller->bytes + caller->len, /* @syscall read */
			 sizeof(caller->bytes) - caller->len);
	int ret;

	revive(loop, io, events);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) { /* gone without a word, or in the middle of one */
		end_call(caller, false);
		return;
	}
	caller->len += (size_t)n;
	ret = vde_request_parse(caller->bytes, caller->len, &request, &err);
	if (ret < 0)
		refuse(caller, err.text);
	else if (ret > 0)
		grant(caller, &request);
}

static void on_silence(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct caller *caller = timer->data;

	(void)loop;
	(void)events;
	if (caller->fd >= 0) {
		refuse(caller, "it says nothing, or half of a request, and no more");
		return;
	}
	vde_forget_caller(&caller->listener->dir, &caller->peer);
	caller_free(caller);
}

static void make_room(struct listener *listener)
{
	struct caller *oldest;

	if (listener->caller_count < CALLERS_MAX)
		return;
	oldest = container_of(listener->callers.next, struct caller, link);
	if (oldest->fd >= 0)
		refuse(oldest, "too many that ask for nothing have come after it");
	vde_forget_caller(&listener->dir, &oldest->peer);
	caller_free(oldest);
}

/* @syscall getsockopt */
static void begin_call(struct listener *listener, int fd)
{
	struct ev_loop *loop = listener->port->host->loop;
	struct caller *caller = calloc(1, sizeof(*caller));
	socklen_t len = sizeof(caller->peer);

	if (!caller) {
		close(fd);
		return;
	}
	make_room(listener);
	caller->listener = listener;
	caller->fd = fd;
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &caller->peer, &len) < 0)
		caller->peer = (struct ucred){.uid = (uid_t)-1};
	list_add_tail(&listener->callers, &caller->link);
	listener->caller_count++;
	ev_io_init(&caller->io, on_request, fd, EV_READ);
	ev_timer_init(&caller->timer, on_silence, ASK_SECONDS, 0.);
	caller->io.data = caller->timer.data = caller;
	ev_io_start(loop, &caller->io);
	ev_timer_start(loop, &caller->timer);
}

/* Waits until descriptors are free again: who calls meanwhile waits too. */
static void pause_calls(struct listener *listener)
{
	struct ev_loop *loop = listener->port->host->loop;

	ev_io_stop(loop, &listener->calling);
	ev_io_stop(loop, &listener->managing);
	ev_timer_set(&listener->pause, PAUSE_SECONDS, 0.);
	ev_timer_start(loop, &listener->pause);
}

static void on_pause_over(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct listener *listener = timer->data;

	(void)events;
	ev_io_start(loop, &listener->calling);
	if (listener->mgmt >= 0)
		ev_io_start(loop, &listener->managing);
}

/* The next that has called, or -1. @syscall accept4 */
static int take_call(struct listener *listener, int fd)
{
	int new = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

	if (new < 0 && errno != EAGAIN && errno != EINTR &&errno != ECONNABORTED) {
		log_limited(LOG_LEVEL_WARN, "port %s: nobody can be let in now: %s",
			    name_of(listener), strerror(errno));
		pause_calls(listener);
	}
	return new;
}

static void on_call(struct ev_loop *loop, ev_io *io, int events)
{
	struct listener *listener = io->data;

	revive(loop, io, events);
	for (unsigned i = 0; i < CALLS_AT_ONCE; i++) {
		int fd = take_call(listener, listener->ctl);

		if (fd < 0)
			return;
		begin_call(listener, fd);
	}
}

static void on_manager(struct ev_loop *loop, ev_io *io, int events)
{
	struct listener *listener = io->data;
	int fd = take_call(listener, listener->mgmt);

	revive(loop, io, events);
	if (fd >= 0)
		listener->port->host->manage(listener->port, fd);
}

/* ---- life ---- */

static int open_sockets(struct listener *listener, struct err *err)
{
	const struct vde_conf *conf = vde_conf_of(listener->port);
	const struct port_host *host = listener->port->host;

	listener->mgmt = -1;
	listener->ctl = vde_dir_open(&listener->dir, conf, host, err);
	if (listener->ctl < 0)
		return listener->ctl;
	if (!conf->mgmt)
		return 0;
	listener->mgmt = vde_mgmt_open(conf, host, err);
	if (listener->mgmt >= 0)
		return 0;
	vde_dir_close(conf->path);
	close(listener->ctl);
	return listener->mgmt;
}

static void start(struct listener *listener)
{
	struct port *port = listener->port;
	struct ev_loop *loop = port->host->loop;

	list_init(&listener->callers);
	ev_io_init(&listener->calling, on_call, listener->ctl, EV_READ);
	ev_io_init(&listener->managing, on_manager, listener->mgmt, EV_READ);
	ev_timer_init(&listener->pause, on_pause_over, 0., 0.);
	listener->calling.data = listener->managing.data = listener->pause.data = listener;
	ev_io_start(loop, &listener->calling);
	if (listener->mgmt >= 0)
		ev_io_start(loop, &listener->managing);
	port->state = listener;
	port->up = true;
	port->why[0] = '\0';
}

int vde_listen_open(struct port *port)
{
	struct listener *listener = calloc(1, sizeof(*listener));
	struct err err = {""};
	int ret;

	if (!listener)
		return -ENOMEM;
	listener->port = port;
	ret = open_sockets(listener, &err);
	if (ret < 0) {
		(void)snprintf(port->why, sizeof(port->why), "%.150s", err.text);
		free(listener);
		return ret;
	}
	start(listener);
	return 0;
}

void vde_listen_close(struct port *port)
{
	const struct vde_conf *conf = vde_conf_of(port);
	struct listener *listener = port->state;

	list_for_each_safe (&listener->callers, it) {
		struct caller *caller = container_of(it, struct caller, link);

		if (caller->fd < 0)
			vde_forget_caller(&listener->dir, &caller->peer);
		caller_free(caller);
	}
	ev_io_stop(port->host->loop, &listener->calling);
	ev_io_stop(port->host->loop, &listener->managing);
	ev_timer_stop(port->host->loop, &listener->pause);
	/* While they still listen nobody takes the files for leftovers. */
	if (!port->shared)
		vde_dir_close(conf->path);
	port_close_fd(port->host, listener->ctl);
	if (listener->mgmt >= 0) {
		if (!port->shared)
			socket_remove_file(conf->mgmt);
		port_close_fd(port->host, listener->mgmt);
	}
	free(listener);
	port->state = NULL;
}

/* ---- over a restart ---- */

/*
 * Clients of before, each with a port of its own again; one for whose number there is a
 * port meanwhile goes on there.
 */
static void rejoin(struct listener *listener)
{
	struct port *many = listener->port;

	for (int number = 0; number <= VDE_NUMBER_MAX; number++) {
		struct search search = {.path = listener->dir.path, .number = number};
		struct port *own = many->host->find(many->host, match_number, &search);
		char suffix[16];
		int ret;

		(void)snprintf(suffix, sizeof(suffix), "%d", number);
		ret = many->host->join(many, suffix, NULL);
		if (ret == -ENOMEM)
			log_limited(LOG_LEVEL_ERROR, "port %s: out of memory: a client is lost",
				    name_of(listener));
		if (ret == 0 && own && vde_guest_waits(own)) {
			vde_guest_take_over(own);
			many->host->descriptors_changed(own);
			many->host->changed(own);
		}
	}
}

/* Who has called and was not heard yet waits in the socket. */
int vde_listen_adopt(struct port *port, struct port_heritage *heritage)
{
	const struct vde_conf *conf = vde_conf_of(port);
	struct listener *listener = calloc(1, sizeof(*listener));
	unsigned ctl = heritage->count, mgmt = heritage->count;

	if (!listener)
		return -ENOMEM;
	for (unsigned i = 0; i < heritage->count; i++) {
		if (vde_dir_adopt(&listener->dir, conf, heritage->fd[i]) == 0)
			ctl = i;
		else if (conf->mgmt && vde_listens_at(heritage->fd[i], conf->mgmt))
			mgmt = i;
	}
	if (ctl == heritage->count || (conf->mgmt && mgmt == heritage->count) ||
	    vde_dir_adopt(&listener->dir, conf, heritage->fd[ctl]) < 0) {
		free(listener);
		return -EINVAL;
	}
	listener->port = port;
	listener->ctl = port_heritage_take(heritage, ctl);
	listener->mgmt = conf->mgmt ? port_heritage_take(heritage, mgmt) : -1;
	start(listener);
	rejoin(listener);
	return 0;
}

void vde_listen_handover(const struct port *port, struct port_heritage *heritage)
{
	const struct listener *listener = port->state;

	heritage->fd[heritage->count++] = listener->ctl;
	if (listener->mgmt >= 0)
		heritage->fd[heritage->count++] = listener->mgmt;
}

uint64_t vde_refused(const struct port *port)
{
	const struct listener *listener = port->state;

	return listener ? listener->refused : 0;
}

struct count {
	const char *path;
	unsigned clients;
};

static bool count_client(const struct port *port, void *arg)
{
	struct count *count = arg;

	if (port->ops == &vde_ops && strcmp(vde_conf_of(port)->path, count->path) == 0 &&
	    vde_client(port, NULL))
		count->clients++;
	return false;
}

void vde_listen_show(const struct port *port, json_t *object)
{
	const struct vde_conf *conf = vde_conf_of(port);
	struct count count = {.path = conf->path};

	(void)port->host->find(port->host, count_client, &count);
	json_object_set_new(object, "path", json_string(conf->path));
	if (conf->mgmt)
		json_object_set_new(object, "mgmt", json_string(conf->mgmt));
	json_object_set_new(object, "clients", json_integer(count.clients));
	json_object_set_new(object, "refused", json_integer((json_int_t)vde_refused(port)));
}
