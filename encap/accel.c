/* SPDX-License-Identifier: BSD-2-Clause */
#include "encap/accel.h"

#include <errno.h>
#include <ev.h>
#include <stdlib.h>
#include <sys/uio.h>
#include <unistd.h>

#include "encap/accel_cut.h"
#include "encap/etherip_io.h"
#include "encap/gso.h"
#include "encap/inbox.h"
#include "lib/log.h"
#include "lib/revive.h"

LOG_MODULE("accel");

#define READ_SEGMENTS 512u /* in one turn of the loop, as they were on the wire */
#define HEADER_LEN    sizeof(struct vnet_header)

struct accel {
	struct encap_host *host;
	const struct encap_uplink *uplink;
	struct accel_shared *shared;
	ev_io io;
	int tap;
	bool sends, receives, failed;
	unsigned slot;	 /* the last that was written */
	unsigned victim; /* who makes room in a set of sources that is full */
	uint64_t received;
	struct inbox inbox;
};

/* A TAP that has gone is readable for ever, and has nothing to say. */
static void fail(struct accel *accel, int error)
{
	if (accel->failed)
		return;
	accel->failed = true;
	ev_io_stop(accel->host->loop, &accel->io);
	log_info("uplink %s: the helper TAP has failed: %s", accel->uplink->name, strerror(error));
	accel_allow(accel, false, false);
}

/* ---- sources ---- */

/* The program reads whole entries: each is written at once. */
static void set_entry(uint64_t *entry, uint64_t key)
{
	__atomic_store_n(entry, key, __ATOMIC_RELAXED);
}

void accel_accept(struct accel *accel, const struct ipaddr *src, const uint8_t header[2])
{
	uint64_t *set, key;
	uint16_t bytes;
	unsigned way = ACCEL_WAYS;

	if (!accel->receives || src->family != AF_INET)
		return;
	memcpy(&bytes, header, sizeof(bytes));
	key = accel_key(src->v4.s_addr, bytes);
	set = accel->shared->accept + accel_set(src->v4.s_addr, bytes);
	for (unsigned i = 0; i < ACCEL_WAYS; i++) {
		if (set[i] == key)
			return;
		if (set[i] == 0 && way == ACCEL_WAYS)
			way = i;
	}
	if (way == ACCEL_WAYS)
		way = accel->victim++ % ACCEL_WAYS;
	set_entry(&set[way], key);
}

static void forget(struct accel *accel)
{
	for (unsigned i = 0; i < ACCEL_SETS * ACCEL_WAYS; i++) {
		if (accel->shared->accept[i])
			set_entry(&accel->shared->accept[i], 0);
	}
}

/* ---- receiving ---- */

/* One frame behind its label; takes ownership. */
static void receive(struct accel *accel, struct frame *frame)
{
	struct encap *encap, *blame = NULL;
	const struct etherip_shared *shared;
	enum reason reason = REASON_UNKNOWN_ID;
	uint8_t label[ACCEL_LABEL];
	struct outer outer = {
	    .dst = accel->uplink->addr[0],
	    .ifindex = accel->uplink->ifindex,
	    .src.family = AF_INET,
	};
	unsigned segments;

	/* The host's own, such as an announcement by IPv6, has no label. */
	if (!frame_peek(frame, 0, sizeof(label), label) ||
	    memcmp(label, &accel->shared->cookie, sizeof(accel->shared->cookie)) != 0) {
		frame_free(frame);
		return;
	}
	accel->received++;
	memcpy(&outer.src.v4, label + 8, sizeof(outer.src.v4));
	/* The EtherIP header is the label's end. */
	(void)frame_pull(frame, ACCEL_LABEL - ETHERIP_HEADER_LEN);
	shared = accel->host->shared[ENCAP_ETHERIP];
	encap = shared ? etherip_classify(shared, frame, 0, &outer, &reason, &blame) : NULL;
	if (encap && (reason = offload_check(frame)) != REASON_NONE) {
		blame = encap;
		encap = NULL;
	}
	if (!encap) {
		(blame ? &blame->stats : &accel->host->stray[ENCAP_ETHERIP])->rx_drops[reason]++;
		frame_free(frame);
		return;
	}
	segments = offload_segments(frame);
	encap->stats.rx_merged += segments - 1;
	encap->accelerated.rx += segments;
	frame->peer = outer.src;
	frame->origin = &encap->stats;
	inbox_add(&accel->inbox, encap, frame);
}

/* @syscall read */
static void on_readable(struct ev_loop *loop, ev_io *io, int events)
{
	struct accel *accel = io->data;
	unsigned segments = 0;

	revive(loop, io, events);
	while (segments < READ_SEGMENTS) {
		struct frame *frame = frame_alloc(accel->host->pool, FRAME_LARGE);
		ssize_t n;

		/* What is queued is sent before the loop comes back here. */
		if (!frame)
			break;
		n = read(accel->tap, frame->data - HEADER_LEN, HEADER_LEN + FRAME_LARGE);
		if (n < (ssize_t)HEADER_LEN) {
			frame_free(frame);
			if (n < 0 && errno == EINTR)
				continue;
			if (n < 0 && errno != EAGAIN)
				fail(accel, errno);
			break;
		}
		frame->len = (uint32_t)((size_t)n - HEADER_LEN);
		if (!vnet_read(frame->data - HEADER_LEN, frame)) {
			frame_free(frame);
			continue;
		}
		segments += offload_segments(frame);
		receive(accel, frame);
	}
	inbox_flush(&accel->inbox);
}

/* ---- sending ---- */

