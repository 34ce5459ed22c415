/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The port of one client of VDE: a datagram socket that is connected with the
 * client's, a frame a datagram, and the connection over which it has asked, whose
 * end is the client's end.
 */
#include <errno.h>
#include <ev.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "encap/gso.h"
#include "lib/log.h"
#include "lib/revive.h"
#include "switchd/port/rx.h"
#include "switchd/port/sendq.h"
#include "switchd/port/vde_impl.h"

LOG_MODULE("vde");

#define QUEUE_BURST 32u

struct guest {
	struct port *port;
	struct vde_client *client; /* NULL: there is none yet, or any more */
	ev_io ctl, reading, writing;
	ev_timer ending; /* what cannot be sent to is left in a moment, not while sending */
	struct port_rx_pace pace;
	struct sendq out; /* for a client that reads slowly: the kernel holds ten datagrams */
};

static void wait_for_client(struct port *port)
{
	port->up = false;
	(void)snprintf(port->why, sizeof(port->why), "waiting for a client at %.100s[%d]",
		       vde_conf_of(port)->path, (int)vde_conf_of(port)->number);
}

static void detach(struct guest *guest)
{
	struct ev_loop *loop = guest->port->host->loop;

	if (!guest->client)
		return;
	ev_io_stop(loop, &guest->ctl);
	ev_io_stop(loop, &guest->reading);
	ev_io_stop(loop, &guest->writing);
	ev_timer_stop(loop, &guest->ending);
	vde_client_destroy(guest->client, guest->port);
	guest->client = NULL;
	guest->port->stats.tx_drops[REASON_LINK_DOWN] += sendq_clear(&guest->out);
	wait_for_client(guest->port);
}

/* The port may be gone afterwards. */
static void leave(struct guest *guest)
{
	struct port *port = guest->port;

	detach(guest);
	port->host->descriptors_changed(port);
	port->host->leave(port);
}

/* ---- receiving ---- */

static void take(struct port *port, struct port_rx *rx, unsigned i, struct frame_batch *batch)
{
	struct frame *frame = port_rx_take(rx, i);

	frame->origin = &port->stats;
	if (frame->len > VDE_FRAME_MAX || (rx->hdr[i].msg_hdr.msg_flags & MSG_TRUNC)) {
		port->stats.rx_frames++;
		frame_drop(frame, REASON_TOO_LONG);
		return;
	}
	frame_batch_add(batch, frame);
}

static void on_readable(struct ev_loop *loop, ev_io *io, int events)
{
	struct guest *guest = io->data;
	struct port *port = guest->port;
	struct frame_batch batch = {.count = 0};
	struct port_rx rx;
	int n;

	revive(loop, io, events);
	do {
		n = port_rx_read(&rx, guest->client->data, port->host->pool, &guest->pace, 0,
				 FRAME_BATCH_MAX - batch.count);
		for (int i = 0; i < n; i++)
			take(port, &rx, (unsigned)i, &batch);
	} while (n > 0 && guest->pace.more && !frame_batch_full(&batch));
	if (n < 0 && n != -EAGAIN && n != -EINTR)
		ev_timer_start(loop, &guest->ending);
	if (batch.count)
		port->host->receive(port, &batch);
}

/* ---- sending ---- */

/* How many were sent, from the first on; what stops it is in *error. */
static unsigned send_some(struct guest *guest, struct iovec *iov, unsigned count, int *error)
{
	struct mmsghdr msg[FRAME_BATCH_MAX];
	unsigned done = 0;

	*error = 0;
	for (unsigned i = 0; i < count; i++)
		msg[i].msg_hdr = (struct msghdr){.msg_iov = &iov[i], .msg_iovlen = 1};
	while (done < count) {
		int n = sendmmsg(guest->client->data, msg + done, count - done,
				 MSG_DONTWAIT | MSG_NOSIGNAL); /* @syscall sendmmsg */

		if (n > 0) {
			done += (unsigned)n;
		} else if (errno != EINTR) {
			*error = errno;
			break;
		}
	}
	return done;
}

static bool is_full(int error)
{
	return error == EAGAIN || error == ENOBUFS || error == ENOMEM;
}

static void count_sent(struct port *port, size_t len)
{
	port->stats.tx_frames++;
	port->stats.tx_bytes += len;
	port->stats.tx_segments++;
}

static void on_writable(struct ev_loop *loop, ev_io *io, int events)
{
	struct guest *guest = io->data;
	struct iovec iov[QUEUE_BURST];
	unsigned count = sendq_first(&guest->out, iov, QUEUE_BURST), done;
	int error;

	(void)events;
	done = send_some(guest, iov, count, &error);
	for (unsigned i = 0; i < done; i++)
		count_sent(guest->port, iov[i].iov_len);
	sendq_take(&guest->out, done);
	if (sendq_empty(&guest->out)) {
		ev_io_stop(loop, io);
	} else if (error && !is_full(error)) {
		ev_io_stop(loop, io);
		ev_timer_start(loop, &guest->ending);
	}
}

