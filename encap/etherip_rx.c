/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Receiving EtherIP: per family one raw socket, read in batches. It is not bound
 * to an address, which would lose multicast; etherip_demux() decides whose a
 * datagram is. A second raw socket takes and drops everything, for the kernel's
 * bookkeeping: a datagram that no raw socket takes, because the queue of the only
 * one is full, is answered by "protocol unreachable".
 */
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "encap/accel.h"
#include "encap/etherip_io.h"
#include "encap/socket.h"
#include "lib/log.h"

LOG_MODULE("etherip");

/* ---- filters ---- */

static int attach(int fd, const struct etherip_table *table, uint16_t family,
		  const struct etherip_take *const *take, unsigned takes)
{
	struct sock_filter *code = calloc(FILTER_LEN, sizeof(*code));
	struct sock_fprog program = {.filter = code};
	int ret = 0;

	if (!code)
		return -ENOMEM;
	program.len = (unsigned short)etherip_filter_raw(table, family, take, takes, code);
	if (setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof(program)) < 0)
		ret = -errno;
	free(code);
	return ret;
}

static const struct etherip_table *filtered_table(const struct etherip_shared *shared)
{
	const struct etherip_table *table = &shared->table;

	return shared->host->ids_shared && table->count[0] + table->count[1] <= FILTER_IDS ? table
											   : NULL;
}

/* Sets *filtered if the kernel looks at identifiers. */
static int update_raw(struct etherip_shared *shared, uint16_t family, bool *filtered)
{
	const struct receiver *rx = &shared->receiver[family_index(family)].rx;
	const struct etherip_table *table = filtered_table(shared);
	const struct etherip_take *take[FILTER_RINGS] = {NULL};
	unsigned takes = 0;
	int ret = 0;

	list_for_each (&shared->rings, it) {
		const struct etherip_ring *ring = container_of(it, struct etherip_ring, link);

		if (ring->family == family && ring->ring)
			take[takes++] = &ring->take;
	}
	*filtered = table != NULL;
	if (rx->fd < 0)
		return 0;
	if (table)
		ret = attach(rx->fd, table, family, take, takes);
	if (table && ret == 0)
		return 0;
	*filtered = false;
	if (takes)
		return attach(rx->fd, NULL, family, take, takes);
	(void)socket_set_int(rx->fd, SOL_SOCKET, SO_DETACH_FILTER, 0);
	return 0;
}

int etherip_update_raw(struct etherip_shared *shared, uint16_t family)
{
	bool filtered;

	return update_raw(shared, family, &filtered);
}

void etherip_update_filter(struct etherip_shared *shared)
{
	bool filtered[2];

	etherip_rings_update(shared);
	for (unsigned i = 0; i < 2; i++)
		(void)update_raw(shared, family_at(i), &filtered[i]);
	if (shared->host->ids_shared && shared->kernel_filter && !(filtered[0] && filtered[1]))
		log_info("%u identifiers are too many for a kernel filter: filtering here",
			 shared->table.count[0] + shared->table.count[1]);
	shared->kernel_filter = filtered[0] && filtered[1];
}

/* ---- receiving ---- */

struct encap *etherip_classify(const struct etherip_shared *shared, struct frame *frame,
			       uint16_t port, const struct outer *outer, enum reason *reason,
			       struct encap **blame)
{
	uint8_t header[ETHERIP_HEADER_LEN] = {0};
	struct etherip *whose = NULL;
	struct etherip *etherip = etherip_demux(&shared->table, frame, port, outer, reason, &whose);

	if (!etherip) {
		*blame = whose ? whose->encap : NULL;
		return NULL;
	}
	(void)frame_peek(frame, 0, sizeof(header), header);
	*reason = etherip->encap->ops->pop(etherip->encap, frame);
	if (*reason != REASON_NONE) {
		*blame = etherip->encap;
		return NULL;
	}
	if (etherip->encap->uplink->accel && port == 0)
		accel_accept(etherip->encap->uplink->accel, &outer->src, header);
	if (outer->fragmented)
		etherip->reassembled++;
	return etherip->encap;
}

/* A raw IPv4 socket hands over the IP header, in which source and destination stand. */
static struct encap *classify(struct receiver *rx, struct frame *frame, struct outer *outer,
			      enum reason *reason, struct encap **blame)
{
	const struct etherip_receiver *receiver = rx->owner;

	if (rx->family == AF_INET) {
		*reason = etherip_pull_ipv4(frame, outer);
		if (*reason != REASON_NONE)
			return NULL;
	}
	return etherip_classify(receiver->shared, frame, 0, outer, reason, blame);
}

static struct encap *classify_udp(struct receiver *rx, struct frame *frame, struct outer *outer,
				  enum reason *reason, struct encap **blame)
{
	const struct udp_receiver *receiver = rx->owner;

	return etherip_classify(rx->host->shared[ENCAP_ETHERIP], frame, receiver->port, outer,
				reason, blame);
}

void etherip_receivers_init(struct etherip_shared *shared)
{
	udp_receivers_init(&shared->udp_receivers, shared->host, ENCAP_ETHERIP, classify_udp);
	for (unsigned i = 0; i < 2; i++) {
		struct etherip_receiver *receiver = &shared->receiver[i];

		receiver->shared = shared;
		receiver->guard_fd = -1;
		receiver->rx = (struct receiver){
		    .host = shared->host,
		    .family = family_at(i),
		    .kind = ENCAP_ETHERIP,
		    .owner = receiver,
		    .classify = classify,
		    .fd = -1,
		};
	}
}

void etherip_receiver_close(struct etherip_receiver *receiver)
{
	receiver_stop(&receiver->rx);
	if (receiver->guard_fd >= 0)
		close(receiver->guard_fd);
	receiver->guard_fd = -1;
}

static int raw_socket(uint16_t family)
{
	int fd = socket(family, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, ETHERIP_PROTOCOL);

	if (fd < 0)
		return -errno;
	return fd;
}

int etherip_receiver_open(struct etherip_shared *shared, uint16_t family)
{
	struct etherip_receiver *receiver = &shared->receiver[family_index(family)];
	int ret;

	if (receiver->rx.fd >= 0)
		return 0;
	receiver->guard_fd = raw_socket(family);
	ret = receiver->guard_fd;
	if (ret >= 0)
		ret = socket_drop_everything(receiver->guard_fd);
	if (ret >= 0)
		ret = raw_socket(family);
	if (ret >= 0)
		ret = receiver_start(&receiver->rx, ret);
	if (ret < 0)
		etherip_receiver_close(receiver);
	return ret;
}
