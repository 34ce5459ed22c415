/* SPDX-License-Identifier: BSD-2-Clause */
#include "switchd/takeover.h"

#include <errno.h>
#include <ev.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/log.h"

LOG_MODULE("takeover");

#define PATIENCE 10.  /* seconds for which a successor may be silent */
#define CHUNK	 100  /* items at a time */
#define LET_GO_S 20   /* how long a predecessor may take to close everything */
#define EPOLLS	 1024 /* where libev's instance is looked for */

/* ---- the predecessor ---- */

struct handover {
	struct switchd *sw;
	int channel; /* -1: the successor is gone */
	pid_t pid;
	ev_io io;
	ev_timer patience;
	struct saved_walk walk;
	uint32_t port;	 /* the next */
	bool generating; /* the connection still has it */
	bool told;	 /* all of it */
	bool go;
};

/* As long as the connection generates, it is the connection that frees it. */
static void end(struct handover *handover)
{
	struct switchd *sw = handover->sw;

	if (handover->channel >= 0) {
		ev_io_stop(sw->loop, &handover->io);
		ev_timer_stop(sw->loop, &handover->patience);
		/* Whoever asked may hold this end too. */
		if (sw->port_host.epoll >= 0)
			(void)epoll_ctl(sw->port_host.epoll, EPOLL_CTL_DEL, handover->channel,
					NULL); /* @syscall epoll_ctl */
		close(handover->channel);
		handover->channel = -1;
	}
	if (sw->handover == handover)
		sw->handover = NULL;
	if (!handover->generating)
		free(handover);
}

/* recv(), by a system call that is made anyway. @syscall recvmsg */
static ssize_t read_channel(int channel, char *text, size_t size, int flags)
{
	struct iovec iov = {.iov_base = text, .iov_len = size};
	struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};

	return recvmsg(channel, &msg, MSG_DONTWAIT | flags);
}

static void on_channel(struct ev_loop *loop, ev_io *io, int events)
{
	struct handover *handover = io->data;
	char text[8];
	ssize_t n = read_channel(handover->channel, text, sizeof(text), 0);

	(void)events;
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n == (ssize_t)strlen(TAKEOVER_GO) && memcmp(text, TAKEOVER_GO, (size_t)n) == 0 &&
	    handover->told && read_channel(handover->channel, text, sizeof(text), 0) < 0 &&
	    errno == EAGAIN) {
		log_info("process %d takes over: ending", (int)handover->pid);
		handover->go = true;
		handover->sw->encap_host.handed_over = true;
		ev_io_stop(loop, io);
		ev_break(loop, EVBREAK_ALL);
		return;
	}
	log_info("process %d does not take over after all: going on", (int)handover->pid);
	end(handover);
}

static void on_patience(struct ev_loop *loop, ev_timer *timer, int events)
{
	struct handover *handover = timer->data;

	(void)loop;
	(void)events;
	log_info("process %d is silent and does not take over: going on", (int)handover->pid);
	end(handover);
}

/* 0; -EAGAIN: the successor has to read first. */
static int send_descriptor(int channel, const char *name, int fd)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int))];
	} control = {.space = {0}};
	struct iovec iov = {.iov_base = (char *)(uintptr_t)name, .iov_len = strlen(name)};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = &control,
			     .msg_controllen = sizeof(control)};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(fd));
	if (sendmsg(channel, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0) /* @syscall sendmsg */
		return 0;
	return errno == EINTR || errno == ETOOMANYREFS || errno == ENOBUFS ? -EAGAIN : -errno;
}

/* Sends descriptors of up to `room` ports. 1: there are more; 0: all sent. */
static int tell_ports(struct handover *handover, struct ctl_conn *conn, int room)
{
	const struct switchd *sw = handover->sw;

	for (; handover->port < sw->port_numbers && room > 0; handover->port++) {
		const struct port *port = sw->port_by_number[handover->port];
		char name[INHERIT_PORT_NAME];
		int ret;

		if (!port || !port->state || !inherit_port_name(port->conf, name))
			continue;
		ret = send_descriptor(handover->channel, name, port->ops->handover(port));
		if (ret == -EAGAIN)
			return 1;
		if (ret < 0)
			return ret;
		ctl_item(conn, json_pack("{s:s}", "descriptor", name));
		room--;
	}
	return handover->port < sw->port_numbers;
}