/* What of the batch was sent or kept; the rest is dropped. */
static void send_batch(struct guest *guest, struct frame_batch *batch)
{
	struct port *port = guest->port;
	struct iovec iov[FRAME_BATCH_MAX];
	unsigned sent = 0;
	int error = EAGAIN;

	if (sendq_empty(&guest->out)) {
		for (unsigned i = 0; i < batch->count; i++)
			iov[i] = (struct iovec){batch->frame[i]->data, batch->frame[i]->len};
		sent = send_some(guest, iov, batch->count, &error);
	}
	if (error && !is_full(error))
		ev_timer_start(port->host->loop, &guest->ending);
	for (unsigned i = 0; i < batch->count; i++) {
		if (i < sent)
			count_sent(port, batch->frame[i]->len);
		else if (!is_full(error) || !sendq_add(&guest->out, batch->frame[i]))
			port->stats
			    .tx_drops[is_full(error) ? REASON_QUEUE_FULL : REASON_LINK_DOWN]++;
	}
	if (!sendq_empty(&guest->out))
		ev_io_start(port->host->loop, &guest->writing);
}

void vde_guest_send(struct port *port, struct frame_batch *batch)
{
	struct guest *guest = port->state;
	unsigned fit = 0;

	for (unsigned i = 0; i < batch->count; i++) {
		if (batch->frame[i]->len <= VDE_FRAME_MAX) {
			batch->frame[fit++] = batch->frame[i];
			continue;
		}
		port->stats.tx_drops[REASON_OVERSIZE]++;
		frame_free(batch->frame[i]);
	}
	batch->count = fit;
	if (guest->client && !ev_is_active(&guest->ending))
		send_batch(guest, batch);
	else
		port->stats.tx_drops[REASON_LINK_DOWN] += batch->count;
	frame_batch_free(batch);
}

/* ---- the client ---- */

/* @syscall read */
static void on_ctl(struct ev_loop *loop, ev_io *io, int events)
{
	struct guest *guest = io->data;
	uint8_t bytes[256];
	ssize_t n = read(guest->client->ctl, bytes, sizeof(bytes));

	revive(loop, io, events);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n > 0)
		log_limited(LOG_LEVEL_WARN, "port %s: its client is disconnected: it asks again",
			    guest->port->conf->name);
	leave(guest);
}

static void on_ending(struct ev_loop *loop, ev_timer *timer, int events)
{
	(void)loop;
	(void)events;
	leave(timer->data);
}

static void attach(struct guest *guest, struct vde_client *client)
{
	struct port *port = guest->port;
	struct ev_loop *loop = port->host->loop;

	guest->client = client;
	ev_io_set(&guest->ctl, client->ctl, EV_READ);
	ev_io_set(&guest->reading, client->data, EV_READ);
	ev_io_set(&guest->writing, client->data, EV_WRITE);
	ev_io_start(loop, &guest->ctl);
	ev_io_start(loop, &guest->reading);
	port->up = true;
	port->why[0] = '\0';
}

void vde_guest_attach(struct port *port, struct vde_client *client)
{
	attach(port->state, client);
	port->host->descriptors_changed(port);
	port->host->changed(port);
}

bool vde_guest_waits(const struct port *port)
{
	const struct guest *guest = port->state;

	return guest && !guest->client;
}

const char *vde_client(const struct port *port, unsigned *uid)
{
	const struct guest *guest = port->state;

	if (!guest || vde_conf_of(port)->number == VDE_NUMBER_ANY || !guest->client)
		return NULL;
	if (uid)
		*uid = (unsigned)guest->client->peer.uid;
	return guest->client->description;
}

/* ---- life ---- */

static bool same_number(const struct port *port, void *arg)
{
	const struct port *new = arg;

	return port != new && port->ops == new->ops &&
	       port->state &&strcmp(vde_conf_of(port)->path, vde_conf_of(new)->path) == 0 &&
	       vde_conf_of(port)->number == vde_conf_of(new)->number;
}

/* A client that has joined with this number before the port was configured: it goes
 * on here. */
