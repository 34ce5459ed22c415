/* SPDX-License-Identifier: BSD-2-Clause */
#include "lib/frame.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>

struct frame_buf {
	struct frame_pool *pool;
	struct frame_buf *next_free;
	unsigned refs;
	uint32_t size; /* of bytes, headroom included */
	uint8_t *low;  /* the lowest byte that a descriptor uses */
	uint8_t *bytes;
};

/* Buffers of one size; free ones are taken last in, first out, to stay in the cache. */
struct buf_class {
	struct frame_buf *bufs, *free;
	uint8_t *memory;
	size_t size;
	unsigned count, used;
};

struct frame_pool {
	struct buf_class small, large;
	struct frame *frames, *free_frames;
	unsigned frames_max, frames_used;
	uint64_t exhausted, copied;
};

static int class_init(struct buf_class *class, struct frame_pool *pool, unsigned count, size_t room)
{
	class->size = FRAME_HEADROOM + room;
	class->count = count;
	class->bufs = calloc(count ? count : 1, sizeof(*class->bufs));
	if (!class->bufs)
		return -ENOMEM;
	/* Untouched pages of a private mapping cost nothing and read as zero. */
	class->memory =
	    mmap(NULL, class->size * count + 1, PROT_READ | PROT_WRITE, /* @syscall mmap */
		 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (class->memory == MAP_FAILED) {
		class->memory = NULL;
		return -ENOMEM;
	}
	for (unsigned i = count; i-- > 0;) {
		struct frame_buf *buf = &class->bufs[i];

		buf->pool = pool;
		buf->bytes = class->memory + class->size * i;
		buf->size = (uint32_t) class->size;
		buf->next_free = class->free;
		class->free = buf;
	}
	return 0;
}

static void class_fini(struct buf_class *class)
{
	if (class->memory)
		munmap(class->memory, class->size * class->count + 1); /* @syscall munmap */
	free(class->bufs);
}

struct frame_pool *frame_pool_create(unsigned small, unsigned large)
{
	struct frame_pool *pool = calloc(1, sizeof(*pool));

	if (!pool)
		return NULL;
	/* Descriptors are cheap; two a buffer lets every frame be flooded once. */
	pool->frames_max = 2 * (small + large);
	pool->frames = calloc(pool->frames_max ? pool->frames_max : 1, sizeof(*pool->frames));
	if (!pool->frames || class_init(&pool->small, pool, small, FRAME_SMALL) < 0 ||
	    class_init(&pool->large, pool, large, FRAME_LARGE) < 0) {
		frame_pool_destroy(pool);
		return NULL;
	}
	for (unsigned i = pool->frames_max; i-- > 0;) {
		pool->frames[i].next_free = pool->free_frames;
		pool->free_frames = &pool->frames[i];
	}
	return pool;
}

void frame_pool_destroy(struct frame_pool *pool)
{
	if (!pool)
		return;
	assert(pool->frames_used == 0 && pool->small.used == 0 && pool->large.used == 0);
	class_fini(&pool->small);
	class_fini(&pool->large);
	free(pool->frames);
	free(pool);
}

struct frame_pool_usage frame_pool_usage(const struct frame_pool *pool)
{
	return (struct frame_pool_usage){
	    .small_used = pool->small.used,
	    .small_max = pool->small.count,
	    .large_used = pool->large.used,
	    .large_max = pool->large.count,
	    .frames_used = pool->frames_used,
	    .frames_max = pool->frames_max,
	    .exhausted = pool->exhausted,
	    .copied = pool->copied,
	};
}

static struct buf_class *buf_class_of(const struct frame_buf *buf)
{
	struct frame_pool *pool = buf->pool;

	return buf->size == pool->small.size ? &pool->small : &pool->large;
}

static struct frame_buf *buf_take(struct frame_pool *pool, size_t room)
{
	struct buf_class *class =
	    room <= FRAME_SMALL && pool->small.free ? &pool->small : &pool->large;
	struct frame_buf *buf = room <= FRAME_LARGE ? class->free : NULL;

	if (!buf) {
		pool->exhausted++;
		return NULL;
	}
	class->free = buf->next_free;
	class->used++;
	buf->refs = 1;
	return buf;
}

static void buf_put(struct frame_buf *buf)
{
	struct buf_class *class = buf_class_of(buf);

	assert(buf->refs > 0);
	if (--buf->refs > 0)
		return;
	buf->next_free = class->free;
	class->free = buf;
	class->used--;
}

static struct frame *descriptor_take(struct frame_pool *pool)
{
	struct frame *frame = pool->free_frames;

	if (!frame) {
		pool->exhausted++;
		return NULL;
	}
	pool->free_frames = frame->next_free;
	pool->frames_used++;
	return frame;
}

static void descriptor_put(struct frame_pool *pool, struct frame *frame)
{
	frame->buf = NULL;
	frame->next_free = pool->free_frames;
	pool->free_frames = frame;
	pool->frames_used--;
}

static void reset_layers(struct frame *frame)
{
	frame->l3_off = FRAME_OFF_UNSET;
	frame->l4_off = FRAME_OFF_UNSET;
}

struct frame *frame_alloc(struct frame_pool *pool, size_t room)
{
	struct frame_buf *buf = buf_take(pool, room);
	struct frame *frame = buf ? descriptor_take(pool) : NULL;

	if (!frame) {
		if (buf)
			buf_put(buf);
		return NULL;
	}
	memset(frame, 0, sizeof(*frame));
	frame->buf = buf;
	frame->data = buf->low = buf->bytes + FRAME_HEADROOM;
	reset_layers(frame);
	return frame;
}

struct frame *frame_clone(const struct frame *frame)
{
	struct frame *clone = descriptor_take(frame->buf->pool);

	if (!clone)
		return NULL;
	*clone = *frame;
	clone->next_free = NULL;
	clone->buf->refs++;
	return clone;
}

void frame_borrow(struct frame *frame, uint8_t *data, size_t len)
{
	memset(frame, 0, sizeof(*frame));
	frame->data = data;
	frame->len = (uint32_t)len;
	reset_layers(frame);
}

struct frame *frame_keep(struct frame_pool *pool, const struct frame *borrowed)
{
	struct frame *frame = frame_alloc(pool, borrowed->len);
	struct frame_buf *buf;
	uint8_t *data;

	if (!frame)
		return NULL;
	buf = frame->buf;
	data = frame->data;
	memcpy(data, borrowed->data, borrowed->len);
	*frame = *borrowed;
	frame->buf = buf;
	frame->data = data;
	return frame;
}

struct frame *frame_copy(const struct frame *frame)
{
	struct frame *copy = frame_clone(frame);

	if (copy && !frame_is_private(copy) && !frame_writable(copy)) {
		frame_free(copy);
		return NULL;
	}
	return copy;
}

void frame_free(struct frame *frame)
{
	struct frame_pool *pool;

	if (!frame)
		return;
	assert(frame->buf);
	pool = frame->buf->pool;
	buf_put(frame->buf);
	descriptor_put(pool, frame);
}

void frame_drop(struct frame *frame, enum reason reason)
{
	if (frame->origin)
		frame->origin->rx_drops[reason]++;
	frame_free(frame);
}

size_t frame_room(const struct frame *frame)
{
	return (size_t)(frame->buf->bytes + frame->buf->size - frame->data);
}

bool frame_is_private(const struct frame *frame)
{
	return frame->buf && frame->buf->refs == 1;
}

bool frame_writable(struct frame *frame)
{
	struct frame_buf *buf;

	if (frame_is_private(frame))
		return true;
	buf = buf_take(frame->buf->pool, frame->len);
	if (!buf)
		return false;
	buf->pool->copied++;
	buf->low = buf->bytes + FRAME_HEADROOM;
	memcpy(buf->low, frame->data, frame->len);
	buf_put(frame->buf);
	frame->buf = buf;
	frame->data = buf->low;
	return true;
}

uint8_t *frame_push(struct frame *frame, size_t n)
{
	struct frame_buf *buf = frame->buf;

	if (n > (size_t)(frame->data - buf->bytes))
		return NULL;
	if (buf->refs > 1 && frame->data != buf->low)
		return NULL;
	frame->data -= n;
	frame->len += (uint32_t)n;
	buf->low = frame->data;
	frame->offload.csum_start = (uint16_t)(frame->offload.csum_start + n);
	reset_layers(frame);
	return frame->data;
}

bool frame_pull(struct frame *frame, size_t n)
{
	if (n > frame->len)
		return false;
	frame->data += n;
	frame->len -= (uint32_t)n;
	/* A checksum that began in what is gone cannot be completed any more. */
	if (frame->offload.csum_partial && frame->offload.csum_start < n)
		frame->offload.csum_partial = false;
	frame->offload.csum_start = (uint16_t)(frame->offload.csum_start - n);
	if (frame_is_private(frame))
		frame->buf->low = frame->data;
	reset_layers(frame);
	return true;
}

const void *frame_peek(const struct frame *frame, size_t off, size_t n, void *storage)
{
	if (off > frame->len || n > frame->len - off)
		return NULL;
	memcpy(storage, frame->data + off, n);
	return storage;
}

void frame_batch_free(struct frame_batch *batch)
{
	for (unsigned i = 0; i < batch->count; i++)
		frame_free(batch->frame[i]);
	batch->count = 0;
}

void frame_batch_drop(struct frame_batch *batch, enum reason reason)
{
	for (unsigned i = 0; i < batch->count; i++)
		frame_drop(batch->frame[i], reason);
	batch->count = 0;
}
