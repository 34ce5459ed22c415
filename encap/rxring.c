/* SPDX-License-Identifier: BSD-2-Clause */
#include "encap/rxring.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include "encap/socket.h"

/* Blocks are contiguous: larger ones cost the kernel less to walk, and it may lack them. */
#define BLOCK	   (256u << 10)
#define BLOCKS	   16u
#define SLOT_MIN   2048u
#define SLOT_EXTRA 128u /* in front of the packet */

struct rxring {
	int fd;
	uint8_t *map;
	unsigned slot, slots; /* bytes, and how many */
	unsigned next;
	struct socket_own own;
};

static struct tpacket2_hdr *header_at(const struct rxring *ring, unsigned i)
{
	return (struct tpacket2_hdr *)(ring->map + (size_t)i * ring->slot);
}

/* All protocols: only so is it before tc, and before the stack of this host. */
static int bind_to(const struct rxring *ring, unsigned ifindex)
{
	struct sockaddr_ll addr = {
	    .sll_family = AF_PACKET,
	    .sll_protocol = htons(ETH_P_ALL),
	    .sll_ifindex = (int)ifindex,
	};

	return bind(ring->fd, (struct sockaddr *)&addr, sizeof(addr)) < 0 ? -errno : 0;
}

/* Not in every libc's headers. */
#ifndef PACKET_IGNORE_OUTGOING
#define PACKET_IGNORE_OUTGOING 23
#endif

/* @syscall mmap munmap */
static int map(struct rxring *ring)
{
	struct tpacket_req req = {
	    .tp_block_size = BLOCK,
	    .tp_block_nr = BLOCKS,
	    .tp_frame_size = ring->slot,
	    .tp_frame_nr = ring->slots,
	};
	int ret = socket_set_int(ring->fd, SOL_PACKET, PACKET_VERSION, TPACKET_V2);
	void *memory;

	if (ret == 0 && setsockopt(ring->fd, SOL_PACKET, PACKET_RX_RING, &req, sizeof(req)) < 0)
		ret = -errno;
	if (ret < 0)
		return ret;
	memory =
	    mmap(NULL, (size_t)BLOCK * BLOCKS, PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd, 0);
	if (memory == MAP_FAILED)
		return -errno;
	ring->map = memory;
	return 0;
}

int rxring_open(struct rxring **out, struct encap_host *host, unsigned ifindex, size_t packet_max,
		const struct sock_fprog *filter)
{
	struct rxring *ring;
	int ret;

	if (packet_max > BLOCK / 4)
		return -EINVAL;
	ring = calloc(1, sizeof(*ring));
	if (!ring)
		return -ENOMEM;
	for (ring->slot = SLOT_MIN; ring->slot - SLOT_EXTRA < packet_max;)
		ring->slot *= 2;
	ring->slots = BLOCK / ring->slot * BLOCKS;
	/* Nothing is received before all is as it has to be. */
	ring->fd = socket(AF_PACKET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	ret = ring->fd < 0 ? -errno : 0;
	ret = ret ? ret : rxring_set_filter(ring, filter);
	ret = ret ? ret : socket_set_int(ring->fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, 1);
	ret = ret ? ret : map(ring);
	if (ret == 0)
		socket_own(host, &ring->own, ring->fd);
	ret = ret ? ret : bind_to(ring, ifindex);
	if (ret < 0) {
		rxring_close(ring);
		return ret;
	}
	*out = ring;
	return 0;
}

void rxring_close(struct rxring *ring)
{
	if (!ring)
		return;
	socket_disown(&ring->own);
	if (ring->map)
		munmap(ring->map, (size_t)BLOCK * BLOCKS);
	if (ring->fd >= 0)
		close(ring->fd);
	free(ring);
}

int rxring_fd(const struct rxring *ring)
{
	return ring->fd;
}

int rxring_set_filter(struct rxring *ring, const struct sock_fprog *filter)
{
	return setsockopt(ring->fd, SOL_SOCKET, SO_ATTACH_FILTER, filter, sizeof(*filter)) < 0
		   ? -errno
		   : 0;
}

bool rxring_next(struct rxring *ring, struct rxring_packet *packet)
{
	struct tpacket2_hdr *header = header_at(ring, ring->next);
	uint32_t status = __atomic_load_n(&header->tp_status, __ATOMIC_ACQUIRE);

	if (!(status & TP_STATUS_USER))
		return false;
	packet->data = (uint8_t *)header + header->tp_net;
	packet->len = header->tp_snaplen;
	return true;
}

void rxring_release(struct rxring *ring)
{
	__atomic_store_n(&header_at(ring, ring->next)->tp_status, TP_STATUS_KERNEL,
			 __ATOMIC_RELEASE);
	ring->next = ring->next + 1 == ring->slots ? 0 : ring->next + 1;
}

bool rxring_failed(const struct rxring *ring)
{
	int error = 0;
	socklen_t len = sizeof(error);

	return getsockopt(ring->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0 || error;
}

/* @syscall getsockopt */
uint64_t rxring_overruns(struct rxring *ring)
{
	struct tpacket_stats stats;
	socklen_t len = sizeof(stats);

	if (getsockopt(ring->fd, SOL_PACKET, PACKET_STATISTICS, &stats, &len) < 0)
		return 0;
	return stats.tp_drops;
}