void vde_guest_take_over(struct port *port)
{
	struct guest *guest = port->state, *theirs;
	struct vde_client *client;
	struct port *other;

	other = port->host->find(port->host, same_number, port);
	if (!other)
		return;
	theirs = other->state;
	client = theirs->client;
	theirs->client = NULL;
	ev_io_stop(port->host->loop, &theirs->ctl);
	ev_io_stop(port->host->loop, &theirs->reading);
	ev_io_stop(port->host->loop, &theirs->writing);
	ev_timer_stop(port->host->loop, &theirs->ending);
	wait_for_client(other);
	port->shared |= other->shared;
	port->host->leave(other);
	if (client)
		attach(guest, client);
}

static struct guest *create(struct port *port)
{
	struct guest *guest = calloc(1, sizeof(*guest));

	if (!guest)
		return NULL;
	guest->port = port;
	ev_io_init(&guest->ctl, on_ctl, -1, EV_READ);
	ev_io_init(&guest->reading, on_readable, -1, EV_READ);
	ev_io_init(&guest->writing, on_writable, -1, EV_WRITE);
	ev_timer_init(&guest->ending, on_ending, 0., 0.);
	guest->ctl.data = guest->reading.data = guest->writing.data = guest->ending.data = guest;
	port->state = guest;
	port->offloads = OFFLOAD_NONE;
	wait_for_client(port);
	return guest;
}

int vde_guest_open(struct port *port)
{
	struct guest *guest = create(port);

	if (!guest)
		return -ENOMEM;
	if (port->guest) {
		attach(guest, port->guest);
		port->guest = NULL;
	} else {
		vde_guest_take_over(port);
	}
	return 0;
}

/* ---- over a restart ---- */

/* Which descriptor is which; false if it is not all that there has to be. */
static bool sort_out(const struct port *port, const struct port_heritage *heritage, unsigned *ctl,
		     unsigned *data, struct sockaddr_un *own)
{
	const struct vde_conf *conf = vde_conf_of(port);
	bool has_ctl = false, has_data = false;

	for (unsigned i = 0; i < heritage->count; i++) {
		int fd = heritage->fd[i];

		if (vde_data_is(fd, conf->path, (unsigned)conf->number, own)) {
			*data = i;
			has_data = true;
		} else if (port_is_socket(fd, AF_UNIX, SOCK_STREAM)) {
			*ctl = i;
			has_ctl = true;
		}
	}
	return has_ctl && has_data;
}

/* A client that has died meanwhile is found gone as soon as the loop runs. */
int vde_guest_adopt(struct port *port, struct port_heritage *heritage)
{
	struct vde_client *client = calloc(1, sizeof(*client));
	const char *description;
	unsigned ctl = 0, data = 0;
	struct guest *guest;
	socklen_t len = sizeof(client->peer);

	if (!client || !sort_out(port, heritage, &ctl, &data, &client->own) ||
	    getsockopt(heritage->fd[ctl], SOL_SOCKET, SO_PEERCRED, &client->peer, &len) < 0) {
		free(client);
		return client ? -EINVAL : -ENOMEM;
	}
	guest = create(port);
	if (!guest) {
		free(client);
		return -ENOMEM;
	}
	client->ctl = port_heritage_take(heritage, ctl);
	client->data = port_heritage_take(heritage, data);
	description = json_string_value(json_object_get(heritage->state, "description"));
	(void)snprintf(client->description, sizeof(client->description), "%s",
		       description ? description : "");
	attach(guest, client);
	sendq_from_json(&guest->out, json_object_get(heritage->state, "out"), VDE_FRAME_MAX);
	if (!sendq_empty(&guest->out))
		ev_io_start(port->host->loop, &guest->writing);
	return 0;
}

void vde_guest_handover(const struct port *port, struct port_heritage *heritage)
{
	const struct guest *guest = port->state;

	if (!guest->client || ev_is_active(&guest->ending))
		return;
	heritage->fd[heritage->count++] = guest->client->ctl;
	heritage->fd[heritage->count++] = guest->client->data;
	heritage->state = json_pack("{s:s, s:o}", "description", guest->client->description, "out",
				    sendq_to_json(&guest->out));
}

/* ---- the end ---- */

void vde_guest_close(struct port *port)
{
	struct guest *guest = port->state;

	detach(guest);
	(void)sendq_clear(&guest->out);
	free(guest);
	port->state = NULL;
}

void vde_guest_show(const struct port *port, json_t *object)
{
	const struct vde_conf *conf = vde_conf_of(port);
	const struct guest *guest = port->state;
	char peer[64];

	json_object_set_new(object, "path", json_string(conf->path));
	json_object_set_new(object, "number", json_integer(conf->number));
	if (!guest || !guest->client)
		return;
	(void)snprintf(peer, sizeof(peer), "process %d of user %u", (int)guest->client->peer.pid,
		       (unsigned)guest->client->peer.uid);
	json_object_set_new(object, "peer", json_string(peer));
	json_object_set_new(object, "description", json_string(guest->client->description));
}
