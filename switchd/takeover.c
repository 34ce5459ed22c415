/* SPDX-License-Identifier: BSD-2-Clause */
#include "switchd/takeover.h"

#include <errno.h>
#include <ev.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/clock.h"
#include "lib/log.h"
#include "lib/names.h"
#include "switchd/accelerate.h"
#include "switchd/egress.h"
#include "switchd/policy/conn.h"
#include "switchd/ports.h"
#include "switchd/ports_links.h"
#include "switchd/segment.h"
#include "switchd/sieve.h"
#include "switchd/takeover_channel.h"
#include "switchd/uplink.h"

LOG_MODULE("takeover");

#define PATIENCE  10.	     /* seconds for which a successor may be silent before "go" */
#define CHUNK	  100	     /* items at a time */
#define SEND_BUF  (64 << 10) /* so bounds the descriptors that are under way at once */
#define ANSWER_S  20	     /* how long a predecessor may be silent after "go" */
#define STATE_MAX (4u << 20) /* bytes of JSON */
#define EPOLLS	  1024	     /* where libev's instance is looked for */
#define LATE_MS	  500u	     /* for which late connections are told of */

#define LATE_BEGIN "{\"connections\":["
#define LATE_END   "],\"now\":%llu}"
#define LATE_ROOM  64u /* for both */

/* ---- the predecessor, while it forwards ---- */

struct handover {
	struct switchd *sw;
	int channel; /* -1: the successor is gone */
	pid_t pid;
	ev_io io;
	ev_timer patience;
	struct saved_walk walk;
	bool generating; /* the connection still has it */
	bool told;	 /* all of it */
	bool go;
	bool late;	     /* the successor wants to hear of late connections */
	uint64_t until;	     /* when it goes on by itself */
	struct names *ports; /* that were passed, by the names under which they were */
};

static void stop_watching(struct handover *handover)
{
	ev_io_stop(handover->sw->loop, &handover->io);
	ev_timer_stop(handover->sw->loop, &handover->patience);
}

/* As long as the connection generates, it is the connection that frees it. */
static void end(struct handover *handover)
{
	struct switchd *sw = handover->sw;

	if (handover->channel >= 0) {
		stop_watching(handover);
		/* Whoever asked may hold this end too. */
		port_close_fd(&sw->port_host, handover->channel);
		handover->channel = -1;
	}
	if (sw->handover == handover)
		sw->handover = NULL;
	conns_unwatch(sw->conns);
	if (handover->generating)
		return;
	names_destroy(handover->ports);
	free(handover);
}

