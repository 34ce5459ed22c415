/* SPDX-License-Identifier: BSD-2-Clause */
#include "encap/xsk.h"

#include <errno.h>
#include <linux/if_xdp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "encap/socket.h"

#define CHUNKS	   1024u /* a power of two: so long are the rings, too */
#define QUEUES_MAX 64u
#define TX_BUFFER  (4 << 20)

/* A ring that we share with the kernel: one of the two writes, the other reads. */
struct ring {
	void *map;
	size_t map_len;
	uint32_t *producer, *consumer;
	void *entries;
};

struct xsk {
	int fd;
	uint8_t *memory;
	size_t chunk;
	struct ring tx, done;
	uint32_t free[CHUNKS]; /* chunks that are nowhere */
	unsigned free_count;
	uint32_t produced; /* of tx, as we write it */
};

/* @syscall mmap munmap getsockopt */
static int ring_map(struct ring *ring, int fd, const struct xdp_ring_offset *offset, size_t entry,
		    uint64_t page)
{
	ring->map_len = offset->desc + CHUNKS * entry;
	ring->map = mmap(NULL, ring->map_len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE, fd,
			 (off_t)page);
	if (ring->map == MAP_FAILED) {
		ring->map = NULL;
		return -errno;
	}
	ring->producer = (uint32_t *)((uint8_t *)ring->map + offset->producer);
	ring->consumer = (uint32_t *)((uint8_t *)ring->map + offset->consumer);
	ring->entries = (uint8_t *)ring->map + offset->desc;
	return 0;
}

static void ring_unmap(struct ring *ring)
{
	if (ring->map)
		munmap(ring->map, ring->map_len);
	ring->map = NULL;
}

static int make_rings(struct xsk *xsk)
{
	struct xdp_mmap_offsets offsets;
	socklen_t len = sizeof(offsets);
	int ret = socket_set_int(xsk->fd, SOL_XDP, XDP_TX_RING, CHUNKS);

	ret = ret ? ret : socket_set_int(xsk->fd, SOL_XDP, XDP_UMEM_COMPLETION_RING, CHUNKS);
	ret = ret ? ret : socket_set_int(xsk->fd, SOL_XDP, XDP_UMEM_FILL_RING, CHUNKS);
	if (ret < 0)
		return ret;
	if (getsockopt(xsk->fd, SOL_XDP, XDP_MMAP_OFFSETS, &offsets, &len) < 0)
		return -errno;
	if (len != sizeof(offsets)) /* a kernel before 5.4: without wakeup flags */
		return -EPROTONOSUPPORT;
	ret = ring_map(&xsk->tx, xsk->fd, &offsets.tx, sizeof(struct xdp_desc), XDP_PGOFF_TX_RING);
	ret = ret ? ret
		  : ring_map(&xsk->done, xsk->fd, &offsets.cr, sizeof(uint64_t),
			     XDP_UMEM_PGOFF_COMPLETION_RING);
	return ret;
}

/* One queue has one such socket: another process may have the first. */
static int bind_to(const struct xsk *xsk, unsigned ifindex)
{
	struct sockaddr_xdp addr = {
	    .sxdp_family = AF_XDP,
	    .sxdp_flags = XDP_COPY,
	    .sxdp_ifindex = ifindex,
	};

	for (; addr.sxdp_queue_id < QUEUES_MAX; addr.sxdp_queue_id++) {
		if (bind(xsk->fd, (struct sockaddr *)&addr, sizeof(addr)) == 0)
			return 0;
		if (errno != EBUSY)
			break;
	}
	/* Behind the last queue: so all are in use. */
	return addr.sxdp_queue_id > 0 && errno == EINVAL ? -EBUSY : -errno;
}