/* From now on "go" counts: said before, it was said without knowing to what. */
static void told_all(struct handover *handover, struct ctl_conn *conn)
{
	char text;

	if (read_channel(handover->channel, &text, sizeof(text), MSG_PEEK) < 0)
		handover->told = errno == EAGAIN;
	if (!handover->told)
		ctl_fail(conn, "the channel was spoken on, or closed, too soon");
}

static bool next_items(void *state, struct ctl_conn *conn)
{
	struct handover *handover = state;
	int ret;

	if (handover->channel < 0) {
		ctl_fail(conn, "the channel was closed");
		return false;
	}
	ret = tell_ports(handover, conn, CHUNK);
	if (ret < 0) {
		ctl_fail(conn, "the channel: %s", strerror(-ret));
		return false;
	}
	if (ret > 0)
		return true;
	for (int i = 0; i < CHUNK; i++) {
		json_t *json = saved_next(&handover->walk, handover->sw);

		if (!json) {
			told_all(handover, conn);
			return false;
		}
		ctl_item(conn, json);
	}
	return true;
}

static void items_done(void *state)
{
	struct handover *handover = state;

	handover->generating = false;
	if (handover->channel < 0 || !handover->told)
		end(handover);
}

/* Why not, or NULL. */
static const char *refuse(const struct switchd *sw, const json_t *args, int fd, struct ucred *peer)
{
	socklen_t len = sizeof(int), cred = sizeof(*peer);
	int domain = 0, type = 0;

	if (json_integer_value(json_object_get(args, "version")) != SAVED_VERSION)
		return "the two versions do not understand each other";
	if (sw->handover)
		return "another process is taking over";
	/* @syscall getsockopt */
	if (fd < 0 || getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) < 0 ||
	    getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) < 0 || domain != AF_UNIX ||
	    type != SOCK_SEQPACKET)
		return "a takeover needs one end of a SOCK_SEQPACKET pair";
	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, peer, &cred) < 0 ||
	    (peer->uid != 0 && peer->uid != sw->uid))
		return "only the same user can take over";
	return NULL;
}

void takeover_serve(struct switchd *sw, struct ctl_conn *conn, json_t *args, int *fd)
{
	struct ucred peer = {.pid = 0};
	const char *why = refuse(sw, args, *fd, &peer);
	struct handover *handover = why ? NULL : calloc(1, sizeof(*handover));

	if (!handover) {
		ctl_fail(conn, "%s", why ? why : "out of memory");
		return;
	}
	handover->sw = sw;
	handover->pid = peer.pid;
	handover->channel = *fd;
	*fd = -1;
	handover->generating = true;
	ev_io_init(&handover->io, on_channel, handover->channel, EV_READ);
	ev_timer_init(&handover->patience, on_patience, PATIENCE, 0.);
	handover->io.data = handover->patience.data = handover;
	ev_io_start(sw->loop, &handover->io);
	ev_timer_start(sw->loop, &handover->patience);
	sw->handover = handover;
	ctl_generate(conn, next_items, items_done, handover);
}

int takeover_channel(struct switchd *sw)
{
	struct handover *handover = sw->handover;
	int channel;

	if (!handover || !handover->go)
		return -1;
	channel = handover->channel;
	ev_io_stop(sw->loop, &handover->io);
	ev_timer_stop(sw->loop, &handover->patience);
	handover->channel = -1;
	end(handover);
	return channel;
}

void takeover_abandon(struct switchd *sw)
{
	if (sw->handover)
		end(sw->handover);
}

int takeover_epoll(void)
{
	int other = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	int found = -1;

	/* It is the one that does not know what it has never been told. */
	for (int fd = 0; other >= 0 && fd < EPOLLS && found < 0; fd++) {
		if (fd != other && epoll_ctl(fd, EPOLL_CTL_DEL, other, NULL) < 0 && errno == ENOENT)
			found = fd;
	}
	if (other >= 0)
		close(other);
	return found;
}

/* ---- the successor ---- */