/* How to get there, if it is known. */
static bool aim(struct accel *accel, const struct ipaddr *peer, struct accel_to *to)
{
	const struct encap_uplink *uplink = accel->uplink;
	struct encap_host *host = accel->host;

	if (!accel->sends || peer->family != AF_INET || ipaddr_is_multicast(peer) ||
	    !ipaddr_is_set(&uplink->addr[0]) || mac_is_zero(&uplink->mac) || !host->next_hop ||
	    !host->next_hop(host, uplink, peer, &to->mac))
		return false;
	to->own_mac = uplink->mac;
	memcpy(to->src, &uplink->addr[0].v4, sizeof(to->src));
	memcpy(to->dst, &peer->v4, sizeof(to->dst));
	return true;
}

bool accel_can_send(struct accel *accel, const struct frame *frame)
{
	struct accel_to to;

	return aim(accel, &frame->peer, &to) && accel_takes(frame);
}

/*
 * The slot with these bytes. It is the last one most times; another is the next, so that
 * one which is still to be read by the kernel is not overwritten: it delays no more packets
 * than there are slots.
 */
static uint16_t slot_for(struct accel *accel, const uint8_t bytes[ACCEL_SLOT])
{
	if (memcmp(accel->shared->slot[accel->slot], bytes, ACCEL_SLOT) != 0) {
		accel->slot = (accel->slot + 1) % ACCEL_SLOTS;
		memcpy(accel->shared->slot[accel->slot], bytes, ACCEL_SLOT);
	}
	return (uint16_t)accel->slot;
}

/* @syscall writev */
static int write_piece(struct accel *accel, const struct accel_to *to, struct accel_piece *piece)
{
	const struct iovec iov[] = {
	    {&piece->vnet, sizeof(piece->vnet)},
	    {piece->head, piece->head_len},
	    {(void *)(uintptr_t)piece->rest, piece->rest_len},
	};
	uint8_t bytes[ACCEL_SLOT];
	uint16_t slot;
	ssize_t n;

	accel_outer(to, piece, bytes);
	memcpy(bytes + ACCEL_OUTER, piece->head, sizeof(bytes) - ACCEL_OUTER);
	slot = slot_for(accel, bytes);
	memcpy(piece->head, &slot, sizeof(slot));
	do {
		n = writev(accel->tap, iov, 3);
	} while (n < 0 && errno == EINTR);
	if (n < 0 && (errno == EIO || errno == EBADFD))
		fail(accel, errno);
	return n < 0 ? -errno : 0;
}

static enum reason send_one(struct accel *accel, struct encap *encap, const struct frame *inner,
			    const struct accel_to *to)
{
	struct accel_piece piece[2];
	unsigned n = accel_cut(inner, piece);
	enum reason result = n ? REASON_NONE : REASON_BAD_OFFLOAD;

	for (unsigned i = 0; i < n; i++) {
		int ret = write_piece(accel, to, &piece[i]);

		if (ret < 0) {
			result = reason_of_errno(-ret);
			continue;
		}
		encap->stats.tx_segments += piece[i].segments;
		encap->accelerated.tx += piece[i].segments;
	}
	return result;
}

/* Whether it is taken care of. */
static bool send_frame(struct accel *accel, struct encap *encap, const struct frame *frame,
		       uint8_t ttl)
{
	bool super = frame->offload.gso != FRAME_GSO_NONE;
	struct accel_to to = {.ttl = ttl};
	enum reason reason = REASON_LINK_DOWN;
	struct frame inner;

	if (!super &&
	    (!ipaddr_is_set(&frame->peer) || frame->len > accel->uplink->mtu - IPV4_OVERHEAD))
		return false;
	frame_borrow(&inner, frame->data + ETHERIP_HEADER_LEN, frame->len - ETHERIP_HEADER_LEN);
	inner.offload = frame->offload;
	inner.tag = frame->tag;
	if ((super || accel_takes(&inner)) && aim(accel, &frame->peer, &to)) {
		memcpy(to.etherip, frame->data, sizeof(to.etherip));
		reason = send_one(accel, encap, &inner, &to);
	} else if (!super) {
		return false;
	}
	if (reason != REASON_NONE)
		encap->stats.tx_drops[reason]++;
	return true;
}

void accel_send(struct accel *accel, struct encap *encap, struct frame_batch *batch, uint8_t ttl)
{
	unsigned kept = 0;

	for (unsigned i = 0; i < batch->count; i++) {
		struct frame *frame = batch->frame[i];

		if (send_frame(accel, encap, frame, ttl))
			frame_free(frame);
		else
			batch->frame[kept++] = frame;
	}
	batch->count = kept;
}

/* ---- life ---- */

int accel_open(struct accel **out, struct encap_host *host, const struct encap_uplink *uplink,
	       struct accel_shared *shared, int tap)
{
	struct accel *accel = calloc(1, sizeof(*accel));

	if (!accel)
		return -ENOMEM;
	accel->host = accel->inbox.host = host;
	accel->uplink = uplink;
	accel->shared = shared;
	accel->tap = tap;
	ev_io_init(&accel->io, on_readable, tap, EV_READ);
	accel->io.data = accel;
	ev_io_start(host->loop, &accel->io);
	*out = accel;
	return 0;
}

void accel_close(struct accel *accel)
{
	if (!accel)
		return;
	accel_allow(accel, false, false);
	ev_io_stop(accel->host->loop, &accel->io);
	free(accel);
}

void accel_allow(struct accel *accel, bool send, bool receive)
{
	struct accel_shared *shared = accel->shared;

	send = send && !accel->failed;
	receive = receive && !accel->failed;
	accel->sends = send;
	accel->receives = receive;
	if (!receive)
		forget(accel);
	__atomic_store_n(&shared->enabled, receive, __ATOMIC_RELEASE);
}

bool accel_failed(const struct accel *accel)
{
	return accel->failed;
}

uint64_t accel_received(const struct accel *accel)
{
	return accel->received;
}