int xsk_open(struct xsk **out, unsigned ifindex, size_t frame_max)
{
	struct xdp_umem_reg reg = {.chunk_size = frame_max <= 2048 ? 2048 : XSK_FRAME_MAX};
	struct xsk *xsk;
	int ret;

	if (frame_max > XSK_FRAME_MAX)
		return -EINVAL;
	xsk = calloc(1, sizeof(*xsk));
	if (!xsk)
		return -ENOMEM;
	xsk->chunk = reg.chunk_size;
	xsk->fd = socket(AF_XDP, SOCK_RAW | SOCK_CLOEXEC, 0);
	ret = xsk->fd < 0 ? -errno : 0;
	if (ret < 0)
		goto fail;
	xsk->memory = mmap(NULL, CHUNKS * xsk->chunk, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (xsk->memory == MAP_FAILED) {
		xsk->memory = NULL;
		ret = -ENOMEM;
		goto fail;
	}
	reg.addr = (uintptr_t)xsk->memory;
	reg.len = CHUNKS * xsk->chunk;
	if (setsockopt(xsk->fd, SOL_XDP, XDP_UMEM_REG, &reg, sizeof(reg)) < 0)
		ret = -errno;
	ret = ret ? ret : make_rings(xsk);
	ret = ret ? ret : bind_to(xsk, ifindex);
	if (ret < 0)
		goto fail;
	socket_set_buffer(xsk->fd, SO_SNDBUFFORCE, SO_SNDBUF, TX_BUFFER);
	for (unsigned i = 0; i < CHUNKS; i++)
		xsk->free[xsk->free_count++] = i;
	*out = xsk;
	return 0;
fail:
	xsk_close(xsk);
	return ret;
}

void xsk_close(struct xsk *xsk)
{
	if (!xsk)
		return;
	ring_unmap(&xsk->tx);
	ring_unmap(&xsk->done);
	if (xsk->fd >= 0)
		close(xsk->fd);
	if (xsk->memory)
		munmap(xsk->memory, CHUNKS * xsk->chunk);
	free(xsk);
}

/* Takes back what was sent. What the kernel writes there is a chunk of ours, or ignored. */
static void reclaim(struct xsk *xsk)
{
	const uint64_t *entries = xsk->done.entries;
	uint32_t producer = __atomic_load_n(xsk->done.producer, __ATOMIC_ACQUIRE);
	uint32_t consumer = *xsk->done.consumer;

	for (; consumer != producer && xsk->free_count < CHUNKS; consumer++) {
		uint64_t chunk = entries[consumer & (CHUNKS - 1)] / xsk->chunk;

		if (chunk < CHUNKS)
			xsk->free[xsk->free_count++] = (uint32_t)chunk;
	}
	__atomic_store_n(xsk->done.consumer, consumer, __ATOMIC_RELEASE);
}

uint8_t *xsk_reserve(struct xsk *xsk)
{
	if (xsk->free_count == 0)
		reclaim(xsk);
	return xsk->free_count ? xsk->memory + xsk->free[xsk->free_count - 1] * xsk->chunk : NULL;
}

/* There are as many entries as chunks: the ring is never full. */
void xsk_commit(struct xsk *xsk, size_t len)
{
	struct xdp_desc *entries = xsk->tx.entries;

	entries[xsk->produced & (CHUNKS - 1)] = (struct xdp_desc){
	    .addr = xsk->free[--xsk->free_count] * xsk->chunk,
	    .len = (uint32_t)len,
	};
	xsk->produced++;
}

bool xsk_is_idle(const struct xsk *xsk)
{
	return __atomic_load_n(xsk->tx.consumer, __ATOMIC_ACQUIRE) == xsk->produced;
}

/* @syscall sendmsg */
int xsk_flush(struct xsk *xsk)
{
	const struct msghdr nothing = {.msg_iov = NULL};
	uint32_t before;

	__atomic_store_n(xsk->tx.producer, xsk->produced, __ATOMIC_RELEASE);
	/* A call takes a part, and says EAGAIN then; one that took nothing found the
	 * device full: what is left waits. */
	do {
		before = __atomic_load_n(xsk->tx.consumer, __ATOMIC_ACQUIRE);
		if (sendmsg(xsk->fd, &nothing, MSG_DONTWAIT) < 0 && errno != EAGAIN &&
		    errno != EBUSY && errno != ENOBUFS && errno != EINTR)
			return -errno;
	} while (!xsk_is_idle(xsk) &&
		 __atomic_load_n(xsk->tx.consumer, __ATOMIC_ACQUIRE) != before);
	/* Not only when there are none left: what was used last is in the cache. */
	reclaim(xsk);
	return 0;
}
