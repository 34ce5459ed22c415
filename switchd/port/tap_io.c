/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Traffic of ports of type tap. A TAP takes and gives one frame a call, and for small
 * frames the call is most of what they cost: where there are several, one call of the
 * ring (bulk.h) does them all. A frame that is alone, as when somebody waits for an answer,
 * takes the plain way, which is the shortest.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "encap/gso.h"
#include "lib/revive.h"
#include "switchd/port/bulk.h"
#include "switchd/port/tap_impl.h"

/* So many are worth the ring's own costs. */
#define BULK_LEAST 4u

/* Turns in which one frame comes at a time before it is looked whether there are two: a read
 * that finds nothing stands between a frame and its answer. The more often it found nothing,
 * the later the next. */
#define SINGLES	    8u
#define IN_VAIN_MAX 3u /* doublings */

/* Small frames of one turn that stand for more packets are no work of an honest guest: a
 * segment of TCP has 48 bytes or more. */
#define SEGMENTS_MAX (BULK_MAX * 64u)

static_assert(TAP_HEADER_LEN <= FRAME_HEADROOM, "the virtio-net header is read into the headroom");
static_assert(BULK_MAX >= FRAME_BATCH_MAX, "a batch is written at once");

static bool may_bulk(const struct tap *tap, unsigned frames)
{
	return frames >= BULK_LEAST && tap->port->host->bulk && !tap->no_bulk;
}

/* ---- reading ---- */

struct turn {
	struct frame_batch batch;
	unsigned want, got, segments;
	size_t bytes;
	int error; /* the last: EAGAIN when there is no more */
};

/* What became of a read: a frame's header and bytes, or negative errno. */
static void take(struct tap *tap, struct turn *turn, struct frame *frame, ssize_t n)
{
	struct port *port = tap->port;

	if (n < (ssize_t)TAP_HEADER_LEN) {
		if (n < 0 && n != -EINTR)
			turn->error = (int)-n;
		frame_free(frame);
		return;
	}
	turn->got++;
	turn->bytes += (size_t)n;
	frame->len = (uint32_t)((size_t)n - TAP_HEADER_LEN);
	frame->origin = &port->stats;
	if (!vnet_read(frame->data - TAP_HEADER_LEN, frame)) {
		port->stats.rx_frames++;
		frame_drop(frame, REASON_BAD_OFFLOAD);
		return;
	}
	turn->segments += offload_segments(frame);
	frame_batch_add(&turn->batch, frame);
}

static void read_each(struct tap *tap, struct turn *turn)
{
	for (unsigned i = 0; i < turn->want && !turn->error && turn->bytes < FRAME_TURN_BYTES &&
			     turn->segments < PORT_READ_SEGMENTS;
	     i++) {
		struct frame *frame = frame_alloc(tap->port->host->pool, FRAME_LARGE);
		ssize_t n;

		/* What is queued is sent before the loop comes back here. */
		if (!frame)
			break;
		n = read(tap->fd, frame->data - TAP_HEADER_LEN,
			 TAP_HEADER_LEN + FRAME_LARGE); /* @syscall read */
		take(tap, turn, frame, n < 0 ? -errno : n);
	}
}

static void read_bulk(struct tap *tap, struct turn *turn)
{
	struct frame *frame[BULK_MAX];
	struct bulk_op op[BULK_MAX];
	unsigned n = 0;

	for (; n < turn->want; n++) {
		frame[n] = frame_alloc(tap->port->host->pool, FRAME_LARGE);
		if (!frame[n])
			break;
		op[n].pieces = 1;
		op[n].iov[0] =
		    (struct iovec){frame[n]->data - TAP_HEADER_LEN, TAP_HEADER_LEN + FRAME_LARGE};
	}
	if (n == 0)
		return;
	bulk_read(tap->port->host->bulk, tap->fd, op, n);
	tap->no_bulk = op[0].result == -EOPNOTSUPP;
	for (unsigned i = 0; i < n; i++)
		take(tap, turn, frame[i], tap->no_bulk ? -EAGAIN : op[i].result);
}

