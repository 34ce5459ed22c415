/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Frames, the pool they come from, and batches of them.
 *
 * A frame is a descriptor of one Ethernet frame without FCS. Its bytes lie in a
 * buffer that several descriptors may share: flooding clones the descriptor and
 * leaves the bytes alone. Three rules keep that safe:
 *
 *  - bytes of a shared buffer are read-only; frame_writable() makes a private
 *    copy where somebody has to write;
 *  - headroom belongs to whoever is lowest: frame_push() may claim bytes below
 *    the lowest byte that any descriptor of the buffer uses, because nobody
 *    else can see them, and fails otherwise;
 *  - a descriptor and a buffer never move, and go back to the pool with the
 *    last reference.
 *
 * A frame may be a superframe: up to 64 KiB of one TCP or UDP flow with one set
 * of headers, which is cut into segments of `offload.gso_size` later (or never,
 * if the receiver takes it whole).
 */
#ifndef TVD_FRAME_H
#define TVD_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "lib/addr.h"
#include "lib/reason.h"
#include "lib/stats.h"

#define ETH_HEADER_LEN 14u
#define VLAN_TAG_LEN   4u

/*
 * Room in front of a frame for the deepest stack of headers that the switch
 * writes: outer Ethernet 14 + two tags 8 + IPv6 40 + UDP 8 + ESP 16 + VXLAN 8 +
 * EtherIP 2, and an inner tag of 4 put back, rounded up to a cache line.
 */
#define FRAME_HEADROOM 128u

/* Bytes that a frame may hold: a small buffer takes any frame of a 1500-byte
 * link, a large one a superframe: 64 KiB of IP behind a header with two tags. */
#define FRAME_SMALL 1792u
#define FRAME_LARGE (65536u + 64u)

/* A layer's offset that nobody has determined, or that does not exist. */
#define FRAME_OFF_UNSET UINT16_MAX

/* What a frame asks of whoever completes it; the values of virtio_net_hdr. */
enum frame_gso {
	FRAME_GSO_NONE,
	FRAME_GSO_TCP4,
	FRAME_GSO_TCP6,
	FRAME_GSO_UDP, /* of either IP version: the frame tells */
};

struct frame_offload {
	bool csum_partial; /* the checksum field holds the pseudo-header sum only */
	bool csum_valid;   /* somebody trusted has verified the checksum */
	bool gso_ecn;	   /* TCP superframe with CWR set: only for the first segment */
	uint8_t gso;	   /* enum frame_gso */
	uint16_t gso_size; /* payload bytes of a segment */
	uint16_t csum_start, csum_offset; /* from the first byte of the frame */
};

/* The tag that the kernel took out of the bytes and reported beside them. */
struct frame_tag {
	uint16_t tpid; /* host byte order; 0 means none */
	uint16_t tci;
};

struct frame_pool;
struct frame_buf;

struct frame {
	uint8_t *data;
	uint32_t len;
	uint16_t l3_off, l4_off; /* set by packet_parse(), reset by push and pop */
	struct frame_offload offload;
	struct frame_tag tag;
	/* The host at the other end: the outer source of what came from a wire,
	 * the outer destination of what goes to one; unset means to all. */
	struct ipaddr peer;
	struct stats *origin; /* where it came in: who counts a late drop; may be NULL */
	struct frame_buf *buf;
	struct frame *next_free;
};

/* How much is in use; see `switchctl status`. */
struct frame_pool_usage {
	unsigned small_used, small_max, large_used, large_max, frames_used, frames_max;
	uint64_t exhausted; /* allocations that failed */
	uint64_t copied;    /* frames copied, because somebody had to write shared bytes */
};

/*
 * A pool of a fixed number of small and large buffers. NULL when out of memory.
 * Memory that was never used costs nothing. Destroying a pool with frames
 * outstanding aborts: somebody has leaked them.
 */
struct frame_pool *frame_pool_create(unsigned small, unsigned large);
void frame_pool_destroy(struct frame_pool *pool);
struct frame_pool_usage frame_pool_usage(const struct frame_pool *pool);

/*
 * A frame of length 0 with at least `room` bytes behind FRAME_HEADROOM, metadata
 * clear and layers unset. NULL when the pool is exhausted or `room` is more than
 * FRAME_LARGE. The bytes are whatever was there: set `len` only over bytes
 * that were written.
 */
struct frame *frame_alloc(struct frame_pool *pool, size_t room);

/* A second descriptor of the same bytes, with the same metadata; NULL when exhausted. */
struct frame *frame_clone(const struct frame *frame);

/* A private copy with full headroom; NULL when exhausted. */
struct frame *frame_copy(const struct frame *frame);

/*
 * Makes a descriptor, anywhere, of bytes that are somebody else's (a receive buffer):
 * metadata clear, layers unset. Such a borrowed frame can be looked at and pulled, no
 * more; frame_keep() makes a frame of the pool of it.
 */
void frame_borrow(struct frame *frame, uint8_t *data, size_t len);

static inline bool frame_is_borrowed(const struct frame *frame)
{
	return !frame->buf;
}

/* A private copy of a borrowed frame, with its metadata; NULL when exhausted. */
struct frame *frame_keep(struct frame_pool *pool, const struct frame *borrowed);

/* Gives one descriptor back; NULL is fine. */
void frame_free(struct frame *frame);

/* Gives it back and counts why at the place where it came in. */
void frame_drop(struct frame *frame, enum reason reason);

/* Bytes that may follow data: from data to the end of the buffer. */
size_t frame_room(const struct frame *frame);

/* Whether no other descriptor shares the bytes. */
bool frame_is_private(const struct frame *frame);

/*
 * Makes the bytes private by copying them if they are shared. false when the
 * pool is exhausted; the frame is then unchanged.
 */
bool frame_writable(struct frame *frame);

/*
 * Puts n bytes in front and returns the new first byte, to be written by the
 * caller; moves the checksum offset along and resets the layer offsets. NULL
 * when there is no headroom or it belongs to another descriptor.
 */
uint8_t *frame_push(struct frame *frame, size_t n);

/* Takes n bytes off the front. false when the frame is shorter than that. */
bool frame_pull(struct frame *frame, size_t n);

/*
 * Copies n bytes at offset `off` to `storage` and returns it, or NULL when the
 * frame ends before. The way to look at any header: never unaligned, never
 * past the end.
 */
const void *frame_peek(const struct frame *frame, size_t off, size_t n, void *storage);

/* Frames that are in use together. */
#define FRAME_BATCH_MAX 64u

/*
 * When so many bytes have been read from one place, what became of them is sent before
 * more is read: they are in the processor's cache still, and whoever else has sent
 * something has a turn. Three or four superframes.
 */
#define FRAME_TURN_BYTES (192u << 10)

struct frame_batch {
	unsigned count;
	struct frame *frame[FRAME_BATCH_MAX];
};

static inline bool frame_batch_full(const struct frame_batch *batch)
{
	return batch->count == FRAME_BATCH_MAX;
}

/* Adds a frame to a batch that is not full. */
static inline void frame_batch_add(struct frame_batch *batch, struct frame *frame)
{
	batch->frame[batch->count++] = frame;
}

/* Frees every frame and empties the batch. */
void frame_batch_free(struct frame_batch *batch);

/* Frees every frame, counts each with this reason where it came in, and empties the batch. */
void frame_batch_drop(struct frame_batch *batch, enum reason reason);

#endif