/* The descriptor that an item speaks of. */
static int receive_descriptor(int channel, const char *name, struct inherit *inherit,
			      struct err *err)
{
	union {
		struct cmsghdr align;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	char text[INHERIT_NAME_MAX + 1] = "";
	struct iovec iov = {.iov_base = text, .iov_len = sizeof(text)};
	struct msghdr msg = {.msg_iov = &iov,
			     .msg_iovlen = 1,
			     .msg_control = &control,
			     .msg_controllen = sizeof(control)};
	ssize_t n = recvmsg(channel, &msg, MSG_CMSG_CLOEXEC);
	struct cmsghdr *cmsg = n > 0 ? CMSG_FIRSTHDR(&msg) : NULL;
	int fd;

	if (!cmsg || cmsg->cmsg_level != SOL_SOCKET || cmsg->cmsg_type != SCM_RIGHTS ||
	    cmsg->cmsg_len != CMSG_LEN(sizeof(int)))
		return err_set(err, EPROTO, "the descriptor of %.80s did not come", name);
	memcpy(&fd, CMSG_DATA(cmsg), sizeof(fd));
	if ((size_t)n != strlen(name) || memcmp(text, name, (size_t)n) != 0) {
		close(fd);
		return err_set(err, EPROTO, "the descriptor of %.80s is another's", name);
	}
	if (inherit_add(inherit, name, fd, false) < 0)
		return err_set(err, EPROTO, "the descriptor of %.80s cannot be kept", name);
	return 0;
}

/* 1: the answer goes on; 0: that was its end. */
static int take_line(const struct takeover *takeover, const json_t *line, struct saved *saved,
		     struct inherit *inherit, struct err *err)
{
	const json_t *item = json_object_get(line, "item");
	const char *error = json_string_value(json_object_get(line, "error"));
	const char *name = json_string_value(json_object_get(item, "descriptor"));
	int ret;

	if (json_is_true(json_object_get(line, "ok")))
		return 0;
	if (!item)
		return err_set(err, EPROTO, "it refuses: %.300s", error ? error : "without a word");
	ret = name ? receive_descriptor(takeover->channel, name, inherit, err)
		   : saved_take(saved, item, err);
	return ret < 0 ? ret : 1;
}

/* From when a descriptor is asked for until the predecessor has let go of it. */
static void set_patience(int fd, int seconds)
{
	struct timeval tv = {.tv_sec = seconds};

	(void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv));
}

int takeover_ask(struct takeover *takeover, const char *path, struct saved *saved,
		 struct inherit *inherit, struct err *err)
{
	struct ctl_client *client;
	int pair[2], ret;
	struct err why;

	takeover->channel = -1;
	ret = ctl_client_open(&client, path, &why);
	if (ret < 0)
		return err_set(err, -ret, "there is nobody to take over from: %.300s", why.text);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		ret = err_set(err, errno, "a socket pair: %s", strerror(errno));
		goto out;
	}
	takeover->channel = pair[0];
	set_patience(takeover->channel, LET_GO_S);
	ret = ctl_client_send(client, "takeover", json_pack("{s:i}", "version", SAVED_VERSION),
			      pair[1], &why);
	close(pair[1]);
	if (ret == 0)
		ret = 1;
	while (ret > 0) {
		json_t *line = ctl_client_read(client, &why);

		ret = line ? take_line(takeover, line, saved, inherit, &why) : -EPROTO;
		json_decref(line);
	}
	if (ret < 0) {
		ret = err_set(err, -ret, "cannot take over from who serves at %.120s: %.300s", path,
			      why.text[0] ? why.text : "it has hung up");
		takeover_close(takeover);
	}
out:
	ctl_client_close(client);
	return ret;
}

int takeover_go(struct takeover *takeover, struct err *err)
{
	char text[8];
	ssize_t n;

	if (send(takeover->channel, TAKEOVER_GO, strlen(TAKEOVER_GO), MSG_NOSIGNAL) < 0)
		return err_set(err, errno, "the predecessor has given up waiting: %s",
			       strerror(errno));
	do {
		n = recv(takeover->channel, text, sizeof(text), 0);
	} while (n < 0 && errno == EINTR);
	if (n > 0 || (n < 0 && errno != ECONNRESET))
		return err_set(err, EPROTO, "the predecessor does not let go");
	return 0;
}

void takeover_close(struct takeover *takeover)
{
	if (takeover->channel >= 0)
		close(takeover->channel);
	takeover->channel = -1;
}