/* How the next turn reads. */
static void learn(struct tap *tap, const struct turn *turn)
{
	struct tap_pace *pace = &tap->pace;

	pace->long_frames = turn->bytes > turn->got * FRAME_SMALL;
	if (turn->segments > SEGMENTS_MAX)
		tap->no_bulk = true;
	if (turn->got < turn->want) {
		pace->frames = turn->got;
		pace->singles = 0;
		if (turn->want > 2)
			pace->in_vain = 0;
		else if (pace->in_vain < IN_VAIN_MAX)
			pace->in_vain++;
	} else if (turn->want > 1 || ++pace->singles >= SINGLES << pace->in_vain) {
		pace->frames = turn->want * 2 < FRAME_BATCH_MAX ? turn->want * 2 : FRAME_BATCH_MAX;
	}
}

void tap_readable(struct ev_loop *loop, ev_io *io, int events)
{
	struct tap *tap = io->data;
	struct port *port = tap->port;
	struct turn turn = {.want = tap->pace.frames ? tap->pace.frames : 1};

	revive(loop, io, events);
	if (may_bulk(tap, turn.want) && !tap->pace.long_frames)
		read_bulk(tap, &turn);
	else
		read_each(tap, &turn);
	learn(tap, &turn);
	if (turn.batch.count)
		port->host->receive(port, &turn.batch);
	if (turn.error && turn.error != EAGAIN)
		port->host->lost(port, strerror(turn.error));
}

/* ---- writing ---- */

static void note_write(struct port *port, int error)
{
	struct tap *tap = port->state;
	bool failed = error == EIO;

	if (failed == tap->write_failed)
		return;
	tap->write_failed = failed;
	port->up = !failed;
	(void)snprintf(port->why, sizeof(port->why), "%s",
		       failed ? "the guest has set its interface down" : "");
	port->host->changed(port);
}

/* A frame behind its virtio-net header, which goes in front of the bytes where there is
 * room: the kernel takes one run of bytes with less ado than two. */
static void lay_out(struct frame *frame, struct vnet_header *header, struct bulk_op *op)
{
	uint8_t *start;

	vnet_write(frame, 0, header);
	start = frame_push(frame, sizeof(*header));
	if (start) {
		memcpy(start, header, sizeof(*header));
		op->iov[0] = (struct iovec){start, frame->len};
		op->pieces = 1;
	} else {
		op->iov[0] = (struct iovec){header, sizeof(*header)};
		op->iov[1] = (struct iovec){frame->data, frame->len};
		op->pieces = 2;
	}
}

/* @syscall write writev */
static void write_each(struct tap *tap, struct bulk_op *op, unsigned n)
{
	for (unsigned i = 0; i < n; i++) {
		ssize_t ret;

		do {
			if (op[i].pieces == 1)
				ret = write(tap->fd, op[i].iov[0].iov_base, op[i].iov[0].iov_len);
			else
				ret = writev(tap->fd, op[i].iov, (int)op[i].pieces);
		} while (ret < 0 && errno == EINTR);
		op[i].result = ret < 0 ? -errno : ret;
	}
}

static void write_all(struct tap *tap, struct bulk_op *op, unsigned n)
{
	if (may_bulk(tap, n)) {
		bulk_write(tap->port->host->bulk, tap->fd, op, n);
		if (op[0].result != -EOPNOTSUPP)
			return;
		tap->no_bulk = true;
	}
	write_each(tap, op, n);
}

static void count(struct port *port, unsigned segments, const struct bulk_op *op)
{
	const struct tap *tap = port->state;
	struct stats *stats = &port->stats;

	if (op->result >= 0) {
		stats->tx_frames++;
		stats->tx_bytes += (size_t)op->result - TAP_HEADER_LEN;
		stats->tx_segments += segments;
		if (tap->write_failed)
			note_write(port, 0);
	} else if (op->result == -EINVAL) {
		stats->tx_drops[REASON_BAD_OFFLOAD]++;
	} else if (op->result == -EAGAIN || op->result == -ENOBUFS || op->result == -ENOMEM) {
		stats->tx_drops[REASON_QUEUE_FULL]++;
	} else {
		stats->tx_drops[REASON_LINK_DOWN]++;
		note_write(port, (int)-op->result);
	}
}

void tap_send(struct port *port, struct frame_batch *batch)
{
	struct vnet_header header[FRAME_BATCH_MAX];
	struct bulk_op op[FRAME_BATCH_MAX];

	for (unsigned i = 0; i < batch->count; i++)
		lay_out(batch->frame[i], &header[i], &op[i]);
	write_all(port->state, op, batch->count);
	for (unsigned i = 0; i < batch->count; i++)
		count(port, offload_segments(batch->frame[i]), &op[i]);
	frame_batch_free(batch);
}