static void on_channel(struct ev_loop *loop, ev_io *io, int events)
{
	struct handover *handover = io->data;
	struct channel_message message, more = {.fds = 0};
	ssize_t n = channel_receive(handover->channel, &message, MSG_DONTWAIT);

	(void)events;
	message_close(&message);
	if (n == -EAGAIN)
		return;
	if (n > 0 && message_says(&message, TAKEOVER_GO) && handover->told &&
	    channel_receive(handover->channel, &more, MSG_DONTWAIT | MSG_PEEK) == -EAGAIN) {
		handover->go = true;
		stop_watching(handover);
		ev_break(loop, EVBREAK_ALL);
		return;
	}
	message_close(&more);
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

/* From now on "go" counts: said before, it was said without knowing to what. */
static void told_all(struct handover *handover, struct ctl_conn *conn)
{
	struct channel_message message;

	handover->told =
	    channel_receive(handover->channel, &message, MSG_DONTWAIT | MSG_PEEK) == -EAGAIN;
	message_close(&message);
	if (!handover->told)
		ctl_fail(conn, "the channel was spoken on, or closed, too soon");
}

static bool next_items(void *state, struct ctl_conn *conn)
{
	struct handover *handover = state;

	if (handover->channel < 0) {
		ctl_fail(conn, "the channel was closed");
		return false;
	}
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
	ev_io_init(&handover->io, on_channel, handover->channel, EV_READ);
	ev_timer_init(&handover->patience, on_patience, PATIENCE, 0.);
	handover->io.data = handover->patience.data = handover;
	handover->generating = true;
	handover->ports = names_create();
	if (!handover->ports) {
		handover->generating = false;
		end(handover);
		ctl_fail(conn, "out of memory");
		return;
	}
	/* Without memory for it, connections that begin late are not told of. */
	handover->late = json_is_true(json_object_get(args, "late")) && conns_watch(sw->conns) == 0;
	ev_io_start(sw->loop, &handover->io);
	ev_timer_start(sw->loop, &handover->patience);
	sw->handover = handover;
	ctl_generate(conn, next_items, items_done, handover);
}

/* ---- the predecessor, while it stands still ---- */

/* Says something as long as there is time. */
static int pass(const struct handover *handover, const char *text, size_t len, const int *fds,
		unsigned count)
{
	uint64_t now = clock_ms();

	if (now >= handover->until)
		return -ETIMEDOUT;
	channel_set_timeout(handover->channel, SO_SNDTIMEO, handover->until - now);
	return channel_say(handover->channel, text, len, fds, count);
}

static int pass_object(const struct handover *handover, json_t *object, const int *fds,
		       unsigned count)
{
	char *text = json_dumps(object, JSON_COMPACT);
	int ret = text ? pass(handover, text, strlen(text), fds, count) : -ENOMEM;

	free(text);
	json_decref(object);
	return ret;
}

static int pass_heritage(struct handover *handover, const char *name,
			 const struct port_heritage *heritage)
{
	char *state = heritage->state ? json_dumps(heritage->state, JSON_COMPACT) : NULL;
	size_t len = state ? strlen(state) : 0;
	int ret = pass_object(handover,
			      json_pack("{s:s, s:i, s:I}", "port", name, "fds",
					(int)heritage->count, "state", (json_int_t)len),
			      heritage->fd, heritage->count);

	for (size_t at = 0; ret == 0 && at < len; at += CHANNEL_PIECE)
		ret = pass(handover, state + at,
			   len - at < CHANNEL_PIECE ? len - at : CHANNEL_PIECE, NULL, 0);
	free(state);
	return ret;
}

static int pass_port(struct handover *handover, struct port *port)
{
	struct port_heritage heritage = {.count = 0};
	char name[INHERIT_PORT_NAME];
	int ret = 0;

	if (!port->state || !inherit_port_name(port->conf, name))
		return 0;
	port->ops->handover(port, &heritage);
	if (heritage.count)
		ret = names_add(handover->ports, name, port);
	if (heritage.count && ret == 0) {
		port->shared = true;
		ret = pass_heritage(handover, name, &heritage);
	}
	json_decref(heritage.state);
	return ret;
}

/* One message of connections that are told of late, as long as it may be. */
struct late {
	char text[CHANNEL_PIECE];
	size_t len; /* 0: none yet */
	unsigned count;
};

static int pass_late_message(const struct handover *handover, struct late *late)
{
	int n;

	if (late->len == 0)
		return 0;
	n = snprintf(late->text + late->len, sizeof(late->text) - late->len, LATE_END,
		     (unsigned long long)handover->sw->now);
	late->len += (size_t)n;
	n = pass(handover, late->text, late->len, NULL, 0);
	late->len = 0;
	return n;
}

/* Takes the object. */
static int pass_late_one(const struct handover *handover, struct late *late, json_t *json)
{
	char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
	const size_t len = text ? strlen(text) : 0;
	const size_t room = sizeof(late->text) - LATE_ROOM;
	int ret = 0;

	if (len > 0 && late->len + len > room)
		ret = pass_late_message(handover, late);
	/* One that does not fit into any message has a rule of thousands of characters. */
	if (ret == 0 && len > 0 && len <= room) {
		late->len +=
		    (size_t)snprintf(late->text + late->len, sizeof(late->text) - late->len, "%s%s",
				     late->len ? "," : LATE_BEGIN, text);
		late->count++;
	}
	free(text);
	json_decref(json);
	return ret;
}

/*
 * Those that began after they could be told of, while this process went on forwarding: established
 * ones first, and no more than there is a moment for, since guests wait.
 */
static int pass_late(const struct handover *handover)
{
	const struct switchd *sw = handover->sw;
	const uint64_t enough = clock_ms() + LATE_MS;
	struct late *late = calloc(1, sizeof(*late));
	int ret = late ? 0 : -ENOMEM;

	for (int established = 1; ret == 0 && established >= 0; established--) {
		struct conn_info info;
		uint32_t cursor = 0;

		while (ret == 0 && clock_ms() < enough &&
		       conns_late(sw->conns, established, sw->now, &cursor, &info))
			ret = pass_late_one(handover, late, saved_late(sw, &info));
	}
	if (ret == 0)
		ret = pass_late_message(handover, late);
	if (ret == 0 && late->count)
		log_debug("%u connections are told of late", late->count);
	free(late);
	return ret;
}

static int pass_all(struct handover *handover)
{
	struct switchd *sw = handover->sw;
	int fd = ctl_server_fd(sw->control), size = SEND_BUF, ret;

	(void)setsockopt(handover->channel, SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	ret = pass_object(handover, json_pack("{s:b}", "control", 1), &fd, 1);
	for (uint32_t i = 0; i < sw->port_numbers && ret == 0; i++) {
		if (sw->port_by_number[i])
			ret = pass_port(handover, sw->port_by_number[i]);
	}
	if (ret == 0 && handover->late)
		ret = pass_late(handover);
	return ret ? ret : pass_object(handover, json_pack("{s:b}", "end", 1), NULL, 0);
}

/* Until the successor serves. 0 or negative errno. */
static int wait_for_serving(struct handover *handover)
{
	struct channel_message message;

	for (;;) {
		uint64_t now = clock_ms();
		struct port *port;
		ssize_t n;

		if (now >= handover->until)
			return -ETIMEDOUT;
		channel_set_timeout(handover->channel, SO_RCVTIMEO, handover->until - now);
		n = channel_receive(handover->channel, &message, 0);
		message_close(&message);
		if (n <= 0)
			return n == 0 ? -EPIPE : n == -EAGAIN ? -ETIMEDOUT : (int)n;
		if (message_says(&message, TAKEOVER_SERVING))
			return 0;
		if (strncmp(message.text, TAKEOVER_LEFT, strlen(TAKEOVER_LEFT)) != 0)
			return -EPROTO;
		/* Nobody goes on with that one: it ends with this process, in order. */
		port = names_find(handover->ports, message.text + strlen(TAKEOVER_LEFT));
		if (port)
			port->shared = false;
	}
}

/* Of the loop's watchers none is called meanwhile: nothing is read, sent, or timed. */
static void stand_still(struct switchd *sw)
{
	egress_flush(sw);
	list_for_each (&sw->segments, it)
		segment_encaps_yield(container_of(it, struct segment, link));
	list_for_each (&sw->uplinks, it)
		accelerate_yield(container_of(it, struct uplink, link));
	ctl_server_share(sw->control, true);
}

static void go_on(struct switchd *sw)
{
	ctl_server_share(sw->control, false);
	list_for_each (&sw->ports, it)
		container_of(it, struct port_runtime, link)->port->shared = false;
	sw->now = clock_ms();
	list_for_each (&sw->segments, it)
		segment_encaps_open(container_of(it, struct segment, link));
	ports_recover(sw);
	uplinks_recover(sw);
	sieves_recover(sw->sieves);
}

int takeover_hand_over(struct switchd *sw)
{
	struct handover *handover = sw->handover;
	int ret, channel;

	if (!handover || !handover->go)
		return -1;
	log_info("process %d takes over: standing still", (int)handover->pid);
	handover->until = clock_ms() + TAKEOVER_FREEZE_MS;
	stand_still(sw);
	ret = pass_all(handover);
	if (ret == 0)
		ret = wait_for_serving(handover);
	/* A word that cannot be said was not heard, and the successor is no more. */
	if (ret == 0)
		ret = pass(handover, TAKEOVER_YOURS, strlen(TAKEOVER_YOURS), NULL, 0);
	if (ret < 0) {
		log_info("process %d does not take over after all (%s): going on",
			 (int)handover->pid, ret == -EPIPE ? "it has gone" : strerror(-ret));
		channel_set_timeout(handover->channel, SO_SNDTIMEO, 1);
		(void)channel_say_word(handover->channel, TAKEOVER_MINE);
		end(handover);
		go_on(sw);
		return -1;
	}
	log_info("process %d serves: ending", (int)handover->pid);
	sw->port_host.succeeded = sw->encap_host.handed_over = true;
	channel = handover->channel;
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

/* 1: the answer goes on; 0: that was its end. */
static int take_line(const json_t *line, struct saved *saved, struct err *err)
{
	const json_t *item = json_object_get(line, "item");
	const char *error = json_string_value(json_object_get(line, "error"));
	int ret;

	if (json_is_true(json_object_get(line, "ok")))
		return 0;
	if (!item)
		return err_set(err, EPROTO, "it refuses: %.300s", error ? error : "without a word");
	ret = saved_take(saved, item, err);
	return ret < 0 ? ret : 1;
}

int takeover_ask(struct takeover *takeover, const char *path, struct saved *saved, struct err *err)
{
	struct ctl_client *client;
	int pair[2], ret;
	struct err why;

	memset(takeover, 0, sizeof(*takeover));
	takeover->channel = takeover->control = -1;
	ret = ctl_client_open(&client, path, &why);
	if (ret < 0)
		return err_set(err, -ret, "there is nobody to take over from: %.300s", why.text);
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) < 0) {
		ret = err_set(err, errno, "a socket pair: %s", strerror(errno));
		goto out;
	}
	takeover->channel = pair[0];
	ret = ctl_client_send(client, "takeover",
			      json_pack("{s:i, s:b}", "version", SAVED_VERSION, "late", 1), pair[1],
			      &why);
	close(pair[1]);
	if (ret == 0)
		ret = 1;
	while (ret > 0) {
		json_t *line = ctl_client_read(client, &why);

		ret = line ? take_line(line, saved, &why) : -EPROTO;
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

/* The bytes that follow a message, as JSON; NULL with *n: see channel_receive(). */
static json_t *receive_state(int channel, size_t len, struct channel_message *message, ssize_t *n)
{
	char *text = malloc(len);
	size_t have = 0;
	json_t *state = NULL;

	*n = text ? 1 : -ENOMEM;
	while (*n > 0 && have < len) {
		*n = channel_receive(channel, message, 0);
		message_close(message);
		if (*n > 0 && (size_t)*n > len - have)
			*n = -EPROTO;
		if (*n <= 0)
			break;
		memcpy(text + have, message->text, message->len);
		have += message->len;
	}
	if (*n > 0) {
		state = json_loadb(text, len, 0, NULL);
		if (!state)
			*n = -EPROTO;
	}
	free(text);
	return state;
}

/* Takes the descriptors of a message, and what belongs to them. See channel_receive(). */
static ssize_t take_port(const struct takeover *takeover, const json_t *object,
			 struct channel_message *message, struct inherit *inherit)
{
	const char *name = json_string_value(json_object_get(object, "port"));
	json_int_t len = json_integer_value(json_object_get(object, "state"));
	ssize_t n = (ssize_t)message->len;
	json_t *state;

	if (json_integer_value(json_object_get(object, "fds")) != message->fds || len < 0 ||
	    len > (json_int_t)STATE_MAX) {
		message_close(message);
		return -EPROTO;
	}
	for (unsigned i = 0; i < message->fds; i++) {
		int ret = inherit_add(inherit, name, message->fd[i], false);

		if (ret < 0)
			n = ret;
	}
	message->fds = 0;
	if (n <= 0 || len == 0)
		return n;
	state = receive_state(takeover->channel, (size_t)len, message, &n);
	if (state)
		inherit_set_state(inherit, name, state);
	json_decref(state);
	return n;
}

static ssize_t take_late(const json_t *object, struct saved *saved)
{
	const json_t *now = json_object_get(object, "now"), *json;
	struct err err;
	size_t i;

	if (!json_is_integer(now) || json_integer_value(now) < 0)
		return -EPROTO;
	json_array_foreach(json_object_get(object, "connections"), i, json)
	{
		int ret = saved_take_late(saved, json, (uint64_t)json_integer_value(now), &err);

		if (ret < 0)
			return ret;
	}
	return 1;
}

/* One message with what belongs to it: as channel_receive(), but 1 at the end of all. */
static ssize_t take_message(struct takeover *takeover, struct inherit *inherit, struct saved *saved,
			    bool *last)
{
	struct channel_message message;
	ssize_t n = channel_receive(takeover->channel, &message, 0);
	json_t *object = n > 0 ? json_loadb(message.text, message.len, 0, NULL) : NULL;

	if (n <= 0)
		return n;
	if (message_says(&message, TAKEOVER_MINE)) {
		n = -ECANCELED;
	} else if (json_is_string(json_object_get(object, "port"))) {
		n = take_port(takeover, object, &message, inherit);
	} else if (json_is_array(json_object_get(object, "connections"))) {
		n = take_late(object, saved);
	} else if (json_is_true(json_object_get(object, "control")) && message.fds == 1 &&
		   takeover->control < 0) {
		takeover->control = message.fd[0];
		message.fds = 0;
	} else if (json_is_true(json_object_get(object, "end"))) {
		*last = true;
	} else {
		n = -EPROTO;
	}
	message_close(&message);
	json_decref(object);
	return n;
}

static int gone(struct takeover *takeover)
{
	log_warn("the predecessor has died on the way: going on with what it has handed over");
	takeover->gone = true;
	return 0;
}

int takeover_go(struct takeover *takeover, struct inherit *inherit, struct saved *saved,
		struct err *err)
{
	bool last = false;
	int ret = channel_say_word(takeover->channel, TAKEOVER_GO);

	if (ret < 0)
		return err_set(err, -ret, "the predecessor has given up waiting: %s",
			       strerror(-ret));
	channel_set_timeout(takeover->channel, SO_RCVTIMEO, ANSWER_S * 1000u);
	while (!last) {
		ssize_t n = take_message(takeover, inherit, saved, &last);

		if (n == 0)
			return gone(takeover);
		if (n < 0)
			return err_set(err, (int)-n, "the predecessor does not hand over: %s",
				       strerror((int)-n));
	}
	return 0;
}

static void say_left(void *arg, const char *name)
{
	char text[sizeof(TAKEOVER_LEFT) + INHERIT_NAME_MAX];
	int n = snprintf(text, sizeof(text), TAKEOVER_LEFT "%s", name);

	(void)channel_say(*(int *)arg, text, (size_t)n, NULL, 0);
}

int takeover_serving(struct takeover *takeover, const struct inherit *inherit, struct err *err)
{
	struct channel_message message;
	ssize_t n;

	if (takeover->gone)
		return 0;
	inherit_each_left(inherit, say_left, &takeover->channel);
	(void)channel_say_word(takeover->channel, TAKEOVER_SERVING);
	/* From now on only the predecessor knows which of the two it is, or its end. */
	channel_set_timeout(takeover->channel, SO_RCVTIMEO, 0);
	n = channel_receive(takeover->channel, &message, 0);
	message_close(&message);
	if (n == 0)
		return gone(takeover);
	if (n > 0 && message_says(&message, TAKEOVER_YOURS))
		return 0;
	return err_set(err, ECANCELED,
		       "the predecessor goes on: this process was not ready in time");
}

static void predecessor_is_gone(struct switchd *sw)
{
	list_for_each (&sw->segments, it)
		segment_encaps_open(container_of(it, struct segment, link));
	list_for_each (&sw->ports, it)
		port_retry(container_of(it, struct port_runtime, link)->port);
	ports_recover(sw);
	uplinks_recover(sw);
	sieves_recover(sw->sieves);
}

static void on_gone(struct ev_loop *loop, ev_io *io, int events)
{
	struct takeover *takeover = io->data;
	struct channel_message message;

	(void)loop;
	(void)events;
	if (channel_receive(takeover->channel, &message, MSG_DONTWAIT) == -EAGAIN)
		return;
	message_close(&message);
	takeover_close(takeover);
	predecessor_is_gone(takeover->sw);
}

void takeover_watch(struct takeover *takeover, struct switchd *sw)
{
	takeover->sw = sw;
	if (takeover->gone) {
		takeover_close(takeover);
		predecessor_is_gone(sw);
		return;
	}
	ev_io_init(&takeover->io, on_gone, takeover->channel, EV_READ);
	takeover->io.data = takeover;
	ev_io_start(sw->loop, &takeover->io);
}

void takeover_close(struct takeover *takeover)
{
	if (takeover->channel < 0)
		return;
	if (takeover->sw && ev_is_active(&takeover->io))
		ev_io_stop(takeover->sw->loop, &takeover->io);
	close(takeover->channel);
	takeover->channel = -1;
	if (takeover->control >= 0)
		close(takeover->control);
	takeover->control = -1;
}
